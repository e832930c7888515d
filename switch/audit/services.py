"""Service records: what each must be, what an update leaves, whose series it joins.

A record of a refused row is held to the same shape: what has another leaves no row.
"""

import re
from typing import Final

import numpy as np

from switch.audit.layout import SERVICE_RECORD, Rows
from switch.audit.spelling import AS_THEY_ARE, LOWER, VERHOEFF, parse
from switch.codes import (
    AMOUNT_MAX,
    AmountRule,
    DuplicateRule,
    KeyRule,
    Mode,
    Policy,
    Record,
)

CODE: Final = re.compile(rb"[A-Z0-9-]{1,16}")
HEADS_MAX: Final = 8
HOURS_MAX: Final = 8_784
DEADLINE_MAX_S: Final = 31 * 86_400
IGNORED_MAX: Final = 0x1F
ZERO: Final = (
    *("reserved_0", "reserved_1", "reserved_2", "reserved_3"),
    *("price_rule", "items_count", "amount_step"),
)
"""Fields of a service's record that say nothing yet."""
FORM: Final = ("key_rule", "letters", "ignored", "check_digit", "pattern")
"""What makes the one form of a reference. Services of one series have the same."""
FIXED: Final = ("biller", "duplicate_rule", "price_rule", "series", *FORM)
"""What makes bills of a service. No update changes it, as claims are for ever."""


NUMBERS: Final = tuple(
    name for name in SERVICE_RECORD.names or () if SERVICE_RECORD[name].kind == "u"
)


def read_service(tail: bytes) -> np.void | None:
    """The service's record that a tail item begins with, if it does."""
    if len(tail) < SERVICE_RECORD.itemsize or tail[0] != Record.SERVICE:
        return None
    record: np.void = np.frombuffer(tail, dtype=SERVICE_RECORD, count=1)[0]
    return record


def broken_rules(record: np.void) -> list[str]:
    """The fields of a record that are not what they must be."""
    field = {name: int(record[name]) for name in NUMBERS}
    once = field["duplicate_rule"] == DuplicateRule.ONCE
    within = field["duplicate_rule"] == DuplicateRule.WITHIN
    confirmed = int(field["mode"] == Mode.CONFIRMED)
    most = field["amount_max"]
    right = {
        "code": CODE.fullmatch(bytes(record["code"])) is not None,
        "amount_rule": field["amount_rule"] in set(AmountRule),
        "mode": field["mode"] in set(Mode),
        "duplicate_rule": field["duplicate_rule"] in set(DuplicateRule),
        "key_rule": field["key_rule"] in (set(KeyRule) if once else {0}),
        "deadline_policy": confirmed <= field["deadline_policy"] <= Policy.KEEP,
        "active": field["active"] <= 1,
        "heads_count": 1 <= field["heads_count"] <= HEADS_MAX,
        "amount_min": field["amount_min"] <= (most or AMOUNT_MAX),
        "amount_max": most <= AMOUNT_MAX,
        "duplicate_hours": within
        <= field["duplicate_hours"]
        <= (HOURS_MAX if within else 0),
        "deadline_s": confirmed <= field["deadline_s"] <= DEADLINE_MAX_S,
        "letters": AS_THEY_ARE <= field["letters"] <= LOWER,
        "ignored": field["ignored"] <= IGNORED_MAX,
        "check_digit": field["check_digit"] <= VERHOEFF,
        "pattern": parse(bytes(record["pattern"]), field["letters"]) is not None,
    }
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
