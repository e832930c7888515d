"""Goal: once a call has committed something, no error of it says that nothing was done;
what is known of the outcome is told.

Method: the services in this process; what a call does after its commit is made to fail
there: reads that are turned away, groups that are refused, a ledger that is closed.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from switch._core import Request
from switch.codes import Kind, Result
from switch.errors import (
    CorruptionError,
    DeadError,
    OverloadError,
    SpaceError,
    SwitchError,
)
from switch.ids import new_id
from switch.ledger.committer import Reply
from switch.v1 import admin_pb2, billers_pb2, counter_pb2
from switch.v1 import payments_pb2 as pb
from tests.server.harness import RUPEE, network, payment
from tests.server.inside import FailedError, Inside, inside

TREASURY = "treasury/treasury"
CENTRE = "centre/centre-a"
ERRORS = [OverloadError("x"), DeadError(5, "x"), CorruptionError(5, "x"), KeyError("x")]


def failing_after(
    monkeypatch: pytest.MonkeyPatch, one: Inside, error: Exception
) -> None:
    """Each read fails that comes after the next commit."""
    node, commit, read = one.node, one.node._commit, one.node.read
    done: list[object] = []

    async def committing(request: Request) -> Reply:
        reply = await commit(request)
        done.append(reply)
        return reply

    async def reading(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if done:
            raise error
        return await read(call, *args, **kwargs)

    monkeypatch.setattr(node, "_commit", committing)
    monkeypatch.setattr(node, "read", reading)


async def held(one: Inside) -> pb.PaymentOutcome:
    request = pb.CreatePaymentRequest(payment=payment("CONFIRM"))
    reply = await one.call("CreatePayment", request, by=CENTRE)
    outcome = pb.CreatePaymentResponse.FromString(reply).outcome
    assert outcome.state == pb.PAYMENT_STATE_HELD
    return outcome


@pytest.mark.parametrize("error", ERRORS, ids=lambda one: type(one).__name__)
async def test_a_window_that_is_closed_is_not_said_to_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async with inside(tmp_path) as one:
        with monkeypatch.context() as patch:
            failing_after(patch, one, error)
            with pytest.raises(FailedError) as caught:
                await one.call(
                    "CloseWindow", admin_pb2.CloseWindowRequest(), by=TREASURY
                )
        assert caught.value.outcome == "unknown"
        assert one.ledger.last_window == one.ledger.sequence
        # Sent again, it is told.
        reply = await one.call(
            "CloseWindow", admin_pb2.CloseWindowRequest(), by=TREASURY
        )
        outcome = admin_pb2.CloseWindowResponse.FromString(reply).outcome
        assert (outcome.repeat, outcome.sequence) == (True, one.ledger.last_window)


async def test_before_the_commit_nothing_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with inside(tmp_path) as one:

        def turned_away(*_: object) -> None:
            raise OverloadError("x")

        monkeypatch.setattr(one.committer, "submit", turned_away)
        with pytest.raises(FailedError) as caught:
            await one.call("CloseWindow", admin_pb2.CloseWindowRequest(), by=TREASURY)
        assert (caught.value.reason, caught.value.outcome) == ("OVERLOAD", "not_done")


@pytest.mark.parametrize("error", ERRORS, ids=lambda one: type(one).__name__)
async def test_answers_that_were_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async with inside(tmp_path) as one:
        outcome = await held(one)
        answer = billers_pb2.Answer(
            number=outcome.sequence,
            id=outcome.id,
            kind=billers_pb2.ANSWER_KIND_CONFIRMED,
            biller_reference="B1",
            amount=5 * RUPEE,
        )
        request = billers_pb2.AcknowledgeRequest(answers=[answer])
        failing_after(monkeypatch, one, error)
        with pytest.raises(FailedError) as caught:
            await one.call("Acknowledge", request, by="biller/power")
        assert caught.value.outcome == "unknown"
        assert one.ledger.resolution(outcome.sequence)[0]


@pytest.mark.parametrize(
    "error",
    [one for one in ERRORS if isinstance(one, SwitchError)],
    ids=lambda one: type(one).__name__,
)
async def test_a_payment_that_is_held_is_told_whatever_the_wait_meets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async with inside(tmp_path) as one:
        request = counter_pb2.PayBillRequest(payment=payment("CONFIRM"))
        failing_after(monkeypatch, one, error)
        reply = await one.call("PayBill", request, by=CENTRE)
        outcome = counter_pb2.PayBillResponse.FromString(reply).outcome
        assert outcome.state == pb.PAYMENT_STATE_HELD
        assert one.ledger.row(outcome.sequence).kind == Kind.HOLD


async def test_a_shift_that_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed in a task of its own, which tells the call of it."""
    async with inside(tmp_path) as one:

        def damaged(*_: object) -> None:
            raise CorruptionError(5, "x")

        monkeypatch.setattr("server.convert.shift", damaged)
        paid = pb.CreatePaymentRequest(payment=payment(operator=7))
        await one.call("CreatePayment", paid, by=CENTRE)
        request = counter_pb2.CloseShiftRequest(id=new_id(), operator=7)
        with pytest.raises(FailedError) as caught:
            await one.call("CloseShift", request, by=CENTRE)
        assert caught.value.code is grpc.StatusCode.DATA_LOSS
        assert caught.value.outcome == "unknown"
        row = one.ledger.row(one.ledger.sequence)
        assert (row.kind, row.result) == (Kind.SHIFT, Result.OK)


async def test_half_a_network_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with inside(tmp_path) as one:
        wanted = network()
        new = wanted.participants.add()
        new.CopyFrom(next(p for p in wanted.participants if p.id == "centre-a"))
        new.id, new.code = "centre-new", "BAN/new"
        commit_now = one.committer.commit_now
        calls: list[Request] = []

        def second_fails(request: Request) -> Reply:
            calls.append(request)
            if len(calls) > 1:
                raise SpaceError("no room")
            return commit_now(request)

        with monkeypatch.context() as patch:
            patch.setattr(one.committer, "commit_now", second_fails)
            with pytest.raises(FailedError) as caught:
                await one.call("LoadNetwork", wanted, by=TREASURY)
        assert (caught.value.reason, caught.value.outcome) == ("NO_SPACE", "unknown")
        # The participant is in the ledger, and is known.
        assert one.node.register.find_participant("centre-new") is not None
        await one.call("LoadNetwork", wanted, by=TREASURY)
        assert one.node.register.find_wallet("centre-new") is not None


async def test_a_load_that_nobody_waits_for_is_ended_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at a time would each take the other's entries for somebody else's."""
    async with inside(tmp_path) as one:
        commit_now = one.committer.commit_now
        under_way: list[int] = []
        most = 0
        begun, goes_on = threading.Event(), threading.Event()

        def slow(request: Request) -> Reply:
            nonlocal most
            under_way.append(1)
            most = max(most, len(under_way))
            begun.set()
            goes_on.wait(10.0)
            reply = commit_now(request)
            under_way.pop()
            return reply

        monkeypatch.setattr(one.committer, "commit_now", slow)
        wanted = network()
        for number in range(2):
            new = wanted.participants.add()
            new.CopyFrom(next(p for p in wanted.participants if p.id == "centre-a"))
            new.id, new.code = f"centre-new-{number}", f"BAN/new-{number}"
        first = asyncio.create_task(one.call("LoadNetwork", wanted, by=TREASURY))
        assert await asyncio.to_thread(begun.wait, 10.0)
        # Its deadline has passed, and the same is sent again.
        first.cancel()
        second = asyncio.create_task(one.call("LoadNetwork", wanted, by=TREASURY))
        await asyncio.sleep(0.1)
        goes_on.set()
        reply = admin_pb2.LoadNetworkResponse.FromString(await second)
        assert most == 1
        assert (reply.added_count, reply.replaced_count) == (0, 0)


async def test_a_payment_that_a_full_queue_turned_away_is_not_done(
    tmp_path: Path,
) -> None:
    async with inside(tmp_path) as one:
        biller = one.node.register.find_participant("power")
        assert biller is not None
        one.ledger.limit_biller(biller.index, 0)
        request = pb.CreatePaymentRequest(payment=payment("CONFIRM"))
        with pytest.raises(FailedError) as caught:
            await one.call("CreatePayment", request, by=CENTRE)
        assert caught.value.reason == "BILLER_QUEUE_FULL"
        assert caught.value.outcome == "not_done"
