"""Goal: gRPC-Go's client finds a gRPC server: every kind of call, end and refusal.

Method: its program (tests/interop/go) runs all cases against one server and says of
each what was not as it must be; a test a case holds it to that. Saying goodbye is
another run, in which the server is told to stop while calls are under way.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from switch.audit.reader import Journal
from switch.v1 import admin_pb2
from tests.interop.built import ROOT, go_client
from tests.server.harness import CALL_S, Peers, ServerProcess

RUN_S = 240.0
TEXT = (ROOT / "tests" / "interop" / "go" / "cases.go").read_text()
CASES = [*re.findall(r'^\t\{"(\w+)", func', TEXT, re.MULTILINE), "keepalive"]


@pytest.fixture(scope="module")
def said(server: ServerProcess) -> dict[str, str]:
    """What the client says of each case: nothing if it is right."""
    command = [str(go_client()), server.address, str(server.directory / "tls"), "all"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["case"]: "" if one["ok"] else one["said"] for one in found}


def test_there_are_cases(said: dict[str, str]) -> None:
    assert sorted(said) == sorted(CASES)
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES)
def test_case(said: dict[str, str], case: str) -> None:
    assert said[case] == ""


def test_goodbye_answers_what_is_under_way(own_server: ServerProcess) -> None:
    peers = Peers(own_server)
    before = sequence(peers)
    tls = own_server.directory / "tls"
    client = subprocess.Popen(
        [str(go_client()), own_server.address, str(tls), "farewell"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    assert json.loads(client.stdout.readline()) == {"ready": True}
    peers.close()
    assert own_server.stop() == 0
    out, _ = client.communicate(timeout=RUN_S)
    ended = json.loads(out)
    # Only a call that found nobody fails; whatever was answered is in the ledger.
    assert ended["code"] == "Unavailable"
    assert ended["stream"] in ("OK", "Unavailable", "Canceled")
    assert rows(own_server.directory / "ledger") - before >= ended["paid"]


def sequence(peers: Peers) -> int:
    request = admin_pb2.GetLedgerRequest()
    return peers.treasury.admin.GetLedger(request, timeout=CALL_S).sequence


def rows(ledger: Path) -> int:
    """What the auditor's reader finds."""
    with Journal(ledger) as journal:
        return journal.last_sequence()
