"""CounterService: fetch a bill, pay it, print the receipt, close the shift."""

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
from server.services.shifts import ShiftCalls
from server.services.standing import standing_now
from server.sessions import operator_of
from server.status import ArgumentError, PreconditionError
from switch._core import Request
from switch.calendar import financial_year
from switch.codes import Kind, Mode
from switch.counter.acknowledgements import acknowledgement_json, acknowledgement_text
from switch.counter.handouts import HandoutBook
from switch.counter.paper_rows import make_acknowledgement
from switch.errors import SwitchError
from switch.ledger import statements
from switch.payment_states import PaymentState, Standing
from switch.references import WrongReferenceError, canonical, is_reference
from switch.register.identity import Identity
from switch.v1 import catalogue_pb2, payments_pb2, search_pb2
from switch.v1 import counter_pb2 as pb

log = logging.getLogger("server")

WAIT_MS = 5_000
"""How long PayBill waits for the biller if the caller does not say."""
WAIT_MAX_MS = 30_000

# Where the biller's word may come any moment.
_WAITS = (PaymentState.HELD, PaymentState.UNKNOWN)


class CounterService(
    CancelCalls, ComplaintCalls, HandoutCalls, OperatorCalls, ShiftCalls
):
    """What the software at a centre's counter asks for."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        super().__init__()
        self._node = node
        self._names = node.past_names
        self._handouts = HandoutBook(node.ledger)
        self._catalogue = CatalogueLists(node)
        self._search = PaymentSearch(node)
        self._complaint_centres = ComplaintCentres()

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
        if not await node.look(arguments.is_known, node.ledger, caller, payment.id):
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


def _check_language(language: int) -> None:
    if language not in pb.Language.values():
        raise ArgumentError("language", "is none that papers are written in")
