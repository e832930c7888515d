"""The third book: what scrolls say is payable, what was released, what a bank booked.

May use `breaks`, `scrolls` and the words. Payouts are few: one for a head and a window.
"""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from switch.matching.breaks import BANK_KEYS, Break, State, Type, number_of
from switch.matching.scrolls import Scroll

PAYOUTS_MAX = 100_000
"""Payouts, and lines of a bank, of one match."""

_WORD = re.compile(r"R(?: *[0-9]){12}(?: *[A-Z2-9]){3}", re.ASCII | re.IGNORECASE)
"""The number of a release, as a bank may have written it."""


@dataclass(frozen=True, slots=True)
class Payout:
    """Money that was released to be paid out."""

    reference: str
    """The number that the bank is to write: end-to-end."""
    amount: int
    day: dt.date
    biller: str = ""
    head: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Booked:
    """A line of a bank."""

    amount: int
    day: dt.date
    is_debit: bool
    """Money that went out; else it came (back) in."""
    texts: tuple[str, ...]
    place: str


@dataclass(slots=True)
class PaidFound:
    """What came of it."""

    breaks: list[Break]
    payable: int
    """Of the scrolls of these days."""
    released: int
    booked: int
    """What the bank has paid of what was released, less what came back."""
    scrolls: list[dict[str, Any]]

    def plain(self) -> dict[str, Any]:
        """For the report."""
        return {
            "payable": self.payable,
            "released": self.released,
            "booked": self.booked,
            "not_passed_on": self.payable - self.booked,
            "scrolls": self.scrolls,
        }


def match_payouts(
    scrolls: Sequence[Scroll],
    payouts: Iterable[Payout],
    booked: Iterable[Booked],
    *,
    biller: str,
    first: dt.date,
    last: dt.date,
    opened: Iterable[Break] = (),
) -> PaidFound:
    """Each scroll of these days against the payouts of its head, each of them against
    the bank. Payouts follow scrolls by the head and in their order: what was released
    first is of the oldest.
    """
    released = sorted(
        (one for one in payouts if one.biller == biller),
        key=lambda one: (one.day, one.reference),
    )
    known = {number_text(one.reference): one for one in released}
    paid, strange = _by_number(booked, known)
    matcher = _Payouts(biller, last)
    for reference, payout in known.items():
        matcher.payout(payout, paid.get(reference, []))
    for reference, lines in strange.items():
        matcher.stranger(reference, lines)
    mine = [one for one in scrolls if first <= one.day <= last]
    told = matcher.scrolls(mine, released)
    breaks = _carried(matcher.breaks, matcher.settled, opened, first, last)
    return PaidFound(
        breaks,
        payable=sum(one.payable for one in mine),
        released=sum(one.amount for one in released),
        booked=sum(_net(paid.get(reference, [])) for reference in known),
        scrolls=told,
    )


def number_text(text: str) -> str:
    """A number as it is compared: without spaces, in capitals."""
    return "".join(text.split()).upper()


def _net(lines: Iterable[Booked]) -> int:
    return sum(one.amount if one.is_debit else -one.amount for one in lines)


def _by_number(
    booked: Iterable[Booked], known: dict[str, Payout]
) -> tuple[dict[str, list[Booked]], dict[str, list[Booked]]]:
    """Lines of the payouts, and lines of releases of which there is no payout."""
    paid: dict[str, list[Booked]] = defaultdict(list)
    strange: dict[str, list[Booked]] = defaultdict(list)
    for line in booked:
        numbers = {
            number_text(one) for text in line.texts for one in _WORD.findall(text)
        }
        named = numbers & known.keys()
        if len(named) == 1:
            paid[named.pop()].append(line)
        elif len(numbers) == 1 and line.is_debit:
            strange[numbers.pop()].append(line)
    return paid, strange


class _Payouts:
    def __init__(self, biller: str, last: dt.date) -> None:
        self._biller = biller
        self._last = last
        self.breaks: list[Break] = []
        self.settled: set[str] = set()
        """Keys of what is even."""

    def _break(self, kind: Type, by: str, key: str, day: dt.date) -> Break:
        return Break(
            number=number_of(day, self._biller, by, key),
            type=kind,
            biller=self._biller,
            day=day,
            since=self._last,
            by=by,
            key=key,
        )

    def payout(self, one: Payout, lines: list[Booked]) -> None:
        """One against what the bank has booked of it."""
        paid = _net(lines)
        debits = [line for line in lines if line.is_debit]
        if paid == one.amount and len(debits) <= 1 + (len(lines) - len(debits)):
            self.settled.add(one.reference)
            return
        if not paid:
            kind = Type.MISSING_THERE
            text = "sent back" if debits else "not booked"
        elif len(debits) > 1:
            kind, text = Type.DUPLICATE, f"booked {len(debits)} times"
        else:
            kind, text = Type.AMOUNT, "booked with another amount"
        made = self._break(kind, "payout", one.reference, one.day)
        self.breaks.append(
            replace(
                made,
                head=one.head,
                scroll=one.file,
                amount_here=one.amount,
                amount_there=max(paid, 0),
                list=debits[-1].place if debits else "",
                list_day=debits[-1].day if debits else None,
                text=text,
            )
        )

    def stranger(self, reference: str, lines: list[Booked]) -> None:
        """Booked by a number that was not released."""
        made = self._break(Type.MISSING_HERE, "payout", reference, lines[0].day)
        amount = sum(one.amount for one in lines)
        self.breaks.append(
            replace(
                made,
                amount_there=amount,
                list=lines[0].place,
                list_day=lines[0].day,
                text="booked by a number that was not released to this biller",
            )
        )

    def scrolls(
        self, scrolls: Sequence[Scroll], released: Sequence[Payout]
    ) -> list[dict[str, Any]]:
        """What of each scroll was released: of each head the oldest first."""
        left: dict[str, int] = defaultdict(int)
        for one in released:
            left[one.head] += one.amount
        told = []
        last_of = {one.head: one.number for one in scrolls}
        for scroll in scrolls:
            given = min(left[scroll.head], scroll.payable)
            if last_of[scroll.head] == scroll.number:
                # What is more than all of them stands at the newest.
                given = left[scroll.head]
            left[scroll.head] -= given
            told.append(
                {
                    "number": scroll.number,
                    "head": scroll.head,
                    "payable": scroll.payable,
                    "released": given,
                }
            )
            if given == scroll.payable:
                self.settled.add(scroll.number)
                continue
            kind = Type.AMOUNT if given else Type.MISSING_THERE
            made = self._break(kind, "scroll", scroll.number, scroll.day)
            self.breaks.append(
                replace(
                    made,
                    head=scroll.head,
                    scroll=scroll.number,
                    amount_here=scroll.payable,
                    amount_there=given,
                    text="released otherwise" if given else "not released",
                )
            )
        return told


def _carried(
    found: list[Break],
    settled: set[str],
    opened: Iterable[Break],
    first: dt.date,
    last: dt.date,
) -> list[Break]:
    """With those that were open before: what is found again keeps its age, what is even
    by now is closed, the others travel on.
    """
    by_number = {one.number: one for one in found}
    for before in opened:
        if before.by not in BANK_KEYS:
            continue
        if before.state is State.CLOSED:
            if before.closed_on != last:
                continue
            before = replace(before, state=State.OPEN, closed_by="", closed_on=None)
        again = by_number.get(before.number)
        if again is not None:
            by_number[before.number] = replace(again, since=before.since)
        elif before.key in settled:
            by_number[before.number] = before.closed("the bank", last)
        elif before.since < first:
            by_number[before.number] = before
        else:
            by_number[before.number] = before.closed("found no more", last)
    return list(by_number.values())
