"""Goal: a payment of which its biller says one amount and then another comes to one
end, and what is left of it is put right by the biller's statement.

Method: a simulated biller that says other amounts for an hour, and is asked the same
twice, because its connection broke with the answer on its way: once before that hour
begins or ends, and once after. Its clock is the test's. What it said first is sent
first. The switch is a real one, the office and the proofs are the replayed day's.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from switch.client import Client
from switch.codes import Role
from switch.day.doubts import (
    look,
    prove_credits_have_money,
    prove_money_has_credits,
    prove_nothing_listed,
)
from switch.day.office import Office
from switch.ids import new_id
from switch.simulator.behaviour import AT_ONCE
from switch.simulator.books import Books, read_credits
from switch.simulator.desk import Clock, Desk
from switch.simulator.script import parse_script, parse_time
from switch.v1 import billers_pb2 as pb
from switch.v1 import exceptions_pb2, payments_pb2
from tests.server.harness import CALL_S, Peers, payment, until
from tests.server.scripted_biller import ScriptedBiller

BILLER, SERVICE, AMOUNT = "power", "CONFIRM", 5_000
SCRIPT = parse_script(f"{BILLER} at 11:00 answer amounts 1h -1")
DIFFERS = exceptions_pb2.EXCEPTION_KIND_AMOUNT_DIFFERS
COMPLETED = payments_pb2.PAYMENT_STATE_COMPLETED
KEPT = payments_pb2.PAYMENT_STATE_KEPT


class Told:
    """A clock of the biller that says what it is told."""

    speed = response_speed = 1.0

    def __init__(self, time: str) -> None:
        self.time = time

    def second(self) -> float:
        return parse_time(self.time)


class Biller:
    """Its desk, and what the desk says when the test wants it to."""

    def __init__(self, peers: Peers, record: Path, time: str) -> None:
        self.record = record
        self.clock = Told(time)
        self._peers = peers
        self._heard = 0
        self._books = Books(record)
        clock = cast("Clock", self.clock)
        self._desk = Desk(BILLER, AT_ONCE, self._books, clock=clock, timeline=SCRIPT)
        self._line = self._connect()

    def _connect(self) -> ScriptedBiller:
        return ScriptedBiller(self._peers.biller(BILLER), self._take)

    def _take(self, question: pb.Question) -> list[pb.Answer]:
        message = pb.ConnectResponse(questions=[question])
        self._desk.take(message.SerializeToString())
        return []

    def hear(self) -> None:
        """Wait until the switch has asked once more."""
        self._heard += 1
        until(lambda: self._desk.counts["confirmed"] == self._heard)

    def break_off(self) -> None:
        """Its answer is on its way when the connection ends; it dials again."""
        self._desk.give_back(self._desk.answers())
        self._line.close()
        self._line = self._connect()

    def say(self) -> list[pb.Answer]:
        """Send the next message; what is in it."""
        answers = list(pb.ConnectRequest.FromString(self._desk.answers()).answers)
        self._line.send(*answers)
        return answers

    def close(self) -> None:
        self._line.close()
        self._books.__exit__(None, None, None)


@pytest.fixture
def office(peers: Peers) -> Iterator[tuple[Client, Client]]:
    """The two people."""
    address, authority = peers.server.address, peers.authority
    with (
        Client(address, authority.leaf(Role.TREASURY, "treasury")) as maker,
        Client(address, authority.leaf(Role.TREASURY, "checker")) as checker,
    ):
        yield maker, checker


def pay_and_break(peers: Peers, biller: Biller, then: str) -> bytes:
    """A payment that the biller is asked about twice, the second time at `then`."""
    # Of every other payment it says an amount that it has not credited.
    id_ = new_id()[:-2] + b"\x01\x00"
    [outcome] = peers.centre().pay_all([payment(SERVICE, AMOUNT, id=id_)])
    assert outcome.result == 1
    biller.hear()
    biller.break_off()
    biller.clock.time = then
    biller.hear()
    return id_


def state_of(peers: Peers, id_: bytes) -> int:
    request = payments_pb2.GetPaymentRequest(id=id_)
    return peers.centre().payments.GetPayment(request, timeout=CALL_S).state


def prove(maker: Client, biller: Biller, begun: int) -> None:
    """What the day proves at any time: what differs is in the list."""
    seen = look(maker, [BILLER], biller.record, begun)
    assert prove_credits_have_money(seen, "now").ok
    assert prove_money_has_credits(seen, "now").ok


def prove_all(maker: Client, biller: Biller, begun: int, decided: Any) -> None:
    """And at its end."""
    prove(maker, biller, begun)
    seen = look(maker, [BILLER], biller.record, begun)
    assert prove_nothing_listed(seen, decided).ok


def test_what_was_completed_is_said_to_be_another_amount(
    peers: Peers, office: tuple[Client, Client], tmp_path: Path
) -> None:
    """It was credited as it was paid: the statement closes the case."""
    begun = office[0].ledger().sequence
    biller = Biller(peers, tmp_path / "credits", "10:59:59")
    id_ = pay_and_break(peers, biller, "11:00")
    assert [one.amount for one in biller.say()] == [AMOUNT]
    until(lambda: state_of(peers, id_) == COMPLETED)
    assert [one.amount for one in biller.say()] == [AMOUNT - 1]
    until(lambda: any(one.kind == DIFFERS for one in office[0].exceptions()))
    [listed] = office[0].exceptions()
    assert (listed.amount, listed.reported_amount) == (AMOUNT, AMOUNT - 1)
    assert state_of(peers, id_) == COMPLETED
    prove(office[0], biller, begun)
    decides = Office(*office, "STATEMENTS/1")
    decides.decide(read_credits(biller.record))
    assert decides.decided == {"amount_differs": 1}
    prove_all(office[0], biller, begun, decides.decided)
    biller.close()


def test_another_amount_is_corrected_while_they_decide(
    peers: Peers, office: tuple[Client, Client], tmp_path: Path
) -> None:
    """The list that they go by is older than what the biller says last."""
    begun = office[0].ledger().sequence
    biller = Biller(peers, tmp_path / "credits", "11:59:59")
    id_ = pay_and_break(peers, biller, "12:00")
    assert [one.amount for one in biller.say()] == [AMOUNT - 1]
    until(lambda: state_of(peers, id_) == KEPT)
    prove(office[0], biller, begun)

    class Slow:
        """Reads the list before the biller's last word, and acts behind it."""

        propose = office[0].propose
        asked = 0

        def exceptions(self) -> Any:
            listed = list(office[0].exceptions())
            if not self.asked:
                assert [one.kind for one in listed] == [DIFFERS]
                assert [one.amount for one in biller.say()] == [AMOUNT]
                until(lambda: state_of(peers, id_) == COMPLETED)
            self.asked += 1
            return listed

    maker = Slow()
    decides = Office(cast("Client", maker), office[1], "STATEMENTS/1")
    decides.decide(read_credits(biller.record))
    assert (maker.asked, decides.decided) == (2, {})
    prove_all(office[0], biller, begun, decides.decided)
    biller.close()
