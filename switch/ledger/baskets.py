"""What columns of rows say of baskets: how many payments, and which of them each is.

A single one is an `Entry`. Rows of one basket stand side by side. Of a row that ends
a hold it is the hold's.
"""

import numpy as np
import numpy.typing as npt

from switch._core import Rows

SIZE_MAX = 16
"""Payments of a basket (`core/layout.pxd`)."""

_INDEX = 0xFF
_SIZE_SHIFT = 8


def places(rows: Rows) -> npt.NDArray[np.uint64]:
    """Place of each row in its basket, from 0, of a type to be taken from sequences."""
    found: npt.NDArray[np.uint64] = (rows["basket"] & _INDEX).astype(np.uint64)
    return found


def sizes(rows: Rows) -> npt.NDArray[np.uint8]:
    """Payments in the basket of each row, 1 outside one."""
    found: npt.NDArray[np.uint8] = np.maximum(rows["basket"] >> _SIZE_SHIFT, 1).astype(
        np.uint8
    )
    return found


def firsts(rows: Rows, field: str = "sequence") -> npt.NDArray[np.uint64]:
    """The sequence of the first hold of each hold's basket, or its own outside one.

    `field` has the hold: of rows that speak of one, `resolves`.
    """
    found: npt.NDArray[np.uint64] = rows[field] - places(rows)
    return found


def without_the_cut(rows: Rows, is_cut: bool) -> Rows:
    """The rows; of those that are cut off, without the basket that may go on behind."""
    if not is_cut or not len(rows) or not rows["basket"][-1]:
        return rows
    found: Rows = rows[rows["sequence"] < firsts(rows[-1:])[0]]
    return found
