"""Pages: the payments of today, and search."""

import re
import time
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
from switch.web.forms import FormError
from switch.web.sessions import Session

PAGE_SIZE = 20
TOKEN_MAX = 400
"""Characters of a page's token that a link brings back."""
_RECEIPT = re.compile(r"(?:[a-z0-9-]{1,32}/)?(?:[0-9]{4}-[0-9]{2}|A)/[0-9]{1,20}")
_REFERENCE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,30}[\x21-\x7e])?")


async def today(desk: Desk, request: Request, session: Session) -> Response:
    """The centre's payments of today, the newest first; refused ones, too."""
    token = query(request).get("page", "")
    if len(token) > TOKEN_MAX:
        raise FormError("no page of ours")
    begin_ns = day_start_ns(ist_date(time.time_ns()))
    wanted = payments_pb2.ListPaymentsRequest(
        page_size=PAGE_SIZE,
        page_token=token,
        filter=payments_pb2.PaymentFilter(from_time_ns=begin_ns, with_refused=True),
    )
    client = desk.line.client
    return await _listed(desk, session, lambda: client.list_payments(wanted), "")


async def find(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Payments by what the citizen has in hand."""
    text = fields.get("q", "")
    try:
        return to(f"/payment/{parse_id(text).hex()}")
    except ValueError:
        pass
    wanted = search_pb2.SearchPaymentsRequest(page_size=PAGE_SIZE)
    if _RECEIPT.fullmatch(text):
        wanted.receipt = text
    elif _REFERENCE.fullmatch(text):
        wanted.reference = text
    else:
        return await _listed(desk, session, None, text, "search wrong")
    client = desk.line.client
    return await _listed(desk, session, lambda: client.search_payments(wanted), text)


async def _listed(
    desk: Desk, session: Session, call: Any, text: str, wrong: str = ""
) -> Response:
    """A page of what a call finds, or why it finds nothing."""
    error = desk.say(session)(wrong) if wrong else ""
    lines: list[dict[str, Any]] = []
    token = ""
    if call is not None:
        try:
            reply = await in_thread(desk.line.read, call)
        except OfflineError:
            error = desk.say(session)("offline now")
        except CallError as failed:
            error = reason_of(failed, session.language)
        else:
            lines = [
                _line(entry, line)
                for entry, line in zip(reply.payments, reply.lines, strict=True)
            ]
            token = reply.next_page_token if not text else ""
    return show(
        desk,
        session,
        "today.html",
        422 if wrong else 200,
        here="today",
        lines=lines,
        next_page=token,
        q=text,
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
