"""Goal: who is signed on at a counter is who pays there, and nobody else is.

Method: a server with a centre whose operators sign on, over real sockets: sessions by
right and wrong keys, nonces, certificates and centres; each kind of call with none, a
good, another's, an ended and a forged session; a restart, reconnects, the idle end.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from switch.codes import Role
from switch.counter.sign_offs import sign_off_id
from switch.ids import new_id
from switch.sign_on import signed_bytes
from switch.v1 import admin_pb2, counter_pb2, network_pb2, operators_pb2
from switch.v1 import payments_pb2 as pb
from switch.v1 import results_pb2 as results
from tests.server.harness import (
    CALL_S,
    RUPEE,
    TOPPED_UP,
    Failure,
    Peer,
    Peers,
    ServerProcess,
    failing,
    figure,
    load,
    payment,
    running,
    until,
)

OK = results.RESULT_OK
UNKNOWN = results.RESULT_OPERATOR_UNKNOWN
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
KEYS = {number: Ed25519PrivateKey.generate() for number in (1, 2, 3)}
"""The operators of each of the two centres; the third has gone."""
HERE, THERE = "signs-a", "signs-b"
IDLE_S = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("sign_on")
    (directory / "config.toml").write_text(f"session_idle_s = {IDLE_S}\n")
    with running(directory, "--config", str(directory / "config.toml")) as process:
        yield process


@pytest.fixture(scope="module")
def peers(server: ServerProcess) -> Iterator[Peers]:
    with closing(Peers(server)) as found:
        load(found)
        centres = [_centre(name, at) for at, name in enumerate((HERE, THERE))]
        request = admin_pb2.LoadNetworkRequest(participants=centres)
        found.treasury.admin.LoadNetwork(request, timeout=CALL_S)
        for name in (HERE, THERE):
            assert found.treasury.top_up(name, TOPPED_UP).result == OK
        yield found


def _centre(name: str, at: int) -> network_pb2.Participant:
    operators = [
        network_pb2.Operator(number=number, key=public(number, at), active=number != 3)
        for number in KEYS
    ]
    return network_pb2.Participant(
        id=name,
        role=network_pb2.ROLE_CENTRE,
        active=True,
        name_en=name,
        code=f"BAN/{name}",
        may_state_dues=True,
        signs_on=True,
        operators=operators,
    )


def private(number: int, at: int = 0) -> Ed25519PrivateKey:
    """One key is one operator's: those of the other centre have others."""
    return KEYS[number] if at == 0 else OTHERS[number]


OTHERS = {number: Ed25519PrivateKey.generate() for number in KEYS}


def public(number: int, at: int = 0) -> bytes:
    return private(number, at).public_key().public_bytes_raw()


@dataclass
class On:
    """A session, and calls with it."""

    peer: Peer
    session: bytes

    @property
    def metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return (("payswitch-session-bin", self.session),)

    def pay(self, one: pb.Payment) -> pb.PaymentOutcome:
        request = pb.CreatePaymentRequest(payment=one)
        return self.peer.payments.CreatePayment(
            request, timeout=CALL_S, metadata=self.metadata
        ).outcome


def nonce_of(peer: Peer) -> operators_pb2.GetSignOnNonceResponse:
    request = operators_pb2.GetSignOnNonceRequest()
    return peer.counter.GetSignOnNonce(request, timeout=CALL_S)


def request_of(
    given: operators_pb2.GetSignOnNonceResponse,
    operator: int,
    *,
    centre: str = HERE,
    key: Ed25519PrivateKey | None = None,
    signed_as: int = 0,
) -> operators_pb2.SignOnRequest:
    message = signed_bytes(
        given.instance,
        given.epoch,
        given.nonce,
        centre,
        signed_as or operator,
        given.certificate,
    )
    signer = key or private(operator)
    return operators_pb2.SignOnRequest(
        nonce=given.nonce, operator=operator, signature=signer.sign(message)
    )


def sign_on(peer: Peer, operator: int = 1, centre: str = HERE, at: int = 0) -> On:
    request = request_of(
        nonce_of(peer), operator, centre=centre, key=private(operator, at)
    )
    return On(peer, peer.counter.SignOn(request, timeout=CALL_S).session)


def test_payments_are_of_who_is_signed_on(peers: Peers) -> None:
    peer = peers.centre(HERE)
    one, two = sign_on(peer, 1), sign_on(peer, 2)
    # Several on one connection; said or not said, it is who is signed on.
    said = one.pay(payment(operator=1))
    unsaid = two.pay(payment(operator=0))
    assert (said.result, unsaid.result) == (OK, OK)
    entry = peers.treasury.payments.GetPayment(
        pb.GetPaymentRequest(id=unsaid.id, sender=HERE), timeout=CALL_S
    ).entry
    assert entry.operator == 2
    # Another operator's retry of the same id is the same payment.
    late = payment(operator=1)
    assert one.pay(late).result == OK
    late.operator = 2
    again = two.pay(late)
    assert (again.result, again.repeat) == (OK, True)


def test_nobody_pays_without_a_session_nor_as_another(peers: Peers) -> None:
    peer = peers.centre(HERE)
    on = sign_on(peer, 1)
    for refused in (
        peer.pay(payment(operator=1)),
        on.pay(payment(operator=2)),
        on.pay(payment(operator=3)),
    ):
        assert (refused.result, refused.sequence) == (UNKNOWN, 0)
    # A batch, a basket and a stream likewise; what another centre does needs none.
    [outcome] = peer.pay_all([payment(operator=1)])
    assert outcome.result == UNKNOWN
    basket = pb.Basket(payments=[payment(), payment()])
    request = pb.CreateBasketRequest(basket=basket)
    found = peer.payments.CreateBasket(request, timeout=CALL_S).outcomes
    assert {one.result for one in found} == {UNKNOWN}
    found = peer.payments.CreateBasket(
        request, timeout=CALL_S, metadata=on.metadata
    ).outcomes
    assert {one.result for one in found} == {OK}
    messages = [pb.StreamPaymentsRequest(payments=[payment()]) for _ in range(3)]
    streamed = [
        one.result
        for reply in peer.payments.StreamPayments(
            iter(messages), timeout=CALL_S, metadata=on.metadata
        )
        for one in reply.outcomes
    ]
    assert streamed == [OK] * 3
    assert peers.centre().pay(payment(operator=77)).result == OK


def test_what_python_serves_asks_the_same(peers: Peers) -> None:
    peer = peers.centre(HERE)
    on = sign_on(peer, 1)
    counter = peer.counter
    calls: list[tuple[Any, Any]] = [
        (counter.PayBill, counter_pb2.PayBillRequest(payment=payment(operator=1))),
        (counter.CloseShift, counter_pb2.CloseShiftRequest(id=new_id(), operator=1)),
        (
            counter.SignShift,
            counter_pb2.SignShiftRequest(id=new_id(), operator=1, shift_sequence=1),
        ),
    ]
    for call, request in calls:
        with failing(UNAUTHENTICATED) as failures:
            call(request, timeout=CALL_S)
        assert failures[0].reason == "SIGN_ON_NEEDED"
        other = type(request)()
        other.CopyFrom(request)
        (other.payment if hasattr(other, "payment") else other).operator = 2
        with failing(grpc.StatusCode.PERMISSION_DENIED) as failures:
            call(other, timeout=CALL_S, metadata=on.metadata)
        assert failures[0].reason == "OPERATOR_DIFFERS"
    # The shift is the operator's, and signed by the other's own session.
    paid = counter.PayBill(calls[0][1], timeout=CALL_S, metadata=on.metadata)
    assert paid.outcome.result == OK
    closing = counter_pb2.CloseShiftRequest(id=new_id(), cash_counted=0)
    closed = counter.CloseShift(closing, timeout=CALL_S, metadata=on.metadata)
    assert closed.shift.operator == 1
    for who, wanted in (
        (on, results.RESULT_SAME_PERSON),
        (sign_on(peer, 2), OK),
    ):
        signing = counter_pb2.SignShiftRequest(
            id=new_id(), shift_sequence=closed.outcome.sequence
        )
        signed = counter.SignShift(signing, timeout=CALL_S, metadata=who.metadata)
        assert signed.outcome.result == wanted


def test_who_is_signed_on_cancels(peers: Peers) -> None:
    peer = peers.centre(HERE)
    one, two = sign_on(peer, 1), sign_on(peer, 2)
    held = payment("WATER", operator=0)
    assert one.pay(held).result == OK

    def cancel(by: Peer, operator: int, metadata: Any = ()) -> Any:
        request = counter_pb2.CancelPaymentRequest(
            id=held.id, sender=HERE, operator=operator
        )
        return by.counter.CancelPayment(request, timeout=CALL_S, metadata=metadata)

    with failing(UNAUTHENTICATED) as failures:
        cancel(peer, 2)
    assert failures[0].reason == "SIGN_ON_NEEDED"
    with failing(grpc.StatusCode.PERMISSION_DENIED) as failures:
        cancel(peer, 1, two.metadata)
    assert failures[0].reason == "OPERATOR_DIFFERS"
    assert not cancel(peer, 0, two.metadata).repeat
    found = peers.treasury.payments.GetPayment(
        pb.GetPaymentRequest(id=held.id, sender=HERE), timeout=CALL_S
    )
    assert (found.entry.operator, found.resolution.operator) == (1, 1)
    by = found.resolution.sender
    assert (by.participant, by.operator) == (HERE, 2)


def test_who_acts_for_centres_does_nothing_where_operators_sign_on(
    peers: Peers,
) -> None:
    """A harness has no session of theirs, whoever it says was at the counter."""
    harness, counter = peers.harness, peers.harness.counter
    signs(peers, False)
    before = payment("WATER", centre=THERE, operator=1)
    assert harness.pay(before).result == OK
    closing = counter_pb2.CloseShiftRequest(id=new_id(), centre=THERE, operator=1)
    closed = counter.CloseShift(closing, timeout=CALL_S).outcome
    assert closed.result == OK
    undone = payment("WATER", centre=THERE, operator=1)
    assert harness.pay(undone).result == OK
    undoing = counter_pb2.CancelPaymentRequest(id=undone.id, operator=1)
    assert not counter.CancelPayment(undoing, timeout=CALL_S).repeat
    signs(peers, True)
    for number in (1, 2, 3, 0):
        one = payment(centre=THERE, operator=number)
        assert harness.pay(one).result == UNKNOWN
        paying = counter_pb2.PayBillRequest(payment=one)
        more = counter_pb2.CloseShiftRequest(id=new_id(), centre=THERE, operator=number)
        signing = counter_pb2.SignShiftRequest(
            id=new_id(),
            centre=THERE,
            operator=number,
            shift_sequence=closed.sequence,
        )
        cancelling = counter_pb2.CancelPaymentRequest(id=before.id, operator=number)
        calls: tuple[tuple[Any, Any], ...] = (
            (counter.PayBill, paying),
            (counter.CloseShift, more),
            (counter.SignShift, signing),
            (counter.CancelPayment, cancelling),
        )
        for call, request in calls:
            with failing(UNAUTHENTICATED) as failures:
                call(request, timeout=CALL_S)
            assert failures[0].reason == "SIGN_ON_NEEDED"
    # What it has sent before has its answer; and elsewhere it goes on.
    told = harness.pay(before)
    assert (told.result, told.repeat) == (OK, True)
    again = counter.CloseShift(closing, timeout=CALL_S)
    assert (again.outcome.sequence, again.outcome.repeat) == (closed.sequence, True)
    assert counter.CancelPayment(undoing, timeout=CALL_S).repeat
    assert harness.pay(payment(centre="centre-b", operator=9)).result == OK
    # With that operator's session the centre itself does it.
    peer = peers.centre(THERE)
    on = sign_on(peer, 2, THERE, at=1)
    request = counter_pb2.SignShiftRequest(id=new_id(), shift_sequence=closed.sequence)
    signed = peer.counter.SignShift(request, timeout=CALL_S, metadata=on.metadata)
    assert signed.outcome.result == OK


def signs(peers: Peers, on: bool) -> None:
    """Have the second centre's operators sign on, or not any more."""
    request = admin_pb2.LoadNetworkRequest(
        participants=[network_pb2.Participant(id=THERE, signs_on=on)],
        participant_fields=[network_pb2.FieldNames(names=["signs_on"])],
    )
    peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)


def test_what_is_paid_has_its_answer_whoever_asks(peers: Peers) -> None:
    peer = peers.centre(HERE)
    one, two = sign_on(peer, 1), sign_on(peer, 2)
    request = counter_pb2.PayBillRequest(payment=payment(operator=1))
    for who in (one, two):
        outcome = peer.counter.PayBill(
            request, timeout=CALL_S, metadata=who.metadata
        ).outcome
        assert (outcome.result, outcome.repeat) == (OK, who is two)


def wrong_requests(peers: Peers) -> Iterator[operators_pb2.SignOnRequest]:
    """What nobody signs on with, each with a nonce of its own."""
    peer = peers.centre(HERE)
    yield request_of(nonce_of(peer), 1, key=private(2))
    yield request_of(nonce_of(peer), 1, signed_as=2)
    yield request_of(nonce_of(peer), 1, centre=THERE)
    yield request_of(nonce_of(peer), 3)
    yield request_of(nonce_of(peer), 4, key=private(1))
    yield request_of(nonce_of(peers.centre(THERE)), 1)
    used = request_of(nonce_of(peer), 1)
    peer.counter.SignOn(used, timeout=CALL_S)
    yield used
    for change in ({"signature": b""}, {"signature": bytes(64)}, {"nonce": b"x" * 144}):
        request = request_of(nonce_of(peer), 1)
        for name, value in change.items():
            setattr(request, name, value)
        yield request
    # A session is no nonce.
    forged = nonce_of(peer)
    forged.nonce = sign_on(peer).session
    yield request_of(forged, 1)


def test_whatever_is_wrong_is_one_answer(peers: Peers) -> None:
    told = set()
    for request in wrong_requests(peers):
        with failing(UNAUTHENTICATED) as failures:
            peers.centre(HERE).counter.SignOn(request, timeout=CALL_S)
        told.add((failures[0].reason, failures[0].text))
    assert len(told) == 1
    assert told.pop()[0] == "SIGN_ON_WRONG"


def reason_with(peer: Peer, session: bytes) -> str:
    with failing(UNAUTHENTICATED) as failures:
        On(peer, session).pay(payment())
    hot = failures[0].reason
    with failing(UNAUTHENTICATED) as failures:
        peer.counter.CloseShift(
            counter_pb2.CloseShiftRequest(id=new_id()),
            timeout=CALL_S,
            metadata=On(peer, session).metadata,
        )
    assert failures[0].reason == hot
    return hot


def test_a_session_is_of_one_certificate_and_is_sealed(peers: Peers) -> None:
    peer = peers.centre(HERE)
    session = sign_on(peer).session
    for at in range(0, len(session), 11):
        forged = bytearray(session)
        forged[at] ^= 1
        assert reason_with(peer, bytes(forged)) == "SESSION_UNKNOWN"
        with failing(UNAUTHENTICATED) as failures:
            get_session(peer, bytes(forged))
        assert failures[0].reason == "SESSION_ENDED"
    for cut in (b"", b"x", session[:-1], session + b"x"):
        assert reason_with(peer, cut) == "SESSION_UNKNOWN"
    # Another centre's certificate, and another one of this centre.
    assert reason_with(peers.centre(THERE), session) == "SESSION_UNKNOWN"
    # Its reader has the old one in memory; the authority makes a new one.
    peers.authority.leaf(Role.CENTRE, HERE).certificate.unlink()
    other = Peer(peers.server.address, peers.authority.leaf(Role.CENTRE, HERE))
    with failing(UNAUTHENTICATED) as failures:
        get_session(other, session)
    assert failures[0].reason == "SESSION_ENDED"
    other.close()


def get_session(peer: Peer, session: bytes) -> operators_pb2.GetSessionResponse:
    request = operators_pb2.GetSessionRequest(session=session)
    return peer.counter.GetSession(request, timeout=CALL_S)


def test_a_counter_tells_of_wrong_pins(peers: Peers) -> None:
    """They are counted, and nobody is kept out; too many at a time are none."""
    peer = peers.centre(HERE)
    name = r'turned_away_total\{cause="wrong_pin"\}'
    before = figure(peers.server, name)
    for told, counted in ((0, 0), (10, 10), (10_000, 10_010)):
        request = operators_pb2.GetSignOnNonceRequest(wrong_pins=told)
        peer.counter.GetSignOnNonce(request, timeout=CALL_S)
        until(lambda now=before + counted: figure(peers.server, name) == now)
    request = operators_pb2.GetSignOnNonceRequest(wrong_pins=10_001)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        peer.counter.GetSignOnNonce(request, timeout=CALL_S)
    sign_on(peer, 1)
    assert figure(peers.server, name) == before + 10_010


def test_signed_off_is_over_for_good(peers: Peers) -> None:
    peer = peers.centre(HERE)
    on, other = sign_on(peer, 1), sign_on(peer, 1)
    request = operators_pb2.SignOffRequest(session=on.session)
    assert peer.counter.SignOff(request, timeout=CALL_S).was_on
    assert not peer.counter.SignOff(request, timeout=CALL_S).was_on
    assert reason_with(peer, on.session) == "SESSION_ENDED"
    with failing(UNAUTHENTICATED):
        get_session(peer, on.session)
    # The operator's other session goes on.
    assert other.pay(payment()).result == OK


def test_an_operator_who_is_stopped_pays_no_more(peers: Peers) -> None:
    peer = peers.centre(THERE)
    on = sign_on(peer, 2, THERE, at=1)
    beside = sign_on(peers.centre(HERE), 1)
    assert on.pay(payment(operator=0)).result == OK
    gone = _centre(THERE, 1)
    gone.operators[1].active = False
    request = admin_pb2.LoadNetworkRequest(participants=[gone])
    peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
    # The ledger knows at once; a moment later the session is not even looked at.
    try:
        refused = on.pay(payment(operator=0))
    except grpc.RpcError as error:
        assert Failure(error).reason == "SESSION_UNKNOWN"  # noqa: PT017
    else:
        assert (refused.result, refused.sequence) == (UNKNOWN, 0)
    until(lambda: told(on) == "SESSION_UNKNOWN")
    with failing(UNAUTHENTICATED):
        get_session(peer, on.session)
    # Another centre has not changed: its sessions go on as they are.
    assert beside.pay(payment()).result == OK


def test_a_session_by_a_key_that_was_replaced_is_over(peers: Peers) -> None:
    peer = peers.centre(HERE)
    on = sign_on(peer, 2)
    assert on.pay(payment(operator=2)).result == OK
    changed = _centre(HERE, 0)
    fresh = Ed25519PrivateKey.generate()
    changed.operators[1].key = fresh.public_key().public_bytes_raw()
    request = admin_pb2.LoadNetworkRequest(participants=[changed])
    peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
    # The register is followed a moment later.
    until(lambda: told(on) == "SESSION_UNKNOWN")
    with failing(UNAUTHENTICATED) as failures:
        get_session(peer, on.session)
    assert failures[0].reason == "SESSION_ENDED"
    KEYS[2] = fresh
    assert sign_on(peer, 2).pay(payment(operator=2)).result == OK


def told(on: On) -> str:
    """Why a payment with the session fails, or nothing."""
    try:
        on.pay(payment(operator=2))
    except grpc.RpcError as error:
        return Failure(error).reason
    return ""


def test_sessions_outlive_a_restart_and_are_opened_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("restart")
    with running(directory) as process, closing(Peers(process)) as found:
        load(found)
        request = admin_pb2.LoadNetworkRequest(participants=[_centre(HERE, 0)])
        found.treasury.admin.LoadNetwork(request, timeout=CALL_S)
        assert found.treasury.top_up(HERE, TOPPED_UP).result == OK
        on = sign_on(found.centre(HERE))
        late = payment(amount=RUPEE)
        assert on.pay(late).result == OK
        off = sign_on(found.centre(HERE))
        process.stop(signal.SIGKILL)
    with running(directory) as process, closing(Peers(process)) as found:
        peer = found.centre(HERE)
        assert reason_with(peer, on.session) == "SESSION_UNKNOWN"
        told = get_session(peer, on.session)
        assert told.operator == 1
        assert told.ends_ns > time.time_ns()
        again = On(peer, on.session).pay(late)
        assert (again.result, again.repeat) == (OK, True)
        # Signed off without having been open here, it is not opened again.
        leaving = operators_pb2.SignOffRequest(session=off.session)
        assert peer.counter.SignOff(leaving, timeout=CALL_S).was_on
        assert is_ended(peer, off)
        process.stop(signal.SIGKILL)
    with running(directory) as process, closing(Peers(process)) as found:
        peer = found.centre(HERE)
        assert is_ended(peer, off)
        # By its row, which another sign-off does not write again.
        row = newest(found)
        assert not peer.counter.SignOff(leaving, timeout=CALL_S).was_on
        assert newest(found) == row
        # The operator's other session is not over by it.
        assert get_session(peer, on.session).operator == 1


def is_ended(peer: Peer, on: On) -> bool:
    """Whether nobody opens a session again."""
    with failing(UNAUTHENTICATED) as failures:
        get_session(peer, on.session)
    return failures[0].reason == "SESSION_ENDED"


def newest(peers: Peers) -> int:
    request = admin_pb2.GetLedgerRequest()
    return peers.treasury.admin.GetLedger(request, timeout=CALL_S).sequence


def test_signing_off_is_a_row_of_the_operator(peers: Peers) -> None:
    peer = peers.centre(HERE)
    on = sign_on(peer, 2)
    before = newest(peers)
    request = operators_pb2.SignOffRequest(session=on.session)
    peer.counter.SignOff(request, timeout=CALL_S)
    assert newest(peers) == before + 1
    # Whoever sends something else with its id is told that it is used.
    taken = payment(operator=0, id=sign_off_id(on.session))
    assert sign_on(peer, 1).pay(taken).result == results.RESULT_ID_REUSED


def test_who_uses_the_id_of_a_session_has_ended_it(peers: Peers) -> None:
    """Nobody keeps a session open by taking the id that would end it."""
    peer = peers.centre(HERE)
    on = sign_on(peer, 1)
    thief = payment(operator=1, id=sign_off_id(on.session))
    assert on.pay(thief).result == OK
    request = operators_pb2.SignOffRequest(session=on.session)
    peer.counter.SignOff(request, timeout=CALL_S)
    assert is_ended(peer, on)
    fresh = sign_on(peer, 1)
    taken = payment(operator=1, id=sign_off_id(fresh.session))
    assert fresh.pay(taken).result == OK
    assert is_ended(peer, fresh)
