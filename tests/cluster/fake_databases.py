"""Three database nodes with quorum commit, as far as the log's statements see them.

What a node has is a list of records (its write-ahead log); a standby has the first so
many of the primary's. A record is *visible* once it is in the primary's list, and
*durable* once one standby has it, too: then the loss of any one node leaves it. A wait
for the quorum that is cut short leaves a record visible that is not durable.
"""

from collections.abc import Callable
from typing import NamedTuple

from switch.cluster.log import Head, Sealed


class TakenOver(NamedTuple):
    """A change of the leader, as a record."""

    epoch: int
    leader: str
    address: str
    keys: str


class Nothing(NamedTuple):
    """A barrier's commit: it changes nothing, and comes behind all before it."""


Record = Sealed | TakenOver | Nothing


class Primary:
    """One node that takes writes: the primary, or one that does not yet know better."""

    def __init__(self, base: Head, wal: list[Record]) -> None:
        self.base = base
        self.wal: list[Record] = []
        self.head = base
        self.chunks: dict[int, Sealed] = {}
        for record in wal:
            self._keep(record)

    def _keep(self, record: Record) -> None:
        self.wal.append(record)
        if isinstance(record, Sealed):
            self.chunks[record.first] = record
            self.head = self.head._replace(sequence=record.last, chain=record.check)
        elif isinstance(record, TakenOver):
            self.head = self.head._replace(**record._asdict())

    def matches(self, chunk: Sealed) -> bool:
        """Whether the append's comparison finds the head's row."""
        return (chunk.first - 1, chunk.previous, chunk.epoch) == (
            self.head.sequence,
            self.head.chain,
            self.head.epoch,
        )

    def append(self, chunk: Sealed) -> bool:
        """The fenced statement, without its wait; whether it had a row."""
        if not self.matches(chunk):
            return False
        if chunk.first in self.chunks:
            raise AssertionError("the key of chunks would have refused it")
        self._keep(chunk)
        return True

    def take_over(
        self, at: Head, name: str, address: str, keys: str = ""
    ) -> int | None:
        """The other fenced statement, without its wait: the new epoch, or no row."""
        head = self.head
        wanted = (at.sequence, at.chain, at.epoch)
        if wanted != (head.sequence, head.chain, head.epoch):
            return None
        self._keep(TakenOver(head.epoch + 1, name, address, keys))
        return self.head.epoch

    def barrier(self) -> None:
        """One more commit."""
        self._keep(Nothing())


class Databases:
    """The primary, its two standbys, and perhaps a primary that was cut off."""

    primary_type: type[Primary] = Primary

    def __init__(
        self, instance: bytes, sequence: int = 0, chain: int = 0, epoch: int = 0
    ) -> None:
        base = Head(instance, sequence, chain, epoch, "", "")
        self.primary = self.primary_type(base, [])
        self.stale: Primary | None = None
        """It has lost its standbys, and does not know it: reads are answered."""
        self.standbys = [0, 0]
        """How many of the primary's records each of them has."""
        self.attached = [True, True]
        self.names = True
        """Whether the primary has names of standbys to wait for."""
        self.late: list[tuple[Primary, Callable[[], object]]] = []
        """Statements whose sender has hung up and that no backend has read yet."""

    @property
    def durable(self) -> int:
        """How many records any loss of one node leaves."""
        return max(self.standbys)

    def durable_chunks(self) -> list[Sealed]:
        """The log as it will be for ever."""
        records = self.primary.wal[: self.durable]
        return [record for record in records if isinstance(record, Sealed)]

    def ship(self, standby: int, records: int | None = None) -> None:
        """A standby that is there gets so many more records, or all."""
        if self.attached[standby]:
            has = len(self.primary.wal)
            if records is not None:
                has = min(has, self.standbys[standby] + records)
            self.standbys[standby] = has

    def wait(self, primary: Primary, first: int = 0) -> bool:
        """A commit's wait for one standby, `first` if it can: whether it ends."""
        if primary is not self.primary:
            return False
        for standby in (first, 1 - first):
            if self.attached[standby]:
                self.ship(standby)
                return True
        return False

    def shown(self, standby: int) -> list[Sealed]:
        """The chunks that somebody sees who reads at a standby."""
        records = self.primary.wal[: self.standbys[standby]]
        return [record for record in records if isinstance(record, Sealed)]

    def lose_primary(self, *, cut_off: bool = False) -> None:
        """The standby that has most is promoted; the other, and the old primary once it
        is rewound, follow it. Cut off, the old one is still there for who asks it.
        """
        old = self.primary
        self.primary = self.primary_type(old.base, old.wal[: self.durable])
        self.standbys = [min(self.standbys), self.durable]
        self.attached = [True, True]
        self.names = True
        self.stale = old if cut_off else None
        if not cut_off:
            self.late = [(at, land) for at, land in self.late if at is not old]

    def put_back(self, records: int) -> None:
        """An older state is restored: so many records, on all nodes."""
        wal = self.primary.wal[:records]
        self.begin(self.primary_type(self.primary.base, wal))

    def begin(self, primary: Primary) -> None:
        """Other databases in the place of these, with all that this node has."""
        self.primary, self.stale, self.late = primary, None, []
        self.standbys = [len(primary.wal)] * 2
        self.attached, self.names = [True, True], True

    def heal(self) -> None:
        """Whoever was cut off learns of it, and is rewound."""
        if self.stale is not None:
            gone, self.stale = self.stale, None
            self.late = [(at, land) for at, land in self.late if at is not gone]

    def is_up(self, primary: Primary) -> bool:
        """Whether a connection to it still has an answer."""
        return primary is self.primary or primary is self.stale

    def land_late(self) -> int:
        """Every statement that was on its way is executed; how many there were."""
        late, self.late = self.late, []
        for _, land in late:
            land()
        return len(late)
