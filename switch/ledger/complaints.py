"""Complaints about payments: the rows of their lives, and how each stands.

May use the core and the words. Reads durable rows by the index: the newest row about a
complaint is found by its number, what was said before by the links of its replies.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from switch._core import Ledger
from switch.bank_numbers import letters_of
from switch.codes import Kind, Link, Reason, Result, Step
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.ledger.templates import Templates, template
from switch.receipt_numbers import plain_complaint

NUMBER_MAX: Final = 10**8 - 1
"""The last number that eight digits can say."""

_HASHED: Final = b"complaint"


class ComplaintState(IntEnum):
    """How a complaint stands, by the newest row about it; numbers are the wire's."""

    RAISED = 1
    ASKED = 2
    """Its biller is to answer."""
    ANSWERED = 3
    CLOSED = 4


class Said(NamedTuple):
    """A row about a complaint, and what its sender wrote."""

    entry: Entry
    note: str


class Complaint(NamedTuple):
    """A complaint as it stands."""

    number: int
    raised: Entry
    newest: Entry
    """The row about it that came last; `raised` itself before any reply."""
    refund: int
    """The sequence of the newest refund of its payment, if that is newer, or 0."""

    @property
    def reason(self) -> Reason:
        """Why it was raised."""
        return Reason(self.raised.total)

    @property
    def state(self) -> ComplaintState:
        """How far it is."""
        if self.newest.kind == Kind.COMPLAINT:
            return ComplaintState.RAISED
        return ComplaintState(self.newest.total + 1)


# --- rows ----------------------------------------------------------------------------


def raise_complaint(
    row_id: bytes,
    payment: int,
    reason: Reason,
    note: str = "",
    *,
    sender: int,
    operator: int = 0,
) -> Templates:
    """Complain about a payment of the sender's, by its sequence."""
    return template(
        Kind.COMPLAINT,
        row_id=row_id,
        sender=sender,
        operator=operator,
        resolves=payment,
        total=int(reason),
        tail=note.encode() if note else None,
    )


def reply(
    row_id: bytes,
    complaint: int,
    step: Step,
    note: str = "",
    *,
    sender: int,
    operator: int = 0,
) -> Templates:
    """Take the next step of a complaint, by the sequence of the row that raised it."""
    return template(
        Kind.REPLY,
        row_id=row_id,
        sender=sender,
        operator=operator,
        resolves=complaint,
        total=int(step),
        tail=note.encode() if note else None,
    )


# --- numbers on paper ----------------------------------------------------------------


def number_text(instance: bytes, number: int) -> str:
    """A complaint's number as people are given it. ValueError beyond 8 digits."""
    if not 0 < number <= NUMBER_MAX:
        raise ValueError(f"no complaint has the number {number}")
    return f"C{number:08d}{letters_of(_HASHED, instance, number)}"


def read_number(text: str, instance: bytes) -> int:
    """The number that a text is, as people type it; 0 if it is no right one."""
    plain = plain_complaint(text)
    if plain is None:
        return 0
    number, letters = int(plain[1:9]), plain[9:]
    return number if letters_of(_HASHED, instance, number) == letters else 0


# --- how they stand ------------------------------------------------------------------


def complaint_of(ledger: Ledger, number: int) -> Complaint | None:
    """The complaint with a number; None if there is none. Raises CorruptionError."""
    sequence = ledger.complaint(number)
    return _complaint(ledger, number, sequence) if sequence else None


def complaint_about(ledger: Ledger, payment: int) -> Complaint | None:
    """The newest complaint about a payment, by its sequence. Raises likewise."""
    raised = ledger.link(payment, Link.COMPLAINT)
    return complaint_of(ledger, ledger.row(raised).debit) if raised else None


def list_complaints(
    ledger: Ledger, before: int, limit: int
) -> list[tuple[int, Complaint | None]]:
    """Up to `limit` complaints by number, newest first, with numbers below `before` if
    that is not 0; None of one that cannot be read.
    """
    return [
        (int(number), readable_complaint(ledger, int(number), int(sequence)))
        for number, sequence in zip(*ledger.complaints(before, limit), strict=True)
    ]


def sayings_of(ledger: Ledger, complaint: Complaint) -> Iterator[Said]:
    """All that was said of it, as it came: the complaint, then its replies, of many the
    newest. Raises CorruptionError.
    """
    yield _said(ledger, complaint.raised)
    for sequence in np.flip(ledger.replies(complaint.raised.sequence)):
        yield _said(ledger, ledger.row(int(sequence)))


def answer_time_ns(ledger: Ledger, complaint: Complaint) -> int:
    """When it was answered last, or closed without an answer; 0 while it is open.

    Raises CorruptionError.
    """
    if complaint.state not in (ComplaintState.ANSWERED, ComplaintState.CLOSED):
        return 0
    for sequence in ledger.replies(complaint.raised.sequence):
        reply_row = ledger.row(int(sequence))
        if reply_row.total == Step.ANSWERED:
            return reply_row.timestamp
    return complaint.newest.timestamp


def completing_row(ledger: Ledger, payment: int) -> Entry | None:
    """The row with the receipt of a payment, by its sequence; None if it has none."""
    row = ledger.row(payment)
    if row.kind != Kind.HOLD:
        return row
    ended, _ = ledger.resolution(payment)
    final = ledger.row(ended) if ended else None
    return final if final is not None and final.kind == Kind.POST else None


def is_complaint(entry: Entry) -> bool:
    """Whether an entry is a complaint that was accepted."""
    return entry.kind == Kind.COMPLAINT and entry.result == Result.OK


def _said(ledger: Ledger, entry: Entry) -> Said:
    return Said(entry, ledger.tail(entry.sequence).decode())


def readable_complaint(ledger: Ledger, number: int, sequence: int) -> Complaint | None:
    """The complaint whose newest row this is; None of one that cannot be read."""
    try:
        return _complaint(ledger, number, sequence)
    except CorruptionError:
        return None


def _complaint(ledger: Ledger, number: int, sequence: int) -> Complaint:
    newest = ledger.row(sequence)
    raised = newest
    if newest.kind == Kind.REPLY:
        raised = ledger.row(newest.resolves)
    refund = _refund_of(ledger, raised.resolves)
    return Complaint(number, raised, newest, refund if refund > raised.sequence else 0)


def _refund_of(ledger: Ledger, payment: int) -> int:
    """The newest refund of a payment, 0 if it has none."""
    final = completing_row(ledger, payment)
    return ledger.resolution(final.sequence)[0] if final else 0
