"""Goal: an audit says what is open at the end, by what it is, and nothing else.

Method: the clean story goes on until something is open, and then until it is not; the
plain sums are made by hand. What is open in the story itself is taken off.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.audit.exceptions import TEXTS, What
from switch.audit.report import as_dict, as_text
from switch.codes import PROPOSE_ADVANCE, CaseType, Kind
from tests.audit.again import audit
from tests.audit.doubt_story import (
    expired,
    held,
    kept,
    late,
    lent,
    posted,
    voided,
)
from tests.audit.journal_story import HOUR, WORD, A, Story
from tests.audit.journal_writer import Row
from tests.audit.told_story import going_on, written

Open = dict[str, dict[str, int]]
Ends = Callable[[Story, Row], object]
KEPT_2 = {"count": 1, "amount": 2_500}
"""What is open in the story: one hold that its deadline has kept."""


def open_in(path: Path, s: Story) -> Open:
    """What is open, as programs read it."""
    if s.group:
        s.commit()
    report = audit(written(path, s.groups))
    assert report.findings.kept == []
    said = as_dict(report)["exceptions"]
    assert isinstance(said, dict)
    assert json.loads(json.dumps(said)) == said
    assert list(said) == [str(what) for what in What]
    return said


def added(path: Path, s: Story) -> dict[str, tuple[int, int]]:
    """Counts and paise of what is open beside the story's own."""
    said = open_in(path, s)
    own = said[What.KEPT]
    own["count"] -= KEPT_2["count"]
    own["amount"] -= KEPT_2["amount"]
    return {
        what: (one["count"], one["amount"])
        for what, one in said.items()
        if one["count"] or one["amount"]
    }


def rejected(s: Story) -> Row:
    """A payment of 900 that its biller has rejected late; 100 of it are refunded."""
    hold = posted(s)
    s.refunded_by_two(s.rows[-1], 100)
    s.case(hold, CaseType.LATE_REJECTION)
    return hold


def differing(s: Story) -> Row:
    hold = held(s)
    s.case(hold, CaseType.AMOUNT_DIFFERS)
    return hold


def differing_posted(s: Story) -> Row:
    """One of 900, of which 100 are refunded."""
    hold = posted(s)
    s.refunded_by_two(s.rows[-1], 100)
    s.case(hold, CaseType.AMOUNT_DIFFERS)
    return hold


def late_and_unverified(s: Story) -> Row:
    hold = expired(s)
    s.case(hold, CaseType.LATE_CONFIRMATION)
    return hold


def advanced(s: Story) -> Row:
    lent(s)
    hold = kept(s)
    s.advanced_by_two(hold, 800)
    return hold


def approved(kind: int, of: Callable[[Story], Row]) -> Callable[[Story], Row]:
    """Two people want something of a hold, and nobody has done it."""

    def tell(s: Story) -> Row:
        hold = of(s)
        s.approve(s.asked(kind, hold, 700, b"found out"))
        return hold

    return tell


def approved_refund(s: Story) -> Row:
    payment = s.pay(A, 1, 900, "BILL-90")
    s.commit()
    s.approve(s.asked(Kind.REFUND, payment, 700, b"paid twice"))
    return payment


def case_of(s: Story, hold: Row) -> Row:
    return next(
        row for row in s.rows if row.kind == Kind.CASE and row.resolves == hold.sequence
    )


def post_of(s: Story, hold: Row) -> Row:
    return next(
        row for row in s.rows if row.kind == Kind.POST and row.resolves == hold.sequence
    )


def advance_of(s: Story, hold: Row) -> Row:
    return next(
        row
        for row in s.rows
        if row.kind == Kind.TRANSFER and row.resolves == hold.sequence
    )


def verify(s: Story, hold: Row) -> object:
    return s.verify(hold, WORD)


def void(s: Story, hold: Row) -> object:
    return s.resolve(Kind.VOID, hold, word=WORD)


def post(s: Story, hold: Row) -> object:
    return s.resolve(Kind.POST, hold, word=WORD)


STATES: dict[
    str, tuple[Callable[[Story], Row], dict[What, int], Ends, dict[What, int]]
] = {
    "expired": (expired, {What.UNVERIFIED: 900}, verify, {}),
    "late": (
        late,
        {What.LATE_CONFIRMATION: 900},
        lambda s, hold: s.verified_by_two(hold),
        {},
    ),
    "late and corrected": (
        late,
        {What.LATE_CONFIRMATION: 900},
        lambda s, hold: s.corrected_by_two(hold),
        {},
    ),
    "late and unverified": (
        late_and_unverified,
        {What.LATE_CONFIRMATION: 900, What.UNVERIFIED: 900},
        verify,
        {},
    ),
    "late, verified, and late again": (
        late_and_unverified,
        {What.LATE_CONFIRMATION: 900, What.UNVERIFIED: 900},
        lambda s, hold: (verify(s, hold), s.case(hold, CaseType.LATE_CONFIRMATION)),
        {What.LATE_CONFIRMATION: 900},
    ),
    "rejected": (
        rejected,
        {What.LATE_REJECTION: 800},
        lambda s, hold: s.refunded_by_two(post_of(s, hold), 800),
        {},
    ),
    "rejected and closed": (
        rejected,
        {What.LATE_REJECTION: 800},
        lambda s, hold: s.closed_by_two(case_of(s, hold)),
        {},
    ),
    "kept": (kept, {What.KEPT: 900}, void, {}),
    "another amount": (
        differing,
        {What.KEPT: 900, What.AMOUNT_DIFFERS: 900},
        post,
        {},
    ),
    "another amount of what was posted": (
        differing_posted,
        {What.AMOUNT_DIFFERS: 800},
        lambda s, hold: s.closed_by_two(case_of(s, hold)),
        {},
    ),
    "advanced": (
        advanced,
        {What.KEPT: 900, What.ADVANCE: 800},
        void,
        {What.ADVANCE: 800},
    ),
    "advanced and taken back": (
        advanced,
        {What.KEPT: 900, What.ADVANCE: 800},
        lambda s, hold: s.recover(advance_of(s, hold)),
        {What.KEPT: 900},
    ),
    "a post that is approved": (
        approved(Kind.POST, kept),
        {What.KEPT: 900, What.APPROVED: 700},
        post,
        {},
    ),
    "a void that is approved": (
        approved(Kind.VOID, kept),
        {What.KEPT: 900, What.APPROVED: 700},
        void,
        {},
    ),
    "an advance that is approved": (
        approved(PROPOSE_ADVANCE, kept),
        {What.KEPT: 900, What.APPROVED: 700},
        lambda s, hold: (lent(s), s.advanced_by_two(hold, 600)),
        {What.KEPT: 900, What.ADVANCE: 600},
    ),
    "a correction that is approved": (
        approved(Kind.TRANSFER, late),
        {What.LATE_CONFIRMATION: 900, What.APPROVED: 700},
        lambda s, hold: s.verified_by_two(hold),
        {},
    ),
    "a verify that is approved": (
        approved(Kind.VERIFY, expired),
        {What.UNVERIFIED: 900, What.APPROVED: 700},
        verify,
        {},
    ),
    "a refund that is approved": (
        approved_refund,
        {What.APPROVED: 700},
        lambda s, payment: s.refunded_by_two(payment, 201),
        {},
    ),
    "voided": (voided, {}, lambda s, hold: None, {}),
}


@pytest.mark.parametrize("name", STATES)
def test_what_is_open_is_listed_until_it_ends(tmp_path: Path, name: str) -> None:
    begin, opened, end, left = STATES[name]
    s = going_on()
    hold = begin(s)
    expected = {str(what): (1, amount) for what, amount in opened.items()}
    assert added(tmp_path / "open", s) == expected
    end(s, hold)
    expected = {str(what): (1, amount) for what, amount in left.items()}
    assert added(tmp_path / "ended", s) == expected


def test_the_oldest_is_named(tmp_path: Path) -> None:
    s = going_on()
    rows = []
    for at in range(3):
        hold = s.hold(A, 900 + at, f"HOLD-9{at}", deadline=60)
        s.commit()
        s.now += HOUR
        rows.append(s.resolve(Kind.EXPIRE, hold))
        s.commit()
    s.verify(s.rows[rows[0].resolves - 1], WORD)
    last = s.top_up(A, 100, "UTR-LAST")
    said = open_in(tmp_path, s)[What.UNVERIFIED]
    age = (last.timestamp - rows[1].timestamp) // 10**9
    assert said == {
        "count": 2,
        "amount": 901 + 902,
        "oldest_sequence": rows[1].sequence,
        "oldest_s": age,
    }
    assert age >= 3_600


def test_people_read_it_too(tmp_path: Path) -> None:
    s = going_on()
    hold = kept(s)
    s.now = hold.timestamp + 3 * 24 * HOUR
    s.top_up(A, 100, "UTR-LAST")
    s.commit()
    report = audit(written(tmp_path, s.groups))
    lines = as_text(report).splitlines()
    assert set(TEXTS) == set(What)
    [kept_line] = [line for line in lines if line.startswith("kept ")]
    # The story's own is older.
    assert "2, 3,400 paise, the oldest" in kept_line
    [none] = [line for line in lines if line.startswith("unverified ")]
    assert "none" in none
    assert lines[-1].startswith("ok: ")
    chain = audit(tmp_path, scope="chain")
    assert chain.exceptions is None
    assert as_dict(chain)["exceptions"] is None
    assert "open at the end" not in as_text(chain)


def test_what_was_open_at_an_earlier_row(tmp_path: Path) -> None:
    s = going_on()
    hold = expired(s)
    at = s.rows[-1].sequence
    s.verify(hold, WORD)
    s.commit()
    written(tmp_path, s.groups)
    earlier, now = (as_dict(audit(tmp_path, at=one)) for one in (at, 0))
    assert [one["exceptions"]["unverified"]["count"] for one in (earlier, now)] == [  # type: ignore[index]
        1,
        0,
    ]
