"""Goal: what waits is shared: a bound for each, and turns, so that nobody waits for all
that another has asked for.

Method: the queue by itself; readers and looks of a node in the test's own process,
whose threads the test holds; then a real server with a greedy biller.
"""

import asyncio
import threading
from contextvars import Context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.reading import (
    LOOKS_MAX,
    LOOKS_WAITING_MAX,
    OWN_LOOKS_MAX,
    OWN_READS_MAX,
    OWN_THREADS,
    READ_THREADS,
    READS_WAITING_MAX,
    Look,
)
from server.shares import SWITCH, Shares
from switch.errors import OverloadError
from switch.ids import new_id
from switch.ledger import refunds
from switch.v1 import (
    admin_pb2,
    counter_pb2,
    handouts_pb2,
    payments_pb2,
    types_pb2,
)
from tests.server.harness import payment
from tests.server.inside import FakeCall, inside

WAIT_S = 60.0
GREEDY, MODEST = 1, 2


def fill(shares: Shares[int], owner: int) -> int:
    """Put until refused; how many went."""
    for count in range(1 << 20):
        try:
            shares.put(owner, count)
        except OverloadError:
            return count
    raise AssertionError("there is no bound")


def test_owners_have_turns_and_what_is_theirs_keeps_its_order() -> None:
    shares: Shares[str] = Shares("reads", all_max=100, own_max=50)
    for owner, names in ((1, "abcde"), (2, "xy"), (3, "m")):
        for name in names:
            shares.put(owner, name)
    taken = []
    while (one := shares.take()) is not None:
        taken.append(one[1])
    assert "".join(taken) == "axmbycde"
    assert len(shares) == 0


def test_who_is_passed_over_keeps_what_it_has() -> None:
    shares: Shares[str] = Shares("reads", all_max=100, own_max=50)
    shares.put(1, "a")
    shares.put(2, "x")
    assert shares.take(without=(1,)) == (2, "x")
    assert shares.take(without=(1,)) is None
    assert len(shares) == 1
    assert shares.take() == (1, "a")


def test_one_owner_has_its_share_and_no_more() -> None:
    assert fill(Shares("reads", all_max=100, own_max=20), GREEDY) == 20
    assert fill(Shares("reads", all_max=100, own_max=90), GREEDY) == 50


@given(st.integers(1, 60), st.integers(1, 300))
def test_whoever_has_nothing_there_finds_a_place(greedy: int, own_max: int) -> None:
    """However many are greedy; and then no more than one each goes beyond the bound."""
    shares: Shares[int] = Shares("reads", all_max=64, own_max=own_max)
    for owner in range(greedy):
        assert 1 <= fill(shares, owner) <= own_max
    assert len(shares) <= 64 + greedy
    shares.put(1_000, 7)


async def test_a_read_that_takes_long_leaves_threads_to_others(tmp_path: Path) -> None:
    async with inside(tmp_path) as one:
        readers = one.node.readers
        held = threading.Event()
        begun = threading.Semaphore(0)

        def hold() -> bool:
            begun.release()
            return held.wait(WAIT_S)

        try:
            holding = [
                asyncio.ensure_future(readers.read(GREEDY, hold))
                for _ in range(OWN_READS_MAX)
            ]
            await asyncio.sleep(0)
            for _ in range(OWN_THREADS):
                assert await asyncio.to_thread(begun.acquire, timeout=WAIT_S)
            # Another's goes by all that wait; more of the first wait for its own.
            assert await asyncio.wait_for(readers.read(MODEST, lambda: 5), WAIT_S) == 5
            assert not begun.acquire(blocking=False)
            assert readers.count == OWN_READS_MAX
            # Two run, and as many more may wait; then its share is used up.
            more = [
                asyncio.ensure_future(readers.read(GREEDY, hold))
                for _ in range(OWN_THREADS + 1)
            ]
            await asyncio.sleep(0)
            holding += more[:-1]
            with pytest.raises(OverloadError, match="of the caller"):
                await more[-1]
            assert await asyncio.wait_for(readers.read(MODEST, lambda: 6), WAIT_S) == 6
        finally:
            held.set()
        assert all(await asyncio.gather(*holding))
        assert readers.count == 0


async def test_who_has_gone_takes_no_thread(tmp_path: Path) -> None:
    async with inside(tmp_path) as one:
        readers = one.node.readers
        held = threading.Event()
        done: list[int] = []
        try:
            holding = [
                asyncio.ensure_future(readers.read(owner, lambda: held.wait(WAIT_S)))
                for owner in range(READ_THREADS)
            ]
            await asyncio.sleep(0)
            gone = asyncio.ensure_future(readers.read(GREEDY, lambda: done.append(1)))
            stays = asyncio.ensure_future(readers.read(GREEDY, lambda: done.append(2)))
            await asyncio.sleep(0)
            gone.cancel()
        finally:
            held.set()
        await asyncio.gather(*holding, stays)
        assert done == [2]
        with pytest.raises(asyncio.CancelledError):
            await gone


async def test_a_look_goes_by_all_that_another_has_asked_for(tmp_path: Path) -> None:
    async with inside(tmp_path) as one:
        looks = one.node.looks
        held = threading.Event()
        told: list[int] = []
        all_told = asyncio.Event()

        def done(owner: int) -> None:
            told.append(owner)
            if len(told) == OWN_LOOKS_MAX + 1:
                all_told.set()

        try:
            for _ in range(OWN_LOOKS_MAX):
                look = Look(lambda: held.wait(WAIT_S), lambda *_: done(GREEDY))
                looks.put(GREEDY, look)
            with pytest.raises(OverloadError):
                looks.put(GREEDY, look)
            # Two batches are on their way.
            await asyncio.sleep(0)
            looks.put(MODEST, Look(lambda: 1, lambda *_: done(MODEST)))
        finally:
            held.set()
        await asyncio.wait_for(all_told.wait(), WAIT_S)
        assert told.index(MODEST) <= 3 * LOOKS_MAX
        assert len(told) == OWN_LOOKS_MAX + 1


def test_shares_leave_room() -> None:
    """Whoever is greedy, a fourth and a fifth have theirs."""
    assert 4 * OWN_READS_MAX <= READS_WAITING_MAX
    assert 4 * OWN_LOOKS_MAX <= LOOKS_WAITING_MAX
    assert 2 * OWN_THREADS <= READ_THREADS


async def test_each_call_asks_for_itself(tmp_path: Path) -> None:
    """Who asks is kept by the task of a call, and is the switch outside of any."""
    async with inside(tmp_path) as one:
        asked: list[int] = []
        read = one.node.readers.read

        async def noted(owner: int, call: object) -> object:
            asked.append(owner)
            return await read(owner, call)  # type: ignore[arg-type]

        one.node.readers.read = noted  # type: ignore[method-assign, assignment]
        await asyncio.create_task(one.node.read(lambda: None), context=Context())
        for name in ("centre-a", "centre-b"):
            listed = payments_pb2.ListPaymentsRequest()
            listing = one.call("ListPayments", listed, by=f"centre/{name}")
            await asyncio.create_task(listing)
        await asyncio.create_task(one.node.read(lambda: None), context=Context())
        register = one.node.register
        centres = [register.find_participant(name) for name in ("centre-a", "centre-b")]
        assert asked == [
            SWITCH,
            *(centre.index for centre in centres if centre),
            SWITCH,
        ]


async def test_a_receipt_costs_what_is_walked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of the wallet's rows between two refunds; also if its caller has gone."""
    monkeypatch.setattr(refunds, "PAGE", 4)
    async with inside(tmp_path) as one:

        async def pay() -> bytes:
            request = payments_pb2.CreatePaymentRequest(payment=payment(amount=900))
            await one.call("CreatePayment", request, by="centre/centre-a")
            return request.payment.id

        async def refund(sequence: int) -> None:
            proposal = admin_pb2.ProposeRequest(
                id=new_id(),
                kind=types_pb2.PROPOSAL_KIND_REFUND,
                sequence=sequence,
                amount=1,
                reason="a test",
            )
            body = await one.call("Propose", proposal, by="treasury/treasury")
            proposed = admin_pb2.ProposeResponse.FromString(body).outcome.sequence
            approval = admin_pb2.ApproveRequest(id=new_id(), proposal_sequence=proposed)
            await one.call("Approve", approval, by="treasury/checker")

        paid = await pay()
        asked = payments_pb2.GetPaymentRequest(id=paid)
        body = await one.call("GetPayment", asked, by="centre/centre-a")
        sequence = payments_pb2.GetPaymentResponse.FromString(body).entry.sequence
        await refund(sequence)
        for _ in range(10):
            await pay()
        await refund(sequence)
        charged = {}
        for which in (0, 1, 2):
            call = FakeCall("centre/centre-a", [])
            request = counter_pb2.GetReceiptRequest(id=paid, refund=which)
            call.body = request.SerializeToString()
            await one.stream("GetReceipt", call)
            charged[which] = call.charged
        # Ten payments and a refund lie between them, four to a page.
        assert charged == {0: 0, 1: 3, 2: 3}
        # A list walks once for all, and once more for the second's place.
        call = FakeCall("centre/centre-a", [])
        listed = handouts_pb2.ListHandoutsRequest(payment_id=paid)
        call.body = listed.SerializeToString()
        await one.stream("ListHandouts", call)
        [body] = call.written
        [_, second] = handouts_pb2.ListHandoutsResponse.FromString(body).handouts
        assert call.charged == 6
        # Whoever hands it out has it looked for, and is told of it.
        call = FakeCall("centre/centre-a", [])
        handed = handouts_pb2.HandOutRequest(
            id=new_id(), sequence=second.sequence, amount=1, operator=1
        )
        call.body = handed.SerializeToString()
        await one.stream("HandOut", call)
        assert call.charged == 6
