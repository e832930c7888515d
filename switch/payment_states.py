"""The states of a payment and what moves it between them: one table.

May use `codes`. The table is what docs/bills.md draws, what the tests walk the core
through, and whose numbers the wire shows. It decides nothing: the core does.
"""

from collections.abc import Iterable
from enum import Enum, IntEnum
from functools import cached_property
from typing import NamedTuple

from switch.codes import CaseType, Kind, Result


class PaymentState(IntEnum):
    """Where a payment stands, as it is told; the numbers are the wire's."""

    NONE = 0
    """There is no such payment."""
    REFUSED = 1
    HELD = 2
    COMPLETED = 3
    REVERSED = 4
    EXPIRED = 5
    """Its money is back, and since then it was said that nothing was credited."""
    REFUNDED = 6
    UNKNOWN = 7
    """Held, and the biller was asked without an answer: the ledger says HELD."""
    UNVERIFIED = 8
    """Its money is back, and nobody has said yet whether it was credited."""
    KEPT = 9
    """Its money stays reserved until the biller or two people have said."""


class Standing(Enum):
    """Where a payment stands, with all that decides what comes next."""

    NONE = "none"
    REFUSED = "refused"
    HELD = "held"
    UNKNOWN = "unknown"
    KEPT = "kept"
    COMPLETED = "completed"
    COMPLETED_DIFFERS = "completed (differs)"
    """Differs: the biller says that it credited another amount than was paid."""
    REFUNDED = "refunded"
    REFUNDED_DISPUTED = "refunded (disputed)"
    UNVERIFIED = "unverified"
    UNVERIFIED_DISPUTED = "unverified (disputed)"
    """Disputed: the biller says that it credited it, and the money is back."""
    EXPIRED = "expired"
    EXPIRED_DISPUTED = "expired (disputed)"
    EXPIRED_CORRECTED = "expired (corrected)"
    """Corrected: paid after all, by a transfer of its own."""
    REVERSED = "reversed"
    REVERSED_DISPUTED = "reversed (disputed)"
    REVERSED_CORRECTED = "reversed (corrected)"
    RETURNED = "returned"
    """Reversed without a word of the biller: by two people, or by the switch."""
    RETURNED_DISPUTED = "returned (disputed)"

    @cached_property
    def state(self) -> PaymentState:
        """What is told of it."""
        told = self.name.removesuffix("_DISPUTED").removesuffix("_CORRECTED")
        told = told.removesuffix("_DIFFERS")
        return PaymentState["REVERSED" if told == "RETURNED" else told]

    @cached_property
    def is_corrected(self) -> bool:
        """Whether it was paid after all, by a transfer of its own."""
        return self.name.endswith("_CORRECTED")

    @cached_property
    def is_disputed(self) -> bool:
        """Whether its money is back and the biller says that it credited it."""
        return self.name.endswith("_DISPUTED")


class Event(Enum):
    """What can happen to a payment of a confirmed service."""

    PAY = "pay"
    """The counter sends the payment, or sends it again."""
    CONFIRM = "confirm"
    """The biller's evidence that it was credited."""
    DIFFER = "confirm another amount"
    """The same, of more or less than the payment."""
    REJECT = "reject"
    """The biller's evidence that it was not, and never will be."""
    SILENCE = "no answer"
    """The biller does not answer in time, or does not know yet."""
    DEADLINE = "deadline"
    """The service's deadline passes; its policy is to release."""
    DEADLINE_KEPT = "deadline to keep"
    """The same where the policy is to keep the hold."""
    REFUND = "refund"
    """An approved refund of the whole."""
    POST = "two people: paid"
    """They have a kept payment made final."""
    VOID = "two people: not paid"
    """They have its money given back."""
    VERIFY = "two people: not credited"
    """They say so of a payment whose money is back."""
    CORRECT = "two people: paid after all"
    """They have such a payment paid by a transfer."""
    CLOSE = "two people: settled"
    """They close the case of another amount than was paid."""


class Step(NamedTuple):
    """One line of the table."""

    at: Standing
    event: Event
    to: Standing
    writes: Kind | None = None
    """The row that the event makes; where nothing changes, the first time only."""
    case: CaseType | None = None
    """Of a case row."""
    result: Result = Result.OK
    """What the event's sender is told; OK where nobody is told anything."""


_S, _E, _R = Standing, Event, Result
_WAITS = (_S.HELD, _S.UNKNOWN)
_OPEN = (*_WAITS, _S.KEPT)
_PAID = (_S.COMPLETED, _S.COMPLETED_DIFFERS, _S.REFUNDED, _S.REFUNDED_DISPUTED)
_VOIDED = (
    _S.REVERSED,
    _S.REVERSED_DISPUTED,
    _S.REVERSED_CORRECTED,
    _S.RETURNED,
    _S.RETURNED_DISPUTED,
)
_EXPIRED = (
    _S.UNVERIFIED,
    _S.UNVERIFIED_DISPUTED,
    _S.EXPIRED,
    _S.EXPIRED_DISPUTED,
    _S.EXPIRED_CORRECTED,
)
_GIVEN_BACK = (*_VOIDED, *_EXPIRED)
_ACCEPTED = (*_OPEN, *_PAID, *_GIVEN_BACK)
_CORRECTED = (_S.EXPIRED_CORRECTED, _S.REVERSED_CORRECTED)

_DIFFERS = (Kind.CASE, CaseType.AMOUNT_DIFFERS, _R.AMOUNT_DIFFERS)
# What a late confirmation makes of a payment whose money is back.
_DISPUTES = {
    _S.UNVERIFIED: _S.UNVERIFIED_DISPUTED,
    _S.EXPIRED: _S.EXPIRED_DISPUTED,
    _S.REVERSED: _S.REVERSED_DISPUTED,
    _S.RETURNED: _S.RETURNED_DISPUTED,
}
# What another amount than was paid makes of one that was, and its refund of both.
_CONTRADICTS = {
    _S.COMPLETED: _S.COMPLETED_DIFFERS,
    _S.REFUNDED: _S.REFUNDED_DISPUTED,
}
_REFUNDS = {
    _S.COMPLETED: _S.REFUNDED,
    _S.COMPLETED_DIFFERS: _S.REFUNDED_DISPUTED,
}
# What two people make of it.
_VERIFIES = {
    _S.UNVERIFIED: _S.EXPIRED,
    _S.UNVERIFIED_DISPUTED: _S.EXPIRED,
    _S.EXPIRED_DISPUTED: _S.EXPIRED,
    _S.REVERSED_DISPUTED: _S.REVERSED,
    _S.RETURNED_DISPUTED: _S.REVERSED,
}
_CORRECTS = {
    _S.UNVERIFIED_DISPUTED: _S.EXPIRED_CORRECTED,
    _S.EXPIRED_DISPUTED: _S.EXPIRED_CORRECTED,
    _S.REVERSED_DISPUTED: _S.REVERSED_CORRECTED,
    _S.RETURNED_DISPUTED: _S.REVERSED_CORRECTED,
}


def _too_late(at: Standing) -> Result:
    return _R.ALREADY_VOIDED if at in _VOIDED else _R.ALREADY_EXPIRED


def _late(event: Event) -> Iterable[Step]:
    """A confirmation when the money is back: it moves nothing. The amount is compared
    with what people have paid after all, if they have.
    """
    kind, case = Kind.CASE, CaseType.LATE_CONFIRMATION
    for at in _GIVEN_BACK:
        if at in _DISPUTES:
            yield Step(at, event, _DISPUTES[at], kind, case, _too_late(at))
        elif at in _CORRECTED and event is _E.DIFFER:
            yield Step(at, event, at, *_DIFFERS)
        else:
            yield Step(at, event, at, result=_too_late(at))


def _people(event: Event, to: dict[Standing, Standing], kind: Kind) -> Iterable[Step]:
    """What two people do where there is a doubt that they can end so."""
    for at in _ACCEPTED:
        if at in to:
            yield Step(at, event, to[at], kind)
        else:
            yield Step(at, event, at, result=_R.CASE_NOT_FOUND)


_REJECTED_LATE = (Kind.CASE, CaseType.LATE_REJECTION)

STEPS: tuple[Step, ...] = (
    Step(_S.NONE, _E.PAY, _S.HELD, Kind.HOLD),
    # What the counter sends again is never done again.
    *(Step(at, _E.PAY, at) for at in _ACCEPTED),
    *(Step(at, _E.SILENCE, _S.UNKNOWN) for at in _WAITS),
    *(Step(at, _E.CONFIRM, _S.COMPLETED, Kind.POST) for at in _OPEN),
    *(Step(at, _E.DIFFER, _S.KEPT, *_DIFFERS) for at in _OPEN),
    *(Step(at, _E.REJECT, _S.REVERSED, Kind.VOID) for at in _OPEN),
    *(Step(at, _E.DEADLINE, _S.UNVERIFIED, Kind.EXPIRE) for at in _WAITS),
    *(
        Step(at, _E.DEADLINE_KEPT, _S.KEPT, Kind.CASE, CaseType.DEADLINE_PASSED)
        for at in _WAITS
    ),
    *(Step(at, _E.REFUND, to, Kind.REFUND) for at, to in _REFUNDS.items()),
    *(
        Step(at, _E.REFUND, at, result=_R.EXCEEDS_PAYMENT)
        for at in (_S.REFUNDED, _S.REFUNDED_DISPUTED)
    ),
    # Evidence that comes twice says nothing new; evidence against what was done is for
    # people: a case, and nothing moves.
    *(Step(at, _E.CONFIRM, at) for at in _PAID),
    *(Step(at, _E.DIFFER, to, *_DIFFERS) for at, to in _CONTRADICTS.items()),
    *(
        Step(at, _E.DIFFER, at, result=_R.AMOUNT_DIFFERS)
        for at in _CONTRADICTS.values()
    ),
    *(Step(at, _E.CLOSE, to, Kind.CASE_CLOSE) for to, at in _CONTRADICTS.items()),
    *(
        Step(at, _E.REJECT, at, *_REJECTED_LATE, _R.ALREADY_POSTED)
        for at in (_S.COMPLETED, _S.COMPLETED_DIFFERS)
    ),
    *(
        Step(at, _E.REJECT, at, result=_R.ALREADY_POSTED)
        for at in (_S.REFUNDED, _S.REFUNDED_DISPUTED)
    ),
    *_late(_E.CONFIRM),
    *_late(_E.DIFFER),
    # A rejection ends the doubt, once; afterwards a biller that changes its mind again
    # is for people.
    *(
        Step(at, _E.REJECT, _S.EXPIRED, Kind.VERIFY)
        for at in (_S.UNVERIFIED, _S.UNVERIFIED_DISPUTED)
    ),
    Step(_S.RETURNED_DISPUTED, _E.REJECT, _S.REVERSED, Kind.VERIFY),
    *(
        Step(at, _E.REJECT, at)
        for at in (_S.EXPIRED, _S.REVERSED, _S.REVERSED_DISPUTED, _S.RETURNED)
    ),
    Step(
        _S.EXPIRED_DISPUTED,
        _E.REJECT,
        _S.EXPIRED_DISPUTED,
        result=_R.ALREADY_EXPIRED,
    ),
    *(Step(at, _E.REJECT, at, *_REJECTED_LATE, _too_late(at)) for at in _CORRECTED),
    *_people(_E.POST, {_S.KEPT: _S.COMPLETED}, Kind.POST),
    *_people(_E.VOID, {_S.KEPT: _S.RETURNED}, Kind.VOID),
    *_people(_E.VERIFY, _VERIFIES, Kind.VERIFY),
    *_people(_E.CORRECT, _CORRECTS, Kind.TRANSFER),
    # What is not paid cannot be given back, and what is not held not be resolved.
    *(
        Step(at, _E.REFUND, at, result=_R.PAYMENT_NOT_FOUND)
        for at in (_S.NONE, *_OPEN, *_GIVEN_BACK)
    ),
    *(
        Step(_S.NONE, event, _S.NONE, result=_R.HOLD_NOT_FOUND)
        for event in (
            _E.CONFIRM,
            _E.DIFFER,
            _E.REJECT,
            _E.POST,
            _E.VOID,
            _E.VERIFY,
            _E.CORRECT,
        )
    ),
)
"""Every pair of standing and event that does or says something. Others: nothing."""

FINAL = frozenset(
    {
        PaymentState.REFUSED,
        PaymentState.COMPLETED,
        PaymentState.REVERSED,
        PaymentState.EXPIRED,
        PaymentState.REFUNDED,
    }
)
"""States that a follower need not wait behind."""
CLAIMED = frozenset(_ACCEPTED) - {_S.REFUNDED, _S.REVERSED, _S.RETURNED, _S.EXPIRED}
"""Where any other payment of the same bill is refused."""

_BY_PAIR = {(step.at, step.event): step for step in STEPS}


def step_of(at: Standing, event: Event) -> Step:
    """What `event` does to a payment that stands at `at`."""
    return _BY_PAIR.get((at, event), Step(at, event, at))


# --- for the documentation ----------------------------------------------------------


def draw() -> str:
    """The steps that lead elsewhere, as a Mermaid state diagram."""
    edges: dict[tuple[str, str], list[str]] = {}
    for step in STEPS:
        if step.to is not step.at:
            source = "[*]" if step.at is _S.NONE else step.at.name.lower()
            edges.setdefault((source, step.to.name.lower()), []).append(
                step.event.value
            )
    lines = ["stateDiagram-v2", "    [*] --> refused: pay, a rule refuses"]
    for (source, to), events in edges.items():
        # A second colon would end the label.
        label = " / ".join(event.replace(":", "") for event in events)
        lines.append(f"    {source} --> {to}: {label}")
    return "\n".join(lines)


_OTHERS = 8
"""So many are all accepted ones that have no other line of the event."""


def tabulate() -> str:
    """Every step as a Markdown table; steps that do the same are one line."""
    starts: dict[tuple[str, ...], list[Standing]] = {}
    for step in STEPS:
        row = "" if step.writes is None else step.writes.name.lower()
        if step.case is not None:
            row += f" ({step.case.name.lower().replace('_', ' ')})"
        stays = step.to is step.at
        if row and stays:
            row += ", once"
        becomes = "stays" if stays else step.to.value
        there = str(step.at is not _S.NONE)
        done = (step.event.value, becomes, row, step.result.name, there)
        starts.setdefault(done, []).append(step.at)
    events: dict[tuple[str, ...], list[str]] = {}
    for (event, *does), at in starts.items():
        names = ", ".join(one.value for one in at)
        first = "any other" if len(at) >= _OTHERS else names
        events.setdefault((first, *does[:-1]), []).append(event)
    lines = ["| state | event | becomes | row written | answer |"]
    lines.append("|---|---|---|---|---|")
    for (first, *said), named in events.items():
        lines.append(f"| {first} | {'; '.join(named)} | {' | '.join(said)} |")
    return "\n".join(lines)
