"""One replay of a day, from its server's start to its end; `command.py` begins it."""

import argparse
import signal
import time
from contextlib import ExitStack

from switch.console.output import Exit, Screen
from switch.day.billers import BillersProcess
from switch.day.closing import close_day
from switch.day.council import begin
from switch.day.day import Day
from switch.day.pages import Pages
from switch.day.report import show, summarise
from switch.day.server import Nodes, ServerError, ServerProcess, choose_port
from switch.day.speed import Pace
from switch.errors import UsageError
from switch.money import format_amount

WATCH_S = 0.5
"""How often a server that keeps serving is looked at."""


def replay(args: argparse.Namespace, screen: Screen) -> Exit:
    """Replay a day; end with the exit code that the proofs deserve."""
    if args.own_centres < 0 or args.seed < 0 or not 0 <= args.port <= 65_535:
        raise UsageError("the numbers must not be negative, a port 16 bits")
    pace = Pace(args.speed)
    # A termination ends like Ctrl-C: the server is stopped in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start_s = time.monotonic()
    with ExitStack() as stack:
        server: ServerProcess | Nodes
        if args.address:
            server = Nodes(args.data, args.address)
        else:
            server = stack.enter_context(_start(args, screen, pace))
        screen.note(
            f"the day is sent to {server.address}, log in {server.log}; pay nothing "
            "yourself before it has ended"
        )
        billers = stack.enter_context(
            BillersProcess(server.address, server.tls, args.data, pace, args.seed)
        )
        day = Day(args, screen, server, billers, pace)
        report = day.run()
        if not screen.as_json:
            show(report, screen)
        closed = close_day(args.data, server.address, billers.credits, screen)
        ok = all(proof.ok for proof in report.proofs) and closed["ok"]
        value = summarise(report, ok, time.monotonic() - start_s)
        value["close_day"] = closed
        with Pages(args.data, server.address, server.tls, day.counter) as pages:
            for name, address in pages.addresses.items():
                screen.note(f"the {name} page is at {address}")
            if not screen.as_json:
                money = format_amount(day.counter_paise)
                who = f"the counter is that of {day.counter}"
                screen.note(f"{who}, which can pay {money}")
            pages.ask()
            value["pages"] = pages.addresses
            value["counter_centre"] = day.counter
            value["counter_available_paise"] = day.counter_paise
            if args.once:
                pages.stop()
                ok = _stop(server, screen) and ok
                screen.value(value)
            else:
                screen.value(value)
                # What the script did is over; who pays now is answered as usual.
                billers.start()
                ok = _keep_serving(server, screen) and ok
    return Exit.DONE if ok else Exit.FINDINGS


def _start(args: argparse.Namespace, screen: Screen, pace: Pace) -> ServerProcess:
    """A server of our own, whose ledger is begun if there is none."""
    begin(args.data)
    port = choose_port(args.port)
    if port != args.port:
        screen.note(f"port {args.port} is taken; using a free one")
    return ServerProcess(args.data, port, pace.settings())


def _stop(server: ServerProcess | Nodes, screen: Screen) -> bool:
    code = server.stop()
    if code != 0:
        screen.note(f"the server ended with exit code {code}; see {server.log}")
    return code == 0


def _keep_serving(server: ServerProcess | Nodes, screen: Screen) -> bool:
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
