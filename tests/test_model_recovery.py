"""Goal: what the oracle says of a recovery is what the data model says.

Method: a treasury of three checkers and an auditor with two recoverers, row by row:
what these sign and what not, who stops them, each thing that ends a recovery, and the
nanosecond on either side of its 30 and its 60 days. Answers are worked out by hand.
"""

import pytest

from switch.codes import AccountKind, Kind, PersonRole, Result, Role, RowFlag
from tests.model import Model
from tests.office import Office, Who
from tests.records import AccountRecord, ParticipantRecord, Row, revocation
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
    SUSPENSE,
    Treasury,
    freeze,
    of_record,
)

OK, NOT_APPROVED, WAITS = Result.OK, Result.NOT_APPROVED, Result.APPROVER_WAITS
NOT_SIGNED, RULE_FIXED = Result.NOT_SIGNED, Result.RULE_FIXED
AUDIT, OFF, CENTRE = 3, 4, 5
ONE, OTHER = (AUDIT, 1), (AUDIT, 2)
"""The two recoverers."""
NEW, NEWER = (MAIN, 9), (BRANCH, 9)
SECOND_NS = 10**9
RECOVERS = PersonRole.RECOVERER
CHECKS = PersonRole.CHECKER
PARTICIPANTS = (
    (b"main", Role.TREASURY),
    (b"branch", Role.TREASURY),
    (b"audit", Role.AUDITOR),
    (b"off", Role.TREASURY),
    (b"centre", Role.CENTRE),
)


class Recovering(Treasury):
    """Three who approve, a maker, two recoverers, and a participant that is off."""

    def participants(self) -> None:
        for code, role in PARTICIPANTS:
            tail = ParticipantRecord(code, role).pack()
            self.tell(self.row(Kind.REGISTER, (0, 0), tail=tail))

    def begins(self, record: PersonRecord) -> int:
        """What comes of somebody's row without anybody's word."""
        return self.result(self.row(Kind.REGISTER, (0, 0), tail=record.pack()))

    def recoverer(self, who: Who, key: int, **fields: int) -> PersonRecord:
        return self.person(who, key, **{"role": RECOVERS, **fields})

    def open(self) -> None:
        self.participants()
        self.begin(ALPHA, BETA, DELTA, keys=(1, 2, 4))
        for who, key in ((ONE, 11), (OTHER, 12)):
            assert self.begins(self.recoverer(who, key)) == OK
        maker = self.person(GAMMA, 3, role=PersonRole.MAKER)
        assert self.by_three(
            of_record(maker.pack()), maker=ALPHA, checkers=(BETA, DELTA)
        ) == [OK]
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
        off = ParticipantRecord(b"off", Role.TREASURY, 0).pack()
        assert self.stop(off) == OK

    def stop(self, tail: bytes, who: Who = ALPHA) -> int:
        """What comes of one person's stopping somebody."""
        return self.result(self.signed(self.row(Kind.REGISTER, who, tail=tail)))

    def as_it_is(self, who: Who, **fields: int) -> bytes:
        """A person's record, but for what is given."""
        one = self.model.persons[who]
        record = PersonRecord(*who, one.key, one.role, one.active)
        for name, value in fields.items():
            setattr(record, name, value)
        return record.pack()

    def new(self, who: Who = NEW, key: int = 21, **fields: int) -> Line:
        return of_record(self.person(who, key, **fields).pack())

    def begun(self, *lines: Line) -> int:
        """A recovery that the other recoverer has approved."""
        asked = self.propose(ONE, *(lines or (self.new(),)))
        assert self.approve(asked, OTHER).result == OK
        return asked

    def approved_ns(self, asked: int) -> int:
        return self.model.rows[self.model.resolved[asked] - 1].timestamp

    def wait(self, asked: int, ns: int) -> None:
        """The next row is made so long after a recovery's approval."""
        self.now = self.approved_ns(asked) + ns - SECOND_NS

    def done(self, asked: int) -> list[int]:
        """What comes of its lines now; nothing is kept of what is refused."""
        before = len(self.model.rows)
        found = self.results(*self.line_rows(asked))
        assert len(self.model.rows) == before + found.count(OK)
        return found

    def acts(self, maker: Who = GAMMA, checker: Who = BETA) -> int:
        """Two of the treasury want something; it need not be done."""
        asked = self.propose(maker, freeze(SUSPENSE))
        assert self.approve(asked, checker).result == OK
        return asked


@pytest.fixture
def bare() -> Recovering:
    model = Model()
    return Recovering(model, model.commit, NOON)


@pytest.fixture
def office(bare: Recovering) -> Recovering:
    bare.open()
    return bare


def flags(office: Office, sequence: int) -> int:
    return office.model.rows[sequence - 1].flags


# --- what it does, and when -----------------------------------------------------------


def test_two_make_somebody_who_approves(office: Recovering) -> None:
    asked = office.begun(office.new(), office.new(NEWER, 22))
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [OK, OK]
    assert {NEW, NEWER} <= office.model.approvers()
    rows = [office.model.rows[asked - 1], *office.model.rows[-2:]]
    rows.append(office.model.rows[office.model.resolved[asked] - 1])
    assert all(row.flags & RowFlag.RECOVERY for row in rows)
    assert not rows[0].flags & RowFlag.THIRD
    # These two are people of the treasury as any.
    office.acts(NEW, NEWER)


@pytest.mark.parametrize("early", [0, 1, DAY_NS])
def test_it_waits_for_thirty_days(office: Recovering, early: int) -> None:
    asked = office.begun()
    office.wait(asked, 30 * DAY_NS - early)
    assert office.done(asked) == [WAITS if early else OK]


@pytest.mark.parametrize("early", [0, 1])
def test_it_is_done_within_sixty_days(office: Recovering, early: int) -> None:
    asked = office.begun()
    office.wait(asked, 60 * DAY_NS - early)
    assert office.done(asked) == [OK if early else NOT_APPROVED]


def test_what_is_left_is_done_later(office: Recovering) -> None:
    asked = office.begun(office.new(), office.new(NEWER, 22))
    office.wait(asked, 30 * DAY_NS)
    one, other = office.line_rows(asked)
    assert office.result(one) == OK
    assert office.withdraw(asked, ONE) == OK
    assert office.result(other) == NOT_APPROVED


def test_it_is_approved_within_thirty_days(office: Recovering) -> None:
    asked = office.propose(ONE, office.new())
    office.now = office.model.rows[asked - 1].timestamp + 30 * DAY_NS - SECOND_NS - 1
    assert office.approve(asked, OTHER).result == OK
    late = office.propose(ONE, office.new(NEWER, 22))
    office.now = office.model.rows[late - 1].timestamp + 30 * DAY_NS - SECOND_NS
    refused = office.approve(late, OTHER)
    assert refused.result == Result.PROPOSAL_EXPIRED
    assert not flags(office, refused.sequence) & RowFlag.RECOVERY


def test_a_participant_is_switched_on(office: Recovering) -> None:
    on = ParticipantRecord(b"off", Role.TREASURY).pack()
    asked = office.begun(of_record(on), office.new((OFF, 1), 23))
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [OK, OK]
    assert (OFF, 1) in office.model.approvers()


def test_who_lost_a_key_has_another(office: Recovering) -> None:
    asked = office.begun(office.new(ALPHA, 24))
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [OK]
    office.acts(ALPHA, BETA)


def test_one_does_not_do_it_alone(office: Recovering) -> None:
    asked = office.propose(ONE, office.new())
    assert office.approve(asked, ONE).result == Result.SAME_PERSON
    office.now += 31 * DAY_NS
    assert office.done(asked) == [NOT_APPROVED]


# --- what recoverers sign -------------------------------------------------------------


def lines_of_nobody(office: Recovering) -> list[tuple[Line, ...]]:
    """What no recovery says: each time one thing is other than it may be."""
    on = ParticipantRecord(b"off", Role.TREASURY)
    main = ParticipantRecord(b"main", Role.TREASURY)
    another = ParticipantRecord(b"off", Role.TREASURY, answer_hours=1)
    wrong = [
        freeze(SUSPENSE),
        of_record(AccountRecord(MAIN, 7, AccountKind.SUSPENSE).pack(), Kind.OPEN),
        of_record(ThresholdsRecord(1, 1, 1).pack()),
        of_record(office.person(NEW, 21, role=PersonRole.MAKER).pack()),
        of_record(office.person(NEW, 21, active=0).pack()),
        of_record(office.person((CENTRE, 1), 21).pack()),
        of_record(office.person((AUDIT, 9), 21).pack()),
        of_record(office.person((99, 1), 21).pack()),
        of_record(office.recoverer((AUDIT, 9), 21).pack()),
        of_record(ParticipantRecord(b"off", Role.TREASURY, 0).pack()),
        of_record(ParticipantRecord(b"off", Role.AUDITOR).pack()),
        of_record(ParticipantRecord(b"none", Role.TREASURY).pack()),
        of_record(ParticipantRecord(b"audit", Role.TREASURY).pack()),
        of_record(main.pack()),
        of_record(another.pack()),
    ]
    found = [(line,) for line in wrong]
    return [*found, (of_record(on.pack()), wrong[0]), (wrong[0], office.new())]


def test_a_recovery_makes_people_and_nothing_else(office: Recovering) -> None:
    before = len(office.model.rows)
    for lines in lines_of_nobody(office):
        assert office.result(office.proposal(ONE, *lines)) == NOT_SIGNED, lines
    assert len(office.model.rows) == before


def test_recoverers_sign_nothing_else(office: Recovering) -> None:
    frozen = office.signed(
        office.row(Kind.FREEZE, ONE, debit=SUSPENSE, reference=b"a reason")
    )
    refund = office.row(
        Kind.PROPOSE, ONE, total=Kind.REFUND, amount=1, resolves=1, reference=b"why"
    )
    revoked = office.row(Kind.REGISTER, ONE, tail=revocation(CENTRE, b"a" * 32, b"\7"))
    asked = office.propose(GAMMA, freeze(SUSPENSE))
    withdrawn = office.row(Kind.WITHDRAW, ONE, resolves=asked, reference=b"why")
    nothing = office.row(Kind.APPROVE, ONE, resolves=999, reference=b"x" * 32)
    rows = [
        *(frozen, office.signed(refund), office.signed(revoked)),
        *(office.approval(asked, ONE), office.signed(withdrawn)),
        office.signed(nothing),
    ]
    for row in rows:
        assert office.result(row) == NOT_SIGNED, row
    off = office.as_it_is(DELTA, active=0)
    assert office.stop(off, ONE) == NOT_SIGNED


def test_nobody_else_approves_one(office: Recovering) -> None:
    asked = office.propose(ONE, office.new())
    for who in (ALPHA, BETA, GAMMA):
        assert office.approve(asked, who).result == NOT_SIGNED
    assert office.approve(asked, OTHER).result == OK
    assert office.approve(asked, OTHER).result == Result.ALREADY_APPROVED


@pytest.mark.parametrize("who", [ONE, OTHER, ALPHA, GAMMA])
def test_who_withdraws_one(office: Recovering, who: Who) -> None:
    asked = office.begun()
    assert office.withdraw(asked, who) == OK
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [NOT_APPROVED]


def test_what_is_done_is_not_withdrawn(office: Recovering) -> None:
    asked = office.begun()
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [OK]
    assert office.withdraw(asked, ALPHA) == Result.ALREADY_DONE


# --- the treasury has acted -----------------------------------------------------------


def test_any_approval_of_something_newer_ends_it(office: Recovering) -> None:
    asked = office.begun()
    office.acts()
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [NOT_APPROVED]
    # So it is of each one that was proposed before, and of none behind it.
    again = office.begun()
    office.wait(again, 30 * DAY_NS)
    assert office.done(again) == [OK]


def test_it_is_no_matter_whether_it_was_approved_by_then(office: Recovering) -> None:
    asked = office.propose(ONE, office.new())
    office.acts()
    assert office.approve(asked, OTHER).result == OK
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [NOT_APPROVED]


def test_an_approval_of_what_was_there_shows_nothing(office: Recovering) -> None:
    """One person alone can approve what another has proposed before."""
    old = office.propose(GAMMA, freeze(SUSPENSE))
    stopped = office.row(Kind.FREEZE, GAMMA, debit=SUSPENSE, reference=b"lost")
    [stop] = office.tell(office.signed(stopped))
    asked = office.begun()
    for sequence in (old, stop.sequence):
        assert office.approve(sequence, BETA).result == OK
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [OK]


def test_the_approval_of_a_newer_stop_ends_it(office: Recovering) -> None:
    asked = office.begun()
    stopped = office.row(Kind.FREEZE, GAMMA, debit=SUSPENSE, reference=b"lost")
    [stop] = office.tell(office.signed(stopped))
    assert office.approve(stop.sequence, BETA).result == OK
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [NOT_APPROVED]


def test_what_one_person_signs_shows_nothing(office: Recovering) -> None:
    asked = office.begun()
    other = office.propose(ALPHA, freeze(SUSPENSE))
    assert office.approve(other, ALPHA).result == Result.SAME_PERSON
    assert office.withdraw(other, ALPHA) == OK
    assert office.stop(office.as_it_is(DELTA, active=0)) == OK
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [OK]


def test_another_recovery_shows_nothing(office: Recovering) -> None:
    asked = office.begun()
    other = office.begun(office.new(NEWER, 22))
    office.wait(other, 30 * DAY_NS)
    assert office.done(asked) == [OK]
    assert office.done(other) == [OK]


def test_what_was_found_once_is_found_again(office: Recovering) -> None:
    """Several recoveries, each asked when others were."""
    first = office.begun()
    office.acts()
    second = office.begun(office.new(NEWER, 22))
    office.wait(second, 30 * DAY_NS)
    assert office.done(first) == [NOT_APPROVED]
    assert office.done(second) == [OK]
    assert office.done(first) == [NOT_APPROVED]
    third = office.begun(office.new((MAIN, 8), 25))
    office.wait(third, 30 * DAY_NS)
    office.acts()
    assert office.done(third) == [NOT_APPROVED]


def test_the_first_of_two_approvals_ends_it(office: Recovering) -> None:
    asked = office.begun()
    third = office.propose(ALPHA, of_record(office.person((MAIN, 7), 26).pack()))
    assert flags(office, third) & RowFlag.THIRD
    assert office.approve(third, BETA).result == OK
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [NOT_APPROVED]


# --- what has changed since -----------------------------------------------------------


def test_something_newer_about_whom_it_makes(office: Recovering) -> None:
    asked = office.begun(of_record(office.as_it_is(DELTA)))
    assert office.stop(office.as_it_is(DELTA, active=0)) == OK
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [NOT_APPROVED]


def test_its_recoverers_can_recover_still(office: Recovering) -> None:
    """Two treasury people change one; that ends it anyway, so they do so before."""
    off = of_record(office.as_it_is(OTHER, active=0))
    wanted = office.propose(GAMMA, off)
    asked = office.begun()
    for who in (ALPHA, BETA):
        assert office.approve(wanted, who).result == OK
    assert office.done(wanted) == [OK]
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [NOT_APPROVED]
    again = office.propose(ONE, office.new(NEWER, 22))
    assert office.approve(again, OTHER).result == NOT_SIGNED


def test_the_auditor_is_active_still(office: Recovering) -> None:
    off = ParticipantRecord(b"audit", Role.AUDITOR, 0).pack()
    wanted = office.propose(GAMMA, of_record(off))
    asked = office.begun()
    for who in (ALPHA, BETA):
        assert office.approve(wanted, who).result == OK
    assert office.done(wanted) == [OK]
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [NOT_APPROVED]
    assert office.result(office.proposal(ONE, office.new(NEWER, 22))) == NOT_SIGNED


# --- nobody alone puts recoverers out -------------------------------------------------


def test_one_person_does_not_stop_a_recoverer(office: Recovering) -> None:
    assert office.stop(office.as_it_is(OTHER, active=0)) == NOT_APPROVED
    off = ParticipantRecord(b"audit", Role.AUDITOR, 0).pack()
    assert office.stop(off) == NOT_APPROVED
    # Nor does a recoverer.
    assert office.stop(office.as_it_is(OTHER, active=0), ONE) == NOT_APPROVED


def test_an_auditor_without_recoverers_is_stopped_by_one(office: Recovering) -> None:
    tail = ParticipantRecord(b"desk", Role.AUDITOR).pack()
    office.lines(of_record(tail))
    assert office.stop(ParticipantRecord(b"desk", Role.AUDITOR, 0).pack()) == OK


@pytest.mark.parametrize("what", ["off", "key", "new", "participant"])
def test_recoverers_change_as_approvers_do(office: Recovering, what: str) -> None:
    lines = {
        "off": lambda: of_record(office.as_it_is(OTHER, active=0)),
        "key": lambda: of_record(office.recoverer(OTHER, 27).pack()),
        "new": lambda: of_record(office.recoverer((AUDIT, 3), 27).pack()),
        "participant": lambda: of_record(
            ParticipantRecord(b"audit", Role.AUDITOR, 0).pack()
        ),
    }
    # While three approve it takes three.
    asked = office.propose(GAMMA, lines[what]())
    assert flags(office, asked) & RowFlag.THIRD
    assert office.approve(asked, BETA).result == OK
    assert office.done(asked) == [NOT_APPROVED]
    # With two it waits.
    assert office.stop(office.as_it_is(DELTA, active=0)) == OK
    asked = office.propose(GAMMA, lines[what]())
    assert office.approve(asked, BETA).result == OK
    assert office.done(asked) == [WAITS]
    office.wait(asked, 7 * DAY_NS - 1)
    assert office.done(asked) == [WAITS]
    office.wait(asked, 7 * DAY_NS)
    assert office.done(asked) == [OK]


def test_a_recoverer_is_of_an_auditor(office: Recovering) -> None:
    for who in ((MAIN, 9), (CENTRE, 9)):
        line = of_record(office.recoverer(who, 28).pack())
        assert office.by_three(line, checkers=(ALPHA, BETA)) == [RULE_FIXED]


def test_an_auditor_comes_back_with_whom_all_know(office: Recovering) -> None:
    off = ParticipantRecord(b"audit", Role.AUDITOR, 0).pack()
    assert office.by_three(of_record(off), checkers=(ALPHA, BETA)) == [OK]
    # An auditor that is off may be said to be off again, by one, in vain.
    assert office.stop(off) == NOT_APPROVED
    on = office.propose(
        GAMMA, of_record(ParticipantRecord(b"audit", Role.AUDITOR).pack())
    )
    assert flags(office, on) & RowFlag.THIRD
    late = of_record(office.recoverer((AUDIT, 4), 29).pack())
    assert office.by_three(late, checkers=(ALPHA, BETA)) == [OK]
    for who in (ALPHA, BETA):
        assert office.approve(on, who).result == OK
    assert office.done(on) == [NOT_APPROVED]


# --- how a ledger begins --------------------------------------------------------------


@pytest.mark.parametrize("checkers", [2, 3])
def test_two_recoverers_need_nobody(bare: Recovering, checkers: int) -> None:
    bare.participants()
    bare.begin(*(ALPHA, BETA, DELTA)[:checkers])
    assert bare.begins(bare.recoverer(ONE, 11)) == OK
    assert bare.begins(bare.recoverer(OTHER, 12)) == OK
    assert bare.begins(bare.recoverer((AUDIT, 3), 13)) == NOT_APPROVED
    # Nor does a third checker come behind them.
    assert bare.begins(bare.person((MAIN, 9), 14)) == NOT_APPROVED
    assert len(bare.model.persons) == checkers + 2


def test_no_recoverer_before_two_people(bare: Recovering) -> None:
    bare.participants()
    assert bare.begins(bare.recoverer(ONE, 11)) == RULE_FIXED
    bare.begin(ALPHA)
    assert bare.begins(bare.recoverer(ONE, 11)) == RULE_FIXED
    bare.begin(ALPHA, BETA)
    assert bare.begins(bare.recoverer(ONE, 11)) == OK


@pytest.mark.parametrize(
    ("who", "given"),
    [
        (ONE, {"active": 0}),
        ((MAIN, 9), {}),
        ((99, 1), {}),
        (ONE, {"role": PersonRole.AUDITOR}),
    ],
)
def test_a_recoverer_of_the_beginning_can_recover(
    bare: Recovering, who: Who, given: dict[str, int]
) -> None:
    bare.participants()
    bare.begin(ALPHA, BETA)
    assert bare.begins(bare.recoverer(who, 11, **given)) == NOT_APPROVED


def test_nothing_comes_between(bare: Recovering) -> None:
    bare.participants()
    bare.begin(ALPHA, BETA)
    assert bare.propose(ALPHA, of_record(bare.person(DELTA, 4).pack()))
    assert bare.begins(bare.recoverer(ONE, 11)) == NOT_APPROVED


def test_nothing_comes_between_two(bare: Recovering) -> None:
    bare.participants()
    bare.begin(ALPHA, BETA, DELTA)
    assert bare.begins(bare.recoverer(ONE, 11)) == OK
    assert bare.propose(ALPHA, of_record(bare.person((MAIN, 9), 5).pack()))
    assert bare.begins(bare.recoverer(OTHER, 12)) == NOT_APPROVED


def test_a_second_one_is_stopped_before(bare: Recovering) -> None:
    """What is newest of the second is no beginning any more."""
    bare.participants()
    bare.begin(ALPHA, BETA)
    assert bare.begins(bare.person(BETA, 2)) == NOT_APPROVED
    assert bare.begins(bare.recoverer(ONE, 11)) == OK


def told(row: Row) -> tuple[int, int]:
    return row.participant, row.operator_


def test_whose_rows_these_are(office: Recovering) -> None:
    asked = office.begun()
    office.wait(asked, 30 * DAY_NS)
    assert office.done(asked) == [OK]
    made = office.model.rows[-1]
    assert told(made) == ONE
    assert (made.checker, made.total) == (AUDIT, asked)
    assert office.model.persons[NEW].role == CHECKS
