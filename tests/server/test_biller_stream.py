"""Goal: a connection that ends while answers of it become durable ends once.

Method: the stream itself, with stand-ins that bring about one order of events which
sockets bring about once in thousands: the last answer's row is durable after the biller
has left, and before the call's own task hears of that.
"""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import grpc
import numpy as np

from server.node import Node
from server.services.biller_stream import BillerStream
from server.status import Context
from switch._core import OUTCOME, Request
from switch.billing.biller import Taken
from switch.codes import Result
from switch.ledger.committer import Receiver
from switch.register.identity import Identity


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


async def test_the_last_answer_comes_between_the_end_and_who_hears_of_it() -> None:
    committer = Committer()
    said = iter([b"an answer"])

    async def read() -> object:
        body = next(said, grpc.aio.EOF)
        if body is grpc.aio.EOF:
            # Before whatever the end of the reading wakes.
            asyncio.get_running_loop().call_soon(committer.answer)
        return body

    async def send_initial_metadata(_: object) -> None:
        pass

    biller = SimpleNamespace(
        name="power",
        results=Counter[str](),
        config=SimpleNamespace(wrong_answers_max=0),
        note=lambda _: 0,
    )
    dispatch = SimpleNamespace(
        connection_number=lambda: 1,
        attach=lambda *_: biller,
        detach=lambda *_: None,
        take=lambda *_: Taken(
            [cast(Request, SimpleNamespace(rows_count=1))], 0, np.ones(1, np.uint64), []
        ),
    )
    node: Any = SimpleNamespace(
        dispatch=dispatch,
        committer=committer,
        add_stop=lambda _: None,
        remove_stop=lambda _: None,
    )
    context: Any = SimpleNamespace(
        read=read, send_initial_metadata=send_initial_metadata
    )
    stream = BillerStream(
        cast(Node, node),
        cast(Context, context),
        cast(Identity, SimpleNamespace(index=1)),
    )
    await asyncio.wait_for(stream.run(), 10)
    assert not committer.receivers
