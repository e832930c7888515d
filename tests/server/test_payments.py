"""Goal: each way to pay gives the answer that the protocol promises.

Method: a real server, real certificates; each call once right and in each wrong way
that its contract names. Money is followed through the wallet's own figures.
"""

import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from switch.ids import new_id
from switch.v1 import payments_pb2 as pb
from switch.v1 import results_pb2 as results
from switch.v1 import types_pb2 as types
from tests.server.calls import METHODS, exists
from tests.server.harness import (
    CALL_S,
    CENTRES,
    RUPEE,
    Peer,
    Peers,
    failing,
    load,
    network,
    payment,
    running,
)
from tests.stopped import stopped

SERVICE = "/payswitch.v1.PaymentService"
BATCH_MAX = 8_190


@pytest.fixture
def centre(peers: Peers) -> Peer:
    return peers.centre()


def test_one_payment(centre: Peer) -> None:
    first = payment(amount=7 * RUPEE)
    one = centre.pay(first)
    assert one.result == results.RESULT_OK
    assert one.id == first.id
    assert one.sequence > 0
    assert one.time_ns > 0
    assert not one.repeat
    two = centre.pay(payment(amount=7 * RUPEE))
    assert two.receipt == one.receipt + 1
    assert two.wallet_balance == one.wallet_balance - 7 * RUPEE
    assert two.wallet_pending == 0


def test_a_repeat_gets_the_first_answer(centre: Peer) -> None:
    bill = payment()
    first = centre.pay(bill)
    again = centre.pay(bill)
    assert again.repeat
    assert (again.sequence, again.receipt) == (first.sequence, first.receipt)
    assert again.time_ns == first.time_ns
    bill.amount += 1
    other = centre.pay(bill)
    assert other.result == results.RESULT_ID_REUSED
    assert other.differing_field == results.FIELD_AMOUNT


def test_a_batch_is_answered_in_order(centre: Peer) -> None:
    bills = [payment() for _ in range(500)]
    outcomes = centre.pay_all(bills)
    assert [one.id for one in outcomes] == [bill.id for bill in bills]
    assert all(one.result == results.RESULT_OK for one in outcomes)
    sequences = [one.sequence for one in outcomes]
    assert sequences == list(range(sequences[0], sequences[0] + 500))


def test_one_refusal_leaves_the_batch_alone(centre: Peer) -> None:
    bills = [
        payment(),
        payment(amount=0),
        payment(id=b"short"),
        payment(service="NOSUCH"),
        payment("EXACT", amount=5 * RUPEE, amount_due=6 * RUPEE),
        payment("EXACT", amount=6 * RUPEE, amount_due=6 * RUPEE),
        payment("EXACT", amount=6 * RUPEE, quotation=b"q" * 144),
        payment(quotation=b"q" * 144),
        payment(amount=10**17),
        payment(centre="centre-b"),
        payment(reference="x" * 33),
        payment(reference="bill-\u0995"),
        payment(tender=7),
        payment(),
    ]
    assert [one.result for one in centre.pay_all(bills)] == [
        results.RESULT_OK,
        results.RESULT_INVALID_AMOUNT,
        results.RESULT_INVALID_ID,
        results.RESULT_SERVICE_UNKNOWN,
        results.RESULT_AMOUNT_NOT_EXACT,
        results.RESULT_OK,
        results.RESULT_QUOTATION_WRONG,
        results.RESULT_QUOTATION_WRONG,
        results.RESULT_INSUFFICIENT_FUNDS,
        results.RESULT_INVALID_CENTRE,
        results.RESULT_INVALID_REFERENCE,
        results.RESULT_INVALID_REFERENCE,
        results.RESULT_INVALID_TENDER,
        results.RESULT_OK,
    ]


def test_a_bill_is_paid_once(centre: Peer, peers: Peers) -> None:
    bill = payment("ONCE")
    first = centre.pay(bill)
    assert first.result == results.RESULT_OK
    second = centre.pay(payment("ONCE", reference=bill.reference))
    assert second.result == results.RESULT_BILL_ALREADY_CLAIMED
    assert second.other_sequence == first.sequence
    assert second.other_id == bill.id
    # Which one is in the way is nobody else's to know.
    third = peers.centre("centre-b").pay(payment("ONCE", reference=bill.reference))
    assert third.result == results.RESULT_BILL_ALREADY_CLAIMED
    assert (third.other_sequence, third.other_id) == (0, b"")


def test_a_basket_is_all_or_none(centre: Peer) -> None:
    def ask(bills: list[pb.Payment]) -> list[int]:
        request = pb.CreateBasketRequest(basket=pb.Basket(payments=bills))
        reply = centre.payments.CreateBasket(request, timeout=CALL_S)
        return [one.result for one in reply.outcomes]

    good = [payment("HEADS", head=0), payment("HEADS", head=1)]
    assert ask(good) == [results.RESULT_OK] * 2
    bad = [payment("HEADS"), payment("HEADS", head=5), payment("HEADS")]
    assert ask(bad) == [
        results.RESULT_BASKET_FAILED,
        results.RESULT_HEAD_UNKNOWN,
        results.RESULT_BASKET_FAILED,
    ]
    assert ask([payment("HEADS")]) == [results.RESULT_INVALID_BASKET]


def test_payments_and_baskets_in_one_message(centre: Peer) -> None:
    single = payment()
    basket = [payment("HEADS"), payment("HEADS")]
    request = pb.CreatePaymentsRequest(
        payments=[single], baskets=[pb.Basket(payments=basket)]
    )
    reply = centre.payments.CreatePayments(request, timeout=CALL_S)
    assert [one.id for one in reply.outcomes] == [
        single.id,
        basket[0].id,
        basket[1].id,
    ]


def test_a_harness_names_the_centre(peers: Peers) -> None:
    [named, unnamed] = peers.harness.pay_all(
        [payment(centre="centre-c"), payment(centre="")]
    )
    assert named.result == results.RESULT_OK
    assert unnamed.result == results.RESULT_INVALID_CENTRE


def test_a_centre_that_is_off_keeps_its_answers(peers: Peers) -> None:
    """What was paid is told again; nothing new is paid."""
    bill = payment(centre="centre-d")
    [paid] = peers.harness.pay_all([bill])
    assert paid.result == results.RESULT_OK
    loaded = network()
    [centre] = [one for one in loaded.participants if one.id == "centre-d"]
    for active in (False, True):
        centre.active = active
        peers.treasury.admin.LoadNetwork(loaded, timeout=CALL_S)
        again, new = peers.harness.pay_all([bill, payment(centre="centre-d")])
        assert (again.result, again.repeat) == (results.RESULT_OK, True)
        assert (again.sequence, again.receipt) == (paid.sequence, paid.receipt)
        wanted = results.RESULT_OK if active else results.RESULT_INVALID_CENTRE
        assert new.result == wanted


def test_a_payment_of_a_confirmed_service_is_held(centre: Peer) -> None:
    bill = payment("CONFIRM")
    outcome = centre.pay(bill)
    assert outcome.result == results.RESULT_OK
    assert (outcome.state, outcome.receipt) == (pb.PAYMENT_STATE_HELD, 0)
    request = pb.GetPaymentRequest(id=bill.id)
    found = centre.payments.GetPayment(request, timeout=CALL_S)
    assert found.state == pb.PAYMENT_STATE_HELD
    assert not found.entry.as_direct


# --- what cannot be read -------------------------------------------------------------


@pytest.mark.parametrize("method", ["CreatePayment", "CreatePayments", "CreateBasket"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x0a",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0a\x05\x0a\x10abc",
        b"\x07\x07",
        b"\xff" * 40,
        pb.CreatePaymentRequest(payment=payment()).SerializeToString()[:-3],
    ],
    ids=["empty", "no size", "size", "inner size", "wire type", "ones", "cut short"],
)
def test_broken_bytes_are_an_invalid_argument(
    centre: Peer, method: str, body: bytes
) -> None:
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        centre.raw(f"{SERVICE}/{method}", body)
    told = failures[0]
    assert told.fields or told.reason == "MALFORMED"
    request = METHODS[f"{SERVICE}/{method}"].request.DESCRIPTOR
    assert all(exists(request, field) for field in told.fields)


@pytest.mark.parametrize("method", ["GetPayment", "ListPayments"])
def test_broken_bytes_elsewhere_too(centre: Peer, method: str) -> None:
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        centre.raw(f"{SERVICE}/{method}", b"\x0a\xff\xff\xff\xff\x0f")


def test_an_oversize_batch_is_refused_whole(centre: Peer) -> None:
    bills = [payment() for _ in range(BATCH_MAX + 1)]
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        centre.pay_all(bills)
    assert failures[0].fields == ["payments"]
    with failing(grpc.StatusCode.NOT_FOUND):
        centre.payments.GetPayment(pb.GetPaymentRequest(id=bills[0].id), timeout=CALL_S)
    outcomes = centre.pay_all(bills[:BATCH_MAX])
    assert len(outcomes) == BATCH_MAX
    assert all(one.result == results.RESULT_OK for one in outcomes)


def test_single_calls_take_one_thing(centre: Peer) -> None:
    two = pb.CreatePaymentsRequest(payments=[payment(), payment()])
    basket = pb.Basket(payments=[payment("HEADS"), payment("HEADS")])
    baskets = pb.CreatePaymentsRequest(baskets=[basket, basket])
    mixed = pb.CreatePaymentsRequest(payments=[payment()], baskets=[basket])
    for method, request in [
        ("CreatePayment", two),
        ("CreatePayment", baskets),
        ("CreatePayment", mixed),
        ("CreateBasket", two),
        ("CreateBasket", baskets),
        ("CreateBasket", mixed),
    ]:
        # An unknown group in front hides nothing.
        for front in (b"", b"\x4b\x4c"):
            with failing(grpc.StatusCode.INVALID_ARGUMENT):
                centre.raw(f"{SERVICE}/{method}", front + request.SerializeToString())


def test_an_unknown_method(centre: Peer) -> None:
    with failing(grpc.StatusCode.UNIMPLEMENTED):
        centre.raw(f"{SERVICE}/NoSuch", b"")


def test_a_deadline_that_has_passed_is_not_queued(peers: Peers, centre: Peer) -> None:
    late = payment()
    # Stopped, the server finds the call only when its deadline has passed.
    with stopped(peers.server.pid):
        with failing(grpc.StatusCode.DEADLINE_EXCEEDED):
            request = pb.CreatePaymentRequest(payment=late)
            centre.payments.CreatePayment(request, timeout=0.2)
        # The library takes the call back in a thread of its own, after it has failed.
        time.sleep(1.0)
    assert centre.pay(payment()).result == results.RESULT_OK
    with failing(grpc.StatusCode.NOT_FOUND):
        get(centre, late.id)
    # For the client it was unknown; the same id again is safe whatever became of it.
    outcome = centre.pay(late)
    assert outcome.result == results.RESULT_OK
    assert not outcome.repeat


# --- the stream ----------------------------------------------------------------------


def stream(
    peer: Peer, requests: list[pb.StreamPaymentsRequest]
) -> list[pb.StreamPaymentsResponse]:
    return list(peer.payments.StreamPayments(iter(requests), timeout=60))


def test_a_stream_keeps_the_order_and_coalesces(peers: Peers, centre: Peer) -> None:
    bills = [payment(amount=RUPEE) for _ in range(4_000)]
    requests = [pb.StreamPaymentsRequest(payments=[bill]) for bill in bills]
    assert centre.pay(payment()).result == results.RESULT_OK  # it is connected
    with stopped(peers.server.pid):
        call = centre.payments.StreamPayments(iter(requests), timeout=CALL_S)
        time.sleep(0.3)
    replies = list(call)
    outcomes = [one for reply in replies for one in reply.outcomes]
    assert [one.id for one in outcomes] == [bill.id for bill in bills]
    assert all(one.result == results.RESULT_OK for one in outcomes)
    sequences = [one.sequence for one in outcomes]
    assert sequences == sorted(sequences)
    # What came while it was stopped was there at once.
    assert max(len(reply.outcomes) for reply in replies) > 10


def test_a_stream_takes_more_than_its_bound(centre: Peer) -> None:
    requests = [
        pb.StreamPaymentsRequest(payments=[payment(amount=1) for _ in range(2_000)])
        for _ in range(20)
    ]
    outcomes = [one for reply in stream(centre, requests) for one in reply.outcomes]
    wanted = [bill.id for request in requests for bill in request.payments]
    assert [one.id for one in outcomes] == wanted


def test_streams_side_by_side(peers: Peers) -> None:
    errors: list[str] = []

    def run(name: str) -> None:
        bills = [payment(amount=1) for _ in range(1_000)]
        requests = [pb.StreamPaymentsRequest(payments=[bill]) for bill in bills]
        replies = stream(peers.centre(name), requests)
        ids = [one.id for reply in replies for one in reply.outcomes]
        if ids != [bill.id for bill in bills]:
            errors.append(name)

    names = ["centre-a", "centre-b", "centre-c", "centre-d"]
    for name in names:
        peers.centre(name)
    threads = [threading.Thread(target=run, args=(name,)) for name in names * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_a_full_queue_holds_streams_back(tmp_path: Path) -> None:
    with running(tmp_path, "--set", "queue_rows_max=8190") as server:
        peers = Peers(server)
        load(peers)
        errors: list[str] = []

        def run(name: str) -> None:
            requests = [
                pb.StreamPaymentsRequest(
                    payments=[payment(amount=1) for _ in range(3_000)]
                )
                for _ in range(5)
            ]
            outcomes = [
                one
                for reply in stream(peers.centre(name), requests)
                for one in reply.outcomes
            ]
            if [one.result for one in outcomes] != [results.RESULT_OK] * 15_000:
                errors.append(name)

        for name in CENTRES:
            peers.centre(name)
        threads = [threading.Thread(target=run, args=(name,)) for name in CENTRES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        peers.close()
    assert not errors


def test_a_broken_message_ends_the_stream_after_what_came_before(centre: Peer) -> None:
    bills = [payment() for _ in range(10)]
    bodies = [
        pb.StreamPaymentsRequest(payments=[bill]).SerializeToString() for bill in bills
    ]
    call: Any = centre.channel.stream_stream(f"{SERVICE}/StreamPayments")
    replies = call(iter([*bodies, b"\x0a\xff"]), timeout=CALL_S)
    ids: list[bytes] = []
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        for reply in replies:
            outcomes = pb.StreamPaymentsResponse.FromString(reply).outcomes
            ids += [one.id for one in outcomes]
    assert ids == [bill.id for bill in bills]


def test_a_stream_that_is_cancelled(centre: Peer) -> None:
    bill = payment()
    sent = threading.Event()

    def requests() -> object:
        yield pb.StreamPaymentsRequest(payments=[bill])
        sent.wait(10)

    call = centre.payments.StreamPayments(requests(), timeout=CALL_S)  # type: ignore[arg-type]
    assert next(call).outcomes[0].result == results.RESULT_OK
    call.cancel()
    sent.set()
    assert centre.pay(bill).repeat


# --- what became of it ---------------------------------------------------------------


def get(peer: Peer, id_: bytes, sender: str = "") -> pb.GetPaymentResponse:
    request = pb.GetPaymentRequest(id=id_, sender=sender)
    return peer.payments.GetPayment(request, timeout=CALL_S)


def test_get_payment(peers: Peers, centre: Peer) -> None:
    bill = payment("ONCE", amount=9 * RUPEE, tender=types.TENDER_UPI, note="নমস্কার")
    outcome = centre.pay(bill)
    found = get(centre, bill.id)
    assert found.state == pb.PAYMENT_STATE_COMPLETED
    assert found.as_of_sequence >= outcome.sequence
    entry = found.entry
    assert entry.id == bill.id
    assert entry.kind == types.ENTRY_KIND_PAY
    assert entry.sequence == outcome.sequence
    assert entry.receipt == outcome.receipt
    assert (entry.service, entry.centre, entry.biller, entry.head) == (
        "ONCE",
        "centre-a",
        "power",
        "0801-01",
    )
    assert (entry.amount, entry.reference) == (9 * RUPEE, bill.reference)
    assert (entry.tender, entry.operator, entry.note) == (1, 1, "নমস্কার")
    assert get(peers.auditor, bill.id, "centre-a").entry == entry
    refused = payment(amount=10**17)
    assert centre.pay(refused).result == results.RESULT_INSUFFICIENT_FUNDS
    found = get(centre, refused.id)
    assert found.state == pb.PAYMENT_STATE_REFUSED
    assert found.entry.result == results.RESULT_INSUFFICIENT_FUNDS


def test_get_payment_of_another_is_not_found(peers: Peers, centre: Peer) -> None:
    bill = payment()
    peers.centre("centre-b").pay(bill)
    with failing(grpc.StatusCode.NOT_FOUND):
        get(centre, bill.id, "centre-b")
    with failing(grpc.StatusCode.NOT_FOUND):
        get(centre, bill.id)
    with failing(grpc.StatusCode.NOT_FOUND):
        get(centre, bill.id, "nobody")
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        get(peers.harness, bill.id, "centre-b")
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        get(centre, b"short")
    assert failures[0].fields == ["id"]


def test_a_centre_sees_what_an_aggregator_sent_for_it(peers: Peers) -> None:
    bill = payment(centre="centre-c")
    peers.harness.pay(bill)
    assert get(peers.centre("centre-c"), bill.id, "harness").entry.id == bill.id
    with failing(grpc.StatusCode.NOT_FOUND):
        get(peers.centre("centre-b"), bill.id, "harness")
    assert get(peers.harness, bill.id).entry.centre == "centre-c"


def test_list_payments(peers: Peers) -> None:
    peer = peers.centre("centre-d")
    bills = [payment() for _ in range(25)]
    peer.pay_all(bills)
    peers.treasury.top_up("centre-d", 5)
    found: list[bytes] = []
    token = ""
    while True:
        request = pb.ListPaymentsRequest(page_size=10, page_token=token)
        page = peer.payments.ListPayments(request, timeout=CALL_S)
        found += [entry.id for entry in page.payments]
        token = page.next_page_token
        if not token:
            break
        assert len(page.payments) == 10
    assert found[:25] == [bill.id for bill in reversed(bills)]
    assert len(found) == len(set(found))


def test_ids_are_the_senders_own(peers: Peers) -> None:
    shared = new_id()
    for name in ("centre-a", "centre-b"):
        outcome = peers.centre(name).pay(payment(id=shared))
        assert outcome.result == results.RESULT_OK
        assert not outcome.repeat
