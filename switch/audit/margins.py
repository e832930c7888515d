"""Margins: how long before its deadline nobody credits a payment any more.

The switch says them at its starts, by number 1, and each row names the one before. They
say by when a hold could be given back; whether it was, rows do not say: a biller may
reject at any time, in the words that the switch uses itself, and so may a counter
cancel what nobody was asked about. Memory: nothing that grows.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from switch.audit.layout import BILLER_MARGIN, MARGIN_RECORD, MARGIN_RULES
from switch.codes import RowFlag

MARGINS_MAX: Final = 4_096
LEAST_MS: Final = 10
MOST_MS: Final = 3_600_000
CODE: Final = re.compile(rb"[a-z0-9-]{1,32}")


class Margins:
    """What the register's rows have said of them so far."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.newest = 0

    def apply(self, row: np.void, tail: bytes, rules: int) -> Iterator[str]:
        """Note an accepted row; what is wrong with it, under these rules (0: not
        known).
        """
        if wrong := _broken(tail, rules):
            yield f"its record {wrong}"
        update = bool(int(row["flags"]) & RowFlag.UPDATE)
        if int(row["debit"]) != 1 or update != bool(self.newest):
            yield f"there is one number of margins, the row says {row['debit']}"
        if int(row["resolves"]) != self.newest:
            yield f"it names {row['resolves']} as the one before, not {self.newest}"
        if row["participant"] or row["operator_"]:
            yield "the switch says its margins itself, and somebody has sent the row"
        self.newest = int(row["sequence"])


def _broken(tail: bytes, rules: int) -> str:
    """What is wrong with a record by itself; empty if nothing is."""
    if 0 < rules < MARGIN_RULES:
        return f"is not known to rules {rules}"
    if len(tail) < MARGIN_RECORD.itemsize:
        return "is too short"
    record = np.frombuffer(tail, MARGIN_RECORD, 1)[0]
    number = int(record["count"])
    end = MARGIN_RECORD.itemsize + number * BILLER_MARGIN.itemsize
    if number > MARGINS_MAX or len(tail) < end:
        return "has fewer billers than it says, or more than there may be"
    own = np.frombuffer(tail, BILLER_MARGIN, number, MARGIN_RECORD.itemsize)
    silent = record["reserved_0"], record["reserved_1"], *own["reserved"]
    if any(any(bytes(each)) for each in silent):
        return "has bytes that say nothing"
    margins = np.append(own["margin_ms"], record["margin_ms"])
    if (margins < LEAST_MS).any() or (margins > MOST_MS).any():
        return "has a margin that none can be"
    if (own["margin_ms"] == record["margin_ms"]).any():
        return "has a biller with the margin of all others"
    codes = own["code"].tolist()
    if not all(CODE.fullmatch(code) for code in codes):
        return "has a biller that nobody can be"
    ascend = all(one < next_ for one, next_ in pairwise(codes))
    return "" if ascend else "has billers that are not in their order"
