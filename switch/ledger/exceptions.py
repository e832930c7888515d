"""The list of exceptions: all that people must see to, whose turn it is, and by when.

May use the core, `open_matters` and `overdue`. Kept and unverified payments are the
ledger's own lists, all else is followed. Any thread may call it; it reads, so not the
event loop's.
"""

import threading
import time
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Rows
from switch.calendar import (
    DAY_S,
    IST_OFFSET_S,
    NS_IN_S,
    day_date,
    day_number,
    day_start_ns,
)
from switch.codes import PROPOSAL_LIFE_NS, CaseType, Kind, Link
from switch.errors import CorruptionError
from switch.ledger.bank_matters import BankItem
from switch.ledger.open_matters import ExceptionKind, Matter, Numbers, OpenMatters
from switch.ledger.overdue import DECIDE_DAYS, OVERDUE_DAYS, undecided_since
from switch.ledger.paid_out import Disbursed
from switch.ledger.people_matters import Recovery

LISTED_MAX = 1_000_000
"""Exceptions that are looked at, the oldest ones; the others are counted."""
GATHER_MAX = 65_536
"""Rows that the ledger gathers at a time."""

Items = npt.NDArray[np.void]


class Owner(IntEnum):
    """Whose turn it is; the numbers are the wire's."""

    BILLER = 1
    TREASURY = 2
    OPERATIONS = 3


ITEM = np.dtype(
    [
        # As of a Matter.
        ("sequence", "<u8"),
        ("kind", "u1"),
        ("about", "<u8"),
        ("amount", "<u8"),
        ("asks", "<u2"),
        ("proposal", "<u8"),
        # The hold, or the pay; of what is damaged 0.
        ("payment", "<u8"),
        ("reported", "<u8"),
        ("since", "<u8"),
        ("paid", "<u8"),
        ("debit", "<u4"),
        ("credit", "<u4"),
        ("voided", "?"),
    ]
)
"""One exception: sequences, paise, nanoseconds, account indices."""
_OF_MATTER = ["sequence", "kind", "about", "amount", "asks", "proposal"]


class Wanted(NamedTuple):
    """Which exceptions are asked for; what is empty or 0 is not asked for."""

    kinds: frozenset[int] = frozenset()
    debits: frozenset[int] | None = None
    """Accounts that paid, or None for any."""
    credits: frozenset[int] | None = None
    owner: int = 0
    overdue_only: bool = False


class Found(NamedTuple):
    """What was asked for."""

    items: Items
    """An ITEM each, by sequence."""
    as_of: int
    """The newest row that was read."""
    more: int
    """How many are open beside the LISTED_MAX oldest, whatever was asked for."""


class Standing(NamedTuple):
    """What the rows behind a proposal say of it."""

    first_approval: int
    """The first of two, if it waits for a third person; else 0."""
    lines_done: int
    ended_by: int
    """Of a recovery: the treasury's approval that has ended it; else 0."""


class Exceptions:
    """What is open in a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is read before it is asked for."""
        self._ledger = ledger
        self._matters = OpenMatters(ledger)
        self._lock = threading.Lock()
        # What is open and was found damaged, by whomever.
        self._damaged = np.zeros(0, np.uint64)
        # What the last list had, so that the next one reads what is new.
        self._described = np.zeros(0, ITEM)

    def find(self, wanted: Wanted, now_ns: int) -> Found:
        """What is open and wanted, by sequence.

        A payment is there once for what is in question about it, and once for each
        proposal, approval and advance.
        """
        as_of = self._matters.read_on()
        items = self._collect(now_ns)
        more = max(len(items) - LISTED_MAX, 0)
        if more:
            oldest = np.argpartition(items["sequence"], LISTED_MAX)[:LISTED_MAX]
            items = items[oldest]
        items = self._describe(items)
        too_old = items["since"] + np.uint64(PROPOSAL_LIFE_NS) <= np.uint64(now_ns)
        # Of what is owed `since` is its approval's, and done it is no more either.
        dated = np.isin(items["kind"], [ExceptionKind.PROPOSAL, ExceptionKind.OWED])
        items = items[~(too_old & dated)]
        damaged = self.damaged()
        for name in ("sequence", "about", "payment"):
            items = items[~np.isin(items[name], damaged)]
        others = np.zeros(len(damaged), ITEM)
        others["sequence"] = damaged
        others["kind"] = ExceptionKind.DAMAGED
        items = np.concatenate([items, others])
        items = items[np.argsort(items["sequence"], kind="stable")]
        chosen = np.ones(len(items), bool)
        for name, numbers in (
            ("kind", wanted.kinds or None),
            ("debit", wanted.debits),
            ("credit", wanted.credits),
        ):
            if numbers is not None:
                chosen &= np.isin(items[name], list(numbers))
        if wanted.owner:
            chosen &= owners(items, now_ns) == wanted.owner
        if wanted.overdue_only:
            chosen &= are_overdue(items, now_ns)
        return Found(items[chosen], as_of, more)

    def are_whole(self, items: Items) -> bool:
        """Whether the rows of these can be read; what is damaged is listed as that."""
        names = ("sequence", "about", "payment")
        wanted = np.unique(np.concatenate([items[name] for name in names]))
        wanted = wanted[wanted != 0]
        found = False
        for first in range(0, len(wanted), GATHER_MAX):
            _, damaged = self._ledger.gather_whole(wanted[first : first + GATHER_MAX])
            new = np.setdiff1d(damaged, self._damaged)
            self.note_damaged(damaged)
            found |= len(new) > 0
        return not found

    def histories(self, payments: list[int]) -> dict[int, list[int]]:
        """Rows of each payment (its hold, or its pay), oldest first."""
        return self._matters.histories(payments)

    def proposals(self, *, unanswered_only: bool) -> tuple[Numbers, int]:
        """The sequences of proposals, ascending, and the newest row that was read."""
        as_of = self._matters.read_on()
        found = self._matters.proposals(
            unanswered_only=unanswered_only, now_ns=time.time_ns()
        )
        return found, as_of

    def standing(self, proposal: int) -> Standing:
        """How a proposal stands, as of the newest row that was read."""
        matters = self._matters
        return Standing(
            matters.first_approval(proposal),
            matters.lines_done(proposal),
            matters.ended_by(proposal),
        )

    def bank_items(self) -> tuple[list[BankItem], int]:
        """What is open about banks, by sequence; and the newest row that was read."""
        as_of = self._matters.read_on()
        return self._matters.bank_items(), as_of

    def bank_openings(self) -> dict[int, int]:
        """What each bank account's first statement began with, by its index."""
        self._matters.read_on()
        return self._matters.bank_openings()

    def bank_opened(self) -> dict[int, int]:
        """What each account of kind bank was opened with, by its index, in favour of
        its owner.
        """
        self._matters.read_on()
        return self._matters.bank_opened()

    def paid_out(self, account: int) -> Disbursed | None:
        """What an account of a biller was settled, and what was paid out of that; None
        if something that may count is damaged.
        """
        as_of = self._matters.read_on()
        return self._matters.paid_out(account, as_of)

    def requests(self, now_ns: int) -> tuple[list[int], int]:
        """The requests for top-ups that are open, likewise."""
        as_of = self._matters.read_on()
        return self._matters.requests(now_ns), as_of

    def recoveries(self, now_ns: int) -> list[Recovery]:
        """The recoveries that are under way, by sequence."""
        self._matters.read_on()
        return self._matters.recoveries(now_ns)

    def stops(self) -> tuple[list[int], int]:
        """The stops that are open, and the newest row that was read."""
        as_of = self._matters.read_on()
        return self._matters.stops(), as_of

    # --- damage ------------------------------------------------------------------

    def note_damaged(self, sequences: Numbers) -> None:
        """Somebody has found these damaged."""
        with self._lock:
            self._damaged = np.union1d(self._damaged, sequences)

    def damaged(self) -> Numbers:
        """What is open and was found damaged, or was due and could not be ended.

        By sequence. The money of these holds stays held. A case or proposal that was
        damaged before it was read here is not among them: nobody knows what it was.
        """
        ledger = self._ledger
        found = np.union1d(self._damaged, ledger.holds_aside())
        if not len(found):
            return found
        matters, _, unverified = self._matters.collect()
        followed = _items(matters)
        named = (followed["sequence"], followed["about"], ledger.holds(), unverified)
        return np.intersect1d(found, np.concatenate(named))

    # --- the list ----------------------------------------------------------------

    def _collect(self, now_ns: int) -> Items:
        """What is open, as far as it is known without its rows."""
        ledger, kinds = self._ledger, ExceptionKind
        # In this order: what becomes kept meanwhile is in the second list, too.
        holds = ledger.holds()
        matters, kept, unverified = self._matters.collect()
        followed = _items(matters)
        # Of one that differs, or was confirmed late, that says more.
        said = np.isin(
            followed["kind"], [kinds.AMOUNT_DIFFERS, kinds.LATE_CONFIRMATION]
        )
        said_of = followed["about"][said]
        plain = _without(holds, kept)
        undecided = undecided_since(ledger, OVERDUE_DAYS, now_ns)
        late = np.intersect1d(plain, undecided, assume_unique=True)
        overdue = np.zeros(len(late), ITEM)
        overdue["sequence"], overdue["about"] = late, late
        overdue["kind"] = kinds.OVERDUE
        return np.concatenate(
            [
                followed,
                self._raised(kinds.KEPT, _without(kept, said_of)),
                self._raised(kinds.UNVERIFIED, _without(unverified, said_of)),
                overdue,
            ]
        )

    def _raised(self, kind: ExceptionKind, holds: Numbers) -> Items:
        """Holds with the rows that raised them, which is looked up once."""
        found = np.zeros(len(holds), ITEM)
        found["kind"], found["about"] = kind, holds
        known = self._described[self._described["kind"] == kind]
        known = known[np.argsort(known["about"])]
        is_known = np.isin(holds, known["about"])
        places = np.searchsorted(known["about"], holds[is_known])
        found["sequence"][is_known] = known["sequence"][places]
        found["sequence"][~is_known] = [
            self._raised_by(kind, hold) for hold in holds[~is_known].tolist()
        ]
        return found

    def _raised_by(self, kind: ExceptionKind, hold: int) -> int:
        """The case, or the expiry, or the hold if that cannot be read."""
        try:
            if kind is ExceptionKind.KEPT:
                return self._ledger.link(hold, Link.DEADLINE_PASSED) or hold
            return self._ledger.resolution(hold)[0] or hold
        except CorruptionError:
            return hold

    def _describe(self, found: Items) -> Items:
        """What is open with what its rows say, without that of which one is damaged."""
        known = self._described
        is_known = np.isin(found["sequence"], known["sequence"])
        places = np.searchsorted(known["sequence"], found["sequence"][is_known])
        is_known[is_known] = known["kind"][places] == found["kind"][is_known]
        places = np.searchsorted(known["sequence"], found["sequence"][is_known])
        fresh = found[~is_known]
        firsts = range(0, len(fresh), GATHER_MAX)
        read = [self._read(fresh[first : first + GATHER_MAX]) for first in firsts]
        found = np.concatenate([known[places], *read])
        found = found[np.argsort(found["sequence"])]
        self._described = found
        return found

    def _read(self, items: Items) -> Items:
        """Fill in what the rows of items say; those that are damaged are left out."""
        raised, items = self._rows_of("sequence", items)
        items["since"] = raised["timestamp"]
        is_case = raised["kind"] == Kind.CASE
        says = is_case & np.isin(
            raised["total"],
            [int(CaseType.LATE_CONFIRMATION), int(CaseType.AMOUNT_DIFFERS)],
        )
        items["reported"] = np.where(says, raised["amount"], 0)
        spoken_of, items = self._rows_of("about", items)
        is_inner = np.isin(spoken_of["kind"], [int(Kind.POST), int(Kind.CASE)])
        items["payment"] = np.where(
            is_inner, spoken_of["resolves"], spoken_of["sequence"]
        )
        payments, items = self._rows_of("payment", items)
        items["paid"] = payments["timestamp"]
        items["debit"] = payments["debit"]
        items["credit"] = payments["credit"]
        items["amount"] = np.where(
            items["amount"] == 0, payments["amount"], items["amount"]
        )
        late = items["kind"] == ExceptionKind.LATE_CONFIRMATION
        items["voided"][late] = [
            self._was_voided(hold) for hold in items["payment"][late].tolist()
        ]
        return items

    def _rows_of(self, name: str, items: Items) -> tuple[Rows, Items]:
        """The rows that a field of items names, and the items without damaged ones."""
        rows, damaged = self._ledger.gather_whole(items[name])
        if len(damaged):
            self.note_damaged(damaged)
            items = items[~np.isin(items[name], damaged)]
        return rows, items

    def _was_voided(self, hold: int) -> bool:
        """Whether people or the biller gave it back, and not its deadline."""
        try:
            ended_by, _ = self._ledger.resolution(hold)
            return self._ledger.row(ended_by).kind is Kind.VOID
        except CorruptionError:
            return False


def _without(holds: Numbers, others: Numbers) -> Numbers:
    """Those that are not among the others; no number is in one of them twice."""
    left: Numbers = np.setdiff1d(holds, others, assume_unique=True)
    return left


def _items(matters: list[Matter]) -> Items:
    found = np.zeros(len(matters), ITEM)
    if matters:
        columns = zip(*matters, strict=True)
        for name, values in zip(_OF_MATTER, columns, strict=True):
            found[name] = values
    return found


# --- whose turn it is, and by when ----------------------------------------------------


def owners(items: Items, now_ns: int) -> npt.NDArray[np.uint8]:
    """Whose turn it is, for each."""
    kinds, voided = items["kind"], items["voided"]
    overdue = are_overdue(items, now_ns)
    undecided = _ended(items, DECIDE_DAYS, now_ns)
    found = np.full(len(items), Owner.TREASURY, np.uint8)
    unsaid = [int(ExceptionKind.KEPT), int(ExceptionKind.UNVERIFIED)]
    found[np.isin(kinds, unsaid) & ~overdue] = Owner.BILLER
    # What has expired it can still take back; what it rejected is for people.
    late = kinds == ExceptionKind.LATE_CONFIRMATION
    found[late & ~voided & ~undecided] = Owner.BILLER
    found[kinds == ExceptionKind.DAMAGED] = Owner.OPERATIONS
    return found


def are_overdue(items: Items, now_ns: int) -> npt.NDArray[np.bool_]:
    """Whether T+1 of its payment has ended, for each; of what is damaged it is not."""
    return _ended(items, OVERDUE_DAYS - 1, now_ns)


def decide_until_ns(paid_ns: int) -> int:
    """The end of T+5 of a payment of this time."""
    return day_start_ns(day_date(day_number(paid_ns) + DECIDE_DAYS + 1))


def _ended(items: Items, days: int, now_ns: int) -> npt.NDArray[np.bool_]:
    """Whether the day so many days after that of its payment has ended, for each."""
    seconds = items["paid"] // np.uint64(NS_IN_S) + np.uint64(IST_OFFSET_S)
    last = seconds // np.uint64(DAY_S) + np.uint64(days)
    ended = last < np.uint64(day_number(now_ns))
    of_payment: npt.NDArray[np.bool_] = ended & (items["payment"] != 0)
    return of_payment
