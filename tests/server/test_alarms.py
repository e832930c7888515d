"""Goal: holds that pass T+1 are said in the log, each once, without being asked for.

Method: a real ledger and a clock that the test moves; the log is read.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from server.alarms import Alarms
from server.node import Node
from switch.errors import OverloadError
from switch.ledger.cases import Exceptions
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import Bench, benches

DAY_S = 86_400


class FakeNode:
    """What an alarm needs of a server; reads at once."""

    def __init__(self, bench: Bench) -> None:
        self.exceptions = Exceptions(bench.ledger)
        self.error: Exception | None = None

    async def read(self, call: Callable[..., Any], *args: Any) -> Any:
        if self.error is not None:
            raise self.error
        return call(*args)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from benches(tmp_path)


def alarms_of(bench: Bench) -> tuple[Alarms, FakeNode]:
    node = FakeNode(bench)
    return Alarms(cast(Node, node), wall_ns=bench.wall_ns), node


def said(alarms: Alarms, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What one look logs."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "server.alarms"):
        asyncio.run(alarms.look())
    return [record.getMessage() for record in caplog.records]


def test_a_hold_that_passes_t_plus_1_is_said_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    alarms, _ = alarms_of(bench)
    assert said(alarms, caplog) == []
    one, two = bench.pay(2, code="LONG")
    # Taken at eight in the morning: the next day ends forty hours later.
    bench.pass_s(40 * 3_600 - 1)
    assert said(alarms, caplog) == []
    bench.pass_s(1)
    assert said(alarms, caplog) == [
        f"ALARM: 2 holds are open after T+1, the oldest is entry {one}"
    ]
    bench.pass_s(3_600)
    assert said(alarms, caplog) == []
    # A server that starts anew says it anew.
    assert len(said(alarms_of(bench)[0], caplog)) == 1
    # One is resolved while another becomes overdue: as many as before, and yet new.
    bench.pay(code="LONG")
    bench.pass_s(2 * DAY_S)
    biller, connection = bench.connect()
    connection.take()
    question = pb.Question(number=one, id=bench.ledger.row(one)["id"].tobytes())
    assert not bench.answer(biller, [question])
    assert said(alarms, caplog) == [
        f"ALARM: 2 holds are open after T+1, the oldest is entry {two}"
    ]
    assert said(alarms, caplog) == []


def test_a_look_that_fails_is_said_and_made_up_for(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    alarms, node = alarms_of(bench)
    bench.pay(code="LONG")
    bench.pass_s(3 * DAY_S)
    node.error = OverloadError("too much to do")
    assert said(alarms, caplog) == ["cannot look for overdue holds: too much to do"]
    node.error = None
    assert len(said(alarms, caplog)) == 1
