"""Goal: a folder has whole files alone, the same however often they are written, and
Parquet says what the table says.

Method: the command against a real server; the writing of one file killed at each of its
steps, and begun again on whatever was left; every table of some weeks, with texts that
nobody should have let in, as Parquet and back to the same bytes.
"""

import csv
import hashlib
import io
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from switch.canonical_csv import csv_line, is_text, rupees, safe_text
from switch.cli.parquet import HASH_KEY, write_parquet
from switch.cli.written_files import part_of, write_file
from switch.client.calls import CallError
from switch.console.output import Exit
from switch.errors import ConfigError, WireError
from switch.v1 import admin_pb2
from tests import forked
from tests.cli.dying_writer import DATA, NAME, Scripted, write
from tests.memory import folder
from tests.server.harness import CALL_S, Peers, ServerProcess, load, payment, running
from tests.treasury.story import Story
from tests.treasury.test_same_bytes import read_all

ENGLISH = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def test_a_file_is_written_once(tmp_path: Path) -> None:
    client = Scripted()
    first = write(client, tmp_path)
    assert (first.size, first.is_new) == (len(DATA), True)
    assert (tmp_path / NAME).read_bytes() == DATA
    before = (tmp_path / NAME).stat()
    again = write(client, tmp_path)
    assert (again.sha256, again.is_new) == (first.sha256, False)
    after = (tmp_path / NAME).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert [one.name for one in tmp_path.iterdir()] == [NAME]
    assert client.offsets == [0]


@pytest.mark.parametrize("there", [b"", DATA[:-1], DATA + b"x", b"?" + DATA[1:]])
def test_what_is_there_is_never_replaced(tmp_path: Path, there: bytes) -> None:
    (tmp_path / NAME).write_bytes(there)
    with pytest.raises(ConfigError, match="is not what the switch says"):
        write(Scripted(), tmp_path)
    assert (tmp_path / NAME).read_bytes() == there


@pytest.mark.parametrize(
    ("left", "offsets"),
    [
        (b"", [0]),
        (DATA[:5_000], [5_000]),
        (DATA, [len(DATA)]),
        # What a disk has lost, or never was of this file.
        (bytes(5_000), [5_000, 0]),
        (DATA[:-1] + b"?", [len(DATA), 0]),
        (DATA + b"more", [len(DATA) + 4, 0]),
    ],
)
def test_a_run_goes_on_where_another_was_cut_off(
    tmp_path: Path, left: bytes, offsets: list[int]
) -> None:
    part = tmp_path / f".{NAME}.part"
    part.write_bytes(left)
    client = Scripted()
    assert write(client, tmp_path).size == len(DATA)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert client.offsets == offsets
    assert not part.exists()


def test_a_server_that_is_away_leaves_what_is_there(tmp_path: Path) -> None:
    class Away(Scripted):
        def read_file(self, name: str, offset: int, hashed: Any, **_: bool) -> Any:
            yield DATA[offset : offset + 100]
            raise CallError(grpc.StatusCode.UNAVAILABLE, "gone")

    with pytest.raises(CallError):
        write(Away(), tmp_path)
    assert not (tmp_path / NAME).exists()
    client = Scripted()
    write(client, tmp_path)
    assert client.offsets == [100]


def test_a_lie_of_the_server_is_not_written(tmp_path: Path) -> None:
    class Lying(Scripted):
        def read_file(self, name: str, offset: int, hashed: Any, **_: bool) -> Any:
            yield b"something else"
            raise WireError("not what its hash says")

    with pytest.raises(WireError):
        write(Lying(), tmp_path)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "x", ".part", NAME + "/.."])
def test_a_name_that_a_switch_says_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(WireError, match="not a file's name"):
        write_file(Scripted(), name, tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with part_of(tmp_path / NAME):
            begun.set()
            go_on.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(10)
    with pytest.raises(ConfigError, match="another run"):
        write(Scripted(), tmp_path)
    go_on.set()
    thread.join()
    write(Scripted(), tmp_path)


def test_a_file_has_its_name_once_it_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no kill shows, but power that fails: it is synced before it is renamed, and
    the folder behind that.
    """
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def synced(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        size = os.fstat(descriptor).st_size
        steps.append(f"sync {target.name} {size if target != tmp_path else ''}".strip())
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        steps.append(f"rename {path.name} {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    write(Scripted(), tmp_path)
    assert steps == [
        f"sync .{NAME}.part {len(DATA)}",
        f"rename .{NAME}.part {NAME}",
        f"sync {tmp_path.name}",
    ]


@pytest.mark.parametrize("step", range(12))
def test_a_writer_is_killed_at_any_step(tmp_path: Path, step: int) -> None:
    """In a child that ends before the nth of its steps; what is left is a whole file
    or none, and the next run ends with it.
    """
    forked.run("tests.cli.dying_writer", str(step), tmp_path)
    names = {one.name for one in tmp_path.iterdir()}
    assert names <= {NAME, f".{NAME}.part"}
    if NAME in names:
        assert (tmp_path / NAME).read_bytes() == DATA
    write(Scripted(), tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert {one.name for one in tmp_path.iterdir()} == {NAME}


# --- Parquet -------------------------------------------------------------------------


def as_csv(path: Path) -> bytes:
    """A Parquet file as the table that it was made of, cell by cell."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    names = table.column_names
    lines = [csv_line(names)]
    for row in table.to_pylist():
        cells = []
        for name in names:
            value = row[name]
            if value is None:
                cells.append("")
            elif is_text(name):
                cells.append(safe_text(value))
            elif hasattr(value, "isoformat"):
                cells.append(value.isoformat())
            elif hasattr(value, "as_tuple"):
                cells.append(rupees(int(value.scaleb(2))))
            else:
                cells.append(str(value))
        lines.append(csv_line(cells))
    return "".join(lines).encode()


def test_parquet_has_every_cell_of_every_table(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    with folder() as path:
        story = Story(path / "ledger", seed=3)
        story.happen(150)
        story.wait(30 * 86_400)
        story.happen(20)
        files = read_all_of(story)
        story.ledger.close()
    kinds = set()
    for name, data in files.items():
        if not name.endswith(".csv"):
            continue
        table = tmp_path / name
        table.write_bytes(data)
        made, is_new = write_parquet(table)
        assert is_new
        assert as_csv(made) == data
        metadata = pq.read_schema(made).metadata
        assert metadata[HASH_KEY] == hashlib.sha256(data).hexdigest().encode()
        before = made.read_bytes()
        assert write_parquet(table) == (made, False)
        made.unlink()
        write_parquet(table)
        assert made.read_bytes() == before
        kinds.add((name[0], data.count(b"\r\n") > 1))
    assert kinds == {("S", True), ("S", False), ("M", True), ("B", True)}


def read_all_of(story: Story) -> dict[str, bytes]:
    from switch.treasury.books import Books

    return read_all(Books(story.register))


def test_another_parquet_of_this_name_stays(tmp_path: Path) -> None:
    table = tmp_path / NAME
    table.write_bytes(b"line,amount\r\n1,2.00\r\n")
    made, _ = write_parquet(table)
    table.write_bytes(b"line,amount\r\n1,3.00\r\n")
    before = made.read_bytes()
    with pytest.raises(ConfigError, match="is not of"):
        write_parquet(table)
    assert made.read_bytes() == before


# --- the command ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running(tmp_path_factory.mktemp("scrolls")) as process:
        peers = Peers(process)
        load(peers)
        for reference in ("=1+1", "plain", 'a,"b"'):
            bill = payment(reference=reference)
            assert peers.centre().pay(bill).result == 1
        closing = admin_pb2.CloseWindowRequest()
        peers.treasury.admin.CloseWindow(closing, timeout=CALL_S)
        yield process
        peers.close()


def ask(server: ServerProcess, *words: str) -> "subprocess.CompletedProcess[str]":
    where = ["--address", server.address, "--tls", str(server.directory / "tls")]
    return forked.run("switch", "scrolls", *words, *where, env=ENGLISH)


def said(done: "subprocess.CompletedProcess[str]") -> list[Any]:
    assert done.returncode == Exit.DONE, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_command_lists_and_writes(server: ServerProcess, tmp_path: Path) -> None:
    everything = said(ask(server, "--json", "--limit", "0"))
    names = [one["name"] for one in everything]
    assert len(names) == 15
    shown = ask(server, "--biller", "land")
    assert [name in shown.stdout for name in names] == [
        "-land-" in one for one in names
    ]
    target = tmp_path / "a" / "files"
    written = said(ask(server, "--write", str(target), "--parquet", "--json"))
    tables = [name for name in names if name.endswith(".csv")]
    wanted = {*names, *(name.replace(".csv", ".parquet") for name in tables)}
    assert {one["name"] for one in written} == wanted
    assert {one.name for one in target.iterdir()} == wanted
    for one in written:
        data = (target / one["name"]).read_bytes()
        assert one["size"] == len(data)
        assert one["sha256"] == hashlib.sha256(data).hexdigest()
        assert one["written"] is True
    again = said(ask(server, "--write", str(target), "--parquet", "--json"))
    assert [one | {"written": True} for one in again] == written
    assert not any(one["written"] for one in again)
    [scroll] = [name for name in tables if "-land-" in name]
    lines = list(csv.DictReader(io.StringIO((target / scroll).read_text())))
    assert [one["reference"] for one in lines] == ["'=1+1", "plain", 'a,"b"']
    manifest = json.loads((target / scroll.replace(".csv", ".json")).read_text())
    hashed = hashlib.sha256((target / scroll).read_bytes()).hexdigest()
    assert manifest["file"]["sha256"] == hashed
    # A biller gets its own by name, and not another's.
    mine = ask(server, scroll, "--as", "biller/land", "--write", str(tmp_path / "b"))
    assert mine.returncode == Exit.DONE, mine.stderr
    assert (tmp_path / "b" / scroll).read_bytes() == (target / scroll).read_bytes()
    other = ask(server, scroll, "--as", "biller/power", "--write", str(tmp_path / "c"))
    assert other.returncode == Exit.REFUSED
    assert not list((tmp_path / "c").iterdir())
    (target / scroll).write_text("changed")
    spoilt = ask(server, scroll, "--write", str(target))
    assert spoilt.returncode == Exit.CONFIG
    assert "move it away" in spoilt.stderr
    assert (target / scroll).read_text() == "changed"


@pytest.mark.parametrize(
    "words",
    [
        ("--parquet",),
        ("S2026-27-0001-power-1.csv",),
        ("S2026-27-0001-power-1.csv", "--biller", "power", "--write", "x"),
        ("../x", "--write", "x"),
        ("--kind", "other"),
        ("--window", "x"),
    ],
)
def test_what_is_asked_for_wrongly(
    server: ServerProcess, words: tuple[str, ...]
) -> None:
    done = ask(server, *words)
    assert done.returncode == Exit.USAGE, done.stderr
    assert not done.stdout
    assert "Traceback" not in done.stderr
