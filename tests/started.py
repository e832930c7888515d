"""The processes that tests have started: each ends with the test or fixture it is of.

Every process of a run carries the run's name in its environment, and that of the
process of pytest that started it. `note` says for whom a process was started.

`python -m tests.started FOLDER` ends what a run has left, names it, and fails then.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

RUN = "SWITCH_TEST_RUN"
"""The variable with the name of this run of tools/run_tests.sh."""
WORKER = "SWITCH_TEST_WORKER"
"""The variable with the process of pytest whose tests have started this process."""
GRACE_S = 10.0
"""A process that was told to end has so long to do so."""

SCOPES = ("function", "class", "module", "package", "session")
"""Of a fixture, the shortest first."""


@dataclass(frozen=True)
class Started:
    """One process, and the scope of the fixture that has started it."""

    pid: int
    began: int
    """In ticks since the machine started: a number is given again to another."""
    scope: str
    command: str

    @property
    def is_running(self) -> bool:
        """Whether it runs; one that has ended and was not waited for does not."""
        fields = fields_of(self.pid)
        return bool(fields) and fields[0] != "Z" and int(fields[19]) == self.began


def fields_of(pid: int) -> list[str]:
    """What proc_pid_stat(5) has behind the name; nothing if it has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def command_of(pid: int) -> str:
    """Its words, as far as a line has room for them."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    return b" ".join(words).decode(errors="replace").strip()[:200]


class Program(Protocol):
    """What subprocess.Popen is, as far as it goes."""

    def poll(self) -> int | None:
        """Its exit code if it has ended."""


class Registry:
    """The processes that one process of pytest has started."""

    def __init__(self) -> None:
        self.all: list[Started] = []
        self.scope = "function"
        """Of the fixture that is being set up; a test's own processes are its."""
        self.kept: set[int] = set()
        """They serve all tests, and end with this process."""
        self._programs: WeakSet[Program] = WeakSet()
        self._held: list[Program] = []

    def note(self, pid: int, program: Program | None = None) -> None:
        """A process was started; who speaks with it has `program`."""
        if program is not None:
            self._programs.add(program)
        fields = fields_of(pid)
        if fields:
            by = os.environ.get("PYTEST_CURRENT_TEST", "")
            line = f"{pid} {command_of(pid)}, started in {by}"
            self.all.append(Started(pid, int(fields[19]), self.scope, line))

    def hold(self) -> None:
        """A test has failed: none of its programs is garbage before it has ended."""
        self._held = list(self._programs)

    def close_pipes(self) -> None:
        """The ends that are here of pipes to programs that have ended."""
        held, self._held = self._held, []
        for program in {*held, *self._programs}:
            if program.poll() is not None:
                for name in ("stdin", "stdout", "stderr"):
                    pipe = getattr(program, name, None)
                    if pipe is not None:
                        with contextlib.suppress(OSError):
                            pipe.close()

    def keep(self, pid: int) -> None:
        """This one serves all tests."""
        self.kept.add(pid)

    def running(self, longest: str) -> list[Started]:
        """Those of fixtures up to that scope that run; the others are forgotten."""
        self.all = [one for one in self.all if one.is_running]
        scopes = SCOPES[: SCOPES.index(longest) + 1]
        return [
            one for one in self.all if one.scope in scopes and one.pid not in self.kept
        ]

    def strangers(self) -> list[Started]:
        """Processes of this worker that nobody has noted: what those have left that
        were started here.
        """
        known = {one.pid for one in self.all} | self.kept | {os.getpid()}
        mark = f"{WORKER}={os.environ.get(WORKER)}".encode()
        found = []
        parents = parents_of_all()
        for pid in parents:
            if pid not in known and mark in environment_of(pid):
                above = pid
                while above in parents and above not in known:
                    above = parents[above]
                if above in known and above != os.getpid():
                    continue  # it ends with who started it
                fields = fields_of(pid)
                if fields and fields[0] != "Z":
                    line = f"{pid} {command_of(pid)}"
                    found.append(Started(pid, int(fields[19]), "", line))
        return found


registry = Registry()


def parents_of_all() -> dict[int, int]:
    """Of each process the one that started it."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := fields_of(int(name))):
            found[int(name)] = int(fields[1])
    return found


def environment_of(pid: int) -> list[bytes]:
    """Its variables as it was started with them."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def end(processes: Iterable[Started]) -> None:
    """End them at once, and all that they have started."""
    processes = list(processes)
    wanted = {one.pid for one in processes if one.is_running}
    parents = parents_of_all()
    for pid in parents:
        above = pid
        while above in parents and above not in wanted:
            above = parents[above]
        if above in wanted:
            wanted.add(pid)
    for pid in wanted:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    wait(processes)


def wait(processes: Iterable[Started]) -> list[Started]:
    """Those that run still after their grace."""
    until = time.monotonic() + GRACE_S
    left = [one for one in processes if one.is_running]
    while left and time.monotonic() < until:
        time.sleep(0.01)
        left = [one for one in left if one.is_running]
    return left


# --- what a whole run has left --------------------------------------------------------


def processes_of_run(folder: Path) -> list[Started]:
    """The processes of this run, or that work in its folder."""
    mark = f"{RUN}={os.environ[RUN]}".encode()
    ours = {os.getpid()}
    parents = parents_of_all()
    above = os.getppid()
    while above in parents:
        ours.add(above)
        above = parents[above]
    found = []
    for pid in parents:
        if pid in ours:
            continue
        works_there = False
        with contextlib.suppress(OSError):
            works_there = Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder)
        fields = fields_of(pid)
        if fields and fields[0] != "Z" and (works_there or mark in environment_of(pid)):
            # Nothing of it is kept by the shell that runs this program.
            line = f"{pid} {command_of(pid)}"
            found.append(Started(pid, int(fields[19]), "", line))
    return found


def files_of_run(folder: Path) -> list[Path]:
    """What tests have made in the folder for temporary files, and in memory."""
    name = os.environ[RUN]
    found = list((folder / "tmp").iterdir()) if (folder / "tmp").is_dir() else []
    for place in (Path("/dev/shm"), Path("/tmp")):
        if place.is_dir():
            found += [
                path
                for path in place.iterdir()
                if name in path.name and path not in (folder, *folder.parents)
            ]
    return found


def main(folder: Path) -> int:
    """End what is left and say so; 1 if there was anything."""
    left = wait(processes_of_run(folder))
    files = files_of_run(folder)
    for one in left:
        print(f"a test has left a process: {one.command}", file=sys.stderr)
    for path in files:
        print(f"a test has left a file: {path}", file=sys.stderr)
    end(left)
    return 1 if left or files else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
