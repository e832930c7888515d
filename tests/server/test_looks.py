"""Goal: short look-ups go to their thread together, and none of them costs another.

Method: a node in the test's own process.
"""

import asyncio
import threading
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from server.reading import LOOKS_MAX, OWN_LOOKS_MAX, Key, Wanted
from switch.errors import OverloadError
from switch.ids import new_id
from switch.ledger.statements import Found
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
            node.look_up(7, partial(look, number), partial(done, number))
        assert node.looks.count == LOOKS_MAX
        await asyncio.wait_for(all_told.wait(), WAIT_S)
        assert [number for number, _ in told] == list(range(LOOKS_MAX))
        assert isinstance(told[1][1], LookupError)
        assert told[3] == (3, 9)
        assert threads == {"look_0"}
        # All in one turn, and the failure of one is its own.
        assert len(set(turns)) == 1
        assert "an answer could not be given" in caplog.text
        assert node.looks.count == 0


async def test_rows_that_looks_want_are_found_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one of them meets is its own; what all meet is told to each."""
    async with inside(tmp_path) as one:
        node = one.node
        asked: list[list[Key]] = []
        find = node.ledger.find_entries

        def noted(keys: list[Key]) -> list[Found]:
            asked.append(keys)
            return [LookupError("damaged"), *find(keys)[1:]]

        def then(found: Found) -> str:
            if isinstance(found, Exception):
                raise found
            return f"found {found}"

        def look(number: int) -> Any:
            return Wanted((number, new_id(), None), then) if number else "no row"

        def looks() -> list[Coroutine[Any, Any, Any]]:
            return [node.look(look, number) for number in (1, 2, 3, 0)]

        ledger = SimpleNamespace(find_entries=noted)
        monkeypatch.setattr(node, "ledger", ledger)
        met, *found = await asyncio.gather(*looks(), return_exceptions=True)
        assert isinstance(met, LookupError)
        assert found == ["found None", "found None", "no row"]
        assert [len(keys) for keys in asked] == [3]
        monkeypatch.setattr(ledger, "find_entries", lambda keys: 1 / 0)
        *met_by_all, other = await asyncio.gather(*looks(), return_exceptions=True)
        assert [type(each) for each in met_by_all] == 3 * [ZeroDivisionError]
        assert other == "no row"


async def test_looks_that_wait_are_bounded(tmp_path: Path) -> None:
    async with inside(tmp_path) as one:
        held = threading.Event()
        try:
            looks = [
                asyncio.ensure_future(one.node.look(held.wait, WAIT_S))
                for _ in range(OWN_LOOKS_MAX)
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
