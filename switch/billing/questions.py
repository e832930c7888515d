"""Questions about lines as bytes; what is damaged cannot be asked about.

May use the core and the lines.
"""

import numpy as np

from switch._core import Ledger
from switch.billing.lines import Lines, Places
from switch.errors import CorruptionError


def write_questions(
    lines: Lines,
    places: Places,
    kind: int,
    deadline_ns: int,
    wall_ns: int,
    ledger: Ledger,
) -> tuple[bytes, Places, list[int]]:
    """Fields of a ConnectResponse, and the places that they are about.

    Lines that are damaged are let go; their numbers come last.
    """

    def write(some: Places) -> bytes:
        numbers, until = lines.numbers(some), lines.credit_until(some)
        return ledger.questions(numbers, kind, deadline_ns, wall_ns, until)

    try:
        return write(places), places, []
    except CorruptionError:
        pass
    written, whole = b"", np.ones(len(places), np.bool_)
    for at in range(len(places)):
        try:
            written += write(places[at : at + 1])
        except CorruptionError:
            whole[at] = False
    lost = lines.numbers(places[~whole]).tolist()
    lines.let_go(places[~whole])
    return written, places[whole], lost
