"""Goal: what people must put right is listed from the journal alone, while it is open.

Method: a real ledger and a clock that the test moves; each list is compared with what
the test did, also by a reader that begins anew.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch._core import Rows
from switch.codes import CaseType, Kind
from switch.errors import OverloadError
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.cases import Cases
from switch.ledger.follower import Follower
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import DEADLINE_S, Bench, benches

DAY_S = 86_400


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from benches(tmp_path)


def listed(bench: Bench, cases: Cases | None = None) -> list[int]:
    reader = cases or Cases(bench.ledger)
    found: list[int] = []
    while True:
        rows, as_of = reader.page(found[-1] if found else 0, 2, bench.wall_ns())
        assert as_of == bench.ledger.sequence
        if not len(rows):
            return found
        found += rows["sequence"].tolist()


def test_cases_and_proposals_while_they_are_open(bench: Bench) -> None:
    following = Cases(bench.ledger)
    assert listed(bench, following) == []
    biller, connection = bench.connect()
    bench.pay(2)
    late, paid = connection.take()
    bench.answer(biller, [paid])
    bench.pass_s(DEADLINE_S + 1)
    bench.expire()
    bench.answer(biller, [late])
    bench.answer(biller, [paid], pb.ANSWER_KIND_REJECTED)
    cases = bench.ledger.rows(1, 1_000)
    cases = cases[cases["kind"] == Kind.CASE]
    assert cases["total"].tolist() == [
        CaseType.LATE_CONFIRMATION,
        CaseType.LATE_REJECTION,
    ]
    one, two = cases["sequence"].tolist()
    post, _ = bench.ledger.resolution(paid.number)
    proposals = [
        bench.do(moves.propose_refund(new_id(), post, 1, "why", sender=bench.treasury))
        for _ in range(3)
    ]
    wanted = [one, two, *proposals]
    assert listed(bench) == listed(bench, following) == wanted
    approval = moves.approve(new_id(), proposals[1], sender=bench.second)
    refund = moves.approved_refund(bench.ledger.row(proposals[1]), checker=bench.second)
    bench.do(moves.join([approval, refund]))
    bench.do(moves.close_case(new_id(), one, "looked", sender=bench.treasury))
    wanted = [two, proposals[0], proposals[2]]
    assert listed(bench) == listed(bench, following) == wanted
    # What was refused opens and closes nothing.
    own = moves.approve(new_id(), proposals[0], sender=bench.treasury)
    bench.commit(own.request())
    none = moves.propose_refund(new_id(), one, 1, "why", sender=bench.treasury)
    bench.commit(none.request())
    assert listed(bench) == listed(bench, following) == wanted


def test_who_waits_for_the_first_reading_comes_again(bench: Bench) -> None:
    begun, ended = threading.Event(), threading.Event()
    taken: list[int] = []

    def take(rows: Rows) -> None:
        taken.extend(rows["sequence"].tolist())
        begun.set()
        ended.wait(10)

    follower = Follower(bench.ledger, take)
    reader = threading.Thread(target=follower.read_on)
    reader.start()
    begun.wait(10)
    with pytest.raises(OverloadError):
        follower.read_on()
    ended.set()
    reader.join()
    assert follower.read_on() == bench.ledger.sequence
    assert taken == list(range(1, bench.ledger.sequence + 1))


def test_a_kept_hold_has_a_case(bench: Bench) -> None:
    [hold] = bench.pay(code="KEPT")
    bench.pass_s(61)
    bench.expire()
    [case] = listed(bench)
    assert bench.ledger.row(case)["resolves"] == hold
    bench.pass_s(10)
    bench.expire()
    assert listed(bench) == [case]


def test_a_hold_is_overdue_after_the_next_day(bench: Bench) -> None:
    cases = Cases(bench.ledger)
    assert not len(cases.overdue(bench.wall_ns()))
    # From eight in the morning: the next day ends forty hours later.
    old = bench.pay(2, code="LONG")
    bench.pass_s(16 * 3_600 - 1)
    young = bench.pay(code="LONG")
    bench.pass_s(1)
    younger = bench.pay(code="LONG")
    bench.pass_s(DAY_S - 1)
    assert not len(cases.overdue(bench.wall_ns()))
    bench.pass_s(1)
    assert cases.overdue(bench.wall_ns()).tolist() == [*old, *young]
    assert listed(bench) == [*old, *young]
    bench.pass_s(DAY_S)
    assert listed(bench) == [*old, *young, *younger]
    biller, connection = bench.connect()
    connection.take()
    questions = [pb.Question(number=one) for one in old]
    for question in questions:
        question.id = bench.ledger.row(question.number)["id"].tobytes()
    bench.answer(biller, questions)
    assert listed(bench) == [*young, *younger]
