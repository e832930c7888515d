"""A switch of the simulation: a real ledger that follows a log, or leads through it.

Its `Member`, `Follower` and `Replicator` are the product's; the rest does what the
pages say of a server: it commits what has come as one group, answers, ends when it is
deposed or in doubt, and is started again. Its files are all that a kill leaves.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from switch._core import LOG_UNKNOWN, Ledger
from switch.cluster.following import Follower, Journal, PutBackError
from switch.cluster.log import Head, sealed
from switch.cluster.member import Member, Said
from switch.cluster.replicator import Replicator
from switch.errors import (
    DeadError,
    NotLeaderError,
    SpaceError,
    UnknownOutcomeError,
)
from tests.cluster.crash import Crash, restore
from tests.cluster.fake_log import Answer, FakeLog, Fault
from tests.cluster.schedule import Killed
from tests.cluster.small_ledger import OPTIONS, SECOND_NS, open_copy
from tests.core.pair import to_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.cluster.clients import Request
    from tests.cluster.history import History

GROUP_MOST: Final = 4
"""Requests of a group."""
CLOCK_TIMES: Final = 40
"""The ledgers' clock runs so much faster, so that holds come to their deadline."""


class NodeRow(NamedTuple):
    """What a node said of itself."""

    name: str
    sequence: int
    state_hash: bytes
    keys: str
    seen_age_s: float
    settings: str = ""
    clock_off_s: float | None = 0.0


class SimulatedLog(FakeLog):
    """A connection whose steps take time, in which others go on."""

    def __init__(self, switch: "Switch", *, reads_at_primary: bool = False) -> None:
        history = switch.history
        super().__init__(
            history.databases,
            self._draw,
            sleep=switch.pause,
            rival=lambda: None,
            standby=switch.number % 2,
            reads_at_primary=reads_at_primary,
        )
        self.switch = switch

    def _draw(self, step: str) -> Fault | None:
        """Some time passes, and then perhaps something goes wrong."""
        history = self.switch.history
        self.switch.pause(history.latency())
        fault = history.fault(step)
        if fault is not None:
            history.note(f"{self.switch.name} {step} {fault.name}")
        return fault

    def _committed(self, fault: Fault | None, statement: "Callable[[], int]") -> Answer:
        answer = super()._committed(fault, statement)
        self.switch.pause(self.switch.history.latency())
        return answer

    def reconnect(self) -> None:
        """Sometimes to a primary that was cut off."""
        self.to_stale = self.switch.history.chance.random() < 0.5
        super().reconnect()


class SharedLog(SimulatedLog):
    """What a member has: it reads where it commits its barriers."""

    def __init__(self, switch: "Switch") -> None:
        super().__init__(switch, reads_at_primary=True)

    def take_over(
        self, at: Head, name: str, address: str, keys: str = ""
    ) -> int | None:
        """Sometimes it is stopped between its barrier and the take-over."""
        history = self.switch.history
        if history.trouble and history.chance.random() < 0.1:
            history.note(f"{self.switch.name} is stopped before it takes over")
            self.switch.pause(history.chance.uniform(0.5, 5.0))
        return super().take_over(at, name, address, keys)

    def note(
        self,
        name: str,
        address: str,
        sequence: int,
        state_hash: bytes,
        keys: str,
        settings: str = "",
        process: str = "",
    ) -> str:
        """Kept as it is."""
        history = self.switch.history
        history.nodes[name] = NodeRow(name, sequence, state_hash, keys, 0.0)
        before, history.processes[name] = history.processes.get(name, ""), process
        return before

    def clock_ns(self) -> int:
        """The databases have the history's."""
        return int(self.switch.now() * 1e9)

    def nodes(self) -> list[NodeRow]:
        """What each has said last."""
        return list(self.switch.history.nodes.values())

    def standbys(self) -> int:
        """Those that are there."""
        return sum(self.databases.attached)

    def make_room(self, sequence: int) -> None:
        """There is always room."""


class Disk:
    """A switch's ledger, for which there is no room at times."""

    def __init__(self, ledger: Ledger, switch: "Switch") -> None:
        self._ledger = ledger
        self._switch = switch

    @property
    def instance(self) -> bytes:
        """Whose it is."""
        return self._ledger.instance

    @property
    def sequence(self) -> int:
        """Of its last row."""
        return self._ledger.sequence

    @property
    def head(self) -> tuple[int, int, int, int]:
        """Its last chunk."""
        return self._ledger.head

    def follow(self, chunks: "Sequence[bytes]") -> int:
        """All or nothing."""
        if self._switch.now() < self._switch.room_at:
            self._switch.history.note(f"{self._switch.name} has no room")
            raise SpaceError("no room")
        return self._ledger.follow(chunks)


class Switch:
    """One process after another, on one ledger's files."""

    log_type: type[SimulatedLog] = SimulatedLog
    shared_type: type[SharedLog] = SharedLog
    replicator_type: type[Replicator] = Replicator
    member_type: type[Member] = Member

    def __init__(self, history: "History", number: int, path: Path) -> None:
        self.history = history
        self.number = number
        self.name = f"switch-{number}"
        self.path = path
        self.inbox: list[Request] = []
        self.ledger: Ledger | None = None
        self.is_leading = False
        self.crash: Crash | None = None
        """What the next commit does not survive."""
        self.group: list[Request] = []
        """What is being committed."""
        self.room_at = 0.0
        """Until then its disk is full."""
        self.actor = history.schedule.add(self.live)

    def pause(self, seconds: float = 0.0) -> None:
        """Others go on for so long."""
        self.actor.pause(seconds)

    # --- its life ---------------------------------------------------------------------

    def live(self) -> None:
        """From start to start."""
        while True:
            self.pause(self.history.chance.uniform(0.05, 1.0))
            try:
                self._process()
            except PutBackError:
                if not self.history.was_put_back:
                    raise
                self.history.note(f"{self.name} halts before an older log")
                self.history.halted.add(self.number)
                return
            finally:
                self._ended()

    def _ended(self) -> None:
        """Nothing is left but the files, as they were synced."""
        self.is_leading = False
        self.inbox.clear()
        self.group = []
        if self.ledger is not None:
            ledger, self.ledger = self.ledger, None
            ledger.close()
        if self.crash is not None:
            restore(self.path, self.crash, self.history.chance)
            self.crash = None
        self.history.release(self)

    def _process(self) -> None:
        """One process, until it ends by itself."""
        ledger = self.ledger = open_copy(self.path)
        self.history.note(f"{self.name} starts at {ledger.sequence}")
        log = self.shared_type(self)
        member = self.member_type(
            Follower(
                self.as_journal(ledger), log, on_rows=self._followed, now=self.now
            ),
            log,
            self,
            self,
            name=self.name,
            address=f"{self.name}:1",
            now=self.now,
        )
        due = 0.0
        while True:
            if self.now() >= due:
                due = self.now() + member.turn()
                if member.deposed:
                    self.history.note(f"{self.name} sees another lead")
                    return
            if not self.is_leading:
                self.history.release_unless_held(self)
                self._refuse()
                due += self.history.late_poll()
                self.pause(max(due - self.now(), 0.0))
            elif not self.commit():
                return
            else:
                self.pause(self.history.chance.uniform(0.001, 0.05))

    def now(self) -> float:
        """Its clock of seconds."""
        return self.history.schedule.time

    def as_journal(self, ledger: Ledger) -> Journal:
        """What follows."""
        return Disk(ledger, self)

    def _followed(self) -> None:
        assert self.ledger is not None
        self.history.note(f"{self.name} follows to {self.ledger.sequence}")
        self.history.compare(self)

    def _refuse(self) -> None:
        """A follower decides nothing."""
        for request in self.inbox:
            self.history.not_done(self, request)
        self.inbox.clear()

    # --- what its member asks for: the lease, and the server --------------------------

    def start(self) -> None:
        """Begin to ask for the lease."""

    def holds(self) -> bool:
        """Whether it has it, or thinks so."""
        return self.history.may_try(self)

    def held_s(self) -> float:
        """Since the beginning, if it has it: who leaves it does so at once."""
        return self.now() if self.history.leaseholder is self else 0.0

    def let_go(self, seconds: float) -> None:
        """Leave it to others."""
        self.history.release(self)

    def unfit(self, head: Head) -> str:
        """Always fit."""
        return ""

    def refuses(self) -> str:
        """Only who follows has no room."""
        return ""

    def leads_on(self) -> None:
        """All clocks are the history's."""

    def confirmed(self, at_s: float) -> None:
        """Clients ask who leads, not who led."""

    def changed(self) -> None:
        """Nobody listens."""

    def said(self) -> Said:
        """How far it is."""
        assert self.ledger is not None
        sequence, hashed = self.ledger.state_hash()
        return Said(sequence, sequence, hashed, "")

    def lead(self, epoch: int) -> None:
        """Commits are for it from here on."""
        assert self.ledger is not None
        self.history.note(f"{self.name} leads in epoch {epoch}")
        self.replicator = self.make_replicator(epoch)
        self.ledger.replicate(self.append, epoch)
        self.is_leading = True

    # --- leading ----------------------------------------------------------------------

    def make_replicator(self, epoch: int) -> Replicator:
        """Its way into the log."""
        log = self.log_type(self)
        return self.replicator_type(
            log,
            epoch,
            patience_s=self.history.patience_s,
            now=lambda: self.history.schedule.time,
            sleep=self.pause,
        )

    def append(self, chunk: bytes) -> int:
        """What its ledger calls, in the middle of a commit."""
        self.history.sent(self, chunk)
        try:
            said = self.replicator.append(chunk)
        except Killed:
            # Through the core no exception goes; `commit` sees it behind.
            return LOG_UNKNOWN
        self.history.note(f"{self.name} appends {sealed(chunk).first}: {said}")
        return said

    def commit(self) -> bool:
        """One group; whether it goes on."""
        assert self.ledger is not None
        group = self.group = self.inbox[:GROUP_MOST]
        del self.inbox[:GROUP_MOST]
        now = self.history.now_ns(self)
        due = self.ledger.expiry()
        if not group and not 0 < due <= now:
            return True
        before = self.ledger.sequence
        self.history.begin_group(self, now)
        try:
            replies = self.ledger.commit(
                [to_request(request.ask) for request in group], now
            )
        except NotLeaderError:
            self.history.fenced(self, group + self.inbox)
            return False
        except (UnknownOutcomeError, DeadError):
            if self.actor.is_killed:
                raise Killed from None
            self.history.note(f"{self.name} does not know")
            return False
        if self.actor.is_killed:
            # Behind the append, and before it could say so.
            raise Killed
        self._maybe_crash()
        self.history.committed(self, group, replies, before, now)
        self.group = []
        self.history.compare(self)
        if self.history.chance.random() < 0.3:
            while self.ledger.index_step():
                pass
        return True

    def _maybe_crash(self) -> None:
        """The commit's sync has not ended when the machine does."""
        if self.crash is not None:
            self.history.note(f"{self.name} crashes in its commit")
            raise Killed


__all__ = ["OPTIONS", "SECOND_NS", "Switch"]
