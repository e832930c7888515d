"""What the tests of the benchmarks share: messages read back and answered, runs.

May use the generated classes, and of the benchmarks only the prefix of a message.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.messages import PREFIX_SIZE
from switch.v1 import payments_pb2 as pb
from switch.v1 import results_pb2

SMALL = ("--centres", "100", "--json")
"""Of a load that is run to see that it works: its network is loaded at once."""


def read(message: memoryview) -> list[pb.Payment]:
    size = int.from_bytes(message[1:PREFIX_SIZE], "big")
    assert message[0] == 0
    assert size == len(message) - PREFIX_SIZE
    return list(
        pb.CreatePaymentsRequest.FromString(bytes(message[PREFIX_SIZE:])).payments
    )


def answer(
    payments: list[pb.Payment],
    change: Callable[[pb.PaymentOutcome], None] | None = None,
) -> bytes:
    outcomes = [
        pb.PaymentOutcome(
            id=payment.id,
            result=results_pb2.RESULT_OK,
            sequence=number,
            receipt=number,
            receipt_year=2026,
            time_ns=1,
            wallet_balance=10**15,
        )
        for number, payment in enumerate(payments, 1)
    ]
    if change is not None:
        change(outcomes[-1])
    return pb.CreatePaymentsResponse(outcomes=outcomes).SerializeToString()


def check_closed_loop(result: dict[str, Any]) -> None:
    """What holds of a closed loop of payments that are done at once, or questions."""
    assert result["accepted"] == result["payments"] > 0
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]
    assert result["ceiling_per_s"] > 0
    assert result["ceiling_cpu_us"] > 0


def check_open_loop(result: dict[str, Any], *rates: int) -> None:
    """What holds of a sweep on any machine, however late its answers are."""
    for rate, point in zip(rates, result["sweep"], strict=True):
        assert point["offered_per_s"] == rate
        assert not point["overloaded"]
        # What was due came, within the time or behind it, not all that could be sent.
        # On a busy machine more was due before, and comes within the time.
        due = point["payments"] + point["unanswered_at_end"]
        assert 0.5 < due / (rate * point["seconds"]) < 10
        assert 0 < point["p50_ms"] <= point["p99_9_ms"] <= point["max_ms"]


def run_json(*arguments: str, timeout_s: float = 200) -> dict[str, Any]:
    """What a benchmark prints. Its files are on the disk, whose bytes it counts."""
    disk = os.environ.get("SWITCH_TEST_DISK")
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, "TMPDIR": disk} if disk else None,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
