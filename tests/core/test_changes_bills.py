"""Goal: what was fetched of a bill is paid by the rules of the moment it is paid:
whatever files came since, and whatever became of other payments of that bill.

Method: random walks (`changes_bills.py`) of a thousand steps with a book of their own,
each ledger audited at its end; in the assert build also with one rule taken out at a
time: a walk must find each.
"""

from collections import Counter
from pathlib import Path

import pytest

from switch._core import ASSERTS
from switch.audit import audit
from tests.core.changes import WrongError
from tests.core.changes_bills import SERVICES, BillsWalk
from tests.longer import SEED, TIMES, quarter

STEPS = quarter(1_000)
WALKS = 1 if TIMES == 1 else 5 * TIMES
met: Counter[tuple[str, str]] = Counter()
"""What was tried in all walks, and what came of it."""
PLANTS = (
    "amount_rules_stay",
    "corrected_in_part_is_free",
    "files_expire_quotations",
    "undone_is_free",
)
"""Rules that the assert build leaves out if PLANT names them; see `test_changes.py`."""


@pytest.mark.parametrize("number", range(WALKS))
def test_what_is_paid_obeys_the_rules_of_its_moment(
    tmp_path: Path, number: int
) -> None:
    walk = BillsWalk(tmp_path, SEED * WALKS + number)
    walk.steps(STEPS)
    walk.market.pair.close()
    # Its people are under no treasury.
    found = audit(walk.market.pair.path).findings.kept
    assert [one for one in found if one.check != "senders"] == []
    met.update(walk.met)


def test_all_was_paid_and_refused() -> None:
    wanted = {
        (f"pay {code.decode()}", name)
        for code in SERVICES
        for name in ("OK", "QUOTATION_EXPIRED", "BILL_ALREADY_CLAIMED")
    }
    wanted |= {(what, "OK") for what in ("answer", "correct", "undo", "file")}
    wanted |= {(what, "RULE_FIXED") for what in ("file", "amount rule")}
    assert wanted - set(met) == set()


@pytest.mark.skipif(not ASSERTS, reason="only the assert build leaves rules out")
@pytest.mark.parametrize("plant", PLANTS)
def test_a_rule_that_is_left_out_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: str
) -> None:
    walk = BillsWalk(tmp_path, 0)
    monkeypatch.setenv("PLANT", plant)
    with pytest.raises(WrongError):
        walk.steps(5 * STEPS)
    print(f"{plant}: {walk.wrong}")
    monkeypatch.delenv("PLANT")
    walk.market.pair.close()
