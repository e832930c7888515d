"""Goal: windows close by themselves at the cut-offs of the schedule, once each, and lie in
one financial year.

Method: the next cut-off is compared with a second reading of the page, day by day. Then a
ledger is led over cut-offs: by a nanosecond, by years, with everything in one group, and
ended and opened again between any two groups; its rows are read.
"""

import hashlib
import random
import struct
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch._core import GROUP_MAX, Ledger, Queue, next_cutoff
from switch.codes import Kind, Record, Result, RowFlag
from tests.core.pair import rows_request
from tests.core.scheduled import (
    DAY,
    DEADLINE_S,
    EACH_DAY,
    FLOAT,
    HEAD,
    HOUR,
    IST,
    MINUTE,
    MONDAY_TO_FRIDAY,
    SCHEDULE,
    SECOND,
    SETTLEMENT,
    START,
    WALLET,
    Scheduled,
    at,
    day_of,
    financial_year,
    first_cutoff,
    schedule,
)
from tests.damage import damage_row
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
        # The year ends on any day: here a Thursday before a Sunday, and one of holidays.
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
    """What was due by the one before is due no more, nor what was before it by its own."""
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


def test_cutoffs_that_are_a_nanosecond_apart_for_a_late_clock(house: Scheduled) -> None:
    """The window of a cut-off long ago takes the last nanosecond before the next one."""
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


# --- what is due, and large groups ----------------------------------------------------


def hold_until(house: Scheduled, due: int) -> int:
    """A hold that is due then; its sequence."""
    house.commit(house.move(1_000, credit=WALLET))
    [told] = house.commit(house.hold(300), now=due - DEADLINE_S * SECOND)
    assert told.result == OK, told
    return told.sequence


@pytest.mark.parametrize("offset", [-1, 0, 1, 2])
def test_holds_that_are_due_at_the_same_moment(house: Scheduled, offset: int) -> None:
    """The window comes first; what ends with it is of the next one."""
    house.register(EVENING)
    hold = hold_until(house, CUT + offset)
    assert house.ledger.expiry() == min(CUT, CUT + offset)
    house.commit(now=CUT)
    [window] = house.windows()
    assert house.ledger.row(window).timestamp == CUT
    assert window == hold + 1
    if offset > 1:
        assert house.ledger.sequence == window
        house.commit(now=CUT + offset)
    row = house.ledger.row(window + 1)
    assert (row.kind, row.resolves) == (Kind.EXPIRE, hold)
    assert row.timestamp == max(CUT + 1, CUT + offset)
    assert house.ledger.expiry() == CUT + DAY


@pytest.mark.slow
def test_a_full_group_at_a_cutoff(tmp_path: Path) -> None:
    """8,190 requests, holds that are due, and a window of thousands of lines."""
    house = Scheduled(tmp_path / "ledger", heads=6_000, index_step_rows=1_024)
    house.register(EVENING)
    house.commit(*(house.move(3, credit=head) for head in house.heads))
    hold = hold_until(house, CUT)
    moves = [
        house.move(1, credit=house.heads[number % 6_000]) for number in range(GROUP_MAX)
    ]
    told = house.commit(*moves, now=CUT)
    assert [each.result for each in told] == [OK] * GROUP_MAX
    [window] = house.windows()
    assert told[0].sequence == window + 1
    assert told[0].timestamp == CUT + 1
    assert len(house.lines(window)) == 6_000
    assert house.lines(window)["payable"].tolist() == [3] * 6_000
    # The requests leave no row for what is due, as ever.
    assert house.ledger.holds().tolist() == [hold]
    house.commit()
    assert house.ledger.holds().tolist() == []
    before = house.rows().tobytes()
    house.reopen(without_index=True)
    assert house.rows().tobytes() == before
    assert house.ledger.expiry() == CUT + DAY
    house.close()


@pytest.mark.slow
def test_beside_a_window_by_command_and_all_accounts(tmp_path: Path) -> None:
    """Two windows that list 65,000 accounts each have no room in one tail."""
    house = Scheduled(tmp_path / "ledger", heads=65_000, index_step_rows=131_072)
    house.register(EVENING)
    for first in range(0, 65_000, 8_000):
        some = house.heads[first : first + 8_000]
        house.commit(*(house.move(2, credit=head) for head in some))
    house.commit(*(house.move(1, debit=head, credit=FLOAT) for head in house.heads[:9]))
    [told] = house.commit(house.window(0), now=CUT)
    [window] = house.windows()
    assert (told.sequence, told.repeat) == (window, 1)
    assert len(house.lines(window)) == 65_000
    # And one by command a nanosecond before the next.
    for first in range(0, 65_000, 8_000):
        some = house.heads[first : first + 8_000]
        house.commit(*(house.move(2, credit=head) for head in some))
    [told] = house.commit(house.window(window), now=CUT + DAY - 1)
    assert (told.result, told.repeat) == (OK, 0)
    house.commit(house.window(told.sequence), now=CUT + DAY)
    assert [len(house.lines(each)) for each in house.windows()] == [65_000, 65_000, 0]
    house.close()


# --- again from the journal -----------------------------------------------------------


Group = tuple[int, list[Row]]


def groups_around(house: Scheduled) -> list[Group]:
    """What is asked, and when: around three cut-offs, one of them the year's end."""
    march = at(2026, 3, 31, 17, 30)
    return [
        (march - HOUR, [house.move(5, credit=WALLET), house.move(9)]),
        (march - HOUR + 1, [house.hold(3)]),
        (march - 2, [house.move(1), house.move(2), house.move(3)]),
        (march, [house.move(4)]),
        (march + 1, [house.window(0)]),
        (march + MINUTE, []),
        (at(2026, 4, 1) - 1, [house.move(6)]),
        (at(2026, 4, 1), []),
        (at(2026, 4, 1) + 1, [house.row(Kind.REGISTER, tail=schedule([600]))]),
        (at(2026, 4, 1, 10), [house.move(7), house.move(8)]),
        (at(2026, 4, 9, 10), [house.move(7)]),
        (at(2026, 4, 9, 10) + 1, []),
    ]


def led(house: Scheduled, groups: list[Group]) -> None:
    """Ask them."""
    for now, rows in groups:
        house.commit(*rows, now=now)


def everything(house: Scheduled) -> tuple[Any, ...]:
    """What the rows have made."""
    images, sequence = house.ledger.accounts()
    tails = [house.ledger.tail(each) for each in house.windows()]
    return (
        house.rows().tobytes(), images.tobytes(), sequence, tails,
        house.ledger.last_window, house.ledger.expiry(),
    )  # fmt: skip


@pytest.mark.parametrize("how", ["indexed", "behind", "rebuilt"])
def test_ended_between_any_two_groups(tmp_path: Path, how: str) -> None:
    """Closed or killed, with the index as far as it came, with all of it, without it."""
    straight = Scheduled(tmp_path / "straight")
    straight.register(EVENING)
    groups = groups_around(straight)
    led(straight, groups)
    wanted = everything(straight)
    assert len(straight.windows()) == 4
    straight.close()
    for cut in range(len(groups) + 1):
        house = Scheduled(tmp_path / f"ended-{cut}")
        house.register(EVENING)
        again = groups_around(house)
        led(house, again[:cut])
        if how == "indexed":
            house.catch_up()
        expiry = house.ledger.expiry()
        if how == "rebuilt":
            house.reopen(without_index=True)
        else:
            house.killed(tmp_path / f"killed-{cut}")
        assert house.ledger.expiry() == expiry
        led(house, again[cut:])
        assert everything(house) == wanted
        house.close()


def test_ended_behind_the_window_and_before_its_group(house: Scheduled) -> None:
    """What was asked for is sent again, and finds the window closed."""
    house.register(EVENING)
    move = house.move(4)
    house.commit(now=CUT)
    house.reopen()
    [told] = house.commit(move, now=CUT)
    [window] = house.windows()
    assert (told.sequence, told.timestamp) == (window + 1, CUT + 1)


@pytest.mark.parametrize("later", [0, 40])
def test_the_last_window_is_older_than_the_index(house: Scheduled, later: int) -> None:
    """Its time is read from its row; that of a schedule which is newer, from that."""
    house.register(EVENING)
    house.commit(now=CUT + HOUR)
    if later:
        house.register(schedule([720]))
    for _ in range(40):
        house.commit(house.move(1))
    house.catch_up()
    assert house.ledger.index_sequence > house.windows()[-1]
    before = house.ledger.expiry()
    house.reopen()
    assert house.ledger.expiry() == before
    assert before == (at(2026, 3, 24, 12) if later else CUT + DAY)


def test_a_last_window_that_cannot_be_read(house: Scheduled) -> None:
    """Late is better than wrong: nothing closes by itself until the next by command."""
    house.register(EVENING)
    house.commit(house.move(3), now=CUT)
    [window] = house.windows()
    for _ in range(40):
        house.commit(house.move(1))
    house.catch_up()
    assert house.ledger.index_sequence > window
    row = house.rows()[window - 1].tobytes()
    damage_row(house.path, row[16:40], 8 * 16)
    house.reopen()
    assert house.ledger.expiry() == 0
    assert house.ledger.info()["damaged_row"] == window
    assert house.commit(house.move(1), now=CUT + DAY)[0].result == OK
    assert house.ledger.last_window == window
    [told] = house.commit(house.window(window))
    assert told.result == OK
    assert house.ledger.expiry() == CUT + 2 * DAY


# --- any sequence ---------------------------------------------------------------------


def check_windows(house: Scheduled) -> int:
    """Windows follow one another without gap or overlap, list what was moved in them, and
    have the rows of one financial year each; how many they are."""
    rows = house.rows()
    windows = [0, *house.windows()]
    carried = dict.fromkeys(house.heads, 0)
    registered = rows["sequence"][rows["kind"] == Kind.REGISTER].tolist()
    scheduled = min(
        each for each in registered if house.ledger.tail(each)[0] == SCHEDULE
    )
    for before, window in pairwise(windows):
        assert house.ledger.row(window).resolves == before
        some = rows[before : window - 1]
        # A row has the year of its group.
        firsts = {house.ledger.chunk_of(int(each))[1] for each in some["sequence"]}
        years = {financial_year(int(rows["timestamp"][each - 1])) for each in firsts}
        assert len(years) <= 1 or before < scheduled
        lines = {int(line["account"]): line for line in house.lines(window)}
        moves = some[(some["kind"] == Kind.TRANSFER) & (some["result"] == OK)]
        for head in house.heads:
            debits = int(moves["amount"][moves["debit"] == head].sum())
            credits = int(moves["amount"][moves["credit"] == head].sum())
            net = credits - debits - carried[head]
            line = lines.pop(head, None)
            if debits or credits or carried[head]:
                assert line is not None
                found = [line[name] for name in ("debits", "credits", "carried")]
                assert found == [debits, credits, carried[head]]
                assert line["payable"] == max(0, net)
            else:
                assert line is None
            carried[head] = max(0, -net)
        assert lines == {}
    return len(windows) - 1


def check_cutoffs(house: Scheduled) -> None:
    """Each group before its cut-off, unless it is that window; as the page has it."""
    record, since, sequence = b"", 0, 1
    while sequence <= house.ledger.sequence:
        _, first, count, _ = house.ledger.chunk_of(sequence)
        rows = house.ledger.rows(first, count)
        switchs = rows["kind"][0] == Kind.WINDOW and rows["operator_"][0] == 0
        if record:
            due = first_cutoff(record, since)
            assert switchs == (int(rows["timestamp"][0]) >= due), first
        assert not switchs or count == 1
        for row in rows:
            if row["kind"] == Kind.WINDOW and row["result"] == OK:
                since = int(row["timestamp"])
            elif row["kind"] == Kind.REGISTER:
                tail = house.ledger.tail(int(row["sequence"]))
                if tail[0] == SCHEDULE:
                    record, since = tail, int(row["timestamp"])
        sequence = first + count


@pytest.mark.parametrize("seed", range(6))
def test_any_rows_are_parted_into_windows(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    house = Scheduled(tmp_path / "ledger", index_step_rows=rng.choice((16, 64, 1_024)))
    house.commit(house.move(1_000), house.move(1_000, credit=HEAD + 2))
    house.register(EVENING)
    for _ in range(150):
        what = rng.random()
        rows = []
        for _ in range(rng.choice((0, 1, 2, 9))):
            debit, credit = rng.choice(
                ((FLOAT, HEAD), (HEAD, FLOAT), (FLOAT, HEAD + 1), (HEAD + 2, HEAD))
            )
            rows.append(house.move(rng.randrange(1, 50), debit, credit))
        if what < 0.06:
            cutoffs = sorted(rng.sample(range(1_440), rng.randrange(9)))
            record = schedule(cutoffs, rng.randrange(128), sorted({20_600, 20_650}))
            rows.append(house.row(Kind.REGISTER, tail=record))
        elif what < 0.15:
            rows.append(house.window(house.ledger.last_window))
        due = house.ledger.expiry() or house.now + DAY
        now = rng.choice(
            (house.now + 1, house.now + rng.randrange(20 * HOUR), due - 1, due, due + 1)
        )
        if rng.random() < 0.03:
            now = house.now + rng.randrange(300 * DAY)
        house.commit(*rows, now=now)
        if rng.random() < 0.1:
            house.reopen(without_index=rng.random() < 0.5)
        elif rng.random() < 0.3:
            house.catch_up()
    assert check_windows(house) > 10
    check_cutoffs(house)
    house.close()


# --- the queue ------------------------------------------------------------------------


@pytest.fixture
def threads(tmp_path: Path) -> Iterator[Scheduled]:
    """A ledger with threads of its own."""
    made = Scheduled(tmp_path / "ledger", threads=True)
    yield made
    made.close()


def until(ledger: Ledger, window: int) -> None:
    """A later window is there."""
    end = time.monotonic() + 20
    while ledger.last_window <= window:
        assert time.monotonic() < end, "nothing has closed"
        time.sleep(0.001)


def test_the_queue_wakes_by_itself_and_does_not_spin(threads: Scheduled) -> None:
    threads.register(EVENING)
    clock = np.array([CUT - SECOND // 5, 5 * SECOND, 0], np.uint64)
    queue = Queue(threads.ledger, clock=clock)
    queue.start()
    time.sleep(0.05)
    before = threads.ledger.sequence
    clock += np.array([SECOND // 5, SECOND // 5, 0], np.uint64)
    until(threads.ledger, 0)
    time.sleep(0.3)
    assert threads.ledger.sequence == before + 1
    assert queue.meter().rows == 1
    spent = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - spent < 0.2
    clock += np.array([30 * SECOND, 30 * SECOND, 0], np.uint64)
    told: Any = queue.commit(rows_request([threads.move(1)]))
    assert told[0]["sequence"] == before + 2
    queue.stop(5)


def test_a_clock_that_is_not_believed_closes_nothing(threads: Scheduled) -> None:
    threads.register(EVENING)
    clock = np.array([START + MINUTE, 5 * SECOND, 0], np.uint64)
    queue = Queue(threads.ledger, clock=clock)
    queue.start()
    before = threads.ledger.sequence
    clock[0] = CUT + 365 * DAY
    spent = time.process_time()
    time.sleep(1.5)
    assert time.process_time() - spent < 0.3
    assert threads.ledger.sequence == before
    # Somebody says that it is right: their row comes behind the window.
    state = queue.clock_state()
    accept = threads.row(Kind.REGISTER, tail=bytes([Record.CLOCK]) + b"{}")
    told = queue.accept_clock(rows_request([accept]), state.ahead_ns)
    [window] = threads.windows()
    assert told[0]["sequence"] == window + 1 == before + 2
    queue.stop(5)


def test_the_moment_of_the_tests_is_a_monday() -> None:
    assert struct.calcsize("<BBBxHxx8H") == 24
    assert first_cutoff(EVENING, START) == CUT
    assert IST.utcoffset(None).total_seconds() == 19_800
