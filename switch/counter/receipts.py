"""A payment's receipt: text for a narrow printer and JSON, in English and Bengali.

May use the words and `papers`. What a receipt says is fixed when the payment is
accepted, so that it can be made again at any time, the same for ever; a later refund
has a paper of its own. Only who asks for a reprint gets one more thing said: that it is
one, and what was given back since.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from switch.calendar import financial_year, format_financial_year, format_ist
from switch.counter.papers import RULE, Paper, Printer, paper_json, paper_text
from switch.paper_words import MARK_WORDS, RECEIPT_WORDS

FEE = 0
"""Paise that the citizen pays for the help: the amount taken is the amount due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(Paper):
    """What the ledger says of one completed payment."""

    number: int
    """Gapless for each centre and financial year."""
    biller_reference: str
    """Of the confirmation; empty if the biller was not asked."""
    completed_ns: int
    """When it became final: the same time unless a biller confirmed it."""

    @property
    def year(self) -> int:
        """The financial year of the number."""
        return financial_year(self.completed_ns)

    @property
    def full_number(self) -> str:
        """The number as people write it: `bsk-00001/2026-27/000123`."""
        return f"{self.centre}/{format_financial_year(self.year)}/{self.number:06d}"


@dataclass(frozen=True, slots=True)
class Reprint:
    """What a second print says and the first did not."""

    refunded: int = 0
    """Paise that were given back since."""

    def mark_of(self, paid: int) -> str:
        """Which mark says it, empty if nothing was given back."""
        if not self.refunded:
            return ""
        return "refunded" if self.refunded >= paid else "refunded in part"


def receipt_text(
    receipt: Receipt, *, bengali: bool = False, reprint: Reprint | None = None
) -> str:
    """The receipt as lines of at most COLUMNS characters, each ended by a newline."""
    return paper_text(_lines(receipt, bengali, reprint))


def receipt_json(receipt: Receipt, *, reprint: Reprint | None = None) -> str:
    """The receipt as one JSON object, in both languages."""
    value = {
        "receipt": receipt.full_number,
        "number": receipt.number,
        "financial_year": format_financial_year(receipt.year),
        **paper_json(receipt),
        "biller_reference": receipt.biller_reference,
        "fee_paise": FEE,
        "total_paise": receipt.amount + FEE,
        "completed_time": format_ist(receipt.completed_ns),
        "completed_time_ns": receipt.completed_ns,
        "text": {
            "en": receipt_text(receipt, reprint=reprint),
            "bn": receipt_text(receipt, bengali=True, reprint=reprint),
        },
    }
    if reprint is not None:
        value |= {"reprint": True, "refunded_paise": reprint.refunded}
    return json.dumps(value, ensure_ascii=False)


def _lines(receipt: Receipt, bengali: bool, reprint: Reprint | None) -> Iterator[str]:
    labels = {**RECEIPT_WORDS, **MARK_WORDS}
    printer = Printer(receipt, labels, bengali=bengali)
    yield from printer.centre()
    if reprint is not None:
        yield from printer.words("reprint")
        if mark := reprint.mark_of(receipt.amount):
            yield from printer.exact(mark, printer.amount(reprint.refunded))
    yield from printer.exact("receipt", receipt.full_number)
    yield from printer.text("accepted", printer.time(receipt.accepted_ns))
    if receipt.completed_ns != receipt.accepted_ns:
        yield from printer.text("confirmed", printer.time(receipt.completed_ns))
    yield RULE
    yield from printer.bill()
    if receipt.biller_reference:
        yield from printer.exact("biller_reference", receipt.biller_reference)
    yield from printer.note()
    yield RULE
    yield from printer.sums()
    yield from printer.exact("fee", printer.amount(FEE))
    yield from printer.exact("total", printer.amount(receipt.amount + FEE))
    yield from printer.in_words()
    yield RULE
    yield from printer.foot()
