"""Group commit: what waits becomes one group, one thread commits it, answers follow.

May use the core and the errors; knows no network. The queue, the loop that commits and
the joining of answers are the core's (`switch._core.Queue`) and need no GIL: Python
acts once a group and once a receiver of it, never once a payment.
"""

import asyncio
import itertools
import json
import logging
import time
import uuid
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from switch._core import (
    GROUP_MAX,
    ROW,
    RULES_RECORD,
    Ledger,
    Queue,
    Request,
    Rows,
)
from switch.codes import RULES_VERSION, Kind, Record, Result, RowFlag
from switch.errors import ClockError, FormatError, SpaceError, SwitchError

log = logging.getLogger("switch.committer")

CLOCK_LEAP_MAX_NS = 60 * 10**9
"""How far the wall clock may run ahead of the monotonic estimate (`core/queue.pxd`)."""
CLOCK_GAP_MAX_NS = 24 * 3600 * 10**9
"""A start later than this after the last row needs an explicit word."""
QUEUE_ROWS_MAX = 16 * GROUP_MAX
"""Rows that may wait when nothing else is configured."""
QUEUE_BYTES_MAX = 64 << 20
"""Bytes of tail that may wait when nothing else is configured."""
GATHER_MAX_S = 0.004
"""How long after the one before a group may begin while many requests arrive."""

Clock = npt.NDArray[np.uint64]
"""Wall and monotonic nanoseconds, read in place of the machine's clocks."""
Reply = bytes | Rows
"""What one request gives; several of payments give their outcomes joined."""
Answer = Reply | SwitchError
Receiver = Callable[[int, Answer], None]
"""Takes how many rows are answered, and their answer."""


class Committer:
    """The thread that commits, the queue before it, and who gets the answers."""

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
        self._clock = clock
        self._on_death = on_death
        self._queue = Queue(
            ledger,
            rows_max=queue_rows_max,
            tail_max=queue_bytes_max,
            gather_s=GATHER_MAX_S,
            clock=clock,
        )
        self._receivers: dict[int, Receiver] = {}
        self._tags = itertools.count(1)
        self._listeners: list[Callable[[], None]] = []

    # --- starting and stopping ---------------------------------------------------

    def start(self, *, accept_clock: bool = False) -> None:
        """Check the clock against the ledger's last row and start the thread.

        After more than CLOCK_GAP_MAX_NS, `accept_clock` must say that the clock is
        right; a row then records it. Rules that have not run before get a row as well.
        Raises ClockError without the word, SpaceError, StorageError, FormatError.
        """
        now = time.time_ns() if self._clock is None else int(self._clock[0])
        last = self._ledger.timestamp
        if last and now - last > CLOCK_GAP_MAX_NS:
            if not accept_clock:
                raise ClockError(
                    f"the clock is {(now - last) // (3600 * 10**9)} hours after the "
                    "ledger's last entry; if it is right, start once with "
                    "--accept-clock, otherwise set the clock"
                )
            self._record_clock(last, now)
        if self._ledger.rules_version < RULES_VERSION:
            self._record_rules(now)
        self._queue.start(self._ended)

    def stop(self, drain_s: float) -> bool:
        """Take no more, commit what waits within `drain_s` seconds, end the thread.

        What still waits then gets DeadError. True if nothing was left. Idempotent.
        """
        return self._queue.stop(drain_s)

    @property
    def alive(self) -> bool:
        """Whether requests are taken."""
        return not self._queue.stopping

    def _ended(self) -> None:
        if self._queue.died:
            log.critical("%s", self._queue.died)
            if self._on_death is not None:
                self._on_death()

    # --- answers, in the event loop ----------------------------------------------

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have `loop` hand the answers over, with one wake-up for each group at most.

        All that follows but `commit_now` belongs to its thread.
        """
        loop.add_reader(self._queue.fileno(), self._dispatch)

    def listen(self, callback: Callable[[], None]) -> None:
        """Call `callback` in the event loop after each wake-up, after the receivers.

        One or several groups have become durable, or were refused, since the last.
        """
        self._listeners.append(callback)

    def open(self, receiver: Receiver) -> int:
        """A tag, never given before, under which `receiver` gets answers.

        It is called at most once a group for requests of payments, once for each
        request of rows, in the order of submission, with the answer or one error:
        SpaceError, ClockError, DeadError (nothing was done), UnknownOutcomeError.
        """
        tag = next(self._tags)
        self._receivers[tag] = receiver
        return tag

    def close(self, tag: int) -> None:
        """Give no more answers under `tag`; what was submitted is still done."""
        del self._receivers[tag]

    def _dispatch(self) -> None:
        receivers = self._receivers
        for error, answers in self._queue.take():
            if isinstance(error, SpaceError | ClockError):
                log.warning("a group was refused: %s", error)
            for tag, rows, answer in answers:
                receiver = receivers.get(tag)
                if receiver is not None:
                    receiver(rows, answer)
        for listener in self._listeners:
            listener()

    # --- submitting --------------------------------------------------------------

    def submit(self, request: Request, tag: int) -> None:
        """Queue `request`; its answer comes under `tag` when it is durable.

        Never blocks on the disk. Raises OverloadError if the queue is full, DeadError
        after stop or death.
        """
        self._queue.submit(request, tag)

    def commit_now(self, request: Request) -> Reply:
        """Submit and wait until it is durable. Any thread but the event loop's.

        Raises what `submit` raises and a receiver gets.
        """
        return self._queue.commit(request)

    # --- the clock's row, and that of the rules ----------------------------------

    def _record_clock(self, last_ns: int, now_ns: int) -> None:
        """Commit the row that says the ledger knowingly skipped this time."""
        body = {"last_ns": last_ns, "now_ns": now_ns}
        result = self._record(bytes([Record.CLOCK]), body, now_ns)
        if result != Result.OK:
            raise ClockError(
                f"the ledger refused the row that records the clock, with {result}"
            )
        log.warning(
            "clock accepted: %d s after the last entry", (now_ns - last_ns) // 10**9
        )

    def _record_rules(self, now_ns: int) -> None:
        """Commit the row that says by which rules all that follows is decided."""
        before = self._ledger.rules_version
        record = np.zeros(1, RULES_RECORD)
        record["record"], record["version"] = Record.RULES, RULES_VERSION
        result = self._record(record.tobytes(), {"before": before}, now_ns)
        if result != Result.OK:
            raise FormatError(
                0, f"the ledger refused the row that records its rules, with {result}"
            )
        log.info("rules %d run from here on, before it were %d", RULES_VERSION, before)

    def _record(self, record: bytes, body: dict[str, int], now_ns: int) -> int:
        """Commit a register row of the switch's own; its result."""
        row = np.zeros(1, ROW)
        row["id"] = np.frombuffer(uuid.uuid4().bytes, np.uint8)
        row["kind"] = Kind.REGISTER
        row["flags"] = RowFlag.TAIL
        tail = record + json.dumps(body, sort_keys=True).encode()
        [outcome] = self._ledger.commit([Request.rows(row, [tail])], now_ns)
        assert not isinstance(outcome, bytes)
        return int(outcome[0]["result"])
