"""`payswitch day`: a whole hard March day, replayed over the wire and proved.

Starts a server and forty simulated billers, loads the sample network with every service
confirmed by its biller, tops up every wallet, and sends the day's payments at their
times, SPEED times faster than life. Billers decline, do not answer and answer late at
the sample's rates; two are gone for an hour and one for good, one is slow, others
forget or answer twice, wrongly or too late, or credit other amounts or too late. Then
the billers' lists of the day end what they have not answered, two people decide what is
left, and the settlement window is closed; it proves what came of the day, and keeps
serving. The last line of standard output is one JSON object; standard error has
everything that is not the report.
"""

import argparse
import signal
import time
from contextlib import ExitStack
from pathlib import Path

from switch.config import Config
from switch.console.output import Exit, Screen
from switch.day.billers import BillersProcess
from switch.day.day import Day
from switch.day.report import show, summarise
from switch.day.server import ServerError, ServerProcess, choose_port
from switch.day.speed import SPEED, Pace
from switch.errors import UsageError

OWN_CENTRES = 120
"""Centres that send under their own certificates when no number is asked for."""
WATCH_S = 0.5
"""How often a server that keeps serving is looked at."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `payswitch day`."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="holds ledger/, tls/ and server.log (default: %(default)s)",
    )
    parser.add_argument(
        "--once", action="store_true", help="end after the report; do not keep serving"
    )
    parser.add_argument(
        "--payments", type=int, metavar="N", help="default: as a March day has"
    )
    parser.add_argument(
        "--centres-with-own-certificate",
        dest="own_centres",
        type=int,
        default=OWN_CENTRES,
        metavar="N",
        help="the others are sent for by the harness (default: %(default)s)",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=SPEED,
        metavar="X",
        help="seconds of the day in one second (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=Config().port,
        metavar="PORT",
        help="0 or a taken one: any free port (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the plan (default: 0)"
    )


def run(args: argparse.Namespace, screen: Screen) -> Exit:
    """Replay a day; end with the exit code that the proofs deserve."""
    if args.own_centres < 0 or args.seed < 0 or not 0 <= args.port <= 65_535:
        raise UsageError("the numbers must not be negative, a port 16 bits")
    pace = Pace(args.speed)
    # A termination ends like Ctrl-C: the server is stopped in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start_s = time.monotonic()
    port = choose_port(args.port)
    if port != args.port:
        screen.note(f"port {args.port} is taken; using a free one")
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess(args.data, port, pace.settings()))
        screen.note(f"serving at {server.address}, log in {server.log}")
        billers = stack.enter_context(
            BillersProcess(server.address, server.tls, args.data, pace, args.seed)
        )
        report = Day(args, screen, server, billers, pace).run()
        ok = all(proof.ok for proof in report.proofs)
        value = summarise(report, ok, time.monotonic() - start_s)
        if not screen.as_json:
            show(report, screen)
        if args.once:
            ok = _stop(server, screen) and ok
            screen.value(value)
        else:
            screen.value(value)
            # What the day's script did is over; who pays now is answered as usual.
            billers.start()
            ok = _keep_serving(server, screen) and ok
    return Exit.DONE if ok else Exit.FINDINGS


def _stop(server: ServerProcess, screen: Screen) -> bool:
    code = server.stop()
    if code != 0:
        screen.note(f"the server ended with exit code {code}; see {server.log}")
    return code == 0


def _keep_serving(server: ServerProcess, screen: Screen) -> bool:
    """Until Ctrl-C or SIGTERM. Raises ServerError if the server ends by itself."""
    screen.note(
        f"serving at {server.address} with certificates in {server.tls}; Ctrl-C ends it"
    )
    try:
        while (code := server.wait(WATCH_S)) is None:
            pass
    except KeyboardInterrupt:
        screen.note("stopping")
        return _stop(server, screen)
    raise ServerError(f"the server ended with exit code {code}; see {server.log}")
