"""Register rows about beneficiaries, and the payouts that are made to them.

Where one biller's money is paid out three people say, and it goes there only when all
have had the time to see that. So a payout names the newest row of its beneficiary, and
that is old enough. Memory: 8 bytes for each row of the register, an entry for each row
of a beneficiary.
"""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from switch.audit.accounts import Accounts
from switch.audit.findings import Findings
from switch.audit.layout import (
    BENEFICIARY_RECORD,
    NS,
    OWED,
    PAYOUT_RULES,
    Mask,
    Rows,
)
from switch.audit.timelines import among
from switch.codes import AccountKind, Kind, Result, RowFlag

BENEFICIARIES_MAX: Final = 65_535
WAIT_S: Final = 86_400
"""What the thresholds say if they say 0, or nothing."""
NUMBER: Final = re.compile(rb"[A-Z0-9]{1,34}")
IFSC: Final = re.compile(rb"[A-Z]{4}0[A-Z0-9]{6}")
WRONG: Final = {
    Result.BENEFICIARY_WRONG: "it pays out, and does not name the newest row, an "
    "active one, of a beneficiary",
    Result.BENEFICIARY_WAITS: "it pays out to a beneficiary that was made or changed "
    "too short a time before it",
}
"""What is wrong with an accepted payout that should have been told that."""


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """One beneficiary, as its newest row says."""

    active: bool
    sequence: int
    time: int


class Beneficiaries:
    """What the register's rows have said of beneficiaries so far."""

    def __init__(self, accounts: Accounts) -> None:
        """None yet. `accounts` are shared."""
        self.accounts = accounts
        self.places: dict[int, int] = {}
        """By biller account; from 1, as each first was registered."""
        self._newest: dict[int, Beneficiary] = {}
        # By the sequence of each row about one: its place, and its account.
        self._places: dict[int, int] = {}
        self._payees: dict[int, int] = {}
        self._registers = array("Q")

    def registered(self, sequence: int) -> None:
        """Take an accepted row of the register, whatever it is of."""
        self._registers.append(sequence)

    def answer(self, tail: bytes) -> Result:
        """The result that a row with a whole record must have."""
        account = _account(tail)
        if account > self.accounts.count:
            return Result.ACCOUNT_UNKNOWN
        if self.accounts["kind"][account] != AccountKind.BILLER:
            return Result.ACCOUNT_KIND_WRONG
        full = len(self.places) >= BENEFICIARIES_MAX
        return Result.TABLE_FULL if full and account not in self.places else Result.OK

    def apply(self, row: np.void, tail: bytes) -> Iterator[str]:
        """Note an accepted row; what is wrong with the place that it has."""
        account, sequence = _account(tail), int(row["sequence"])
        known = account in self.places
        place = self.places.setdefault(account, len(self.places) + 1)
        said = Beneficiary(tail[1] == 1, sequence, int(row["timestamp"]))
        self._newest[place] = said
        self._places[sequence] = place
        self._payees[sequence] = account
        update = bool(int(row["flags"]) & RowFlag.UPDATE)
        if int(row["debit"]) != place or update != known:
            yield f"it is number {place}, the row says {row['debit']}"

    def payee(self, sequence: int) -> int:
        """The biller account whose beneficiary a row is about, or 0."""
        return self._payees.get(sequence, 0)

    def payouts(self, rows: Rows, since: int) -> Mask:
        """Which rows are payouts, by their accounts and what they name; by rules from
        the row `since` on they may name a row of the register.
        """
        kinds = self.accounts["kind"]
        known = np.maximum(rows["debit"], rows["credit"]) <= self.accounts.count
        debit, credit = (
            kinds[np.where(known, rows[side], 0)] for side in ("debit", "credit")
        )
        pays = (debit == AccountKind.SETTLEMENT) & (credit == AccountKind.BANK_TRANSIT)
        pays &= rows["kind"] == Kind.TRANSFER
        about = rows["resolves"]
        named = about != 0
        if (pays & named).any():
            registers = np.array(self._registers, np.uint64)
            pays &= ~named | among(about, registers)
            pays &= ~named | (about < rows["sequence"])
            pays &= ~named | (rows["sequence"] >= np.uint64(since))
        paid: Mask = pays
        return paid

    def told(self, row: np.void, wait_s: int) -> tuple[Result, int]:
        """What a payout must be told of its beneficiary, and the row in the way; by
        thresholds that say `wait_s`.
        """
        about = int(row["resolves"])
        if not self.places:
            return (Result.BENEFICIARY_WRONG if about else Result.OK), 0
        newest = self._newest.get(self._places.get(about, 0))
        if newest is None:
            return Result.BENEFICIARY_WRONG, 0
        proposal = int(row["total"]) if int(row["result"]) == Result.OK else 0
        is_to_come = 0 < proposal < about
        if newest.sequence != about or not newest.active or is_to_come:
            return Result.BENEFICIARY_WRONG, newest.sequence
        if int(row["timestamp"]) - newest.time < (wait_s or WAIT_S) * NS:
            return Result.BENEFICIARY_WAITS, about
        return Result.OK, 0


def broken(tail: bytes, rules: int) -> str:
    """What is wrong with a record by itself, under these rules (0: not known); empty if
    nothing is.
    """
    if 0 < rules < PAYOUT_RULES:
        return f"is not known to rules {rules}"
    if len(tail) < BENEFICIARY_RECORD.itemsize:
        return "is too short"
    record = np.frombuffer(tail, BENEFICIARY_RECORD, 1)[0]
    if any(bytes(record["reserved"])):
        return "has bytes that say nothing"
    if record["active"] > 1 or not record["account"]:
        return "is of no account, or neither active nor not"
    if not NUMBER.fullmatch(bytes(record["number"])):
        return "has a number that no account at a bank has"
    return "" if IFSC.fullmatch(bytes(record["ifsc"])) else "names no branch of a bank"


def _account(tail: bytes) -> int:
    return int.from_bytes(tail[4:8], "little")


def may_owe(rows: Rows, accounts: Accounts) -> Mask:
    """Which rows are of those that may leave a wallet owing: by what they name and
    their accounts transfers that end what a bank has taken.
    """
    kinds = accounts["kind"]
    known = np.maximum(rows["debit"], rows["credit"]) <= accounts.count
    debit, credit = (
        kinds[np.where(known, rows[side], 0)] for side in ("debit", "credit")
    )
    may: Mask = (debit == AccountKind.WALLET) & (credit == AccountKind.BANK_TRANSIT)
    may &= (rows["kind"] == Kind.TRANSFER) & (rows["resolves"] != 0)
    return may


def says_owed(rows: Rows) -> Mask:
    """Which rows say that a wallet may owe what they take."""
    says: Mask = (rows["flags"] & np.uint16(OWED)) != 0
    says &= rows["kind"] == Kind.TRANSFER
    return says


def check_owed(rows: Rows, accounts: Accounts, *, known: bool, to: Findings) -> None:
    """Judge accepted transfers that say that their wallet owes; `known` to the rules
    that run.
    """
    says = says_owed(rows)
    if not says.any():
        return
    if not known:
        text = "it says that its wallet owes, and the rules of its time know no such"
        to.add_rows("payouts", rows["sequence"][says], text)
        return
    text = "it says that its wallet owes, and ends nothing that a bank took back"
    wrong = says & ~may_owe(rows, accounts)
    to.add_rows("payouts", rows["sequence"][wrong], text)
