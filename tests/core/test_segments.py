"""Goal: account images are written in turn, and opening has all of them to the row.

Method: thousands of accounts in five or more segments, those in use spread over all of
them, and steps of 16 or 64 rows that write as little as one segment each. The core is
compared with the model after many openings; without threads closing writes nothing, so
that each opening finds what a killed process leaves. The index's own tables say how far
the segments are apart.
"""

import random
import shutil
import struct
from pathlib import Path
from typing import Any

import lmdb
import pytest

from switch._core import ASSERTS, Ledger
from switch.audit import audit
from switch.codes import AccountKind, Kind, Result, Role
from switch.errors import CorruptionError
from tests.core.generator import BEFORE_THE_CORE, Generator
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import Pair
from tests.core.test_concurrency import ask
from tests.core.test_index_units import index_of, without_keys
from tests.longer import SEED, TIMES, turns
from tests.model import Rows
from tests.records import AccountRecord, ParticipantRecord, Row

SPREAD = 100
SEGMENTS = 7
STEPS_MAX = 8
"""TURN_STEPS_MAX of the layout."""
KINDS = frozenset(range(Kind.PAY, Kind.CASE))
FLOAT = AccountKind.FLOAT
OPTIONS: dict[str, Any] = {
    "threads": False,
    "index_segments_least": 1,
    "map_size": 1 << 30,
    "reserve_size": 0,
}


def tables(path: Path, name: str) -> dict[bytes, bytes]:
    """One table of the index."""
    with lmdb.open(str(path / "index"), readonly=True, lock=False, max_dbs=8) as env:
        table = env.open_db(name.encode(), create=False)
        with env.begin(table) as txn:
            return {bytes(key): bytes(value) for key, value in txn.cursor()}


def step_rows(meta: bytes) -> int:
    """The rows of a step."""
    return int.from_bytes(meta[48:56], "little")


def listed(meta: bytes) -> list[tuple[int, bytes]]:
    """What the index lists of its segments: up to which step each stands, its check."""
    runs, merges, retired, count = struct.unpack_from("<4I", meta, 364)
    at = 400 + 56 * runs + 88 * merges + 24 * retired
    assert len(meta) == at + 8 * (count + 64)
    pieces = [meta[i : i + 8] for i in range(at, at + 8 * count, 8)]
    return [(int.from_bytes(each[:4], "little"), each[4:]) for each in pieces]


def stand(path: Path) -> tuple[int, int, list[int]]:
    """The index's as_of, how many steps it is behind, and each segment's as_of."""
    meta = tables(path, "meta")[b"index"]
    as_of = int.from_bytes(meta[24:32], "little")
    behind = int.from_bytes(meta[384:388], "little")
    stored = tables(path, "segments")
    assert listed(meta) == [
        (int.from_bytes(value[8:16], "little") // step_rows(meta), value[28:32])
        for _, value in sorted(stored.items())
    ]
    assert sorted(stored) == [n.to_bytes(4, "big") for n in range(len(stored))]
    segments = [int.from_bytes(stored[key][8:16], "little") for key in sorted(stored)]
    return as_of, behind, segments


def open_pair(path: Path, **options: Any) -> tuple[Pair, Network]:
    """A pair with the spread network and funds in its wallets."""
    network = make_network(SPREAD)
    assert network.accounts_count // 512 + 1 == SEGMENTS
    pair = Pair(path, **OPTIONS | options)
    pair.commit([Rows(network.rows)], NOW)
    rows = [top_up(network, w, 10**8, b"UTR-FIRST-%d" % w) for w in network.wallets]
    pair.commit([Rows(rows)], NOW)
    return pair, network


@pytest.mark.parametrize(
    ("step_rows", "seed"),
    [
        (step_rows, 2 * times + number)
        for times in range(SEED, SEED + TIMES)
        for number, step_rows in enumerate((16, 64), 1)
    ],
)
def test_openings_have_every_image(tmp_path: Path, step_rows: int, seed: int) -> None:
    """Rows of every kind; the ledger is opened again at every stage of a step."""
    pair, network = open_pair(tmp_path / "ledger", index_step_rows=step_rows)
    generator = Generator(seed, network, pair.model)
    rng = random.Random(seed)
    distances: set[int] = set()

    def enough() -> bool:
        """Much and of every kind was done, and images were brought on from far."""
        kinds = {row.kind for row in pair.model.rows}
        far = max(distances, default=0) >= SEGMENTS - 1
        return far and kinds >= KINDS and pair.results[Result.OK] > 1_000

    for _ in turns(120, enough):
        asks, now = generator.group()
        pair.commit(asks, now)
        while rng.random() < 0.9 and pair.ledger.index_step():
            pass
        if rng.random() < 0.2:
            pair.reopen()
            pair.compare_accounts()
            distances.add(stand(pair.path)[1])
    pair.compare_all(range(1, pair.ledger.sequence, 50))
    assert max(distances) < STEPS_MAX
    pair.close()
    # A second reading of the files, each segment compared where it stands.
    checks = audit(pair.path).checks
    assert {name for name, count in checks.items() if count} <= BEFORE_THE_CORE


def test_the_index_does_not_depend_on_openings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that was never closed has the same segments as one opened often."""
    monkeypatch.setenv("PLANT", "secrets_are_drawn")
    kept, network = open_pair(tmp_path / "kept", index_step_rows=64)
    shutil.copytree(tmp_path / "kept", tmp_path / "opened")
    opened = Pair(tmp_path / "opened", **OPTIONS, index_step_rows=64)
    opened.model = make_model_of(kept)
    one, two = (Generator(9, network, pair.model) for pair in (kept, opened))
    for _ in range(80):
        asks, now = one.group()
        kept.commit(asks, now)
        while kept.ledger.index_step():
            pass
        asks, now = two.group()
        opened.commit(asks, now)
        opened.reopen()  # indexes what is whole on its way
        assert opened.ledger.index_sequence == kept.ledger.index_sequence
    kept.close()
    opened.close()
    assert stand(kept.path) == stand(opened.path)
    mine, theirs = index_of(kept.path), index_of(opened.path)
    if not ASSERTS:
        mine, theirs = without_keys(mine), without_keys(theirs)
    assert mine == theirs


def make_model_of(pair: Pair) -> Any:
    """A model that was told the same so far."""
    network = make_network(SPREAD)
    other = type(pair.model)()
    other.instance, other.keys = pair.model.instance, list(pair.model.keys)
    other.commit([Rows(network.rows)], NOW)
    rows = [top_up(network, w, 10**8, b"UTR-FIRST-%d" % w) for w in network.wallets]
    other.commit([Rows(rows)], NOW)
    return other


class Mover:
    """Moves money so that exactly the wanted accounts change."""

    def __init__(self, ledger: Ledger, treasury: int) -> None:
        self.ledger, self.treasury = ledger, treasury
        self.number = 0

    def row(self, kind: Kind, **fields: Any) -> Row:
        """A template with an id of its own."""
        self.number += 1
        id_ = self.number.to_bytes(16, "big")
        return Row(kind, id=id_, participant=self.treasury, **fields)

    def commit(self, rows: list[Row]) -> None:
        """One group, all of which must succeed."""
        assert set(ask(self.ledger, rows)["result"].tolist()) == {Result.OK}

    def move(self, debit: int, credits: list[int]) -> None:
        """One transfer to each account."""
        move = {"amount": 1, "reference": b"x", "debit": debit}
        self.commit([self.row(Kind.TRANSFER, **move, credit=each) for each in credits])


def open_plain(path: Path, segments: int, **options: Any) -> Mover:
    """A treasury with a float, account 1, and so many segments of other accounts."""
    mover = Mover(Ledger(str(path), **OPTIONS | options), 1)
    owner = ParticipantRecord(b"treasury", Role.TREASURY).pack()
    mover.commit([mover.row(Kind.REGISTER, tail=owner)])
    for start in range(1, 512 * segments, 8_000):
        tails = [
            AccountRecord(1, purpose, AccountKind.SUSPENSE if purpose else FLOAT).pack()
            for purpose in range(start - 1, min(start + 7_999, 512 * segments - 1))
        ]
        mover.commit([mover.row(Kind.OPEN, tail=tail) for tail in tails])
    return mover


def share_of(since: list[int], step: int, least: int) -> int:
    """How many segments a step writes, given when those that wait changed first."""
    left = [STEPS_MAX - 1 - (step - each) for each in since]
    demands = [
        -(-sum(each < steps for each in left) // steps)
        for steps in range(1, STEPS_MAX + 1)
    ]
    return min(len(since), max(least, *demands))


def drawn(rng: random.Random, turn: int, segments: int) -> list[int]:
    """64 accounts: of every segment at some turns, of a few at the others."""
    numbers = list(range(1, segments))
    if turn % 12 > 3:
        numbers = rng.sample(numbers, 1 + turn % 3)
    return [512 * rng.choice(numbers) + rng.randrange(512) for _ in range(64)]


@pytest.mark.parametrize("least", [1, 4, 16])
def test_each_segment_is_written_within_its_term(tmp_path: Path, least: int) -> None:
    """Each turn is one step; what it writes is bounded, and so is what waits."""
    options = {"index_step_rows": 64, "index_segments_least": least}
    mover = open_plain(tmp_path / "ledger", 20, **options)
    ledger = mover.ledger
    while ledger.sequence % 64:
        mover.move(1, [2])
    while ledger.index_step():
        pass
    for _ in range(STEPS_MAX):  # until only the float's segment has changed
        mover.move(1, [2] * 64)
        assert ledger.index_step()
    since: dict[int, int] = {}  # step in which a segment that waits changed first
    rng = random.Random(least)
    most = 0
    for turn in range(72):
        accounts = drawn(rng, turn, 20)
        mover.move(1, accounts)
        assert ledger.index_step()
        as_of, behind, segments = stand(tmp_path / "ledger")
        step = as_of // 64
        for number in (0, *(account // 512 for account in accounts)):
            since.setdefault(number, step)
        written = [n for n, other in enumerate(segments) if other == as_of]
        waiting = sorted(since.values())
        assert len(written) == share_of(waiting, step, least)
        # Those that have waited longest.
        assert sorted(since[n] for n in written) == waiting[: len(written)]
        for number in written:
            del since[number]
        assert behind == step + 1 - min(since.values(), default=step + 1)
        assert behind < STEPS_MAX
        most = max(most, len(written))
        if turn % 10 == 0:
            expected = ledger.accounts()[0].tobytes()
            ledger.close()
            ledger = Ledger(str(tmp_path / "ledger"), **OPTIONS | options)
            mover.ledger = ledger
            assert ledger.accounts()[0].tobytes() == expected
    assert most < 20
    ledger.close()


def test_new_accounts_are_stored_at_once(tmp_path: Path) -> None:
    """No segment below the stored accounts is missing, however many are opened."""
    pair, _ = open_pair(tmp_path / "ledger", index_step_rows=16)
    while pair.ledger.index_step():
        segments = stand(pair.path)[2]
        meta = tables(pair.path, "meta")[b"index"]
        count = int.from_bytes(meta[360:364], "little")
        assert len(segments) == (0 if count == 1 else (count + 511) // 512)
    pair.reopen()
    pair.compare_all()
    pair.close()


def test_a_damaged_row_that_a_segment_lacks_is_noticed(tmp_path: Path) -> None:
    options = {**OPTIONS, "index_step_rows": 16}
    pair, network = open_pair(tmp_path / "ledger", **options)
    while pair.ledger.index_step():
        pass
    pair.close()
    with Ledger(str(pair.path), **options) as ledger:
        mover = Mover(ledger, network.treasury)
        accounts = [512 * number + 9 for number in range(SEGMENTS)]
        for _ in range(6):
            mover.move(network.float_, (accounts * 4)[:16])
            ledger.index_step()
        as_of, behind, _ = stand(pair.path)
        assert behind > 1
        row = ledger.rows(as_of - 16 * behind + 5, 1).tobytes()
    file = pair.path / "journal" / "data.mdb"
    body = bytearray(file.read_bytes())
    at = body.find(row)
    assert at >= 0
    while at >= 0:
        body[at + 32] ^= 1
        at = body.find(row, at + 1)
    file.write_bytes(body)
    with pytest.raises(CorruptionError):
        Ledger(str(pair.path), **options)


def test_a_step_without_room_is_taken_back_at_opening(tmp_path: Path) -> None:
    """Opening finds whole steps and no room for them: nothing is lost or done twice."""
    options = {"index_step_rows": 64, "index_lag_max": 1 << 14}
    pair, network = open_pair(tmp_path / "ledger", **options)
    generator = Generator(21, network, pair.model)
    for turn in range(120):
        asks, now = generator.group()
        pair.commit(asks, now)
        if turn < 60:
            pair.ledger.index_step()
    as_of = pair.ledger.index_sequence
    assert pair.ledger.sequence - as_of > 10 * 64
    for room, threads in ((1 << 62, False), (1 << 62, True), (0, True)):
        pair.options.update(room_least=room, threads=threads)
        pair.reopen()
        assert room == 0 or pair.ledger.index_sequence == as_of
        pair.compare_all(range(1, pair.ledger.sequence, 20))
        asks, now = generator.group()
        pair.commit(asks, now)
        pair.compare_accounts()
    assert pair.ledger.index_sequence > as_of
    pair.close()
