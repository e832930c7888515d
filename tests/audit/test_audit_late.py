"""Goal: who pays what another has in question, or was credited with late, is found.

Method: twins, as in `test_audit_doubts`.
"""

from pathlib import Path

import pytest

from switch.codes import Kind
from tests.audit import price_story as p
from tests.audit.doubt_story import (
    LATE,
    Make,
    Pairs,
    Tell,
    corrected,
    expired,
    judge,
    late,
    verified,
    voided,
)
from tests.audit.journal_story import (
    HOUR,
    MINUTE,
    WORD,
    A,
    B,
    Story,
)
from tests.audit.journal_writer import Row


def paid_again(first: Make, *, refused: bool = False) -> Tell:
    """The same bill, by another centre; the claim of the first has perhaps ended."""

    def tell(s: Story) -> None:
        first(s)
        s.commit()
        s.now += MINUTE
        s.pay(B, 1, 900, "HOLD-90")

    return tell


def late_again(s: Story) -> Row:
    """Verified, and confirmed again."""
    hold = verified(s)
    s.case(hold, LATE)
    return hold


def many_takers(count: int) -> Tell:
    """So many payments of parts of a bill, behind one that was credited late."""

    def tell(s: Story) -> None:
        p.bill_service(s, amount_rule=p.BELOW)
        f = {"amount_rule": p.BELOW}
        first = p.held(s, A, 6, 900, "BILL-90", **f)
        s.resolve(Kind.VOID, first, word=WORD)
        for _ in range(count):
            s.now += MINUTE
            row = p.held(s, A, 6, 100, "BILL-90", fetched=s.now - 1, **f)
            s.now += MINUTE
            s.resolve(Kind.POST, row, word=WORD)
        s.case(first, LATE)
        s.now += MINUTE
        p.held(s, A, 6, 100, "BILL-90", fetched=s.now - 1, **f)

    return tell


def deposit_again(how: str) -> Tell:
    """A deposit that asks about one of the same reference, which is in question."""

    def tell(s: Story) -> None:
        p.open_service(s)
        hold = s.pay(A, 6, 900, "ACCOUNT-1", kind=Kind.HOLD, deadline=60)
        s.commit()
        s.now = hold.timestamp + MINUTE
        s.resolve(Kind.EXPIRE, hold)
        if how in ("verified", "late"):
            s.verify(hold, WORD)
        if how in ("late", "corrected", "old"):
            s.case(hold, LATE)
        if how in ("corrected", "old"):
            s.corrected_by_two(hold)
        s.now += 25 * HOUR if how != "corrected" else 23 * HOUR
        s.pay(A, 6, 900, "ACCOUNT-1")

    return tell


CLAIMS: Pairs = {
    "a bill of what is unverified": (
        "claims",
        "the bill was claimed by sequence",
        paid_again(verified),
        paid_again(expired),
    ),
    "a bill of what was credited late": (
        "claims",
        "late, of the same bill",
        paid_again(voided),
        paid_again(late),
    ),
    "a bill of what was corrected": (
        "claims",
        "late, of the same bill",
        paid_again(voided),
        paid_again(corrected),
    ),
    "a bill of what was credited after all": (
        "claims",
        "late, of the same bill",
        paid_again(verified),
        paid_again(late_again),
    ),
    "a bill behind many takers": (
        "claims",
        "late, of the same bill",
        many_takers(16),
        many_takers(15),
    ),
    "a deposit behind one unverified": (
        "claims",
        "of the same reference was in the way",
        deposit_again("verified"),
        deposit_again(""),
    ),
    "a deposit behind one credited late": (
        "claims",
        "of the same reference was in the way",
        deposit_again("verified"),
        deposit_again("late"),
    ),
    "a deposit behind one corrected": (
        "claims",
        "of the same reference was in the way",
        deposit_again("old"),
        deposit_again("corrected"),
    ),
}

PAIRS = CLAIMS


@pytest.mark.parametrize("name", PAIRS)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    judge(tmp_path, PAIRS[name])
