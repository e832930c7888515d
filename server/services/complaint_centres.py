"""Which centre has raised each complaint, remembered as it is met.

May use nothing of the server. A complaint's centre never changes, so that whoever lists
one centre's complaints need not read all others' each time. It is in memory alone, four
bytes for each number.
"""

import threading
from typing import Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint32]

_FIRST: Final = 1_024
"""Numbers that there is room for at first; then twice as many each time."""


class ComplaintCentres:
    """Participant indexes by complaint number. Any thread may call it."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._centres = np.zeros(_FIRST, np.uint32)
        self._growing = threading.Lock()

    def may_be_of(self, numbers: Numbers, centre: int) -> npt.NDArray[np.bool_]:
        """Of each number whether its complaint is this centre's, or not known."""
        known = self._centres
        found = np.zeros(len(numbers), np.uint32)
        within = numbers < len(known)
        found[within] = known[numbers[within]]
        is_wanted: npt.NDArray[np.bool_] = (found == 0) | (found == centre)
        return is_wanted

    def note(self, number: int, centre: int) -> None:
        """Remember whose a complaint is."""
        with self._growing:
            while number >= len(self._centres):
                self._centres = np.concatenate(
                    [self._centres, np.zeros_like(self._centres)]
                )
            self._centres[number] = centre
