"""Goal: streams without room in the queue wait in order, and cost little meanwhile.

Method: the front and the scripted queue of test_hot.py.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memory import tmp_path
from tests.server.scripted_queue import FULL, OK
from tests.server.test_hot import Hot

__all__ = ["tmp_path"]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Hot]:
    one = Hot(tmp_path)
    yield one
    one.stop()


def test_streams_that_wait_are_not_tried_with_each_turn(door: Hot) -> None:
    """Ten of one participant, for which there is as little room as for the first."""
    door.queue.rc = FULL
    streams = [door.stream() for _ in range(10)]
    for stream in streams:
        stream.send(b"p1 ", b"p2 ")
    door.wait_until(lambda counts: counts["messages_in"] >= 10)
    before, tries = door.front.counters()["turns"], door.queue.tries
    for count in range(200):
        door.front.want(0)  # a turn for something else
        door.wait_until(
            lambda counts, least=before + count: counts["turns"] > least  # type: ignore[misc]
        )
    assert door.queue.tries - tries <= door.front.counters()["turns"] - before
    door.queue.rc = OK
    for stream in streams:
        stream.close()
    # Of each stream the first before the second, whoever waited longer.
    found: dict[int, bytes] = {}
    while sum(map(len, found.values())) < len(streams) * 6:
        for one in door.queue.take(1):
            found[one.tag] = found.get(one.tag, b"") + one.body
            door.queue.answer(one)
    assert set(found.values()) == {b"p1 p2 "}
