"""Bugs that are planted into what the simulation is made of, one at a time."""

from collections.abc import Sequence
from typing import Any

from switch._core import LOG_DONE, LOG_FENCED, Ledger
from switch.audit.crc import crc32c
from switch.cluster.following import Journal
from switch.cluster.log import HEADER, ROW_SIZE, Sealed
from switch.cluster.member import Member
from switch.cluster.replicator import Replicator
from tests.cluster.fake_databases import Databases, Primary
from tests.cluster.fake_log import Answer, FakeLog
from tests.cluster.history import History
from tests.cluster.scene import Scene
from tests.cluster.simulated import Disk, SharedLog, SimulatedLog, Switch


class NoBarrier(FakeLog):
    """A barrier is skipped: what a head shows is taken for durable."""

    def barrier(self) -> None:
        """Does nothing."""


class Deaf(FakeLog):
    """Notices are ignored: a wait that was cut is taken for one that has ended."""

    def judge(self, answer: Answer) -> None:
        """Looks at the settings alone."""
        super().judge(answer._replace(notices=0))


class Blind(FakeLog):
    """Settings are not looked at: a commit without a wait is taken for one with it."""

    def judge(self, answer: Answer) -> None:
        """Looks at notices alone."""
        super().judge(answer._replace(settings=True))


class EpochDropped(Primary):
    """The statement compares sequence and chain, not the epoch."""

    def matches(self, chunk: Sealed) -> bool:
        """Two of the three."""
        return (chunk.first - 1, chunk.previous) == (
            self.head.sequence,
            self.head.chain,
        )


class ChainDropped(Primary):
    """The statement compares sequence and epoch, not the chain."""

    def matches(self, chunk: Sealed) -> bool:
        """Two of the three."""
        return (chunk.first - 1, chunk.epoch) == (self.head.sequence, self.head.epoch)


class AnswersFirst(Switch):
    """A group is committed and answered, and then appended."""

    def append(self, chunk: bytes) -> int:
        """Says that it is done, and does it behind the answers."""
        self.history.sent(self, chunk)
        self.later = chunk
        return LOG_DONE

    later: bytes | None = None

    def commit(self) -> bool:
        """The append comes last."""
        goes_on = super().commit()
        if self.later is not None:
            later, self.later = self.later, None
            goes_on = self.replicator.append(later) == LOG_DONE and goes_on
        return goes_on


class NeverFenced(Switch):
    """A leader that was deposed goes on as if nothing were."""

    def append(self, chunk: bytes) -> int:
        """What is fenced counts as done."""
        said = super().append(chunk)
        return LOG_DONE if said == LOG_FENCED else said


class FencedWithoutBarrier(Replicator):
    """A fence is said of what one node shows, whoever follows that node."""

    def _barrier(self) -> None:
        """Not asked for where another one leads."""
        if self.log.head().epoch == self.epoch:
            super()._barrier()


class FencedAtOnce(Replicator):
    """A later epoch is a fence, without a look at what has landed before it."""

    def append(self, chunk: bytes) -> int:
        """What is done although another one leads counts as fenced."""
        said = super().append(chunk)
        return LOG_FENCED if self.deposed else said


class HastyFollower(NoBarrier, SharedLog):
    """A follower applies what is not durable yet, and believes any head."""


class Forgetful(Member):
    """Who has less than another one had leads all the same."""

    def _put_back(self) -> str:
        """Nobody is asked."""
        return ""


class Proud(Switch):
    """A node that has more than the log does not halt for it."""

    def as_journal(self, ledger: Ledger) -> Journal:
        """It says what the log says."""
        return PretendingJournal(ledger, self)


class PretendingJournal(Disk):
    """A ledger that is never ahead of the log, whatever it has."""

    @property
    def head(self) -> tuple[int, int, int, int]:
        """The log's, if that is older."""
        own, log = self._ledger.head, self._switch.history.databases.primary.head
        if own[0] > log.sequence:
            return (log.sequence, log.chain, own[2], log.epoch)
        return own

    @property
    def sequence(self) -> int:
        """The same."""
        return self.head[0]


class SkippingJournal:
    """A ledger that takes a chunk without one of its rows, and seals it again."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def follow(self, chunks: Sequence[bytes]) -> int:
        """All but a row."""
        return self._ledger.follow([without_a_row(chunk) for chunk in chunks])


class RowSkipped(Switch):
    """Its follower skips a row."""

    def as_journal(self, ledger: Ledger) -> Journal:
        """The one that does."""
        return SkippingJournal(ledger)


def without_a_row(chunk: bytes) -> bytes:
    """The chunk without its last row, if it has another one, with a right check."""
    head = list(HEADER.unpack_from(chunk))
    rows, tail = head[3], head[4]
    if rows < 2 or tail:
        return chunk
    head[3] = rows - 1
    body = chunk[HEADER.size : HEADER.size + (rows - 1) * ROW_SIZE]
    checks = b"".join(
        body[at + 124 : at + ROW_SIZE] for at in range(0, len(body), ROW_SIZE)
    )
    packed = HEADER.pack(*head)[:60]
    head[-1] = crc32c(checks, crc32c(packed, head[-2]))
    return HEADER.pack(*head) + body


def with_log(kind: type[FakeLog]) -> type[History]:
    """Histories whose switches have another connection."""
    log = type("PlantedLog", (kind, SimulatedLog), {})
    switch = type("Planted", (Switch,), {"log_type": log})
    return with_switch(switch)


def with_shared(kind: type[SharedLog]) -> type[History]:
    """Histories whose members have another connection."""
    return with_switch(type("Planted", (Switch,), {"shared_type": kind}))


def with_switch(kind: type[Switch]) -> type[History]:
    """Histories of other switches."""
    return type(
        "PlantedHistory", (History,), {"switch_type": kind, "fault_shares": (0.2,)}
    )


def scene(**types: type) -> type[Scene]:
    """Scenes with another `log`, `replicator`, or `primary` in their databases."""
    changed: dict[str, type] = {f"{name}_type": kind for name, kind in types.items()}
    if "primary" in types:
        databases = type("PlantedDatabases", (Databases,), changed)
        changed = {"databases_type": databases}
    return type("PlantedScene", (Scene,), changed)
