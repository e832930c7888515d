"""Goal: no centre alone closes a biller to the others, whatever it asks or pays.

Method: a real server with short times and a biller over real sockets that answers some
centres and not one of them; what the others are told is what matters.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from switch.v1 import admin_pb2, counter_pb2
from switch.v1 import billers_pb2 as pb
from switch.v1 import payments_pb2 as payments
from switch.v1 import results_pb2 as results
from tests.server.harness import (
    CALL_S,
    Failure,
    Peers,
    ServerProcess,
    failing,
    load,
    payment,
    running,
    until,
)
from tests.server.scripted_biller import ScriptedBiller, confirm, willing
from tests.server.test_billers import biller_state, settings

HOSTILE, OTHERS = "centre-a", ("centre-b", "centre-c", "centre-d")
CLOSED = admin_pb2.BILLER_HEALTH_CLOSED
OPEN = admin_pb2.BILLER_HEALTH_OPEN
COMPLETED = payments.PAYMENT_STATE_COMPLETED
HOLDS_MAX = 64
REFUSALS_AT_ONCE = 100

SETTINGS = {
    "centre_holds_max": HOLDS_MAX,
    "budget.refusals_at_once": REFUSALS_AT_ONCE,
    "budget.refusals_per_s": 1,
    "biller.fetch_timeout_ms": 1_000,
    "biller.fetches_max": 64,
    "biller.centre_fetches_max": 16,
    "biller.fetch_concurrency_max": 24,
    "biller.concurrency_max": 32,
    "biller.answer_timeout_ms": 1_000,
    "biller.status_first_ms": 60_000,
    "biller.absent_ms": 60_000,
    "biller.rest_first_ms": 60_000,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("fairness")
    # What is pending is looked at before its time is over.
    patient = SETTINGS | {"biller.fetch_timeout_ms": 4_000}
    with running(directory, *settings(patient)) as process:
        yield process


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """Another server: what a test leaves resting is nobody else's."""
    directory = tmp_path_factory.mktemp("fairness")
    with running(directory, *settings(SETTINGS)) as process:
        made = Peers(process)
        load(made)
        yield made
        made.close()


def fetch(peers: Peers, reference: str, centre: str) -> counter_pb2.Bill:
    request = counter_pb2.FetchBillRequest(service="EXACT", reference=reference)
    stub = peers.centre(centre).counter
    [bill] = stub.FetchBill(request, timeout=CALL_S).bills
    return bill


def fetch_many(
    peers: Peers, first: int, count: int, centre: str = HOSTILE
) -> list[str]:
    """How these references end, one by one."""
    references = [f"BAD-{first + at}" for at in range(count)]
    request = counter_pb2.FetchBillsRequest(service="EXACT", references=references)
    stub = peers.centre(centre).counter
    return [one.error for one in stub.FetchBills(request, timeout=CALL_S).fetched]


def pay_bill(peers: Peers, centre: str, service: str = "CONFIRM") -> int:
    one = payment(service, amount=1)
    request = counter_pb2.PayBillRequest(payment=one, wait_ms=10_000)
    stub = peers.centre(centre).counter
    return stub.PayBill(request, timeout=CALL_S).outcome.state


def unless_bad(question: pb.Question) -> Iterable[pb.Answer]:
    """Answers everything but fetches of a reference that begins with BAD."""
    return () if question.reference.startswith("BAD") else (confirm(question),)


def all_get_through(peers: Peers) -> None:
    for centre in OTHERS:
        assert fetch(peers, f"GOOD-{centre}", centre).id
        assert pay_bill(peers, centre) == COMPLETED


def test_unanswered_fetches_of_one_centre_rest_it_alone(fresh: Peers) -> None:
    with ScriptedBiller(fresh.biller(), unless_bad):
        for at in range(4):
            fetch_many(fresh, 100 * at, 25)
            all_get_through(fresh)
        # It is told so at once, and when to come again.
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            fetch(fresh, "BAD-999", HOSTILE)
        assert (failures[0].reason, failures[0].outcome) == (
            "BILLER_UNAVAILABLE",
            "not_done",
        )
        assert 30_000 < failures[0].retry_ms <= 60_000
        state = biller_state(fresh, "power")
        assert (state.health, state.fetch_health) == (CLOSED, CLOSED)
        assert state.resting_centres == 1
        # It may pay all the same.
        assert pay_bill(fresh, HOSTILE) == COMPLETED


def test_a_biller_that_answers_no_fetch_is_rested_for_fetches_alone(
    fresh: Peers,
) -> None:
    def pays(question: pb.Question) -> Iterable[pb.Answer]:
        is_fetch = question.kind == pb.QUESTION_KIND_FETCH_BILL
        return () if is_fetch else (confirm(question),)

    with ScriptedBiller(fresh.biller(), pays):
        with ThreadPoolExecutor(3) as threads:
            for number, centre in enumerate((HOSTILE, "centre-b", "centre-c")):
                threads.submit(fetch_many, fresh, 100 * number, 16, centre)
        until(lambda: biller_state(fresh, "power").fetch_health == OPEN)
        with failing(grpc.StatusCode.UNAVAILABLE):
            fetch(fresh, "GOOD", "centre-d")
        assert biller_state(fresh, "power").health == CLOSED
        for centre in (HOSTILE, *OTHERS):
            assert pay_bill(fresh, centre) == COMPLETED


def test_a_biller_that_answers_no_payment_is_rested_for_payments_alone(
    fresh: Peers,
) -> None:
    def tells(question: pb.Question) -> Iterable[pb.Answer]:
        is_fetch = question.kind == pb.QUESTION_KIND_FETCH_BILL
        return (confirm(question),) if is_fetch else ()

    with ScriptedBiller(fresh.biller(), tells) as biller:
        for centre in (HOSTILE, "centre-b"):
            bills = [payment("CONFIRM", amount=1) for _ in range(16)]
            fresh.centre(centre).pay_all(bills)
        until(lambda: biller_state(fresh, "power").health == OPEN)
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            pay_bill(fresh, "centre-c")
        assert failures[0].reason == "BILLER_UNAVAILABLE"
        for centre in (HOSTILE, *OTHERS):
            assert fetch(fresh, f"GOOD-{centre}", centre).id
        assert biller_state(fresh, "power").fetch_health == CLOSED
        assert biller.error is None


def busy(call: Callable[[], object]) -> Failure:
    with failing(grpc.StatusCode.RESOURCE_EXHAUSTED) as failures:
        call()
    assert failures[0].outcome == "not_done"
    assert failures[0].retry_ms > 0
    return failures[0]


def test_pending_fetches_of_one_centre_leave_room(peers: Peers) -> None:
    """More than there is room for at all, from one centre."""
    told: list[str] = []
    with ScriptedBiller(peers.biller(), unless_bad) as biller:
        calls = [
            threading.Thread(
                target=lambda at=at: told.extend(fetch_many(peers, 100 * at, 100))
            )
            for at in range(2)
        ]
        for call in calls:
            call.start()
        # Half of the room for questions about bills; the biller keeps silent.
        biller.wait_for(12)
        until(lambda: biller_state(peers, "power").fetches == 16)
        assert busy(lambda: fetch(peers, "ONE-MORE", HOSTILE)).reason == (
            "CENTRE_QUEUE_FULL"
        )
        for centre in OTHERS:
            assert fetch(peers, f"GOOD-{centre}", centre).id
        for call in calls:
            call.join()
    assert told.count("CENTRE_QUEUE_FULL") == 200 - 16
    assert len(told) == 200


def test_refusals_of_one_centre_do_not_fill_the_disk(peers: Peers) -> None:
    """What a rule refuses is recorded up to a bound, and told without a row beyond."""

    def sequence() -> int:
        request = admin_pb2.GetLedgerRequest()
        return peers.auditor.admin.GetLedger(request, timeout=CALL_S).sequence

    wrong = [payment("NONE", amount=1) for _ in range(REFUSALS_AT_ONCE)]
    peers.centre(HOSTILE).pay_all(wrong)
    before = sequence()
    # The clock of the bound is real: some of these have room again by now.
    told = peers.centre(HOSTILE).pay_all(
        [payment("NONE", amount=1) for _ in range(4_000)] + [payment("ANY")]
    )
    spent = [one for one in told if one.result == results.RESULT_TOO_MANY_REFUSALS]
    assert len(spent) > 3_000
    assert not any(one.sequence for one in spent)
    assert sequence() - before == 4_001 - len(spent)
    assert told[-1].result == results.RESULT_OK
    # Known ids have their answers, and other centres theirs.
    again = peers.centre(HOSTILE).pay_all(wrong[:3])
    assert [one.result for one in again] == [results.RESULT_SERVICE_UNKNOWN] * 3
    assert all(one.repeat for one in again)
    other = peers.centre("centre-b").pay(payment("NONE", amount=1))
    assert other.result == results.RESULT_SERVICE_UNKNOWN

    # Alone it is an error. Sixteen need sixteen seconds, which this call does not take.
    peers.centre(HOSTILE).pay_all([payment("NONE", amount=1) for _ in range(4_000)])
    basket = payments.Basket(payments=[payment("NONE", amount=1) for _ in range(16)])
    request = payments.CreateBasketRequest(basket=basket)
    stub = peers.centre(HOSTILE).payments
    error = busy(lambda: stub.CreateBasket(request, timeout=CALL_S))
    assert error.reason == "REFUSALS_SPENT"


def test_holds_of_one_centre_leave_room(peers: Peers) -> None:
    """One-paisa holds without end: they are not taken, and close nothing."""

    def hold(count: int) -> list[payments.PaymentOutcome]:
        bills = [payment("GAS", amount=1) for _ in range(count)]
        return peers.centre(HOSTILE).pay_all(bills)

    outcomes = hold(HOLDS_MAX) + hold(1_000)
    assert [one.result for one in outcomes] == (
        [results.RESULT_OK] * HOLDS_MAX + [results.RESULT_BILLER_BUSY] * 1_000
    )
    request = admin_pb2.GetLedgerRequest()
    told = peers.auditor.admin.GetLedger(request, timeout=CALL_S)
    assert told.holds_turned_away_count == 1_000
    late = outcomes[-1]
    assert late.differing_field == results.FIELD_DEBIT
    assert not late.sequence
    one = payment("GAS", amount=1)
    assert busy(lambda: peers.centre(HOSTILE).pay(one)).reason == "CENTRE_QUEUE_FULL"
    basket = payments.CreateBasketRequest(
        basket=payments.Basket(payments=[one, payment("GAS", amount=1)])
    )
    stub = peers.centre(HOSTILE).payments
    refused = busy(lambda: stub.CreateBasket(basket, timeout=CALL_S))
    assert refused.reason == "CENTRE_QUEUE_FULL"
    # Direct services hold nothing.
    assert peers.centre(HOSTILE).pay(payment("ANY")).result == results.RESULT_OK
    with ScriptedBiller(peers.biller("gas"), willing) as biller:
        assert pay_bill(peers, "centre-b", "GAS") == COMPLETED
        until(lambda: biller_state(peers, "gas").queued == 0)
        # Once they have come to an end the same payment is taken.
        until(lambda: len(biller.questions) > HOLDS_MAX)
        assert peers.centre(HOSTILE).pay(one).result == results.RESULT_OK


def test_unanswered_payments_of_one_centre_leave_room(peers: Peers) -> None:
    hostile = {one.id: one for one in (payment("WATER", amount=1) for _ in range(60))}

    def script(question: pb.Question) -> Iterable[pb.Answer]:
        return () if question.id in hostile else (confirm(question),)

    with ScriptedBiller(peers.biller("water"), script) as biller:
        peers.centre("centre-b").pay_all(hostile.values())
        # Half of the room, whatever waits.
        biller.wait_for(16)
        for centre in (HOSTILE, "centre-c", "centre-d"):
            assert pay_bill(peers, centre, "WATER") == COMPLETED
        until(lambda: biller_state(peers, "water").resting_centres == 1)
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            pay_bill(peers, "centre-b", "WATER")
        assert failures[0].retry_ms > 30_000
        assert biller_state(peers, "water").health == CLOSED
        for centre in (HOSTILE, "centre-c", "centre-d"):
            assert pay_bill(peers, centre, "WATER") == COMPLETED
