"""Goal: what a bank takes back from a centre that has spent it becomes that centre's
debt, by the word of two people; everybody who may see the wallet sees that it owes, no
figure passes it off as money, and the next that comes in makes up for it.

Method: a real server, a bank's channel that books a credit and takes it back; the
wallet is spent in between. Figures are compared with what the test has counted.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.bank.lines import Side
from switch.client import balance_of, make_payment
from switch.client.calls import CallError
from switch.codes import Role
from switch.v1 import admin_pb2, types_pb2
from switch.v1 import people_pb2 as pb
from tests import forked
from tests.server.banking import Banking, ending, line
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    Council,
    name_of,
    payable,
    sitting,
    top_up,
)
from tests.server.harness import RUPEE, figure, until

CENTRE = CENTRES[0]
BILL, CREDIT = 60 * RUPEE, 100 * RUPEE


def pay(council: Council, amount: int, reference: str) -> str:
    harness = council.client("harness", Role.HARNESS)
    return name_of(harness.pay(make_payment("ANY", amount, reference, centre=CENTRE)))


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000", "--set", "metrics.cases_s=1")
    with sitting(tmp_path_factory.mktemp("owed"), *arguments) as one:
        one.load(payable())
        yield one


@pytest.fixture(scope="module")
def banking(council: Council) -> Banking:
    return Banking(council)


def command(council: Council, *words: str) -> str:
    """What a command of the treasury prints."""
    where = ["--address", council.server.address, "--as", "treasury/treasury"]
    where += ["--tls", str(council.directory / "tls")]
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = forked.run("switch", *words, *where, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def taken_back(council: Council, banking: Banking) -> int:
    """The bank credits the centre, which spends it, and takes it back; the item."""
    number = council.client(CENTRE, Role.CENTRE).request_top_up(CREDIT).request.number
    credit = line(CREDIT, "OWED-1", f"neft {number}")
    [told] = banking.book(banking.statement([credit]))
    assert set(told.results) == {"OK"}
    assert pay(council, BILL, "BILL-1") == "OK"
    back = line(CREDIT, "OWED-1", side=Side.DEBIT, reversal=True)
    [told] = banking.book(banking.statement([back]))
    assert set(told.results) == {"OK"}
    [item] = banking.items()
    return int(item.sequence)


def test_from_the_debt_to_what_makes_up_for_it(
    council: Council, banking: Banking
) -> None:
    item = taken_back(council, banking)
    plain = council.propose(ALPHA, ending(item, from_wallet=CENTRE))
    assert name_of(council.approve(BETA, plain)) == "OK"
    assert council.do(plain) == ["INSUFFICIENT_FUNDS"]

    owed = council.propose(ALPHA, ending(item, from_wallet=CENTRE, owed=True))
    [shown] = council.client().proposal(owed).lines
    assert "owed: yes" in shown.text
    assert name_of(council.approve(BETA, owed)) == "OK"
    assert council.do(owed) == ["OK"]
    assert banking.items() == []

    centre = council.client(CENTRE, Role.CENTRE)
    for client in (centre, council.client()):
        wallet = client.wallet(CENTRE).wallet
        assert (wallet.balance, wallet.available, wallet.owed) == (0, 0, BILL)
    newest, spent, *_ = centre.statement()
    assert (newest.balance, newest.owed, newest.change) == (0, BILL, -CREDIT)
    assert (newest.entry.owed, newest.entry.bank) == (True, banking.number)
    assert (spent.balance, spent.owed, spent.entry.owed) == (CREDIT - BILL, 0, False)
    past = council.client().wallet(CENTRE, sequence=newest.entry.sequence).wallet
    assert (past.balance, past.available, past.owed) == (0, 0, BILL)
    accounts, _ = council.client().accounts()
    owing = [one for one in accounts if one.owed]
    assert [(one.participant, one.owed) for one in owing] == [(CENTRE, BILL)]
    assert balance_of(owing[0]) == -BILL
    until(lambda: figure(council.server, "wallets_owed_rupees") == BILL / RUPEE)
    assert figure(council.server, "wallets_owing") == 1
    assert sum(map(balance_of, accounts)) == 0

    # At the command line what is owed is no part of what wallets hold.
    found = json.loads(command(council, "accounts", "--owed", "--json"))["accounts"]
    assert [(one["participant"], one["owed"]) for one in found] == [(CENTRE, BILL)]
    assert f"{BILL // RUPEE}.00" in command(council, "accounts", "--owed")
    [wallets, owed_row] = [
        line for line in command(council, "accounts").splitlines() if "wallet" in line
    ]
    assert "owed by wallets" in owed_row
    assert f"-₹{BILL // RUPEE}.00" in owed_row
    assert "-" not in wallets.partition("wallet")[2]
    assert "Owed" in command(council, "balance", CENTRE)
    assert f"-₹{BILL // RUPEE}.00" in command(council, "statement", CENTRE)

    assert pay(council, RUPEE, "BILL-2") == "INSUFFICIENT_FUNDS"
    council.done(top_up(BILL - RUPEE, CENTRE))
    wallet = centre.wallet().wallet
    assert (wallet.balance, wallet.available, wallet.owed) == (0, 0, RUPEE)
    council.done(top_up(11 * RUPEE, CENTRE))
    wallet = centre.wallet().wallet
    assert (wallet.balance, wallet.available, wallet.owed) == (10 * RUPEE,) * 2 + (0,)
    assert pay(council, 10 * RUPEE, "BILL-3") == "OK"


def test_the_answer_to_who_owes_has_no_money_in_it(council: Council) -> None:
    """A wallet's balance in an answer is 0, never a number with twenty digits."""
    accounts, _ = council.client().accounts()
    [wallet] = [
        one
        for one in accounts
        if one.kind == admin_pb2.ACCOUNT_KIND_WALLET and one.participant == CENTRE
    ]
    harness = council.client("harness", Role.HARNESS)
    payment = make_payment("ANY", RUPEE, "BILL-9", centre=CENTRE)
    outcome = harness.pay(payment)
    assert name_of(outcome) == "INSUFFICIENT_FUNDS"
    assert outcome.wallet_balance == max(balance_of(wallet), 0)


def test_only_a_wallet_owes(council: Council, banking: Banking) -> None:
    [told] = banking.book(banking.statement([line(RUPEE, "CHARGE-1", side=Side.DEBIT)]))
    assert set(told.results) == {"OK"}
    [item] = banking.items()
    for name in ("from_settlement", "from_suspense"):
        what: dict[str, object] = {name: True, "owed": True}
        wish = ending(item.sequence, "a test", **what)
        request = pb.PrepareRequest(wishes=[wish], reason="x")
        with pytest.raises(CallError, match="only of a wallet"):
            council.client().prepare(request)


def test_it_is_owed_after_a_restart(tmp_path: Path) -> None:
    with sitting(tmp_path / "again", "--set", "signatures_per_s=1000") as council:
        council.load(payable())
        banking = Banking(council)
        item = taken_back(council, banking)
        council.done(ending(item, from_wallet=CENTRE, owed=True))
        council.restart()
        wallet = council.client().wallet(CENTRE).wallet
        assert (wallet.balance, wallet.owed) == (0, BILL)
        [entry] = council.client().movements(CENTRE, kind=types_pb2.ENTRY_KIND_TRANSFER)
        assert entry.owed
