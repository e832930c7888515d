"""Handouts: what CounterService does for money that came back to a wallet, and that its
citizen has to get.
"""

from typing import Any

from server import arguments, asking, convert
from server.asking import Charge
from server.node import Node
from server.page_tokens import make_token, read_token
from server.services import listed
from server.services.payments import find_payment
from server.sessions import operator_of
from server.status import ArgumentError, NotFoundError, PreconditionError
from switch.codes import AMOUNT_MAX, Kind
from switch.counter import handouts
from switch.counter.handouts import Handout, HandoutBook
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.ids import ID_SIZE
from switch.ledger.refunds import RefundsFarApartError, refunds_of
from switch.ledger.statements import Payment
from switch.register.identity import ForbiddenError, Identity
from switch.v1 import handouts_pb2 as pb


class HandoutCalls:
    """What waits at a counter for its citizens, and who has handed it out."""

    _node: Node
    _handouts: HandoutBook

    async def ListHandouts(
        self, request: pb.ListHandoutsRequest, caller: Identity
    ) -> pb.ListHandoutsResponse:
        """What waits at a centre, the oldest first; or all of one payment."""
        node, charge = self._node, asking.charge()
        if request.payment_id or request.sender:
            return await node.read(self._list_of_payment, request, caller, charge)
        return await node.read(self._list_waiting, request, caller, charge)

    async def HandOut(
        self, request: pb.HandOutRequest, caller: Identity
    ) -> pb.HandOutResponse:
        """Hand one of them out: its cash is in the operator's shift from then on."""
        node = self._node
        if len(request.id) != ID_SIZE:
            raise ArgumentError("id", f"must be {ID_SIZE} bytes")
        if request.centre not in ("", caller.participant):
            raise ForbiddenError("a centre hands out for itself only")
        if not 0 < request.amount <= AMOUNT_MAX:
            raise ArgumentError("amount", f"must be 1 to {AMOUNT_MAX} paise")
        operator = operator_of(node.register, caller, request.operator)
        wallet = arguments.own_wallet(node.register, caller, request.centre).index
        charge = asking.charge()
        found = await node.read(self._find_handout, request.sequence, wallet, charge)
        move = handouts.hand_out(
            request.id,
            found.back.sequence,
            request.amount,
            wallet=wallet,
            sender=caller.index,
            operator=operator,
        )
        reply = await node.commit_alone(move.request())
        assert not isinstance(reply, bytes)
        response = pb.HandOutResponse(outcome=convert.outcome(reply[0]))
        # What is told beside the outcome is never worth an error: it is durable.
        told = await node.read(self._tell_again, found.back, charge)
        if told is not None:
            response.handout.CopyFrom(told)
        return response

    # --- in a reading thread -----------------------------------------------------

    def _find_handout(self, sequence: int, wallet: int, charge: Charge) -> Handout:
        """What an entry gave back to a wallet. Raises NotFoundError, one answer for
        what is another's, what is not there and what nobody hands out.
        """
        ledger = self._node.ledger
        newest = ledger.sequence
        # For one that is not there another is read: how long this takes tells nothing.
        back = ledger.row(sequence if 0 < sequence <= newest else 1 + sequence % newest)
        is_its = back.sequence == sequence and handouts.wallet_of(back) == wallet
        found = handouts.handout_of(ledger, back, charge) if is_its else None
        if found is None or sequence <= self._handouts_since():
            raise NotFoundError(
                "sequence: this entry gave the centre nothing back to hand out; "
                "`payswitch handouts CENTRE` lists what did"
            )
        return found

    def _handouts_since(self) -> int:
        """The row from which on something is handed out. Raises PreconditionError."""
        since = self._handouts.since()
        if not since:
            text = "the ledger does not run by rules that know handouts yet"
            raise PreconditionError("RULES_TOO_OLD", text)
        return since

    def _tell_again(self, back: Entry, charge: Charge) -> pb.Handout | None:
        try:
            found = handouts.handout_of(self._node.ledger, back, charge)
        except CorruptionError:
            return None
        return None if found is None else self._tell_handout(found)

    def _list_waiting(
        self, request: pb.ListHandoutsRequest, caller: Identity, charge: Charge
    ) -> pb.ListHandoutsResponse:
        node = self._node
        wallet = arguments.own_wallet(node.register, caller, request.centre).index
        size = arguments.page_size(request.page_size, node.config)
        after = read_token(request, caller)
        as_of = node.ledger.sequence
        listed = self._handouts.waiting(wallet, after, size + 1)
        following = listed[size - 1] if len(listed) > size else 0
        response = pb.ListHandoutsResponse(
            as_of_sequence=as_of,
            next_page_token=make_token(request, caller, following),
        )
        for sequence in listed[:size]:
            found = handouts.handout_of(node.ledger, node.ledger.row(sequence), charge)
            if found is not None:
                response.handouts.append(self._tell_handout(found))
        return response

    def _list_of_payment(
        self, request: pb.ListHandoutsRequest, caller: Identity, charge: Charge
    ) -> pb.ListHandoutsResponse:
        for name in ("centre", "page_size", "page_token"):
            if getattr(request, name):
                raise ArgumentError(name, "must not be given beside a payment")
        node = self._node
        as_of = node.ledger.sequence
        payment = find_payment(node, request.payment_id, request.sender, caller)
        response = pb.ListHandoutsResponse(as_of_sequence=as_of)
        since = self._handouts.since()
        for back in self._list_given_back(payment, charge):
            if not since or back.sequence <= since:
                continue
            found = handouts.handout_of(node.ledger, back, charge)
            if found is not None:
                response.handouts.append(self._tell_handout(found))
        return response

    def _list_given_back(self, payment: Payment, charge: Charge) -> list[Entry]:
        """What gave a payment back, or what may have."""
        final = payment.resolution
        ends = [final] if final is not None else []
        paid = final if payment.entry.kind == Kind.HOLD else payment.entry
        if paid is None or not payment.refunded:
            return ends
        try:
            return [*ends, *refunds_of(self._node.ledger, paid, charge=charge)]
        except RefundsFarApartError as error:
            raise PreconditionError("TOO_FAR_APART", str(error)) from error

    def _tell_handout(self, found: Handout) -> pb.Handout:
        node = self._node
        back, row = found.back, found.handed_out
        kind: Any = int(back.kind)
        tender: Any = int(back.tender)
        told = pb.Handout(
            sequence=back.sequence,
            time_ns=back.timestamp,
            kind=kind,
            amount=found.amount,
            tender=tender,
            payment=convert.entry(found.payment.entry, node.ledger, node.register),
            refund=found.which,
            disputed=found.is_disputed,
            line=listed.line_of(found.payment),
        )
        if row is not None:
            told.handed_out_sequence = row.sequence
            told.handed_out_time_ns = row.timestamp
            told.handed_out_operator = row.operator
        return told
