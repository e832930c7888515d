"""Goal: where a few things are done at a time nobody uses up a room for all, and what
some claim leaves room for whoever comes.

Method: rooms whose callers the test holds, with cancelled ones; claims of any size,
against a plain sum; what arrives too slowly, by a clock of the test's own.
"""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import asking
from server.rooms import Room
from server.services import arriving
from server.services.arriving import Arriving
from server.shares import Halves
from server.status import LateError
from switch.codes import Role
from switch.errors import OverloadError
from switch.register.identity import Identity
from tests.server.inside import FakeCall


class Visits:
    """Who is in a room, and in which order they came."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.inside: list[int] = []
        self.came: list[int] = []
        self.gates: dict[asyncio.Task[None], asyncio.Event] = {}

    def begin(self, owner: int) -> "asyncio.Task[None]":
        gate = asyncio.Event()
        task = asyncio.create_task(self._visit(owner, gate))
        self.gates[task] = gate
        return task

    async def _visit(self, owner: int, gate: asyncio.Event) -> None:
        asking.begin(Identity(Role.CENTRE, "x", owner), lambda _: None)
        async with self.room.enter():
            self.inside.append(owner)
            self.came.append(owner)
            await gate.wait()
            self.inside.remove(owner)

    async def end(self, task: "asyncio.Task[None]") -> None:
        self.gates[task].set()
        await task
        await turn()


async def turn() -> None:
    """Let the others go on."""
    for _ in range(5):
        await asyncio.sleep(0)


def room(**changes: int) -> Room:
    values = {"at_once": 3, "own_at_once": 2, "all_max": 4, "own_max": 3, **changes}
    return Room("visits", **values)


async def test_one_owner_leaves_a_place_to_others() -> None:
    visits = Visits(room())
    greedy = [visits.begin(1) for _ in range(4)]
    await turn()
    assert visits.inside == [1, 1]
    other = visits.begin(2)
    await turn()
    assert visits.inside == [1, 1, 2]
    # Two of the greedy one's wait; a place that is not its own does not help it.
    await visits.end(other)
    assert visits.inside == [1, 1]
    for task in greedy:
        await visits.end(task)
    assert visits.inside == []


async def test_who_waits_has_turns() -> None:
    visits = Visits(room(at_once=1, own_at_once=1, all_max=9))
    first = visits.begin(9)
    await turn()
    waiting = [visits.begin(owner) for owner in (1, 1, 1, 2, 3)]
    await turn()
    await visits.end(first)
    for task in waiting:
        visits.gates[task].set()
    await asyncio.gather(*waiting)
    assert visits.came == [9, 1, 2, 3, 1, 1]


async def test_a_line_has_a_share_for_each() -> None:
    visits = Visits(room(at_once=1, own_at_once=1))
    begun = [visits.begin(1)]
    await turn()
    begun += [visits.begin(1) for _ in range(2)]
    await turn()
    with pytest.raises(OverloadError, match="visits of the caller wait"):
        await visits.begin(1)
    # Whoever has nothing there finds a place.
    begun += [visits.begin(owner) for owner in range(2, 9)]
    await turn()
    assert not any(task.done() for task in begun)
    for task in begun:
        visits.gates[task].set()
    await asyncio.gather(*begun)
    assert sorted(visits.came) == [1, 1, 1, *range(2, 9)]


async def test_who_goes_away_leaves_line_and_room() -> None:
    visits = Visits(room(at_once=1, own_at_once=1, own_max=1))
    inside = visits.begin(1)
    await turn()
    waits = visits.begin(2)
    await turn()
    waits.cancel()
    await turn()
    assert waits.cancelled()
    # Its place in the line is free again, and so is the room behind whoever is inside.
    again = visits.begin(2)
    await turn()
    assert not again.done()
    inside.cancel()
    await turn()
    assert visits.came == [1, 2]
    await visits.end(again)


async def test_a_place_that_was_given_to_who_goes_away_is_the_next_ones() -> None:
    visits = Visits(room(at_once=1, own_at_once=1))
    inside = visits.begin(1)
    await turn()
    gone, following = visits.begin(2), visits.begin(3)
    await turn()
    visits.gates[inside].set()
    await asyncio.sleep(0)
    # It has its turn by now, and has not gone on yet.
    gone.cancel()
    await turn()
    assert visits.came == [1, 3]
    await visits.end(following)


# --- claims --------------------------------------------------------------------------


def test_two_large_claims_leave_room_for_a_third() -> None:
    halves = Halves("lines", 3_000)
    halves.claim(1, 1_000)
    halves.claim(2, 1_000)
    with pytest.raises(OverloadError, match="501 lines are more than half of"):
        halves.claim(3, 501)
    halves.claim(3, 500)
    halves.claim(4, 250)
    # Others' room does not come from what the same one gives back in part.
    halves.release(1, 1_000)
    halves.claim(4, 100)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400)), max_size=60))
def test_claims_never_exceed_what_there_is(steps: list[tuple[int, int]]) -> None:
    halves, held = Halves("lines", 1_000), [0] * 6
    for owner, units in steps:
        others = sum(held) - held[owner]
        fits = held[owner] + units <= (1_000 - others) // 2
        try:
            halves.claim(owner, units)
        except OverloadError:
            assert not fits
            if held[owner]:
                halves.release(owner, held[owner])
                held[owner] = 0
        else:
            assert fits
            held[owner] += units
        assert sum(held) <= 1_000
    # Whoever comes finds room for something, as long as claims are not of single lines.
    assert 1_000 - sum(held) >= 1_000 >> 6


# --- what arrives --------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr("server.services.arriving.time.monotonic", lambda: now[0])
    return now


def test_what_arrives_too_slowly_is_ended(clock: list[float]) -> None:
    slow = Arriving()
    clock[0] += arriving.FREE_S
    slow.take(0)
    clock[0] += 10
    slow.take(10 * arriving.PACE_PER_S)
    clock[0] += 1
    with pytest.raises(LateError, match="10,001 lines have arrived"):
        slow.take(1)


async def test_no_message_is_waited_for_beyond_the_whole(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "SILENT_S", 60.0)
    begun = Arriving()
    clock[0] += arriving.ARRIVES_S

    class Silent(FakeCall):
        async def read(self) -> Any:
            await asyncio.Event().wait()

    with pytest.raises(LateError, match="more than 600 s"):
        await begun.read(Silent("biller/power", []))
