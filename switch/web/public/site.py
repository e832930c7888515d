"""The totals as a site: a fixed set of files, made of a book and nothing else.

May use `book`, `words` and `shown`. The same set is served and written; of one state it
is the same to the last byte. Every file has its name in the table that is made here, so
that no path is ever made of what somebody asks for.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment

from switch.calendar import IST, NS_IN_S
from switch.canonical_csv import csv_line, rupees, safe_text
from switch.v1 import public_pb2 as pb
from switch.web.public.book import OF, PLACES, TIMES, Book, Key
from switch.web.public.words import LANGUAGES, SPOKEN, Words
from switch.web.shown import make_templates

FOLDER: Final = Path(__file__).parent
STYLE: Final = "style.css"
INDEX: Final = "index.html"
LEAST: Final = 10
"""Fewer than these are not told; the switch sees to it."""
BARS_MAX: Final = 24
"""Months that the chart has, the newest ones."""
_WIDTH, _HEIGHT, _TOP, _BASE = 720, 200, 4, 196
_HEADS: Final = {
    "years": "year",
    "months": "month",
    "days": "day",
    "departments": "department",
    "districts": "district",
}
COLUMNS: Final = (
    *("as_of_sequence", "as_of_time", "from_day", "to_day", "code", "name_en"),
    *("name_bn", "others", "count", "amount", "spans", "told"),
)
"""Of a file of CSV."""

Files = Mapping[str, bytes]


class Link(NamedTuple):
    """To a page of the site."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line for people."""

    text: str
    note: str
    count: str
    amount: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table for people."""

    name: str
    heading: str
    what: str
    rows: Sequence[Row]


class Bar(NamedTuple):
    """A month of the chart."""

    x: int
    y: int
    width: int
    height: int
    text: str


class Chart(NamedTuple):
    """Bars on a line, with what is written at their ends."""

    bars: Sequence[Bar]
    first: str
    last: str
    most: str
    width: int = _WIDTH
    height: int = _HEIGHT
    base: int = _BASE


@cache
def templates() -> Environment:
    """Those of all public pages."""
    return make_templates(FOLDER / "templates")


@cache
def style() -> bytes:
    """How all pages look."""
    return (FOLDER / STYLE).read_bytes()


def make_site(book: Book, *, check: str = "") -> Files:
    """All files by their names; `check` is where receipts are checked, if anywhere."""
    files: dict[str, bytes] = {STYLE: style()}
    for key in book.tables:
        files[f"{key.name}.csv"] = table_csv(book, key)
        files[f"{key.name}.json"] = table_json(book, key)
    for language in LANGUAGES:
        words = SPOKEN[language]
        for page in _pages(book, words, check):
            html = templates().get_template("totals.html").render(page)
            files[f"{language}/{page['file']}"] = html.encode()
    return files


def _pages(book: Book, words: Words, check: str) -> Iterator[dict[str, Any]]:
    years = book.years
    nav = [Link(INDEX, words("overview")), Link("months.html", words("months"))]
    if years:
        nav.append(Link(f"days-{years[0]}.html", words("days")))
    nav += [Link(f"{by}.html", words(by)) for by in PLACES]

    def page(
        file: str,
        heading: str,
        keys: Sequence[Key],
        links: Sequence[Link] = (),
        chart: Chart | None = None,
    ) -> dict[str, Any]:
        return {
            "w": words,
            "robots": "index, follow",
            "style": f"../{STYLE}",
            "other_page": f"../{words.other}/{file}",
            "file": file,
            "heading": heading,
            "nav": nav,
            "years": links,
            "told": any(book.tables[key] for key in keys),
            "tables": [_table(book, key, words) for key in keys if book.tables[key]],
            "chart": chart,
            "as_of": _as_of(book, words),
            "least": words.count(LEAST),
            "check": check,
        }

    months = [Key(of, "months") for of in OF]
    yield page(
        INDEX,
        words("overview"),
        [Key(of, "years") for of in OF],
        chart=_chart(book.tables[months[0]], words),
    )
    yield page("months.html", words("months"), months)
    links = [Link(f"days-{year}.html", words.digits(year)) for year in years]
    for year in years:
        keys = [Key(of, "days", year) for of in OF]
        heading = f"{words('days')}, {words.digits(year)}"
        yield page(f"days-{year}.html", heading, keys, links)
    for by in PLACES:
        links = [Link(f"{by}.html", words("all_time"))]
        links += [Link(f"{by}-{year}.html", words.digits(year)) for year in years]
        keys = [Key(of, by) for of in OF]
        yield page(f"{by}.html", words(by), keys, links)
        for year in years:
            keys = [Key(of, by, year) for of in OF]
            heading = f"{words(by)}, {words.digits(year)}"
            yield page(f"{by}-{year}.html", heading, keys, links)


def _as_of(book: Book, words: Words) -> list[str]:
    found = []
    for of, key in (("payments", "as_of"), ("refunds", "as_of_refunds")):
        sequence, time_ns = book.as_of[of]
        if sequence:
            number, time = words.count(sequence), words.time(time_ns)
            found.append(words(key, sequence=number, time=time))
    return found


def _table(book: Book, key: Key, words: Words) -> Table:
    rows = [_row(line, key.by, words) for line in book.tables[key]]
    heading = f"{words(key.of)}: {words(key.by)}"
    if key.year:
        heading += f", {words.digits(key.year)}"
    return Table(key.name, heading, words(_HEADS[key.by]), rows)


def _row(line: pb.PublicLine, by: str, words: Words) -> Row:
    note = ""
    if by in TIMES:
        text, note = _time(line, by, words)
    elif line.others:
        text = words("others")
    else:
        name = line.name_bn if words.is_bengali else line.name_en
        text = name or line.code or words("not_stated")
        if line.told < line.spans:
            told, spans = words.count(line.told), words.count(line.spans)
            note = words("in_some", told=told, spans=spans)
    return Row(text, note, words.count(line.count), words.amount(line.paise))


def _time(line: pb.PublicLine, by: str, words: Words) -> tuple[str, str]:
    """What it is called, and from when to when where that is not a whole one."""
    first, last = map(dt.date.fromisoformat, (line.from_day, line.to_day))
    span = words(
        "to", first=words.digits(line.from_day), last=words.digits(line.to_day)
    )
    if by == "days":
        return (words.digits(line.code), "") if first == last else (span, "")
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    begins = first.day == 1 and (by == "months" or first.month == 4)
    ends = (last + dt.timedelta(1)).day == 1
    is_whole = begins and ends and months == (1 if by == "months" else 12)
    return words.digits(line.code), "" if is_whole else span


def _chart(lines: Sequence[pb.PublicLine], words: Words) -> Chart | None:
    """The newest months, if there are some to compare."""
    shown = lines[-BARS_MAX:]
    if len(shown) < 2:
        return None
    most = max(line.count for line in shown)
    step = _WIDTH // len(shown)
    bars = []
    for at, line in enumerate(shown):
        height = max(line.count * (_BASE - _TOP) // most, 1)
        name, span = _time(line, "months", words)
        text = f"{span or name}: {words.count(line.count)}"
        bars.append(Bar(at * step, _BASE - height, step * 4 // 5, height, text))
    first, last = words.digits(shown[0].code), words.digits(shown[-1].code)
    return Chart(bars, first, last, words.count(most))


# --- data ----------------------------------------------------------------------------


def _moment(time_ns: int) -> str:
    """A time in IST with its offset, to the second."""
    return dt.datetime.fromtimestamp(time_ns // NS_IN_S, IST).isoformat()


def table_csv(book: Book, key: Key) -> bytes:
    """A table as canonical CSV: amounts in rupees with two decimals."""
    sequence, time_ns = book.as_of[key.of]
    as_of = [str(sequence), _moment(time_ns) if sequence else ""]
    lines = [csv_line(COLUMNS)]
    for one in book.tables[key]:
        texts = [safe_text(text) for text in (one.code, one.name_en, one.name_bn)]
        numbers = [str(one.count), rupees(one.paise), str(one.spans), str(one.told)]
        cells = [*as_of, one.from_day, one.to_day, *texts, str(int(one.others))]
        lines.append(csv_line([*cells, *numbers]))
    return "".join(lines).encode()


def table_json(book: Book, key: Key) -> bytes:
    """The same for programs: amounts in paise."""
    sequence, time_ns = book.as_of[key.of]
    value = {
        "of": key.of,
        "by": key.by,
        "year": key.year,
        "as_of_sequence": sequence,
        "as_of_time": _moment(time_ns) if sequence else "",
        "as_of_time_ns": time_ns,
        "least": LEAST,
        "lines": [
            {
                "from_day": one.from_day,
                "to_day": one.to_day,
                "code": one.code,
                "name_en": one.name_en,
                "name_bn": one.name_bn,
                "others": one.others,
                "count": one.count,
                "amount_paise": one.paise,
                "spans": one.spans,
                "told": one.told,
            }
            for one in book.tables[key]
        ],
    }
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
