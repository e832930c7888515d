"""Goal: a task that fails or ends is told of and begun again, until the server stops;
who cannot be told that it stops keeps it from nobody else.

Method: tasks that fail as often as the test says, with short pauses.
"""

import asyncio
import logging
from pathlib import Path

import pytest

from server import tasks
from server.tasks import Supervisor
from tests.server.inside import inside

WAIT_S = 10.0


async def test_a_task_that_fails_is_begun_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun: list[int] = []
    runs = asyncio.Event()

    async def run() -> None:
        begun.append(len(begun))
        if len(begun) == 1:
            raise RuntimeError("a mistake")
        if len(begun) == 2:
            return
        runs.set()
        await asyncio.Event().wait()

    supervisor = Supervisor(pause_first_s=0.001)
    with caplog.at_level(logging.CRITICAL):
        supervisor.start("watch", run)
        await asyncio.wait_for(runs.wait(), WAIT_S)
    assert supervisor.failures == 2
    assert "ALARM: the task watch failed" in caplog.text
    assert "a mistake" in caplog.text
    assert "ALARM: the task watch ended by itself" in caplog.text
    await supervisor.stop()
    assert begun == [0, 1, 2]


async def test_pauses_grow_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "PAUSE_MAX_S", 4.0)
    pauses: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:
            enough.set()
            await asyncio.Event().wait()

    async def run() -> None:
        raise RuntimeError("again")

    monkeypatch.setattr("server.tasks.asyncio.sleep", sleep)
    supervisor = Supervisor()
    supervisor.start("watch", run)
    await asyncio.wait_for(enough.wait(), WAIT_S)
    assert pauses == [1.0, 2.0, 4.0, 4.0, 4.0]
    await supervisor.stop()


async def test_one_task_that_fails_leaves_the_others_alone() -> None:
    other = asyncio.Event()

    async def fail() -> None:
        raise RuntimeError("a mistake")

    async def run() -> None:
        await asyncio.sleep(0.01)
        other.set()
        await asyncio.Event().wait()

    supervisor = Supervisor(pause_first_s=0.001)
    supervisor.start("one", fail)
    supervisor.start("two", run)
    await asyncio.wait_for(other.wait(), WAIT_S)
    await supervisor.stop()


async def test_all_others_hear_that_the_server_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def fail() -> None:
        raise RuntimeError("a mistake")

    def hear(number: int) -> None:
        heard.append(number)

    async with inside(tmp_path) as one:
        for number in range(5):
            one.node.add_stop(lambda number=number: hear(number))  # type: ignore[misc]
        one.node.add_stop(fail)
        one.node.stop_streams()
    assert sorted(heard) == [0, 1, 2, 3, 4]
    assert "a mistake" in caplog.text
