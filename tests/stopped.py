"""A process that is stopped, all of it: what is sent to it now waits.

``kill`` with SIGSTOP returns before the process has stopped: one of its threads has to
take the signal and tell the others, which go on meanwhile (4 ms on an idle machine of
two cores, 38 ms beside eight busy processes). A call sent at once may still be read,
decided and made durable.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_S = 30.0  # after which something else is wrong


def _states(pid: int) -> set[str]:
    states = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        # The name in brackets may hold anything; the state is the first word behind it.
        states.add((task / "stat").read_text().rpartition(")")[2].split()[0])
    return states


def stop(pid: int) -> None:
    """Stop the process; when this returns, no thread of it runs."""
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + STOP_S
    while _states(pid) != {"T"}:
        assert time.monotonic() < end, f"process {pid} does not stop: {_states(pid)}"
        time.sleep(0.001)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Within the block the process does nothing."""
    stop(pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
