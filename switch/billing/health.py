"""How healthy a biller is: closed, open after too many failures, half-open after that.

May use `config`. Closed: it is asked as much as it takes. Open: it rests and is not
asked. Half-open: it is asked a little, and the first answers decide. Times are seconds
of a monotonic clock; answers and failures come with the times their questions were
asked at, so that a question from before a rest decides nothing after it.
"""

from collections import deque
from enum import IntEnum

import numpy as np

from switch.billing.table import Times
from switch.config import BillerConfig


class Health(IntEnum):
    """The numbers are the wire's."""

    CLOSED = 1
    OPEN = 2
    HALF_OPEN = 3


class Breaker:
    """Decides how much a biller may be asked."""

    def __init__(self, config: BillerConfig, now: float) -> None:
        """Closed, and without a connection since `now`."""
        self._config = config
        # (second, answers, failures), at most one for each second of the window.
        self._window: deque[tuple[int, int, int]] = deque()
        self._state = Health.CLOSED
        self._since = now
        self._until = now
        self._rest_s = config.rest_first_ms / 1000
        self._probed = 0
        self._connections = 0
        self._absent = now

    def state(self, now: float) -> Health:
        """How healthy it is now."""
        if self._is_absent(now):
            return Health.OPEN
        if self._state is Health.OPEN and now >= self._until:
            self._probe(now)
        return self._state

    def room(self, asked: int, now: float) -> int:
        """How many questions may be asked beside the `asked` that are out."""
        state = self.state(now)
        if state is Health.OPEN or not self._connections:
            return 0
        most = self._config.concurrency_max
        if state is Health.HALF_OPEN:
            most = min(most, self._config.probes_max)
        return max(most - asked, 0)

    def retry_ms(self, now: float) -> int:
        """When a caller who is turned away may try again, in milliseconds."""
        if self.state(now) is Health.OPEN and not self._is_absent(now):
            return max(int((self._until - now) * 1000), 1)
        return self._config.rest_first_ms

    # --- connections -------------------------------------------------------------

    def connected(self, now: float) -> None:
        """One connection more."""
        if self._is_absent(now):
            self._probe(now)
        self._connections += 1

    def disconnected(self, now: float) -> None:
        """One connection less."""
        self._connections -= 1
        self._absent = now

    def _is_absent(self, now: float) -> bool:
        away = now - self._absent >= self._config.absent_ms / 1000
        return not self._connections and away

    # --- answers and failures ----------------------------------------------------

    def answered(self, asked: Times, now: float) -> None:
        """Answers to questions asked at these times, each within its limit."""
        count = self._counted(asked)
        self._note(count, 0, now)
        if self._state is Health.HALF_OPEN:
            self._probed += count
            if self._probed >= self._config.probes_max:
                self._state = Health.CLOSED
                self._since = now
                self._rest_s = self._config.rest_first_ms / 1000
                self._window.clear()

    def failed(self, asked: Times, now: float) -> None:
        """No answer in time, or one that says that it fails."""
        count = self._counted(asked)
        if not count:
            return
        self._note(0, count, now)
        if self._state is Health.HALF_OPEN:
            self._rest_s = min(2 * self._rest_s, self._config.rest_max_ms / 1000)
            self._rest(now)
        elif self._state is Health.CLOSED and self._fails_too_often():
            self._rest(now)

    def _counted(self, asked: Times) -> int:
        """Questions asked since the state began; what is older decided it."""
        return int(np.count_nonzero(asked >= self._since))

    def _note(self, answers: int, failures: int, now: float) -> None:
        second = int(now)
        window = self._window
        if window and window[-1][0] == second:
            _, before, failed = window.pop()
            answers, failures = answers + before, failures + failed
        window.append((second, answers, failures))
        while window[0][0] <= second - self._config.health_window_s:
            window.popleft()

    def _fails_too_often(self) -> bool:
        answers = sum(one[1] for one in self._window)
        failures = sum(one[2] for one in self._window)
        return failures >= self._config.health_failures_min and (
            100 * failures
            >= self._config.health_failures_percent * (answers + failures)
        )

    def _rest(self, now: float) -> None:
        self._state = Health.OPEN
        self._since = now
        self._until = now + self._rest_s
        self._window.clear()

    def _probe(self, now: float) -> None:
        self._state = Health.HALF_OPEN
        self._since = now
        self._probed = 0
