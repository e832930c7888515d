"""Goal: a participant has a role that there is, and who only reads moves nothing,
whoever signs for it.

Method: the records of all roles beside the model, and with numbers that are none; then
a ledger with people, one of whom is a checker of a desk that only reads.
"""

from pathlib import Path

import pytest

from switch.codes import Kind, Result, Role
from tests.core.council import (
    GAMMA,
    MAKER,
    OK,
    WALLET,
    Council,
    Person,
    no_row,
    register,
    switched_off,
    top_up,
)
from tests.core.network import NOW
from tests.core.pair import Pair
from tests.records import ParticipantRecord, Row

DESK = 6
"""Behind the council's participants."""


def asked(number: int, record: ParticipantRecord) -> Row:
    """A participant's row as it is asked for."""
    return Row(Kind.REGISTER, id=number.to_bytes(16, "big"), tail=record.pack())


def test_every_role_and_no_other(empty: Pair) -> None:
    for number, role in enumerate(Role, 1):
        record = ParticipantRecord(b"one-%d" % number, role)
        assert empty.one(asked(number, record), NOW).index == number
    for number in (0, max(Role) + 1, 255):
        outcome = empty.one(asked(99, ParticipantRecord(b"none", number)), NOW)
        assert (outcome.result, outcome.sequence) == (Result.INVALID_RECORD, 0)
    assert empty.ledger.sequence == len(Role)
    empty.reopen(without_index=True)
    assert empty.ledger.sequence == len(Role)


@pytest.mark.parametrize("role", [Role.PMU, Role.SUPPORT])
def test_who_reads_signs_nothing(tmp_path: Path, role: Role) -> None:
    """Not even where its person is a checker: that says what a treasury's may do."""
    council = Council(tmp_path / "ledger").begin(GAMMA, MAKER)
    desk, person = ParticipantRecord(b"desk", role), Person(DESK, 1, 9)
    assert council.do(register(desk.pack()))[0].index == DESK
    council.do(register(person.record()))
    wish = council.propose(MAKER, top_up(1, b"UTR"))
    row = council.proposal(person, [top_up(2, b"UTR-2")])
    no_row(council, council.commit(row)[0], Result.NOT_SIGNED)
    no_row(council, council.approve(person, wish), Result.NOT_SIGNED)
    no_row(council, council.withdraw(person, wish), Result.NOT_SIGNED)
    stop = council.ask(Kind.FREEZE, who=person, debit=WALLET, reference=b"lost")
    no_row(council, stop, Result.NOT_SIGNED)
    # One person of the treasury switches it off, as any other.
    desk.active = 0
    switched_off(council, MAKER, desk.pack())
    assert council.approve(GAMMA, wish).result == OK
    council.close()
