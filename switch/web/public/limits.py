"""How often one address, and all together, may ask: in bounded memory.

May use nothing of the product. A code of 48 bits cannot be tried at any of these rates;
what they keep away is work.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple


class Rate(NamedTuple):
    """So many a second in the long run, and so many at once."""

    per_s: float
    at_once: int


CHECKS_OF_ONE: Final = Rate(0.5, 30)
"""Receipts that one address may check: many citizens of a carrier share one."""
CHECKS_OF_ALL: Final = Rate(20.0, 100)
"""The half of what the switch takes of this identity."""
PAGES_OF_ONE: Final = Rate(5.0, 100)
"""Pages that one address may read."""
PAGES_OF_ALL: Final = Rate(500.0, 1_000)
ADDRESSES_MAX: Final = 65_536
"""Addresses that are remembered, some 10 MiB; those that asked last stay."""
IPV6_PREFIX: Final = 64
"""Bits of an address of version 6 that are one customer's."""


class Bucket:
    """What is left of a rate."""

    __slots__ = ("_left", "_rate", "_then_s")

    def __init__(self, rate: Rate, now_s: float) -> None:
        """It begins full."""
        self._rate, self._left, self._then_s = rate, float(rate.at_once), now_s

    def fill(self, now_s: float) -> None:
        """Add what has come since it was last asked."""
        since_s = max(now_s - self._then_s, 0.0)
        self._then_s = now_s
        self._left = min(self._left + since_s * self._rate.per_s, self._rate.at_once)

    @property
    def has_one(self) -> bool:
        """Whether one may be taken."""
        return self._left >= 1.0

    def take(self) -> None:
        """Take one."""
        self._left -= 1.0


class Limit:
    """The rate of each address, and that of all."""

    def __init__(
        self,
        of_one: Rate,
        of_all: Rate,
        *,
        addresses_max: int = ADDRESSES_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nobody has asked yet. `clock` tells seconds."""
        self._of_one, self._addresses_max, self._clock = of_one, addresses_max, clock
        self._all = Bucket(of_all, clock())
        self._known: OrderedDict[str, Bucket] = OrderedDict()

    def allows(self, address: str) -> bool:
        """Whether this address may ask once more, which is then counted.

        Who may not takes nothing from the others.
        """
        now_s = self._clock()
        own = self._known.get(address)
        if own is None:
            own = self._known[address] = Bucket(self._of_one, now_s)
            if len(self._known) > self._addresses_max:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(address)
            own.fill(now_s)
        self._all.fill(now_s)
        if not (own.has_one and self._all.has_one):
            return False
        own.take()
        self._all.take()
        return True

    def __len__(self) -> int:
        """Addresses that are remembered."""
        return len(self._known)


def address_of(text: str) -> IPv4Address | IPv6Address:
    """One address, spelt in any way. Raises ValueError for none."""
    address: IPv4Address | IPv6Address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def customer_of(text: str) -> str:
    """What of an address counts as one who asks. Raises ValueError for no address."""
    address = address_of(text)
    if isinstance(address, IPv6Address):
        kept = int(address) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX)
        return f"{IPv6Address(kept)}/{IPV6_PREFIX}"
    return str(address)
