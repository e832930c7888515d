"""Payments on their way to billers and back: what the journal says is to be done.

May use the core, the register and the billers' parts. Knows no network and commits
nothing. There is no second store: the work is the ledger's open holds and unverified
payments, read at the start and followed row by row. Belongs to the event loop's thread;
Python acts for each message and group, NumPy for the payments in them.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from switch._core import (
    Ledger,
    Request,
    Rows,
    entries_of,
    parse_answers,
    parse_clock,
)
from switch.billing._hot import Turns
from switch.billing.answers import accepted, some
from switch.billing.biller import Biller, Connection, Taken
from switch.billing.bills import Fetched
from switch.billing.health import Health
from switch.billing.lines import Numbers
from switch.billing.pace import MESSAGES_AT_ONCE, MESSAGES_PER_S, Pace
from switch.billing.routes import Routes
from switch.billing.status import BillerStatus, status_of
from switch.billing.undecided import Because
from switch.billing.watches import Watch, Watches
from switch.codes import CaseType, Field, Kind, Mode, Policy, Result, RowFlag
from switch.config import Config
from switch.entries import Entry
from switch.errors import (
    BillerBusyError,
    BillerUnavailableError,
    CentreBusyError,
    OverloadError,
    SwitchError,
)
from switch.ledger import baskets, moves
from switch.ledger.follower import read_whole
from switch.register.register import Register, Service
from switch.v1 import payments_pb2

log = logging.getLogger("switch.dispatch")

ROWS_MAX = 65_536
"""Rows read at a time."""
TICK_S = 0.05
"""Between two looks at what was not answered in time."""
LARGE = 64
"""New payments of a biller with which a message is worth its cost at any time."""
PAUSE_S = 0.004
"""The wait for the next messages when no more may leave."""
COMPLAINT_S = 60.0
"""Between two complaints in the log about one biller."""
BUSY_RETRY_MS = 1_000
"""When to try again after a full queue."""

_DECIDES = frozenset((Kind.POST, Kind.VOID, Kind.VERIFY))
"""Of a row that says of a hold what nothing is to be asked about from then on."""


class Dispatcher:
    """All billers of one ledger."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        register: Register,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
        begins: bool = True,
    ) -> None:
        """Read what is open, or leave it to `begin`. Raises CorruptionError, DeadError.

        Call `look` after each group and `tick` every TICK_S seconds. `call_later` is
        the event loop's; without it what has to wait for others waits for these.
        """
        self._config = config
        self._ledger = ledger
        self._register = register
        self._clock = clock
        self._wall_ns = wall_ns
        self._call_later = call_later
        self._started = clock()
        self.may_ask: Callable[[], bool] = lambda: True
        """Looked at before anything is sent to a biller."""
        self._billers: dict[int, Biller] = {}
        # In the order in which they were met, by which their turns have them.
        self._met: list[Biller] = []
        self._turns = Turns()
        self._pace = Pace(MESSAGES_PER_S, MESSAGES_AT_ONCE, self._started)
        self._pauses = False
        self._routes = Routes(register)
        self.failures = 0
        """What went wrong with one biller or another since the start."""
        # By biller: no complaint about it in the log before that.
        self._complains: dict[int, float] = {}
        self._clock_complains: dict[int, float] = {}
        self.watches = Watches(config.watches_max)
        # Open holds that were found damaged, and are asked about no more.
        self._lost: set[int] = set()
        self._connections = itertools.count(1)
        ledger.limit_holds(config.centre_holds_max)
        self._limited = 0
        self._limit_billers()
        register.listen(self._limit_billers)
        if begins:
            self.begin()

    # --- following the ledger ----------------------------------------------------

    def begin(self) -> None:
        """Once: what is open, what is kept of that, and what is unverified."""
        self._started, self._cursor = self._clock(), self._ledger.sequence
        holds, kept = self._ledger.holds(), self._ledger.kept()
        unverified = self._ledger.unverified()
        waiting = np.setdiff1d(holds, kept, assume_unique=True)
        for sequences, because in (
            (waiting, None),
            (kept, Because.KEPT),
            (unverified, Because.UNVERIFIED),
        ):
            # What came after the cursor is found again by `look`.
            left = sequences[sequences <= self._cursor]
            while len(left):
                rows, damaged = self._ledger.gather_whole(left[:ROWS_MAX])
                self._lost.update(damaged.tolist())
                rows = baskets.without_the_cut(rows, len(left) > ROWS_MAX)
                last = rows["sequence"][-1] if len(rows) else left[:ROWS_MAX][-1]
                if len(rows):
                    self._add(rows, self._started, because)
                left = left[np.searchsorted(left, last, "right") :]
        if len(holds) or len(unverified):
            log.info(
                "%d holds are open, %d of them kept, and %d payments are unverified",
                len(holds),
                len(kept),
                len(unverified),
            )

    def look(self) -> None:
        """Take in the rows that became durable, and ask; where messages have to wait,
        so do the rows: for the same few milliseconds.
        """
        if not self._pauses and self._take_in():
            self._ask()

    def _take_in(self) -> bool:
        """Take in the rows that became durable; false if they concern nobody here."""
        newest = self._ledger.sequence
        is_open = self._ledger.holds_count or self._ledger.unverified_count
        if not (is_open or self.watches or self._is_busy()):
            # Every hold in these rows is decided by now, and nobody is to be told.
            self._cursor = newest
            return False
        while self._cursor < newest:
            rows, last = read_whole(self._ledger, self._cursor + 1, ROWS_MAX)
            rows = baskets.without_the_cut(rows, last < newest)
            if len(rows) and last < newest:
                last = int(rows["sequence"][-1])
            # Before they are taken: of what fails half may be there, and no line twice.
            self._cursor = last
            if len(rows):
                self._take_rows(rows)
        return True

    def _limit_billers(self) -> None:
        """Have the ledger turn away what a biller's queue has no room for.

        It counts itself, so that no payment comes in before its count. Told of each
        participant, once: who is no biller has nothing waiting.
        """
        known = self._register.participants()
        for one in known[self._limited :]:
            most = self._config.biller_of(one.spec.id).queue_max
            self._ledger.limit_biller(one.index, most)
        self._limited = len(known)

    def _is_busy(self) -> bool:
        return any(
            one.connections_count or not one.is_idle for one in self._billers.values()
        )

    def _take_rows(self, rows: Rows) -> None:
        self._routes.refresh()
        router = self._routes.router
        kinds = router.kinds(rows)
        if Kind.HOLD in kinds:
            left = router.add(rows, self._wall_ns())
            if left:
                self._add(rows[left])
        if Kind.EXPIRE in kinds:
            self._follow(accepted(rows, Kind.EXPIRE), self._expire)
        if Kind.CASE in kinds:
            self._take_cases(accepted(rows, Kind.CASE))
        if kinds & _DECIDES:
            left = router.resolve(rows)
            if left:
                self._follow(rows[left], self._decide)
            if self.watches:
                self.watches.wake(accepted(rows, *_DECIDES)["resolves"])
        if Kind.TRANSFER in kinds:
            transfers = accepted(rows, Kind.TRANSFER)
            transfers = some(transfers, transfers["resolves"] > 0)
            if len(transfers):
                self._take_corrections(transfers)
        if Kind.REFUND in kinds:
            self._tell_refunds(accepted(rows, Kind.REFUND))

    def _follow(self, rows: Rows, take: Callable[[Biller, Rows], None]) -> None:
        """Rows about holds, for the billers of these, and for who watches them."""
        for biller, part in self._by_biller(rows):
            try:
                take(biller, part)
            except Exception as error:  # noqa: BLE001
                self._failed(biller, error)
        self.watches.wake(rows["resolves"])

    def _expire(self, biller: Biller, rows: Rows) -> None:
        biller.work.set_aside(
            baskets.firsts(rows, "resolves"),
            Because.UNVERIFIED,
            self._clock(),
            self._wall_ns(),
        )
        if biller.connections_count:
            biller.ends.add(rows["resolves"], rows)

    def _decide(self, biller: Biller, rows: Rows) -> None:
        numbers = baskets.firsts(rows, "resolves")
        verified = rows["kind"] == Kind.VERIFY
        told = rows
        if verified.any():
            # What was verified after a void, or once more, has not changed by it.
            told = rows[~verified | biller.work.is_undecided(numbers)]
        biller.work.end(numbers)
        if biller.connections_count:
            biller.ends.add(told["resolves"], told)

    def _take_cases(self, cases: Rows) -> None:
        now, wall_ns = self._clock(), self._wall_ns()
        types, keeps = cases["total"], (cases["flags"] & RowFlag.KEEP) > 0
        differs = types == CaseType.AMOUNT_DIFFERS
        for mask, because, credited in (
            (keeps & ~differs, Because.KEPT, False),
            (keeps & differs, Because.KEPT, True),
            # Of what was voided there is no line.
            (types == CaseType.LATE_CONFIRMATION, Because.UNVERIFIED, True),
        ):
            holds, _ = self._ledger.gather_whole(cases["resolves"][mask])
            if not len(holds):
                continue
            for biller, part in self._by_biller(holds):
                numbers = baskets.firsts(part)
                biller.work.set_aside(numbers, because, now, wall_ns, credited=credited)
        self.watches.wake(cases["resolves"])

    def _take_corrections(self, transfers: Rows) -> None:
        """Of what was paid after all nothing is asked any more; who watches looks."""
        self.watches.wake(transfers["resolves"])
        rows, damaged = self._ledger.gather_whole(transfers["resolves"])
        transfers = transfers[~np.isin(transfers["resolves"], damaged)]
        # The others speak of a hold without ending it, or of no hold.
        paid = (rows["kind"] == Kind.HOLD) & (rows["credit"] == transfers["credit"])
        holds = some(rows, paid)
        if len(holds):
            for biller, part in self._by_biller(holds):
                biller.work.end(baskets.firsts(part))

    def _tell_refunds(self, refunds: Rows) -> None:
        posts, damaged = self._ledger.gather_whole(refunds["resolves"])
        refunds = refunds[~np.isin(refunds["resolves"], damaged)]
        # Of what was paid without a question nobody waits to hear.
        held = posts["kind"] == Kind.POST
        refunds = refunds[held]
        for place, post in enumerate(entries_of(posts[held])):
            biller = self.biller(self._register.service(post.service).biller)
            if biller.connections_count:
                biller.ends.add(np.array([post.resolves]), refunds[place : place + 1])

    def _add(
        self,
        holds: Rows,
        before: float | None = None,
        because: Because | None = None,
    ) -> None:
        """Take in holds: from before a start, and why nobody has decided them."""
        now, wall_ns = self._clock(), self._wall_ns()
        for biller, part in self._by_biller(holds):
            try:
                if because is None:
                    lost = biller.add(part, self._ledger, wall_ns, before)
                else:
                    work = biller.work
                    lost = work.restore(part, because, self._ledger, now, wall_ns)
                self._lost.update(lost)
            except Exception as error:  # noqa: BLE001
                self._failed(biller, error)

    def _failed(self, biller: Biller, error: Exception) -> None:
        """What goes wrong with one biller is no reason to leave the others alone."""
        self.failures += 1
        now = self._clock()
        if now >= self._complains.get(biller.index, now):
            self._complains[biller.index] = now + COMPLAINT_S
            log.critical("ALARM: %s cannot be served", biller.name, exc_info=error)

    def _by_biller(self, rows: Rows) -> Iterator[tuple[Biller, Rows]]:
        """The rows of each biller, by their services, in order."""
        for index, part in self._routes.parts(rows):
            yield self.biller(index), part

    def biller(self, index: int) -> Biller:
        """The biller with this participant index. LookupError if there is none."""
        known = self._billers.get(index)
        if known is None:
            known = Biller(index, self._register, self._config, self._started)
            self._billers[index] = known
            self._met.append(known)
            self._turns.add(known.table)
            self._routes.add(index, known.table)
        return known

    # --- time --------------------------------------------------------------------

    def tick(self) -> None:
        """See what was not answered in time, and ask what is due."""
        now, wall_ns = self._clock(), self._wall_ns()
        for biller in self._billers.values():
            try:
                self._wake_lines(biller, biller.tick(now, wall_ns))
            except Exception as error:  # noqa: BLE001
                self._failed(biller, error)
        self._ask()

    def cancels(self) -> list[Request]:
        """Voids of payments that were never offered, in time; to be committed.

        To be called with each tick. What is not done is asked for again.
        """
        now, wall_ns = self._clock(), self._wall_ns()
        requests = []
        for biller in self._billers.values():
            if biller.is_idle:
                continue
            try:
                holds, operators = biller.work.cancels(now, wall_ns)
            except Exception as error:  # noqa: BLE001
                self._failed(biller, error)
                continue
            if len(holds):
                log.info("%s was never asked about %d holds", biller.name, len(holds))
                requests.append(moves.cancels(holds, operators).request())
        return requests

    def cancel(self, hold: Entry, operator: int = 0) -> Request | None:
        """The voids of a payment and its basket; None: asked about, or decided."""
        # The hold may be durable and wait here for messages: nobody has heard of it.
        self._take_in()
        now, wall_ns = self._clock(), self._wall_ns()
        work = self.biller(self._register.service(hold.service).biller).work
        holds = work.cancel(hold.basket_lead, operator, now, wall_ns)
        return moves.cancels(holds, operator).request() if len(holds) else None

    def _ask(self) -> None:
        """Ask who has much to be asked, and the others in turn as the pace allows.

        What needs no turn takes none from the others: the pace is that of turns.
        """
        now, wall_ns = self._clock(), self._wall_ns()
        turns = self._turns
        for place in turns.many(LARGE):
            self._ask_biller(self._met[place], now, wall_ns)
        turns.begin()
        while (place := turns.next()) >= 0:
            if not self._pace.allows(now):
                self._pause()
                return
            turns.passed()
            if self._ask_biller(self._met[place], now, wall_ns):
                self._pace.spend()

    def _ask_biller(self, biller: Biller, now: float, wall_ns: int) -> bool:
        if not self.may_ask():
            return False
        try:
            return biller.ask(self._ledger, now, wall_ns)
        except Exception as error:  # noqa: BLE001
            self._failed(biller, error)
            return False
        finally:
            self._lost.update(biller.lost)
            biller.lost.clear()

    def _pause(self) -> None:
        if not self._pauses and self._call_later is not None:
            self._pauses = True
            self._call_later(PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._pauses = False
        self.look()

    # --- connections -------------------------------------------------------------

    def connection_number(self) -> int:
        """A number for a new connection."""
        return next(self._connections)

    def attach(self, index: int, connection: Connection) -> Biller:
        """A biller has connected. Raises OverloadError if it has too many already."""
        biller = self.biller(index)
        most = biller.config.connections_max
        if biller.connections_count >= most:
            raise OverloadError(f"{biller.name} has {most} connections")
        now = self._clock()
        biller.attach(connection, now)
        self._ask_one(biller)
        return biller

    def detach(self, biller: Biller, connection: Connection) -> None:
        """A connection of it is gone; what was asked on it is asked about."""
        numbers = biller.detach(connection, self._clock(), self._wall_ns())
        self._wake_lines(biller, numbers)

    @contextmanager
    def presence(self, index: int) -> Iterator[None]:
        """A biller is here without being asked: it pulls. It does not count as away."""
        biller = self.biller(index)
        biller.pull()
        presence = biller.presence
        presence.connected(self._clock())
        try:
            yield
        finally:
            presence.disconnected(self._clock())

    def take(self, biller: Biller, body: bytes, connection: int = 0) -> Taken:
        """A ConnectRequest of a biller: requests to commit, and what to tell it.

        `connection` is the number of the one it came on.

        Their replies go to `Biller.note`. Raises WireError.
        """
        answers = parse_answers(body)
        clock_ns = parse_clock(body)
        if clock_ns:
            biller.clocks.note(connection, clock_ns, self._wall_ns())
            self._check_clock(biller)
        taken = biller.take(answers, body, self._ledger, self._clock(), self._wall_ns())
        if taken.wrong:
            log.warning("%s gave %d wrong answers", biller.name, taken.wrong)
        return taken

    def _check_clock(self, biller: Biller) -> None:
        now = self._clock()
        complains = self._clock_complains
        if biller.clock_is_wrong and now >= complains.get(biller.index, now):
            complains[biller.index] = now + COMPLAINT_S
            log.critical(
                "ALARM: the clock of %s differs by %.1f s; it is not asked to credit "
                "what has so short a margin until it is set, or goes by "
                "credit_within_ms and sends none",
                biller.name,
                biller.clocks.skew_ns / 1e9,
            )

    # --- bills -------------------------------------------------------------------

    async def fetch_bills(
        self, service: Service, reference: str, centre: int
    ) -> Fetched:
        """What a reference owes, from the service's biller.

        `centre` is the participant index of who asks. Raises BillerUnavailableError if
        the biller is not connected, rests, also for this centre alone, or does not
        answer in time; BillerBusyError if too many bills are asked for, CentreBusyError
        if by this centre; BillNotFoundError if it knows of none, BillUnreadableError
        if no payment can be of what it says.
        """
        biller = self.biller(service.biller)
        now = self._clock()
        health = biller.fetch_breaker.state_for(centre, now)
        if not biller.connections_count or health is Health.OPEN:
            raise BillerUnavailableError(
                f"{biller.name} is not connected, or has not answered of late",
                biller.fetch_breaker.retry_ms(centre, now),
            )
        answer = biller.fetch(service, reference, centre, now)
        # All that is asked for in this round of the loop goes out in one message.
        asyncio.get_running_loop().call_soon(self._ask_one, biller)
        result = await asyncio.shield(answer)
        if isinstance(result, SwitchError):
            raise result
        return result

    def _ask_one(self, biller: Biller) -> None:
        """Out of turn: somebody waits at a counter, or has just come.

        The pace is of those who wait in turn: without end of such messages they would
        never be asked.
        """
        self._ask_biller(biller, self._clock(), self._wall_ns())

    # --- the door ----------------------------------------------------------------

    def check_service(self, service: Service, wallet: int) -> None:
        """Refuse a payment of this service at the counter, before the ledger sees it.

        `wallet` is the account that is to pay, or 0. Raises BillerBusyError if the
        biller's queue is full; BillerUnavailableError if it rests, also for this wallet
        alone, and an unanswered hold would only expire (policy `release`).
        A payment that may have been taken before must not be refused here.
        """
        biller = self.biller(service.biller)
        if biller.is_full:
            waiting = f"{biller.table.open_count} payments wait for {biller.name}"
            raise BillerBusyError(waiting, BUSY_RETRY_MS)
        now = self._clock()
        # As the ledger asks: what was promised may have been taken back.
        promised = self._register.participant(service.biller).spec.never_credits_late
        releases = service.spec.deadline_policy is Policy.RELEASE and promised
        if releases and biller.breaker.state_for(wallet, now) is Health.OPEN:
            raise BillerUnavailableError(
                f"{biller.name} does not answer", biller.breaker.retry_ms(wallet, now)
            )

    def check_reply(self, reply: bytes) -> None:
        """Raise BillerBusyError if the ledger turned the payment, or basket, away.

        CentreBusyError if it was for what its own wallet holds. `reply` is a
        CreatePaymentsResponse. Costs nothing until some biller or wallet had too many.
        """
        ledger = self._ledger
        if not (ledger.billers_turned_away or ledger.holds_turned_away):
            return
        outcomes = payments_pb2.CreatePaymentsResponse.FromString(reply).outcomes
        if not outcomes or outcomes[0].result != Result.BILLER_BUSY.value:
            return
        if outcomes[0].differing_field == Field.DEBIT.value:
            raise CentreBusyError(
                "too many payments of this centre wait for their billers", BUSY_RETRY_MS
            )
        raise BillerBusyError("too many payments wait for the biller", BUSY_RETRY_MS)

    # --- who waits ---------------------------------------------------------------

    def watch(self, sequence: int) -> Watch:
        """Follow the hold with this sequence; enter it, then look, then wait.

        Raises OverloadError if too many watch.
        """
        return self.watches.begin(sequence)

    def wake_all(self) -> None:
        """The server stops: nobody waits any longer."""
        self.watches.wake_all()
        for biller in self._billers.values():
            biller.fetches.end_all("cannot be asked: the server is stopping")

    def _wake_lines(self, biller: Biller, numbers: Numbers) -> None:
        """Questions have become unknown: all payments of each."""
        if self.watches and len(numbers):
            table = biller.table
            self.watches.wake_spans(numbers, table.sizes(table.find(numbers)))

    def is_unknown(self, hold: Entry) -> bool:
        """Whether an open hold was asked about and has no answer in time."""
        service = self._register.service(hold.service)
        return self.biller(service.biller).is_in_doubt(hold.basket_lead)

    # --- figures -----------------------------------------------------------------

    def damaged(self) -> Numbers:
        """Open holds that were found damaged, by sequence; of a basket its first."""
        return np.array(sorted(self._lost), np.uint64)

    def states(self) -> list[BillerStatus]:
        """Every biller that has a confirmed service or has been connected."""
        services = self._register.services()
        asked = {one.biller for one in services if one.spec.mode is Mode.CONFIRMED}
        now = self._clock()
        billers = {index: self.biller(index) for index in asked} | self._billers
        return [
            status_of(one, now)
            for one in billers.values()
            if one.index in asked or one.has_connected
        ]
