"""Goal: a shift counts each of an operator's entries once, in one shift or another.

Method: shifts with everything that can become of a payment, in the shift that took it
and in a later one; then a long random day whose shifts are compared with a plain tally.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch._core import RULES_RECORD
from switch.codes import RULES_VERSION, Difference, Kind, Record, Result, Tender
from switch.counter import handouts, shift_rows, shifts
from switch.counter.handouts import HandoutBook
from switch.counter.shift_rows import Shift, read_shift
from switch.counter.shifts import ShiftTooLongError, count_shift, last_shift
from switch.errors import CorruptionError
from switch.ids import new_id
from switch.ledger.refunds import refunds_of
from switch.ledger.templates import template
from tests.counter.counter_story import DEADLINE_S, Counter
from tests.damage import damage_row

OPERATOR = 1


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    counter = Counter(tmp_path)
    yield counter
    counter.ledger.close()


def count(counter: Counter, after: int = 0, operator: int = OPERATOR) -> Shift:
    book = HandoutBook(counter.ledger)
    return count_shift(
        *(book, counter.ledger, counter.wallet, operator), after, 0, lambda _: None
    )


def last(counter: Counter, operator: int, wallet: int = 0) -> int:
    whose = wallet or counter.wallet
    return last_shift(counter.ledger, whose, operator, lambda _: None)


def close(counter: Counter, shift: Shift, previous: int, operator: int) -> int:
    move = shift_rows.shift(
        new_id(),
        counter.wallet,
        operator,
        shift,
        sender=counter.centre,
        previous=previous,
    )
    outcome = counter.do(move)
    assert outcome["result"] == Result.OK
    return int(outcome["sequence"])


def test_an_empty_shift(counter: Counter) -> None:
    shift = count(counter)
    assert shift == Shift(0, 0, 0, 0, 0, 0, 0, 0, counter.ledger.sequence)
    assert shift.difference is Difference.NONE
    assert shift.is_empty


def test_what_can_become_of_a_payment(counter: Counter) -> None:
    counter.paid(100, service="DIRECT")
    counter.answer(counter.paid(200), confirm=True)
    counter.answer(counter.paid(400), confirm=False)
    counter.paid(800)
    counter.paid(1_600, tender=Tender.UPI)
    counter.answer(counter.paid(3_200, tender=Tender.CARD), confirm=False)
    counter.paid(6_400, operator=2)
    shift = count(counter)
    assert shift.payments_count == 6
    assert shift.payments_amount == 100 + 200 + 400 + 800 + 1_600 + 3_200
    assert (shift.refunds_count, shift.refunds_amount) == (2, 400 + 3_200)
    assert shift.cash_expected == 100 + 200 + 800
    assert shift.open_count == 2


def test_what_ends_in_a_later_shift_is_given_back_there(counter: Counter) -> None:
    rejected, expired = counter.paid(100), counter.paid(200)
    paid = counter.paid(1_000, service="DIRECT")
    first = count(counter)
    assert (first.cash_expected, first.open_count) == (1_300, 2)
    counter.answer(rejected, confirm=False)
    counter.wait(DEADLINE_S)
    counter.refund(paid, 300)
    counter.paid(5_000, service="DIRECT")
    assert counter.ledger.resolution(expired)[0]
    second = count(counter, first.to_sequence)
    assert second.payments_count == 1
    assert (second.refunds_count, second.refunds_amount) == (3, 600)
    assert second.cash_expected == 5_000 - 600
    # Nothing of it is another operator's.
    assert count(counter, 0, operator=2).refunds_count == 0


def test_more_given_back_than_taken(counter: Counter) -> None:
    paid = counter.paid(1_000, service="DIRECT")
    first = count(counter)
    counter.refund(paid, 1_000)
    second = count(counter, first.to_sequence)
    assert second.cash_expected == 0
    assert second.refunds_amount == 1_000
    assert (first.cash_from_before, second.cash_from_before) == (0, 1_000)


def test_the_end_of_a_doubt_changes_no_shift(counter: Counter) -> None:
    kept = counter.paid(1_000, service="KEEPS")
    differs = counter.paid(50)
    lapsed, disputed = counter.paid(200), counter.paid(400)
    counter.answer(differs, confirm=True, amount=51)
    counter.wait(DEADLINE_S + 1)
    first = count(counter)
    assert (first.payments_count, first.payments_amount) == (4, 1_650)
    # What has expired went back, whoever has it; what is kept did not.
    assert (first.refunds_count, first.refunds_amount) == (2, 600)
    assert (first.cash_expected, first.open_count) == (1_050, 2)
    assert counter.answer(lapsed, confirm=False)["result"] == Result.OK
    late = counter.answer(disputed, confirm=True)
    assert late["result"] == Result.ALREADY_EXPIRED
    assert counter.decide(Kind.TRANSFER, disputed, 400)["result"] == Result.OK
    second = count(counter, first.to_sequence)
    assert second[1:7] == (0,) * 6
    assert counter.ledger.sequence == second.to_sequence
    # Two people make what was kept final for less: the rest goes back.
    assert counter.decide(Kind.POST, kept, 900)["result"] == Result.OK
    assert counter.decide(Kind.VOID, differs, 50)["result"] == Result.OK
    third = count(counter, second.to_sequence)
    assert (third.refunds_count, third.refunds_amount) == (2, 150)
    assert third.payments_count == third.open_count == 0
    # Nothing of it is of who decided.
    assert count(counter, operator=0)[1:8] == (0,) * 7


# --- what is handed out by a row of its own -------------------------------------------


def run_rules(counter: Counter) -> int:
    """The row that says by which rules the rows behind it are decided."""
    record = np.zeros(1, RULES_RECORD)
    record["record"], record["version"] = Record.RULES, RULES_VERSION
    move = template(
        Kind.REGISTER, row_id=new_id(), sender=counter.office, tail=record.tobytes()
    )
    outcome = counter.do(move)
    assert outcome["result"] == Result.OK
    return int(outcome["sequence"])


def hand_out(counter: Counter, back: int, amount: int, operator: int = 7) -> int:
    move = handouts.hand_out(
        new_id(),
        back,
        amount,
        wallet=counter.wallet,
        sender=counter.centre,
        operator=operator,
    )
    return int(counter.do(move)["result"])


def backs(counter: Counter) -> list[int]:
    """Of three payments of operator 1: a refund, an expiry, a kept one's rest."""
    direct = counter.paid(1_000, service="DIRECT")
    lapses, kept = counter.paid(200), counter.paid(40, service="KEEPS")
    counter.wait(DEADLINE_S + 1)
    counter.refund(direct, 300)
    refund = counter.ledger.resolution(direct)[0]
    counter.decide(Kind.POST, kept, 30)
    ends = [counter.ledger.resolution(held)[0] for held in (lapses, kept)]
    return [refund, *ends]


AMOUNTS = 300, 200, 10


def test_cash_counts_with_who_handed_it_out(counter: Counter) -> None:
    since = run_rules(counter)
    book = HandoutBook(counter.ledger)
    assert book.since() == since
    gave_back = backs(counter)
    first = count(counter)
    # Nobody was told to give anything: nothing of it is out of the drawer.
    assert (first.refunds_count, first.refunds_amount) == (0, 0)
    assert (first.cash_expected, first.payments_amount) == (1_240, 1_240)
    assert sorted(book.waiting(counter.wallet, 0, 9)) == sorted(gave_back)
    for back, amount in zip(gave_back, AMOUNTS, strict=True):
        assert hand_out(counter, back, amount) == Result.OK
        assert hand_out(counter, back, amount) == Result.ALREADY_HANDED_OUT
    assert book.waiting(counter.wallet, 0, 9) == []
    assert count(counter, first.to_sequence)[1:8] == (0,) * 7
    other = count(counter, 0, operator=7)
    assert (other.refunds_count, other.refunds_amount) == (3, 510)
    assert (other.payments_count, other.cash_expected) == (0, 0)
    # And what it has counted is not counted again.
    assert count(counter, other.to_sequence, operator=7)[1:8] == (0,) * 7


def test_what_came_back_before_the_rules_counts_where_it_did(counter: Counter) -> None:
    gave_back = backs(counter)
    since = run_rules(counter)
    later = counter.paid(5, service="DIRECT")
    counter.refund(later, 5)
    [waits] = HandoutBook(counter.ledger).waiting(counter.wallet, 0, 9)
    assert waits > since
    shift = count(counter)
    assert (shift.refunds_count, shift.refunds_amount) == (3, sum(AMOUNTS))
    # Who hands out what was counted before has counted nothing by it.
    assert hand_out(counter, gave_back[0], AMOUNTS[0]) == Result.OK
    assert count(counter, 0, operator=7)[1:8] == (0,) * 7
    assert hand_out(counter, waits, 5) == Result.OK
    assert count(counter, 0, operator=7).refunds_amount == 5


def test_only_cash_is_out_of_the_drawer(counter: Counter) -> None:
    run_rules(counter)
    for tender in Tender:
        paid = counter.paid(100, service="DIRECT", tender=tender, operator=7)
        counter.refund(paid, 100)
        assert hand_out(counter, counter.ledger.resolution(paid)[0], 100) == Result.OK
    shift = count(counter, operator=7)
    assert (shift.refunds_count, shift.refunds_amount) == (3, 300)
    assert (shift.payments_amount, shift.cash_expected) == (300, 0)


def test_a_book_of_a_ledger_that_goes_on(counter: Counter) -> None:
    """What it follows and what it reads anew are the same, page by page."""
    run_rules(counter)
    book = HandoutBook(counter.ledger)
    made: list[int] = []
    for number in range(1, 6):
        paid = counter.paid(number, service="DIRECT")
        counter.refund(paid, number)
        made.append(counter.ledger.resolution(paid)[0])
        assert book.waiting(counter.wallet, 0, 99) == made
    assert book.waiting(counter.wallet, made[1], 2) == made[2:4]
    assert hand_out(counter, made[2], 3) == Result.OK
    for one in (book, HandoutBook(counter.ledger)):
        assert one.waiting(counter.wallet, 0, 99) == made[:2] + made[3:]
        assert one.waiting(counter.wallet + 1, 0, 99) == []
        assert len(one.handed_out(counter.wallet, 7, 0, counter.ledger.sequence)) == 1
        assert one.handed_out(counter.wallet, 8, 0, counter.ledger.sequence) == []


def test_what_a_book_could_not_read_counts_once(
    counter: Counter, tmp_path: Path
) -> None:
    """A page that is read wrongly for a while ends a question, and doubles nothing."""
    run_rules(counter)
    book = HandoutBook(counter.ledger)
    kept = counter.paid(40, service="KEEPS")
    direct = counter.paid(1_000, service="DIRECT")
    counter.wait(DEADLINE_S + 1)
    book.since()
    for amount in (300, 100):
        counter.refund(direct, amount)
    first, second = (
        one.sequence for one in refunds_of(counter.ledger, counter.ledger.row(direct))
    )
    assert hand_out(counter, first, 300) == Result.OK
    counter.decide(Kind.POST, kept, 30)
    rest = counter.ledger.resolution(kept)[0]
    start = counter.ledger.row(kept).id
    damage_row(tmp_path, start)
    with pytest.raises(CorruptionError):
        book.since()
    damage_row(tmp_path, start)
    assert book.waiting(counter.wallet, 0, 9) == [second, rest]
    assert len(book.handed_out(counter.wallet, 7, 0, counter.ledger.sequence)) == 1


def test_which_refund_it_is(counter: Counter) -> None:
    run_rules(counter)
    paid = counter.paid(9, service="DIRECT")
    for amount in (2, 3, 4):
        counter.refund(paid, amount)
    book = HandoutBook(counter.ledger)
    found = [
        handouts.handout_of(counter.ledger, counter.ledger.row(sequence))
        for sequence in book.waiting(counter.wallet, 0, 9)
    ]
    assert [(one.which, one.amount) for one in found if one] == [(1, 2), (2, 3), (3, 4)]
    assert all(one.payment.entry.sequence == paid for one in found if one)


# --- shifts ---------------------------------------------------------------------------


def test_entries_that_come_while_it_is_closed_are_the_next_ones(
    counter: Counter,
) -> None:
    counter.paid(100, service="DIRECT")
    counted = count(counter)
    # Between counting and recording.
    counter.paid(7, service="DIRECT")
    sequence = close(counter, counted, 0, OPERATOR)
    recorded = read_shift(counter.ledger.tail(sequence))
    assert recorded == counted
    following = count(counter, recorded.to_sequence)
    assert following.payments_amount == 7


@pytest.mark.parametrize(
    ("counted", "difference"),
    [(99, Difference.SHORT), (100, Difference.NONE), (101, Difference.OVER)],
)
def test_cash_that_differs_is_said(
    counter: Counter, counted: int, difference: Difference
) -> None:
    counter.paid(100, service="DIRECT")
    shift = count(counter)._replace(cash_counted=counted)
    assert shift.difference is difference
    sequence = close(counter, shift, 0, OPERATOR)
    assert read_shift(counter.ledger.tail(sequence)).cash_counted == counted


def test_the_index_knows_the_last_shift_of_each_operator(counter: Counter) -> None:
    assert last(counter, 1) == 0
    one = close(counter, count(counter), 0, 1)
    two = close(counter, count(counter, operator=2), 0, 2)
    assert (last(counter, 1), last(counter, 2)) == (one, two)
    three = close(counter, count(counter, one), one, 1)
    assert last(counter, 1) == three
    assert last(counter, 1, counter.wallet + 1) == 0
    # Its number is as large as any: it stands in one key with the wallet's.
    assert last(counter, 2**32 - 1) == 0


def test_who_closes_many_shifts_pays_for_passing_them(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shifts, "LINKS_MAX", 2)
    made = [0]
    for _ in range(5):
        made.append(close(counter, count(counter), made[-1], 1))
    paid: list[int] = []
    assert last_shift(counter.ledger, counter.wallet, 1, paid.append) == made[-1]
    assert paid == [1, 1]


def test_what_is_walked_is_paid_for(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        counter.paid(1, service="DIRECT")
    monkeypatch.setattr(shifts, "WALK_ROWS", 2)
    paid: list[int] = []
    book = HandoutBook(counter.ledger)
    count_shift(book, counter.ledger, counter.wallet, 1, 0, 0, paid.append)
    # Two full steps of payments, and what stands before them.
    assert set(paid) == {shifts.WALK_READS}
    assert len(paid) >= 3


def test_the_walk_is_bounded(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        counter.paid(1, service="DIRECT")
    monkeypatch.setattr(shifts, "WALK_ROWS", 2)
    whole = count(counter)
    assert whole.payments_count == 4
    monkeypatch.setattr(shifts, "WALK_MAX", 2)
    with pytest.raises(ShiftTooLongError):
        count(counter)


def test_a_long_day_adds_up(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shifts, "WALK_ROWS", 7)
    draw = random.Random(5)
    tally = {1: 0, 2: 0}
    counted = {1: 0, 2: 0}
    last = {1: 0, 2: 0}
    held: list[tuple[int, int, int, Tender]] = []
    paid: list[tuple[int, int, int]] = []

    def end(operator: int) -> None:
        after = 0
        if last[operator]:
            after = read_shift(counter.ledger.tail(last[operator])).to_sequence
        shift = count(counter, after, operator)
        counted[operator] += shift.payments_amount - shift.refunds_amount
        last[operator] = close(counter, shift, last[operator], operator)

    for _ in range(400):
        operator, amount = draw.choice((1, 2)), draw.randrange(1, 1_000)
        tender = draw.choice(list(Tender))
        what = draw.randrange(6)
        if what == 0:
            sequence = counter.paid(
                amount, service="DIRECT", operator=operator, tender=tender
            )
            paid.append((sequence, operator, amount))
            tally[operator] += amount
        elif what in (1, 2):
            sequence = counter.paid(amount, operator=operator, tender=tender)
            held.append((sequence, operator, amount, tender))
            tally[operator] += amount
        elif what == 3 and held:
            sequence, operator, amount, _ = held.pop(draw.randrange(len(held)))
            confirm = draw.random() < 0.5
            answer = counter.answer(sequence, confirm=confirm)
            if answer["result"] == Result.OK and not confirm:
                tally[operator] -= amount
            elif answer["result"] == Result.ALREADY_EXPIRED:
                # Its time had passed: the ledger gave it back before the answer.
                tally[operator] -= amount
        elif what == 4 and paid:
            sequence, operator, amount = paid.pop()
            counter.refund(sequence, amount)
            tally[operator] -= amount
        elif what == 5 and draw.random() < 0.3:
            end(operator)
    counter.wait(DEADLINE_S)
    for sequence, operator, amount, _ in held:
        row = counter.ledger.row(counter.ledger.resolution(sequence)[0])
        assert row.kind == Kind.EXPIRE
        tally[operator] -= amount
    for operator in (1, 2):
        end(operator)
    assert counted == tally
