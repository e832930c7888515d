"""Goal: who was refused in a ledger with people had a cause, and what needs a proposal
of lines is refused without a row.

Method: journals of the tests' own, each with one refusal.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from switch.codes import Budget, Kind, PersonRole, Result
from tests.audit.journal_writer import Row
from tests.audit.people_story import (
    CHECKER,
    DAY,
    FIRST,
    FLOAT,
    HEAD,
    MAKER,
    ONE,
    SECOND,
    SETTLEMENT,
    SUSPENSE,
    THIRD,
    TWO,
    UNFREEZE,
    Desk,
    Who,
    keyed,
    register,
    top_up,
)
from tests.records import budget
from tests.signing import Line

R = Result


def unsigned(line: Line, result: Result) -> Callable[[Desk], Row]:
    """A refusal of what nobody can have asked for without a row."""
    names = "amount", "debit", "credit", "reference", "flags"
    said = {name: getattr(line, name) for name in names}

    def tell(desk: Desk) -> Row:
        tail = line.tail or None
        return desk.add(line.kind, participant=ONE, result=result, tail=tail, **said)

    return tell


def approves(
    desk: Desk,
    result: Result,
    who: Who = CHECKER,
    proposer: Who = MAKER,
    **f: object,
) -> Row:
    """A refused approval of a proposal that needs two, and has one."""
    asked = desk.propose([top_up(1_001)], proposer, flags=THIRD)
    first = desk.approve(asked)
    if result == R.ALREADY_APPROVED:
        f.setdefault("total", first.sequence)
    return desk.approve(asked, who, result=result, **f)


def again(desk: Desk) -> None:
    """The same, when it has both."""
    asked = desk.propose([top_up(1_001)], flags=THIRD)
    desk.approve(asked)
    last = desk.approve(asked, CHECKER)
    said = {"total": last.sequence, "result": R.ALREADY_APPROVED}
    desk.approve(asked, FIRST, **said)


def full_day(desk: Desk, count: int) -> None:
    desk.now += DAY
    lines = [Line(Kind.CLOSE, debit=HEAD, reference=b"gone")]
    for _ in range(count):
        desk.propose(lines)
    said = {"amount": 3, "resolves": 9, "total": int(Kind.REFUND)}
    row = desk.signed(Kind.PROPOSE, MAKER, reference=b"too much", **said)
    row.result, row.total = R.DAY_COUNT_EXCEEDED, 0


def two_left(desk: Desk) -> None:
    desk.off(keyed(CHECKER, active=0).pack(), 3)
    record = keyed(SECOND, active=0)
    desk.off(record.pack(), 0, result=R.LAST_TREASURIES, flags=0)


CAUSED: dict[str, Callable[[Desk], object]] = {
    "a freeze of nothing": lambda d: d.stop(debit=99, result=R.ACCOUNT_UNKNOWN),
    "approved by who approved": lambda d: approves(d, R.SAME_PERSON, SECOND),
    "approved by who proposed": lambda d: approves(d, R.SAME_PERSON, FIRST, FIRST),
    "approved by both": again,
    "another hash": lambda d: approves(d, R.PROPOSAL_NOT_FOUND, reference=b"\1" * 32),
    "an approval of nothing": lambda d: d.approve(
        d.propose([top_up(5)]), resolves=3, result=R.PROPOSAL_NOT_FOUND
    ),
    "a full day": lambda d: full_day(d, 256),
    "the last two": two_left,
}
CAUSELESS: dict[str, tuple[str, Callable[[Desk], object]]] = {
    "a freeze of something": (
        "refusals",
        lambda d: d.stop(result=R.ACCOUNT_UNKNOWN),
    ),
    "not approved yet": ("refusals", lambda d: approves(d, R.ALREADY_APPROVED)),
    "another person": ("refusals", lambda d: approves(d, R.SAME_PERSON)),
    "it was there": ("refusals", lambda d: approves(d, R.PROPOSAL_NOT_FOUND)),
    "another hash": (
        "people",
        lambda d: approves(d, R.SAME_PERSON, SECOND, reference=b"\1" * 32),
    ),
    "not signed": ("people", lambda d: approves(d, R.SAME_PERSON, SECOND, key=99)),
    "a day that has room": ("refusals", lambda d: full_day(d, 255)),
    "not the last two": (
        "refusals",
        lambda d: d.off(
            keyed(SECOND, active=0).pack(), 0, result=R.LAST_TREASURIES, flags=0
        ),
    ),
    "a stop that nobody signed": (
        "people",
        unsigned(Line(Kind.FREEZE, debit=99, reference=b"A"), R.ACCOUNT_UNKNOWN),
    ),
    "a top-up": (
        "refusals",
        unsigned(top_up(500, credit=HEAD), R.ACCOUNT_KIND_WRONG),
    ),
    "a transfer": (
        "refusals",
        unsigned(
            Line(Kind.TRANSFER, 5, 0, SUSPENSE, FLOAT, b"A"), R.INSUFFICIENT_FUNDS
        ),
    ),
    "a settlement": (
        "refusals",
        unsigned(Line(Kind.SETTLE, 5, 0, HEAD, SETTLEMENT), R.WINDOW_NOT_FOUND),
    ),
    "an unfreezing": (
        "refusals",
        unsigned(
            Line(Kind.FREEZE, debit=99, reference=b"A", flags=UNFREEZE),
            R.ACCOUNT_UNKNOWN,
        ),
    ),
    "a person": (
        "refusals",
        unsigned(
            register(keyed((TWO, 29)).pack()[:16] + keyed(SECOND).key), R.SAME_PERSON
        ),
    ),
    "a budget": (
        "refusals",
        unsigned(register(budget(99, Budget.CALLS, 9)), R.PARTICIPANT_UNKNOWN),
    ),
}


@pytest.mark.parametrize("name", CAUSED)
def test_a_refusal_with_its_cause_is_right(tmp_path: Path, name: str) -> None:
    desk = Desk()
    CAUSED[name](desk)
    assert desk.found(tmp_path) == {}


@pytest.mark.parametrize("name", CAUSELESS)
def test_a_refusal_without_one_is_found(tmp_path: Path, name: str) -> None:
    check, tell = CAUSELESS[name]
    desk = Desk()
    tell(desk)
    assert list(desk.found(tmp_path)) == [check]


def test_the_first_two_are_refused_for_what_they_are_not(tmp_path: Path) -> None:
    maker = keyed(FIRST, PersonRole.MAKER)
    for result in (R.RULE_FIXED, R.SAME_PERSON):
        desk = Desk(people=False)
        desk.record(maker.pack(), 0, result=result)
        found = desk.found(tmp_path / result.name)
        assert list(found) == ([] if result == R.RULE_FIXED else ["refusals"])
