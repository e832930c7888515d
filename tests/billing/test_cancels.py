"""Goal: a payment that its biller was never offered is given back while nobody can have
credited it, and one that it may have heard of never is.

Method: a real ledger and a clock that the test moves; what is cancelled is committed by
the test, at once, late or never.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import Kind, RowFlag
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import DEADLINE_S, Bench, benches

CONFIRM, STATUS = pb.QUESTION_KIND_CONFIRM, pb.QUESTION_KIND_STATUS

MARGIN_S = 60
SETTINGS = {
    "answer_timeout_ms": 1_000,
    "credit_margin_ms": MARGIN_S * 1_000,
    "status_first_ms": 10_000,
    "absent_ms": 3_600_000,
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from benches(tmp_path, **SETTINGS)


def to_the_margin(bench: Bench) -> None:
    """A moment before what was paid last must not be credited any more."""
    bench.pass_s(DEADLINE_S - MARGIN_S - 0.5)


@pytest.mark.parametrize("basket", [0, 3])
def test_what_was_never_offered_is_given_back(bench: Bench, basket: int) -> None:
    held = bench.pay(basket=basket)
    to_the_margin(bench)
    assert not bench.cancel()
    bench.pass_s(1)
    assert bench.cancel() == len(held)
    for sequence in held:
        end = bench.ledger.row(bench.ledger.resolution(sequence)[0])
        assert end.kind == Kind.VOID
        assert not end.flags & RowFlag.EVIDENCE
    assert not bench.ledger.holds_count
    assert not bench.cancel()
    assert not bench.dispatch.states()[0].queued


@pytest.mark.parametrize("basket", [0, 3])
def test_one_is_cancelled_as_long_as_its_biller_was_not_asked(
    bench: Bench, basket: int
) -> None:
    held = bench.pay(basket=basket)
    [other] = bench.pay()
    # Any payment of the basket stands for all of it.
    request = bench.dispatch.cancel(bench.ledger.row(held[-1]))
    assert request is not None
    assert request.rows_count == len(held)
    # The ledger has not decided: the biller hears of the other alone.
    _, connection = bench.connect()
    assert [one.number for one in connection.take()] == [other]
    # Asked again meanwhile it is the same; and what was asked about stays.
    again = bench.dispatch.cancel(bench.ledger.row(held[0]))
    assert again is not None
    assert again.rows_count == len(held)
    assert bench.dispatch.cancel(bench.ledger.row(other)) is None
    bench.commit(request)
    bench.dispatch.look()
    assert all(bench.ledger.resolution(one)[0] for one in held)
    assert not bench.ledger.resolution(other)[0]
    assert bench.dispatch.cancel(bench.ledger.row(held[0])) is None


def test_a_hold_that_the_dispatcher_has_not_taken_in_is_cancelled(bench: Bench) -> None:
    """It is durable and answered; while messages wait, so do the rows. Nobody has heard
    of it, and so nobody says that the biller may have.
    """
    [outcome] = bench.try_to_pay(1, "WATER")
    request = bench.dispatch.cancel(bench.ledger.row(outcome.sequence))
    assert request is not None
    _, connection = bench.connect()
    assert not connection.take()
    bench.commit(request)
    bench.dispatch.look()
    assert bench.ledger.resolution(outcome.sequence)[0]


def test_who_wished_it_is_named_when_the_ledger_was_busy(bench: Bench) -> None:
    """What a cancel has asked of the ledger may be turned away there: the switch brings
    it again, with the name; all else it gives back in its own.
    """
    [wished], [other] = bench.pay(), bench.pay()
    assert bench.dispatch.cancel(bench.ledger.row(wished), 7) is not None
    bench.pass_s(DEADLINE_S - MARGIN_S + 1)
    assert bench.cancel() == 2
    found = [bench.ledger.resolution(one)[0] for one in (wished, other)]
    assert [bench.ledger.row(one).total for one in found] == [7, 0]


def test_what_is_being_cancelled_is_never_asked_about_again(bench: Bench) -> None:
    """The void may wait at the ledger for longer than an answer takes: asked meanwhile,
    the biller would credit what goes back.
    """
    [held] = bench.pay()
    request = bench.dispatch.cancel(bench.ledger.row(held))
    assert request is not None
    _, connection = bench.connect()
    for _ in range(5):
        bench.pass_s(2)
        again = bench.dispatch.cancels()
        assert not connection.take()
        # It is wished for again instead.
        assert sum(one.rows_count for one in again) == 1
    bench.commit(request)
    bench.dispatch.look()
    assert bench.ledger.resolution(held)[0]
    bench.pass_s(2)
    assert not bench.dispatch.cancels()


def test_what_is_due_or_was_there_at_a_start_is_not_cancelled(bench: Bench) -> None:
    [late] = bench.pay(code="KEPT")
    bench.pass_s(61)
    assert bench.dispatch.cancel(bench.ledger.row(late)) is None
    [before] = bench.pay()
    bench.restart()
    assert bench.dispatch.cancel(bench.ledger.row(before)) is None


def test_a_kept_payment_locks_no_wallet_either(bench: Bench) -> None:
    bench.pay(code="KEPT")
    bench.pass_s(31)
    assert bench.cancel() == 1
    assert not bench.ledger.holds_count


def test_what_was_asked_is_never_given_back(bench: Bench) -> None:
    biller, connection = bench.connect()
    asked = bench.pay()
    bench.dispatch.detach(biller, connection)
    waiting = bench.pay()
    to_the_margin(bench)
    bench.pass_s(1)
    assert bench.cancel() == 1
    assert not bench.ledger.resolution(asked[0])[0]
    assert bench.ledger.resolution(waiting[0])[0]


def test_after_a_restart_all_may_have_been_asked(bench: Bench) -> None:
    bench.pay()
    bench.restart()
    to_the_margin(bench)
    bench.pass_s(1)
    assert not bench.cancel()
    # What comes after it is known again.
    bench.pay(code="KEPT")
    bench.pass_s(31)
    assert bench.cancel() == 1


def test_a_biller_that_pulls_hears_of_all(bench: Bench) -> None:
    before = bench.pay()
    with bench.dispatch.presence(bench.index("water")):
        pass
    after = bench.pay()
    gas = bench.pay(code="GAS")
    to_the_margin(bench)
    bench.pass_s(1)
    assert bench.cancel() == 1
    assert bench.ledger.resolution(gas[0])[0]
    for sequence in (*before, *after):
        assert not bench.ledger.resolution(sequence)[0]


def test_what_is_being_given_back_is_not_asked_about(bench: Bench) -> None:
    held = bench.pay(3)
    to_the_margin(bench)
    bench.pass_s(1)
    requests = bench.dispatch.cancels()
    assert sum(one.rows_count for one in requests) == 3
    # The ledger has not decided; the biller comes, and hears nothing of them.
    _, connection = bench.connect()
    [other] = bench.pay()
    assert [one.number for one in connection.take()] == [other]
    for request in requests:
        bench.commit(request)
    bench.dispatch.look()
    assert all(bench.ledger.resolution(one)[0] for one in held)


def test_what_the_ledger_did_not_give_back_is_tried_again(bench: Bench) -> None:
    bench.pay()
    to_the_margin(bench)
    bench.pass_s(1)
    assert len(bench.dispatch.cancels()) == 1
    # Nobody commits it.
    assert not bench.dispatch.cancels()
    bench.pass_s(1.5)
    assert bench.cancel() == 1
    assert not bench.ledger.holds_count


def test_what_is_due_is_not_given_back_but_asked_about(bench: Bench) -> None:
    # The clock leaps over the margin, and the deadline has kept it by then.
    [held] = bench.pay(code="KEPT")
    bench.pass_s(61)
    bench.expire()
    assert not bench.cancel()
    biller, connection = bench.connect()
    [question] = connection.take()
    assert (question.number, question.kind) == (held, STATUS)
    assert not bench.answer(biller, [question], pb.ANSWER_KIND_NOT_SEEN)
    assert not bench.ledger.holds_count
