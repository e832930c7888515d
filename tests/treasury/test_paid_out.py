"""Goal: whoever approves a payout is told exactly what its account was settled and paid
out, recalls taken off; or that nobody knows, never half a sum.

Method: a ledger asked by hand pays two accounts, one of them by two beneficiaries, and
takes some back; settlements, and rows that lack, are made up.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch import _core as core
from switch.codes import Kind, Result
from switch.ledger.open_matters import OpenMatters
from switch.ledger.paid_out import Disbursed, PaidOut
from tests.core.cashier import TRANSIT, beneficiary, ending, transfer
from tests.core.council import HEAD, SECOND_NS, SETTLEMENT, WALLET
from tests.treasury.paying import SECOND_HEAD, SETTLED, WAIT_S, Paymaster, begun


@pytest.fixture
def payer(tmp_path: Path) -> Iterator[Paymaster]:
    one = begun(tmp_path / "ledger")
    yield one
    one.close()


def paid(payer: Paymaster) -> list[Disbursed | None]:
    matters = OpenMatters(payer.ledger)
    as_of = matters.read_on()
    found = [matters.paid_out(one, as_of) for one in (HEAD, SECOND_HEAD)]
    # What is shown is what the ledger asks.
    images = [payer.ledger.account(one)[0] for one in (HEAD, SECOND_HEAD)]
    asked = [Disbursed(int(i["settled"]), int(i["paid_out"])) for i in images]
    assert found == asked
    return found


def test_what_was_paid_out_and_came_back(payer: Paymaster) -> None:
    first = payer.pay_out(1_000)
    payer.pay_out(20, 1)
    # The same account by another number: a change of its beneficiary.
    payer.payees[0] = payer.registered(beneficiary(HEAD, b"66"))
    payer.now += 2 * WAIT_S * SECOND_NS
    payer.pay_out(300)
    # Transfers of other kinds are none of it.
    payer.told(transfer(7, WALLET, SETTLEMENT))
    assert paid(payer) == [Disbursed(SETTLED, 1_300), Disbursed(SETTLED, 20)]
    back = payer.told(ending(first, 1_000, TRANSIT, SETTLEMENT))
    assert back.result == Result.OK
    # What is refused counts nowhere.
    again = payer.told(ending(first, 1_000, TRANSIT, SETTLEMENT))
    assert again.result == Result.CASE_CLOSED
    assert paid(payer) == [Disbursed(SETTLED, 300), Disbursed(SETTLED, 20)]
    payer.reopen()
    assert paid(payer) == [Disbursed(SETTLED, 300), Disbursed(SETTLED, 20)]


def rows_of(*amounts: tuple[int, int], first: int = 1) -> core.Rows:
    """Settlements: accounts and paise."""
    rows = np.zeros(len(amounts), core.ROW)
    rows["sequence"] = np.arange(first, first + len(amounts))
    rows["kind"], rows["result"] = Kind.SETTLE, Result.OK
    rows["debit"] = [account for account, _ in amounts]
    rows["amount"] = [amount for _, amount in amounts]
    return rows


def test_what_was_settled(payer: Paymaster) -> None:
    most = 10**18
    found = PaidOut(payer.ledger)
    found.take(rows_of(*[(HEAD, most)] * 20, (SECOND_HEAD, 3)))
    refused = rows_of((HEAD, 5), first=22)
    refused["result"] = Result.NET_DIFFERS
    found.take(refused)
    found.take(rows_of(first=23))
    assert found.of(HEAD, 22) == Disbursed(20 * most, 0)
    assert found.of(SECOND_HEAD, 22) == Disbursed(3, 0)
    assert found.of(WALLET, 22) == Disbursed(0, 0)
    # It has not read so far.
    assert found.of(HEAD, 23) is None


@pytest.mark.parametrize("lacks", [0, 1, 2])
def test_half_a_sum_is_none(payer: Paymaster, lacks: int) -> None:
    rows = rows_of((HEAD, 1), (HEAD, 2), (HEAD, 3))
    found = PaidOut(payer.ledger)
    found.take(np.delete(rows, lacks))
    found.take(rows_of((HEAD, 4), first=4))
    assert found.of(HEAD, 4) is None
