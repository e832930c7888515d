"""What: payments through gRPC with mutual TLS, durable, index caught up, books checked.

    python -m benchmarks.load --mode batch --seconds 10 --json
    python -m benchmarks.load --mode stream --rate 50000              an open loop
    python -m benchmarks.load --mode unary --connections 500 --calls 1
    python -m benchmarks.load --mode unary --sweep 1000,2000,4000     several, in turn
    python -m benchmarks.load --mode empty                            the yardstick
    python -m benchmarks.load --mode batch --quoted --beside 3        with quotations

Starts `python -m server` on a fresh directory, loads 3,561 centres (`--centres`) and 97
services,
and pays from another process with a harness's certificate:

    unary    CreatePayment, one payment a call
    batch    CreatePayments, 8,190 payments a call
    stream   StreamPayments, one payment a message, answers coalesced by the server
    bills    the same for services that their billers confirm: `benchmarks.bills`
    get      GetPayment of payments that were made before: a handler in Python
    empty    the same calls as unary to a grpc.aio handler that does nothing, in a
             server of its own (`benchmarks.empty_server`): what grpc.aio alone takes

Every payment has a distinct id and a distinct bill, and passes a service's amount rule,
a claim, the centre's daily counters and a receipt. A payment counts when its durable
answer has come. In a closed loop each connection waits for answers before it sends
more; counted in its time is the wait for the index at the end. In an open loop payments
are due by chance at a rate, and a latency runs from when a payment was due. Not
counted: starting, loading the network, the warm-up, checking the books.

The client's own limit is measured before, against a server in C that answers at once
(`benchmarks.sink`): `ceiling_per_s`, with one core each, and `ceiling_cpu_us` of the
client's processor time. One caller alone (`--mode unary --connections 1 --calls 1`) has
bare LMDB commits on the same disk beside it, before and after: `bare_p50_ms`.

Without `--quoted` the harness states what is due. With it every payment presents the
quotation of a bill of its own. These are not fetched, which would be measured too: the
client makes them with the key in the fresh ledger's directory, and seals them, in C,
before its first connection is open. With `--beside N` the same without and with are run
N times in turn, each on a fresh server; the figures are those of the median run with
quotations, `stated` has those of the median run without, and each `ratio` is the median
of the N rounds' ratios.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.beside import in_turn
from benchmarks.bills_load import measure_bills
from benchmarks.load_network import (
    ALL,
    SETTINGS,
    Figures,
    LoadError,
    Pay,
    check_books,
    first_bill,
    load_network,
    today,
    wait_index,
    work_of,
)
from benchmarks.machine import machine
from benchmarks.meters import scratch
from benchmarks.network import CENTRES
from benchmarks.singles import Bare, quantiles_ms
from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import Role
from switch.day.server import ServerProcess
from switch.errors import SwitchError
from switch.v1 import network_pb2

SECONDS_MAX = 3600
RATE_MAX = 10_000_000.0
SWEEP_MAX = 32
"""Rates of one sweep."""
LOG_LINES = 40
"""Of the server's log, shown when there is no figure."""
READY_S = 30.0
STOP_S = 30.0
START_S = 120.0
"""What the client process may take beside warm-up, measurement and the last answers."""
SEED = 2026
CLIENT = "benchmarks.client_process"
BESIDE_MAX = 100
"""Rounds of one command."""
QUOTED_PER_S = {
    "unary": 300_000,
    "batch": 1_500_000,
    "stream": 800_000,
    "bills": 100_000,
}
"""Payments a second that a closed loop has quotations for: twice what it pays at least,
and more than it has ever paid without."""
AHEAD_S = 0.3
"""Payments of so long are made before they are sent, and behind the end."""
QUOTED_MAX = 64_000_000
"""Quotations of one run: 16 bytes of memory each."""
SEAL_S = 0.000_005
"""What sealing one may take, on a busy machine."""

# Connections, messages (of a stream: payments) without an answer on each, and payments
# a message; of an open loop the second is a bound that a server in time never meets.
# Of bills the second is payments without a post on all connections together.
DEFAULTS = {
    "unary": (4, 100, 1),
    "batch": (2, 2, 8190),
    "stream": (4, 500, 1),
    "bills": (2, 800, 1),
    "get": (4, 100, 1),
    "empty": (4, 100, 1),
}
OPEN_OUTSTANDING = {
    "unary": 1_000,
    "batch": 16,
    "stream": 8_000,
    "bills": 60_000,
    "get": 1_000,
    "empty": 1_000,
}
GIVEN = ("mode", "seconds", "connections", "outstanding", "payload", "ids", "centres")
"""Options that the client's process has, too."""
CALLS = ("unary", "get", "empty")
"""Modes of calls that pay, or ask for, one payment."""
CEILING_S = 1.0
"""At most: no longer than what it stands beside."""
CEILING_WARM_UP_S = 0.2
BARE_S = 0.5
"""Of bare commits, before and after one caller alone."""


def client(
    options: argparse.Namespace, address: str, tls: Path, pid: int, *process: str
) -> Pay:
    """What runs the client's process against a server. It raises LoadError.

    `process`: its module, and what it is told besides.
    """

    def pay(rate: float, number: int) -> Figures:
        command = [sys.executable, "-m", *process]
        command += ["--address", address, "--tls", str(tls), "--server-pid", str(pid)]
        command += ["--warm-up", str(options.warm_up), "--rate", str(rate)]
        command += ["--first", str(first_bill(number))]
        command += ["--seed", str(SEED + number)]
        for name in GIVEN:
            command += [f"--{name}", str(getattr(options, name))]
        limit_s = options.warm_up + options.seconds + START_S
        if options.quoted:
            command += ["--ahead", str(ahead(options, rate))]
            limit_s += ahead(options, rate) * SEAL_S
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise LoadError(f"the client did not end within {limit_s:.0f} s") from error
        if done.returncode != 0:
            raise LoadError(f"the client ended with exit code {done.returncode}")
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        return figures

    return pay


def ahead(options: argparse.Namespace, rate: float) -> int:
    """Quotations that a run at this rate (0: a closed loop) will not use up."""
    per_s = 1.2 * rate if rate else QUOTED_PER_S[options.mode]
    under_way: int = options.connections * options.outstanding * options.payload
    seconds: float = options.warm_up + options.seconds + AHEAD_S
    return round(per_s * seconds) + under_way


def measure_switch(options: argparse.Namespace, directory: Path) -> list[Figures]:
    """One run, or one for each rate, on a fresh ledger. Raises LoadError."""
    with ServerProcess(directory, 0, SETTINGS) as server:
        authority = DevAuthority(server.tls)
        authority.leaf(Role.HARNESS, "harness")
        credentials = authority.leaf(Role.TREASURY, "treasury")
        with Client(server.address, credentials) as treasury:
            treasury.wait_ready(READY_S)
            is_bills = options.mode == "bills"
            kind = (
                network_pb2.SERVICE_MODE_CONFIRMED
                if is_bills
                else network_pb2.SERVICE_MODE_DIRECT
            )
            centres = ALL[: options.centres]
            load_network(treasury, kind, quoted=options.quoted, centres=centres)
            to = (server.address, server.tls, server.pid)
            beside = measure_ceiling(options, server.tls)
            process = ["benchmarks.bills_client" if is_bills else CLIENT]
            process += ["--ledger", str(server.ledger)]
            process += ["--instance", treasury.ledger().instance.hex()]
            if is_bills:
                pay = client(options, *to, *process, "--times", str(directory))
                runs = measure_bills(
                    options.rates, server, treasury, pay, directory, centres
                )
            else:
                pay = client(options, *to, *process)
                if options.connections * options.outstanding == 1:
                    pay = beside_bare(pay, directory)
                runs = measure_payments(options.rates, treasury, pay, centres)
            return [{**one, **beside} for one in runs]


def measure_ceiling(options: argparse.Namespace, tls: Path) -> Figures:
    """What the client does where nothing limits it but itself. Raises LoadError."""
    mode = "stream" if options.mode == "bills" else options.mode
    sink = ["benchmarks.sink", "--mode", mode, "--payload", str(options.payload)]
    seconds = min(CEILING_S, options.seconds)
    changed = {"mode": mode, "quoted": False, "seconds": seconds}
    changed |= {"warm_up": CEILING_WARM_UP_S}
    one = argparse.Namespace(**vars(options) | changed)
    with side_server(tls.parent, sink, tls) as (address, pid):
        figures = client(one, address, tls, pid, CLIENT, "--made-up")(0.0, 0)
    return {
        "ceiling_per_s": rate_of(figures),
        "ceiling_cpu_us": figures["client_cpu_us_per_payment"],
    }


def beside_bare(pay: Pay, directory: Path) -> Pay:
    """The same with bare commits on the same disk, before and after."""
    bare = Bare(str(directory))

    def pay_beside(rate: float, number: int) -> Figures:
        bare.run(BARE_S)
        figures = pay(rate, number)
        bare.run(BARE_S)
        took = quantiles_ms(np.concatenate(bare.took[0]), "bare_")
        over = float(str(figures["p50_ms"])) - took["bare_p50_ms"]
        return {**figures, **took, "p50_over_bare_ms": round(over, 3)}

    return pay_beside


def measure_payments(
    rates: list[float], treasury: Client, pay: Pay, centres: Sequence[str]
) -> list[Figures]:
    """Payments that are done at once, or questions. Raises LoadError."""
    runs = []
    base = treasury.ledger().sequence
    day = today()
    for number, rate in enumerate(rates):
        figures = pay(rate, number)
        figures["index_wait_s"] = round(wait_index(treasury), 3)
        runs.append(figures)
    check_books(treasury, base, work_of(runs, day, 1), centres)
    return runs


def measure_empty(options: argparse.Namespace, directory: Path) -> list[Figures]:
    """The same calls to a handler that does nothing. Raises LoadError."""
    tls = directory / "tls"
    authority = DevAuthority(tls)
    authority.leaf(Role.HARNESS, "harness")
    # Neither the sink nor the empty handler makes one of its own.
    authority.server()
    runs = []
    beside = measure_ceiling(options, tls)
    with side_server(directory, ["benchmarks.empty_server"], tls) as (address, pid):
        pay = client(options, address, tls, pid, CLIENT)
        for number, rate in enumerate(options.rates):
            figures = pay(rate, number)
            for name in ("all_payments", "all_accepted", "all_amount_paise"):
                del figures[name]
            runs.append(figures | beside)
    return runs


@contextmanager
def side_server(
    directory: Path, module: list[str], tls: Path
) -> Iterator[tuple[str, int]]:
    """A running server that is not the switch: its address and process id."""
    command = [sys.executable, "-m", *module, "--tls", str(tls)]
    with (directory / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise LoadError(f"{module[0]} did not start")
        yield str(json.loads(line)["address"]), process.pid
    finally:
        process.terminate()
        process.communicate(timeout=STOP_S)


def rate_of(figures: Figures) -> int:
    """Payments a second: in a closed loop with the wait for the index."""
    seconds = float(str(figures["seconds"]))
    if "offered_per_s" not in figures:
        seconds += float(str(figures.get("index_wait_s", 0.0)))
    return round(int(str(figures["payments"])) / seconds)


def measure(options: argparse.Namespace, directory: Path) -> Figures:
    """All that was asked for. Raises LoadError."""
    if not options.beside:
        return measure_once(options, directory)

    def measure_one(quoted: bool) -> Figures:
        one = argparse.Namespace(**{**vars(options), "quoted": quoted})
        with scratch(directory, "one") as fresh:
            try:
                return measure_once(one, fresh)
            except (LoadError, SwitchError) as error:
                raise LoadError(f"{error}\n{log_tail(fresh)}") from error

    return in_turn(measure_one, options.beside)


def measure_once(options: argparse.Namespace, directory: Path) -> Figures:
    """One run, or a sweep. Raises LoadError."""
    kind = measure_empty if options.mode == "empty" else measure_switch
    runs = [{"payments_per_s": rate_of(run), **run} for run in kind(options, directory)]
    names = ("connections", "outstanding", "payload", "ids", "centres")
    load = {name: getattr(options, name) for name in names}
    if options.quoted:
        load["quoted"] = True
    if options.sweep:
        return {"mode": options.mode, **load, "sweep": runs}
    [figures] = runs
    return {"mode": options.mode, **figures, **load}


def log_tail(directory: Path) -> str:
    """The end of the server's log, which goes with the directory."""
    log = directory / "server.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-LOG_LINES:])


def rates(text: str) -> list[float]:
    """The rates of a sweep. Raises ValueError."""
    return [float(part) for part in text.split(",")]


def parse() -> argparse.Namespace:
    """The command line, with the mode's defaults filled in."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", choices=sorted(DEFAULTS), default="batch")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each rate")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before")
    parser.add_argument("--rate", type=float, help="payments a second: an open loop")
    parser.add_argument("--sweep", type=rates, help="rates, with commas between")
    parser.add_argument("--connections", type=int)
    parser.add_argument(
        *("--calls", "--outstanding"),
        type=int,
        dest="outstanding",
        help="messages without an answer on each connection; payments for a stream; "
        "for bills, payments without a post on all connections",
    )
    parser.add_argument("--payload", type=int, help="payments in a message")
    parser.add_argument("--ids", choices=("ordered", "random"), default="random")
    parser.add_argument(
        "--centres", type=int, default=CENTRES, help="that pay; fewer are loaded sooner"
    )
    parser.add_argument(
        "--quoted", action="store_true", help="payments present quotations"
    )
    parser.add_argument(
        "--beside", type=int, default=0, help="rounds of the same without and with"
    )
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if options.sweep and options.rate is not None:
        parser.error("--sweep and --rate exclude each other")
    options.rates = options.sweep or [options.rate or 0.0]
    if len(options.rates) > SWEEP_MAX:
        parser.error(f"--sweep takes at most {SWEEP_MAX} rates")
    if options.sweep or options.rate is not None:
        if not all(1 <= rate <= RATE_MAX for rate in options.rates):
            parser.error(f"a rate is 1 to {RATE_MAX:,.0f}")
        if options.outstanding is None:
            options.outstanding = OPEN_OUTSTANDING[options.mode]
    check(parser, options)
    return options


def check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Fill in what is left out, and refuse what makes no sense."""
    if not 0 < options.seconds <= SECONDS_MAX or not 0 <= options.warm_up <= 60:
        parser.error(f"--seconds is at most {SECONDS_MAX}, --warm-up at most 60")
    names = ("connections", "outstanding", "payload")
    for name, default in zip(names, DEFAULTS[options.mode], strict=True):
        if getattr(options, name) is None:
            setattr(options, name, default)
        if getattr(options, name) < 1:
            parser.error(f"--{name} is at least 1")
    check_centres(parser, options)
    if options.mode in CALLS and options.payload != 1:
        parser.error("a unary call pays 1")
    if options.payload > 8190:
        parser.error("--payload is 1 to 8190")
    if options.beside and (not options.quoted or options.sweep):
        parser.error("--beside goes with --quoted, and not with --sweep")
    if not 0 <= options.beside <= BESIDE_MAX:
        parser.error(f"--beside is at most {BESIDE_MAX}")
    if options.quoted and options.mode in ("get", "empty"):
        parser.error("nobody looks at a quotation")
    if (
        options.quoted
        and max(ahead(options, one) for one in options.rates) > QUOTED_MAX
    ):
        parser.error(f"a run has at most {QUOTED_MAX:,} quotations")
    if options.mode in ("stream", "bills") and options.outstanding < options.payload:
        parser.error("--outstanding is at least one message")


def check_centres(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse more centres than there are, or none."""
    if not 1 <= options.centres <= CENTRES:
        parser.error(f"--centres is 1 to {CENTRES:,}")


def run_once(
    options: argparse.Namespace,
    folder: str,
    measure: Callable[[argparse.Namespace, Path], dict[str, Any]],
    asked: tuple[str, ...] = (),
) -> int:
    """Measure in a fresh directory and print what came of it, JSON last.

    With it go the options that `asked` names. 1 if the work was not done.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with scratch(options.directory, folder) as directory:
        try:
            result = measure(options, directory)
        except (LoadError, SwitchError) as error:
            print(f"no figure: {error}\n{log_tail(directory)}", file=sys.stderr)
            return 1
    result |= {name: getattr(options, name) for name in asked}
    result["machine"] = machine()
    if not options.json:
        for name, value in result.items():
            print(f"{name:28}{value}", file=sys.stderr)
    print(json.dumps(result))
    return 0


def main() -> int:
    """Run once; 1 if the work was not done."""
    return run_once(parse(), "load", measure)


if __name__ == "__main__":
    sys.exit(main())
