"""Goal: a list of a day that a kill -9 cuts off anywhere is sent again, and ends in the
state of one that was never cut off.

Method: a real server over real sockets is killed at each place of the same list, one
after the other, and started again on what it left. The list has lines of every sort,
and lacks payments of every sort. What it says is stated here, payment by payment; each
payment has its end once; the auditor reads what is left.
"""

import sys
from pathlib import Path

import grpc
import pytest

from switch._core import Ledger
from switch.audit import audit
from switch.codes import CaseType, Kind, Link, Result
from switch.v1 import billers_pb2 as pb
from switch.v1 import types_pb2 as types
from tests.server.dies_in_list import LINES
from tests.server.harness import RUPEE, Peers, ServerProcess, load, until
from tests.server.test_acknowledge import (
    COMPLETED,
    EXPIRED,
    KEPT,
    REVERSED,
    UNVERIFIED,
    acknowledge,
    answer,
    holds,
    pay,
)
from tests.server.test_billers import get
from tests.server.test_day_list import day_of, messages, send

KILLS = [
    *(("before", 1), ("amid", 2), ("after", 3)),
    *(("amid", 5), ("after", 5)),
]
MAP_SIZE = 1 << 30
pytestmark = pytest.mark.slow


def start(directory: Path, when: str, number: int) -> ServerProcess:
    prefix = [sys.executable, "-m", "tests.server.dies_in_list", when, str(number)]
    server = ServerProcess(directory, prefix=prefix)
    server.wait_ready()
    return server


class Told:
    """A day, and what the list says of it."""

    def __init__(self, peers: Peers) -> None:
        released = self.held(peers, "BRIEF", 2)
        kept = self.held(peers, "KEPT", 12)
        until(lambda: all(get(peers, one.id).state == KEPT for one in kept))
        until(lambda: all(get(peers, one.id).state == UNVERIFIED for one in released))
        self.missing = kept[10:]
        acknowledge(peers, *map(answer, self.missing))
        self.credited, self.differing, self.rejected = kept[:7], kept[7], kept[8:10]
        self.late, self.verified = released
        self.day = day_of(kept[0])

    @staticmethod
    def held(peers: Peers, service: str, count: int) -> list[types.Entry]:
        sequences = pay(peers, service, count)
        return holds(peers, sequences[0] - 1)

    def lines(self) -> list[pb.Answer]:
        found = [answer(one) for one in (*self.credited, self.late)]
        return [*found, answer(self.differing, amount=2 * RUPEE)]


def test_a_list_that_was_cut_off_anywhere_is_sent_again(tmp_path: Path) -> None:
    told = None
    for when, number in [*KILLS, ("never", 0)]:
        server = start(tmp_path, when, number)
        peers = Peers(server)
        if told is None:
            load(peers)
            told = Told(peers)
            assert len(told.lines()) > 2 * LINES
        parts = list(messages(told.day, told.lines(), size=2))
        if when == "never":
            said = send(peers, parts)
            check_said(told, said)
            check_states(peers, told)
            # And once more it is nothing new.
            assert send(peers, parts) == said
            peers.close()
            assert server.stop() == 0
            break
        with pytest.raises(grpc.RpcError) as failure:
            send(peers, parts)
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
        peers.close()
        assert server.wait() == -9
    assert told is not None
    check_rows(tmp_path / "ledger", told)
    report = audit(tmp_path / "ledger")
    assert report.ok, report.findings


def check_said(told: Told, said: pb.SendDayListResponse) -> None:
    """All of it was done before the last kill."""
    assert (said.confirmed, said.already, said.rejected) == (0, len(told.credited), 0)
    assert list(said.differing_numbers) == [told.differing.sequence]
    assert list(said.late_numbers) == [told.late.sequence]
    assert list(said.missing_numbers) == [one.sequence for one in told.missing]
    assert (said.unknown, said.damaged, said.too_early) == (0, 0, 0)


def check_states(peers: Peers, told: Told) -> None:
    for one in (*told.credited, *told.missing):
        assert get(peers, one.id).state == COMPLETED
    for one in told.rejected:
        assert get(peers, one.id).state == REVERSED
        assert get(peers, one.id).resolution.note == "NOT_LISTED"
    assert get(peers, told.differing.id).state == KEPT
    assert get(peers, told.late.id).state == UNVERIFIED
    assert get(peers, told.late.id).disputed
    assert get(peers, told.verified.id).state == EXPIRED


def check_rows(path: Path, told: Told) -> None:
    """However often it was sent, each thing is written once."""
    with Ledger(str(path), create=False, map_size=MAP_SIZE) as ledger:
        rows = ledger.rows(1, min(ledger.sequence, 65_536))
        rows = rows[rows["result"] == Result.OK]

        def of(kind: Kind, one: types.Entry, about: int | None = None) -> int:
            mine = (rows["kind"] == kind) & (rows["resolves"] == one.sequence)
            if about is not None:
                mine &= rows["total"] == about
            return int(mine.sum())

        for one in (*told.credited, *told.missing):
            assert of(Kind.POST, one) == 1
        for one in told.rejected:
            assert of(Kind.VOID, one) == 1
        for one in told.missing:
            assert of(Kind.CASE, one, CaseType.LATE_REJECTION) == 1
        assert of(Kind.CASE, told.differing, CaseType.AMOUNT_DIFFERS) == 1
        assert of(Kind.CASE, told.late, CaseType.LATE_CONFIRMATION) == 1
        assert of(Kind.VERIFY, told.verified) == 1
        assert ledger.link(told.late.sequence, Link.VERIFY) == 0
