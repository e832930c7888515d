"""Goal: a payout, a debt or an opening that was refused had its cause, and names what
is in its way; where no people say what is done, as theirs are refused without a row.

Method: a ledger without people goes on with one refused row that is right, and beside
it with one that is not. Then the core's own cut-offs, beside the auditor's.
"""

import datetime as dt
import random
from pathlib import Path

import pytest

from switch._core import next_cutoff
from switch.audit.cutoffs import Schedule
from switch.codes import Kind, Result
from tests.audit.again import audit
from tests.audit.bank_story import KINDS, bank_account
from tests.audit.journal_story import (
    FLOAT,
    MIRROR,
    NEXT,
    ONCE,
    RECENT,
    SETTLEMENT,
    SUSPENSE,
    TRANSIT,
    WAITING,
    X0,
    A,
    B,
    Y,
)
from tests.audit.payout_story import OWED, beneficiary, schedule
from tests.audit.people_story import DAY, UPDATE
from tests.audit.told_story import going_on, written

R = Result
HUGE = 10**12
"""More than any wallet has."""
Fields = dict[str, object]


class Told:
    """A story, and what is named behind it: a debit and a credit that wait, a hold, an
    old row of a beneficiary and its newest, one that is off; and a bank account that
    nothing has moved.
    """

    def __init__(self) -> None:
        s = self.story = going_on()
        said: Fields = {"debit": TRANSIT, "credit": MIRROR, "flags": ONCE}
        self.debit = s.add(Kind.BOOKED, amount=HUGE, reference=b"OUT000000009", **said)
        said = {"debit": MIRROR, "credit": WAITING, "flags": ONCE | RECENT}
        self.credit = s.add(Kind.BOOKED, amount=500, reference=b"UTR000000009", **said)
        for at, kind in enumerate(KINDS):
            s.open(NEXT + at, 1, 64 + at, kind)
        s.add(Kind.REGISTER, debit=2, tail=bank_account(b"NEW42", 64))
        self.held = s.hold(A, 100, "HELD-9")
        self.old = s.add(Kind.REGISTER, debit=1, tail=beneficiary(X0))
        s.now += DAY
        said = {"tail": beneficiary(X0), "flags": UPDATE}
        self.newest = s.add(Kind.REGISTER, debit=1, **said)
        self.off = s.add(Kind.REGISTER, debit=2, tail=beneficiary(Y, 0))

    def found(self, path: Path, **fields: object) -> list[str]:
        """What is wrong with one more row, refused."""
        self.story.add(Kind.TRANSFER, **fields)
        self.story.commit()
        report = audit(written(path, self.story.groups, index=False))
        return [str(one) for one in report.findings.kept]


PAYOUT: Fields = {"debit": SETTLEMENT, "credit": TRANSIT, "amount": 5}
DEBT: Fields = {"debit": A, "credit": TRANSIT, "amount": HUGE, "flags": OWED}
OPENING: Fields = {"debit": MIRROR, "credit": FLOAT, "amount": 5}
TOLD = Told()
OLD, NEW, OFF = TOLD.old.sequence, TOLD.newest.sequence, TOLD.off.sequence
OUT, IN, HELD = TOLD.debit.sequence, TOLD.credit.sequence, TOLD.held.sequence
LATER = TOLD.story.now + DAY
REFUSED: dict[str, tuple[Result, Fields, Fields]] = {
    "waits": (
        R.BENEFICIARY_WAITS,
        {**PAYOUT, "resolves": NEW, "total": NEW},
        {**PAYOUT, "resolves": NEW, "total": NEW, "timestamp": LATER},
    ),
    "waits for another": (
        R.BENEFICIARY_WAITS,
        {**PAYOUT, "resolves": NEW, "total": NEW},
        {**PAYOUT, "resolves": NEW, "total": OLD},
    ),
    "waits, and is old": (
        R.BENEFICIARY_WAITS,
        {**PAYOUT, "resolves": NEW, "total": NEW},
        {**PAYOUT, "resolves": OLD, "total": OLD},
    ),
    "old": (
        R.BENEFICIARY_WRONG,
        {**PAYOUT, "resolves": OLD, "total": NEW},
        {**PAYOUT, "resolves": NEW, "total": NEW},
    ),
    "old, without its newest": (
        R.BENEFICIARY_WRONG,
        {**PAYOUT, "resolves": OLD, "total": NEW},
        {**PAYOUT, "resolves": OLD},
    ),
    "off": (
        R.BENEFICIARY_WRONG,
        {**PAYOUT, "resolves": OFF, "total": OFF},
        {**PAYOUT, "resolves": OFF},
    ),
    "nobody": (
        R.BENEFICIARY_WRONG,
        PAYOUT,
        {**PAYOUT, "total": NEW},
    ),
    "another row of the register": (
        R.BENEFICIARY_WRONG,
        {**PAYOUT, "resolves": 3},
        {**PAYOUT, "resolves": OUT},
    ),
    "no payout": (
        R.BENEFICIARY_WRONG,
        PAYOUT,
        {"debit": A, "credit": SUSPENSE, "amount": 5},
    ),
    "a payout's accounts": (
        R.ACCOUNT_KIND_WRONG,
        {**PAYOUT, "credit": WAITING},
        {**PAYOUT, "resolves": NEW},
    ),
    "a payout as an ending": (
        R.CASE_NOT_FOUND,
        {**PAYOUT, "resolves": HELD},
        {**PAYOUT, "resolves": NEW},
    ),
    "a payout that is owed": (
        R.ACCOUNT_KIND_WRONG,
        {**PAYOUT, "resolves": NEW, "flags": OWED},
        {**PAYOUT, "resolves": NEW},
    ),
    "nobody's payout that is owed": (
        R.ACCOUNT_KIND_WRONG,
        {**PAYOUT, "flags": OWED},
        PAYOUT,
    ),
    "owed before its beneficiary": (
        R.ACCOUNT_KIND_WRONG,
        {**PAYOUT, "flags": OWED},
        {**PAYOUT, "flags": OWED, "result": R.BENEFICIARY_WRONG},
    ),
    "a debt": (
        R.INSUFFICIENT_FUNDS,
        {**DEBT, "resolves": OUT, "flags": 0},
        {**DEBT, "resolves": OUT},
    ),
    "a debt's accounts": (
        R.ACCOUNT_KIND_WRONG,
        {**DEBT, "resolves": OUT, "debit": X0},
        {**DEBT, "resolves": OUT},
    ),
    "a debt of a credit": (
        R.ACCOUNT_KIND_WRONG,
        {**DEBT, "debit": WAITING, "credit": A, "resolves": IN},
        {**DEBT, "debit": WAITING, "credit": A, "resolves": IN, "flags": 0},
    ),
    "of another sum": (
        R.ACCOUNT_KIND_WRONG,
        {**DEBT, "debit": WAITING, "credit": A, "resolves": IN, "amount": 1},
        {
            **DEBT,
            "debit": WAITING,
            "credit": A,
            "resolves": IN,
            "amount": 1,
            "result": R.NET_DIFFERS,
        },
    ),
    "a move that is owed": (
        R.ACCOUNT_KIND_WRONG,
        {"debit": A, "credit": SUSPENSE, "amount": 5, "flags": OWED},
        {"debit": A, "credit": SUSPENSE, "amount": 5},
    ),
    "a correction that is owed": (
        R.ACCOUNT_KIND_WRONG,
        {"debit": A, "credit": X0, "amount": 5, "flags": OWED, "resolves": HELD},
        {
            "debit": A,
            "credit": X0,
            "amount": 5,
            "resolves": HELD,
            "flags": OWED,
            "result": R.CASE_CLOSED,
        },
    ),
    "an opening behind": (
        R.ACCOUNT_KIND_WRONG,
        OPENING,
        {**OPENING, "debit": NEXT},
    ),
    "an opening that is short": (
        R.INSUFFICIENT_FUNDS,
        {"debit": SUSPENSE, "credit": FLOAT, "amount": HUGE},
        {**OPENING, "debit": NEXT},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_who_was_refused_had_a_cause(tmp_path: Path, name: str) -> None:
    result, *both = REFUSED[name]
    found = []
    for at, fields in enumerate(both):
        said = {"reference": b"paid", "result": result, **fields}
        found.append(Told().found(tmp_path / str(at), **said))
    assert found[0] == []
    assert len(found[1]) == 1, found[1]
    assert ": refusals: " in found[1][0]


def test_before_the_first_beneficiary_a_payout_names_nothing(tmp_path: Path) -> None:
    s = going_on()
    said: Fields = {**PAYOUT, "reference": b"paid", "result": R.BENEFICIARY_WRONG}
    s.add(Kind.TRANSFER, **said, resolves=3)
    s.commit()
    right = audit(written(tmp_path / "right", s.groups, index=False))
    assert right.findings.kept == []
    s.add(Kind.TRANSFER, **said)
    s.commit()
    wrong = audit(written(tmp_path / "wrong", s.groups, index=False))
    assert [one.check for one in wrong.findings.kept] == ["refusals"]


RECORDS = {
    "of a wallet": (R.ACCOUNT_KIND_WRONG, beneficiary(B), beneficiary(X0)),
    "of no account": (R.ACCOUNT_UNKNOWN, beneficiary(99), beneficiary(X0)),
    "none": (R.ACCOUNT_UNKNOWN, beneficiary(99), beneficiary(99, 2)),
    "a schedule": (R.ACCOUNT_UNKNOWN, beneficiary(99), schedule()),
    "no schedule": (R.ACCOUNT_UNKNOWN, beneficiary(99), schedule((NEXT, 5))),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_was_refused_for_a_cause(tmp_path: Path, name: str) -> None:
    result, *records = RECORDS[name]
    found = []
    for at, record in enumerate(records):
        s = going_on()
        s.add(Kind.REGISTER, tail=record, result=result)
        s.commit()
        report = audit(written(tmp_path / str(at), s.groups, index=False))
        found.append([one.check for one in report.findings.kept])
    assert found[0] == []
    assert found[1] in (["refusals"], ["payouts"], ["windows"])


# --- cut-offs, a second time ----------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_core_has_the_same_cut_offs(seed: int) -> None:
    """Of schedules of chance, at times of chance and around each cut-off."""
    rng = random.Random(seed)
    begin = dt.date(2026, 1, 1)
    for _ in range(20):
        days = sorted(rng.sample(range(1_200), rng.choice((0, 1, 5, 60, 512))))
        record = schedule(
            sorted(rng.sample(range(1_440), rng.randrange(9))),
            rng.randrange(128),
            [begin + dt.timedelta(days=day) for day in days],
        )
        told = Schedule.of(record)
        time = rng.randrange(1_760_000_000, 1_860_000_000) * 10**9
        for _ in range(10):
            due = told.after(time)
            assert next_cutoff(record, time) == due
            assert next_cutoff(record, due - 1) == due
            time = due + rng.choice((0, 0, 1, rng.randrange(10**15)))
