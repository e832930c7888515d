"""Goal: the largest groups that are allowed do what small ones do, and what is beyond a
bound is refused before anything has happened.

Method: groups of GROUP_MAX rows with everything at its longest, on every setting of the
index that the configuration allows; a full disk is a bound that no disk can meet.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch._core import GROUP_MAX, Ledger, Request
from switch.codes import Kind, Result, Role
from switch.errors import SpaceError
from tests.core import wire
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import Pair, rows_request
from tests.core.test_concurrency import ask, make, transfers
from tests.model import Payments, Rows
from tests.records import ParticipantRecord, Payment, Row

OPTIONS: dict[str, Any] = {
    "threads": False,
    "map_size": 1 << 30,
    "reserve_size": 0,
}
LARGE = 2**32 - 1


def payments(network: Network, count: int, first: int = 1) -> list[Payment]:
    """Payments with the longest of everything."""
    return [
        Payment(
            id=bytes(8 * [255]) + number.to_bytes(8, "big"),
            service=b"GREAT",
            amount=1_000,
            reference=b"%032d" % number,
            operator=LARGE,
            centre=b"great-centre",
            amount_due=2**64 - 1,
            tender=2,
            note=b"%064d" % number,
        )
        for number in range(first, first + count)
    ]


def holds(network: Network, first: int, count: int, now_s: int) -> list[Row]:
    """Holds on the great wallet, due after a second."""
    return [
        Row(
            Kind.HOLD,
            id=number.to_bytes(16, "big"),
            amount=1,
            reference=b"%d" % number,
            debit=network.great_wallet,
            service=network.great_service,
            participant=network.harness,
            deadline=now_s,
        )
        for number in range(first, first + count)
    ]


@pytest.fixture
def great(tmp_path: Path) -> Iterator[tuple[Pair, Network]]:
    """A pair whose great wallet can pay for everything."""
    network = make_network()
    pair = Pair(tmp_path / "ledger", **OPTIONS, index_step_rows=4_096)
    pair.commit([Rows(network.rows)], NOW)
    row = top_up(network, network.great_wallet, 10**18, b"UTR-GREAT")
    row.debit = network.great_float
    assert pair.one(row, NOW).result == Result.OK
    yield pair, network
    pair.close()


def test_a_full_group_of_long_payments(great: tuple[Pair, Network]) -> None:
    pair, network = great
    message = Payments(payments(network, GROUP_MAX), [], network.harness, 0)
    now = 2**63
    outcomes = pair.commit([message], now)[0]
    assert {outcome.result for outcome in outcomes} == {Result.OK}
    while pair.ledger.index_step():
        pass
    pair.commit([message], now + 1)  # the same again: repeats from the index
    for payment in message.payments[::5]:
        payment.note = payment.note[::-1]
    pair.commit([message], now + 2)  # other notes: refused, the others repeat
    pair.reopen(without_index=True)
    pair.compare_all((100, GROUP_MAX // 2, pair.ledger.sequence))


def test_expiries_fill_groups_and_leave_room_for_requests(
    great: tuple[Pair, Network],
) -> None:
    pair, network = great
    for first in (1, 1 + GROUP_MAX):
        pair.commit([Rows(holds(network, first << 40, GROUP_MAX, 1))], NOW)
    later = NOW + 10**11
    pair.commit([Rows(holds(network, 1 << 90, 1_000, 1))], later)
    assert pair.ledger.holds_count == 2 * GROUP_MAX - (GROUP_MAX - 1_000) + 1_000
    pair.commit([], later + 1)
    pair.commit([], later + 2)
    assert pair.ledger.holds_count == 1_000
    pair.commit([], later + 10**10)
    assert pair.ledger.holds_count == 0
    pair.compare_all()


@pytest.mark.parametrize(("step_rows", "lag_max"), [(16, 16), (64, 64), (1_024, 1_024)])
def test_a_full_group_with_the_smallest_lag(
    tmp_path: Path, step_rows: int, lag_max: int
) -> None:
    ledger, network = make(
        tmp_path / "ledger", index_step_rows=step_rows, index_lag_max=lag_max
    )
    for group in range(1, 4):
        rows = transfers(network, group << 40, GROUP_MAX)
        outcomes = ask(ledger, rows)
        assert set(outcomes["result"].tolist()) == {Result.OK}
    assert not ledger.dead
    ledger.close()


def test_arguments_that_are_refused_leave_no_trace(
    great: tuple[Pair, Network],
) -> None:
    pair, network = great
    half = rows_request(transfers(network, 1 << 40, GROUP_MAX // 2 + 1))
    for requests, now, error in (
        ([half, half], NOW, ValueError),
        ([half, b"no request"], NOW, TypeError),
        ([half], -1, OverflowError),
        ([half], 2**64, OverflowError),
    ):
        with pytest.raises(error):
            pair.ledger.commit(requests, now)  # type: ignore[arg-type]
    record = ParticipantRecord(b"one-more", Role.CENTRE).pack()
    row = Row(Kind.REGISTER, id=b"r" * 16, participant=1, tail=record)
    pair.one(row, NOW)
    pair.compare_all()


# --- what ends the process if it goes wrong -------------------------------------------

PRELUDE = """
import sys
from pathlib import Path
from switch._core import Ledger, Request
from switch.errors import SpaceError
from tests.core.pair import rows_request
from tests.core.test_concurrency import NOW, make, transfers
from tests.core.test_large import one_payment
path = Path(sys.argv[1]) / "ledger"
ledger, network = make(path, threads=False)
"""
CODES = {
    "nothing for a request": """
try:
    ledger.commit([None], NOW)
except TypeError:
    sys.exit(0)
sys.exit(1)
""",
    "a request without content": """
try:
    ledger.commit([Request()], NOW)
except (TypeError, ValueError):
    sys.exit(0)
sys.exit(1)
""",
    "a centre that cannot be": """
reply = ledger.commit([Request.payments(one_payment(), 5, 0xFFFFFFF0)], NOW)
sys.exit(0 if b"\\x10\\x06" in reply[0] else 1)  # INVALID_CENTRE
""",
}


def one_payment() -> bytes:
    """A message with one payment."""
    return wire.encode_request([Payment(b"i" * 16, b"GREAT", 5, b"x", centre=b"")])


@pytest.mark.parametrize("what", CODES)
def test_the_process_survives(tmp_path: Path, what: str) -> None:
    command = [sys.executable, "-c", PRELUDE + CODES[what], str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, env=environment, check=False, timeout=120)
    assert done.returncode == 0


def test_an_index_without_room_waits_and_goes_on(tmp_path: Path) -> None:
    """Groups are refused for space, nothing dies, and room mends it."""
    options = {"index_step_rows": 128, "index_lag_max": 256, "threads": False}
    ledger, network = make(tmp_path / "ledger", room_least=1 << 62, **options)
    refused = 0
    for group in range(1, 6):
        try:
            ledger.commit([rows_request(transfers(network, group << 40, 100))], NOW)
        except SpaceError:
            refused += 1
        if ledger.sequence >= 128:
            with pytest.raises(SpaceError):
                ledger.index_step()
    assert refused > 0
    assert not ledger.dead
    assert ledger.index_sequence == 0
    kept = ledger.accounts()[0].tobytes()
    ledger.close()
    # It can be read without room, and goes on with it.
    with Ledger(
        str(tmp_path / "ledger"), room_least=1 << 62, **OPTIONS | options
    ) as ledger:
        assert ledger.accounts()[0].tobytes() == kept
        with pytest.raises(SpaceError):
            ledger.commit([rows_request(transfers(network, 1 << 60, 100))], NOW)
    ledger = Ledger(str(tmp_path / "ledger"), **OPTIONS | options)
    assert ledger.accounts()[0].tobytes() == kept
    rows = transfers(network, 1 << 60, 100)
    assert set(ask(ledger, rows)["result"].tolist()) == {Result.OK}
    ledger.close()


def test_a_request_knows_its_share(great: tuple[Pair, Network]) -> None:
    _, network = great
    body = wire.encode_request(payments(network, 100))
    request = Request.payments(body, network.harness, 0)
    assert (request.rows_count, request.size) == (100, 100 * (8 + 56 + 64))
    body = wire.encode_request(payments(network, GROUP_MAX + 1))
    with pytest.raises(ValueError, match="8190"):
        Request.payments(body, network.harness, 0)
