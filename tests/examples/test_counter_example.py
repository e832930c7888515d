"""Goal: a vendor that copies docs/examples/counter.py takes a citizen's cash once, says
clearly what to do with it, and never pays a second time what may be paid already.

Method: the example as it stands, a process of its own with what its operator types,
against a real server and the biller of the examples; it is killed while its payment is
on the way, run again, refused, and left without an answer.
"""

import re
import signal
from pathlib import Path

import pytest

from switch.v1 import counter_pb2, payments_pb2
from tests.examples.programs import OTHER, Program, Syncs, World
from tests.server.harness import until
from tests.stopped import stop

BILL = ("WATER-01", "123456789")
PAID, NOT_PAID, NOT_KNOWN = 0, 1, 3


def left(world: World) -> list[Path]:
    """Payments that a counter has written and not brought to their end."""
    return sorted((world.directory / "open").glob("*.payment"))


def asking(
    world: World, *arguments: str, typed: str = "1", freezes: Program | None = None
) -> Program:
    """A counter whose operator has seen the bills and typed a number; before that the
    biller `freezes`, if one is named.
    """
    counter = world.counter(*BILL, *arguments)
    until(lambda: "Number of the bill" in counter.log())
    if freezes is not None:
        freezes.freeze()
    counter.type(typed)
    return counter


def test_a_bill_is_shown_paid_and_receipted(world: World) -> None:
    world.serving()
    counter = asking(world, "--operator", "7")
    assert counter.wait() == PAID, counter.log()
    log = counter.log()
    assert "1: 2026-10 ₹726.00, to be paid" in log
    assert "2: 2026-11 ₹254.00, to be paid" in log
    [payment] = world.payments()
    assert (payment.amount, payment.operator) == (72_600, 7)
    assert re.search(r"bsk-00001/\d{4}-\d\d/000001", log)
    assert left(world) == []


def test_who_types_nothing_pays_nothing(world: World) -> None:
    world.serving()
    for typed in ("", "0", "3", "one"):
        counter = asking(world, typed=typed)
        assert counter.wait() == NOT_PAID
    assert world.payments() == []
    assert left(world) == []


def test_a_counter_that_is_killed_pays_once(world: World) -> None:
    biller = world.serving()
    # The department does not answer before the counter is gone.
    counter = asking(world, freezes=biller)
    until(lambda: world.payments())
    [path] = left(world)
    sent = payments_pb2.Payment.FromString(path.read_bytes())
    counter.signal(signal.SIGKILL)
    counter.wait()
    biller.thaw()
    again = world.counter()
    assert again.wait() == PAID, again.log()
    assert [one.id for one in world.payments()] == [sent.id]
    assert sent.id.hex() in again.log()
    assert "Paid." in again.log()
    assert left(world) == []
    assert [one[0] for one in world.decided()] == [sent.id]


def test_it_is_on_disk_before_it_is_sent(world: World, tmp_path: Path) -> None:
    world.serving()
    syncs = Syncs(tmp_path)
    counter = world.counter(*BILL, prefix=syncs.prefix)
    until(lambda: "Number of the bill" in counter.log())
    # The switch does not read what the counter sends.
    stop(world.server.process.pid)
    counter.type("1")
    until(lambda: left(world))
    [path] = left(world)
    payments_pb2.Payment.FromString(path.read_bytes())
    until(lambda: syncs.count() == 2)  # the file and its name
    counter.signal(signal.SIGKILL)
    counter.wait()
    world.server.process.send_signal(signal.SIGCONT)
    assert world.counter().wait() == PAID
    assert [one.id.hex() for one in world.payments()] == [path.stem]


@pytest.mark.slow
def test_what_is_not_known_stays_and_is_settled_later(world: World) -> None:
    biller = world.serving()
    counter = asking(world, "--patience", "1", freezes=biller)
    until(lambda: world.payments())
    assert counter.wait(120) == NOT_KNOWN, counter.log()
    assert "Take no cash again, return none" in counter.log()
    [payment] = world.payments()
    assert f"bsk-00001/A/{payment.sequence}" in counter.log()
    assert [path.stem for path in left(world)] == [payment.id.hex()]
    # Meanwhile the bill is shown as what it is.
    biller.thaw()
    world.wait_for(payment.id, payments_pb2.PAYMENT_STATE_COMPLETED)
    assert world.counter().wait() == PAID
    assert len(world.payments()) == 1


def test_what_somebody_else_has_paid_is_refused_in_words(world: World) -> None:
    world.serving()
    counter = world.counter(*BILL)
    until(lambda: "Number of the bill" in counter.log())
    world.pay(world.fetch(BILL[1], centre=OTHER)[0], wait_ms=10_000, centre=OTHER)
    counter.type("1")
    assert counter.wait() == NOT_PAID
    assert "it is paid already, or being paid. Return the cash." in counter.log()
    assert left(world) == []
    # And who comes later is not asked for money.
    later = asking(world, typed="1")
    assert later.wait() == PAID  # it is the other month's
    assert "2026-10" not in later.log()


def test_what_the_department_refuses_is_given_back(world: World) -> None:
    world.serving()
    counter = world.counter(*BILL)
    until(lambda: "Number of the bill" in counter.log())
    world.rows("UPDATE bills SET amount = 1")
    counter.type("1")
    assert counter.wait() == NOT_PAID
    assert "Not credited. Return the cash." in counter.log()
    [payment] = world.payments()
    assert f"bsk-00001/A/{payment.sequence}" in counter.log()
    assert left(world) == []


def test_where_there_is_no_bill_it_says_why(world: World) -> None:
    away = world.counter(*BILL)
    assert away.wait() == NOT_PAID
    assert "The department does not answer" in away.log()
    world.serving()
    nothing = world.counter("WATER-01", "999999999")
    assert nothing.wait() == NOT_PAID
    assert "nothing to pay" in nothing.log()
    wrong = world.counter("WATER-01", "12")
    assert wrong.wait() == NOT_PAID
    assert "no such reference" in wrong.log()
    assert world.fetch(BILL[1])[0].state == counter_pb2.BILL_STATE_DUE
