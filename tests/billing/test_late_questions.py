"""Goal: a payment that nobody has decided in time is asked about for its status alone,
ever more rarely, within a quarter of the budget, until somebody decides it.

Method: a real ledger and a clock that the test moves; the biller is the test itself.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch._core import Request
from switch.billing.answers import NOT_SEEN_REASON
from switch.billing.watches import Watch
from switch.codes import Kind, Link
from switch.ids import new_id
from switch.ledger import moves
from switch.payment_states import PaymentState
from switch.register.register import PURPOSE_FLOAT, PURPOSE_SUSPENSE
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import DEADLINE_S, Bench, FakeConnection, benches
from tests.damage import damage_row

CONFIRM, STATUS = pb.QUESTION_KIND_CONFIRM, pb.QUESTION_KIND_STATUS
CONFIRMED, REJECTED = pb.ANSWER_KIND_CONFIRMED, pb.ANSWER_KIND_REJECTED
UNKNOWN, NOT_SEEN = pb.ANSWER_KIND_UNKNOWN, pb.ANSWER_KIND_NOT_SEEN

DAY_S = 86_400
LONGEST_S = 900
SETTINGS = {
    "answer_timeout_ms": 1_000,
    "status_first_ms": 10_000,
    "status_interval_max_ms": LONGEST_S * 1_000,
    "status_calls_max": 5,
    "status_per_minute_max": 40,
    "concurrency_max": 100,
    "queue_max": 10,
    "health_failures_min": 1_000,
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    for made in benches(tmp_path, **SETTINGS):
        be_there(made)
        yield made


def be_there(bench: Bench) -> None:
    """A connection that takes nothing: the biller is not away, and rests not."""
    connection = FakeConnection(bench.dispatch.connection_number())
    connection.is_ready = False
    bench.dispatch.attach(bench.index("water"), connection)


def leave(
    bench: Bench, count: int = 1, code: str = "WATER", basket: int = 0
) -> list[int]:
    """Payments that their biller was asked about and said nothing of in time."""
    before = len(bench.ledger.kept()) + len(bench.ledger.unverified())
    biller, connection = bench.connect()
    held = bench.pay(count, code, basket)
    assert connection.take()
    bench.dispatch.detach(biller, connection)
    bench.pass_s(DEADLINE_S + 1)
    bench.expire()
    after = len(bench.ledger.kept()) + len(bench.ledger.unverified())
    assert after == before + len(held)
    return held


def status(bench: Bench) -> tuple[int, int, int, int, int]:
    [found] = [one for one in bench.dispatch.states() if one.biller == "water"]
    return found.queued, found.asked, found.unknown, found.kept, found.unverified


def asked_at(
    bench: Bench, connection: FakeConnection, seconds: float, step_s: float
) -> list[tuple[float, int]]:
    """When questions came, and their kinds; none is answered."""
    found: list[tuple[float, int]] = []
    end = bench.now + seconds
    while bench.now < end:
        bench.pass_s(step_s)
        found += [(bench.now, one.kind) for one in connection.take()]
    return found


@pytest.mark.parametrize("code", ["WATER", "KEPT"])
def test_after_the_deadline_questions_thin_out(bench: Bench, code: str) -> None:
    leave(bench, code=code)
    kept = int(code == "KEPT")
    assert status(bench) == (0, 0, 0, kept, 1 - kept)
    _, connection = bench.connect()
    due = bench.now - 1 - (DEADLINE_S - 60) * kept
    found = asked_at(bench, connection, 9 * DAY_S, 60)
    assert {kind for _, kind in found} == {STATUS}
    waits = [two[0] - one[0] for one, two in itertools.pairwise(found)]
    for (at, _), wait in zip(found, waits, strict=False):
        # Not before its time, and with the tick that follows it and the answer's time.
        wanted = min(max(LONGEST_S, (at - due) / 6), DAY_S)
        assert wanted <= wait <= wanted + 130
    assert waits[-1] >= DAY_S > 2 * waits[0]


def test_they_count_in_no_queue(bench: Bench) -> None:
    leave(bench, 9)
    assert status(bench) == (0, 0, 0, 0, 9)
    biller, connection = bench.connect()
    assert not biller.is_full
    for _ in range(9):
        bench.pay(code="KEPT")
    assert not biller.is_full
    connection.take()
    bench.dispatch.detach(biller, connection)
    bench.pass_s(61)
    bench.expire()
    assert status(bench) == (0, 0, 0, 9, 9)
    assert not biller.is_full
    # And what waits counts as ever.
    bench.pay(10)
    assert biller.is_full


def test_they_take_a_quarter_of_the_budget(bench: Bench) -> None:
    for _ in range(5):
        leave(bench, 9)
    _, connection = bench.connect()
    bench.pass_s(DAY_S)
    connection.take()
    found = asked_at(bench, connection, 300, 1)
    assert len(found) >= 20
    minutes = [sum(at - 60 < other <= at for other, _ in found) for at, _ in found]
    assert max(minutes) == 10


def test_what_waits_is_asked_all_the_same(bench: Bench) -> None:
    for _ in range(3):
        leave(bench, 9)
    _, connection = bench.connect()
    bench.pass_s(DAY_S)
    connection.take()
    bench.pass_s(2)
    held = bench.pay(9)
    assert [(one.number, one.kind) for one in connection.take()] == [
        (one, CONFIRM) for one in held
    ]
    # Thirty status questions of a minute are for those that wait.
    bench.pass_s(2)
    bench.pass_s(11)
    mine = [one.number for one in connection.take() if one.number in held]
    assert mine == held


def test_the_last_half_of_a_minute_is_for_those_that_wait(tmp_path: Path) -> None:
    for bench in benches(tmp_path, **{**SETTINGS, "queue_max": 100}):
        be_there(bench)
        released = set(leave(bench, 18))
        biller, connection = bench.connect()
        held = bench.pay(25)
        first = {one.number for one in connection.take()}
        assert len(first & released) == 10
        # A minute later there is room for more of them by their own quarter; but the
        # questions about what waits have taken more than half of all.
        bench.pass_s(70, 1)
        asked = {one.number for one in connection.take()}
        assert asked == set(held)
        bench.answer(biller, bench.questions(held))
        bench.pass_s(61, 1)
        assert {one.number for one in connection.take()} == released - first


@pytest.mark.parametrize("basket", [0, 3])
def test_a_rejection_verifies(bench: Bench, basket: int) -> None:
    held = leave(bench, basket=basket)
    biller, connection = bench.connect()
    bench.pass_s(LONGEST_S + 1)
    [question] = connection.take()
    # What has expired is no bound of the answer's time.
    assert question.deadline_ns == question.sent_ns + 10**9
    assert not bench.answer(biller, [question], REJECTED, "NO_CREDIT")
    assert not len(bench.ledger.unverified())
    assert status(bench) == (0, 0, 0, 0, 0)
    bench.dispatch.tick()
    ended = [
        (one.number, int(one.state), one.sequence)
        for one in connection.ended
        if int(one.state) != PaymentState.UNVERIFIED
    ]
    verified = [bench.ledger.link(one, Link.VERIFY) for one in held]
    assert ended == [
        (one, int(PaymentState.EXPIRED), sequence)
        for one, sequence in zip(held, verified, strict=True)
    ]
    assert bench.ledger.row(verified[0]).kind == Kind.VERIFY
    bench.pass_s(2 * DAY_S, 3_600)
    assert not connection.take()


def test_not_seen_is_final_for_them_too(bench: Bench) -> None:
    [released] = leave(bench)
    biller, connection = bench.connect()
    [kept] = bench.pay(code="KEPT")
    connection.take()
    bench.pass_s(61)
    bench.expire()
    bench.pass_s(LONGEST_S + 1)
    questions = connection.take()
    assert sorted(one.number for one in questions) == [released, kept]
    assert not bench.answer(biller, questions, NOT_SEEN)
    verified = bench.ledger.link(released, Link.VERIFY)
    assert bench.ledger.tail(verified) == NOT_SEEN_REASON
    void, _ = bench.ledger.resolution(kept)
    assert bench.ledger.tail(void) == NOT_SEEN_REASON
    assert status(bench) == (0, 0, 0, 0, 0)
    # To nothing that was asked it is a wrong answer, as ever.
    unasked = pb.Question(number=questions[0].number, id=questions[0].id)
    assert bench.answer(biller, [unasked], NOT_SEEN) == 0


def test_not_seen_needs_to_say_which_question(bench: Bench) -> None:
    [released] = leave(bench)
    biller, _ = bench.connect()
    [question] = bench.questions([released])
    assert bench.answer(biller, [question], NOT_SEEN) == 1
    assert len(bench.ledger.unverified()) == 1


def test_a_kept_payment_that_is_confirmed_is_completed(bench: Bench) -> None:
    [kept] = leave(bench, code="KEPT")
    biller, connection = bench.connect()
    bench.pass_s(LONGEST_S + 1)
    assert not bench.answer(biller, connection.take())
    post, _ = bench.ledger.resolution(kept)
    assert bench.ledger.row(post).kind == Kind.POST
    assert status(bench) == (0, 0, 0, 0, 0)


def test_a_late_confirmation_is_asked_about_once_a_day_and_may_be_taken_back(
    bench: Bench,
) -> None:
    [held] = leave(bench)
    biller, connection = bench.connect()
    bench.pass_s(LONGEST_S + 1)
    [question] = connection.take()
    assert not bench.answer(biller, [question])
    assert bench.ledger.link(held, Link.LATE_CONFIRMATION)
    assert biller.results["already_expired"] == 1
    assert len(bench.ledger.unverified()) == 1
    bench.pass_s(DAY_S - 60, 60)
    assert not connection.take()
    bench.pass_s(120, 60)
    [again] = connection.take()
    assert again.kind == STATUS
    # It stays by it: no second case, and again a day.
    case = bench.ledger.link(held, Link.LATE_CONFIRMATION)
    assert not bench.answer(biller, [again])
    assert bench.ledger.link(held, Link.LATE_CONFIRMATION) == case
    bench.pass_s(DAY_S + 120, 60)
    [last] = connection.take()
    assert not bench.answer(biller, [last], REJECTED, "REVERSED")
    assert bench.ledger.link(held, Link.VERIFY)
    assert status(bench) == (0, 0, 0, 0, 0)


def test_a_late_confirmation_is_known_however_it_came(bench: Bench) -> None:
    [held] = leave(bench)
    word = moves.confirmed(held, bench.ledger.row(held).id, 100)
    bench.commit(Request.answers(word, bench.index("water")))
    bench.dispatch.look()
    biller, connection = bench.connect()
    [question] = connection.take()
    assert not bench.answer(biller, [question], UNKNOWN)
    bench.pass_s(DAY_S - 60, 60)
    assert not connection.take()


def test_after_a_start_a_late_confirmation_is_known_by_the_next_answer(
    bench: Bench,
) -> None:
    [held] = leave(bench)
    biller, connection = bench.connect()
    assert not bench.answer(biller, connection.take())
    bench.restart()
    be_there(bench)
    biller, connection = bench.connect()
    bench.pass_s(LONGEST_S)
    [question] = connection.take()
    assert (question.number, question.kind) == (held, STATUS)
    assert not bench.answer(biller, [question])
    bench.pass_s(DAY_S - 60, 60)
    assert not connection.take()


def test_a_correction_ends_the_questions(bench: Bench) -> None:
    [held] = leave(bench)
    biller, connection = bench.connect()
    bench.pass_s(LONGEST_S + 1)
    assert not bench.answer(biller, connection.take())
    hold = bench.ledger.row(held)
    maker, checker = bench.treasury, bench.second
    proposal = bench.do(
        moves.propose_correction(
            new_id(), hold, hold.amount, "credited", sender=maker, operator=1
        )
    )
    bench.do(moves.approve(new_id(), proposal, sender=checker, operator=2))
    row = bench.ledger.row(proposal)
    bench.do(moves.approved_correction(row, hold, checker=checker))
    bench.dispatch.look()
    assert status(bench) == (0, 0, 0, 0, 0)


def test_an_advance_ends_nothing(bench: Bench) -> None:
    [held] = leave(bench, code="KEPT")
    hold = bench.ledger.row(held)
    maker, checker = bench.treasury, bench.second
    suspense = bench.register.treasury_account(PURPOSE_SUSPENSE).index
    bank = bench.register.treasury_account(PURPOSE_FLOAT).index
    bench.do(moves.transfer(new_id(), bank, suspense, 10**6, "loan", sender=maker))
    proposal = bench.do(
        moves.propose_advance(
            new_id(), hold, hold.amount, "in need", sender=maker, operator=1
        )
    )
    bench.do(moves.approve(new_id(), proposal, sender=checker, operator=2))
    row = bench.ledger.row(proposal)
    bench.do(moves.approved_advance(row, hold, suspense, checker=checker))
    bench.dispatch.look()
    assert status(bench) == (0, 0, 0, 1, 0)


# --- amounts ------------------------------------------------------------------------


def test_another_amount_keeps_the_payment(bench: Bench) -> None:
    biller, connection = bench.connect()
    [held] = bench.pay()
    [question] = connection.take()
    assert not bench.answer(biller, [question], more=1)
    assert biller.results["amount_differs"] == 1
    case = bench.ledger.link(held, Link.AMOUNT_DIFFERS)
    assert bench.ledger.row(case).amount == 101
    assert bench.ledger.kept().tolist() == [held]
    # Kept long before its deadline: it is for people, and is not confirmed again.
    assert status(bench) == (0, 0, 0, 1, 0)
    bench.pass_s(DAY_S - 60, 60)
    assert not connection.take()
    bench.pass_s(120, 60)
    [again] = connection.take()
    assert again.kind == STATUS
    # Asked about so rarely ever after, whatever it says.
    assert not bench.answer(biller, [again], UNKNOWN)
    bench.pass_s(DAY_S - 60, 60)
    assert not connection.take()
    bench.pass_s(120, 60)
    [again] = connection.take()
    # It corrects itself: what it has credited is what was asked for.
    assert not bench.answer(biller, [again])
    assert bench.ledger.row(bench.ledger.resolution(held)[0]).kind == Kind.POST


def test_the_amount_of_a_basket_is_the_sum(bench: Bench) -> None:
    biller, connection = bench.connect()
    held = bench.pay(basket=3)
    [question] = connection.take()
    assert not bench.answer(biller, [question], more=-200)
    assert bench.ledger.kept().tolist() == held
    assert status(bench) == (0, 0, 0, 3, 0)
    # Said again it is the same case, and asked about no sooner.
    assert not bench.answer(biller, [question], more=-200)
    bench.pass_s(DAY_S - 60, 60)
    assert not connection.take()
    assert not bench.answer(biller, [question])
    assert not bench.ledger.holds_count
    assert status(bench) == (0, 0, 0, 0, 0)


def test_a_confirmation_without_an_amount_is_not_taken(bench: Bench) -> None:
    biller, connection = bench.connect()
    bench.pay(2)
    one, two = connection.take()
    answers = [
        pb.Answer(number=one.number, id=one.id, kind=CONFIRMED),
        pb.Answer(number=two.number, id=two.id, kind=CONFIRMED, amount=100),
    ]
    body = pb.ConnectRequest(answers=answers).SerializeToString()
    taken = bench.dispatch.take(biller, body)
    assert [(one_.number, one_.field) for one_ in taken.refused] == [
        (one.number, "amount")
    ]
    assert taken.wrong == 1
    assert taken.numbers.tolist() == [two.number]
    assert sum(request.rows_count for request in taken.requests) == 1


# --- a start ------------------------------------------------------------------------


def test_after_a_start_their_first_questions_are_spread(bench: Bench) -> None:
    released = leave(bench, 9)
    kept = leave(bench, 9, code="KEPT")
    bench.pass_s(3 * DAY_S)
    [open_] = bench.pay()
    bench.restart()
    be_there(bench)
    assert status(bench) == (0, 0, 1, 9, 9)
    _, connection = bench.connect()
    # At once only what may still be credited.
    assert [one.number for one in connection.take()] == [open_]
    found = asked_at(bench, connection, 3 * DAY_S / 6 + 120, 60)
    # Within a sixth of their age each has been asked about, not in one minute.
    times = [at for at, kind in found if kind == STATUS]
    assert len(times) >= 18
    assert max(sum(at - 600 < other <= at for other in times) for at in times) <= 9
    assert len(released) + len(kept) == 18


def test_a_basket_is_one_line_after_a_start(bench: Bench) -> None:
    held = leave(bench, basket=4)
    bench.restart()
    be_there(bench)
    assert status(bench) == (0, 0, 0, 0, 4)
    biller, connection = bench.connect()
    bench.pass_s(LONGEST_S * 3)
    [question] = connection.take()
    assert question.number == held[0]
    assert len(question.basket) == 4
    assert not bench.answer(biller, [question], REJECTED, "NO_CREDIT")
    assert status(bench) == (0, 0, 0, 0, 0)


def test_a_group_that_expires_while_nobody_looks_is_found(bench: Bench) -> None:
    # Nothing is open before it and after it, and no biller is there.
    bench.restart()
    bench.try_to_pay(3, "WATER")
    bench.now += DEADLINE_S + 1
    bench.ledger.commit([], bench.wall_ns())
    assert not bench.ledger.holds_count
    bench.dispatch.look()
    assert status(bench) == (0, 0, 0, 0, 3)


def test_a_voided_payment_that_is_verified_is_told_once(bench: Bench) -> None:
    biller, connection = bench.connect()
    [held] = bench.pay()
    [question] = connection.take()
    bench.do(moves.void(held))
    bench.dispatch.look()
    bench.pass_s(0.1)
    # A late confirmation of a cancelled payment, which it takes back.
    bench.answer(biller, [question])
    bench.answer(biller, [question], REJECTED, "REVERSED")
    assert bench.ledger.link(held, Link.VERIFY)
    bench.pass_s(0.1)
    ended = [(one.number, int(one.state)) for one in connection.ended]
    assert ended == [(held, int(PaymentState.REVERSED))]


# --- who waits, and what is damaged ---------------------------------------------------


async def has_changed(watch: Watch) -> bool:
    return await watch.wait(0)


async def test_who_watches_is_woken_by_whatever_is_said_of_it(bench: Bench) -> None:
    biller, connection = bench.connect()
    [released] = bench.pay()
    [kept] = bench.pay(code="KEPT")
    questions = connection.take()
    with bench.dispatch.watch(released) as one, bench.dispatch.watch(kept) as other:
        bench.pass_s(61)
        assert {await has_changed(watch) for watch in (one, other)} == {True}
        bench.expire()
        # It is kept from now on; the other waits still.
        assert (await has_changed(one), await has_changed(other)) == (False, True)
        bench.pass_s(DEADLINE_S)
        while await has_changed(one):
            pass
        bench.expire()
        assert (await has_changed(one), await has_changed(other)) == (True, False)
        bench.answer(biller, questions[:1])
        assert await has_changed(one)
        bench.answer(biller, questions[:1], REJECTED, "REVERSED")
        assert await has_changed(one)
        assert bench.ledger.link(released, Link.VERIFY)
        bench.answer(biller, questions[1:], more=1)
        assert (await has_changed(one), await has_changed(other)) == (False, True)


def test_a_damaged_one_is_let_go_and_the_others_are_asked_about(bench: Bench) -> None:
    held = leave(bench, 3)
    damage_row(bench.path, bench.ledger.rows(held[1], 1).tobytes())
    _, connection = bench.connect()
    bench.pass_s(LONGEST_S + 1)
    asked = {one.number for one in connection.take()}
    assert asked == {held[0], held[2]}
    assert bench.dispatch.damaged().tolist() == [held[1]]
    assert status(bench)[4] == 2


def test_a_connection_that_breaks_costs_no_second_question_at_once(
    bench: Bench,
) -> None:
    leave(bench, 3)
    biller, connection = bench.connect()
    asked = connection.take()
    assert {one.kind for one in asked} == {STATUS}
    bench.dispatch.detach(biller, connection)
    _, connection = bench.connect()
    assert not connection.take()
    bench.pass_s(LONGEST_S + 1)
    assert len(connection.take()) == len(asked)
