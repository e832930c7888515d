"""Goal: a window stands at each cut-off of the schedule and at the end of each year of
finance, alone in its group, and none of the switch's elsewhere.

Method: twins, as in `test_audit_people`: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right. Then older rules, and
days told to the schedule in plain words.
"""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from switch.audit.cutoffs import Schedule
from switch.codes import Kind
from tests.audit.journal_writer import Images, Row
from tests.audit.payout_story import (
    EVENING,
    MONDAY,
    NOON,
    WORKDAYS,
    Forgery,
    PayoutDesk,
    Tell,
    at,
    found_by_its_words,
    schedule,
)
from tests.audit.people_story import (
    CENTRE,
    HEAD,
    ONE,
    SUPPORT,
    UPDATE,
    WALLET,
    register,
)
from tests.signing import SIGNATURE_SIZE, Line

TUESDAY, SATURDAY = MONDAY + dt.timedelta(days=1), MONDAY + dt.timedelta(days=5)
NEW_YEAR = dt.date(2027, 4, 1)
"""A Thursday."""
NEVER = schedule((), 0)
"""No cut-off but those of years."""


def something(desk: PayoutDesk, day: dt.date, minute: int = 0, more: int = 0) -> Row:
    """Any row, at a minute of a day and some nanoseconds more."""
    desk.now = at(day, minute) + more
    return desk.asks(100)


def closes(desk: PayoutDesk, day: dt.date, minute: int = 0, more: int = 0) -> Row:
    desk.now = at(day, minute) + more
    return desk.window()


def begun(desk: PayoutDesk, record: bytes | None = None) -> None:
    """A schedule on Monday morning."""
    desk.now = at(MONDAY, 9 * 60)
    desk.schedules(record)


def with_lines(desk: PayoutDesk, forged: bool) -> None:
    """What the window lists is what was posted by then."""
    begun(desk)
    desk.fills(HEAD, 300)
    window = closes(desk, MONDAY, NOON)
    window.tail = window_line(200 if forged else 300)
    desk.fills(HEAD, 100)
    again = closes(desk, MONDAY, EVENING)
    again.tail = window_line(100)


def window_line(credits: int) -> bytes:
    numbers = HEAD, 0, 0, credits, 0, credits
    sizes = (4, 4, 8, 8, 8, 8)
    return b"".join(
        one.to_bytes(size, "little") for one, size in zip(numbers, sizes, strict=True)
    )


def missing(day: dt.date, minute: int, record: bytes | None = None) -> Tell:
    """A window where one must be, before the next row, and none."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        begun(desk, record)
        if not forged:
            closes(desk, day, minute)
        something(desk, day, minute, 5_000)

    return tell


def by_a_nanosecond(desk: PayoutDesk, forged: bool) -> None:
    """The row at that very time is the first that is too late."""
    begun(desk)
    something(desk, MONDAY, NOON, 0 if forged else -1)


def late(desk: PayoutDesk, forged: bool) -> None:
    """One window for all that have passed, however long ago, and it comes first."""
    begun(desk)
    if forged:
        something(desk, SATURDAY)
    closes(desk, SATURDAY, 10)
    something(desk, SATURDAY, 11)


def twice(desk: PayoutDesk, forged: bool) -> None:
    begun(desk)
    closes(desk, SATURDAY)
    if forged:
        desk.window()


def early(desk: PayoutDesk, forged: bool) -> None:
    begun(desk)
    closes(desk, MONDAY, NOON, -1 if forged else 0)


def nowhere(day: dt.date, minute: int, record: bytes | None = None) -> Tell:
    """A window of the switch where there is no cut-off, and none."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        begun(desk, record)
        for own in (NOON, EVENING) if record is None else ():
            closes(desk, MONDAY, own)
        desk.now = at(day, minute)
        if forged:
            desk.window()
        something(desk, day, minute, 5_000)

    return tell


def without_schedule(desk: PayoutDesk, forged: bool) -> None:
    """By command only where nothing is said."""
    if forged:
        desk.window()
    else:
        by_command(desk)


BEFORE_EMPTY = 19
"""The last rules by which a window is closed by command that has nothing in it."""


def by_command(desk: PayoutDesk) -> Row:
    return desk.window(participant=ONE, operator_=12)


def commanded(desk: PayoutDesk, forged: bool) -> None:
    """A command does not stand for the switch's own."""
    begun(desk)
    desk.now = at(MONDAY, NOON)
    if not forged:
        desk.window()
    by_command(desk)


def nothing_in_it(desk: PayoutDesk, forged: bool) -> None:
    """What was settled since is something; the next command would close nothing."""
    begun(desk)
    desk.settles(100)
    by_command(desk)
    if forged:
        by_command(desk)


def unsigned(desk: PayoutDesk, forged: bool) -> None:
    """Nobody's certificate alone closes one."""
    row = asked_for(desk)
    if forged:
        row.tail = (row.tail or b"")[:-SIGNATURE_SIZE]


def by_support(desk: PayoutDesk, forged: bool) -> None:
    row = asked_for(desk)
    if forged:
        row.participant, row.operator_ = SUPPORT
        signature = desk.sign(replace(row, tail=None)).tail or b""
        row.tail = (row.tail or b"")[:-SIGNATURE_SIZE] + signature


def signed_for_another(desk: PayoutDesk, forged: bool) -> None:
    """What was signed for one window closes no other."""
    row = asked_for(desk)
    if forged:
        signature = desk.sign(replace(row, tail=None, resolves=3)).tail or b""
        row.tail = (row.tail or b"")[:-SIGNATURE_SIZE] + signature


def of_nobody_with_one(desk: PayoutDesk, forged: bool) -> None:
    """The switch's own have none."""
    begun(desk)
    row = closes(desk, MONDAY, NOON)
    if forged:
        row.tail = (row.tail or b"") + bytes(SIGNATURE_SIZE)


def asked_for(desk: PayoutDesk) -> Row:
    """One with a line."""
    begun(desk)
    desk.fills(HEAD, 100)
    images = Images()
    for row in desk.rows:
        images.apply(row)
    return desk.window(participant=ONE, operator_=12, tail=images.lines())


def after_a_command(desk: PayoutDesk, forged: bool) -> None:
    """But what is closed by command before it does not stand for it either."""
    begun(desk)
    desk.now = at(MONDAY, NOON) - 10_000
    by_command(desk)
    if not forged:
        closes(desk, MONDAY, NOON)
    something(desk, MONDAY, NOON, 1_000)


def reaches_it(desk: PayoutDesk, forged: bool) -> None:
    """A group that reaches it by nanoseconds is before it, one that begins is not."""
    begun(desk)
    something(desk, MONDAY, NOON, -1)
    row = something(desk, MONDAY, NOON, 0)
    if not forged:
        desk.joined.add(row.sequence)
    closes(desk, MONDAY, NOON, 1)


def named(desk: PayoutDesk, forged: bool) -> None:
    begun(desk)
    closes(desk, MONDAY, NOON).operator_ = 12 if forged else 0


def with_others(desk: PayoutDesk, forged: bool) -> None:
    """Nothing else stands in its group."""
    begun(desk)
    closes(desk, MONDAY, NOON)
    row = desk.asks(100)
    if forged:
        desk.joined.add(row.sequence)


def behind_others(desk: PayoutDesk, forged: bool) -> None:
    begun(desk)
    something(desk, MONDAY, NOON, -1)
    row = closes(desk, MONDAY, NOON)
    if forged:
        desk.joined.add(row.sequence)


def other_follows(desk: PayoutDesk, forged: bool) -> None:
    begun(desk)
    first = closes(desk, MONDAY, NOON)
    second = closes(desk, MONDAY, EVENING)
    second.resolves = 3 if forged else first.sequence


def year_ends(desk: PayoutDesk, forged: bool) -> None:
    """A window ends with its year, whatever the schedule says."""
    begun(desk, NEVER)
    something(desk, NEW_YEAR, -1)
    if not forged:
        closes(desk, NEW_YEAR, 0)
    something(desk, NEW_YEAR, 1)


def year_ends_early(desk: PayoutDesk, forged: bool) -> None:
    """At midnight in India."""
    begun(desk, NEVER)
    closes(desk, NEW_YEAR, -330 if forged else 0)


def each_year_ends(desk: PayoutDesk, forged: bool) -> None:
    begun(desk, NEVER)
    for year in (2027, 2028, 2029):
        if not (forged and year == 2028):
            closes(desk, dt.date(year, 4, 1), 0)
        something(desk, dt.date(year, 4, 1), 5)


def changes(desk: PayoutDesk, forged: bool) -> None:
    """What has passed by the newest schedule before its row is none of its own."""
    begun(desk)
    closes(desk, MONDAY, NOON)
    desk.now = at(MONDAY, 13 * 60)
    desk.schedules(schedule((10 * 60, 15 * 60)), flags=UPDATE)
    minutes = (15 * 60,) if not forged else (14 * 60, 15 * 60)
    for minute in minutes:
        closes(desk, MONDAY, minute)
    something(desk, MONDAY, EVENING)


def changed_too_late(desk: PayoutDesk, forged: bool) -> None:
    """The old one stays until the row of the new one."""
    begun(desk)
    if not forged:
        closes(desk, MONDAY, NOON)
    desk.now = at(MONDAY, NOON) + 10_000
    desk.schedules(NEVER, flags=UPDATE)


SHOULD = "was before its group, and no window is"
BEFORE = "the switch has closed it before the next cut-off"
ALONE = "it is not a group of its own"
WINDOWS: dict[str, Forgery] = {
    "its lines": ("windows", "credits 200, not 300", with_lines),
    "none": ("windows", SHOULD, missing(MONDAY, NOON)),
    "none in the evening": ("windows", SHOULD, missing(TUESDAY, EVENING)),
    "none by a nanosecond": ("windows", SHOULD, by_a_nanosecond),
    "none for days": ("windows", SHOULD, late),
    "two for one": ("windows", BEFORE, twice),
    "a nanosecond early": ("windows", BEFORE, early),
    "at another minute": ("windows", BEFORE, nowhere(TUESDAY, NOON - 60)),
    "on a holiday": (
        *("windows", BEFORE),
        nowhere(MONDAY, NOON, schedule((NOON,), holidays=[MONDAY])),
    ),
    "on a Monday": (
        *("windows", BEFORE),
        nowhere(MONDAY, NOON, schedule((NOON,), WORKDAYS - 1)),
    ),
    "on no Sunday": (
        *("windows", SHOULD),
        missing(MONDAY + dt.timedelta(days=6), NOON, schedule((NOON,), 0b1000000)),
    ),
    "behind a holiday": (
        *("windows", SHOULD),
        missing(TUESDAY, NOON, schedule((NOON,), holidays=[MONDAY])),
    ),
    "at midnight": ("windows", SHOULD, missing(TUESDAY, 0, schedule((0, NOON), 2))),
    "without a schedule": ("windows", "there is no schedule", without_schedule),
    "by command": ("windows", SHOULD, commanded),
    "by command before": ("windows", SHOULD, after_a_command),
    "behind what reached it": ("windows", SHOULD, reaches_it),
    "unsigned": ("people", "nobody has signed it", unsigned),
    "by support": ("people", "who signed it may not do that", by_support),
    "signed for another": (
        *("people", "its signature is not its person's"),
        signed_for_another,
    ),
    "the switch's, signed": ("windows", "cut off", of_nobody_with_one),
    "asked for": ("windows", "it was asked for, and nothing is in it", nothing_in_it),
    "with a person's name": ("windows", "it names a person", named),
    "with others": ("windows", ALONE, with_others),
    "behind others": ("windows", ALONE, behind_others),
    "behind another window": ("windows", "it follows window 3", other_follows),
    "none at the year's end": ("windows", "2027-04-01 00:00 IST", year_ends),
    "early at the year's end": ("windows", BEFORE, year_ends_early),
    "none at one year's end": ("windows", "2028-04-01 00:00 IST", each_year_ends),
    "of the old schedule": ("windows", BEFORE, changes),
    "not of the new one": ("windows", SHOULD, changed_too_late),
}


# --- the schedule ---------------------------------------------------------------------


def says(record: bytes, **fields: object) -> Tell:
    """A schedule, and in its place another record or row."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        if forged:
            desk.schedules(record, **fields)
        else:
            desk.schedules()

    return tell


def spoilt(place: int, *values: int) -> bytes:
    record = bytearray(schedule())
    record[place : place + len(values)] = bytes(values)
    return bytes(record)


def again(desk: PayoutDesk, forged: bool) -> None:
    desk.schedules()
    desk.schedules(flags=0 if forged else UPDATE)


def behind_newer(desk: PayoutDesk, forged: bool) -> None:
    asked = desk.propose([register(NEVER)])
    desk.approve(asked)
    desk.schedules()
    if not forged:
        asked = desk.propose([register(NEVER)])
        desk.approve(asked)
    desk.do(asked, debit=1, flags=UPDATE)


def by_one(desk: PayoutDesk, forged: bool) -> None:
    """Nobody alone says when money is settled."""
    if forged:
        desk.record(schedule(), 1, operator_=12)
    else:
        desk.schedules()


LINE = "the record of its line 0"
CUT = f"{LINE} has cut-offs that are no minutes"
MORE = f"{LINE} has more cut-offs than it says"
DAYS = f"{LINE} has fewer holidays than it says"
SCHEDULES: dict[str, Forgery] = {
    "number 2": ("windows", "there is one schedule", says(schedule(), debit=2)),
    "an update": ("windows", "there is one schedule", says(schedule(), flags=UPDATE)),
    "no update": ("windows", "there is one schedule", again),
    "behind a newer one": ("lines", "a newer row speaks of the same", behind_newer),
    "by one": ("lines", "nobody has proposed it", by_one),
    "minute 1440": ("lines", CUT, says(schedule((1440,)))),
    "falling": ("lines", CUT, says(schedule((NOON, NOON - 1)))),
    "twice": ("lines", CUT, says(schedule((NOON, NOON)))),
    "more than it says": ("lines", MORE, says(spoilt(2, 1))),
    "nine": ("lines", MORE, says(spoilt(2, 9))),
    "day 8": ("lines", f"{LINE} has days that no week", says(schedule(weekdays=128))),
    "holidays cut off": ("lines", DAYS, says(spoilt(4, 1))),
    "too many holidays": (
        *("lines", DAYS),
        says(schedule(holidays=[MONDAY + dt.timedelta(day) for day in range(513)])),
    ),
    "falling holidays": (
        *("lines", "holidays that are not in their order"),
        says(schedule(holidays=[TUESDAY, MONDAY])),
    ),
    "bytes of nothing": ("lines", f"{LINE} has bytes that say", says(spoilt(3, 1))),
    "more of them": ("lines", f"{LINE} has bytes that say", says(spoilt(7, 1))),
    "too short": ("lines", f"{LINE} is too short", says(schedule()[:23])),
    "whose row is so": ("windows", "its record is too short", says(schedule()[:23])),
}
FORGERIES = {
    f"{what}: {name}": forgery
    for what, forgeries in (("window", WINDOWS), ("schedule", SCHEDULES))
    for name, forgery in forgeries.items()
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    rules = BEFORE_EMPTY if "by command" in name else None
    found_by_its_words(tmp_path, check, text, tell, rules)


def test_a_week_of_windows(tmp_path: Path) -> None:
    """By the switch and by command, on its days, over a year's end, by two schedules;
    what is due comes behind the window.
    """
    desk = PayoutDesk(rules=BEFORE_EMPTY)
    begun(desk)
    for day in (MONDAY, TUESDAY):
        for minute in (NOON, EVENING):
            desk.now = at(day, minute)
            desk.window()
            desk.asks(100, participant=CENTRE, credit=WALLET)
        by_command(desk)
    desk.now = at(SATURDAY, NOON)
    desk.window()
    asked = desk.propose([register(NEVER), Line(Kind.OPEN, tail=bank_like())])
    desk.approve(asked)
    desk.do(asked, debit=1, flags=UPDATE)
    closes(desk, NEW_YEAR, 7 * 24 * 60)
    something(desk, NEW_YEAR, 7 * 24 * 60 + 1)
    assert desk.found(tmp_path) == {}


def bank_like() -> bytes:
    """The record of an account that nobody opens."""
    return b"\1\0\0\0\7\0\4".ljust(32, b"\0")


def test_a_finding_is_told_once(tmp_path: Path) -> None:
    """Group after group without the window is one thing that is wrong."""
    desk = PayoutDesk()
    begun(desk)
    for minute in range(5):
        something(desk, MONDAY, NOON, minute * 1_000)
    found = desk.found(tmp_path)
    assert list(found) == ["windows"]
    assert len(found["windows"]) == 1


def early_schedule(desk: PayoutDesk, forged: bool) -> None:
    if forged:
        desk.schedules()


def test_older_rules_know_no_schedule(tmp_path: Path) -> None:
    found_by_its_words(
        *(tmp_path, "windows", "is not known to rules 9", early_schedule), rules=9
    )


def test_older_rules_let_the_switch_close_windows(tmp_path: Path) -> None:
    desk = PayoutDesk(rules=9)
    desk.window()
    desk.rules(10)
    assert desk.found(tmp_path / "right") == {}
    desk.window()
    assert "there is no schedule" in desk.found(tmp_path / "wrong")["windows"][0]


# --- days -----------------------------------------------------------------------------

NEXT = [
    (MONDAY, 0, MONDAY, NOON),
    (MONDAY, NOON, MONDAY, EVENING),
    (MONDAY, EVENING, TUESDAY, NOON),
    (SATURDAY - dt.timedelta(days=1), EVENING, MONDAY + dt.timedelta(days=7), NOON),
    (dt.date(2027, 3, 31), EVENING, NEW_YEAR, 0),
    (NEW_YEAR, 0, NEW_YEAR, NOON),
    (dt.date(2028, 3, 31), EVENING, dt.date(2028, 4, 1), 0),
]


@pytest.mark.parametrize(("day", "minute", "next_", "then"), NEXT)
def test_the_next_cut_off(day: dt.date, minute: int, next_: dt.date, then: int) -> None:
    told = Schedule.of(schedule())
    assert told.after(at(day, minute)) == at(next_, then)


def test_the_next_cut_off_behind_holidays() -> None:
    days = [MONDAY + dt.timedelta(day) for day in range(512)]
    told = Schedule.of(schedule(holidays=days))
    assert told.after(at(MONDAY)) == at(NEW_YEAR)
    behind = days[-1]
    while behind in days or behind.weekday() > 4:
        behind += dt.timedelta(days=1)
    assert told.after(at(dt.date(2028, 1, 1))) == at(behind, NOON)


def test_no_cut_off_behind_all_times() -> None:
    assert Schedule.of(NEVER).after(2**64 - 1) == 2**64
