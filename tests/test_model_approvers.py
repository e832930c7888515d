"""Goal: what the oracle says of who may approve is what the data model says.

Method: three who approve, of two participants, then two, told row by row: each way to
more of them, by three and by two, on the nanosecond of the wait, and out of a proposal
that was approved before somebody was stopped. Answers are worked out by hand.
"""

from collections.abc import Callable

import pytest

from switch.codes import AccountKind, Kind, PersonRole, Result, Role, RowFlag
from tests import signing
from tests.model import Model
from tests.office import Office, Who
from tests.records import AccountRecord, ParticipantRecord
from tests.signing import Line, PersonRecord, ThresholdsRecord
from tests.test_model_people import (
    ALPHA,
    BETA,
    BRANCH,
    DAY_NS,
    DELTA,
    GAMMA,
    MAIN,
    NOON,
    Treasury,
    of_record,
    top_up,
)

OK, NOT_APPROVED = Result.OK, Result.NOT_APPROVED
THIRD_NEEDED, WAITS = Result.THIRD_NEEDED, Result.APPROVER_WAITS
NEW = (MAIN, 9)
ANNEXE, OUTSIDER = 4, (4, 1)
MOST = 10**15
WEEK_NS = 7 * DAY_NS


class Approvers(Treasury):
    """Three checkers, a maker, and a participant that is off, with a checker."""

    def open(self) -> None:
        super().open()
        annexe = ParticipantRecord(b"annexe", Role.TREASURY)
        self.lines(of_record(annexe.pack()))
        checker = of_record(self.person(OUTSIDER, 20).pack())
        assert self.by_three(checker, checkers=(ALPHA, BETA)) == [OK]
        self.stop(of_record(ParticipantRecord(b"annexe", Role.TREASURY, 0).pack()))

    def stop(self, line: Line, who: Who = ALPHA) -> None:
        """One person stops somebody."""
        row = self.row(Kind(line.kind), who, tail=line.tail)
        assert self.result(self.signed(row)) == OK

    def stop_third(self) -> None:
        """One stops the third: two are left who approve."""
        self.stop(self.as_it_is(DELTA, active=0))
        assert self.model.approvers() == {ALPHA, BETA}

    def as_it_is(self, who: Who, **fields: int) -> Line:
        """The line of a person's record, but for what is given."""
        one = self.model.persons[who]
        record = PersonRecord(*who, one.key, one.role, one.active)
        for name, value in fields.items():
            setattr(record, name, value)
        return of_record(record.pack())

    def wanted_by_two(self, *lines: Line) -> int:
        """A proposal that one of the two approves: two people."""
        asked = self.propose(GAMMA, *lines)
        assert self.approve(asked, BETA).result == OK
        return asked

    def done(self, asked: int) -> list[int]:
        """What comes of its lines now; nothing is kept of what is refused."""
        before = len(self.model.rows)
        found = self.results(*self.line_rows(asked))
        assert len(self.model.rows) == before + found.count(OK)
        return found


@pytest.fixture
def bare() -> Approvers:
    model = Model()
    return Approvers(model, model.commit, NOON)


@pytest.fixture
def office(bare: Approvers) -> Approvers:
    bare.open()
    return bare


def needs_third(office: Office, asked: int) -> bool:
    return bool(office.model.rows[asked - 1].flags & RowFlag.THIRD)


def a_new_one(office: Approvers) -> Line:
    return of_record(office.person(NEW, 21).pack())


def one_who_is_back(office: Approvers) -> Line:
    return office.as_it_is(DELTA, active=1)


def a_maker_who_checks(office: Approvers) -> Line:
    return office.as_it_is(GAMMA, role=PersonRole.CHECKER)


def another_key(office: Approvers) -> Line:
    record = PersonRecord(*ALPHA, signing.public_key(22))
    return of_record(record.pack())


def a_participant_on(_: Approvers) -> Line:
    return of_record(ParticipantRecord(b"annexe", Role.TREASURY).pack())


def a_shorter_wait(_: Approvers) -> Line:
    return of_record(ThresholdsRecord(MOST, MOST, MOST, wait_days=6).pack())


WIDENS = (
    *(a_new_one, one_who_is_back, a_maker_who_checks, another_key),
    *(a_participant_on, a_shorter_wait),
)
Widens = Callable[[Approvers], Line]


@pytest.mark.parametrize("widens", [*WIDENS[:1], *WIDENS[2:]])
def test_three_want_it_and_it_is_done(office: Approvers, widens: Widens) -> None:
    line = widens(office)
    asked = office.propose(GAMMA, line)
    assert needs_third(office, asked)
    assert office.approve(asked, BETA).result == OK
    assert office.done(asked) == [NOT_APPROVED]
    assert office.approve(asked, DELTA).result == OK
    assert office.done(asked) == [OK]


@pytest.mark.parametrize("widens", WIDENS)
def test_two_want_it_and_it_waits(office: Approvers, widens: Widens) -> None:
    office.stop_third()
    asked = office.wanted_by_two(widens(office))
    assert not needs_third(office, asked)
    approval = office.model.rows[office.model.resolved[asked] - 1]
    assert office.done(asked) == [WAITS]
    office.now = approval.timestamp + WEEK_NS - 10**9 - 1
    assert office.done(asked) == [WAITS]
    # From then on it may be done, to the nanosecond.
    office.now = approval.timestamp + WEEK_NS - 10**9
    assert office.done(asked) == [OK]


@pytest.mark.parametrize("widens", [a_new_one, a_maker_who_checks, a_participant_on])
def test_a_third_is_back_before_it_is_done(office: Approvers, widens: Widens) -> None:
    office.stop_third()
    back = office.wanted_by_two(one_who_is_back(office))
    asked = office.wanted_by_two(widens(office))
    office.now += WEEK_NS
    assert office.done(back) == [OK]
    assert office.done(asked) == [THIRD_NEEDED]
    # It stays so, whatever is waited for; whoever may propose takes it back.
    office.now += WEEK_NS
    assert office.done(asked) == [THIRD_NEEDED]
    assert office.withdraw(asked, GAMMA) == OK
    # Three want it, and it is done at once.
    again = office.propose(GAMMA, widens(office))
    assert needs_third(office, again)
    for who in (BETA, DELTA):
        assert office.approve(again, who).result == OK
    assert office.done(again) == [OK]


def test_what_waits_is_withdrawn(office: Approvers) -> None:
    office.stop_third()
    asked = office.wanted_by_two(a_new_one(office))
    assert office.done(asked) == [WAITS]
    assert office.withdraw(asked, GAMMA) == OK
    office.now += WEEK_NS
    assert office.done(asked) == [NOT_APPROVED]


def test_what_three_were_to_want_two_do_not_do(office: Approvers) -> None:
    """It needed a third when it was proposed; the third is stopped then."""
    asked = office.wanted_by_two(a_new_one(office))
    office.stop_third()
    office.now += WEEK_NS
    assert office.done(asked) == [NOT_APPROVED]


def test_one_of_the_three_is_stopped_behind_it(office: Approvers) -> None:
    asked = office.propose(GAMMA, a_new_one(office))
    for who in (BETA, DELTA):
        assert office.approve(asked, who).result == OK
    office.stop_third()
    assert office.done(asked) == [NOT_APPROVED]


def test_who_does_not_widen_waits_for_nobody(office: Approvers) -> None:
    office.stop_third()
    maker = office.person((BRANCH, 9), 23, role=PersonRole.MAKER)
    same = office.as_it_is(BETA)
    longer = ThresholdsRecord(MOST, MOST, MOST, wait_days=8)
    idle = ParticipantRecord(b"idle", Role.TREASURY)
    for line in (maker.pack(), same.tail, longer.pack(), idle.pack()):
        asked = office.wanted_by_two(of_record(line))
        assert office.done(asked) == [OK]


def test_nobody_approves_under_who_is_off(office: Approvers) -> None:
    """A checker of a participant that does not act makes nobody approve by itself."""
    office.stop_third()
    asked = office.wanted_by_two(of_record(office.person((ANNEXE, 2), 24).pack()))
    assert office.done(asked) == [OK]
    assert office.model.approvers() == {ALPHA, BETA}


def test_a_participant_s_people_are_known_when_it_is_wanted(office: Approvers) -> None:
    office.stop_third()
    on = office.wanted_by_two(a_participant_on(office))
    late = office.wanted_by_two(of_record(office.person((ANNEXE, 2), 24).pack()))
    assert office.done(late) == [OK]
    office.now += WEEK_NS
    assert office.done(on) == [NOT_APPROVED]
    again = office.wanted_by_two(a_participant_on(office))
    office.now += WEEK_NS
    assert office.done(again) == [OK]


def test_each_line_is_asked_by_itself(office: Approvers) -> None:
    """Behind the one who is the third by it, nobody comes by two people's word."""
    office.stop_third()
    lines = (one_who_is_back(office), a_new_one(office))
    asked = office.wanted_by_two(*lines)
    office.now += WEEK_NS
    assert office.done(asked) == [OK, THIRD_NEEDED]


def test_the_thresholds_say_how_long(office: Approvers) -> None:
    longer = of_record(ThresholdsRecord(MOST, MOST, MOST, wait_days=21).pack())
    office.lines(longer, maker=GAMMA)
    office.stop_third()
    asked = office.wanted_by_two(a_new_one(office))
    office.now += 3 * WEEK_NS - 3 * 10**9
    assert office.done(asked) == [WAITS]
    office.now += 3 * 10**9
    assert office.done(asked) == [OK]
    # They change by three people's word alone, so no two make it shorter.
    shorter = office.propose(GAMMA, a_shorter_wait(office))
    assert needs_third(office, shorter)


def test_a_maker_and_the_one_who_checks_are_two(office: Approvers) -> None:
    office.stop_third()
    asked = office.wanted_by_two(one_who_is_back(office))
    row = office.model.rows[asked - 1]
    assert (row.participant, row.operator_) == GAMMA
    office.now += WEEK_NS
    assert office.done(asked) == [OK]


# --- how a ledger begins --------------------------------------------------------------


def begun(bare: Approvers, *people: Who) -> None:
    for code in (b"main", b"branch"):
        bare.treasury(code)
    assert [one.result for one in bare.begin(*people)] == [OK] * len(people)


def registers(office: Approvers, record: PersonRecord) -> int:
    return office.result(office.row(Kind.REGISTER, (0, 0), tail=record.pack()))


def test_the_third_comes_right_behind(bare: Approvers) -> None:
    begun(bare, ALPHA, BETA, DELTA)
    assert len(bare.model.approvers()) == 3
    assert registers(bare, bare.person(GAMMA, 4)) == NOT_APPROVED


def test_nobody_comes_by_itself_behind_something(bare: Approvers) -> None:
    begun(bare, ALPHA, BETA)
    assert bare.propose(ALPHA, of_record(bare.person(DELTA, 4).pack()))
    assert registers(bare, bare.person(DELTA, 4)) == NOT_APPROVED


@pytest.mark.parametrize(
    ("who", "fields"),
    [
        (DELTA, {"role": PersonRole.MAKER}),
        (DELTA, {"active": 0}),
        (BETA, {}),
        ((9, 1), {}),
    ],
)
def test_the_third_is_new_and_approves(
    bare: Approvers, who: Who, fields: dict[str, int]
) -> None:
    begun(bare, ALPHA, BETA)
    record = bare.person(who, 4, **fields)
    assert registers(bare, record) == NOT_APPROVED


def test_no_third_behind_the_first_account(bare: Approvers) -> None:
    begun(bare, ALPHA, BETA)
    account = AccountRecord(MAIN, 0, AccountKind.FLOAT).pack()
    bare.lines(of_record(account, Kind.OPEN))
    assert registers(bare, bare.person(DELTA, 4)) == NOT_APPROVED


def test_no_people_where_there_are_accounts(bare: Approvers) -> None:
    office = bare
    office.treasury(b"main")
    opened = AccountRecord(MAIN, 0, AccountKind.FLOAT)
    office.tell(office.row(Kind.OPEN, (0, 0), tail=opened.pack()))
    row = office.row(Kind.REGISTER, (0, 0), tail=office.person(ALPHA, 1).pack())
    assert office.tell(row)[0].result == Result.RULE_FIXED
    # What needs people to sign it nobody can ask for.
    proposal = office.proposal(ALPHA, top_up(5))
    assert office.tell(proposal)[0].result == Result.NOT_SIGNED
    approve = office.row(Kind.APPROVE, ALPHA, resolves=1, reference=b"h")
    assert office.tell(approve)[0].result == Result.PROPOSAL_NOT_FOUND
