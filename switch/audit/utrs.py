"""References of banks: what came in with one is credited once, by hand or by its line.

A top-up claims its reference, and so does the first line of a bank, of any of its
accounts, that says that something came in with it. However it was typed it is one:
without spaces, and in capitals; of top-ups by rules that did not know banks, just as it
stands. Memory: 16 bytes for each of these rows, as much again while sorting; 128 more
for each whose reference comes again.
"""

from typing import Final

import numpy as np

from switch.audit.banks import BANKS_RULES
from switch.audit.findings import Findings
from switch.audit.layout import (
    CLAIM,
    RECENT,
    REVERSAL,
    ROW,
    U64,
    Mask,
    Rows,
    mix,
    pick,
)
from switch.audit.reader import Journal
from switch.audit.register import Register
from switch.audit.timelines import NOWHERE, among, find, joined, repeated
from switch.codes import AccountKind, Kind

UTR_SEED: Final = 3
SPACE: Final = ord(" ")
SIZE: Final = 32
"""Of a reference, bytes."""
CASE_STEP: Final = np.uint8(ord("a") - ord("A"))
ONE: Final = np.uint64(1)
"""The lowest bit of what is kept of a row: its flags claim the reference."""
UNCLAIMED: Final = "it does not claim its reference as a UTR, and nobody had"


class Utrs:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """Nothing seen yet. `register` and its accounts are shared."""
        self.register = register
        self.accounts = register.accounts
        self.findings = findings
        self._hashes: list[U64] = []
        self._marks: list[U64] = []
        # When `finish` is done: hashes, ascending, and whose, of one hash ascending.
        self._known = self._sequences = np.empty(0, np.uint64)

    def take(self, rows: Rows) -> None:
        """Take accepted top-ups, and what banks have booked."""
        top_ups = rows["kind"] == Kind.TOP_UP
        flags, sequence = rows["flags"], rows["sequence"]
        lacking = top_ups & ((flags & np.uint16(CLAIM)) == 0)
        text = "it does not claim its bank reference"
        self.findings.add_rows("claims", sequence[lacking], text)
        came = ~top_ups & ((flags & np.uint16(REVERSAL)) == 0)
        came &= self.accounts["kind"][rows["debit"]] == AccountKind.BANK
        says = (flags & np.uint16(RECENT)) != 0
        text = "it claims its reference as a UTR, and says nothing that came in"
        self.findings.add_rows("banks", sequence[says & ~came & ~top_ups], text)
        takes = top_ups | came
        taking = pick(rows, takes)
        self._hashes.append(hashed(taking))
        marks = taking["sequence"] << ONE
        self._marks.append(marks | (top_ups | says)[takes].astype(np.uint64))

    def finish(self, journal: Journal) -> None:
        """Judge all of them, reading again what must be proven."""
        hashes, marks = joined(self._hashes), joined(self._marks)
        order = np.lexsort((marks, hashes))
        hashes, marks = hashes[order], marks[order]
        self._known, self._sequences = hashes, marks >> ONE
        several = among(hashes, repeated(hashes.copy()))
        alone = self._sequences[~several & ((marks & ONE) == 0)]
        self.findings.add_rows("banks", np.sort(alone), UNCLAIMED)
        self._once(journal.rows_at(np.sort(self._sequences[several])))

    def _once(self, rows: Rows) -> None:
        """Rows of which several may have one reference: the first has it."""
        since = self.register.rules_since(BANKS_RULES)
        seen, typed = dict[bytes, int](), dict[bytes, int]()
        for row, words in zip(rows, canonical(rows["reference"]), strict=True):
            sequence, key = int(row["sequence"]), words.tobytes()
            raw = row["reference"].tobytes()
            first = seen.setdefault(key, sequence)
            before = typed.setdefault(raw, sequence)
            if row["kind"] == Kind.TOP_UP:
                other = first if sequence >= since else before
                if other != sequence:
                    text = f"its bank reference was credited by sequence {other}"
                    self.findings.add("utrs", sequence, text)
                continue
            says = bool(int(row["flags"]) & RECENT)
            if first == sequence and not says:
                self.findings.add("banks", sequence, UNCLAIMED)
            elif first != sequence and says:
                text = f"it claims a UTR that sequence {first} has claimed"
                self.findings.add("banks", sequence, text)

    def claimers(self, journal: Journal, rows: Rows) -> Rows:
        """The rows before some that have claimed their references, or empty ones."""
        claimers = np.zeros(len(rows), ROW)
        at = find(hashed(rows), self._known)
        found = np.flatnonzero(at != NOWHERE)
        found = found[self._sequences[at[found]] < rows["sequence"][found]]
        before = journal.rows_at(self._sequences[at[found]])
        theirs = canonical(before["reference"])
        same = (theirs == canonical(rows["reference"][found])).all(axis=1)
        claimers[found[same]] = before[same]
        return claimers

    def taken_before(self, journal: Journal, rows: Rows) -> Mask:
        """Whose reference another row had claimed before."""
        taken: Mask = self.claimers(journal, rows)["sequence"] != 0
        return taken


def canonical(references: U64) -> U64:
    """References as banks write them: without spaces, in capitals."""
    text = np.ascontiguousarray(references).view(np.uint8).reshape(-1, SIZE).copy()
    small = (text >= ord("a")) & (text <= ord("z"))
    text[small] -= CASE_STEP
    spaces = text == SPACE
    some = spaces.any(axis=1)
    if some.any():
        # What is no space keeps its order, and the zeros behind it stay there.
        order = np.argsort(spaces[some], axis=1, kind="stable")
        closed = np.take_along_axis(text[some], order, axis=1)
        closed[closed == SPACE] = 0
        text[some] = closed
    words: U64 = text.view(np.uint64)
    return words


def hashed(rows: Rows) -> U64:
    """Hashes of what rows claim."""
    return mix(UTR_SEED, *canonical(rows["reference"]).T)
