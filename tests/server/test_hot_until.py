"""Goal: hot calls are taken until the moment that the front was told, by its own clock
alone, and again once it was told a later one; who was refused has lost nothing.

Method: the front and the scripted queue of test_hot.py.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.memory import tmp_path
from tests.server.door import WAIT_S
from tests.server.test_hot import BASKET, BATCH, PAYMENT, Hot, told

__all__ = ["tmp_path"]
NOT_DONE = ("UNAVAILABLE", "NOT_LEADER", "not_done")


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Hot]:
    # Each takes all that its sender may have at once.
    one = Hot(tmp_path, payments_per_s=1, payments_at_once=1)
    yield one
    one.stop()


def test_nothing_is_submitted_after_the_moment_that_it_may_lead_until(
    door: Hot,
) -> None:
    stream = door.stream()
    door.front.lead_until(time.monotonic())
    for method, body in ((PAYMENT, b"p1"), (BASKET, b"b1"), (BATCH, b"p1 p2")):
        with pytest.raises(grpc.RpcError) as raised:
            door.call(method, body).result(WAIT_S)
        assert told(raised.value) == NOT_DONE
    stream.send(b"p1")
    assert told(stream.end()) == NOT_DONE
    door.front.lead_until(time.monotonic() + 60)
    call = door.call(PAYMENT, b"p1")
    [one] = door.queue.take(1)
    assert one.body == b"p1"
    # What was taken while it led is answered.
    door.front.lead_until(time.monotonic())
    door.queue.answer(one)
    assert call.result(WAIT_S) == b"<p1>"


@pytest.mark.parametrize(("method", "body"), [(PAYMENT, b"p1"), (BATCH, b"p1 p2")])
def test_what_grpc_sends_again_by_itself_is_never_told_as_not_done(
    door: Hot, method: str, body: bytes
) -> None:
    # Its caller hears of the last attempt alone, and the first may have been done.
    policy = {
        "maxAttempts": 2,
        "initialBackoff": "0.01s",
        "maxBackoff": "0.01s",
        "backoffMultiplier": 1,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = {"methodConfig": [{"name": [{}], "retryPolicy": policy}]}
    certificate, key, root = door.credentials.read()
    door.front.lead_until(time.monotonic())
    with grpc.secure_channel(
        f"localhost:{door.port}",
        grpc.ssl_channel_credentials(root, key, certificate),
        [("grpc.service_config", json.dumps(config))],
    ) as channel:
        call: Any = channel.unary_unary(method)
        with pytest.raises(grpc.RpcError) as raised:
            call(body, timeout=WAIT_S)
    assert told(raised.value) == ("UNAVAILABLE", "NOT_LEADER", "unknown")
    assert door.front.counters()["calls_begun"] >= 2
