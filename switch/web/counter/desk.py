"""One counter: what its pages share, and how a page comes to be an answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from jinja2 import Environment
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from switch.calendar import format_ist, ist_date
from switch.client import CallError
from switch.console.print_record import PrintRecord
from switch.errors import SwitchError
from switch.money import format_amount
from switch.web.assets import Assets
from switch.web.counter import catalogue, words
from switch.web.counter.catalogue import Catalogue
from switch.web.counter.complaint_book import ComplaintBook
from switch.web.counter.drafts import Drafts
from switch.web.counter.line import Line, OfflineError
from switch.web.counter.pins import PinStore
from switch.web.counter.printing import Printer
from switch.web.counter.settle import Settler
from switch.web.counter.till import FullError, Till
from switch.web.forms import FormError, parse_fields, read_form
from switch.web.sessions import Session, Sessions, is_token, set_cookie
from switch.web.shown import render

_log = logging.getLogger(__name__)

Fields = Mapping[str, str]

_PARTS = frozenset(
    {
        "line.html",
        "services.html",
        "state.html",
        "move_state.html",
        "paper.html",
        "complaint_count.html",
    }
)
"""Templates that a page is made of, or asks for alone."""
SHOWN = "part-shown"
"""The event of a page that a part of it was shown (base.html)."""
STOP_POLLING = 286
"""The status with which htmx asks no more."""
SIGNED_OFF = "X-Signed-Off"
"""Tells a page that asks for its state that nobody is at the counter."""


@dataclass(slots=True)
class Desk:
    """What there is once in a counter's process."""

    centre: str
    is_training: bool
    till: Till
    line: Line
    settler: Settler
    sessions: Sessions
    templates: Environment
    assets: Assets
    pins: PinStore
    secret: str
    """Asked for where no operator has a key here."""
    printer: Printer
    catalogue_path: Path
    complaints: ComplaintBook
    printed: PrintRecord
    drafts: Drafts = field(default_factory=Drafts)
    catalogue: Catalogue = catalogue.EMPTY
    beginning: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from the look at what is open to the disk."""
    printing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from the look at what was printed to the note that it is."""
    away: frozenset[str] = frozenset()
    """Billers that would not be asked anything now."""

    def say(self, session: Session) -> words.Say:
        """What speaks to a session."""
        return words.sayer(session.language)

    def named(self, code: str, language: str) -> str:
        """What a service is called; its code if no catalogue has it any more."""
        found = self.catalogue.services.get(code)
        return found.name.said(language) if found else code


Shown = Callable[[Desk, Request, Session], Awaitable[Response]]
Sent = Callable[[Desk, Request, Session, Fields], Awaitable[Response]]


async def in_thread(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A call that waits for a disk or the switch, beside the event loop."""
    return await run_in_threadpool(partial(call, *args, **kwargs))


def page(handler: Shown, *, anybody: bool = False) -> Callable[..., Any]:
    """An endpoint that shows something; of `anybody`, or of an operator alone."""

    async def endpoint(request: Request) -> Response:
        desk: Desk = request.app.state.desk
        session = desk.sessions.of(request)
        if not session.operator and not anybody:
            return kept(to("/operator"), session)
        answer = await answering(desk, session, handler(desk, request, session))
        return kept(answer, session)

    return endpoint


def part(handler: Shown, *, tells_line: bool = False) -> Callable[..., Any]:
    """An endpoint for a part that a page asks for by itself.

    One that `tells_line` may say that the switch cannot be asked.

    It makes no session: a page of before a restart, which still asks, would change the
    one that its operator has just begun.
    """

    async def endpoint(request: Request) -> Response:
        desk: Desk = request.app.state.desk
        session = desk.sessions.find(request) or desk.sessions.passing()
        answer = await answering(desk, session, handler(desk, request, session))
        if tells_line and answer.body:
            # The strip asks too: it never says otherwise than what is shown below it.
            answer.headers["HX-Trigger"] = SHOWN
        return answer

    return endpoint


def form(handler: Sent, *, anybody: bool = False) -> Callable[..., Any]:
    """An endpoint that does something; the form must be of the session's own page."""

    async def endpoint(request: Request) -> Response:
        desk: Desk = request.app.state.desk
        session = desk.sessions.of(request)
        try:
            fields = await read_form(request)
        except FormError:
            return kept(message(desk, session, "form wrong", 400), session)
        known = is_token(session, fields.get("token", ""))
        if not known or not (session.operator or anybody):
            return kept(message(desk, session, "form old", 403), session)
        done = handler(desk, request, session, fields)
        answer = await answering(desk, session, done)
        # Whoever signs on or off has another session from now on.
        return kept(answer, getattr(request.state, "session", session))

    return endpoint


async def answering(
    desk: Desk, session: Session, handling: Awaitable[Response]
) -> Response:
    """What a handler answers, or a sentence for what has gone wrong."""
    try:
        return await handling
    except OfflineError:
        return message(desk, session, "offline now", 503)
    except FullError:
        return message(desk, session, "too many open", 503)
    except FormError:
        return message(desk, session, "form wrong", 400)
    except CallError as error:
        text = reason_of(error, session.language)
        return show(desk, session, "message.html", 502, text=text)
    except OSError:
        _log.exception("the disk")
        return message(desk, session, "disk full", 507)
    except SwitchError:
        _log.exception("a page")
        return message(desk, session, "broken", 500)


def kept(answer: Response, session: Session) -> Response:
    """An answer that has the browser keep its session."""
    set_cookie(answer, session)
    return answer


def to(path: str) -> Response:
    """Go there with GET: a reload sends no form again. `path` is one of our own."""
    assert path.startswith("/")
    assert not path.startswith("//")
    return RedirectResponse(path, 303)


def unchanged(*, is_over: bool = False, is_signed_off: bool = False) -> Response:
    """An answer to a poll that leaves the page as it is, whatever the page shows.

    htmx puts the body of a 286 into the page, and takes even an empty one for what is
    to stand there. A poll may have waited behind another one, or come from before this
    process, so the header forbids it: no late answer wipes what an operator reads.
    """
    status = STOP_POLLING if is_over else 204
    headers = {"HX-Reswap": "none"}
    if is_signed_off:
        headers[SIGNED_OFF] = "yes"
    return Response(status_code=status, headers=headers)


def message(desk: Desk, session: Session, key: str, status: int) -> Response:
    """A page with one sentence."""
    return show(desk, session, "message.html", status, text=desk.say(session)(key))


def show(
    desk: Desk, session: Session, template: str, status: int = 200, **values: Any
) -> Response:
    """A page, or a part of one."""
    return HTMLResponse(rendered(desk, session, template, **values), status)


def rendered(desk: Desk, session: Session, template: str, **values: Any) -> str:
    """The same as text."""
    notice = ""
    if template not in _PARTS:
        # Said once, by a page and not by a part of one that asks meanwhile.
        notice, session.notice = session.notice, ""
    language = session.language
    given = {
        "say": desk.say(session),
        "language": language,
        "other": "en" if language == "bn" else "bn",
        "token": session.token,
        "operator": session.operator,
        "centre": desk.centre,
        "is_training": desk.is_training,
        "is_up": desk.line.is_up,
        "notice": desk.say(session)(notice) if notice else "",
        "money": partial(format_amount, bengali=language == "bn"),
        "time": lambda ns: words.digits(_time(ns), language),
        "date": lambda ns: words.digits(ist_date(ns).isoformat(), language),
        "digits": lambda text: words.digits(str(text), language),
        "named": lambda code: desk.named(code, language),
        "asset": desk.assets.address,
        "here": "",
    }
    return render(desk.templates, template, {**given, **values})


def query(request: Request) -> Fields:
    """The fields of a query. Raises FormError."""
    return parse_fields(request.url.query.encode())


def reason_of(error: CallError, language: str) -> str:
    """What a call that did nothing means to an operator."""
    if error.reason:
        return words.reason_words(error.reason, language)
    name = error.code.name
    say = words.sayer(language)
    if error.code is grpc.StatusCode.INVALID_ARGUMENT:
        return say("fetch INVALID_ARGUMENT")
    return say("fetch other", reason=name)


def _time(ns: int) -> str:
    return format_ist(ns).removesuffix(" IST")[:16]
