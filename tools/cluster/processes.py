"""Processes that outlive who starts them, each known by a file of its number.

A number alone may be another's by now: the file also has the time at which the
process began, as the kernel says it.
"""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

USER = "postgres"
"""Who runs the databases if we are root: PostgreSQL refuses to."""


def as_default() -> None:
    """A termination ends like Ctrl-C: what was started is ended in order."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def owner() -> tuple[int, int]:
    """User and group of what the databases own."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    entry = pwd.getpwnam(USER)
    return entry.pw_uid, entry.pw_gid


def as_owner(command: Sequence[str]) -> list[str]:
    """The command run as that user; it stays one process."""
    if os.geteuid() != 0:
        return list(command)
    uid, gid = owner()
    ids = ["--reuid", str(uid), "--regid", str(gid), "--init-groups"]
    return ["setpriv", *ids, "--", *command]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the owner's processes find: a home that is theirs, and no locale of ours.

    libpq looks for certificates in HOME, and fails if it may not look.
    """
    home = str(Path(pwd.getpwuid(owner()[0]).pw_dir))
    return {
        "HOME": home,
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        **(more or {}),
    }


def began(pid: int) -> str:
    """When a process began, in ticks; empty if there is none, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # Behind the name, which may hold anything: state, …, and the 22nd field.
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def children(pids: Iterable[int]) -> set[int]:
    """These processes and all that descend from them."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    waiting = [pid for pid in pids if began(pid)]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += parents.get(pid, [])
    return found


def kill(pids: Iterable[int]) -> None:
    """End them at once, and wait until they are gone."""
    pids = list(pids)
    for pid in pids:
        send(pid, signal.SIGKILL)
    wait_gone(pids, 10.0)


def send(pid: int, number: int) -> None:
    """Send a signal, if the process is still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def wait_gone(pids: Iterable[int], timeout_s: float) -> bool:
    """Wait until none of them is there; whether it came to that."""
    return until(lambda: not any(began(pid) for pid in pids), timeout_s)


def until(
    condition: Callable[[], object], timeout_s: float, pause_s: float = 0.05
) -> bool:
    """Wait until it holds; whether it did within the time."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(pause_s)
    return True


class Process:
    """One process by its name below a folder: `NAME.pid`, `NAME.log`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.file = folder / f"{name}.pid"
        self.log = folder / f"{name}.log"

    @property
    def pid(self) -> int:
        """Its number, 0 if it is not running."""
        try:
            number, _, ticks = self.file.read_text().strip().partition(" ")
        except OSError:
            return 0
        return int(number) if ticks and began(int(number)) == ticks else 0

    def start(
        self,
        command: Sequence[str],
        more: Mapping[str, str] | None = None,
        *,
        ours: bool = False,
    ) -> None:
        """Start it in a session of its own; it is not waited for.

        `ours`: with our environment and working directory, not the owner's.
        """
        assert not self.pid, f"{self.name} is running"
        with self.log.open("ab") as log:
            started = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=None if ours else "/",
                start_new_session=True,
                env=None if ours else environment(more),
            )
        self.file.write_text(f"{started.pid} {began(started.pid)}\n")

    def kill(self) -> None:
        """End it and what descends from it, at once."""
        kill(children([self.pid] if self.pid else []))
        self.file.unlink(missing_ok=True)

    def stop(self, timeout_s: float) -> bool:
        """Ask it to end; kill it if it does not. Whether it did by itself."""
        pid = self.pid
        if not pid:
            self.file.unlink(missing_ok=True)
            return True
        tree = children([pid])
        send(pid, signal.SIGTERM)
        ended = wait_gone([pid], timeout_s)
        kill(one for one in tree if began(one))
        self.file.unlink(missing_ok=True)
        return ended
