"""Goal: a follower is the leader of an earlier moment, at whichever row it stands.

Method: payments, baskets and holds, their ends and their expiry, in groups of any size,
through a log. A follower takes them in portions of any size; where it stops it must
have the accounts and postings that the leader had at that row. A copy of it then leads:
every id that was sent by then has the answer that it had. `make torture` sends 100,000.
"""

import random
import shutil
from pathlib import Path
from typing import Any

from switch._core import LOG_DONE, Ledger
from switch.cluster.log import sealed
from switch.codes import Result
from tests.cluster.clients import Told
from tests.cluster.small_ledger import (
    HOLDS,
    SECOND_NS,
    SmallLedger,
    open_copy,
    paid,
)
from tests.longer import SEED, TIMES
from tests.model import Ask, Payments
from tests.records import Outcome

PAYMENTS = 2_000 if TIMES == 1 else 100_000
STOPS = 6
"""At which all that was sent before is sent again."""
AGAIN = 400
"""Requests of a group of those."""


def everything(ledger: Ledger) -> list[Any]:
    """Accounts, holds, and the newest postings of each account."""
    accounts, sequence = ledger.accounts()
    found: list[Any] = [sequence, accounts.tobytes(), ledger.state_hash()]
    found += [ledger.holds().tolist(), ledger.head]
    for account in range(1, len(accounts)):
        found.append(ledger.account_rows(account, sequence + 1, 200).tolist())
        found.append(ledger.balance_at(account, max(1, sequence * 2 // 3)))
    return found


def end_of(chunk: bytes) -> int:
    """The sequence of its last row."""
    return sealed(chunk).last


class Leading:
    """The leader, and what it has said and had, row by row."""

    def __init__(self, small: SmallLedger, path: Path, chance: random.Random) -> None:
        self.small = small
        self.chance = chance
        self.ledger = open_copy(small.copied(path))
        self.log: list[bytes] = []
        self.ledger.replicate(self.append, 1)
        self.now = small.now
        self.number = 0
        self.sent: list[tuple[int, Payments]] = []
        """Each message, and the row at which the leader was when it was answered."""
        self.told: dict[bytes, Told] = {}
        self.holds: list[tuple[int, int]] = []
        self.moments: dict[int, list[Any]] = {}

    def append(self, chunk: bytes) -> int:
        """It is in the log."""
        self.log.append(chunk)
        return LOG_DONE

    def ask(self) -> Ask:
        """Something new."""
        draw = self.chance.randrange(10)
        first = self.number + 1
        if draw == 0 and self.holds:
            sequence, number = self.holds.pop(self.chance.randrange(len(self.holds)))
            return self.small.confirm(sequence, number, yes=self.chance.random() < 0.6)
        self.number += 3 if draw == 1 else 1
        if draw == 1:
            return self.small.basket(first, first + 1, first + 2)
        if draw <= 3:
            return self.small.pay(first, service=HOLDS, centre=draw % 3)
        return self.small.pay(first, centre=draw % 3)

    def group(self) -> None:
        """One of any size; some time passes, and sometimes much."""
        passed = self.chance.choice((1, 1, 5, 60, 700))
        self.now += passed * SECOND_NS
        asks = [self.ask() for _ in range(self.chance.choice((1, 1, 3, 20, 60)))]
        told = iter(paid(self.ledger, asks, self.now))
        for ask in asks:
            if isinstance(ask, Payments):
                self.heard(ask, next(told))

    def heard(self, ask: Payments, outcomes: list[Outcome]) -> None:
        """What was answered."""
        self.sent.append((self.ledger.sequence, ask))
        payments = ask.payments + [each for basket in ask.baskets for each in basket]
        for payment, one in zip(payments, outcomes, strict=True):
            assert one.result == Result.OK
            self.told[payment.id] = lasting(one)
            if payment.service == HOLDS:
                number = int.from_bytes(payment.id[9:], "big")
                self.holds.append((one.sequence, number))


def lasting(one: Outcome) -> Told:
    """What of an answer lasts: a hold has its receipt once it is posted."""
    return Told(one.result, one.sequence, one.timestamp, 0)


def resend(leading: Leading, path: Path) -> int:
    """A follower's copy leads and is asked again; how many ids that was."""
    asked = 0
    with open_copy(path) as ledger:
        before = ledger.sequence
        ledger.replicate(lambda chunk: LOG_DONE, 2)
        sent = [ask for at, ask in leading.sent if at <= before]
        for start in range(0, len(sent), AGAIN):
            asks: list[Ask] = list(sent[start : start + AGAIN])
            told = paid(ledger, asks, ledger.timestamp)
            for ask, outcomes in zip(sent[start : start + AGAIN], told, strict=True):
                all_of = ask.payments + [each for b in ask.baskets for each in b]
                for payment, one in zip(all_of, outcomes, strict=True):
                    assert lasting(one) == leading.told[payment.id]
                    asked += 1
        assert ledger.sequence == before
    return asked


def test_a_follower_is_the_leader_of_an_earlier_row(
    small: SmallLedger, tmp_path: Path
) -> None:
    """At each of some stops, and at the end."""
    chance = random.Random(SEED)
    leading = Leading(small, tmp_path / "leader", chance)
    ends = []
    while leading.number < PAYMENTS:
        leading.group()
        ends.append(leading.ledger.sequence)
        if chance.random() < 0.2:
            leading.ledger.index_step()
        if chance.random() < 0.1 or leading.number >= PAYMENTS:
            leading.moments[ends[-1]] = everything(leading.ledger)
    assert len(leading.moments) > STOPS
    stops = sorted({ends[-1], *chance.sample(sorted(leading.moments), STOPS - 1)})
    path = small.copied(tmp_path / "follower")
    follower = open_copy(path)
    asked = 0
    at = 0
    while at < len(leading.log):
        most = chance.choice((1, 1, 2, 5))
        upto = next(stop for stop in stops if stop > follower.sequence)
        chunks = [each for each in leading.log[at : at + most] if end_of(each) <= upto]
        at += len(chunks)
        assert follower.follow(chunks) == end_of(chunks[-1])
        if chance.random() < 0.2:
            follower.index_step()
        if follower.sequence in stops:
            assert everything(follower) == leading.moments[follower.sequence]
            copy = tmp_path / f"copy-{follower.sequence}"
            follower.close()
            shutil.copytree(path, copy)
            asked += resend(leading, copy)
            follower = open_copy(path)
            assert everything(follower) == leading.moments[follower.sequence]
    assert follower.sequence == leading.ledger.sequence
    assert asked > 2 * PAYMENTS
    follower.close()
    leading.ledger.close()
