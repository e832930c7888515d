"""What is laid side by side: the payments here, the lines there, and what travels.

May use `breaks`, `lists`, `lines`, `scrolls` and the words.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from switch.matching.breaks import BANK_KEYS, Break, Matched, State, Type
from switch.matching.cells import ListError, day_of, head_of
from switch.matching.lines import (
    Here,
    Mask,
    Numbers,
    Texts,
    There,
    join,
    pick,
)
from switch.matching.lists import BillerList
from switch.matching.maps import By
from switch.matching.pairing import are_near
from switch.matching.scrolls import Scrolls

_OF_A_PAYMENT = frozenset({Type.MISSING_THERE, Type.AMOUNT, Type.HEAD, Type.DATE})
_OF_A_LINE = frozenset({Type.MISSING_HERE, Type.DUPLICATE})


@dataclass(frozen=True, slots=True)
class Undecided:
    """A payment that its biller has not answered for."""

    entry: int
    """What the list of exceptions names, and `propose` takes."""
    kind: str
    """`kept`, `unverified` and others, as that list has them."""
    payment: int
    payment_id: str
    """32 hexadecimal digits."""
    reference: str
    amount: int
    day: dt.date
    """On which it was made."""

    def key(self, by: By) -> str:
        """By which a list would name it; empty if by none that it has."""
        keys = {By.ID: self.payment_id, By.NUMBER: str(self.payment)}
        return (keys | {By.REFERENCE: self.reference}).get(by, "")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What is known of payments where a biller's acknowledgements are its list."""

    not_asked: frozenset[int]
    """Entries of payments of which nobody asks the biller: no word of it lacks."""
    why: Mapping[int, str]
    """By entry why its word lacks."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be matched."""

    first: dt.date
    last: dt.date
    by: By
    scrolls: Scrolls
    list: BillerList
    heads: Texts
    """Of both sides, as they are compared."""
    has_heads: bool = False
    """The list has them."""
    has_refunds: bool = False
    """The list tells them."""
    has_baskets: bool = False
    """It tells each as one line."""
    opened: tuple[Break, ...] = ()
    """What was open before."""
    matched: Matched | None = None
    """By which match; None: nothing was matched before."""
    undecided: tuple[Undecided, ...] = ()
    acknowledged: Acknowledged | None = None
    """The list is what its biller has acknowledged, and no list of its own."""

    @property
    def biller(self) -> str:
        """Whose list it is."""
        return self.scrolls.biller

    @property
    def previous(self) -> tuple[dt.date, int] | None:
        """The last day, and the last window, that were matched before."""
        if self.matched is None:
            return None
        return self.matched.previous(self.first, self.last)

    @property
    def as_matched(self) -> Matched:
        """What the next match is to know of this one."""
        return Matched(
            biller=self.biller,
            first=self.first,
            last=self.last,
            by=self.by,
            window=max(one.window for one in self.scrolls.scrolls),
            list=self.list.name,
            before=self.previous,
        )


@dataclass(slots=True)
class Travelling:
    """The open breaks from before, by what they wait for."""

    payments: list[Break]
    """For a line of the list, or for refunds."""
    lines: list[Break]
    """For a payment."""
    again: dict[str, Break]
    """Of these days: they are found again, or were put right."""
    others: list[Break]
    """For nothing that a match of this kind brings."""


def travelling(wanted: Wanted) -> Travelling:
    """Sort what was open. Raises ListError for a file that is not of this match."""
    found = Travelling([], [], {}, [])
    if wanted.matched is not None:
        if wanted.matched.biller != wanted.biller:
            raise ListError("the breaks before", "are of another biller")
        try:
            wanted.matched.previous(wanted.first, wanted.last)
        except ValueError as error:
            raise ListError("the file of breaks", str(error)) from None
    for one in wanted.opened:
        if one.biller != wanted.biller:
            raise ListError(one.number, f"is a break of {one.biller[:64]!a}")
        if one.since > wanted.last or (one.closed_on or one.since) > wanted.last:
            raise ListError(one.number, f"is of a later match than {wanted.last}")
        if one.by in BANK_KEYS:
            continue
        if one.state is State.CLOSED:
            if one.closed_on != wanted.last:
                continue
            # The same match once more: what it has closed is open before it.
            one = replace(one, state=State.OPEN, closed_by="", closed_on=None)
        if one.since >= wanted.first:
            found.again[one.number] = one
        elif one.by != wanted.by:
            found.others.append(one)
        elif one.type in _OF_A_PAYMENT and one.entry:
            found.payments.append(one)
        elif one.type in _OF_A_LINE:
            found.lines.append(one)
        else:
            found.others.append(one)
    return found


@dataclass(slots=True)
class Sides:
    """Both sides as columns; behind the scrolls' own lines here stand those of breaks
    that travel, and likewise there.
    """

    here: Here
    own_count: int
    """Of the first lines here, which the scrolls have."""
    net: Numbers
    in_days: Mask
    """What is expected to be told now: of these days, or of a scroll that was not at
    hand before.
    """
    covered: Mask
    """Lines of the scrolls that a break stands for."""
    may_pair: Mask
    there: There
    listed_count: int
    """Of the first lines there, which the list has."""
    refunds: dict[int, tuple[tuple[int, int], ...]]
    """Of each entry what was given back of it: entries and amounts."""


def lay_out(wanted: Wanted, travels: Travelling) -> Sides:
    """Both sides, and which lines may be paired at all. Raises ListError."""
    own = wanted.scrolls.here
    refunds = _refunds(own)
    if not wanted.has_refunds:
        own = pick(own, ~own.refund)
    if wanted.has_baskets:
        own = _as_lists_tell(own, refunds)
    here = join([own, _payments(travels.payments, wanted.heads)])
    net = here.amount.copy()
    _take_back(net, own, refunds)
    for place, one in enumerate(travels.payments):
        net[len(own) + place] = linked_to(one, refunds).left
    is_own = np.arange(len(here)) < len(own)
    in_days = is_own.copy()
    in_days[: len(own)] = expected(wanted, own)
    standing = np.array([one.entry for one in travels.payments], np.int64)
    covered = is_own & np.isin(here.entry, standing)
    first, last = day_of(wanted.first), day_of(wanted.last)
    may_pair = ~is_own | in_days | (here.day > last)
    if wanted.previous is None:
        may_pair |= is_own
    may_pair &= ~covered
    # A payment that was told on another day is not waited for any more.
    may_pair[len(own) :] = [one.type is not Type.DATE for one in travels.payments]
    if not wanted.by.names_one:
        may_pair &= are_near(here.day, first, last)
    # What has no key, such as a biller's reference that it never gave, pairs with none.
    may_pair &= here.key != b""
    there = join([wanted.list.there, _lines(travels.lines, wanted.heads)])
    count = len(wanted.list.there)
    return Sides(here, len(own), net, in_days, covered, may_pair, there, count, refunds)


def expected(wanted: Wanted, own: Here) -> Mask:
    """Which lines of the scrolls are to be told now. Raises ListError."""
    due = own.day <= day_of(wanted.last)
    if wanted.previous is None:
        return due & (own.day >= day_of(wanted.first))
    day, window = wanted.previous
    if min(one.after for one in wanted.scrolls.scrolls) > window:
        raise ListError(
            "the scrolls", f"of windows behind {window}, the last before, lack"
        )
    windows = np.array([one.window for one in wanted.scrolls.scrolls], np.int64)
    was_there = windows[own.scroll] <= window
    return due & ~(was_there & (own.day <= day_of(day)))


def linked_to(one: Break, refunds: dict[int, tuple[tuple[int, int], ...]]) -> Break:
    """The same with the refunds that the scrolls at hand have of it, too."""
    found = refunds.get(one.entry, ())
    if one.refund or not found:
        return one
    return replace(one, linked=tuple(sorted({*one.linked, *found})))


def _refunds(own: Here) -> dict[int, tuple[tuple[int, int], ...]]:
    given = pick(own, own.refund)
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    rows = zip(
        given.of.tolist(), given.entry.tolist(), given.amount.tolist(), strict=True
    )
    for of, entry, amount in rows:
        found[of].append((entry, amount))
    return {of: tuple(sorted(linked)) for of, linked in found.items()}


def _take_back(
    net: Numbers, own: Here, refunds: dict[int, tuple[tuple[int, int], ...]]
) -> None:
    """Take what was given back from the payments of the scrolls."""
    if not refunds:
        return
    order = np.argsort(own.entry, kind="stable")
    entries = own.entry[order]
    wanted = np.fromiter(refunds, np.int64, len(refunds))
    places = np.searchsorted(entries, wanted)
    for entry, place in zip(wanted.tolist(), places.tolist(), strict=True):
        if place < len(entries) and entries[place] == entry:
            at = order[place]
            if not own.refund[at]:
                net[at] -= sum(amount for _, amount in refunds[entry])


def _as_lists_tell(own: Here, refunds: dict[int, tuple[tuple[int, int], ...]]) -> Here:
    """Each basket as one payment, its first, with all that it comes to and all that was
    given back of it. A basket completes as a whole; of one whose first is not here what
    is here stays as it is.
    """
    places = np.flatnonzero(own.basket)
    first_at = {
        int(own.payment[at]): int(at)
        for at in places
        if own.payment[at] == own.basket[at]
    }
    amount = own.amount.copy()
    stays = np.ones(len(own), np.bool_)
    for at in places.tolist():
        first = first_at.get(int(own.basket[at]), at)
        if first == at or own.day[first] != own.day[at]:
            continue
        amount[first] += own.amount[at]
        stays[at] = False
        given = refunds.pop(int(own.entry[at]), ())
        if given:
            entry = int(own.entry[first])
            refunds[entry] = tuple(sorted((*refunds.get(entry, ()), *given)))
    return pick(replace(own, amount=amount), stays)


def _payments(breaks: list[Break], heads: Texts) -> Here:
    """The payments that breaks stand for, as lines."""
    nothing = np.zeros(len(breaks), np.int32)
    days = [day_of(one.day) for one in breaks]
    made = [day_of(one.made or one.day) for one in breaks]
    at_heads = [heads.place(head_of(one.head)) for one in breaks]
    return Here(
        key=np.array([one.key.encode() for one in breaks], np.bytes_),
        refund=np.array([one.refund for one in breaks], np.bool_),
        amount=np.array([one.amount_here for one in breaks], np.int64),
        day=np.array(days, np.int32),
        made=np.array(made, np.int32),
        head=np.array(at_heads, np.int32),
        entry=np.array([one.entry for one in breaks], np.int64),
        payment=np.array([one.payment for one in breaks], np.int64),
        of=np.zeros(len(breaks), np.int64),
        basket=np.zeros(len(breaks), np.int64),
        receipt=np.array([one.receipt.encode() for one in breaks], np.bytes_),
        centre=nothing,
        service=nothing,
        scroll=nothing,
        line=nothing,
    )


def _lines(breaks: list[Break], heads: Texts) -> There:
    """The lines that breaks stand for."""
    listed = [one.list_day or one.day for one in breaks]
    return There(
        key=np.array([one.key.encode() for one in breaks], np.bytes_),
        refund=np.array([one.refund for one in breaks], np.bool_),
        amount=np.array([one.amount_there for one in breaks], np.int64),
        day=np.array([day_of(day) for day in listed], np.int32),
        head=np.array(
            [heads.place(head_of(one.list_head)) for one in breaks], np.int32
        ),
        line=np.array([one.list_line for one in breaks], np.int32),
    )
