"""One biller: what it is asked, on which connection, and what its answers mean.

May use the core, the work, the health and the fetches of a biller. Knows no network
and commits nothing: questions leave as bytes through connections, answers become
requests for the committer. Works on whole messages with NumPy. `now` is seconds of a
monotonic clock, `wall_ns` is UTC. Belongs to the event loop's thread.
"""

import asyncio
import logging
from collections import Counter, deque
from typing import NamedTuple, Protocol

import numpy as np

from switch._core import ANSWERS_MAX, GROUP_MAX, Ledger, Request, Rows
from switch.billing._hot import LATE, Ends
from switch.billing.answers import (
    Refused,
    answer_requests,
    find_late,
    judge_unseen,
    match,
    refuse,
    some,
)
from switch.billing.bills import Fetched
from switch.billing.clocks import Clocks
from switch.billing.deadlines import NS_IN_MS
from switch.billing.fetches import Fetches
from switch.billing.health import Breaker, Health, Presence
from switch.billing.latencies import Latencies
from switch.billing.lines import (
    FETCH_BIT,
    Centres,
    Lines,
    Mask,
    Numbers,
    Places,
    State,
    is_asked,
    is_first,
)
from switch.billing.questions import write_questions
from switch.billing.shares import share_of
from switch.billing.work import NO_NUMBERS, NOBODY, Chosen, Room, Work
from switch.codes import Answered, Question, Result
from switch.config import Config, Retry
from switch.errors import SwitchError
from switch.register.register import Register, Service

log = logging.getLogger("switch.dispatch")

QUESTIONS_MAX = 4_096
"""Questions in one message to a biller."""
FETCHES_MAX = 1_024
"""Of these the ones about bills."""
ANSWERS_WAITING_MAX = 2 * GROUP_MAX
"""Answers of one biller that wait for their commit, on whichever of its connections:
what others send waits behind no more of them."""

_CONFIRMED = int(Answered.CONFIRMED)
_REJECTED = int(Answered.REJECTED)
_NOT_SEEN = int(Answered.NOT_SEEN)
_OK = int(Result.OK)
_DIFFERS = int(Result.AMOUNT_DIFFERS)
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


class Waiting:
    """Answers that wait for their commit."""

    def __init__(self) -> None:
        """None do."""
        self.rows = 0
        self.room = asyncio.Event()
        """Set when some of them are committed."""

    def has_room(self, rows: int) -> bool:
        """Whether so many more may wait: always if none do."""
        return not self.rows or self.rows + rows <= ANSWERS_WAITING_MAX

    def end(self, rows: int) -> None:
        """So many wait no longer."""
        self.rows -= rows
        self.room.set()


class Biller:
    """What is open with one biller."""

    def __init__(
        self, index: int, register: Register, settings: Config, now: float
    ) -> None:
        """`index` is the participant's. LookupError if there is none."""
        self.index = index
        self.name = name = register.participant(index).spec.id
        self.config = config = settings.biller_of(name)
        self.work = Work(config, lambda: register.margins.of(name))
        self.table = self.work.table
        """What waits, of the work."""
        self.presence = Presence(config, now)
        self.breaker = Breaker(config, self.presence, now)
        """Of questions about payments."""
        self.fetch_breaker = Breaker(config, self.presence, now)
        """Of questions about bills: what is not answered there stops no payment."""
        self.fetches = Fetches(name, config)
        self.clocks = Clocks()
        self.ends = Ends()
        self.latencies = Latencies()
        self.waiting = Waiting()
        self.results: Counter[str] = Counter()
        """Answers by what came of them, since the start."""
        self.has_connected = False
        """Whether it has had a connection since the start."""
        self.pulls = False
        """Whether it has looked for its payments by itself since the start."""
        self.lost: list[int] = []
        """Numbers of questions that cannot be written: their payments are damaged."""
        self._connections: deque[Connection] = deque()
        self.table.stirred = self.table.has_room = True
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
        places, lost = self.work.add(holds, ledger, wall_ns, before)
        if before is None and self.pulls:
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
        return self.work.is_empty and not self.fetches.count

    # --- connections -------------------------------------------------------------

    @property
    def connections_count(self) -> int:
        """Connections at the moment."""
        return len(self._connections)

    def attach(self, connection: Connection, now: float) -> None:
        """Ask on this connection as well."""
        self._connections.append(connection)
        self.table.ends = self.ends
        self.has_connected = True
        self.presence.connected(now)
        self.table.stirred = True

    def detach(self, connection: Connection, now: float, wall_ns: int) -> Numbers:
        """Forget a connection; what was asked on it is asked about.

        Returns the numbers of what has become unknown by it.
        """
        self._connections.remove(connection)
        if not self._connections:
            self.table.ends = None
            # Who comes later has the feed.
            self.ends.take()
        self.clocks.forget(connection.number)
        self.presence.disconnected(now)
        self.table.stirred = True
        self.fetches.lost(connection.number)
        return self.work.disconnect(connection.number, now, wall_ns)

    def pull(self) -> None:
        """It reads its feed: it may have heard of all payments, also those to come."""
        self.pulls = self.table.offers = True
        self.table.offer(self.table.places(State.WAITING))

    # --- asking ------------------------------------------------------------------

    def fetch(
        self, service: Service, reference: str, centre: int, now: float
    ) -> "asyncio.Future[Fetched | SwitchError]":
        """Ask for bills with the next message. Raises BillerBusyError."""
        self.table.stirred = True
        return self.fetches.begin(service, reference, centre, now)

    def ask(self, ledger: Ledger, now: float, wall_ns: int) -> bool:
        """Send at most one message, to the next connection that is ready.

        Whether one was sent.
        """
        may_ask = self.fetches.count or self.work.is_due(now, wall_ns)
        if not may_ask and not self.table.tells:
            self.table.stirred = False
            self.table.has_room = True
            return False
        for place, connection in enumerate(self._connections):
            if connection.is_ready:
                self.table.stirred = False
                self.table.added = 0
                body = self._questions(connection.number, ledger, now, wall_ns)
                if body or self.table.tells:
                    # Fields of messages that follow each other are those of one.
                    body += self.ends.take()
                    self.table.tells = False
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
        self.table.has_room = True
        if self.work.is_empty:
            return b""
        chosen = self._choose(now, wall_ns)
        if chosen is None:
            self.table.has_room = False
            return b""
        self.table.stirred |= chosen.behind
        config = self.config
        timeout_ms = config.answer_timeout_ms
        deadline_ns = wall_ns + timeout_ms * NS_IN_MS
        until = now + timeout_ms / 1000
        body = b""
        for lines, places, kind, state in (
            (self.table, chosen.checks, Question.STATUS, State.CHECKING),
            (self.table, chosen.confirms, Question.CONFIRM, State.CONFIRMING),
            (self.work.undecided, chosen.undecided, Question.STATUS, State.CHECKING),
        ):
            if not len(places):
                continue
            text, written, lost = write_questions(
                lines, places, kind, deadline_ns, wall_ns, ledger
            )
            if lost:
                self.lost += lost
                log.error(
                    "%s cannot be asked about damaged entries: %s", self.name, lost
                )
            body += text
            if lines is self.table:
                self.work.ask(written, state, connection, now, until)
            else:
                self.work.ask_undecided(written, connection, now, until)
        return body

    def _choose(self, now: float, wall_ns: int) -> Chosen | None:
        """Whom to ask about payments; None if there is no room for anybody."""
        config = self.config
        most = self.breaker.allowed(config.concurrency_max, now)
        limits = self.breaker.limits(now)
        skew_ns = abs(self.clocks.skew_ns)
        in_message = QUESTIONS_MAX - FETCHES_MAX
        if not limits:
            oldest = self.work.to_confirm(most, in_message, wall_ns, skew_ns)
            if oldest is not None:
                return Chosen(oldest, NOBODY, NOBODY, behind=False)
        left = min(most - self.work.asked_count, in_message)
        if left <= 0:
            return None
        half = (config.concurrency_max + 1) // 2
        return self.work.choose(Room(most, left, half, limits, skew_ns), now, wall_ns)

    # --- time --------------------------------------------------------------------

    def tick(self, now: float, wall_ns: int) -> Numbers:
        """See what was not answered in time, and what cannot be confirmed any more.

        Returns the numbers of the questions that have become unknown.
        """
        self.table.tells = bool(self.ends)
        if self.is_idle:
            return NO_NUMBERS
        # What is due is looked for with each tick, and not with each group.
        self.table.stirred = True
        table, undecided = self.table, self.work.undecided
        if not (table.look(now, wall_ns) & LATE or undecided.lines_count) and (
            not self.fetches.count
        ):
            return NO_NUMBERS
        late = np.concatenate(
            [table.due(State.CONFIRMING, now), table.due(State.CHECKING, now)]
        )
        rare = undecided.due(State.CHECKING, now)
        # What nobody has decided in time says nothing of how new payments fare.
        self.breaker.failed(table.asked(late), table.centres(late), now)
        self.results["late"] += len(late) + len(rare)
        begun, centres = self.fetches.expire(now)
        self.fetch_breaker.failed(np.array(begun), _centres(centres), now)
        # What has an answer and is here still the ledger has not taken, or the answer
        # has not decided it: ask again.
        told = undecided.due(State.ANSWERED, now)
        self.work.rest(np.concatenate([rare, told]), now, wall_ns)
        lost = table.due(State.ANSWERED, now)
        places = np.concatenate([late, lost, table.too_late(wall_ns)])
        return self.work.doubt(places, now, wall_ns)

    # --- answers -----------------------------------------------------------------

    def take(
        self, answers: Rows, body: bytes, ledger: Ledger, now: float, wall_ns: int
    ) -> Taken:
        """Take a message of answers (ANSWER), read out of `body`."""
        self.table.stirred = True
        until = now + self.config.answer_timeout_ms / 1000
        places = self.table.take_final(answers, until)
        if places is not None:
            return self._take_final(answers, places, ledger, now)
        answers, refused = refuse(answers)
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
        requests: list[Request] = []
        for lines in (self.table, self.work.undecided):
            if not len(answers):
                break
            mine, places, others = match(answers, lines)
            wrong += len(answers) - len(others) - len(mine)
            answers = others
            final, final_places, not_right = self._take_known(
                mine, places, lines, now, wall_ns
            )
            wrong += not_right
            sizes = lines.sizes(final_places)
            requests += answer_requests(final, sizes, self.index, ledger)
        if len(answers):
            late = answers[answers["kind"] <= _REJECTED]
            found, sizes = find_late(late, ledger)
            wrong += len(late) - len(found)
            requests += answer_requests(found, sizes, self.index, ledger)
        self.results["wrong"] += wrong
        return Taken(requests, wrong, numbers, refused)

    def _take_final(
        self, answers: Rows, places: Places, ledger: Ledger, now: float
    ) -> Taken:
        """All of them are final, to questions of the table, as they mostly are."""
        table, breaker = self.table, self.breaker
        since = breaker.counts_since(now)
        count, are_single = table.settle(places, since, now, self.latencies)
        if breaker.is_plain:
            breaker.answered_well(count, now)
        else:
            breaker.answered(table.asked(places), table.centres(places), now)
        if 0 < len(answers) <= ANSWERS_MAX and are_single:
            requests = [Request.answers(answers, self.index)]
        else:
            sizes = table.sizes(places)
            requests = answer_requests(answers, sizes, self.index, ledger)
        return Taken(requests, 0, answers["number"], [])

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
        self, answers: Rows, places: Places, lines: Lines, now: float, wall_ns: int
    ) -> tuple[Rows, Places, int]:
        """Answers about questions that are open.

        Those that are for the ledger, with their places, and how many are wrong.
        """
        wrong = 0
        unseen = answers["kind"] == _NOT_SEEN
        if unseen.any():
            answers, kept, wrong = judge_unseen(answers, places, unseen, lines, wall_ns)
            answers, places = answers[kept], places[kept]
        if not len(answers):
            return answers, places, wrong
        final: Mask = answers["kind"] <= _REJECTED
        # What the ledger is about to decide it decides; of several answers to one
        # question the first counts here, and the ledger sees all.
        states = lines.states(places)
        fresh = (states != State.ANSWERED) & is_first(places)
        out = fresh & is_asked(states)
        failed = np.zeros(len(final), np.bool_)
        if not final.all():
            failed = out & ~final & self._is_code(answers, Retry.FAILED)
            if lines is self.table:
                at = places[failed]
                self.breaker.failed(lines.asked(at), lines.centres(at), now)
            self.results["unknown"] += len(final) - int(np.count_nonzero(final))
        if lines is self.table:
            answered = some(places, out & ~failed)
            self.breaker.answered(lines.asked(answered), lines.centres(answered), now)
        self.latencies.add(now - lines.asked(some(places, out)))
        until = now + self.config.answer_timeout_ms / 1000
        lines.answer(some(places, fresh & final), until)
        open_ = out & ~final
        if lines is self.table:
            self._take_unknown(answers[open_], places[open_], now, wall_ns)
        else:
            undecided = self.work.undecided
            # What that does not complete is for people to put right, or for the biller.
            undecided.claim(places[answers["kind"] == _CONFIRMED])
            self.work.rest(places[open_], now, wall_ns)
        return some(answers, final), some(places, final), wrong

    def _take_unknown(
        self, answers: Rows, places: Places, now: float, wall_ns: int
    ) -> None:
        """The biller does not know yet: its code says how to go on.

        What it has not seen it is asked to credit again, while there is time.
        """
        if not len(places):
            return
        table, schedule = self.table, self.work.schedule
        again = (
            (answers["kind"] == _NOT_SEEN)
            & (table.confirms(places) < self.config.confirms_max)
            & (table.confirm_until(places) > wall_ns)
        )
        later = self._is_code(answers, Retry.LATER)
        wait = schedule.wait(table.calls(places), table.final_from(places), wall_ns)
        wait[later] = np.maximum(wait[later], schedule.last_interval)
        table.doubt(places, now + wait)
        table.wait(places[again])

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
        new = (outcomes["sequence"] > 0) & (outcomes["repeat"] == 0)
        late = outcomes[new & np.isin(results, _ALREADY)]
        for case, entry in zip(late["sequence"], late["other"], strict=True):
            log.warning(
                "%s answered late about entry %d: case %d is open",
                self.name,
                entry,
                case,
            )
        for case in outcomes["sequence"][new & (results == _DIFFERS)]:
            log.warning(
                "%s says another amount of a payment: case %d is open", self.name, case
            )
        for result, count in zip(*np.unique(results, return_counts=True), strict=True):
            self.results[Result(int(result)).name.lower()] += int(count)
        return int(np.count_nonzero(results == Result.HOLD_NOT_FOUND))

    # --- figures -----------------------------------------------------------------

    @property
    def clock_is_wrong(self) -> bool:
        """Whether it may not know its last moment to credit, of whatever is open."""
        return abs(self.clocks.skew_ns) > self.work.least_margin_ns // 2

    def health(self, now: float) -> Health:
        """How healthy it is, by its answers about payments."""
        return self.breaker.state(now)

    def resting_centres(self, now: float) -> int:
        """Centres that rest alone, as to payments and as to bills."""
        return self.breaker.resting(now) + self.fetch_breaker.resting(now)


def _centres(indices: list[int]) -> Centres:
    return np.array(indices, np.uint32)
