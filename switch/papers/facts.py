"""What a paper says: the JSON that the switch gives, read with care, and bounded.

May use the words. A receipt, the receipt of a refund, and an acknowledgement are told
apart by what only one of them has. Text comes out as it may stand on paper
(`letters`); numbers, times and sums are checked to be what they should.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from switch.codes import AMOUNT_MAX, Tender
from switch.errors import SwitchError
from switch.papers.checks import NUMBER_MAX, is_code, is_number
from switch.papers.letters import harmless
from switch.specs import TEXT_MAX
from switch.tariffs import PAYMENT_ITEMS_MAX

JSON_MAX: Final = 65_536
"""Characters of the JSON of a paper; a whole one has far fewer."""
WORDS_MAX: Final = 512
"""Characters of an amount in words, or of what is said of a state."""


class PaperError(SwitchError, ValueError):
    """It is no paper of the switch; the text says where. Nothing was printed."""


class Kind(Enum):
    """Which paper it is."""

    RECEIPT = "receipt"
    REFUND = "refund receipt"
    ACKNOWLEDGEMENT = "acknowledgement"


@dataclass(frozen=True, slots=True)
class Said:
    """A text in English and in Bengali; either may be empty."""

    en: str
    bn: str

    def chosen(self, *, bengali: bool) -> str:
        """The Bengali one if it is asked for and there."""
        return self.bn if bengali and self.bn else self.en


@dataclass(frozen=True, slots=True)
class Item:
    """So many of one item of a tariff; paise."""

    code: str
    name: Said
    count: int
    fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one paper says. All text is harmless; amounts are paise."""

    kind: Kind
    number: str
    code: str
    """By which it is checked, or empty: an acknowledgement has none."""
    is_reprint: bool
    centre: Said
    centre_code: str
    service: str
    service_name: Said
    department: Said
    biller: str
    biller_name: Said
    head: str
    reference: str
    bill: str
    period: str
    due_date: str
    amount_due: int
    items: tuple[Item, ...]
    note: str
    amount: int
    in_words: Said
    tender: Tender
    operator: int
    payment_id: str
    entry: int
    accepted: str
    accepted_ns: int
    paid: int
    """What the biller was paid, 0 while it was not."""
    refunded: int
    """What was given back of it so far, if that is known."""
    # Of a receipt.
    biller_reference: str = ""
    confirmed: str = ""
    """When, if that was not when it was accepted."""
    fee: int = 0
    total: int = 0
    # Of a refund.
    of_receipt: str = ""
    """Of an acknowledgement its receipt, if it has one by now."""
    returned: str = ""
    # Of an acknowledgement.
    standing: str = ""
    state: Said = Said("", "")
    what_now: Said = Said("", "")
    as_of: str = ""
    decided_by: str = ""


class _Reader:
    """Takes the fields of one JSON object, each once looked at."""

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, dict):
            raise PaperError(f"{path or 'the paper'} is no JSON object")
        self._value: Mapping[str, Any] = value
        self._path = f"{path}." if path else ""

    def has(self, name: str) -> bool:
        return name in self._value

    def _taken(self, name: str) -> object:
        try:
            return self._value[name]
        except KeyError:
            raise PaperError(f"{self._path}{name} is not there") from None

    def text(self, name: str, most: int = TEXT_MAX) -> str:
        value = self._taken(name)
        if not isinstance(value, str) or len(value) > most:
            raise PaperError(f"{self._path}{name} must be at most {most} characters")
        return harmless(value)

    def whole(self, name: str, most: int = 2**64 - 1) -> int:
        value = self._taken(name)
        # True is an int, too.
        if type(value) is not int or not 0 <= value <= most:
            raise PaperError(f"{self._path}{name} must be 0 to {most}")
        return value

    def flag(self, name: str) -> bool:
        """False if it is not there."""
        value = self._value.get(name, False)
        if not isinstance(value, bool):
            raise PaperError(f"{self._path}{name} must be true or false")
        return value

    def said(self, name: str, most: int = TEXT_MAX) -> Said:
        both = _Reader(self._taken(name), self._path + name)
        return Said(both.text("en", most), both.text("bn", most))

    def items(self, name: str) -> tuple[Item, ...]:
        value = self._taken(name)
        if not isinstance(value, list) or len(value) > PAYMENT_ITEMS_MAX:
            raise PaperError(f"{self._path}{name} must be at most {PAYMENT_ITEMS_MAX}")
        found = [
            _Reader(one, f"{self._path}{name}[{at}]") for at, one in enumerate(value)
        ]
        return tuple(
            Item(
                one.text("code"),
                one.said("name"),
                one.whole("count", AMOUNT_MAX),
                one.whole("fee_paise", AMOUNT_MAX),
            )
            for one in found
        )


def read_paper(text: str, *, code: str = "", refunded: int = 0) -> Facts:
    """Read the JSON of GetReceipt or GetAcknowledgement.

    `code` is that of GetReceipt, and `refunded` the paise that it says were given back
    since. Raises PaperError.
    """
    if len(text) > JSON_MAX:
        raise PaperError(f"a paper has at most {JSON_MAX} characters")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise PaperError("the paper is no JSON") from None
    if code and not is_code(code):
        raise PaperError("the code must be 12 hexadecimal digits")
    if not 0 <= refunded <= AMOUNT_MAX:
        raise PaperError(f"refunded must be 0 to {AMOUNT_MAX}")
    read = _Reader(value)
    if read.has("acknowledgement"):
        own = _of_acknowledgement(read)
    elif read.has("refund_receipt"):
        own = _of_refund(read) | {"code": code}
    else:
        own = _of_receipt(read, refunded) | {"code": code}
    if not is_number(own["number"]):
        raise PaperError(
            f"the number of a paper has 1 to {NUMBER_MAX} plain characters"
        )
    return Facts(**_of_all(read) | own)


def _of_all(read: _Reader) -> dict[str, Any]:
    """What every paper has."""
    try:
        tender = Tender[read.text("tender").upper()]
    except KeyError:
        raise PaperError("tender must be that of a payment") from None
    return {
        "code": "",
        "is_reprint": read.flag("reprint"),
        "centre": read.said("centre_name"),
        "centre_code": read.text("centre_code"),
        "service": read.text("service"),
        "service_name": read.said("service_name"),
        "department": read.said("department"),
        "biller": read.text("biller"),
        "biller_name": read.said("biller_name"),
        "head": read.text("head"),
        "reference": read.text("reference"),
        "bill": read.text("bill"),
        "period": read.text("period"),
        "due_date": read.text("due_date"),
        "amount_due": read.whole("amount_due_paise", AMOUNT_MAX),
        "items": read.items("items"),
        "note": read.text("note"),
        "amount": read.whole("amount_paise", AMOUNT_MAX),
        "in_words": read.said("amount_in_words", WORDS_MAX),
        "tender": tender,
        "operator": read.whole("operator"),
        "payment_id": read.text("payment_id"),
        "entry": read.whole("entry"),
        "accepted": read.text("accepted_time"),
        "accepted_ns": read.whole("accepted_time_ns"),
    }


def _of_receipt(read: _Reader, refunded: int) -> dict[str, Any]:
    completed_ns = read.whole("completed_time_ns")
    is_later = completed_ns != read.whole("accepted_time_ns")
    if read.flag("reprint"):
        refunded = max(refunded, read.whole("refunded_paise", AMOUNT_MAX))
    return {
        "kind": Kind.RECEIPT,
        "number": read.text("receipt"),
        "biller_reference": read.text("biller_reference"),
        "confirmed": read.text("completed_time") if is_later else "",
        "fee": read.whole("fee_paise", AMOUNT_MAX),
        "total": read.whole("total_paise", AMOUNT_MAX),
        "paid": read.whole("amount_paise", AMOUNT_MAX),
        "refunded": refunded,
    }


def _of_refund(read: _Reader) -> dict[str, Any]:
    return {
        "kind": Kind.REFUND,
        "number": read.text("refund_receipt"),
        "of_receipt": read.text("receipt"),
        "returned": read.text("refunded_time"),
        "paid": read.whole("paid_paise", AMOUNT_MAX),
        "refunded": read.whole("refunded_paise", AMOUNT_MAX),
    }


def _of_acknowledgement(read: _Reader) -> dict[str, Any]:
    return {
        "kind": Kind.ACKNOWLEDGEMENT,
        "number": read.text("acknowledgement"),
        "of_receipt": read.text("receipt"),
        "standing": read.text("standing"),
        "state": read.said("state_words", WORDS_MAX),
        "what_now": read.said("next_words", WORDS_MAX),
        "as_of": read.text("as_of_time"),
        "decided_by": read.text("decided_by"),
        "paid": read.whole("paid_paise", AMOUNT_MAX),
        "refunded": read.whole("refunded_paise", AMOUNT_MAX),
    }
