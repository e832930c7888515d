"""The third book: what scrolls say is payable, what was released, what a bank booked.

May use `breaks`, `cells`, `scrolls` and the words. Payouts are few: one for a head and
a window. Those that are given were made since the match before; what is older was
settled, or is an open break.
"""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from switch.matching.breaks import (
    BANK_KEYS,
    LINKED_MAX,
    Break,
    State,
    Type,
    number_of,
)
from switch.matching.cells import ListError
from switch.matching.scrolls import Scroll

PAYOUTS_MAX = 100_000
"""Payouts of one match."""

_NUMBER = re.compile(r"R([0-9]{12})[A-Z2-9]{3}", re.ASCII)
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

    @property
    def entry(self) -> int:
        """Of the release; 0 of a number that is none of ours."""
        found = _NUMBER.fullmatch(self.reference)
        return int(found[1]) if found else 0


class Recall(NamedTuple):
    """That two people have taken a release back: its money is in settlement again."""

    entry: int
    day: dt.date


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
    """What came of it; amounts are paise."""

    breaks: list[Break]
    payable: int
    """Of the scrolls of these days, and what was not released of earlier ones."""
    released: int
    """Since the match before."""
    booked: int
    """What the bank has paid of that, less what came back."""
    scrolls: list[dict[str, Any]]

    def plain(self) -> dict[str, Any]:
        """For the report."""
        return {
            "looked_at": True,
            "payable": self.payable,
            "released": self.released,
            "booked": self.booked,
            "not_passed_on": self.payable - self.booked,
            "scrolls": self.scrolls,
        }


@dataclass(frozen=True, slots=True)
class KeptPaid:
    """What an earlier match of the same days has found of the bank, where this one has
    not looked at it.
    """

    breaks: list[Break]
    told: dict[str, Any]
    """Its part of the report."""

    def plain(self) -> dict[str, Any]:
        """The same, and that nobody has looked again."""
        return self.told | {"looked_at": False}


def match_payouts(
    scrolls: Sequence[Scroll],
    payouts: Iterable[Payout],
    booked: Iterable[Booked],
    *,
    biller: str,
    first: dt.date,
    last: dt.date,
    opened: Iterable[Break] | None = None,
    recalls: Mapping[int, Recall] | None = None,
) -> PaidFound:
    """Each scroll of these days against the payouts of its head, each of them against
    the bank; and what is open from before. Payouts of `recalls`, by their entries, have
    released nothing. Raises ListError.
    """
    found = _Payouts(biller, first, last, opened, recalls or {})
    found.take_payouts(payouts)
    found.take_lines(booked)
    found.look_at_payouts()
    return found.look_at_scrolls(scrolls)


def number_text(text: str) -> str:
    """A number as it is compared: without spaces, in capitals."""
    return "".join(text.split()).upper()


@dataclass(slots=True)
class _Paid:
    """What a bank has booked by one number."""

    lines: list[Booked] = field(default_factory=list)
    before: int = 0
    """Paid by what earlier matches have seen."""

    @property
    def debits(self) -> list[Booked]:
        return [one for one in self.lines if one.is_debit]

    @property
    def now(self) -> int:
        return sum(one.amount if one.is_debit else -one.amount for one in self.lines)

    @property
    def net(self) -> int:
        return self.before + self.now


class _Payouts:
    def __init__(
        self,
        biller: str,
        first: dt.date,
        last: dt.date,
        opened: Iterable[Break] | None,
        recalls: Mapping[int, Recall],
    ) -> None:
        # What was recalled later is seen by a later match.
        self._recalls = {
            entry: one for entry, one in recalls.items() if one.day <= last
        }
        self._biller = biller
        self._first = first
        self._last = last
        self._breaks: list[Break] = []
        self._again: dict[str, Break] = {}
        self._open: dict[tuple[str, str], Break] = {}
        self._mine: dict[str, Payout] = {}
        # Those of them that were recalled, and did not leave.
        self._returned: set[str] = set()
        self._returns: list[Break] = []
        self._paid: dict[str, _Paid] = defaultdict(_Paid)
        for one in opened or ():
            self._take_open(one)

    def _take_open(self, one: Break) -> None:
        if one.by not in BANK_KEYS:
            return
        if one.state is State.CLOSED:
            if one.closed_on != self._last:
                return
            one = replace(one, state=State.OPEN, closed_by="", closed_on=None)
        if one.since >= self._first:
            self._again[one.number] = one
        else:
            self._open[one.by, one.key] = one

    def take_payouts(self, payouts: Iterable[Payout]) -> None:
        """Those of this biller. Raises ListError."""
        for one in payouts:
            if one.biller != self._biller:
                continue
            number = number_text(one.reference)
            known = self._mine.setdefault(number, one)
            if replace(known, file=one.file) != one:
                raise ListError(one.file, f"tells {number} twice, and not the same")
            if len(self._mine) > PAYOUTS_MAX:
                raise ListError(one.file, f"with it there are over {PAYOUTS_MAX:,}")

    def take_lines(self, booked: Iterable[Booked]) -> None:
        """The bank's lines that name one release."""
        for line in booked:
            if line.day > self._last:
                continue
            numbers = {
                number_text(one) for text in line.texts for one in _WORD.findall(text)
            }
            # Of several that one counts which was released.
            known = numbers & self._mine.keys() or numbers
            if len(known) == 1:
                self._paid[known.pop()].lines.append(line)

    def _new(self, kind: Type, by: str, key: str, day: dt.date) -> Break:
        return Break(
            number=number_of(day, self._biller, by, key),
            type=kind,
            biller=self._biller,
            day=day,
            since=self._last,
            by=by,
            key=key,
        )

    # --- payouts and the bank ---------------------------------------------------------

    def look_at_payouts(self) -> None:
        """Each number that was released, or is open. What else the bank names may be of
        another biller; that nobody released it, the ledger's bank says.
        """
        for number, payout in self._mine.items():
            # Told again, and open from before: it is judged anew, by all lines at hand.
            before = self._open.pop(("payout", payout.reference), None)
            if payout.entry in self._recalls and self._paid[number].net <= 0:
                self._returned.add(number)
                if before is not None:
                    self._take_back(before)
                continue
            if before is not None:
                self._again[before.number] = before
            self._judge(payout, self._paid[number])
        for (by, number), before in list(self._open.items()):
            if by == "payout":
                del self._open[by, number]
                self._carry(before)

    def _judge(self, payout: Payout, paid: _Paid) -> None:
        if paid.net == payout.amount and payout.entry not in self._recalls:
            return
        made = self._new(Type.AMOUNT, "payout", payout.reference, payout.day)
        made = replace(
            made,
            entry=payout.entry,
            head=payout.head,
            scroll=payout.file,
            amount_here=payout.amount,
        )
        self._breaks.append(self._as_known(_as_booked(made, paid)))

    def _take_back(self, before: Break) -> None:
        """An open break of a payout that was recalled ends with that. What it had
        released is to be released again: scrolls that are still open say so, and of
        others a break of its own does.
        """
        recall = self._recalls[before.entry]
        # If this is the same match again, the scrolls were told already.
        returned = dict(before.linked).get(recall.entry)
        if returned is None:
            returned = before.amount_here
            for key, one in self._open.items():
                linked = dict(one.linked)
                returned -= linked.pop(before.entry, 0)
                self._open[key] = replace(one, linked=tuple(sorted(linked.items())))
        before = replace(before, linked=((recall.entry, returned),))
        self._breaks.append(before.closed(f"entry {recall.entry}", self._last))
        if returned:
            made = self._new(Type.MISSING_THERE, "recall", before.key, before.day)
            made = replace(made, entry=recall.entry, head=before.head)
            self._returns.append(replace(made, amount_here=returned))

    def _as_known(self, one: Break) -> Break:
        """A break of a payout that the bank has booked although it was recalled."""
        if one.entry not in self._recalls:
            return one
        return replace(one, type=Type.MISSING_HERE, text="booked, and recalled")

    def _carry(self, before: Break) -> None:
        """What is open from before; lines of days that were counted do not count."""
        paid = self._paid.pop(number_text(before.key), _Paid())
        seen = before.list_day
        if seen is not None:
            paid.lines = [one for one in paid.lines if one.day > seen]
        paid.before = before.amount_there
        if before.entry in self._recalls and paid.net <= 0:
            self._take_back(before)
        elif not paid.lines:
            self._breaks.append(self._as_known(before))
        elif paid.net == before.amount_here and before.entry not in self._recalls:
            self._breaks.append(before.closed(paid.lines[-1].place, self._last))
        else:
            self._breaks.append(self._as_known(_as_booked(before, paid)))

    # --- scrolls and payouts ----------------------------------------------------------

    def look_at_scrolls(self, scrolls: Sequence[Scroll]) -> PaidFound:
        """What of each scroll was released: of each head the oldest first."""
        queues: dict[str, list[Payout]] = defaultdict(list)
        in_order = sorted(self._mine.values(), key=lambda one: (one.day, one.entry))
        for payout in in_order:
            if number_text(payout.reference) not in self._returned:
                queues[payout.head].append(payout)
        today = {one.entry for one in self._mine.values()}
        waiting = [
            replace(
                one, linked=tuple(link for link in one.linked if link[0] not in today)
            )
            for one in (*self._open.values(), *self._returns)
        ]
        days = [one for one in scrolls if self._first <= one.day <= self._last]
        payable = sum(one.left for one in waiting) + sum(one.payable for one in days)
        for scroll in days:
            made = self._new(Type.MISSING_THERE, "scroll", scroll.number, scroll.day)
            made = replace(made, head=scroll.head, scroll=scroll.number)
            waiting.append(replace(made, amount_here=scroll.payable))
        waiting.sort(key=lambda one: (one.day, one.key))
        last_of = {one.head: one.key for one in waiting}
        left = {number: one.amount for number, one in self._mine.items()}
        told = []
        for one in waiting:
            is_last = last_of[one.head] == one.key
            linked = _release(one, queues[one.head], left, is_last=is_last)
            told.append(
                {
                    "number": linked.key,
                    "head": linked.head,
                    "payable": linked.amount_here,
                    "released": linked.amount_there,
                }
            )
            self._end(one, linked)
        return PaidFound(
            self._same_again(),
            payable=payable,
            released=sum(
                one.amount
                for number, one in self._mine.items()
                if number not in self._returned
            ),
            booked=sum(self._paid[number].now for number in self._mine),
            scrolls=told,
        )

    def _end(self, before: Break, linked: Break) -> None:
        if linked.left:
            self._breaks.append(linked)
        elif before.since < self._first:
            entries = ", ".join(str(entry) for entry, _ in linked.linked)
            self._breaks.append(linked.closed(f"entry {entries}", self._last))

    def _same_again(self) -> list[Break]:
        again = self._again
        made = []
        for one in self._breaks:
            known = again.pop(one.number, None)
            made.append(one if known is None else replace(one, since=known.since))
        made += [one.closed("even by now", self._last) for one in again.values()]
        return made


def _as_booked(one: Break, paid: _Paid) -> Break:
    """A break of a payout, with what the bank has booked of it."""
    debits = paid.debits
    if paid.net <= 0:
        kind, text = Type.MISSING_THERE, "sent back" if debits else "not booked"
    elif len(debits) > 1 and paid.net > one.amount_here:
        kind, text = Type.DUPLICATE, f"booked {len(debits)} times"
    else:
        kind, text = Type.AMOUNT, "booked with another amount"
    line = paid.lines[-1] if paid.lines else None
    return replace(
        one,
        type=kind,
        amount_there=max(paid.net, 0),
        list=line.place if line else "",
        list_day=line.day if line else None,
        text=text,
    )


def _release(
    one: Break, queue: list[Payout], left: dict[str, int], *, is_last: bool
) -> Break:
    """A scroll with the payouts that release it; the newest takes what is too much."""
    linked = dict(one.linked)
    for payout in queue:
        number = number_text(payout.reference)
        open_amount = one.amount_here - sum(linked.values())
        given = left[number] if is_last else min(left[number], open_amount)
        if given <= 0:
            continue
        left[number] -= given
        linked[payout.entry] = linked.get(payout.entry, 0) + given
        if len(linked) >= LINKED_MAX:
            break
    released = sum(linked.values())
    nothing = "recalled, not released again" if one.by == "recall" else "not released"
    return replace(
        one,
        linked=tuple(sorted(linked.items())),
        amount_there=released,
        type=Type.AMOUNT if released else Type.MISSING_THERE,
        text="released otherwise" if released else nothing,
    )
