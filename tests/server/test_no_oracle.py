"""Goal: who asks for another's learns no more than who asks for what is not there.

Method: what a centre may not see and what nobody has are asked for side by side, and
the answers compared to the last byte. Every text of every request is made long and
unprintable, and what comes back is looked through for it.
"""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from switch.codes import Role
from switch.ids import new_id
from switch.register.rights import MATRIX
from switch.v1 import counter_pb2, payments_pb2, wallets_pb2
from tests.server.calls import METHODS, exists, own_of
from tests.server.harness import CALL_S, Failure, Peer, Peers, failing, payment
from tests.server.till import Till

Answer = tuple[grpc.StatusCode, str, bytes]

ECHO_MAX = 200
"""Bytes of a caller's text that an answer may repeat."""
UNIT = "Q\x07☃"
"""A letter to be counted by, and what no log and no terminal should be given."""
LONG = UNIT * 2_000


def answer(call: Callable[[], object]) -> Answer:
    """All that a refused caller is told."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    error: Any = raised.value
    trailers = dict(error.trailing_metadata())
    return error.code(), error.details(), trailers.get("grpc-status-details-bin", b"")


@pytest.fixture(scope="module")
def theirs(peers: Peers) -> bytes:
    """A payment that an aggregator has made for another centre."""
    bill = payment(centre="centre-b")
    assert peers.harness.pay(bill).result == 1
    return bytes(bill.id)


@pytest.mark.parametrize(
    ("service", "method", "request_type"),
    [
        ("payments", "GetPayment", payments_pb2.GetPaymentRequest),
        ("payments", "WatchPayment", payments_pb2.WatchPaymentRequest),
        ("counter", "GetReceipt", counter_pb2.GetReceiptRequest),
        ("counter", "GetAcknowledgement", counter_pb2.GetAcknowledgementRequest),
    ],
)
def test_a_payment_of_another_is_none(
    peers: Peers, theirs: bytes, service: str, method: str, request_type: Any
) -> None:
    peer = peers.centre()

    def ask(payment_id: bytes, sender: str) -> Answer:
        call = getattr(getattr(peer, service), method)
        request = request_type(id=payment_id, sender=sender)
        replies = call(request, timeout=CALL_S)
        return answer(lambda: list(replies))

    def ask_unary(payment_id: bytes, sender: str) -> Answer:
        call = getattr(getattr(peer, service), method)
        request = request_type(id=payment_id, sender=sender)
        return answer(lambda: call(request, timeout=CALL_S))

    one = ask if method == "WatchPayment" else ask_unary
    nothing = one(new_id(), "harness")
    assert nothing[0] == grpc.StatusCode.NOT_FOUND
    for payment_id, sender in (
        (theirs, "harness"),
        (theirs, ""),
        (theirs, "centre-b"),
        (theirs, "nobody-at-all"),
        (new_id(), "centre-b"),
        (new_id(), "asleep"),
        (new_id(), "treasury"),
    ):
        assert one(payment_id, sender) == nothing, sender
    # Whose wallet paid it has it, by the same question.
    owner = peers.centre("centre-b").payments
    request = payments_pb2.GetPaymentRequest(id=theirs, sender="harness")
    assert owner.GetPayment(request, timeout=CALL_S).entry.id == theirs


def test_a_shift_of_another_is_none(peers: Peers) -> None:
    shift = Till(peers.centre("centre-b"), 2).close_one()
    here = Till(peers.centre(), 1)
    told = {answer(partial(here.sign, at)) for at in (shift, 1, 0, 1 << 60)}
    assert len(told) == 1
    assert next(iter(told))[0] == grpc.StatusCode.NOT_FOUND


def test_a_wallet_of_another_is_none(peers: Peers) -> None:
    def ask(centre: str) -> Answer:
        request = wallets_pb2.GetWalletRequest(centre=centre)
        return answer(lambda: peers.centre().wallets.GetWallet(request, timeout=CALL_S))

    assert ask("centre-b") == ask("nobody-at-all") == ask("power")


# --- pages ---------------------------------------------------------------------------


def test_page_tokens_are_of_who_asked_and_what_was_asked(peers: Peers) -> None:
    mine, other = peers.centre("centre-c"), peers.centre("centre-d")
    for peer in (mine, other):
        peer.pay_all([payment() for _ in range(6)])

    def page(peer: Peer, **fields: Any) -> payments_pb2.ListPaymentsResponse:
        request = payments_pb2.ListPaymentsRequest(**{"page_size": 2, **fields})
        return peer.payments.ListPayments(request, timeout=CALL_S)

    token = page(mine).next_page_token
    second = page(mine, page_token=token)
    assert page(mine, page_token=token, page_size=4).payments[:2] == second.payments
    first = "B" if token[0] == "A" else "A"
    last = "B" if token[-1] == "A" else "A"
    wrong: list[tuple[Peer, dict[str, Any]]] = [
        (other, {"page_token": token}),
        (peers.auditor, {"page_token": token, "centre": "centre-c"}),
        # The same list, asked for in other words.
        (mine, {"page_token": token, "centre": "centre-c"}),
        (mine, {"page_token": first + token[1:]}),
        (mine, {"page_token": token[:-1] + last}),
        (mine, {"page_token": token[:-4]}),
        (mine, {"page_token": token + "AAAA"}),
        (mine, {"page_token": "é" * 32}),
        (mine, {"page_token": "!" + token[1:]}),
        (mine, {"page_token": "=" * 32}),
        (mine, {"page_token": "x" * 100_000}),
        # As tokens were before they were sealed.
        (mine, {"page_token": "AQEAAAABAAAAAAAAAA"}),
    ]
    told = []
    for peer, fields in wrong:
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            page(peer, **fields)
        told += failures
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        statement = wallets_pb2.ListStatementRequest(page_size=2, page_token=token)
        mine.wallets.ListStatement(statement, timeout=CALL_S)
    assert {(one.text, *one.fields) for one in [*told, *failures]} == {
        ("page_token: is not a token of this list", "page_token")
    }


# --- what is repeated, and where -----------------------------------------------------


def texts(message: Message, depth: int = 0) -> Iterator[tuple[Message, Any]]:
    """Every text and every bytes of a message, and of one of each message in it."""
    for field in message.DESCRIPTOR.fields:
        if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
            yield message, field
        elif field.type == field.TYPE_MESSAGE and depth < 3:
            inside = getattr(message, field.name)
            if field.is_repeated:
                inside = inside[0] if inside else inside.add()
            else:
                inside.SetInParent()
            yield from texts(inside, depth + 1)


def put_long(holder: Message, field: Any) -> None:
    long = LONG if field.type == field.TYPE_STRING else LONG.encode()
    if field.is_repeated:
        del getattr(holder, field.name)[:]
        getattr(holder, field.name).append(long)
    else:
        setattr(holder, field.name, long)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_text_comes_back_whole(peers: Peers, name: str) -> None:
    method = METHODS[name]
    places = range(len(list(texts(own_of(method)))))
    # Who may name others is told more than who may not.
    roles = sorted(MATRIX[name])[:2]
    for place, role in itertools.product(places, roles):
        request = own_of(method)
        holder, field = list(texts(request))[place]
        put_long(holder, field)
        peer = peers.get(role, NAMES[role])
        refused: Any = None
        try:
            replies = method.call(peer.channel, request)
        except grpc.RpcError as error:
            refused, replies = error, []
        for reply in replies:
            assert reply.count(UNIT.encode()) * len(UNIT.encode()) <= ECHO_MAX
        if refused is None:
            continue
        told = Failure(refused)
        where = (name, field.full_name, told.text)
        assert told.text.isascii(), where
        assert told.text.isprintable(), where
        trailers = dict(refused.trailing_metadata())
        said = told.text.encode() + trailers.get("grpc-status-details-bin", b"")
        # A text may be in the message and in the details.
        assert said.count(b"Q") * len(UNIT.encode()) <= 2 * ECHO_MAX, where
        for path in told.fields:
            assert exists(type(request).DESCRIPTOR, path), (where, path)


NAMES = {
    Role.CENTRE: "centre-a",
    Role.BILLER: "power",
    Role.TREASURY: "treasury",
    Role.AUDITOR: "auditor",
    Role.HARNESS: "harness",
    Role.PUBLIC: "public",
}
