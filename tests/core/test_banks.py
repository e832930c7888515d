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
from tests.core.teller import (
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
    Teller,
    bank_account,
    credit,
    debit,
    ending,
    statement,
    transfer,
)
from tests.records import AccountRecord, Row
from tests.signing import Line

UTR = b"ALPHA0000000001"
MONTH_NS = 30 * DAY_NS


@pytest.fixture
def teller(tmp_path: Path) -> Iterator[Teller]:
    """A ledger with two bank accounts; what opening it again gives is compared."""
    made = Teller(tmp_path / "ledger").begin()
    yield made
    before = made.state()
    made.catch_up()
    made.reopen()
    assert made.state() == before
    made.rebuild()
    assert made.state() == before
    made.close()


# --- the register --------------------------------------------------------------------


def test_a_bank_account_is_asked_in_this_order(teller: Teller) -> None:
    def result(tail: bytes) -> int:
        told = teller.told(register(tail))
        assert (told.result == OK) == (told.sequence != 0)
        return told.result

    assert result(bank_account(b"NEW", 6, 99)) == Result.PARTICIPANT_UNKNOWN
    assert result(bank_account(b"NEW", 1, 99)) == Result.ACCOUNT_UNKNOWN
    assert result(bank_account(b"NEW", 1, 17)) == Result.ACCOUNT_UNKNOWN
    teller.open((1, 60, AccountKind.BANK), (1, 61, AccountKind.BANK_SUSPENSE))
    assert result(bank_account(b"NEW", 1, 60)) == Result.ACCOUNT_UNKNOWN
    teller.open((1, 62, AccountKind.SUSPENSE))
    assert result(bank_account(b"NEW", 1, 60)) == Result.ACCOUNT_UNKNOWN
    # One that is there stays where it is, and nobody else comes there.
    assert result(bank_account(NUMBER, 2, 40)) == Result.RULE_FIXED
    assert result(bank_account(b"NEW", 1, 16)) == Result.RULE_FIXED
    teller.open(
        (1, 70, AccountKind.BANK),
        (1, 71, AccountKind.BANK_SUSPENSE),
        (1, 72, AccountKind.BANK_TRANSIT),
    )
    transit = teller.ledger.find_account(1, 72)
    teller.tell(top_up(100, b"UTR"), transfer(100, WALLET, SETTLEMENT))
    assert teller.told(transfer(60, SETTLEMENT, transit)).result == OK
    assert result(bank_account(b"NEW", 1, 70)) == Result.BALANCE_NOT_ZERO
    assert result(bank_account(NUMBER, 1, 70)) == Result.RULE_FIXED


def test_one_that_has_moved_is_switched_off_and_on(teller: Teller) -> None:
    teller.book(credit(100, UTR))
    off = teller.told(register(bank_account(NUMBER, 1, 16, active=0)))
    assert (off.result, off.index) == (OK, 1)
    assert RowFlag.UPDATE in teller.ledger.row(off.sequence).flags
    no_row(teller, teller.told(credit(5, b"LATER")), Result.ACCOUNT_KIND_WRONG)
    assert teller.told(register(bank_account(NUMBER, 1, 16))).result == OK
    teller.book(credit(5, b"LATER"))


def test_what_was_proposed_before_does_not_switch_it_on(teller: Teller) -> None:
    early = teller.propose(*teller.makers(), register(bank_account(NUMBER, 1, 16)))
    assert teller.approve(BETA, early).result == OK
    teller.told(register(bank_account(NUMBER, 1, 16, active=0)))
    [told] = teller.lines(early, 1, BETA)
    no_row(teller, told, Result.NOT_APPROVED)


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
def test_records_that_are_none(teller: Teller, tail: bytes) -> None:
    row = teller.proposal(*teller.makers(), [register(tail)])
    no_row(teller, teller.commit(row)[0], Result.INVALID_RECORD)


@pytest.mark.parametrize("number", [b"N", b"N" * 34])
def test_records_that_are(teller: Teller, number: bytes) -> None:
    row = teller.proposal(*teller.makers(), [register(bank_account(number, 9, 50))])
    assert teller.commit(row)[0].result == OK


def test_the_register_has_room_for_so_many(teller: Teller) -> None:
    lines = []
    for place in range(254):
        for more, kind in enumerate(range(AccountKind.BANK, AccountKind.BANK + 3)):
            record = AccountRecord(1, 100 + 3 * place + more, AccountKind(kind))
            lines.append(Line(Kind.OPEN, tail=record.pack()))
    teller.do(*lines)
    records = [bank_account(b"N%d" % n, 1, 100 + 3 * n) for n in range(254)]
    told = teller.tell(*map(register, records))
    assert [each.result for each in told] == [OK] * 253 + [Result.TABLE_FULL]
    assert told[252].index == 255
    again = teller.told(register(bank_account(b"N0", 1, 100, active=0)))
    assert (again.result, again.index) == (OK, 3)


def test_three_accounts_do_not_close(teller: Teller) -> None:
    for account in (BANK, BANK_SUSPENSE, TRANSIT):
        close = Line(Kind.CLOSE, debit=account, reference=b"why")
        no_row(teller, teller.told(close), Result.ACCOUNT_KIND_WRONG)


# --- requests ------------------------------------------------------------------------


def test_a_request_is_a_row_and_moves_nothing(teller: Teller) -> None:
    images = teller.ledger.accounts()[0].tobytes()
    row = teller.row(Kind.REQUEST, participant=CENTRE, credit=WALLET, amount=500)
    [told] = teller.commit(row)
    assert told.result == OK
    assert teller.ledger.accounts()[0].tobytes() == images
    entry = teller.ledger.row(told.sequence)
    assert (entry.kind, entry.credit, entry.amount) == (Kind.REQUEST, WALLET, 500)
    assert (entry.debit, entry.flags, entry.total) == (0, RowFlag(0), 0)
    [again] = teller.commit(row)
    assert (again.repeat, again.sequence) == (1, told.sequence)
    [other] = teller.commit(replace(row, amount=501))
    no_row(teller, other, Result.ID_REUSED)


def test_what_a_request_is_refused(teller: Teller) -> None:
    assert teller.request(0).result == Result.INVALID_AMOUNT
    assert teller.request(1, debit=WALLET).result == Result.INVALID_ACCOUNT
    assert teller.request(1, reference=b"why").result == Result.INVALID_REFERENCE
    unknown, wrong = Result.ACCOUNT_UNKNOWN, Result.ACCOUNT_KIND_WRONG
    refused = [
        (teller.request(1, 0), unknown),
        (teller.request(1, 99), unknown),
        (teller.request(1, 2**32 - 1), unknown),
        (teller.request(1, WALLET, participant=BILLER), unknown),
        (teller.request(1, HEAD, participant=BILLER), wrong),
    ]
    teller.do(Line(Kind.CLOSE, debit=WALLET, reference=b"why"))
    refused.append((teller.request(1), Result.CREDIT_CLOSED))
    for told, result in refused:
        assert (told.result, told.sequence != 0) == (result, True)


@pytest.mark.parametrize("how", RESTS)
def test_so_many_requests_on_a_day(teller: Teller, how: str) -> None:
    day = teller.now // DAY_NS
    for _ in range(64):
        teller.requested(7)
        if teller.ledger.sequence % 16 == 0:
            teller.rest(how)
    told = teller.request(7)
    assert (told.result, told.sequence != 0) == (Result.DAY_COUNT_EXCEEDED, True)
    assert teller.now // DAY_NS == day
    teller.now += DAY_NS
    teller.requested(7)


# --- lines to the credit -------------------------------------------------------------


@pytest.mark.parametrize("how", RESTS)
def test_what_was_asked_for_is_credited(teller: Teller, how: str) -> None:
    asked = teller.requested(500)
    teller.rest(how)
    row = teller.book(credit(500, UTR, asked, tail=b'{"text": "T1"}'))
    assert (row.debit, row.credit, row.resolves) == (BANK, WALLET, asked)
    assert row.flags == CLAIM | MATCHED | RowFlag.TAIL
    assert teller.ledger.tail(row.sequence) == b'{"text": "T1"}'
    assert teller.ledger.link(asked, Link.MATCHED) == row.sequence
    assert (teller.balance(WALLET), teller.balance(BANK)) == (500, -500)
    assert teller.ledger.account_rows(BANK, 0, 9).tolist() == [row.sequence]
    assert teller.balance(BANK_SUSPENSE) == 0
    teller.rest(how)
    # Once: what names it again is looked at by people.
    again = teller.book(credit(500, UTR + b"2", asked))
    assert (again.credit, again.flags, again.resolves) == (BANK_SUSPENSE, CLAIM, asked)
    assert teller.ledger.link(asked, Link.MATCHED) == row.sequence


def never_asked(teller: Teller) -> Line:
    return credit(500, UTR)


def asked_of_another_amount(teller: Teller) -> Line:
    return credit(499, UTR, teller.requested(500))


def asked_too_long_ago(teller: Teller) -> Line:
    asked = teller.requested(500)
    # The proposal, its approval and the line take three seconds.
    teller.now += MONTH_NS - 3 * 10**9
    return credit(500, UTR, asked)


def taken_back(teller: Teller) -> Line:
    return credit(500, UTR, teller.requested(500), flags=REVERSAL)


def asked_in_vain(teller: Teller) -> Line:
    told = teller.request(500, HEAD, participant=BILLER)
    return credit(500, UTR, told.sequence)


def nothing_that_was_asked(teller: Teller) -> Line:
    [told] = teller.tell(top_up(500, b"BY HAND"))
    return credit(500, UTR, told.sequence)


def what_is_not_there(teller: Teller) -> Line:
    return credit(500, UTR, 10**6)


def credited_by_hand(teller: Teller) -> Line:
    asked = teller.requested(500)
    teller.told(top_up(500, UTR))
    return credit(500, UTR, asked)


def of_a_closed_wallet(teller: Teller) -> Line:
    asked = teller.requested(500)
    teller.do(Line(Kind.CLOSE, debit=WALLET, reference=b"why"))
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
    teller: Teller, named: Callable[[Teller], Line]
) -> None:
    line = named(teller)
    wallet = teller.balance(WALLET)
    row = teller.book(line)
    assert (row.debit, row.credit, row.resolves) == (BANK, BANK_SUSPENSE, line.resolves)
    assert row.flags == CLAIM | RowFlag(line.flags)
    assert (teller.balance(BANK_SUSPENSE), teller.balance(BANK)) == (
        line.amount,
        -line.amount,
    )
    assert teller.balance(WALLET) == wallet


def test_a_request_lives_as_long_as_it_says(teller: Teller) -> None:
    asked = teller.requested(500)
    teller.now += MONTH_NS - 3 * 10**9 - 1
    assert teller.book(credit(500, UTR, asked)).credit == WALLET


def test_a_frozen_wallet_is_credited(teller: Teller) -> None:
    asked = teller.requested(500)
    teller.do(Line(Kind.FREEZE, debit=WALLET, reference=b"why"))
    assert teller.book(credit(500, UTR, asked)).credit == WALLET


# --- the same line again -------------------------------------------------------------


@pytest.mark.parametrize("how", RESTS)
def test_a_line_is_booked_once(teller: Teller, how: str) -> None:
    asked = teller.requested(500)
    first = teller.book(credit(500, UTR, asked))
    teller.rest(how)
    told = teller.told(credit(500, UTR))
    no_row(teller, told, Result.ALREADY_BOOKED)
    assert told.other == first.sequence
    differs = teller.told(credit(501, UTR, asked))
    assert (differs.result, differs.other) == (Result.BOOKED_DIFFERS, first.sequence)
    row = teller.ledger.row(differs.sequence)
    assert (row.result, row.total) == (Result.BOOKED_DIFFERS, first.sequence)
    assert (row.debit, row.credit, row.flags) == (BANK, 0, RowFlag(0))
    teller.rest(how)
    # The first word counts; what contradicts it has claimed nothing.
    again = teller.told(credit(501, UTR))
    assert (again.result, again.other) == (Result.BOOKED_DIFFERS, first.sequence)
    no_row(teller, teller.told(credit(500, UTR)), Result.ALREADY_BOOKED)
    assert (teller.balance(WALLET), teller.balance(BANK)) == (500, -500)


def test_what_contradicts_is_answered_again(teller: Teller) -> None:
    teller.book(credit(500, UTR))
    asked = teller.propose(*teller.makers(), credit(501, UTR))
    assert teller.approve(BETA, asked).result == OK
    [told], [again] = teller.lines(asked, 1, BETA), teller.lines(asked, 1, BETA)
    assert told.result == again.result == Result.BOOKED_DIFFERS
    assert (again.sequence, again.repeat) == (told.sequence, 1)


def test_each_part_of_a_key_makes_another_line(teller: Teller) -> None:
    lines = [
        make(500, UTR, flags=flags, account=account)
        for make in (credit, debit)
        for flags in (0, REVERSAL)
        for account in (BANK, OTHER)
    ]
    lines.append(credit(500, UTR + b"A"))
    for line in lines:
        teller.book(line)
    for line in lines:
        no_row(teller, teller.told(line), Result.ALREADY_BOOKED)
    assert teller.balance(OTHER_SUSPENSE) == 1_000
    assert teller.balance(OTHER_TRANSIT) == -1_000
    assert teller.balance(BANK) == -500


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
def test_lines_that_are_none(teller: Teller, line: Line) -> None:
    [told] = teller.commit(teller.proposal(*teller.makers(), [line]))
    amount = Result.INVALID_AMOUNT, Result.INVALID_RECORD
    assert told.result in (amount if line.amount > 10**18 else amount[1:])


def test_as_much_as_a_bank_may_write(teller: Teller) -> None:
    row = teller.book(credit(5, UTR, tail=b"x" * 1_024))
    assert len(teller.ledger.tail(row.sequence)) == 1_024
    assert teller.book(credit(5, b"OTHER")).flags == CLAIM


def test_accounts_that_no_bank_keeps(teller: Teller) -> None:
    unknown, wrong = Result.ACCOUNT_UNKNOWN, Result.ACCOUNT_KIND_WRONG
    for make in (credit, debit):
        for account in (99, 2**32 - 1):
            no_row(teller, teller.told(make(5, UTR, account=account)), unknown)
        for account in (BANK_SUSPENSE, TRANSIT, WALLET, FLOAT):
            no_row(teller, teller.told(make(5, UTR, account=account)), wrong)
    teller.open(
        (1, 90, AccountKind.BANK),
        (1, 91, AccountKind.BANK_SUSPENSE),
        (1, 92, AccountKind.BANK_TRANSIT),
    )
    account = teller.ledger.find_account(1, 90)
    no_row(teller, teller.told(credit(5, UTR, account=account)), wrong)


def test_sums_that_no_account_holds(teller: Teller) -> None:
    for number in range(18):
        teller.book(credit(10**18, b"MUCH%d" % number))
    no_row(teller, teller.told(credit(10**18, b"MORE")), Result.OVERFLOWS)
    teller.book(credit(4 * 10**17, b"MORE"))


# --- lines to the debit --------------------------------------------------------------


def funded(teller: Teller) -> None:
    """There is something to pay out."""
    teller.tell(top_up(10_000, b"FIRST"), transfer(5_000, WALLET, SETTLEMENT))


def payout(teller: Teller) -> tuple[int, int]:
    """A release from a settlement account: its sequence, and its amount."""
    funded(teller)
    return teller.told(transfer(700, SETTLEMENT, TRANSIT)).sequence, 700


def sent_back(teller: Teller) -> tuple[int, int]:
    """A release from a bank suspense account."""
    item = teller.book(credit(300, b"WRONG"))
    told = teller.told(ending(item.sequence, 300, BANK_SUSPENSE, TRANSIT))
    assert told.result == OK
    return told.sequence, 300


@pytest.mark.parametrize("how", RESTS)
@pytest.mark.parametrize("release", [payout, sent_back])
def test_a_release_is_booked_once(
    teller: Teller,
    how: str,
    release: Callable[[Teller], tuple[int, int]],
) -> None:
    released, amount = release(teller)
    assert teller.balance(TRANSIT) == amount
    bank = teller.balance(BANK)
    teller.rest(how)
    for number, line in enumerate(
        [
            debit(amount - 1, b"LESS", released),
            debit(amount, b"BACK", released, flags=REVERSAL),
            debit(amount, b"OTHER", released, account=OTHER),
        ]
    ):
        row = teller.book(line)
        assert row.flags & MATCHED == 0, number
        assert row.debit == (TRANSIT if line.credit == BANK else OTHER_TRANSIT)
    row = teller.book(debit(amount, UTR, released))
    assert (row.debit, row.credit, row.flags) == (TRANSIT, BANK, CLAIM | MATCHED)
    assert teller.ledger.link(released, Link.MATCHED) == row.sequence
    teller.rest(how)
    assert MATCHED not in teller.book(debit(amount, b"TWICE", released)).flags
    assert teller.balance(TRANSIT) == amount - (4 * amount - 1)
    assert teller.balance(BANK) == bank + 4 * amount - 1


def test_what_ends_a_debit_is_no_release(teller: Teller) -> None:
    funded(teller)
    item = teller.book(debit(200, UTR))
    told = teller.told(ending(item.sequence, 200, SETTLEMENT, TRANSIT))
    assert told.result == OK
    assert MATCHED not in teller.book(debit(200, b"NEXT", told.sequence)).flags


def test_a_request_is_none_of_a_debits(teller: Teller) -> None:
    row = teller.book(debit(500, UTR, teller.requested(500)))
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
    teller = Teller(tmp_path / "ledger").begin()
    lines = [register(GAMMA.record()), register(bank_account(NUMBER, 1, 16, active=0))]
    for line in lines:
        two = teller.propose(*teller.makers(), line)
        assert RowFlag.THIRD not in teller.ledger.row(two.sequence).flags
    teller.do(register(GAMMA.record()))
    # Now three may approve; there are no thresholds.
    for line in lines:
        asked = teller.propose(*teller.makers(), top_up(5, b"UTR"), line)
        assert RowFlag.THIRD in teller.ledger.row(asked.sequence).flags
    other = teller.propose(*teller.makers(), top_up(5, b"UTR"))
    assert RowFlag.THIRD not in teller.ledger.row(other.sequence).flags
    assert teller.approve(BETA, asked).result == OK
    no_row(teller, teller.lines(asked, 1, BETA)[0], Result.NOT_APPROVED)
    assert teller.approve(GAMMA, asked).result == OK
    told = teller.lines(asked, 2, GAMMA)
    assert [each.result for each in told] == [OK, OK]
    # Again two, as one of the three is off: by three, for the last time.
    off = teller.propose(*teller.makers(), register(GAMMA.record(active=0)))
    assert RowFlag.THIRD in teller.ledger.row(off.sequence).flags
    assert teller.approve(BETA, off).result == OK
    assert teller.approve(GAMMA, off).result == OK
    assert teller.lines(off, 1, GAMMA)[0].result == OK
    two = teller.propose(*teller.makers(), register(bank_account(NUMBER, 1, 16)))
    assert RowFlag.THIRD not in teller.ledger.row(two.sequence).flags
    assert teller.balance(SUSPENSE) == 0
    teller.close()
