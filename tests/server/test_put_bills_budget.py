"""Goal: a biller cannot fill disks with files of bills: what is beyond its bytes of a
day is refused before anything of it is kept, and told when it may come again.

Method: the count alone, over days; then a real server with a small budget.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from switch.billing.file_budget import FileBudget
from switch.calendar import day_number
from switch.codes import Role
from switch.errors import FilesSpentError
from switch.v1 import billers_pb2 as pb
from tests.server.harness import Peers, failing, figure, load, running
from tests.server.test_put_bills import due, file_of, put

MOST = 1 << 20
DAY_MS = 86_400_000
LINES = 7_000
"""Of a file that has more than half of MOST, and fits into one message."""
SERVICE = "SUPPLY"
"""Its bills may stand for earlier ones, as its biller confirms."""
NOON = 1_800_000_000_000_000_000


def test_a_day_has_so_many_bytes() -> None:
    budget = FileBudget()
    for now_ns in (NOON, NOON + DAY_MS * 10**6):
        for size in (60, 39, 1):
            budget.spend("power", size, 100, now_ns)
        with pytest.raises(FilesSpentError) as raised:
            budget.spend("power", 1, 100, now_ns)
        again_ns = now_ns + raised.value.retry_ms * 10**6
        assert day_number(again_ns) == day_number(now_ns) + 1
        assert day_number(again_ns - 2 * 10**6) == day_number(now_ns)
        # Of another biller it is another one.
        budget.spend("water", 100, 100, now_ns)
        assert list(budget.spent(now_ns)) == [("power", 100), ("water", 100)]
    assert list(budget.spent(again_ns)) == [("power", 0), ("water", 0)]


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[Peers]:
    most = ("--set", f"billers.water.file_bytes_per_day={MOST}")
    with running(tmp_path, *most) as server, closing(Peers(server)) as found:
        load(found)
        yield found


def large(number: int) -> tuple[pb.BillFile, list[pb.DueBill]]:
    """A full file of more than half a day."""
    old = [f"OLD-{n}-{'x' * 24}" for n in range(3)]
    bills = [due(one, supersedes=old) for one in range(1, LINES + 1)]
    return file_of(number, bills, service=SERVICE), bills


def test_what_is_beyond_it_is_refused_and_nothing_of_it_is_kept(peers: Peers) -> None:
    water = peers.get(Role.BILLER, "water")
    files = peers.server.directory / "ledger" / "bills" / "files"
    first, bills = large(1)
    assert put(water, first, bills).outcome.result == 1
    [kept] = files.glob("*/*")
    size = kept.stat().st_size
    assert MOST // 2 < size < MOST

    def refused(file: pb.BillFile, bills: list[pb.DueBill]) -> None:
        with failing(grpc.StatusCode.RESOURCE_EXHAUSTED) as failures:
            put(water, file, bills)
        [failure] = failures
        assert (failure.reason, failure.outcome) == ("OVER_BUDGET", "not_done")
        assert failure.budget == "file_bytes_per_day"
        assert 0 < failure.retry_ms <= DAY_MS
        assert list(files.glob("*/*")) == [kept]

    refused(*large(2))
    # Its answer was lost: it has the same again, and that costs nothing.
    again = put(water, first, bills)
    assert (again.outcome.result, again.outcome.repeat) == (1, True)
    # Another file with its id is no such one.
    other = [due(LINES + 1, supersedes=["OLD"]), *bills[1:]]
    refused(file_of(1, other, id=first.id, service=SERVICE), other)
    small = [due(1)]
    assert put(water, file_of(2, small, service=SERVICE), small).outcome.result == 1
    assert figure(peers.server, 'biller_file_bytes{biller="water"}') > size
