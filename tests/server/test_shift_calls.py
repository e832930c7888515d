"""Goal: a shift that is being closed is counted to its end, whoever still waits for it.

Method: the service over a real ledger, and a node whose commits wait until the test
lets them go; the caller goes away meanwhile, as with a deadline that passes.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from server import asking
from server.node import Node
from server.services import shifts
from server.services.counter import CounterService
from server.status import PreconditionError
from switch._core import Request
from switch.codes import Kind, Role
from switch.counter.shift_rows import read_shift
from switch.errors import OverloadError
from switch.ids import new_id
from switch.register.identity import Identity
from switch.register.past import PastNames
from switch.v1 import counter_pb2 as pb
from tests.billing.dispatch_bench import Bench, benches


class SlowNode:
    """What the counter's service needs of a server."""

    def __init__(self, bench: Bench) -> None:
        self.ledger = bench.ledger
        self.register = bench.register
        self.past_names = PastNames(bench.register)
        self.gate = asyncio.Event()
        self._bench = bench
        self._tasks: list[asyncio.Task[Any]] = []

    async def read(self, call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)

    async def commit_alone(self, request: Request) -> Any:
        """A caller that goes away does not take it back."""
        self._tasks.append(asyncio.create_task(self._commit(request)))
        return await asyncio.shield(self._tasks[-1])

    async def _commit(self, request: Request) -> Any:
        await self.gate.wait()
        return self._bench.commit(request)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from benches(tmp_path)


def request() -> pb.CloseShiftRequest:
    return pb.CloseShiftRequest(id=new_id(), operator=1, cash_counted=0)


def test_a_shift_that_nobody_waits_for_is_not_counted_twice(bench: Bench) -> None:
    bench.pay(3)
    caller = Identity(Role.CENTRE, "bsk-1", bench.centre)

    async def close_two() -> pb.CloseShiftResponse:
        node = SlowNode(bench)
        service = CounterService(cast(Node, node))
        gone = asyncio.create_task(service.CloseShift(request(), caller))
        await asyncio.sleep(0.01)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        bench.pay(2)
        following = asyncio.create_task(service.CloseShift(request(), caller))
        await asyncio.sleep(0.01)
        node.gate.set()
        return await following

    second = asyncio.run(close_two()).shift
    rows = bench.ledger.rows(1, 1_000)
    sequences = rows["sequence"][rows["kind"] == Kind.SHIFT].tolist()
    first = read_shift(bench.ledger.tail(sequences[0]))
    assert len(sequences) == 2
    assert first.payments_count == 3
    assert second.after_sequence == first.to_sequence
    assert second.payments_count == 2


def test_a_shift_with_nothing_in_it_is_none(bench: Bench) -> None:
    """Not even of an operator who is there, and counts what the drawer has."""
    caller = Identity(Role.CENTRE, "bsk-1", bench.centre)
    newest = bench.ledger.sequence

    async def close_one() -> None:
        node = SlowNode(bench)
        node.gate.set()
        service = CounterService(cast(Node, node))
        asked = pb.CloseShiftRequest(id=new_id(), operator=77, cash_counted=500)
        with pytest.raises(PreconditionError) as refused:
            await service.CloseShift(asked, caller)
        assert refused.value.reason == "SHIFT_EMPTY"

    asyncio.run(close_one())
    assert bench.ledger.sequence == newest


def test_who_closes_many_at_once_keeps_nobody_from_it(bench: Bench) -> None:
    """Its own wait and are refused, of the others none; what it has begun is done."""
    bench.pay(1)
    flood = Identity(Role.CENTRE, "bsk-1", bench.centre)
    most = shifts.OWN_CLOSES + shifts.OWN_CLOSES_WAITING_MAX

    async def close_all() -> CounterService:
        node = SlowNode(bench)
        service = CounterService(cast(Node, node))

        async def close(owner: Identity) -> pb.CloseShiftResponse:
            asking.begin(owner, lambda _: None)
            return await service.CloseShift(request(), flood)

        begun = [asyncio.create_task(close(flood)) for _ in range(most)]
        await asyncio.sleep(0.01)
        with pytest.raises(OverloadError, match="16 shifts of the caller wait"):
            await close(flood)
        # Who acts for the centre has a share of its own.
        others = [
            asyncio.create_task(close(Identity(Role.HARNESS, "other", 1_000 + at)))
            for at in range(3)
        ]
        await asyncio.sleep(0.01)
        node.gate.set()
        told = await asyncio.gather(*begun, *others, return_exceptions=True)
        # One of them has the payment; for each other nothing was left.
        done = [one for one in told if not isinstance(one, BaseException)]
        assert len(done) == 1
        refused = [one for one in told if isinstance(one, PreconditionError)]
        assert len(refused) == len(told) - 1
        return service

    service = asyncio.run(close_all())
    gc.collect()
    # No lock of a wallet stays behind.
    assert not service._wallets
