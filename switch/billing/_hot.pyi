# What type checkers see of the billers' work in C.

from collections.abc import Sequence
from typing import final

from typing_extensions import disjoint_base

from switch._core import Rows
from switch.billing.lines import Numbers, Places, Times

ENDS_MAX: int
"""Ends that wait to be told to one biller; then the oldest are left out."""
LATENCIES_MAX: int
"""Answers that percentiles speak of."""
QUESTION_HOLDS_MAX: int
"""Payments in the questions of a message, those of baskets one by one."""

LATE: int
"""A question has no answer in time, or may not go out any more."""
ASK: int
"""A question may go out."""
CANCEL: int
"""Money may have to be given back."""

@final
class Ends:
    """Ends of payments that a biller is told of as they happen.

    Best effort, and bounded: what is lost with a connection, or is too much, stands in
    the feed, which is complete.
    """

    def __bool__(self) -> bool: ...
    def add(self, holds: Numbers, rows: Rows) -> None:
        """These rows end these holds, or say more of them after that."""

    def take(self) -> bytes:
        """All that wait, once, as fields of a ConnectResponse."""

def acknowledged(told: list[Numbers]) -> bytes:
    """The numbers of answers that need not be sent again, as a field of the same."""

@disjoint_base
class Recent:
    """A ring of the seconds that a biller's last answers took."""

    def add(self, seconds: Times) -> None:
        """Answers, the last one at the end."""

    def all(self) -> Times:
        """Of the last LATENCIES_MAX."""

@disjoint_base
class Columns:
    """What of a table has to be fast. `table.Table` is the rest of it."""

    _count: int
    _gone: int
    open_count: int
    """Holds of all lines, those of baskets one by one."""
    added: int
    """Lines that have come since somebody set this to 0."""
    offers: bool
    """Whether the biller may hear of what comes without being asked."""
    stirred: bool
    """Whether there may be something to ask that there was not before."""
    tells: bool
    """Whether ends have waited for questions long enough."""
    has_room: bool
    """Not if there was no room for what waited when it was asked last."""
    ends: Ends | None
    """Who is told of ends."""

    def _bind(self) -> None:
        """The columns were allocated: C is to use these from here on."""

    def set_times(self, margin_ns: int, answering_ns: int, fresh_ns: int) -> None:
        """A biller's margin and time to answer; the age from which there were calls."""

    def counts(self) -> list[int]:
        """Lines in each state."""

    def look(self, now: float, wall_ns: int) -> int:
        """What there is to do by now: bits of LATE, ASK and CANCEL."""

    def oldest(self, room: int, wall_ns: int, skew_ns: int) -> tuple[Places, bool]:
        """The first that wait, up to `room`; whether all may be confirmed still."""

    def to_confirm(
        self, most: int, room: int, share: int, wall_ns: int, skew_ns: int
    ) -> Places | None:
        """The first that wait, as many as may be asked, where nothing is to be weighed.

        `most` may be out, `room` be in a message, and one centre may have `share`.
        None where something is unknown, one of them may not be confirmed any more,
        there is no room, or a centre could have more than its share.
        """

    def ask(
        self, places: Places, state: int, connection: int, now: float, until: float
    ) -> None:
        """A question about each goes out: CONFIRMING or CHECKING until `until`."""

    def take_final(self, answers: Rows, until: float) -> Places | None:
        """The places of what these answer, from here on ANSWERED until `until`.

        None, and nothing is changed, unless each is the first final answer to a
        question of this table that is out, and can be kept.
        """

    def settle(
        self, places: Places, since: float, now: float, recent: Recent
    ) -> tuple[int, bool]:
        """How long those took that `take_final` has found, into `recent`.

        How many of them were asked `since` then, and whether none is a basket.
        """

@final
class Router:
    """Takes rows to the tables of their services, in their order."""

    def clear(self) -> None:
        """No service has a table."""

    def route(self, service: int, table: Columns) -> None:
        """The rows of a service are of this table."""

    @staticmethod
    def kinds(rows: Rows) -> set[int]:
        """The kinds of accepted rows that there are among at least one row."""

    def add(self, rows: Rows, wall_ns: int) -> Sequence[int]:
        """Take accepted holds in; the places of those that are left to NumPy.

        Left is all of a table, or nothing: what is of no table yet, has waited long, or
        is of a basket of which the beginning is not here.
        """

    def resolve(self, rows: Rows) -> Sequence[int]:
        """Take what was posted or voided out; the places of the rest of what decides.

        That is what was verified, and what is of no line here.
        """

@final
class Turns:
    """Whose turn it is to be asked. Billers are numbered as they were added."""

    def add(self, table: Columns) -> None:
        """One biller more, by its table."""

    def begin(self) -> None:
        """Each may have a turn from here on."""

    def next(self) -> int:
        """Who of those that there may be something for has waited longest; or -1."""

    def passed(self) -> None:
        """Its turn is over."""

    def many(self, least: int) -> list[int]:
        """Those of whom so many lines are new, and that had room for them."""
