"""Goal: the totals are what the rows make them, at every prefix, and stay it.

Method: random rows of all kinds over months in the core; cells, roll-ups and the store
are compared with an independent count that was written from docs/totals.md: after every
row, in parts of many sizes, after restarts, and while rows are committed beside it.
"""

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import lmdb
import pytest

from switch.audit import audit
from switch.codes import Link, Result
from switch.errors import OverloadError
from switch.ledger import moves
from switch.totals import cube as cube_module
from switch.totals.counting import Counter
from switch.totals.cube import Cube
from switch.totals.figures import Cut, Figure, Level
from tests.core.case_desk import AMOUNT, CaseDesk
from tests.totals.counted import Count, day_of, in_months, read_store
from tests.totals.told import SMALL, Told, compare, counted, said, telling


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    with telling() as found:
        yield found


def test_what_is_undone_was_refunded(tmp_path: Path) -> None:
    """In the cell of the payment, beside its correction."""
    desk = CaseDesk(tmp_path / "ledger")
    held = desk.expired()
    desk.confirm(held)
    hold = desk.ledger.row(held)
    by = {"sender": desk.treasury}
    asked = desk.proposed(
        moves.propose_correction(next(desk.ids), hold, AMOUNT, "late", **by)
    )
    desk.one(moves.approved_correction(asked, hold, checker=desk.checker))
    desk.reject(held)
    corrected = desk.ledger.row(desk.ledger.link(held, Link.CORRECTION))
    back = desk.one(moves.recover(next(desk.ids), corrected, "no credit", **by))
    assert back.result is Result.OK
    rows = desk.ledger.rows(1, desk.ledger.sequence)
    added = {
        int(key): int(low)
        for sums in Counter(desk.ledger).count(rows).cells
        for key, low in zip(sums.keys, sums.low, strict=True)
    }
    [cell] = {key & ~15 for key in added if key & 15 == Figure.CORRECTED}
    assert added[cell | Figure.CORRECTED] == added[cell | Figure.UNDONE] == AMOUNT
    desk.ledger.close()


def test_every_figure_is_met(told: Told) -> None:
    count = counted(told)
    assert {key[4] for key in count.cells} - {13} == set(range(1, 13))
    assert {key[2] for key in count.accounts} == {7, 8, 10, 24}
    # Some hold was posted by less than it had.
    posted, released = (
        sum(paise for key, (_, paise) in count.cells.items() if key[4] == figure)
        for figure in (3, 4)
    )
    assert posted < released


def test_at_every_prefix(told: Told, tmp_path: Path) -> None:
    cube = Cube(told.pair.ledger, tmp_path, **SMALL)
    cube._open()
    count, months = Count(), set()
    rows = told.pair.model.rows
    midnights = [
        row.sequence
        for before, row in pairwise(rows)
        if day_of(before.timestamp) < day_of(row.timestamp)
    ]
    assert len(midnights) > 3
    for row in rows:
        count.add(row)
        cube._read_on(row.sequence)
        # Each about a midnight, and some of all others.
        nearest = min(abs(row.sequence - midnight) for midnight in midnights)
        if row.sequence % 100 and nearest > 4:
            continue
        found = cube._look()
        with found.reading:
            assert found.sequence == row.sequence
            assert found.timestamp == row.timestamp
            for cut in Cut:
                assert said(found, cut) == count.cut(cut)
        months.add(found.sealed)
    assert len(months) > 3
    cube.close()


@pytest.mark.parametrize(
    ("part_rows", "part_entries"), [(150, 60), (1 << 20, 1 << 20), (1, 1)]
)
def test_the_store_is_what_the_page_says(
    told: Told, tmp_path: Path, part_rows: int, part_entries: int
) -> None:
    cube = Cube(
        told.pair.ledger, tmp_path, part_rows=part_rows, part_entries=part_entries
    )
    count = counted(told)
    compare(cube, told, count)
    cube.close()
    rows = told.pair.model.rows
    stored = read_store(tmp_path, told.pair.ledger.instance, rows)
    assert stored.sequence == told.last
    last = max(day for day, _ in count.cut(1))
    for cut in (1, 2, 3, 4):
        assert stored.cuts[1, cut] == count.cut(cut)
    for cut in (1, 2, 3):
        assert stored.cuts[2, cut] == in_months(count.cut(cut), last)
        assert len(stored.cuts[2, cut]) > 2


def test_the_auditor_agrees() -> None:
    with telling(700) as told:
        cube = Cube(told.pair.ledger, **SMALL)
        compare(cube, told, counted(told))
        cube.close()
        report = audit(told.pair.path)
        assert report.checks["figures"] == report.checks["lost"] == 0
        # And looks at it.
        with lmdb.open(str(told.pair.path / "totals"), max_dbs=2) as env:
            parts = env.open_db(b"parts", create=False)
            with env.begin(write=True, db=parts) as txn, txn.cursor() as cursor:
                assert cursor.last()
                cursor.delete()
        assert audit(told.pair.path).checks["figures"] > 0


def test_after_restarts_it_goes_on_where_it_was(tmp_path: Path) -> None:
    with telling(700) as told:
        for _ in range(8):
            cube = Cube(told.pair.ledger, tmp_path, **SMALL)
            while cube.follow():
                pass
            # What it counts again is no more than came since.
            assert cube._first <= told.last
            compare(cube, told, counted(told))
            cube.close()
            with pytest.raises(OverloadError), cube.snapshot():
                pass
            told.tell(told.last + 100)


def test_months_and_days_say_the_same(told: Told, tmp_path: Path) -> None:
    cube = Cube(told.pair.ledger, tmp_path, **SMALL)
    with cube.snapshot() as snapshot:
        days = sorted({day for day, _ in counted(told).cut(1)})
        for cut in (Cut.CELLS, Cut.CENTRES, Cut.SERVICES):
            whole = {}
            for in_months, first in ((True, 0), (False, 0), (False, days[-1])):
                sums: dict[int, int] = {}
                pieces = list(
                    snapshot.pieces(cut, first, days[-1], in_months=in_months)
                )
                for piece in pieces:
                    keys = piece.sums.keys.tolist()
                    for key, paise in zip(keys, piece.sums.paise(), strict=True):
                        sums[key] = sums.get(key, 0) + paise
                ends = [piece.last_day for piece in pieces]
                assert ends == sorted(ends)
                whole[in_months, first] = sums
                has_months = any(one.first_day < one.last_day for one in pieces)
                assert has_months == (in_months or first > 0)
            assert len({str(sorted(one.items())) for one in whole.values()}) == 1
    cube.close()


def test_parts_are_bounded(told: Told, tmp_path: Path) -> None:
    bounds = {"step_rows": 50, "part_rows": 300, "part_entries": 100}
    cube = Cube(told.pair.ledger, tmp_path, **bounds)
    with cube.snapshot() as snapshot:
        for level in Level:
            for key in snapshot.reading.keys(level, Cut.CELLS):
                part = snapshot.reading.part(key)
                # A step may go beyond: each of its rows has two entries at most; and so
                # may the last part of a month's days.
                most = 100 + 2 * 50
                assert len(part.sums) <= (most if level is Level.DAY else 100 + most)
                if level is Level.DAY:
                    assert part.last - key.first < 300 + 50
    cube.close()


def test_too_much_is_not_waited_for(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cube_module, "BEHIND_MAX", 1_000)
    monkeypatch.setattr(cube_module, "TURN_ROWS", 400)
    cube = Cube(told.pair.ledger, tmp_path, **SMALL)
    turns = 0
    while True:
        try:
            compare(cube, told, counted(told))
            break
        except OverloadError as error:
            said_last = str(error)
            done, newest = cube.progress()
            assert cube.follow()
            turns += 1
    assert f"{done:,} of {newest:,}" in said_last
    assert turns == (told.last - 1_000 + 399) // 400
    cube.close()


def test_beside_a_committer(tmp_path: Path) -> None:
    """Whatever is told is of all rows up to its sequence, and of a durable one."""
    with telling(600) as told:
        cube = Cube(told.pair.ledger, tmp_path, write_s=0.0, **SMALL)
        stop, failures = threading.Event(), []

        def follow() -> None:
            while not stop.is_set():
                try:
                    cube.follow()
                except Exception as error:  # noqa: BLE001
                    failures.append(error)
                    return

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            while told.last < 1_400:
                asks, now = told.generator.group()
                told.pair.commit(asks, now)
                compare(cube, told, counted(told))
        finally:
            stop.set()
            thread.join()
        assert not failures
        cube.close()
