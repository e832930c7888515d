"""Pages: the payments of today, and search."""

import datetime as dt
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from switch.calendar import day_start_ns, ist_date
from switch.client import CallError
from switch.ids import parse_id
from switch.payment_states import PaymentState
from switch.v1 import payments_pb2, search_pb2
from switch.web.counter.desk import Desk, Fields, in_thread, query, reason_of, show, to
from switch.web.counter.line import OfflineError
from switch.web.counter.settle import OUTCOMES
from switch.web.forms import FormError, latin_digits
from switch.web.sessions import Session

_Reply = payments_pb2.ListPaymentsResponse | search_pb2.SearchPaymentsResponse
PAGE_SIZE = 20
TOKEN_MAX = 400
"""Characters of a page's token that a link brings back."""
_RECEIPT = re.compile(r"(?:[a-z0-9-]{1,32}/)?(?:[0-9]{4}-[0-9]{2}|A)/[0-9]{1,20}")
_REFERENCE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,30}[\x21-\x7e])?")
_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_YEARS = range(1971, 2554)
"""Of days whose times are numbers that the switch has."""
NEWEST = 16
"""Payments of a reference that the switch finds in one service."""


async def today(desk: Desk, request: Request, session: Session) -> Response:
    """The centre's payments of today, the newest first; refused ones, too."""
    day = ist_date(time.time_ns())
    token = _token(query(request).get("page", ""))
    return await _listed(desk, session, partial(_of_day, desk, day, token))


async def find(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Payments by what the citizen has in hand, or of a day."""
    text = latin_digits(fields.get("q", ""))
    token = _token(fields.get("page", ""))
    try:
        return to(f"/payment/{parse_id(text).hex()}")
    except ValueError:
        pass
    found = _DAY.fullmatch(text)
    if found:
        try:
            day = dt.date(int(found[3]), int(found[2]), int(found[1]))
        except ValueError:
            return await _listed(desk, session, None, text)
        if day.year not in _YEARS:
            return await _listed(desk, session, None, text)
        return await _listed(desk, session, partial(_of_day, desk, day, token), text)
    wanted = search_pb2.SearchPaymentsRequest(page_size=PAGE_SIZE, page_token=token)
    if _RECEIPT.fullmatch(text):
        wanted.receipt = text
    elif _REFERENCE.fullmatch(text):
        wanted.reference = text
    else:
        return await _listed(desk, session, None, text)
    return await _listed(desk, session, partial(_found, desk, wanted), text, token)


def _token(text: str) -> str:
    """Where a page begins. Raises FormError."""
    if len(text) > TOKEN_MAX:
        raise FormError("no page of ours")
    return text


def _of_day(desk: Desk, day: dt.date, token: str) -> _Reply:
    return desk.line.client.list_payments(
        payments_pb2.ListPaymentsRequest(
            page_size=PAGE_SIZE,
            page_token=token,
            filter=payments_pb2.PaymentFilter(
                from_time_ns=day_start_ns(day),
                to_time_ns=day_start_ns(day + dt.timedelta(1)),
                with_refused=True,
            ),
        )
    )


def _found(desk: Desk, wanted: search_pb2.SearchPaymentsRequest) -> _Reply:
    """By the citizen's reference; where there is none, by the department's own."""
    client = desk.line.client
    reply = client.search_payments(wanted)
    if reply.payments or wanted.page_token or not wanted.reference:
        return reply
    wanted.biller_reference = wanted.reference
    wanted.ClearField("reference")
    return client.search_payments(wanted)


async def _listed(
    desk: Desk,
    session: Session,
    call: Callable[[], _Reply] | None,
    text: str = "",
    page: str = "",
) -> Response:
    """A page of what a call finds, or why it finds nothing."""
    say = desk.say(session)
    error = "" if call else say("search wrong")
    lines: list[dict[str, Any]] = []
    token, is_cut = "", False
    if call is not None:
        try:
            reply = await in_thread(desk.line.read, call)
        except OfflineError:
            error = say("offline now")
        except CallError as failed:
            error = reason_of(failed, session.language)
        else:
            lines = [
                _line(entry, line)
                for entry, line in zip(reply.payments, reply.lines, strict=True)
            ]
            token = reply.next_page_token
            many = len(lines) >= NEWEST or bool(token or page)
            is_cut = bool(text) and many and not _DAY.fullmatch(text)
    return show(
        desk,
        session,
        "today.html",
        200 if call else 422,
        here="today",
        lines=lines,
        next_page=token,
        q=text,
        is_cut=is_cut,
        error=error,
        services=desk.catalogue.services,
    )


def _line(entry: Any, line: payments_pb2.PaymentLine) -> dict[str, Any]:
    number = ""
    if line.receipt:
        year = f"{line.receipt_year}-{(line.receipt_year + 1) % 100:02d}"
        number = f"{entry.centre}/{year}/{line.receipt:06d}"
    return {
        "id": entry.id.hex(),
        "entry": entry,
        "outcome": OUTCOMES.get(PaymentState(line.state), "waiting"),
        "number": number,
    }
