"""Goal: nobody can do, or learn, more than the matrix says.

Method: every method of the descriptors is called in every role, about what is the
caller's own, another's and nobody's, with certificates of every kind. What comes back
is compared with `matrix.txt`, which was written by hand, cell by cell.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.message import Message

from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.credentials import presented, presented_by
from switch.ids import new_id
from switch.register.rights import MATRIX
from switch.v1 import (
    admin_pb2,
    banks_pb2,
    complaints_pb2,
    files_pb2,
    network_pb2,
    payments_pb2,
    results_pb2,
)
from tests.server.calls import METHODS, NOTHING, Method, Things, exists, fill
from tests.server.certificates import KINDS, Issuer
from tests.server.harness import CALL_S, Failure, Peer, Peers, ServerProcess, payment
from tests.server.test_revocations import pin, revoke
from tests.server.till import Till
from tests.server.treasury import REFUND, propose

NAMES: Final = {
    Role.CENTRE: "centre-a",
    Role.BILLER: "power",
    Role.TREASURY: "treasury",
    Role.AUDITOR: "auditor",
    Role.HARNESS: "harness",
    Role.PMU: "pmu",
    Role.SUPPORT: "support",
    Role.PUBLIC: "public",
}
# Whoever the register does not take asks for all of it here, and is told why not.
STRANGERS: Final = {"reads_per_s": 100_000, "reads_at_once": 1_000_000}
SETTINGS: Final = tuple(
    word
    for name, value in STRANGERS.items()
    for word in ("--set", f"budget.stranger.{name}={value}")
)
WHOSE: Final = ("own", "foreign", "missing")
NO_CONNECTION: Final = "no-connection"
SHOWN_MAX: Final = 100
"""Wrong cells that a failure lists."""

Cells = dict[tuple[str, Role, str], str]


# --- what is expected ----------------------------------------------------------------


def lines_of(part: int) -> list[list[str]]:
    """The words of each line: of the methods (0), or of the certificates (1)."""
    text = (Path(__file__).parent / "matrix.txt").read_text()
    lines = text.split("# Certificates")[part].splitlines()
    return [line.split() for line in lines if line and line[0] != "#"]


def expected_cells() -> Cells:
    cells: Cells = {}
    places = [(role, whose) for role in Role for whose in WHOSE]
    names = {method.short: name for name, method in METHODS.items()}
    for short, *words in lines_of(0):
        assert len(words) == len(places), short
        for (role, whose), word in zip(places, words, strict=True):
            assert (names[short], role, whose) not in cells, f"{short} is there twice"
            cells[names[short], role, whose] = word
    return cells


def expected_certificates() -> dict[str, str]:
    return {line[0]: line[1] for line in lines_of(1)}


EXPECTED: Final = expected_cells()
CERTIFICATES: Final = expected_certificates()


def test_the_matrix_is_whole() -> None:
    assert set(EXPECTED) == {
        (name, role, whose) for name in METHODS for role in Role for whose in WHOSE
    }
    assert set(CERTIFICATES) == set(KINDS) | {"none"}


# --- what is there -------------------------------------------------------------------


@pytest.fixture(scope="module")
def things(peers: Peers) -> dict[tuple[Role, str], Things]:
    """What each role names as own, foreign and missing."""
    a, b, harness = peers.centre("centre-a"), peers.centre("centre-b"), peers.harness

    def paid(peer: Peer, service: str = "ANY", **fields: Any) -> Any:
        bill = payment(service, **fields)
        outcome = peer.pay(bill)
        assert outcome.result == results_pb2.RESULT_OK
        return outcome

    def asked(peer: Peer) -> str:
        request = banks_pb2.RequestTopUpRequest(id=new_id(), amount=100)
        return peer.banks.RequestTopUp(request, timeout=CALL_S).request.number

    def complained(peer: Peer, payment_id: bytes) -> str:
        request = complaints_pb2.RaiseComplaintRequest(
            id=new_id(),
            payment_id=payment_id,
            reason=complaints_pb2.COMPLAINT_REASON_NOT_CREDITED,
        )
        reply = peer.counter.RaiseComplaint(request, timeout=CALL_S)
        return reply.complaint.number

    def proposed(peer: Peer) -> int:
        return propose(peer, REFUND, paid(a).sequence).sequence

    paid_a, paid_b = paid(a), paid(b)
    held_a, held_b = paid(a, "CONFIRM"), paid(b, "WATER")
    # So that one of the treasury may lose a certificate.
    more = [
        network_pb2.Participant(id=name, role=network_pb2.ROLE_TREASURY, active=True)
        for name in ("third", "fourth")
    ]
    request = admin_pb2.LoadNetworkRequest(participants=more)
    peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
    closing = admin_pb2.CloseWindowRequest()
    window = peers.treasury.admin.CloseWindow(closing, timeout=CALL_S).outcome.sequence
    listed = files_pb2.ListFilesRequest(window=window)
    files = {
        one.biller: one.name
        for one in peers.treasury.files.ListFiles(listed, timeout=CALL_S).files
    }
    own = Things(
        payment=paid_a.id,
        held=held_a.id,
        sender="centre-a",
        sequence=paid_a.sequence,
        proposal=proposed(peers.treasury),
        approval=proposed(peers.treasury),
        advance=paid_a.sequence,
        window=window,
        previous_window=window,
        shift=Till(a, 11).close_one(),
        revocation=revoke(peers.treasury, serial=b"\1").revocation,
        hold=held_a.sequence,
        hold_id=held_a.id,
        request=asked(a),
        complaint=complained(a, held_a.id),
        handout=peers.refund(paid(a).sequence, 100).sequence,
        file=files["power"],
    )
    foreign = Things(
        centre="centre-b",
        account=("centre-b", ""),
        biller="land",
        head="0029-01",
        service="SUPPLY",
        payment=paid_b.id,
        held=held_b.id,
        sender="centre-b",
        sequence=paid_b.sequence,
        proposal=proposed(peers.checker),
        approval=proposed(peers.checker),
        advance=paid_b.sequence,
        window=paid_b.sequence,
        previous_window=paid_b.sequence,
        shift=Till(b, 12).close_one(),
        revocation=revoke(peers.checker, serial=b"\2").revocation,
        revoked="centre-b",
        pinned="checker",
        hold=held_b.sequence,
        hold_id=held_b.id,
        request=asked(b),
        complaint=complained(b, held_b.id),
        handout=peers.refund(paid(b).sequence, 100).sequence,
        file=files["land"],
    )
    missing = Things(
        centre="nowhere",
        account=("nowhere", ""),
        biller="nowhere",
        head="nowhere",
        service="NOWHERE",
        payment=new_id(),
        held=new_id(),
        sender="centre-b",
        sequence=NOTHING,
        proposal=NOTHING,
        approval=NOTHING,
        advance=NOTHING,
        window=NOTHING,
        previous_window=NOTHING,
        shift=NOTHING,
        revocation=2**32 - 1,
        revoked="nowhere",
        pinned="nowhere",
        hold=NOTHING,
        handout=NOTHING,
        file="S2026-27-9999-nowhere-1.csv",
    )
    found = {
        (role, whose): one
        for role in Role
        for whose, one in zip(WHOSE, (own, foreign, missing), strict=True)
    }
    # A centre names no sender of what it sent, and one of what was sent for another.
    found[Role.CENTRE, "own"] = replace(own, sender="")
    found[Role.CENTRE, "foreign"] = replace(
        foreign,
        sender="harness",
        payment=paid(harness, centre="centre-b").id,
        held=paid(harness, "WATER", centre="centre-b").id,
    )
    found[Role.HARNESS, "own"] = replace(
        own,
        sender="",
        payment=paid(harness, centre="centre-a").id,
        held=paid(harness, "WATER", centre="centre-a").id,
        shift=Till(harness, 13, "centre-a").close_one(),
    )
    found[Role.HARNESS, "missing"] = replace(missing, sender="")
    for whose in WHOSE:
        one = found[Role.BILLER, whose]
        found[Role.BILLER, whose] = replace(one, account=(one.biller, one.head))
    return found


@pytest.fixture(scope="module")
def issuers(
    server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Issuer, Issuer]:
    """The authority that the server trusts, and another one of the same name."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    DevAuthority(elsewhere)
    return Issuer(server.directory / "tls"), Issuer(elsewhere)


def say(peers: Peers, kind: str, role: Role, certificate: bytes) -> None:
    """What the register is to say of a certificate before it is shown."""
    der = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    known, name = presented(der), NAMES[role]
    if kind in ("revoked", "revoked-of-another"):
        reply = revoke(
            peers.checker,
            participant=name if kind == "revoked" else "centre-d",
            authority=known.authority,
            serial=known.serial.to_bytes((known.serial.bit_length() + 7) // 8),
        )
        assert reply.outcome.result == results_pb2.RESULT_OK
    elif kind in ("pinned", "key-not-pinned"):
        # The other certificate of the same participant, with which it is taken back.
        files = peers.authority.leaf(role, name)
        pins = [presented_by(files.certificate).key]
        pins += [known.key] if kind == "pinned" else []
        assert pin(peers.treasury, name, *pins).result == results_pb2.RESULT_OK


@contextmanager
def connected(
    peers: Peers, issuers: tuple[Issuer, Issuer], kind: str, role: Role
) -> Iterator[grpc.Channel]:
    """A connection of its own with such a certificate of this role's participant."""
    own, other = issuers
    server = peers.server
    pair: tuple[bytes, bytes] | tuple[None, None] = (None, None)
    if kind != "none":
        pair = made = KINDS[kind](own, other, role.name.lower(), NAMES[role])
        say(peers, kind, role, made[0])
    credentials = grpc.ssl_channel_credentials(own.authority, pair[1], pair[0])
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        # Who is turned away at the handshake does not try again while we look.
        ("grpc.initial_reconnect_backoff_ms", 600_000),
    ]
    with grpc.secure_channel(server.address, credentials, options=options) as channel:
        yield channel
    if kind in ("pinned", "key-not-pinned"):
        assert pin(peers.treasury, NAMES[role]).result == results_pb2.RESULT_OK


# --- what is answered ----------------------------------------------------------------


def told(method: Method, body: bytes) -> str:
    """The result or state in an answer, in small letters; ok if it has none."""
    reply: Any = method.reply.FromString(body)
    names = {field.name for field in method.reply.DESCRIPTOR.fields}
    if "outcome" in names:
        return _result(reply.outcome)
    if "outcomes" in names:
        first = reply.outcomes[0]
        # Of the line of a proposal its own outcome.
        return _result(getattr(first, "outcome", first))
    if method.short == "Acknowledge":
        state = payments_pb2.PaymentState.Name(reply.payments[0].state)
        return state.removeprefix("PAYMENT_STATE_").lower()
    return "ok"


def _result(outcome: Any) -> str:
    return results_pb2.Result.Name(outcome.result).removeprefix("RESULT_").lower()


def cell(channel: grpc.Channel, method: Method, request: Message, role: Role) -> str:
    """What one call is answered, in the words of the matrix."""
    refused: Any = None
    try:
        replies = method.call(channel, request)
    except grpc.RpcError as error:
        refused, replies = error, []
    if refused is None:
        return told(method, replies[0]) if replies else "ok"
    failure = Failure(refused)
    for path in failure.fields:
        assert exists(type(request).DESCRIPTOR, path), (method.short, path)
    if failure.code is grpc.StatusCode.PERMISSION_DENIED:
        return "-" if role not in MATRIX[method.name] else "denied"
    if failure.code is grpc.StatusCode.UNAVAILABLE and not failure.reason:
        return NO_CONNECTION
    name: str = failure.code.name
    return name


def status_of(word: str) -> str:
    """The status that a word of the matrix stands for."""
    if word in ("-", "denied"):
        return "PERMISSION_DENIED"
    return word if word.isupper() or word == NO_CONNECTION else "OK"


def asked_about(kind: str) -> tuple[str, ...]:
    """Who is not let in is turned away before anybody looks at what was asked."""
    return WHOSE if CERTIFICATES[kind] == "admitted" else WHOSE[:1]


def wrong_cells(
    channel: grpc.Channel, things: dict[tuple[Role, str], Things], role: Role, kind: str
) -> tuple[list[str], int]:
    """Cells that are not answered as they must be, and how many there are."""
    wrong, count = [], 0
    for name, method in METHODS.items():
        for whose in asked_about(kind):
            got = cell(channel, method, fill(method, things[role, whose]), role)
            wanted = EXPECTED[name, role, whose]
            if CERTIFICATES[kind] != "admitted":
                wanted = CERTIFICATES[kind]
            elif kind != "good":
                # What was done once already has another result now.
                got, wanted = status_of(got), status_of(wanted)
            count += 1
            if got != wanted:
                text = f"{kind}: {role.name.lower()}, {method.short}, {whose}"
                wrong.append(f"{text}: {got}, not {wanted}")
    return wrong, count


def test_every_cell(
    peers: Peers,
    issuers: tuple[Issuer, Issuer],
    things: dict[tuple[Role, str], Things],
) -> None:
    wrong: list[str] = []
    count = 0
    for kind in CERTIFICATES:
        for role in Role:
            for centre in ("centre-a", "centre-b"):
                # So that there is something in the shift that is closed.
                taken = payment(centre=centre, operator=71)
                assert peers.harness.pay(taken).result == results_pb2.RESULT_OK
            with connected(peers, issuers, kind, role) as channel:
                found, looked_at = wrong_cells(channel, things, role, kind)
            wrong += found
            count += looked_at
    each = sum(len(asked_about(kind)) for kind in CERTIFICATES)
    assert count == len(METHODS) * len(Role) * each
    assert not wrong, f"{len(wrong)} of {count} cells:\n" + "\n".join(wrong[:SHOWN_MAX])


def test_what_may_not_be_seen_is_not_there() -> None:
    """For who may see its own alone, foreign and missing are one."""
    for (name, role, whose), word in EXPECTED.items():
        if whose == "foreign" and role in (Role.CENTRE, Role.BILLER):
            assert word == EXPECTED[name, role, "missing"], (name, role)
