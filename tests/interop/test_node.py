"""Goal: @grpc/grpc-js finds a gRPC server, which has nothing of gRPC-Go's code.

Method: its program (tests/interop/node) runs all cases against one server and says of
each what was not as it must be; a test a case holds it to that.
"""

import json
import os
import re
import subprocess

import pytest

from tests.interop.built import ROOT, node_modules
from tests.server.harness import ServerProcess

RUN_S = 240.0
PROGRAM = ROOT / "tests" / "interop" / "node" / "client.js"
TEXT = PROGRAM.read_text().partition("const cases")[2]
CASES = re.findall(r"^  (\w+): ", TEXT, re.MULTILINE)


@pytest.fixture(scope="module")
def said(server: ServerProcess) -> dict[str, str]:
    """What the client says of each case: nothing if it is right."""
    modules = node_modules()
    done = subprocess.run(
        ["node", str(PROGRAM), server.address, str(server.directory / "tls")],
        env={**os.environ, "NODE_PATH": str(modules)},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["case"]: "" if one["ok"] else one["said"] for one in found}


@pytest.mark.parametrize("case", CASES)
def test_case(said: dict[str, str], case: str) -> None:
    assert len(CASES) > 10
    assert said[case] == ""
