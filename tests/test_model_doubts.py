"""Goal: the oracle is right about payments in doubt, where a person can check it.

Method: small stories with every figure worked out by hand from docs/data-model.md: what
a biller says late, never or otherwise, and what two people make of it.
"""

from typing import Any

import pytest

from switch.codes import (
    PROPOSE_ADVANCE,
    AccountKind,
    CaseType,
    DuplicateRule,
    Kind,
    Mode,
    Policy,
    Result,
    Role,
    RowFlag,
)
from tests import people
from tests.model import Answers, Payments, Rows
from tests.model_answers import EXPIRED, HELD, KEPT, REVERSED, UNVERIFIED
from tests.records import (
    AccountRecord,
    Outcome,
    ParticipantRecord,
    Payment,
    Row,
    Said,
    ServiceRecord,
)
from tests.test_model import (
    BILLER,
    CENTRE,
    HEAD,
    SECOND_NS,
    TREASURY,
    WALLET,
    Story,
)

OTHER = CENTRE + 1
SUSPENSE = WALLET + 1
DEADLINE_S = 60
DAY_NS = 86_400 * SECOND_NS


class Doubt(Story):
    """A story with a service that keeps and one that releases, and two people."""

    def __init__(self) -> None:
        super().__init__()
        record = ParticipantRecord(b"other", Role.TREASURY)
        self.tell(Kind.REGISTER, tail=record.pack())
        suspense = AccountRecord(TREASURY, 1, AccountKind.SUSPENSE)
        self.tell(Kind.OPEN, tail=suspense.pack())
        self.tell(Kind.TRANSFER, 500, debit=1, credit=SUSPENSE, reference=b"funds")
        self.services = {}
        for policy in Policy:
            record_ = self.record(policy)
            self.services[policy] = self.tell(Kind.REGISTER, tail=record_.pack()).index

    def record(self, policy: Policy) -> ServiceRecord:
        """A confirmed service whose bills are paid once."""
        return ServiceRecord(
            b"DOUBT-%d" % policy, BILLER, (HEAD,), mode=Mode.CONFIRMED,
            duplicate_rule=DuplicateRule.ONCE, key_rule=1, deadline_s=DEADLINE_S,
            deadline_policy=policy,
        )  # fmt: skip

    def send(self, *references: bytes, policy: Policy, amount: int) -> list[Outcome]:
        """A payment of the centre's, or a basket of several."""
        payments = []
        for reference in references:
            self.number += 1
            payments.append(
                Payment(
                    id=self.number.to_bytes(16, "big"),
                    service=b"DOUBT-%d" % policy,
                    amount=amount,
                    reference=reference,
                )
            )
        baskets = [payments] if len(payments) > 1 else []
        ask = Payments([] if baskets else payments, baskets, CENTRE, CENTRE)
        self.sent = ask
        return self.model.commit([ask], self.now)[0]

    def hold(self, reference: bytes = b"A", policy: Policy = Policy.RELEASE) -> int:
        """Sequence of a hold of 400."""
        return self.send(reference, policy=policy, amount=400)[0].sequence

    def again(self) -> int:
        """The state that is told of the payment that was sent last."""
        [[outcome]] = self.model.commit([self.sent], self.now)
        assert outcome.repeat
        return outcome.state

    def pass_deadline(self) -> Row:
        """What becomes of a hold then."""
        self.now += DEADLINE_S * SECOND_NS + 1_000
        self.model.commit([], self.now)
        return self.model.rows[-1]

    def says(self, hold: int, amount: int) -> Outcome:
        """What the biller says: so much credited, or with 0 that nothing was."""
        id_ = self.model.rows[hold - 1].id
        said = Said(hold, id_, amount > 0, b"WORD", amount)
        return self.model.commit([Answers([said], BILLER)], self.now)[0][0]

    def propose(self, total: int, resolves: int, amount: int = 400) -> Row:
        """What one person wants."""
        self.number += 1
        row = Row(Kind.PROPOSE, id=b"want%012d" % self.number, amount=amount)
        row.resolves, row.total, row.reference = resolves, total, b"as agreed"
        row.participant = TREASURY
        row.sequence = self.model.commit([Rows([row])], self.now)[0][0].sequence
        return row

    def answer_of(self, row: Row) -> Result:
        """The result that a proposal has had."""
        return Result(self.model.rows[row.sequence - 1].result)

    def approve(self, proposal: Row, *deeds: Row) -> list[Outcome]:
        """The other person, and what comes of it."""
        self.number += 1
        row = Row(Kind.APPROVE, id=b"yes%013d" % self.number)
        row.resolves, row.participant = proposal.sequence, OTHER
        return self.model.commit([Rows([row, *deeds])], self.now)[0]

    def both(self, total: int, resolves: int, amount: int = 400, **of: Any) -> Outcome:
        """Proposed, approved and done; the outcome of the deed."""
        proposal = self.propose(total, resolves, amount)
        deed = people.done(proposal, proposal.sequence, checker=OTHER, **of)
        approval, done = self.approve(proposal, deed)
        assert approval.result == Result.OK
        return done

    def counts(self, index: int = WALLET) -> tuple[int, int, int, int]:
        """Holds, kept ones, what those come to, and payments in question."""
        one = self.model.accounts[index]
        return one.holds_count, one.kept_count, one.kept_amount, one.cases_count

    def row(self, sequence: int) -> Row:
        """By its sequence."""
        return self.model.rows[sequence - 1]


@pytest.fixture
def story() -> Doubt:
    """16 rows; 1,000 paise in the wallet and 500 that the treasury may advance."""
    told = Doubt()
    assert [row.result for row in told.model.rows] == [Result.OK] * 16
    return told


def test_a_released_payment_is_unverified(story: Doubt) -> None:
    held = story.hold()
    assert (held, story.again()) == (17, HELD)
    expiry = story.pass_deadline()
    assert (expiry.kind, expiry.resolves) == (Kind.EXPIRE, held)
    assert not expiry.flags & RowFlag.RELEASE
    assert story.totals(WALLET) == (0, 0, 0, 1_000)
    assert story.counts() == story.counts(HEAD) == (0, 0, 0, 1)
    assert story.again() == UNVERIFIED
    # The money is back, and the bill is not free: its biller may have credited it.
    assert story.send(b"A", policy=Policy.KEEP, amount=400)[0].result == Result.OK
    other = story.send(b"A", policy=Policy.RELEASE, amount=400)[0]
    assert (other.result, other.other) == (Result.BILL_ALREADY_CLAIMED, held)
    verified = story.says(held, 0)
    row = story.row(verified.sequence)
    assert (verified.result, row.kind, row.amount) == (Result.OK, Kind.VERIFY, 0)
    assert row.flags & 0x1FF == 0x10B  # EVIDENCE, RELEASE, CLAIM, TAIL
    assert (row.resolves, row.debit, row.credit) == (held, WALLET, HEAD)
    assert story.counts(HEAD) == (1, 0, 0, 0)
    assert story.says(held, 0).repeat == 1
    assert story.hold() > verified.sequence


def test_a_biller_that_changes_its_mind(story: Doubt) -> None:
    held = story.hold()
    story.pass_deadline()
    late = story.says(held, 400)
    case = story.row(late.sequence)
    assert late.result == Result.ALREADY_EXPIRED
    assert (case.total, case.amount) == (CaseType.LATE_CONFIRMATION, 400)
    assert case.flags == RowFlag.EVIDENCE | 1  # it was in question already
    assert story.says(held, 1).sequence == case.sequence
    verify = story.says(held, 0)
    assert story.again() == EXPIRED
    again = story.says(held, 400)
    assert story.row(again.sequence).flags == RowFlag.EVIDENCE | RowFlag.CASE | 1
    assert story.counts() == (0, 0, 0, 1)
    # It contradicts itself, and makes no more rows: people decide.
    rows = len(story.model.rows)
    no = story.says(held, 0)
    assert (no.result, no.sequence) == (Result.ALREADY_EXPIRED, 0)
    assert story.says(held, 400).sequence == again.sequence
    assert len(story.model.rows) == rows == held + 4
    # It gave its claim back, and may have been paid all the same.
    blocked = story.send(b"A", policy=Policy.RELEASE, amount=400)[0]
    assert (blocked.result, blocked.other) == (Result.BILL_ALREADY_CLAIMED, held)
    done = story.both(Kind.VERIFY, held)
    assert done.sequence > verify.sequence
    assert story.counts() == (0, 0, 0, 0)
    assert story.hold() > held


def test_a_credit_that_stays_is_corrected(story: Doubt) -> None:
    held = story.hold()
    story.pass_deadline()
    # While nobody has said that it is credited, nobody takes the money again.
    assert story.answer_of(story.propose(Kind.TRANSFER, held)) == Result.CASE_NOT_FOUND
    story.says(held, 400)
    more = story.propose(Kind.TRANSFER, held, 401)
    assert story.answer_of(more) == Result.EXCEEDS_HOLD
    second = story.propose(Kind.TRANSFER, held)
    accounts = {"debit": WALLET, "credit": HEAD}
    done = story.both(Kind.TRANSFER, held, **accounts)
    assert story.totals(WALLET) == (0, 400, 0, 1_000)
    assert story.totals(HEAD) == (0, 0, 0, 400)
    assert story.counts() == (0, 0, 0, 0)
    assert story.row(done.sequence).flags == RowFlag.CASE | RowFlag.CLAIM
    deed = people.done(second, second.sequence, checker=OTHER, **accounts)
    _, closed = story.approve(second, deed)
    assert (closed.result, closed.other) == (Result.CASE_CLOSED, done.sequence)
    assert (story.says(held, 400).result, story.again()) == (
        Result.ALREADY_EXPIRED, EXPIRED,
    )  # fmt: skip
    taken = story.send(b"A", policy=Policy.RELEASE, amount=400)[0]
    assert taken.other == held
    gone = story.says(held, 0)
    case = story.row(gone.sequence)
    assert (gone.result, case.total) == (Result.ALREADY_EXPIRED, 2)
    assert story.counts() == (0, 0, 0, 0)


def test_another_amount_keeps_the_hold(story: Doubt) -> None:
    held = story.hold(policy=Policy.RELEASE)
    differs = story.says(held, 300)
    case = story.row(differs.sequence)
    assert (differs.result, differs.other, case.total) == (Result.AMOUNT_DIFFERS, 0, 5)
    assert (case.amount, case.flags) == (300, RowFlag.EVIDENCE | RowFlag.KEEP | 1)
    assert story.counts() == story.counts(HEAD) == (1, 1, 400, 0)
    assert story.again() == KEPT
    assert story.says(held, 200).sequence == case.sequence
    # Its deadline does not release it any more.
    assert story.pass_deadline() is story.model.rows[case.sequence - 1]
    alone = story.tell(Kind.POST, 300, resolves=held)
    assert alone.result == Result.NOT_APPROVED
    posted = story.both(Kind.POST, held, 300)
    row = story.row(posted.sequence)
    assert (row.amount, row.checker, row.flags & RowFlag.KEEP) == (300, OTHER, 0x80)
    assert row.total == posted.sequence - 2
    assert story.totals(WALLET) == (0, 300, 0, 1_000)
    assert story.counts() == (0, 0, 0, 0)
    # What was asked is right no more: that was never paid. It is a new case.
    assert story.says(held, 300).sequence == posted.sequence
    again = story.says(held, 400)
    assert story.says(held, 299).sequence == again.sequence
    assert again.other == posted.sequence
    assert story.row(again.sequence).flags == RowFlag.EVIDENCE | 1
    old = story.propose(Kind.CASE_CLOSE, case.sequence, 1)
    assert story.answer_of(old) == Result.CASE_CLOSED
    closed = story.both(Kind.CASE_CLOSE, again.sequence, 1)
    assert story.row(closed.sequence).total == closed.sequence - 2
    assert story.says(held, 400).sequence > closed.sequence


def test_a_basket_is_asked_about_as_one(story: Doubt) -> None:
    first, second = (
        one.sequence for one in story.send(b"A", b"B", policy=Policy.KEEP, amount=400)
    )
    assert story.says(first, 400).result == Result.AMOUNT_DIFFERS
    assert story.says(first, 800).result == Result.OK
    # The sum stays what was asked, whatever became of its holds.
    assert story.says(second, 800).result == Result.OK
    assert story.says(second, 801).result == Result.AMOUNT_DIFFERS
    assert story.says(second, 400).repeat == story.says(second, 800).repeat == 1


def test_an_advance_is_recovered(story: Doubt) -> None:
    held = story.hold(policy=Policy.KEEP)
    early = story.propose(PROPOSE_ADVANCE, held)
    assert story.answer_of(early) == Result.CASE_NOT_FOUND
    kept = story.pass_deadline()
    assert (kept.total, kept.flags) == (CaseType.DEADLINE_PASSED, RowFlag.KEEP)
    accounts = {"debit": SUSPENSE, "credit": WALLET}
    second = story.propose(PROPOSE_ADVANCE, held, 100)
    done = story.both(PROPOSE_ADVANCE, held, **accounts)
    assert story.totals(SUSPENSE) == (0, 400, 0, 500)
    assert story.counts() == (1, 1, 400, 1)
    assert story.counts(SUSPENSE) == (0, 0, 0, 1)
    deed = people.done(second, second.sequence, checker=OTHER, **accounts)
    _, twice = story.approve(second, deed)
    assert (twice.result, twice.other) == (Result.CASE_CLOSED, done.sequence)
    assert story.says(held, 400).result == Result.OK
    third = story.propose(PROPOSE_ADVANCE, held)
    assert story.answer_of(third) == Result.CASE_NOT_FOUND

    def recover(amount: int, debit: int, credit: int, of: int) -> Result:
        told = story.tell(
            Kind.TRANSFER, amount, reference=b"back", debit=debit, credit=credit,
            resolves=of,
        )  # fmt: skip
        return Result(told.result)

    assert recover(400, WALLET, SUSPENSE, held) == Result.CASE_NOT_FOUND
    assert recover(399, WALLET, SUSPENSE, done.sequence) == Result.NET_DIFFERS
    assert recover(400, SUSPENSE, WALLET, done.sequence) == Result.NOT_APPROVED
    assert recover(400, WALLET, SUSPENSE, done.sequence) == Result.OK
    assert recover(400, WALLET, SUSPENSE, done.sequence) == Result.CASE_CLOSED
    assert story.counts() == story.counts(SUSPENSE) == (0, 0, 0, 0)


def test_what_was_cancelled_and_credited(story: Doubt) -> None:
    held = story.hold()
    void = story.tell(Kind.VOID, resolves=held)
    late = story.says(held, 400)
    assert (late.result, late.other) == (Result.ALREADY_VOIDED, void.sequence)
    assert story.counts() == (0, 0, 0, 1)
    blocked = story.send(b"A", policy=Policy.RELEASE, amount=400)[0]
    assert (blocked.result, blocked.other) == (Result.BILL_ALREADY_CLAIMED, held)
    taken_back = story.says(held, 0)
    assert story.row(taken_back.sequence).kind == Kind.VERIFY
    assert story.hold() > held
    assert story.says(held, 400).result == Result.ALREADY_VOIDED
    # Once is enough for a word that changes: now it has the void again.
    assert story.says(held, 0).sequence == void.sequence


def test_what_a_biller_has_rejected_itself(story: Doubt) -> None:
    held = story.hold()
    rejected = story.says(held, 0)
    assert story.again() == REVERSED
    late = story.says(held, 400)
    assert late.result == Result.ALREADY_VOIDED
    assert story.says(held, 0).sequence == rejected.sequence
    assert story.counts() == (0, 0, 0, 1)


def test_a_late_rejection_ends_with_its_refund(story: Doubt) -> None:
    held = story.hold()
    posted = story.says(held, 400).sequence
    case = story.says(held, 0)
    assert (case.result, case.other) == (Result.ALREADY_POSTED, posted)
    assert story.counts() == (0, 0, 0, 0)
    proposal = story.propose(Kind.CASE_CLOSE, case.sequence, 1)
    assert story.answer_of(proposal) == Result.OK
    story.refund(posted, 100)
    assert story.says(held, 0).sequence == case.sequence
    refund = story.refund(posted, 300)
    none = story.says(held, 0)
    assert (none.result, none.sequence) == (Result.ALREADY_POSTED, 0)
    deed = people.done(proposal, proposal.sequence, checker=OTHER)
    _, closed = story.approve(proposal, deed)
    assert (closed.result, closed.other) == (Result.CASE_CLOSED, refund.sequence)


def test_a_proposal_is_taken_back_or_too_old(story: Doubt) -> None:
    held = story.hold(policy=Policy.KEEP)
    story.pass_deadline()
    one, two = story.propose(Kind.VOID, held, 1), story.propose(Kind.VOID, held)
    gone = story.tell(Kind.WITHDRAW, resolves=one.sequence, reference=b"a mistake")
    assert gone.result == Result.OK
    [no] = story.approve(one)
    assert (no.result, no.other) == (Result.PROPOSAL_WITHDRAWN, gone.sequence)
    twice = story.tell(Kind.WITHDRAW, resolves=one.sequence, reference=b"again")
    assert (twice.result, twice.other) == (Result.PROPOSAL_WITHDRAWN, gone.sequence)
    story.now = story.row(two.sequence).timestamp + 30 * DAY_NS
    [late] = story.approve(two)
    assert (late.result, late.other) == (Result.PROPOSAL_EXPIRED, 0)
    three = story.propose(Kind.VOID, held, 3)
    story.now = story.row(three.sequence).timestamp + 30 * DAY_NS - 1
    deed = people.done(three, three.sequence, checker=OTHER)
    assert [each.result for each in story.approve(three, deed)] == [Result.OK] * 2
    assert story.row(story.model.resolved[held]).flags & RowFlag.KEEP


def test_who_does_not_promise_does_not_release(story: Doubt) -> None:
    held = story.hold()
    assert not story.row(held).flags & RowFlag.KEEP
    record = ParticipantRecord(b"biller", Role.BILLER, never_credits_late=0)
    assert story.tell(Kind.REGISTER, tail=record.pack()).result == Result.OK
    release = story.record(Policy.RELEASE)
    refused = story.tell(Kind.REGISTER, tail=release.pack())
    assert refused.result == Result.RELEASE_NOT_PROMISED
    assert story.row(story.hold(b"B")).flags & RowFlag.KEEP
    assert story.pass_deadline().kind == Kind.CASE
    # What was released by its word stays so.
    assert held in story.model.unverified
