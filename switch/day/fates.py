"""What became of a replayed day's payments, by the billers' feeds and nothing else.

May use the client and what was sent.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from switch.client import Client
from switch.errors import WireError
from switch.v1 import types_pb2

Entry = types_pb2.Entry


class State(Enum):
    """Where a payment stands in the end."""

    COMPLETED = "completed"
    REVERSED = "reversed"
    EXPIRED = "expired"
    OPEN = "open"
    """Held still: nobody knows, or the service keeps what is not known."""


_STATES = {
    types_pb2.ENTRY_KIND_POST: State.COMPLETED,
    types_pb2.ENTRY_KIND_VOID: State.REVERSED,
    types_pb2.ENTRY_KIND_EXPIRE: State.EXPIRED,
}


@dataclass(slots=True)
class Fate:
    """One payment that was accepted."""

    hold: Entry
    resolution: Entry | None = None

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.resolution is None:
            return State.OPEN
        return _STATES[self.resolution.kind]


Fates = Mapping[bytes, Fate]
"""Payment's id → what became of it."""


def read_fates(office: Client, billers: Iterable[str], cursor: int) -> Fates:
    """The fates of all holds after `cursor`, out of every biller's feed.

    Raises WireError if an entry resolves what is not there, or a hold twice.
    """
    by_sequence: dict[int, Fate] = {}
    for biller in billers:
        for entry in office.feed(biller, cursor):
            if entry.kind == types_pb2.ENTRY_KIND_HOLD:
                by_sequence[entry.sequence] = Fate(entry)
            elif entry.kind in _STATES:
                fate = by_sequence.get(entry.resolves)
                if fate is None or fate.resolution is not None:
                    raise WireError(
                        f"entry {entry.sequence} resolves {entry.resolves}, "
                        "which is not open"
                    )
                fate.resolution = entry
    return {fate.hold.id: fate for fate in by_sequence.values()}


def count_states(fates: Fates) -> Counter[State]:
    """How many payments stand where."""
    return Counter(fate.state for fate in fates.values())


def completed(fates: Fates) -> list[Fate]:
    """Those that are paid."""
    return [fate for fate in fates.values() if fate.state is State.COMPLETED]
