"""Tariffs: what the items of a service cost, from which day on.

One of the words: may use `calendar` and `codes`. It is for those who say what is paid
for: the register's specs, the counter, the sample. The ledger adds up fees by itself
("Prices" in docs/data-model.md).
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from switch.calendar import day_date, parse_date
from switch.codes import AMOUNT_MAX

ITEMS_MAX = 64
"""Lines of one service's tariff."""
PAYMENT_ITEMS_MAX = 4
"""Items of one payment."""
ITEM_COUNT_MAX = 9_999
"""Of one item in one payment."""

_EPOCH = dt.date(1970, 1, 1)
DAY_LAST = (dt.date.max - _EPOCH).days
"""The last day that has a date."""
_CODE = re.compile(r"[A-Z0-9-]{1,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """What one item costs from a day on, until another line of the same item."""

    code: str
    """`[A-Z0-9-]{1,8}`."""
    amount: int
    """Paise of one."""
    valid_from: str
    """IST date, `YYYY-MM-DD`."""
    name_en: str = ""
    name_bn: str = ""

    @property
    def day(self) -> int:
        """`valid_from` as an IST day, since 1970-01-01. Raises ValueError."""
        return (parse_date(self.valid_from) - _EPOCH).days


def day_text(day: int) -> str:
    """An IST day as `valid_from` has it."""
    return day_date(day).isoformat()


def in_order(tariff: Iterable[Fee]) -> tuple[Fee, ...]:
    """The lines by code and day, as the register keeps them."""
    return tuple(sorted(tariff, key=lambda fee: (fee.code, fee.valid_from)))


def fees_on(tariff: Iterable[Fee], day: int) -> dict[str, Fee]:
    """Code → the line that is valid on an IST day; what is not yet is left out."""
    return {fee.code: fee for fee in in_order(tariff) if fee.day <= day}


def sum_of(tariff: Iterable[Fee], items: Mapping[str, int], day: int) -> int:
    """Paise of so many of each item on an IST day.

    Raises LookupError for an item that has no fee on it.
    """
    fees = fees_on(tariff, day)
    return sum(fees[code].amount * count for code, count in items.items())


def fee_problems(tariff: Sequence[Fee]) -> Iterator[tuple[int, str, str]]:
    """(line, field, text) of what keeps lines of a tariff from being."""
    seen = set()
    for at, fee in enumerate(tariff):
        if not _CODE.fullmatch(fee.code):
            yield at, "code", "must be 1 to 8 of A-Z, 0-9 and -"
        if not 1 <= fee.amount <= AMOUNT_MAX:
            yield at, "amount", "must be 1 to 10^18 paise"
        try:
            is_day = fee.day >= 0 and len(fee.valid_from) == len("1970-01-01")
        except ValueError:
            is_day = False
        if not is_day:
            yield at, "valid_from", "must be a date such as 2026-04-01, from 1970 on"
        if (fee.code, fee.valid_from) in seen:
            yield at, "valid_from", f"is there twice for {fee.code}"
        seen.add((fee.code, fee.valid_from))
