"""What one wallet's owner asks for: statement pages, payments, one payment's state.

Reads durable state only, through the core; every page is bounded by its caller. A
reader may run beside the committer in any thread.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Rows
from switch.codes import Kind, Result, Trait, kinds_with
from switch.payment_states import PaymentState

__all__ = [
    "Line",
    "Payment",
    "PaymentState",
    "find_payment",
    "list_payments",
    "payment_of",
    "statement",
]

SCAN_MAX = 65_536
"""Postings of an account that one page of payments looks through at most."""


class Payment(NamedTuple):
    """A payment, what resolved its hold, and what was given back of it."""

    row: Rows
    state: PaymentState
    resolution: Rows | None
    refunded: int
    """Paise."""


class Line(NamedTuple):
    """One row of a statement and the wallet right after it, in paise."""

    row: Rows
    change: int
    balance: int
    pending: int


_PAYMENTS = kinds_with(Trait.PAYMENT)
_RESOLVED = {
    Kind.POST: PaymentState.COMPLETED,
    Kind.VOID: PaymentState.REVERSED,
    Kind.EXPIRE: PaymentState.EXPIRED,
}


def find_payment(ledger: Ledger, sender: int, id: bytes) -> Payment | None:
    """The payment that participant `sender` gave this id of 16 bytes, if durable.

    Rows of other kinds (top-ups, refunds) are no payments.
    """
    sequence = ledger.find(sender, id)
    return payment_of(ledger, ledger.row(sequence)) if sequence else None


def payment_of(ledger: Ledger, row: Rows) -> Payment | None:
    """The payment that a durable row is, if it is one."""
    kind, sequence = int(row["kind"]), int(row["sequence"])
    if kind not in _PAYMENTS:
        return None
    if row["result"] != Result.OK:
        return Payment(row, PaymentState.REFUSED, None, 0)
    if kind == Kind.PAY:
        return _paid(ledger, row, sequence, None)
    resolved_by, _ = ledger.resolution(sequence)
    if not resolved_by:
        return Payment(row, PaymentState.HELD, None, 0)
    resolution = ledger.row(resolved_by)
    state = _RESOLVED[Kind(int(resolution["kind"]))]
    if state is PaymentState.COMPLETED:
        return _paid(ledger, row, resolved_by, resolution)
    return Payment(row, state, resolution, 0)


def _paid(ledger: Ledger, row: Rows, final: int, resolution: Rows | None) -> Payment:
    """A payment whose money moved with row `final`."""
    _, refunded = ledger.resolution(final)
    state = PaymentState.REFUNDED if refunded else PaymentState.COMPLETED
    return Payment(row, state, resolution, refunded)


def list_payments(
    ledger: Ledger, account: int, before: int, limit: int
) -> tuple[list[Rows], int]:
    """Up to `limit` accepted payments (pay, hold) of a wallet, newest first.

    `before` is the sequence that the page is below, 0 for the newest. Also returns
    the `before` of the next page, 0 if there is none.
    """
    found: list[Rows] = []
    looked = 0
    while True:
        # One more than asked for tells whether there is a next page.
        wanted = limit - len(found) + 1
        sequences = ledger.account_rows(account, before, wanted)
        for sequence in sequences.tolist():
            if len(found) == limit:
                return found, before
            row = ledger.row(sequence)
            if row["kind"] in _PAYMENTS:
                found.append(row)
            before = sequence
        looked += len(sequences)
        if len(sequences) < wanted:
            return found, 0
        if looked >= SCAN_MAX:
            return found, before


def statement(
    ledger: Ledger, account: int, before: int, limit: int
) -> tuple[list[Line], int]:
    """Up to `limit` entries of a wallet with the balance after each, newest first.

    `before` and the second value are those of `list_payments`. The newest balance is
    read, the others follow by taking back one entry after the other.
    """
    sequences: npt.NDArray[np.uint64] = ledger.account_rows(account, before, limit + 1)
    listed = sequences.tolist()
    if not listed:
        return [], 0
    debits_pending, debits_posted, _, credits_posted = ledger.balance_at(
        account, listed[0]
    )
    balance = credits_posted - debits_posted
    pending = debits_pending
    lines = []
    for sequence in listed[:limit]:
        row = ledger.row(sequence)
        posted, reserved = _effect(ledger, row, account)
        lines.append(Line(row, posted, balance, pending))
        balance -= posted
        pending -= reserved
    following = listed[limit - 1] if len(listed) > limit else 0
    return lines, following


def _effect(ledger: Ledger, row: Rows, account: int) -> tuple[int, int]:
    """How an accepted money row changed a wallet's balance and its pending debits."""
    kind = int(row["kind"])
    amount = int(row["amount"])
    sign = 1 if row["credit"] == account else -1
    if kind == Kind.HOLD:
        return 0, amount
    if kind in _RESOLVED:
        held = int(ledger.row(int(row["resolves"]))["amount"])
        return (sign * amount if kind == Kind.POST else 0), -held
    return sign * amount, 0
