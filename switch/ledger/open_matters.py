"""What the journal leaves open for people: cases, proposals, approvals, advances.

May use the core, `follower`, `histories`, `moves`, and `bank_matters`, `paid_out` and
`people_matters`, which are its parts.
A function of the journal, read once from its first row on and then followed, with no
store beside it: what is kept here is what is open.
"""

import threading
from array import array
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Rows, entries_of
from switch.codes import (
    AMOUNT_MAX,
    PROPOSAL_LIFE_NS,
    PROPOSE_ADVANCE,
    AccountKind,
    CaseType,
    Kind,
    Link,
    Result,
    RowFlag,
)
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.ledger.bank_matters import BankItem, BankMatters
from switch.ledger.follower import Follower
from switch.ledger.histories import Histories
from switch.ledger.moves import refund_id
from switch.ledger.paid_out import Disbursed, PaidOut
from switch.ledger.people_matters import PeopleMatters, Recovery

Numbers = npt.NDArray[np.uint64]

PROPOSALS_MAX = 1 << 20
"""Proposals that are remembered, 8 MiB; of older ones the list does not tell."""


class ExceptionKind(IntEnum):
    """Why something is in the list; the numbers are the wire's."""

    LATE_CONFIRMATION = 1
    LATE_REJECTION = 2
    KEPT = 3
    UNVERIFIED = 4
    AMOUNT_DIFFERS = 5
    OVERDUE = 6
    DAMAGED = 7
    OWED = 8
    ADVANCE = 9
    PROPOSAL = 10


class Matter(NamedTuple):
    """One thing that is open."""

    sequence: int
    """Of the row that raised it."""
    kind: ExceptionKind
    about: int
    """The row that it speaks of: a hold, a pay, a post or a case."""
    amount: int = 0
    """Paise that were asked for; 0: what the payment comes to."""
    asks: int = 0
    """What was proposed, as the ledger has it, by which proposal."""
    proposal: int = 0


class _Deed(NamedTuple):
    """What a deed is known by: two people may have proposed with the same id."""

    participant: int
    id: bytes


class _Owed(NamedTuple):
    """What was approved, and is not done."""

    matter: Matter
    deed: _Deed
    approved_ns: int
    """When; 30 days later it is done no more."""


_FOLLOWED = (
    *(Kind.CASE, Kind.CASE_CLOSE, Kind.PROPOSE, Kind.WITHDRAW, Kind.APPROVE),
    *(Kind.VERIFY, Kind.TRANSFER, Kind.REFUND),
)
_WORDS = (Link.LATE_CONFIRMATION, Link.LATE_REJECTION, Link.AMOUNT_DIFFERS)
_SAID = (Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW)
_IS_SAID = np.isin(np.arange(256), [int(kind) for kind in _SAID])
_IS_FOLLOWED = np.isin(np.arange(256), [int(kind) for kind in _FOLLOWED])
_NAMES_PROPOSAL = (Kind.POST, Kind.VOID, Kind.VERIFY)
_HAS_DEED_ID = (Kind.REFUND, Kind.TRANSFER, Kind.CASE_CLOSE)
_ENDS_HOLD = np.isin(np.arange(256), [int(Kind.POST), int(Kind.VOID)])


class OpenMatters:
    """What is open. Any thread may call it."""

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is read before it is asked for."""
        self._ledger = ledger
        self._follower = Follower(
            ledger, self._take, forget=self._forget_all, passes_over=True
        )
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        """Nothing is open."""
        self._histories = Histories(self._ledger)
        # Each by what ends it: cases of late confirmations, and of other amounts while
        # the hold is open, by the hold; other cases and advances by themselves.
        self._late: dict[int, Matter] = {}
        self._differing: dict[int, Matter] = {}
        self._differed: dict[int, Matter] = {}
        self._rejected: dict[int, Matter] = {}
        self._advances: dict[int, Matter] = {}
        # The case of a rejection, by the post that refunds give back, and its paise.
        self._posts: dict[int, tuple[int, int]] = {}
        # By the proposal, with what its deed will be known by; approved ones apart.
        self._proposals: dict[int, tuple[Matter, _Deed]] = {}
        self._owed: dict[int, _Owed] = {}
        self._deeds: dict[_Deed, int] = {}
        self._people = PeopleMatters(self._ledger)
        self._banks = BankMatters(self._ledger)
        self._paid_out = PaidOut(self._ledger)
        # All proposals, by sequence, and those that nobody has answered.
        self._proposed = array("Q")
        self._unanswered: set[int] = set()

    def read_on(self) -> int:
        """Read to the newest row; its sequence. Raises as `Follower.read_on`."""
        return self._follower.read_on()

    def histories(self, payments: list[int]) -> dict[int, list[int]]:
        """Rows of each payment (its hold, or its pay), oldest first."""
        with self._lock:
            return self._histories.of(payments)

    def proposals(self, *, unanswered_only: bool, now_ns: int = 0) -> Numbers:
        """The sequences of proposals, ascending; of those that wait for somebody, or
        are approved and can still be done, or of all.
        """
        with self._lock:
            if not unanswered_only:
                return np.array(self._proposed, np.uint64)
            self._drop_over(self._ledger.kept(), self._ledger.unverified())
            waiting = {*self._unanswered, *self._people.undone(now_ns)}
            for proposal, owed in self._owed.items():
                if now_ns < owed.approved_ns + PROPOSAL_LIFE_NS:
                    waiting.add(proposal)
            return np.array(sorted(waiting), np.uint64)

    def first_approval(self, proposal: int) -> int:
        """The first approval of one that waits for a third person, 0 if it does not."""
        with self._lock:
            return self._people.first_approval(proposal)

    def lines_done(self, proposal: int) -> int:
        """How many lines of a proposal are done."""
        with self._lock:
            return self._people.done(proposal)

    def ended_by(self, recovery: int) -> int:
        """The treasury's approval that has ended a recovery, 0 if none has."""
        with self._lock:
            return self._people.ended_by(recovery)

    def recoveries(self, now_ns: int) -> list[Recovery]:
        """The recoveries that are under way, by sequence."""
        with self._lock:
            return self._people.recoveries(now_ns)

    def stops(self) -> list[int]:
        """The stops that nobody else has approved, and that hold still, ascending."""
        with self._lock:
            return self._people.stops()

    def bank_items(self) -> list[BankItem]:
        """What is open about banks, by sequence."""
        with self._lock:
            return self._banks.items()

    def bank_openings(self) -> dict[int, int]:
        """What each bank account began with, by its index."""
        with self._lock:
            return self._banks.openings()

    def bank_opened(self) -> dict[int, int]:
        """What each account of kind bank was opened with."""
        with self._lock:
            return self._banks.opened()

    def paid_out(self, account: int, newest: int) -> Disbursed | None:
        """What an account of a biller was settled, and what was paid out of that, as of
        the newest row that was read; None if something is damaged.
        """
        with self._lock:
            return self._paid_out.of(account, newest)

    def requests(self, now_ns: int) -> list[int]:
        """The requests for top-ups that are open, ascending."""
        with self._lock:
            return self._banks.requests(now_ns)

    def collect(self) -> tuple[list[Matter], Numbers, Numbers]:
        """What is open, but for what is only kept, unverified or overdue.

        With the ledger's lists of what is kept and unverified that this goes by.
        """
        with self._lock:
            # As new as all rows that were taken, whoever reads on beside this: by an
            # older list what has just become kept would be over.
            kept, unverified = self._ledger.kept(), self._ledger.unverified()
            for hold in [one for one in self._differing if not _has(kept, one)]:
                del self._differing[hold]
            self._drop_over(kept, unverified)
            found = [matter for matter, _ in self._proposals.values()]
            found += [owed.matter for owed in self._owed.values()]
            for matters in (
                *(self._late, self._rejected, self._differing, self._differed),
                self._advances,
            ):
                found += matters.values()
        return found, kept, unverified

    def _drop_over(self, kept: Numbers, unverified: Numbers) -> None:
        """Forget what was approved and is over, or too old: the time of rows never goes
        back.
        """
        last_ns = self._ledger.timestamp - PROPOSAL_LIFE_NS
        for proposal in [
            at
            for at, owed in self._owed.items()
            if owed.approved_ns <= last_ns
            or self._is_over(owed.matter, owed.deed, kept, unverified)
        ]:
            self._forget(proposal)

    def _is_over(
        self, owed: Matter, deed: _Deed, kept: Numbers, unverified: Numbers
    ) -> bool:
        """Whether what was approved is done, or can be no more, whatever is tried."""
        about, asks = owed.about, owed.asks
        if asks in (Kind.POST, Kind.VOID) and not _has(kept, about):
            return True
        if asks == Kind.VERIFY and not (about in self._late or _has(unverified, about)):
            return True
        try:
            if self._newest_word(owed) > owed.proposal:
                # Nobody has judged what was said after the proposal.
                return True
            if asks in (Kind.POST, Kind.VOID, Kind.VERIFY):
                return False
            if self._ledger.find(*deed):
                # By the deed, or by whoever has used its id up.
                return True
            if asks == Kind.TRANSFER:
                return about not in self._late
            if asks == Kind.CASE_CLOSE:
                return about not in self._rejected and about not in self._differed
            if asks == PROPOSE_ADVANCE:
                lent = self._ledger.link(about, Link.ADVANCE)
                return lent != 0 or not _has(kept, about)
            _, refunded = self._ledger.resolution(about)
            paid = self._ledger.row(about).amount
        except CorruptionError:
            # It cannot be done now, and may be once the journal is restored.
            return False
        return owed.amount > paid - refunded

    def _newest_word(self, owed: Matter) -> int:
        """The newest case of what a biller has said of the payment, 0 for none. Raises
        CorruptionError.
        """
        hold = owed.about
        if owed.asks in (Kind.REFUND, Kind.CASE_CLOSE):
            spoken_of = self._ledger.row(hold)
            if spoken_of.kind == Kind.PAY:
                return 0
            hold = spoken_of.resolves
        return max(self._ledger.link(hold, word) for word in _WORDS)

    # --- following ---------------------------------------------------------------

    def _forget_all(self) -> None:
        """A block was taken in part: what comes again would count twice."""
        with self._lock:
            self._begin()

    def _take(self, rows: Rows) -> None:
        accepted = rows[rows["result"] == Result.OK]
        with self._lock:
            self._people.take_stops(accepted)
        self._take_proposals(accepted[_IS_SAID[accepted["kind"]]])
        with self._lock:
            self._people.take_lines(accepted)
            for proposal in self._banks.take(rows):
                self._people.finish(proposal)
            self._paid_out.take(rows)
        kinds, approved = rows["kind"], rows["checker"] != 0
        # An approved end of a hold is the deed of its proposal; other voids name who
        # has cancelled.
        chosen = _IS_FOLLOWED[kinds] | (_ENDS_HOLD[kinds] & approved)
        rows = rows[chosen & (rows["resolves"] != 0) & (rows["result"] == Result.OK)]
        if not len(rows):
            return
        with self._lock:
            for entry in entries_of(rows):
                self._take_one(entry)

    def _take_proposals(self, rows: Rows) -> None:
        """Note who waits for an answer, and who has one."""
        if not len(rows):
            return
        with self._lock:
            for entry in entries_of(rows):
                if entry.kind == Kind.PROPOSE:
                    self._proposed.append(entry.sequence)
                    if self._people.propose(entry):
                        self._unanswered.add(entry.sequence)
                    continue
                if entry.kind == Kind.APPROVE:
                    self._unanswered.difference_update(
                        self._people.end_recoveries(entry)
                    )
                if entry.kind == Kind.WITHDRAW or self._people.is_answered(entry):
                    self._unanswered.discard(entry.resolves)
                    self._people.answered(entry)
            if len(self._proposed) > PROPOSALS_MAX:
                self._proposed = self._proposed[-PROPOSALS_MAX // 2 :]
                self._unanswered = {
                    one for one in self._unanswered if one >= self._proposed[0]
                }

    def _take_one(self, entry: Entry) -> None:
        kind = entry.kind
        if kind == Kind.APPROVE and entry.resolves not in self._proposals:
            # Shifts are approved, too, and stops, and lines.
            return
        if kind == Kind.TRANSFER and self._banks.is_banks(entry):
            return
        if kind == Kind.APPROVE and self._people.first_approval(entry.resolves):
            # It waits for a third person.
            return
        if kind in _NAMES_PROPOSAL:
            # What was proposed is done.
            self._forget(entry.total)
        elif kind in _HAS_DEED_ID:
            self._forget(self._deeds.get(_Deed(entry.participant, entry.id), 0))
        self._histories.note(entry.resolves, entry.sequence)
        if kind == Kind.CASE:
            self._take_case(entry)
        elif kind == Kind.CASE_CLOSE:
            self._rejected.pop(entry.resolves, None)
            self._differed.pop(entry.resolves, None)
        elif kind == Kind.VERIFY:
            self._late.pop(entry.resolves, None)
        elif kind == Kind.TRANSFER:
            self._take_transfer(entry)
        elif kind == Kind.REFUND:
            self._take_refund(entry)
        elif kind == Kind.PROPOSE:
            closes = entry.total == Kind.CASE_CLOSE
            asked = Matter(
                entry.sequence,
                ExceptionKind.PROPOSAL,
                entry.resolves,
                0 if closes else entry.amount,
                entry.total,
                entry.sequence,
            )
            deed = _Deed(entry.participant, refund_id(entry.id))
            self._proposals[entry.sequence] = (asked, deed)
        elif kind == Kind.WITHDRAW:
            # Approved or not: it is done no more.
            self._proposals.pop(entry.resolves, None)
            self._forget(entry.resolves)
        elif kind == Kind.APPROVE:
            asked, deed = self._proposals.pop(entry.resolves)
            owed = asked._replace(sequence=entry.sequence, kind=ExceptionKind.OWED)
            self._owed[entry.resolves] = _Owed(owed, deed, entry.timestamp)
            self._deeds[deed] = entry.resolves

    def _take_case(self, entry: Entry) -> None:
        hold = entry.resolves
        if entry.total == CaseType.LATE_CONFIRMATION:
            self._late[hold] = Matter(
                entry.sequence, ExceptionKind.LATE_CONFIRMATION, hold
            )
        elif entry.total == CaseType.LATE_REJECTION:
            self._posts[self._ended_by(hold)] = (entry.sequence, self._paid(hold))
            self._rejected[entry.sequence] = Matter(
                entry.sequence, ExceptionKind.LATE_REJECTION, hold
            )
        elif entry.total == CaseType.AMOUNT_DIFFERS:
            differs = Matter(entry.sequence, ExceptionKind.AMOUNT_DIFFERS, hold)
            # The hold may have ended since; then this case has ended with it. If what
            # ended it cannot be read, it is listed rather than lost.
            if self._was_ended(hold, entry.sequence):
                self._differed[entry.sequence] = differs
            else:
                self._differing[hold] = differs

    def _take_transfer(self, entry: Entry) -> None:
        if RowFlag.CASE in entry.flags:
            self._late.pop(entry.resolves, None)
            return
        if RowFlag.UNDOES in entry.flags:
            rejected = self._rejected.items()
            for case in [at for at, one in rejected if one.about == entry.resolves]:
                del self._rejected[case]
            return
        image, _ = self._ledger.account(entry.debit)
        if image["kind"] == AccountKind.WALLET:
            self._advances.pop(entry.resolves, None)
            return
        self._advances[entry.sequence] = Matter(
            entry.sequence,
            ExceptionKind.ADVANCE,
            entry.resolves,
            entry.amount,
            PROPOSE_ADVANCE,
            entry.total,
        )

    def _take_refund(self, entry: Entry) -> None:
        case, paid = self._posts.get(entry.resolves, (0, 0))
        if case and entry.total >= paid:
            self._rejected.pop(case, None)
            del self._posts[entry.resolves]

    def _forget(self, proposal: int) -> None:
        """What was approved is done, or can be done no more."""
        if proposal in self._owed:
            del self._deeds[self._owed.pop(proposal).deed]

    def _ended_by(self, hold: int) -> int:
        """The row that ended a hold, or 0 also if that cannot be read."""
        try:
            return self._ledger.resolution(hold)[0]
        except CorruptionError:
            return 0

    def _was_ended(self, hold: int, before: int) -> bool:
        """Whether a hold had ended before a row, also if that cannot be read."""
        try:
            return 0 < self._ledger.resolution(hold)[0] < before
        except CorruptionError:
            return True

    def _paid(self, hold: int) -> int:
        """Paise of the post of a hold; more than any refund if it cannot be read."""
        try:
            ended_by, _ = self._ledger.resolution(hold)
            return self._ledger.row(ended_by).amount
        except CorruptionError:
            return AMOUNT_MAX


def _has(ascending: Numbers, number: int) -> bool:
    place = int(np.searchsorted(ascending, number))
    return place < len(ascending) and int(ascending[place]) == number
