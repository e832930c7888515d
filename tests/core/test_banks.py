"""Goal: what a bank has booked is in the ledger once: where its text says, or aside.

Method: a ledger with people is asked by hand: bank accounts of the register, requests
of a centre, lines to the credit and to the debit with and without what they name, the
same line again, reversals, payouts and returns, and transfers that end open items, with
each refusal. Between what waits and what comes the ledger goes on, is indexed, opened
again, or made anew from its journal.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch.codes import AccountKind, Kind, Link, Result, RowFlag
from tests.core.cashier import (
    BANK,
    BANK_SUSPENSE,
    CLAIM,
    MATCHED,
    NUMBER,
    OTHER,
    OTHER_SUSPENSE,
    OTHER_TRANSIT,
    RESTS,
    REVERSAL,
    TRANSIT,
    Cashier,
    bank_account,
    credit,
    debit,
    ended,
    ending,
    statement,
    transfer,
)
from tests.core.council import (
    BETA,
    BILLER,
    CENTRE,
    DAY_NS,
    FLOAT,
    GAMMA,
    HEAD,
    OK,
    SETTLEMENT,
    SUSPENSE,
    WALLET,
    Council,
    no_row,
    participant,
    register,
    top_up,
)
from tests.records import AccountRecord, Row
from tests.signing import Line

UTR = b"ALPHA0000000001"
UTR_CLAIM = RowFlag.RECENT
MONTH_NS = 30 * DAY_NS


@pytest.fixture
def cashier(tmp_path: Path) -> Iterator[Cashier]:
    """A ledger with two bank accounts; what opening it again gives is compared."""
    made = Cashier(tmp_path / "ledger").begin()
    yield made
    ended(made)


# --- the register --------------------------------------------------------------------


def test_a_bank_account_is_asked_in_this_order(cashier: Cashier) -> None:
    def result(tail: bytes) -> int:
        told = cashier.told(register(tail))
        assert (told.result == OK) == (told.sequence != 0)
        return told.result

    assert result(bank_account(b"NEW", 6, 99)) == Result.PARTICIPANT_UNKNOWN
    assert result(bank_account(b"NEW", 1, 99)) == Result.ACCOUNT_UNKNOWN
    assert result(bank_account(b"NEW", 1, 17)) == Result.ACCOUNT_UNKNOWN
    cashier.open((1, 60, AccountKind.BANK), (1, 61, AccountKind.BANK_SUSPENSE))
    assert result(bank_account(b"NEW", 1, 60)) == Result.ACCOUNT_UNKNOWN
    cashier.open((1, 62, AccountKind.SUSPENSE))
    assert result(bank_account(b"NEW", 1, 60)) == Result.ACCOUNT_UNKNOWN
    # One that is there stays where it is, and nobody else comes there.
    assert result(bank_account(NUMBER, 2, 40)) == Result.RULE_FIXED
    assert result(bank_account(b"NEW", 1, 16)) == Result.RULE_FIXED
    cashier.open(
        (1, 70, AccountKind.BANK),
        (1, 71, AccountKind.BANK_SUSPENSE),
        (1, 72, AccountKind.BANK_TRANSIT),
    )
    transit = cashier.ledger.find_account(1, 72)
    cashier.tell(top_up(100, b"UTR"), transfer(100, WALLET, SETTLEMENT))
    assert cashier.told(transfer(60, SETTLEMENT, transit)).result == OK
    assert result(bank_account(b"NEW", 1, 70)) == Result.BALANCE_NOT_ZERO
    assert result(bank_account(NUMBER, 1, 70)) == Result.RULE_FIXED


def test_one_that_has_moved_is_switched_off_and_on(cashier: Cashier) -> None:
    cashier.book(credit(100, UTR))
    off = cashier.told(register(bank_account(NUMBER, 1, 16, active=0)))
    assert (off.result, off.index) == (OK, 1)
    assert RowFlag.UPDATE in cashier.ledger.row(off.sequence).flags
    no_row(cashier, cashier.told(credit(5, b"LATER")), Result.ACCOUNT_KIND_WRONG)
    assert cashier.told(register(bank_account(NUMBER, 1, 16))).result == OK
    cashier.book(credit(5, b"LATER"))


def test_what_was_proposed_before_does_not_switch_it_on(cashier: Cashier) -> None:
    early = cashier.propose(*cashier.makers(), register(bank_account(NUMBER, 1, 16)))
    assert cashier.approve(BETA, early).result == OK
    cashier.told(register(bank_account(NUMBER, 1, 16, active=0)))
    [told] = cashier.lines(early, 1, BETA)
    no_row(cashier, told, Result.NOT_APPROVED)


@pytest.mark.parametrize(
    "tail",
    [
        bank_account(b"NEW", 1, 50, active=2),
        bank_account(b"NEW", 0, 50),
        bank_account(b"NEW", 1, 15),
        bank_account(b"NEW", 1, 65_534),
        bank_account(b"", 1, 50),
        bank_account(b"new", 1, 50),
        bank_account(b"N" * 35, 1, 50),
        bank_account(b"A\0B", 1, 50),
        bank_account(b"NEW", 1, 50)[:-1],
        b"\x0b\x01\x01" + bank_account(b"NEW", 1, 50)[3:],
        bank_account(b"NEW", 1, 50)[:10] + b"\1" + bank_account(b"NEW", 1, 50)[11:],
    ],
)
def test_records_that_are_none(cashier: Cashier, tail: bytes) -> None:
    row = cashier.proposal(*cashier.makers(), [register(tail)])
    no_row(cashier, cashier.commit(row)[0], Result.INVALID_RECORD)


@pytest.mark.parametrize("number", [b"N", b"N" * 34])
def test_records_that_are(cashier: Cashier, number: bytes) -> None:
    row = cashier.proposal(*cashier.makers(), [register(bank_account(number, 9, 50))])
    assert cashier.commit(row)[0].result == OK


def test_the_register_has_room_for_so_many(cashier: Cashier) -> None:
    lines = []
    for place in range(254):
        for more, kind in enumerate(range(AccountKind.BANK, AccountKind.BANK + 3)):
            record = AccountRecord(1, 100 + 3 * place + more, AccountKind(kind))
            lines.append(Line(Kind.OPEN, tail=record.pack()))
    cashier.do(*lines)
    records = [bank_account(b"N%d" % n, 1, 100 + 3 * n) for n in range(254)]
    told = cashier.tell(*map(register, records))
    assert [each.result for each in told] == [OK] * 253 + [Result.TABLE_FULL]
    assert told[252].index == 255
    again = cashier.told(register(bank_account(b"N0", 1, 100, active=0)))
    assert (again.result, again.index) == (OK, 3)


def test_three_accounts_do_not_close(cashier: Cashier) -> None:
    for account in (BANK, BANK_SUSPENSE, TRANSIT):
        close = Line(Kind.CLOSE, debit=account, reference=b"why")
        no_row(cashier, cashier.told(close), Result.ACCOUNT_KIND_WRONG)


# --- requests ------------------------------------------------------------------------


def test_a_request_is_a_row_and_moves_nothing(cashier: Cashier) -> None:
    images = cashier.ledger.accounts()[0].tobytes()
    row = cashier.row(Kind.REQUEST, participant=CENTRE, credit=WALLET, amount=500)
    [told] = cashier.commit(row)
    assert told.result == OK
    assert cashier.ledger.accounts()[0].tobytes() == images
    entry = cashier.ledger.row(told.sequence)
    assert (entry.kind, entry.credit, entry.amount) == (Kind.REQUEST, WALLET, 500)
    assert (entry.debit, entry.flags, entry.total) == (0, RowFlag(0), 0)
    [again] = cashier.commit(row)
    assert (again.repeat, again.sequence) == (1, told.sequence)
    [other] = cashier.commit(replace(row, amount=501))
    no_row(cashier, other, Result.ID_REUSED)


def test_what_a_request_is_refused(cashier: Cashier) -> None:
    assert cashier.request(0).result == Result.INVALID_AMOUNT
    assert cashier.request(1, debit=WALLET).result == Result.INVALID_ACCOUNT
    assert cashier.request(1, reference=b"why").result == Result.INVALID_REFERENCE
    unknown, wrong = Result.ACCOUNT_UNKNOWN, Result.ACCOUNT_KIND_WRONG
    refused = [
        (cashier.request(1, 0), unknown),
        (cashier.request(1, 99), unknown),
        (cashier.request(1, 2**32 - 1), unknown),
        (cashier.request(1, WALLET, participant=BILLER), unknown),
        (cashier.request(1, HEAD, participant=BILLER), wrong),
    ]
    cashier.do(Line(Kind.CLOSE, debit=WALLET, reference=b"why"))
    refused.append((cashier.request(1), Result.CREDIT_CLOSED))
    for told, result in refused:
        assert (told.result, told.sequence != 0) == (result, True)


@pytest.mark.parametrize("how", RESTS)
def test_so_many_requests_on_a_day(cashier: Cashier, how: str) -> None:
    day = cashier.now // DAY_NS
    for _ in range(64):
        cashier.requested(7)
        if cashier.ledger.sequence % 16 == 0:
            cashier.rest(how)
    told = cashier.request(7)
    assert (told.result, told.sequence != 0) == (Result.DAY_COUNT_EXCEEDED, True)
    assert cashier.now // DAY_NS == day
    cashier.now += DAY_NS
    cashier.requested(7)


# --- lines to the credit -------------------------------------------------------------


@pytest.mark.parametrize("how", RESTS)
def test_what_was_asked_for_is_credited(cashier: Cashier, how: str) -> None:
    asked = cashier.requested(500)
    cashier.rest(how)
    row = cashier.book(credit(500, UTR, asked, tail=b'{"text": "T1"}'))
    assert (row.debit, row.credit, row.resolves) == (BANK, WALLET, asked)
    assert row.flags == CLAIM | UTR_CLAIM | MATCHED | RowFlag.TAIL
    assert cashier.ledger.tail(row.sequence) == b'{"text": "T1"}'
    assert cashier.ledger.link(asked, Link.MATCHED) == row.sequence
    assert (cashier.balance(WALLET), cashier.balance(BANK)) == (500, -500)
    assert cashier.ledger.account_rows(BANK, 0, 9).tolist() == [row.sequence]
    assert cashier.balance(BANK_SUSPENSE) == 0
    cashier.rest(how)
    # Once: what names it again is looked at by people.
    again = cashier.book(credit(500, UTR + b"2", asked))
    assert (again.credit, again.resolves) == (BANK_SUSPENSE, asked)
    assert again.flags == CLAIM | UTR_CLAIM
    assert cashier.ledger.link(asked, Link.MATCHED) == row.sequence


def never_asked(cashier: Cashier) -> Line:
    return credit(500, UTR)


def asked_of_another_amount(cashier: Cashier) -> Line:
    return credit(499, UTR, cashier.requested(500))


def asked_too_long_ago(cashier: Cashier) -> Line:
    asked = cashier.requested(500)
    # The proposal, its approval and the line take three seconds.
    cashier.now += MONTH_NS - 3 * 10**9
    return credit(500, UTR, asked)


def taken_back(cashier: Cashier) -> Line:
    return credit(500, UTR, cashier.requested(500), flags=REVERSAL)


def asked_in_vain(cashier: Cashier) -> Line:
    told = cashier.request(500, HEAD, participant=BILLER)
    return credit(500, UTR, told.sequence)


def nothing_that_was_asked(cashier: Cashier) -> Line:
    [told] = cashier.tell(top_up(500, b"BY HAND"))
    return credit(500, UTR, told.sequence)


def what_is_not_there(cashier: Cashier) -> Line:
    return credit(500, UTR, 10**6)


def credited_by_hand(cashier: Cashier) -> Line:
    asked = cashier.requested(500)
    cashier.told(top_up(500, UTR))
    return credit(500, UTR, asked)


def of_a_closed_wallet(cashier: Cashier) -> Line:
    asked = cashier.requested(500)
    cashier.do(Line(Kind.CLOSE, debit=WALLET, reference=b"why"))
    return credit(500, UTR, asked)


@pytest.mark.parametrize(
    "named",
    [
        never_asked,
        asked_of_another_amount,
        asked_too_long_ago,
        taken_back,
        asked_in_vain,
        nothing_that_was_asked,
        what_is_not_there,
        credited_by_hand,
        of_a_closed_wallet,
    ],
)
def test_what_fits_nothing_waits(
    cashier: Cashier, named: Callable[[Cashier], Line]
) -> None:
    line = named(cashier)
    wallet = cashier.balance(WALLET)
    row = cashier.book(line)
    assert (row.debit, row.credit, row.resolves) == (BANK, BANK_SUSPENSE, line.resolves)
    # What was taken back, or credited by hand, has its claim already, or none.
    takes = RowFlag(0) if named in (taken_back, credited_by_hand) else UTR_CLAIM
    assert row.flags == CLAIM | takes | RowFlag(line.flags)
    assert (cashier.balance(BANK_SUSPENSE), cashier.balance(BANK)) == (
        line.amount,
        -line.amount,
    )
    assert cashier.balance(WALLET) == wallet


def test_a_request_lives_as_long_as_it_says(cashier: Cashier) -> None:
    asked = cashier.requested(500)
    cashier.now += MONTH_NS - 3 * 10**9 - 1
    assert cashier.book(credit(500, UTR, asked)).credit == WALLET


def test_a_frozen_wallet_is_credited(cashier: Cashier) -> None:
    asked = cashier.requested(500)
    cashier.do(Line(Kind.FREEZE, debit=WALLET, reference=b"why"))
    assert cashier.book(credit(500, UTR, asked)).credit == WALLET


# --- the same line again -------------------------------------------------------------


@pytest.mark.parametrize("how", RESTS)
def test_a_line_is_booked_once(cashier: Cashier, how: str) -> None:
    asked = cashier.requested(500)
    first = cashier.book(credit(500, UTR, asked))
    cashier.rest(how)
    told = cashier.told(credit(500, UTR))
    no_row(cashier, told, Result.ALREADY_BOOKED)
    assert told.other == first.sequence
    differs = cashier.told(credit(501, UTR, asked))
    assert (differs.result, differs.other) == (Result.BOOKED_DIFFERS, first.sequence)
    row = cashier.ledger.row(differs.sequence)
    assert (row.result, row.total) == (Result.BOOKED_DIFFERS, first.sequence)
    assert (row.debit, row.credit, row.flags) == (BANK, 0, RowFlag(0))
    cashier.rest(how)
    # The first word counts; what contradicts it has claimed nothing.
    again = cashier.told(credit(501, UTR))
    assert (again.result, again.other) == (Result.BOOKED_DIFFERS, first.sequence)
    no_row(cashier, cashier.told(credit(500, UTR)), Result.ALREADY_BOOKED)
    assert (cashier.balance(WALLET), cashier.balance(BANK)) == (500, -500)


def test_what_contradicts_is_answered_again(cashier: Cashier) -> None:
    cashier.book(credit(500, UTR))
    asked = cashier.propose(*cashier.makers(), credit(501, UTR))
    assert cashier.approve(BETA, asked).result == OK
    [told], [again] = cashier.lines(asked, 1, BETA), cashier.lines(asked, 1, BETA)
    assert told.result == again.result == Result.BOOKED_DIFFERS
    assert (again.sequence, again.repeat) == (told.sequence, 1)


def test_each_part_of_a_key_makes_another_line(cashier: Cashier) -> None:
    lines = [
        make(500, UTR, flags=flags, account=account)
        for make in (credit, debit)
        for flags in (0, REVERSAL)
        for account in (BANK, OTHER)
    ]
    lines.append(credit(500, UTR + b"A"))
    for line in lines:
        cashier.book(line)
    for line in lines:
        no_row(cashier, cashier.told(line), Result.ALREADY_BOOKED)
    assert cashier.balance(OTHER_SUSPENSE) == 1_000
    assert cashier.balance(OTHER_TRANSIT) == -1_000
    assert cashier.balance(BANK) == -500


def test_a_reversal_ends_no_freeze(cashier: Cashier) -> None:
    for line in (credit(5, UTR, flags=REVERSAL), debit(5, UTR, flags=REVERSAL)):
        early = cashier.propose(*cashier.makers(), line)
        cashier.do(Line(Kind.FREEZE, debit=BANK, reference=b"why"))
        assert cashier.approve(BETA, early).result == OK
        assert cashier.lines(early, 1, BETA)[0].result == OK


# --- what a line must be -------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        replace(credit(5, UTR), credit=WALLET),
        replace(credit(5, UTR), debit=0),
        credit(0, UTR),
        credit(10**18 + 1, UTR),
        credit(5, b""),
        credit(5, b" UTR"),
        credit(5, UTR, tail=b"x" * 1_025),
        credit(5, UTR, flags=RowFlag.CLAIM),
        credit(5, UTR, flags=MATCHED),
    ],
)
def test_lines_that_are_none(cashier: Cashier, line: Line) -> None:
    [told] = cashier.commit(cashier.proposal(*cashier.makers(), [line]))
    amount = Result.INVALID_AMOUNT, Result.INVALID_RECORD
    assert told.result in (amount if line.amount > 10**18 else amount[1:])


def test_as_much_as_a_bank_may_write(cashier: Cashier) -> None:
    row = cashier.book(credit(5, UTR, tail=b"x" * 1_024))
    assert len(cashier.ledger.tail(row.sequence)) == 1_024
    assert cashier.book(credit(5, b"OTHER")).flags == CLAIM | UTR_CLAIM


def test_accounts_that_no_bank_keeps(cashier: Cashier) -> None:
    unknown, wrong = Result.ACCOUNT_UNKNOWN, Result.ACCOUNT_KIND_WRONG
    for make in (credit, debit):
        for account in (99, 2**32 - 1):
            no_row(cashier, cashier.told(make(5, UTR, account=account)), unknown)
        for account in (BANK_SUSPENSE, TRANSIT, WALLET, FLOAT):
            no_row(cashier, cashier.told(make(5, UTR, account=account)), wrong)
    cashier.open(
        (1, 90, AccountKind.BANK),
        (1, 91, AccountKind.BANK_SUSPENSE),
        (1, 92, AccountKind.BANK_TRANSIT),
    )
    account = cashier.ledger.find_account(1, 90)
    no_row(cashier, cashier.told(credit(5, UTR, account=account)), wrong)


def test_sums_that_no_account_holds(cashier: Cashier) -> None:
    """Totals hold 2^64, a statement no balance beyond 10^18 on either side."""
    most = 10**18
    cashier.book(credit(most, b"ALL"))
    no_row(cashier, cashier.told(credit(1, b"MORE")), Result.OVERFLOWS)
    for number in range(17):
        cashier.book(debit(most, b"OUT%d" % number))
        cashier.book(credit(most, b"IN%d" % number))
    cashier.book(debit(most, b"OUT"))
    # The balance has room, credits of bank suspense have not: 18 x 10^18 are in.
    no_row(cashier, cashier.told(credit(most, b"MORE")), Result.OVERFLOWS)
    cashier.book(credit(4 * 10**17, b"MORE"))


# --- lines to the debit --------------------------------------------------------------


def funded(cashier: Cashier) -> None:
    """There is something to pay out."""
    cashier.tell(top_up(10_000, b"FIRST"), transfer(5_000, WALLET, SETTLEMENT))


def payout(cashier: Cashier) -> tuple[int, int]:
    """A release from a settlement account: its sequence, and its amount."""
    funded(cashier)
    return cashier.told(transfer(700, SETTLEMENT, TRANSIT)).sequence, 700


def sent_back(cashier: Cashier) -> tuple[int, int]:
    """A release from a bank suspense account."""
    item = cashier.book(credit(300, b"WRONG"))
    told = cashier.told(ending(item.sequence, 300, BANK_SUSPENSE, TRANSIT))
    assert told.result == OK
    return told.sequence, 300


@pytest.mark.parametrize("how", RESTS)
@pytest.mark.parametrize("release", [payout, sent_back])
def test_a_release_is_booked_once(
    cashier: Cashier,
    how: str,
    release: Callable[[Cashier], tuple[int, int]],
) -> None:
    released, amount = release(cashier)
    assert cashier.balance(TRANSIT) == amount
    bank = cashier.balance(BANK)
    cashier.rest(how)
    for number, line in enumerate(
        [
            debit(amount - 1, b"LESS", released),
            debit(amount, b"BACK", released, flags=REVERSAL),
            debit(amount, b"OTHER", released, account=OTHER),
        ]
    ):
        row = cashier.book(line)
        assert row.flags & MATCHED == 0, number
        assert row.debit == (TRANSIT if line.credit == BANK else OTHER_TRANSIT)
    row = cashier.book(debit(amount, UTR, released))
    assert (row.debit, row.credit, row.flags) == (TRANSIT, BANK, CLAIM | MATCHED)
    assert cashier.ledger.link(released, Link.MATCHED) == row.sequence
    cashier.rest(how)
    assert MATCHED not in cashier.book(debit(amount, b"TWICE", released)).flags
    assert cashier.balance(TRANSIT) == amount - (4 * amount - 1)
    assert cashier.balance(BANK) == bank + 4 * amount - 1


def test_what_ends_a_debit_is_no_release(cashier: Cashier) -> None:
    funded(cashier)
    item = cashier.book(debit(200, UTR))
    told = cashier.told(ending(item.sequence, 200, SETTLEMENT, TRANSIT))
    assert told.result == OK
    assert MATCHED not in cashier.book(debit(200, b"NEXT", told.sequence)).flags


def test_a_request_is_none_of_a_debits(cashier: Cashier) -> None:
    row = cashier.book(debit(500, UTR, cashier.requested(500)))
    assert (row.debit, row.flags) == (TRANSIT, CLAIM)


# --- what needs no people ------------------------------------------------------------


def test_a_ledger_without_people(tmp_path: Path) -> None:
    council = Council(tmp_path / "ledger")
    for index in range(1, 6):
        council.ask(Kind.REGISTER, tail=participant(index))
    kinds = (AccountKind.BANK, AccountKind.BANK_SUSPENSE, AccountKind.BANK_TRANSIT)
    for more, kind in enumerate(kinds):
        council.ask(Kind.OPEN, tail=AccountRecord(1, 16 + more, kind).pack())
    council.ask(Kind.OPEN, tail=AccountRecord(CENTRE, 0, AccountKind.WALLET).pack())
    told = council.ask(Kind.REGISTER, tail=bank_account(NUMBER, 1, 16))
    assert (told.result, told.index) == (OK, 1)

    def booked(**more: int | bytes) -> Row:
        given: dict[str, Any] = {"reference": UTR, "amount": 50, **more}
        return council.row(Kind.BOOKED, **given)

    refused = council.commit(
        booked(debit=1, credit=4),
        booked(),
        booked(debit=9),
        booked(debit=2),
        booked(debit=1, tail=b"x" * 1_025),
        booked(debit=1, total=77),
        booked(debit=1),
        booked(debit=1, amount=51),
    )
    assert [each.result for each in refused] == [
        Result.INVALID_ACCOUNT,
        Result.INVALID_ACCOUNT,
        Result.ACCOUNT_UNKNOWN,
        Result.ACCOUNT_KIND_WRONG,
        Result.INVALID_RECORD,
        OK,
        Result.ALREADY_BOOKED,
        Result.BOOKED_DIFFERS,
    ]
    item = refused[5].sequence
    assert [each.sequence != 0 for each in refused] == [False] * 5 + [True, False, True]
    line = statement(0, 50, 1)
    told = council.ask(Kind.REGISTER, tail=line.tail)
    no_row(council, told, Result.NOT_APPROVED)
    given: dict[str, Any] = {"reference": b"why", "resolves": item, "amount": 50}
    wrong = council.ask(Kind.TRANSFER, debit=2, credit=1, **given)
    assert (wrong.result, wrong.sequence != 0) == (Result.ACCOUNT_KIND_WRONG, True)
    assert council.ask(Kind.TRANSFER, debit=2, credit=4, **given).result == OK
    assert council.balance(4) == 50
    council.close()


# --- three ---------------------------------------------------------------------------


def test_three_appoint_a_third(tmp_path: Path) -> None:
    cashier = Cashier(tmp_path / "ledger").begin()
    lines = [register(GAMMA.record()), register(bank_account(NUMBER, 1, 16, active=0))]
    for line in lines:
        two = cashier.propose(*cashier.makers(), line)
        assert RowFlag.THIRD not in cashier.ledger.row(two.sequence).flags
    cashier.do(register(GAMMA.record()))
    # Now three may approve; there are no thresholds.
    for line in lines:
        asked = cashier.propose(*cashier.makers(), top_up(5, b"UTR"), line)
        assert RowFlag.THIRD in cashier.ledger.row(asked.sequence).flags
    other = cashier.propose(*cashier.makers(), top_up(5, b"UTR"))
    assert RowFlag.THIRD not in cashier.ledger.row(other.sequence).flags
    assert cashier.approve(BETA, asked).result == OK
    no_row(cashier, cashier.lines(asked, 1, BETA)[0], Result.NOT_APPROVED)
    assert cashier.approve(GAMMA, asked).result == OK
    told = cashier.lines(asked, 2, GAMMA)
    assert [each.result for each in told] == [OK, OK]
    # Again two, as one of the three is off: by three, for the last time.
    off = cashier.propose(*cashier.makers(), register(GAMMA.record(active=0)))
    assert RowFlag.THIRD in cashier.ledger.row(off.sequence).flags
    assert cashier.approve(BETA, off).result == OK
    assert cashier.approve(GAMMA, off).result == OK
    assert cashier.lines(off, 1, GAMMA)[0].result == OK
    two = cashier.propose(*cashier.makers(), register(bank_account(NUMBER, 1, 16)))
    assert RowFlag.THIRD not in cashier.ledger.row(two.sequence).flags
    assert cashier.balance(SUSPENSE) == 0
    cashier.close()
