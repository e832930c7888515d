"""Goal: a ledger that is opened again gives every answer it gave before.

Method: small index steps, so that chunks and steps end at the same row, one before and
one after, runs merge over several levels and accounts fill several segments. All that
can be asked is asked before closing and after opening, and the requests are sent again.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.codes import AccountKind, Kind, Result, Role
from switch.errors import FormatError
from tests import people
from tests.core.generator import Generator
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import Pair
from tests.core.test_concurrency import ask
from tests.model import Rows
from tests.records import AccountRecord, ParticipantRecord, Row

STEP_ROWS = 16
RESERVE_WAIT_S = 20.0
OPTIONS: dict[str, Any] = {
    "threads": False,
    "index_step_rows": STEP_ROWS,
    "map_size": 1 << 30,
    "reserve_size": 0,
}
SIZES = (16, 15, 1, 17, 31, 1, 16, 33, 47, 64, 1, 15, 48)
"""Rows of one group each: steps end at chunks' ends, before them and after them."""


def index_all(ledger: Ledger) -> int:
    """Bring the index as far as it goes; what it covers then."""
    while ledger.index_step():
        pass
    return ledger.index_sequence


def answers(ledger: Ledger, network: Network) -> list[Any]:
    """Everything that can be asked of a small ledger."""
    rows = ledger.rows(1, 65_536)
    accounts, sequence = ledger.accounts()
    found: list[Any] = [rows.tobytes(), accounts.tobytes(), sequence]
    found += [ledger.timestamp, ledger.last_window, ledger.holds_count]
    found += [ledger.expiry(), ledger.holds().tolist()]
    found += [ledger.records(kind).tolist() for kind in (0, 1, 2)]
    found += [ledger.find_participant(c.decode()) for c in network.centre_codes]
    found += [ledger.find_account(centre, 0) for centre in network.centres]
    for row in rows:
        at = int(row["sequence"])
        found.append(ledger.tail(at))
        found.append(ledger.resolution(at))
        found.append(ledger.find(int(row["participant"]), row["id"].tobytes()))
        if row["kind"] == Kind.WINDOW:
            found += [ledger.settled(at, i) for i in range(1, len(accounts))]
    for account in range(1, len(accounts)):
        found.append(ledger.account_rows(account, 0, 65_536).tolist())
        found += [
            ledger.balance_at(account, at)
            for at in (*range(0, len(rows), 13), len(rows))
        ]
    return found


def test_a_new_ledger_opens_again(tmp_path: Path) -> None:
    for _ in range(2):
        with Ledger(str(tmp_path / "ledger"), **OPTIONS) as ledger:
            assert ledger.sequence == ledger.index_sequence == ledger.timestamp == 0
            assert ledger.rows(1, 10).size == ledger.holds().size == 0
            assert len(ledger.accounts()[0]) == 1
            assert not ledger.index_step()


def test_steps_end_at_before_and_after_chunks(tmp_path: Path) -> None:
    network = make_network()
    pair = Pair(tmp_path / "ledger", **OPTIONS)
    pair.commit([Rows(network.rows)], NOW)
    number = 0
    for size in SIZES:
        rows = []
        for _ in range(size):
            number += 1
            wallet = network.wallets[number % len(network.wallets)]
            rows.append(top_up(network, wallet, number, b"UTR-%d" % number))
        pair.commit([Rows(rows)], NOW)
        for _ in range(2):  # with the index as it was, and as far as it goes
            as_of = pair.ledger.index_sequence
            before = answers(pair.ledger, network)
            pair.reopen()
            assert answers(pair.ledger, network) == before
            # Opening indexes whole steps that it replays, and loads the others.
            whole = pair.ledger.sequence // STEP_ROWS * STEP_ROWS
            assert as_of <= pair.ledger.index_sequence == whole
            index_all(pair.ledger)
        assert ask(pair.ledger, rows[-3:])["repeat"].all()
    pair.close()


def test_every_kind_of_row_is_answered_the_same(tmp_path: Path) -> None:
    network = make_network()
    pair = Pair(tmp_path / "ledger", **OPTIONS)
    pair.commit([Rows(network.rows)], NOW)
    funds = [top_up(network, w, 10**8, b"UTR-FIRST-%d" % w) for w in network.wallets]
    pair.commit([Rows(funds)], NOW)
    generator = Generator(5, network, pair.model)
    rng = random.Random(5)
    asks, now = generator.group()
    for turn in range(6):
        while pair.ledger.sequence < 250 * (turn + 1):
            asks, now = generator.group()
            pair.commit(asks, now)
            if rng.random() < 0.5:
                index_all(pair.ledger)
        before = answers(pair.ledger, network)
        pair.reopen(without_index=turn == 3)
        assert answers(pair.ledger, network) == before
        pair.commit(asks, now)  # the model knows what is a repeat
    pair.close()


def test_merges_of_several_levels(tmp_path: Path) -> None:
    network = make_network()
    pair = Pair(tmp_path / "ledger", **OPTIONS)
    pair.commit([Rows(network.rows)], NOW)
    rng = random.Random(11)
    rows: list[Row] = []
    while pair.ledger.sequence < 12_000:
        group = [
            top_up(network, rng.choice(network.wallets), 5, b"UTR-%d" % (len(rows) + i))
            for i in range(rng.randrange(1, 400))
        ]
        rows += group
        pair.commit([Rows(group)], NOW)
        index_all(pair.ledger)
        if rng.randrange(8) == 0:
            pair.reopen()  # a merge under way begins again
    levels = [count > 0 for count in pair.ledger.info()["ids_runs"]]
    assert sum(levels[1:]) >= 2
    pair.reopen()
    assert [count > 0 for count in pair.ledger.info()["ids_runs"]] == levels
    for start in range(0, len(rows), 4_000):
        group = rows[start : start + 4_000]
        assert ask(pair.ledger, group)["repeat"].all()
        for row in group[::37]:
            row.id = bytes(reversed(row.id))
        other = ask(pair.ledger, group[::37])
        assert set(other["result"].tolist()) == {Result.UTR_ALREADY_CREDITED}
    pair.close()


def test_accounts_of_several_segments(tmp_path: Path) -> None:
    options = {**OPTIONS, "index_step_rows": 64}
    ledger = Ledger(str(tmp_path / "ledger"), **options)
    numbers = iter(range(1, 100_000))

    def row(kind: int, **fields: Any) -> Row:
        return Row(kind, id=next(numbers).to_bytes(16, "big"), participant=1, **fields)

    def commit(rows: list[Row]) -> None:
        outcomes = ask(ledger, rows)
        assert set(outcomes["result"].tolist()) == {Result.OK}

    owner = ParticipantRecord(b"treasury", Role.TREASURY).pack()
    kinds = [AccountKind.FLOAT] + 1_300 * [AccountKind.SUSPENSE]
    tails = [AccountRecord(1, i, kind).pack() for i, kind in enumerate(kinds)]
    commit([row(Kind.REGISTER, tail=owner)])
    commit([row(Kind.OPEN, tail=tail) for tail in tails])
    for account in (511, 512, 513, 1_023, 1_024, 1_301):
        # Only the float's segment and this account's are written by this step.
        move = {"amount": account, "reference": b"x", "debit": 1, "credit": account}
        commit([row(Kind.TRANSFER, **move) for _ in range(64)])
        index_all(ledger)
        images = ledger.accounts()[0].tobytes()
        as_of = ledger.index_sequence
        ledger.close()
        ledger = Ledger(str(tmp_path / "ledger"), **options)
        assert ledger.index_sequence == as_of > ledger.sequence - 64
        assert ledger.accounts()[0].tobytes() == images
        assert ledger.account(account)[0]["credits_posted"] == 64 * account
        assert ledger.records(0)[account] == account + 1
    assert ledger.find_account(1, 1_300) == 1_301
    ledger.close()


def test_claims_and_holds_outlive_the_index(tmp_path: Path) -> None:
    """A claim is kept, released and taken again across runs and openings."""
    network = make_network()
    pair = Pair(tmp_path / "ledger", **OPTIONS)
    pair.commit([Rows(network.rows)], NOW)
    wallet, centre = network.wallets[0], network.centres[0]
    pair.one(top_up(network, wallet, 10**9, b"UTR"), NOW)
    once = next(
        i
        for i, each in enumerate(network.services, 1)
        if each.duplicate_rule == 2 and each.key_rule == 1 and each.amount_rule == 3
    )
    filler = iter(range(10**6))

    def settle_down() -> None:
        """Everything so far into the index, and a new process's memory."""
        row = [top_up(network, wallet, 1, b"FILL-%d" % next(filler)) for _ in range(32)]
        pair.commit([Rows(row)], NOW)
        index_all(pair.ledger)
        pair.reopen()

    def pay(number: int, kind: Kind) -> Row:
        deadline = 600 if kind == Kind.HOLD else 0
        return Row(
            kind,
            id=number.to_bytes(16, "big"),
            amount=1_000,
            reference=b"BILL",
            debit=wallet,
            service=once,
            participant=centre,
            deadline=deadline,
        )

    def refund(number: int, of: int, amount: int) -> int:
        at = len(pair.model.rows) + 1
        rows = people.refund(of, amount, at, number.to_bytes(16, "big"))
        return pair.commit([Rows(rows)], NOW)[0][-1].result

    taken = pair.one(pay(1, Kind.HOLD), NOW)
    assert taken.result == Result.OK
    settle_down()
    assert pair.one(pay(2, Kind.PAY), NOW).other == taken.sequence
    assert pair.one(Row(Kind.VOID, resolves=taken.sequence), NOW).result == Result.OK
    settle_down()
    taken = pair.one(pay(3, Kind.HOLD), NOW)
    settle_down()
    posted = pair.one(Row(Kind.POST, amount=900, resolves=taken.sequence), NOW)
    settle_down()
    for number, amount in ((4, 400), (5, 499)):
        assert refund(number, posted.sequence, amount) == Result.OK
        settle_down()
    assert refund(6, posted.sequence, 2) == Result.EXCEEDS_PAYMENT
    assert pair.one(pay(7, Kind.PAY), NOW).result == Result.BILL_ALREADY_CLAIMED
    assert refund(8, posted.sequence, 1) == Result.OK
    settle_down()
    assert pair.one(pay(9, Kind.PAY), NOW).result == Result.OK
    settle_down()
    assert pair.one(pay(10, Kind.PAY), NOW).result == Result.BILL_ALREADY_CLAIMED
    last = pair.one(pay(11, Kind.HOLD), NOW)
    assert last.result == Result.BILL_ALREADY_CLAIMED
    pair.compare_all(range(1, pair.ledger.sequence + 1, 5))
    pair.close()


def test_create_false_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "ledger" / "journal").mkdir(parents=True)
    with pytest.raises(FormatError):
        Ledger(str(tmp_path / "ledger"), create=False, **OPTIONS)


SHORT = """
import sys
from switch._core import Ledger
from switch.errors import StorageError
try:
    Ledger(
        sys.argv[1], create=False, threads=False, reserve_size=0, map_size=1 << 30,
        index_step_rows=1024,
    )
except StorageError:
    sys.exit(7)
"""


@pytest.mark.parametrize("environment", ["journal", "index"])
def test_a_file_cut_short_is_an_error_and_no_crash(
    tmp_path: Path, environment: str
) -> None:
    network = make_network()
    pair = Pair(tmp_path / "ledger", **{**OPTIONS, "index_step_rows": 1_024})
    pair.commit([Rows(network.rows)], NOW)
    for number in range(3):
        utrs = (b"UTR-%d" % (number * 1_000 + i) for i in range(1_000))
        rows = [top_up(network, network.wallets[0], 1, utr) for utr in utrs]
        pair.commit([Rows(rows)], NOW)
    index_all(pair.ledger)
    pair.close()
    cut = Path(shutil.copytree(tmp_path / "ledger", tmp_path / "cut"))
    file = cut / environment / "data.mdb"
    os.truncate(file, file.stat().st_size // 2)
    done = subprocess.run([sys.executable, "-c", SHORT, str(cut)], check=False)
    assert done.returncode != -signal.SIGBUS
    assert done.returncode == 7


def test_a_file_that_ends_within_a_block_still_gets_its_reserve(tmp_path: Path) -> None:
    """Zeros are written past the page cache, which asks for whole blocks."""
    reserve = 1 << 20
    path = tmp_path / "ledger"
    Ledger(str(path), map_size=1 << 30, reserve_size=0).close()
    with (path / "journal" / "data.mdb").open("ab") as file:
        file.write(bytes(100))
    ledger = Ledger(str(path), map_size=1 << 30, reserve_size=reserve)
    end = time.monotonic() + RESERVE_WAIT_S
    while ledger.info()["reserve_bytes"] < reserve and time.monotonic() < end:
        time.sleep(0.01)
    info = ledger.info()
    ledger.close()
    assert info["reserve_bytes"] >= reserve
    assert not info["space_error"]
