"""Goal: what the register says of budgets and keys is said once, kept, told to who
follows it, and listed.

Method: people of the treasury set budgets and pin keys over real connections; what
others may say of it is in `test_matrix.py`.
"""

from typing import Any

import grpc
import pytest

from switch.codes import BUDGET_BOUNDS, Budget, Role
from switch.ids import new_id
from switch.v1 import admin_pb2 as pb
from switch.v1 import results_pb2 as results
from tests.server.harness import CALL_S, Peer, Peers, ServerProcess, failing
from tests.server.test_revocations import NEXT, PIN, pin
from tests.server.test_security_log import wait_for_line

OK = results.RESULT_OK


def say(
    peer: Peer, participant: str, budget: int, value: int, row_id: bytes = b""
) -> pb.Outcome:
    request = pb.SetBudgetRequest(
        id=row_id or new_id(),
        participant=participant,
        budget=pb.Budget.ValueType(budget),
        value=value,
    )
    return peer.admin.SetBudget(request, timeout=CALL_S).outcome


def listed(peer: Peer) -> list[pb.ParticipantBudget]:
    """All of them, by pages of two."""
    request = pb.ListBudgetsRequest(page_size=2)
    found: list[pb.ParticipantBudget] = []
    while True:
        reply = peer.admin.ListBudgets(request, timeout=CALL_S)
        assert len(reply.budgets) <= 2
        found += reply.budgets
        request.page_token = reply.next_page_token
        if not request.page_token:
            return found


def pinned(peer: Peer) -> dict[str, pb.Pins]:
    """The same of keys, a page for each."""
    request = pb.ListPinsRequest(page_size=1)
    found: dict[str, pb.Pins] = {}
    while True:
        reply = peer.admin.ListPins(request, timeout=CALL_S)
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
        one = pb.Participant(id="sleeper", role=pb.ROLE_HARNESS, active=active)
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
    request = pb.ListBudgetsRequest(page_size=1)
    token = peers.auditor.admin.ListBudgets(request, timeout=CALL_S).next_page_token
    assert token
    for peer, asked in (
        (peers.treasury, pb.ListBudgetsRequest(page_token=token)),
        (peers.auditor, pb.ListPinsRequest(page_token=token)),
    ):
        call: Any = (
            peer.admin.ListPins
            if isinstance(asked, pb.ListPinsRequest)
            else peer.admin.ListBudgets
        )
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            call(asked, timeout=CALL_S)
        assert failures[0].fields == ["page_token"]
    for name in ("centre-a", "centre-b", "centre-c"):
        assert say(peers.treasury, name, Budget.WATCHES, 0).result == OK
    assert peers.get(Role.TREASURY, "checker").top_up("centre-a", 1).result == OK
