"""A biller's complete list of a day: checked as a whole, and what follows from it.

May use the core, the register and the billers' parts. Blocks where it reads the ledger.
Works on arrays of ANSWER: a list may have a million lines, and Python acts once for
each message of them.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import ANSWER, Ledger, Request, Rows
from switch.billing.answers import (
    GATHER_MAX,
    Sizes,
    answer_requests,
    id_words,
    put_reason,
    refuse,
)
from switch.billing.deadlines import moments
from switch.billing.lacks import Lacks, lacks_of
from switch.billing.lines import Mask, Numbers
from switch.billing.not_listed import (
    NOT_LISTED_REASON,
    are_disputed,
    are_waited_for,
    exact_sum,
    not_listed,
)
from switch.calendar import day_date, day_start_ns
from switch.codes import Answered, Kind, Result
from switch.config import BillerConfig
from switch.errors import WireError
from switch.ledger import baskets
from switch.ledger.totals import first_at
from switch.register.register import Register

LINES_MAX = 1_000_000
"""Lines of one list."""
TOLD_MAX = 1_000
"""Numbers that are told of each sort of lines that are not as they should be."""

_LINES = "credited"
"""What the lines are called in a message."""
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)


class DayList:
    """What has arrived of a list. Nothing of it is believed before `close`."""

    def __init__(self, day: int, count: int, amount: int) -> None:
        """What the list says of itself: its IST day, its lines and their sum.

        Raises WireError if no list can have that.
        """
        if count > LINES_MAX:
            raise WireError(f"a list has at most {LINES_MAX:,} lines", "list.count")
        self.day = day
        self.count = count
        self._amount = amount
        self._parts: list[Rows] = []
        self._lines = 0
        self._sum = 0

    def take(self, lines: Rows) -> None:
        """More lines (ANSWER). Raises WireError if they cannot be lines of it."""
        self._lines += len(lines)
        if self._lines > self.count:
            raise WireError(f"there are more than {self.count} lines", _LINES)
        if (lines["kind"] != Answered.CONFIRMED).any():
            raise WireError("every line must be CONFIRMED", _LINES)
        _, refused = refuse(lines)
        if refused:
            one = refused[0]
            text = f"the line of {one.number} cannot be kept: {one.field}"
            raise WireError(text, _LINES)
        self._sum += exact_sum(lines["amount"])
        self._parts.append(lines)

    def close(self) -> Rows:
        """All lines, by number. Raises WireError if that is not the whole list."""
        if self._lines != self.count:
            text = f"{self._lines} lines have arrived of {self.count}"
            raise WireError(text, "list.count")
        if self._sum != self._amount:
            text = f"the lines come to {self._sum}, not to {self._amount}"
            raise WireError(text, "list.amount")
        lines = np.concatenate([np.zeros(0, ANSWER), *self._parts])
        self._parts.clear()
        lines = lines[np.argsort(lines["number"], kind="stable")]
        twice = np.flatnonzero(lines["number"][1:] == lines["number"][:-1])
        if len(twice):
            raise WireError(f"{lines['number'][twice[0]]} is listed twice", _LINES)
        return lines


class Plan(NamedTuple):
    """What is to be said to the ledger for a list."""

    listed: Rows
    """Lines that name a payment."""
    listed_sizes: Sizes
    unknown: Numbers
    """Numbers of the other lines."""
    rejected: Rows
    """What is not listed, whatever became of it, as answers. Of what is completed that
    is a case, of what was given back nothing new."""
    rejected_sizes: Sizes
    disputed: Numbers
    """What is not listed and has an open case about its amount: that is people's."""
    too_early: int
    damaged: int
    lacks: Lacks | None = None
    """What it lacks, if that is too much: then there is nothing to be said for it."""


def plan(
    lines: Rows,
    day: int,
    biller: int,
    config: BillerConfig,
    ledger: Ledger,
    register: Register,
    wall_ns: int,
) -> Plan:
    """What a whole list of a biller (its participant index) says of the day's payments.

    `wall_ns` is when it began to arrive: what could be credited after that says it
    nothing about. Raises CorruptionError; WireError if the list was made wrongly: who
    lists a payment of another day, or part of a basket, may have left out as much. Who
    lacks too much has not made the whole list, if two people do not say so.
    """
    first = first_at(ledger, day_start_ns(day_date(day)))
    end = first_at(ledger, day_start_ns(day_date(day + 1)))
    mine = np.array(
        [one.index for one in register.services() if one.biller == biller], np.uint64
    )
    listed, sizes, unknown, damaged = _match(lines, first, end, mine, ledger)
    numbers = np.ascontiguousarray(lines["number"])
    heads, lost = not_listed(numbers, first, end, mine, ledger)
    # Listed under another number: that is the biller's to put right, not to be undone.
    heads = heads[~np.isin(_marks(heads["id"]), _marks(lines["id"]))]
    margins = register.margins.of(register.participant(biller).spec.id)
    final = moments(heads, config, margins).final_from <= wall_ns
    lacks = lacks_of(lines, len(listed), day, heads[final], ledger)
    if lacks and not lacks.is_let_through(register.let_through(biller)):
        none = np.zeros(0, np.uint64)
        nothing = lines[:0], sizes[:0]
        return Plan(*nothing, none, *nothing, none, 0, 0, lacks)
    early = are_waited_for(heads[~final], ledger)
    gone = heads[final]
    return Plan(
        listed,
        sizes,
        unknown,
        _rejections(gone),
        baskets.sizes(gone),
        np.zeros(0, np.uint64),
        _count(early),
        damaged + len(lost),
    )


def without_disputed(planned: Plan, ledger: Ledger) -> Plan:
    """The same without what has an open case about its amount by now: what is listed
    takes its time, and its biller may have said so meanwhile. Raises CorruptionError.
    """
    numbers, sizes = planned.rejected["number"], planned.rejected_sizes
    disputed = are_disputed(numbers, sizes, ledger)
    return planned._replace(
        rejected=planned.rejected[~disputed],
        rejected_sizes=sizes[~disputed],
        disputed=numbers[disputed],
    )


def _match(
    lines: Rows, first: int, end: int, services: Numbers, ledger: Ledger
) -> tuple[Rows, Sizes, Numbers, int]:
    """The lines that name a payment by number and id, how many payments each is of, the
    numbers of the others, and how many are damaged. Raises WireError.
    """
    right = np.zeros(len(lines), np.bool_)
    sizes = np.ones(len(lines), np.uint8)
    lost = 0
    places = np.flatnonzero(
        (lines["number"] > 0) & (lines["number"] <= ledger.sequence)
    )
    known = np.ones(len(lines), np.bool_)
    for at in range(0, len(places), GATHER_MAX):
        part = places[at : at + GATHER_MAX]
        holds, damaged = ledger.gather_whole(lines["number"][part])
        whole = part[~np.isin(lines["number"][part], damaged)]
        lost += len(damaged)
        known[part] = False
        known[whole] = True
        named = (
            (holds["kind"] == Kind.HOLD)
            & (holds["result"] == Result.OK)
            & np.isin(holds["service"], services)
            & (id_words(holds["id"]) == id_words(lines["id"][whole])).all(axis=1)
        )
        _refuse(holds[named], first, end)
        right[whole] = named
        sizes[whole] = baskets.sizes(holds)
    unknown: Numbers = lines["number"][known & ~right]
    return lines[right], sizes[right], unknown, lost


def _refuse(listed: Rows, first: int, end: int) -> None:
    """Raise WireError if one of these holds is none that the list of this day has."""
    later = baskets.places(listed) > 0
    if later.any():
        number = listed["sequence"][later][0]
        raise WireError(f"{number} is not the first payment of its basket", _LINES)
    outside = (listed["sequence"] < first) | (listed["sequence"] >= end)
    if outside.any():
        number = listed["sequence"][outside][0]
        text = f"{number} is a payment of another day, by its time_ns"
        raise WireError(text, _LINES)


def _marks(ids: npt.NDArray[np.uint8]) -> Numbers:
    """One word for each id; two ids with the same are taken for one."""
    words = id_words(ids)
    marks: Numbers = words[:, 0] ^ (words[:, 1] * _GOLDEN)
    return marks


def _rejections(heads: Rows) -> Rows:
    answers = np.zeros(len(heads), ANSWER)
    answers["number"] = heads["sequence"]
    answers["id"] = heads["id"]
    answers["kind"] = Answered.REJECTED
    put_reason(answers, np.ones(len(heads), np.bool_), NOT_LISTED_REASON)
    return answers


# --- what came of it -----------------------------------------------------------------

_ALREADY, _CONFIRMED, _LATE, _DIFFERS, _UNKNOWN, _DAMAGED = range(6)
# Of a basket the greatest counts.
_SAYS = np.full(256, 255, np.uint8)
_SAYS[Result.OK] = _CONFIRMED
_SAYS[Result.ALREADY_EXPIRED] = _LATE
_SAYS[Result.ALREADY_VOIDED] = _LATE
_SAYS[Result.AMOUNT_DIFFERS] = _DIFFERS
_SAYS[Result.HOLD_NOT_FOUND] = _UNKNOWN
_SAYS[Result.DATA_DAMAGED] = _DAMAGED
# A rejection that contradicts what ended the hold.
_ENDED = [
    int(one)
    for one in (Result.ALREADY_POSTED, Result.ALREADY_EXPIRED, Result.ALREADY_VOIDED)
]


class Report(NamedTuple):
    """What came of a list, in lines."""

    confirmed: int
    already: int
    damaged: int
    rejected: int
    too_early: int
    differing: Numbers
    late: Numbers
    missing: Numbers
    unknown: Numbers
    disputed: Numbers
    lacks: Lacks | None


def listed_requests(planned: Plan, biller: int, ledger: Ledger) -> list[Request]:
    """For the committer, first. Raises CorruptionError."""
    return [*answer_requests(planned.listed, planned.listed_sizes, biller, ledger)]


def rejected_requests(planned: Plan, biller: int, ledger: Ledger) -> list[Request]:
    """And then, of a plan without what is disputed. Raises CorruptionError."""
    return [*answer_requests(planned.rejected, planned.rejected_sizes, biller, ledger)]


def report(planned: Plan, outcomes: Rows) -> Report:
    """What the ledger has answered to all of these requests (OUTCOME)."""
    split = int(planned.listed_sizes.sum(dtype=np.int64))
    said = _by_line(_says(outcomes[:split]), planned.listed_sizes)
    numbers = planned.listed["number"]
    rejected = outcomes[split:]
    fresh = (rejected["result"] == Result.OK) & (rejected["repeat"] == 0)
    # Without a case all was refunded, or the biller has contradicted itself before.
    insists = np.isin(rejected["result"], _ENDED) & (rejected["sequence"] > 0)
    missing = _by_line(insists.astype(np.uint8), planned.rejected_sizes)
    gone = _by_line(fresh.astype(np.uint8), planned.rejected_sizes)
    lost = _by_line(
        (rejected["result"] == Result.DATA_DAMAGED).astype(np.uint8),
        planned.rejected_sizes,
    )
    return Report(
        confirmed=_count(said == _CONFIRMED),
        already=_count(said == _ALREADY),
        damaged=planned.damaged + _count(said == _DAMAGED) + _count(lost > 0),
        rejected=_count((gone > 0) & (lost == 0)),
        too_early=planned.too_early,
        differing=numbers[said == _DIFFERS],
        late=numbers[said == _LATE],
        missing=planned.rejected["number"][missing > 0],
        # No number is in both. Sorting lets other threads go on; `union1d` does not.
        unknown=np.sort(np.concatenate([planned.unknown, numbers[said == _UNKNOWN]])),
        disputed=planned.disputed,
        lacks=planned.lacks,
    )


def _says(outcomes: Rows) -> Sizes:
    """What each outcome of a confirmation comes to."""
    said: Sizes = _SAYS[outcomes["result"]]
    assert (said < 255).all(), "a confirmation has an answer that it cannot have"
    said[(said == _CONFIRMED) & (outcomes["repeat"] > 0)] = _ALREADY
    # Without a case: people have had it paid after all.
    said[(said == _LATE) & (outcomes["sequence"] == 0)] = _ALREADY
    return said


def _by_line(values: Sizes, sizes: Sizes) -> Sizes:
    """The greatest value of each line's payments."""
    if not len(sizes):
        return values
    ends = np.cumsum(sizes, dtype=np.int64)
    greatest: Sizes = np.maximum.reduceat(values, ends - sizes)
    return greatest


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))
