"""Refunds against the payments that they give back. Memory: 128 bytes for each."""

import numpy as np

from switch.audit.accounts import exact_sum
from switch.audit.findings import Findings
from switch.audit.kinds import NUMBERED
from switch.audit.layout import COPIED_FLAGS, OK, RELEASE, ROW, U64, Rows, pick
from switch.audit.reader import Journal
from switch.codes import Kind


class Refunds:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(self, findings: Findings) -> None:
        """Nothing seen yet."""
        self.findings = findings
        self._rows: list[Rows] = []
        # When `finish` is done: refunds by payment and then sequence, and their
        # running sums.
        self._refunded = np.empty((0, 2), dtype=np.uint64)
        self._sums = np.empty(0, dtype=np.uint64)

    def add(self, rows: Rows) -> None:
        """Note accepted refunds."""
        self._rows.append(rows)

    def refunded_before(self, payment: int, sequence: int) -> int:
        """What of a payment was refunded before some row."""
        low = int(np.searchsorted(self._refunded[:, 0], payment))
        end = int(np.searchsorted(self._refunded[:, 0], payment, side="right"))
        count = int(np.searchsorted(self._refunded[low:end, 1], sequence))
        return int(self._sums[low + count - 1]) if count else 0

    def whole_before(self, payment: int, amount: int, sequence: int) -> int:
        """The refund before some row that gave a payment of an amount wholly back, 0 if
        none did.
        """
        low = int(np.searchsorted(self._refunded[:, 0], payment))
        end = int(np.searchsorted(self._refunded[:, 0], payment, side="right"))
        for (_, at), so_far in zip(
            self._refunded[low:end], self._sums[low:end], strict=True
        ):
            if int(so_far) >= amount:
                return int(at) if at < sequence else 0
        return 0

    def finish(self, journal: Journal) -> tuple[Rows, Rows]:
        """Judge all; of the refunds that made a payment's whole, the payments' own rows
        or those of their holds, and the refunds' rows.
        """
        if not self._rows:
            return np.empty(0, dtype=ROW), np.empty(0, dtype=ROW)
        refunds = np.concatenate(self._rows)
        self._rows.clear()
        order = np.lexsort((refunds["sequence"], refunds["resolves"]))
        refunds = pick(refunds, order)
        numbers = np.unique(refunds["resolves"])
        at = np.searchsorted(numbers, refunds["resolves"])
        payments = pick(journal.rows_at(numbers), at)
        self._compare(refunds, payments)
        first = np.flatnonzero(np.diff(at, prepend=-1))
        so_far = np.cumsum(refunds["amount"], dtype=np.uint64)
        base = (so_far - refunds["amount"])[first]
        so_far -= base[np.searchsorted(first, np.arange(len(at)), side="right") - 1]
        columns = refunds["resolves"], refunds["sequence"]
        self._refunded, self._sums = np.stack(columns, axis=1), so_far
        over = so_far > payments["amount"]
        # Where a running sum could wrap, a payment's refunds are summed apart.
        if exact_sum(refunds["amount"]) >= 2**64:
            for start, end in zip(first, [*first[1:], len(at)], strict=True):
                over[start:end] |= exact_sum(refunds["amount"][start:end]) >= 2**64
        sequence = refunds["sequence"]
        text = "the refunds exceed the payment"
        self.findings.add_rows("refunds", sequence[over], text)
        text = "its total is not what was refunded so far"
        self.findings.add_rows("refunds", sequence[refunds["total"] != so_far], text)
        whole = so_far == payments["amount"]
        early = ~whole & ((refunds["flags"] & np.uint16(RELEASE)) != 0)
        text = "it releases the claim of a payment that is not wholly refunded"
        self.findings.add_rows("claims", sequence[early], text)
        return self._takers(journal, payments[whole]), refunds[whole]

    @staticmethod
    def _takers(journal: Journal, payments: Rows) -> Rows:
        """The rows that took the claims of payments: their own, or their holds'."""
        takers = payments.copy()
        posts = np.flatnonzero(takers["kind"] == Kind.POST)
        takers[posts] = journal.rows_at(takers["resolves"][posts])
        return takers

    def _compare(self, refunds: Rows, payments: Rows) -> None:
        """A refund says what its payment said, the other way round."""
        sequence: U64 = refunds["sequence"]
        known = NUMBERED[payments["kind"]] & (payments["result"] == OK)
        known &= payments["sequence"] < sequence
        text = "what it refunds is no payment made before it"
        self.findings.add_rows("refunds", sequence[~known], text)
        differs = (refunds["reference"] != payments["reference"]).any(axis=1)
        differs |= refunds["service"] != payments["service"]
        differs |= refunds["debit"] != payments["credit"]
        differs |= refunds["credit"] != payments["debit"]
        flags = refunds["flags"] ^ payments["flags"]
        differs |= (flags & np.uint16(COPIED_FLAGS)) != 0
        text = "it differs from the payment it refunds"
        self.findings.add_rows("refunds", sequence[known & differs], text)
