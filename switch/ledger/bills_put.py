"""Files of bills that are put in: the row of each, and what it says.

May use the core and the words. What lies in a file is not the ledger's: its row says
which form it has, how many lines, of how much, and the hash of them.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from switch._core import BILLS_RECORD, Ledger
from switch.codes import BillsForm, Kind
from switch.ledger.templates import Templates, put_bytes, template

COUNT_MAX: Final = 1_048_576
"""Lines of one file."""
HASH_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class Bills:
    """A file, as its row has it."""

    form: BillsForm
    count: int
    amount: int
    """Paise, of all its lines; 0 of a withdrawal."""
    hash: bytes
    """BLAKE2b-256 of the canonical form of its lines."""


def hash_bills(canonical: bytes) -> bytes:
    """The hash of a file's lines in their canonical form."""
    return hashlib.blake2b(canonical, digest_size=HASH_SIZE).digest()


def put_bills(
    row_id: bytes,
    service: int,
    after: int,
    bills: Bills,
    said: bytes = b"",
    *,
    sender: int,
    operator: int = 0,
) -> Templates:
    """Put a file in for a service, by its index, behind the row `after` of the one
    before, 0 before the first. `said` is JSON for people, or nothing.
    """
    record = np.zeros(1, BILLS_RECORD)
    record["form"] = int(bills.form)
    record["count"] = bills.count
    record["amount"] = bills.amount
    put_bytes(record, "hash", bills.hash)
    return template(
        Kind.BILLS,
        row_id=row_id,
        sender=sender,
        operator=operator,
        service=service,
        resolves=after,
        tail=record.tobytes() + said,
    )


def read_bills(tail: bytes) -> Bills:
    """What a bills row says, out of its tail."""
    record = np.frombuffer(tail, BILLS_RECORD, 1)[0]
    dtype, start = BILLS_RECORD.fields["hash"][:2]  # type: ignore[index]
    return Bills(
        BillsForm(int(record["form"])),
        int(record["count"]),
        int(record["amount"]),
        tail[start : start + dtype.itemsize],
    )


def newest_bills(ledger: Ledger, service: int) -> tuple[int, Bills | None]:
    """The row of the file that was put in last for a service, and what it says; 0 and
    None before the first. Raises CorruptionError.
    """
    sequence = ledger.bills(service)
    return sequence, read_bills(ledger.tail(sequence)) if sequence else None
