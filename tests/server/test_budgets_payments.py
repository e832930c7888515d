"""Goal: payments beyond a participant's rate are refused in calls and held back on
streams, whatever connections and messages they come by; what waits goes on as soon as
there is room, and is nobody's burden when it is given up.

Method: the front alone with a queue that does what the test says (scripted_queue.py). A
batch overdraws the bucket for minutes, or for so long as the test waits.
"""

import threading
import time
from collections.abc import Iterator

import pytest

from server import _front
from tests.server.door import WAIT_S
from tests.server.frames import CANCEL, RST_STREAM, Peer, frame, message
from tests.server.scripted_queue import FULL
from tests.server.test_budgets import Refusal, statuses_of
from tests.server.test_hot import BATCH, PAYMENT, STREAM, Hot, told

MINUTES = b"p600"
RATE = {"payments_per_s": 1, "payments_at_once": 16}


@pytest.fixture
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hot]:
    changes = RATE | getattr(request, "param", {})
    one = Hot(tmp_path_factory.getbasetemp() / "hot_budgets", **changes)
    yield one
    one.stop()


def rate(**changes: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("door", [changes], indirect=True)


def admit(door: Hot, rights: bytes = bytes([1] * 4), **changes: int) -> None:
    """With other budgets, from here on."""
    now = dict(zip(_front.BUDGETS, door.budgets, strict=True)) | changes
    door.budgets = tuple(now.values())
    door.rights(rights)


def spend(door: Hot, body: bytes = MINUTES) -> None:
    call = door.call(BATCH, body)
    door.queue.answer(*door.queue.take(1))
    assert call.result(WAIT_S) == b"<" + body + b">"


def held(door: Hot, count: int) -> None:
    door.wait_until(lambda counts: counts["streams_held"] == count)


def answer_all(door: Hot, stop: threading.Event) -> threading.Thread:
    """Answers whatever is submitted."""

    def run() -> None:
        while not stop.is_set():
            door.queue.answer(*door.queue.take(len(door.queue.submitted)))
            stop.wait(0.002)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


# --- calls ----------------------------------------------------------------------------


def test_a_call_beyond_the_rate_is_refused(door: Hot) -> None:
    before_s = time.monotonic()
    spend(door)
    for method, body in ((PAYMENT, b"p1"), (BATCH, b"p5")):
        refused = Refusal(door.call(method, body).exception(WAIT_S))
        assert (refused.reason, refused.outcome) == ("OVER_BUDGET", "not_done")
        passed_s = time.monotonic() - before_s
        assert 600 - 16 - passed_s <= refused.pause_s <= 600 - 16 + 0.001
    assert door.queue.tries == 1
    assert door.front.counters()["over_payments"] == 2


def test_those_that_were_let_in_are_asked_again_with_their_messages(door: Hot) -> None:
    streams = range(1, 61, 2)
    with Peer(door.port, door.credentials) as peer:
        peer.send(*(peer.open(at, BATCH) for at in streams))
        peer.answered()
        peer.send(*(peer.data(at, message(MINUTES), last=True) for at in streams))
        door.queue.answer(*door.queue.take(1))
        statuses = statuses_of(peer, len(streams))
    assert sorted(statuses) == [0] + [8] * (len(streams) - 1)
    [counts, _, _] = door.front.hot_calls()[2]
    # Counted as what they were told.
    assert counts == {(2, 0): 1, (2, 8): len(streams) - 1}


@rate(payments_per_s=50)
def test_who_waits_as_it_is_told_gets_through(door: Hot) -> None:
    for _ in range(3):
        spend(door, b"p30")
        call = door.call(PAYMENT, b"p1")
        time.sleep(Refusal(call.exception(WAIT_S)).pause_s)


def test_what_the_queue_does_not_take_costs_nothing(door: Hot) -> None:
    door.queue.rc = FULL
    for _ in range(5):
        error = door.call(BATCH, b"p16").exception(WAIT_S)
        assert told(error)[1:] == ("OVERLOAD", "not_done")
    door.queue.rc = 0
    spend(door)
    assert told(door.call(PAYMENT, b"p1").exception(WAIT_S))[1] == "OVER_BUDGET"


def test_what_is_no_request_costs_one(door: Hot) -> None:
    began_s = time.monotonic()
    errors = [told(door.call(PAYMENT, b"x").exception(WAIT_S)) for _ in range(60)]
    passed_s = time.monotonic() - began_s
    let = sum(code == "INVALID_ARGUMENT" for code, *_ in errors)
    assert 16 <= let <= 17 + passed_s
    assert errors[-1][1] == "OVER_BUDGET" or passed_s > 30


# --- streams --------------------------------------------------------------------------


@rate(payments_per_s=100)
def test_a_stream_is_held_back_and_goes_on(door: Hot) -> None:
    stop = threading.Event()
    thread = answer_all(door, stop)
    stream = door.stream()
    began_s = time.monotonic()
    bodies = [b"p%d " % (40 + number) for number in range(5)]
    stream.send(*bodies)
    stream.close()
    replies = b""
    while len(replies) < len(b"".join(bodies)) + 2 * len(bodies):
        replies += stream.read()
    passed_s = time.monotonic() - began_s
    assert stream.end() is None
    stop.set()
    thread.join()
    # In order, each once, and no faster than all but what was there, and the last.
    assert replies == b"".join(b"<" + body + b">" for body in bodies)
    assert passed_s >= (40 + 41 + 42 + 43 - 16) / 100 - 0.01
    assert door.front.counters()["streams_held"] == 4
    # Nobody was refused.
    assert door.front.counters()["over_payments"] == 0


def test_streams_that_begin_are_held_back_too(door: Hot) -> None:
    spend(door)
    stream = door.stream()
    stream.send(b"p1")
    held(door, 1)
    assert door.queue.submitted == []
    stream.cancel()


def test_many_streams_are_no_way_around(door: Hot) -> None:
    count = 40
    began_s = time.monotonic()
    peers = [Peer(door.port, door.credentials) for _ in range(2)]
    for peer in peers:
        for at in range(1, count, 2):
            peer.send(peer.open(at, STREAM), peer.data(at, message(MINUTES)))
    held(door, count - 1)
    for peer in peers:
        # More of the same streams is not even read.
        peer.send(*(peer.data(at, message(MINUTES) * 3) for at in range(1, count, 2)))
        peer.answered()
    passed_s = time.monotonic() - began_s
    assert passed_s > 500 or [one.body for one in door.queue.submitted] == [MINUTES]
    door.queue.answer(*door.queue.take(1))
    for peer in peers:
        peer.socket.close()


def test_room_reaches_those_that_wait_in_their_order(door: Hot) -> None:
    spend(door, b"p100000")
    with Peer(door.port, door.credentials) as peer:
        for number in range(3):
            stream = 2 * number + 1
            body = message(b"p%d" % (number + 1))
            peer.send(peer.open(stream, STREAM), peer.data(stream, body))
            held(door, number + 1)
        # The treasury gives it more: within a turn, and no new message is needed.
        admit(door, payments_per_s=1_000_000)
        assert [one.body for one in door.queue.take(3)] == [b"p1", b"p2", b"p3"]
        peer.send(peer.data(1, message(b"p7"), last=True))
        taken = door.queue.take(1)
        assert taken[0].body == b"p7"


def test_one_that_waits_can_be_given_up(door: Hot) -> None:
    spend(door, b"p1000000")
    with Peer(door.port, door.credentials) as peer:
        # Its connection costs something by itself.
        door.wait_until(lambda counts: counts["connections_admitted"] == 2)
        before = door.front.counters()["bytes_held"]
        large = message(b"p1" + b" " * 60_000)
        for number, at in enumerate((1, 3, 5, 7)):
            peer.send(peer.open(at, STREAM), peer.data(at, large))
            held(door, number + 1)
        assert door.front.counters()["bytes_held"] > before + 4 * 60_000
        # The first, one between and the last.
        for stream in (1, 5, 7):
            code = CANCEL.to_bytes(4, "big")
            peer.send(frame(RST_STREAM, 0, stream, code))
        door.wait_until(lambda counts: counts["bytes_held"] < before + 2 * 60_000)
        # Who comes now stands behind who is left.
        peer.send(peer.open(9, STREAM), peer.data(9, message(b"p2")))
        held(door, 5)
        admit(door, payments_per_s=1_000_000)
        taken = door.queue.take(2)
        assert [one.rows for one in taken] == [1, 2]
        door.queue.answer(*taken)
        for stream in (3, 9):
            peer.send(peer.data(stream, b"", last=True))
            assert peer.status(stream) == 0
    assert door.queue.tries == 3


def test_who_is_switched_off_while_it_waits_has_not_paid(door: Hot) -> None:
    spend(door)
    stream = door.stream()
    stream.send(b"p1")
    held(door, 1)
    admit(door, bytes(4), payments_per_s=1_000_000)
    error = stream.end()
    assert error is not None
    assert told(error)[0] == "PERMISSION_DENIED"
    assert door.queue.tries == 1


@pytest.mark.parametrize("closes", [False, True])
def test_a_stop_does_not_wait_for_room(door: Hot, closes: bool) -> None:
    stream = door.stream()
    stream.send(MINUTES)
    [first] = door.queue.take(1)
    stream.send(b"p1")
    held(door, 1)
    if closes:
        stream.close()
    door.front.stop_streams()
    # What was taken is answered first.
    door.queue.answer(first)
    assert stream.read() == b"<" + MINUTES + b">"
    error = stream.end()
    assert error is not None
    assert told(error)[0] == "UNAVAILABLE"
    assert door.queue.tries == 1


def test_the_end_of_a_connection_ends_what_waits(door: Hot) -> None:
    spend(door)
    with Peer(door.port, door.credentials) as peer:
        peer.send(peer.open(1, STREAM), peer.data(1, message(b"p1"), last=True))
        held(door, 1)
    door.wait_until(lambda counts: counts["connections_open"] == 1)
    assert door.queue.tries == 1
