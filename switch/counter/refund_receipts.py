"""The receipt of a refund: a paper of its own, beside that of the payment.

May use the words and `papers`. Its number is the payment's receipt and which of its
refunds it is: `bsk-00001/2026-27/000123/R1`. What it says is fixed when the refund is
made, so that it is the same for ever, too.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from switch.calendar import format_ist
from switch.counter.papers import RULE, Paper, Printer, paper_json, paper_text
from switch.paper_words import MARK_WORDS, RECEIPT_WORDS, REFUND_WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundReceipt(Paper):
    """What the ledger says of one refund of a completed payment.

    `amount` is what was given back by it, `sequence` its own row.
    """

    receipt: str
    """The number of the payment's receipt, as people write it."""
    which: int
    """1 is the first refund of the payment."""
    paid: int
    """Paise that the biller was paid."""
    refunded: int
    """Paise of them that were given back so far, this refund included."""
    refunded_ns: int
    """When it was made."""

    @property
    def full_number(self) -> str:
        """The number as people write it: `bsk-00001/2026-27/000123/R1`."""
        return f"{self.receipt}/R{self.which}"


def refund_text(
    paper: RefundReceipt, *, bengali: bool = False, is_reprint: bool = False
) -> str:
    """The paper as lines of at most COLUMNS characters, each ended by a newline."""
    return paper_text(_lines(paper, bengali, is_reprint))


def refund_json(paper: RefundReceipt, *, is_reprint: bool = False) -> str:
    """The paper as one JSON object, in both languages."""
    value = {
        "refund_receipt": paper.full_number,
        "refund": paper.which,
        "receipt": paper.receipt,
        **paper_json(paper),
        "paid_paise": paper.paid,
        "refunded_paise": paper.refunded,
        "refunded_time": format_ist(paper.refunded_ns),
        "refunded_time_ns": paper.refunded_ns,
        "text": {
            "en": refund_text(paper, is_reprint=is_reprint),
            "bn": refund_text(paper, bengali=True, is_reprint=is_reprint),
        },
    }
    if is_reprint:
        value |= {"reprint": True}
    return json.dumps(value, ensure_ascii=False)


def _lines(paper: RefundReceipt, bengali: bool, is_reprint: bool) -> Iterator[str]:
    labels = {**RECEIPT_WORDS, **REFUND_WORDS, **MARK_WORDS}
    printer = Printer(paper, labels, bengali=bengali)
    yield from printer.centre()
    if is_reprint:
        yield from printer.words("reprint")
    yield from printer.exact("refund receipt", paper.full_number)
    yield from printer.exact("of receipt", paper.receipt)
    yield from printer.text("accepted", printer.time(paper.accepted_ns))
    yield from printer.text("returned", printer.time(paper.refunded_ns))
    yield RULE
    yield from printer.bill()
    yield from printer.note()
    yield RULE
    yield from printer.exact("was paid", printer.amount(paper.paid))
    yield from printer.exact("this refund", printer.amount(paper.amount))
    if paper.refunded != paper.amount:
        yield from printer.exact("so far", printer.amount(paper.refunded))
    yield from printer.in_words()
    yield from printer.words("from the centre")
    yield RULE
    yield from printer.foot()
