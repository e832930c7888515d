"""Goal: who has a receipt, an id, a reference or a biller's word in hand finds the
payment, and nobody finds another's.

Method: a centre's payments of every kind beside another's; each key in each spelling,
by each role; filters beside what the same payments are when asked about one by one.
What is foreign is asked for beside what is missing, and compared to the last byte.
"""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any, Final

import grpc
import pytest

from server.services.search import PACE_S
from switch.ids import new_id
from switch.v1 import admin_pb2, payments_pb2, search_pb2
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Peer,
    Peers,
    ServerProcess,
    failing,
    network,
    payment,
    until,
)
from tests.server.scripted_biller import ScriptedBiller, confirm

WORD: Final = "CREDIT-0815"
"""A biller's own reference."""
MISSING_ID: Final = new_id()


class Story:
    """What centre-a has paid, and what others have."""

    def __init__(self, peers: Peers) -> None:
        """Pays, and waits until the biller has answered."""
        self.peers = peers
        self.a, self.b = peers.centre("centre-a"), peers.centre("centre-b")
        self.begun_ns = time.time_ns()
        bills = [payment(amount=(1 + at) * RUPEE) for at in range(8)]
        bills[3].operator = 7
        self.bills = bills
        self.outcomes = self.a.pay_all(bills)
        self.once = payment("ONCE", reference="BILL-ONCE-77")
        assert self.a.pay(self.once).result == 1
        self.refused = payment("ONCE", reference="BILL-ONCE-77", amount=3 * RUPEE)
        assert self.a.pay(self.refused).result != 1
        self.sent = payment(centre="centre-a", reference="BY-A-HARNESS")
        assert peers.harness.pay(self.sent).result == 1
        self.held = payment("WATER", reference="HELD-1")
        assert self.a.pay(self.held).result == 1
        self.told = payment("GAS", reference="CONFIRMED-1")
        gas = peers.biller("gas")
        with ScriptedBiller(gas, lambda asked: (confirm(asked, WORD),)):
            assert self.a.pay(self.told).result == 1
            until(lambda: self.state(self.told.id) == 3)
        self.refunded = self.outcomes[5].sequence
        peers.refund(self.refunded, RUPEE)
        # What is not centre-a's, the last also of a reference that it has used.
        self.foreign = payment(reference="ONLY-B")
        self.foreign_outcome = self.b.pay(self.foreign)
        self.foreign_held = self.b.pay(payment("WATER", reference="HELD-B"))
        # Bills of two services that are one series.
        self.series = payment("ONCE-TOO", reference="BILL-OF-A-SERIES")
        services = [one for one in network().services if one.code == "ONCE"]
        services[0].code, services[0].series = "ONCE-TOO", "ONCE"
        request = admin_pb2.LoadNetworkRequest(services=services)
        peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
        assert self.a.pay(self.series).result == 1
        self.shared = payment(reference=bills[0].reference)
        assert self.b.pay(self.shared).result == 1

    def state(self, payment_id: bytes) -> int:
        request = payments_pb2.GetPaymentRequest(id=payment_id)
        return self.a.payments.GetPayment(request, timeout=CALL_S).state

    def receipt(self, at: int) -> str:
        return numbered("centre-a", self.outcomes[at])


def numbered(centre: str, outcome: payments_pb2.PaymentOutcome) -> str:
    year = outcome.receipt_year
    return f"{centre}/{year}-{(year + 1) % 100:02d}/{outcome.receipt:06d}"


@pytest.fixture(scope="module")
def story(peers: Peers) -> Story:
    return Story(peers)


def ask(peer: Peer, **fields: Any) -> search_pb2.SearchPaymentsResponse:
    wanted = fields.pop("filter", {})
    request = search_pb2.SearchPaymentsRequest(
        filter=payments_pb2.PaymentFilter(**wanted), **fields
    )
    return peer.counter.SearchPayments(request, timeout=CALL_S)


def ids(peer: Peer, **fields: Any) -> list[bytes]:
    return [one.id for one in ask(peer, **fields).payments]


# --- keys ------------------------------------------------------------------------


def test_by_receipt(story: Story) -> None:
    for at in (0, 3, 7):
        number = story.receipt(at)
        wanted = [story.bills[at].id]
        centre, year, receipt = number.split("/")
        for said in (
            number,
            number.upper(),
            f"  {number} ",
            f"{year}/{receipt}",
            f"{year}/{int(receipt)}",
            f"{centre}/{year}/{int(receipt)}",
            f"{centre}/{year}/0{int(receipt)}/R1",
        ):
            assert ids(story.a, receipt=said) == wanted, said
        assert ids(story.peers.auditor, receipt=number) == wanted
        short = f"{year}/{int(receipt)}"
        assert ids(story.peers.support, receipt=short, centre=centre) == wanted


def test_by_the_receipt_of_what_was_confirmed(story: Story) -> None:
    found = ask(story.a, id=story.told.id)
    [line] = found.lines
    assert line.receipt
    assert line.receipt_sequence > found.payments[0].sequence
    year = f"{line.receipt_year}-{(line.receipt_year + 1) % 100:02d}"
    again = ask(story.a, receipt=f"{year}/{line.receipt}")
    assert [one.id for one in again.payments] == [story.told.id]
    assert list(again.lines) == list(found.lines)


def test_by_acknowledgement(story: Story) -> None:
    [held] = ask(story.a, id=story.held.id).payments
    for said in (f"centre-a/A/{held.sequence}", f"a/{held.sequence}"):
        assert ids(story.a, receipt=said) == [story.held.id]
    full = f"centre-a/A/{held.sequence}"
    assert ids(story.peers.support, receipt=full) == [story.held.id]
    # Of a payment that needed no biller there is none.
    direct = f"centre-a/A/{story.outcomes[0].sequence}"
    assert ids(story.a, receipt=direct) == []


def test_by_id(story: Story) -> None:
    assert ids(story.a, id=story.bills[2].id) == [story.bills[2].id]
    # What an aggregator has sent for it, with or without its name.
    assert ids(story.a, id=story.sent.id) == [story.sent.id]
    assert ids(story.a, id=story.sent.id, sender="harness") == [story.sent.id]
    # Refused, too: whoever has the id has sent it.
    found = ask(story.a, id=story.refused.id)
    assert [one.state for one in found.lines] == [payments_pb2.PAYMENT_STATE_REFUSED]
    for peer in (story.peers.support, story.peers.treasury):
        assert ids(peer, id=story.sent.id, sender="harness") == [story.sent.id]
        assert ids(peer, id=story.sent.id, centre="centre-a") == [story.sent.id]
        assert ids(peer, id=story.sent.id, centre="centre-b") == []
        both = {"sender": "harness", "centre": "centre-b"}
        assert ids(peer, id=story.sent.id, **both) == []


def test_by_reference(story: Story) -> None:
    mine, theirs = story.bills[0].id, story.shared.id
    reference = story.bills[0].reference
    assert ids(story.a, reference=reference) == [mine]
    assert ids(story.a, reference=reference, service="ANY") == [mine]
    assert ids(story.a, reference=reference, service="GAS") == []
    assert ids(story.b, reference=reference) == [theirs]
    # Newest first; a centre that is named is the only one.
    assert ids(story.peers.support, reference=reference) == [theirs, mine]
    named = ids(story.peers.support, reference=reference, centre="centre-a")
    assert named == [mine]
    # Of a series each service has its own payments.
    for service, wanted in (("ONCE-TOO", [story.series.id]), ("ONCE", [])):
        assert ids(story.a, reference="BILL-OF-A-SERIES", service=service) == wanted
    assert ids(story.a, reference="BILL-OF-A-SERIES") == [story.series.id]
    # By a claim, by a hold, and of what a harness has sent.
    assert ids(story.a, reference="BILL-ONCE-77") == [story.once.id]
    assert ids(story.a, reference="HELD-1") == [story.held.id]
    assert ids(story.a, reference="BY-A-HARNESS") == [story.sent.id]


def test_by_the_billers_word(story: Story) -> None:
    wanted = [story.told.id]
    for fields in ({}, {"biller": "gas"}, {"centre": "centre-a"}):
        found = ids(story.peers.support, biller_reference=WORD, **fields)
        assert found == wanted, fields
    assert ids(story.a, biller_reference=WORD) == wanted
    assert ids(story.b, biller_reference=WORD) == []
    assert ids(story.a, biller_reference=WORD, biller="water") == []


def test_support_is_shown_no_reference(story: Story) -> None:
    [entry] = ask(story.peers.support, reference="BILL-ONCE-77").payments
    assert entry.reference == "BI****77"
    [own] = ask(story.a, reference="BILL-ONCE-77").payments
    assert own.reference == "BILL-ONCE-77"


def test_a_filter_holds_beside_a_key(story: Story) -> None:
    number = story.receipt(2)
    amount = story.bills[2].amount
    assert ids(story.a, receipt=number, filter={"amount_min": amount}) != []
    assert ids(story.a, receipt=number, filter={"amount_min": amount + 1}) == []
    later = {"from_time_ns": time.time_ns()}
    assert ids(story.a, id=story.bills[2].id, filter=later) == []


# --- foreign, missing ------------------------------------------------------------


def asked_of_both(story: Story) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each kind of key: of centre-b, and of nobody."""
    foreign = story.foreign_outcome
    yield (
        {"receipt": numbered("centre-b", foreign)},
        {"receipt": "centre-b/2026-27/999999"},
    )
    yield {"receipt": numbered("centre-b", foreign)}, {"receipt": "no/2026-27/000001"}
    sequence = story.foreign_held.sequence
    yield {"receipt": f"centre-b/A/{sequence}"}, {"receipt": "centre-b/A/99999999"}
    yield {"receipt": f"centre-a/A/{sequence}"}, {"receipt": "centre-a/A/99999999"}
    yield {"id": story.foreign.id}, {"id": MISSING_ID}
    for sender in ("centre-b", "harness", "nobody"):
        yield (
            {"id": story.foreign.id, "sender": sender},
            {"id": MISSING_ID, "sender": sender},
        )
    yield {"reference": "ONLY-B"}, {"reference": "ONLY-NOBODY"}
    yield (
        {"reference": "ONLY-B", "service": "ANY"},
        {"reference": "ONLY-X", "service": "ANY"},
    )


def test_what_is_anothers_is_not_there(story: Story) -> None:
    for foreign, missing in asked_of_both(story):
        told = ask(story.a, **foreign).SerializeToString(deterministic=True)
        nothing = ask(story.a, **missing).SerializeToString(deterministic=True)
        assert told == nothing, foreign
    owner = ids(story.b, reference="ONLY-B")
    assert owner == [story.foreign.id]
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        ask(story.a, reference="ONLY-B", centre="centre-b")


def test_a_centre_is_answered_at_times_that_tell_nothing(story: Story) -> None:
    """Whose payments of a reference were read on the way."""
    for reference in ("ONLY-B", "ONLY-NOBODY"):
        begun = time.perf_counter()
        ask(story.a, reference=reference)
        assert time.perf_counter() - begun >= PACE_S


# --- pages, filters --------------------------------------------------------------


def listed(
    peer: Peer, size: int, wanted: dict[str, Any], centre: str = ""
) -> tuple[list[bytes], int]:
    """All pages: the ids, and how many pages there were."""
    found: list[bytes] = []
    request = payments_pb2.ListPaymentsRequest(
        centre=centre, page_size=size, filter=payments_pb2.PaymentFilter(**wanted)
    )
    for pages in itertools.count(1):
        page = peer.payments.ListPayments(request, timeout=CALL_S)
        assert len(page.payments) == len(page.lines) <= size
        found += [one.id for one in page.payments]
        if not page.next_page_token:
            return found, pages
        request.page_token = page.next_page_token
    raise AssertionError


FILTERS: Final[list[dict[str, Any]]] = [
    {},
    {"state": payments_pb2.PAYMENT_STATE_COMPLETED},
    {"state": payments_pb2.PAYMENT_STATE_REFUNDED},
    {"state": payments_pb2.PAYMENT_STATE_HELD},
    {"state": payments_pb2.PAYMENT_STATE_UNKNOWN},
    {"state": payments_pb2.PAYMENT_STATE_REVERSED},
    {"amount_min": 3 * RUPEE, "amount_max": 5 * RUPEE},
    {"amount_max": 2 * RUPEE},
    {"service": "ONCE"},
    {"operator": 7},
    {"service": "ANY", "amount_min": 6 * RUPEE, "operator": 1},
]


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_filters(story: Story, size: int) -> None:
    """Beside what each payment is when it is asked about alone."""
    everything, _ = listed(story.a, 1_000, {})
    senders = {story.sent.id: "harness"}
    alone = {}
    for one in everything:
        request = payments_pb2.GetPaymentRequest(id=one, sender=senders.get(one, ""))
        alone[one] = story.a.payments.GetPayment(request, timeout=CALL_S)
    seen = 0
    for wanted in FILTERS:
        expected = [
            one
            for one in everything
            if wanted.get("state") in (None, alone[one].state)
            and wanted.get("amount_min", 0) <= alone[one].entry.amount
            and alone[one].entry.amount <= wanted.get("amount_max", 1 << 62)
            and wanted.get("service") in (None, alone[one].entry.service)
            and wanted.get("operator") in (None, alone[one].entry.operator)
        ]
        assert listed(story.a, size, wanted)[0] == expected, wanted
        seen += bool(expected)
    assert seen >= len(FILTERS) - 2, "most filters let something through"


def test_lines_say_how_each_stands(story: Story) -> None:
    request = payments_pb2.ListPaymentsRequest()
    page = story.a.payments.ListPayments(request, timeout=CALL_S)
    for entry, line in zip(page.payments, page.lines, strict=True):
        sender = "harness" if entry.id == story.sent.id else ""
        asked = payments_pb2.GetPaymentRequest(id=entry.id, sender=sender)
        alone = story.a.payments.GetPayment(asked, timeout=CALL_S)
        final = alone.resolution if alone.resolution.receipt else alone.entry
        assert (line.state, line.refunded_amount, line.receipt) == (
            alone.state,
            alone.refunded_amount,
            final.receipt,
        )
        if line.receipt:
            told = line.receipt_sequence, line.receipt_time_ns
            assert told == (final.sequence, final.time_ns)


def test_a_span_of_time(story: Story) -> None:
    request = payments_pb2.ListPaymentsRequest(page_size=1_000)
    page = story.a.payments.ListPayments(request, timeout=CALL_S)
    times = {one.id: one.time_ns for one in page.payments}
    first, last = sorted(times.values())[2], sorted(times.values())[-2]
    for start, end in ((first, last), (first, 0), (0, last), (first, first + 1)):
        span = {"from_time_ns": start, "to_time_ns": end}
        wanted = [one for one, at in times.items() if start <= at < (end or 1 << 63)]
        assert listed(story.a, 3, span)[0] == wanted
    assert listed(story.a, 3, {"from_time_ns": time.time_ns() + 10**12})[0] == []
    assert listed(story.a, 3, {"to_time_ns": 1})[0] == []


def test_refused_payments(story: Story) -> None:
    since = {"from_time_ns": story.begun_ns}
    only = {**since, "state": payments_pb2.PAYMENT_STATE_REFUSED}
    assert listed(story.a, 10, only)[0] == [story.refused.id]
    both, _ = listed(story.a, 2, {**since, "with_refused": True})
    accepted, _ = listed(story.a, 1_000, since)
    assert set(both) == {*accepted, story.refused.id}
    assert len(both) == len(accepted) + 1
    assert [one for one in both if one != story.refused.id] == accepted
    assert listed(story.b, 10, only)[0] == []


def test_tokens_are_of_who_asked_and_what_was_asked(story: Story) -> None:
    page = ask(story.a, page_size=2)
    token = page.next_page_token
    assert token
    second = ask(story.a, page_size=2, page_token=token)
    first = [one.id for one in page.payments]
    assert not {one.id for one in second.payments} & {*first}
    wrong: list[tuple[Peer, dict[str, Any]]] = [
        (story.b, {}),
        (story.peers.support, {"centre": "centre-a"}),
        (story.a, {"filter": {"amount_min": 1}}),
        (story.a, {"reference": "HELD-1"}),
    ]
    for peer, fields in wrong:
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            ask(peer, page_size=2, page_token=token, **fields)
        assert failures[0].fields == ["page_token"]
    # Nor for the other list of the same payments.
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        request = payments_pb2.ListPaymentsRequest(page_size=2, page_token=token)
        story.a.payments.ListPayments(request, timeout=CALL_S)


def test_pages_of_a_search(story: Story) -> None:
    wanted, _ = listed(story.a, 1_000, {})
    for size in (1, 5, 100):
        found: list[bytes] = []
        token = ""
        while True:
            page = ask(story.a, page_size=size, page_token=token)
            found += [one.id for one in page.payments]
            token = page.next_page_token
            if not token:
                break
        assert found == wanted


WRONG: Final[list[tuple[dict[str, Any], str]]] = [
    ({"receipt": "x", "id": MISSING_ID}, "id"),
    ({"id": MISSING_ID, "reference": "1"}, "reference"),
    ({"reference": "1", "biller_reference": "2"}, "biller_reference"),
    ({"id": b"short"}, "id"),
    ({"sender": "harness"}, "sender"),
    ({"reference": "1", "sender": "harness"}, "sender"),
    ({"service": "ANY"}, "service"),
    ({"reference": "1", "biller": "gas"}, "biller"),
    ({"reference": "x" * 33}, "reference"),
    ({"reference": "বিল"}, "reference"),
    ({"reference": " 1"}, "reference"),
    ({"biller_reference": "a\x07"}, "biller_reference"),
    ({"receipt": "x" * 10_240}, "receipt"),
    ({"receipt": "centre-a/2026-28/000001"}, "receipt"),
    ({"receipt": "centre-a/A/x"}, "receipt"),
    ({"receipt": "centre-a/A/" + "9" * 40}, "receipt"),
    ({"receipt": "1"}, "receipt"),
    ({"page_size": -1}, "page_size"),
    ({"page_token": "x" * 100_000}, "page_token"),
    ({"filter": {"state": 99}}, "filter.state"),
    ({"filter": {"amount_min": 10**18 + 1}}, "filter.amount_min"),
    ({"filter": {"amount_min": 2, "amount_max": 1}}, "filter.amount_max"),
    ({"filter": {"from_time_ns": 5, "to_time_ns": 5}}, "filter.to_time_ns"),
    ({"filter": {"with_refused": True}}, "filter.from_time_ns"),
]


@pytest.mark.parametrize(("fields", "field"), WRONG)
def test_what_cannot_be_asked(peers: Peers, fields: Any, field: str) -> None:
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        ask(peers.centre(), **fields)
    assert failures[0].fields == [field]


def test_who_may_see_all_says_whom_or_what(peers: Peers) -> None:
    for fields, field in (
        ({}, "centre"),
        ({"id": MISSING_ID}, "sender"),
        ({"receipt": "2026-27/1"}, "receipt"),
    ):
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            ask(peers.support, **fields)
        assert failures[0].fields == [field]
    with failing(grpc.StatusCode.NOT_FOUND):
        ask(peers.support, reference="1", service="NO-SUCH")
    assert ids(peers.support, receipt="nowhere/2026-27/000001") == []


# --- several at once -------------------------------------------------------------


def test_several_payments_each_with_its_own_answer(story: Story) -> None:
    wanted = [
        (story.bills[0].id, ""),
        (MISSING_ID, ""),
        (story.foreign.id, "centre-b"),
        (b"short", ""),
        (story.sent.id, "harness"),
        (story.held.id, "centre-a"),
    ]
    asked = [
        payments_pb2.GetPaymentRequest(id=one, sender=sender) for one, sender in wanted
    ]
    request = payments_pb2.GetPaymentsRequest(payments=asked)
    reply = story.a.payments.GetPayments(request, timeout=CALL_S)
    assert [one.error for one in reply.payments] == [
        *("", "NOT_FOUND", "NOT_FOUND", "INVALID_ARGUMENT", "", ""),
    ]
    assert [one.id for one in reply.payments] == [one for one, _ in wanted]
    for one, (payment_id, sender) in zip(reply.payments, wanted, strict=True):
        if one.error:
            assert not one.HasField("payment")
            continue
        alone = payments_pb2.GetPaymentRequest(id=payment_id, sender=sender)
        assert one.payment == story.a.payments.GetPayment(alone, timeout=CALL_S)


@pytest.mark.parametrize("count", [0, 101])
def test_so_many_payments_and_no_more(peers: Peers, count: int) -> None:
    asked = [payments_pb2.GetPaymentRequest(id=MISSING_ID)] * count
    request = payments_pb2.GetPaymentsRequest(payments=asked)
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        peers.centre().payments.GetPayments(request, timeout=CALL_S)
    assert failures[0].fields == ["payments"]
    most = payments_pb2.GetPaymentsRequest(payments=[*asked[:1]] * 100)
    if count:
        reply = peers.centre().payments.GetPayments(most, timeout=CALL_S)
        assert len(reply.payments) == 100


# --- the security log ------------------------------------------------------------


def test_each_look_of_support_is_logged_without_what_it_was_for(
    story: Story, server: ServerProcess
) -> None:
    support = story.peers.support
    ask(support, reference="BILL-ONCE-77")
    ask(support, receipt=story.receipt(1))
    ask(support, centre="centre-a", page_size=3)
    folder = server.directory / "ledger" / "security"

    def lines() -> list[dict[str, Any]]:
        text = "".join(one.read_text() for one in sorted(folder.iterdir()))
        told = [json.loads(line) for line in text.splitlines()]
        return [one for one in told if one["event"] == "search"]

    until(lambda: lines()[-3:] and lines()[-1]["key"] == "filter")
    last = lines()[-3:]
    assert [(one["key"], one["found"]) for one in last] == [
        ("reference", 1),
        ("receipt", 1),
        ("filter", 3),
    ]
    assert {one["participant"] for one in last} == {"support/support"}
    everything = "".join(one.read_text() for one in folder.iterdir())
    assert "ONCE-77" not in everything
    assert story.receipt(1) not in everything
