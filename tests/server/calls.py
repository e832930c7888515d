"""Every method of every service, out of the descriptors, and requests that name things.

A request is filled by the names of its fields. A field that names something, of a
method that is new, must be in the table below; a matrix of whose things who may see is
as whole as that table is.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from switch.calendar import ist_date
from switch.ids import new_id
from switch.v1 import (
    admin_pb2,
    banks_pb2,
    billers_pb2,
    budgets_pb2,
    complaints_pb2,
    counter_pb2,
    explain_pb2,
    files_pb2,
    payments_pb2,
    people_pb2,
    public_pb2,
    totals_pb2,
    types_pb2,
    wallets_pb2,
)
from tests.server.harness import CALL_S

FILES: Final = (
    payments_pb2,
    wallets_pb2,
    billers_pb2,
    counter_pb2,
    admin_pb2,
    people_pb2,
    banks_pb2,
    explain_pb2,
    files_pb2,
    totals_pb2,
    public_pb2,
)

NOTHING: Final = 1 << 60
"""A sequence that no entry has."""


@dataclass(frozen=True)
class Method:
    """One method, callable with bytes and nothing of a generated stub."""

    name: str
    request: type[Message]
    reply: type[Message]
    client_streams: bool
    server_streams: bool

    @property
    def short(self) -> str:
        """Without its service."""
        return self.name.rpartition("/")[2]

    def call(self, channel: grpc.Channel, request: Message) -> list[bytes]:
        """The replies, of a stream the first one. Raises grpc.RpcError."""
        body = request.SerializeToString()
        if self.client_streams:
            both: Any = channel.stream_stream(self.name)
            return self._first(both(iter([body]), timeout=CALL_S))
        if self.server_streams:
            pages: Any = channel.unary_stream(self.name)
            return self._first(pages(body, timeout=CALL_S))
        unary: Any = channel.unary_unary(self.name)
        return [unary(body, timeout=CALL_S)]

    @staticmethod
    def _first(replies: Any) -> list[bytes]:
        first = next(replies, None)
        replies.cancel()
        return [] if first is None else [first]


def _methods() -> Iterator[Method]:
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield Method(
                    f"/{service.full_name}/{method.name}",
                    GetMessageClass(method.input_type),
                    GetMessageClass(method.output_type),
                    method.client_streaming,
                    method.server_streaming,
                )


METHODS: Final = {method.name: method for method in _methods()}


@dataclass(frozen=True)
class Things:
    """What the naming fields of a request say."""

    centre: str = "centre-a"
    payer: str = "centre-a"
    """The centre of a request that names something of its own beside it."""
    biller: str = "power"
    head: str = "0801-01"
    account: tuple[str, str] = ("centre-a", "")
    """Owner and head of an account that is to be explained."""
    service: str = "EXACT"
    payment: bytes = b"p" * 16
    held: bytes = b"p" * 16
    """A payment that waits, or has waited, for its biller."""
    sender: str = ""
    sequence: int = 1
    shift: int = 1
    proposal: int = 1
    approval: int = 1
    """A proposal that is to be approved; the other is to be withdrawn."""
    advance: int = 1
    window: int = 1
    previous_window: int = 0
    revocation: int = 1
    revoked: str = "centre-a"
    """Whose certificate is revoked."""
    pinned: str = "centre-a"
    hold: int = 1
    hold_id: bytes = b"h" * 16
    request: str = "T000000000001AAA"
    """The number of a request for a top-up."""
    complaint: str = "C00000001AAA"
    """The number of a complaint."""
    handout: int = 1
    """What gave a rupee back to a wallet."""
    file: str = "S2026-27-0001-power-1.csv"


def fill(method: Method, things: Things) -> Any:
    """A request of this method about these things, whole but for what it names."""
    request: Any = method.request()
    names = {field.name for field in request.DESCRIPTOR.fields}
    apart = bool(names & {"shift_sequence", "sender"})
    for field in request.DESCRIPTOR.fields:
        full = f"{method.short}.{field.name}"
        if full in _OF_METHOD:
            value = _OF_METHOD[full](things)
        elif field.name == "centre":
            value = things.payer if apart else things.centre
        elif field.name in _BY_NAME:
            value = _BY_NAME[field.name](things)
        else:
            raise LookupError(f"nothing is said of {full}")
        if value is None:
            continue
        if field.is_repeated:
            getattr(request, field.name).extend(value)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(request, field.name).CopyFrom(value)
        else:
            setattr(request, field.name, value)
    return request


def own_of(method: Method) -> Any:
    """A request that could be somebody's, in a ledger that nothing is known of."""
    return fill(method, Things())


_references = iter(range(1, 1 << 62))


def _payment(things: Things) -> payments_pb2.Payment:
    return payments_pb2.Payment(
        id=new_id(),
        service="ANY",
        amount=100,
        reference=f"CELL-{next(_references)}",
        operator=1,
        centre=things.centre,
    )


def _answer(things: Things) -> billers_pb2.Answer:
    return billers_pb2.Answer(
        number=things.hold,
        id=things.hold_id,
        kind=billers_pb2.ANSWER_KIND_REJECTED,
        reason="E42",
    )


def _wish(things: Things) -> people_pb2.Wish:
    limit = people_pb2.LimitWish(centre=things.centre, payment_max=10**15)
    return people_pb2.Wish(limit=limit)


def _nothing(_: Things) -> None:
    """Left as it is: it names nothing."""


_OF_METHOD: Final[dict[str, Any]] = {
    "GetPayment.id": lambda things: things.payment,
    "GetPayments.payments": lambda things: [
        payments_pb2.GetPaymentRequest(id=things.payment, sender=things.sender)
    ],
    # A centre's own are walked through; by keys: test_search.py.
    "SearchPayments.centre": lambda things: things.centre,
    "SearchPayments.id": _nothing,
    "SearchPayments.sender": _nothing,
    "SearchPayments.reference": _nothing,
    "SearchPayments.service": _nothing,
    "SearchPayments.biller": _nothing,
    "WatchPayment.id": lambda things: things.payment,
    "GetReceipt.id": lambda things: things.payment,
    "GetAcknowledgement.id": lambda things: things.held,
    "GetWallet.sequence": _nothing,
    "ListStatement.sequence": _nothing,
    "ListAccounts.sequence": _nothing,
    "LoadNetwork.participant_fields": _nothing,
    "LoadNetwork.service_fields": _nothing,
    "ListNetwork.participant": lambda things: things.account[0],
    "ExplainAccount.participant": lambda things: things.account[0],
    "ExplainAccount.head": lambda things: things.account[1],
    "ExplainAccount.sequence": _nothing,
    "ListMovements.participant": lambda things: things.account[0],
    "ListMovements.head": lambda things: things.account[1],
    "ListMovements.kind": _nothing,
    "ListMovements.sequence": _nothing,
    "ListFiles.window": _nothing,
    "ListFiles.kind": _nothing,
    "ReadFile.name": lambda things: things.file,
    "ReadFile.offset": _nothing,
    "ReadFile.although_recalled": _nothing,
    "Approve.proposal_sequence": lambda things: things.approval,
    "CloseShift.operator": lambda _: 71,
    "SignShift.operator": lambda _: 72,
    "ListExceptions.owner": _nothing,
    "RevokeCertificate.participant": lambda things: things.revoked,
    "PinKeys.participant": lambda things: things.pinned,
    "SetBudget.participant": lambda things: things.centre,
    "RotateQuotationKey.current_number": lambda _: 255,
    "Settle.window": lambda things: things.window,
    "Prepare.payment": _nothing,
    "Submit.kind": lambda _: types_pb2.ENTRY_KIND_WITHDRAW,
    "Submit.amount": _nothing,
    "Submit.as_of_sequence": _nothing,
    "Submit.reference": lambda _: b"a cell",
    "GetProposal.sequence": lambda things: things.proposal,
    "RequestTopUp.amount": lambda _: 100,
    "GetTopUpRequest.number": lambda things: things.request,
    "GetTopUpRequest.id": _nothing,
    "PutBills.bills": _nothing,
    # Not its turn, so that nothing is put in.
    "PutBills.file": lambda things: billers_pb2.BillFile(
        id=new_id(),
        kind=billers_pb2.BILL_FILE_KIND_FULL,
        service=things.service,
        number=10**15,
    ),
    "CancelPayment.id": lambda things: things.payment,
    "GetComplaint.number": lambda things: things.complaint,
    # By the payment: test_complaint_calls.py.
    "GetComplaint.payment_id": _nothing,
    "GetComplaint.sender": _nothing,
    "AnswerComplaint.number": lambda things: things.complaint,
    "AnswerComplaint.step": lambda _: complaints_pb2.COMPLAINT_STEP_ANSWERED,
    "RaiseComplaint.payment_id": lambda things: things.held,
    "RaiseComplaint.reason": lambda _: complaints_pb2.COMPLAINT_REASON_OTHER,
    "ListComplaints.state": _nothing,
    "ListHandouts.centre": lambda things: things.centre,
    "ListHandouts.payment_id": _nothing,
    "ListHandouts.sender": _nothing,
    "HandOut.sequence": lambda things: things.handout,
    "HandOut.amount": lambda _: 100,
    "ReadTotals.by": _nothing,
    "ReadTotals.from_day": _nothing,
    "ReadTotals.to_day": _nothing,
    "CheckReceipt.number": lambda things: f"{things.centre}/2026-27/000001",
    "CheckReceipt.code": lambda _: "0" * 12,
    "CheckComplaint.number": lambda things: things.complaint,
    "CheckComplaint.code": lambda _: "0" * 12,
    "ReadPublicTotals.by": lambda _: public_pb2.PUBLIC_BY_DAY,
    "ReadPublicTotals.of": lambda _: public_pb2.PUBLIC_OF_PAYMENTS,
    "ReadPublicTotals.from_day": _nothing,
    "ReadPublicTotals.to_day": _nothing,
    # No bank account is registered.
    "ListBankItems.account": _nothing,
    "ListBankItems.kind": _nothing,
    # Nor is a schedule.
    "GetSchedule.cutoffs_count": _nothing,
}
_BY_NAME: Final[dict[str, Any]] = {
    "id": lambda _: new_id(),
    "payment": _payment,
    "payments": lambda things: [_payment(things)],
    "basket": lambda things: payments_pb2.Basket(
        payments=[_payment(things), _payment(things)]
    ),
    "baskets": _nothing,
    "sender": lambda things: things.sender,
    "service": lambda things: things.service,
    "reference": lambda _: "123",
    "references": lambda _: ["123"],
    "wait_ms": lambda _: 1,
    "wrong_pins": lambda _: 1,
    "language": _nothing,
    "operator": lambda _: 1,
    "cash_counted": _nothing,
    "shift_sequence": lambda things: things.shift,
    "biller": lambda things: things.biller,
    "head": lambda things: things.head,
    "cursor": _nothing,
    "end_at_newest": lambda _: True,
    "answers": lambda things: [_answer(things)],
    "clock_ns": _nothing,
    "credited": _nothing,
    "list": lambda _: billers_pb2.DayList(day="2020-01-31"),
    "participants": _nothing,
    "services": _nothing,
    "amount": lambda _: 100,
    "utr": lambda _: new_id().hex(),
    "unfreeze": lambda _: True,
    "reason": lambda _: "a cell",
    "day_amount_max": lambda _: 10**15,
    "day_count_max": _nothing,
    "payment_max": _nothing,
    "low_balance": _nothing,
    "kind": lambda _: types_pb2.PROPOSAL_KIND_REFUND,
    "kinds": _nothing,
    "overdue_only": _nothing,
    "with_history": _nothing,
    "sequence": lambda things: things.sequence,
    "time_ns": _nothing,
    "after_sequence": _nothing,
    "after_time_ns": _nothing,
    "side": _nothing,
    "open_only": _nothing,
    "all": _nothing,
    "day": lambda _: ist_date(time.time_ns()).isoformat(),
    "proposal_sequence": lambda things: things.proposal,
    "advance_sequence": lambda things: things.advance,
    "window": lambda things: things.window,
    "previous_window": lambda things: things.previous_window,
    "revocation": lambda things: things.revocation,
    "authority": lambda _: b"a" * 32,
    "serial": lambda _: new_id(),
    "pins": _nothing,
    "budget": lambda _: budgets_pb2.BUDGET_WATCHES,
    "value": lambda _: 10_000_000,
    "unconfirmed_only": _nothing,
    "wishes": lambda things: [_wish(things)],
    "network": _nothing,
    "stop": _nothing,
    "total": _nothing,
    "resolves": lambda things: things.proposal,
    "debit": _nothing,
    "number": lambda _: 1,
    "tail": _nothing,
    "signature": lambda _: bytes(64),
    "lines_max": _nothing,
    "from_line": _nothing,
    "page_size": _nothing,
    "filter": _nothing,
    "if_version": _nothing,
    "note": lambda _: "a cell",
    "text": lambda _: "a cell",
    "nonce": lambda _: bytes(144),
    "session": lambda _: bytes(144),
    "receipt": _nothing,
    "biller_reference": _nothing,
    "reprint": _nothing,
    "refund": _nothing,
    "page_token": _nothing,
}
"""What a field says, by its name; None leaves it out."""


def exists(message: Any, path: str) -> bool:
    """Whether a message of this type (its descriptor) has a field of such a path."""
    at = message
    for step in path.split("."):
        match = re.fullmatch(r"([a-z0-9_]+)(\[\d+\])?", step)
        field = at.fields_by_name.get(match[1]) if at and match else None
        if field is None or match is None or (match[2] and not field.is_repeated):
            return False
        at = field.message_type
    return True
