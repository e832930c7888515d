"""Goal: the one table of a payment's states is what the core does, whatever the order.

Method: every order of every three events beside the payment goes to a ledger; after
each event the standing, the answer and the rows written are the table's. Then every
event, twice, where a payment can stand at all, and the auditor finds nothing wrong with
what is left. The table itself is whole, is the wire's, and is what docs/bills.md draws.
"""

import itertools
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

import pytest

from switch._core import Rows
from switch.audit import audit
from switch.codes import CaseType, Kind, Link, Result
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.statements import find_payment
from switch.payment_states import (
    CLAIMED,
    FINAL,
    STEPS,
    Event,
    PaymentState,
    Standing,
    draw,
    step_of,
    tabulate,
)
from switch.v1 import payments_pb2
from tests.counter.counter_story import DEADLINE_S, Counter

DOCS = Path(__file__).parents[2] / "docs" / "bills.md"
AMOUNT = 100


class Other(Enum):
    """What happens beside the payment."""

    PAY = "another payment of the same bill"


Happening = Event | Other


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    counter = Counter(tmp_path_factory.mktemp("states"))
    yield counter
    counter.ledger.close()


class Walk:
    """One payment, what the table says of it, and what the ledger does."""

    def __init__(self, counter: Counter, service: str) -> None:
        self.counter = counter
        self.service = service
        self.id = new_id()
        self.bill = f"BILL-{self.id.hex()[-20:]}"
        self.at = Standing.NONE
        self.held = 0
        self.written: set[tuple[Kind, CaseType | None]] = set()

    def happen(self, event: Happening) -> bool:
        """Let it happen, and compare with the table; whether anything has changed."""
        if event is Other.PAY:
            return self._pay_other()
        assert isinstance(event, Event)
        step = step_of(self.at, event)
        first = self.counter.ledger.sequence + 1
        self._check_answer(event, step.result)
        made = self.counter.rows_of(first, self.id, self.held)
        expected = []
        if step.writes is not None:
            row = (step.writes, step.case)
            if step.to is not step.at or row not in self.written:
                self.written.add(row)
                expected.append(row)
        assert [self._shape(row) for row in made] == expected, (self.at, event)
        has_moved = step.to is not self.at
        self.at = step.to
        # That the biller is silent is not the ledger's to know.
        known = Standing.HELD if self.at is Standing.UNKNOWN else self.at
        assert self.counter.standing(self.id) is known, event
        return has_moved or bool(expected)

    @staticmethod
    def _shape(row: Rows) -> tuple[Kind, CaseType | None]:
        kind = Kind(int(row["kind"]))
        return kind, CaseType(int(row["total"])) if kind is Kind.CASE else None

    def _check_answer(self, event: Event, expected: Result) -> None:
        counter = self.counter
        # Row 1 is no hold.
        held = self.held or 1
        if event is Event.PAY:
            outcome = counter.pay(self.id, self.bill, AMOUNT, service=self.service)
            assert Result(outcome.result) is expected
            assert outcome.repeat == (self.at is not Standing.NONE)
            told = Standing.HELD if self.at is Standing.UNKNOWN else self.at
            assert PaymentState(outcome.state) is (told.state or PaymentState.HELD)
            self.held = outcome.sequence
        elif event in (Event.CONFIRM, Event.DIFFER, Event.REJECT):
            amount = AMOUNT + (event is Event.DIFFER)
            answer = counter.answer_id(
                held, self.id, confirm=event is not Event.REJECT, amount=amount
            )
            assert Result(int(answer["result"])) is expected, (self.at, event)
        elif event is Event.REFUND:
            final, _ = counter.ledger.resolution(self.held) if self.held else (0, 0)
            answer = counter.refund(final or held, AMOUNT)
            assert Result(int(answer["result"])) is expected
        elif event in DECISIONS:
            answer = counter.decide(DECISIONS[event], held, AMOUNT)
            assert Result(int(answer["result"])) is expected, (self.at, event)
        elif event is Event.CLOSE and step_of(self.at, event).writes is not None:
            assert counter.settle(held)["result"] == Result.OK
        elif event in (Event.DEADLINE, Event.DEADLINE_KEPT):
            counter.wait(DEADLINE_S + 1)

    def _pay_other(self) -> bool:
        other = new_id()
        outcome = self.counter.pay(other, self.bill, AMOUNT, service=self.service)
        if self.at in CLAIMED:
            assert Result(outcome.result) is Result.BILL_ALREADY_CLAIMED, self.at
            assert outcome.other_id == self.id
            assert outcome.other_sequence == self.held
            return False
        assert Result(outcome.result) is Result.OK, self.at
        # It is released again: the bill is free as before.
        answer = self.counter.answer(outcome.sequence, confirm=False)
        assert answer["result"] == Result.OK
        return True


DECISIONS = {
    Event.POST: Kind.POST,
    Event.VOID: Kind.VOID,
    Event.VERIFY: Kind.VERIFY,
    Event.CORRECT: Kind.TRANSFER,
}


def events(deadline: Event) -> list[Happening]:
    wrong = {Event.DEADLINE, Event.DEADLINE_KEPT} - {deadline}
    return [*(one for one in Event if one not in wrong), *Other]


POLICIES = pytest.mark.parametrize(
    ("service", "deadline"),
    [("FREES", Event.DEADLINE), ("KEEPS", Event.DEADLINE_KEPT)],
)


@POLICIES
def test_every_order_of_every_three_events(
    counter: Counter, service: str, deadline: Event
) -> None:
    orders: list[tuple[Happening, ...]] = [()]
    # The payment itself is one more.
    for _ in range(4):
        longer = []
        for order, last in itertools.product(orders, events(deadline)):
            walk = Walk(counter, service)
            for event in order:
                assert walk.happen(event)
            # What follows an event that changes nothing was walked without it.
            if walk.happen(last):
                longer.append((*order, last))
        orders = longer
    assert len(orders) > 50


def paths(deadline: Event) -> dict[Standing, Sequence[Event]]:
    """The fewest events that lead to each standing, from none."""
    found: dict[Standing, Sequence[Event]] = {Standing.NONE: ()}
    ends = [Standing.NONE]
    for at in ends:
        for event in events(deadline):
            if isinstance(event, Event):
                to = step_of(at, event).to
                if to not in found:
                    found[to] = (*found[at], event)
                    ends.append(to)
    return found


@POLICIES
def test_every_event_wherever_a_payment_can_stand(
    tmp_path: Path, service: str, deadline: Event
) -> None:
    counter = Counter(tmp_path)
    for at, path in paths(deadline).items():
        for happening in events(deadline):
            walk = Walk(counter, service)
            for event in path:
                walk.happen(event)
            assert walk.at is at
            walk.happen(happening)
            # Whatever it was, once more.
            walk.happen(happening)
    counter.ledger.close()
    assert audit(tmp_path).ok


def test_what_its_biller_rejected_late_has_no_right_amount(counter: Counter) -> None:
    """Refunded for that, it is disputed by whatever its biller says it has."""
    walk = Walk(counter, "FREES")
    for event in (Event.PAY, Event.CONFIRM, Event.REJECT, Event.REFUND):
        walk.happen(event)
    assert walk.happen(Other.PAY)
    assert walk.at is Standing.REFUNDED
    said = counter.answer(walk.held, confirm=True)
    assert said["result"] == Result.AMOUNT_DIFFERS
    walk.at = Standing.REFUNDED_DISPUTED
    assert counter.standing(walk.id) is walk.at
    assert not walk.happen(Other.PAY)
    # It changes its mind once more, and again: people decide.
    assert not walk.happen(Event.REJECT)
    again = counter.answer(walk.held, confirm=True)
    assert again["repeat"] == 1
    assert again["sequence"] == said["sequence"]
    assert not walk.happen(Other.PAY)
    assert walk.happen(Event.CLOSE)
    assert walk.happen(Other.PAY)


@pytest.mark.parametrize("is_expired", [True, False])
def test_a_correction_that_its_biller_rejects_is_undone(
    counter: Counter, *, is_expired: bool
) -> None:
    """Then it is as it was before, and the bill is free."""
    walk = Walk(counter, "FREES")
    ends = Event.DEADLINE if is_expired else Event.REJECT
    for event in (Event.PAY, ends, Event.CONFIRM, Event.CORRECT, Event.REJECT):
        walk.happen(event)
    ledger = counter.ledger
    corrected = ledger.row(ledger.link(walk.held, Link.CORRECTION))
    back = moves.recover(new_id(), corrected, "x", sender=counter.office)
    answer = counter.do(back)
    assert answer["result"] == Result.OK
    walk.at = Standing.EXPIRED if is_expired else Standing.REVERSED
    payment = find_payment(ledger, counter.centre, walk.id)
    assert payment is not None
    assert payment.standing is walk.at
    assert payment.conclusion is not None
    assert payment.conclusion.sequence == int(answer["sequence"])
    assert walk.happen(Other.PAY)
    assert walk.happen(Event.CONFIRM)
    assert not walk.happen(Other.PAY)


def test_what_is_refunded_in_part_is_not_disputed(counter: Counter) -> None:
    walk = Walk(counter, "FREES")
    for event in (Event.PAY, Event.CONFIRM, Event.DIFFER):
        walk.happen(event)
    final, _ = counter.ledger.resolution(walk.held)
    for paise, at in (
        (AMOUNT - 1, Standing.REFUNDED),
        (1, Standing.REFUNDED_DISPUTED),
    ):
        assert counter.refund(final, paise)["result"] == Result.OK
        assert counter.standing(walk.id) is at
        # What is left of it keeps the bill; then its biller's word does.
        outcome = counter.pay(new_id(), walk.bill, AMOUNT, service="FREES")
        assert Result(outcome.result) is Result.BILL_ALREADY_CLAIMED


def test_a_payment_can_stand_everywhere() -> None:
    reached = {*paths(Event.DEADLINE), *paths(Event.DEADLINE_KEPT)}
    assert reached == set(Standing) - {Standing.REFUSED}
    # Where a service keeps, nothing is given back before it is known.
    kept = {at.state for at in paths(Event.DEADLINE_KEPT)}
    assert not kept & {PaymentState.UNVERIFIED, PaymentState.EXPIRED}


def test_the_table_says_each_thing_once() -> None:
    pairs = [(step.at, step.event) for step in STEPS]
    assert len(set(pairs)) == len(pairs)


def test_a_hold_ends_once() -> None:
    resolving = (Kind.POST, Kind.VOID, Kind.EXPIRE)
    ends = {step.at for step in STEPS if step.writes in resolving}
    assert ends == {Standing.HELD, Standing.UNKNOWN, Standing.KEPT}


def test_a_bill_is_free_only_when_nobody_says_that_it_is_paid() -> None:
    free = set(Standing) - CLAIMED
    assert free == {
        *(Standing.NONE, Standing.REFUSED, Standing.REFUNDED),
        *(Standing.EXPIRED, Standing.REVERSED, Standing.RETURNED),
    }


def test_the_states_are_the_wires() -> None:
    wire = {
        name.removeprefix("PAYMENT_STATE_"): number
        for name, number in payments_pb2.PaymentState.items()
    }
    assert PaymentState(wire.pop("UNSPECIFIED")) is PaymentState.NONE
    assert wire == {one.name: one.value for one in PaymentState if one}


def test_a_final_state_is_left_by_a_refund_only() -> None:
    for step in STEPS:
        if step.at.state in FINAL and step.to.state is not step.at.state:
            assert step.event is Event.REFUND


def test_the_documentation_draws_the_table() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert f"```mermaid\n{draw()}\n```" in text
    assert tabulate() in text
