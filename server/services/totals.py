"""TotalsService: what the network has taken, in lines, at one entry."""

from collections.abc import AsyncIterator
from typing import Final, cast

from server import arguments
from server.node import Node
from server.status import ArgumentError
from switch.calendar import day_number, day_start_ns, parse_date
from switch.codes import Role
from switch.register.identity import Identity
from switch.totals.asking import (
    DAY_LAST,
    Answer,
    Column,
    TooManyLinesError,
    Wanted,
    ask,
)
from switch.totals.groups import By, GroupMaker
from switch.v1 import totals_pb2 as pb

PAGE_LINES: Final = 1_000
"""Lines of one message."""
SUM_MAX: Final = 2**64 - 1
"""What is told where it is more; one account never has that."""


class TotalsService:
    """Reads, and adds up what it reads."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node
        self._maker = GroupMaker(node.register)

    async def ReadTotals(
        self, request: pb.ReadTotalsRequest, caller: Identity
    ) -> AsyncIterator[pb.ReadTotalsResponse]:
        """All lines of one state."""
        node = self._node
        answer = await node.read(self._ask, request, caller)
        first = 0
        while True:
            yield await node.read(_page, answer, first)
            first += PAGE_LINES
            if first >= len(answer.labels):
                return
            node.check_running()

    def _ask(self, request: pb.ReadTotalsRequest, caller: Identity) -> Answer:
        by = int(request.by)
        if by not in pb.TotalsBy.values():
            raise ArgumentError("by", f"{by} stands for nothing there")
        first_day, last_day = first_and_last(request.from_day, request.to_day)
        biller = 0
        if request.biller or caller.role is Role.BILLER:
            register = self._node.register
            biller = arguments.biller(register, caller, request.biller).index
        wanted = Wanted(By(by), first_day, last_day, biller)
        try:
            return ask(self._node.totals, self._maker, wanted)
        except TooManyLinesError as error:
            raise ArgumentError("by", str(error)) from error


def first_and_last(from_day: str, to_day: str) -> tuple[int, int]:
    """The days that a request is about: from the beginning, to the end, if empty."""
    first, last = _day("from_day", from_day, 0), _day("to_day", to_day, DAY_LAST)
    if first > last:
        raise ArgumentError("to_day", "must not be before from_day")
    return first, last


def _day(field: str, text: str, default: int) -> int:
    if not text:
        return default
    try:
        day = day_number(day_start_ns(parse_date(text)))
    except ValueError as error:
        raise ArgumentError(field, str(error)) from error
    if not 0 <= day <= DAY_LAST:
        raise ArgumentError(field, "must be from 1970-01-01 to 2149-06-06")
    return day


_Sums = list[tuple[str, list[int], list[int]]]
"""By name counts, and paise, of each line."""


def _page(answer: Answer, first: int) -> pb.ReadTotalsResponse:
    response = pb.ReadTotalsResponse(
        as_of_sequence=answer.sequence, as_of_time_ns=answer.timestamp
    )
    if not first:
        _fill(response.whole, _sums(answer.whole, slice(0, 1)), 0)
    page = slice(first, first + PAGE_LINES)
    sums = _sums(answer.lines, page)
    for place, label in enumerate(answer.labels[page]):
        line = response.lines.add(
            code=label.code, name_en=label.name_en, name_bn=label.name_bn
        )
        _fill(line.figures, sums, place)
    return response


def _sums(columns: dict[str, Column], page: slice) -> _Sums:
    return [
        (name, _told(column.counts[page]), _told(column.paise[page]))
        for name, column in columns.items()
    ]


def _told(values: list[int]) -> list[int]:
    """Values as the wire has them: 64 bits hold nearly all."""
    if max(values, default=0) <= SUM_MAX:
        return values
    return [min(one, SUM_MAX) for one in values]


def _fill(figures: pb.TotalsFigures, sums: _Sums, place: int) -> None:
    for name, counts, paise in sums:
        told = cast("pb.TotalsSum", getattr(figures, name))
        count, amount = counts[place], paise[place]
        if not (count or amount):
            # It is told all the same: a field each would take as long as a number.
            told.SetInParent()
            continue
        told.count = count
        told.paise = amount
