"""Pages: find a service, fill in its form, see what is due, pay."""

import time
from collections.abc import Sequence
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import Response

from switch.catalogue import has_hidden
from switch.client import CallError
from switch.codes import AMOUNT_MAX, Result
from switch.ids import parse_id
from switch.money import format_amount, parse_amount
from switch.references import Form, PatternError, WrongReferenceError, canonical
from switch.v1 import counter_pb2, network_pb2, payments_pb2, types_pb2
from switch.web.counter import funds, search
from switch.web.counter.catalogue import FormField, Service
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
from switch.web.counter.drafts import Draft, Line
from switch.web.counter.till import Kind, Move
from switch.web.forms import latin_digits, whole_number
from switch.web.sessions import Session

ITEMS_MAX = 4
"""Kinds of items that one payment has."""
COUNT_MAX = 9_999
NOTE_MAX = 64
"""Bytes of what goes with a payment for its receipt."""
REFERENCE_MAX = 64
"""Characters that are sent as a reference; the switch has its own, smaller bound."""
EXACT = "="
"""What stands for exact cash."""
TENDERS = {
    "cash": types_pb2.TENDER_UNSPECIFIED,
    "upi": types_pb2.TENDER_UPI,
    "card": types_pb2.TENDER_CARD,
}
_STATES = {
    counter_pb2.BILL_STATE_DUE: "due",
    counter_pb2.BILL_STATE_IN_PROGRESS: "in progress",
    counter_pb2.BILL_STATE_PAID: "paid already",
}
_RULES = {
    network_pb2.AMOUNT_RULE_EXACT_AND_ABOVE: "above",
    network_pb2.AMOUNT_RULE_EXACT_AND_BELOW: "below",
}


class _Wrong(Exception):  # noqa: N818 - what a person has typed, and no failure
    """A form that is to be put right; the text says what."""


# --- finding -------------------------------------------------------------------------


async def home(desk: Desk, request: Request, session: Session) -> Response:
    """The first page: what has no end yet, then what a citizen wants."""
    text = query(request).get("q", "")
    found = search.find(desk.catalogue.services.values(), text)
    exact = [one for one in found if one.code.casefold() == text.casefold()]
    if exact or (text and len(found) == 1):
        return to(f"/service/{(exact or found)[0].code}")
    return show(desk, session, "find.html", **_found(desk, text, found))


async def services(desk: Desk, request: Request, session: Session) -> Response:
    """The services that fit what was typed so far: a part of that page."""
    text = query(request).get("q", "")
    found = search.find(desk.catalogue.services.values(), text)
    return show(desk, session, "services.html", **_found(desk, text, found))


def _found(desk: Desk, text: str, found: Sequence[Service]) -> dict[str, Any]:
    return {
        "here": "find",
        "q": text[: search.QUERY_MAX],
        "found": found,
        "away": desk.away,
        "has_catalogue": bool(desk.catalogue.services),
        "unended": desk.till.unended(),
        "counts": desk.complaints.counts(),
    }


# --- the form ------------------------------------------------------------------------


async def service(desk: Desk, request: Request, session: Session) -> Response:
    """The form of a service."""
    wanted = _service_of(desk, request)
    if wanted is None:
        return message(desk, session, "not found", 404)
    return _form(desk, session, wanted, {})


async def fetch(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Ask what is due of a reference, or work out what a form has come to."""
    wanted = _service_of(desk, request)
    if wanted is None or wanted.price in ("free", "none"):
        return message(desk, session, "not payable", 404)
    say = desk.say(session)
    try:
        reference = latin_digits(fields.get("reference", ""))
        if not reference or len(reference) > REFERENCE_MAX:
            raise _Wrong(say("needs reference"))
        note = _note(wanted, fields, session, say)
        items: Sequence[tuple[str, int]] = ()
        if wanted.price == "bill":
            lines = await in_thread(_fetched, desk, session, wanted, reference)
        elif wanted.price == "tariff":
            items = _counted(wanted, fields, say)
            fees = {one.code: one.amount for one in wanted.items}
            lines = [Line(sum(fees[code] * count for code, count in items))]
        else:
            lines = [Line(_amount(fields.get("amount", ""), say("needs amount")))]
    except _Wrong as error:
        return _form(desk, session, wanted, fields, str(error))
    draft = Draft(wanted.code, reference, lines, note, items)
    desk.drafts.add(draft)
    return to(f"/due/{draft.key}")


def _service_of(desk: Desk, request: Request) -> Service | None:
    return desk.catalogue.services.get(request.path_params["code"])


def _form(
    desk: Desk, session: Session, wanted: Service, fields: Fields, error: str = ""
) -> Response:
    return show(
        desk,
        session,
        "service.html",
        422 if error else 200,
        here="find",
        service=wanted,
        fields=fields,
        error=error,
        is_away=wanted.biller in desk.away,
    )


def _fetched(
    desk: Desk, session: Session, wanted: Service, reference: str
) -> list[Line]:
    say = desk.say(session)
    client = desk.line.client
    try:
        bills = desk.line.read(lambda: client.fetch_bill(wanted.code, reference))
    except CallError as error:
        raise _Wrong(_why_not(error, wanted, session, say)) from error
    return [_line(bill) for bill in bills]


def _why_not(error: CallError, wanted: Service, session: Session, say: Any) -> str:
    for name in (error.reason, error.code.name):
        key = f"fetch {name}"
        if key in _FETCHES:
            if error.code is grpc.StatusCode.INVALID_ARGUMENT and wanted.example:
                return f"{say(key)} {say('example', example=wanted.example)}"
            return str(say(key))
    return reason_of(error, session.language)


_FETCHES = frozenset(
    f"fetch {name}"
    for name in (
        "BILL_NOT_FOUND",
        "BILL_UNREADABLE",
        "BILLER_UNAVAILABLE",
        "INVALID_ARGUMENT",
        "RESOURCE_EXHAUSTED",
    )
)


def _line(bill: counter_pb2.Bill) -> Line:
    return Line(
        amount=bill.amount_due,
        state=_STATES.get(bill.state, "in progress"),
        rule=_RULES.get(bill.amount_rule, "exact"),
        bill=bill.id,
        period=bill.period,
        due_ns=bill.due_time_ns,
        until_ns=bill.valid_until_ns,
        head=bill.head,
        quotation=bill.quotation,
    )


def _note(wanted: Service, fields: Fields, session: Session, say: Any) -> str:
    """What the form asks for beside the reference, as it goes with the payment."""
    texts = []
    for asked in wanted.fields:
        text = latin_digits(fields.get(f"field_{asked.name}", ""))
        label = asked.label.said(session.language)
        if not text:
            raise _Wrong(say("needs field", label=label))
        if not _fits(asked, text) or has_hidden(text):
            example = say("example", example=asked.example) if asked.example else ""
            raise _Wrong(say("field wrong", label=label, example=example))
        texts.append(text)
    note = "; ".join(texts)
    if len(note.encode()) > NOTE_MAX:
        raise _Wrong(say("note long"))
    return note


def _fits(asked: FormField, text: str) -> bool:
    if not asked.pattern:
        return True
    try:
        canonical(Form(pattern=asked.pattern), text)
    except (WrongReferenceError, PatternError):
        return False
    return True


def _counted(wanted: Service, fields: Fields, say: Any) -> list[tuple[str, int]]:
    items = []
    for item in wanted.items:
        text = fields.get(f"count_{item.code.lower().replace('-', '_')}", "")
        count = whole_number(text, COUNT_MAX) if text else 0
        if count is None:
            raise _Wrong(say("needs items"))
        if count:
            items.append((item.code, count))
    if not items:
        raise _Wrong(say("needs items"))
    if len(items) > ITEMS_MAX:
        raise _Wrong(say("items many"))
    return items


def _amount(text: str, wrong: str) -> int:
    try:
        amount = parse_amount(text)
    except ValueError as error:
        raise _Wrong(wrong) from error
    if not 1 <= amount <= AMOUNT_MAX:
        raise _Wrong(wrong)
    return amount


# --- what is due, and paying it ------------------------------------------------------


async def due(desk: Desk, request: Request, session: Session) -> Response:
    """What is due, with the form that pays it."""
    draft = desk.drafts.get(request.path_params["key"])
    if draft is None:
        return message(desk, session, "draft gone", 410)
    return await _due(desk, session, draft, {})


async def pay(
    desk: Desk, request: Request, session: Session, fields: Fields
) -> Response:
    """Begin the payment of a line: once, however often its form is sent."""
    draft = desk.drafts.get(request.path_params["key"])
    place = whole_number(fields.get("line", ""), 99)
    if draft is None:
        return _gone(desk, session, fields)
    if place is None or place >= len(draft.lines):
        return message(desk, session, "form wrong", 400)
    line = draft.lines[place]
    if desk.till.get(line.id) is not None:
        return to(f"/payment/{line.id.hex()}")
    say = desk.say(session)
    try:
        if line.state != "due":
            raise _Wrong(say(line.state))
        move = _move(desk, session, draft, line, fields)
        # Before anything is begun: a line that is down is said now, not afterwards.
        wallet = await funds.ask_line(desk)
        if wallet is not None:
            text = funds.refusal_text(wallet, move.facts["amount"], session)
            if text:
                raise _Wrong(text)
    except _Wrong as error:
        return await _due(desk, session, draft, fields, str(error))
    async with desk.beginning:
        same = _same_open(desk, move)
        if same is not None:
            session.notice = "same open"
            return to(f"/payment/{same.id.hex()}")
        move = await in_thread(desk.till.begin, move)
    desk.settler.take(move)
    return to(f"/payment/{move.id.hex()}")


def _gone(desk: Desk, session: Session, fields: Fields) -> Response:
    """A form of before this process: nothing is begun; what was, is shown."""
    try:
        # Of the line that was chosen: another of the same form may be paid.
        payment_id = parse_id(fields.get(f"id_{fields.get('line', '')}", ""))
    except ValueError:
        payment_id = b""
    if desk.till.get(payment_id) is not None:
        return to(f"/payment/{payment_id.hex()}")
    return message(desk, session, "draft gone", 410)


async def _due(
    desk: Desk, session: Session, draft: Draft, fields: Fields, error: str = ""
) -> Response:
    due = [place for place, one in enumerate(draft.lines) if one.state == "due"]
    most = max((funds.least_of(draft.lines[place]) for place in due), default=0)
    wallet = await funds.wallet_for(desk, most) if due else None
    refusals: dict[int, str] = {}
    if wallet is not None:
        for place in due:
            text = funds.refusal_text(
                wallet, funds.least_of(draft.lines[place]), session
            )
            if text:
                refusals[place] = text
    # A top-up is offered where it helps: not against a limit, nor a closed wallet.
    is_short = wallet is not None and any(
        funds.refusal(wallet, funds.least_of(draft.lines[place]))
        is Result.INSUFFICIENT_FUNDS
        for place in refusals
    )
    payable = [place for place in due if place not in refusals]
    return show(
        desk,
        session,
        "due.html",
        422 if error else 200,
        here="find",
        draft=draft,
        due=due,
        payable=payable,
        refusals=refusals,
        is_short=is_short,
        wallet=wallet,
        chosen=_chosen(fields, payable),
        fields=fields,
        error=error,
        earlier=_earlier(desk, draft),
    )


def _chosen(fields: Fields, payable: Sequence[int]) -> int:
    """The line that a form has chosen, if it can be paid; else the first that can."""
    chosen = whole_number(fields.get("line", ""), 99)
    if chosen in payable:
        return chosen or 0
    return payable[0] if payable else 0


def _earlier(desk: Desk, draft: Draft) -> Move | None:
    """The last payment of the same at this counter that was paid, or may be."""
    for move in desk.till.recent(Kind.PAYMENT):
        facts = move.facts
        same = (facts["service"], facts["reference"]) == (
            draft.service,
            draft.reference,
        )
        if same and move.outcome not in ("refused", "not-paid", "given-back"):
            return move
    return None


def _move(
    desk: Desk, session: Session, draft: Draft, line: Line, fields: Fields
) -> Move:
    """The payment as it will be sent. Raises _Wrong for what must be put right."""
    say = desk.say(session)
    amount = line.amount
    if line.rule != "exact" and fields.get("amount"):
        amount = _amount(fields["amount"], say("needs amount"))
    tender = fields.get("tender", "cash")
    if tender not in TENDERS:
        raise _Wrong(say("form wrong"))
    cash = (
        _cash(fields.get("cash", ""), amount, session, say) if tender == "cash" else 0
    )
    payment = payments_pb2.Payment(
        id=line.id,
        service=draft.service,
        amount=amount,
        reference=draft.reference,
        operator=session.operator,
        tender=TENDERS[tender],
        head=line.head,
        note=draft.note,
        quotation=line.quotation,
        additional_to=draft.additional_to,
        items=[types_pb2.TariffItem(code=code, count=n) for code, n in draft.items],
    )
    facts = {
        "service": draft.service,
        "reference": draft.reference,
        "bill": line.bill,
        "period": line.period,
        "amount": amount,
        "tender": tender,
        "cash": cash,
        "operator": session.operator,
    }
    return Move(
        line.id, Kind.PAYMENT, payment.SerializeToString(), time.time_ns(), facts=facts
    )


def _cash(text: str, amount: int, session: Session, say: Any) -> int:
    if text == EXACT:
        return amount
    cash = _amount(text, say("needs cash"))
    if cash < amount:
        is_bengali = session.language == "bn"
        short = format_amount(amount - cash, bengali=is_bengali)
        raise _Wrong(say("cash short", short=short))
    return cash


def _same_open(desk: Desk, move: Move) -> Move | None:
    """A payment of the same that has no end yet."""
    keys = ("service", "reference", "bill", "period")
    wanted = [move.facts[key] for key in keys]
    for other in desk.till.unended():
        if other.kind is not Kind.PAYMENT or other.id == move.id:
            continue
        if other.outcome in ("kept", "unverified", "waiting"):
            continue  # the switch has it, and says itself what is in the way
        if [other.facts.get(key) for key in keys] == wanted:
            return other
    return None


def once_more(desk: Desk, move: Move, handle: bytes) -> Draft:
    """A draft of the same payment, made in addition to one that is in the way."""
    before = payments_pb2.Payment.FromString(move.request)
    line = Line(before.amount, head=before.head, quotation=before.quotation)
    items = [(one.code, one.count) for one in before.items]
    draft = Draft(before.service, before.reference, [line], before.note, items, handle)
    return desk.drafts.add(draft)
