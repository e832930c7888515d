"""Goal: a shift that is being closed is counted to its end, whoever still waits for it.

Method: the service over a real ledger, and a node whose commits wait until the test
lets them go; the caller goes away meanwhile, as with a deadline that passes.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from server.node import Node
from server.services.counter import CounterService
from switch._core import Request
from switch.codes import Kind, Role
from switch.counter.shift_rows import read_shift
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
    assert second.payments_count == 0
