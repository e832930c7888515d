"""Where a server's figures are read: /metrics for Prometheus, /live and /ready.

Plain HTTP on a port of its own, in a thread of its own, so that it answers also while
the ledger is opened and when the event loop is stuck, which it then says. What belongs
to the event loop is read there, in one short turn; all else beside it. A figure that
cannot be had is left out, and counted. One collection runs at a time, and is given to
all who ask within SCRAPE_S.
"""

import asyncio
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple, TypeVar

from server import figures
from server.exposition import CONTENT_TYPE, Family, counter, expose, gauge
from server.node import Node
from server.observer import Observer
from switch.config import Config, join_address
from switch.errors import ConfigError

log = logging.getLogger("server.metrics")

REQUEST_BYTES_MAX = 8 << 10
"""Bytes of one request: its line and headers; no body is read."""
SCRAPE_S = 1.0
"""How long a collection is good for."""
LOOP_WAIT_S = 5.0
"""How long the event loop may take to come round."""
COMPLAINT_S = 60.0
"""Between two lines in the log about one source."""
STOP_S = 2.0
"""How long the end of a server waits for the thread."""

T = TypeVar("T")
Source = Callable[[], Iterable[Family]]

_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


class _Named(NamedTuple):
    name: str
    source: Source
    on_loop: bool


class Metrics:
    """Collects the figures of one server, and answers for them."""

    def __init__(
        self, config: Config, observer: Observer, opening: Callable[[], str]
    ) -> None:
        """Belongs to the running event loop; not ready, nothing is bound.

        `opening` says how far the opening of the ledger is.
        """
        self._config = config
        self._main = asyncio.get_running_loop()
        self._sources: list[_Named] = []
        self._certificates: dict[str, bytes] = {}
        self._why_not: Callable[[], str]
        self._why_not = lambda: f"the ledger is being opened ({opening()})"
        self._node: Node | None = None
        self._exceptions: list[Family] = []
        self._people: list[Family] = []
        self._wallets: list[Family] = []
        self._failures: Counter[str] = Counter()
        self._complained: dict[str, float] = {}
        self._lag_s = 0.0
        # The thread's own.
        self._connections = 0
        self._collecting: asyncio.Future[bytes] | None = None
        self._collected_at = -SCRAPE_S
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop = asyncio.new_event_loop()
        places = (("ledger", config.data_dir), ("security_log", config.security_dir))
        self.add("process", figures.process_figures)
        self.add("disk", partial(figures.disk_figures, places))
        self.add(
            "certificates",
            lambda: figures.certificate_figures(self._certificates.items()),
        )
        self.add("security", partial(figures.security_figures, observer.security))
        self.add("calls", observer.calls.families)

    # --- what is collected -------------------------------------------------------

    def add(self, name: str, source: Source, *, on_loop: bool = False) -> None:
        """Collect from `source` as well: in the event loop, or in any thread."""
        self._sources = [*self._sources, _Named(name, source, on_loop)]

    def set_certificate(self, name: str, pem: bytes) -> None:
        """A certificate that is in use, or those of an authority; again at a change."""
        self._certificates = {**self._certificates, name: pem}

    def become_ready(self, node: Node) -> None:
        """Calls are taken: collect what `node` has as well."""
        self._node = node
        self.add("ledger", partial(figures.ledger_figures, node))
        self.add("holds", lambda: figures.hold_figures(node, time.time_ns()))
        self.add("budgets", partial(figures.budget_figures, node), on_loop=True)
        self.add("billers", partial(figures.biller_figures, node), on_loop=True)
        self.add("exceptions", lambda: self._exceptions)
        self.add("wallets", lambda: self._wallets)
        self.add("people", lambda: self._people)
        # Who hears that it is ready is told of it, not of what was collected before.
        with suppress(RuntimeError):  # it is being stopped
            self._loop.call_soon_threadsafe(self._forget)
        self._why_not = lambda: ""

    def become_unready(self, why: str) -> None:
        """Calls are taken no more."""
        self._why_not = lambda: why

    async def look(
        self, node: Node, count_widening: Callable[[], tuple[int, int]]
    ) -> None:
        """Look through the list of exceptions, wallets and people, again and again,
        until cancelled. `count_widening`: as of `figures.people_figures`.
        """
        while True:
            try:
                self._wallets = await node.read(figures.wallet_figures, node)
            except Exception as error:  # noqa: BLE001
                self._wallets = []
                self._failed("wallets", error)
            try:
                now_ns = time.time_ns()
                self._exceptions = await node.read(
                    figures.exception_figures, node, now_ns
                )
            except Exception as error:  # noqa: BLE001
                # The next look may do better; figures of long ago would mislead.
                self._exceptions = []
                self._failed("exceptions", error)
            try:
                self._people = await node.read(
                    figures.people_figures, node, count_widening
                )
            except Exception as error:  # noqa: BLE001
                self._people = []
                self._failed("people", error)
            await asyncio.sleep(self._config.metrics.cases_s)

    # --- the thread --------------------------------------------------------------

    def listen(self) -> str:
        """Bind, and answer from now on; the address. Raises ConfigError."""
        host, port = self._config.metrics.host, self._config.metrics.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, port))
            bound.listen(self._config.metrics.connections_max)
        except OSError as error:
            bound.close()
            raise ConfigError(
                f"cannot show figures on {join_address(host, port)}: {error.strerror}; "
                "choose another port with --metrics"
            ) from error
        self._socket = bound
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()
        return join_address(host, bound.getsockname()[1])

    def stop(self) -> None:
        """Answer no more. Idempotent."""
        if self._thread is None:
            return
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)
        self._thread = None

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(
                self._serve, sock=self._socket, limit=REQUEST_BYTES_MAX
            )
        )
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        # Once more, so that they hear it.
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()
        self._loop.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection: one request, one answer."""
        settings = self._config.metrics
        if self._connections >= settings.connections_max:
            writer.transport.abort()
            return
        self._connections += 1
        try:
            async with asyncio.timeout(settings.request_ms / 1000):
                writer.write(await self._answer(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError):
            # It was too slow, or is gone.
            pass
        finally:
            self._connections -= 1
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, version = head.split(b"\r\n", 1)[0].split(b" ")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            return _reply(400, b"not a request that is understood here\n")
        if not version.startswith(b"HTTP/1."):
            return _reply(400, b"HTTP/1 is spoken here\n")
        if method not in (b"GET", b"HEAD"):
            return _reply(405, b"there is nothing to change here\n")
        path = target.partition(b"?")[0]
        if path == b"/metrics":
            code, body = await self._collected()
        elif path == b"/live":
            code, body = await self._is_live()
        elif path == b"/ready":
            code, body = self._is_ready()
        else:
            code, body = 404, b"there are /metrics, /live and /ready\n"
        return _reply(code, body, without_body=method == b"HEAD")

    async def _is_live(self) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(LOOP_WAIT_S):
                await asyncio.wrap_future(self._on_main(lambda: None))
        except TimeoutError:
            return 503, b"the event loop does not come round\n"
        return 200, b"live\n"

    def _is_ready(self) -> tuple[int, bytes]:
        why_not = self._why_not()
        node = self._node
        if not why_not and node is not None and not node.committer.alive:
            why_not = node.ledger.dead or "the committer has ended"
        if why_not:
            return 503, f"{why_not}\n".encode()
        return 200, b"ready\n"

    async def _collected(self) -> tuple[int, bytes]:
        """What was collected of late, or is now; one collection runs at a time."""
        now = self._loop.time()
        running = self._collecting
        if running is None or (running.done() and now > self._collected_at + SCRAPE_S):
            running = self._loop.create_future()
            self._collecting, self._collected_at = running, now
            thread = threading.Thread(
                target=self._collect, args=(running,), name="figures", daemon=True
            )
            thread.start()
        try:
            return 200, await asyncio.shield(running)
        except RuntimeError:
            return 503, b"the server is stopping\n"

    def _forget(self) -> None:
        """What was collected, or is just being: the next who asks has it anew."""
        self._collecting = None

    # --- a thread for each collection --------------------------------------------

    def _collect(self, done: "asyncio.Future[bytes]") -> None:
        tell: Callable[[], None]
        try:
            tell = partial(done.set_result, expose(self._families()))
        except RuntimeError as error:
            # The event loop is closed.
            tell = partial(done.set_exception, error)
        with suppress(RuntimeError):  # and so is the one here
            self._loop.call_soon_threadsafe(tell)

    def _families(self) -> list[Family]:
        begun = time.perf_counter()
        sources = self._sources
        found = self._read(one for one in sources if not one.on_loop)
        asked = time.perf_counter()

        def read() -> list[Family]:
            self._lag_s = time.perf_counter() - asked
            return self._read(one for one in sources if one.on_loop)

        try:
            found += self._on_main(read).result(LOOP_WAIT_S)
        except TimeoutError as error:
            self._lag_s = LOOP_WAIT_S
            self._failed("loop", error)
        ready = self._is_ready()[0] == 200
        failures = counter("source_failures_total", "Figures that could not be had.")
        for name in dict.fromkeys(["loop", *(one.name for one in sources)]):
            failures.add(self._failures[name], of=name)
        return [
            gauge("ready", "1 while calls are taken.").add(ready),
            *found,
            gauge(
                "loop_lag_seconds", "How long the event loop took to come round."
            ).add(self._lag_s),
            failures,
            gauge("scrape_seconds", "How long this collection took.").add(
                time.perf_counter() - begun
            ),
        ]

    def _read(self, sources: Iterable[_Named]) -> list[Family]:
        found: list[Family] = []
        for one in sources:
            try:
                found += one.source()
            except Exception as error:  # noqa: BLE001
                self._failed(one.name, error)
        return found

    def _on_main(self, call: Callable[[], T]) -> Future[T]:
        """Run in the event loop of the server."""
        done: Future[T] = Future()

        def run() -> None:
            if done.set_running_or_notify_cancel():
                try:
                    done.set_result(call())
                except Exception as error:  # noqa: BLE001
                    done.set_exception(error)

        self._main.call_soon_threadsafe(run)
        return done

    def _failed(self, name: str, error: Exception) -> None:
        self._failures[name] += 1
        now = time.monotonic()
        if now >= self._complained.get(name, now):
            self._complained[name] = now + COMPLAINT_S
            log.error("no figures of %s: %s", name, error, exc_info=error)


def _reply(code: int, body: bytes, *, without_body: bool = False) -> bytes:
    kind = CONTENT_TYPE if code == 200 else "text/plain; charset=utf-8"
    head = (
        f"HTTP/1.1 {code} {_REASONS[code]}\r\n"
        f"Content-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if without_body else body)
