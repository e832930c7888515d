"""Goal: a programme's office and a support desk read the network and move nothing, and
are shown no citizen's reference, no note and no account at a bank.

Method: every text of every reply that they may get is either masked or said here, by
hand, to tell nobody's business. Then a payment whose reference and note are known is
looked for in the bytes of all that a server answers them, and found in the auditor's.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from google.protobuf.descriptor import FieldDescriptor

from server.masked import HIDDEN, mask_head, reply_to
from switch.codes import Role
from switch.ids import new_id
from switch.register.identity import Identity
from switch.register.rights import MASKED, MATRIX
from switch.v1 import (
    admin_pb2,
    complaints_pb2,
    counter_pb2,
    payments_pb2,
    results_pb2,
    types_pb2,
)
from tests.server.calls import METHODS, Things, fill
from tests.server.harness import CALL_S, Peer, Peers, payment

REFERENCE: Final = "CONSUMER-55177"
NOTE: Final = "ask for the younger one"
READING: Final = ("Get", "List", "Watch", "Explain", "Read", "Search")
"""What the names of calls that move nothing begin with."""
PLAIN: Final = {
    "Entry": "id service centre biller head period due_date person",
    "TariffItem": "code",
    "Actor": "participant",
    "Wallet": "centre day",
    "LowBalance": "centre",
    # Masked before they are printed.
    "GetReceiptResponse": "text json number code",
    "GetAcknowledgementResponse": "text json number",
    "BillerState": "biller",
    "WindowLine": "biller head",
    "Window": "first_day last_day",
    "Schedule": "holidays",
    "Account": "participant",
    "Service": "code name_en name_bn department_en department_bn biller heads pattern "
    "series called_en called_bn",
    "Participant": "id name_en name_bn code district host_kind heads day_list",
    "FormField": "name label_en label_bn pattern example",
    "Words": "en bn",
    "FreeService": "code name_en name_bn where_en where_bn",
    "ListCatalogueResponse": "version unavailable_billers day",
    "CatalogueService": "code name_en name_bn department_en department_bn biller "
    "called_en called_bn pattern example",
    "CatalogueItem": "code name_en name_bn",
    "CatalogueFreeService": "biller",
    "GotPayment": "id error",
    "Complaint": "number centre biller payment_id",
    "ComplaintEvent": "participant",
    "Fee": "code valid_from name_en name_bn",
    # The instance is left out of it.
    "GetLedgerResponse": "instance state_hash",
    "RequestedTopUp": "number centre",
    "ExplainAccountResponse": "participant",
    "TotalsLine": "code name_en name_bn",
}
"""Texts that these roles are shown as they stand, by message; page tokens are sealed.
"""


def texts_of(kind: Any, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Every text of a message (its descriptor) and of those in it."""
    if kind.full_name in seen:
        return
    seen.add(kind.full_name)
    for field in kind.fields:
        if field.message_type is not None:
            yield from texts_of(field.message_type, seen)
        elif field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield kind.full_name, field.name


def test_every_text_is_masked_or_said_to_be_plain() -> None:
    found, seen = set(), set[str]()
    for name, method in METHODS.items():
        if MATRIX[name] & MASKED:
            found |= set(texts_of(method.reply.DESCRIPTOR, seen))
    package = "payswitch.v1."
    said = {
        (package + kind, field)
        for kind, fields in PLAIN.items()
        for field in fields.split()
    }
    hidden = {(kind, field) for kind, fields in HIDDEN.items() for field in fields}
    assert not said & hidden
    tokens = {one for one in found if one[1] == "next_page_token"}
    assert found - tokens == said | hidden


def test_they_move_nothing() -> None:
    """What moves is in the matrix of others; test_matrix.py asks a server."""
    for name, roles in MATRIX.items():
        short = name.rpartition("/")[2]
        assert short.startswith(READING) or not roles & MASKED, name


def test_what_is_masked() -> None:
    entry = types_pb2.Entry(reference="123456789", note="short", bank="5501234501")
    reply = payments_pb2.GetPaymentResponse(entry=entry, conclusion=entry)
    own = reply_to(Identity(Role.SUPPORT, "support", 9), reply)
    for shown in (own.entry, own.conclusion):
        assert (shown.reference, shown.note) == ("12****89", "****")
        assert shown.bank == "55****01"
    assert not own.HasField("resolution")
    # What was made for others, too, is as it was.
    assert reply.entry == entry
    for role in set(Role) - MASKED:
        assert reply_to(Identity(role, "other", 1), reply) is reply
    accounts = admin_pb2.ListAccountsResponse()
    for head in ("bank/5501234501 transit", "bank/5501234501", "0029-01", ""):
        accounts.accounts.add(head=head)
    heads = [
        one.head for one in reply_to(Identity(Role.PMU, "pmu", 9), accounts).accounts
    ]
    assert heads == ["bank/55****01 transit", "bank/55****01", "0029-01", ""]
    assert mask_head("bank/1") == "bank/****"


# --- a server ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def things(peers: Peers) -> Things:
    """A payment with a reference and a note, one that is held, and a window."""
    centre = peers.centre("centre-a")

    def paid(service: str) -> Any:
        bill = payment(service, reference=REFERENCE, note=NOTE)
        outcome = centre.pay(bill)
        assert outcome.result == results_pb2.RESULT_OK
        return outcome

    done, held = paid("ANY"), paid("CONFIRM")
    request = admin_pb2.CloseWindowRequest()
    closed = peers.treasury.admin.CloseWindow(request, timeout=CALL_S)
    complaint = complaints_pb2.RaiseComplaintRequest(
        id=new_id(),
        payment_id=done.id,
        reason=complaints_pb2.COMPLAINT_REASON_NOT_CREDITED,
        note=NOTE,
    )
    raised = centre.counter.RaiseComplaint(complaint, timeout=CALL_S).complaint
    return Things(
        payment=done.id,
        complaint=raised.number,
        held=held.id,
        sender="centre-a",
        sequence=held.sequence,
        window=closed.outcome.sequence,
    )


def told(peer: Peer, role: Role, things: Things) -> dict[str, bytes]:
    """What this role is told by the calls that these roles may make, by their names."""
    replies = {}
    for name, method in METHODS.items():
        if role in MATRIX[name] and MATRIX[name] & MASKED:
            if method.short == "GetTopUpRequest":
                continue  # nobody has asked for money
            request = fill(method, things)
            replies[method.short] = b"".join(method.call(peer.channel, request))
    return replies


def test_no_answer_has_a_reference(peers: Peers, things: Things) -> None:
    secrets = [REFERENCE.encode(), NOTE.encode()]
    plain = told(peers.auditor, Role.AUDITOR, things)
    known = {name for name, body in plain.items() if secrets[0] in body}
    # So that the others are asked for what there is.
    assert known == {
        *("GetPayment", "WatchPayment", "ListPayments", "ListStatement"),
        *("GetPayments", "SearchPayments"),
        *("GetReceipt", "GetAcknowledgement", "ListMovements", "ExplainAccount"),
    }
    assert {name for name, body in plain.items() if secrets[1] in body} >= {
        *("GetPayment", "ListPayments", "GetReceipt", "GetAcknowledgement"),
        "GetComplaint",
    }
    for peer, role in ((peers.support, Role.SUPPORT), (peers.pmu, Role.PMU)):
        replies = told(peer, role, things)
        for name, body in replies.items():
            assert not [one for one in secrets if one in body], (role, name)
        if role is Role.SUPPORT:
            assert known <= set(replies)
            for name in known:
                assert b"CO****77" in replies[name], name


def test_papers_are_masked(peers: Peers, things: Things) -> None:
    for language in (counter_pb2.LANGUAGE_ENGLISH, counter_pb2.LANGUAGE_BENGALI):
        request = counter_pb2.GetReceiptRequest(
            id=things.payment, sender="centre-a", language=language
        )
        shown = peers.support.counter.GetReceipt(request, timeout=CALL_S)
        whole = peers.auditor.counter.GetReceipt(request, timeout=CALL_S)
        for one, other in ((shown.text, whole.text), (shown.json, whole.json)):
            assert REFERENCE in other
            assert REFERENCE not in one
            assert one.count("CO****77") == other.count(REFERENCE)
        # Who sees it masked has no paper to hand out, and nothing to prove by one.
        assert (shown.code, len(whole.code)) == ("", 12)
        assert shown.number == whole.number


def test_who_reads_is_not_told_the_instance(peers: Peers) -> None:
    """It keys the hashes of references: with it they could be tried."""
    request = admin_pb2.GetLedgerRequest()
    for peer in (peers.support, peers.pmu):
        assert not peer.admin.GetLedger(request, timeout=CALL_S).instance
    assert peers.auditor.admin.GetLedger(request, timeout=CALL_S).instance
