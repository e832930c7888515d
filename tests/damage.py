"""Damage done to a ledger's files from outside, also beneath a ledger that is open."""

import os
from pathlib import Path

ROW_BIT = 8 * 40 + 3
"""Of `resolves`, which every row has."""


def damage_row(ledger: Path, start: bytes, bit: int = ROW_BIT) -> None:
    """Flip one bit of the row that begins with `start`, in old copies of its page too.

    Who has the file mapped sees it at once: nothing but that byte is written.
    """
    descriptor = os.open(ledger / "journal" / "data.mdb", os.O_RDWR)
    try:
        body = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        at = body.find(start)
        assert at >= 0, "the row is not there"
        while at >= 0:
            byte = bytes([body[at + bit // 8] ^ 1 << bit % 8])
            os.pwrite(descriptor, byte, at + bit // 8)
            at = body.find(start, at + 1)
    finally:
        os.close(descriptor)
