"""Goal: nothing of fewer than ten payments can be reckoned out of what everybody is
told, whatever is added and subtracted, and whenever it was read.

Method: small worlds of days, departments and districts are drawn, and all that is told
at the end of every day is put together, as what it counts: a vector over (day,
department, district). Whatever can be reckoned lies in the space that these span. In
it every sum of cells is looked for, by linear algebra that shares nothing with the
product, and none may come to 1 to 9. The same worlds show that what was told is told
for ever.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from switch.totals import publishing, suppression
from switch.totals.publishing import BY_PLACE, Line, Of, PublicBy, Published, tables_of
from switch.totals.suppression import LEAST, Sum, parts

FIRST = (date(2026, 3, 27) - date(1970, 1, 1)).days
"""Five days of a month, and of a financial year, and four of the next."""
DAYS = 9
DEPARTMENTS = ("A", "B", "C")
DISTRICTS = ("N", "S")
SHAPE = (DAYS, len(DEPARTMENTS), len(DISTRICTS))
ALWAYS = 65_535
RANK_MAX = 12
"""Days, and of March departments and districts but one: each of 2^12 choices is
looked at."""

World = npt.NDArray[np.int64]
"""Payments by day, department and district."""

few = st.sampled_from([0, 0, 0, 1, 2, 3, 5, 9, 10, 11, 25])
worlds = st.lists(few, min_size=54, max_size=54).map(
    lambda counts: np.array(counts, np.int64).reshape(SHAPE)
)


def month_of(day: int) -> int:
    return 2026 * 12 + (2 if FIRST + day < FIRST + 5 else 3)


def published(worlds: Mapping[Of, World], ended: int) -> Published:
    """What is told when so many days have ended."""
    days = range(FIRST, FIRST + ended)
    sums: dict[Of, dict[int, Sum]] = {}
    months: dict[int, dict[tuple[PublicBy, Of], dict[str, Sum]]] = {}
    for of, world in worlds.items():
        sums[of] = {FIRST + at: told(world[at]) for at in range(ended)}
        if ended >= 5:
            march = world[:5]
            by = months.setdefault(month_of(0), {})
            by[PublicBy.DEPARTMENT, of] = {
                code: told(march[:, at]) for at, code in enumerate(DEPARTMENTS)
            }
            by[PublicBy.DISTRICT, of] = {
                code: told(march[:, :, at]) for at, code in enumerate(DISTRICTS)
            }
    return Published(FIRST + ended, tables_of(days, sums, months), {})


def told(cells: World) -> Sum:
    return Sum(int(cells.sum()), 100 * int(cells.sum()))


def lines_of(told: Published, of: Of) -> Iterator[tuple[PublicBy, Line]]:
    for by in PublicBy:
        for line in told.lines(by, of, 0, ALWAYS):
            yield by, line


def vector(by: PublicBy, line: Line, shown: set[str]) -> npt.NDArray[np.int64]:
    """What a line counts, as it says: cells with 1."""
    cells = np.zeros(SHAPE, np.int64)
    within = cells[line.first_day - FIRST : line.last_day + 1 - FIRST]
    if by in BY_PLACE:
        names = DEPARTMENTS if by is PublicBy.DEPARTMENT else DISTRICTS
        axis = BY_PLACE.index(by) + 1
        chosen = set(names) - shown if line.is_others else {line.code}
        places = [at for at, name in enumerate(names) if name in chosen]
        np.moveaxis(within, axis, 0)[places] = 1
    else:
        within[:] = 1
    return cells.ravel()


def all_told(world: Mapping[Of, World], of: Of) -> npt.NDArray[np.int64]:
    """Every line of every day's end, as vectors, each once; sums are as they say."""
    found = set()
    for ended in range(DAYS + 1):
        now = published(world, ended)
        lines = list(lines_of(now, of))
        for by, line in lines:
            shown = {one.code for what, one in lines if what is by}
            counts = vector(by, line, shown)
            count = int(counts @ world[of].ravel())
            assert line.sum == Sum(count, 100 * count)
            found.add(tuple(counts))
    return np.array(sorted(found), np.int64).reshape(-1, DAYS * 6)


def reduced(rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], list[int]]:
    """A basis of what the rows span, the identity at its pivots."""
    left = rows.astype(np.float64)
    pivots: list[int] = []
    for column in range(left.shape[1]):
        at = len(pivots)
        if at == len(left):
            break
        best = at + int(np.argmax(np.abs(left[at:, column])))
        if abs(left[best, column]) < 1e-9:
            continue
        left[[at, best]] = left[[best, at]]
        left[at] /= left[at, column]
        others = np.arange(len(left)) != at
        left[others] -= np.outer(left[others, column], left[at])
        pivots.append(column)
    return left[: len(pivots)], pivots


def reckoned(rows: npt.NDArray[np.int64], world: World) -> set[int]:
    """What every sum of cells comes to that can be reckoned out of the rows.

    Such a sum has 0 or 1 at each pivot, and these say which combination it is.
    """
    basis, pivots = reduced(rows)
    assert len(pivots) <= RANK_MAX
    choices = np.array(list(product((0.0, 1.0), repeat=len(pivots))))
    if not len(pivots):
        return set()
    made = choices @ basis
    is_sum = (np.isclose(made, 0) | np.isclose(made, 1)).all(axis=1)
    return set(np.rint(made[is_sum] @ world.ravel()).astype(int).tolist())


def check(payments: World, refunds: World) -> None:
    world = {Of.PAYMENTS: payments, Of.REFUNDS: refunds}
    for of in Of:
        found = reckoned(all_told(world, of), world[of])
        assert not {one for one in found if 0 < one < LEAST}, sorted(found)


BUSY = np.full(SHAPE, 3, np.int64)
"""Each day 18; in March each department 30, each district 45."""
ONE_SMALL = np.array(
    [[[20, 5], [0, 1], [30, 4]]] * 2 + [[[0, 0], [0, 0], [0, 3]]] * 7, np.int64
)
"""A department of 2, quiet days, and a quiet end of the month."""


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds, worlds)
@example(BUSY, ONE_SMALL)
@example(ONE_SMALL, ONE_SMALL)
def test_nothing_below_ten_can_be_reckoned(payments: World, refunds: World) -> None:
    check(payments, np.minimum(payments, refunds))


@settings(max_examples=50, deadline=None)
@given(worlds)
@example(ONE_SMALL)
def test_what_was_told_is_never_added_to(world: World) -> None:
    both = {Of.PAYMENTS: world, Of.REFUNDS: world // 2}
    before: Mapping[Of, Sequence[object]] = dict.fromkeys(Of, ())
    for ended in range(DAYS + 1):
        now = published(both, ended)
        for of, table in now.tables.items():
            assert list(table.blocks[: len(before[of])]) == list(before[of])
        before = {of: table.blocks for of, table in now.tables.items()}
    # What is told of refunds ends where something ends that is told of payments, or the
    # entries between both ends would be those of some of its days.
    odd = published({Of.PAYMENTS: world // 2, Of.REFUNDS: world}, DAYS)
    ends = {of: {one.last_day for one in odd.tables[of].blocks} for of in Of}
    assert ends[Of.REFUNDS] <= ends[Of.PAYMENTS]
    # Months stay whole: all of March is told once it has ended, if it comes to ten.
    march = int(world[:5].sum())
    of_march = published(both, 5).tables[Of.PAYMENTS].blocks
    assert sum(one.sum.count for one in of_march) == (march if march >= LEAST else 0)


# Without one of the rules something small is found.


def expect_found(payments: World, of: Of = Of.PAYMENTS) -> None:
    world = {Of.PAYMENTS: payments, Of.REFUNDS: payments}
    found = reckoned(all_told(world, of), payments)
    assert {one for one in found if 0 < one < LEAST}


def test_without_what_is_put_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "parts", lambda sums, _: parts(sums, {}))
    check(ONE_SMALL, BUSY)

    def plain(sums: Mapping[str, Sum], _: object) -> suppression.Parts:
        small = sum(one.count for one in sums.values() if one.count < LEAST)
        shown = {code: one for code, one in sums.items() if one.count >= LEAST}
        return suppression.Parts(shown, Sum(small, 100 * small))

    monkeypatch.setattr(publishing, "parts", plain)
    expect_found(ONE_SMALL)


def test_without_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day as it ends, and days of fewer than ten left out: months tell them."""

    def plain(units: Sequence[suppression.Block]) -> list[suppression.Block]:
        return [one for one in units if one.sum.count]

    monkeypatch.setattr(publishing, "released", plain)
    expect_found(ONE_SMALL)


def test_without_holding_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a month ends with is put to a block that was told already."""
    held = suppression.released

    def at_once(units: Sequence[suppression.Block]) -> list[suppression.Block]:
        blocks = held(units)
        left: suppression.Block | None = None
        for unit in units:
            if not blocks or unit.first_day > blocks[-1].last_day:
                left = unit if left is None else left.plus(unit)
                if left.sum.count >= LEAST:
                    return [*blocks, left]
        return blocks

    monkeypatch.setattr(publishing, "released", at_once)
    expect_found(ONE_SMALL)


def test_a_quiet_month_begins_the_next_block() -> None:
    """31 days of March with a payment a day, 5 in April, 4 in May, then one a day."""
    first, june = FIRST - 26, FIRST + 5 + 30 + 31
    april, may = FIRST + 5, FIRST + 5 + 30
    counts = dict.fromkeys((*range(first, FIRST + 5), *range(june, june + 30)), 1)
    counts |= dict.fromkeys(range(april + 3, april + 8), 1)
    counts |= dict.fromkeys(range(may + 20, may + 24), 1)
    before: list[suppression.Block] = []
    for end in range(first, june + 30):
        units = [
            suppression.Block(day, day, Sum(counts.get(day, 0), 0))
            for day in range(first, end + 1)
        ]
        blocks = suppression.released(units)
        assert blocks[: len(before)] == before
        before = blocks
    spans = [(one.first_day, one.last_day, one.sum.count) for one in before]
    assert spans == [
        (first, first + 9, 10),
        (first + 10, first + 19, 10),
        # With the last day of March, which would be left alone.
        (first + 20, april - 1, 11),
        (april, june, 10),
        (june + 1, june + 10, 10),
        (june + 11, june + 29, 19),
    ]
    whole = [(one.first_day, one.last_day) for one in suppression.periods(before)]
    assert whole == [(first, april - 1), (april, june + 29)]


# --- by hand -------------------------------------------------------------------------


def test_others_by_hand() -> None:
    def told(ranks: Mapping[str, int], **counts: int) -> tuple[str, int]:
        found = parts({code: Sum(one, one) for code, one in counts.items()}, ranks)
        return "".join(sorted(found.shown)), found.others.count

    assert told({}, a=50, b=30) == ("ab", 0)
    assert told({}, a=50, b=30, c=0) == ("ab", 0)
    assert told({}, a=50, b=6, c=4) == ("a", 10)
    # The first by name, and where it is known by what was told so far; not the least.
    assert told({}, a=50, b=30, c=4) == ("b", 54)
    assert told({"a": 900, "b": 40}, a=50, b=30, c=4) == ("a", 34)
    assert told({"a": 900, "b": 40}, a=11, b=30, c=9) == ("a", 39)
    # Nothing is told singly where nothing else would do.
    assert told({}, a=12, b=3) == ("", 15)


def test_lines_by_hand() -> None:
    world = {Of.PAYMENTS: BUSY, Of.REFUNDS: np.zeros(SHAPE, np.int64)}
    now = published(world, DAYS)

    def told(by: PublicBy, first: int = 0, last: int = ALWAYS) -> list[object]:
        lines = now.lines(by, Of.PAYMENTS, first, last)
        return [(one.code, one.sum.count, one.spans, one.told) for one in lines]

    # The newest is held back.
    assert [one.code for one in now.lines(PublicBy.DAY, Of.PAYMENTS, 0, ALWAYS)] == [
        *(f"2026-03-{day}" for day in range(27, 32)),
        *(f"2026-04-0{day}" for day in range(1, 4)),
    ]
    assert told(PublicBy.MONTH) == [("2026-03", 90, 0, 0), ("2026-04", 54, 0, 0)]
    assert told(PublicBy.YEAR) == [("2025-26", 90, 0, 0), ("2026-27", 54, 0, 0)]
    assert told(PublicBy.DEPARTMENT) == [(one, 30, 1, 1) for one in DEPARTMENTS]
    assert told(PublicBy.DISTRICT) == [(one, 45, 1, 1) for one in DISTRICTS]
    assert told(PublicBy.DAY, FIRST + 1, FIRST + 1) == [("2026-03-28", 18, 0, 0)]
    assert told(PublicBy.DEPARTMENT, FIRST + 1) == []
    assert not list(lines_of(now, Of.REFUNDS))
