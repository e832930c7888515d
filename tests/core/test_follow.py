"""Goal: a ledger that takes the chunks of another one is in the end the same ledger; a
chunk that is not the right one changes nothing.

Method: random requests make a leader, whose log gives each chunk to followers before
the leader itself has it: one by one, in batches, across openings and across the death
of a process. What can be read must be the same, byte for byte, and a follower that
leads goes on as the model does, with the answers to all that was sent before. Then
every byte of a chunk is changed, and with right checks each thing that it says.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch._core import (
    FOLLOW_CHUNKS_MAX,
    GROUP_MAX,
    ROW,
    RULES_RECORD,
    Ledger,
    Queue,
)
from switch.audit.crc import crc32c
from switch.codes import RULES_VERSION, Kind, Record, Result
from switch.errors import (
    CorruptionError,
    DeadError,
    FollowError,
    FormatError,
    NotLeaderError,
    StorageError,
)
from tests.core.chunks import (
    MemoryLog,
    head_of,
    last_of,
    put_chunk,
    read_chunks,
    sealed,
)
from tests.core.generator import Generator
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import MAP_SIZE, Pair, rows_request
from tests.core.queues import fresh, load_network, payments, refused
from tests.core.quoting import KEYS
from tests.core.test_replay import contents
from tests.model import Ask, Rows
from tests.records import Row

GROUPS = 90
STEP_ROWS = 64
OPTIONS: dict[str, Any] = {
    "map_size": MAP_SIZE,
    "reserve_size": 0,
    "index_step_rows": STEP_ROWS,
    "index_lag_max": 4 * STEP_ROWS,
    "threads": False,
}
SEED = 2015
LISTED = (0, *sorted(set(Record) - {Record.CLOCK, Record.RULES, Record.MARGIN}))


def follower_of(ledger: Ledger, path: Path, **options: Any) -> Ledger:
    """A ledger made to follow this one."""
    return Ledger(str(path), instance=ledger.instance, **{**OPTIONS, **options})


def everything(ledger: Ledger) -> dict[str, Any]:
    """What can be read of a ledger, but for its index's own progress."""
    count = len(ledger.accounts()[0])
    return {
        "contents": contents(ledger),
        "head": ledger.head,
        "hash": ledger.state_hash(),
        "timestamp": ledger.timestamp,
        "window": ledger.last_window,
        "rules": ledger.rules_version,
        "expiry": ledger.expiry(),
        "holds": (ledger.holds_count, ledger.kept_count, ledger.unverified_count),
        "kept": ledger.kept().tolist(),
        "unverified": ledger.unverified().tolist(),
        "records": [ledger.records(kind).tolist() for kind in LISTED],
        "people": [part.tobytes() for part in ledger.people()],
        "rows of accounts": [
            ledger.account_rows(one, 0, 65_536).tolist() for one in range(1, count)
        ],
        "chunks": [
            ledger.chunk_of(one) for one in range(1, ledger.sequence + 1, STEP_ROWS)
        ],
    }


def assert_same(a: Ledger, b: Ledger) -> None:
    one, other = everything(a), everything(b)
    assert [name for name in one if one[name] != other[name]] == []


class Nodes:
    """A leader with its model, and what its log has given to others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = make_network()
        self.pair = Pair(folder / "leader", **OPTIONS)
        self.log = MemoryLog()
        self.near = follower_of(self.pair.ledger, folder / "near")
        self.generator = Generator(SEED, self.network, self.pair.model)
        self.history: list[tuple[list[Ask], int]] = []
        self.pair.ledger.replicate(self.append, 3)
        self.commit([Rows(self.network.rows)], NOW)
        filled = [
            top_up(self.network, wallet, 10**8, b"UTR-FIRST-%d" % wallet)
            for wallet in self.network.wallets
        ]
        self.commit([Rows(filled)], NOW)

    def append(self, chunk: bytes) -> int:
        """The follower that is near has it before the leader itself."""
        assert self.near.follow([chunk]) == last_of(chunk)
        assert self.pair.ledger.sequence == self.near.sequence - head_of(chunk)["rows"]
        return self.log(chunk)

    def commit(self, asks: list[Ask], now_ns: int) -> None:
        self.pair.commit(asks, now_ns)
        self.history.append((asks, now_ns))

    def go_on(self, groups: int) -> None:
        for _ in range(groups):
            self.commit(*self.generator.group())

    def reopen_near(self) -> None:
        """What a process that is killed now leaves behind goes on."""
        self.folder /= "again"
        shutil.copytree(self.near.path, self.folder)
        self.near.close()
        self.near = Ledger(str(self.folder), **OPTIONS)

    def close(self) -> None:
        self.near.close()
        self.pair.close()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Both have done the same; the log has it all."""
    made = Nodes(tmp_path_factory.mktemp("nodes"))
    for _ in range(3):
        made.go_on(GROUPS // 3)
        assert_same(made.pair.ledger, made.near)
        made.reopen_near()
        assert_same(made.pair.ledger, made.near)
    yield made
    made.close()


def test_the_log_has_what_both_journals_have(nodes: Nodes) -> None:
    assert read_chunks(nodes.pair.path) == nodes.log.chunks
    assert read_chunks(Path(nodes.near.path)) == nodes.log.chunks
    # Cut-offs' windows and all else came through it, too.
    assert {head_of(chunk)["epoch"] for chunk in nodes.log.chunks} == {3}
    assert nodes.near.head.ordinal == len(nodes.log.chunks)
    kinds = set(nodes.near.rows(1, 65_536)["kind"].tolist())
    assert {Kind.WINDOW, Kind.EXPIRE, Kind.CASE, Kind.REGISTER} <= kinds


@pytest.mark.parametrize("size", [1, 5, FOLLOW_CHUNKS_MAX])
def test_batches_come_to_the_same(nodes: Nodes, tmp_path: Path, size: int) -> None:
    chunks = nodes.log.chunks
    with follower_of(nodes.near, tmp_path / "far") as far:
        for at in range(0, len(chunks), size):
            # Some are here already.
            batch = chunks[max(at - 2, 0) : at + size][:FOLLOW_CHUNKS_MAX]
            assert far.follow(batch) == far.sequence == last_of(batch[-1])
            far.follow(chunks[at : at + size])
        assert_same(nodes.pair.ledger, far)
        # Both hash behind the same chunks, whatever comes together.
        assert far.step_hash() == nodes.pair.ledger.step_hash()
        assert far.step_hash()[0] > STEP_ROWS
    assert read_chunks(tmp_path / "far") == chunks
    with Ledger(str(tmp_path / "far"), **OPTIONS) as far:
        assert_same(nodes.pair.ledger, far)


def test_a_follower_leads(nodes: Nodes, tmp_path: Path) -> None:
    model, generator = nodes.pair.model, nodes.generator
    before = nodes.pair.ledger
    assert model is generator.model
    with follower_of(nodes.near, tmp_path / "next") as far:
        chunks = nodes.log.chunks
        for at in range(0, len(chunks), FOLLOW_CHUNKS_MAX):
            far.follow(chunks[at : at + FOLLOW_CHUNKS_MAX])
        with pytest.raises(ValueError, match="epoch"):
            far.replicate(MemoryLog(), 2)
        log = MemoryLog()
        far.replicate(log, 4)
        far.set_quotation_keys(KEYS)
        nodes.pair.ledger = far
        try:
            # What was sent before has its answers; the model says which.
            now = nodes.history[-1][1]
            for asks, _ in nodes.history:
                nodes.pair.commit(asks, now)
            for _ in range(GROUPS // 3):
                nodes.pair.commit(*generator.group())
            nodes.pair.compare_all(range(1, len(model.rows) + 1, 7))
        finally:
            nodes.pair.ledger = before
        assert {head_of(chunk)["epoch"] for chunk in log.chunks} == {4}
        assert far.head.epoch == 4
        # And who led before follows: with its log it could not.
        with pytest.raises(ValueError, match="does not follow"):
            before.follow(log.chunks[:1])
        for at in range(0, len(log.chunks), FOLLOW_CHUNKS_MAX):
            nodes.near.follow(log.chunks[at : at + FOLLOW_CHUNKS_MAX])
        assert_same(far, nodes.near)


# --- chunks that are not the right ones ----------------------------------------------


class Next:
    """A follower, and the chunks that it lacks."""

    def __init__(self, folder: Path) -> None:
        self.log = MemoryLog()
        with Ledger(str(folder / "leader"), **OPTIONS) as leader:
            leader.replicate(self.log, 5)
            self.net: Network = load_network(leader)
            leader.commit([payments(self.net, fresh(3))], NOW)
            leader.commit([rows_request([self.rules(RULES_VERSION)])], NOW)
            noted = payments(self.net, fresh(2))
            leader.commit([noted, refused(1), refused(1)], NOW)
            leader.commit([payments(self.net, fresh(1))], NOW)
            self.instance = leader.instance
            self.ledger = follower_of(leader, folder / "follower")
            self.whole = everything(leader)
        self.chunks = self.log.chunks
        self.ledger.follow(self.chunks[:3])
        self.before = everything(self.ledger)
        self.disk = read_chunks(folder / "follower")
        self.folder = folder

    @staticmethod
    def rules(version: int) -> Row:
        record = bytes([Record.RULES]) + bytes(3) + version.to_bytes(4, "little")
        assert len(record) == RULES_RECORD.itemsize
        return Row(Kind.REGISTER, id=b"the rules that r", tail=record)

    def refuses(self, *chunks: bytes, reason: str = "") -> None:
        """Nothing has changed, neither here nor on the disk."""
        with pytest.raises(FollowError) as caught:
            self.ledger.follow(chunks)
        assert not reason or caught.value.reason == reason
        assert caught.value.sequence == self.before["head"].sequence
        assert self.ledger.head == self.before["head"]
        assert self.ledger.state_hash() == self.before["hash"]

    def goes_on(self) -> None:
        """What is right is taken, and comes to the same as if nothing had been."""
        assert everything(self.ledger) == self.before
        assert read_chunks(self.folder / "follower") == self.disk
        self.ledger.follow(self.chunks[3:])
        assert everything(self.ledger) == self.whole


@pytest.fixture
def next_(tmp_path: Path) -> Iterator[Next]:
    made = Next(tmp_path)
    yield made
    made.ledger.close()


def test_each_byte_of_a_chunk_matters(next_: Next) -> None:
    chunk = next_.chunks[3]
    for at in range(len(chunk)):
        spoilt = bytearray(chunk)
        spoilt[at] ^= 1 << at % 8
        next_.refuses(bytes(spoilt))
    for size in (0, 1, 63, 64, len(chunk) - 8, len(chunk) - 1):
        next_.refuses(chunk[:size], reason="format")
    next_.refuses(chunk + bytes(8), reason="format")
    next_.refuses(chunk + chunk, reason="format")
    next_.goes_on()


SEALED: dict[str, tuple[str, dict[str, Any]]] = {
    # What a chunk says, with checks that are right.
    "another magic": ("format", {"magic": 0x324B4843}),
    "a later format": ("format", {"format": 6}),
    "an earlier format": ("format", {"format": 4}),
    "a reserved field": ("format", {"reserved": 1}),
    "no rows": ("format", {"rows": 0}),
    "more rows than there are": ("format", {"rows": 5}),
    "more rows than a group has": ("format", {"rows": GROUP_MAX + 1}),
    "row 0": ("format", {"first": 0}),
    "rows behind the last number": ("format", {"first": 2**64 - 2}),
    "another ledger": ("instance", {"instance": bytes(16)}),
    "a gap of rows": ("behind", {"row": 1}),
    "a gap of chunks": ("chain", {"ordinal": 7}),
    "a chunk of before": ("chain", {"ordinal": 3}),
    "another chunk before it": ("chain", {"previous": 1}),
    "a lower epoch": ("epoch", {"epoch": 4}),
    "an unknown kind": ("kind", {"row_1": "kind"}),
    "an unknown result": ("kind", {"row_1": "result"}),
    "no result": ("kind", {"row_1": "no result"}),
    "another row's number": ("check", {"row_1": "sequence"}),
    "a row before its time": ("check", {"row_1": "timestamp"}),
    "a first row before its time": ("chain", {"row_0": "timestamp"}),
    "an account without a place": ("check", {"row_0": "debit"}),
    "a tail that nobody has": ("check", {"tail": bytes(8)}),
}
"""Of each the reason, and what to change; a `row_N` by the name in `PLACES`."""

PLACES: dict[str, tuple[str, int, int]] = {
    "kind": ("kind", 200, 1),
    "result": ("result", 200, 1),
    "no result": ("result", 0, 1),
    "sequence": ("sequence", 1, 8),
    "timestamp": ("timestamp", 1, 8),
    "debit": ("debit", 2**32 - 1, 4),
}


def place(name: str) -> tuple[int, bytes]:
    field, value, size = PLACES[name]
    assert ROW.fields is not None
    return int(ROW.fields[field][1]), value.to_bytes(size, "little")


@pytest.mark.parametrize("what", SEALED)
def test_a_chunk_that_says_something_else(next_: Next, what: str) -> None:
    reason, change = SEALED[what]
    chunk = next_.chunks[4]
    next_.ledger.follow(next_.chunks[3:4])
    next_.before, next_.disk = everything(next_.ledger), next_.chunks[:4]
    fields: dict[str, Any] = {
        name: place(value) if name.startswith("row_") else value
        for name, value in change.items()
    }
    if "row" in fields:
        # All of its rows have later numbers.
        moved = {
            f"row_{n}": (
                place("sequence")[0],
                (head_of(chunk)["first"] + 1 + n).to_bytes(8, "little"),
            )
            for n in range(head_of(chunk)["rows"])
        }
        fields = {"first": head_of(chunk)["first"] + 1, **moved}
    next_.refuses(sealed(chunk, **fields), reason=reason)
    # Sealed as it is it is the right one.
    assert sealed(chunk) == chunk
    assert everything(next_.ledger) == next_.before
    next_.ledger.follow([sealed(chunk), *next_.chunks[5:]])
    assert everything(next_.ledger) == next_.whole


def test_later_rules_and_unknown_records_stop_it(next_: Next) -> None:
    chunk = next_.chunks[3]
    assert head_of(chunk)["rows"] == 1
    [item] = [chunk[64 + 128 :]]
    for at, value in ((8 + 4, RULES_VERSION + 1), (8, len(Record) + 1)):
        tail = bytearray(item)
        tail[at] = value
        checked = retailed(next_, bytes(tail))
        next_.refuses(sealed(chunk, tail=checked), reason="kind")
    next_.goes_on()


def retailed(next_: Next, item: bytes) -> bytes:
    """A tail of one item with the check that it has."""
    size = int.from_bytes(item[:4], "little")
    first = head_of(next_.chunks[3])["first"]
    said = first.to_bytes(8, "little") + item[:4] + item[8 : 8 + size]
    return item[:4] + crc32c(next_.instance + said).to_bytes(4, "little") + item[8:]


def test_all_or_nothing_is_taken(next_: Next) -> None:
    good = next_.chunks
    next_.refuses(good[3], sealed(good[4], epoch=4), reason="epoch")
    next_.refuses(good[3], good[5], reason="behind")
    next_.refuses(good[3], good[3], reason="chain")
    next_.refuses(good[4], good[3], reason="behind")
    next_.refuses(good[3], good[2], reason="chain")
    next_.goes_on()


def test_what_is_here_must_be_what_comes(next_: Next) -> None:
    good = next_.chunks
    assert next_.ledger.follow([]) == next_.before["head"].sequence
    assert next_.ledger.follow(good[:3]) == next_.before["head"].sequence
    # Another history with the same numbers, and one that overlaps.
    next_.refuses(sealed(good[1], epoch=6), reason="chain")
    next_.refuses(sealed(good[2], epoch=6), good[3], reason="chain")
    spoilt = good[1][:100] + bytes([good[1][100] ^ 1]) + good[1][101:]
    next_.refuses(spoilt, reason="check")
    next_.goes_on()


def test_what_is_no_list_of_chunks(next_: Next) -> None:
    with pytest.raises(ValueError, match="at most 64"):
        next_.ledger.follow([next_.chunks[0]] * 65)
    with pytest.raises(TypeError):
        next_.ledger.follow([None])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        next_.ledger.follow(["chunk"])  # type: ignore[list-item]
    next_.goes_on()
    next_.ledger.close()
    with pytest.raises(DeadError):
        next_.ledger.follow(next_.chunks)


# --- what a follower does not do -----------------------------------------------------


def test_it_takes_nothing_of_its_own(next_: Next) -> None:
    with pytest.raises(NotLeaderError):
        next_.ledger.commit([refused()], NOW)
    # Neither what is due, nor a row of the clock.
    with pytest.raises(NotLeaderError):
        next_.ledger.commit([], NOW + 10**18)
    next_.goes_on()
    next_.ledger.close()
    with Ledger(
        str(next_.folder / "follower"), map_size=MAP_SIZE, reserve_size=0
    ) as again:
        queue = Queue(again)
        queue.start()
        with pytest.raises(NotLeaderError):
            queue.commit(refused())
        assert queue.stop(1)
        assert again.dead == ""
        assert again.head == next_.whole["head"]


def test_a_failed_commit_leaves_it_dead(next_: Next, tmp_path: Path) -> None:
    path = tmp_path / "small"
    chunks = next_.log.chunks
    with Ledger(str(next_.folder / "leader"), **OPTIONS) as leader:
        leader.replicate(next_.log, 5)
        for _ in range(12):
            leader.commit([refused(500)], NOW)
        # The journal has no room, the index nothing to write.
        full = {"map_size": 1 << 19, "index_step_rows": 65_536, "index_lag_max": 65_536}
        with follower_of(leader, path, **full) as small:
            taken = small.follow(chunks[:6])
            with pytest.raises(StorageError, match="MAP_FULL"):
                small.follow(chunks[6:])
            last = small.head
            # They fit one group, and were one transaction.
            assert last.sequence == taken
            assert small.dead
            with pytest.raises(DeadError):
                small.follow(chunks[6:])
            assert small.sequence == last.sequence
        assert read_chunks(path) == chunks[: last.ordinal]
        roomy = {**OPTIONS, **full, "map_size": MAP_SIZE}
        with Ledger(str(path), **roomy) as small:
            assert small.head == last
            small.follow(chunks)
            assert_same(small, leader)


def test_an_index_that_lags_bounds_what_is_in_memory(
    next_: Next, tmp_path: Path
) -> None:
    with Ledger(str(next_.folder / "leader"), **OPTIONS) as leader:
        leader.replicate(next_.log, 5)
        for _ in range(20):
            leader.commit([refused(200)], NOW)
        options = {**OPTIONS, "threads": True}
        with follower_of(leader, tmp_path / "threads", **options) as far:
            far.follow(next_.log.chunks)
            assert far.sequence == leader.sequence
            # A group on top of what may lag, at most.
            assert far.sequence - far.index_sequence <= 4 * STEP_ROWS + GROUP_MAX
        with follower_of(leader, tmp_path / "without") as far:
            far.follow(next_.log.chunks)
            assert far.sequence - far.index_sequence <= 4 * STEP_ROWS + GROUP_MAX
            assert_same(leader, far)


# --- opening -------------------------------------------------------------------------


def test_another_instance_is_another_ledger(tmp_path: Path) -> None:
    with Ledger(str(tmp_path / "a"), instance=b"i" * 16, **OPTIONS) as ledger:
        assert ledger.instance == b"i" * 16
        assert ledger.head == (0, 0, 0, 0)
        assert ledger.step_hash() == (0, b"")
    with pytest.raises(FormatError, match="another ledger"):
        Ledger(str(tmp_path / "a"), instance=b"j" * 16, **OPTIONS)
    with pytest.raises(ValueError, match="16 bytes"):
        Ledger(str(tmp_path / "b"), instance=b"short", **OPTIONS)
    Ledger(str(tmp_path / "a"), instance=b"i" * 16, **OPTIONS).close()


def test_an_epoch_that_falls_is_damage(next_: Next, tmp_path: Path) -> None:
    path, last = tmp_path / "changed", next_.chunks[-1]
    # In one transaction: there may be as many as chunks.
    with follower_of(next_.ledger, path) as ledger:
        ledger.follow(next_.chunks)
    put_chunk(path, sealed(last, epoch=9))
    with Ledger(str(path), **OPTIONS) as ledger:
        assert ledger.head.epoch == 9
        with pytest.raises(ValueError, match="later epoch"):
            ledger.replicate(MemoryLog(), 8)
    put_chunk(path, sealed(last, epoch=4))
    with pytest.raises(CorruptionError):
        Ledger(str(path), **OPTIONS)


def test_results_are_known_up_to_the_last() -> None:
    # `_follow_knows` refuses what is beyond.
    no_rows = {Result.THIRD_NEEDED, Result.APPROVER_WAITS}
    no_rows |= {Result.ANOTHER_ID_NEEDED, Result.WINDOW_EMPTY}
    assert max(set(Result) - no_rows) == Result.EXCEEDS_SETTLED
    assert max(Record) == Record.MARGIN
