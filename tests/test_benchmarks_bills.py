"""Goal: the load of bills pays as it says, and its figures are those of each run.

Method: messages are read back with the generated classes; figures of made-up posts are
held against plain arithmetic; the load runs end to end in small, closed and open.
"""

from collections import Counter

import numpy as np
import pytest

from benchmarks._client import CheckError, check
from benchmarks.bills import Posts, Run
from benchmarks.bills import figures as figures_of
from benchmarks.load_network import LoadError, first_bill
from benchmarks.messages import PAYMENT, Maker, Shares, places
from benchmarks.network import BILLERS
from switch.v1 import payments_pb2 as pb
from tests.bench import SMALL, answer, check_open_loop, read, run_json


def test_one_wallet_and_one_biller_have_their_shares() -> None:
    maker = Maker(1000, "random", shares=Shares(wallet=0.7, biller=0.58))
    payments = [one for _ in range(20) for one in read(maker.take(1))]
    wallets = Counter(one.centre for one in payments)
    billers = Counter(int(one.service[1:]) % BILLERS for one in payments)
    for counts, share in ((wallets, 0.7), (billers, 0.58)):
        [(_, first), (_, second)] = counts.most_common(2)
        assert first / len(payments) == pytest.approx(share, abs=0.02)
        assert second < first / 5
    assert len(billers) == BILLERS


def test_checker_notices_a_payment_that_nobody_has_to_confirm() -> None:
    message = Maker(10, "random").take(1)

    def hold(outcome: pb.PaymentOutcome) -> None:
        outcome.state = pb.PAYMENT_STATE_HELD
        outcome.receipt = 0

    def hold_all(outcomes: list[pb.PaymentOutcome]) -> bytes:
        for outcome in outcomes:
            hold(outcome)
        return pb.CreatePaymentsResponse(outcomes=outcomes).SerializeToString()

    held = hold_all(
        list(pb.CreatePaymentsResponse.FromString(answer(read(message))).outcomes)
    )
    found = check(message, held, payload=10, is_held=True, **places(PAYMENT))
    assert found[0] == 10
    for is_held in (True, False):
        reply = answer(read(message), hold)
        with pytest.raises(CheckError):
            check(message, reply, payload=10, is_held=is_held, **places(PAYMENT))


def test_posts_are_of_their_run() -> None:
    # Two runs of three bills each, due 1 ms apart, posted in another order.
    numbers = [2, 1, 3, *(first_bill(1) + np.array([0, 2, 1]))]
    durable_ms = [4, 5, 9, 104, 108, 500]
    services, durable_ns = np.ones(6, np.uint16), np.array(durable_ms) * 1_000_000
    posts = Posts(np.array(numbers, np.uint64), services, durable_ns, 6, 6)

    def run(number: int, begin_ms: int, *, is_open: bool, accepted: int = 3) -> Run:
        due_ns = (np.arange(3) + begin_ms) * 1_000_000
        begin_ns, end_ns = begin_ms * 1_000_000, (begin_ms + 6) * 1_000_000
        posted_ns = (begin_ms + 20) * 1_000_000
        first = first_bill(number)
        return Run(first, due_ns, begin_ns, end_ns, posted_ns, accepted, is_open)

    closed = figures_of(posts, run(0, 0, is_open=False))
    assert (closed["payments"], closed["max_ms"]) == (2, 5.0)
    assert closed["payments_per_s"] == round(2 / 0.006)
    # What was due and is late has a latency, and no run answers for the next one.
    first = figures_of(posts, run(0, 0, is_open=True))
    assert (first["payments"], first["unanswered_at_end"]) == (2, 1)
    assert (first["p50_ms"], first["max_ms"]) == (5.0, 7.0)
    second = figures_of(posts, run(1, 100, is_open=True))
    assert (second["payments"], second["unanswered_at_end"]) == (1, 2)
    assert (second["p50_ms"], second["max_ms"]) == (6.0, 19.0)
    with pytest.raises(LoadError):
        figures_of(posts, run(0, 0, is_open=True, accepted=4))


@pytest.mark.slow
def test_open_loop_of_bills() -> None:
    """A closed one: tests/test_benchmarks_quoted.py."""
    result = run_json(
        *("benchmarks.load", "--mode", "bills", "--sweep", "100,200"),
        *("--seconds", "0.3", "--warm-up", "0.1", *SMALL),
    )
    check_open_loop(result, 100, 200)
    # A post comes after the hold was answered, or the clocks are not to be trusted.
    assert all(one["p50_ms"] >= one["hold_p50_ms"] for one in result["sweep"])
