"""A ledger whose windows close by themselves, and what its cut-offs are by the
calendar: written down a second time, from docs/data-model.md and Python's `datetime`.
"""

import datetime as dt
import itertools
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from switch._core import WINDOW_LINE, Ledger, Rows
from switch.codes import AccountKind, Kind, Mode, Policy, Result, Role
from tests.core.pair import read_outcome, rows_request
from tests.records import AccountRecord, Outcome, ParticipantRecord, Row, ServiceRecord

IST = dt.timezone(dt.timedelta(hours=5, minutes=30))
EPOCH = dt.date(1970, 1, 1)
SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SCHEDULE = 14
"""The record."""
MONDAY_TO_FRIDAY = 0b0011111
EACH_DAY = 0b1111111
OPTIONS: dict[str, Any] = {
    "map_size": 1 << 30, "reserve_size": 0, "threads": False, "index_step_rows": 16,
}  # fmt: skip


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """The nanosecond of a minute in India."""
    moment = dt.datetime(year, month, day, hour, minute, tzinfo=IST)
    return int(moment.timestamp()) * SECOND


def day_of(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01."""
    return (dt.date(year, month, day) - EPOCH).days


def schedule(
    cutoffs: Sequence[int] = (),
    weekdays: int = EACH_DAY,
    holidays: Sequence[int] = (),
) -> bytes:
    """The record, and its holidays behind it."""
    head = struct.pack("<BBBxHxx", SCHEDULE, weekdays, len(cutoffs), len(holidays))
    minutes = [*cutoffs, *[0] * (8 - len(cutoffs))]
    return head + struct.pack(f"<8H{len(holidays)}H", *minutes, *holidays)


def read_schedule(record: bytes) -> tuple[int, list[int], list[int]]:
    """Weekdays, cut-offs and holidays of one that is right."""
    weekdays, cutoffs, holidays = struct.unpack_from("<xBBxH", record)
    minutes = struct.unpack_from("<8H", record, 8)[:cutoffs]
    return (
        weekdays,
        list(minutes),
        list(struct.unpack_from(f"<{holidays}H", record, 24)),
    )


def first_cutoff(record: bytes, after: int) -> int:
    """The first cut-off after a time, looked for day by day."""
    weekdays, minutes, holidays = read_schedule(record)
    off = {EPOCH + dt.timedelta(days=each) for each in holidays}
    today = dt.datetime.fromtimestamp(after // SECOND, IST).date()
    for days in range(400):
        day = today + dt.timedelta(days=days)
        wanted = {0} if (day.month, day.day) == (4, 1) else set()
        if weekdays >> day.weekday() & 1 and day not in off:
            wanted |= set(minutes)
        for minute in sorted(wanted):
            moment = at(day.year, day.month, day.day, *divmod(minute, 60))
            if moment > after:
                return moment
    raise AssertionError("each year has its 1 April")


def financial_year(timestamp: int) -> int:
    """The calendar year in which it began."""
    day = dt.datetime.fromtimestamp(timestamp // SECOND, IST).date()
    return day.year if day.month >= 4 else day.year - 1


START = at(2026, 3, 23, 10)
"""Where tests begin: a Monday morning, in the last full week of a financial year."""
TREASURY, CENTRE, BILLER = 1, 2, 3
FLOAT, SETTLEMENT, WALLET, HEAD = 1, 2, 3, 4
DEADLINE_S = 3_600


class Scheduled:
    """A treasury, a centre and a biller with accounts, without people."""

    def __init__(self, path: Path, heads: int = 3, **options: Any) -> None:
        self.path = path
        self.options = {**OPTIONS, **options}
        self.numbers = itertools.count(1)
        self.now = START
        self.heads = [HEAD + each for each in range(heads)]
        self.ledger = Ledger(str(path), **self.options)
        roles = (Role.TREASURY, Role.CENTRE, Role.BILLER)
        for code, role in zip((b"treasury", b"centre", b"biller"), roles, strict=True):
            self.register(ParticipantRecord(code, role).pack())
        self.open(TREASURY, 0, AccountKind.FLOAT)
        self.open(TREASURY, 1, AccountKind.SETTLEMENT)
        self.open(CENTRE, 0, AccountKind.WALLET)
        accounts = [
            AccountRecord(BILLER, number, AccountKind.BILLER).pack()
            for number in range(heads)
        ]
        for first in range(0, heads, 5_000):
            some = accounts[first : first + 5_000]
            self.commit(*(self.row(Kind.OPEN, tail=tail) for tail in some))
        self.register(
            ServiceRecord(
                b"HELD",
                BILLER,
                (HEAD,),
                mode=Mode.CONFIRMED,
                deadline_s=DEADLINE_S,
                deadline_policy=Policy.RELEASE,
            ).pack()
        )

    # --- asking ----------------------------------------------------------------------

    def id(self) -> bytes:
        """One that nobody has."""
        return b"scheduled" + next(self.numbers).to_bytes(7, "big")

    def row(self, kind: int, **given: Any) -> Row:
        """One row of the treasury's."""
        if kind != Kind.WINDOW:
            given.setdefault("id", self.id())
        return Row(kind, **{"participant": TREASURY, **given})

    def commit(self, *rows: Row, now: int = 0) -> list[Outcome]:
        """One group, a second later or at that time; without rows what is due."""
        self.now = now or self.now + SECOND
        requests = [rows_request(rows)] if rows else []
        told: Any = self.ledger.commit(requests, self.now)
        return [read_outcome(one.tobytes()) for each in told for one in each]

    def register(self, tail: bytes, *, now: int = 0) -> Outcome:
        """A row of the register, accepted."""
        [told] = self.commit(self.row(Kind.REGISTER, tail=tail), now=now)
        assert told.result == Result.OK, told
        return told

    def open(self, owner: int, purpose: int, kind: int) -> None:
        """An account."""
        tail = AccountRecord(owner, purpose, kind).pack()
        [told] = self.commit(self.row(Kind.OPEN, tail=tail))
        assert told.result == Result.OK

    def move(self, amount: int, debit: int = FLOAT, credit: int = HEAD) -> Row:
        """Money for a biller, most often."""
        return self.row(
            Kind.TRANSFER, amount=amount, debit=debit, credit=credit, reference=b"M"
        )

    def hold(self, amount: int) -> Row:
        """Money that is held for an hour."""
        return self.row(
            Kind.HOLD, amount=amount, total=amount, debit=WALLET, credit=HEAD,
            reference=b"B %d" % next(self.numbers), participant=CENTRE, operator_=1,
            service=1, deadline=DEADLINE_S,
        )  # fmt: skip

    def window(self, after: int) -> Row:
        """Close the window after this one, by command."""
        return self.row(Kind.WINDOW, resolves=after, operator_=5)

    # --- reading ---------------------------------------------------------------------

    def rows(self, first: int = 1) -> Rows:
        """All of them from one on."""
        return self.ledger.rows(first, 65_536)

    def windows(self) -> list[int]:
        """Sequences of the accepted ones, each found by the one after it."""
        found = [self.ledger.last_window]
        while found[-1]:
            found.append(self.ledger.row(found[-1]).resolves)
        return found[-2::-1]

    def lines(self, window: int) -> Rows:
        """What a window lists."""
        return np.frombuffer(self.ledger.tail(window), WINDOW_LINE)

    # --- ending ----------------------------------------------------------------------

    def close(self) -> None:
        """End the ledger."""
        self.ledger.close()

    def catch_up(self) -> None:
        """The index has every whole step."""
        while self.ledger.index_step():
            pass

    def reopen(self, *, without_index: bool = False) -> None:
        """Close it, with whatever the index has, and open it."""
        self.ledger.close()
        if without_index:
            shutil.rmtree(self.path / "index")
        self.ledger = Ledger(str(self.path), create=False, **self.options)

    def killed(self, path: Path) -> None:
        """Go on with a copy of what is on the disk now; then the other is closed."""
        shutil.copytree(self.path, path, ignore=shutil.ignore_patterns("LOCK"))
        before, self.path = self.ledger, path
        self.ledger = Ledger(str(path), create=False, **self.options)
        before.close()
