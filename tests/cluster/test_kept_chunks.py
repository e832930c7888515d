"""Goal: chunks are kept packed, and what was kept otherwise before is read with them.

Method: real chunks of a ledger, and one that does not get smaller, in a log on real
PostgreSQL, whose tables are made older and brought up to date between two of them.
"""

import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

pytest.importorskip("switch.cluster._pq", reason="built without libpq")

from switch._core import Ledger
from switch.cluster.log import LOG_DONE, sealed
from switch.cluster.postgres import PostgresLog, create, upgrade
from tests.cluster.chunks import chunk
from tests.cluster.postgres import Nodes
from tests.core.network import NOW
from tests.core.queues import OPTIONS, refused

SIZES = (1, 100, 1_000, 100, 2)
KEPT = (
    "SELECT octet_length(chunk)::int8, pg_column_size(chunk)::int8,"
    " pg_column_compression(chunk) FROM payswitch.chunks ORDER BY first_sequence"
)
BESIDE = (
    "SELECT coalesce(sum(pg_relation_size(reltoastrelid)), 0)::int8 FROM pg_class"
    " WHERE relname LIKE 'chunks_0%' AND relkind = 'r'"
)
WHERE = count(1)


class Kept:
    """A log, and chunks of the ledger that it is of."""

    def __init__(self, nodes: Nodes, path: Path) -> None:
        self.chunks: list[bytes] = []

        def keep(each: bytes) -> int:
            self.chunks.append(each)
            return LOG_DONE

        with Ledger(str(path / "ledger"), **OPTIONS, threads=False) as ledger:
            ledger.replicate(keep, 1)
            for size in SIZES:
                ledger.commit([refused(size)], NOW)
            instance = ledger.instance
        name = f"kept_{next(WHERE)}"
        nodes.psql(f"CREATE DATABASE {name}")
        self.owner = nodes.dsn(user="postgres", database=name)
        create(self.owner, instance)
        self.log = PostgresLog(nodes.dsn(database=name))
        self.log.reconnect()
        assert self.log.take_over(self.log.head(), "ALPHA", "") == 1

    def append(self, *chunks: bytes) -> None:
        for each in chunks:
            self.log.append(sealed(each))


@pytest.fixture
def kept(shared_nodes: Nodes, tmp_path: Path) -> Iterator[Kept]:
    made = Kept(shared_nodes, tmp_path)
    yield made
    made.log.close()


def test_a_group_of_a_hundred_rows_lies_in_its_row(kept: Kept) -> None:
    kept.append(*kept.chunks[:2])
    assert kept.log.read(0).chunks == kept.chunks[:2]
    [(_, _, short), (longer, smaller, how)] = kept.log.execute(KEPT)
    # A short one is not worth packing.
    assert short is None
    assert (longer, how) == (len(kept.chunks[1]), "lz4")
    assert isinstance(smaller, int)
    assert smaller < len(kept.chunks[1]) / 2
    assert kept.log.execute(BESIDE) == [(0,)]


def test_bytes_that_do_not_get_smaller_are_kept_as_they_are(kept: Kept) -> None:
    bare = chunk(1, 0, 7, rows=1_000)
    noise = bare[:64] + random.Random(1).randbytes(len(bare) - 64)
    kept.append(noise)
    assert kept.log.read(0).chunks == [noise]
    [(whole, size, how)] = kept.log.execute(KEPT)
    assert (whole, size, how) == (len(noise), len(noise), None)


def test_an_older_logs_chunks_are_read_with_packed_ones(
    kept: Kept, shared_nodes: Nodes
) -> None:
    # As they were kept before.
    name = kept.owner.rpartition("=")[2]
    tables = shared_nodes.psql(
        "SELECT relid FROM pg_partition_tree('payswitch.chunks') ORDER BY level",
        database=name,
    ).split()
    assert len(tables) == 4
    for table in tables:
        shared_nodes.psql(
            f"ALTER TABLE {table} ALTER chunk SET STORAGE EXTERNAL,"
            " ALTER chunk SET COMPRESSION default",
            database=name,
        )
    kept.append(*kept.chunks[:2])
    for _ in range(2):
        upgrade(kept.owner)
    assert (
        shared_nodes.psql(
            "SELECT count(*), min(attstorage), max(attcompression) FROM pg_attribute"
            " WHERE attname = 'chunk' AND attstorage = 'm' AND attcompression = 'l'",
            database=name,
        )
        == f"{len(tables)}|m|l"
    )
    # The same session goes on, beside it.
    kept.append(*kept.chunks[2:])
    assert kept.log.read(0).chunks == kept.chunks
    assert [how for *_, how in kept.log.execute(KEPT)] == [
        *(None, None, "lz4", "lz4", None)
    ]
    # A partition to come is as those.
    assert kept.log.make_room(9_999_999) == 1
    assert (
        shared_nodes.psql(
            "SELECT attstorage, attcompression FROM pg_attribute"
            " WHERE attname = 'chunk'"
            " AND attrelid = 'payswitch.chunks_000003'::regclass",
            database=name,
        )
        == "m|l"
    )
