"""Whether a day is over, and what of it is still to come: a part of `close-day`.

Over the wire; decides nothing and writes nothing.
"""

import datetime as dt
from collections.abc import Iterator
from itertools import takewhile
from typing import Final

from switch.calendar import day_start_ns, format_ist, ist_date, parse_date
from switch.client import Client
from switch.money import format_amount
from switch.v1 import exceptions_pb2, schedules_pb2

CUTOFFS_ASKED: Final = 9
"""Those of a whole day, which are at most 8, and the end of a year."""
DAYS_ASKED: Final = 122
"""Days whose windows are asked what no bank has settled: four months."""
WINDOWS_TOLD: Final = 10
"""Of those that are not settled; of others how many there are."""


def goes_on_until(
    day: str, schedule: schedules_pb2.GetScheduleResponse, now_ns: int
) -> int:
    """Until when another window may come to an accounting day; 0 if it is over.

    By the cut-offs of a schedule, if there is one; else until midnight, as people may
    close a window at any time.
    """
    if schedule.schedule.minutes and schedule.schedule.weekdays:
        # A cut-off at midnight ends the day before it.
        return max(
            (
                cutoff.time_ns
                for cutoff in schedule.cutoffs
                if ist_date(cutoff.time_ns - 1).isoformat() == day
            ),
            default=0,
        )
    end_ns = day_start_ns(parse_date(day) + dt.timedelta(days=1))
    return end_ns if now_ns < end_ns else 0


def kept_payments(client: Client) -> Iterator[str]:
    """A line about payments that are kept: neither in a scroll nor given back. Raises
    what the client raises.
    """
    request = exceptions_pb2.ListExceptionsRequest(
        kinds=[exceptions_pb2.EXCEPTION_KIND_KEPT]
    )
    first = next(client.exception_pages(request))
    for total in first.totals:
        yield (
            f"payments that are kept: {total.count}, {format_amount(total.amount)}, "
            f"the oldest since {format_ist(total.oldest_since_ns)}: their billers, or "
            "two people, say what becomes of them (payswitch exceptions --kind kept)"
        )


def unsettled_windows(client: Client, day: str) -> Iterator[str]:
    """A line about each window of before a day whose billers have not got all of their
    money: the bank's word is missing, or `propose settle`. Raises what the client
    raises.
    """
    oldest = (parse_date(day) - dt.timedelta(days=DAYS_ASKED)).isoformat()
    found = [
        one
        for one in takewhile(
            lambda each: not each.last_day or each.last_day >= oldest, client.windows()
        )
        if one.settled < one.payable and "" < one.last_day < day
    ]
    for one in found[:WINDOWS_TOLD]:
        yield (
            f"window {one.sequence} of {one.last_day}: "
            f"{format_amount(one.payable - one.settled)} is not settled: its bank's "
            f"statement, or two people (payswitch propose settle {one.sequence} "
            "BILLER HEAD AMOUNT)"
        )
    if more := len(found[WINDOWS_TOLD:]):
        yield f"{more} older windows are not settled, too (payswitch windows)"
