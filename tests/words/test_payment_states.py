"""Goal: the one table of a payment's states is what the core does, whatever the order.

Method: every order of every three events after a payment, and before it, goes to a
ledger; after each event the state, the answer and the rows written are the table's. The
table itself is whole, is the wire's, and is what docs/bills.md draws.
"""

import itertools
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest

from switch._core import Rows
from switch.codes import CaseType, Kind, Result
from switch.ids import new_id
from switch.payment_states import (
    CLAIMED,
    FINAL,
    STEPS,
    Event,
    PaymentState,
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
        self.state = PaymentState.NONE
        self.held = 0
        self.written: set[tuple[Kind, CaseType | None]] = set()

    def happen(self, event: Happening) -> None:
        """Let it happen, and compare with the table."""
        if event is Other.PAY:
            self._pay_other()
            return
        assert isinstance(event, Event)
        step = step_of(self.state, event)
        first = self.counter.ledger.sequence + 1
        self._check_answer(event, step.result)
        made = self.counter.rows_of(first, self.id, self.held)
        expected = []
        if step.writes and (step.writes, step.case) not in self.written:
            self.written.add((step.writes, step.case))
            expected.append((step.writes, step.case))
        assert [self._shape(row) for row in made] == expected, (self.state, event)
        self.state = step.to
        known = self.counter.state(self.id)
        # That the biller is silent is not the ledger's to know.
        unknown = self.state is PaymentState.UNKNOWN
        assert known is (PaymentState.HELD if unknown else self.state)

    @staticmethod
    def _shape(row: Rows) -> tuple[Kind, CaseType | None]:
        kind = Kind(int(row["kind"]))
        return kind, CaseType(int(row["total"])) if kind is Kind.CASE else None

    def _check_answer(self, event: Event, expected: Result) -> None:
        counter = self.counter
        if event is Event.PAY:
            outcome = counter.pay(self.id, self.bill, AMOUNT, service=self.service)
            assert Result(outcome.result) is expected
            assert outcome.repeat == (self.state is not PaymentState.NONE)
            self.held = outcome.sequence
        elif event in (Event.CONFIRM, Event.REJECT):
            confirm = event is Event.CONFIRM
            # Row 1 is no hold.
            answer = counter.answer_id(self.held or 1, self.id, confirm=confirm)
            assert Result(int(answer["result"])) is expected
        elif event is Event.REFUND:
            final, _ = counter.ledger.resolution(self.held) if self.held else (0, 0)
            answer = counter.refund(final or self.held or 1, AMOUNT)
            assert Result(int(answer["result"])) is expected
        elif event in (Event.DEADLINE, Event.DEADLINE_KEPT):
            counter.wait(DEADLINE_S + 1)

    def _pay_other(self) -> None:
        other = new_id()
        outcome = self.counter.pay(other, self.bill, AMOUNT, service=self.service)
        if self.state in CLAIMED:
            assert Result(outcome.result) is Result.BILL_ALREADY_CLAIMED
            assert outcome.other_id == self.id
            assert outcome.other_sequence == self.held
            return
        assert Result(outcome.result) is Result.OK
        # It is released again: the bill is free as before.
        answer = self.counter.answer(outcome.sequence, confirm=False)
        assert answer["result"] == Result.OK


def events(deadline: Event) -> list[Happening]:
    wrong = {Event.DEADLINE, Event.DEADLINE_KEPT} - {deadline}
    return [*(one for one in Event if one not in wrong), *Other]


@pytest.mark.parametrize(
    ("service", "deadline"),
    [("FREES", Event.DEADLINE), ("KEEPS", Event.DEADLINE_KEPT)],
)
@pytest.mark.parametrize("is_paid", [True, False])
def test_every_order_of_every_three_events(
    counter: Counter, service: str, deadline: Event, is_paid: bool
) -> None:
    seen = set()
    for order in itertools.product(events(deadline), repeat=3):
        walk = Walk(counter, service)
        if is_paid:
            walk.happen(Event.PAY)
        for event in order:
            if isinstance(event, Event):
                seen.add((walk.state, event))
            walk.happen(event)
    # Each line of the table that this policy can reach was walked over.
    told = {(one.state, one.event) for one in STEPS if one.event in events(deadline)}
    reached = {state for state in PaymentState if bool(state) is is_paid}
    if deadline is Event.DEADLINE_KEPT:
        reached.discard(PaymentState.EXPIRED)
    assert {pair for pair in told if pair[0] in reached} <= seen


def test_the_table_says_each_thing_once() -> None:
    pairs = [(step.state, step.event) for step in STEPS]
    assert len(set(pairs)) == len(pairs)


def test_money_that_moved_moves_no_second_time() -> None:
    resolving = (Kind.POST, Kind.VOID, Kind.EXPIRE)
    for step in STEPS:
        if step.writes in resolving:
            assert step.state in (PaymentState.HELD, PaymentState.UNKNOWN)
        if step.writes is Kind.CASE:
            assert step.to is step.state


def test_the_states_are_the_wires() -> None:
    wire = {
        name.removeprefix("PAYMENT_STATE_"): number
        for name, number in payments_pb2.PaymentState.items()
    }
    assert PaymentState(wire.pop("UNSPECIFIED")) is PaymentState.NONE
    assert wire == {one.name: one.value for one in PaymentState if one}


def test_a_final_state_is_left_by_a_refund_only() -> None:
    for step in STEPS:
        if step.state in FINAL and step.to is not step.state:
            assert step.event is Event.REFUND


def test_the_documentation_draws_the_table() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert f"```mermaid\n{draw()}\n```" in text
    assert tabulate() in text
