"""One payment of the replayed day as a centre sends it, and what must come of it.

Pure; may use `calendar` and `codes`.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import Enum

from switch.calendar import NS_IN_S
from switch.codes import Result

HALF_HOUR_S = 1800


class Token(Enum):
    """Which quotation a payment presents."""

    NONE = "none"
    """None: the service is not paid by bill, or the counter leaves it out."""
    OWN = "own"
    """The one fetched for it."""
    OLD = "old"
    """That of the payment before it, of the same bill."""
    OTHERS = "another's"
    """The same, which another centre has fetched."""
    FORGED = "forged"
    """The same, with another amount written into it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One payment."""

    half_hour: int
    """Which part of the day, from 0."""
    time_ns: int
    """Of the day that is replayed, nanoseconds UTC."""
    centre: str
    service: str
    amount: int
    reference: str
    """As the citizen has written it."""
    bill: str
    """The same in the form in which its service knows it."""
    operator: int
    items: tuple[tuple[str, int], ...] = ()
    """What is paid for, by tariff: items' codes and how many."""
    due: int = 0
    """Paise that the bill came to when nothing of it was paid; 0 without a bill."""
    paid_before: int = 0
    """Paise of it that an earlier step pays."""
    token: Token = Token.NONE
    expected: Result = Result.OK
    others: AbstractSet[Result] = frozenset()
    """Results that are as right."""
    is_lost: bool = False
    """Its first reply is thrown away and it is sent again."""
    is_again: bool = False
    """The bill was paid before: refused unless that payment was given back."""
    confirms: bool = False
    """Told of a payment before it, the citizen wants to pay once more."""

    @property
    def key(self) -> tuple[str, str, int]:
        """What it pays: the steps that pay the same have the same key."""
        return self.service, self.bill, self.due

    @property
    def may_be_due(self) -> AbstractSet[int]:
        """What the biller may say that the bill comes to."""
        return {self.due, self.due - self.paid_before}

    @property
    def may_be_done(self) -> bool:
        """Whether money may be needed for it."""
        return self.expected is Result.OK or self.is_again or self.confirms

    def later(self) -> "Step":
        """The same half an hour later."""
        return replace(
            self,
            half_hour=self.half_hour + 1,
            time_ns=self.time_ns + HALF_HOUR_S * NS_IN_S,
        )

    def just_before(self) -> "Step":
        """The same right before."""
        return replace(self, time_ns=self.time_ns - 1)
