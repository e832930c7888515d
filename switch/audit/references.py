"""What a reference may look like: 1 to 32 printable characters, no space at an end.

A reference that breaks the shape can make two bills of one, so it is looked at in every
row that says one of its own, refused ones too: a wrong shape leaves no row at all.
Eight bytes are judged at a time, as one number each; byte 0 is the lowest.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

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
MONTHS: Final = 12
PERIOD_PLACES: Final = (1, 2, 3, 4, 6, 7)
PERIOD_DIGITS: Final = ((0, 1000), (0, 100), (0, 10), (0, 1), (1, 10), (1, 1))
"""Where digits of a period stand; of what each is one, year or month, and its power."""


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
            bad |= (space_before & ~ended) | (place == 0)
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


def _text(references: U64) -> npt.NDArray[np.uint8]:
    """References (n × 4 words) as bytes, a copy."""
    text = np.array(references, dtype="<u8", order="C").view(np.uint8)
    return text.reshape(len(references), REFERENCE_SIZE)


def without_period(rows: Rows) -> Mask:
    """Which references do not end in a period: `/YYYY-MM` behind something else."""
    text = _text(rows["reference"])
    size = (text != 0).sum(axis=1)
    at: Index = np.maximum(size - PERIOD_SIZE, 0)
    period = np.take_along_axis(text, at[:, None] + np.arange(PERIOD_SIZE), axis=1)
    digits = period - np.uint8(ord("0"))
    good: Mask = size > PERIOD_SIZE
    good &= (period[:, 0] == ord("/")) & (period[:, 5] == ord("-"))
    good &= (digits[:, list(PERIOD_PLACES)] <= 9).all(axis=1)
    month = digits[:, 6].astype(np.intp) * 10 + digits[:, 7]
    return ~(good & (month >= 1) & (month <= MONTHS))


def periods_of(rows: Rows) -> tuple[U64, npt.NDArray[np.uint32]]:
    """References without their periods, and these as numbers; 0 for none."""
    text = _text(rows["reference"])
    has = np.flatnonzero(~without_period(rows))
    some = text[has]
    size = (some != 0).sum(axis=1)
    at: Index = (size - PERIOD_SIZE)[:, None] + np.arange(PERIOD_SIZE)
    digits = np.take_along_axis(some, at, axis=1).astype(np.uint32) - ord("0")
    year = digits[:, 1:5] @ np.array((1000, 100, 10, 1), dtype=np.uint32)
    month = digits[:, 6:8] @ np.array((10, 1), dtype=np.uint32)
    period = np.zeros(len(rows), dtype=np.uint32)
    period[has] = year * MONTHS + month - 1
    np.put_along_axis(some, at, 0, axis=1)
    text[has] = some
    return text.view("<u8").reshape(-1, WORDS), period


def with_periods(references: U64, periods: npt.NDArray[np.uint32]) -> tuple[Mask, U64]:
    """References with `/YYYY-MM` behind them, and which of them are short enough."""
    text = _text(references)
    size = (text != 0).sum(axis=1)
    fits: Mask = size + PERIOD_SIZE <= REFERENCE_SIZE
    year, month = np.divmod(periods, np.uint32(MONTHS))
    behind = np.full((len(text), PERIOD_SIZE), ord("0"), dtype=np.uint32)
    behind[:, 0], behind[:, 5] = ord("/"), ord("-")
    for place, (number, power) in enumerate(PERIOD_DIGITS):
        value = (year, month + np.uint32(1))[number] // np.uint32(power)
        behind[:, PERIOD_PLACES[place]] += value % np.uint32(10)
    at: Index = np.where(fits, size, 0)[:, None] + np.arange(PERIOD_SIZE)
    np.put_along_axis(text, at, behind.astype(np.uint8), axis=1)
    return fits, text.view("<u8").reshape(-1, WORDS)
