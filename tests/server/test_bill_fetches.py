"""Goal: a bill is asked for once, answered in time or not, and never leaves a trace.

Method: CounterService.FetchBill and PayBill over real sockets, with a scripted biller
that answers, refuses, keeps silent, or is not there.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from switch.v1 import admin_pb2, counter_pb2, counter_pb2_grpc, payments_pb2
from switch.v1 import billers_pb2 as pb
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Peers,
    ServerProcess,
    failing,
    figure,
    load,
    network,
    payment,
    running,
    until,
)
from tests.server.scripted_biller import (
    ScriptedBiller,
    confirm,
    due_bill,
    owes,
    reject,
    unknown,
    willing,
)
from tests.server.test_billers import biller_state, settings

SETTINGS = {
    "biller.fetch_timeout_ms": 1_000,
    # Several of its fetches wait for one another.
    "billers.power.fetch_timeout_ms": 5_000,
    "biller.fetches_max": 8,
    "biller.answer_timeout_ms": 300,
    # A busy machine is slow to connect: else it would be away, and then on trial.
    "biller.absent_ms": 3_600_000,
    "biller.rest_first_ms": 60_000,
    "biller.health_failures_min": 5,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("fetches")
    with running(directory, *settings(SETTINGS)) as process:
        yield process


def fetch(peers: Peers, reference: str, service: str = "EXACT") -> counter_pb2.Bill:
    stub = counter_pb2_grpc.CounterServiceStub(peers.centre().channel)
    request = counter_pb2.FetchBillRequest(service=service, reference=reference)
    [bill] = stub.FetchBill(request, timeout=CALL_S).bills
    return bill


def pay_bill(peers: Peers, service: str) -> payments_pb2.PaymentOutcome:
    stub = counter_pb2_grpc.CounterServiceStub(peers.centre().channel)
    request = counter_pb2.PayBillRequest(payment=payment(service, amount=RUPEE))
    return stub.PayBill(request, timeout=CALL_S).outcome


def sequence(peers: Peers) -> int:
    request = admin_pb2.GetLedgerRequest()
    return peers.treasury.admin.GetLedger(request, timeout=CALL_S).sequence


def test_a_bill_as_the_biller_says(peers: Peers) -> None:
    before = sequence(peers)
    with ScriptedBiller(peers.biller(), willing) as biller:
        bill = fetch(peers, "CONSUMER-1")
        assert (bill.id, bill.service) == ("BILL-CONSUMER-1", "EXACT")
        assert (bill.reference, bill.amount_due) == ("CONSUMER-1", 100 * RUPEE)
        [question] = biller.questions
        assert question.kind == pb.QUESTION_KIND_FETCH_BILL
        assert question.number >> 63
        assert (question.service, question.reference) == ("EXACT", "CONSUMER-1")
    assert sequence(peers) == before


def test_equal_fetches_are_one_question(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller, ThreadPoolExecutor(6) as threads:
        given = "front_calls_given_total"
        before = figure(peers.server, given)
        calls = [threads.submit(fetch, peers, "SAME") for _ in range(6)]
        [question] = biller.wait_for(1)
        # All of them have come before the answer does.
        until(lambda: figure(peers.server, given) == before + 6)
        biller.send(confirm(question))
        assert {call.result().id for call in calls} == {"BILL-SAME"}
        assert len(biller.questions) == 1


def test_no_such_bill(peers: Peers) -> None:
    def none(question: pb.Question) -> Iterable[pb.Answer]:
        return (reject(question, "NO_BILL"),)

    with (
        ScriptedBiller(peers.biller(), none),
        failing(grpc.StatusCode.NOT_FOUND) as failures,
    ):
        fetch(peers, "NOBODY")
    assert failures[0].reason == "BILL_NOT_FOUND"


def test_a_bill_that_cannot_be_paid_is_told_at_once(peers: Peers) -> None:
    def wrong(question: pb.Question) -> Iterable[pb.Answer]:
        return (owes(question, due_bill(question), due_bill(question, id="বিল-১")),)

    with ScriptedBiller(peers.biller(), wrong) as biller:
        with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
            fetch(peers, "UNREADABLE")
        assert (failures[0].reason, failures[0].outcome) == (
            "BILL_UNREADABLE",
            "not_done",
        )
        assert "power" in failures[0].text
        assert "bills[1].id" in failures[0].text
        assert failures[0].field == "bills[1].id"
        assert len(biller.questions) == 1
    assert "power gave 1 wrong answers" in peers.server.log()


def test_a_biller_that_does_not_know_or_does_not_answer(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        for script in (lambda one: (unknown(one),), lambda one: ()):
            biller.script = script
            with failing(grpc.StatusCode.UNAVAILABLE) as failures:
                fetch(peers, "SLOW")
            assert failures[0].reason == "BILLER_UNAVAILABLE"
            assert failures[0].retry_ms > 0
        # What comes too late is for nobody, and no harm.
        biller.send(confirm(biller.questions[-1]))
        biller.script = willing
        assert fetch(peers, "SLOW").id == "BILL-SLOW"


def test_fetches_are_bounded(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller, ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(fetch, peers, f"MANY-{at}") for at in range(8)]
        biller.wait_for(8)
        with failing(grpc.StatusCode.RESOURCE_EXHAUSTED):
            fetch(peers, "ONE-MORE")
        biller.send(*map(confirm, biller.questions))
        assert len({call.result().id for call in calls}) == 8


def test_who_is_not_there_cannot_be_asked(tmp_path: Path) -> None:
    soon_away = SETTINGS | {"biller.absent_ms": 300}
    with (
        running(tmp_path, *settings(soon_away)) as server,
        closing(Peers(server)) as peers,
    ):
        load(peers)
        # One that waits long enough for its biller to come.
        [kept] = [one for one in network().services if one.code == "KEPT"]
        kept.deadline_s = 60
        request = admin_pb2.LoadNetworkRequest(services=[kept])
        peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
        nobody_is_there(peers)


def nobody_is_there(peers: Peers) -> None:
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        fetch(peers, "W", "SUPPLY")
    assert failures[0].reason == "BILLER_UNAVAILABLE"
    # A service that gives the money back at the deadline refuses at once; one that
    # keeps it waits for its biller.
    until(lambda: biller_state(peers, "power").connections == 0)
    until(lambda: biller_state(peers, "power").health == 2)
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        pay_bill(peers, "CONFIRM")
    assert failures[0].outcome == "not_done"
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(pay_bill, peers, "KEPT")
        until(lambda: biller_state(peers, "power").queued == 1)
        with ScriptedBiller(peers.biller(), willing):
            assert call.result().state == payments_pb2.PAYMENT_STATE_COMPLETED


def test_a_sick_biller_is_not_asked_for_bills(peers: Peers) -> None:
    with ScriptedBiller(peers.biller("water")) as biller:
        for at in range(5):
            with failing(grpc.StatusCode.UNAVAILABLE):
                fetch(peers, f"SICK-{at}", "SUPPLY")
        asked = len(biller.questions)
        biller.script = willing
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            fetch(peers, "SICK", "SUPPLY")
        # Until its rest ends.
        assert failures[0].retry_ms > 30_000
        assert len(biller.questions) == asked
