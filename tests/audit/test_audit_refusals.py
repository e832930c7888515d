"""Goal: a refusal without a cause is found, and one that has it is not.

Method: the clean story goes on with one refused row, once where the rows before it show
the cause that it names and once where they do not.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.codes import (
    HEAD_SHIFT,
    AccountKind,
    AmountRule,
    KeyRule,
    Kind,
    Result,
    Role,
    RowFlag,
)
from tests.audit.journal_story import (
    FLOAT,
    HOUR,
    NEXT,
    SETTLEMENT,
    STATED,
    SUSPENSE,
    WORD,
    X0,
    A,
    B,
    C,
    Story,
    Y,
)
from tests.audit.journal_writer import Row
from tests.audit.test_audit_forgeries import found_in
from tests.audit.told_story import (
    s_payable,
)

R = Result
Tell = Callable[[Story], object]
UPDATE = int(RowFlag.UPDATE)
NO_ACCOUNT = 99


def refused(s: Story, result: Result, amount: int = 3_000, **f: object) -> Row:
    """A refused payment of A; it carries the sender's flags alone."""
    service = int(str(f.pop("service", 1)))
    row = s.pay(A, service, amount, "BILL-90", result=result)
    row.flags = STATED
    for name, value in f.items():
        setattr(row, name, value)
    return row


def plain(result: Result, /, **f: object) -> Tell:
    """The refused payment, with other fields."""
    return lambda s: refused(s, result, **f)  # type: ignore[arg-type]


def after(first: Tell, then: Tell) -> Tell:
    """One after the other, in two groups."""

    def both(s: Story) -> None:
        first(s)
        s.commit()
        then(s)

    return both


def limited(amount: int, count: int, payment: int | None = None) -> Tell:
    tail = struct.pack("<QII", amount, count, 0 if payment is None else 1)
    if payment is not None:
        tail += struct.pack("<Q", payment)
    return lambda s: s.add(Kind.LIMIT, debit=A, tail=tail)


def spent(s: Story) -> None:
    """Two payments of a new day, one of them given back."""
    s.now += 25 * HOUR
    s.resolve(Kind.VOID, s.hold(A, 900, "HOLD-91"), word=WORD)
    s.pay(A, 1, 3_000, "BILL-91")


def past(result: Result) -> Tell:
    """Refused in the same group."""

    def tell(s: Story) -> None:
        spent(s)
        refused(s, result)

    return tell


def free(s: Story) -> int:
    a = s.images.accounts[A]
    return a["credits_posted"] - a["debits_posted"] - a["debits_pending"]


def funds(more: int) -> Tell:
    """Refused for as much as it has, and this much more, between other rows."""

    def tell(s: Story) -> None:
        s.pay(A, 1, 3_000, "BILL-91")
        held = s.hold(A, 900, "HOLD-91")
        s.resolve(Kind.VOID, held, word=WORD)
        s.top_up(A, 500, "UTR-91")
        refused(s, R.INSUFFICIENT_FUNDS, free(s) + more)
        s.top_up(A, 50_000, "UTR-92")

    return tell


def claimed(s: Story, *, ends: bool) -> None:
    taker = s.hold(A, 900, "BILL-90")
    if ends:
        s.resolve(Kind.VOID, taker, word=WORD)
    refused(s, R.BILL_ALREADY_CLAIMED, total=taker.sequence)


def recently(amount: int, hours: int) -> Tell:
    """Refused so many hours after a payment, whatever the amount of both."""

    def tell(s: Story) -> None:
        taker = s.pay(A, 2, 5_000, "BILL-90")
        s.now = taker.timestamp + hours * HOUR
        refused(s, R.PAID_RECENTLY, amount, service=2, total=taker.sequence)

    return tell


def money(kind: Kind, result: Result, /, **f: object) -> Tell:
    """A refused move of the treasury."""
    fields = {"amount": 500, **f}
    if kind not in (Kind.SETTLE, Kind.REFUND):
        fields.setdefault("reference", b"reason")
    return lambda s: s.add(kind, result=result, **fields)


def utr(reference: bytes) -> Tell:
    def tell(s: Story) -> None:
        first = s.top_up(A, 500, "UTR-9")
        s.add(
            Kind.TOP_UP,
            debit=FLOAT,
            credit=A,
            amount=500,
            reference=reference,
            total=first.sequence,
            result=R.UTR_ALREADY_CREDITED,
        )

    return tell


def settle(result: Result, more: int, *, window: bool = True, again: int = 0) -> Tell:
    def tell(s: Story) -> None:
        s.pay(A, 1, 3_000, "BILL-90")
        closed = s.window()
        owed = s_payable(closed, X0)
        first = s.settle(closed, X0, owed) if again else None
        s.add(
            Kind.SETTLE,
            debit=X0,
            credit=SETTLEMENT,
            amount=owed + more,
            resolves=closed.sequence if window else 7,
            total=first.sequence if first and again == 1 else 0,
            result=result,
        )

    return tell


def close(account: int, result: Result) -> Tell:
    return lambda s: s.add(Kind.CLOSE, debit=account, reference=b"x", result=result)


def opening(owner: int, purpose: int, result: Result) -> Tell:
    tail = struct.pack("<IHB25x", owner, purpose, AccountKind.BILLER)
    return lambda s: s.add(Kind.OPEN, tail=tail, result=result)


METER = {"ignored": 3, "letters": 2, "pattern": b"A{2}9{4}", "check_digit": 2}


def misspelled(
    reference: bytes, result: Result = R.REFERENCE_WRONG, **f: object
) -> Tell:
    """A refused payment of a service whose references have one form."""
    return after(
        lambda s: s.service(6, 1, 2, 5, [Y], **METER),
        plain(result, service=6, reference=reference, **f),
    )


def registered(result: Result, **changes: object) -> Tell:
    """A refused row of a service's, which is there already, but for the changes."""

    def tell(s: Story) -> None:
        s.service(6, 1, 2, 5, [Y])
        s.service(7, 1, 2, 5, [Y], series=6)
        told = {"mode": 1, "rule": 2, "biller": 5, "heads": [Y], "series": 6}
        number = int(str(changes.get("number", 7)))
        told |= {n: v for n, v in changes.items() if n != "number"}
        s.service(number, result=result, **told)  # type: ignore[arg-type]
        s.rows[-1].debit = 0

    return tell


def of_heads(heads: list[int]) -> Tell:
    """Refused for the heads that a service of two would have."""

    def tell(s: Story) -> None:
        s.service(6, 1, 2, 5, [Y, Y])
        s.service(6, 1, 2, 5, heads, result=R.RULE_FIXED)
        s.rows[-1].debit = 0

    return tell


def claimed_through(service: int) -> Tell:
    """Refused for a payment through service 6; 7 is of its series, 8 is not."""

    def tell(s: Story) -> None:
        s.service(6, 1, 2, 5, [Y])
        s.service(7, 1, 2, 5, [Y], series=6)
        s.service(8, 1, 2, 5, [Y])
        taker = s.pay(A, 6, 900, "BILL-90")
        refused(
            s, R.BILL_ALREADY_CLAIMED, service=service, total=taker.sequence
        ).credit = Y

    return tell


def another_wallet(s: Story) -> None:
    """A wallet that has nothing."""
    s.participant(9, Role.CENTRE, b"centre-d")
    s.open(NEXT, 9, 0, AccountKind.WALLET)


PAIRS: dict[str, tuple[Tell, Tell]] = {
    "SERVICE_UNKNOWN": (
        lambda s: setattr(refused(s, R.SERVICE_UNKNOWN, credit=0), "service", 0),
        plain(R.SERVICE_UNKNOWN),
    ),
    "SERVICE_INACTIVE": (
        after(
            lambda s: s.service(4, 1, 1, 5, [Y], active=0, flags=UPDATE),
            plain(R.SERVICE_INACTIVE, service=4),
        ),
        plain(R.SERVICE_INACTIVE, service=4),
    ),
    "HEAD_UNKNOWN": (
        plain(R.HEAD_UNKNOWN, flags=STATED | 5 << HEAD_SHIFT, credit=0),
        plain(R.HEAD_UNKNOWN, flags=STATED | 1 << HEAD_SHIFT),
    ),
    "AMOUNT_BELOW_MINIMUM": (
        plain(R.AMOUNT_BELOW_MINIMUM, amount=99),
        plain(R.AMOUNT_BELOW_MINIMUM, amount=100),
    ),
    "AMOUNT_ABOVE_MAXIMUM": (
        plain(R.AMOUNT_ABOVE_MAXIMUM, amount=10**9 + 1),
        plain(R.AMOUNT_ABOVE_MAXIMUM, amount=10**9),
    ),
    "AMOUNT_NOT_EXACT": (
        after(
            lambda s: s.service(
                4, 1, 1, 5, [Y], amount_rule=AmountRule.EXACT, flags=UPDATE
            ),
            plain(R.AMOUNT_NOT_EXACT, service=4),
        ),
        plain(R.AMOUNT_NOT_EXACT, service=4),
    ),
    "PERIOD_MISSING": (
        after(
            lambda s: s.service(6, 1, 2, 5, [Y], key=KeyRule.REFERENCE_PERIOD),
            plain(R.PERIOD_MISSING, service=6, reference=b"M"),
        ),
        after(
            lambda s: s.service(6, 1, 2, 5, [Y], key=KeyRule.REFERENCE_PERIOD),
            plain(R.PERIOD_MISSING, service=6, reference=b"M/2026-04"),
        ),
    ),
    "REFERENCE_WRONG": (misspelled(b"MH 2364"), misspelled(b"MH2363")),
    "REFERENCE_WRONG that can be made canonical": (
        misspelled(b"mh-23 645"),
        misspelled(b"mh-23 63"),
    ),
    "REFERENCE_WRONG of any reference": (
        misspelled(b"BILL-90"),
        plain(R.REFERENCE_WRONG),
    ),
    "REFERENCE_WRONG where nothing is left": (
        misspelled(b"-- -"),
        misspelled(b"-MH2363-"),
    ),
    "RULE_FIXED": (
        registered(R.RULE_FIXED, pattern=b"9"),
        registered(R.RULE_FIXED, amount_min=7),
    ),
    "RULE_FIXED of heads": (
        of_heads([Y]),
        of_heads([Y, Y, Y]),
    ),
    "RULE_FIXED of a biller": (
        registered(R.RULE_FIXED, biller=4, heads=[X0], series=0),
        registered(R.RULE_FIXED),
    ),
    "RULE_FIXED of a new service": (
        registered(R.RULE_FIXED, rule=1),
        registered(R.RULE_FIXED, number=8),
    ),
    "RULE_FIXED of a series": (
        registered(R.RULE_FIXED, number=8, letters=2),
        registered(R.RULE_FIXED, number=8, series=0, letters=2),
    ),
    "SERVICE_UNKNOWN of a series": (
        registered(R.SERVICE_UNKNOWN, number=8, series=7),
        registered(R.SERVICE_UNKNOWN, number=8, series=6),
    ),
    "SERVICE_UNKNOWN of its own series": (
        registered(R.SERVICE_UNKNOWN, series=7),
        registered(R.SERVICE_UNKNOWN),
    ),
    "SERVICE_UNKNOWN of itself": (
        registered(R.SERVICE_UNKNOWN, number=6, series=6),
        registered(R.SERVICE_UNKNOWN, number=6, series=0),
    ),
    "ACCOUNT_UNKNOWN of a service's head": (
        registered(R.ACCOUNT_UNKNOWN, heads=[Y, X0]),
        registered(R.ACCOUNT_UNKNOWN),
    ),
    "PARTICIPANT_UNKNOWN of a service": (
        registered(R.PARTICIPANT_UNKNOWN, biller=99),
        registered(R.PARTICIPANT_UNKNOWN),
    ),
    "BILL_ALREADY_CLAIMED through a service of the series": (
        claimed_through(7),
        claimed_through(8),
    ),
    "DEBIT_FROZEN": (
        after(
            lambda s: s.add(Kind.FREEZE, debit=A, reference=b"x"), plain(R.DEBIT_FROZEN)
        ),
        plain(R.DEBIT_FROZEN),
    ),
    "DEBIT_CLOSED": (
        plain(R.DEBIT_CLOSED, debit=C, participant=6),
        plain(R.DEBIT_CLOSED),
    ),
    "CREDIT_FROZEN": (
        after(
            lambda s: s.add(Kind.FREEZE, debit=X0, reference=b"x"),
            plain(R.CREDIT_FROZEN),
        ),
        plain(R.CREDIT_FROZEN),
    ),
    "CREDIT_CLOSED": (
        money(Kind.TOP_UP, R.CREDIT_CLOSED, debit=FLOAT, credit=C),
        money(Kind.TOP_UP, R.CREDIT_CLOSED, debit=FLOAT, credit=A),
    ),
    "BILL_ALREADY_CLAIMED": (
        lambda s: claimed(s, ends=False),
        lambda s: claimed(s, ends=True),
    ),
    "BILL_ALREADY_CLAIMED by nobody": (
        lambda s: claimed(s, ends=False),
        plain(R.BILL_ALREADY_CLAIMED),
    ),
    "PAID_RECENTLY": (recently(5_001, 23), recently(5_000, 24)),
    "PAYMENT_AMOUNT_EXCEEDED": (
        after(limited(10**9, 9, 2_999), plain(R.PAYMENT_AMOUNT_EXCEEDED)),
        after(limited(10**9, 9, 3_000), plain(R.PAYMENT_AMOUNT_EXCEEDED)),
    ),
    "DAY_COUNT_EXCEEDED": (
        after(limited(10**9, 1), after(spent, plain(R.DAY_COUNT_EXCEEDED))),
        after(limited(10**9, 2), after(spent, plain(R.DAY_COUNT_EXCEEDED))),
    ),
    "DAY_COUNT_EXCEEDED in one group": (
        after(limited(10**9, 1), past(R.DAY_COUNT_EXCEEDED)),
        after(limited(10**9, 2), past(R.DAY_COUNT_EXCEEDED)),
    ),
    "DAY_AMOUNT_EXCEEDED": (
        after(limited(5_999, 9), past(R.DAY_AMOUNT_EXCEEDED)),
        after(limited(6_000, 9), past(R.DAY_AMOUNT_EXCEEDED)),
    ),
    "INSUFFICIENT_FUNDS": (funds(1), funds(0)),
    "BASKET_FAILED": (
        plain(R.BASKET_FAILED, basket=0x200),
        plain(R.BASKET_FAILED),
    ),
    "OVERFLOWS": (plain(R.INSUFFICIENT_FUNDS, amount=10**9), plain(R.OVERFLOWS)),
    "a payment and another's result": (
        plain(R.INSUFFICIENT_FUNDS, amount=10**9),
        plain(R.NET_DIFFERS),
    ),
    "ACCOUNT_UNKNOWN": (
        money(Kind.TRANSFER, R.ACCOUNT_UNKNOWN, debit=A, credit=NO_ACCOUNT),
        money(Kind.TRANSFER, R.ACCOUNT_UNKNOWN, debit=A, credit=B),
    ),
    "ACCOUNT_UNKNOWN to freeze": (
        lambda s: s.add(
            Kind.FREEZE, debit=99, reference=b"x", result=R.ACCOUNT_UNKNOWN
        ),
        lambda s: s.add(Kind.FREEZE, debit=A, reference=b"x", result=R.ACCOUNT_UNKNOWN),
    ),
    "ACCOUNT_KIND_WRONG": (
        money(Kind.TOP_UP, R.ACCOUNT_KIND_WRONG, debit=FLOAT, credit=Y),
        money(Kind.TOP_UP, R.ACCOUNT_KIND_WRONG, debit=FLOAT, credit=A),
    ),
    "ACCOUNTS_MUST_DIFFER": (
        money(Kind.TRANSFER, R.ACCOUNTS_MUST_DIFFER, debit=A, credit=A),
        money(Kind.TRANSFER, R.ACCOUNTS_MUST_DIFFER, debit=A, credit=B),
    ),
    "INSUFFICIENT_FUNDS of suspense": (
        money(Kind.TRANSFER, R.INSUFFICIENT_FUNDS, debit=SUSPENSE, credit=A),
        money(Kind.TRANSFER, R.INSUFFICIENT_FUNDS, debit=FLOAT, credit=A),
    ),
    "UTR_ALREADY_CREDITED": (utr(b"UTR-9"), utr(b"UTR-8")),
    "WINDOW_NOT_FOUND": (
        settle(R.WINDOW_NOT_FOUND, 0, window=False),
        settle(R.WINDOW_NOT_FOUND, 0),
    ),
    "NET_DIFFERS": (settle(R.NET_DIFFERS, 1), settle(R.NET_DIFFERS, 0)),
    "ALREADY_SETTLED": (
        settle(R.ALREADY_SETTLED, 0, again=1),
        settle(R.ALREADY_SETTLED, 0),
    ),
    "HOLDS_OPEN": (close(A, R.HOLDS_OPEN), close(B, R.HOLDS_OPEN)),
    "BALANCE_NOT_ZERO": (
        close(B, R.BALANCE_NOT_ZERO),
        after(another_wallet, close(NEXT, R.BALANCE_NOT_ZERO)),
    ),
    "ACCOUNT_EXISTS": (
        opening(4, 0, R.ACCOUNT_EXISTS),
        opening(4, 7, R.ACCOUNT_EXISTS),
    ),
    "PARTICIPANT_UNKNOWN": (
        opening(99, 0, R.PARTICIPANT_UNKNOWN),
        opening(4, 7, R.PARTICIPANT_UNKNOWN),
    ),
    "TABLE_FULL": (opening(99, 0, R.PARTICIPANT_UNKNOWN), opening(4, 7, R.TABLE_FULL)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_refusal_has_its_cause(tmp_path: Path, name: str) -> None:
    right, forged = PAIRS[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {"refusals"}


def test_a_payment_past_its_wallets_limit_is_found(tmp_path: Path) -> None:
    assert found_in(tmp_path / "at", after(limited(10**9, 9, 3_000), spent)) == set()
    past_it = found_in(tmp_path / "past", after(limited(10**9, 9, 2_999), spent))
    assert past_it == {"limits"}


def test_a_refused_payment_keeps_the_canonical_reference(tmp_path: Path) -> None:
    """Another is in its row only if it has none, and was not asked for one."""
    off = after(
        lambda s: s.service(6, 1, 2, 5, [Y], active=0, **METER),
        plain(R.SERVICE_INACTIVE, service=6, reference=b"none"),
    )
    assert found_in(tmp_path / "off", off) == set()
    off = after(off, plain(R.SERVICE_INACTIVE, service=6, reference=b"mh2363"))
    assert found_in(tmp_path / "small", off) == {"services"}
    for name, reference, found in (
        ("right", b"MH2363", set()),
        ("small", b"mh2363", {"services"}),
        ("none", b"none", {"services"}),
    ):
        tell = misspelled(reference, R.AMOUNT_BELOW_MINIMUM, amount=99)
        assert found_in(tmp_path / f"amount {name}", tell) == found
    basket = misspelled(b"none", R.BASKET_FAILED, basket=0x200)
    assert found_in(tmp_path / "basket", basket) == set()


def test_a_refused_service_has_a_record_of_the_shape(tmp_path: Path) -> None:
    right = registered(R.RULE_FIXED, rule=1)
    assert found_in(tmp_path / "right", right) == set()
    wrong = registered(R.RULE_FIXED, pattern=b"9{")
    assert found_in(tmp_path / "wrong", wrong) == {"services"}
