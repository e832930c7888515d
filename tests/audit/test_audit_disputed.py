"""Goal: who pays a bill whose biller says that it has credited what was refunded, and
who does what was wanted before a biller's newest word, is found; by the rules of their
time.

Method: twins, as in `test_audit_doubts`; refusals with their cause and without; what is
approved and can be done no more is not in the list.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from switch.audit.approvals import deed_id
from switch.audit.exceptions import What
from switch.codes import PROPOSE_ADVANCE, CaseType, Kind, Result
from tests.audit import price_story as p
from tests.audit.again import audit
from tests.audit.doubt_story import (
    DIFFERS,
    LATE,
    REJECTED,
    Make,
    Pairs,
    Tell,
    expired,
    judge,
    kept,
    lent,
    posted,
    refunded,
)
from tests.audit.journal_story import (
    HOUR,
    MINUTE,
    SECOND,
    SUSPENSE,
    WORD,
    A,
    B,
    Story,
)
from tests.audit.journal_writer import Row
from tests.audit.test_audit_forgeries import found_in, rules
from tests.audit.test_audit_refusals import UPDATE, refused
from tests.audit.told_story import going_on, written

R = Result


def rejected_and_refunded(s: Story) -> Row:
    hold = posted(s)
    s.case(hold, REJECTED)
    s.refunded_by_two(post_of(s, hold), 900)
    return hold


def post_of(s: Story, hold: Row) -> Row:
    return next(
        row for row in s.rows if row.kind == Kind.POST and row.resolves == hold.sequence
    )


def disputed(s: Story) -> Row:
    """All was refunded, and its biller says that it has the money."""
    hold = rejected_and_refunded(s)
    s.case(hold, DIFFERS, amount=900)
    return hold


def settled(s: Story) -> Row:
    hold = disputed(s)
    s.closed_by_two(s.rows[-1])
    return hold


def disputed_again(s: Story) -> Row:
    hold = settled(s)
    s.case(hold, DIFFERS, amount=900)
    return hold


def differing(s: Story, *, amount: int = 900, close: bool = False) -> Row:
    """Of another amount than was paid, before it was refunded."""
    hold = posted(s)
    case = s.case(hold, DIFFERS)
    if close:
        s.closed_by_two(case)
    s.refunded_by_two(post_of(s, hold), amount)
    return hold


def differing_when_open(s: Story) -> Row:
    """Its post has said what is right; then all of that was refunded."""
    hold = kept(s)
    s.case(hold, DIFFERS)
    s.resolve(Kind.POST, hold, word=WORD)
    s.refunded_by_two(post_of(s, hold), 900)
    return hold


def paid_again(first: Make, reference: str = "HOLD-90", **f: object) -> Tell:
    def tell(s: Story) -> None:
        first(s)
        s.commit()
        s.now += MINUTE
        s.pay(B, 1, 900, reference, **f)

    return tell


def many_takers(count: int) -> Tell:
    """So many payments of parts of a bill, behind one that is disputed."""

    def tell(s: Story) -> None:
        p.bill_service(s, amount_rule=p.BELOW)
        f = {"amount_rule": p.BELOW}
        first = p.held(s, A, 6, 900, "BILL-90", **f)
        s.resolve(Kind.POST, first, word=WORD)
        s.case(first, REJECTED)
        s.refunded_by_two(post_of(s, first), 900)
        for _ in range(count):
            s.now += MINUTE
            row = p.held(s, A, 6, 100, "BILL-90", fetched=s.now - 1, **f)
            s.now += MINUTE
            s.resolve(Kind.POST, row, word=WORD)
        s.case(first, DIFFERS)
        s.now += MINUTE
        p.held(s, A, 6, 100, "BILL-90", fetched=s.now - 1, **f)

    return tell


def deposit_again(end: str) -> Tell:
    """A deposit that asks about one of the same reference."""

    def tell(s: Story) -> None:
        p.open_service(s)
        hold = s.pay(A, 6, 900, "ACCOUNT-1", kind=Kind.HOLD, deadline=60)
        s.resolve(Kind.POST, hold, word=WORD)
        if end != "refunded first":
            case = s.case(hold, DIFFERS)
        s.refunded_by_two(post_of(s, hold), 900)
        if end == "refunded first":
            case = s.case(hold, DIFFERS)
        if end == "settled":
            s.closed_by_two(case)
        s.now += 90 * 24 * HOUR
        s.pay(A, 6, 900, "ACCOUNT-1")

    return tell


def quoted_again(minutes: int) -> Tell:
    """With a quotation from so many minutes after people have settled it."""

    def tell(s: Story) -> None:
        p.bill_service(s)
        hold = p.held(s, A, 6, p.DUE, "BILL-90")
        s.resolve(Kind.POST, hold, word=WORD)
        s.refunded_by_two(post_of(s, hold), p.DUE)
        case = s.case(hold, DIFFERS)
        s.now += 10 * MINUTE
        s.closed_by_two(case)
        done = s.rows[-1].timestamp
        s.now += 10 * MINUTE
        p.held(s, B, 6, p.DUE, "BILL-90", fetched=done + minutes * MINUTE)

    return tell


def by_rules(first: int, then: int = 0) -> Tell:
    """Paid again while disputed, by the rules that ran then; others may have begun
    since it is.
    """

    def tell(s: Story) -> None:
        rules(s, first)
        disputed(s)
        s.commit()
        if then:
            rules(s, then)
            s.rows[-1].flags = UPDATE
        s.commit()
        s.now += MINUTE
        s.pay(B, 1, 900, "HOLD-90")

    return tell


CREDITED = "claims", "late, of the same bill"
CLAIMS: Pairs = {
    "a bill that is disputed": (*CREDITED, paid_again(settled), paid_again(disputed)),
    "a bill that is disputed again": (
        *CREDITED,
        paid_again(rejected_and_refunded),
        paid_again(disputed_again),
    ),
    "of which another amount was credited before the refund": (
        *CREDITED,
        paid_again(lambda s: differing(s, close=True)),
        paid_again(differing),
    ),
    "of which another amount was credited while it was held": (
        *CREDITED,
        paid_again(differing_when_open, "KEPT-90"),
        paid_again(disputed),
    ),
    "a bill behind many takers": (*CREDITED, many_takers(16), many_takers(15)),
    "a deposit behind one that is disputed": (
        "claims",
        "of the same reference was in the way",
        deposit_again("settled"),
        deposit_again("refunded first"),
    ),
    "a deposit behind one that differs": (
        "claims",
        "of the same reference was in the way",
        deposit_again("settled"),
        deposit_again("differs first"),
    ),
    "a quotation from before it was settled": (
        "claims",
        "its quotation is older than what settled sequence",
        quoted_again(1),
        quoted_again(-1),
    ),
    "a quotation from when it was settled": (
        "claims",
        "its quotation is older than what settled sequence",
        quoted_again(1),
        quoted_again(0),
    ),
    "by rules of their time": (*CREDITED, by_rules(5), by_rules(6)),
    "by rules that began meanwhile": (*CREDITED, by_rules(5, 5), by_rules(5, 6)),
}


def word(s: Story, hold: Row, about: CaseType) -> None:
    """A word of its biller; of a late confirmation the second, behind a verify."""
    if about == LATE:
        s.verify(hold, WORD)
        s.case(hold, LATE)
    else:
        s.case(hold, about)


def late(s: Story) -> Row:
    hold = expired(s)
    s.case(hold, LATE)
    return hold


def differs_posted(s: Story) -> Row:
    hold = posted(s)
    s.case(hold, DIFFERS)
    return hold


def deed(s: Story, asked: Row, hold: Row, about: Row) -> None:
    """What was asked for."""
    kind = asked.total
    if kind == Kind.TRANSFER:
        s.moved_by(asked, hold.debit, hold.credit)
        return
    if kind == PROPOSE_ADVANCE:
        s.moved_by(asked, SUSPENSE, hold.debit)
        return
    if kind == Kind.CASE_CLOSE:
        s.close(about, asked, reference=asked.reference)
        return
    if kind == Kind.REFUND:
        row = s.refund(about, asked.amount)
        row.id, row.checker = deed_id(asked.id), SECOND
        return
    row = s.verify(hold) if kind == Kind.VERIFY else s.resolve(Kind(kind), hold)
    row.checker, row.total = SECOND, asked.sequence


def itself(s: Story, hold: Row) -> Row:
    return hold


About = Callable[[Story, Row], Row]
DECISIONS: dict[str, tuple[int, Make, About, CaseType]] = {
    "post": (Kind.POST, kept, itself, DIFFERS),
    "void": (Kind.VOID, kept, itself, DIFFERS),
    "verify": (Kind.VERIFY, late, itself, LATE),
    "correction": (Kind.TRANSFER, late, itself, LATE),
    "advance": (PROPOSE_ADVANCE, kept, itself, DIFFERS),
    "refund": (Kind.REFUND, posted, post_of, REJECTED),
    "close": (Kind.CASE_CLOSE, differs_posted, lambda s, hold: s.rows[-1], REJECTED),
}
"""What is proposed, of what hold, naming which row; and what its biller says then."""


def wanted(name: str, *, seen: bool, version: int = 0) -> Tell:
    """Proposed before or after a biller's word, and done behind both."""
    kind, make, about, says = DECISIONS[name]

    def tell(s: Story) -> None:
        if version:
            rules(s, version)
        if kind == PROPOSE_ADVANCE:
            lent(s)
        hold = make(s)
        named = about(s, hold)
        if seen:
            word(s, hold, says)
        asked = s.asked(kind, named, 900, b"found out")
        if not seen:
            word(s, hold, says)
        s.approve(asked)
        deed(s, asked, hold, named)

    return tell


WORDS: Pairs = {
    f"{name} by who has not seen it": (
        "approvals",
        "its proposal is older than what its biller has said",
        wanted(name, seen=True),
        wanted(name, seen=False),
    )
    for name in DECISIONS
}
WORDS |= {
    f"{name} by rules of their time": (
        "approvals",
        "its proposal is older than what its biller has said",
        wanted(name, seen=name == "verify", version=5),
        wanted(name, seen=False, version=6),
    )
    for name in DECISIONS
}
PAIRS = CLAIMS | WORDS


@pytest.mark.parametrize("name", PAIRS)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    judge(tmp_path, PAIRS[name])


def claimed_by(make: Make, *, version: int = 0) -> Tell:
    """Refused as claimed, of the bill of a payment."""

    def tell(s: Story) -> None:
        if version:
            rules(s, version)
        hold = make(s)
        s.commit()
        refused(
            s,
            R.BILL_ALREADY_CLAIMED,
            reference=hold.reference,
            total=hold.sequence,
        )

    return tell


REFUSALS: dict[str, tuple[Tell, Tell]] = {
    "disputed": (claimed_by(disputed), claimed_by(settled)),
    "disputed again": (claimed_by(disputed_again), claimed_by(refunded)),
    "differing": (
        claimed_by(differing),
        claimed_by(lambda s: differing(s, close=True)),
    ),
    "by rules of their time": (
        claimed_by(disputed, version=6),
        claimed_by(disputed, version=5),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_its_cause(tmp_path: Path, name: str) -> None:
    right, forged = REFUSALS[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {"refusals"}


@pytest.mark.parametrize("name", DECISIONS)
def test_what_nobody_may_do_any_more_is_not_open(tmp_path: Path, name: str) -> None:
    kind, make, about, says = DECISIONS[name]
    for said in (False, True):
        s = going_on()
        hold = make(s)
        s.approve(s.asked(kind, about(s, hold), 900, b"found out"))
        if said:
            word(s, hold, says)
        s.commit()
        report = audit(written(tmp_path / str(said), s.groups))
        assert report.exceptions is not None
        assert report.exceptions.open[What.APPROVED].count == (not said)
