"""Commands of ours as processes of their own that need not be started from nothing.

`python -m switch` takes two thirds of a second to import what every other command has
imported before it, and the tests run hundreds. Here a process that has imported a
program, and done nothing else, is kept; for each command it forks one that has the
arguments, the environment, the directory and the three streams which it is given, and
then runs the program as `python -m` does. How programs start from nothing is shown by
tests that start them so: tests/cli/test_cli.py, tests/server/test_process.py.
"""

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.readable import readable
from tests.started import registry

ROOT = Path(__file__).parents[1]
MESSAGE_MAX = 1 << 20
LATER = {"switch": ("switch.cli.day_matches", "switch.matching.day_lines")}
"""What a program imports only for some commands, and many tests run just these."""
STREAMS = 3
REPORT = struct.Struct("q")
"""What is told of a command: its process id, later its exit code."""

# --- the side of the tests ------------------------------------------------------------


class _Imported:
    """A process that has imported one program, and forks."""

    def __init__(self, module: str) -> None:
        self.owner = os.getpid()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE_MAX)
        with theirs:
            command = [sys.executable, "-m", "tests.forked", module]
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
            )
        registry.keep(self._process.pid)
        atexit.register(self.close)

    def fork(self, asked: Mapping[str, Any], files: Sequence[int]) -> None:
        """Have one command begin; the files are its streams, and where it reports."""
        body = json.dumps(asked).encode()
        rights = array.array("i", files).tobytes()
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
        self._ours.sendmsg([body], ancillary)

    def close(self) -> None:
        """End it; what it has forked goes on."""
        if self.owner == os.getpid():
            self._ours.close()
            self._process.wait()


_imported: dict[str, _Imported] = {}


def _of(module: str) -> _Imported:
    found = _imported.get(module)
    if found is None or found.owner != os.getpid():
        found = _imported[module] = _Imported(module)
    return found


class Process:
    """One command that was forked; as far as it goes, what subprocess.Popen is."""

    def __init__(
        self,
        module: str,
        words: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Begin it. Streams are file descriptors; of stdout a pipe may be made."""
        self.args = [sys.executable, "-m", module, *words]
        self.returncode: int | None = None
        self.stdout: IO[bytes] | None = None
        asked = {
            "words": list(words),
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
        }
        with contextlib.ExitStack() as stack:

            def pipe() -> tuple[int, int]:
                ours, theirs = os.pipe()
                stack.callback(os.close, theirs)
                return ours, theirs

            if stdin == subprocess.DEVNULL:
                stdin = os.open(os.devnull, os.O_RDONLY)
                stack.callback(os.close, stdin)
            self._reports, theirs = pipe()
            if stdout == subprocess.PIPE:
                ours, stdout = pipe()
                self.stdout = open(ours, "rb")  # noqa: SIM115 - as long as it runs
            _of(module).fork(asked, (stdin, stdout, stderr, theirs))
        self.pid = self._report(None)
        registry.note(self.pid, self)

    def _report(self, timeout_s: float | None) -> int:
        """The next number that is told of it. Raises TimeoutExpired."""
        if not readable(self._reports, timeout_s):
            assert timeout_s is not None
            raise subprocess.TimeoutExpired(self.args, timeout_s)
        (number,) = REPORT.unpack(os.read(self._reports, REPORT.size))
        return int(number)

    def poll(self) -> int | None:
        """Its exit code if it has ended, -N if signal N has ended it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended. Raises TimeoutExpired."""
        if self.returncode is None:
            self.returncode = self._report(timeout)
            os.close(self._reports)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def run(
    module: str,
    *words: str | Path,
    entry: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 120.0,
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m MODULE WORDS`, which reads `entry`; what it said, how it ended.

    Raises TimeoutExpired, and it is killed.
    """
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        stdin.write(entry.encode())
        stdin.seek(0)
        process = Process(
            module,
            [str(word) for word in words],
            stdin=stdin.fileno(),
            stdout=stdout.fileno(),
            stderr=stderr.fileno(),
            cwd=cwd,
            env=env,
        )
        try:
            code = process.wait(timeout_s)
        except BaseException:
            process.kill()
            process.wait()
            raise
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(file.read().decode())
        return subprocess.CompletedProcess(process.args, code, *said)


# --- the side of the program ----------------------------------------------------------


def _serve(module: str, asked: socket.socket) -> None:
    """Import the program, then fork for each command until nobody asks any more; in
    what was forked, run it.
    """
    is_package = hasattr(importlib.import_module(module), "__path__")
    name = f"{module}.__main__" if is_package else module
    importlib.import_module(name)
    for later in LATER.get(module, ()):
        importlib.import_module(later)
    if module == "switch":
        # What reads its words is made once.
        sys.modules["switch.cli.entry"]._parser()
    # It is run as another module; what it has imported stays.
    del sys.modules[name]
    gc.freeze()
    while True:
        body, files, _, _ = socket.recv_fds(asked, MESSAGE_MAX, STREAMS + 1)
        # What has ended meanwhile, so that its processor time is ours.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not body:
            return
        if os.fork() == 0:
            if _attend(asked, files):
                _become(module, json.loads(body))
            return
        for file in files:
            os.close(file)


def _attend(asked: socket.socket, files: list[int]) -> bool:
    """Fork once more: true in the command; the other one reports of it, and ends."""
    *streams, reports = files
    pid = os.fork()
    if pid == 0:
        asked.close()
        for number, file in enumerate(streams):
            os.dup2(file, number)
        for file in files:
            os.close(file)
        return True
    # What is read from the command ends when the command does.
    asked.close()
    for file in (*range(STREAMS), *streams):
        os.close(file)
    os.write(reports, REPORT.pack(pid))
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(reports, REPORT.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(module: str, asked: dict[str, Any]) -> None:
    """Be `python -m MODULE WORDS`; ends as that does."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    sys.argv[1:] = asked["words"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
