"""CounterService: fetch a bill, pay it, print the receipt, close the shift."""

import asyncio
import logging
import time
from functools import partial
from typing import Any

from server import arguments, asking, convert
from server.masked import paper_for
from server.node import Node
from server.reading import Wanted
from server.services import bills, receipts
from server.services.cancelling import CancelCalls
from server.services.catalogue import CatalogueLists
from server.services.complaint_centres import ComplaintCentres
from server.services.complaints import ComplaintCalls
from server.services.handouts import HandoutCalls
from server.services.operators import OperatorCalls
from server.services.payments import find_payment
from server.services.search import PaymentSearch
from server.services.standing import standing_now
from server.sessions import operator_of
from server.status import ArgumentError, NotFoundError, PreconditionError
from switch._core import Request
from switch.calendar import financial_year
from switch.codes import AMOUNT_MAX, Kind, Mode, Result, Role
from switch.counter import shift_rows, shifts
from switch.counter.acknowledgements import acknowledgement_json, acknowledgement_text
from switch.counter.handouts import HandoutBook
from switch.counter.paper_rows import make_acknowledgement
from switch.entries import Entry
from switch.errors import OverloadError, SwitchError
from switch.ids import ID_SIZE
from switch.ledger import moves, statements
from switch.ledger.templates import Templates
from switch.payment_states import PaymentState, Standing
from switch.references import WrongReferenceError, canonical, is_reference
from switch.register.identity import Identity
from switch.v1 import catalogue_pb2, payments_pb2, results_pb2, search_pb2
from switch.v1 import counter_pb2 as pb

log = logging.getLogger("server")

WAIT_MS = 5_000
"""How long PayBill waits for the biller if the caller does not say."""
WAIT_MAX_MS = 30_000

CLOSES_MAX = 1_024
"""Shifts that may wait to be closed, one after the other."""

# Where the biller's word may come any moment.
_WAITS = (PaymentState.HELD, PaymentState.UNKNOWN)


class CounterService(CancelCalls, ComplaintCalls, HandoutCalls, OperatorCalls):
    """What the software at a centre's counter asks for."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node
        self._names = node.past_names
        self._book = shifts.ShiftBook(node.ledger)
        self._handouts = HandoutBook(node.ledger)
        self._catalogue = CatalogueLists(node)
        self._search = PaymentSearch(node)
        self._complaint_centres = ComplaintCentres()
        self._closing = asyncio.Lock()
        self._closes: set[asyncio.Task[results_pb2.Outcome]] = set()

    # --- bills -------------------------------------------------------------------

    async def FetchBill(
        self, request: pb.FetchBillRequest, caller: Identity
    ) -> pb.FetchBillResponse:
        """What a reference owes, as its biller says."""
        return await bills.fetch_bill(self._node, request, caller)

    async def FetchBills(
        self, request: pb.FetchBillsRequest, caller: Identity
    ) -> pb.FetchBillsResponse:
        """The same for several references of one service."""
        return await bills.fetch_bills(self._node, request, caller)

    async def PayBill(
        self, request: pb.PayBillRequest, caller: Identity
    ) -> pb.PayBillResponse:
        """Pay one bill, and wait for the biller's word."""
        node = self._node
        payment = request.payment
        if request.wait_ms > WAIT_MAX_MS:
            raise ArgumentError("wait_ms", f"must be at most {WAIT_MAX_MS}")
        # What was sent before has its answer in the ledger, whatever became of its
        # service and its biller since.
        if not await node.look(self._is_known, payment.id, caller):
            named = node.register.find_participant(payment.centre)
            payment.operator = operator_of(
                node.register, caller, payment.operator, named.index if named else 0
            )
            self._check_door(payment, caller)
        body = payments_pb2.CreatePaymentRequest(payment=payment).SerializeToString()
        reply = await node.pay(
            Request.payments(body, caller.index, caller.bound_centre, caller.operator)
        )
        outcome = payments_pb2.CreatePaymentResponse.FromString(reply).outcome
        if outcome.state == payments_pb2.PAYMENT_STATE_HELD:
            # It is done and durable. Whatever keeps this from waiting (no room, the
            # end, a damaged page), `held` is true; an error would hide what is known.
            try:
                await self._wait_for_biller(outcome, caller, request.wait_ms or WAIT_MS)
            except SwitchError as error:
                log.warning("cannot wait for entry %d: %s", outcome.sequence, error)
        return pb.PayBillResponse(outcome=outcome)

    async def _is_others(self, row_id: bytes, caller: Identity) -> bool:
        """Whether who acts for a centre has sent this before: it has its answer, if the
        centre's operators sign on by now, too.
        """
        if caller.role is Role.CENTRE:
            return False
        return await self._node.read(self._is_known, row_id, caller)

    def _is_known(self, payment_id: bytes, caller: Identity) -> bool:
        if len(payment_id) != ID_SIZE:
            return False
        return self._node.ledger.find(caller.index, payment_id) != 0

    def _check_door(self, payment: payments_pb2.Payment, caller: Identity) -> None:
        """Turn a payment away for which somebody would wait in vain.

        Raises ArgumentError with an example of a reference, and what the biller's door
        says. Everything else is the ledger's to refuse.
        """
        register = self._node.register
        service = register.find_service(payment.service)
        if service is None:
            return
        if is_reference(payment.reference):
            # Another shape is the ledger's to refuse, as that of every field.
            try:
                canonical(service.spec.form, payment.reference)
            except WrongReferenceError as error:
                raise ArgumentError("payment.reference", str(error)) from error
        if service.spec.mode is Mode.CONFIRMED:
            wallet = register.find_wallet(payment.centre or caller.participant)
            index = 0 if wallet is None else wallet.index
            self._node.dispatch.check_service(service, index)

    async def _wait_for_biller(
        self, outcome: payments_pb2.PaymentOutcome, caller: Identity, wait_ms: int
    ) -> None:
        """Bring a held payment's outcome to where it stands when the biller answers."""
        node = self._node
        end_s = node.loop.time() + wait_ms / 1000
        with node.dispatch.watch(outcome.sequence) as watch:
            while True:
                found = await node.look(self._payment, caller.index, outcome.id)
                assert found is not None
                state = standing_now(node, found).state
                left_s = end_s - node.loop.time()
                if state not in _WAITS or left_s <= 0 or node.stopping:
                    break
                await watch.wait(left_s)
        outcome.state = convert.wire_state(state)
        final = found.resolution
        if final is None:
            return
        if final.receipt:
            outcome.receipt = final.receipt
            outcome.receipt_year = financial_year(final.timestamp)
        image, _ = node.ledger.account(found.entry.debit)
        wallet = convert.wallet(image, "")
        outcome.wallet_balance = wallet.balance
        outcome.wallet_pending = wallet.pending

    def _payment(self, sender: int, payment_id: bytes) -> Any:
        """In the looking thread; gives a payment, once its row is found."""
        then = partial(statements.payment_in, self._node.ledger)
        return Wanted((sender, payment_id, None), then)

    # --- what there is, and what was paid ----------------------------------------

    async def ListCatalogue(
        self, request: catalogue_pb2.ListCatalogueRequest, caller: Identity
    ) -> catalogue_pb2.ListCatalogueResponse:
        """What can be paid, and what costs nothing."""
        return await self._catalogue.list(request, caller)

    async def SearchPayments(
        self, request: search_pb2.SearchPaymentsRequest, caller: Identity
    ) -> search_pb2.SearchPaymentsResponse:
        """Payments by what somebody has in hand."""
        return await self._search.search(request, caller)

    # --- receipts ----------------------------------------------------------------

    async def GetReceipt(
        self, request: pb.GetReceiptRequest, caller: Identity
    ) -> pb.GetReceiptResponse:
        """The receipt of a completed payment, or of a refund of it."""
        _check_language(request.language)
        return await self._node.read(
            receipts.get_receipt, self._node, request, caller, asking.charge()
        )

    async def GetAcknowledgement(
        self, request: pb.GetAcknowledgementRequest, caller: Identity
    ) -> pb.GetAcknowledgementResponse:
        """That a payment was taken, and where it stands now."""
        _check_language(request.language)
        node = self._node
        found = await node.read(find_payment, node, request.id, request.sender, caller)
        standing = standing_now(node, found)
        return await node.read(
            self._get_acknowledgement, request.language, found, standing, caller
        )

    def _get_acknowledgement(
        self,
        language: int,
        found: statements.Payment,
        standing: Standing,
        caller: Identity,
    ) -> pb.GetAcknowledgementResponse:
        if found.entry.kind != Kind.HOLD or standing is Standing.REFUSED:
            raise PreconditionError(
                "NO_ACKNOWLEDGEMENT",
                "the payment was refused"
                if standing is Standing.REFUSED
                else "the payment needed no biller's word: it has a receipt",
            )
        node = self._node
        as_of_ns = max(time.time_ns(), found.entry.timestamp)
        made = make_acknowledgement(
            found, standing, node.register, self._names, as_of_ns
        )
        paper = paper_for(caller, made)
        bengali = language == pb.LANGUAGE_BENGALI
        return pb.GetAcknowledgementResponse(
            text=acknowledgement_text(paper, bengali=bengali),
            json=acknowledgement_json(paper),
            number=paper.full_number,
        )

    # --- shifts ------------------------------------------------------------------

    async def CloseShift(
        self, request: pb.CloseShiftRequest, caller: Identity
    ) -> pb.CloseShiftResponse:
        """Close an operator's shift: count, and record."""
        register = self._node.register
        account = arguments.own_wallet(register, caller, request.centre)
        wallet, centre = account.index, account.participant
        if not await self._is_others(request.id, caller):
            request.operator = operator_of(register, caller, request.operator, centre)
        if request.cash_counted > AMOUNT_MAX:
            raise ArgumentError("cash_counted", f"must be at most {AMOUNT_MAX}")
        if len(self._closes) >= CLOSES_MAX:
            raise OverloadError(f"{CLOSES_MAX} shifts are being closed")
        # Also when the caller goes away: the next one must see what became of this.
        closing = asyncio.create_task(self._close(request, wallet, caller))
        self._closes.add(closing)
        closing.add_done_callback(self._closed)
        outcome = await asyncio.shield(closing)
        response = pb.CloseShiftResponse(outcome=outcome)
        if outcome.result == results_pb2.RESULT_OK:
            # Not in a reading thread, which could be refused although it is done: what
            # was written a moment ago is three look-ups.
            response.shift.CopyFrom(self._shift(outcome.sequence))
        return response

    async def _close(
        self, request: pb.CloseShiftRequest, wallet: int, caller: Identity
    ) -> results_pb2.Outcome:
        # One at a time: two of one operator would count the same entries.
        async with self._closing:
            move = await self._node.read(self._count, request, wallet, caller)
            return await self._do(move)

    def _closed(self, closing: "asyncio.Task[results_pb2.Outcome]") -> None:
        self._closes.discard(closing)
        if not closing.cancelled():
            # The caller has it, if there still is one.
            closing.exception()

    def _count(
        self, request: pb.CloseShiftRequest, wallet: int, caller: Identity
    ) -> Templates:
        ledger = self._node.ledger
        known = self._known_shift(request.id, caller)
        if known is not None:
            # Counting again would find other entries: the recorded counts stand.
            previous = known.resolves
            recorded = shift_rows.read_shift(ledger.tail(known.sequence))
            counted = recorded._replace(cash_counted=request.cash_counted)
        else:
            previous = self._book.last(wallet, request.operator)
            before = shift_rows.read_shift(ledger.tail(previous)) if previous else None
            after = before.to_sequence if before else 0
            try:
                counted = shifts.count_shift(
                    *(self._handouts, ledger, wallet, request.operator),
                    *(after, request.cash_counted),
                )
            except shifts.ShiftTooLongError as error:
                raise PreconditionError("SHIFT_TOO_LONG", str(error)) from error
        return shift_rows.shift(
            request.id,
            wallet,
            request.operator,
            counted,
            sender=caller.index,
            previous=previous,
        )

    def _known_shift(self, row_id: bytes, caller: Identity) -> Entry | None:
        """The accepted shift with this id."""
        ledger = self._node.ledger
        sequence = ledger.find(caller.index, row_id) if len(row_id) == ID_SIZE else 0
        if not sequence:
            return None
        entry = ledger.row(sequence)
        is_shift = entry.kind == Kind.SHIFT and entry.result == Result.OK
        return entry if is_shift else None

    def _shift(self, sequence: int) -> pb.Shift:
        ledger = self._node.ledger
        entry = ledger.row(sequence)
        signed, _ = ledger.resolution(sequence)
        return convert.shift(entry, ledger.tail(sequence), signed, self._node.register)

    async def SignShift(
        self, request: pb.SignShiftRequest, caller: Identity
    ) -> pb.SignShiftResponse:
        """Sign another person's shift off."""
        node = self._node
        account = arguments.own_wallet(node.register, caller, request.centre)
        wallet, centre = account.index, account.participant
        operator = request.operator
        if not await self._is_others(request.id, caller):
            operator = operator_of(node.register, caller, operator, centre)
        await node.read(self._check_shift, request.shift_sequence, wallet)
        move = moves.approve(
            request.id,
            request.shift_sequence,
            operator=operator,
            sender=caller.index,
        )
        return pb.SignShiftResponse(outcome=await self._do(move))

    def _check_shift(self, sequence: int, wallet: int) -> None:
        """Only a shift of this wallet: what offices propose is not for a counter."""
        ledger = self._node.ledger
        # For a sequence that is not there another entry is read, and all is compared at
        # once: how long this takes tells no more than the answer.
        newest = ledger.sequence
        entry = ledger.row(
            sequence if 0 < sequence <= newest else 1 + sequence % newest
        )
        found = (entry.sequence, entry.kind, entry.result, entry.debit)
        if found != (sequence, Kind.SHIFT, Result.OK, wallet):
            raise NotFoundError("shift_sequence: the centre has no such shift")

    async def _do(self, move: Templates) -> results_pb2.Outcome:
        reply = await self._node.commit_alone(move.request())
        assert not isinstance(reply, bytes)
        return convert.outcome(reply[0])


def _check_language(language: int) -> None:
    if language not in pb.Language.values():
        raise ArgumentError("language", "is none that papers are written in")
