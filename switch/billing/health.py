"""How healthy a biller is: closed, open after too many failures, half-open after that.

May use `config` and the table's types. Closed: it is asked as much as it takes. Open:
it rests and is not asked. Half-open: it is asked a little, and the first answers
decide. Bills and payments have a breaker each. Times are seconds of a monotonic clock;
answers and failures come with the times their questions were asked at, so that a
question from before a rest decides nothing after it, and with the centres that they
were asked for.

A biller rests when it would also without the centre whose questions failed most, so
that no centre alone makes it rest for others. A centre whose own fail too often rests
alone.
"""

import math
from collections import deque
from enum import IntEnum

import numpy as np

from switch.billing.lines import Centres, Times
from switch.config import BillerConfig


class Health(IntEnum):
    """The numbers are the wire's."""

    CLOSED = 1
    OPEN = 2
    HALF_OPEN = 3


class Presence:
    """Whether a biller is here: connected, or following its feed."""

    def __init__(self, config: BillerConfig, now: float) -> None:
        """Without a connection since `now`."""
        self._absent_s = config.absent_ms / 1000
        self._connections = 0
        self._left = now
        self.returned = -math.inf
        """When it came back last after it had counted as away."""

    def connected(self, now: float) -> None:
        """One connection more."""
        if self.is_absent(now):
            self.returned = now
        self._connections += 1

    def disconnected(self, now: float) -> None:
        """One connection less."""
        self._connections -= 1
        self._left = now

    @property
    def is_connected(self) -> bool:
        """Whether it has a connection now."""
        return self._connections > 0

    def is_absent(self, now: float) -> bool:
        """Whether it counts as away."""
        return not self._connections and now - self._left >= self._absent_s


class Window:
    """Answers and failures of the last seconds."""

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        # (second, answers, failures), at most one for each second of the window.
        self._seconds: deque[tuple[int, int, int]] = deque()

    def note(self, answers: int, failures: int, now: float) -> None:
        """More of them."""
        second = int(now)
        if self._seconds and self._seconds[-1][0] == second:
            _, before, failed = self._seconds.pop()
            answers, failures = answers + before, failures + failed
        self._seconds.append((second, answers, failures))
        self._trim(now)

    def _trim(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] <= int(now) - self._window_s:
            self._seconds.popleft()

    def sums(self, now: float) -> tuple[int, int]:
        """Answers and failures."""
        self._trim(now)
        answers = sum(one[1] for one in self._seconds)
        return answers, sum(one[2] for one in self._seconds)

    def clear(self) -> None:
        """Forget all."""
        self._seconds.clear()


class _Rest:
    """Closed, or a rest and what follows it; of a biller, or of a centre at it."""

    def __init__(self, config: BillerConfig, now: float) -> None:
        self._first_s = config.rest_first_ms / 1000
        self._most_s = config.rest_max_ms / 1000
        self._next_s = self._first_s
        self.state = Health.CLOSED
        self.since = now
        """When the state began; what was asked before decides nothing."""
        self.until = now

    def look(self, now: float) -> Health:
        """Its state now."""
        if self.state is Health.OPEN and now >= self.until:
            self.probe(now)
        return self.state

    def probe(self, now: float) -> None:
        self.state = Health.HALF_OPEN
        self.since = now

    def begin(self, now: float) -> None:
        """Rest: twice as long as the time before if that was just now."""
        if self.state is Health.HALF_OPEN:
            self._next_s = min(2 * self._next_s, self._most_s)
        self.state = Health.OPEN
        self.since = now
        self.until = now + self._next_s

    def close(self, now: float) -> None:
        self.state = Health.CLOSED
        self.since = now
        self._next_s = self._first_s


class _Centre:
    """A centre whose questions have failed lately, or that rests."""

    def __init__(self, config: BillerConfig, now: float) -> None:
        self.window = Window(config.health_window_s)
        self.rest = _Rest(config, now)


class Breaker:
    """Decides how much a biller may be asked, of one sort of questions."""

    def __init__(self, config: BillerConfig, presence: Presence, now: float) -> None:
        """Closed; `presence` is the biller's."""
        self._config = config
        self._presence = presence
        self._rest = _Rest(config, now)
        self._probed = 0
        # The answers of all; the failures are in those of the centres.
        self._window = Window(config.health_window_s)
        # Those with failures in the window, or a rest: no more than there are centres.
        self._centres: dict[int, _Centre] = {}

    # --- who may be asked --------------------------------------------------------

    def state(self, now: float) -> Health:
        """How healthy the biller is now."""
        if self._presence.is_absent(now):
            return Health.OPEN
        if self._presence.returned > self._rest.since:
            self._rest.probe(self._presence.returned)
            self._begin_probes()
        elif (
            self._rest.state is Health.OPEN and self._rest.look(now) is not Health.OPEN
        ):
            self._begin_probes()
        return self._rest.state

    def state_for(self, centre: int, now: float) -> Health:
        """The same for one centre, which may rest alone."""
        state = self.state(now)
        own = self._centres.get(centre)
        if own is None or state is Health.OPEN:
            return state
        alone = own.rest.look(now)
        return state if alone is Health.CLOSED else alone

    def allowed(self, most: int, now: float) -> int:
        """How many of `most` questions may be out."""
        state = self.state(now)
        if state is Health.OPEN or not self._presence.is_connected:
            return 0
        if state is Health.HALF_OPEN:
            return min(most, self._config.probes_max)
        return most

    def limits(self, now: float) -> dict[int, int]:
        """The questions that may be out of centres that rest or have just done so."""
        found = {}
        for centre, one in self._centres.items():
            state = one.rest.look(now)
            if state is not Health.CLOSED:
                found[centre] = 0 if state is Health.OPEN else 1
        return found

    def retry_ms(self, centre: int, now: float) -> int:
        """When a caller for a centre who is turned away may try again, milliseconds."""
        resting = self._rest if self.state(now) is Health.OPEN else None
        own = self._centres.get(centre)
        if resting is None and own is not None and own.rest.look(now) is Health.OPEN:
            resting = own.rest
        if resting is None or self._presence.is_absent(now):
            return self._config.rest_first_ms
        return max(int((resting.until - now) * 1000), 1)

    # --- answers and failures ----------------------------------------------------

    def answered(self, asked: Times, centres: Centres, now: float) -> None:
        """Answers to questions asked at these times, each within its limit."""
        count = int(np.count_nonzero(asked >= self.counts_since(now)))
        if self._centres:
            self._note_answers(asked, centres, now)
        self.answered_well(count, now)

    def counts_since(self, now: float) -> float:
        """What was asked before that decides nothing."""
        self.state(now)
        return self._rest.since

    @property
    def is_plain(self) -> bool:
        """Whether no centre has failed lately: of answers their number is enough."""
        return not self._centres

    def answered_well(self, count: int, now: float) -> None:
        """So many answers to questions that count."""
        half_open = self.state(now) is Health.HALF_OPEN
        self._window.note(count, 0, now)
        if half_open:
            self._probed += count
            if self._probed >= self._config.probes_max:
                self._rest.close(now)
                self._window.clear()

    def failed(self, asked: Times, centres: Centres, now: float) -> None:
        """No answer in time, or one that says that it fails."""
        state = self.state(now)
        counted = asked >= self._rest.since
        if not counted.any():
            return
        self._note_failures(asked[counted], centres[counted], now)
        if state is Health.OPEN:
            return
        answers, failures = self._without_the_worst(now)
        if state is Health.HALF_OPEN:
            is_sick = failures > 0
        else:
            is_sick = self._is_sick(answers, failures)
        if is_sick:
            self._rest.begin(now)

    def _note_answers(self, asked: Times, centres: Centres, now: float) -> None:
        for centre in np.unique(centres).tolist():
            one = self._centres.get(centre)
            if one is None:
                continue
            since = one.rest.since
            count = np.count_nonzero((centres == centre) & (asked >= since))
            if not count:
                continue
            if one.rest.look(now) is Health.CLOSED:
                one.window.note(int(count), 0, now)
            else:
                del self._centres[centre]

    def _note_failures(self, asked: Times, centres: Centres, now: float) -> None:
        for centre in np.unique(centres).tolist():
            one = self._centres.get(centre)
            if one is None:
                one = self._centres[centre] = _Centre(self._config, self._rest.since)
            own = one.rest.look(now)
            times = asked[centres == centre]
            count = int(np.count_nonzero(times >= one.rest.since))
            if not count:
                continue
            one.window.note(0, count, now)
            # A probe of the biller that fails is enough for its centre, as its own is.
            probing = Health.HALF_OPEN in (own, self._rest.state)
            if probing or self._is_sick(*one.window.sums(now)):
                one.rest.begin(now)

    def _without_the_worst(self, now: float) -> tuple[int, int]:
        """Answers of all, and failures of all centres but the one that has most."""
        failures = []
        for centre, one in list(self._centres.items()):
            _, failed = one.window.sums(now)
            failures.append(failed)
            if not failed and one.rest.look(now) is Health.CLOSED:
                del self._centres[centre]
        answers, _ = self._window.sums(now)
        return answers, sum(failures) - max(failures, default=0)

    def _is_sick(self, answers: int, failures: int) -> bool:
        config = self._config
        return failures >= config.health_failures_min and (
            100 * failures >= config.health_failures_percent * (answers + failures)
        )

    def _begin_probes(self) -> None:
        self._probed = 0
        self._window.clear()
        self._centres.clear()

    # --- figures -----------------------------------------------------------------

    def resting(self, now: float) -> int:
        """Centres that rest alone; none while the biller does."""
        if self.state(now) is Health.OPEN:
            return 0
        return sum(not most for most in self.limits(now).values())
