"""Goal: a counter sees what is in doubt: money that is kept, or is back unverified.

Method: a real server, services whose deadline is a second, and a biller that is silent,
says another amount, or speaks late. What people do about it has tests of its own.
"""

import json
from collections.abc import Iterable, Iterator

import grpc
import pytest

from switch.ids import new_id
from switch.v1 import billers_pb2
from switch.v1 import counter_pb2 as pb
from switch.v1 import payments_pb2 as payments
from switch.v1 import results_pb2 as results
from switch.v1 import types_pb2 as types
from tests.server.harness import (
    CALL_S,
    Peers,
    ServerProcess,
    failing,
    payment,
    running,
    until,
)
from tests.server.scripted_biller import (
    ScriptedBiller,
    confirm,
    reject,
    silent,
    willing,
)
from tests.server.till import DUE, Till, cashier, load_services, settings

HELD, UNKNOWN = payments.PAYMENT_STATE_HELD, payments.PAYMENT_STATE_UNKNOWN
KEPT, UNVERIFIED = payments.PAYMENT_STATE_KEPT, payments.PAYMENT_STATE_UNVERIFIED
COMPLETED, EXPIRED = payments.PAYMENT_STATE_COMPLETED, payments.PAYMENT_STATE_EXPIRED
OK = results.RESULT_OK


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("doubts")
    short = {"biller.verify_interval_max_ms": 200}
    with running(directory, *settings(**short)) as process:
        yield process


@pytest.fixture
def till(peers: Peers) -> Till:
    load_services(peers)
    return Till(peers.centre())


def held(till: Till, service: str, reference: str = "") -> payments.Payment:
    """A payment that waits for its biller, which is asked in vain."""
    due: payments.Payment = payment(service, DUE, reference=reference or new_id().hex())
    assert till.peer.pay(due).state == HELD
    return due


def until_state(till: Till, due: payments.Payment, state: int) -> None:
    until(lambda: till.get(due.id).state == state)


def another_amount(question: billers_pb2.Question) -> Iterable[billers_pb2.Answer]:
    said = confirm(question)
    said.amount += 1
    return (said,)


def paper(till: Till, due: payments.Payment) -> dict[str, object]:
    """The acknowledgement of a payment, as its JSON says it."""
    found = till.acknowledgement(due.id)
    value: dict[str, object] = json.loads(found.json)
    sequence = till.get(due.id).entry.sequence
    assert found.number == value["acknowledgement"] == f"centre-a/A/{sequence}"
    assert "THIS IS NO RECEIPT" in found.text
    assert all(len(line) <= 42 for line in found.text.splitlines())
    return value


def test_money_that_is_kept(till: Till, peers: Peers) -> None:
    with ScriptedBiller(peers.biller(), silent) as biller:
        # One that only waits is not kept.
        waits = held(till, "RANGE")
        before = till.wallet
        due = held(till, "STAYS")
        until_state(till, due, KEPT)
        wallet = till.wallet
        assert (wallet.kept, wallet.kept_count) == (DUE, 1)
        assert wallet.pending == before.pending + DUE
        assert wallet.holds_count == before.holds_count + 1
        assert wallet.available == before.available - DUE
        past = till.get(due.id).as_of_sequence
        assert till.wallet_at(past).kept == 0
        # Nobody takes the money again, and no cash goes back.
        again = till.peer.pay(payment("STAYS", DUE, reference=due.reference))
        assert again.result == results.RESULT_BILL_ALREADY_CLAIMED
        assert again.other_id == due.id
        # Sent again it is told at once: it takes people, or days.
        # The call would end before its wait does.
        repeat = till.pay(due, wait_ms=30_000)
        assert (repeat.repeat, repeat.state) == (True, KEPT)
        with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
            till.receipt(due.id)
        assert failures[0].reason == "NO_RECEIPT"
        said = paper(till, due)
        assert (said["state"], said["receipt"]) == ("kept", "")
        assert said["decided_by"]
        watched = till.watch(due.id)
        assert next(watched).state == KEPT
        biller.script = willing
        assert next(watched).state == COMPLETED
        assert not list(watched)
        until_state(till, waits, COMPLETED)
    wallet = till.wallet
    assert (wallet.kept, wallet.kept_count) == (0, 0)
    assert wallet.balance == before.balance - 2 * DUE
    told = paper(till, due)
    assert told["acknowledgement"] == said["acknowledgement"]
    assert told["state"] == "completed"
    assert str(told["receipt"]) in till.receipt(due.id).text


def test_another_amount_is_kept_and_said_at_once(till: Till, peers: Peers) -> None:
    with ScriptedBiller(peers.biller(), cashier(another_amount)) as biller:
        due = till.bill("BILL")
        outcome = till.pay(due, wait_ms=30_000)
        assert (outcome.result, outcome.state) == (OK, KEPT)
        assert outcome.wallet_pending >= DUE
        known = till.fetch("BILL", due.reference)
        assert known.state == pb.BILL_STATE_IN_PROGRESS
        biller.script = willing
        until_state(till, due, COMPLETED)


def test_money_that_is_back_too_early_to_know(till: Till, peers: Peers) -> None:
    before = till.wallet
    with ScriptedBiller(peers.biller(), silent) as biller:
        due = held(till, "SOON")
        until_state(till, due, UNVERIFIED)
        assert till.wallet.balance == before.balance
        assert till.wallet.pending == before.pending
        found = till.get(due.id)
        assert found.resolution.kind == types.ENTRY_KIND_EXPIRE
        assert not found.HasField("conclusion")
        assert not found.disputed
        # The bill is not free.
        again = till.peer.pay(payment("SOON", DUE, reference=due.reference))
        assert again.result == results.RESULT_BILL_ALREADY_CLAIMED
        assert paper(till, due)["state"] == "unverified"
        watched = till.watch(due.id)
        assert next(watched).state == UNVERIFIED
        biller.script = lambda one: (reject(one, "NOWHERE"),)
        end = next(watched)
        assert not list(watched)
    assert end.state == EXPIRED
    assert end.conclusion.kind == types.ENTRY_KIND_VERIFY
    assert end.conclusion.resolves == end.entry.sequence
    assert end.conclusion.note == "NOWHERE"
    assert (end.conclusion.centre, end.conclusion.biller) == ("centre-a", "power")
    assert till.wallet.balance == before.balance
    assert paper(till, due)["state"] == "expired"
    assert till.peer.pay(payment("SOON", DUE, reference=due.reference)).result == OK


def test_a_late_confirmation_is_in_dispute(till: Till, peers: Peers) -> None:
    with ScriptedBiller(peers.biller(), cashier(silent)) as biller:
        due = till.bill("FLEETING")
        assert till.peer.pay(due).state == HELD
        until_state(till, due, UNVERIFIED)
        known = till.fetch("FLEETING", due.reference)
        assert (known.state, known.quotation) == (pb.BILL_STATE_IN_PROGRESS, b"")
        biller.script = willing
        until(lambda: till.get(due.id).disputed)
        found = till.get(due.id)
        assert found.state == UNVERIFIED
        assert not found.HasField("conclusion")
        assert paper(till, due)["standing"] == "unverified (disputed)"
        known = till.fetch("FLEETING", due.reference)
        assert known.state == pb.BILL_STATE_IN_PROGRESS


def test_who_gets_an_acknowledgement(till: Till, peers: Peers) -> None:
    due = held(till, "STAYS")
    english = till.acknowledgement(due.id)
    bengali = till.acknowledgement(due.id, pb.LANGUAGE_BENGALI)
    assert english.number == bengali.number
    assert english.number in english.text
    assert "প্রাপ্তিস্বীকার" in bengali.text
    request = pb.GetAcknowledgementRequest(id=due.id, sender="centre-a")
    for peer in (peers.treasury, peers.auditor):
        found = peer.counter.GetAcknowledgement(request, timeout=CALL_S)
        assert found.number == english.number
    with failing(grpc.StatusCode.NOT_FOUND):
        peers.centre("centre-b").counter.GetAcknowledgement(request, timeout=CALL_S)
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        peers.biller().counter.GetAcknowledgement(request, timeout=CALL_S)
    with failing(grpc.StatusCode.NOT_FOUND):
        till.acknowledgement(new_id())
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        till.acknowledgement(due.id, 7)
    assert failures[0].fields == ["language"]


def test_what_has_no_acknowledgement(till: Till) -> None:
    direct = payment("AGAIN", 700)
    assert till.pay(direct).state == COMPLETED
    refused = payment("NOSUCH", 700)
    till.pay(refused)
    for due in (direct, refused):
        with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
            till.acknowledgement(due.id)
        assert failures[0].reason == "NO_ACKNOWLEDGEMENT"
