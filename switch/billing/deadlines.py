"""Until when a payment may be confirmed and credited, and from when silence is final.

Pure: times of the ledger's clock, in nanoseconds, from a hold's row and the settings.

    accepted     confirm_until    credit_until     final_from       due
       |               |               |               |             |
       +-- CONFIRM may +-- it may be --+--- a clock ---+-- nobody ---+-- the money
           go out          answered        may be          credits       goes back,
                           and credited    wrong by        it any        or is kept
                                           as much         more

From `credit_until` to `due` is the margin, the half of it to `final_from`.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import Rows
from switch.config import BillerConfig
from switch.register.margins import BillerMargins

NS_IN_S = 10**9
NS_IN_MS = 10**6

Nanoseconds = npt.NDArray[np.uint64]


class Moments(NamedTuple):
    """Of payments, each by its hold."""

    confirm_until: Nanoseconds
    """No question to credit it leaves from then on."""
    credit_until: Nanoseconds
    """The biller's last moment to credit it."""
    final_from: Nanoseconds
    """A biller that has not seen it by a question sent then never credits it."""


def moments(holds: Rows, config: BillerConfig, margins: BillerMargins) -> Moments:
    """The moments of accepted holds (rows), each by the margin that was in force when
    it was held. Those of a basket have one deadline.
    """
    length = holds["deadline"].astype(np.uint64) * np.uint64(NS_IN_S)
    due = holds["timestamp"] + length
    margin = margins.at(holds["sequence"], config.credit_margin_ms * NS_IN_MS)
    margin = np.minimum(margin, length // 2)
    credit_until = due - margin
    # A service with a short deadline is asked all the same, for half of its time.
    answering = np.uint64(config.answer_timeout_ms * NS_IN_MS)
    answering = np.minimum(answering, (length - margin) // 2)
    return Moments(
        credit_until - answering, credit_until, credit_until + margin // np.uint64(2)
    )
