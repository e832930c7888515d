"""Goal: the auditor sees a revocation or a treasury that no rule let through.

Method: journals written by hand, each with one thing wrong, beside the same that is
right.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from switch.codes import RULES_VERSION, Kind, Record, Result, Role, RowFlag
from tests.audit.again import audit
from tests.audit.journal_writer import Row, write_journal
from tests.records import (
    RULES_RECORD,
    ParticipantRecord,
    confirmation,
    pins,
    revocation,
)

NOW = 1_790_000_000 * 10**9
AUTHORITY, KEY = b"\x11" * 32, b"\x22" * 32
ONE, TWO, THREE, CENTRE = range(1, 5)
R = Result


class Book:
    """The rows of a register, each right unless it is changed."""

    def __init__(self, *, rules: int = RULES_VERSION) -> None:
        self.rows: list[Row] = []
        record = RULES_RECORD[:4] + rules.to_bytes(4, "little")
        self.add(record, 1, sender=0)
        for number, role in (
            (ONE, Role.TREASURY),
            (TWO, Role.TREASURY),
            (THREE, Role.TREASURY),
            (CENTRE, Role.CENTRE),
        ):
            self.add(person(number, role), number, sender=0)

    def add(
        self,
        tail: bytes,
        debit: int,
        *,
        sender: int = ONE,
        update: bool = False,
        result: Result = R.OK,
    ) -> Row:
        sequence = len(self.rows) + 1
        row = Row(
            Kind.REGISTER,
            id=sequence.to_bytes(16, "big"),
            sequence=sequence,
            timestamp=NOW + sequence,
            participant=sender,
            debit=debit,
            flags=int(RowFlag.UPDATE) if update else 0,
            result=result,
            tail=tail,
        )
        self.rows.append(row)
        return row


def person(number: int, role: Role = Role.TREASURY, active: int = 1) -> bytes:
    record = ParticipantRecord(b"person-%d" % number, role, active)
    record.may_state_dues = record.never_credits_late = 0
    return record.pack()


def of(whose: int, serial: int = 7) -> bytes:
    return revocation(whose, AUTHORITY, bytes([serial]))


def found(path: Path, book: Book) -> dict[str, int]:
    """What the auditor finds, by check."""
    write_journal(path, [[row] for row in book.rows])
    return dict(audit(path).findings.counts)


def whole(book: Book) -> None:
    book.add(of(CENTRE), 1)
    book.add(of(ONE), 2, sender=TWO)
    book.add(of(TWO), 0, sender=THREE, result=R.LAST_TREASURIES)
    book.add(person(TWO, active=0), 0, sender=THREE, result=R.LAST_TREASURIES)
    book.add(confirmation(2), 0, sender=TWO, result=R.SAME_PERSON)
    book.add(confirmation(9), 0, result=R.PROPOSAL_NOT_FOUND)
    book.add(confirmation(2), 1, sender=THREE)
    book.add(confirmation(2), 0, sender=ONE, result=R.ALREADY_APPROVED)
    book.add(of(TWO), 3, sender=THREE)
    book.add(of(9), 0, result=R.PARTICIPANT_UNKNOWN)
    book.add(pins(CENTRE, KEY), 1)
    book.add(pins(CENTRE), 1, update=True)
    book.add(pins(TWO, KEY), 0, result=R.LAST_TREASURIES)
    book.add(pins(TWO, KEY), 2, sender=TWO)


def test_what_is_right(tmp_path: Path) -> None:
    book = Book()
    whole(book)
    assert found(tmp_path, book) == {}


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lambda book: book.add(of(ONE)[:63], 1), "certificates"),
        (lambda book: book.add(of(9), 1), "certificates"),
        (lambda book: book.add(of(CENTRE), 2), "certificates"),
        (lambda book: book.add(of(CENTRE), 1, update=True), "certificates"),
        (lambda book: book.add(confirmation(1), 1), "certificates"),
        (lambda book: book.add(pins(TWO, KEY), 1), "certificates"),
        (lambda book: book.add(pins(CENTRE, KEY, KEY), 1), "certificates"),
        (lambda book: book.add(pins(CENTRE, KEY), 1, update=True), "certificates"),
        (
            lambda book: [
                book.add(of(CENTRE), 1),
                book.add(confirmation(1), 1),  # by who revoked it
            ],
            "certificates",
        ),
        (
            lambda book: [
                book.add(of(ONE), 1, sender=THREE),
                book.add(of(TWO), 2, sender=THREE),
            ],
            "certificates",
        ),
        (
            lambda book: [
                book.add(of(ONE), 1, sender=THREE),
                book.add(person(TWO, active=0), TWO, sender=THREE, update=True),
            ],
            "certificates",
        ),
        (lambda book: book.add(of(ONE), 0, result=R.LAST_TREASURIES), "refusals"),
        (lambda book: book.add(of(ONE), 0, result=R.SAME_PERSON), "refusals"),
        (
            lambda book: book.add(person(ONE, active=0), 0, result=R.LAST_TREASURIES),
            "refusals",
        ),
        (lambda book: book.add(confirmation(1), 0, result=R.SAME_PERSON), "refusals"),
        (lambda book: book.add(of(0), 0, result=R.PARTICIPANT_UNKNOWN), "certificates"),
    ],
)
def test_what_is_wrong(
    tmp_path: Path, spoil: Callable[[Book], object], check: str
) -> None:
    book = Book()
    spoil(book)
    assert list(found(tmp_path, book)) == [check]


def test_what_older_rules_let_through(tmp_path: Path) -> None:
    """By rules 5 the last of the treasury could be switched off."""
    book = Book(rules=5)
    for number in (ONE, TWO, THREE):
        book.add(person(number, active=0), number, update=True)
    assert found(tmp_path, book) == {}
    assert Record(RULES_RECORD[0]) is Record.RULES
