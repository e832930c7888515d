"""Goal: whatever is released, recalled, released anew and booked from day to day, the
breaks that a match leaves open come to what is owed and to what a bank has not booked.

Method: random days one after the other with a book of the test's own, which keeps each
release and what became of it; each day is matched by the file of the day before. One
walk is not told of recalls, and must be found.
"""

import datetime as dt
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from switch.matching.breaks import Break, State, read_breaks, write_breaks
from switch.matching.payouts import Booked, Payout, Recall, match_payouts
from switch.matching.scrolls import Scroll
from tests.longer import SEED, TIMES
from tests.matching.books import BILLER, DAY, HEADS
from tests.matching.test_bank import SCROLL, booked

DAYS = 12
WALKS = range(40 * TIMES)


@dataclass
class Released:
    """A release, and what became of it."""

    payout: Payout
    is_booked: bool = False
    recall: Recall | None = None


@dataclass
class Book:
    """What happened until now."""

    chance: Random
    day: dt.date = DAY
    scrolls: list[Scroll] = field(default_factory=list)
    releases: list[Released] = field(default_factory=list)
    lines: list[Booked] = field(default_factory=list)
    entries: int = 0
    recalled: int = 0

    @property
    def owed(self) -> int:
        """What scrolls say is payable and no release stands for."""
        stands = [
            release.payout.amount for release in self.releases if not release.recall
        ]
        return sum(scroll.payable for scroll in self.scrolls) - sum(stands)

    @property
    def not_booked(self) -> int:
        """What was released and no bank has booked."""
        return sum(
            release.payout.amount
            for release in self.releases
            if not release.is_booked and not release.recall
        )

    def one_day(self) -> list[Payout]:
        """What happens on a day; its releases."""
        number = f"S2026-27-{len(self.scrolls) + 1:04d}-{BILLER}-1"
        payable = self.chance.randrange(1, 1_000)
        self.scrolls.append(
            replace(SCROLL, number=number, day=self.day, payable=payable)
        )
        waiting = [
            release
            for release in self.releases
            if not release.is_booked and not release.recall
        ]
        for release in waiting:
            fate = self.chance.random()
            if fate < 0.3:
                self.entries += 1
                release.recall = Recall(self.entries, self.day)
                self.recalled += 1
            elif fate < 0.8:
                self._book(release)
        made = []
        for _ in range(self.chance.randrange(3)):
            if self.owed <= 0:
                break
            amount = self.chance.choice((self.owed, self.chance.randint(1, self.owed)))
            self.entries += 1
            reference = f"R{self.entries:012d}ABC"
            payout = Payout(reference, amount, self.day, BILLER, HEADS[0], "P.xml")
            made.append(Released(payout))
            self.releases.append(made[-1])
            if self.chance.random() < 0.4:
                self._book(made[-1])
        return [release.payout for release in made]

    def _book(self, release: Released) -> None:
        release.is_booked = True
        line = booked(release.payout.amount, release.payout.reference, day=self.day)
        self.lines.append(line)


def walk(seed: int, *, is_told: bool) -> int:
    """How many releases were recalled in the days of this seed."""
    book = Book(Random(seed))
    opened: list[Break] | None = None
    for _ in range(DAYS):
        payouts = book.one_day()
        recalls = {
            release.payout.entry: release.recall
            for release in book.releases
            if release.recall
        }
        breaks = match_payouts(
            book.scrolls,
            payouts,
            [line for line in book.lines if line.day == book.day],
            biller=BILLER,
            first=book.day,
            last=book.day,
            opened=opened,
            recalls=recalls if is_told else {},
        ).breaks
        left = {"scroll": 0, "recall": 0, "payout": 0}
        for found in breaks:
            if found.state is State.OPEN:
                left[found.by] += found.left
        assert left["scroll"] + left["recall"] == book.owed, book.day
        assert left["payout"] == book.not_booked, book.day
        opened = read_breaks(write_breaks(breaks, book.day), "breaks.csv")
        book.day += dt.timedelta(days=1)
    return book.recalled


def test_what_is_open_is_what_is_owed() -> None:
    recalled = [walk(SEED * len(WALKS) + number, is_told=True) for number in WALKS]
    assert sum(map(bool, recalled)) > len(WALKS) // 2


def test_recalls_that_are_not_told_are_found() -> None:
    with pytest.raises(AssertionError):
        assert [walk(number, is_told=False) for number in WALKS]
