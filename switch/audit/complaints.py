"""Complaints and what is replied to them: who may, in which turn, about which payment.

Where each stands is known at its place, and so is who of the treasury takes part then;
the payments that they speak of are read again when all have passed. Refused ones are
judged alike: reason and step of these are in no row, so that any that could have been
meant is a cause. Memory: 25 bytes for each complaint, 24 more while it is open and for
each row that a payment is read for, 72 for each refused row.
"""

from array import array
from bisect import bisect_left
from typing import Final, NamedTuple

import numpy as np

from switch.audit.findings import Findings
from switch.audit.kinds import SPENDING
from switch.audit.layout import NOTE_MAX, OK, REFUSED_FLAGS, U64, Mask, Rows
from switch.audit.reader import Journal
from switch.audit.register import Register
from switch.codes import AccountKind, Kind, Result, Role

REASON_MAX: Final = 6
ASKED, ANSWERED, CLOSED = 1, 2, 3
"""Steps of a reply."""
STEPS: Final = (ASKED, ANSWERED, CLOSED)
COMPLAINTS_MAX: Final = 1_048_575
RECORDS: Final = 3
"""What the index counts complaints as."""
TOGETHER: Final = 65_536
"""Rows of which payments are read again at a time."""
EMPTY: Final = ("credit", "receipt", "basket")
"""What neither says anything in."""
NOT_ITS: Final = "what it complains of is no payment from a wallet of its sender"
NOT_OWN: Final = (
    "it answers a complaint, and its sender is not whom the payment credits"
)
NO_CAUSE: Final = "and there was no cause for that"
Told = tuple[int, int]
"""A result, and the row in the way."""


class Refused(NamedTuple):
    """A refused row, with what is known at its place; all are numbers."""

    sequence: int
    payment: int
    sender: int
    result: int
    other: int
    number: int
    """Of a reply, the complaint's; 0 if it names none."""
    newest: int
    """The newest row about that. Of a complaint the one that is open, or 0."""
    step: int
    """The newest reply's, 0 for none. Of a complaint: whether the table was full."""
    kind: int
    """And bit 8: it is of the treasury, and takes part."""


OF_TREASURY: Final = 1 << 8


class Complaints:
    """Judges at their places what can be, and the rest in `finish`."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """None yet. `register` and its accounts are shared."""
        self.register = register
        self.findings = findings
        # By number from 1: its own row, the newest about it, its payment, its step.
        self._rows, self._newest, self._payments = (array("Q") for _ in range(3))
        self._steps = bytearray()
        # By payment: the complaint about it that is open.
        self._open: dict[int, int] = {}
        # Of accepted complaints and answers: sequence, payment, sender.
        self._raised, self._answers = array("Q"), array("Q")
        self._refused = array("Q")

    def _add(self, row: np.void, text: str) -> None:
        self.findings.add("complaints", int(row["sequence"]), text)

    def take(self, row: np.void, tail: bytes | None) -> None:
        """Take a complaint or a reply, accepted or not, at its place."""
        complaint, accepted = row["kind"] == Kind.COMPLAINT, row["result"] == OK
        if not self.register.know_counters:
            text = f"it is not known to rules {self.register.version}"
            self._add(row, text)
        names = EMPTY if accepted else (*EMPTY, "debit")
        if any(row[name] for name in names) or int(row["flags"]) & ~REFUSED_FLAGS:
            self._add(row, "it says something where none of its kind does")
        if tail is not None and not _is_note(tail):
            self._add(row, "its note is empty, too long, or no text")
        most = REASON_MAX if complaint else CLOSED
        if accepted and not 1 <= row["total"] <= most:
            what = "reason" if complaint else "step"
            self._add(row, f"{row['total']} is no {what}")
        if complaint:
            self._complain(row, accepted=bool(accepted))
        else:
            self._reply(row, accepted=bool(accepted))

    def _complain(self, row: np.void, *, accepted: bool) -> None:
        sequence, payment = int(row["sequence"]), int(row["resolves"])
        sender, open_ = int(row["participant"]), self._open.get(payment, 0)
        full = len(self._rows) >= COMPLAINTS_MAX
        if not accepted:
            there = self._rows[open_ - 1] if open_ else 0
            self._refuse(row, payment=payment, newest=there, step=int(full))
            return
        self._raised.extend((sequence, payment, sender))
        if open_:
            text = f"complaint {self._rows[open_ - 1]} about the same payment is open"
            self._add(row, text)
        if full:
            self._add(row, "there are more complaints than there may be")
            return
        number = len(self._rows) + 1
        if row["debit"] != number:
            self._add(row, f"it is number {number}, the row says {row['debit']}")
        self._rows.append(sequence)
        self._newest.append(sequence)
        self._payments.append(payment)
        self._steps.append(0)
        self._open.setdefault(payment, number)

    def _reply(self, row: np.void, *, accepted: bool) -> None:
        sequence, sender = int(row["sequence"]), int(row["participant"])
        number = self._number(int(row["resolves"]))
        payment = self._payments[number - 1] if number else 0
        newest = self._newest[number - 1] if number else 0
        before = self._steps[number - 1] if number else 0
        if not accepted:
            self._refuse(row, payment, newest, before, number)
            return
        if not number:
            self._add(row, "it replies to no complaint")
            return
        step = int(row["total"])
        if row["debit"] != number:
            self._add(row, f"it is of complaint {number}, the row says {row['debit']}")
        if before == CLOSED:
            self._add(row, f"sequence {newest} has closed what it replies to")
        elif before == step:
            self._add(row, f"sequence {newest} is the same step, and none came since")
        if step in (ASKED, CLOSED) and not self._of_treasury(sender):
            text = (
                "its sender is none of the treasury that takes part, and asks or closes"
            )
            self._add(row, text)
        if step == ANSWERED:
            self._answers.extend((sequence, payment, sender))
        self._newest[number - 1], self._steps[number - 1] = sequence, step & 0xFF
        if step == CLOSED and self._open.get(payment) == number:
            del self._open[payment]

    def _refuse(
        self,
        row: np.void,
        payment: int,
        newest: int,
        step: int,
        number: int = 0,
    ) -> None:
        treasury = OF_TREASURY if self._of_treasury(int(row["participant"])) else 0
        told = (
            *(int(row["sequence"]), payment, int(row["participant"])),
            *(int(row["result"]), int(row["total"]), number, newest, step),
            int(row["kind"]) | treasury,
        )
        self._refused.extend(Refused(*told))

    def records(self) -> dict[tuple[int, int], int]:
        """By the index's kind of record and number: the newest row about each."""
        return {
            (RECORDS, number): newest for number, newest in enumerate(self._newest, 1)
        }

    def _number(self, sequence: int) -> int:
        """Which complaint a row is, 0 for none."""
        at = bisect_left(self._rows, sequence)
        there = at < len(self._rows) and self._rows[at] == sequence
        return at + 1 if there else 0

    def _of_treasury(self, sender: int) -> bool:
        """Whether somebody is of the treasury and takes part by now."""
        parties = self.register.parties
        active = bool(parties.active[parties.place(sender)])
        return active and parties.has_role(sender, Role.TREASURY)

    def finish(self, journal: Journal) -> None:
        """Judge what depends on the payments, which are let go of."""
        for part in _parts(self._raised, 3):
            _, paid, _ = self._payments_of(journal, part)
            self.findings.add_rows("complaints", part[~paid, 0], NOT_ITS)
        for part in _parts(self._answers, 3):
            _, _, credited = self._payments_of(journal, part)
            self.findings.add_rows("complaints", part[~credited, 0], NOT_OWN)
        for part in _parts(self._refused, len(Refused._fields)):
            _, paid, credited = self._payments_of(journal, part)
            for told, own, biller in zip(
                part.tolist(), paid.tolist(), credited.tolist(), strict=True
            ):
                row = Refused(*told)
                of = _complained(row, own=own)
                if row.kind & 0xFF == Kind.REPLY:
                    of = _replied(row, biller=biller)
                if (row.result, row.other) not in of:
                    text = f"{Result(row.result).name}, {NO_CAUSE}"
                    self.findings.add("refusals", row.sequence, text)

    def _payments_of(self, journal: Journal, told: U64) -> tuple[Rows, Mask, Mask]:
        """The payments that rows are about, and whether each is one from a wallet of
        its sender, and one that credits an account of its sender.
        """
        rows = journal.rows_at(np.ascontiguousarray(told[:, 1]))
        accounts = self.register.accounts
        good = SPENDING[rows["kind"]] & (rows["result"] == OK)
        good &= rows["sequence"] < told[:, 0]
        known = np.maximum(rows["debit"], rows["credit"]) <= accounts.count
        debit, credit = (
            np.where(known, rows[side], 0).astype(np.intp)
            for side in ("debit", "credit")
        )
        owners = accounts["participant"]
        paid: Mask = good & (owners[debit] == told[:, 2])
        paid &= accounts["kind"][debit] == AccountKind.WALLET
        credited: Mask = good & (owners[credit] == told[:, 2])
        return rows, paid, credited


def _parts(told: "array[int]", width: int) -> list[U64]:
    """What was noted of rows, some at a time; it is let go of."""
    rows = np.array(told, np.uint64).reshape(-1, width)
    del told[:]
    return [rows[at : at + TOGETHER] for at in range(0, len(rows), TOGETHER)]


def _complained(row: Refused, *, own: bool) -> set[Told]:
    """What a refused complaint may have been told."""
    if not own:
        return {(Result.PAYMENT_NOT_FOUND, 0)}
    if row.newest:
        return {(Result.COMPLAINT_OPEN, row.newest)}
    return {(Result.TABLE_FULL, 0)} if row.step else set()


def _replied(row: Refused, *, biller: bool) -> set[Told]:
    """What a refused reply may have been told, by each step that it may have been."""
    treasury = bool(row.kind & OF_TREASURY)
    told = set[Told]()
    for step in STEPS:
        may = biller if step == ANSWERED else treasury
        if not row.number or not may:
            told.add((Result.COMPLAINT_NOT_FOUND, 0))
        elif row.step == CLOSED:
            told.add((Result.COMPLAINT_CLOSED, row.newest))
        elif row.step == step:
            told.add((Result.ALREADY_FOLLOWED, row.newest))
    return told


def _is_note(tail: bytes) -> bool:
    """Whether a tail item is a note."""
    try:
        tail.decode()
    except UnicodeDecodeError:
        return False
    return 1 <= len(tail) <= NOTE_MAX
