"""Sessions that were signed off: by the centre whose operator it was.

A row says it by its id, so that one session is signed off once by what all ids are held
to. Refused rows are judged alike. Memory: none.
"""

from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.layout import OK, SIGN_OFF_RULES
from switch.audit.register import Register
from switch.codes import AccountKind, Result

EMPTY: Final = (
    *("credit", "receipt", "service", "basket", "checker"),
    *("resolves", "flags"),
)
"""What none says anything in."""
TEXTS: Final = {
    Result.ACCOUNT_UNKNOWN: "its wallet is no account of its sender",
    Result.ACCOUNT_KIND_WRONG: "what it names is no wallet",
}
"""What is wrong with an accepted row that should have been refused so."""
NOBODY: Final = "it signs off who is no operator of its sender"


class SignedOff:
    """Judges each at its place."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """`register` and its accounts are shared."""
        self.register = register
        self.findings = findings

    def take(self, row: np.void, tail: bytes | None) -> None:
        """Take a signed_off, accepted or not, at its place."""
        register, sequence = self.register, int(row["sequence"])
        if not register.has(SIGN_OFF_RULES):
            text = f"it is not known to rules {register.version}"
            self.findings.add("people", sequence, text)
        if any(row[name] for name in EMPTY):
            text = "it says something where none of its kind does"
            self.findings.add("people", sequence, text)
        who = int(row["participant"]), int(row["operator_"])
        if who not in register.operators.places:
            self.findings.add("people", sequence, NOBODY)
        asked = self._of_wallet(row)
        if row["result"] == OK:
            if asked != Result.OK:
                self.findings.add("people", sequence, TEXTS[asked])
        elif (row["result"], row["total"]) != (asked, 0):
            text = f"{Result(row['result']).name}, and there was no cause for that"
            self.findings.add("refusals", sequence, text)

    def _of_wallet(self, row: np.void) -> Result:
        """What is told of the wallet that it names."""
        accounts, wallet = self.register.accounts, int(row["debit"])
        known = 1 <= wallet <= accounts.count
        if not known or accounts["participant"][wallet] != row["participant"]:
            return Result.ACCOUNT_UNKNOWN
        if accounts["kind"][wallet] != AccountKind.WALLET:
            return Result.ACCOUNT_KIND_WRONG
        return Result.OK
