"""Register rows about certificates: revocations, who stands by them, pinned keys.

And who of the treasury is left: no row takes out one of the last two who can act for
certain, those that are active and of whom no revocation waits for a second person.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from switch.audit.layout import (
    CONFIRMATION_RECORD,
    PARTICIPANT_RECORD,
    PINS_RECORD,
    REVOCATION_RECORD,
)
from switch.codes import Record, Result, Role, RowFlag

TREASURIES_LEAST: Final = 2
TREASURIES_RULES: Final = 6
"""The rules by which the last two stay; what was decided before may have taken them."""
NOTED_MAX: Final = 65_535
LAYOUTS: Final = {
    Record.REVOCATION: REVOCATION_RECORD,
    Record.CONFIRMATION: CONFIRMATION_RECORD,
    Record.PINS: PINS_RECORD,
}
_TREASURY: Final = 1 << Role.TREASURY
Who = tuple[int, int]
"""A participant, and the number of its person or operator."""


class Certificates:
    """What the register's rows have said of certificates so far."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.revocations: list[tuple[int, Who]] = []
        """Of each whose, and who revoked it; the first is number 1."""
        self.confirmed: set[int] = set()
        self.confirmations = 0
        self.unconfirmed: Counter[int] = Counter()
        self.pins: dict[int, int] = {}
        self.treasuries: set[int] = set()
        """Participants that are of the treasury, and active."""

    def note_participant(self, index: int, role: int, *, active: bool) -> None:
        """A participant is registered."""
        if role == Role.TREASURY and active:
            self.treasuries.add(index)
        else:
            self.treasuries.discard(index)

    def is_last(self, index: int) -> bool:
        """Whether without it fewer than two of the treasury could act."""
        able = {one for one in self.treasuries if not self.unconfirmed[one]}
        return index in able and len(able) <= TREASURIES_LEAST

    def takes_last(self, index: int, tail: bytes) -> bool:
        """Whether a record of participant `index` takes one of the last two."""
        record = np.frombuffer(tail, dtype=PARTICIPANT_RECORD, count=1)[0]
        stays = record["role"] == Role.TREASURY and record["active"] == 1
        return not stays and self.is_last(index)

    def answer(
        self,
        row: np.void,
        tail: bytes,
        roles: np.ndarray,
        count: int,
        *,
        people: bool,
    ) -> Result:
        """The result that a row with a whole record must have; `count` participants.
        Another of the `people` confirms what one has revoked; without them another
        participant.
        """
        kind, sender = Record(tail[0]), int(row["participant"])
        record = np.frombuffer(tail, dtype=LAYOUTS[kind], count=1)[0]
        if kind == Record.CONFIRMATION:
            number = int(record["revocation"])
            if not 1 <= number <= len(self.revocations):
                return Result.PROPOSAL_NOT_FOUND
            who = self.revocations[number - 1][1]
            if who[0] == sender and (not people or who[1] == row["operator_"]):
                return Result.SAME_PERSON
            if number in self.confirmed:
                return Result.ALREADY_APPROVED
            return Result.TABLE_FULL if self.confirmations >= NOTED_MAX else Result.OK
        whose = int(record["participant"])
        if not 1 <= whose <= count:
            return Result.PARTICIPANT_UNKNOWN
        if kind == Record.REVOCATION:
            if self.is_last(whose):
                return Result.LAST_TREASURIES
            full = len(self.revocations) >= NOTED_MAX
        else:
            if roles[whose] == _TREASURY and sender != whose:
                return Result.LAST_TREASURIES
            full = whose not in self.pins and len(self.pins) >= NOTED_MAX
        return Result.TABLE_FULL if full else Result.OK

    def apply(self, row: np.void, tail: bytes) -> Iterator[str]:
        """Note an accepted row; what is wrong with the place that it has."""
        kind, known = Record(tail[0]), False
        record = np.frombuffer(tail, dtype=LAYOUTS[kind], count=1)[0]
        if kind == Record.REVOCATION:
            whose = int(record["participant"])
            who = int(row["participant"]), int(row["operator_"])
            self.revocations.append((whose, who))
            self.unconfirmed[whose] += 1
            place = len(self.revocations)
        elif kind == Record.CONFIRMATION:
            number = int(record["revocation"])
            if 1 <= number <= len(self.revocations) and number not in self.confirmed:
                self.unconfirmed[self.revocations[number - 1][0]] -= 1
            self.confirmed.add(number)
            self.confirmations += 1
            place = self.confirmations
        else:
            whose = int(record["participant"])
            known = whose in self.pins
            place = self.pins.setdefault(whose, len(self.pins) + 1)
        update = bool(int(row["flags"]) & RowFlag.UPDATE)
        if int(row["debit"]) != place or update != known:
            yield f"it is number {place}, the row says {row['debit']}"


def broken(tail: bytes) -> str:
    """What is wrong with the shape of a record; empty if nothing is."""
    kind = Record(tail[0])
    if len(tail) < LAYOUTS[kind].itemsize:
        return "is too short"
    record = np.frombuffer(tail, dtype=LAYOUTS[kind], count=1)[0]
    if any(
        any(bytes(record[name]))
        for name in record.dtype.names or ()
        if name[:8] == "reserved"
    ):
        return "has bytes that say nothing"
    if kind == Record.CONFIRMATION:
        return "" if record["revocation"] else "names nothing"
    if not record["participant"]:
        return "names nobody"
    if kind == Record.REVOCATION:
        size, serial = int(record["serial_size"]), bytes(record["serial"])
        whole = 1 <= size <= len(serial) and serial[0] and not any(serial[size:])
        return "" if whole and any(bytes(record["authority"])) else "is of nothing"
    keys = [bytes(record["pins"])[at : at + 32] for at in (0, 32)]
    wanted = [at < record["count"] for at in (0, 1)]
    whole = record["count"] <= len(keys) and [any(key) for key in keys] == wanted
    twice = record["count"] == len(keys) and keys[0] == keys[1]
    return "" if whole and not twice else "has keys that are none"
