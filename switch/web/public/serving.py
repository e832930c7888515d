"""How the public page is served: its address, its connections, its end.

May use `pages` and `gate`. A connection lives for a short while whatever it does, and
one address has few, so that who sends nothing keeps nobody out.
"""

import ipaddress
import socket
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from switch.config import join_address
from switch.errors import ConfigError
from switch.web.listening import send_at_once
from switch.web.public.asked import Asked, Switch
from switch.web.public.gate import HEAD_MAX, Gate
from switch.web.public.limits import (
    CHECKS_OF_ALL,
    CHECKS_OF_ONE,
    PAGES_OF_ALL,
    PAGES_OF_ONE,
    Limit,
    Rate,
    address_of,
    customer_of,
)
from switch.web.public.pages import Pages, too_often

CONNECTIONS_MAX: Final = 512
"""Connections at a time; more are answered 503."""
CONNECTIONS_OF_ONE: Final = 32
"""Of one address; more are closed at once. A proxy may have all."""
CONNECTION_S: Final = 30.0
"""How long a connection lives at most, whatever is asked on it."""
IDLE_S: Final = 5
"""How long one may be idle between two requests."""
BACKLOG: Final = 256
"""Connections that wait to be taken."""
STOP_S: Final = 5
"""How long requests under way may take once it is to end."""
NAMES_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where and for whom the page is served. ConfigError for what cannot be."""

    host: str = "127.0.0.1"
    port: int = 7446
    names: Sequence[str] = ()
    """What browsers call it; none: only the address that it listens on."""
    proxies: Sequence[str] = ()
    """Addresses of proxies in front of it, which say who asks."""
    certificate: Path | None = None
    key: Path | None = None
    """Of the page itself, where no proxy has one."""
    checks_of_one: Rate = CHECKS_OF_ONE
    checks_of_all: Rate = CHECKS_OF_ALL
    pages_of_one: Rate = PAGES_OF_ONE
    pages_of_all: Rate = PAGES_OF_ALL

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("a certificate needs its key, and a key its certificate")
        if len(self.names) > NAMES_MAX or len(self.proxies) > NAMES_MAX:
            raise ConfigError(f"at most {NAMES_MAX} names and {NAMES_MAX} proxies")
        for name in self.names:
            if not name.isascii() or not name.isprintable() or {*" /@?#"} & {*name}:
                raise ConfigError(f"not the name of a host: {name[:64]!a}")
        for proxy in self.proxies:
            try:
                ipaddress.ip_address(proxy)
            except ValueError:
                raise ConfigError(
                    f"not the address of a proxy: {proxy[:64]!a}"
                ) from None
        is_near = self.host == "localhost" or _is_loopback(self.host)
        if not (is_near or self.proxies or self.certificate):
            raise ConfigError(
                f"{self.host} is reached from elsewhere: name a certificate and its "
                "key, or the proxy that has one"
            )

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it by https."""
        return self.certificate is not None or bool(self.proxies)

    def hosts(self, port: int) -> list[str]:
        """The values of Host that are its own."""
        names = self.names or [self.host, "localhost", "127.0.0.1", "::1"]
        found = []
        for name in names:
            found += (
                [name, join_address(name, port)]
                if self.names
                else [join_address(name, port)]
            )
        return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(settings: Settings, switch: Switch, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the address.

    Raises ConfigError if it cannot listen there, or its certificate cannot be used.
    """
    try:
        listening = socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=BACKLOG,
        )
    except OSError as error:
        address = join_address(settings.host, settings.port)
        raise ConfigError(f"cannot listen on {address}: {error.strerror}") from error
    send_at_once(listening)
    with listening:
        port = listening.getsockname()[1]
        config = uvicorn.Config(
            _application(settings, switch, port),
            loop="asyncio",
            http=_connections(settings.proxies),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS_MAX,
            backlog=BACKLOG,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=STOP_S,
            h11_max_incomplete_event_size=HEAD_MAX,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )
        scheme = "https" if settings.certificate else "http"
        address = f"{scheme}://{join_address(settings.host, port)}"
        try:
            config.load()
        except OSError as error:
            raise ConfigError(
                f"cannot use the certificate {settings.certificate}: {error}"
            ) from error
        _Server(config, lambda: ready(address)).run(sockets=[listening])


def _application(settings: Settings, switch: Switch, port: int) -> Any:
    asked = Asked(switch, check="/")
    return Gate(
        Pages(asked).application(),
        hosts=settings.hosts(port),
        proxies=settings.proxies,
        checks=Limit(settings.checks_of_one, settings.checks_of_all),
        pages=Limit(settings.pages_of_one, settings.pages_of_all),
        too_often=too_often,
        is_secure=settings.is_secure,
    )


class _Server(uvicorn.Server):
    """Ends with 0 when it was asked to, and says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As it is there, but that a signal that ended it is not raised again."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def _connections(proxies: Sequence[str]) -> type[H11Protocol]:
    """The class of connections that share one count."""
    open_: Counter[str] = Counter()
    known = frozenset(map(address_of, proxies))

    class Connection(H11Protocol):
        """Ends after a while, or at once where its address has too many."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._peer = customer_of(self.client[0]) if self.client else ""
            open_[self._peer] += 1
            self._end = self.loop.call_later(CONNECTION_S, transport.abort)
            is_known = self.client and address_of(self.client[0]) in known
            if open_[self._peer] > CONNECTIONS_OF_ONE and not is_known:
                transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end.cancel()
            open_[self._peer] -= 1
            if not open_[self._peer]:
                del open_[self._peer]
            super().connection_lost(exc)

    return Connection
