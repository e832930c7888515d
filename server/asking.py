"""Who asks, and who pays for it: the owner of the call that runs now.

Kept in the context of the call's task; outside of any it is the switch itself, which
pays nothing.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, NamedTuple

from server.shares import STRANGERS, SWITCH
from switch.register.identity import Identity

Charge = Callable[[int], None]
"""Takes so many reads, beside what the call is priced at. For any thread of Python, and
when its call is over as well: who goes away has paid."""


READ_BYTES: Final = 4_096
"""Bytes of a large message that are converted for the price of one read."""


class _Asking(NamedTuple):
    owner: int
    charge: Charge


_CURRENT: ContextVar[_Asking] = ContextVar("asking")


def owner_of(caller: Identity | None) -> int:
    """The participant's index: its certificates and connections are one owner."""
    return STRANGERS if caller is None else caller.index


def begin(caller: Identity | None, charge: Charge) -> None:
    """A call of this caller begins in a task of its own."""
    _CURRENT.set(_Asking(owner_of(caller), charge))


def current() -> int:
    """The owner of the call that runs now."""
    found = _CURRENT.get(None)
    return SWITCH if found is None else found.owner


def charge() -> Charge:
    """What charges the call that runs now."""
    found = _CURRENT.get(None)
    return _nobody if found is None else found.charge


def charge_bytes(size: int) -> None:
    """Charge the call that runs now for the conversion of a message of this size."""
    charge()(size // READ_BYTES)


def _nobody(_: int) -> None:
    pass
