"""Goal: whatever lines are asked for, they are what the rows make them, and add up.

Method: every grouping, with and without days and billers, of random rows is compared
with a plain sum over an independent count; the register is one that changes meanwhile,
and lacks some texts.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from switch.codes import AccountKind
from switch.errors import OverloadError
from switch.totals import asking
from switch.totals.asking import (
    DAY_LAST,
    Answer,
    Column,
    TooManyLinesError,
    Wanted,
    ask,
)
from switch.totals.cube import Cube
from switch.totals.groups import By, GroupMaker
from switch.totals.snapshot import Piece
from switch.totals.sums import ENTRY, from_entries, to_entries
from tests.totals.counted import Cell, Count
from tests.totals.told import SMALL, Told, counted, telling

FLOWS = {
    "payments": (1, 3),
    "corrections": (8,),
    "gross": (1, 3, 8),
    "refunds": (7, 13),
    "held": (2,),
    "given_back": (5, 6),
    "cases": (10,),
}
STANDING = {
    "open": ((2,), (4, 5, 6)),
    "in_question": ((6, 11), (9, 12)),
}


class Book:
    """What groups ask of a register, made of a model; texts are drawn."""

    def __init__(self, told: Told) -> None:
        rng = random.Random(8)
        self.version = 1
        self.told = told
        districts = ["", "NOR", "SOU", "NOR"]
        self._participants = [
            SimpleNamespace(
                index=index,
                sequence=one.sequence,
                spec=SimpleNamespace(
                    id=f"p-{index:03d}",
                    district=rng.choice(districts),
                    host_kind=rng.choice(["GP", "HC", ""]),
                    name_en=f"Office {index}",
                    name_bn="",
                ),
            )
            for index, one in enumerate(told.pair.model.participants)
            if index
        ]
        self._services = [
            SimpleNamespace(
                index=index,
                sequence=one.sequence,
                spec=SimpleNamespace(
                    code=f"S{index:03d}",
                    department_en=rng.choice(["Power", "Land", ""]),
                    department_bn="",
                    name_en="",
                    name_bn="",
                ),
            )
            for index, one in enumerate(told.pair.model.services, 1)
        ]
        self._accounts = [
            SimpleNamespace(
                index=index,
                participant=one.participant,
                kind=AccountKind(one.kind),
                head=f"H{index}" if one.kind == AccountKind.BILLER else "",
            )
            for index, one in enumerate(told.pair.model.accounts)
            if index
        ]

    def refresh(self) -> bool:
        return False

    def participants(self) -> list[Any]:
        return self._participants

    def participant(self, index: int) -> Any:
        return self._participants[index - 1]

    def services(self) -> list[Any]:
        return self._services

    def accounts(self) -> list[Any]:
        return self._accounts

    def accounts_of(self, index: int) -> list[Any]:
        return [one for one in self._accounts if one.participant == index]

    def owner(self, account: int) -> Any:
        return self.participant(self._accounts[account - 1].participant)


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    with telling() as found:
        yield found


@pytest.fixture(scope="module")
def count(told: Told) -> Count:
    return counted(told)


@pytest.fixture
def cube(told: Told, tmp_path: Any) -> Iterator[Cube]:
    made = Cube(told.pair.ledger, tmp_path, **SMALL)
    yield made
    made.close()


@pytest.fixture(scope="module")
def book(told: Told) -> Book:
    return Book(told)


def maker_of(book: Book) -> GroupMaker:
    return GroupMaker(cast("Any", book))


def code_of(by: By, book: Book) -> Callable[[Cell], str]:
    """The code of the line that a cell is in."""

    def of(cell: Cell) -> str:
        day, wallet, service, head, _ = cell
        that = date(1970, 1, 1) + timedelta(days=day)
        if by is By.DAY:
            return that.isoformat()
        if by is By.MONTH:
            return f"{that:%Y-%m}"
        if by is By.YEAR:
            year = that.year - (that.month < 4)
            return f"{year}-{(year + 1) % 100:02d}"
        if by in (By.SERVICE, By.DEPARTMENT):
            if not service:
                return ""
            spec = book.services()[service - 1].spec
            return str(spec.code if by is By.SERVICE else spec.department_en)
        owner = book.owner(head if by in (By.BILLER, By.HEAD) else wallet).spec
        if by is By.HEAD:
            return f"{owner.id}/H{head}"
        if by is By.DISTRICT:
            return str(owner.district)
        return str(owner.host_kind if by is By.HOST_OFFICE else owner.id)

    return of


def plain(
    count: Count, wanted: Wanted, code: Callable[[Cell], str], heads: set[int] | None
) -> dict[str, dict[str, tuple[int, int]]]:
    """What lines must say, by adding up cell after cell."""
    by_time = wanted.by in (By.DAY, By.MONTH, By.YEAR)
    cells = [
        (cell, add)
        for cell, add in count.cells.items()
        if cell[0] <= wanted.last_day and (heads is None or cell[3] in heads)
    ]
    of_code: dict[str, list[Any]] = defaultdict(list)
    for cell, add in cells:
        of_code[code(cell)].append((cell, add))
    lines: dict[str, dict[str, tuple[int, int]]] = {}
    passed: list[Any] = []
    for one in sorted(of_code):
        passed += of_code[one]
        until = list(passed) if by_time else of_code[one]
        within = [pair for pair in of_code[one] if pair[0][0] >= wanted.first_day]

        def total(some: list[Any], figures: tuple[int, ...]) -> tuple[int, int]:
            chosen = [add for cell, add in some if cell[4] in figures]
            return sum(a for a, _ in chosen), sum(b for _, b in chosen)

        line = {name: total(within, figures) for name, figures in FLOWS.items()}
        for name, (adds, takes) in STANDING.items():
            (a, b), (c, d) = total(until, adds), total(until, takes)
            line[name] = a - c, b - d
        stands = any(line[name] != (0, 0) for name in STANDING)
        if within or (stands and not by_time):
            lines[one] = line
    return lines


def lines_of(answer: Answer) -> dict[str, dict[str, tuple[int, int]]]:
    codes = [label.code for label in answer.labels]
    assert codes == sorted(set(codes))
    return {
        code: {
            name: (column.counts[at], column.paise[at])
            for name, column in answer.lines.items()
        }
        for at, code in enumerate(codes)
    }


def spans(count: Count, seed: int) -> list[tuple[int, int]]:
    """From the beginning to the end, and days at random."""
    days = sorted({cell[0] for cell in count.cells})
    rng = random.Random(seed)
    drawn = [sorted(rng.choices(range(days[0] - 1, days[-1] + 2), k=2)) for _ in "ab"]
    return [(0, DAY_LAST), *((a, b) for a, b in drawn)]


@pytest.mark.parametrize("by", [one for one in By if one], ids=lambda by: by.name)
def test_lines(told: Told, count: Count, cube: Cube, book: Book, by: By) -> None:
    maker = maker_of(book)
    payees = sorted({book.owner(cell[3]).index for cell in count.cells})
    for biller in (0, payees[0], payees[-1]):
        heads = {one.index for one in book.accounts_of(biller)} if biller else None
        for first, last in spans(count, by + biller):
            wanted = Wanted(by, first, last, biller)
            answer = ask(cube, maker, wanted)
            assert answer.sequence == told.last
            assert answer.timestamp == told.pair.model.rows[-1].timestamp
            expected = plain(count, wanted, code_of(by, book), heads)
            assert lines_of(answer) == expected
            # And all of them together.
            whole = plain(count, wanted._replace(by=By.NOTHING), lambda _: "", heads)
            found = {
                name: (column.counts[0], column.paise[0])
                for name, column in answer.whole.items()
            }
            nothing = dict.fromkeys(found, (0, 0))
            assert found == whole.get("", nothing)


def test_sums_that_no_machine_s_numbers_hold(
    cube: Cube, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = lines_of(ask(cube, maker_of(book), Wanted(By.DISTRICT)))
    # In steps they come to the same.
    monkeypatch.setattr(asking, "GATHER_ENTRIES", 50)
    assert lines_of(ask(cube, maker_of(book), Wanted(By.DISTRICT))) == expected
    # And hand-made ones: three heads, each with so many paise.
    paise = [2**64 - 1, 2**70 + 5, 2**33 - 1]
    entries = np.zeros(3, ENTRY)
    entries["key"] = [head * 2**41 + 2 for head in (1, 2, 3)]
    entries["count"] = [2**38, 2**38, 1]
    entries["paise"] = [one % 2**64 for one in paise]
    entries["paise_high"] = [one >> 64 for one in paise]
    sums = from_entries(entries)
    assert sums.paise() == paise
    assert to_entries(sums).tobytes() == entries.tobytes()
    pieces = [Piece(5, 5, entries)] * 3 + [Piece(9, 9, entries)] * 60
    snapshot = SimpleNamespace(
        pieces=lambda *_, **__: iter(pieces), sequence=1, timestamp=1
    )
    groups = maker_of(book).groups(By.NOTHING)
    answer = asking._answer(cast("Any", snapshot), groups, None, Wanted(By.DAY, 6))
    assert [label.code for label in answer.labels] == ["1970-01-10"]
    counts = 2 * 2**38 + 1
    assert answer.lines["held"] == Column([60 * counts], [60 * sum(paise)])
    assert answer.lines["open"] == Column([63 * counts], [63 * sum(paise)])
    assert answer.whole["open"] == answer.lines["open"]


def test_what_is_registered_later_says_nothing(
    told: Told, cube: Cube, book: Book
) -> None:
    """A register that is ahead of what is counted is waited for."""
    ahead = Book(told)
    ahead.participants()[0].sequence = told.last + 1
    with pytest.raises(OverloadError, match="register"):
        ask(cube, maker_of(ahead), Wanted(By.DISTRICT))
    del book


def test_lines_have_a_bound(
    cube: Cube, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LINES_MAX", 3)
    ask(cube, maker_of(book), Wanted(By.DISTRICT))
    with pytest.raises(TooManyLinesError):
        ask(cube, maker_of(book), Wanted(By.CENTRE))


def test_groups_are_made_once_for_each_state(book: Book) -> None:
    maker = maker_of(book)
    first = maker.groups(By.DISTRICT)
    assert maker.groups(By.DISTRICT) is first
    book.version += 1
    assert maker.groups(By.DISTRICT) is not first
    counts: dict[str, int] = defaultdict(int)
    for label in first.labels:
        counts[label.code] += 1
    assert dict(counts) == {"": 1, "NOR": 1, "SOU": 1}
