"""Goal: a month of bank days comes out to the paisa: whatever a bank does, and in what
order it tells it, the ledger's account of it has what the bank has told, and all that
is in wallets, billers' accounts, suspense, transit and settlement is at the bank.

Method: thirty bank days over the year's end, against a real server with people, a
channel and a simulated bank. What must be is counted along from the bank's own book and
from what the test itself has ordered, never from the ledger. In the midst of it the
server is started again, and its own clock goes past a year's end; a centre owes for
some days. At the end it is audited, and `payswitch bank` is asked.
"""

import datetime as dt
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.bank.booking import Bank, book
from switch.bank.camt import read_camt
from switch.bank.lines import StatementError
from switch.bank.sequence import join_pages
from switch.calendar import IST
from switch.client import balance_of, make_payment
from switch.client.banks import booking_id, booking_row
from switch.client.calls import CallError
from switch.codes import (
    AmountRule,
    DuplicateRule,
    Mode,
    PersonRole,
    PriceRule,
    Role,
    Source,
)
from switch.day.channel import REASON, Channel, Taken
from switch.simulator.bank import Movement, Sheet, SimulatedBank
from switch.specs import ParticipantSpec, ServiceSpec, Specs
from switch.v1 import admin_pb2, schedules_pb2, types_pb2
from switch.v1 import banks_pb2 as pb
from switch.v1 import people_pb2 as people
from tests import forked
from tests.leaps import Leaps
from tests.server.banking import NUMBER, bank_account, ending
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    CHANNEL,
    Council,
    centres,
    name_of,
    person,
)
from tests.server.harness import RUPEE
from tests.server.test_beneficiaries import HEADS, beneficiary, thresholds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FIRST = dt.date(2026, 3, 9)
DAYS = 30
YEAR_END = 16
"""The day, counted from 0, that is 31 March."""
OPENING = 77_777
"""Paise that the account had before; they are no wallet's."""
NUMBERED = 236
MISSING, TWICE, SWAPPED, RESTARTED, ADVISED = 8, 12, 14, 15, 18
REVERSED = (5, 13)
GONE, MADE_GOOD = 21, 24
"""The bank takes back what its centre has spent; that centre sends money again."""
CHANGED = 9
"""Its biller wants its money elsewhere."""
WAIT_S = 1
NEW_YEAR = dt.datetime(2027, 4, 1, tzinfo=IST)
"""Of the switch's clock, that goes past it on the bank's 31 March."""
CHARGED, BACK = (10, 29), (7, 20)
BROKE = CENTRES[4]
ARGUMENTS = ("--set", "signatures_per_s=1000")
KINDS = admin_pb2.AccountKind
WRONG = (
    {"credit_wallet": CENTRES[0]},
    {"credit_wallet": CENTRES[1]},
    {"send_back": True},
    {"to_suspense": True},
)
"""What becomes of the credit that nothing explains, by the day."""


def network() -> Specs:
    """The council's, and somebody who is paid."""
    biller = ParticipantSpec(id="power", role=Role.BILLER, heads=("0801-01",))
    service = ServiceSpec(
        code="ANY",
        biller="power",
        heads=("0801-01",),
        amount_rule=AmountRule.ANY,
        mode=Mode.DIRECT,
        duplicate_rule=DuplicateRule.NONE,
        price_rule=PriceRule.STATED,
    )
    return Specs((*centres().participants, biller), (service,))


class Month:
    """All that is ordered and done, and what must have come of it."""

    def __init__(self, council: Council) -> None:
        self.council = council
        self.bank = SimulatedBank(NUMBER, FIRST, opening=OPENING, number=NUMBERED)
        council.done(bank_account(NUMBER))
        role = int(PersonRole.CHANNEL)
        council.done(person(CHANNEL, council, role=role, bank_account=NUMBER))
        self.connect()
        # What the ledger has been told of the bank's book.
        self.told: list[Movement] = []
        self.matched: set[Movement] = set()
        """Transfers with the number of a request, of just its amount."""
        self.plans: dict[tuple[str, bool], dict[str, Any]] = {}
        """By reference and reversal what people make of a line."""
        self.wallets: Counter[str] = Counter()
        self.power = self.settlement = self.suspense = 0
        self.came_back = 0
        """To settlement, of what was paid out: it is given to its biller once more."""
        self.released = self.ended_credits = self.ended_debits = 0
        self.paid: list[tuple[str, int, int]] = []
        """Payments, the oldest first: centre, sequence, paise."""
        self.settled_window = 0
        """Up to which windows are settled."""
        council.done(thresholds(WAIT_S), beneficiary())
        time.sleep(WAIT_S)

    def connect(self) -> None:
        """After each start of the server."""
        self.client = self.council.client()
        self.harness = self.council.client("harness", Role.HARNESS)
        channel = self.council.client(CHANNEL[0])
        self.signer = self.council.signer(CHANNEL)
        self.channel = Channel(channel, self.signer)

    # --- centres and the treasury -----------------------------------------------------

    def ask(self, centre: str, amount: int) -> str:
        """A request's number."""
        reply = self.council.client(centre, Role.CENTRE).request_top_up(amount)
        assert name_of(reply.outcome) == "OK"
        return reply.request.number

    def send(self, centre: str, amount: int) -> Movement:
        """A transfer as it should be."""
        text = f"neft/{self.ask(centre, amount).lower()}/top up"
        one = self.bank.receive(amount, text, party=centre)
        self.matched.add(one)
        return one

    def send_wrong(self, day: int) -> None:
        """One that nothing explains, each day in another way."""
        amount = (900 + day) * RUPEE
        text = "for the wallet"
        if day % 4 == 0:
            text = self.ask(CENTRES[0], amount + 1)
        elif day % 4 == 1:
            number = self.ask(CENTRES[1], amount)
            text = number[:-1] + ("B" if number[-1] == "A" else "A")
        one = self.bank.receive(amount, text)
        self.plans[one.reference, False] = WRONG[day % 4]

    def pay(self, centre: str, amount: int) -> None:
        reference = f"BILL-{centre}-{self.bank.day}"
        paid = self.harness.pay(make_payment("ANY", amount, reference, centre=centre))
        assert name_of(paid) == "OK"
        self.paid.append((centre, paid.sequence, amount))
        self.wallets[centre] -= amount
        self.power += amount

    def refund(self, centre: str, sequence: int, amount: int) -> None:
        wish = people.PaymentWish(
            kind=types_pb2.PROPOSAL_KIND_REFUND, sequence=sequence, amount=amount
        )
        request = people.PrepareRequest(payment=wish, reason="a refund")
        proposal = self.council.proposed(ALPHA, request)
        assert name_of(self.council.approve(BETA, proposal)) == "OK"
        assert self.council.do(proposal) == ["OK"]
        self.wallets[centre] += amount
        self.power -= amount

    def settle(self) -> None:
        """Close the window, settle all that are not, whoever closed them, and release
        all that is in settlement.
        """
        if self.came_back:
            give = people.GiveWish(biller="power", head=HEADS[0], reason="came back")
            give.amount = self.came_back
            self.council.done(people.Wish(give=give))
            self.settlement -= self.came_back
            self.power += self.came_back
            self.came_back = 0
        self.council.close_window()
        known = self.settled_window
        closed = [one for one in self.client.windows() if one.sequence > known]
        for window in closed[::-1]:
            for one in self.client.explain_window(window.sequence).lines:
                if one.line.payable:
                    self.settle_line(window.sequence, one.line)
            self.settled_window = window.sequence
        if self.settlement:
            payout = people.Payout(amount=self.settlement)
            self.council.done(ending(0, "payout", payout=payout))
            self.released += self.settlement
            self.settlement = 0

    def settle_line(self, window: int, line: admin_pb2.WindowLine) -> None:
        wish = people.SettleWish(
            window=window, biller=line.biller, head=line.head, amount=line.payable
        )
        self.council.done(people.Wish(settle=wish))
        self.settlement += line.payable
        self.power -= line.payable

    def move(self) -> None:
        """The biller's money goes elsewhere from now on, and not at once."""
        began_s = time.monotonic()
        self.council.done(beneficiary(number="ELSEWHERE1"))
        wish = ending(0, "too soon", payout=people.Payout(amount=RUPEE))
        told: CallError | None = None
        try:
            self.client.prepare(people.PrepareRequest(wishes=[wish], reason="a test"))
        except CallError as error:
            told = error
        if told is None:
            assert time.monotonic() - began_s > WAIT_S, "its time had not come"
        else:
            assert told.reason == "BENEFICIARY_WAITS"
            assert "may be used from" in told.text
        time.sleep(WAIT_S)

    def end_year(self) -> None:
        """The switch's clock goes past a 31 March, while centres pay."""
        self.council.stop()
        leaps = Leaps(self.council.directory)
        before_s = NEW_YEAR.timestamp() - time.time()
        leaps.set(round(before_s) - 55)
        self.council.start("--accept-clock", *ARGUMENTS, prefix=leaps.prefix)
        self.connect()
        noon = schedules_pb2.Schedule(weekdays=range(1, 8), minutes=[720])
        wish = people.ScheduleWish(schedule=noon)
        self.council.done(people.Wish(schedule=wish))
        window = self.client.ledger().last_window
        self.pay(CENTRES[0], 50 * RUPEE)
        old = self.power
        assert self.client.ledger().last_window == window
        leaps.set(round(NEW_YEAR.timestamp() - time.time()) + 2)
        self.pay(CENTRES[1], 70 * RUPEE)
        [closed] = [one for one in self.client.windows() if one.sequence > window]
        assert closed.by_schedule
        assert closed.payable == max(old, 0)
        assert (closed.last_day, closed.last_year) == ("2027-03-31", 2026)
        assert closed.after_sequence == window

    def pay_released(self) -> Movement | None:
        """The bank is ordered to pay what is released and not yet ordered; the last."""
        ordered = {one.text for one in self.bank.movements if one.change < 0}
        last = None
        for item in self.items(pb.BANK_ITEM_KIND_RELEASE):
            if f"PAY {item.number}" not in ordered:
                last = self.bank.pay(item.amount, f"PAY {item.number}")
        return last

    # --- what the bank tells -------------------------------------------------------

    def take(self, *sheets: Sheet, pages: int = 1) -> Taken:
        files = [data for one in sheets for data in one.pages(pages)[::-1]]
        taken = self.channel.take(*files)
        assert taken.refused == ()
        for one in sheets:
            self.tell(one.movements)
        return taken

    def tell(self, movements: tuple[Movement, ...]) -> None:
        """They are in the ledger now, if they were not yet."""
        for one in movements:
            if any(one is other for other in self.told):
                continue
            self.told.append(one)
            if one in self.matched:
                self.wallets[one.party] += one.change

    def force(self, sheet: Sheet) -> list[str]:
        """Have a statement that does not follow proposed all the same."""
        [one] = join_pages(read_camt(sheet.pages()[0], "forced"))
        banks = self.client.bank_accounts()
        account = self.account
        bank = Bank(account.index, account.account, banks.instance)
        [piece] = book(one, bank, Source.CAMT)
        row = booking_row(piece.lines, REASON)
        taken = self.channel.submit(row, booking_id(row, self.signer))
        assert taken.booked == len(sheet.movements)
        self.tell(sheet.movements)
        return list(taken.refused)

    def explain(self) -> None:
        """Two people end all that waits, and is not left for ever."""
        wishes = []
        for item in self.items():
            if item.kind == pb.BANK_ITEM_KIND_RELEASE:
                continue
            what = self.plans.get((item.reference, item.reversal))
            if item.line_kind == "interest":
                what = {"to_suspense": True}
            elif item.line_kind == "charge":
                what = {"from_suspense": True}
            if what is None:
                continue
            if what.get("owed"):
                self.lack(item)
            wishes.append(ending(item.sequence, "a month", **what))
            self.count(item, what)
        if wishes:
            self.council.done(*wishes)

    def lack(self, item: pb.BankItem) -> None:
        """Its wallet has nothing to pay it with, unless it owes that."""
        proposal = self.council.propose(ALPHA, ending(item.sequence, from_wallet=BROKE))
        assert name_of(self.council.approve(BETA, proposal)) == "OK"
        assert self.council.do(proposal) == ["INSUFFICIENT_FUNDS"]

    def count(self, item: pb.BankItem, what: dict[str, Any]) -> None:
        """What an ending does to what must be."""
        [(name, value)] = [one for one in what.items() if one[0] != "owed"]
        is_debit = name.startswith("from")
        change = -item.amount if is_debit else item.amount
        if is_debit:
            self.ended_debits += item.amount
        else:
            self.ended_credits += item.amount
        if name.endswith("wallet"):
            self.wallets[value] += change
        elif name.endswith("settlement"):
            self.settlement += change
            self.came_back += change
        elif name.endswith("suspense"):
            self.suspense += change
        else:
            self.released += item.amount

    # --- what must be ---------------------------------------------------------------

    @property
    def account(self) -> pb.BankAccount:
        found = self.client.bank_accounts().find(NUMBER)
        assert found is not None
        return found

    def items(
        self, kind: "pb.BankItemKind.ValueType" = pb.BANK_ITEM_KIND_UNSPECIFIED
    ) -> list[pb.BankItem]:
        return list(self.client.bank_items(NUMBER, kind))[::-1]

    def check(self) -> None:
        """The ledger against what must be."""
        came = [one for one in self.told if one.change > 0]
        went = -sum(one.change for one in self.told if one.change < 0)
        mirror = sum(one.change for one in self.told)
        # What was not told is all that is between the bank and its mirror.
        untold = [one for one in self.bank.movements if not self.is_told(one)]
        assert OPENING + mirror + sum(one.change for one in untold) == self.bank.balance
        accounts, _ = self.client.accounts()
        found: Counter[str] = Counter()
        wallets: Counter[str] = Counter()
        for one in accounts:
            found[KINDS.Name(one.kind)[13:]] += balance_of(one)
            if one.kind == admin_pb2.ACCOUNT_KIND_WALLET:
                wallets[one.participant] = balance_of(one)
        unmatched = sum(one.change for one in came if one not in self.matched)
        assert wallets == {one: self.wallets[one] for one in CENTRES}
        wanted = {
            "WALLET": self.wallets.total(),
            "BILLER": self.power,
            "SETTLEMENT": self.settlement,
            "SUSPENSE": self.suspense,
            "BANK": -mirror,
            "BANK_SUSPENSE": unmatched - self.ended_credits,
            "BANK_TRANSIT": self.released + self.ended_debits - went,
        }
        assert +found + -found == +Counter(wanted) + -Counter(wanted)
        assert sum(found.values()) == 0
        assert all(
            one.kind != admin_pb2.ACCOUNT_KIND_FLOAT or not balance_of(one)
            for one in accounts
        )
        sums: Counter[int] = Counter()
        for item in self.items():
            sums[item.kind] += item.amount
        assert sums[pb.BANK_ITEM_KIND_CREDIT] == wanted["BANK_SUSPENSE"]
        assert (
            sums[pb.BANK_ITEM_KIND_RELEASE] - sums[pb.BANK_ITEM_KIND_DEBIT]
            == wanted["BANK_TRANSIT"]
        )
        account = self.account
        assert account.before + account.balance == OPENING + mirror
        assert (account.suspense, account.transit) == (
            wanted["BANK_SUSPENSE"],
            wanted["BANK_TRANSIT"],
        )

    def is_told(self, one: Movement) -> bool:
        return any(one is other for other in self.told)


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    found = Council(tmp_path)
    found.begin()
    found.start(*ARGUMENTS)
    try:
        found.load(network())
        yield found
    finally:
        found.stop()


def test_a_month_comes_out_to_the_paisa(council: Council) -> None:
    month = Month(council)
    days = [FIRST + dt.timedelta(days=at) for at in range(7 * DAYS // 5)]
    days = [one for one in days if one.weekday() < 5]
    assert len(days) == DAYS
    assert days[YEAR_END] == dt.date(2026, 3, 31)
    for day, date in enumerate(days):
        month.bank.go_on(date)
        live(month, day)
        month.check()
        # Nothing waits for people.
        assert month.items(pb.BANK_ITEM_KIND_CREDIT) == []
        assert month.items(pb.BANK_ITEM_KIND_DEBIT) == []
        owed = 500 * RUPEE if GONE <= day < MADE_GOOD else 0
        assert month.client.wallet(BROKE).wallet.owed == owed
    numbers = [one.number for one in month.bank.sheets]
    assert numbers == [*range(NUMBERED, NUMBERED + YEAR_END + 1), *range(1, 14)]
    end(month)


def live(month: Month, day: int) -> None:
    """A day, until two people have gone through what waits."""
    if day == RESTARTED:
        month.council.stop()
        month.council.start(*ARGUMENTS)
        month.connect()
    if day == YEAR_END:
        month.end_year()
    month.pay_released()
    for at in range(6):
        month.send(CENTRES[(day + at) % 4], (2_000 + 100 * at + day) * RUPEE)
    month.send_wrong(day)
    if day == GONE - 1:
        month.send(BROKE, 500 * RUPEE)
    if day == MADE_GOOD:
        month.send(BROKE, 800 * RUPEE)
    if day == CHANGED:
        month.move()
    if day:
        for centre in CENTRES[:4]:
            if month.wallets[centre] > 200 * RUPEE:
                month.pay(centre, 100 * RUPEE + day)
    if day in (6, 11, 22, 27):
        # Of the oldest payment: its money is paid out, and its biller owes it.
        month.refund(*month.paid.pop(0))
    month.settle()
    payout = None if day % 5 == 4 else month.pay_released()
    special(month, day, payout)
    tell(month, day)
    month.explain()


def special(month: Month, day: int, payout: Movement | None) -> None:
    """What a bank does only now and then."""
    bank = month.bank
    if day in REVERSED:
        [one] = [one for one in month.told if one in month.matched][-1:]
        bank.reverse(one)
        month.plans[one.reference, True] = {"from_wallet": one.party}
    if day == GONE:
        month.pay(BROKE, month.wallets[BROKE])
        [one] = [one for one in month.told if one.party == BROKE]
        bank.reverse(one)
        month.plans[one.reference, True] = {"from_wallet": BROKE, "owed": True}
    if day in CHARGED:
        bank.charge(59 * RUPEE + 18)
    if day == YEAR_END:
        bank.interest(1_234)
    if day in BACK:
        assert payout is not None
        back = bank.give_back(payout)
        month.plans[back.reference, False] = {"to_settlement": True}


def tell(month: Month, day: int) -> None:
    """The statement of the day, if the bank's machine sends one."""
    bank = month.bank
    if day == ADVISED:
        advised = tuple(bank.movements[-len(bank.untold) :][:4])
        taken = month.channel.take(bank.advise(advised))
        assert (taken.booked, taken.already, taken.refused) == (4, 0, ())
        month.tell(advised)
        month.check()
        assert month.account.unlisted == sum(one.change for one in advised)
    sheet = bank.close()
    if day == MISSING:
        return
    if day == MISSING + 1:
        with pytest.raises(StatementError, match="one between is missing"):
            month.take(sheet)
        assert month.force(sheet) == ["STATEMENT_GAP"]
        month.check()
        assert month.account.statement.closing != sheet.closing
        month.take(bank.sheets[-2])
    taken = month.take(sheet, pages=3 if day == SWAPPED else 1)
    if day == ADVISED:
        assert taken.already == 4
    if day == TWICE:
        sequence = month.client.ledger().sequence
        assert month.take(sheet) == month.channel.repeat() == Taken(0, 0, 0)
        assert month.client.ledger().sequence == sequence
    account = month.account
    # All that the bank has is told, and stands in its statements.
    assert account.before + account.balance == bank.balance == sheet.closing
    assert (account.statement.closing, account.unlisted) == (sheet.closing, 0)
    assert account.statement.number == sheet.number


def end(month: Month) -> None:
    """What is left, and what others say of it."""
    council, bank = month.council, month.bank
    assert month.wallets[BROKE] == 300 * RUPEE
    # Each window lies in one financial year, and all that was paid in one of them.
    windows = list(month.client.windows())
    assert [one.by_schedule for one in windows].count(True) == 1
    assert all(one.payable == one.settled for one in windows)
    years = {(one.first_year, one.last_year) for one in windows if one.last_year}
    assert years == {(2026, 2026), (2027, 2027)}
    words = ["bank", "--json", "--limit", "0", "--as", "treasury/treasury"]
    words += ["--address", council.server.address]
    words += ["--tls", str(council.directory / "tls")]
    done = forked.run("switch", *words)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    [account] = told["accounts"]
    assert account["before"] + account["balance"] == bank.balance
    assert account["statement"]["closing"] == bank.balance
    assert account["statement"]["number"] == bank.sheets[-1].number
    assert account.get("debits_count", 0) == 0
    assert {one["sequence"] for one in told["items"]} == {
        one.sequence for one in month.items()
    }
    done = forked.run("switch.audit", council.directory / "ledger")
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-1_000:]
