"""What may happen once only: ids, bank references, bills; and refunds.

Rows leave 64-bit hashes here; equal ones are found by sorting at the end, and what
looks equal is proven on the rows themselves. Memory: 8 bytes for each id, and as much
again while sorting; what claims and refunds need is said where they are judged (`utrs`,
`bills`, `takers`, `ends`, `refunds`).
"""

from typing import Final

import numpy as np

from switch.audit.bills import Bills
from switch.audit.disputes import SINCE as DISPUTED_SINCE
from switch.audit.disputes import Disputes
from switch.audit.ends import ENDING, Ends
from switch.audit.findings import Findings
from switch.audit.kinds import SPENDING
from switch.audit.layout import (
    CLAIM,
    OK,
    PARTIAL,
    RECENT,
    RELEASE,
    ROW,
    U64,
    UNDOES,
    Mask,
    Rows,
    mix,
    pick,
)
from switch.audit.prices import Priced
from switch.audit.reader import Journal
from switch.audit.refunds import Refunds
from switch.audit.register import Register
from switch.audit.spans import Resolutions
from switch.audit.takers import Takers
from switch.audit.timelines import among, joined, repeated
from switch.audit.utrs import Utrs
from switch.codes import CaseType, Kind

ID_SEED: Final = 4


def hash_ids(rows: Rows) -> U64:
    """Hashes of (id, sender) of the rows that have an id."""
    ids = rows["id"]
    some = (ids[:, 0] | ids[:, 1]) != 0
    if not some.all():
        rows = pick(rows, some)
        ids = rows["id"]
    return mix(ID_SEED, rows["participant"], ids[:, 0], ids[:, 1])


class Claims:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """Nothing seen yet."""
        self.findings = findings
        self.register = register
        self.bills = Bills(register, findings)
        self.takers = Takers(register, findings)
        self.refunds = Refunds(findings)
        self.utrs = Utrs(register, findings)
        self._ids: list[U64] = []
        self._ends: list[Ends] = []
        # Cases of other amounts, and what closed cases.
        self._differing = self._closes = np.empty(0, ROW)

    def ids(self, rows: Rows) -> None:
        """Note the ids of rows, refused ones too."""
        self._ids.append(hash_ids(rows))

    def paid(self, priced: Priced) -> None:
        """Note what accepted payments take."""
        rows = priced.rows
        claim = (rows["flags"] & np.uint16(CLAIM)) != 0
        if claim.all():
            self.bills.take(rows, priced.fetched())
        elif claim.any():
            self.bills.take(pick(rows, claim), priced.fetched()[claim])
        recent = np.flatnonzero(rows["flags"] & np.uint16(RECENT))
        if len(recent):
            self.takers.take(priced, recent)

    def refused(self, priced: Priced) -> None:
        """Note what refused payments would have taken."""
        self.bills.refuse(priced)
        self.takers.refuse(priced)

    def span(self, rows: Rows, found: Resolutions | None) -> None:
        """Note what accepted money rows that are no payments give back."""
        kind = rows["kind"]
        if SPENDING[kind].all():
            return
        named = (kind == Kind.TOP_UP) | (kind == Kind.BOOKED)
        if named.any():
            self.utrs.take(pick(rows, named))
        refunds = pick(rows, kind == Kind.REFUND)
        if len(refunds):
            self.refunds.add(refunds)
        self._releases(rows)
        if found is not None:
            self._ends.append(Ends.of(found.holds, pick(rows, found.at)))

    def _releases(self, rows: Rows) -> None:
        """Only what ends a payment for good releases its claim."""
        flags, kind = rows["flags"], rows["kind"]
        ending = ENDING[kind]
        partial = (kind == Kind.POST) | (kind == Kind.TRANSFER)
        ending |= partial & ((flags & np.uint16(PARTIAL)) != 0)
        ending |= (kind == Kind.TRANSFER) & ((flags & np.uint16(UNDOES)) != 0)
        ending &= (kind != Kind.TRANSFER) | (rows["resolves"] != 0)
        ending &= (flags & np.uint16(CLAIM)) != 0
        releases = (flags & np.uint16(RELEASE)) != 0
        expired = releases & (kind == Kind.EXPIRE)
        text = "it releases a claim, and none was taken or it ends nothing"
        bad = releases & ~ending & ~expired
        self.findings.add_rows("claims", rows["sequence"][bad], text)
        text = "it expires a hold and releases its claim, though it may be credited"
        self.findings.add_rows("claims", rows["sequence"][expired], text)

    def people(self, rows: Rows, corrections: Mask, undoings: Mask) -> None:
        """Note accepted rows of the people's kinds, of which some correct or undo."""
        late = (rows["kind"] == Kind.CASE) & (
            rows["total"] == CaseType.LATE_CONFIRMATION
        )
        verifies = rows["kind"] == Kind.VERIFY
        self._releases(pick(rows, verifies))
        cases = rows["kind"] == Kind.CASE
        differing = cases & (rows["total"] == CaseType.AMOUNT_DIFFERS)
        self._differing = pick(rows, differing)
        self._closes = pick(rows, rows["kind"] == Kind.CASE_CLOSE)
        rows = pick(rows, late | verifies | corrections | undoings)
        self._ends.append(Ends.speaking(rows["resolves"], rows["flags"], rows))

    def finish(self, journal: Journal, last: int) -> None:
        """Judge everything up to `last`, reading again what must be proven."""
        self._finish_ids(journal, last)
        self.utrs.finish(journal)
        takers, refunds = self.refunds.finish(journal)
        known = (takers["result"] == OK) & SPENDING[takers["kind"]]
        takers, refunds = pick(takers, known), pick(refunds, known)
        self._ends.append(Ends.of(takers, refunds))
        ends = Ends.joined(self._ends)
        disputes = Disputes.of(
            self._differing,
            self._closes,
            (takers, refunds),
            self.register.rules_since(DISPUTED_SINCE),
        )
        self.bills.finish(ends, disputes, journal)
        self.takers.finish(ends.disputed(disputes), journal)

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
