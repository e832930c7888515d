"""What a process has used: processor time by thread, bytes written, memory."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

READ_BYTES = 1 << 20
"""At once, of files that are only to be cached."""
_CPUCLOCK_SCHED = 2
"""Of the kernel's names of clocks: what a process has run, in nanoseconds."""


def threads_s() -> dict[str, float]:
    """Processor seconds of each Python thread of this process but the main one."""
    used: dict[str, float] = {}
    for thread in threading.enumerate():
        if thread is threading.main_thread() or thread.ident is None:
            continue
        clock = time.pthread_getcpuclockid(thread.ident)
        used[thread.name] = used.get(thread.name, 0.0) + time.clock_gettime(clock)
    return used


def threads_written() -> dict[str, int]:
    """Bytes that each Python thread of this process has handed to the calls that write.

    Of nobody else, and whatever the disk makes of them.
    """
    written: dict[str, int] = {}
    for thread in threading.enumerate():
        name = "committer" if thread is threading.main_thread() else thread.name
        try:
            lines = Path(f"/proc/self/task/{thread.native_id}/io").read_text()
        except FileNotFoundError:
            continue
        for line in lines.splitlines():
            if line.startswith("wchar:"):
                written[name] = written.get(name, 0) + int(line.split()[1])
    return written


def process_ns(pid: int) -> int:
    """Processor time of a process, its ended threads too.

    By the process's own clock: in a short while that of ticks does not move.
    """
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)


def process_s(pid: int) -> float:
    """The same in seconds."""
    return process_ns(pid) / 1e9


def written_bytes(path: str) -> int:
    """Bytes written so far to the disk that holds `path`, by everybody.

    Where that is no block device, what this process has been charged with: more, since
    the system counts a large page whole when a part of it is written.
    """
    device = os.stat(path).st_dev
    stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    if stat.exists():
        return int(stat.read_text().split()[6]) * 512
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise OSError("/proc/self/io has no write_bytes")


def anonymous_bytes() -> int:
    """Resident memory of this process that is no file's: without the page cache."""
    return anonymous_of("self")


def anonymous_of(process: int | str) -> int:
    """The same of another process."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/{process}/status has no RssAnon")


def forget_pages(directory: Path) -> None:
    """Have the system forget what it caches of the files of a directory."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def recall_pages(directory: Path) -> None:
    """Have the system cache the files of a directory, as far as its memory goes."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(READ_BYTES):
                    pass


def need_room(directory: Path, size: int) -> None:
    """SystemExit, with words, if the disk of `directory` has not `size` bytes free."""
    free = shutil.disk_usage(directory).free
    if free < size:
        raise SystemExit(
            f"{directory} has {free / 1e9:.1f} GB free; this needs {size / 1e9:.1f} GB"
        )


@contextmanager
def scratch(parent: Path | None, name: str) -> Iterator[Path]:
    """A fresh directory that is removed at the end."""
    directory = mkdtemp(prefix=f"{name}-bench-", dir=parent)
    try:
        yield Path(directory)
    finally:
        shutil.rmtree(directory)
