"""Goal: a biller that is never asked, and follows its feed, ends its payments as one
does that is asked; what it says counts once, and for its own payments only.

Method: a real server and real sockets; no biller connects.
"""

import time
from collections.abc import Iterator

import grpc
import pytest

from switch.client import Client
from switch.codes import Role
from switch.v1 import billers_pb2 as pb
from switch.v1 import counter_pb2, exceptions_pb2
from switch.v1 import payments_pb2 as payments
from switch.v1 import results_pb2 as results
from switch.v1 import types_pb2 as types
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Peers,
    failing,
    load,
    payment,
    running,
    until,
)
from tests.server.test_billers import get

CONFIRMED, REJECTED = pb.ANSWER_KIND_CONFIRMED, pb.ANSWER_KIND_REJECTED
HELD, COMPLETED = payments.PAYMENT_STATE_HELD, payments.PAYMENT_STATE_COMPLETED
REVERSED, EXPIRED = payments.PAYMENT_STATE_REVERSED, payments.PAYMENT_STATE_EXPIRED
KEPT, UNVERIFIED = payments.PAYMENT_STATE_KEPT, payments.PAYMENT_STATE_UNVERIFIED
ABSENT_S = 0.3


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    directory = tmp_path_factory.mktemp("pull")
    absent = f"biller.absent_ms={int(ABSENT_S * 1000)}"
    with running(directory, "--set", absent) as server:
        peers = Peers(server)
        load(peers)
        yield peers


def pay(peers: Peers, service: str = "CONFIRM", count: int = 1) -> list[int]:
    """Held payments, by their holds' sequences."""
    bills = [payment(service, amount=RUPEE) for _ in range(count)]
    outcomes = peers.centre().pay_all(bills)
    assert {one.state for one in outcomes} == {HELD}
    return [one.sequence for one in outcomes]


def holds(peers: Peers, cursor: int, name: str = "power") -> list[types.Entry]:
    """What a biller finds in its feed after `cursor`."""
    request = pb.FollowFeedRequest(cursor=cursor, end_at_newest=True)
    pages = peers.biller(name).billers.FollowFeed(request, timeout=CALL_S)
    events = [event for page in pages for event in page.events]
    return [event for event in events if event.kind == types.ENTRY_KIND_HOLD]


def answer(
    hold: types.Entry,
    kind: pb.AnswerKind.ValueType = CONFIRMED,
    text: str = "REF",
    amount: int = RUPEE,
) -> pb.Answer:
    said = pb.Answer(number=hold.sequence, id=hold.id, kind=kind)
    if kind == CONFIRMED:
        said.biller_reference = text
        said.amount = amount
    else:
        said.reason = text
    return said


def acknowledge(
    peers: Peers, *answers: pb.Answer, name: str = "power"
) -> list[pb.Acknowledged]:
    request = pb.AcknowledgeRequest(answers=answers)
    reply = peers.biller(name).billers.Acknowledge(request, timeout=CALL_S)
    return list(reply.payments)


def test_what_is_found_in_the_feed_is_acknowledged_once(peers: Peers) -> None:
    sequences = pay(peers, count=5)
    found = holds(peers, sequences[0] - 1)
    assert [one.sequence for one in found] == sequences
    answers = [answer(one) for one in found[:3]]
    answers += [answer(one, REJECTED, "CLOSED") for one in found[3:]]
    first = acknowledge(peers, *answers)
    assert [one.number for one in first] == sequences
    assert [one.state for one in first] == [COMPLETED] * 3 + [REVERSED] * 2
    assert [get(peers, one.id).state for one in found] == [one.state for one in first]
    assert get(peers, found[0].id).resolution.sequence == first[0].sequence
    assert get(peers, found[0].id).resolution.receipt > 0
    # The same again, and with the library, which sends it again by itself.
    assert acknowledge(peers, *answers) == first
    credentials = peers.authority.leaf(Role.BILLER, "power")
    with Client(peers.server.address, credentials) as client:
        assert client.acknowledge(answers) == first


def test_a_basket_is_acknowledged_by_its_first(peers: Peers) -> None:
    bills = [payment("CONFIRM", amount=RUPEE) for _ in range(3)]
    request = payments.CreateBasketRequest(basket=payments.Basket(payments=bills))
    outcomes = peers.centre().payments.CreateBasket(request, timeout=CALL_S).outcomes
    found = holds(peers, outcomes[0].sequence - 1)
    [later] = acknowledge(peers, answer(found[1]))
    assert later.state == HELD
    # And with what all of them come to.
    [first] = acknowledge(peers, answer(found[0]))
    assert first.state == KEPT
    acknowledge(peers, answer(found[0], amount=3 * RUPEE))
    assert {get(peers, one.id).state for one in found} == {COMPLETED}


def test_only_a_biller_s_own_holds(peers: Peers) -> None:
    [sequence] = pay(peers)
    [hold] = holds(peers, sequence - 1)
    other = pb.Answer(number=sequence, id=b"x" * 16, kind=CONFIRMED, amount=RUPEE)
    ahead = pb.Answer(number=1 << 60, id=hold.id, kind=CONFIRMED, amount=RUPEE)
    first = pb.Answer(number=1, id=hold.id, kind=REJECTED)
    assert [one.state for one in acknowledge(peers, other, ahead, first)] == [0] * 3
    assert [one.state for one in acknowledge(peers, answer(hold), name="water")] == [0]
    assert get(peers, hold.id).state == HELD
    acknowledge(peers, answer(hold))
    assert get(peers, hold.id).state == COMPLETED


def test_a_late_one_opens_a_case(peers: Peers) -> None:
    [sequence] = pay(peers, "BRIEF")
    [hold] = holds(peers, sequence - 1)
    until(lambda: get(peers, hold.id).state == UNVERIFIED)
    for _ in range(2):
        [told] = acknowledge(peers, answer(hold))
        assert (told.state, told.number) == (UNVERIFIED, sequence)
    request = exceptions_pb2.ListExceptionsRequest(page_size=1_000)
    listed = peers.treasury.admin.ListExceptions(request, timeout=CALL_S).exceptions
    [case] = [one for one in listed if one.payment.sequence == sequence]
    assert case.kind == exceptions_pb2.EXCEPTION_KIND_LATE_CONFIRMATION


def test_a_follower_is_not_away(peers: Peers) -> None:
    def at_the_counter() -> payments.PaymentOutcome:
        request = counter_pb2.PayBillRequest(
            payment=payment("CONFIRM", amount=RUPEE), wait_ms=1
        )
        return peers.centre().counter.PayBill(request, timeout=CALL_S).outcome

    time.sleep(2 * ABSENT_S)
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        at_the_counter()
    assert failures[0].reason == "BILLER_UNAVAILABLE"
    feed = peers.biller().billers.FollowFeed(pb.FollowFeedRequest(), timeout=60)
    next(iter(feed))
    time.sleep(2 * ABSENT_S)
    outcome = at_the_counter()
    assert (outcome.result, outcome.state) == (results.RESULT_OK, HELD)
    feed.cancel()


def test_what_it_takes_back_has_expired(peers: Peers) -> None:
    [sequence] = pay(peers, "BRIEF")
    [hold] = holds(peers, sequence - 1)
    until(lambda: get(peers, hold.id).state == UNVERIFIED)
    for _ in range(2):
        [told] = acknowledge(peers, answer(hold, REJECTED, "NO_CREDIT"))
        assert told.state == EXPIRED


def test_a_confirmation_says_how_much_was_credited(peers: Peers) -> None:
    one, two = pay(peers, count=2)
    found = holds(peers, one - 1)
    right, silent = answer(found[0]), answer(found[1], amount=0)
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        acknowledge(peers, right, silent)
    assert failures[0].fields == ["answers[1].amount"]
    # Nothing of it was done.
    assert {get(peers, one.id).state for one in found} == {HELD}
    [told] = acknowledge(peers, answer(found[1], amount=RUPEE + 1))
    assert (told.number, told.state) == (two, KEPT)
    # A rejection has none.
    [told] = acknowledge(peers, answer(found[0], REJECTED, "CLOSED"))
    assert told.state == REVERSED


def test_what_cannot_be_acknowledged(peers: Peers) -> None:
    unknown = pb.Answer(number=1, id=b"x" * 16, kind=pb.ANSWER_KIND_UNKNOWN)
    many = [pb.Answer(number=1, id=b"x" * 16, kind=CONFIRMED)] * 1_001
    for answers in ([], [unknown], many):
        with failing(grpc.StatusCode.INVALID_ARGUMENT):
            acknowledge(peers, *answers)
