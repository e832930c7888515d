"""What: counters' pages beside clients that pay, and what both cost the switch.

    python -m benchmarks.counter --seconds 8 --json
    python -m benchmarks.counter --counters 20 --connections 480 --rate 10000 --pause 10
    python -m benchmarks.counter --rate 0 --connections 24 --calls 16    a closed loop
    python -m benchmarks.counter --windows 12 --seconds 4 --signed   one load

One server, with centres that pay over gRPC at a rate (an open loop of unary calls; the
connections are shared out among 24 centres), and operators at pages, a citizen at each
every `--pause` seconds (`benchmarks.counter_browsers`). Four loads in turn, so that one
machine has all: the payments alone, and with the counters, without sessions and with
one in each call. Each is measured `--rounds` times, and who begins
changes; figures are medians over the rounds, and a ratio is the median of the rounds'
ratios.

A payment costs what the server's process has computed within the measurement, by the
payments of both kinds that were paid within it: a load with counters has all that
their pages ask for in it. The twenty counters share a process
(`benchmarks.counter_pages`), the operators are threads of this one, bills are fetched
from a simulated biller in another; all share the machine. The counters' operators sign
on with a PIN before the first measurement.

With `--windows` one load goes on, and the counters beside it come and go: so many pairs
of windows of `--seconds` each, with a session in each call if it is `--signed`
(`benchmarks.counter_windows`).

Checked: each answer of both kinds, each receipt, the counters' own disks against the
ledger, and the books.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import counter_windows
from benchmarks.bills import Simulator
from benchmarks.bills_load import wait_posted, wait_until
from benchmarks.counter_browsers import Operators, Seen, serving
from benchmarks.counter_network import (
    BILLER,
    COUNTERS_MAX,
    OPERATOR,
    PAYERS_MAX,
    PIN,
    all_centres,
    participants,
    service,
)
from benchmarks.load import READY_S, client, run_once
from benchmarks.load_network import (
    SETTINGS,
    Figures,
    LoadError,
    Work,
    check_books,
    load_network,
    today,
)
from benchmarks.messages import centre_code
from benchmarks.meters import process_s
from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import Role
from switch.day.server import ServerProcess
from switch.v1 import network_pb2
from switch.web.counter.pins import PinStore

SECONDS_MAX = 60.0
ROUNDS_MAX = 20
WINDOWS_MAX = 100
RATE_MAX = 100_000.0
PAUSE_MIN_S = 0.5
WARM_UP_S = 1.0
STOP_S = 30.0
OUTSTANDING = 1_000
"""Calls of a connection without an answer: a bound that no open loop in time meets."""
CENTRES = 24
"""That the connections are shared out among."""
LOADS = [(False, False), (True, False), (False, True), (True, True)]
"""Whether there are counters, and whether each call has a session."""
COSTS = ("server_cpu_us_per_payment", "p50_ms", "p99_ms")
PLACES = 4
NS_IN_MS = 1e6


class Bench:
    """A server with its counters, and what each load there came to."""

    def __init__(
        self, options: argparse.Namespace, directory: Path, server: ServerProcess
    ) -> None:
        self.options = options
        self.said: list[Figures] = []
        """What each load's client said, in turn."""
        self.runs: dict[tuple[bool, bool], list[Figures]] = {one: [] for one in LOADS}
        self._directory = directory
        self._server = server

    def run(self, operators: Operators, pages_pid: int) -> None:
        """All rounds. Raises LoadError."""
        for number in range(self.options.rounds):
            for load in LOADS if number % 2 == 0 else LOADS[::-1]:
                self._run(load, operators, pages_pid)

    def _run(
        self, load: tuple[bool, bool], operators: Operators, pages_pid: int
    ) -> None:
        has_counters, is_signed = load
        for one in operators.all:
            one.seen.clear()
            one.paid_ns.clear()
        before_s = process_s(pages_pid)
        with serving(operators, self.options.pause if has_counters else 0):
            said = self._pay(is_signed, self.options.seconds)
        begin_ns, end_ns = (int(str(said.pop(name))) for name in ("begin_ns", "end_ns"))
        pages = [
            one
            for operator in operators.all
            for one in operator.seen
            if begin_ns <= one.begin_ns < end_ns
        ]
        paid = sum(
            begin_ns <= at < end_ns
            for operator in operators.all
            for at in operator.paid_ns
        )
        if has_counters and not paid:
            raise LoadError("no citizen was served within the measurement")
        server_s = float(str(said.pop("server_s")))
        payments = int(str(said["payments"]))
        self.runs[load].append(
            {
                "p50_ms": said["p50_ms"],
                "p99_ms": said["p99_ms"],
                "payments_per_s": round(payments / float(str(said["seconds"]))),
                "server_cpu_us_per_payment": round(
                    server_s / (payments + paid) * 1e6, 3
                ),
                "server_cores": said["server_cores"],
                "counters_cpu_s": round(process_s(pages_pid) - before_s, 2),
                "citizens": paid,
                "pages": pages,
            }
        )

    def run_windows(self, treasury: Client, operators: Operators) -> Figures:
        """One load, the counters coming and going. Raises LoadError."""
        options = self.options
        seconds = counter_windows.seconds_of(options.windows, options.seconds)
        windows, pages = counter_windows.run(
            options.windows,
            options.seconds,
            options.pause,
            lambda: self._pay(options.signed, seconds),
            self._server.pid,
            treasury,
            operators,
        )
        return {**counter_windows.told(windows), "pages": {"all": spread(pages)}}

    def _pay(self, is_signed: bool, seconds: float) -> Figures:
        """One load of the clients. Raises LoadError."""
        options, server = self.options, self._server
        given = argparse.Namespace(
            mode="unary",
            seconds=seconds,
            warm_up=WARM_UP_S,
            connections=options.connections,
            outstanding=OUTSTANDING if options.rate else options.calls,
            payload=1,
            ids="random",
            centres=options.centres,
            quoted=False,
        )
        command = ["benchmarks.counter_client"]
        command += ["--signed"] if is_signed else []
        pay = client(given, server.address, server.tls, server.pid, *command)
        said = pay(options.rate, len(self.said))
        self.said.append(said)
        if said.get("overloaded") or said["refused"]:
            raise LoadError(f"the clients were not served: {said}")
        return dict(said)


@contextmanager
def counters(
    server: ServerProcess, data: Path, centres: Sequence[str]
) -> Iterator[tuple[dict[str, str], int]]:
    """A process of counters: their addresses, and its id. Raises LoadError."""
    command = [sys.executable, "-m", "benchmarks.counter_pages"]
    command += ["--address", server.address, "--tls", str(server.tls)]
    command += ["--data", str(data), *centres]
    with (data / "log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise LoadError(f"no counters:\n{(data / 'log').read_text()[-2_000:]}")
        yield json.loads(line), process.pid
        process.terminate()
        if process.wait(STOP_S) != 0:
            raise LoadError(f"the counters ended with {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def measure(options: argparse.Namespace, directory: Path) -> Figures:
    """All loads on a fresh ledger. Raises LoadError."""
    centres = [centre_code(number) for number in range(options.counters)]
    everybody = all_centres(options.counters, options.centres)
    data = directory / "counter"
    data.mkdir()
    settings = {
        **SETTINGS,
        "budget.centre.payments_per_s": 1_000_000,
        "budget.centre.payments_at_once": 1_000_000,
    }
    with ServerProcess(directory, 0, settings) as server:
        authority = DevAuthority(server.tls)
        authority.leaf(Role.BILLER, BILLER)
        for centre in everybody:
            authority.leaf(Role.CENTRE, centre)
        credentials = authority.leaf(Role.TREASURY, "treasury")
        with Client(server.address, credentials) as treasury:
            treasury.wait_ready(READY_S)
            load_network(treasury, network_pb2.SERVICE_MODE_DIRECT, centres=everybody)
            keys = {one: enrol(data, one) for one in centres}
            treasury.load_network(participants(options.centres, keys), [service()])
            base, day = treasury.ledger().sequence, today()
            bench = Bench(options, directory, server)
            with Simulator(server.address, server.tls, [0]):
                wait_until(
                    lambda: any(one.connections for one in treasury.billers()),
                    "the biller does not connect",
                )
                with counters(server, data, centres) as (addresses, pid):
                    operators = Operators(addresses)
                    operators.sign_on()
                    if options.windows:
                        found = bench.run_windows(treasury, operators)
                    else:
                        bench.run(operators, pid)
                    operators.close()
                wait_posted(treasury)
            check(treasury, base, day, bench.said, data, everybody)
    return found if options.windows else told(bench.runs)


def enrol(data: Path, centre: str) -> bytes:
    """The operator of a page has a key under a PIN; its public half."""
    return PinStore(data / f"{centre}-counter" / "operators", centre).enrol(
        OPERATOR, PIN
    )


def check(
    treasury: Client,
    base: int,
    day: str,
    said: list[Figures],
    data: Path,
    everybody: Sequence[str],
) -> None:
    """The books, with what the counters have on their disks. Raises LoadError."""
    tills = {one: data / f"{one}-counter" / "till" for one in everybody}
    paid = {one: paid_at(path) for one, path in tills.items() if path.exists()}
    for centre, amounts in paid.items():
        receipts = treasury.wallet(centre).wallet.receipt
        if receipts != len(amounts):
            raise LoadError(f"{centre} has {receipts} receipts for {len(amounts)}")
    names = ("all_payments", "all_accepted", "all_amount_paise")
    payments, accepted, amount = (
        sum(int(str(one[name])) for one in said) for name in names
    )
    at_pages = sum(len(amounts) for amounts in paid.values())
    work = Work(
        payments=payments + at_pages,
        accepted=accepted + at_pages,
        amount=amount + sum(sum(amounts) for amounts in paid.values()),
        entries=payments + 2 * at_pages,
        day=day,
    )
    check_books(treasury, base, work, everybody)


def paid_at(till: Path) -> list[int]:
    """Paise of the payments that a counter has on its disk; all are paid.

    Raises LoadError.
    """
    amounts = []
    for path in till.glob("*.move"):
        move = json.loads(path.read_bytes())
        if move["kind"] != "payment" or move["outcome"] != "paid":
            raise LoadError(f"{path.name} is {move['kind']} {move['outcome']}")
        amounts.append(int(move["facts"]["amount"]))
    return amounts


# --- figures --------------------------------------------------------------------------


def told(runs: dict[tuple[bool, bool], list[Figures]]) -> Figures:
    """The figures of all loads."""
    loads: Figures = {}
    for (has_counters, is_signed), each in runs.items():
        name = ("beside counters" if has_counters else "alone") + ", signed" * is_signed
        one = {
            key: median(float(str(run[key])) for run in each)
            for key in each[0]
            if key != "pages"
        }
        loads[name] = {key: round(value, 3) for key, value in one.items()}
    pages = [
        page for each in runs.values() for run in each for page in list_of(run["pages"])
    ]
    found: Figures = {"loads": loads}
    found["pages"] = {"all": spread(pages)} | {
        kind: spread([one for one in pages if one.kind == kind])
        for kind in sorted({one.kind for one in pages})
    }
    found["ratio_with_counters"] = {
        "plain": ratios(runs[True, False], runs[False, False]),
        "signed": ratios(runs[True, True], runs[False, True]),
    }
    found["ratio_with_sessions"] = {
        "alone": ratios(runs[False, True], runs[False, False]),
        "counters": ratios(runs[True, True], runs[True, False]),
    }
    return found


def list_of(pages: object) -> list[Seen]:
    """Pages among other figures."""
    assert isinstance(pages, list)
    return pages


def ratios(with_: list[Figures], without: list[Figures]) -> Figures:
    """Of each cost the median of the rounds' ratios, and all of them."""
    found: Figures = {}
    for name in COSTS:
        each = [
            float(str(one[name])) / float(str(other[name]))
            for one, other in zip(with_, without, strict=True)
        ]
        found[name] = round(median(each), PLACES)
        found[f"{name}_each"] = [round(one, PLACES) for one in each]
    return found


def spread(pages: list[Seen]) -> Figures:
    """Milliseconds of pages."""
    took = np.array([one.took_ns for one in pages]) / NS_IN_MS
    return {
        "pages": len(pages),
        "p50_ms": round(float(np.quantile(took, 0.5)), 1),
        "p99_ms": round(float(np.quantile(took, 0.99)), 1),
        "max_ms": round(float(took.max()), 1),
    }


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=3, help="of all four loads")
    parser.add_argument(
        "--windows", type=int, default=0, help="pairs of windows of one load; 0: rounds"
    )
    parser.add_argument(
        "--signed", action="store_true", help="with --windows: sessions"
    )
    parser.add_argument("--counters", type=int, default=20)
    parser.add_argument("--pause", type=float, default=10.0, help="between citizens, s")
    parser.add_argument("--connections", type=int, default=480)
    parser.add_argument("--centres", type=int, default=CENTRES, help="that have them")
    parser.add_argument(
        "--rate",
        type=float,
        default=10_000.0,
        help="payments a second; 0: as many as are answered, a closed loop",
    )
    parser.add_argument(
        "--calls", type=int, default=1, help="on each connection, in a closed loop"
    )
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if not 0 < options.seconds <= SECONDS_MAX or not 0 <= options.rate <= RATE_MAX:
        parser.error(f"at most {SECONDS_MAX:.0f} seconds and {RATE_MAX:,.0f} a second")
    if not 1 <= options.rounds <= ROUNDS_MAX or not 1 <= options.calls <= OUTSTANDING:
        parser.error(f"--rounds is 1 to {ROUNDS_MAX}, --calls 1 to {OUTSTANDING}")
    if not 0 <= options.windows <= WINDOWS_MAX:
        parser.error(f"--windows is 0 to {WINDOWS_MAX}")
    if not 1 <= options.counters <= COUNTERS_MAX or options.pause < PAUSE_MIN_S:
        parser.error(
            f"1 to {COUNTERS_MAX} counters, a pause of {PAUSE_MIN_S} s or more"
        )
    if not 1 <= options.centres <= PAYERS_MAX or options.connections % options.centres:
        parser.error(f"1 to {PAYERS_MAX} centres, with as many connections each")
    return options


def main() -> int:
    """Run once; 1 if the work was not done."""
    options = parse()
    asked = (
        *("seconds", "rounds", "counters", "pause", "connections", "centres", "rate"),
        *("windows", "signed"),
    )
    return run_once(options, "counter", measure, asked)


if __name__ == "__main__":
    sys.exit(main())
