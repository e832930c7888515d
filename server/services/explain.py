"""ExplainService: how accounts came to what they hold, and the rows behind it."""

from typing import cast

import numpy as np

from server import arguments, convert
from server.node import Node
from server.page_tokens import make_token, read_token
from server.services.windows import window_message
from server.status import ArgumentError, NotFoundError
from switch.calendar import DAY_S, NS_IN_S, day_start_ns, parse_date
from switch.codes import AccountKind, Kind, Role
from switch.ledger import explained
from switch.ledger.totals import first_at, last_at
from switch.register.identity import Identity
from switch.register.register import PURPOSE_SETTLEMENT, Account
from switch.totals.movements import count_account, count_ledger
from switch.v1 import admin_pb2, types_pb2
from switch.v1 import explain_pb2 as pb

SUM_MAX = 2**64 - 1
"""What is said of several accounts together where they have more; one never has."""
_OFFICES = (Role.TREASURY, Role.AUDITOR, Role.SUPPORT)
"""Whose the whole ledger is to read, masked or not."""
HOLDS_SHOWN_MAX = 100
"""Open holds in an explanation."""


class ExplainService:
    """Reads, and counts what it reads."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node

    async def ExplainAccount(
        self, request: pb.ExplainAccountRequest, caller: Identity
    ) -> pb.ExplainAccountResponse:
        """An account between two points, by kind of movement."""
        return await self._node.read(self._explain_account, request, caller)

    async def ListMovements(
        self, request: pb.ListMovementsRequest, caller: Identity
    ) -> pb.ListMovementsResponse:
        """The entries behind a figure, newest first."""
        return await self._node.read(self._list_movements, request, caller)

    async def ExplainWindow(
        self, request: pb.ExplainWindowRequest, caller: Identity
    ) -> pb.ExplainWindowResponse:
        """A closed window, and what became of its lines."""
        return await self._node.read(self._explain_window, request, caller)

    async def ExplainDay(
        self, request: pb.ExplainDayRequest, caller: Identity
    ) -> pb.ExplainDayResponse:
        """All movements of a day, by kind."""
        return await self._node.read(self._explain_day, request, caller)

    # --- in a reading thread -----------------------------------------------------

    def _explain_account(
        self, request: pb.ExplainAccountRequest, caller: Identity
    ) -> pb.ExplainAccountResponse:
        ledger, register = self._node.ledger, self._node.register
        account = arguments.named_account(
            register, caller, request.participant, request.head
        )
        after, last = self._span(request, account)
        before = read_token(request, caller)
        movements, following = count_account(
            ledger,
            self._node.totals,
            account.index,
            (after, last),
            before,
            arguments.counted_size(request.page_size, explained.ACCOUNT_ROWS_MAX),
        )
        opening, closing = (
            ledger.balance_at(account.index, one) for one in (after, last)
        )
        response = pb.ExplainAccountResponse(
            index=account.index,
            kind=cast("admin_pb2.AccountKind.ValueType", int(account.kind)),
            participant=register.participant(account.participant).spec.id,
            head=arguments.account_head(register, account),
            after_sequence=after,
            as_of_sequence=last,
            opening=_totals(opening),
            closing=_totals(closing),
            movements=[_movement(one) for one in movements],
            chain=self._chain(last),
            next_page_token=make_token(request, caller, following),
        )
        if not before:
            holds, more = explained.open_holds(
                ledger, account.index, (0, last), 0, HOLDS_SHOWN_MAX
            )
            response.open_holds.extend(convert.entries(holds, ledger, register))
            response.open_holds_cut = bool(more)
            if account.kind is AccountKind.BILLER:
                settlement = register.treasury_account(PURPOSE_SETTLEMENT).index
                found = explained.settlement_of(ledger, account.index, settlement, last)
                response.settlement.CopyFrom(_settlement(found))
        return response

    def _list_movements(
        self, request: pb.ListMovementsRequest, caller: Identity
    ) -> pb.ListMovementsResponse:
        ledger, register = self._node.ledger, self._node.register
        kind, side = int(request.kind), int(request.side)
        if kind not in types_pb2.EntryKind.values():
            raise ArgumentError("kind", f"{kind} stands for nothing there")
        if side not in pb.Side.values():
            raise ArgumentError("side", f"{side} stands for nothing there")
        if request.open_only and kind != Kind.HOLD:
            raise ArgumentError("open_only", "only holds are open or ended")
        size = arguments.page_size(request.page_size, self._node.config)
        names_one = bool(request.participant or request.head)
        if caller.role in _OFFICES and not names_one:
            if side or request.open_only:
                raise ArgumentError(
                    "participant", "must name whose account has sides, or holds"
                )
            span = self._span(request, None)
            before = read_token(request, caller)
            found, following = explained.list_ledger(ledger, kind, span, before, size)
        else:
            account = arguments.named_account(
                register, caller, request.participant, request.head
            )
            span = self._span(request, account)
            before = read_token(request, caller)
            if request.open_only:
                found, following = explained.open_holds(
                    ledger, account.index, span, before, size
                )
            else:
                found, following = explained.list_account(
                    ledger, account.index, (kind, side), span, before, size
                )
        return pb.ListMovementsResponse(
            entries=convert.entries(found, ledger, register),
            next_page_token=make_token(request, caller, following),
            as_of_sequence=span[1],
        )

    def _span(
        self,
        request: pb.ExplainAccountRequest | pb.ListMovementsRequest,
        account: Account | None,
    ) -> tuple[int, int]:
        """The sequences that a request is between: behind the first, to the second."""
        ledger = self._node.ledger
        # In this order: of two times that have not come yet both are now.
        after = self._after(request)
        last = arguments.point(ledger, request.sequence, request.time_ns)
        if not last:
            last = ledger.sequence
        if after > last:
            raise ArgumentError("after_sequence", "must not be behind the end")
        if account is not None:
            image, _ = ledger.account(account.index)
            if last < image["opened"]:
                raise NotFoundError("sequence: the account did not exist then")
        return after, last

    def _after(
        self, request: pb.ExplainAccountRequest | pb.ListMovementsRequest
    ) -> int:
        """Where a span begins: 0 also if the ledger is younger than the time."""
        sequence, time_ns = request.after_sequence, request.after_time_ns
        ledger = self._node.ledger
        if time_ns and not sequence:
            return last_at(ledger, time_ns)
        return arguments.point(ledger, sequence, time_ns, "after_")

    def _explain_window(
        self, request: pb.ExplainWindowRequest, caller: Identity
    ) -> pb.ExplainWindowResponse:
        ledger, register = self._node.ledger, self._node.register
        size = arguments.page_size(request.page_size, self._node.config)
        told = read_token(request, caller)
        window = arguments.durable_sequence(ledger, request.window, "window")
        entry = ledger.row(window)
        if entry.kind != Kind.WINDOW:
            raise NotFoundError(f"window: entry {window} is no window")
        lines = explained.window_lines(ledger, window)
        settled = np.array(
            [ledger.settled(window, one) for one in lines["account"].tolist()],
            np.uint64,
        )
        page = slice(told, told + size)
        response = pb.ExplainWindowResponse(
            window=convert.entry(entry, ledger, register),
            after_sequence=entry.resolves,
            lines_count=len(lines),
            settled=_sum(lines["payable"][settled != 0]),
            chain=self._chain(window),
            closed=window_message(self._node, entry),
            next_page_token=make_token(
                request, caller, told + size if told + size < len(lines) else 0
            ),
        )
        for name in ("debits", "credits", "carried", "payable"):
            setattr(response, name, _sum(lines[name]))
        for line, by in zip(
            convert.window_lines(lines[page], register),
            settled[page].tolist(),
            strict=True,
        ):
            response.lines.add(
                line=line,
                settled_sequence=by,
                settled_time_ns=ledger.row(by).timestamp if by else 0,
            )
        return response

    def _explain_day(
        self, request: pb.ExplainDayRequest, caller: Identity
    ) -> pb.ExplainDayResponse:
        ledger = self._node.ledger
        try:
            start_ns = day_start_ns(parse_date(request.day))
        except ValueError as error:
            raise ArgumentError("day", str(error)) from error
        if start_ns < 0:
            raise ArgumentError("day", "must not be before 1970-01-01")
        before = read_token(request, caller)
        end_ns = start_ns + DAY_S * NS_IN_S
        after, last = (first_at(ledger, one) - 1 for one in (start_ns, end_ns))
        if not last:
            raise NotFoundError("day: the ledger has no entry as old as that")
        size = arguments.counted_size(request.page_size, explained.LEDGER_ROWS_MAX)
        movements, following = count_ledger(
            ledger, self._node.totals, (after, last), before, size
        )
        return pb.ExplainDayResponse(
            after_sequence=after,
            as_of_sequence=last,
            movements=[_movement(one) for one in movements],
            chain=self._chain(last),
            next_page_token=make_token(request, caller, following),
        )

    def _chain(self, sequence: int) -> pb.ChainPlace:
        ordinal, first, count, check = self._node.ledger.chunk_of(sequence)
        return pb.ChainPlace(
            sequence=sequence,
            time_ns=self._node.ledger.row(sequence).timestamp,
            chunk=ordinal,
            first_sequence=first,
            entries_count=count,
            check=check,
        )


def _totals(held: tuple[int, int, int, int]) -> pb.Totals:
    debits_pending, debits_posted, credits_pending, credits_posted = held
    return pb.Totals(
        debits_pending=debits_pending,
        debits_posted=debits_posted,
        credits_pending=credits_pending,
        credits_posted=credits_posted,
    )


def _movement(one: explained.Movement) -> pb.Movement:
    return pb.Movement(
        kind=cast("types_pb2.EntryKind.ValueType", int(one.kind)),
        side=cast("pb.Side.ValueType", int(one.side)),
        count=one.rows,
        posted=min(one.posted, SUM_MAX),
        reserved=min(one.reserved, SUM_MAX),
        released=min(one.released, SUM_MAX),
    )


def _sum(paise: explained.U64) -> int:
    return min(sum(map(int, paise)), SUM_MAX)


def _settlement(one: explained.Settlement) -> pb.Settlement:
    return pb.Settlement(
        window=one.window,
        payable=one.payable,
        settled_sequence=one.settled,
        carried=one.carried,
        debits=one.debits,
        credits=one.credits,
    )
