"""Pages: who is at the counter, in which language; and the line."""

import contextlib

from starlette.requests import Request
from starlette.responses import Response

from switch.client import CallError
from switch.operator_rows import NUMBER_MAX
from switch.web.counter import start_secret, words
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
from switch.web.counter.pins import TELL_EACH, LockedError, WrongPinError
from switch.web.forms import latin_digits, whole_number
from switch.web.sessions import Session

_BACK = frozenset({"/", "/today", "/shift", "/wallet", "/operator", "/complaints"})
"""Where one may go back to after choosing a language; nothing that is sent decides."""


_MARK_DAYS = 400
"""A browser keeps nothing longer."""


async def operator(desk: Desk, request: Request, session: Session) -> Response:
    """Who is at the counter. Whoever comes by the address that the start has told is
    asked for no secret.
    """
    typed = query(request).get("secret", "")
    if not typed:
        return _operator(desk, session)
    if not start_secret.is_right(desk.secret, typed):
        return _operator(desk, session, desk.say(session)("secret wrong"), 403)
    session.is_starters = True
    return to("/operator")


def _operator(
    desk: Desk, session: Session, error: str = "", status: int = 200
) -> Response:
    with_pin = bool(desk.pins.operators())
    return show(
        desk,
        session,
        "operator.html",
        status,
        here="operator",
        error=error,
        with_pin=with_pin,
        with_secret=not (with_pin or session.is_starters),
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
    has_keys = bool(await in_thread(desk.pins.operators))
    if not has_keys and not session.is_starters:
        if not start_secret.is_right(desk.secret, fields.get("secret", "")):
            return _operator(desk, session, say("secret wrong"), 403)
        session.is_starters = True
    name = f"{session.cookie}-{number}"
    mark = request.cookies.get(name, "")
    wrong = await signed(desk, session, number, fields.get("pin", ""), mark)
    if wrong:
        return _operator(desk, session, wrong, 403)
    desk.settler.nudge_all()
    renewed = desk.sessions.renew(session)
    renewed.operator = number
    request.state.session = renewed
    response = to("/")
    if has_keys:
        mark = await in_thread(desk.pins.mark, number)
        age_s = _MARK_DAYS * 86_400
        response.set_cookie(name, mark, age_s, httponly=True, samesite="strict")
    return response


async def signed(
    desk: Desk, session: Session, number: int, pin: str, mark: str = ""
) -> str:
    """Sign an operator on at the switch, where operators have keys here; what is wrong,
    or nothing.
    """
    say = desk.say(session)
    if not await in_thread(desk.pins.operators):
        return ""
    try:
        key = await in_thread(desk.pins.open, number, latin_digits(pin), mark)
    except LockedError as error:
        wait = words.digits(str(error.wait_s), session.language)
        return say("pin locked", seconds=wait)
    except WrongPinError as error:
        if error.count and error.count % TELL_EACH == 0:
            await in_thread(desk.line.tell_wrong_pins, TELL_EACH)
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


async def sign_off(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """The operator leaves: here, and at the switch if it can be told."""
    await in_thread(desk.line.leave, session.operator)
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
