"""Goal: every bound holds and says so; a failed commit ends the ledger, and nothing of
its group is ever there.

Method: requests of exactly the bound and one more; another process that holds the
ledger; a map and a file size that are too small for the next commit.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from switch._core import GROUP_MAX, ROW, TAIL_MAX, Ledger, Request
from switch.codes import Kind, Result, RowFlag
from switch.errors import BusyError, DeadError, FormatError, StorageError
from tests.core import wire
from tests.core.network import NOW, Network, top_up
from tests.core.pair import Pair, rows_request
from tests.model import Rows
from tests.records import Payment, Row

TAIL_ITEM_MAX = 262_144
LITTLE_MAP = 1 << 20


def credits_(net: Network, count: int, first: int = 0) -> list[Row]:
    """Top-ups, each with its own UTR."""
    wallet = net.wallets[0]
    return [
        top_up(net, wallet, 100, b"BOUND %d" % number)
        for number in range(first, first + count)
    ]


def padded(net: Network, number: int, size: int) -> Row:
    """A register row whose tail has `size` bytes."""
    record = net.rows[0].tail or b""
    return Row(Kind.REGISTER, id=bytes([number + 1]) * 16, tail=record.ljust(size))


# --- what one request and one group may hold ------------------------------------------


def test_a_group_holds_exactly_group_max(pair: Pair, network: Network) -> None:
    rows = credits_(network, GROUP_MAX)
    pair.commit([Rows(rows)], NOW)
    assert pair.ledger.sequence == len(pair.model.rows)
    pair.compare_all([pair.ledger.sequence])


def test_one_row_more_is_refused_before_anything_is_done(
    pair: Pair, network: Network
) -> None:
    rows = credits_(network, GROUP_MAX + 1)
    with pytest.raises(ValueError, match="8190"):
        rows_request(rows)
    sequence = pair.ledger.sequence
    parts = [rows_request(rows[:8_000]), rows_request(rows[8_000:])]
    with pytest.raises(ValueError, match="group"):
        pair.ledger.commit(parts, NOW)
    payment = wire.encode_request([Payment(id=b"i" * 16)])
    parts = [rows_request(rows[:GROUP_MAX]), Request.payments(payment, 1, 0)]
    with pytest.raises(ValueError, match="group"):
        pair.ledger.commit(parts, NOW)
    assert pair.ledger.sequence == sequence
    assert not pair.ledger.dead


def test_expiries_take_what_room_is_left(pair: Pair, network: Network) -> None:
    holds = [
        Row(
            Kind.HOLD,
            id=number.to_bytes(16, "big"),
            amount=1,
            reference=b"BILL",
            debit=network.wallets[0],
            service=network.great_service,
            participant=network.harness,
            deadline=1,
        )
        for number in range(1, 101)
    ]
    pair.commit([Rows(holds)], NOW)
    later = NOW + 60 * 10**9
    pair.commit([Rows(credits_(network, GROUP_MAX - 30))], later)
    assert pair.ledger.holds_count == 70
    pair.commit([Rows(credits_(network, GROUP_MAX, GROUP_MAX))], later)
    assert pair.ledger.holds_count == 70
    pair.commit([], later)
    assert pair.ledger.holds_count == 0
    pair.compare_all()


def test_tails_have_bounds(pair: Pair, network: Network) -> None:
    with pytest.raises(ValueError, match="262144"):
        rows_request([padded(network, 0, TAIL_ITEM_MAX + 1)])
    rows = [padded(network, number, TAIL_ITEM_MAX) for number in range(16)]
    with pytest.raises(ValueError, match=str(TAIL_MAX)):
        rows_request(rows)
    halves = [rows_request(rows[:8]), rows_request(rows[8:])]
    with pytest.raises(ValueError, match="group"):
        pair.ledger.commit(halves, NOW)
    pair.commit([Rows(rows[:15])], NOW)
    last = pair.ledger.sequence
    assert pair.ledger.tail(last) == rows[14].tail
    pair.compare_all([last])


def test_a_group_has_room_for_one_window(pair: Pair, network: Network) -> None:
    """As if it listed as many accounts as there may be."""
    window = Row(Kind.WINDOW, participant=network.treasury)
    with pytest.raises(ValueError, match=str(TAIL_MAX)):
        rows_request([window, window])
    with pytest.raises(ValueError, match="group"):
        pair.ledger.commit([rows_request([window]), rows_request([window])], NOW)
    beside = [padded(network, number, TAIL_ITEM_MAX) for number in range(6)]
    requests = [rows_request([window]), rows_request([*beside, beside[0]])]
    with pytest.raises(ValueError, match="group"):
        pair.ledger.commit(requests, NOW)
    pair.commit([Rows([window, *beside])], NOW)
    pair.compare_all([pair.ledger.sequence])


def test_requests_that_are_not_rows(network: Network) -> None:
    row = np.zeros(1, ROW)
    with pytest.raises(ValueError, match="between"):
        Request.rows(np.zeros(0, ROW))
    with pytest.raises(ValueError, match="dtype"):
        Request.rows(np.zeros(1, np.uint8))
    with pytest.raises(ValueError, match="tail"):
        Request.rows(row, [b"a tail that no row has"])
    row["flags"] = RowFlag.TAIL
    with pytest.raises(ValueError, match="tail"):
        Request.rows(row)
    with pytest.raises(ValueError, match="bytes"):
        Request.rows(row, [b""])
    row["flags"] = RowFlag.CLAIM
    with pytest.raises(ValueError, match="flags"):
        Request.rows(row)


# --- one writer -----------------------------------------------------------------------


def test_the_same_process_cannot_open_it_twice(pair: Pair) -> None:
    with pytest.raises(BusyError):
        Ledger(str(pair.path), threads=False)
    assert pair.ledger.sequence == len(pair.model.rows)


def test_another_process_is_told_that_it_is_busy(pair: Pair) -> None:
    script = """
        import sys
        from switch._core import Ledger
        from switch.errors import BusyError
        try:
            Ledger(sys.argv[1], threads=False, map_size=1 << 30)
        except BusyError:
            sys.exit(17)
    """
    code = textwrap.dedent(script)
    command = [sys.executable, "-c", code, str(pair.path)]
    assert subprocess.run(command, check=False, timeout=60).returncode == 17
    pair.close()
    assert subprocess.run(command, check=False, timeout=60).returncode == 0


def test_a_closed_ledger_does_nothing(pair: Pair) -> None:
    pair.close()
    pair.close()
    with pytest.raises(DeadError):
        pair.ledger.commit([], NOW)
    with pytest.raises(DeadError):
        pair.ledger.accounts()


def test_a_map_has_no_room_for_values_beyond_an_entry(tmp_path: Path) -> None:
    """Rows of 128 bytes: none reaches 2^39, and twice that is what an entry holds."""
    with pytest.raises(ValueError, match="map_size"):
        Ledger(str(tmp_path / "ledger"), map_size=(1 << 46) + 4096)
    assert not (tmp_path / "ledger").exists()


def test_a_directory_that_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        Ledger(str(tmp_path / "nothing"), create=False, threads=False)


# --- the dead-latch -------------------------------------------------------------------


def fill_until_it_fails(pair: Pair, net: Network) -> list[Row]:
    """Commit groups until one fails; that one's rows."""
    for number in range(1_000):
        rows = credits_(net, 500, 500 * number)
        try:
            pair.ledger.commit([rows_request(rows)], NOW)
        except DeadError:
            raise
        except StorageError:
            return rows
        pair.model.commit([Rows(rows)], NOW)
    raise AssertionError("it never failed")


def check_dead(pair: Pair, net: Network, failed: list[Row]) -> None:
    """Nothing of the failed group is there, and nothing more is taken."""
    ledger, last = pair.ledger, len(pair.model.rows)
    assert ledger.dead
    for request in ([], [rows_request(credits_(net, 1, 10**6))]):
        with pytest.raises(DeadError):
            ledger.commit(request, NOW)
    assert ledger.sequence == last
    assert ledger.find(net.treasury, failed[0].id) == 0
    with pytest.raises(LookupError):
        ledger.row(last + 1)
    pair.compare_accounts()
    pair.compare_rows(1)


@pytest.fixture
def cramped(tmp_path: Path, network: Network) -> Pair:
    """A pair whose journal has room for a few groups only."""
    pair = Pair(tmp_path / "cramped", threads=False, map_size=LITTLE_MAP)
    pair.commit([Rows(network.rows)], NOW)
    return pair


def test_a_full_map_kills_the_ledger(cramped: Pair, network: Network) -> None:
    failed = fill_until_it_fails(cramped, network)
    check_dead(cramped, network, failed)
    cramped.options["map_size"] = 1 << 30
    cramped.reopen()
    assert cramped.ledger.sequence == len(cramped.model.rows)
    assert not cramped.ledger.dead
    cramped.compare_all([cramped.ledger.sequence])
    # The same requests are new to it.
    outcomes = cramped.commit([Rows(failed)], NOW)[0]
    assert all(o.result == Result.OK and not o.repeat for o in outcomes)
    cramped.close()


FILE_LIMIT = """
    import resource, signal, sys
    from pathlib import Path
    from tests.core.network import NOW, make_network
    from tests.core.pair import Pair
    from tests.core.test_bounds import check_dead, fill_until_it_fails
    from tests.model import Rows

    network = make_network()
    pair = Pair(Path(sys.argv[1]), threads=False)
    pair.commit([Rows(network.rows)], NOW)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    failed = fill_until_it_fails(pair, network)
    check_dead(pair, network, failed)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    pair.reopen()
    pair.compare_all([pair.ledger.sequence])
    outcomes = pair.commit([Rows(failed)], NOW)[0]
    assert not any(outcome.repeat for outcome in outcomes)
    pair.close()
    print("as it should be")
"""


def test_a_file_that_may_not_grow_kills_the_ledger(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FILE_LIMIT), str(tmp_path / "ledger")],
        cwd=root,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip() == "as it should be", done.stderr
