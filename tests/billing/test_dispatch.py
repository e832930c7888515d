"""Goal: what billers are asked follows from the journal, within budgets and bounds.

Method: a real ledger and a clock that the test moves; the biller is the test itself.
Sockets have their own tests (tests/server/test_billers.py).
"""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch._core import Request
from switch.billing import dispatch
from switch.billing.dispatch import LARGE
from switch.billing.health import Health
from switch.billing.pace import MESSAGES_AT_ONCE, MESSAGES_PER_S
from switch.codes import Result, Role
from switch.errors import (
    BillerBusyError,
    BillerUnavailableError,
    BillNotFoundError,
    OverloadError,
)
from switch.ids import new_id
from switch.ledger import moves
from switch.register.load import load_network
from switch.specs import ParticipantSpec
from switch.v1 import billers_pb2 as pb
from switch.v1 import payments_pb2
from tests.billing.dispatch_bench import DEADLINE_S, HEAD, Bench, benches

CONFIRM, STATUS = pb.QUESTION_KIND_CONFIRM, pb.QUESTION_KIND_STATUS
CONFIRMED = pb.ANSWER_KIND_CONFIRMED
UNKNOWN, REJECTED = pb.ANSWER_KIND_UNKNOWN, pb.ANSWER_KIND_REJECTED

SETTINGS = {
    "answer_timeout_ms": 1_000,
    "status_first_ms": 10_000,
    "status_interval_max_ms": 40_000,
    "status_calls_max": 5,
    "status_per_minute_max": 30,
    # 50 for one centre.
    "concurrency_max": 100,
    "queue_max": 200,
    "health_failures_min": 1_000,
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from benches(tmp_path, **SETTINGS)


@pytest.fixture
def paced(tmp_path: Path) -> Iterator[Bench]:
    """With room for all questions, so that only the pace holds them back."""
    yield from benches(tmp_path, answer_timeout_ms=60_000)


def test_no_more_than_the_biller_takes_at_a_time(bench: Bench) -> None:
    biller, connection = bench.connect()
    sequences = bench.pay(120)
    [message] = connection.sent
    assert [one.number for one in message] == sequences[:50]
    assert not bench.answer(biller, connection.take()[:20])
    assert [one.number for one in connection.take()] == sequences[50:70]
    assert bench.dispatch.states()[0].queued == 50


def test_one_centre_leaves_room_for_the_others(bench: Bench) -> None:
    biller, connection = bench.connect()
    mine = bench.pay(110)
    others = bench.pay(30, centre="bsk-2")
    more = [bench.pay(30, centre=name) for name in ("bsk-3", "bsk-4")]
    asked = [one.number for one in connection.take()]
    assert asked == [*mine[:50], *others, *more[0][:20]]
    assert not bench.answer(biller, [])
    bench.answer(biller, [*bench.questions(asked[50:60])])
    assert [one.number for one in connection.take()] == more[0][20:]
    bench.answer(biller, [*bench.questions(asked[:20])])
    assert [one.number for one in connection.take()] == mine[50:70]


def test_who_waits_behind_one_centre_is_asked_next(bench: Bench) -> None:
    mine = bench.pay(120)
    others = bench.pay(30, centre="bsk-2")
    _, connection = bench.connect()
    assert [one.number for one in connection.take()] == mine[:50]
    # Not with the next tick alone.
    bench.dispatch.look()
    assert [one.number for one in connection.take()] == others


def test_status_questions_of_one_centre_leave_some_to_the_others(bench: Bench) -> None:
    _, connection = bench.connect()
    mine = bench.pay(50)
    others = bench.pay(3, centre="bsk-2")
    connection.take()
    bench.pass_s(11.5, 0.25)
    asked = [one.number for one in connection.take()]
    # A quarter of the room for all questions, within the budget of the minute.
    assert asked == [*mine[:25], *others]


def test_a_biller_without_room_is_asked_after_an_answer(bench: Bench) -> None:
    biller, connection = bench.connect()
    bench.pay(50)
    asked = connection.take()
    waiting = [*bench.pay(), *bench.pay()]
    assert not connection.sent
    bench.answer(biller, asked)
    asked = connection.take()
    assert [one.number for one in asked] == waiting
    # And when all is answered and nothing waits, at once.
    bench.answer(biller, asked)
    later = bench.pay()
    assert [one.number for one in connection.take()] == later


def test_a_connection_that_is_not_ready_is_passed_over(bench: Bench) -> None:
    _, one = bench.connect()
    _, two = bench.connect()
    one.is_ready = False
    first, second = bench.pay(), bench.pay()
    assert [question.number for question in two.take()] == [*first, *second]
    two.is_ready = False
    third = bench.pay()
    assert not two.take()
    one.is_ready = True
    bench.pass_s(0.1)
    assert [question.number for question in one.take()] == third


def test_messages_are_paced_and_then_hold_more(paced: Bench) -> None:
    _, water = paced.connect("water")
    _, gas = paced.connect("gas")
    for _ in range(MESSAGES_AT_ONCE):
        paced.pay()
    assert [len(message) for message in water.sent] == [1] * MESSAGES_AT_ONCE
    water.take()
    waiting = [*paced.pay(), *paced.pay(), *paced.pay()]
    others = paced.pay(2, "GAS")
    assert not water.sent
    assert not gas.sent
    # The loop is to call once, and then all that waited leaves in a message for each.
    [(pause_s, call)] = paced.later
    paced.now += pause_s
    call()
    assert [[one.number for one in message] for message in water.sent] == [waiting]
    assert [[one.number for one in message] for message in gas.sent] == [others]


def test_a_large_message_needs_no_turn(paced: Bench) -> None:
    _, water = paced.connect("water")
    _, gas = paced.connect("gas")
    for _ in range(MESSAGES_AT_ONCE):
        paced.pay()
    water.take()
    paced.pay(LARGE - 1, "GAS")
    paced.pay()
    [(pause_s, call)] = paced.later
    many = paced.pay(LARGE)
    # Time for less than one message has passed.
    paced.now += 0.5 / MESSAGES_PER_S
    call()
    assert pause_s > 0
    assert len(water.take()) == len(many) + 1
    assert not gas.sent


def test_status_questions_grow_apart_and_end(bench: Bench) -> None:
    _, connection = bench.connect()
    bench.pay()
    asked: list[tuple[float, int]] = []
    begun = bench.now
    while bench.now < begun + 600:
        asked += [(bench.now - begun, one.kind) for one in connection.take()]
        bench.pass_s(0.25)
    assert [kind for _, kind in asked] == [CONFIRM, *[STATUS] * 5]
    pauses = [two[0] - one[0] for one, two in itertools.pairwise(asked)]
    # Each waits a second for its answer, and then the schedule's time.
    for pause, wanted in zip(pauses, (11, 21, 41, 41, 41), strict=True):
        assert wanted <= pause <= wanted + 0.5
    [status] = [one for one in bench.dispatch.states() if one.biller == "water"]
    assert (status.unknown, status.asked, status.queued) == (1, 0, 0)


def test_the_budget_of_a_minute_is_kept(bench: Bench) -> None:
    _, connection = bench.connect()
    bench.pay(50)
    connection.take()
    asked: list[float] = []
    for _ in range(4 * 150):
        bench.pass_s(0.25)
        asked += [bench.now for _ in connection.take()]
    assert len(asked) > 60
    for at in asked:
        assert sum(at - 60 < other <= at for other in asked) <= 30


def test_after_a_restart_age_counts_as_calls(bench: Bench) -> None:
    bench.connect()
    old = bench.pay()
    bench.pass_s(35)
    young = bench.pay()
    bench.restart()
    _, connection = bench.connect()
    # Both are asked about at once: nobody knows what their biller has heard.
    questions = connection.take()
    assert [one.number for one in questions] == [*old, *young]
    assert {one.kind for one in questions} == {STATUS}
    asked: dict[int, int] = {}
    for _ in range(600):
        bench.pass_s(1)
        for one in connection.take():
            assert one.kind == STATUS
            asked[one.number] = asked.get(one.number, 0) + 1
    # After 35 s two of five (10 and 20 s) would have been; and one has been now.
    assert asked == {old[0]: 2, young[0]: 4}


def test_what_the_journal_resolved_is_not_asked_again(bench: Bench) -> None:
    biller, connection = bench.connect()
    sequences = bench.pay(4)
    questions = connection.take()
    bench.answer(biller, questions[:1])
    bench.answer(biller, questions[1:2], REJECTED)
    bench.restart()
    _, connection = bench.connect()
    assert [one.number for one in connection.take()] == sequences[2:]
    bench.pass_s(DEADLINE_S + 1)
    bench.expire()
    assert bench.ledger.holds_count == 0
    states = bench.dispatch.states()
    assert not any(one.queued + one.asked + one.unknown for one in states)
    connection.take()
    bench.pass_s(100, 1)
    # What has expired is unverified, and asked about on.
    assert {one.number for one in connection.take()} == set(sequences[2:])


def test_a_basket_that_is_partly_resolved_is_still_asked_about(bench: Bench) -> None:
    bench.connect()
    sequences = bench.pay(basket=3)
    lead = bench.ledger.row(sequences[0])
    # Evidence about the first alone, as another release might have taken it.
    word = moves.confirmed(sequences[0], lead.id, 300)
    bench.commit(Request.answers(word, bench.index("water")))
    bench.dispatch.look()
    assert bench.dispatch.biller(bench.index("water")).table.open_count == 2
    bench.restart()
    biller, connection = bench.connect()
    [question] = connection.take()
    assert question.number == sequences[0]
    assert not bench.answer(biller, [question])
    assert bench.ledger.holds_count == 0


@pytest.mark.parametrize("restarted", [False, True])
def test_a_basket_is_one_question_wherever_reading_pauses(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    monkeypatch.setattr(dispatch, "ROWS_MAX", 20)
    sequences = bench.pay(7, basket=16)
    if restarted:
        bench.restart()
    biller, connection = bench.connect()
    questions = connection.take()
    assert [one.number for one in questions] == sequences[::16]
    assert not bench.answer(biller, questions)
    assert bench.ledger.holds_count == 0
    assert biller.is_idle
    assert biller.table.open_count == 0


def test_baskets_are_answered_in_requests_of_bounded_size(bench: Bench) -> None:
    biller, connection = bench.connect()
    for _ in range(12):
        bench.pay(12, basket=16)
        questions = connection.take()
        assert len(questions) == 12
        assert not bench.answer(biller, questions)
    assert bench.ledger.holds_count == 0


def test_reason_codes_say_how_to_go_on(bench: Bench) -> None:
    biller, connection = bench.connect()
    bench.pay()
    [question] = connection.take()
    assert question.kind == CONFIRM
    bench.answer(biller, [question], UNKNOWN, "E17")
    bench.pass_s(9)
    assert not connection.take()
    bench.pass_s(2)
    [question] = connection.take()
    assert question.kind == STATUS
    bench.answer(biller, [question], UNKNOWN, "MAINTENANCE")
    bench.pass_s(39, 1)
    assert not connection.take()
    bench.pass_s(2)
    assert len(connection.take()) == 1


def test_answers_that_fail_make_a_biller_rest(tmp_path: Path) -> None:
    settings = {**SETTINGS, "health_failures_min": 3, "rest_first_ms": 5_000}
    for bench in benches(tmp_path, **settings):
        biller, connection = bench.connect()
        water, kept, gas = map(bench.service, ("WATER", "KEPT", "GAS"))
        one, two = bench.wallet("bsk-1"), bench.wallet("bsk-2")
        bench.pay(3)
        bench.answer(biller, connection.take(), UNKNOWN, "BUSY")
        # Whose own fail rests alone.
        assert biller.health(bench.now) is Health.CLOSED
        with pytest.raises(BillerUnavailableError) as caught:
            bench.dispatch.check_service(water, one)
        assert 0 < caught.value.retry_ms <= 5_000
        bench.dispatch.check_service(kept, one)
        bench.dispatch.check_service(gas, one)
        bench.dispatch.check_service(water, two)
        bench.pay(3, centre="bsk-2")
        bench.answer(biller, connection.take(), UNKNOWN, "BUSY")
        assert biller.health(bench.now) is Health.OPEN
        for wallet in (one, two, bench.wallet("bsk-3"), 0):
            with pytest.raises(BillerUnavailableError):
                bench.dispatch.check_service(water, wallet)
            bench.dispatch.check_service(kept, wallet)
            bench.dispatch.check_service(gas, wallet)
        # Its word that it credits nothing late is taken back: from now on nothing new
        # is released, and waits.
        word = ParticipantSpec(id="water", role=Role.BILLER, heads=(HEAD,))
        load_network(bench.register, bench.commit, [word], [])
        for wallet in (one, two):
            bench.dispatch.check_service(water, wallet)


def test_the_door_of_a_full_queue(bench: Bench) -> None:
    bench.pay(200)
    with pytest.raises(BillerBusyError):
        bench.dispatch.check_service(bench.service("WATER"), bench.wallet("bsk-2"))

    def pay(*codes: str) -> tuple[bytes, list[int]]:
        bills = [
            payments_pb2.Payment(id=new_id(), service=code, amount=1, reference="R")
            for code in codes
        ]
        message = payments_pb2.CreatePaymentsRequest(payments=bills)
        body = message.SerializeToString()
        reply = bench.commit(Request.payments(body, bench.centre, bench.centre))
        assert isinstance(reply, bytes)
        outcomes = payments_pb2.CreatePaymentsResponse.FromString(reply).outcomes
        return reply, [one.result for one in outcomes]

    # Each on its own: others in the message are taken.
    _, results = pay("GAS", "KEPT", "GAS")
    assert results == [Result.OK, Result.BILLER_BUSY, Result.OK]
    reply, _ = pay("WATER")
    with pytest.raises(BillerBusyError):
        bench.dispatch.check_reply(reply)
    biller, connection = bench.connect()
    bench.answer(biller, connection.take()[:1])
    # There is room for one, at once.
    reply, results = pay("WATER")
    assert results == [Result.OK]
    bench.dispatch.check_reply(reply)
    assert pay("WATER")[1] == [Result.BILLER_BUSY]


def test_an_answer_that_the_ledger_did_not_take_is_asked_for_again(
    bench: Bench,
) -> None:
    biller, connection = bench.connect()
    bench.pay()
    [question] = connection.take()
    answer = pb.Answer(number=question.number, id=question.id, amount=100)
    answer.kind = pb.ANSWER_KIND_CONFIRMED
    body = pb.ConnectRequest(answers=[answer]).SerializeToString()
    assert len(bench.dispatch.take(biller, body).requests) == 1
    # Nobody commits it.
    bench.pass_s(12, 0.5)
    [again] = connection.take()
    assert again.kind == STATUS
    assert not bench.answer(biller, [again])
    assert bench.ledger.holds_count == 0


async def test_bills_of_one_biller_do_not_keep_another_from_being_asked(
    bench: Bench,
) -> None:
    gas, asker = bench.connect("gas")
    _, connection = bench.connect("water")
    service = bench.register.find_service("GAS")
    assert service is not None
    # Far more messages than the pace lets leave; each goes out of turn.
    for number in range(4 * MESSAGES_AT_ONCE):
        fetch = asyncio.create_task(
            bench.dispatch.fetch_bills(service, f"R{number}", bench.centre)
        )
        # The call begins, and what it asks for leaves with the loop's next round.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        bench.answer(gas, asker.take(), REJECTED)
        with pytest.raises(BillNotFoundError):
            await fetch
    [held] = bench.pay()
    assert [one.number for one in connection.take()] == [held]


async def test_bills_are_as_old_as_the_question_by_the_ledgers_time(
    bench: Bench,
) -> None:
    gas, asker = bench.connect("gas")
    service = bench.register.find_service("GAS")
    assert service is not None

    async def fetch(reference: str) -> int:
        """When the ledger is to take the biller to have been asked."""
        task = asyncio.create_task(
            bench.dispatch.fetch_bills(service, reference, bench.centre)
        )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        [question] = asker.take()
        answer = pb.Answer(number=question.number, id=question.id, kind=CONFIRMED)
        answer.bills.add(amount_due=1)
        # Not when it answers.
        bench.now += 1
        body = pb.ConnectRequest(answers=[answer]).SerializeToString()
        assert bench.dispatch.take(gas, body)[:2] == ([], 0)
        return (await task).at_ns

    bench.now += 1
    asked_ns = bench.wall_ns()
    assert await fetch("R1") == asked_ns
    # Rows run ahead of the clock, in a group and when it goes back: whatever was
    # durable was so before.
    bench.pay(100)
    bench.now -= 60
    assert await fetch("R2") == bench.ledger.timestamp + 1


async def test_watches_wake_for_their_payment(bench: Bench) -> None:
    biller, connection = bench.connect()
    one, two = bench.pay(2)
    with bench.dispatch.watch(one) as watch, bench.dispatch.watch(two) as other:
        assert not await watch.wait(0)
        bench.pass_s(1.5)
        assert await watch.wait(0)
        assert await other.wait(0)
        assert bench.dispatch.is_unknown(bench.ledger.row(one))
        bench.answer(biller, connection.take()[:1])
        assert await watch.wait(0)
        assert not await other.wait(0)
        assert not bench.dispatch.is_unknown(bench.ledger.row(one))


def test_watches_are_bounded(tmp_path: Path) -> None:
    for bench in benches(tmp_path):
        bench.config = bench.config.replace(watches_max=1)
        bench.start()
        with bench.dispatch.watch(1), pytest.raises(OverloadError):
            bench.dispatch.watch(2)
        with bench.dispatch.watch(2):
            pass


def test_who_waits_for_one_payment_counts_one_by_one(tmp_path: Path) -> None:
    for bench in benches(tmp_path):
        bench.config = bench.config.replace(watches_max=2)
        bench.start()
        with bench.dispatch.watch(1):
            with bench.dispatch.watch(1), pytest.raises(OverloadError):
                bench.dispatch.watch(1)
            with bench.dispatch.watch(1):
                pass


# --- one failure costs one caller ---------------------------------------------------


def test_a_biller_that_cannot_be_served_holds_up_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, _ = bench.connect("gas")
    biller, connection = bench.connect("water")

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    for name in ("ask", "tick", "add"):
        monkeypatch.setattr(broken, name, fail)
    for _ in range(3):
        bench.pay(1, code="GAS")
        paid = bench.pay(LARGE // 2)
        bench.pass_s(0.1)
        asked = connection.take()
        assert [one.number for one in asked] == paid
        assert not bench.answer(biller, asked)
    assert bench.dispatch.failures > 6
    # It is complained about, and not at each turn.
    complaints = [one for one in caplog.records if "ALARM: gas" in one.getMessage()]
    assert len(complaints) == 1
    bench.pass_s(dispatch.COMPLAINT_S)
    complaints = [one for one in caplog.records if "ALARM: gas" in one.getMessage()]
    assert len(complaints) == 2
