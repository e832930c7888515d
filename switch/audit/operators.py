"""Operators: who sits at a centre's counter, and that nobody else is named there.

One is named by its centre and its number there. A centre that signs on has what is done
at its counter done by one of them who is active; each row is looked at for that at its
place, refused or not, as what nobody of them asks for leaves no row. Memory: an entry
for each, and a table of 9 bytes for each of twice as many as there may be.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from switch.audit.layout import COUNTER_RULES, U64, Mask
from switch.audit.participants import Participants
from switch.codes import Result, Role, RowFlag

OPERATORS_MAX: Final = 65_535
RECORD: Final = struct.Struct("<BB2sII4s32s")
"""record, active, zeros, participant, number, zeros, key. There are many of them, and a
structure is read ten times as fast as an array of one.
"""
ZEROS: Final = (bytes(2), bytes(4), bytes(32))
UPDATE: Final = int(RowFlag.UPDATE)
TABLE_BITS: Final = 17
TABLE_MASK: Final = np.uint64((1 << TABLE_BITS) - 1)
SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
ABOVE: Final = np.uint64(64 - TABLE_BITS)
HALF: Final = np.uint64(32)
WORD: Final = 2**64 - 1
Who = tuple[int, int]
"""A centre, and the number of one of its operators."""
Numbers = npt.NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator, as a record says."""

    who: Who
    active: bool
    key: bytes

    @classmethod
    def of(cls, tail: bytes) -> "Operator":
        """Of a tail item with a whole record."""
        _, active, _, centre, number, _, key = RECORD.unpack_from(tail)
        return cls((centre, number), active == 1, key)


class Operators:
    """The operators that rows have registered so far, each with its place."""

    def __init__(self, parties: Participants, others: dict[bytes, Who]) -> None:
        """Nobody yet. `others` are the keys of the register's people, who change
        elsewhere.
        """
        self.parties = parties
        self.others = others
        self.places: dict[Who, int] = {}
        """In the order in which they were registered first."""
        self.keys: dict[bytes, Who] = {}
        self._known: dict[Who, Operator] = {}
        # Open addressing: who stands in each place, 0 for nobody, and who is active.
        self._table = np.zeros(1 << TABLE_BITS, dtype=np.uint64)
        self._active = np.zeros(1 << TABLE_BITS, dtype=np.bool_)

    def answer(self, tail: bytes) -> Result:
        """The result that a row with a whole record must have."""
        said = Operator.of(tail)
        centre = said.who[0]
        if not self.parties.has_role(centre, Role.CENTRE):
            return Result.PARTICIPANT_UNKNOWN
        other = self.keys.get(said.key, said.who) != said.who
        if other or said.key in self.others:
            return Result.SAME_PERSON
        full = said.who not in self.places and len(self.places) >= OPERATORS_MAX
        return Result.TABLE_FULL if full else Result.OK

    def apply(self, row: np.void, tail: bytes) -> Iterator[str]:
        """Note an accepted row; what is wrong with the place that it has."""
        said = Operator.of(tail)
        before = self._known.get(said.who)
        if before is None and len(self.places) >= OPERATORS_MAX:
            return
        if before is not None and self.keys.get(before.key) == said.who:
            del self.keys[before.key]
        self._known[said.who] = said
        self.keys[said.key] = said.who
        place = self.places.setdefault(said.who, len(self.places) + 1)
        self._note(said)
        update = bool(int(row["flags"]) & UPDATE)
        if int(row["debit"]) != place or update != (before is not None):
            yield f"it is number {place}, the row says {row['debit']}"

    def _note(self, said: Operator) -> None:
        """Have one in the table as it is by now."""
        key = said.who[0] << 32 | said.who[1]
        at = (key * int(SPREAD) & WORD) >> int(ABOVE)
        while int(self._table[at]) not in (0, key):
            at = (at + 1) & int(TABLE_MASK)
        self._table[at], self._active[at] = key, said.active

    def switches_off(self, tail: bytes) -> bool:
        """Whether a record leaves one as it is, but not active."""
        said = Operator.of(tail)
        before = self._known.get(said.who)
        return before == replace(said, active=True) and not said.active

    def sit(self, centres: Numbers, numbers: Numbers) -> Mask:
        """Which numbers are those of active operators of their centres."""
        keys = _keys(centres, numbers)
        at = self._find(keys)
        found: Mask = (self._table[at] == keys) & self._active[at]
        return found

    def _find(self, keys: U64) -> U64:
        """Where each stands in the table, or would."""
        at: U64 = (keys * SPREAD) >> ABOVE
        while True:
            there = self._table[at]
            other = (there != keys) & (there != 0)
            if not other.any():
                return at
            at[other] = (at[other] + np.uint64(1)) & TABLE_MASK


def _keys(centres: Numbers, numbers: Numbers) -> U64:
    """Each a number of its own, and never 0: no centre has that number."""
    keys: U64 = centres.astype(np.uint64) << HALF
    keys |= numbers.astype(np.uint64)
    return keys


def broken(tail: bytes, rules: int) -> str:
    """What is wrong with a record by itself, under these rules (0: not known); empty if
    nothing is.
    """
    if 0 < rules < COUNTER_RULES:
        return f"is not known to rules {rules}"
    if len(tail) < RECORD.size:
        return "is too short"
    _, active, zero, centre, number, zeros, key = RECORD.unpack_from(tail)
    if (zero, zeros) != ZEROS[:2]:
        return "has bytes that say nothing"
    if active > 1:
        return "is neither active nor not"
    named = centre and number and key != ZEROS[2]
    return "" if named else "names nobody, or no key"
