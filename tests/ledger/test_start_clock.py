"""Goal: a start after a gap goes on by the kernel's word up to 30 days, by a person's
beyond that, and by nobody's if the clock was set by hand; each is a row.

Method: real ledgers; wall clock, boot time and the kernel's word are an array that the
test sets. Gaps, words and arguments at random and at every bound, against
`tests/model_clock.py`.
"""

import errno
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch._core import Ledger, Queue
from switch.audit import audit
from switch.codes import RULES_VERSION, Record
from switch.errors import ClockError
from switch.ledger.committer import CLOCK_LEAP_MAX_NS, Committer
from switch.ledger.start_clock import (
    CLOCK_BEHIND_MAX_NS,
    CLOCK_GAP_MAX_NS,
    CLOCK_VOUCHED_MAX_NS,
)
from switch.readings import ClockState
from tests import model_clock
from tests.ledger.test_committer import (
    RULES_ROW,
    SECOND,
    START_NS,
    WAIT_S,
    Clock,
    frozen,
    make,
)

DAY_NS = 24 * 3_600 * SECOND
WORDS = {"synchronised": 1, "not": 0, "denied": -errno.EPERM}
BOUNDS = (-CLOCK_BEHIND_MAX_NS, 0, CLOCK_GAP_MAX_NS, CLOCK_VOUCHED_MAX_NS)
GAPS = sorted({bound + more for bound in BOUNDS for more in (-1, 0, 1)})


@pytest.fixture
def clock() -> Clock:
    return np.array([START_NS, 5 * SECOND, 0], np.uint64)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(str(tmp_path / "ledger"), map_size=1 << 30, reserve_size=0) as real:
        yield real


def served(ledger: Ledger, clock: Clock) -> None:
    """A ledger with a row at `clock`."""
    one = make(ledger, clock)
    one.start()
    one.commit_now(frozen())
    one.stop(WAIT_S)


def say(clock: Clock, word: int) -> None:
    clock[2] = np.uint64(word & (2**64 - 1))


def go_on(clock: Clock, ledger: Ledger, gap_ns: int) -> None:
    """The machine starts again so long after the last row."""
    clock[0] = np.uint64(ledger.timestamp + gap_ns)
    clock[1] = np.uint64(20 * SECOND)


def clock_records(ledger: Ledger, after: int) -> list[dict[str, Any]]:
    tails = [ledger.tail(one) for one in range(after + 1, ledger.sequence + 1)]
    return [json.loads(one[1:]) for one in tails if one[:1] == bytes([Record.CLOCK])]


def begin(ledger: Ledger, clock: Clock, *, accepted: bool) -> str:
    """Start and stop; the cause of the row, as the model names it."""
    before = ledger.sequence
    one = make(ledger, clock)
    try:
        one.start(accept_clock=accepted)
    except ClockError:
        assert ledger.sequence == before
        return "refused"
    one.stop(WAIT_S)
    said = clock_records(ledger, before)
    assert ledger.sequence == before + len(said)
    return said[0]["cause"] if said else "none"


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("accepted", [False, True])
def test_every_bound_is_as_the_model_has_it(
    ledger: Ledger, clock: Clock, word: str, accepted: bool
) -> None:
    served(ledger, clock)
    kernel = WORDS[word]
    for gap in GAPS:
        go_on(clock, ledger, gap)
        say(clock, kernel)
        one = make(ledger, clock)
        try:
            waits = one.waits_for_kernel() > 0
        except OSError:
            waits = False
        assert waits == model_clock.waits(gap, has_rows=True, kernel=kernel), gap
        wanted = model_clock.start(gap, has_rows=True, kernel=kernel, accepted=accepted)
        assert begin(ledger, clock, accepted=accepted) == wanted, gap


def test_gaps_at_random(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    served(ledger, clock)
    chance = np.random.default_rng(14)
    met = set()
    for _ in range(300):
        kernel = int(chance.choice(list(WORDS.values())))
        accepted = bool(chance.random() < 0.2)
        gap = int(chance.choice([SECOND, DAY_NS])) * int(chance.integers(-3, 40))
        go_on(clock, ledger, gap)
        say(clock, kernel)
        wanted = model_clock.start(gap, has_rows=True, kernel=kernel, accepted=accepted)
        assert begin(ledger, clock, accepted=accepted) == wanted
        met.add(wanted)
    assert met == {"none", "start", "kernel", "refused"}
    assert audit(tmp_path / "ledger").findings.counts == {}


def test_a_ledger_without_rows_asks_nobody(ledger: Ledger, clock: Clock) -> None:
    say(clock, -errno.EPERM)
    assert make(ledger, clock).waits_for_kernel() == 0
    assert model_clock.start(9, has_rows=False, kernel=0, accepted=False) == "none"
    assert begin_rules(ledger, clock) == RULES_ROW


def begin_rules(ledger: Ledger, clock: Clock) -> int:
    one = make(ledger, clock)
    one.start()
    one.stop(WAIT_S)
    return ledger.sequence


def test_what_the_row_says(
    ledger: Ledger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    served(ledger, clock)
    last = ledger.timestamp
    go_on(clock, ledger, 63 * 3_600 * SECOND)
    say(clock, 1)
    one = make(ledger, clock)
    assert one.kernel_gap_s(within_s=60) == 0
    with caplog.at_level(logging.CRITICAL):
        one.start()
    row = ledger.row(RULES_ROW + 2)
    assert (row.participant, row.timestamp) == (0, int(clock[0]))
    assert clock_records(ledger, RULES_ROW + 1) == [
        {
            "ahead_ns": int(clock[0]) - last,
            "boottime_ns": int(clock[1]),
            "cause": "kernel",
            "wall_ns": int(clock[0]),
        }
    ]
    assert "ALARM: nobody was asked about the clock, which is 63 hours after" in (
        caplog.text
    )
    assert one.kernel_gap_s(within_s=60) == 63 * 3_600
    assert one.kernel_gap_s(within_s=-1) == 0, "what is long ago is no alert"
    one.stop(WAIT_S)


def test_the_reading_of_the_row_is_the_new_anchor(ledger: Ledger, clock: Clock) -> None:
    """A time service put the clock right by hours while the start waited."""
    served(ledger, clock)
    go_on(clock, ledger, 50 * 3_600 * SECOND)
    one = make(ledger, clock)
    with pytest.raises(ClockError, match="does not say that it is synchronised"):
        one.start()
    clock[0] += np.uint64(5 * 3_600 * SECOND)
    say(clock, 1)
    one.start()
    say(clock, 0)
    clock[0] += np.uint64(CLOCK_LEAP_MAX_NS)
    one.commit_now(frozen())
    clock[0] += np.uint64(1)
    with pytest.raises(ClockError, match="runs 60 s ahead"):
        one.commit_now(frozen())
    one.stop(WAIT_S)


def test_a_time_service_may_find_that_there_is_no_gap(
    ledger: Ledger, clock: Clock
) -> None:
    served(ledger, clock)
    go_on(clock, ledger, 50 * 3_600 * SECOND)
    one = make(ledger, clock)
    assert one.waits_for_kernel() == 50 * 3_600 * SECOND
    clock[0] -= np.uint64(49 * 3_600 * SECOND)
    assert one.waits_for_kernel() == 0
    say(clock, 1)
    assert begin(ledger, clock, accepted=False) == "none"


class Stepped:
    """A queue whose clock a time service puts right after the first look at it."""

    def __init__(self, queue: Queue, clock: Clock, step_ns: int) -> None:
        self.queue, self.clock, self.step_ns = queue, clock, step_ns

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queue, name)

    def clock_state(self) -> ClockState:
        state = self.queue.clock_state()
        self.clock[0] = np.uint64(int(self.clock[0]) + self.step_ns)
        say(self.clock, 1)
        self.step_ns = 0
        return state


@pytest.mark.parametrize(
    ("step_ns", "wanted"),
    [(DAY_NS, "kernel"), (-2 * DAY_NS - 1, "none"), (40 * DAY_NS, "refused")],
)
def test_the_gap_is_that_of_the_clock_that_is_vouched_for(
    ledger: Ledger, clock: Clock, step_ns: int, wanted: str
) -> None:
    """The clock is put right after it was first looked at, and then vouched for."""
    served(ledger, clock)
    before = ledger.timestamp
    go_on(clock, ledger, 3 * DAY_NS)
    one = make(ledger, clock)
    vars(one)["_queue"] = Stepped(one._queue, clock, step_ns)
    if wanted == "refused":
        with pytest.raises(ClockError, match="1032 hours"):
            one.start()
        return
    one.start()
    one.stop(WAIT_S)
    said = clock_records(ledger, RULES_ROW + 1)
    gaps = [3 * DAY_NS + step_ns] if wanted == "kernel" else []
    assert [entry["ahead_ns"] for entry in said] == gaps
    assert all(before + gap == int(clock[0]) for gap in gaps)


def test_why_nobody_vouches_is_said(ledger: Ledger, clock: Clock) -> None:
    served(ledger, clock)
    for gap, word, text in (
        (2 * DAY_NS, "not", "48 hours after .* does not say that it is synchronised"),
        (2 * DAY_NS, "denied", r"cannot be asked about it \(Operation not permitted\)"),
        (31 * DAY_NS, "synchronised", "744 hours after .* entry; if it is right, "),
        (-DAY_NS, "synchronised", "24 hours before .* entry; if it is right, "),
    ):
        go_on(clock, ledger, gap)
        say(clock, WORDS[word])
        for ask in (Committer.start, Committer.check_clock):
            with pytest.raises(ClockError, match=text) as raised:
                ask(make(ledger, clock))
            assert "--accept-clock" in str(raised.value)
            is_vouched = 0 < gap <= CLOCK_VOUCHED_MAX_NS
            assert ("a time service (chronyd" in str(raised.value)) == is_vouched


def test_newer_rules_begin_in_the_same_commit(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that was upgraded over a long weekend."""
    path = tmp_path / "ledger"
    with Ledger(str(path), map_size=1 << 30, reserve_size=0) as ledger:
        # A ledger of before there were rules' rows: only a row of its own.
        ledger.commit([frozen()], int(clock[0]))
        go_on(clock, ledger, 3 * DAY_NS)
        say(clock, 1)
        chunks = ledger.head.ordinal
        one = make(ledger, clock)
        one.start()
        one.stop(WAIT_S)
        assert ledger.head.ordinal == chunks + 1
        assert ledger.tail(2)[0] == Record.CLOCK
        assert ledger.tail(3)[0] == Record.RULES
        assert ledger.rules_version == RULES_VERSION
    assert audit(path).findings.counts == {}


# --- the core's face ------------------------------------------------------------------


@pytest.mark.parametrize("before", [1, 0])
@pytest.mark.parametrize("after", [1, 0])
def test_the_queue_gives_a_reading_that_is_vouched_for(
    ledger: Ledger, clock: Clock, before: int, after: int
) -> None:
    queue = Queue(ledger, clock=clock)
    say(clock, before)
    state = queue.vouched_clock()
    assert (state is not None) == bool(before)
    assert state is None or state == queue.clock_state()
    say(clock, after)
    assert (queue.vouched_clock() is not None) == bool(after)
    say(clock, -errno.ENOSYS)
    with pytest.raises(OSError, match="not implemented"):
        queue.vouched_clock()


def test_a_queue_that_runs_has_its_anchor(ledger: Ledger, clock: Clock) -> None:
    queue = Queue(ledger, clock=clock)
    state = queue.clock_state()
    clock[0] += np.uint64(DAY_NS)
    assert queue.clock_state().ahead_ns == DAY_NS
    queue.anchor_clock(queue.clock_state())
    assert queue.clock_state().ahead_ns == 0
    queue.start()
    with pytest.raises(ValueError, match="before the queue runs"):
        queue.anchor_clock(state)
    queue.stop(WAIT_S)
    with pytest.raises(ValueError, match="before the queue runs"):
        queue.anchor_clock(state)


def test_the_machines_own_kernel_is_asked(ledger: Ledger) -> None:
    """What it says here is the machine's: one of the three answers, without a fake."""
    queue = Queue(ledger)
    denied: OSError | None = None
    state = None
    try:
        state = queue.vouched_clock()
    except OSError as error:
        denied = error
    assert denied is None or denied.errno in (errno.EPERM, errno.ENOSYS)
    assert state is None or state.wall_ns > START_NS
