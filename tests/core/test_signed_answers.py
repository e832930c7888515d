"""Goal: what people have asked for is answered again for ever, whoever they are by now.

Method: one of everything that is asked in a ledger with people, accepted and refused:
people and thresholds, proposals and their lines, approvals by two and by three, stops,
withdrawals. Then keys are changed, people switched off, roles taken, thresholds set, a
month goes by; after each change all of it is sent again, and with other signatures: the
same rows answer. The model beside the core must say the same.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from switch.codes import AccountKind, Kind, PersonRole, Record, Result, Role, RowFlag
from tests import people, signing
from tests.core.pair import Pair
from tests.longer import SEED, TIMES
from tests.model import Ask, Rows
from tests.records import (
    AccountRecord,
    LimitRecord,
    Outcome,
    ParticipantRecord,
    Row,
    ServiceRecord,
    ShiftRecord,
    budget,
    pins,
)
from tests.signing import Line, ThresholdsRecord
from tests.test_model_people import (
    ALPHA,
    BETA,
    BRANCH,
    CENTRE,
    DELTA,
    FLOAT,
    GAMMA,
    NOON,
    SUSPENSE,
    WALLET,
    Treasury,
    freeze,
    of_record,
    top_up,
)

MONTH_NS = 31 * 86_400 * 10**9
BILLER, HEAD, SETTLEMENT = 4, 4, 5
DRAWN = 8
"""Changes of a walk that are drawn."""


class Walk(Treasury):
    """All that was asked, with the first answers, as far as these are rows."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(pair.model, self.keep, NOON)
        self.pair = pair
        self.told: list[tuple[Row, Outcome]] = []
        self.is_new = True

    def keep(self, asks: Sequence[Ask], now: int) -> list[list[Outcome]]:
        """Core and model together; what became a row is kept."""
        outcomes = self.pair.commit(asks, now)
        for ask, told in zip(asks, outcomes, strict=True):
            assert isinstance(ask, Rows)
            if self.is_new:
                pairs = zip(ask.rows, told, strict=True)
                self.told += [(row, one) for row, one in pairs if one.sequence]
        return outcomes

    def ask_of_everything(self) -> None:
        """One of each, done or refused."""
        self.open()
        biller = ParticipantRecord(b"biller", Role.BILLER)
        self.lines(of_record(biller.pack()))
        self.lines(
            of_record(AccountRecord(BILLER, 0, AccountKind.BILLER).pack(), Kind.OPEN),
            of_record(AccountRecord(1, 2, AccountKind.SETTLEMENT).pack(), Kind.OPEN),
            of_record(ServiceRecord(b"DIRECT", BILLER, (HEAD,)).pack()),
            of_record(pins(CENTRE, b"k" * 32)),
            of_record(budget(CENTRE, 1, 5)),
            top_up(5_000),
            Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(10**9, 100).pack()),
            Line(Kind.TRANSFER, 50, 0, FLOAT, SUSPENSE, b"a reason"),
            freeze(SUSPENSE),
        )
        self.lines(of_record(ParticipantRecord(b"idle", Role.CENTRE).pack()))
        idle = AccountRecord(BILLER + 1, 0, AccountKind.WALLET).pack()
        self.lines(of_record(idle, Kind.OPEN))
        wallet = len(self.model.accounts) - 1
        self.lines(Line(Kind.CLOSE, debit=wallet, reference=b"never used"))
        self.pay_and_refund()
        self.stop_and_withdraw()
        self.lines(of_record(ThresholdsRecord(10, 20, 10**6).pack()))
        self.three()
        self.is_new = False

    def pay_and_refund(self) -> None:
        """What people want of a payment; and what the treasury settles."""
        pay = self.row(Kind.PAY, (CENTRE, 7), amount=1_000, reference=b"A", service=1)
        pay.debit = WALLET
        [paid] = self.tell(pay)
        ask = self.row(Kind.PROPOSE, GAMMA, amount=100, resolves=paid.sequence)
        ask.reference, ask.total = b"twice", Kind.REFUND
        asked = self.tell(self.signed(ask))[0].sequence
        self.approve(asked, BETA)
        refund = people.done(self.model.rows[asked - 1], asked, checker=BRANCH)
        [done] = self.tell(refund)
        assert done.result == Result.OK
        shift = self.row(Kind.SHIFT, (CENTRE, 7), debit=WALLET)
        shift.tail = ShiftRecord(7).pack()
        [shown] = self.tell(shift)
        self.approve(shown.sequence, (CENTRE, 8))
        [window] = self.tell(self.signed(self.row(Kind.WINDOW, ALPHA)))
        settle = Line(Kind.SETTLE, 900, window.sequence, HEAD, SETTLEMENT)
        self.lines(settle)

    def stop_and_withdraw(self) -> None:
        """Stops of each kind, one approved; a proposal taken back; refusals."""
        stop = self.row(Kind.FREEZE, GAMMA, debit=WALLET, reference=b"lost")
        frozen = self.tell(self.signed(stop))[0].sequence
        self.approve(frozen, ALPHA)
        self.approve(frozen, BETA)
        service = ServiceRecord(b"DIRECT", BILLER, (HEAD,), active=0)
        records = [
            ParticipantRecord(b"centre", Role.CENTRE, active=0).pack(),
            service.pack() + b"{}",
            self.person((1, 2), 3, role=PersonRole.MAKER, active=0).pack(),
        ]
        for record in records:
            row = self.row(Kind.REGISTER, ALPHA, tail=record)
            assert self.result(self.signed(row)) == Result.OK
        maker = self.person(GAMMA, 3, role=PersonRole.MAKER)
        self.have(of_record(maker.pack()), freeze(WALLET, RowFlag.UNFREEZE))
        asked = self.propose(GAMMA, top_up(5, b"UTR 2"))
        gone = self.row(Kind.WITHDRAW, ALPHA, resolves=asked, reference=b"why")
        assert self.result(self.signed(gone)) == Result.OK
        assert self.approve(asked, BETA).result == Result.PROPOSAL_WITHDRAWN
        unknown = self.row(Kind.FREEZE, ALPHA, debit=99, reference=b"lost")
        assert self.result(self.signed(unknown)) == Result.ACCOUNT_UNKNOWN

    def three(self) -> None:
        """A proposal that needs a third, one that waits for it, one that is too old."""
        asked = self.propose(GAMMA, top_up(25, b"UTR 3"))
        assert self.approve(asked, ALPHA).result == Result.OK
        assert self.approve(asked, ALPHA).result == Result.SAME_PERSON
        assert self.approve(asked, DELTA).result == Result.OK
        assert self.results(*self.line_rows(asked)) == [Result.OK]
        asked = self.propose(GAMMA, top_up(25, b"UTR 4"))
        assert self.approve(asked, ALPHA).result == Result.OK

    # --- again ------------------------------------------------------------------------

    def again(self, change: str) -> None:
        """Everything, each alone and all in one group; then by nobody's signature."""
        signed = self.model.signed
        rows = [row for row, _ in self.told]
        unsigned = [
            replace(row, tail=(row.tail or b"")[:-64] + bytes(64))
            if one.sequence in signed
            else row
            for row, one in self.told
        ]
        count = len(self.model.rows)
        for asked in (rows, unsigned):
            alone = [self.tell(row)[0] for row in asked[:: len(change) % 5 + 1]]
            firsts = [one for _, one in self.told]
            self.compare(change, firsts[:: len(change) % 5 + 1], alone)
            self.compare(change, firsts, self.tell(*asked))
        assert len(self.model.rows) == count, change

    @staticmethod
    def compare(change: str, firsts: list[Outcome], told: list[Outcome]) -> None:
        """The same answers, told again."""
        for first, second in zip(firsts, told, strict=True):
            both = [
                (one.result, one.sequence, one.timestamp, one.other, one.index)
                for one in (first, second)
            ]
            assert both[0] == both[1], change
            assert second.repeat, change

    def change(self, name: str) -> None:
        """Something becomes of the people, in what rows it takes."""
        getattr(self, name)()

    def have(self, *lines: Line) -> None:
        """Lines that are wanted by as many as are needed, if that can be by now."""
        able = sorted(self.model.approvers())
        asked = self.propose(able[0], *lines)
        for who in able[1:]:
            if asked and self.model.approval_of(self.model.rows[asked - 1]) is None:
                self.approve(asked, who)
        if asked:
            self.tell(*self.line_rows(asked))

    def another_key(self) -> None:
        for number, who in enumerate((ALPHA, GAMMA)):
            one = self.model.persons[who]
            key = (self.keys[who] + 10) % 90 + 5 + number
            record = self.person(who, key, role=one.role, active=one.active)
            self.have(of_record(record.pack()))

    def a_checker_is_support(self) -> None:
        role = PersonRole.SUPPORT
        self.have(of_record(self.person(DELTA, self.keys[DELTA], role=role).pack()))

    def a_maker_is_off(self) -> None:
        one = self.person(GAMMA, self.keys[GAMMA], role=PersonRole.MAKER, active=0)
        self.tell(self.signed(self.row(Kind.REGISTER, ALPHA, tail=one.pack())))

    def one_more_checker(self) -> None:
        self.have(of_record(self.person((BRANCH, 5), 95).pack()))

    def a_branch_is_off(self) -> None:
        main = [self.person((1, number), 96 + number).pack() for number in (5, 6)]
        self.have(*map(of_record, main))
        off = ParticipantRecord(b"branch", Role.TREASURY, active=0).pack()
        self.tell(self.signed(self.row(Kind.REGISTER, ALPHA, tail=off)))

    def a_branch_is_on(self) -> None:
        self.have(of_record(ParticipantRecord(b"branch", Role.TREASURY).pack()))

    def thresholds(self) -> None:
        self.have(of_record(ThresholdsRecord(0, 0, 0).pack()))

    def a_centre_is_on(self) -> None:
        self.have(of_record(ParticipantRecord(b"centre", Role.CENTRE).pack()))

    def a_wallet_is_frozen(self) -> None:
        stop = self.row(Kind.FREEZE, ALPHA, debit=WALLET, reference=b"lost")
        self.tell(self.signed(stop))

    def a_month_later(self) -> None:
        self.now += MONTH_NS

    def opened_again(self) -> None:
        self.pair.reopen()

    def opened_without_an_index(self) -> None:
        self.pair.reopen(without_index=True)


CHANGES = (
    "another_key", "one_more_checker", "a_checker_is_support", "a_maker_is_off",
    "thresholds", "a_branch_is_off", "a_branch_is_on", "a_centre_is_on",
    "a_wallet_is_frozen", "a_month_later", "opened_again", "opened_without_an_index",
)  # fmt: skip


@pytest.fixture
def walk(empty: Pair) -> Walk:
    """Everything asked for once."""
    made = Walk(empty)
    made.ask_of_everything()
    return made


def test_what_people_asked_keeps_its_answer(walk: Walk) -> None:
    kinds = {Kind(row.kind) for row, _ in walk.told}
    assert kinds >= {
        Kind.TOP_UP, Kind.TRANSFER, Kind.SETTLE, Kind.OPEN, Kind.LIMIT, Kind.FREEZE,
        Kind.REGISTER, Kind.CLOSE, Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW,
    }  # fmt: skip
    records = {
        (row.tail or b"")[0] for row, _ in walk.told if row.kind == Kind.REGISTER
    }
    assert records == {
        Record.PARTICIPANT, Record.SERVICE, Record.PINS, Record.BUDGET, Record.PERSON,
        Record.THRESHOLDS,
    }  # fmt: skip
    walk.again("nothing")
    for name in CHANGES:
        walk.change(name)
        walk.again(name)


@pytest.mark.parametrize("number", range(TIMES))
def test_changes_in_any_order(walk: Walk, number: int) -> None:
    rng = random.Random(2_000 * SEED + number)
    for _ in range(DRAWN):
        name = rng.choice(CHANGES)
        walk.change(name)
        walk.again(name)


def test_another_signature_says_nothing_else(walk: Walk) -> None:
    # Of each kind that is signed the item before the signature is what is compared.
    for row, one in walk.told:
        if one.sequence not in walk.model.signed:
            continue
        said = signing.SIGNATURE_SIZE
        more = replace(row, tail=(row.tail or b"")[:-said] + b"more" + bytes(said))
        shape = walk.model.shape(more)
        [outcome] = walk.tell(more)
        assert outcome.result == (shape or Result.ID_REUSED), row
