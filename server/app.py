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
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from server.alarms import Alarms
from server.gate import Gate
from server.interceptors import service_handlers
from server.metrics import Metrics
from server.node import Node
from server.observer import Observer
from server.security_log import security_log
from server.services.admin import AdminService
from server.services.billers import BillerService
from server.services.counter import CounterService
from server.services.payments import RAW, PaymentService
from server.services.wallets import WalletService
from server.tasks import Supervisor
from switch._core import LMDB_VERSION, Ledger
from switch.authority.certificates import server_credentials
from switch.config import Config
from switch.errors import ConfigError
from switch.ledger.committer import Committer
from switch.ledger.opening import Progress, open_ledger
from switch.v1 import admin_pb2, billers_pb2, counter_pb2, payments_pb2, wallets_pb2

log = logging.getLogger("server")

EXIT_DEAD = 70
"""Exit code of a server whose ledger died."""
DEATH_GRACE_S = 2.0
"""How long calls may take to hear that the ledger is dead."""
CALLS_MAX = 4_096
"""Calls under way on one connection."""
CONNECTIONS_MAX = 10_000
"""Connections at a time; each centre may hold a few."""
METADATA_BYTES_MAX = 16 << 10
PING_INTERVAL_MIN_MS = 10_000
"""A peer that pings more often than this without data is turned away."""
KEEPALIVE_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 20_000
HANDSHAKE_MS = 20_000
SWITCH_INTERVAL_S = 0.0005
"""How long a reading thread may keep the event loop waiting; commits need no GIL."""
GARBAGE_THRESHOLD = 10_000
"""Objects that a collection of cycles waits for. grpc.aio leaves three in cycles for
each call, and hundreds of calls are under way: Python's 700 has all of them walked over
and over."""
REGISTERED = frozenset({"/payswitch.v1.PaymentService/CreatePayment"})
"""Methods that gRPC dispatches by itself. grpc.aio waits for all of them at once, so
that each costs every call of the server a callback: only the busiest is here."""
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
    )
)


Ready = Callable[[str, str, Ledger], None]
"""Told once calls are taken: the address of calls, that of figures, the ledger."""


def channel_options(config: Config) -> list[tuple[str, int]]:
    """What the transport is told. Bounds first; none of them is the default."""
    pending = config.pending_requests_max
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.server.max_pending_requests", pending),
        ("grpc.server.max_pending_requests_hard_limit", 2 * pending),
        ("grpc.max_concurrent_streams", CALLS_MAX),
        ("grpc.max_allowed_incoming_connections", CONNECTIONS_MAX),
        ("grpc.max_receive_message_length", config.message_bytes_max),
        ("grpc.max_send_message_length", config.message_bytes_max),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MIN_MS),
    ]


def tune_interpreter() -> None:
    """Set what holds for the whole process while it serves."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(GARBAGE_THRESHOLD)


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
        certificate, key, authority = server_credentials(
            config.tls_dir, config.trust_domain
        ).read()
        credentials = grpc.ssl_server_credentials(
            [(key, certificate)], authority, require_client_auth=True
        )
        check_directory(config.data_dir)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        server = grpc.aio.server(options=channel_options(config))
        gate = Gate(self._progress.text, REGISTERED)
        health_service = await add_gate(server, gate)
        port = bind(server, config, credentials)
        self._metrics.set_certificate("server", certificate)
        self._metrics.set_certificate("authority", authority)
        self._figures_address = self._metrics.listen()
        await server.start()
        try:
            ledger = await self._open()
            node = self._node(ledger)
        except BaseException:
            await server.stop(None)
            raise
        try:
            gate.open(all_handlers(node))
            await set_health(health_service, health_pb2.HealthCheckResponse.SERVING)
            await self._serve(node, port, ready)
        except BaseException:
            await server.stop(None)
            # The committer's thread would keep the process alive.
            node.committer.stop(0)
            ledger.close()
            raise
        return await self._end(server, node, health_service)

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

    def _node(self, ledger: Ledger) -> Node:
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
            node = Node(config, ledger, committer, self._observer)
            committer.start(accept_clock=config.accept_clock)
        except BaseException:
            ledger.close()
            raise
        return node

    async def _serve(self, node: Node, port: int, ready: Ready) -> None:
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
        supervisor.start("exceptions", partial(self._metrics.look, node))
        await self._stop.wait()
        await supervisor.stop()

    def _die(self) -> None:
        self._dead = True
        self._stop.set()

    async def _end(
        self,
        server: grpc.aio.Server,
        node: Node,
        health_service: health.aio.HealthServicer,
    ) -> int:
        """Stop taking calls, answer those taken, close the ledger."""
        why = "the ledger is dead" if self._dead else "as asked"
        log.info("stopping: %s", why)
        self._metrics.become_unready(f"the server is stopping: {why}")
        self._observer.security.act("stop", why=why)
        grace_s = DEATH_GRACE_S if self._dead else float(self._config.drain_s)
        until_s = node.loop.time() + grace_s
        await health_service.enter_graceful_shutdown()
        node.stop_streams()
        await server.stop(grace_s)
        if self._dead:
            # Nothing of this process may touch the ledger again, not even to close it.
            log.critical("stopped with exit code %d", EXIT_DEAD)
            self._observer.security.stop()
            logging.shutdown()
            os._exit(EXIT_DEAD)
        left_s = max(until_s - node.loop.time(), 0)
        drained = await node.loop.run_in_executor(None, node.committer.stop, left_s)
        node.close()
        sequence = node.ledger.sequence
        node.ledger.close()
        log.info("stopped: sequence %d, drained %s", sequence, drained)
        return 0


def check_directory(path: Path) -> None:
    """Refuse to begin a new ledger right above one, where it would look like a loss.

    A `ledger` beside `tls` is how `payswitch day` lays files out. Raises ConfigError.
    """
    inner = path / "ledger"
    if (inner / "journal").exists() and not (path / "journal").exists():
        raise ConfigError(f"{path} is no ledger, but {inner} is one: serve that")


def bind(
    server: grpc.aio.Server, config: Config, credentials: grpc.ServerCredentials
) -> int:
    """Listen; return the port. Raises ConfigError if it is taken."""
    try:
        port = server.add_secure_port(config.address, credentials)
    except RuntimeError as error:
        raise ConfigError(
            f"cannot listen on {config.address}: it is in use or not an address here"
        ) from error
    if port == 0:
        raise ConfigError(f"cannot listen on {config.address}")
    return port


def all_handlers(node: Node) -> dict[str, Any]:
    """A handler for every method of every service, by its full name."""
    none: frozenset[str] = frozenset()
    made: dict[str, tuple[object, frozenset[str]]] = {
        "PaymentService": (PaymentService(node), RAW),
        "WalletService": (WalletService(node), none),
        "BillerService": (BillerService(node), none),
        "CounterService": (CounterService(node), none),
        "AdminService": (AdminService(node), none),
    }
    found = {}
    for descriptor in SERVICES:
        service, raw = made[descriptor.name]
        handlers = service_handlers(node, descriptor, service, raw)
        for method, handler in handlers.items():
            found[f"/{descriptor.full_name}/{method}"] = handler
    return found


async def add_gate(server: grpc.aio.Server, gate: Gate) -> health.aio.HealthServicer:
    """Put the closed gate, health and reflection on a server that is not started."""
    for name, handler in gate.registered.items():
        service, _, method = name[1:].partition("/")
        server.add_registered_method_handlers(service, {method: handler})
    server.add_generic_rpc_handlers([gate])
    plain: Any = _Unregistered(server)
    health_service = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_service, plain)
    await set_health(health_service, health_pb2.HealthCheckResponse.NOT_SERVING)
    names = [descriptor.full_name for descriptor in SERVICES]
    names += [health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
        reflection.aio.ReflectionServicer(names), plain
    )
    return health_service


async def set_health(
    service: health.aio.HealthServicer,
    status: int,
) -> None:
    """Say of the server and of each service whether it takes calls."""
    for name in ("", *(descriptor.full_name for descriptor in SERVICES)):
        await service.set(name, status)


class _Unregistered:
    """What generated code adds to a server as generic and as registered: generic only.

    See REGISTERED for the reason.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Leave them to the generic ones."""
