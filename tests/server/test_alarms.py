"""Goal: payments that pass T+1 or come to T+5, damage, and a writer that is stuck are
said once, unasked, in the log.

Method: a real ledger and a clock that the test moves; the log is read.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from server.alarms import Alarms
from server.node import Node
from switch._core import Ledger
from switch.codes import Result
from switch.errors import OverloadError
from switch.ledger import moves
from switch.ledger.exceptions import Exceptions
from tests.billing.dispatch_bench import Bench, benches
from tests.damage import damage_row

DAY_S = 86_400


class FakeNode:
    """What an alarm needs of a server; reads at once."""

    def __init__(self, bench: Bench) -> None:
        self.exceptions = Exceptions(bench.ledger)
        self.ledger = bench.ledger
        self.dispatch = bench.dispatch
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
        f"ALARM: 2 payments are undecided after T+1, the oldest is entry {one}"
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
    assert not bench.answer(biller, bench.questions([one]))
    assert said(alarms, caplog) == [
        f"ALARM: 2 payments are undecided after T+1, the oldest is entry {two}"
    ]
    assert said(alarms, caplog) == []


def test_what_is_kept_or_unverified_passes_them_as_well(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    alarms, _ = alarms_of(bench)
    # Nothing is given back before it may have been asked about.
    _, connection = bench.connect()
    [kept] = bench.pay(code="KEPT")
    bench.pay()
    connection.take()
    bench.pass_s(7 * 3_600)
    bench.expire()
    assert (len(bench.ledger.kept()), len(bench.ledger.unverified())) == (1, 1)
    assert said(alarms, caplog) == []
    bench.pass_s(33 * 3_600)
    late = f"ALARM: 2 payments are undecided after T+1, the oldest is entry {kept}"
    assert said(alarms, caplog) == [late]
    bench.pass_s(3 * DAY_S - 1)
    assert said(alarms, caplog) == []
    bench.pass_s(1)
    to_decide = (
        "ALARM: 2 payments are for people to decide by the end of T+5 at the latest, "
        f"the oldest is entry {kept}"
    )
    assert said(alarms, caplog) == [to_decide]
    bench.pass_s(DAY_S)
    assert said(alarms, caplog) == []
    # Both are due when a server starts anew.
    assert said(alarms_of(bench)[0], caplog) == [late, to_decide]


def test_a_look_that_fails_is_said_and_made_up_for(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    alarms, node = alarms_of(bench)
    bench.pay(code="LONG")
    bench.pass_s(3 * DAY_S)
    node.error = OverloadError("too much to do")
    assert said(alarms, caplog) == ["cannot look for overdue payments: too much to do"]
    node.error = None
    assert len(said(alarms, caplog)) == 1


def test_a_writer_that_is_stuck_is_said_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    alarms, node = alarms_of(bench)
    whole = node.ledger

    class Stuck:
        stuck = "index"

        def __getattr__(self, name: str) -> Any:
            return getattr(whole, name)

    node.ledger = cast(Ledger, Stuck())
    text = "ALARM: the index is being written for more than a minute"
    assert said(alarms, caplog) == [text]
    assert said(alarms, caplog) == []
    # It came back, and is stuck again.
    node.ledger = whole
    assert said(alarms, caplog) == []
    node.ledger = cast(Ledger, Stuck())
    assert said(alarms, caplog) == [text]


def test_damage_is_said_when_there_is_more(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    alarms, _ = alarms_of(bench)
    holds = bench.pay(3)
    assert said(alarms, caplog) == []
    rows = bench.ledger.gather(np.array(holds, np.uint64))
    for row in rows[:2]:
        damage_row(bench.path, row.tobytes())
    # Nobody has met it yet; then a new dispatcher does, and a sender.
    assert said(alarms, caplog) == []
    bench.start()
    alarms, _ = alarms_of(bench)
    assert said(alarms, caplog) == [
        f"ALARM: 2 open holds or cases are damaged, the oldest is entry {holds[0]}"
    ]
    assert said(alarms, caplog) == []
    reply = bench.commit(moves.void(holds[1]).request())
    assert not isinstance(reply, bytes)
    assert reply["result"][0] == Result.DATA_DAMAGED
    assert said(alarms, caplog) == [
        f"ALARM: 1 payments or moves met damaged entries, the last is entry {holds[1]}"
    ]
    assert said(alarms, caplog) == []
