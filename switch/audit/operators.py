"""Operators: who sits at a centre's counter, and that nobody else is named there.

One is named by its centre and its number there. A centre that signs on has what is done
at its counter done by one of them who is active; each row is looked at for that at its
place, refused or not, as what nobody of them asks for leaves no row. Memory: an entry
for each, and a table of 9 bytes for each of twice as many as there may be.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from switch.audit.layout import (
    COUNTER_RULES,
    OPERATOR_RECORD,
    U64,
    Mask,
)
from switch.audit.participants import Participants
from switch.codes import Record, Result, Role, RowFlag

OPERATORS_MAX: Final = 65_535
TABLE_BITS: Final = 17
TABLE_MASK: Final = np.uint64((1 << TABLE_BITS) - 1)
SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
ABOVE: Final = np.uint64(64 - TABLE_BITS)
HALF: Final = np.uint64(32)
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
        record = np.frombuffer(tail, OPERATOR_RECORD, 1)[0]
        who = int(record["participant"]), int(record["number"])
        return cls(who, bool(record["active"] == 1), bytes(record["key"]))


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
        key = _keys(*(np.array([one], np.uint32) for one in said.who))
        at = self._find(key)
        self._table[at], self._active[at] = key, said.active
        update = bool(int(row["flags"]) & RowFlag.UPDATE)
        if int(row["debit"]) != place or update != (before is not None):
            yield f"it is number {place}, the row says {row['debit']}"

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
    if len(tail) < OPERATOR_RECORD.itemsize:
        return "is too short"
    record = np.frombuffer(tail, OPERATOR_RECORD, 1)[0]
    if any(bytes(record["reserved_0"])) or any(bytes(record["reserved_1"])):
        return "has bytes that say nothing"
    if record["record"] != Record.OPERATOR or record["active"] > 1:
        return "is of no operator, or neither active nor not"
    named = record["participant"] and record["number"] and any(bytes(record["key"]))
    return "" if named else "names nobody, or no key"
