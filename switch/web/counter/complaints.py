"""Pages: complaints of the centre, what they were answered, and how many wait.

What a complaint says is the switch's to tell, each time.
"""

import logging
import time
from typing import Any, NamedTuple

import grpc
from starlette.requests import Request
from starlette.responses import Response

from switch.client import CallError
from switch.receipt_numbers import plain_complaint
from switch.v1 import complaints_pb2 as pb
from switch.web.counter import complaint_book
from switch.web.counter.complaint_book import newest_sequence
from switch.web.counter.desk import (
    Desk,
    in_thread,
    message,
    reason_of,
    show,
    unchanged,
)
from switch.web.counter.line import Line, OfflineError
from switch.web.sessions import Session

_log = logging.getLogger(__name__)

FRESH_S = 5.0
"""How long the counts are believed before the switch is asked again."""
PAGE_SIZE = 100
PAGES_MAX = 8
"""Pages of complaints that one question leads through; the newest come first."""
CLOSED_MAX = 16
"""Complaints that a refresh asks for one by one: those that are open no more."""
_WITH_COMPLAINT = frozenset(
    {
        *("paid", "refunded", "refunded-part", "given-back"),
        *("kept", "unverified", "waiting"),
    }
)
"""Outcomes of payments that somebody can have complained about."""


class _Told(NamedTuple):
    """What the switch has said of the centre's complaints."""

    complaints: dict[str, pb.Complaint]
    """What is not closed, and what was closed since somebody has looked."""
    forgotten: set[str]
    """Numbers of which nothing more comes."""
    is_cut: bool


# --- asking --------------------------------------------------------------------------


async def refresh(desk: Desk, *, fresh_s: float = FRESH_S) -> None:
    """Ask the switch, unless it was just now. Raises as `Line.read`."""
    book = desk.complaints
    async with book.asking:
        now_s = time.monotonic()
        if book.asked_s is not None and now_s - book.asked_s < fresh_s:
            return
        told = await in_thread(_ask, desk.line, dict(book.seen))
        book.told, book.is_cut, book.asked_s = told.complaints, told.is_cut, now_s
        seen = dict.fromkeys(told.complaints, 0) | book.seen
        for number in told.forgotten:
            del seen[number]
        await _keep(desk, seen)


def _ask(line: Line, seen: dict[str, int]) -> _Told:
    client = line.client
    told: dict[str, pb.Complaint] = {}
    request = pb.ListComplaintsRequest(page_size=PAGE_SIZE)
    for _ in range(PAGES_MAX):
        page = line.read(lambda: client.complaints(request))
        told.update((one.number, one) for one in page.complaints)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    is_cut = bool(request.page_token)
    gone = sorted(seen.keys() - told.keys(), reverse=True)
    forgotten = set()
    for number in gone[:CLOSED_MAX]:
        found = _find(line, number)
        if found is None or newest_sequence(found) <= seen[number]:
            forgotten.add(number)
        else:
            told[number] = found
    # What there was no room to ask for stays known, and is asked for the next time.
    return _Told(told, forgotten, is_cut or len(gone) > CLOSED_MAX)


def _find(line: Line, number: str) -> pb.Complaint | None:
    """The centre's complaint with this number. Raises as `Line.read`."""
    try:
        return line.read(lambda: line.client.complaint(number))
    except CallError as error:
        if error.code is grpc.StatusCode.NOT_FOUND:
            return None
        raise


async def _keep(desk: Desk, seen: dict[str, int]) -> None:
    """Have it on the disk what was looked at; where it cannot be, that is logged, and
    what was looked at counts once more. No page is worth less for it.
    """
    book = desk.complaints
    if seen == book.seen:
        return
    try:
        book.seen = await in_thread(complaint_book.save, book.path, seen)
    except OSError as error:
        _log.warning("%s: %s", book.path, error)


async def _note_seen(desk: Desk, complaint: pb.Complaint) -> None:
    """Somebody looks at it now."""
    book = desk.complaints
    async with book.asking:
        is_closed = complaint.state == pb.COMPLAINT_STATE_CLOSED
        if is_closed and complaint.number not in book.seen:
            return  # closed long ago: nothing more comes of it
        book.told[complaint.number] = complaint
        to = newest_sequence(complaint)
        await _keep(desk, {**book.seen, complaint.number: to})


# --- pages ---------------------------------------------------------------------------


async def listing(desk: Desk, request: Request, session: Session) -> Response:
    """The centre's complaints that are open, or answered and not looked at."""
    error = ""
    try:
        await refresh(desk, fresh_s=0)
    except OfflineError:
        error = desk.say(session)("offline now")
    except CallError as failed:
        error = reason_of(failed, session.language)
    book = desk.complaints
    lines = [(one, book.is_news(one)) for one in book.lines()]
    return show(
        desk,
        session,
        "complaints.html",
        here="complaints",
        error=error,
        lines=lines,
        is_cut=book.is_cut,
    )


async def count(desk: Desk, request: Request, session: Session) -> Response:
    """How many there are: a part of the first page."""
    if not session.operator:
        return unchanged(is_signed_off=True)
    is_known = True
    try:
        # Without a line nothing is known, however lately the switch was asked.
        await refresh(desk, fresh_s=FRESH_S if desk.line.is_up else 0)
    except (OfflineError, CallError):
        is_known = False
    return show(
        desk,
        session,
        "complaint_count.html",
        counts=desk.complaints.counts() if is_known else None,
    )


async def complaint(desk: Desk, request: Request, session: Session) -> Response:
    """One complaint, by its number."""
    found = await find(desk, request.path_params["number"])
    if found is None:
        return message(desk, session, "complaint unknown", 404)
    await _note_seen(desk, found)
    return show(desk, session, "complaint.html", here="complaints", complaint=found)


async def find(desk: Desk, text: str) -> pb.Complaint | None:
    """The centre's complaint with this number; None if it is none. As `Line.read`."""
    number = plain_complaint(text)
    return None if number is None else await in_thread(_find, desk.line, number)


async def about(
    desk: Desk, session: Session, payment_id: bytes, outcome: str
) -> dict[str, Any]:
    """For a payment's page: the newest complaint about it, or why it is not known."""
    found: dict[str, Any] = {"complaint": None, "complaint_error": ""}
    if outcome not in _WITH_COMPLAINT:
        return found
    client = desk.line.client
    try:
        told = await in_thread(
            desk.line.read, lambda: client.complaint_about(payment_id)
        )
    except OfflineError:
        return {**found, "complaint_error": desk.say(session)("complaint offline")}
    except CallError as error:
        if error.code is grpc.StatusCode.NOT_FOUND:
            return found
        return {**found, "complaint_error": reason_of(error, session.language)}
    await _note_seen(desk, told)
    return {**found, "complaint": told}
