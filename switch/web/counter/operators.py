"""Pages: who is at the counter, in which language; and the line."""

import contextlib

from starlette.requests import Request
from starlette.responses import Response

from switch.client import CallError
from switch.errors import UnknownOutcomeError
from switch.operator_rows import NUMBER_MAX
from switch.web.counter import words
from switch.web.counter.desk import (
    Desk,
    Fields,
    in_thread,
    query,
    show,
    to,
    unchanged,
)
from switch.web.counter.line import OfflineError
from switch.web.counter.pins import LockedError, WrongPinError
from switch.web.forms import latin_digits, whole_number
from switch.web.sessions import Session

SECONDS_MAX = 120
"""What is longer is told in minutes."""
_BACK = frozenset({"/", "/today", "/shift", "/wallet", "/operator", "/complaints"})
"""Where one may go back to after choosing a language; nothing that is sent decides."""


async def operator(desk: Desk, request: Request, session: Session) -> Response:
    """Who is at the counter."""
    return _operator(desk, session)


def _operator(
    desk: Desk, session: Session, error: str = "", status: int = 200
) -> Response:
    return show(
        desk,
        session,
        "operator.html",
        status,
        here="operator",
        error=error,
        with_pin=bool(desk.pins.operators()),
        unended=desk.till.unended(),
    )


async def sign_on(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """An operator begins: with a PIN where operators have keys here."""
    say = desk.say(session)
    number = whole_number(fields.get("operator", ""), NUMBER_MAX)
    if not number:
        return _operator(desk, session, say("operator wrong"), 422)
    wrong = await signed(desk, session, number, fields.get("pin", ""))
    if wrong:
        return _operator(desk, session, wrong, 403)
    desk.settler.nudge_all()
    renewed = desk.sessions.renew(session)
    renewed.operator = number
    request.state.session = renewed
    return to("/")


async def signed(desk: Desk, session: Session, number: int, pin: str) -> str:
    """Sign an operator on at the switch, where operators have keys here; what is wrong,
    or nothing.
    """
    say = desk.say(session)
    if not await in_thread(desk.pins.operators):
        return ""
    try:
        key = await in_thread(desk.pins.open, number, latin_digits(pin))
    except LockedError as error:
        return _locked(error.wait_s, session)
    except WrongPinError:
        return say("pin wrong")
    client = desk.line.client
    try:
        reply = await in_thread(
            desk.line.read, lambda: client.sign_on(desk.centre, number, key)
        )
    except OfflineError:
        return say("offline now")
    except CallError:
        return say("sign on failed")
    desk.line.sessions[number] = reply.session
    return ""


def _locked(wait_s: int, session: Session) -> str:
    """How long it is, in seconds or, where these are many, in minutes."""
    say = words.sayer(session.language)
    if wait_s <= SECONDS_MAX:
        return say("pin locked", seconds=words.digits(str(wait_s), session.language))
    minutes = str(-(-wait_s // 60))
    return say("pin locked long", minutes=words.digits(minutes, session.language))


async def sign_off(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """The operator leaves: here, and at the switch if it can be told."""
    ticket = desk.line.sessions.pop(session.operator, b"")
    if ticket:
        client = desk.line.client
        with contextlib.suppress(OfflineError, CallError, UnknownOutcomeError):
            await in_thread(desk.line.read, lambda: client.sign_off(ticket))
    request.state.session = desk.sessions.renew(session)
    return to("/operator")


async def language(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Speak the other language, and stay where we are."""
    wanted = fields.get("language", "")
    if wanted in words.LANGUAGES:
        session.language = wanted
    back = fields.get("back", "/")
    return to(back if back in _BACK or _is_own(back) else "/")


def _is_own(path: str) -> bool:
    kinds = ("/service/", "/due/", "/payment/", "/move/", "/complaint/")
    rest = next((path[len(one) :] for one in kinds if path.startswith(one)), "")
    return rest.isascii() and rest.replace("-", "").isalnum() and len(rest) <= 64


async def line(desk: Desk, request: Request, session: Session) -> Response:
    """How the line is: a part of every page; nothing if it is what the page shows."""
    was = query(request).get("line", "")
    if was == _state(desk):
        # Nothing else has asked since. Where something has, its word is shown at once.
        with contextlib.suppress(OfflineError, CallError):
            await in_thread(desk.line.wallet)
    if was == _state(desk):
        return unchanged()
    return show(desk, session, "line.html")


def _state(desk: Desk) -> str:
    return "up" if desk.line.is_up else "down"
