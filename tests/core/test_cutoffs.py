"""Goal: windows close by themselves at the cut-offs of the schedule, once each.

Method: the next cut-off is compared with a second reading of the page, day by day. Then
a ledger is led over cut-offs, by a nanosecond and by years, and its rows are read.
"""

import hashlib
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch._core import next_cutoff
from switch.codes import Kind, Record, Result, RowFlag
from tests.core.council import ALPHA, BETA, Council, approved, register
from tests.core.scheduled import (
    DAY,
    EACH_DAY,
    HEAD,
    HOUR,
    IST,
    MONDAY_TO_FRIDAY,
    SETTLEMENT,
    START,
    Scheduled,
    at,
    day_of,
    financial_year,
    first_cutoff,
    schedule,
)
from tests.records import ZERO_ID, Row

OK = Result.OK
EVENING = schedule([17 * 60 + 30], MONDAY_TO_FRIDAY)
"""17:30 from Monday to Friday."""
CUT = at(2026, 3, 23, 17, 30)
"""The first one behind START."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Scheduled]:
    """A ledger without a schedule yet."""
    made = Scheduled(tmp_path / "ledger")
    yield made
    made.close()


# --- when it is -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "after", "wanted"),
    [
        (EVENING, START, CUT),
        (EVENING, CUT - 1, CUT),
        # Behind one is the next: not the same again.
        (EVENING, CUT, CUT + DAY),
        # Over a Saturday and a Sunday.
        (EVENING, at(2026, 3, 27, 17, 30), at(2026, 3, 30, 17, 30)),
        # And over a Monday that is a holiday.
        (
            schedule([1050], MONDAY_TO_FRIDAY, [day_of(2026, 3, 30)]),
            at(2026, 3, 27, 17, 30),
            at(2026, 3, 31, 17, 30),
        ),
        # The year ends on any day: here a Wednesday before a Sunday, and a holiday.
        (schedule([720], 0b1000000), at(2026, 3, 29, 12), at(2026, 4, 1)),
        (
            schedule([0, 720], EACH_DAY, [day_of(2026, 4, 1)]),
            at(2026, 3, 31, 12),
            at(2026, 4, 1),
        ),
        (schedule([0, 720]), at(2026, 3, 31, 12), at(2026, 4, 1)),
        (schedule([0, 720]), at(2026, 4, 1), at(2026, 4, 1, 12)),
        # Without cut-offs, or days, only the year's end.
        (schedule(), START, at(2026, 4, 1)),
        (schedule(), at(2026, 4, 1), at(2027, 4, 1)),
        (schedule([720], 0), at(2026, 4, 1) - 1, at(2026, 4, 1)),
        (
            schedule([0, 1, 1438, 1439]),
            at(2026, 3, 23, 23, 58),
            at(2026, 3, 23, 23, 59),
        ),
        (schedule([0, 1, 1438, 1439]), at(2026, 3, 23, 23, 59), at(2026, 3, 24)),
        (schedule([720]), at(2028, 2, 28, 12), at(2028, 2, 29, 12)),
        (schedule([330]), 0, at(1970, 1, 2, 5, 30)),
        (schedule([331]), 0, at(1970, 1, 1, 5, 31)),
    ],
)
def test_the_next_one(record: bytes, after: int, wanted: int) -> None:
    assert next_cutoff(record, after) == wanted == first_cutoff(record, after)


def test_it_is_what_the_calendar_says() -> None:
    """Any schedule, at any time, and a nanosecond around what is found."""
    rng = random.Random(10)
    most = at(2100, 1, 1)
    for _ in range(400):
        cutoffs = sorted(rng.sample(range(1_440), rng.randrange(9)))
        around = rng.randrange(most)
        days = range(max(0, around // DAY - 5), around // DAY + 60)
        holidays = sorted(rng.sample(days, rng.randrange(50)))
        weekdays = rng.choice((0, EACH_DAY, MONDAY_TO_FRIDAY, rng.randrange(128)))
        record = schedule(cutoffs, weekdays, holidays)
        for _ in range(4):
            found = next_cutoff(record, around)
            assert found == first_cutoff(record, around)
            assert found > around
            assert next_cutoff(record, found - 1) == found
            around = found + rng.choice((0, 0, rng.randrange(3 * DAY)))


def test_where_time_ends_there_is_none() -> None:
    assert next_cutoff(schedule([720]), (1 << 64) - 1) == 0
    assert next_cutoff(schedule(), (1 << 64) - 1) == 0
    # Years of four more digits than a holiday can say.
    assert next_cutoff(schedule([720], EACH_DAY, [65_535]), at(2149, 6, 6, 13)) == (
        at(2149, 6, 7, 12) if day_of(2149, 6, 6) == 65_535 else 0
    )


@pytest.mark.parametrize("record", [b"", b"\x0e", b"\x0a" + bytes(31), EVENING[:23]])
def test_of_what_is_no_schedule_nothing_is_said(record: bytes) -> None:
    with pytest.raises(ValueError, match="not the record of a schedule"):
        next_cutoff(record, START)


# --- the schedule of the register -----------------------------------------------------


def broken(at_: int, value: int, record: bytes = EVENING) -> bytes:
    """A record with one byte changed."""
    return record[:at_] + bytes([value]) + record[at_ + 1 :]


FULL = schedule(list(range(0, 1_440, 180)), EACH_DAY, list(range(20_000, 20_512)))
TWO_DAYS = schedule([720], EACH_DAY, [20_600, 20_601])


@pytest.mark.parametrize(
    "tail",
    [
        EVENING[:23],
        broken(1, 128),
        broken(2, 9),
        broken(3, 1),
        broken(6, 1),
        broken(7, 1),
        # A minute that is not counted, one that is missing, one that no day has.
        broken(10, 1),
        schedule([720, 720]),
        schedule([720, 719]),
        schedule([1_440]),
        # Holidays that are not there, twice, not in order, too many.
        TWO_DAYS[:-1],
        broken(4, 3, TWO_DAYS),
        schedule([], EACH_DAY, [5, 5]),
        schedule([], EACH_DAY, [6, 5]),
        schedule([], EACH_DAY, list(range(513))),
    ],
)
def test_a_record_that_is_wrong(house: Scheduled, tail: bytes) -> None:
    [told] = house.commit(house.row(Kind.REGISTER, tail=tail))
    assert (told.result, told.sequence) == (Result.INVALID_RECORD, 0)
    assert house.ledger.expiry() == 0


@pytest.mark.parametrize(
    "tail",
    [EVENING, FULL, FULL + b'{"why": "audit"}', schedule(), schedule([], 0, [0])],
)
def test_a_record_that_is_right(house: Scheduled, tail: bytes) -> None:
    told = house.register(tail)
    assert told.index == 1
    row = house.ledger.row(told.sequence)
    assert (row.debit, row.credit) == (1, 0)
    assert RowFlag.UPDATE not in row.flags
    assert house.ledger.records(Record.SCHEDULE).tolist() == [0, told.sequence]
    assert house.ledger.expiry() == first_cutoff(tail, row.timestamp)


def test_there_is_one_and_the_newest_counts(house: Scheduled) -> None:
    assert house.ledger.records(Record.SCHEDULE).tolist() == [0]
    house.register(EVENING)
    told = house.register(schedule([12 * 60]))
    assert told.index == 1
    assert RowFlag.UPDATE in house.ledger.row(told.sequence).flags
    assert house.ledger.records(Record.SCHEDULE).tolist() == [0, told.sequence]
    assert house.ledger.expiry() == at(2026, 3, 23, 12)
    house.commit(now=CUT)
    assert len(house.windows()) == 1


def test_a_schedule_begins_with_its_row(house: Scheduled) -> None:
    """What was due by the one before is due no more, nor what was before its row."""
    house.register(EVENING)
    house.register(schedule([11 * 60]), now=CUT - 1)
    assert house.ledger.expiry() == at(2026, 3, 24, 11)
    house.commit(now=CUT + HOUR)
    assert house.windows() == []
    house.commit(now=at(2026, 3, 24, 11))
    assert len(house.windows()) == 1


def test_a_schedule_that_comes_at_a_cutoff_finds_the_window_closed(
    house: Scheduled,
) -> None:
    house.register(EVENING)
    told = house.register(schedule(), now=CUT)
    assert house.windows() == [told.sequence - 1]
    assert house.ledger.expiry() == at(2026, 4, 1)


def test_without_a_schedule_nothing_closes(house: Scheduled) -> None:
    for years in range(3):
        house.commit(house.move(1), now=START + (years + 1) * 366 * DAY)
    assert house.windows() == []
    assert house.ledger.expiry() == 0


def test_people_propose_it_and_the_newest_row_is_older(tmp_path: Path) -> None:
    """A proposal from before the schedule that came since is done no more; nobody's
    word alone makes one, and wrong records are no lines.
    """
    council = Council(tmp_path / "ledger").begin()
    assert council.ask(Kind.REGISTER, tail=EVENING).result == Result.NOT_APPROVED
    stale = approved(council, register(schedule()))
    council.do(register(EVENING))
    [told] = council.lines(stale, 1, BETA)
    assert (told.result, told.sequence) == (Result.NOT_APPROVED, 0)
    [told] = council.do(register(schedule([600])))
    assert told.index == 1
    assert RowFlag.UPDATE in council.ledger.row(told.sequence).flags
    wrong = council.proposal(ALPHA, [register(schedule([1_440]))])
    assert council.commit(wrong)[0].result == Result.INVALID_RECORD
    council.ledger.commit([], council.now + 3 * DAY)
    assert council.ledger.last_window == council.ledger.sequence
    council.close()


# --- the window -----------------------------------------------------------------------


def test_the_window_is_the_switchs(house: Scheduled) -> None:
    house.register(EVENING)
    moves = [house.move(5, credit=HEAD), house.move(7, credit=HEAD + 1)]
    house.commit(*moves, house.move(2, debit=HEAD, credit=HEAD + 1))
    [told] = house.commit(house.move(11), now=CUT)
    [window] = house.windows()
    assert told.sequence == window + 1
    row = house.rows()[window - 1]
    assert row["timestamp"] == CUT
    assert house.ledger.row(told.sequence).timestamp == CUT + 1
    expected = Row(Kind.WINDOW, sequence=window, timestamp=CUT, result=OK)
    lines = house.ledger.tail(window)
    expected.reference = hashlib.blake2b(lines, digest_size=32).digest()
    expected.flags = RowFlag.TAIL
    assert row.tobytes()[:124] == expected.pack()
    assert bytes(row["id"]) == ZERO_ID
    told_lines = [tuple(line)[:1] + tuple(line)[2:] for line in house.lines(window)]
    assert told_lines == [(HEAD, 2, 5, 0, 3), (HEAD + 1, 0, 9, 0, 9)]
    assert house.ledger.last_window == window
    # It is a group of its own: what was asked for is in the next one.
    assert house.ledger.chunk_of(window)[1:3] == (window, 1)
    assert house.ledger.chunk_of(told.sequence)[1:3] == (told.sequence, 1)


@pytest.mark.parametrize(("offset", "closed"), [(-1, 0), (0, 1), (1, 1), (HOUR, 1)])
@pytest.mark.parametrize("asked", [False, True])
def test_at_the_nanosecond(
    house: Scheduled, offset: int, closed: int, asked: bool
) -> None:
    """Also in a group without requests."""
    house.register(EVENING)
    house.commit(*([house.move(1)] if asked else []), now=CUT + offset)
    assert len(house.windows()) == closed
    house.commit(house.move(1), now=CUT + 2 * HOUR)
    assert len(house.windows()) == 1
    house.commit(now=CUT + 3 * HOUR)
    assert len(house.windows()) == 1


def test_a_window_without_lines(house: Scheduled) -> None:
    house.register(EVENING)
    house.commit(now=CUT)
    [window] = house.windows()
    row = house.rows()[window - 1]
    assert (row["flags"], bytes(row["reference"])) == (0, bytes(32))
    assert house.ledger.tail(window) == b""


def test_a_clock_that_is_behind_follows_the_last_row(house: Scheduled) -> None:
    house.register(EVENING)
    house.commit(*(house.move(1) for _ in range(10)), now=CUT - 10)
    assert house.windows() == []
    # The clock has gone back: the next row has the cut-off's own time all the same.
    [told] = house.commit(house.move(1), now=CUT - DAY // 24)
    [window] = house.windows()
    assert house.ledger.row(window).timestamp == CUT
    assert (told.sequence, told.timestamp) == (window + 1, CUT + 1)


def test_a_group_that_has_begun_ends_in_its_window(house: Scheduled) -> None:
    house.register(EVENING)
    told = house.commit(*(house.move(1) for _ in range(10)), now=CUT - 3)
    assert [each.timestamp for each in told] == list(range(CUT - 3, CUT + 7))
    assert house.windows() == []
    house.commit(now=CUT)
    [window] = house.windows()
    assert window == told[-1].sequence + 1
    assert house.lines(window)["credits"].tolist() == [10]
    # Nor has it a cut-off of its own then, that comes before the window's time.
    assert house.ledger.expiry() == CUT + DAY


def test_several_that_have_passed_are_one_window(house: Scheduled) -> None:
    house.register(schedule([0, 360, 720, 1080]))
    house.commit(house.move(1))
    late = at(2026, 6, 3, 7)
    house.commit(now=late)
    [window] = house.windows()
    assert house.ledger.row(window).timestamp == late
    assert house.ledger.expiry() == at(2026, 6, 3, 12)


def test_a_clock_that_is_a_year_ahead(house: Scheduled) -> None:
    """One window; and when the clock is put back, the next is still to come."""
    house.register(EVENING)
    house.commit(house.move(1))
    ahead = START + 365 * DAY
    house.commit(house.move(1), now=ahead)
    [window] = house.windows()
    assert house.ledger.row(window).timestamp == ahead
    for hours in range(0, 8_000, 500):
        house.commit(house.move(1), now=START + hours * HOUR)
    assert house.windows() == [window]
    following = first_cutoff(EVENING, ahead)
    assert house.ledger.expiry() == following
    house.commit(now=following)
    assert len(house.windows()) == 2


def test_cutoffs_that_are_a_nanosecond_apart_for_a_clock(house: Scheduled) -> None:
    """The window of one long ago takes the last nanosecond before the next one."""
    house.register(EVENING)
    house.commit(house.move(1), now=CUT + DAY - 1)
    first, second = house.windows()
    assert second == first + 1
    times = [house.ledger.row(each).timestamp for each in (first, second)]
    assert times == [CUT + DAY - 1, CUT + DAY]
    assert house.ledger.row(second).resolves == first


def test_without_cutoffs_the_year_ends(house: Scheduled) -> None:
    house.register(schedule())
    for days in range(1, 800, 7):
        house.commit(house.move(1), now=START + days * DAY)
    windows = [house.ledger.row(each).timestamp for each in house.windows()]
    assert [financial_year(each) for each in windows] == [2026, 2027, 2028]


def test_a_command_finds_what_has_closed(house: Scheduled) -> None:
    """By command at any time; with the old R afterwards it is told what has closed."""
    house.register(EVENING)
    [told] = house.commit(house.window(0), now=CUT - HOUR)
    assert (told.result, told.repeat) == (OK, 0)
    by_hand = told.sequence
    [told] = house.commit(house.window(by_hand), now=CUT)
    [_, window] = house.windows()
    assert (told.result, told.sequence, told.repeat) == (OK, window, 1)
    assert house.ledger.row(window).operator == 0
    [told] = house.commit(house.window(by_hand))
    assert (told.sequence, told.repeat) == (window, 1)
    [told] = house.commit(house.window(window))
    assert (told.result, told.sequence) == (Result.WINDOW_EMPTY, 0)
    house.commit(house.move(1))
    [told] = house.commit(house.window(window))
    assert (told.result, told.repeat) == (OK, 0)
    # One by command puts off no cut-off.
    assert house.ledger.expiry() == CUT + DAY


def test_what_has_closed_is_settled(house: Scheduled) -> None:
    house.register(EVENING)
    house.commit(house.move(40))
    house.commit(now=CUT)
    [window] = house.windows()
    settle = house.row(
        Kind.SETTLE, amount=40, resolves=window, debit=HEAD, credit=SETTLEMENT
    )
    assert house.commit(settle)[0].result == OK
    assert house.ledger.settled(window, HEAD)


def test_the_moment_of_the_tests_is_a_monday() -> None:
    assert struct.calcsize("<BBBxHxx8H") == 24
    assert first_cutoff(EVENING, START) == CUT
    assert IST.utcoffset(None).total_seconds() == 19_800
