"""Goal: a bill is paid once, at what its biller said and nobody else, by every way that
takes payments.

Method: real sockets, a scripted biller whose bills a test changes between two fetches;
quotations presented by every call, spoilt, swapped between centres and services, old.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import grpc
import pytest

from switch.v1 import billers_pb2, counter_pb2
from switch.v1 import payments_pb2 as payments
from switch.v1 import results_pb2 as results
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
    Script,
    ScriptedBiller,
    confirm,
    due_bill,
    owes,
    reject,
    silent,
    willing,
)
from tests.server.till import DUE, Till, load_services, settings

HELD, COMPLETED = payments.PAYMENT_STATE_HELD, payments.PAYMENT_STATE_COMPLETED
OK = results.RESULT_OK
TO_PAY = counter_pb2.BILL_STATE_DUE
IN_PROGRESS, PAID = counter_pb2.BILL_STATE_IN_PROGRESS, counter_pb2.BILL_STATE_PAID

Bills = Callable[[billers_pb2.Question], Iterable[billers_pb2.DueBill]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("quoted")
    changes = {"biller__centre_fetches_max": 150, "billers__gas__absent_ms": 100}
    # Two hundred are on their way before the first is over.
    changes["biller__fetch_timeout_ms"] = 4_000
    with running(directory, *settings(**changes)) as process:
        yield process


@pytest.fixture
def till(peers: Peers) -> Till:
    load_services(peers)
    return Till(peers.centre("centre-p"))


class Desk(ScriptedBiller):
    """A biller whose bills are what the test says; payments are confirmed."""

    def __init__(self, peers: Peers, name: str = "power") -> None:
        self.bills: Bills = lambda one: [due_bill(one)]
        self.pays: Script = willing
        super().__init__(peers.biller(name), self._answer)

    def _answer(self, one: billers_pb2.Question) -> Iterable[billers_pb2.Answer]:
        if one.kind == billers_pb2.QUESTION_KIND_FETCH_BILL:
            return (owes(one, *self.bills(one)),)
        return self.pays(one)


@pytest.fixture
def desk(peers: Peers) -> Iterator[Desk]:
    with Desk(peers) as desk:
        yield desk


Way = Callable[[Till, payments.Payment], payments.PaymentOutcome]


def pay_in_batch(till: Till, due: payments.Payment) -> payments.PaymentOutcome:
    return till.peer.pay_all([payment("NOSUCH"), due])[1]


def pay_in_basket(till: Till, due: payments.Payment) -> payments.PaymentOutcome:
    """Together with another bill, which is fetched for it."""
    other = till.bill(due.service)
    basket = payments.Basket(payments=[due, other])
    request = payments.CreateBasketRequest(basket=basket)
    reply = till.peer.payments.CreateBasket(request, timeout=CALL_S)
    return reply.outcomes[0]


def pay_in_stream(till: Till, due: payments.Payment) -> payments.PaymentOutcome:
    request = payments.StreamPaymentsRequest(payments=[due])
    [reply] = till.peer.payments.StreamPayments(iter([request]), timeout=CALL_S)
    return reply.outcomes[0]


WAYS: dict[str, Way] = {
    "PayBill": lambda till, due: till.pay(due),
    "CreatePayment": lambda till, due: till.peer.pay(due),
    "CreatePayments": pay_in_batch,
    "CreateBasket": pay_in_basket,
    "StreamPayments": pay_in_stream,
}


# --- every way ------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_quotation_pays_its_bill(till: Till, desk: Desk, way: str) -> None:
    due = till.bill("BILL")
    outcome = WAYS[way](till, due)
    assert outcome.result == OK
    until(lambda: till.get(due.id).state == COMPLETED)
    assert till.get(due.id).entry.reference == f"BILL-{due.reference}"
    # The citizen's reference and what was due are for the ledger; the note is empty.
    assert till.get(due.id).entry.note == ""
    noted = till.bill("BILL")
    noted.note = "নোট, paid in time"
    assert WAYS[way](till, noted).result == OK
    until(lambda: till.get(noted.id).state == COMPLETED)
    assert till.get(noted.id).entry.note == noted.note
    assert json.loads(till.receipt(noted.id).json)["note"] == noted.note


@pytest.mark.parametrize("way", WAYS)
def test_nothing_else_pays_it(till: Till, peers: Peers, desk: Desk, way: str) -> None:
    pay = WAYS[way]
    found = till.fetch("BILL", f"NOTHING-{way}"[:24])
    there = Till(peers.centre("centre-q"))
    # The last bill of another way may be on its way still.
    until(lambda: not till.wallet.holds_count)
    before = till.wallet
    spoilt = bytearray(found.quotation)
    spoilt[80] ^= 1
    elsewhere = there.fetch("BILL", found.reference)
    for expected, changes in (
        (results.RESULT_QUOTATION_NEEDED, {"quotation": b""}),
        # One paisa, and its sender says that no more is due.
        (
            results.RESULT_QUOTATION_NEEDED,
            {"quotation": b"", "amount": 1, "amount_due": 1},
        ),
        (results.RESULT_QUOTATION_WRONG, {"quotation": bytes(spoilt)}),
        (results.RESULT_QUOTATION_WRONG, {"quotation": found.quotation[:143]}),
        (results.RESULT_QUOTATION_WRONG, {"quotation": elsewhere.quotation}),
        (results.RESULT_QUOTATION_WRONG, {"reference": "another"}),
        (results.RESULT_AMOUNT_NOT_EXACT, {"amount": DUE - 1}),
        (results.RESULT_AMOUNT_NOT_EXACT, {"amount": DUE + 1}),
    ):
        outcome = pay(till, till.due(found, **changes))
        assert outcome.result == expected, changes
        # What is not to be believed leaves no row; what a rule refuses does.
        refused = expected == results.RESULT_AMOUNT_NOT_EXACT
        assert (outcome.sequence > 0) == refused
    assert till.wallet == before
    # And then it is paid, once.
    assert pay(till, till.due(found)).result == OK
    assert pay(till, till.due(found)).result == results.RESULT_BILL_ALREADY_CLAIMED
    assert pay(there, there.due(elsewhere)).result == (
        results.RESULT_BILL_ALREADY_CLAIMED
    )


def test_only_the_register_lets_dues_be_stated(till: Till, peers: Peers) -> None:
    def stated(service: str, amount: int = DUE) -> payments.Payment:
        due: payments.Payment = payment(
            service, amount, amount_due=DUE, centre="centre-p"
        )
        return due

    for service in ("BILL", "ANY", "RANGE", "HOURS", "CONFIRM"):
        for peer in (till.peer, peers.aggregator):
            outcome = peer.pay(stated(service))
            assert outcome.result == results.RESULT_QUOTATION_NEEDED
            assert outcome.sequence == 0
        right = stated(service)
        outcome = peers.harness.pay(right)
        assert outcome.result == OK
        assert till.peer.payments.GetPayment(
            payments.GetPaymentRequest(id=right.id, sender="harness"), timeout=CALL_S
        ).entry.stated
    less = peers.harness.pay(stated("BILL", DUE - 1))
    assert less.result == results.RESULT_AMOUNT_NOT_EXACT


# --- one bill -------------------------------------------------------------------------


def test_three_spellings_are_one_bill(till: Till, peers: Peers, desk: Desk) -> None:
    spellings = ("ab-77 12", "AB7712", "a b 7 7-1-2")
    found = [till.fetch("SPELT", one) for one in spellings]
    assert {(one.reference, one.id) for one in found} == {("AB7712", "BILLAB7712")}
    asked = {one.reference for one in desk.questions if one.service == "SPELT"}
    assert asked == {"AB7712"}
    dues = [
        till.due(bill, reference=spelling)
        for bill, spelling in zip(found, reversed(spellings), strict=True)
    ]
    outcomes = [till.peer.pay(due) for due in dues]
    assert [one.result for one in outcomes] == [
        OK,
        results.RESULT_BILL_ALREADY_CLAIMED,
        results.RESULT_BILL_ALREADY_CLAIMED,
    ]


def test_a_bill_has_one_name_in_the_ledger(till: Till, desk: Desk) -> None:
    """Not the consumer's number, nor any month that is put behind it."""
    found = till.fetch("MONTH", "31337")
    assert till.pay(till.due(found)).state == COMPLETED
    second = till.due(found, amount=DUE + 1)
    assert till.pay(second).result != OK
    for reference in ("31337/2026-11", "31337/2026-10", "31337/1999-12", found.id):
        due = till.due(found, reference=reference)
        outcome = till.pay(due)
        assert outcome.result == results.RESULT_QUOTATION_WRONG, reference
        assert outcome.sequence == 0
        # Nor can it be fetched under another name: the biller is asked for that one.
        desk.bills = lambda one: [due_bill(one, reference="31337")]
        with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
            till.fetch("MONTH", reference)
        assert failures[0].reason == "BILL_UNREADABLE"


def test_another_amount_is_no_other_payment(
    till: Till, peers: Peers, desk: Desk
) -> None:
    there = Till(peers.centre("centre-q"))
    desk.bills = lambda one: [due_bill(one, amount_due=46_000)]
    here = till.fetch("LOOSE", "WBS-1")
    desk.bills = lambda one: [due_bill(one, amount_due=45_000)]
    other = there.fetch("LOOSE", "WBS-1")
    assert till.pay(till.due(here)).state == COMPLETED
    refused = there.pay(there.due(other))
    assert refused.result == results.RESULT_PAID_RECENTLY
    # Nobody takes money for it either.
    known = there.fetch("LOOSE", "WBS-1")
    assert (known.state, known.quotation) == (PAID, b"")


def test_several_bills_of_one_reference(till: Till, desk: Desk) -> None:
    desk.bills = lambda one: [
        due_bill(one, id="B-11", amount_due=1_100, due_time_ns=7),
        due_bill(one, id="B-12", amount_due=1_200, head=1),
    ]
    first, second = till.fetch_all("REISSUED", "SEVERAL")
    assert (first.id, first.amount_due, first.due_time_ns) == ("B-11", 1_100, 7)
    assert (second.id, second.amount_due, second.head) == ("B-12", 1_200, 1)
    # A quotation is of its head, and of its bill's amount.
    wrong = till.pay(till.due(second, head=0))
    assert wrong.result == results.RESULT_QUOTATION_WRONG
    swapped = till.pay(till.due(second, quotation=first.quotation, head=0))
    assert swapped.result == results.RESULT_AMOUNT_NOT_EXACT
    paid = till.due(second)
    assert till.pay(paid).state == COMPLETED
    assert till.get(paid.id).entry.head == "0801-02"
    # They were fetched together: two debts, and the other one can be paid as well.
    assert till.pay(till.due(first)).state == COMPLETED
    assert [one.state for one in till.fetch_all("REISSUED", "SEVERAL")] == [PAID, PAID]


def test_a_basket_of_the_bills_of_one_reference(till: Till, desk: Desk) -> None:
    desk.bills = lambda one: [due_bill(one, id=f"K-{at}") for at in range(16)]
    found = till.fetch_all("BILL", "SIXTEEN")
    basket = payments.Basket(payments=[till.due(one) for one in found])
    request = payments.CreateBasketRequest(basket=basket)
    reply = till.peer.payments.CreateBasket(request, timeout=CALL_S)
    assert {one.result for one in reply.outcomes} == {OK}
    until(lambda: till.get(basket.payments[0].id).state == COMPLETED)
    assert {one.state for one in till.fetch_all("BILL", "SIXTEEN")} == {PAID}


def test_what_is_under_way_is_said_before_money_is_taken(
    till: Till, peers: Peers, desk: Desk
) -> None:
    desk.pays = silent
    due = till.bill("BILL")
    there = Till(peers.centre("centre-q"))
    assert till.pay(due, wait_ms=1).state == HELD
    for clerk in (till, there):
        known = clerk.fetch("BILL", due.reference)
        assert (known.state, known.quotation) == (IN_PROGRESS, b"")
        assert known.amount_due == DUE
    until(lambda: till.get(due.id).state == payments.PAYMENT_STATE_UNKNOWN)
    assert there.fetch("BILL", due.reference).state == IN_PROGRESS
    desk.pays = willing
    until(lambda: till.get(due.id).state == COMPLETED)
    assert there.fetch("BILL", due.reference).state == PAID
    # Given back as a whole it is due again; in part it stays paid.
    final = till.get(due.id).resolution.sequence
    assert peers.refund(final, 1).result == OK
    assert there.fetch("BILL", due.reference).state == PAID
    assert peers.refund(final, DUE - 1).result == OK
    again = there.fetch("BILL", due.reference)
    assert again.state == TO_PAY
    assert there.pay(there.due(again)).state == COMPLETED


def test_an_old_quotation_never_pays_again(
    till: Till, peers: Peers, desk: Desk
) -> None:
    desk.pays = lambda one: (reject(one),)
    due = till.bill("BILL")
    old = due.quotation
    other = Till(peers.centre("centre-q"))
    kept = other.due(other.fetch("BILL", due.reference))
    assert till.pay(due).state == payments.PAYMENT_STATE_REVERSED
    desk.pays = willing
    # Of the same centre and of another one: what is due may be another amount by now.
    fresh = till.due(till.fetch("BILL", due.reference))
    stale = till.due(till.fetch("BILL", due.reference), quotation=old)
    for clerk, one in ((till, stale), (other, kept)):
        outcome = clerk.pay(one)
        assert outcome.result == results.RESULT_QUOTATION_EXPIRED
        assert outcome.sequence == 0
    assert till.pay(fresh).state == COMPLETED
    assert other.pay(kept).result == results.RESULT_BILL_ALREADY_CLAIMED


def test_the_rest_of_a_bill_can_be_paid(till: Till, desk: Desk) -> None:
    first = till.bill("BELOW")
    first.amount = DUE - 300
    assert till.pay(first).state == COMPLETED
    again = till.due(till.fetch("BELOW", first.reference), quotation=first.quotation)
    assert till.pay(again).result == results.RESULT_QUOTATION_EXPIRED
    desk.bills = lambda one: [due_bill(one, amount_due=300)]
    rest = till.fetch("BELOW", first.reference)
    assert (rest.state, rest.amount_due) == (TO_PAY, 300)
    assert till.pay(till.due(rest)).state == COMPLETED


def test_a_bill_that_is_issued_again(till: Till, desk: Desk) -> None:
    desk.bills = lambda one: [due_bill(one, id=f"{one.reference}-A")]
    old = till.fetch("REISSUED", "RE-1")
    assert till.pay(till.due(old)).state == COMPLETED
    # Under another id, and the biller does not say that it is the same.
    desk.bills = lambda one: [due_bill(one, id=f"{one.reference}-B")]
    known = till.fetch("REISSUED", "RE-1")
    assert (known.state, known.quotation) == (PAID, b"")
    # Fetched before the first was paid it was another bill then.
    early = till.fetch("REISSUED", "RE-2")
    desk.bills = lambda one: [due_bill(one, id=f"{one.reference}-A")]
    assert till.pay(till.due(till.fetch("REISSUED", "RE-2"))).state == COMPLETED
    assert early.state == TO_PAY


def test_who_has_paid_a_superseded_bill_has_paid_it(till: Till, desk: Desk) -> None:
    desk.bills = lambda one: [due_bill(one, id="OLD-1")]
    old = till.due(till.fetch("BILL", "SUPERSEDED"))
    desk.pays = silent
    assert till.pay(old, wait_ms=1).state == HELD
    desk.bills = lambda one: [
        due_bill(one, id="NEW-1", supersedes=["OLD-0", "OLD-1"]),
        due_bill(one, id="NEW-2", supersedes=["OLD-2"]),
    ]
    # While one bill of the reference is under way, no other is paid beside it.
    states = [one.state for one in till.fetch_all("BILL", "SUPERSEDED")]
    assert states == [IN_PROGRESS, IN_PROGRESS]
    desk.pays = willing
    until(lambda: till.get(old.id).state == COMPLETED)
    first, second = till.fetch_all("BILL", "SUPERSEDED")
    assert (first.state, first.quotation) == (PAID, b"")
    assert second.state == TO_PAY
    assert till.pay(till.due(second)).state == COMPLETED


def test_a_direct_service_that_is_paid_by_bill(till: Till, peers: Peers) -> None:
    with Desk(peers, "land"):
        due = till.bill("TAX")
        assert till.pay(due).state == COMPLETED
        assert till.fetch("TAX", due.reference).state == PAID


def test_a_period_needs_room_behind_its_reference(till: Till, desk: Desk) -> None:
    reference = "R" * 24
    due = till.due(till.fetch("MONTH", reference))
    assert till.pay(due).state == COMPLETED
    assert till.get(due.id).entry.reference == f"{reference}/2026-11"
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        till.fetch("MONTH", "R" * 25)
    assert failures[0].fields == ["reference"]
    assert till.fetch("BILL", "R" * 32).state == TO_PAY


# --- many references ------------------------------------------------------------------


def test_a_hundred_references(till: Till, peers: Peers, desk: Desk) -> None:
    paid = till.due(till.fetch("SPELT", "AB0099"))
    assert till.pay(paid).state == COMPLETED

    def answer(one: billers_pb2.Question) -> Iterable[billers_pb2.Answer]:
        if one.kind != billers_pb2.QUESTION_KIND_FETCH_BILL:
            return (confirm(one),)
        if one.reference == "AB0007":
            return (reject(one, "NO_BILL"),)
        if one.reference == "AB0008":
            return (owes(one, due_bill(one, amount_due=0)),)
        if one.reference == "AB0009":
            return ()
        return (confirm(one),)

    desk.script = answer
    asked = [f"ab-{at:04}" for at in range(100)]
    asked[5] = "none of the service's"
    before = len(desk.messages)
    fetched = till.fetch_many("SPELT", *asked)
    # Asked together.
    assert len(desk.messages) <= before + 2
    assert [one.reference for one in fetched] == asked
    errors = {at: one.error for at, one in enumerate(fetched) if one.error}
    assert errors == {
        5: "REFERENCE_WRONG",
        7: "BILL_NOT_FOUND",
        8: "BILL_UNREADABLE",
        9: "BILLER_UNAVAILABLE",
    }
    bills = [bill for one in fetched for bill in one.bills]
    assert len(bills) == 96
    assert [one.reference for one in bills if one.state == PAID] == ["AB0099"]
    due = [till.due(one) for one in bills if one.state == TO_PAY]
    assert {one.result for one in till.peer.pay_all(due)} == {OK}

    def fetches() -> int:
        kind = billers_pb2.QUESTION_KIND_FETCH_BILL
        return sum(one.kind == kind for one in desk.questions)

    # The same reference twice is one question, and both have its answer.
    asked_before = fetches()
    twice = till.fetch_many("SPELT", "ZZ1234", "zz 1234")
    assert [one.bills[0].reference for one in twice] == ["ZZ1234", "ZZ1234"]
    assert fetches() == asked_before + 1


def test_what_many_cannot_be_fetched(till: Till, desk: Desk) -> None:
    for wrong in ([], ["1"] * 101):
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            till.fetch_many("BILL", *wrong)
        assert failures[0].fields == ["references"]
    with failing(grpc.StatusCode.NOT_FOUND):
        till.fetch_many("NOSUCH", "1")
    with failing(grpc.StatusCode.FAILED_PRECONDITION) as failures:
        till.fetch_many("AGAIN", "1")
    assert failures[0].reason == "NOT_PAID_BY_BILL"
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        Till(till.peer, centre="centre-q").fetch_many("BILL", "1")
    assert not desk.questions


def test_of_a_biller_that_is_not_there_it_is_said_of_each(till: Till) -> None:
    told = till.fetch_many("BILL", "1", "2", "")
    assert [one.error for one in told] == [
        "BILLER_UNAVAILABLE",
        "BILLER_UNAVAILABLE",
        "REFERENCE_WRONG",
    ]


def test_one_centre_leaves_room_for_the_others(till: Till, peers: Peers) -> None:
    with ScriptedBiller(peers.biller(), silent) as biller:
        told: list[counter_pb2.FetchedBills] = []

        def fetch(first: int) -> None:
            references = [f"ROOM-{first + at}" for at in range(100)]
            told.extend(till.fetch_many("BILL", *references))

        threads = [threading.Thread(target=fetch, args=(at,)) for at in (0, 100)]
        for thread in threads:
            thread.start()
        biller.wait_for(150)
        biller.script = willing
        there = Till(peers.centre("centre-q"))
        assert there.fetch("BILL", "ROOM-999").state == TO_PAY
        for thread in threads:
            thread.join()
    errors = [one.error for one in told]
    assert errors.count("CENTRE_QUEUE_FULL") == 50
    assert errors.count("BILLER_UNAVAILABLE") == 150


def test_old_bills_are_told_when_they_were_asked_for(till: Till, desk: Desk) -> None:
    """A payment between question and answer makes the answer old."""
    first = till.due(till.fetch("BILL", "BETWEEN"))
    late: list[billers_pb2.Question] = []

    def keep(one: billers_pb2.Question) -> Iterable[billers_pb2.Answer]:
        if one.kind != billers_pb2.QUESTION_KIND_FETCH_BILL:
            return (reject(one),)
        late.append(one)
        return ()

    desk.script = keep
    found: list[counter_pb2.Bill] = []
    waiting = threading.Thread(
        target=lambda: found.append(till.fetch("BILL", "BETWEEN"))
    )
    waiting.start()
    until(lambda: late)
    assert till.pay(first).state == payments.PAYMENT_STATE_REVERSED
    desk.send(confirm(late[0]))
    waiting.join()
    desk.script = willing
    assert till.pay(till.due(found[0])).result == results.RESULT_QUOTATION_EXPIRED
    time.sleep(0.001)
    assert till.pay(till.due(till.fetch("BILL", "BETWEEN"))).state == COMPLETED
