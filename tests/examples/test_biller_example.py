"""Goal: a department that copies docs/examples/biller.py credits each payment once, or
never, whatever dies in between, and always says the same.

Method: the example as it stands, a process of its own, against a real server over
mutual TLS; it is killed, frozen, and lied to by clocks. What is in its book and what is
in the ledger must agree, and the auditor finds nothing.
"""

import csv
import datetime as dt
import signal
import time
from pathlib import Path

import pytest

from switch.v1 import counter_pb2, payments_pb2
from tests.examples.programs import (
    BRIEF_S,
    CENTRE,
    OTHER,
    Syncs,
    World,
    load_bills,
    make_payment,
)
from tests.leaps import Leaps
from tests.server.harness import CALL_S, until

REFERENCE = "123456789"
COMPLETED = payments_pb2.PAYMENT_STATE_COMPLETED
REVERSED = payments_pb2.PAYMENT_STATE_REVERSED
UNKNOWN = payments_pb2.PAYMENT_STATE_UNKNOWN
HOUR_S = 3_600
IST = dt.timezone(dt.timedelta(hours=5, minutes=30))


def add_bill(world: World, service: str, reference: str, id_: str, paise: int) -> None:
    path = world.directory / "more.csv"
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["service", "reference", "id", "period", "paise"])
        lines.writerow([service, reference, id_, "2026-11", paise])
    load_bills(world.book, path)


def change(world: World, amount: int, reference: str) -> None:
    """The department has another amount in its book now."""
    world.rows("UPDATE bills SET amount = ? WHERE reference = ?", amount, reference)


def test_what_is_fetched_is_paid_and_owed_no_more(world: World) -> None:
    biller = world.serving()
    old, new = world.fetch(REFERENCE)
    assert [old.period, new.period] == ["2026-10", "2026-11"]
    outcome = world.pay(new, wait_ms=10_000)
    assert outcome.state == COMPLETED
    assert world.decided() == [(outcome.id, 1, new.amount_due, outcome.id.hex())]
    assert [one.period for one in world.fetch(REFERENCE)] == ["2026-10"]
    # Heard by the switch, so that it is not said again.
    until(lambda: world.rows("SELECT acknowledged FROM payments") == [(1,)])
    biller.signal(signal.SIGTERM)
    assert biller.wait() == 0


def test_a_credit_is_on_the_disk(world: World, tmp_path: Path) -> None:
    syncs = Syncs(tmp_path)
    world.serving(prefix=syncs.prefix)
    first, second = world.fetch(REFERENCE)
    # With the first one a file may begin, which is synced in any case.
    assert world.pay(first, wait_ms=10_000).state == COMPLETED
    until(lambda: world.rows("SELECT acknowledged FROM payments") == [(1,)])
    before = syncs.count()
    assert world.pay(second, wait_ms=10_000).state == COMPLETED
    assert syncs.count() > before


@pytest.mark.parametrize("credited", [True, False])
def test_a_kill_before_the_answer_changes_nothing(world: World, credited: bool) -> None:
    dying = world.serving(dying=True)
    bill = world.fetch(REFERENCE)[1]
    if not credited:
        change(world, 1, REFERENCE)
    outcome = world.pay(bill)
    assert dying.wait() == -signal.SIGKILL
    # It had decided, and its decision was on disk before it said anything.
    [(id_, was_credited, _, text)] = world.decided()
    assert (id_, bool(was_credited)) == (outcome.id, credited)
    world.wait_for(outcome.id, UNKNOWN)
    # Now it could be decided otherwise; it is not.
    change(world, bill.amount_due, REFERENCE)
    world.serving()
    world.wait_for(outcome.id, COMPLETED if credited else REVERSED)
    assert world.decided() == [(id_, int(credited), bill.amount_due, text)]
    assert text == ("NOT_DUE" if not credited else outcome.id.hex())
    paid = world.rows("SELECT credited_by FROM bills WHERE credited_by IS NOT NULL")
    assert paid == ([(outcome.id,)] if credited else [])


@pytest.mark.parametrize("due", [True, False])
def test_a_basket_is_credited_as_a_whole_or_not(world: World, due: bool) -> None:
    world.serving()
    bills = world.fetch(REFERENCE)
    if not due:
        world.rows("UPDATE bills SET amount = 1 WHERE period = ?", bills[1].period)
    basket = payments_pb2.Basket(payments=[make_payment(bill) for bill in bills])
    request = payments_pb2.CreateBasketRequest(basket=basket)
    centre = world.peers.centre(CENTRE)
    outcomes = centre.payments.CreateBasket(request, timeout=CALL_S).outcomes
    assert [one.result for one in outcomes] == [1, 1]
    for one in outcomes:
        world.wait_for(one.id, COMPLETED if due else REVERSED)
    text = outcomes[0].id.hex() if due else "NOT_DUE"
    assert world.decided() == [
        (one.id, int(due), bill.amount_due, text)
        for one, bill in zip(outcomes, bills, strict=True)
    ]
    owed = world.rows("SELECT count(*) FROM bills WHERE credited_by IS NULL")
    assert owed == [(2 if due else 4,)]
    until(lambda: world.rows("SELECT min(acknowledged) FROM payments") == [(1,)])


@pytest.mark.parametrize("clock", ["wall", "monotonic"])
def test_what_comes_too_late_is_refused(
    world: World, tmp_path: Path, clock: str
) -> None:
    leaps = Leaps(tmp_path)
    biller = world.serving(prefix=leaps.prefix)
    add_bill(world, "BRIEF", "B1", "B1", 500)
    if clock == "monotonic":
        # By a question that it hears in time it knows what time it is at the switch.
        first = world.pay(world.fetch(REFERENCE)[0], wait_ms=10_000)
        assert first.state == COMPLETED
    [bill] = world.fetch("B1", "BRIEF")
    biller.freeze()
    outcome = world.pay(bill)
    time.sleep(BRIEF_S / 2 + 0.2)  # the last moment to credit it, and more
    if clock == "monotonic":
        leaps.set(-HOUR_S)
    biller.thaw()
    world.wait_for(outcome.id, REVERSED)
    assert world.decided()[-1] == (outcome.id, 0, 500, "TOO_LATE")


def test_the_switch_dies_before_it_hears_the_answer(world: World) -> None:
    biller = world.serving()
    bill = world.fetch(REFERENCE)[0]
    biller.freeze()
    outcome = world.pay(bill)
    world.restart(biller.thaw)
    world.wait_for(outcome.id, COMPLETED)
    assert world.decided() == [(outcome.id, 1, bill.amount_due, outcome.id.hex())]
    assert len(world.payments()) == 1


def test_what_it_was_never_asked_it_has_not_seen(world: World) -> None:
    biller = world.serving()
    bill = world.fetch(REFERENCE)[0]
    biller.signal(signal.SIGKILL)
    until(lambda: not world.connections())
    outcome = world.pay(bill)
    # After a start the switch does not know what it has asked.
    world.restart()
    assert world.state(outcome.id) == UNKNOWN
    world.serving()
    world.wait_for(outcome.id, COMPLETED)
    assert world.decided() == [(outcome.id, 1, bill.amount_due, outcome.id.hex())]


def test_the_id_of_another_sender_credits_nothing(world: World) -> None:
    # Ids are unique for each sender; two may choose the same one.
    world.serving()
    first, second = world.fetch(REFERENCE)[0], world.fetch("200000001", centre=OTHER)[0]
    outcome = world.pay(first, wait_ms=10_000)
    assert outcome.state == COMPLETED
    same = world.pay(second, wait_ms=10_000, centre=OTHER, id_=outcome.id)
    assert (same.state, same.id) == (REVERSED, outcome.id)
    assert world.decided() == [(outcome.id, 1, first.amount_due, outcome.id.hex())]
    assert world.fetch("200000001")[0].state == counter_pb2.BILL_STATE_DUE


def test_a_reason_that_cannot_be_kept_is_said_otherwise(world: World) -> None:
    dying = world.serving(dying=True)
    bill = world.fetch(REFERENCE)[0]
    change(world, 1, REFERENCE)
    outcome = world.pay(bill)
    assert dying.wait() == -signal.SIGKILL
    world.rows("UPDATE payments SET text = 'পাওনা নেই'")
    biller = world.serving()
    world.wait_for(outcome.id, REVERSED)
    assert "reason" in biller.log()
    assert world.decided()[0][3] == outcome.id.hex().upper()


def test_it_says_what_time_it_is_and_is_asked_accordingly(
    world: World, tmp_path: Path
) -> None:
    leaps = Leaps(tmp_path)
    leaps.set(HOUR_S)
    world.serving(prefix=leaps.prefix)
    until(lambda: abs(world.state_of_biller().clock_skew_ms / 1e3 - HOUR_S) < 5)
    outcome = world.pay(world.fetch(REFERENCE)[0], wait_ms=1_500)
    assert outcome.state != COMPLETED
    assert world.decided() == []


def test_a_refund_is_said_to_the_department(world: World) -> None:
    biller = world.serving()
    outcome = world.pay(world.fetch(REFERENCE)[0], wait_ms=10_000)
    [payment] = world.payments()
    request = payments_pb2.GetPaymentRequest(id=outcome.id)
    stub = world.peers.centre(CENTRE).payments
    post = stub.GetPayment(request, timeout=CALL_S).resolution.sequence
    assert world.peers.refund(post, payment.amount).result == 1
    until(lambda: f"{payment.sequence}: refunded" in biller.log())
    assert "CRITICAL" not in biller.log()


@pytest.mark.slow
def test_the_list_of_a_day_ends_what_was_kept(world: World, tmp_path: Path) -> None:
    for reference in ("B1", "B2", "B3"):
        add_bill(world, "BRIEF", reference, reference, 500)
    dying = world.serving(dying=True)
    bills = [world.fetch(one, "BRIEF")[0] for one in ("B1", "B2", "B3")]
    # It is asked about both, and dies of the first.
    dying.freeze()
    credited = world.pay(bills[0])
    time.sleep(0.5)
    lost = world.pay(bills[1])
    until(lambda: world.state_of_biller().asked == 2)
    dying.thaw()
    assert dying.wait() == -signal.SIGKILL
    assert [one[0] for one in world.decided()] == [credited.id]
    for one in (credited, lost):
        world.wait_for(one.id, payments_pb2.PAYMENT_STATE_KEPT)
    # That day is not over here.
    day = dt.datetime.fromtimestamp(credited.time_ns // 10**9, IST).date().isoformat()
    today = world.biller("--close-day", day)
    assert today.wait() == 1
    assert "not over" in today.log()
    assert world.rows("SELECT * FROM closed_days") == []
    # It is tomorrow there.
    leaps = Leaps(tmp_path)
    leaps.set(24 * HOUR_S)
    for times in range(2):
        told = world.biller("--close-day", day, prefix=leaps.prefix)
        assert told.wait() == 0, told.log()
        assert ("confirmed: 1" in told.log()) == (times == 0)
        assert ("rejected: 1" in told.log()) == (times == 0)
    assert world.state(credited.id) == COMPLETED
    assert world.state(lost.id) == REVERSED
    # What the list has said holds for what is asked later.
    world.serving()
    late = world.pay(bills[2], wait_ms=10_000)
    assert late.state == REVERSED
    assert [one[1:] for one in world.decided()] == [
        (1, 500, credited.id.hex()),
        (0, 500, "DAY_CLOSED"),
    ]
    # A book that has lost a credit does not end its day as if nothing were wrong.
    world.rows("DELETE FROM payments WHERE id = ?", credited.id)
    told = world.biller("--close-day", day, prefix=leaps.prefix)
    assert told.wait() == 1, told.log()
    assert f"missing: 1\nmissing_numbers: {credited.sequence}" in told.log()
