"""What became of payments that took a claim, as far as the claim asks: who ended them,
and when they were in question. Memory: 26 bytes for each hold that took one and ended,
each whole refund, and each verify, late confirmation and correction.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from switch.audit.disputes import Disputes
from switch.audit.kinds import table_of
from switch.audit.layout import (
    CLAIM,
    PARTIAL,
    RECENT,
    RELEASE,
    U64,
    UNDOES,
    Index,
    Mask,
    Rows,
)
from switch.audit.timelines import NEVER, NOWHERE, Timeline
from switch.codes import Kind

POSTS, FREES, RELEASES, REFUNDS = 1, 2, 4, 8
"""Bits: it completes a payment; it ends a claim of a bill; its row says that it does;
it refunds the whole."""
EXPIRES, VERIFIES, CONFIRMS, CORRECTS = 16, 32, 64, 128
"""It gives back and leaves it in question; it says that nothing was credited, or that
what was leaves nothing claimed; that it was credited, after all; it pays that."""
DISPUTES, SETTLES = 256, 512
"""From it on what was refunded is disputed; or is no more."""
BITS: Final = np.uint16
OF_KINDS: Final = {
    Kind.POST: POSTS,
    Kind.EXPIRE: EXPIRES,
    Kind.REFUND: REFUNDS,
    Kind.VERIFY: VERIFIES,
    Kind.CASE: CONFIRMS,
    Kind.TRANSFER: CORRECTS,
}


def _of_kinds() -> npt.NDArray[np.uint16]:
    table = np.zeros(256, dtype=BITS)
    for kind, bits in OF_KINDS.items():
        table[kind] = bits
    return table


TABLE: Final = _of_kinds()
ENDING: Final = table_of(Kind.VOID, Kind.VERIFY, Kind.REFUND)
"""Kinds of rows that end a claim of a bill; a post does if the claim is partial."""


@dataclass(frozen=True)
class Ends:
    """Rows that ended what `takers` did: sequences, times and bits."""

    takers: U64
    sequences: U64
    times: U64
    bits: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, takers: Rows, rows: Rows) -> Self:
        """Of pairs of rows, those that a claim asks for. Refunds are whole ones."""
        return cls.speaking(takers["sequence"], takers["flags"], rows)

    @classmethod
    def speaking(cls, takers: U64, flags: npt.NDArray[np.uint16], rows: Rows) -> Self:
        """The same of takers whose flags are known; all of rows that speak of doubt."""
        kind = rows["kind"]
        claims = (flags & np.uint16(CLAIM)) != 0
        frees = ENDING[kind]
        frees |= (kind == Kind.POST) & ((flags & np.uint16(PARTIAL)) != 0)
        frees &= claims
        moves = kind == Kind.TRANSFER
        undoes = moves & ((rows["flags"] & np.uint16(UNDOES)) != 0)
        partial = moves & ((rows["flags"] & np.uint16(PARTIAL)) != 0)
        frees |= claims & (undoes | partial)
        releases = (rows["flags"] & np.uint16(RELEASE)) != 0
        bits = TABLE[kind] | frees * BITS(FREES) | releases * BITS(RELEASES)
        bits |= (undoes | partial) * BITS(VERIFIES)
        bits &= ~(undoes * BITS(CORRECTS))
        asked = claims | ((flags & np.uint16(RECENT)) != 0)
        asked |= (bits & BITS(CONFIRMS | CORRECTS)) != 0
        asked |= undoes
        return cls(
            takers[asked],
            rows["sequence"][asked],
            rows["timestamp"][asked],
            bits[asked],
        )

    @classmethod
    def joined(cls, parts: "list[Ends]") -> Self:
        """One of many, which are let go."""
        columns = [(one.takers, one.sequences, one.times, one.bits) for one in parts]
        parts.clear()
        none = np.empty(0, np.uint64)
        empty = none, none, none, np.empty(0, BITS)
        takers, sequences, times, bits = (
            np.concatenate(column) for column in zip(empty, *columns, strict=True)
        )
        return cls(takers, sequences, times, bits)

    def disputed(self, disputes: Disputes) -> Self:
        """These, and the rows from which on payments are disputed or are no more."""
        settled = disputes.settled()
        none = np.uint64(0)
        marks = (
            (disputes.takers, disputes.begins, DISPUTES),
            (settled.takers, settled.ends, SETTLES),
        )
        parts: list[Ends] = [self]
        for takers, sequences, bit in marks:
            times = np.full(len(takers), none)
            parts.append(
                Ends(takers, sequences, times, np.full(len(takers), bit, BITS))
            )
        return self.joined(parts)

    def where(self, index: "Index | Mask") -> "Ends":
        """Some of them."""
        return Ends(
            self.takers[index],
            self.sequences[index],
            self.times[index],
            self.bits[index],
        )

    def having(self, bits: int) -> Mask:
        """Which have one of some bits."""
        mask: Mask = (self.bits & BITS(bits)) != 0
        return mask

    def late(self) -> tuple[U64, U64, U64]:
        """Takers that were confirmed late, ascending, each from which row on and up to
        which: the verify behind it, or for ever.
        """
        late, verifies = (self.where(self.having(b)) for b in (CONFIRMS, VERIFIES))
        order = np.lexsort((late.sequences, late.takers))
        takers, begins = late.takers[order], late.sequences[order]
        verifies = verifies.where(np.lexsort((verifies.sequences, verifies.takers)))
        line = Timeline([takers, verifies.takers], [begins, verifies.sequences])
        known = line.places(verifies.takers, verifies.sequences)
        places = line.places(takers, begins)
        at = np.searchsorted(known, places)
        at[at == len(known)] = NOWHERE
        behind = line.earlier(known, places, at)
        ends = np.full(len(takers), NEVER)
        there = behind != NOWHERE
        ends[there] = verifies.sequences[behind[there]]
        return takers, begins, ends
