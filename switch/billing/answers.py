"""Final answers of a biller as the ledger takes them: baskets spread, late ones found.

May use the core. Works on arrays of ANSWER; what an answer is worth is for the ledger
to say, which compares it with the hold once more.
"""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from switch._core import ANSWERS_MAX, Ledger, Request, Rows
from switch.billing.table import ID_WORDS, Numbers
from switch.codes import Kind, Result
from switch.ids import ID_SIZE
from switch.ledger import baskets

GATHER_MAX = 65_536
"""Rows that the ledger gathers in one call."""

Items = TypeVar("Items", bound=npt.NDArray[Any])
Sizes = npt.NDArray[np.uint8]


def answer_requests(
    answers: Rows, sizes: Sizes, biller: int, ledger: Ledger
) -> list[Request]:
    """Requests of at most ANSWERS_MAX answers of a biller (its participant index).

    `sizes` says of how many payments each answer speaks: those of a basket become as
    many, in one request. Raises CorruptionError.
    """
    if not len(answers):
        return []
    if len(answers) <= ANSWERS_MAX and (sizes == 1).all():
        return [Request.answers(answers, biller)]
    counts = sizes.astype(np.int64)
    ends = np.cumsum(counts)
    rows = np.repeat(answers, counts)
    members = np.arange(len(rows)) - np.repeat(ends - counts, counts)
    later = members > 0
    if later.any():
        rows["number"] += members.astype(np.uint64)
        rows["id"][later] = _ids(rows["number"][later], ledger)
    requests = []
    start = 0
    while start < len(rows):
        at = np.searchsorted(ends, start + ANSWERS_MAX, "right") - 1
        requests.append(Request.answers(rows[start : ends[at]], biller))
        start = int(ends[at])
    return requests


def _ids(numbers: Numbers, ledger: Ledger) -> npt.NDArray[np.uint8]:
    """The ids of these holds; zeros for the damaged, which the ledger answers for."""
    ids = np.zeros((len(numbers), ID_SIZE), np.uint8)
    for at in range(0, len(numbers), GATHER_MAX):
        part = numbers[at : at + GATHER_MAX]
        rows, damaged = ledger.gather_whole(part)
        ids[at : at + GATHER_MAX][~np.isin(part, damaged)] = rows["id"]
    return ids


def find_late(answers: Rows, ledger: Ledger) -> tuple[Rows, Sizes]:
    """Of final answers about nothing open, those that name a hold by number and id.

    With the payments of each. An answer about a later payment of a basket is none. What
    is said of a damaged hold is passed on: the ledger answers for it.
    """
    if not len(answers):
        return answers, np.zeros(0, np.uint8)
    numbers = answers["number"]
    answers = answers[(numbers > 0) & (numbers <= ledger.sequence)]
    holds, damaged = ledger.gather_whole(answers["number"])
    whole = ~np.isin(answers["number"], damaged)
    right, sizes = ~whole, np.ones(len(answers), np.uint8)
    right[whole] = (
        (holds["kind"] == Kind.HOLD)
        & (holds["result"] == Result.OK)
        & (baskets.places(holds) == 0)
        & (id_words(holds["id"]) == id_words(answers["id"][whole])).all(axis=1)
    )
    sizes[whole] = baskets.sizes(holds)
    return answers[right], sizes[right]


def some(records: Items, mask: npt.NDArray[np.bool_]) -> Items:
    """Those of the records; without a copy where that is all, as it mostly is."""
    if np.count_nonzero(mask) == len(mask):
        return records
    found: Items = records[mask]  # type: ignore[assignment]
    return found


def id_words(ids: npt.NDArray[np.uint8]) -> Numbers:
    """Ids of 16 bytes as two words each."""
    words: Numbers = np.ascontiguousarray(ids).view(np.uint64)
    return words.reshape(len(ids), ID_WORDS)
