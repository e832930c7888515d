"""What all services share: the ledger, its committer, the register, and time.

One `Node` a server. Everything here belongs to the event loop's thread unless it
says otherwise; blocking reads of the ledger go through `read`.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from server import asking, progress
from server.observer import Observer
from server.reading import Look, Looks, Readers
from server.security_log import security_log
from server.sessions import NoTable, Sessions, Table
from server.status import StoppingError
from switch._core import Ledger, Request
from switch.billing.dispatch import TICK_S, Dispatcher
from switch.billing.file_budget import FileBudget
from switch.billing.put_in import PutIn
from switch.codes import Budget, Result, Role
from switch.config import Config
from switch.errors import (
    DamagedError,
    DeadError,
    NotLeaderError,
    OverloadError,
    RefusalsSpentError,
    SwitchError,
)
from switch.ledger.committer import Answer, Committer, Reply
from switch.ledger.exceptions import Exceptions
from switch.ledger.quotation_keys import KeyRing
from switch.ledger.receipt_key import ReceiptKey
from switch.register.load import Register
from switch.register.operators import find_operator
from switch.register.past import PastNames
from switch.totals.cube import Cube
from switch.v1 import payments_pb2

log = logging.getLogger("server")

P = ParamSpec("P")
T = TypeVar("T")


def _note_cancels(_: int, answer: Answer) -> None:
    """What the ledger did not give back is open still, and is brought again."""
    if isinstance(answer, SwitchError):
        log.warning("holds were not given back: %s", answer)


class Node:
    """The shared parts of one running server."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        committer: Committer,
        observer: Observer | None = None,
        sessions: Table | None = None,
        *,
        follows: bool = False,
    ) -> None:
        """Belongs to the running event loop. The committer must not run yet.

        Without `observer` it has one of its own, whose log nobody writes; without
        `sessions`, the front door's, nobody is signed on. One that `follows` asks no
        biller before `lead`. Raises ConfigError if the
        keys of quotations or receipts cannot be used, SpaceError.
        """
        self.config = config
        self.ledger = ledger
        self.committer = committer
        self.observer = observer or Observer(security_log(config))
        self.quotation_keys = KeyRing(ledger)
        self.receipt_key = ReceiptKey(ledger)
        self.register = Register(ledger)
        self.sessions = Sessions(
            config,
            sessions or NoTable(),
            self.quotation_keys,
            partial(find_operator, ledger),
            lambda sender, row_id: ledger.find(sender, row_id) != 0,
            ledger.instance,
        )
        self.register.listen_centres(self.sessions.register_changed)
        self.past_names = PastNames(self.register)
        self.loop = asyncio.get_running_loop()
        self.dispatch = Dispatcher(
            config,
            ledger,
            self.register,
            call_later=self.loop.call_later,
            begins=not follows,
        )
        self.leads = not follows
        """Whether it asks billers, and gives back what nobody was asked about."""
        self.check_leads: Callable[[], None] | None = None
        """Raises NotLeaderError if another node may lead by now: asked of each call."""
        self.exceptions = Exceptions(ledger)
        self.totals = Cube(ledger)
        self.put_in = PutIn(ledger, self.register)
        self.file_budget = FileBudget()
        for role in Role:
            budgets = config.budget_of(role)
            ledger.limit_refusals(
                role,
                budgets[Budget.REFUSALS_PER_S],
                budgets[Budget.REFUSALS_AT_ONCE],
            )
        self.stopping = False
        self._group = asyncio.Event()
        self._on_stop: set[Callable[[], None]] = set()
        self.readers = Readers(self.loop)
        self.looks = Looks(self.loop, lambda keys: self.ledger.find_entries(keys))
        committer.attach(self.loop)
        committer.listen(self._group_done)
        committer.listen(self.dispatch.look)
        self._cancels = committer.open(_note_cancels)
        self._tick()

    # --- time --------------------------------------------------------------------

    def _group_done(self) -> None:
        # Whoever waits holds the old event; who comes later waits for the next group.
        done, self._group = self._group, asyncio.Event()
        done.set()

    def _tick(self) -> None:
        # Before the work: an error in it is the loop's to log, and ends no ticking.
        self.loop.call_later(TICK_S, self._tick)
        if self.leads and not self.stopping:
            self.dispatch.tick()
            self._cancel()

    def _cancel(self) -> None:
        """Give back what no biller was asked about in time."""
        for request in self.dispatch.cancels():
            try:
                self.committer.submit(request, self._cancels)
            except (OverloadError, DeadError, NotLeaderError) as error:
                # Those that are still open are brought again.
                log.warning("holds could not be given back: %s", error)

    def lead(self) -> None:
        """The ledger takes payments from now on: ask about all that is open."""
        self.dispatch.begin()
        self.leads = True

    def followed(self) -> None:
        """Rows have come that another node decided: tell who waits for any."""
        self._group_done()

    @property
    def group(self) -> asyncio.Event:
        """Set when the next group is durable. Take it first, then look, then wait."""
        return self._group

    async def wait_group(self, group: asyncio.Event, timeout_s: float) -> bool:
        """Wait until `group` is set; False after `timeout_s` seconds.

        Raises StoppingError when the server stops.
        """
        self.check_running()
        try:
            await asyncio.wait_for(group.wait(), timeout_s)
        except TimeoutError:
            return False
        self.check_running()
        return True

    def check_running(self) -> None:
        """Raise StoppingError if the server stops."""
        if self.stopping:
            raise StoppingError("the server is stopping")

    def add_stop(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the server begins to stop."""
        self._on_stop.add(callback)

    def remove_stop(self, callback: Callable[[], None]) -> None:
        """Forget a callback of `add_stop`."""
        self._on_stop.discard(callback)

    def stop_streams(self) -> None:
        """Tell all who wait or read without end that the server stops."""
        self.stopping = True
        self._group_done()
        self.dispatch.wake_all()
        for callback in tuple(self._on_stop):
            try:
                callback()
            except Exception:
                # The others must hear it, and the server must end.
                log.exception("a call could not be told that the server stops")

    def close(self) -> None:
        """End the reading threads, so that the ledger can be closed after them."""
        self.looks.close()
        self.readers.close()
        self.put_in.close()

    # --- work --------------------------------------------------------------------

    async def read(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in a reading thread, in the turn of who asks.

        Raises OverloadError if too many wait, and what `call` raises.
        """
        return await self.readers.read(asking.current(), partial(call, *args, **kwargs))

    async def look(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a short blocking call as `look_up` does. Raises as it, and as `call`."""
        future: asyncio.Future[T] = self.loop.create_future()

        def done(result: Any, error: Exception | None) -> None:
            if future.done():
                return  # its call was given up
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.look_up(asking.current(), partial(call, *args, **kwargs), done)
        return await future

    def look_up(
        self,
        owner: int,
        call: Callable[[], T],
        done: Callable[[T | None, Exception | None], None],
    ) -> None:
        """Run a short blocking call in the looking thread, with those of this turn.

        Then `done` in the event loop, with its result or its error. Raises
        OverloadError if too many wait, of its owner or of all.
        """
        self.looks.put(owner, Look(call, done))

    def _check_alone(self, reply: Reply) -> None:
        """Raise DamagedError if a payment, basket or move that came alone met damage.

        RefusalsSpentError if it was refused and its sender may have no more refusals.
        `reply` is its answer. Costs nothing until one of both was met.
        """
        if not (self.ledger.damaged_requests or self.ledger.refusals_turned_away):
            return
        if isinstance(reply, bytes):
            outcomes = payments_pb2.CreatePaymentsResponse.FromString(reply).outcomes
            result = outcomes[0].result if outcomes else 0
        else:
            result = int(reply[0]["result"])
        if result == Result.DATA_DAMAGED.value:
            raise DamagedError("an entry that it depends on is damaged")
        if result == Result.TOO_MANY_REFUSALS.value:
            raise RefusalsSpentError(
                "too many payments of this sender were refused lately; nothing was done"
            )

    async def commit(self, request: Request) -> Reply:
        """Commit a request and wait until it is durable.

        A caller that goes away does not take it back. From here on no error of this
        call says that nothing was done. Raises what `Committer.submit` raises and a
        receiver gets.
        """
        reply = await self._commit(request)
        progress.current().has_committed = True
        return reply

    async def commit_alone(self, request: Request) -> Reply:
        """Commit one payment, basket or move of a call that takes no more than that.

        Raises what `commit` raises, DamagedError, and RefusalsSpentError if the ledger
        turned it away: then nothing was done.
        """
        reply = await self._commit(request)
        self._check_alone(reply)
        progress.current().has_committed = True
        return reply

    async def pay(self, request: Request) -> bytes:
        """Commit one payment, or basket, of a call that takes no more than that.

        Raises what `commit_alone` raises, and BillerBusyError if the ledger turned it
        away: then nothing was done.
        """
        reply = await self._commit(request)
        assert isinstance(reply, bytes)
        self._check_alone(reply)
        self.dispatch.check_reply(reply)
        progress.current().has_committed = True
        return reply

    def commit_in_thread(self) -> Callable[[Request], Reply]:
        """For a reading thread of this call: what commits there, and blocks."""
        so_far = progress.current()

        def commit(request: Request) -> Reply:
            reply = self.committer.commit_now(request)
            so_far.has_committed = True
            return reply

        return commit

    async def _commit(self, request: Request) -> Reply:
        future: asyncio.Future[Reply] = self.loop.create_future()

        def receive(_: int, answer: Answer) -> None:
            if future.done():
                return
            if isinstance(answer, SwitchError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        tag = self.committer.open(receive)
        try:
            self.committer.submit(request, tag)
            return await future
        finally:
            self.committer.close(tag)
