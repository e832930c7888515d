"""Register rows about banks: the accounts that they keep, and their statements.

A bank account has three accounts in the ledger: the mirror, which what its bank has
booked moves alone; behind it what nothing explains yet, and what is on its way. They
are its for ever, as neither its participant nor its purpose changes. What the lines of
a statement are is judged in `booked` when all rows have passed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from switch.audit.accounts import TOTALS, Accounts
from switch.audit.layout import BANK_ACCOUNT_RECORD, STATEMENT_RECORD, Index, ist_days
from switch.codes import AMOUNT_MAX, AccountKind, Record, Result, RowFlag, Source

BANKS_RULES: Final = 9
"""The first rules that know what banks say."""
BANK_ACCOUNTS_MAX: Final = 255
PURPOSES: Final = range(16, 65_534)
"""Of accounts of kind bank; the two behind each must fit, too."""
DAY_MAX: Final = 65_535
LINES_MAX: Final = 8_000
"""Fewer lines than that: behind them stands the statement's own."""
NUMBER: Final = re.compile(rb"[A-Z0-9]{1,34}")
KINDS: Final = (AccountKind.BANK, AccountKind.BANK_SUSPENSE, AccountKind.BANK_TRANSIT)
"""Of the three accounts, by their purposes."""
BANK_KINDS: Final = frozenset(int(kind) for kind in KINDS)
LAYOUTS: Final = {
    Record.BANK_ACCOUNT: BANK_ACCOUNT_RECORD,
    Record.STATEMENT: STATEMENT_RECORD,
}


@dataclass(frozen=True, slots=True)
class BankAccount:
    """One bank account, as its newest row says."""

    participant: int
    purpose: int
    active: bool
    mirror: int = 0
    suspense: int = 0
    transit: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """An accepted statement. `proposal` is the one that it says it is a line of."""

    sequence: int
    bank: int
    proposal: int
    last: tuple[int, int]
    """The last day, and the bank's number for it."""
    closing: int


class Banks:
    """What the register's rows have said of bank accounts so far."""

    def __init__(self, accounts: Accounts, owned: dict[tuple[int, int], int]) -> None:
        """`accounts` and by whom, and for which purpose, they are `owned`: shared."""
        self.accounts = accounts
        self.owned = owned
        self.places: dict[bytes, int] = {}
        self.known: list[BankAccount] = []
        """The first is number 1."""
        self.statements: list[Statement] = []
        self.newest: dict[int, Statement] = {}
        self.channels: dict[int, tuple[int, int]] = {}
        """Accepted proposals that banks' connections have signed, and whose each is."""
        # By number, 0 nobody's: the three accounts, and whether it is active. Then the
        # mirrors, ascending, and whose each is.
        self.table = np.zeros((1, len(KINDS)), dtype=np.intp)
        self.active = np.zeros(1, dtype=np.bool_)
        self._mirrors = self._numbers = np.zeros(0, dtype=np.intp)

    def of_mirrors(self, accounts: Index) -> Index:
        """Whose mirrors some accounts are, 0 for nobody's."""
        if not len(self._mirrors):
            return np.zeros(len(accounts), dtype=np.intp)
        at = np.minimum(
            np.searchsorted(self._mirrors, accounts), len(self._mirrors) - 1
        )
        found: Index = np.where(
            self._mirrors[at] == accounts, self._numbers[at], np.intp(0)
        )
        return found

    def _three(self, participant: int, purpose: int) -> list[int]:
        """The three accounts of a bank account, 0 for what is none of its kind."""
        found = []
        for at, kind in enumerate(KINDS):
            index = self.owned.get((participant, purpose + at), 0)
            found.append(index if self.accounts["kind"][index] == kind else 0)
        return found

    def answer(self, tail: bytes, participants: int) -> Result:
        """The result that a row with a whole record of a bank account must have."""
        record = np.frombuffer(tail, BANK_ACCOUNT_RECORD, 1)[0]
        owner, purpose = int(record["participant"]), int(record["purpose"])
        if owner > participants:
            return Result.PARTICIPANT_UNKNOWN
        three = self._three(owner, purpose)
        if not all(three):
            return Result.ACCOUNT_UNKNOWN
        place = self.places.get(bytes(record["account"]), 0)
        same = [
            number
            for number, one in enumerate(self.known, 1)
            if (one.participant, one.purpose) == (owner, purpose)
        ]
        if same != ([place] if place else []):
            return Result.RULE_FIXED
        if not place and any(self.accounts[name][three].any() for name in TOTALS):
            return Result.BALANCE_NOT_ZERO
        full = not place and len(self.known) >= BANK_ACCOUNTS_MAX
        return Result.TABLE_FULL if full else Result.OK

    def apply(self, row: np.void, tail: bytes) -> Iterator[str]:
        """Note an accepted row with a whole record; what is wrong with it."""
        if tail[0] == Record.STATEMENT:
            yield from self._state(row, tail)
            return
        record = np.frombuffer(tail, BANK_ACCOUNT_RECORD, 1)[0]
        code = bytes(record["account"])
        update, place = code in self.places, self.places.get(code, len(self.known) + 1)
        yield from _misplaced(row, place, update=update)
        active = bool(record["active"] == 1)
        if update:
            before = self.known[place - 1]
            self.known[place - 1] = replace(before, active=active)
        else:
            self.places[code] = place
            owner, purpose = int(record["participant"]), int(record["purpose"])
            three = self._three(owner, purpose)
            self.known.append(BankAccount(owner, purpose, active, *three))
        self._tabulate()

    def _tabulate(self) -> None:
        rows = [(one.mirror, one.suspense, one.transit) for one in self.known]
        self.table = np.array([(0, 0, 0), *rows], dtype=np.intp)
        self.active = np.array([False, *(one.active for one in self.known)])
        mirrors = self.table[:, 0]
        numbers = np.argsort(mirrors, kind="stable")
        self._numbers = numbers[mirrors[numbers] > 0]
        self._mirrors = mirrors[self._numbers]

    def _state(self, row: np.void, tail: bytes) -> Iterator[str]:
        """A statement follows the one before it."""
        record = np.frombuffer(tail, STATEMENT_RECORD, 1)[0]
        bank = int(record["bank"])
        before = self.newest.get(bank)
        if not row["total"]:
            yield "a statement is a line of a proposal, and it names none"
        if bank > len(self.known):
            yield f"there is no bank account {bank}"
            return
        said = Statement(
            *(int(row["sequence"]), bank, int(row["total"])),
            (int(record["last_day"]), int(record["number"])),
            int(record["closing"]),
        )
        # Without a line two people say where the account stands.
        told = said.proposal in self.channels
        follows = told or record["lines_count"]
        if before is not None and follows and record["opening"] != before.closing:
            text = f"it opens with {record['opening']}, and statement"
            yield f"{text} {before.sequence} closed with {before.closing}"
        if said.last[0] > int(ist_days(row["timestamp"])) + 1:
            yield f"its last day, {said.last[0]}, is still to come"
        # What people have made of a file goes on by its balance alone, whatever a
        # connection has said of days.
        if told and before is not None and said.last < before.last:
            yield f"its last day and number are before those of {before.sequence}"
        yield from _misplaced(row, bank, update=before is not None)
        self.statements.append(said)
        self.newest[bank] = said


def _misplaced(row: np.void, place: int, *, update: bool) -> Iterator[str]:
    """Whether a row says another number than it has."""
    said = bool(int(row["flags"]) & RowFlag.UPDATE)
    if int(row["debit"]) != place or said != update:
        yield f"it is number {place}, the row says {row['debit']}"


def broken(tail: bytes, rules: int) -> str:
    """What is wrong with a record by itself, under these rules (0: not known); empty if
    nothing is.
    """
    if 0 < rules < BANKS_RULES:
        return f"is not known to rules {rules}"
    layout = LAYOUTS[Record(tail[0])]
    if len(tail) < layout.itemsize:
        return "is too short"
    record = np.frombuffer(tail, layout, 1)[0]
    if any(
        any(bytes(record[name]))
        for name in layout.names or ()
        if name[:8] == "reserved"
    ):
        return "has bytes that say nothing"
    if tail[0] == Record.STATEMENT:
        return _broken_statement(record)
    if record["active"] > 1 or not record["participant"]:
        return "names nobody, or is neither active nor not"
    named = NUMBER.fullmatch(bytes(record["account"]))
    fits = named and int(record["purpose"]) in PURPOSES
    return "" if fits else "has a number or a purpose that is none"


def _broken_statement(record: np.void) -> str:
    """The same of a statement's."""
    if int(record["source"]) not in set(Source) or not record["bank"]:
        return "is of no bank account, or of no source"
    days = 0 < record["last_day"] <= DAY_MAX
    if not days or record["first_day"] > record["last_day"]:
        return "has days that are none"
    if record["lines_count"] >= LINES_MAX:
        return "has more lines than there may be"
    bound = max(abs(int(record[name])) for name in ("opening", "closing"))
    return "" if bound <= AMOUNT_MAX else "has a balance beyond the bound"
