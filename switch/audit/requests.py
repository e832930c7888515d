"""Requests: a centre asks for money for its own wallet, so often on a day.

Whether money came for one is judged in `booked`. Memory: a number for each wallet for
which something was asked on the newest day.
"""

from collections import Counter
from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.layout import OK, ist_days
from switch.audit.register import Register
from switch.codes import AccountKind, AccountState, Result

REQUESTS_DAY_MAX: Final = 64


class Requests:
    """Judges requests at their place."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """Nothing asked for yet."""
        self.register = register
        self.findings = findings
        self._day = 0
        self._counts: Counter[int] = Counter()

    def take(self, row: np.void) -> None:
        """Judge a row, accepted or refused: the rows before it show all of it."""
        sequence, wallet = int(row["sequence"]), int(row["credit"])
        if not self.register.know_banks:
            text = f"a request is not known to rules {self.register.version}"
            self.findings.add("banks", sequence, text)
        if row["debit"]:
            text = "a request names an account that pays, and none does"
            self.findings.add("banks", sequence, text)
        today = int(ist_days(row["timestamp"]))
        if today != self._day:
            self._day = today
            self._counts.clear()
        wanted = self._answer(row, wallet)
        if row["result"] == OK:
            if wanted != Result.OK:
                self.findings.add("banks", sequence, f"it should be {wanted.name}")
            self._counts[wallet] += 1
        elif row["result"] != wanted:
            name = Result(int(row["result"])).name
            text = f"{name}, and there was no cause for that"
            self.findings.add("refusals", sequence, text)

    def _answer(self, row: np.void, wallet: int) -> Result:
        """The result that a request must have."""
        accounts = self.register.accounts
        known = 1 <= wallet <= accounts.count
        if not known or accounts["participant"][wallet] != row["participant"]:
            return Result.ACCOUNT_UNKNOWN
        if accounts["kind"][wallet] != AccountKind.WALLET:
            return Result.ACCOUNT_KIND_WRONG
        if accounts["state"][wallet] == AccountState.CLOSED:
            return Result.CREDIT_CLOSED
        if self._counts[wallet] >= REQUESTS_DAY_MAX:
            return Result.DAY_COUNT_EXCEEDED
        return Result.OK
