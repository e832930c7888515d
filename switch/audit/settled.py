"""Payouts against what was settled: whose money each was, and was there so much.

A payout is of the account whose beneficiary it names, and so is its recall. What it
could be depends on all settlements and payouts of that account before it, and is judged
when all rows have passed. Memory: 24 bytes for each settlement, payout and recall, an
entry for each payout, 128 bytes for each refusal.
"""

from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.layout import PAYOUT_RULES, SETTLED_RULES, U64, Rows, pick
from switch.audit.refusals import Changes
from switch.audit.register import Register
from switch.codes import AccountKind, Kind, Result

TOO_MUCH: Final = "it pays out more than was settled of its account and not paid out"
NOT_TOO_MUCH: Final = "EXCEEDS_SETTLED, and so much was settled and not paid out"


class Settled:
    """Counts while rows pass, judges in `finish`."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """Nothing yet. `register` and its accounts are shared."""
        self.register = register
        self.accounts = register.accounts
        self.findings = findings
        self._settled = Changes()
        self._paid = Changes()
        # Of each payout to a beneficiary its account.
        self._payees: dict[int, int] = {}
        self._asked: list[tuple[int, int, int]] = []
        self._refused: list[tuple[int, int, int]] = []

    def take(self, rows: Rows) -> None:
        """Take accepted money rows of accounts that there are."""
        settles = pick(rows, rows["kind"] == Kind.SETTLE)
        accounts = settles["debit"].astype(np.intp)
        np.add.at(self.accounts["settled"], accounts, settles["amount"])
        self._settled.add(accounts, settles["sequence"], settles["amount"])
        named = pick(rows, (rows["kind"] == Kind.TRANSFER) & (rows["resolves"] != 0))
        if not len(named):
            return
        since = self.register.rules_since(PAYOUT_RULES)
        payouts = self.register.beneficiaries.payouts(named, since)
        recalls = self.accounts.recalls(named)
        kinds = self.accounts["kind"][named["credit"].astype(np.intp)]
        recalls &= kinds == AccountKind.SETTLEMENT
        for row in named[payouts]:
            payee = self.register.beneficiaries.payee(int(row["resolves"]))
            if payee:
                self._payees[int(row["sequence"])] = payee
                self._pay(row, payee, int(row["amount"]))
                if self.register.has(SETTLED_RULES):
                    self._asked.append(_question(row, payee))
        for row in named[recalls]:
            if payee := self._payees.get(int(row["resolves"]), 0):
                self._pay(row, payee, -int(row["amount"]))

    def _pay(self, row: np.void, payee: int, amount: int) -> None:
        account = np.array([payee], np.intp)
        amounts = np.array([amount % 2**64], np.uint64)
        np.add.at(self.accounts["paid_out"], account, amounts)
        self._paid.add(account, row["sequence"].reshape(1), amounts)

    def refused(self, rows: Rows) -> None:
        """Take refused money rows."""
        for row in rows[rows["result"] == Result.EXCEEDS_SETTLED]:
            # Who names no beneficiary, or too soon, is told that; judged with refusals.
            payee = self.register.beneficiaries.payee(int(row["resolves"]))
            self._refused.append(_question(row, payee))

    def finish(self) -> None:
        """Judge who was paid, and who was refused."""
        room = self._room(self._asked)
        for (sequence, _, amount), left in zip(self._asked, room, strict=True):
            if amount > left:
                self.findings.add("payouts", sequence, TOO_MUCH)
        room = self._room(self._refused)
        for (sequence, _, amount), left in zip(self._refused, room, strict=True):
            if amount <= left:
                self.findings.add("refusals", sequence, NOT_TOO_MUCH)

    def _room(self, asked: list[tuple[int, int, int]]) -> list[int]:
        """What could be paid out when each was asked for."""
        accounts = np.array([account for _, account, _ in asked], np.intp)
        before: U64 = np.array([sequence - 1 for sequence, _, _ in asked], np.uint64)
        settled = self._settled.before(accounts, before)
        paid = self._paid.before(accounts, before)
        left: list[int] = np.where(settled > paid, settled - paid, 0).tolist()
        return left


def _question(row: np.void, payee: int) -> tuple[int, int, int]:
    """When it was asked for, of whose money, and how much."""
    return int(row["sequence"]), payee, int(row["amount"])
