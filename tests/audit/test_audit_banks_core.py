"""Goal: what the core makes of a bank, its centres and the treasury's people passes the
audit: each request, line, ending and statement, and each one that was refused.

Method: a process of its own walks with a seed over a ledger of the core, as
`bank_walk` says, with people and without; then the auditor reads what it has written.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from switch.audit import audit

STEPS = 600
ALWAYS = (
    *("item-in", "item-out", "matched-in", "matched-out", "ended", "released"),
    *("REQUEST-OK", "REQUEST-ACCOUNT_UNKNOWN", "REQUEST-ACCOUNT_KIND_WRONG"),
    *("BOOKED-ALREADY_BOOKED", "BOOKED-BOOKED_DIFFERS", "TRANSFER-CASE_CLOSED"),
    *("TRANSFER-NET_DIFFERS", "TRANSFER-ACCOUNT_KIND_WRONG"),
)
"""What must have come of it, that the walk is one."""
PEOPLES = (
    *("stated", "REGISTER-STATEMENT_GAP", "REGISTER-NOT_BOOKED", "WITHDRAW-OK"),
    "BOOKED-NOT_APPROVED",
)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["people", "nobody"])
def test_a_walk_with_a_bank_passes(tmp_path: Path, who: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.audit.bank_walk"),
            *(str(tmp_path / "ledger"), "7", str(STEPS), who),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    counts = dict(line.split() for line in done.stdout.splitlines())
    wanted = [*ALWAYS, *(PEOPLES if who == "people" else ())]
    assert [name for name in wanted if name not in counts] == []
    report = audit(tmp_path / "ledger")
    assert report.findings.kept == []
    assert report.checks["banks"] == 0
    assert "index" in report.checks
