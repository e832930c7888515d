"""What holds for every test, whatever it tests.

No process that has used gRPC forks: gRPC's threads are not in the child, and its locks
and events are in both. `subprocess` starts programs without a fork, unless a function
is to run before the program or it is to be somebody else's.

No test begins just before midnight (IST) by the machine's own clock: what it does and
what it looks for are of one day. What happens at midnight is tested with clocks that
tests move.

What the tests of a file start ends with the file, however they end: a test may start a
server of its file anew. The test is named that has started what is left. A test that
failed keeps nothing open that would fail the next.
"""

import gc
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from tests.started import RUN, WORKER, Started, end, registry, wait

FORKING = ("preexec_fn", "user", "group", "extra_groups")
"""What makes `subprocess` fork in the middle of Python, or run as another user."""

IST_S, DAY_S = 19_800, 86_400
FILE_S, TEST_S = 90.0, 15.0
"""No file, and no test of a file, begins when less than that is left of a day."""

_failed: set[Path] = set()
"""The files of which a test has failed."""
_failed_tests: set[str] = set()
"""Tests that have failed, until they are torn down."""

# --- forks ----------------------------------------------------------------------------


class ForkError(Exception):
    """This process has used gRPC, and must not fork."""


_uses_grpc = ""
"""Where this process used gRPC first."""


def _note_grpc(made: type, begin: Callable[..., None]) -> Callable[..., None]:
    @wraps(begin)
    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        global _uses_grpc
        _uses_grpc = _uses_grpc or f"{made.__module__}.{made.__qualname__}"
        begin(self, *args, **kwargs)

    return noting


def check_fork() -> None:
    """Raises ForkError once this process has used gRPC."""
    if _uses_grpc:
        raise ForkError(
            f"this process has used gRPC ({_uses_grpc}) and must not fork: start a"
            " program (tests/forked.py), or mark the file's tests `forks`"
        )


def _watch_grpc() -> None:
    from grpc import _channel, _server
    from grpc.aio import _channel as aio_channel
    from grpc.aio import _server as aio_server

    for made in (
        _channel.Channel,
        _server._Server,
        aio_channel.Channel,
        aio_server.Server,
    ):
        begin = getattr(made, "__init__")  # noqa: B009 - a method
        setattr(made, "__init__", _note_grpc(made, begin))  # noqa: B010


def _watch_forks() -> None:
    for name in ("fork", "forkpty"):
        fork = getattr(os, name)

        @wraps(fork)
        def checked(fork: Callable[[], Any] = fork) -> Any:
            check_fork()
            return fork()

        setattr(os, name, checked)

    begin = subprocess.Popen.__init__

    @wraps(begin)
    def started(self: Any, *args: Any, **kwargs: Any) -> None:
        if any(kwargs.get(name) is not None for name in FORKING):
            check_fork()
        begin(self, *args, **kwargs)
        registry.note(self.pid, self)

    setattr(subprocess.Popen, "__init__", started)  # noqa: B010 - a method


# --- what is left ---------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Every process that is started from here on says whose it is."""
    os.environ[WORKER] = f"{os.environ.get(RUN, '')}-{os.getpid()}"
    _watch_grpc()
    _watch_forks()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let midnight pass where it is near; a file's tests share what they have paid."""
    global _path
    is_first, _path = item.path != _path, item.path
    left_s = left_of_day_s(time.time())
    if left_s < (FILE_S if is_first else TEST_S):
        time.sleep(left_s + 0.5)


_path: Path | None = None
"""Of the file whose tests run."""


def left_of_day_s(time_s: float) -> float:
    """The seconds until midnight."""
    return DAY_S - (time_s + IST_S) % DAY_S


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any],
) -> Generator[None, Any, Any]:
    """What is started here ends with the fixture."""
    before, registry.scope = registry.scope, fixturedef.scope
    try:
        return (yield)
    finally:
        registry.scope = before


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember what failed, and let go of what its frames hold."""
    report = yield
    if report.failed:
        _failed.add(item.path)
        _failed_tests.add(item.nodeid)
        registry.hold()
        if call.excinfo is not None:
            let_go(call.excinfo.value)
    return report


def let_go(error: BaseException) -> None:
    """Close what is held by the frames of an error that was reported."""
    chain: list[BaseException | None] = [error]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while chain:
            one = chain.pop()
            if one is not None:
                chain += [one.__cause__, one.__context__]
                traceback.clear_frames(one.__traceback__)
                for frame, _ in traceback.walk_tb(one.__traceback__):
                    # Up to Python 3.12 a copy that the report was made of; it is made
                    # again, of nothing.
                    _ = frame.f_locals
                one.__context__ = one.__cause__ = None
        if not _uses_grpc:
            gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, None, None]:
    """What was started by a file's tests has ended with the last of them."""
    is_last = nextitem is None or nextitem.path != item.path
    try:
        return (yield)
    finally:
        if item.nodeid in _failed_tests:
            _failed_tests.discard(item.nodeid)
            end(registry.running("function"))
            # Nobody reads any more what it would have read.
            registry.close_pipes()
        if is_last:
            check_ended(item.path)


def check_ended(path: Path) -> None:
    """End what the tests of a file have left. Raises AssertionError, unless one of them
    has failed for another reason.
    """
    has_failed = path in _failed or sys.exc_info()[0] is not None
    processes = registry.running("module") + registry.strangers()
    left = processes if has_failed else wait(processes)
    end(left)
    if has_failed:
        registry.close_pipes()
    said = [f"a process was left: {one.command}" for one in left] + collect()
    if said and not has_failed:
        raise AssertionError("\n".join(said))


def collect() -> list[str]:
    """Collect garbage now, so that the file is named that has left something open.

    Not in a process that has used gRPC: its objects may not be collected while its
    threads still serve them, and the process dies of a segmentation fault.
    """
    if _uses_grpc:
        return []
    said: list[str] = []
    hook = sys.unraisablehook
    sys.unraisablehook = lambda found: said.append(
        f"{type(found.exc_value).__name__}: {found.exc_value}"
    )
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook
    return said


def pytest_sessionfinish(session: pytest.Session) -> None:
    """All fixtures have ended by now."""
    if session.config.pluginmanager.hasplugin("dsession"):
        return  # it has started the processes of pytest, which look for themselves
    said = [one.command for one in ended_late(registry.running("session"))]
    if os.environ.get(RUN) and "PYTEST_XDIST_WORKER" in os.environ:
        folder = Path(tempfile.gettempdir())
        with (folder.parent / "left").open("a") as file:
            file.writelines(f"a process was left: {line}\n" for line in said)
    elif said:
        print("\na process was left: " + "\n".join(said), file=sys.stderr)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def ended_late(processes: Iterable[Started]) -> list[Started]:
    """Those that had to be ended."""
    left = wait(processes)
    end(left)
    return left
