"""AdminService: when windows close by themselves, and which are closed, by whom.

In a reading thread.
"""

import time

import numpy as np

from server import arguments, convert
from server.node import Node
from server.page_tokens import make_token, read_token
from server.status import ArgumentError
from switch.calendar import date_financial_year, ist_date
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.ledger import explained
from switch.register.identity import Identity
from switch.schedule_rows import WEEKDAYS, cutoffs_after, holiday_text
from switch.v1 import schedules_pb2 as pb

CUTOFFS_SHOWN = 10
CUTOFFS_SHOWN_MAX = 100
"""Cut-offs that are told at a time."""
PAGE_LINES_MAX = 65_536
"""Lines of windows after which a page ends: of each it is asked what settled it."""
SUM_MAX = 2**64 - 1


def list_windows(
    node: Node, request: pb.ListWindowsRequest, caller: Identity
) -> pb.ListWindowsResponse:
    """Closed windows, newest first: each names the one before."""
    ledger = node.ledger
    size = arguments.page_size(request.page_size, node.config)
    as_of = ledger.sequence
    window = read_token(request, caller) or ledger.last_window
    response = pb.ListWindowsResponse(as_of_sequence=max(as_of, window))
    looked = 0
    while window and len(response.windows) < size and looked < PAGE_LINES_MAX:
        entry = ledger.row(window)
        response.windows.append(window_message(node, entry))
        looked += response.windows[-1].lines_count
        window = entry.resolves
    response.next_page_token = make_token(request, caller, window)
    return response


def window_message(node: Node, entry: Entry) -> pb.Window:
    """A closed window, by its entry."""
    ledger = node.ledger
    lines = explained.window_lines(ledger, entry.sequence)
    is_settled = np.array(
        [ledger.settled(entry.sequence, one) != 0 for one in lines["account"].tolist()],
        np.bool_,
    )
    message = pb.Window(
        sequence=entry.sequence,
        after_sequence=entry.resolves,
        time_ns=entry.timestamp,
        by_schedule=not entry.participant,
        lines_count=len(lines),
        payable=_sum(lines["payable"]),
        settled=_sum(lines["payable"][is_settled]),
    )
    if entry.participant:
        said = convert.entry(entry, ledger, node.register)
        message.closed_by.CopyFrom(said.sender)
    _say_days(node, entry, message)
    return message


def _say_days(node: Node, entry: Entry, message: pb.Window) -> None:
    """The accounting dates of a window's first and last entries before its own."""
    if entry.resolves + 1 == entry.sequence:
        return
    try:
        times = [
            node.ledger.row(one).timestamp
            for one in (entry.resolves + 1, entry.sequence - 1)
        ]
    except CorruptionError:
        return
    first, last = map(ist_date, times)
    message.first_day, message.last_day = first.isoformat(), last.isoformat()
    message.first_year = date_financial_year(first)
    message.last_year = date_financial_year(last)


def _sum(paise: explained.U64) -> int:
    return min(sum(map(int, paise)), SUM_MAX)


def get_schedule(
    node: Node, request: pb.GetScheduleRequest, caller: Identity
) -> pb.GetScheduleResponse:
    """When windows close by themselves, and the next times that they do."""
    del caller
    if request.cutoffs_count > CUTOFFS_SHOWN_MAX:
        raise ArgumentError("cutoffs_count", f"must be at most {CUTOFFS_SHOWN_MAX}")
    node.register.refresh()
    known = node.register.schedule
    response = pb.GetScheduleResponse(as_of_sequence=node.ledger.sequence)
    if known is None:
        return response
    one = known.schedule
    days = range(1, len(WEEKDAYS) + 1)
    response.schedule.weekdays.extend(
        day for day in days if one.weekdays >> (day - 1) & 1
    )
    response.schedule.minutes.extend(one.cutoffs)
    response.schedule.holidays.extend(map(holiday_text, one.holidays))
    response.sequence, response.time_ns = known.sequence, known.time_ns
    count = request.cutoffs_count or CUTOFFS_SHOWN
    for cutoff in cutoffs_after(one, time.time_ns(), count):
        response.cutoffs.add(time_ns=cutoff.time_ns, year_end=cutoff.year_end)
    return response
