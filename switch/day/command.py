"""`payswitch day`: a whole hard March day, replayed over the wire and proved.

Starts a server and forty simulated billers, loads the sample network with every service
confirmed by its biller, tops up every wallet, and sends the day's payments at their
times, SPEED times faster than life. Billers decline, do not answer and answer late at
the sample's rates; two are gone for an hour, one is slow, others forget or answer
twice, wrongly or too late. Then it waits until no payment is open, closes the
settlement window, proves what came of it, and keeps serving. The last line of standard
output is one JSON object; standard error has everything that is not the report.
"""

import argparse
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from switch.authority.development import DevAuthority
from switch.client import Client
from switch.client.messages import messages_of
from switch.codes import Result, Role
from switch.config import Config
from switch.console.output import Exit, Screen
from switch.day.bill_proofs import (
    prove_fetches,
    prove_paid_once,
    prove_prices,
    prove_tokens,
)
from switch.day.billers import BillersError, BillersProcess
from switch.day.fates import read_fates
from switch.day.proof import (
    Books,
    audit,
    late_holds,
    paid_by_biller,
    prove_billers,
    prove_budget,
    prove_credits,
    prove_fates,
    prove_feed,
    prove_money,
    prove_receipts,
    prove_repeats,
    prove_results,
    prove_state,
    prove_wallets,
    prove_window,
)
from switch.day.replay import Replay, Replayed
from switch.day.report import DayReport, show, summarise
from switch.day.script import TROUBLES, Script, day_of_utr, write_script
from switch.day.sending import SENDERS_MAX
from switch.day.server import ServerError, ServerProcess, choose_port
from switch.day.speed import SPEED, Pace
from switch.errors import ConfigError
from switch.sample import AUDITOR, HARNESS, load_sample
from switch.simulator.books import read_credits
from switch.specs import TREASURY
from switch.v1 import types_pb2

OWN_CENTRES = 120
"""Centres that send under their own certificates when no number is asked for."""
READY_TIMEOUT_S = 30.0
CONNECT_S = 6.0
"""The billers' day begins so long after they were started."""
BEGIN_S = 10 * 3600.0
"""The second of the day, IST, at which the first centres open."""
RESOLVE_S = 10.0
"""Longer than the longest deadline, a hold is not open."""
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
        raise ConfigError("the numbers must not be negative, a port 16 bits")
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


class Served(Protocol):
    """What a day needs to know of the server that it runs against."""

    address: str
    ledger: Path
    tls: Path


class Day:
    """One replay against one server."""

    troubles = TROUBLES
    """The billers' script."""

    def __init__(
        self,
        args: argparse.Namespace,
        screen: Screen,
        server: Served,
        billers: BillersProcess,
        pace: Pace,
    ) -> None:
        """Nothing is sent yet; the billers are not started."""
        self._args = args
        self._screen = screen
        self._server = server
        self._billers = billers
        self._pace = pace
        self._authority = DevAuthority(server.tls)
        self._stack = ExitStack()

    def run(self) -> DayReport:
        """Everything from the network to the proofs. Raises what the client raises."""
        with self._stack:
            return self._run()

    def _run(self) -> DayReport:
        treasury = self._client(Role.TREASURY, TREASURY)
        treasury.wait_ready(READY_TIMEOUT_S)
        treasury.load_network(*messages_of(self._pace.specs()))
        script = self._script(treasury)
        # What earlier days left open is theirs; this day gets a window of its own.
        treasury.close_window(treasury.ledger().last_window)
        before = Books(*treasury.accounts())
        topped_up = self._top_up(treasury, script)
        begin_unix_s = self._start_billers(treasury)
        replayed = self._replay(script, begin_unix_s)
        sending_s = time.time() - begin_unix_s
        waiting_s = self._wait_until_resolved(treasury)
        window = treasury.close_window(treasury.ledger().last_window)
        after = Books(*treasury.accounts())
        billers = self._billers.stop()
        names = [one.id for one in load_sample().billers]
        fates = read_fates(treasury, names, before.sequence)
        cases = [
            one
            for one in treasury.exceptions()
            if one.kind == types_pb2.ENTRY_KIND_CASE and one.sequence > before.sequence
        ]
        biller, _ = paid_by_biller(fates).most_common(1)[0]
        credits = read_credits(self._billers.credits)
        amounts = {id_: one.amount for id_, one in credits.items()}
        proofs = [
            prove_results(replayed, fates),
            prove_repeats(replayed),
            prove_fetches(replayed),
            prove_tokens(replayed),
            prove_paid_once(replayed, fates, credits, late_holds(cases)),
            prove_prices(replayed, fates),
            prove_fates(replayed, fates),
            prove_money(before, after, topped_up),
            prove_wallets(before, after, script, fates),
            prove_billers(before, after, fates),
            prove_credits(amounts, fates, cases),
            prove_budget(billers["billers"]),
            prove_receipts(fates, script.number),
            prove_window(window, fates),
            prove_feed(biller, replayed, fates, self._follow(biller, before.sequence)),
            prove_state(after, treasury.ledger()),
        ]
        self._screen.note("auditing")
        proof, answer = audit(
            self._server.ledger,
            self._server.address,
            self._authority.leaf(Role.AUDITOR, AUDITOR),
        )
        return DayReport(
            script,
            replayed,
            fates,
            cases,
            billers,
            [*proofs, proof],
            answer,
            after.sequence,
            len(treasury.services()),
            topped_up,
            sending_s,
            waiting_s,
        )

    def _start_billers(self, treasury: Client) -> float:
        """Start them, wait for their connections; the Unix time when the day begins."""
        names = [one.id for one in load_sample().billers]
        for name in names:
            self._authority.leaf(Role.BILLER, name)
        begin_unix_s = time.time() + CONNECT_S
        self._billers.start(
            script=self.troubles, begin=_hours(BEGIN_S), begin_unix_s=begin_unix_s
        )
        while sum(one.connections > 0 for one in treasury.billers()) < len(names):
            if time.time() > begin_unix_s:
                raise BillersError(f"billers do not connect within {CONNECT_S:.0f} s")
            time.sleep(0.05)
        return begin_unix_s

    def _wait_until_resolved(self, treasury: Client) -> float:
        """Seconds until no hold is open, or none can be resolved any more."""
        start_s = time.monotonic()
        limit_s = self._pace.longest_deadline_s() + RESOLVE_S
        with self._screen.progress(1, "waiting for billers"):
            while treasury.ledger().holds_count:
                if time.monotonic() - start_s > limit_s:
                    break
                time.sleep(0.1)
        return time.monotonic() - start_s

    def _client(self, role: Role, participant: str) -> Client:
        credentials = self._authority.leaf(role, participant)
        return self._stack.enter_context(Client(self._server.address, credentials))

    def _script(self, treasury: Client) -> Script:
        """The script of the first day that this ledger has not seen.

        The first centre is topped up before anything else, so its newest top-up
        says which day was the last, even if that day was cut short.
        """
        first = load_sample().centres[0].id
        number = 1
        for line in treasury.statement(first):
            if line.entry.kind == types_pb2.ENTRY_KIND_TOP_UP:
                number = day_of_utr(line.entry.reference) + 1
            if number > 1:
                break
        try:
            script = write_script(
                number, payments=self._args.payments, seed=self._args.seed
            )
        except ValueError as error:
            raise ConfigError(f"this day cannot be: {error}") from error
        if not script.steps:
            raise ConfigError("--payments: a day needs at least one payment")
        self._screen.note(
            f"day {number} of this ledger: {script.date:%A %d %B %Y}, "
            f"{len(script.steps)} payments"
        )
        return script

    def _top_up(self, treasury: Client, script: Script) -> int:
        """Top up every wallet; return the paise. Raises ConfigError if refused."""

        def credit(centre: str) -> None:
            outcome = treasury.top_up(
                centre, script.top_ups[centre], script.utr(centre)
            )
            if outcome.result != Result.OK.value:
                raise ConfigError(
                    f"the top-up of {centre} was refused: {Result(outcome.result).name}"
                )

        first, *others = script.top_ups
        credit(first)
        with (
            self._screen.progress(len(others), "topping up wallets") as step,
            ThreadPoolExecutor(SENDERS_MAX, "top-up") as pool,
        ):
            for _ in pool.map(credit, others):
                step.advance()
        return sum(script.top_ups.values())

    def _replay(self, script: Script, begin_unix_s: float) -> Replayed:
        harness = self._client(Role.HARNESS, HARNESS)
        centres = sorted({step.centre for step in script.steps})
        rng = random.Random(f"{self._args.seed}/{script.number}/own")
        chosen = rng.sample(centres, min(self._args.own_centres, len(centres)))
        own = {centre: self._client(Role.CENTRE, centre) for centre in chosen}
        with self._screen.progress(len(script.steps), f"{script.date:%d %B}") as step:
            advance: Callable[[int], None] = step.advance
            return Replay(
                script,
                harness,
                own,
                speed=self._pace.speed,
                begin_s=BEGIN_S,
                begin_unix_s=begin_unix_s,
            ).run(advance)

    def _follow(self, biller: str, cursor: int) -> list[types_pb2.Entry]:
        """A biller's feed after `cursor`, in two sittings, as the biller itself."""
        client = self._client(Role.BILLER, biller)
        entries: list[types_pb2.Entry] = []
        for entry in client.feed(cursor=cursor):
            entries.append(entry)
            if len(entries) == 100:
                break
        resume = entries[-1].sequence if entries else cursor
        return [*entries, *client.feed(cursor=resume)]


def _hours(second: float) -> str:
    return f"{int(second) // 3600:02d}:{int(second) % 3600 // 60:02d}"
