"""Goal: what a biller is asked and what it answers is what the holds say.

Method: payments of confirmed services through messages; questions are read back by
the generated classes, answers are written by them; outcomes, rows and tails are
stated here.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch._core import (
    ANSWER,
    ANSWERS_MAX,
    Request,
    parse_answers,
)
from switch.codes import (
    Kind,
    Mode,
    Result,
    RowFlag,
)
from switch.errors import WireError
from switch.v1 import billers_pb2, results_pb2
from switch.v1 import payments_pb2 as pb
from tests import people
from tests.core.desk import (
    CONFIRM,
    CONFIRMED,
    DEADLINE_S,
    REJECTED,
    SECOND_NS,
    STATUS,
    Desk,
    numbers,
)
from tests.core.pair import rows_request
from tests.records import Row


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """One of them."""
    made = Desk(tmp_path / "ledger")
    yield made
    made.ledger.close()


# --- payments by message ----------------------------------------------------------


def test_a_confirmed_service_is_held_by_message(desk: Desk) -> None:
    first = desk.payment()
    [outcome] = desk.pay(first)
    assert outcome.result == results_pb2.RESULT_OK
    assert not outcome.repeat
    assert outcome.state == pb.PAYMENT_STATE_HELD
    assert outcome.receipt == 0
    row = desk.ledger.row(outcome.sequence)
    assert row.kind == Kind.HOLD
    assert row.deadline == DEADLINE_S
    assert not row.flags & (RowFlag.KEEP | RowFlag.AS_DIRECT)
    # Another payment of the bill is refused and names the first.
    second = desk.payment()
    second.reference = first.reference
    [refused] = desk.pay(second)
    assert refused.result == results_pb2.RESULT_BILL_ALREADY_CLAIMED
    assert refused.state == pb.PAYMENT_STATE_REFUSED
    assert refused.other_id == first.id
    # Sent again it says where it stands; then it is posted, and says that.
    assert desk.pay(first)[0].state == pb.PAYMENT_STATE_HELD
    desk.answer(desk.says(outcome.sequence, CONFIRMED, "WB-77"))
    [again] = desk.pay(first)
    assert again.repeat
    assert again.state == pb.PAYMENT_STATE_COMPLETED
    assert (again.receipt, again.receipt_year) == (1, 2025)
    assert again.sequence == outcome.sequence


def test_the_deadline_policy_stands_in_the_hold(desk: Desk) -> None:
    [outcome] = desk.pay(desk.payment(b"WATER"))
    assert desk.ledger.row(outcome.sequence).flags & RowFlag.KEEP


def test_the_register_may_change_between_two_sendings(desk: Desk) -> None:
    held = desk.payment()
    [first] = desk.pay(held)
    record = desk.net.services[-2]
    record.mode, record.deadline_s = Mode.DIRECT, 0
    change = Row(Kind.REGISTER, id=b"c" * 16, tail=record.pack())
    desk.ask(rows_request([change]))
    [again] = desk.pay(held)
    assert again.repeat
    assert again.sequence == first.sequence
    [direct] = desk.pay(desk.payment())
    assert direct.state == pb.PAYMENT_STATE_COMPLETED
    assert direct.receipt == 1


def test_a_basket_has_one_mode(desk: Desk) -> None:
    direct = desk.net.services[-2]
    direct.code, direct.mode, direct.deadline_s = b"FEE", Mode.DIRECT, 0
    desk.ask(rows_request([Row(Kind.REGISTER, id=b"n" * 16, tail=direct.pack())]))
    mixed = desk.payment(), desk.payment(b"FEE")
    outcomes = desk.pay_basket(*mixed)
    assert {outcome.result for outcome in outcomes} == {
        results_pb2.RESULT_INVALID_BASKET
    }
    assert {outcome.state for outcome in outcomes} == {0}
    held = desk.pay_basket(desk.payment(), desk.payment(b"WATER"))
    assert [outcome.state for outcome in held] == [pb.PAYMENT_STATE_HELD] * 2


def test_where_a_payment_stands_by_now(desk: Desk) -> None:
    payments = [desk.payment() for _ in range(4)]
    held = [outcome.sequence for outcome in desk.pay(*payments)]
    desk.answer(
        desk.says(held[0]), desk.says(held[1], REJECTED, "R1"), desk.says(held[2])
    )
    post = desk.ledger.resolution(held[2])[0]
    at = desk.ledger.sequence + 1
    desk.ask(rows_request(people.refund(post, 1, at, b"ask" + bytes(13))))
    desk.now += DEADLINE_S * SECOND_NS
    assert [outcome.state for outcome in desk.pay(*payments)] == [
        pb.PAYMENT_STATE_COMPLETED,
        pb.PAYMENT_STATE_REVERSED,
        pb.PAYMENT_STATE_REFUNDED,
        pb.PAYMENT_STATE_UNVERIFIED,
    ]
    desk.answer(desk.says(held[3], REJECTED))
    [verified] = desk.pay(payments[3])
    assert verified.state == pb.PAYMENT_STATE_EXPIRED


# --- answers -----------------------------------------------------------------------


def test_answers_post_and_void_with_the_billers_word(desk: Desk) -> None:
    one, two = (o.sequence for o in desk.pay(desk.payment(), desk.payment()))
    outcomes = desk.answer(desk.says(two, REJECTED, "E-12"), desk.says(one, text="W/9"))
    assert outcomes["result"].tolist() == [Result.OK] * 2
    void, post = desk.ledger.gather(outcomes["sequence"])
    assert void["kind"] == Kind.VOID
    assert post["kind"] == Kind.POST
    assert post["amount"] == void["amount"] == 5_000
    assert post["resolves"] == one
    assert void["resolves"] == two
    assert not post["id"].any()
    assert not void["id"].any()
    assert post["reference"].tobytes().rstrip(b"\0") == b"BILL 1"
    for row, text in ((void, b"E-12"), (post, b"W/9")):
        assert row["flags"] & RowFlag.EVIDENCE
        assert row["flags"] & RowFlag.TAIL
        assert desk.ledger.tail(int(row["sequence"])) == text
    again = desk.answer(desk.says(one, text="another"))
    assert again["result"][0] == Result.OK
    assert again["repeat"][0] == 1
    assert again["sequence"][0] == post["sequence"]


def test_an_answer_needs_no_text(desk: Desk) -> None:
    [outcome] = desk.pay(desk.payment())
    post = desk.answer(desk.says(outcome.sequence))["sequence"][0]
    assert not desk.ledger.row(post).flags & RowFlag.TAIL


def test_an_answer_must_be_of_the_holds_biller_and_id(desk: Desk) -> None:
    [outcome] = desk.pay(desk.payment())
    other = desk.says(outcome.sequence)
    other["id"] = 1
    missing = desk.says(outcome.sequence)
    missing["number"] = [0]
    late = desk.says(outcome.sequence)
    late["number"] = [10**9]
    post = desk.says(outcome.sequence)
    found = desk.answer(other, missing, late)["result"].tolist()
    assert found == [Result.HOLD_NOT_FOUND] * 3
    foreign = desk.answer(post, biller=desk.net.billers[1])
    assert foreign["result"][0] == Result.HOLD_NOT_FOUND
    assert foreign["sequence"][0] == 0
    assert desk.ledger.holds().tolist() == [outcome.sequence]


def test_what_is_no_request_of_answers(desk: Desk) -> None:
    [outcome] = desk.pay(desk.payment())
    answer = desk.says(outcome.sequence)
    unknown = answer.copy()
    unknown["kind"] = [3]
    with pytest.raises(ValueError, match="only confirmations and rejections"):
        Request.answers(unknown, 1)
    with pytest.raises(ValueError, match="biller"):
        Request.answers(answer, 0)
    with pytest.raises(ValueError, match="between 1 and 8190"):
        Request.answers(answer[:0], 1)
    with pytest.raises(ValueError, match="dtype ANSWER"):
        Request.answers(np.zeros(1, np.uint64), 1)
    long = answer.copy()
    long["biller_reference_size"] = [33]
    with pytest.raises(ValueError, match="not printable"):
        Request.answers(long, 1)
    odd = answer.copy()
    odd["biller_reference_size"] = [2]
    with pytest.raises(ValueError, match="not printable"):
        Request.answers(odd, 1)


# --- parsing -----------------------------------------------------------------------


def test_answers_are_read_as_they_were_written() -> None:
    message = billers_pb2.ConnectRequest()
    message.answers.add(
        number=2**64 - 1,
        id=b"i" * 16,
        kind=billers_pb2.ANSWER_KIND_REJECTED,
        biller_reference="r" * 32,
        reason="why not",
        bills=[billers_pb2.DueBill(id="B/1", amount_due=7), billers_pb2.DueBill()],
    )
    message.answers.add(id=b"short", biller_reference="x" * 33, reason="é")
    body = message.SerializeToString()
    one, two = parse_answers(body)
    assert one["number"] == 2**64 - 1
    assert one["id"].tobytes() == b"i" * 16
    assert one["kind"] == REJECTED
    assert one["bad"] == 0
    for name, text in (
        ("biller_reference", b"r" * 32),
        ("reason", b"why not"),
    ):
        assert one[name].tobytes() == text.ljust(32, b"\0")
        assert one[f"{name}_size"] == len(text)
    assert (one["bills_count"], two["bills_count"]) == (2, 0)
    for answer, stated in zip((one, two), message.answers, strict=True):
        at, size = int(answer["at"]), int(answer["size"])
        assert body[at : at + size] == stated.SerializeToString()
    assert two["bad"] == 0b11
    assert not two["id"].any()
    assert two["kind"] == 0
    assert two["reason_size"] == 0
    assert not two["reason"].any()


def test_the_bounds_of_a_message_of_answers() -> None:
    assert parse_answers(b"").shape == (0,)
    assert parse_answers(b"").dtype == ANSWER
    most = b"\x0a\x00" * ANSWERS_MAX
    assert len(parse_answers(most)) == ANSWERS_MAX
    with pytest.raises(WireError, match="more than"):
        parse_answers(most + b"\x0a\x00")
    for body in (b"\x0a", b"\x0a\x02\x08", b"\x0a\x05\x08", b"\xff" * 11):
        with pytest.raises(WireError, match="not a biller's answers"):
            parse_answers(body)


# --- questions ---------------------------------------------------------------------


def test_questions_say_what_the_holds_say(desk: Desk) -> None:
    alone = desk.payment(b"WATER", amount=70_000)
    together = [desk.payment(), desk.payment(b"WATER"), desk.payment()]
    [single] = desk.pay(alone)
    members = desk.pay_basket(*together)
    sequences = [outcome.sequence for outcome in members]
    asked = numbers(sequences[1], single.sequence, sequences[0], sequences[2])
    sent, until = desk.now, numbers(7, desk.now + 2 * 10**9 + 1, desk.now - 1, 8)
    body = desk.ledger.questions(asked, STATUS, desk.now + 5, sent, until)
    questions = billers_pb2.ConnectResponse.FromString(body).questions
    assert [q.number for q in questions] == [single.sequence, sequences[0]]
    assert len(questions[0].basket) == 0
    assert [q.number for q in questions[1].basket] == sequences
    for question, payment in (
        (questions[0], alone),
        (questions[1], together[0]),
        *zip(questions[1].basket, together, strict=True),
    ):
        row = desk.ledger.row(question.sequence)
        assert question.number == question.sequence
        assert question.kind == billers_pb2.QUESTION_KIND_STATUS
        assert question.id == payment.id
        assert question.service == payment.service.decode()
        assert question.reference == payment.reference.decode()
        assert question.amount == payment.amount
        assert question.time_ns == row.timestamp
        assert question.deadline_ns == desk.now + 5
    # Once a question, by its first payment's place.
    times = [
        (one.sent_ns, one.credit_until_ns, one.credit_within_ms)
        for one in (*questions, *questions[1].basket)
    ]
    assert times[0] == (sent, desk.now + 2 * 10**9 + 1, 2_000)
    assert times[1] == (sent, desk.now - 1, 0)
    assert set(times[2:]) == {(0, 0, 0)}
    again = billers_pb2.ConnectResponse(questions=questions).SerializeToString()
    assert again == body


def test_no_answer_is_waited_for_beyond_the_deadline(desk: Desk) -> None:
    held = desk.pay(desk.payment(), desk.payment(b"WATER"))
    asked = numbers(*(one.sequence for one in held))
    row = desk.ledger.row(held[0].sequence)
    due = row.timestamp + DEADLINE_S * SECOND_NS
    for until, first in ((due - 1, due - 1), (due + 1, due)):
        body = desk.ledger.questions(asked, CONFIRM, until, 1, asked)
        questions = billers_pb2.ConnectResponse.FromString(body).questions
        # A hold that is kept takes its answer whenever it comes.
        assert [one.deadline_ns for one in questions] == [first, until]


def test_questions_of_the_largest_basket(desk: Desk) -> None:
    basket = [desk.payment() for _ in range(16)]
    for number, payment in enumerate(basket):
        payment.reference = b"%032d" % number
    sequences = [outcome.sequence for outcome in desk.pay_basket(*basket)]
    largest = np.full(16, 2**64 - 1, np.uint64)
    body = desk.ledger.questions(numbers(*sequences), CONFIRM, 2**64 - 1, 1, largest)
    [question] = billers_pb2.ConnectResponse.FromString(body).questions
    assert [q.number for q in question.basket] == sequences


def test_what_can_not_be_asked_about(desk: Desk) -> None:
    [outcome] = desk.pay(desk.payment())
    held = numbers(outcome.sequence)
    assert desk.ledger.questions(numbers(), CONFIRM, 1, 1, numbers()) == b""
    with pytest.raises(ValueError, match="confirmed"):
        desk.ledger.questions(held, 1, 1, 1, held)
    with pytest.raises(ValueError, match="each hold"):
        desk.ledger.questions(held, CONFIRM, 1, 1, numbers())
    with pytest.raises(LookupError, match="hold"):
        desk.ledger.questions(numbers(1), CONFIRM, 1, 1, held)
    for wrong in (numbers(0), numbers(outcome.sequence + 1)):
        with pytest.raises(LookupError, match="durable"):
            desk.ledger.questions(wrong, CONFIRM, 1, 1, held)
        with pytest.raises(LookupError, match="durable"):
            desk.ledger.gather(wrong)
    many = np.full(8191, held[0])
    with pytest.raises(ValueError, match="at most 8190"):
        desk.ledger.questions(many, CONFIRM, 1, 1, many)
    with pytest.raises(ValueError, match="at most 65536"):
        desk.ledger.gather(np.full(65_537, held[0]))


def test_rows_are_gathered_in_the_order_asked_for(desk: Desk) -> None:
    last = desk.ledger.sequence
    wanted = numbers(last, 1, last, 2)
    rows = desk.ledger.gather(wanted)
    assert rows["sequence"].tolist() == wanted.tolist()
    assert rows[1].tobytes() == desk.ledger.rows(1, 1).tobytes()
    assert desk.ledger.gather(numbers()).shape == (0,)
