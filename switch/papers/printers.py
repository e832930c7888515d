"""Sends bytes to a printer, and comes back in bounded time whatever becomes of them.

May use `errors`. A printer is an address (`HOST:9100`), a device (`/dev/usb/lp0`), or a
file. Whether it prints is nobody's to know: what is told is whether it took the bytes.
A payment is done and durable before; nothing here can touch one.
"""

import errno
import fcntl
import os
import queue
import re
import select
import socket
import stat
import struct
import tempfile
import termios
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from switch.durable_files import sync_directory
from switch.errors import ConfigError

TIMEOUT_S: Final = 10.0
"""Until all was taken, from the first try to reach it on."""
DATA_MAX: Final = 4 << 20
"""Bytes of one paper."""
_POLL_S: Final = 0.02
_PIECE: Final = 4_096

_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


class PrinterError(ConfigError):
    """A printer did not take a paper, or not all of it; the text says which and why.

    The payment is as it was: print it again.
    """


def send(target: str, data: bytes, *, timeout_s: float = TIMEOUT_S) -> None:
    """Send to `HOST:PORT`, to a device, or into a file that is made anew.

    Blocks for `timeout_s` at most. Raises PrinterError.
    """
    if len(data) > DATA_MAX:
        raise PrinterError(f"more than {DATA_MAX} bytes are no paper")
    deadline = _Deadline(target, len(data), timeout_s)
    address = _ADDRESS.fullmatch(target)
    try:
        if address:
            _send_to(address[1].strip("[]"), int(address[2]), data, deadline)
        else:
            _write_to(Path(target), data, deadline)
    except (OSError, ValueError, termios.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PrinterError(f"{target}: {reason}; {deadline.how_far()}") from error


class _Deadline:
    """How much time is left, and how much was taken."""

    def __init__(self, target: str, size: int, timeout_s: float) -> None:
        self.target = target
        self.size = size
        self.taken = 0
        self._timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Seconds. Raises PrinterError when there are none left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise PrinterError(
                f"{self.target}: no answer for {self._timeout_s:g} s; {self.how_far()}"
            )
        return left

    def how_far(self) -> str:
        """What is known of the paper."""
        if not self.taken:
            return "nothing was printed"
        return f"{self.taken} of {self.size} bytes were taken: print it again"


def _send_to(host: str, port: int, data: bytes, deadline: _Deadline) -> None:
    with _connected(_resolved(host, port, deadline), deadline) as connection:
        connection.setblocking(False)
        _write_all(connection.fileno(), data, deadline)
        # What the kernel has taken the printer may not have: wait until it has said so
        # of every byte, or has gone.
        while unsent := _unsent(connection.fileno()):
            deadline.taken = len(data) - unsent
            deadline.left_s()
            _raise_error_of(connection)
            time.sleep(_POLL_S)
        _raise_error_of(connection)
        # A connection that is closed with words of the printer unread is torn down, and
        # some printers then forget what they have not printed yet.
        connection.shutdown(socket.SHUT_WR)
        with suppress(BlockingIOError):
            while connection.recv(_PIECE):
                deadline.left_s()


def _resolved(host: str, port: int, deadline: _Deadline) -> list[tuple[Any, Any]]:
    """Families and addresses of a name: of the system, which has its own patience."""
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError, OverflowError) as error:
            found.put(error)

    # It may go on for a while when nobody waits any more, and keeps nobody from ending.
    threading.Thread(target=resolve, name="printer's name", daemon=True).start()
    try:
        answer = found.get(timeout=deadline.left_s())
    except queue.Empty:
        deadline.left_s()
        raise TimeoutError(errno.ETIMEDOUT, "its name was not found in time") from None
    if isinstance(answer, Exception):
        raise OSError(errno.EHOSTUNREACH, str(answer)) from answer
    return [(one[0], one[4]) for one in answer]


def _connected(addresses: list[tuple[Any, Any]], deadline: _Deadline) -> socket.socket:
    """A connection to the first address that takes one."""
    refused = OSError(errno.EHOSTUNREACH, "it has no address")
    for family, address in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(deadline.left_s())
            connection.connect(address)
        except OSError as error:
            connection.close()
            refused = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise refused


def _unsent(file: int) -> int:
    """Bytes that the other side of a socket, or a line, has not taken yet."""
    answer = fcntl.ioctl(file, termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


def _raise_error_of(connection: socket.socket) -> None:
    code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _write_to(path: Path, data: bytes, deadline: _Deadline) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    if stat.S_ISREG(mode):
        _write_file(path, data, deadline)
        return
    if not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
        raise OSError(errno.EINVAL, "neither a device nor a file")
    # Without a reader a pipe says so at once, and no terminal becomes ours.
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    file = os.open(path, flags)
    try:
        if os.isatty(file):
            _write_line(file, data, deadline)
        else:
            _write_all(file, data, deadline)
    finally:
        os.close(file)


def _write_line(file: int, data: bytes, deadline: _Deadline) -> None:
    """Write to a serial line, as bytes: usually it makes two of an end of line."""
    before = termios.tcgetattr(file)
    raw = [*before]
    raw[1] &= ~termios.OPOST
    termios.tcsetattr(file, termios.TCSANOW, raw)
    try:
        _write_all(file, data, deadline)
        while unsent := _unsent(file):
            deadline.taken = len(data) - unsent
            deadline.left_s()
            time.sleep(_POLL_S)
    finally:
        termios.tcsetattr(file, termios.TCSANOW, before)


def _write_file(path: Path, data: bytes, deadline: _Deadline) -> None:
    """The whole file or, if that fails, what was there before."""
    # Beside it, its owner's alone, of a name that nobody else has.
    file, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    partial = Path(name)
    try:
        try:
            while data:
                deadline.left_s()
                data = data[os.write(file, data) :]
            os.fsync(file)
        finally:
            os.close(file)
        partial.replace(path)
    except BaseException:
        partial.unlink()
        raise
    sync_directory(path.parent)


def _write_all(file: int, data: bytes, deadline: _Deadline) -> None:
    """Write to what may take nothing for a while, or go away."""
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    sent = 0
    while sent < len(data):
        if not poll.poll(deadline.left_s() * 1_000):
            continue
        try:
            sent += os.write(file, data[sent : sent + _PIECE])
        except BlockingIOError:
            time.sleep(_POLL_S)
        deadline.taken = sent
