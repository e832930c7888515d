"""What one wallet's owner asks for: statement pages, one payment's state.

Reads durable state only, through the core; every page is bounded by its caller. A
reader may run beside the committer in any thread.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import Ledger
from switch.codes import Kind, Link, Result, RowFlag
from switch.entries import Entry
from switch.payment_states import PaymentState, Standing
from switch.traits import Trait, kinds_with

__all__ = [
    "Line",
    "Payment",
    "PaymentState",
    "find_payment",
    "payment_of",
    "statement",
]

Found = tuple[Entry, int, int] | None | Exception
"""What `Ledger.find_entries` gives of one id."""


class Payment(NamedTuple):
    """A payment, what resolved its hold, and what was given back of it."""

    entry: Entry
    standing: Standing
    resolution: Entry | None = None
    refunded: int = 0
    """Paise."""
    conclusion: Entry | None = None
    """Of a payment whose money is back: what said last that nothing was credited, or
    the transfer that paid it after all."""

    @property
    def state(self) -> PaymentState:
        """What is told of it."""
        return self.standing.state

    @property
    def is_disputed(self) -> bool:
        """Whether its money is back and the biller says that it credited it."""
        return self.standing.is_disputed


class Line(NamedTuple):
    """One entry of a statement and the wallet right after it, in paise."""

    entry: Entry
    change: int
    balance: int
    pending: int


_PAYMENTS = kinds_with(Trait.PAYMENT)
_RESOLVING = frozenset(kinds_with(Trait.RESOLVES))


def find_payment(ledger: Ledger, sender: int, id: bytes) -> Payment | None:
    """The payment that participant `sender` gave this id of 16 bytes, if durable.

    Rows of other kinds (top-ups, refunds) are no payments.
    """
    [found] = ledger.find_entries([(sender, id, None)])
    return payment_in(ledger, found)


def payment_in(ledger: Ledger, found: Found) -> Payment | None:
    """The payment that was found, if it is one. Raises what was met instead."""
    if isinstance(found, Exception):
        raise found
    return None if found is None else payment_of(ledger, found[0], found[1:])


def payment_of(
    ledger: Ledger, entry: Entry, resolution: tuple[int, int] | None = None
) -> Payment | None:
    """The payment that a durable entry is, if it is one. `resolution`: the ledger's of
    it, where that was read already.
    """
    kind, sequence = entry.kind, entry.sequence
    if kind not in _PAYMENTS:
        return None
    if entry.result != Result.OK:
        return Payment(entry, Standing.REFUSED)
    resolved_by, total = resolution or ledger.resolution(sequence)
    if kind == Kind.PAY:
        return _paid(ledger, entry, entry, None, total)
    if not resolved_by:
        kept = any(ledger.link(sequence, what) for what in _KEEPING)
        return Payment(entry, Standing.KEPT if kept else Standing.HELD)
    final = ledger.row(resolved_by)
    if final.kind == Kind.POST:
        _, refunded = ledger.resolution(resolved_by)
        return _paid(ledger, entry, final, final, refunded)
    return _given_back(ledger, entry, sequence, final)


_KEEPING = (Link.DEADLINE_PASSED, Link.AMOUNT_DIFFERS)


def _paid(
    ledger: Ledger,
    entry: Entry,
    final: Entry,
    resolution: Entry | None,
    refunded: int,
) -> Payment:
    """A payment whose money moved with entry `final`."""
    differs = False
    if resolution is not None:
        case = ledger.link(entry.sequence, Link.AMOUNT_DIFFERS)
        # One from before its end was about what was held. Who closes one is its link.
        differs = case > final.sequence and not ledger.resolution(case)[0]
    standing = Standing.COMPLETED_DIFFERS if differs else Standing.COMPLETED
    if refunded:
        disputed = differs and refunded == final.amount
        standing = Standing.REFUNDED_DISPUTED if disputed else Standing.REFUNDED
    return Payment(entry, standing, resolution, refunded)


def correction_of(ledger: Ledger, hold: int) -> tuple[int, int]:
    """What has paid a hold after all and is not undone, or 0; and what undid the last
    that did, or 0. Sequences.
    """
    corrected = ledger.link(hold, Link.CORRECTION)
    undone = ledger.link(hold, Link.UNDOING) if corrected else 0
    return (0 if undone > corrected else corrected), undone


def _given_back(ledger: Ledger, entry: Entry, hold: int, resolution: Entry) -> Payment:
    """A payment whose money is back, and what was said of it since."""
    verified = ledger.link(hold, Link.VERIFY)
    corrected, undone = correction_of(ledger, hold)
    # What undid it says that nothing is credited, as a verify does.
    verified = max(verified, undone)
    disputed = ledger.link(hold, Link.LATE_CONFIRMATION) > verified
    concluded = corrected or verified
    if resolution.kind == Kind.EXPIRE:
        told = "EXPIRED" if concluded else "UNVERIFIED"
    elif verified or RowFlag.EVIDENCE in resolution.flags:
        told = "REVERSED"
    else:
        told = "RETURNED"
    if corrected:
        told = "EXPIRED_CORRECTED" if told == "EXPIRED" else "REVERSED_CORRECTED"
    elif disputed:
        told += "_DISPUTED"
    conclusion = ledger.row(concluded) if concluded else None
    return Payment(entry, Standing[told], resolution, 0, conclusion)


def statement(
    ledger: Ledger, account: int, before: int, limit: int
) -> tuple[list[Line], int]:
    """Up to `limit` entries of a wallet with the balance after each, newest first.

    `before` is the sequence that the page is below, 0 for the newest. Also returns the
    `before` of the next page, 0 if there is none. The newest balance is read, the
    others follow by taking back one entry after the other.
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
        entry = ledger.row(sequence)
        posted, reserved = _effect(ledger, entry, account)
        lines.append(Line(entry, posted, balance, pending))
        balance -= posted
        pending -= reserved
    following = listed[limit - 1] if len(listed) > limit else 0
    return lines, following


def _effect(ledger: Ledger, entry: Entry, account: int) -> tuple[int, int]:
    """How an accepted entry changed a wallet's balance and its pending debits."""
    kind = entry.kind
    amount = entry.amount
    sign = 1 if entry.credit == account else -1
    if kind == Kind.HOLD:
        return 0, amount
    if kind in _RESOLVING:
        held = ledger.row(entry.resolves).amount
        return (sign * amount if kind == Kind.POST else 0), -held
    return sign * amount, 0
