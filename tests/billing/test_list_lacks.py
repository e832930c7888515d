"""Goal: a list of a day that lacks too much gives nothing back, whatever the payments
that it lacks are, if two people do not let just this list through.

Method: a real ledger and a clock that the test moves, as in `test_day_list`.
"""

from dataclasses import replace

import numpy as np
import pytest

from switch.billing import lacks
from switch.billing.answers import answer_requests
from switch.billing.lacks import Lacks, list_hash
from switch.codes import Kind, Link
from switch.ids import new_id
from switch.ledger import moves
from switch.register.load import load_network
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import DEADLINE_S, PARTICIPANTS, Bench
from tests.billing.test_day_list import (
    DAY,
    REJECTED,
    answers,
    bench,
    confirm,
    correct,
    counts,
    end_of,
    line,
    parsed,
    send,
)

__all__ = ["bench"]


def test_what_nobody_has_decided_counts_as_what_is_completed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty list gives the money of a whole day back, if nobody stops it."""
    monkeypatch.setattr(lacks, "LACKS_MAX", 9)
    done = bench.pay(2, code="KEPT")
    confirm(bench, *done)
    kept = bench.pay(3, code="KEPT")
    released = bench.pay(1, code="WATER")
    baskets = [*bench.pay(code="KEPT", basket=3), *bench.pay(code="KEPT", basket=3)]
    bench.pass_s(max(DEADLINE_S, 60) + 1)
    bench.expire()
    open_ = bench.pay(3, code="KEPT")
    given_back = bench.pay(code="KEPT")[0]
    bench.do(moves.void(given_back))
    assert bench.ledger.kept().tolist() == [*kept, *baskets]
    assert bench.ledger.unverified().tolist() == released
    bench.pass_s(61)
    last = bench.ledger.sequence
    found = send(bench)
    assert found.lacks is not None
    # A basket is one, and all of its money counts.
    assert (found.lacks.payments, found.lacks.amount) == (11, 1_500)
    assert counts(found) == (0,) * 8
    assert bench.ledger.sequence == last
    monkeypatch.setattr(lacks, "LACKS_MAX", 11)
    monkeypatch.setattr(lacks, "LACKS_AMOUNT_MAX", 1_499)
    assert send(bench).lacks is not None
    assert bench.ledger.sequence == last
    monkeypatch.setattr(lacks, "LACKS_AMOUNT_MAX", 1_500)
    found = send(bench)
    assert (found.rejected, found.missing.tolist(), found.lacks) == (9, done, None)
    assert {end_of(bench, one).kind for one in (*kept, *open_)} == {Kind.VOID}
    assert not len(bench.ledger.unverified())


def test_what_was_corrected_counts_until_it_is_undone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lacks, "LACKS_MAX", 0)
    [released] = bench.pay()
    bench.pass_s(DEADLINE_S + 1)
    bench.expire()
    send(bench, line(bench, released))
    correct(bench, released)
    found = send(bench).lacks
    assert found is not None
    assert (found.payments, found.numbers.tolist()) == (1, [released])
    monkeypatch.setattr(lacks, "LACKS_MAX", 1)
    assert send(bench).missing.tolist() == [released]
    paid = bench.ledger.row(bench.ledger.link(released, Link.CORRECTION))
    bench.do(moves.recover(new_id(), paid, "not theirs", sender=bench.treasury))
    monkeypatch.setattr(lacks, "LACKS_MAX", 0)
    assert send(bench).lacks is None


def test_a_list_gives_nothing_back_whose_amount_is_disputed(bench: Bench) -> None:
    plain, disputed = bench.pay(2, code="KEPT")
    basket = bench.pay(code="KEPT", basket=2)
    for one in (disputed, basket[0]):
        answer = parsed([line(bench, one, more=5)])
        size = np.array([1 if one == disputed else 2], np.uint8)
        for request in answer_requests(
            answer, size, bench.index("water"), bench.ledger
        ):
            bench.commit(request)
    bench.dispatch.look()
    bench.pass_s(61)
    bench.expire()
    found = send(bench)
    assert found.disputed.tolist() == [disputed, basket[0]]
    assert (found.rejected, found.lacks) == (1, None)
    assert end_of(bench, plain).kind == Kind.VOID
    assert bench.ledger.kept().tolist() == [disputed, *basket]
    # The biller's own word about it does.
    said = pb.Answer(number=disputed, id=bench.ledger.row(disputed).id, kind=REJECTED)
    for request in answer_requests(
        parsed([said]), np.ones(1, np.uint8), bench.index("water"), bench.ledger
    ):
        bench.commit(request)
    assert end_of(bench, disputed).kind == Kind.VOID


def test_what_may_be_credited_yet_is_not_lacking(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lacks, "LACKS_MAX", 1)
    bench.pay(2, code="KEPT")
    found = send(bench)
    assert (found.too_early, found.lacks) == (2, None)


def test_what_is_disputed_while_the_list_is_done(bench: Bench) -> None:
    """What it lists takes its time, and its biller says another amount meanwhile."""
    listed, other = bench.pay(2, code="KEPT")
    bench.pass_s(61)

    def says_more() -> None:
        answer = parsed([line(bench, other, more=5)])
        sizes = np.ones(1, np.uint8)
        for request in answer_requests(
            answer, sizes, bench.index("water"), bench.ledger
        ):
            bench.commit(request)

    found = send(bench, line(bench, listed), meanwhile=says_more)
    assert (found.confirmed, found.rejected) == (1, 0)
    assert found.disputed.tolist() == [other]
    assert bench.ledger.resolution(other) == (0, 0)


def test_a_list_that_is_sent_again_and_again_takes_no_more_than_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what it lacks becomes final little by little, and the client sends it each
    time; and by whichever way it was given back.
    """
    monkeypatch.setattr(lacks, "LACKS_MAX", 5)
    bench.pay(2, code="WATER")
    bench.pass_s(DEADLINE_S + 1)
    bench.expire()
    taken = 0
    for at in range(4):
        held = bench.pay(2 if at < 3 else 3, code="KEPT")
        # What others gave back is no list's.
        if at == 3:
            bench.do(moves.void(held[2]))
        bench.pass_s(61)
        found = send(bench)
        taken += found.rejected
        assert (found.lacks is None) is (at == 0), at
    assert taken == 4
    assert found.lacks is not None
    assert (found.lacks.payments, found.lacks.amount) == (10, 1_000)
    assert len(found.lacks.numbers) == 10
    assert held[2] not in found.lacks.numbers
    # By money likewise.
    monkeypatch.setattr(lacks, "LACKS_MAX", 100)
    monkeypatch.setattr(lacks, "LACKS_AMOUNT_MAX", 999)
    assert send(bench).lacks is not None
    monkeypatch.setattr(lacks, "LACKS_AMOUNT_MAX", 1_000)
    assert send(bench).lacks is None


def test_lines_that_name_no_payment_let_nothing_through(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of another system has lines enough."""
    monkeypatch.setattr(lacks, "LACKS_MAX", 2)
    held = bench.pay(5, code="KEPT")
    bench.pass_s(61)
    strange = [answer_of(10_000 + at) for at in range(5)]
    last = bench.ledger.sequence
    assert send(bench, *strange).lacks is not None
    assert bench.ledger.sequence == last
    found = send(bench, *(line(bench, one) for one in held[:3]), *strange)
    assert (found.lacks, found.rejected, len(found.unknown)) == (None, 2, 5)


def answer_of(number: int) -> pb.Answer:
    """A line of a payment that is not there."""
    return pb.Answer(
        number=number,
        id=number.to_bytes(16, "little"),
        kind=pb.ANSWER_KIND_CONFIRMED,
        amount=100,
        biller_reference="B",
    )


def test_what_one_person_wrote_lets_nothing_through(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without people a register row is one person's, whatever it says."""
    monkeypatch.setattr(lacks, "LACKS_MAX", 0)
    kept = bench.pay(code="KEPT")
    bench.pass_s(61)
    told = send(bench).lacks
    assert told is not None
    [spec] = [one for one in PARTICIPANTS if one.id == "water"]
    said = replace(spec, day_list=told.let_through)
    load_network(bench.register, bench.commit, [said], [])
    known = bench.register.participant(bench.index("water"))
    assert known.spec.day_list == said.day_list
    assert send(bench).lacks is not None
    assert bench.ledger.kept().tolist() == kept
    # It is just what two people could have let through.
    monkeypatch.setattr(bench.register, "let_through", lambda _: said.day_list)
    assert send(bench).rejected == 1


def test_a_list_is_named_by_its_day_and_lines() -> None:
    lines = answers(3)
    names = {
        list_hash(lines, DAY),
        list_hash(lines, DAY + 1),
        list_hash(lines[:2], DAY),
        list_hash(answers(3, amount=11), DAY),
        list_hash(answers(3, id=np.ones(16, np.uint8)), DAY),
    }
    assert len(names) == 5
    found = Lacks(DAY, list_hash(lines, DAY), 7, 700, np.zeros(0, np.uint64))
    day, digest, *_ = found.let_through.split()
    for said, is_so in (
        (found.let_through, True),
        (f"{day} {digest} 8 701", True),
        (f"{day} {digest} 6 700", False),
        (f"{day} {digest} 7 699", False),
        (f"2020-01-01 {digest} 7 700", False),
        (f"{day} {'0' * 64} 7 700", False),
        (f"{day} {digest}", False),
        ("", False),
    ):
        assert found.is_let_through(said) is is_so, said
