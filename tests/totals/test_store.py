"""Goal: no store is believed that could say something else than the journal.

Method: writes that end at every step, and processes that are killed; stores that are
ahead of their journal, of another journal that is as long, of another ledger, damaged,
cut short, or gone; no room; each time what is told is compared with an independent
count, and what was set aside is said.
"""

import contextlib
import copy
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lmdb
import pytest

from switch.codes import Kind
from switch.errors import ConfigError, CorruptionError, OverloadError, SpaceError
from switch.totals import counting
from switch.totals.cube import Cube
from switch.totals.store import ASIDE, NAME, OPENING, Store
from tests.core.generator import Generator
from tests.core.pair import Pair, pack_row
from tests.damage import damage_row
from tests.totals.counted import read_store
from tests.totals.told import SMALL, Told, compare, counted, telling

LEFT = "the totals are set aside"
PAUSES_S = (0.0, 0.01, 0.03, 0.08, 0.3, 1.0, 3.0)
"""Until a process is killed; the longer ones where it has written nothing so soon."""


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    with telling(1_500) as found:
        yield found


def followed(told: Told, path: Path) -> Cube:
    """A cube that has counted all and written it."""
    cube = Cube(told.pair.ledger, path, **SMALL)
    compare(cube, told, counted(told))
    cube.close()
    return cube


def stored(told: Told, path: Path) -> int:
    rows = told.pair.model.rows
    return read_store(path, told.pair.ledger.instance, rows).sequence


def test_a_write_that_ends_anywhere(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = Store._pack
    ended = 0
    for step in (*range(0, 24, 2), 60, 10_000):
        left = step

        def pack(store: Store, *args: Any) -> bytes:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return packed(store, *args)

        monkeypatch.setattr(Store, "_pack", pack)
        cube = Cube(told.pair.ledger, tmp_path, **SMALL)
        try:
            cube.follow()
            cube.close()
        except KeyboardInterrupt:
            ended += 1
            # As a process leaves it that has ended: nothing more is written.
            assert cube._store is not None
            cube._store.close()
        monkeypatch.setattr(Store, "_pack", packed)
        assert 0 <= stored(told, tmp_path) <= told.last
        if step % 6 == 0:
            compare_again(told, tmp_path)
        shutil.rmtree(tmp_path / NAME)
    assert ended > 11


def compare_again(told: Told, path: Path) -> None:
    cube = Cube(told.pair.ledger, path, **SMALL)
    compare(cube, told, counted(told))
    assert cube._store is not None
    cube._store.close()


def test_a_process_that_is_killed(told: Told, tmp_path: Path) -> None:
    """The ledger is copied: two processes cannot have one."""
    told.pair.ledger.close()
    shutil.copytree(told.pair.path, tmp_path / "ledger")
    told.pair.open_again()
    code = (
        "import sys; from switch._core import Ledger; "
        "from switch.totals.cube import Cube\n"
        "ledger = Ledger(sys.argv[1], threads=False, map_size=8 << 30)\n"
        "cube = Cube(ledger, step_rows=1, part_rows=40)\n"
        "cube._open(); print(flush=True)\n"
        "for row in range(1, ledger.sequence + 1): cube._read_on(row)\n"
    )
    seen = set()
    for pause_s in PAUSES_S:
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "ledger")],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(pause_s)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        seen.add(stored(told, tmp_path / "ledger"))
        if len(seen) > 1 and pause_s >= 0.08:
            break
    shutil.copytree(tmp_path / "ledger" / NAME, tmp_path / NAME)
    compare_again(told, tmp_path)
    assert len(seen) > 1
    assert not (tmp_path / ASIDE).exists()


# --- another journal -----------------------------------------------------------------


@pytest.mark.parametrize("rows", [700, 1_300], ids=["shorter", "longer"])
def test_a_journal_that_was_put_back(
    tmp_path: Path, rows: int, caplog: pytest.LogCaptureFixture
) -> None:
    with telling(700) as told:
        told.pair.ledger.close()
        before = told.path / "before"
        shutil.copytree(told.pair.path, before)
        model = copy.deepcopy(told.pair.model)
        told.pair.open_again()
        told.tell(1_000)
        followed(told, tmp_path)
        # Back to what it was, and from there perhaps another way.
        pair = Pair(before, model, threads=False, index_step_rows=1 << 16)
        generator = Generator(99, told.network, model)
        back = told._replace(pair=pair, generator=generator)
        back.tell(rows)
        cube = Cube(pair.ledger, tmp_path, **SMALL)
        compare(cube, back, counted(back))
        cube.close()
        assert LEFT in caplog.text
        why = f"up to entry {told.last}" if rows == 700 else "another entry"
        assert why in caplog.text
        assert (tmp_path / ASIDE).is_dir()
        # Once.
        caplog.clear()
        compare_again(back, tmp_path)
        assert LEFT not in caplog.text
        pair.close()


def test_a_store_of_another_ledger(
    told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with telling(300) as other:
        followed(other, tmp_path)
    compare_again(told, tmp_path)
    assert "it is of another ledger" in caplog.text


def test_an_older_store_goes_on(told: Told, tmp_path: Path) -> None:
    """What it lacks is counted: that is no doubt."""
    cube = Cube(told.pair.ledger, tmp_path, **SMALL)
    cube._open()
    cube._read_on(told.last // 2)
    cube._write()
    assert cube._store is not None
    cube._store.close()
    compare_again(told, tmp_path)
    assert not (tmp_path / ASIDE).exists()


# --- damage --------------------------------------------------------------------------


def test_a_damaged_row_is_never_passed_over(told: Told, tmp_path: Path) -> None:
    rng = random.Random(5)
    for row in rng.sample(told.pair.model.rows[:-1], 5):
        path = tmp_path / str(row.sequence)
        path.mkdir()
        start = pack_row(row)[:40]
        damage_row(told.pair.path, start)
        try:
            cube = Cube(told.pair.ledger, path, **SMALL)
            for _ in range(2):
                with pytest.raises(CorruptionError), cube.snapshot():
                    pass
                assert cube.progress()[0] < row.sequence
            cube.close()
            assert stored(told, path) < row.sequence
        finally:
            damage_row(told.pair.path, start)
        compare_again(told, path)


def test_a_damaged_hold_is_never_passed_over(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row was counted; what ends it needs it, and has forgotten it."""
    monkeypatch.setattr(counting, "REMEMBERED", 1)
    end = next(
        row
        for row in told.pair.model.rows
        if row.kind == Kind.POST
        and row.result == 1
        and row.sequence > 600
        # Another hold came between.
        and row.sequence - row.resolves > 50
    )
    cube = Cube(told.pair.ledger, tmp_path, **SMALL)
    cube._open()
    cube._read_on(end.resolves)
    start = pack_row(told.pair.model.rows[end.resolves - 1])[:40]
    damage_row(told.pair.path, start)
    try:
        with pytest.raises(CorruptionError), cube.snapshot():
            pass
        assert end.resolves <= cube.progress()[0] < end.sequence
    finally:
        damage_row(told.pair.path, start)
    compare(cube, told, counted(told))
    cube.close()


def test_damage_in_the_store(
    told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A bit of a part or of the header: it is told right, or made anew and said."""
    (tmp_path / "whole").mkdir()
    followed(told, tmp_path / "whole")
    rng = random.Random(6)
    store = str(tmp_path / "whole" / NAME)
    with lmdb.open(store, max_dbs=2, readonly=True) as env, env.begin() as txn:
        parts = env.open_db(b"parts", txn, create=False)
        meta = env.open_db(b"meta", txn, create=False)
        found = [(bytes(key), bytes(value)) for key, value in txn.cursor(db=parts)]
        header = bytes(txn.get(b"totals", b"", db=meta))
    # What is written of the newest part is counted again, and not read.
    newest = max(key[-8:] for key, _ in found)
    values = [one for key, one in found if len(one) > 40 and key[-8:] < newest]
    for at in range(12):
        path = tmp_path / str(at)
        shutil.copytree(tmp_path / "whole", path)
        file = path / NAME / "data.mdb"
        body = bytearray(file.read_bytes())
        value = header if at % 4 == 0 else rng.choice(values)
        place = rng.randrange(len(value))
        begin = body.find(value)
        assert begin >= 0
        while begin >= 0:
            body[begin + place] ^= 1 << rng.randrange(8)
            begin = body.find(value, begin + 1)
        file.write_bytes(body)
        caplog.clear()
        cube = Cube(told.pair.ledger, path, **SMALL)
        # Where the damage is met while it is read, that call has no answer.
        with contextlib.suppress(OverloadError):
            compare(cube, told, counted(told))
        compare(cube, told, counted(told))
        cube.close()
        assert LEFT in caplog.text
        assert stored(told, path) == told.last


@pytest.mark.parametrize("size", [0, 100, 4_096, 20_000])
def test_a_store_that_is_cut_short(
    told: Told, tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "data.mdb").write_bytes(b"\xa5" * size)
    compare_again(told, tmp_path)
    assert (LEFT in caplog.text) == (size > 0)


def test_a_start_that_ended_while_it_read(
    told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    followed(told, tmp_path)
    (tmp_path / OPENING).touch()
    compare_again(told, tmp_path)
    assert "a start ended while it was read" in caplog.text
    assert not (tmp_path / OPENING).exists()


def test_a_link_in_its_place(told: Told, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    cube = Cube(told.pair.ledger, tmp_path, **SMALL)
    with pytest.raises(ConfigError), cube.snapshot():
        pass
    assert not list((tmp_path / "elsewhere").iterdir())


def test_files_are_their_owner_s(told: Told, tmp_path: Path) -> None:
    followed(told, tmp_path)
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0
    for one in (tmp_path / NAME).iterdir():
        assert one.stat().st_mode & 0o077 == 0


def test_without_room_it_counts_in_memory(
    told: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(_: Path) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=1, f_frsize=4_096)

    cube = Cube(told.pair.ledger, tmp_path, write_s=0.0, **SMALL)
    with monkeypatch.context() as context:
        context.setattr(os, "statvfs", full)
        with pytest.raises(SpaceError), cube.snapshot():
            pass
        done = cube.progress()[0]
        assert 0 < done < told.last
        with pytest.raises(SpaceError):
            cube.follow()
        assert cube.progress()[0] == done
        assert cube._store is not None
        with cube._store.reading() as reading:
            assert reading.header() is None
    compare(cube, told, counted(told))
    with monkeypatch.context() as context:
        context.setattr(os, "statvfs", full)
        cube.follow()
        assert "stay in memory" in caplog.text
    cube.close()
    assert stored(told, tmp_path) == told.last
