"""Who asks: the owner of the call that runs now, as `Shares` knows owners.

Kept in the context of the call's task; outside of any it is the switch itself.
"""

from contextvars import ContextVar

from server.shares import STRANGERS, SWITCH
from switch.register.identity import Identity

_OWNER: ContextVar[int] = ContextVar("owner", default=SWITCH)


def owner_of(caller: Identity | None) -> int:
    """The participant's index: its certificates and connections are one owner."""
    return STRANGERS if caller is None else caller.index


def begin(owner: int) -> None:
    """A call of this owner begins in a task of its own."""
    _OWNER.set(owner)


def current() -> int:
    """The owner of the call that runs now."""
    return _OWNER.get()
