"""Pages: a payment's outcome, its papers, and what else can be done about it."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from switch.client import CallError, LostReplyError
from switch.codes import Result
from switch.ids import new_id, parse_id
from switch.payment_states import PaymentState
from switch.receipt_numbers import format_code
from switch.v1 import complaints_pb2, counter_pb2, payments_pb2
from switch.web.counter import complaints, words
from switch.web.counter.desk import (
    STOP_POLLING,
    Desk,
    Fields,
    form,
    in_thread,
    message,
    page,
    part,
    query,
    reason_of,
    rendered,
    show,
    to,
    unchanged,
)
from switch.web.counter.finding import once_more
from switch.web.counter.handouts import of_payment
from switch.web.counter.line import OfflineError
from switch.web.counter.printing import Paper, PrintError
from switch.web.counter.settle import OUTCOMES, canceller
from switch.web.counter.till import Kind, Move, Stage
from switch.web.forms import FormError
from switch.web.sessions import Session

T = TypeVar("T")

NOTE_MAX = 64
"""Characters of a complaint's note."""
REASONS = (
    "NOT_CREDITED",
    "PAID_TWICE",
    "WRONG_AMOUNT",
    "WRONG_BILL",
    "NO_RECEIPT",
    "OTHER",
)
_LANGUAGES = {
    "en": counter_pb2.LANGUAGE_ENGLISH,
    "bn": counter_pb2.LANGUAGE_BENGALI,
}
REFUND = "refund-"
"""What the paper of a refund is called, with its number behind."""
_PAPERS = re.compile(r"receipt|acknowledgement|refund-[1-9][0-9]{0,8}")
_WITH_RECEIPT = frozenset({"paid", "refunded"})
_MAY_HAND_OUT = frozenset(
    {"paid", "refunded", "refunded-part", "unverified", "given-back"}
)
_WITH_ACKNOWLEDGEMENT = frozenset({"waiting", "kept", "unverified", "given-back"})
_FETCH_AGAIN = frozenset(
    {
        Result.QUOTATION_EXPIRED,
        Result.QUOTATION_WRONG,
        Result.QUOTATION_NEEDED,
        Result.FEE_CHANGED,
    }
)


async def payment(desk: Desk, request: Request, session: Session) -> Response:
    """Where a payment stands."""
    payment_id = _id_of(request)
    move = desk.till.get(payment_id) if payment_id else None
    if payment_id is None or (move is not None and move.kind is not Kind.PAYMENT):
        return message(desk, session, "not found", 404)
    if move is None:
        return await _of_before(desk, session, payment_id)
    stands, complaint = await asyncio.gather(
        _stands(desk, session, move),
        complaints.about(desk, session, move.id, move.outcome),
    )
    return show(desk, session, "payment.html", here="find", **stands, **complaint)


async def state(desk: Desk, request: Request, session: Session) -> Response:
    """The same as a part of the page; nothing if it is what the page shows."""
    payment_id = _id_of(request)
    move = desk.till.get(payment_id) if payment_id else None
    if move is None or move.kind is not Kind.PAYMENT:
        return unchanged(is_over=True)
    if not session.operator:
        return unchanged(is_signed_off=True)
    seen = query(request).get("seen", "")
    is_over = move.stage is Stage.ENDED
    if move.outcome == seen:
        return unchanged(is_over=is_over)
    values = await _stands(desk, session, move)
    text = rendered(desk, session, "state.html", **values)
    return HTMLResponse(text, STOP_POLLING if is_over else 200)


async def ask(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Ask at once, not after the pause."""
    payment_id = _id_of(request)
    if payment_id is None:
        return message(desk, session, "not found", 404)
    desk.settler.nudge(payment_id)
    return to(f"/payment/{payment_id.hex()}")


async def paper(desk: Desk, request: Request, session: Session) -> Response:
    """The receipt or the acknowledgement: a part of the page."""
    payment_id = _id_of(request)
    if payment_id is None or not session.operator:
        return message(desk, session, "not found", 404)
    kind = _kind_of(query(request))
    return show(
        desk, session, "paper.html", **await paper_of(desk, session, payment_id, kind)
    )


async def again(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Pay once more, knowing of the payment in the way: the citizen was asked."""
    payment_id = _id_of(request)
    move = desk.till.get(payment_id) if payment_id else None
    if move is None or move.stage is not Stage.ENDED:
        return message(desk, session, "draft gone", 410)
    outcome = payments_pb2.PaymentOutcome.FromString(move.answer)
    if not outcome.additional_to:
        return message(desk, session, "draft gone", 410)
    return to(f"/due/{once_more(desk, move, outcome.additional_to).key}")


async def print_paper(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Have the counter's printer print a paper."""
    payment_id = _id_of(request)
    if payment_id is None:
        return message(desk, session, "not found", 404)
    kind = _kind_of(fields)
    # One after the other: of a double click the second is a reprint, and says so.
    async with desk.printing:
        try:
            print_receipt = desk.printer.print_receipt
            await in_thread(_made, desk, session, payment_id, kind, print_receipt)
        except PrintError as error:
            text = desk.say(session)("print failed", reason=str(error))
            return show(desk, session, "message.html", 502, text=text)
    session.notice = "printed"
    return to(f"/payment/{payment_id.hex()}")


async def printed(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """The browser has printed the paper: what the page has of it now is a reprint."""
    payment_id = _id_of(request)
    if payment_id is None:
        return message(desk, session, "not found", 404)
    kind = _kind_of(fields)
    await _note_printed(desk, payment_id, kind)
    values = await paper_of(desk, session, payment_id, kind)
    if values["paper_error"]:
        return unchanged()
    return show(desk, session, "paper.html", **values)


def _made(
    desk: Desk,
    session: Session,
    payment_id: bytes,
    kind: str,
    make: Callable[[Paper], T],
) -> T:
    """Make a paper: the original once, then reprints. Raises as `make` and `Line.read`.

    Before the original is made it says so on the disk: nobody else makes one meanwhile.
    An acknowledgement makes no reprint of the receipt.
    """
    which = _which(kind)
    is_first = (
        kind != "acknowledgement"
        and not _is_printed(desk, payment_id, kind)
        and desk.printed.claim(payment_id, which)
    )
    try:
        return make(_to_print(desk, session, payment_id, kind, is_first=is_first))
    except BaseException:
        if is_first:
            desk.printed.give_back(payment_id, which)
        raise


async def _note_printed(desk: Desk, payment_id: bytes, kind: str) -> None:
    """A receipt is there once; an acknowledgement before it makes no reprint of it."""
    if kind == "receipt":
        await in_thread(desk.printed.claim, payment_id)
    elif _handed_out(desk, payment_id, kind):
        await in_thread(desk.printed.claim, payment_id, _which(kind))


async def pdf(desk: Desk, request: Request, session: Session) -> Response:
    """A paper on A5."""
    payment_id = _id_of(request)
    if payment_id is None:
        return message(desk, session, "not found", 404)
    kind = _kind_of(query(request))
    try:
        body = await in_thread(_made, desk, session, payment_id, kind, desk.printer.pdf)
    except PrintError as error:
        text = desk.say(session)("print failed", reason=str(error))
        return show(desk, session, "message.html", 502, text=text)
    headers = {"content-disposition": "inline; filename=receipt.pdf"}
    return Response(body, media_type="application/pdf", headers=headers)


async def refund_paper(desk: Desk, request: Request, session: Session) -> Response:
    """The receipt of a refund that was handed out, to be printed again."""
    payment_id = _id_of(request)
    kind = f"{REFUND}{request.path_params['which']}"
    if payment_id is None or not _PAPERS.fullmatch(kind):
        return message(desk, session, "not found", 404)
    values = await paper_of(desk, session, payment_id, kind)
    has_printer = desk.printer.has_device
    return show(desk, session, "refund.html", **values, has_printer=has_printer)


def _kind_of(fields: Fields) -> str:
    """Which paper is meant. Raises FormError."""
    kind = fields.get("kind", "receipt")
    if not _PAPERS.fullmatch(kind):
        raise FormError("no paper of ours")
    return kind


def _to_print(
    desk: Desk, session: Session, payment_id: bytes, kind: str, *, is_first: bool
) -> Paper:
    """A paper as the switch gives it now. Raises as `Line.read`."""
    client = desk.line.client
    language = _LANGUAGES[session.language]
    is_bengali = session.language == "bn"
    if kind == "acknowledgement":
        told = desk.line.read(lambda: client.acknowledgement(payment_id, "", language))
        return Paper(told.json, is_bengali=is_bengali)
    which = _which(kind)
    found = desk.line.read(
        lambda: client.receipt(
            payment_id, "", language, reprint=not is_first, refund=which
        )
    )
    return Paper(found.json, found.code, found.refunded, is_bengali)


def _which(kind: str) -> int:
    """Of which refund a paper is, 0 of the payment itself."""
    return int(kind.removeprefix(REFUND)) if kind.startswith(REFUND) else 0


def _is_printed(desk: Desk, payment_id: bytes, kind: str) -> bool:
    """Whether a paper was printed before: on this computer, or who knows where.

    Before there was a record of prints the till kept it, with the payment.
    """
    move = desk.till.get(payment_id)
    if kind.startswith(REFUND):
        move = _handed_out(desk, payment_id, kind)
    is_noted = move is None or bool(move.facts.get("printed"))
    return is_noted or desk.printed.has(payment_id, _which(kind))


def _handed_out(desk: Desk, payment_id: bytes, kind: str) -> Move | None:
    """The move by which this counter has handed out the refund that a paper is of."""
    sought = payment_id.hex(), _which(kind)
    for move in desk.till.recent(Kind.HAND_OUT):
        facts = move.facts
        if move.outcome == "done" and (facts["payment"], facts["refund"]) == sought:
            return move
    return None


async def cancel(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Give a held payment back, as long as its biller was not asked."""
    payment_id = _id_of(request)
    if payment_id is None:
        return message(desk, session, "not found", 404)
    client, number = desk.line.client, session.operator
    try:
        await in_thread(
            desk.line.send, lambda: client.cancel_payment(payment_id, number), number
        )
    except LostReplyError as lost:
        # Nothing is lost by it: the payment is asked about as before.
        raise OfflineError(str(lost)) from lost
    except CallError as error:
        if error.reason not in _NOT_CANCELLED:
            raise
        session.notice = _NOT_CANCELLED[error.reason]
    desk.settler.nudge(payment_id)
    return to(f"/payment/{payment_id.hex()}")


_NOT_CANCELLED = {"BILLER_ASKED": "cancel late", "NOT_HELD": "cancel none"}


async def complain(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Raise a complaint: its number is what the citizen is given."""
    payment_id = _id_of(request)
    try:
        move_id = parse_id(fields.get("id", ""))
        reason = complaints_pb2.ComplaintReason.Value(
            f"COMPLAINT_REASON_{fields.get('reason', '')}"
        )
    except ValueError:
        return message(desk, session, "form wrong", 400)
    note = fields.get("note", "")
    if payment_id is None or len(note) > NOTE_MAX or not note.isascii():
        return message(desk, session, "form wrong", 400)
    asked = complaints_pb2.RaiseComplaintRequest(
        id=move_id,
        payment_id=payment_id,
        operator=session.operator,
        reason=reason,
        note=note,
    )
    facts = {"operator": session.operator, "payment": payment_id.hex()}
    body = asked.SerializeToString()
    move = Move(move_id, Kind.COMPLAINT, body, time.time_ns(), facts=facts)
    begun = await in_thread(desk.till.begin, move)
    desk.settler.take(begun)
    return to(f"/move/{move_id.hex()}")


def _id_of(request: Request) -> bytes | None:
    try:
        return parse_id(request.path_params["id"])
    except ValueError:
        return None


async def _stands(desk: Desk, session: Session, move: Move) -> dict[str, Any]:
    """What the page says of a payment that this counter has begun."""
    facts = move.facts
    outcome = move.outcome
    result = facts.get("result", 0)
    answer = None
    if outcome in ("refused", "not-paid") and move.answer:
        answer = payments_pb2.PaymentOutcome.FromString(move.answer)
    reason = ""
    if outcome in ("refused", "not-paid"):
        named = facts.get("reason", "")
        if result and not named:
            reason = words.result_words(result, session.language)
        else:
            reason = words.reason_words(named, session.language)
    change = facts["cash"] - facts["amount"] if facts["tender"] == "cash" else 0
    values = {
        "id": move.id.hex(),
        "outcome": outcome,
        "is_over": move.stage is Stage.ENDED,
        "reason": reason,
        "facts": facts,
        "made_ns": move.made_ns,
        "change": change,
        "cancelled_by": facts.get("cancelled_by", 0),
        "fetch_again": result in _FETCH_AGAIN,
        "once_more": bool(answer and answer.additional_to),
        "other_id": answer.other_id.hex() if answer and answer.other_id else "",
        "paper": None,
        "complaint_id": new_id().hex(),
        "reasons": REASONS,
        "has_printer": desk.printer.has_device,
    }
    kind = _paper_kind(outcome)
    if kind:
        values.update(await paper_of(desk, session, move.id, kind))
    values.update(await _given_back(desk, move.id, values))
    return values


def _paper_kind(outcome: str) -> str:
    if outcome in _WITH_RECEIPT:
        return "receipt"
    return "acknowledgement" if outcome in _WITH_ACKNOWLEDGEMENT else ""


async def paper_of(
    desk: Desk, session: Session, payment_id: bytes, kind: str
) -> dict[str, Any]:
    """A paper's text, or why it cannot be had now."""
    client, language = desk.line.client, _LANGUAGES[session.language]
    again, which = _is_printed(desk, payment_id, kind), _which(kind)

    def call() -> Any:
        if kind == "acknowledgement":
            return client.acknowledgement(payment_id, "", language)
        return client.receipt(payment_id, "", language, reprint=again, refund=which)

    found: dict[str, Any] = {
        "paper_kind": kind,
        "paper": "",
        "paper_error": "",
        "id": payment_id.hex(),
        "code": "",
        "check": None,
    }
    try:
        reply = await in_thread(desk.line.read, call)
    except OfflineError:
        say = desk.say(session)
        return {**found, "paper_error": say("offline now")}
    except CallError as error:
        return {**found, "paper_error": reason_of(error, session.language)}
    found["paper"] = reply.text
    # An acknowledgement has no code: it proves nothing.
    if kind != "acknowledgement":
        is_bengali = session.language == "bn"
        number = _number(reply.json, kind)
        found["code"] = format_code(reply.code)
        found["check"] = desk.printer.check(number, reply.code, is_bengali=is_bengali)
    if kind == "receipt":
        # What was given back by now, and of how much: its paper never says that.
        found |= {"refunded": reply.refunded, "paid": _paid(reply.json)}
    return found


def _paid(text: str) -> int:
    """The paise that a receipt says were paid, 0 if it cannot be read."""
    try:
        amount = json.loads(text)["amount_paise"]
    except (ValueError, KeyError, TypeError):
        return 0
    return amount if isinstance(amount, int) else 0


async def _given_back(
    desk: Desk, payment_id: bytes, values: dict[str, Any]
) -> dict[str, Any]:
    """What a page says of money that came back: whole or in part, and who has it.

    The state that the till knows may be days old: what the switch says counts, and
    without a line what it has said last.
    """
    outcome = values["outcome"]
    move = desk.till.get(payment_id)
    known = move.facts.get("refunded", 0) if move else 0
    refunded = values.get("refunded", known)
    paid = values.get("paid") or values["facts"]["amount"]
    if move and refunded > known:
        await in_thread(desk.till.note, payment_id, refunded=refunded)
    if refunded and outcome in _WITH_RECEIPT:
        outcome = "refunded" if refunded >= paid else "refunded-part"
    handouts: list[dict[str, Any]] | None = []
    rest = outcome == "paid" and 0 < paid < values["facts"]["amount"]
    if rest or (outcome in _MAY_HAND_OUT and outcome != "paid"):
        handouts = await of_payment(desk, payment_id)
    return {
        "outcome": outcome,
        "refunded": refunded,
        "handouts": handouts or [],
        "is_unasked": handouts is None,
    }


def _number(text: str, kind: str) -> str:
    """The number that a paper says it has, by which it is checked."""
    name = "receipt" if kind == "receipt" else "refund_receipt"
    number = json.loads(text)[name]
    if not isinstance(number, str):
        raise TypeError(f"{name} of a paper is {number!r}")
    return number


async def _of_before(desk: Desk, session: Session, payment_id: bytes) -> Response:
    """A payment that this counter has not, or not any more: as the switch has it."""
    client = desk.line.client
    try:
        reply = await in_thread(desk.line.read, lambda: client.get_payment(payment_id))
    except CallError as error:
        if error.reason == "NOT_FOUND" or error.code.name == "NOT_FOUND":
            return message(desk, session, "unknown payment", 404)
        raise
    entry = reply.entry
    outcome = OUTCOMES.get(PaymentState(reply.state), "waiting")
    values: dict[str, Any] = {
        "id": payment_id.hex(),
        "outcome": outcome,
        "is_over": True,
        "reason": words.result_words(entry.result, session.language),
        "facts": {
            "service": entry.service,
            "reference": entry.citizen_reference or entry.reference,
            "bill": "",
            "period": entry.period,
            "amount": entry.amount,
            "operator": entry.operator,
            "tender": "",
        },
        "made_ns": entry.time_ns,
        "change": 0,
        "cancelled_by": canceller(reply),
        "fetch_again": False,
        "once_more": False,
        "other_id": "",
        "paper": None,
        "complaint_id": new_id().hex(),
        "reasons": REASONS,
        "has_printer": desk.printer.has_device,
    }
    kind = _paper_kind(outcome)
    if kind:
        values.update(await paper_of(desk, session, payment_id, kind))
    values.update(await _given_back(desk, payment_id, values))
    values.update(await complaints.about(desk, session, payment_id, outcome))
    return show(desk, session, "payment.html", here="today", **values)


ENDPOINTS = {
    "payment": page(payment),
    "refund": page(refund_paper),
    "state": part(state, tells_line=True),
    "paper": part(paper),
    "ask": form(ask),
    "again": form(again),
    "cancel": form(cancel),
    "complain": form(complain),
    "print": form(print_paper),
    "printed": form(printed),
    "pdf": page(pdf),
}
