"""The oracle's rules of certificates: revocations, who stands by them, and pins.

Part of tests/model.py, which see.
"""

import struct

from switch.codes import Record, Result, Role
from tests.flags import RowFlag
from tests.model_rules import Rules
from tests.model_state import OK, Answer, Revocation
from tests.records import Row

NOTED_MAX = 65_535
TREASURIES_LEAST = 2
OF_CERTIFICATES = (Record.REVOCATION, Record.CONFIRMATION, Record.PINS)


class Certificates(Rules):
    """What register rows say of certificates."""

    def can_act(self, index: int) -> bool:
        """Whether this is one of the treasury who can act for certain."""
        one = self.participants[index]
        able = one.role == Role.TREASURY and one.active == 1
        return able and not self.unconfirmed[index]

    def is_last(self, index: int) -> bool:
        """Whether without it fewer than two of the treasury could act."""
        able = [at for at in self.treasuries if self.can_act(at)]
        return index in able and len(able) <= TREASURIES_LEAST

    def check_participant(self, tail: bytes) -> Answer:
        index = self.participant_of.get(tail[8:40].rstrip(b"\0"), 0)
        stays = tail[1] == Role.TREASURY and tail[2] == 1
        if index and not stays and self.is_last(index):
            return Answer(Result.LAST_TREASURIES)
        return OK

    def check_certificate(self, row: Row) -> Answer:
        tail = row.tail or b""
        (named,) = struct.unpack_from("<I", tail, 4)
        if tail[0] == Record.CONFIRMATION:
            if named > len(self.revocations):
                return Answer(Result.PROPOSAL_NOT_FOUND)
            revocation = self.revocations[named - 1]
            if self.is_whose(revocation, row):
                return Answer(Result.SAME_PERSON)
            if revocation.confirmed:
                return Answer(Result.ALREADY_APPROVED)
            full = self.confirmations_count >= NOTED_MAX
            return Answer(Result.TABLE_FULL) if full else OK
        if named >= len(self.participants):
            return Answer(Result.PARTICIPANT_UNKNOWN)
        if tail[0] == Record.REVOCATION:
            if self.is_last(named):
                return Answer(Result.LAST_TREASURIES)
            full = len(self.revocations) >= NOTED_MAX
        else:
            whose = self.participants[named]
            if whose.role == Role.TREASURY and row.participant != named:
                return Answer(Result.LAST_TREASURIES)
            full = named not in self.pins_of and len(self.pins_of) >= NOTED_MAX
        return Answer(Result.TABLE_FULL) if full else OK

    def is_whose(self, revocation: Revocation, row: Row) -> bool:
        """Whether it was said by the sender of a row."""
        return revocation.sender[0] == row.participant

    def do_certificate(self, row: Row) -> None:
        tail = row.tail or b""
        (named,) = struct.unpack_from("<I", tail, 4)
        if tail[0] == Record.REVOCATION:
            sender = row.participant, row.operator_
            self.revocations.append(Revocation(named, sender))
            self.unconfirmed[named] += 1
            row.debit = len(self.revocations)
        elif tail[0] == Record.CONFIRMATION:
            revocation = self.revocations[named - 1]
            revocation.confirmed = True
            self.unconfirmed[revocation.participant] -= 1
            self.confirmations_count += 1
            row.debit = self.confirmations_count
        else:
            row.flags |= RowFlag.UPDATE if named in self.pins_of else 0
            row.debit = self.pins_of.setdefault(named, len(self.pins_of) + 1)
        self.append(row)


def certificate_record_is_valid(tail: bytes) -> bool:
    """Whether a record of a revocation, a confirmation or pins is one."""
    if len(tail) < 8 or not any(tail[4:8]):
        return False
    if tail[0] == Record.CONFIRMATION:
        return not any(tail[1:4])
    if any(tail[2:4]):
        return False
    if tail[0] == Record.REVOCATION:
        size, authority, serial = tail[1], tail[8:40], tail[40:60]
        return (
            len(tail) >= 64
            and 1 <= size <= 20
            and any(authority)
            and serial[0] != 0
            and not any(serial[size:])
            and not any(tail[60:64])
        )
    pins = tail[8:40], tail[40:72]
    if len(tail) < 72 or tail[1] > len(pins):
        return False
    if [any(pin) for pin in pins] != [at < tail[1] for at in range(len(pins))]:
        return False
    return tail[1] < len(pins) or pins[0] != pins[1]
