"""Goal: 65,000 accounts of billers and 65,535 services are as good as a few, for life.

Method: as many as there may be are made, and some more, which are refused; each of
thousands of participants and services is found by its code while they become more. All
accounts move within one window; it is closed, read again after opening, and settled
account by account. What the ledger does is compared with the model all along.
"""

import itertools
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from switch._core import GROUP_MAX, TAIL_MAX, WINDOW_LINE, Ledger
from switch.codes import AccountKind, Kind, Result
from tests.core.network import NOW, Network
from tests.core.pair import Pair, rows_request
from tests.longer import SLOW_BUILD
from tests.model import Payments, Rows
from tests.records import (
    AccountRecord,
    Outcome,
    ParticipantRecord,
    Payment,
    Row,
    ServiceRecord,
)

BILLER_ACCOUNTS_MAX = 65_000
SERVICES_MAX = 65_535
SETTLE_S = 80.0 if SLOW_BUILD else 20.0
"""Of the processor for all accounts, the model included; with a walk over all lines it
takes minutes."""

pytestmark = [pytest.mark.slow, pytest.mark.fills]


@pytest.fixture
def indexed(tmp_path: Path, network: Network) -> Iterator[Pair]:
    """A pair that has its index on its side, with the small network."""
    pair = Pair(tmp_path / "ledger", threads=False, index_step_rows=16_384)
    pair.commit([Rows(network.rows)], NOW)
    yield pair
    pair.close()


def commit_all(pair: Pair, rows: list[Row]) -> list[Outcome]:
    """In as few groups as there can be; all outcomes."""
    outcomes: list[Outcome] = []
    for start in range(0, len(rows), GROUP_MAX):
        outcomes += pair.commit([Rows(rows[start : start + GROUP_MAX])], NOW)[0]
        while pair.ledger.index_step():
            pass
    return outcomes


def open_all(pair: Pair, net: Network) -> None:
    """As many accounts of billers as there may be; those beyond are refused."""
    missing = BILLER_ACCOUNTS_MAX - len(pair.model.biller_accounts)
    rows = [
        Row(
            Kind.OPEN,
            id=purpose.to_bytes(16, "big"),
            participant=net.treasury,
            tail=AccountRecord(net.billers[0], purpose, AccountKind.BILLER).pack(),
        )
        for purpose in range(100, 100 + missing + 10)
    ]
    results = [outcome.result for outcome in commit_all(pair, rows)]
    assert results == [Result.OK] * missing + [Result.TABLE_FULL] * 10
    wallet = replace(rows[0], id=b"w" * 16)
    wallet.tail = AccountRecord(net.billers[0], 99, AccountKind.WALLET).pack()
    assert pair.one(wallet, NOW).result == Result.OK


def move_all(pair: Pair, net: Network, prefix: bytes) -> None:
    """Something for each account of a biller."""
    rows = [
        Row(
            Kind.TRANSFER,
            id=prefix + account.to_bytes(8, "big"),
            participant=net.treasury,
            amount=account,
            reference=b"FOR ALL",
            debit=net.float_,
            credit=account,
        )
        for account in pair.model.biller_accounts
    ]
    assert {one.result for one in commit_all(pair, rows)} == {Result.OK}


def close_window(pair: Pair, net: Network) -> int:
    """Its sequence."""
    window = Row(Kind.WINDOW, participant=net.treasury, resolves=pair.model.last_window)
    outcome = pair.one(window, NOW)
    assert outcome.result == Result.OK
    return outcome.sequence


def check_lines(pair: Pair, window: int) -> None:
    """It lists every account, in order, and no more than a tail has room for."""
    tail = pair.ledger.tail(window)
    lines = np.frombuffer(tail, WINDOW_LINE)
    assert lines["account"].tolist() == pair.model.biller_accounts
    assert (lines["payable"] == lines["account"]).all()
    assert len(tail) < TAIL_MAX
    pair.compare_sequence(window)


def settle_all(pair: Pair, net: Network, window: int) -> None:
    """Every account, and nothing twice."""
    rows = [
        Row(
            Kind.SETTLE,
            id=b"settle--" + account.to_bytes(8, "big"),
            participant=net.treasury,
            resolves=window,
            debit=account,
            credit=net.settlement,
            amount=account,
        )
        for account in pair.model.biller_accounts
    ]
    begun = time.process_time()
    assert {one.result for one in commit_all(pair, rows)} == {Result.OK}
    assert time.process_time() - begun < SETTLE_S
    again = replace(rows[-1], id=b"a" * 16)
    assert pair.one(again, NOW).result == Result.ALREADY_SETTLED
    wrong = replace(rows[0], id=b"n" * 16, debit=net.heads[0][0], amount=1)
    assert pair.one(wrong, NOW).result == Result.ALREADY_SETTLED


def test_a_window_over_all_accounts(indexed: Pair, network: Network) -> None:
    pair = indexed
    open_all(pair, network)
    move_all(pair, network, b"first---")
    window = close_window(pair, network)
    check_lines(pair, window)
    pair.reopen()
    check_lines(pair, window)
    settle_all(pair, network, window)
    pair.compare_all()
    pair.reopen()
    pair.compare_all([window])
    # The next one is as large, and follows the one that is wholly settled.
    move_all(pair, network, b"second--")
    check_lines(pair, close_window(pair, network))
    pair.reopen(without_index=True)
    pair.compare_all([window, pair.model.last_window])


def test_as_many_services_as_fit_their_index(indexed: Pair, network: Network) -> None:
    pair = indexed
    missing = SERVICES_MAX - len(network.services)
    record = ServiceRecord(b"", network.billers[0], (network.heads[0][0],))
    rows = [
        Row(
            Kind.REGISTER,
            id=b"service" + number.to_bytes(9, "big"),
            participant=network.treasury,
            tail=replace(record, code=b"N%d" % number).pack(),
        )
        for number in range(missing + 10)
    ]
    results = [outcome.result for outcome in commit_all(pair, rows)]
    assert results == [Result.OK] * missing + [Result.TABLE_FULL] * 10
    # What is there can still be changed, and the last one paid.
    change = replace(rows[0], id=b"c" * 16)
    assert pair.one(change, NOW).result == Result.OK
    pair.one(
        Row(
            Kind.TOP_UP,
            id=b"t" * 16,
            amount=1_000,
            reference=b"UTR",
            debit=network.float_,
            credit=network.wallets[0],
            participant=network.treasury,
        ),
        NOW,
    )
    for attempt in (b"1", b"2"):
        payment = Payment(
            id=attempt * 16,
            service=b"N%d" % (missing - 1),
            amount=10,
            reference=b"BILL",
        )
        centre = network.centres[0]
        [[paid]] = pair.commit([Payments([payment], [], centre, centre)], NOW)
        assert paid.result == Result.OK
        assert pair.ledger.row(paid.sequence).service == SERVICES_MAX
        if attempt == b"1":
            pair.reopen()
    pair.compare_all([paid.sequence])


def test_each_of_many_participants_and_services_is_found(
    indexed: Pair, network: Network
) -> None:
    """Before and behind each doubling of the tables of codes."""
    pair = indexed
    people = [ParticipantRecord(b"many-%05d" % number) for number in range(2_200)]
    record = ServiceRecord(b"", network.billers[0], (network.heads[0][0],))
    tails = [one.pack() for one in people]
    tails += [replace(record, code=b"M%d" % number).pack() for number in range(2_200)]
    rows = [
        Row(
            Kind.REGISTER,
            id=b"many" + number.to_bytes(12, "big"),
            participant=network.treasury,
            tail=tail,
        )
        for number, tail in enumerate(tails)
    ]
    # In turn, so that both grow from group to group.
    order = [*itertools.chain(*zip(rows[:2_200], rows[2_200:], strict=True))]
    for start in range(0, len(order), 500):
        outcomes = commit_all(pair, order[start : start + 500])
        assert {one.result for one in outcomes} == {Result.OK}
        check_codes(pair)
    # Who is there is changed, and no other.
    again = replace(people[0], active=0).pack()
    changed = replace(rows[0], id=b"c" * 16, tail=again)
    assert pair.one(changed, NOW).result == Result.OK
    check_codes(pair)
    for without_index in (False, True):
        pair.reopen(without_index=without_index)
        check_codes(pair)
        pair.compare_all()


def test_who_is_there_is_found_while_a_table_of_codes_grows(
    indexed: Pair, network: Network
) -> None:
    """Another thread looks for one participant and one service, all the time."""
    ledger = indexed.ledger
    record = ServiceRecord(b"", network.billers[0], (network.heads[0][0],))
    participant = next(iter(indexed.model.participant_of)).decode()
    service = next(iter(indexed.model.service_of)).decode()
    stop = threading.Event()
    missed: list[str] = []

    def look() -> None:
        while not stop.is_set():
            for _ in range(100):
                if not ledger.find_participant(participant):
                    missed.append(participant)
                if not ledger.find_service(service):
                    missed.append(service)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for start in range(0, 60_000, GROUP_MAX):
            numbers = range(start, min(start + GROUP_MAX, 60_000))
            commit_many(ledger, network.treasury, numbers, record)
    finally:
        stop.set()
        looking.join()
    assert not missed


def commit_many(
    ledger: Ledger, treasury: int, numbers: Iterable[int], service: ServiceRecord
) -> None:
    """A participant and a service for each number, without the model."""
    for kind in ("participant", "service"):
        rows = [
            Row(
                Kind.REGISTER,
                id=kind[:4].encode() + number.to_bytes(12, "big"),
                participant=treasury,
                tail=(
                    ParticipantRecord(b"grown-%05d" % number)
                    if kind == "participant"
                    else replace(service, code=b"G%d" % number)
                ).pack(),
            )
            for number in numbers
        ]
        [outcomes] = ledger.commit([rows_request(rows)], NOW)
        assert isinstance(outcomes, np.ndarray)
        assert set(outcomes["result"].tolist()) == {Result.OK}


def check_codes(pair: Pair) -> None:
    """All of them lead to who has them."""
    for code, index in pair.model.participant_of.items():
        assert pair.ledger.find_participant(code.decode()) == index
    for code, index in pair.model.service_of.items():
        assert pair.ledger.find_service(code.decode()) == index
    assert pair.ledger.find_participant("many-02200") == 0
    assert pair.ledger.find_service("M2200") == 0
