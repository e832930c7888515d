"""What a reference may look like: 1 to 32 printable characters, no space at an end.

A reference that breaks the shape can make two bills of one, so it is looked at in every
row that says one of its own, refused ones too: a wrong shape leaves no row at all.
Eight bytes are judged at a time, as one number each; byte 0 is the lowest.
"""

from typing import Final

import numpy as np

from switch.audit.layout import U64, Index, Mask, Rows

REFERENCE_SIZE: Final = 32
WORDS: Final = REFERENCE_SIZE // 8
EACH: Final = 0x0101010101010101
TOP: Final = np.uint64(0x80 * EACH)
"""The highest bit of each byte. Characters do not have it; flags stand in it."""
LOW: Final = np.uint64(0x7F * EACH)
UPPER: Final = np.uint64(0x60 * EACH)
SPACE: Final = np.uint64(0x20 * EACH)
BYTE: Final = np.uint64(8)
FIRST: Final = np.uint64(0x80)
LAST: Final = np.uint64(0x80 << 56)
LAST_TO_FIRST: Final = np.uint64(56)
PERIOD_SIZE: Final = 8
"""Characters of `/YYYY-MM`."""


def _some(words: U64) -> U64:
    """Which bytes are not zero, as flags. The words have no byte above 0x7F."""
    flags: U64 = (words + LOW) & TOP
    return flags


def bad_references(references: U64) -> Mask:
    """Which references (n × 4 words) have not the shape of one."""
    count = len(references)
    bad = np.zeros(count, dtype=np.bool_)
    ended = np.zeros(count, dtype=np.bool_)
    space_before = np.zeros(count, dtype=np.bool_)
    rest: list[bool] = (references != 0).any(axis=0).tolist()
    for place in range(WORDS):
        if not any(rest[place:]):
            # Most references are short; the words behind them are all zero.
            bad |= space_before & ~ended
            return bad
        word = np.ascontiguousarray(references[:, place])
        some = _some(word & LOW)
        spaces = ~_some((word ^ SPACE) & LOW) & TOP
        wrong = word & TOP
        # Below 0x20, or 0x7F.
        wrong |= some & ~_some(word & UPPER)
        wrong |= ~_some((word ^ LOW) & LOW) & TOP
        # A character behind a zero; a space before one.
        wrong |= some & ~(some << BYTE | FIRST)
        wrong |= spaces & ~(some >> BYTE | LAST)
        bad |= wrong != 0
        first = (some & FIRST) != 0
        if place == 0:
            bad |= ~first | ((spaces & FIRST) != 0)
        else:
            bad |= ended & first
            bad |= space_before & ~first & ~ended
        ended |= (some & LAST) == 0
        space_before = (spaces & LAST) != 0
    bad |= space_before
    return bad


def with_period(reference: bytes) -> bool:
    """Whether a reference ends in a period, and has something before it."""
    body, year, month = reference[:-8], reference[-7:-3], reference[-2:]
    return (
        bool(body)
        and reference[-8:-7] + reference[-3:-2] == b"/-"
        and (year + month).isdigit()
        and 1 <= int(month) <= 12
    )


def without_period(rows: Rows) -> Mask:
    """Which references do not end in a period: `/YYYY-MM` behind something else."""
    text = np.ascontiguousarray(rows["reference"]).view(np.uint8)
    text = text.reshape(len(rows), REFERENCE_SIZE)
    size = (text != 0).sum(axis=1)
    at: Index = np.maximum(size - PERIOD_SIZE, 0)
    period = np.take_along_axis(text, at[:, None] + np.arange(PERIOD_SIZE), axis=1)
    digits = period - np.uint8(ord("0"))
    good: Mask = size > PERIOD_SIZE
    good &= (period[:, 0] == ord("/")) & (period[:, 5] == ord("-"))
    good &= (digits[:, [1, 2, 3, 4, 6, 7]] <= 9).all(axis=1)
    month = digits[:, 6].astype(np.intp) * 10 + digits[:, 7]
    return ~(good & (month >= 1) & (month <= 12))
