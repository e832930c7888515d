"""Goal: the auditor sees a row of margins that the switch could not have written.

Method: twins: the same journal once right, without a finding, and once with one thing
forged, every check of the bytes right.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from switch.audit import audit
from switch.audit.layout import MARGIN_RULES
from switch.codes import RULES_VERSION, RowFlag
from switch.margin_rows import MARGINS_MAX
from tests.audit.journal_writer import Row
from tests.audit.test_audit_certificates import ONE, Book, found
from tests.records import RULES_RECORD, margin

WHOLE = margin(60_000, gas=30_000, water=10_000)
HEAD, EACH = 16, 40
MANY = {f"b-{number:04}": 21 for number in range(MARGINS_MAX + 1)}


def add(book: Book, tail: bytes, before: Row | None) -> Row:
    """A row as the switch writes it."""
    row = book.add(tail, 1, sender=0, update=before is not None)
    row.resolves = before.sequence if before else 0
    return row


def story(rules: int = RULES_VERSION) -> tuple[Book, list[Row]]:
    """Three starts with other margins."""
    book = Book(rules=rules)
    rows: list[Row] = []
    for tail in (margin(60_000), WHOLE, margin(10)):
        rows.append(add(book, tail, rows[-1] if rows else None))
    return book, rows


def test_what_the_switch_writes(tmp_path: Path) -> None:
    book, _ = story()
    assert found(tmp_path, book) == {}
    assert "margins" in audit(tmp_path, scope="chain").checks


def setting(number: int, **values: int) -> Callable[[list[Row]], None]:
    def change(rows: list[Row]) -> None:
        for name, value in values.items():
            setattr(rows[number], name, value)

    return change


def saying(tail: bytes) -> Callable[[list[Row]], None]:
    def change(rows: list[Row]) -> None:
        rows[1].tail = tail

    return change


FORGERIES: dict[str, Callable[[list[Row]], None]] = {
    "another number": setting(1, debit=2),
    "a first one that replaces": setting(0, flags=int(RowFlag.UPDATE)),
    "a later one that does not": setting(1, flags=0),
    "none before it": setting(1, resolves=0),
    "the one before the last": setting(2, resolves=6),
    "one that is none": setting(0, resolves=1),
    "a person": setting(1, operator_=3),
    "short": saying(WHOLE[: HEAD - 1]),
    "fewer billers": saying(WHOLE[:-1]),
    "more billers": saying(margin(20, **MANY)),
    "no end of billers": saying(WHOLE[:8] + b"\xff" * 4 + WHOLE[12:]),
    "zeros": saying(WHOLE[:3] + b"\1" + WHOLE[4:]),
    "zeros behind": saying(WHOLE[:12] + b"\1" + WHOLE[13:]),
    "a biller's zeros": saying(WHOLE[:-1] + b"\1"),
    "too short": saying(margin(9)),
    "too long": saying(margin(3_600_001)),
    "a biller's too short": saying(margin(60_000, gas=9)),
    "that of all others": saying(margin(60_000, gas=60_000)),
    "no biller": saying(WHOLE[:HEAD] + bytes(32) + WHOLE[HEAD + 32 :]),
    "a name with a zero": saying(WHOLE[: HEAD + 1] + b"\0" + WHOLE[HEAD + 2 :]),
    "a name of no biller": saying(WHOLE[:HEAD] + b"G" + WHOLE[HEAD + 1 :]),
    "their order": saying(
        WHOLE[:HEAD] + WHOLE[HEAD + EACH :] + WHOLE[HEAD : HEAD + EACH]
    ),
    "twice": saying(WHOLE[: HEAD + EACH] + WHOLE[HEAD : HEAD + EACH]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_row_is_found(tmp_path: Path, name: str) -> None:
    book, rows = story()
    FORGERIES[name](rows)
    assert list(found(tmp_path, book)) == ["margins"]


def test_somebody_else_has_sent_one(tmp_path: Path) -> None:
    book, rows = story()
    rows[1].participant = ONE
    assert "margins" in found(tmp_path, book)


def test_older_rules_know_no_margins(tmp_path: Path) -> None:
    """Their first row comes behind that of the rules that know them."""
    older = MARGIN_RULES - 1
    book, rows = story(older)
    assert found(tmp_path / "older", book) == {"margins": len(rows)}
    book = Book(rules=older)
    record = RULES_RECORD[:4] + MARGIN_RULES.to_bytes(4, "little")
    book.add(record, 1, sender=0, update=True)
    add(book, WHOLE, None)
    assert found(tmp_path / "upgraded", book) == {}
