"""What a person stops in the register, by the bytes that the register has of it.

A stop leaves all else as it is. The ledger compares what it keeps of a record; the
texts behind it, which it does not keep, are compared here.
"""

import struct

import numpy as np

from server.node import Node
from server.services.certificates import check_why
from server.status import ArgumentError
from switch._core import (
    CONFIRMATION_RECORD,
    PARTICIPANT_RECORD,
    REVOCATION_RECORD,
    SERVICE_RECORD,
)
from switch.codes import Record
from switch.ledger.templates import get_bytes
from switch.register.people import Person
from switch.register.register import Participant, Register, Service
from switch.said import read_texts
from switch.signed import PERSON_SIZE

_ACTIVE_AT = {Record.PARTICIPANT: 2, Record.SERVICE: 6, Record.PERSON: 2}
"""Where a record says `active`."""
_OF_CERTIFICATES = (Record.REVOCATION, Record.CONFIRMATION)


def stopped(register: Register, known: Participant | Service | Person) -> bytes:
    """The record of it and its texts as the register has them, but not active."""
    found = bytearray(register.record(known.sequence))
    found[_ACTIVE_AT[Record(found[0])]] = 0
    return bytes(found)


def check_stop(node: Node, tail: bytes) -> None:
    """Raise ArgumentError if a row of the register is about what is not stopped, or a
    stop would say something else of it, too. Blocks.
    """
    if tail and tail[0] in _OF_CERTIFICATES:
        _check_certificate(tail)
        return
    if not tail or tail[0] not in _ACTIVE_AT:
        # What the switch itself says of a clock and rules needs no signature: the
        # ledger would take it of anybody.
        text = "must be of a participant, a service, a person or a certificate"
        raise ArgumentError("tail", text)
    register = node.register
    register.refresh()
    known = _find(register, tail)
    # Of anything that is no stop the ledger says what is wrong with it.
    if known is None or tail[_ACTIVE_AT[Record(tail[0])]]:
        return
    there = register.record(known.sequence)
    if there[_ACTIVE_AT[Record(tail[0])]] and tail != stopped(register, known):
        text = "must be what the register has of it, but not active"
        raise ArgumentError("tail", text)


def _check_certificate(tail: bytes) -> None:
    """Behind a revocation stands its reason and nothing else, behind a confirmation
    nothing.
    """
    if tail[0] == Record.CONFIRMATION:
        if len(tail) != CONFIRMATION_RECORD.itemsize:
            raise ArgumentError("tail", "must be the record of a confirmation")
        return
    try:
        texts = read_texts(tail[REVOCATION_RECORD.itemsize :])
    except ValueError as error:
        raise ArgumentError("tail", f"must have a reason: {error}") from error
    if set(texts) != {"reason"}:
        raise ArgumentError("tail", "must have a reason, and no other text")
    check_why(texts["reason"])


def is_stop(tail: bytes) -> bool:
    """Whether a signed row of the register with this tail item stops something."""
    return bool(tail) and tail[0] in _ACTIVE_AT


def _find(register: Register, tail: bytes) -> Participant | Service | Person | None:
    record = tail[0]
    if record == Record.PARTICIPANT and len(tail) >= PARTICIPANT_RECORD.itemsize:
        return register.find_participant(_code(tail, PARTICIPANT_RECORD))
    if record == Record.SERVICE and len(tail) >= SERVICE_RECORD.itemsize:
        return register.find_service(_code(tail, SERVICE_RECORD))
    if record == Record.PERSON and len(tail) >= PERSON_SIZE:
        participant, number = struct.unpack_from("<II", tail, 4)
        return register.find_person(participant, number)
    return None


def _code(tail: bytes, record: np.dtype[np.void]) -> str:
    return get_bytes(tail, record, "code").decode("ascii", "replace")
