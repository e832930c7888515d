"""Goal: what the register says of budgets and keys is said once, kept, told to who
follows it, and listed; and holds for whom it names alone, at once, until taken back.

Method: people of the treasury set budgets and pin keys over real connections; what
others may say of it is in `test_matrix.py`.
"""

import time
from typing import Any

import grpc
import pytest

from switch.codes import BUDGET_BOUNDS, Budget, Role
from switch.ids import new_id
from switch.v1 import admin_pb2 as pb
from switch.v1 import budgets_pb2, certificates_pb2, network_pb2, wallets_pb2
from switch.v1 import results_pb2 as results
from tests.server.harness import (
    CALL_S,
    Peer,
    Peers,
    ServerProcess,
    failing,
    payment,
    until,
)
from tests.server.test_metrics import read, wait_for
from tests.server.test_revocations import NEXT, PIN, pin
from tests.server.test_security_log import wait_for_line

OK = results.RESULT_OK
WAIT_S = 60.0


def say(
    peer: Peer, participant: str, budget: int, value: int, row_id: bytes = b""
) -> results.Outcome:
    request = budgets_pb2.SetBudgetRequest(
        id=row_id or new_id(),
        participant=participant,
        budget=budgets_pb2.Budget.ValueType(budget),
        value=value,
    )
    return peer.admin.SetBudget(request, timeout=CALL_S).outcome


def listed(peer: Peer, size: int = 2) -> list[budgets_pb2.ParticipantBudget]:
    """All of them, by pages."""
    request = budgets_pb2.ListBudgetsRequest(page_size=size)
    found: list[budgets_pb2.ParticipantBudget] = []
    while True:
        reply = peer.admin.ListBudgets(request, timeout=CALL_S)
        # What a token promises is there.
        assert not request.page_token or reply.budgets
        assert len(reply.budgets) <= size
        found += reply.budgets
        request.page_token = reply.next_page_token
        if not request.page_token:
            return found


def pinned(peer: Peer) -> dict[str, certificates_pb2.Pins]:
    """The same of keys, a page for each."""
    request = certificates_pb2.ListPinsRequest(page_size=1)
    found: dict[str, certificates_pb2.Pins] = {}
    while True:
        reply = peer.admin.ListPins(request, timeout=CALL_S)
        assert not request.page_token or reply.pins
        found |= {one.participant: one for one in reply.pins}
        request.page_token = reply.next_page_token
        if not request.page_token:
            return found


def shown(peer: Peer) -> dict[tuple[str, int], tuple[int, str]]:
    return {
        (one.participant, one.budget): (one.value, one.set_by) for one in listed(peer)
    }


def test_a_budget_is_listed_as_it_was_set_last(peers: Peers) -> None:
    names = ("centre-d", "centre-c", "gas")
    try:
        for value, name in enumerate(names, 4_000):
            assert say(peers.treasury, name, Budget.FEEDS, value).result == OK
        last = say(peers.checker, "centre-c", Budget.FEEDS, 5_000)
        one = {one.participant: one for one in listed(peers.auditor)}["centre-c"]
        assert (one.value, one.set_by) == (5_000, "checker")
        assert (one.sequence, one.time_ns) == (last.sequence, last.time_ns)
        assert listed(peers.auditor, 1) == listed(peers.auditor, 1_000)
        told = shown(peers.treasury)
        assert told["centre-d", Budget.FEEDS] == (4_000, "treasury")
        assert told["gas", Budget.FEEDS] == (4_002, "treasury")
    finally:
        for name in names:
            assert say(peers.treasury, name, Budget.FEEDS, 0).result == OK
    # What is taken back is not there.
    assert not {(name, Budget.FEEDS) for name in names} & shown(peers.auditor).keys()


def test_an_id_that_was_sent_before_sets_nothing(peers: Peers) -> None:
    row_id = new_id()
    first = say(peers.treasury, "centre-d", Budget.FEEDS, 4_000, row_id)
    assert say(peers.treasury, "centre-d", Budget.FEEDS, 0).result == OK
    again = say(peers.treasury, "centre-d", Budget.FEEDS, 4_000, row_id)
    assert (again.sequence, again.repeat) == (first.sequence, True)
    other = say(peers.treasury, "centre-d", Budget.FEEDS, 4_001, row_id)
    assert other.result == results.RESULT_ID_REUSED
    assert ("centre-d", Budget.FEEDS) not in shown(peers.auditor)


def test_of_who_is_switched_off_it_is_kept(peers: Peers) -> None:
    def switch(*, active: bool) -> None:
        one = network_pb2.Participant(
            id="sleeper", role=network_pb2.ROLE_HARNESS, active=active
        )
        request = pb.LoadNetworkRequest(participants=[one])
        peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)

    switch(active=True)
    switch(active=False)
    assert say(peers.treasury, "sleeper", Budget.WATCHES, 9_999).result == OK
    switch(active=True)
    assert shown(peers.auditor)["sleeper", Budget.WATCHES] == (9_999, "treasury")
    assert say(peers.treasury, "sleeper", Budget.WATCHES, 0).result == OK


def test_nobody_else_sets_its_own(peers: Peers) -> None:
    for peer, name in (
        (peers.centre("centre-a"), "centre-a"),
        (peers.biller("gas"), "gas"),
        (peers.harness, "harness"),
        (peers.auditor, "auditor"),
    ):
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            say(peer, name, Budget.READS_PER_S, 1_000_000)
    assert not {budget for _, budget in shown(peers.auditor)} & {Budget.READS_PER_S}


@pytest.mark.parametrize(
    ("budget", "value", "field"),
    [
        (0, 1, "budget"),
        (max(Budget) + 1, 1, "budget"),
        (Budget.CALLS, BUDGET_BOUNDS[Budget.CALLS][1] + 1, "value"),
        (Budget.BYTES, BUDGET_BOUNDS[Budget.BYTES][0] - 1, "value"),
        (Budget.REFUSALS_AT_ONCE, 2**64 - 1, "value"),
    ],
)
def test_a_budget_that_is_none(
    peers: Peers, budget: int, value: int, field: str
) -> None:
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        say(peers.treasury, "centre-d", budget, value)
    assert failures[0].fields == [field]
    with failing(grpc.StatusCode.NOT_FOUND):
        say(peers.treasury, "nowhere", Budget.CALLS, 9)


def test_setting_one_is_an_act(peers: Peers, server: ServerProcess) -> None:
    row_id = new_id()
    assert say(peers.treasury, "centre-d", Budget.FEEDS, 4_321, row_id).result == OK
    request = {
        "id": row_id.hex(),
        "participant": "centre-d",
        "budget": "BUDGET_FEEDS",
        "value": 4_321,
    }
    line = wait_for_line(server, method="SetBudget", request=request)
    assert line["participant"] == "treasury/treasury"
    assert line["outcome"]["result"] == "RESULT_OK"
    assert say(peers.treasury, "centre-d", Budget.FEEDS, 0).result == OK


def test_keys_are_listed_as_they_are_now(peers: Peers) -> None:
    """Of who has any; no key of theirs is that of a certificate in use."""
    first = pin(peers.treasury, "centre-d", PIN)
    other = pin(peers.checker, "centre-c", PIN, NEXT)
    told = pinned(peers.auditor)
    one = told["centre-c"]
    assert (list(one.pins), one.pinned_by) == ([PIN, NEXT], "checker")
    assert (one.sequence, one.time_ns) == (other.sequence, other.time_ns)
    assert told["centre-d"].sequence == first.sequence
    assert pin(peers.treasury, "centre-d", NEXT).result == OK
    assert list(pinned(peers.treasury)["centre-d"].pins) == [NEXT]
    for name in ("centre-c", "centre-d"):
        assert pin(peers.treasury, name).result == OK
    assert not {"centre-c", "centre-d"} & pinned(peers.auditor).keys()


def test_pages_of_another_list_are_none(peers: Peers) -> None:
    """A token of one list, or of another person, is of no use."""
    for value in (1, 2, 3):
        name = f"centre-{'abc'[value - 1]}"
        assert say(peers.treasury, name, Budget.WATCHES, 10**6 + value).result == OK
    request = budgets_pb2.ListBudgetsRequest(page_size=1)
    token = peers.auditor.admin.ListBudgets(request, timeout=CALL_S).next_page_token
    assert token
    for peer, asked in (
        (peers.treasury, budgets_pb2.ListBudgetsRequest(page_token=token)),
        (peers.auditor, certificates_pb2.ListPinsRequest(page_token=token)),
    ):
        call: Any = (
            peer.admin.ListPins
            if isinstance(asked, certificates_pb2.ListPinsRequest)
            else peer.admin.ListBudgets
        )
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            call(asked, timeout=CALL_S)
        assert failures[0].fields == ["page_token"]
    for name in ("centre-a", "centre-b", "centre-c"):
        assert say(peers.treasury, name, Budget.WATCHES, 0).result == OK
    assert peers.get(Role.TREASURY, "checker").top_up("centre-a", 1).result == OK


# --- what they do ---------------------------------------------------------------------


def test_of_one_alone_and_until_it_is_taken_back(peers: Peers) -> None:
    """Open connections learn of it, and the next centre does not."""

    def is_held(name: str) -> bool:
        """Whether of several reads at once one has to wait."""
        request = wallets_pb2.GetWalletRequest(centre=name)
        stub = peers.centre(name).wallets
        calls = [stub.GetWallet.future(request, timeout=CALL_S) for _ in range(8)]
        codes = {call.code() for call in calls}
        assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        return grpc.StatusCode.RESOURCE_EXHAUSTED in codes

    def wait_until(*, held: bool) -> None:
        until = time.monotonic() + WAIT_S
        while is_held("centre-d") is not held:
            assert time.monotonic() < until

    assert not is_held("centre-d")
    for budget in (Budget.READS_PER_S, Budget.READS_AT_ONCE):
        assert say(peers.treasury, "centre-d", budget, 1).result == OK
    wait_until(held=True)
    assert not is_held("centre-c")
    for budget in (Budget.READS_PER_S, Budget.READS_AT_ONCE):
        assert say(peers.treasury, "centre-d", budget, 0).result == OK
    wait_until(held=False)


def test_refusals_of_one_alone(peers: Peers, server: ServerProcess) -> None:
    """The ledger's own: it holds with the very next group. Who is over it is seen."""
    turned_away = "payswitch_refusals_turned_away_total"
    over = 'payswitch_front_over_budget_total{budget="refusals"}'
    noted = 'payswitch_turned_away_total{cause="over_budget"}'
    before = read(server.metrics)
    spent = results.RESULT_TOO_MANY_REFUSALS

    def recorded(name: str) -> int:
        told = peers.centre(name).pay_all(
            [payment("NONE", amount=1, reference=f"{name}-{at}") for at in range(60)]
        )
        return sum(one.result != spent for one in told)

    assert recorded("centre-d") == 60
    assert say(peers.treasury, "centre-d", Budget.REFUSALS_AT_ONCE, 16).result == OK
    assert say(peers.treasury, "centre-d", Budget.REFUSALS_PER_S, 1).result == OK
    assert recorded("centre-d") == 16
    assert recorded("centre-c") == 60
    # It gets back one a second, which a busy machine may take: then that is spent, too.
    with failing(grpc.StatusCode.RESOURCE_EXHAUSTED) as failures:
        for _ in range(60):
            peers.centre("centre-d").pay(payment("NONE", amount=1))
    assert failures[0].retry_ms > 0
    # 44 of the batch, and one alone.
    for name in (turned_away, over):
        wait_for(server.metrics, name, before[name] + 45)
    # With what the other tests of this file have brought about.
    until(lambda: read(server.metrics)[noted] >= before[noted] + 45)
    for budget in (Budget.REFUSALS_AT_ONCE, Budget.REFUSALS_PER_S):
        assert say(peers.treasury, "centre-d", budget, 0).result == OK
    assert recorded("centre-d") == 60
