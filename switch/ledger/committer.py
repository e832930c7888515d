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
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from switch._core import (
    GROUP_MAX,
    RULES_RECORD,
    Ledger,
    Queue,
    Request,
    Rows,
)
from switch.codes import RULES_VERSION, Kind, Link, Record, Result
from switch.errors import (
    ClockError,
    FormatError,
    NotLeaderError,
    SpaceError,
    SwitchError,
)
from switch.ids import new_id
from switch.ledger.start_clock import (
    duration,
    gap_error,
    gap_to_explain,
    kernel_may_vouch,
)
from switch.ledger.templates import Templates, template
from switch.readings import ClockState, GroupMeter

log = logging.getLogger("switch.committer")

CLOCK_LEAP_MAX_NS = 60 * 10**9
"""How far the wall clock may run ahead of the boot-time clock (`core/queue.pxd`)."""
CLOCK_KERNEL_MAX_NS = 3600 * 10**9
"""How far if the kernel says that it is synchronised (`core/queue.pxd`)."""
QUEUE_ROWS_MAX = 16 * GROUP_MAX
"""Rows that may wait when nothing else is configured."""
QUEUE_BYTES_MAX = 64 << 20
"""Bytes of tail that may wait when nothing else is configured."""
GATHER_MAX_S = 0.001
"""How long after the one before a group may begin while many requests arrive."""
COMPLAINT_S = 1.0
"""Between two lines in the log about groups that are refused."""
TAKE_AGAIN_S = 0.05
"""Until answers are fetched again for which there was no memory."""

Clock = npt.NDArray[np.uint64]
"""Wall time and boot time in nanoseconds, and the kernel's word: 1 if it is
synchronised, 0 if not, minus an errno if it does not say. Read in place of the
machine's own."""
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
        follows: bool = False,
    ) -> None:
        """Nothing runs before `start`. `on_death` is called in the committer's thread.

        One that `follows` takes nothing before `start`: the ledger is another's copy.

        `queue_bytes_max` bounds the bytes of requests together with those of the tails
        that they can add. Of both a sender has at most half of what others leave
        (`core/engine/senders.pxi`).
        """
        self._ledger = ledger
        self._clock = clock
        self._on_death = on_death
        self._follows = follows
        self._queue = Queue(
            ledger,
            rows_max=queue_rows_max,
            bytes_max=queue_bytes_max,
            gather_s=GATHER_MAX_S,
            clock=clock,
        )
        self._receivers: dict[int, Receiver] = {}
        self._tags = itertools.count(1)
        self._listeners: list[Callable[[], None]] = []
        self._leapt_at: float | None = None
        # No complaint about refused groups before that.
        self._complains_at = 0.0
        self.failures = 0
        """Receivers and listeners that failed; each is in the log."""
        # Seconds without rows before a start by the kernel's word, and when that was.
        self._kernel_gap_s = 0.0
        self._kernel_start_s = 0.0

    # --- starting and stopping ---------------------------------------------------

    def start(self, *, accept_clock: bool = False, margin: bytes = b"") -> None:
        """Check the clock against the ledger's last row and start the thread.

        Where the gap is one to explain (`start_clock`), `accept_clock` must say that
        the clock is right, or the kernel if its word is enough; a row then records it.
        Rules that have not run before get a row as well, and so has `margin`, the
        record of the margins, if it is not the newest. Raises ClockError without the
        word, SpaceError, StorageError, FormatError, CorruptionError.
        """
        state, cause = self._start_clock(accept_clock=accept_clock)
        rows = []
        if cause:
            gap = state.wall_ns - self._ledger.timestamp
            rows.append(clock_row(state._replace(ahead_ns=gap), cause))
        before = self._ledger.rules_version
        if before < RULES_VERSION:
            rows.append(_rules_row(before))
        if margin and margin != self._newest_margin():
            rows.append(_margin_row(margin))
        self._commit_first(rows, state.wall_ns)
        if cause:
            # What has passed until now is explained; this reading is the anchor.
            self._queue.anchor_clock(state)
            self._tell_start(gap, cause)
        if before < RULES_VERSION:
            log.info(
                "rules %d run from here on, before it were %d", RULES_VERSION, before
            )
        self._follows = False
        self._queue.start(self._ended)

    def _newest_margin(self) -> bytes:
        sequence = self._ledger.link(0, Link.MARGIN)
        return self._ledger.tail(sequence) if sequence else b""

    def check_clock(self) -> None:
        """Raise ClockError if `start` would want a person's word for the clock now."""
        self._start_clock(accept_clock=False)

    def waits_for_kernel(self) -> int:
        """The gap since the last row, in ns, if `start` would go on once the kernel
        says that it is synchronised, and it does not say so now; else 0. Raises OSError
        if the kernel cannot be asked.
        """
        gap = self._gap(self._queue.clock_state())
        if not kernel_may_vouch(gap) or self._queue.vouched_clock() is not None:
            return 0
        return gap

    def _start_clock(self, *, accept_clock: bool) -> tuple[ClockState, str]:
        """The reading to start with, and the cause of the row that explains the gap
        before it; an empty cause if the gap is a usual one. Raises ClockError.
        """
        state = self._queue.clock_state()
        gap = self._gap(state)
        if not gap:
            return state, ""
        if accept_clock:
            return state, "start"
        if not kernel_may_vouch(gap):
            raise gap_error(gap)
        try:
            vouched = self._queue.vouched_clock()
        except OSError as error:
            why = f"the kernel cannot be asked about it ({error.strerror})"
            raise gap_error(gap, why) from error
        if vouched is None:
            raise gap_error(gap, "the kernel does not say that it is synchronised")
        # The reading that the kernel's words stand around, not the one before them.
        gap = self._gap(vouched)
        if gap and not kernel_may_vouch(gap):
            raise gap_error(gap)
        return vouched, "kernel" if gap else ""

    def _gap(self, state: ClockState) -> int:
        return gap_to_explain(self._ledger.timestamp, state.wall_ns)

    def _tell_start(self, gap_ns: int, cause: str) -> None:
        if cause != "kernel":
            log.warning("clock accepted: %s the last entry", duration(gap_ns))
            return
        self._kernel_gap_s, self._kernel_start_s = gap_ns / 1e9, time.monotonic()
        log.critical(
            "ALARM: nobody was asked about the clock, which is %s the last entry: the "
            "kernel says that it is synchronised, and a row says so; compare it with "
            "another clock",
            duration(gap_ns),
        )

    def stop(self, drain_s: float) -> bool:
        """Take no more, commit what waits within `drain_s` seconds, end the thread.

        What still waits then gets DeadError. True if nothing was left. Idempotent.
        """
        return self._queue.stop(drain_s)

    def capsule(self) -> object:
        """The queue for another extension (`core/queue_api.h`)."""
        return self._queue.capsule()

    @property
    def alive(self) -> bool:
        """Whether requests are taken."""
        return not self._queue.stopping

    @property
    def rows_waiting(self) -> int:
        """Rows that wait for a commit."""
        return self._queue.rows_waiting

    @property
    def bytes_waiting(self) -> int:
        """Bytes of their bodies, and of the tails that these may need."""
        return self._queue.bytes_waiting

    def meter(self) -> GroupMeter:
        """How large groups are and how long their commits take. Any thread."""
        return self._queue.meter()

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
        self._loop = loop
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
        self._receivers.pop(tag, None)

    def _dispatch(self) -> None:
        try:
            groups = self._queue.take()
        except MemoryError:
            # The queue keeps what it could not give; nothing wakes us for it again.
            log.critical("no memory for answers; they are fetched again in a moment")
            self._loop.call_later(TAKE_AGAIN_S, self._dispatch)
            return
        for error, answers in groups:
            if isinstance(error, SpaceError | ClockError):
                self._complain(error)
            if not isinstance(error, ClockError):
                if self._leapt_at is not None:
                    log.warning("the clock is believed again; a row says why")
                self._leapt_at = None
            elif self._leapt_at is None:
                self._leapt_at = time.monotonic()
            for tag, rows, answer in answers:
                self._give(tag, rows, answer)
        for listener in self._listeners:
            try:
                listener()
            except Exception:
                # The others hear of the group all the same.
                self.failures += 1
                log.exception("a listener failed")

    def _complain(self, error: SwitchError) -> None:
        """Groups are refused by the hundred each second, perhaps for hours."""
        now = self._loop.time()
        if now >= self._complains_at:
            self._complains_at = now + COMPLAINT_S
            log.warning("groups are refused: %s", error)

    def _give(self, tag: int, rows: int, answer: Answer) -> None:
        """One answer to whom it belongs. Their failure is theirs alone."""
        receiver = self._receivers.get(tag)
        if receiver is None:
            return
        try:
            receiver(rows, answer)
        except Exception:
            # What it kept is no longer to be relied on: it gets no more.
            self.failures += 1
            log.exception("a receiver failed with the answer to %d rows", rows)
            self.close(tag)

    # --- submitting --------------------------------------------------------------

    def submit(self, request: Request, tag: int) -> None:
        """Queue `request`; its answer comes under `tag` when it is durable.

        Never blocks on the disk. Raises OverloadError if the queue is full, or too much
        of the same sender waits; DeadError after stop or death; NotLeaderError while it
        follows.
        """
        self._check_leads()
        self._queue.submit(request, tag)

    def commit_now(self, request: Request) -> Reply:
        """Submit and wait until it is durable. Any thread but the event loop's.

        Raises what `submit` raises and a receiver gets.
        """
        self._check_leads()
        return self._queue.commit(request)

    def _check_leads(self) -> None:
        if self._follows:
            raise NotLeaderError("this node follows another one: nothing was done")

    # --- the clock, and the rules ------------------------------------------------

    def clock_state(self) -> ClockState:
        """Both clocks now. Blocks while a group is committed."""
        return self._queue.clock_state()

    @property
    def clock_refused_s(self) -> float:
        """Since when the clock has had all groups refused, in seconds; 0 if it would
        not now, though nobody has asked since. As `clock_state`.
        """
        leapt_at = self._leapt_at
        if leapt_at is None or self.clock_state().ahead_ns <= CLOCK_LEAP_MAX_NS:
            return 0.0
        return time.monotonic() - leapt_at

    def kernel_gap_s(self, *, within_s: float) -> float:
        """Seconds without rows after which `start` went on by the kernel's word; 0 if
        it did not, or not within so many seconds.
        """
        is_recent = time.monotonic() - self._kernel_start_s <= within_s
        return self._kernel_gap_s if is_recent else 0.0

    def accept_clock(self, row: Templates, state: ClockState) -> Rows:
        """Take groups again after a leap: `row` is a `clock_row` of this `state`.

        Any thread but the event loop's. Raises ClockError if the clock has moved since,
        SpaceError, DeadError (nothing was done), UnknownOutcomeError.
        """
        self._check_leads()
        return self._queue.accept_clock(row.request(), state.ahead_ns)

    def _commit_first(self, rows: list[Templates], now_ns: int) -> None:
        """Commit the rows of a start, in one group, before anything else is taken."""
        if not rows:
            return
        outcomes = self._ledger.commit([row.request() for row in rows], now_ns)
        for outcome in outcomes:
            assert not isinstance(outcome, bytes)
            result = int(outcome[0]["result"])
            if result != Result.OK:
                raise FormatError(
                    0,
                    "the ledger refused a row of its start, of the clock, the rules or "
                    f"the margin, with result {result}",
                )


def _rules_row(before: int) -> Templates:
    """The row that says by which rules all that follows is decided."""
    record = np.zeros(1, RULES_RECORD)
    record["record"], record["version"] = Record.RULES, RULES_VERSION
    tail = record.tobytes() + json.dumps({"before": before}).encode()
    return template(Kind.REGISTER, row_id=new_id(), sender=0, tail=tail)


def _margin_row(tail: bytes) -> Templates:
    """The row that says by which margins billers are asked from here on."""
    return template(Kind.REGISTER, row_id=new_id(), sender=0, tail=tail)


def clock_row(
    state: ClockState,
    cause: str,
    *,
    reason: str = "",
    row_id: bytes = b"",
    sender: int = 0,
) -> Templates:
    """The row that says why time goes on as the wall clock has it.

    `cause` is `start`, `operator`, or `kernel` at a start; the core writes rows with
    `agreed` and `kernel` of its own while it runs.
    """
    said: dict[str, int | str] = {**state._asdict(), "cause": cause}
    if reason:
        said["reason"] = reason
    return clock_template(said, row_id=row_id or new_id(), sender=sender)


def clock_template(
    said: dict[str, int | str], *, row_id: bytes, sender: int
) -> Templates:
    """A clock's row that says this; the core writes its own in the same way."""
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    tail = bytes([Record.CLOCK]) + text.encode()
    return template(Kind.REGISTER, row_id=row_id, sender=sender, tail=tail)
