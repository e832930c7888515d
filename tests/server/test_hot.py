"""Goal: payments go from the socket to the queue and back in C, and a call that has no
outcomes is told why as every other call is.

Method: the front alone, grpcio's client, and a queue that does what the test says
(scripted_queue.py): what it is given is looked at, when and how it answers is chosen.
"""

import gc
import queue
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from server import _front, hot
from server.app import stop_queue
from server.refusals import set_details
from switch._core import Ledger
from switch.authority.development import DevAuthority
from switch.codes import Field, Result, Role
from switch.ledger.committer import Committer
from tests.core.queues import until
from tests.server.door import MIB, WAIT_S, split
from tests.server.frames import CANCEL, RST_STREAM, Peer, frame, message
from tests.server.scripted_queue import (
    CLOCK,
    FULL,
    NOT_LEADER,
    OK,
    SPACE,
    STOPPED,
    UNKNOWN,
    ScriptedQueue,
    Submitted,
)

METHODS = [
    *((name, _front.UNARY) for name in hot.METHODS[:3]),
    (hot.METHODS[3], _front.BIDI),
]
COSTS = [(_front.PAYMENTS, 1, 0, 0)] * 4
PAYMENT, BASKET, BATCH, STREAM = hot.METHODS
OWNER, ROLE, SENDER, BOUND = 1, 2, 3, 4
GROUP_MAX = 8_190


class Hot:
    """A front with hot calls alone, and their queue."""

    def __init__(self, directory: Path, capsule: object = None, **bounds: int) -> None:
        """`capsule` is that of another queue than the scripted one."""
        self.queue = ScriptedQueue()
        self.sender = SENDER
        self.budgets, others = split(bounds)
        self.front = _front.Front(METHODS, others, COSTS)
        authority = DevAuthority(directory / "tls")
        self.front.set_credentials(*authority.server().read())
        hot.set_up(self.front, METHODS)
        set_details(self.front)
        self.port = self.front.listen("127.0.0.1", 0)
        self.front.start()
        self.front.open_hot(capsule or self.queue.capsule())
        self.connections: list[int] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._admit)
        self._thread.start()
        self.credentials = authority.leaf(Role.CENTRE, "c1")
        certificate, key, root = self.credentials.read()
        secure = grpc.ssl_channel_credentials(root, key, certificate)
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel: Any = grpc.secure_channel(
            f"localhost:{self.port}", secure, options
        )

    def _admit(self) -> None:
        while not self._stopping.wait(0.005):
            for event in self.front.take():
                if event[0] == _front.CONNECT:
                    self.connections.append(event[1])
                    self.rights(bytes([1, 1, 1, 1]))

    def rights(self, rights: bytes) -> None:
        caller = self.connections[-1], OWNER, ROLE, self.sender, BOUND
        self.front.admit(*caller, rights, self.budgets)

    def call(self, method: str, body: bytes) -> Any:
        """A call of one message, under way."""
        return self.channel.unary_unary(method).future(body, timeout=WAIT_S)

    def stream(self) -> "Stream":
        return Stream(self.channel)

    def wait_until(self, condition: Callable[[dict[str, int]], bool]) -> None:
        turn = threading.Event()
        for _ in range(int(WAIT_S / 0.005)):
            if condition(self.front.counters()):
                return
            turn.wait(0.005)
        raise AssertionError(self.front.counters())

    def stop(self) -> None:
        self.channel.close()
        self.front.stop(0)
        # What the queue still has of it is given back.
        self.queue.answer(*self.queue.open.values(), rc=STOPPED)
        self.front.close_hot()
        self._stopping.set()
        self._thread.join()
        self.front.take()  # what nobody has taken counts
        assert self.front.counters()["bytes_held"] == 0


class Stream:
    """A stream under way."""

    def __init__(self, channel: Any) -> None:
        self._sent: queue.Queue[bytes | None] = queue.Queue()
        self._replies: Any = channel.stream_stream(STREAM)(
            iter(self._sent.get, None), timeout=WAIT_S
        )

    def send(self, *bodies: bytes) -> None:
        for body in bodies:
            self._sent.put(body)

    def close(self) -> None:
        self._sent.put(None)

    def cancel(self) -> None:
        self._replies.cancel()

    def read(self) -> bytes:
        return bytes(next(self._replies))

    def end(self) -> grpc.RpcError | None:
        """How it ended, and that nothing was told before."""
        try:
            reply = next(self._replies)
        except StopIteration:
            return None
        except grpc.RpcError as error:
            return error
        raise AssertionError(reply)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hot")


@pytest.fixture
def door(directory: Path) -> Iterator[Hot]:
    one = Hot(directory)
    yield one
    one.stop()


def told(error: Any) -> tuple[str, str, str]:
    """Code, reason and outcome of an error."""
    trailers: dict[str, bytes] = dict(error.trailing_metadata() or ())
    details = trailers.get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(details)
    if details:
        # Clients that take both refuse a status that says two things.
        assert (status.code, status.message) == (error.code().value[0], error.details())
    reason = outcome = ""
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason, outcome = info.reason, info.metadata.get("outcome", "")
    return error.code().name, reason, outcome


def text(error: Any) -> str:
    return str(error.details())


@pytest.mark.parametrize(
    ("method", "body"), [(PAYMENT, b"p1"), (BASKET, b"b1"), (BATCH, b"p2 b3")]
)
def test_a_call_is_answered_with_its_outcomes(
    door: Hot, method: str, body: bytes
) -> None:
    call = door.call(method, body)
    [one] = door.queue.take(1)
    assert (one.body, one.sender, one.centre) == (body, SENDER, BOUND)
    assert one.rows == (5 if method == BATCH else 1)
    assert not call.done()
    door.queue.answer(one)
    assert call.result(WAIT_S) == b"<" + body + b">"
    door.queue.wait(lambda: door.queue.let_go == [one.owner])


@pytest.mark.parametrize(
    ("method", "body", "said"),
    [
        (PAYMENT, b"p2", "one payment and no basket"),
        (PAYMENT, b"p1 b1", "one payment and no basket"),
        (BASKET, b"b1 p1", "one basket and no payment beside it"),
        (BASKET, b"b2", "one basket and no payment beside it"),
        (BATCH, b"x", "not a payments request"),
        (PAYMENT, b"x", "not a payments request"),
        (BATCH, b"", "no payment"),
    ],
)
def test_what_is_no_such_request_is_not_submitted(
    door: Hot, method: str, body: bytes, said: str
) -> None:
    error = door.call(method, body).exception(WAIT_S)
    assert told(error)[0] == "INVALID_ARGUMENT"
    assert said in text(error)
    assert door.queue.submitted == []


@pytest.mark.parametrize(
    ("rc", "code", "reason", "outcome"),
    [
        (SPACE, "RESOURCE_EXHAUSTED", "NO_SPACE", "not_done"),
        (CLOCK, "UNAVAILABLE", "CLOCK_UNTRUSTED", "not_done"),
        (UNKNOWN, "UNAVAILABLE", "LEDGER_DEAD", "unknown"),
        (STOPPED, "UNAVAILABLE", "STOPPING", "not_done"),
        (NOT_LEADER, "UNAVAILABLE", "NOT_LEADER", "not_done"),
    ],
)
def test_what_came_of_a_group_is_told(
    door: Hot, rc: int, code: str, reason: str, outcome: str
) -> None:
    calls = [door.call(PAYMENT, b"p1"), door.call(BATCH, b"p7")]
    door.queue.answer(*door.queue.take(2), rc=rc)
    for call in calls:
        error = call.exception(WAIT_S)
        assert told(error) == (code, reason, outcome)
    if rc == CLOCK:
        assert "runs 90 s ahead" in text(error)


def test_a_dead_ledger_has_its_reason(door: Hot) -> None:
    call = door.call(PAYMENT, b"p1")
    door.queue.died = (5, "the ledger is dead: Input/output error")
    door.queue.answer(*door.queue.take(1), rc=STOPPED)
    error = call.exception(WAIT_S)
    assert told(error) == ("UNAVAILABLE", "LEDGER_DEAD", "not_done")
    assert text(error) == "storage error 5: the ledger is dead: Input/output error"


def test_a_queue_that_another_node_has_overtaken_takes_nothing(door: Hot) -> None:
    door.queue.rc = NOT_LEADER
    error = door.call(PAYMENT, b"p1").exception(WAIT_S)
    assert told(error) == ("UNAVAILABLE", "NOT_LEADER", "not_done")
    stream = door.stream()
    stream.send(b"p1 ")
    assert told(stream.end()) == ("UNAVAILABLE", "NOT_LEADER", "not_done")


def test_a_full_queue_turns_a_call_away(door: Hot) -> None:
    door.queue.rc = FULL
    error = door.call(PAYMENT, b"p1").exception(WAIT_S)
    assert told(error) == ("RESOURCE_EXHAUSTED", "OVERLOAD", "not_done")
    assert text(error) == "4711 entries wait to be committed; try again later"


@pytest.mark.parametrize(
    ("result", "field", "reason", "outcome"),
    [
        (Result.DATA_DAMAGED, 0, "DATA_DAMAGED", "unknown"),
        (Result.TOO_MANY_REFUSALS, 0, "REFUSALS_SPENT", "not_done"),
        (Result.BILLER_BUSY, 0, "BILLER_QUEUE_FULL", "not_done"),
        (Result.BILLER_BUSY, Field.DEBIT, "CENTRE_QUEUE_FULL", "not_done"),
    ],
)
def test_some_results_of_one_payment_are_statuses(
    door: Hot, result: int, field: int, reason: str, outcome: str
) -> None:
    calls = [door.call(PAYMENT, b"p1"), door.call(BASKET, b"b1")]
    batch = door.call(BATCH, b"p1")
    door.queue.answer(*door.queue.take(3), result=result, field=field)
    for call in calls:
        assert told(call.exception(WAIT_S))[1:] == (reason, outcome)
    # Of many each is told by its outcome.
    assert batch.result(WAIT_S) == b"<p1>"


def test_what_was_submitted_is_done_whoever_has_gone(door: Hot) -> None:
    call = door.call(PAYMENT, b"p1")
    [one] = door.queue.take(1)
    call.cancel()
    door.wait_until(lambda counters: counters["calls_open"] == 0)
    # Its bytes still count: the queue has them.
    assert door.front.counters()["bytes_held"] > 0
    assert door.queue.let_go == []
    door.queue.answer(one)
    door.queue.wait(lambda: door.queue.let_go == [one.owner])
    other = door.call(PAYMENT, b"p1")
    door.queue.answer(*door.queue.take(1))
    assert other.result(WAIT_S) == b"<p1>"


def test_the_queue_is_kept_until_the_front_is_through_with_it() -> None:
    # The collector may clear what a front refers to before it ends the front.
    order: list[str] = []
    scripted = ScriptedQueue()
    scripted.on_clear = lambda: order.append("looked at")
    scripted.on_gone = lambda: order.append("gone")
    front = _front.Front(METHODS, split({})[1])
    hot.set_up(front, METHODS)
    front.open_hot(scripted.capsule())
    ring: list[object] = [front]
    ring.append(ring)
    del front, ring
    gc.collect()
    assert order == ["looked at", "gone"]


# --- streams --------------------------------------------------------------------------


def joined(taken: list[Submitted]) -> bytes:
    return b"".join(one.body for one in taken)


def take_all(door: Hot, bodies: list[bytes]) -> list[Submitted]:
    """Everything of a stream, as the turns have cut it."""
    want = b"".join(bodies)
    got: list[Submitted] = []
    while joined(got) != want:
        got += door.queue.take(1)
    return got


def test_a_stream_is_answered_by_group_and_in_order(door: Hot) -> None:
    stream = door.stream()
    bodies = [b"p%d " % (number + 1) for number in range(50)]
    stream.send(*bodies)
    taken = take_all(door, bodies)
    door.queue.answer(*taken)
    # One message a group, however many were sent.
    assert stream.read() == b"".join(b"<" + one.body + b">" for one in taken)
    stream.send(b"p1 ")
    [last] = door.queue.take(1)
    stream.close()
    door.queue.answer(last)
    assert stream.read() == b"<p1 >"
    assert stream.end() is None


def test_messages_of_one_turn_are_one_request(door: Hot) -> None:
    bodies = [b"p1 "] * 2_000
    with Peer(door.port, door.credentials) as peer:
        peer.send(peer.open(1, STREAM), peer.data(1, b"".join(map(message, bodies))))
        taken = take_all(door, bodies)
    # A TLS record at least is read in one turn.
    assert len(taken) <= 4
    door.queue.answer(*taken)


def test_a_cancel_that_is_read_with_its_call_wins(door: Hot) -> None:
    cancel = frame(RST_STREAM, 0, 1, CANCEL.to_bytes(4, "big"))
    with Peer(door.port, door.credentials) as peer:
        peer.send(
            peer.open(1, PAYMENT),
            peer.data(1, message(b"p1"), last=True),
            cancel,
            peer.open(3, PAYMENT),
            peer.data(3, message(b"p1 "), last=True),
        )
        [one] = door.queue.take(1)
    assert one.body == b"p1 "
    assert door.queue.submitted == []
    door.queue.answer(one)


def test_a_stream_reads_two_groups_ahead_and_no_more(door: Hot) -> None:
    stream = door.stream()
    stream.send(b"p%d " % GROUP_MAX, b"p1 ", b"p2 ", b"p3 ")
    first = door.queue.take(1)
    assert first[0].rows == GROUP_MAX
    # A group is waiting: one more message may be read, and then nothing.
    second = door.queue.take(1)
    assert second[0].rows == 1
    other = door.call(PAYMENT, b"p1")
    [paid] = door.queue.take(1)
    assert paid.body == b"p1"
    door.queue.answer(paid)
    other.result(WAIT_S)
    assert door.queue.submitted == []
    door.queue.answer(*first)
    stream.read()
    rest = take_all(door, [b"p2 ", b"p3 "])
    stream.close()
    door.queue.answer(*second, *rest)
    assert stream.read().startswith(b"<p1 >")
    assert stream.end() is None


def test_good_messages_before_a_broken_one_are_answered_first(door: Hot) -> None:
    stream = door.stream()
    stream.send(b"p1 ", b"p2 ", b"x ", b"p4 ")
    taken = take_all(door, [b"p1 ", b"p2 "])
    door.queue.answer(*taken)
    stream.read()
    error = stream.end()
    assert told(error)[0] == "INVALID_ARGUMENT"
    assert door.queue.submitted == []


def test_a_full_queue_is_tried_again(door: Hot) -> None:
    door.queue.rc = FULL
    stream = door.stream()
    stream.send(b"p1 ", b"p2 ")
    door.queue.wait(lambda: door.queue.tries > 2)
    door.queue.rc = OK
    taken = take_all(door, [b"p1 ", b"p2 "])
    door.queue.answer(*taken)
    stream.read()
    stream.close()
    assert stream.end() is None


@pytest.mark.parametrize(
    ("rc", "code", "reason", "outcome"),
    [
        (SPACE, "RESOURCE_EXHAUSTED", "NO_SPACE", "not_done"),
        (UNKNOWN, "UNAVAILABLE", "LEDGER_DEAD", "unknown"),
        (STOPPED, "UNAVAILABLE", "STOPPING", "not_done"),
        (NOT_LEADER, "UNAVAILABLE", "NOT_LEADER", "not_done"),
    ],
)
def test_a_stream_tells_what_was_decided_before_it_broke(
    door: Hot, rc: int, code: str, reason: str, outcome: str
) -> None:
    stream = door.stream()
    stream.send(b"p1 ")
    first = door.queue.take(1)
    stream.send(b"p2 ")
    second = door.queue.take(1)
    door.queue.answer(*first)
    door.queue.answer(*second, rc=rc)
    assert stream.read() == b"<p1 >"
    assert told(stream.end()) == (code, reason, outcome)


def test_what_a_stream_sent_beside_what_was_refused_may_be_done(door: Hot) -> None:
    stream = door.stream()
    stream.send(b"p1 ")
    first = door.queue.take(1)
    stream.send(b"p2 ")
    second = door.queue.take(1)
    door.queue.answer(*first, rc=SPACE)
    assert told(stream.end()) == ("RESOURCE_EXHAUSTED", "NO_SPACE", "unknown")
    # It is done all the same, and nobody is told.
    door.queue.answer(*second)
    door.queue.wait(lambda: len(door.queue.let_go) == 2)


def test_a_stop_answers_what_was_read(door: Hot) -> None:
    stream = door.stream()
    stream.send(b"p1 ")
    taken = door.queue.take(1)
    door.front.stop_streams()
    error = door.call(PAYMENT, b"p1").exception(WAIT_S)
    assert told(error) == ("UNAVAILABLE", "STOPPING", "unknown")
    stream.send(b"p2 ")
    late = door.stream()
    assert told(late.end()) == ("UNAVAILABLE", "STOPPING", "unknown")
    door.queue.answer(*taken)
    assert stream.read() == b"<p1 >"
    error = stream.end()
    assert told(error) == ("UNAVAILABLE", "STOPPING", "unknown")
    assert "all outcomes sent are final" in text(error)
    assert door.queue.submitted == []


def test_a_revoked_stream_is_answered_and_ended(door: Hot) -> None:
    stream = door.stream()
    stream.send(b"p1 ")
    taken = door.queue.take(1)
    call = door.call(PAYMENT, b"p1")
    taken += door.queue.take(1)
    door.rights(bytes(4))
    error = door.call(BATCH, b"p1")
    door.queue.answer(*taken)
    assert stream.read() == b"<p1 >"
    assert told(stream.end())[:2] == ("PERMISSION_DENIED", "FORBIDDEN")
    # One that was taken while it might be made is answered.
    assert call.result(WAIT_S) == b"<p1>"
    error.cancel()


@pytest.mark.parametrize("closed", [False, True])
def test_what_waits_for_room_is_not_made_after_a_revocation(
    door: Hot, closed: bool
) -> None:
    door.queue.rc = FULL
    with Peer(door.port, door.credentials) as peer:
        peer.send(peer.open(1, STREAM), peer.data(1, message(b"p1"), last=closed))
        door.queue.wait(lambda: door.queue.tries > 0)
        door.rights(bytes(4))
        with Peer(door.port, door.credentials) as other:
            # Admitted after the first has lost its rights.
            other.answered()
        door.queue.rc = OK
        assert peer.status(1) == grpc.StatusCode.PERMISSION_DENIED.value[0]
    assert door.queue.submitted == []


def test_a_stream_that_is_given_up_is_done_as_far_as_it_was_read(door: Hot) -> None:
    stream = door.stream()
    stream.send(b"p1 ")
    taken = door.queue.take(1)
    stream.cancel()
    door.wait_until(lambda counters: counters["calls_open"] == 0)
    door.queue.answer(*taken)
    door.queue.wait(lambda: len(door.queue.let_go) == 1)
    again = door.stream()
    again.close()
    assert again.end() is None


@pytest.mark.parametrize("first", [FULL, STOPPED])
def test_a_refusal_is_told_to_a_client_that_has_sent_its_end(
    door: Hot, first: int
) -> None:
    door.queue.rc = first
    with Peer(door.port, door.credentials) as peer:
        peer.send(peer.open(1, STREAM), peer.data(1, message(b"p1"), last=True))
        door.queue.wait(lambda: door.queue.tries > 0)
        door.queue.rc = STOPPED
        assert peer.status(1) == grpc.StatusCode.UNAVAILABLE.value[0]


def test_a_connection_that_comes_in_the_midst_of_a_turn_is_taken(door: Hot) -> None:
    peers: list[Peer] = []

    def connect() -> None:
        before = door.front.counters()["handshakes_done"]
        peers.append(Peer(door.port, door.credentials))
        door.wait_until(lambda counters: counters["handshakes_done"] > before)

    with Peer(door.port, door.credentials) as peer:
        peer.answered()
        door.queue.on_submit = connect
        peer.send(peer.call(1, PAYMENT, b"p1"))
        [one] = door.queue.take(1)
        # Nothing but its own wake-up brings the front thread to it.
        peers[0].answered()
        peers[0].socket.close()
        door.queue.answer(one)
        assert peer.status(1) == 0


async def test_answers_to_nobody_hold_up_no_stop(tmp_path: Path) -> None:
    """More groups than may be done and not taken, of calls that are over."""
    ledger = Ledger(str(tmp_path / "ledger"), map_size=1 << 30, reserve_size=0)
    committer = Committer(ledger)
    committer.start()
    door = Hot(tmp_path, committer.capsule())
    # Payments that lack everything: each is refused, and makes no row.
    body = b"\x0a\x00" * GROUP_MAX
    calls: list[Any] = []

    def waits(rows: int) -> bool:
        return committer.rows_waiting == rows

    with committer._queue.paused():
        # The second half is another's: nobody fills the queue alone.
        for sender, rows in ((3, 5 * GROUP_MAX), (4, 10 * GROUP_MAX)):
            door.sender = sender
            if door.connections:
                door.rights(bytes([1, 1, 1, 1]))
            count = 6 if sender == 3 else 5
            calls += [door.call(BATCH, body) for _ in range(count)]
            until(partial(waits, rows))
        door.front.stop(0)
    assert await stop_queue(door.front, committer, WAIT_S)
    door.stop()
    ledger.close()


def test_what_waits_for_the_queue_counts_in_the_budget_of_its_owner(
    directory: Path,
) -> None:
    # Fields that nobody knows make a small payment large.
    door = Hot(directory, owner_bytes_max=2 * MIB)
    try:
        stream = door.stream()
        stream.send(*[b"p1" + b" " * 15_000] * 400)
        error = stream.end()
        assert error is not None
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert door.front.counters()["bytes_held"] < 4 * MIB
    finally:
        door.stop()
