"""Goal: who may have been asked to credit a payment is asked what became of it before
it is asked to credit it again; what it has not seen ends when nobody can credit it.

Method: a real ledger and a clock that the test moves; the biller is the test itself,
whose connections break and whose switch starts again.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.billing.answers import NOT_SEEN_REASON
from switch.codes import Kind, RowFlag
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import DEADLINE_S, SECOND, Bench, benches

CONFIRM, STATUS = pb.QUESTION_KIND_CONFIRM, pb.QUESTION_KIND_STATUS
UNKNOWN, NOT_SEEN = pb.ANSWER_KIND_UNKNOWN, pb.ANSWER_KIND_NOT_SEEN

MARGIN_S = 60
SETTINGS = {
    "answer_timeout_ms": 1_000,
    "credit_margin_ms": MARGIN_S * 1_000,
    "status_first_ms": 10_000,
    "status_interval_max_ms": 40_000,
    "status_calls_max": 5,
    "status_per_minute_max": 30,
    "confirms_max": 3,
    "concurrency_max": 50,
    "health_failures_min": 1_000,
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from benches(tmp_path, **SETTINGS)


def asked(questions: list[pb.Question]) -> list[tuple[int, int]]:
    return [(one.number, one.kind) for one in questions]


def ends(bench: Bench, sequence: int) -> int:
    """What has resolved the hold, 0 if nothing has."""
    return bench.ledger.resolution(sequence)[0]


# --- status before confirm ----------------------------------------------------------


def test_a_broken_connection_leaves_a_doubt_about_what_was_asked_on_it(
    bench: Bench,
) -> None:
    biller, first = bench.connect()
    heard = bench.pay(3)
    first.take()
    first.is_ready = False
    waiting = bench.pay(2)
    bench.dispatch.detach(biller, first)
    for sequence in heard:
        assert bench.dispatch.is_unknown(bench.ledger.row(sequence))
    for sequence in waiting:
        assert not bench.dispatch.is_unknown(bench.ledger.row(sequence))
    biller, second = bench.connect()
    questions = second.take()
    assert asked(questions) == [
        *[(one, STATUS) for one in heard],
        *[(one, CONFIRM) for one in waiting],
    ]
    # What it has credited ends; what it has not seen is to be credited.
    assert not bench.answer(biller, questions[:1])
    assert not bench.answer(biller, questions[1:2], NOT_SEEN)
    assert not bench.answer(biller, questions[2:3], UNKNOWN)
    assert asked(second.take()) == [(heard[1], CONFIRM)]
    assert ends(bench, heard[0])


def test_after_a_restart_every_open_hold_is_asked_about_at_once(bench: Bench) -> None:
    bench.connect()
    old = bench.pay(40)
    bench.pass_s(5)
    bench.restart()
    assert bench.dispatch.is_unknown(bench.ledger.row(old[0]))
    biller, connection = bench.connect()
    young = bench.pay(20)
    questions = connection.take()
    seen: list[tuple[int, int]] = []
    while questions:
        seen += asked(questions)
        bench.answer(biller, questions)
        questions = connection.take()
    # Forty in one go, although the minute has thirty. Payments that came since are
    # new, and wait for none of them.
    assert sorted(seen) == [
        *[(one, STATUS) for one in old],
        *[(one, CONFIRM) for one in young],
    ]
    assert biller.work.status_questions(bench.now) == 0
    assert bench.ledger.holds_count == 0


def test_the_second_status_after_a_restart_is_within_the_budget(bench: Bench) -> None:
    bench.pay(40)
    bench.restart()
    biller, connection = bench.connect()
    while questions := connection.take():
        bench.answer(biller, questions, UNKNOWN)
    # The first was one of the schedule's; a minute has room for thirty more.
    bench.pass_s(21)
    while questions := connection.take():
        bench.answer(biller, questions, UNKNOWN)
    assert biller.work.status_questions(bench.now) == 30


def test_what_could_not_be_answered_in_time_is_not_confirmed_unasked(
    bench: Bench,
) -> None:
    biller, connection = bench.connect()
    [held] = bench.pay()
    connection.take()
    kinds = []
    for _ in range(60):
        bench.pass_s(1)
        for question in connection.take():
            kinds.append(question.kind)
            bench.answer(biller, [question], UNKNOWN, "NOT_FOUND")
    assert set(kinds) == {STATUS}
    assert not ends(bench, held)


# --- not seen -----------------------------------------------------------------------


def test_what_was_not_seen_is_confirmed_so_many_times(bench: Bench) -> None:
    biller, connection = bench.connect()
    [held] = bench.pay()
    for _ in range(3):
        [confirm] = connection.take()
        assert confirm.kind == CONFIRM
        # Silence, and then it says that it never came.
        bench.pass_s(1.5)
        bench.pass_s(41)
        [status] = connection.take()
        assert status.kind == STATUS
        assert not bench.answer(biller, [status], NOT_SEEN)
    bench.pass_s(41)
    assert {one.kind for one in connection.take()} == {STATUS}
    assert not ends(bench, held)


def test_not_seen_answers_a_status_and_says_which(bench: Bench) -> None:
    biller, connection = bench.connect()
    [held] = bench.pay()
    [confirm] = connection.take()
    assert bench.answer(biller, [confirm], NOT_SEEN) == 1
    bench.pass_s(1.5)
    bench.pass_s(11)
    [status] = connection.take()
    silent = pb.Question(number=status.number, id=status.id)
    assert bench.answer(biller, [silent], NOT_SEEN) == 1
    assert not connection.take()
    assert not bench.answer(biller, [status], NOT_SEEN)
    [again] = connection.take()
    assert again.kind == CONFIRM
    # The same once more says nothing about what has been asked since.
    assert not bench.answer(biller, [status], NOT_SEEN)
    assert not connection.take()
    assert not bench.answer(biller, [again])
    assert ends(bench, held)


@pytest.mark.parametrize("basket", [0, 3])
def test_not_seen_is_final_once_nobody_may_credit_it(bench: Bench, basket: int) -> None:
    biller, connection = bench.connect()
    held = bench.pay(basket=basket)
    [confirm] = connection.take()
    row = bench.ledger.row(held[0])
    due = row.timestamp + DEADLINE_S * SECOND
    assert confirm.credit_until_ns == due - MARGIN_S * SECOND
    assert confirm.credit_within_ms == (DEADLINE_S - MARGIN_S) * 1_000
    assert confirm.sent_ns == bench.wall_ns()
    # Two hours of silence use up the schedule; the last question has its own time.
    bench.pass_s(2 * 3_600, 5)
    before = connection.take()
    assert len(before) == 5
    bench.pass_s(DEADLINE_S - 2 * 3_600 - MARGIN_S / 2 - 1, 5)
    assert not connection.take()
    bench.pass_s(2, 0.5)
    [status] = connection.take()
    assert status.kind == STATUS
    assert status.sent_ns >= confirm.credit_until_ns + MARGIN_S * SECOND // 2
    assert status.credit_within_ms == 0
    # An answer to an earlier one says nothing about what came between.
    assert not bench.answer(biller, before[-1:], NOT_SEEN)
    assert not ends(bench, held[0])
    future = pb.Question(number=status.number, id=status.id, sent_ns=2**63)
    assert not bench.answer(biller, [future], NOT_SEEN)
    assert not ends(bench, held[0])
    assert not bench.answer(biller, [status], NOT_SEEN)
    for sequence in held:
        end = ends(bench, sequence)
        row = bench.ledger.row(end)
        assert row.kind == Kind.VOID
        assert row.flags & RowFlag.EVIDENCE
        assert bench.ledger.tail(end) == NOT_SEEN_REASON
    # A confirmation after that is late, as ever, and makes a case.
    assert bench.answer(biller, [confirm]) == 0
    assert biller.results["already_voided"] == len(held)


def test_a_kept_hold_ends_too_when_it_was_not_seen(bench: Bench) -> None:
    bench.connect()
    [held] = bench.pay(code="KEPT")
    bench.pass_s(61)
    bench.expire()
    bench.restart()
    assert not ends(bench, held)
    biller, connection = bench.connect()
    # Its first question is not at once: as many may have waited for the biller.
    assert not connection.take()
    bench.pass_s(41, 0.5)
    [status] = connection.take()
    assert status.kind == STATUS
    assert not bench.answer(biller, [status], NOT_SEEN)
    assert bench.ledger.tail(ends(bench, held)) == NOT_SEEN_REASON


# --- until when ---------------------------------------------------------------------


def test_nothing_is_confirmed_when_no_answer_would_come_in_time(bench: Bench) -> None:
    # Of a minute half is the margin, and the last second is for the answer.
    held = bench.pay(code="KEPT")
    bench.pass_s(28.5)
    biller, connection = bench.connect()
    questions = connection.take()
    assert asked(questions) == [(held[0], CONFIRM)]
    bench.answer(biller, questions)
    connection.is_ready = False
    late = bench.pay(code="KEPT")
    bench.pass_s(29.5)
    connection.is_ready = True
    other = bench.pay()
    asked_now = asked(connection.take())
    assert (late[0], CONFIRM) not in asked_now
    assert (other[0], CONFIRM) in asked_now


def test_what_was_not_seen_too_late_waits_until_that_is_final(bench: Bench) -> None:
    bench.pay(code="KEPT")
    bench.restart()
    bench.pass_s(29.5)
    biller, connection = bench.connect()
    [status] = connection.take()
    assert not bench.answer(biller, [status], NOT_SEEN)
    assert not connection.take()
    bench.pass_s(17, 0.5)
    [last] = connection.take()
    assert last.kind == STATUS
    assert last.sent_ns >= last.credit_until_ns + 15 * SECOND
    assert not bench.answer(biller, [last], NOT_SEEN)
    assert bench.ledger.holds_count == 0
