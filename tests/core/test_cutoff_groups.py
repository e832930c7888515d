"""Goal: windows that close by themselves part all rows, and lie in one financial year,
whatever is asked for at a cut-off, is due then, or ends the process.

Method: everything comes at one cut-off: a full group, all accounts, holds, a command; a
ledger is closed or killed between any two groups and must go on as one that was not;
rows of chance are parted into windows, which are added up; the queue's loop is alone.
"""

import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch._core import GROUP_MAX, Ledger, Queue
from switch.codes import Kind, Record, Result
from tests.core.pair import rows_request
from tests.core.scheduled import (
    DAY,
    DEADLINE_S,
    FLOAT,
    HEAD,
    HOUR,
    MINUTE,
    MONDAY_TO_FRIDAY,
    SCHEDULE,
    SECOND,
    START,
    WALLET,
    Scheduled,
    at,
    financial_year,
    first_cutoff,
    schedule,
)
from tests.damage import damage_row
from tests.records import Row

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
    if offset > 0:
        # Also if the window's nanosecond has its time: the clock has not.
        assert house.ledger.sequence == window
        house.commit(now=CUT + offset)
    row = house.ledger.row(window + 1)
    assert (row.kind, row.resolves) == (Kind.EXPIRE, hold)
    assert row.timestamp == max(CUT + 1, CUT + offset)
    assert house.ledger.expiry() == CUT + DAY


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


def test_where_the_index_lags_as_far_as_it_may(tmp_path: Path) -> None:
    """Without threads nobody brings it on between a window and the group behind it."""
    house = Scheduled(tmp_path / "ledger", index_step_rows=16, index_lag_max=16)
    house.register(schedule([600, 601]))
    lags = set()
    for number in range(40):
        lags.add(house.ledger.sequence - house.ledger.index_sequence)
        rows = [house.move(1) for _ in range(number % 3)]
        now = first_cutoff(schedule([600]), house.now)
        house.commit(*rows, now=now + MINUTE - number % 2)
    assert {14, 15, 16} <= lags
    assert len(house.windows()) > 40
    house.close()


# --- again from the journal -----------------------------------------------------------


Group = tuple[int, list[Row]]


def groups_around(house: Scheduled) -> list[Group]:
    """What is asked, and when: around five cut-offs, one of them the year's end."""
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
    """Closed or killed; with all of the index, as far as it came, or without it."""
    straight = Scheduled(tmp_path / "straight")
    straight.register(EVENING)
    groups = groups_around(straight)
    led(straight, groups)
    wanted = everything(straight)
    assert len(straight.windows()) == 5
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
    hashed = house.ledger.state_hash()
    damage_row(house.path, row[16:40], 8 * 16)
    house.reopen()
    assert house.ledger.expiry() == 0
    # Damage here is no other state: nodes of a cluster would halt for it.
    assert house.ledger.state_hash() == hashed
    assert house.ledger.info()["damaged_row"] == window
    assert house.commit(house.move(1), now=CUT + DAY)[0].result == OK
    assert house.ledger.last_window == window
    [told] = house.commit(house.window(window))
    assert told.result == OK
    assert house.ledger.expiry() == CUT + 2 * DAY


# --- any sequence ---------------------------------------------------------------------


def check_windows(house: Scheduled) -> int:
    """Windows follow one another without gap or overlap, list what was moved in them,
    and have the rows of one financial year each; how many they are.
    """
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
    end = time.monotonic() + 60
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
