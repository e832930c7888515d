"""Goal: a biller's feed has every accepted entry of its accounts once, in order.

Method: payments to two billers, among them refused ones; the feed is read from the
beginning, from the middle, and while new payments arrive.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import grpc
import lmdb

from switch.v1 import billers_pb2 as pb
from switch.v1 import payments_pb2 as payments
from switch.v1 import types_pb2
from tests.server.harness import CALL_S, Peer, Peers, failing, payment


def follow(peer: Peer, cursor: int, biller: str = "") -> list[pb.FollowFeedResponse]:
    """Everything from a cursor to the newest."""
    request = pb.FollowFeedRequest(cursor=cursor, end_at_newest=True, biller=biller)
    return list(peer.billers.FollowFeed(request, timeout=CALL_S))


def events(pages: list[pb.FollowFeedResponse]) -> list[types_pb2.Entry]:
    return [event for page in pages for event in page.events]


def test_from_the_beginning(peers: Peers) -> None:
    paid = peers.centre().pay_all(
        [
            payment("ONCE"),
            payment("ANY"),
            payment("ONCE", amount=10**17),
            payment("HEADS", head=1),
            payment("CONFIRM"),
        ]
    )
    refund = peers.refund(paid[0].sequence, 1)
    pages = follow(peers.biller(), 0)
    wanted = [paid[0].sequence, paid[3].sequence, paid[4].sequence, refund.sequence]
    assert [event.sequence for event in events(pages)] == wanted
    assert {event.biller for event in events(pages)} == {"power"}
    assert [event.head for event in events(pages)] == [
        "0801-01",
        "0801-02",
        "0801-02",
        "0801-01",
    ]
    assert pages[-1].cursor >= refund.sequence
    assert events(follow(peers.auditor, 0, "power")) == events(pages)


def test_pages_and_resuming(peers: Peers) -> None:
    start = follow(peers.biller("land"), 0)[-1].cursor
    outcomes = peers.centre().pay_all([payment(amount=1) for _ in range(2_500)])
    pages = follow(peers.biller("land"), start)
    sequences = [event.sequence for event in events(pages)]
    assert sequences == [one.sequence for one in outcomes]
    assert all(len(page.events) <= 1_000 for page in pages)
    for page in pages:
        if page.events:
            assert page.cursor >= page.events[-1].sequence
    middle = sequences[1_234]
    assert [one.sequence for one in events(follow(peers.biller("land"), middle))] == (
        sequences[1_235:]
    )
    # The cursor of a page continues exactly after it.
    after = events(follow(peers.biller("land"), pages[0].cursor))
    assert [one.sequence for one in after] == sequences[1_000:]


def test_following_live(peers: Peers) -> None:
    start = follow(peers.biller("land"), 0)[-1].cursor
    request = pb.FollowFeedRequest(cursor=start)
    call = peers.biller("land").billers.FollowFeed(request, timeout=60)
    wanted = 300
    sent: list[payments.PaymentOutcome] = []

    def pay() -> None:
        sent.extend(peers.centre().pay(payment()) for _ in range(wanted))

    peers.centre()
    thread = threading.Thread(target=pay)
    thread.start()
    seen: list[int] = []
    for page in call:
        seen += [event.sequence for event in page.events]
        if len(seen) >= wanted:
            break
    call.cancel()
    thread.join()
    assert seen == [one.sequence for one in sent]


def test_an_idle_feed_says_where_it_stands(peers: Peers) -> None:
    start = follow(peers.biller(), 0)[-1].cursor
    request = pb.FollowFeedRequest(cursor=start)
    call = peers.biller().billers.FollowFeed(request, timeout=CALL_S)
    page = next(call)
    assert not page.events
    assert page.cursor == start
    # What is not the biller's moves the cursor all the same.
    other = peers.centre().pay(payment("ANY"))
    for page in call:
        assert not page.events
        if page.cursor >= other.sequence:
            break
    call.cancel()


def test_several_followers(peers: Peers) -> None:
    start = follow(peers.biller("land"), 0)[-1].cursor
    request = pb.FollowFeedRequest(cursor=start)
    # As many as it may have: two machines at change-over, with two each.
    land = peers.biller("land").billers
    calls = [land.FollowFeed(request, timeout=60) for _ in range(4)]
    for call in calls:
        next(call)
    with failing(grpc.StatusCode.RESOURCE_EXHAUSTED) as failures:
        next(land.FollowFeed(request, timeout=60))
    assert "feeds" in failures[0].text
    outcomes = peers.centre().pay_all([payment() for _ in range(100)])
    for call in calls:
        seen: list[int] = []
        for page in call:
            seen += [event.sequence for event in page.events]
            if len(seen) >= 100:
                break
        call.cancel()
        assert seen == [one.sequence for one in outcomes]


def test_a_follower_that_does_not_read_holds_no_transaction(peers: Peers) -> None:
    # More than the transport takes on its way: the server waits for this reader.
    peers.centre().pay_all([payment(amount=1) for _ in range(8_000)])
    request = pb.FollowFeedRequest(cursor=0)
    call = peers.biller("land").billers.FollowFeed(request, timeout=60)
    next(call)
    journal = str(peers.server.directory / "ledger" / "journal")
    with lmdb.open(journal, readonly=True, max_dbs=8) as environment:
        held = Counter[tuple[str, str]]()
        for _ in range(20):
            # The ledger goes on meanwhile; and its own view of it with each commit.
            peers.centre().pay(payment("ANY"))
            # A line for each reader: process, thread, and the transaction or a dash.
            readers = [line.split() for line in environment.readers().splitlines()[1:]]
            held.update(
                (thread, number)
                for process, thread, number in readers
                if int(process) == peers.server.pid and number != "-"
            )
            time.sleep(0.06)
    # Over a second and more none is seen all along: each is for a moment.
    assert max(held.values(), default=0) <= 4
    last = peers.centre().pay(payment())
    seen = [event.sequence for page in until(call, last.sequence) for event in page]
    assert seen[-1] == last.sequence
    assert seen == sorted(set(seen))
    call.cancel()


def until(
    call: Iterable[pb.FollowFeedResponse], sequence: int
) -> Iterator[list[types_pb2.Entry]]:
    """The events of pages up to the one that reaches this sequence."""
    for page in call:
        yield list(page.events)
        if page.cursor >= sequence:
            return


def test_what_a_biller_may_not_see(peers: Peers) -> None:
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        follow(peers.biller("power"), 0, "land")
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        follow(peers.centre(), 0, "land")
    with failing(grpc.StatusCode.NOT_FOUND):
        follow(peers.auditor, 0, "centre-a")
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        follow(peers.auditor, 0)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        follow(peers.biller(), 1 << 60)
