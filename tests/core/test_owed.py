"""Goal: what a bank takes back is taken from a wallet that has spent it, and its centre
owes it; nothing else spends what is not there.

Method: a debit of the bank is ended from a wallet with and without the flag, with less
and with enough, with holds open; then each other transfer with the flag, in a ledger
with people and in one without; what comes in after it, and openings between.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch.codes import AccountKind, Field, Kind, Mode, Result, RowFlag
from tests.core.cashier import (
    BANK,
    BANK_SUSPENSE,
    RESTS,
    TRANSIT,
    Cashier,
    credit,
    debit,
    ended,
    ending,
    transfer,
    without_people,
)
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    CENTRE,
    FLOAT,
    HEAD,
    OK,
    SETTLEMENT,
    SUSPENSE,
    WALLET,
    Council,
    no_row,
    register,
    top_up,
)
from tests.records import Row, ServiceRecord
from tests.signing import Line

UTR = b"ALPHA0000000001"
OWED = int(RowFlag.OWED)
KIND_WRONG = Result.ACCOUNT_KIND_WRONG
CLOSED = 12
"""A wallet that is closed."""


@pytest.fixture
def cashier(tmp_path: Path) -> Iterator[Cashier]:
    """1,000 on a wallet, 200 on suspense, 300 on settlement, and a service."""
    made = Cashier(tmp_path / "ledger").begin()
    made.open((BILLER, 9, AccountKind.WALLET))
    made.tell(
        top_up(1_500, b"FIRST"),
        transfer(300, WALLET, SETTLEMENT),
        transfer(200, WALLET, SUSPENSE),
    )
    made.do(Line(Kind.CLOSE, debit=CLOSED, reference=b"why"))
    service = ServiceRecord(
        b"WATER", BILLER, (HEAD,), mode=Mode.CONFIRMED, deadline_s=3_600
    )
    service.deadline_policy = 2
    made.do(register(service.pack()))
    yield made
    ended(made)


def owed(item: int, amount: int, from_: int = WALLET, to: int = TRANSIT) -> Line:
    """An ending, whatever its wallet has."""
    return replace(ending(item, amount, from_, to), flags=OWED)


def taken_back(cashier: Cashier, amount: int) -> int:
    """The bank has taken so much back: the open item."""
    return int(cashier.book(debit(amount, UTR)).sequence)


def hold(cashier: Cashier, amount: int) -> Any:
    """A citizen's payment of a confirmed service."""
    return cashier.ask(
        Kind.HOLD,
        participant=CENTRE,
        debit=WALLET,
        service=1,
        amount=amount,
        reference=b"K%d" % next(cashier.numbers),
        deadline=3_600,
    )


# --- what is owed --------------------------------------------------------------------


@pytest.mark.parametrize("how", RESTS)
def test_a_wallet_owes_what_it_has_not(cashier: Cashier, how: str) -> None:
    item = taken_back(cashier, 1_700)
    told = cashier.told(ending(item, 1_700, WALLET, TRANSIT))
    no_row(cashier, told, Result.INSUFFICIENT_FUNDS)
    told = cashier.told(owed(item, 1_700))
    assert (told.result, told.balance) == (OK, 0)
    assert cashier.ledger.row(told.sequence).flags == RowFlag.OWED
    assert (cashier.balance(WALLET), cashier.balance(TRANSIT)) == (-700, 0)
    cashier.rest(how)
    assert cashier.balance(WALLET) == -700
    assert hold(cashier, 1).result == Result.INSUFFICIENT_FUNDS
    told = cashier.told(transfer(1, WALLET, SUSPENSE))
    no_row(cashier, told, Result.INSUFFICIENT_FUNDS)
    # What comes in makes up for it first.
    told = cashier.told(top_up(700, b"SECOND"))
    assert (told.result, told.balance) == (OK, 0)
    assert hold(cashier, 1).result == Result.INSUFFICIENT_FUNDS
    cashier.rest(how)
    assert cashier.told(top_up(50, b"THIRD")).balance == 50
    assert hold(cashier, 51).result == Result.INSUFFICIENT_FUNDS
    assert hold(cashier, 50).result == OK


def test_it_may_owe_more_and_more(cashier: Cashier) -> None:
    most = 10**18
    for number in range(3):
        cashier.book(credit(most, b"IN%d" % number))
        item = cashier.book(debit(most, b"OUT%d" % number)).sequence
        assert cashier.told(owed(item, most)).result == OK
    assert cashier.balance(WALLET) == 1_000 - 3 * most


def test_one_that_has_enough_owes_nothing(cashier: Cashier) -> None:
    item = taken_back(cashier, 1_000)
    told = cashier.told(owed(item, 1_000))
    assert (told.result, cashier.balance(WALLET)) == (OK, 0)


def test_what_was_held_before_is_paid_yet(cashier: Cashier) -> None:
    """What is pending was promised; what it owes is beside that."""
    first, second = hold(cashier, 600), hold(cashier, 300)
    assert (first.result, second.result) == (OK, OK)
    item = taken_back(cashier, 900)
    told = cashier.told(ending(item, 900, WALLET, TRANSIT))
    no_row(cashier, told, Result.INSUFFICIENT_FUNDS)
    assert cashier.told(owed(item, 900)).result == OK
    assert hold(cashier, 1).result == Result.INSUFFICIENT_FUNDS
    cashier.catch_up()
    cashier.reopen()
    row = Row(Kind.POST, resolves=first.sequence, amount=600, participant=BILLER)
    assert cashier.commit(row)[0].result == OK
    assert cashier.balance(WALLET) == -500
    row = Row(Kind.VOID, resolves=second.sequence, participant=BILLER)
    assert cashier.commit(row)[0].result == OK
    image, _ = cashier.ledger.account(WALLET)
    assert (int(image["debits_pending"]), cashier.balance(WALLET)) == (0, -500)


def test_one_that_owes_is_not_closed(cashier: Cashier) -> None:
    assert cashier.told(owed(taken_back(cashier, 1_001), 1_001)).result == OK
    line = Line(Kind.CLOSE, debit=WALLET, reference=b"why")
    no_row(cashier, cashier.told(line), Result.BALANCE_NOT_ZERO)


# --- what else is asked --------------------------------------------------------------


def test_it_is_an_ending_as_any(cashier: Cashier) -> None:
    item = taken_back(cashier, 5_000)
    other = cashier.told(top_up(5, b"NONE")).sequence
    no_row(cashier, cashier.told(owed(other, 5)), Result.CASE_NOT_FOUND)
    no_row(cashier, cashier.told(owed(10**6, 5)), Result.CASE_NOT_FOUND)
    no_row(cashier, cashier.told(owed(item, 4_999)), Result.NET_DIFFERS)
    told = cashier.told(owed(item, 5_000, CLOSED))
    no_row(cashier, told, Result.DEBIT_CLOSED)
    assert cashier.told(owed(item, 5_000)).result == OK
    no_row(cashier, cashier.told(owed(item, 5_000)), Result.CASE_CLOSED)


def test_nothing_else_is_owed(cashier: Cashier) -> None:
    """Each with R, as lines: of settlement and suspense, of credits, others."""
    item = taken_back(cashier, 500)
    back = cashier.book(credit(500, b"IN")).sequence
    wrong = [
        owed(item, 500, SETTLEMENT),
        owed(item, 500, SUSPENSE),
        owed(item, 500, BANK_SUSPENSE),
        owed(back, 500, BANK_SUSPENSE, WALLET),
        owed(back, 500, BANK_SUSPENSE, TRANSIT),
        owed(item, 500, WALLET, SUSPENSE),
        owed(item, 500, WALLET, HEAD),
        owed(item, 500, SUSPENSE, WALLET),
        owed(item, 500, WALLET, 99),
        owed(1, 500, SETTLEMENT),
        owed(item, 500, 99),
        owed(10**6, 500, SETTLEMENT),
    ]
    for line in wrong:
        no_row(cashier, cashier.told(line), KIND_WRONG)


@pytest.mark.parametrize(
    "line",
    [
        replace(transfer(5, WALLET, TRANSIT), flags=OWED),
        replace(transfer(5, WALLET, SUSPENSE), flags=OWED),
        replace(top_up(5, b"UTR"), flags=OWED),
        replace(ending(7, 5, WALLET, TRANSIT), flags=OWED | RowFlag.UPDATE),
        replace(ending(7, 5, WALLET, TRANSIT), flags=int(RowFlag.CASE)),
    ],
)
def test_lines_that_are_none(cashier: Cashier, line: Line) -> None:
    [told] = cashier.commit(cashier.proposal(ALPHA, [line]))
    no_row(cashier, told, Result.INVALID_RECORD)


def test_without_a_line_it_is_not_approved(cashier: Cashier) -> None:
    item = taken_back(cashier, 5)
    given: dict[str, Any] = {"amount": 5, "debit": WALLET, "credit": TRANSIT}
    given |= {"reference": b"why", "flags": OWED}
    for resolves in (0, item):
        for to in (TRANSIT, HEAD, SUSPENSE):
            told = cashier.ask(
                Kind.TRANSFER, resolves=resolves, **{**given, "credit": to}
            )
            no_row(cashier, told, Result.NOT_APPROVED)


@pytest.mark.parametrize("flags", [0, OWED])
def test_the_flag_is_part_of_what_was_asked(cashier: Cashier, flags: int) -> None:
    item = taken_back(cashier, 900)
    line = replace(ending(item, 900, WALLET, TRANSIT), flags=flags)
    asked = cashier.propose(ALPHA, line)
    assert cashier.approve(BETA, asked).result == OK
    row = cashier.line(asked, 0, BETA)
    row.flags ^= OWED
    no_row(cashier, cashier.commit(row)[0], Result.NOT_APPROVED)
    told = cashier.commit(cashier.line(asked, 0, BETA))[0]
    assert told.result == OK
    cashier.reopen()
    again = cashier.commit(cashier.line(asked, 0, BETA))[0]
    assert (again.result, again.repeat, again.sequence) == (OK, 1, told.sequence)
    other = cashier.commit(row)[0]
    assert (other.result, other.field) == (Result.ID_REUSED, Field.KIND)


# --- without people ------------------------------------------------------------------


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Council]:
    """A ledger without people, with the accounts of a council and a bank's."""
    made = without_people(tmp_path / "ledger")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("resolves", "from_", "to"),
    [
        (0, WALLET, SUSPENSE),
        (0, WALLET, TRANSIT),
        (0, 99, 98),
        (0, WALLET, WALLET),
        # A correction, an advance and a recovery: nobody asks for approvals then.
        (1, WALLET, HEAD),
        (1, SUSPENSE, WALLET),
        (1, WALLET, SUSPENSE),
        (1, SETTLEMENT, TRANSIT),
        (0, SETTLEMENT, TRANSIT),
        (1, BANK_SUSPENSE, WALLET),
        (0, FLOAT, BANK),
        (1, FLOAT, BANK),
    ],
)
def test_it_is_asked_first_of_all(
    plain: Council, resolves: int, from_: int, to: int
) -> None:
    given: dict[str, Any] = {"amount": 5, "reference": b"why", "flags": OWED}
    given |= {"id": plain.id(), "resolves": resolves, "debit": from_, "credit": to}
    told = plain.ask(Kind.TRANSFER, **given)
    assert (told.result, told.sequence) == (KIND_WRONG, plain.ledger.sequence)
    row = plain.ledger.row(told.sequence)
    assert (row.flags, row.total) == (RowFlag.OWED, 0)
    plain.reopen()
    again = plain.ask(Kind.TRANSFER, **given)
    assert (again.result, again.repeat) == (KIND_WRONG, 1)
    again = plain.ask(Kind.TRANSFER, **{**given, "flags": 0})
    assert (again.result, again.field) == (Result.ID_REUSED, Field.KIND)


def test_nothing_is_found_of_what_may_be(plain: Council) -> None:
    given: dict[str, Any] = {"amount": 5, "reference": b"why", "flags": OWED}
    given |= {"resolves": 1, "debit": WALLET, "credit": TRANSIT}
    told = plain.ask(Kind.TRANSFER, **given)
    assert told.result == Result.CASE_NOT_FOUND
