"""Goal: nothing is done that the log beyond this machine does not have, and what became
of a group is said as it is: done, not done, or unknown.

Method: a log in memory answers as it is told, or not yet. What a commit, the queue and
who waits in it are told is compared with the journal that the next opening finds; what
is seen before the log has answered is in `test_in_flight.py`.
"""

import ctypes
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch._core import (
    LOG_DONE,
    LOG_FENCED,
    LOG_UNKNOWN,
    Ledger,
    Queue,
    Request,
)
from switch.codes import Kind
from switch.errors import (
    DeadError,
    NotLeaderError,
    StorageError,
    SwitchError,
    UnknownOutcomeError,
)
from switch.ledger.committer import Committer
from tests.core.chunks import MemoryLog, head_of, last_of, read_chunks
from tests.core.network import NOW
from tests.core.queues import OPTIONS, WAIT_S, refused, until
from tests.core.race import Api
from tests.core.race import Request as Submitted
from tests.core.scheduled import Scheduled, schedule
from tests.core.test_follow import follower_of

WITHOUT = {**OPTIONS, "threads": False}
NUMBER, POINTER = ctypes.c_int, ctypes.c_void_p
NOT_LEADER = -40015


class Killed(BaseException):
    """As a process that ends in the midst of its append."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """One with a past of its own, which then goes on through a log."""
    with Ledger(str(tmp_path / "ledger"), **WITHOUT) as made:
        made.commit([refused(2)], NOW)
        yield made


def queue_of(ledger: Ledger) -> Queue:
    return Queue(ledger, clock=np.array([NOW + 10**9, 0, 0], np.uint64))


def test_each_chunk_is_in_the_log_first(ledger: Ledger) -> None:
    log = MemoryLog()
    seen: list[tuple[int, int]] = []

    def append(chunk: bytes) -> int:
        seen.append((ledger.sequence, last_of(chunk)))
        return log(chunk)

    assert ledger.head.epoch == 0
    ledger.replicate(append, 7)
    # The epoch of the last chunk is what it was until there is another.
    assert ledger.head.epoch == 0
    for count in (1, 3, 2):
        ledger.commit([refused(count)], NOW)
    assert seen == [(2, 3), (3, 6), (6, 8)]
    assert ledger.head == (8, head_of(log.chunks[-1])["check"], 4, 7)
    assert read_chunks(Path(ledger.path))[1:] == log.chunks
    assert [head_of(one)["epoch"] for one in log.chunks] == [7, 7, 7]
    ledger.commit([], NOW)
    assert log.tries == 3


def test_a_log_is_said_once_and_its_epoch_does_not_fall(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger")
    with Ledger(path, **WITHOUT) as ledger:
        ledger.replicate(MemoryLog(), 7)
        with pytest.raises(ValueError, match="a log already"):
            ledger.replicate(MemoryLog(), 8)
        ledger.commit([refused()], NOW)
    with Ledger(path, **WITHOUT) as ledger:
        assert ledger.head.epoch == 7
        # Without its log it takes nothing of its own, and is none the worse for it.
        with pytest.raises(NotLeaderError):
            ledger.commit([refused()], NOW)
        assert ledger.dead == ""
        assert not ledger.fenced
        assert not ledger.unsettled
        with pytest.raises(ValueError, match="later epoch"):
            ledger.replicate(MemoryLog(), 6)
        for wrong in (-1, 2**63, 2**64):
            with pytest.raises((ValueError, OverflowError)):
                ledger.replicate(MemoryLog(), wrong)
        with pytest.raises(TypeError, match="appends"):
            ledger.replicate(b"no log", 8)
        ledger.replicate(MemoryLog(), 7)
        ledger.commit([refused()], NOW)
        assert ledger.head[0] == 2
    with pytest.raises(DeadError):
        ledger.replicate(MemoryLog(), 7)


OUTCOMES: list[tuple[str, int | BaseException, type[SwitchError]]] = [
    ("fenced", LOG_FENCED, NotLeaderError),
    ("unknown", LOG_UNKNOWN, UnknownOutcomeError),
    ("another number", 4_711, UnknownOutcomeError),
    ("a negative one", -1, UnknownOutcomeError),
    ("an error", OSError("no network"), UnknownOutcomeError),
    ("an end", Killed(), UnknownOutcomeError),
    ("no number", TypeError(), UnknownOutcomeError),
]


@pytest.mark.parametrize(("what", "outcome", "error"), OUTCOMES)
def test_what_is_not_done_is_not_there(
    ledger: Ledger, what: str, outcome: int | BaseException, error: type[SwitchError]
) -> None:
    log, path = MemoryLog(), ledger.path
    ledger.replicate(log, 1)
    ledger.commit([refused(3)], NOW)
    head, hash_ = ledger.head, ledger.state_hash()
    log.outcome = outcome
    with pytest.raises(error) as caught:
        ledger.commit([refused(5)], NOW)
    if isinstance(outcome, BaseException):
        assert caught.value.__cause__ is outcome
    # Nothing is shown, nothing more is taken, and the log is not asked again.
    assert ledger.head == head
    assert len(ledger.rows(1, 100)) == 5
    log.outcome = LOG_DONE
    fenced = error is NotLeaderError
    assert (ledger.fenced, ledger.unsettled) == (fenced, not fenced)
    assert ("another node leads" in ledger.dead) == fenced
    for call in (
        lambda: ledger.commit([refused()], NOW),
        lambda: ledger.commit([], NOW),
        lambda: ledger.replicate(log, 9),
        lambda: ledger.follow(log.chunks),
        ledger.state_hash,
    ):
        with pytest.raises(NotLeaderError if fenced else DeadError):
            call()
    assert log.tries == 2
    ledger.close()
    with Ledger(path, **WITHOUT) as again:
        assert again.head == head
        assert again.state_hash() == hash_
        again.replicate(log, 1)
        again.commit([refused(5)], NOW)
        assert again.sequence == 10


@pytest.mark.parametrize(("what", "outcome", "error"), OUTCOMES[:2])
def test_who_waits_in_the_queue_hears_it(
    tmp_path: Path, what: str, outcome: int, error: type[SwitchError]
) -> None:
    log = MemoryLog()
    asked, go = threading.Event(), threading.Event()

    def append(chunk: bytes) -> int:
        asked.set()
        assert go.wait(WAIT_S)
        return log(chunk)

    with Ledger(str(tmp_path / "ledger"), **OPTIONS) as ledger:
        ledger.replicate(append, 1)
        log.outcome = outcome
        queue = queue_of(ledger)
        ended = threading.Event()
        queue.start(ended.set)
        queue.submit(refused(2), 1)
        assert asked.wait(WAIT_S)
        queue.submit(refused(3), 2)
        blocked = Blocked(queue, refused())
        until(lambda: queue.rows_waiting == 4)
        assert queue.take() == []
        go.set()
        assert ended.wait(WAIT_S)
        # The group itself may be unknown; of what waited behind it nothing was done.
        behind = error if error is NotLeaderError else DeadError
        told = {
            tag: type(answer)
            for _, answers in queue.take()
            for tag, _, answer in answers
        }
        assert told == {1: error, 2: behind}
        assert type(blocked.error()) is behind
        for call in (
            lambda: queue.submit(refused(), 3),
            lambda: queue.commit(refused()),
        ):
            with pytest.raises(behind):
                call()
        assert queue.meter().refused == 1
        assert queue.stop(WAIT_S)
        assert ledger.fenced == (error is NotLeaderError)
        assert queue.died.startswith("the ledger is dead: ")
        assert ledger.sequence == 0
    assert log.tries == 1


def test_who_waits_in_c_hears_it(tmp_path: Path) -> None:
    log = MemoryLog()
    asked, go = threading.Event(), threading.Event()

    def append(chunk: bytes) -> int:
        asked.set()
        assert go.wait(WAIT_S)
        return log(chunk)

    log.outcome = LOG_FENCED
    with Ledger(str(tmp_path / "ledger"), **OPTIONS) as ledger:
        ledger.replicate(append, 1)
        queue = queue_of(ledger)
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = POINTER, (ctypes.py_object, ctypes.c_char_p)
        capsule = queue.capsule()
        api = Api.from_address(get(capsule, b"switch._core.queue_api"))
        assert api.version == 4
        taker = ctypes.CFUNCTYPE(NUMBER, POINTER, POINTER)(api.open)(api.queue, None)
        submit = ctypes.CFUNCTYPE(NUMBER, POINTER, NUMBER, POINTER)(api.submit)
        take = ctypes.CFUNCTYPE(NUMBER, POINTER, NUMBER, POINTER)(api.take)
        release = ctypes.CFUNCTYPE(None, POINTER, NUMBER, POINTER)(api.release)
        queue.start()
        queue.submit(refused(), 1)
        assert asked.wait(WAIT_S)
        request = Submitted(b"\x0a\x00", 2, 1, 1, 0, 0, 7, None)
        assert submit(api.queue, taker, ctypes.byref(request)) == 0
        go.set()
        taken = Taken()
        until(lambda: take(api.queue, taker, ctypes.byref(taken)) == 1)
        assert taken.rc == NOT_LEADER
        release(api.queue, taker, ctypes.byref(taken))
        assert submit(api.queue, taker, ctypes.byref(request)) == NOT_LEADER
        assert queue.stop(WAIT_S)


class Blocked:
    """A thread that waits for its own commit."""

    def __init__(self, queue: Queue, request: Request) -> None:
        self._error: BaseException | None = None

        def commit() -> None:
            try:
                queue.commit(request)
            except SwitchError as error:
                self._error = error

        self._thread = threading.Thread(target=commit)
        self._thread.start()

    def error(self) -> BaseException | None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        return self._error


def test_a_committer_says_it_too(tmp_path: Path) -> None:
    log = MemoryLog()
    with Ledger(str(tmp_path / "ledger"), **OPTIONS) as ledger:
        ledger.replicate(log, 1)
        died = threading.Event()
        clock = np.array([NOW, 0, 0], np.uint64)
        committer = Committer(ledger, clock=clock, on_death=died.set)
        # The row of the rules goes through the log as well.
        committer.start()
        assert len(log.chunks) == 1
        log.outcome = LOG_FENCED
        with pytest.raises(NotLeaderError):
            committer.commit_now(refused())
        assert died.wait(WAIT_S)
        with pytest.raises(NotLeaderError):
            committer.submit(refused(), committer.open(lambda rows, answer: None))
        assert committer.stop(WAIT_S)


def test_a_start_without_its_log_is_refused(tmp_path: Path) -> None:
    log = MemoryLog()
    log.outcome = LOG_FENCED
    with Ledger(str(tmp_path / "ledger"), **OPTIONS) as ledger:
        ledger.replicate(log, 1)
        committer = Committer(ledger, clock=np.array([NOW, 0, 0], np.uint64))
        with pytest.raises(NotLeaderError):
            committer.start()
        committer.stop(0)


def test_windows_of_cut_offs_go_through_it(tmp_path: Path) -> None:
    log = MemoryLog()
    day = Scheduled(tmp_path / "ledger")
    day.ledger.replicate(log, 1)
    day.register(schedule([17 * 60 + 30]))
    before, cutoff = day.ledger.sequence, day.ledger.expiry()
    assert cutoff > day.now
    # A window in a group of its own, and then the rest.
    day.commit(day.move(500), now=cutoff)
    assert len(log.chunks) == 3
    assert day.rows(before + 1)["kind"].tolist() == [Kind.WINDOW, Kind.TRANSFER]
    with follower_of(day.ledger, tmp_path / "follower") as follower:
        follower.follow(read_chunks(day.path))
        assert follower.last_window == before + 1
        assert follower.expiry() == day.ledger.expiry() > cutoff
    log.outcome = LOG_FENCED
    with pytest.raises(NotLeaderError):
        day.commit(day.move(500), now=day.ledger.expiry())
    # The window was refused; nobody has decided what came for the next one.
    assert day.ledger.fenced
    assert day.ledger.sequence == before + 2
    day.close()


def test_in_the_log_and_not_on_the_disk(tmp_path: Path) -> None:
    log = MemoryLog()
    path = str(tmp_path / "small")
    with Ledger(path, **{**WITHOUT, "map_size": 1 << 19}) as ledger:
        ledger.replicate(log, 1)
        with pytest.raises(StorageError, match="MAP_FULL"):  # noqa: PT012
            for _ in range(20):
                ledger.commit([refused(500)], NOW)
        head = ledger.head
        assert not ledger.fenced
        assert not ledger.unsettled
        assert ledger.dead
        # The last one is in the log alone.
        assert len(log.chunks) == head.ordinal + 1
    with Ledger(path, **WITHOUT) as ledger:
        assert ledger.head == head
        assert ledger.follow(log.chunks) == 500 * len(log.chunks)
        with follower_of(ledger, tmp_path / "other") as other:
            other.follow(log.chunks)
            assert other.head == ledger.head
            assert other.state_hash() == ledger.state_hash()


# --- in C ----------------------------------------------------------------------------


class Taken(ctypes.Structure):
    """`struct queue_taken`."""

    _fields_ = [
        ("group", POINTER),
        ("rc", NUMBER),
        ("ahead_ns", ctypes.c_int64),
        ("parts_count", ctypes.c_uint32),
        ("parts", POINTER),
    ]


class LogApi(ctypes.Structure):
    """`struct log_api`."""

    _fields_ = [("version", ctypes.c_uint32), ("log", POINTER), ("append", POINTER)]


class InC:
    """A log behind the struct of functions, in a capsule."""

    def __init__(self, version: int = 1, name: bytes = b"switch._core.log_api") -> None:
        self.calls: list[tuple[Any, bytes]] = []
        kind = ctypes.CFUNCTYPE(NUMBER, POINTER, POINTER, ctypes.c_size_t)
        self._append = kind(self._called)
        self.api = LogApi(version, 4_711, ctypes.cast(self._append, POINTER))
        self._name = name

    def _called(self, log: Any, chunk: int, size: int) -> int:
        self.calls.append((log, ctypes.string_at(chunk, size)))
        return LOG_DONE if len(self.calls) < 3 else LOG_FENCED

    def capsule(self) -> object:
        make = ctypes.pythonapi.PyCapsule_New
        make.restype = ctypes.py_object
        make.argtypes = [POINTER, ctypes.c_char_p, POINTER]
        return make(ctypes.addressof(self.api), self._name, None)


def test_a_log_in_c(ledger: Ledger) -> None:
    log = InC()
    ledger.replicate(log.capsule(), 2)
    for _ in range(2):
        ledger.commit([refused()], NOW)
    with pytest.raises(NotLeaderError):
        ledger.commit([refused()], NOW)
    assert [context for context, _ in log.calls] == [4_711] * 3
    assert [chunk for _, chunk in log.calls[:2]] == read_chunks(Path(ledger.path))[1:]


def test_a_capsule_of_another_sort(ledger: Ledger) -> None:
    other, named = InC(version=2), InC(name=b"something.else")
    with pytest.raises(ValueError, match="another version"):
        ledger.replicate(other.capsule(), 1)
    with pytest.raises(ValueError, match="PyCapsule"):
        ledger.replicate(named.capsule(), 1)
    ledger.replicate(MemoryLog(), 1)
    ledger.commit([refused()], NOW)
