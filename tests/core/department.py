"""A biller's own books: what it has credited for which payment, whatever it has said,
and its own clock.

Kept apart from core and model. Used by tests/core/test_bills_once.py.
"""

import random


class Department:
    """Credits by payment. Who knows of none has not decided yet."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.credits: dict[int, int] = {}
        self.ahead_ns = 0
        """Its clock is so far ahead of the switch's; below 0 it is behind."""

    def knows(self, hold: int) -> bool:
        """Whether it has decided about a payment."""
        return hold in self.credits

    def credit(self, hold: int) -> int:
        """Paise that it has credited for a payment by now."""
        return self.credits.get(hold, 0)

    def set(self, hold: int, amount: int) -> None:
        """It has looked, and so it stands in its books from here on."""
        self.credits[hold] = amount

    def decide(self, hold: int, amount: int) -> None:
        """The first look at a payment: most are credited, some otherwise, some not."""
        draw = self.rng.randrange(20)
        if draw < 13:
            self.set(hold, amount)
        elif draw < 15:
            self.set(hold, max(1, amount + self.rng.choice((-400, -1, 1, 700))))
        else:
            self.set(hold, 0)
