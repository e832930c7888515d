"""Files that rows name by their hash, in the log's database.

A file is put there before the row that names it goes through the ledger: who meets the
row finds the file. What is there never changes, so that putting it twice is once.
"""

import hashlib
from typing import Final, cast

from switch.cluster.postgres import PostgresLog

HASH_SIZE: Final = 32
"""Bytes of BLAKE2b, as of what rows name."""
PART_SIZE: Final = 1 << 20
"""Bytes of a part; as in schema.sql."""
BLOB_MAX: Final = 512 << 20
"""Bytes of the largest file."""
PARTS_MAX: Final = BLOB_MAX // PART_SIZE

PUT: Final = (
    "INSERT INTO payswitch.blobs (hash, part, parts, bytes)"
    " VALUES ($1, $2::int8::int, $3::int8::int, $4) ON CONFLICT DO NOTHING"
)
THERE: Final = "SELECT part FROM payswitch.blobs WHERE hash = $1"
GET: Final = "SELECT parts, bytes FROM payswitch.blobs WHERE hash = $1 AND part = $2"


class BlobError(Exception):
    """What is there is not what its hash says."""


def hash_of(data: bytes) -> bytes:
    """What a file is known by."""
    return hashlib.blake2b(data, digest_size=HASH_SIZE).digest()


def put(log: PostgresLog, data: bytes) -> bytes:
    """Have a file on a quorum; its hash. ValueError if it is too large.

    After a DoubtError some parts may be there: put it again.
    """
    if len(data) > BLOB_MAX:
        raise ValueError(f"a file of {len(data)} bytes; at most {BLOB_MAX}")
    name = hash_of(data)
    parts = max(1, -(-len(data) // PART_SIZE))
    there = {cast(int, part) for (part,) in log.execute(THERE, name)}
    for part in range(parts):
        if part not in there:
            start = part * PART_SIZE
            log.execute(PUT, name, part, parts, data[start : start + PART_SIZE])
    # Parts that were there may not be on a quorum yet: this is behind them all.
    log.barrier()
    return name


def get(log: PostgresLog, name: bytes) -> bytes | None:
    """The file of this hash, or None if it is not there, or not all of it.

    BlobError if it is another's, or damaged.
    """
    found: list[bytes] = []
    parts = 1
    while len(found) < parts:
        rows = log.execute(GET, name, len(found))
        if not rows:
            return None
        parts, data = cast(tuple[int, bytes], rows[0])
        if parts > PARTS_MAX:
            raise BlobError(f"the file {name.hex()} says that it has {parts} parts")
        found.append(data)
    whole = b"".join(found)
    if hash_of(whole) != name:
        raise BlobError(f"the file {name.hex()} is damaged in the log's database")
    return whole
