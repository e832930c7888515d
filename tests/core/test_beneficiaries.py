"""Goal: what a biller is owed goes to the account at a bank that people have registered
for it, to no other, and not so soon after a change that nobody has seen it.

Method: beneficiaries are registered, changed and switched off by proposals of two and
of three; payouts name none, another row, an older one, the newest, at each nanosecond
around the end of the wait, with thresholds that say another one. What bank and ledger
say of a payout goes on over openings, with the index and without.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch.codes import (
    BENEFICIARY_WAIT_S,
    WAIT_MAX_S,
    AccountKind,
    Kind,
    Link,
    Record,
    Result,
    RowFlag,
)
from tests.core.cashier import (
    BANK,
    CHANNEL,
    MATCHED,
    NUMBER,
    OTHER_TRANSIT,
    RESTS,
    TRANSIT,
    Cashier,
    bank_account,
    beneficiary,
    debit,
    ended,
    ending,
    thresholds,
    transfer,
    without_people,
)
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    FLOAT,
    GAMMA,
    HEAD,
    OK,
    SECOND_NS,
    SETTLEMENT,
    SUSPENSE,
    WALLET,
    Asked,
    Council,
    no_row,
    register,
    top_up,
)
from tests.records import Outcome
from tests.signing import Line

UTR = b"ALPHA0000000001"
WRONG, WAITS = Result.BENEFICIARY_WRONG, Result.BENEFICIARY_WAITS
EXCEEDS = Result.EXCEEDS_SETTLED
NOT_APPROVED = Result.NOT_APPROVED
SECOND_HEAD = 12
WAIT_NS = BENEFICIARY_WAIT_S * SECOND_NS


@pytest.fixture
def cashier(tmp_path: Path) -> Iterator[Cashier]:
    """10,000 on settlement, and a biller with two accounts."""
    made = Cashier(tmp_path / "ledger").begin()
    made.open((BILLER, 1, AccountKind.BILLER))
    made.tell(top_up(20_000, b"FIRST"))
    made.settle(10_000)
    yield made
    ended(made)


def registered(cashier: Cashier, tail: bytes = beneficiary(HEAD)) -> int:
    """The sequence of a beneficiary's row."""
    told = cashier.told(register(tail))
    assert told.result == OK, told
    return told.sequence


def wanted(cashier: Cashier, line: Line) -> Asked:
    """A proposal of one line that is approved."""
    asked = cashier.propose(ALPHA, line)
    assert cashier.approve(BETA, asked).result == OK
    return asked


def at(cashier: Cashier, asked: Asked, time_ns: int) -> Outcome:
    """Its row, asked for at this time."""
    cashier.now = time_ns
    return cashier.commit(cashier.line(asked, 0, BETA), ns=0)[0]


def payout(resolves: int = 0, amount: int = 700, to: int = TRANSIT) -> Line:
    """A line that pays out what was settled."""
    return ending(resolves, amount, SETTLEMENT, to)


def is_wrong(cashier: Cashier, resolves: int, other: int = 0) -> None:
    told = cashier.told(payout(resolves))
    no_row(cashier, told, WRONG)
    assert told.other == other


# --- the register --------------------------------------------------------------------


def test_one_is_asked_in_this_order(cashier: Cashier) -> None:
    for account in (99, 2**32 - 1):
        told = cashier.told(register(beneficiary(account)))
        no_row(cashier, told, Result.ACCOUNT_UNKNOWN)
    for account in (FLOAT, SUSPENSE, SETTLEMENT, WALLET, BANK, TRANSIT):
        told = cashier.told(register(beneficiary(account)))
        no_row(cashier, told, Result.ACCOUNT_KIND_WRONG)
    assert cashier.ledger.records(Record.BENEFICIARY).tolist() == [0]
    assert cashier.told(payout()).result == OK


@pytest.mark.parametrize("how", RESTS)
def test_each_is_found_by_its_account(cashier: Cashier, how: str) -> None:
    first = cashier.told(register(beneficiary(SECOND_HEAD)))
    second = cashier.told(register(beneficiary(HEAD)))
    assert (first.index, second.index) == (1, 2)
    assert RowFlag.UPDATE not in cashier.ledger.row(second.sequence).flags
    cashier.rest(how)
    # Another number, another bank, off: it stays the same one's.
    for tail in (
        beneficiary(HEAD, b"1"),
        beneficiary(HEAD, b"1", b"CASH0000001"),
        beneficiary(HEAD, active=0),
        beneficiary(HEAD, active=0) + b'{"name_en":"BILLER"}',
    ):
        told = cashier.told(register(tail))
        assert (told.result, told.index) == (OK, 2)
        assert RowFlag.UPDATE in cashier.ledger.row(told.sequence).flags
        cashier.rest(how)
        newest = cashier.ledger.records(Record.BENEFICIARY).tolist()
        assert newest == [0, first.sequence, told.sequence]


@pytest.mark.parametrize(
    "tail",
    [
        beneficiary(0),
        beneficiary(HEAD, active=2),
        beneficiary(HEAD, b""),
        beneficiary(HEAD, b"a1"),
        beneficiary(HEAD, b"N" * 35),
        beneficiary(HEAD, b"1\x002"),
        beneficiary(HEAD, b"1 2"),
        beneficiary(HEAD, ifsc=b""),
        beneficiary(HEAD, ifsc=b"BANK1AB1234"),
        beneficiary(HEAD, ifsc=b"BANKOAB1234"),
        beneficiary(HEAD, ifsc=b"BAN10AB1234"),
        beneficiary(HEAD, ifsc=b"bANK0AB1234"),
        beneficiary(HEAD, ifsc=b"BANK0AB123"),
        beneficiary(HEAD, ifsc=b"BANK0AB12345"),
        beneficiary(HEAD, ifsc=b"BANK0AB123a"),
        beneficiary(HEAD)[:-1],
        beneficiary(HEAD)[:-1] + b"\1",
        beneficiary(HEAD)[:2] + b"\1" + beneficiary(HEAD)[3:],
        beneficiary(HEAD)[:3] + b"\1" + beneficiary(HEAD)[4:],
        thresholds(wait_s=WAIT_MAX_S + 1),
        thresholds(wait_s=2**32 - 1),
        thresholds()[:1] + b"\x16" + thresholds()[2:],
        thresholds()[:2] + b"\1" + thresholds()[3:],
        thresholds()[:3] + b"\1" + thresholds()[4:],
    ],
)
def test_records_that_are_none(cashier: Cashier, tail: bytes) -> None:
    [told] = cashier.commit(cashier.proposal(ALPHA, [register(tail)]))
    no_row(cashier, told, Result.INVALID_RECORD)


@pytest.mark.parametrize(
    "tail",
    [
        beneficiary(HEAD, b"A" * 34, b"ZZZZ0ZZZZZZ"),
        beneficiary(HEAD, b"0", b"ABCD0000000"),
        thresholds(wait_s=WAIT_MAX_S),
        thresholds(wait_s=1),
    ],
)
def test_records_that_are(cashier: Cashier, tail: bytes) -> None:
    assert cashier.told(register(tail)).result == OK


def test_two_people_want_it(cashier: Cashier) -> None:
    """To switch one off as well: it is no stop."""
    registered(cashier)
    for tail in (beneficiary(SECOND_HEAD), beneficiary(HEAD, active=0)):
        told = cashier.ask(Kind.REGISTER, who=ALPHA, tail=tail)
        no_row(cashier, told, NOT_APPROVED)
        [told] = cashier.commit(cashier.proposal(CHANNEL, [register(tail)]))
        no_row(cashier, told, Result.NOT_SIGNED)


def test_three_want_it_where_there_are_three(cashier: Cashier) -> None:
    two = cashier.propose(ALPHA, register(beneficiary(HEAD)))
    assert RowFlag.THIRD not in cashier.ledger.row(two.sequence).flags
    cashier.do(register(GAMMA.record()))
    for lines in (
        [register(beneficiary(HEAD))],
        [top_up(5, b"UTR"), register(beneficiary(HEAD, active=0))],
    ):
        three = cashier.propose(ALPHA, *lines)
        assert RowFlag.THIRD in cashier.ledger.row(three.sequence).flags
    plain = cashier.propose(ALPHA, payout())
    assert RowFlag.THIRD not in cashier.ledger.row(plain.sequence).flags


@pytest.mark.parametrize("how", RESTS)
def test_what_was_proposed_before_does_not_undo_it(cashier: Cashier, how: str) -> None:
    first = registered(cashier)
    early = wanted(cashier, register(beneficiary(HEAD, b"EARLY")))
    other = wanted(cashier, register(beneficiary(SECOND_HEAD)))
    late = registered(cashier, beneficiary(HEAD, b"LATE"))
    assert late > first
    cashier.rest(how)
    no_row(cashier, cashier.lines(early, 1, BETA)[0], NOT_APPROVED)
    assert cashier.lines(other, 1, BETA)[0].result == OK


def test_one_proposal_speaks_of_each_once(cashier: Cashier) -> None:
    tails = beneficiary(HEAD), beneficiary(SECOND_HEAD), beneficiary(HEAD, b"2")
    told = cashier.tell(*(register(tail) for tail in tails))
    assert [each.result for each in told] == [OK, OK, NOT_APPROVED]


# --- payouts -------------------------------------------------------------------------


def test_before_the_first_one_it_names_nothing(cashier: Cashier) -> None:
    told = cashier.told(payout())
    assert told.result == OK
    assert cashier.ledger.row(told.sequence).resolves == 0
    banks = cashier.ledger.records(Record.BANK_ACCOUNT).tolist()
    for sequence in (*banks[1:], 1):
        is_wrong(cashier, sequence)
    no_row(cashier, cashier.told(payout(told.sequence)), Result.CASE_NOT_FOUND)


@pytest.mark.parametrize("how", RESTS)
def test_then_it_names_the_newest_row(cashier: Cashier, how: str) -> None:
    old = registered(cashier)
    new = registered(cashier, beneficiary(HEAD, b"2"))
    other = registered(cashier, beneficiary(SECOND_HEAD, active=0))
    cashier.now += WAIT_NS
    bank = int(cashier.ledger.records(Record.BANK_ACCOUNT)[1])
    top = cashier.told(top_up(5, b"SECOND")).sequence
    cashier.rest(how)
    is_wrong(cashier, 0)
    is_wrong(cashier, bank)
    is_wrong(cashier, old, new)
    is_wrong(cashier, other, other)
    for sequence in (top, 10**6, cashier.ledger.sequence + 3):
        told = cashier.told(payout(sequence))
        no_row(cashier, told, Result.CASE_NOT_FOUND)
    told = cashier.told(payout(new))
    assert (told.result, told.other) == (OK, 0)
    row = cashier.ledger.row(told.sequence)
    assert (row.resolves, row.flags, row.total > 0) == (new, RowFlag(0), True)
    cashier.rest(how)
    assert cashier.ledger.link(new, Link.PAYOUT) == told.sequence
    assert cashier.ledger.link(new, Link.ENDING) == 0
    again = cashier.told(payout(new, 300, OTHER_TRANSIT))
    assert again.result == OK
    assert cashier.ledger.link(new, Link.PAYOUT) == again.sequence
    assert cashier.balance(SETTLEMENT) == 9_000


def test_what_is_asked_behind_it(cashier: Cashier) -> None:
    new = registered(cashier)
    cashier.now += WAIT_NS
    no_row(cashier, cashier.told(payout(new, 10_001)), EXCEEDS)
    assert cashier.told(transfer(1, SETTLEMENT, SUSPENSE)).result == OK
    told = cashier.told(payout(new, 10_000))
    no_row(cashier, told, Result.INSUFFICIENT_FUNDS)
    assert cashier.told(transfer(1, SUSPENSE, SETTLEMENT)).result == OK
    assert cashier.told(payout(new, 10_000)).result == OK
    # Whose row it names is asked before.
    is_wrong(cashier, 0)


def test_its_other_transfers_name_none(cashier: Cashier) -> None:
    """What goes elsewhere from a settlement account, or to a bank from elsewhere."""
    new = registered(cashier)
    cashier.now += WAIT_NS
    assert cashier.told(transfer(5, SETTLEMENT, SUSPENSE)).result == OK
    told = cashier.told(ending(new, 5, SETTLEMENT, SUSPENSE))
    no_row(cashier, told, NOT_APPROVED)
    for from_ in (WALLET, SUSPENSE):
        told = cashier.told(ending(new, 5, from_, TRANSIT))
        no_row(cashier, told, Result.CASE_NOT_FOUND)


@pytest.mark.parametrize("how", RESTS)
@pytest.mark.parametrize("wait_s", [0, 1, 3_600, 2 * 86_400])
def test_it_waits(cashier: Cashier, wait_s: int, how: str) -> None:
    if wait_s:
        cashier.do(register(thresholds(wait_s=wait_s)))
    new = registered(cashier)
    time_ns = cashier.ledger.row(new).timestamp
    asked = wanted(cashier, payout(new))
    cashier.rest(how)
    end = time_ns + (wait_s or BENEFICIARY_WAIT_S) * SECOND_NS
    if wait_s != 1:
        for early in (end - 10 * SECOND_NS, end - 1):
            told = at(cashier, asked, early)
            no_row(cashier, told, WAITS)
            assert told.other == new
    told = at(cashier, asked, max(end, cashier.now + 1))
    assert told.result == OK, told


def test_what_thresholds_say_now_counts(cashier: Cashier) -> None:
    """Not what they said when it was changed; 0 is a day again."""
    cashier.do(register(GAMMA.record()))
    new = cashier.do(register(beneficiary(HEAD)))[0].sequence
    asked = wanted(cashier, payout(new))
    begun = cashier.ledger.row(new).timestamp
    cashier.do(register(thresholds(wait_s=600)))
    no_row(cashier, at(cashier, asked, begun + 599 * SECOND_NS), WAITS)
    cashier.do(register(thresholds(wait_s=0)))
    no_row(cashier, at(cashier, asked, begun + 600 * SECOND_NS), WAITS)
    no_row(cashier, at(cashier, asked, begun + WAIT_NS - 1), WAITS)
    assert at(cashier, asked, begun + WAIT_NS).result == OK


def test_who_changes_it_waits_again(cashier: Cashier) -> None:
    first = registered(cashier)
    asked = wanted(cashier, payout(first))
    cashier.now += 2 * WAIT_NS
    new = registered(cashier, beneficiary(HEAD, b"THIEF1"))
    told = at(cashier, asked, cashier.now + 1)
    no_row(cashier, told, WRONG)
    assert told.other == new
    no_row(cashier, cashier.told(payout(new)), WAITS)
    # Put back it waits as well.
    again = registered(cashier)
    no_row(cashier, cashier.told(payout(again)), WAITS)
    no_row(cashier, cashier.told(payout(first)), WRONG)


def test_in_one_request(cashier: Cashier) -> None:
    """Of the rows that come before it in its own group it knows."""
    new = registered(cashier)
    cashier.now += WAIT_NS
    asked = wanted(cashier, payout(new))
    change = wanted(cashier, register(beneficiary(HEAD, b"2")))
    told = cashier.commit(cashier.line(change, 0, BETA), cashier.line(asked, 0, BETA))
    assert [each.result for each in told] == [OK, WRONG]
    assert told[1].other == told[0].sequence


# --- what the bank says of it --------------------------------------------------------


@pytest.mark.parametrize("how", RESTS)
def test_a_payout_is_booked_by_its_number(cashier: Cashier, how: str) -> None:
    new = registered(cashier)
    cashier.now += WAIT_NS
    told = cashier.told(payout(new))
    cashier.rest(how)
    row = cashier.book(debit(700, UTR, told.sequence))
    assert (row.debit, MATCHED in row.flags) == (TRANSIT, True)
    cashier.rest(how)
    assert cashier.ledger.link(told.sequence, Link.MATCHED) == row.sequence
    assert MATCHED not in cashier.book(debit(700, b"TWICE", told.sequence)).flags
    # The row of a beneficiary is no release.
    assert MATCHED not in cashier.book(debit(700, b"NONE", new)).flags


@pytest.mark.parametrize("how", RESTS)
def test_a_debit_is_ended_from_settlement_yet(cashier: Cashier, how: str) -> None:
    new = registered(cashier)
    cashier.now += WAIT_NS
    item = cashier.book(debit(700, UTR)).sequence
    cashier.rest(how)
    told = cashier.told(payout(item))
    assert told.result == OK
    cashier.rest(how)
    assert cashier.ledger.link(item, Link.ENDING) == told.sequence
    assert cashier.ledger.link(item, Link.PAYOUT) == 0
    # It is no release, either.
    assert MATCHED not in cashier.book(debit(700, b"NEXT", told.sequence)).flags
    no_row(cashier, cashier.told(payout(item)), Result.CASE_CLOSED)
    assert cashier.told(payout(new)).result == OK


# --- how many ------------------------------------------------------------------------


def test_there_are_many(cashier: Cashier) -> None:
    """More than a step of the index has rows."""
    count = 40
    cashier.open(*((BILLER, 10 + n, AccountKind.BILLER) for n in range(count)))
    accounts = range(SECOND_HEAD + 1, SECOND_HEAD + 1 + count)
    told = cashier.tell(*(register(beneficiary(each)) for each in accounts))
    assert [each.index for each in told] == [*range(1, count + 1)]
    cashier.now += WAIT_NS
    for how in RESTS:
        cashier.rest(how)
        rows = cashier.ledger.records(Record.BENEFICIARY).tolist()
        assert rows == [0, *(each.sequence for each in told)]
        cashier.settle(1, accounts[count - 1])
        assert cashier.told(payout(rows[count], 1)).result == OK
        one = cashier.told(register(beneficiary(accounts[7], b"NEW")))
        assert one.index == 8
        told[7] = one


# --- without people ------------------------------------------------------------------


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Council]:
    """A ledger without people, with money on settlement."""
    made = without_people(tmp_path / "ledger")
    told = made.ask(Kind.REGISTER, tail=bank_account(NUMBER, 1, 16))
    assert told.result == OK
    given: dict[str, Any] = {"debit": FLOAT, "credit": SETTLEMENT, "reference": b"x"}
    given["amount"] = 900
    assert made.ask(Kind.TRANSFER, **given).result == OK
    yield made
    made.close()


def settled(plain: Council, amount: int) -> None:
    """Of what lies in settlement so much is the biller's, and settled."""
    given: dict[str, Any] = {"amount": amount, "reference": b"given"}
    told = plain.ask(Kind.TRANSFER, debit=SETTLEMENT, credit=HEAD, **given)
    window = plain.ask(Kind.WINDOW, id=bytes(16), resolves=plain.ledger.last_window)
    given = {"amount": amount, "resolves": window.sequence}
    done = plain.ask(Kind.SETTLE, debit=HEAD, credit=SETTLEMENT, **given)
    assert [each.result for each in (told, window, done)] == [OK] * 3


def test_a_refused_payout_is_a_row(plain: Council) -> None:
    assert plain.ask(Kind.REGISTER, tail=beneficiary(99)).result == (
        Result.ACCOUNT_UNKNOWN
    )
    told = plain.ask(Kind.REGISTER, tail=beneficiary(HEAD))
    assert (told.result, told.index) == (OK, 1)
    given: dict[str, Any] = {"amount": 5, "reference": b"payout"}
    given |= {"debit": SETTLEMENT, "credit": TRANSIT}
    none = plain.ask(Kind.TRANSFER, **given)
    early = plain.ask(Kind.TRANSFER, resolves=told.sequence, **given)
    assert [(each.result, each.other) for each in (none, early)] == [
        (WRONG, 0),
        (WAITS, told.sequence),
    ]
    rows = [plain.ledger.row(each.sequence) for each in (none, early)]
    assert [row.total for row in rows] == [0, told.sequence]
    plain.now += WAIT_NS
    much = plain.ask(Kind.TRANSFER, resolves=told.sequence, **given)
    assert (much.result, much.other) == (EXCEEDS, 0)
    assert plain.ledger.row(much.sequence).total == 0
    settled(plain, 5)
    id_ = plain.id()
    for repeat in (0, 1):
        paid = plain.ask(Kind.TRANSFER, id=id_, resolves=told.sequence, **given)
        assert (paid.result, paid.repeat) == (OK, repeat)
        plain.catch_up()
        plain.reopen()
    assert plain.ledger.link(told.sequence, Link.PAYOUT) == paid.sequence
    off = plain.ask(Kind.REGISTER, tail=beneficiary(HEAD, active=0))
    wrong = plain.ask(Kind.TRANSFER, resolves=off.sequence, **given)
    assert (wrong.result, wrong.other) == (WRONG, off.sequence)


def test_one_that_was_refused_is_none(plain: Council) -> None:
    """Neither for a payout that names it, nor as the first one."""
    refused = plain.ask(Kind.REGISTER, tail=beneficiary(WALLET))
    assert refused.result == Result.ACCOUNT_KIND_WRONG
    given: dict[str, Any] = {"amount": 5, "reference": b"payout"}
    given |= {"debit": SETTLEMENT, "credit": TRANSIT}
    told = plain.ask(Kind.TRANSFER, resolves=refused.sequence, **given)
    assert told.result == Result.CASE_NOT_FOUND
    assert plain.ask(Kind.TRANSFER, **given).result == OK


def test_a_line_of_another_sender_is_none(cashier: Cashier) -> None:
    """What makes a payout is the line as it was proposed, its R as well."""
    new = registered(cashier)
    cashier.now += WAIT_NS
    asked = wanted(cashier, payout(new))
    row = cashier.line(asked, 0, BETA)
    for wrong in (
        replace(row, resolves=0),
        replace(row, amount=701),
        replace(row, credit=OTHER_TRANSIT),
    ):
        no_row(cashier, cashier.commit(wrong)[0], NOT_APPROVED)
    assert cashier.commit(row)[0].result == OK
