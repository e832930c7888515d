"""A small ledger that is copied for each case, and what is asked of it.

It has two services, one that pays at once and one that holds; its model goes on where
the copies do.
"""

import pickle
import shutil
from pathlib import Path
from typing import Any

from switch._core import Ledger
from switch.codes import Result
from tests.core.market import CONFIRMED, DEADLINE_S, Market
from tests.core.pair import to_request
from tests.core.wire import decode_reply
from tests.model import Answers, Ask, Model, Payments
from tests.records import Outcome, Payment, Said

INSTANCE = b"a ledger's name."
OPTIONS: dict[str, Any] = {
    "map_size": 1 << 28,
    "reserve_size": 0,
    "threads": False,
    "index_step_rows": 16,
}
SECOND_NS = 10**9
DIRECT, HOLDS = b"DIRECT", b"HOLDS"


class SmallLedger:
    """The one that is copied; closed from here on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        market = Market(path, instance=INSTANCE, map_size=OPTIONS["map_size"])
        market.service(DIRECT)
        market.service(HOLDS, **CONFIRMED)
        self.now = market.tick()
        self.sender = market.net.harness
        self.biller = market.billers[0][0]
        self.sequence, self.chain, *_ = market.pair.ledger.head
        market.pair.close()
        self._model = pickle.dumps(market.model)

    def copied(self, to: Path) -> Path:
        """A copy, ready to be opened."""
        shutil.copytree(self.path, to)
        return to

    def copied_model(self) -> Model:
        """The model of a copy."""
        model: Model = pickle.loads(self._model)
        return model

    def pay(self, *numbers: int, service: bytes = DIRECT, centre: int = 0) -> Payments:
        """Single payments in one message, each with the id of its number."""
        made = [payment(number, service, centre) for number in numbers]
        return Payments(made, [], self.sender)

    def basket(self, *numbers: int) -> Payments:
        """A basket of payments."""
        return Payments([], [[payment(number) for number in numbers]], self.sender)

    def confirm(self, sequence: int, number: int, *, yes: bool = True) -> Answers:
        """The biller's word about the hold with this number."""
        said = Said(sequence, id_of(number), yes, b"word")
        said.amount = amount_of(number)
        return Answers([said], self.biller)


def id_of(number: int) -> bytes:
    """The id of a payment."""
    return b"simulated" + number.to_bytes(7, "big")


def amount_of(number: int) -> int:
    """Its paise, so small that no wallet runs dry."""
    return 100 + number % 50


def payment(number: int, service: bytes = DIRECT, centre: int = 0) -> Payment:
    """One payment."""
    return Payment(
        id=id_of(number),
        service=service,
        amount=amount_of(number),
        reference=b"CITIZEN-%d" % number,
        centre=b"centre-%d" % centre,
    )


def open_copy(path: Path) -> Ledger:
    """One that is there."""
    return Ledger(str(path), create=False, **OPTIONS)


def new_follower(path: Path) -> Ledger:
    """An empty one that takes the other's chunks."""
    return Ledger(str(path), instance=INSTANCE, **OPTIONS)


def paid(ledger: Ledger, asks: list[Ask], now_ns: int) -> list[list[Outcome]]:
    """Commit requests as one group; what is told of each payment of each."""
    replies = ledger.commit([to_request(ask) for ask in asks], now_ns)
    return [
        [outcome for _, outcome in decode_reply(reply)]
        for reply in replies
        if isinstance(reply, bytes)
    ]


def all_done(told: list[list[Outcome]]) -> bool:
    """Whether each of them is."""
    return all(one.result == Result.OK for each in told for one in each)


__all__ = ["DEADLINE_S", "DIRECT", "HOLDS", "INSTANCE", "OPTIONS", "SECOND_NS"]
