"""What a biller's list of a day may lack, and what two people let through.

May use the core and the billers' parts. Blocks where it reads the ledger.
"""

from hashlib import sha256
from typing import Final, NamedTuple

import numpy as np

from switch._core import Ledger, Rows
from switch.billing.lines import Numbers
from switch.billing.not_listed import amounts_of, exact_sum, money_at_stake
from switch.calendar import day_date
from switch.specs import DAY_LIST

LACKS_MAX = 100
"""Payments that a list may lack whatever it lists; more if it lists more."""
LACKS_AMOUNT_MAX = 100_000_000
"""Paise that it may lack: 10 lakh rupees."""

_NAME: Final = b"payswitch day list"
_LINE: Final = np.dtype([("number", "<u8"), ("id", "V16"), ("amount", "<u8")])


class Lacks(NamedTuple):
    """What a list lacks that lacks too much."""

    day: int
    hash: bytes
    payments: int
    amount: int
    numbers: Numbers

    @property
    def let_through(self) -> str:
        """What a biller's record says if two people let just this through."""
        named = f"{day_date(self.day).isoformat()} {self.hash.hex()}"
        return f"{named} {self.payments} {self.amount}"

    def is_let_through(self, said: str) -> bool:
        """Whether people let this list through, and it lacks no more than they saw."""
        if not DAY_LIST.fullmatch(said):
            return False
        *named, count, amount = said.split()
        return (
            named == self.let_through.split()[:2]
            and self.payments <= int(count)
            and self.amount <= int(amount)
        )


def lacks_of(
    lines: Rows, listed: int, day: int, heads: Rows, ledger: Ledger
) -> Lacks | None:
    """What a list of `lines`, by number, lacks of a day, if that is too much. So many
    of them name a payment: what names none says nothing of the day. Not in it are
    `heads`, payments that nobody can credit any more.

    Raises CorruptionError.
    """
    most = max(LACKS_MAX, listed)
    if len(heads) <= most and exact_sum(amounts_of(heads, ledger)) <= LACKS_AMOUNT_MAX:
        return None
    stake = money_at_stake(heads, ledger)
    if stake.payments <= most and stake.amount <= LACKS_AMOUNT_MAX:
        return None
    return Lacks(day, list_hash(lines, day), *stake)


def list_hash(lines: Rows, day: int) -> bytes:
    """The hash by which people name a list; `lines` are by number."""
    packed = np.zeros(len(lines), _LINE)
    packed["number"], packed["amount"] = lines["number"], lines["amount"]
    packed["id"] = np.ascontiguousarray(lines["id"]).view("V16").reshape(len(lines))
    return sha256(_NAME + day.to_bytes(4, "little") + packed.tobytes()).digest()
