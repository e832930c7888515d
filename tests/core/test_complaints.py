"""Goal: what is wrong with a payment is said once at a time, by the centre that paid;
who may do something about it does, step by step, and its number stays.

Method: by hand, on a ledger whose index has steps of 16 rows, each refusal in its
order, each step by each sender; complaints, their replies and their numbers are found
again when the ledger is opened, with its index and without; what Python makes of them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import Field, Kind, Link, Reason, Result, Step
from switch.ledger.complaints import (
    ComplaintState,
    complaint_about,
    complaint_of,
    list_complaints,
    number_text,
    raise_complaint,
    read_number,
    reply,
    sayings_of,
)
from switch.ledger.four_eyes import refund_id
from tests.core.counter import RESTS, Counter
from tests.records import Row

OK, FOLLOWED = Result.OK, Result.ALREADY_FOLLOWED
CLOSED, NOT_FOUND = Result.COMPLAINT_CLOSED, Result.COMPLAINT_NOT_FOUND
ASK, ANSWER, CLOSE = Step.ASKED, Step.ANSWERED, Step.CLOSED


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """A centre that has paid something."""
    made = Counter(tmp_path / "ledger")
    yield made
    made.ledger.close()


# --- shape ----------------------------------------------------------------------------

WRONG: list[tuple[dict[str, object], Result]] = [
    ({"total": 0}, Result.INVALID_KIND),
    ({"total": 7, "id": bytes(16)}, Result.INVALID_KIND),
    ({"total": 512}, Result.INVALID_KIND),
    ({"total": 6 + 2**32}, Result.INVALID_KIND),
    ({"id": bytes(16)}, Result.INVALID_ID),
    ({"amount": 1}, Result.INVALID_AMOUNT),
    ({"reference": b"X"}, Result.INVALID_REFERENCE),
    ({"tail": b"x" * 65}, Result.INVALID_NOTE),
    ({"tail": b"\xff"}, Result.INVALID_NOTE),
    ({"deadline": 1}, Result.INVALID_DEADLINE),
    ({"debit": 1}, Result.INVALID_ACCOUNT),
    ({"credit": 1}, Result.INVALID_ACCOUNT),
    ({"amount": 1, "tail": b"\xff", "credit": 1}, Result.INVALID_AMOUNT),
]


@pytest.mark.parametrize(("given", "result"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_shape(
    counter: Counter, given: dict[str, object], result: Result
) -> None:
    payment = counter.paid()
    before = counter.ledger.sequence
    wanted = {"resolves": payment, "total": 1, "participant": counter.centre, **given}
    assert counter.one(Kind.COMPLAINT, **wanted).result == result
    if wanted["total"] == 1:
        wanted |= {"participant": counter.net.treasury}
        assert counter.one(Kind.REPLY, **wanted).result == result
    assert counter.ledger.sequence == before


def test_a_reply_has_one_of_three_steps(counter: Counter) -> None:
    for step in (0, 4, 5, 6, 512, 2**64 - 1):
        told = counter.reply(1, step)
        assert (told.result, told.sequence) == (Result.INVALID_KIND, 0)


# --- a complaint ----------------------------------------------------------------------


def test_a_complaint_is_about_a_payment_of_its_sender(counter: Counter) -> None:
    payment = counter.paid()
    counter.answer(counter.says(payment))
    post = counter.ledger.sequence
    for wrong in (0, 1, post, post + 1, 2**63):
        told = counter.complain(wrong)
        assert told.result == Result.PAYMENT_NOT_FOUND
        row = counter.ledger.row(told.sequence)
        assert (row.debit, row.total, told.index) == (0, 0, 0)
    net = counter.net
    for other in (net.centres[1], net.treasury, counter.biller, net.harness, 99_999):
        told = counter.complain(payment, participant=other)
        assert told.result == Result.PAYMENT_NOT_FOUND
    [refused] = counter.pay(counter.payment(amount=10**12))
    told = counter.complain(refused.sequence)
    assert told.result == Result.PAYMENT_NOT_FOUND
    # Its number is no account's: nothing is told of the wallet that has it.
    for number in range(1, counter.wallet + 1):
        told = counter.complain(payment if number == 1 else counter.paid())
        assert (told.result, told.index) == (OK, number)
        assert (told.balance, told.pending) == (0, 0)
    told = counter.reply(told.sequence, ASK)
    assert (told.result, told.balance) == (OK, 0)


@pytest.mark.parametrize("how", RESTS)
def test_one_is_open_at_a_time(counter: Counter, how: str) -> None:
    payment = counter.paid()
    first = counter.complain(payment)
    counter.rest(how)
    told = counter.complain(payment)
    assert (told.result, told.other) == (Result.COMPLAINT_OPEN, first.sequence)
    assert counter.ledger.row(told.sequence).debit == 0
    assert counter.complain(counter.paid()).index == 2
    for step in (ASK, ANSWER):
        assert counter.reply(first.sequence, step).result == OK
        counter.rest(how)
        assert counter.complain(payment).other == first.sequence
    assert counter.reply(first.sequence, CLOSE).result == OK
    counter.rest(how)
    again = counter.complain(payment)
    assert (again.result, again.index) == (OK, 3)
    assert counter.ledger.link(payment, Link.COMPLAINT) == again.sequence
    assert counter.ledger.row(again.sequence).debit == 3


def test_whoever_asks_again_has_the_answer(counter: Counter) -> None:
    payment = counter.paid()
    row = counter.row(
        Kind.COMPLAINT,
        participant=counter.centre,
        resolves=payment,
        total=2,
        operator_=3,
        tail=b"note",
    )
    [first] = counter.tell(row)
    counter.reopen()

    def again(**other: object) -> tuple[int, int, int]:
        asked = row.copy()
        for name, value in other.items():
            setattr(asked, name, value)
        [told] = counter.tell(asked)
        return told.result, told.field, told.index

    assert again() == (OK, 0, 1)
    reused = Result.ID_REUSED
    assert again(total=3) == (reused, Field.RESOLVES, 0)
    assert again(resolves=payment + 1) == (reused, Field.RESOLVES, 0)
    assert again(operator_=4) == (reused, Field.OPERATOR, 0)
    assert again(tail=None) == (reused, Field.NOTE, 0)
    assert again(tail=b"nota") == (reused, Field.NOTE, 0)
    assert again(tail=b"note ") == (reused, Field.NOTE, 0)
    assert again(checker=1) == (reused, Field.CHECKER, 0)
    # A refused one has the row in the way where its reason was.
    refused = row.copy()
    refused.id = b"another one of it"[:16]
    for reason in (2, 3):
        refused.total = reason
        [told] = counter.tell(refused)
        assert (told.result, told.other) == (Result.COMPLAINT_OPEN, first.sequence)


# --- replies --------------------------------------------------------------------------


def test_who_may_take_which_step(counter: Counter) -> None:
    net = counter.net
    complaint = counter.complain(counter.paid()).sequence
    for wrong in (0, 1, complaint - 1, complaint + 1, 2**63):
        assert counter.reply(wrong, ASK).result == NOT_FOUND
    everybody = (0, net.centres[0], net.centres[1], net.harness, *net.billers, 99_999)
    for sender in everybody:
        told = counter.reply(complaint, ASK, participant=sender)
        assert told.result == NOT_FOUND, sender
        assert counter.ledger.row(told.sequence).debit == 0
        told = counter.reply(complaint, CLOSE, participant=sender)
        assert told.result == NOT_FOUND, sender
        if sender != counter.biller:
            told = counter.reply(complaint, ANSWER, participant=sender)
            assert told.result == NOT_FOUND, sender
    told = counter.reply(complaint, ANSWER, participant=net.treasury)
    assert told.result == NOT_FOUND
    # Another of the treasury may as well.
    told = counter.reply(complaint, ASK, participant=net.great_treasury)
    assert (told.result, told.index) == (OK, 0)
    assert counter.ledger.row(told.sequence).debit == 1
    for step in (ANSWER, CLOSE):
        assert counter.reply(complaint, step).result == OK


@pytest.mark.parametrize("how", RESTS)
def test_a_step_is_not_taken_twice_running(counter: Counter, how: str) -> None:
    complaint = counter.complain(counter.paid()).sequence
    # Answered before it was asked; asked once more, and answered.
    for step in (ANSWER, ASK, ANSWER, ASK, CLOSE):
        told = counter.reply(complaint, step)
        assert told.result == OK
        counter.rest(how)
        again = counter.reply(complaint, step)
        wanted = CLOSED if step == CLOSE else FOLLOWED
        assert (again.result, again.other) == (wanted, told.sequence)
    for step in (ASK, ANSWER):
        again = counter.reply(complaint, step)
        assert (again.result, again.other) == (CLOSED, told.sequence)
    assert len(counter.ledger.replies(complaint)) == 5


# --- found again ----------------------------------------------------------------------


@pytest.mark.parametrize("how", RESTS)
def test_complaints_are_listed_newest_first(counter: Counter, how: str) -> None:
    raised = [counter.complain(counter.paid()).sequence for _ in range(20)]
    newest = dict(enumerate(raised, 1))
    for number in (3, 17, 20):
        newest[number] = counter.reply(newest[number], ASK).sequence
    counter.rest(how)
    ledger = counter.ledger
    numbers, sequences = ledger.complaints(0, 1_000)
    assert numbers.tolist() == [*range(20, 0, -1)]
    assert dict(zip(numbers.tolist(), sequences.tolist(), strict=True)) == newest
    assert ledger.complaints(20, 3)[0].tolist() == [19, 18, 17]
    assert ledger.complaints(1, 3)[0].tolist() == []
    assert ledger.complaints(2**32 - 1, 1)[0].tolist() == [20]
    for limit in (0, 1_001):
        with pytest.raises(ValueError, match="limit"):
            ledger.complaints(0, limit)
    assert ledger.complaint(17) == newest[17]
    assert [ledger.complaint(number) for number in (0, 21, 2**32 - 1)] == [0, 0, 0]
    listed = list_complaints(ledger, 18, 2)
    assert [number for number, _ in listed] == [17, 16]
    states = [one.state for _, one in listed if one is not None]
    assert states == [ComplaintState.ASKED, ComplaintState.RAISED]


def test_what_was_said_of_one(counter: Counter) -> None:
    [told] = counter.pay(counter.payment())
    ledger = counter.ledger
    made = raise_complaint(
        b"c" * 16, told.sequence, Reason.PAID_TWICE, "দুবার", sender=counter.centre
    )
    counter.ask(made.request())
    raised = complaint_about(ledger, told.sequence)
    assert raised is not None
    assert raised.number == 1
    assert (raised.reason, raised.state, raised.refund) == (4, 1, 0)
    for at, (step, sender) in enumerate(
        ((ASK, counter.net.treasury), (ANSWER, counter.biller))
    ):
        note = f"note {at}"
        one = reply(
            bytes([at + 1]) * 16, raised.raised.sequence, step, note, sender=sender
        )
        counter.ask(one.request())
    found = complaint_of(ledger, 1)
    assert found is not None
    assert found.state is ComplaintState.ANSWERED
    notes = [said.note for said in sayings_of(ledger, found)]
    assert notes == ["দুবার", "note 0", "note 1"]
    assert complaint_of(ledger, 2) is None
    assert complaint_about(ledger, 1) is None


def test_a_refund_that_is_newer(counter: Counter) -> None:
    payment = counter.paid()
    counter.answer(counter.says(payment))
    post = counter.ledger.sequence
    counter.complain(payment)
    treasury = counter.net.treasury
    proposal = counter.one(
        Kind.PROPOSE,
        amount=500,
        resolves=post,
        total=Kind.REFUND,
        reference=b"twice",
        operator_=1,
    )
    counter.one(Kind.APPROVE, resolves=proposal.sequence, operator_=2)
    asked = counter.ledger.row(proposal.sequence)

    refund = Row(
        Kind.REFUND,
        id=refund_id(asked.id),
        amount=500,
        resolves=post,
        participant=treasury,
        checker=treasury,
        total=proposal.sequence,
        operator_=1,
    )
    [told] = counter.tell(refund)
    assert told.result == OK, told
    found = complaint_about(counter.ledger, payment)
    assert found is not None
    assert (found.refund, found.state) == (told.sequence, ComplaintState.RAISED)
    # One raised behind it is not answered by it.
    counter.reply(found.raised.sequence, CLOSE)
    counter.complain(payment)
    again = complaint_about(counter.ledger, payment)
    assert again is not None
    assert (again.number, again.refund) == (2, 0)


# --- numbers on paper -----------------------------------------------------------------


def test_a_number_is_read_as_people_write_it(counter: Counter) -> None:
    instance = counter.ledger.instance
    text = number_text(instance, 12)
    assert text.startswith("C00000012")
    assert len(text) == 12
    assert read_number(f" {text[:4].lower()} {text[4:]}", instance) == 12
    other = "A" if text[-1] != "A" else "B"
    for wrong in (text[:-1], text[:-1] + other, f"T{text[1:]}", "", f"{text}A"):
        assert read_number(wrong, instance) == 0
    assert read_number(text, bytes(16)) == 0
    with pytest.raises(ValueError, match="no complaint"):
        number_text(instance, 10**8)
