"""Who finds room in the queue and whose turn it is, a second time: from
docs/architecture.md, with lists, and never taken from the core.
"""

from collections import deque
from dataclasses import dataclass, field

GROUP_MAX = 8_190
TURN_ROWS = 64
KEPT_PART = 4
RESERVE_PART = 64


@dataclass
class Call:
    """One call that waits."""

    tag: int
    rows: int
    bytes: int
    """Of its body, and of the tail that it can add."""


@dataclass
class Sender:
    """What waits of one, and the rows that it may still send in its turn."""

    calls: deque[Call] = field(default_factory=deque)
    credit: int = 0
    rows: int = 0
    bytes: int = 0

    def count(self, call: Call, sign: int) -> None:
        """It waits from here on, or no longer."""
        self.rows += sign * call.rows
        self.bytes += sign * call.bytes


class FairQueue:
    """Senders of payments in two lines: who had nothing waiting, and the round."""

    def __init__(self, rows_max: int, bytes_max: int) -> None:
        """Empty."""
        self._max = (rows_max, bytes_max)
        self._senders: dict[int, Sender] = {}
        self._fresh: deque[int] = deque()
        self._round: deque[int] = deque()
        self._in_turn: dict[str, bool] = {"fresh": False, "round": False}
        self._led = False
        self._led_line = "answers"
        self._group: list[Call] = []
        self._sent = 0
        self._all = [0, 0]

    def rows(self, sender: int | None = None) -> int:
        """Rows that wait, of one or of all."""
        return self._sums(sender)[0]

    def _sums(self, sender: int | None = None) -> tuple[int, int]:
        if sender is None:
            return self._all[0], self._all[1]
        one = self._senders.get(sender)
        return (one.rows, one.bytes) if one else (0, 0)

    def add(self, sender: int, call: Call) -> bool:
        """Whether it found room."""
        mine, all_ = self._sums(sender), self._sums()
        for at, size in enumerate((call.rows, call.bytes)):
            most, after = self._max[at], all_[at] + size
            if mine[0]:
                kept = max(most // KEPT_PART, mine[at] + size)
            else:
                kept = -(most // RESERVE_PART) if call.rows <= TURN_ROWS else 0
            if after + kept > most:
                return False
        if sender not in self._senders:
            self._senders[sender] = Sender()
            self._fresh.append(sender)
        self._senders[sender].calls.append(call)
        self._count(self._senders[sender], call, 1)
        return True

    def _count(self, sender: Sender, call: Call, sign: int) -> None:
        sender.count(call, sign)
        self._all[0] += sign * call.rows
        self._all[1] += sign * call.bytes

    def _send(self, sender: Sender) -> None:
        call = sender.calls.popleft()
        self._count(sender, call, -1)
        self._sent += call.rows
        sender.credit -= call.rows
        self._group.append(call)

    def _serve(self, name: str, room: int) -> None:
        line = self._fresh if name == "fresh" else self._round
        while line:
            sender = self._senders[line[0]]
            if not self._in_turn[name]:
                sender.credit += TURN_ROWS
            self._in_turn[name] = True
            while sender.calls and sender.calls[0].rows <= sender.credit:
                if self._sent + sender.calls[0].rows > room:
                    return
                self._send(sender)
            self._in_turn[name] = False
            number = line.popleft()
            if sender.calls:
                self._round.append(number)
            else:
                del self._senders[number]

    def group(self) -> list[Call]:
        """What goes out next, without holds that are due."""
        self._group = []
        self._sent = 0
        led = False
        if not self._led:
            order = ["fresh", "round"]
            if self._led_line == "fresh":
                order.reverse()
            for name in order:
                if self._in_turn[name]:
                    line = self._fresh if name == "fresh" else self._round
                    self._send(self._senders[line[0]])
                    self._led_line = name
                    led = True
                    break
        self._led = led
        self._serve("fresh", self._sent + (GROUP_MAX - self._sent) // 2)
        for name in ("round", "fresh", "round"):
            self._serve(name, GROUP_MAX)
        return self._group
