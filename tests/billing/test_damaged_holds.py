"""Goal: a damaged hold is not asked about, and keeps nobody from being asked or listed.

Method: a real ledger and its dispatcher; holds are damaged in the journal's file before
the dispatcher reads them, between reading and asking, and after they were asked about.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch.codes import Result
from switch.errors import CorruptionError
from switch.ledger.exceptions import Exceptions, Wanted
from switch.ledger.follower import Follower, read_whole
from switch.ledger.totals import first_at
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import SECOND, START_NS, Bench, benches
from tests.damage import damage_row


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from benches(tmp_path)


def damage(bench: Bench, *sequences: int) -> None:
    """Behind everybody's back."""
    for sequence in sequences:
        damage_row(bench.path, bench.ledger.rows(sequence, 1).tobytes())


def asked(bench: Bench) -> list[int]:
    """Numbers of all that a biller that connects now is asked about."""
    _, connection = bench.connect()
    bench.pass_s(1, 0.05)
    return sorted(one.number for one in connection.take())


def test_damaged_before_it_is_read(bench: Bench) -> None:
    holds = bench.pay(6)
    damage(bench, holds[0], holds[4])
    bench.start()
    assert bench.dispatch.damaged().tolist() == [holds[0], holds[4]]
    assert asked(bench) == [holds[1], holds[2], holds[3], holds[5]]


def test_all_are_damaged(bench: Bench) -> None:
    holds = bench.pay(3)
    damage(bench, *holds)
    bench.start()
    assert bench.dispatch.damaged().tolist() == holds
    assert asked(bench) == []
    assert asked_after(bench)


def asked_after(bench: Bench) -> bool:
    """Whether new payments are asked about."""
    _, connection = bench.connect("gas")
    new = bench.pay(2, code="GAS")
    return [one.number for one in connection.take()] == new


@pytest.mark.parametrize("member", [0, 2])
@pytest.mark.parametrize("begun", [False, True])
def test_a_basket_of_which_one_is_damaged(
    bench: Bench, member: int, begun: bool
) -> None:
    """It is one question, which cannot be written."""
    before = bench.pay()
    basket = bench.pay(1, basket=3)
    after = bench.pay()
    damage(bench, basket[member])
    if begun:
        bench.start()
    assert asked(bench) == before + after
    assert basket[0] in bench.dispatch.damaged()
    assert asked_after(bench)


def test_damaged_after_it_was_asked(bench: Bench) -> None:
    """The biller's answer is no use, and no fault of the biller's."""
    holds = bench.pay(3)
    biller, connection = bench.connect()
    bench.pass_s(1, 0.05)
    questions = connection.take()
    damage(bench, holds[1])
    assert bench.answer(biller, questions) == 0
    assert biller.results[Result.DATA_DAMAGED.name.lower()] == 1
    assert biller.results[Result.OK.name.lower()] == 2
    assert bench.ledger.holds().tolist() == [holds[1]]
    # Asked about again it is found out, and let go.
    bench.pass_s(3_600, 1)
    assert bench.dispatch.damaged().tolist() == [holds[1]]
    assert biller.table.open_count == 0
    # A late answer about it is passed on to the ledger.
    assert bench.answer(biller, [questions[1]]) == 0
    assert biller.results[Result.DATA_DAMAGED.name.lower()] == 2


def test_a_basket_is_answered_around_a_damaged_payment(bench: Bench) -> None:
    basket = bench.pay(1, basket=3)
    biller, connection = bench.connect()
    bench.pass_s(1, 0.05)
    damage(bench, basket[1])
    questions = connection.take()
    # What it comes to nobody knows any more: no amount is right.
    assert bench.answer(biller, questions) == 0
    assert biller.results[Result.DATA_DAMAGED.name.lower()] == 3
    assert bench.answer(biller, questions, pb.ANSWER_KIND_REJECTED) == 0
    assert bench.ledger.holds().tolist() == [basket[1]]


# --- lists ----------------------------------------------------------------------------


def test_exceptions_go_on_without_it(bench: Bench) -> None:
    holds = bench.pay(5, code="LONG")
    bench.pass_s(5 * 86_400)
    exceptions = Exceptions(bench.ledger)
    damage(bench, holds[1], holds[3])
    items = exceptions.find(Wanted(), bench.wall_ns()).items
    assert items["sequence"].tolist() == holds
    assert items["payment"].tolist() == [holds[0], 0, holds[2], 0, holds[4]]
    assert exceptions.damaged().tolist() == [holds[1], holds[3]]
    # What is resolved is no exception, whole or not.
    anew = Exceptions(bench.ledger)
    anew.note_damaged(np.array([1, holds[1]], np.uint64))
    assert anew.damaged().tolist() == [holds[1]]


def test_what_is_due_and_cannot_be_ended_is_listed(bench: Bench) -> None:
    holds = bench.pay(2)
    damage(bench, holds[0])
    bench.pass_s(86_400)
    bench.expire()
    assert bench.ledger.holds().tolist() == [holds[0]]
    assert Exceptions(bench.ledger).damaged().tolist() == [holds[0]]


def test_others_that_follow_the_journal_say_that_it_is_damaged(bench: Bench) -> None:
    """A shift's figures without some of its payments would be wrong."""
    holds = bench.pay(3)
    damage(bench, holds[1])
    seen: list[int] = []
    with pytest.raises(CorruptionError):
        Follower(bench.ledger, lambda rows: seen.extend(rows["sequence"])).read_on()
    assert seen == []
    rows, last = read_whole(bench.ledger, holds[0], 100)
    assert (rows["sequence"].tolist(), last) == ([holds[0], holds[2]], holds[2])


def test_the_time_of_a_damaged_row_is_that_of_the_next(bench: Bench) -> None:
    first = bench.ledger.sequence
    holds = []
    for _ in range(8):
        bench.pass_s(10)
        holds += bench.pay()
    last = START_NS + 80 * SECOND
    assert first_at(bench.ledger, last) == holds[7]
    damage(bench, *holds[3:7], first)
    assert first_at(bench.ledger, last) in range(holds[3], holds[7] + 1)
    assert first_at(bench.ledger, START_NS + 20 * SECOND) == holds[1]
    assert first_at(bench.ledger, last + SECOND) == holds[7] + 1
