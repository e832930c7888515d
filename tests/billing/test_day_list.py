"""Goal: the complete list of a day is believed as a whole or not at all, and then
decides every payment of that day and biller that nobody has decided.

Method: a real ledger and a clock that the test moves; what the ledger has after a list
is what the list says.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from switch._core import ANSWER, OUTCOME, Request, Rows, parse_answers
from switch.billing import lacks, not_listed
from switch.billing.answers import answer_requests
from switch.billing.day_list import (
    LINES_MAX,
    DayList,
    Report,
    listed_requests,
    plan,
    rejected_requests,
    report,
    without_disputed,
)
from switch.billing.not_listed import NOT_LISTED_REASON
from switch.calendar import day_number
from switch.codes import Kind, Link
from switch.entries import Entry
from switch.errors import WireError
from switch.ids import new_id
from switch.ledger import moves
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import DEADLINE_S, START_NS, Bench, benches
from tests.damage import damage_row

DAY = day_number(START_NS)
DAY_S = 86_400
CONFIRMED, REJECTED = pb.ANSWER_KIND_CONFIRMED, pb.ANSWER_KIND_REJECTED


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    for made in benches(tmp_path):
        # What was never offered is given back.
        made.dispatch.biller(made.index("water")).pull()
        yield made


def line(bench: Bench, number: int, more: int = 0) -> pb.Answer:
    """What the biller says that it has credited, with so much `more` than asked."""
    row = bench.ledger.row(number)
    size = max(row.basket_size, 1)
    amount = sum(bench.ledger.row(number + n).amount for n in range(size))
    return pb.Answer(
        number=number,
        id=row.id,
        kind=CONFIRMED,
        amount=amount + more,
        biller_reference=f"B-{number}",
    )


def parsed(lines: Sequence[pb.Answer]) -> Rows:
    return parse_answers(pb.SendDayListRequest(credited=lines).SerializeToString())


def send(
    bench: Bench,
    *lines: pb.Answer,
    biller: str = "water",
    day: int = DAY,
    meanwhile: Callable[[], object] = lambda: None,
) -> Report:
    """A whole list, committed; `meanwhile` is between what it lists and the rest."""
    found = DayList(day, len(lines), sum(one.amount for one in lines))
    # In several messages, in no order.
    for part in (lines[1::2], lines[::2]):
        found.take(parsed(part))
    who = bench.dispatch.biller(bench.index(biller))
    planned = plan(
        found.close(),
        day,
        who.index,
        who.config,
        bench.ledger,
        bench.register,
        bench.wall_ns(),
    )
    outcomes = [np.zeros(0, OUTCOME)]

    def commit(requests: Sequence[Request]) -> None:
        for request in requests:
            reply = bench.commit(request)
            assert not isinstance(reply, bytes)
            outcomes.append(reply)

    commit(listed_requests(planned, who.index, bench.ledger))
    meanwhile()
    planned = without_disputed(planned, bench.ledger)
    commit(rejected_requests(planned, who.index, bench.ledger))
    bench.dispatch.look()
    return report(planned, np.concatenate(outcomes))


def counts(found: Report) -> tuple[int, int, int, int, int, int, int, int]:
    """Confirmed, already, differing, late, unknown, damaged, rejected, too early."""
    return (
        found.confirmed,
        found.already,
        len(found.differing),
        len(found.late),
        len(found.unknown),
        found.damaged,
        found.rejected,
        found.too_early,
    )


def confirm(bench: Bench, *numbers: int) -> None:
    """The biller's own word, before its list."""
    who = bench.index("water")
    said = parsed([line(bench, one) for one in numbers])
    for request in answer_requests(
        said, np.ones(len(said), np.uint8), who, bench.ledger
    ):
        bench.commit(request)
    bench.dispatch.look()


def case_of(bench: Bench, hold: int) -> int:
    return bench.ledger.link(hold, Link.LATE_REJECTION)


def refund(bench: Bench, hold: int, amount: int) -> None:
    """Two people give back so much of a payment."""
    paid, _ = bench.ledger.resolution(hold)
    proposal = bench.do(
        moves.propose_refund(
            new_id(), paid, amount, "listed", sender=bench.treasury, operator=1
        )
    )
    bench.do(moves.approve(new_id(), proposal, sender=bench.second, operator=2))
    row = bench.ledger.row(proposal)
    bench.do(moves.approved_refund(row, checker=bench.second))


def correct(bench: Bench, held: int) -> None:
    """Two people have it paid after all."""
    hold = bench.ledger.row(held)
    proposal = bench.do(
        moves.propose_correction(
            new_id(), hold, 100, "listed", sender=bench.treasury, operator=1
        )
    )
    bench.do(moves.approve(new_id(), proposal, sender=bench.second, operator=2))
    row = bench.ledger.row(proposal)
    bench.do(moves.approved_correction(row, hold, checker=bench.second))


def end_of(bench: Bench, number: int) -> Entry:
    """What has ended the hold."""
    return bench.ledger.row(bench.ledger.resolution(number)[0])


# --- what it decides ----------------------------------------------------------------


def test_listed_is_confirmed_and_the_rest_rejected(bench: Bench) -> None:
    good, gone = bench.pay(2, code="KEPT")
    together = bench.pay(code="KEPT", basket=3)
    parted = bench.pay(code="KEPT", basket=2)
    released, missing = bench.pay(2)
    bench.pass_s(DEADLINE_S + 1)
    bench.expire()
    assert bench.ledger.unverified().tolist() == [released, missing]
    found = send(bench, line(bench, good), line(bench, together[0]))
    assert counts(found) == (2, 0, 0, 0, 0, 0, 4, 0)
    for number in (good, *together):
        assert end_of(bench, number).kind == Kind.POST
    for number in (gone, *parted):
        end = end_of(bench, number)
        assert end.kind == Kind.VOID
        assert bench.ledger.tail(end.sequence) == NOT_LISTED_REASON
    for number in (released, missing):
        verified = bench.ledger.link(number, Link.VERIFY)
        assert bench.ledger.tail(verified) == NOT_LISTED_REASON
    assert bench.ledger.tail(end_of(bench, good).sequence) == (f"B-{good}".encode())
    status = bench.dispatch.states()[0]
    assert (status.kept, status.unverified, status.unknown) == (0, 0, 0)
    # Said again it is the same, and nothing more is done.
    last = bench.ledger.sequence
    again = send(bench, line(bench, good), line(bench, together[0]))
    assert counts(again) == (0, 2, 0, 0, 0, 0, 0, 0)
    assert bench.ledger.sequence == last


def test_what_may_be_credited_yet_is_left(bench: Bench) -> None:
    soon, _ = bench.pay(2, code="KEPT")
    bench.pass_s(40)
    bench.pay()
    # Of the first two nobody credits any more; of the others for hours.
    found = send(bench, line(bench, soon))
    assert counts(found) == (1, 0, 0, 0, 0, 0, 0, 2)
    bench.pass_s(10)
    found = send(bench, line(bench, soon))
    assert counts(found) == (0, 1, 0, 0, 0, 0, 1, 1)


def test_amounts_that_differ_are_for_people(bench: Bench) -> None:
    open_, posted = bench.pay(2, code="KEPT")
    basket = bench.pay(code="KEPT", basket=2)
    biller, _ = bench.connect()
    bench.answer(biller, bench.questions([posted]))
    bench.pass_s(61)
    bench.expire()
    wrong = [line(bench, one, more=7) for one in (open_, posted, basket[0])]
    found = send(bench, *wrong)
    assert counts(found) == (0, 0, 3, 0, 0, 0, 0, 0)
    assert found.differing.tolist() == [open_, posted, basket[0]]
    assert bench.ledger.kept().tolist() == [open_, *basket]
    assert counts(send(bench, *wrong)) == (0, 0, 3, 0, 0, 0, 0, 0)
    right = [line(bench, one) for one in (open_, posted, basket[0])]
    assert counts(send(bench, *right)) == (2, 1, 0, 0, 0, 0, 0, 0)


def test_what_was_given_back_is_late_until_it_is_paid_after_all(bench: Bench) -> None:
    cancelled, released = bench.pay(2)
    bench.do(moves.void(cancelled))
    bench.pass_s(DEADLINE_S + 1)
    bench.expire()
    lines = [line(bench, cancelled), line(bench, released)]
    found = send(bench, *lines)
    assert counts(found) == (0, 0, 0, 2, 0, 0, 0, 0)
    assert found.late.tolist() == [cancelled, released]
    cases = [bench.ledger.link(one, Link.LATE_CONFIRMATION) for one in found.late]
    assert all(cases)
    assert counts(send(bench, *lines)) == (0, 0, 0, 2, 0, 0, 0, 0)
    correct(bench, released)
    assert counts(send(bench, *lines)) == (0, 1, 0, 1, 0, 0, 0, 0)


def test_the_biller_takes_back_a_late_credit_by_its_list(bench: Bench) -> None:
    [released] = bench.pay()
    bench.pass_s(DEADLINE_S + 1)
    bench.expire()
    assert counts(send(bench, line(bench, released))) == (0, 0, 0, 1, 0, 0, 0, 0)
    assert counts(send(bench)) == (0, 0, 0, 0, 0, 0, 1, 0)
    assert bench.ledger.link(released, Link.VERIFY)
    assert not len(bench.ledger.unverified())


def test_what_is_completed_and_not_listed_is_a_case_once(bench: Bench) -> None:
    good, missing = bench.pay(2, code="KEPT")
    basket = bench.pay(code="KEPT", basket=3)
    confirm(bench, good, missing)
    for number in basket:
        bench.do(moves.post(number, 100))
    bench.pass_s(61)
    found = send(bench, line(bench, good))
    assert counts(found) == (0, 1, 0, 0, 0, 0, 0, 0)
    assert found.missing.tolist() == [missing, basket[0]]
    for number in (missing, *basket):
        assert end_of(bench, number).kind == Kind.POST
        assert bench.ledger.tail(case_of(bench, number)) == NOT_LISTED_REASON
    assert not case_of(bench, good)
    last = bench.ledger.sequence
    again = send(bench, line(bench, good))
    assert again.missing.tolist() == [missing, basket[0]]
    assert bench.ledger.sequence == last
    # Listed after all, its case is for people to close.
    lines = [line(bench, one) for one in (good, missing, basket[0])]
    assert counts(send(bench, *lines)) == (0, 3, 0, 0, 0, 0, 0, 0)


def test_a_list_that_lacks_more_than_it_has_is_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lacks, "LACKS_MAX", 2)
    paid = bench.pay(5, code="KEPT")
    open_ = bench.pay(code="KEPT")[0]
    confirm(bench, *paid)
    bench.pass_s(61)
    last = bench.ledger.sequence
    for listed in (paid[:2], []):
        found = send(bench, *(line(bench, one) for one in listed))
        assert counts(found) == (0,) * 8
        assert found.lacks is not None
        assert found.lacks.payments == 6 - len(listed)
        assert found.lacks.amount == found.lacks.payments * 100
        assert found.lacks.numbers.tolist() == [*paid[len(listed) :], open_]
    assert bench.ledger.sequence == last
    # What was rejected by its own word a list lacks, however much that is.
    found = send(bench, *(line(bench, one) for one in paid[:3]))
    assert found.missing.tolist() == paid[3:]
    assert found.rejected == 1
    assert end_of(bench, open_).kind == Kind.VOID


def test_a_day_of_many_rejections_is_for_two_people(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lacks, "LACKS_MAX", 5)
    held = bench.pay(5, code="KEPT")
    bench.pass_s(61)
    assert send(bench).rejected == len(held)
    assert counts(send(bench)) == (0, 0, 0, 0, 0, 0, 0, 0)


def test_what_is_wholly_refunded_is_not_missing(bench: Bench) -> None:
    whole, part = bench.pay(2, code="KEPT")
    confirm(bench, whole, part)
    refund(bench, whole, 100)
    refund(bench, part, 99)
    bench.pass_s(61)
    found = send(bench)
    assert counts(found) == (0, 0, 0, 0, 0, 0, 0, 0)
    assert found.missing.tolist() == [part]
    assert not case_of(bench, whole)


def test_a_list_may_lack_all_that_was_refunded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A department that has closed its book of a day, and gave it all back."""
    monkeypatch.setattr(lacks, "LACKS_MAX", 2)
    whole, part = bench.pay(5, code="KEPT"), bench.pay(3, code="KEPT")
    confirm(bench, *whole, *part)
    for one in whole:
        refund(bench, one, 100)
    for one in part:
        refund(bench, one, 99)
    bench.pass_s(61)
    # What it owes in part it still has to list.
    found = send(bench)
    assert found.lacks is not None
    assert (found.lacks.payments, found.lacks.amount) == (3, 300)
    last = bench.ledger.sequence
    found = send(bench, *(line(bench, one) for one in part))
    assert counts(found) == (0, 3, 0, 0, 0, 0, 0, 0)
    assert not len(found.missing)
    assert bench.ledger.sequence == last


def test_what_was_completed_a_moment_ago_may_be_credited_yet(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing, gone, good = bench.pay(3, code="KEPT")
    bench.pay(code="GAS")
    bench.do(moves.void(gone))
    confirm(bench, good, missing)
    # So that the last row has a page of its own.
    monkeypatch.setattr(not_listed, "PAGE_ROWS", 1)
    found = send(bench, line(bench, good))
    # What was given back is not waited for.
    assert counts(found) == (0, 1, 0, 0, 0, 0, 0, 1)
    assert not len(found.missing)
    assert not case_of(bench, missing)
    bench.pass_s(61)
    assert send(bench, line(bench, good)).missing.tolist() == [missing]


def test_what_was_paid_after_all_is_missing_too(bench: Bench) -> None:
    [released] = bench.pay()
    bench.pass_s(DEADLINE_S + 1)
    bench.expire()
    send(bench, line(bench, released))
    correct(bench, released)
    found = send(bench)
    assert counts(found) == (0, 0, 0, 0, 0, 0, 0, 0)
    assert found.missing.tolist() == [released]
    assert case_of(bench, released)
    # Before its last moment as well.
    [cancelled] = bench.pay(code="LONG")
    bench.do(moves.void(cancelled))
    assert send(bench, line(bench, cancelled)).late.tolist() == [cancelled]
    correct(bench, cancelled)
    found = send(bench)
    assert counts(found) == (0, 0, 0, 0, 0, 0, 0, 1)
    assert found.missing.tolist() == [released]


def test_a_late_credit_of_what_people_gave_back_is_taken_back(bench: Bench) -> None:
    [cancelled] = bench.pay(code="KEPT")
    bench.do(moves.void(cancelled))
    bench.pass_s(61)
    assert send(bench, line(bench, cancelled)).late.tolist() == [cancelled]
    assert counts(send(bench)) == (0, 0, 0, 0, 0, 0, 1, 0)
    assert bench.ledger.tail(bench.ledger.link(cancelled, Link.VERIFY)) == (
        NOT_LISTED_REASON
    )
    assert counts(send(bench)) == (0, 0, 0, 0, 0, 0, 0, 0)


def test_only_its_own_of_its_day_are_missing(bench: Bench) -> None:
    [mine] = bench.pay(code="KEPT")
    confirm(bench, mine)
    [other] = bench.pay(code="GAS")
    bench.do(moves.post(other, 100))
    bench.pass_s(DAY_S)
    [tomorrow] = bench.pay(code="KEPT")
    confirm(bench, tomorrow)
    bench.pass_s(DAY_S)
    found = send(bench)
    assert found.missing.tolist() == [mine]
    assert not case_of(bench, other)
    assert not case_of(bench, tomorrow)


@pytest.mark.parametrize("size", [1, 4])
def test_a_day_is_read_in_pages(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    # So that baskets are cut, at each of their payments.
    monkeypatch.setattr(not_listed, "PAGE_ROWS", size)
    listed, *missing = bench.pay(6, code="KEPT")
    confirm(bench, listed, *missing)
    baskets = [bench.pay(code="KEPT", basket=3) for _ in range(4)]
    for number in (*baskets[0], *baskets[1]):
        bench.do(moves.post(number, 100))
    [last] = bench.pay(code="KEPT")
    bench.pass_s(61)
    found = send(bench, line(bench, listed))
    assert found.missing.tolist() == [*missing, baskets[0][0], baskets[1][0]]
    assert counts(found) == (0, 1, 0, 0, 0, 0, 3, 0)
    for number in (*baskets[2], *baskets[3], last):
        assert end_of(bench, number).kind == Kind.VOID


def test_other_days_and_billers_are_none_of_its_business(bench: Bench) -> None:
    mine = bench.pay(2, code="KEPT")
    others = bench.pay(1, code="GAS")
    bench.pass_s(DAY_S)
    bench.expire()
    tomorrow = bench.pay(code="KEPT")
    bench.pass_s(61)
    bench.expire()
    found = send(bench, line(bench, mine[0]), line(bench, others[0]))
    assert counts(found) == (1, 0, 0, 0, 1, 0, 1, 0)
    assert found.unknown.tolist() == others
    assert bench.ledger.unverified().tolist() == others
    assert bench.ledger.kept().tolist() == tomorrow
    assert counts(send(bench, day=DAY + 1)) == (0, 0, 0, 0, 0, 0, 1, 0)
    assert counts(send(bench, biller="gas")) == (0, 0, 0, 0, 0, 0, 1, 0)


def test_what_names_no_payment_is_unknown_and_costs_none_its_money(
    bench: Bench,
) -> None:
    one, two, three = bench.pay(3, code="KEPT")
    basket = bench.pay(code="KEPT", basket=2)
    bench.pass_s(61)
    bench.expire()
    other_id = line(bench, one)
    other_id.id = bytes(16)
    # Listed under another number: the biller has credited it.
    other_number = line(bench, two)
    other_number.number = bench.ledger.sequence + 5
    found = send(bench, other_id, other_number)
    assert found.unknown.tolist() == [one, other_number.number]
    assert counts(found) == (0, 0, 0, 0, 2, 0, 2, 0)
    assert {end_of(bench, member).kind for member in basket} == {Kind.VOID}
    assert bench.ledger.kept().tolist() == [one, two]
    assert end_of(bench, three).kind == Kind.VOID


def test_a_list_of_the_wrong_day_or_of_parts_of_baskets_decides_nothing(
    bench: Bench,
) -> None:
    """What it leaves out was credited, most likely: it was counted to another day."""
    [yesterday] = bench.pay(code="KEPT")
    bench.pass_s(DAY_S)
    [today] = bench.pay(code="KEPT")
    basket = bench.pay(code="KEPT", basket=2)
    bench.pass_s(61)
    bench.expire()
    last = bench.ledger.sequence
    for day, listed, says in (
        (DAY, [yesterday, today], f"{today} is a payment of another day"),
        (DAY + 1, [yesterday], f"{yesterday} is a payment of another day"),
        (DAY + 1, [today, basket[1]], f"{basket[1]} is not the first"),
        (DAY + 1, [today, *basket], f"{basket[1]} is not the first"),
    ):
        with pytest.raises(WireError, match=says):
            send(bench, *[line(bench, one) for one in listed], day=day)
    assert bench.ledger.sequence == last
    assert bench.ledger.kept().tolist() == [yesterday, today, *basket]


def test_a_basket_at_midnight_belongs_to_the_day_of_its_first(bench: Bench) -> None:
    # Its rows have the last two nanoseconds of the day, and the first two of the next.
    midnight_ns = START_NS + 16 * 3_600 * 10**9
    bench.wall_ns = lambda: midnight_ns - 2  # type: ignore[method-assign]
    held = bench.pay(code="KEPT", basket=4)
    times = [bench.ledger.row(one).timestamp for one in held]
    assert [day_number(one) - DAY for one in times] == [0, 0, 1, 1]
    # Right behind it one of the next day.
    [other] = bench.pay(code="KEPT")
    bench.wall_ns = lambda: midnight_ns + 61 * 10**9  # type: ignore[method-assign]
    bench.expire()
    found = send(bench, line(bench, other), day=DAY + 1)
    assert counts(found) == (1, 0, 0, 0, 0, 0, 0, 0)
    assert bench.ledger.kept().tolist() == held
    found = send(bench)
    assert counts(found) == (0, 0, 0, 0, 0, 0, 1, 0)
    assert not len(found.missing)
    assert not bench.ledger.holds_count


def test_what_is_damaged_is_left_and_said(bench: Bench) -> None:
    one, two, three = bench.pay(3, code="KEPT")
    basket = bench.pay(code="KEPT", basket=2)
    lines = [line(bench, number) for number in (one, two, basket[0])]
    bench.pass_s(61)
    bench.expire()
    for number in (one, basket[1]):
        damage_row(bench.path, bench.ledger.rows(number, 1).tobytes())
    found = send(bench, *lines)
    assert counts(found) == (1, 0, 0, 0, 0, 2, 1, 0)
    assert end_of(bench, two).kind == Kind.POST
    assert end_of(bench, three).kind == Kind.VOID
    # Its first payment says whose day and question a basket is.
    others = bench.pay(code="KEPT", basket=2)
    bench.pass_s(61)
    damage_row(bench.path, bench.ledger.rows(others[0], 1).tobytes())
    assert counts(send(bench, *lines)) == (0, 1, 0, 0, 0, 3, 0, 0)


# --- what is no list ----------------------------------------------------------------


def answers(count: int, **values: object) -> Rows:
    made = np.zeros(count, ANSWER)
    made["number"] = np.arange(1, count + 1)
    made["kind"] = CONFIRMED
    made["amount"] = 10
    for name, value in values.items():
        made[name] = value
    return made


def test_a_part_is_not_believed() -> None:
    found = DayList(DAY, 3, 30)
    found.take(answers(2))
    with pytest.raises(WireError, match="2 lines have arrived of 3"):
        found.close()
    with pytest.raises(WireError, match="more than 3"):
        found.take(answers(2))


@pytest.mark.parametrize("amount", [20, 29, 31])
def test_a_sum_that_is_wrong_is_not_believed(amount: int) -> None:
    found = DayList(DAY, 3, amount)
    found.take(answers(3))
    with pytest.raises(WireError, match=f"come to 30, not to {amount}"):
        found.close()


def test_sums_do_not_overflow() -> None:
    most = 2**64 - 1
    found = DayList(DAY, 3, 3 * most - 2**64)
    found.take(answers(3, amount=most))
    with pytest.raises(WireError, match=f"come to {3 * most}"):
        found.close()


def test_no_line_comes_twice() -> None:
    found = DayList(DAY, 4, 40)
    found.take(answers(2))
    found.take(answers(2))
    with pytest.raises(WireError, match="1 is listed twice"):
        found.close()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"kind": REJECTED}, "CONFIRMED"),
        ({"kind": 0}, "CONFIRMED"),
        ({"amount": 0}, "amount"),
        ({"bad": 1}, "biller_reference"),
        ({"bad": 2}, "reason"),
    ],
)
def test_a_line_is_what_an_answer_could_be(
    values: dict[str, object], text: str
) -> None:
    lines = answers(3)
    for name, value in values.items():
        lines[name][1] = value
    with pytest.raises(WireError, match=text):
        DayList(DAY, 3, 30).take(lines)


def test_a_list_is_not_without_end() -> None:
    DayList(DAY, LINES_MAX, 10)
    with pytest.raises(WireError, match="1,000,000"):
        DayList(DAY, LINES_MAX + 1, 10)
