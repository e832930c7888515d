"""A member alone: its journal, its log, its lease and its server are a few numbers, and
its clock is the test's.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from switch.cluster.following import Follower
from switch.cluster.log import DoubtError, Head, Part, Sealed
from switch.cluster.member import Member, Said, State

INSTANCE = bytes(range(16))


class Word(NamedTuple):
    """What a node has said."""

    name: str
    sequence: int
    state_hash: bytes
    keys: str
    seen_age_s: float
    settings: str = ""
    clock_off_s: float | None = 0.0


OTHER = Word("south", 3, b"", "", 0.1)


class Journal:
    """Chunks of one row, each a byte: its check."""

    def __init__(self, checks: str = "") -> None:
        self.instance = INSTANCE
        self.checks = checks
        self.epoch = 0

    @property
    def sequence(self) -> int:
        return len(self.checks)

    @property
    def head(self) -> tuple[int, int, int, int]:
        last = ord(self.checks[-1]) if self.checks else 0
        return self.sequence, last, self.sequence, self.epoch

    def follow(self, chunks: Sequence[bytes]) -> int:
        self.checks += b"".join(chunks).decode()
        return self.sequence


class World:
    """A log, the right to try, a server and a clock, all of which a test sets."""

    def __init__(self, checks: str = "abc", own: str = "") -> None:
        self.checks = checks
        self.epoch, self.leader, self.address = 1, "south", "b:1"
        self.keys = ""
        self.has_chunks: set[int] = set()
        self.instance = INSTANCE
        self.is_cut = False
        self.asked: list[str] = []
        self.rows: list[Word] = []
        self.noted: list[tuple[object, ...]] = []
        self.held = False
        self.has_held_s = 60.0
        """For how long, while it is held."""
        self.reads = 9_999
        """Chunks that one reading gives at the most."""
        self.let_go_s: list[float] = []
        self.why_unfit = self.why_refuses = ""
        self.led: list[int] = []
        self.confirmed_s: list[float] = []
        self.changes = 0
        self.state = Said(0, 0, b"", "keys")
        self.now_s = 1_000.0
        self.before_take_over: Callable[[], None] = lambda: None
        self.journal = Journal(own)
        follower = Follower(self.journal, self, now=lambda: self.now_s)
        self.member = Member(
            follower, self, self, self, name="north", address="a:1", now=self.now
        )

    def now(self) -> float:
        return self.now_s

    def turn(self, seconds: float = 1.0) -> float:
        """The next one, so much later."""
        self.now_s += seconds
        return self.member.turn()

    # --- the log ---

    def _say(self, what: str) -> None:
        if self.is_cut:
            raise DoubtError("lost", what)
        self.asked.append(what)

    def append(self, chunk: Sealed) -> None:
        raise AssertionError("a member appends nothing")

    def chunk_at(self, first: int) -> tuple[int, int] | None:
        self._say("chunk at")
        return (self.epoch, 0) if first in self.has_chunks else None

    def reconnect(self) -> None:
        self._say("reconnect")

    def head(self) -> Head:
        self._say("head")
        last = ord(self.checks[-1]) if self.checks else 0
        where = len(self.checks), last, self.epoch
        return Head(self.instance, *where, self.leader, self.address, self.keys)

    def barrier(self) -> None:
        self._say("barrier")

    def take_over(
        self, at: Head, name: str, address: str, keys: str = ""
    ) -> int | None:
        self._say("take over")
        self.before_take_over()
        if (at.sequence, at.epoch) != (len(self.checks), self.epoch):
            return None
        self.epoch, self.leader, self.address = self.epoch + 1, name, address
        self.keys = keys
        return self.epoch

    def read(self, after: int, most_bytes: int = 0, most_chunks: int = 0) -> Part:
        self._say("read")
        chunks = [one.encode() for one in self.checks[after:]]
        return Part(chunks[: self.reads], len(self.checks))

    def note(self, *words: object) -> str:
        self.noted.append(words)
        return ""

    def clock_ns(self) -> int:
        return int(self.now_s * 1e9)

    def nodes(self) -> list[Word]:
        return self.rows

    def standbys(self) -> int:
        return 2

    def make_room(self, sequence: int) -> None:
        self._say("room")

    # --- the lease ---

    def start(self) -> None:
        self._say("lease")

    def holds(self) -> bool:
        return self.held

    def held_s(self) -> float:
        return self.has_held_s if self.held else 0.0

    def let_go(self, seconds: float) -> None:
        self.held = False
        self.let_go_s.append(seconds)

    # --- the server ---

    def unfit(self, head: Head) -> str:
        return self.why_unfit

    def refuses(self) -> str:
        return self.why_refuses

    def lead(self, epoch: int) -> None:
        assert self.confirmed_s == [self.now_s]
        self.led.append(epoch)

    def leads_on(self) -> None:
        self._say("clock")

    def confirmed(self, at_s: float) -> None:
        self.confirmed_s.append(at_s)

    def changed(self) -> None:
        self.changes += 1

    def said(self) -> Said:
        return self.state


def leading(world: World) -> Member:
    world.held = True
    world.turn()
    assert world.member.state is State.LEADING
    return world.member
