"""Goal: after a leap of the wall clock a person of the treasury stands by it, once,
with a reason, and payments are taken again without a restart.

Method: the services in this process on clocks that the test sets.
"""

from pathlib import Path

import grpc
import numpy as np
import pytest

from switch.codes import Result
from switch.ids import new_id
from switch.ledger.committer import CLOCK_KERNEL_MAX_NS, Clock
from switch.v1 import admin_pb2, results_pb2
from switch.v1 import payments_pb2 as pb
from tests.server.harness import payment
from tests.server.inside import FailedError, Inside, inside

SECOND = 10**9
TREASURY = "treasury/treasury"
LEAP_NS = CLOCK_KERNEL_MAX_NS + 25 * SECOND


@pytest.fixture
def clock() -> Clock:
    return np.array([1_773_500_000 * SECOND, 5 * SECOND, 1], np.uint64)


async def pay(one: Inside) -> int:
    request = pb.CreatePaymentRequest(payment=payment("ANY"))
    reply = await one.call("CreatePayment", request, by="centre/centre-a")
    return pb.CreatePaymentResponse.FromString(reply).outcome.result


async def accept(
    one: Inside, id_: bytes, reason: str = "the battery was empty", by: str = TREASURY
) -> admin_pb2.AcceptClockResponse:
    request = admin_pb2.AcceptClockRequest(id=id_, reason=reason)
    return admin_pb2.AcceptClockResponse.FromString(
        await one.call("AcceptClock", request, by=by)
    )


async def test_a_leap_is_accepted_once(tmp_path: Path, clock: Clock) -> None:
    async with inside(tmp_path, clock) as one:
        clock[0] += np.uint64(LEAP_NS)
        with pytest.raises(FailedError, match="payswitch accept-clock") as caught:
            await pay(one)
        assert (caught.value.reason, caught.value.outcome) == (
            "CLOCK_UNTRUSTED",
            "not_done",
        )
        id_ = new_id()
        reply = await accept(one, id_)
        assert reply.outcome.result == results_pb2.RESULT_OK
        assert not reply.outcome.repeat
        assert reply.outcome.time_ns == int(clock[0])
        assert reply.ahead_ns == LEAP_NS
        assert await pay(one) == Result.OK
        again = await accept(one, id_)
        assert again.outcome.repeat
        assert again.outcome.sequence == reply.outcome.sequence
        assert again.ahead_ns == LEAP_NS
        other = (await accept(one, id_, "another reason")).outcome
        assert other.result == results_pb2.RESULT_ID_REUSED
        assert other.differing_field != results_pb2.FIELD_UNSPECIFIED
        row = one.ledger.row(reply.outcome.sequence)
        treasury = one.node.register.find_participant("treasury")
        assert treasury is not None
        assert row.participant == treasury.index


async def test_a_clock_that_is_believed_needs_nobody(
    tmp_path: Path, clock: Clock
) -> None:
    async with inside(tmp_path, clock) as one:
        before = one.ledger.sequence
        with pytest.raises(FailedError) as caught:
            await accept(one, new_id())
        assert caught.value.reason == "CLOCK_TRUSTED"
        assert caught.value.outcome == "not_done"
        assert one.ledger.sequence == before


@pytest.mark.parametrize("by", ["centre/centre-a", "auditor/auditor", "biller/power"])
async def test_it_is_the_treasurys_to_say(
    tmp_path: Path, clock: Clock, by: str
) -> None:
    async with inside(tmp_path, clock) as one:
        clock[0] += np.uint64(LEAP_NS)
        with pytest.raises(FailedError) as caught:
            await accept(one, new_id(), by=by)
        assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("id_", "reason"),
    [(b"short", "x"), (bytes(range(16)), ""), (bytes(range(16)), "x" * 33)],
)
async def test_what_cannot_be_recorded(
    tmp_path: Path, clock: Clock, id_: bytes, reason: str
) -> None:
    async with inside(tmp_path, clock) as one:
        with pytest.raises(FailedError) as caught:
            await accept(one, id_, reason)
        assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
