"""A switch of the simulation: a real ledger that follows a log, or leads through it.

It does what the pages say of a server: follows at a standby, takes over when it may
try, commits what has come as one group, answers, ends when it is deposed or in doubt,
and is started again. Its ledger's files are all that a kill leaves.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from switch._core import LOG_UNKNOWN, Ledger
from switch.cluster.log import DoubtError, Head, sealed
from switch.cluster.replicator import Replicator
from switch.errors import DeadError, NotLeaderError, UnknownOutcomeError
from tests.cluster.crash import Crash, restore
from tests.cluster.fake_log import Answer, FakeLog, Fault
from tests.cluster.schedule import Killed
from tests.cluster.small_ledger import OPTIONS, SECOND_NS, open_copy
from tests.core.pair import to_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.clients import Request
    from tests.cluster.history import History

POLL_S: Final = 0.02
GROUP_MOST: Final = 4
"""Requests of a group."""
CLOCK_TIMES: Final = 40
"""The ledgers' clock runs so much faster, so that holds come to their deadline."""


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


class Switch:
    """One process after another, on one ledger's files."""

    log_type: type[SimulatedLog] = SimulatedLog
    replicator_type: type[Replicator] = Replicator

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
        self.ledger = open_copy(self.path)
        self.history.note(f"{self.name} starts at {self.ledger.sequence}")
        log = self.log_type(self)
        while True:
            self._poll(log)
            if self.history.may_try(self):
                epoch = self._take_over()
                if epoch is not None:
                    self._lead(epoch)
                    return
                self.history.release(self)
            self._refuse()
            self.pause(POLL_S + self.history.late_poll())

    def _poll(self, log: FakeLog) -> None:
        """Take what the standby shows."""
        assert self.ledger is not None
        try:
            chunks = log.read(self.ledger.sequence, most_chunks=4)
        except DoubtError:
            return
        self._take(chunks)

    def _take(self, chunks: list[bytes]) -> None:
        assert self.ledger is not None
        if chunks:
            self.ledger.follow(chunks)
            self.history.note(f"{self.name} follows to {self.ledger.sequence}")
            self.history.compare(self)

    def _refuse(self) -> None:
        """A follower decides nothing."""
        for request in self.inbox:
            self.history.not_done(self, request)
        self.inbox.clear()

    # --- taking over ------------------------------------------------------------------

    def _take_over(self) -> int | None:
        """The epoch in which it leads from now on, or None."""
        log = self.log_type(self, reads_at_primary=True)
        try:
            log.reconnect()
            head = log.head()
            self.barrier_before(log)
            if not self._follow_to(log, head):
                return None
            epoch = log.take_over(head, self.name, f"{self.name}:1")
        except DoubtError:
            return None
        if epoch is not None:
            self.history.note(f"{self.name} leads in epoch {epoch}")
        return epoch

    def barrier_before(self, log: FakeLog) -> None:
        """What the head has shown is durable before it is followed."""
        log.barrier()

    def _follow_to(self, log: FakeLog, head: Head) -> bool:
        """Take what is there up to a head; whether that is all."""
        assert self.ledger is not None
        while self.ledger.sequence < head.sequence:
            chunks = [
                chunk
                for chunk in log.read(self.ledger.sequence)
                if sealed(chunk).last <= head.sequence
            ]
            if not chunks:
                return False
            self._take(chunks)
        return self.ledger.head[:2] == (head.sequence, head.chain)

    # --- leading ----------------------------------------------------------------------

    def _lead(self, epoch: int) -> None:
        """Commit what comes, until somebody else leads or it is in doubt."""
        assert self.ledger is not None
        self.replicator = self.make_replicator(epoch)
        self.ledger.replicate(self.append, epoch)
        self.is_leading = True
        watch = self.log_type(self)
        looked = self.history.schedule.time
        while self.commit():
            self.pause(self.history.chance.uniform(0.001, 0.05))
            if self.history.schedule.time - looked > 0.5:
                looked = self.history.schedule.time
                try:
                    watch.reconnect()
                    head = watch.head()
                except DoubtError:
                    continue
                if head.epoch > epoch:
                    self.history.note(f"{self.name} sees epoch {head.epoch}")
                    return

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
