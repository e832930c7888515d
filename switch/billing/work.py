"""What is open with one biller, and when each payment is to be asked about again.

May use the core and the tables. Knows no health, no connections and no network. `now`
is seconds of a monotonic clock, `wall_ns` is UTC.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Rows
from switch.billing._hot import ASK, CANCEL
from switch.billing.answers import id_words
from switch.billing.choice import choose_checks, choose_confirms, choose_undecided
from switch.billing.deadlines import NS_IN_MS, Moments, moments
from switch.billing.heads import heads_of
from switch.billing.lines import Mask, Numbers, Parts, Places, State
from switch.billing.schedule import UNDECIDED_SHARE, Minute, Schedule, spread
from switch.billing.shares import share_of
from switch.billing.table import Table
from switch.billing.undecided import Because, Undecided
from switch.config import BillerConfig
from switch.ledger import baskets
from switch.register.margins import NO_MARGINS, BillerMargins

NOBODY: Places = np.zeros(0, np.int64)
NO_NUMBERS: Numbers = np.zeros(0, np.uint64)
Operators = npt.NDArray[np.uint32]
NO_OPERATORS: Operators = np.zeros(0, np.uint32)
CANCELS_MAX = 256
"""Questions, baskets among them, that are given back at a time."""
WISHES_MAX = 4_096
"""Cancelled questions whose operator is remembered, should the ledger be busy."""


class Chosen(NamedTuple):
    """Whom to ask now."""

    confirms: Places
    checks: Places
    undecided: Places
    """Of the undecided; the others are the table's."""
    behind: bool
    """Whether others wait behind, who may be asked at once."""


class Room(NamedTuple):
    """How much may be asked now."""

    most: int
    """Questions that may be out."""
    left: int
    """Of these, and of a message, what is left."""
    half: int
    """Of all that the biller takes at a time."""
    limits: Mapping[int, int]
    """Of centres that may have less than a share."""
    skew_ns: int
    """How much the biller's clock differs."""


class Work:
    """Of one biller."""

    def __init__(
        self,
        config: BillerConfig,
        margins: Callable[[], BillerMargins] = lambda: NO_MARGINS,
    ) -> None:
        """Nothing is open. `margins` tells those that were in force, and are."""
        self._config = config
        self._margins = margins
        self.table = Table()
        self.undecided = Undecided()
        self.schedule = Schedule(config)
        self.table.set_times(
            config.credit_margin_ms * NS_IN_MS,
            config.answer_timeout_ms * NS_IN_MS,
            self.schedule.fresh_ns,
        )
        self._minute = Minute()
        self._minute_of_undecided = Minute()
        self._wishes: dict[int, int] = {}
        """Of questions that are being cancelled: the operator who wished it."""

    # --- payments come and go ----------------------------------------------------

    def add(
        self, holds: Rows, ledger: Ledger, wall_ns: int, before: float | None = None
    ) -> tuple[Places, list[int]]:
        """Take in accepted open holds (rows), later than all before.

        `before` is the time of a start, of those that are older than it: nobody knows
        what their biller has been asked. Returns the places of the new questions, and
        the numbers of those whose first payment is damaged: they are left out.
        """
        heads, counts, lost = heads_of(holds, ledger)
        if not len(heads):
            return np.zeros(0, np.int64), lost
        # Budgets start anew with the switch, but not for what has had its calls.
        calls = self.schedule.calls_by_age(heads["timestamp"], wall_ns)
        confirm_until, credit_until, final_from = self._moments(heads)
        parts = Parts(
            heads["sequence"],
            id_words(heads["id"]),
            heads["debit"],
            baskets.sizes(heads),
            counts,
            calls,
            credit_until,
            final_from,
        )
        places = self.table.add(parts, confirm_until)
        if before is not None:
            self.table.suspect(places, before)
        return places, lost

    def restore(
        self, holds: Rows, because: Because, ledger: Ledger, now: float, wall_ns: int
    ) -> list[int]:
        """At a start: take in what was kept, or is unverified. Lost ones as above.

        When they were asked about last nobody knows, so that their first questions are
        spread over the time that lies between two.
        """
        heads, counts, lost = heads_of(holds, ledger)
        if not len(heads):
            return lost
        _, credit_until, final_from = self._moments(heads)
        numbers = heads["sequence"]
        parts = Parts(
            numbers,
            id_words(heads["id"]),
            heads["debit"],
            baskets.sizes(heads),
            counts,
            # Whoever has not seen them has been asked.
            np.ones(len(heads), np.uint16),
            credit_until,
            final_from,
        )
        due_ns = final_from + (final_from - credit_until)
        waits = self.schedule.thin(due_ns, np.zeros(len(heads), np.bool_), wall_ns)
        self.undecided.add(parts, because, now + spread(waits, numbers))
        return lost

    def set_aside(
        self,
        numbers: Numbers,
        because: Because,
        now: float,
        wall_ns: int,
        *,
        credited: bool = False,
    ) -> None:
        """These questions are not to be confirmed any more; of a basket all of it.

        A number may come repeatedly. `credited`: the biller says that it has credited
        them, by another amount.
        """
        numbers = np.unique(numbers)
        places = self.table.find(numbers)
        here = places[places >= 0]
        if len(here):
            due_ns = self.table.due_ns(here)
            said = np.full(len(here), credited)
            at = now + self.schedule.thin(due_ns, said, wall_ns)
            if not credited:
                # What would be asked about before that is, as the budget allows.
                at = np.minimum(at, self.table.next_status(here, now))
            self.undecided.add(self.table.parts(here), because, at)
            self.table.let_go(here)
        known = self.undecided.find(numbers)
        known = known[known >= 0]
        self.undecided.turn(known, because)
        if credited:
            self.undecided.claim(known)

    def end(self, numbers: Numbers) -> None:
        """One payment of each of these questions is decided; they may come repeatedly.

        Numbers that are not here are left out.
        """
        here = self.table.resolve(numbers)
        if not here.all():
            self.undecided.resolve(numbers[~here])

    def is_undecided(self, numbers: Numbers) -> Mask:
        """Whether each is open still though its time has passed."""
        found: Mask = self.undecided.find(numbers) >= 0
        return found

    @property
    def is_empty(self) -> bool:
        """Whether nothing is open."""
        return not self.table.lines_count and not self.undecided.lines_count

    def is_due(self, now: float, wall_ns: int) -> bool:
        """Whether there may be somebody to ask."""
        return bool(self.undecided.lines_count or self.table.look(now, wall_ns) & ASK)

    @property
    def asked_count(self) -> int:
        """Questions without an answer."""
        counts = self.table.counts()
        asked = counts[State.CONFIRMING] + counts[State.CHECKING]
        if self.undecided.lines_count:
            asked += self.undecided.count(State.CHECKING)
        return asked

    def _moments(self, heads: Rows) -> Moments:
        return moments(heads, self._config, self._margins())

    @property
    def least_margin_ns(self) -> int:
        """The shortest margin of what may be asked to be credited: of what waits since
        before a change too, and of what is still to come.
        """
        newest_ns = self._config.credit_margin_ms * NS_IN_MS
        first = self.table.least_number
        return self._margins().least_since(first, newest_ns) if first else newest_ns

    # --- whom to ask -------------------------------------------------------------

    def to_confirm(
        self, most: int, in_message: int, wall_ns: int, skew_ns: int
    ) -> Places | None:
        """Whom to ask to confirm, as it mostly is: `choose` would give the same.

        None where there is something to weigh. No centre has a limit of its own.
        """
        if self.undecided.lines_count:
            return None
        return self.table.to_confirm(most, in_message, share_of(most), wall_ns, skew_ns)

    def choose(self, room: Room, now: float, wall_ns: int) -> Chosen:
        """Whom to ask, the undecided in what the others leave, or a quarter."""
        counts = self.table.counts()
        waiting = counts[State.WAITING] + counts[State.UNKNOWN]
        left, limits = room.left, room.limits
        undecided = checks = NOBODY
        if self.undecided.lines_count:
            undecided = self._choose_undecided(room, waiting, now)
            left -= len(undecided)
        if not waiting or left <= 0:
            return Chosen(NOBODY, NOBODY, undecided, behind=False)
        if counts[State.UNKNOWN]:
            budget = self._config.status_per_minute_max - self.status_questions(now)
            checks = choose_checks(
                self.table,
                # Status questions may not take all of the biller's time.
                min(left, room.half - counts[State.CHECKING]),
                budget - len(undecided),
                share_of(room.half),
                limits,
                now,
            )
        confirms, behind = choose_confirms(
            self.table,
            left - len(checks),
            share_of(room.most),
            limits,
            wall_ns,
            room.skew_ns,
        )
        return Chosen(confirms, checks, undecided, behind)

    def _choose_undecided(self, room: Room, waiting: int, now: float) -> Places:
        """Of those that nobody has decided in time, while so many others wait."""
        most = self._config.status_per_minute_max
        # The last half of a minute's questions is for those that wait at a counter.
        rare = min(
            -(-most // UNDECIDED_SHARE) - self._minute_of_undecided.count(now),
            most - self.status_questions(now) - most // 2,
        )
        return choose_undecided(
            self.undecided,
            min(
                max(room.left // UNDECIDED_SHARE, room.left - waiting),
                # Of a half-open biller's few as well: who never answers keeps no room.
                max(room.most // UNDECIDED_SHARE, 1)
                - self.undecided.count(State.CHECKING),
                rare,
            ),
            share_of(room.half),
            room.limits,
            now,
        )

    def ask(
        self, places: Places, state: int, connection: int, now: float, until: float
    ) -> None:
        """Questions go out about these of the table: CONFIRMING or CHECKING."""
        if state == State.CHECKING:
            free = int(np.count_nonzero(self.table.free(places)))
            self._minute.add(len(places) - free, now)
        self.table.ask(places, state, connection, now, until)

    def ask_undecided(
        self, places: Places, connection: int, now: float, until: float
    ) -> None:
        """Questions go out about these of the undecided."""
        self._minute.add(len(places), now)
        self._minute_of_undecided.add(len(places), now)
        self.undecided.ask(places, connection, now, until)

    def status_questions(self, now: float) -> int:
        """Status questions of the last minute."""
        return self._minute.count(now)

    # --- time --------------------------------------------------------------------

    def disconnect(self, connection: int, now: float, wall_ns: int) -> Numbers:
        """What was asked on it is asked about; the numbers that are unknown by it."""
        table = self.table
        places = table.asked_on(connection)
        # Connections may break without end, calls do not.
        has_calls = table.calls(places) < self._config.status_calls_max
        table.suspect(places[has_calls], now)
        self.doubt(places[~has_calls], now, wall_ns)
        self.rest(self.undecided.asked_on(connection), now, wall_ns)
        return table.numbers(places)

    def doubt(self, places: Places, now: float, wall_ns: int) -> Numbers:
        """Of the table: unknown until the schedule's next time; their numbers."""
        table = self.table
        wait = self.schedule.wait(
            table.calls(places), table.final_from(places), wall_ns
        )
        table.doubt(places, now + wait)
        return table.numbers(places)

    def rest(self, places: Places, now: float, wall_ns: int) -> None:
        """Of the undecided: not asked about until it is time again."""
        due_ns, credited = (
            self.undecided.due_ns(places),
            self.undecided.credited(places),
        )
        self.undecided.rest(places, now + self.schedule.thin(due_ns, credited, wall_ns))

    def cancels(self, now: float, wall_ns: int) -> tuple[Numbers, Operators]:
        """The holds of payments that were never offered and must not be credited now;
        and of each who wished that before, or 0.

        From here on they are not asked about. Those that the ledger has not given
        back within the time of an answer come again.
        """
        table = self.table
        if not table.look(now, wall_ns) & CANCEL:
            return NO_NUMBERS, NO_OPERATORS
        # What the ledger has not given back may be on its way there still: it is never
        # asked about again, or its biller could credit what goes back.
        again = table.due(State.CANCELLING, now)
        places = np.union1d(again, table.not_offered(wall_ns))
        # What its deadline has kept nobody gives back alone.
        late = table.due_ns(places) <= wall_ns
        table.suspect(places[late], now)
        places = places[~late][:CANCELS_MAX]
        # A wish is brought again once: what the ledger took of it has answered by then.
        wished = [
            self._wishes.pop(number, 0) for number in table.numbers(places).tolist()
        ]
        operators: Operators = np.repeat(
            np.array(wished, np.uint32), table.sizes(places).astype(np.int64)
        )
        return self._give_back(places, now), operators

    def cancel(self, number: int, operator: int, now: float, wall_ns: int) -> Numbers:
        """The holds of one question that its biller was never offered; else none.

        From here on it is not asked about, as above, and may be cancelled again.
        `operator` of its centre wishes it, 0 if it does not say.
        """
        table = self.table
        places = table.find(np.array([number], np.uint64))
        places = places[places >= 0]
        states = table.states(places)
        fresh = (states == State.WAITING) | (states == State.CANCELLING)
        fresh &= ~table.offered[places] & (table.due_ns(places) > wall_ns)
        if operator and fresh.any():
            if len(self._wishes) >= WISHES_MAX:
                self._wishes.pop(next(iter(self._wishes)))
            self._wishes[number] = operator
        return self._give_back(places[fresh], now)

    def _give_back(self, places: Places, now: float) -> Numbers:
        """The ledger is to end all payments of these questions; their numbers."""
        table = self.table
        table.cancel(places, now + self._config.answer_timeout_ms / 1000)
        sizes = table.sizes(places).astype(np.int64)
        members = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        numbers: Numbers = np.repeat(table.numbers(places), sizes)
        return numbers + members.astype(np.uint64)
