"""What is handed out to citizens at a counter, and what of it waits.

May use the core, `codes`, `entries` and `ledger`. Money that comes back to a wallet
after its citizen has gone is handed out by a row of its own: of a refund, of the end of
a payment that had been kept, of an expiry. What came back before the ledger ran by
`HANDOUT_RULES` was counted where it came back; nothing of it waits.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from switch._core import RULES_RECORD, Ledger, Rows, entries_of
from switch.codes import Kind, Link, Record, Result, RowFlag
from switch.entries import Entry
from switch.ledger.follower import Follower
from switch.ledger.refunds import RefundsFarApartError, refunds_of
from switch.ledger.statements import Payment, payment_of
from switch.ledger.templates import Templates, template

HANDOUT_RULES: Final = 14
"""The first rules that know rows which hand cash out."""


class Handout(NamedTuple):
    """Money that came back to a wallet."""

    back: Entry
    """The row that gave it back."""
    amount: int
    """Paise."""
    payment: Payment
    which: int
    """Of a refund: 1 is the payment's first; 0 if it is none, or not known."""
    handed_out: Entry | None
    """The row that has handed it out, None while it waits."""

    @property
    def is_disputed(self) -> bool:
        """Whether its biller says that it has the money, so that it is not handed out.

        What was refunded its citizen gets all the same: two people have wanted that.
        """
        if self.back.kind not in (Kind.VOID, Kind.EXPIRE):
            return False
        is_corrected = self.payment.standing.is_corrected
        # Of what was paid after all in part, the rest is the citizen's.
        is_whole = is_corrected and self.amount == self.payment.entry.amount
        return is_whole or (self.payment.is_disputed and not is_corrected)


def hand_out(
    row_id: bytes,
    back: int,
    amount: int,
    *,
    wallet: int,
    sender: int,
    operator: int,
) -> Templates:
    """Hand out what a row, by its sequence, gave back to a wallet of the sender's.

    Raises OverflowError if a number does not fit.
    """
    return template(
        Kind.HANDED_OUT,
        row_id=row_id,
        sender=sender,
        operator=operator,
        resolves=back,
        amount=amount,
        debit=wallet,
    )


def wallet_of(back: Entry) -> int:
    """The wallet that a row gives money back to."""
    return back.credit if back.kind == Kind.REFUND else back.debit


def given_back(ledger: Ledger, back: Entry) -> int:
    """What a row gave back that a row of its own hands out; 0 if it is none of those.
    What was paid after all is not taken from it.

    Raises CorruptionError.
    """
    if back.result != Result.OK:
        return 0
    if back.kind in (Kind.REFUND, Kind.EXPIRE):
        return back.amount
    if back.kind not in (Kind.VOID, Kind.POST) or RowFlag.KEEP not in back.flags:
        return 0
    held = ledger.row(back.resolves).amount
    return held if back.kind == Kind.VOID else held - back.amount


def handout_of(
    ledger: Ledger, back: Entry, charge: Callable[[int], None] | None = None
) -> Handout | None:
    """What a row gave back, and what became of it; None if it is none of those.

    `charge` is told what is walked, as `refunds_of` tells it.

    Raises CorruptionError.
    """
    amount = given_back(ledger, back)
    if not amount:
        return None
    about = ledger.row(back.resolves)
    final = about
    if about.kind == Kind.POST:
        about = ledger.row(about.resolves)
    payment = payment_of(ledger, about)
    if payment is None:
        return None
    which = 0
    if back.kind == Kind.REFUND:
        which = _place(ledger, back, final, charge)
    elif payment.standing.is_corrected:
        corrected = ledger.row(ledger.link(back.resolves, Link.CORRECTION))
        amount -= corrected.amount if corrected.amount < amount else 0
    there = ledger.link(back.sequence, Link.HANDED_OUT)
    row = ledger.row(there) if there else None
    return Handout(back, amount, payment, which, row)


def _place(
    ledger: Ledger, back: Entry, final: Entry, charge: Callable[[int], None] | None
) -> int:
    """Which refund of its payment a row is, 0 if too much lies between them."""
    if back.total == back.amount:
        return 1
    try:
        found = refunds_of(ledger, final, charge=charge)
    except RefundsFarApartError:
        return 0
    return 1 + [one.sequence for one in found].index(back.sequence)


class HandoutBook:
    """What waits at each wallet, and what each operator has handed out. Any thread may
    ask.

    The journal is followed: the first question reads all of it, the next ones what was
    added since. Memory: 8 bytes for what waits and for each handed_out.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is read before it is needed."""
        self._ledger = ledger
        self._follower = Follower(ledger, self._take)
        self._since = 0
        self._waiting: dict[int, list[int]] = {}
        self._handed: dict[tuple[int, int], list[int]] = {}

    def since(self) -> int:
        """The sequence of the first rules row of HANDOUT_RULES or later: what came back
        behind it is handed out by rows of its own. 0 if there is none.

        Raises CorruptionError, OverloadError.
        """
        self._follower.read_on()
        return self._since

    def waiting(self, wallet: int, after: int, limit: int) -> list[int]:
        """Sequences, above `after`, of what gave money back to a wallet that nobody has
        handed out, ascending. Raises as `since`.
        """
        self._follower.read_on()
        there = list(self._waiting.get(wallet, ()))
        return there[bisect_right(there, after) :][:limit]

    def handed_out(self, wallet: int, operator: int, after: int, to: int) -> list[int]:
        """Sequences of what an operator has handed out in (after, to]. Raises as
        `since`.
        """
        self._follower.read_on()
        there = list(self._handed.get((wallet, operator), ()))
        return there[bisect_right(there, after) : bisect_right(there, to)]

    def _take(self, rows: Rows) -> None:
        accepted = rows[rows["result"] == Result.OK]
        if not self._since:
            self._since = self._find_rules(accepted)
        if not self._since:
            return
        kind = accepted["kind"]
        keeps = (accepted["flags"] & RowFlag.KEEP) != 0
        wanted = (kind == Kind.REFUND) | (kind == Kind.EXPIRE)
        wanted |= keeps & ((kind == Kind.VOID) | (kind == Kind.POST))
        wanted |= kind == Kind.HANDED_OUT
        wanted &= accepted["sequence"] > self._since
        # Before any is noted: where one cannot be read, all of them come again.
        found = [
            entry
            for entry in entries_of(accepted[wanted])
            if entry.kind == Kind.HANDED_OUT or given_back(self._ledger, entry)
        ]
        for entry in found:
            if entry.kind == Kind.HANDED_OUT:
                self._note(entry)
            else:
                self._waiting.setdefault(wallet_of(entry), []).append(entry.sequence)

    def _note(self, entry: Entry) -> None:
        """Take in that something was handed out."""
        if entry.resolves <= self._since:
            # It was counted where it came back.
            return
        there = self._waiting.get(entry.debit, [])
        at = bisect_left(there, entry.resolves)
        if at < len(there) and there[at] == entry.resolves:
            del there[at]
        whose = entry.debit, entry.operator
        self._handed.setdefault(whose, []).append(entry.sequence)

    def _find_rules(self, rows: Rows) -> int:
        """The first row that says that HANDOUT_RULES or later ones run, or 0."""
        says = (rows["kind"] == Kind.REGISTER) & (rows["debit"] == 1)
        for sequence in rows["sequence"][says].tolist():
            tail = self._ledger.tail(sequence)
            if tail[0] != Record.RULES:
                continue
            record = np.frombuffer(tail, RULES_RECORD, 1)[0]
            if record["version"] >= HANDOUT_RULES:
                return int(sequence)
        return 0
