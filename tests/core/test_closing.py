"""Goal: an account closes when nothing can move it any more, and then nothing does; of
two shifts that follow one, the ledger takes one.

Method: one reason after the other that keeps a wallet and a biller's account open, each
stated here and told to core and model; closed accounts are then tried with every row
that could move them.
"""

import pytest

from switch.codes import AccountKind, AccountState, Kind, Mode, Result
from tests import people
from tests.core.network import NOW, Network
from tests.core.pair import Pair
from tests.model import Answers, Rows
from tests.records import AccountRecord, Outcome, Row, Said, ServiceRecord, ShiftRecord

SECOND_NS = 10**9
DEADLINE_S = 60
PURPOSE = 77


class Desk:
    """Asks both for one row at a time, a second apart."""

    def __init__(self, pair: Pair, net: Network) -> None:
        self.pair, self.net = pair, net
        self.now = NOW
        self.number = 0
        self.wallet = net.wallets[0]
        self.biller = net.billers[0]
        record = AccountRecord(self.biller, PURPOSE, AccountKind.BILLER)
        self.account = self.ask(Kind.OPEN, tail=record.pack()).index
        service = ServiceRecord(
            b"CLOSING", self.biller, (self.account,), mode=Mode.CONFIRMED,
            deadline_s=DEADLINE_S,
        )  # fmt: skip
        self.service = self.ask(Kind.REGISTER, tail=service.pack()).index

    def ask(self, kind: Kind, amount: int = 0, **fields: int | bytes) -> Outcome:
        self.number += 1
        row = Row(kind, amount=amount, participant=self.net.treasury)
        if kind not in (Kind.POST, Kind.VOID, Kind.WINDOW):
            row.id = b"closing" + self.number.to_bytes(9, "big")
        for name, value in fields.items():
            setattr(row, name, value)
        self.now += SECOND_NS
        return self.pair.one(row, self.now)

    def close(self, account: int) -> int:
        return self.ask(Kind.CLOSE, debit=account, reference=b"not needed").result

    def pay(self, amount: int, *, hold: bool = False) -> Outcome:
        return self.ask(
            Kind.HOLD if hold else Kind.PAY, amount, debit=self.wallet,
            service=self.service, reference=b"BILL %d" % self.number,
            deadline=DEADLINE_S if hold else 0,
        )  # fmt: skip

    def transfer(self, debit: int, credit: int, amount: int) -> int:
        return self.ask(
            Kind.TRANSFER, amount, debit=debit, credit=credit, reference=b"a reason"
        ).result

    def refund(self, payment: int, amount: int) -> int:
        self.number += 1
        self.now += SECOND_NS
        at = len(self.pair.model.rows) + 1
        rows = people.refund(payment, amount, at, b"ask-%012d" % self.number)
        return self.pair.commit([Rows(rows)], self.now)[0][-1].result

    def window(self) -> int:
        last = self.pair.model.last_window
        return self.ask(Kind.WINDOW, resolves=last).sequence

    def settle(self, window: int, amount: int) -> int:
        move = {"debit": self.account, "credit": self.net.settlement}
        return self.ask(Kind.SETTLE, amount, resolves=window, **move).result

    def case(self) -> int:
        """A hold expires, and the biller says later that it has credited it."""
        held = self.pay(300, hold=True)
        self.now += DEADLINE_S * SECOND_NS
        said = Said(held.sequence, self.pair.model.rows[held.sequence - 1].id)
        said.amount = 300
        self.now += SECOND_NS
        [[late]] = self.pair.commit([Answers([said], self.biller)], self.now)
        assert late.result == Result.ALREADY_EXPIRED
        return held.sequence


@pytest.fixture
def desk(pair: Pair, network: Network) -> Desk:
    return Desk(pair, network)


def test_a_billers_account_stays_until_nothing_can_move(desk: Desk) -> None:
    account, net = desk.account, desk.net
    held = desk.pay(500, hold=True)
    assert desk.close(account) == Result.HOLDS_OPEN
    posted = desk.ask(Kind.POST, 500, resolves=held.sequence).sequence
    assert desk.close(account) == Result.BALANCE_NOT_ZERO
    first = desk.window()
    assert desk.settle(first, 500) == Result.OK
    # Settled to the last paisa, and yet a refund would leave it below zero for ever.
    assert desk.close(account) == Result.PAYMENTS_REFUNDABLE
    assert desk.refund(posted, 500) == Result.OK
    assert desk.close(account) == Result.BALANCE_NOT_ZERO
    desk.window()
    assert desk.transfer(net.float_, account, 500) == Result.OK
    # What the last window carried is even with what the open one counts.
    assert desk.close(account) == Result.WINDOWS_OPEN
    desk.window()
    assert desk.close(account) == Result.OK
    image, _ = desk.pair.ledger.account(account)
    assert image["state"] == AccountState.CLOSED
    assert desk.refund(posted, 1) == Result.DEBIT_CLOSED
    assert desk.pay(1).result == Result.CREDIT_CLOSED
    assert desk.transfer(net.float_, account, 1) == Result.CREDIT_CLOSED
    assert desk.transfer(account, net.float_, 1) == Result.DEBIT_CLOSED
    nothing = desk.ask(Kind.WINDOW, resolves=desk.pair.model.last_window, participant=0)
    assert desk.settle(nothing.sequence, 500) == Result.NET_DIFFERS
    freeze = desk.ask(Kind.FREEZE, debit=account, reference=b"why")
    assert freeze.result == Result.DEBIT_CLOSED
    desk.pair.reopen(without_index=True)
    desk.pair.compare_all()


def test_cases_keep_a_wallet_and_a_biller(desk: Desk) -> None:
    net, wallet = desk.net, desk.wallet
    holds = [desk.case(), desk.case()]
    balance = desk.pair.model.accounts[wallet].balance
    assert desk.transfer(wallet, net.suspense, balance) == Result.OK
    for hold in holds:
        for account in (wallet, desk.account):
            assert desk.close(account) == Result.CASES_OPEN
        said = Said(hold, desk.pair.model.rows[hold - 1].id, confirmed=False)
        [[told]] = desk.pair.commit([Answers([said], desk.biller)], desk.now)
        row = desk.pair.model.rows[-1]
        assert (told.result, row.kind) == (Result.OK, Kind.VERIFY)
        assert (row.debit, row.credit) == (wallet, desk.account)
        desk.pair.reopen(without_index=hold == holds[0])
        desk.pair.compare_all()
    for account in (wallet, desk.account):
        assert desk.close(account) == Result.OK


def test_the_treasurys_own_accounts_do_not_close(desk: Desk) -> None:
    """What a window owes is settled to one of them, whenever that is."""
    desk.pay(400)
    window = desk.window()
    for account in (desk.net.float_, desk.net.suspense, desk.net.settlement):
        assert desk.close(account) == Result.ACCOUNT_KIND_WRONG
    assert desk.settle(window, 400) == Result.OK


def shift(desk: Desk, operator: int, before: int = 0, wallet: int = 0) -> Outcome:
    return desk.ask(
        Kind.SHIFT, tail=ShiftRecord(operator).pack() + b"{}", operator_=operator,
        debit=wallet or desk.wallet, resolves=before,
    )  # fmt: skip


def test_one_shift_follows_another(desk: Desk) -> None:
    other = desk.net.wallets[1]
    firsts = {
        (operator, wallet): shift(desk, operator, wallet=wallet).sequence
        for operator in (1, 2)
        for wallet in (desk.wallet, other)
    }
    for _ in range(2):
        for (operator, wallet), first in firsts.items():
            again = shift(desk, operator, wallet=wallet)
            assert (again.result, again.other) == (Result.ALREADY_FOLLOWED, first)
        desk.pair.reopen()
    first = firsts[1, desk.wallet]
    second = shift(desk, 1, first)
    assert second.result == Result.OK
    for before, follows in ((first, second.sequence), (0, first)):
        again = shift(desk, 1, before)
        assert (again.result, again.other) == (Result.ALREADY_FOLLOWED, follows)
    third = shift(desk, 1, second.sequence)
    assert third.result == Result.OK
    both = [
        Row(
            Kind.SHIFT, id=bytes([number]) * 16, tail=ShiftRecord(1).pack() + b"{}",
            operator_=1, debit=desk.wallet, resolves=third.sequence,
        )
        for number in (1, 2)
    ]  # fmt: skip
    [outcomes] = desk.pair.commit([Rows(both)], desk.now)
    assert [one.result for one in outcomes] == [Result.OK, Result.ALREADY_FOLLOWED]
