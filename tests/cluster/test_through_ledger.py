"""Goal: what a ledger answers is what its log has, whatever happens to an append.

Method: each fault of `fake_log.py` meets each kind of commit of a real ledger, through
the real `Replicator`. When the log is asked nothing is to be seen of the chunk; what is
answered is in the log for ever, what is `NOT_LEADER` never; then another copy takes
over from the log alone and is asked for the same ids.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from switch.cluster.log import sealed
from switch.cluster.replicator import Replicator
from switch.codes import Kind, Result
from switch.errors import DeadError, NotLeaderError, SwitchError, UnknownOutcomeError
from tests.cluster.chunks import is_one_chain
from tests.cluster.fake_databases import Databases
from tests.cluster.fake_log import FENCES, FakeLog, Fault, Steps
from tests.cluster.small_ledger import (
    DEADLINE_S,
    HOLDS,
    INSTANCE,
    SECOND_NS,
    SmallLedger,
    id_of,
    open_copy,
    paid,
)
from tests.model import Ask

HELD = 900
"""The number of a payment that is on hold before the fault."""
NEXT = 950
"""And of one after it."""


class Work(NamedTuple):
    """One group: what is asked for, and how long after the hold."""

    asks: Callable[[SmallLedger], list[Ask]]
    ids: tuple[int, ...] = ()
    wait_s: int = 1
    rows: tuple[int, ...] = (Kind.PAY,)


WORK = {
    "idle": Work(lambda small: [small.pay(1)], (1,)),
    "group": Work(
        lambda small: [small.pay(1, 2), small.pay(3, centre=1), small.pay(4)],
        (1, 2, 3, 4),
        rows=(Kind.PAY,) * 4,
    ),
    "basket": Work(
        lambda small: [small.basket(1, 2, 3)], (1, 2, 3), rows=(Kind.PAY,) * 3
    ),
    "hold": Work(lambda small: [small.pay(1, service=HOLDS)], (1,), rows=(Kind.HOLD,)),
    "expiry": Work(lambda small: [], wait_s=DEADLINE_S + 1, rows=(Kind.EXPIRE,)),
}


class Node:
    """A copy of the small ledger that is led through a log."""

    def __init__(self, small: SmallLedger, path: Path, databases: Databases) -> None:
        self.small = small
        self.databases = databases
        self.time = 0.0
        self.path = small.copied(path)
        self.ledger = open_copy(path)
        self.steps = Steps({})
        self.log = FakeLog(databases, self.steps, sleep=self.sleep)
        self.replicator: Replicator | None = None
        self.seen: list[bytes] = []

    def sleep(self, seconds: float) -> None:
        """The clock goes on."""
        self.time += seconds

    def follow(self) -> int:
        """Take all that the log has; the last sequence then."""
        while chunks := self.log.read(self.ledger.sequence).chunks:
            self.ledger.follow(chunks)
        return self.ledger.sequence

    def lead(self) -> None:
        """Take over from whoever leads."""
        self.log.reconnect()
        head = self.log.head()
        assert (head.sequence, head.chain) == self.ledger.head[:2]
        epoch = self.log.take_over(head, "node", "node:1")
        assert epoch == head.epoch + 1
        self.replicator = Replicator(
            self.log, epoch, patience_s=60, now=lambda: self.time, sleep=self.sleep
        )
        self.ledger.replicate(self.append, epoch)

    def append(self, chunk: bytes) -> int:
        """What the ledger calls: by then nothing of the chunk may be told."""
        assert self.replicator is not None
        what = sealed(chunk)
        assert self.ledger.sequence == what.first - 1
        for place in range(what.last - what.first + 1):
            at = 64 + 128 * place
            id_ = chunk[at : at + 16]
            sender = int.from_bytes(chunk[at + 100 : at + 104], "little")
            assert id_ == bytes(16) or not self.ledger.find(sender, id_)
        self.seen.append(chunk)
        return self.replicator.append(chunk)


@pytest.fixture
def databases(small: SmallLedger) -> Databases:
    """Where the log of the small ledger is kept."""
    return Databases(INSTANCE, small.sequence, small.chain)


def log_ids(databases: Databases) -> list[bytes]:
    """The ids of all rows that are in the log for ever."""
    return [
        each.data[at : at + 16]
        for each in databases.durable_chunks()
        for at in range(64, 64 + 128 * (each.last - each.first + 1), 128)
    ]


def log_kinds(databases: Databases) -> list[int]:
    """Their kinds."""
    return [
        each.data[at + 106]
        for each in databases.durable_chunks()
        for at in range(64, 64 + 128 * (each.last - each.first + 1), 128)
    ]


@pytest.fixture
def pair(
    small: SmallLedger, tmp_path: Path, databases: Databases
) -> "Iterator[tuple[Node, Node]]":
    """One that leads and has a hold, and one that is there to take over."""
    one, other = (Node(small, tmp_path / name, databases) for name in ("a", "b"))
    one.lead()
    ((held,),) = paid(one.ledger, [small.pay(HELD, service=HOLDS)], small.now)
    assert held.result == Result.OK
    yield one, other
    one.ledger.close()
    other.ledger.close()


@pytest.mark.parametrize("name", WORK)
@pytest.mark.parametrize("fault", sorted(Fault), ids=lambda fault: fault.name)
def test_an_answer_is_what_the_log_has(
    small: SmallLedger,
    databases: Databases,
    pair: "tuple[Node, Node]",
    fault: Fault,
    name: str,
) -> None:
    """For each fault of an append and each kind of group."""
    work = WORK[name]
    node, other = pair
    now = small.now + work.wait_s * SECOND_NS
    before, kinds = node.ledger.sequence, log_kinds(databases)
    node.steps.wrong[("append", node.steps.calls.count("append") + 1)] = fault
    asks = work.asks(small)
    try:
        told = [one for each in paid(node.ledger, asks, now) for one in each]
    except NotLeaderError:
        told = None
    ids = [id_of(number) for number in work.ids]
    if told is None:
        assert fault in (Fault.FENCED_BEFORE, Fault.FENCED_BEFORE_LOST)
        assert not set(ids) & set(log_ids(databases))
        assert log_kinds(databases) == kinds
        assert node.ledger.sequence == before
    else:
        assert [one.result for one in told] == [Result.OK] * len(ids)
        assert log_ids(databases)[-len(ids) :] == ids or not ids
        assert tuple(log_kinds(databases)[len(kinds) :]) == work.rows
        assert node.ledger.sequence == before + len(work.rows)
        assert [one.sequence for one in told] == list(
            range(before + 1, before + 1 + len(ids))
        )
    check_who_is_dead(small, node, fault, now)
    check_who_takes_over(small, databases, other, asks, now, told)


def check_who_is_dead(small: SmallLedger, node: Node, fault: Fault, now: int) -> None:
    """Who was deposed does nothing any more; who was not goes on."""
    ask: list[Ask] = [small.pay(NEXT)]
    if fault not in FENCES:
        assert paid(node.ledger, ask, now)[0][0].result == Result.OK
        return
    before = node.ledger.sequence
    with pytest.raises(NotLeaderError):
        paid(node.ledger, ask, now)
    assert node.ledger.dead
    with pytest.raises((NotLeaderError, DeadError)):
        paid(node.ledger, ask, now)
    assert node.ledger.sequence == before


def check_who_takes_over(
    small: SmallLedger,
    databases: Databases,
    node: Node,
    asks: list[Ask],
    now: int,
    told: object,
) -> None:
    """From the log alone, after the loss of a database node: the same answers."""
    databases.land_late()
    databases.lose_primary()
    databases.ship(node.log.standby)
    log = databases.durable_chunks()
    assert is_one_chain(log, small.sequence, small.chain)
    node.follow()
    node.lead()
    again = [one for each in paid(node.ledger, asks, now + SECOND_NS) for one in each]
    assert all(one.result == Result.OK for one in again)
    if told is None:
        return
    assert isinstance(told, list)
    for first, second in zip(told, again, strict=True):
        assert (first.sequence, first.timestamp, first.receipt) == (
            second.sequence,
            second.timestamp,
            second.receipt,
        )


def test_what_cannot_be_known_is_unknown(
    small: SmallLedger, databases: Databases, pair: tuple[Node, Node]
) -> None:
    """Without a quorum: nothing is told or shown, and opening decides."""
    node, _ = pair
    before = node.ledger.sequence
    databases.attached = [False, False]
    with pytest.raises(UnknownOutcomeError):
        paid(node.ledger, [small.pay(1)], small.now + SECOND_NS)
    assert node.ledger.sequence == before
    assert node.ledger.dead
    with pytest.raises(DeadError):
        paid(node.ledger, [small.pay(2)], small.now + SECOND_NS)
    node.ledger.close()
    with open_copy(node.path) as opened:
        assert opened.sequence == before


def test_a_log_that_fails_leaves_it_unknown(
    small: SmallLedger, pair: tuple[Node, Node]
) -> None:
    """Whatever it raises."""
    _, other = pair
    other.follow()

    def fails(chunk: bytes) -> int:
        raise RuntimeError("no log")

    other.ledger.replicate(fails, 2)
    with pytest.raises(UnknownOutcomeError):
        paid(other.ledger, [small.pay(1)], small.now + SECOND_NS)
    assert other.ledger.dead


def test_a_ledger_of_a_cluster_does_not_commit_alone(
    small: SmallLedger, pair: tuple[Node, Node]
) -> None:
    """What was led through a log goes on through it, or not at all."""
    _, other = pair
    before = other.follow()
    with pytest.raises(SwitchError):
        paid(other.ledger, [small.pay(1)], small.now + SECOND_NS)
    assert other.ledger.sequence == before


def test_what_is_not_there_is_not_sent(
    small: SmallLedger, pair: tuple[Node, Node]
) -> None:
    """A commit without rows, and a message that is answered from what is there."""
    node, _ = pair
    seen = len(node.seen)
    assert paid(node.ledger, [], small.now + SECOND_NS) == []
    again = paid(node.ledger, [small.pay(HELD, service=HOLDS)], small.now + SECOND_NS)
    assert again[0][0].result == Result.OK
    assert len(node.seen) == seen
