"""`payswitch biller`: one or many simulated billers in one process.

Runs until it is ended with SIGTERM or SIGINT, or for `--seconds`; the last line of
standard output is then one JSON object with what was asked, said and credited. With
`--day-list` each biller sends its list of the day before that.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from switch.calendar import IST, day_date, day_number
from switch.codes import Role
from switch.config import Config
from switch.console.output import Exit, Screen
from switch.credentials import Credentials
from switch.errors import ConfigError, UsageError
from switch.sample import load_sample
from switch.simulator.behaviour import AT_ONCE, sample_habits
from switch.simulator.books import Books, read_billers
from switch.simulator.connection import run_desks
from switch.simulator.day_list import day_list, send_day_list
from switch.simulator.desk import Clock, Desk
from switch.simulator.script import Timeline, parse_script, parse_time

CONNECTIONS_MAX = 16
SPEED_MAX = 100_000.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `payswitch biller`."""
    config = Config()
    add = parser.add_argument
    add("biller", nargs="*", metavar="BILLER", help="ids; default: all of the sample")
    add(
        "--address",
        default=config.address,
        help="host:port, with commas between several nodes (default: %(default)s)",
    )
    add(
        "--tls",
        type=Path,
        default=config.tls_dir,
        metavar="DIR",
        help="directory of the certificates (default: %(default)s)",
    )
    add("--connections", type=int, default=1, metavar="N", help="of each biller")
    add(
        "--at-once",
        action="store_true",
        help="credit everything at once; default: as billers.csv says",
    )
    add("--script", type=Path, metavar="FILE", help="what goes wrong, and when")
    add("--state", type=Path, metavar="FILE", help="record of what was credited")
    add("--seed", type=int, default=0, metavar="N", help="of the decisions")
    add(
        "--begin",
        metavar="HH:MM",
        help="time of the day that the script begins with (default: now, IST)",
    )
    add(
        "--begin-unix",
        type=float,
        metavar="S",
        help="when that was, seconds since 1970 (default: now)",
    )
    add(
        "--speed",
        type=float,
        default=1.0,
        metavar="X",
        help="seconds of the day in one second (default: 1)",
    )
    add(
        "--response-speed",
        type=float,
        default=1.0,
        metavar="X",
        help="answer so many times faster than in life (default: 1)",
    )
    add(
        "--day-list",
        type=float,
        metavar="S",
        help="at the end send complete lists of the day, and again, for so many "
        "seconds, while they come too early for some payments",
    )
    add("--seconds", type=float, default=0.0, metavar="S", help="end after so long")


def run(
    args: argparse.Namespace,
    screen: Screen,
    credentials_of: Callable[[Path, Role, str], Credentials],
) -> Exit:
    """Simulate until told to end, with the certificates that `credentials_of` finds.

    Raises ConfigError.
    """
    _check(args)
    billers = args.biller or [one.id for one in load_sample().billers]
    clock, timeline = _clock(args), _timeline(args.script, billers)
    begin_day = day_number(time.time_ns())
    credentials = [credentials_of(args.tls, Role.BILLER, one) for one in billers]
    habits = {} if args.at_once else sample_habits()
    with Books(args.state) as books:
        desks = [
            Desk(
                one,
                habits.get(one, AT_ONCE),
                books,
                clock=clock,
                timeline=timeline,
                seed=args.seed,
            )
            for one in billers
        ]
        screen.note(f"{len(desks)} billers dial {args.address}; Ctrl-C ends them")
        work = run_desks(desks, credentials, args.address.split(","), args.connections)
        asyncio.run(_until_ended(work, args.seconds))
        lists = {}
        if args.day_list is not None:
            days = range(begin_day, day_number(time.time_ns()) + 1)
            callers = dict(zip(billers, credentials, strict=True))
            lists = asyncio.run(_send_lists(args, books, callers, days))
        value = {**summary(desks, books), "lists": lists}
    if not screen.as_json:
        _show(value, screen)
    screen.value(value)
    refused = value.get("ended_unauthenticated", 0)
    # Who comes again too often has its connection ended before it is told why, and the
    # end of all may come before the answer.
    ended = refused + value.get("ended_unavailable", 0) + value.get("cut_short", 0)
    if refused and ended == value.get("connections"):
        screen.note("the switch has let none of them in: is its network loaded?")
        return Exit.REFUSED
    return Exit.DONE


def _check(args: argparse.Namespace) -> None:
    if not 1 <= args.connections <= CONNECTIONS_MAX:
        raise UsageError(f"--connections is 1 to {CONNECTIONS_MAX}")
    if not all(0 < one <= SPEED_MAX for one in (args.speed, args.response_speed)):
        raise UsageError(f"a speed is more than 0 and at most {SPEED_MAX:.0f}")
    if args.day_list is not None and (args.day_list < 0 or args.state is None):
        raise UsageError("--day-list must not be negative, and needs --state")
    if args.seconds < 0 or not 0 <= args.seed < 1 << 63:
        raise UsageError("--seconds and --seed must not be negative")


def _clock(args: argparse.Namespace) -> Clock:
    now_s = time.time()
    if args.begin is None:
        today = dt.datetime.fromtimestamp(now_s, IST)
        midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
        begin_s = now_s - midnight.timestamp()
    else:
        try:
            begin_s = parse_time(args.begin)
        except ValueError as error:
            raise UsageError(f"--begin: {error}") from error
    begin_unix_s = now_s if args.begin_unix is None else args.begin_unix
    return Clock(begin_s, begin_unix_s, args.speed, args.response_speed)


def _timeline(file: Path | None, billers: list[str]) -> Timeline:
    if file is None:
        return Timeline()
    try:
        timeline = parse_script(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
    unknown = {one.biller for one in timeline.lines} - {*billers, "*"}
    if unknown:
        raise ConfigError(f"{file} names {', '.join(sorted(unknown))}, not simulated")
    return timeline


async def _send_lists(
    args: argparse.Namespace,
    books: Books,
    callers: dict[str, Credentials],
    days: Iterable[int],
) -> dict[str, dict[str, Any]]:
    """Lists of these days, final from now on: date → biller → what the switch said."""
    for biller in callers:
        books.close(biller, time.time_ns())
    books.flush()
    credits = read_billers(args.state)
    said = {}
    for day in days:
        answers = await asyncio.gather(
            *(
                send_day_list(
                    day_list(credits.get(biller, {}), day_date(day)),
                    args.address.split(","),
                    caller,
                    args.day_list,
                )
                for biller, caller in callers.items()
            )
        )
        said[f"{day_date(day)}"] = dict(zip(callers, answers, strict=True))
    return said


async def _until_ended(work: Any, seconds: float) -> None:
    """Run `work` until a signal, or for `seconds` if that is not 0."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    task = asyncio.ensure_future(work)
    end = asyncio.ensure_future(ended.wait())
    await asyncio.wait(
        {task, end}, timeout=seconds or None, return_when=asyncio.FIRST_COMPLETED
    )
    end.cancel()
    if task.done():
        # It never ends by itself: this raises what ended it.
        task.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def summary(desks: list[Desk], books: Books) -> dict[str, Any]:
    """What was asked, said and credited: in all, and by biller."""
    counts: Counter[str] = Counter()
    billers = {}
    for desk in desks:
        counts.update(desk.counts)
        totals = books.totals(desk.biller)
        billers[desk.biller] = {
            "credited": totals.payments,
            "credited_paise": totals.amount,
            "bills_paid_again": totals.bills_paid_again,
            "status_of_payment_most": desk.status_of_payment_most,
            "status_after_deadline_most": desk.status_after_deadline_most,
            "status_of_minute_most": desk.status_of_minute_most,
            **dict(sorted((+desk.counts).items())),
        }
    of_all = [books.totals(desk.biller) for desk in desks]
    return {
        "credited": sum(one.payments for one in of_all),
        "credited_paise": sum(one.amount for one in of_all),
        "bills_paid_again": sum(one.bills_paid_again for one in of_all),
        "resumed": books.resumed,
        **dict(sorted((+counts).items())),
        "billers": billers,
    }


def _show(value: dict[str, Any], screen: Screen) -> None:
    language = screen.language
    rows = [
        (
            name,
            language.count(one["credited"]),
            language.amount(one["credited_paise"]),
            language.count(one.get("rejected", 0)),
            language.count(one.get("status", 0)),
        )
        for name, one in value["billers"].items()
        if one.get("messages")
    ]
    screen.table(
        ("biller", "payments", "amount", "refused", "status"),
        rows,
        right=("payments", "amount", "refused", "status"),
    )
