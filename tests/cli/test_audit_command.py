"""Goal: `payswitch audit` takes and says what the auditor takes, wherever it stands.

Method: the command as a process of its own, over a small ledger.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from switch._core import Ledger
from switch.audit.__main__ import parser as auditor
from switch.console.output import Exit
from switch.ledger.committer import Committer
from switch.programs import program
from tests.ledger.test_committer import frozen

WAIT_S = 60


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of four rows."""
    path = tmp_path_factory.mktemp("audited") / "ledger"
    with Ledger(str(path), map_size=1 << 30, reserve_size=0) as written:
        committer = Committer(written)
        committer.start()
        committer.commit_now(frozen(3))
        committer.stop(WAIT_S)
    return path


def audit(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        program("switch", "audit", *words),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


@pytest.mark.parametrize("words", [["--help"], ["DIR", "-h"]])
def test_its_help_has_every_option(words: list[str]) -> None:
    taken = set(re.findall(r"--[a-z]+", auditor().format_usage()))
    assert taken >= {"--at", "--only", "--live", "--ca", "--cert", "--key", "--log"}
    done = audit(*words)
    assert done.returncode == Exit.DONE
    assert not [option for option in taken if option not in done.stdout]
    assert "ledger directory" in done.stdout
    # As this command gives them, not the auditor that it runs.
    assert f"{Exit.FINDINGS} something is wrong" in " ".join(done.stdout.split())


@pytest.mark.parametrize("words", [["--at", "3", "DIR"], ["DIR", "--at", "3"]])
def test_options_stand_anywhere(ledger: Path, words: list[str]) -> None:
    known = [str(ledger) if word == "DIR" else word for word in words]
    done = audit("--only", "chain", *known, "--json")
    assert done.returncode == Exit.DONE, done.stderr
    assert json.loads(done.stdout)["sequence"] == 3


@pytest.mark.parametrize("words", [[], ["DIR", "--bogus"]])
def test_what_it_does_not_take(ledger: Path, words: list[str]) -> None:
    done = audit(*(str(ledger) if word == "DIR" else word for word in words))
    assert done.returncode == Exit.USAGE
    assert done.stderr
