"""Goal: whatever recoverers and the treasury do in whatever order, and whenever, the
core decides it as the model, and the auditor finds nothing wrong with it.

Method: random walks over a treasury of three and an auditor with two recoverers: they
propose rightly and wrongly, approve, withdraw, do and do again, stop and change each
other; days pass, and the ledger is opened anew, with its index and without. Every
outcome and row is compared; in the end all is read and audited. What must come up is
counted over all walks.
"""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.audit import audit
from switch.codes import Kind, PersonRole, Result, Role
from switch.ledger.exceptions import Exceptions
from tests.core.pair import Pair
from tests.flags import RowFlag
from tests.longer import SEED, TIMES
from tests.model_signed import lines_of
from tests.model_state import SECOND_NS
from tests.office import Who
from tests.records import ParticipantRecord, Row, revocation
from tests.signing import Line, ThresholdsRecord
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
    freeze,
    of_record,
)
from tests.test_model_recovery import (
    AUDIT,
    CENTRE,
    OFF,
    ONE,
    OTHER,
    RECOVERS,
    Recovering,
)

WALKS = 8 * TIMES
STEPS = 400
TREASURY = (ALPHA, BETA, GAMMA, DELTA)
MORE = ((MAIN, 9), (BRANCH, 9), (OFF, 1))
RECOVERERS = (ONE, OTHER, (AUDIT, 3))
NAPS = (1, 60, 86_400, 5 * 86_400, 15 * 86_400, 30 * 86_400)
"""Seconds that may pass between two steps."""

seen: Counter[tuple[str, Result]] = Counter()
looked: Counter[str] = Counter()
MUST_COME: dict[tuple[str, Result], int] = {
    ("propose", Result.OK): 40,
    ("propose", Result.NOT_SIGNED): 40,
    ("approve", Result.OK): 30,
    ("approve", Result.NOT_SIGNED): 30,
    ("approve", Result.SAME_PERSON): 10,
    ("approve", Result.PROPOSAL_EXPIRED): 3,
    ("withdraw", Result.OK): 10,
    ("withdraw", Result.NOT_SIGNED): 5,
    ("do", Result.OK): 10,
    ("do", Result.APPROVER_WAITS): 10,
    ("do", Result.NOT_APPROVED): 30,
    ("again", Result.OK): 3,
    ("stop", Result.NOT_APPROVED): 10,
    ("stop", Result.NOT_SIGNED): 5,
}
"""Of recoveries, and of recoverers; over all walks."""


class Walk(Recovering):
    """One walk. Its people act by their right keys, most often."""

    def __init__(self, pair: Pair, seed: int) -> None:
        super().__init__(pair.model, pair.commit, NOON)
        self.pair = pair
        self.rng = random.Random(seed)
        self.asked: list[int] = []
        self.key = 40

    def go(self) -> None:
        self.open()
        steps: tuple[tuple[Callable[[], None], int], ...] = (
            *((self.recovers, 6), (self.wants, 3), (self.agrees, 12)),
            *((self.does, 10), (self.takes_back, 2), (self.halts, 2)),
            *((self.sleeps, 4), (self.reopens, 1)),
        )
        drawn = [step for step, times in steps for _ in range(times)]
        for _ in range(STEPS):
            self.rng.choice(drawn)()
        self.look()
        self.pair.reopen(without_index=True)
        self.look()
        self.pair.compare_all(range(1, len(self.model.rows) + 1))
        assert audit(self.pair.path).findings.kept == []

    # --- who, and what ----------------------------------------------------------------

    def is_one(self, sequence: int) -> bool:
        return bool(self.model.rows[sequence - 1].flags & RowFlag.RECOVERY)

    def anybody(self, *, recovers: bool) -> Who:
        people = RECOVERERS if recovers else TREASURY + MORE
        if self.rng.randrange(12) == 0:
            people = RECOVERERS + TREASURY
        return self.rng.choice([who for who in people if who in self.keys])

    def new_key(self, who: Who, **fields: int) -> Line:
        """Somebody with a key that is his from now on, if it is done or not."""
        self.key += 1
        return of_record(self.person(who, self.key, **fields).pack())

    def right(self) -> Line:
        if self.rng.randrange(4) == 0:
            return of_record(ParticipantRecord(b"off", Role.TREASURY).pack())
        people = self.rng.choice(MORE), self.rng.choice(TREASURY)
        who = people[self.rng.randrange(4) == 0]
        # Whoever is there keeps the key, so that people are not lost to the walk.
        known = self.model.persons.get(who)
        if known is None:
            return self.new_key(who)
        return of_record(self.as_it_is(who, role=PersonRole.CHECKER, active=1))

    def wrong(self) -> Line:
        rng = self.rng
        return rng.choice(
            (
                freeze(SUSPENSE),
                of_record(ThresholdsRecord(1, 1, 1).pack()),
                of_record(self.as_it_is(ALPHA, active=0)),
                of_record(self.as_it_is(ALPHA, role=PersonRole.MAKER)),
                of_record(self.as_it_is(rng.choice((ONE, OTHER)))),
                of_record(ParticipantRecord(b"off", Role.AUDITOR).pack()),
                of_record(ParticipantRecord(b"main", Role.TREASURY).pack()),
                of_record(ParticipantRecord(b"audit", Role.TREASURY).pack()),
                of_record(ParticipantRecord(b"off", Role.TREASURY, 0).pack()),
                of_record(self.person((CENTRE, 1), 21).pack()),
            )
        )

    def told(self, what: str, *rows: Row) -> list[int]:
        outcomes = self.tell(*rows)
        for one in outcomes:
            seen[what, Result(one.result)] += 1
        return [one.sequence for one in outcomes]

    def one_of_the_last(self, *, recovery: bool) -> int:
        found = [one for one in self.asked[-8:] if self.is_one(one) == recovery]
        return self.rng.choice(found or self.asked[-1:] or [0])

    # --- steps ------------------------------------------------------------------------

    def recovers(self) -> None:
        count = self.rng.choice((1, 1, 2, 3))
        lines = [self.right() for _ in range(count)]
        if self.rng.randrange(4) == 0:
            lines[self.rng.randrange(count)] = self.wrong()
        [sequence] = self.told(
            "propose", self.proposal(self.anybody(recovers=True), *lines)
        )
        if sequence:
            self.asked.append(sequence)

    def wants(self) -> None:
        """Something of the treasury, among it who recovers."""
        rng = self.rng
        line = rng.choice(
            (
                freeze(SUSPENSE),
                freeze(SUSPENSE),
                of_record(self.as_it_is(rng.choice((ONE, OTHER)), active=1)),
                of_record(self.as_it_is(rng.choice((ONE, OTHER)), active=0)),
                of_record(ParticipantRecord(b"audit", Role.AUDITOR).pack()),
                of_record(ParticipantRecord(b"audit", Role.AUDITOR, 0).pack()),
                self.new_key((AUDIT, 3), role=RECOVERS)
                if (AUDIT, 3) not in self.model.persons
                else of_record(self.as_it_is((AUDIT, 3), active=rng.randrange(2))),
            )
        )
        who = self.anybody(recovers=False)
        [sequence] = self.told("want", self.proposal(who, line))
        if sequence:
            self.asked.append(sequence)

    def agrees(self) -> None:
        sequence = self.one_of_the_last(recovery=self.rng.randrange(3) > 0)
        if not sequence:
            return
        recovers = self.is_one(sequence)
        row = self.approval(sequence, self.anybody(recovers=recovers))
        link = self.model.resolved.get(sequence)
        if link and not recovers:
            row.total = link
            row = self.signed(row) if len(row.tail or b"") < 64 else row
        self.told("approve" if recovers else "agree", row)

    def does(self) -> None:
        sequence = self.one_of_the_last(recovery=self.rng.randrange(4) > 0)
        link = self.model.resolved.get(sequence)
        if not sequence:
            return
        what = "do" if self.is_one(sequence) else "deed"
        if link and self.rng.randrange(2):
            # Around the nanosecond from which on, or until which, it is done.
            at = self.model.rows[link - 1].timestamp + DAY_NS * self.rng.choice(
                (30, 60)
            )
            at += self.rng.choice((-1, 0, 1)) - SECOND_NS
            if self.now < at < self.now + 61 * DAY_NS:
                self.now = at
        rows = self.line_rows(sequence)
        if self.rng.randrange(3) == 0:
            self.rng.shuffle(rows)
        self.told(what, *rows)
        if self.rng.randrange(4) == 0:
            self.told("again" if what == "do" else "deed", *rows)

    def takes_back(self) -> None:
        sequence = self.one_of_the_last(recovery=self.rng.randrange(3) > 0)
        if not sequence:
            return
        recovers = self.rng.randrange(2) == 0
        row = self.row(
            Kind.WITHDRAW,
            self.anybody(recovers=recovers),
            resolves=sequence,
            reference=b"why",
        )
        self.told("withdraw", self.signed(row))

    def halts(self) -> None:
        """One person stops a recoverer or the auditor; or a recoverer somebody."""
        recovers = self.rng.randrange(3) == 0
        by = self.anybody(recovers=recovers)
        tails = [ParticipantRecord(b"audit", Role.AUDITOR, 0).pack()]
        tails += [self.as_it_is(who, active=0) for who in (ONE, OTHER)]
        if recovers:
            tails = [
                self.as_it_is(DELTA, active=0),
                revocation(CENTRE, b"a" * 32, b"7"),
            ]
        row = self.row(Kind.REGISTER, by, tail=self.rng.choice(tails))
        self.told("stop", self.signed(row))

    def sleeps(self) -> None:
        self.now += self.rng.choice(NAPS) * SECOND_NS

    def reopens(self) -> None:
        self.look()
        self.pair.reopen(without_index=self.rng.randrange(2) == 0)

    def look(self) -> None:
        """What a server lists as under way is what can still be done, or approved."""
        now = self.now + SECOND_NS
        expected = [one for one in self.asked if self.is_under_way(one, now)]
        listed = Exceptions(self.pair.ledger).recoveries(now)
        assert [one.sequence for one in listed] == expected
        for one in listed:
            link = self.model.resolved.get(one.sequence)
            approved = self.model.rows[link - 1].timestamp if link else 0
            assert one.approved_ns == approved
        looked["under way" if listed else "none"] += 1

    def is_under_way(self, sequence: int, now: int) -> bool:
        model, row = self.model, self.model.rows[sequence - 1]
        if not row.flags & RowFlag.RECOVERY or model.has_treasury_acted(row):
            return False
        link = model.resolved.get(sequence)
        if not link:
            return now < row.timestamp + 30 * DAY_NS
        answer = model.rows[link - 1]
        if answer.kind == Kind.WITHDRAW or now >= answer.timestamp + 60 * DAY_NS:
            return False
        made = [one for one in model.rows[sequence:] if one.total == sequence]
        done = [one for one in made if one.kind == Kind.REGISTER]
        return len(done) < len(lines_of(row.tail or b""))


@pytest.mark.parametrize("number", range(WALKS))
def test_a_walk(tmp_path: Path, number: int) -> None:
    pair = Pair(tmp_path / "ledger", threads=False, index_step_rows=16)
    try:
        Walk(pair, SEED * 1_000 + number).go()
    finally:
        pair.ledger.close()


def test_everything_has_come_up() -> None:
    if not seen:
        pytest.skip("the walks were not made here")
    missing = {
        key: (seen[key], least) for key, least in MUST_COME.items() if seen[key] < least
    }
    assert not missing, (missing, sorted(seen.items()))
    assert min(looked["under way"], looked["none"]) >= 10, looked
