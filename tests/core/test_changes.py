"""Goal: what is done obeys the rules of the moment it is done, whatever has changed
since it was prepared.

Method: random walks (`changes.py`) of a thousand steps with a book of their own, each
ledger audited at its end; in the assert build also with one rule taken out at a time: a
walk must find each.
"""

from collections import Counter
from pathlib import Path

import pytest

from switch._core import ASSERTS
from switch.audit import audit
from tests.core.changes import DEEDS, LINES, Walk, WrongError
from tests.longer import SEED, TIMES, quarter

STEPS = quarter(1_000)
WALKS = 1 if TIMES == 1 else 5 * TIMES
met: Counter[tuple[str, str]] = Counter()
"""What was tried in all walks, and what came of it."""
PLANTS = (
    "approvals_are_young",
    "channels_are_of_one_bank",
    "heads_only_grow",
    "newest_limit_wins",
    "operators_are_their_centre_s",
    "payouts_are_settled",
    "people_can_act",
    "stakes_are_what_moves",
    "withdrawn_until_done",
)
"""Rules that the assert build leaves out if PLANT names them; the clock's, too, which
is not asked here (`test_queue_clock.py`).
"""


@pytest.mark.parametrize("number", range(WALKS))
def test_what_is_done_obeys_the_rules_of_its_moment(
    tmp_path: Path, number: int
) -> None:
    walk = Walk(tmp_path, SEED * WALKS + number)
    walk.steps(STEPS)
    walk.office.close()
    # The first participant is registered by one that is not there yet.
    found = audit(walk.office.path).findings.kept
    assert [one for one in found if one.sequence > 1] == []
    met.update(walk.met)


def test_all_was_done_and_refused() -> None:
    wanted = {(what, "OK") for what in (*DEEDS, *LINES, "told", "payment", "withdraw")}
    wanted |= {(what, "NOT_APPROVED") for what in (*DEEDS, *LINES, "told")}
    wanted |= {(what, "THIRD") for what in (*DEEDS, *LINES)}
    wanted |= {("channel", "NOT_SIGNED"), ("payment", "OPERATOR_UNKNOWN")}
    wanted |= {("heads", "RULE_FIXED"), ("withdraw", "ALREADY_DONE")}
    payouts = "EXCEEDS_SETTLED", "BENEFICIARY_WRONG", "BENEFICIARY_WAITS"
    wanted |= {("payout", name) for name in payouts}
    assert wanted - set(met) == set()


@pytest.mark.skipif(not ASSERTS, reason="only the assert build leaves rules out")
@pytest.mark.parametrize("plant", PLANTS)
def test_a_rule_that_is_left_out_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: str
) -> None:
    walk = Walk(tmp_path, 0)
    monkeypatch.setenv("PLANT", plant)
    with pytest.raises(WrongError):
        walk.steps(5 * STEPS)
    print(f"{plant}: {walk.wrong}")
    monkeypatch.delenv("PLANT")
    walk.office.close()
