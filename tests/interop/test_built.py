"""Goal: where packages of another language cannot be had, its client's tests are
skipped with a line that says why; what else goes wrong is an error and is said.

Method: tests/interop/build.sh with an npm that ends as npm does.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.interop.built import ROOT

NPM = """#!/bin/bash
echo "npm error code {code}" >&2
exit 1
"""


@pytest.mark.parametrize(
    ("code", "is_skipped"),
    [
        *[(code, True) for code in ("ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "E503")],
        *[(code, False) for code in ("EUSAGE", "EINTEGRITY", "E5031")],
    ],
)
def test_what_npm_meets_is_said(tmp_path: Path, code: str, *, is_skipped: bool) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(NPM.format(code=code))
    npm.chmod(0o755)
    done = subprocess.run(
        ["bash", "tests/interop/build.sh", "node"],
        cwd=ROOT,
        env={
            **os.environ,
            "BUILD": str(tmp_path),
            "PATH": f"{npm.parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"npm error code {code}" in done.stderr
    skipped = tmp_path / "skipped" / "node"
    assert skipped.exists() is is_skipped
    if is_skipped:
        assert done.returncode == 0
        assert code in skipped.read_text()
        assert "Node.js are skipped" in done.stderr
    else:
        assert done.returncode == 1
        assert "npm ci of tests/interop/node/package-lock.json failed" in done.stderr
