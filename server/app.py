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
import socket
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2

from server import figures, hot
from server._front import BIDI, Front
from server.alarms import Alarms
from server.budgets import Budgets, costs
from server.certificates import ServerCertificates
from server.door import Door
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
from switch.credentials import check_trusted
from switch.errors import ConfigError
from switch.ledger.committer import Committer
from switch.ledger.opening import Progress, open_ledger
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

log = logging.getLogger("server")

EXIT_DEAD = 70
"""Exit code of a server whose ledger died."""
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
        self._dead = False

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
        files = server_credentials(config.tls_dir, config.trust_domain, dev=config.dev)
        check_directory(config.data_dir)
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
            ledger = await self._open()
            node = self._node(ledger, front)
        except BaseException:
            await transport.stop(0)
            raise
        try:
            transport.serve(all_behaviours(node))
            # Before anybody may make them.
            front.open_hot(node.committer.capsule())
            door.open(node.register)
            open_services.health.set(health_pb2.HealthCheckResponse.SERVING)
            await self._serve(node, port, certificates, ready)
        except BaseException:
            await transport.stop(0)
            # The committer's thread would keep the process alive.
            node.committer.stop(0)
            front.close_hot()
            ledger.close()
            raise
        door.close()
        return await self._end(front, transport, node, open_services)

    async def _open(self) -> Ledger:
        """Open the ledger in a thread, telling how far it is; ends when asked to."""
        config = self._config
        loop = asyncio.get_running_loop()

        def work() -> Ledger:
            return open_ledger(
                config.data_dir,
                progress=self._progress,
                map_size=config.map_size,
                reserve_size=config.reserve_size,
                index_step_rows=config.index_step_rows,
                index_lag_max=config.index_lag_max,
            )

        opened = loop.run_in_executor(None, work)
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
        """What the services share, its committer running; else the ledger is closed."""
        config = self._config
        loop = asyncio.get_running_loop()

        def die() -> None:
            loop.call_soon_threadsafe(self._die)

        try:
            committer = Committer(
                ledger,
                queue_rows_max=config.queue_rows_max,
                queue_bytes_max=config.queue_bytes_max,
                on_death=die,
            )
            node = Node(config, ledger, committer, self._observer, front)
            check_people(config, node)
            committer.start(accept_clock=config.accept_clock)
        except BaseException:
            ledger.close()
            raise
        return node

    async def _serve(
        self,
        node: Node,
        port: int,
        certificates: ServerCertificates,
        ready: Ready,
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
        self._metrics.become_ready(node)
        ready(address, self._figures_address, node.ledger)
        supervisor = Supervisor()
        supervisor.start("alarms", Alarms(node).run)
        supervisor.start("certificates", certificates.run)
        supervisor.start("exceptions", partial(self._metrics.look, node))
        self._following = Following(node)
        supervisor.start("totals", self._following.run)
        await self._stop.wait()
        await supervisor.stop()

    def _certified(self, certificate: bytes, authority: bytes) -> None:
        """The server has a certificate, its first or another."""
        self._metrics.set_certificate("server", certificate)
        self._metrics.set_certificate("authority", authority)
        self._observer.security.act("certificates")

    def _die(self) -> None:
        self._dead = True
        self._stop.set()

    async def _end(
        self,
        front: Front,
        transport: Transport,
        node: Node,
        open_services: "OpenServices",
    ) -> int:
        """Stop taking calls, answer those taken, close the ledger."""
        why = "the ledger is dead" if self._dead else "as asked"
        log.info("stopping: %s", why)
        self._metrics.become_unready(f"the server is stopping: {why}")
        self._observer.security.act("stop", why=why)
        grace_s = DEATH_GRACE_S if self._dead else float(self._config.drain_s)
        until_s = node.loop.time() + grace_s
        open_services.health.set(health_pb2.HealthCheckResponse.NOT_SERVING)
        node.stop_streams()
        front.stop_streams()
        # Who watches the health hears of it, and holds nothing up.
        await asyncio.sleep(0)
        transport.end_calls(
            open_services.behaviours, StoppingError("the server is stopping")
        )
        await transport.stop(grace_s)
        if self._dead:
            # Nothing of this process may touch the ledger again, not even to close it.
            log.critical("stopped with exit code %d", EXIT_DEAD)
            self._observer.security.stop()
            logging.shutdown()
            os._exit(EXIT_DEAD)
        left_s = max(until_s - node.loop.time(), 0)
        drained = await stop_queue(front, node.committer, left_s)
        front.close_hot()
        node.close()
        self._following.close()
        sequence = node.ledger.sequence
        node.ledger.close()
        log.info("stopped: sequence %d, drained %s", sequence, drained)
        return 0


def check_people(config: Config, node: Node) -> None:
    """Raise ConfigError for a ledger without people, unless that is meant."""
    if node.register.has_people or config.dev or config.without_people:
        return
    raise ConfigError(
        f"{config.data_dir} is a ledger without people: whoever has a certificate of "
        "the treasury moves its money alone. Begin an empty one with `payswitch init`, "
        "or say --without-people (for development --dev)"
    )


async def stop_queue(front: Front, committer: Committer, drain_s: float) -> bool:
    """Commit what waits, within so long, behind a front that has stopped.

    Its calls are over, and their answers would hold up the groups behind them. False
    if something was left.
    """
    loop = asyncio.get_running_loop()
    answers = front.hot_fileno()
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


def check_directory(path: Path) -> None:
    """Refuse a ledger that others may read or replace, or a directory right above one.

    A `ledger` beside `tls` is how `payswitch day` lays files out; a new ledger above it
    would look like a loss. Raises ConfigError.
    """
    inner = path / "ledger"
    if (inner / "journal").exists() and not (path / "journal").exists():
        raise ConfigError(f"{path} is no ledger, but {inner} is one: serve that")
    if path.exists():
        check_trusted(path)
    for part in (path / "journal", path / "index", path / "totals"):
        for each in (part, part / "data.mdb", part / "lock.mdb"):
            check_owned(each)
    check_owned(path / "LOCK")


def check_owned(path: Path) -> None:
    """Refuse what is another user's, or open to others. Raises ConfigError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to the user {found.st_uid}: give it to the server's user"
        )
    if found.st_mode & 0o077:
        raise ConfigError(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}): "
            f"`chmod {700 if path.is_dir() else 600}` it"
        )


def listen(front: Front, config: Config) -> int:
    """Listen; return the port. Raises ConfigError if it is taken."""
    try:
        found = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return front.listen(str(found[0][4][0]), config.port)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {config.address}: it is in use or not an address here"
        ) from error


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
