"""What a match finds: each line has exactly one type, or none, and each break its end.

May use the other parts and the words. Pairs come from `pairing`; here it is said what
each is, and what becomes of the breaks that were open before.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from switch.matching.breaks import (
    OPEN_MAX,
    Break,
    State,
    Type,
    number_of,
)
from switch.matching.cells import ListError, date_of, day_of, head_of
from switch.matching.lines import Mask, Places
from switch.matching.pairing import Asked, Pairs, are_near, pair
from switch.matching.sides import (
    Sides,
    Travelling,
    Undecided,
    Wanted,
    lay_out,
    linked_to,
    travelling,
)
from switch.matching.sums import GIVEN_BACK, NOT_ASKED, Sums


@dataclass(slots=True)
class Found:
    """What came of a match."""

    breaks: list[Break]
    """Those that are open, and those that this match has closed."""
    sums: Sums
    undecided_listed: int = 0
    """Undecided payments of these days that the list has."""
    not_listed: list[Undecided] = field(default_factory=list)
    """Those that it lacks. That is evidence if the list is complete."""


def match(wanted: Wanted) -> Found:
    """Lay both sides side by side. Raises ListError."""
    travels = travelling(wanted)
    return _Match(wanted, travels, lay_out(wanted, travels)).run()


class _Match:
    def __init__(self, wanted: Wanted, travels: Travelling, sides: Sides) -> None:
        self._wanted = wanted
        self._travels = travels
        self._sides = sides
        self._breaks: list[Break] = list(travels.others)
        self._used_here: Mask = np.zeros(len(sides.here), np.bool_)
        self._used_there: Mask = np.zeros(len(sides.there), np.bool_)
        self._alike: Counter[tuple[object, ...]] = Counter()
        self._sums = Sums(wanted, sides)
        before = (*travels.payments, *travels.lines, *travels.others)
        self._taken = {one.number for one in before}

    def run(self) -> Found:
        sides = self._sides
        listed = np.arange(len(sides.there)) < sides.listed_count
        self._lines_of_today(np.flatnonzero(listed))
        self._lines_of_before(np.flatnonzero(~listed))
        if self._wanted.has_refunds:
            self._taken_back()
        self._payments_left()
        self._lines_left()
        self._lines_before_left()
        for bad in self._wanted.list.bad:
            self._unknown(bad.digest, bad.line, bad.what, bad.amount)
        self._bound()
        listed_count, not_listed = self._look_at_undecided()
        return Found(self._same_again(), self._sums, listed_count, not_listed)

    def _bound(self, more: int = 0) -> None:
        """Raise ListError if so many `more` are too many: before they are made."""
        count = more + sum(one.state is State.OPEN for one in self._breaks)
        if count > OPEN_MAX:
            raise ListError(
                self._wanted.list.name,
                f"{count:,} breaks: it is not the list of these days and this biller, "
                "or not by this map",
            )

    # --- pairs ------------------------------------------------------------------------

    def _pair(self, here: Mask, there: Places, usual: Mask) -> Pairs:
        sides = self._sides
        found = pair(
            Asked(
                sides.here,
                sides.there,
                sides.net if not self._wanted.has_refunds else sides.here.amount,
                usual,
                self._wanted.has_heads,
                self._wanted.by.names_one,
            ),
            np.flatnonzero(here & ~self._used_here),
            there,
        )
        self._used_here[found.here] = True
        self._used_there[found.there] = True
        return found

    def _lines_of_today(self, listed: Places) -> None:
        sides = self._sides
        found = self._pair(sides.may_pair, listed, sides.in_days)
        self._sums.take_pairs(found)
        differ = found.amount | found.head | found.date
        self._bound(int(differ.sum()))
        for at in np.flatnonzero(differ).tolist():
            here, there = int(found.here[at]), int(found.there[at])
            kind = _type(bool(found.amount[at]), bool(found.head[at]))
            differs = _names(found, at)
            if here < sides.own_count:
                one = self._with_line(self._of_payment(here, kind), there)
                self._breaks.append(replace(one, differs=differs))
                continue
            before = self._travels.payments[here - sides.own_count]
            before = self._linked(before)
            if kind is Type.DATE:
                self._close(before, self._line_text(there))
            else:
                changed = replace(before, type=kind, differs=differs)
                self._breaks.append(self._with_line(changed, there))

    def _lines_of_before(self, lines: Places) -> None:
        """A line that no payment was found for: is it here by now?"""
        sides = self._sides
        is_own = np.arange(len(sides.here)) < sides.own_count
        # Not usual: where a reference says which it is another amount is another one.
        usual = sides.in_days & self._wanted.by.names_one
        if not self._wanted.by.names_one:
            span = day_of(self._wanted.first), day_of(self._wanted.last)
            lines = lines[are_near(sides.there.day[lines], *span)]
        found = self._pair(sides.may_pair & is_own, lines, usual)
        self._sums.take_pairs(found, of_before=True)
        for at in range(len(found.here)):
            here, there = int(found.here[at]), int(found.there[at])
            before = self._travels.lines[there - sides.listed_count]
            kind = _type(bool(found.amount[at]), bool(found.head[at]))
            paid = self._of_payment(here, kind)
            if kind is Type.DATE:
                closing = f"{paid.scroll} line {paid.scroll_line}, entry {paid.entry}"
                self._close(before, closing)
                continue
            self._breaks.append(
                replace(
                    paid,
                    number=before.number,
                    since=before.since,
                    list=before.list,
                    list_line=before.list_line,
                    list_day=before.list_day,
                    list_head=before.list_head,
                    amount_there=before.amount_there,
                    differs=_names(found, at),
                )
            )

    def _taken_back(self) -> None:
        """Lines that the biller itself has taken back: by key and amount."""
        there, listed = self._sides.there, self._sides.listed_count
        left = ~self._used_there
        if not (left[:listed] & there.refund[:listed]).any():
            return

        def told(at: int) -> tuple[bytes, int, int]:
            head = int(there.head[at]) if self._wanted.has_heads else 0
            return there.key[at], int(there.amount[at]), head

        waiting: dict[tuple[bytes, int, int], list[int]] = {}
        for at in np.flatnonzero(left & ~there.refund)[::-1].tolist():
            waiting.setdefault(told(at), []).append(at)
        for at in np.flatnonzero(left[:listed] & there.refund[:listed]).tolist():
            credited = waiting.get(told(at))
            if not credited:
                continue
            which = credited.pop()
            self._used_there[[at, which]] = True
            if which >= listed:
                before = self._travels.lines[which - listed]
                self._close(before, self._line_text(at))
                self._sums.take_line(at, Type.DATE)

    # --- what is left -----------------------------------------------------------------

    def _payments_left(self) -> None:
        sides = self._sides
        expected = sides.in_days & ~sides.covered & ~self._used_here
        self._bound(int((expected & (sides.net != 0)).sum()))
        whole = np.flatnonzero(expected & ~sides.here.refund).tolist()
        told_by = self._wanted.acknowledged
        not_asked = told_by.not_asked if told_by else frozenset[int]()
        gone = set()
        # A list that tells the refund should have told the payment, too.
        told = set(sides.here.of[self._used_here & sides.here.refund].tolist())
        for at in whole:
            if not sides.net[at] and int(sides.here.entry[at]) not in told:
                gone.add(int(sides.here.entry[at]))
                self._sums.take_payment(at, GIVEN_BACK)
            elif int(sides.here.entry[at]) in not_asked:
                self._sums.take_payment(at, NOT_ASKED)
            else:
                self._breaks.append(self._of_payment(at, Type.MISSING_THERE))
                self._sums.take_payment(at, Type.MISSING_THERE)
        for at in np.flatnonzero(expected & sides.here.refund).tolist():
            if int(sides.here.of[at]) in gone:
                self._sums.take_payment(at, GIVEN_BACK)
            else:
                self._breaks.append(self._of_payment(at, Type.MISSING_THERE))
                self._sums.take_payment(at, Type.MISSING_THERE)
        for place, before in enumerate(self._travels.payments):
            self._sums.take_covered(before)
            if not self._used_here[sides.own_count + place]:
                self._payment_before(self._linked(before))

    def _payment_before(self, before: Break) -> None:
        """No line of this list is of it."""
        by_entries = f"entry {before.linked[-1][0]}" if before.linked else ""
        is_even = before.type is Type.MISSING_THERE and not before.left
        is_even |= before.type is Type.AMOUNT and before.left == before.amount_there
        if before.type is Type.DATE:
            self._close(before, f"{before.list} line {before.list_line}")
        elif is_even:
            self._close(before, by_entries)
        else:
            self._breaks.append(before)

    def _lines_left(self) -> None:
        """Lines of the list that are of nothing here."""
        sides = self._sides
        there, listed = sides.there, sides.listed_count
        left = np.flatnonzero(~self._used_there[:listed])
        if not len(left):
            return
        self._bound(len(left))
        told = self._told(left)
        for at in left.tolist():
            same = self._identity(at)
            is_twice = told[same] > 0
            told[same] += 1
            kind = Type.DUPLICATE if is_twice else Type.MISSING_HERE
            self._sums.take_line(at, kind)
            about = (
                *(self._wanted.by, bool(there.refund[at]), there.key[at]),
                *(int(there.amount[at]), self._head(int(there.head[at]))),
            )
            self._breaks.append(self._of_line(at, kind, about))

    def _told(self, left: Places) -> Counter[tuple[object, ...]]:
        """What is told already of the keys of these lines: they tell it again."""
        sides = self._sides
        keys = set(sides.there.key[left].tolist())
        told: Counter[tuple[object, ...]] = Counter()
        count = sides.listed_count
        used = [
            at
            for at, key in enumerate(sides.there.key[:count].tolist())
            if key in keys and self._used_there[at]
        ]
        for at in used:
            told[self._identity(at)] += 1
        for before in self._travels.payments:
            if before.type is Type.DATE:
                told[self._told_by(before)] += 1
        if self._wanted.by.names_one:
            for at in range(count, len(sides.there)):
                if not self._used_there[at] and sides.there.key[at] in keys:
                    told[self._identity(at)] += 1
            own = sides.own_count
            settled = ~(sides.may_pair | sides.covered)[:own]
            settled &= sides.here.key[:own] != b""
            for at in np.flatnonzero(settled).tolist():
                key = sides.here.key[at]
                if key in keys:
                    told[key, bool(sides.here.refund[at])] += 1
        return told

    def _identity(self, at: int) -> tuple[object, ...]:
        """Lines of the same tell the same thing."""
        there = self._sides.there
        same: tuple[object, ...] = (there.key[at], bool(there.refund[at]))
        if not self._wanted.by.names_one:
            head = int(there.head[at]) if self._wanted.has_heads else 0
            same += (int(there.amount[at]), int(there.day[at]), head)
        return same

    def _told_by(self, before: Break) -> tuple[object, ...]:
        """The same of the line that a break is about."""
        same: tuple[object, ...] = (before.key.encode(), before.refund)
        if not self._wanted.by.names_one:
            head = 0
            if self._wanted.has_heads:
                head = self._wanted.heads.place(head_of(before.list_head))
            day = day_of(before.list_day or before.day)
            same += (before.amount_there, day, head)
        return same

    def _lines_before_left(self) -> None:
        listed = self._sides.listed_count
        for place, before in enumerate(self._travels.lines):
            if not self._used_there[listed + place]:
                self._breaks.append(before)

    # --- breaks -----------------------------------------------------------------------

    def _of_payment(self, at: int, kind: Type) -> Break:
        here, scrolls = self._sides.here, self._wanted.scrolls
        scroll = scrolls.scrolls[int(here.scroll[at])]
        day, entry = date_of(int(here.day[at])), int(here.entry[at])
        told_by = self._wanted.acknowledged
        return self._linked(
            Break(
                text=told_by.why.get(entry, "") if told_by else "",
                number=number_of(day, "entry", scrolls.biller, entry),
                type=kind,
                biller=scrolls.biller,
                day=day,
                since=self._wanted.last,
                by=self._wanted.by,
                key=here.key[at].decode(),
                refund=bool(here.refund[at]),
                entry=entry,
                payment=int(here.payment[at]),
                receipt=here.receipt[at].decode(),
                centre=scrolls.places.texts[int(here.centre[at])],
                service=scrolls.places.texts[int(here.service[at])],
                made=date_of(int(here.made[at])),
                head=scroll.head,
                scroll=scroll.number,
                scroll_line=int(here.line[at]),
                amount_here=int(here.amount[at]),
            )
        )

    def _linked(self, one: Break) -> Break:
        return linked_to(one, self._sides.refunds)

    def _with_line(self, one: Break, at: int) -> Break:
        there = self._sides.there
        return replace(
            one,
            list=self._wanted.list.name,
            list_line=int(there.line[at]),
            list_day=date_of(int(there.day[at])),
            list_head=self._head(int(there.head[at])),
            amount_there=int(there.amount[at]),
        )

    def _of_line(self, at: int, kind: Type, about: tuple[object, ...]) -> Break:
        day = date_of(int(self._sides.there.day[at]))
        one = self._raised(day, kind, "line", *map(_part, about))
        one = replace(
            one,
            key=self._sides.there.key[at].decode(),
            refund=bool(self._sides.there.refund[at]),
        )
        return self._with_line(one, at)

    def _unknown(self, digest: bytes, line: int, what: str, amount: int) -> None:
        one = self._raised(self._wanted.last, Type.UNKNOWN, "unread", digest)
        self._breaks.append(
            replace(
                one,
                list=self._wanted.list.name,
                list_line=line,
                amount_there=abs(amount),
                refund=amount < 0,
                text=what,
            )
        )
        self._sums.take_unknown(amount)

    def _raised(self, day: dt.date, kind: Type, *about: str | bytes) -> Break:
        """About a line: of those that are alike each has an ordinal."""
        number = ""
        while not number or number in self._taken:
            self._alike[day, *about] += 1
            ordinal = self._alike[day, *about]
            number = number_of(day, self._wanted.biller, *about, ordinal)
        return Break(
            number=number,
            type=kind,
            biller=self._wanted.biller,
            day=day,
            since=self._wanted.last,
            by=self._wanted.by,
            key="",
        )

    def _head(self, place: int) -> str:
        if not self._wanted.has_heads:
            return ""
        bare = self._wanted.heads.texts[place]
        return self._wanted.scrolls.heads.get(bare, bare)

    def _line_text(self, at: int) -> str:
        return f"{self._wanted.list.name} line {int(self._sides.there.line[at])}"

    def _close(self, one: Break, by: str) -> None:
        self._breaks.append(one.closed(by, self._wanted.last))

    def _same_again(self) -> list[Break]:
        """Of days that were matched before: what is raised again keeps its age."""
        again = self._travels.again
        made = []
        for one in self._breaks:
            before = again.pop(one.number, None)
            if before is not None and before.since < one.since:
                one = replace(one, since=before.since)
            made.append(one)
        name = self._wanted.list.name
        gone = (
            one.closed(f"found no more with {name}", self._wanted.last)
            for one in again.values()
        )
        return [*made, *gone]

    # --- undecided payments -----------------------------------------------------------

    def _look_at_undecided(self) -> tuple[int, list[Undecided]]:
        """Name those that breaks are about; how many are listed, and which are not."""
        wanted = self._wanted
        by_key: dict[str, Undecided] = {}
        for one in wanted.undecided:
            key = one.key(wanted.by)
            if key:
                by_key.setdefault(key, one)
        if not by_key:
            return 0, []
        listed = set()
        for at, one_break in enumerate(self._breaks):
            known = by_key.get(one_break.key)
            if known is None or one_break.type is not Type.MISSING_HERE:
                continue
            if one_break.amount_there != known.amount and not wanted.by.names_one:
                continue
            listed.add(known.entry)
            text = f"a payment that is {known.kind}: entry {known.entry}"
            self._breaks[at] = replace(one_break, undecided=known.entry, text=text)
        keys = _texts(self._sides.there.key[: self._sides.listed_count], by_key)
        days = [
            one
            for one in by_key.values()
            if wanted.first <= one.day <= wanted.last and one.entry not in listed
        ]
        not_listed = [one for one in days if one.key(wanted.by) not in keys]
        return len(listed), sorted(not_listed, key=lambda one: one.entry)


def _texts(
    keys: np.ndarray[tuple[int], np.dtype[np.bytes_]], known: Iterable[str]
) -> set[str]:
    """Which of the known keys are among the others."""
    wanted = {one.encode() for one in known}
    return {key.decode() for key in keys.tolist() if key in wanted}


def _type(amount: bool, head: bool) -> Type:
    """The gravest of what a pair differs in."""
    if amount:
        return Type.AMOUNT
    return Type.HEAD if head else Type.DATE


def _names(found: Pairs, at: int) -> str:
    named = (("amount", found.amount), ("head", found.head), ("date", found.date))
    return " ".join(name for name, mask in named if mask[at])


def _part(value: object) -> str | bytes:
    return value if isinstance(value, bytes) else str(value)
