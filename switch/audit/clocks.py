"""Clock records: why the ledger's time went on as the wall clock had it.

The kernel vouches for two things: for a leap of up to an hour while the switch runs,
and for a start up to 30 days after the last row. The second says how long no row was
written; the rows around it show whether that is so. Memory: the times of a block.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.layout import NS, OK, RULES_RECORD, Rows
from switch.codes import Kind, Record

CLOCK_RULES: Final = 14
"""The first rules by which the kernel vouches for a start."""
CAUSES: Final = ("start", "agreed", "kernel", "operator")
NUMBERS: Final = ("ahead_ns", "wall_ns", "boottime_ns")
LEAP_NS: Final = 60 * NS
KEPT_NS: Final = 3_600 * NS
"""From the one, excluded, to the other the kernel vouches for a leap."""
GAP_NS: Final = 24 * 3_600 * NS
VOUCHED_NS: Final = 30 * 24 * 3_600 * NS
"""Likewise for a gap before a start. Written a second time, from docs/data-model.md."""

WINDOWS_MAX: Final = 2
"""Windows of cut-offs that come before the commit of a start, each alone in its own."""


class Clocks:
    """Judges the clock records of blocks in their order."""

    def __init__(self, findings: Findings) -> None:
        """No rows yet."""
        self.findings = findings
        self._version = 0
        # Times of the rows before this block, for a gap that ends with its first row.
        self._times = np.zeros(0, dtype=np.uint64)

    def block(self, rows: Rows, tails: dict[int, bytes]) -> None:
        """Judge the clock records among these rows."""
        registered = (rows["kind"] == Kind.REGISTER) & (rows["result"] == OK)
        for place in np.flatnonzero(registered).tolist():
            tail = tails.get(place, b"")
            if _is_of(tail, Record.RULES):
                self._version = _version(tail)
            elif _is_of(tail, Record.CLOCK):
                for text in self._wrong(rows, place, tails):
                    sequence = int(rows["sequence"][place])
                    self.findings.add("clocks", sequence, text)
        # With what a gap is before, should this block be windows of cut-offs alone.
        newest = self._times[-WINDOWS_MAX - 1 :]
        self._times = np.concatenate((newest, rows["timestamp"]))

    def _wrong(self, rows: Rows, place: int, tails: dict[int, bytes]) -> Iterator[str]:
        said = _read(tails[place])
        if said is None:
            yield "its record does not say what it must"
            return
        if said["cause"] != "kernel":
            return
        if rows["participant"][place]:
            yield "the kernel vouches for its clock, and somebody has sent the row"
        ahead = said["ahead_ns"]
        if LEAP_NS < ahead <= KEPT_NS:
            return
        if not GAP_NS < ahead <= VOUCHED_NS:
            yield f"the kernel vouches for {_words(ahead)}, which it may not"
            return
        if 0 < self._version < CLOCK_RULES and not _begins(rows, place + 1, tails):
            yield f"the kernel vouches for a start, by rules {self._version}"
        yield from self._gap(rows, place, said)

    def _gap(self, rows: Rows, place: int, said: dict[str, Any]) -> Iterator[str]:
        """What a start says of the gap before it, against the rows.

        The rows of its commit have the time of the reading and one nanosecond more
        each; a cut-off's window and holds that have fallen due come before it.
        """
        wall, times = said["wall_ns"], rows["timestamp"][: place + 1]
        begin = int(np.searchsorted(times, np.uint64(wall)))
        count = place - begin
        if begin:
            last = int(times[begin - 1])
        else:
            before = int(np.searchsorted(self._times, np.uint64(wall)))
            count += len(self._times) - before
            last = int(self._times[before - 1]) if before else 0
        if wall - last != said["ahead_ns"]:
            yield (
                f"it says that no row was written for {_words(said['ahead_ns'])}, and "
                f"it was {_words(wall - last)}"
            )
        elif int(times[-1]) != wall + count:
            yield "its time is not that at which it has read the clock"


def _is_of(tail: bytes, record: Record) -> bool:
    return tail[:1] == bytes([record])


def _version(tail: bytes) -> int:
    if len(tail) < RULES_RECORD.itemsize:
        return 0
    return int(np.frombuffer(tail, RULES_RECORD, 1)[0]["version"])


def _begins(rows: Rows, place: int, tails: dict[int, bytes]) -> bool:
    """Whether the row at `place` has rules begin by which the kernel vouches."""
    tail = tails.get(place, b"")
    is_good = place < len(rows) and rows["kind"][place] == Kind.REGISTER
    return is_good and _is_of(tail, Record.RULES) and _version(tail) >= CLOCK_RULES


def _read(tail: bytes) -> dict[str, Any] | None:
    """What a record says; None if it does not say all that it must, as it must."""
    try:
        said = json.loads(tail[1:])
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("cause") not in CAUSES:
        return None
    if any(type(said.get(name)) is not int for name in NUMBERS):
        return None
    # Larger than a row's time can be: no clock says so.
    is_time = all(0 <= said[name] < 2**64 for name in NUMBERS[1:])
    return said if is_time else None


def _words(time_ns: int) -> str:
    return f"{time_ns // NS:,} s"
