"""The index's account images, compared with the accounts that the journal gives.

The index follows the journal and may be behind; each segment is compared as of the
sequence it states. It may be absent, too: it is derived.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from crc32c import crc32c

from switch.audit.accounts import Accounts
from switch.audit.findings import Findings
from switch.audit.layout import (
    ACCOUNT,
    SEGMENT,
    SEGMENT_ACCOUNTS,
    SEGMENT_MAGIC,
    SEGMENT_SIZE,
    Rows,
)
from switch.audit.reader import Environment

SEGMENT_BYTES: Final = SEGMENT_SIZE + SEGMENT_ACCOUNTS * ACCOUNT.itemsize


@dataclass(frozen=True)
class Segment:
    """512 account images as of a sequence."""

    number: int
    as_of: int
    images: Rows


def read_segments(directory: Path, findings: Findings) -> list[Segment] | None:
    """All segments of `directory/index`; None if there is no index.

    Raises StorageError if there is one that cannot be opened.
    """
    path = directory / "index"
    if not (path / "data.mdb").is_file():
        return None
    segments: list[Segment] = []
    with Environment(path) as index:
        table = index.table("segments")
        if table is None:
            return None
        with index.env.begin() as txn, txn.cursor(table) as cursor:
            for key, value in cursor:
                segment = parse_segment(key, value)
                if isinstance(segment, Segment):
                    segments.append(segment)
                else:
                    findings.add("index", 0, f"segment {key.hex()}: {segment}")
    return segments


def parse_segment(key: bytes, value: bytes) -> Segment | str:
    """One segment, or what is wrong with it."""
    if len(value) != SEGMENT_BYTES:
        return f"it has {len(value)} bytes, not {SEGMENT_BYTES}"
    head = np.frombuffer(value, dtype=SEGMENT, count=1)[0]
    number = int(head["number"])
    if head["magic"] != SEGMENT_MAGIC or key != number.to_bytes(4, "big"):
        return "it does not begin as a segment does"
    own = crc32c(value[SEGMENT_SIZE:], crc32c(value[: SEGMENT_SIZE - 4]))
    if own != head["check"]:
        return "its bytes differ from its check"
    images = np.frombuffer(value, dtype=ACCOUNT, offset=SEGMENT_SIZE)
    return Segment(number, int(head["as_of"]), images)


def compare_segment(segment: Segment, accounts: Accounts, findings: Findings) -> None:
    """Compare a segment's images, field by field, with accounts as of its sequence."""
    first = segment.number * SEGMENT_ACCOUNTS
    expected = accounts.image(first, SEGMENT_ACCOUNTS)
    if expected.tobytes() == segment.images.tobytes():
        return
    for name in ACCOUNT.names or ():
        mine, theirs = expected[name], segment.images[name]
        differs = mine != theirs
        if differs.ndim > 1:
            differs = differs.any(axis=1)
        for at in np.flatnonzero(differs).tolist():
            text = f"account {first + at}: {name} is {theirs[at]}, not {mine[at]}"
            findings.add("index", segment.as_of, text)


def missing_segments(segments: list[Segment], accounts: Accounts) -> list[int]:
    """Numbers of segments that are not there, of accounts open at the oldest as-of.

    A segment is written when its accounts have changed, so only those are due that
    lie before one that is there.
    """
    there = {segment.number for segment in segments}
    due = range(max(there, default=-1) + 1)
    return [n for n in due if n not in there and n * SEGMENT_ACCOUNTS <= accounts.count]
