"""Goal: what the register says of certificates is said once, kept, and listed.

Method: two people of the treasury and a third revoke, confirm and pin over real
connections; what others may say of it is in `test_matrix.py`.
"""

from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from switch.codes import Role
from switch.credentials import presented
from switch.ids import new_id
from switch.v1 import admin_pb2 as pb
from switch.v1 import billers_pb2, billers_pb2_grpc, certificates_pb2, network_pb2
from switch.v1 import results_pb2 as results
from tests.server.certificates import Issuer, uri
from tests.server.harness import CALL_S, Peer, Peers, ServerProcess, failing

OK, LAST = results.RESULT_OK, results.RESULT_LAST_TREASURIES
AUTHORITY = b"\x11" * 32
SERIAL = b"\x01\x02\x03"
LONG_S = 60.0
PIN, NEXT = b"\x22" * 32, b"\x33" * 32


def revoke(peer: Peer, **fields: Any) -> certificates_pb2.RevokeCertificateResponse:
    values: dict[str, Any] = {
        "id": new_id(),
        "participant": "centre-d",
        "authority": AUTHORITY,
        "serial": SERIAL,
        "reason": "lost, 12/2026",
        **fields,
    }
    request = certificates_pb2.RevokeCertificateRequest(**values)
    return peer.admin.RevokeCertificate(request, timeout=CALL_S)


def confirm(peer: Peer, number: int) -> results.Outcome:
    request = certificates_pb2.ConfirmRevocationRequest(id=new_id(), revocation=number)
    return peer.admin.ConfirmRevocation(request, timeout=CALL_S).outcome


def pin(peer: Peer, participant: str, *pins: bytes) -> results.Outcome:
    request = certificates_pb2.PinKeysRequest(
        id=new_id(), participant=participant, pins=pins
    )
    return peer.admin.PinKeys(request, timeout=CALL_S).outcome


def listed(peer: Peer, **fields: Any) -> list[certificates_pb2.Revocation]:
    request = certificates_pb2.ListRevocationsRequest(page_size=2, **fields)
    found: list[certificates_pb2.Revocation] = []
    while True:
        reply = peer.admin.ListRevocations(request, timeout=CALL_S)
        assert len(reply.revocations) <= 2
        found += reply.revocations
        request.page_token = reply.next_page_token
        if not request.page_token:
            return found


def test_a_revocation_is_shown_until_another_person_stands_by_it(peers: Peers) -> None:
    first = revoke(peers.treasury)
    assert first.outcome.result == OK
    number = first.revocation
    [one] = [each for each in listed(peers.auditor) if each.number == number]
    assert (one.participant, one.authority, one.serial) == (
        "centre-d",
        AUTHORITY,
        SERIAL,
    )
    assert (one.reason, one.sequence) == ("lost, 12/2026", first.outcome.sequence)
    assert (one.revoked_by, one.confirmed_by) == ("treasury", "")
    assert number in [
        each.number for each in listed(peers.auditor, unconfirmed_only=True)
    ]
    assert confirm(peers.treasury, number).result == results.RESULT_SAME_PERSON
    assert confirm(peers.checker, number).result == OK
    assert confirm(peers.checker, number).result == results.RESULT_ALREADY_APPROVED
    [one] = [each for each in listed(peers.treasury) if each.number == number]
    assert one.confirmed_by == "checker"
    unconfirmed = listed(peers.auditor, unconfirmed_only=True)
    assert number not in [each.number for each in unconfirmed]


def test_what_is_revoked_already_has_its_first_outcome(peers: Peers) -> None:
    row_id = new_id()
    first = revoke(peers.treasury, serial=b"\x07", id=row_id)
    again = revoke(peers.treasury, serial=b"\x07", id=row_id)
    other = revoke(peers.checker, serial=b"\x07", reason="by me too")
    for one in (again, other):
        assert one.outcome.repeat
        assert one.outcome.sequence == first.outcome.sequence
        assert one.revocation == first.revocation
    reused = revoke(peers.treasury, serial=b"\x08", id=row_id)
    assert reused.outcome.result == results.RESULT_ID_REUSED
    assert reused.revocation == 0
    # The same number of another authority, or of another's certificate, is another one.
    assert revoke(peers.treasury, serial=b"\x07", authority=PIN).revocation
    assert not revoke(
        peers.treasury, serial=b"\x07", participant="centre-c"
    ).outcome.repeat


def test_an_open_connection_ends_with_its_certificate(
    peers: Peers, server: ServerProcess
) -> None:
    """A feed that is followed ends, and no further call is let in; the participant's
    other certificate goes on.
    """
    issuer = Issuer(server.directory / "tls")
    name = x509.UniformResourceIdentifier(uri("biller", "gas"))
    certificate, key = issuer.issue([name])
    read = x509.load_pem_x509_certificate(certificate)
    known = presented(read.public_bytes(Encoding.DER))
    credentials = grpc.ssl_channel_credentials(issuer.authority, key, certificate)
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(server.address, credentials, options=options) as channel:
        stub = billers_pb2_grpc.BillerServiceStub(channel)
        feed = stub.FollowFeed(billers_pb2.FollowFeedRequest(), timeout=LONG_S)
        # Idle feeds say so: it is followed.
        assert next(feed).cursor
        serial = known.serial.to_bytes((known.serial.bit_length() + 7) // 8)
        done = revoke(
            peers.treasury,
            participant="gas",
            authority=known.authority,
            serial=serial,
        )
        assert done.outcome.result == OK
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            list(feed)
        with failing(grpc.StatusCode.UNAUTHENTICATED) as failures:
            request = billers_pb2.FollowFeedRequest(end_at_newest=True)
            list(stub.FollowFeed(request, timeout=CALL_S))
        assert "revoked" in failures[0].text
    request = billers_pb2.FollowFeedRequest(end_at_newest=True)
    assert list(peers.biller("gas").billers.FollowFeed(request, timeout=CALL_S))


def test_pages(peers: Peers) -> None:
    for serial in range(20, 25):
        assert revoke(peers.treasury, serial=bytes([serial])).outcome.result == OK
    numbers = [one.number for one in listed(peers.auditor)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_last_two_of_the_treasury_stay(peers: Peers) -> None:
    for name in ("treasury", "checker"):
        assert revoke(peers.treasury, participant=name).outcome.result == LAST
        off = network_pb2.Participant(
            id=name, role=network_pb2.ROLE_TREASURY, active=False
        )
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            peers.treasury.admin.LoadNetwork(
                pb.LoadNetworkRequest(participants=[off]), timeout=CALL_S
            )
        assert failures[0].fields == ["participants"]
        assert "LAST_TREASURIES" in failures[0].text
    assert peers.get(Role.TREASURY, "checker").top_up("centre-a", 1).result == OK


def test_pins_of_the_treasury_are_its_own(peers: Peers) -> None:
    assert pin(peers.treasury, "centre-d", PIN, NEXT).result == OK
    assert pin(peers.checker, "centre-d").result == OK
    assert pin(peers.treasury, "checker", PIN).result == LAST


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"authority": b"x"}, "authority"),
        ({"authority": bytes(32)}, "authority"),
        ({"serial": b""}, "serial"),
        ({"serial": b"\0\1"}, "serial"),
        ({"serial": b"\1" * 21}, "serial"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"reason": "a\nb"}, "reason"),
    ],
)
def test_a_revocation_that_is_none(
    peers: Peers, fields: dict[str, Any], field: str
) -> None:
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        revoke(peers.treasury, **fields)
    assert failures[0].fields == [field]


def test_pins_that_are_none(peers: Peers) -> None:
    for pins, field in (
        ((PIN, PIN), "pins[1]"),
        ((b"x",), "pins[0]"),
        ((bytes(32),), "pins[0]"),
        ((PIN, NEXT, b"\x44" * 32), "pins"),
    ):
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            pin(peers.treasury, "centre-d", *pins)
        assert failures[0].fields == [field]
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        confirm(peers.treasury, 0)
    assert failures[0].fields == ["revocation"]
