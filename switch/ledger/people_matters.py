"""What people have left open in the journal: a third approval, lines, stops.

A part of `open_matters`, which reads the journal and gives it the rows; may use the
core and the words. What is kept is what is open, and for each proposal of lines how
many of them are done.
"""

from typing import NamedTuple

import numpy as np

from switch._core import Ledger, Rows, entries_of
from switch.codes import (
    PROPOSAL_LIFE_NS,
    PROPOSE_LINES,
    RECOVERY_LIFE_NS,
    Kind,
    Record,
    RowFlag,
)
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.ledger.lines import lines_of
from switch.signed import Line, count_lines, read_line
from switch.traits import Trait, kinds_with

_IS_LINE = np.isin(np.arange(256), [int(one) for one in kinds_with(Trait.LINE)])
_IS_STOPPED = np.isin(np.arange(256), [int(Kind.FREEZE), int(Kind.REGISTER)])
_ACTIVE_AT = {Record.PARTICIPANT: 2, Record.SERVICE: 6, Record.PERSON: 2}
"""The byte of a record that says whether what it is of is active."""


class _Approved(NamedTuple):
    """An approved proposal of lines."""

    until_ns: int
    """From when on it is done no more."""
    lines_count: int


class Recovery(NamedTuple):
    """A recovery that is neither withdrawn nor ended."""

    sequence: int
    proposed_ns: int
    approved_ns: int = 0
    """When a second recoverer approved it; 0: nobody has."""

    def may_be_done(self, now_ns: int) -> bool:
        """Whether it is not too old to be approved, or to be done."""
        if self.approved_ns:
            return now_ns < self.approved_ns + RECOVERY_LIFE_NS
        return now_ns < self.proposed_ns + PROPOSAL_LIFE_NS


class _Missing(NamedTuple):
    """A line of a channel's proposal that is not in the ledger."""

    number: int
    line: Line
    done: int
    """How many of its proposal were done by then."""


class PeopleMatters:
    """What is open of what people sign. Whoever has it guards it."""

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is read before rows are given."""
        self._ledger = ledger
        # Of proposals that need a third person: the sequence of the first approval.
        self._third: dict[int, int] = {}
        # Of proposals of lines: how many are done.
        self._done: dict[int, int] = {}
        self._approved: dict[int, _Approved] = {}
        self._stops: dict[int, Entry] = {}
        # Of proposals of channels that may have lines to be done: when each was made,
        # and the first line that was not there when it was looked for last.
        self._said: dict[int, int] = {}
        self._missing: dict[int, _Missing] = {}
        # Recoveries behind which the treasury has not acted, and those that have ended:
        # by which approval of it.
        self._recoveries: dict[int, Recovery] = {}
        self._ended: dict[int, int] = {}

    # --- asked ---------------------------------------------------------------------

    def is_answered(self, answer: Entry) -> bool:
        """Whether this approval is the last that its proposal needed.

        Call it for each accepted approval once, in order.
        """
        if answer.resolves not in self._third or answer.total:
            return True
        self._third[answer.resolves] = answer.sequence
        return False

    def first_approval(self, proposal: int) -> int:
        """The first approval of one that waits for a third person, 0 if it does not."""
        return self._third.get(proposal, 0)

    def done(self, proposal: int) -> int:
        """How many lines of a proposal are done."""
        return self._done.get(proposal, 0)

    def ended_by(self, recovery: int) -> int:
        """The treasury's approval that has ended a recovery, 0 if none has."""
        return self._ended.get(recovery, 0)

    def recoveries(self, now_ns: int) -> list[Recovery]:
        """Those that are under way: neither withdrawn, ended, done nor too old."""
        return [
            one
            for one in self._recoveries.values()
            if one.may_be_done(now_ns) and not self._is_done(one)
        ]

    def _is_done(self, one: Recovery) -> bool:
        """Whether all lines of a recovery are done; what is done is soon forgotten."""
        if not one.approved_ns:
            return False
        approved = self._approved.get(one.sequence)
        done = self._done.get(one.sequence, 0)
        return approved is None or done >= approved.lines_count

    def undone(self, now_ns: int) -> list[int]:
        """Proposals that have lines to be done, by sequence: approved ones, and those
        of channels, which need no approval.
        """
        for sequence, one in list(self._approved.items()):
            if now_ns >= one.until_ns or self._done.get(sequence, 0) >= one.lines_count:
                del self._approved[sequence]
        for sequence, time_ns in list(self._said.items()):
            if now_ns >= time_ns + PROPOSAL_LIFE_NS or self._is_said(sequence):
                self._forget_said(sequence)
        return sorted([*self._approved, *self._said])

    def _forget_said(self, proposal: int) -> None:
        self._said.pop(proposal, None)
        self._missing.pop(proposal, None)

    def _is_said(self, proposal: int) -> bool:
        """Whether all that a channel's proposal says is in the ledger, by its own lines
        or by what the bank had said before.
        """
        done = self._done.get(proposal, 0)
        known = self._missing.get(proposal)
        is_as_before = known is not None and known.done == done
        if known is not None and is_as_before and not self._is_booked(known.line):
            # Without its item, which may be long.
            return False
        tail = self._tail(proposal)
        if not tail:
            return False
        lines = lines_of(tail)
        if done >= len(lines):
            return True
        for number in range(known.number if known else 0, len(lines)):
            line = read_line(lines[number])
            if not self._is_booked(line):
                self._missing[proposal] = _Missing(number, line, done)
                return False
        return True

    def _is_booked(self, line: Line) -> bool:
        """Whether a bank's line is in the ledger; of a statement that is not known."""
        ledger = self._ledger
        if line.kind is not Kind.BOOKED:
            return False
        found = ledger.find_booked(
            line.debit or line.credit,
            bool(line.credit),
            bool(line.flags & RowFlag.REVERSAL),
            line.reference.rstrip(b"\0"),
        )
        try:
            return bool(found) and ledger.row(found).amount == line.amount
        except CorruptionError:
            return False

    def stops(self) -> list[int]:
        """The stops that are open, by sequence."""
        return sorted(self._stops)

    # --- given ---------------------------------------------------------------------

    def propose(self, proposed: Entry) -> bool:
        """Note an accepted proposal; whether it waits for somebody's approval."""
        if RowFlag.THIRD in proposed.flags:
            self._third[proposed.sequence] = 0
        if proposed.total == PROPOSE_LINES:
            self._done[proposed.sequence] = 0
        if RowFlag.RECOVERY in proposed.flags:
            one = Recovery(proposed.sequence, proposed.timestamp)
            self._recoveries[proposed.sequence] = one
        if RowFlag.EVIDENCE in proposed.flags and proposed.total == PROPOSE_LINES:
            # A channel's is done without.
            self._said[proposed.sequence] = proposed.timestamp
            return False
        return RowFlag.EVIDENCE not in proposed.flags

    def finish(self, proposal: int) -> None:
        """Note that a statement was accepted: then all lines before it are in the
        ledger, those that had been there among them.
        """
        if proposal in self._done:
            self._done[proposal] = self._count(proposal)

    def answered(self, answer: Entry) -> None:
        """Note the last answer to a proposal so far, or an approval of a stop. What is
        approved may be withdrawn.
        """
        self._stops.pop(answer.resolves, None)
        self._third.pop(answer.resolves, None)
        self._approved.pop(answer.resolves, None)
        self._forget_said(answer.resolves)
        if answer.kind == Kind.WITHDRAW:
            self._recoveries.pop(answer.resolves, None)
        elif answer.resolves in self._done and answer.resolves not in self._ended:
            is_recovery = RowFlag.RECOVERY in answer.flags
            if is_recovery:
                self._approve_recovery(answer)
            life_ns = RECOVERY_LIFE_NS if is_recovery else PROPOSAL_LIFE_NS
            count = self._count(answer.resolves)
            until_ns = answer.timestamp + life_ns
            self._approved[answer.resolves] = _Approved(until_ns, count)

    def _approve_recovery(self, answer: Entry) -> None:
        one = self._recoveries[answer.resolves]
        self._recoveries[answer.resolves] = one._replace(approved_ns=answer.timestamp)

    def end_recoveries(self, approval: Entry) -> list[int]:
        """Note an accepted approval; the recoveries that end by it, as two people of
        the treasury have signed behind them. Call it before `answered`.
        """
        if not self._recoveries or RowFlag.RECOVERY in approval.flags:
            return []
        ended = [one for one in self._recoveries if one < approval.resolves]
        if not ended or self._is_shift(approval.resolves):
            return []
        for recovery in ended:
            del self._recoveries[recovery]
            self._ended[recovery] = approval.sequence
            self._approved.pop(recovery, None)
        return ended

    def _is_shift(self, sequence: int) -> bool:
        """Whether a row is of a shift; of one that cannot be read nothing is known."""
        try:
            return self._ledger.row(sequence).kind == Kind.SHIFT
        except CorruptionError:
            return True

    def take_lines(self, rows: Rows) -> None:
        """Note the lines among accepted rows, after their proposals."""
        lines = rows["total"][_IS_LINE[rows["kind"]] & (rows["total"] != 0)]
        for proposal, count in zip(*np.unique(lines, return_counts=True), strict=True):
            if int(proposal) in self._done:
                self._done[int(proposal)] += int(count)

    def take_stops(self, rows: Rows) -> None:
        """Note what stops or starts again among accepted rows, before the approvals."""
        signed = rows[_IS_STOPPED[rows["kind"]] & (rows["operator_"] != 0)]
        if not self._stops:
            # Lines stop nothing, and begin again only what was stopped.
            signed = signed[signed["total"] == 0]
        for entry in entries_of(signed):
            self._take_stop(entry)

    def _take_stop(self, entry: Entry) -> None:
        if entry.kind == Kind.REGISTER and not entry.total:
            tail = self._tail(entry.sequence)
            if tail and tail[0] not in _ACTIVE_AT:
                # A certificate is revoked: that is confirmed, and no stop.
                return
        for sequence, stop in list(self._stops.items()):
            if stop.kind == entry.kind and stop.debit == entry.debit:
                is_over = (
                    RowFlag.UNFREEZE in entry.flags
                    if entry.kind == Kind.FREEZE
                    else self._starts(stop, entry)
                )
                if is_over:
                    del self._stops[sequence]
        if not entry.total and RowFlag.UNFREEZE not in entry.flags:
            self._stops[entry.sequence] = entry

    def _starts(self, stop: Entry, entry: Entry) -> bool:
        """Whether a register row makes active again what another has stopped."""
        stopped, now = (self._tail(one.sequence) for one in (stop, entry))
        if not stopped or not now or stopped[0] != now[0]:
            return False
        return bool(now[_ACTIVE_AT[Record(now[0])]])

    def _tail(self, sequence: int) -> bytes:
        """A tail item; what cannot be read starts nothing again."""
        try:
            return self._ledger.tail(sequence)
        except CorruptionError:
            return b""

    def _count(self, proposal: int) -> int:
        """How many lines a proposal has; of one that cannot be read more than any."""
        tail = self._tail(proposal)
        return count_lines(tail) if tail else 1 << 32
