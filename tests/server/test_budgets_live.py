"""Goal: each participant of a whole server has the budgets of its role, or its own from
the register, at once; who is over them is seen; and a biller's answers are never held.

Method: a server whose centres and billers may do next to nothing a second. A budget is
overdrawn for minutes, so that what follows is refused however slow the machine is.
"""

import queue
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import grpc
import pytest

from switch.codes import Budget
from switch.v1 import billers_pb2, counter_pb2
from switch.v1 import payments_pb2 as pb
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
from tests.server.scripted_biller import ScriptedBiller, confirm
from tests.server.test_metrics import wait_for
from tests.server.test_register_budgets import say

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
MANY = 600
BOUND_S = 60.0
"""Only a failure waits so long."""
NARROW = {
    f"{of}_{per}": 16 if (of, per) == ("payments", "at_once") else 1
    for of in ("payments", "reads", "fetches")
    for per in ("per_s", "at_once")
}
SETTINGS = {
    **{f"budget.centre.{name}": value for name, value in NARROW.items()},
    **{f"budget.biller.{name}": value for name, value in NARROW.items()},
    "budget.biller.owner_feeds_max": 2,
    "budget.centre.owner_watches_max": 3,
    "budget.centre.reads_at_once": 100,
    "budget.biller.reads_at_once": 20,
    "biller.fetch_timeout_ms": 60_000,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    arguments = [
        part
        for name, value in SETTINGS.items()
        for part in ("--set", f"{name}={value}")
    ]
    with running(tmp_path_factory.mktemp("budgets"), *arguments) as process:
        yield process


@pytest.fixture(scope="module")
def peers(server: ServerProcess) -> Iterator[Peers]:
    found = Peers(server)
    load(found)
    yield found
    found.close()


def refused(call: Callable[[], object], budget: str) -> Failure:
    with failing(EXHAUSTED) as failures:
        call()
    [failure] = failures
    assert (failure.reason, failure.outcome) == ("OVER_BUDGET", "not_done")
    assert failure.budget == budget
    assert failure.retry_ms > 0
    return failure


def spend(peers: Peers, centre: str) -> list[Any]:
    bills = [payment() for _ in range(MANY)]
    assert all(
        one.result == results.RESULT_OK for one in peers.centre(centre).pay_all(bills)
    )
    return bills


def test_payments_of_a_centre_are_bounded_and_nobody_elses(
    peers: Peers, server: ServerProcess
) -> None:
    bills = spend(peers, "centre-a")
    failure = refused(lambda: peers.centre("centre-a").pay(payment()), "payments_per_s")
    assert failure.retry_ms > MANY / 2 * 1_000
    # Sent again a payment costs one again; its answer waits for the treasury's word.
    refused(lambda: peers.centre("centre-a").pay(bills[0]), "payments_per_s")
    # So does what is paid by Python.
    request = counter_pb2.PayBillRequest(payment=payment("CONFIRM"))
    stub = peers.centre("centre-a").counter
    refused(lambda: stub.PayBill(request, timeout=CALL_S), "payments_per_s")
    # It reads all the same, and others pay.
    looked = pb.GetPaymentRequest(id=bills[0].id)
    stub_of = peers.centre("centre-a").payments
    assert stub_of.GetPayment(looked, timeout=CALL_S).entry.id == bills[0].id
    assert peers.centre("centre-b").pay(payment()).result == results.RESULT_OK
    # Another role has more than a centre.
    own = [payment(centre="centre-c") for _ in range(2 * MANY)]
    assert len(peers.harness.pay_all(own)) == len(own)
    assert peers.harness.pay(payment(centre="centre-c")).result == results.RESULT_OK
    # An operator sees which budget, and who.
    name = 'payswitch_front_over_budget_total{budget="payments"}'
    wait_for(server.metrics, name, 3)
    # And that it was turned away, as in the security log.
    noted = 'payswitch_turned_away_total{cause="over_budget"}'
    until(lambda: wait_for(server.metrics, "payswitch_ready", 1)[noted] >= 3, BOUND_S)


def test_the_register_goes_before_the_role_at_once(peers: Peers) -> None:
    bills = spend(peers, "centre-d")
    centre = peers.centre("centre-d")
    refused(lambda: centre.pay(bills[0]), "payments_per_s")
    told = say(peers.treasury, "centre-d", Budget.PAYMENTS_PER_S, 1_000_000)
    assert told.result == results.RESULT_OK
    # On the connection that is open, within a moment.
    until(lambda: not is_refused(lambda: centre.pay(bills[0])))
    assert centre.pay(bills[0]).repeat
    told = say(peers.treasury, "centre-d", Budget.PAYMENTS_PER_S, 0)
    assert told.result == results.RESULT_OK
    until(lambda: is_refused(lambda: centre.pay_all(bills)))


def is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except grpc.RpcError as error:
        return Failure(error).reason == "OVER_BUDGET"
    return False


def test_a_stream_of_who_is_over_waits_until_the_treasury_helps(peers: Peers) -> None:
    centre = peers.centre("centre-q")
    bills = [payment("EXACT") for _ in range(MANY)]
    centre.pay_all(bills)  # refused each by a rule; what they cost they cost
    call: Any = centre.payments.StreamPayments(
        iter([pb.StreamPaymentsRequest(payments=[bills[0]])]), timeout=CALL_S
    )
    replies = iter(call)
    time.sleep(0.1)
    assert not call.done()
    say(peers.treasury, "centre-q", Budget.PAYMENTS_PER_S, 1_000_000)
    [outcome] = next(replies).outcomes
    assert outcome.id == bills[0].id
    assert next(replies, None) is None
    say(peers.treasury, "centre-q", Budget.PAYMENTS_PER_S, 0)


def test_fetches_are_bounded_by_their_references(peers: Peers) -> None:
    def fetch(count: int) -> object:
        references = [f"R{number}" for number in range(count)]
        request = counter_pb2.FetchBillsRequest(service="EXACT", references=references)
        return peers.centre("centre-b").counter.FetchBills(request, timeout=CALL_S)

    with ScriptedBiller(peers.biller(), lambda question: [confirm(question)]):
        fetch(100)
        failure = refused(lambda: fetch(1), "fetches_per_s")
    assert failure.retry_ms > 50_000


def test_lists_cost_more_than_a_look(peers: Peers) -> None:
    centre = peers.centre("centre-c")
    request = pb.ListPaymentsRequest()
    began_s = time.monotonic()
    let = 0
    while not is_refused(lambda: centre.payments.ListPayments(request, timeout=CALL_S)):
        let += 1
    # Ten of a hundred, and of what has come since.
    assert 10 <= let <= 11 + (time.monotonic() - began_s) / 10


def test_feeds_are_bounded(peers: Peers) -> None:
    stub = peers.biller("water").billers
    request = billers_pb2.FollowFeedRequest()
    ended: queue.Queue[Any] = queue.Queue()
    feeds: list[Any] = [stub.FollowFeed(request, timeout=BOUND_S) for _ in range(3)]
    for feed in feeds:
        feed.add_done_callback(ended.put)
    # One of them, whichever came last.
    refused_one = ended.get(timeout=BOUND_S)
    assert refused_one.code() is EXHAUSTED
    end = billers_pb2.FollowFeedRequest(end_at_newest=True)
    refused(lambda: list(stub.FollowFeed(end, timeout=CALL_S)), "feeds")
    for feed in feeds:
        feed.cancel()
    until(lambda: not is_refused(lambda: list(stub.FollowFeed(end, timeout=CALL_S))))


def test_watches_are_bounded(peers: Peers) -> None:
    say(peers.treasury, "centre-p", Budget.READS_AT_ONCE, 10_000)
    centre = peers.centre("centre-p")
    held = payment("GAS", centre="centre-p")
    assert peers.harness.pay(held).result == results.RESULT_OK
    request = pb.WatchPaymentRequest(id=held.id, sender="harness")
    watches = []
    for _ in range(3):
        watch = centre.payments.WatchPayment(request, timeout=CALL_S)
        assert next(iter(watch)).payment.entry.id == held.id
        watches.append(watch)
    refused(
        lambda: next(iter(centre.payments.WatchPayment(request, timeout=CALL_S))),
        "watches",
    )
    watches.pop().cancel()
    until(
        lambda: (
            not is_refused(
                lambda: next(
                    iter(centre.payments.WatchPayment(request, timeout=CALL_S))
                )
            )
        )
    )
    for watch in watches:
        watch.cancel()


def is_completed(peers: Peers, payment_id: bytes) -> bool:
    request = pb.GetPaymentRequest(id=payment_id)
    told = peers.harness.payments.GetPayment(request, timeout=CALL_S)
    return told.state == pb.PAYMENT_STATE_COMPLETED


def test_what_a_biller_answers_is_never_held(peers: Peers) -> None:
    count = 200
    bills = [payment("CONFIRM", centre="centre-c") for _ in range(count)]
    with ScriptedBiller(peers.biller(), lambda question: [confirm(question)]) as biller:
        assert len(peers.harness.pay_all(bills)) == count
        biller.wait_for(count)
        for bill in bills[:: count // 4]:
            until(partial(is_completed, peers, bill.id))
    # Nor by calls: more of them than it has reads.
    answer = billers_pb2.Answer(
        number=1, id=bills[0].id, kind=billers_pb2.ANSWER_KIND_REJECTED, reason="NO"
    )
    told = billers_pb2.AcknowledgeRequest(answers=[answer])
    for _ in range(40):
        peers.biller().billers.Acknowledge(told, timeout=CALL_S)
