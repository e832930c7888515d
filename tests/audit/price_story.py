"""Services with price rules and payments of them, for stories that go on.

A payment's part is packed here as docs/data-model.md says; whatever it is given it
writes. Services have the numbers from 6 on, behind those of the story.
"""

import struct

from switch.codes import AmountRule, KeyRule, Kind, PriceRule, Result
from tests.audit.journal_story import (
    MINUTE,
    ONCE,
    PARTIAL,
    RECENT,
    STATED,
    Story,
    Y,
)
from tests.audit.journal_writer import Row, ist_day

EXACT, ABOVE, BELOW = (
    *(AmountRule.EXACT, AmountRule.EXACT_AND_ABOVE),
    AmountRule.EXACT_AND_BELOW,
)
DUE = 3_000
"""Paise that a bill comes to, if nothing else is said."""
CASTE, COPY = 3_000, 500
"""Paise of the items of the tariff."""
Item = tuple[bytes, int]


def bill_service(s: Story, index: int = 6, rule: int = 2, **f: object) -> None:
    """Bills with quotations; `once` by their ids, and 72 hours for others. A direct
    service, but of bills in parts.
    """
    fields: dict[str, object] = {"price_rule": int(PriceRule.BILL), "hours": 72}
    fields |= {"amount_rule": EXACT, **f}
    if rule == 2:
        fields.setdefault("key", KeyRule.BILL_ID)
    mode = int(str(fields.pop("mode", 2 if fields["amount_rule"] == BELOW else 1)))
    s.service(index, mode, rule, 5, [Y], **fields)


def fee(code: bytes, paise: int, valid_from: int = 0) -> bytes:
    """An item of a tariff."""
    return struct.pack("<8sQII", code, paise, valid_from, 0)


def tariff(s: Story, index: int = 6, rule: int = 2, **f: object) -> None:
    """Certificates and copies; `once` by the reference of the application."""
    today = ist_day(s.now)
    items = fee(b"CASTE", CASTE) + fee(b"COPY", COPY) + fee(b"COPY", 700, today + 1)
    fields: dict[str, object] = {"price_rule": int(PriceRule.TARIFF), "items": items}
    fields |= f
    if rule == 2:
        fields.setdefault("key", KeyRule.REFERENCE)
    fields = {"amount_min": 0, "amount_max": 0, "amount_rule": EXACT, **fields}
    s.service(index, 1, rule, 5, [Y], **fields)


def open_service(s: Story, index: int = 6, rule: int = 3, **f: object) -> None:
    """Deposits, from ₹1 on; the same reference again within 24 hours asks."""
    fields: dict[str, object] = {"price_rule": int(PriceRule.OPEN)}
    fields |= {"amount_rule": AmountRule.MIN_MAX, **f}
    if rule == 2:
        fields.setdefault("key", KeyRule.REFERENCE)
    s.service(index, 1, rule, 5, [Y], **fields)


def bill_part(
    citizen: str,
    due: int,
    fetched: int,
    period: int = 0,
    due_day: int = 0,
    amount_rule: int = EXACT,
    form: int = 1,
) -> bytes:
    """What a bill's payment has first in its tail."""
    numbers = due, fetched, period, due_day, amount_rule, form
    return struct.pack("<32sQQIHBB", citizen.encode(), *numbers)


def tariff_part(items: list[Item], count: int | None = None, form: int = 2) -> bytes:
    """What a payment by tariff has first in its tail."""
    lines = b"".join(struct.pack("<8sI", *item) for item in items)
    count = len(items) if count is None else count
    return lines.ljust(48, b"\0") + struct.pack("<6xBB", count, form)


def quoted(
    s: Story, wallet: int, service: int, amount: int, bill: str, **f: object
) -> Row:
    """A payment with a quotation that was fetched a minute ago."""
    told = s.services[service]
    said = {"due": DUE, "fetched": s.now - MINUTE, "amount_rule": EXACT}
    names = *said, "period", "due_day", "form"
    said |= {name: int(str(f.pop(name))) for name in names if name in f}
    note, citizen = f.pop("note", b""), str(f.pop("citizen", "CIT-1"))
    assert isinstance(note, bytes)
    row = s.pay(wallet, service, amount, bill, **f)
    row.tail = bill_part(citizen, **said) + note
    if row.result == Result.OK:
        row.flags |= RECENT
        if told.rule == 2 and row.kind == Kind.HOLD and said["amount_rule"] == BELOW:
            row.flags |= PARTIAL
    return row


def held(
    s: Story, wallet: int, service: int, amount: int, bill: str, **f: object
) -> Row:
    """A hold with a quotation."""
    f.setdefault("deadline", 3_600)
    return quoted(s, wallet, service, amount, bill, kind=Kind.HOLD, **f)


def stated(
    s: Story, wallet: int, service: int, amount: int, reference: str, **f: object
) -> Row:
    """A payment whose sender states what is due."""
    told = s.services[service]
    said = {"due": amount, "amount_rule": told.amount_rule}
    names = *said, "period", "due_day", "form"
    said |= {name: int(str(f.pop(name))) for name in names if name in f}
    citizen = str(f.pop("citizen", reference))
    row = s.pay(wallet, service, amount, reference, **f)
    row.tail, row.flags = bill_part(citizen, fetched=0, **said), row.flags | STATED
    if row.flags & ONCE and row.kind == Kind.HOLD and said["amount_rule"] == BELOW:
        row.flags |= PARTIAL
    return row


def bought(
    s: Story, wallet: int, amount: int, reference: str, *items: Item, **f: object
) -> Row:
    """A payment by the tariff of service 6."""
    note, count = f.pop("note", b""), f.pop("count", None)
    assert isinstance(note, bytes)
    assert count is None or isinstance(count, int)
    form = int(str(f.pop("form", 2)))
    row = s.pay(wallet, 6, amount, reference, **f)
    row.tail = tariff_part([*items], count, form) + note
    return row
