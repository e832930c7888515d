"""Goal: an answer once given is given again for ever, whatever has changed since.

Method: one request of each kind, accepted and refused, alone and in batches; then one
change after the other of the register, of services and of accounts. After each change
everything is sent again, byte for byte: the same row answers, marked as a repeat. The
model beside the core must say the same. Then changes are drawn, as often as it comes,
with new payments in between (`make torture` draws many walks, of its own seed).
"""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from switch.codes import (
    AccountKind,
    AmountRule,
    Budget,
    Field,
    Kind,
    Mode,
    Policy,
    Result,
    Role,
)
from tests import people
from tests.core.cashier import bank_account
from tests.core.network import NOW, Network, top_up
from tests.core.pair import Pair
from tests.longer import SEED, TIMES
from tests.model import Answers, Ask, Payments, Rows
from tests.records import (
    AccountRecord,
    BillsRecord,
    LimitRecord,
    Outcome,
    ParticipantRecord,
    Payment,
    Row,
    Said,
    ServiceRecord,
    ShiftRecord,
    budget,
    confirmation,
    pins,
    revocation,
)
from tests.signing import OperatorRecord, public_key

SECOND_NS = 10**9
DEADLINE_S = 3_600
CENTRE = 2
"""Which of the network's centres pays."""
BANKS = AccountKind.BANK, AccountKind.BANK_SUSPENSE, AccountKind.BANK_TRANSIT
BANK_PURPOSE = 900
"""Of the first of a bank account's three."""
DRAWN = 12
"""Changes of a walk that are drawn."""
ITS_OWN = {Result.ALREADY_EXPIRED, Result.ALREADY_POSTED, Result.ALREADY_VOIDED}
"""Results of a biller's late answer: they come without a row, or with its case."""


class Walk:
    """A ledger, its model, and all that was asked of them with the first answers."""

    def __init__(self, pair: Pair, net: Network) -> None:
        self.pair, self.net = pair, net
        self.now = NOW
        self.number = 0
        self.centre = net.centres[CENTRE]
        self.wallet = net.wallets[CENTRE]
        self.told: list[tuple[Ask, list[Outcome]]] = []
        self.biller, heads = net.billers[2], net.heads[2]
        self.direct = ServiceRecord(b"DIRECT", self.biller, tuple(heads))
        self.confirmed = ServiceRecord(
            b"CONFIRMED", self.biller, tuple(heads[:2]), mode=Mode.CONFIRMED,
            deadline_s=DEADLINE_S,
        )  # fmt: skip
        self.off = replace(self.direct, code=b"OFF", active=0)
        self.services = {
            record.code: len(net.services) + number
            for number, record in enumerate((self.direct, self.confirmed, self.off), 1)
        }
        self.change(*(self.record(record.pack()) for record in self.records()))

    def records(self) -> list[ServiceRecord]:
        return [self.direct, self.confirmed, self.off]

    def id(self) -> bytes:
        self.number += 1
        return b"walk" + self.number.to_bytes(12, "big")

    def row(self, kind: Kind, **fields: int | bytes) -> Row:
        """A row template of the treasury's."""
        row = Row(kind, id=self.id(), participant=self.net.treasury)
        for name, value in fields.items():
            setattr(row, name, value)
        return row

    def record(self, tail: bytes) -> Row:
        return self.row(Kind.REGISTER, tail=tail)

    def commit(self, ask: Ask) -> list[Outcome]:
        self.now += SECOND_NS
        return self.pair.commit([ask], self.now)[0]

    def tell(self, ask: Ask, *results: Result) -> list[Outcome]:
        """Ask for the first time; the answers are kept."""
        outcomes = self.commit(ask)
        assert [each.result for each in outcomes] == list(results)
        self.told.append((ask, outcomes))
        return outcomes

    def rows(self, *rows: Row, result: Result = Result.OK) -> Outcome:
        return self.tell(Rows(list(rows)), *[result] * len(rows))[-1]

    def change(self, *rows: Row) -> None:
        """Something of the register's or an account's; it is not sent again."""
        outcomes = self.commit(Rows(list(rows)))
        assert [each.result for each in outcomes] == [Result.OK] * len(rows)

    def payment(self, service: bytes, **fields: int | bytes) -> Payment:
        payment = Payment(
            self.id(), service, 1_000, b"BILL %d" % self.number, 3, note=b"a note"
        )
        for name, value in fields.items():
            setattr(payment, name, value)
        return payment

    def message(self, *payments: Payment, basket: bool = False) -> Payments:
        """As the centre itself sends it."""
        alone, baskets = ([], [list(payments)]) if basket else (list(payments), [])
        return Payments(alone, baskets, self.centre, self.centre)

    def by_harness(self, *payments: Payment, basket: bool = False) -> Payments:
        """As a harness sends it, which names the centre."""
        ask = self.message(*payments, basket=basket)
        for payment in payments:
            payment.centre = self.net.centre_codes[CENTRE]
        ask.sender, ask.centre = self.net.harness, 0
        return ask

    def again(self, change: str) -> None:
        """Everything is sent again, alone and in one group."""
        groups = [[each] for each in self.told] + [self.told]
        for group in groups:
            self.now += SECOND_NS
            asks = [ask for ask, _ in group]
            answers = self.pair.commit(asks, self.now)
            for (ask, first), second in zip(group, answers, strict=True):
                for before, after in zip(first, second, strict=True):
                    assert self.essence(after) == self.essence(before), (change, ask)
                    assert after.repeat or after.result in ITS_OWN, (change, ask)

    @staticmethod
    def essence(one: Outcome) -> tuple[object, ...]:
        """What of an answer may never change; the rest is as of now."""
        return (
            one.result, one.sequence, one.timestamp, one.other, one.other_id, one.index,
            one.field,
        )  # fmt: skip


def ask_of_payments(walk: Walk) -> None:
    """Payments, holds and baskets in messages, accepted and refused."""
    ok = Result.OK
    for make in (walk.message, walk.by_harness):
        walk.tell(make(walk.payment(b"DIRECT")), ok)
        walk.tell(make(walk.payment(b"CONFIRMED")), ok)
        for fields, refused in (
            ({"service": b"LATER"}, Result.SERVICE_UNKNOWN),
            ({"service": b"OFF"}, Result.SERVICE_INACTIVE),
            ({"head": 5}, Result.HEAD_UNKNOWN),
            ({"amount": 10**12}, Result.INSUFFICIENT_FUNDS),
        ):
            payment = walk.payment(b"DIRECT")
            walk.tell(make(replace(payment, **fields)), refused)
        several = [walk.payment(code) for code in (b"DIRECT", b"CONFIRMED", b"OFF")]
        walk.tell(make(*several), ok, ok, Result.SERVICE_INACTIVE)
        for code in (b"DIRECT", b"CONFIRMED"):
            basket = [walk.payment(code), walk.payment(code, head=1)]
            walk.tell(make(*basket, basket=True), ok, ok)
        spoilt = [walk.payment(b"DIRECT"), walk.payment(b"OFF")]
        refusals = Result.BASKET_FAILED, Result.SERVICE_INACTIVE
        walk.tell(make(*spoilt, basket=True), *refusals)


def ask_of_rows(walk: Walk) -> None:
    """The same as row templates."""
    service = walk.services[b"DIRECT"]
    for kind, deadline in ((Kind.PAY, 0), (Kind.HOLD, DEADLINE_S)):
        rows = [
            walk.row(
                kind, amount=1_000, reference=b"ROW %d" % number, debit=walk.wallet,
                service=service, deadline=deadline, participant=walk.net.harness,
            )
            for number in range(3)
        ]  # fmt: skip
        rows[1].basket, rows[2].basket = 2 << 8, 2 << 8 | 1
        walk.rows(rows[0])
        walk.rows(*rows[1:])
        late = replace(rows[0], id=walk.id(), service=walk.services[b"OFF"] + 1)
        walk.rows(late, result=Result.SERVICE_UNKNOWN)


def ask_of_billers(walk: Walk) -> None:
    """What a biller says, in time, too late, and of what was posted."""
    holds = [walk.payment(b"CONFIRMED") for _ in range(7)]
    held = walk.tell(walk.message(*holds), *[Result.OK] * 7)
    said = [
        Said(one.sequence, each.id, place != 1, b"WORD", each.amount)
        for place, (one, each) in enumerate(zip(held, holds, strict=True))
    ]
    walk.tell(Answers(said[:2], walk.biller), Result.OK, Result.OK)
    walk.tell(
        Answers([replace(said[0], confirmed=False)], walk.biller), Result.ALREADY_POSTED
    )
    walk.rows(Row(Kind.POST, amount=900, resolves=held[2].sequence))
    walk.rows(Row(Kind.VOID, resolves=held[3].sequence))
    walk.tell(Answers([said[3]], walk.biller), Result.ALREADY_VOIDED)
    differs = replace(said[6], amount=1)
    walk.tell(Answers([differs], walk.biller), Result.AMOUNT_DIFFERS)
    # What is told of these two changes when people have decided.
    walk.change(Row(Kind.VOID, resolves=held[4].sequence))
    no = replace(said[5], confirmed=False)
    for answer in (said[4], said[5], no):
        [last] = walk.commit(Answers([answer], walk.biller))
    two_people(walk, Kind.VERIFY, held[4].sequence)
    two_people(walk, Kind.CASE_CLOSE, last.sequence)
    idle = walk.row(Kind.PROPOSE, amount=1, resolves=held[6].sequence)
    idle.reference, idle.total = b"not now", Kind.VOID
    gone = walk.row(Kind.WITHDRAW, resolves=walk.rows(idle).sequence)
    walk.rows(replace(gone, reference=b"a mistake"))


def two_people(walk: Walk, total: Kind, resolves: int) -> None:
    """What one of them wants, another one approves, and it is done."""
    proposal = walk.row(Kind.PROPOSE, amount=1, resolves=resolves, total=total)
    proposal.reference = b"as they say"
    asked = walk.rows(proposal).sequence
    approval = walk.row(Kind.APPROVE, resolves=asked, participant=walk.centre)
    walk.rows(approval, people.done(proposal, asked, checker=walk.centre))


def ask_of_people(walk: Walk) -> None:
    """Refunds, transfers, approvals, shifts, windows and settlements."""
    net = walk.net
    payment = walk.tell(walk.message(walk.payment(b"DIRECT")), Result.OK)[0].sequence
    asked = walk.rows(
        walk.row(
            Kind.PROPOSE, amount=100, resolves=payment, reference=b"twice",
            total=Kind.REFUND,
        )
    )  # fmt: skip
    approval = walk.row(Kind.APPROVE, resolves=asked.sequence, participant=walk.centre)
    proposal = walk.pair.model.rows[asked.sequence - 1]
    refund = people.done(proposal, asked.sequence, checker=walk.centre)
    walk.rows(approval, refund)
    walk.rows(
        walk.row(Kind.APPROVE, resolves=asked.sequence, operator_=1),
        result=Result.ALREADY_APPROVED,
    )
    shift = ShiftRecord(7, 500, 400, 2).pack() + b"{}"
    fields = {"debit": walk.wallet, "operator_": 7, "participant": walk.centre}
    walk.rows(walk.row(Kind.SHIFT, tail=shift, **fields))
    transfer = walk.row(Kind.TRANSFER, amount=50, reference=b"a reason")
    transfer.debit, transfer.credit = net.float_, net.suspense
    walk.rows(transfer)
    unknown = replace(transfer, id=walk.id(), credit=net.accounts_count + 2)
    walk.rows(unknown, result=Result.ACCOUNT_UNKNOWN)
    window = walk.rows(Row(Kind.WINDOW, participant=net.treasury))
    account = net.heads[2][0]
    amount = walk.pair.model.windows[window.sequence][account]
    settle = walk.row(Kind.SETTLE, amount=amount, resolves=window.sequence)
    settle.debit, settle.credit = account, net.settlement
    walk.rows(settle)
    walk.rows(replace(settle, id=walk.id()), result=Result.ALREADY_SETTLED)


def ask_of_the_register(walk: Walk) -> None:
    """Accounts, limits, participants, services."""
    net = walk.net
    walk.rows(top_up(net, walk.wallet, 500, b"UTR WALK"))
    second = replace(top_up(net, walk.wallet, 500, b"UTR WALK"), id=walk.id())
    walk.rows(second, result=Result.UTR_ALREADY_CREDITED)
    walk.rows(walk.record(ParticipantRecord(b"new-centre", Role.CENTRE).pack()))
    whose = walk.centre
    walk.rows(walk.record(revocation(whose, b"a" * 32, b"\7")))
    second_person = replace(walk.record(confirmation(1)), participant=whose)
    walk.rows(second_person)
    walk.rows(walk.record(pins(whose, b"k" * 32)))
    walk.rows(walk.record(budget(whose, Budget.CALLS, 9)))
    owner = walk.net.participants_count + 1
    account = AccountRecord(owner, 0, AccountKind.WALLET).pack()
    opened = walk.rows(walk.row(Kind.OPEN, tail=account))
    walk.rows(walk.row(Kind.OPEN, tail=account), result=Result.ACCOUNT_EXISTS)
    late = AccountRecord(owner + 1, 0, AccountKind.WALLET).pack()
    walk.rows(walk.row(Kind.OPEN, tail=late), result=Result.PARTICIPANT_UNKNOWN)
    limit = LimitRecord(10**9, 100_000).pack()
    walk.rows(walk.row(Kind.LIMIT, debit=walk.wallet, tail=limit))
    for unfreeze in (0, 0x10):
        freeze = walk.row(Kind.FREEZE, debit=opened.index, reference=b"a reason")
        freeze.flags = unfreeze
        walk.rows(freeze)
    # Money came and went; what it was asked with keeps its answer when it is closed.
    walk.rows(top_up(net, opened.index, 300, b"UTR MOVED"))
    back = walk.row(Kind.TRANSFER, amount=300, reference=b"all of it")
    back.debit, back.credit = opened.index, net.suspense
    walk.rows(back)
    close = walk.row(Kind.CLOSE, debit=opened.index, reference=b"moved away")
    walk.rows(close)
    walk.rows(replace(close, id=walk.id()), result=Result.DEBIT_CLOSED)


def ask_of_banks(walk: Walk) -> None:
    """Requests, what a bank has booked of them and besides, and the end of an item."""
    bank = 0
    for more, kind in enumerate(BANKS):
        record = AccountRecord(walk.net.treasury, BANK_PURPOSE + more, kind).pack()
        opened = walk.rows(walk.row(Kind.OPEN, tail=record))
        bank = bank or opened.index
    walk.rows(bank_is(walk))
    request = Row(
        Kind.REQUEST,
        id=walk.id(),
        participant=walk.centre,
        credit=walk.wallet,
        amount=500,
    )
    asked = walk.rows(request)
    refused = replace(request, id=walk.id(), credit=walk.net.wallets[0])
    walk.rows(refused, result=Result.ACCOUNT_UNKNOWN)
    booked = walk.row(Kind.BOOKED, amount=500, debit=bank, reference=b"A FIRST ONE")
    booked.resolves, booked.tail = asked.sequence, b'{"text": "a bank\'s"}'
    walk.rows(booked)
    differs = replace(booked, id=walk.id(), amount=501)
    walk.rows(differs, result=Result.BOOKED_DIFFERS)
    item = walk.rows(replace(booked, id=walk.id(), reference=b"ANOTHER", flags=0x10))
    gone = replace(booked, id=walk.id(), debit=0, credit=bank, tail=None)
    walk.rows(gone)
    ending = walk.row(Kind.TRANSFER, amount=500, reference=b"it was this")
    ending.resolves, ending.debit, ending.credit = item.sequence, bank + 1, walk.wallet
    walk.rows(ending)
    again = replace(ending, id=walk.id())
    walk.rows(again, result=Result.CASE_CLOSED)


def ask_of_counters(walk: Walk) -> None:
    """Who sits there, what is wrong with a payment, and bills that are put in."""
    net = walk.net
    seat = walk.record(OperatorRecord(walk.centre, 7, public_key(7)).pack())
    walk.rows(seat)
    leaving = walk.row(Kind.SIGNED_OFF, debit=walk.wallet, operator_=7)
    leaving.participant = walk.centre
    walk.rows(leaving)
    payment = walk.tell(walk.message(walk.payment(b"DIRECT")), Result.OK)[0].sequence
    complaint = walk.row(Kind.COMPLAINT, resolves=payment, total=4, tail=b"twice")
    complaint.participant = walk.centre
    raised = walk.rows(complaint)
    walk.rows(replace(complaint, id=walk.id()), result=Result.COMPLAINT_OPEN)
    reply = walk.row(Kind.REPLY, resolves=raised.sequence, total=1)
    walk.rows(reply)
    walk.rows(replace(reply, id=walk.id()), result=Result.ALREADY_FOLLOWED)
    back = next(
        row
        for row in walk.pair.model.rows
        if row.kind in (Kind.REFUND, Kind.EXPIRE) and row.result == Result.OK
    )
    wallet = back.credit if back.kind == Kind.REFUND else back.debit
    cash = walk.row(Kind.HANDED_OUT, resolves=back.sequence, amount=back.amount)
    cash.debit, cash.participant = wallet, walk.pair.model.accounts[wallet].participant
    walk.rows(cash)
    walk.rows(replace(cash, id=walk.id()), result=Result.ALREADY_HANDED_OUT)
    service = [each.code for each in net.services].index(b"BILL-00") + 1
    bills = walk.row(Kind.BILLS, service=service, tail=BillsRecord().pack())
    bills.participant = net.billers[1]
    walk.rows(bills)
    walk.rows(replace(bills, id=walk.id()), result=Result.ALREADY_FOLLOWED)


def bank_is(walk: Walk, *, active: int = 1) -> Row:
    """A bank account of the treasury's, on or off."""
    tail = bank_account(b"ITSNUMBER", walk.net.treasury, BANK_PURPOSE, active=active)
    return walk.record(tail)


def centre(walk: Walk, **fields: int) -> Row:
    record = ParticipantRecord(walk.net.centre_codes[CENTRE], Role.CENTRE)
    return walk.record(replace(record, **fields).pack())  # type: ignore[arg-type]


def service(walk: Walk, code: bytes, **fields: object) -> Row:
    """A service, registered again otherwise than before."""
    [record] = [each for each in walk.records() if each.code == code]
    return walk.record(replace(record, heads_count=-1, **fields).pack())  # type: ignore[arg-type]


def freeze(walk: Walk, account: int, flags: int = 0) -> Row:
    return walk.row(Kind.FREEZE, debit=account, reference=b"a reason", flags=flags)


def changes(walk: Walk) -> list[tuple[str, list[Row]]]:
    """What becomes of the world, one thing after the other."""
    net, heads = walk.net, tuple(walk.net.heads[2])
    direct: Callable[..., Row] = lambda **f: service(walk, b"DIRECT", **f)  # noqa: E731
    confirmed: Callable[..., Row] = lambda **f: service(  # noqa: E731
        walk, b"CONFIRMED", **f
    )
    to_confirmed = {"mode": Mode.CONFIRMED, "deadline_s": 60}
    late = replace(walk.direct, code=b"LATER")
    owner = ParticipantRecord(b"late", Role.CENTRE).pack()
    wallet = AccountRecord(net.participants_count + 4, 0, AccountKind.WALLET).pack()
    return [
        ("nothing", []),
        ("a centre off", [centre(walk, active=0)]),
        ("a centre is a biller", [centre(walk, active=1, role=Role.BILLER)]),
        ("a centre on", [centre(walk)]),
        ("a harness off", [
            walk.record(ParticipantRecord(b"harness", Role.HARNESS, 0).pack())]),
        ("a treasury off", [
            walk.record(ParticipantRecord(b"desk-1", Role.TREASURY).pack()),
            walk.record(ParticipantRecord(b"desk-2", Role.TREASURY).pack()),
            walk.record(ParticipantRecord(b"treasury", Role.TREASURY, 0).pack())]),
        ("services off", [direct(active=0), confirmed(active=0)]),
        ("services on", [direct(), confirmed(), service(walk, b"OFF", active=1)]),
        ("a direct one confirms", [direct(**to_confirmed)]),
        ("a confirmed one does not", [confirmed(mode=Mode.DIRECT, deadline_s=0)]),
        ("another deadline", [confirmed(deadline_s=5, deadline_policy=Policy.KEEP)]),
        ("another amount rule", [direct(amount_rule=AmountRule.EXACT)]),
        ("dearer", [direct(amount_min=10**6), confirmed(amount_max=1)]),
        ("another head", [confirmed(heads=heads[:3])]),
        ("more heads", [direct(heads=heads[:] + heads[:2])]),
        ("what was unknown is known", [
            walk.record(late.pack()), walk.record(owner),
            walk.row(Kind.OPEN, tail=wallet)]),
        ("a frozen wallet", [freeze(walk, walk.wallet)]),
        ("a frozen biller", [freeze(walk, heads[0]), freeze(walk, heads[1])]),
        ("no limit left", [
            walk.row(Kind.LIMIT, debit=walk.wallet, tail=LimitRecord(0, 0).pack())]),
        ("thawed", [freeze(walk, heads[0], 0x10), freeze(walk, walk.wallet, 0x10)]),
        ("no money left", [spend(walk)]),
        ("a bank account off", [bank_is(walk, active=0)]),
        ("a bank account on", [bank_is(walk)]),
    ]  # fmt: skip


def spend(walk: Walk) -> Row:
    """All that the wallet has, to another account."""
    available = walk.pair.model.accounts[walk.wallet].available
    row = walk.row(Kind.TRANSFER, amount=available, reference=b"all of it")
    row.debit, row.credit = walk.wallet, walk.net.suspense
    return row


@pytest.fixture
def walk(pair: Pair, network: Network) -> Walk:
    """Everything asked for once."""
    made = Walk(pair, network)
    ask_of_payments(made)
    ask_of_rows(made)
    ask_of_billers(made)
    ask_of_people(made)
    ask_of_the_register(made)
    ask_of_banks(made)
    ask_of_counters(made)
    return made


def test_each_kind_of_request_keeps_its_answer(walk: Walk) -> None:
    asked = {
        Kind(row.kind) for ask, _ in walk.told if isinstance(ask, Rows)
        for row in ask.rows
    }  # fmt: skip
    assert asked == set(Kind) - {Kind.EXPIRE, Kind.CASE}
    for name, rows in changes(walk):
        if rows:
            walk.change(*rows)
        rows_before = len(walk.pair.model.rows)
        walk.again(name)
        assert len(walk.pair.model.rows) == rows_before, name
    for biller in walk.net.billers:
        walk.pair.turn_away(biller, busy=True)
    walk.again("busy billers")
    walk.pair.reopen()
    walk.again("opened again")
    walk.pair.reopen(without_index=True)
    walk.again("opened without an index")


@pytest.mark.parametrize("number", range(TIMES))
def test_changes_in_any_order(walk: Walk, number: int) -> None:
    rng = random.Random(1_000 * SEED + number)
    for turn in range(DRAWN):
        # Made anew each time: what they cost, and their ids, are those of now.
        name, rows = rng.choice(changes(walk))
        # Twice frozen, or nothing left to spend: that is refused, and stays so.
        if rows:
            walk.commit(Rows(rows))
        if rng.randrange(4) == 0:
            walk.pair.reopen(without_index=rng.randrange(2) == 0)
        walk.again(f"{turn}: {name}")
        make = rng.choice((walk.message, walk.by_harness))
        service_code = rng.choice([each.code for each in walk.records()])
        payments = [walk.payment(service_code) for _ in range(rng.randrange(1, 4))]
        ask = make(*payments, basket=rng.randrange(2) == 0)
        outcomes = walk.commit(ask)
        # What has no row was not done, and may be another time.
        if all(one.sequence for one in outcomes):
            walk.told.append((ask, outcomes))


def test_another_centre_is_another_payment(walk: Walk) -> None:
    ask = next(
        ask for ask, _ in walk.told if isinstance(ask, Payments) and not ask.centre
    )
    walk.change(centre(walk, active=0))
    for code in (b"", b"nobody", b"biller-0", walk.net.centre_codes[0], b"c" * 300):
        other = replace(ask, payments=[replace(ask.payments[0], centre=code)])
        [outcome] = walk.commit(other)
        assert (outcome.result, outcome.field) == (Result.ID_REUSED, Field.DEBIT)
        new = replace(other.payments[0], id=walk.id())
        if code != walk.net.centre_codes[0]:
            [outcome] = walk.commit(replace(other, payments=[new]))
            assert (outcome.result, outcome.sequence) == (Result.INVALID_CENTRE, 0)


def test_a_basket_partly_known_of_a_centre_that_is_off(walk: Walk) -> None:
    known = walk.payment(b"DIRECT")
    walk.tell(walk.by_harness(known), Result.OK)
    whole = [walk.payment(b"DIRECT"), walk.payment(b"DIRECT")]
    walk.tell(walk.by_harness(*whole, basket=True), Result.OK, Result.OK)
    walk.change(centre(walk, active=0))
    new = walk.payment(b"DIRECT")
    mixed = walk.commit(walk.by_harness(whole[0], new, basket=True))
    assert (mixed[0].result, mixed[0].repeat) == (Result.OK, 1)
    assert (mixed[1].result, mixed[1].sequence) == (Result.INVALID_CENTRE, 0)
    both = walk.commit(walk.by_harness(new, walk.payment(b"DIRECT"), basket=True))
    assert [each.result for each in both] == [Result.INVALID_CENTRE] * 2
    walk.change(centre(walk))
    mixed = walk.commit(walk.by_harness(whole[0], new, basket=True))
    assert [each.result for each in mixed] == [Result.OK, Result.BASKET_FAILED]


def test_a_centre_that_is_off_pays_nothing_new(walk: Walk) -> None:
    walk.change(centre(walk, active=0))
    balance = walk.pair.model.accounts[walk.wallet].balance
    for ask in (walk.message, walk.by_harness):
        outcomes = walk.commit(ask(walk.payment(b"DIRECT"), walk.payment(b"OFF")))
        assert [each.result for each in outcomes] == [Result.INVALID_CENTRE] * 2
    assert walk.pair.model.accounts[walk.wallet].balance == balance
