"""One whole day against one server: everything from the network to the proofs.

May use the client and all parts of the replay. Knows nothing of how the switch works,
nor of how its processes are started.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc

from switch.authority.development import DevAuthority
from switch.client import CallError, Client
from switch.client.messages import messages_of
from switch.codes import Result, Role
from switch.console.output import Screen
from switch.day.arranged import (
    Arranged,
    arrange,
    prove_beneficiaries,
    prove_low,
)
from switch.day.arranged import look as arranged_at_end
from switch.day.bank import BankDesk
from switch.day.bank_proofs import (
    prove_again,
    prove_explained,
    prove_lines,
    prove_mirror,
)
from switch.day.bill_proofs import (
    prove_fetches,
    prove_paid_once,
    prove_prices,
    prove_tokens,
)
from switch.day.billers import BillersError, BillersProcess
from switch.day.council import Council, prove_people
from switch.day.doubts import (
    Look,
    look,
    prove_credits_have_money,
    prove_money_has_credits,
    prove_nothing_listed,
)
from switch.day.fates import Fates, State
from switch.day.office import Office
from switch.day.proof import (
    Books,
    Proof,
    audit,
    paid_by_biller,
    prove_billers,
    prove_budget,
    prove_fates,
    prove_feed,
    prove_lists,
    prove_money,
    prove_receipts,
    prove_repeats,
    prove_results,
    prove_state,
    prove_wallets,
    prove_window,
)
from switch.day.replay import Replay, Replayed
from switch.day.report import DayReport
from switch.day.script import (
    TROUBLES,
    Script,
    day_of_utr,
    with_money,
    write_script,
)
from switch.day.sending import RESEND_PAUSE_S, RESEND_S, SENDERS_MAX
from switch.day.speed import Pace
from switch.errors import SwitchError, UsageError
from switch.sample import AUDITOR, HARNESS, SECOND, load_sample
from switch.simulator.books import Credit, read_credits
from switch.specs import TREASURY
from switch.v1 import exceptions_pb2, types_pb2

READY_TIMEOUT_S = 30.0
CONNECT_S = 4.5
"""The billers' day begins so long after they were started."""
BEGIN_S = 10 * 3600.0
"""The second of the day, IST, at which the first centres open."""
LOOK_S = 15.75 * 3600.0
"""The second of the day at which it is looked at, in the middle of its troubles."""
RESOLVE_S = 10.0
"""Longer than the longest deadline, nothing is waited for."""
_TOP_UPS = (
    types_pb2.ENTRY_KIND_TOP_UP,
    types_pb2.ENTRY_KIND_BOOKED,
    types_pb2.ENTRY_KIND_TRANSFER,
)
"""By hand, by the bank's word, and by two people's about what the bank has said."""
_FOR_BILLERS = (
    exceptions_pb2.EXCEPTION_KIND_KEPT,
    exceptions_pb2.EXCEPTION_KIND_UNVERIFIED,
)
"""What a biller that is there answers by itself."""


class Served(Protocol):
    """What a day needs to know of the server that it runs against."""

    address: str
    """host:port; of the nodes of a cluster with commas between them."""
    ledger: Path
    tls: Path


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of a day before people decided what was left."""

    script: Script
    before: Books
    topped_up: Mapping[str, int]
    """Centre → paise."""
    is_by_hand: bool
    """They are no bank's, but the treasury's own word."""
    replayed: Replayed
    seen: Look
    """In the middle of it."""
    billers: dict[str, Any]
    """The billers' own summary."""
    credits: Mapping[bytes, Credit]
    asked_s: float
    """Seconds in which billers could be asked."""


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
        self.counter = ""
        """The centre whose counter is opened after the day; it has money left."""
        self.counter_paise = 0
        """What its wallet can pay then."""
        self._seconds: dict[str, float] = {}

    def run(self) -> DayReport:
        """Everything from the network to the proofs. Raises what the client raises."""
        with self._stack:
            return self._run()

    def _run(self) -> DayReport:
        treasury = self._client(Role.TREASURY, TREASURY)
        desk: BankDesk | None = None
        with self._phase("loading"):
            treasury.wait_ready(READY_TIMEOUT_S)
            council = self._council(treasury)
            network = messages_of(self._pace.specs())
            if council is None:
                treasury.load_network(*network)
            else:
                council.load(*network)
            if council is not None:
                second = self._client(Role.TREASURY, SECOND)
                desk = BankDesk(self._server.ledger.parent, treasury, second, council)
                desk.catch_up()
            script = self._script(treasury)
            own = self._own(script)
            # The last of them: the first ones' transfers come with mistakes.
            self.counter = max(own, default=load_sample().centres[0].id)
            script = with_money(script, self.counter)
            if council is not None:
                arrange(treasury, council, own)
            # What earlier days left open is theirs; this day gets a window of its own.
            clerk = council.clerk if council is not None else None
            treasury.close_window(treasury.ledger().last_window, clerk)
            before = Books(*treasury.accounts())
        lived = self._live(treasury, script, before, own, desk)
        with self._phase("deciding"):
            second = self._client(Role.TREASURY, SECOND)
            office = Office(treasury, second, f"STATEMENTS/{script.number}", council)
            office.decide(lived.credits)
        window = treasury.close_window(treasury.ledger().last_window, clerk)
        settled: Counter[str] = Counter()
        if council is not None:
            with self._phase("settling"):
                settled = council.settle(window)
        if desk is not None:
            with self._phase("paying_out"):
                desk.pay_out(settled)
        self._screen.note("auditing")
        # The books do not change any more: they are audited while the rest is proved.
        with ThreadPoolExecutor(1, "audit") as pool:
            audited = pool.submit(
                audit,
                self._server.ledger,
                self._server.address,
                self._authority.leaf(Role.AUDITOR, AUDITOR),
            )
            with self._phase("proving"):
                after = Books(*treasury.accounts())
                self.counter_paise = after.available(self.counter)
                seen = self._look(treasury, before)
                self._read_verified(treasury, lived.replayed, seen.fates)
                proofs = self._prove(treasury, lived, after, seen, settled)
                if council is not None:
                    proofs.append(prove_people(treasury, council, before, after))
                arranged: Arranged | None = None
                if desk is not None:
                    proofs += _prove_bank(desk, before, after)
                    arranged = arranged_at_end(treasury, desk.banked.payouts_by)
                    proofs.append(prove_beneficiaries(arranged, desk.banked.payouts))
                    proofs.append(prove_low(arranged, own, after))
                proofs += [
                    prove_nothing_listed(seen, office.decided),
                    prove_window(window, seen.fates),
                ]
            with self._phase("auditing"):
                proof, answer = audited.result()
        return DayReport(
            script,
            None if desk is None else desk.banked,
            arranged,
            lived.replayed,
            seen.fates,
            lived.seen.counts,
            office.decided,
            lived.billers,
            [*proofs, proof],
            answer,
            after.sequence,
            len(treasury.services()),
            sum(lived.topped_up.values()),
            self._seconds,
        )

    def _live(
        self,
        treasury: Client,
        script: Script,
        before: Books,
        own: dict[str, Client],
        desk: BankDesk | None,
    ) -> Lived:
        """From the first top-up until the billers have said all that they will."""
        # Before the billers dial in: their day begins so many seconds after that.
        topped_up: Mapping[str, int]
        with self._phase("topping_up"):
            if desk is not None:
                with self._screen.progress(2, "topping up wallets") as step:
                    desk.collect(script, own)
                    step.advance()
                    topped_up = desk.top_up(script)
            else:
                topped_up = self._top_up(treasury, script)
        begin_unix_s = self._start_billers()
        with self._phase("connecting"):
            self._wait_connected(treasury, begin_unix_s)
        with self._phase("sending"), ThreadPoolExecutor(1, "look") as pool:
            looked = pool.submit(self._look_in_time, before, begin_unix_s)
            replayed = self._replay(script, own, begin_unix_s)
            seen = looked.result()
        with self._phase("waiting"):
            self._wait_until_answered(treasury)
        asked_s = time.time() - begin_unix_s
        with self._phase("lists"):
            billers = self._billers.stop()
        credits = read_credits(self._billers.credits)
        return Lived(
            script,
            before,
            topped_up,
            desk is None,
            replayed,
            seen,
            billers,
            credits,
            asked_s,
        )

    def _prove(
        self,
        treasury: Client,
        lived: Lived,
        after: Books,
        seen: Look,
        settled: Counter[str],
    ) -> list[Proof]:
        """What a whole day proves, by what is `seen` when it is over."""
        script, before, replayed = lived.script, lived.before, lived.replayed
        fates = seen.fates
        by_hand = sum(lived.topped_up.values()) if lived.is_by_hand else 0
        biller, _ = paid_by_biller(fates).most_common(1)[0]
        late_max = self._pace.late_questions_max(lived.asked_s)
        return [
            prove_results(replayed, fates),
            prove_repeats(replayed),
            prove_fetches(replayed),
            prove_tokens(replayed),
            prove_paid_once(replayed, fates, lived.credits),
            prove_prices(replayed, fates),
            prove_fates(replayed, fates),
            prove_money(before, after, by_hand),
            prove_wallets(before, after, lived.topped_up, fates),
            prove_billers(before, after, fates, settled),
            prove_credits_have_money(lived.seen, f"at {_hours(LOOK_S)}"),
            prove_money_has_credits(lived.seen, f"at {_hours(LOOK_S)}"),
            prove_credits_have_money(seen, "at the end"),
            prove_money_has_credits(seen, "at the end"),
            prove_lists(lived.billers["lists"]),
            prove_budget(lived.billers["billers"], late_max),
            prove_receipts(fates, script.number),
            prove_feed(biller, replayed, fates, self._follow(biller, before.sequence)),
            prove_state(after, treasury.ledger()),
        ]

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Note how long something takes."""
        start_s = time.monotonic()
        yield
        self._seconds[name] = time.monotonic() - start_s

    def _start_billers(self) -> float:
        """Start them; the Unix time when their day begins."""
        for name in _billers():
            self._authority.leaf(Role.BILLER, name)
        begin_unix_s = time.time() + CONNECT_S
        self._billers.start(
            script=self.troubles, begin=_hours(BEGIN_S), begin_unix_s=begin_unix_s
        )
        return begin_unix_s

    def _wait_connected(self, treasury: Client, begin_unix_s: float) -> None:
        """Until all are there, and the day begins. Raises BillersError."""
        end_s = begin_unix_s + READY_TIMEOUT_S
        while not all(one.connections for one in treasury.billers()):
            if time.time() > end_s:
                text = f"billers do not connect within {READY_TIMEOUT_S:.0f} s"
                raise BillersError(text)
            time.sleep(0.05)
        time.sleep(max(0.0, begin_unix_s - time.time()))

    def _look(self, office: Client, before: Books) -> Look:
        """What is seen of the day now."""
        return look(office, _billers(), self._billers.credits, before.sequence)

    def _look_in_time(self, before: Books, begin_unix_s: float) -> Look:
        """What is seen in the middle of the day."""
        auditor = self._client(Role.AUDITOR, AUDITOR)
        at_s = begin_unix_s + self._pace.seconds(LOOK_S - BEGIN_S)
        time.sleep(max(0.0, at_s - time.time()))
        while True:
            try:
                return self._look(auditor, before)
            except CallError as error:
                # As the centres do, it goes on asking a switch that is away.
                if not error.unreachable or time.time() > at_s + RESEND_S:
                    raise
                time.sleep(RESEND_PAUSE_S)

    def _read_verified(
        self, treasury: Client, replayed: Replayed, fates: Fates
    ) -> None:
        """When billers said that they have not credited what was given back: that is
        in no feed.
        """
        for one in replayed.sent:
            fate = fates.get(one.payment.id)
            if fate is None or fate.state is not State.EXPIRED:
                continue
            sender = HARNESS if one.payment.centre else one.step.centre
            conclusion = treasury.get_payment(one.payment.id, sender).conclusion
            if conclusion.kind == types_pb2.ENTRY_KIND_VERIFY:
                fate.verified = conclusion.sequence

    def _wait_until_answered(self, treasury: Client) -> None:
        """Until the billers that are there have nothing more to say."""
        limit_s = self._pace.longest_deadline_s() + RESOLVE_S
        end_s = time.monotonic() + limit_s
        with self._screen.progress(1, "waiting for billers"):
            while time.monotonic() < end_s and self._is_one_asked(treasury):
                time.sleep(0.1)

    def _is_one_asked(self, treasury: Client) -> bool:
        there = {one.biller: one for one in treasury.billers() if one.connections}
        if any(one.queued + one.asked + one.unknown for one in there.values()):
            return True
        listed = treasury.exceptions(_FOR_BILLERS)
        return any(one.payment.biller in there for one in listed)

    def _client(self, role: Role, participant: str) -> Client:
        credentials = self._authority.leaf(role, participant)
        return self._stack.enter_context(
            Client(self._server.address.split(","), credentials)
        )

    def _script(self, treasury: Client) -> Script:
        """The script of the first day that this ledger has not seen.

        The first centre is topped up before anything else, so its newest top-up
        says which day was the last, even if that day was cut short.
        """
        first = load_sample().centres[0].id
        number = 1
        for line in treasury.statement(first):
            if line.entry.kind in _TOP_UPS:
                number = day_of_utr(line.entry.reference) + 1
            if number > 1:
                break
        try:
            script = write_script(
                number, payments=self._args.payments, seed=self._args.seed
            )
        except ValueError as error:
            raise UsageError(f"this day cannot be: {error}") from error
        if not script.steps:
            raise UsageError("--payments: a day needs at least one payment")
        self._screen.note(
            f"day {number} of this ledger: {len(script.steps):,} payments, with those "
            f"that must be refused, as planned for {script.date:%A %d %B %Y}; the "
            "switch books them today, and that day is in its files and commands"
        )
        return script

    def _council(self, treasury: Client) -> Council | None:
        """The people of a ledger that was begun with them."""
        try:
            people = treasury.people().people
        except CallError as error:
            if error.code is not grpc.StatusCode.PERMISSION_DENIED:
                raise
            # There is no treasury yet, so nobody of it either.
            people = ()
        if not people:
            return None
        second = self._client(Role.TREASURY, SECOND)
        return Council(self._server.ledger.parent, treasury, second)

    def _top_up(self, treasury: Client, script: Script) -> Mapping[str, int]:
        """Top up every wallet by hand: centre → paise. Raises SwitchError."""

        def credit(centre: str) -> None:
            outcome = treasury.top_up(
                centre, script.top_ups[centre], script.utr(centre)
            )
            if outcome.result != Result.OK.value:
                raise SwitchError(
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
        return script.top_ups

    def _own(self, script: Script) -> dict[str, Client]:
        """The centres with certificates of their own."""
        centres = sorted({step.centre for step in script.steps})
        rng = random.Random(f"{self._args.seed}/{script.number}/own")
        chosen = rng.sample(centres, min(self._args.own_centres, len(centres)))
        return {centre: self._client(Role.CENTRE, centre) for centre in chosen}

    def _replay(
        self, script: Script, own: dict[str, Client], begin_unix_s: float
    ) -> Replayed:
        harness = self._client(Role.HARNESS, HARNESS)
        with self._screen.progress(len(script.steps), "payments") as step:
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


def _prove_bank(desk: BankDesk, before: Books, after: Books) -> list[Proof]:
    return [
        prove_mirror(desk.bank, desk.account, after),
        prove_lines(before, after, desk.banked),
        prove_explained(desk.banked, after, desk.open_count),
        prove_again(desk.banked),
    ]


def _hours(second: float) -> str:
    return f"{int(second) // 3600:02d}:{int(second) % 3600 // 60:02d}"


def _billers() -> list[str]:
    return [one.id for one in load_sample().billers]
