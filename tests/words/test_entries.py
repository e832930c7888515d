"""Goal: a row that leaves the core alone says what its bytes say, and stays as it is.

Method: random bytes of rows, packed a second time here, become entries, and each field
is compared with what was packed. What no row can be is refused, and a field of an entry
cannot be written.
"""

import random

import numpy as np
import pytest

from switch._core import ACCOUNT, ROW, Rows, entries_of
from switch.codes import Kind, Result, RowFlag
from switch.entries import Entry
from switch.errors import CorruptionError
from tests.records import ROW_BYTES

SEED = 11
FIELDS = Entry._fields


def some_entry(rng: random.Random) -> Entry:
    """One with a number in each field that a row has room for."""
    return Entry(
        id=rng.randbytes(16),
        sequence=rng.randrange(1 << 64),
        timestamp=rng.randrange(1 << 64),
        amount=rng.randrange(1 << 64),
        resolves=rng.randrange(1 << 64),
        reference=rng.randbytes(32),
        debit=rng.randrange(1 << 32),
        credit=rng.randrange(1 << 32),
        receipt=rng.randrange(1 << 32),
        operator=rng.randrange(1 << 32),
        checker=rng.randrange(1 << 32),
        participant=rng.randrange(1 << 32),
        service=rng.randrange(1 << 16),
        kind=rng.choice(list(Kind)),
        result=rng.choice(list(Result)),
        # Bits 9 to 11 are the head, 12 and 13 the tender.
        flags=RowFlag(rng.randrange(1 << 16) & 0xC1FF),
        head=rng.randrange(8),
        tender=rng.randrange(4),
        basket_size=rng.randrange(1 << 8),
        basket_index=rng.randrange(1 << 8),
        total=rng.randrange(1 << 64),
        deadline=rng.randrange(1 << 32),
        check=rng.randrange(1 << 32),
    )


def packed(entry: Entry) -> bytes:
    """The row that it is."""
    return ROW_BYTES.pack(
        entry.id,
        entry.sequence,
        entry.timestamp,
        entry.amount,
        entry.resolves,
        entry.reference,
        entry.debit,
        entry.credit,
        entry.receipt,
        entry.operator,
        entry.checker,
        entry.participant,
        entry.service,
        entry.kind,
        entry.result,
        entry.flags | entry.head << 9 | entry.tender << 12,
        entry.basket_size << 8 | entry.basket_index,
        entry.total,
        entry.deadline,
    ) + entry.check.to_bytes(4, "little")


def rows_of(*entries: Entry) -> Rows:
    """The same as a column of rows."""
    return np.frombuffer(b"".join(map(packed, entries)), ROW)


def test_each_field_is_what_the_row_says() -> None:
    rng = random.Random(SEED)
    wanted = [some_entry(rng) for _ in range(500)]
    found = entries_of(rows_of(*wanted))
    for name in FIELDS:
        said = [getattr(one, name) for one in found]
        assert said == [getattr(one, name) for one in wanted], name
        kinds = {type(getattr(one, name)) for one in wanted}
        assert {type(one) for one in said} == kinds, name


def test_rows_are_taken_in_their_order_however_they_lie() -> None:
    rng = random.Random(SEED)
    wanted = [some_entry(rng) for _ in range(7)]
    rows = rows_of(*wanted)
    assert entries_of(rows[::-2]) == wanted[::-2]
    assert entries_of(rows[3]) == [wanted[3]]
    assert entries_of(rows[:0]) == []


def test_every_column_has_its_field() -> None:
    assert ROW.names is not None
    unpacked = {"operator_": ["operator"], "basket": ["basket_size", "basket_index"]}
    unpacked["flags"] = ["flags", "head", "tender"]
    columns = [name for one in ROW.names for name in unpacked.get(one, [one])]
    assert sorted(columns) == sorted(FIELDS)


def test_nothing_of_an_entry_is_ever_changed() -> None:
    entry = some_entry(random.Random(SEED))
    before = entry._asdict()
    for name in FIELDS:
        with pytest.raises(AttributeError):
            setattr(entry, name, getattr(entry, name))
        with pytest.raises(AttributeError):
            delattr(entry, name)
    assert entry._asdict() == before
    assert not hasattr(entry, "__dict__")
    assert hash(entry) == hash(entry._replace())


def test_a_reference_is_read_without_its_padding() -> None:
    entry = some_entry(random.Random(SEED))
    for text in ("", "WB 42", "x" * 32):
        padded = text.encode("ascii").ljust(32, b"\0")
        [found] = entries_of(rows_of(entry._replace(reference=padded)))
        assert found.reference_text == text


def test_the_first_of_a_basket() -> None:
    entry = some_entry(random.Random(SEED))
    third = entry._replace(sequence=44, basket_size=3, basket_index=2)
    assert third.basket_lead == 42
    alone = entry._replace(sequence=44, basket_size=0, basket_index=0)
    assert alone.basket_lead == 44


@pytest.mark.parametrize(
    ("column", "number", "told"),
    [
        ("kind", 0, "kind 0, result"),
        ("kind", 255, "kind 255"),
        ("result", 255, "kind .*, result 255"),
    ],
)
def test_what_no_row_can_be_is_damage(column: str, number: int, told: str) -> None:
    rows = rows_of(some_entry(random.Random(SEED))._replace(sequence=44))
    rows = rows.copy()
    rows[column] = number
    with pytest.raises(CorruptionError, match=f"row 44 has {told}"):
        entries_of(rows)


def test_only_rows_become_entries() -> None:
    with pytest.raises(ValueError, match="dtype ROW"):
        entries_of(np.zeros(1, ACCOUNT))
