"""The commands of `payswitch` about settlement windows: the list, and the schedule.

Over the wire only, as `commands`, whose ways they share.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from switch.calendar import format_financial_year, format_ist
from switch.cli.arguments import as_argument, to_count
from switch.cli.commands import limited, open_office
from switch.cli.wishes import add_signed, proposing
from switch.console.output import Exit, Screen, plain
from switch.errors import ConfigError, UsageError
from switch.schedule_rows import (
    CUTOFFS_MAX,
    HOLIDAYS_MAX,
    WEEKDAYS,
    day_of,
    holiday_text,
    minute_text,
    parse_minute,
    parse_weekdays,
    weekdays_text,
)
from switch.v1 import people_pb2 as pb
from switch.v1 import schedules_pb2

SHOWN = 20
"""Windows or cut-offs that a person is shown when no number is asked for."""

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


# --- windows -------------------------------------------------------------------------


def windows(args: Namespace, screen: Screen) -> Exit:
    """The windows that are closed, newest first."""
    with open_office(args) as client:
        found = limited(client.windows(), args.limit, screen)
    if screen.as_json:
        for one in found:
            screen.value(plain(one))
        return Exit.DONE
    amount = screen.language.amount
    money = ("payable", "settled")
    screen.table(
        (
            *("window", "time", "closed by", "accounting days", "financial year"),
            *("heads", *money),
        ),
        [
            (
                str(one.sequence),
                format_ist(one.time_ns),
                closed_by(one, screen),
                days_text(one),
                years_text(one),
                screen.language.count(one.lines_count),
                amount(one.payable),
                amount(one.settled),
            )
            for one in found
        ],
        right=("heads", *money),
        drop=("financial year", "heads", "closed by", "accounting days"),
    )
    return Exit.DONE


def closed_by(one: schedules_pb2.Window, screen: Screen) -> str:
    """Who has closed a window."""
    if one.by_schedule:
        return screen.language.word("the schedule")
    by = one.closed_by
    return f"{by.participant}/{by.operator}" if by.operator else by.participant


def days_text(one: schedules_pb2.Window) -> str:
    """The accounting dates of a window."""
    if one.first_day == one.last_day:
        return one.first_day
    return f"{one.first_day} – {one.last_day}"


def years_text(one: schedules_pb2.Window) -> str:
    """Its financial year, or years."""
    if not one.last_year:
        return ""
    years = sorted({one.first_year, one.last_year})
    return " – ".join(map(format_financial_year, years))


# --- the schedule --------------------------------------------------------------------


def schedule(args: Namespace, screen: Screen) -> Exit:
    """When windows close by themselves, and the next times that they do."""
    with open_office(args) as client:
        found = client.schedule(args.limit)
    if screen.as_json:
        screen.value(plain(found))
        return Exit.DONE
    word = screen.language.word
    if not found.HasField("schedule"):
        screen.line(word("no schedule"))
        screen.command("propose", "schedule", "--help")
        return Exit.DONE
    said = found.schedule
    days = sum(1 << (day - 1) for day in said.weekdays)
    none = word("none")
    screen.facts(
        [
            ("cut-offs", " ".join(map(minute_text, said.minutes)) or none),
            ("days", weekdays_text(days) or none),
            ("holidays", " ".join(said.holidays) or none),
            ("entry", f"{found.sequence} ({format_ist(found.time_ns)})"),
        ]
    )
    screen.table(
        ("next cut-off", "detail"),
        [
            (format_ist(one.time_ns), word("year's end") if one.year_end else "")
            for one in found.cutoffs
        ],
    )
    return Exit.DONE


def _schedule(args: Namespace) -> pb.Wish:
    wanted = schedules_pb2.Schedule(
        weekdays=[at + 1 for at in range(len(WEEKDAYS)) if args.days >> at & 1],
        minutes=sorted(set(args.cut_off)),
        holidays=_holidays(args.holidays),
    )
    if len(wanted.minutes) > CUTOFFS_MAX:
        raise UsageError(f"a day has {CUTOFFS_MAX} cut-offs at most")
    return pb.Wish(schedule=pb.ScheduleWish(schedule=wanted))


def _holidays(text: str) -> list[str]:
    """The dates that are given, or those of the file of that name, a line each; what
    stands behind a date there is for people. Raises UsageError, ConfigError.
    """
    if not text:
        return []
    listed = text.split(",")
    if not _is_date(listed[0]):
        listed = _read_dates(Path(text))
    days = set()
    for number, one in enumerate(listed, 1):
        try:
            days.add(day_of(one.strip()))
        except ValueError as error:
            raise UsageError(f"holiday {number}: {error}") from None
    if len(days) > HOLIDAYS_MAX:
        raise UsageError(f"a schedule has {HOLIDAYS_MAX} holidays at most")
    return [holiday_text(day) for day in sorted(days)]


def _is_date(text: str) -> bool:
    try:
        day_of(text.strip())
    except ValueError:
        return False
    return True


def _read_dates(file: Path) -> list[str]:
    """The first word of each line that is neither empty nor a comment."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: holidays are text in UTF-8") from error
    words = (line.replace(",", " ").split() for line in lines)
    return [one[0] for one in words if one and not one[0].startswith("#")]


# --- arguments -----------------------------------------------------------------------


def add_commands(add: Add) -> Iterator[ArgumentParser]:
    """Add them; none has an id."""
    listed = add("windows", windows, "closed windows: their days, and who closed them")
    shown = add("schedule", schedule, "when windows close by themselves")
    for command, what in ((listed, "windows"), (shown, "cut-offs")):
        command.add_argument(
            "--limit",
            type=to_count,
            default=SHOWN,
            metavar="N",
            help=f"{what} to show at most (default: %(default)s)",
        )
    yield from ()


def add_verb(add: Add) -> None:
    """`payswitch propose schedule`."""
    what = "say when windows close by themselves, in place of what was said before"
    verb = add("schedule", proposing(_schedule), what)
    verb.add_argument(
        "--cut-off",
        action="append",
        default=[],
        type=as_argument(parse_minute),
        metavar="HH:MM",
        help=f"IST; up to {CUTOFFS_MAX}. Without any only financial years end windows",
    )
    verb.add_argument(
        "--days",
        type=as_argument(parse_weekdays),
        default=parse_weekdays("all"),
        metavar="DAYS",
        help="such as mon-sat or mon,wed (default: all)",
    )
    verb.add_argument(
        "--holidays",
        default="",
        metavar="FILE|DATES",
        help="days without cut-offs: dates with commas between, or a file, one a line",
    )
    add_signed(verb, "schedule")
