"""BillerService.SendDayList: a biller's complete list of a day, as one answer.

The list is gathered, checked and compared in reading threads; what follows from it goes
to the ledger request by request, each as large as a message of answers, so that others
wait for none of it. Sent again it says the same of what there is by then.
"""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import ParamSpec, TypeVar

import numpy as np
from google.protobuf.message import DecodeError

from server.node import Node
from server.rooms import Room
from server.services.arriving import Arriving
from server.services.biller_stream import ROOM_WAIT_S
from server.shares import Halves
from server.status import ArgumentError
from server.transport import Call
from switch._core import OUTCOME, Request, Rows, parse_answers
from switch.billing import day_list
from switch.billing.day_list import LINES_MAX, TOLD_MAX, DayList, Report
from switch.billing.lacks import Lacks
from switch.calendar import day_number, day_start_ns, parse_date
from switch.errors import OverloadError, WireError
from switch.register.identity import Identity
from switch.v1 import billers_pb2 as pb

log = logging.getLogger("server.billers")

P = ParamSpec("P")
T = TypeVar("T")

LINES_AT_ONCE_MAX = 3 * LINES_MAX
"""Lines that all lists on their way may have, as they say; each takes 120 bytes."""
COMPARED_AT_ONCE = 1
"""Lists that are compared: a day may have millions of rows."""
COMPARED_WAITING_MAX = 64
"""Lists that may wait for it, one of a biller."""


class DayLists:
    """Those that are on their way: one of a biller, and so many lines in all."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node
        self._billers: set[int] = set()
        self._lines = Halves("lines of lists", LINES_AT_ONCE_MAX)
        self._comparing = Room(
            "lists",
            at_once=COMPARED_AT_ONCE,
            own_at_once=1,
            all_max=COMPARED_WAITING_MAX,
            own_max=1,
        )

    async def serve(self, call: Call, caller: Identity) -> None:
        """One SendDayList call.

        Raises ArgumentError, WireError and LateError before anything is done;
        OverloadError then too, or when part of it is done: it may be sent again.
        """
        if caller.index in self._billers:
            raise OverloadError("another list of this biller is on its way")
        self._billers.add(caller.index)
        begun_ns = time.time_ns()
        with ExitStack() as leaving:
            leaving.callback(self._billers.discard, caller.index)
            found = await self._read(call, caller.index, begun_ns, leaving)
            told = await self._decide(found, caller, begun_ns)
        await call.write(_response(told).SerializeToString())

    async def _read(
        self, call: Call, biller: int, begun_ns: int, leaving: ExitStack
    ) -> DayList:
        """The whole list, as it says; `leaving` lets go of its room."""
        found: DayList | None = None
        arriving = Arriving()
        while (body := await arriving.read(call)) is not None:
            message, lines = await self._parse(body)
            if found is None:
                found = _begin(message, begun_ns)
                self._lines.claim(biller, found.count)
                leaving.callback(self._lines.release, biller, found.count)
            elif message.HasField("list"):
                raise ArgumentError("list", "stands in the first message alone")
            found.take(lines)
            arriving.take(len(lines))
        if found is None:
            raise ArgumentError("list", "must be in the first message")
        return found

    async def _parse(self, body: bytes) -> tuple[pb.SendDayListRequest, Rows]:
        """A message, and its lines."""
        self._node.check_running()
        return await self._node.read(_parse, body)

    async def _compare(
        self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What reads a whole list or day."""
        async with self._comparing.enter():
            return await self._node.read(call, *args, **kwargs)

    async def _decide(self, found: DayList, caller: Identity, begun_ns: int) -> Report:
        node = self._node
        biller = node.dispatch.biller(caller.index)
        lines = await self._compare(found.close)
        planned = await self._compare(
            day_list.plan,
            lines,
            found.day,
            caller.index,
            biller.config,
            node.ledger,
            node.register,
            begun_ns,
        )
        requests = await self._compare(
            day_list.listed_requests, planned, caller.index, node.ledger
        )
        listed = [await self._commit(one) for one in requests]
        planned = await self._compare(day_list.without_disputed, planned, node.ledger)
        requests = await self._compare(
            day_list.rejected_requests, planned, caller.index, node.ledger
        )
        rejected = [await self._commit(one) for one in requests]
        outcomes = [np.zeros(0, OUTCOME), *listed, *rejected]
        told = await self._compare(day_list.report, planned, np.concatenate(outcomes))
        log.info(
            "the list of %s of %d lines: %d confirmed, %d already, %d rejected, "
            "%d too early; %d differ, %d are late, %d missing, %d unknown, %d damaged, "
            "%d disputed",
            biller.name,
            found.count,
            told.confirmed,
            told.already,
            told.rejected,
            told.too_early,
            len(told.differing),
            len(told.late),
            len(told.missing),
            len(told.unknown),
            told.damaged,
            len(told.disputed),
        )
        if told.lacks:
            log.warning(
                "the list of %s lacks too much, nothing was done: %s",
                biller.name,
                told.lacks.let_through,
            )
        return told

    async def _commit(self, request: Request) -> Rows:
        """Part of a list; who has waited for half of it waits for room as well."""
        node = self._node
        until = node.loop.time() + ROOM_WAIT_S
        while True:
            node.check_running()
            group, left_s = node.group, until - node.loop.time()
            try:
                reply = await node.commit(request)
            except OverloadError:
                if left_s <= 0:
                    raise
                await node.wait_group(group, left_s)
            else:
                assert not isinstance(reply, bytes)
                return reply


def _parse(body: bytes) -> tuple[pb.SendDayListRequest, Rows]:
    try:
        message = pb.SendDayListRequest.FromString(body)
    except DecodeError as error:
        raise WireError(f"not a message of a list: {error}") from error
    try:
        lines = parse_answers(body)
    except WireError as error:
        # Lines are answers, under another name.
        raise WireError(str(error), "credited" if error.field else "") from error
    message.ClearField("credited")
    return message, lines


def _begin(message: pb.SendDayListRequest, now_ns: int) -> DayList:
    if not message.HasField("list"):
        raise ArgumentError("list", "must be in the first message")
    told = message.list
    try:
        date = parse_date(told.day)
    except ValueError as error:
        raise ArgumentError("list.day", "must be a date, YYYY-MM-DD") from error
    day = day_number(day_start_ns(date))
    if not 0 <= day <= day_number(now_ns):
        raise ArgumentError("list.day", "must not be still to come")
    return DayList(day, told.count, told.amount)


def _response(told: Report) -> pb.SendDayListResponse:
    return pb.SendDayListResponse(
        confirmed=told.confirmed,
        already=told.already,
        differing=len(told.differing),
        late=len(told.late),
        unknown=len(told.unknown),
        damaged=told.damaged,
        rejected=told.rejected,
        too_early=told.too_early,
        differing_numbers=told.differing[:TOLD_MAX].tolist(),
        late_numbers=told.late[:TOLD_MAX].tolist(),
        unknown_numbers=told.unknown[:TOLD_MAX].tolist(),
        missing=len(told.missing),
        missing_numbers=told.missing[:TOLD_MAX].tolist(),
        disputed=len(told.disputed),
        disputed_numbers=told.disputed[:TOLD_MAX].tolist(),
        lacks=_lacks(told.lacks) if told.lacks else None,
    )


def _lacks(told: Lacks) -> pb.DayListLacks:
    return pb.DayListLacks(
        count=told.payments,
        amount=told.amount,
        numbers=told.numbers[:TOLD_MAX].tolist(),
        hash=told.hash,
        let_through=told.let_through,
    )
