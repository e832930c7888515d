"""Pages of what is no payment: shifts, their signatures, requests for money.

Each is begun on the till's disk under its id, like a payment, and shown under it.
"""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from switch.client import CallError
from switch.codes import AMOUNT_MAX, Result
from switch.ids import new_id, parse_id
from switch.money import parse_amount
from switch.operator_rows import NUMBER_MAX
from switch.v1 import banks_pb2, complaints_pb2, counter_pb2, handouts_pb2
from switch.web.counter import words
from switch.web.counter.desk import (
    STOP_POLLING,
    Desk,
    Fields,
    in_thread,
    message,
    query,
    rendered,
    show,
    to,
    unchanged,
)
from switch.web.counter.line import OfflineError
from switch.web.counter.operators import signed
from switch.web.counter.payment import REFUND, paper_of
from switch.web.counter.till import FullError, Kind, Move, Stage
from switch.web.forms import whole_number
from switch.web.sessions import Session

NOTES = (500, 200, 100, 50, 20, 10)
"""Rupees; what is less is counted as one sum."""
COUNT_MAX = 99_999
REQUESTS_SHOWN = 10
_PLACES = {
    Kind.SHIFT: "shift",
    Kind.SIGNATURE: "shift",
    Kind.TOP_UP: "wallet",
    Kind.COMPLAINT: "today",
    Kind.HAND_OUT: "handouts",
}
"""Where in the menu they belong."""
_STATES = {
    banks_pb2.TOP_UP_STATE_OPEN: "top up OPEN",
    banks_pb2.TOP_UP_STATE_PAID: "top up PAID",
    banks_pb2.TOP_UP_STATE_EXPIRED: "top up EXPIRED",
}


async def _begin(desk: Desk, move: Move) -> Response:
    begun = await in_thread(desk.till.begin, move)
    desk.settler.take(begun)
    return to(f"/move/{begun.id.hex()}")


def _form_id(fields: Fields) -> bytes:
    """The id that a form was made with: sent twice it is one move."""
    try:
        return parse_id(fields.get("id", ""))
    except ValueError:
        return b""


async def move(desk: Desk, request: Request, session: Session) -> Response:
    """Where one of them stands."""
    found = _found(desk, request)
    if found is None:
        return message(desk, session, "not found", 404)
    if found.kind is Kind.PAYMENT:
        return to(f"/payment/{found.id.hex()}")
    values = _stands(desk, session, found) | await _paper(desk, session, found)
    return show(desk, session, "move.html", **values)


async def _paper(desk: Desk, session: Session, found: Move) -> dict[str, Any]:
    """The paper that goes with cash that is handed out: of a refund its receipt, else
    the acknowledgement, which says what became of the payment.
    """
    facts = found.facts
    if found.kind is not Kind.HAND_OUT or found.outcome != "done":
        return {"paper": None}
    which = facts["refund"]
    kind = f"{REFUND}{which}" if which else "acknowledgement"
    payment_id = parse_id(facts["payment"])
    values = await paper_of(desk, session, payment_id, kind)
    return {**values, "payment_id": facts["payment"], "id": found.id.hex()}


async def move_state(desk: Desk, request: Request, session: Session) -> Response:
    """The same as a part of the page; nothing if it is what the page shows."""
    found = _found(desk, request)
    if found is None or found.kind is Kind.PAYMENT:
        return unchanged(is_over=True)
    if not session.operator:
        return unchanged(is_signed_off=True)
    is_over = found.stage is Stage.ENDED
    if query(request).get("seen", "") == found.outcome:
        return unchanged(is_over=is_over)
    values = _stands(desk, session, found) | await _paper(desk, session, found)
    text = rendered(desk, session, "move_state.html", **values)
    return HTMLResponse(text, STOP_POLLING if is_over else 200)


def _found(desk: Desk, request: Request) -> Move | None:
    try:
        return desk.till.get(parse_id(request.path_params["id"]))
    except ValueError:
        return None


def _stands(desk: Desk, session: Session, found: Move) -> dict[str, Any]:
    facts = found.facts
    values: dict[str, Any] = {
        "here": _PLACES[found.kind],
        "id": found.id.hex(),
        "kind": found.kind.value,
        "outcome": found.outcome,
        "is_over": found.stage is Stage.ENDED,
        "facts": facts,
        "reason": "",
        "shift": None,
        "request": None,
        "sign_id": new_id().hex(),
        "with_pin": bool(desk.pins.operators()),
        "complaint": None,
        "handout": None,
        "has_printer": desk.printer.has_device,
    }
    if found.outcome in ("refused", "not-paid"):
        named = facts.get("reason", "")
        language = session.language
        values["reason"] = (
            words.reason_words(named, language)
            if named
            else words.result_words(facts.get("result", 0), language)
        )
    if found.outcome == "done" and found.kind is Kind.SHIFT:
        reply = counter_pb2.CloseShiftResponse.FromString(found.answer)
        values["shift"] = reply.shift
        values["difference"] = _DIFFERENCES.get(reply.shift.difference, "none")
    if found.kind is Kind.COMPLAINT and found.answer:
        told = complaints_pb2.RaiseComplaintResponse.FromString(found.answer)
        # The first page counts it, however lately the switch was asked.
        desk.complaints.expire()
        if told.HasField("complaint"):
            # Of one that is open already its number, too.
            values["complaint"] = told.complaint
    if found.kind is Kind.HAND_OUT and found.answer:
        answer_ = handouts_pb2.HandOutResponse.FromString(found.answer)
        values["handout"] = answer_.handout
        if facts.get("result") == Result.CASES_OPEN:
            values["reason"] = words.sayer(session.language)("handout disputed")
    if found.outcome == "done" and found.kind is Kind.TOP_UP:
        answer = banks_pb2.RequestTopUpResponse.FromString(found.answer)
        values["request"] = answer.request
    return values


_DIFFERENCES = {
    counter_pb2.SHIFT_DIFFERENCE_NONE: "none",
    counter_pb2.SHIFT_DIFFERENCE_SHORT: "short",
    counter_pb2.SHIFT_DIFFERENCE_OVER: "over",
}


# --- shifts --------------------------------------------------------------------------


async def shift(desk: Desk, request: Request, session: Session) -> Response:
    """The form that closes the operator's shift."""
    return _shift(desk, session, {})


def _shift(desk: Desk, session: Session, fields: Fields, error: str = "") -> Response:
    return show(
        desk,
        session,
        "shift.html",
        422 if error else 200,
        here="shift",
        notes=NOTES,
        fields=fields,
        error=error,
        id=fields.get("id") or new_id().hex(),
        earlier=desk.till.recent(Kind.SHIFT)[:3],
    )


async def close_shift(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Close the operator's shift with the cash that was counted."""
    say = desk.say(session)
    move_id = _form_id(fields)
    if not move_id:
        return message(desk, session, "form wrong", 400)
    if desk.till.get(move_id) is not None:
        return to(f"/move/{move_id.hex()}")
    counted = 0
    for note in NOTES:
        count = whole_number(fields.get(f"notes_{note}", "") or "0", COUNT_MAX)
        if count is None:
            return _shift(desk, session, fields, say("count wrong"))
        counted += note * count * 100
    try:
        counted += parse_amount(fields.get("coins", "") or "0")
    except ValueError:
        return _shift(desk, session, fields, say("needs amount"))
    request_ = counter_pb2.CloseShiftRequest(
        id=move_id, operator=session.operator, cash_counted=counted
    )
    facts = {"operator": session.operator, "counted": counted}
    body = request_.SerializeToString()
    return await _begin(
        desk, Move(move_id, Kind.SHIFT, body, time.time_ns(), facts=facts)
    )


async def sign_shift(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """The other operator signs on the spot."""
    say = desk.say(session)
    closed = _found(desk, request)
    move_id = _form_id(fields)
    if closed is None or closed.kind is not Kind.SHIFT or not closed.answer:
        return message(desk, session, "not found", 404)
    if not move_id:
        return message(desk, session, "form wrong", 400)
    number = whole_number(fields.get("operator", ""), NUMBER_MAX)
    error = ""
    if not number:
        error = say("operator wrong")
    elif number == closed.facts["operator"]:
        error = say("sign other")
    else:
        # Of the other operator's own: it is signed with that session.
        error = await signed(desk, session, number, fields.get("pin", ""))
    if error:
        values = _stands(desk, session, closed)
        values["paper"] = None
        return show(desk, session, "move.html", 422, error=error, **values)
    sequence = counter_pb2.CloseShiftResponse.FromString(closed.answer).shift.sequence
    body = counter_pb2.SignShiftRequest(
        id=move_id, operator=number or 0, shift_sequence=sequence
    ).SerializeToString()
    facts = {"operator": number, "shift": sequence}
    signature = Move(move_id, Kind.SIGNATURE, body, time.time_ns(), facts=facts)
    try:
        return await _begin(desk, signature)
    except (FullError, OSError):
        await desk.settler.let_go(number or 0)
        raise


# --- money ---------------------------------------------------------------------------


async def wallet(desk: Desk, request: Request, session: Session) -> Response:
    """What the centre can spend, and what it has asked for."""
    return await _wallet(desk, session, {})


async def _wallet(
    desk: Desk, session: Session, fields: Fields, error: str = ""
) -> Response:
    client = desk.line.client

    def first() -> list[banks_pb2.RequestedTopUp]:
        found = []
        for one in client.top_up_requests():
            found.append(one)
            if len(found) == REQUESTS_SHOWN:
                break
        return found

    found, requests = None, []
    try:
        found = await in_thread(desk.line.wallet, fresh=True)
        requests = await in_thread(desk.line.read, first)
    except (OfflineError, CallError):
        error = error or desk.say(session)("offline now")
    return show(
        desk,
        session,
        "wallet.html",
        422 if fields else 200,
        here="wallet",
        wallet=found,
        requests=requests,
        states=_STATES,
        fields=fields,
        error=error,
        id=fields.get("id") or new_id().hex(),
    )


async def top_up(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Ask for money; what comes back is the number of the transfer."""
    move_id = _form_id(fields)
    if not move_id:
        return message(desk, session, "form wrong", 400)
    if desk.till.get(move_id) is not None:
        return to(f"/move/{move_id.hex()}")
    try:
        amount = parse_amount(fields.get("amount", ""))
        if not 1 <= amount <= AMOUNT_MAX:
            raise ValueError("out of bounds")
    except ValueError:
        text = desk.say(session)("needs amount")
        return await _wallet(desk, session, fields, text)
    body = banks_pb2.RequestTopUpRequest(
        id=move_id, amount=amount, operator=session.operator
    ).SerializeToString()
    facts = {"operator": session.operator, "amount": amount}
    return await _begin(
        desk, Move(move_id, Kind.TOP_UP, body, time.time_ns(), facts=facts)
    )
