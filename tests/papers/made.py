"""Papers as the switch gives them, for the tests of their forms."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from switch.counter.acknowledgements import acknowledgement_json
from switch.counter.papers import Item
from switch.counter.receipts import Reprint, receipt_json
from switch.counter.refund_receipts import RefundReceipt, refund_json
from switch.papers import Facts, Press, find_fonts, read_paper
from switch.papers.escpos import END, START
from switch.payment_states import Standing
from tests.counter import test_acknowledgements, test_receipts

BASE = "https://check.example"
CODE = "0123456789ab"
ITEMS = (
    Item(code="COPY", name_en="Copy", name_bn="প্রতিলিপি", count=3, fee=1_000),
    Item(code="URGENT", name_en="", name_bn="", count=1, fee=2_500),
)


@cache
def press() -> Press:
    """One for all tests."""
    return Press(find_fonts())


def receipt(reprint: Reprint | None = None, **changes: Any) -> dict[str, Any]:
    """The JSON of a receipt, as an object."""
    made = test_receipts.make(**changes)
    value: dict[str, Any] = json.loads(receipt_json(made, reprint=reprint))
    return value


def refund(*, is_reprint: bool = False, **changes: Any) -> dict[str, Any]:
    """The same of the second refund of a payment."""
    paid = test_receipts.make()
    values = {
        name: getattr(paid, name)
        for name in RefundReceipt.__dataclass_fields__
        if hasattr(paid, name)
    } | {
        "receipt": paid.full_number,
        "which": 2,
        "paid": paid.amount,
        "amount": 50_000,
        "refunded": 60_000,
        "refunded_ns": paid.accepted_ns + 86_400 * 10**9,
    }
    made = RefundReceipt(**values | changes)
    value: dict[str, Any] = json.loads(refund_json(made, is_reprint=is_reprint))
    return value


def acknowledgement(
    standing: Standing = Standing.KEPT, **changes: Any
) -> dict[str, Any]:
    """The same of an acknowledgement."""
    made = test_acknowledgements.make(standing, **changes)
    value: dict[str, Any] = json.loads(acknowledgement_json(made))
    return value


def facts(value: dict[str, Any], refunded: int = 0) -> Facts:
    """What a paper says, with a code where it has one."""
    code = "" if "acknowledgement" in value else CODE
    return read_paper(json.dumps(value), code=code, refunded=refunded)


def pictures(sent: bytes) -> Iterator[tuple[int, bytes]]:
    """Height and rows of each picture among the bytes for a printer.

    Fails if there is anything but pictures behind the text.
    """
    at = sent.index(b"\x1dv0\x00")
    while at < len(sent) - len(END):
        assert sent[at : at + 4] == b"\x1dv0\x00"
        width = int.from_bytes(sent[at + 4 : at + 6], "little")
        height = int.from_bytes(sent[at + 6 : at + 8], "little")
        assert width == 48
        yield height, sent[at + 8 : at + 8 + width * height]
        at += 8 + width * height
    assert sent[at:] == END


def text_of(sent: bytes) -> list[str]:
    """The lines of text for a printer, before the first picture."""
    assert sent.startswith(START)
    text = sent[len(START) :].partition(b"\x1dv0\x00")[0]
    return text.removesuffix(END).decode("ascii").split("\n")[:-1]
