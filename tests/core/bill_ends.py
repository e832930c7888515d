"""A walk over bills, and what becomes of the payments: what a department credits, says,
says late, otherwise or not at all, and what two people make of that.

Of tests/core/test_bills_once.py, which see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from switch.codes import PROPOSE_ADVANCE, Kind, Policy, Result
from tests import people
from tests.core.bill_walk import FEE, FEE_AMOUNT, KEPT, Walk
from tests.core.market import DEADLINE_S, SECOND_NS
from tests.core.till_book import Debt, Paid
from tests.model import Answers, Rows
from tests.model_state import ist_day
from tests.records import Outcome, Payment, Row, Said

MORE = frozenset({"kept", "unverified", "late", "differing"})
"""What lists a credit that is more than the money for it."""
LESS = frozenset({"kept", "rejected", "differing"})
"""What lists money that is more than its credit."""
ROUNDS_MOST = 40


@dataclass
class Wanted:
    """A proposal that waits for a second person."""

    row: Row
    hold: int


class Ends(Walk):
    """A walk to its end."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.wanted: list[Wanted] = []
        self.unfunded: list[Row] = []
        """What people have agreed on, and could not be done for want of money."""

    # --- what holds at any time -------------------------------------------------------

    def judge(self, payments: set[int] | None = None) -> None:
        """Each credit without money and each money without a credit is listed."""
        moved = self.moved if payments is None else payments
        for sequence in sorted(moved & self.book.paid.keys()):
            paid = self.book.paid[sequence]
            listed = self.matters.of(sequence)
            if sequence not in self.matters.holds or (paid.open_ and not listed):
                continue
            policy = self.records[paid.service].deadline_policy
            assert not paid.unverified or policy == Policy.RELEASE, paid
            credit = self.department.credit(sequence)
            if credit != paid.money:
                lists = MORE if credit > paid.money else LESS
                assert listed & lists, f"{paid}: credited {credit}, listed {listed}"
        self.moved.clear()

    def judge_all(self) -> None:
        """The same of all payments, and that the ledger has the same lists."""
        ledger = self.market.pair.ledger
        self.catch_up()
        assert ledger.kept().tolist() == sorted(self.matters.kept)
        assert ledger.unverified().tolist() == sorted(self.matters.unverified)
        self.judge(set(self.book.paid))
        for debt in self.owed.values():
            if debt.family.startswith("open"):
                continue
            paid = self.book.all_of(debt)
            assert sum(each.money for each in paid) <= debt.total, f"{debt}: paid twice"
            credits = [
                self.department.credit(each.sequence)
                for each in paid
                if not self.matters.of(each.sequence)
            ]
            assert sum(credits) <= debt.total, f"{debt}: credited twice, unlisted"

    # --- the department ---------------------------------------------------------------

    def speak(self) -> None:
        """It says something about some payments, of which it was asked or not."""
        rng, book = self.rng, self.book
        chosen = self.doubtful()
        ended = [final.hold for final in list(self.matters.finals.values())[-KEPT:]]
        for hold in rng.sample(ended, min(len(ended), rng.choice((0, 0, 1, 3)))):
            chosen.setdefault(hold)
        said = []
        for hold in chosen:
            answer = self.says(book.paid[hold])
            if answer is not None:
                said.append(answer)
        if said:
            self.answer(said)

    def send_list(self) -> None:
        """All that it has credited of the days before today, and nothing else is."""
        today = ist_day(self.market.now)
        asked = {each for _, each in self.market.model.due} | self.matters.unverified
        holds = [
            hold for hold in sorted(asked) if ist_day(self.book.paid[hold].time) < today
        ]
        for hold in holds:
            self.department.set(hold, self.department.credit(hold))
        if holds:
            self.answer([self.answer_of(self.book.paid[hold]) for hold in holds])

    def doubtful(self) -> dict[int, None]:
        """Some of what is open, or otherwise in doubt; as a set with an order."""
        model, rng = self.market.model, self.rng
        due = [sequence for _, sequence in model.due]
        chosen = rng.sample(due, min(len(due), rng.choice((1, 4, 12))))
        for open_ in (self.matters.unverified, self.matters.late, self.matters.kept):
            some = sorted(open_)
            chosen += rng.sample(some, min(len(some), rng.choice((0, 1, 2))))
        recent = list(self.book.paid)[-4 * KEPT :]
        gone = [each for each in recent[-KEPT:] if self.is_over(each)]
        chosen += rng.sample(gone, min(len(gone), rng.choice((0, 0, 1))))
        back = [hold for hold in recent if self.was_decided(hold)]
        chosen += rng.sample(back, min(len(back), rng.choice((0, 1, 2))))
        return dict.fromkeys(chosen)

    def is_over(self, hold: int) -> bool:
        """Whether a payment was given back, and nobody doubts it."""
        paid = self.book.paid[hold]
        return not paid.is_doubtful and hold in self.matters.holds and not paid.money

    def was_decided(self, hold: int) -> bool:
        """Whether people have given all of a payment back, or taken it after all."""
        paid = self.book.paid[hold]
        return hold in self.matters.holds and (paid.is_back or paid.corrected > 0)

    def says(self, paid: Paid) -> Said | None:
        """What it says of a payment by now; None: it is silent."""
        department, hold = self.department, paid.sequence
        in_part = 0 < paid.posted < paid.amount
        doubtful = paid.is_back or paid.corrected or in_part
        if not department.knows(hold):
            self.look(paid)
        elif self.chance(3 if doubtful else 12):
            self.change_mind(paid)
        elif self.chance(3) or (paid.is_doubtful and self.chance(4)):
            return None
        return self.answer_of(paid)

    def look(self, paid: Paid) -> None:
        """It looks at a payment for the first time. Most often it credits nothing after
        the last moment, by a clock of its own.
        """
        due = paid.time + DEADLINE_S * SECOND_NS
        early = self.market.now < due
        by_its_clock = self.market.now + self.department.ahead_ns < due
        self.seen["skew"] += early != by_its_clock
        if by_its_clock or self.chance(2):
            self.department.decide(paid.sequence, paid.amount)
        else:
            self.department.set(paid.sequence, 0)

    def change_mind(self, paid: Paid) -> None:
        """It has made a mistake, finds that, and says so at once."""
        back = self.department.credit(paid.sequence) > 0
        if paid.is_back and not back:
            self.credit_again(paid)
            return
        if paid.corrected and self.chance(2):
            self.department.set(paid.sequence, self.otherwise(paid.corrected))
            return
        whole = paid.money if paid.posted else paid.amount
        if paid.posted and not paid.refunded and self.chance(2):
            # Perhaps people have posted it in part: then all of it was credited.
            back, whole = False, paid.amount
        self.department.set(paid.sequence, 0 if back else whole)

    def credit_again(self, paid: Paid) -> None:
        """What was given back it credits after all.

        As much as was posted only if it has rejected that before: else nobody could
        tell what it says from an answer that is sent again.
        """
        credit = paid.posted
        if not paid.rejected or self.chance(2):
            credit = self.otherwise(paid.posted)
        self.department.set(paid.sequence, credit)

    def otherwise(self, amount: int) -> int:
        """Another amount."""
        other = amount + self.rng.choice((-400, -1, 1, 700))
        return other if other > 0 else amount + 1

    def answer_of(self, paid: Paid) -> Said:
        """What stands in its books, as an answer to the question."""
        row = self.market.model.rows[paid.sequence - 1]
        credit = self.department.credit(paid.sequence)
        said = Said(paid.sequence, row.id, credit > 0, b"word")
        if credit:
            # Of a basket it is asked about the sum.
            asked = self.market.model.question_sum(row)
            said.amount = max(1, asked + credit - row.amount)
            if credit == paid.posted:
                said.amount = credit
        return said

    def answer(self, said: list[Said]) -> list[Outcome]:
        """As one message. Who has back what is disputed now will pay the bill again."""
        before = len(self.book.disputed)
        outcomes = self.commit([Answers(said, self.market.billers[0][0])])
        if len(self.book.disputed) > before:
            holds = (self.book.paid[each.number] for each in said)
            for paid in holds:
                if paid.is_disputed:
                    self.try_again(paid.debt)
        return outcomes

    def try_again(self, debt: Debt) -> None:
        """Somebody will want to pay it soon."""
        if debt.ids:
            self.debts = [*self.debts[-KEPT:], debt]

    # --- counters and the phone -------------------------------------------------------

    def call_off(self) -> None:
        """Payments of which the department was not asked are cancelled; or it says on
        the phone that it has credited a part.
        """
        model, rng = self.market.model, self.rng
        new = [each for _, each in model.due if not self.department.knows(each)]
        for sequence in rng.sample(new, min(len(new), 2)):
            hold = model.rows[sequence - 1]
            if self.chance(2):
                self.department.set(sequence, 0)
                self.commit([Rows([Row(Kind.VOID, resolves=sequence)])])
                continue
            part = rng.randrange(1, hold.amount + 1)
            row = Row(Kind.POST, resolves=sequence, amount=part)
            [outcome] = self.commit([Rows([row])])
            if outcome.result == Result.OK:
                self.department.set(sequence, part)

    def give_back(self) -> None:
        """A payment, or some of it; its department agrees."""
        recent = list(self.book.finals)[-KEPT:]
        if not recent:
            return
        final = self.rng.choice(recent)
        left = self.book.finals[final].money
        if left > 0:
            amount = left if self.chance(2) else self.rng.randrange(1, left + 1)
            self.refund(final, amount)

    def refund(self, final: int, amount: int) -> None:
        """Its department credits no more than the rest; its citizen may pay anew."""
        outcome = self.market.refund(Outcome(Result.OK, sequence=final), amount)
        self.note(outcome)
        self.catch_up()
        paid = self.book.finals[final]
        if paid.is_back and self.chance(2):
            self.try_again(paid.debt)
        if paid.is_disputed and self.chance(2):
            return  # it does not agree, and has said so
        if self.department.knows(paid.sequence):
            rest = min(paid.money, self.department.credit(paid.sequence))
            self.department.set(paid.sequence, rest)

    def note(self, outcome: Outcome) -> None:
        """Count a result of people's."""
        self.results[outcome.result] += 1

    # --- two people -------------------------------------------------------------------

    def decide(self) -> None:
        """One of them wants something, or another one agrees."""
        if self.wanted and self.chance(2):
            self.agree(self.wanted.pop(self.rng.randrange(len(self.wanted))))
            return
        lists = (self.matters.kept, self.matters.unverified, self.matters.late)
        some = [sorted(each) for each in (*lists, self.matters.kept)]
        some += [list(self.matters.rejected), list(self.matters.differing)]
        some = [each for each in some if each]
        if some:
            self.want(self.rng.choice(self.rng.choice(some)))
        if self.matters.advances and self.chance(3):
            self.recover(self.rng.choice(list(self.matters.advances)))
        self.catch_up()

    def want(self, matter: int) -> None:
        """What fits a matter, by what the department says on the phone."""
        matters = self.matters
        if matter in matters.rejected or matter in matters.differing:
            self.want_of_case(matter)
        elif matter in matters.kept:
            self.want_of_kept(self.book.paid[matter])
        elif matter in matters.late:
            self.want_of_late(self.book.paid[matter])
        elif not self.department.credit(matter):
            self.department.set(matter, 0)
            self.propose(Kind.VERIFY, matter, matter)

    def want_of_case(self, case: int) -> None:
        """Money or credit of a payment that was posted is put right."""
        hold = {**self.matters.rejected, **self.matters.differing}[case]
        paid = self.book.paid[hold]
        if case in self.matters.rejected and self.chance(2) and paid.posted:
            final = self.market.model.resolved[hold]
            self.department.set(hold, 0)
            if paid.money > 0:
                self.refund(final, paid.money)
            return
        self.department.set(hold, paid.money)
        self.propose(Kind.CASE_CLOSE, case, hold)

    def want_of_kept(self, paid: Paid) -> None:
        """It is paid or given back; until then its centre may have an advance."""
        hold = paid.sequence
        if not self.department.knows(hold):
            self.department.decide(hold, paid.amount)
        credit = min(self.department.credit(hold), paid.amount)
        if self.chance(3):
            self.propose(PROPOSE_ADVANCE, hold, hold, paid.amount)
            return
        self.department.set(hold, credit)
        self.propose(Kind.POST if credit else Kind.VOID, hold, hold, credit or 1)

    def want_of_late(self, paid: Paid) -> None:
        """The credit goes back, or its citizen pays after all, if nobody has by now."""
        hold = paid.sequence
        others = [each for each in self.book.all_of(paid.debt) if each is not paid]
        paid_by_another = any(each.taken for each in others)
        credit = min(self.department.credit(hold), paid.amount)
        if paid_by_another or self.chance(3):
            credit = 0
        self.department.set(hold, credit)
        kind = Kind.TRANSFER if credit else Kind.VERIFY
        self.propose(kind, hold, hold, credit or 1)

    def propose(self, total: int, resolves: int, hold: int, amount: int = 1) -> None:
        """Asked for; most often it waits."""
        row = self.market.propose(total, resolves, amount)
        if row.sequence:
            self.wanted = [*self.wanted[-KEPT:], Wanted(row, hold)]

    def agree(self, wanted: Wanted) -> None:
        """Another person looks whether it is still right; then it is done, or not."""
        market, row = self.market, wanted.row
        paid = self.book.paid[wanted.hold]
        if not self.is_right(wanted, paid):
            gone = Row(Kind.WITHDRAW, id=market.id(), resolves=row.sequence)
            gone.reference, gone.participant = b"not so", people.MAKER
            self.note(market.pair.one(gone, market.tick()))
            return
        accounts = {}
        if row.total == Kind.TRANSFER:
            accounts = {"debit": paid.wallet, "credit": paid.account}
        elif row.total == PROPOSE_ADVANCE:
            accounts = {"debit": market.net.suspense, "credit": paid.wallet}
        disputed = paid.is_disputed and row.total == Kind.CASE_CLOSE
        fetched = self.fetch(paid.debt) if disputed and self.is_billed(paid) else None
        deed = people.done(row, row.sequence, checker=people.CHECKER, **accounts)
        for outcome in market.approve(row, deed):
            self.note(outcome)
            if outcome.result == Result.INSUFFICIENT_FUNDS:
                self.unfunded.append(deed)
        self.catch_up()
        if fetched is not None:
            late = self.present(fetched).result == Result.QUOTATION_EXPIRED
            self.seen["fetched while disputed"] += late

    def is_billed(self, paid: Paid) -> bool:
        """Whether a payment was of a bill that is fetched."""
        return not paid.debt.family.startswith(("open", "fee"))

    def is_right(self, wanted: Wanted, paid: Paid) -> bool:
        """Whether the department's books still agree with what is wanted."""
        row, credit = wanted.row, self.department.credit(wanted.hold)
        if row.total in (Kind.VOID, Kind.VERIFY):
            return credit == 0
        if row.total in (Kind.POST, Kind.TRANSFER):
            others = sum(
                each.taken for each in self.book.all_of(paid.debt) if each is not paid
            )
            alone = row.total == Kind.POST or not others
            return credit == row.amount and alone
        return row.total != Kind.CASE_CLOSE or credit == paid.money

    def recover(self, advance: int) -> None:
        """What was advanced is taken back."""
        lent = self.market.model.rows[advance - 1]
        back = Row(Kind.TRANSFER, id=self.market.id(), amount=lent.amount)
        back.resolves, back.reference = advance, b"no more needed"
        back.debit, back.credit = lent.credit, lent.debit
        back.participant = people.MAKER
        self.note(self.market.pair.one(back, self.market.tick()))

    # --- time -------------------------------------------------------------------------

    def wait(self) -> None:
        """Seconds, minutes, hours or a day."""
        seconds = self.rng.choice((1, 60, 599, 3_600, 7_200, 7_201, 40_000, 90_000))
        self.market.wait(seconds)
        self.catch_up()

    # --- all of it --------------------------------------------------------------------

    def moves(self) -> list[Callable[[], None]]:
        """What may happen, each as often as it stands there."""
        return (
            [self.pay] * 12
            + [self.speak] * 6
            + [self.decide] * 8
            + [self.give_back] * 3
            + [self.issue_again, self.call_off] * 2
            + [self.wait] * 2
            + [self.send_list]
        )

    def go(self, bills: int) -> None:
        """Until so many bills were owed."""
        self.owe()
        moves = self.moves()
        while self.made < bills:
            if not self.chance(4):
                self.owe()
            self.rng.choice(moves)()
            self.judge()

    def put_right(self) -> None:
        """Nothing new is paid; everything that is listed is explained, and ends."""
        for _ in range(ROUNDS_MOST):
            self.market.wait(90_000)
            self.catch_up()
            if not self.matters.count():
                break
            for hold in sorted(self.matters.unverified):
                if not self.department.knows(hold):
                    self.department.set(hold, 0)
                self.answer([self.answer_of(self.book.paid[hold])])
            for matters in (
                self.matters.kept, self.matters.late, self.matters.rejected,
                self.matters.differing,
            ):  # fmt: skip
                for matter in sorted(matters):
                    if matter in matters:
                        self.want(matter)
            while self.wanted:
                self.agree(self.wanted.pop())
            for advance in list(self.matters.advances):
                self.recover(advance)
            self.catch_up()
            self.judge()

    def pay_what_is_free(self) -> int:
        """Bills that were given back, and that nobody doubts any more, can be paid; how
        many.
        """
        model = self.market.model
        given_back = {
            id(self.book.paid[row.resolves].debt): self.book.paid[row.resolves].debt
            for row in model.rows
            if row.kind in (Kind.VERIFY, Kind.VOID) and row.resolves in self.book.paid
        }
        settled = [paid.debt for paid in self.book.paid.values() if paid.settled]
        count = 0
        for debt in [*list(given_back.values())[-KEPT * 3 :], *settled]:
            shared = debt.family.startswith(("open", "monthly"))  # a reference
            if not debt.ids or self.book.taken(debt) or shared:
                continue
            payment = self.payment_of(debt)
            self.book.ask(self.market.net.centres[0], payment.id, debt)
            outcome = self.market.one(payment)
            assert outcome.result == Result.OK, f"{debt}: {outcome}"
            self.catch_up()
            count += 1
        return count

    def payment_of(self, debt: Debt) -> Payment:
        """All of a debt, with what its biller says of it now."""
        index = self.services[debt.family][0]
        if debt.family.startswith("fee"):
            return self.market.plain(index, debt.reference, FEE_AMOUNT, items=FEE)
        self.market.now = max(self.market.now, self.market.model.timestamp)
        told = self.market.fetch(
            index, debt.reference, debt.ids[-1], due=debt.total, period=debt.period
        )
        return self.market.payment(told)
