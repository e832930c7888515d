"""Goal: cases and verifies that no honest switch has made are found, each by words of
its own.

Method: twins, as in `test_audit_forgeries`: the clean story goes on, once as it may and
once as it may not.
"""

from pathlib import Path

import pytest

from switch.codes import CaseType, Kind, RowFlag
from tests.audit.doubt_story import (
    DIFFERS,
    LATE,
    REJECTED,
    Make,
    Pairs,
    Tell,
    basket,
    corrected,
    expired,
    held,
    judge,
    kept,
    late,
    posted,
    posted_in_part,
    refunded,
    verified,
    voided,
)
from tests.audit.journal_story import (
    CASE,
    EVIDENCE,
    KEEP,
    SECOND,
    WORD,
    A,
    B,
    Story,
)

RELEASE = int(RowFlag.RELEASE)


def verify(of: Make, *, two: bool = False, again: bool = False) -> Tell:
    """A verify of something, by two people or a biller; perhaps a second one."""

    def tell(s: Story) -> None:
        hold = of(s)
        if again:
            s.verify(hold, WORD)
            s.case(hold, LATE)
        if two:
            s.verified_by_two(hold)
        else:
            s.verify(hold, WORD)

    return tell


def verify_alone(s: Story) -> None:
    s.verify(expired(s))


def verify_as(hold: Make, **f: object) -> Tell:
    """A verify by a biller with other fields; flags are turned over."""

    def tell(s: Story) -> None:
        row = s.verify(hold(s), WORD)
        for name, value in f.items():
            before = row.flags if name == "flags" else 0
            setattr(row, name, int(str(value)) ^ before)

    return tell


def verify_basket(approved: int) -> Tell:
    """Both of a basket, or one that is no part of it, by one approval."""

    def tell(s: Story) -> None:
        rows = basket(s)
        other = expired(s)
        asked = s.asked(Kind.VERIFY, rows[0], 900, b"not in its books")
        s.approve(asked)
        for row in (rows[1], other)[:approved]:
            done = s.verify(row)
            done.checker, done.total = SECOND, asked.sequence

    return tell


def verify_approved(*, then_confirmed: bool) -> Tell:
    """Two people want it verified, before or after its biller has confirmed it."""

    def tell(s: Story) -> None:
        hold = expired(s)
        if not then_confirmed:
            s.case(hold, LATE)
        asked = s.asked(Kind.VERIFY, hold, 900, b"not in its books")
        s.approve(asked)
        if then_confirmed:
            s.case(hold, LATE)
        done = s.verify(hold)
        done.checker, done.total = SECOND, asked.sequence

    return tell


VERIFIES: Pairs = {
    "by who has not seen what its biller said": (
        "approvals",
        "its proposal is older than what its biller has said",
        verify_approved(then_confirmed=False),
        verify_approved(then_confirmed=True),
    ),
    "by nobody": (
        "approvals",
        "it verifies a payment: no biller's word, and no two people",
        verify(expired, two=True),
        verify_alone,
    ),
    "of what is open": (
        "cases",
        "it verifies a payment that was not in question",
        verify(expired),
        verify(held),
    ),
    "of what was posted": (
        "cases",
        "it verifies a payment that was not in question",
        verify(expired),
        verify(posted),
    ),
    "of what was voided": (
        "cases",
        "it verifies a payment that was not in question",
        verify(late, two=True),
        verify(lambda s: voided(s, b""), two=False),
    ),
    "a second time by a biller": (
        "cases",
        "a second time needs two people",
        verify(expired, two=True, again=True),
        verify(expired, again=True),
    ),
    "by a biller that has rejected it": (
        "cases",
        "its biller has rejected it before",
        verify(late, two=True),
        verify(late),
    ),
    "with a proposal and a word": (
        "approvals",
        "it names a proposal or who approved it",
        verify(expired),
        verify_as(expired, checker=SECOND),
    ),
    "that does not release": (
        "claims",
        "it ends a payment and does not release its claim",
        verify_as(expired),
        verify_as(expired, flags=RELEASE),
    ),
    "that differs from its hold": (
        "cases",
        "it differs from the hold it is about",
        verify_as(expired),
        verify_as(expired, operator_=9),
    ),
    "of another basket": (
        "approvals",
        "proposed",
        verify_basket(1),
        verify_basket(2),
    ),
}


# --- cases ---------------------------------------------------------------------------


def case(of: Make, about: CaseType, times: int = 1, **f: object) -> Tell:
    def tell(s: Story) -> None:
        hold = of(s)
        for _ in range(times):
            s.case(hold, about, **f)

    return tell


def differs_in_basket(amount: int) -> Tell:
    def tell(s: Story) -> None:
        rows = [
            s.hold(A, 900 + at, f"PAIR-9{at}", basket=0x200 + at) for at in range(2)
        ]
        s.commit()
        s.case(rows[1], DIFFERS, amount=amount)

    return tell


def closing(how: str) -> Tell:
    """The close of a case that two people want, or as told."""

    def tell(s: Story) -> None:
        hold = posted(s)
        row = s.case(hold, REJECTED)
        if how == "alone":
            s.close(row)
        elif how == "refunded":
            asked = s.asked(Kind.CASE_CLOSE, row, 1, b"it was right")
            s.approve(asked)
            s.refunded_by_two(
                next(r for r in s.rows if r.receipt and r.resolves == hold.sequence),
                900,
            )
            s.close(row, asked)
        else:
            first = s.closed_by_two(row)
            if how == "twice":
                asked = s.asked(Kind.CASE_CLOSE, row, 1, b"it was right")
                s.approve(asked)
                s.close(row, asked)
            elif how == "accounts":
                first.debit = B

    return tell


def closing_decided(*, after: bool) -> Tell:
    """A case of another amount, from before or after the post."""

    def tell(s: Story) -> None:
        hold = held(s)
        first = s.case(hold, DIFFERS)
        s.ended_by_two(Kind.POST, hold, 800)
        s.closed_by_two(s.case(hold, DIFFERS) if after else first)

    return tell


def flagged(of: Make, about: CaseType, flags: int) -> Tell:
    def tell(s: Story) -> None:
        s.case(of(s), about).flags ^= flags

    return tell


def case_ahead(s: Story) -> None:
    """Of a hold that comes after it."""
    row = s.case(posted(s), REJECTED)
    row.resolves = s.hold(A, 900, "HOLD-91").sequence


CASES: Pairs = {
    "of a hold that comes later": (
        "cases",
        "it is about no hold",
        case(posted, REJECTED),
        case_ahead,
    ),
    "confirmed late, and it was posted": (
        "cases",
        "no answer contradicts what became of its hold",
        case(voided, LATE),
        case(posted, LATE),
    ),
    "confirmed late twice": (
        "cases",
        "says the same, and is open",
        case(voided, LATE),
        case(voided, LATE, 2),
    ),
    "confirmed late what was corrected": (
        "cases",
        "its payment was corrected before",
        case(corrected, REJECTED),
        case(corrected, LATE),
    ),
    "rejected late what is open": (
        "cases",
        "no answer contradicts what became of its hold",
        case(posted, REJECTED),
        case(held, REJECTED),
    ),
    "rejected late what was refunded": (
        "cases",
        "its payment was wholly refunded",
        case(posted, REJECTED),
        case(refunded, REJECTED),
    ),
    "rejected late twice": (
        "cases",
        "says the same, and is open",
        case(posted, REJECTED),
        case(posted, REJECTED, 2),
    ),
    "the very amount": (
        "cases",
        "the amount that it names is the one that was asked about",
        case(held, DIFFERS),
        case(held, DIFFERS, amount=900),
    ),
    "the very amount of a basket": (
        "cases",
        "the amount that it names is the one that was asked about",
        differs_in_basket(901),
        differs_in_basket(1_801),
    ),
    "the very amount that was posted": (
        "cases",
        "the amount that it names is the one that was asked about",
        case(posted_in_part, DIFFERS, amount=900),
        case(posted_in_part, DIFFERS, amount=700),
    ),
    "another amount of what was given back": (
        "cases",
        "no answer contradicts what became of its hold",
        case(posted, DIFFERS),
        case(voided, DIFFERS),
    ),
    "another amount twice": (
        "cases",
        "says the same, and is open",
        case(held, DIFFERS),
        case(held, DIFFERS, 2),
    ),
    "another amount without an answer": (
        "cases",
        "a case is made by an answer, or by a deadline",
        case(held, DIFFERS),
        flagged(held, DIFFERS, EVIDENCE),
    ),
    "a type that no row has": (
        "cases",
        "4 is no type of case",
        case(posted, REJECTED),
        case(posted, CaseType(4)),
    ),
    "a case that does not say that it keeps": (
        "cases",
        "its flags do not say whether it keeps its hold",
        flagged(held, DIFFERS, 0),
        flagged(held, DIFFERS, KEEP),
    ),
    "a case that keeps what is kept": (
        "cases",
        "its flags do not say whether it keeps its hold",
        flagged(kept, DIFFERS, 0),
        flagged(kept, DIFFERS, KEEP),
    ),
    "a case that does not say that it doubts": (
        "cases",
        "its flags do not say whether it puts its payment in question",
        flagged(verified, LATE, 0),
        flagged(verified, LATE, CASE),
    ),
    "a case that doubts what is in question": (
        "cases",
        "its flags do not say whether it puts its payment in question",
        flagged(expired, LATE, 0),
        flagged(expired, LATE, CASE),
    ),
    "a rejection that doubts": (
        "cases",
        "its type never does",
        flagged(posted, REJECTED, 0),
        flagged(posted, REJECTED, CASE),
    ),
    "a case closed by one": (
        "approvals",
        "it closes a case, and no two people asked for that",
        closing(""),
        closing("alone"),
    ),
    "a case closed twice": (
        "cases",
        "has ended the case before",
        closing(""),
        closing("twice"),
    ),
    "a case closed that refunds have ended": (
        "cases",
        "has ended the case before",
        closing(""),
        closing("refunded"),
    ),
    "a close of other accounts": (
        "cases",
        "it names other accounts than the case it closes",
        closing(""),
        closing("accounts"),
    ),
    "a case closed that the post has decided": (
        "cases",
        "has ended the case before",
        closing_decided(after=True),
        closing_decided(after=False),
    ),
    "a case closed that a correction ends": (
        "cases",
        "it closes a case that its payment's own rows end",
        closing(""),
        lambda s: (late(s), s.closed_by_two(s.rows[-1])),
    ),
}

PAIRS = VERIFIES | CASES


@pytest.mark.parametrize("name", PAIRS)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    judge(tmp_path, PAIRS[name])
