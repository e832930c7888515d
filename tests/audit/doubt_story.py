"""Holds in the states that people look at, for stories that go on; and twins of such
stories, of which the one has no finding and the other one of its own words.
"""

from collections.abc import Callable
from pathlib import Path

from switch.codes import CaseType, Kind
from tests.audit.again import audit
from tests.audit.journal_story import (
    FLOAT,
    KEEPING,
    MINUTE,
    SUSPENSE,
    WORD,
    A,
    Story,
)
from tests.audit.journal_writer import Row
from tests.audit.told_story import (
    going_on,
    written,
)

Tell = Callable[[Story], object]
Make = Callable[[Story], Row]
Pairs = dict[str, tuple[str, str, Tell, Tell]]
"""The check that finds it, words of the finding, what may be, and what may not."""
LATE, REJECTED, PASSED, DIFFERS = (
    *(CaseType.LATE_CONFIRMATION, CaseType.LATE_REJECTION),
    *(CaseType.DEADLINE_PASSED, CaseType.AMOUNT_DIFFERS),
)


def held(s: Story, **f: object) -> Row:
    """A hold that its deadline releases after a minute."""
    row = s.hold(A, 900, "HOLD-90", deadline=60, **f)
    s.commit()
    return row


def expired(s: Story) -> Row:
    hold = held(s)
    s.now = hold.timestamp + MINUTE
    s.resolve(Kind.EXPIRE, hold)
    s.commit()
    return hold


def voided(s: Story, word: bytes = WORD) -> Row:
    hold = held(s)
    s.resolve(Kind.VOID, hold, word=word)
    s.commit()
    return hold


def late(s: Story) -> Row:
    """A hold that was credited, its biller says, after it was given back."""
    hold = voided(s)
    s.case(hold, LATE)
    s.commit()
    return hold


def posted(s: Story) -> Row:
    hold = held(s)
    s.resolve(Kind.POST, hold, word=WORD)
    s.commit()
    return hold


def kept(s: Story) -> Row:
    """A hold that outlived its deadline."""
    hold = s.pay(A, KEEPING, 900, "KEPT-90", kind=Kind.HOLD, deadline=60)
    s.commit()
    s.now = hold.timestamp + MINUTE
    s.case(hold, PASSED)
    s.commit()
    return hold


def lent(s: Story) -> Row:
    """Money for advances."""
    return s.add(
        Kind.TRANSFER, debit=FLOAT, credit=SUSPENSE, amount=5_000, reference=b"lent"
    )


def basket(s: Story) -> list[Row]:
    """Two holds that their deadline has given back."""
    rows = [
        s.hold(A, 900 + at, f"PAIR-9{at}", deadline=60, basket=0x200 + at)
        for at in range(2)
    ]
    s.commit()
    s.now = rows[1].timestamp + MINUTE
    for row in rows:
        s.resolve(Kind.EXPIRE, row)
    s.commit()
    return rows


def corrected(s: Story) -> Row:
    hold = late(s)
    s.corrected_by_two(hold)
    return hold


def refunded(s: Story) -> Row:
    hold = posted(s)
    s.refunded_by_two(s.rows[-1], 900)
    return hold


def verified(s: Story) -> Row:
    hold = expired(s)
    s.verify(hold, WORD)
    return hold


def posted_in_part(s: Story) -> Row:
    hold = kept(s)
    s.ended_by_two(Kind.POST, hold, 700)
    return hold


def told(path: Path, tell: Tell) -> list[tuple[str, str]]:
    """Checks and texts of what is found in a story that goes on."""
    s = going_on()
    tell(s)
    if s.group:
        s.commit()
    report = audit(written(path, s.groups))
    return [(one.check, one.text) for one in report.findings.kept]


def judge(path: Path, pair: tuple[str, str, Tell, Tell]) -> None:
    """The twin that may be has no finding, the other has those of one check."""
    check, text, right, forged = pair
    assert told(path / "right", right) == []
    found = told(path / "forged", forged)
    assert {name for name, _ in found} == {check}, found
    assert any(text in one for _, one in found), found
