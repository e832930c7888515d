"""Booked rows: what banks say has come and gone, each line of theirs once.

A line that names what a centre has asked for, or what was released, meets that if it
fits, and then once; what meets nothing waits for people. So nothing that came for a
centre is kept from it, and nothing is credited that did not come. Where a row must
stand and between which accounts is judged at its place, what it names and claims when
all rows have passed. Memory: 24 bytes for each, as much again while sorting; 64 for
each statement.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.items import Items
from switch.audit.layout import (
    CLAIM,
    MATCHED,
    OK,
    REQUEST_LIFE_NS,
    REVERSAL,
    ROW,
    U64,
    Index,
    Mask,
    Rows,
    mix,
    pick,
)
from switch.audit.lines import Lines
from switch.audit.reader import Journal
from switch.audit.register import Register
from switch.audit.requests import Requests
from switch.audit.timelines import NEVER, NOWHERE, among, find, joined, repeated
from switch.audit.utrs import Utrs
from switch.codes import AccountKind, Kind

KEY_SEED: Final = 7
BALANCE_MAX: Final = 10**18
"""What a bank may have said that it has, or lacks: paise."""
TOGETHER: Final = 65_536
"""Rows that are read again at a time."""
NAMES_OTHER: Final = {
    True: "what its line names is no open request of its amount",
    False: "what its line names is no release of its amount",
}
"""By whether a row says what came in: it matches, and should not."""
NAMES_IT: Final = {
    True: "its line names an open request of its amount, and its wallet has not got it",
    False: "its line names a release of its amount, and it was not matched to that",
}
"""The same of one that does not match, and should."""


class Booked:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """`register` and its accounts are shared."""
        self.register = register
        self.accounts = register.accounts
        self.banks = register.banks
        self.findings = findings
        self.items = Items(register, findings)
        self.requests = Requests(register, findings)
        self._sequences: list[U64] = []
        self._about: list[U64] = []
        self._keys: list[U64] = []

    def _note(self, rows: Rows, texts: dict[str, Mask]) -> None:
        for text, wrong in texts.items():
            if wrong.any():
                self.findings.add_rows("banks", rows["sequence"][wrong], text)

    def _incoming(self, rows: Rows) -> Mask:
        """Which rows say what came in."""
        debit = rows["debit"]
        known = np.where(debit <= self.accounts.count, debit, 0)
        incoming: Mask = self.accounts["kind"][known] == AccountKind.BANK
        return incoming

    def take(self, rows: Rows) -> None:
        """Take accepted booked rows of accounts that there are."""
        incoming = self._incoming(rows)
        debit, credit = (rows[name].astype(np.intp) for name in ("debit", "credit"))
        mirror, other = (
            np.where(incoming, *sides) for sides in ((debit, credit), (credit, debit))
        )
        number = self.banks.of_mirrors(mirror)
        flags = rows["flags"]
        matched = (flags & np.uint16(MATCHED)) != 0
        own = other == self.banks.table[number, np.where(incoming, 1, 2)]
        wallet = self.accounts["kind"][other] == AccountKind.WALLET
        right = np.where(matched & incoming, wallet, own)
        back = (flags & np.uint16(REVERSAL)) != 0
        known = number > 0
        unknown = np.full(len(rows), not self.register.know_banks)
        self._note(
            rows,
            {
                f"it is not known to rules {self.register.version}": unknown,
                "it is of no bank account of the register": ~known,
                "its bank account is not active": known & ~self.banks.active[number],
                "its other account is not that of what it says": known & ~right,
                "it does not claim its line": (flags & np.uint16(CLAIM)) == 0,
                "it matches, and names nothing": matched & (rows["resolves"] == 0),
                "it matches, and takes a line back": matched & back,
            },
        )
        self._bounded(rows, mirror, incoming)
        self.items.booked(other, rows, incoming)
        self._sequences.append(rows["sequence"].copy())
        self._about.append(rows["resolves"].copy())
        self._keys.append(self._hashes(rows, mirror, incoming))

    def _bounded(self, rows: Rows, mirrors: Index, incoming: Mask) -> None:
        """What a bank has stays within bounds behind every row; the rows are counted
        in the accounts' totals already.
        """
        for mirror in np.unique(mirrors).tolist():
            mine = pick(rows, mirrors == mirror)
            amounts = mine["amount"].tolist()
            balance = int(self.accounts["debits_posted"][mirror])
            balance -= int(self.accounts["credits_posted"][mirror])
            if abs(balance) + sum(amounts) <= BALANCE_MAX:
                continue
            signs = np.where(incoming[mirrors == mirror], 1, -1).tolist()
            for at in reversed(range(len(mine))):
                if abs(balance) > BALANCE_MAX:
                    text = f"behind it its bank account has {balance} paise"
                    self.findings.add("banks", int(mine["sequence"][at]), text)
                balance -= signs[at] * amounts[at]

    @staticmethod
    def _hashes(rows: Rows, mirror: Index, incoming: Mask) -> U64:
        """Hashes of the keys of lines, or rows, of some mirrors."""
        back = (rows["flags"] & np.uint16(REVERSAL)) != 0
        account = mirror.astype(np.uint64) * np.uint64(4)
        account += np.where(incoming, np.uint64(0), np.uint64(2)) + back
        return mix(KEY_SEED, account, *rows["reference"].T)

    def refused(self, rows: Rows) -> None:
        """Judge refused booked rows, as far as they show their cause themselves."""
        incoming = self._incoming(rows)
        mirror = np.where(incoming, rows["debit"], rows["credit"]).astype(np.intp)
        number = self.banks.of_mirrors(mirror)
        both = (rows["debit"] != 0) & (rows["credit"] != 0)
        wrong = ~self.banks.active[number] | both
        text = "BOOKED_DIFFERS, and it is of no bank account that is active"
        self.findings.add_rows("refusals", rows["sequence"][wrong], text)

    def finish(
        self,
        journal: Journal,
        lines: Lines,
        utrs: Utrs,
        endings: list[Rows],
    ) -> None:
        """Judge everything, reading again what must be proven. `utrs` are finished;
        `endings`: those that were refused.
        """
        sequences, about = joined(self._sequences), joined(self._about)
        keys = joined(self._keys)
        self._once(journal, keys, sequences)
        named = np.flatnonzero(about)
        order = named[np.lexsort((sequences[named], about[named]))]
        recalled = self.items.named(endings)
        self._matches(journal, sequences[order], about[order], utrs, recalled)
        self.items.finish(journal, utrs, endings)
        order = np.argsort(keys, kind="stable")
        self._statements(journal, lines, keys[order], sequences[order])

    def _once(self, journal: Journal, keys: U64, sequences: U64) -> None:
        """A line of a bank is booked once."""
        again = repeated(keys.copy())
        rows = journal.rows_at(np.sort(sequences[among(keys, again)]))
        seen: dict[tuple[int, bool, int, bytes], int] = {}
        for row, incoming in zip(rows, self._incoming(rows).tolist(), strict=True):
            key = (
                int(row["debit"] if incoming else row["credit"]),
                incoming,
                int(row["flags"]) & REVERSAL,
                row["reference"].tobytes(),
            )
            first = seen.setdefault(key, int(row["sequence"]))
            if first != row["sequence"]:
                text = f"its line was booked by sequence {first}"
                self.findings.add("banks", int(row["sequence"]), text)

    def _matches(
        self, journal: Journal, sequences: U64, about: U64, utrs: Utrs, recalled: U64
    ) -> None:
        """What a row names it meets if that fits, and nothing has met it before, nor
        recalled it. It was there before its bank's word was: before the proposal, where
        people propose. `recalled`: what something recalls, or was refused to.
        """
        for part in _parts(about):
            rows = journal.rows_at(sequences[part])
            named = journal.rows_at(about[part])
            said = np.where(rows["total"] != 0, rows["total"], rows["sequence"])
            said = np.minimum(said, rows["sequence"])
            none = (named["sequence"] >= said) | (named["result"] != OK)
            named[none] = np.zeros((), ROW)
            incoming = self._incoming(rows)
            fits = np.where(
                incoming,
                self._asked(rows, named) & ~utrs.taken_before(journal, rows),
                self.items.is_release(named)
                & (named["credit"] == rows["debit"])
                & (named["amount"] == rows["amount"]),
            )
            fits &= (rows["flags"] & np.uint16(REVERSAL)) == 0
            matched = (rows["flags"] & np.uint16(MATCHED)) != 0
            first = np.ones(len(rows), dtype=np.bool_)
            np.not_equal(about[part][1:], about[part][:-1], out=first[1:])
            count = np.cumsum(matched) - matched
            before = count > count[first][np.cumsum(first) - 1]
            back = ~incoming & self.items.recalled(about[part], rows["sequence"])
            before |= back
            for row in rows[matched & ~incoming & among(about[part], recalled)]:
                self.items.met.setdefault(int(row["resolves"]), int(row["sequence"]))
            for came in (True, False):
                mine = incoming == came
                other = mine & matched & ~fits
                late = mine & ~matched & fits & ~before
                self._note(rows, {NAMES_OTHER[came]: other, NAMES_IT[came]: late})
            again = matched & before & fits
            other = matched & incoming & fits & (rows["credit"] != named["credit"])
            self._note(
                rows,
                {
                    "what its line names was met before": again & ~back,
                    "what its line names was recalled before": again & back,
                    "it credits another wallet than asked for it": other,
                },
            )

    def _asked(self, rows: Rows, named: Rows) -> Mask:
        """Whether what rows name is a request of theirs, not too old, of a wallet that
        is not closed.
        """
        fits: Mask = (named["kind"] == Kind.REQUEST) & (
            named["amount"] == rows["amount"]
        )
        age = rows["timestamp"] - named["timestamp"]
        fits &= age < np.uint64(REQUEST_LIFE_NS)
        if self.register.closes:
            closed = np.array(sorted(self.register.closes.items()), np.uint64)
            at = find(named["credit"].astype(np.uint64), closed[:, 0])
            since = np.where(at == NOWHERE, NEVER, closed[at, 1])
            fits &= since > rows["sequence"]
        return fits

    def _statements(
        self, journal: Journal, lines: Lines, keys: U64, sequences: U64
    ) -> None:
        """Every line of a statement was booked before it, to its bank account."""
        for one in self.banks.statements:
            asked = lines.proposed.get(one.proposal)
            if asked is None:
                continue
            asked = asked[:-1]
            incoming = asked["debit"] != 0
            mirror = np.where(incoming, asked["debit"], asked["credit"])
            if (mirror != self.banks.table[one.bank, 0]).any():
                text = "its lines are of another bank account"
                self.findings.add("banks", one.sequence, text)
            hashes = self._hashes(asked, mirror.astype(np.intp), incoming)
            at = find(hashes, keys)
            missing = at == NOWHERE
            rows = journal.rows_at(sequences[at[~missing]])
            there = rows["sequence"] < one.sequence
            there &= rows["amount"] == asked["amount"][~missing]
            there &= (rows["reference"] == asked["reference"][~missing]).all(axis=1)
            lacking = int(missing.sum()) + int((~there).sum())
            if lacking:
                text = f"{lacking} of its lines were not booked before it"
                self.findings.add("banks", one.sequence, text)


def _parts(about: U64) -> Iterator[slice]:
    """Slices of what ascends that part none of what is the same."""
    start = 0
    while start < len(about):
        last = about[min(start + TOGETHER, len(about)) - 1]
        end = int(np.searchsorted(about, last, side="right"))
        yield slice(start, end)
        start = end
