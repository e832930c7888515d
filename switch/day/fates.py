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
    """Where a payment stands."""

    COMPLETED = "completed"
    """Paid, also if it was given back first and people corrected that."""
    REVERSED = "reversed"
    EXPIRED = "expired"
    """Given back without the biller's word."""
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
    correction: Entry | None = None
    """By which it was paid after all."""
    verified: int = 0
    """Sequence of the later word that it was not credited, of what was given back."""

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.correction is not None:
            return State.COMPLETED
        if self.resolution is None:
            return State.OPEN
        return _STATES[self.resolution.kind]

    @property
    def payment(self) -> Entry | None:
        """By which it was paid, if it was."""
        if self.state is not State.COMPLETED:
            return None
        return self.correction or self.resolution

    @property
    def paid(self) -> int:
        """Paise that its biller has got."""
        return 0 if self.payment is None else self.payment.amount

    @property
    def ended(self) -> int:
        """Sequence from which on its bill may be paid again; 0 if it may not."""
        if self.state is State.REVERSED and self.resolution is not None:
            return self.resolution.sequence
        return self.verified if self.state is State.EXPIRED else 0

    @property
    def later(self) -> list[Entry]:
        """What came after the hold."""
        return [one for one in (self.resolution, self.correction) if one is not None]


Fates = Mapping[bytes, Fate]
"""Payment's id → what became of it."""


def read_fates(
    office: Client, billers: Iterable[str], cursor: int, until: int = 0
) -> Fates:
    """The fates of all holds after `cursor`, out of every biller's feed, as they were
    when `until` was the last entry; 0 is now.

    Raises WireError if an entry resolves what is not there, or a hold twice.
    """
    by_sequence: dict[int, Fate] = {}
    for biller in billers:
        for entry in office.feed(biller, cursor):
            if 0 < until < entry.sequence:
                break
            if entry.kind == types_pb2.ENTRY_KIND_HOLD:
                by_sequence[entry.sequence] = Fate(entry)
                continue
            fate = by_sequence.get(entry.resolves)
            if entry.kind in _STATES:
                if fate is None or fate.resolution is not None:
                    raise WireError(
                        f"entry {entry.sequence} resolves {entry.resolves}, "
                        "which is not open"
                    )
                fate.resolution = entry
            elif entry.kind == types_pb2.ENTRY_KIND_TRANSFER:
                if fate is None or fate.correction is not None:
                    raise WireError(
                        f"entry {entry.sequence} corrects {entry.resolves}, "
                        "which is no payment of the day, or was corrected"
                    )
                fate.correction = entry
    return {fate.hold.id: fate for fate in by_sequence.values()}


def count_states(fates: Fates) -> Counter[State]:
    """How many payments stand where."""
    return Counter(fate.state for fate in fates.values())


def completed(fates: Fates) -> list[Fate]:
    """Those that are paid."""
    return [fate for fate in fates.values() if fate.state is State.COMPLETED]
