"""Goal: the oracle itself is right where a person can check it.

Method: small stories with every figure worked out by hand from docs/data-model.md.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from switch.codes import (
    AccountKind,
    AmountRule,
    CheckDigit,
    DuplicateRule,
    Field,
    KeyRule,
    Kind,
    Letters,
    PriceRule,
    Result,
    Role,
    RowFlag,
)
from tests import people
from tests.model import Model, Payments, Rows
from tests.model_quotations import Quotation, seal
from tests.model_register import read_service
from tests.model_state import financial_year, ist_day
from tests.records import (
    AccountRecord,
    LimitRecord,
    Outcome,
    ParticipantRecord,
    Payment,
    Row,
    ServiceRecord,
    TariffItem,
)

SECOND_NS = 10**9
HOUR_NS = 3_600 * SECOND_NS
NOON = 1_774_000_000 * SECOND_NS  # 20 March 2026, 15:16:40 IST
TREASURY, BILLER, CENTRE = 1, 2, 3
FLOAT, SETTLEMENT, HEAD, WALLET = 1, 2, 3, 4
BILLS, RECENT, EXACT = 1, 2, 3


class Story:
    """A ledger with one of each, told row by row at a time of our choosing."""

    def __init__(self) -> None:
        self.model = Model()
        self.now = NOON
        self.number = 0
        for code, role in (
            (b"treasury", Role.TREASURY),
            (b"biller", Role.BILLER),
            (b"centre", Role.CENTRE),
        ):
            self.tell(Kind.REGISTER, tail=ParticipantRecord(code, role).pack())
        for record in (
            AccountRecord(TREASURY, 0, AccountKind.FLOAT),
            AccountRecord(TREASURY, 2, AccountKind.SETTLEMENT),
            AccountRecord(BILLER, 0, AccountKind.BILLER),
            AccountRecord(CENTRE, 0, AccountKind.WALLET),
        ):
            self.tell(Kind.OPEN, tail=record.pack())
        once, within = DuplicateRule.ONCE, DuplicateRule.WITHIN
        for service in (
            ServiceRecord(b"BILLS", BILLER, (HEAD,), duplicate_rule=once, key_rule=1),
            ServiceRecord(
                b"RECENT", BILLER, (HEAD,), duplicate_rule=within, duplicate_hours=2
            ),
            ServiceRecord(
                b"EXACT", BILLER, (HEAD,), amount_rule=AmountRule.EXACT, amount_min=50
            ),
        ):
            self.tell(Kind.REGISTER, tail=service.pack())
        self.tell(Kind.TOP_UP, 1_000, debit=FLOAT, credit=WALLET, reference=b"UTR")

    def tell(
        self,
        kind: Kind,
        amount: int = 0,
        *,
        id_: bytes | None = None,
        debit: int = 0,
        credit: int = 0,
        reference: bytes = b"",
        resolves: int = 0,
        tail: bytes | None = None,
        flags: int = 0,
    ) -> Outcome:
        """One row of the treasury."""
        self.number += 1
        row = Row(kind, amount=amount, debit=debit, credit=credit, flags=flags)
        row.reference, row.resolves, row.tail = reference, resolves, tail
        if kind not in (Kind.POST, Kind.VOID, Kind.WINDOW):
            row.id = id_ or self.number.to_bytes(16, "big")
        return self.model.commit([Rows([row])], self.now)[0][0]

    def pay(
        self,
        amount: int,
        reference: bytes = b"A",
        *,
        service: int = BILLS,
        deadline: int = 0,
        id_: bytes | None = None,
        due: int = 0,
    ) -> Outcome:
        """One payment of the wallet, or a hold if it has a deadline."""
        self.number += 1
        row = Row(Kind.HOLD if deadline else Kind.PAY, amount=amount, debit=WALLET)
        row.id = id_ or self.number.to_bytes(16, "big")
        row.reference, row.service, row.deadline = reference, service, deadline
        row.total, row.participant = due, CENTRE
        return self.model.commit([Rows([row])], self.now)[0][0]

    def refund(self, payment: int, amount: int) -> Outcome:
        """A refund that one person asks for and another approves; its outcome."""
        self.number += 1
        at = len(self.model.rows) + 1
        rows = people.refund(payment, amount, at, b"ask-%012d" % self.number)
        return self.model.commit([Rows(rows)], self.now)[0][-1]

    def totals(self, index: int) -> tuple[int, int, int, int]:
        """Debits pending and posted, credits pending and posted."""
        return self.model.accounts[index].totals


@pytest.fixture
def story() -> Story:
    """Eleven rows: the network, and 1,000 paise in the wallet."""
    told = Story()
    assert [row.result for row in told.model.rows] == [Result.OK] * 11
    return told


def test_a_payment_and_its_repeat(story: Story) -> None:
    paid = story.pay(300, id_=b"p" * 16)
    assert (paid.result, paid.sequence, paid.receipt) == (Result.OK, 12, 1)
    assert (paid.balance, paid.pending, paid.year) == (700, 0, 2025)
    assert paid.timestamp == NOON + 11  # the twelfth row of one moment
    assert story.totals(WALLET) == (0, 300, 0, 1_000)
    assert story.totals(HEAD) == (0, 0, 0, 300)
    again = story.pay(300, id_=b"p" * 16)
    assert (again.result, again.sequence, again.repeat) == (Result.OK, 12, 1)
    other = story.pay(301, id_=b"p" * 16)
    assert (other.result, other.field) == (Result.ID_REUSED, Field.AMOUNT)
    assert len(story.model.rows) == 12


def test_a_bill_is_paid_once_until_it_is_given_back(story: Story) -> None:
    first = story.pay(100, b"BILL")
    second = story.pay(200, b"BILL")
    assert second.result == Result.BILL_ALREADY_CLAIMED
    assert second.other == first.sequence
    assert second.sequence == 13
    part = story.refund(first.sequence, 40)
    assert part.result == Result.OK
    assert story.pay(100, b"BILL").result == Result.BILL_ALREADY_CLAIMED
    too_much = story.refund(first.sequence, 61)
    assert too_much.result == Result.EXCEEDS_PAYMENT
    rest = story.refund(first.sequence, 60)
    assert story.model.rows[rest.sequence - 1].total == 100
    assert story.model.rows[rest.sequence - 1].flags & RowFlag.RELEASE
    assert story.pay(100, b"BILL").result == Result.OK
    # The refusal stays what it was.
    assert story.totals(WALLET) == (0, 200, 0, 1_100)


def test_a_recent_payment_is_forgotten_after_its_hours(story: Story) -> None:
    first = story.pay(100, b"METER", service=RECENT)
    story.now = first.timestamp + 2 * HOUR_NS - 3
    for amount in (100, 101, 1):
        refused = story.pay(amount, b"METER", service=RECENT)
        assert (refused.result, refused.other) == (Result.PAID_RECENTLY, first.sequence)
    story.now = first.timestamp + 2 * HOUR_NS
    later = story.pay(100, b"METER", service=RECENT)
    assert later.result == Result.OK
    assert story.model.rows[later.sequence - 1].flags & 0x1F == RowFlag.RECENT
    # What its taker has become decides, and nothing releases it.
    assert story.pay(100, b"METER", service=RECENT).other == later.sequence
    refund = story.refund(later.sequence, 100)
    assert not story.model.rows[refund.sequence - 1].flags & RowFlag.RELEASE
    assert story.pay(100, b"METER", service=RECENT).result == Result.OK


def test_hours_do_not_pass_while_a_payment_is_unresolved(story: Story) -> None:
    held = story.pay(100, b"METER", service=RECENT, deadline=10 * 86_400)
    story.now = held.timestamp + 9 * 24 * HOUR_NS
    assert story.pay(1, b"METER", service=RECENT).other == held.sequence
    posted = story.tell(Kind.POST, 100, resolves=held.sequence)
    # They are counted from when it ended.
    story.now = posted.timestamp + 2 * HOUR_NS - 1
    assert story.pay(1, b"METER", service=RECENT).other == held.sequence
    story.now = posted.timestamp + 2 * HOUR_NS
    assert story.pay(1, b"METER", service=RECENT).result == Result.OK


def test_a_hold_is_posted_in_part(story: Story) -> None:
    held = story.pay(400, deadline=60)
    assert (held.balance, held.pending, held.receipt) == (1_000, 400, 0)
    assert story.pay(601, b"B").result == Result.INSUFFICIENT_FUNDS
    assert story.model.expiry() == held.timestamp + 60 * SECOND_NS
    more = story.tell(Kind.POST, 401, resolves=held.sequence)
    assert (more.result, more.sequence) == (Result.EXCEEDS_HOLD, 0)
    posted = story.tell(Kind.POST, 150, resolves=held.sequence)
    assert (posted.balance, posted.pending, posted.receipt) == (850, 0, 1)
    assert story.model.accounts[WALLET].day_amount == 150
    assert story.model.accounts[WALLET].day_count == 1
    again = story.tell(Kind.POST, 7, resolves=held.sequence)
    assert (again.sequence, again.repeat) == (posted.sequence, 1)
    void = story.tell(Kind.VOID, resolves=held.sequence)
    assert (void.result, void.other) == (Result.ALREADY_POSTED, posted.sequence)
    # The claim is the hold's, so the post's refund releases what the hold took.
    assert story.pay(1, b"A").other == held.sequence
    story.refund(posted.sequence, 150)
    assert story.pay(1, b"A").result == Result.OK


def test_a_hold_expires_and_its_day_is_given_back(story: Story) -> None:
    held = story.pay(400, deadline=60)
    story.now = held.timestamp + 60 * SECOND_NS
    story.model.commit([], story.now)
    expiry = story.model.rows[-1]
    assert (expiry.kind, expiry.resolves) == (Kind.EXPIRE, held.sequence)
    assert story.totals(WALLET) == (0, 0, 0, 1_000)
    assert story.model.accounts[WALLET].day_amount == 0
    assert story.model.accounts[WALLET].day_count == 0
    late = story.tell(Kind.POST, 400, resolves=held.sequence)
    assert (late.result, late.other) == (Result.ALREADY_EXPIRED, expiry.sequence)


def test_limits_of_a_day_end_at_midnight_in_india(story: Story) -> None:
    midnight = int(datetime(2026, 3, 20, 18, 30, tzinfo=UTC).timestamp()) * SECOND_NS
    story.tell(Kind.LIMIT, debit=WALLET, tail=LimitRecord(250, 2).pack())
    story.now = midnight - 100
    assert story.pay(200, b"A").result == Result.OK
    assert story.pay(51, b"B").result == Result.DAY_AMOUNT_EXCEEDED
    assert story.pay(50, b"C").result == Result.OK
    assert story.pay(1, b"D").result == Result.DAY_COUNT_EXCEEDED
    story.now = midnight
    assert story.pay(250, b"E").result == Result.OK


def test_one_payment_has_a_limit_of_its_own(story: Story) -> None:
    story.tell(Kind.LIMIT, debit=WALLET, tail=LimitRecord(250, 0, 100).pack())
    assert story.pay(101, b"A").result == Result.PAYMENT_AMOUNT_EXCEEDED
    assert story.pay(100, b"B").result == Result.DAY_COUNT_EXCEEDED
    # A record of the first form says nothing of it: no limit.
    story.tell(Kind.LIMIT, debit=WALLET, tail=LimitRecord(250, 9).pack() + b"{}")
    assert story.pay(101, b"C").result == Result.OK


def test_receipts_begin_again_on_the_first_of_april(story: Story) -> None:
    april = int(datetime(2026, 3, 31, 18, 30, tzinfo=UTC).timestamp()) * SECOND_NS
    assert financial_year(april - 1) == 2025
    assert financial_year(april) == 2026
    assert ist_day(april) == ist_day(april - 1) + 1
    story.now = april - 50
    receipts = [story.pay(10, b"A"), story.pay(10, b"B")]
    story.now = april
    receipts.append(story.pay(10, b"C"))
    assert [(o.year, o.receipt) for o in receipts] == [(2025, 1), (2025, 2), (2026, 1)]


def test_a_window_is_settled_by_its_exact_net(story: Story) -> None:
    paid = story.pay(300)
    first = story.tell(Kind.WINDOW)
    assert story.model.windows[first.sequence] == {HEAD: 300}
    wrong = story.tell(
        Kind.SETTLE, 299, debit=HEAD, credit=SETTLEMENT, resolves=first.sequence
    )
    assert wrong.result == Result.NET_DIFFERS
    settled = story.tell(
        Kind.SETTLE, 300, debit=HEAD, credit=SETTLEMENT, resolves=first.sequence
    )
    assert settled.result == Result.OK
    # A refund after settlement takes the biller below zero; the next window carries it.
    story.refund(paid.sequence, 300)
    assert story.model.accounts[HEAD].balance == -300
    second = story.tell(Kind.WINDOW, resolves=first.sequence)
    assert story.model.windows[second.sequence] == {HEAD: 0}
    assert story.model.accounts[HEAD].carried == 300
    story.pay(450, b"B")
    third = story.tell(Kind.WINDOW, resolves=second.sequence)
    assert story.model.windows[third.sequence] == {HEAD: 150}
    repeated = story.tell(Kind.WINDOW, resolves=first.sequence)
    assert (repeated.sequence, repeated.repeat) == (second.sequence, 1)
    assert story.tell(Kind.WINDOW, resolves=7).result == Result.WINDOW_NOT_FOUND


def test_a_basket_is_all_or_nothing(story: Story) -> None:
    def basket(*amounts: int) -> list[Outcome]:
        story.number += 1
        payments = [
            Payment(
                id=bytes([story.number, place]) * 8,
                service=b"BILLS",
                amount=amount,
                reference=b"BASKET %d" % place,
            )
            for place, amount in enumerate(amounts)
        ]
        ask = Payments([], [payments], CENTRE, CENTRE)
        return story.model.commit([ask], story.now)[0]

    failed = basket(600, 401, 1)
    assert [o.result for o in failed] == [
        Result.BASKET_FAILED,
        Result.INSUFFICIENT_FUNDS,
        Result.BASKET_FAILED,
    ]
    assert story.totals(WALLET) == (0, 0, 0, 1_000)
    done = basket(600, 399, 1)
    assert [o.balance for o in done] == [400, 1, 0]
    assert [o.receipt for o in done] == [1, 2, 3]
    assert [o.result for o in basket(1)] == [Result.INVALID_BASKET]


def test_amounts_must_meet_the_service(story: Story) -> None:
    assert story.pay(49, service=EXACT, due=49).result == Result.AMOUNT_BELOW_MINIMUM
    assert story.pay(60, service=EXACT).result == Result.AMOUNT_NOT_EXACT
    assert story.pay(60, service=EXACT, due=61).result == Result.AMOUNT_NOT_EXACT
    assert story.pay(60, service=EXACT, due=60).result == Result.OK


def test_a_wallet_is_closed_when_it_is_empty(story: Story) -> None:
    held = story.pay(1_000, deadline=60)

    def close() -> int:
        return story.tell(Kind.CLOSE, debit=WALLET, reference=b"moved away").result

    assert close() == Result.HOLDS_OPEN
    story.tell(Kind.FREEZE, debit=WALLET, reference=b"asked")
    assert story.pay(1, b"B").result == Result.DEBIT_FROZEN
    # What is resolved reaches a frozen wallet.
    posted = story.tell(Kind.POST, 1_000, resolves=held.sequence)
    assert posted.result == Result.OK
    # Its payment could be refunded, to this wallet.
    assert close() == Result.PAYMENTS_REFUNDABLE
    story.refund(posted.sequence, 1_000)
    assert close() == Result.BALANCE_NOT_ZERO
    story.tell(Kind.TRANSFER, 1_000, debit=WALLET, credit=FLOAT, reference=b"back")
    assert close() == Result.OK
    refund = story.refund(posted.sequence, 1)
    assert refund.result == Result.CREDIT_CLOSED
    assert close() == Result.DEBIT_CLOSED


def test_a_period_belongs_to_the_reference(story: Story) -> None:
    record = ServiceRecord(b"MONTHLY", BILLER, (HEAD,))
    record.duplicate_rule = DuplicateRule.ONCE
    record.key_rule = KeyRule.REFERENCE_PERIOD
    monthly = story.tell(Kind.REGISTER, tail=record.pack()).index
    results = [
        story.pay(1, reference, service=monthly).result
        for reference in (
            b"C1/2026-04",
            b"C1/2026-05",
            b"C1/2026-04",
            b"/2026-04",
            b"C1",
        )
    ]
    missing = Result.PERIOD_MISSING
    claimed = Result.BILL_ALREADY_CLAIMED
    assert results == [Result.OK, Result.OK, claimed, missing, missing]


def test_a_bill_is_one_however_it_is_spelled(story: Story) -> None:
    record = ServiceRecord(b"TAX", BILLER, (HEAD,))
    record.duplicate_rule, record.key_rule = DuplicateRule.ONCE, KeyRule.BILL_ID
    record.letters, record.ignored = Letters.UPPER, 0x1F
    record.pattern = b"'WB'9{1,6}"
    tax = story.tell(Kind.REGISTER, tail=record.pack()).index
    first = story.pay(1, b"wb-00 7", service=tax)
    again = story.pay(1, b"W.B007", service=tax)
    assert again.result == Result.BILL_ALREADY_CLAIMED
    assert again.other == first.sequence
    assert story.model.rows[first.sequence - 1].reference == b"WB007"
    assert story.pay(1, b"WB7", service=tax).result == Result.OK
    wrong = story.pay(1, b"WB-X", service=tax)
    assert wrong.result == Result.REFERENCE_WRONG
    assert story.model.rows[wrong.sequence - 1].reference == b"WB-X"
    # The same number of another service is another bill, of its series the same.
    assert story.pay(1, b"WB007").result == Result.OK
    shared = replace(record, code=b"LATE", series=tax)
    late = story.tell(Kind.REGISTER, tail=shared.pack()).index
    assert story.pay(1, b"WB007", service=late).other == first.sequence
    changed = replace(record, letters=Letters.LOWER, pattern=b"")
    fixed = story.tell(Kind.REGISTER, tail=changed.pack())
    assert fixed.result == Result.RULE_FIXED
    # Its heads only grow.
    more = replace(record, heads=(HEAD, HEAD), heads_count=2)
    assert story.tell(Kind.REGISTER, tail=more.pack()).result == Result.OK
    fixed = story.tell(Kind.REGISTER, tail=record.pack())
    assert fixed.result == Result.RULE_FIXED
    other = replace(record, code=b"OTHER", series=tax, ignored=0x0F)
    assert story.tell(Kind.REGISTER, tail=other.pack()).result == Result.RULE_FIXED
    itself = replace(record, series=tax)
    unknown = story.tell(Kind.REGISTER, tail=itself.pack())
    assert unknown.result == Result.SERVICE_UNKNOWN


@pytest.mark.parametrize(
    ("text", "luhn", "verhoeff"),
    [
        (b"79927398713", True, False),
        (b"79927398710", False, False),
        (b"2363", False, True),
        (b"123451", False, True),
        (b"0", True, True),
        (b"none", False, False),
    ],
)
def test_check_digits(text: bytes, luhn: bool, verhoeff: bool) -> None:
    for kind, right in ((CheckDigit.LUHN, luhn), (CheckDigit.VERHOEFF, verhoeff)):
        record = ServiceRecord(b"X", BILLER, (HEAD,), check_digit=kind)
        assert (read_service(record.pack()).canonical(text) is not None) == right


# --- prices -------------------------------------------------------------------------

SECRET = b"k" * 32


def add(story: Story, code: bytes, **rules: Any) -> int:
    """One more service; its index."""
    record = ServiceRecord(code, BILLER, (HEAD,), **rules)
    outcome = story.tell(Kind.REGISTER, tail=record.pack())
    assert outcome.result == Result.OK
    return outcome.index


def send(story: Story, service: bytes, amount: int, **fields: Any) -> Outcome:
    """A payment in a message of the centre."""
    story.number += 1
    id_ = story.number.to_bytes(16, "big")
    fields = {"id": id_, "reference": b"K", **fields}
    payment = Payment(service=service, amount=amount, **fields)
    ask = Payments([payment], [], CENTRE, CENTRE)
    return story.model.commit([ask], story.now)[0][0]


def test_a_tariff_says_what_its_items_cost(story: Story) -> None:
    today = ist_day(NOON)
    items = (TariffItem(b"A", 30), TariffItem(b"A", 40, today), TariffItem(b"B", 5))
    add(
        story,
        b"FEE",
        price_rule=PriceRule.TARIFF,
        amount_rule=AmountRule.EXACT,
        duplicate_rule=DuplicateRule.ONCE,
        key_rule=KeyRule.REFERENCE,
        items=items,
    )
    assert send(story, b"FEE", 40).result == Result.ITEM_UNKNOWN
    assert send(story, b"FEE", 40, items=((b"C", 1),)).result == Result.ITEM_UNKNOWN
    assert send(story, b"FEE", 30, items=((b"A", 1),)).result == Result.FEE_CHANGED
    two = ((b"A", 2), (b"B", 3))
    paid = send(story, b"FEE", 95, items=two, note=b"n")
    assert paid.result == Result.OK
    row = story.model.rows[paid.sequence - 1]
    assert row.tail == (
        b"A".ljust(8, b"\0") + b"\2\0\0\0" + b"B".ljust(8, b"\0") + b"\3\0\0\0"
    ) + bytes(24) + bytes(6) + b"\2\2" + b"n"  # fmt: skip
    assert send(story, b"FEE", 40, items=((b"A", 1),)).other == paid.sequence


def test_a_quotation_says_what_a_bill_comes_to(story: Story) -> None:
    story.model.keys = [(7, SECRET)]
    service = add(
        story,
        b"BILL",
        price_rule=PriceRule.BILL,
        amount_rule=AmountRule.EXACT_AND_ABOVE,
        duplicate_rule=DuplicateRule.ONCE,
        key_rule=KeyRule.BILL_ID,
    )
    told = Quotation(
        0, 4, CENTRE, service, service, 0, b"K", b"INV", 90, NOON, NOON + 99
    )
    token = seal(told, story.model.keys, story.model.instance)
    assert (len(token), token[:3], token[16:18]) == (144, b"\1\7\0", b"K\0")
    assert send(story, b"BILL", 90, quotation=token[:-1]).result == (
        Result.QUOTATION_WRONG
    )
    short = send(story, b"BILL", 89, quotation=token)
    assert short.result == Result.AMOUNT_NOT_EXACT
    paid = send(story, b"BILL", 91, quotation=token)
    row = story.model.rows[paid.sequence - 1]
    assert (row.reference, row.flags) == (b"INV", 0x0007)
    assert row.tail == b"K".ljust(32, b"\0") + (90).to_bytes(8, "little") + (
        NOON.to_bytes(8, "little") + bytes(6) + b"\4\1"
    )
    assert send(story, b"BILL", 91, quotation=token).other == paid.sequence
    story.now = NOON + 99
    assert send(story, b"BILL", 91, quotation=token).result == Result.QUOTATION_EXPIRED
    story.now = NOON + 50
    story.refund(paid.sequence, 91)
    told.fetched, told.valid_until = NOON + 2, NOON + 10**9
    old = seal(told, story.model.keys, story.model.instance)
    assert send(story, b"BILL", 91, quotation=old).result == Result.QUOTATION_EXPIRED


def test_who_pays_again_says_so(story: Story) -> None:
    story.model.keys = [(7, SECRET)]
    add(
        story,
        b"OPEN",
        price_rule=PriceRule.OPEN,
        amount_rule=AmountRule.MIN_MAX,
        amount_min=100,
        amount_max=500,
        amount_step=20,
        duplicate_rule=DuplicateRule.WITHIN,
        duplicate_hours=1,
    )
    for amount, result in (
        (99, Result.AMOUNT_BELOW_MINIMUM),
        (501, Result.AMOUNT_ABOVE_MAXIMUM),
        (110, Result.AMOUNT_STEP_WRONG),
    ):
        assert send(story, b"OPEN", amount).result == result
    first = send(story, b"OPEN", 100)
    refused = send(story, b"OPEN", 120)
    assert (refused.result, refused.other) == (Result.PAID_RECENTLY, first.sequence)
    assert refused.handle[:8] == first.sequence.to_bytes(8, "little")
    more = send(story, b"OPEN", 120, additional_to=refused.handle)
    assert more.result == Result.OK
    assert story.model.rows[more.sequence - 1].resolves == first.sequence
    again = send(story, b"OPEN", 120, additional_to=refused.handle)
    assert (again.result, again.other) == (Result.PAID_RECENTLY, more.sequence)
    wrong = refused.handle[:-1] + b"?"
    assert (
        send(story, b"OPEN", 120, additional_to=wrong).result == Result.ADDITION_WRONG
    )
