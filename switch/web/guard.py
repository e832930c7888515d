"""What stands before every page: who may speak to it, how much, what a browser may do.

Pure ASGI, so that it sees each request before anything else has read of it. A request
is turned away for a name of a host that is not ours (DNS rebinding), for an origin that
is not ours where it changes something, and for more bytes than any form has. Every
answer carries the headers that keep a browser to our own scripts and styles.
"""

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_MAX = 16 << 10
"""Bytes of a form."""
PATH_MAX = 1_024
"""Characters of a path with its query: each letter of Bengali has nine there."""
_SAFE = frozenset({"GET", "HEAD"})
_METHODS = _SAFE | {"POST"}

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
"""No script or style in a page, and nothing from anywhere else."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With none at all a browser calls the origin of our own forms "null".
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
NO_STORE = "no-store"
"""What a page says of a citizen is in no cache of a browser."""


class _TooLargeError(Exception):
    """A body went beyond BODY_MAX while it was read."""


class Guard:
    """Wraps an application; `hosts` are the values of Host that are its own."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        """`hosts` have the port, as a browser sends it."""
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = frozenset(f"http://{host}" for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # nothing here speaks WebSocket

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", NO_STORE)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, sending)
            return
        read, begun = 0, False

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > BODY_MAX:
                raise _TooLargeError
            return message

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await sending(message)

        try:
            await self._app(scope, receiving, noting)
        except _TooLargeError:
            if begun:
                raise
            await _refuse("too large", 413)(scope, receive, sending)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        """Why a request goes no further, by its head alone."""
        headers = Headers(scope=scope)
        method = scope["method"]
        if method not in _METHODS:
            return _refuse("no such method", 405)
        if len(scope["path"]) + len(scope["query_string"]) > PATH_MAX:
            return _refuse("too long", 414)
        if headers.getlist("host") not in ([host] for host in self._hosts):
            return _refuse("this page has another address", 421)
        if headers.get("sec-fetch-site") not in (None, "none", "same-origin"):
            # Even what only looks: a page elsewhere is to learn nothing of us.
            return _refuse("called from another page", 403)
        if method in _SAFE:
            return None
        if headers.getlist("origin") not in ([one] for one in self._origins):
            return _refuse("sent by another page", 403)
        size = headers.get("content-length", "0")
        if not size.isdecimal() or len(size) > 9 or int(size) > BODY_MAX:
            return _refuse("too large", 413)
        return None


def _refuse(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status)
