"""One leader that appends to a log in which something goes wrong, without a ledger."""

from switch.cluster.log import LOG_DONE, LOG_FENCED, LOG_UNKNOWN
from switch.cluster.replicator import Replicator
from tests.cluster.chunks import INSTANCE, check_of, checks, chunks, is_one_chain
from tests.cluster.fake_databases import Databases
from tests.cluster.fake_log import FakeLog, Fault, Steps

PATIENCE_S = 60.0
Wrong = dict[tuple[str, int], Fault]


class Scene:
    """Databases, a leader of epoch 1 with one chunk in the log, and a clock."""

    databases_type: type[Databases] = Databases
    log_type: type[FakeLog] = FakeLog
    replicator_type: type[Replicator] = Replicator

    def __init__(self, wrong: Wrong, late_at: int = 0) -> None:
        self.databases = self.databases_type(INSTANCE, epoch=1)
        self.time = 0.0
        self.stops = False
        self.steps = Steps(wrong)
        self.late_at = late_at
        """Before which step of all a late statement lands; 0: after the last."""
        self.log = self.log_type(self.databases, self.plan, sleep=self.sleep)
        self.replicator = self.replicator_type(
            self.log,
            1,
            patience_s=PATIENCE_S,
            now=lambda: self.time,
            sleep=self.sleep,
            stopping=lambda: self.stops,
        )
        self.chunks = chunks(3)

    def plan(self, step: str) -> Fault | None:
        """What goes wrong, once what is late has landed."""
        if len(self.steps.calls) + 1 == self.late_at:
            self.databases.land_late()
        return self.steps(step)

    def sleep(self, seconds: float) -> None:
        """The clock goes on."""
        self.time += seconds

    def append(self, place: int) -> int:
        """What the replicator says of one of the chunks, judged as it is said."""
        data = self.chunks[place]
        said = self.replicator.append(data)
        known = checks(self.databases)
        assert is_one_chain(self.databases.durable_chunks())
        if said == LOG_DONE:
            assert check_of(data) in known
        elif said == LOG_FENCED:
            assert check_of(data) not in known
        return said

    def run(self) -> int:
        """One chunk on a good day, one with the faults; what is said of that one."""
        assert self.append(0) == LOG_DONE
        return self.run_on()

    def run_on(self) -> int:
        """The second of the two, and what comes after it."""
        said = self.append(1)
        before = checks(self.databases)
        self.databases.land_late()
        self.databases.lose_primary()
        after = checks(self.databases)
        assert is_one_chain(self.databases.durable_chunks())
        if said != LOG_UNKNOWN:
            assert after == before, "what was final has changed"
        else:
            assert self.time >= PATIENCE_S, "it was given up too early"
        return said
