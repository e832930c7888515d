"""Goal: what the oracle says of people is what the data model says.

Method: a treasury with two participants and their people, told row by row; each answer
is worked out by hand from docs/data-model.md.
"""

from dataclasses import replace
from typing import Any

import pytest

from switch.codes import (
    AccountKind,
    Field,
    Kind,
    PersonRole,
    Record,
    Result,
    Role,
    RowFlag,
)
from tests import signing
from tests.model import Model
from tests.office import Office, Who
from tests.records import (
    AccountRecord,
    LimitRecord,
    ParticipantRecord,
    Row,
    budget,
    confirmation,
    pins,
    revocation,
)
from tests.signing import Line, PersonRecord, ThresholdsRecord

NOON = 1_774_000_000 * 10**9  # 20 March 2026, 15:16:40 IST
DAY_NS = 86_400 * 10**9
LIFE_NS = 30 * DAY_NS
MAIN, BRANCH, CENTRE = 1, 2, 3
ALPHA, BETA, GAMMA, DELTA = (MAIN, 1), (BRANCH, 1), (MAIN, 2), (BRANCH, 2)
FLOAT, SUSPENSE, WALLET = 1, 2, 3


def freeze(account: int, flags: int = 0) -> Line:
    return Line(Kind.FREEZE, debit=account, reference=b"a reason", flags=flags)


def top_up(amount: int, utr: bytes = b"UTR") -> Line:
    return Line(Kind.TOP_UP, amount, 0, FLOAT, WALLET, utr)


def of_record(tail: bytes, kind: Kind = Kind.REGISTER) -> Line:
    return Line(kind, tail=tail)


class Treasury(Office):
    """An office of four: two checkers, then a maker and a checker more."""

    def open(self) -> None:
        """All that the stories below begin with."""
        for code in (b"main", b"branch"):
            self.treasury(code)
        self.begin(ALPHA, BETA, DELTA, keys=(1, 2, 4))
        maker = self.person(GAMMA, 3, role=PersonRole.MAKER)
        centre = ParticipantRecord(b"centre", Role.CENTRE)
        wanted = [of_record(one.pack()) for one in (maker, centre)]
        assert set(self.by_three(*wanted, maker=ALPHA, checkers=(BETA, DELTA))) == {
            Result.OK
        }
        self.lines(
            *(
                of_record(AccountRecord(*one).pack(), Kind.OPEN)
                for one in (
                    (MAIN, 0, AccountKind.FLOAT),
                    (MAIN, 1, AccountKind.SUSPENSE),
                    (CENTRE, 0, AccountKind.WALLET),
                )
            )
        )

    def treasury(self, code: bytes) -> None:
        """One of the treasury, in a ledger without people."""
        record = ParticipantRecord(code, Role.TREASURY)
        self.tell(self.row(Kind.REGISTER, (0, 0), tail=record.pack()))

    def lines(self, *lines: Line, maker: Who = ALPHA, checker: Who = BETA) -> int:
        """The proposal of these, approved, and all of them done."""
        asked = self.propose(maker, *lines)
        assert self.approve(asked, checker).result == Result.OK
        assert self.results(*self.line_rows(asked)) == [Result.OK] * len(lines)
        return asked

    def by_three(
        self,
        *lines: Line,
        maker: Who = GAMMA,
        checkers: tuple[Who, Who] = (ALPHA, BETA),
    ) -> list[int]:
        """The proposal of these, which needs a third, and what comes of them."""
        asked = self.propose(maker, *lines)
        for checker in checkers:
            assert self.approve(asked, checker).result == Result.OK
        return self.results(*self.line_rows(asked))

    def results(self, *rows: Row) -> list[int]:
        return [outcome.result for outcome in self.tell(*rows)]

    def result(self, row: Row) -> int:
        return self.results(row)[0]


@pytest.fixture
def bare() -> Treasury:
    """Nothing is there yet."""
    model = Model()
    return Treasury(model, model.commit, NOON)


@pytest.fixture
def office(bare: Treasury) -> Treasury:
    bare.open()
    return bare


def last(office: Office) -> Row:
    return office.model.rows[-1]


def test_how_a_ledger_begins(office: Treasury) -> None:
    kinds = [row.kind for row in office.model.rows]
    register, propose, approve = Kind.REGISTER, Kind.PROPOSE, Kind.APPROVE
    people = [propose, approve, approve, register, register]
    accounts = [propose, approve, Kind.OPEN, Kind.OPEN, Kind.OPEN]
    assert kinds == [register] * 5 + people + accounts
    assert [each.index for each in office.model.persons.values()] == [1, 2, 3, 4]
    made = office.model.rows[8]
    assert (made.debit, made.total, made.checker) == (4, 6, BRANCH)
    assert (made.participant, made.operator_) == ALPHA
    assert made.id == signing.line_id(office.model.rows[5].id, 0)
    assert made.id[12:] == bytes(4)


def test_the_first_two(bare: Treasury) -> None:
    office = bare
    for code in (b"main", b"branch"):
        office.treasury(code)

    def registers(record: PersonRecord) -> int:
        row = office.row(Kind.REGISTER, (0, 0), tail=record.pack())
        return office.tell(row)[0].result

    maker = office.person(ALPHA, 1, role=PersonRole.MAKER)
    assert registers(maker) == Result.RULE_FIXED
    assert registers(office.person(ALPHA, 1, active=0)) == Result.RULE_FIXED
    unknown = office.person((9, 1), 1)
    assert registers(unknown) == Result.PARTICIPANT_UNKNOWN
    assert registers(office.person(ALPHA, 1)) == Result.OK
    # From here on it is a ledger with people: who is none is registered by two.
    centre = ParticipantRecord(b"late", Role.CENTRE).pack()
    late = office.row(Kind.REGISTER, ALPHA, tail=centre)
    assert office.tell(late)[0].result == Result.NOT_APPROVED
    assert registers(office.person(BETA, 1)) == Result.SAME_PERSON
    assert registers(office.person(ALPHA, 5)) == Result.OK  # another key for the same
    assert last(office).flags & RowFlag.UPDATE
    assert registers(office.person(BETA, 2)) == Result.OK


# --- signatures -----------------------------------------------------------------------


def spoilt(office: Office, row: Row) -> list[Row]:
    """A signed row, each time with one thing wrong."""
    tail = row.tail or b""
    bare, cut = tail[:-64], tail[:-1]
    plain = replace(row, tail=bare or None)
    elsewhere = bytes([1]) * 16
    other = signing.signed(plain, office.keys[BETA], office.model.instance)
    return [
        plain,
        replace(row, tail=cut),
        replace(row, tail=tail[:-1] + bytes([tail[-1] ^ 1])),
        replace(row, id=office.id()),
        replace(row, operator_=2),
        replace(row, operator_=9),
        replace(row, participant=BRANCH, operator_=2),
        replace(row, tail=b"x" + tail),
        signing.signed(plain, office.keys[ALPHA], elsewhere),
        other,
        replace(row, tail=tail + bytes(64)),
    ]


def test_only_who_may_signs(office: Treasury) -> None:
    freeze = office.row(Kind.FREEZE, ALPHA, debit=WALLET, reference=b"why")
    off = ParticipantRecord(b"centre", Role.CENTRE, active=0).pack() + b"{}"
    stop = office.row(Kind.REGISTER, ALPHA, tail=off)
    asked = office.propose(GAMMA, top_up(5))
    withdraw = office.row(Kind.WITHDRAW, ALPHA, resolves=asked, reference=b"why")
    count = len(office.model.rows)
    for row in (freeze, withdraw, stop):
        for wrong in spoilt(office, office.signed(row)):
            assert office.result(wrong) in (Result.NOT_SIGNED, Result.INVALID_RECORD)
    approve = office.approval(asked, ALPHA)
    for wrong in spoilt(office, approve):
        assert office.result(wrong) == Result.NOT_SIGNED
    assert office.result(office.approval(asked, GAMMA)) == Result.NOT_SIGNED
    assert len(office.model.rows) == count
    assert office.result(approve) == Result.OK
    assert office.result(office.signed(freeze)) == Result.OK
    assert office.result(office.signed(stop)) == Result.OK
    assert office.model.stops == {count + 2, count + 3}


def test_what_a_proposal_signs(office: Treasury) -> None:
    count = len(office.model.rows)
    proposal = office.proposal(ALPHA, top_up(5))
    for wrong in spoilt(office, proposal):
        assert office.result(wrong) in (Result.NOT_SIGNED, Result.INVALID_RECORD)
    assert office.result(replace(proposal, reference=b"x")) == Result.NOT_SIGNED
    assert len(office.model.rows) == count
    support = office.person((MAIN, 7), 7, role=PersonRole.SUPPORT)
    assert office.by_three(of_record(support.pack())) == [Result.OK]
    assert office.result(office.proposal((MAIN, 7), top_up(5))) == Result.NOT_SIGNED
    assert office.result(proposal) == Result.OK


def test_a_signature_is_not_told_again(office: Treasury) -> None:
    proposal = office.proposal(ALPHA, top_up(5))
    office.tell(proposal)
    tail = proposal.tail or b""
    [again] = office.tell(replace(proposal, tail=tail[:-64] + bytes(64)))
    assert (again.result, again.repeat) == (Result.OK, 1)
    other = tail.replace(b"UTR", b"utr")
    [outcome] = office.tell(replace(proposal, tail=other))
    assert (outcome.result, outcome.field) == (Result.ID_REUSED, Field.NOTE)
    off = ParticipantRecord(b"centre", Role.CENTRE, active=0).pack()
    stop = office.signed(office.row(Kind.REGISTER, ALPHA, tail=off))
    office.tell(stop)
    [again] = office.tell(replace(stop, tail=off + bytes(64)))
    assert (again.result, again.repeat) == (Result.OK, 1)
    [outcome] = office.tell(replace(stop, tail=off + b"{}" + bytes(64)))
    assert (outcome.result, outcome.field) == (Result.ID_REUSED, Field.NOTE)


# --- lines ----------------------------------------------------------------------------


def test_a_line_is_done_as_it_was_approved(office: Treasury) -> None:
    asked = office.propose(ALPHA, top_up(5), top_up(7, b"UTR 2"))
    assert last(office).amount == 12
    first, second = office.line_rows(asked, BRANCH)
    assert office.result(first) == Result.NOT_APPROVED
    assert office.approve(asked, ALPHA).result == Result.SAME_PERSON
    assert office.approve(asked, BETA).result == Result.OK
    assert office.approve(asked, DELTA).result == Result.ALREADY_APPROVED
    count = len(office.model.rows)
    wrong: list[dict[str, Any]] = [
        {"amount": 6}, {"credit": SUSPENSE}, {"debit": SUSPENSE},
        {"reference": b"UTR 3"}, {"participant": BRANCH}, {"operator_": 2},
        {"checker": MAIN}, {"total": asked + 1}, {"total": 0}, {"id": b"x" * 16},
        {"resolves": 1}, {"id": second.id}, {"kind": Kind.TRANSFER},
        {"flags": 1 << 12}, {"id": signing.line_id(office.model.rows[-2].id, 2)},
    ]  # fmt: skip
    for fields in wrong:
        assert office.result(replace(first, **fields)) == Result.NOT_APPROVED, fields
    assert len(office.model.rows) == count
    assert office.results(first, second, first) == [Result.OK] * 3
    assert office.model.accounts[WALLET].balance == 12
    assert [row.total for row in office.model.rows[count:]] == [asked] * 2
    # A line that is refused by now leaves no row, and is done another time.
    asked = office.propose(ALPHA, top_up(5))
    office.approve(asked, BETA)
    assert office.results(*office.line_rows(asked)) == [Result.UTR_ALREADY_CREDITED]
    assert last(office).kind == Kind.APPROVE


def test_an_approval_is_as_old_as_a_month(office: Treasury) -> None:
    asked, later = office.propose(ALPHA, top_up(5)), office.propose(ALPHA, top_up(6))
    office.now = office.model.rows[asked - 1].timestamp + LIFE_NS - 2 * 10**9
    assert office.approve(asked, BETA).result == Result.OK
    office.now = office.model.rows[later - 1].timestamp + LIFE_NS - 10**9
    assert office.approve(later, BETA).result == Result.PROPOSAL_EXPIRED
    approved = office.model.rows[office.model.resolved[asked] - 1].timestamp
    office.now = approved + LIFE_NS - 10**9
    assert office.results(*office.line_rows(asked)) == [Result.NOT_APPROVED]
    office.now -= 2 * 10**9
    assert office.results(*office.line_rows(asked)) == [Result.OK]


def test_what_was_proposed_before_a_stop_does_not_undo_it(office: Treasury) -> None:
    centre = ParticipantRecord(b"centre", Role.CENTRE)
    asked = office.propose(ALPHA, of_record(centre.pack()), of_record(centre.pack()))
    office.approve(asked, BETA)
    # Of two that speak of it one is done.
    done = office.results(*office.line_rows(asked))
    assert done == [Result.OK, Result.NOT_APPROVED]
    asked = office.propose(ALPHA, of_record(centre.pack()))
    off = replace(centre, active=0).pack()
    stop = office.signed(office.row(Kind.REGISTER, GAMMA, tail=off))
    assert office.result(stop) == Result.OK
    assert office.approve(asked, BETA).result == Result.OK
    assert office.results(*office.line_rows(asked)) == [Result.NOT_APPROVED]
    office.lines(of_record(centre.pack()))
    assert office.model.participants[CENTRE].active == 1


def test_nor_does_it_end_a_freeze_or_bring_thresholds_back(office: Treasury) -> None:
    thaw = freeze(WALLET, RowFlag.UNFREEZE)
    high = of_record(ThresholdsRecord(10**18, 10**18, 10**18).pack())
    early = office.propose(ALPHA, thaw, high)
    office.approve(early, BETA)
    office.lines(of_record(ThresholdsRecord(100, 250, 600).pack()))
    stop = office.row(Kind.FREEZE, GAMMA, debit=WALLET, reference=b"why")
    assert office.result(office.signed(stop)) == Result.OK
    done = office.results(*office.line_rows(early))
    assert done == [Result.NOT_APPROVED, Result.NOT_APPROVED]
    office.lines(thaw)


def test_a_line_may_be_what_would_be_a_stop(office: Treasury) -> None:
    asked = office.propose(ALPHA, freeze(WALLET))
    [row] = office.line_rows(asked, BRANCH)
    assert office.result(row) == Result.NOT_APPROVED
    assert office.result(replace(row, total=0)) == Result.NOT_SIGNED
    office.approve(asked, BETA)
    assert office.result(row) == Result.OK
    assert not office.model.stops
    # Nobody approves it a second time.
    approval = office.approval(last(office).sequence, BETA)
    assert office.result(approval) == Result.PROPOSAL_NOT_FOUND


def test_what_needs_no_proposal(office: Treasury) -> None:
    def register(tail: bytes) -> int:
        return office.result(office.row(Kind.REGISTER, (0, 0), tail=tail))

    assert register(bytes([Record.CLOCK]) + b"{}") == Result.OK
    # One person's word, but that is signed.
    assert register(revocation(CENTRE, b"a" * 32, b"\7")) == Result.NOT_SIGNED
    assert register(pins(CENTRE, b"k" * 32)) == Result.NOT_APPROVED
    assert register(budget(CENTRE, 1, 5)) == Result.NOT_APPROVED
    assert register(ThresholdsRecord(1, 2, 3).pack()) == Result.NOT_APPROVED
    thaw = office.row(Kind.FREEZE, ALPHA, debit=WALLET, reference=b"why")
    thaw.flags = RowFlag.UNFREEZE
    assert office.result(office.signed(thaw)) == Result.NOT_APPROVED


def test_who_revokes_and_who_stands_by_it(office: Treasury) -> None:
    def register(who: Who, tail: bytes) -> int:
        return office.result(office.signed(office.row(Kind.REGISTER, who, tail=tail)))

    support = office.person((MAIN, 7), 7, role=PersonRole.SUPPORT)
    office.by_three(of_record(support.pack()))
    revoked = revocation(CENTRE, b"a" * 32, b"\7")
    assert register((MAIN, 7), revoked) == Result.NOT_SIGNED
    assert register(GAMMA, revoked + b'{"why": "lost"}') == Result.OK
    made = last(office)
    assert (made.debit, made.flags) == (1, RowFlag.TAIL)
    # It is no stop.
    approval = office.approval(made.sequence, BETA)
    assert office.result(approval) == Result.PROPOSAL_NOT_FOUND
    assert register(GAMMA, confirmation(1)) == Result.NOT_SIGNED  # a maker
    assert register(ALPHA, confirmation(2)) == Result.PROPOSAL_NOT_FOUND
    assert last(office).result == Result.PROPOSAL_NOT_FOUND
    # A colleague may, whoever sends for both of them.
    assert register(ALPHA, confirmation(1)) == Result.OK
    assert register(BETA, confirmation(1)) == Result.ALREADY_APPROVED
    assert register(ALPHA, revoked) == Result.OK
    assert register(ALPHA, confirmation(2)) == Result.SAME_PERSON
    # No line is one, and one that names a proposal is signed all the same.
    bare = office.row(Kind.REGISTER, BETA, tail=confirmation(2))
    assert office.result(replace(bare, total=made.sequence)) == Result.NOT_SIGNED
    assert office.result(office.signed(bare)) == Result.OK


GOOD = Line(Kind.TOP_UP, 5, 0, FLOAT, WALLET, b"UTR")
LIMIT = Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(9, 9).pack())
SHAPES = [
    ([GOOD], True),
    ([LIMIT] * 8_000, True),
    ([LIMIT] * 8_001, False),
    ([], False),
    ([replace(GOOD, amount=0)], False),
    ([replace(GOOD, reference=b"")], False),
    ([replace(GOOD, tail=b"a note")], False),
    ([replace(GOOD, flags=RowFlag.UNFREEZE)], False),
    ([replace(GOOD, kind=Kind.PAY)], False),
    ([replace(GOOD, kind=Kind.WINDOW)], False),
    ([replace(LIMIT, reference=b"why")], False),
    ([replace(LIMIT, amount=1)], False),
    ([replace(LIMIT, tail=LIMIT.tail[:-1])], False),
    ([replace(LIMIT, tail=LIMIT.tail + b"{}" * 32_760)], True),
    ([replace(LIMIT, tail=LIMIT.tail + b"{}" * 32_761)], False),
    ([freeze(1, RowFlag.UNFREEZE)], True),
    ([freeze(1, 1)], False),
    ([of_record(bytes([Record.CLOCK]) + b"{}")], False),
    ([of_record(revocation(CENTRE, b"a" * 32, b"\7"))], False),
    ([of_record(ThresholdsRecord(1, 2, 3).pack())], True),
    ([of_record(pins(CENTRE, b"k" * 32)), GOOD], True),
    ([replace(LIMIT, tail=LIMIT.tail + bytes(65_000))] * 39, True),
]


@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_shapes_of_lines(office: Treasury, number: int) -> None:
    lines, right = SHAPES[number]
    result = office.result(office.proposal(ALPHA, *lines))
    assert result == (Result.OK if right else Result.INVALID_RECORD)


def test_a_proposal_is_as_long_as_a_window(office: Treasury) -> None:
    longest = [replace(LIMIT, tail=LIMIT.tail + bytes(65_000))] * 39
    rest = 2_600_000 - 64 - 8 - 39 * (64 + 65_016) - 64
    last_ = replace(LIMIT, tail=LIMIT.tail + bytes(rest - 16))
    proposal = office.proposal(ALPHA, *longest, last_)
    assert len(proposal.tail or b"") == 2_600_000
    assert office.result(proposal) == Result.OK


def test_what_else_is_no_proposal_of_lines(office: Treasury) -> None:
    proposal = office.proposal(ALPHA, GOOD)
    tail = proposal.tail or b""
    wrong: list[dict[str, Any]] = [
        {"amount": 6}, {"resolves": 1}, {"tail": tail[:-1]}, {"tail": tail + b"\0"},
        {"tail": tail[:4] + b"\1" + tail[5:]}, {"tail": b"\2" + tail[1:]},
        {"tail": tail[:9] + b"\1" + tail[10:]}, {"tail": None}, {"tail": bytes(72)},
    ]  # fmt: skip
    for fields in wrong:
        got = office.result(replace(proposal, **fields))
        assert got == Result.INVALID_RECORD, fields
    assert office.result(replace(proposal, amount=10**18 + 1)) == Result.INVALID_AMOUNT
    assert office.result(replace(proposal, debit=1)) == Result.INVALID_ACCOUNT
    assert office.result(replace(proposal, total=513)) == Result.INVALID_KIND


# --- three, and how often -------------------------------------------------------------


def test_three_want_what_is_much(office: Treasury) -> None:
    assert not is_third(office, top_up(10**9))
    office.lines(of_record(ThresholdsRecord(100, 150, 2 * 10**9).pack()))
    assert last(office).debit == 1
    assert not is_third(office, top_up(100))
    assert is_third(office, top_up(101))
    assert not is_third(office, top_up(100), top_up(50, b"UTR 2"))
    assert is_third(office, top_up(100), top_up(51, b"UTR 2"))
    assert is_third(office, of_record(ThresholdsRecord(1, 1, 1).pack()))


def test_three_want_a_person_while_three_may(office: Treasury) -> None:
    support = of_record(office.person((MAIN, 7), 7, role=PersonRole.SUPPORT).pack())
    limits = of_record(ThresholdsRecord(10**9, 10**9, 10**9).pack())
    assert len(office.model.approvers()) == 3
    assert is_third(office, support)
    assert not is_third(office, limits)  # the first ones
    asked = office.propose(GAMMA, top_up(5), support)
    office.approve(asked, ALPHA)
    assert office.results(*office.line_rows(asked)) == [Result.NOT_APPROVED] * 2
    office.approve(asked, DELTA)
    assert office.results(*office.line_rows(asked)) == [Result.OK] * 2
    # Two cannot make a third of their own; but where there are only two, they can.
    one = office.model.persons[DELTA]
    off = PersonRecord(*DELTA, one.key, one.role, active=0)
    row = office.row(Kind.REGISTER, ALPHA, tail=off.pack())
    assert office.result(office.signed(row)) == Result.OK
    assert not is_third(office, support)


def is_third(office: Office, *lines: Line, who: Who = ALPHA) -> bool:
    """Whether a proposal of these needs a third person."""
    row = office.model.rows[office.propose(who, *lines) - 1]
    return bool(row.flags & RowFlag.THIRD)


def test_the_sum_of_a_day(office: Treasury) -> None:
    office.lines(of_record(ThresholdsRecord(100, 100, 200).pack()))
    assert [is_third(office, top_up(90)) for _ in range(3)] == [False, False, True]
    assert not is_third(office, top_up(90), who=GAMMA)
    office.now += DAY_NS
    assert not is_third(office, top_up(90))


def test_the_second_of_two_approvals(office: Treasury) -> None:
    office.lines(of_record(ThresholdsRecord(0, 0, 0).pack()))
    asked = office.propose(GAMMA, top_up(5))
    assert office.approve(asked, ALPHA).result == Result.OK
    first = last(office)
    assert first.total == 0
    assert office.results(*office.line_rows(asked)) == [Result.NOT_APPROVED]
    assert office.approve(asked, ALPHA).result == Result.SAME_PERSON
    assert office.approve(asked, BETA).result == Result.OK
    assert last(office).total == first.sequence
    late = office.approve(asked, DELTA)
    assert late.result == Result.ALREADY_APPROVED
    assert late.other == first.sequence + 2
    assert office.results(*office.line_rows(asked, MAIN)) == [Result.NOT_APPROVED]
    assert office.results(*office.line_rows(asked)) == [Result.OK]
    assert office.withdraw(asked, BETA) == Result.ALREADY_DONE
    # Until it is done, it can be withdrawn: by whomever, whoever has approved it.
    for checkers in ((ALPHA,), (ALPHA, BETA)):
        asked = office.propose(GAMMA, top_up(5, b"UTR %d" % len(checkers)))
        assert all(office.approve(asked, who).result == Result.OK for who in checkers)
        assert office.withdraw(asked, BETA) == Result.OK
        assert office.approve(asked, DELTA).result == Result.PROPOSAL_WITHDRAWN
        assert office.results(*office.line_rows(asked)) == [Result.NOT_APPROVED]


def test_proposals_of_a_day(office: Treasury) -> None:
    while office.model.proposed[GAMMA, 20_532][0] < 256:
        assert office.propose(GAMMA, top_up(5))
    row = office.proposal(GAMMA, top_up(5))
    assert office.result(row) == Result.DAY_COUNT_EXCEEDED
    assert last(office).total == 0  # refused: it says nothing of what it asked for
    assert office.result(row) == Result.DAY_COUNT_EXCEEDED
    assert office.propose(ALPHA, top_up(5))
    office.now += DAY_NS
    assert office.result(office.proposal(GAMMA, top_up(5))) == Result.OK


# --- stops ----------------------------------------------------------------------------


def test_a_stop_is_approved_by_another(office: Treasury) -> None:
    stop = office.row(Kind.FREEZE, GAMMA, debit=WALLET, reference=b"why")
    office.tell(office.signed(stop))
    frozen = last(office).sequence
    assert office.approve(frozen, GAMMA).result == Result.NOT_SIGNED
    gone = office.row(Kind.WITHDRAW, ALPHA, resolves=frozen, reference=b"why")
    assert office.result(office.signed(gone)) == Result.PROPOSAL_NOT_FOUND
    wrong = office.row(Kind.APPROVE, ALPHA, resolves=frozen)
    assert office.result(office.signed(wrong)) == Result.PROPOSAL_NOT_FOUND
    assert office.approve(frozen, ALPHA).result == Result.OK
    assert office.approve(frozen, BETA).result == Result.ALREADY_APPROVED


def test_what_changes_more_is_no_stop(office: Treasury) -> None:
    centre = ParticipantRecord(b"centre", Role.CENTRE, active=0)
    for other in (
        replace(centre, role=Role.BILLER),
        replace(centre, may_state_dues=0),
        replace(centre, code=b"another"),
    ):
        row = office.row(Kind.REGISTER, ALPHA, tail=other.pack())
        assert office.result(office.signed(row)) == Result.NOT_APPROVED
    row = office.row(Kind.REGISTER, ALPHA, tail=centre.pack())
    assert office.result(office.signed(row)) == Result.OK
    # It is off by now: once more is no stop.
    again = office.row(Kind.REGISTER, ALPHA, tail=centre.pack())
    assert office.result(office.signed(again)) == Result.NOT_APPROVED


def test_two_stay_who_may_approve(office: Treasury) -> None:
    def off(who: Who, by_: Who) -> Row:
        one = office.model.persons[who]
        record = PersonRecord(*who, one.key, one.role, active=0)
        return office.signed(office.row(Kind.REGISTER, by_, tail=record.pack()))

    branch = ParticipantRecord(b"branch", Role.TREASURY, active=0)
    assert len(office.model.approvers()) == 3
    # Three may approve, two of them for the branch.
    stop = office.signed(office.row(Kind.REGISTER, ALPHA, tail=branch.pack()))
    assert office.result(stop) == Result.LAST_TREASURIES
    assert office.result(off(DELTA, ALPHA)) == Result.OK
    assert office.result(off(BETA, ALPHA)) == Result.LAST_TREASURIES
    assert office.result(off(GAMMA, ALPHA)) == Result.OK
    assert office.result(off(GAMMA, ALPHA)) == Result.NOT_APPROVED
    key = PersonRecord(*DELTA, signing.public_key(9), active=1)
    asked = office.propose(ALPHA, of_record(key.pack()))
    assert office.approve(asked, DELTA).result == Result.NOT_SIGNED
    office.approve(asked, BETA)
    office.now += 7 * DAY_NS
    assert office.results(*office.line_rows(asked)) == [Result.OK]
    assert len(office.model.approvers()) == 3
    maker = PersonRecord(*ALPHA, office.model.persons[ALPHA].key, PersonRole.MAKER)
    checkers = BETA, DELTA
    office.keys[DELTA] = 9
    gamma = PersonRecord(*GAMMA, office.model.persons[GAMMA].key, PersonRole.MAKER)
    done = office.by_three(of_record(gamma.pack()), maker=ALPHA, checkers=checkers)
    assert done == [Result.OK]
    assert office.by_three(of_record(maker.pack()), checkers=checkers) == [Result.OK]
    asked = office.propose(ALPHA, of_record(replace(maker, participant=2).pack()))
    office.approve(asked, BETA)
    assert office.results(*office.line_rows(asked)) == [Result.SAME_PERSON]
    last_two = PersonRecord(*BETA, office.model.persons[BETA].key, PersonRole.MAKER)
    asked = office.propose(ALPHA, of_record(last_two.pack()))
    office.approve(asked, BETA)
    assert office.results(*office.line_rows(asked)) == [Result.LAST_TREASURIES]
