"""Goal: the keys of quotations are there from the first start on, whole, their owner's
alone and in no copy; a file that is there is never replaced but by a rotation; a lost
one means new keys and nothing worse.

Method: real directories and ledgers, closed and opened again. Every byte of the file is
changed, every shape and mode put in its place; the disk fails in the midst of writing,
and every call that reaches it is recorded.
"""

import errno
import os
import random
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.backup.copying import copy, finish, partial_of
from switch.codes import Opened
from switch.errors import BusyError, ConfigError, SpaceError
from switch.ledger.opening import open_ledger
from switch.ledger.quotation_keys import (
    NAME,
    PARTIAL,
    Key,
    KeyRing,
    NumberError,
    read_keys,
    write_keys,
)
from switch.ledger.secret_files import check_of
from tests.core.network import NOW, make_network
from tests.core.pair import rows_request
from tests.core.test_quotations import NOW as FETCHED
from tests.core.test_quotations import quotation
from tests.ledger.test_opening_shapes import SHAPES, put

OPTIONS: dict[str, Any] = {"map_size": 1 << 30, "reserve_size": 0}
KEYS = (Key(8, bytes(range(32))), Key(7, bytes(range(32, 64))))
UNREADABLE = "Nothing was changed"


@contextmanager
def opened(directory: Path) -> Iterator[tuple[Ledger, KeyRing]]:
    """A ledger with its keys, as a server has them."""
    with open_ledger(directory, **OPTIONS) as ledger:
        yield ledger, KeyRing(ledger)


def what(ledger: Ledger, token: bytes) -> Opened:
    return Opened(ledger.open_quotation(token, FETCHED)[0])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A ledger's directory with two keys, and nothing open."""
    path = tmp_path / "ledger"
    open_ledger(path, **OPTIONS).close()
    write_keys(path, KEYS)
    return path


# --- the life of keys --------------------------------------------------------------


def test_the_first_start_makes_a_key(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with opened(path) as (ledger, ring):
        assert ring.number == 1
        token = ledger.seal_quotation(quotation())
        assert what(ledger, token) is Opened.RIGHT
    found = (path / NAME).lstat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == os.geteuid()
    [key] = read_keys(path)
    assert key.number == 1
    assert len(key.secret) == 32
    assert not (path / PARTIAL).exists()


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_no_umask_changes_who_may_read_it(directory: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_keys(directory, KEYS)
    finally:
        os.umask(before)
    assert stat.S_IMODE((directory / NAME).stat().st_mode) == 0o600


def test_no_two_keys_are_alike(tmp_path: Path) -> None:
    secrets = set()
    for number in range(20):
        with opened(tmp_path / str(number)):
            secrets.add(read_keys(tmp_path / str(number))[0].secret)
    assert len(secrets) == 20


def test_keys_survive_restarts(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with opened(path) as (ledger, _):
        token = ledger.seal_quotation(quotation())
        before = (path / NAME).read_bytes()
    for _ in range(3):
        with opened(path) as (ledger, ring):
            assert what(ledger, token) is Opened.RIGHT
            assert ring.number == 1
    assert (path / NAME).read_bytes() == before


def test_a_rotation_keeps_the_last_key_and_no_older(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    tokens = []
    for number in range(1, 6):
        with opened(path) as (ledger, ring):
            tokens.append(ledger.seal_quotation(quotation()))
            assert ring.rotate(number) == (number + 1, False)
            # At once, and as well after the next start.
            wanted = [Opened.WRONG] * (number - 1) + [Opened.RIGHT]
            assert [what(ledger, token) for token in tokens] == wanted
            assert ledger.seal_quotation(quotation())[1] == number + 1
        with opened(path) as (ledger, ring):
            assert [what(ledger, token) for token in tokens] == wanted
            assert ring.number == number + 1
    assert stat.S_IMODE((path / NAME).stat().st_mode) == 0o600


def test_a_rotation_that_is_asked_for_again_is_done_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with opened(path) as (ledger, ring):
        token = ledger.seal_quotation(quotation())
        assert ring.rotate(1) == (2, False)
        assert ring.rotate(1) == (2, True)
        assert what(ledger, token) is Opened.RIGHT
    with opened(path) as (ledger, ring):
        assert ring.rotate(1) == (2, True)
        for number in (0, 3, 255, 256):
            with pytest.raises(NumberError, match="number 2"):
                ring.rotate(number)
        assert ring.rotate(2) == (3, False)
        with pytest.raises(NumberError, match="number 3"):
            ring.rotate(1)
        assert what(ledger, token) is Opened.WRONG


def test_numbers_begin_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    open_ledger(path, **OPTIONS).close()
    write_keys(path, (Key(255, bytes(32)), Key(254, bytes(31) + b"x")))
    with opened(path) as (ledger, ring):
        token = ledger.seal_quotation(quotation())
        assert token[1] == 255
        assert ring.rotate(255) == (1, False)
        assert what(ledger, token) is Opened.RIGHT
    assert [key.number for key in read_keys(path)] == [1, 255]


def test_two_who_rotate_at_once_rotate_once(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as (_, ring):
        for number in range(1, 20):
            answers: list[Any] = []

            def rotate(number: int = number, to: list[Any] = answers) -> None:
                to.append(ring.rotate(number))

            threads = [threading.Thread(target=rotate) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(answers) == [(number + 1, False)] + 3 * [(number + 1, True)]


def test_a_lost_file_means_new_keys(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with opened(path) as (ledger, _):
        token = ledger.seal_quotation(quotation())
    (path / NAME).unlink()
    with opened(path) as (ledger, ring):
        assert what(ledger, token) is Opened.WRONG
        fresh = ledger.seal_quotation(quotation())
        assert what(ledger, fresh) is Opened.RIGHT
        # Lost while it serves: what it has in memory goes on.
        (path / NAME).unlink()
        assert ring.rotate(ring.number) == (2, False)
        assert what(ledger, fresh) is Opened.RIGHT
    with opened(path) as (ledger, _):
        assert what(ledger, fresh) is Opened.RIGHT


def test_the_keys_of_another_ledger_are_its_own(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as (ledger, _):
        token = ledger.seal_quotation(quotation())
    open_ledger(tmp_path / "two", **OPTIONS).close()
    (tmp_path / "one" / NAME).rename(tmp_path / "two" / NAME)
    with opened(tmp_path / "two") as (ledger, _):
        assert what(ledger, token) is Opened.WRONG


def test_only_who_has_the_ledger_makes_keys(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger"), pytest.raises(BusyError):
        open_ledger(tmp_path / "ledger", **OPTIONS)


def test_looking_at_a_ledger_makes_no_keys(tmp_path: Path) -> None:
    open_ledger(tmp_path / "ledger", **OPTIONS).close()
    open_ledger(tmp_path / "ledger", create=False, **OPTIONS).close()
    assert not (tmp_path / "ledger" / NAME).exists()


# --- a copy ------------------------------------------------------------------------


def test_a_copy_has_no_key(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as (ledger, ring):
        ledger.commit([rows_request(make_network().rows)], NOW)
        token = ledger.seal_quotation(quotation())
        ring.rotate(1)
        copy(tmp_path / "ledger", tmp_path / "copy")
        inside = partial_of(tmp_path / "copy")
        assert not (inside / NAME).exists()
        finish(tmp_path / "copy")
        secrets = [key.secret for key in read_keys(tmp_path / "ledger")]
    files = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert files
    assert not {path.name for path in files} & {NAME, PARTIAL}
    for data in (path.read_bytes() for path in files):
        for secret in secrets:
            assert secret not in data
            assert secret.hex().encode() not in data
    # It is a ledger of that name with keys of its own.
    with opened(tmp_path / "copy") as (copied, _):
        assert copied.instance == ledger_instance(tmp_path / "ledger")
        assert what(copied, token) is Opened.WRONG
        assert {key.secret for key in read_keys(tmp_path / "copy")}.isdisjoint(secrets)


def ledger_instance(path: Path) -> bytes:
    with open_ledger(path, **OPTIONS) as ledger:
        return ledger.instance


# --- files that are not what they should be ----------------------------------------


def refused(directory: Path, match: str) -> None:
    """It starts with no key, and what lies there stays."""
    before = state(directory)
    with (
        pytest.raises(ConfigError, match=match) as caught,
        open_ledger(directory, **OPTIONS) as ledger,
    ):
        KeyRing(ledger)
    assert str(directory / NAME) in str(caught.value)
    assert UNREADABLE in str(caught.value)
    assert state(directory) == before


def state(directory: Path) -> list[tuple[str, int, bytes]]:
    found = []
    for path in sorted(directory.glob("quotation.*")):
        mode = path.lstat().st_mode
        data = path.read_bytes() if stat.S_ISREG(mode) else b""
        found.append((path.name, mode, data))
    return found


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
def test_a_file_that_others_may_read_or_write(directory: Path, mode: int) -> None:
    (directory / NAME).chmod(mode)
    refused(directory, f"open to others .mode {mode:04o}.*chmod 600.*new keys")
    (directory / NAME).chmod(0o600)
    with opened(directory) as (_, ring):
        assert ring.number == 8


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else(directory: Path) -> None:
    os.chown(directory / NAME, 12345, -1)
    refused(directory, "belongs to the user 12345.*new keys")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [NAME, PARTIAL])
def test_what_is_no_file(
    directory: Path, tmp_path: Path, name: str, shape: str
) -> None:
    put(directory / name, shape, tmp_path / "elsewhere")
    before = state(directory)
    with pytest.raises(ConfigError, match=f"{name} is a .*{UNREADABLE}"):
        open_ledger(directory, **OPTIONS)
    assert state(directory) == before
    if name == NAME:
        # Nor is it followed by itself, or replaced.
        with pytest.raises(ConfigError, match=f"is a .*{UNREADABLE}"):
            read_keys(directory)
        with pytest.raises(ConfigError, match=f"is a .*{UNREADABLE}"):
            write_keys(directory, KEYS)
        assert state(directory) == before
    elsewhere = tmp_path / "elsewhere"
    assert not elsewhere.is_file() or elsewhere.read_bytes() == b"of others"


@pytest.mark.parametrize("put_now", ["link", "dangling"])
def test_a_link_that_is_put_there_while_it_serves(
    directory: Path, tmp_path: Path, put_now: str
) -> None:
    with opened(directory) as (ledger, ring):
        token = ledger.seal_quotation(quotation())
        put(directory / NAME, put_now, tmp_path / "elsewhere")
        with pytest.raises(ConfigError, match="symbolic link"):
            ring.rotate(8)
        assert ring.number == 8
        assert ledger.seal_quotation(quotation()) == token
        assert (directory / NAME).is_symlink()


def test_every_changed_byte_is_seen(directory: Path) -> None:
    path = directory / NAME
    whole = path.read_bytes()
    assert read_keys(directory) == KEYS
    rng = random.Random(1)
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] = rng.choice([*{*range(256)} - {whole[at]}])
        path.write_bytes(changed)
        with pytest.raises(ConfigError, match="damaged"):
            read_keys(directory)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ConfigError, match="damaged"):
            read_keys(directory)
    for more in (b"\n", b"\0", whole, bytes(1 << 20)):
        path.write_bytes(whole + more)
        with pytest.raises(ConfigError, match="damaged"):
            read_keys(directory)
    path.write_bytes(b"")
    refused(directory, "damaged.*newer version.*new keys")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["1 " + "00" * 32, "2 " + "11" * 32, "3 " + "22" * 32],
        ["1 " + "00" * 32, "1 " + "11" * 32],
        ["0 " + "00" * 32],
        ["01 " + "00" * 32],
        ["256 " + "00" * 32],
        ["-1 " + "00" * 32],
        ["1 " + "00" * 31],
        ["1 " + "AA" * 32],
        ["1  " + "00" * 32],
    ],
    ids=lambda lines: " ".join(line[:4] for line in lines) or "none",
)
@pytest.mark.parametrize("head", ["payswitch quotation keys 1"])
def test_a_right_check_over_keys_that_cannot_be(
    directory: Path, head: str, lines: list[str]
) -> None:
    (directory / NAME).write_text(checked(head, lines))
    refused(directory, "damaged")


def test_a_file_of_another_number_is_refused(directory: Path) -> None:
    good = ["1 " + "ab" * 32]
    (directory / NAME).write_text(checked("payswitch quotation keys 2", good))
    refused(directory, "newer version")
    (directory / NAME).write_text(checked("payswitch quotation keys 1", good))
    assert read_keys(directory) == (Key(1, b"\xab" * 32),)


def checked(head: str, lines: list[str]) -> str:
    text = "".join(f"{line}\n" for line in [head, *lines])
    return f"{text}check {check_of(text.encode())}\n"


def test_a_secret_is_in_no_text() -> None:
    assert "secret" not in repr(KEYS)
    assert KEYS[0].secret.hex() not in f"{KEYS[0]} {KEYS[0]!r}"


# --- the disk ----------------------------------------------------------------------


def test_what_a_cut_off_start_left_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    open_ledger(path, **OPTIONS).close()
    (path / PARTIAL).write_bytes(b"payswitch quotation keys 1\n8 00")
    with opened(path) as (_, ring):
        assert ring.number == 1
    assert not (path / PARTIAL).exists()
    before = (path / NAME).read_bytes()
    (path / PARTIAL).write_bytes(b"half")
    with opened(path) as (_, ring):
        assert (path / NAME).read_bytes() == before
        ring.rotate(1)
    assert not (path / PARTIAL).exists()


def test_it_is_synced_before_it_is_named_and_named_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger"
    calls: list[str] = []

    def recorded(name: str) -> None:
        call: Callable[..., Any] = getattr(os, name)

        def record(*args: Any, **more: Any) -> Any:
            if name == "fsync":
                folder = stat.S_ISDIR(os.fstat(args[0]).st_mode)
                calls.append("sync directory" if folder else "sync file")
            else:
                calls.append(name)
            return call(*args, **more)

        monkeypatch.setattr(os, name, record)

    class Told:
        """The ledger, as far as keys are given to it."""

        def __init__(self) -> None:
            self.path = str(path)

        def set_quotation_keys(self, keys: Any) -> None:
            calls.append(f"use {[number for number, _ in keys]}")

    path.mkdir()
    for name in ("write", "fsync", "rename"):
        recorded(name)
    told: Any = Told()
    ring = KeyRing(told)
    one = ["write", "sync file", "rename", "sync directory"]
    assert calls == [*one, "use [1]"]
    ring.rotate(1)
    assert calls == [*one, "use [1]", *one, "use [2, 1]"]


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
@pytest.mark.parametrize(
    ("number", "wanted"),
    [(errno.ENOSPC, SpaceError), (errno.EDQUOT, SpaceError), (errno.EIO, OSError)],
)
def test_a_disk_that_fails_changes_no_key(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    wanted: type[Exception],
) -> None:
    def fail(*args: Any, **more: Any) -> Any:
        raise OSError(number, os.strerror(number))

    before = (directory / NAME).read_bytes()
    with opened(directory) as (ledger, ring):
        token = ledger.seal_quotation(quotation())
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(wanted):
                ring.rotate(8)
        assert ring.number == 8
        assert ledger.seal_quotation(quotation()) == token
        assert (directory / NAME).read_bytes() == before
        # It goes on as if nothing had been.
        assert ring.rotate(8) == (9, False)
        assert what(ledger, token) is Opened.RIGHT


def test_no_room_for_the_first_key_is_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **more: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_ledger(tmp_path / "ledger", **OPTIONS) as ledger:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(SpaceError, match="no room"):
                KeyRing(ledger)
        assert not (tmp_path / "ledger" / NAME).exists()
        with pytest.raises(ValueError, match="no key"):
            ledger.seal_quotation(quotation())
        assert KeyRing(ledger).number == 1
