"""Goal: the walk over LMDB's pages finds nothing in a file that is whole, names what is
wrong with one that is not, and ends with a list whatever the bytes are.

Method: files that the `lmdb` package wrote in random transactions, and a ledger's, are
walked; then pages are zeroed, put in each other's place, filled with noise, cut off,
and single bytes changed, a thousand times from one seed.
"""

import random
import warnings
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest

from switch.ledger import pages
from switch.ledger.pages import META_TYPE, Walk, walk
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import Pair
from tests.longer import SEED, TIMES
from tests.model import Rows

PAGE = 4096
DAMAGES = 400 if TIMES == 1 else 1_000 * TIMES
TABLES = (b"meta", b"journal", b"runs", b"records")
SIZES = (0, 10, 50, 300, 2000, 2500, 4056, 9000)

Damage = Callable[[bytearray, random.Random], None]


def write(directory: Path, seed: int, txns: int, *, each: int = 0) -> None:
    """Random puts, deletes and drops; walked after every `each` transactions."""
    seeded = random.Random(seed)
    env = lmdb.open(str(directory), map_size=1 << 28, max_dbs=8, sync=False)
    tables = [env.open_db(name) for name in TABLES]
    for number in range(txns):
        with env.begin(write=True) as txn:
            for _ in range(seeded.choice([1, 5, 50])):
                at = seeded.randrange(len(tables))
                key = seeded.randbytes(seeded.choice([5, 13]))
                if at < 2:
                    key = seeded.randrange(500).to_bytes(8, "big")
                if seeded.random() < 0.4:
                    txn.delete(key, db=tables[at])
                else:
                    value = seeded.randbytes(seeded.choice(SIZES))
                    txn.put(key, value, db=tables[at])
            if number % 50 == 49:
                txn.drop(tables[2], delete=False)
        if each and number % each == 0:
            assert walk(directory).findings == []
    env.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a small file with several levels, long values and free pages."""
    directory = tmp_path_factory.mktemp("sound")
    write(directory, 5, 60)
    return (directory / "data.mdb").read_bytes()


def walk_bytes(directory: Path, data: bytes | bytearray) -> Walk:
    (directory / "data.mdb").write_bytes(data)
    return walk(directory)


@pytest.mark.parametrize("seed", range(3))
def test_a_file_that_is_whole_has_no_findings(tmp_path: Path, seed: int) -> None:
    write(tmp_path, seed, 300, each=10)
    found = walk(tmp_path)
    env = lmdb.open(str(tmp_path), readonly=True, lock=False, max_dbs=8)
    tables = {name: env.open_db(name, create=False) for name in TABLES}
    with env.begin() as txn:
        counted = {n.decode(): txn.stat(db)["entries"] for n, db in tables.items()}
    assert found.tables == counted
    # Every page of the file is in use or free: nothing was passed over.
    assert found.pages + pages.METAS == env.info()["last_pgno"] + 1
    env.close()


def test_a_ledger_has_no_findings(tmp_path: Path) -> None:
    network = make_network()
    pair = Pair(tmp_path / "ledger", threads=False, index_step_rows=16)
    pair.commit([Rows(network.rows)], NOW)
    for number in range(60):
        wallet = network.wallets[number % len(network.wallets)]
        reference = b"UTR-%d-" % number
        rows = [top_up(network, wallet, 5, reference + b"%d" % i) for i in range(40)]
        pair.commit([Rows(rows[: 1 + number % 40])], NOW)
        while pair.ledger.index_step():
            pass
    entries = pair.ledger.sequence
    pair.close()
    for part in ("journal", "index"):
        assert walk(tmp_path / "ledger" / part).findings == []
    tables = walk(tmp_path / "ledger" / "journal").tables
    assert tables == {"meta": 1, "journal": 61}
    assert entries > 61


def newest(data: bytes) -> np.void:
    metas = [
        np.frombuffer(data, META_TYPE, 1, offset=number * PAGE)[0]
        for number in range(pages.METAS)
    ]
    found: np.void = max(metas, key=lambda meta: int(meta["txnid"]))
    return found


def leaves(data: bytes) -> list[int]:
    """Numbers of the pages that are leaves of their own; some are free."""
    heads = np.frombuffer(data, np.uint8).reshape(-1, PAGE)[:, :16]
    own = heads[:, :8].copy().view("<u8").ravel() == np.arange(len(heads))
    kind = heads[:, 10:12].copy().view("<u2").ravel() == pages.LEAF
    return [int(number) for number in np.flatnonzero(own & kind)]


def test_every_page_in_use_that_is_zeroed_is_named(
    tmp_path: Path, sound: bytes
) -> None:
    """Of a tree each page is missed; of a long value only the first is looked at."""
    meta = newest(sound)
    told = 0
    for number in leaves(sound):
        data = bytearray(sound)
        data[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)
        findings = walk_bytes(tmp_path, data).findings
        told += bool(findings)
        assert not findings or f"page {number} " in findings[0]
    assert told >= int(meta["main"]["leaves"]) + 20


def test_a_page_in_two_places_is_used_twice(tmp_path: Path, sound: bytes) -> None:
    """A branch that points at its first child twice."""
    heads = np.frombuffer(sound, np.uint8).reshape(-1, PAGE)
    kinds = heads[:, 10:12].copy().view("<u2").ravel()
    texts = []
    for number in np.flatnonzero(kinds == pages.BRANCH):
        data = bytearray(sound)
        page = memoryview(data)[number * PAGE : (number + 1) * PAGE]
        first = int.from_bytes(page[16:18], "little")
        second = int.from_bytes(page[18:20], "little")
        page[second : second + 6] = page[first : first + 6]
        texts += walk_bytes(tmp_path, data).findings
    assert any("used twice" in text for text in texts)


def test_a_page_that_is_free_and_used(tmp_path: Path, sound: bytes) -> None:
    """The list of free pages names the root of the list of tables."""
    meta = newest(sound)
    data = bytearray(sound)
    root = int(meta["free"]["root"])
    assert int(meta["free"]["depth"]) == 1
    page = memoryview(data)[root * PAGE : (root + 1) * PAGE]
    node = int.from_bytes(page[16:18], "little")
    record = node + 16
    count = int.from_bytes(page[record : record + 8], "little")
    last = record + 8 * count
    page[last : last + 8] = int(meta["main"]["root"]).to_bytes(8, "little")
    findings = walk_bytes(tmp_path, data).findings
    assert any("is free, and is used" in text or "order" in text for text in findings)


@pytest.mark.parametrize("size", [0, 1, 151, 152, PAGE, 2 * PAGE, 3 * PAGE])
def test_a_file_that_is_cut_short_is_damaged(
    tmp_path: Path, sound: bytes, size: int
) -> None:
    assert walk_bytes(tmp_path, sound[:size]).findings


def test_a_file_of_zeros_is_damaged(tmp_path: Path) -> None:
    assert walk_bytes(tmp_path, bytes(16 * PAGE)).findings


def _zero(data: bytearray, seeded: random.Random) -> None:
    at = seeded.randrange(len(data) // PAGE) * PAGE
    data[at : at + PAGE] = bytes(PAGE)


def _noise(data: bytearray, seeded: random.Random) -> None:
    at = seeded.randrange(len(data) // PAGE) * PAGE
    data[at : at + PAGE] = seeded.randbytes(PAGE)


def _copy(data: bytearray, seeded: random.Random) -> None:
    at, to = (seeded.randrange(len(data) // PAGE) * PAGE for _ in range(2))
    data[to : to + PAGE] = data[at : at + PAGE]


def _flip(data: bytearray, seeded: random.Random) -> None:
    data[seeded.randrange(len(data))] ^= 1 << seeded.randrange(8)


def _head(data: bytearray, seeded: random.Random) -> None:
    at = seeded.randrange(len(data) // PAGE) * PAGE
    data[at + seeded.randrange(64)] = seeded.randrange(256)


def _meta(data: bytearray, seeded: random.Random) -> None:
    at = seeded.randrange(2) * PAGE
    data[at + seeded.randrange(pages.META_SIZE)] = seeded.randrange(256)


def _node(data: bytearray, seeded: random.Random) -> None:
    at = seeded.choice(leaves(bytes(data)) or [0]) * PAGE
    at += seeded.randrange(PAGE // 2) * 2
    data[at : at + 2] = seeded.randbytes(2)


def _cut(data: bytearray, seeded: random.Random) -> None:
    if len(data) > 4 * PAGE:
        del data[seeded.randrange(len(data)) // PAGE * PAGE or PAGE :]


DAMAGE: tuple[Damage, ...] = (_zero, _noise, _copy, _flip, _head, _meta, _node, _cut)


@pytest.mark.slow
def test_it_ends_with_a_list_whatever_the_bytes_are(
    tmp_path: Path, sound: bytes
) -> None:
    seeded = random.Random(11 + SEED)
    told = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(DAMAGES):
            data = bytearray(sound)
            for _ in range(seeded.choice([1, 1, 2, 8])):
                seeded.choice(DAMAGE)(data, seeded)
                if len(data) < 4 * PAGE:
                    break
            found = walk_bytes(tmp_path, data)
            told += bool(found.findings)
            assert len(found.findings) <= pages.FINDINGS_MAX + 1
    assert DAMAGES // 2 < told < DAMAGES
