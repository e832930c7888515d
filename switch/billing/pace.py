"""How many messages of questions leave in a second. Pure."""

MESSAGES_PER_S = 2_500
"""Messages of questions in a second that go to all billers in turn; under load each
asks about more. A message costs about as much as four payments in it, with its answers;
40 billers that all wait for their turn have one each 16 ms."""
MESSAGES_AT_ONCE = 64
"""Messages that leave without a wait when few have left before."""


class Pace:
    """How many messages may leave: so many a second, and some at once after a rest."""

    def __init__(self, per_s: float, at_once: int, now: float) -> None:
        self._per_s = per_s
        self._at_once = at_once
        self._left = float(at_once)
        self._at = now

    def allows(self, now: float) -> bool:
        """Whether one may leave now."""
        left = self._left + (now - self._at) * self._per_s
        self._left = min(left, self._at_once)
        self._at = now
        return self._left >= 1

    def spend(self) -> None:
        """One has left. No debts are made: who waits in turn would pay for others."""
        self._left = max(self._left - 1, 0.0)
