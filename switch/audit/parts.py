"""What a payment's tail begins with: what was due and of whom, or the tariff's items.

The rows of a price rule that asks for it have a fixed part, refused ones too; behind it
stands the note. The parts of many rows are one array beside the rows, so that they are
judged together; of rows without one it is all zero.
"""

from typing import Self

import numpy as np
import numpy.typing as npt

from switch.audit.kinds import SPENDING
from switch.audit.layout import (
    BILL_PART,
    PART_SIZE,
    TAIL,
    TARIFF_PART,
    Index,
    Mask,
    Rows,
)

NO_ITEM = -1
"""The size of a tail item that is not there."""


class Parts:
    """The first bytes of rows' tail items, and how many bytes each item has."""

    def __init__(self, raw: npt.NDArray[np.uint8], sizes: Index) -> None:
        """`raw` has PART_SIZE bytes for each row, zeros behind an item's end."""
        self.raw = raw
        self.sizes = sizes

    @classmethod
    def of(cls, rows: Rows, first: int, tails: dict[int, bytes]) -> Self:
        """Those of payments among some rows; `first` is the first one for `tails`."""
        raw = np.zeros((len(rows), PART_SIZE), dtype=np.uint8)
        sizes = np.full(len(rows), NO_ITEM, dtype=np.intp)
        noted = SPENDING[rows["kind"]] & ((rows["flags"] & np.uint16(TAIL)) != 0)
        at = np.flatnonzero(noted)
        if len(at):
            items = [tails.get(place, b"") for place in (at + first).tolist()]
            sizes[at] = [len(item) for item in items]
            begins = b"".join(
                [item[:PART_SIZE].ljust(PART_SIZE, b"\0") for item in items]
            )
            raw[at] = np.frombuffer(begins, np.uint8).reshape(len(at), PART_SIZE)
        return cls(raw, sizes)

    def __getitem__(self, index: "slice | Index | Mask") -> "Parts":
        """Those of some of the rows."""
        return Parts(self.raw[index], self.sizes[index])

    @property
    def bill(self) -> Rows:
        """Read as parts of bills."""
        return self.raw.view(BILL_PART).reshape(len(self.raw))

    @property
    def tariff(self) -> Rows:
        """Read as parts of payments by tariff."""
        return self.raw.view(TARIFF_PART).reshape(len(self.raw))
