"""One server: built from a config, serving, drained, and ended with an exit code.

It owns the order of things: nothing is served before the ledger is open and the
committer runs; nothing is closed before every call that was taken has its answer. A
ledger that dies ends the process, because only a restart makes it whole again.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from server.alarms import Alarms
from server.interceptors import service_handlers
from server.node import Node
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
REGISTERED = frozenset({"CreatePayment"})
"""Methods that gRPC dispatches by itself. grpc.aio waits for all of them at once, so
that each costs every call of the server a callback: only the busiest is here."""


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
        self._stop = asyncio.Event()
        self._dead = False

    async def run(self, ready: Callable[[str, Ledger], None]) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code.

        `ready` is called with the address once calls are taken. Raises ConfigError,
        BusyError, ClockError, StorageError if it cannot start.
        """
        config = self._config
        certificate, key, authority = server_credentials(
            config.tls_dir, config.trust_domain
        ).read()
        credentials = grpc.ssl_server_credentials(
            [(key, certificate)], authority, require_client_auth=True
        )
        loop = asyncio.get_running_loop()
        check_directory(config.data_dir)

        def die() -> None:
            loop.call_soon_threadsafe(self._die)

        ledger = Ledger(
            str(config.data_dir),
            map_size=config.map_size,
            reserve_size=config.reserve_size,
            index_step_rows=config.index_step_rows,
            index_lag_max=config.index_lag_max,
        )
        committer = Committer(
            ledger,
            queue_rows_max=config.queue_rows_max,
            queue_bytes_max=config.queue_bytes_max,
            on_death=die,
        )
        try:
            node = Node(config, ledger, committer)
            server = grpc.aio.server(options=channel_options(config))
            health_service = await add_services(server, node)
            port = bind(server, config, credentials)
            committer.start(accept_clock=config.accept_clock)
        except BaseException:
            ledger.close()
            raise
        try:
            await self._serve(server, node, port, ready)
        except BaseException:
            await server.stop(None)
            # The committer's thread would keep the process alive.
            committer.stop(0)
            ledger.close()
            raise
        return await self._end(server, node, health_service)

    async def _serve(
        self,
        server: grpc.aio.Server,
        node: Node,
        port: int,
        ready: Callable[[str, Ledger], None],
    ) -> None:
        """Take calls until a signal comes or the ledger dies."""
        tune_interpreter()
        for number in (signal.SIGTERM, signal.SIGINT):
            node.loop.add_signal_handler(number, self._stop.set)
        await server.start()
        address = self._config.replace(port=port).address
        log.info(
            "serving on %s: sequence %d, LMDB %s",
            address,
            node.ledger.sequence,
            LMDB_VERSION,
        )
        ready(address, node.ledger)
        supervisor = Supervisor()
        supervisor.start("alarms", Alarms(node).run)
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
        log.info("stopping: %s", "the ledger is dead" if self._dead else "as asked")
        grace_s = DEATH_GRACE_S if self._dead else float(self._config.drain_s)
        until_s = node.loop.time() + grace_s
        await health_service.enter_graceful_shutdown()
        node.stop_streams()
        await server.stop(grace_s)
        if self._dead:
            # Nothing of this process may touch the ledger again, not even to close it.
            log.critical("stopped with exit code %d", EXIT_DEAD)
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


async def add_services(
    server: grpc.aio.Server, node: Node
) -> health.aio.HealthServicer:
    """Register every service, health and reflection."""
    none: frozenset[str] = frozenset()
    services: list[tuple[FileDescriptor, str, object, frozenset[str]]] = [
        (payments_pb2.DESCRIPTOR, "PaymentService", PaymentService(node), RAW),
        (wallets_pb2.DESCRIPTOR, "WalletService", WalletService(node), none),
        (billers_pb2.DESCRIPTOR, "BillerService", BillerService(node), none),
        (counter_pb2.DESCRIPTOR, "CounterService", CounterService(node), none),
        (admin_pb2.DESCRIPTOR, "AdminService", AdminService(node), none),
    ]
    names = []
    for file, name, service, raw in services:
        descriptor = file.services_by_name[name]
        names.append(descriptor.full_name)
        handlers = service_handlers(node, descriptor, service, raw)
        registered = {
            method: handlers.pop(method) for method in REGISTERED & handlers.keys()
        }
        server.add_registered_method_handlers(descriptor.full_name, registered)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(descriptor.full_name, handlers)]
        )
    plain: Any = _Unregistered(server)
    health_service = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_service, plain)
    serving = health_pb2.HealthCheckResponse.SERVING
    for name in names:
        await health_service.set(name, serving)
    names += [health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
        reflection.aio.ReflectionServicer(names), plain
    )
    return health_service


class _Unregistered:
    """What generated code adds to a server as generic and as registered: generic only.

    See REGISTERED for the reason.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Leave them to the generic ones."""
