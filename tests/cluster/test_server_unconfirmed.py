"""Goal: a leader that cannot ask its log whether it still leads says so within
`lease_s`, and takes no payment and tells of none, whatever it remembers; once it is
known again that it leads it goes on as the same process.

Method: two real servers over one log in real PostgreSQL, the leader's way to it through
a proxy that holds everything, as a network does that is gone.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import grpc
import pytest

from server.exits import EXIT_DEPOSED
from switch.codes import Role
from switch.payment_states import PaymentState
from switch.v1 import payments_pb2
from tests.cluster.pair import NOT_SERVING, WALLETS, Member, Pair
from tests.cluster.proxy import proxy
from tests.server.harness import (
    CALL_S,
    TOPPED_UP,
    failing,
    network,
    payment,
    refund,
    until,
)
from tests.server.scripted_biller import ScriptedBiller
from tests.stopped import stop

pytest.importorskip("switch.cluster.postgres")
LEASE_S = 2
LEASE = ("--set", f"cluster.lease_s={LEASE_S}")
INTERVAL_S = 0.2
OFTEN = (
    *("--set", "biller.answer_timeout_ms=100", "--set", "biller.status_first_ms=100"),
    *("--set", f"biller.status_interval_max_ms={INTERVAL_S * 1_000:.0f}"),
    *("--set", "biller.status_calls_max=1000"),
    *("--set", "biller.health_failures_min=1000000"),
)
"""A biller that does not answer is asked again and again."""


def takes_nothing(member: Member, known: payments_pb2.Payment) -> None:
    """It serves nothing; what it knows it does not tell, and what is new it refuses."""
    until(lambda: member.health() == NOT_SERVING)
    assert member.health("") == member.health(WALLETS) == NOT_SERVING
    centre = member.peer()
    many = payments_pb2.StreamPaymentsRequest(payments=[known])
    calls: list[Callable[[], object]] = [
        lambda: centre.pay(known),
        lambda: centre.pay_all([known]),
        lambda: next(centre.payments.StreamPayments(iter([many]), timeout=CALL_S)),
        lambda: centre.pay(payment()),
        lambda: state_of(member, known),
    ]
    for call in calls:
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            call()
        assert (failures[0].reason, failures[0].outcome) == ("NOT_LEADER", "not_done")


def state_of(member: Member, one: payments_pb2.Payment) -> int:
    """Where a payment of centre-a stands, as this server says."""
    request = payments_pb2.GetPaymentRequest(id=one.id)
    return int(member.peer().payments.GetPayment(request, timeout=CALL_S).state)


def test_a_leader_without_its_log_tells_nothing_of_what_it_remembers(
    make_pair: Callable[[], AbstractContextManager[Pair]],
) -> None:
    with make_pair() as pair, proxy(pair.databases.primary.port) as way:
        first, second = pair.members
        rest = pair.dsn.partition(" user=")[2]
        first.start(*LEASE, *OFTEN, dsn=f"host=127.0.0.1 port={way.port} user={rest}")
        first.ready()
        until(lambda: first.leads)
        first.treasury().admin.LoadNetwork(network(), timeout=CALL_S)
        assert first.treasury().top_up("centre-a", TOPPED_UP).result == 1
        known = payment()
        outcome = first.peer().pay(known)
        assert int(outcome.state) == PaymentState.COMPLETED
        with ScriptedBiller(first.peer(Role.BILLER, "power")) as biller:
            first.peer().pay(payment("CONFIRM"))
            biller.wait_for(3)
            way.hold()
            takes_nothing(first, known)
            assert first.figure("cluster_leads") == 0
            # Who leads now may have given back what this one would ask to credit.
            count = len(biller.questions)
            time.sleep(5 * INTERVAL_S)
            assert len(biller.questions) == count
            way.heal()
            # Nobody was there to take over.
            until(lambda: first.leads)
            biller.wait_for(count + 1)
        with pair.client(Role.CENTRE, "centre-a", [first.address]) as client:
            assert client.pay(known).repeat
            assert not client.pay(payment()).repeat
        until(lambda: first.figure("cluster_leads") == 1)
        second.start(*LEASE)
        second.ready()
        way.hold()
        stop(first.process.pid)
        stopped_s = time.monotonic()
        try:
            until(lambda: second.leads)
            checker = second.peer(Role.TREASURY, "checker")
            refund(second.treasury(), checker, outcome.sequence, known.amount)
            # The first that it reads when it goes on.
            request = payments_pb2.CreatePaymentRequest(payment=known)
            late = first.peer().payments.CreatePayment.future(request)
            until(lambda: time.monotonic() > stopped_s + LEASE_S)
        finally:
            os.kill(first.process.pid, signal.SIGCONT)
        with failing(grpc.StatusCode.UNAVAILABLE):
            late.result(CALL_S)
        takes_nothing(first, known)
        assert state_of(second, known) == PaymentState.REFUNDED
        way.heal()
        assert first.process.wait() == EXIT_DEPOSED, first.process.log()[-2_000:]
