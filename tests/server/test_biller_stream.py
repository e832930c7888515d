"""Goal: a connection that ends while answers of it become durable ends once; all
connections of a biller together have so many answers on their way, and no more.

Method: the stream itself, with stand-ins that bring about one order of events which
sockets bring about once in thousands: the last answer's row is durable after the biller
has left, and before the call's own task hears of that. Answers wait as long as the test
says.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from server.node import Node
from server.services.biller_stream import BillerStream
from server.transport import Call
from switch._core import GROUP_MAX, OUTCOME, Request
from switch.billing.biller import Taken, Waiting
from switch.codes import Result
from switch.ledger.committer import Receiver
from switch.register.identity import ForbiddenError, Identity

Read = Callable[[], Awaitable[bytes | None]]
"""Gives what the biller says next."""


class Committer:
    """Gives the answer when the test says so."""

    def __init__(self) -> None:
        self.receivers: dict[int, Receiver] = {}

    def open(self, receiver: Receiver) -> int:
        self.receivers[1] = receiver
        return 1

    def close(self, tag: int) -> None:
        del self.receivers[tag]

    def submit(self, request: object, tag: int) -> None:
        pass

    def answer(self) -> None:
        outcome = np.zeros(1, OUTCOME)
        outcome["result"] = Result.OK
        self.receivers[1](1, outcome)


def biller() -> Any:
    return SimpleNamespace(
        name="power",
        results=Counter[str](),
        config=SimpleNamespace(wrong_answers_max=0),
        note=lambda _: 0,
        waiting=Waiting(),
    )


def stream_of(biller: Any, committer: Any, read: Read, rows: int) -> BillerStream:
    """A connection of the biller, whose messages have so many answers."""
    request = cast(Request, SimpleNamespace(rows_count=rows))
    dispatch = SimpleNamespace(
        connection_number=lambda: 1,
        attach=lambda *_: biller,
        detach=lambda *_: None,
        take=lambda *_: Taken([request], 0, np.ones(1, np.uint64), []),
    )
    node: Any = SimpleNamespace(
        dispatch=dispatch,
        loop=asyncio.get_running_loop(),
        committer=committer,
        add_stop=lambda _: None,
        remove_stop=lambda _: None,
    )
    call: Any = SimpleNamespace(
        start=lambda: None, send=lambda _: None, method="Connect"
    )
    tasks = []

    async def say() -> None:
        call.on_message(await read())

    call.want = lambda: tasks.append(asyncio.create_task(say()))
    caller = cast(Identity, SimpleNamespace(index=1))
    return BillerStream(cast(Node, node), cast(Call, call), caller)


async def settle() -> None:
    """Until nothing is left that does not wait for something else."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_the_last_answer_comes_between_the_end_and_who_hears_of_it() -> None:
    committer = Committer()
    said = iter([b"an answer"])

    async def read() -> bytes | None:
        body = next(said, None)
        if body is None:
            # Before whatever the end of the reading wakes.
            asyncio.get_running_loop().call_soon(committer.answer)
        return body

    stream = stream_of(biller(), committer, read, 1)
    await asyncio.wait_for(stream.run(), 60)
    assert not committer.receivers


class Waits:
    """A committer that answers as many requests as the test says."""

    def __init__(self) -> None:
        self.tags: list[Receiver] = []
        self.submitted: list[int] = []

    def open(self, receiver: Receiver) -> int:
        self.tags.append(receiver)
        return len(self.tags)

    def close(self, tag: int) -> None:
        pass

    def submit(self, request: Any, tag: int) -> None:
        self.submitted.append(tag)

    def answer(self, tag: int) -> None:
        outcomes = np.zeros(1, OUTCOME)
        outcomes["result"] = Result.OK
        self.tags[tag - 1](GROUP_MAX, outcomes)


async def test_answers_of_all_connections_wait_together() -> None:
    committer, power, water = Waits(), biller(), biller()

    async def read() -> bytes | None:
        await asyncio.sleep(0)
        return b"as many answers as a group takes"

    streams = [
        stream_of(one, committer, read, GROUP_MAX) for one in (power, power, water)
    ]
    calls = [asyncio.create_task(one.run()) for one in streams]

    async def settled() -> list[int]:
        await settle()
        return [committer.submitted.count(tag) for tag in (1, 2, 3)]

    first, second, others = await settled()
    assert (first + second, others) == (2, 2)
    committer.answer(committer.submitted[0])
    first, second, others = await settled()
    assert (first + second, others) == (3, 2)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_who_waits_for_room_reads_on_after_it_and_hears_the_end() -> None:
    for is_last in (False, True):
        committer, power = Waits(), biller()
        said = iter([b"a group", b"another", b"the one that waits"])
        end = asyncio.Event()

        async def read(
            said: Iterator[bytes] = said, end: asyncio.Event = end
        ) -> bytes | None:
            for one in said:
                return one
            await end.wait()
            return None

        stream = stream_of(power, committer, read, GROUP_MAX)
        call: Any = stream._call
        task = asyncio.create_task(stream.run())
        await settle()
        assert len(committer.submitted) == 2
        if is_last:
            # It has sent all, and half of that is not submitted yet.
            call.on_message(None)
            await settle()
            assert not task.done()
        committer.answer(1)
        await settle()
        assert len(committer.submitted) == 3
        if not is_last:
            assert not task.done()
            end.set()
        await asyncio.wait_for(task, 60)


async def test_what_comes_after_the_caller_was_switched_off_is_not_taken() -> None:
    committer = Waits()

    async def read() -> bytes | None:
        await asyncio.Event().wait()
        return None

    stream = stream_of(biller(), committer, read, 1)
    call: Any = stream._call
    task = asyncio.create_task(stream.run())
    await settle()
    call.on_message(b"in time")
    call.on_revoked()
    call.on_message(b"too late")
    with pytest.raises(ForbiddenError):
        await asyncio.wait_for(task, 60)
    assert len(committer.submitted) == 1


async def test_a_message_leaves_when_the_one_before_has_left() -> None:
    sent: list[bytes] = []
    left: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    async def read() -> bytes | None:
        return await left

    stream = stream_of(biller(), Committer(), read, 1)
    call: Any = stream._call
    call.send = sent.append
    # It is attached before its headers have left.
    stream.send(b"one")
    assert not sent
    task = asyncio.create_task(stream.run())
    await asyncio.sleep(0)
    assert sent == [b"one"]
    assert stream.is_ready
    stream.send(b"two")
    assert not stream.is_ready
    call.on_sent()
    assert sent == [b"one", b"two"]
    call.on_sent()
    assert stream.is_ready
    stream.send(b"three")
    stream.send(b"four")
    assert sent == [b"one", b"two", b"three"]
    # What was asked leaves before the end, whatever is on its way still.
    left.set_result(None)
    await asyncio.wait_for(task, 60)
    assert sent[3:] == [b"four"]
    assert not stream.is_ready
