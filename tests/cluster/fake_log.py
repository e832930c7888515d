"""A log as one switch sees it, with the fenced statements' meaning and faults to order.

`FakeLog` has the methods of `switch.cluster.log.Log`. Before each of its steps it asks
its plan what goes wrong in this one. What is said of an answer is judged here as the
real one is to judge it: one row, settings right, not one notice.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from switch.cluster.log import DoubtError, Head, Part, Sealed, Why
from tests.cluster.fake_databases import Databases, Primary


class Fault(StrEnum):
    """What can go wrong in one step; each step takes what it can have."""

    LOST = "connection lost before the statement landed"
    LOST_LATE = "connection lost; the statement lands later"
    LOST_AFTER = "landed and durable, the answer lost"
    LOST_WAITING = "landed, the connection lost before the quorum had it"
    TIMEOUT = "no answer in time, nothing landed"
    TIMEOUT_AFTER = "landed and durable, no answer in time"
    DOUBLED = "executed twice, the first answer comes"
    DOUBLED_SECOND = "executed twice, the second answer comes"
    CUT = "the wait for the quorum was cut: success, and a notice"
    NOTICE = "landed and durable, with a notice of another kind"
    SETTINGS = "the settings of the quorum are off: success without a wait"
    ERROR = "refused with an error"
    SLOW = "a slow answer, in time"
    FENCED_BEFORE = "another switch took over before it landed"
    FENCED_BEFORE_LOST = "the same, and the answer lost"
    FENCED_AFTER = "durable, the answer lost, then another switch took over"
    FENCED_WAITING = "landed, the wait cut, then another switch took over"
    NODE_LOST = "landed on the primary alone, which is lost with it"
    NODE_LOST_AFTER = "durable, then the primary lost with its answer"
    CUT_NODE_LOST = "the wait was cut, success and a notice; then the primary lost"


WRITES = frozenset(Fault)
"""What an append can have."""
FENCES = frozenset(
    {
        Fault.FENCED_BEFORE,
        Fault.FENCED_BEFORE_LOST,
        Fault.FENCED_AFTER,
        Fault.FENCED_WAITING,
    }
)
WHY: dict[Fault | None, Why] = {
    Fault.LOST: "lost",
    Fault.TIMEOUT: "timeout",
    Fault.ERROR: "error",
}
"""Those that leave nothing behind, and what is said of them."""
WITHOUT_QUORUM = frozenset(
    {
        Fault.LOST_WAITING,
        Fault.NODE_LOST,
        Fault.FENCED_WAITING,
        Fault.CUT,
        Fault.CUT_NODE_LOST,
        Fault.SETTINGS,
    }
)
"""Those after which a statement has landed on the primary alone."""
ANSWER_LOST = frozenset(
    {
        Fault.LOST_AFTER,
        Fault.LOST_WAITING,
        Fault.FENCED_BEFORE_LOST,
        Fault.FENCED_AFTER,
        Fault.FENCED_WAITING,
        Fault.NODE_LOST,
        Fault.NODE_LOST_AFTER,
    }
)
NODE_LOST = (Fault.NODE_LOST, Fault.NODE_LOST_AFTER, Fault.CUT_NODE_LOST)
READS = frozenset(
    {
        Fault.LOST,
        Fault.TIMEOUT,
        Fault.ERROR,
        Fault.SLOW,
        Fault.NODE_LOST,
        Fault.FENCED_BEFORE,
    }
)
"""What `head`, `chunk_at`, `reconnect` and `read` can have."""
COMMITS = frozenset(Fault) - {Fault.FENCED_AFTER, Fault.FENCED_WAITING}
"""What a barrier and a take-over can have."""
STEP_FAULTS = {
    "append": WRITES,
    "reconnect": READS,
    "head": READS,
    "chunk_at": READS,
    "barrier": COMMITS,
    "take_over": COMMITS,
    "read": READS,
}


class Answer(NamedTuple):
    """What comes back over the wire of one committed statement."""

    rows: int
    settings: bool = True
    notices: int = 0


Plan = Callable[[str], Fault | None]
"""Given the name of a step, what goes wrong in it."""


def nothing_wrong(step: str) -> Fault | None:
    """The plan of a good day."""
    return None


class Steps:
    """A plan that names the n-th call of a step, counted from 1, and says what came."""

    def __init__(self, wrong: dict[tuple[str, int], Fault]) -> None:
        self.wrong = dict(wrong)
        self.calls: list[str] = []

    def __call__(self, step: str) -> Fault | None:
        self.calls.append(step)
        return self.wrong.pop((step, self.calls.count(step)), None)


class FakeLog:
    """One switch's connection to the databases, and what it reads at its standby."""

    timeout_s = 4.0
    slow_s = 3.0

    def __init__(
        self,
        databases: Databases,
        plan: Plan = nothing_wrong,
        *,
        sleep: Callable[[float], None] = lambda seconds: None,
        rival: Callable[[], object] | None = None,
        standby: int = 0,
        reads_at_primary: bool = False,
    ) -> None:
        self.databases = databases
        self.plan = plan
        self.sleep = sleep
        """Passes the time that a step takes."""
        self.rival = rival or self._taken_over
        """What another switch does that takes over."""
        self.standby = standby
        """The one that is near: it is waited for first, and read at."""
        self.reads_at_primary = reads_at_primary
        self.at: Primary | None = databases.primary
        """The node that it is connected to."""
        self.to_stale = False
        """Whether the next connection is to a primary that was cut off, if there is."""

    def _taken_over(self) -> None:
        primary = self.databases.primary
        primary.take_over(primary.head, "rival", "rival:1")
        self.databases.wait(primary, self.standby)

    def _doubt(self, why: Why) -> DoubtError:
        self.at = None
        return DoubtError(why)

    def _node(self) -> Primary:
        if self.at is None or not self.databases.is_up(self.at):
            raise self._doubt("lost")
        return self.at

    def _committed(self, fault: Fault | None, statement: Callable[[], int]) -> Answer:
        """Execute a statement that commits, with this fault; `statement` gives rows."""
        node, databases = self._node(), self.databases
        named = databases.names or node is not databases.primary
        match fault:
            case Fault.LOST | Fault.TIMEOUT | Fault.ERROR:
                if fault is Fault.TIMEOUT:
                    self.sleep(self.timeout_s)
                raise self._doubt(WHY[fault])
            case Fault.LOST_LATE:
                databases.late.append((node, lambda: self._landed(node, statement)))
                raise self._doubt("lost")
            case Fault.FENCED_BEFORE | Fault.FENCED_BEFORE_LOST:
                self.rival()
        rows = statement()
        if fault in (Fault.DOUBLED, Fault.DOUBLED_SECOND):
            again = statement()
            rows = again if fault is Fault.DOUBLED_SECOND else rows
        waits = named and fault not in WITHOUT_QUORUM
        if waits and not databases.wait(node, self.standby):
            self.sleep(self.timeout_s)
            raise self._doubt("timeout")
        if fault in NODE_LOST and node is databases.primary:
            databases.lose_primary()
        if fault in (Fault.FENCED_AFTER, Fault.FENCED_WAITING):
            self.rival()
        if fault in (Fault.SLOW, Fault.TIMEOUT_AFTER):
            self.sleep(self.timeout_s if fault is Fault.TIMEOUT_AFTER else self.slow_s)
        if fault in ANSWER_LOST:
            raise self._doubt("lost")
        if fault is Fault.TIMEOUT_AFTER:
            raise self._doubt("timeout")
        cut = fault in (Fault.CUT, Fault.CUT_NODE_LOST, Fault.NOTICE)
        return Answer(rows, named and fault is not Fault.SETTINGS, int(cut))

    def _landed(self, node: Primary, statement: Callable[[], int]) -> None:
        """A statement lands of which nobody waits for the answer."""
        if self.databases.is_up(node):
            statement()
            if self.databases.names:
                self.databases.wait(node, self.standby)

    def _read(self, step: str) -> Primary:
        """The node for a statement that only reads, unless its fault prevents it."""
        self._fail(step)
        return self._node()

    def _fail(self, step: str) -> None:
        """What goes wrong in a step that only reads."""
        fault = self.plan(step)
        if fault is Fault.FENCED_BEFORE:
            self.rival()
        if fault is Fault.NODE_LOST and self.at is self.databases.primary:
            self.databases.lose_primary()
        if fault in (Fault.SLOW, Fault.TIMEOUT):
            self.sleep(self.slow_s if fault is Fault.SLOW else self.timeout_s)
        if fault in WHY:
            raise self._doubt(WHY[fault])

    def judge(self, answer: Answer) -> None:
        """Raise DoubtError unless the commit is known to be durable."""
        if answer.notices:
            raise self._doubt("notice")
        if not answer.settings:
            raise self._doubt("settings")

    def append(self, chunk: Sealed) -> None:
        """Returns only if the chunk is in the log for ever."""
        node = self.at
        fault = self.plan("append")
        answer = self._committed(
            fault, lambda: int(node is not None and node.append(chunk))
        )
        self.judge(answer)
        if answer.rows != 1:
            raise self._doubt("no row")

    def reconnect(self) -> None:
        """Connect to the read-write node; which that is the databases decide."""
        self.at = None
        stale = self.databases.stale
        aim = stale if self.to_stale and stale is not None else self.databases.primary
        self.to_stale = False
        self.at = aim
        self._read("reconnect")

    def head(self) -> Head:
        """The head's row, as this node has it: visible, and perhaps not durable."""
        return self._read("head").head

    def chunk_at(self, first: int) -> tuple[int, int] | None:
        """Epoch and check of the chunk that begins there, as this node has it."""
        chunk = self._read("chunk_at").chunks.get(first)
        return None if chunk is None else (chunk.epoch, chunk.check)

    def barrier(self) -> None:
        """Returns only if all that this node showed before is durable."""
        fault = self.plan("barrier")
        node = self._node()

        def statement() -> int:
            node.barrier()
            return 1

        self.judge(self._committed(fault, statement))

    def take_over(
        self, at: Head, name: str, address: str, keys: str = ""
    ) -> int | None:
        """The new epoch, if the head is still `at`; None if somebody was faster."""
        fault = self.plan("take_over")
        node = self._node()
        epochs: list[int] = []

        def statement() -> int:
            epoch = node.take_over(at, name, address, keys)
            if epoch is not None:
                epochs.append(epoch)
            return int(epoch is not None)

        answer = self._committed(fault, statement)
        self.judge(answer)
        return epochs[0] if answer.rows else None

    def read(
        self, after: int, most_bytes: int = 4 << 20, most_chunks: int = 64
    ) -> Part:
        """Chunks behind `after` that the near standby shows, in order; or the node
        that it is connected to, whose last ones may not be durable without a barrier.
        """
        if self.reads_at_primary:
            shown = list(self._read("read").chunks.values())
        else:
            self._fail("read")
            shown = self.databases.shown(self.standby)
        last = shown[-1].last if shown else after
        return Part(chosen(shown, after, most_bytes, most_chunks), last)


def chosen(
    chunks: list[Sealed], after: int, most_bytes: int, most_chunks: int
) -> list[bytes]:
    """Those behind `after`, so many and so large together, but one at least."""
    found: list[bytes] = []
    size = 0
    for chunk in chunks:
        if chunk.first <= after:
            continue
        size += len(chunk.data)
        if found and (size > most_bytes or len(found) == most_chunks):
            break
        found.append(chunk.data)
    return found
