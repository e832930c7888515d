"""A payment's receipt: text for a narrow printer and JSON, in English and Bengali.

May use `calendar`, `money` and `amount_words`. What a receipt says is fixed when the
payment is accepted, so that it can be made again at any time, the same for ever; a
later refund has a paper of its own. References and ids keep ASCII digits.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import category

from switch.calendar import financial_year, format_financial_year, format_ist
from switch.codes import Tender
from switch.counter.amount_words import amount_in_words
from switch.ids import format_id
from switch.money import bengali_digits, format_amount

COLUMNS = 42
"""Characters of a line at most, each of Bengali's signs counted as one."""
FEE = 0
"""Paise that the citizen pays for the help: the amount taken is the amount due."""

_INDENT = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """So many of one item of a tariff. Name and fee as they were then."""

    code: str
    name_en: str
    name_bn: str
    count: int
    fee: int
    """Paise of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the ledger says of one completed payment. Names as they were then."""

    number: int
    """Gapless for each centre and financial year."""
    centre: str
    """Participant id."""
    centre_code: str
    centre_en: str
    centre_bn: str
    service: str
    service_en: str
    service_bn: str
    department_en: str
    department_bn: str
    biller: str
    biller_en: str
    biller_bn: str
    head: str
    reference: str
    """The citizen's own with the biller."""
    bill: str = ""
    """The biller's id of the bill, where its bills are known by it."""
    period: str = ""
    """`YYYY-MM` of the bill, or empty."""
    due_date: str = ""
    """`YYYY-MM-DD` of the bill, or empty."""
    amount_due: int = 0
    """Paise that the bill came to; 0 where there was none."""
    items: tuple[Item, ...] = ()
    """What was paid for, by a tariff."""
    biller_reference: str
    """Of the confirmation; empty if the biller was not asked."""
    note: str
    amount: int
    """Paise."""
    tender: Tender
    operator: int
    id: bytes
    sequence: int
    """Of the entry that has the receipt's number."""
    accepted_ns: int
    """When the counter's payment was accepted."""
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


# Label → English, Bengali.
_LABELS = {
    "title": ("Bangla Sahayata Kendra", "বাংলা সহায়তা কেন্দ্র"),
    "receipt": ("Receipt", "রসিদ"),
    "centre": ("Centre", "কেন্দ্র"),
    "accepted": ("Accepted", "গৃহীত"),
    "confirmed": ("Confirmed", "নিশ্চিত"),
    "service": ("Service", "পরিষেবা"),
    "department": ("Department", "বিভাগ"),
    "biller": ("Paid to", "প্রাপক"),
    "head": ("Head of account", "হিসাবের খাত"),
    "reference": ("Reference", "রেফারেন্স"),
    "bill": ("Bill", "বিল"),
    "period": ("Period", "সময়কাল"),
    "due_date": ("Due by", "শেষ তারিখ"),
    "amount_due": ("Amount due", "প্রদেয়"),
    "biller_reference": ("Biller's reference", "প্রাপকের রেফারেন্স"),
    "note": ("Note", "মন্তব্য"),
    "amount": ("Amount", "টাকার অঙ্ক"),
    "fee": ("Fee", "পরিষেবা মূল্য"),
    "total": ("Total", "মোট"),
    "tender": ("Paid by", "মাধ্যম"),
    "operator": ("Operator", "অপারেটর"),
    "id": ("Payment id", "লেনদেনের আইডি"),
    "entry": ("Ledger entry", "খতিয়ান ভুক্তি"),
    "free": (
        "The help of the centre is free of charge.",
        "কেন্দ্রের সাহায্য সম্পূর্ণ বিনামূল্যে।",
    ),
}
_TENDERS = {
    Tender.CASH: ("cash", "নগদ"),
    Tender.UPI: ("UPI", "ইউপিআই"),
    Tender.CARD: ("card", "কার্ড"),
}


def receipt_text(receipt: Receipt, *, bengali: bool = False) -> str:
    """The receipt as lines of at most COLUMNS characters, each ended by a newline."""
    return "\n".join(_lines(receipt, int(bengali))) + "\n"


def receipt_json(receipt: Receipt) -> str:
    """The receipt as one JSON object, in both languages."""
    value = {
        "receipt": receipt.full_number,
        "number": receipt.number,
        "financial_year": format_financial_year(receipt.year),
        "centre": receipt.centre,
        "centre_code": receipt.centre_code,
        "centre_name": {"en": receipt.centre_en, "bn": receipt.centre_bn},
        "service": receipt.service,
        "service_name": {"en": receipt.service_en, "bn": receipt.service_bn},
        "department": {"en": receipt.department_en, "bn": receipt.department_bn},
        "biller": receipt.biller,
        "biller_name": {"en": receipt.biller_en, "bn": receipt.biller_bn},
        "head": receipt.head,
        "reference": receipt.reference,
        "bill": receipt.bill,
        "period": receipt.period,
        "due_date": receipt.due_date,
        "amount_due_paise": receipt.amount_due,
        "items": [_json_item(item) for item in receipt.items],
        "biller_reference": receipt.biller_reference,
        "note": receipt.note,
        "amount_paise": receipt.amount,
        "fee_paise": FEE,
        "total_paise": receipt.amount + FEE,
        "amount": {
            "en": format_amount(receipt.amount),
            "bn": format_amount(receipt.amount, bengali=True),
        },
        "amount_in_words": {
            "en": amount_in_words(receipt.amount),
            "bn": amount_in_words(receipt.amount, bengali=True),
        },
        "tender": receipt.tender.name.lower(),
        "operator": receipt.operator,
        "payment_id": format_id(receipt.id),
        "entry": receipt.sequence,
        "accepted_time": format_ist(receipt.accepted_ns),
        "accepted_time_ns": receipt.accepted_ns,
        "completed_time": format_ist(receipt.completed_ns),
        "completed_time_ns": receipt.completed_ns,
        "text": {
            "en": receipt_text(receipt),
            "bn": receipt_text(receipt, bengali=True),
        },
    }
    return json.dumps(value, ensure_ascii=False)


def _json_item(item: Item) -> dict[str, object]:
    return {
        "code": item.code,
        "name": {"en": item.name_en, "bn": item.name_bn},
        "count": item.count,
        "fee_paise": item.fee,
        "amount_paise": item.fee * item.count,
    }


def _lines(receipt: Receipt, language: int) -> Iterator[str]:
    def label(name: str) -> str:
        return _LABELS[name][language]

    def chosen(english: str, bengali: str) -> str:
        return bengali if language and bengali else english

    def amount(paise: int) -> str:
        return format_amount(paise, bengali=bool(language))

    def digits(text: str) -> str:
        return bengali_digits(text) if language else text

    def time(time_ns: int) -> str:
        return digits(format_ist(time_ns))

    rule = "-" * COLUMNS
    yield from _wrap(label("title"))
    yield from _wrap(chosen(receipt.centre_en, receipt.centre_bn))
    if receipt.centre_code:
        yield from _exact(label("centre"), receipt.centre_code)
    yield from _exact(label("receipt"), receipt.full_number)
    yield from _wrap(f"{label('accepted')}: {time(receipt.accepted_ns)}")
    if receipt.completed_ns != receipt.accepted_ns:
        yield from _wrap(f"{label('confirmed')}: {time(receipt.completed_ns)}")
    yield rule
    service = chosen(receipt.service_en, receipt.service_bn)
    yield from _wrap(f"{label('service')}: {service} ({receipt.service})")
    department = chosen(receipt.department_en, receipt.department_bn)
    if department:
        yield from _wrap(f"{label('department')}: {department}")
    biller = chosen(receipt.biller_en, receipt.biller_bn)
    yield from _wrap(f"{label('biller')}: {biller or receipt.biller}")
    yield from _exact(label("head"), receipt.head)
    yield from _exact(label("reference"), receipt.reference)
    if receipt.bill:
        yield from _exact(label("bill"), receipt.bill)
    if receipt.period:
        yield f"{label('period')}: {digits(receipt.period)}"
    if receipt.due_date:
        yield f"{label('due_date')}: {digits(receipt.due_date)}"
    if receipt.biller_reference:
        yield from _exact(label("biller_reference"), receipt.biller_reference)
    if receipt.note:
        yield from _wrap(f"{label('note')}: {_printable(receipt.note)}")
    yield rule
    for item in receipt.items:
        name = chosen(item.name_en, item.name_bn)
        yield from _wrap(f"{name} ({item.code})" if name else item.code)
        sums = f"{amount(item.fee)} = {amount(item.fee * item.count)}"
        yield from _under(f"{digits(str(item.count))} × {sums}")
    if receipt.amount_due:
        yield from _exact(label("amount_due"), amount(receipt.amount_due))
    yield from _exact(label("amount"), amount(receipt.amount))
    yield from _exact(label("fee"), amount(FEE))
    yield from _exact(label("total"), amount(receipt.amount + FEE))
    yield from _wrap(amount_in_words(receipt.amount, bengali=bool(language)))
    yield rule
    yield f"{label('tender')}: {_TENDERS[receipt.tender][language]}"
    yield f"{label('operator')}: {receipt.operator}"
    yield from _exact(label("id"), format_id(receipt.id))
    yield from _exact(label("entry"), str(receipt.sequence))
    yield from _wrap(label("free"))


def _printable(note: str) -> str:
    """A counter's note without what would steer a printer; joiners stay."""
    return "".join("?" if category(one) == "Cc" else one for one in note)


def _exact(label: str, value: str) -> Iterator[str]:
    """A value that must stay as it is, spaces too; below its label if it is long."""
    line = f"{label}: {value}"
    if len(line) <= COLUMNS:
        yield line
        return
    yield f"{label}:"
    width = COLUMNS - len(_INDENT)
    for at in range(0, len(value), width):
        yield _INDENT + value[at : at + width]


def _under(text: str) -> Iterator[str]:
    """A line that belongs to the one above it."""
    line = _INDENT + text
    if len(line) <= COLUMNS:
        yield line
    else:
        yield from _wrap(text)


def _wrap(text: str) -> Iterator[str]:
    """Text for people in lines, broken at spaces, further ones indented."""
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line.strip() else line + word
        if len(joined) <= COLUMNS:
            line = joined
            continue
        if line.strip():
            yield line
        line = _INDENT + word
        while len(line) > COLUMNS:
            at = _break(line)
            yield line[:at]
            line = _INDENT + line[at:]
    if line:
        yield line


def _break(line: str) -> int:
    """Where a word that is longer than a line breaks: not before a sign of a letter."""
    at = COLUMNS
    while at > len(_INDENT) + 1 and category(line[at])[0] == "M":
        at -= 1
    return at
