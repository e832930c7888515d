"""Ledgers that pay out, row by row: each row is right unless a test changes it.

They go on from those with a bank: beneficiaries, which three people want, payouts to
them, what wallets owe, openings, and the windows of a schedule.
"""

import datetime as dt
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from switch.codes import Kind, Record, RowFlag
from tests.audit.bank_story import TRANSIT, BankDesk, ends, went
from tests.audit.journal_writer import Images, Row
from tests.audit.people_story import (
    DAY,
    HEAD,
    ONE,
    SETTLEMENT,
    THRESHOLDS,
    UPDATE,
    WALLET,
    register,
    rules_record,
)
from tests.signing import Line

OWED = int(RowFlag.OWED)
SIGNED_WINDOWS = 20
"""Rules from which on."""
HOUR = DAY // 24
MONDAY = dt.date(2026, 9, 28)
"""A week after the story has begun."""
WORKDAYS = 0b0011111
NOON, EVENING = 12 * 60, 18 * 60
EPOCH = dt.datetime(1970, 1, 1, 5, 30)  # noqa: DTZ001 - IST, by its wall
Tell = Callable[["PayoutDesk", bool], object]
"""Rows that go on from a ledger that has begun, right or forged."""
Forgery = tuple[str, str, Tell]
"""The check that finds it, by what words, and how it is told."""


def beneficiary(
    account: int = HEAD,
    active: int = 1,
    number: bytes = b"000999888777",
    ifsc: bytes = b"BANK0000042",
) -> bytes:
    """The record of a beneficiary."""
    fixed = Record.BENEFICIARY, active, account
    return struct.pack("<BB2xI40s16s", *fixed, number, ifsc)


def schedule(
    cutoffs: Sequence[int] = (NOON, EVENING),
    weekdays: int = WORKDAYS,
    holidays: Sequence[dt.date] = (),
) -> bytes:
    """The record of a schedule."""
    days = [(day - dt.date(1970, 1, 1)).days for day in holidays]
    minutes = [*cutoffs, *[0] * (8 - len(cutoffs))]
    fixed = Record.SCHEDULE, weekdays, len(cutoffs), len(days)
    return struct.pack(f"<BBBxH2x8H{len(days)}H", *fixed, *minutes, *days)


def thresholds(wait_s: int) -> bytes:
    """The record of thresholds as they were, with another wait."""
    bounds = THRESHOLDS.single, THRESHOLDS.batch, THRESHOLDS.day
    return struct.pack("<B3xIQQQ", Record.THRESHOLDS, wait_s, *bounds)


def limit(low_balance: int, form: int = 2) -> bytes:
    """The record of a wallet's limit with a low balance."""
    most = 2**64 - 1
    return struct.pack("<QIB3xQQ", most, 2**32 - 1, form, most, low_balance)


def at(day: dt.date, minute: int = 0) -> int:
    """A minute of an IST day, ns."""
    time = dt.datetime.combine(day, dt.time()) - EPOCH
    return (time // dt.timedelta(minutes=1) + minute) * 60 * 10**9


class PayoutDesk(BankDesk):
    """A ledger with people and banks that pays out, as they make it."""

    def benefits(self, record: bytes | None = None, **fields: Any) -> Row:
        """A beneficiary's row, which three have wanted."""
        line = register(beneficiary() if record is None else record)
        return self.done(line, **{"debit": 1, **fields})

    def waits(self, seconds: int) -> Row:
        """Thresholds that say how long a beneficiary waits."""
        line = register(thresholds(seconds))
        return self.done(line, third=True, debit=1, flags=UPDATE)

    def pays_out(
        self, about: Row | int, amount: int = 500, *, head: int = HEAD, **fields: Any
    ) -> Row:
        """A payout, of what was settled for the account whose beneficiary it names."""
        self.settles(amount, head)
        return self.pays_out_unasked(about, amount, filled=True, **fields)

    def settles(self, amount: int, head: int = HEAD) -> Row:
        """So much is given to a biller account, and settled."""
        self.fills(head, amount)
        images = Images()
        for row in self.rows:
            images.apply(row)
        window = self.window(participant=ONE, operator_=12, tail=images.lines())
        line = Line(
            *(Kind.SETTLE, amount, window.sequence, head, SETTLEMENT), bytes(32)
        )
        return self.done(line)

    def pays_out_unasked(
        self,
        about: Row | int,
        amount: int = 500,
        *,
        filled: bool = False,
        **fields: Any,
    ) -> Row:
        """A payout, of money that the settlement account has, whoever's it is."""
        if not filled:
            self.fills(SETTLEMENT, amount)
        number = about.sequence if isinstance(about, Row) else about
        line = Line(Kind.TRANSFER, amount, number, SETTLEMENT, TRANSIT, b"payout")
        return self.done(line, **fields)

    def taken(self, amount: int = 500, utr: bytes = b"OUT000000001") -> Row:
        """What the bank took, and nothing explains."""
        return self.told(went(amount, utr))

    def owes(self, item: Row, flags: int = OWED, **fields: Any) -> Row:
        """Its ending, from the wallet."""
        line = replace(ends(item, WALLET, TRANSIT), flags=flags)
        return self.done(line, **fields)

    def schedules(self, record: bytes | None = None, **fields: Any) -> Row:
        """A schedule's row."""
        line = register(schedule() if record is None else record)
        return self.done(line, **{"debit": 1, **fields})

    def window(self, **fields: Any) -> Row:
        """A window, of the switch if nothing else is said; else a person signs it."""
        before = [row.sequence for row in self.rows if row.kind == Kind.WINDOW]
        last = before[-1] if before else 0
        said: dict[str, Any] = {"id": bytes(16), "resolves": last, **fields}
        row = self.add(Kind.WINDOW, **said)
        if row.participant and self.version() >= SIGNED_WINDOWS:
            signature = self.sign(replace(row, tail=None)).tail or b""
            row.tail = (row.tail or b"") + signature
        return row

    def version(self) -> int:
        """Of the rules by which rows are made by now."""
        tails = [row.tail or b"" for row in self.rows if row.kind == Kind.REGISTER]
        return max(
            int.from_bytes(tail[4:8], "little")
            for tail in tails
            if tail[0] == Record.RULES
        )

    def rules(self, version: int) -> Row:
        """From here on other rules run."""
        return self.record(rules_record(version), 1, participant=0, flags=UPDATE)


def found_by_its_words(
    path: Path, check: str, text: str, tell: Tell, rules: int | None = None
) -> None:
    """A story is without a finding, and its forged twin has this one."""
    said = {} if rules is None else {"rules": rules}
    right, wrong = PayoutDesk(**said), PayoutDesk(**said)
    tell(right, False)
    tell(wrong, True)
    assert right.found(path / "right") == {}
    found = wrong.found(path / "wrong")
    assert any(text in one for one in found.get(check, [])), found
