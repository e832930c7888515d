"""Goal: a payment that no biller has heard of is taken back, whole and once; one that a
biller may have credited never is.

Method: billers that are away, that are connected and silent, and that come later; the
same cancel twice, and twice at once; others' payments beside none. What was cancelled
is looked for in the wallet, in the bill that may be paid again, and in what billers are
asked.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from server.node import Node
from switch.client import Client
from switch.codes import Role
from switch.ids import new_id
from switch.v1 import counter_pb2, payments_pb2, wallets_pb2
from tests.server.harness import CALL_S, RUPEE, Peer, Peers, failing, payment
from tests.server.inside import inside
from tests.server.scripted_biller import ScriptedBiller

REVERSED = payments_pb2.PAYMENT_STATE_REVERSED


def cancel(peer: Peer, payment_id: bytes, **fields: Any) -> Any:
    request = counter_pb2.CancelPaymentRequest(id=payment_id, **fields)
    return peer.counter.CancelPayment(request, timeout=CALL_S)


def held(peer: Peer, service: str = "WATER", **fields: Any) -> Any:
    bill = payment(service, **fields)
    outcome = peer.pay(bill)
    assert outcome.state == payments_pb2.PAYMENT_STATE_HELD
    return bill


def wallet(peer: Peer, centre: str = "") -> tuple[int, int]:
    request = wallets_pb2.GetWalletRequest(centre=centre)
    found = peer.wallets.GetWallet(request, timeout=CALL_S).wallet
    return found.balance, found.pending


def state(peer: Peer, payment_id: bytes) -> int:
    request = payments_pb2.GetPaymentRequest(id=payment_id)
    return peer.payments.GetPayment(request, timeout=CALL_S).state


def test_it_is_given_back_once(peers: Peers) -> None:
    peer = peers.centre()
    before = wallet(peer)
    bill = held(peer, amount=7 * RUPEE)
    assert wallet(peer) == (before[0], before[1] + 7 * RUPEE)
    told = cancel(peer, bill.id, operator=1)
    assert (told.state, told.repeat) == (REVERSED, False)
    assert told.sequence
    assert told.time_ns
    assert wallet(peer) == before
    again = cancel(peer, bill.id)
    assert again.repeat
    assert (again.sequence, again.time_ns) == (told.sequence, told.time_ns)
    assert wallet(peer) == before
    # The payment's id keeps its answer; the bill itself may be paid anew.
    repeated = peer.pay(bill)
    assert (repeated.repeat, repeated.state) == (True, REVERSED)
    held(peer, reference=bill.reference)
    assert who_ended(peer, bill.id) == ("centre-a", 1, 1)


def who_ended(peer: Peer, payment_id: bytes, sender: str = "") -> tuple[str, int, int]:
    """Who cancelled a payment, and the operator whose shift its cash is of."""
    request = payments_pb2.GetPaymentRequest(id=payment_id, sender=sender)
    end = peer.payments.GetPayment(request, timeout=CALL_S).resolution
    assert (end.proposal_sequence, end.HasField("maker")) == (0, False)
    return end.sender.participant, end.sender.operator, end.operator


def test_who_cancelled_is_told_and_not_who_took_it(peers: Peers) -> None:
    peer = peers.centre()
    bills = [payment("WATER", operator=7) for _ in range(2)]
    request = payments_pb2.CreateBasketRequest(
        basket=payments_pb2.Basket(payments=bills)
    )
    peer.payments.CreateBasket(request, timeout=CALL_S)
    cancel(peer, bills[0].id, operator=8)
    # Again by somebody else: it was done before.
    assert cancel(peer, bills[1].id, operator=9).repeat
    assert [who_ended(peer, one.id) for one in bills] == [("centre-a", 8, 7)] * 2
    # Nobody said who; whoever calls for a centre names its operator.
    unsaid = held(peer)
    cancel(peer, unsaid.id)
    assert who_ended(peer, unsaid.id) == ("", 0, 1)
    theirs = held(peers.harness, centre="centre-b")
    cancel(peers.harness, theirs.id, operator=5)
    assert who_ended(peers.harness, theirs.id) == ("centre-b", 5, 1)


def test_a_double_click_is_one(peers: Peers) -> None:
    peer = peers.centre("centre-c")
    before = wallet(peer)
    bill = held(peer)
    with ThreadPoolExecutor(4) as clicks:
        told = list(clicks.map(lambda _: cancel(peer, bill.id), range(4)))
    [end] = {(one.state, one.sequence, one.time_ns) for one in told}
    assert end[0] == REVERSED
    # One of them did it.
    assert sorted(one.repeat for one in told) == [False, True, True, True]
    assert wallet(peer) == before


class Readings:
    """A node's reads; that with the number `waits` goes on when it is let go."""

    def __init__(self, node: Node, waits: int) -> None:
        self._read, self._waits = node.read, waits
        self._count = 0
        self.has_read, self.goes_on = asyncio.Event(), asyncio.Event()

    async def read(self, call: Callable[..., Any], *args: Any) -> Any:
        self._count += 1
        is_held = self._count == self._waits
        found = await self._read(call, *args)
        if is_held:
            self.has_read.set()
            await self.goes_on.wait()
        return found


async def test_who_has_read_before_another_cancel_was_done_hears_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of two comes first, at whatever moment: one truth, and one did it."""
    async with inside(tmp_path) as one:
        bill = payment("WATER")
        await one.call(
            "CreatePayment",
            payments_pb2.CreatePaymentRequest(payment=bill),
            by="centre/centre-a",
        )
        readings = Readings(one.node, waits=1)
        monkeypatch.setattr(one.node, "read", readings.read)

        async def cancel_it() -> counter_pb2.CancelPaymentResponse:
            request = counter_pb2.CancelPaymentRequest(id=bill.id)
            reply = await one.call("CancelPayment", request, by="centre/centre-a")
            return counter_pb2.CancelPaymentResponse.FromString(reply)

        slow = asyncio.create_task(cancel_it())
        await readings.has_read.wait()
        quick = await cancel_it()
        assert (quick.state, quick.repeat) == (REVERSED, False)
        one.node.dispatch.look()
        readings.goes_on.set()
        told = await slow
        assert told.repeat
        told.repeat = False
        assert told == quick


def test_a_biller_is_not_asked_about_it_later(peers: Peers) -> None:
    peer = peers.centre()
    gone, stays = held(peer, "GAS"), held(peer, "GAS")
    cancel(peer, gone.id)
    with ScriptedBiller(peers.biller("gas")) as gas:
        gas.wait_for(1)
        assert gas.asked(stays.id)
        assert not gas.asked(gone.id)


def test_what_a_biller_may_have_heard_of_stays(peers: Peers) -> None:
    peer = peers.centre()
    with ScriptedBiller(peers.biller("gas")) as gas:
        bill = held(peer, "GAS")
        gas.wait_for(1)
        while not gas.asked(bill.id):
            gas.wait_for(len(gas.questions) + 1)
        before = wallet(peer)
        with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
            cancel(peer, bill.id)
        assert failures[0].reason == "BILLER_ASKED"
        assert wallet(peer) == before
    # Nor when the biller is gone: it may have credited it.
    with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
        cancel(peer, bill.id)
    assert failures[0].reason in ("BILLER_ASKED", "NOT_HELD")
    assert wallet(peer) == before


def test_a_basket_goes_whole(peers: Peers) -> None:
    peer = peers.centre("centre-d")
    before = wallet(peer)
    bills = [payment("WATER") for _ in range(3)]
    request = payments_pb2.CreateBasketRequest(
        basket=payments_pb2.Basket(payments=bills)
    )
    outcomes = peer.payments.CreateBasket(request, timeout=CALL_S).outcomes
    assert {one.result for one in outcomes} == {1}
    cancel(peer, bills[1].id)
    assert [state(peer, one.id) for one in bills] == [REVERSED] * 3
    assert wallet(peer) == before


def test_there_is_nothing_to_cancel(peers: Peers) -> None:
    peer = peers.centre()
    paid = payment()
    peer.pay(paid)
    refused = payment("ONCE", reference="CANCEL-ONCE")
    assert peer.pay(payment("ONCE", reference="CANCEL-ONCE")).result == 1
    assert peer.pay(refused).result != 1
    for one in (paid, refused):
        with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
            cancel(peer, one.id)
        assert failures[0].reason == "NOT_HELD"
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        cancel(peer, b"short")
    assert failures[0].fields == ["id"]


def test_anothers_is_not_there(peers: Peers) -> None:
    theirs = held(peers.centre("centre-b"))
    told = set()
    for payment_id, sender in (
        (theirs.id, ""),
        (theirs.id, "centre-b"),
        (new_id(), ""),
        (new_id(), "nobody"),
    ):
        with failing(grpc.StatusCode.NOT_FOUND) as failures:
            cancel(peers.centre(), payment_id, sender=sender)
        told.add(failures[0].text)
    assert len(told) == 1
    assert state(peers.centre("centre-b"), theirs.id) != REVERSED


def test_who_sent_it_and_whose_wallet_it_is_may(peers: Peers) -> None:
    for asks, sender in ((peers.harness, ""), (peers.centre(), "harness")):
        bill = held(peers.harness, centre="centre-a")
        assert cancel(asks, bill.id, sender=sender).state == REVERSED


def test_the_client_cancels(peers: Peers) -> None:
    bill = held(peers.centre())
    files = peers.authority.leaf(Role.CENTRE, "centre-a")
    with Client(peers.server.address, files) as client:
        assert client.cancel_payment(bill.id, 1).state == REVERSED
        assert client.cancel_payment(bill.id, 1).repeat


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.TREASURY, Role.AUDITOR])
def test_who_only_reads_cancels_nothing(peers: Peers, role: Role) -> None:
    bill = held(peers.centre())
    name = role.name.lower()
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        cancel(peers.get(role, name), bill.id, sender="centre-a")
