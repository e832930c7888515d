"""Goal: nobody does what their certificate does not say.

Method: connections without a certificate, with one of another authority, and with
certificates of every role against every method of the matrix.
"""

from pathlib import Path
from typing import Any

import grpc
import pytest

from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.credentials import Credentials
from switch.register.rights import MATRIX
from switch.v1 import payments_pb2
from switch.v1 import results_pb2 as results
from tests.server.calls import FILES
from tests.server.harness import CALL_S, Failure, Peer, Peers, failing, payment

METHOD = "/payswitch.v1.WalletService/GetWallet"
STREAMED = (
    *("FollowFeed", "ListAccounts", "WatchPayment"),
    *("StreamPayments", "Connect"),
)
SESSIONS = ("SignOn", "GetSession", "SignOff")

NAMES = {
    Role.CENTRE: "centre-a",
    Role.BILLER: "power",
    Role.TREASURY: "treasury",
    Role.AUDITOR: "auditor",
    Role.HARNESS: "harness",
    Role.PMU: "pmu",
    Role.SUPPORT: "support",
    Role.PUBLIC: "public",
}


def check_unreachable(channel: grpc.Channel) -> None:
    """No call of this channel gets as far as the server."""
    call: Any = channel.unary_unary(METHOD)
    with failing(grpc.StatusCode.UNAVAILABLE):
        call(b"", timeout=CALL_S)
    channel.close()


def test_no_certificate(peers: Peers) -> None:
    authority = (peers.server.directory / "tls" / "ca.pem").read_bytes()
    credentials = grpc.ssl_channel_credentials(authority)
    channel = grpc.secure_channel(peers.server.address, credentials)
    check_unreachable(channel)


def test_no_tls(peers: Peers) -> None:
    check_unreachable(grpc.insecure_channel(peers.server.address))


def test_a_certificate_of_another_authority(peers: Peers, tmp_path: Path) -> None:
    own = peers.authority.leaf(Role.CENTRE, "centre-a")
    foreign = DevAuthority(tmp_path).leaf(Role.CENTRE, "centre-a")
    mixed = Credentials(foreign.certificate, foreign.key, own.authority)
    peer = Peer(peers.server.address, mixed)
    with failing(grpc.StatusCode.UNAVAILABLE):
        peer.raw(METHOD, b"")
    peer.close()


def test_a_certificate_of_another_domain(peers: Peers) -> None:
    authority = DevAuthority(peers.server.directory / "tls", "other.test")
    peer = Peer(peers.server.address, authority.leaf(Role.AUDITOR, "from-afar"))
    with failing(grpc.StatusCode.UNAUTHENTICATED):
        peer.raw(METHOD, b"")
    peer.close()


def test_the_servers_own_certificate_is_nobody(peers: Peers) -> None:
    peer = Peer(peers.server.address, peers.authority.server())
    with failing(grpc.StatusCode.UNAVAILABLE):
        # It is no client's certificate, so that the handshake fails already.
        peer.raw(METHOD, b"")
    peer.close()


@pytest.mark.parametrize(
    ("role", "participant"),
    [
        (Role.CENTRE, "nobody"),
        (Role.TREASURY, "nobody"),
        (Role.CENTRE, "power"),
        (Role.BILLER, "centre-a"),
        (Role.TREASURY, "centre-a"),
        (Role.CENTRE, "asleep"),
    ],
)
def test_who_the_register_does_not_know(
    peers: Peers, role: Role, participant: str
) -> None:
    with failing(grpc.StatusCode.UNAUTHENTICATED) as failures:
        peers.get(role, participant).raw(METHOD, b"")
    assert failures[0].reason == "IDENTITY_UNKNOWN"


def first_error(peer: Peer, method: str) -> grpc.StatusCode | None:
    """The status of a call with an empty message; None if it is answered."""
    name = method.rpartition("/")[2]
    try:
        if name in STREAMED:
            call: Any = peer.channel.stream_stream(method)
            replies = call(iter([b""]), timeout=CALL_S)
            next(replies, None)
            replies.cancel()
        else:
            peer.raw(method, b"")
    except grpc.RpcError as error:
        return Failure(error).code
    return None


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("method", sorted(MATRIX))
def test_the_matrix(peers: Peers, role: Role, method: str) -> None:
    error = first_error(peers.get(role, NAMES[role]), method)
    if role in MATRIX[method] and method.rpartition("/")[2] in SESSIONS:
        # The caller is known; the empty session, or signature, is nobody's.
        assert error == grpc.StatusCode.UNAUTHENTICATED
    elif role is Role.AUDITOR and method.endswith("PeopleService/Prepare"):
        # An auditor prepares recoveries, and only one who has recoverers.
        assert error == grpc.StatusCode.PERMISSION_DENIED
    elif role in MATRIX[method]:
        assert error not in (
            grpc.StatusCode.PERMISSION_DENIED,
            grpc.StatusCode.UNAUTHENTICATED,
            grpc.StatusCode.INTERNAL,
            grpc.StatusCode.UNKNOWN,
        )
    else:
        assert error == grpc.StatusCode.PERMISSION_DENIED


def test_the_matrix_has_every_method() -> None:
    names = {
        f"/{service.full_name}/{method.name}"
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert names == set(MATRIX)


def test_a_foreign_centre(peers: Peers) -> None:
    outcome = peers.centre().pay(payment(centre="centre-b"))
    assert outcome.result == results.RESULT_INVALID_CENTRE
    assert outcome.sequence == 0
    assert peers.centre().pay(payment(centre="centre-a")).result == results.RESULT_OK
    request = payments_pb2.ListPaymentsRequest(centre="centre-b")
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        peers.centre().payments.ListPayments(request, timeout=CALL_S)
