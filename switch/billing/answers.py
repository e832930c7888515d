"""Answers of a biller as the ledger takes them: baskets spread, late ones found, those
judged whose payments were not seen, and those refused that cannot be kept.

May use the core. Works on arrays of ANSWER; what an answer is worth is for the ledger
to say, which compares it with the hold once more.
"""

from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from switch._core import ANSWERS_MAX, Ledger, Request, Rows
from switch.billing.lines import (
    FETCH_BIT,
    ID_WORDS,
    Lines,
    Mask,
    Numbers,
    Places,
    State,
)
from switch.codes import Answered, Kind, Result
from switch.ids import ID_SIZE
from switch.ledger import baskets

GATHER_MAX = 65_536
"""Rows that the ledger gathers in one call."""

BAD_REFERENCE = 0x01
"""Of an answer's `bad` (`core/codes.pxd`): its reference cannot be kept."""
NOT_SEEN_REASON = b"NOT_SEEN"
"""The reason of a payment that is voided because its biller never saw it."""

Items = TypeVar("Items", bound=npt.NDArray[Any])
Sizes = npt.NDArray[np.uint8]


class Refused(NamedTuple):
    """An answer that was not taken: something of it is missing, or cannot be kept."""

    number: int
    field: str
    """Of the message Answer."""


def refuse(answers: Rows) -> tuple[Rows, list[Refused]]:
    """The answers that can be kept, and the others.

    Whoever has credited a payment says how much; an answer about a bill does not.
    """
    told = (answers["kind"] == Answered.CONFIRMED) & (answers["number"] < FETCH_BIT)
    bad = (answers["bad"] != 0) | (told & (answers["amount"] == 0))
    if not bad.any():
        return answers, []
    refused = [Refused(int(one["number"]), _field(one)) for one in answers[bad]]
    return answers[~bad], refused


def _field(answer: Rows) -> str:
    """What of an answer cannot be kept."""
    if not answer["bad"]:
        return "amount"
    return "biller_reference" if answer["bad"] & BAD_REFERENCE else "reason"


def match(answers: Rows, lines: Lines) -> tuple[Rows, Places, Rows]:
    """The answers that name a line by number and id, their places, and those whose
    number is not here. The others are wrong.
    """
    places = lines.find(answers["number"])
    known = places >= 0
    if not known.any():
        return answers[:0], places[:0], answers
    right = known & (lines.ids(places) == id_words(answers["id"])).all(axis=1)
    return some(answers, right), some(places, right), answers[~known]


def judge_unseen(
    answers: Rows, places: Places, unseen: Mask, lines: Lines, wall_ns: int
) -> tuple[Rows, Mask, int]:
    """What it means that the biller has not seen some of these payments.

    The answers, with rejections for what is final; which of them count; how many are
    wrong: no status had been asked for, or it is not said which time.
    """
    sent = answers["sent_ns"]
    wrong = unseen & ((lines.calls(places) == 0) | (sent == 0))
    # A question to credit it is on its way: the answer is from before that.
    stale = unseen & (lines.states(places) == State.CONFIRMING)
    final = unseen & ~wrong & ~stale & (lines.final_from(places) <= sent)
    final &= sent <= wall_ns
    answers = answers.copy()
    answers["kind"][final] = Answered.REJECTED
    put_reason(answers, final, NOT_SEEN_REASON)
    return answers, ~wrong & ~stale, int(np.count_nonzero(wrong))


def put_reason(answers: Rows, which: Mask, reason: bytes) -> None:
    """Have these of the answers give this reason."""
    padded = reason.ljust(answers["reason"].shape[1], b"\0")
    answers["reason"][which] = np.frombuffer(padded, np.uint8)
    answers["reason_size"][which] = len(reason)


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


def accepted(rows: Rows, *kinds: Kind) -> Rows:
    """The accepted rows of these kinds."""
    mask = np.isin(rows["kind"], kinds) & (rows["result"] == Result.OK)
    return some(rows, mask)


def id_words(ids: npt.NDArray[np.uint8]) -> Numbers:
    """Ids of 16 bytes as two words each."""
    words: Numbers = np.ascontiguousarray(ids).view(np.uint64)
    return words.reshape(len(ids), ID_WORDS)
