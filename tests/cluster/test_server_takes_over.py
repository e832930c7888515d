"""Goal: whoever leads may be killed, stopped, ended or cut off at any time: the other
takes over, what was answered stays, nothing is done twice, and who was replaced does
nothing more and ends by itself.

Method: two real servers over one log in real PostgreSQL, one thing done to them in each
test; our client sends the same ids again, and the auditor reads both ledgers.
"""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Self

import grpc
import pytest
from grpc_health.v1 import health_pb2

from server.exits import EXIT_CONFIG, EXIT_DEPOSED, EXIT_UNSETTLED, WHY
from switch.cli.cluster import STEP_DOWN
from switch.client import LostReplyError
from switch.codes import Role
from switch.ledger import node_keys, receipt_key
from switch.payment_states import PaymentState
from switch.v1 import (
    admin_pb2,
    billers_pb2,
    network_pb2,
    operators_pb2,
    payments_pb2,
    wallets_pb2,
)
from tests import forked
from tests.cluster.pair import NOT_SERVING, PAYMENTS, SERVING, WALLETS, Member, Pair
from tests.cluster.postgres import ports_to_keep
from tests.server.harness import (
    CALL_S,
    TOPPED_UP,
    Failure,
    ServerProcess,
    failing,
    payment,
    until,
)
from tests.server.scripted_biller import ScriptedBiller, willing
from tests.server.test_put_bills import DELTA, due, fetch, file_of, put
from tests.server.test_sign_on import get_session, public, sign_on
from tests.stopped import stop

postgres = pytest.importorskip("switch.cluster.postgres")
PostgresLog, WAITS = postgres.PostgresLog, postgres.WAITS
MakePair = Callable[[], AbstractContextManager[Pair]]
LEASE = ("--set", "cluster.lease_s=2")


class Load:
    """Pays one bill after the other until it is told to stop, as our client does."""

    def __init__(self, pair: Pair, centre: str) -> None:
        self.centre = centre
        self._client = pair.client(Role.CENTRE, centre)
        self._stop = threading.Event()
        self.paid: list[payments_pb2.Payment] = []
        self.answers: list[tuple[object, ...]] = []
        self.newest = 0
        self.lost: list[LostReplyError] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            one = payment()
            try:
                outcome = self._client.pay(one)
            except LostReplyError as lost:
                self.lost.append(lost)
                return
            self.paid.append(one)
            self.answers.append(kept(outcome))
            self.newest = outcome.sequence

    def grows(self) -> None:
        """Wait until some more is paid."""
        more = len(self.answers) + 20
        until(lambda: len(self.answers) >= more or self.lost)
        assert not self.lost, self.lost


def kept(outcome: payments_pb2.PaymentOutcome) -> tuple[object, ...]:
    """What of an answer stays the same for ever."""
    one = outcome
    when = one.time_ns, one.receipt, one.receipt_year
    return (bytes(one.id), one.result, one.sequence, *when, one.state)


def check_kept(member: Member, load: Load) -> None:
    """All that was answered is there, once, with the same answers."""
    for first in range(0, len(load.paid), 1_000):
        part = load.paid[first : first + 1_000]
        found = member.peer(Role.CENTRE, load.centre).pay_all(part)
        assert all(one.repeat for one in found)
        assert [kept(one) for one in found] == load.answers[first : first + 1_000]
    spent = sum(one.amount for one in load.paid)
    assert balance(member, load.centre) == TOPPED_UP - spent


def balance(member: Member, centre: str, min_sequence: int = 0) -> int:
    """Of a centre's wallet, as this server has it."""
    request = wallets_pb2.GetWalletRequest(centre=centre)
    metadata = (("min-sequence", str(min_sequence)),)
    reply = member.treasury().wallets.GetWallet(
        request, timeout=CALL_S, metadata=metadata
    )
    return reply.wallet.balance


def audited(member: Member) -> None:
    """The ledger of a server that has ended is right by a second reading."""
    done = forked.run("switch.audit", member.ledger)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr


def state_of(member: Member, one: payments_pb2.Payment) -> int:
    """Where a payment of centre-b stands, as this server says."""
    request = payments_pb2.GetPaymentRequest(id=one.id)
    stub = member.peer(Role.CENTRE, "centre-b").payments
    return int(stub.GetPayment(request, timeout=CALL_S).state)


def lost_lead(member: Member) -> None:
    """It ends by itself, as one in whose place another leads."""
    assert member.process.wait() == EXIT_DEPOSED, member.process.log()[-2_000:]


def test_a_killed_leader_is_replaced_and_comes_back_as_a_follower(
    make_pair: MakePair,
) -> None:
    with make_pair() as pair:
        leader, other = pair.start()
        channel: Any = other.treasury().channel
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(
            health_pb2.HealthCheckRequest(service=PAYMENTS).SerializeToString()
        )
        told = (health_pb2.HealthCheckResponse.FromString(one).status for one in watch)
        assert next(told) == NOT_SERVING
        held = payment("CONFIRM")
        with ScriptedBiller(leader.peer(Role.BILLER, "power")) as biller:
            leader.peer(Role.CENTRE, "centre-b").pay(held)
            biller.wait_for(1)
            with Load(pair, "centre-a") as load:
                load.grows()
                leader.process.stop(signal.SIGKILL)
                load.grows()
        assert next(told) == SERVING
        # It may have credited that, and is asked so before anything else.
        with ScriptedBiller(other.peer(Role.BILLER, "power"), willing) as biller:
            until(lambda: state_of(other, held) == PaymentState.COMPLETED)
            assert biller.asked(held.id)[0] == billers_pb2.QUESTION_KIND_STATUS
        watch.cancel()
        check_kept(other, load)
        leader.end()
        leader.start()
        leader.ready()
        newest = load.newest
        assert balance(leader, "centre-a", newest) == balance(other, "centre-a")
        until(lambda: (leader.leads, other.leads) == (False, True))
        # As asked, with all that it has taken; and the first one leads again.
        assert other.process.stop() == 0
        until(lambda: leader.leads)
        check_kept(leader, load)
        assert leader.process.stop() == 0
        for one in pair.members:
            audited(one)


def test_a_new_leader_with_another_margin_keeps_what_the_first_one_told(
    make_pair: MakePair,
) -> None:
    longer = ("--set", "biller.credit_margin_ms=300000")
    with make_pair() as pair:
        leader, other = pair.start(*LEASE)
        assert other.process.stop() == 0
        other.end()
        other.start(*LEASE, *longer)
        other.ready()
        held, later = payment("CONFIRM"), payment("CONFIRM")
        with ScriptedBiller(leader.peer(Role.BILLER, "power")) as biller:
            leader.peer(Role.CENTRE, "centre-b").pay(held)
            [told] = biller.first(held.id)
        leader.process.stop(signal.SIGKILL)
        until(lambda: other.leads)
        with ScriptedBiller(other.peer(Role.BILLER, "power")) as biller:
            [status] = biller.first(held.id)
            assert status.kind == billers_pb2.QUESTION_KIND_STATUS
            assert status.credit_until_ns == told.credit_until_ns
            other.peer(Role.CENTRE, "centre-b").pay(later)
            [question] = biller.first(later.id)
        for one, margin_s in ((told, 60), (question, 300)):
            row_ns = one.credit_until_ns - (3_600 - margin_s) * 10**9
            assert 0 < one.sent_ns - row_ns < CALL_S * 10**9
        assert other.process.stop() == 0
        audited(other)


def test_a_leader_that_was_stopped_does_nothing_more_and_ends_by_itself(
    make_pair: MakePair,
) -> None:
    with make_pair() as pair:
        leader, other = pair.start(*LEASE)
        with Load(pair, "centre-a") as load:
            load.grows()
            late = leader.peer(Role.CENTRE, "centre-b").payments.CreatePayment.future
            stop(leader.process.pid)
            try:
                # It is with the stopped one before another leads.
                call = late(payments_pb2.CreatePaymentRequest(payment=payment()))
                load.grows()
            finally:
                os.kill(leader.process.pid, signal.SIGCONT)
            with pytest.raises(grpc.RpcError) as raised:
                call.result(CALL_S)
            failure = Failure(raised.value)
            assert failure.code is grpc.StatusCode.UNAVAILABLE
            # Unless it ended, or the connection was gone, before more could be said.
            assert (failure.reason, failure.outcome) in (
                ("NOT_LEADER", "not_done"),
                ("STOPPING", "unknown"),
                ("", ""),
            )
            lost_lead(leader)
            load.grows()
        check_kept(other, load)
        assert balance(other, "centre-b") == TOPPED_UP
        leader.end()
        leader.start()
        leader.ready()
        assert balance(leader, "centre-a", load.newest) == balance(other, "centre-a")
        assert other.process.stop() == 0
        assert leader.process.stop() == 0
        for one in pair.members:
            audited(one)


def test_a_leader_that_nobody_writes_to_hears_of_another_one(
    make_pair: MakePair,
) -> None:
    with make_pair() as pair:
        first, _ = pair.members
        first.start()
        first.ready()
        until(lambda: first.leads)
        # What `payswitch cluster step-down` does.
        log = PostgresLog(pair.dsn)
        log.reconnect()
        assert log.take_over(log.head(), "nobody", "") == 2
        log.close()
        lost_lead(first)


def test_a_log_that_does_not_say_is_no_broken_disk(make_pair: MakePair) -> None:
    """Its code says so, nothing was done twice, and started again it goes on."""
    with make_pair() as pair:
        leader, other = pair.start("--set", "cluster.patience_s=5")
        other.end()
        table = "ALTER TABLE payswitch.chunks"
        psql = partial(pair.databases.psql, database=pair.database)
        psql(f"{table} ADD CONSTRAINT closed CHECK (false) NOT VALID")
        one = payment()
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            leader.peer().pay(one)
        assert failures[0].outcome == "unknown"
        assert leader.process.wait() == EXIT_UNSETTLED
        assert WHY[EXIT_UNSETTLED] in leader.process.log()
        psql(f"{table} DROP CONSTRAINT closed")
        leader.end()
        leader.start()
        leader.ready()
        until(lambda: leader.leads)
        assert leader.peer().pay(one).result == 1
        assert leader.peer().pay(one).repeat
        assert balance(leader, "centre-a") == TOPPED_UP - one.amount
        assert leader.process.stop() == 0
        audited(leader)


def test_a_server_waits_for_its_log_with_its_port_open(make_pair: MakePair) -> None:
    with make_pair() as pair:
        first, second = pair.members
        [nowhere] = ports_to_keep(1)
        dsn = f"host=127.0.0.1 port={nowhere} user=nobody dbname=nothing"
        # One has a ledger, and one has none yet.
        first.start()
        first.ready()
        until(lambda: first.leads)
        assert first.process.stop() == 0
        for one in (first, second):
            one.end()
            one.start(dsn=dsn)
            until(lambda one=one: one.health() == NOT_SERVING)
            assert one.health("") == one.health(WALLETS) == NOT_SERVING
            with failing(grpc.StatusCode.UNAVAILABLE) as failures:
                one.peer().pay(payment())
            assert failures[0].outcome == "not_done"
        assert first.process.process.poll() is None
        assert second.process.process.poll() is None
        first.process.process.terminate()
        assert first.process.wait() == 0
        second.process.process.terminate()
        assert second.process.wait() == 0


def test_a_node_with_another_key_of_receipts_does_not_lead(make_pair: MakePair) -> None:
    with make_pair() as pair:
        first, second = pair.members
        receipt_key.write_key(second.ledger, bytes(32))
        first.start()
        first.ready()
        until(lambda: first.leads)
        second.start()
        second.ready()
        until(lambda: first.figure("cluster_attempts_total") == 1)
        first.process.stop(signal.SIGKILL)
        until(lambda: second.figure("cluster_unfit") == 1)
        assert not second.leads
        assert "receipts that were printed could not be checked" in second.process.log()
        first.end()
        first.start()
        first.ready()
        until(lambda: first.leads)


def test_whose_keys_are_right_is_known_when_all_have_ended(make_pair: MakePair) -> None:
    with make_pair() as pair:
        first, second = pair.members
        first.start()
        first.ready()
        until(lambda: first.leads)
        log = PostgresLog(pair.dsn)
        log.reconnect()
        assert log.execute(STEP_DOWN + WAITS, log.head().epoch, 0)[0][0] == 2
        lost_lead(first)
        first.end()
        # Nobody is there whom it could ask, and no leader is named.
        assert log.head().leader == ""
        receipt_key.write_key(second.ledger, bytes(32))
        second.start()
        second.ready()
        until(lambda: second.figure("cluster_unfit") == 1)
        assert "receipts that were printed could not be checked" in second.process.log()
        # Once somebody says that all have new keys, they are the right ones.
        assert log.execute(STEP_DOWN + WAITS, log.head().epoch, 1)[0][0] == 3
        until(lambda: second.leads)
        assert log.head().keys == node_keys.fingerprints(second.ledger)
        log.close()


def test_what_a_node_does_not_begin_without(make_pair: MakePair) -> None:
    with make_pair() as pair:
        first, second = pair.members
        (second.ledger / receipt_key.NAME).unlink()
        second.start()
        assert second.process.wait() == EXIT_CONFIG
        assert "receipt.key is not there" in second.process.log()
        first.start()
        first.ready()
        until(lambda: first.leads)
        assert first.process.stop() == 0
        # What it took alone the log would lack.
        alone = ServerProcess(
            first.directory, "--tls", str(pair.directory / "tls"), "--dev"
        )
        assert alone.wait() == EXIT_CONFIG
        assert "serve it with the settings [cluster]" in alone.log()


def test_bills_that_were_put_in_are_told_at_once_by_who_takes_over(
    make_pair: MakePair,
) -> None:
    with make_pair() as pair:
        leader, other = pair.start()
        bills = [due(number) for number in range(3)]
        reply = put(leader.peer(Role.BILLER, "power"), file_of(1, bills), bills)
        assert reply.outcome.result == 1
        delta = [due(1, 700)]
        put(leader.peer(Role.BILLER, "power"), file_of(2, delta, DELTA), delta)
        # Both have them before anybody asks, and need no more of the log for that.
        for one in (leader, other):
            files = (one.ledger / "bills" / "files").glob
            until(lambda files=files: len(list(files("*/*"))) == 2)
            until(lambda one=one: one.figure("cluster_bills_behind") == 0)
        pair.databases.psql("DELETE FROM payswitch.blobs", database=pair.database)
        leader.process.stop(signal.SIGKILL)
        until(lambda: other.leads)
        found = [fetch(other.peer(), f"REF-{number}") for number in range(3)]
        assert [one.amount_due for [one] in found] == [500, 700, 500]


def test_who_takes_over_opens_no_session_that_was_signed_off(
    make_pair: MakePair,
) -> None:
    with make_pair() as pair:
        leader, other = pair.start()
        seat = network_pb2.Operator(number=1, key=public(1), active=True)
        request = admin_pb2.LoadNetworkRequest(
            participants=[network_pb2.Participant(id="centre-a", operators=[seat])],
            participant_fields=[network_pb2.FieldNames(names=["operators"])],
        )
        leader.treasury().admin.LoadNetwork(request, timeout=CALL_S)
        peer = leader.peer(Role.CENTRE, "centre-a")
        on, off = (sign_on(peer, centre="centre-a") for _ in range(2))
        leaving = operators_pb2.SignOffRequest(session=off.session)
        assert peer.counter.SignOff(leaving, timeout=CALL_S).was_on
        leader.process.stop(signal.SIGKILL)
        until(lambda: other.leads)
        there = other.peer(Role.CENTRE, "centre-a")
        assert get_session(there, on.session).operator == 1
        with failing(grpc.StatusCode.UNAUTHENTICATED) as failures:
            get_session(there, off.session)
        assert failures[0].reason == "SESSION_ENDED"
        assert other.process.stop() == 0
        audited(other)
