"""A treasury with two bank accounts and one bank's connection, for stories by hand.

Part of tests/test_model_banks.py and test_model_items.py; what they say is worked out
from docs/data-model.md.
"""

from dataclasses import replace
from typing import Any

from switch.codes import (
    AccountKind,
    Kind,
    PersonRole,
    Result,
    Source,
)
from tests.records import (
    AccountRecord,
    BankAccountRecord,
    Row,
    StatementRecord,
)
from tests.signing import Line
from tests.test_model_people import (
    ALPHA,
    BETA,
    BRANCH,
    CENTRE,
    DAY_NS,
    MAIN,
    NOON,
    WALLET,
    Treasury,
    last,
    of_record,
)

CHANNEL, THEIR_CHANNEL = (MAIN, 5), (MAIN, 6)
SETTLEMENT, BANK, ITEMS, TRANSIT, OTHER, OTHER_ITEMS, OTHER_TRANSIT = range(4, 11)
NUMBER, OTHER_NUMBER = b"SBIN0000001234", b"HDFC9"
OK, NO_ROW = Result.OK, 0
TODAY = NOON // DAY_NS
ACCOUNTS = (
    (MAIN, 2, AccountKind.SETTLEMENT),
    (MAIN, 16, AccountKind.BANK),
    (MAIN, 17, AccountKind.BANK_SUSPENSE),
    (MAIN, 18, AccountKind.BANK_TRANSIT),
    (BRANCH, 65_533, AccountKind.BANK),
    (BRANCH, 65_534, AccountKind.BANK_SUSPENSE),
    (BRANCH, 65_535, AccountKind.BANK_TRANSIT),
)
MINE = BankAccountRecord(MAIN, 16, NUMBER)
THEIRS = BankAccountRecord(BRANCH, 65_533, OTHER_NUMBER)


def credit(
    amount: int, reference: bytes = b"NEFT00000001", named: int = 0, **more: Any
) -> Line:
    """Money that has come to the first bank account."""
    return Line(Kind.BOOKED, amount, named, BANK, 0, reference, **more)


def debit(
    amount: int, reference: bytes = b"NEFT00000001", named: int = 0, **more: Any
) -> Line:
    """Money that has gone from there."""
    return Line(Kind.BOOKED, amount, named, 0, BANK, reference, **more)


def move(amount: int, from_: int, to: int, ends: int = 0) -> Line:
    return Line(Kind.TRANSFER, amount, ends, from_, to, b"a reason")


def statement(*lines: Line, opening: int = 0, **other: Any) -> list[Line]:
    """The lines and their statement."""
    sign = sum(line.amount if line.debit else -line.amount for line in lines)
    record = StatementRecord(
        1, 1, TODAY, TODAY, len(lines), opening, opening + sign, Source.CAMT
    )
    record = replace(record, **other)
    return [*lines, of_record(record.pack() + b'{"name": "1"}')]


class Desk(Treasury):
    """The same with two bank accounts, and the connection of each."""

    def open(self) -> None:
        super().open()
        self.lines(
            *(of_record(AccountRecord(*one).pack(), Kind.OPEN) for one in ACCOUNTS)
        )
        mine = self.person(CHANNEL, 5, role=PersonRole.CHANNEL, bank=1)
        theirs = self.person(THEIR_CHANNEL, 15, role=PersonRole.CHANNEL, bank=2)
        banks = (of_record(one.pack()) for one in (MINE, THEIRS, mine, theirs))
        assert self.by_three(*banks) == [OK] * 4

    def told(self, *lines: Line) -> list[int]:
        """What comes of lines that their bank's connection proposes, or two people
        where they are no bank account's, or of several.
        """
        named = {
            line.debit | line.credit
            if line.kind == Kind.BOOKED
            else {1: BANK, 2: OTHER}.get(line.tail[4], 0)
            for line in lines
        }
        if named not in ({BANK}, {OTHER}):
            return self.wanted(*lines)
        asked = self.propose(THEIR_CHANNEL if named == {OTHER} else CHANNEL, *lines)
        assert asked
        return self.results(*self.line_rows(asked, 0))

    def wanted(self, *lines: Line) -> list[int]:
        """What comes of lines that two people want."""
        asked = self.propose(ALPHA, *lines)
        assert self.approve(asked, BETA).result == OK
        return self.results(*self.line_rows(asked))

    def booked(self, line: Line) -> Row:
        """The row of what a bank has booked."""
        assert self.told(line) == [OK]
        return self.model.rows[-1]

    def request(self, amount: int, credit: int = WALLET, sender: int = CENTRE) -> Row:
        return self.row(Kind.REQUEST, (sender, 1), amount=amount, credit=credit)

    def asks(self, amount: int) -> int:
        """The sequence of a request for this."""
        assert self.result(self.request(amount)) == OK
        return last(self).sequence

    def balances(self) -> tuple[int, int, int]:
        """Of the first bank account's three, credits less debits."""
        bank, items, transit = self.model.accounts[BANK : TRANSIT + 1]
        return bank.balance, items.balance, transit.balance
