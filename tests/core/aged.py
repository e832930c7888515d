"""A small ledger that has aged: its files, every older content of their pages, and
everything that may be asked of it with the answers that it must give.

A disk that loses a write leaves what stood there before: a page that is whole, whose
checks are right, and that is no longer true. `Story` keeps, for each 4 KiB place of
both files, the last contents that differed; `Plan` has the questions. Both come from
the model, which judges the undamaged copy once; a damaged copy is compared with its
bytes.

Used by tests/core/test_old_pages.py and tests/torture/old_pages.py.
"""

import copy
import itertools
import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from switch._core import OUTCOME, Ledger, Request
from switch.codes import Kind, Link, Record, Result
from switch.errors import CorruptionError
from tests.core import wire
from tests.core.generator import Generator
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import Pair, to_request
from tests.model import Ask, Model, Payments, Rows
from tests.model_state import PAYS
from tests.records import Payment, Row

PAGE = 4096
"""What a disk writes or loses as one; LMDB's pages have the same size."""
OLDER_MAX = 3
"""Older contents that are kept of each place."""
FILES = ("journal", "index")
FUNDS = 100_000_000
GROUP_ROWS = 1_500
"""Rows of the plan that are sent at once; what is due expires beside them."""
STEPS_MORE = 10
"""Steps of new work behind the questions."""
STEP_WAIT_S = 20.0
WINDOWS = 8
"""The windows whose settlements are read, the newest ones."""
ONCE = frozenset((Kind.APPROVE, Kind.WITHDRAW, Kind.SETTLE, Kind.TRANSFER, Kind.SHIFT))
"""Kinds with ids whose rows resolve, or settle, something once."""
SOME = 7
"""Each how manieth row is read where everything is read again a moment later."""


class Refused(str):
    """In place of what a read gives: the name of the error that it raised."""


LISTED = tuple(set(Record) - {Record.CLOCK, Record.RULES, Record.MARGIN})
"""Records that the ledger keeps a list of; of the others the newest counts."""


@dataclass
class Place:
    """One 4 KiB place of a file, and what stood there before, the newest first."""

    file: str
    page: int
    older: list[bytes]


class Pages:
    """Every page of a file over time, seen after each commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = np.zeros((0, PAGE), np.uint8)
        self.older: dict[int, deque[bytes]] = {}

    def look(self) -> None:
        """Keep what has been overwritten since the last look."""
        body = self.path.read_bytes()
        body += bytes(-len(body) % PAGE)
        now = np.frombuffer(body, np.uint8).reshape(-1, PAGE)
        if len(now) > len(self.last):
            # What a file has not reached yet reads as zeros once it has.
            added = np.zeros((len(now) - len(self.last), PAGE), np.uint8)
            self.last = np.concatenate((self.last, added))
        for page in np.flatnonzero((now != self.last[: len(now)]).any(axis=1)):
            kept = self.older.setdefault(int(page), deque(maxlen=OLDER_MAX + 1))
            before = self.last[page].tobytes()
            if before in kept:
                kept.remove(before)
            kept.append(before)
        self.last = now

    def places(self, file: str) -> Iterator[Place]:
        """Every place, also those that were written once."""
        for page, content in enumerate(self.last):
            now = content.tobytes()
            older = [each for each in self.older.get(page, ()) if each != now]
            yield Place(file, page, older[::-1][:OLDER_MAX])


@dataclass
class Turn:
    """A group of the plan, and what must come of it."""

    asks: list[Ask]
    now: int
    requests: list[Request] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    before: int = 0
    """Sequence that it finds, and the one that it leaves."""
    after: int = 0
    again: bool = False
    """Only questions: what was sent, claimed or resolved before, once more."""


@dataclass
class Story:
    """A closed ledger of some steps, all that was asked of it, and its old pages."""

    path: Path
    options: dict[str, Any]
    model: Model
    generator: Generator
    groups: list[Turn]
    places: list[Place]

    def files(self) -> dict[str, bytes]:
        """What a copy of it consists of; LMDB makes its lock files anew."""
        return {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and path.name != "lock.mdb"
        }


def tell(
    path: Path,
    seed: int,
    rows: int,
    step_rows: int,
    reserve_size: int = 0,
    *,
    in_pieces: bool = False,
) -> Story:
    """Random rows of every kind, the index brought forward behind each group: by whole
    steps, or in pieces that are looked at one by one.
    """
    # The reserve is written by a thread, which then brings the index forward as well.
    threads = reserve_size > 0
    options: dict[str, Any] = {
        "threads": threads,
        "index_step_rows": step_rows,
        "map_size": 1 << 28,
        "reserve_size": reserve_size,
    }
    network = make_network()
    pair = Pair(path, **options)
    pages = {file: Pages(path / file / "data.mdb") for file in FILES}
    groups: list[Turn] = []

    def look() -> None:
        for each in pages.values():
            each.look()

    def commit(asks: list[Ask], now: int) -> None:
        turn = Turn(asks, now, before=len(pair.model.rows))
        groups.append(turn)
        send(pair, turn)
        look()
        go_on = pair.ledger.index_unit if in_pieces else pair.ledger.index_step
        while not threads and go_on():
            look()
        end = time.monotonic() + STEP_WAIT_S
        while pair.ledger.index_sequence // step_rows < turn.after // step_rows:
            assert time.monotonic() < end, "the index stands still"
            time.sleep(0.001)
        look()

    commit([Rows(network.rows)], NOW)
    funds = [top_up(network, w, FUNDS, b"UTR-FIRST-%d" % w) for w in network.wallets]
    commit([Rows(funds)], NOW)
    generator = Generator(seed, network, pair.model)
    while len(pair.model.rows) < rows // 2:
        commit(*generator.group())
    # What happens at counters alone, by one who draws nothing else.
    clerk = Generator(seed, network, pair.model)
    clerk.now = generator.now
    clerk.begin_counters(seed)
    while len(pair.model.rows) < rows // 2 + rows // 8:
        commit(*clerk.group_of_counters())
    generator.now = clerk.now
    while len(pair.model.rows) < rows:
        commit(*generator.group())
    pair.close()
    look()
    options["threads"] = False
    places = [place for file in FILES for place in pages[file].places(file)]
    return Story(path, options, pair.model, generator, groups, places)


def send(pair: Pair, turn: Turn) -> None:
    """One group for model and core; the core's bytes are kept once they are right."""
    turn.before = len(pair.model.rows)
    expected = pair.model.commit(turn.asks, turn.now)
    turn.requests = [to_request(ask) for ask in turn.asks]
    replies = pair.ledger.commit(turn.requests, turn.now)
    turn.replies = [bytes(reply) for reply in replies]
    for ask, outcomes, reply in zip(turn.asks, expected, replies, strict=True):
        pair.compare_reply(ask, outcomes, reply)
    pair.compare_rows(turn.before + 1)
    turn.after = len(pair.model.rows)


# --- the plan -------------------------------------------------------------------------


@dataclass
class Plan:
    """What is asked of a copy: the last group (which may be missing), then everything
    again, then new work; and what reads give before, behind, and after reopening.
    """

    turns: list[Turn]
    begin: int
    """Sequence of the undamaged ledger."""
    first: list[Any]
    some: list[Any]
    last: list[Any]
    windows: list[int]
    """Every window at the end, by its sequence; the newest are read."""


def some_windows(plan: Plan, count: int) -> list[int]:
    """The windows to read in a ledger of so many rows."""
    return [each for each in plan.windows if each <= count][-WINDOWS:]


def make_plan(story: Story, folder: Path) -> Plan:
    """Write the plan down on an undamaged copy, judged by the model at each step."""
    shutil.copytree(story.path, folder)
    begin = len(story.model.rows)
    pair = Pair(folder, **story.options)
    # The story's own model stays where it was.
    pair.model = copy.deepcopy(story.model)
    pair.compare_all(range(1, begin + 1, 7))
    first = read_all(pair.ledger, begin, sorted(pair.model.windows)[-WINDOWS:])
    turns = [replace(story.groups[-1])]
    now = max(story.generator.now, story.generator.model.timestamp)

    def ask(asks: list[Ask], *, again: bool) -> None:
        for part in parts(asks):
            turn = Turn(part, now, again=again)
            send(pair, turn)
            turns.append(turn)
            while pair.ledger.index_step():
                pass

    ask([one for group in story.groups for one in group.asks], again=True)
    ask(claims_again(story), again=True)
    ask(resolutions_again(story.model), again=True)
    ask(decisions_again(story), again=True)
    generator = story.generator
    generator.model = pair.model
    wanted = len(pair.model.rows) + STEPS_MORE * story.options["index_step_rows"]
    while len(pair.model.rows) < wanted:
        asks, now = generator.group()
        ask(asks, again=False)
    pair.compare_all(range(1, len(pair.model.rows) + 1, 7))
    windows = sorted(pair.model.windows)
    count = len(pair.model.rows)
    some = read_all(pair.ledger, count, windows[-WINDOWS:], SOME)
    last = read_all(pair.ledger, count, windows[-WINDOWS:])
    pair.close()
    shutil.rmtree(folder)
    return Plan(turns, begin, first, some, last, windows)


def has_window(ask: Ask) -> bool:
    """Whether a request asks for a window."""
    return isinstance(ask, Rows) and any(row.kind == Kind.WINDOW for row in ask.rows)


def parts(asks: list[Ask]) -> Iterator[list[Ask]]:
    """The requests in groups of a bounded size."""
    part: list[Ask] = []
    for ask in asks:
        # A group has room for one window: its tail counts as the largest there is.
        full = sum(each.size() for each in part) + ask.size() > GROUP_ROWS
        if part and (full or (has_window(ask) and any(map(has_window, part)))):
            yield part
            part = []
        part.append(ask)
    if part:
        yield part


def claims_again(story: Story) -> list[Ask]:
    """Each bill that is claimed and each UTR that is credited, under a new id."""
    taken = set(story.model.claims.values())
    model, rng = story.model, story.generator.rng
    asks: list[Ask] = []
    for ask in (one for group in story.groups for one in group.asks):
        if isinstance(ask, Rows):
            rows = [
                replace(row, id=rng.randbytes(16), basket=0)
                for row in ask.rows
                if row.kind in PAYS | {Kind.TOP_UP}
                and model.ids.get((row.participant, row.id)) in taken
            ]
            if rows:
                asks.append(Rows(rows))
        elif isinstance(ask, Payments):
            every = ask.payments + [one for basket in ask.baskets for one in basket]
            again: list[Payment] = [
                replace(one, id=rng.randbytes(16))
                for one in every
                if model.ids.get((ask.sender, one.id)) in taken
            ]
            if again:
                asks.append(Payments(again, [], ask.sender, ask.centre))
    return asks


def resolutions_again(model: Model) -> list[Ask]:
    """A post and a void of every hold, and of every payment the refund of a paisa
    more than is left.
    """
    rows = []
    for row in model.rows:
        if row.result != Result.OK:
            continue
        if row.kind == Kind.HOLD and row.sequence in model.resolved:
            rows.append(Row(Kind.POST, resolves=row.sequence, amount=row.amount))
            rows.append(Row(Kind.VOID, resolves=row.sequence))
        elif row.kind in (Kind.PAY, Kind.POST):
            left = row.amount - model.refunded.get(row.sequence, 0)
            refund = Row(Kind.REFUND, id=row.sequence.to_bytes(16, "big"))
            refund.resolves, refund.amount = row.sequence, left + 1
            rows.append(refund)
    return [Rows(rows[at : at + 500]) for at in range(0, len(rows), 500)]


def decisions_again(story: Story) -> list[Ask]:
    """What people do once, and what is settled once, under new ids."""
    model, rng = story.model, story.generator.rng
    asks: list[Ask] = []
    for ask in (one for group in story.groups for one in group.asks):
        for row in ask.rows if isinstance(ask, Rows) else ():
            first = model.ids.get((row.participant, row.id), 0)
            resolves = row.resolves or row.kind != Kind.TRANSFER
            if row.kind in ONCE and resolves and model.accepted(first):
                asks.append(Rows([replace(row, id=rng.randbytes(16))]))
    return asks


# --- reading --------------------------------------------------------------------------


def read_all(
    ledger: Ledger, count: int, windows: list[int], stride: int = 1
) -> list[Any]:
    """All that a ledger of so many rows can be asked, always in the same order."""
    found: list[Any] = [ledger.sequence, ledger.timestamp, ledger.last_window]
    found += [ledger.holds_count, ledger.expiry()]

    def read(call: Any, *arguments: Any) -> Any:
        try:
            value = call(*arguments)
        except CorruptionError as error:
            value = Refused(type(error).__name__)
        found.append(value.tolist() if isinstance(value, np.ndarray) else value)
        return value

    def read_each(call: Any, sequences: Iterable[int], *more: int) -> None:
        # A handler around all of them costs nothing; one that is refused begins anew.
        try:
            found.extend(list(map(call, sequences, *map(itertools.repeat, more))))
        except CorruptionError:
            for at in sequences:
                read(call, at, *more)

    read(ledger.holds)
    for kind in (0, *LISTED):
        read(ledger.records, kind)
    images, _ = ledger.accounts()
    found.append(images.tobytes())
    every = range(1, count + 1, stride)
    row_of, find = ledger.row, ledger.find
    for at in every:
        try:
            row = row_of(at)
            found += (row, find(row.participant, row.id))
        except CorruptionError:
            row = read(row_of, at)
            if isinstance(row, Refused):
                found.append(row)
            else:
                read(find, row.participant, row.id)
    read_each(ledger.tail, every)
    read_each(ledger.resolution, every)
    for what in map(int, Link):
        read_each(ledger.link, every, what)
    for account in range(1, len(images)):
        read(ledger.account_rows, account, 0, 65_536)
        read(ledger.account_rows, account, count // 2, 100)
        for at in range(count // 7, count + 1, count // 7):
            read(ledger.balance_at, account, at)
    for window in windows:
        for account in range(1, len(images)):
            read(ledger.settled, window, account)
    return found


def outcomes_of(ask: Ask, reply: bytes) -> list[tuple[int, ...]]:
    """Of each outcome result, sequence, receipt, repeat and `other`."""
    if isinstance(ask, Payments):
        return [
            (one.result, one.sequence, one.receipt, one.repeat, one.other)
            for _, one in wire.decode_reply(reply)
        ]
    fields = ("result", "sequence", "receipt", "repeat", "other")
    table = np.frombuffer(reply, OUTCOME)
    return list(zip(*(table[name].tolist() for name in fields), strict=True))
