"""Goal: a department that copies docs/examples/biller.py credits each payment once, or
never, whatever dies in between, and always says the same.

Method: the example as it stands, a process of its own, against a real server over mutual
TLS; it is killed, frozen, and lied to by clocks. What is in its book and what is in the
ledger must agree, and the auditor finds nothing.
"""

import csv
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from switch.ids import new_id
from switch.v1 import counter_pb2, payments_pb2
from tests.examples.programs import CENTRE, World
from tests.leaps import Leaps
from tests.server.harness import CALL_S, ServerProcess, until

REFERENCE = "123456789"
COMPLETED = payments_pb2.PAYMENT_STATE_COMPLETED
REVERSED = payments_pb2.PAYMENT_STATE_REVERSED
UNKNOWN = payments_pb2.PAYMENT_STATE_UNKNOWN
HOUR_S = 3_600


def payment_of(bill: counter_pb2.Bill) -> payments_pb2.Payment:
    return payments_pb2.Payment(
        id=new_id(),
        service=bill.service,
        amount=bill.amount_due,
        reference=bill.reference,
        operator=1,
        quotation=bill.quotation,
    )


def pay(world: World, bill: counter_pb2.Bill, wait_ms: int = 1) -> Any:
    request = counter_pb2.PayBillRequest(payment=payment_of(bill), wait_ms=wait_ms)
    counter = world.peers.centre(CENTRE).counter
    outcome = counter.PayBill(request, timeout=CALL_S).outcome
    assert outcome.result == 1, outcome
    return outcome


def add_bill(world: World, service: str, reference: str, id_: str, paise: int) -> None:
    path = world.directory / "more.csv"
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["service", "reference", "id", "period", "paise"])
        lines.writerow([service, reference, id_, "2026-11", paise])
    world.load_bills(path)


def change(world: World, amount: int, reference: str) -> None:
    """The department has another amount in its book now."""
    world.rows("UPDATE bills SET amount = ? WHERE reference = ?", amount, reference)


def test_what_is_fetched_is_paid_and_owed_no_more(world: World) -> None:
    biller = world.serving()
    old, new = world.fetch(REFERENCE)
    assert [old.period, new.period] == ["2026-10", "2026-11"]
    outcome = pay(world, new, wait_ms=10_000)
    assert outcome.state == COMPLETED
    assert world.decided() == [(outcome.id, 1, new.amount_due, outcome.id.hex())]
    assert [one.period for one in world.fetch(REFERENCE)] == ["2026-10"]
    # Heard by the switch, so that it is not said again.
    until(lambda: world.rows("SELECT acknowledged FROM payments") == [(1,)])
    biller.signal(signal.SIGTERM)
    assert biller.wait() == 0


@pytest.mark.parametrize("credited", [True, False])
def test_a_kill_before_the_answer_changes_nothing(world: World, credited: bool) -> None:
    world.serving()
    bill = world.fetch(REFERENCE)[1]
    world.programs[-1].signal(signal.SIGTERM)
    dying = world.serving(dying=True)
    if not credited:
        change(world, 1, REFERENCE)
    outcome = pay(world, bill)
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


def test_a_basket_is_credited_as_a_whole_or_not(world: World) -> None:
    world.serving()
    for amount, state in ((None, COMPLETED), (1, REVERSED)):
        if amount is not None:
            add_bill(world, "BRIEF", "B1", "B1", 500)
            add_bill(world, "BRIEF", "B2", "B2", 600)
            bills = world.fetch("B1", "BRIEF") + world.fetch("B2", "BRIEF")
            change(world, amount, "B2")
        else:
            bills = world.fetch(REFERENCE)
        basket = payments_pb2.Basket(payments=[payment_of(bill) for bill in bills])
        request = payments_pb2.CreateBasketRequest(basket=basket)
        centre = world.peers.centre(CENTRE)
        reply = centre.payments.CreateBasket(request, timeout=CALL_S)
        assert [one.result for one in reply.outcomes] == [1, 1]
        for one in reply.outcomes:
            world.wait_for(one.id, state)
        decided = world.decided()[-2:]
        assert [one[0] for one in decided] == [one.id for one in reply.outcomes]
        assert {one[1] for one in decided} == {int(state == COMPLETED)}
    [left] = world.rows("SELECT count(*) FROM bills WHERE credited_by IS NULL")
    assert left == (4,)
    until(lambda: world.rows("SELECT min(acknowledged) FROM payments") == [(1,)])


@pytest.mark.parametrize("clock", ["wall", "monotonic"])
def test_what_comes_too_late_is_refused(
    world: World, tmp_path: Path, clock: str
) -> None:
    leaps = Leaps(tmp_path)
    biller = world.serving(prefix=leaps.prefix)
    add_bill(world, "BRIEF", "B1", "B1", 500)
    # Of one question it hears in time it knows what time it is at the switch.
    first = pay(world, world.fetch(REFERENCE)[0], wait_ms=10_000)
    assert first.state == COMPLETED
    [bill] = world.fetch("B1", "BRIEF")
    biller.freeze()
    outcome = pay(world, bill)
    time.sleep(3.2)  # credit_until is half of the deadline of 6 s
    if clock == "monotonic":
        leaps.set(-HOUR_S)
    biller.thaw()
    world.wait_for(outcome.id, REVERSED)
    assert world.decided()[1:] == [(outcome.id, 0, 500, "TOO_LATE")]


def test_the_switch_is_killed_between_question_and_answer(
    world: World, settings: tuple[str, ...]
) -> None:
    biller = world.serving()
    bill = world.fetch(REFERENCE)[0]
    biller.freeze()
    outcome = pay(world, bill)
    address = world.server.address
    world.server.stop(signal.SIGKILL)
    server = ServerProcess(world.server.directory, *settings, listen=address)
    server.wait_ready()
    world.peers.close()
    world.at(server)
    biller.thaw()
    world.wait_for(outcome.id, COMPLETED)
    assert world.state_of_biller().status_questions >= 1
    assert world.decided() == [(outcome.id, 1, bill.amount_due, outcome.id.hex())]
    assert len(world.payments()) == 1


def test_the_id_of_another_payment_credits_nothing(world: World) -> None:
    # Ids are unique for each sender: two senders may choose the same.
    world.serving()
    bill = world.fetch(REFERENCE)[0]
    outcome = pay(world, bill, wait_ms=10_000)
    assert outcome.state == COMPLETED
    world.rows("UPDATE payments SET key = 'of another sender'")
    world.rows("UPDATE payments SET amount = 1")
    assert re.search("ID_OF_ANOTHER", "ID_OF_ANOTHER")
