"""Goal: the index follows from the journal, whatever ended a process or filled a disk.

Method: random rows of all kinds; in between the index goes on by single units, by whole
steps, with no room for what it would write, and the ledger is opened again at any of
these moments, as a killed process leaves it. At the end every value of the index must
be, byte for byte, what one has that was made from the journal in one go, and the ledger
must be the model's. Without threads closing writes nothing. Each index has a secret of
its own, which its runs are made with: the assert build gives all the same.
"""

import errno
import random
import resource
import shutil
from pathlib import Path
from typing import Any

import lmdb
import pytest

from switch._core import ASSERTS, Ledger
from switch.errors import SpaceError, StorageError
from tests.core.generator import Generator
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import Pair, catch_up
from tests.longer import turns
from tests.model import Rows

TABLES = ("meta", "segments", "runs", "postings", "holds", "records")
GROUPS = 150
META_SIZE, PIECES_SIZE = 400, 64 * 8
OPTIONS: dict[str, Any] = {"threads": False, "reserve_size": 0}


def whole(table: str, value: bytes) -> bytes:
    """A value without what may differ: numbers of transactions, the order of holds."""
    if table == "holds":
        body = value[24:]
        holds = sorted(body[at : at + 16] for at in range(0, len(body), 16))
        return value[:20] + b"".join(holds)
    if table == "meta":
        # The transaction, the check, and the checks of hold pieces.
        pieces = value[-PIECES_SIZE:]
        steps = b"".join(pieces[at : at + 4] for at in range(0, PIECES_SIZE, 8))
        return (
            value[:56]
            + value[64 : META_SIZE - 4]
            + value[META_SIZE:-PIECES_SIZE]
            + steps
        )
    return value


def index_of(path: Path) -> dict[tuple[str, bytes], bytes]:
    """Everything that an index holds."""
    found = {}
    with lmdb.open(str(path / "index"), readonly=True, lock=False, max_dbs=8) as env:
        for table in TABLES:
            name = env.open_db(table.encode(), create=False)
            with env.begin(name) as txn:
                for key, value in txn.cursor():
                    found[table, bytes(key)] = whole(table, bytes(value))
    return found


def without_keys(index: dict[tuple[str, bytes], bytes]) -> dict[Any, bytes]:
    """What of an index does not hang on its secret."""
    return {
        key: value for key, value in index.items() if key[0] not in ("meta", "runs")
    }


def without_room(path: Path) -> None:
    """Let no file grow beyond what the index has now."""
    size = (path / "index" / "data.mdb").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def go_on(pair: Pair, rng: random.Random) -> int:
    """One unit, one step or neither, now and then without room; 1 if there was none."""
    full = rng.random() < 0.3
    if full:
        without_room(pair.path)
    try:
        if rng.random() < 0.9:
            pair.ledger.index_unit()
        else:
            pair.ledger.index_step()
    except SpaceError:
        return 1
    except StorageError as error:
        # What LMDB says of a write that was cut short: the ledger is dead.
        if error.code != errno.EIO:
            raise
        pair.reopen()
        return 1
    finally:
        infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_FSIZE, infinite)
    return 0


@pytest.mark.parametrize(("step_rows", "seed"), [(16, 1), (64, 2), (16, 3), (256, 4)])
def test_units_restarts_and_full_disks_leave_the_same_index(
    tmp_path: Path, step_rows: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANT", "secrets_are_drawn")
    options = OPTIONS | {"index_step_rows": step_rows}
    network = make_network()
    pair = Pair(tmp_path / "ledger", **options)
    pair.commit([Rows(network.rows)], NOW)
    rows = [top_up(network, w, 10**8, b"UTR-FIRST-%d" % w) for w in network.wallets]
    pair.commit([Rows(rows)], NOW)
    generator = Generator(seed, network, pair.model)
    rng = random.Random(seed)
    full = 0

    def enough() -> bool:
        """The disk was full, and runs were merged."""
        return full > 0 and any(pair.ledger.info()["ids_runs"][1:])

    for _ in turns(GROUPS, enough):
        asks, now = generator.group()
        pair.commit(asks, now)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 5, 40))):
            full += go_on(pair, rng)
        if rng.random() < 0.3:
            pair.reopen()
    catch_up(pair.ledger)
    pair.compare_all(range(1, len(pair.model.rows) + 1, 7))
    pair.close()
    again = tmp_path / "again"
    shutil.copytree(pair.path / "journal", again / "journal")
    with Ledger(str(again), create=False, **options) as ledger:
        catch_up(ledger)
    mine, fresh = index_of(pair.path), index_of(again)
    if not ASSERTS:
        # How long pages are is the keys', and so is how many a block has.
        mine, fresh = without_keys(mine), without_keys(fresh)
    assert mine.keys() == fresh.keys()
    assert [key for key in mine if mine[key] != fresh[key]] == []
