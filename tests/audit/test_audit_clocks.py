"""Goal: the auditor sees a start for which the kernel could not vouch, and a clock
record that does not fit the rows around it.

Method: twins: the same journal once right, without a finding, and once with one thing
forged, every check of the bytes right.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switch.audit import audit
from switch.audit.reader import BLOCK_CHUNKS
from switch.codes import RULES_VERSION, Record
from tests.audit.journal_writer import Row, write_journal
from tests.audit.test_audit_certificates import CENTRE, ONE, Book, found
from tests.records import RULES_RECORD, pins

SECOND = 10**9
HOUR, DAY = 3_600 * SECOND, 24 * 3_600 * SECOND
LEAST, MOST = DAY + 1, 30 * DAY
BOOT = 60 * SECOND


def record(ahead: int, wall: int, cause: str = "kernel", **more: Any) -> bytes:
    said = {"ahead_ns": ahead, "wall_ns": wall, "boottime_ns": BOOT, "cause": cause}
    return bytes([Record.CLOCK]) + json.dumps({**said, **more}).encode()


def last_time(book: Book) -> int:
    return book.rows[-1].timestamp


def start(
    book: Book,
    gap: int = 3 * DAY,
    *,
    said: int | None = None,
    due: int = 0,
    late: int = 0,
) -> Row:
    """A start `gap` after the last row, which says a gap of `said`; before its row so
    many that had fallen due.
    """
    last = last_time(book)
    wall = last + gap
    for number in range(due):
        book.add(pins(CENTRE), 1, update=number > 0).timestamp = wall + number
    row = book.add(record(gap if said is None else said, wall), 0, sender=0)
    row.timestamp = wall + due + late
    return row


def later(book: Book, nanoseconds: int = SECOND) -> None:
    """Another row, so that the record is not the last one."""
    when = last_time(book) + nanoseconds
    book.add(b"\x03" + record(0, when, "agreed")[1:], 0, sender=0).timestamp = when


@pytest.mark.parametrize("gap", [LEAST, 3 * DAY, MOST])
@pytest.mark.parametrize("due", [0, 1, 2, 40])
def test_a_start_that_the_kernel_vouches_for(
    tmp_path: Path, gap: int, due: int
) -> None:
    book = Book()
    start(book, gap, due=due)
    later(book)
    assert found(tmp_path, book) == {}


def test_a_gap_that_begins_in_the_block_before(tmp_path: Path) -> None:
    """A block ends after so many chunks: the rows that fell due are the next one's."""
    for forged in (False, True):
        book = Book()
        while len(book.rows) % BLOCK_CHUNKS != BLOCK_CHUNKS - 2:
            later(book)
        start(book, due=2, said=2 * DAY if forged else None)
        assert list(found(tmp_path / str(forged), book)) == ["clocks"][: int(forged)]


@pytest.mark.parametrize("ahead", [60 * SECOND + 1, HOUR])
def test_a_leap_that_the_kernel_vouches_for(tmp_path: Path, ahead: int) -> None:
    book = Book()
    book.add(record(ahead, last_time(book)), 0, sender=0)
    assert found(tmp_path, book) == {}


@pytest.mark.parametrize(
    ("ahead", "cause"),
    [(40 * DAY, "start"), (-HOUR, "start"), (5 * HOUR, "operator"), (9, "agreed")],
)
def test_other_causes_have_no_such_bound(
    tmp_path: Path, ahead: int, cause: str
) -> None:
    book = Book()
    sender = ONE if cause == "operator" else 0
    book.add(record(ahead, last_time(book), cause, reason="-"), 0, sender=sender)
    assert found(tmp_path, book) == {}


@pytest.mark.parametrize(
    "forge",
    [
        # Gaps for which the kernel's word is not enough: all else is as it must be.
        lambda book: start(book, DAY),
        lambda book: start(book, HOUR + 1),
        lambda book: start(book, MOST + 1),
        lambda book: start(book, 60 * SECOND),
        lambda book: start(book, 5),
        # Bounds that only the record keeps to: no row was written for longer.
        lambda book: start(book, 40 * DAY, said=3 * DAY),
        lambda book: start(book, 3 * DAY, said=3 * DAY - 1),
        lambda book: start(book, 2 * HOUR, said=2 * DAY),
        lambda book: start(book, 40 * DAY, said=3 * DAY, due=2),
        # At another time than it has read.
        lambda book: start(book, late=1),
        lambda book: start(book, late=10 * DAY),
        # Of a participant.
        lambda book: vars(start(book)).update(participant=ONE),
        # Records that say nothing that can be held against the rows.
        lambda book: book.add(b"\x03", 0, sender=0),
        lambda book: book.add(b"\x03[]", 0, sender=0),
        lambda book: book.add(b"\x03\xff", 0, sender=0),
        lambda book: book.add(record(9, 9, "chance"), 0, sender=0),
        lambda book: book.add(record(9, -9), 0, sender=0),
        lambda book: book.add(record(9, 2**64), 0, sender=0),
        lambda book: book.add(record(9, 9, ahead_ns="x"), 0, sender=0),
        lambda book: book.add(record(9, 9, ahead_ns=True), 0, sender=0),
    ],
)
def test_what_the_kernel_could_not_vouch_for(
    tmp_path: Path, forge: Callable[[Book], object]
) -> None:
    book = Book()
    forge(book)
    later(book)
    assert list(found(tmp_path, book)) == ["clocks"]


@pytest.mark.parametrize("scope", ["all", "chain"])
def test_the_chain_alone_shows_it(tmp_path: Path, scope: Any) -> None:
    book = Book()
    start(book, 31 * DAY)
    write_journal(tmp_path, [[row] for row in book.rows])
    assert audit(tmp_path, scope=scope).checks["clocks"] == 1


def rules(version: int) -> bytes:
    return RULES_RECORD[:4] + version.to_bytes(4, "little")


def test_older_rules_know_no_such_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But a program that knows it may meet the gap at its first start."""
    # Two rows of one commit, which are chunks here: no block may end between them.
    monkeypatch.setattr("tests.audit.test_audit_certificates.audit", audit)
    cases = {
        "later": (None, {"clocks": 1}),
        "upgraded": (RULES_VERSION, {}),
        "older": (13, {"clocks": 1}),
    }
    for name, (version, wrong) in cases.items():
        book = Book(rules=13)
        row = start(book)
        if version is not None:
            book.add(rules(version), 1, sender=0, update=True)
            book.rows[-1].timestamp = row.timestamp + 1
        assert found(tmp_path / name, book) == wrong, name
