"""How accounts came to what they hold: the calls of ExplainService.

A part of the client library; `switch.client.Client` has these methods. May use `calls`
and the generated messages. Pages are fetched and added up here, and what is added up is
compared with what it must lead to.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from switch.client.calls import Caller
from switch.errors import WireError
from switch.v1 import explain_pb2 as pb
from switch.v1 import explain_pb2_grpc, types_pb2

PAGE_SIZE = 1000
"""Entries or lines asked for at a time."""


class Point(NamedTuple):
    """Right after an entry, or after the last one at or before a time; neither: now,
    and where a span begins, the beginning.
    """

    sequence: int = 0
    time_ns: int = 0


NOW = BEGINNING = Point()


class ExplainCalls:
    """The calls of ExplainService, whole."""

    _caller: Caller
    _explain: explain_pb2_grpc.ExplainServiceStub

    def explain_account(
        self,
        participant: str = "",
        head: str = "",
        after: Point = BEGINNING,
        at: Point = NOW,
    ) -> pb.ExplainAccountResponse:
        """An account between two points, the movements of all pages added up.

        Raises WireError if they do not lead from its opening to its closing.
        """
        request = pb.ExplainAccountRequest(
            participant=participant,
            head=head,
            after_sequence=after.sequence,
            after_time_ns=after.time_ns,
            sequence=at.sequence,
            time_ns=at.time_ns,
        )
        found = self._caller.read(self._explain.ExplainAccount, request)
        movements = list(found.movements)
        request.page_token = found.next_page_token
        while request.page_token:
            page = self._caller.read(self._explain.ExplainAccount, request)
            movements += page.movements
            request.page_token = page.next_page_token
        del found.movements[:]
        found.movements.extend(_added(movements))
        found.next_page_token = ""
        _check(found)
        return found

    def movements(
        self,
        participant: str = "",
        head: str = "",
        kind: "types_pb2.EntryKind.ValueType" = types_pb2.ENTRY_KIND_UNSPECIFIED,
        side: "pb.Side.ValueType" = pb.SIDE_UNSPECIFIED,
        after: Point = BEGINNING,
        at: Point = NOW,
        *,
        open_only: bool = False,
    ) -> Iterator[types_pb2.Entry]:
        """The entries behind a figure of an account, newest first; of the whole ledger
        if none is named. `open_only` is for holds.
        """
        request = pb.ListMovementsRequest(
            participant=participant,
            head=head,
            kind=kind,
            side=side,
            open_only=open_only,
            after_sequence=after.sequence,
            after_time_ns=after.time_ns,
            sequence=at.sequence,
            time_ns=at.time_ns,
            page_size=PAGE_SIZE,
        )
        while True:
            page = self._caller.read(self._explain.ListMovements, request)
            yield from page.entries
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def explain_window(self, window: int) -> pb.ExplainWindowResponse:
        """A closed window with all its lines."""
        request = pb.ExplainWindowRequest(window=window, page_size=PAGE_SIZE)
        found = self._caller.read(self._explain.ExplainWindow, request)
        request.page_token = found.next_page_token
        while request.page_token:
            page = self._caller.read(self._explain.ExplainWindow, request)
            found.lines.extend(page.lines)
            request.page_token = page.next_page_token
        found.next_page_token = ""
        return found

    def explain_day(self, day: str) -> pb.ExplainDayResponse:
        """All movements of an IST date, "YYYY-MM-DD", of all pages added up."""
        request = pb.ExplainDayRequest(day=day)
        found = self._caller.read(self._explain.ExplainDay, request)
        movements = list(found.movements)
        request.page_token = found.next_page_token
        while request.page_token:
            page = self._caller.read(self._explain.ExplainDay, request)
            movements += page.movements
            request.page_token = page.next_page_token
        del found.movements[:]
        found.movements.extend(_added(movements))
        found.next_page_token = ""
        return found


def _added(movements: Iterable[pb.Movement]) -> list[pb.Movement]:
    """Movements of several pages as those of one, by kind and side."""
    sums: dict[tuple[int, int], pb.Movement] = {}
    for one in movements:
        key = int(one.kind), int(one.side)
        if key not in sums:
            sums[key] = pb.Movement(kind=one.kind, side=one.side)
        for name in ("count", "posted", "reserved", "released"):
            setattr(sums[key], name, getattr(sums[key], name) + getattr(one, name))
    return [sums[key] for key in sorted(sums)]


def _check(found: pb.ExplainAccountResponse) -> None:
    """Hold the movements against the totals that they lead from and to."""
    for side, name in ((pb.SIDE_DEBIT, "debits"), (pb.SIDE_CREDIT, "credits")):
        of_side = [one for one in found.movements if one.side == side]
        for total, change in (
            ("pending", sum(one.reserved - one.released for one in of_side)),
            ("posted", sum(one.posted for one in of_side)),
        ):
            opening = getattr(found.opening, f"{name}_{total}")
            closing = getattr(found.closing, f"{name}_{total}")
            if opening + change != closing:
                raise WireError(
                    f"account {found.index}: its movements lead from {name}_{total} "
                    f"{opening} to {opening + change}, and it has {closing}"
                )
