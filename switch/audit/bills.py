"""Claims of bills: one payment holds a bill, and an old quotation pays nothing.

A claim is of (biller, series, reference of the row). Who took it holds it until a row
releases it; then it may be taken again, by a quotation that was fetched later than
that, unless its biller says of one that had it that it has credited that all the same.
Rows leave hashes here, and what looks wrong is proven on the rows themselves. Memory:
16 bytes for each claim, 24 for each quotation.
"""

from typing import Final

import numpy as np

from switch.audit.disputes import Disputes
from switch.audit.ends import FREES, RELEASES, Ends
from switch.audit.findings import Findings
from switch.audit.layout import TAKERS_MAX, U64, Index, Mask, Rows, mix, pick
from switch.audit.prices import Priced
from switch.audit.reader import Journal
from switch.audit.register import Register
from switch.audit.timelines import (
    NEVER,
    NOWHERE,
    Timeline,
    among,
    distinct,
    find,
    joined,
    repeated,
)
from switch.codes import DuplicateRule, Result

BILL_SEED: Final = 1
PROVE_PAIRS: Final = 65_536
"""Pairs of rows that are read again at a time."""
OWNER_BITS: Final = np.uint64(32)


def owners(register: Register, rows: Rows) -> U64:
    """Whose bills rows pay: biller and series of their services, as one number."""
    service = rows["service"].astype(np.intp)
    biller = register.services["biller"][service].astype(np.uint64)
    whose: U64 = biller << OWNER_BITS | register.series[service]
    return whose


def hash_bills(register: Register, rows: Rows) -> U64:
    """Hashes of the claims of bills that rows take, or want."""
    return mix(BILL_SEED, owners(register, rows), *rows["reference"].T)


class Bills:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """Nothing seen yet."""
        self.register = register
        self.findings = findings
        self._hashes: list[U64] = []
        self._rows: list[U64] = []
        # Payments with a quotation: hash, sequence, when it was fetched.
        self._quoted: list[U64] = []
        # Those that were refused as claimed: hash, sequence, the row in the way.
        self._refused: list[U64] = []

    def take(self, rows: Rows, fetched: U64) -> None:
        """Note accepted payments that take a claim; `fetched` is 0 for no quotation."""
        hashes = hash_bills(self.register, rows)
        self._hashes.append(hashes)
        self._rows.append(rows["sequence"].copy())
        self._note_quoted(hashes, rows["sequence"], fetched)

    def refuse(self, priced: Priced) -> None:
        """Note refused payments that would have taken one."""
        rows = priced.rows
        once = priced.said("duplicate_rule") == DuplicateRule.ONCE
        claimed = rows["result"] == Result.BILL_ALREADY_CLAIMED
        self._add_refusals(rows["sequence"][claimed & ~once])
        # In a basket payments that were not made may be in the way.
        alone = np.flatnonzero(once & (rows["basket"] == 0))
        fetched, rows = priced.fetched()[alone], pick(rows, alone)
        hashes, sequences = hash_bills(self.register, rows), rows["sequence"]
        self._note_quoted(hashes, sequences, fetched)
        claimed = claimed[alone]
        columns = hashes[claimed], sequences[claimed], rows["total"][claimed]
        self._refused.append(np.stack(columns))

    def _note_quoted(self, hashes: U64, sequences: U64, fetched: U64) -> None:
        quoted = fetched != 0
        if quoted.any():
            columns = hashes[quoted], sequences[quoted], fetched[quoted]
            self._quoted.append(np.stack(columns))

    def _add_refusals(self, sequences: U64) -> None:
        text = "BILL_ALREADY_CLAIMED, and the rows before it show no cause"
        self.findings.add_rows("refusals", sequences, text)

    def finish(self, ends: Ends, disputes: Disputes, journal: Journal) -> None:
        """Judge all, with what ended payments that took a claim, and which of them are
        disputed.
        """
        hashes, sequences = joined(self._hashes), joined(self._rows)
        none = np.empty((3, 0), dtype=np.uint64)
        quoted = np.concatenate([none, *self._quoted], axis=1)
        refused = np.concatenate([none, *self._refused], axis=1)
        # Ends of payments whose claims they do not free, and of forged ones, are left.
        at = find(ends.takers, sequences)
        known = (at != NOWHERE) & (ends.sequences > ends.takers)
        late = ends.where(known).late()
        disputes = disputes.where(find(disputes.takers, sequences) != NOWHERE)
        known &= ends.having(FREES)
        ends, at = ends.where(known), at[known]
        freed = hashes[at]
        # What was taken once and never asked for again needs no order.
        old = quoted[0][among(quoted[0], distinct(freed))]
        asked = repeated(hashes.copy()), refused[0], old
        again = distinct(np.concatenate(asked))
        mine, chosen = among(freed, again), among(hashes, again)
        lacking = ends.sequences[~mine & ~ends.having(RELEASES)]
        claims = _Claims(
            (hashes[chosen], sequences[chosen]),
            (freed[mine], ends.where(mine)),
            [quoted, refused],
            self._late(late, disputes, (hashes, sequences), again),
        )
        holders, takers, rows = claims.lacking()
        same = self._same(journal, holders, takers)
        lacking = np.concatenate((lacking, rows[same]))
        text = "it ends a payment and does not release its claim"
        self.findings.add_rows("claims", np.sort(lacking), text)
        text = "it releases a claim that a later payment had taken"
        holders, takers, rows = claims.released_of_others()
        same = self._same(journal, holders, takers)
        self.findings.add_rows("claims", np.sort(rows[same]), text)
        one, two = claims.taken_twice()
        for at_one, at_two in self._proven(journal, one, two):
            text = f"the bill was claimed by sequence {at_one} already"
            self.findings.add("claims", at_two, text)
        one, two = claims.superseded(quoted)
        for at_one, at_two in self._proven(journal, one, two):
            text = f"its quotation is older than what released sequence {at_one}"
            self.findings.add("claims", at_two, text)
        settled = self._settled(disputes, (hashes, sequences), again)
        one, two = claims.settled_since(quoted, settled)
        for at_one, at_two in self._proven(journal, one, two):
            text = f"its quotation is older than what settled sequence {at_one}"
            self.findings.add("claims", at_two, text)
        one, two = claims.credited_late()
        for at_one, at_two in self._proven(journal, one, two):
            text = f"its biller has credited sequence {at_one} late, of the same bill"
            self.findings.add("claims", at_two, text)
        holders, rows = claims.holders(refused), refused[1]
        holders = np.where(holders == NEVER, claims.blocked(refused), holders)
        wrong = holders != refused[2]
        held = np.flatnonzero(wrong & (holders != NEVER))
        wrong[held] = self._same(journal, holders[held], rows[held])
        self._add_refusals(np.sort(rows[wrong]))

    @staticmethod
    def _late(
        late: tuple[U64, U64, U64],
        disputes: Disputes,
        taken: tuple[U64, U64],
        again: U64,
    ) -> list[tuple[int, int, int, int]]:
        """Payments that were confirmed late, or are disputed, ascending: the hash of
        each one's claim, its sequence, from which row on and up to which; of `again`
        alone.
        """
        more = disputes.takers, disputes.begins, disputes.ends
        takers, begins, ends = (
            np.concatenate(columns) for columns in zip(late, more, strict=True)
        )
        hashes = taken[0][find(takers, taken[1])]
        mine = np.flatnonzero(among(hashes, again))
        mine = mine[np.argsort(takers[mine], kind="stable")]
        columns = (one[mine].tolist() for one in (hashes, takers, begins, ends))
        return list(zip(*columns, strict=True))

    @staticmethod
    def _settled(
        disputes: Disputes, taken: tuple[U64, U64], again: U64
    ) -> list[tuple[int, int, int, int]]:
        """Those that are disputed no more: hash, sequence, and which row ended that and
        when; of `again` alone.
        """
        settled = disputes.settled()
        hashes = taken[0][find(settled.takers, taken[1])]
        mine = among(hashes, again)
        columns = (hashes, settled.takers, settled.ends, settled.times)
        return list(zip(*(one[mine].tolist() for one in columns), strict=True))

    def _proven(
        self, journal: Journal, first: U64, second: U64
    ) -> list[tuple[int, int]]:
        """The pairs that are of one bill indeed, in the order of the second."""
        same = self._same(journal, first, second)
        first, second = first[same], second[same]
        order = np.argsort(second, kind="stable")
        return list(zip(first[order].tolist(), second[order].tolist(), strict=True))

    def _same(self, journal: Journal, first: U64, second: U64) -> Mask:
        """Which pairs of payments are of one bill indeed."""
        same = np.zeros(len(first), dtype=np.bool_)
        for start in range(0, len(first), PROVE_PAIRS):
            part = slice(start, start + PROVE_PAIRS)
            one, two = journal.rows_at(first[part]), journal.rows_at(second[part])
            alike = (one["reference"] == two["reference"]).all(axis=1)
            alike &= owners(self.register, one) == owners(self.register, two)
            same[part] = alike
        return same


class _Claims:
    """Who holds each claim, from row to row."""

    def __init__(
        self,
        takes: tuple[U64, U64],
        ends: tuple[U64, Ends],
        asked: list[U64],
        late: list[tuple[int, int, int, int]],
    ) -> None:
        """Takes and ends with their claims' hashes, what is asked of those, and who was
        confirmed late.
        """
        self.late = late
        hashes, sequences = takes
        freed, self.ends = ends
        things = [hashes, freed, *(one[0] for one in asked)]
        rows = [sequences, self.ends.sequences, *(one[1] for one in asked)]
        self.line = line = Timeline(things, rows)
        order = np.argsort(line.places(hashes, sequences))
        self.hashes, self.sequences = hashes[order], sequences[order]
        self.places = line.places(hashes, sequences)[order]
        own: Index = np.searchsorted(self.places, line.places(freed, self.ends.takers))
        self.first_end = np.full(len(sequences), NEVER, dtype=np.uint64)
        np.minimum.at(self.first_end, own, self.ends.sequences)
        # A release leaves a claim alone that a later payment holds by then.
        end_places = line.places(freed, self.ends.sequences)
        holder = line.before(self.places, end_places)
        free = self.first_end[holder] < self.ends.sequences
        self._holder = holder
        self._expected: Mask = (holder == own) | free
        released = np.flatnonzero(self._expected)
        released = released[np.argsort(end_places[released])]
        self._released = end_places[released]
        self._released_at = self.ends.times[released]
        self._released_of = self.ends.takers[released]

    def lacking(self) -> tuple[U64, U64, U64]:
        """Rows that should release a claim and do not: who had it last, the payments
        that the rows end, and the rows.
        """
        return self._ends(self._expected & ~self.ends.having(RELEASES))

    def released_of_others(self) -> tuple[U64, U64, U64]:
        """The same of rows that release what another holds."""
        return self._ends(~self._expected & self.ends.having(RELEASES))

    def _ends(self, bad: Mask) -> tuple[U64, U64, U64]:
        holders = self.sequences[self._holder[bad]]
        return holders, self.ends.takers[bad], self.ends.sequences[bad]

    def taken_twice(self) -> tuple[U64, U64]:
        """Pairs of payments of which the second took what the first held."""
        before = self.line.before(self.places, self.places)
        held = (before != NOWHERE) & (self.first_end[before] > self.sequences)
        return self.sequences[before[held]], self.sequences[held]

    def holders(self, asked: U64) -> U64:
        """Who held the claim that each row asked for; NEVER if nobody did."""
        before = self.line.before(self.places, self.line.places(asked[0], asked[1]))
        if not len(self.sequences):
            return np.full(len(before), NEVER, dtype=np.uint64)
        held = (before != NOWHERE) & (self.first_end[before] > asked[1])
        return np.where(held, self.sequences[before], NEVER)

    def blocked(self, asked: U64) -> U64:
        """The newest payment that had the claim before each row that asked for it, and
        was confirmed late by then, or disputed; NEVER if none was.
        """
        blocked = np.full(asked.shape[1], NEVER)
        places = self.line.places(asked[0], asked[1])
        order = np.argsort(places)
        at = np.searchsorted(self.places, places)
        for thing, taker, begin, end in self.late:
            things = np.array((thing, thing, thing), np.uint64)
            marks = np.array((taker, begin, end), np.uint64)
            marks = self.line.places(things, marks)
            own = np.searchsorted(self.places, marks[0])
            low, high = np.searchsorted(places[order], marks[1:])
            some = order[low:high]
            # The newest come last; of the takers the ledger looks at the newest ones.
            blocked[some[at[some] - own <= TAKERS_MAX]] = taker
        return blocked

    def credited_late(self) -> tuple[U64, U64]:
        """Payments that were confirmed late, or disputed, and others that took their
        claims then; those who take what another holds are another matter.
        """
        asked = np.stack((self.hashes, self.sequences))
        blocked = self.blocked(asked)
        bad = (blocked != NEVER) & (self.holders(asked) == NEVER)
        return blocked[bad], self.sequences[bad]

    def superseded(self, quoted: U64) -> tuple[U64, U64]:
        """Takers, and rows whose quotation was fetched before their claim was released;
        rows whose claim is not free are others' matter.
        """
        places = self.line.places(quoted[0], quoted[1])
        last = self.line.before(self._released, places)
        if not len(self._released):
            return quoted[0][:0], quoted[1][:0]
        bad = (last != NOWHERE) & (self._released_at[last] >= quoted[2])
        bad &= self.holders(quoted) == NEVER
        return self._released_of[last[bad]], quoted[1][bad]

    def settled_since(
        self, quoted: U64, settled: list[tuple[int, int, int, int]]
    ) -> tuple[U64, U64]:
        """Takers that were disputed, and rows whose quotation was fetched before that
        was settled; rows whose claim is not free are others' matter.
        """
        found = np.full(quoted.shape[1], NEVER)
        places = self.line.places(quoted[0], quoted[1])
        at = np.searchsorted(self.places, places)
        for thing, taker, end, time in settled:
            things, marks = np.full(2, thing, np.uint64), np.array((taker, end))
            own_place, place = self.line.places(things, marks.astype(np.uint64))
            own = np.searchsorted(self.places, own_place)
            behind = (quoted[0] == np.uint64(thing)) & (places >= place)
            behind &= (quoted[2] <= np.uint64(time)) & (at - own <= TAKERS_MAX)
            found[behind] = taker
        bad = (found != NEVER) & (self.holders(quoted) == NEVER)
        bad &= self.blocked(quoted) == NEVER
        return found[bad], quoted[1][bad]
