"""What stands before the public page: who may ask, what, how often.

May use `guard` and `limits`. Pure ASGI: a request is turned away by its head, before
anything has read more of it. A form that only asks needs no guard against other pages:
there is nothing that a browser could be made to do.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from switch.web import guard
from switch.web.public.limits import Limit, address_of, customer_of

TARGET_MAX: Final = 1_024
"""Characters of a path with its query: a number and a code in any script."""
HEAD_MAX: Final = 8 << 10
"""Bytes of all headers together."""
RETRY_S: Final = 60
"""When somebody who asked too often may ask again."""
FORWARDED_MAX: Final = 16
"""Addresses that a proxy may name."""
POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
"""No script at all, no picture, and nothing from anywhere else."""
HSTS: Final = "max-age=31536000"
_METHODS: Final = frozenset({"GET", "HEAD"})

TooOften = Callable[[Request], Awaitable[Response]]
"""What somebody is told who asked too often."""


class Gate:
    """Wraps the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        proxies: Collection[str],
        checks: Limit,
        pages: Limit,
        too_often: TooOften,
        is_secure: bool,
    ) -> None:
        """`hosts` are the values of Host that are its own; `proxies` the addresses
        whose word is taken on who asks. What has a query counts as a check.
        """
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        # Themselves alone: who shares a network with one is not believed.
        self._proxies = frozenset(map(address_of, proxies))
        self._checks, self._pages = checks, pages
        self._too_often = too_often
        # An address has a receipt's code in it, and is told to nobody.
        own = {"content-security-policy": POLICY, "referrer-policy": "no-referrer"}
        self._headers = {**guard.HEADERS, **own}
        if is_secure:
            self._headers["strict-transport-security"] = HSTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let through."""
        if scope["type"] != "http":
            return  # nothing here speaks WebSocket, and nothing has a lifespan

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("cache-control", guard.NO_STORE)
            await send(message)

        answer = self._refusal(scope)
        if answer is None:
            customer = self._customer(scope)
            if customer is None:
                answer = _refuse("the proxy names no address", 400)
            else:
                limit = self._checks if scope["query_string"] else self._pages
                if not limit.allows(customer):
                    answer = await self._too_often(Request(scope))
                    answer.headers["retry-after"] = str(RETRY_S)
        await (answer or self._app)(scope, receive, sending)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in _METHODS:
            found = _refuse("only reading is possible here", 405)
            found.headers["allow"] = "GET, HEAD"
            return found
        if len(scope["path"]) + len(scope["query_string"]) > TARGET_MAX:
            return _refuse("the address is too long", 414)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEAD_MAX:
            return _refuse("the head of the request is too long", 431)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return _refuse("this page has another address", 421)
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            return _refuse("nothing can be sent here", 413)
        return None

    def _customer(self, scope: Scope) -> str | None:
        """Who asks: who is connected, or whom a proxy that is ours names."""
        client = scope.get("client")
        if client is None:
            return None
        peer: str = client[0]
        if address_of(peer) not in self._proxies:
            return customer_of(peer)
        # Each proxy appends who is connected to it; the rest is that one's word.
        named = Headers(scope=scope).getlist("x-forwarded-for")
        given = ",".join(named).split(",")[-FORWARDED_MAX:]
        try:
            for one in reversed(given):
                peer = one.strip()
                if address_of(peer) not in self._proxies:
                    break
        except ValueError:
            return None
        return customer_of(peer)


def _refuse(text: str, status: int) -> Response:
    return PlainTextResponse(f"{text}\n", status, {"connection": "close"})
