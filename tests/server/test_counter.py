"""Goal: each call of the counter gives what its contract says, also when it is wrong.

Method: a real server with short times and a scripted biller over real sockets. What
the network's users complain of has tests of its own in test_complaints.py.
"""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from switch.ids import format_id, new_id
from switch.v1 import admin_pb2, billers_pb2, types_pb2
from switch.v1 import counter_pb2 as pb
from switch.v1 import payments_pb2 as payments
from switch.v1 import results_pb2 as results
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Peers,
    ServerProcess,
    failing,
    payment,
    running,
    until,
)
from tests.server.scripted_biller import (
    ScriptedBiller,
    due_bill,
    owes,
    reject,
    silent,
    unknown,
    willing,
)
from tests.server.till import DUE, SPELT, Till, cashier, load_services, settings

HELD, UNKNOWN = payments.PAYMENT_STATE_HELD, payments.PAYMENT_STATE_UNKNOWN
COMPLETED = payments.PAYMENT_STATE_COMPLETED
REVERSED, REFUSED = payments.PAYMENT_STATE_REVERSED, payments.PAYMENT_STATE_REFUSED
OK = results.RESULT_OK
DAY_NS = 86_400 * 10**9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("counter")
    with running(directory, *settings(billers__water__absent_ms=100)) as process:
        yield process


@pytest.fixture
def till(peers: Peers) -> Till:
    load_services(peers)
    return Till(peers.centre())


@pytest.fixture
def biller(peers: Peers) -> Iterator[ScriptedBiller]:
    with ScriptedBiller(peers.biller(), willing) as biller:
        yield biller


# --- bills -------------------------------------------------------------------------


def test_a_bill_is_fetched_and_paid(till: Till, biller: ScriptedBiller) -> None:
    begun_ns = time.time_ns()
    found = till.fetch("BILL", "12345")
    assert (found.id, found.period) == ("BILL-12345", "2026-11")
    assert (found.service, found.reference) == ("BILL", "12345")
    assert (found.amount_due, found.head) == (DUE, 0)
    assert found.amount_rule == 1
    assert found.state == pb.BILL_STATE_DUE
    assert begun_ns < found.valid_until_ns - DAY_NS < time.time_ns()
    before = till.wallet
    due = till.due(found)
    outcome = till.pay(due)
    assert (outcome.result, outcome.state) == (OK, COMPLETED)
    assert outcome.receipt > 0
    assert outcome.receipt_year >= 2025
    assert outcome.wallet_balance == before.balance - DUE
    assert outcome.wallet_pending == 0
    assert not outcome.repeat
    assert till.get(due.id).entry.reference == "BILL-12345"
    # A payment that is known needs no quotation.
    due.quotation = b""
    again = till.pay(due)
    assert again.repeat
    assert (again.state, again.receipt) == (COMPLETED, outcome.receipt)
    assert [one.kind for one in biller.questions] == [1, 2]


def test_a_reference_in_any_spelling_is_one_bill(
    till: Till, biller: ScriptedBiller
) -> None:
    found = till.fetch("SPELT", "ab-12 345")
    assert biller.questions[-1].reference == "AB12345"
    assert (found.reference, found.id) == ("AB12345", "BILLAB12345")
    arrears = till.fetch("ARREARS", "AB12345")
    due = till.due(found, reference="a b 12345")
    paid = till.pay(due)
    assert (paid.result, paid.state) == (OK, COMPLETED)
    assert till.get(due.id).entry.reference == "BILLAB12345"
    # Sent again it is the same, in whatever spelling.
    due.reference = "AB-12345"
    assert till.pay(due).repeat
    # A second payment of it is not, by another service of its series either.
    for bill in (found, arrears):
        again = till.pay(till.due(bill, reference="ab12345"))
        assert again.result == results.RESULT_BILL_ALREADY_CLAIMED
        assert again.other_id == due.id
        known = till.fetch(bill.service, "AB 12345")
        assert (known.state, known.quotation) == (pb.BILL_STATE_PAID, b"")
    # The same number in another series is another bill.
    assert till.pay(till.due(till.fetch("OTHERS", "AB12345"))).state == COMPLETED


def test_a_wrong_reference_is_told_with_an_example(
    till: Till, biller: ScriptedBiller
) -> None:
    before = till.wallet
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        till.fetch("SPELT", "12345678")
    assert failures[0].fields == ["reference"]
    wrong = till.due(till.fetch("SPELT", "AB12"), reference="12345678")
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        till.pay(wrong)
    assert failures[0].fields == ["payment.reference"]
    for failure in failures:
        [told] = failure.violations
        assert SPELT["pattern"] in told
        assert "such as AB12" in told
        assert "12345678" not in told
    assert [one.kind for one in biller.questions] == [1]
    # By another way the ledger refuses it.
    outcome = till.peer.pay(wrong)
    assert outcome.result == results.RESULT_QUOTATION_WRONG
    assert outcome.sequence == 0
    assert till.wallet == before


def test_what_cannot_be_fetched(till: Till, peers: Peers) -> None:
    with failing(grpc.StatusCode.NOT_FOUND):
        till.fetch("NOSUCH", "1")
    for service in ("RANGE", "AGAIN", "SOON"):
        with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
            till.fetch(service, "1")
        assert failures[0].reason == "NOT_PAID_BY_BILL"
        assert failures[0].outcome == "not_done"
    for wrong in ("", "x" * 33, " 1", "১২৩"):
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            till.fetch("BILL", wrong)
        assert failures[0].fields == ["reference"]
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        till.fetch("BILL", "1")
    assert failures[0].retry_ms > 0
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        Till(till.peer, centre="centre-b").fetch("BILL", "1")
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        Till(peers.harness).fetch("BILL", "1")
    assert failures[0].fields == ["centre"]


def test_a_biller_that_knows_no_bill_or_is_silent(till: Till, peers: Peers) -> None:
    with ScriptedBiller(peers.biller(), lambda one: (reject(one, "NONE"),)):
        with failing(grpc.StatusCode.NOT_FOUND) as failures:
            till.fetch("BILL", "987654321")
        assert failures[0].reason == "BILL_NOT_FOUND"
        log = peers.server.log()
        assert "98****21" in log
        assert "987654321" not in log
    with ScriptedBiller(peers.biller(), silent):
        # Not by the call's own end.
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            till.fetch("BILL", "404")
        assert failures[0].retry_ms > 0


def test_a_bill_must_be_fetched_and_be_the_one_that_is_paid(
    peers: Peers, till: Till, biller: ScriptedBiller
) -> None:
    till = Till(peers.centre("centre-p"))
    found = till.fetch("BILL", "77")
    due = till.due(found)
    other = till.fetch("ABOVE", "77")
    assert other.id == found.id
    before = till.wallet
    for changes, expected in (
        ({"quotation": b""}, results.RESULT_QUOTATION_NEEDED),
        ({"quotation": b"", "amount_due": DUE}, results.RESULT_QUOTATION_NEEDED),
        ({"quotation": b"x"}, results.RESULT_QUOTATION_WRONG),
        ({"reference": "78"}, results.RESULT_QUOTATION_WRONG),
        ({"reference": found.id}, results.RESULT_QUOTATION_WRONG),
        # Another service's bill of that number is another bill.
        ({"quotation": other.quotation}, results.RESULT_QUOTATION_WRONG),
    ):
        outcome = till.pay(till.due(found, **changes))
        assert outcome.result == expected, changes
        assert outcome.sequence == 0
        assert outcome.state == payments.PAYMENT_STATE_UNSPECIFIED
        with failing(grpc.StatusCode.NOT_FOUND):
            till.get(outcome.id)
    assert till.wallet == before
    assert till.pay(due).state == COMPLETED
    # Its answer is in the ledger: what became of the bill does not matter any more.
    due.quotation = b"gone"
    assert till.pay(due).repeat


def test_a_bill_that_is_no_longer_valid(till: Till, peers: Peers) -> None:
    def brief(question: billers_pb2.Question) -> Iterator[billers_pb2.Answer]:
        ends_ns = time.time_ns() + 1_500_000_000
        yield owes(question, due_bill(question, valid_until_ns=ends_ns))

    with ScriptedBiller(peers.biller(), brief):
        found = till.fetch("BILL", new_id().hex()[-12:])
        due = till.due(found)
        time.sleep(max(found.valid_until_ns - time.time_ns(), 0) / 1e9)
        outcome = till.pay(due)
        assert outcome.result == results.RESULT_QUOTATION_EXPIRED
        assert outcome.sequence == 0


def test_shape_and_unknown_services_are_the_ledgers_to_refuse(till: Till) -> None:
    outcome = till.pay(payment("NOSUCH", DUE))
    assert outcome.result == results.RESULT_SERVICE_UNKNOWN
    assert outcome.sequence > 0
    outcome = till.pay(payment("AGAIN", DUE, id=b"short"))
    assert outcome.result == results.RESULT_INVALID_ID
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        till.pay(payment("AGAIN"), wait_ms=30_001)
    assert failures[0].fields == ["wait_ms"]


def test_a_direct_service_is_paid_at_once(till: Till) -> None:
    outcome = till.pay(payment("AGAIN", 700))
    assert (outcome.result, outcome.state) == (OK, COMPLETED)


def test_a_harness_names_the_centre(
    peers: Peers, till: Till, biller: ScriptedBiller
) -> None:
    clerk = Till(peers.harness, centre="centre-b")
    due = clerk.bill("BILL")
    assert clerk.pay(due).state == COMPLETED
    assert clerk.get(due.id).entry.centre == "centre-b"
    assert "centre-b/" in clerk.receipt(due.id).text


# --- waiting for the biller ----------------------------------------------------------


def test_a_payment_that_the_biller_rejects(till: Till, peers: Peers) -> None:
    with ScriptedBiller(peers.biller(), cashier(lambda one: (reject(one),))):
        before = till.wallet.balance
        due = till.bill("BILL")
        outcome = till.pay(due)
        assert (outcome.result, outcome.state) == (OK, REVERSED)
        assert outcome.receipt == 0
        assert (outcome.wallet_balance, outcome.wallet_pending) == (before, 0)
        assert till.get(due.id).resolution.note == "E42"


def test_a_biller_that_does_not_know_yet(till: Till, peers: Peers) -> None:
    with ScriptedBiller(peers.biller(), cashier(lambda one: (unknown(one),))) as biller:
        due = till.bill("BILL")
        assert till.pay(due, wait_ms=2_000).state == UNKNOWN
        assert till.get(due.id).state == UNKNOWN
        biller.script = willing
        assert [one.state for one in till.watch(due.id)][-1] == COMPLETED


def test_no_answer_in_the_time_that_is_waited(till: Till, peers: Peers) -> None:
    with ScriptedBiller(peers.biller(), cashier(silent)) as biller:
        due = till.bill("BILL")
        times = []
        for _ in range(3):
            begun = time.monotonic()
            outcome = till.pay(due, wait_ms=100)
            times.append(time.monotonic() - begun)
        # One of them on a machine that does not stand still: ten seconds are usual.
        assert min(times) < 8
        # On a slow machine its biller has had its time meanwhile, too.
        assert outcome.result == OK
        assert outcome.state in (HELD, UNKNOWN)
        assert outcome.wallet_pending >= DUE
        # Sent again it is waited for again.
        biller.script = willing
        again = till.pay(due, wait_ms=5_000)
        assert again.repeat
        assert again.state == COMPLETED
        assert again.receipt > 0


def test_a_watch_tells_each_state_once(till: Till, peers: Peers) -> None:
    with ScriptedBiller(peers.biller(), cashier(silent)) as biller:
        due = till.bill("BILL")
        till.pay(due, wait_ms=1)
        seen = []
        for reply in till.watch(due.id):
            seen.append(reply.state)
            if reply.state == UNKNOWN:
                biller.script = willing
        assert seen in ([HELD, UNKNOWN, COMPLETED], [UNKNOWN, COMPLETED])
        # What is final is told once.
        assert [one.state for one in till.watch(due.id)] == [COMPLETED]
    refused = payment("NOSUCH")
    till.pay(refused)
    assert [one.state for one in till.watch(refused.id)] == [REFUSED]
    with failing(grpc.StatusCode.NOT_FOUND):
        list(till.watch(new_id()))


def test_the_door_of_a_biller_that_is_not_there(till: Till) -> None:
    due = payment("WATER", 700)
    before = till.wallet
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        till.pay(due)
    assert failures[0].reason == "BILLER_UNAVAILABLE"
    assert failures[0].outcome == "not_done"
    assert failures[0].retry_ms > 0
    assert till.wallet == before
    # What the ledger has taken already is not turned away.
    assert till.peer.pay(due).state == HELD
    again = till.pay(due, wait_ms=1)
    assert again.repeat
    assert again.state in (HELD, UNKNOWN)
    # A direct service needs no biller.
    assert till.pay(payment("ANY", 700)).state == COMPLETED


# --- receipts ------------------------------------------------------------------------


def test_a_receipt_in_both_languages(till: Till, biller: ScriptedBiller) -> None:
    due = till.bill("BILL")
    outcome = till.pay(due)
    english = till.receipt(due.id)
    bengali = till.receipt(due.id, pb.LANGUAGE_BENGALI)
    value = json.loads(english.json)
    assert english.json == bengali.json
    assert value["text"] == {"en": english.text, "bn": bengali.text}
    assert value["number"] == outcome.receipt
    assert value["amount_paise"] == DUE
    assert value["payment_id"] == format_id(due.id)
    assert value["entry"] == till.get(due.id).resolution.sequence
    assert value["biller_reference"].startswith("REF-")
    assert f"centre-a/{value['financial_year']}/{outcome.receipt:06d}" in english.text
    assert "₹১০০.০০" in bengali.text
    assert all(len(line) <= 42 for line in (english.text + bengali.text).splitlines())


def test_who_gets_a_receipt_and_when(
    till: Till, biller: ScriptedBiller, peers: Peers
) -> None:
    biller.script = cashier(silent)
    due = till.bill("BILL")
    till.pay(due, wait_ms=1)
    with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
        till.receipt(due.id)
    assert failures[0].reason == "NO_RECEIPT"
    biller.script = willing
    until(lambda: till.get(due.id).state == COMPLETED)
    text = till.receipt(due.id).text
    for peer in (peers.treasury, peers.auditor):
        request = pb.GetReceiptRequest(id=due.id, sender="centre-a")
        assert peer.counter.GetReceipt(request, timeout=CALL_S).text == text
    with failing(grpc.StatusCode.NOT_FOUND):
        till.receipt(new_id())
    with failing(grpc.StatusCode.NOT_FOUND):
        request = pb.GetReceiptRequest(id=due.id, sender="centre-a")
        peers.centre("centre-b").counter.GetReceipt(request, timeout=CALL_S)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        till.receipt(due.id, 7)


def test_a_receipt_has_a_code_and_its_refunds_have_papers(
    till: Till, biller: ScriptedBiller, peers: Peers
) -> None:
    biller.script = willing

    def receipt(**what: Any) -> pb.GetReceiptResponse:
        request = pb.GetReceiptRequest(id=due.id, **what)
        return till.peer.counter.GetReceipt(request, timeout=CALL_S)

    due = till.bill("BILL")
    assert till.pay(due).state == COMPLETED
    other = till.bill("BILL")
    assert till.pay(other).state == COMPLETED
    first = receipt()
    assert re.fullmatch("[0-9a-f]{12}", first.code)
    assert first.number == json.loads(first.json)["receipt"]
    assert first.refunded == 0
    assert first.code != till.receipt(other.id).code
    final = till.get(due.id).resolution.sequence
    for amount in (1 * RUPEE, 2 * RUPEE, DUE - 3 * RUPEE):
        with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
            receipt(refund=4)
        assert failures[0].reason == "NO_RECEIPT"
        assert peers.refund(final, amount).result == OK
    # The first print is the same for ever; what was given back stands beside it.
    again = receipt()
    assert (again.text, again.json) == (first.text, first.json)
    assert (again.code, again.refunded) == (first.code, DUE)
    reprint = receipt(reprint=True)
    assert "REPRINT\nGIVEN BACK IN FULL: ₹100.00\n" in reprint.text
    assert json.loads(reprint.json)["refunded_paise"] == DUE
    assert (reprint.number, reprint.code) == (first.number, first.code)
    refunds = [receipt(refund=which) for which in (1, 2, 3)]
    assert [json.loads(one.json)["amount_paise"] for one in refunds] == [
        *(1 * RUPEE, 2 * RUPEE, DUE - 3 * RUPEE),
    ]
    assert [one.refunded for one in refunds] == [RUPEE, 3 * RUPEE, DUE]
    assert [one.number for one in refunds] == [
        f"{first.number}/R{which}" for which in (1, 2, 3)
    ]
    assert len({first.code, *(one.code for one in refunds)}) == 4
    assert receipt(refund=2).SerializeToString() == refunds[1].SerializeToString()
    bengali = receipt(refund=2, reprint=True, language=pb.LANGUAGE_BENGALI)
    assert "পুনর্মুদ্রণ\nফেরতের রসিদ" in bengali.text


# --- shifts --------------------------------------------------------------------------


def test_a_shift_that_is_sent_again(peers: Peers, till: Till) -> None:
    clerk = Till(peers.centre("centre-c"), operator=5)
    clerk.pay(payment("AGAIN", 300, operator=5))
    shift_id = new_id()
    first = clerk.close(300, shift_id)
    clerk.pay(payment("AGAIN", 50, operator=5))
    again = clerk.close(300, shift_id)
    assert again.outcome.repeat
    assert again.shift == first.shift
    other = clerk.close(301, shift_id)
    assert other.outcome.result == results.RESULT_ID_REUSED
    assert not other.HasField("shift")
    following = clerk.close(50)
    assert following.shift.after_sequence == first.shift.to_sequence
    assert following.shift.payments_amount == 50


def test_nobody_signs_their_own_shift_by_another_way(peers: Peers) -> None:
    clerk = Till(peers.harness, 6, "centre-b")
    shift = clerk.close_one()
    for peer, centre in ((peers.harness, "centre-b"), (peers.centre("centre-b"), "")):
        same = Till(peer, 6, centre).sign(shift)
        assert same.result == results.RESULT_SAME_PERSON
    assert Till(peers.centre("centre-b"), 7).sign(shift).result == OK


def test_only_shifts_of_the_centre_are_signed(peers: Peers, till: Till) -> None:
    here, there = Till(peers.centre(), 1), Till(peers.centre("centre-b"), 2)
    shift = here.close_one()
    with failing(grpc.StatusCode.NOT_FOUND):
        there.sign(shift)
    for wrong in (0, 1, 1 << 60):
        with failing(grpc.StatusCode.NOT_FOUND):
            here.sign(wrong)
    # What an office asks for is not a counter's to approve.
    paid = here.pay(payment("AGAIN", RUPEE))
    request = admin_pb2.ProposeRequest(
        id=new_id(),
        kind=types_pb2.PROPOSAL_KIND_REFUND,
        sequence=paid.sequence,
        reason="a test",
    )
    asked = peers.treasury.admin.Propose(request, timeout=CALL_S).outcome
    assert asked.result == OK
    with failing(grpc.StatusCode.NOT_FOUND):
        Till(peers.centre(), 9).sign(asked.sequence)
