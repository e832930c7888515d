"""Goal: the front door speaks gRPC: every kind of call, as grpcio's client sees it.

Method: the compiled front alone, without the server behind it; real sockets and
certificates.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.door import WAIT_S, Reached, running


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    directory: Path = tmp_path_factory.mktemp("door")
    with running(directory) as door:
        yield door


@pytest.fixture(scope="module")
def channel(reached: Reached) -> Iterator[Any]:
    with reached.channel() as channel:
        yield channel


@pytest.mark.parametrize("size", [0, 1, 100, 16_384, 70_000, 1 << 20, 4 << 20])
def test_a_unary_call_is_answered(channel: Any, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    echo = channel.unary_unary("/test.Door/Echo")
    assert echo(body, timeout=WAIT_S) == body


def test_many_calls_at_a_time_each_get_their_own(channel: Any) -> None:
    echo = channel.unary_unary("/test.Door/Echo")
    calls = [echo.future(b"%d" % i, timeout=WAIT_S) for i in range(1_000)]
    assert [call.result() for call in calls] == [b"%d" % i for i in range(1_000)]


def test_a_server_stream_gives_all_in_order(channel: Any) -> None:
    count = channel.unary_stream("/test.Door/Count")
    assert list(count(b"3000", timeout=WAIT_S)) == [b"%d" % i for i in range(3_000)]


def test_a_conversation_goes_both_ways(channel: Any) -> None:
    chat = channel.stream_stream("/test.Door/Chat")
    bodies = [b"a", b"", b"b" * 200_000, b"c"] + [b"%d" % i for i in range(500)]
    assert list(chat(iter(bodies), timeout=WAIT_S)) == bodies
