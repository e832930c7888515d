"""Goal: a page of a run holds its entries in as few bits as they need, and gives back
just these.

Method: pages of every width are packed by the core, read by a second reading written
from docs/data-model.md, and unpacked by the core. Bytes of chance with a right check
are refused or read, never followed out of the page. Then a ledger whose ids are near
each other, far apart, equal in their first half, and at both ends of all numbers: every
page of its runs is read the second way and held against the rows, and each id is found,
sent again, and new ones are not.
"""

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.network import make_network, payment_rows
from switch import _core as core
from tests.core.index_lists import PART_BLOCK
from tests.core.test_segments import tables
from tests.siphash import LOW_BITS, id_key

HEAD, VALUE_BITS = 24, 40
BLOCK_PAGES, BLOCK_HEAD = 18, 40
PAGE_ENTRIES = 255
STEP_ROWS = 1_024
ROWS = 12 * STEP_ROWS
"""Enough for a merge of eight runs."""
NOW = 1_774_000_000 * 10**9
MASK = 2**64 - 1

Entry = tuple[int, int, int]
"""high, low, value"""


def read_page(page: bytes) -> list[Entry]:
    """The entries of a page, as docs/data-model.md says."""
    count, high_bits, value_bits, zero, high, value = struct.unpack_from(
        "<4B2Q", page, 4
    )
    width = high_bits + LOW_BITS + value_bits
    width = 128 if width > 120 else width
    assert zero == 0
    bits = int.from_bytes(page[HEAD:], "little")
    entries = []
    for _ in range(count):
        number = bits & ((1 << width) - 1)
        bits >>= width
        entries.append(
            (
                high + (number >> (LOW_BITS + value_bits)),
                number >> value_bits & ((1 << LOW_BITS) - 1),
                value + (number & ((1 << value_bits) - 1)),
            )
        )
    assert bits == 0, "zeros behind the entries"
    size = HEAD + (count - 1) * width // 8 + 16
    assert len(page) == (size + 7) // 8 * 8
    # As few bits as hold the page.
    assert high_bits == (entries[-1][0] - high).bit_length()
    values = [entry[2] for entry in entries]
    assert value_bits == (max(values) - min(values)).bit_length()
    return entries


def to_bytes(entries: list[Entry]) -> bytes:
    """As they are in memory."""
    return b"".join(
        struct.pack("<2Q", high, low << VALUE_BITS | value)
        for high, low, value in entries
    )


def block_of(page: bytes) -> bytes:
    """A block of one page."""
    return struct.pack("<H6x", 1 + len(page) // 8) + page


@pytest.mark.parametrize("value_bits", [0, 1, 17, 33, 40])
@pytest.mark.parametrize("high_bits", [0, 1, 13, 55, 63, 64])
def test_pages_of_every_width(high_bits: int, value_bits: int) -> None:
    rng = np.random.default_rng(high_bits << 8 | value_bits)

    def draw(bits: int, count: int) -> list[int]:
        drawn = [int.from_bytes(rng.bytes(8), "little") for _ in range(count)]
        # Both ends of what the bits hold are there, where there is room for two.
        drawn[-2:] = 0, MASK
        return [number >> 64 - bits if bits else 0 for number in drawn]

    for count in (2, 3, 7, 128, PAGE_ENTRIES):
        first_high = 0 if high_bits == 64 else 2**63 if high_bits == 63 else 5
        first_value = 0 if value_bits == 40 else 9
        entries = sorted(
            zip(
                [first_high + high for high in draw(high_bits, count)],
                draw(LOW_BITS, count),
                [first_value + value for value in draw(value_bits, count)],
                strict=True,
            )
        )
        page = core.pack_page(to_bytes(entries), 7)
        assert read_page(page) == entries
        assert (page[5], page[6]) == (high_bits, value_bits)
        assert core.unpack_page(block_of(page), 8, 0, 7) == to_bytes(entries)
        assert core.unpack_page(block_of(page), 8, 0, 8) == b"", "another's page"


def test_one_entry_needs_no_bits_of_its_own() -> None:
    entry = (MASK, 3, 2**VALUE_BITS - 1)
    page = core.pack_page(to_bytes([entry]))
    assert len(page) == HEAD + 16
    assert read_page(page) == [entry]
    assert core.unpack_page(block_of(page), 8, 0) == to_bytes([entry])


def test_bytes_of_chance_are_never_followed() -> None:
    """Under the sanitizer a read beyond the block ends the process."""
    rng = np.random.default_rng(11)
    read = 0
    for _ in range(20_000):
        page = bytearray(rng.bytes(8 * int(rng.integers(5, 20))))
        page[4:7] = bytes(int(rng.integers(0, most)) for most in (8, 68, 44))
        page[:4] = core.crc32c(bytes(page[4:])).to_bytes(4, "little")
        found = core.unpack_page(block_of(bytes(page)), 8, 0)
        assert len(found) in (0, 16 * page[4])
        read += len(found) > 0
    assert 0 < read < 10_000
    page = bytearray(core.pack_page(to_bytes([(1, 2, 3)] * 40)))
    for ends in (0, 1, 2, 5, len(page) // 8, 2 + len(page) // 8, 65_535):
        block = struct.pack("<H6x", ends) + page
        assert core.unpack_page(block, 8, 0) == b""
    with pytest.raises(ValueError, match="no such page"):
        core.unpack_page(block_of(bytes(page)), 8, 4)
    with pytest.raises(ValueError, match="1 to 255"):
        core.pack_page(bytes(256 * 16))


# --- a ledger's -----------------------------------------------------------------------


def far_apart(rng: np.random.Generator, ids: np.ndarray) -> None:
    """Most of them beside each other, and some at both ends of all numbers."""
    ids[:, :6] = 7
    ids[::97, :8] = 0
    ids[1::97, :8] = 255
    ids[2::97] = np.frombuffer(rng.bytes(ids[2::97].size), np.uint8).reshape(-1, 16)


def near(rng: np.random.Generator, ids: np.ndarray) -> None:
    """Counted on."""
    ids[:, :8] = 0
    ids[:, 8:] = (
        (np.arange(len(ids), dtype=">u8") + 2**40).view(np.uint8).reshape(-1, 8)
    )


def equal(rng: np.random.Generator, ids: np.ndarray) -> None:
    """Of one first half."""
    ids[:, :8] = 255


def spread(rng: np.random.Generator, ids: np.ndarray) -> None:
    """As they were drawn."""


def pages_of(ledger: Path, map_number: int) -> dict[int, list[Entry]]:
    """The entries of each run of a map, page by page; ends and order are right."""
    found: dict[int, list[Entry]] = {}
    for key, block in sorted(tables(ledger, "runs").items()):
        id_, number = int.from_bytes(key[1:9], "big"), int.from_bytes(key[9:], "big")
        if key[0] != map_number or number >= PART_BLOCK:
            continue
        ends = [8 * end for end in struct.unpack_from(f"<{BLOCK_PAGES}H", block)]
        ends = [end for end in ends if end]
        assert ends[-1] == len(block)
        entries = found.setdefault(id_, [])
        for first, last in pairwise([BLOCK_HEAD, *ends]):
            assert len(entries) % PAGE_ENTRIES == 0, "only a run's last page is short"
            entries += read_page(block[first:last])
    for entries in found.values():
        assert entries == sorted(entries)
    return found


@pytest.mark.parametrize("choose", [far_apart, near, equal, spread])
def test_ids_of_any_distance_are_found(
    tmp_path: Path, choose: Callable[[np.random.Generator, np.ndarray], None]
) -> None:
    path = tmp_path / "ledger"
    options: dict[str, Any] = {"map_size": 1 << 34, "reserve_size": 0, "threads": False}
    with core.Ledger(str(path), index_step_rows=STEP_ROWS, **options) as ledger:
        harness, first = make_network(ledger, centres=20)
        wallets = np.arange(first, first + 20, dtype=np.uint32)
        rng = np.random.default_rng(5)
        rows = payment_rows(rng, 1, ROWS, "random", harness, wallets)
        choose(rng, rows["id"])
        done = []
        for start in range(0, ROWS, STEP_ROWS):
            request = core.Request.rows(rows[start : start + STEP_ROWS])
            done.append(np.asarray(ledger.commit([request], NOW + start)[0]))
        sequences = np.concatenate([part["sequence"] for part in done])
        assert all((part["result"] == 1).all() for part in done)
        while ledger.index_step():
            pass
        assert sum(ledger.info()["ids_runs"][1:]) > 0
        indexed = ledger.index_sequence
        for start in range(0, ROWS, STEP_ROWS):
            request = core.Request.rows(rows[start : start + STEP_ROWS])
            again = np.asarray(ledger.commit([request], NOW + ROWS)[0])
            assert again["repeat"].all()
            want = sequences[start : start + STEP_ROWS]
            assert (again["sequence"] == want).all()
        other = rows[:STEP_ROWS].copy()
        other["id"][:, 15] ^= 1
        taken = {row.tobytes() for row in rows["id"]}
        for row in other["id"]:
            if row.tobytes() not in taken:
                assert ledger.find(harness, row.tobytes()) == 0
    secret = tables(path, "meta")[b"index"][88:104]
    expected = []
    for row, sequence in zip(rows["id"], sequences.tolist(), strict=True):
        if sequence <= indexed:
            expected.append((*id_key(secret, row.tobytes(), harness), sequence))
    stored = [entry for run in pages_of(path, 0).values() for entry in run]
    assert sorted(set(stored) & set(expected)) == sorted(expected)
