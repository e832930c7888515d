"""Goal: the auditor sees a budget that no rule let through, or that nobody of the
treasury has set.

Method: journals written by hand, each with one thing wrong, beside the same that is
right.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.audit.budgets import BOUNDS
from switch.codes import BUDGET_BOUNDS, RULES_VERSION, Budget, Record, Result
from tests.audit.test_audit_certificates import CENTRE, ONE, TWO, Book, found
from tests.records import budget

CALLS = Budget.CALLS
R = Result
BUDGETS_RULES = 7


def whole(book: Book) -> None:
    book.add(budget(CENTRE, CALLS, 9), 1)
    book.add(budget(TWO, CALLS, 8), 2)
    book.add(budget(CENTRE, CALLS, 7), 1, sender=TWO, update=True)
    book.add(budget(CENTRE, Budget.BYTES, 1 << 40), 3)
    book.add(budget(CENTRE, CALLS, 0), 1, update=True)
    book.add(budget(9, CALLS, 9), 0, result=R.PARTICIPANT_UNKNOWN)
    book.add(budget(ONE, CALLS, 5) + b'{"why":"-"}', 4)


def test_what_is_right(tmp_path: Path) -> None:
    book = Book()
    whole(book)
    assert found(tmp_path, book) == {}


def test_bounds_are_those_of_the_words() -> None:
    assert BOUNDS == BUDGET_BOUNDS


UNKNOWN = R.PARTICIPANT_UNKNOWN


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        # Of nobody of the treasury.
        (lambda book: book.add(budget(CENTRE, CALLS, 9), 1, sender=CENTRE), "senders"),
        (lambda book: book.add(budget(CENTRE, CALLS, 9), 1, sender=77), "senders"),
        (lambda book: book.add(budget(CENTRE, CALLS, 9), 1, sender=0), "budgets"),
        # Of nobody, or of nothing.
        (lambda book: book.add(budget(0, CALLS, 9), 1), "budgets"),
        (lambda book: book.add(budget(9, CALLS, 9), 1), "budgets"),
        (lambda book: book.add(budget(CENTRE, 0, 9), 1), "budgets"),
        (lambda book: book.add(budget(CENTRE, 14, 0), 1), "budgets"),
        # Out of bounds.
        (lambda book: book.add(budget(CENTRE, CALLS, 2**20 + 1), 1), "budgets"),
        (lambda book: book.add(budget(CENTRE, CALLS, 2**64 - 1), 1), "budgets"),
        (lambda book: book.add(budget(CENTRE, Budget.BYTES, 1), 1), "budgets"),
        # Shapes.
        (lambda book: book.add(budget(CENTRE, CALLS, 9)[:15], 1), "budgets"),
        (
            lambda book: book.add(
                struct.pack("<BBHIQ", Record.BUDGET, CALLS, 1, CENTRE, 9), 1
            ),
            "budgets",
        ),
        # Places.
        (lambda book: book.add(budget(CENTRE, CALLS, 9), 2), "budgets"),
        (lambda book: book.add(budget(CENTRE, CALLS, 9), 1, update=True), "budgets"),
        (
            lambda book: [
                book.add(budget(CENTRE, CALLS, 9), 1),
                book.add(budget(CENTRE, Budget.BYTES, 1 << 20), 1, update=True),
            ],
            "budgets",
        ),
        (
            lambda book: [
                book.add(budget(CENTRE, CALLS, 9), 1),
                book.add(budget(CENTRE, CALLS, 9), 1),
            ],
            "budgets",
        ),
        # Refused without a cause, or with a shape that has no row.
        (
            lambda book: book.add(budget(CENTRE, CALLS, 9), 0, result=UNKNOWN),
            "refusals",
        ),
        (
            lambda book: book.add(budget(9, CALLS, 9), 0, result=R.TABLE_FULL),
            "refusals",
        ),
        (lambda book: book.add(budget(9, CALLS, 0)[:15], 0, result=UNKNOWN), "budgets"),
    ],
)
def test_what_is_wrong(
    tmp_path: Path, spoil: Callable[[Book], object], check: str
) -> None:
    book = Book()
    spoil(book)
    assert list(found(tmp_path, book)) == [check]


def test_older_rules_know_no_budgets(tmp_path: Path) -> None:
    for rules in (BUDGETS_RULES - 1, RULES_VERSION):
        book = Book(rules=rules)
        book.add(budget(CENTRE, CALLS, 9), 1)
        told = found(tmp_path / str(rules), book)
        assert list(told) == ([] if rules >= BUDGETS_RULES else ["budgets"])
