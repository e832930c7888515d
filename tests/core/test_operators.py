"""Goal: where a centre signs on, what its counter does names an operator that the
register knows; whoever the register does not know leaves nothing behind.

Method: by hand, on a ledger whose index has steps of 16 rows: each rule of the register
in its order, each kind of row that an operator asks for, in messages and templates,
alone and in baskets; opened again with an index and without; in a ledger with people
operators are lines, and stopped by one person.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from switch._core import Request
from switch.codes import AccountKind, Kind, PersonRole, Record, Result, Role, RowFlag
from switch.register.operators import find_operator, operators_of
from switch.v1 import payments_pb2 as pb
from tests.core.council import (
    ALPHA,
    BETA,
    CENTRE,
    CODES,
    MAKER,
    Council,
    approved,
    no_row,
    register,
    switched_off,
)
from tests.core.counter import RESTS, Counter, centre_record, operator_record
from tests.core.pair import OPERATOR_NOBODY, rows_request
from tests.core.wire import encode_request
from tests.records import AccountRecord, Row, ShiftRecord
from tests.signing import PersonRecord, public_key

OK, UNKNOWN = Result.OK, Result.OPERATOR_UNKNOWN
INVALID = Result.INVALID_RECORD


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """Centres that do not sign on yet."""
    made = Counter(tmp_path / "ledger")
    yield made
    made.ledger.close()


@pytest.fixture
def signed_on(counter: Counter) -> Counter:
    """The first centre signs on, and has the operators 3 and 4; 5 has left."""
    for number, active in ((3, 1), (4, 1), (5, 0)):
        assert counter.operator(number, number, active=active).result == OK
    assert counter.sign_on().result == OK
    return counter


# --- the register ---------------------------------------------------------------------


def test_one_is_asked_in_this_order(counter: Counter) -> None:
    net = counter.net
    # A person's key; as the first person comes when there are accounts it is refused
    # for that: its key is asked before.
    for nobody in (99_999, 2**32 - 1, net.treasury, net.billers[0], net.harness):
        told = counter.operator(1, 1, centre=nobody)
        assert told.result == Result.PARTICIPANT_UNKNOWN
    assert counter.operator(1, 1).index == 1
    assert counter.operator(2, 1).result == Result.SAME_PERSON
    told = counter.operator(1, 1, centre=net.centres[1])
    assert told.result == Result.SAME_PERSON
    refused = counter.ledger.row(told.sequence)
    assert (refused.debit, refused.total) == (0, 0)
    person = PersonRecord(net.treasury, 9, public_key(1), PersonRole.CHECKER)
    told = counter.one(Kind.REGISTER, tail=person.pack())
    assert told.result == Result.SAME_PERSON
    person = PersonRecord(net.treasury, 9, public_key(2), PersonRole.CHECKER)
    told = counter.one(Kind.REGISTER, tail=person.pack())
    assert told.result == Result.RULE_FIXED
    assert counter.ledger.records(Record.OPERATOR).tolist() == [
        0,
        counter.ledger.find_operator(counter.centre, 1),
    ]


@pytest.mark.parametrize("how", RESTS)
def test_each_is_found_by_number_and_by_key(counter: Counter, how: str) -> None:
    other = counter.net.centres[1]
    first = counter.operator(7, 1)
    second = counter.operator(7, 2, centre=other)
    assert (first.index, second.index) == (1, 2)
    assert RowFlag.UPDATE not in counter.ledger.row(second.sequence).flags
    counter.rest(how)
    # A new key: the old one is free again, also for another.
    changed = counter.operator(7, 3)
    assert changed.index == 1
    assert RowFlag.UPDATE in counter.ledger.row(changed.sequence).flags
    assert counter.operator(8, 3).result == Result.SAME_PERSON
    assert counter.operator(8, 1).index == 3
    # Who has left keeps its key.
    assert counter.operator(8, 1, active=0).index == 3
    assert counter.operator(9, 1).result == Result.SAME_PERSON
    counter.rest(how)
    assert counter.operator(9, 1).result == Result.SAME_PERSON
    ledger = counter.ledger
    found = [(one.number, one.active) for one in operators_of(ledger, counter.centre)]
    assert found == [(7, True), (8, False)]
    assert [one.key for one in operators_of(ledger, other)] == [public_key(2)]
    one = find_operator(ledger, counter.centre, 7)
    assert one is not None
    assert one.sequence == changed.sequence
    assert one.key == public_key(3)
    assert find_operator(ledger, counter.centre, 9) is None
    assert ledger.find_operator(2**32 - 1, 2**32 - 1) == 0


def test_there_may_be_many_with_many_keys(counter: Counter) -> None:
    # Tables grow from 1,024 slots, and are made anew as keys are replaced.
    keys = [bytes([1]) + number.to_bytes(31, "big") for number in range(2_400)]
    rows = [
        counter.row(
            Kind.REGISTER,
            tail=operator_record(counter.centre, 1 + number % 600, key),
        )
        for number, key in enumerate(keys)
    ]
    told = counter.tell(*rows)
    assert {each.result for each in told} == {OK}
    assert [each.index for each in told] == [*range(1, 601)] * 4
    for number in (0, 599):
        assert counter.operator(9_999, keys[1_800 + number]).result == (
            Result.SAME_PERSON
        )
        assert counter.operator(1 + number, keys[number]).result == OK
    counter.reopen()
    assert counter.operator(9_999, keys[0]).result == Result.SAME_PERSON
    assert counter.operator(9_999, keys[1_800]).index == 601
    assert len(counter.ledger.operators(counter.centre)) == 601


WRONG = [
    operator_record(1, 1, 1)[:47],
    operator_record(0, 1, 1),
    operator_record(1, 0, 1),
    operator_record(1, 1, bytes(32)),
    operator_record(1, 1, 1, active=2),
    struct.pack("<BBHIII32s", 15, 1, 1, 1, 1, 0, public_key(1)),
    struct.pack("<BBHIII32s", 15, 1, 0, 1, 1, 1, public_key(1)),
    bytes([16]) + bytes(63),
    centre_record(b"centre-0", signs_on=2),
    centre_record(b"centre-0", hours=8_785),
    centre_record(b"biller-0", signs_on=1, role=Role.BILLER),
    centre_record(b"new", signs_on=1, role=Role.HARNESS),
    centre_record(b"new", role=9),
    centre_record(b"centre-0")[:43] + b"\1" + centre_record(b"centre-0")[44:],
    centre_record(b"centre-0")[:63] + b"\1",
    centre_record(b"centre-0")[:46] + b"\1" + centre_record(b"centre-0")[47:],
]


@pytest.mark.parametrize("tail", WRONG, ids=range(len(WRONG)))
def test_a_record_that_is_none(counter: Counter, tail: bytes) -> None:
    before = counter.ledger.sequence
    assert counter.one(Kind.REGISTER, tail=tail).result == INVALID
    assert counter.ledger.sequence == before


def test_what_may_be_said_of_participants(counter: Counter) -> None:
    for tail in (
        centre_record(b"public", role=Role.PUBLIC, states=0),
        centre_record(b"biller-0", role=Role.BILLER, hours=8_784),
        centre_record(b"centre-0", signs_on=1, active=0),
    ):
        assert counter.one(Kind.REGISTER, tail=tail).result == OK


# --- what an operator asks for --------------------------------------------------------


def pay_row(counter: Counter, operator: int, **given: int) -> Row:
    """A hold from a row template, by the first service of the desk."""
    return counter.row(
        Kind.HOLD,
        **{
            "amount": 5_000,
            "reference": b"TEMPLATE %d" % counter.number,
            "debit": counter.wallet,
            "service": len(counter.net.services) - 1,
            "operator_": operator,
            "deadline": 60,
            "participant": counter.centre,
            "total": 5_000,
            **given,
        },
    )


@pytest.mark.parametrize("how", RESTS)
def test_a_payment_names_one(signed_on: Counter, how: str) -> None:
    counter = signed_on
    counter.rest(how)
    before = counter.ledger.sequence
    for number in (0, 1, 5, 2**32 - 1):
        [told] = counter.told(counter.payment())
        assert told.result == OK  # it is operator 3
        wrong = counter.payment()
        wrong.operator = number
        [told] = counter.told(wrong)
        assert (told.result, told.sequence) == (UNKNOWN, 0)
        # The id stays free.
        wrong.operator = 4
        [told] = counter.told(wrong)
        assert (told.result, told.repeat) == (OK, False)
        [asked] = counter.tell(pay_row(counter, number))
        assert (asked.result, asked.sequence) == (UNKNOWN, 0)
    [asked] = counter.tell(pay_row(counter, 4))
    assert asked.result == OK
    assert counter.ledger.sequence == before + 9
    # Others count theirs as they like; so does this one, once it does not sign on.
    other = pay_row(
        counter,
        77,
        debit=counter.net.wallets[1],
        participant=counter.net.centres[1],
    )
    assert counter.tell(other)[0].result == Result.INSUFFICIENT_FUNDS
    counter.sign_on(0)
    assert counter.tell(pay_row(counter, 77))[0].result == OK


def test_an_operator_may_have_the_largest_number(signed_on: Counter) -> None:
    """It is not nobody."""
    counter, last = signed_on, 2**32 - 1
    assert counter.operator(last, 6).result == OK

    def told(operator: int, signed: int) -> tuple[Result, int]:
        payment = counter.payment()
        payment.operator = operator
        body, centre = encode_request([payment]), counter.centre
        [reply] = counter.ask(Request.payments(body, centre, centre, signed))
        [outcome] = pb.CreatePaymentsResponse.FromString(bytes(reply)).outcomes
        row = counter.ledger.row(outcome.sequence) if outcome.sequence else None
        return Result(outcome.result), row.operator if row else 0

    assert told(0, last) == told(last, last) == (OK, last)
    assert told(3, last) == told(last, 3) == (UNKNOWN, 0)
    assert told(0, OPERATOR_NOBODY) == told(last, OPERATOR_NOBODY) == (UNKNOWN, 0)


@pytest.mark.parametrize("goes_off", [False, True])
def test_who_is_signed_on_counts_by_the_register_at_its_place(
    signed_on: Counter, goes_off: bool
) -> None:
    """A row before it in its group may end that its centre signs on."""
    counter = signed_on
    payment = counter.payment()
    payment.operator = 0
    code, centre = counter.net.centre_codes[0], counter.centre
    record = centre_record(code, signs_on=int(not goes_off), hours=1)
    changed = rows_request([counter.row(Kind.REGISTER, tail=record)])
    body = encode_request([payment])
    _, reply = counter.ask(changed, Request.payments(body, centre, centre, 4))
    [outcome] = pb.CreatePaymentsResponse.FromString(bytes(reply)).outcomes
    assert int(outcome.result) == OK
    assert counter.ledger.row(outcome.sequence).operator == (0 if goes_off else 4)


def test_a_payment_is_asked_behind_its_id_and_its_centre(signed_on: Counter) -> None:
    counter = signed_on
    payment = counter.payment()
    [first] = counter.told(payment)
    # Whoever at the counter asks again has the answer, also who has left or never was.
    for number in (4, 5, 99):
        payment.operator = number
        [told] = counter.told(payment)
        assert (told.result, told.sequence, told.repeat) == (OK, first.sequence, True)
    payment.amount += 1
    [told] = counter.told(payment)
    assert told.result == Result.ID_REUSED
    # Its shape comes before, a service that is not there and a full queue behind.
    wrong = counter.payment()
    wrong.operator, wrong.amount = 99, 0
    assert counter.told(wrong)[0].result == Result.INVALID_AMOUNT
    wrong.amount, wrong.service = 5_000, b"NOWHERE"
    assert counter.told(wrong)[0].result == UNKNOWN
    counter.ledger.limit_biller(counter.biller, 0)
    wrong.service = b"LIGHT"
    assert counter.told(wrong)[0].result == UNKNOWN
    wrong.operator = 3
    assert counter.told(wrong)[0].result == Result.BILLER_BUSY
    # A centre that is not active has no operators that count.
    counter.sign_on(active=0)
    wrong.operator = 99
    assert counter.told(wrong)[0].result == Result.INVALID_CENTRE


def test_a_basket_is_of_operators_that_there_are(signed_on: Counter) -> None:
    counter = signed_on
    payments = [counter.payment() for _ in range(3)]
    payments[1].operator = 99
    results = [told.result for told in counter.told(*payments, basket=True)]
    assert results == [Result.INVALID_BASKET, UNKNOWN, Result.INVALID_BASKET]
    payments[1].operator = 4
    assert {told.result for told in counter.told(*payments, basket=True)} == {OK}
    # Known ones have their answers, whoever asks.
    payments[1].operator = 99
    told = counter.told(*payments, basket=True)
    assert {each.result for each in told} == {OK}
    assert all(each.repeat for each in told)
    extra = counter.payment()
    extra.operator = 99
    told = counter.told(payments[0], payments[1], extra, basket=True)
    assert told[2].result == UNKNOWN
    assert told[2].sequence == 0


def shift(counter: Counter, operator: int, **given: int) -> Row:
    """A shift of the first wallet."""
    record = ShiftRecord(operator=operator, difference=1)
    return counter.row(
        Kind.SHIFT,
        **{
            "debit": counter.wallet,
            "operator_": operator,
            "participant": counter.centre,
            "tail": record.pack(),
            **given,
        },
    )


@pytest.mark.parametrize("how", RESTS)
def test_nobody_else_acts_at_its_counter(signed_on: Counter, how: str) -> None:
    """A harness names an operator who is there, and has no session of hers."""
    counter = signed_on
    net = counter.net
    counter.rest(how)
    [closed] = counter.tell(shift(counter, 3))
    before = counter.ledger.sequence
    code = net.centre_codes[0]
    for sender in (net.harness, net.centres[1]):
        two = [replace(counter.payment(), centre=code) for _ in range(2)]
        for message in (encode_request(two), encode_request([], [two])):
            [reply] = counter.ask(Request.payments(message, net.harness, 0))
            outcomes = pb.CreatePaymentsResponse.FromString(bytes(reply)).outcomes
            assert [int(one.result) for one in outcomes] == [UNKNOWN, UNKNOWN]
        rows = [
            pay_row(counter, 3, participant=sender),
            shift(counter, 4, participant=sender),
            counter.row(
                Kind.APPROVE,
                resolves=closed.sequence,
                operator_=4,
                participant=sender,
            ),
            counter.row(
                Kind.HANDED_OUT,
                amount=1,
                resolves=closed.sequence,
                debit=counter.wallet,
                operator_=4,
                participant=sender,
            ),
        ]
        for told in counter.tell(*rows):
            assert (told.result, told.sequence) == (UNKNOWN, 0)
    assert counter.ledger.sequence == before
    # What it sent before the centre signed on has its answer.
    counter.sign_on(0)
    row = pay_row(counter, 3, participant=net.harness)
    assert counter.tell(row)[0].result == OK
    counter.sign_on()
    [again] = counter.tell(row)
    assert (again.result, again.repeat) == (OK, 1)


def signed_off(counter: Counter, number: int, **fields: int) -> Row:
    said = {"participant": counter.net.centres[0], "debit": counter.wallet, **fields}
    return counter.row(Kind.SIGNED_OFF, operator_=number, **said)


def test_who_signs_off_is_an_operator_of_the_centre(signed_on: Counter) -> None:
    counter, net = signed_on, signed_on.net
    # Also one who has left since.
    for number in (3, 5):
        [told] = counter.tell(signed_off(counter, number))
        row = counter.ledger.row(told.sequence)
        assert (told.result, row.kind, row.operator) == (OK, Kind.SIGNED_OFF, number)
    before = counter.ledger.sequence
    for strange in (
        signed_off(counter, 99),
        signed_off(counter, 3, participant=net.centres[1]),
        signed_off(counter, 3, participant=net.harness),
    ):
        [told] = counter.tell(strange)
        assert (told.result, told.sequence) == (UNKNOWN, 0)
    for wrong in ({"credit": 1}, {"resolves": 1}):
        [told] = counter.tell(signed_off(counter, 3, **wrong))
        assert told.result == Result.INVALID_ACCOUNT
    [told] = counter.tell(replace(signed_off(counter, 3), tail=b"a note"))
    assert told.result == Result.INVALID_NOTE
    [told] = counter.tell(signed_off(counter, 3, amount=1))
    assert told.result == Result.INVALID_AMOUNT
    assert counter.ledger.sequence == before
    for wallet, result in (
        (counter.wallet + 1, Result.ACCOUNT_UNKNOWN),
        (2**31, Result.ACCOUNT_UNKNOWN),
    ):
        [told] = counter.tell(signed_off(counter, 3, debit=wallet))
        assert told.result == result
    other = AccountRecord(net.centres[0], 9, AccountKind.BILLER).pack()
    index = counter.one(Kind.OPEN, tail=other).index
    [told] = counter.tell(signed_off(counter, 3, debit=index))
    assert told.result == Result.ACCOUNT_KIND_WRONG
    # Sent again it is the same row, and moves nothing.
    same = signed_off(counter, 4)
    first, again = counter.tell(same)[0], counter.tell(same)[0]
    assert (again.sequence, again.repeat) == (first.sequence, 1)
    frozen = counter.row(Kind.FREEZE, debit=counter.wallet, reference=b"why")
    assert counter.tell(frozen)[0].result == OK
    assert counter.tell(signed_off(counter, 3))[0].result == OK


def test_shifts_and_their_approvals_name_one(signed_on: Counter) -> None:
    counter = signed_on
    for number in (99, 5):
        [told] = counter.tell(shift(counter, number))
        assert (told.result, told.sequence) == (UNKNOWN, 0)
    harness = counter.net.harness
    [told] = counter.tell(shift(counter, 99, participant=harness))
    assert told.result == UNKNOWN, "whoever sends it"
    [closed] = counter.tell(shift(counter, 3))
    assert closed.result == OK
    for number, result in ((99, UNKNOWN), (5, UNKNOWN), (3, Result.SAME_PERSON)):
        told = counter.one(
            Kind.APPROVE,
            resolves=closed.sequence,
            operator_=number,
            participant=counter.centre,
        )
        assert told.result == result
    told = counter.one(
        Kind.APPROVE, resolves=closed.sequence, operator_=4, participant=counter.centre
    )
    assert told.result == OK
    # Of no wallet, and of no shift, nothing is asked.
    [told] = counter.tell(shift(counter, 99, debit=2**32 - 1))
    assert told.result == Result.ACCOUNT_UNKNOWN
    [told] = counter.tell(shift(counter, 99, debit=counter.net.float_))
    assert told.result == Result.ACCOUNT_KIND_WRONG
    told = counter.one(
        Kind.APPROVE, resolves=1, operator_=99, participant=counter.centre
    )
    assert told.result == Result.PROPOSAL_NOT_FOUND


def ended_by(counter: Counter, held: int) -> tuple[int, int, int]:
    """Of the void of a hold: who cancelled, who took the cash, and who approved."""
    row = counter.ledger.row(counter.ledger.resolution(held)[0])
    assert row.kind == Kind.VOID
    return row.total, row.operator, row.checker


@pytest.mark.parametrize("how", RESTS)
def test_a_void_says_who_cancelled(signed_on: Counter, how: str) -> None:
    counter = signed_on
    holds = [counter.told(counter.payment())[0].sequence for _ in range(4)]
    before = counter.ledger.sequence
    cancel = {"id": b"", "participant": 0}
    for number in (99, 1, 2**32 - 1):
        told = counter.one(Kind.VOID, resolves=holds[0], operator_=number, **cancel)
        assert (told.result, told.sequence) == (UNKNOWN, 0)
    assert counter.ledger.sequence == before
    assert counter.ledger.holds_count >= 4
    # Who has left meanwhile was there when it was wished; 0 is the switch itself.
    numbers = (4, 5, 0)
    for held, number in zip(holds, numbers, strict=False):
        told = counter.one(
            Kind.VOID, resolves=held, operator_=number, checker=2, **cancel
        )
        assert told.result == OK
        again = counter.one(Kind.VOID, resolves=held, operator_=99, **cancel)
        assert (again.result, again.sequence, again.repeat) == (OK, told.sequence, 1)
    counter.rest(how)
    found = [ended_by(counter, held) for held in holds[:3]]
    assert found == [(number, 3, 0) for number in numbers]
    # Of a centre that does not sign on it is the number that it says.
    counter.sign_on(0)
    assert (
        counter.one(Kind.VOID, resolves=holds[3], operator_=77, **cancel).result == OK
    )
    assert ended_by(counter, holds[3]) == (77, 3, 0)


def test_a_complaint_names_one(signed_on: Counter) -> None:
    counter = signed_on
    payment = counter.paid()
    for number in (0, 99, 5):
        told = counter.complain(payment, operator_=number)
        assert (told.result, told.sequence) == (UNKNOWN, 0)
    told = counter.complain(payment, operator_=4)
    assert (told.result, told.index) == (OK, 1)
    # Not so what others say of it.
    assert counter.reply(told.sequence, 1, operator_=99).result == OK


# --- in a ledger with people ----------------------------------------------------------


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    """A ledger with people, a centre among its participants."""
    made = Council(tmp_path / "ledger").begin(MAKER)
    yield made
    made.close()


def test_people_register_operators(council: Council) -> None:
    record = operator_record(CENTRE, 3, 50)
    no_row(council, council.ask(Kind.REGISTER, tail=record), Result.NOT_APPROVED)
    [told] = council.do(register(record))
    assert told.index == 1
    # A person's key is no operator's, nor the other way round.
    asked = approved(council, register(operator_record(CENTRE, 4, MAKER.key)))
    no_row(council, council.lines(asked, 1, BETA)[0], Result.SAME_PERSON)
    same = PersonRecord(2, 77, public_key(50), PersonRole.MAKER)
    asked = approved(council, register(same.pack()))
    no_row(council, council.lines(asked, 1, BETA)[0], Result.SAME_PERSON)


def test_one_person_stops_an_operator(council: Council) -> None:
    council.do(register(operator_record(CENTRE, 3, 50)))
    for tail in (
        operator_record(CENTRE, 3, 50),
        operator_record(CENTRE, 3, 51, active=0),
        operator_record(CENTRE, 4, 52, active=0),
    ):
        told = council.ask(Kind.REGISTER, who=ALPHA, tail=tail)
        no_row(council, told, Result.NOT_APPROVED)
    off = operator_record(CENTRE, 3, 50, active=0)
    no_row(council, council.ask(Kind.REGISTER, tail=off), Result.NOT_SIGNED)
    # What was proposed before the stop does not undo it.
    before = approved(council, register(operator_record(CENTRE, 3, 50)))
    stopped = switched_off(council, MAKER, off)
    no_row(council, council.lines(before, 1, BETA)[0], Result.NOT_APPROVED)
    council.catch_up()
    council.reopen()
    no_row(council, council.lines(before, 1, BETA)[0], Result.NOT_APPROVED)
    # It has its answer, and another looks at it.
    [told] = council.commit(stopped.row)
    assert (told.result, told.repeat) == (OK, 1)
    assert council.approve(BETA, stopped).result == OK
    [told] = council.do(register(operator_record(CENTRE, 3, 50)))
    assert told.index == 1


def test_a_stop_leaves_a_centre_as_it_was(council: Council) -> None:
    code = CODES[CENTRE - 1]
    council.do(register(centre_record(code, signs_on=1, never=1)))
    for other in ({"signs_on": 0}, {"signs_on": 1, "hours": 5}):
        tail = centre_record(code, never=1, active=0, **other)
        told = council.ask(Kind.REGISTER, who=ALPHA, tail=tail)
        no_row(council, told, Result.NOT_APPROVED)
    switched_off(council, ALPHA, centre_record(code, signs_on=1, never=1, active=0))
