"""Goal: who sends little does not wait for who sends much, and finds room beside them.

Method: a model of the turns and of the room (tests/core/fair.py) stands beside the
queue, on random senders and sizes. The queue makes one group at a time: all but one of
those that may be done are kept, so that each release lets it make the next.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks._drive import Taker
from switch._core import ANSWER, GROUP_MAX, Ledger, Queue, Request
from switch.errors import DeadError, OverloadError
from tests.core.fair import TURN_ROWS, Call, FairQueue
from tests.core.queues import OPTIONS, WAIT_S, until
from tests.readable import readable

DONE_GROUPS_MAX = 8
SENDERS_MAX = 8_192
FULL = -40005
STOPPED = -40006
Taken = tuple[int, list[tuple[int, int, int, bytes]]]
ROWS_MAX = 16 * GROUP_MAX
TAIL_MAX = 64 << 20


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(str(tmp_path / "ledger"), **OPTIONS) as one:
        yield one


def message(rows: int) -> bytes:
    """Payments that lack everything: each is refused and leaves no row."""
    return b"\x0a\x00" * rows


def bytes_of(rows: int) -> int:
    """What the queue counts for such a message: itself, and its tails."""
    return 2 * rows + min(2 * rows + 72 * rows, 128 * rows)


class Steps:
    """A queue that makes a group each time it is told to, and its model."""

    def __init__(self, ledger: Ledger, rows_max: int, bytes_max: int) -> None:
        self.queue = Queue(ledger, rows_max=rows_max, bytes_max=bytes_max, gather_s=0)
        self.model = FairQueue(rows_max, bytes_max)
        self.taker = Taker(self.queue.capsule())
        self.tags = 0
        self.queue.start()
        for number in range(DONE_GROUPS_MAX):
            assert self.taker.submit(message(1), 1, 1, 0) == 0, number
            until(lambda: self.queue.rows_waiting == 0)
        # One more is made only when one of these is released.
        self.left = DONE_GROUPS_MAX
        self.made: list[list[int]] = []
        self.taken: list[list[int]] = []

    def submit(self, sender: int, rows: int) -> int:
        """A call of so many rows; its tag, or 0 if it finds no room."""
        call = Call(self.tags + 1, rows, bytes_of(rows))
        took = self.model.add(sender, call)
        rc = self.taker.submit(message(rows), rows, sender, call.tag)
        assert rc == (0 if took else FULL)
        self.tags += took
        return call.tag if took else 0

    def take(self) -> list[int]:
        """The tags of the next group that was made."""
        taken = None
        while taken is None:
            taken = self.taker.take()
            if taken is None:
                assert readable(self.taker.fileno(), WAIT_S)
        rc, parts = taken
        assert rc == 0
        self.taker.release()
        return [tag for tag, _, _, _ in parts]

    def step(self) -> list[int]:
        """Let one more group be made; the tags that are in it, by the model."""
        tags = self.take()
        if self.left:
            self.left -= 1
            assert tags == [0]
        else:
            assert tags == self.made[len(self.taken)]
            self.taken.append(tags)
        self.made.append([call.tag for call in self.model.group()])
        if not self.made[-1]:
            # Nothing waits, and nothing is made.
            self.made.pop()
            assert self.taker.submit(message(1), 1, 1, 0) == 0
            self.made.append([0])
        until(lambda: self.queue.rows_waiting == self.model.rows())
        return self.made[-1]

    def end(self) -> None:
        while self.model.rows():
            self.step()
        while len(self.taken) < len(self.made):
            if self.left:
                self.left -= 1
                self.take()
                continue
            tags = self.take()
            assert tags == self.made[len(self.taken)]
            self.taken.append(tags)
        assert self.queue.stop(WAIT_S)


SIZES = (1, 1, 1, 2, 16, 63, 64, 65, 300, 1_000, 4_095, 4_096, GROUP_MAX)


SENDERS = 40


@pytest.mark.parametrize("seed", range(5))
def test_the_model_says_who_goes_when(ledger: Ledger, seed: int) -> None:
    chance = random.Random(seed)
    # Some queues are small, some are full by their bytes.
    rows_max = chance.choice((ROWS_MAX, GROUP_MAX, 3 * GROUP_MAX))
    steps = Steps(ledger, rows_max, chance.choice((TAIL_MAX, 4 << 20)))
    sender_of: dict[int, int] = {}
    made_of: dict[int, int] = {}
    sent_at: dict[int, int] = {}
    for at in range(40):
        for _ in range(chance.choice((0, 1, 3, 12, 60))):
            sender = chance.randrange(1, chance.choice((3, SENDERS + 1)))
            tag = steps.submit(sender, chance.choice(SIZES))
            if tag:
                sender_of[tag] = sender
                sent_at[tag] = at
        for tag in steps.step():
            made_of[tag] = at
    while steps.model.rows():
        at += 1
        for tag in steps.step():
            made_of[tag] = at
    steps.end()
    # All went out, and each sender's in their order.
    assert set(sender_of) <= set(made_of)
    order = [tag for group in steps.made for tag in group if tag]
    for sender in set(sender_of.values()):
        mine = [tag for tag in order if sender_of[tag] == sender]
        assert mine == sorted(mine)
    # Of half of each group everybody has a share: a group's rows take so many.
    waited = max(made_of[tag] - sent_at[tag] for tag in sender_of)
    assert waited <= 2 * SENDERS + rows_max // GROUP_MAX


@pytest.mark.parametrize("rows", [40, 4_096, GROUP_MAX])
def test_a_lone_payment_is_in_the_next_group_but_one(ledger: Ledger, rows: int) -> None:
    steps = Steps(ledger, ROWS_MAX, TAIL_MAX)
    lone = 0
    for at in range(12):
        for sender in range(1, 17):
            while steps.submit(sender, rows):
                if steps.model.rows() > 10 * GROUP_MAX:
                    break
        if at % 2 == 0:
            lone = steps.submit(100 + at, 1)
            assert lone
        made = steps.step()
        assert at % 2 == 0 or lone in made + steps.made[-2]
    steps.end()


def test_many_floods_leave_room_for_others(ledger: Ledger) -> None:
    steps = Steps(ledger, ROWS_MAX, TAIL_MAX)
    for sender in range(1, 33):
        while steps.submit(sender, 100):
            pass
    held = sorted((steps.model.rows(sender) for sender in range(1, 33)), reverse=True)
    # The first has half, none has nothing.
    assert held[0] <= ROWS_MAX // 2
    assert held[-1] >= 100
    # A quarter is left, less a first call of each: more than a whole group.
    assert steps.submit(40, GROUP_MAX)
    assert steps.submit(41, GROUP_MAX)


def test_full_of_large_calls_there_is_room_for_a_lone_payment(ledger: Ledger) -> None:
    steps = Steps(ledger, ROWS_MAX, TAIL_MAX)
    for sender in range(1, 17):
        assert steps.submit(sender, GROUP_MAX)
    # The reserve is for small calls, and for those who have nothing waiting.
    assert not steps.submit(17, TURN_ROWS + 1)
    assert not steps.submit(1, 1)
    for sender in range(1, ROWS_MAX // 64 // TURN_ROWS + 1):
        assert steps.submit(100 + sender, TURN_ROWS)
    assert not steps.submit(999, TURN_ROWS)
    assert steps.submit(1_000, 1)
    assert not steps.submit(1_000, 1)


def test_senders_have_a_bound(ledger: Ledger) -> None:
    queue = Queue(ledger, rows_max=ROWS_MAX)
    taker = Taker(queue.capsule())
    for sender in range(SENDERS_MAX):
        assert taker.submit(message(1), 1, sender + 1, sender + 1) == 0
    assert taker.submit(message(1), 1, SENDERS_MAX + 1, 0) == FULL
    assert taker.submit(message(1), 1, 1, SENDERS_MAX + 1) == 0
    queue.start()
    assert queue.stop(WAIT_S)
    tags: list[int] = []
    while (taken := taker.take()) is not None:
        tags += [tag for tag, _, _, _ in taken[1]]
        taker.release()
    assert sorted(tags) == list(range(1, SENDERS_MAX + 2))


def answers(biller: int, rows: int) -> Request:
    """Answers to questions that nobody asked."""
    made = np.zeros(rows, ANSWER)
    made["number"] = 1 << 40
    made["kind"] = 1
    return Request.answers(made, biller)


def test_answers_come_first_in_half_of_a_group(ledger: Ledger) -> None:
    queue = Queue(ledger, gather_s=0)
    queue.fileno()
    groups: list[Any] = []
    queue.start()
    with queue.paused():
        queue.submit(Request.payments(message(1), 1, 0), 1)
        until(lambda: queue.rows_waiting == 0)
        for _ in range(2 * GROUP_MAX // 1_000):
            queue.submit(Request.payments(message(1_000), 1, 0), 2)
        for biller in (7, 8):
            for _ in range(5):
                queue.submit(answers(biller, 1_000), biller)
    end = time.monotonic() + WAIT_S
    while sum(rows for _, parts in groups for _, rows, _ in parts) < 26_001:
        assert time.monotonic() < end
        readable(queue.fileno(), 1.0)
        groups += queue.take()
    assert queue.stop(WAIT_S)
    rows = [Counter[int]() for _ in groups]
    for counter, (_, parts) in zip(rows, groups, strict=True):
        for tag, count, _ in parts:
            counter[tag] += count
    # Both billers have their turns; what the half leaves is for payments.
    assert rows[1] == {7: 2_000, 8: 2_000, 2: 4_000}
    assert rows[0] == {1: 1}


# --- takers ---------------------------------------------------------------------------


def take_all(taker: Taker) -> list[Taken]:
    groups: list[Taken] = []
    while (taken := taker.take()) is not None:
        groups.append(taken)
        taker.release()
    return groups


def take_some(taker: Taker) -> list[Taken]:
    groups: list[Taken] = []
    end = time.monotonic() + WAIT_S
    while not groups:
        assert time.monotonic() < end
        readable(taker.fileno(), 1.0)
        groups = take_all(taker)
    return groups


def test_each_taker_gets_its_own_of_a_group(ledger: Ledger) -> None:
    queue = Queue(ledger)
    takers = [Taker(queue.capsule()) for _ in range(3)]
    queue.start()
    # The same tags everywhere: they are each taker's own.
    with queue.paused():
        queue.submit(Request.payments(message(1), 1, 0), 1)
        until(lambda: queue.rows_waiting == 0)
        for tag in (5, 6, 5):
            for number, taker in enumerate(takers[:2], 1):
                assert taker.submit(message(number), number, number, tag) == 0
            queue.submit(Request.payments(message(4), 9, 0), tag)
    for number, taker in enumerate(takers[:2], 1):
        [(rc, parts)] = take_some(taker)
        assert rc == 0
        assert [(tag, rows) for tag, rows, _, _ in parts] == [
            (5, 2 * number),
            (6, number),
        ]
        assert all(result for _, _, result, _ in parts)
        assert all(answer for _, _, _, answer in parts)
    assert queue.stop(WAIT_S)
    [(_, first), (_, second)] = queue.take()
    assert [(tag, rows) for tag, rows, _ in first] == [(1, 1)]
    assert [(tag, rows) for tag, rows, _ in second] == [(5, 8), (6, 4)]
    assert take_all(takers[2]) == []


def test_a_taker_that_sleeps_holds_up_others_by_its_own_calls_only(
    ledger: Ledger,
) -> None:
    queue = Queue(ledger, gather_s=0)
    # Python hears of every group from here on, and does not look.
    queue.fileno()
    taker, sleeper = Taker(queue.capsule()), Taker(queue.capsule())
    queue.start()
    for tag in range(4 * DONE_GROUPS_MAX):
        assert taker.submit(message(1), 1, 1, tag) == 0
        assert readable(taker.fileno(), WAIT_S)
        [(rc, parts)] = take_some(taker)
        assert (rc, [one[0] for one in parts]) == (0, [tag])
    # What Python was told of is there, and what it slept through wakes it all the same.
    assert 0 < len(queue.take()) < DONE_GROUPS_MAX
    # Its own calls are kept, and then nobody goes on.
    for tag in range(DONE_GROUPS_MAX):
        assert sleeper.submit(message(1), 1, 2, tag) == 0
        until(lambda: queue.rows_waiting == 0)
    assert taker.submit(message(1), 1, 1, 99) == 0
    time.sleep(0.05)
    assert queue.rows_waiting == 1
    slept = [one[0] for _, parts in take_some(sleeper) for one in parts]
    assert slept == list(range(DONE_GROUPS_MAX))
    [(rc, parts)] = take_some(taker)
    assert [one[0] for one in parts] == [99]
    assert queue.stop(WAIT_S)


def test_takers_have_a_bound(ledger: Ledger) -> None:
    queue = Queue(ledger)
    takers = [Taker(queue.capsule()) for _ in range(7)]
    with pytest.raises(OSError, match="taker"):
        Taker(queue.capsule())
    assert len({taker.fileno() for taker in takers}) == 7


def test_what_a_message_holds_is_counted(ledger: Ledger) -> None:
    taker = Taker(Queue(ledger).capsule())
    basket = b"\x12\x04\x0a\x00\x0a\x00"
    assert taker.count(message(3) + basket) == (0, 5, 3, 1)
    assert taker.count(b"")[0] == -40014
    assert taker.count(b"\x12\x00")[0] == -40014
    assert taker.count(b"\x0a\x05")[0] == -40010
    assert taker.count(message(GROUP_MAX))[0] == 0
    assert taker.count(message(GROUP_MAX + 1))[0] == -40013


def test_stop_tells_each_taker_what_was_never_committed(ledger: Ledger) -> None:
    queue = Queue(ledger)
    takers = [Taker(queue.capsule()) for _ in range(2)]
    sent: dict[int, list[int]] = {0: [], 1: [], 2: []}
    chance = random.Random(1)
    bodies = [message(rows) for rows in range(1, 9)]
    # More than a group has calls, so that each hears of it in several.
    for tag in range(1, 30_001):
        number = chance.randrange(3)
        rows = chance.choice((1, 1, 1, 2, 3))
        sender = chance.randrange(1, 400)
        if number == 0:
            queue.submit(Request.payments(bodies[rows - 1], sender, 0), tag)
        else:
            body = bytes(bytearray(bodies[rows - 1]))
            assert takers[number - 1].submit(body, rows, sender, tag) == 0
        sent[number].append(tag)
    assert not queue.stop(WAIT_S)
    assert takers[0].submit(message(1), 1, 1, 1) == STOPPED
    with pytest.raises(DeadError):
        queue.submit(Request.payments(message(1), 1, 0), 1)
    for number, taker in enumerate(takers, 1):
        groups = take_all(taker)
        assert {rc for rc, _ in groups} == {STOPPED}
        assert sorted(one[0] for _, parts in groups for one in parts) == sent[number]
    taken = queue.take()
    assert all(isinstance(error, DeadError) for error, _ in taken)
    assert sorted(tag for _, parts in taken for tag, _, _ in parts) == sent[0]
    assert ledger.sequence == 0


def test_who_is_refused_has_nothing_kept(ledger: Ledger) -> None:
    queue = Queue(ledger, rows_max=GROUP_MAX)
    queue.submit(Request.payments(message(GROUP_MAX), 1, 0), 1)
    for sender in (1, 2):
        with pytest.raises(OverloadError):
            queue.submit(Request.payments(message(100), sender, 0), 2)
    assert queue.rows_waiting == GROUP_MAX
    queue.stop(0)
    [(_, parts)] = queue.take()
    assert [(tag, rows) for tag, rows, _ in parts] == [(1, GROUP_MAX)]
