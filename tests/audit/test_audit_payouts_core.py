"""Goal: what the core makes of payouts, debts, openings, cut-offs, low balances and
revocations passes the audit: each that was done, and each that was refused.

Method: a process of its own walks with a seed over a ledger of the core, as
`payout_walk` says, with people and without; then the auditor reads what it has written,
and compares the index that was made of it.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from switch.audit import audit

STEPS = 800
ALWAYS = (
    *("paid", "paid-to", "owed", "opened", "cut-off", "ended", "record5", "record6"),
    *("REGISTER-OK", "WINDOW-OK", "LIMIT-OK"),
    *("TRANSFER-BENEFICIARY_WRONG", "TRANSFER-BENEFICIARY_WAITS"),
    *("TRANSFER-EXCEEDS_SETTLED", "SETTLE-OK"),
    *("TRANSFER-ACCOUNT_KIND_WRONG", "TRANSFER-INSUFFICIENT_FUNDS"),
    "REGISTER-SAME_PERSON",
)
"""What must have come of it, that the walk is one."""
PEOPLES = ("REGISTER-NOT_SIGNED", "REGISTER-NOT_APPROVED")
NOBODYS = ("REGISTER-ACCOUNT_KIND_WRONG", "REGISTER-ACCOUNT_UNKNOWN")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [13, 14])
@pytest.mark.parametrize("who", ["people", "nobody"])
def test_a_walk_that_pays_out_passes(tmp_path: Path, who: str, seed: int) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.audit.payout_walk"),
            *(str(tmp_path / "ledger"), str(seed), str(STEPS), who),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    counts = {
        name: int(count)
        for name, count in (line.split() for line in done.stdout.splitlines())
    }
    wanted = [*ALWAYS, *(PEOPLES if who == "people" else NOBODYS)]
    assert [name for name in wanted if not counts.get(name)] == []
    report = audit(tmp_path / "ledger")
    assert [str(one) for one in report.findings.kept] == []
    assert report.checks["payouts"] == 0
    assert "index" in report.checks
