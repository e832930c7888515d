"""Goal: what the oracle says of complaints, and of bills that are put in, is what the
data model says.

Method: a network with two centres that sign on and one that does not, told row by row;
each answer is worked out by hand from docs/data-model.md, in tables.
"""

from dataclasses import replace
from typing import Any

import pytest

from switch.codes import (
    Field,
    Kind,
    Result,
    Role,
    RowFlag,
)
from tests.counters import (
    ACTIVE,
    BILLER,
    BILLS,
    CENTRE,
    DESK,
    ELSEWHERE,
    FOLLOWED,
    FREE,
    HELD,
    NOT_FOUND,
    OK,
    OTHER,
    SECOND,
    SECONDS,
    STATED,
    TREASURY,
    UNKNOWN,
    WALLET,
    Counter,
    with_byte,
)
from tests.model import Model
from tests.model_counters import COMPLAINTS_MAX
from tests.records import (
    BillsRecord,
    ParticipantRecord,
    Row,
)


@pytest.fixture
def counter() -> Counter:
    model = Model()
    told = Counter(model, model.commit)
    assert all(row.result == OK for row in told.model.rows)
    return told


# --- complaints -----------------------------------------------------------------------

SHAPES: list[tuple[dict[str, Any], int]] = [
    *(({"total": reason}, OK) for reason in range(1, 7)),
    *(({"total": reason}, Result.INVALID_KIND) for reason in (0, 7, 2**40)),
    ({"total": 7, "id": bytes(16)}, Result.INVALID_KIND),
    ({"id": bytes(16)}, Result.INVALID_ID),
    ({"amount": 1}, Result.INVALID_AMOUNT),
    ({"reference": b"a"}, Result.INVALID_REFERENCE),
    ({"tail": b"n" * 65}, Result.INVALID_NOTE),
    ({"tail": b"n" * 64}, OK),
    ({"tail": "বিল".encode()}, OK),
    ({"tail": b"\xff"}, Result.INVALID_NOTE),
    ({"tail": b"\xff", "debit": 1, "deadline": 1}, Result.INVALID_NOTE),
    ({"deadline": 1}, Result.INVALID_DEADLINE),
    ({"debit": 1}, Result.INVALID_ACCOUNT),
    ({"credit": 1}, Result.INVALID_ACCOUNT),
]


def test_what_a_complaint_looks_like(counter: Counter) -> None:
    for number, (fields, result) in enumerate(SHAPES):
        paid = counter.pay().sequence
        assert counter.complain(paid, **fields).result == result, number
        if result != OK and "total" not in fields:
            raised = counter.complain(paid).sequence
            assert counter.reply(raised, 1, **fields).result == result, number


def test_which_steps_there_are(counter: Counter) -> None:
    invalid = Result.INVALID_KIND
    for step, result in enumerate((invalid, OK, OK, OK, invalid)):
        raised = counter.complain(counter.pay().sequence).sequence
        assert counter.reply(raised, step).result == result, step


def test_a_complaint_has_a_number_for_its_life(counter: Counter) -> None:
    first, second = counter.pay().sequence, counter.pay().sequence
    one = counter.complain(first, tail=b"not there", id=b"one" + bytes(13))
    row = counter.last()
    assert (row.debit, row.credit, row.total, row.resolves) == (1, 0, 1, first)
    assert (row.flags, row.tail, row.reference) == (RowFlag.TAIL, b"not there", b"")
    assert (one.index, one.balance, one.pending, one.state) == (1, 0, 0, 0)
    assert counter.complain(second, total=6).index == 2
    answered = counter.reply(one.sequence, 2)
    row = counter.last()
    assert (row.debit, row.total, row.resolves) == (1, 2, one.sequence)
    assert (answered.index, answered.balance) == (0, 0)
    again = counter.complain(first, tail=b"not there", id=b"one" + bytes(13))
    assert (again.repeat, again.index, again.sequence) == (1, 1, one.sequence)
    assert counter.model.complaints == [answered.sequence, one.sequence + 1]


def test_of_what_can_be_complained(counter: Counter) -> None:
    paid = counter.pay().sequence
    refused = counter.pay(service=77).sequence
    assert refused
    posted = counter.template(
        Kind.HOLD, participant=CENTRE, debit=WALLET, amount=5, reference=b"H",
        service=HELD, deadline=60, operator_=1,
    )  # fmt: skip
    hold = counter.rows(posted)[0].sequence
    post = counter.rows(Row(Kind.POST, resolves=hold, amount=5))[0].sequence
    not_found = Result.PAYMENT_NOT_FOUND
    for payment, result in (
        (0, not_found),
        (999, not_found),
        (refused, not_found),
        (post, not_found),
        (20, not_found),
        (hold, OK),
        (paid, OK),
    ):
        assert counter.complain(payment).result == result, payment
    for sender in (OTHER, FREE, BILLER, TREASURY):
        number = ELSEWHERE if sender == OTHER else ACTIVE
        told = counter.complain(paid, participant=sender, operator_=number)
        assert told.result == not_found, sender
    assert counter.last().total == 0
    # Who is to say so is asked of whoever complains, and before.
    told = counter.complain(paid, participant=OTHER, operator_=ACTIVE)
    assert told.result == UNKNOWN
    assert counter.complain(paid, participant=9_999, operator_=0).result == not_found


def test_one_is_open_at_a_time(counter: Counter) -> None:
    paid = counter.pay().sequence
    first = counter.complain(paid)
    for step in (0, 1, 2, 1, 2):
        assert not step or counter.reply(first.sequence, step).result == OK
        told = counter.complain(paid, total=2)
        assert (told.result, told.other) == (Result.COMPLAINT_OPEN, first.sequence)
        row = counter.last()
        assert (row.total, row.debit) == (first.sequence, 0)
    closed = counter.reply(first.sequence, 3)
    second = counter.complain(paid)
    assert (second.result, second.index) == (OK, 2)
    told = counter.complain(paid)
    assert (told.result, told.other) == (Result.COMPLAINT_OPEN, second.sequence)
    told = counter.reply(first.sequence, 3)
    assert (told.result, told.other) == (Result.COMPLAINT_CLOSED, closed.sequence)
    assert counter.model.link(paid, 2**22 + 22) == second.sequence


def test_so_many_complaints_there_are(counter: Counter) -> None:
    paid = counter.pay().sequence
    counter.model.complaints += [1] * COMPLAINTS_MAX
    assert counter.complain(paid).result == Result.TABLE_FULL


BEFORE: tuple[tuple[int, ...], ...] = (
    (), (1,), (2,), (1, 2), (2, 1), (3,), (1, 2, 3),
)  # fmt: skip


def test_what_may_follow(counter: Counter) -> None:
    for before in BEFORE:
        for step in (1, 2, 3):
            follows(counter, before, step)


def follows(counter: Counter, before: tuple[int, ...], step: int) -> None:
    """That step, behind those."""
    raised = counter.complain(counter.pay().sequence).sequence
    made = [counter.reply(raised, each).sequence for each in before]
    told = counter.reply(raised, step)
    if 3 in before:
        assert (told.result, told.other) == (Result.COMPLAINT_CLOSED, made[-1])
    elif before and before[-1] == step:
        assert (told.result, told.other) == (FOLLOWED, made[-1])
    else:
        assert told.result == OK


SENDERS = {
    # By step: whose it is.
    1: {TREASURY, DESK},
    2: {BILLER},
    3: {TREASURY, DESK},
}


def test_whose_which_step_is(counter: Counter) -> None:
    for step in SENDERS:
        is_whose(counter, step)


def is_whose(counter: Counter, step: int) -> None:
    """Those who may, and all who may not."""
    raised = counter.complain(counter.pay().sequence).sequence
    for sender in (0, CENTRE, OTHER, FREE, SECOND, 9_999, *(
        each for each in (TREASURY, BILLER) if each not in SENDERS[step]
    )):  # fmt: skip
        told = counter.reply(raised, step, sender or 10**6)
        assert told.result == NOT_FOUND, sender
    for wrong in (0, 999, raised - 1, raised + 1):
        assert counter.reply(wrong, step).result == NOT_FOUND
    for sender in SENDERS[step]:
        told = counter.reply(raised, step, sender)
        assert told.result in (OK, FOLLOWED, Result.COMPLAINT_CLOSED)


def test_who_was_switched_off_replies_not(counter: Counter) -> None:
    raised = counter.complain(counter.pay().sequence).sequence
    off = ParticipantRecord(b"p%d" % DESK, Role.AUDITOR).pack()
    counter.register(ParticipantRecord(b"p8", Role.TREASURY).pack())
    counter.register(off)
    assert counter.reply(raised, 1, DESK).result == NOT_FOUND
    stopped = ParticipantRecord(b"p8", Role.TREASURY, active=0).pack()
    counter.register(ParticipantRecord(b"p9", Role.TREASURY).pack())
    assert counter.register(stopped).result == OK
    assert counter.reply(raised, 3, 8).result == NOT_FOUND
    assert counter.reply(raised, 3, 9).result == OK


def test_a_closed_one_is_closed_for_those_alone_who_may_reply(counter: Counter) -> None:
    raised = counter.complain(counter.pay().sequence).sequence
    counter.reply(raised, 3)
    assert counter.reply(raised, 2, SECOND).result == NOT_FOUND
    assert counter.reply(raised, 2, BILLER).result == Result.COMPLAINT_CLOSED


CHANGES: list[tuple[dict[str, Any], int]] = [
    ({}, Field.NONE),
    ({"total": 2}, Field.RESOLVES),
    ({"resolves": 1}, Field.RESOLVES),
    ({"tail": b"other"}, Field.NOTE),
    ({"tail": None}, Field.NOTE),
    ({"operator_": 7}, Field.OPERATOR),
    ({"checker": 1}, Field.CHECKER),
    ({"kind": Kind.REPLY}, Field.KIND),
    ({"kind": Kind.REPLY, "total": 4}, -1),
]


def test_what_is_compared_of_a_complaint(counter: Counter) -> None:
    for change, field in CHANGES:
        is_compared(counter, change, field)


def is_compared(counter: Counter, change: dict[str, Any], field: int) -> None:
    """Of one that was accepted, and of a refused one."""
    row = counter.template(Kind.COMPLAINT, participant=CENTRE, operator_=1, total=1)
    row.resolves, row.tail = counter.pay().sequence, b"note"
    refused = replace(row, id=row.id[::-1])
    assert [each.result for each in counter.rows(row, refused)] == [
        OK,
        Result.COMPLAINT_OPEN,
    ]
    for sent, result in ((row, OK), (refused, Result.COMPLAINT_OPEN)):
        [told] = counter.rows(replace(sent, **change))
        if field < 0:
            assert told.result == Result.INVALID_KIND
        elif field == Field.NONE or (result != OK and "total" in change):
            # What a refused one asked for is nowhere.
            assert told.repeat == 1 or field == Field.KIND
        else:
            assert (told.result, told.field) == (Result.ID_REUSED, field)


# --- bills ----------------------------------------------------------------------------

FULL = BillsRecord(1, 3, 500, b"h" * 32)
BILLS_RECORDS: list[tuple[bytes, int]] = [
    (FULL.pack(), OK),
    (FULL.pack() + b'{"file": "a"}', OK),
    (replace(FULL, count=0, amount=0).pack(), OK),
    (replace(FULL, count=0).pack(), Result.INVALID_RECORD),
    (replace(FULL, amount=0).pack(), OK),
    (replace(FULL, hash=b"").pack(), OK),
    (replace(FULL, form=2).pack(), OK),
    (replace(FULL, form=2, count=0, amount=0).pack(), Result.INVALID_RECORD),
    (replace(FULL, form=3).pack(), Result.INVALID_RECORD),
    (replace(FULL, form=3, amount=0).pack(), OK),
    (replace(FULL, form=3, count=0, amount=0).pack(), Result.INVALID_RECORD),
    (replace(FULL, form=0).pack(), Result.INVALID_RECORD),
    (replace(FULL, form=4).pack(), OK),
    (replace(FULL, form=4, count=0, amount=0).pack(), Result.INVALID_RECORD),
    (replace(FULL, form=5).pack(), Result.INVALID_RECORD),
    (replace(FULL, count=2**20).pack(), OK),
    (replace(FULL, count=2**20 + 1).pack(), Result.INVALID_RECORD),
    (replace(FULL, amount=10**18).pack(), OK),
    (replace(FULL, amount=10**18 + 1).pack(), Result.INVALID_RECORD),
    *((with_byte(FULL.pack(), at), Result.INVALID_RECORD) for at in (1, 2, 3, 48, 63)),
    (FULL.pack()[:63], Result.INVALID_RECORD),
]


def test_what_a_file_of_bills_is(counter: Counter) -> None:
    for number, (tail, result) in enumerate(BILLS_RECORDS):
        newest = counter.model.bills_of.get(BILLS, 0)
        assert counter.put(FULL, newest, tail=tail).result == result, number


BILLS_SHAPES: list[tuple[dict[str, Any], int]] = [
    ({"id": bytes(16)}, Result.INVALID_ID),
    ({"amount": 1}, Result.INVALID_AMOUNT),
    ({"reference": b"any"}, OK),
    ({"deadline": 1}, Result.INVALID_DEADLINE),
    ({"debit": 1}, Result.INVALID_ACCOUNT),
    ({"credit": 1}, Result.INVALID_ACCOUNT),
    ({"tail": None}, Result.INVALID_RECORD),
    ({"service": 0}, Result.SERVICE_UNKNOWN),
    ({"service": 5}, Result.SERVICE_UNKNOWN),
    ({"service": 65_535}, Result.SERVICE_UNKNOWN),
    ({"service": SECONDS}, Result.SERVICE_UNKNOWN),
    ({"participant": SECOND}, Result.SERVICE_UNKNOWN),
    ({"participant": TREASURY}, Result.SERVICE_UNKNOWN),
    ({"service": STATED}, Result.RULE_FIXED),
    ({"service": STATED, "resolves": 9}, Result.RULE_FIXED),
    ({"service": STATED, "participant": SECOND}, Result.SERVICE_UNKNOWN),
]


def test_whose_bills_can_be_put_in(counter: Counter) -> None:
    for number, (fields, result) in enumerate(BILLS_SHAPES):
        assert counter.put(FULL, **fields).result == result, number


def test_files_of_bills_follow_each_other(counter: Counter) -> None:
    told = counter.put(FULL, before=5)
    assert (told.result, told.other, told.sequence > 0) == (FOLLOWED, 0, True)
    first = counter.put(FULL)
    row = counter.last()
    assert (row.service, row.debit, row.credit, row.total) == (BILLS, 0, 0, 0)
    assert len(row.reference) == 32
    for wrong in (0, first.sequence - 1, first.sequence + 1):
        told = counter.put(FULL, before=wrong)
        assert (told.result, told.other) == (FOLLOWED, first.sequence)
    second = counter.put(replace(FULL, form=2), before=first.sequence)
    assert second.result == OK
    # Each service has its own.
    other = counter.put(FULL, service=SECONDS, participant=SECOND)
    assert other.result == OK
    told = counter.put(FULL, before=other.sequence)
    assert (told.result, told.other) == (FOLLOWED, second.sequence)
    assert counter.model.bills_of == {BILLS: second.sequence, SECONDS: other.sequence}


def test_what_is_compared_of_bills(counter: Counter) -> None:
    row = counter.template(Kind.BILLS, service=BILLS, participant=BILLER)
    row.tail = FULL.pack()
    refused = replace(row, id=b"r" * 16, service=77)
    assert counter.rows(row, refused)[1].result == Result.SERVICE_UNKNOWN
    for change, field in (
        ({}, Field.NONE),
        ({"service": SECONDS}, Field.SERVICE),
        ({"tail": FULL.pack() + b" "}, Field.REFERENCE),
        ({"resolves": 3}, Field.RESOLVES),
        ({"operator_": 3}, Field.OPERATOR),
    ):
        for sent in (row, refused):
            [told] = counter.rows(replace(sent, **change))
            assert (told.field, told.repeat) == (field, int(field == Field.NONE))
