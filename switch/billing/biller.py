"""One biller: what it is asked, on which connection, and what its answers mean.

May use the core, the table, the health and the fetches of a biller. Knows no network
and commits nothing: questions leave as bytes through connections, answers become
requests for the committer. Works on whole messages with NumPy. `now` is seconds of a
monotonic clock, `wall_ns` is UTC. Belongs to the event loop's thread.
"""

import asyncio
import logging
from collections import Counter, deque
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Request, Rows
from switch.billing.answers import (
    Refused,
    answer_requests,
    find_late,
    id_words,
    judge_unseen,
    refuse_texts,
    some,
)
from switch.billing.bills import Fetched
from switch.billing.clocks import Clocks
from switch.billing.deadlines import NS_IN_MS, NS_IN_S, moments
from switch.billing.ends import Ends
from switch.billing.fetches import FETCH_BIT, Fetches
from switch.billing.health import Breaker, Health
from switch.billing.table import (
    NEVER,
    Mask,
    Numbers,
    Places,
    State,
    Table,
    Times,
    is_asked,
    is_first,
)
from switch.codes import Answered, Question, Result
from switch.config import BillerConfig, Retry
from switch.errors import CorruptionError, SwitchError
from switch.ledger import baskets
from switch.register.register import Service

log = logging.getLogger("switch.dispatch")

QUESTIONS_MAX = 4_096
"""Questions in one message to a biller."""
BASKET_MAX = 16
"""Payments in a basket (`core/layout.pxd`)."""
QUESTION_HOLDS_MAX = 8_190
"""Payments in these questions, those of baskets one by one."""
LATENCIES_MAX = 1_024
"""Answers that the percentiles speak of."""
CANCELS_MAX = 256
"""Questions, baskets among them, that are given back at a time."""
MINUTE_S = 60
FINAL_AFTER_S = 0.001
"""From when not to have seen a payment is final until it is asked about once more."""

_REJECTED = int(Answered.REJECTED)
_UNKNOWN = int(Answered.UNKNOWN)
_NOT_SEEN = int(Answered.NOT_SEEN)
_OK = int(Result.OK)
_ALREADY = (Result.ALREADY_POSTED, Result.ALREADY_VOIDED, Result.ALREADY_EXPIRED)


class Connection(Protocol):
    """One way to the biller."""

    @property
    def number(self) -> int:
        """From 1; no two of one server have the same."""

    @property
    def is_ready(self) -> bool:
        """Whether the message before has left."""

    def send(self, body: bytes) -> None:
        """Send a ConnectResponse. Never blocks."""


class Taken(NamedTuple):
    """What a message of answers comes to."""

    requests: list[Request]
    """For the committer, in order; a basket's answers are in one request."""
    wrong: int
    """Answers that are left out or malformed."""
    numbers: Numbers
    """Of the answers that need not be sent again once the requests are durable."""
    refused: list[Refused]
    """Answers that were not taken."""


class Biller:
    """What is open with one biller."""

    def __init__(self, index: int, name: str, config: BillerConfig, now: float) -> None:
        """`index` is the participant's, `name` its id."""
        self.index = index
        self.name = name
        self.config = config
        self.table = Table()
        self.breaker = Breaker(config, now)
        self.fetches = Fetches(name, config)
        self.clocks = Clocks()
        self.ends = Ends()
        self.results: Counter[str] = Counter()
        """Answers by what came of them, since the start."""
        self.has_connected = False
        """Whether it has had a connection since the start."""
        self.pulls = False
        """Whether it has looked for its payments by itself since the start."""
        self.news = 0
        """Questions that have come since it was asked last, while it had room."""
        self.lost: list[int] = []
        """Numbers of questions that cannot be written: their payments are damaged."""
        self._connections: deque[Connection] = deque()
        # A ring of the last answers' seconds, and how many there were.
        self._latencies = np.zeros(LATENCIES_MAX)
        self._timed = 0
        self._minute: deque[tuple[int, int]] = deque()
        # Whether there may be something to ask that there was not before.
        self._stirred = True
        # Not if there was no room for what waited when it was asked last.
        self._has_room = True
        self._intervals = _intervals(config)
        self._ages = np.cumsum(self._intervals)
        self._first_age_ns = int(self._intervals[0] * 1e9)
        self._codes = {
            code.encode("ascii", "replace"): retry
            for code, retry in config.codes.items()
        }

    # --- holds come and go -------------------------------------------------------

    def add(
        self, holds: Rows, ledger: Ledger, wall_ns: int, before: float | None = None
    ) -> list[int]:
        """Take in accepted open holds (rows), later than all before.

        `before` is the time of a start, of those that are older than it: nobody knows
        what their biller has been asked. Returns the numbers of the questions whose
        first payment is damaged: they are left out.
        """
        heads, counts, lost = _by_question(holds, ledger)
        if not len(heads):
            return lost
        if self._has_room:
            # Otherwise it is asked again after the next answer or tick.
            self._stirred = True
            self.news += len(heads)
        calls = np.zeros(len(heads), np.uint16)
        if wall_ns - int(heads["timestamp"][0]) >= self._first_age_ns:
            # Budgets start anew with the switch, but not for what has had its calls.
            ages = np.maximum(float(wall_ns) - heads["timestamp"], 0.0) / 1e9
            calls = np.searchsorted(self._ages, ages, "right").astype(np.uint16)
        places = self.table.add(
            heads["sequence"],
            id_words(heads["id"]),
            baskets.sizes(heads),
            counts,
            calls,
            moments(heads, self.config),
        )
        if before is not None:
            self.table.suspect(places, before)
        elif self.pulls:
            self.table.offer(places)
        return lost

    def is_in_doubt(self, number: int) -> bool:
        """Whether the question with this number has ever been unknown, and is open."""
        places = self.table.find(np.array([number], np.uint64))
        return bool(places[0] >= 0 and self.table.in_doubt(places)[0])

    @property
    def is_full(self) -> bool:
        """Whether new payments are to be turned away."""
        return self.table.open_count >= self.config.queue_max

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to ask, to wait for, or to count."""
        return not self.table.open_count and not self.fetches.count

    # --- connections -------------------------------------------------------------

    @property
    def connections_count(self) -> int:
        """Connections at the moment."""
        return len(self._connections)

    def attach(self, connection: Connection, now: float) -> None:
        """Ask on this connection as well."""
        self._connections.append(connection)
        self.has_connected = True
        self.breaker.connected(now)
        self._stirred = True

    def detach(self, connection: Connection, now: float, wall_ns: int) -> Numbers:
        """Forget a connection; what was asked on it is asked about.

        Returns the numbers of what has become unknown by it.
        """
        self._connections.remove(connection)
        self.clocks.forget(connection.number)
        self.breaker.disconnected(now)
        self._stirred = True
        self.fetches.lost(connection.number)
        places = self.table.asked_on(connection.number)
        # Connections may break without end, calls do not.
        has_calls = self.table.calls(places) < self.config.status_calls_max
        self.table.suspect(places[has_calls], now)
        self._doubt(places[~has_calls], now, wall_ns)
        return self.table.numbers(places)

    def pull(self) -> None:
        """It reads its feed: it may have heard of all payments, also those to come."""
        self.pulls = True
        self.table.offer(self.table.first(State.WAITING, self.table.open_count))

    # --- asking ------------------------------------------------------------------

    def fetch(
        self, service: Service, reference: str, centre: int, now: float
    ) -> "asyncio.Future[Fetched | SwitchError]":
        """Ask for bills with the next message. Raises BillerBusyError."""
        self._stirred = True
        return self.fetches.begin(service, reference, centre, now)

    def ask(self, ledger: Ledger, now: float, wall_ns: int) -> bool:
        """Send at most one message, to the next connection that is ready.

        Whether one was sent.
        """
        if not self.ends and (not self._stirred or self.is_idle):
            return False
        for place, connection in enumerate(self._connections):
            if connection.is_ready:
                self._stirred = False
                self.news = 0
                body = self._questions(connection.number, ledger, now, wall_ns)
                # Fields of messages that follow each other are those of one.
                body += self.ends.take()
                if body:
                    connection.send(body)
                    # The turn passes with a message, not with each look for one.
                    self._connections.rotate(-place - 1)
                return bool(body)
        return False

    def _questions(
        self, connection: int, ledger: Ledger, now: float, wall_ns: int
    ) -> bytes:
        self._has_room = True
        counts = self.table.counts()
        if not (counts[State.WAITING] or counts[State.UNKNOWN] or self.fetches.count):
            return b""
        fetching = self.fetches.asked_count
        asked = counts[State.CONFIRMING] + counts[State.CHECKING] + fetching
        room = min(self.breaker.room(asked, now), QUESTIONS_MAX)
        if not room:
            self._has_room = False
            return b""
        # Neither bills nor status questions may take all of the biller's time.
        half = (self.config.concurrency_max + 1) // 2
        fetch_deadline_ns = wall_ns + self.config.fetch_timeout_ms * 1_000_000
        fetches = max(min(room, half - fetching), 0)
        # By the ledger's time, whatever the clock does: after every row that is
        # durable, and no row that follows is before it.
        asked_ns = max(wall_ns, ledger.timestamp + 1)
        body = self.fetches.take(fetches, connection, asked_ns, fetch_deadline_ns)
        room -= self.fetches.asked_count - fetching
        due = self._due(max(min(room, half - counts[State.CHECKING]), 0), now)
        waiting = self._fitting(
            self.table.confirmable(room - len(due), wall_ns, abs(self.clocks.skew_ns))
        )
        timeout_ms = self.config.answer_timeout_ms
        deadline_ns = wall_ns + timeout_ms * 1_000_000
        until = now + timeout_ms / 1000
        for places, kind, state in (
            (due, Question.STATUS, State.CHECKING),
            (waiting, Question.CONFIRM, State.CONFIRMING),
        ):
            if len(places):
                text, places = self._write(places, kind, deadline_ns, wall_ns, ledger)
                body += text
                if kind == Question.STATUS:
                    budgeted = len(places) - np.count_nonzero(self.table.free(places))
                    self._minute.append((int(now), int(budgeted)))
                self.table.ask(places, state, connection, now, until)
        return body

    def _due(self, limit: int, now: float) -> Places:
        """Whose status is to be asked for now, within the minute's budget."""
        due = self.table.due(State.UNKNOWN, now)
        if not len(due):
            return due
        budget = self.config.status_per_minute_max - self.status_questions(now)
        free = self.table.free(due)
        due = due[free | (np.cumsum(~free) <= budget)]
        return self._fitting(due[:limit])

    def _write(
        self,
        places: Places,
        kind: int,
        deadline_ns: int,
        wall_ns: int,
        ledger: Ledger,
    ) -> tuple[bytes, Places]:
        """Questions about these lines, and which of the lines they are about.

        What is damaged cannot be asked about: it is let go, its number is in `lost`.
        """

        def write(some: Places) -> bytes:
            numbers, until = self.table.numbers(some), self.table.credit_until(some)
            return ledger.questions(numbers, kind, deadline_ns, wall_ns, until)

        try:
            return write(places), places
        except CorruptionError:
            pass
        written, whole = b"", np.ones(len(places), np.bool_)
        for at in range(len(places)):
            try:
                written += write(places[at : at + 1])
            except CorruptionError:
                whole[at] = False
        lost = self.table.numbers(places[~whole]).tolist()
        self.table.let_go(places[~whole])
        self.lost += lost
        log.error("%s cannot be asked about damaged entries: %s", self.name, lost)
        return written, places[whole]

    def _fitting(self, places: Places) -> Places:
        """The first of them, as far as one message has room for their payments."""
        if len(places) * BASKET_MAX <= QUESTION_HOLDS_MAX // 2:
            return places
        ends = np.cumsum(self.table.sizes(places), dtype=np.int64)
        return places[: np.searchsorted(ends, QUESTION_HOLDS_MAX // 2, "right")]

    # --- time --------------------------------------------------------------------

    def tick(self, now: float, wall_ns: int) -> Numbers:
        """See what was not answered in time, and what cannot be confirmed any more.

        Returns the numbers of the questions that have become unknown.
        """
        if self.is_idle:
            return np.zeros(0, np.uint64)
        # What is due is looked for with each tick, and not with each group.
        self._stirred = True
        table = self.table
        late = np.concatenate(
            [table.due(State.CONFIRMING, now), table.due(State.CHECKING, now)]
        )
        self.breaker.failed(table.asked(late), now)
        self.results["late"] += len(late)
        self.breaker.failed(np.array(self.fetches.expire(now)), now)
        # The ledger has not taken an answer: whatever the reason, ask again.
        lost = table.due(State.ANSWERED, now)
        places = np.concatenate([late, lost, table.too_late(wall_ns)])
        return self._doubt(places, now, wall_ns)

    def cancels(self, now: float, wall_ns: int) -> Numbers:
        """The holds of payments that it was never offered and must not credit now.

        From here on it is not asked about them. Those that the ledger has not given
        back within the time of an answer come again.
        """
        table = self.table
        table.wait(table.due(State.CANCELLING, now))
        places = table.not_offered(wall_ns)
        # What its deadline has kept nobody gives back alone.
        kept = table.due_ns(places) <= wall_ns
        table.suspect(places[kept], now)
        places = places[~kept][:CANCELS_MAX]
        table.cancel(places, now + self.config.answer_timeout_ms / 1000)
        sizes = table.sizes(places).astype(np.int64)
        members = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        numbers: Numbers = np.repeat(table.numbers(places), sizes)
        return numbers + members.astype(np.uint64)

    def _doubt(self, places: Places, now: float, wall_ns: int) -> Numbers:
        """They are unknown until the schedule's next time; their numbers."""
        self.table.doubt(places, now + self._wait(places, wall_ns))
        return self.table.numbers(places)

    def _wait(self, places: Places, wall_ns: int) -> Times:
        """Seconds to the next status question of each.

        One goes out when it can be final that the biller has not seen the payment,
        whatever the schedule says; after the schedule's last there is no end else.
        """
        calls = self.table.calls(places)
        last = len(self._intervals) - 1
        wait = self._intervals[np.minimum(calls, last)]
        final = self.table.final_from(places).astype(np.float64) - wall_ns
        final = np.where(final >= 0, final / NS_IN_S + FINAL_AFTER_S, NEVER)
        return np.minimum(np.where(calls <= last, wait, NEVER), final)

    # --- answers -----------------------------------------------------------------

    def take(
        self, answers: Rows, body: bytes, ledger: Ledger, now: float, wall_ns: int
    ) -> Taken:
        """Take a message of answers (ANSWER), read out of `body`."""
        self._stirred = True
        answers, refused = refuse_texts(answers)
        numbers = answers["number"]
        about_bills = answers["number"] >= FETCH_BIT
        # A mistake of the biller, whatever it sends instead.
        wrong = len(refused)
        if about_bills.any():
            told = some(answers, about_bills)
            wrong += self._take_bills(told, body, ledger, now)
            answers = some(answers, ~about_bills)
        # The core gives 0 for every kind that is none.
        usable = answers["kind"] != 0
        wrong += len(usable) - int(np.count_nonzero(usable))
        answers = some(answers, usable)
        places = self.table.find(answers["number"])
        known = places >= 0
        words = id_words(answers["id"])
        expected = self.table.ids(places)
        right = known & (expected[:, 0] == words[:, 0])
        right &= expected[:, 1] == words[:, 1]
        wrong += int(np.count_nonzero(known)) - int(np.count_nonzero(right))
        mine, mine_places = some(answers, right), some(places, right)
        unseen = mine["kind"] == _NOT_SEEN
        if unseen.any():
            mine, kept, not_right = judge_unseen(
                mine, mine_places, unseen, self.table, wall_ns
            )
            mine, mine_places = mine[kept], mine_places[kept]
            wrong += not_right
        final = self._take_known(mine, mine_places, now, wall_ns)
        own_sizes = self.table.sizes(some(mine_places, final))
        requests = answer_requests(some(mine, final), own_sizes, self.index, ledger)
        if not known.all():
            late = answers[~known & (answers["kind"] <= _REJECTED)]
            found, sizes = find_late(late, ledger)
            wrong += len(late) - len(found)
            requests += answer_requests(found, sizes, self.index, ledger)
        self.results["wrong"] += wrong
        return Taken(requests, wrong, numbers, refused)

    def _take_bills(
        self, answers: Rows, body: bytes, ledger: Ledger, now: float
    ) -> int:
        """Answers about bills; how many are wrong."""
        told = [self.fetches.answer(one, body, ledger) for one in answers]
        begun = [one.begun for one in told if one.begun]
        self.breaker.answered(np.array(begun), now)
        return sum(one.is_wrong for one in told)

    def _take_known(
        self, answers: Rows, places: Places, now: float, wall_ns: int
    ) -> Mask:
        """Answers about open questions. Which of them are for the ledger."""
        table = self.table
        final: Mask = answers["kind"] <= _REJECTED
        # What the ledger is about to decide it decides; of several answers to one
        # question the first counts here, and the ledger sees all.
        states = table.states(places)
        fresh = (states != State.ANSWERED) & is_first(places)
        out = fresh & is_asked(states)
        until = now + self.config.answer_timeout_ms / 1000
        unknown = len(final) - int(np.count_nonzero(final))
        if not unknown:
            asked = table.asked(some(places, out))
            self.breaker.answered(asked, now)
            self._time(now - asked)
            table.answer(some(places, fresh), until)
            return final
        failed = out & ~final & self._is_code(answers, Retry.FAILED)
        self.breaker.failed(table.asked(places[failed]), now)
        self.breaker.answered(table.asked(places[out & ~failed]), now)
        self._time(now - table.asked(places[out]))
        table.answer(places[fresh & final], until)
        open_ = out & ~final
        self._take_unknown(answers[open_], places[open_], now, wall_ns)
        self.results["unknown"] += unknown
        return final

    def _take_unknown(
        self, answers: Rows, places: Places, now: float, wall_ns: int
    ) -> None:
        """The biller does not know yet: its code says how to go on.

        What it has not seen it is asked to credit again, while there is time.
        """
        again = (
            (answers["kind"] == _NOT_SEEN)
            & (self.table.confirms(places) < self.config.confirms_max)
            & (self.table.confirm_until(places) > wall_ns)
        )
        later = self._is_code(answers, Retry.LATER)
        wait = self._wait(places, wall_ns)
        wait[later] = np.maximum(wait[later], self._intervals[-1])
        self.table.doubt(places, now + wait)
        self.table.wait(places[again])

    def _is_code(self, answers: Rows, retry: Retry) -> Mask:
        codes = [code for code, meaning in self._codes.items() if meaning is retry]
        reasons = np.ascontiguousarray(answers["reason"]).view("S32").ravel()
        return np.isin(reasons, np.array(codes, "S32"))

    def note(self, outcomes: Rows) -> int:
        """What the ledger made of answers (OUTCOME). How many were wrong."""
        results = outcomes["result"]
        if np.count_nonzero(results == _OK) == len(results):
            self.results["ok"] += len(results)
            return 0
        cases = outcomes[np.isin(results, _ALREADY) & (outcomes["sequence"] > 0)]
        for outcome in cases[cases["repeat"] == 0]:
            log.warning(
                "%s answered late about entry %d: case %d is open",
                self.name,
                int(outcome["other"]),
                int(outcome["sequence"]),
            )
        for result, count in zip(*np.unique(results, return_counts=True), strict=True):
            self.results[Result(int(result)).name.lower()] += int(count)
        return int(np.count_nonzero(results == Result.HOLD_NOT_FOUND))

    # --- figures -----------------------------------------------------------------

    @property
    def asked_count(self) -> int:
        """Questions about payments without an answer."""
        return self.table.count(State.CONFIRMING, State.CHECKING)

    @property
    def clock_is_wrong(self) -> bool:
        """Whether it may not know its last moment to credit."""
        tolerated_ns = self.config.credit_margin_ms * NS_IN_MS // 2
        return abs(self.clocks.skew_ns) > tolerated_ns

    def health(self, now: float) -> Health:
        """How healthy it is."""
        return self.breaker.state(now)

    def status_questions(self, now: float) -> int:
        """Status questions of the last minute."""
        while self._minute and self._minute[0][0] <= now - MINUTE_S:
            self._minute.popleft()
        return sum(count for _, count in self._minute)

    def latency_ms(self, percent: float) -> int:
        """A percentile of the last answers' times in milliseconds, 0 without any."""
        if not self._timed:
            return 0
        return int(np.percentile(self._latencies[: self._timed], percent) * 1000)

    def _time(self, latencies: Times) -> None:
        last = latencies[-LATENCIES_MAX:]
        places = self._timed + np.arange(len(last))
        self._latencies[places % LATENCIES_MAX] = last
        self._timed += len(last)


def _intervals(config: BillerConfig) -> Times:
    """Seconds before each status question about a payment: doubling, up to a most."""
    doubling = config.status_first_ms * 2.0 ** np.arange(config.status_calls_max)
    result: Times = np.minimum(doubling, config.status_interval_max_ms) / 1000
    return result


def _by_question(
    holds: Rows, ledger: Ledger
) -> tuple[Rows, npt.NDArray[np.uint8], list[int]]:
    """The first hold of each question, and how many of its holds are given; and the
    numbers of those whose first hold is damaged.
    """
    lost: list[int] = []
    if not holds["basket"].any():
        return holds, np.ones(len(holds), np.uint8), lost
    leads, first, counts = np.unique(
        holds["sequence"] - baskets.places(holds),
        return_index=True,
        return_counts=True,
    )
    heads = holds[first]
    if (heads["sequence"] != leads).any():
        # Of some baskets the first payment is resolved, and others are not.
        heads, damaged = ledger.gather_whole(leads)
        counts = counts[~np.isin(leads, damaged)]
        lost = damaged.tolist()
    return heads, counts.astype(np.uint8), lost
