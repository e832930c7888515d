"""Goal: a certificate is revoked by one person's word, for ever; never of the last two.

Method: the same requests go to the core and to the model (`pair`), also after the
ledger was opened again, with its index and without.
"""

import struct
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from switch._core import REVOCATION_RECORD
from switch.audit import audit
from switch.codes import Kind, Record, Result, Role
from tests.core.network import NOW
from tests.core.pair import Pair
from tests.model import Rows
from tests.records import (
    Outcome,
    ParticipantRecord,
    Row,
    confirmation,
    pins,
    revocation,
)

OK, LAST = Result.OK, Result.LAST_TREASURIES
AUTHORITY = b"\x11" * 32
KEY, NEXT = b"\x22" * 32, b"\x33" * 32
STEP = 16

# Participant indices of `office`.
ONE, TWO, THREE, CENTRE = range(1, 5)

_ids = count(1)


def ask(pair: Pair, tail: bytes, sender: int = ONE) -> Outcome:
    """One row of the register."""
    row_id = next(_ids).to_bytes(16, "big")
    row = Row(Kind.REGISTER, id=row_id, participant=sender, tail=tail)
    return pair.one(row, NOW)


def person(number: int, *, active: int = 1, role: Role = Role.TREASURY) -> bytes:
    record = ParticipantRecord(b"person-%d" % number, role, active)
    record.may_state_dues = record.never_credits_late = 0
    return record.pack()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Pair]:
    """Three people of the treasury and a centre."""
    pair = Pair(tmp_path / "ledger", threads=False, index_step_rows=STEP)
    for number in (ONE, TWO, THREE):
        assert ask(pair, person(number), 0).result == OK
    assert ask(pair, person(CENTRE, role=Role.CENTRE)).result == OK
    yield pair
    pair.close()
    assert audit(pair.path).ok


def revoke(pair: Pair, whose: int, serial: int = 7, sender: int = ONE) -> Outcome:
    return ask(pair, revocation(whose, AUTHORITY, bytes([serial])), sender)


def test_the_last_two_are_not_switched_off(office: Pair) -> None:
    assert ask(office, person(THREE, active=0)).result == OK
    for number in (ONE, TWO):
        assert ask(office, person(number, active=0)).result == LAST
        assert ask(office, person(number, role=Role.AUDITOR)).result == LAST
    # Whose name changes stays; who is no longer of the treasury can be changed.
    assert ask(office, person(ONE) + b'{"name_en":"A"}').result == OK
    assert ask(office, person(THREE, active=0, role=Role.AUDITOR)).result == OK
    assert ask(office, person(5)).result == OK
    assert ask(office, person(ONE, active=0), TWO).result == OK


def test_one_person_cannot_put_out_the_others(office: Pair) -> None:
    assert revoke(office, ONE, sender=THREE).result == OK
    # One and Two are left who can act for certain, and Three is one of them.
    assert revoke(office, TWO, sender=THREE).result == LAST
    assert ask(office, person(TWO, active=0), THREE).result == LAST
    # Whoever may be somebody else already can lose another certificate, or go.
    assert revoke(office, ONE, 8, sender=THREE).result == OK
    assert ask(office, confirmation(1), TWO).result == OK
    assert revoke(office, TWO, sender=THREE).result == LAST
    assert ask(office, confirmation(2), TWO).result == OK
    assert revoke(office, TWO, sender=THREE).result == OK


def test_a_second_person_confirms_once(office: Pair) -> None:
    outcome = revoke(office, CENTRE)
    assert (outcome.result, outcome.index) == (OK, 1)
    assert ask(office, confirmation(1), ONE).result == Result.SAME_PERSON
    assert ask(office, confirmation(2), TWO).result == Result.PROPOSAL_NOT_FOUND
    assert ask(office, confirmation(1), TWO).result == OK
    assert ask(office, confirmation(1), THREE).result == Result.ALREADY_APPROVED
    assert revoke(office, 9).result == Result.PARTICIPANT_UNKNOWN


def test_pins_follow_each_other_and_are_a_treasurys_own(office: Pair) -> None:
    assert ask(office, pins(CENTRE, KEY)).index == 1
    assert ask(office, pins(TWO, KEY), TWO).index == 2
    assert ask(office, pins(CENTRE, NEXT, KEY), TWO).index == 1
    assert ask(office, pins(CENTRE)).index == 1
    assert ask(office, pins(TWO, KEY), ONE).result == LAST
    assert ask(office, pins(TWO), ONE).result == LAST
    assert ask(office, pins(9, KEY)).result == Result.PARTICIPANT_UNKNOWN
    records = office.ledger.records(Record.PINS)
    assert office.ledger.tail(int(records[1])) == pins(CENTRE)
    assert office.ledger.tail(int(records[2])) == pins(TWO, KEY)


@pytest.mark.parametrize("without_index", [False, True])
def test_all_of_it_is_known_when_the_ledger_is_opened(
    office: Pair, without_index: bool
) -> None:
    told = [revoke(office, CENTRE, serial).sequence for serial in range(1, 20)]
    told += [revoke(office, ONE, sender=TWO).sequence]
    confirmed = [ask(office, confirmation(at), TWO).sequence for at in (3, 5)]
    pinned = ask(office, pins(CENTRE, KEY)).sequence
    while office.ledger.index_step():
        pass
    assert office.ledger.index_sequence >= STEP
    for _ in range(2):
        records = office.ledger.records
        assert records(Record.REVOCATION).tolist() == [0, *told]
        assert records(Record.CONFIRMATION).tolist() == [0, *confirmed]
        assert records(Record.PINS).tolist() == [0, pinned]
        office.reopen(without_index=without_index)
        while office.ledger.index_step():
            pass
    assert ask(office, confirmation(3), THREE).result == Result.ALREADY_APPROVED
    assert ask(office, confirmation(4), ONE).result == Result.SAME_PERSON
    assert revoke(office, THREE, sender=TWO).result == LAST
    assert ask(office, confirmation(20), THREE).result == OK
    assert revoke(office, THREE, sender=TWO).result == OK


WRONG = [
    revocation(CENTRE, AUTHORITY, b"\7")[:63],
    revocation(0, AUTHORITY, b"\7"),
    revocation(CENTRE, bytes(32), b"\7"),
    revocation(CENTRE, AUTHORITY, b""),
    revocation(CENTRE, AUTHORITY, b"\0\7"),
    struct.pack("<BB2xI32s20s4x", 5, 21, CENTRE, AUTHORITY, b"\7" * 20),
    struct.pack("<BB2xI32s20s4x", 5, 1, CENTRE, AUTHORITY, b"\7\7"),
    struct.pack("<BBHI32s20s4x", 5, 1, 1, CENTRE, AUTHORITY, b"\7"),
    struct.pack("<BBHI32s20sI", 5, 1, 0, CENTRE, AUTHORITY, b"\7", 1),
    confirmation(1)[:7],
    confirmation(0),
    struct.pack("<BB2xI", 6, 1, 1),
    pins(CENTRE, KEY)[:71],
    pins(0, KEY),
    pins(CENTRE, KEY, KEY),
    pins(CENTRE, bytes(32)),
    pins(CENTRE, KEY, bytes(32)),
    struct.pack("<BB2xI64s", 7, 0, CENTRE, KEY),
    struct.pack("<BB2xI64s", 7, 3, CENTRE, KEY + NEXT),
    struct.pack("<BBHI64s", 7, 1, 1, CENTRE, KEY),
    bytes([9]) + bytes(63),
]


@pytest.mark.parametrize("tail", WRONG, ids=range(len(WRONG)))
def test_a_record_that_is_none(office: Pair, tail: bytes) -> None:
    before = office.ledger.sequence
    row = Row(Kind.REGISTER, id=b"r" * 16, participant=ONE, tail=tail)
    [[outcome]] = office.commit([Rows([row])], NOW)
    assert outcome.result == Result.INVALID_RECORD
    assert office.ledger.sequence == before


def test_a_serial_number_of_twenty_bytes(office: Pair) -> None:
    serial = bytes(range(1, 21))
    outcome = ask(office, revocation(CENTRE, AUTHORITY, serial))
    assert outcome.result == OK
    tail = office.ledger.tail(outcome.sequence)
    record = np.frombuffer(tail, REVOCATION_RECORD, 1)[0]
    assert record["serial"].tobytes() == serial
    assert (record["serial_size"], record["participant"]) == (20, CENTRE)
