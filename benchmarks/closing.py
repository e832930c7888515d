"""What: whether closing settlement windows under full load slows others' payments.

    python -m benchmarks.closing --windows 1000 --seconds 10 --rounds 5 --json

A harness pays by unary calls in a closed loop, as many as the server takes
(`benchmarks.load --mode unary`). In every round, on one fresh server, it pays once
alone and once while a treasury closes windows one after the other, at a pace that has
`--windows` closed within the measurement; who is first changes. What counts is the
median of the rounds' ratios of p99. Each window that was asked for once more, under its
old name, must be the same window: closing is idempotent, and that is looked at after
the clock. A window in which nothing is yet is not closed, and asked for at the next
time.
"""

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from statistics import median

from benchmarks.load import (
    CLIENT,
    DEFAULTS,
    READY_S,
    check_centres,
    client,
    log_tail,
)
from benchmarks.load_network import ALL, SETTINGS, Figures, LoadError, load_network
from benchmarks.machine import machine
from benchmarks.meters import scratch
from benchmarks.network import CENTRES
from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import Role
from switch.day.server import ServerProcess
from switch.errors import SwitchError
from switch.v1 import network_pb2, results_pb2

RATIO_MAX = 1.2
"""Of the others' p99, while windows are closed, to that without."""
ROUNDS_MAX = 100
WINDOWS_MAX = 100_000
REPEATED = 20
"""Windows that are asked for once more."""


class Closer:
    """Closes windows at a pace, in a thread; all that it has closed."""

    def __init__(self, treasury: Client, windows: int, seconds: float) -> None:
        self.closed: list[tuple[int, int]] = []
        """(window before, window)"""
        self.error: Exception | None = None
        self._treasury = treasury
        self._windows = windows
        self._pause_s = seconds / windows
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self, last: int, wait_s: float) -> None:
        """Begin after so long, behind window `last`."""
        self._last, self._wait_s = last, wait_s
        self._thread.start()

    def stop(self) -> int:
        """The last window. Raises LoadError if one could not be closed."""
        self._ended.set()
        self._thread.join()
        if self.error is not None:
            raise LoadError(f"a window was not closed: {self.error}") from self.error
        return self._last

    def _run(self) -> None:
        try:
            self._ended.wait(self._wait_s)
            due_s = time.monotonic()
            while len(self.closed) < self._windows and not self._ended.is_set():
                outcome = self._treasury.close_window(self._last).outcome
                if outcome.result != results_pb2.RESULT_WINDOW_EMPTY:
                    self.closed.append((self._last, outcome.sequence))
                    self._last = outcome.sequence
                due_s += self._pause_s
                self._ended.wait(max(0.0, due_s - time.monotonic()))
        except SwitchError as error:
            self.error = error


def measure(options: argparse.Namespace, directory: Path) -> Figures:
    """All rounds. Raises LoadError."""
    ratios, alone, beside, closed = [], [], [], []
    with ServerProcess(directory, 0, SETTINGS) as server:
        authority = DevAuthority(server.tls)
        authority.leaf(Role.HARNESS, "harness")
        credentials = authority.leaf(Role.TREASURY, "treasury")
        with Client(server.address, credentials) as treasury:
            treasury.wait_ready(READY_S)
            centres = ALL[: options.centres]
            load_network(treasury, network_pb2.SERVICE_MODE_DIRECT, centres=centres)
            process = [CLIENT, "--ledger", str(server.ledger)]
            process += ["--instance", treasury.ledger().instance.hex()]
            pay = client(options, server.address, server.tls, server.pid, *process)
            last = 0
            for number in range(options.rounds):
                p99: dict[bool, float] = {}
                pairs: list[tuple[int, int]] = []
                for closes in (True, False) if number % 2 else (False, True):
                    closer = Closer(treasury, options.windows, options.seconds)
                    if closes:
                        closer.start(last, options.warm_up)
                    figures = pay(0.0, 2 * number + closes)
                    if closes:
                        last = closer.stop()
                        pairs = closer.closed
                        closed.append(len(pairs))
                    p99[closes] = float(str(figures["p99_ms"]))
                for before, found in pairs[:REPEATED]:
                    again = treasury.close_window(before).outcome
                    if not again.repeat or again.sequence != found:
                        raise LoadError(f"window {found} was closed twice")
                alone.append(p99[False])
                beside.append(p99[True])
                ratios.append(p99[True] / p99[False])
                if not options.json:
                    print(
                        f"round {number + 1}: p99 {p99[False]} ms alone, {p99[True]} "
                        f"beside {closed[-1]} windows",
                        file=sys.stderr,
                    )
    ratio = round(median(ratios), 3)
    return {
        "rounds": options.rounds,
        "windows": closed,
        "p99_ms_alone": alone,
        "p99_ms_closing": beside,
        "ratio": ratio,
        "kept": ratio <= RATIO_MAX and min(closed) >= options.windows,
    }


def main() -> int:
    """Measure; 1 if the bound is not kept, or there is no figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each half")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--centres", type=int, default=CENTRES, help="that pay")
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if not 1 <= options.windows <= WINDOWS_MAX:
        parser.error(f"--windows is 1 to {WINDOWS_MAX}")
    if not 1 <= options.rounds <= ROUNDS_MAX:
        parser.error(f"--rounds is 1 to {ROUNDS_MAX}")
    check_centres(parser, options)
    options.mode, options.ids, options.quoted = "unary", "random", False
    connections, outstanding, payload = DEFAULTS["unary"]
    options.connections, options.outstanding = connections, outstanding
    options.payload = payload
    with scratch(options.directory, "closing") as directory:
        try:
            found = measure(options, directory)
        except (LoadError, SwitchError) as error:
            print(f"no figure: {error}\n{log_tail(directory)}", file=sys.stderr)
            return 1
    print(json.dumps({"machine": machine(), **found}))
    return 0 if found["kept"] else 1


if __name__ == "__main__":
    sys.exit(main())
