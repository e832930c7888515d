"""Goal: what a correction has left of a bill is paid at the counter; what its biller
rejects then is taken back by the treasury, and the bill can be paid again.

Method: a real server and a biller that is silent when it is asked; bills that may be
paid in parts, and others, with a deadline of a second. When the file is through, the
auditor reads what it has written.
"""

from collections.abc import Iterator

import grpc
import pytest

from switch.codes import AmountRule
from switch.ids import new_id
from switch.v1 import admin_pb2 as admin
from switch.v1 import counter_pb2 as counter
from switch.v1 import payments_pb2 as payments
from switch.v1 import results_pb2 as results
from switch.v1 import types_pb2 as types
from tests.server.harness import CALL_S, Peers, ServerProcess, failing, running, until
from tests.server.scripted_biller import ScriptedBiller, silent
from tests.server.till import BILL, DIRECT, DUE, Till, cashier, service, settings
from tests.server.treasury import (
    CLOSE,
    CORRECTION,
    LATE_REJECTION,
    OK,
    about,
    decide,
    kinds,
    say,
)

EXPIRED = payments.PAYMENT_STATE_EXPIRED
UNVERIFIED = payments.PAYMENT_STATE_UNVERIFIED
TO_PAY, IN_PROGRESS = counter.BILL_STATE_DUE, counter.BILL_STATE_IN_PROGRESS
PAID = counter.BILL_STATE_PAID
PART = DUE // 3
SERVICES = [
    service("PARTS", AmountRule.EXACT_AND_BELOW, **BILL, deadline_s=1),
    service("WHOLE", AmountRule.EXACT, **BILL, deadline_s=1),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("corrections")
    with running(directory, *settings()) as process:
        yield process


@pytest.fixture
def till(peers: Peers) -> Till:
    request = admin.LoadNetworkRequest(services=SERVICES)
    peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
    return Till(peers.centre())


@pytest.fixture(autouse=True)
def asked(peers: Peers) -> Iterator[ScriptedBiller]:
    """A biller that says what is due, and nothing of payments."""
    with ScriptedBiller(peers.biller(), cashier(silent)) as biller:
        yield biller


def corrected(
    till: Till, peers: Peers, code: str, amount: int
) -> payments.PaymentOutcome:
    """A payment that has expired, and that people have corrected."""
    due = till.bill(code)
    due.amount = amount
    held = till.peer.pay(due)
    assert held.result == OK
    until(lambda: till.get(due.id).state == UNVERIFIED)
    say(peers, held, amount)
    known = till.fetch(code, due.reference)
    assert (known.state, known.quotation) == (IN_PROGRESS, b"")
    [done] = decide(peers, CORRECTION, held.sequence)
    assert till.get(due.id).conclusion.sequence == done.sequence
    return held


def reference_of(till: Till, held: payments.PaymentOutcome) -> str:
    entry = till.get(held.id).entry
    return entry.reference.removeprefix("BILL-")


def recover(peers: Peers, sequence: int, move_id: bytes = b"") -> results.Outcome:
    request = admin.RecoverAdvanceRequest(
        id=move_id or new_id(), advance_sequence=sequence, reason="letter 9/2026"
    )
    return peers.treasury.admin.RecoverAdvance(request, timeout=CALL_S).outcome


def test_what_a_correction_has_left_is_paid_at_the_counter(
    till: Till, peers: Peers
) -> None:
    held = corrected(till, peers, "PARTS", PART)
    reference = reference_of(till, held)
    rest = till.fetch("PARTS", reference)
    assert rest.state == TO_PAY
    outcome = till.peer.pay(till.due(rest, amount=DUE - PART))
    assert outcome.result == OK
    again = till.fetch("PARTS", reference)
    assert (again.state, again.quotation) == (IN_PROGRESS, b"")


def test_what_was_corrected_as_a_whole_is_paid(till: Till, peers: Peers) -> None:
    held = corrected(till, peers, "WHOLE", DUE)
    assert till.fetch("WHOLE", reference_of(till, held)).state == PAID


@pytest.mark.parametrize("by", ["case", "payment", "correction"])
def test_what_its_biller_rejects_is_taken_back(
    till: Till, peers: Peers, by: str
) -> None:
    before = till.wallet.balance
    held = corrected(till, peers, "WHOLE", DUE)
    assert till.wallet.balance == before - DUE
    say(peers, held, 0)
    [one] = about(peers, held.sequence)
    assert one.kind == LATE_REJECTION
    sequence = {
        "case": one.sequence,
        "payment": held.sequence,
        "correction": till.get(held.id).conclusion.sequence,
    }[by]
    move_id = new_id()
    for repeat in (False, True):
        done = recover(peers, sequence, move_id)
        assert (done.result, done.repeat) == (OK, repeat)
    assert till.wallet.balance == before
    assert not about(peers, held.sequence)
    found = till.get(held.id)
    assert (found.state, found.disputed) == (EXPIRED, False)
    assert found.conclusion.kind == types.ENTRY_KIND_TRANSFER
    assert found.conclusion.sequence == done.sequence
    assert found.conclusion.undoes
    assert found.conclusion.person == "treasury"
    known = till.fetch("WHOLE", reference_of(till, held))
    assert known.state == TO_PAY
    assert till.peer.pay(till.due(known)).result == OK
    assert recover(peers, held.sequence).result == results.RESULT_CASE_CLOSED


def test_what_people_close_stays_paid(till: Till, peers: Peers) -> None:
    held = corrected(till, peers, "WHOLE", DUE)
    assert recover(peers, held.sequence).result == results.RESULT_CASE_CLOSED
    say(peers, held, 0)
    [one] = about(peers, held.sequence)
    decide(peers, CLOSE, one.sequence)
    assert kinds(peers, held.sequence) == []
    assert till.fetch("WHOLE", reference_of(till, held)).state == PAID
    assert recover(peers, held.sequence).result == results.RESULT_CASE_CLOSED


def test_a_direct_service_has_no_bills_in_parts(peers: Peers) -> None:
    direct = service("QUICK", AmountRule.EXACT_AND_BELOW, **BILL, **DIRECT)
    request = admin.LoadNetworkRequest(services=[direct])
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
    [failure] = failures
    assert failure.fields == ["services[0].amount_rule"]
    assert "a direct service has no bills in parts" in failure.text
