"""Goal: a release that its bank has not debited comes back once, and no money twice.

Method: a ledger with people and two bank accounts is asked by hand: recalls of payouts
and of what goes back to a remitter, with each refusal, before and after a line of the
bank, and lines that name what was recalled. Between what waits and what comes the
ledger goes on, is indexed, opened again, or made anew from its journal.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from switch.codes import Link, Result, RowFlag
from tests.core.cashier import (
    BANK,
    BANK_SUSPENSE,
    MATCHED,
    OTHER_TRANSIT,
    RESTS,
    TRANSIT,
    Cashier,
    credit,
    debit,
    ended,
    ending,
    transfer,
)
from tests.core.council import OK, SETTLEMENT, SUSPENSE, WALLET, no_row, top_up

Released = tuple[int, int, int]
"""A release: its sequence, its amount, and where a recall of it goes."""


@pytest.fixture
def cashier(tmp_path: Path) -> Iterator[Cashier]:
    made = Cashier(tmp_path / "ledger").begin()
    made.tell(top_up(10_000, b"FIRST"), transfer(5_000, WALLET, SETTLEMENT))
    yield made
    ended(made)


def payout(cashier: Cashier) -> Released:
    told = cashier.told(transfer(700, SETTLEMENT, TRANSIT))
    return told.sequence, 700, SETTLEMENT


def sent_back(cashier: Cashier) -> Released:
    item = cashier.book(credit(300, b"WRONG"))
    told = cashier.told(ending(item.sequence, 300, BANK_SUSPENSE, TRANSIT))
    return told.sequence, 300, SUSPENSE


RELEASES = [payout, sent_back]


@pytest.mark.parametrize("how", RESTS)
@pytest.mark.parametrize("release", RELEASES)
def test_a_release_comes_back_once(
    cashier: Cashier, how: str, release: Callable[[Cashier], Released]
) -> None:
    released, amount, back = release(cashier)
    had = cashier.balance(back)
    assert cashier.balance(TRANSIT) == amount
    cashier.rest(how)
    told = cashier.told(ending(released, amount, TRANSIT, back))
    assert told.result == OK
    assert (cashier.balance(TRANSIT), cashier.balance(back)) == (0, had + amount)
    cashier.rest(how)
    assert cashier.ledger.link(released, Link.MATCHED) == told.sequence
    assert cashier.ledger.link(released, Link.ENDING) == 0
    again = cashier.told(ending(released, amount, TRANSIT, back))
    no_row(cashier, again, Result.CASE_CLOSED)
    assert again.other == told.sequence
    assert cashier.balance(back) == had + amount


@pytest.mark.parametrize("how", RESTS)
@pytest.mark.parametrize("release", RELEASES)
def test_what_the_bank_has_debited_stays(
    cashier: Cashier, how: str, release: Callable[[Cashier], Released]
) -> None:
    released, amount, back = release(cashier)
    row = cashier.book(debit(amount, b"PAID", released))
    assert MATCHED in row.flags
    cashier.rest(how)
    told = cashier.told(ending(released, amount, TRANSIT, back))
    no_row(cashier, told, Result.CASE_CLOSED)
    assert told.other == row.sequence


@pytest.mark.parametrize("how", RESTS)
def test_a_bank_that_pays_all_the_same_is_seen(cashier: Cashier, how: str) -> None:
    """Its line is an open item: nobody's money, until people say who has paid it."""
    released, amount, back = payout(cashier)
    assert cashier.told(ending(released, amount, TRANSIT, back)).result == OK
    cashier.rest(how)
    row = cashier.book(debit(amount, b"PAID", released))
    assert (row.debit, row.credit, MATCHED in row.flags) == (TRANSIT, BANK, False)
    assert cashier.balance(TRANSIT) == -amount
    cashier.rest(how)
    told = cashier.told(ending(row.sequence, amount, SETTLEMENT, TRANSIT))
    assert told.result == OK
    assert cashier.balance(TRANSIT) == 0
    # What ended the debit is no release that could come back.
    again = cashier.told(ending(told.sequence, amount, TRANSIT, SETTLEMENT))
    no_row(cashier, again, Result.CASE_NOT_FOUND)


def test_a_line_that_has_lost_the_number(cashier: Cashier) -> None:
    """The bank has paid, and does not say what: nothing is left in transit, and the
    release comes back although there is nothing any more.
    """
    released, amount, back = payout(cashier)
    had = cashier.balance(SETTLEMENT)
    row = cashier.book(debit(amount, b"LOST"))
    assert cashier.balance(TRANSIT) == 0
    assert cashier.told(ending(released, amount, TRANSIT, back)).result == OK
    assert cashier.balance(TRANSIT) == -amount
    assert cashier.told(ending(row.sequence, amount, SETTLEMENT, TRANSIT)).result == OK
    assert (cashier.balance(TRANSIT), cashier.balance(SETTLEMENT)) == (0, had)


def test_refusals(cashier: Cashier) -> None:
    released, amount, back = payout(cashier)
    returned, other, _ = sent_back(cashier)
    before = [cashier.balance(one) for one in range(1, 12)]
    cases = [
        (ending(released, amount - 1, TRANSIT, back), Result.NET_DIFFERS),
        (ending(released, amount + 1, TRANSIT, back), Result.NET_DIFFERS),
        (ending(released, amount, OTHER_TRANSIT, back), Result.ACCOUNT_KIND_WRONG),
        (ending(released, amount, TRANSIT, SUSPENSE), Result.ACCOUNT_KIND_WRONG),
        (ending(released, amount, TRANSIT, WALLET), Result.ACCOUNT_KIND_WRONG),
        (ending(released, amount, TRANSIT, BANK), Result.ACCOUNT_KIND_WRONG),
        (ending(returned, other, TRANSIT, SETTLEMENT), Result.ACCOUNT_KIND_WRONG),
        (ending(returned, other, TRANSIT, WALLET), Result.ACCOUNT_KIND_WRONG),
        (ending(1, amount, TRANSIT, back), Result.CASE_NOT_FOUND),
        (ending(10**9, amount, TRANSIT, back), Result.CASE_NOT_FOUND),
        # Without R nothing leaves it.
        (transfer(amount, TRANSIT, back), Result.ACCOUNT_KIND_WRONG),
    ]
    for line, result in cases:
        no_row(cashier, cashier.told(line), result)
    # The credit that is sent back is no release; what sends it is.
    item = cashier.ledger.row(returned).resolves
    told = cashier.told(ending(item, other, TRANSIT, SUSPENSE))
    no_row(cashier, told, Result.CASE_NOT_FOUND)
    owed = replace(ending(released, amount, TRANSIT, back), flags=int(RowFlag.OWED))
    no_row(cashier, cashier.told(owed), Result.ACCOUNT_KIND_WRONG)
    assert [cashier.balance(one) for one in range(1, 12)] == before


def test_a_recall_is_no_release(cashier: Cashier) -> None:
    released, amount, back = payout(cashier)
    told = cashier.told(ending(released, amount, TRANSIT, back))
    again = cashier.told(ending(told.sequence, amount, TRANSIT, back))
    no_row(cashier, again, Result.CASE_NOT_FOUND)
    assert MATCHED not in cashier.book(debit(amount, b"X", told.sequence)).flags


@pytest.mark.parametrize("first", [0, 1])
def test_in_one_request(cashier: Cashier, first: int) -> None:
    """Of two recalls, or a line and a recall, in one group the first counts."""
    released, amount, back = payout(cashier)
    lines = [debit(amount, b"PAID", released), ending(released, amount, TRANSIT, back)]
    told = cashier.tell(*(lines[first:] + lines[:first]), lines[1])
    if first == 0:
        closed = Result.CASE_CLOSED
        assert [each.result for each in told] == [OK, closed, closed]
        assert cashier.balance(TRANSIT) == 0
        return
    assert [each.result for each in told] == [OK, OK, Result.CASE_CLOSED]
    row = cashier.ledger.row(told[1].sequence)
    assert MATCHED not in row.flags
    assert cashier.balance(TRANSIT) == -amount
