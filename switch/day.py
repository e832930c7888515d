"""`payswitch day`: a whole March day, replayed over the wire and proved.

Starts a server, loads the sample network, tops up every wallet, sends the day's
payments, closes the settlement window and proves what came of it; then keeps
serving. The last line of standard output is one JSON object; standard error has
everything that is not the report.
"""

import argparse
import random
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switch.cli_commands import messages_of
from switch.cli_output import Exit, Screen
from switch.client import Client
from switch.codes import Result, Role
from switch.config import Config
from switch.day_proof import (
    Books,
    Proof,
    audit,
    paid_by_biller,
    prove_billers,
    prove_feed,
    prove_money,
    prove_repeats,
    prove_results,
    prove_state,
    prove_wallets,
    prove_window,
    tallies,
)
from switch.day_replay import SENDERS_MAX, Replay, Replayed, result_of
from switch.day_script import Script, day_of_utr, write_script
from switch.day_server import ServerError, ServerProcess, choose_port
from switch.errors import ConfigError
from switch.identity import DevAuthority
from switch.sample import AUDITOR, HARNESS, load_sample, sample_specs
from switch.specs import TREASURY
from switch.v1 import types_pb2

OWN_CENTRES = 60
"""Centres that send under their own certificates when no number is asked for."""
READY_TIMEOUT_S = 30.0
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
        default=0.0,
        metavar="X",
        help="seconds of the day in one second; 0 is as fast as it goes (default)",
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
    if args.speed < 0 or args.own_centres < 0 or not 0 <= args.port <= 65_535:
        raise ConfigError(
            "--speed and the numbers must not be negative, a port 16 bits"
        )
    # A termination ends like Ctrl-C: the server is stopped in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start_s = time.monotonic()
    port = choose_port(args.port)
    if port != args.port:
        screen.note(f"port {args.port} is taken; using a free one")
    with ServerProcess(args.data, port) as server:
        screen.note(f"serving at {server.address}, log in {server.log}")
        day = Day(args, screen, server)
        report = day.run()
        ok = all(proof.ok for proof in report.proofs)
        value = _summary(report, ok, time.monotonic() - start_s)
        if not screen.as_json:
            _show(report, screen)
        if args.once:
            ok = _stop(server, screen) and ok
            screen.value(value)
        else:
            screen.value(value)
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


@dataclass(frozen=True, slots=True)
class DayReport:
    """What came of a day, and the proofs."""

    script: Script
    replayed: Replayed
    proofs: Sequence[Proof]
    audit: dict[str, Any]
    sequence: int
    """Last durable sequence."""
    services: int
    """Services in the register."""
    topped_up: int
    """Paise of this day's top-ups."""
    sending_s: float
    """Seconds from the first payment's sending to the last one's answer."""


class Day:
    """One replay against one server."""

    def __init__(
        self, args: argparse.Namespace, screen: Screen, server: ServerProcess
    ) -> None:
        """Nothing is sent yet."""
        self._args = args
        self._screen = screen
        self._server = server
        self._authority = DevAuthority(server.tls)
        self._stack = ExitStack()

    def run(self) -> DayReport:
        """Everything from the network to the proofs. Raises what the client raises."""
        with self._stack:
            return self._run()

    def _run(self) -> DayReport:
        treasury = self._client(Role.TREASURY, TREASURY)
        treasury.wait_ready(READY_TIMEOUT_S)
        treasury.load_network(*messages_of(sample_specs()))
        script = self._script(treasury)
        # What earlier days left open is theirs; this day gets a window of its own.
        treasury.close_window(treasury.ledger().last_window)
        before = Books(*treasury.accounts())
        topped_up = self._top_up(treasury, script)
        start_s = time.monotonic()
        replayed = self._replay(script)
        sending_s = time.monotonic() - start_s
        window = treasury.close_window(treasury.ledger().last_window)
        after = Books(*treasury.accounts())
        biller, _ = paid_by_biller(replayed).most_common(1)[0]
        proofs = [
            prove_results(replayed),
            prove_repeats(replayed),
            prove_money(before, after, topped_up),
            prove_wallets(before, after, script, replayed),
            prove_billers(before, after, replayed),
            prove_window(window, replayed),
            prove_feed(biller, replayed, self._follow(biller, before.sequence)),
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
            [*proofs, proof],
            answer,
            after.sequence,
            len(treasury.services()),
            topped_up,
            sending_s,
        )

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

    def _replay(self, script: Script) -> Replayed:
        harness = self._client(Role.HARNESS, HARNESS)
        centres = sorted({step.centre for step in script.steps})
        rng = random.Random(f"{self._args.seed}/{script.number}/own")
        chosen = rng.sample(centres, min(self._args.own_centres, len(centres)))
        own = {centre: self._client(Role.CENTRE, centre) for centre in chosen}
        with self._screen.progress(len(script.steps), f"{script.date:%d %B}") as step:
            advance: Callable[[int], None] = step.advance
            return Replay(script, harness, own, speed=self._args.speed).run(advance)

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


# --- the report ---------------------------------------------------------------------


def _summary(report: DayReport, ok: bool, seconds: float) -> dict[str, Any]:
    """The last line: whole numbers, amounts in paise, times in seconds."""
    found = tallies(report.replayed.sent).values()
    paid = [one for one in report.replayed.sent if result_of(one) is Result.OK]
    return {
        "day": report.script.number,
        "date": f"{report.script.date}",
        "payments": sum(one.payments for one in found),
        "refused": sum(one.refused.total() for one in found),
        "amount_paise": sum(one.amount for one in found),
        "centres": len(report.script.top_ups),
        "centres_with_own_certificate": report.replayed.own_centres,
        "centres_paying": len({one.step.centre for one in paid}),
        "services": report.services,
        "repeats": report.replayed.repeats,
        "topped_up_paise": report.topped_up,
        "sequence": report.sequence,
        "messages": report.replayed.messages,
        "proofs_ok": ok,
        "audit": report.audit.get("audit", "failed"),
        "sending_seconds": round(report.sending_s, 3),
        "seconds": round(seconds, 3),
    }


def _show(report: DayReport, screen: Screen) -> None:
    """The tables for people."""
    language = screen.language
    bengali = {one.department_en: one.department_bn for one in load_sample().services}
    found = tallies(report.replayed.sent)
    refused: dict[Result, int] = {}
    rows = []
    for department, tally in sorted(found.items(), key=lambda item: -item[1].amount):
        name = bengali.get(department, "") if language.value == "bn" else department
        for result, count in tally.refused.items():
            refused[result] = refused.get(result, 0) + count
        rows.append(
            (
                name or "-",
                language.count(tally.payments),
                language.amount(tally.amount),
                language.count(tally.refused.total()),
                ", ".join(
                    f"{_plain(result)} {language.count(count)}"
                    for result, count in sorted(tally.refused.items())
                ),
            )
        )
    total = [
        language.count(sum(one.payments for one in found.values())),
        language.amount(sum(one.amount for one in found.values())),
        language.count(sum(refused.values())),
    ]
    right = ("payments", "amount", "refused")
    screen.table(
        ("department", "payments", "amount", "refused", "reason"),
        rows,
        title=f"{report.script.date:%A %d %B %Y}",
        right=right,
        footer=(language.word("total"), *total, ""),
    )
    screen.table(
        ("reason", "refused", "meaning"),
        [
            (_plain(result), language.count(count), language.result(result))
            for result, count in sorted(refused.items())
        ],
        right=right,
    )
    screen.table(
        ("proof", "state", "detail"),
        [
            (proof.name, "ok" if proof.ok else "FAILED", proof.detail)
            for proof in report.proofs
        ],
    )


def _plain(result: Result) -> str:
    return result.name.lower().replace("_", " ")
