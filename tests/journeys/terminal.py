"""A person's terminal: types a command, answers what it asks, reads what it says.

Each command has a terminal of its own (a pseudo-terminal), so that it asks, colours and
breaks lines as before a person. What goes on until Ctrl-C gets Ctrl-C.
"""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

WIDTH: Final = 150
COMMAND_S: Final = 180.0
"""A command that takes longer is ended, and has failed."""
STOP_S: Final = 20.0
OUTPUT_MAX: Final = 4 << 20
"""Characters of one command's output that are kept: its end."""
ANSWERS: Final[Mapping[str, str]] = {
    r"\[y/N\] *\r?\n?\Z": "y",
    r"Number of the bill whose cash you have, or Enter for none: \Z": "1",
    r"(passphrase|once more): \Z": "correct horse",
    r"(PIN of operator \d+|The same again): \Z": "482915",
}
"""What is typed at a question that an output ends with."""
_COLOURS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r(?=\r*\n)")


class Done(NamedTuple):
    """A command that has ended: its exit code, what it has said, how long it took."""

    code: int
    output: str
    seconds: float


class Running:
    """One command at a terminal of its own."""

    def __init__(self, command: str, directory: Path, env: Mapping[str, str]) -> None:
        """Type it."""
        self.command = command
        self._begin_s = time.monotonic()
        self._text = ""
        self._answered_at = 0
        # A window as a person's: tables are laid out for it.
        self._master, slave = pty.openpty()
        size = struct.pack("HHHH", 50, WIDTH, 0, 0)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
        self._process = subprocess.Popen(
            # The terminal is the session's own: secrets are asked for there.
            ["setsid", "--ctty", "bash", "-c", command],
            cwd=directory,
            env={**os.environ, **env},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        # What nobody reads would fill the terminal, and hold the command up.
        self._reader = threading.Thread(target=self._read_all, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """What it has said so far, as it is read."""
        return _COLOURS.sub("", self._text).replace("\r", "\n")

    def _read_all(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                # The other end is closed.
                return
            if not data:
                return
            self._text = (self._text + data.decode("utf-8", "replace"))[-OUTPUT_MAX:]
            self._answer()

    def _answer(self) -> None:
        said = self.output
        for question, answer in ANSWERS.items():
            found = re.search(question, said)
            if found and len(said) != self._answered_at:
                os.write(self._master, answer.encode() + b"\n")
                self._answered_at = len(said)

    def wait(self, seconds: float = COMMAND_S) -> Done:
        """Let it end by itself; a command that does not is killed, with code 124."""
        try:
            return self._done(self._process.wait(seconds))
        except subprocess.TimeoutExpired:
            return self.kill()

    def until(self, pattern: str, seconds: float) -> bool:
        """Whether that comes in what it says, before it ends or the time does."""
        end_s = time.monotonic() + seconds
        while not re.search(pattern, self.output):
            if time.monotonic() > end_s or not self.is_running:
                return re.search(pattern, self.output) is not None
            time.sleep(0.1)
        return True

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self._process.poll() is None

    def interrupt(self) -> Done:
        """Ctrl-C, and let it end."""
        if self.is_running:
            os.write(self._master, b"\x03")
        try:
            return self._done(self._process.wait(STOP_S))
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> Done:
        """End it at once, and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        return self._done(124)

    def _done(self, code: int) -> Done:
        self._reader.join(STOP_S)
        with contextlib.suppress(OSError):
            os.close(self._master)
        return Done(code, self.output, time.monotonic() - self._begin_s)
