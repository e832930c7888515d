"""Goal: short look-ups go to their thread together, and none of them costs another.

Method: a node in the test's own process.
"""

import asyncio
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server.node import LOOKS_MAX, READS_WAITING_MAX
from switch.errors import OverloadError
from tests.server.inside import inside

WAIT_S = 60.0


async def test_looks_of_a_turn_share_a_thread_and_one_wake_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with inside(tmp_path) as one:
        node = one.node
        told: list[tuple[int, Any]] = []
        threads: set[str] = set()
        turns: list[int] = []
        turn = 0
        all_told = asyncio.Event()

        def next_turn() -> None:
            nonlocal turn
            turn += 1
            if not all_told.is_set():
                node.loop.call_soon(next_turn)

        def look(number: int) -> int:
            threads.add(threading.current_thread().name)
            if number == 1:
                raise LookupError("not there")
            return number * number

        def done(number: int, result: Any, error: Exception | None) -> None:
            told.append((number, error or result))
            turns.append(turn)
            if number == LOOKS_MAX - 1:
                all_told.set()
            if number == 2:
                raise ValueError("of its own")

        next_turn()
        for number in range(LOOKS_MAX):
            node.look_up(partial(look, number), partial(done, number))
        assert node.reads_count == LOOKS_MAX
        await asyncio.wait_for(all_told.wait(), WAIT_S)
        assert [number for number, _ in told] == list(range(LOOKS_MAX))
        assert isinstance(told[1][1], LookupError)
        assert told[3] == (3, 9)
        assert threads == {"look_0"}
        # All in one turn, and the failure of one is its own.
        assert len(set(turns)) == 1
        assert "an answer could not be given" in caplog.text
        assert node.reads_count == 0


async def test_looks_that_wait_are_bounded(tmp_path: Path) -> None:
    async with inside(tmp_path) as one:
        held = threading.Event()
        try:
            looks = [
                asyncio.ensure_future(one.node.look(held.wait, WAIT_S))
                for _ in range(READS_WAITING_MAX)
            ]
            await asyncio.sleep(0)
            with pytest.raises(OverloadError):
                await one.node.look(held.is_set)
            # One that is given up holds its place until it was made.
            looks.pop().cancel()
        finally:
            held.set()
        assert all(await asyncio.gather(*looks))
        assert await one.node.look(held.is_set)
