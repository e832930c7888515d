# What type checkers see of the growing sums in C.

from typing import final

import numpy as np
import numpy.typing as npt

from switch._core import Rows

@final
class Tally:
    """Counts and sums of paise by a key of 64 bits, as they come; no order."""

    def __len__(self) -> int:
        """How many keys there are."""

    def add(
        self,
        keys: npt.NDArray[np.uint64],
        counts: npt.NDArray[np.uint64],
        low: npt.NDArray[np.uint64],
        high: npt.NDArray[np.uint64],
    ) -> None:
        """Add sums as `Sums` has them. ValueError if columns have other lengths,
        MemoryError, with nothing added, if there is no room."""

    def add_paid(self, rows: Rows) -> bool:
        """Add the cells of payments that were done at once; False, and nothing, if one
        of the rows is another. ValueError for no rows, MemoryError as above."""

    def columns(self) -> npt.NDArray[np.uint64]:
        """Keys, counts, low and high of all, a row each, in no order."""
