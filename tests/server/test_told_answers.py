"""Goal: a biller knows of each answer that it was taken, or why it was not, so that
it may forget it or say it again.

Method: a real server and scripted billers over real sockets. What is acknowledged must
stand in the ledger by then.
"""

import time
from collections.abc import Iterator

import grpc
import pytest

from switch.v1 import billers_pb2 as pb
from switch.v1 import payments_pb2 as payments
from tests.server.harness import Peers, ServerProcess, failing, running, until
from tests.server.scripted_biller import (
    ScriptedBiller,
    confirm,
    not_seen,
    reject,
    unknown,
)
from tests.server.test_billers import (
    COMPLETED,
    HELD,
    SETTINGS,
    UNKNOWN,
    UNVERIFIED,
    biller_state,
    get,
    pay,
    settings,
    state,
    wait_for,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("told")
    # Hundreds of questions wait here for one message: on a busy machine for longer than
    # an answer may take in other tests.
    patient = SETTINGS | {"biller.answer_timeout_ms": 20_000}
    with running(directory, *settings(patient)) as process:
        yield process


def acknowledged(biller: ScriptedBiller, *questions: pb.Question) -> None:
    """Wait until all of these have been."""
    wanted = {one.number for one in questions}
    until(lambda: wanted <= set(biller.acknowledged))


def test_what_is_acknowledged_is_done(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        paid = pay(peers, count=300)
        questions = biller.wait_for(300)
        biller.send(*map(confirm, questions))
        until(lambda: biller.acknowledged)
        ended = {COMPLETED, payments.PAYMENT_STATE_REVERSED}
        first = biller.acknowledged[0]
        [one] = [each for each in questions if each.number == first]
        assert state(peers, one.id) in ended
        acknowledged(biller, *questions)
        assert {state(peers, each) for each in paid} == {COMPLETED}
        # Once each, although they were said in one message.
        assert sorted(biller.acknowledged) == [each.number for each in questions]
        assert not biller.refused


def test_what_decides_nothing_need_not_be_said_again(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        [paid] = pay(peers)
        [question] = biller.wait_for(1)
        biller.send(unknown(question))
        acknowledged(biller, question)
        biller.send(confirm(question))
        wait_for(peers, paid, COMPLETED)
        until(lambda: len(biller.acknowledged) == 2)
        # Late, twice, wrong, and about nothing that there is.
        stranger = pb.Answer(
            number=1 << 60, id=bytes(16), kind=pb.ANSWER_KIND_CONFIRMED, amount=1
        )
        biller.send(reject(question), confirm(question), not_seen(question), stranger)
        until(lambda: len(biller.acknowledged) == 6)
        assert biller.acknowledged[-1] == stranger.number


def test_a_text_that_cannot_be_kept_is_sent_back(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        good, long, odd = pay(peers, count=3)
        one, two, three = biller.wait_for(3)
        biller.send(
            confirm(one), confirm(two, "X" * 33), reject(three, "ভুল"[:1] + "E42")
        )
        wait_for(peers, good, COMPLETED)
        until(lambda: len(biller.refused) == 2)
        assert [(each.number, each.field) for each in biller.refused] == [
            (two.number, "biller_reference"),
            (three.number, "reason"),
        ]
        assert "32 printable ASCII" in biller.refused[0].text
        assert biller.acknowledged == [one.number]
        # Nothing of them was taken.
        for each in (long, odd):
            assert state(peers, each) in (HELD, UNKNOWN)
        biller.send(confirm(two, "SHORT"), reject(three))
        acknowledged(biller, two, three)
        assert get(peers, long).resolution.note == "SHORT"
        assert get(peers, odd).resolution.note == "E42"


def test_a_confirmation_without_an_amount_is_sent_back(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        [paid] = pay(peers)
        [question] = biller.wait_for(1)
        silent = confirm(question)
        silent.amount = 0
        biller.send(silent)
        until(lambda: len(biller.refused) == 1)
        [refused] = biller.refused
        assert (refused.number, refused.field) == (question.number, "amount")
        assert "credited" in refused.text
        assert not biller.acknowledged
        assert state(peers, paid) in (HELD, UNKNOWN)
        biller.send(confirm(question))
        wait_for(peers, paid, COMPLETED)


def test_the_end_of_a_payment_is_told(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        [paid] = pay(peers)
        [brief] = pay(peers, "BRIEF")
        one, two = biller.wait_for(2)
        biller.send(confirm(one))
        until(lambda: len(biller.ended) == 2)
        assert {(each.number, each.state) for each in biller.ended} == {
            (one.number, COMPLETED),
            (two.number, UNVERIFIED),
        }
        ends = {each.number: each.sequence for each in biller.ended}
        assert ends[one.number] == get(peers, paid).resolution.sequence
        assert ends[two.number] == get(peers, brief).resolution.sequence


def test_a_wrong_clock_is_told_and_nothing_is_credited_by_it(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        biller.say_clock(time.time_ns() - 600 * 10**9)
        until(lambda: biller_state(peers, "power").clock_skew_ms < -599_000)
        [paid] = pay(peers)
        until(lambda: biller_state(peers, "power").queued == 1)
        assert not biller.questions
        assert "ALARM: the clock of power" in peers.server.log()
        biller.say_clock(time.time_ns())
        biller.send(confirm(biller.wait_for(1)[0]))
        wait_for(peers, paid, COMPLETED)
        assert abs(biller_state(peers, "power").clock_skew_ms) < 10_000


def test_a_biller_that_pulls_hears_of_it_too(peers: Peers) -> None:
    with ScriptedBiller(peers.biller()) as biller:
        pay(peers)
        [question] = biller.wait_for(1)
        request = pb.AcknowledgeRequest(answers=[confirm(question, "X" * 33)])
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            peers.biller().billers.Acknowledge(request, timeout=10)
        assert failures[0].fields == ["answers[0].biller_reference"]
        assert state(peers, question.id) in (HELD, UNKNOWN)
        biller.send(confirm(question))
        wait_for(peers, question.id, COMPLETED)
