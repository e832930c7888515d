"""Pages: the payments of today, and search."""

import datetime as dt
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import Response

from switch.calendar import day_start_ns, ist_date
from switch.client import CallError
from switch.ids import parse_id
from switch.money import parse_amount
from switch.payment_states import PaymentState
from switch.receipt_numbers import ReceiptNumber, plain_complaint
from switch.v1 import payments_pb2, search_pb2
from switch.web.counter import complaints
from switch.web.counter.desk import Desk, Fields, in_thread, query, reason_of, show, to
from switch.web.counter.line import OfflineError
from switch.web.counter.settle import OUTCOMES
from switch.web.forms import FormError, latin_digits
from switch.web.sessions import Session

_Reply = payments_pb2.ListPaymentsResponse | search_pb2.SearchPaymentsResponse
_Wanted = search_pb2.SearchPaymentsRequest
PAGE_SIZE = 20
TOKEN_MAX = 400
"""Characters of a page's token that a link brings back."""
STATES = tuple(state.name for state in PaymentState if state)
"""What can be asked for, as forms and the switch name it."""
AMOUNTS = ("amount", "amount_to")
"""Fields of a form: one amount, or from the first to the second."""
_RECEIPT = re.compile(
    r"(?:[a-z0-9-]{1,32}/)?"
    r"(?:[0-9]{4}-[0-9]{2}/[0-9]{1,20}(?:/[Rr][0-9]{1,6})?|A/[0-9]{1,20})"
)
_REFERENCE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,30}[\x21-\x7e])?")
_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_BILLERS = "biller"
"""Says of a list's next page that it is found by the department's own reference."""
NEWEST = 16
"""Payments of a reference that the switch finds in one service."""


class _Wrong(Exception):  # noqa: N818 - what a person has typed, and no failure
    """A search that is to be put right: what is to be said, and of which field."""

    def __init__(self, key: str, field: str = "q") -> None:
        super().__init__(key)
        self.key, self.field = key, field


async def today(desk: Desk, request: Request, session: Session) -> Response:
    """The centre's payments of today, the newest first; refused ones, too."""
    wanted = payments_pb2.ListPaymentsRequest(
        page_size=PAGE_SIZE,
        page_token=_token(query(request).get("page", "")),
        filter=_of_day(ist_date(time.time_ns())),
    )
    client = desk.line.client
    return await _listed(desk, session, {}, lambda: client.list_payments(wanted))


async def find(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Payments by what the citizen has in hand, of a day, by amount, by state."""
    token = _token(fields.get("page", ""))
    if (number := _complaint_number(fields)) and await complaints.find(desk, number):
        return to(f"/complaint/{number}")
    try:
        wanted = _wanted(fields)
    except _Wrong as wrong:
        error = desk.say(session)(wrong.key)
        return _shown(desk, session, fields, 422, error=error, wrong=wrong.field)
    if wanted.id and not wanted.HasField("filter"):
        return to(f"/payment/{wanted.id.hex()}")
    wanted.page_size, wanted.page_token = PAGE_SIZE, token
    call = partial(_found, desk, wanted)
    return await _listed(desk, session, fields, call, wanted)


def _complaint_number(fields: Fields) -> str | None:
    """The number of a complaint, where nothing else is asked for beside it."""
    if any(fields.get(name) for name in (*AMOUNTS, "state", "page")):
        return None
    return plain_complaint(fields.get("q", ""))


def _token(text: str) -> str:
    """Where a page begins. Raises FormError."""
    if len(text) > TOKEN_MAX:
        raise FormError("no page of ours")
    return text


# --- what is typed, as the switch is asked it ----------------------------------------


def _wanted(fields: Fields) -> _Wanted:
    """What a form asks for. Raises _Wrong, and FormError for what is none of ours."""
    text = latin_digits(fields.get("q", ""))
    wanted = _by_key(text, fields.get("by", ""))
    fits = _fitting(fields)
    if wanted is None:
        try:
            fits.MergeFrom(_of_day(_day(text), with_refused=not fits.state))
        except (ValueError, OverflowError) as error:
            # There is no such day, or it is of before and after all time.
            raise _Wrong("search wrong") from error
        wanted = _Wanted()
    elif not text and not fits.ByteSize():
        raise _Wrong("search wrong")
    if fits.ByteSize():
        wanted.filter.CopyFrom(fits)
    return wanted


def _by_key(text: str, by: str) -> _Wanted | None:
    """What one line asks for; None if it is a day. Raises _Wrong."""
    if not text:
        return _Wanted()
    try:
        return _Wanted(id=parse_id(text))
    except ValueError:
        pass
    if _DAY.fullmatch(text):
        return None
    if _RECEIPT.fullmatch(text):
        return _Wanted(receipt=text)
    if not _REFERENCE.fullmatch(text):
        raise _Wrong("search wrong")
    if by == _BILLERS:
        return _Wanted(biller_reference=text)
    return _Wanted(reference=text)


def _day(text: str) -> dt.date:
    day, month, year = map(int, text.split("/"))
    return dt.date(year, month, day)


def _of_day(day: dt.date, *, with_refused: bool = True) -> payments_pb2.PaymentFilter:
    """Raises ValueError and OverflowError for a day that the ledger cannot have."""
    return payments_pb2.PaymentFilter(
        from_time_ns=day_start_ns(day),
        to_time_ns=day_start_ns(day + dt.timedelta(1)),
        with_refused=with_refused,
    )


def _fitting(fields: Fields) -> payments_pb2.PaymentFilter:
    """The amounts and the state of a form. One amount alone is meant exactly."""
    fits = payments_pb2.PaymentFilter()
    least, most = (_amount(fields, name) for name in AMOUNTS)
    fits.amount_min, fits.amount_max = least, most or least
    if state := fields.get("state"):
        if state not in STATES:
            raise FormError("no state of a payment")
        fits.state = payments_pb2.PaymentState.ValueType(PaymentState[state])
    return fits


def _amount(fields: Fields, name: str) -> int:
    """Paise, 0 for none. Raises _Wrong."""
    text = fields.get(name, "")
    try:
        amount = parse_amount(text) if text else 0
    except ValueError as error:
        raise _Wrong("needs amount", name) from error
    if text and not amount:
        raise _Wrong("needs amount", name)
    return amount


def _found(desk: Desk, wanted: _Wanted) -> _Reply:
    """By the citizen's reference; where there is none, by the department's own, which
    `wanted` then says.
    """
    client = desk.line.client
    reply = client.search_payments(wanted)
    if reply.payments or wanted.page_token or not wanted.reference:
        return reply
    wanted.biller_reference = wanted.reference
    wanted.ClearField("reference")
    return client.search_payments(wanted)


# --- what is found -------------------------------------------------------------------


async def _listed(
    desk: Desk,
    session: Session,
    fields: Fields,
    call: Callable[[], _Reply],
    wanted: _Wanted | None = None,
) -> Response:
    """A page of what a call finds, or why it finds nothing."""
    say = desk.say(session)
    try:
        reply = await in_thread(desk.line.read, call)
    except OfflineError:
        return _shown(desk, session, fields, error=say("offline now"))
    except CallError as failed:
        if failed.code is grpc.StatusCode.INVALID_ARGUMENT:
            error = say("search refused")
            return _shown(desk, session, fields, 422, error=error, wrong="")
        error = reason_of(failed, session.language)
        return _shown(desk, session, fields, error=error)
    by_reference = wanted and (wanted.reference or wanted.biller_reference)
    is_one_of_many = (
        len(reply.payments) >= NEWEST
        or bool(reply.next_page_token or fields.get("page"))
        or bool(wanted and wanted.HasField("filter"))
    )
    return _shown(
        desk,
        session,
        fields,
        lines=[
            _line(entry, line)
            for entry, line in zip(reply.payments, reply.lines, strict=True)
        ],
        next_page=reply.next_page_token,
        by=_BILLERS if wanted and wanted.biller_reference else "",
        is_cut=bool(by_reference and is_one_of_many),
    )


def _shown(
    desk: Desk, session: Session, fields: Fields, status: int = 200, **values: Any
) -> Response:
    given: dict[str, Any] = {
        "lines": [],
        "next_page": "",
        "by": "",
        "is_cut": False,
        "error": "",
        "wrong": "q",
    }
    asked = {name: fields.get(name, "") for name in ("q", *AMOUNTS, "state")}
    return show(
        desk,
        session,
        "today.html",
        status,
        here="today",
        asked=asked,
        is_search=any(asked.values()),
        states=STATES,
        **{**given, **values},
    )


def _line(entry: Any, line: payments_pb2.PaymentLine) -> dict[str, Any]:
    outcome = OUTCOMES.get(PaymentState(line.state), "waiting")
    if outcome == "refunded" and line.refunded_amount < line.paid_amount:
        outcome = "refunded-part"
    return {
        "id": entry.id.hex(),
        "entry": entry,
        "outcome": outcome,
        "number": receipt_number(entry.centre, line),
    }


def receipt_number(centre: str, line: payments_pb2.PaymentLine) -> str:
    """The number of a payment's receipt; empty while it has none."""
    if not line.receipt:
        return ""
    return ReceiptNumber(centre, line.receipt_year, line.receipt).text
