"""Goal: a flipped bit is noticed; nothing is served from a value whose check fails.

Method: a ledger of some hundred rows is made and closed. One bit of a stored value is
flipped in a copy of its files; then the copy must refuse to open, or each read must
raise CorruptionError or tell the truth. What is wrong in the index says so, and leaves
a mark, as it can be made anew; what is wrong in the journal never does. LMDB's own
pages are left alone: their headers have no checks, and LMDB trusts them.
"""

import random
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import lmdb
import pytest

from switch._core import Ledger
from switch.codes import Result
from switch.errors import (
    CorruptionError,
    FormatError,
    IndexDamagedError,
    JournalBehindError,
    StorageError,
)
from tests.core.generator import Generator
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import Pair, pack_row, rows_request
from tests.model import Model, Rows

ROWS = 700
STEP_ROWS = 64
FLIPS = 40
"""Bits flipped in each kind of value."""
ZEROED = 4
"""Chunks of which each tail is zeroed in turn."""
CHUNK_SIZE, ROW_SIZE = 64, 128
FORMAT_SIZE = 8
"""Where the index says that it is one, and of which format."""
MARK = "index.damaged"
AT_OPENING = ("meta", "segments", "holds", "records")
"""Tables of the index that opening verifies as a whole."""
LEAST = {"holds": 32, "runs": 8, "postings": 8}
"""Values that a table has at least."""
OPTIONS: dict[str, Any] = {
    "threads": False,
    "index_step_rows": STEP_ROWS,
    "map_size": 1 << 30,
    "reserve_size": 0,
}


@dataclass
class Made:
    """A closed ledger, and what is in it."""

    path: Path
    model: Model

    def copy(self, to: Path) -> Path:
        """Its files, to be damaged."""
        return Path(shutil.copytree(self.path, to / "damaged"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Random rows of all kinds, most of them in the index."""
    network = make_network()
    pair = Pair(tmp_path_factory.mktemp("made") / "ledger", **OPTIONS)
    pair.commit([Rows(network.rows)], NOW)
    for wallet in network.wallets:
        pair.one(top_up(network, wallet, 10**8, b"UTR-FIRST-%d" % wallet), NOW)
    generator = Generator(5, network, pair.model)
    while len(pair.model.rows) < ROWS:
        asks, now = generator.group()
        pair.commit(asks, now)
        while pair.ledger.index_step():
            pass
    pair.close()
    return Made(pair.path, pair.model)


# --- damaging -------------------------------------------------------------------------


def items(path: Path, environment: str, table: str) -> list[tuple[bytes, bytes]]:
    """All keys and values of a table, in order."""
    folder = str(path / environment)
    with lmdb.open(folder, readonly=True, lock=False, max_dbs=8) as env:
        name = env.open_db(table.encode(), create=False)
        with env.begin(name) as txn:
            return [(bytes(key), bytes(value)) for key, value in txn.cursor()]


def values(path: Path, environment: str, table: str) -> list[bytes]:
    """All values of a table, in the order of their keys."""
    return [value for _, value in items(path, environment, table)]


def flip(
    path: Path, environment: str, value: bytes, bit: int, key: bytes = b""
) -> None:
    """Flip one bit of a value in the data file, in old copies of its page too.

    Small values stand right behind their key, by which they are told from others.
    """
    file = path / environment / "data.mdb"
    body = bytearray(file.read_bytes())
    wanted = key + value
    at = body.find(wanted)
    assert at >= 0
    while at >= 0:
        body[at + len(key) + bit // 8] ^= 1 << bit % 8
        at = body.find(wanted, at + len(wanted))
    file.write_bytes(body)


# --- reading --------------------------------------------------------------------------


class Witness:
    """Keeps what refused reads raised; a wrong value fails the test."""

    def __init__(self) -> None:
        self.refused: list[StorageError] = []

    def check(self, read: Callable[[], object], expected: object) -> None:
        """The truth, or a refusal."""
        try:
            found = read()
        except CorruptionError as error:
            self.refused.append(error)
            return
        assert found == expected


def read_everything(ledger: Ledger, model: Model) -> list[StorageError]:
    """Ask for all there is; what the refusals were."""
    witness = Witness()
    check = witness.check
    check(lambda: ledger.sequence, len(model.rows))
    check(lambda: ledger.holds().tolist(), model.holds())
    check(lambda: ledger.last_window, model.last_window)
    images = b"".join(account.pack() for account in model.accounts[1:])
    check(lambda: ledger.accounts()[0][1:].tobytes(), images)
    participants = [each.sequence for each in model.participants]
    services = [0, *(each.sequence for each in model.services)]
    check(lambda: ledger.records(1).tolist(), participants)
    check(lambda: ledger.records(2).tolist(), services)
    for index in range(1, len(model.accounts)):
        rows = model.account_rows(index, 0, 300)
        check(partial(account_rows, ledger, index), rows)
        for sequence in range(1, len(model.rows), 50):
            totals = model.balance_at(index, sequence)
            check(partial(ledger.balance_at, index, sequence), totals)
    for row in model.rows:
        check_row(ledger, model, row.sequence, check)
    check(lambda: credit_again(ledger, model), {Result.UTR_ALREADY_CREDITED})
    return witness.refused


def account_rows(ledger: Ledger, index: int) -> list[int]:
    """The newest rows of an account."""
    return [int(sequence) for sequence in ledger.account_rows(index, 0, 300)]


def credit_again(ledger: Ledger, model: Model) -> set[int]:
    """Results of crediting every UTR a second time: what claims are looked up by."""
    network = make_network()
    rows = [
        replace(
            top_up(network, network.wallets[0], 7, key[2]),
            id=number.to_bytes(16, "big"),
        )
        for number, key in enumerate(model.claims, 1)
        if key[0] == "utr"
    ]
    (reply,) = ledger.commit([rows_request(rows)], 0)
    assert not isinstance(reply, bytes)
    results = set(reply["result"].tolist())
    if Result.DATA_DAMAGED in results:
        of_index = not ledger.info()["damaged_row"]
        kind = IndexDamagedError if of_index else CorruptionError
        raise kind(0, "it cannot be said who was credited")
    return results


def check_row(
    ledger: Ledger,
    model: Model,
    sequence: int,
    check: Callable[[Callable[[], object], object], None],
) -> None:
    """All that can be asked of one row."""
    row = model.rows[sequence - 1]
    check(lambda: ledger.rows(sequence, 1).tobytes(), pack_row(row))
    check(lambda: ledger.tail(sequence), row.tail or b"")
    found = model.find(row.participant, row.id)
    check(lambda: ledger.find(row.participant, row.id), found)
    check(lambda: ledger.resolution(sequence), model.resolution(sequence))


def open_and_read(path: Path, model: Model) -> list[StorageError]:
    """What the damaged copy refused with; one error if it does not open.

    A read that meets damage of the index leaves a mark, and nothing else does. Whether
    the header of the chunk that the index ends with is damaged or is another chunk's
    cannot be told.
    """
    try:
        ledger = Ledger(str(path), create=False, **OPTIONS)
    except (CorruptionError, FormatError, JournalBehindError) as error:
        return [error]
    with ledger:
        refused = read_everything(ledger, model)
    assert (path / MARK).exists() == any(map(is_of_index, refused))
    return refused


def is_of_index(error: StorageError) -> bool:
    """Whether the journal is whole, and only what is made of it is not."""
    return isinstance(error, IndexDamagedError)


@pytest.mark.parametrize("without_index", [False, True])
def test_undamaged_it_tells_everything(
    made: Made, tmp_path: Path, without_index: bool
) -> None:
    path = made.copy(tmp_path)
    if without_index:
        shutil.rmtree(path / "index")
    assert open_and_read(path, made.model) == []


# --- the journal ----------------------------------------------------------------------


def damage(
    made: Made, tmp_path: Path, part: Callable[[bytes, random.Random], int]
) -> int:
    """Flip bits of chunks where `part` says; how many were noticed."""
    rng = random.Random(11)
    chunks = values(made.path, "journal", "journal")
    noticed = 0
    for number in range(FLIPS):
        path = made.copy(tmp_path / str(number))
        chunk = rng.choice(chunks)
        flip(path, "journal", chunk, part(chunk, rng))
        refused = open_and_read(path, made.model)
        assert not any(map(is_of_index, refused))
        noticed += len(refused) > 0
        shutil.rmtree(path)
    return noticed


def rows_end(chunk: bytes) -> int:
    """Where the rows of a chunk end and its tail begins."""
    return CHUNK_SIZE + ROW_SIZE * int.from_bytes(chunk[8:12], "little")


def test_flipped_rows_are_noticed(made: Made, tmp_path: Path) -> None:
    def part(chunk: bytes, rng: random.Random) -> int:
        return rng.randrange(8 * CHUNK_SIZE, 8 * rows_end(chunk))

    assert damage(made, tmp_path, part) == FLIPS


def test_flipped_tails_are_noticed(made: Made, tmp_path: Path) -> None:
    """All but the padding, which is in no item; the chunk's own check covers it."""

    def part(chunk: bytes, rng: random.Random) -> int:
        end = rows_end(chunk)
        if end == len(chunk):
            return rng.randrange(8 * CHUNK_SIZE, 8 * end)
        # The size, the check and the bytes of the first item.
        item = 8 + int.from_bytes(chunk[end : end + 4], "little")
        return rng.randrange(8 * end, 8 * (end + item))

    assert damage(made, tmp_path, part) == FLIPS


def test_a_zeroed_tail_is_noticed(made: Made, tmp_path: Path) -> None:
    """An item of size 0 whose check is 0: what a lost write leaves of a fresh block."""
    tailed = [
        chunk
        for chunk in values(made.path, "journal", "journal")
        if rows_end(chunk) < len(chunk)
    ]
    for number, chunk in enumerate(random.Random(13).sample(tailed, ZEROED)):
        path = made.copy(tmp_path / str(number))
        file = path / "journal" / "data.mdb"
        end = rows_end(chunk)
        zeroed = chunk[:end] + bytes(len(chunk) - end)
        body = file.read_bytes()
        assert chunk in body
        file.write_bytes(body.replace(chunk, zeroed))
        refused = open_and_read(path, made.model)
        assert refused
        assert not any(map(is_of_index, refused))
        shutil.rmtree(path)


def test_flipped_headers_never_give_a_wrong_value(made: Made, tmp_path: Path) -> None:
    damage(made, tmp_path, lambda _, rng: rng.randrange(8 * CHUNK_SIZE))


def test_the_chain_is_checked_where_it_is_replayed(made: Made, tmp_path: Path) -> None:
    """Without an index every bit of every chunk counts, the tails' padding too."""
    rng = random.Random(12)
    chunks = values(made.path, "journal", "journal")
    for number in range(FLIPS):
        path = made.copy(tmp_path / str(number))
        shutil.rmtree(path / "index")
        chunk = rng.choice(chunks)
        flip(path, "journal", chunk, rng.randrange(8 * len(chunk)))
        with pytest.raises((CorruptionError, FormatError)) as raised:
            Ledger(str(path), create=False, **OPTIONS)
        assert not is_of_index(raised.value)
        shutil.rmtree(path)


# --- the index ------------------------------------------------------------------------


def live_runs(path: Path) -> set[bytes]:
    """How the keys of the runs begin that `meta` lists: map and number."""
    ((_, meta),) = items(path, "index", "meta")
    (count,) = struct.unpack_from("<I", meta, 364)
    records = struct.iter_unpack("<6Q2I", meta[400 : 400 + 56 * count])
    return {
        bytes([map_]) + number.to_bytes(8, "big") for number, *_, map_, _ in records
    }


@pytest.mark.parametrize(
    "table", ["meta", "segments", "runs", "postings", "holds", "records"]
)
def test_a_flipped_index_is_refused_or_not_used(
    made: Made, tmp_path: Path, table: str
) -> None:
    rng = random.Random(13)
    stored = items(made.path, "index", table)
    if table == "records":  # those of accounts are not read: images have the same
        stored = [(key, value) for key, value in stored if key[0]]
    if table == "runs":  # those that are merged away are not read either
        live = live_runs(made.path)
        stored = [(key, value) for key, value in stored if key[:9] in live]
    assert len(stored) >= LEAST.get(table, 1)
    noticed = 0
    for number in range(FLIPS):
        path = made.copy(tmp_path / str(number))
        key, value = rng.choice(stored)
        behind = key if table == "records" else b""
        bit = rng.randrange(8 * len(value))
        flip(path, "index", value, bit, behind)
        refused = open_and_read(path, made.model)
        if table != "meta" or bit >= 8 * FORMAT_SIZE:  # or it seems of another format
            assert all(map(is_of_index, refused)), refused
        noticed += len(refused) > 0
        shutil.rmtree(path)
    # The others hit zeros behind the entries of a page, or what nobody asked for.
    assert noticed == FLIPS if table in AT_OPENING else noticed > FLIPS // 4


def test_an_index_of_another_ledger_is_refused(made: Made, tmp_path: Path) -> None:
    path = made.copy(tmp_path)
    pair = Pair(tmp_path / "another", **OPTIONS)
    pair.commit([Rows(make_network().rows)], NOW)
    pair.ledger.index_step()
    pair.close()
    shutil.rmtree(path / "index")
    shutil.copytree(tmp_path / "another" / "index", path / "index")
    with pytest.raises(IndexDamagedError, match="another ledger"):
        Ledger(str(path), create=False, **OPTIONS)
    shutil.rmtree(path / "index")
    assert open_and_read(path, made.model) == []


def grow(path: Path, first: int) -> None:
    """Some more steps of rows, indexed."""
    network = make_network()
    with Ledger(str(path), create=False, **OPTIONS) as ledger:
        rows = [
            top_up(network, network.wallets[0], 7, b"GROW %d" % number)
            for number in range(first, first + 3 * STEP_ROWS)
        ]
        ledger.commit([rows_request(rows)], NOW)
        while ledger.index_step():
            pass


def test_an_index_ahead_of_the_journal_is_refused(made: Made, tmp_path: Path) -> None:
    """It means that the journal has lost rows: nobody should be told to delete it."""
    path = made.copy(tmp_path)
    grow(path, 0)
    shutil.rmtree(path / "journal")
    shutil.copytree(made.path / "journal", path / "journal")
    with pytest.raises(JournalBehindError, match="keep both"):
        Ledger(str(path), create=False, **OPTIONS)
    shutil.rmtree(path / "index")
    assert open_and_read(path, made.model) == []


def test_an_index_behind_the_journal_catches_up(made: Made, tmp_path: Path) -> None:
    path = made.copy(tmp_path)
    grow(path, 0)
    with Ledger(str(path), create=False, **OPTIONS) as ledger:
        expected = ledger.accounts()[0].tobytes()
    shutil.rmtree(path / "index")
    shutil.copytree(made.path / "index", path / "index")
    with Ledger(str(path), create=False, **OPTIONS) as ledger:
        assert ledger.accounts()[0].tobytes() == expected


def test_an_index_of_another_past_is_refused(made: Made, tmp_path: Path) -> None:
    """Two copies of one ledger went different ways: their indexes do not fit."""
    one, two = made.copy(tmp_path / "1"), made.copy(tmp_path / "2")
    grow(one, 0)
    grow(two, 1_000)
    shutil.rmtree(one / "index")
    shutil.copytree(two / "index", one / "index")
    with pytest.raises(JournalBehindError):
        Ledger(str(one), create=False, **OPTIONS)
