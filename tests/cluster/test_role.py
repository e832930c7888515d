"""Goal: what the role that all switches have can write misleads nobody.

Method: statements of that role on a log on real PostgreSQL.
"""

from collections.abc import Iterator

import pytest

pytest.importorskip("switch.cluster._pq", reason="built without libpq")

from switch.cluster import blobs
from switch.cluster.postgres import PostgresLog, create
from tests.cluster.chunks import INSTANCE, chunk
from tests.cluster.postgres import Nodes

INSERT = (
    "INSERT INTO payswitch.chunks"
    " (first_sequence, last_sequence, epoch, chain, chunk)"
    " VALUES ($1, $2, $3, $4, $5)"
)


@pytest.fixture(scope="module")
def log(shared_nodes: Nodes) -> Iterator[PostgresLog]:
    shared_nodes.psql("CREATE DATABASE role_1")
    create(shared_nodes.dsn(user="postgres", database="role_1"), INSTANCE)
    one = PostgresLog(shared_nodes.dsn(database="role_1"))
    one.reconnect()
    yield one
    one.close()


def test_nobody_follows_what_is_behind_the_head(log: PostgresLog) -> None:
    log.execute(INSERT, 1, 2, 1, 7, chunk(1, 0, 7))
    assert log.head().sequence == 0
    assert log.read(0) == ([], 0)


def test_a_file_has_no_more_parts_than_the_largest(log: PostgresLog) -> None:
    log.execute(blobs.PUT, bytes(32), 0, blobs.PARTS_MAX + 1, b"endless")
    with pytest.raises(blobs.BlobError, match="says that it has 513 parts"):
        blobs.get(log, bytes(32))
