"""Goal: what needs two people is not done by one, nor otherwise than both wanted.

Method: a proposal and its approval, and then everything but what was proposed: another
amount, payment, sender, checker, reason or id, an approval that is missing, refused or
of something else. All of it is NOT_APPROVED and leaves no row; the thing itself is then
done, once. Core and model are told the same.
"""

import itertools
from dataclasses import replace

import pytest

from switch._core import GROUP_MAX
from switch.audit import audit
from switch.codes import PROPOSE_ADVANCE, CaseType, Kind, Mode, Policy, Result
from tests import people
from tests.audit.journal_story import failed
from tests.core.network import NOW, Network
from tests.core.pair import Pair
from tests.model import Answers, Rows
from tests.records import KINDS_WITHOUT_ID, Outcome, Row, Said, ServiceRecord

SECOND_NS = 10**9
DEADLINE_S = 60
HELD = 400


class Office:
    """Two people of a treasury, and what they speak of."""

    def __init__(self, pair: Pair, net: Network) -> None:
        self.pair, self.net, self.now = pair, net, NOW
        self.maker, self.checker = net.treasury, net.great_treasury
        self.number = 0
        self.services = {}
        for policy in Policy:
            record = ServiceRecord(
                b"EYES%d" % policy, net.billers[0], tuple(net.heads[0]),
                mode=Mode.CONFIRMED, deadline_s=DEADLINE_S, deadline_policy=policy,
            )  # fmt: skip
            made = self.ask(Row(Kind.REGISTER, tail=record.pack()))
            self.services[policy] = made.index

    def ask(self, *rows: Row) -> Outcome:
        """Rows as one request; the last outcome."""
        for row in rows:
            if row.kind not in KINDS_WITHOUT_ID and row.id == bytes(16):
                self.number += 1
                row.id = b"office" + self.number.to_bytes(10, "big")
        self.now += SECOND_NS
        return self.pair.commit([Rows([replace(row) for row in rows])], self.now)[0][-1]

    def hold(self, policy: Policy, size: int = 1) -> list[int]:
        """Holds of one wallet, a basket if there are several."""
        rows = [
            Row(
                Kind.HOLD, amount=HELD, debit=self.net.wallets[0],
                service=self.services[policy], reference=b"BILL %d" % place,
                deadline=DEADLINE_S, basket=size << 8 | place if size > 1 else 0,
                participant=self.net.harness,
            )
            for place in range(size)
        ]  # fmt: skip
        last = self.ask(*rows).sequence
        return list(range(last - size + 1, last + 1))

    def pass_deadline(self) -> None:
        self.now += DEADLINE_S * SECOND_NS
        self.pair.commit([], self.now)

    def propose(self, kind: int, resolves: int, amount: int = HELD) -> Row:
        """An accepted proposal, with its sequence."""
        row = Row(Kind.PROPOSE, amount=amount, resolves=resolves, total=kind)
        row.reference, row.participant = b"as asked", self.maker
        row.sequence = self.ask(row).sequence
        assert self.pair.model.accepted(row.sequence) is not None
        return row

    def approve(self, proposal: Row, person: int = 0) -> int:
        row = Row(Kind.APPROVE, resolves=proposal.sequence)
        row.participant = person or self.checker
        return self.ask(row).result

    def refused(self, row: Row, *wrongs: dict[str, int | bytes]) -> None:
        """The row, spoilt in each way, is not done and leaves nothing."""
        rows = len(self.pair.model.rows)
        for wrong in wrongs:
            spoilt = replace(row, **wrong)  # type: ignore[arg-type]
            assert self.ask(spoilt).result == Result.NOT_APPROVED, wrong
        assert self.pair.ledger.sequence == len(self.pair.model.rows) == rows

    def done_once(self, row: Row) -> None:
        """It is done, and done no more; also by those who open the ledger later."""
        first = self.ask(row)
        assert (first.result, first.repeat) == (Result.OK, 0)
        self.pair.reopen()
        again = self.ask(row)
        assert (again.result, again.repeat) == (Result.OK, 1)
        assert again.sequence == first.sequence


@pytest.fixture
def office(pair: Pair, network: Network) -> Office:
    return Office(pair, network)


def paid(office: Office) -> int:
    """The post row of a payment."""
    [held] = office.hold(Policy.RELEASE)
    return office.ask(Row(Kind.POST, amount=HELD, resolves=held)).sequence


def test_a_refund(office: Office) -> None:
    payment, other = paid(office), paid(office)
    alone = Row(Kind.REFUND, amount=1, resolves=payment, participant=office.maker)
    office.refused(alone, {}, {"checker": office.checker}, {"total": payment})
    proposal = office.propose(Kind.REFUND, payment, 150)
    row = people.done(proposal, proposal.sequence, checker=office.checker)
    office.refused(row, {})
    assert office.approve(proposal, office.maker) == Result.SAME_PERSON
    office.refused(row, {}, {"checker": office.maker})
    assert office.approve(proposal) == Result.OK
    later = office.propose(Kind.REFUND, payment, 150)
    office.refused(
        row, {"amount": 149}, {"amount": 151}, {"resolves": other}, {"id": b"x" * 16},
        {"participant": office.checker}, {"checker": 0}, {"checker": office.maker},
        {"total": 0}, {"total": proposal.sequence + 1}, {"total": 2**64 - 1},
        {"total": later.sequence}, {"id": people.done_id(later.id)},
    )  # fmt: skip
    office.done_once(row)
    # One approval is one refund, whatever it is called.
    office.refused(row, {"id": b"y" * 16})
    assert office.approve(later) == Result.OK
    office.done_once(people.done(later, later.sequence, checker=office.checker))
    most = office.propose(Kind.REFUND, payment, HELD)
    assert office.approve(most) == Result.OK
    more = people.done(most, most.sequence, checker=office.checker)
    assert office.ask(more).result == Result.EXCEEDS_PAYMENT


def test_a_refund_in_one_request(office: Office) -> None:
    """As the office sends it: the approval, and what it lets happen right behind."""
    proposal = office.propose(Kind.REFUND, paid(office))
    row = people.done(proposal, proposal.sequence, checker=office.checker)
    approval = Row(Kind.APPROVE, resolves=proposal.sequence)
    approval.participant = office.checker
    assert office.ask(row, approval).result == Result.OK  # too late for the refund
    assert office.pair.model.refunded == {}
    assert office.ask(approval, row).result == Result.OK
    assert list(office.pair.model.refunded.values()) == [HELD]


def say(office: Office, *holds: int, amount: int = HELD) -> list[Outcome]:
    """The biller says that it has credited so much for each; 0: nothing."""
    model = office.pair.model
    said = [Said(each, model.rows[each - 1].id, amount > 0) for each in holds]
    for each in said:
        each.amount = amount
    return office.pair.commit([Answers(said, office.net.billers[0])], office.now)[0]


def test_a_correction(office: Office) -> None:
    hold, other = (office.hold(Policy.RELEASE)[0] for _ in range(2))
    office.pass_deadline()
    model = office.pair.model
    case = say(office, hold, other)[0].sequence
    assert model.rows[case - 1].total == CaseType.LATE_CONFIRMATION
    wallet, head = office.net.wallets[0], office.net.heads[0][0]
    alone = Row(Kind.TRANSFER, amount=HELD, resolves=hold, reference=b"as asked")
    alone.participant, alone.debit, alone.credit = office.maker, wallet, head
    office.refused(alone, {})
    proposal = office.propose(Kind.TRANSFER, hold)
    row = people.done(
        proposal, proposal.sequence, checker=office.checker, debit=wallet, credit=head
    )
    office.refused(row, {})
    assert office.approve(proposal) == Result.OK
    office.refused(
        row, {"amount": HELD - 1}, {"resolves": other}, {"reference": b"other"},
        {"participant": office.checker}, {"checker": office.maker}, {"total": case},
        {"kind": Kind.REFUND, "reference": b""}, {"resolves": case},
        {"debit": office.net.wallets[1]}, {"credit": office.net.heads[0][-1] + 1},
        {"debit": office.net.suspense, "credit": wallet}, {"credit": 0},
    )  # fmt: skip
    office.done_once(row)
    assert model.rows[model.corrected[hold] - 1].total == proposal.sequence


def test_an_advance(office: Office) -> None:
    hold, other = (office.hold(Policy.KEEP)[0] for _ in range(2))
    office.pass_deadline()
    wallet, suspense = office.net.wallets[0], office.net.suspense
    lent = Row(Kind.TRANSFER, amount=HELD, reference=b"to advance")
    lent.debit, lent.credit = office.net.float_, suspense
    proposal = office.propose(PROPOSE_ADVANCE, hold)
    row = people.done(
        proposal, proposal.sequence, checker=office.checker, debit=suspense,
        credit=wallet,
    )  # fmt: skip
    office.refused(row, {})
    assert office.approve(proposal) == Result.OK
    office.refused(
        row, {"amount": HELD - 1}, {"resolves": other}, {"reference": b"other"},
        {"credit": office.net.wallets[1]}, {"checker": office.maker},
        {"debit": wallet, "credit": office.net.heads[0][0]},
    )  # fmt: skip
    # What cannot be done yet is done later: it leaves no row.
    rows = len(office.pair.model.rows)
    assert office.ask(replace(row)).result == Result.INSUFFICIENT_FUNDS
    assert len(office.pair.model.rows) == rows
    assert office.ask(lent).result == Result.OK
    office.done_once(row)


def test_a_part_of_a_kept_hold(office: Office) -> None:
    hold, other = (office.hold(Policy.RELEASE)[0] for _ in range(2))
    for each in say(office, hold, other, amount=HELD - 1):
        assert each.result == Result.AMOUNT_DIFFERS
    post = Row(Kind.POST, resolves=hold, amount=HELD - 1, checker=office.checker)
    office.refused(post, {}, {"amount": HELD})
    proposal = office.propose(Kind.POST, hold, HELD - 1)
    post.total = proposal.sequence
    office.refused(post, {})
    assert office.approve(proposal) == Result.OK
    office.refused(
        post, {"amount": HELD}, {"amount": 1}, {"resolves": other}, {"total": 0},
        {"checker": office.maker}, {"kind": Kind.VOID, "amount": 0},
    )  # fmt: skip
    office.done_once(post)


def test_that_nothing_was_credited(office: Office) -> None:
    hold, other = (office.hold(Policy.RELEASE)[0] for _ in range(2))
    office.pass_deadline()
    verify = Row(Kind.VERIFY, resolves=hold, checker=office.checker)
    office.refused(verify, {})
    proposal = office.propose(Kind.VERIFY, hold, 1)
    verify.total = proposal.sequence
    office.refused(verify, {})
    assert office.approve(proposal) == Result.OK
    office.refused(verify, {"resolves": other}, {"checker": office.maker})
    office.done_once(verify)


def test_the_end_of_a_case(office: Office) -> None:
    cases = []
    for _ in range(2):
        [hold] = office.hold(Policy.RELEASE)
        say(office, hold)
        cases.append(say(office, hold, amount=0)[0].sequence)
    close = Row(Kind.CASE_CLOSE, resolves=cases[0], reference=b"as asked")
    close.participant, close.checker = office.maker, office.checker
    office.refused(close, {})
    proposal = office.propose(Kind.CASE_CLOSE, cases[0], 1)
    close = people.done(proposal, proposal.sequence, checker=office.checker)
    office.refused(close, {})
    assert office.approve(proposal) == Result.OK
    office.refused(
        close, {"resolves": cases[1]}, {"reference": b"other"}, {"id": b"x" * 16},
        {"checker": office.maker}, {"participant": office.checker}, {"total": 0},
    )  # fmt: skip
    office.done_once(close)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("policy", [Policy.RELEASE, Policy.KEEP])
def test_who_may_void_a_hold_when(office: Office, policy: Policy, size: int) -> None:
    """Until it is due anybody cancels it; then two people, if its deadline keeps it.

    A group that is full of requests has no room for the rows of what is due.
    """
    ways = itertools.product((-SECOND_NS, -1, 0, SECOND_NS), (False, True))
    for after_ns, is_full in ways:
        held = office.hold(policy, size)
        voids = [Row(Kind.VOID, resolves=each) for each in held]
        wanted = Result.OK
        if after_ns >= 0 and policy == Policy.KEEP:
            wanted = Result.NOT_APPROVED
        elif after_ns >= 0 and not is_full:
            wanted = Result.ALREADY_EXPIRED
        more = GROUP_MAX - size if is_full else 0
        model = office.pair.model
        # Holds of a basket are due one nanosecond after the other.
        edge = held[0] if after_ns < 0 else held[-1]
        office.now = model.due_of(model.rows[edge - 1]) + after_ns
        asked = Rows(voids + voids[:1] * more)
        [outcomes] = office.pair.commit([asked], office.now)
        assert {one.result for one in outcomes} == {wanted}, (after_ns, is_full)
        office.pair.commit([], office.now)
    office.pair.compare_all()
    office.pair.close()
    assert "approvals" not in failed(audit(office.pair.path))


@pytest.mark.parametrize("size", [1, 3])
def test_the_release_of_a_kept_hold(office: Office, size: int) -> None:
    held, others = office.hold(Policy.KEEP, size), office.hold(Policy.KEEP)
    early = office.hold(Policy.KEEP)[0]
    # Before its deadline a hold is not kept, and needs nobody.
    assert office.ask(Row(Kind.VOID, resolves=early)).result == Result.OK
    office.pass_deadline()
    void = Row(Kind.VOID, resolves=held[0], checker=office.checker)
    office.refused(void, {}, {"total": held[0]})
    proposal = office.propose(Kind.VOID, held[-1])
    void.total = proposal.sequence
    office.refused(void, {})
    assert office.approve(proposal) == Result.OK
    office.refused(void, {"checker": office.maker}, {"resolves": others[0]})
    for each in held:
        void.resolves = each
        office.done_once(void)
        row = office.pair.model.rows[office.pair.model.resolved[each] - 1]
        assert (row.total, row.checker) == (proposal.sequence, office.checker)
    # What the biller itself rejects needs nobody either.
    [rejected] = say(office, others[0], amount=0)
    assert rejected.result == Result.OK
    office.pair.reopen(without_index=True)
    office.pair.compare_all(range(1, office.pair.ledger.sequence + 1))
