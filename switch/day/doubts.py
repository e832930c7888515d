"""Proves of a replayed day that money and credits differ nowhere but in the list of
exceptions: in the middle of its troubles, and when it is over.

May use the client, `fates`, `proof` and the billers' record of what they credited.
Knows nothing of how the switch works.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from switch.client import Client
from switch.day.fates import Fate, Fates, State, read_fates
from switch.day.proof import Proof
from switch.errors import WireError
from switch.simulator.books import Credit, read_credits
from switch.v1 import exceptions_pb2

Exception_ = exceptions_pb2.Exception
Credits = Mapping[bytes, Credit]
LIST_TIMEOUT_S = 10.0
"""In which the list must have come to what the ledger was."""
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Look:
    """What switch and billers say at one moment.

    The list and the fates are those of one sequence of the ledger; the billers' records
    were read before it and after it.
    """

    cursor: int
    """It is of what came after this sequence."""
    before: Credits
    listed: Sequence[Exception_]
    fates: Fates
    after: Credits

    @property
    def counts(self) -> Counter[str]:
        """What is listed, by kind."""
        return Counter(kind_name(one.kind) for one in self.listed)


def kind_name(kind: exceptions_pb2.ExceptionKind.ValueType) -> str:
    """A kind of exception in words' and machines' spelling: `late_confirmation`."""
    name = exceptions_pb2.ExceptionKind.Name(kind)
    return name.removeprefix("EXCEPTION_KIND_").lower()


def _text(counts: Mapping[str, int]) -> str:
    found = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return found.replace("_", " ") or "nothing"


def look(office: Client, billers: Iterable[str], record: Path, cursor: int) -> Look:
    """Look at everything after `cursor`. Raises WireError if the list stays behind."""
    before = read_credits(record)
    listed, sequence = _read_list(office, office.ledger().sequence)
    fates = read_fates(office, billers, cursor, sequence)
    return Look(
        cursor,
        before,
        [one for one in listed if one.sequence > cursor],
        fates,
        read_credits(record),
    )


def _read_list(office: Client, sequence: int) -> tuple[list[Exception_], int]:
    """The list, and the sequence that it is of: `sequence` or a later one."""
    end_s = time.monotonic() + LIST_TIMEOUT_S
    while time.monotonic() < end_s:
        pages = list(office.exception_pages(exceptions_pb2.ListExceptionsRequest()))
        if pages[0].as_of_sequence >= sequence:
            listed = [one for page in pages for one in page.exceptions]
            return listed, pages[0].as_of_sequence
        time.sleep(_PAUSE_S)
    raise WireError(f"the list of exceptions does not come to entry {sequence}")


def prove_credits_have_money(seen: Look, when: str) -> Proof:
    """Whatever a biller has credited is paid or reserved here, to the paisa, or listed.

    What it has credited before and has still afterwards, it had at the moment.
    """
    listed = {one.payment.sequence for one in seen.listed}
    credited = missing = 0
    wrong = []
    for id_, credit in seen.before.items():
        fate = seen.fates.get(id_)
        if id_ not in seen.after or credit.number <= seen.cursor:
            continue
        credited += 1
        if fate is not None and _has_money(fate, credit.amount):
            continue
        missing += 1
        if credit.number not in listed:
            wrong.append(credit.number)
    return _proof(
        f"{when}, what is credited without its money is in the list",
        wrong,
        f"{credited} credited, {missing} of them without",
        seen,
    )


def _has_money(fate: Fate, amount: int) -> bool:
    if fate.state is State.OPEN:
        return fate.hold.amount >= amount
    return fate.paid == amount


def prove_money_has_credits(seen: Look, when: str) -> Proof:
    """Whatever a biller was paid it has credited, to the paisa, or it is listed."""
    listed = {one.payment.sequence for one in seen.listed}
    paid = [fate for fate in seen.fates.values() if fate.paid]
    without = [
        fate.hold.sequence
        for fate in paid
        if fate.paid
        not in (_amount(seen.before, fate.hold.id), _amount(seen.after, fate.hold.id))
    ]
    return _proof(
        f"{when}, what is paid without a credit is in the list",
        [one for one in without if one not in listed],
        f"{len(paid)} paid, {len(without)} of them without",
        seen,
    )


def _amount(credits: Credits, payment_id: bytes) -> int:
    return credits[payment_id].amount if payment_id in credits else 0


def _proof(name: str, wrong: Sequence[int], detail: str, seen: Look) -> Proof:
    detail += f"; listed: {_text(seen.counts)}"
    if wrong:
        detail = f"{len(wrong)} are not, such as {', '.join(map(str, wrong[:5]))}"
    return Proof(name, not wrong, detail)


def prove_nothing_listed(seen: Look, decided: Mapping[str, int]) -> Proof:
    """At the end people and billers have put everything right."""
    detail = f"two people decided: {_text(decided)}"
    if seen.listed:
        first = seen.listed[0]
        detail = (
            f"{len(seen.listed)} are, such as entry {first.sequence}: "
            f"{kind_name(first.kind)}"
        )
    return Proof(
        "the list of exceptions is empty",
        not seen.listed,
        detail,
    )
