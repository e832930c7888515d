"""Goal: many threads read while one commits and another indexes; each answer is whole,
durable and never goes back; ending a ledger under readers is an error, never a crash,
and what a forked child does with it is nothing to its parent.

Method: real threads on a ledger with its own threads and small index steps. What may
end the process runs in a process of its own.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from switch._core import Ledger
from switch.codes import Kind, Result
from switch.errors import DeadError, StorageError
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import rows_request
from tests.core.test_in_flight import held_up
from tests.records import Row

OPTIONS: dict[str, Any] = {"map_size": 1 << 30, "reserve_size": 0}
FUNDS = 10**12
SECONDS = 3.0
COUNT = 300
"""Rows in one group of the busy ledger."""


def ask(ledger: Ledger, rows: list[Row], now: int = NOW) -> npt.NDArray[np.void]:
    """One group of row templates; its outcomes."""
    outcomes = ledger.commit([rows_request(rows)], now)[0]
    assert isinstance(outcomes, np.ndarray)
    return outcomes


def make(path: Path, **options: Any) -> tuple[Ledger, Network]:
    """A ledger with the small network and its funds."""
    network = make_network()
    ledger = Ledger(str(path), **{**OPTIONS, **options})
    ledger.commit([rows_request(network.rows)], NOW)
    rows = [top_up(network, w, FUNDS, b"UTR-FIRST-%d" % w) for w in network.wallets]
    ledger.commit([rows_request(rows)], NOW)
    return ledger, network


def transfers(network: Network, first: int, count: int = COUNT) -> list[Row]:
    """Moves of one paisa from the float to a wallet."""
    return [
        Row(
            Kind.TRANSFER,
            id=number.to_bytes(16, "big"),
            amount=1,
            reference=b"x",
            debit=network.float_,
            credit=network.wallets[0],
            participant=network.treasury,
        )
        for number in range(first, first + count)
    ]


def balanced(ledger: Ledger, network: Network, rng: random.Random) -> None:
    """Books balance at one sequence, and no account is behind its own history."""
    images, sequence = ledger.accounts()
    assert images["debits_posted"].sum() == images["credits_posted"].sum()
    assert images["debits_pending"].sum() == images["credits_pending"].sum()
    at = rng.randrange(1, sequence + 1)
    pending, posted, *_ = ledger.balance_at(network.float_, sequence)
    float_ = images[network.float_]
    assert (pending, posted) == (float_["debits_pending"], float_["debits_posted"])
    assert ledger.balance_at(network.float_, at)[1] <= posted


def history(ledger: Ledger, network: Network, rng: random.Random) -> None:
    """An account's rows: descending, all of them, none that is not durable."""
    before = rng.choice((0, rng.randrange(1, ledger.sequence + 2)))
    rows = ledger.account_rows(network.float_, before, 2_000)
    last = ledger.sequence
    assert np.all(rows[:-1] > rows[1:])
    assert not rows.size or rows[0] <= last
    if rows.size > 1:
        lowest, highest = int(rows[-1]), int(rows[0])
        between = ledger.rows(lowest, highest - lowest + 1)
        mine = between["debit"] == network.float_
        assert between["sequence"][mine].tolist() == rows[::-1].tolist()


def found(ledger: Ledger, network: Network, rng: random.Random) -> None:
    """A durable row is found by its id, also while it moves into the index."""
    row = ledger.row(rng.randrange(1, ledger.sequence + 1))
    if row.participant == network.treasury and any(row.id):
        sequence = ledger.find(network.treasury, row.id)
        assert sequence == row.sequence
    if row.kind == Kind.HOLD:
        resolving, _ = ledger.resolution(row.sequence)
        assert resolving == 0 or ledger.row(resolving).resolves == row.sequence


def registers(ledger: Ledger, network: Network, rng: random.Random) -> None:
    """Registers, open holds and figures can be read at any time."""
    assert len(ledger.records(0)) == len(ledger.accounts()[0])
    assert ledger.find_account(network.centres[0], 0) == network.wallets[0]
    holds = ledger.holds()
    rows = [ledger.row(sequence) for sequence in holds[:20].tolist()]
    assert all(row.kind == Kind.HOLD and row.result == 1 for row in rows)
    assert ledger.info()["index_sequence"] <= ledger.sequence


def test_readers_beside_commits_and_index_steps(tmp_path: Path) -> None:
    ledger, network = make(
        tmp_path / "ledger", index_step_rows=256, index_lag_max=65_536
    )
    errors: list[Exception] = []
    until = time.monotonic() + SECONDS

    def read(check: Callable[[Ledger, Network, random.Random], None]) -> None:
        rng = random.Random(check.__name__)
        last = 0
        try:
            while time.monotonic() < until:
                check(ledger, network, rng)
                assert last <= (last := ledger.sequence)
        except Exception as error:  # noqa: BLE001 - shown by the main thread
            errors.append(error)

    threads = [
        threading.Thread(target=read, args=(check,))
        for check in (balanced, history, found, registers)
    ]
    for thread in threads:
        thread.start()
    number, now = 1 << 40, NOW
    while time.monotonic() < until and not errors:
        number, now = number + COUNT, now + 10**9
        holds = transfers(network, number, 20)
        for row in holds:
            row.kind, row.deadline, row.amount = Kind.HOLD, 3, 1
            row.debit, row.service = network.great_wallet, network.great_service
        rows = transfers(network, number + (1 << 39)) + holds
        outcomes = ask(ledger, rows, now)
        assert set(outcomes["result"].tolist()) <= {
            Result.OK,
            Result.INSUFFICIENT_FUNDS,
        }
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert ledger.index_sequence > 0
    ledger.close()


def test_nothing_is_answered_after_the_end(tmp_path: Path) -> None:
    ledger, _ = make(tmp_path / "ledger", threads=False)
    ledger.close()
    ledger.close()
    calls: list[Callable[[], object]] = [
        lambda: ledger.commit([], NOW),
        ledger.accounts,
        ledger.holds,
        ledger.info,
        ledger.index_step,
        lambda: ledger.account(1),
        lambda: ledger.records(0),
        lambda: ledger.rows(1, 1),
        lambda: ledger.find(1, bytes(16)),
        lambda: ledger.find_account(1, 0),
        lambda: ledger.find_participant("treasury"),
        lambda: ledger.find_service("GREAT"),
        lambda: ledger.resolution(1),
        lambda: ledger.settled(1, 1),
        lambda: ledger.tail(1),
        lambda: ledger.row(1),
        lambda: ledger.account_rows(1, 0, 1),
        lambda: ledger.balance_at(1, 1),
    ]
    for call in calls:
        with pytest.raises(DeadError):
            call()
    Ledger(str(tmp_path / "ledger"), threads=False, **OPTIONS).close()


def test_a_dead_ledger_rests_and_still_reads(tmp_path: Path) -> None:
    """A failed index step ends commits, not reads, and costs no processor."""
    ledger, network = make(tmp_path / "ledger", index_step_rows=1_024)
    ledger.commit([rows_request(transfers(network, 1 << 40, 600))], NOW)
    assert ledger.sequence < 1_024, "no step is due before the damage"
    file = tmp_path / "ledger" / "journal" / "data.mdb"
    at = file.read_bytes().index(((1 << 40) + 500).to_bytes(16, "big"))
    with file.open("r+b", buffering=0) as journal:
        journal.seek(at + 100)
        journal.write(b"\xff")
    ledger.commit([rows_request(transfers(network, 1 << 41, 500))], NOW)
    until = time.monotonic() + 60
    while not ledger.dead and time.monotonic() < until:
        time.sleep(0.01)
    assert ledger.dead
    with pytest.raises(DeadError):
        ledger.commit([rows_request(transfers(network, 1 << 42, 1))], NOW)
    assert ledger.rows(1, 50).size == 50
    spent = time.process_time()
    time.sleep(1)
    assert time.process_time() - spent < 0.2
    ledger.close()


def test_a_ledger_that_a_commit_killed_rests(tmp_path: Path) -> None:
    """A failed commit leaves steps that are due for ever; nobody goes on with them."""
    options = {"index_step_rows": 256, "index_lag_max": 1 << 20, "map_size": 1 << 20}
    path = tmp_path / "ledger"
    ledger, network = make(path, **options)

    def commit_for_ever() -> None:
        for group in range(1, 100):
            ledger.commit([rows_request(transfers(network, group << 40))], NOW)

    with held_up(path, "index"), pytest.raises(StorageError):
        commit_for_ever()
    assert ledger.dead
    time.sleep(0.2)
    # The step that was held up may be through; the others stay as they are.
    assert ledger.sequence - ledger.index_sequence > 4 * 256
    spent = time.process_time()
    time.sleep(1)
    assert time.process_time() - spent < 0.2
    ledger.close()


# --- what ends the process if it goes wrong -------------------------------------------

PRELUDE = """
import sys, threading, time
from pathlib import Path
from switch._core import Ledger
from switch.errors import SwitchError
from tests.core.pair import rows_request
from tests.core.test_concurrency import NOW, OPTIONS, make, transfers
path = Path(sys.argv[1])
"""
CLOSE = """
from tests.core.network import make_network
requests = [
    rows_request(transfers(make_network(), (group + 1) << 40, 8000))
    for group in range(8)
]
for turn in range(10):
    ledger, network = make(path / str(turn), threads=False)
    for request in requests:
        ledger.commit([request], NOW)
    assert ledger.sequence > 64000
    def read():
        try:
            while True:
                ledger.rows(1, 65536)
                ledger.balance_at(network.float_, 1000)
        except SwitchError:
            pass
    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    ledger.close()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
"""
STEPS = """
options = {"threads": False, "index_step_rows": 1024}
ledger, network = make(path / "ledger", **options)
for group in range(6):
    rows = transfers(network, (group + 1) << 40, 8000)
    ledger.commit([rows_request(rows)], NOW)
def run():
    while ledger.index_step():
        pass
threads = [threading.Thread(target=run) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
images = ledger.accounts()[0].tobytes()
assert not ledger.dead and ledger.sequence - ledger.index_sequence < 1024
ledger.close()
ledger = Ledger(str(path / "ledger"), **options, **OPTIONS)
assert ledger.accounts()[0].tobytes() == images
"""
FORK = """
import os
options = {"index_step_rows": 1024}
ledger, network = make(path / "ledger", **options)
def in_child():
    for use in (lambda: ledger.rows(1, 1), lambda: ledger.commit([], NOW)):
        try:
            use()
            return 1
        except SwitchError as error:
            assert "closed" in str(error)
    ledger.close()
    # Nor does it keep others from opening it: the parent may be gone by then.
    held = {os.stat(f"/proc/self/fd/{fd}").st_ino for fd in os.listdir("/proc/self/fd")
            if os.path.exists(f"/proc/self/fd/{fd}")}
    return 2 if (path / "ledger" / "LOCK").stat().st_ino in held else 0
def run():
    while not ended:
        ledger.commit([rows_request(transfers(network, next(numbers) << 40))], NOW)
import itertools
numbers, ended = itertools.count(1), []
busy = threading.Thread(target=run, daemon=True)
busy.start()
for turn in range(10):
    time.sleep(0.05)
    child = os.fork()
    if not child:
        code = 3
        try:
            code = in_child()
        finally:
            os._exit(code)
    limit = time.monotonic() + 20
    done = (0, 0)
    while not done[0] and time.monotonic() < limit:
        time.sleep(0.01)
        done = os.waitpid(child, os.WNOHANG)
    if not done[0]:
        os.kill(child, 9)
    assert done == (child, 0), done
    ledger.rows(1, 1000)
ended.append(True)
busy.join()
assert not ledger.dead
images = ledger.accounts()[0].tobytes()
ledger.close()
ledger = Ledger(str(path / "ledger"), **options, **OPTIONS)
assert ledger.accounts()[0].tobytes() == images
"""
CODES = {
    "close under readers": CLOSE,
    "index steps from several threads": STEPS,
    "a child of a fork": FORK,
}


@pytest.mark.parametrize("what", CODES)
def test_the_process_survives(tmp_path: Path, what: str) -> None:
    command = [sys.executable, "-c", PRELUDE + CODES[what], str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, env=environment, check=False, timeout=120)
    assert done.returncode == 0
