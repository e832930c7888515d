"""Rows of a biller's account with what belongs to them: payment, tails, references.

May use the core, `register` and `counted`. Of a post the payment is its hold, of a
refund what it gives back, of a correction the hold that is paid after all, of an
undoing the hold whose correction it takes back.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import BILL_TAIL, Rows
from switch.codes import KeyRule, Kind, PriceRule, RowFlag, TailForm
from switch.errors import CorruptionError
from switch.ledger.baskets import firsts, sizes
from switch.ledger.opening import CORRUPTED
from switch.ledger.payment_tails import FIXED_SIZE
from switch.ledger.templates import REFERENCE_SIZE
from switch.treasury.books import Books
from switch.treasury.cells import Cells
from switch.treasury.counted import corrections_of, undoings_of

Mask = npt.NDArray[np.bool_]
U64 = npt.NDArray[np.uint64]

PAYMENT, REFUND, CORRECTION, UNDOING, TRANSFER, SETTLEMENT = range(6)
ENTRIES: Final = (
    *("payment", "refund", "correction", "undoing"),
    *("transfer", "settlement"),
)
"""What files call a row, by those numbers."""


class Described(NamedTuple):
    """Rows, and columns beside them."""

    rows: Rows
    entries: npt.NDArray[np.int64]
    """Of each its number among ENTRIES."""
    is_credit: Mask
    """Whether it is in favour of the account."""
    final: Rows
    """What completed the payment, or the row itself: it has the receipt."""
    payments: Rows
    """The pay or hold; the row itself where there is none."""
    is_paid: Mask
    """Whether it is about a payment."""
    references: Cells
    """The citizen's own with the biller."""
    bills: Cells
    """The biller's id of the bill, or empty."""
    periods: U64
    """Months as the ledger counts them, or 0."""
    answers: Cells
    """The biller's word that confirmed, or empty."""

    @property
    def of_entries(self) -> U64:
        """The row that a refund or a correction names, or 0."""
        names_one = np.isin(self.entries, (REFUND, CORRECTION))
        return np.where(names_one, self.rows["resolves"], np.uint64(0))

    @property
    def baskets(self) -> U64:
        """The first payment of each one's basket, or 0 outside one."""
        is_in_one = self.is_paid & (sizes(self.payments) > 1)
        return np.where(is_in_one, firsts(self.payments), np.uint64(0))


def describe(books: Books, rows: Rows, account: int) -> Described:
    """What belongs to some rows of an account, at most GROUP_MAX of them.

    Raises CorruptionError.
    """
    is_correction, is_undoing = corrections_of(rows), undoings_of(rows)
    kinds = rows["kind"]
    entries = np.select(
        [kinds == Kind.REFUND, is_correction, is_undoing, kinds == Kind.TRANSFER],
        [REFUND, CORRECTION, UNDOING, TRANSFER],
        np.where(kinds == Kind.SETTLE, SETTLEMENT, PAYMENT),
    )
    final = _followed(books, rows, entries == REFUND)
    names_hold = (final["kind"] == Kind.POST) | is_correction | is_undoing
    payments = _followed(books, final, names_hold)
    is_paid = entries <= UNDOING
    references = payments["reference"].copy()
    bills = np.zeros((len(rows), REFERENCE_SIZE), np.uint8)
    periods = np.zeros(len(rows), np.uint64)
    by_bill, has_id = _bill_rules(books, payments["service"], is_paid)
    if by_bill.any():
        tails = _bill_tails(books, payments["sequence"][by_bill])
        bills[has_id] = references[has_id]
        references[by_bill] = tails["reference"]
        periods[by_bill] = tails["period"]
    references[~is_paid] = 0
    return Described(
        rows=rows,
        entries=entries,
        is_credit=rows["credit"] == account,
        final=final,
        payments=payments,
        is_paid=is_paid,
        references=references,
        bills=bills,
        periods=periods,
        answers=_answers(books, final, is_paid),
    )


def _followed(books: Books, rows: Rows, which: Mask) -> Rows:
    """The rows, but in the place of some those that they name."""
    if not which.any():
        return rows
    made = rows.copy()
    made[which] = books.ledger.gather(np.ascontiguousarray(rows["resolves"][which]))
    return made


def _bill_rules(
    books: Books, services: npt.NDArray[np.uint16], is_paid: Mask
) -> tuple[Mask, Mask]:
    """Which payments were by bill, and which of these by the biller's id of it."""
    by_bill = np.zeros(len(services), np.bool_)
    has_id = by_bill.copy()
    for index in np.unique(services[is_paid]).tolist():
        if not index:
            continue
        spec = books.register.service(index).spec
        if spec.price_rule is PriceRule.BILL:
            these = is_paid & (services == index)
            by_bill |= these
            if spec.key_rule is KeyRule.BILL_ID:
                has_id |= these
    return by_bill, has_id


def _bill_tails(books: Books, sequences: U64) -> Rows:
    """The fixed parts of these payments' tails, in this order."""
    known, places = np.unique(sequences, return_inverse=True)
    parts = [tail[:FIXED_SIZE] for tail in books.ledger.tails(known)]
    joined = b"".join(parts)
    if len(joined) == FIXED_SIZE * len(known):
        tails = np.frombuffer(joined, BILL_TAIL)
        if (tails["form"] == TailForm.BILL).all():
            return tails[places]
    raise CorruptionError(CORRUPTED, "a payment by bill has another tail")


def _answers(books: Books, final: Rows, is_paid: Mask) -> Cells:
    """What billers said as they confirmed."""
    answers = np.zeros((len(final), REFERENCE_SIZE), np.uint8)
    both = int(RowFlag.EVIDENCE | RowFlag.TAIL)
    has_one = is_paid & (final["kind"] == Kind.POST) & (final["flags"] & both == both)
    if has_one.any():
        known, places = np.unique(final["sequence"][has_one], return_inverse=True)
        words = [
            word.ljust(REFERENCE_SIZE, b"\0") for word in books.ledger.tails(known)
        ]
        table = np.frombuffer(b"".join(words), np.uint8)
        answers[has_one] = table.reshape(len(known), REFERENCE_SIZE)[places]
    return answers
