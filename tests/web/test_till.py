"""Goal: what was begun is on disk before it is sent, whole or not at all, and is never
forgotten or sent again after its end.

Method: the till alone, with files as a power cut leaves them; its order under strace is
seen in tests/web/test_power_cuts.py.
"""

import asyncio
import errno
import os
import threading
import time
from pathlib import Path
from typing import cast

import pytest

from switch.errors import ConfigError, SwitchError
from switch.ids import new_id
from switch.web.counter import till as tills
from switch.web.counter.line import Line
from switch.web.counter.settle import Learned, Settler
from switch.web.counter.till import FullError, Kind, Move, Stage, Till
from tests.server.harness import until

MODE = "counter centre-p"


def move(**values: object) -> Move:
    given: dict[str, object] = {
        "id": new_id(),
        "kind": Kind.PAYMENT,
        "request": b"\x00\xffbytes",
        "made_ns": time.time_ns(),
        "facts": {"reference": "১২৩", "amount": 5},
        **values,
    }
    return Move(**given)  # type: ignore[arg-type]


def test_what_was_begun_is_there_after_a_start(tmp_path: Path) -> None:
    one = move()
    with Till(tmp_path, MODE) as till:
        till.begin(one)
        learned = till.learn(one.id, stage=Stage.KNOWN, outcome="waiting")
    with Till(tmp_path, MODE) as till:
        assert till.unended() == [learned]
        assert till.get(one.id) == learned


def test_one_id_is_one_move(tmp_path: Path) -> None:
    one = move()
    with Till(tmp_path, MODE) as till:
        till.begin(one)
        again = till.begin(move(id=one.id, request=b"another"))
        assert again.request == one.request


def test_an_end_is_an_end(tmp_path: Path) -> None:
    one = move()
    with Till(tmp_path, MODE) as till:
        till.begin(one)
        ended = till.learn(one.id, stage=Stage.ENDED, outcome="not-paid")
        assert till.learn(one.id, stage=Stage.OPEN, outcome="paid") == ended
        assert till.unended() == []
    with Till(tmp_path, MODE) as till:
        found = till.get(one.id)
        assert found is not None
        assert found.outcome == "not-paid"


def test_half_of_a_write_is_nothing(tmp_path: Path) -> None:
    one = move()
    with Till(tmp_path, MODE) as till:
        till.begin(one)
    draft = tmp_path / f"{new_id().hex()}.move.draft"
    draft.write_bytes(b'{"form": 1, "id"')
    with Till(tmp_path, MODE) as till:
        assert [each.id for each in till.unended()] == [one.id]
    assert not draft.exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"form": 2}', b"\x00" * 500, b"x" * 70_000]
)
def test_what_cannot_be_read_is_for_a_person(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"{new_id().hex()}.move").write_bytes(content)
    with pytest.raises(ConfigError, match="it may be a payment"):
        Till(tmp_path, MODE)
    assert len(list(tmp_path.glob("*.move"))) == 1


def test_a_folder_is_one_counters_alone(tmp_path: Path) -> None:
    with Till(tmp_path, MODE), pytest.raises(ConfigError, match="which runs"):
        Till(tmp_path, MODE)
    for other in ("counter centre-q", "training centre-p"):
        with pytest.raises(ConfigError, match="not of"):
            Till(tmp_path, other)
    Till(tmp_path, MODE).close()


def test_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tills, "ENDED_MAX", 3)
    with Till(tmp_path, MODE) as till:
        moves = [till.begin(move()) for _ in range(tills.OPEN_MAX)]
        with pytest.raises(FullError):
            till.begin(move())
        for one in moves:
            till.learn(one.id, stage=Stage.ENDED)
        till.begin(move())
        assert len(list(tmp_path.glob("*.move"))) == 4
        # The oldest have gone, and what has no end never does.
        assert till.get(moves[0].id) is None
        assert till.get(moves[-1].id) is not None


def test_what_the_switch_has_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A department that is dead for days keeps no other's payment from being begun."""
    monkeypatch.setattr(tills, "KNOWN_MAX", 70)
    with Till(tmp_path, MODE) as till:
        moves = [till.begin(move()) for _ in range(tills.OPEN_MAX)]
        with pytest.raises(FullError):
            till.begin(move())
        for one in moves:
            till.learn(one.id, stage=Stage.KNOWN, outcome="kept")
        for _ in range(8):
            one = till.begin(move())
            till.learn(one.id, stage=Stage.KNOWN, outcome="kept")
        unsent = till.begin(move())
        # Of what the switch has the oldest were let go, and nothing else.
        assert [till.get(one.id) for one in moves[:2]] == [None, None]
        assert till.get(moves[2].id) is not None
        assert till.get(unsent.id) == unsent
        assert till.learn(moves[0].id, stage=Stage.ENDED, outcome="paid") is None
    assert not (tmp_path / f"{moves[0].id.hex()}.move").exists()


def test_after_the_end_nothing_is_learned(tmp_path: Path) -> None:
    """Another process may have the folder by then."""
    one = move()
    with Till(tmp_path, MODE) as till:
        till.begin(one)
    assert till.learn(one.id, stage=Stage.ENDED, outcome="paid") == one
    with Till(tmp_path, MODE) as again:
        assert again.get(one.id) == one


def test_a_name_that_is_not_on_the_disk_begins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its operator is told so; a new start must not send it after all."""
    with Till(tmp_path, MODE) as till:

        def fails(folder: Path) -> None:
            raise OSError(errno.EIO, f"{folder} fails")

        with monkeypatch.context() as disk:
            disk.setattr(tills, "sync_folder", fails)
            with pytest.raises(OSError, match="fails"):
                till.begin(move())
        assert till.unended() == []
    with Till(tmp_path, MODE) as till:
        assert till.unended() == []


def test_a_full_disk_gets_back_what_half_of_a_file_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    with Till(tmp_path, MODE) as till:
        there = {*tmp_path.iterdir()}
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", fails)
            with pytest.raises(OSError, match="full"):
                till.begin(move())
        assert {*tmp_path.iterdir()} == there


def test_each_folder_has_its_name_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first payment: else a power cut takes all of them with the folder."""
    synced: list[Path] = []
    sync = tills.sync_folder

    def noting(folder: Path) -> None:
        synced.append(folder)
        sync(folder)

    monkeypatch.setattr(tills, "sync_folder", noting)
    folder = tmp_path / "counter" / "centre-p-counter" / "till"
    before = os.umask(0)
    try:
        with Till(folder, MODE) as till:
            till.begin(move())
    finally:
        os.umask(before)
    parents = [tmp_path, folder.parent.parent, folder.parent]
    assert synced[:3] == parents
    for path in (*parents[1:], folder, *folder.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_disk_that_takes_nothing_begins_nothing(tmp_path: Path) -> None:
    with Till(tmp_path, MODE) as till:
        one = move(facts={"much": "x" * 70_000})
        with pytest.raises(SwitchError):
            till.begin(one)
        assert till.get(one.id) is None


def unended(till: Till) -> set[bytes]:
    return {one.id for one in till.unended()}


async def test_what_is_sent_waits_for_nothing_that_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A department that decides nothing lets no other's payment wait."""
    is_over = threading.Event()

    def attempt(_: Settler, one: Move, __: bool, ___: int) -> Learned:
        if one.stage is Stage.KNOWN:
            assert is_over.wait(60)
        return Learned({"stage": Stage.ENDED, "outcome": "paid"}, in_doubt=False)

    monkeypatch.setattr(Settler, "_attempt", attempt)
    with Till(tmp_path, MODE) as till:
        settler = Settler(till, cast(Line, object()))
        for _ in range(64):
            till.learn(till.begin(move()).id, stage=Stage.KNOWN, outcome="kept")
        settler.start()
        sent = till.begin(move())
        settler.take(sent)
        await asyncio.to_thread(until, lambda: sent.id not in unended(till))
        assert len(till.unended()) == 64
        is_over.set()
        await settler.stop()
