"""Goal: what a bank has booked and nothing explains is ended by people, once, whole.

Method: credits in bank suspense and debits in bank transit are ended by each transfer
that may, and by each that may not; what else could move a bank's three accounts is
asked for and refused. The ledger is opened again between an item and its end.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from switch.codes import AccountKind, Kind, Link, Result, RowFlag
from tests.core.cashier import (
    BANK,
    BANK_SUSPENSE,
    OTHER_SUSPENSE,
    OTHER_TRANSIT,
    REVERSAL,
    TRANSIT,
    Cashier,
    credit,
    debit,
    ending,
    transfer,
)
from tests.core.council import (
    BETA,
    BILLER,
    FLOAT,
    HEAD,
    OK,
    SETTLEMENT,
    SUSPENSE,
    WALLET,
    no_row,
    top_up,
)
from tests.signing import Line

UTR = b"ALPHA0000000001"
CLOSED = 13
"""A wallet that is closed."""


@pytest.fixture
def cashier(tmp_path: Path) -> Iterator[Cashier]:
    """A ledger with money on a wallet, on settlement, on suspense and in transit."""
    made = Cashier(tmp_path / "ledger").begin()
    made.open((1, 3, AccountKind.SUSPENSE), (BILLER, 9, AccountKind.WALLET))
    made.tell(
        top_up(10_000, b"FIRST"),
        transfer(3_000, WALLET, SETTLEMENT),
        transfer(3_000, WALLET, SUSPENSE),
    )
    made.do(Line(Kind.CLOSE, debit=CLOSED, reference=b"why"))
    yield made
    before = made.state()
    made.rebuild()
    assert made.state() == before
    made.close()


def open_credit(cashier: Cashier, amount: int = 500, flags: int = 0) -> int:
    return int(cashier.book(credit(amount, UTR, flags=flags)).sequence)


def open_debit(cashier: Cashier, amount: int = 500, flags: int = 0) -> int:
    return int(cashier.book(debit(amount, UTR, flags=flags)).sequence)


CREDIT_ENDS = {
    "a wallet": (BANK_SUSPENSE, WALLET),
    "a settlement account": (BANK_SUSPENSE, SETTLEMENT),
    "a suspense account": (BANK_SUSPENSE, SUSPENSE),
    "its transit account": (BANK_SUSPENSE, TRANSIT),
}
DEBIT_ENDS = {
    "from a wallet": (WALLET, TRANSIT),
    "from a settlement account": (SETTLEMENT, TRANSIT),
    "from a suspense account": (SUSPENSE, TRANSIT),
}


def check_end(cashier: Cashier, item: int, from_: int, to: int) -> None:
    """The item ends by this, and by nothing else."""
    images, _ = cashier.ledger.accounts()
    cases = images["cases_count"].tolist()
    balances = cashier.balance(from_), cashier.balance(to)
    cashier.catch_up()
    cashier.reopen()
    told = cashier.told(ending(item, 500, from_, to))
    assert told.result == OK, told
    assert (cashier.balance(from_), cashier.balance(to)) == (
        balances[0] - 500,
        balances[1] + 500,
    )
    row = cashier.ledger.row(told.sequence)
    assert (row.flags, row.resolves) == (RowFlag(0), item)
    assert cashier.ledger.link(item, Link.ENDING) == told.sequence
    assert cashier.ledger.accounts()[0]["cases_count"].tolist() == cases
    cashier.reopen()
    again = cashier.told(ending(item, 500, from_, to))
    no_row(cashier, again, Result.CASE_CLOSED)
    assert again.other == told.sequence


@pytest.mark.parametrize("flags", [0, REVERSAL])
@pytest.mark.parametrize(("from_", "to"), CREDIT_ENDS.values(), ids=CREDIT_ENDS)
def test_a_credit_ends_in(cashier: Cashier, from_: int, to: int, flags: int) -> None:
    check_end(cashier, open_credit(cashier, flags=flags), from_, to)
    assert cashier.balance(BANK_SUSPENSE) == 0


@pytest.mark.parametrize("flags", [0, REVERSAL])
@pytest.mark.parametrize(("from_", "to"), DEBIT_ENDS.values(), ids=DEBIT_ENDS)
def test_a_debit_ends(cashier: Cashier, from_: int, to: int, flags: int) -> None:
    check_end(cashier, open_debit(cashier, flags=flags), from_, to)
    assert cashier.balance(TRANSIT) == 0


@pytest.mark.parametrize("to", [FLOAT, HEAD, BANK, OTHER_TRANSIT, 99, OTHER_SUSPENSE])
def test_a_credit_does_not_end_in(cashier: Cashier, to: int) -> None:
    item = open_credit(cashier)
    told = cashier.told(ending(item, 500, BANK_SUSPENSE, to))
    no_row(cashier, told, Result.ACCOUNT_KIND_WRONG)


@pytest.mark.parametrize("from_", [FLOAT, HEAD, BANK, OTHER_TRANSIT, TRANSIT, 99])
def test_a_debit_does_not_end_from(cashier: Cashier, from_: int) -> None:
    item = open_debit(cashier)
    cashier.book(credit(500, b"OTHER"))
    for account in (from_, BANK_SUSPENSE):
        told = cashier.told(ending(item, 500, account, TRANSIT))
        no_row(cashier, told, Result.ACCOUNT_KIND_WRONG)


def test_an_item_of_another_account(cashier: Cashier) -> None:
    item = open_credit(cashier)
    cashier.book(credit(500, UTR, account=9))
    wrong = Result.ACCOUNT_KIND_WRONG
    no_row(cashier, cashier.told(ending(item, 500, OTHER_SUSPENSE, WALLET)), wrong)
    gone = cashier.book(debit(500, UTR)).sequence
    no_row(cashier, cashier.told(ending(gone, 500, WALLET, OTHER_TRANSIT)), wrong)
    # Each by what only the other may.
    no_row(cashier, cashier.told(ending(item, 500, WALLET, TRANSIT)), wrong)
    no_row(cashier, cashier.told(ending(gone, 500, BANK_SUSPENSE, WALLET)), wrong)


def test_what_is_no_item(cashier: Cashier) -> None:
    asked = cashier.requested(500)
    matched = cashier.book(credit(500, UTR, asked)).sequence
    differs = cashier.told(credit(400, UTR)).sequence
    cashier.book(credit(500, b"OTHER"))
    topped = cashier.told(top_up(500, b"SECOND")).sequence
    for number in (matched, differs, asked, topped, 10**6):
        told = cashier.told(ending(number, 500, BANK_SUSPENSE, WALLET))
        no_row(cashier, told, Result.CASE_NOT_FOUND)


def test_an_item_ends_whole(cashier: Cashier) -> None:
    item = open_credit(cashier)
    for amount in (499, 501):
        told = cashier.told(ending(item, amount, BANK_SUSPENSE, WALLET))
        no_row(cashier, told, Result.NET_DIFFERS)


def test_then_it_is_asked_as_any_transfer(cashier: Cashier) -> None:
    item = open_credit(cashier)
    told = cashier.told(ending(item, 500, BANK_SUSPENSE, CLOSED))
    no_row(cashier, told, Result.CREDIT_CLOSED)
    gone = open_debit(cashier, 5_000)
    told = cashier.told(ending(gone, 5_000, WALLET, TRANSIT))
    no_row(cashier, told, Result.INSUFFICIENT_FUNDS)
    told = cashier.told(ending(gone, 5_000, CLOSED, TRANSIT))
    no_row(cashier, told, Result.DEBIT_CLOSED)
    # What was refused can be done, once there is enough.
    assert cashier.told(top_up(4_000, b"SECOND")).result == OK
    assert cashier.told(ending(gone, 5_000, WALLET, TRANSIT)).result == OK


def test_an_ending_is_a_line(cashier: Cashier) -> None:
    item = open_credit(cashier)
    row = cashier.row(
        Kind.TRANSFER,
        amount=500,
        resolves=item,
        debit=BANK_SUSPENSE,
        credit=WALLET,
        reference=b"why",
    )
    no_row(cashier, cashier.commit(row)[0], Result.NOT_APPROVED)


def test_the_reversal_of_a_top_up(cashier: Cashier) -> None:
    before = cashier.balance(WALLET)
    asked = cashier.requested(900)
    cashier.book(credit(900, UTR, asked))
    item = cashier.book(debit(900, UTR, flags=REVERSAL)).sequence
    assert cashier.told(ending(item, 900, WALLET, TRANSIT)).result == OK
    assert (cashier.balance(WALLET), cashier.balance(BANK)) == (before, 0)
    assert cashier.balance(TRANSIT) == 0


MOVED = (WALLET, HEAD, FLOAT, SUSPENSE, SETTLEMENT, BANK, BANK_SUSPENSE, TRANSIT)


@pytest.mark.parametrize("other", MOVED)
@pytest.mark.parametrize("own", [BANK, BANK_SUSPENSE, TRANSIT])
def test_no_other_transfer_moves_them(cashier: Cashier, own: int, other: int) -> None:
    cashier.book(credit(500, UTR))
    item = cashier.book(debit(500, UTR)).sequence
    moves: list[Callable[[int, int], Line]] = [
        lambda from_, to: transfer(5, from_, to),
        lambda from_, to: ending(item, 5, from_, to),
    ]
    for place, make in enumerate(moves):
        for from_, to in ((own, other), (other, own)):
            told = cashier.told(make(from_, to))
            if (from_, to) == (SETTLEMENT, TRANSIT) and place == 0:
                assert told.result == OK
                continue
            no_row(cashier, told, told.result)
            same = from_ == to and place == 0
            wrong = {Result.ACCOUNTS_MUST_DIFFER if same else Result.ACCOUNT_KIND_WRONG}
            if place:
                # What is neither a correction, an advance, a recovery nor an ending.
                wrong |= {Result.NOT_APPROVED, Result.NET_DIFFERS}
            if place and from_ == TRANSIT:
                # It would be a recall, and names no release.
                wrong.add(Result.CASE_NOT_FOUND)
            assert told.result in wrong, (from_, to, place)


def test_a_top_up_leaves_them_alone(cashier: Cashier) -> None:
    for from_, to in ((BANK, WALLET), (FLOAT, BANK), (FLOAT, BANK_SUSPENSE)):
        line = Line(Kind.TOP_UP, 5, debit=from_, credit=to, reference=b"NO")
        no_row(cashier, cashier.told(line), Result.ACCOUNT_KIND_WRONG)


def test_ended_by_two_in_one_request(cashier: Cashier) -> None:
    item = open_credit(cashier)
    asked = cashier.propose(
        *cashier.makers(),
        ending(item, 500, BANK_SUSPENSE, WALLET),
        ending(item, 500, BANK_SUSPENSE, SUSPENSE),
    )
    assert cashier.approve(BETA, asked).result == OK
    told = cashier.lines(asked, 2, BETA)
    assert [each.result for each in told] == [OK, Result.CASE_CLOSED]
    assert told[1].other == told[0].sequence


def test_a_wallet_has_what_was_credited_by_hand_once(cashier: Cashier) -> None:
    """The line that comes behind goes wherever else an item may."""
    by_hand = cashier.told(top_up(500, UTR.lower())).sequence
    item = open_credit(cashier)
    told = cashier.told(ending(item, 500, BANK_SUSPENSE, WALLET))
    no_row(cashier, told, Result.UTR_ALREADY_CREDITED)
    assert told.other == by_hand
    assert cashier.told(ending(item, 500, BANK_SUSPENSE, SETTLEMENT)).result == OK
    # What was taken back has another one's reference, and is no second credit of it.
    back = open_credit(cashier, flags=REVERSAL)
    assert cashier.told(ending(back, 500, BANK_SUSPENSE, WALLET)).result == OK
