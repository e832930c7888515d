"""PublicService: whether a receipt is real, how a complaint stands, and what everybody
may know of the totals and of recoveries.

Its caller is the machine that citizens reach, which is believed least of all. It is
told of a receipt only with its number and its code, of a complaint only with its number
and the code of its payment's receipt, and one answer is given for whatever is wrong, at
times that say nothing of how long it took; of totals only what `published` makes.
"""

import time
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from server.node import Node
from server.pace import wait_for_pace
from server.services.complaint_times import due_ns, is_overdue
from server.services.totals import first_and_last
from server.status import ArgumentError
from switch.calendar import day_date, ist_date
from switch.codes import RECOVERY_LIFE_NS, RECOVERY_WAIT_NS, Kind, Record
from switch.entries import Entry
from switch.ledger import complaints, receipts
from switch.ledger.people_matters import Recovery
from switch.ledger.refunds import RefundsFarApartError, refunds_of
from switch.receipt_numbers import (
    CODE_MAX,
    COMPLAINT_MAX,
    NUMBER_MAX,
    ReceiptNumber,
    parse_number,
    plain_code,
)
from switch.register.identity import Identity
from switch.totals.published import PublicTotals
from switch.totals.publishing import Line, Of, PublicBy, Table
from switch.v1 import public_pb2 as pb

PAGE_LINES: Final = 1_000
"""Lines of one message."""
LINES_MAX: Final = 100_000
"""Lines of one answer."""
SCAN_MAX: Final = 4_096
"""Rows of a wallet that one question about a refund's receipt looks through."""
PACE_S: Final = 0.02
"""Answers about receipts come so long after their question, or a multiple of it."""
RECOVERIES_SHOWN: Final = 20
"""Recoveries of one answer."""
_NO_CODE: Final = "0" * 12

T = TypeVar("T")
_Request = pb.CheckReceiptRequest | pb.CheckComplaintRequest


class PublicService:
    """What the public check asks."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node
        self._totals = PublicTotals(node.totals, node.register, node.past_names)

    # --- receipts --------------------------------------------------------------------

    async def CheckReceipt(
        self, request: pb.CheckReceiptRequest, caller: Identity
    ) -> pb.CheckReceiptResponse:
        """Whether there is a receipt with this number and this code."""
        _check_lengths(request, NUMBER_MAX)
        return await self._paced(self.check, request)

    async def CheckComplaint(
        self, request: pb.CheckComplaintRequest, caller: Identity
    ) -> pb.CheckComplaintResponse:
        """How the complaint with this number stands, if the code is its receipt's."""
        _check_lengths(request, COMPLAINT_MAX)
        return await self._paced(self.check_complaint, request)

    async def _paced(self, look: Callable[[str, str], T], request: _Request) -> T:
        begun_s = time.monotonic()
        try:
            return await self._node.read(look, request.number, request.code)
        finally:
            # Where in the history of a centre was looked takes longer or shorter; when
            # the answer is given tells none of it.
            await wait_for_pace(begun_s, PACE_S)

    def check(self, number: str, code: str) -> pb.CheckReceiptResponse:
        """The same at once. Reads; blocks."""
        node = self._node
        named = parse_number(number)
        final = None if named is None else self._final(named)
        row = final
        if final is not None and named is not None and named.refund:
            row = self._refund(final, named.refund)
        is_right = self._is_code_of(row, code)
        if final is None or row is None or not is_right:
            return pb.CheckReceiptResponse()
        _, refunded = node.ledger.resolution(final.sequence)
        paid = node.ledger.row(final.resolves) if final.kind == Kind.POST else final
        # As on the paper: what it was called when the payment was accepted.
        texts = node.past_names.texts(Record.SERVICE, paid.service, paid.sequence)
        return pb.CheckReceiptResponse(
            real=True,
            amount=row.amount,
            day=_day(row.timestamp),
            department_en=texts.get("department_en", ""),
            department_bn=texts.get("department_bn", ""),
            refunded=refunded > 0,
            refunded_wholly=refunded >= final.amount,
        )

    def _final(self, named: ReceiptNumber) -> Entry | None:
        """The row that completed the payment with this receipt."""
        wallet = self._node.register.find_wallet(named.centre)
        if wallet is None:
            return None
        ledger = self._node.ledger
        sequence = receipts.find_receipt(ledger, wallet.index, named.year, named.number)
        return ledger.row(sequence) if sequence else None

    def _refund(self, final: Entry, which: int) -> Entry | None:
        """The row of a payment's refund of this number."""
        try:
            found = refunds_of(self._node.ledger, final, scan_max=SCAN_MAX)
        except RefundsFarApartError:
            return None  # to who asks from outside it is as if it were not there
        return found[which - 1] if which <= len(found) else None

    def _is_code_of(self, row: Entry | None, code: str) -> bool:
        """Whether this is the code of a row's receipt; never of a row that is none.

        Also of what is not there a code is computed and compared.
        """
        plain = plain_code(code)
        sequence = 0 if row is None else row.sequence
        is_right = self._node.receipt_key.matches(sequence, plain or _NO_CODE)
        return is_right and row is not None and plain is not None

    # --- complaints ------------------------------------------------------------------

    def check_complaint(self, number: str, code: str) -> pb.CheckComplaintResponse:
        """How a complaint stands, at once. Reads; blocks."""
        node, ledger = self._node, self._node.ledger
        found = complaints.complaint_of(
            ledger, complaints.read_number(number, ledger.instance)
        )
        row = None
        if found is not None:
            row = complaints.completing_row(ledger, found.raised.resolves)
        is_right = self._is_code_of(row, code)
        if found is None or not is_right:
            return pb.CheckComplaintResponse()
        response = pb.CheckComplaintResponse(
            known=True, raised_day=_day(found.raised.timestamp)
        )
        if answered_ns := complaints.answer_time_ns(ledger, found):
            response.state = pb.PUBLIC_COMPLAINT_STATE_ANSWERED
            response.answered_day = _day(answered_ns)
            return response
        response.state = (
            pb.PUBLIC_COMPLAINT_STATE_OVERDUE
            if is_overdue(node, found)
            else pb.PUBLIC_COMPLAINT_STATE_OPEN
        )
        response.due_day = _day(due_ns(node, found))
        return response

    # --- recoveries ------------------------------------------------------------------

    async def ListRecoveries(
        self, request: pb.ListRecoveriesRequest, caller: Identity
    ) -> pb.ListRecoveriesResponse:
        """Which recoveries are under way."""
        return await self._node.read(self.recoveries, time.time_ns())

    def recoveries(self, now_ns: int) -> pb.ListRecoveriesResponse:
        """The same at once. Reads; blocks."""
        found = self._node.exceptions.recoveries(now_ns)
        found.sort(key=lambda one: (not one.approved_ns, one.sequence))
        return pb.ListRecoveriesResponse(
            recoveries=map(_wire_recovery, found[:RECOVERIES_SHOWN]), count=len(found)
        )

    # --- totals ----------------------------------------------------------------------

    async def ReadPublicTotals(
        self, request: pb.ReadPublicTotalsRequest, caller: Identity
    ) -> AsyncIterator[pb.ReadPublicTotalsResponse]:
        """All lines of one state."""
        node = self._node
        table, lines = await node.read(self._lines, request)
        first = 0
        while True:
            yield pb.ReadPublicTotalsResponse(
                as_of_sequence=table.sequence,
                as_of_time_ns=table.timestamp,
                lines=map(_wire_line, lines[first : first + PAGE_LINES]),
            )
            first += PAGE_LINES
            if first >= len(lines):
                return
            node.check_running()

    def _lines(self, request: pb.ReadPublicTotalsRequest) -> tuple[Table, list[Line]]:
        by, of = int(request.by), int(request.of)
        if by not in set(PublicBy):
            raise ArgumentError("by", f"{by} stands for nothing there")
        if of not in set(Of):
            raise ArgumentError("of", f"{of} stands for nothing there")
        first_day, last_day = first_and_last(request.from_day, request.to_day)
        published = self._totals.read()
        lines = published.lines(PublicBy(by), Of(of), first_day, last_day)
        if len(lines) > LINES_MAX:
            text = f"there would be more than {LINES_MAX:,} lines"
            raise ArgumentError("from_day", text)
        return published.tables[Of(of)], lines


def _check_lengths(request: _Request, number_max: int) -> None:
    """Raises ArgumentError for a number or a code that is longer than any."""
    for field, most in (("number", number_max), ("code", CODE_MAX)):
        if len(getattr(request, field)) > most:
            raise ArgumentError(field, f"must have at most {most} characters")


def _wire_recovery(one: Recovery) -> pb.PublicRecovery:
    told = pb.PublicRecovery(proposed_day=_day(one.proposed_ns))
    if one.approved_ns:
        told.approved_day = _day(one.approved_ns)
        told.from_day = _day(one.approved_ns + RECOVERY_WAIT_NS)
        told.until_day = _day(one.approved_ns + RECOVERY_LIFE_NS)
    return told


def _day(time_ns: int) -> str:
    return ist_date(time_ns).isoformat()


def _wire_line(line: Line) -> pb.PublicLine:
    return pb.PublicLine(
        from_day=day_date(line.first_day).isoformat(),
        to_day=day_date(line.last_day).isoformat(),
        code=line.code,
        name_en=line.name_en,
        name_bn=line.name_bn,
        others=line.is_others,
        count=line.sum.count,
        paise=line.sum.paise,
        spans=line.spans,
        told=line.told,
    )
