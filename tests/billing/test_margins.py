"""Goal: what a biller was told of its last moment to credit stays so, whatever margin
the switch is started with later: nothing is given back before it, and nothing after it
is asked to be credited.

Method: a real ledger and a clock that the test moves; the switch starts again with
another margin, or with another one for that biller alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.billing.answers import NOT_SEEN_REASON
from switch.billing.biller import Biller
from switch.codes import Kind
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import (
    DEADLINE_S,
    SECOND,
    Bench,
    FakeConnection,
    benches,
)
from tests.billing.test_day_list import send

CONFIRM, STATUS = pb.QUESTION_KIND_CONFIRM, pb.QUESTION_KIND_STATUS
NOT_SEEN = pb.ANSWER_KIND_NOT_SEEN
SHORT_S, LONG_S = 10, 60
SETTINGS = {
    "answer_timeout_ms": 1_000,
    "status_first_ms": 10_000,
    "status_interval_max_ms": 40_000,
    "status_calls_max": 5,
    "absent_ms": 3_600_000,
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from benches(tmp_path, **SETTINGS, credit_margin_ms=SHORT_S * 1_000)


def start_again(bench: Bench, margin_s: float, **more: int) -> None:
    """With this margin of all billers."""
    bench.restart(**SETTINGS, credit_margin_ms=int(margin_s * 1_000), **more)


def asked(bench: Bench, code: str = "WATER") -> tuple[int, int]:
    """A hold that its biller was asked to credit: its number, and until when."""
    _, connection = bench.connect()
    [held] = bench.pay(code=code)
    [confirm] = connection.take()
    return held, confirm.credit_until_ns


def until_before_due(bench: Bench, held: int, seconds: float) -> None:
    """Let time pass until so many seconds before the hold's deadline."""
    row = bench.ledger.row(held)
    due_ns = row.timestamp + DEADLINE_S * SECOND
    bench.pass_s((due_ns - bench.wall_ns()) / SECOND - seconds)


def not_seen(bench: Bench, biller: Biller, connection: FakeConnection) -> pb.Question:
    """The biller is asked for the status, and has not seen the payment."""
    [status] = connection.take()
    assert status.kind == STATUS
    assert not bench.answer(biller, [status], NOT_SEEN)
    return status


def given_back(bench: Bench, held: int) -> bool:
    """Whether it is voided, because its biller has not seen it."""
    end = bench.ledger.resolution(held)[0]
    if not end:
        return False
    assert bench.ledger.row(end).kind == Kind.VOID
    assert bench.ledger.tail(end) == NOT_SEEN_REASON
    return True


def test_a_longer_margin_gives_nothing_back_that_may_be_credited(bench: Bench) -> None:
    held, told = asked(bench)
    start_again(bench, LONG_S)
    # By the new margin nobody may credit it any more; by what was told it may be.
    until_before_due(bench, held, LONG_S / 2 - 5)
    biller, connection = bench.connect()
    status = not_seen(bench, biller, connection)
    assert status.credit_until_ns == told
    assert not given_back(bench, held)
    # There is time to credit it still, and no answer comes.
    [again] = connection.take()
    assert (again.kind, again.credit_until_ns) == (CONFIRM, told)
    bench.pass_s(2, 0.5)
    until_before_due(bench, held, SHORT_S / 2 + 0.5)
    connection.take()
    until_before_due(bench, held, SHORT_S / 2 - 0.1)
    assert not_seen(bench, biller, connection).sent_ns > told
    assert given_back(bench, held)


def test_a_shorter_margin_asks_nothing_to_be_credited_later(bench: Bench) -> None:
    start_again(bench, LONG_S)
    held, told = asked(bench)
    start_again(bench, SHORT_S)
    until_before_due(bench, held, LONG_S - 1)
    biller, connection = bench.connect()
    status = not_seen(bench, biller, connection)
    assert status.credit_until_ns == told
    # It is not asked to credit what it was told to be too late for.
    bench.pass_s(1)
    assert not connection.take()
    assert not given_back(bench, held)
    until_before_due(bench, held, LONG_S / 2 - 0.1)
    not_seen(bench, biller, connection)
    assert given_back(bench, held)


def test_what_is_held_after_a_change_has_the_new_margin(bench: Bench) -> None:
    start_again(bench, LONG_S)
    _, connection = bench.connect()
    # In one message, and as one that waited while the switch was away.
    [held] = bench.pay()
    [confirm] = connection.take()
    due_ns = bench.ledger.row(held).timestamp + DEADLINE_S * SECOND
    assert confirm.credit_until_ns == due_ns - LONG_S * SECOND
    [waited] = [one.sequence for one in bench.try_to_pay(1, "WATER")]
    bench.pass_s(20)
    bench.dispatch.look()
    questions = {one.number: one for one in connection.take()}
    due_ns = bench.ledger.row(waited).timestamp + DEADLINE_S * SECOND
    assert questions[waited].credit_until_ns == due_ns - LONG_S * SECOND


def test_each_of_several_margins_counts_for_what_was_held_under_it(
    bench: Bench,
) -> None:
    """In one table, and after a start that changes nothing."""
    held = {}
    for margin_s in (SHORT_S, LONG_S, 30, SHORT_S):
        start_again(bench, margin_s)
        held[bench.pay()[0]] = margin_s
    for _ in range(2):
        start_again(bench, SHORT_S)
        _, connection = bench.connect()
        questions = {one.number: one for one in connection.take()}
        assert questions.keys() == held.keys()
        for number, margin_s in held.items():
            due_ns = bench.ledger.row(number).timestamp + DEADLINE_S * SECOND
            until_ns = questions[number].credit_until_ns
            assert until_ns == due_ns - margin_s * SECOND


def test_one_biller_may_have_a_margin_of_its_own(bench: Bench) -> None:
    water, _ = asked(bench)
    gas, told = bench.pay(code="GAS")[0], SHORT_S
    start_again(bench, SHORT_S, **{".water.credit_margin_ms": LONG_S * 1_000})
    later = {"water": bench.pay()[0], "gas": bench.pay(code="GAS")[0]}
    start_again(bench, 30)
    expected = {
        "water": {water: SHORT_S, later["water"]: LONG_S},
        "gas": {gas: told, later["gas"]: SHORT_S},
    }
    for name, margins in expected.items():
        _, connection = bench.connect(name)
        found = {one.number: one.credit_until_ns for one in connection.take()}
        for number, margin_s in margins.items():
            due_ns = bench.ledger.row(number).timestamp + DEADLINE_S * SECOND
            assert found[number] == due_ns - margin_s * SECOND


def test_a_kept_hold_is_given_back_by_its_own_margin(bench: Bench) -> None:
    """What nobody has decided in time is asked about by what it was told, too."""
    held, told = asked(bench, "KEPT")
    bench.pass_s(61)
    bench.expire()
    start_again(bench, LONG_S)
    biller, connection = bench.connect()
    bench.pass_s(41, 0.5)
    assert not_seen(bench, biller, connection).credit_until_ns == told
    assert given_back(bench, held)


def test_a_list_goes_by_the_margin_of_each_payment(bench: Bench) -> None:
    water = bench.dispatch.biller(bench.index("water"))
    water.pull()
    [before] = bench.pay()
    start_again(bench, LONG_S)
    bench.dispatch.biller(bench.index("water")).pull()
    [after] = bench.pay()
    until_before_due(bench, before, LONG_S / 2 - 5)
    found = send(bench)
    assert (found.rejected, found.too_early) == (1, 1)
    assert not bench.ledger.resolution(before)[0]
    assert bench.ledger.resolution(after)[0]
    until_before_due(bench, before, SHORT_S / 2 - 0.1)
    assert send(bench).rejected == 1
    assert bench.ledger.resolution(before)[0]


def test_what_was_never_offered_is_given_back_at_its_own_moment(bench: Bench) -> None:
    start_again(bench, LONG_S)
    [first] = bench.pay()
    start_again(bench, SHORT_S)
    # After a start each open hold may have been offered: none is given back.
    [second] = bench.pay()
    until_before_due(bench, second, SHORT_S + 0.5)
    assert not bench.cancel()
    until_before_due(bench, second, SHORT_S - 0.5)
    assert bench.cancel() == 1
    assert bench.ledger.resolution(second)[0]
    assert not bench.ledger.resolution(first)[0]
