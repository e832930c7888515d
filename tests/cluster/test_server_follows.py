"""Goal: a server that follows another takes nothing, tells what only reads and how old
that is, and says of itself per service whether it serves.

Method: two real servers over one log in real PostgreSQL; the calls of generated stubs,
so that what the follower says is seen as it is.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import grpc
import pytest

from server.app import NAMES
from server.followed import READS
from switch.codes import Role
from switch.ids import new_id
from switch.v1 import billers_pb2, counter_pb2, payments_pb2, wallets_pb2
from tests.cluster.pair import NOT_SERVING, PAYMENTS, SERVING, WALLETS, Member, Pair
from tests.server.harness import CALL_S, Failure, failing, payment, until
from tests.server.test_deploy import MANUAL, RULES

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
Two = tuple[Pair, Member, Member]


@pytest.fixture(scope="module")
def two(make_pair: Callable[[], AbstractContextManager[Pair]]) -> Iterator[Two]:
    """The pair, who leads, who follows."""
    with make_pair() as made:
        leader, follower = made.start()
        # It hears of the leader with its next look at the log.
        until(lambda: follower.figure("cluster_epoch") == 1)
        yield made, leader, follower


def wallet(member: Member, *metadata: tuple[str, str]) -> tuple[int, dict[str, int]]:
    """The balance that it tells, and its trailing metadata."""
    request = wallets_pb2.GetWalletRequest(centre="centre-a")
    stub = member.treasury().wallets.GetWallet
    reply, call = stub.with_call(request, timeout=CALL_S, metadata=metadata)
    said = {key: int(value) for key, value in call.trailing_metadata() or ()}
    return reply.wallet.balance, said


WRITES: dict[str, Callable[[Member], object]] = {
    "unary": lambda one: one.peer().pay(payment()),
    "batch": lambda one: one.peer().pay_all([payment(), payment()]),
    "basket": lambda one: one.peer().payments.CreateBasket(
        payments_pb2.CreateBasketRequest(
            basket=payments_pb2.Basket(payments=[payment(), payment()])
        ),
        timeout=CALL_S,
    ),
    "stream": lambda one: list(
        one.peer().payments.StreamPayments(
            iter([payments_pb2.StreamPaymentsRequest(payments=[payment()])]),
            timeout=CALL_S,
        )
    ),
    "top-up": lambda one: one.treasury().top_up("centre-a", 100),
    "bill": lambda one: one.peer().counter.FetchBill(
        counter_pb2.FetchBillRequest(service="SUPPLY", reference="1"), timeout=CALL_S
    ),
    "biller": lambda one: list(
        one.peer(Role.BILLER, "power").billers.Connect(
            iter([billers_pb2.ConnectRequest()]), timeout=CALL_S
        )
    ),
    "what became of a payment": lambda one: one.peer().payments.GetPayment(
        payments_pb2.GetPaymentRequest(id=new_id()), timeout=CALL_S
    ),
    "who is not registered here": lambda one: one.peer(Role.CENTRE, "stranger").pay(
        payment()
    ),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_follower_refuses_and_says_who_leads(two: Two, write: str) -> None:
    _, leader, follower = two
    before, _ = wallet(leader)
    with pytest.raises(grpc.RpcError) as raised:
        WRITES[write](follower)
    failure = Failure(raised.value)
    assert failure.code is UNAVAILABLE
    assert (failure.reason, failure.outcome) == ("NOT_LEADER", "not_done")
    assert failure.leader == leader.address
    assert wallet(leader)[0] == before


def test_a_follower_tells_what_reads_and_how_old_it_is(two: Two) -> None:
    _, leader, follower = two
    outcome = leader.peer().pay(payment())
    balance, said = wallet(follower, ("min-sequence", str(outcome.sequence)))
    assert balance == outcome.wallet_balance
    assert said["as-of-sequence"] >= outcome.sequence
    # It looks at the log all the time, as far as the machine lets it.
    until(lambda: 0 <= wallet(follower)[1]["as-of-age-ms"] <= 5_000)
    # The leader's answer is the newest: it says nothing of its age.
    assert wallet(leader) == (balance, {})


def test_a_follower_waits_for_what_it_must_have_seen(two: Two) -> None:
    _, leader, follower = two
    begun = time.monotonic()
    with failing(UNAVAILABLE) as failures:
        wallet(follower, ("min-sequence", str(10**12)))
    assert time.monotonic() - begun >= 0.9
    assert (failures[0].reason, failures[0].leader) == ("NOT_LEADER", leader.address)


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ("leader", UNAVAILABLE, "NOT_LEADER"),
        ("soon", grpc.StatusCode.INVALID_ARGUMENT, ""),
        ("-1", grpc.StatusCode.INVALID_ARGUMENT, ""),
        ("9" * 21, grpc.StatusCode.INVALID_ARGUMENT, ""),
    ],
)
def test_who_wants_the_leader_or_nothing_that_there_is(
    two: Two, said: str, code: grpc.StatusCode, reason: str
) -> None:
    _, _, follower = two
    with failing(code) as failures:
        wallet(follower, ("min-sequence", said))
    assert failures[0].reason == reason


def test_a_follower_never_says_that_something_is_not_there(two: Two) -> None:
    _, leader, follower = two
    request = wallets_pb2.GetWalletRequest(centre="nowhere")
    with pytest.raises(grpc.RpcError) as raised:
        leader.treasury().wallets.GetWallet(request, timeout=CALL_S)
    assert Failure(raised.value).code is not UNAVAILABLE
    with failing(UNAVAILABLE) as failures:
        follower.treasury().wallets.GetWallet(request, timeout=CALL_S)
    assert failures[0].reason == "NOT_LEADER"


def test_health_says_of_each_service_whether_it_is_served(two: Two) -> None:
    _, leader, follower = two
    assert {leader.health(name) for name in ("", *NAMES)} == {SERVING}
    served = {name for name in ("", *NAMES) if follower.health(name) == SERVING}
    assert served == {"", *READS}
    assert follower.health(PAYMENTS) == NOT_SERVING
    assert follower.health(WALLETS) == SERVING


def test_both_tell_how_they_stand(two: Two) -> None:
    _, leader, follower = two
    assert leader.figure("cluster_leads") == 1
    assert follower.figure("cluster_leads") == 0
    assert leader.figure("cluster_epoch") == follower.figure("cluster_epoch") == 1
    until(lambda: leader.figure("cluster_standbys") == 2)
    until(lambda: follower.figure("cluster_lag_rows") == 0)
    until(lambda: 0 <= follower.figure("cluster_age_seconds") < 5)
    assert leader.figure("cluster_fences_total") == 0


def test_every_figure_of_a_node_that_is_asked_for_is_there_and_in_the_manual(
    two: Two,
) -> None:
    _, leader, _ = two
    served = set(re.findall(r"payswitch_(cluster_\w+)", leader.figures()))
    asked = set(re.findall(r"payswitch_(cluster_\w+)", RULES.read_text()))
    assert len(asked) > 8
    assert asked <= served
    manual = MANUAL.read_text()
    assert not {name for name in served if f"`{name}`" not in manual}


def test_our_client_finds_the_leader_wherever_it_begins(two: Two) -> None:
    pair, leader, follower = two
    for addresses in (
        [follower.address, leader.address],
        [leader.address, follower.address],
    ):
        with pair.client(Role.CENTRE, "centre-b", addresses) as client:
            client.wait_ready(CALL_S)
            outcome = client.pay(payment())
            assert outcome.result == 1
            # Read from the leader: what was just paid is there.
            assert client.wallet().wallet.balance == outcome.wallet_balance
            with client.open_stream() as stream:
                stream.send([payment(), payment()])
                assert [one.result for one in stream.finish()] == [1, 1]
