"""One server: built from a config, serving, drained, and ended with an exit code.

It owns the order of things: the port is taken first, and behind it nothing is served
before the ledger is open and the committer runs; nothing is closed before every call
that was taken has its answer. A ledger that dies ends the process, because only a
restart makes it whole again.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2

from server import descriptors, figures, hot
from server._front import BIDI, Front
from server.alarms import Alarms
from server.beginning import (
    check_alone,
    check_directory,
    check_halted,
    check_people,
    listen,
)
from server.budgets import Budgets, costs
from server.certificates import ServerCertificates
from server.clock_wait import wait_for_kernel
from server.door import Door
from server.exits import EXIT_DEAD, EXIT_DEPOSED, EXIT_UNSETTLED, WHY
from server.fetching import Fetching
from server.followed import READS, follower_behaviours
from server.following import Following
from server.interceptors import (
    full_name,
    kind_of,
    open_behaviours,
    service_behaviours,
)
from server.metrics import Metrics
from server.node import Node
from server.observer import Observer
from server.security_log import security_log
from server.services import health, reflection
from server.services.admin import AdminService
from server.services.banks import BankService
from server.services.billers import BillerService
from server.services.counter import CounterService
from server.services.explain import ExplainService
from server.services.files import FilesService
from server.services.health import HealthService
from server.services.payments import PaymentService
from server.services.people import PeopleService
from server.services.proposal_list import widening_count
from server.services.public import PublicService
from server.services.reflection import ReflectionService
from server.services.totals import TotalsService
from server.services.wallets import WalletService
from server.status import StoppingError
from server.tasks import Supervisor
from server.transport import Behaviour, Transport, make_front
from switch._core import LMDB_VERSION, Ledger
from switch.authority.certificates import server_credentials
from switch.config import Config
from switch.ledger import node_keys
from switch.ledger.committer import Committer
from switch.ledger.opening import Progress, open_ledger
from switch.margin_rows import margin_tail
from switch.v1 import (
    admin_pb2,
    banks_pb2,
    billers_pb2,
    counter_pb2,
    explain_pb2,
    files_pb2,
    payments_pb2,
    people_pb2,
    public_pb2,
    totals_pb2,
    wallets_pb2,
)

if TYPE_CHECKING:
    # A server that is alone imports nothing of clusters.
    from server.leadership import Leadership
    from server.log_parts import Parts

log = logging.getLogger("server")

DEATH_GRACE_S = 2.0
"""How long calls may take to hear that the ledger is dead."""
SWITCH_INTERVAL_S = 0.0005
"""How long a reading thread may keep the event loop waiting; commits need no GIL."""
GARBAGE_THRESHOLD = 10_000
"""Objects that a collection of cycles waits for: hundreds of calls are under way, and
Python's 700 has all of them walked over and over."""
PROGRESS_S = 1.0
"""How often it is said how far the opening of the ledger is."""
SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    file.services_by_name[name]
    for file, name in (
        (payments_pb2.DESCRIPTOR, "PaymentService"),
        (wallets_pb2.DESCRIPTOR, "WalletService"),
        (billers_pb2.DESCRIPTOR, "BillerService"),
        (counter_pb2.DESCRIPTOR, "CounterService"),
        (admin_pb2.DESCRIPTOR, "AdminService"),
        (people_pb2.DESCRIPTOR, "PeopleService"),
        (banks_pb2.DESCRIPTOR, "BankService"),
        (explain_pb2.DESCRIPTOR, "ExplainService"),
        (totals_pb2.DESCRIPTOR, "TotalsService"),
        (files_pb2.DESCRIPTOR, "FilesService"),
        (public_pb2.DESCRIPTOR, "PublicService"),
    )
)
NAMES = tuple(descriptor.full_name for descriptor in SERVICES)
HEALTH: Any = health_pb2.DESCRIPTOR.services_by_name["Health"]
METHODS: tuple[tuple[str, int], ...] = (
    *(
        (full_name(method), kind_of(method))
        for descriptor in (*SERVICES, HEALTH)
        for method in descriptor.methods
    ),
    *((f"/{name}/{reflection.METHOD}", BIDI) for name in reflection.NAMES),
)
"""Every method and its kind. Their numbers are the front thread's."""
T = TypeVar("T")
Ready = Callable[[str, str, Ledger], None]
"""Told once calls are taken: the address of calls, that of figures, the ledger."""


def tune_interpreter() -> None:
    """Set what holds for the whole process while it serves."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(GARBAGE_THRESHOLD)
    # What is there when serving begins stays: to walk it would stop the loop for 20 ms.
    gc.collect()
    gc.freeze()


class App:
    """One running server."""

    def __init__(self, config: Config) -> None:
        """Nothing is opened before `run`."""
        self._config = config
        self._progress = Progress()
        self._stop = asyncio.Event()
        self._code = 0
        """With which it ends; other than 0 it does not end as asked."""
        self._leadership: Leadership | None = None
        """None of a server that is alone."""

    async def run(self, ready: Ready) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code.

        The port is there from the first moment; `ready` is called with the addresses
        of calls and of figures once calls are taken. Raises ConfigError, BusyError,
        ClockError, StorageError if it cannot start.
        """
        self._observer = Observer(security_log(self._config))
        self._metrics = Metrics(self._config, self._observer, self._progress.text)
        try:
            return await self._run(ready)
        finally:
            self._metrics.stop()
            self._observer.security.stop()

    async def _run(self, ready: Ready) -> int:
        config = self._config
        descriptors.ensure(config)
        files = server_credentials(config.tls_dir, config.trust_domain, dev=config.dev)
        check_directory(config.data_dir)
        if config.cluster.is_set:
            check_halted(config.data_dir)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        front = make_front(config, METHODS, costs(METHODS))
        hot.set_up(front, METHODS)
        self._observer.calls.add_hot(hot.METHODS, front.hot_calls)
        certificates = ServerCertificates(files, front, self._certified)
        loop.add_signal_handler(signal.SIGHUP, certificates.reload)
        door = Door(
            front,
            [name for name, _ in METHODS],
            config.trust_domain,
            self._progress.text,
            self._observer.security,
            Budgets(config),
        )
        transport = Transport(front, METHODS, door, self._observer)
        open_services = OpenServices()
        transport.serve(open_services.behaviours)
        port = listen(front, config)
        self._metrics.add(
            "certificate_files",
            partial(figures.certificate_file_figures, certificates),
        )
        self._metrics.add("front", partial(figures.front_figures, front, config))
        self._figures_address = self._metrics.listen()
        transport.start()
        try:
            parts = await self._join()
            ledger = await self._open(parts)
            node = self._node(ledger, front)
            if parts is None and not await self._begin(node):
                await transport.stop(0)
                return 0
        except BaseException:
            await transport.stop(0)
            raise
        supervisor = Supervisor()
        try:
            behaviours = all_behaviours(node)

            def lead() -> None:
                """Take all calls."""
                transport.serve(behaviours)
                # Before anybody may make them.
                front.open_hot(node.committer.capsule())
                door.instead = None
                open_services.health.serve()
                supervisor.start("alarms", Alarms(node).run)

            if parts is None:
                lead()
            else:
                member = self._follow(node, parts, front, open_services, lead)
                reads = config.cluster.standby_reads
                transport.serve(
                    follower_behaviours(
                        node, member, behaviours, hot.METHODS, reads=reads
                    )
                )
                door.instead = member.refusal
                member.start()
            door.open(node.register)
            await self._serve(node, port, certificates, ready, supervisor)
        except BaseException:
            await transport.stop(0)
            if self._leadership is not None:
                await self._leadership.stop()
            # The committer's thread would keep the process alive.
            node.committer.stop(0)
            front.close_hot()
            ledger.close()
            raise
        door.close()
        return await self._end(front, transport, node, open_services)

    async def _join(self) -> "Parts | None":
        """What this node has of its log, which may take until the log can be reached;
        None for a server that is alone.
        """
        if not self._config.cluster.is_set:
            return None
        from server.log_parts import open_parts

        return await self._wait(partial(open_parts, self._config, self._progress))

    def _follow(
        self,
        node: Node,
        parts: "Parts",
        front: Front,
        open_services: "OpenServices",
        lead: Callable[[], None],
    ) -> "Leadership":
        """The part of the server that knows who leads; it does not run yet."""
        from server.cluster_figures import cluster_figures
        from server.leadership import Leadership

        def changed() -> None:
            if self._stop.is_set():
                return
            if member.leads:
                open_services.health.serve(None if member.is_confirmed else ())
                return
            served = READS if self._config.cluster.standby_reads else ()
            open_services.health.serve(("", *served) if member.serves_reads else ())

        member = self._leadership = Leadership(
            self._config,
            node,
            parts,
            lead=lead,
            lead_until=front.lead_until,
            changed=changed,
            end=self._die,
            check=partial(check_people, self._config, node),
        )
        self._metrics.add("cluster", partial(cluster_figures, member, node.put_in))
        return member

    async def _open(self, parts: "Parts | None") -> Ledger:
        """Open the ledger; that of a node without one is its log's."""
        config = self._config
        of_log: dict[str, Any] = {}
        if parts is not None and parts.instance is not None:
            of_log["instance"] = parts.instance

        def work() -> Ledger:
            return open_ledger(
                config.data_dir,
                progress=self._progress,
                map_size=config.map_size,
                reserve_size=config.reserve_size,
                index_step_rows=config.index_step_rows,
                index_lag_max=config.index_lag_max,
                **of_log,
            )

        return await self._wait(work)

    async def _wait(self, work: Callable[[], T]) -> T:
        """Do it in a thread, telling how far it is; ends when asked to."""
        opened = asyncio.get_running_loop().run_in_executor(None, work)
        stopped: asyncio.Future[Any] = asyncio.ensure_future(self._stop.wait())
        while True:
            waiting: set[asyncio.Future[Any]] = {opened, stopped}
            done, _ = await asyncio.wait(
                waiting,
                timeout=PROGRESS_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if opened in done:
                stopped.cancel()
                return await opened
            if stopped in done:
                # Nothing in C can be interrupted, and nothing is lost: a start that is
                # cut off is a start that was killed.
                log.info("stopped while opening: %s", self._progress.text())
                logging.shutdown()
                os._exit(0)
            log.info("opening: %s", self._progress.text())

    def _node(self, ledger: Ledger, front: Front) -> Node:
        """What the services share; the ledger is closed if there is none. Its committer
        does not run yet.
        """
        config = self._config
        loop = asyncio.get_running_loop()
        follows = config.cluster.is_set

        def die() -> None:
            code = EXIT_UNSETTLED if ledger.unsettled else EXIT_DEAD
            if ledger.fenced:
                code = EXIT_DEPOSED
            loop.call_soon_threadsafe(self._die, code)

        try:
            check_alone(config, ledger)
            if follows:
                # Made by itself it would be another one than the other nodes have.
                node_keys.fingerprints(config.data_dir)
            committer = Committer(
                ledger,
                queue_rows_max=config.queue_rows_max,
                queue_bytes_max=config.queue_bytes_max,
                on_death=die,
                follows=follows,
            )
            node = Node(
                config, ledger, committer, self._observer, front, follows=follows
            )
            if not follows:
                check_people(config, node)
        except BaseException:
            ledger.close()
            raise
        return node

    async def _begin(self, node: Node) -> bool:
        """Start the committer of a server that is alone, which may have to wait for the
        clock. Else the ledger is closed; False if the server is to stop.
        """
        accepted = self._config.accept_clock
        try:
            if not accepted:
                await wait_for_kernel(node.committer, self._stop, self._tell_waiting)
            if not self._stop.is_set():
                margin = margin_tail(self._config.margins)
                node.committer.start(accept_clock=accepted, margin=margin)
                node.register.refresh()
                return True
        except BaseException:
            node.ledger.close()
            raise
        log.info("stopped before any call was taken")
        node.ledger.close()
        return False

    def _tell_waiting(self, text: str) -> None:
        self._progress.waited_for = text

    async def _serve(
        self,
        node: Node,
        port: int,
        certificates: ServerCertificates,
        ready: Ready,
        supervisor: Supervisor,
    ) -> None:
        """Take calls until a signal comes or the ledger dies."""
        tune_interpreter()
        address = self._config.replace(port=port).address
        log.info(
            "serving on %s: sequence %d, LMDB %s",
            address,
            node.ledger.sequence,
            LMDB_VERSION,
        )
        self._observer.security.start()
        self._observer.security.act("start", address=address)
        self._following = Following(node)
        self._fetching = Fetching(node)
        if self._leadership is not None:
            supervisor.start("bills", self._fetching.run)
            await self._wait_first(self._leadership)
        if not self._stop.is_set():
            self._metrics.become_ready(node)
            ready(address, self._figures_address, node.ledger)
        supervisor.start("certificates", certificates.run)
        supervisor.start(
            "exceptions",
            partial(self._metrics.look, node, partial(widening_count, node)),
        )
        supervisor.start("totals", self._following.run)
        await self._stop.wait()
        await supervisor.stop()

    async def _wait_first(self, member: "Leadership") -> None:
        """Until it has something to serve, or is to stop."""
        waits = [
            asyncio.ensure_future(event.wait()) for event in (member.first, self._stop)
        ]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()

    def _certified(self, certificate: bytes, authority: bytes) -> None:
        """The server has a certificate, its first or another."""
        self._metrics.set_certificate("server", certificate)
        self._metrics.set_certificate("authority", authority)
        self._observer.security.act("certificates")

    def _die(self, code: int) -> None:
        self._code = self._code or code
        self._stop.set()

    async def _end(
        self,
        front: Front,
        transport: Transport,
        node: Node,
        open_services: "OpenServices",
    ) -> int:
        """Stop taking calls, answer those taken, close the ledger."""
        why = WHY[self._code]
        log.info("stopping: %s", why)
        self._metrics.become_unready(f"the server is stopping: {why}")
        self._observer.security.act("stop", why=why)
        grace_s = DEATH_GRACE_S if self._code else float(self._config.drain_s)
        until_s = node.loop.time() + grace_s
        open_services.health.serve(())
        node.stop_streams()
        front.stop_streams()
        # Who watches the health hears of it, and holds nothing up.
        await asyncio.sleep(0)
        transport.end_calls(
            open_services.behaviours, StoppingError("the server is stopping")
        )
        await transport.stop(grace_s)
        if self._code:
            # Nothing of this process may touch the ledger again, not even to close it.
            log.critical("stopped with exit code %d", self._code)
            self._observer.security.stop()
            logging.shutdown()
            os._exit(self._code)
        left_s = max(until_s - node.loop.time(), 0)
        member = self._leadership
        if member is not None:
            node.loop.call_later(left_s, member.abandon)
            await member.stop()
        drained = await stop_queue(front, node.committer, left_s)
        front.close_hot()
        self._fetching.close()
        node.close()
        self._following.close()
        sequence = node.ledger.sequence
        node.ledger.close()
        if member is not None:
            member.close()
        log.info("stopped: sequence %d, drained %s", sequence, drained)
        return 0


async def stop_queue(front: Front, committer: Committer, drain_s: float) -> bool:
    """Commit what waits, within so long, behind a front that has stopped.

    Its calls are over, and their answers would hold up the groups behind them. False
    if something was left.
    """
    loop = asyncio.get_running_loop()
    answers = front.hot_fileno()
    if answers < 0:
        # It never led: nobody could ask it anything.
        return await loop.run_in_executor(None, committer.stop, 0)
    loop.add_reader(answers, front.drop_answers)
    try:
        return await loop.run_in_executor(None, committer.stop, drain_s)
    finally:
        loop.remove_reader(answers)


class OpenServices:
    """Health and reflection: there before the ledger is open."""

    def __init__(self) -> None:
        """Not serving."""
        self.health = HealthService(NAMES)
        names = (*NAMES, health.NAME, *reflection.NAMES)
        info = ReflectionService(names).ServerReflectionInfo
        self.behaviours: dict[str, Behaviour] = {
            **open_behaviours(HEALTH, self.health),
            **{f"/{name}/{reflection.METHOD}": info for name in reflection.NAMES},
        }


def all_behaviours(node: Node) -> dict[str, Behaviour]:
    """What every method of every service does, by its full name; the hot ones aside."""
    made: dict[str, object] = {
        "PaymentService": PaymentService(node),
        "WalletService": WalletService(node),
        "BillerService": BillerService(node),
        "CounterService": CounterService(node),
        "AdminService": AdminService(node),
        "PeopleService": PeopleService(node),
        "BankService": BankService(node),
        "ExplainService": ExplainService(node),
        "TotalsService": TotalsService(node),
        "FilesService": FilesService(node),
        "PublicService": PublicService(node),
    }
    found: dict[str, Behaviour] = {}
    for descriptor in SERVICES:
        found |= service_behaviours(node, descriptor, made[descriptor.name])
    return found
