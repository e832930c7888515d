"""The states of a payment and what moves it between them: one table.

May use `codes`. The table is what docs/bills.md draws, what the tests walk the core
through, and whose numbers the wire shows. It decides nothing: the core does.
"""

from enum import Enum, IntEnum
from typing import NamedTuple

from switch.codes import CaseType, Kind, Result


class PaymentState(IntEnum):
    """Where a payment stands; the numbers are the wire's."""

    NONE = 0
    """There is no such payment."""
    REFUSED = 1
    HELD = 2
    COMPLETED = 3
    REVERSED = 4
    EXPIRED = 5
    REFUNDED = 6
    UNKNOWN = 7
    """Held, and the biller was asked without an answer: the ledger says HELD."""
    UNVERIFIED = 8
    """Given back at the deadline, without the biller's word that it has no credit."""
    KEPT = 9
    """Held beyond the deadline, or with amounts that differ."""


class Event(Enum):
    """What can happen to a payment of a confirmed service."""

    PAY = "pay"
    """The counter sends the payment, or sends it again."""
    CONFIRM = "confirm"
    """The biller's evidence that it was credited."""
    REJECT = "reject"
    """The biller's evidence that it was not, and never will be."""
    SILENCE = "no answer"
    """The biller does not answer in time, or does not know yet."""
    DEADLINE = "deadline"
    """The service's deadline passes; its policy is to release."""
    DEADLINE_KEPT = "deadline, kept"
    """The same where the policy is to keep the hold."""
    REFUND = "refund"
    """An approved refund of the whole."""


class Step(NamedTuple):
    """One line of the table."""

    state: PaymentState
    event: Event
    to: PaymentState
    writes: Kind | None = None
    """The row that the event makes the first time; None: nothing."""
    case: CaseType | None = None
    """Of a case row."""
    result: Result = Result.OK
    """What the event's sender is told; OK where nobody is told anything."""


_S, _E = PaymentState, Event
_OPEN = (_S.HELD, _S.UNKNOWN)
_NOTHING_HELD = (_S.NONE, _S.REFUSED)
_GIVEN_BACK = (_S.REVERSED, _S.EXPIRED)
_PAID = (_S.COMPLETED, _S.REFUNDED)

STEPS: tuple[Step, ...] = (
    Step(_S.NONE, _E.PAY, _S.HELD, Kind.HOLD),
    # What the counter sends again is never done again.
    *(Step(state, _E.PAY, state) for state in _S if state not in _NOTHING_HELD),
    *(Step(state, _E.CONFIRM, _S.COMPLETED, Kind.POST) for state in _OPEN),
    *(Step(state, _E.REJECT, _S.REVERSED, Kind.VOID) for state in _OPEN),
    *(Step(state, _E.SILENCE, _S.UNKNOWN) for state in _OPEN),
    *(Step(state, _E.DEADLINE, _S.EXPIRED, Kind.EXPIRE) for state in _OPEN),
    *(
        Step(state, _E.DEADLINE_KEPT, state, Kind.CASE, CaseType.DEADLINE_PASSED)
        for state in _OPEN
    ),
    Step(_S.COMPLETED, _E.REFUND, _S.REFUNDED, Kind.REFUND),
    Step(_S.REFUNDED, _E.REFUND, _S.REFUNDED, result=Result.EXCEEDS_PAYMENT),
    # Evidence that comes twice says nothing new.
    *(Step(state, _E.CONFIRM, state) for state in _PAID),
    Step(_S.REVERSED, _E.REJECT, _S.REVERSED),
    Step(_S.EXPIRED, _E.REJECT, _S.EXPIRED, result=Result.ALREADY_EXPIRED),
    # Evidence against what was done is for people: a case, and nothing moves.
    *(
        Step(state, _E.CONFIRM, state, Kind.CASE, CaseType.LATE_CONFIRMATION, result)
        for state, result in zip(
            _GIVEN_BACK, (Result.ALREADY_VOIDED, Result.ALREADY_EXPIRED), strict=True
        )
    ),
    *(
        Step(
            state,
            _E.REJECT,
            state,
            Kind.CASE,
            CaseType.LATE_REJECTION,
            Result.ALREADY_POSTED,
        )
        for state in _PAID
    ),
    # What is not paid cannot be given back, and what is not held not be resolved.
    *(
        Step(state, _E.REFUND, state, result=Result.PAYMENT_NOT_FOUND)
        for state in (_S.NONE, *_OPEN, *_GIVEN_BACK)
    ),
    *(
        Step(_S.NONE, event, _S.NONE, result=Result.HOLD_NOT_FOUND)
        for event in (_E.CONFIRM, _E.REJECT)
    ),
)
"""Every pair of state and event that does or says something. Others change nothing."""

FINAL = frozenset({_S.REFUSED, _S.COMPLETED, _S.REVERSED, _S.EXPIRED, _S.REFUNDED})
"""States that a follower need not wait behind."""
CLAIMED = frozenset({_S.HELD, _S.UNKNOWN, _S.COMPLETED})
"""States in which any other payment of the same bill is refused."""

_BY_PAIR = {(step.state, step.event): step for step in STEPS}


def step_of(state: PaymentState, event: Event) -> Step:
    """What `event` does to a payment in `state`."""
    return _BY_PAIR.get((state, event), Step(state, event, state))


# --- for the documentation ----------------------------------------------------------


def draw() -> str:
    """The steps that change a state, or write a case, as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> refused: pay, a rule refuses"]
    for step in STEPS:
        if step.to is step.state and step.writes is None:
            continue
        source = "[*]" if step.state is _S.NONE else step.state.name.lower()
        case = "" if step.case is None else " / case"
        lines.append(
            f"    {source} --> {step.to.name.lower()}: {step.event.value}{case}"
        )
    return "\n".join(lines)


def tabulate() -> str:
    """Every step as a Markdown table."""
    lines = [
        "| state | event | becomes | row written, once | answer |",
        "|---|---|---|---|---|",
    ]
    for step in STEPS:
        row = "" if step.writes is None else step.writes.name.lower()
        if step.case is not None:
            row += f" ({_words(step.case)})"
        names = (_words(step.state), step.event.value, _words(step.to), row)
        lines.append(f"| {' | '.join(names)} | {step.result.name} |")
    return "\n".join(lines)


def _words(value: IntEnum) -> str:
    return value.name.lower().replace("_", " ")
