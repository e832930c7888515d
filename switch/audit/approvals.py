"""Four eyes: what needs two people has a proposal and an approval of it behind it.

Judged by content and not by place: a refund is the one proposed if kind, payment,
amount and proposer are the same and the checker is who approved; one approval lets one
of them happen. Releases are voids without a biller's word of holds that their deadline
keeps, once that has come; one approval lets all of a basket go. Before it a void needs
nobody: it cancels. Memory: 56 bytes for each refund, correction and release.
"""

from collections import defaultdict
from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.holds import due_times
from switch.audit.layout import EVIDENCE, KEEP, OK, Rows, pick
from switch.audit.reader import Journal
from switch.codes import Kind

Content = tuple[int, int, int, int]
"""Kind, what it is about, amount, proposer."""
FIELDS: Final = ("sequence", "kind", "resolves", "amount", "participant", "checker")
PLACE: Final = np.uint16(0xFF)
"""The bits of `basket` that say which place in it a row has."""


def lead_of(holds: Rows) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """The sequence of the first hold of each one's basket, its own without one."""
    lead: np.ndarray[tuple[int], np.dtype[np.uint64]]
    lead = holds["sequence"] - (holds["basket"] & PLACE).astype(np.uint64)
    return lead


class Approvals:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(self, findings: Findings) -> None:
        """Nothing seen yet."""
        self.findings = findings
        self._moves: list[tuple[int, ...]] = []
        self._releases: list[tuple[int, int, int]] = []

    def moved(self, rows: Rows) -> None:
        """Note accepted refunds, and transfers that name a case."""
        columns = (rows[name].tolist() for name in FIELDS)
        self._moves += zip(*columns, strict=True)

    def released(self, holds: Rows, rows: Rows) -> None:
        """Note voids of some holds that need two people."""
        alone = rows["kind"] == Kind.VOID
        alone &= (rows["flags"] & np.uint16(EVIDENCE)) == 0
        alone &= (holds["flags"] & np.uint16(KEEP)) != 0
        alone &= rows["timestamp"] >= due_times(holds)
        if alone.any():
            leads = lead_of(pick(holds, alone)).tolist()
            sequences = rows["sequence"][alone].tolist()
            checkers = rows["checker"][alone].tolist()
            self._releases += zip(sequences, leads, checkers, strict=True)

    def finish(self, journal: Journal, rows: Rows, spoken_of: Rows) -> None:
        """Judge by the approvals among `rows`, of which each speaks of its own row."""
        mine = (rows["kind"] == Kind.APPROVE) & (spoken_of["kind"] == Kind.PROPOSE)
        mine &= spoken_of["result"] == OK
        mine &= spoken_of["sequence"] < rows["sequence"]
        approvals, asked = rows[mine], spoken_of[mine]
        apart = (approvals["participant"] != asked["participant"]) | (
            approvals["operator_"] != asked["operator_"]
        )
        approvals, asked = approvals[apart], asked[apart]
        self._judge_moves(approvals, asked)
        self._judge_releases(journal, approvals, asked)

    def _judge_moves(self, approvals: Rows, asked: Rows) -> None:
        """Each refund or correction takes one approval of its own content."""
        given = defaultdict[Content, list[tuple[int, int]]](list)
        names = "total", "resolves", "amount", "participant"
        contents = zip(*(asked[name].tolist() for name in names), strict=True)
        for content, row in zip(contents, approvals, strict=True):
            given[content].append((int(row["sequence"]), int(row["participant"])))
        for sequence, kind, about, amount, sender, checker in sorted(self._moves):
            found = given.get((kind, about, amount, sender), [])
            for one in found:
                if one[0] < sequence and one[1] == checker:
                    found.remove(one)
                    break
            else:
                what = "refunds" if kind == Kind.REFUND else "corrects"
                text = f"it {what} {about}, and no two people asked for that"
                self.findings.add("approvals", sequence, text)

    def _judge_releases(self, journal: Journal, approvals: Rows, asked: Rows) -> None:
        """A release belongs to a case that its hold's basket has, and was approved."""
        given = defaultdict[int, list[tuple[int, int]]](list)
        voids = asked["total"] == int(Kind.VOID)
        cases = journal.rows_at(asked["resolves"][voids])
        leads = lead_of(journal.rows_at(cases["resolves"])).tolist()
        for lead, row in zip(leads, approvals[voids], strict=True):
            given[lead].append((int(row["sequence"]), int(row["participant"])))
        for sequence, lead, checker in self._releases:
            if not any(
                at < sequence and who == checker for at, who in given.get(lead, ())
            ):
                text = "it releases a hold: no biller's word, and no two people"
                self.findings.add("approvals", sequence, text)
