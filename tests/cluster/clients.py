"""Who asks the switches of the simulation, and sends again what was not answered.

Each client has one request under way: a payment, several, a basket, or a biller's word
about a hold. It sends the very same again when it is told that nothing was done, when
it waits too long, and sometimes for no reason, to two switches at once or behind an
answer; what it was told first is what it must always be told.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from switch.codes import Result
from tests.cluster.small_ledger import DIRECT, HOLDS
from tests.core.wire import decode_reply
from tests.model import Ask

if TYPE_CHECKING:
    from tests.cluster.history import History

PATIENCE_S: Final = 1.5
"""Until it asks another one."""


class Request(NamedTuple):
    """What is asked for; the same each time that it is sent."""

    client: int
    turn: int
    ask: Ask
    hold: int = 0
    """Number of the payment that is to be held."""


class Told(NamedTuple):
    """What stays the same in all answers about one id; a hold has its receipt later."""

    result: int
    sequence: int
    timestamp: int
    receipt: int


class Client:
    """One of them; its numbers are its own."""

    def __init__(self, history: "History", name: int, turns: int) -> None:
        self.history = history
        self.name = name
        self.left = turns
        self.turn = 0
        self.request: Request | None = None
        self.since = 0.0
        self.target = name
        self.holds: list[tuple[int, int]] = []
        """(sequence, number) of holds that its biller has not spoken of."""

    @property
    def is_done(self) -> bool:
        """Whether all of it is answered."""
        return self.request is None and not self.left

    def step(self) -> None:
        """Ask, or ask again."""
        history = self.history
        if self.request is None:
            if not self.left or history.chance.random() < 0.5:
                return
            self.left -= 1
            self.request = self._new()
            self._send()
        elif history.schedule.time - self.since > PATIENCE_S:
            self.target += 1
            self._send()
        elif history.chance.random() < 0.01:
            self.history.send(self.request, self.target + 1)

    def _new(self) -> Request:
        history, small = self.history, self.history.small
        self.turn += 1
        number = 1_000 * (self.name + 1) + 10 * self.turn
        kind = history.chance.randrange(6)
        if self.holds and kind < 3:
            sequence, held = self.holds.pop()
            yes = history.chance.random() < 0.7
            return self._request(small.confirm(sequence, held, yes=yes))
        if kind < 2:
            ask = small.pay(number, service=HOLDS)
            return self._request(ask, number)
        if kind == 2:
            return self._request(small.basket(number, number + 1, number + 2))
        if kind == 3:
            return self._request(small.pay(number, number + 1, service=DIRECT))
        return self._request(small.pay(number))

    def _request(self, ask: Ask, hold: int = 0) -> Request:
        return Request(self.name, self.turn, ask, hold)

    def _send(self) -> None:
        assert self.request is not None
        self.since = self.history.schedule.time
        self.history.send(self.request, self.target)

    def turned_away(self, request: Request) -> None:
        """Nothing was done: another one is asked, a little later."""
        if request is self.request:
            self.target += 1
            self.since = self.history.schedule.time - PATIENCE_S + 0.1

    def answered(self, request: Request, reply: object) -> None:
        """The first answer, or one more."""
        if isinstance(reply, bytes):
            for id_, one in decode_reply(reply):
                told = Told(one.result, one.sequence, one.timestamp, one.receipt)
                first = self.history.told.get(id_, told)
                same = first if first.receipt else first._replace(receipt=told.receipt)
                if told != same:
                    raise AssertionError(f"{id_!r} was {first}, and is {told}")
                self.history.told[id_] = told
                if request is self.request and request.hold and told.result == 1:
                    self.holds.append((told.sequence, request.hold))
        if request is not self.request:
            return
        self.request = None
        if self.history.chance.random() < 0.1:
            # Once more, although it is known.
            self.history.send(request, self.target)


__all__ = ["Client", "Request", "Result", "Told"]
