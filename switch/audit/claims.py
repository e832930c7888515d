"""What may happen once only: ids, bills, bank references; and refunds.

Rows leave 64-bit hashes here; equal ones are found by sorting at the end, and what
looks equal is proven on the rows themselves. Memory: 8 bytes for each id, 16 for each
claim, 128 for each refund, and as much again while sorting.
"""

from bisect import bisect_right
from typing import Final

import numpy as np
import numpy.typing as npt

from switch.audit.accounts import Accounts, exact_sum
from switch.audit.findings import Findings
from switch.audit.kinds import NUMBERED, SPENDING
from switch.audit.layout import (
    CLAIM,
    COPIED_FLAGS,
    HOUR_NS,
    OK,
    RECENT,
    RELEASE,
    U64,
    Index,
    Mask,
    Rows,
    mix,
    pick,
)
from switch.audit.reader import Journal
from switch.audit.register import Register
from switch.audit.spans import Resolutions
from switch.codes import Kind

BILL_SEED: Final = 1
RECENT_SEED: Final = 2
UTR_SEED: Final = 3
ID_SEED: Final = 4

PROVE_PAIRS: Final = 65_536
"""Pairs of rows that are read again at a time."""


def hash_ids(rows: Rows) -> U64:
    """Hashes of (id, sender) of the rows that have an id."""
    ids = rows["id"]
    some = (ids[:, 0] | ids[:, 1]) != 0
    if not some.all():
        rows = pick(rows, some)
        ids = rows["id"]
    return mix(ID_SEED, rows["participant"], ids[:, 0], ids[:, 1])


def owners(rows: Rows, accounts: Accounts) -> npt.NDArray[np.uint64]:
    """The participants that rows credit."""
    credit: Index = np.minimum(rows["credit"], accounts.count).astype(np.intp)
    return accounts["participant"][credit]


def hash_claims(rows: Rows, register: Register) -> U64:
    """Hashes of the claims of rows that take one (of the payment or hold itself)."""
    recent = (rows["flags"] & np.uint16(RECENT)) != 0
    owner, series = owners(rows, register.accounts), register.series[rows["service"]]
    if not recent.any():
        return mix(BILL_SEED, owner, series, *rows["reference"].T)
    head = np.where(recent, rows["service"].astype(np.uint32), owner)
    amount = np.where(recent, rows["amount"], series)
    out = mix(BILL_SEED, head, amount, *rows["reference"].T)
    other = mix(RECENT_SEED, head, amount, *rows["reference"].T)
    return np.where(recent, other, out)


def same_bills(one: Rows, two: Rows, register: Register) -> Mask:
    """Which pairs are of one biller and one series, whatever their references."""
    mine, series = owners(one, register.accounts), register.series
    same: Mask = mine == owners(two, register.accounts)
    same &= series[one["service"]] == series[two["service"]]
    return same


def joined(parts: list[U64]) -> U64:
    """One array of many, which are let go."""
    whole = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    parts.clear()
    return whole


def repeated(hashes: U64) -> U64:
    """The values that occur more than once, ascending. Sorts in place."""
    hashes.sort()
    again: U64 = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    return again


def among(values: U64, sorted_values: U64) -> Mask:
    """Which of `values` occur in `sorted_values`."""
    if not len(sorted_values):
        return np.zeros(len(values), dtype=np.bool_)
    at = np.searchsorted(sorted_values, values)
    at[at == len(sorted_values)] = 0
    found: Mask = sorted_values[at] == values
    return found


class Claims:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(self, findings: Findings) -> None:
        """Nothing seen yet."""
        self.findings = findings
        self._ids: list[U64] = []
        self._take_hashes: list[U64] = []
        self._take_rows: list[U64] = []
        self._utrs: list[U64] = []
        self._utr_rows: list[U64] = []
        self._ends: list[tuple[U64, U64, U64, Mask]] = []
        self._refunds: list[Rows] = []
        # When `finish` is done: takers whose claims were released, ascending, and by
        # which rows; refunds by payment and then sequence, with their running sums.
        self._released = self._refunded = np.empty((0, 2), dtype=np.uint64)
        self._sums = np.empty(0, dtype=np.uint64)

    def ids(self, rows: Rows) -> None:
        """Note the ids of rows, refused ones too."""
        self._ids.append(hash_ids(rows))

    def span(self, rows: Rows, register: Register, found: Resolutions | None) -> None:
        """Note what accepted money rows take and give back."""
        flags, kind = rows["flags"], rows["kind"]
        claim = (flags & np.uint16(CLAIM)) != 0
        taking = claim & SPENDING[kind]
        takes = rows if taking.all() else pick(rows, taking)
        self._take_hashes.append(hash_claims(takes, register))
        self._take_rows.append(takes["sequence"].copy())
        if len(takes) == len(rows):
            return
        top_ups = pick(rows, kind == Kind.TOP_UP)
        if len(top_ups):
            self._utrs.append(mix(UTR_SEED, *top_ups["reference"].T))
            self._utr_rows.append(top_ups["sequence"].copy())
        refunds = pick(rows, kind == Kind.REFUND)
        if len(refunds):
            self._refunds.append(refunds)
        release = (flags & np.uint16(RELEASE)) != 0
        ending = (kind == Kind.VOID) | (kind == Kind.EXPIRE)
        bad = release & ~(claim & (ending | (kind == Kind.REFUND)))
        text = "it releases a claim, and none was taken or it ends nothing"
        self.findings.add_rows("claims", rows["sequence"][bad], text)
        if found is not None:
            ended = ~found.post & ((found.holds["flags"] & np.uint16(CLAIM)) != 0)
            self._end(pick(found.holds, ended), pick(rows, found.at[ended]), register)

    def _end(self, takers: Rows, rows: Rows, register: Register) -> None:
        """Note rows that end what `takers` did, and whether they release."""
        if len(rows):
            release = (rows["flags"] & np.uint16(RELEASE)) != 0
            hashes = hash_claims(takers, register)
            ends = rows["sequence"].copy(), takers["sequence"].copy()
            self._ends.append((hashes, *ends, release))

    def finish(self, journal: Journal, register: Register, last: int) -> None:
        """Judge everything up to `last`, reading again what must be proven."""
        self._finish_ids(journal, last)
        self._finish_utrs(journal)
        self._finish_refunds(journal, register)
        self._finish_claims(journal, register)

    def released_before(self, takers: U64, sequences: U64) -> Mask:
        """Which takers' claims had been released before some rows."""
        if not len(self._released):
            return np.zeros(len(takers), dtype=np.bool_)
        at = np.searchsorted(self._released[:, 0], takers)
        at[at == len(self._released)] = 0
        found: Mask = self._released[at, 0] == takers
        found &= self._released[at, 1] < sequences
        return found

    def refunded_before(self, payment: int, sequence: int) -> int:
        """What of a payment was refunded before some row."""
        low = int(np.searchsorted(self._refunded[:, 0], payment))
        end = int(np.searchsorted(self._refunded[:, 0], payment, side="right"))
        count = int(np.searchsorted(self._refunded[low:end, 1], sequence))
        return int(self._sums[low + count - 1]) if count else 0

    def _finish_ids(self, journal: Journal, last: int) -> None:
        again = repeated(joined(self._ids))
        if not len(again):
            return
        seen: dict[tuple[bytes, int], int] = {}
        for block in journal.blocks(last):
            rows = block.rows[block.rows["sequence"] <= last]
            ids = rows["id"]
            rows = rows[(ids[:, 0] | ids[:, 1]) != 0]
            for row in rows[among(hash_ids(rows), again)]:
                key = row["id"].tobytes(), int(row["participant"])
                first = seen.setdefault(key, int(row["sequence"]))
                if first != int(row["sequence"]):
                    text = f"its id is that of sequence {first}, same sender"
                    self.findings.add("ids", int(row["sequence"]), text)

    def _finish_utrs(self, journal: Journal) -> None:
        hashes, sequences = joined(self._utrs), joined(self._utr_rows)
        again = repeated(hashes.copy())
        rows = journal.rows_at(np.sort(sequences[among(hashes, again)]))
        seen: dict[bytes, int] = {}
        for row in rows:
            key, sequence = row["reference"].tobytes(), int(row["sequence"])
            if seen.setdefault(key, sequence) != sequence:
                text = f"its bank reference was credited by sequence {seen[key]}"
                self.findings.add("utrs", sequence, text)

    def _finish_refunds(self, journal: Journal, register: Register) -> None:
        if not self._refunds:
            return
        refunds = np.concatenate(self._refunds)
        self._refunds.clear()
        order = np.lexsort((refunds["sequence"], refunds["resolves"]))
        refunds = pick(refunds, order)
        numbers = np.unique(refunds["resolves"])
        at = np.searchsorted(numbers, refunds["resolves"])
        payments = pick(journal.rows_at(numbers), at)
        self._compare_refunds(refunds, payments)
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
        ending = whole & ((payments["flags"] & np.uint16(CLAIM)) != 0)
        takers = payments[ending]
        posts = np.flatnonzero(takers["kind"] == Kind.POST)
        takers[posts] = journal.rows_at(takers["resolves"][posts])
        self._end(takers, refunds[ending], register)

    def _compare_refunds(self, refunds: Rows, payments: Rows) -> None:
        """A refund says what its payment said, the other way round."""
        sequence = refunds["sequence"]
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

    def _finish_claims(self, journal: Journal, register: Register) -> None:
        hashes, sequences = joined(self._take_hashes), joined(self._take_rows)
        again = repeated(hashes.copy())
        ends = self._ends or [(np.empty(0, np.uint64),) * 3 + (np.empty(0, bool),)]
        end_hashes, end_rows, takers, release = (
            np.concatenate(parts) for parts in zip(*ends, strict=True)
        )
        chosen = among(hashes, again)
        hashes, sequences = hashes[chosen], sequences[chosen]
        order = np.lexsort((sequences, hashes))
        hashes, sequences = hashes[order], sequences[order]
        self._release_flags(
            (hashes, sequences), (end_hashes, end_rows, takers, release)
        )
        pairs = np.flatnonzero(hashes[1:] == hashes[:-1])
        by_taker = np.argsort(takers)
        takers, end_rows = takers[by_taker], end_rows[by_taker]
        released = release[by_taker]
        columns = takers[released], end_rows[released]
        self._released = np.stack(columns, axis=1)
        if len(takers):
            at = np.searchsorted(takers, sequences[pairs])
            at[at == len(takers)] = 0
            free = (takers[at] == sequences[pairs]) & released[at]
            free &= end_rows[at] < sequences[pairs + 1]
            pairs = pairs[~free]
        self._prove_claims(journal, register, sequences[pairs], sequences[pairs + 1])

    def _release_flags(
        self, takes: tuple[U64, U64], ends: tuple[U64, U64, U64, Mask]
    ) -> None:
        """A row that ends a payment releases its claim unless a later one took it."""
        hashes, sequences = takes
        end_hashes, end_rows, takers, release = ends
        expected = np.ones(len(end_hashes), dtype=np.bool_)
        for at in np.flatnonzero(among(end_hashes, np.unique(hashes))).tolist():
            low = int(np.searchsorted(hashes, end_hashes[at], side="left"))
            high = int(np.searchsorted(hashes, end_hashes[at], side="right"))
            own = sequences[low:high]
            later = (own > takers[at]) & (own < end_rows[at])
            expected[at] = not later.any()
        wrong = np.sort(end_rows[expected & ~release])
        text = "it ends a payment and does not release its claim"
        self.findings.add_rows("claims", wrong, text)
        wrong = np.sort(end_rows[~expected & release])
        text = "it releases a claim that a later payment had taken"
        self.findings.add_rows("claims", wrong, text)

    def _prove_claims(
        self, journal: Journal, register: Register, first: U64, second: U64
    ) -> None:
        """Judge pairs of takers of what seems one claim, no release between them."""
        step = PROVE_PAIRS
        for start in range(0, len(first), step):
            one = journal.rows_at(first[start : start + step])
            two = journal.rows_at(second[start : start + step])
            recent = (two["flags"] & np.uint16(RECENT)) != 0
            same = (one["reference"] == two["reference"]).all(axis=1)
            bill = same_bills(one, two, register)
            again = (one["service"] == two["service"]) & (
                one["amount"] == two["amount"]
            )
            same &= np.where(recent, again, bill)
            for at in np.flatnonzero(same).tolist():
                self._judge(register, one[at], two[at], bool(recent[at]))

    def _judge(
        self, register: Register, one: np.void, two: np.void, recent: bool
    ) -> None:
        sequence = int(two["sequence"])
        if not recent:
            text = f"the bill was claimed by sequence {one['sequence']} already"
            self.findings.add("claims", sequence, text)
            return
        known = register.hours.get(int(two["service"]), [])
        at = bisect_right(known, (sequence, 0)) - 1
        hours = known[at][1] if at >= 0 else 0
        apart = int(two["timestamp"]) - int(one["timestamp"])
        if apart < hours * HOUR_NS:
            text = f"the same was paid by sequence {one['sequence']} within {hours} h"
            self.findings.add("claims", sequence, text)
