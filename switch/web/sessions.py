"""Who looks at a page: sessions that live in this process, each with a token for forms.

A session's id is random and made here; one that a browser brings and that is not known
is no session, and whoever signs on gets another (no fixation). The token goes into each
form and comes back with it, so that a page elsewhere cannot send one.
"""

import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "payswitch"
"""With the page's port behind it: a browser tells ports of one computer not apart."""
SESSIONS_MAX = 32
"""Of one page; of those that nobody has signed on to, the one that was used longest ago
goes, and else of all.
"""
LIFE_S = 12 * 3_600
"""A session is over after so long, whatever it does."""


@dataclass(slots=True)
class Session:
    """One browser."""

    language: str
    cookie: str = ""
    """What the browser calls it."""
    operator: int = 0
    """0: nobody has said who it is."""
    is_starters: bool = False
    """Whether it is of somebody who knows the secret of the start."""
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    notice: str = ""
    """What the next page says once."""
    begun_s: float = field(default_factory=time.monotonic)


class Sessions:
    """Those of one page. For one event loop."""

    def __init__(self, language: str) -> None:
        """`language` is that of a new session."""
        self._language = language
        self._known: OrderedDict[str, Session] = OrderedDict()

    def find(self, request: Request) -> Session | None:
        """The session of a request, if it has one that is known."""
        found = self._known.get(request.cookies.get(_cookie_of(request), ""))
        if found is None or time.monotonic() - found.begun_s > LIFE_S:
            return None
        self._known.move_to_end(found.key)
        return found

    def passing(self) -> Session:
        """One for an answer alone: no browser is told of it."""
        return Session(self._language)

    def of(self, request: Request) -> Session:
        """The session of a request; a new one, which nobody has signed on to, if it has
        none that is known.
        """
        found = self.find(request)
        return found or self._add(Session(self._language, _cookie_of(request)))

    def renew(self, session: Session) -> Session:
        """The same browser under another id and token: somebody signs on, or off."""
        self._known.pop(session.key, None)
        renewed = Session(session.language, session.cookie)
        renewed.is_starters = session.is_starters
        return self._add(renewed)

    def has_operator(self, number: int) -> bool:
        """Whether an operator is at the counter, in any of them."""
        return any(one.operator == number for one in self._known.values())

    def _add(self, session: Session) -> Session:
        if len(self._known) >= SESSIONS_MAX:
            # Whoever only looks, however often, ends no operator's session.
            unused = (key for key, one in self._known.items() if not one.operator)
            del self._known[next(unused, next(iter(self._known)))]
        self._known[session.key] = session
        return session


def _cookie_of(request: Request) -> str:
    return f"{COOKIE}-{request.url.port}"


def is_token(session: Session, token: str) -> bool:
    """Whether a form was made for this session."""
    return hmac.compare_digest(session.token.encode(), token.encode())


def set_cookie(response: Response, session: Session) -> None:
    """Have the browser bring the session with each request from our own pages."""
    response.set_cookie(
        session.cookie, session.key, httponly=True, samesite="strict", path="/"
    )
