"""Goal: nobody is led to sign one thing and have another done by what rules 10 brought.

Method: as who would gain by it; each test was a break, or nearly one, and holds it
shut.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import BENEFICIARY_WAIT_S, WAIT_MAX_S, AccountKind, Kind, Result
from switch.register.banks import Banks
from switch.said import payee_text, say
from switch.signed import Line
from tests.core.cashier import (
    TRANSIT,
    Cashier,
    beneficiary,
    ended,
    ending,
    thresholds,
    transfer,
)
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    HEAD,
    OK,
    SECOND_NS,
    SETTLEMENT,
    WALLET,
    no_row,
    register,
    top_up,
)

SECOND_HEAD = 12
WAIT_NS = BENEFICIARY_WAIT_S * SECOND_NS


@pytest.fixture
def cashier(tmp_path: Path) -> Iterator[Cashier]:
    """10,000 on settlement, and a biller with two accounts."""
    made = Cashier(tmp_path / "ledger").begin()
    made.open((BILLER, 1, AccountKind.BILLER))
    made.tell(top_up(20_000, b"FIRST"), transfer(10_000, WALLET, SETTLEMENT))
    yield made
    ended(made)


def test_nobody_signs_today_for_who_is_named_tomorrow(cashier: Cashier) -> None:
    # Of a row that is not there yet nobody who approves sees to whom it pays.
    now = cashier.ledger.sequence
    asked = cashier.propose(ALPHA, ending(now + 5, 700, SETTLEMENT, TRANSIT))
    assert cashier.approve(BETA, asked).result == OK
    told = cashier.told(register(beneficiary(HEAD)))
    assert (told.result, told.sequence) == (OK, now + 5)
    cashier.now += WAIT_NS
    [told] = cashier.commit(cashier.line(asked, 0, BETA))
    no_row(cashier, told, Result.BENEFICIARY_WRONG)
    assert told.other == now + 5


def test_a_head_passes_for_no_bank_account() -> None:
    # What an account is called is any text, as far as the ledger goes.
    spoof = payee_text("power", "0801-01, 33445566 at SBIN0001234", "1", "EVIL0000001")
    assert spoof == 'power "0801-01, 33445566 at SBIN0001234", 1 at EVIL0000001'
    assert payee_text("power", "0801-01", "1", "X") == "power 0801-01, 1 at X"
    assert "\x1b" not in payee_text("power", "\x1b[2J\u202e", "1", "X")


def test_whoever_shortens_the_wait_says_so() -> None:
    # 0 is a day, which is less than a month.
    for wait_s, shown in ((0, BENEFICIARY_WAIT_S), (1, 1), (WAIT_MAX_S, WAIT_MAX_S)):
        said = say(Line(Kind.REGISTER, tail=thresholds(wait_s=wait_s)))
        assert dict(said.facts)["wait s"] == str(shown)


def test_no_name_is_longer_than_a_list_takes() -> None:
    # A list that cannot be sent shows nobody what was changed.
    banks = Banks()
    tail = beneficiary(HEAD) + b'{"name":"%s"}' % (b"x" * 60_000)
    banks.take_beneficiary(tail, 1, 7, 0)
    [one] = banks.beneficiaries_after(0, 100)
    assert one.name == "x" * 200
