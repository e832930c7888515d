"""Service records: what each must be, what an update leaves, whose series it joins.

A record of a refused row is held to the same shape: what has another leaves no row.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from switch.audit.layout import (
    PUT_RULES,
    SERVICE_RECORD,
    SERVICES_MAX,
    TARIFF_ITEM,
    TARIFF_ITEMS_MAX,
    U64,
    Mask,
    Rows,
)
from switch.audit.spelling import AS_THEY_ARE, LOWER, VERHOEFF, parse
from switch.codes import (
    AMOUNT_MAX,
    AmountRule,
    DuplicateRule,
    KeyRule,
    Mode,
    Policy,
    PriceRule,
    Record,
)

CODE: Final = re.compile(rb"[A-Z0-9-]{1,16}")
HEADS_MAX: Final = 8
HOURS_MAX: Final = 8_784
DEADLINE_MAX_S: Final = 31 * 86_400
IGNORED_MAX: Final = 0x1F
CODE_SIZE: Final = 8
"""Bytes of the code of an item."""
ITEM_CHARACTERS: Final = np.zeros(256, dtype=np.bool_)
ITEM_CHARACTERS[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")] = True
OPEN_LEAST: Final = 100
"""Paise that an open amount has at least."""
ZERO: Final = ("reserved_0", "reserved_1", "reserved_2", "reserved_3")
"""Fields of a service's record that say nothing yet."""
FORM: Final = (
    *("price_rule", "key_rule", "letters", "ignored", "check_digit", "pattern"),
)
"""What makes the one form of a reference. Services of one series have the same."""
FIXED: Final = ("biller", "duplicate_rule", "series", *FORM)
"""What makes bills of a service. No update changes it, as claims are for ever."""


def in_parts(record: np.void) -> bool:
    """Whether a record is of a direct service whose bills are paid in parts."""
    rules = record["mode"], record["price_rule"], record["amount_rule"]
    return rules == (Mode.DIRECT, PriceRule.BILL, AmountRule.EXACT_AND_BELOW)


def changes(
    before: np.void,
    record: np.void,
    *,
    more: tuple[str, ...],
    heads: bool,
    parts: bool,
) -> Iterator[str]:
    """What a record changes of the service that was there before, if there was one, and
    may not; or makes a service that may not be. `more` fields are fixed, too; `heads`
    and `parts`: whether its rules ask for these.
    """
    if before["record"] == Record.SERVICE:
        for name in FIXED + more:
            if record[name] != before[name]:
                yield f"it changes {name}, and claims are made by it"
    if heads and moved_heads(before, record):
        yield "a head of it has another account than before, or is gone"
    if parts and in_parts(record) and not in_parts(before):
        yield "it is direct, and nobody releases what is left of its bills"


def moved_heads(before: np.void, record: np.void) -> bool:
    """Whether a place of a service's heads does not keep the account that it had
    before; a service that is new has none.
    """
    heads = before["heads"][: int(before["heads_count"])].tolist()
    said = record["heads"][: int(record["heads_count"])].tolist()
    return bool(said[: len(heads)] != heads)


def know_renewals(version: int) -> bool:
    """Whether by these rules what was fetched does not outlive a file of bills."""
    return not 0 < version < PUT_RULES


class Files:
    """What files of bills that were put in do to their services."""

    def __init__(self) -> None:
        """None yet."""
        self.renewed: U64 = np.zeros(SERVICES_MAX + 1, dtype=np.uint64)
        """When one did more than add; 0: never."""
        self.some: set[int] = set()
        """The services that have any."""

    def fixed(self, service: int, version: int) -> tuple[str, ...]:
        """Fields that no update of a service changes any more."""
        stays = service in self.some and know_renewals(version)
        return ("amount_rule",) if stays else ()


@dataclass(frozen=True)
class Price:
    """What a price rule asks of the rest of a service's record."""

    amount_rules: frozenset[int]
    keys: dict[int, frozenset[int]]
    """By duplicate rule, those that it may have: the key rules."""
    items: range = range(1)
    once_hours: int = 0
    """Hours that a `once` service may have at most."""

    def judged(self, field: dict[str, int]) -> dict[str, bool]:
        """Which of the fields that it speaks of are right."""
        rule, hours = field["duplicate_rule"], field["duplicate_hours"]
        within = rule == DuplicateRule.WITHIN
        most = HOURS_MAX if within else self.once_hours
        if rule == DuplicateRule.NONE:
            most = 0
        right = {
            "amount_rule": field["amount_rule"] in self.amount_rules,
            "duplicate_rule": rule in self.keys,
            "key_rule": field["key_rule"] in self.keys.get(rule, (field["key_rule"],)),
            "duplicate_hours": within <= hours <= most,
            "items_count": field["items_count"] in self.items,
            "amount_step": field["amount_step"] == 0,
        }
        if self is OPEN:
            right["amount_step"] = field["amount_step"] <= AMOUNT_MAX
            right["amount_min"] = (
                OPEN_LEAST <= field["amount_min"] <= field["amount_max"]
            )
            right["amount_max"] = 0 < field["amount_max"] <= AMOUNT_MAX
        if self is TARIFF:
            right["amount_min"] = field["amount_min"] == 0
            right["amount_max"] = field["amount_max"] == 0
        return right


NO_KEY: Final = frozenset((0,))
BILL_KEYS: Final = frozenset((int(KeyRule.BILL_ID), int(KeyRule.REFERENCE_PERIOD)))
REFERENCE_KEY: Final = frozenset((int(KeyRule.REFERENCE),))
OF_DUES: Final = (
    *(AmountRule.EXACT, AmountRule.EXACT_AND_ABOVE),
    AmountRule.EXACT_AND_BELOW,
)
"""Amount rules that speak of an amount due."""
NONE, ONCE, WITHIN = DuplicateRule.NONE, DuplicateRule.ONCE, DuplicateRule.WITHIN
STATED: Final = Price(
    frozenset(map(int, AmountRule)), {NONE: NO_KEY, ONCE: BILL_KEYS, WITHIN: NO_KEY}
)
TARIFF: Final = Price(
    frozenset((int(AmountRule.EXACT),)),
    {ONCE: REFERENCE_KEY, WITHIN: NO_KEY},
    items=range(1, TARIFF_ITEMS_MAX + 1),
)
BILL: Final = Price(
    frozenset(map(int, OF_DUES)),
    {ONCE: BILL_KEYS, WITHIN: NO_KEY},
    once_hours=HOURS_MAX,
)
OPEN: Final = Price(
    frozenset((int(AmountRule.MIN_MAX),)),
    {NONE: NO_KEY, ONCE: REFERENCE_KEY, WITHIN: NO_KEY},
)
PRICES: Final[dict[int, Price]] = {
    PriceRule.STATED: STATED,
    PriceRule.TARIFF: TARIFF,
    PriceRule.BILL: BILL,
    PriceRule.OPEN: OPEN,
}


NUMBERS: Final = tuple(
    name for name in SERVICE_RECORD.names or () if SERVICE_RECORD[name].kind == "u"
)


def read_service(tail: bytes) -> np.void | None:
    """The service's record that a tail item begins with, if it does."""
    if len(tail) < SERVICE_RECORD.itemsize or tail[0] != Record.SERVICE:
        return None
    record: np.void = np.frombuffer(tail, dtype=SERVICE_RECORD, count=1)[0]
    return record


def read_tariff(record: np.void, tail: bytes) -> Rows | None:
    """The items behind a service's record; None if they are not all there."""
    count = int(record["items_count"])
    end = SERVICE_RECORD.itemsize + count * TARIFF_ITEM.itemsize
    if len(tail) < end:
        return None
    return np.frombuffer(tail, TARIFF_ITEM, count, SERVICE_RECORD.itemsize)


def broken_tariff(record: np.void, tail: bytes) -> bool:
    """Whether the items of a tariff are not what they must be."""
    items = read_tariff(record, tail)
    if items is None:
        return True
    order = [(item["code"].tobytes(), int(item["valid_from"])) for item in items]
    return not (
        bool(well_formed(items["code"]).all())
        and bool(((items["fee"] >= 1) & (items["fee"] <= AMOUNT_MAX)).all())
        and not items["reserved"].any()
        and all(one < two for one, two in itertools.pairwise(order))
    )


def well_formed(codes: U64) -> Mask:
    """Which codes of items are ones: `[A-Z0-9-]{1,8}`, zeros behind it."""
    text = np.ascontiguousarray(codes).view(np.uint8).reshape(*codes.shape, CODE_SIZE)
    some = text != 0
    good = (ITEM_CHARACTERS[text] | ~some).all(axis=-1) & some[..., 0]
    good &= ~(some[..., 1:] & ~some[..., :-1]).any(axis=-1)
    return np.asarray(good, dtype=np.bool_)


def broken_rules(record: np.void) -> list[str]:
    """The fields of a record that are not what they must be."""
    field = {name: int(record[name]) for name in NUMBERS}
    confirmed = int(field["mode"] == Mode.CONFIRMED)
    most = field["amount_max"]
    right = {
        "code": CODE.fullmatch(bytes(record["code"])) is not None,
        "mode": field["mode"] in set(Mode),
        "deadline_policy": confirmed <= field["deadline_policy"] <= Policy.KEEP,
        "active": field["active"] <= 1,
        "heads_count": 1 <= field["heads_count"] <= HEADS_MAX,
        "amount_min": field["amount_min"] <= (most or AMOUNT_MAX),
        "amount_max": most <= AMOUNT_MAX,
        "deadline_s": confirmed <= field["deadline_s"] <= DEADLINE_MAX_S,
        "letters": AS_THEY_ARE <= field["letters"] <= LOWER,
        "ignored": field["ignored"] <= IGNORED_MAX,
        "check_digit": field["check_digit"] <= VERHOEFF,
        "pattern": parse(bytes(record["pattern"]), field["letters"]) is not None,
    }
    price = PRICES.get(field["price_rule"])
    if price is None:
        right["price_rule"] = False
    else:
        right |= price.judged(field)
    for name in ZERO:
        right[name] = not any(record[name].tobytes())
    return [name for name, fits in right.items() if not fits]


def joins_series(record: np.void, services: Rows, own: int) -> bool:
    """Whether its series is its own, or another service's of the same biller.

    `services` are the records so far, zeros where there is none; `own` is its index.
    """
    series = int(record["series"])
    if not series:
        return True
    other = services[series]
    known = other["record"] == Record.SERVICE and series != own
    return bool(known and other["biller"] == record["biller"] and not other["series"])


def other_form(record: np.void, services: Rows) -> list[str]:
    """The fields that make another form of references than those of its series have."""
    other = services[int(record["series"])]
    if not record["series"] or other["record"] != Record.SERVICE:
        return []
    return [name for name in FORM if record[name] != other[name]]
