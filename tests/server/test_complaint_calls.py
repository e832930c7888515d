"""Goal: a citizen's complaint has one number and one life, which the centre, the biller
and the offices see, and nobody else.

Method: complaints from raising to closing over real sockets, each call by each who may
and each who may not; sent again with its id; others' beside none; every field wrong
once.
"""

from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from server.services import complaints as module
from switch._core import Ledger
from switch.client import Client
from switch.codes import Result, Role
from switch.ids import new_id
from switch.ledger import complaints
from switch.v1 import complaints_pb2 as pb
from switch.v1 import payments_pb2
from tests.server.harness import CALL_S, RUPEE, Peer, Peers, failing, payment
from tests.server.inside import Inside, inside

HOUR_NS: Final = 3_600 * 10**9
NOT_CREDITED: Final = pb.COMPLAINT_REASON_NOT_CREDITED


def raised(peer: Peer, payment_id: bytes, **fields: Any) -> pb.RaiseComplaintResponse:
    values = {"id": new_id(), "reason": NOT_CREDITED, **fields}
    request = pb.RaiseComplaintRequest(payment_id=payment_id, **values)
    return peer.counter.RaiseComplaint(request, timeout=CALL_S)


def step(
    peer: Peer, number: str, what: int, text: str = "see to it", **fields: Any
) -> Any:
    values: dict[str, Any] = {"id": new_id(), "step": what, **fields}
    request = pb.AnswerComplaintRequest(number=number, text=text, **values)
    return peer.counter.AnswerComplaint(request, timeout=CALL_S)


def get(peer: Peer, number: str) -> pb.Complaint:
    request = pb.GetComplaintRequest(number=number)
    return peer.counter.GetComplaint(request, timeout=CALL_S).complaint


def numbers(peer: Peer, **fields: Any) -> list[str]:
    request = pb.ListComplaintsRequest(**fields)
    found: list[str] = []
    while True:
        page = peer.counter.ListComplaints(request, timeout=CALL_S)
        found += [one.number for one in page.complaints]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def paid(peer: Peer, service: str = "ONCE", **fields: Any) -> Any:
    """Of power, unless another service is named."""
    bill = payment(service, **fields)
    outcome = peer.pay(bill)
    assert outcome.result == 1
    return outcome


def test_the_life_of_one(peers: Peers) -> None:
    peer, power = peers.centre(), peers.biller("power")
    outcome = paid(peer)
    told = raised(peer, outcome.id, note="receipt was given", operator=1).complaint
    assert told.state == pb.COMPLAINT_STATE_RAISED
    assert (told.centre, told.biller, told.operator) == ("centre-a", "power", 1)
    assert (told.payment_sequence, told.payment_id) == (outcome.sequence, outcome.id)
    assert (told.reason, told.note) == (NOT_CREDITED, "receipt was given")
    assert told.answer_due_ns == told.time_ns + 72 * HOUR_NS
    number = told.number
    assert number[0] == "C"
    assert len(number.replace(" ", "").replace("-", "")) == 12
    for what, who, state in (
        (pb.COMPLAINT_STEP_ASKED, peers.treasury, pb.COMPLAINT_STATE_ASKED),
        (pb.COMPLAINT_STEP_ANSWERED, power, pb.COMPLAINT_STATE_ANSWERED),
        (pb.COMPLAINT_STEP_CLOSED, peers.treasury, pb.COMPLAINT_STATE_CLOSED),
    ):
        reply = step(who, number, what, f"step {what}")
        assert reply.outcome.result == 1
        assert reply.complaint.state == state
    last = get(peer, number)
    assert [one.step for one in last.events] == [1, 2, 3]
    assert [one.text for one in last.events] == ["step 1", "step 2", "step 3"]
    says = [one.participant for one in last.events]
    assert says == ["treasury", "power", "treasury"]
    assert last.number == number
    closed = step(peers.treasury, number, pb.COMPLAINT_STEP_ASKED).outcome
    assert Result(closed.result) is Result.COMPLAINT_CLOSED
    # Once it is closed there may be another, with another number.
    assert raised(peer, outcome.id).complaint.number != number


def test_sent_again_it_has_the_same_number(peers: Peers) -> None:
    peer = peers.centre()
    outcome, same = paid(peer), new_id()
    first = raised(peer, outcome.id, id=same)
    again = raised(peer, outcome.id, id=same)
    assert (first.outcome.repeat, again.outcome.repeat) == (False, True)
    assert first.complaint == again.complaint
    assert first.outcome.sequence == again.outcome.sequence
    # Under another id there is one, and it is told.
    other = raised(peer, outcome.id)
    assert Result(other.outcome.result) is Result.COMPLAINT_OPEN
    assert other.complaint == first.complaint
    # A step likewise.
    number, same = first.complaint.number, new_id()
    one = step(peers.treasury, number, pb.COMPLAINT_STEP_ASKED, id=same)
    two = step(peers.treasury, number, pb.COMPLAINT_STEP_ASKED, id=same)
    assert two.outcome.repeat
    assert one.outcome.sequence == two.outcome.sequence
    assert len(get(peer, number).events) == 1


def test_any_spelling_of_its_number(peers: Peers) -> None:
    peer = peers.centre()
    number = raised(peer, paid(peer).id).complaint.number
    bare = number.replace(" ", "").replace("-", "")
    spaced = " ".join(bare[at : at + 4] for at in range(0, 12, 4))
    for said in (number, bare, bare.lower(), spaced, spaced.replace(" ", "-")):
        assert get(peer, said).number == number, said
    last = "A" if bare[-1] != "A" else "B"
    for wrong in (bare[:-1] + last, "", "C", "C00000000AAA", "x" * 32, "T" + bare[1:]):
        with failing(grpc.StatusCode.NOT_FOUND):
            get(peer, wrong)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        get(peer, "x" * 33)


def test_a_refund_is_shown(peers: Peers) -> None:
    peer = peers.centre()
    outcome = paid(peer, amount=9 * RUPEE)
    number = raised(peer, outcome.id).complaint.number
    assert get(peer, number).refund_sequence == 0
    refund = peers.refund(outcome.sequence, RUPEE)
    assert get(peer, number).refund_sequence == refund.sequence


def test_who_sees_it(peers: Peers) -> None:
    peer = peers.centre()
    number = raised(peer, paid(peer).id).complaint.number
    for who in (
        peer,
        peers.biller("power"),
        peers.treasury,
        peers.auditor,
        peers.support,
    ):
        assert get(who, number).number == number
        assert number in numbers(who)
    told = set()
    for stranger in (peers.centre("centre-b"), peers.biller("land")):
        assert number not in numbers(stranger)
        for asked in (number, "C99999999AAA"):
            with failing(grpc.StatusCode.NOT_FOUND) as failures:
                get(stranger, asked)
            told.add(failures[0].text)
    assert len(told) == 1
    for nobody in (peers.harness, peers.pmu):
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            get(nobody, number)


def test_a_payment_of_another_has_none(peers: Peers) -> None:
    theirs = paid(peers.centre("centre-b"))
    told = set()
    for payment_id, sender in (
        (theirs.id, ""),
        (theirs.id, "centre-b"),
        (new_id(), ""),
        (new_id(), "centre-b"),
    ):
        with failing(grpc.StatusCode.NOT_FOUND) as failures:
            raised(peers.centre(), payment_id, sender=sender)
        told.add(failures[0].text)
    assert len(told) == 1
    # What an aggregator has sent for its wallet is its own.
    sent = payment(centre="centre-a")
    assert peers.harness.pay(sent).result == 1
    assert raised(peers.centre(), sent.id, sender="harness").outcome.result == 1


def test_it_is_found_by_its_payment(peers: Peers) -> None:
    peer, power = peers.centre(), peers.biller("power")
    outcome, other = paid(peer), paid(peer)

    def about(who: Peer, payment_id: bytes, sender: str = "") -> pb.Complaint:
        request = pb.GetComplaintRequest(payment_id=payment_id, sender=sender)
        return who.counter.GetComplaint(request, timeout=CALL_S).complaint

    told = set()
    for payment_id, sender in (
        (outcome.id, ""),
        (other.id, "centre-a"),
        (new_id(), ""),
    ):
        with failing(grpc.StatusCode.NOT_FOUND):
            about(peer, payment_id, sender)
    first = raised(peer, outcome.id).complaint
    step(power, first.number, pb.COMPLAINT_STEP_ANSWERED, "credited today")
    for who, sender in (
        (peer, ""),
        (peer, "centre-a"),
        (peers.treasury, "centre-a"),
        (peers.auditor, "centre-a"),
        (peers.support, "centre-a"),
    ):
        found = about(who, outcome.id, sender)
        assert (found.number, found.overdue) == (first.number, False)
        assert found.state == pb.COMPLAINT_STATE_ANSWERED
    assert about(peer, outcome.id).events[0].text == "credited today"
    # The newest one.
    step(peers.treasury, first.number, pb.COMPLAINT_STEP_CLOSED)
    assert about(peer, outcome.id).state == pb.COMPLAINT_STATE_CLOSED
    second = raised(peer, outcome.id).complaint
    assert about(peer, outcome.id).number == second.number != first.number
    # Another's is not there.
    for payment_id in (outcome.id, new_id()):
        with failing(grpc.StatusCode.NOT_FOUND) as failures:
            about(peers.centre("centre-b"), payment_id, "centre-a")
        told.add(failures[0].text)
    assert len(told) == 1
    for who in (power, peers.harness, peers.pmu):
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            about(who, outcome.id, "centre-a")
    for fields, field in (
        ({"payment_id": b"short"}, "payment_id"),
        ({"payment_id": outcome.id, "number": first.number}, "payment_id"),
        ({"sender": "centre-a", "number": first.number}, "sender"),
    ):
        request = pb.GetComplaintRequest(**fields)
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            peer.counter.GetComplaint(request, timeout=CALL_S)
        assert failures[0].fields == [field]


def test_each_step_is_its_own_roles(peers: Peers) -> None:
    peer = peers.centre()
    number = raised(peer, paid(peer).id).complaint.number
    power, land = peers.biller("power"), peers.biller("land")
    for who, what in (
        (power, pb.COMPLAINT_STEP_ASKED),
        (power, pb.COMPLAINT_STEP_CLOSED),
        (peers.treasury, pb.COMPLAINT_STEP_ANSWERED),
        (peers.auditor, pb.COMPLAINT_STEP_ASKED),
        (peer, pb.COMPLAINT_STEP_CLOSED),
    ):
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            step(who, number, what)
    with failing(grpc.StatusCode.NOT_FOUND):
        step(land, number, pb.COMPLAINT_STEP_ANSWERED)
    assert not get(peer, number).events


def test_lists(peers: Peers) -> None:
    peer = peers.centre("centre-c")
    mine = [raised(peer, paid(peer).id).complaint.number for _ in range(3)]
    water = raised(peer, paid(peer, "ANY").id).complaint.number
    step(peers.treasury, mine[0], pb.COMPLAINT_STEP_CLOSED)
    newest_first = [water, mine[2], mine[1]]
    assert numbers(peer) == newest_first
    for size in (1, 2):
        assert numbers(peer, page_size=size) == newest_first
    closed = pb.COMPLAINT_STATE_CLOSED
    assert numbers(peer, state=closed) == [mine[0]]
    assert numbers(peers.treasury, centre="centre-c") == newest_first
    assert numbers(peers.support, centre="centre-c", biller="land") == [water]
    assert numbers(peers.biller("land"), centre="centre-c") == [water]
    assert numbers(peer, overdue_only=True) == []
    assert numbers(peers.centre("centre-d")) == []
    for asks, fields in (
        (peer, {"centre": "centre-a"}),
        (peers.biller("land"), {"biller": "power"}),
    ):
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            numbers(asks, **fields)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        numbers(peer, state=99)
    page = peer.counter.ListComplaints(
        pb.ListComplaintsRequest(page_size=1), timeout=CALL_S
    )
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        numbers(peers.centre(), page_token=page.next_page_token)


async def test_others_complaints_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among others' a centre's own are found, with nobody else's rows read again."""
    reads: list[int] = []
    plain = complaints.readable_complaint

    def counted(ledger: Ledger, number: int, sequence: int) -> Any:
        reads.append(number)
        return plain(ledger, number, sequence)

    monkeypatch.setattr(complaints, "readable_complaint", counted)
    monkeypatch.setattr(module, "LOOKED_AT_MAX", 7)
    monkeypatch.setattr(module, "STEP", 5)
    monkeypatch.setattr(module, "STEPS_MAX", 3)

    async def listed(one: Inside, by: str, **fields: Any) -> tuple[list[int], int]:
        request = pb.ListComplaintsRequest(**fields)
        found: list[int] = []
        for calls in range(1, 99):
            body = await one.call("ListComplaints", request, by=by)
            page = pb.ListComplaintsResponse.FromString(body)
            found += [int(told.number[1:9]) for told in page.complaints]
            request.page_token = page.next_page_token
            if not request.page_token:
                return found, calls
        raise AssertionError("no end")

    async with inside(tmp_path) as one:
        mine = []
        for number in range(1, 41):
            centre = "centre-a" if number in (3, 17, 18, 40) else "centre-b"
            await complain(one, centre)
            mine += [number] if centre == "centre-a" else []
        own = [*reversed(mine)]
        for size in (0, 1, 3):
            reads.clear()
            found, calls = await listed(one, "centre/centre-a", page_size=size)
            assert found == own
            assert calls > 1
        # All others are known by now: eight steps of five, three steps a page.
        assert sorted(set(reads)) == mine
        assert (await listed(one, "centre/centre-a"))[1] == 3
        theirs = [number for number in range(40, 0, -1) if number not in mine]
        assert (await listed(one, "centre/centre-b"))[0] == theirs
        everybody = (await listed(one, "treasury/treasury"))[0]
        assert everybody == [*range(40, 0, -1)]
        # What comes later is met like the first.
        await complain(one, "centre-a")
        assert (await listed(one, "centre/centre-a"))[0] == [41, *own]


async def complain(one: Inside, centre: str) -> None:
    pay = payments_pb2.CreatePaymentRequest(payment=payment("ANY"))
    body = await one.call("CreatePayment", pay, by=f"centre/{centre}")
    paid_id = payments_pb2.CreatePaymentResponse.FromString(body).outcome.id
    request = pb.RaiseComplaintRequest(
        id=new_id(), payment_id=paid_id, reason=NOT_CREDITED, operator=1
    )
    body = await one.call("RaiseComplaint", request, by=f"centre/{centre}")
    assert pb.RaiseComplaintResponse.FromString(body).outcome.result == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": b"short"}, "id"),
        ({"payment_id": b"short"}, "id"),
        ({"reason": 0}, "reason"),
        ({"reason": 99}, "reason"),
        ({"note": "x" * 65}, "note"),
        ({"note": "x" * 10_240}, "note"),
        ({"note": "বিল"}, "note"),
        ({"note": "a\x1b[2J"}, "note"),
    ],
)
def test_what_cannot_be_raised(peers: Peers, fields: Any, field: str) -> None:
    values = {"payment_id": new_id(), **fields}
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        raised(peers.centre(), **values)
    assert failures[0].fields[0].endswith(field)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": b"short"}, "id"),
        ({"what": 0}, "step"),
        ({"what": 99}, "step"),
        ({"text": ""}, "text"),
        ({"text": "x" * 65}, "text"),
        ({"text": "a\nb"}, "text"),
        ({"number": "x" * 10_240}, "number"),
    ],
)
def test_what_cannot_be_added(peers: Peers, fields: Any, field: str) -> None:
    values = {"number": "C00000001AAA", "what": pb.COMPLAINT_STEP_ASKED, **fields}
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        step(peers.treasury, **values)
    assert failures[0].fields == [field]


def test_the_client_follows_one(peers: Peers) -> None:
    outcome = paid(peers.centre())
    files = peers.authority.leaf(Role.CENTRE, "centre-a")
    with Client(peers.server.address, files) as client:
        told = client.raise_complaint(outcome.id, NOT_CREDITED, "by the client")
        number = told.complaint.number
        assert client.complaint(number.lower()).note == "by the client"
        listed = client.complaints(pb.ListComplaintsRequest(page_size=1))
        assert [one.number for one in listed.complaints] == [number]
    files = peers.authority.leaf(Role.TREASURY, "treasury")
    with Client(peers.server.address, files) as client:
        asked = client.answer_complaint(number, pb.COMPLAINT_STEP_ASKED, "please look")
        assert asked.complaint.state == pb.COMPLAINT_STATE_ASKED
