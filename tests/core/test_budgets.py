"""Goal: a budget of one participant is kept as it was said last, and the core's own two
hold for it alone, before its role's.

Method: the same requests go to the core and to the model, also after the ledger was
opened again, with its index and without; a journal written by hand says what no rule
let through.
"""

import itertools
import random
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch._core import BUDGET_BOUNDS, BUDGET_RECORD, GROUP_MAX, Ledger
from switch.audit import audit
from switch.codes import Budget, Kind, Record, Result, Role
from switch.errors import CorruptionError
from tests.audit.journal_writer import Row as Written
from tests.audit.journal_writer import write_journal
from tests.core.market import OPEN, SECOND_NS, Market
from tests.core.network import NOW
from tests.core.pair import rows_request
from tests.model import Rows
from tests.model_budgets import BOUNDS, BUDGETS_MAX
from tests.records import Outcome, ParticipantRecord, Payment, Row, budget

OK = Result.OK
STEP = 16
PER_S, AT_ONCE = Budget.REFUSALS_PER_S, Budget.REFUSALS_AT_ONCE
CALLS = Budget.CALLS
TOO_LOW = Result.AMOUNT_BELOW_MINIMUM
LEAST = 100
LITTLE_MAP = 1 << 30


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    made = Market(tmp_path / "ledger", index_step_rows=STEP)
    made.service(b"PAID", **OPEN)
    yield made
    made.pair.compare_all(range(1, len(made.model.rows) + 1))
    made.pair.close()
    assert audit(made.pair.path).ok


def say(market: Market, whose: int, which: int, value: int) -> Outcome:
    """One of the treasury sets a budget."""
    row = Row(Kind.REGISTER, id=market.id(), tail=budget(whose, which, value))
    row.participant = market.net.treasury
    return market.pair.one(row, market.tick())


def kept(market: Market) -> list[tuple[int, int, int]]:
    """The budgets that the ledger has, by their number: whose, which, how much."""
    found = []
    for sequence in market.pair.ledger.records(Record.BUDGET)[1:].tolist():
        record = np.frombuffer(market.pair.ledger.tail(sequence), BUDGET_RECORD, 1)[0]
        of = (record["participant"], record["budget"], record["value"])
        found.append((int(of[0]), int(of[1]), int(of[2])))
    return found


def refused(market: Market, count: int) -> list[Payment]:
    return [market.plain(1, b"R", LEAST - 1) for _ in range(count)]


def recorded(market: Market, count: int, centre: int = 0) -> int:
    """How many of so many refusals of a centre become rows."""
    told = market.send(*refused(market, count), centre=centre)
    results = [one.result for one in told]
    assert {*results} <= {TOO_LOW, Result.TOO_MANY_REFUSALS}
    return results.count(TOO_LOW)


def test_the_newest_row_about_a_budget_holds(market: Market) -> None:
    one, other, *_ = market.net.centres
    assert say(market, one, CALLS, 7).index == 1
    assert say(market, other, CALLS, 8).index == 2
    assert say(market, one, Budget.BYTES, 1 << 40).index == 3
    assert say(market, one, CALLS, 9).index == 1
    assert say(market, other, CALLS, 0).index == 2
    assert kept(market) == [
        (one, CALLS, 9),
        (other, CALLS, 0),
        (one, Budget.BYTES, 1 << 40),
    ]
    nobody = len(market.model.participants)
    assert say(market, nobody, CALLS, 9).result == Result.PARTICIPANT_UNKNOWN


def test_who_is_switched_off_keeps_its_budgets(market: Market) -> None:
    centre = market.net.centres[0]
    assert say(market, centre, AT_ONCE, 16).result == OK
    record = ParticipantRecord(market.net.centre_codes[0], Role.CENTRE)
    for active in (0, 1):
        assert market.register(replace(record, active=active)).result == OK
        assert say(market, centre, CALLS, 3 - active).result == OK
    assert kept(market) == [(centre, AT_ONCE, 16), (centre, CALLS, 2)]
    market.pair.limit_refusals(Role.CENTRE, 1, 30)
    assert recorded(market, 40) == 16


def test_an_id_that_is_known_has_its_answer(market: Market) -> None:
    centre = market.net.centres[0]
    row = Row(Kind.REGISTER, id=market.id(), tail=budget(centre, CALLS, 5))
    row.participant = market.net.treasury
    first = market.pair.one(row, market.tick())
    assert say(market, centre, CALLS, 6).result == OK
    again = market.pair.one(
        Row(row.kind, id=row.id, participant=row.participant, tail=row.tail),
        market.tick(),
    )
    assert (again.sequence, again.repeat, again.result) == (first.sequence, 1, OK)
    other = Row(row.kind, id=row.id, participant=row.participant)
    other.tail = budget(centre, CALLS, 7)
    assert market.pair.one(other, market.tick()).result == Result.ID_REUSED
    assert kept(market) == [(centre, CALLS, 6)]


def test_each_has_its_bounds(market: Market) -> None:
    centre = market.net.centres[0]
    for which in Budget:
        least, most = BUDGET_BOUNDS[which]
        assert (least, most) == BOUNDS[which]
        for value in (least, most, 0):
            assert say(market, centre, which, value).result == OK
        for value in (least - 1, most + 1, 2**64 - 1):
            if value:
                told = ask(market, budget(centre, which, value))
                assert told.result == Result.INVALID_RECORD, (which, value)


def ask(market: Market, tail: bytes) -> Outcome:
    """A row that need not be one, which leaves no trace then."""
    before = market.pair.ledger.sequence
    row = Row(Kind.REGISTER, id=market.id(), tail=tail, participant=1)
    [[outcome]] = market.pair.commit([Rows([row])], market.tick())
    assert outcome.result == OK or market.pair.ledger.sequence == before
    return outcome


WRONG = [
    budget(3, CALLS, 9)[:15],
    budget(3, CALLS, 9)[:1],
    budget(0, CALLS, 9),
    budget(3, 0, 9),
    budget(3, 0, 0),
    budget(3, len(Budget) + 1, 9),
    budget(3, 255, 0),
    struct.pack("<BBHIQ", Record.BUDGET, CALLS, 1, 3, 9),
    struct.pack("<BBHIQ", Record.BUDGET + 1, CALLS, 0, 3, 9),
]


def test_a_record_that_is_none(market: Market) -> None:
    for tail in WRONG:
        assert ask(market, tail).result == Result.INVALID_RECORD, tail


def test_a_full_table_takes_no_other(tmp_path: Path) -> None:
    """What is in it changes still, also when it was read from the index."""
    count = -(-BUDGETS_MAX // len(Budget))
    tails = [
        ParticipantRecord(b"p-%d" % at, Role.HARNESS).pack() for at in range(count)
    ]
    tails += [
        budget(at, which, BOUNDS[which][0])
        for which in Budget
        for at in range(1, count + 1)
    ]
    options: dict[str, Any] = {"threads": False, "index_step_rows": 16_384}
    where = str(tmp_path / "ledger")
    numbers = itertools.count(1)

    def commit(ledger: Ledger, some: list[bytes]) -> list[tuple[int, int]]:
        rows = [
            Row(Kind.REGISTER, id=next(numbers).to_bytes(16, "big"), tail=tail)
            for tail in some
        ]
        [told] = ledger.commit([rows_request(rows)], NOW)
        return list(zip(told["result"].tolist(), told["index"].tolist(), strict=True))

    ledger = Ledger(where, map_size=LITTLE_MAP, **options)
    told = [
        one
        for at in range(0, len(tails), GROUP_MAX)
        for one in commit(ledger, tails[at : at + GROUP_MAX])
    ][count:]
    assert told[:BUDGETS_MAX] == [(OK, at) for at in range(1, BUDGETS_MAX + 1)]
    assert {*told[BUDGETS_MAX:]} == {(Result.TABLE_FULL, 0)}
    for _ in range(2):
        while ledger.index_step():
            pass
        assert commit(ledger, tails[count : count + 1]) == [(OK, 1)]
        assert commit(ledger, tails[-1:]) == [(Result.TABLE_FULL, 0)]
        ledger.close()
        ledger = Ledger(where, create=False, map_size=LITTLE_MAP, **options)
    ledger.close()


# --- refusals, which the core itself bounds ------------------------------------------


def test_a_budget_of_refusals_goes_before_the_roles(market: Market) -> None:
    market.pair.limit_refusals(Role.CENTRE, 1, 40)
    centre = market.net.centres[0]
    assert say(market, centre, AT_ONCE, 20).result == OK
    assert recorded(market, 50) == 20
    # The others have what they had.
    assert recorded(market, 50, centre=1) == 40
    # Two seconds on, by the number that is the role's.
    assert recorded(market, 50) == 2
    # Whoever is given another number begins with all of it, and goes on by it.
    assert say(market, centre, PER_S, 3).result == OK
    assert recorded(market, 50) == 20
    market.tick(SECOND_NS)
    assert recorded(market, 50) == 2 * 3
    # Another budget forgives nothing.
    assert say(market, centre, CALLS, 100).result == OK
    assert recorded(market, 50) == 2 * 3
    for which in (AT_ONCE, PER_S):
        assert say(market, centre, which, 0).result == OK
        assert recorded(market, 50) == 40
    assert recorded(market, 50) == 1


def test_it_holds_in_the_group_that_sets_it(market: Market) -> None:
    market.pair.limit_refusals(Role.TREASURY, 1, 40)
    treasury = market.net.treasury
    rows = [Row(Kind.REGISTER, id=market.id(), tail=budget(treasury, AT_ONCE, 16))]
    rows += [
        Row(Kind.REGISTER, id=market.id(), tail=budget(9_999, CALLS, 1))
        for _ in range(30)
    ]
    for row in rows:
        row.participant = treasury
    [told] = market.pair.commit([Rows(rows)], market.tick())
    results = [one.result for one in told]
    assert results.count(Result.PARTICIPANT_UNKNOWN) == 16
    assert results.count(Result.TOO_MANY_REFUSALS) == 14


def test_where_the_role_has_no_bound_there_is_none(market: Market) -> None:
    """A tool, or a restore, sets none: what the rows say changes nothing of that."""
    assert say(market, market.net.centres[0], AT_ONCE, 16).result == OK
    assert say(market, market.net.centres[0], PER_S, 1).result == OK
    assert recorded(market, 100) == 100
    market.pair.limit_refusals(Role.CENTRE, 1, 50)
    assert recorded(market, 100) == 16
    market.pair.limit_refusals(Role.CENTRE, 0, 0)
    assert recorded(market, 100) == 100


@pytest.mark.parametrize("without_index", [False, True])
def test_all_of_it_is_known_when_the_ledger_is_opened(
    market: Market, without_index: bool
) -> None:
    one, other, *_ = market.net.centres
    for which in Budget:
        least, _ = BUDGET_BOUNDS[which]
        assert say(market, one, which, least).result == OK
        assert say(market, other, which, least + 1).result == OK
    assert say(market, other, AT_ONCE, 0).result == OK
    wanted = kept(market)
    assert len(wanted) == 2 * len(Budget)
    while market.pair.ledger.index_step():
        pass
    # What is behind the index is learned in another way than what is in it.
    assert say(market, one, AT_ONCE, 25).result == OK
    assert say(market, one, CALLS, 77).result == OK
    for _ in range(2):
        market.pair.reopen(without_index=without_index)
        market.pair.limit_refusals(Role.CENTRE, 3, 30)
        assert recorded(market, 50) == 25
        assert recorded(market, 50, centre=1) == 30
        while market.pair.ledger.index_step():
            pass
    # Each is found again, and none is there twice.
    assert say(market, one, CALLS, 0).index == 2 * CALLS - 1
    assert len(kept(market)) == len(wanted)


def test_at_random_the_core_does_as_the_model(market: Market) -> None:
    rng = random.Random(7)
    people = [*market.net.centres, market.net.treasury, 9_999]
    market.pair.limit_refusals(Role.CENTRE, 1, 16)
    for number in range(200):
        which = rng.choice((*Budget, PER_S, AT_ONCE, PER_S, AT_ONCE))
        least, most = BOUNDS[which]
        value = rng.choice((0, least, least + 1, least + rng.randrange(30), most))
        say(market, rng.choice(people), which, value)
        recorded(market, rng.randint(1, 30), rng.randrange(3))
        if number % 40 == 39:
            market.pair.reopen(without_index=rng.random() < 0.5)
            market.pair.limit_refusals(Role.CENTRE, rng.randint(1, 5), 16)


# --- journals that no ledger of ours has written -------------------------------------


def written(path: Path, *tails: tuple[bytes, int]) -> Path:
    """A journal of register rows with such numbers."""
    rows = [
        Written(
            Kind.REGISTER,
            id=at.to_bytes(16, "big"),
            sequence=at,
            timestamp=NOW + at,
            debit=number,
            tail=tail,
        )
        for at, (tail, number) in enumerate(tails, 1)
    ]
    write_journal(path, [[row] for row in rows])
    return path


WILD = [
    (budget(2**32 - 1, CALLS, 9), 1),
    (budget(1, CALLS, 9), 0),
    (budget(1, CALLS, 9), BUDGETS_MAX + 1),
    (budget(1, CALLS, 9), 2**32 - 1),
    (budget(1, CALLS, 9)[:15], 1),
]


@pytest.mark.parametrize("wild", WILD, ids=range(len(WILD)))
def test_a_wild_row_is_not_followed(tmp_path: Path, wild: tuple[bytes, int]) -> None:
    with pytest.raises(CorruptionError):
        Ledger(
            str(written(tmp_path, wild)),
            create=False,
            map_size=LITTLE_MAP,
            reserve_size=0,
        )


def test_rows_that_say_one_thing_twice_lead_nowhere(tmp_path: Path) -> None:
    """Numbers given twice, to several and to nobody: it opens, looks up and ends."""
    path = written(
        tmp_path,
        *((budget(whose, CALLS, 9), 1) for whose in (1, 2, 1, 0, 0)),
        (budget(1, 200, 2**64 - 1), 2),
        (budget(1, AT_ONCE, 2**64 - 1), 3),
        (budget(1, PER_S, 2**64 - 1), 4),
    )
    ledger = Ledger(str(path), create=False, map_size=LITTLE_MAP, reserve_size=0)
    assert len(ledger.records(Record.BUDGET)) == 5
    ledger.close()
    assert not audit(path).ok
