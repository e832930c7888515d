"""Entries and accounts as messages, and messages as specs.

Indices become the register's permanent names. A name that is missing means that the
register is behind the entry; it is then refreshed once and must be there.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, TypeVar, cast

from server import actors
from server.actors import named
from switch._core import Ledger, Rows
from switch.billing.bills import Fetched
from switch.billing.quotations import Quoted
from switch.billing.status import BillerStatus
from switch.calendar import day_date
from switch.codes import (
    AccountKind,
    Kind,
    PriceRule,
    Result,
    RowFlag,
)
from switch.counter.shift_rows import read_shift
from switch.entries import Entry
from switch.ledger.payment_tails import PaymentTail, read_payment_tail, read_tails
from switch.ledger.statements import Line, Payment
from switch.payment_states import PaymentState
from switch.register.budgets import Override
from switch.register.certificates import Pinned, Revocation
from switch.register.register import Account, Register
from switch.traits import Trait, kinds_with
from switch.v1 import (
    admin_pb2,
    budgets_pb2,
    certificates_pb2,
    counter_pb2,
    network_pb2,
    payments_pb2,
    results_pb2,
    types_pb2,
    wallets_pb2,
)

Code = TypeVar("Code", bound=IntEnum)

NO_ID = bytes(16)

# Kinds that have an account in `debit` and `credit`, by the side that may be 0; then
# those that have one in `debit`; then those that speak of a row that has them, or of
# one that speaks of it in turn.
_MONEY = frozenset({*kinds_with(Trait.MONEY), Kind.CASE, Kind.VERIFY})
_ON_ACCOUNT = frozenset(
    {
        *(Kind.OPEN, Kind.LIMIT, Kind.FREEZE, Kind.CLOSE),
        *(Kind.SHIFT, Kind.HANDED_OUT, Kind.SIGNED_OFF),
    }
)
_PAYMENTS = frozenset(kinds_with(Trait.PAYMENT))
# What a biller's answer makes: its tail is the biller's reference or reason code.
_ANSWERED = frozenset({Kind.POST, Kind.VOID, Kind.CASE, Kind.VERIFY})
_ON_OTHER = frozenset({*kinds_with(Trait.SPEAKS)} - {Kind.BILLS})
# What somebody of an office says, and what keeps the proposal that it was done by.
_SAID = frozenset({Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW})
_PROPOSED = frozenset({*kinds_with(Trait.PROPOSED)} - {Kind.REFUND})
_REFERENCE_IS_HASH = frozenset(
    # Of an approval that of what it approves, or zeros.
    {*kinds_with(Trait.RECORD), Kind.WINDOW, Kind.APPROVE}
)
# As plain numbers: whether a flag is `in` some is asked in Python, each time.
_TAIL, _AS_DIRECT, _STATED = map(int, (RowFlag.TAIL, RowFlag.AS_DIRECT, RowFlag.STATED))
_OWED, _EVIDENCE = int(RowFlag.OWED), int(RowFlag.EVIDENCE)
_UNDOES = int(RowFlag.UNDOES)


def entries(
    listed: Sequence[Entry],
    ledger: Ledger,
    register: Register,
    *,
    around_damage: bool = False,
) -> list[types_pb2.Entry]:
    """Entries as messages, in order.

    With `around_damage` an entry whose tail item cannot be read comes without it: a
    list of what people must see to goes on. Raises CorruptionError.
    """
    wanted = [one.sequence for one in listed if _has_text(one)]
    tails: dict[int, bytes | None] = {**read_tails(ledger, wanted, around_damage)}
    tails |= {one: None for one in wanted if one not in tails}
    result = []
    for one in listed:
        result.append(types_pb2.Entry())
        _fill(result[-1], one, tails.get(one.sequence, b""), ledger, register)
    return result


def _has_text(said: Entry) -> bool:
    """Whether the message shows something of the tail item."""
    is_shown = said.kind in _PAYMENTS or said.kind in _ANSWERED
    return is_shown and bool(int(said.flags) & _TAIL)


def entry(said: Entry, ledger: Ledger, register: Register) -> types_pb2.Entry:
    """One entry as a message."""
    result = types_pb2.Entry()
    _fill_alone(result, said, ledger, register)
    return result


def _fill_alone(
    result: types_pb2.Entry, said: Entry, ledger: Ledger, register: Register
) -> None:
    tail = ledger.tail(said.sequence) if _has_text(said) else b""
    _fill(result, said, tail, ledger, register)


def _fill(
    result: types_pb2.Entry,
    said: Entry,
    tail: bytes | None,
    ledger: Ledger,
    register: Register,
) -> None:
    """Fill a message with an entry, in its place, where a message made before would be
    copied. Without a `tail` it says nothing of what that has.
    """
    kind = said.kind
    result.sequence = said.sequence
    result.time_ns = said.timestamp
    result.kind = cast("types_pb2.EntryKind.ValueType", kind)
    result.result = cast("results_pb2.Result.ValueType", said.result)
    if said.id != NO_ID:
        result.id = said.id
    result.amount = said.amount
    # Zeros are not sent, and each field takes its time.
    if said.resolves:
        result.resolves = said.resolves
    if said.receipt:
        result.receipt = said.receipt
    if said.operator:
        result.operator = said.operator
    if said.tender:
        result.tender = cast("types_pb2.Tender.ValueType", said.tender)
    if said.basket_size:
        result.basket_size = said.basket_size
        result.basket_index = said.basket_index
    flags = int(said.flags)
    if kind in _PAYMENTS and flags & _AS_DIRECT:
        result.as_direct = True
    if kind == Kind.TRANSFER and flags & _OWED:
        result.owed = True
    if kind == Kind.TRANSFER and flags & _UNDOES:
        result.undoes = True
    if flags & _EVIDENCE and kind in _ANSWERED:
        result.by_biller = True
    if kind not in _REFERENCE_IS_HASH:
        result.reference = said.reference_text
    price_rule = PriceRule.STATED
    if said.service:
        service = named(register, register.service, said.service)
        result.service = service.spec.code
        price_rule = service.spec.price_rule
    if kind in _PAYMENTS:
        if flags & _STATED:
            result.stated = True
        if tail is not None:
            _describe(result, read_payment_tail(tail, price_rule))
    elif tail is not None:
        result.note = tail.decode("ascii")
    if kind == Kind.CASE:
        result.case_type = cast("types_pb2.CaseType.ValueType", said.total)
        result.reported_amount = said.amount
        result.amount = ledger.row(said.resolves).amount
    # What one person alone has done with an advance nobody has proposed.
    recovers = kind == Kind.TRANSFER and said.resolves and not said.total
    if kind in _SAID or recovers:
        person = named(register, register.participant, said.participant)
        result.person = person.spec.id
    if kind == Kind.PROPOSE:
        result.proposal_kind = cast("types_pb2.ProposalKind.ValueType", said.total)
    elif kind in _PROPOSED and said.resolves and said.result == Result.OK:
        # The total of a void that nobody had to approve is who cancelled.
        result.proposal_sequence = (
            said.total if kind != Kind.VOID or said.checker else 0
        )
    actors.say_who(result, said, ledger, register)
    if kind in _ON_OTHER and said.resolves and said.result == Result.OK:
        spoken_of = entry(ledger.row(said.resolves), ledger, register)
        for name in ("service", "centre", "biller", "head", "bank"):
            setattr(result, name, getattr(spoken_of, name))
    for index in _accounts_of(said):
        if index:
            _name(result, named(register, register.account, index), register)


def _accounts_of(said: Entry) -> tuple[int, ...]:
    """Those that it names; 0 is none."""
    if said.kind in _MONEY:
        return said.debit, said.credit
    if said.kind in _ON_ACCOUNT:
        return (said.debit,)
    return (said.credit,) if said.kind == Kind.REQUEST else ()


def _describe(result: types_pb2.Entry, tail: PaymentTail) -> None:
    """What a payment records beside its row."""
    result.note = tail.note
    for one in tail.items:
        result.items.add(code=one.code, count=one.count)
    if tail.bill is not None:
        result.citizen_reference = tail.bill.reference
        result.amount_due = tail.bill.amount_due
        result.period = tail.bill.period
        result.due_date = tail.bill.due_date


def _name(result: types_pb2.Entry, account: Account, register: Register) -> None:
    owner = named(register, register.participant, account.participant)
    if account.kind is AccountKind.WALLET:
        result.centre = owner.spec.id
    elif account.kind is AccountKind.BILLER:
        result.biller = owner.spec.id
        result.head = account.head
    elif bank := register.banks.owner_of(account.participant, account.purpose):
        result.bank = bank.number


def payment(
    found: Payment, as_of: int, ledger: Ledger, register: Register
) -> payments_pb2.GetPaymentResponse:
    """What became of a payment."""
    response = payments_pb2.GetPaymentResponse(
        state=wire_state(found.state),
        as_of_sequence=max(as_of, found.entry.sequence),
    )
    if found.refunded:
        response.refunded_amount = found.refunded
    if found.is_disputed:
        response.disputed = True
    _fill_alone(response.entry, found.entry, ledger, register)
    if found.resolution is not None:
        _fill_alone(response.resolution, found.resolution, ledger, register)
    if found.conclusion is not None:
        _fill_alone(response.conclusion, found.conclusion, ledger, register)
    return response


def wire_state(state: PaymentState) -> payments_pb2.PaymentState.ValueType:
    """A payment's state on the wire: the numbers are the same."""
    return cast("payments_pb2.PaymentState.ValueType", int(state))


def bill(quoted: Quoted, fetched: Fetched) -> counter_pb2.Bill:
    """A fetched bill."""
    known, spec = quoted.bill, fetched.service.spec
    return counter_pb2.Bill(
        id=known.id,
        service=spec.code,
        reference=fetched.reference,
        amount_due=known.amount_due,
        amount_rule=cast("network_pb2.AmountRule.ValueType", int(spec.amount_rule)),
        due_time_ns=known.due_time_ns,
        valid_until_ns=known.valid_until_ns,
        head=known.head,
        period=known.period,
        quotation=quoted.token,
        state=cast("counter_pb2.BillState.ValueType", int(quoted.state)),
    )


def shift(
    said: Entry, tail: bytes, signed: int, register: Register
) -> counter_pb2.Shift:
    """A shift's entry with its tail; `signed` is the one that signed it off, or 0."""
    recorded = read_shift(tail)
    wallet = named(register, register.account, said.debit)
    owner = named(register, register.participant, wallet.participant)
    return counter_pb2.Shift(
        sequence=said.sequence,
        centre=owner.spec.id,
        operator=said.operator,
        difference=cast(
            "counter_pb2.ShiftDifference.ValueType", int(recorded.difference)
        ),
        signed_sequence=signed,
        **recorded._asdict(),
    )


def statement_lines(
    lines: Sequence[Line], ledger: Ledger, register: Register
) -> list[wallets_pb2.StatementLine]:
    """Lines of a statement, in order."""
    found = entries([line.entry for line in lines], ledger, register)
    return [
        wallets_pb2.StatementLine(
            entry=one,
            change=line.change,
            balance=max(line.balance, 0),
            pending=line.pending,
            owed=max(-line.balance, 0),
        )
        for line, one in zip(lines, found, strict=True)
    ]


def wallet(image: Rows, centre: str) -> wallets_pb2.Wallet:
    """A wallet's account image."""
    balance = int(image["credits_posted"]) - int(image["debits_posted"])
    pending = int(image["debits_pending"])
    day = int(image["day"])
    return wallets_pb2.Wallet(
        centre=centre,
        balance=max(balance, 0),
        pending=pending,
        available=max(balance - pending, 0),
        owed=max(-balance, 0),
        state=cast("wallets_pb2.AccountState.ValueType", int(image["state"])),
        day_amount=int(image["day_amount"]),
        day_count=int(image["day_count"]),
        day_amount_max=int(image["day_amount_max"]),
        day_count_max=int(image["day_count_max"]),
        day=day_date(day).isoformat() if day else "",
        holds_count=int(image["holds_count"]),
        receipt=int(image["receipt"]),
        receipt_year=int(image["year"]),
        payment_max=int(image["payment_max"]),
        low_balance=int(image["low_balance"]),
        low_since_sequence=int(image["low_since"]),
        kept=int(image["kept_amount"]),
        kept_count=int(image["kept_count"]),
    )


_PURPOSES = {
    AccountKind.FLOAT: "float",
    AccountKind.SUSPENSE: "suspense",
    AccountKind.SETTLEMENT: "settlement",
}


def account(index: int, image: Rows, register: Register) -> admin_pb2.Account:
    """An account image with its owner's name."""
    known = named(register, register.account, index)
    owner = named(register, register.participant, known.participant)
    owed = int(image["debits_posted"]) - int(image["credits_posted"])
    return admin_pb2.Account(
        index=index,
        kind=cast("admin_pb2.AccountKind.ValueType", int(image["kind"])),
        state=cast("wallets_pb2.AccountState.ValueType", int(image["state"])),
        participant=owner.spec.id,
        head=_PURPOSES.get(known.kind)
        or register.banks.head_of(known.participant, known.purpose)
        or known.head,
        debits_pending=int(image["debits_pending"]),
        debits_posted=int(image["debits_posted"]),
        credits_pending=int(image["credits_pending"]),
        credits_posted=int(image["credits_posted"]),
        holds_count=int(image["holds_count"]),
        owed=max(owed, 0) if known.kind is AccountKind.WALLET else 0,
    )


def outcome(answer: Rows) -> results_pb2.Outcome:
    """The core's OUTCOME of a treasury move."""
    return results_pb2.Outcome(
        result=cast("results_pb2.Result.ValueType", int(answer["result"])),
        sequence=int(answer["sequence"]),
        time_ns=int(answer["timestamp"]),
        repeat=bool(answer["repeat"]),
        differing_field=cast("results_pb2.Field.ValueType", int(answer["field"])),
        wallet_balance=int(answer["balance"]),
        wallet_pending=int(answer["pending"]),
        other_sequence=int(answer["other"]),
    )


def biller_state(status: BillerStatus) -> admin_pb2.BillerState:
    """How it stands with a biller."""
    values: dict[str, Any] = status._asdict()
    for name in ("health", "fetch_health"):
        values[name] = int(values[name])
    return admin_pb2.BillerState(**values)


def window_lines(stated: Rows, register: Register) -> list[admin_pb2.WindowLine]:
    """Lines of a window row (WINDOW_LINE)."""
    lines = []
    for line in stated:
        known = named(register, register.account, int(line["account"]))
        owner = named(register, register.participant, known.participant)
        lines.append(
            admin_pb2.WindowLine(
                biller=owner.spec.id,
                head=known.head,
                debits=int(line["debits"]),
                credits=int(line["credits"]),
                carried=int(line["carried"]),
                payable=int(line["payable"]),
            )
        )
    return lines


# --- the register ------------------------------------------------------------------


def revocation(one: Revocation, register: Register) -> certificates_pb2.Revocation:
    """A revocation, with ids for indices."""
    by = one.confirmed_by
    message = certificates_pb2.Revocation(
        number=one.index,
        participant=register.participant(one.participant).spec.id,
        authority=one.authority,
        serial=one.serial.to_bytes((one.serial.bit_length() + 7) // 8),
        reason=one.reason,
        time_ns=one.time_ns,
        sequence=one.sequence,
        revoked_by=register.participant(one.revoked_by).spec.id,
        confirmed_by=register.participant(by).spec.id if by else "",
    )
    if one.revoker:
        message.revoker.participant = message.revoked_by
        message.revoker.operator = one.revoker
    if one.confirmer:
        message.confirmer.participant = message.confirmed_by
        message.confirmer.operator = one.confirmer
    return message


def pins(one: Pinned, register: Register) -> certificates_pb2.Pins:
    """A participant's keys, with ids for indices."""
    return certificates_pb2.Pins(
        participant=register.participant(one.participant).spec.id,
        pins=one.keys,
        time_ns=one.time_ns,
        sequence=one.sequence,
        pinned_by=register.participant(one.pinned_by).spec.id,
    )


def budget(one: Override, register: Register) -> budgets_pb2.ParticipantBudget:
    """A participant's budget, with ids for indices."""
    return budgets_pb2.ParticipantBudget(
        participant=register.participant(one.participant).spec.id,
        budget=cast("budgets_pb2.Budget.ValueType", int(one.budget)),
        value=one.value,
        time_ns=one.time_ns,
        sequence=one.sequence,
        set_by=register.participant(one.set_by).spec.id,
    )
