"""Goal: the list of exceptions has what is asked for, with its sums, what happened and
who wanted it, also days later.

Method: a real server with a silent biller and short deadlines; what takes days is in a
ledger that was filled before the server was started. When the file is through, the
auditor reads what it has written.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from switch.codes import Role
from switch.ids import new_id
from switch.ledger.exceptions import Owner
from switch.ledger.open_matters import ExceptionKind
from switch.v1 import admin_pb2 as admin
from switch.v1 import exceptions_pb2 as pb
from switch.v1 import types_pb2
from tests.ledger.office import AMOUNT, DAY_S, DEADLINE_S, SECOND, Office
from tests.server.harness import CALL_S, Peers, failing, running
from tests.server.scripted_biller import ScriptedBiller, silent
from tests.server.treasury import (
    BILLER,
    CLOSE,
    KEPT,
    LATE_CONFIRMATION,
    OK,
    OVERDUE,
    PAID,
    POST,
    PROPOSAL,
    TREASURY,
    UNVERIFIED,
    VERIFY,
    VOID,
    about,
    decide,
    expired,
    kept,
    kinds,
    listed,
    propose,
    say,
)


@pytest.fixture(scope="module", autouse=True)
def asked(peers: Peers) -> Iterator[ScriptedBiller]:
    """A biller that is asked and says nothing: what is not offered is given back."""
    with ScriptedBiller(peers.biller(), silent) as biller:
        yield biller


# --- what is asked for ---


def test_filters_and_totals(peers: Peers) -> None:
    here, there = kept(peers, "centre-b"), expired(peers, "centre-c")
    for fields, payments in (
        ({"centre": "centre-b"}, [here.sequence]),
        ({"centre": "centre-c"}, [there.sequence]),
        ({"biller": "power", "kinds": [KEPT]}, [here.sequence]),
        ({"biller": "power", "owner": BILLER}, [here.sequence, there.sequence]),
        ({"biller": "water"}, []),
        ({"overdue_only": True}, []),
        ({"owner": pb.EXCEPTION_OWNER_OPERATIONS}, []),
    ):
        found = listed(peers.auditor, **fields)
        assert [one.payment.sequence for one in found] == payments, fields
    proposals = [propose(peers.treasury, VOID, here.sequence) for _ in range(3)]
    request = pb.ListExceptionsRequest(centre="centre-b", page_size=2)
    first = peers.auditor.admin.ListExceptions(request, timeout=CALL_S)
    assert [(one.kind, one.count, one.amount) for one in first.totals] == [
        (KEPT, 1, PAID),
        (PROPOSAL, 3, 3 * PAID),
    ]
    assert first.totals[1].oldest_since_ns == proposals[0].time_ns
    request.page_token = first.next_page_token
    second = peers.auditor.admin.ListExceptions(request, timeout=CALL_S)
    assert not second.totals
    assert not second.next_page_token
    assert [one.sequence for page in (first, second) for one in page.exceptions[1:]] + [
        second.exceptions[0].sequence
    ] == [
        proposals[0].sequence,
        proposals[2].sequence,
        proposals[1].sequence,
    ]
    [outcome] = decide(peers, VOID, here.sequence)
    assert outcome.result == OK
    # What was asked for and can be done no more is still asked for.
    assert kinds(peers, here.sequence) == [PROPOSAL] * 3
    decide(peers, VERIFY, there.sequence)


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({"kinds": [1, 99]}, grpc.StatusCode.INVALID_ARGUMENT, ["kinds[1]"]),
        ({"kinds": [0]}, grpc.StatusCode.INVALID_ARGUMENT, ["kinds[0]"]),
        ({"owner": 9}, grpc.StatusCode.INVALID_ARGUMENT, ["owner"]),
        ({"biller": "centre-a"}, grpc.StatusCode.INVALID_ARGUMENT, ["biller"]),
        ({"biller": "nobody"}, grpc.StatusCode.NOT_FOUND, []),
        ({"centre": "power"}, grpc.StatusCode.NOT_FOUND, []),
        ({"page_size": -1}, grpc.StatusCode.INVALID_ARGUMENT, ["page_size"]),
        ({"page_token": "x"}, grpc.StatusCode.INVALID_ARGUMENT, ["page_token"]),
    ],
)
def test_what_cannot_be_asked_for(
    peers: Peers, fields: dict[str, Any], code: grpc.StatusCode, named: list[str]
) -> None:
    request = pb.ListExceptionsRequest(**fields)
    with failing(code) as failures:
        peers.auditor.admin.ListExceptions(request, timeout=CALL_S)
    assert failures[0].fields == named


def test_a_history_says_what_happened_and_who_wanted_it(peers: Peers) -> None:
    held = kept(peers)
    [case] = about(peers, held.sequence)
    withdrawn = propose(peers.treasury, VOID, held.sequence)
    request = admin.WithdrawRequest(
        id=new_id(), proposal_sequence=withdrawn.sequence, reason="they have it"
    )
    peers.checker.admin.Withdraw(request, timeout=CALL_S)
    decide(peers, POST, held.sequence)
    say(peers, held, 0)
    [one] = about(peers, held.sequence, with_history=True)
    assert not one.history_cut
    entry = types_pb2.EntryKind
    assert [
        entry.Name(row.kind).removeprefix("ENTRY_KIND_") for row in one.history
    ] == [
        *("HOLD", "CASE", "PROPOSE", "WITHDRAW", "PROPOSE", "APPROVE", "POST", "CASE"),
    ]
    first, kept_, asked, taken_back, wanted, approval, post, rejected = one.history
    assert (first.sequence, kept_.sequence) == (held.sequence, case.sequence)
    assert (asked.proposal_kind, asked.person) == (VOID, "treasury")
    assert asked.reference == "letter 12/2026"
    assert (taken_back.person, taken_back.reference) == ("checker", "they have it")
    assert (wanted.proposal_kind, approval.person) == (POST, "checker")
    assert post.proposal_sequence == wanted.sequence
    assert (rejected.note, rejected.centre) == ("E42", "centre-a")
    assert not about(peers, held.sequence)[0].history
    for _ in range(30):
        propose(peers.treasury, CLOSE, one.sequence)
    found = about(peers, held.sequence, with_history=True)[0]
    assert (len(found.history), found.history_cut) == (32, True)
    decide(peers, CLOSE, one.sequence)


def test_the_numbers_are_the_wire_s() -> None:
    for enum, wire, prefix in (
        (ExceptionKind, pb.ExceptionKind, "EXCEPTION_KIND_"),
        (Owner, pb.ExceptionOwner, "EXCEPTION_OWNER_"),
    ):
        named = {f"{prefix}{one.name}": one.value for one in enum}
        assert {**named, f"{prefix}UNSPECIFIED": 0} == dict(wire.items())


# --- days later ---


@pytest.fixture(scope="module")
def aged(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Peers, dict[str, int]]]:
    """A server whose ledger has been open for six days; payments by what they are."""
    directory: Path = tmp_path_factory.mktemp("aged")
    now_ns = time.time_ns()
    start_ns = now_ns - 6 * DAY_S * SECOND
    office = Office(directory / "ledger", start_ns)
    known = {
        "old": office.pay()[0],
        "late": office.pay("LAPSES")[0],
        "lapsed": office.pay("LAPSES")[0],
        "gas": office.pay("GAS", centre="bsk-2")[0],
    }
    office.pass_s(DEADLINE_S + 1)
    office.confirm(known["late"])
    office.pass_s(3 * DAY_S)
    known["long"] = office.pay("LONG")[0]
    known["young late"] = office.pay("LAPSES")[0]
    office.pass_s(DEADLINE_S + 1)
    office.confirm(known["young late"])
    office.now_ns = now_ns
    known["new"] = office.pay("LONG")[0]
    office.ledger.close()
    with running(directory, "--accept-clock") as server:
        them = Peers(server)
        yield them, known
        them.close()


def test_days_later(aged: tuple[Peers, dict[str, int]]) -> None:
    peers, known = aged
    office = peers.get(Role.TREASURY, "second")
    names = {sequence: name for name, sequence in known.items()}
    found = {names[one.payment.sequence]: one for one in listed(office)}
    told = {name: (one.kind, one.owner, one.overdue) for name, one in found.items()}
    assert told == {
        "old": (KEPT, TREASURY, True),
        "late": (LATE_CONFIRMATION, TREASURY, True),
        "lapsed": (UNVERIFIED, TREASURY, True),
        "gas": (KEPT, TREASURY, True),
        "long": (OVERDUE, TREASURY, True),
        # A biller may take back what it credited late, until T+5 ends.
        "young late": (LATE_CONFIRMATION, BILLER, True),
    }
    for one in found.values():
        assert one.decide_until_ns > one.payment.time_ns + 5 * DAY_S * SECOND
        assert one.amount == AMOUNT
    assert [one.payment.sequence for one in listed(office, biller="gas")] == [
        known["gas"]
    ]
    assert len(listed(office, overdue_only=True)) == len(told)
    request = admin.ListBillersRequest()
    states = office.admin.ListBillers(request, timeout=CALL_S).billers
    by_name = {one.biller: one for one in states}
    assert (by_name["water"].kept, by_name["water"].unverified) == (1, 3)
    assert (by_name["gas"].kept, by_name["gas"].unverified) == (1, 0)


def test_pages_of_one(aged: tuple[Peers, dict[str, int]]) -> None:
    peers, known = aged
    office = peers.get(Role.TREASURY, "second")
    request = pb.ListExceptionsRequest(page_size=1)
    sequences: list[int] = []
    while True:
        reply = office.admin.ListExceptions(request, timeout=CALL_S)
        assert len(reply.exceptions) == 1
        assert bool(reply.totals) == (not sequences)
        sequences += [one.sequence for one in reply.exceptions]
        request.page_token = reply.next_page_token
        if not request.page_token:
            break
    assert sequences == sorted(sequences)
    assert sequences == [one.sequence for one in listed(office)]
    assert len(sequences) == len(known) - 1
