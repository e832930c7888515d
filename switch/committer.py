"""Group commit: what waits becomes one group, one thread commits it, replies follow.

May use the core and the errors; knows no network. Only this thread calls
`Ledger.commit`. A request is answered after the commit that holds it has returned,
and never before; a request whose group met a storage error has an unknown outcome.
"""

import asyncio
import errno
import json
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from switch._core import GROUP_MAX, ROW, TAIL_MAX, Ledger, Request, Rows
from switch.codes import Kind, Record, Result, RowFlag
from switch.errors import (
    ClockError,
    DeadError,
    OverloadError,
    SpaceError,
    SwitchError,
    UnknownOutcomeError,
)

log = logging.getLogger("switch.committer")

CLOCK_LEAP_MAX_NS = 60 * 10**9
"""How far the wall clock may run ahead of the monotonic estimate."""
CLOCK_GAP_MAX_NS = 24 * 3600 * 10**9
"""A start later than this after the last row needs an explicit word."""
QUEUE_ROWS_MAX = 16 * GROUP_MAX
"""Rows that may wait when nothing else is configured."""
QUEUE_BYTES_MAX = 64 << 20
"""Bytes of tail that may wait when nothing else is configured."""
GATHER_MAX_S = 0.004
"""How long after the one before a group may begin while many requests arrive."""
GATHER_STEP_S = 0.001
"""A group stops gathering when nothing has arrived for so long."""
GATHER_REQUESTS_MIN = 16
"""Requests in the group before from which on the next one gathers."""
IDLE_WAIT_MAX_S = 1.0
"""The longest sleep, so that a clock set anew and a dead ledger are noticed."""

Reply = bytes | Rows
"""What `Ledger.commit` gives for one request."""
Replies = list[Reply] | SwitchError
"""A group's replies to one callback in the order of submission, or one error."""
Callback = Callable[[Replies], None]
Loop = asyncio.AbstractEventLoop


class Clock(Protocol):
    """Where the time comes from; both in nanoseconds."""

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970."""

    def monotonic_ns(self) -> int:
        """A clock that is never set."""


class SystemClock:
    """The machine's clocks."""

    def wall_ns(self) -> int:
        """UTC, nanoseconds since 1970."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """A clock that is never set."""
        return time.monotonic_ns()


class ClockGuard:
    """Refuses a wall clock that leaps ahead of the time that has really passed.

    A leap would be final: rows never go back in time, so that every later row, day
    limit and deadline would follow it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall_ns = clock.wall_ns()
        self._monotonic_ns = clock.monotonic_ns()

    def read(self, last_ns: int) -> int:
        """The wall clock, if it can be trusted; `last_ns` is the last row's time.

        Raises ClockError while it runs more than CLOCK_LEAP_MAX_NS ahead.
        """
        wall = self._clock.wall_ns()
        monotonic = self._clock.monotonic_ns()
        ahead = wall - (self._wall_ns + monotonic - self._monotonic_ns)
        if ahead > CLOCK_LEAP_MAX_NS:
            raise ClockError(
                f"the wall clock runs {ahead // 10**9} s ahead of the time that has "
                "passed; nothing is taken until it is set right, or restart the "
                "switch if the clock is right now"
            )
        # While the clock is behind the last row, rows take the time after that one;
        # such a reading is no anchor, or its coming back would look like a leap.
        if wall > last_ns:
            self._wall_ns = wall
            self._monotonic_ns = monotonic
        return wall


class _Waiting(NamedTuple):
    request: Request
    callback: Callback
    loop: Loop | None


class Committer:
    """The one thread that commits, and the bounded queue before it."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        queue_rows_max: int = QUEUE_ROWS_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        clock: Clock | None = None,
        on_death: Callable[[], None] | None = None,
    ) -> None:
        """Nothing runs before `start`. `on_death` is called in the committer's thread.

        `queue_bytes_max` bounds the sum of `Request.size`.
        """
        self._ledger = ledger
        self._queue_rows_max = queue_rows_max
        self._queue_bytes_max = queue_bytes_max
        self._clock = clock or SystemClock()
        self._guard = ClockGuard(self._clock)
        self._on_death = on_death
        self._queue: deque[_Waiting] = deque()
        self._rows = 0
        self._bytes = 0
        self._closed: tuple[int, str] | None = None
        self._stopping = False
        self._asleep = False
        self._gathers = False
        self._expires = False
        self._begun_s = 0.0
        self._changed = threading.Condition(threading.Lock())
        self._listeners: tuple[tuple[Loop, Callable[[], None]], ...] = ()
        self._thread = threading.Thread(target=self._run, name="committer")

    # --- starting and stopping ---------------------------------------------------

    def start(self, *, accept_clock: bool = False) -> None:
        """Check the clock against the ledger's last row and start the thread.

        After more than CLOCK_GAP_MAX_NS, `accept_clock` must say that the clock is
        right; a row then records it. Raises ClockError without it, SpaceError,
        StorageError.
        """
        now = self._clock.wall_ns()
        last = self._ledger.timestamp
        if last and now - last > CLOCK_GAP_MAX_NS:
            if not accept_clock:
                raise ClockError(
                    f"the clock is {(now - last) // (3600 * 10**9)} hours after the "
                    "ledger's last entry; if it is right, start once with "
                    "--accept-clock, otherwise set the clock"
                )
            self._record_clock(last, now)
        self._thread.start()

    def stop(self, drain_s: float) -> bool:
        """Take no more, commit what waits within `drain_s` seconds, end the thread.

        What still waits then gets DeadError. True if nothing was left. Idempotent.
        """
        with self._changed:
            if self._closed is None:
                self._closed = (errno.ESHUTDOWN, "the switch is stopping")
            closed = self._closed
            self._stopping = True
            self._changed.notify_all()
        if not self._thread.is_alive():
            return True
        self._thread.join(drain_s)
        if not self._thread.is_alive():
            return True
        left = self._take_all()
        self._fail(left, DeadError(*closed))
        self._thread.join()
        return not left

    @property
    def alive(self) -> bool:
        """Whether requests are taken."""
        return self._closed is None

    def listen(self, loop: Loop, callback: Callable[[], None]) -> None:
        """Call `callback` in `loop` once after each group, with its replies."""
        with self._changed:
            self._listeners = (*self._listeners, (loop, callback))

    # --- submitting --------------------------------------------------------------

    def submit(
        self, request: Request, callback: Callback, loop: Loop | None = None
    ) -> None:
        """Queue `request`. Any thread; never blocks on the disk.

        When its group is durable, `callback` is called once, in `loop` (None: in the
        committer's thread, where it must be quick), with the replies to all of the
        group's requests that were submitted with this callback; or with one error:
        SpaceError, ClockError, DeadError (nothing was done), UnknownOutcomeError.
        Raises OverloadError if the queue is full, DeadError after stop or death.
        """
        rows = request.rows_count
        size = request.size
        with self._changed:
            if self._closed is not None:
                raise DeadError(*self._closed)
            if (
                self._rows + rows > self._queue_rows_max
                or self._bytes + size > self._queue_bytes_max
            ):
                raise OverloadError(
                    f"{self._rows} entries wait to be committed; try again later"
                )
            self._rows += rows
            self._bytes += size
            self._queue.append(_Waiting(request, callback, loop))
            if self._asleep:
                self._changed.notify()

    def commit_now(self, request: Request) -> Reply:
        """Submit and wait until it is durable. Not for the event loop's thread.

        Raises what `submit` raises and hands over.
        """
        done = threading.Event()
        answer: list[Replies] = []

        def receive(replies: Replies) -> None:
            answer.append(replies)
            done.set()

        self.submit(request, receive)
        done.wait()
        replies = answer[0]
        if isinstance(replies, SwitchError):
            raise replies
        return replies[0]

    # --- the thread --------------------------------------------------------------

    def _run(self) -> None:
        while True:
            group = self._next_group()
            if group is None:
                return
            try:
                now = self._guard.read(self._ledger.timestamp)
                replies = self._ledger.commit([one.request for one in group], now)
            except (ClockError, SpaceError) as error:
                self._refuse(group, error)
            except Exception as error:  # noqa: BLE001
                # Whatever it was, the group's outcome is not known here: fail-stop.
                self._die(group, error)
                return
            else:
                self._hand_over(group, replies)

    def _next_group(self) -> list[_Waiting] | None:
        """Wait for work: a group (empty if only holds are due), None at the end."""
        with self._changed:
            while not self._queue:
                if self._stopping:
                    return None
                wait_s = self._idle_s()
                if wait_s == 0 or self._ledger.dead:
                    # Only the index writer can kill it between groups; the next
                    # commit says so.
                    return []
                self._asleep = True
                self._changed.wait(wait_s)
                self._asleep = False
            if self._gathers:
                self._gather()
            # Requests that fill whole groups leave no room for holds that are due:
            # those get every second group.
            crowded = self._rows > GROUP_MAX // 2
            self._expires = crowded and not self._expires and self._idle_s() == 0
            if self._expires:
                return []
            self._begun_s = time.monotonic()
            group: list[_Waiting] = []
            rows = 0
            size = 0
            while self._queue:
                request = self._queue[0].request
                rows += request.rows_count
                size += request.size
                if group and (rows > GROUP_MAX or size > TAIL_MAX):
                    break
                group.append(self._queue.popleft())
                self._rows -= request.rows_count
                self._bytes -= request.size
            self._gathers = len(group) >= GATHER_REQUESTS_MIN
            return group

    def _gather(self) -> None:
        """Let a group grow while many small requests arrive.

        Each group costs the event loop a wake-up and each of its streams a message;
        at a group a millisecond these would be most of the work. A caller that waits
        for its answer before it sends again is never made to wait here.
        """
        until_s = self._begun_s + GATHER_MAX_S
        while self._rows < GROUP_MAX // 2 and not self._stopping:
            count = len(self._queue)
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            self._changed.wait(min(left_s, GATHER_STEP_S))
            if len(self._queue) == count:
                return

    def _idle_s(self) -> float:
        """Seconds until a hold is due, 0 if one is; IDLE_WAIT_MAX_S at the most."""
        due = self._ledger.expiry()
        if not due:
            return IDLE_WAIT_MAX_S
        left_ns = due - self._clock.wall_ns()
        if left_ns <= 0:
            return 0
        return min(left_ns / 1e9, IDLE_WAIT_MAX_S)

    def _refuse(self, group: list[_Waiting], error: SwitchError) -> None:
        """Nothing was done: say so, and try again with the next group."""
        log.warning("group of %d requests refused: %s", len(group), error)
        self._fail(group, error)
        if not group:
            # Holds are due but cannot be released yet; do not spin on them.
            with self._changed:
                if not self._queue and not self._stopping:
                    self._asleep = True
                    self._changed.wait(IDLE_WAIT_MAX_S)
                    self._asleep = False

    def _die(self, group: list[_Waiting], error: Exception) -> None:
        log.critical("the ledger is dead: %s", error, exc_info=error)
        closed = (getattr(error, "code", errno.EIO), f"the ledger is dead: {error}")
        with self._changed:
            self._closed = closed
            self._stopping = True
        self._fail(
            group,
            UnknownOutcomeError(
                "the switch failed while it committed; whether this was done is "
                "unknown: send the same ids again"
            ),
        )
        self._fail(self._take_all(), DeadError(*closed))
        if self._on_death is not None:
            self._on_death()

    def _take_all(self) -> list[_Waiting]:
        with self._changed:
            left = list(self._queue)
            self._queue.clear()
            self._rows = 0
            self._bytes = 0
        return left

    # --- handing over ------------------------------------------------------------

    def _hand_over(self, group: list[_Waiting], replies: list[Reply]) -> None:
        loops: dict[Loop | None, dict[Callback, list[Reply]]] = {}
        for at, _ in self._listeners:
            loops[at] = {}
        for (_, callback, loop), reply in zip(group, replies, strict=True):
            callbacks = loops.setdefault(loop, {})
            if callback in callbacks:
                callbacks[callback].append(reply)
            else:
                callbacks[callback] = [reply]
        for callback, mine in loops.pop(None, {}).items():
            callback(mine)
        for woken, callbacks in loops.items():
            listeners = [call for at, call in self._listeners if at is woken]
            _wake(woken, callbacks, listeners)

    def _fail(self, group: list[_Waiting], error: SwitchError) -> None:
        loops: dict[Loop | None, dict[Callback, SwitchError]] = {}
        for _, callback, loop in group:
            loops.setdefault(loop, {})[callback] = error
        for callback in loops.pop(None, {}):
            callback(error)
        for at, callbacks in loops.items():
            _wake(at, callbacks, [])

    # --- the clock's row ---------------------------------------------------------

    def _record_clock(self, last_ns: int, now_ns: int) -> None:
        """Commit the row that says the ledger knowingly skipped this time."""
        row = np.zeros(1, ROW)
        row["id"] = np.frombuffer(uuid.uuid4().bytes, np.uint8)
        row["kind"] = Kind.REGISTER
        row["flags"] = RowFlag.TAIL
        body = json.dumps({"last_ns": last_ns, "now_ns": now_ns}, sort_keys=True)
        tail = bytes([Record.CLOCK]) + body.encode()
        [outcome] = self._ledger.commit([Request.rows(row, [tail])], now_ns)
        assert not isinstance(outcome, bytes)
        if outcome[0]["result"] != Result.OK:
            raise ClockError(
                "the ledger refused the row that records the clock, with result "
                f"{int(outcome[0]['result'])}"
            )
        log.warning(
            "clock accepted: %d s after the last entry", (now_ns - last_ns) // 10**9
        )


def _deliver(
    callbacks: Mapping[Callback, Replies], listeners: list[Callable[[], None]]
) -> None:
    """Runs in an event loop, once a group."""
    for callback, replies in callbacks.items():
        callback(replies)
    for listener in listeners:
        listener()


def _wake(
    loop: Loop | None,
    callbacks: Mapping[Callback, Replies],
    listeners: list[Callable[[], None]],
) -> None:
    """One wake-up. A loop that is closed has nobody left to tell."""
    assert loop is not None
    try:
        loop.call_soon_threadsafe(_deliver, callbacks, listeners)
    except RuntimeError:
        if not loop.is_closed():
            raise
        log.warning("replies for an event loop that has ended are dropped")
