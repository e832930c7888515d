"""Books of one biller, made up: scrolls in a folder, a list, and what is wrong in it.

The scrolls are written by the columns that docs/files.md states, not by those who make
them for the product.
"""

import csv
import datetime as dt
import hashlib
import io
import json
import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from switch.canonical_csv import SCROLL_COLUMNS, csv_line, rupees, safe_text
from switch.matching.breaks import read_match, write_breaks
from switch.matching.judging import Found, match
from switch.matching.lines import Texts
from switch.matching.lists import BillerList, read_list
from switch.matching.maps import ListMap, read_map
from switch.matching.scrolls import read_scrolls
from switch.matching.sides import Undecided, Wanted

BILLER = "power"
HEADS = ("0043-00-102-001-01", "0043-00-102-001-02", "0043-00-800-001-03")
DAY = dt.date(2026, 11, 27)
MAP = {
    "by": "id",
    "key": "Id",
    "date": "Date",
    "date_format": "%d/%m/%Y",
    "amount": "Amount",
    "head": "Head",
}
DEBITS = ("refund", "undoing")
KEYS = {
    "id": "Id",
    "number": "Number",
    "receipt": "Receipt",
    "biller_reference": "Ours",
    "reference": "Consumer",
}


@dataclass(frozen=True)
class Entry:
    """A line of a scroll."""

    entry: int
    amount: int
    day: dt.date = DAY
    made: dt.date | None = None
    head: int = 0
    reference: str = ""
    kind: str = "payment"
    of: int = 0
    payment: int = 0
    basket: int = 0

    @property
    def number(self) -> int:
        return self.payment or self.entry

    @cached_property
    def id(self) -> str:
        return str(
            uuid.UUID(int=self.number * 0x9E37_79B9_7F4A_7C15_F39C_C060 % 2**128)
        )

    @cached_property
    def receipt(self) -> str:
        return f"bsk-{self.number % 97:05d}/2026-27/{self.number:06d}"

    @cached_property
    def theirs(self) -> str:
        return f"WB{self.number:010d}"

    @property
    def consumer(self) -> str:
        return self.reference or f"C{self.number:09d}"


def write_scrolls(folder: Path, windows: Sequence[Sequence[Entry]]) -> None:
    """One scroll of each head for each window, nil ones too."""
    folder.mkdir(exist_ok=True)
    carried = [0] * len(HEADS)
    after = 0
    for ordinal, window in enumerate(windows, 1):
        closed = max([after, *(one.entry for one in window)]) + 1
        day = window[-1].day if window else DAY
        for head in range(len(HEADS)):
            lines = [one for one in window if one.head == head]
            carried[head] = _write(
                folder, ordinal, head, lines, after, closed, day, carried[head]
            )
        after = closed


def _write(
    folder: Path,
    ordinal: int,
    head: int,
    lines: Sequence[Entry],
    after: int,
    closed: int,
    day: dt.date,
    carried: int,
) -> int:
    number = f"S2026-27-{ordinal:04d}-{BILLER}-{head + 1}"
    text = csv_line(SCROLL_COLUMNS) + "".join(
        csv_line(_cells(at, one)) for at, one in enumerate(lines, 1)
    )
    data = text.encode()
    credits = sum(one.amount for one in lines if one.kind not in DEBITS)
    debits = sum(one.amount for one in lines if one.kind in DEBITS)
    net = credits - debits - carried
    manifest = {
        "format": 1,
        "kind": "scroll",
        "number": number,
        "file": {
            "name": f"{number}.csv",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
        },
        "head": HEADS[head],
        "part": head + 1,
        "accounting_date": day.isoformat(),
        "window": closed,
        "after": after,
        "lines": len(lines),
        "credits": rupees(credits),
        "debits": rupees(debits),
        "carried": rupees(carried),
        "payable": rupees(max(net, 0)),
        "biller": BILLER,
    }
    (folder / f"{number}.csv").write_bytes(data)
    (folder / f"{number}.json").write_text(
        json.dumps(manifest, sort_keys=True, indent=1) + "\n"
    )
    return max(-net, 0)


def _cells(line: int, one: Entry) -> list[str]:
    made = one.made or one.day
    row = {
        "line": str(line),
        "sequence": str(one.entry),
        "entry": one.kind,
        "side": "debit" if one.kind in DEBITS else "credit",
        "amount": rupees(one.amount),
        "date": one.day.isoformat(),
        "time": f"{one.day}T17:00:00+05:30",
        "payment": str(one.number),
        "payment_id": one.id,
        "accepted": f"{made}T16:59:00+05:30",
        "receipt": one.receipt if one.kind == "payment" else "",
        "service": "BSK0199",
        "service_name": safe_text("=Electricity, metered"),
        "reference": safe_text(one.consumer),
        "bill": "",
        "period": "",
        "biller_reference": safe_text(one.theirs),
        "centre": f"bsk-{one.number % 97:05d}",
        "centre_name": "Panchayat, “office”",
        "of_entry": str(one.of) if one.of else "",
        "basket": str(one.basket) if one.basket else "",
    }
    return [row[name] for name in SCROLL_COLUMNS]


@dataclass(frozen=True)
class Told:
    """A line of a list."""

    of: Entry
    amount: int
    day: dt.date
    head: int
    is_refund: bool = False


def told(one: Entry, **changes: object) -> Told:
    """The line that a biller without mistakes would write of it."""
    return replace(Told(one, one.amount, one.day, one.head), **changes)  # type: ignore[arg-type]


def list_text(lines: Iterable[Told | str], *, heads: bool = True) -> str:
    """A list as CSV; a line that is a text stands as it is."""
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    columns = ["Date", *KEYS.values(), "Amount", "Head"]
    rows.writerow(columns if heads else columns[:-1])
    for one in lines:
        if isinstance(one, str):
            file.write(one + "\r\n")
            continue
        of = one.of
        row = [
            one.day.strftime("%d/%m/%Y"),
            *(of.id, str(of.number), of.receipt, of.theirs, of.consumer),
            ("-" if one.is_refund else "") + rupees(one.amount),
            HEADS[one.head].replace("-", ""),
        ]
        rows.writerow(row if heads else row[:-1])
    return file.getvalue()


def column_map(by: str = "id", **changes: object) -> ListMap:
    """The map of such lists."""
    return read_map(
        json.dumps(MAP | {"by": by, "key": KEYS[by]} | changes).encode(), "map"
    )


@dataclass(frozen=True)
class Run:
    """What came of a match, and its file of breaks, which the next one gets."""

    found: Found
    listed: BillerList
    file: bytes

    def __iter__(self) -> Iterator[Any]:
        return iter((self.found, self.listed))


def add_up(found: Found) -> None:
    """Of all and of each head: what makes the difference is the difference."""
    sums = found.sums
    assert sums.here - sums.there == sum(sums.explained().values())
    heads: list[dict[str, Any]] = sums.heads()
    for head in heads:
        assert head["difference"] == head["here"] - head["there"]
        assert head["difference"] == sum(head["explained"].values()), head
    assert sum(head["here"] for head in heads) == sums.here
    assert sum(head["there"] for head in heads) == sums.there


def matched(
    folder: Path,
    lines: Iterable[Told | str] | bytes,
    columns: ListMap | None = None,
    *,
    day: dt.date = DAY,
    last: dt.date | None = None,
    before: bytes | None = None,
    undecided: Sequence[Undecided] = (),
    name: str = "list.csv",
    count: int | None = None,
    total: int | None = None,
) -> Run:
    """A match of these files; `before` is the file of an earlier one."""
    columns = columns or column_map()
    heads = Texts()
    data = lines if isinstance(lines, bytes) else list_text(lines).encode()
    listed = read_list(io.BytesIO(data), name, columns, heads, count=count, total=total)
    known, opened = (None, []) if before is None else read_match(before, "before.csv")
    wanted = Wanted(
        first=day,
        last=last or day,
        by=columns.by,
        scrolls=read_scrolls(folder, BILLER, columns.by, heads),
        list=listed,
        heads=heads,
        has_heads=bool(columns.head),
        has_refunds=columns.refunds,
        has_baskets=columns.baskets,
        opened=tuple(opened),
        matched=known,
        undecided=tuple(undecided),
    )
    found = match(wanted)
    add_up(found)
    return Run(
        found, listed, write_breaks(found.breaks, last or day, wanted.as_matched)
    )


# --- a day, and what is wrong in its list ---------------------------------------------

TYPES = (
    "missing_here",
    "missing_there",
    "amount",
    "duplicate",
    "date",
    "head",
    "unknown",
)


def a_day(count: int, seed: int, *, start: int = 1_000) -> list[Entry]:
    """Payments of one day. One in ten citizens pays twice, by another amount."""
    chance = random.Random(seed)
    entries: list[Entry] = []
    sequence = start
    for at in range(count):
        sequence += chance.randrange(2, 5)
        reference = f"C{at:07d}X"
        amount = chance.choice(
            (100, 5_000, 164_600, chance.randrange(1, 10**7), 10**15)
        )
        if at % 10 == 9:
            before = entries[-chance.randrange(1, 5)]
            reference, amount = before.consumer, before.amount + 1 + chance.randrange(9)
        late = chance.random() < 0.01
        entries.append(
            Entry(
                sequence,
                amount,
                made=DAY - dt.timedelta(days=late),
                head=chance.randrange(len(HEADS)),
                reference=reference,
                payment=sequence - 1 if chance.random() < 0.5 else 0,
            )
        )
    return entries


def spoilt(
    entries: Sequence[Entry], count: int, seed: int
) -> tuple[list[Told | str], set[tuple[str, object]]]:
    """The list of a day with so many breaks of every type, half of them side by side,
    and what they are: (type, entry of the ledger, or of the line, or the line itself).
    """
    chance = random.Random(seed)
    near = chance.randrange(len(entries) - count)
    places = set(range(near, near + count // 2))
    while len(places) < count:
        places.add(chance.randrange(len(entries)))
    kinds = [TYPES[at % len(TYPES)] for at in range(count)]
    chance.shuffle(kinds)
    wrong = dict(zip(sorted(places), kinds, strict=True))
    lines: list[Told | str] = []
    expected: set[tuple[str, object]] = set()
    for at, one in enumerate(entries):
        right = told(one, day=chance.choice((one.day, one.made or one.day)))
        kind = wrong.get(at, "")
        if kind == "missing_there":
            expected.add((kind, one.entry))
            continue
        if kind == "amount":
            other = chance.choice(
                (one.amount + 1, max(one.amount // 2, 1), one.amount * 10)
            )
            other += other == one.amount
            right = replace(right, amount=other)
            # What else differs does not matter.
            if chance.random() < 0.3:
                right = replace(right, head=(one.head + 1) % len(HEADS))
            expected.add((kind, one.entry))
        elif kind == "head":
            days = chance.choice((0, 0, 3))
            right = replace(
                right,
                head=(one.head + 1) % len(HEADS),
                day=right.day + dt.timedelta(days=days),
            )
            expected.add((kind, one.entry))
        elif kind == "date":
            days = chance.choice((-30, -2, 1, 400))
            right = replace(right, day=right.day + dt.timedelta(days=days))
            expected.add((kind, one.entry))
        lines.append(right)
        if kind == "duplicate":
            lines.insert(chance.randrange(len(lines) + 1), right)
            expected.add((kind, one.number))
        elif kind == "missing_here":
            stranger = Entry(10**9 + one.entry, one.amount, head=one.head)
            lines.append(told(stranger))
            expected.add((kind, stranger.number))
        elif kind == "unknown":
            broken = _broken(chance, one, len(lines))
            lines.append(broken)
            expected.add((kind, broken))
    return lines, expected


def _broken(chance: random.Random, one: Entry, at: int) -> str:
    date = one.day.strftime("%d/%m/%Y")
    cells = [date, one.id, str(one.number), one.receipt, one.theirs, one.consumer]
    cells += [rupees(one.amount), HEADS[one.head]]
    what = chance.randrange(7)
    if what == 0:
        cells[6] = "92233720368547758.08"
    elif what == 1:
        cells[6] = chance.choice(("", "0.00", "-5.00", "1e3", "12,34", "NaN", "=1+1"))
    elif what == 2:
        cells[0] = chance.choice(("31/02/2026", "", "2026-11-27", "27/11/26 x"))
    elif what == 3:
        cells = cells[:-1]
    elif what == 4:
        return f'"{date},{at}'
    elif what == 5:
        cells[1:6] = [""] * 5
        cells[6] = rupees(one.amount + at)
    else:
        cells[7] = "--"
    return ",".join(
        f'"{cell}"' if "," in cell else cell for cell in (*cells[:-1], cells[-1])
    )


def is_about(
    found: Found, by: str, lines: Sequence[Told | str]
) -> set[tuple[str, object]]:
    """What a match has found, in the same words."""
    told_by: dict[str, int] = {}
    for one in lines:
        if not isinstance(one, str):
            of = one.of
            keys = {
                "id": of.id.replace("-", ""),
                "number": str(of.number),
                "receipt": of.receipt.upper(),
                "biller_reference": of.theirs,
                "reference": of.consumer,
            }
            told_by.setdefault(keys[by], of.number)
    about: set[tuple[str, object]] = set()
    for one_break in found.breaks:
        kind = str(one_break.type)
        if kind in ("missing_here", "duplicate"):
            of_line = lines[one_break.list_line - 2]
            assert not isinstance(of_line, str)
            about.add((kind, of_line.of.number))
        elif kind == "unknown":
            about.add((kind, lines[one_break.list_line - 2]))
        else:
            about.add((kind, one_break.entry))
    assert len(about) == len(found.breaks)
    return about
