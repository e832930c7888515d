"""PeopleService.Prepare: what somebody wants, as the row and the lines that say it.

Codes become the ledger's indices here. Nothing is decided: what a line may be, and who
may want it, the ledger says. In a reading thread.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from server import arguments
from server.node import Node
from server.services.bank_wishes import bank_account, beneficiary, ending
from server.services.begin_wishes import opening, schedule
from server.services.certificates import check_revocation
from server.services.line_words import proposed_lines
from server.services.network_specs import read_network
from server.services.proposal_list import say_about
from server.services.proposals import given_back, proposed, recoverable_at
from server.services.recovering import allow_wishes
from server.services.stops import stopped
from server.services.wished import About, plain, record, utr_of, warnings_of
from server.services.wished import amount_of as paise
from server.status import ArgumentError, NotFoundError, PreconditionError
from switch.codes import (
    AMOUNT_MAX,
    APPROVER_WAIT_DAYS_MAX,
    BUDGET_BOUNDS,
    PROPOSE_LINES,
    WAIT_MAX_S,
    AccountState,
    Budget,
    Kind,
    PersonRole,
)
from switch.errors import shown
from switch.ledger import moves
from switch.ledger.lines import line_of, sizes
from switch.ledger.templates import REFERENCE_SIZE
from switch.money import format_amount
from switch.register.budgets import budget_tail
from switch.register.certificates import (
    PIN_SIZE,
    PINS_MAX,
    confirmation_tail,
    pins_tail,
)
from switch.register.identity import Identity
from switch.register.load import network_counts, next_phase
from switch.register.merge import limits_of
from switch.register.people import Person
from switch.register.register import (
    PURPOSE_FLOAT,
    PURPOSE_SETTLEMENT,
    PURPOSE_SUSPENSE,
    Participant,
    Service,
)
from switch.register.tails import participant_tail, service_tail
from switch.signed import (
    KEY_SIZE,
    LINES_MAX,
    LINES_SIZE_MAX,
    ThresholdsRecord,
    amount_of,
    person_tail,
    thresholds_tail,
)
from switch.v1 import admin_pb2
from switch.v1 import people_pb2 as pb

_ALREADY = None
"""In place of a row: it is so already."""


def prepare(
    node: Node, request: pb.PrepareRequest, caller: Identity
) -> pb.PrepareResponse:
    """What is to be signed for what is wanted. Blocks."""
    as_of = node.ledger.sequence
    response = _prepare(node, request, caller)
    response.as_of_sequence = as_of
    response.warnings.extend(warnings_of(node.register))
    return response


def _prepare(
    node: Node, request: pb.PrepareRequest, caller: Identity
) -> pb.PrepareResponse:
    node.register.refresh()
    allow_wishes(node, request, caller)
    given = [bool(request.wishes)]
    given += [request.HasField(name) for name in ("network", "payment", "stop")]
    if sum(given) != 1:
        text = "give one of wishes, network, payment and stop"
        raise ArgumentError("wishes", text)
    if request.HasField("payment"):
        return _payment(node, request, caller)
    if request.HasField("stop"):
        return _stop(node, request)
    _check_reason(request.reason)
    if request.HasField("network"):
        return _network(node, request)
    return _wishes(node, request)


def _check_reason(reason: str) -> None:
    fits = 1 <= len(reason) <= REFERENCE_SIZE and reason.isascii()
    if not fits or not reason.isprintable() or reason != reason.strip():
        text = f"must be 1 to {REFERENCE_SIZE} printable ASCII characters"
        raise ArgumentError("reason", text)


def _lines(
    node: Node, reason: str, lines: list[bytes], already: int, left: int = 0
) -> pb.PrepareResponse:
    """A proposal of lines, or nothing if there are none."""
    response = pb.PrepareResponse(already_count=already, left_count=left)
    if lines:
        response.row.kind = int(Kind.PROPOSE)  # type: ignore[assignment]
        response.row.total = PROPOSE_LINES
        response.row.amount = amount_of(lines)
        response.row.reference = reason.encode()
        response.lines.extend(proposed_lines(node, lines))
    return response


# --- one by one ----------------------------------------------------------------------


def _wishes(node: Node, request: pb.PrepareRequest) -> pb.PrepareResponse:
    if len(request.wishes) > LINES_MAX:
        raise ArgumentError("wishes", f"must be at most {LINES_MAX}")
    lines: list[bytes] = []
    seen = set()
    already = 0
    for at, wish in enumerate(request.wishes):
        name = wish.WhichOneof("what")
        if name is None:
            raise ArgumentError(f"wishes[{at}]", "must say what is wanted")
        try:
            made = _MAKERS[name](node, getattr(wish, name))
        except ArgumentError as error:
            field = f"wishes[{at}].{name}.{error.field}"
            raise ArgumentError(field, error.text) from error
        except NotFoundError as error:
            raise NotFoundError(f"wishes[{at}].{name}.{error}") from error
        if made is _ALREADY:
            already += 1
            continue
        if made.about is not None and made.about in seen:
            text = "one proposal speaks of each once: of this one it does already"
            raise ArgumentError(f"wishes[{at}].{name}", text)
        seen.add(made.about)
        lines += [line_of(one) for one in (*made.before, made.row)]
    if len(lines) > LINES_MAX or sizes(lines) > LINES_SIZE_MAX:
        raise ArgumentError("wishes", f"must come to at most {LINES_SIZE_MAX} bytes")
    return _lines(node, request.reason, lines, already)


def _top_up(node: Node, wish: pb.TopUpWish) -> About:
    register = node.register
    return About(
        moves.top_up(
            b"",
            register.treasury_account(PURPOSE_FLOAT).index,
            arguments.centre_wallet(register, wish.centre).index,
            paise(wish.amount),
            utr_of(plain("utr", wish.utr)),
            sender=0,
        )
    )


def _fund_suspense(node: Node, wish: pb.FundSuspenseWish) -> About:
    register = node.register
    return About(
        moves.transfer(
            b"",
            register.treasury_account(PURPOSE_FLOAT).index,
            register.treasury_account(PURPOSE_SUSPENSE).index,
            paise(wish.amount),
            plain("reason", wish.reason),
            sender=0,
        )
    )


def _recover(node: Node, wish: pb.RecoverAdvanceWish) -> About:
    paid = recoverable_at(node, wish.advance_sequence)
    return About(moves.recover(b"", paid, plain("reason", wish.reason), sender=0))


def _limit(node: Node, wish: pb.LimitWish) -> About | None:
    wallet = arguments.centre_wallet(node.register, wish.centre).index
    if wish.low_balance > AMOUNT_MAX:
        raise ArgumentError("low_balance", "must be at most 10^18 paise")
    image, _ = node.ledger.account(wallet)
    now = limits_of(image)
    said = limits_of({name: getattr(wish, name) for name in now})
    named = now.keys() & {field.name for field, _ in wish.ListFields()}
    wanted = now | {name: said[name] for name in named}
    if wanted == now:
        return _ALREADY
    return About(moves.set_limit(wallet, **wanted, row_id=b""), ("limit", wallet))


def _close(node: Node, wish: pb.CloseWish) -> About | None:
    wallet = arguments.centre_wallet(node.register, wish.centre).index
    if _state(node, wallet) == AccountState.CLOSED:
        return _ALREADY
    return About(moves.close(b"", wallet, plain("reason", wish.reason), sender=0))


def _unfreeze(node: Node, wish: pb.UnfreezeWish) -> About | None:
    wallet = arguments.centre_wallet(node.register, wish.centre).index
    if _state(node, wallet) != AccountState.FROZEN:
        return _ALREADY
    reason = plain("reason", wish.reason)
    return About(moves.freeze(b"", wallet, reason, sender=0, unfreeze=True))


def _settle(node: Node, wish: pb.SettleWish) -> About:
    register = node.register
    return About(
        moves.settle(
            b"",
            wish.window,
            arguments.biller_head(register, wish.biller, wish.head).index,
            register.treasury_account(PURPOSE_SETTLEMENT).index,
            paise(wish.amount),
            sender=0,
        )
    )


def _give(node: Node, wish: pb.GiveWish) -> About:
    register = node.register
    return About(
        moves.transfer(
            b"",
            register.treasury_account(PURPOSE_SETTLEMENT).index,
            arguments.biller_head(register, wish.biller, wish.head).index,
            paise(wish.amount),
            plain("reason", wish.reason),
            sender=0,
        )
    )


def _pins(node: Node, wish: pb.PinsWish) -> About | None:
    whose = arguments.participant(node.register, wish.participant, "participant")
    if len(wish.pins) > PINS_MAX:
        raise ArgumentError("pins", f"must be at most {PINS_MAX}")
    for at, key in enumerate(wish.pins):
        if len(key) != PIN_SIZE or not any(key) or key in wish.pins[:at]:
            raise ArgumentError(f"pins[{at}]", f"must be {PIN_SIZE} bytes of its own")
    if node.register.pins(whose.index) == tuple(wish.pins):
        return _ALREADY
    return record(pins_tail(whose.index, wish.pins), ("pins", whose.index))


def _budget(node: Node, wish: pb.BudgetWish) -> About | None:
    whose = arguments.participant(node.register, wish.participant, "participant")
    if int(wish.budget) not in list(Budget):
        raise ArgumentError("budget", "must be a budget")
    budget = Budget(int(wish.budget))
    least, most = BUDGET_BOUNDS[budget]
    if wish.value and not least <= wish.value <= most:
        raise ArgumentError("value", f"must be {least} to {most}, or 0")
    if node.register.budgets_of(whose.index).get(budget, 0) == wish.value:
        return _ALREADY
    tail = budget_tail(whose.index, budget, wish.value)
    return record(tail, (f"budget {budget}", whose.index))


def _person(node: Node, wish: pb.PersonWish) -> About | None:
    whose = arguments.participant(node.register, wish.participant, "participant")
    if not wish.number:
        raise ArgumentError("number", "must be at least 1")
    if int(wish.role) not in list(PersonRole):
        raise ArgumentError("role", "must be a role")
    known = node.register.find_person(whose.index, wish.number)
    key = wish.key or (known.key if known else b"")
    if len(key) != KEY_SIZE or not any(key):
        raise ArgumentError("key", f"must be {KEY_SIZE} bytes")
    role = PersonRole(int(wish.role))
    bank = _bank_of(node, wish, role, known)
    wanted = role, wish.active, key, bank
    if known and (known.role, known.active, known.key, known.bank) == wanted:
        return _ALREADY
    tail = person_tail(
        whose.index, wish.number, role, key, active=wish.active, bank=bank
    )
    return record(tail, (f"person {wish.number}", whose.index))


def _bank_of(
    node: Node, wish: pb.PersonWish, role: PersonRole, known: Person | None
) -> int:
    """The index of the bank account that a channel is of, 0 for anybody else."""
    if role is not PersonRole.CHANNEL:
        if wish.bank_account:
            raise ArgumentError("bank_account", "is a channel's")
        return 0
    if wish.bank_account:
        found = node.register.banks.find(wish.bank_account)
        if found is None:
            # Its index is not known before it is registered.
            text = f"the register has no bank account {shown(wish.bank_account)}"
            raise NotFoundError(f"bank_account: {text}; register it before the channel")
        return found.index
    bank = known.bank if known else 0
    if not bank and wish.active:
        text = "must be given: a channel books for its own bank account only"
        raise ArgumentError("bank_account", text)
    return bank


def _thresholds(node: Node, wish: pb.Thresholds) -> About | None:
    now = node.register.thresholds
    if wish.wait_s > WAIT_MAX_S:
        raise ArgumentError("wait_s", f"must be at most {WAIT_MAX_S} seconds")
    if wish.approver_wait_days > APPROVER_WAIT_DAYS_MAX:
        text = f"must be at most {APPROVER_WAIT_DAYS_MAX} days"
        raise ArgumentError("approver_wait_days", text)
    wait_s = wish.wait_s or (now.wait_s if now else 0)
    days = wish.approver_wait_days or (now.wait_days if now else 0)
    wanted = ThresholdsRecord(wish.single, wish.batch, wish.day, wait_s, days)
    if now and wanted == ThresholdsRecord(
        now.single, now.batch, now.day, now.wait_s, now.wait_days
    ):
        return _ALREADY
    return record(thresholds_tail(wanted), ("thresholds", 0))


def _participant(node: Node, wish: pb.ParticipantWish) -> About | None:
    known = arguments.participant(node.register, wish.participant, "participant")
    if known.spec.active == wish.active:
        return _ALREADY
    tail = participant_tail(replace(known.spec, active=wish.active))
    return record(tail, ("participant", known.index))


def _service(node: Node, wish: pb.ServiceWish) -> About | None:
    known = _known_service(node, wish.service)
    if known.spec.active == wish.active:
        return _ALREADY
    tail = service_tail(replace(known.spec, active=wish.active), node.register)
    return record(tail, ("service", known.index))


def _known_service(node: Node, code: str) -> Service:
    known = node.register.find_service(code)
    if known is None:
        raise NotFoundError(f"service: there is no service {shown(code)}")
    return known


_MAKERS: Mapping[str, Callable[[Node, Any], About | None]] = {
    "top_up": _top_up,
    "fund_suspense": _fund_suspense,
    "recover_advance": _recover,
    "limit": _limit,
    "close": _close,
    "unfreeze": _unfreeze,
    "settle": _settle,
    "pins": _pins,
    "budget": _budget,
    "person": _person,
    "thresholds": _thresholds,
    "participant": _participant,
    "service": _service,
    "bank_account": bank_account,
    "ending": ending,
    "beneficiary": beneficiary,
    "schedule": schedule,
    "opening": opening,
    "give": _give,
}


def _state(node: Node, account: int) -> int:
    image, _ = node.ledger.account(account)
    return int(image["state"])


# --- a network, a payment, a stop ----------------------------------------------------


def _network(node: Node, request: pb.PrepareRequest) -> pb.PrepareResponse:
    """The rows of the next phase, as many as one proposal takes."""
    participants, services = read_network(request.network, "network.")
    rows = next_phase(node.register, participants, services)
    lines: list[bytes] = []
    size = sizes(lines)
    for row in rows[:LINES_MAX]:
        line = line_of(row)
        size += len(line)
        if size > LINES_SIZE_MAX:
            break
        lines.append(line)
    already = network_counts(node.register, participants, services).unchanged
    return _lines(node, request.reason, lines, already, len(rows) - len(lines))


def _payment(
    node: Node, request: pb.PrepareRequest, caller: Identity
) -> pb.PrepareResponse:
    """A proposal without lines, about one payment."""
    wish = request.payment
    _check_reason(request.reason)
    asked = admin_pb2.ProposeRequest(
        kind=wish.kind,
        sequence=wish.sequence,
        amount=wish.amount,
        reason=request.reason,
    )
    [row] = proposed(node, asked, caller).rows
    if row["total"] == Kind.REFUND:
        _check_left(node, int(row["resolves"]), int(row["amount"]))
    response = pb.PrepareResponse()
    response.row.kind = int(Kind.PROPOSE)  # type: ignore[assignment]
    response.row.total = int(row["total"])
    response.row.resolves = int(row["resolves"])
    response.row.amount = int(row["amount"])
    response.row.reference = request.reason.encode()
    # Who signs it sees the payment, as who approves it will.
    say_about(node, response.row.resolves, response)
    return response


def _check_left(node: Node, paid: int, amount: int) -> None:
    """Raise PreconditionError if a refund is more than is left."""
    refunded, left = given_back(node, node.ledger.row(paid))
    if amount > left:
        text = f"{format_amount(refunded)} was given back so far, and "
        text += f"{format_amount(left)} is left: {format_amount(amount)} is more"
        raise PreconditionError("EXCEEDS_PAYMENT", text)


def _stop(node: Node, request: pb.PrepareRequest) -> pb.PrepareResponse:
    """A row that freezes, or switches off; all else of what it is about stays."""
    wish, register = request.stop, node.register
    what = wish.WhichOneof("what")
    response = pb.PrepareResponse()
    if what == "wallet":
        _check_reason(request.reason)
        response.row.kind = int(Kind.FREEZE)  # type: ignore[assignment]
        response.row.debit = arguments.centre_wallet(register, wish.wallet).index
        response.row.reference = request.reason.encode()
        return response
    if what in ("revocation", "confirmation"):
        response.row.kind = int(Kind.REGISTER)  # type: ignore[assignment]
        response.row.tail = _revoked(node, wish)
        return response
    known: Participant | Service | Person
    if what == "participant":
        known = arguments.participant(register, wish.participant, "participant")
        is_active = known.spec.active
    elif what == "service":
        known = _known_service(node, wish.service)
        is_active = known.spec.active
    elif what == "person":
        known = _known_person(node, wish.person)
        is_active = known.active
    else:
        raise ArgumentError("stop", "must say what is stopped")
    if not is_active:
        raise PreconditionError("STOPPED", "it is not active: there is nothing to stop")
    response.row.kind = int(Kind.REGISTER)  # type: ignore[assignment]
    response.row.tail = stopped(register, known)
    return response


def _revoked(node: Node, wish: pb.StopWish) -> bytes:
    """The record that revokes a certificate, or that stands by a revocation."""
    if not wish.HasField("revocation"):
        if not wish.confirmation:
            raise ArgumentError("confirmation", "must be the number of a revocation")
        return confirmation_tail(wish.confirmation)
    tail, known = check_revocation(node.register, wish.revocation)
    if known is not None:
        text = f"it is revoked already: number {known.index}"
        raise PreconditionError("REVOKED", text)
    return tail


def _known_person(node: Node, name: pb.PersonName) -> Person:
    whose = arguments.participant(node.register, name.participant, "participant")
    known = node.register.find_person(whose.index, name.number)
    if known is None:
        raise NotFoundError(f"person: {shown(name.participant)} has no such person")
    return known
