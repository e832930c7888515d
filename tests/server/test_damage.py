"""Goal: a damaged entry costs who needs it and nobody else, while the server runs and
when it is started again; and an operator is told.

Method: a real server, with one bit of an entry flipped in its journal's file beneath
it. What needs the entry ends with DATA_LOSS alone and with a result beside others; open
holds that are damaged are listed, and everything else goes on.
"""

from pathlib import Path
from typing import Any

import grpc
import pytest

from switch.v1 import admin_pb2 as pb
from switch.v1 import (
    billers_pb2,
    counter_pb2,
    exceptions_pb2,
    payments_pb2,
    types_pb2,
)
from switch.v1 import results_pb2 as results
from tests.damage import damage_row
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Peers,
    ServerProcess,
    failing,
    load,
    payment,
    running,
    until,
)
from tests.server.scripted_biller import ScriptedBiller, willing
from tests.server.till import Till, load_services

ACKNOWLEDGED = (
    payments_pb2.PAYMENT_STATE_COMPLETED,
    payments_pb2.PAYMENT_STATE_UNSPECIFIED,
    payments_pb2.PAYMENT_STATE_COMPLETED,
)
STEP_ROWS = 1_024
SETTINGS = ("--set", f"index_step_rows={STEP_ROWS}")

DAMAGES = True
"""Its ledger is no longer right when the file is through."""


def damage(server: ServerProcess, paid: Any) -> None:
    """Flip a bit of the entry that this outcome speaks of."""
    start = paid.id + paid.sequence.to_bytes(8, "little")
    damage_row(server.directory / "ledger", start)


def exceptions(peers: Peers) -> exceptions_pb2.ListExceptionsResponse:
    request = exceptions_pb2.ListExceptionsRequest()
    return peers.auditor.admin.ListExceptions(request, timeout=CALL_S)


def ledger(peers: Peers) -> pb.GetLedgerResponse:
    return peers.auditor.admin.GetLedger(pb.GetLedgerRequest(), timeout=CALL_S)


def test_alone_it_is_an_error_and_beside_others_a_result(
    server: ServerProcess, peers: Peers
) -> None:
    centre = peers.centre()
    bill = payment()
    paid = centre.pay(bill)
    assert paid.result == results.RESULT_OK
    damage(server, paid)
    before = ledger(peers).damaged_requests_count
    for _ in range(2):
        with failing(grpc.StatusCode.DATA_LOSS) as failures:
            centre.pay(bill)
        assert failures[0].reason == "DATA_DAMAGED"
        assert failures[0].outcome == "unknown"
    outcomes = centre.pay_all([payment(), bill, payment()])
    assert [one.result for one in outcomes] == [
        results.RESULT_OK,
        results.RESULT_DATA_DAMAGED,
        results.RESULT_OK,
    ]
    assert outcomes[1].id == bill.id
    assert not outcomes[1].sequence
    assert ledger(peers).damaged_requests_count == before + 3
    # At a counter it is the same.
    with failing(grpc.StatusCode.DATA_LOSS):
        request = counter_pb2.PayBillRequest(payment=bill)
        centre.counter.PayBill(request, timeout=CALL_S)
    assert centre.pay(payment()).result == results.RESULT_OK


def test_a_bill_whose_payment_cannot_be_read_is_not_said_to_be_due(
    server: ServerProcess, peers: Peers
) -> None:
    load_services(peers)
    till = Till(peers.centre())
    with ScriptedBiller(peers.biller(), willing):
        paid = till.bill("REISSUED")
        outcome = till.pay(paid)
        # The claim names the hold; what has become of it is in there.
        damage(server, outcome)
        with failing(grpc.StatusCode.DATA_LOSS) as failures:
            till.fetch("REISSUED", paid.reference)
        assert failures[0].reason == "CHECK_FAILED"
        told = till.fetch_many("REISSUED", "BEFORE", paid.reference, "BEHIND")
        assert [one.error for one in told] == ["", "CHECK_FAILED", ""]
        assert [len(one.bills) for one in told] == [1, 0, 1]


def test_a_basket_has_it_whole(server: ServerProcess, peers: Peers) -> None:
    centre = peers.centre("centre-b")
    bill = payment()
    damage(server, centre.pay(bill))
    basket = payments_pb2.Basket(payments=[payment(), bill, payment()])
    with failing(grpc.StatusCode.DATA_LOSS):
        centre.payments.CreateBasket(
            payments_pb2.CreateBasketRequest(basket=basket), timeout=CALL_S
        )
    request = payments_pb2.CreatePaymentsRequest(payments=[payment()], baskets=[basket])
    reply = centre.payments.CreatePayments(request, timeout=CALL_S)
    one, *others = [outcome.result for outcome in reply.outcomes]
    assert one == results.RESULT_OK
    assert others == [results.RESULT_DATA_DAMAGED] * 3


def test_a_stream_goes_on(server: ServerProcess, peers: Peers) -> None:
    centre = peers.centre("centre-c")
    bill = payment()
    damage(server, centre.pay(bill))
    parts = [[payment()], [payment(), bill], [bill], [payment()]]
    messages = [payments_pb2.StreamPaymentsRequest(payments=part) for part in parts]
    replies = centre.payments.StreamPayments(iter(messages), timeout=CALL_S)
    found = {one.id: one.result for reply in replies for one in reply.outcomes}
    expected = {one.id: results.RESULT_OK for part in parts for one in part}
    assert found == {**expected, bill.id: results.RESULT_DATA_DAMAGED}


def test_a_move_of_the_treasury(server: ServerProcess, peers: Peers) -> None:
    paid = peers.centre().pay(payment())
    damage(server, paid)
    request = pb.ProposeRequest(
        id=b"r" * 16,
        kind=types_pb2.PROPOSAL_KIND_REFUND,
        sequence=paid.sequence,
        reason="asked",
    )
    with failing(grpc.StatusCode.DATA_LOSS) as failures:
        peers.treasury.admin.Propose(request, timeout=CALL_S)
    assert failures[0].reason == "CHECK_FAILED"


def test_a_biller_acknowledges_around_it(server: ServerProcess, peers: Peers) -> None:
    held = [peers.centre().pay(payment("GAS")) for _ in range(3)]
    damage(server, held[1])
    answers = [
        billers_pb2.Answer(
            number=one.sequence,
            id=one.id,
            kind=billers_pb2.ANSWER_KIND_CONFIRMED,
            amount=5 * RUPEE,
        )
        for one in held
    ]
    request = billers_pb2.AcknowledgeRequest(answers=answers)
    for _ in range(2):
        reply = peers.biller("gas").billers.Acknowledge(request, timeout=CALL_S)
        assert tuple(one.state for one in reply.payments) == ACKNOWLEDGED


@pytest.fixture
def stopped(tmp_path: Path) -> tuple[Path, Any]:
    """Where a server was stopped with two open holds in its index; their outcomes."""
    with running(tmp_path / "server", *SETTINGS) as server:
        peers = Peers(server)
        load(peers)
        centre = peers.centre()
        held = [centre.pay(payment("WATER")) for _ in range(2)]
        for _ in range(3):
            centre.pay_all([payment() for _ in range(STEP_ROWS)])
        until(lambda: ledger(peers).index_sequence >= 2 * STEP_ROWS)
        peers.close()
    damage(server, held[0])
    return server.directory, held


def test_a_damaged_open_hold_does_not_keep_it_shut(stopped: tuple[Path, Any]) -> None:
    directory, (damaged, whole) = stopped
    with running(directory, *SETTINGS) as server:
        peers = Peers(server)
        listed = exceptions(peers)
        assert list(listed.damaged_sequences) == [damaged.sequence]
        assert listed.damaged_count == 1
        assert ledger(peers).holds_count == 2
        assert peers.centre().pay(payment("WATER")).result == results.RESULT_OK
        # Its money stays held; the other is asked about as ever.
        request = payments_pb2.GetPaymentRequest(id=whole.id)
        found = peers.centre().payments.GetPayment(request, timeout=CALL_S)
        # A switch that has started again does not know what its biller has heard.
        assert found.state == payments_pb2.PAYMENT_STATE_UNKNOWN
        with failing(grpc.StatusCode.DATA_LOSS):
            request = payments_pb2.GetPaymentRequest(id=damaged.id)
            peers.centre().payments.GetPayment(request, timeout=CALL_S)
        until(lambda: "1 open holds or cases are damaged" in server.log())
        peers.close()
