"""The business's calendar: IST dates, financial years, days as the ledger counts.

May use nothing of the product. Records hold nanoseconds UTC; the day is the IST
date (UTC+05:30, without daylight saving), the year runs from April to March.
"""

import datetime as dt
import re

IST_OFFSET_S = 19_800
DAY_S = 86_400
NS_IN_S = 1_000_000_000
IST = dt.timezone(dt.timedelta(seconds=IST_OFFSET_S), "IST")

_EPOCH = dt.date(1970, 1, 1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def day_number(time_ns: int) -> int:
    """IST days since 1970-01-01, as an account's `day` counts them."""
    return (time_ns // NS_IN_S + IST_OFFSET_S) // DAY_S


def day_date(day: int) -> dt.date:
    """The date of a day number."""
    return _EPOCH + dt.timedelta(days=day)


def ist_date(time_ns: int) -> dt.date:
    """The business day of a time in nanoseconds UTC."""
    return day_date(day_number(time_ns))


def day_start_ns(date: dt.date) -> int:
    """Nanoseconds UTC at which an IST date begins. Its end is the next one's start."""
    return ((date - _EPOCH).days * DAY_S - IST_OFFSET_S) * NS_IN_S


def financial_year(time_ns: int) -> int:
    """The financial year of a time, by the calendar year in which it began."""
    return date_financial_year(ist_date(time_ns))


def date_financial_year(date: dt.date) -> int:
    """The financial year of a date, by the calendar year in which it began."""
    return date.year if date.month >= 4 else date.year - 1


def format_financial_year(year: int) -> str:
    """How people write a financial year: 2026 is `2026-27`."""
    return f"{year}-{(year + 1) % 100:02d}"


def format_ist(time_ns: int) -> str:
    """A time for people, to the second: `2026-03-16 11:02:03 IST`."""
    time = dt.datetime.fromtimestamp(time_ns // NS_IN_S, IST)
    return time.strftime("%Y-%m-%d %H:%M:%S IST")


def format_month(month: int) -> str:
    """A month as the ledger counts them, year × 12 + month − 1: `2026-03`."""
    year, before = divmod(month, 12)
    return f"{year:04d}-{before + 1:02d}"


def parse_date(text: str) -> dt.date:
    """A date from `YYYY-MM-DD` and nothing else. Raises ValueError."""
    if not _DATE.fullmatch(text):
        raise ValueError(f"not a date: {text[:32]!a} (YYYY-MM-DD is)")
    return dt.date.fromisoformat(text)


def parse_moment(text: str) -> int:
    """Nanoseconds UTC of a time as RFC 3339 writes it; an IST date is its last moment.

    Raises ValueError.
    """
    if _DATE.fullmatch(text):
        day = parse_date(text)
        return day_start_ns(day) + DAY_S * NS_IN_S - 1
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(
            f"not a time: {text[:40]!r} (2026-11-28 and 2026-11-28T17:00:00+05:30 are)"
        )
    whole, fraction, zone = found.groups()
    time = dt.datetime.fromisoformat(whole + zone.upper().replace("Z", "+00:00"))
    since = time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    seconds = since.days * DAY_S + since.seconds
    return seconds * NS_IN_S + int((fraction or "").ljust(9, "0"))
