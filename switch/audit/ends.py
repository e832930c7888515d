"""What became of payments that took a claim, as far as the claim asks: who ended them.

Memory: 25 bytes for each hold that took one and ended, and each whole refund.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from switch.audit.layout import CLAIM, PARTIAL, RECENT, RELEASE, U64, Index, Mask, Rows
from switch.codes import Kind

POSTS, FREES, RELEASES, REFUNDS = 1, 2, 4, 8
"""Bits: it completes a payment; it ends a claim of a bill; its row says that it does;
it refunds the whole."""
BITS: Final = np.uint8


@dataclass(frozen=True)
class Ends:
    """Rows that ended what `takers` did: sequences, times and bits."""

    takers: U64
    sequences: U64
    times: U64
    bits: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, takers: Rows, rows: Rows, *, refunds: bool = False) -> Self:
        """Of pairs of rows, those that a claim asks for."""
        flags = takers["flags"]
        posts = (rows["kind"] == Kind.POST) & (not refunds)
        partial = (flags & np.uint16(PARTIAL)) != 0
        frees = ((flags & np.uint16(CLAIM)) != 0) & (~posts | partial)
        releases = (rows["flags"] & np.uint16(RELEASE)) != 0
        bits = posts * BITS(POSTS) | frees * BITS(FREES) | releases * BITS(RELEASES)
        bits |= BITS(REFUNDS if refunds else 0)
        asked = frees | ((flags & np.uint16(RECENT)) != 0)
        return cls(
            takers["sequence"][asked],
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
