"""A walk in which payments end, margins change and people decide before a day's list.

At each step payments are made, answered, disputed, given back or corrected, time goes
on, the switch starts with another margin, or a biller sends a list of a day. What a
list gives back, and what it may not, is told by a book of the walk's own, written from
docs/billers.md: it keeps of each payment its deadline, the margin of its time and what
became of it. It asks nothing of the product but what it answers.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest

from switch.billing import lacks
from switch.billing.answers import answer_requests
from switch.billing.day_list import Report
from switch.calendar import day_number
from switch.ledger import moves
from tests.billing.dispatch_bench import DEADLINE_S, SECOND, Bench
from tests.billing.test_day_list import correct, line, parsed, send
from tests.core.changes import WrongError

LACKS_MAX, LACKS_AMOUNT_MAX = 4, 900
"""What a list may lack here; a payment is of 100 paise, a basket of 300."""
MARGINS_S = (4, 10, 20, 30)
"""Of a payment of a minute at most the half."""
SETTINGS = {
    "answer_timeout_ms": 1_000,
    "status_first_ms": 10_000,
    "status_interval_max_ms": 40_000,
    "absent_ms": 3_600_000,
}
LENGTHS_S = {"KEPT": 60, "WATER": DEADLINE_S}
"""One keeps its payments when their deadline has passed, the other gives them back."""
LETS_THROUGH = ("this", "this", "less", "another", "none")
"""What two people let through: what the list lacked, less of it, another list."""
UNDECIDED = frozenset(("open", "kept", "unverified", "late"))
"""Nobody has decided these yet: neither their biller in time, nor people."""
AT_STAKE = UNDECIDED | {"completed", "listed"}


@dataclass
class Held:
    """A payment or a basket, by its first hold."""

    number: int
    size: int
    code: str
    time_ns: int
    margin_s: int
    """That of the time when it was held."""
    state: str = "open"
    """open, kept, unverified (given back, and its biller has not said anything), late
    (then its biller said that it has credited it), completed, listed (given back by a
    list), back (by people), claimed (then its biller said that it has credited it)."""
    is_disputed: bool = False

    @property
    def amount(self) -> int:
        return 100 * self.size

    @property
    def due_ns(self) -> int:
        return self.time_ns + LENGTHS_S[self.code] * SECOND

    @property
    def _margin_ns(self) -> int:
        return min(self.margin_s, LENGTHS_S[self.code] // 2) * SECOND

    @property
    def credit_until_ns(self) -> int:
        """Its biller's last moment to credit it."""
        return self.due_ns - self._margin_ns

    @property
    def final_ns(self) -> int:
        """From when a biller that has not seen it never credits it."""
        return self.due_ns - self._margin_ns // 2


class ListsWalk:
    """One ledger, and the book of what lists may give back."""

    def __init__(self, path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rng = Random(seed)
        self.met: Counter[tuple[str, str]] = Counter()
        self.wrong = ""
        self.held: list[Held] = []
        self.margin_s = MARGINS_S[0]
        self.monkeypatch = monkeypatch
        self.said = ""
        """What the biller's record says that people let through."""
        monkeypatch.setattr(lacks, "LACKS_MAX", LACKS_MAX)
        monkeypatch.setattr(lacks, "LACKS_AMOUNT_MAX", LACKS_AMOUNT_MAX)
        self.bench = Bench(path, **SETTINGS, credit_margin_ms=self.margin_s * 1_000)
        self._begin()

    def _begin(self) -> None:
        """What a dispatcher that has just started is told."""
        register = self.bench.register
        self.monkeypatch.setattr(register, "let_through", lambda _: self.said)
        # What was never offered is given back.
        self.bench.dispatch.biller(self.bench.index("water")).pull()

    def close(self) -> None:
        """Close the ledger."""
        self.bench.ledger.close()

    # --- what happens to payments -----------------------------------------------------

    def pay(self) -> None:
        """One to three payments, or a basket of three."""
        code = self.rng.choice(("KEPT", "KEPT", "WATER"))
        basket = 3 if self.rng.random() < 0.2 else 0
        count = 1 if basket else self.rng.randrange(1, 4)
        numbers = self.bench.pay(count, code=code, basket=basket)
        for number in numbers[:: basket or 1]:
            time_ns = self.bench.ledger.row(number).timestamp
            made = Held(number, basket or 1, code, time_ns, self.margin_s)
            self.held.append(made)

    def _one(self, *states: str) -> Held | None:
        found = [held for held in self.held if held.state in states]
        return self.rng.choice(found) if found else None

    def confirm(self) -> None:
        """Its biller's own word."""
        if held := self._one("open", "kept"):
            self._say(held)
            held.state = "completed"
            held.is_disputed = False

    def dispute(self) -> None:
        """Its biller names another amount: that is people's to decide."""
        if held := self._one("open", "kept"):
            self._say(held, more=5)
            held.is_disputed = True

    def _say(self, held: Held, more: int = 0) -> None:
        answer = parsed([line(self.bench, held.number, more=more)])
        sizes = np.array([held.size], np.uint8)
        who = self.bench.index("water")
        for request in answer_requests(answer, sizes, who, self.bench.ledger):
            self.bench.commit(request)
        self.bench.dispatch.look()

    def give_back(self) -> None:
        """The treasury gives one back."""
        held = self._one("open")
        if held and held.size == 1 and not held.is_disputed:
            self.bench.do(moves.void(held.number))
            self.bench.dispatch.look()
            held.state = "back"

    def correct(self) -> None:
        """Two people have one paid after all that was given back."""
        held = self._one("late", "claimed")
        if held and held.size == 1:
            correct(self.bench, held.number)
            self.bench.dispatch.look()
            held.state = "completed"

    def wait(self) -> None:
        """Time goes on, and deadlines pass."""
        self.bench.pass_s(self.rng.choice((1, 2, 5, 10, 25, 61, 900, 2 * 3_600)))
        # Nothing ends within a step: which of the two came first would be a guess.
        while any(
            held.state == "open" and abs(held.due_ns - self.bench.wall_ns()) < SECOND
            for held in self.held
        ):
            self.bench.pass_s(2)
        self.bench.expire()
        for held in self.held:
            if held.state == "open" and held.due_ns <= self.bench.wall_ns():
                is_kept = held.code == "KEPT" or held.is_disputed
                held.state = "kept" if is_kept else "unverified"

    def start_again(self) -> None:
        """With another margin, from now on."""
        self.margin_s = self.rng.choice(MARGINS_S)
        self.bench.restart(**SETTINGS, credit_margin_ms=self.margin_s * 1_000)
        self._begin()
        _, connection = self.bench.connect()
        told = {each.number: each.credit_until_ns for each in connection.take()}
        for held in self.held:
            until_ns = told.get(held.number, held.credit_until_ns)
            self._is("until when", until_ns == held.credit_until_ns)
        self.met["start", "asked"] += len(told)

    # --- what a biller says of a day --------------------------------------------------

    def list_day(self) -> None:
        """A list of today or yesterday, which lacks some."""
        today = day_number(self.bench.wall_ns())
        day = self.rng.choice((today, today, today - 1))
        of_day = [held for held in self.held if day_number(held.time_ns) == day]
        share = self.rng.choice((0.0, 0.5, 0.9, 0.97, 1.0))
        listed = [held for held in of_day if self.rng.random() < share]
        # Lists do not give back what their biller has confirmed, most of the time.
        if self.rng.random() < 0.8:
            listed = [
                held for held in of_day if held in listed or held.state == "completed"
            ]
        found = self._send(day, of_day, listed)
        if found.lacks is not None and self._let_through(found.lacks):
            self._send(day, of_day, listed)

    def _let_through(self, found: lacks.Lacks) -> bool:
        """Two people let something through: whether it is this list."""
        what = self.rng.choice(LETS_THROUGH)
        day, digest, count, amount = found.let_through.split()
        if what == "this":
            self.said = found.let_through
        elif what == "less":
            self.said = f"{day} {digest} {int(count) - 1} {amount}"
        elif what == "another":
            self.said = f"{day} {'0' * 64} {count} {amount}"
        return what != "none"

    def _send(self, day: int, of_day: Sequence[Held], listed: Sequence[Held]) -> Report:
        bench = self.bench
        last, now = bench.ledger.sequence, bench.wall_ns()
        gone = [held for held in of_day if held not in listed and held.final_ns <= now]
        stake = [held for held in gone if held.state in AT_STAKE]
        amount = sum(held.amount for held in stake)
        lacks_much = (
            len(stake) > max(LACKS_MAX, len(listed)) or amount > LACKS_AMOUNT_MAX
        )
        lines = [line(bench, held.number) for held in listed]
        found = send(bench, *lines, day=day)
        if lacks_much and not self._is_let_through(found, len(stake), amount):
            lacking = found.lacks
            told = lacking and (lacking.payments, lacking.amount)
            self._is("list that lacks too much", told == (len(stake), amount))
            self.met["list", "lacks too much"] += 1
            self._is("a list that changes nothing", bench.ledger.sequence == last)
            return found
        self._is("list", found.lacks is None)
        self.met["list", "let through" if lacks_much else "small"] += 1
        self._note(listed, gone, found)
        self._check_ends()
        return found

    def _is_let_through(self, found: Report, count: int, amount: int) -> bool:
        """Whether people let just this list through, with no more than they saw."""
        if not self.said:
            return False
        _, digest, most, sum_most = self.said.split()
        if found.lacks is not None:
            named = found.lacks.let_through.split()[:2] == self.said.split()[:2]
        else:
            named = digest != "0" * 64
        return named and count <= int(most) and amount <= int(sum_most)

    def _note(
        self, listed: Sequence[Held], gone: Sequence[Held], found: Report
    ) -> None:
        """What must have become of each payment of that day."""
        for held in listed:
            if held.state in ("open", "kept"):
                held.state, held.is_disputed = "completed", False
            elif held.state in ("unverified", "back"):
                held.state = "late" if held.state == "unverified" else "claimed"
        disputed = []
        for held in gone:
            if held.is_disputed:
                disputed.append(held.number)
                self.met["dispute", "left"] += 1
            elif held.state in UNDECIDED or held.state == "claimed":
                self.met[held.state, "given back by a list"] += 1
                held.state = "listed"
        self._is("disputes", sorted(found.disputed.tolist()) == sorted(disputed))

    def _check_ends(self) -> None:
        """What is open, kept or unverified is so in the ledger, and nothing else."""
        ledger = self.bench.ledger
        for held in self.held:
            end = ledger.resolution(held.number)[0]
            is_ended = held.state not in ("open", "kept")
            self._is(f"{held.number}, {held.state}", bool(end) is is_ended)
        waits = ("unverified", "late")
        waiting = {held.number for held in self.held if held.state in waits}
        firsts = {held.number for held in self.held}
        found = firsts & set(ledger.unverified().tolist())
        self._is("unverified", found == waiting)

    def _is(self, what: str, is_so: bool) -> None:
        """Raises WrongError."""
        if not is_so:
            raise WrongError(f"{what}: not as the rules say")

    # --- all of it --------------------------------------------------------------------

    def steps(self, count: int) -> None:
        """So many steps. Raises WrongError, which is noted, too."""
        weighted = (
            (self.pay, 30),
            (self.confirm, 14),
            (self.dispute, 8),
            (self.give_back, 4),
            (self.correct, 4),
            (self.wait, 20),
            (self.start_again, 3),
            (self.list_day, 10),
        )
        steps, weights = zip(*weighted, strict=True)
        for at in range(count):
            [step] = self.rng.choices(steps, weights)
            try:
                step()
                self._check_ends()
            except WrongError as error:
                self.wrong = f"step {at}, {step.__name__}: {error}"
                raise
