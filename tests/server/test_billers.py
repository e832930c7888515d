"""Goal: every accepted payment of a confirmed service comes to one end, once, whatever
its biller does: answers late, twice, wrongly, elsewhere, or not at all.

Method: a real server with short times, a scripted biller over real sockets; what the
ledger says is read as a centre and the treasury read it.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from switch.v1 import admin_pb2, exceptions_pb2, types_pb2
from switch.v1 import billers_pb2 as pb
from switch.v1 import payments_pb2 as payments
from switch.v1 import results_pb2 as results
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Failure,
    Peers,
    ServerProcess,
    failing,
    load,
    payment,
    running,
    until,
)
from tests.server.scripted_biller import (
    ScriptedBiller,
    confirm,
    not_seen,
    reject,
    unknown,
    willing,
)

CONFIRM, STATUS = pb.QUESTION_KIND_CONFIRM, pb.QUESTION_KIND_STATUS
CREDITED = pb.ANSWER_KIND_CONFIRMED
HELD, UNKNOWN = payments.PAYMENT_STATE_HELD, payments.PAYMENT_STATE_UNKNOWN
COMPLETED = payments.PAYMENT_STATE_COMPLETED
REVERSED, EXPIRED = payments.PAYMENT_STATE_REVERSED, payments.PAYMENT_STATE_EXPIRED
KEPT, UNVERIFIED = payments.PAYMENT_STATE_KEPT, payments.PAYMENT_STATE_UNVERIFIED

SETTINGS = {
    "biller.answer_timeout_ms": 300,
    "biller.status_first_ms": 200,
    "biller.status_interval_max_ms": 400,
    "biller.status_calls_max": 4,
    "biller.health_failures_min": 1_000,
    "biller.wrong_answers_max": 20,
    # Nor is a biller away that a busy machine is slow to connect: it would be asked
    # four questions at a time when it comes, and rest if it did not answer these.
    "biller.absent_ms": 3_600_000,
    "billers.water.answer_timeout_ms": 1_500,
    "billers.water.health_failures_min": 4,
    "billers.water.rest_first_ms": 500,
    "billers.water.probes_max": 2,
    "billers.water.queue_max": 40,
    # Nothing is asked twice there, however slowly hundreds of questions are read.
    "billers.gas.answer_timeout_ms": 60_000,
}


def settings(values: dict[str, int]) -> list[str]:
    return [part for one in values.items() for part in ("--set", f"{one[0]}={one[1]}")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("billers")
    with running(directory, *settings(SETTINGS)) as process:
        yield process


def pay(
    peers: Peers, service: str = "CONFIRM", count: int = 1, centre: str = "centre-a"
) -> list[bytes]:
    """Pay bills; the ids of the held payments."""
    bills = [payment(service, amount=RUPEE) for _ in range(count)]
    outcomes = peers.centre(centre).pay_all(bills)
    assert {one.result for one in outcomes} == {results.RESULT_OK}
    assert {one.state for one in outcomes} == {HELD}
    assert {one.receipt for one in outcomes} == {0}
    return [bill.id for bill in bills]


def get(peers: Peers, payment_id: bytes) -> payments.GetPaymentResponse:
    request = payments.GetPaymentRequest(id=payment_id)
    return peers.centre().payments.GetPayment(request, timeout=CALL_S)


def state(peers: Peers, payment_id: bytes) -> int:
    return get(peers, payment_id).state


def wait_for(
    peers: Peers, payment_id: bytes, wanted: int, timeout_s: float = 60
) -> None:
    until(lambda: state(peers, payment_id) == wanted, timeout_s)


def exceptions(peers: Peers) -> list[exceptions_pb2.Exception]:
    request = exceptions_pb2.ListExceptionsRequest(page_size=1_000)
    reply = peers.treasury.admin.ListExceptions(request, timeout=CALL_S)
    return list(reply.exceptions)


def cases_of(peers: Peers, payment_id: bytes) -> list[exceptions_pb2.Exception]:
    hold = get(peers, payment_id).entry.sequence
    return [one for one in exceptions(peers) if one.payment.sequence == hold]


def biller_state(peers: Peers, name: str) -> admin_pb2.BillerState:
    request = admin_pb2.ListBillersRequest()
    reply = peers.auditor.admin.ListBillers(request, timeout=CALL_S)
    found = [one for one in reply.billers if one.biller == name]
    # One that has no confirmed service is not listed without a connection.
    return found[0] if found else admin_pb2.BillerState(biller=name)


# --- one question, one answer -------------------------------------------------------


def test_confirmed_and_rejected(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        good, bad = pay(peers, count=2)
        questions = biller.first(good, bad)
        assert [one.kind for one in questions] == [CONFIRM, CONFIRM]
        assert [one.id for one in biller.questions[:2]] == [good, bad]
        entry = get(peers, good).entry
        question = questions[0]
        assert question.number == question.sequence == entry.sequence
        assert (question.service, question.reference) == ("CONFIRM", entry.reference)
        assert (question.amount, question.time_ns) == (RUPEE, entry.time_ns)
        assert question.deadline_ns > time.time_ns() - 10**9
        biller.send(reject(questions[1]), confirm(questions[0]))
        wait_for(peers, good, COMPLETED)
        wait_for(peers, bad, REVERSED)
        assert get(peers, good).resolution.receipt > 0
        assert biller_state(peers, "power").p99_ms > 0


def test_many_out_of_order_in_few_messages(peers: Peers) -> None:
    with ScriptedBiller(peers.biller("gas")) as biller:
        # As many as one centre may have out: none of them waits.
        ids = pay(peers, "GAS", count=500)
        questions = biller.wait_for(500)
        # One message for each group, however many payments it has.
        assert len(biller.messages) <= 8
        assert [one.number for one in questions] == sorted(
            one.number for one in questions
        )
        biller.send(*[confirm(one) for one in reversed(questions)])
        until(lambda: all(state(peers, one) == COMPLETED for one in ids[::100]))
        receipts = [get(peers, one).resolution.receipt for one in ids[::100]]
        assert receipts == sorted(receipts, reverse=True)
        until(lambda: not biller_state(peers, "gas").asked)


def test_an_answer_given_twice_counts_once(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        [paid] = pay(peers)
        [question] = biller.first(paid)
        biller.send(confirm(question), confirm(question, "OTHER"))
        biller.send(confirm(question))
        wait_for(peers, paid, COMPLETED)
        first = get(peers, paid)
        biller.send(confirm(question))
        [other] = pay(peers)
        biller.send(*map(confirm, biller.first(other)))
        wait_for(peers, other, COMPLETED)
        assert get(peers, paid).resolution == first.resolution
        assert not cases_of(peers, paid)


def test_a_basket_is_one_question_with_one_answer(peers: Peers) -> None:
    def basket() -> list[payments.PaymentOutcome]:
        bills = [payment("CONFIRM", amount=RUPEE) for _ in range(3)]
        request = payments.CreateBasketRequest(basket=payments.Basket(payments=bills))
        outcomes = peers.centre().payments.CreateBasket(request, timeout=CALL_S)
        assert {one.state for one in outcomes.outcomes} == {HELD}
        return list(outcomes.outcomes)

    with ScriptedBiller(peers.biller()) as biller:
        first, second = basket(), basket()
        questions = biller.first(first[0].id, second[0].id)
        assert {one.id for one in biller.questions} == {one.id for one in questions}
        assert [one.id for one in questions[0].basket] == [one.id for one in first]
        # An answer about a later payment of the basket is no answer to the question.
        wrong = confirm(questions[1].basket[1])
        biller.send(wrong, reject(questions[1]), confirm(questions[0]))
        for one in first:
            wait_for(peers, one.id, COMPLETED)
        for one in second:
            wait_for(peers, one.id, REVERSED)
        late = confirm(questions[1])
        biller.send(late)
        until(lambda: all(cases_of(peers, one.id) for one in second))


# --- what goes wrong ----------------------------------------------------------------


def test_wrong_answers_do_no_harm(peers: Peers) -> None:
    with (
        ScriptedBiller(peers.biller()) as biller,
        ScriptedBiller(peers.biller("water")) as stranger,
    ):
        [paid] = pay(peers)
        [question] = biller.first(paid)
        other_id = pb.Answer(number=question.number, id=bytes(15) + b"1", kind=CREDITED)
        no_kind = pb.Answer(number=question.number, id=question.id)
        nowhere = pb.Answer(number=1 << 60, id=question.id, kind=CREDITED)
        no_hold = pb.Answer(number=1, id=question.id, kind=CREDITED)
        no_bill = pb.Answer(number=1 << 63 | 77, id=question.id, kind=CREDITED)
        biller.send(other_id, no_kind, nowhere, no_hold, no_bill)
        stranger.send(confirm(question))
        time.sleep(0.2)
        assert state(peers, paid) in (HELD, UNKNOWN)
        # A reference that is too long is sent back; nothing was taken.
        biller.send(confirm(question, "X" * 33))
        until(lambda: biller.refused)
        assert state(peers, paid) in (HELD, UNKNOWN)
        biller.send(confirm(question))
        wait_for(peers, paid, COMPLETED)
        assert biller.error is None
        assert stranger.error is None
    assert "gave 4 wrong answers" in peers.server.log()


def test_too_many_wrong_answers_end_the_connection(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        wrong = [pb.Answer(number=1 << 60, id=bytes(16), kind=CREDITED)] * 21
        biller.send(*wrong)
        until(lambda: biller.error is not None)
        assert Failure(biller.error).code is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[arg-type]


def test_a_malformed_message_ends_the_connection(peers: Peers) -> None:
    method = "/payswitch.v1.BillerService/Connect"
    connect: Any = peers.biller().channel.stream_stream(method)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        list(connect(iter([b"\x0a\xff"])))


def test_who_may_connect(peers: Peers) -> None:
    for peer in (peers.centre(), peers.treasury, peers.harness):
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            list(peer.billers.Connect(iter([]), timeout=CALL_S))


def test_connections_are_bounded(peers: Peers) -> None:
    peer = peers.biller("land")
    billers = [ScriptedBiller(peer) for _ in range(16)]
    try:
        assert biller_state(peers, "land").connections == 16
        with failing(grpc.StatusCode.RESOURCE_EXHAUSTED):
            list(peer.billers.Connect(iter([]), timeout=CALL_S))
    finally:
        for one in billers:
            one.close()
    until(lambda: biller_state(peers, "land").connections == 0)


# --- connections that come and go ---------------------------------------------------


def test_a_new_connection_resumes(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as first:
        ids = pay(peers, count=5)
        asked = first.first(*ids)
    until(lambda: not biller_state(peers, "power").connections)
    later = pay(peers, count=2)
    # What was asked on it may have been credited: its state is not known. Rows of their
    # own say so, in a group after the end of the connection.
    for one in ids:
        wait_for(peers, one, UNKNOWN)
    assert {state(peers, one) for one in later} == {HELD}
    with ScriptedBiller(peers.biller(), willing) as second:
        for one in (*ids, *later):
            wait_for(peers, one, COMPLETED)
        # The same numbers, and what became of them comes before anything else.
        again = {one.id: one for one in reversed(second.questions)}
        assert {again[one.id].number for one in asked} == {one.number for one in asked}
        assert {again[one].kind for one in ids} == {STATUS}
        assert {again[one].kind for one in later} == {CONFIRM}


def test_an_answer_counts_on_whichever_connection(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as one, ScriptedBiller(peers.biller()) as two:
        until(lambda: biller_state(peers, "power").connections == 2)

        def are_asked(paid: list[bytes]) -> bool:
            found = {each.id for each in [*one.questions, *two.questions]}
            return found >= set(paid)

        ids = pay(peers, count=2)
        # Asked by now, or one message might have had room for all three.
        until(lambda: are_asked(ids))
        pay_more = pay(peers, count=1)
        until(lambda: are_asked(pay_more))
        # They are asked in turn.
        assert one.questions
        assert two.questions
        two.send(*map(confirm, one.questions))
        one.send(*map(confirm, two.questions))
        for each in (*ids, *pay_more):
            wait_for(peers, each, COMPLETED)


def test_an_answer_from_a_dead_connection_counts(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as first:
        [paid] = pay(peers)
        [question] = first.first(paid)
    with ScriptedBiller(peers.biller()) as second:
        second.send(confirm(question))
        wait_for(peers, paid, COMPLETED)


# --- no answer ----------------------------------------------------------------------


def test_unknown_is_asked_about_and_then_known(peers: Peers) -> None:
    seen = threading.Event()

    def slowly(question: pb.Question) -> Iterable[pb.Answer]:
        asked = [one for one in biller.questions if one.id == question.id]
        if question.kind == CONFIRM:
            return ()
        known = len(asked) >= 3 and seen.is_set()
        return (confirm(question),) if known else (unknown(question),)

    with ScriptedBiller(peers.biller()) as biller:
        biller.script = slowly
        [paid] = pay(peers)
        wait_for(peers, paid, UNKNOWN)
        seen.set()
        wait_for(peers, paid, COMPLETED)
        kinds = biller.asked(paid)
        assert kinds[:3] == [CONFIRM, STATUS, STATUS]
        assert set(kinds[3:]) <= {STATUS}


def test_who_never_got_it_is_asked_to_confirm_again(peers: Peers) -> None:
    def forgetful(question: pb.Question) -> Iterable[pb.Answer]:
        asked = biller.asked(question.id)
        if asked == [CONFIRM]:
            return ()
        if asked == [CONFIRM, STATUS]:
            return (not_seen(question),)
        return (confirm(question),)

    with ScriptedBiller(peers.biller()) as biller:
        biller.script = forgetful
        [paid] = pay(peers)
        wait_for(peers, paid, COMPLETED)
        kinds = biller.asked(paid)
        assert kinds[:3] == [CONFIRM, STATUS, CONFIRM]
        # A confirmation that a busy machine has held up is asked for again.
        assert set(kinds[3:]) <= {STATUS}


def test_what_was_never_seen_ends_when_nobody_may_credit_it(peers: Peers) -> None:
    def deaf(question: pb.Question) -> Iterable[pb.Answer]:
        return (not_seen(question),) if question.kind == STATUS else ()

    with ScriptedBiller(peers.biller(), deaf) as biller:
        [paid] = pay(peers, "BRIEF")
        wait_for(peers, paid, REVERSED)
        entry = get(peers, paid)
        assert entry.resolution.note == "NOT_SEEN"
        questions = [one for one in biller.questions if one.id == paid]
        until = {one.credit_until_ns for one in questions}
        assert len(until) == 1
        [credit_until] = until
        # Each to credit it leaves time for the answer, and the last comes after.
        for one in questions:
            assert one.sent_ns < credit_until or one.kind == STATUS
        assert questions[0].credit_within_ms > 0
        assert questions[-1].sent_ns > credit_until
        assert questions[-1].credit_within_ms == 0
        assert not cases_of(peers, paid)


def test_an_absent_biller_locks_no_wallet(tmp_path: Path) -> None:
    soon_away = SETTINGS | {"biller.absent_ms": 600}
    with (
        running(tmp_path, *settings(soon_away)) as server,
        closing(Peers(server)) as peers,
    ):
        load(peers)
        paid = [*pay(peers, "BRIEF", 2), *pay(peers, "KEPT")]
        for one in paid:
            wait_for(peers, one, REVERSED)
            end = get(peers, one).resolution
            assert (end.kind, end.note) == (types_pb2.ENTRY_KIND_VOID, "")
            assert not cases_of(peers, one)
        # It comes back, is not asked about them any more, and is soon as healthy as
        # before.
        with ScriptedBiller(peers.biller(), willing) as biller:
            for _ in range(4):
                [other] = pay(peers)
                wait_for(peers, other, COMPLETED)
            assert not {one.id for one in biller.questions} & set(paid)
            closed = admin_pb2.BILLER_HEALTH_CLOSED
            assert biller_state(peers, "power").health == closed


def test_a_dead_biller_is_asked_within_its_budget_and_then_the_money_is_back(
    peers: Peers,
) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        [paid] = pay(peers, "BRIEF")
        # It is unknown for two seconds at most, which nobody need look at.
        wait_for(peers, paid, UNVERIFIED)
        kinds = biller.asked(paid)
        assert kinds[0] == CONFIRM
        assert set(kinds[1:]) == {STATUS}
        # The schedule's, and one when it is final what was not seen.
        assert 1 < len(kinds) <= 6
        # It confirms after all: the treasury hears of it, once.
        late = confirm(biller.questions[0])
        biller.send(late)
        told = [exceptions_pb2.EXCEPTION_KIND_LATE_CONFIRMATION]
        # Until then it is a case for being unverified.
        until(lambda: [one.kind for one in cases_of(peers, paid)] == told)
        biller.send(late)
        [case] = cases_of(peers, paid)
        assert (case.payment.service, case.payment.biller) == ("BRIEF", "power")
        assert state(peers, paid) == UNVERIFIED
        # And takes it back.
        biller.send(reject(biller.questions[0]))
        until(lambda: not cases_of(peers, paid))
        assert state(peers, paid) == EXPIRED


def test_a_rejection_after_the_confirmation_is_a_case(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        [paid] = pay(peers)
        [question] = biller.first(paid)
        biller.send(confirm(question), reject(question))
        until(lambda: len(cases_of(peers, paid)) == 1)
        [case] = cases_of(peers, paid)
        assert case.kind == exceptions_pb2.EXCEPTION_KIND_LATE_REJECTION
        assert state(peers, paid) == COMPLETED


def test_a_kept_hold_outlives_its_deadline(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        bill = payment("KEPT", amount=RUPEE)
        held = peers.centre().pay(bill)
        until(lambda: len(cases_of(peers, bill.id)) == 1)
        [case] = cases_of(peers, bill.id)
        assert case.kind == exceptions_pb2.EXCEPTION_KIND_KEPT
        assert state(peers, bill.id) == KEPT
        second = payment("KEPT", amount=RUPEE, reference=bill.reference)
        refused = peers.centre().pay(second)
        assert refused.result == results.RESULT_BILL_ALREADY_CLAIMED
        assert refused.other_sequence == held.sequence
        biller.send(confirm(biller.wait_for(1)[0]))
        wait_for(peers, bill.id, COMPLETED)


# --- health -------------------------------------------------------------------------


def test_a_sick_biller_rests_and_comes_back(peers: Peers) -> None:
    with ScriptedBiller(peers.biller("water")) as biller:
        ids = pay(peers, "WATER", 4)
        # Two at once: a centre whose questions alone fail would rest alone.
        pay(peers, "WATER", 4, "centre-b")
        until(
            lambda: biller_state(peers, "water").health == admin_pb2.BILLER_HEALTH_OPEN
        )
        asked = len(biller.questions)
        more = pay(peers, "WATER", 6)
        # While it rests nothing goes out; then two at a time do.
        until(lambda: len(biller.questions) >= asked + 2)
        assert biller_state(peers, "water").asked <= 2
        biller.script = willing
        for question in biller.questions[asked:]:
            biller.send(confirm(question))
        for one in (*ids, *more):
            wait_for(peers, one, COMPLETED)
        assert biller_state(peers, "water").health == admin_pb2.BILLER_HEALTH_CLOSED


def test_a_full_queue_turns_payments_away(peers: Peers) -> None:
    until(lambda: not biller_state(peers, "water").queued)
    ids = pay(peers, "WATER", 40)
    # The ledger is told behind the group that filled the queue.
    until(lambda: biller_state(peers, "water").queued == 40)
    busy = payment("WATER")
    with failing(grpc.StatusCode.RESOURCE_EXHAUSTED) as failures:
        peers.centre().pay(busy)
    assert failures[0].reason == "BILLER_QUEUE_FULL"
    assert failures[0].outcome == "not_done"
    assert failures[0].retry_ms > 0
    # Among others it is the only one that is turned away.
    both = payments.CreatePaymentsRequest(payments=[payment("ANY"), busy])
    reply = peers.centre().payments.CreatePayments(both, timeout=CALL_S)
    assert [one.result for one in reply.outcomes] == [
        results.RESULT_OK,
        results.RESULT_BILLER_BUSY,
    ]
    assert not reply.outcomes[1].sequence
    messages = [
        payments.StreamPaymentsRequest(payments=[one])
        for one in (payment("ANY"), busy, payment("ANY"))
    ]
    call = peers.centre().payments.StreamPayments(iter(messages), timeout=CALL_S)
    outcomes = [one.result for reply in call for one in reply.outcomes]
    assert outcomes == [
        results.RESULT_OK,
        results.RESULT_BILLER_BUSY,
        results.RESULT_OK,
    ]
    # Other billers' payments are taken.
    assert peers.centre().pay(payment("ANY")).result == results.RESULT_OK
    [other] = pay(peers)
    with ScriptedBiller(peers.biller(), willing):
        wait_for(peers, other, COMPLETED)
    with ScriptedBiller(peers.biller("water"), willing):
        for one in ids[::13]:
            wait_for(peers, one, COMPLETED)
        until(lambda: not biller_state(peers, "water").queued)
        assert peers.centre().pay(busy).result == results.RESULT_OK


# --- restarts -----------------------------------------------------------------------


def test_a_restart_resumes(tmp_path: Path) -> None:
    with running(tmp_path, *settings(SETTINGS)) as server:
        peers = Peers(server)
        load(peers)
        with ScriptedBiller(peers.biller()) as biller:
            asked = pay(peers, count=3)
            old = biller.first(*asked)
            basket = payments.CreateBasketRequest(
                basket=payments.Basket(payments=[payment("CONFIRM") for _ in range(2)])
            )
            peers.centre().payments.CreateBasket(basket, timeout=CALL_S)
            biller.first(basket.basket.payments[0].id)
            server.stop(9)
        peers.close()
    with running(tmp_path, *settings(SETTINGS)) as server:
        peers = Peers(server)
        waiting = pay(peers, count=1)
        with ScriptedBiller(peers.biller(), willing) as biller:
            biller.send(confirm(old[0], "BEFORE"))
            together = [one.id for one in basket.basket.payments]
            for one in (*asked, *waiting, *together):
                wait_for(peers, one, COMPLETED)
            # Idempotent by id: what was asked before is asked again as it was.
            numbers = {one.id: one.number for one in old}
            for question in biller.questions:
                assert numbers.get(question.id, question.number) == question.number
            # Nobody is asked to credit what may have been credited before.
            kinds = {one.id: one.kind for one in reversed(biller.questions)}
            assert kinds[asked[1]] == kinds[together[0]] == STATUS
            assert kinds[waiting[0]] == CONFIRM
        peers.close()


def test_a_connection_ends_with_the_server(tmp_path: Path) -> None:
    with running(tmp_path, *settings(SETTINGS)) as server:
        peers = Peers(server)
        load(peers)
        with ScriptedBiller(peers.biller()) as biller:
            pay(peers)
            assert server.stop() == 0
            until(lambda: biller.error is not None)
            failure = Failure(biller.error)  # type: ignore[arg-type]
            assert failure.code is grpc.StatusCode.UNAVAILABLE
        peers.close()


def test_no_reference_is_logged(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        bill = payment("CONFIRM", reference="SECRET-BILL")
        peers.centre().pay(bill)
        [question] = biller.first(bill.id)
        biller.send(confirm(question, "SECRET-REFERENCE" * 3), confirm(question))
        wait_for(peers, bill.id, COMPLETED)
    assert "SECRET" not in peers.server.log()
