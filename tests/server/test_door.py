"""Goal: a connection is who its certificate says, as long as register and certificate
say so, and nobody by any other field of it.

Method: real servers and clients; certificates with names in the wrong places, two of
them, with a NUL, or that are over in seconds; participants that are switched off while
their streams are open.
"""

import queue
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

from switch.codes import Role
from switch.v1 import admin_pb2, billers_pb2, payments_pb2
from tests.server.harness import (
    CALL_S,
    Failure,
    Peer,
    Peers,
    failing,
    load,
    network,
    payment,
    running,
    until,
)
from tests.server.leaves import make_leaf, uri

WALLET = "/payswitch.v1.WalletService/GetWallet"
TREASURY = "spiffe://payswitch.test/treasury/treasury"
LIVES_S = 4
BOUND_S = 60.0


def email(text: str) -> x509.RFC822Name:
    """An e-mail address that is none; some authority may sign it all the same."""
    return x509.RFC822Name._init_without_validation(text)


@pytest.fixture
def peer(peers: Peers, request: pytest.FixtureRequest) -> Iterator[Peer]:
    names = request.param
    files = make_leaf(peers.authority, f"odd-{abs(hash(str(names)))}", names)
    peer = Peer(peers.server.address, files)
    yield peer
    peer.close()


@pytest.mark.parametrize(
    "peer",
    [
        [x509.DNSName(TREASURY)],
        [email(TREASURY)],
        [x509.DNSName("localhost"), email(TREASURY)],
        [uri(Role.TREASURY, "treasury"), uri(Role.CENTRE, "centre-a")],
        [uri(Role.TREASURY, "treasury"), uri(Role.TREASURY, "treasury")],
        [uri(Role.TREASURY, "treasury"), x509.UniformResourceIdentifier("https://x/")],
        [x509.UniformResourceIdentifier(f"{TREASURY}\0")],
        [x509.UniformResourceIdentifier(f"{TREASURY}\0.example")],
        [x509.UniformResourceIdentifier("https://payswitch.test/treasury/treasury")],
    ],
    indirect=True,
    ids=range(9),
)
def test_names_that_do_not_count(peer: Peer) -> None:
    with failing(grpc.StatusCode.UNAUTHENTICATED) as failures:
        peer.admin.GetLedger(admin_pb2.GetLedgerRequest(), timeout=CALL_S)
    assert failures[0].reason == "IDENTITY_UNKNOWN"


@pytest.mark.parametrize(
    "peer",
    [
        [uri(Role.TREASURY, "treasury")],
        [x509.DNSName("spiffe://x.test/centre/a"), uri(Role.TREASURY, "treasury")],
    ],
    indirect=True,
    ids=range(2),
)
def test_names_beside_the_one_that_counts(peer: Peer) -> None:
    assert peer.admin.GetLedger(admin_pb2.GetLedgerRequest(), timeout=CALL_S).sequence


def test_a_name_of_a_kind_that_nobody_reads(peers: Peers) -> None:
    text = TREASURY.encode()
    party = bytes.fromhex("a505a1030c0178")
    names = party + bytes((0x86, len(text))) + text
    files = make_leaf(
        peers.authority, "party", [], san=bytes((0x30, len(names))) + names
    )
    peer = Peer(peers.server.address, files)
    with failing(grpc.StatusCode.UNAUTHENTICATED):
        peer.admin.GetLedger(admin_pb2.GetLedgerRequest(), timeout=CALL_S)
    peer.close()


def test_a_connection_ends_with_its_certificate(peers: Peers) -> None:
    files = make_leaf(
        peers.authority,
        "brief",
        [uri(Role.AUDITOR, "auditor")],
        lives=timedelta(seconds=LIVES_S),
    )
    peer = Peer(peers.server.address, files)
    request = billers_pb2.FollowFeedRequest(biller="land")
    feed = peer.billers.FollowFeed(request, timeout=BOUND_S)
    with failing(grpc.StatusCode.UNAVAILABLE):
        for _ in feed:
            pass
    # It is not let in again either.
    with failing(grpc.StatusCode.UNAVAILABLE):
        peer.raw(WALLET, b"")
    peer.close()


class Open:
    """A stream that is open and idle; how it ended."""

    def __init__(self, replies: Any, said: "queue.Queue[Any]") -> None:
        self._replies = replies
        self._said = said
        self.messages: list[Any] = []
        self._thread = threading.Thread(target=self._read)
        self.failure: Failure | None = None
        self._thread.start()

    def _read(self) -> None:
        try:
            self.messages += self._replies
        except grpc.RpcError as error:
            self.failure = Failure(error)

    def ended(self) -> Failure | None:
        """Wait for its end."""
        self._thread.join(BOUND_S)
        assert not self._thread.is_alive()
        self._said.put(None)
        return self.failure


def requests(said: "queue.Queue[Any]") -> Iterator[Any]:
    """What is put in, until None is."""
    return iter(said.get, None)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Peers]:
    with running(tmp_path) as server:
        peers = Peers(server)
        load(peers)
        yield peers
        peers.close()


def switch(peers: Peers, names: set[str], *, active: bool) -> None:
    """Switch participants on or off."""
    wanted = network()
    for one in wanted.participants:
        if one.id in names:
            one.active = active
    peers.treasury.admin.LoadNetwork(wanted, timeout=CALL_S)


def test_streams_of_who_is_switched_off_end(own: Peers) -> None:
    centre, biller = own.centre("centre-a"), own.biller("power")
    held = centre.pay(payment("KEPT"))
    watched = payments_pb2.WatchPaymentRequest(id=held.id)
    said: queue.Queue[Any] = queue.Queue()
    answers: queue.Queue[Any] = queue.Queue()
    connect = biller.billers.Connect(requests(answers), timeout=BOUND_S)
    connect.initial_metadata()
    streams = [
        Open(centre.payments.StreamPayments(requests(said), timeout=BOUND_S), said),
        Open(centre.payments.WatchPayment(watched, timeout=BOUND_S), queue.Queue()),
        Open(connect, answers),
        Open(
            biller.billers.FollowFeed(billers_pb2.FollowFeedRequest(), timeout=BOUND_S),
            queue.Queue(),
        ),
    ]
    other_said: queue.Queue[Any] = queue.Queue()
    other = Open(
        own.centre("centre-b").payments.StreamPayments(
            requests(other_said), timeout=BOUND_S
        ),
        other_said,
    )
    bill = payment()
    said.put(payments_pb2.StreamPaymentsRequest(payments=[bill]))
    until_paid(centre, bill.id)
    switch(own, {"centre-a", "power"}, active=False)
    for one in streams:
        failure = one.ended()
        assert failure is not None
        assert (failure.code, failure.reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "FORBIDDEN",
        )
    [reply] = streams[0].messages
    assert [outcome.id for outcome in reply.outcomes] == [bill.id]
    with failing(grpc.StatusCode.UNAUTHENTICATED):
        centre.pay(payment())
    # The same connection, once it is switched on again.
    switch(own, {"centre-a", "power"}, active=True)
    assert centre.pay(payment()).result == 1
    # Nobody else has noticed.
    other_said.put(payments_pb2.StreamPaymentsRequest(payments=[payment()]))
    other_said.put(None)
    assert other.ended() is None
    assert len(other.messages) == 1


def until_paid(peer: Peer, payment_id: bytes) -> None:
    """Wait until a payment is durable."""
    request = payments_pb2.GetPaymentRequest(id=payment_id)

    def is_paid() -> bool:
        try:
            peer.payments.GetPayment(request, timeout=CALL_S)
        except grpc.RpcError as error:
            return Failure(error).code is not grpc.StatusCode.NOT_FOUND
        return True

    until(is_paid, BOUND_S)


def test_a_new_participant_is_known_on_the_connection_it_has(own: Peers) -> None:
    peer = own.centre("newcomer")
    with failing(grpc.StatusCode.UNAUTHENTICATED):
        peer.pay(payment())
    wanted = network()
    wanted.participants.add(
        id="newcomer",
        role=int(Role.CENTRE),
        active=True,
        name_en="Newcomer",
        code="BAN/newcomer",
        may_state_dues=True,
    )
    own.treasury.admin.LoadNetwork(wanted, timeout=CALL_S)
    own.treasury.top_up("newcomer", 100_000)
    assert peer.pay(payment()).result == 1


def test_a_call_that_may_not_be_made_is_refused_before_its_body(peers: Peers) -> None:
    """Its body never comes, and is not waited for."""
    never = threading.Event()

    def parts() -> Iterator[bytes]:
        never.wait(BOUND_S)
        yield b""

    call: Any = peers.centre().channel.stream_stream(
        "/payswitch.v1.AdminService/LoadNetwork"
    )
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        next(call(parts(), timeout=BOUND_S))
    never.set()
