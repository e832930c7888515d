"""A wallet's payments by what they are: when, how much, of what, how they stand.

May use the core. No index has any of it: the wallet's entries, and for refusals all of
the ledger's, are looked through, so many for a page; how many the contract says.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from switch._core import Ledger, Rows, entries_of
from switch.codes import Kind, Result
from switch.entries import Entry
from switch.ledger.statements import Payment, payment_of
from switch.ledger.totals import first_at
from switch.payment_states import PaymentState
from switch.traits import Trait, kinds_with

LOOKED_MAX: Final = 16_384
"""Entries of a wallet that one page looks at."""
REFUSED_LOOKED_MAX: Final = 65_536
"""Entries of the ledger that a page with refusals looks at: no index has those."""
STATES_MAX: Final = 1_024
"""Payments of which one page asks how they stand."""
BLOCK: Final = 1_024
"""Entries that are read together."""
REFUSED_BLOCK: Final = 8_192

_PAYMENTS = kinds_with(Trait.PAYMENT)
_OPEN: Final = frozenset(
    {
        PaymentState.HELD,
        PaymentState.UNKNOWN,
        PaymentState.KEPT,
        PaymentState.UNVERIFIED,
        PaymentState.REVERSED,
        PaymentState.EXPIRED,
    }
)
"""States that only a payment which was held can have."""


class Filter(NamedTuple):
    """What must hold of a payment. Nothing said: it was accepted."""

    state: PaymentState = PaymentState.NONE
    """NONE: any. HELD and UNKNOWN are one here: the ledger knows no more."""
    from_ns: int = 0
    to_ns: int = 0
    """Before it; 0 is none."""
    amount_min: int = 0
    amount_max: int = 0
    """0 is none."""
    service: int = 0
    """Index; 0 is any."""
    operator: int = 0
    with_refused: bool = False

    @property
    def has_refused(self) -> bool:
        """Whether refused payments are among those that are wanted."""
        return self.with_refused or self.state is PaymentState.REFUSED

    def fits(self, payment: Payment) -> bool:
        """Whether it is wanted; its accounts are not looked at."""
        entry = payment.entry
        within = self.from_ns <= entry.timestamp < (self.to_ns or 1 << 64)
        most = self.amount_max or 1 << 64
        return (
            within
            and self.amount_min <= entry.amount <= most
            and self.service in (0, entry.service)
            and self.operator in (0, entry.operator)
            and (self.has_refused or entry.result == Result.OK)
            and self.fits_state(payment)
        )

    def fits_state(self, payment: Payment) -> bool:
        """Whether it stands as is wanted."""
        wanted = self.state
        if wanted is PaymentState.UNKNOWN:
            wanted = PaymentState.HELD
        return wanted in (PaymentState.NONE, payment.state)


class Page(NamedTuple):
    """Some payments, newest first."""

    payments: list[Payment]
    following: int
    """The next page is below this sequence; 0 if there is none."""


def list_filtered(
    ledger: Ledger, wallet: int, wanted: Filter, before: int, limit: int
) -> Page:
    """Up to `limit` payments of a wallet below `before` (0: from the newest).

    A page may have fewer, or none, and not be the last. Raises CorruptionError.
    """
    newest = ledger.sequence + 1
    position = min(before or newest, newest)
    if wanted.to_ns:
        position = min(position, first_at(ledger, wanted.to_ns))
    least = first_at(ledger, wanted.from_ns) if wanted.from_ns else 1
    if wanted.has_refused:
        blocks = _of_all(ledger, position, least)
        most = REFUSED_LOOKED_MAX
    else:
        blocks = _of_wallet(ledger, wallet, position, least, limit)
        most = LOOKED_MAX
    found: list[Payment] = []
    looked = judged = 0
    for rows in blocks:
        for entry in _candidates(rows, wallet, wanted):
            if len(found) == limit:
                return Page(found, found[-1].entry.sequence)
            if judged == STATES_MAX:
                return Page(found, entry.sequence + 1)
            judged += 1
            payment = payment_of(ledger, entry)
            if payment is not None and wanted.fits_state(payment):
                found.append(payment)
        looked += len(rows)
        lowest = int(rows["sequence"][-1])
        if looked >= most and lowest > least:
            return Page(found, lowest)
    return Page(found, 0)


def _of_wallet(
    ledger: Ledger, wallet: int, position: int, least: int, limit: int
) -> Iterator[Rows]:
    """Accepted money rows of a wallet, newest first, in blocks."""
    # The first is small: most who ask want the newest few.
    count = min(2 * limit + 1, BLOCK)
    while position > least:
        sequences = ledger.account_rows(wallet, position, count)
        if not len(sequences):
            return
        position = int(sequences[-1])
        wanted = sequences[sequences >= least]
        if len(wanted):
            yield ledger.gather(wanted)
        if len(sequences) < count:
            return
        count = BLOCK


def _of_all(ledger: Ledger, position: int, least: int) -> Iterator[Rows]:
    """All rows, newest first, in blocks."""
    while position > least:
        first = max(least, position - REFUSED_BLOCK)
        rows = ledger.rows(first, position - first)
        yield rows[::-1]
        position = first


def _candidates(rows: Rows, wallet: int, wanted: Filter) -> list[Entry]:
    """The payments of a wallet among rows that fit by what stands in them."""
    kinds = [Kind.HOLD] if wanted.state in _OPEN else _PAYMENTS
    fits = np.isin(rows["kind"], kinds) & (rows["debit"] == wallet)
    accepted = rows["result"] == Result.OK
    if wanted.state is PaymentState.REFUSED:
        fits &= ~accepted
    elif not wanted.has_refused:
        fits &= accepted
    amounts = rows["amount"]
    fits &= amounts >= wanted.amount_min
    if wanted.amount_max:
        fits &= amounts <= wanted.amount_max
    if wanted.service:
        fits &= rows["service"] == wanted.service
    if wanted.operator:
        fits &= rows["operator_"] == wanted.operator
    return entries_of(np.ascontiguousarray(rows[fits]))
