"""Goal: an account's rows and past totals are found however long ago it was used, from
whatever place; what a damaged link or part would give is never given.

Method: ledgers of a hundred and more tiny index steps in which accounts are busy, rare,
quiet or unused, compared with the model at every sequence, grown and rebuilt. Entries
are changed with their checks made good again, so that links alone are put to the test.
"""

import random
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import pytest

from switch._core import Ledger
from switch.audit.crc import crc32c
from switch.codes import Kind
from switch.errors import IndexDamagedError
from tests.audit.journal_writer import change_index
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import Pair, rows_request
from tests.model import Model, Rows
from tests.records import Row

STEP_ROWS = 16
STEPS = 1_100
"""More than a block of blocks, so that links of all three levels are followed."""
OPTIONS: dict[str, Any] = {
    "threads": False,
    "index_step_rows": STEP_ROWS,
    "map_size": 1 << 30,
    "reserve_size": 0,
}
HEAD_SIZE, ENTRY_SIZE = 40, 80
ENTRY = struct.Struct("<4I4Q8I")
"""account, count, offset, words_check, totals, links of step and place, 0, check."""


@dataclass
class Made:
    """A closed ledger, and what is in it."""

    path: Path
    model: Model
    network: Network
    rare: int
    quiet: int
    still: int
    frozen: int


def pay(network: Network, wallet: int, number: int) -> Row:
    """A paisa from the float to a wallet."""
    return Row(
        Kind.TRANSFER,
        id=number.to_bytes(16, "big"),
        amount=1 + number % 3,
        reference=b"x",
        debit=network.float_,
        credit=wallet,
        participant=network.treasury,
    )


def freeze(network: Network, wallet: int, number: int) -> Row:
    """A row that changes an account and is none of its postings."""
    return Row(
        Kind.FREEZE,
        id=number.to_bytes(16, "big"),
        reference=b"why",
        debit=wallet,
        participant=network.treasury,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """1,100 steps: busy, rare and quiet wallets, one frozen late, one never used."""
    network = make_network()
    pair = Pair(tmp_path_factory.mktemp("postings") / "ledger", **OPTIONS)
    pair.commit([Rows(network.rows)], NOW)
    busy, rare, quiet, frozen, still = network.wallets[:5]
    for wallet in (rare, quiet, frozen):
        pair.one(top_up(network, wallet, 10**6, b"UTR-FIRST-%d" % wallet), NOW)
    rng = random.Random(3)
    number, rare_next = 1 << 40, 0
    while len(pair.model.rows) < STEPS * STEP_ROWS:
        rows = []
        for _ in range(97):
            number += 1
            wallet = busy
            if number >= rare_next:
                wallet, rare_next = rare, number + rng.randrange(20, 900)
            rows.append(pay(network, wallet, number))
        if len(pair.model.rows) // 97 in (60, 120):
            rows[5] = freeze(network, frozen, number + (1 << 41))
        pair.commit([Rows(rows)], NOW)
        while pair.ledger.index_step():
            pass
        if rng.randrange(40) == 0:
            pair.reopen()
    pair.close()
    return Made(pair.path, pair.model, network, rare, quiet, still, frozen)


def compare(ledger: Ledger, model: Model, account: int, step: int) -> None:
    """Totals at every `step`th sequence, and pages of rows from there."""
    for sequence in range(0, len(model.rows) + 1, step):
        assert ledger.balance_at(account, sequence) == model.balance_at(
            account, sequence
        )
        for limit in (1, 40):
            assert ledger.account_rows(
                account, sequence, limit
            ).tolist() == model.account_rows(account, sequence, limit)


def copy(made: Made, to: Path) -> Path:
    return Path(shutil.copytree(made.path, to / "copy"))


def stored(path: Path) -> dict[bytes, bytes]:
    """The postings of all steps."""
    with lmdb.open(str(path / "index"), readonly=True, lock=False, max_dbs=8) as env:
        name = env.open_db(b"postings", create=False)
        with env.begin(name) as txn:
            return {bytes(key): bytes(value) for key, value in txn.cursor()}


@pytest.mark.parametrize("rebuilt", [False, True])
def test_all_accounts_at_all_times(made: Made, tmp_path: Path, rebuilt: bool) -> None:
    path = copy(made, tmp_path)
    if rebuilt:
        shutil.rmtree(path / "index")
    with Ledger(str(path), create=False, **OPTIONS) as ledger:
        for account in (made.rare, made.quiet, made.frozen, made.still):
            compare(ledger, made.model, account, 37)
        compare(ledger, made.model, made.network.float_, 211)
        compare(ledger, made.model, made.network.wallets[0], 211)
    assert stored(path) == stored(made.path)


def test_rows_after_an_opening_join_on(made: Made, tmp_path: Path) -> None:
    """Entries of before the opening are found from those written after it."""
    path = copy(made, tmp_path)
    network = made.network
    accounts = (made.rare, made.quiet, made.frozen, made.still)
    with Ledger(str(path), create=False, **OPTIONS) as ledger:
        before = {
            account: ledger.account_rows(account, 0, 5_000).tolist()
            for account in accounts
        }
        rows = [
            pay(network, accounts[i % 4], (1 << 50) + i) for i in range(4 * STEP_ROWS)
        ]
        [outcomes] = ledger.commit([rows_request(rows)], NOW)
        assert not isinstance(outcomes, bytes)
        while ledger.index_step():
            pass
        for place, account in enumerate(accounts):
            mine = outcomes["sequence"][place::4][::-1].tolist()
            found = ledger.account_rows(account, 0, 5_000).tolist()
            assert found == mine + before[account]


# --- damage ---------------------------------------------------------------------------


def change(path: Path, key: bytes, make: Callable[[bytes], bytes]) -> None:
    """Write another value for one step, as if the index itself had written it."""
    change_index(path, "postings", key, make)


def instance_of(path: Path) -> bytes:
    """What every check begins with."""
    with lmdb.open(str(path / "journal"), readonly=True, lock=False, max_dbs=8) as env:
        name = env.open_db(b"meta", create=False)
        with env.begin(name) as txn:
            return bytes(txn.get(b"ledger") or b"")[8:24]


def entries(value: bytes) -> Iterator[tuple[int, list[int]]]:
    """Where each entry of a value stands, and its numbers."""
    for place in range(int.from_bytes(value[4:8], "little")):
        at = HEAD_SIZE + ENTRY_SIZE * place
        yield at, list(ENTRY.unpack_from(value, at))


def entry_check(instance: bytes, step: int, body: bytes) -> int:
    """The check of an entry, in the step of this number + 1."""
    return crc32c(instance + step.to_bytes(4, "little") + body)


def relink(
    instance: bytes, value: bytes, account: int, level: int, link: tuple[int, int]
) -> bytes:
    """The value with one link of an account's entry changed, and its check right."""
    step = (int.from_bytes(value[8:16], "little") - 1) // STEP_ROWS + 1
    for at, numbers in entries(value):
        if numbers[0] != account:
            continue
        numbers[8 + 2 * level : 10 + 2 * level] = link
        body = ENTRY.pack(*numbers)[:-4]
        check = entry_check(instance, step, body).to_bytes(4, "little")
        return value[:at] + body + check + value[at + ENTRY_SIZE :]
    raise AssertionError("the account is not in this step")


def key_of(step: int) -> bytes:
    return ((step - 1) * STEP_ROWS + 1).to_bytes(8, "big")


def steps_of(values: dict[bytes, bytes], account: int) -> list[int]:
    """The steps, number + 1, in which the account has postings."""
    return [
        (int.from_bytes(key, "big") - 1) // STEP_ROWS + 1
        for key, value in values.items()
        for _, numbers in entries(value)
        if numbers[0] == account and numbers[1]
    ]


def test_the_checks_are_those_of_the_data_model(made: Made) -> None:
    instance = instance_of(made.path)
    assert len(instance) == 16
    for key, value in stored(made.path).items():
        first, last = (int.from_bytes(value[i : i + 8], "little") for i in (8, 16))
        assert (first, last) == (int.from_bytes(key, "big"), first + STEP_ROWS - 1)
        head = crc32c(instance + value[:36])
        assert int.from_bytes(value[36:40], "little") == head
        step = (first - 1) // STEP_ROWS + 1
        words = HEAD_SIZE + ENTRY_SIZE * int.from_bytes(value[4:8], "little")
        for at, numbers in entries(value):
            body = value[at : at + ENTRY_SIZE - 4]
            assert numbers[-1] == entry_check(instance, step, body)
            begin = words + 4 * numbers[2]
            size = 4 * (numbers[1] + numbers[1] // 64 * 8)
            assert numbers[3] == crc32c(value[begin : begin + size])


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("to", ["itself", "later", "nothing there", "another's place"])
def test_a_link_that_is_wrong_is_refused(
    made: Made, tmp_path: Path, level: int, to: str
) -> None:
    path = copy(made, tmp_path)
    instance = instance_of(path)
    steps = steps_of(stored(path), made.rare)
    newest = steps[-1]
    link = {
        "itself": (newest, 0),
        "later": (newest + 1, 0),
        "nothing there": (newest - 1 - 1024 * (level == 2) - 32 * (level == 1), 99),
        "another's place": (1, 0),
    }[to]
    change(path, key_of(newest), lambda v: relink(instance, v, made.rare, level, link))
    # Where a search goes by that level, and only there.
    block = ((newest - 1) >> 5 * level << 5 * level) + 1
    step = next(s for s in range(block - 1, 0, -1) if s not in steps)
    began = time.process_time()
    with Ledger(str(path), create=False, **OPTIONS) as ledger:
        with pytest.raises(IndexDamagedError):
            ledger.balance_at(made.rare, step * STEP_ROWS)
        if level == 0:
            with pytest.raises(IndexDamagedError):
                ledger.account_rows(made.rare, 0, 5_000)
        assert ledger.balance_at(made.quiet, step * STEP_ROWS) == made.model.balance_at(
            made.quiet, step * STEP_ROWS
        )
    assert time.process_time() - began < 30


@pytest.mark.parametrize("part", ["head", "entry", "rows"])
def test_damage_is_refused_where_it_is_and_nowhere_else(
    made: Made, tmp_path: Path, part: str
) -> None:
    path = copy(made, tmp_path)
    account, other = made.network.float_, made.network.wallets[0]
    step = steps_of(stored(path), account)[-5]
    first = (step - 1) * STEP_ROWS + 1

    def damage(value: bytes) -> bytes:
        count = int.from_bytes(value[4:8], "little")
        at = 30
        for place, numbers in entries(value):
            if numbers[0] == account:
                words = HEAD_SIZE + ENTRY_SIZE * count + 4 * numbers[2]
                at = {"head": 30, "entry": place + 20, "rows": words + 1}.get(part, at)
        return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]

    change(path, key_of(step), damage)
    with Ledger(str(path), create=False, **OPTIONS) as ledger:
        with pytest.raises(IndexDamagedError):
            ledger.balance_at(account, first + 3)
        with pytest.raises(IndexDamagedError):
            ledger.account_rows(account, first + STEP_ROWS, 100)
        later = first + STEP_ROWS
        assert ledger.balance_at(account, later) == made.model.balance_at(
            account, later
        )
        if part != "head":
            assert ledger.balance_at(other, first + 3) == made.model.balance_at(
                other, first + 3
            )


def test_marks_are_checked(tmp_path: Path) -> None:
    """A busy account in large steps: totals behind every 64 rows, and their damage."""
    options = {**OPTIONS, "index_step_rows": 1_024}
    network = make_network()
    pair = Pair(tmp_path / "ledger", **options)
    pair.commit([Rows(network.rows)], NOW)
    for group in range(4):
        rows = [
            pay(network, network.wallets[i % 3], (group + 1 << 40) + i)
            for i in range(900)
        ]
        pair.commit([Rows(rows)], NOW)
    while pair.ledger.index_step():
        pass
    account = network.float_
    for at in range(0, len(pair.model.rows), 7):
        assert pair.ledger.balance_at(account, at) == pair.model.balance_at(account, at)
    pair.close()
    key = (1_025).to_bytes(8, "big")

    def damage(value: bytes) -> bytes:
        count = int.from_bytes(value[4:8], "little")
        numbers = next(n for _, n in entries(value) if n[0] == account)
        at = HEAD_SIZE + ENTRY_SIZE * count + 4 * (numbers[2] + numbers[1]) + 3
        return value[:at] + bytes([value[at] ^ 8]) + value[at + 1 :]

    change(pair.path, key, damage)
    with Ledger(str(pair.path), create=False, **options) as ledger:
        with pytest.raises(IndexDamagedError):
            ledger.balance_at(account, 1_050)
        assert ledger.balance_at(account, 900) == pair.model.balance_at(account, 900)


# --- beside the index writer ----------------------------------------------------------


def test_finds_beside_merges(tmp_path: Path) -> None:
    """What leaves memory stays as long as some read may still look at it."""
    network = make_network()
    options = {**OPTIONS, "threads": True, "index_lag_max": 256}
    ledger = Ledger(str(tmp_path / "ledger"), **options)
    ledger.commit([rows_request(network.rows)], NOW)
    known: list[tuple[bytes, int]] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def read(seed: int) -> None:
        rng = random.Random(seed)
        try:
            while not done.is_set():
                if not known:
                    continue
                id_, sequence = known[rng.randrange(len(known))]
                assert ledger.find(network.treasury, id_) == sequence
                assert ledger.find(network.treasury, rng.randbytes(16)) == 0
                rows = ledger.account_rows(network.float_, sequence + 1, 30)
                assert int(rows[0]) == sequence
                ledger.balance_at(network.float_, sequence)
                assert ledger.resolution(sequence) == (0, 0)
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            errors.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    rng = random.Random(9)
    until = time.monotonic() + 4
    turn = 0
    while time.monotonic() < until and not errors:
        turn += 1
        rows = [
            pay(network, network.wallets[i % 8], rng.getrandbits(127))
            for i in range(48)
        ]
        [outcomes] = ledger.commit([rows_request(rows)], NOW)
        assert not isinstance(outcomes, bytes)
        known += zip(
            (row.id for row in rows), outcomes["sequence"].tolist(), strict=True
        )
    done.set()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert sum(ledger.info()["ids_runs"][1:]) > 0, "nothing was merged"
    ledger.close()
