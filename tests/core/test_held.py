"""Goal: nothing holds the ledger's lock for as long as it takes to go through all
accounts, holds or records: who has many of them does not make everybody wait.

Method: the build with asserts says how much a thread has gone through in one go under
the lock. Tables are filled beyond many a doubling, and what grows or is read is held to
a bound that does not depend on how full they are.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch import _core as core
from switch.codes import (
    AccountKind,
    DuplicateRule,
    Kind,
    Mode,
    Policy,
    Result,
    Role,
    Step,
)
from tests.core.chunks import MemoryLog, read_chunks
from tests.core.counter import centre_record, operator_record
from tests.core.full import Full
from tests.records import AccountRecord, ParticipantRecord, ServiceRecord

AT_ONCE = 4_096
"""Images, holds or sequences that are copied in one go, at most."""
GROWN = 64
"""Entries that are placed anew for one that is added, at most."""
MANY = 12_000

pytestmark = pytest.mark.skipif(not core.ASSERTS, reason="only the assert build counts")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Full]:
    made = Full(tmp_path / "ledger", threads=False, index_step_rows=16_384)
    yield made
    made.ledger.close()


def accepted(outcomes: core.Rows) -> core.Rows:
    assert set(outcomes["result"].tolist()) == {Result.OK}
    return outcomes


def open_accounts(full: Full, count: int, first: int = 100) -> None:
    """Accounts of one biller."""
    tails = [
        AccountRecord(full.net.billers[0], purpose, AccountKind.BILLER).pack()
        for purpose in range(first, first + count)
    ]
    rows = full.rows(Kind.OPEN, count, full.net.treasury)
    rows["flags"] = 1
    accepted(full.commit(rows, tails))


def held(full: Full, count: int) -> core.Rows:
    """The sequences of so many open holds."""
    record = ServiceRecord(
        b"HELD",
        full.net.billers[0],
        tuple(full.net.heads[0]),
        mode=Mode.CONFIRMED,
        deadline_policy=Policy.RELEASE,
        deadline_s=3_600,
        duplicate_rule=DuplicateRule.NONE,
        key_rule=0,
    )
    accepted(full.register([record.pack()]))
    rows = full.rows(Kind.HOLD, count, full.net.centres[0])
    rows["debit"] = full.net.wallets[0]
    rows["service"] = full.service + 1
    rows["amount"] = rows["total"] = 100
    rows["deadline"] = 3_600
    rows["reference"][:, 0] = ord("R")
    sequences: core.Rows = accepted(full.commit(rows))["sequence"]
    return sequences


# --- tables that grow -----------------------------------------------------------------


def test_holds_become_more(full: Full) -> None:
    core.test_held()
    sequences = held(full, MANY)
    assert core.test_held() <= GROWN
    assert full.ledger.holds().tolist() == sequences.tolist()
    full.reopen()
    assert full.ledger.holds().tolist() == sequences.tolist()


def test_links_become_more(full: Full) -> None:
    payments = full.pay(MANY)
    core.test_held()
    accepted(full.complain(payments))
    assert core.test_held() <= GROWN


def test_participants_and_services_become_more(full: Full) -> None:
    people = [ParticipantRecord(b"many-%05d" % at).pack() for at in range(MANY)]
    heads = tuple(full.net.heads[0])
    services = [
        ServiceRecord(b"M%d" % at, full.net.billers[0], heads).pack()
        for at in range(MANY // 4)
    ]
    core.test_held()
    accepted(full.register(people + services))
    assert core.test_held() <= GROWN


def test_operators_become_more_and_change_their_keys(full: Full) -> None:
    centre, code = full.net.centres[0], full.net.centre_codes[0]
    accepted(full.register([centre_record(code, signs_on=1)]))
    core.test_held()
    for _ in range(3):
        numbers = range(1, MANY // 4 + 1)
        tails = [operator_record(centre, at, os.urandom(32)) for at in numbers]
        accepted(full.register(tails))
    assert core.test_held() <= GROWN
    assert all(full.ledger.find_operator(centre, at) for at in numbers)
    accepted(
        full.register(
            [operator_record(centre, at, os.urandom(32)) for at in range(3_001, MANY)]
        )
    )
    core.test_held()
    full.ledger.operators(centre)
    assert 0 < core.test_held() <= AT_ONCE


# --- lists of all ---------------------------------------------------------------------


def test_accounts_are_copied_in_pieces(full: Full) -> None:
    open_accounts(full, MANY)
    core.test_held()
    images, sequence = full.ledger.accounts()
    assert 0 < core.test_held() <= AT_ONCE
    assert sequence == full.ledger.sequence
    assert len(images) > MANY
    assert all(images[at] == full.ledger.account(at)[0] for at in range(1, MANY, 97))


def test_a_copy_of_all_accounts_is_of_one_moment(tmp_path: Path) -> None:
    """Rows move a rupee from account to account meanwhile: at each moment as much was
    debited as was credited, and the newest change is not newer than the copy.
    """
    full = Full(tmp_path / "ledger")
    open_accounts(full, MANY)
    stop = threading.Event()
    copies = 0
    numbers = np.random.default_rng(5)
    last = len(full.ledger.accounts()[0]) - 1

    def read() -> None:
        nonlocal copies
        while not stop.is_set():
            images, sequence = full.ledger.accounts()
            debits = int(images["debits_posted"].sum())
            moments.append(debits == int(images["credits_posted"].sum()))
            moments.append(int(images["changed"].max()) <= sequence)
            moments.append(int(images["opened"].max()) <= sequence)
            copies += 1

    moments: list[bool] = []
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for at in range(40):
            rows = full.rows(Kind.TRANSFER, 2_000, full.net.treasury)
            rows["debit"] = full.net.float_
            rows["credit"] = numbers.integers(last - MANY + 1, last + 1, 2_000)
            rows["amount"] = 100
            rows["reference"][:, 0] = ord("R")
            accepted(full.commit(rows))
            open_accounts(full, 10, 100 + MANY + 10 * at)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert copies > 2
    assert all(moments)
    full.ledger.close()


def test_holds_are_listed_in_pieces(full: Full) -> None:
    sequences = held(full, MANY)
    core.test_held()
    assert full.ledger.holds().tolist() == sequences.tolist()
    assert 0 < core.test_held() <= AT_ONCE


@pytest.mark.parametrize("record", [0, 3])
def test_sequences_of_records_are_copied_in_pieces(full: Full, record: int) -> None:
    if record:
        accepted(full.complain(full.pay(MANY)))
    else:
        open_accounts(full, MANY)
    core.test_held()
    assert np.count_nonzero(full.ledger.records(record)) >= MANY
    assert 0 < core.test_held() <= AT_ONCE


def test_a_window_goes_through_billers_accounts_alone(full: Full) -> None:
    centres = range(MANY // 2)
    count = full.net.participants_count
    tails = [ParticipantRecord(b"c-%05d" % at, Role.CENTRE).pack() for at in centres]
    accepted(full.register(tails))
    rows = full.rows(Kind.OPEN, len(tails), full.net.treasury)
    rows["flags"] = 1
    wallets = [
        AccountRecord(count + 1 + at, 0, AccountKind.WALLET).pack() for at in centres
    ]
    accepted(full.commit(rows, wallets))
    billers = np.count_nonzero(
        full.ledger.accounts()[0]["kind"] == int(AccountKind.BILLER)
    )
    core.test_held()
    window = full.rows(Kind.WINDOW, 1, full.net.treasury)
    window["id"] = 0
    accepted(full.commit(window))
    assert 0 < core.test_held() <= billers


# --- the hash of a state --------------------------------------------------------------


def test_a_state_is_hashed_in_pieces(full: Full, tmp_path: Path) -> None:
    open_accounts(full, MANY)
    told = accepted(full.complain(full.pay(MANY)))["sequence"]
    # Behind the last step whatever is hashed of its state changes.
    open_accounts(full, 10, 100 + MANY)
    replies = full.rows(Kind.REPLY, 500, full.net.treasury)
    replies["resolves"] = told[-500:]
    replies["total"] = Step.ASKED
    accepted(full.commit(replies))
    accepted(full.register([ParticipantRecord(b"late").pack()]))
    full.pay(500)
    step, instance = 16_384, full.ledger.instance
    full.ledger.close()
    with core.Ledger(
        str(tmp_path / "far"),
        instance=instance,
        map_size=1 << 32,
        threads=False,
        index_step_rows=step,
    ) as far:
        hashes = {}
        for chunk in read_chunks(full.path):
            core.test_held()
            before = far.sequence // step
            far.follow([chunk])
            if far.sequence // step != before:
                # What this counts is not under the lock.
                assert core.test_held() <= AT_ONCE
                hashes[far.sequence] = far.state_hash()[1]
                core.test_held()
            assert core.test_held() <= AT_ONCE
        sequence, hashed = far.step_hash()
        assert 0 < core.test_held() <= AT_ONCE
        assert hashes[sequence] == hashed
        assert sequence < far.sequence


def test_a_leader_s_state_is_hashed_in_pieces(full: Full) -> None:
    open_accounts(full, MANY)
    full.ledger.replicate(MemoryLog(), 7)
    core.test_held()
    full.pay(8_190)
    assert core.test_held() <= AT_ONCE
    assert full.ledger.step_hash()[0] > MANY
    assert core.test_held() <= AT_ONCE
