"""The connections of simulated billers: dial in, hear questions, say answers, again.

One event loop for all billers. Knows gRPC and `desk`; decides nothing.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Sequence

import grpc
import grpc.aio

from switch.credentials import Credentials
from switch.simulator.desk import Desk
from switch.v1 import billers_pb2 as pb

METHOD = "/payswitch.v1.BillerService/Connect"
MESSAGE_MAX = 16 << 20
"""Bytes of one message."""
RECONNECT_FIRST_S = 0.05
RECONNECT_MAX_S = 2.0
TOLD_S = 1.0
"""Who is turned away has been told by then; who was not told is let in."""
LOOK_S = 0.02
"""How often a biller looks whether its script has it die or live."""


class Line:
    """One connection of one biller, made again whenever it ends."""

    def __init__(
        self, desk: Desk, addresses: Sequence[str], credentials: Credentials
    ) -> None:
        """Nothing is dialled yet. Of several servers, the nodes of a cluster, the next
        one is tried when one does not serve. Raises ConfigError for credentials.
        """
        self._desk = desk
        self._addresses = itertools.cycle(addresses)
        certificate, key, authority = credentials.read()
        self._credentials = grpc.ssl_channel_credentials(authority, key, certificate)

    async def run(self, ready: asyncio.Event) -> None:
        """Until cancelled. `ready` is set when the desk has answers."""
        pause_s = RECONNECT_FIRST_S
        while True:
            if self._desk.is_dead:
                await asyncio.sleep(LOOK_S)
                continue
            try:
                if await self._live(ready):
                    pause_s = RECONNECT_FIRST_S
            except grpc.aio.AioRpcError as error:
                self._desk.counts[f"ended_{error.code().name.lower()}"] += 1
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RECONNECT_MAX_S)

    async def _live(self, ready: asyncio.Event) -> bool:
        """One connection; whether it ever carried a question."""
        options = [
            ("grpc.max_send_message_length", MESSAGE_MAX),
            ("grpc.max_receive_message_length", MESSAGE_MAX),
            # Billers with different certificates must not share a connection.
            ("grpc.use_local_subchannel_pool", 1),
            # Who is turned away is told so, instead of coming again without a pause.
            ("grpc.enable_retries", 0),
        ]
        async with grpc.aio.secure_channel(
            next(self._addresses), self._credentials, options
        ) as channel:
            call: grpc.aio.StreamStreamCall[bytes, bytes]
            call = channel.stream_stream(METHOD)()
            self._desk.counts["connections"] += 1
            begun_s = time.monotonic()
            tasks = [
                asyncio.ensure_future(one)
                for one in (self._hear(call), self._say(call, ready), self._watch())
            ]
            heard = self._desk.counts["messages"]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            except asyncio.CancelledError:
                heard_nothing = self._desk.counts["messages"] == heard
                if heard_nothing and time.monotonic() - begun_s < TOLD_S:
                    self._desk.counts["cut_short"] += 1
                raise
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                call.cancel()
                self._desk.say_again()
            return self._desk.counts["messages"] > heard

    async def _hear(self, call: "grpc.aio.StreamStreamCall[bytes, bytes]") -> None:
        async for body in call:
            self._desk.take(body)

    async def _say(
        self,
        call: "grpc.aio.StreamStreamCall[bytes, bytes]",
        ready: asyncio.Event,
    ) -> None:
        while True:
            message = self._desk.answers()
            if not message:
                await self._wait(ready)
                continue
            try:
                # Fields of messages that follow each other are those of one.
                clock = pb.ConnectRequest(clock_ns=time.time_ns()).SerializeToString()
                await call.write(message + clock)
            except asyncio.InvalidStateError:
                # The call had ended before, which is how the library says it.
                self._desk.give_back(message)
                return
            except BaseException:
                # Whether it arrived is not known; an answer may come twice.
                self._desk.give_back(message)
                raise

    async def _wait(self, ready: asyncio.Event) -> None:
        ready.clear()
        # A time-out is the next answer's time.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), self._desk.next_s())

    async def _watch(self) -> None:
        """Ends when the script has the biller die."""
        if not self._desk.may_die:
            await asyncio.Event().wait()
        # The script is a clock's; there is nothing to be told by.
        while not self._desk.is_dead:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        self._desk.drop()


async def run_desks(
    desks: Sequence[Desk],
    credentials: Sequence[Credentials],
    addresses: Sequence[str],
    connections: int,
) -> None:
    """Keep `connections` connections of each desk until cancelled."""
    async with asyncio.TaskGroup() as group:
        for desk, one in zip(desks, credentials, strict=True):
            ready = asyncio.Event()
            desk.on_ready = ready.set
            for _ in range(connections):
                group.create_task(Line(desk, addresses, one).run(ready))
