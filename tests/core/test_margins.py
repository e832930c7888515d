"""Goal: the ledger has the margins that were in force, one after the other, and only
the switch says them.

Method: rows as the committer asks for them, and as others might; each outcome, row and
link is compared with the model's, after restarts and without the index too.
"""

import struct
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from switch.audit import audit
from switch.codes import Kind, Link, Record, Result, RowFlag
from switch.margin_rows import MARGINS_MAX, MarginRecord, margin_tail, read_margin
from tests.core.network import NOW
from tests.core.pair import Pair
from tests.model import Rows
from tests.records import RULES_RECORD, Row, margin

LEAST, MOST = 10, 3_600_000
OWN = {"gas": 30_000, "water": 10_000}
WHOLE = margin(60_000, **OWN)
HEAD, EACH = 16, 40


def said(tail: bytes, number: int = 1, resolves: int = 0) -> Row:
    """A row of margins as it is asked for."""
    id_ = number.to_bytes(16, "big")
    return Row(Kind.REGISTER, id=id_, resolves=resolves, tail=tail)


def changed(at: int, *bytes_: int) -> bytes:
    """The record with other bytes from there on."""
    return WHOLE[:at] + bytes(bytes_) + WHOLE[at + len(bytes_) :]


def refused(pair: Pair, row: Row) -> None:
    before = pair.ledger.sequence
    [[outcome]] = pair.commit([Rows([row])], NOW)
    assert outcome.result == Result.INVALID_RECORD
    assert pair.ledger.sequence == before
    assert pair.ledger.link(0, Link.MARGIN) == 0


def test_each_row_names_the_one_before(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "ledger", threads=False, index_step_rows=16)
    rng = Random(5)
    assert pair.one(said(RULES_RECORD, 10**6), NOW).result == Result.OK
    written: list[tuple[int, bytes]] = []
    for number in range(1, 60):
        own = {f"b-{rng.randrange(9)}": rng.randrange(LEAST, MOST) for _ in range(3)}
        tail = margin_tail(MarginRecord(rng.randrange(LEAST, MOST), own))
        outcome = pair.one(said(tail, number, resolves=rng.randrange(3)), NOW)
        assert (outcome.result, outcome.index) == (Result.OK, 1)
        written.append((outcome.sequence, tail))
        pair.ledger.index_step()
        if number % 7 == 0:
            pair.reopen(without_index=number % 2 == 0)
        assert pair.ledger.link(0, Link.MARGIN) == outcome.sequence
        assert pair.model.link(0, Link.MARGIN) == outcome.sequence
    assert pair.ledger.index_sequence >= 32
    for (sequence, tail), before in zip(written, [(0, b""), *written], strict=False):
        row = pair.ledger.row(sequence)
        assert (row.resolves, row.debit, row.total) == (before[0], 1, 0)
        assert (RowFlag.UPDATE in row.flags) == bool(before[0])
        assert pair.ledger.tail(sequence) == tail
    with pytest.raises(ValueError, match="no list is kept"):
        pair.ledger.records(Record.MARGIN)
    pair.close()
    assert audit(pair.path).ok


@pytest.mark.parametrize(
    "tail",
    [
        WHOLE,
        margin(LEAST),
        margin(MOST, **{"-" * 32: LEAST, "a": MOST - 1}),
        margin(60_000) + b"whatever stands behind it",
        margin(20, **{f"b-{number:04}": 21 for number in range(MARGINS_MAX)}),
    ],
)
def test_what_a_record_may_say(empty: Pair, tail: bytes) -> None:
    assert empty.one(said(tail), NOW).result == Result.OK


@pytest.mark.parametrize(
    "tail",
    [
        WHOLE[: HEAD - 1],
        WHOLE[:-1],
        changed(1, 1),
        changed(3, 1),
        changed(12, 1),
        changed(15, 1),
        changed(8, 3),
        changed(HEAD + 36, 1),
        changed(HEAD + EACH + 39, 1),
        # No code, one with zeros in front, and one that nobody can have.
        changed(HEAD, *bytes(32)),
        changed(HEAD, 0),
        changed(HEAD, *b"Gas"),
        changed(HEAD + 1, 0),
        # Not ascending, and twice the same.
        margin(60_000, gas=1_000)[:8]
        + struct.pack("<I4x", 2)
        + 2 * WHOLE[HEAD:][:EACH],
        WHOLE[:HEAD] + WHOLE[HEAD + EACH :] + WHOLE[HEAD:][:EACH],
        # That of all others is none of its own.
        margin(60_000, gas=60_000),
        margin(LEAST - 1),
        margin(MOST + 1),
        margin(0),
        margin(60_000, gas=LEAST - 1),
        margin(60_000, gas=MOST + 1),
        margin(20, **{f"b-{number:04}": 21 for number in range(MARGINS_MAX + 1)}),
        margin(60_000)[:8] + struct.pack("<I4x", 2**32 - 1),
    ],
)
def test_what_no_record_says(empty: Pair, tail: bytes) -> None:
    refused(empty, said(tail))


def test_nobody_else_says_the_margins(pair: Pair) -> None:
    refused(pair, replace(said(WHOLE), participant=1))
    refused(pair, replace(said(WHOLE), operator_=1))


def test_a_margin_is_read_as_it_was_written() -> None:
    record = MarginRecord(60_000, {"water": 10, "GAS": 20, "all": 60_000, "x" * 33: 30})
    tail = margin_tail(record)
    assert tail == margin(60_000, water=10)
    assert read_margin(tail) == MarginRecord(60_000, {"water": 10})
    assert (record.of("water"), record.of("other")) == (10, 60_000)
    many = {f"b-{number}": 20 for number in range(MARGINS_MAX + 1)}
    with pytest.raises(ValueError, match="at most 4096 billers"):
        margin_tail(MarginRecord(10, many))
