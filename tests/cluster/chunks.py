"""Chunks that only a log reads: a header that is right, and rows of zeros."""

from switch.cluster.log import CHUNK_MAGIC, HEADER, ROW_SIZE, Sealed, sealed
from tests.cluster.fake_databases import Databases

INSTANCE = b"a ledger's name."


def chunk(
    first: int, previous: int, check: int, *, rows: int = 2, epoch: int = 1
) -> bytes:
    """One of them."""
    header = HEADER.pack(
        *(CHUNK_MAGIC, 5, 0, rows, 0, first, INSTANCE, epoch, first, previous, check)
    )
    return header + bytes(ROW_SIZE * rows)


def chunks(count: int, *, epoch: int = 1) -> list[bytes]:
    """So many from the beginning on, of two rows each."""
    return [
        chunk(1 + 2 * place, 1_000 + place if place else 0, 1_001 + place, epoch=epoch)
        for place in range(count)
    ]


def is_one_chain(log: list[Sealed], last: int = 0, check: int = 0) -> bool:
    """Whether each follows the one before, and no epoch falls."""
    epoch = 0
    for each in log:
        if (each.first, each.previous) != (last + 1, check) or each.epoch < epoch:
            return False
        last, check, epoch = each.last, each.check, each.epoch
    return True


def checks(databases: Databases) -> list[int]:
    """Of all chunks that are in the log for ever, in order."""
    return [each.check for each in databases.durable_chunks()]


def check_of(data: bytes) -> int:
    """What a chunk is known by."""
    return sealed(data).check
