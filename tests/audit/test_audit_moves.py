"""Goal: corrections, advances and recoveries that no honest switch has made are found,
each by words of its own.

Method: twins, as in `test_audit_doubts`.
"""

from pathlib import Path

import pytest

from switch.codes import PROPOSE_ADVANCE, Kind, RowFlag
from tests.audit.doubt_story import (
    Make,
    Pairs,
    Tell,
    expired,
    held,
    judge,
    kept,
    late,
    lent,
)
from tests.audit.journal_story import (
    CASE,
    SUSPENSE,
    WORD,
    A,
    B,
    Story,
)


def correction(of: Make, amount: int = 900, **f: object) -> Tell:
    """A correction that two people want."""

    def tell(s: Story) -> None:
        hold = of(s)
        asked = s.asked(Kind.TRANSFER, hold, amount, b"credited")
        s.approve(asked)
        accounts = {"debit": hold.debit, "credit": hold.credit, **f}
        s.moved_by(asked, **accounts)  # type: ignore[arg-type]

    return tell


def correction_moved_on(how: str) -> Tell:
    """Something happens between the approval and the deed."""

    def tell(s: Story) -> None:
        hold = late(s)
        asked = s.asked(Kind.TRANSFER, hold, 900, b"credited")
        s.approve(asked)
        if how == "verified":
            s.verified_by_two(hold)
        elif how == "corrected":
            s.corrected_by_two(hold, 100)
        if how != "left":
            s.moved_by(asked, hold.debit, hold.credit)

    return tell


def correction_alone(s: Story) -> None:
    hold = late(s)
    asked = s.asked(Kind.TRANSFER, hold, 900, b"credited")
    s.moved_by(asked, hold.debit, hold.credit)


def advance(amount: int = 900, **f: object) -> Tell:
    def tell(s: Story) -> None:
        lent(s)
        hold = kept(s)
        asked = s.asked(PROPOSE_ADVANCE, hold, amount, b"it waits")
        s.approve(asked)
        s.moved_by(asked, **{"debit": SUSPENSE, "credit": A, **f})  # type: ignore[arg-type]

    return tell


def advance_moved_on(how: str) -> Tell:
    def tell(s: Story) -> None:
        lent(s)
        hold = kept(s)
        asked = s.asked(PROPOSE_ADVANCE, hold, 900, b"it waits")
        s.approve(asked)
        if how == "posted":
            s.resolve(Kind.POST, hold, word=WORD)
        elif how == "advanced":
            s.advanced_by_two(hold, 100)
        if how != "left":
            s.moved_by(asked, SUSPENSE, A)

    return tell


def advance_alone(s: Story) -> None:
    lent(s)
    hold = kept(s)
    asked = s.asked(PROPOSE_ADVANCE, hold, 900, b"it waits")
    s.moved_by(asked, SUSPENSE, A)


def recovery(times: int = 1, **f: object) -> Tell:
    def tell(s: Story) -> None:
        lent(s)
        row = s.advanced_by_two(kept(s))
        for _ in range(times):
            s.recover(row, **f)

    return tell


MOVES: Pairs = {
    "a correction by one": (
        "approvals",
        "it corrects a payment, and no two people asked for that",
        correction(late),
        correction_alone,
    ),
    "a correction above what was held": (
        "cases",
        "it corrects more than was held",
        correction(late),
        correction(late, 901),
    ),
    "a correction of what is open": (
        "cases",
        "it corrects a hold that is open",
        correction(late),
        correction(held),
    ),
    "a correction of what nobody has confirmed": (
        "cases",
        "it corrects what no open late confirmation is about",
        correction(late),
        correction(expired),
    ),
    "a correction of what is verified": (
        "cases",
        "it corrects what no open late confirmation is about",
        correction_moved_on("left"),
        correction_moved_on("verified"),
    ),
    "a second correction": (
        "cases",
        "it corrects what no open late confirmation is about",
        correction_moved_on(""),
        correction_moved_on("corrected"),
    ),
    "a correction out of another wallet": (
        "cases",
        "it corrects a payment of other accounts",
        correction(late),
        correction(late, debit=B),
    ),
    "a correction that does not say so": (
        "cases",
        "its flags do not say whether it corrects a payment",
        correction(late),
        correction(late, flags=int(RowFlag.CLAIM)),
    ),
    "a correction for another reason": (
        "approvals",
        "proposed",
        correction(late),
        correction(late, reference=b"another"),
    ),
    "an advance by one": (
        "approvals",
        "it advances a payment, and no two people asked for that",
        advance(),
        advance_alone,
    ),
    "an advance of what is not kept any more": (
        "cases",
        "it advances a hold that is not kept",
        advance_moved_on("left"),
        advance_moved_on("posted"),
    ),
    "a second advance": (
        "cases",
        "its hold was advanced before",
        advance_moved_on(""),
        advance_moved_on("advanced"),
    ),
    "an advance above what was held": (
        "cases",
        "it advances more than was held",
        advance(),
        advance(901),
    ),
    "an advance to another wallet": (
        "cases",
        "it advances to another wallet",
        advance(),
        advance(credit=B),
    ),
    "an advance that says that it corrects": (
        "cases",
        "its flags do not say whether it corrects a payment",
        advance(),
        advance(flags=CASE),
    ),
    "a recovery of another amount": (
        "cases",
        "it takes back another amount than was advanced",
        recovery(),
        recovery(amount=899),
    ),
    "a recovery from another": (
        "cases",
        "it takes an advance back from others",
        recovery(),
        recovery(debit=B),
    ),
    "a second recovery": (
        "cases",
        "the advance was taken back before",
        recovery(),
        recovery(2),
    ),
    "a recovery of no advance": (
        "cases",
        "what it takes back is no advance",
        recovery(),
        recovery(resolves=7),
    ),
}

PAIRS = MOVES


@pytest.mark.parametrize("name", PAIRS)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    judge(tmp_path, PAIRS[name])
