"""Goal: a connected biller is told of the end of each of its payments, by whatever it
ended, and of refunds.

Method: a real ledger and a clock that the test moves; what it is told is what the
journal says.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch._core import ROW
from switch.billing._hot import ENDS_MAX, Ends
from switch.codes import Kind, Link, Result
from switch.payment_states import PaymentState
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import DEADLINE_S, Bench, FakeConnection, benches
from tests.people import refund_moves

COMPLETED, REVERSED = PaymentState.COMPLETED, PaymentState.REVERSED
EXPIRED, REFUNDED = PaymentState.EXPIRED, PaymentState.REFUNDED
UNVERIFIED = PaymentState.UNVERIFIED


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from benches(tmp_path, absent_ms=3_600_000, answer_timeout_ms=60_000)


def told(bench: Bench, connection: FakeConnection) -> list[tuple[int, int, int]]:
    bench.dispatch.tick()
    found = [(one.number, int(one.state), one.sequence) for one in connection.ended]
    connection.ended.clear()
    return found


def end_of(bench: Bench, sequence: int) -> int:
    return bench.ledger.resolution(sequence)[0]


def test_ends_are_told_whatever_ended_them(bench: Bench) -> None:
    biller, connection = bench.connect()
    _, gas = bench.connect("gas")
    [good, bad, silent] = bench.pay(3)
    basket = bench.pay(basket=2)
    good_one, bad_one, _, together = connection.take()
    bench.answer(biller, [good_one, together])
    assert told(bench, connection) == [
        (one, COMPLETED, end_of(bench, one)) for one in (good, *basket)
    ]
    bench.answer(biller, [bad_one], pb.ANSWER_KIND_REJECTED)
    assert told(bench, connection) == [(bad, REVERSED, end_of(bench, bad))]
    bench.pass_s(DEADLINE_S + 1)
    bench.expire()
    assert told(bench, connection) == [(silent, UNVERIFIED, end_of(bench, silent))]
    # Until it says that it has no credit.
    bench.answer(biller, bench.questions([silent]), pb.ANSWER_KIND_REJECTED)
    verified = bench.ledger.link(silent, Link.VERIFY)
    assert told(bench, connection) == [(silent, EXPIRED, verified)]
    # A late word changes nothing, and ends nothing.
    bench.answer(biller, [good_one], pb.ANSWER_KIND_REJECTED)
    bench.pass_s(0.1)
    assert not told(bench, connection)
    assert not told(bench, gas)


def test_refunds_are_told_when_nothing_is_open(bench: Bench) -> None:
    biller, connection = bench.connect()
    [paid] = bench.pay()
    bench.answer(biller, connection.take())
    told(bench, connection)
    assert not bench.ledger.holds_count
    end = end_of(bench, paid)
    for amount in (40, 60):
        refund = refund_moves(bench.ledger, end, amount, maker=bench.treasury)
        reply = bench.commit(refund.request())
        assert not isinstance(reply, bytes)
        assert set(reply["result"].tolist()) == {Result.OK}
        bench.dispatch.look()
        assert told(bench, connection) == [(paid, REFUNDED, int(reply["sequence"][-1]))]


def test_who_is_not_there_is_told_nothing_later(bench: Bench) -> None:
    biller, first = bench.connect()
    [paid] = bench.pay()
    [question] = first.take()
    bench.dispatch.detach(biller, first)
    bench.answer(biller, [question])
    assert end_of(bench, paid)
    _, second = bench.connect()
    bench.pass_s(0.1)
    assert not told(bench, second)


def test_what_had_not_left_with_the_last_connection_is_not_told(bench: Bench) -> None:
    biller, first = bench.connect()
    bench.pay()
    bench.answer(biller, first.take())
    bench.dispatch.detach(biller, first)
    _, second = bench.connect()
    assert not told(bench, second)


def test_ends_leave_with_questions_or_with_the_next_tick(bench: Bench) -> None:
    biller, connection = bench.connect()
    [one] = bench.pay()
    bench.answer(biller, connection.take())
    assert not connection.ended
    [two] = bench.pay()
    assert [end.number for end in connection.ended] == [one]
    assert [question.number for question in connection.take()] == [two]
    connection.ended.clear()
    bench.answer(biller, bench.questions([two]))
    assert not connection.ended
    bench.dispatch.tick()
    assert [end.number for end in connection.ended] == [two]


def test_what_is_too_much_leaves_the_oldest_out() -> None:
    ends = Ends()
    rows = np.zeros(ENDS_MAX // 4, ROW)
    rows["kind"] = Kind.POST
    for part in range(5):
        numbers = np.full(len(rows), part, np.uint64)
        ends.add(numbers, rows)
    found = pb.ConnectResponse.FromString(ends.take()).ended
    assert len(found) == ENDS_MAX
    assert {one.number for one in found} == {1, 2, 3, 4}
    assert not ends
    assert ends.take() == b""
