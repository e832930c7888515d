"""Pages: refunds to hand out, and handing one out.

The switch is told first, and the cash follows: what is handed out twice is refused.
"""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from switch.client import CallError
from switch.codes import AMOUNT_MAX
from switch.ids import new_id, parse_id
from switch.v1 import handouts_pb2 as pb
from switch.web.counter.desk import (
    Desk,
    Fields,
    in_thread,
    message,
    query,
    reason_of,
    show,
    to,
)
from switch.web.counter.line import OfflineError
from switch.web.counter.lists import PAGE_SIZE, TOKEN_MAX, receipt_number
from switch.web.counter.till import Kind, Move
from switch.web.forms import FormError, whole_number
from switch.web.sessions import Session

SEQUENCE_MAX = 2**63 - 1


async def handouts(desk: Desk, request: Request, session: Session) -> Response:
    """What waits for its citizens, the oldest first."""
    token = query(request).get("page", "")
    if len(token) > TOKEN_MAX:
        raise FormError("no page of ours")
    asked = pb.ListHandoutsRequest(page_size=PAGE_SIZE, page_token=token)
    client = desk.line.client
    reply, error = pb.ListHandoutsResponse(), ""
    try:
        reply = await in_thread(desk.line.read, lambda: client.handouts(asked))
    except OfflineError:
        error = desk.say(session)("offline now")
    except CallError as failed:
        error = reason_of(failed, session.language)
    return show(
        desk,
        session,
        "handouts.html",
        here="handouts",
        handouts=[shown(found) for found in reply.handouts],
        next_page=reply.next_page_token,
        error=error,
    )


def shown(found: pb.Handout) -> dict[str, Any]:
    """A handout as pages show it, with the id that its form hands it out by."""
    return {
        "found": found,
        "number": receipt_number(found.payment.centre, found.line),
        "payment_id": found.payment.id.hex(),
        "move_id": new_id().hex(),
    }


async def of_payment(desk: Desk, payment_id: bytes) -> list[dict[str, Any]] | None:
    """What of a payment came back, handed out or not; None if that is not known now."""
    asked = pb.ListHandoutsRequest(payment_id=payment_id)
    client = desk.line.client
    try:
        reply = await in_thread(desk.line.read, lambda: client.handouts(asked))
    except (OfflineError, CallError):
        return None
    return [shown(found) for found in reply.handouts]


async def hand_out(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Hand one out: begun on the till's disk, sent, and shown under its id."""
    try:
        move_id = parse_id(fields.get("id", ""))
        payment_id = parse_id(fields.get("payment", ""))
    except ValueError:
        return message(desk, session, "form wrong", 400)
    sequence = whole_number(fields.get("sequence", ""), SEQUENCE_MAX)
    amount = whole_number(fields.get("amount", ""), AMOUNT_MAX)
    which = whole_number(fields.get("refund", "") or "0", SEQUENCE_MAX)
    if not sequence or not amount or which is None:
        return message(desk, session, "form wrong", 400)
    body = pb.HandOutRequest(
        id=move_id, operator=session.operator, sequence=sequence, amount=amount
    ).SerializeToString()
    facts = {
        "operator": session.operator,
        "payment": payment_id.hex(),
        "amount": amount,
        "refund": which,
    }
    move = Move(move_id, Kind.HAND_OUT, body, time.time_ns(), facts=facts)
    begun = await in_thread(desk.till.begin, move)
    desk.settler.take(begun)
    return to(f"/move/{begun.id.hex()}")
