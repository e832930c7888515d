"""Goal: a network that comes from elsewhere begins with what its banks have, once.

Method: the accounts of banks are opened from a float and to it, before and after what
they have booked, registered and not; then the bank goes on from there.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import AccountKind, Kind, Result
from tests.core.cashier import (
    BANK,
    BANK_SUSPENSE,
    NUMBER,
    OTHER,
    RESTS,
    TRANSIT,
    Cashier,
    bank_account,
    credit,
    debit,
    ending,
    statement,
    transfer,
)
from tests.core.council import (
    FLOAT,
    HEAD,
    OK,
    SETTLEMENT,
    SUSPENSE,
    WALLET,
    no_row,
    register,
)
from tests.signing import Line

MOST = 10**18
KIND_WRONG = Result.ACCOUNT_KIND_WRONG


@pytest.fixture
def cashier(tmp_path: Path) -> Iterator[Cashier]:
    made = Cashier(tmp_path / "ledger").begin()
    yield made
    before = made.state()
    made.rebuild()
    assert made.state() == before
    made.close()


@pytest.mark.parametrize("how", RESTS)
@pytest.mark.parametrize("amount", [1, 500, MOST])
@pytest.mark.parametrize("has", [True, False])
def test_an_account_is_opened_once(
    cashier: Cashier, has: bool, amount: int, how: str
) -> None:
    """The bank has it, or it is the bank's."""
    from_, to = (BANK, FLOAT) if has else (FLOAT, BANK)
    assert cashier.told(transfer(amount, from_, to)).result == OK
    sign = -1 if has else 1
    assert cashier.balance(BANK) == sign * amount
    assert cashier.balance(FLOAT) == -sign * amount
    cashier.rest(how)
    for again in ((BANK, FLOAT), (FLOAT, BANK)):
        no_row(cashier, cashier.told(transfer(1, *again)), KIND_WRONG)
    # The other one has its own.
    assert cashier.told(transfer(3, OTHER, FLOAT)).result == OK
    assert cashier.told(statement(7, 7, 0)).result == OK


def test_the_bank_goes_on_from_there(cashier: Cashier) -> None:
    assert cashier.told(transfer(MOST, BANK, FLOAT)).result == OK
    told = cashier.told(credit(1, b"MORE"))
    no_row(cashier, told, Result.OVERFLOWS)
    cashier.book(debit(400, b"OUT"))
    cashier.book(credit(400, b"IN"))
    assert cashier.balance(BANK) == -MOST


def test_what_has_moved_is_not_opened(cashier: Cashier) -> None:
    """Not even where it has come back to zero."""
    cashier.book(credit(500, b"IN"))
    no_row(cashier, cashier.told(transfer(1, BANK, FLOAT)), KIND_WRONG)
    cashier.book(debit(500, b"OUT"))
    assert cashier.balance(BANK) == 0
    for from_, to in ((BANK, FLOAT), (FLOAT, BANK)):
        no_row(cashier, cashier.told(transfer(1, from_, to)), KIND_WRONG)


def test_it_is_between_these_two_alone(cashier: Cashier) -> None:
    others = (WALLET, HEAD, SUSPENSE, SETTLEMENT, BANK_SUSPENSE, TRANSIT, OTHER)
    for other in others:
        for from_, to in ((BANK, other), (other, BANK)):
            no_row(cashier, cashier.told(transfer(1, from_, to)), KIND_WRONG)
    for own in (BANK_SUSPENSE, TRANSIT):
        for from_, to in ((own, FLOAT), (FLOAT, own)):
            no_row(cashier, cashier.told(transfer(1, from_, to)), KIND_WRONG)
    # Nor does it speak of anything.
    for from_, to in ((BANK, FLOAT), (FLOAT, BANK)):
        told = cashier.told(ending(1, 1, from_, to))
        no_row(cashier, told, Result.NOT_APPROVED)


def test_one_that_nobody_has_registered(cashier: Cashier) -> None:
    cashier.open(
        (1, 70, AccountKind.BANK),
        (1, 71, AccountKind.BANK_SUSPENSE),
        (1, 72, AccountKind.BANK_TRANSIT),
    )
    bank = cashier.ledger.find_account(1, 70)
    no_row(cashier, cashier.told(transfer(5, bank, FLOAT)), KIND_WRONG)
    assert cashier.told(register(bank_account(b"NEW", 1, 70))).result == OK
    assert cashier.told(transfer(5, bank, FLOAT)).result == OK


def test_one_that_is_off(cashier: Cashier) -> None:
    off = register(bank_account(NUMBER, 1, 16, active=0))
    assert cashier.told(off).result == OK
    assert cashier.told(transfer(5, BANK, FLOAT)).result == OK


def test_the_others_begin_by_a_float(cashier: Cashier) -> None:
    """With what they have, and what they owe as far as they may."""
    for account in (WALLET, HEAD, SUSPENSE, SETTLEMENT):
        assert cashier.told(transfer(100, FLOAT, account)).result == OK
        assert cashier.told(transfer(100, account, FLOAT)).result == OK
        told = cashier.told(transfer(1, account, FLOAT))
        no_row(cashier, told, Result.INSUFFICIENT_FUNDS)


def test_two_people_want_it(cashier: Cashier) -> None:
    row = cashier.row(
        Kind.TRANSFER, amount=5, debit=BANK, credit=FLOAT, reference=b"opening"
    )
    no_row(cashier, cashier.commit(row)[0], Result.NOT_APPROVED)
    line = Line(Kind.TRANSFER, 5, 0, BANK, FLOAT, b"opening")
    assert cashier.told(line).result == OK
