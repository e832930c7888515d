"""A seeded walk that pays out, as `bank_walk` goes: `python -m tests.audit.payout_walk
DIR SEED STEPS people|nobody`.

Beneficiaries come, change and go; payouts name what they like; wallets are made to owe;
bank accounts are opened, most often too late; windows are closed by a schedule and by
command; balances are low; certificates are revoked, by whoever.
"""

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from switch.codes import Kind, Record, Result, Role, RowFlag
from switch.ledger.explained import window_lines
from tests import signing
from tests.audit.bank_walk import (
    CENTRE,
    CHECKER,
    DAY_NS,
    FIRST,
    FLOAT,
    HEAD,
    MAKER,
    MIRRORS,
    ONE,
    OTHER_WALLET,
    SECOND,
    SECOND_NS,
    SETTLEMENT,
    SUSPENSE,
    TWO,
    WALLET,
    Walk,
    Who,
    register,
)
from tests.audit.payout_story import OWED, beneficiary, limit, schedule
from tests.audit.test_audit_certificates import person as participant
from tests.records import Row, confirmation, revocation
from tests.signing import Line

HOUR_S = 3600
AUTHORITY = b"\x11" * 32
PEOPLE = (MAKER, FIRST, SECOND, CHECKER)


class PayoutWalk(Walk):
    """Asks for this and that of what is paid out."""

    def __init__(self, path: Path, seed: int, *, people: bool) -> None:
        super().__init__(path, seed, people=people)
        self.benefits: list[int] = [0, 1, 4]
        """What payouts name: nothing, rows of the register, and of beneficiaries."""
        self.revoked, self.revoker = 0, FIRST
        self.do(Line(Kind.TRANSFER, 500, 0, min(MIRRORS), FLOAT, b"opening"))

    def step(self) -> None:
        """One thing of many, every other time one of a bank's."""
        if self.rng.random() < 0.5:
            super().step()
            return
        steps: tuple[tuple[int, Callable[[], None]], ...] = (
            (30, self.pay_out),
            (18, self.owe),
            (8, self.benefit),
            (5, self.wait),
            (3, self.thresholds),
            (3, self.schedule),
            (8, self.pass_by),
            (4, self.close_window),
            (8, self.low),
            (14, self.revoke),
            (2, self.open_bank),
            (2, self.participant),
        )
        weights = [weight for weight, _ in steps]
        self.rng.choices([one for _, one in steps], weights)[0]()

    def accepted(self, *lines: Line) -> list[int]:
        """The sequences of lines that were done."""
        told = self.do(*lines)
        return [at for at, result in told if at and result == Result.OK]

    def benefit(self) -> None:
        rng = self.rng
        account = rng.choice((HEAD, HEAD, HEAD, HEAD, WALLET, 99))
        number = b"NUMBER%d" % rng.randrange(3)
        record = beneficiary(account, int(rng.random() < 0.8), number)
        self.benefits += self.accepted(register(record))

    def pay_out(self) -> None:
        rng = self.rng
        self.do(Line(Kind.TRANSFER, 300, 0, FLOAT, SETTLEMENT, b"lent"))
        if rng.random() < 0.2:
            self.settle()
        about = self.benefits[-1] if rng.random() < 0.7 else rng.choice(self.benefits)
        flags = OWED if rng.random() < 0.05 else 0
        amount, transit = rng.choice((100, 200, 900)), rng.choice((9, 9, 12))
        line = Line(
            *(Kind.TRANSFER, amount, about, SETTLEMENT, transit, b"payout", b"", flags)
        )
        for sequence in self.accepted(line):
            self.counts["paid"] += 1
            self.counts["paid-to"] += about != 0
            self.asked.append(sequence)

    def settle(self) -> None:
        """What a biller account is owed is moved to settlement."""
        self.do(Line(Kind.TRANSFER, 200, 0, FLOAT, HEAD, b"lent"))
        self.close_window()
        rows = self._windows()
        if not len(rows):
            return
        number = int(rows["sequence"][-1])
        lines = window_lines(self.ledger, number)
        for line in lines[lines["account"] == HEAD]:
            amount = int(line["payable"])
            self.do(Line(Kind.SETTLE, amount, number, HEAD, SETTLEMENT, bytes(32)))

    def owe(self) -> None:
        """What the bank took is taken from a wallet, perhaps more than it has."""
        rng = self.rng
        for number in reversed(self.booked[-12:]):
            item = self.ledger.rows(number, 1)[0]
            if int(item["credit"]) in MIRRORS and rng.random() < 0.7:
                break
        else:
            return
        wallet = rng.choice((WALLET, OTHER_WALLET, WALLET, OTHER_WALLET, SUSPENSE))
        transit, amount = int(item["debit"]), int(item["amount"])
        about = number if rng.random() < 0.9 else rng.choice((0, 3, number + 1))
        flags = OWED if rng.random() < 0.8 else 0
        self.accepted(
            Line(Kind.TRANSFER, amount, about, wallet, transit, b"took", b"", flags)
        )

    def wait(self) -> None:
        """Time passes, that beneficiaries are paid."""
        self.now += self.rng.choice((60, HOUR_S, 12 * HOUR_S, 86_400)) * SECOND_NS

    def thresholds(self) -> None:
        wait_s = self.rng.choice((0, 30, 60, 60, HOUR_S))
        bounds = 10**6, 10**7, 10**9
        record = struct.pack("<B3xIQQQ", Record.THRESHOLDS, wait_s, *bounds)
        self.do(register(record))

    def schedule(self) -> None:
        rng = self.rng
        minutes = sorted(rng.sample(range(1440), rng.randrange(9)))
        self.do(register(schedule(minutes, rng.randrange(128))))

    def pass_by(self) -> None:
        """Days pass, or some nanoseconds of a group at a time."""
        self.now += self.rng.choice((1, 1, 2, 7)) * DAY_NS // 2
        if self.rng.random() < 0.05:
            self.now += 200 * DAY_NS

    def close_window(self) -> None:
        """By command, behind the last one or another."""
        rows = self._windows()
        last = int(rows["sequence"][-1]) if len(rows) else 0
        about = last if self.rng.random() < 0.8 else self.rng.choice((0, 3, last))
        row = Row(Kind.WINDOW, resolves=about)
        row.participant, row.operator_ = PEOPLE[0] if self.people else (ONE, 0)
        self.commit(self.signed(row) if self.people else row)

    def _windows(self) -> Any:
        rows: Any = self.ledger.rows(1, self.ledger.sequence)
        return rows[(rows["kind"] == Kind.WINDOW) & (rows["result"] == Result.OK)]

    def low(self) -> None:
        rng = self.rng
        wallet = rng.choice((WALLET, OTHER_WALLET, WALLET, OTHER_WALLET, HEAD))
        record = limit(rng.choice((0, 1, 200, 500, 10**18)), rng.choice((0, 1, 2, 2)))
        self.do(Line(Kind.LIMIT, 0, 0, wallet, tail=record))

    def revoke(self) -> None:
        """Whoever may, or not, with a signature where that must be."""
        rng = self.rng
        if rng.random() < 0.5:
            whose = rng.choice((CENTRE, CENTRE, CENTRE, ONE, 99))
            record = revocation(whose, AUTHORITY, bytes([1 + rng.randrange(200)]))
        else:
            number = rng.choice((self.revoked, max(self.revoked, 2) - 1, 99))
            record = confirmation(number or 1)
        who: Who = rng.choice(PEOPLE if self.people else ((ONE, 0), (TWO, 0)))
        if record[0] == Record.CONFIRMATION and rng.random() < 0.3:
            who = self.revoker
        row = Row(Kind.REGISTER, id=self._id(), tail=record)
        row.participant, row.operator_ = who
        if self.people and rng.random() < 0.9:
            row = self.signed(row)
        made = self.commit(row)[0][1] == Result.OK
        self.counts[f"record{record[0]}"] += made
        if made and record[0] == Record.REVOCATION:
            self.revoked, self.revoker = self.revoked + 1, who

    def open_bank(self) -> None:
        sides = [self.rng.choice((7, 10)), FLOAT]
        self.rng.shuffle(sides)
        self.do(Line(Kind.TRANSFER, 300, 0, sides[0], sides[1], b"opening"))

    def participant(self) -> None:
        """Whose the bank's connection is, is said again."""
        self.do(register(participant(ONE, Role.TREASURY)))

    def _meanwhile(self) -> None:
        super()._meanwhile()
        if self.begun and self.people and self.rng.random() < 0.02:
            row, sequence = self.propose(MAKER, [register(participant(ONE))])
            if sequence:
                checker = self.approve(row, sequence)
                for line in signing.line_rows(row, sequence, checker=checker):
                    self.commit(line)

    def sums(self) -> None:
        """What came of it, beside answers."""
        rows = self.ledger.rows(1, self.ledger.sequence)
        good = rows[rows["result"] == Result.OK]
        windows = self._windows()
        self.counts["cut-off"] = int((windows["participant"] == 0).sum())
        moves = good[good["kind"] == Kind.TRANSFER]
        self.counts["owed"] = int(((moves["flags"] & RowFlag.OWED) != 0).sum())
        opened = np.isin(moves["debit"], list(MIRRORS))
        opened |= np.isin(moves["credit"], list(MIRRORS))
        self.counts["opened"] = int(opened.sum())


def main(path: str, seed: str, steps: str, who: str) -> None:
    """Walk, and say what came of it."""
    walk = PayoutWalk(Path(path), int(seed), people=who == "people")
    for _ in range(int(steps)):
        walk.step()
    walk.sums()
    while walk.ledger.index_step():
        pass
    walk.ledger.close()
    for name, count in sorted(walk.counts.items()):
        sys.stdout.write(f"{name} {count}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
