"""Whether a call has committed: what fails after that is not "nothing was done".

One `Progress` a call, kept in its task's context: tasks that it starts share it,
threads that it uses are given it. Its error's status is made with it.
"""

from contextvars import ContextVar

from switch.register.identity import Identity


class Progress:
    """How far one call has come."""

    __slots__ = ("caller", "has_committed")

    def __init__(self) -> None:
        self.caller: Identity | None = None
        """Who called, once that is known."""
        self.has_committed = False
        """Something that it asked for may be durable."""


_CURRENT: ContextVar[Progress] = ContextVar("progress")


def begin() -> Progress:
    """A call begins."""
    progress = Progress()
    _CURRENT.set(progress)
    return progress


def current() -> Progress:
    """The call's that runs now; one that nobody asks outside of any."""
    found = _CURRENT.get(None)
    return Progress() if found is None else found
