"""Goal: whatever one centre asks and pays, the others get through within their bounds.

Method: random fetches and holds of five centres at one biller, against a clock that the
test moves. One of the centres is hostile: it asks and pays without end, and the biller
does not answer it, or says that it fails, or now and then answers. Each question of the
others must go out at once and be done by the next look.
"""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.billing.biller import Biller
from switch.billing.health import Health
from switch.errors import (
    BillerUnavailableError,
    BillNotFoundError,
    CentreBusyError,
    SwitchError,
)
from switch.v1 import billers_pb2 as pb
from switch.v1 import payments_pb2, results_pb2
from tests.billing.dispatch_bench import CENTRES, Bench, FakeConnection, benches

STEPS = 80
SEEDS = 4
HOLDS_MAX = 24
SETTINGS = {
    "answer_timeout_ms": 1_000,
    "fetch_timeout_ms": 1_000,
    "concurrency_max": 24,
    "fetch_concurrency_max": 24,
    "centre_fetches_max": 20,
    # One centre fills neither; all together within their bounds do not either.
    "fetches_max": 100,
    "queue_max": 5 * HOLDS_MAX,
    "health_failures_min": 5,
    "status_first_ms": 1_000,
    "rest_first_ms": 500,
    "rest_max_ms": 2_000,
}
FETCHED = pb.QUESTION_KIND_FETCH_BILL


class Street:
    """Five centres at a biller, and which of them is hostile."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.rng = random.Random(seed)
        self.hostile = self.rng.choice(CENTRES)
        self.others = [one for one in CENTRES if one != self.hostile]
        self.biller: Biller
        self.connection: FakeConnection
        self.biller, self.connection = bench.connect()
        self.bad: set[int] = set()
        self.number = 0
        self.silence = self.rng.choice([1.0, 1.0, 0.8, 0.5])
        self.refused = 0
        self.turned_away = 0
        self.asked_bad = 0

    def fetch(self, centre: str, reference: str) -> "asyncio.Task[SwitchError]":
        async def told() -> SwitchError:
            with pytest.raises(SwitchError) as caught:
                await self.bench.dispatch.fetch_bills(
                    self.bench.service("WATER"), reference, self.bench.index(centre)
                )
            return caught.value

        return asyncio.create_task(told())

    def try_to_pay(self, count: int, centre: str) -> list[payments_pb2.PaymentOutcome]:
        basket = self.rng.choice([0, 0, 3])
        outcomes = self.bench.try_to_pay(count, "WATER", basket, centre)
        self.bench.dispatch.look()
        return outcomes

    async def be_hostile(self) -> None:
        for _ in range(self.rng.choice([0, 3, 60])):
            self.number += 1
            self.fetch(self.hostile, f"BAD-{self.number}")
        for one in self.try_to_pay(self.rng.choice([1, 2, 40]), self.hostile):
            if one.result == results_pb2.RESULT_OK:
                self.bad.add(one.sequence)
                continue
            assert one.result == results_pb2.RESULT_BILLER_BUSY
            assert one.differing_field == results_pb2.FIELD_DEBIT
            self.turned_away += 1
        await asyncio.sleep(0)

    def answer(self) -> None:
        """The biller answers what the others ask, and some of the hostile's."""
        said: dict[pb.AnswerKind.ValueType, list[pb.Question]] = {}
        for question in self.connection.take():
            fetched = question.kind == FETCHED
            bad = question.number in self.bad or question.reference.startswith("BAD")
            kind = pb.ANSWER_KIND_REJECTED if fetched else pb.ANSWER_KIND_CONFIRMED
            self.asked_bad += bad
            if bad and self.rng.random() < self.silence:
                continue
            if bad and not fetched and self.rng.randrange(2):
                kind = pb.ANSWER_KIND_UNKNOWN
            said.setdefault(kind, []).append(question)
        for kind, questions in said.items():
            self.bench.answer(self.biller, questions, kind, "BUSY")

    async def step(self) -> None:
        await self.be_hostile()
        fetches = []
        held: list[int] = []
        for centre in self.others:
            self.bench.dispatch.check_service(
                self.bench.service("WATER"), self.bench.wallet(centre)
            )
            for _ in range(self.rng.randrange(3)):
                self.number += 1
                fetches.append(self.fetch(centre, f"GOOD-{self.number}"))
            outcomes = self.try_to_pay(self.rng.randrange(1, 3), centre)
            assert {one.result for one in outcomes} == {results_pb2.RESULT_OK}
            held += [one.sequence for one in outcomes]
        # The calls begin, and what they ask for leaves with the loop's next round.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.bench.pass_s(0.05)
        self.answer()
        self.bench.pass_s(0.05)
        self.answer()
        for told in await asyncio.gather(*fetches):
            assert isinstance(told, BillNotFoundError), told
        for sequence in held:
            assert self.bench.ledger.resolution(sequence)[0]
        for breaker in (self.biller.breaker, self.biller.fetch_breaker):
            assert breaker.state(self.bench.now) is Health.CLOSED
        self.bench.pass_s(self.rng.choice([0.01, 0.2, 1.0, 3.0]), 0.05)
        self.answer()
        if not self.rng.randrange(40):
            # The connection breaks and comes back at once.
            self.bench.dispatch.detach(self.biller, self.connection)
            self.biller, self.connection = self.bench.connect()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    for one in benches(tmp_path, **SETTINGS):
        one.config = one.config.replace(centre_holds_max=HOLDS_MAX)
        one.start()
        yield one


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_one_hostile_centre_costs_the_others_nothing(
    bench: Bench, seed: int
) -> None:
    street = Street(bench, seed)
    for _ in range(STEPS):
        await street.step()
    assert street.turned_away > 100
    assert street.asked_bad > 50
    bench.dispatch.wake_all()


async def test_who_asks_too_much_is_told_what_to_do(bench: Bench) -> None:
    street = Street(bench, 1)
    calls = [street.fetch(street.hostile, f"BAD-{number}") for number in range(60)]
    await asyncio.sleep(0)
    done = [call.result() for call in calls if call.done()]
    assert len(done) == 40
    assert {type(one) for one in done} == {CentreBusyError}
    bench.pass_s(1.5, 0.05)
    await asyncio.sleep(0)
    told = await asyncio.gather(*calls[:20])
    assert {type(one) for one in told} == {BillerUnavailableError}
    # Now it rests, and is told so at once.
    late = await asyncio.wait_for(street.fetch(street.hostile, "BAD-99"), 10)
    assert isinstance(late, BillerUnavailableError)
    assert 0 < late.retry_ms <= 500
    assert bench.dispatch.states()[0].resting_centres == 1
    other = street.fetch(street.others[0], "GOOD-1")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    street.answer()
    assert isinstance(await other, BillNotFoundError)


def test_one_answer_ends_the_rest_of_a_centre(bench: Bench) -> None:
    biller, connection = bench.connect()
    bench.pay(6, centre=CENTRES[0])
    connection.take()
    # Nothing is answered in time; the others' payments are.
    bench.pass_s(1.0)
    assert biller.resting_centres(bench.now) == 1
    connection.take()
    bench.pass_s(1.2, 0.1)
    probe = connection.take()
    assert len(probe) == 1
    assert biller.resting_centres(bench.now) == 0
    assert biller.breaker.limits(bench.now)
    bench.answer(biller, probe)
    assert not biller.breaker.limits(bench.now)


async def test_a_dead_biller_rests_for_all_once_several_met_it(bench: Bench) -> None:
    street = Street(bench, 2)
    calls = [
        street.fetch(centre, f"GOOD-{centre}-{number}")
        for centre in street.others
        for number in range(2)
    ]
    await asyncio.sleep(0)
    bench.pass_s(1.5, 0.05)
    for told in await asyncio.gather(*calls):
        assert isinstance(told, BillerUnavailableError)
    assert street.biller.fetch_breaker.state(bench.now) is Health.OPEN
    assert street.biller.breaker.state(bench.now) is Health.CLOSED


def test_who_answers_for_new_payments_is_well_whatever_it_owes_answers_for(
    tmp_path: Path,
) -> None:
    """Many kept payments of two centres, whose biller says nothing of them."""
    settings = {"answer_timeout_ms": 1_000, "status_interval_max_ms": 10_000}
    for bench in benches(tmp_path, **settings, credit_margin_ms=1_000):
        biller, connection = bench.connect()
        for centre in CENTRES[:2]:
            bench.pay(100, "KEPT", centre=centre)
        bench.pass_s(61, 1)
        bench.expire()
        assert bench.ledger.kept_count == 200
        # It comes back, so that it has to prove itself.
        bench.dispatch.detach(biller, connection)
        bench.pass_s(60, 10)
        biller, connection = bench.connect()
        asked = 0
        for second in range(600):
            bench.pass_s(1)
            asked += len(connection.take())
            if second % 10:
                continue
            [held] = bench.pay(1, "WATER", centre=CENTRES[2])
            confirms = [one for one in connection.take() if one.number == held]
            assert len(confirms) == 1, (second, biller.health(bench.now))
            bench.answer(biller, confirms)
        assert biller.health(bench.now) is Health.CLOSED
        assert asked > 200
