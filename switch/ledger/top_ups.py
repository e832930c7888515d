"""Requests for top-ups: those of a wallet, and how each stands.

May use the core and the words. Reads durable rows by the index: of one wallet the
requests of an IST day are linked to it, so that a page walks back over days.
"""

from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from typing import NamedTuple

from switch._core import Ledger
from switch.calendar import day_number
from switch.codes import REQUEST_LIFE_NS, Kind, Link, Result
from switch.entries import Entry
from switch.errors import CorruptionError

DAYS_MAX = 4_000
"""Days that one page walks back at most: some ten years, a look at the index each."""


class TopUpState(IntEnum):
    """How a request stands; the numbers are the wire's."""

    OPEN = 1
    PAID = 2
    EXPIRED = 3


class TopUp(NamedTuple):
    """A request, and what has paid it."""

    entry: Entry
    booked: int
    """The sequence of the row that has, 0 for none."""
    booked_ns: int
    """Its time; 0 also if it cannot be read."""

    def state(self, now_ns: int) -> TopUpState:
        """How it stands at a time."""
        if self.booked:
            return TopUpState.PAID
        is_open = now_ns < self.open_until_ns
        return TopUpState.OPEN if is_open else TopUpState.EXPIRED

    @property
    def open_until_ns(self) -> int:
        """When it stops being open."""
        return self.entry.timestamp + REQUEST_LIFE_NS


def is_request(entry: Entry) -> bool:
    """Whether an entry is a request that was accepted."""
    return entry.kind == Kind.REQUEST and entry.result == Result.OK


def top_up_of(ledger: Ledger, entry: Entry) -> TopUp:
    """How an accepted request stands. Raises CorruptionError."""
    booked = ledger.link(entry.sequence, Link.MATCHED)
    time_ns = 0
    if booked:
        with suppress(CorruptionError):
            # That it is paid the index says.
            time_ns = ledger.row(booked).timestamp
    return TopUp(entry, booked, time_ns)


def list_top_ups(
    ledger: Ledger, wallet: int, before: int, limit: int, open_at_ns: int = 0
) -> tuple[list[TopUp | int], int]:
    """Up to `limit` requests of a wallet, newest first, below `before` if it is not 0;
    of a time only those that are open then. Of one that cannot be read its sequence.
    Also the `before` of the next page, 0 if there is none; a page may be short of it.
    """
    found: list[TopUp | int] = []
    last, following = ledger.timestamp, 0
    if before:
        with suppress(CorruptionError):
            last = ledger.row(before).timestamp
    for sequence in _requests(ledger, wallet, last, open_at_ns):
        if before and sequence >= before:
            continue
        one: TopUp | int
        try:
            one = top_up_of(ledger, ledger.row(sequence))
        except CorruptionError:
            one = sequence
        is_open = isinstance(one, int) or one.state(open_at_ns) is TopUpState.OPEN
        if open_at_ns and not is_open:
            continue
        if len(found) == limit:
            return found, following
        found.append(one)
        following = sequence
    return found, 0


def _requests(
    ledger: Ledger, wallet: int, last_ns: int, open_at_ns: int
) -> Iterator[int]:
    """A wallet's requests, newest first, of days up to that of a time; for what is open
    the days of its life are enough.
    """
    image, _ = ledger.account(wallet)
    opened = ledger.row(int(image["opened"])).timestamp
    oldest_ns = max(opened, open_at_ns - REQUEST_LIFE_NS if open_at_ns else 0)
    last, first = day_number(last_ns), day_number(oldest_ns)
    for day in range(last, max(first, last - DAYS_MAX) - 1, -1):
        yield from map(int, ledger.requests(wallet, day))
