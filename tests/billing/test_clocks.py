"""Goal: a biller whose clock is too far from ours is not asked to credit anything, as
it would not know its last moment; somebody is told, and it goes on when that is right.

Method: messages that say a time to a dispatcher whose clock the test moves.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.billing.biller import Biller
from switch.billing.clocks import SAMPLES_MAX, Clocks
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import SECOND, Bench, FakeConnection, benches

CONFIRM, STATUS = pb.QUESTION_KIND_CONFIRM, pb.QUESTION_KIND_STATUS


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from benches(tmp_path, credit_margin_ms=60_000, answer_timeout_ms=1_000)


def say(
    bench: Bench, biller: Biller, connection: FakeConnection, skew_s: float
) -> None:
    """A message without answers, of a clock that is ahead by so much."""
    clock_ns = bench.wall_ns() + int(skew_s * SECOND)
    body = pb.ConnectRequest(clock_ns=clock_ns).SerializeToString()
    taken = bench.dispatch.take(biller, body, connection.number)
    assert not taken.requests
    assert not taken.wrong


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_may_be_wrong_by_half_of_the_margin(
    bench: Bench, sign: int, caplog: pytest.LogCaptureFixture
) -> None:
    biller, connection = bench.connect()
    say(bench, biller, connection, sign * 30.0)
    first = bench.pay()
    assert [one.number for one in connection.take()] == first
    biller, other = bench.connect()
    say(bench, biller, other, sign * 30.1)
    more = bench.pay(2)
    assert not connection.take()
    assert not other.take()
    [state] = [one for one in bench.dispatch.states() if one.biller == "water"]
    assert state.clock_skew_ms == sign * 30_100
    alarms = [one for one in caplog.records if one.levelno == logging.CRITICAL]
    assert len(alarms) == 1
    assert "ALARM: the clock of water" in alarms[0].getMessage()
    # Not at each message.
    say(bench, biller, other, sign * 31.0)
    assert len([one for one in caplog.records if "clock of" in one.getMessage()]) == 1
    # What it may have heard of it is asked about, whatever its clock.
    bench.pass_s(1.5)
    bench.pass_s(11)
    questions = [*connection.take(), *other.take()]
    assert [(one.number, one.kind) for one in questions] == [(first[0], STATUS)]
    # It is put right.
    say(bench, biller, other, sign * 0.2)
    bench.pass_s(0.1)
    questions = [*connection.take(), *other.take()]
    assert [one.number for one in questions if one.kind == CONFIRM] == more


def test_the_margin_of_a_short_deadline_is_small(bench: Bench) -> None:
    biller, connection = bench.connect()
    say(bench, biller, connection, 20.0)
    # Of a minute half is the margin, and the half of that is for the clock.
    bench.pay(code="KEPT")
    assert not connection.take()
    later = bench.pay()
    assert [one.number for one in connection.take()] == later


def test_of_two_margins_each_payment_has_its_own(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody is told as long as one is open whose margin is too short."""
    [shorter] = bench.pay()
    bench.restart(credit_margin_ms=120_000, answer_timeout_ms=1_000)
    biller, connection = bench.connect()
    [status] = connection.take()
    say(bench, biller, connection, 45.0)
    assert "ALARM: the clock of water" in caplog.text
    assert not bench.answer(biller, [status], pb.ANSWER_KIND_NOT_SEEN)
    [longer] = bench.pay()
    assert [one.number for one in connection.take()] == [longer]
    say(bench, biller, connection, 0.1)
    bench.pass_s(0.1)
    [again] = connection.take()
    assert (again.number, again.kind) == (shorter, CONFIRM)
    bench.answer(biller, [again])
    # Of what is open now each has the longer one.
    assert not biller.clock_is_wrong
    bench.answer(biller, bench.questions([longer]))
    biller, connection = bench.connect()
    caplog.clear()
    say(bench, biller, connection, 45.0)
    assert "ALARM" not in caplog.text
    biller, other = bench.connect()
    say(bench, biller, other, 60.1)
    assert biller.clock_is_wrong


def test_a_connection_that_is_gone_says_nothing(bench: Bench) -> None:
    biller, connection = bench.connect()
    say(bench, biller, connection, 100.0)
    bench.dispatch.detach(biller, connection)
    biller, connection = bench.connect()
    held = bench.pay()
    assert [one.number for one in connection.take()] == held


def test_the_smallest_of_the_last_counts() -> None:
    clocks = Clocks()
    assert clocks.skew_ns == 0
    # What waited on its way looks older than it is.
    for skew in (-50, -5, -70):
        clocks.note(1, 1_000 + skew, 1_000)
    assert clocks.skew_ns == -5
    clocks.note(2, 1_007, 1_000)
    assert clocks.skew_ns == 7
    for _ in range(SAMPLES_MAX):
        clocks.note(1, 900, 1_000)
    assert clocks.skew_ns == -100
    clocks.forget(1)
    assert clocks.skew_ns == 7
