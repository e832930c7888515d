"""Goal: no sequence of moves makes money, loses it, or overdraws a wallet.

Method: Hypothesis draws moves and shrinks what fails; the core is compared with the
model at each, and after each the books must balance.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from switch.codes import (
    PROPOSE_ADVANCE,
    AccountKind,
    DuplicateRule,
    Kind,
    PersonRole,
    Result,
    RowFlag,
)
from tests import people, signing
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import Pair
from tests.model import Answers, Payments, Rows
from tests.office import Office, line_of
from tests.records import KINDS_WITHOUT_ID, LimitRecord, Payment, Row, Said
from tests.signing import ThresholdsRecord

SECOND_NS = 10**9
FUNDS = 100_000
WORD_MAX = 2**64 - 1

places = st.integers(0, 3)
amounts = st.one_of(st.integers(1, 2_000), st.sampled_from((500, 60_000, 10**18)))
services = st.integers(1, 41)
bills = st.integers(1, 6)
backs = st.integers(0, 12)
said = st.sampled_from((None, None, 0, 0, 0, 1, -300))
proposed = st.sampled_from(
    (Kind.POST, Kind.VOID, Kind.TRANSFER, PROPOSE_ADVANCE, Kind.VERIFY)
)
jumps = st.sampled_from((1, 3_600, 86_400, 8 * 86_400, 32 * 86_400))


class LedgerMachine(RuleBasedStateMachine):
    """One ledger, one model, every move there is."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.net = make_network()
        self.now = NOW
        self.number = 0

    @initialize()
    def open(self) -> None:
        path = Path(self.folder.name) / "ledger"
        self.pair = Pair(path, threads=False, index_step_rows=16, map_size=1 << 30)
        self.pair.commit([Rows(self.net.rows)], self.now)
        for wallet in self.net.wallets[:4]:
            self.do(top_up(self.net, wallet, FUNDS, b"UTR-%d" % wallet))

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            self.pair.compare_all(range(1, len(self.pair.model.rows) + 1))
            self.pair.close()
        self.folder.cleanup()

    def asked(self, row: Row) -> Row:
        """A row as this ledger is asked for it."""
        return row

    def do(self, row: Row) -> int:
        """One row as a group; the pair compares."""
        return self.pair.one(self.asked(row), self.now).result

    def row(self, kind: Kind, **fields: Any) -> Row:
        """A row with a new id, sent by the treasury."""
        self.number += 1
        row = Row(kind, participant=self.net.treasury, **fields)
        if kind not in KINDS_WITHOUT_ID:
            row.id = self.number.to_bytes(16, "big")
        return row

    def recent(self, kinds: tuple[Kind, ...], back: int) -> int:
        """Sequence of one of the last accepted rows of these kinds, or 1."""
        rows = self.pair.model.rows
        good = [r.sequence for r in rows if r.kind in kinds and r.result == Result.OK]
        return good[-1 - back % len(good)] if good else 1

    def reference(self, service: int, bill: int) -> bytes:
        """A reference that the service takes."""
        record = self.net.services[service - 1]
        period = record.duplicate_rule == DuplicateRule.ONCE and record.key_rule == 2
        return b"BILL-%d" % bill + (b"/2026-03" if period else b"")

    @rule(kind=st.sampled_from((Kind.PAY, Kind.HOLD)), place=places, amount=amounts,
          service=services, bill=bills)  # fmt: skip
    def pay(self, kind: Kind, place: int, amount: int, service: int, bill: int) -> None:
        row = self.row(
            kind,
            debit=self.net.wallets[place],
            amount=amount,
            total=amount,
            service=service,
            reference=self.reference(service, bill),
            deadline=3_600 if kind == Kind.HOLD else 0,
        )
        self.do(row)
        assert self.do(row) == self.pair.model.rows[-1].result

    @rule(places=st.lists(services, min_size=1, max_size=4), amount=amounts, bill=bills)
    def pay_basket(self, places: list[int], amount: int, bill: int) -> None:
        basket = []
        for service in places:
            self.number += 1
            basket.append(
                Payment(
                    id=self.number.to_bytes(16, "big"),
                    service=self.net.services[service - 1].code,
                    amount=amount,
                    amount_due=amount,
                    reference=self.reference(service, bill),
                )
            )
        centre = self.net.centres[0]
        ask = Payments([], [basket], centre, centre)
        self.pair.commit([ask, ask], self.now)

    @rule(back=backs, amount=amounts)
    def post(self, back: int, amount: int) -> None:
        hold = self.recent((Kind.HOLD,), back)
        held = min(amount, self.pair.model.rows[hold - 1].amount)
        self.do(self.row(Kind.POST, resolves=hold, amount=held or amount))

    @rule(back=backs)
    def void(self, back: int) -> None:
        self.do(self.row(Kind.VOID, resolves=self.recent((Kind.HOLD,), back)))

    @rule(back=backs, said=said, twice=st.booleans())
    def answer(self, back: int, said: int | None, twice: bool) -> None:
        """Nothing was credited, or what was asked about, or so much more."""
        model = self.pair.model
        hold = model.rows[self.recent((Kind.HOLD,), back) - 1]
        if hold.kind != Kind.HOLD:
            return
        biller = model.services[hold.service - 1].biller
        amount = max(1, model.question_sum(hold) + (said or 0))
        answer = Said(hold.sequence, hold.id, said is not None, b"word", amount)
        self.pair.commit([Answers([answer], biller)] * (1 + twice), self.now)

    @rule(back=backs, amount=amounts, other=st.booleans())
    def refund_by_two(self, back: int, amount: int, other: bool) -> None:
        payment = self.recent((Kind.PAY, Kind.POST), back)
        self.propose_and_approve(Kind.REFUND, payment, amount, other=other)

    @rule(back=backs, amount=amounts, total=proposed, other=st.booleans())
    def decide(self, back: int, amount: int, total: int, other: bool) -> None:
        """Of a hold, what two people may want of such; most often what fits it."""
        model = self.pair.model
        hold = self.recent((Kind.HOLD,), back)
        row = model.hold_of(Row(Kind.POST, resolves=hold))
        if row is None:
            return
        self.propose_and_approve(total, hold, min(amount, row.amount), other=other)

    @rule(back=backs, other=st.booleans())
    def close_case(self, back: int, other: bool) -> None:
        case = self.recent((Kind.CASE,), back)
        self.propose_and_approve(Kind.CASE_CLOSE, case, 1, other=other)

    @rule(back=backs)
    def recover(self, back: int) -> None:
        advances = [*self.pair.model.advanced.values()] or [1]
        lent = self.pair.model.rows[advances[-1 - back % len(advances)] - 1]
        row = self.row(Kind.TRANSFER, resolves=lent.sequence, amount=lent.amount or 1)
        row.debit, row.credit, row.reference = lent.credit, lent.debit, b"back"
        self.do(row)

    @rule(back=backs)
    def withdraw(self, back: int) -> None:
        row = self.row(Kind.WITHDRAW, resolves=self.recent((Kind.PROPOSE,), back))
        row.reference = b"not so"
        self.do(row)

    def propose_and_approve(
        self, total: int, resolves: int, amount: int, *, other: bool
    ) -> None:
        """And what comes of it, each sent twice."""
        ask = self.row(Kind.PROPOSE, resolves=resolves, amount=amount, total=total)
        ask.reference = b"as asked"
        self.do(ask)
        asked = self.recent((Kind.PROPOSE,), 0)
        yes = self.row(Kind.APPROVE, resolves=asked, operator_=int(other))
        hold = self.pair.model.hold_of(ask)
        accounts = (hold.debit, hold.credit) if hold is not None else (0, 0)
        if total == PROPOSE_ADVANCE:
            accounts = self.net.suspense, accounts[0]
        deed = people.done(
            ask, asked, checker=yes.participant, debit=accounts[0], credit=accounts[1]
        )
        if total not in (Kind.TRANSFER, PROPOSE_ADVANCE):
            deed.debit = deed.credit = 0
        both = Rows([self.asked(yes), deed])
        self.pair.commit([both, both], self.now)

    @rule(back=backs, amount=amounts)
    def refund(self, back: int, amount: int) -> None:
        payment = self.recent((Kind.PAY, Kind.POST), back)
        self.do(self.row(Kind.REFUND, resolves=payment, amount=amount))

    @rule(place=places, amount=amounts, utr=bills)
    def credit(self, place: int, amount: int, utr: int) -> None:
        wallet = self.net.wallets[place]
        row = self.row(Kind.TOP_UP, debit=self.net.float_, credit=wallet, amount=amount)
        row.reference = (b"UTR %d", b"utr%d", b"U tR %d")[amount % 3] % utr
        self.do(row)

    @rule(debit=st.integers(0, 14), credit=st.integers(0, 14), amount=amounts)
    def transfer(self, debit: int, credit: int, amount: int) -> None:
        row = self.row(Kind.TRANSFER, debit=debit, credit=credit, amount=amount)
        row.reference = b"correction"
        self.do(row)

    @rule()
    def close_window_and_settle(self) -> None:
        model = self.pair.model
        window = self.row(Kind.WINDOW, resolves=model.last_window)
        self.do(window)
        self.do(window)
        # None is closed in which nothing would be.
        for account, payable in model.windows.get(model.last_window, {}).items():
            row = self.row(Kind.SETTLE, resolves=model.last_window, debit=account)
            row.credit, row.amount = self.net.settlement, payable or 1
            self.do(row)

    @rule(place=places, unfreeze=st.booleans())
    def freeze(self, place: int, unfreeze: bool) -> None:
        flags = RowFlag.UNFREEZE if unfreeze else 0
        row = self.row(Kind.FREEZE, debit=self.net.wallets[place], flags=flags)
        row.reference = b"as asked"
        self.do(row)

    @rule(place=places)
    def close(self, place: int) -> None:
        row = self.row(Kind.CLOSE, debit=self.net.wallets[place], reference=b"moved")
        self.do(row)

    @rule(
        place=places,
        amount=amounts,
        count=st.integers(0, 5),
        payment=st.none() | amounts,
    )
    def limit(self, place: int, amount: int, count: int, payment: int | None) -> None:
        row = self.row(Kind.LIMIT, debit=self.net.wallets[place])
        row.tail = LimitRecord(amount, count, payment).pack()
        self.do(row)

    @rule(jump=jumps)
    def wait(self, jump: int) -> None:
        self.now += jump * SECOND_NS
        self.pair.commit([], self.now)

    @rule()
    def step(self) -> None:
        self.pair.ledger.index_step()

    @rule(without_index=st.booleans())
    def reopen(self, without_index: bool) -> None:
        self.pair.reopen(without_index=without_index)

    @invariant()
    def books_balance(self) -> None:
        if not hasattr(self, "pair"):
            return
        accounts, _ = self.pair.ledger.accounts()
        debits = {name: accounts[f"debits_{name}"] for name in ("pending", "posted")}
        credits_ = {name: accounts[f"credits_{name}"] for name in ("pending", "posted")}
        for name in ("pending", "posted"):
            assert sum(debits[name].tolist()) == sum(credits_[name].tolist())
        used = debits["posted"] + debits["pending"]
        wallets = np.asarray(accounts["kind"] == AccountKind.WALLET)
        assert (credits_["posted"][wallets] >= used[wallets]).all()
        self.pair.compare_accounts()


class PeopleMachine(LedgerMachine):
    """The same in a ledger with people: what the treasury does stands in proposals, and
    the first person signs; others approve, one after the other, as many as it needs.
    """

    MAKER, OTHERS = (1, 1), ((1, 2), (1, 6))

    @initialize()
    def open(self) -> None:
        path = Path(self.folder.name) / "ledger"
        self.pair = Pair(path, threads=False, index_step_rows=16, map_size=1 << 30)
        self.office = Office(self.pair.model, self.pair.commit, self.now)
        funds = [
            top_up(self.net, wallet, FUNDS, b"UTR-%d" % wallet)
            for wallet in self.net.wallets[:4]
        ]
        self.office.have_built([*self.net.rows, *funds])
        self.now = self.office.now

    def asked(self, row: Row) -> Row:
        """Signed, if somebody has to: by the first, or approved by the second."""
        model = self.pair.model
        row = row.copy()
        if row.kind == Kind.APPROVE:
            row.operator_ += 1
            asked = model.rows[row.resolves - 1]
            row.reference = signing.hash_of(asked, model.instance)
        else:
            row.operator_ = 1
        signs = (Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW, Kind.WINDOW)
        if row.kind in signs or (model.shape(row) == 0 and model.is_stop(row)):
            return self.office.signed(row)
        return row

    def do(self, row: Row) -> int:
        """One row; what must be a line is proposed, approved and done first."""
        if not self.pair.model.needs_lines(self.asked(row)):
            return super().do(row)
        told = self.pair.one(self.office.proposal(self.MAKER, line_of(row)), self.now)
        if told.result != Result.OK:
            return told.result
        asked = self.pair.model.rows[told.sequence - 1]
        for other in self.OTHERS:
            if self.pair.model.approval_of(asked) is None:
                yes = self.office.approval(asked.sequence, other)
                self.pair.one(yes, self.now)
        [line] = self.office.line_rows(asked.sequence)
        return self.pair.one(line, self.now).result

    @rule(amount=amounts, batch=amounts, day=amounts)
    def bound(self, amount: int, batch: int, day: int) -> None:
        tail = ThresholdsRecord(amount, batch, min(day * 20, WORD_MAX)).pack()
        self.do(self.row(Kind.REGISTER, tail=tail))

    @rule(number=st.integers(1, 6), role=st.sampled_from(PersonRole))
    def employ(self, number: int, role: PersonRole) -> None:
        record = self.office.person((1, number), number, role=role)
        self.do(self.row(Kind.REGISTER, tail=record.pack()))

    @rule(number=st.integers(1, 6))
    def dismiss(self, number: int) -> None:
        one = self.pair.model.persons.get((1, number))
        if one is not None:
            record = self.office.person((1, number), number, role=one.role, active=0)
            self.do(self.row(Kind.REGISTER, tail=record.pack()))

    @rule(back=backs, other=st.integers(0, 2))
    def approve_a_stop(self, back: int, other: int) -> None:
        stops = sorted(self.pair.model.stops) or [1]
        stop = stops[-1 - back % len(stops)]
        self.do(self.row(Kind.APPROVE, resolves=stop, operator_=other))

    @invariant()
    def two_stay(self) -> None:
        if hasattr(self, "office"):
            assert len(self.pair.model.approvers()) >= 2
            self.pair.compare_registers()


LedgerMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestLedger = LedgerMachine.TestCase
PeopleMachine.TestCase.settings = settings(
    LedgerMachine.TestCase.settings, max_examples=25
)
TestLedgerWithPeople = PeopleMachine.TestCase
