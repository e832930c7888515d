"""What a payment records beside its row: the fixed part of its tail item, and the note.

May use the core, `codes` and `calendar`. The one reader of it on the switch's side
("What a payment records" in docs/data-model.md). Whether there is a fixed part, and
which, is for the price rule of the row's service to say, which never changes; the bytes
alone do not tell it from a note.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from switch._core import BILL_TAIL, GROUP_MAX, TARIFF_TAIL, Ledger
from switch.calendar import day_date, format_month
from switch.codes import AmountRule, PriceRule, RowFlag, TailForm
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.ledger.opening import CORRUPTED
from switch.ledger.templates import get_bytes

FIXED_SIZE = 56
"""Bytes of the fixed part, of either form."""

_FORMS = {PriceRule.BILL: TailForm.BILL, PriceRule.TARIFF: TailForm.TARIFF}


class BillPart(NamedTuple):
    """What was due of a bill when it was paid, or should have been."""

    reference: str
    """The citizen's, canonical. Of a refused payment perhaps as it was sent."""
    amount_due: int
    """Paise."""
    fetched_ns: int
    """When the biller was asked; 0 if the sender stated what is due."""
    period: str
    """`YYYY-MM`, or empty."""
    due_date: str
    """IST date, `YYYY-MM-DD`, or empty."""
    amount_rule: AmountRule


@dataclass(frozen=True, slots=True)
class Item:
    """So many of one item of a tariff."""

    code: str
    count: int


class PaymentTail(NamedTuple):
    """What a payment's tail item says; all of it empty if it has none."""

    bill: BillPart | None = None
    """With price rule bill."""
    items: tuple[Item, ...] = ()
    """With price rule tariff."""
    note: str = ""
    """The counter's."""


def read_tails(
    ledger: Ledger, sequences: Iterable[int], around_damage: bool = False
) -> dict[int, bytes]:
    """The tail items of these rows, by sequence.

    To find one item half of a chunk is walked; so those of many rows are read together,
    in one walk over each chunk. With `around_damage` those that cannot be read are left
    out: behind a row of a chunk whose flags are damaged nothing says where an item is.
    Raises LookupError, CorruptionError.
    """
    listed = np.unique(np.fromiter(sequences, np.uint64))
    found: dict[int, bytes] = {}
    for first in range(0, len(listed), GROUP_MAX):
        part = listed[first : first + GROUP_MAX]
        try:
            found.update(zip(part.tolist(), ledger.tails(part), strict=True))
        except CorruptionError:
            if not around_damage:
                raise
            found.update(_whole_tails(ledger, part.tolist()))
    return found


def _whole_tails(
    ledger: Ledger, sequences: Iterable[int]
) -> Iterator[tuple[int, bytes]]:
    """Each alone, of those that can be read."""
    for sequence in sequences:
        try:
            yield sequence, ledger.tail(sequence)
        except CorruptionError:
            continue


def payment_tail(ledger: Ledger, entry: Entry, price_rule: PriceRule) -> PaymentTail:
    """What the payment (pay, hold) that `entry` is records beside it.

    `price_rule` is that of its service, STATED without a service. Raises
    CorruptionError.
    """
    has_tail = RowFlag.TAIL in entry.flags
    tail = ledger.tail(entry.sequence) if has_tail else b""
    return read_payment_tail(tail, price_rule)


def read_payment_tail(tail: bytes, price_rule: PriceRule) -> PaymentTail:
    """What the tail item of a payment by this price rule says.

    Raises CorruptionError if it has not the fixed part that it must have.
    """
    form = _FORMS.get(price_rule)
    if form is None:
        return PaymentTail(note=tail.decode("utf-8"))
    if len(tail) < FIXED_SIZE or tail[FIXED_SIZE - 1] != form:
        rule = price_rule.name.lower()
        raise CorruptionError(CORRUPTED, f"a payment by {rule} has another tail")
    note = tail[FIXED_SIZE:].decode("utf-8")
    if form is TailForm.BILL:
        return PaymentTail(bill=_bill(tail), note=note)
    return PaymentTail(items=_items(tail), note=note)


def _bill(tail: bytes) -> BillPart:
    record = np.frombuffer(tail, BILL_TAIL, 1)[0]
    due_day, period = int(record["due_day"]), int(record["period"])
    return BillPart(
        reference=get_bytes(tail, BILL_TAIL, "reference").decode("ascii"),
        amount_due=int(record["amount_due"]),
        fetched_ns=int(record["fetched"]),
        period=format_month(period) if period else "",
        due_date=day_date(due_day).isoformat() if due_day else "",
        amount_rule=AmountRule(int(record["amount_rule"])),
    )


def _items(tail: bytes) -> tuple[Item, ...]:
    record = np.frombuffer(tail, TARIFF_TAIL, 1)[0]
    lines = record["items"][: int(record["items_count"])]
    return tuple(
        Item(line["code"].tobytes().rstrip(b"\0").decode("ascii"), int(line["count"]))
        for line in lines
    )
