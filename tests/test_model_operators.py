"""Goal: what the oracle says of operators is what the data model says.

Method: a network with two centres that sign on and one that does not, told row by row;
each answer is worked out by hand from docs/data-model.md, in tables.
"""

from dataclasses import replace
from typing import Any

import pytest

from switch.codes import (
    AccountKind,
    Field,
    Kind,
    PersonRole,
    Result,
    Role,
    RowFlag,
)
from tests.counters import (
    ACTIVE,
    BILLER,
    CENTRE,
    DESK,
    ELSEWHERE,
    FREE,
    FREE_S,
    HEAD,
    HELD,
    LEFT,
    NOON,
    NOT_FOUND,
    OK,
    OTHER,
    TREASURY,
    UNKNOWN,
    WALLET,
    Counter,
    with_byte,
)
from tests.model import Model, Payments
from tests.model_counters import OPERATORS_MAX, Operator
from tests.office import Office
from tests.records import (
    AccountRecord,
    BillsRecord,
    ParticipantRecord,
    Payment,
    Row,
    ShiftRecord,
)
from tests.signing import Line, OperatorRecord, PersonRecord, public_key


@pytest.fixture
def counter() -> Counter:
    model = Model()
    told = Counter(model, model.commit)
    assert all(row.result == OK for row in told.model.rows)
    return told


# --- records of the register ----------------------------------------------------------

KEY = public_key(99)
NEW = OperatorRecord(CENTRE, 9, KEY)
RECORDS: list[tuple[bytes, int]] = [
    (NEW.pack(), OK),
    (replace(NEW, active=0).pack(), OK),
    (NEW.pack() + b'{"name": "ALPHA"}', OK),
    (replace(NEW, active=2).pack(), Result.INVALID_RECORD),
    (replace(NEW, participant=0).pack(), Result.INVALID_RECORD),
    (replace(NEW, number=0).pack(), Result.INVALID_RECORD),
    (replace(NEW, key=bytes(32)).pack(), Result.INVALID_RECORD),
    (NEW.pack()[:47], Result.INVALID_RECORD),
    (NEW.pack()[:2] + b"\1" + NEW.pack()[3:], Result.INVALID_RECORD),
    (NEW.pack()[:3] + b"\1" + NEW.pack()[4:], Result.INVALID_RECORD),
    (NEW.pack()[:12] + b"\1" + NEW.pack()[13:], Result.INVALID_RECORD),
    (NEW.pack()[:15] + b"\1" + NEW.pack()[16:], Result.INVALID_RECORD),
    (replace(NEW, participant=FREE, key=public_key(97)).pack(), OK),
    (replace(NEW, participant=DESK + 1).pack(), Result.PARTICIPANT_UNKNOWN),
    (replace(NEW, participant=BILLER).pack(), Result.PARTICIPANT_UNKNOWN),
    (replace(NEW, participant=TREASURY).pack(), Result.PARTICIPANT_UNKNOWN),
    # Of another number, of another centre, of one who is not active any more.
    (replace(NEW, key=public_key(31)).pack(), Result.SAME_PERSON),
    (replace(NEW, key=public_key(44)).pack(), Result.SAME_PERSON),
    (replace(NEW, key=public_key(32)).pack(), Result.SAME_PERSON),
    (replace(NEW, participant=BILLER, key=public_key(31)).pack(),
     Result.PARTICIPANT_UNKNOWN),
    # Its own, and a new one.
    (OperatorRecord(CENTRE, 1, public_key(31), 0).pack(), OK),
    (OperatorRecord(CENTRE, 1, public_key(96)).pack(), OK),
]  # fmt: skip


def test_who_may_be_an_operator(counter: Counter) -> None:
    for number, (tail, result) in enumerate(RECORDS):
        assert counter.register(tail).result == result, number


def test_an_operator_has_one_index_and_its_newest_key(counter: Counter) -> None:
    made = counter.register(NEW.pack())
    assert (made.index, counter.last().debit, counter.last().flags) == (5, 5, 1)
    more = counter.register(OperatorRecord(CENTRE, 9, public_key(98)).pack())
    assert more.index == 5
    assert counter.last().flags == RowFlag.TAIL | RowFlag.UPDATE
    assert counter.model.operators[CENTRE, 9] == Operator(
        5, 1, public_key(98), more.sequence
    )
    # The key that it had is free.
    assert counter.register(OperatorRecord(FREE, 9, KEY).pack()).index == 6


def test_so_many_operators_there_are(counter: Counter) -> None:
    fill = {(FREE, at): Operator(at, 1, b"", 1) for at in range(5, OPERATORS_MAX + 1)}
    counter.model.operators |= fill
    assert len(counter.model.operators) == OPERATORS_MAX
    assert counter.register(NEW.pack()).result == Result.TABLE_FULL
    off = OperatorRecord(CENTRE, 1, public_key(31), 0).pack()
    assert counter.register(off).result == OK


def participant(role: int = Role.CENTRE, **fields: int) -> bytes:
    return ParticipantRecord(b"new", role, **fields).pack()


PARTICIPANTS: list[tuple[bytes, int]] = [
    (participant(signs_on=1), OK),
    (participant(signs_on=2), Result.INVALID_RECORD),
    *((participant(role, signs_on=1), Result.INVALID_RECORD) for role in range(2, 9)),
    *((participant(role, signs_on=0), OK) for role in range(1, 9)),
    (participant(9), Result.INVALID_RECORD),
    (participant(0), Result.INVALID_RECORD),
    (participant(Role.BILLER, answer_hours=8_784), OK),
    (participant(Role.BILLER, answer_hours=8_785), Result.INVALID_RECORD),
    (participant(Role.CENTRE, answer_hours=1), OK),
    (with_byte(participant(), 43), Result.INVALID_RECORD),
    (with_byte(participant(), 46), Result.INVALID_RECORD),
    (with_byte(participant(), 63), Result.INVALID_RECORD),
]


def test_which_centres_may_sign_on(counter: Counter) -> None:
    for number, (tail, result) in enumerate(PARTICIPANTS):
        assert counter.register(tail).result == result, number


# --- who stands behind what a counter asks for ----------------------------------------

NUMBERS = {
    0: UNKNOWN, ACTIVE: OK, LEFT: UNKNOWN, ELSEWHERE: UNKNOWN, 7: OK, 99: UNKNOWN,
}  # fmt: skip


def test_a_centre_that_signs_on_knows_who_it_was(counter: Counter) -> None:
    for number, result in NUMBERS.items():
        is_asked(counter, number, result)


def is_asked(counter: Counter, number: int, result: int) -> None:
    """Who that is of the centre, for whatever it asks."""
    before = len(counter.model.rows)
    assert counter.pay(number).result == result
    # Nobody else asks for it there, whomever they name.
    for sender in (TREASURY, OTHER, FREE):
        assert counter.pay(number, participant=sender).result == UNKNOWN
    hold = counter.template(
        Kind.HOLD, debit=WALLET, amount=5, reference=b"H", service=HELD, deadline=60,
        operator_=number, participant=CENTRE,
    )  # fmt: skip
    assert counter.rows(hold)[0].result == result
    assert counter.rows(replace(hold, id=b"x" * 16, participant=OTHER))[0].result == (
        UNKNOWN
    )
    sent = Payment(b"i%15d" % number, b"HELD", 5, b"M", number, amount_due=5)
    told = counter.commit([Payments([sent], [], CENTRE, CENTRE)], counter.now)
    assert told[0][0].result == result
    shift = ShiftRecord(number).pack()
    for sender, answer in ((CENTRE, result), (TREASURY, UNKNOWN)):
        asked = counter.row(
            Kind.SHIFT, debit=WALLET, operator_=number, tail=shift, participant=sender
        )
        assert asked.result == answer
    paid = counter.model.rows[before - 1].sequence
    assert counter.complain(paid, operator_=number).result in (
        result,
        Result.PAYMENT_NOT_FOUND,
    )
    # Nobody's id is used up by it.
    made = len(counter.model.rows) - before
    assert made == (0 if result == UNKNOWN else 5)


def test_another_centre_counts_its_operators_as_it_likes(counter: Counter) -> None:
    for number in (0, 1, 4, 99):
        paid = counter.pay(number, debit=FREE_S, participant=FREE)
        assert paid.result == OK
        asked = counter.complain(paid.sequence, participant=FREE, operator_=number)
        assert asked.result == OK
        shift = ShiftRecord(number).pack()
        closed = counter.row(Kind.SHIFT, debit=FREE_S, operator_=number, tail=shift)
        assert closed.result == OK
        approved = counter.row(Kind.APPROVE, resolves=closed.sequence, operator_=77)
        assert approved.result == OK


def test_both_of_a_shift_are_known(counter: Counter) -> None:
    tail = ShiftRecord(ACTIVE).pack()
    closed = counter.row(
        Kind.SHIFT, debit=WALLET, operator_=ACTIVE, tail=tail, participant=CENTRE
    )
    results = {
        0: UNKNOWN,
        LEFT: UNKNOWN,
        ELSEWHERE: UNKNOWN,
        ACTIVE: Result.SAME_PERSON,
        7: OK,
    }
    for number, result in results.items():
        # What counts is whose wallet it is, and nobody else sends it.
        for sender, answer in ((OTHER, UNKNOWN), (CENTRE, result)):
            told = counter.row(
                Kind.APPROVE,
                resolves=closed.sequence,
                operator_=number,
                participant=sender,
            )
            assert told.result == answer, number
    again = counter.row(
        Kind.APPROVE, resolves=closed.sequence, operator_=LEFT, participant=CENTRE
    )
    assert again.result == UNKNOWN
    nothing = counter.row(Kind.APPROVE, resolves=999, operator_=0, participant=CENTRE)
    assert nothing.result == Result.PROPOSAL_NOT_FOUND
    nothing = counter.row(Kind.APPROVE, resolves=1, operator_=0, participant=CENTRE)
    assert nothing.result == Result.PROPOSAL_NOT_FOUND


def test_of_a_shift_the_wallet_s_owner_counts(counter: Counter) -> None:
    tail = ShiftRecord(3).pack()
    for debit, result in (
        (FREE_S, OK),
        (WALLET, UNKNOWN),
        (HEAD, Result.ACCOUNT_KIND_WRONG),
        (99, Result.ACCOUNT_UNKNOWN),
    ):
        told = counter.row(
            Kind.SHIFT, debit=debit, operator_=3, tail=tail, participant=CENTRE
        )
        assert told.result == result, debit


def test_a_change_holds_from_its_row_on(counter: Counter) -> None:
    assert counter.pay(LEFT).result == UNKNOWN
    counter.register(OperatorRecord(CENTRE, LEFT, public_key(32)).pack())
    assert counter.pay(LEFT).result == OK
    assert counter.pay(55).result == UNKNOWN
    counter.register(ParticipantRecord(b"p%d" % CENTRE).pack())
    assert counter.pay(55).result == OK
    counter.register(ParticipantRecord(b"p%d" % CENTRE, signs_on=1).pack())
    assert counter.pay(55).result == UNKNOWN
    # A centre that is not active: of row templates that is not asked.
    off = ParticipantRecord(b"p%d" % CENTRE, signs_on=1, active=0)
    counter.register(off.pack())
    assert counter.pay(55).result == UNKNOWN
    assert counter.pay(ACTIVE).result == OK


def test_who_asks_again_has_the_answer(counter: Counter) -> None:
    paid = counter.pay(ACTIVE, id=b"once" * 4, reference=b"A")
    again = counter.pay(7, id=b"once" * 4, reference=b"A")
    assert (again.result, again.repeat, again.sequence) == (OK, 1, paid.sequence)
    # Not even one who is not known any more, or never was.
    for number in (0, LEFT, 99):
        again = counter.pay(number, id=b"once" * 4, reference=b"A")
        assert (again.result, again.repeat) == (OK, 1)
    other = counter.pay(99, id=b"once" * 4, reference=b"B")
    assert (other.result, other.field) == (Result.ID_REUSED, Field.REFERENCE)
    # What was turned away so can come with the right one.
    assert counter.pay(99, id=b"then" * 4).result == UNKNOWN
    assert counter.pay(7, id=b"then" * 4).result == OK
    shift: dict[str, Any] = {"debit": FREE_S, "id": b"s" * 16}
    counter.row(Kind.SHIFT, **shift, operator_=1, tail=ShiftRecord(1).pack())
    changed = counter.row(Kind.SHIFT, **shift, operator_=2, tail=ShiftRecord(2).pack())
    assert changed.field == Field.REFERENCE
    asked = counter.complain(paid.sequence, id=b"c" * 16)
    assert asked.result == OK
    told = counter.complain(paid.sequence, id=b"c" * 16, operator_=7)
    assert (told.result, told.field) == (Result.ID_REUSED, Field.OPERATOR)


def basket(counter: Counter, *numbers: int, **fields: Any) -> list[Row]:
    rows = []
    for place, number in enumerate(numbers):
        row = counter.template(Kind.PAY, debit=WALLET, amount=5, total=5, service=1)
        row.reference, row.operator_ = b"P%d" % counter.number, number
        row.basket, row.participant = len(numbers) << 8 | place, CENTRE
        rows.append(replace(row, **fields))
    return rows


def test_a_basket_has_known_operators_alone(counter: Counter) -> None:
    def results(rows: list[Row]) -> list[int]:
        return [each.result for each in counter.rows(*rows)]

    invalid = Result.INVALID_BASKET
    wrong = basket(counter, ACTIVE, LEFT, 7)
    before = len(counter.model.rows)
    assert results(wrong) == [invalid, UNKNOWN, invalid]
    assert results(basket(counter, 0, 99)) == [UNKNOWN, UNKNOWN]
    assert results(basket(counter, 0, 99, debit=FREE_S)) == [OK, OK]
    assert len(counter.model.rows) == before + 2
    assert results([replace(row, operator_=7) for row in wrong]) == [OK] * 3
    # Known ones are not asked who asks.
    assert results([replace(row, operator_=0) for row in wrong]) == [OK] * 3
    mixed = [*basket(counter, 0, LEFT)[:1], wrong[1]]
    for place, row in enumerate(mixed):
        row.basket = 2 << 8 | place
    assert results(mixed) == [UNKNOWN, Result.ID_REUSED]
    # Of two wallets it is none before that is asked.
    apart = basket(counter, LEFT, ACTIVE)
    apart[1].debit = FREE_S
    assert results(apart) == [invalid, invalid]


def test_it_is_asked_before_what_waits_and_what_is_believed(counter: Counter) -> None:
    counter.model.biller_most[BILLER] = 0
    sent = Payment(b"i" * 16, b"HELD", 5, b"M", LEFT, amount_due=5)
    of = [Payments([sent], [], CENTRE, CENTRE)]
    assert counter.commit(of, counter.now)[0][0].result == UNKNOWN
    sent.operator = ACTIVE
    assert counter.commit(of, counter.now)[0][0].result == Result.BILLER_BUSY
    # A centre that is no one: the payment is not of it.
    assert counter.pay(LEFT, debit=HEAD).result == Result.INVALID_CENTRE
    assert counter.pay(LEFT, service=77).result == UNKNOWN
    assert counter.pay(ACTIVE, service=77).result == Result.SERVICE_UNKNOWN


def test_a_message_of_a_centre_is_of_who_is_signed_on(counter: Counter) -> None:
    there = {
        # Who is signed on, and who it says that it is of.
        (ACTIVE, 0): OK,
        (ACTIVE, ACTIVE): OK,
        (ACTIVE, 7): UNKNOWN,
        (7, ACTIVE): UNKNOWN,
        (LEFT, 0): UNKNOWN,
        (LEFT, LEFT): UNKNOWN,
        (0, 0): UNKNOWN,
        (0, ACTIVE): UNKNOWN,
        (99, 0): UNKNOWN,
    }
    for number, ((signed_on, said), result) in enumerate(there.items(), 1):
        sent = Payment(b"i%15d" % number, b"STATED", 5, b"M", said, amount_due=5)
        asked = Payments([sent], [], CENTRE, CENTRE, signed_on)
        told = counter.commit([asked], counter.now)[0][0]
        assert told.result == result, (signed_on, said)
        assert result != OK or counter.last().operator_ == signed_on
        # Of a centre that does not sign on the payment's own number stays.
        free = Payments([replace(sent, amount=6)], [], FREE, FREE, signed_on)
        assert counter.commit([free], counter.now)[0][0].result == OK
        assert counter.last().operator_ == said


# --- where there are people -----------------------------------------------------------

ALPHA, BETA = (1, 1), (1, 2)
PEOPLE_S = OperatorRecord(2, 5, public_key(50))


@pytest.fixture
def bare() -> Office:
    """Nothing is there yet."""
    model = Model()
    return Office(model, model.commit, NOON)


@pytest.fixture
def office(bare: Office) -> Office:
    return begin(bare)


def begin(there: Office) -> Office:
    """A treasury with two persons, and a centre."""
    desk = ParticipantRecord(b"desk", Role.TREASURY).pack()
    there.tell(there.row(Kind.REGISTER, (0, 0), tail=desk))
    assert [each.result for each in there.begin(ALPHA, BETA)] == [OK, OK]
    there.have_done(ALPHA, [BETA], registered(there, ParticipantRecord(b"c").pack()))
    return there


def registered(office: Office, tail: bytes) -> Row:
    return office.row(Kind.REGISTER, ALPHA, tail=tail)


def test_an_operator_is_a_line_of_a_proposal(office: Office) -> None:
    row = registered(office, PEOPLE_S.pack())
    assert office.tell(row)[0].result == Result.NOT_APPROVED
    made = office.have_done(ALPHA, [BETA], row)
    assert [each.debit for each in made] == [1]
    # Of a person of whom is a third, of an operator none.
    assert not office.model.rows[made[0].total - 1].flags & RowFlag.THIRD


def test_one_person_switches_an_operator_off(office: Office) -> None:
    row = registered(office, PEOPLE_S.pack())
    office.have_done(ALPHA, [BETA], row)
    wanted = office.propose(ALPHA, Line(Kind.REGISTER, tail=PEOPLE_S.pack()))
    assert office.approve(wanted, BETA).result == OK
    off = replace(PEOPLE_S, active=0)
    changed = replace(off, key=public_key(51))
    for record, result in ((changed, Result.NOT_APPROVED), (off, Result.NOT_SIGNED)):
        assert office.tell(registered(office, record.pack()))[0].result == result
    stop = office.tell(office.signed(registered(office, off.pack() + b"{}")))[0]
    assert stop.result == OK
    assert office.approve(stop.sequence, BETA).result == OK
    # What was wanted before it is done no more.
    late = office.tell(*office.line_rows(wanted))[0]
    assert late.result == Result.NOT_APPROVED
    assert office.model.operators[2, 5].active == 0
    again = office.have_done(ALPHA, [BETA], row)
    assert again[0].flags & RowFlag.UPDATE


def test_nobody_is_person_and_operator_with_one_key(office: Office) -> None:
    def done(*tails: bytes) -> list[int]:
        lines = [Line(Kind.REGISTER, tail=tail) for tail in tails]
        asked = office.propose(ALPHA, *lines)
        assert office.approve(asked, BETA).result == OK
        return [each.result for each in office.tell(*office.line_rows(asked))]

    of_alpha = OperatorRecord(2, 6, public_key(1)).pack()
    assert done(of_alpha) == [Result.SAME_PERSON]
    off = replace(PEOPLE_S, active=0).pack()
    person = PersonRecord(1, 9, PEOPLE_S.key, PersonRole.MAKER).pack()
    assert done(off, person) == [OK, Result.SAME_PERSON]
    moved = replace(PEOPLE_S, key=public_key(52)).pack()
    assert done(moved, person) == [OK, OK]
    assert done(PEOPLE_S.pack()) == [Result.SAME_PERSON]


def test_the_first_two_have_no_operator_s_key(bare: Office) -> None:
    there = bare
    for record in (
        ParticipantRecord(b"desk", Role.TREASURY).pack(),
        ParticipantRecord(b"c").pack(),
        OperatorRecord(2, 1, public_key(1)).pack(),
    ):
        assert there.tell(there.row(Kind.REGISTER, (0, 0), tail=record))[0].result == OK
    person = PersonRecord(1, 1, public_key(1), PersonRole.MAKER)
    row = there.row(Kind.REGISTER, (1, 1), tail=person.pack())
    # Before it is asked whether that is a checker.
    assert there.tell(row)[0].result == Result.SAME_PERSON
    row = replace(row, id=b"n" * 16, tail=replace(person, key=public_key(2)).pack())
    assert there.tell(row)[0].result == Result.RULE_FIXED


def test_complaints_need_no_signature(office: Office) -> None:
    wallet = AccountRecord(2, 0, AccountKind.WALLET).pack()
    office.have_done(ALPHA, [BETA], office.row(Kind.OPEN, ALPHA, tail=wallet))
    row = office.row(Kind.REPLY, (1, 99), total=1, resolves=1)
    assert office.tell(row)[0].result == NOT_FOUND
    row = office.row(Kind.COMPLAINT, (2, 99), total=1, resolves=1)
    assert office.tell(row)[0].result == Result.PAYMENT_NOT_FOUND
    row = office.row(Kind.BILLS, (2, 99), tail=BillsRecord(1, 3, 500).pack())
    assert office.tell(row)[0].result == Result.SERVICE_UNKNOWN
