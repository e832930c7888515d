"""What an index lists of its runs, changed from outside while nobody has it open."""

from pathlib import Path
from typing import Any, Final

import lmdb
import numpy as np

from switch._core import Ledger, crc32c
from switch.audit.layout import INDEX_META
from tests.core.network import NOW, Network
from tests.core.pair import rows_request
from tests.core.test_concurrency import transfers

PART_BLOCK: Final = 0x8000_0000
"""Blocks from here on are fences and filters of a run, those below have its entries."""

RUN: Final = np.dtype([("id", "<u8"), ("rest", "V48")])
MERGE: Final = np.dtype([("id", "<u8"), ("rest", "V80")])
RETIRED: Final = np.dtype(
    [
        ("id", "<u8"),
        ("blocks", "<u4"),
        ("parts", "<u4"),
        ("deleted", "<u4"),
        ("map", "<u2"),
        ("level", "<u2"),
    ]
)


def write_steps(ledger: Ledger, network: Network, steps: int, step_rows: int) -> int:
    """Bring a ledger to so many whole steps of moves; the number of the next move."""
    ledger.commit([rows_request(network.rows)], NOW)
    number = 1
    for _ in range(steps):
        missing = step_rows - ledger.sequence % step_rows
        ledger.commit([rows_request(transfers(network, number, missing))], NOW)
        number += missing
        assert ledger.index_step()
    return number


class Lists:
    """The head of `meta`, and the lists behind it."""

    def __init__(self, value: bytes) -> None:
        at = INDEX_META.itemsize
        self.head: Any = np.frombuffer(value[:at], INDEX_META).copy()[0]

        def take(dtype: np.dtype[Any], name: str) -> Any:
            nonlocal at
            count = int(self.head[name])
            found = np.frombuffer(value, dtype, count, at)
            at += count * dtype.itemsize
            return found

        self.runs = take(RUN, "runs_count")
        self.merges = take(MERGE, "merges_count")
        self.retired = take(RETIRED, "retired_count")
        self.pieces = value[at:]

    def put(self, txn: lmdb.Transaction, table: Any) -> None:
        """As the transaction's own, and with its check."""
        self.head["retired_count"] = len(self.retired)
        self.head["transaction"] = txn.id()
        lists = b"".join(
            (self.runs.tobytes(), self.merges.tobytes(), self.retired.tobytes())
        )
        head = self.head.tobytes()[:-4]
        self.head["check"] = crc32c(lists + self.pieces, crc32c(head))
        txn.put(b"index", self.head.tobytes() + lists + self.pieces, db=table)


def leave_runs(path: Path, counts: dict[tuple[int, int], int], values: int) -> None:
    """List runs as merged away, so many of maps and levels that no merge has come to.

    Each has so many values, none of them deleted.
    """
    with lmdb.open(str(path / "index"), max_dbs=8, map_size=1 << 30) as env:
        meta, table = env.open_db(b"meta"), env.open_db(b"runs")
        with env.begin(write=True) as txn:
            lists = Lists(txn.get(b"index", db=meta) or b"")
            assert len(lists.retired) == 0
            lists.retired = np.zeros(sum(counts.values()), RETIRED)
            places = [place for place, count in counts.items() for _ in range(count)]
            for i, (map_, level) in enumerate(places):
                id_ = (1 << 40) + i
                lists.retired[i] = (id_, values, 0, 0, map_, level)
                for block in range(values):
                    key = bytes([map_]) + id_.to_bytes(8, "big")
                    txn.put(key + block.to_bytes(4, "big"), b"left", db=table)
            lists.put(txn, meta)


def spoil_unread(path: Path) -> tuple[int, int]:
    """Put noise in the place of all values of runs but the parts of whole ones.

    How many values of merges under way that were, and how many of others.
    """
    noise = np.random.default_rng(1)
    half = others = 0
    with lmdb.open(str(path / "index"), max_dbs=8, map_size=1 << 32) as env:
        meta, table = env.open_db(b"meta"), env.open_db(b"runs")
        with env.begin(write=True) as txn:
            lists = Lists(txn.get(b"index", db=meta) or b"")
            whole = set(lists.runs["id"].tolist())
            under_way = set(lists.merges["id"].tolist())
            sizes = {bytes(key): len(value) for key, value in txn.cursor(table)}
            for key, size in sizes.items():
                run, block = (
                    int.from_bytes(part, "big") for part in (key[1:9], key[9:])
                )
                if run in whole and block >= PART_BLOCK:
                    continue
                half += run in under_way
                others += run not in under_way
                txn.put(key, noise.bytes(size), db=table)
            lists.put(txn, meta)
    return half, others
