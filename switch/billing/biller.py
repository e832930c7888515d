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
from switch.billing.choice import choose_checks, choose_confirms
from switch.billing.clocks import Clocks
from switch.billing.deadlines import NS_IN_MS, NS_IN_S, moments
from switch.billing.ends import Ends
from switch.billing.fetches import FETCH_BIT, Fetches
from switch.billing.heads import heads_of
from switch.billing.health import Breaker, Health, Presence
from switch.billing.latencies import Latencies
from switch.billing.shares import share_of
from switch.billing.table import (
    NEVER,
    Centres,
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
FETCHES_MAX = 1_024
"""Of these the ones about bills."""
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
        self.presence = Presence(config, now)
        self.breaker = Breaker(config, self.presence, now)
        """Of questions about payments."""
        self.fetch_breaker = Breaker(config, self.presence, now)
        """Of questions about bills: what is not answered there stops no payment."""
        self.fetches = Fetches(name, config)
        self.clocks = Clocks()
        self.ends = Ends()
        self.latencies = Latencies()
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
        heads, counts, lost = heads_of(holds, ledger)
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
            heads["debit"],
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
        self.presence.connected(now)
        self._stirred = True

    def detach(self, connection: Connection, now: float, wall_ns: int) -> Numbers:
        """Forget a connection; what was asked on it is asked about.

        Returns the numbers of what has become unknown by it.
        """
        self._connections.remove(connection)
        self.clocks.forget(connection.number)
        self.presence.disconnected(now)
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
        self.table.offer(self.table.places(State.WAITING))

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
        body = self._fetches(connection, ledger, now, wall_ns)
        # Repeated fields of several messages concatenate to one.
        return body + self._payments(connection, ledger, now, wall_ns)

    def _fetches(
        self, connection: int, ledger: Ledger, now: float, wall_ns: int
    ) -> bytes:
        """Questions about bills, which take no room from those about payments."""
        if not self.fetches.count:
            return b""
        breaker, config = self.fetch_breaker, self.config
        most = breaker.allowed(config.fetch_concurrency_max, now)
        return self.fetches.take(
            min(most - self.fetches.asked_count, FETCHES_MAX),
            share_of(most),
            breaker.limits(now),
            connection,
            # By the ledger's time, whatever the clock does: after every row that is
            # durable, and no row that follows is before it.
            max(wall_ns, ledger.timestamp + 1),
            wall_ns + config.fetch_timeout_ms * 1_000_000,
        )

    def _payments(
        self, connection: int, ledger: Ledger, now: float, wall_ns: int
    ) -> bytes:
        self._has_room = True
        counts = self.table.counts()
        if not (counts[State.WAITING] or counts[State.UNKNOWN]):
            return b""
        most = self.breaker.allowed(self.config.concurrency_max, now)
        room = most - counts[State.CONFIRMING] - counts[State.CHECKING]
        room = min(room, QUESTIONS_MAX - FETCHES_MAX)
        if room <= 0:
            self._has_room = False
            return b""
        half = (self.config.concurrency_max + 1) // 2
        limits = self.breaker.limits(now)
        due = choose_checks(
            self.table,
            # Status questions may not take all of the biller's time.
            min(room, half - counts[State.CHECKING]),
            self.config.status_per_minute_max - self.status_questions(now),
            share_of(half),
            limits,
            now,
        )
        waiting, behind = choose_confirms(
            self.table,
            room - len(due),
            share_of(most),
            limits,
            wall_ns,
            abs(self.clocks.skew_ns),
        )
        self._stirred |= behind
        timeout_ms = self.config.answer_timeout_ms
        deadline_ns = wall_ns + timeout_ms * 1_000_000
        until = now + timeout_ms / 1000
        body = b""
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
        self.breaker.failed(table.asked(late), table.centres(late), now)
        self.results["late"] += len(late)
        begun, centres = self.fetches.expire(now)
        self.fetch_breaker.failed(np.array(begun), _centres(centres), now)
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
        mine = [one for one in told if one.begun]
        begun = np.array([one.begun for one in mine])
        centres = _centres([one.centre for one in mine])
        self.fetch_breaker.answered(begun, centres, now)
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
            answered = some(places, out)
            asked = table.asked(answered)
            self.breaker.answered(asked, table.centres(answered), now)
            self.latencies.add(now - asked)
            table.answer(some(places, fresh), until)
            return final
        failed = out & ~final & self._is_code(answers, Retry.FAILED)
        for told, part in (
            (self.breaker.failed, places[failed]),
            (self.breaker.answered, places[out & ~failed]),
        ):
            told(table.asked(part), table.centres(part), now)
        self.latencies.add(now - table.asked(places[out]))
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
        """How healthy it is, by its answers about payments."""
        return self.breaker.state(now)

    def resting_centres(self, now: float) -> int:
        """Centres that rest alone, as to payments and as to bills."""
        return self.breaker.resting(now) + self.fetch_breaker.resting(now)

    def status_questions(self, now: float) -> int:
        """Status questions of the last minute."""
        while self._minute and self._minute[0][0] <= now - MINUTE_S:
            self._minute.popleft()
        return sum(count for _, count in self._minute)


def _intervals(config: BillerConfig) -> Times:
    """Seconds before each status question about a payment: doubling, up to a most."""
    doubling = config.status_first_ms * 2.0 ** np.arange(config.status_calls_max)
    result: Times = np.minimum(doubling, config.status_interval_max_ms) / 1000
    return result


def _centres(indices: list[int]) -> Centres:
    return np.array(indices, np.uint32)
