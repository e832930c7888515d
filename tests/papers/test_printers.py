"""Goal: a printer that is not there, takes nothing, is full or goes away costs seconds
and one clear line, never a paper that is half there unseen.

Method: real sockets, pipes, files and devices that behave so; the time is measured.
"""

import os
import pty
import socket
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from switch.errors import ConfigError
from switch.papers import PrinterError, send
from switch.papers.printers import DATA_MAX

PAPER = bytes(range(256)) * 512
SOON_S = 0.3
"""What a printer is given here."""
LATE_S = 3.0
"""Far less than the usual time, far more than is needed on a busy machine."""


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A printer on the network that serves one paper; its address."""

    def run() -> None:
        connection, _ = door.accept()
        with connection:
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as door:
        # Little room in the kernel, so that a slow printer is felt.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"127.0.0.1:{door.getsockname()[1]}"
        finally:
            thread.join(30)
            assert not thread.is_alive()


def failed(target: str, data: bytes = PAPER, timeout_s: float = SOON_S) -> str:
    """What is said when it fails, within the time. A machine that stood still meanwhile
    has taken its own: then it is sent again.
    """
    said, took_s = "", []
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(PrinterError) as raised:
            send(target, data, timeout_s=timeout_s)
        took_s.append(time.monotonic() - began)
        assert isinstance(raised.value, ConfigError)
        said = said or str(raised.value)
        if took_s[-1] < timeout_s + LATE_S:
            return said
    raise AssertionError(took_s)


# --- on the network ------------------------------------------------------------------


def test_a_printer_that_prints_slowly_gets_it_all() -> None:
    taken = bytearray()

    def serve(connection: socket.socket) -> None:
        while piece := connection.recv(16_384):
            taken.extend(piece)
            time.sleep(0.005)

    with listening(serve) as address:
        send(address, PAPER, timeout_s=20)
    assert bytes(taken) == PAPER


def test_a_printer_that_says_something_gets_it_all_too() -> None:
    taken = bytearray()

    def serve(connection: socket.socket) -> None:
        connection.sendall(bytes(10_000))
        time.sleep(0.1)
        while piece := connection.recv(16_384):
            taken.extend(piece)

    with listening(serve) as address:
        send(address, PAPER, timeout_s=20)
    assert bytes(taken) == PAPER


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = f"127.0.0.1:{door.getsockname()[1]}"
    assert failed(address) == f"{address}: Connection refused; nothing was printed"
    assert "nothing was printed" in failed("no-such-printer.invalid:9100")
    assert "nothing was printed" in failed("127.0.0.1:99999")


@pytest.mark.parametrize("papers", [1, 16])
def test_a_printer_that_takes_nothing(papers: int) -> None:
    """One paper is in our own kernel long before it is in the printer."""
    end = threading.Event()

    def serve(_: socket.socket) -> None:
        end.wait(30)

    with listening(serve) as address:
        said = failed(address, PAPER * papers)
        end.set()
    assert f"{address}: no answer for 0.3 s" in said
    assert "bytes were taken: print it again" in said


def test_a_printer_that_goes_in_the_middle() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1_000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with listening(serve) as address:
        said = failed(address, PAPER * 16, timeout_s=5)
    assert "print it again" in said
    assert "reset" in said or "Broken pipe" in said


def test_a_name_that_nobody_finds_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait(30))
    said = failed("printer.example:9100")
    end.set()
    assert said.endswith("nothing was printed")


# --- devices and pipes ---------------------------------------------------------------


def test_a_device() -> None:
    send("/dev/null", PAPER)
    assert "No space left" in failed("/dev/full")
    assert "nothing was printed" in failed("/dev/full")
    assert "neither a device nor a file" in failed("/dev")
    assert "nothing was printed" in failed("/dev/no/such/printer")


def test_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Nobody reads.
    assert "nothing was printed" in failed(str(pipe))
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        said = failed(str(pipe), PAPER * 2)
        assert "of 262144 bytes were taken: print it again" in said
    finally:
        os.close(reader)

    taken: list[bytes] = []

    def read() -> None:
        with pipe.open("rb") as file:
            taken.append(file.read())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        until_s = time.monotonic() + 10
        while time.monotonic() < until_s:
            try:
                send(str(pipe), PAPER, timeout_s=10)
                break
            except PrinterError:
                time.sleep(0.01)
    finally:
        thread.join(10)
    assert taken == [PAPER]


def test_a_serial_line_gets_the_bytes_as_they_are() -> None:
    printer, line = pty.openpty()
    taken = bytearray()

    def serve() -> None:
        while len(taken) < len(PAPER):
            taken.extend(os.read(printer, 4_096))

    tty.setraw(printer)
    before = termios.tcgetattr(line)
    before[1] |= termios.OPOST | termios.ONLCR
    termios.tcsetattr(line, termios.TCSANOW, before)
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        send(os.ttyname(line), PAPER, timeout_s=20)
        thread.join(20)
        assert bytes(taken) == PAPER
        assert termios.tcgetattr(line)[1] == before[1]
        # Nobody takes anything any more.
        assert "bytes were taken" in failed(os.ttyname(line))
    finally:
        os.close(printer)
        os.close(line)


# --- files ---------------------------------------------------------------------------


def test_a_file_is_whole_or_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "receipt.pdf"
    send(str(file), b"before")
    send(str(file), PAPER)
    assert file.read_bytes() == PAPER
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < len(PAPER):
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:100])

    monkeypatch.setattr(os, "write", full)
    assert "No space left" in failed(str(file))
    assert file.read_bytes() == PAPER
    assert [one.name for one in tmp_path.iterdir()] == ["receipt.pdf"]


def test_a_name_without_a_folder_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    send("paper.bin", PAPER)
    assert (tmp_path / "paper.bin").read_bytes() == PAPER


def test_no_paper_is_that_long(tmp_path: Path) -> None:
    assert "no paper" in failed(str(tmp_path / "file"), bytes(DATA_MAX + 1))
    assert not [*tmp_path.iterdir()]
