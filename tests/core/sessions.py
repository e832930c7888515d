"""A ledger that is ended and started again and again, beside one that never was.

The same groups of rows go to both. The one is judged by the model and stays open; the
other lives in sessions, each in a process of its own, that ends by closing, between two
commits without a word, or wherever it is when a timer kills it. What the second tells
and keeps must be what the first does, and its index must be the same index: what a
restart throws away or puts off would show in the number of runs.

Used by tests/core/test_restarts.py and tests/torture/restarts.py.
"""

import bisect
import gc
import json
import math
import os
import random
import shutil
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from switch._core import Ledger, Request
from switch.codes import DuplicateRule, KeyRule, Kind, PriceRule, Result
from tests.core import spelling
from tests.core.aged import outcomes_of, read_all
from tests.core.index_lists import spoil_unread
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import Pair, catch_up, to_request
from tests.model import Answers, Ask, Rows
from tests.readable import readable
from tests.records import Row, Said

STEP_ROWS = 16
OPTIONS: dict[str, Any] = {
    "threads": False,
    "index_step_rows": STEP_ROWS,
    # The sessions with threads may leave the index behind.
    "index_lag_max": 1 << 16,
    "map_size": 1 << 32,
    "reserve_size": 0,
}
MAPS = ("ids_runs", "claims_runs", "links_runs")
LEVEL_RUNS_MOST = 16
"""Runs of one level of a map, whatever happened before."""
FANOUT = 8
"""Runs that become one of the next level."""
GROUP_ROWS_MOST = 40
AMOUNT = 1_000
FUNDS = 10**12
ENDS = ("close", "exit", "kill")
TOLD = {Result.OK, Result.BILL_ALREADY_CLAIMED, Result.UTR_ALREADY_CREDITED}
"""All results that the groups have."""
KILL_S = (0.000_1, 0.05)
"""A session that is to be killed is killed so long after its opening."""
SESSION_S = 60.0
"""How long a session may take before it counts as hanging."""
SAMPLE = 12
"""Earlier rows and groups that a session looks up and sends again."""
THREADS_ONE_IN = 8
"""How rarely a session has the index's thread; the others step by hand."""
OPENINGS = 9
"""Openings of each ledger, of which the fastest are compared."""
OPENING_TIMES = 1.2
OPENING_ROOM_S = 0.004
"""What one opening may differ from another for no reason of ours."""
LOCKS = shutil.ignore_patterns("LOCK", "lock.mdb")
"""Of a ledger that is open: touching them would let go of its locks."""


class Work:
    """The same groups for any seed: bills paid and held, ends of holds, top-ups, and
    bills and UTRs of before under new ids, which are refused.

    Each request becomes a row, so that a ledger's sequence says which group comes next.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.network = make_network()
        self.rows_count = 0
        self.bills = 0
        self.now = NOW
        self.open: deque[tuple[int, bytes, int]] = deque()
        self.claimed: list[Row] = []
        self.services = [
            (number, service)
            for number, service in enumerate(self.network.services, 1)
            if service.active
            and service.key_rule != KeyRule.REFERENCE_PERIOD
            and service.price_rule != PriceRule.TARIFF
            and number != self.network.great_service
        ]

    def begin(self) -> list[Ask]:
        """The network and money for its wallets."""
        net: Network = self.network
        funds = [top_up(net, w, FUNDS, b"UTR-FIRST-%d" % w) for w in net.wallets]
        rows = [*net.rows, *funds]
        self.rows_count += len(rows)
        return [Rows(rows)]

    def group(self) -> list[Ask]:
        """Some rows, then what billers say of holds made before."""
        rng, asks = self.rng, list[Ask]()
        rows = [self.row() for _ in range(rng.randrange(1, GROUP_ROWS_MOST))]
        asks.append(Rows(rows))
        if self.open and rng.randrange(3) == 0:
            biller = self.open[0][2]
            said: list[Said] = []
            while self.open and self.open[0][2] == biller and len(said) < 8:
                sequence, id_, _ = self.open.popleft()
                said.append(Said(sequence, id_, rng.randrange(3) > 0, b"SAID", AMOUNT))
            self.rows_count += len(said)
            asks.append(Answers(said, biller))
        self.now += rng.randrange(10**9)
        return asks

    def row(self) -> Row:
        """One more row: a new one, or one that claims again what is claimed."""
        rng, net = self.rng, self.network
        self.rows_count += 1
        wallet = rng.randrange(len(net.wallets))
        draw = rng.randrange(12)
        if draw > 9 and self.claimed:
            return replace(rng.choice(self.claimed), id=rng.randbytes(16))
        self.bills += 1
        if draw < 3:
            row = top_up(net, net.wallets[wallet], AMOUNT, b"UTR-%d" % self.bills)
            self.claimed.append(row)
            return row
        service, record = rng.choice(self.services)
        row = Row(Kind.PAY if draw < 7 else Kind.HOLD, id=rng.randbytes(16))
        row.service, row.debit = service, net.wallets[wallet]
        row.participant = net.harness
        row.amount = row.total = AMOUNT
        row.reference = b"BILL %d" % self.bills
        if spelling.is_ruled(record):
            row.reference = spelling.make(record, self.bills)
        if record.duplicate_rule == DuplicateRule.ONCE and row.kind == Kind.PAY:
            self.claimed.append(row)
        if row.kind == Kind.HOLD:
            row.deadline = 31 * 86_400
            self.open.append((self.rows_count, row.id, record.biller))
        return row


@dataclass
class Group:
    """One group of both ledgers, and its answers."""

    asks: list[Ask]
    requests: list[Request]
    now: int
    replies: list[bytes]
    after: int


class WrongError(Exception):
    """A session told or found something that is not so."""


class Unbroken:
    """The ledger that stays open, with the model beside it."""

    def __init__(self, path: Path, seed: int) -> None:
        self.pair = Pair(path, **OPTIONS)
        self.work = Work(seed)
        self.groups: list[Group] = []
        self.ends: list[int] = []
        self._reads: list[Any] = []
        self._read_at = 0, 0
        self._add(self.work.begin())

    def grow(self, rows: int) -> None:
        """More groups, until there are so many rows."""
        while self.work.rows_count < rows:
            self._add(self.work.group())

    def _add(self, asks: list[Ask]) -> None:
        first = len(self.pair.model.rows) + 1
        requests = [to_request(ask) for ask in asks]
        now = self.work.now
        replies = self.pair.ledger.commit(requests, now)
        expected = self.pair.model.commit(asks, now)
        kept = [bytes(reply) for reply in replies]
        for ask, outcomes, reply in zip(asks, expected, replies, strict=True):
            self.pair.compare_reply(ask, outcomes, reply)
            assert {one.result for one in outcomes} <= TOLD
        self.pair.compare_rows(first)
        after = len(self.pair.model.rows)
        assert after == self.work.rows_count
        self.groups.append(Group(asks, requests, now, kept, after))
        self.ends.append(after)
        while self.pair.ledger.index_step():
            pass

    def info(self) -> dict[str, Any]:
        return self.pair.ledger.info()

    def reads(self, copy: Path, info: dict[str, Any]) -> list[Any]:
        """Everything that can be read of a copy of its files; it is read once for the
        ledgers that are compared with these rows and this index.
        """
        at = info["sequence"], info["index_sequence"]
        if self._read_at != at:
            with Ledger(str(copy), **OPTIONS) as ledger:
                self._reads, self._read_at = read_all(ledger, at[0], []), at
        return self._reads

    def close(self) -> None:
        self.pair.close()


# --- one session ----------------------------------------------------------------------


@dataclass
class Session:
    """How long one is, and how it ends."""

    steps: int
    end: str
    kill_s: float
    threads: bool
    seed: int
    runs_most: int = LEVEL_RUNS_MOST


def draw_session(rng: random.Random, steps: int, ends: Sequence[str]) -> Session:
    """A session of so many steps, ended in one of these ways."""
    return Session(
        steps,
        rng.choice(ends),
        # As often within the first millisecond as in the ten behind it.
        math.exp(rng.uniform(*map(math.log, KILL_S))),
        rng.randrange(THREADS_ONE_IN) == 0,
        rng.randrange(1 << 30),
    )


LEFT_OPEN: list[Ledger] = []
"""Ledgers of a process that ends without closing them."""


def live(path: Path, groups: list[Group], ends: list[int], session: Session) -> int:
    """A session up to its end, or to the last group; the rows that are there then."""
    options = {**OPTIONS, "threads": session.threads}
    ledger = Ledger(str(path), **options)
    LEFT_OPEN.append(ledger)
    if session.end == "kill":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, session.kill_s)
    check_runs(ledger, session.runs_most)
    at = bisect.bisect_left(ends, ledger.sequence) + 1 if ledger.sequence else 0
    if at and ends[at - 1] != ledger.sequence:
        raise WrongError(f"{ledger.sequence} rows, where no group ended")
    look_back(ledger, groups[:at], random.Random(session.seed))
    until = ledger.sequence + session.steps * STEP_ROWS
    for group in groups[at:]:
        if ledger.sequence >= until:
            break
        replies = ledger.commit(group.requests, group.now)
        if [bytes(reply) for reply in replies] != group.replies:
            raise WrongError(f"other answers up to row {group.after}")
        while not session.threads and ledger.index_step():
            check_runs(ledger, session.runs_most)
    check_runs(ledger, session.runs_most)
    while session.end == "kill":
        signal.pause()
    sequence = ledger.sequence
    if session.end == "close":
        ledger.close()
    return sequence


def check_runs(ledger: Ledger, most: int) -> None:
    """Each level of each map has at most so many runs."""
    info = ledger.info()
    for name in MAPS:
        levels = info[name]
        if max(levels) > most:
            raise WrongError(f"{name}: {levels}")
        # A level is only there once the one below could have filled it.
        highest = max((i for i, count in enumerate(levels) if count), default=0)
        if highest and info["index_sequence"] < STEP_ROWS * FANOUT**highest:
            raise WrongError(f"{name}: {levels} of {info['index_sequence']} rows")


def look_back(ledger: Ledger, groups: list[Group], rng: random.Random) -> None:
    """Some groups of before are sent again: ids, and ends of holds."""
    for group in rng.sample(groups[1:], min(SAMPLE, len(groups[1:]))):
        sequence = ledger.sequence
        replies = ledger.commit(group.requests, 0)
        for ask, reply, kept in zip(group.asks, replies, group.replies, strict=True):
            told = outcomes_of(ask, bytes(reply))
            first = outcomes_of(ask, kept)
            if [one[:2] for one in told] != [one[:2] for one in first]:
                raise WrongError(f"sent again up to row {group.after}: {told}")
            if not all(one[3] for one in told) or ledger.sequence != sequence:
                raise WrongError(f"no repeat up to row {group.after}: {told}")
            for (_, at, *_), asked in zip(first, parts_of(ask), strict=True):
                if isinstance(asked, Said):
                    found = ledger.resolution(asked.number)[0]
                else:
                    found = ledger.find(asked.participant, asked.id)
                if found != at:
                    raise WrongError(f"{found} is found in place of row {at}")


def parts_of(ask: Ask) -> Sequence[Row | Said]:
    """What a request of a group consists of."""
    if isinstance(ask, Answers):
        return ask.answers
    assert isinstance(ask, Rows)
    return ask.rows


# --- in processes of their own --------------------------------------------------------


def in_child(work: Callable[[], Any], seconds: float = SESSION_S) -> tuple[str, Any]:
    """What `work` gives in a process of its own, or how that ended.

    ("value", it), ("wrong", text), ("killed", None) by the timer that was meant to,
    ("died", the signal's name), ("hang", None).
    """
    reading, writable = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        run_and_exit(work, writable)
    os.close(writable)
    deadline, late, said = time.monotonic() + seconds, False, b""
    while True:
        ready = readable(reading, deadline - time.monotonic())
        late = not ready
        part = os.read(reading, 65_536) if ready else b""
        said += part
        if not part:
            break
    os.close(reading)
    if late:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if late:
        return "hang", None
    if os.WIFSIGNALED(status):
        ended = signal.Signals(os.WTERMSIG(status))
        if ended == signal.SIGALRM:
            return "killed", None
        return "died", ended.name
    ended_how, value = json.loads(said)
    return ended_how, value


def run_and_exit(work: Callable[[], Any], pipe: int) -> None:
    """The child's whole life; it never returns into the parent's code."""
    # To look for garbage copies each page of what the parent has.
    gc.disable()
    try:
        said = ["value", work()]
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent is told
        said = ["wrong", f"{type(error).__name__}: {error}"[:2_000]]
    try:
        os.write(pipe, json.dumps(said).encode())
    finally:
        os._exit(0)


@dataclass
class Broken:
    """The ledger that is ended again and again."""

    path: Path
    unbroken: Unbroken
    rng: random.Random
    runs_most: int = LEVEL_RUNS_MOST
    ways: Sequence[str] = ENDS
    sessions: int = 0
    ended: Counter[str] = field(default_factory=Counter)

    def run(self, steps: Callable[[random.Random], int]) -> None:
        """Sessions until it has every group that the unbroken one has."""
        groups, ends = self.unbroken.groups, self.unbroken.ends
        sequence = -1
        while sequence < ends[-1]:
            session = draw_session(self.rng, steps(self.rng), self.ways)
            session.runs_most = self.runs_most
            self.sessions += 1
            ended, said = in_child(partial(live, self.path, groups, ends, session))
            self.ended[session.end if ended == "value" else ended] += 1
            if ended == "value":
                sequence = said
            elif ended != "killed":
                text = f"session {self.sessions}, {session}: {ended}: {said}"
                raise WrongError(text)

    def look(self, work: Callable[[Ledger], Any]) -> Any:
        """What `work` finds in it, in a process of its own."""

        def find() -> Any:
            with Ledger(str(self.path), create=False, **OPTIONS) as ledger:
                return work(ledger)

        return value_of(find)


def value_of(work: Callable[[], Any]) -> Any:
    """What `work` gives in a process of its own, which must end well."""
    ended, said = in_child(work)
    if ended != "value":
        raise WrongError(f"{ended}: {said}")
    return said


# --- the two of them ------------------------------------------------------------------


def compare(unbroken: Unbroken, broken: Broken, folder: Path) -> dict[str, Any]:
    """The same rows must have the same index, the same answers, and open as fast."""

    def settle(ledger: Ledger) -> Any:
        catch_up(ledger)
        return ledger.info()

    # A session with threads may have ended with parts of the next step made.
    info = broken.look(settle)
    mine = settle(unbroken.pair.ledger)
    for name in ("sequence", "index_sequence", *MAPS):
        if info[name] != mine[name]:
            raise WrongError(f"{name}: {info[name]} after restarts, not {mine[name]}")
    # Its files as they lie there while it is open, between two commits.
    copy = folder / "copy"
    shutil.copytree(unbroken.pair.path, copy, ignore=LOCKS)
    try:
        check_reads(unbroken.reads(copy, info), broken.path, info["sequence"])
        one, other = opening_times(copy, broken.path)
        half_made = check_unread(copy)
    finally:
        shutil.rmtree(copy)
    if other > OPENING_TIMES * one + OPENING_ROOM_S:
        raise WrongError(f"opening takes {other:.4f} s after restarts, not {one:.4f} s")
    return {
        "rows": info["sequence"],
        "runs": max(sum(info[name]) for name in MAPS),
        "opening_s": [round(one, 4), round(other, 4)],
        "half_made": half_made,
    }


def check_reads(want: list[Any], other: Path, count: int) -> None:
    """Everything that can be read."""
    with Ledger(str(other), create=False, **OPTIONS) as ledger:
        got = read_all(ledger, count, [])
    if want != got:
        place = next(
            i for i, (a, b) in enumerate(zip(want, got, strict=True)) if a != b
        )
        text = f"read {place}: {str(got[place])[:200]}, not {str(want[place])[:200]}"
        raise WrongError(text)


def check_unread(copy: Path) -> int:
    """Opening reads nothing of merges under way; how many values those have made."""
    half_made, _ = spoil_unread(copy)
    # A filter has a check: one that is noise would not be taken.
    with Ledger(str(copy), create=False, **OPTIONS):
        return half_made


def opening_times(one: Path, other: Path) -> tuple[float, float]:
    """The least that each takes to open, in turn.

    Processor time of who opens it: other work beside stretches the time of a clock.
    """

    def measure(path: Path) -> float:
        begun = time.thread_time()
        ledger = Ledger(str(path), **OPTIONS)
        took = time.thread_time() - begun
        ledger.close()
        return took

    def measure_all() -> list[list[float]]:
        return [[measure(one), measure(other)] for _ in range(OPENINGS)]

    # In one process: the first opening finds it cold, and is not the fastest.
    of_one, of_other = zip(*value_of(measure_all), strict=True)
    return min(of_one), min(of_other)
