"""Files of bills that billers put in: each of its own service, and none out of turn.

What lies in a file is not the ledger's; its row keeps what it came to. The rows before
one show all that is asked of it. Memory: an entry for each service.
"""

from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.layout import BILLS_RECORD, OK, REFUSED_FLAGS
from switch.audit.register import Register
from switch.audit.services import know_renewals
from switch.codes import AMOUNT_MAX, AmountRule, DuplicateRule, PriceRule, Result

FULL, DELTA, WITHDRAWAL, ADDITION = 1, 2, 3, 4
"""Forms."""
COUNT_MAX: Final = 1 << 20
EMPTY: Final = ("debit", "credit", "receipt", "basket")
"""What its row says nothing in."""


class PutBills:
    """Judges rows at their places."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """None yet. `register` is shared."""
        self.register = register
        self.findings = findings
        # By service: the newest accepted row.
        self._newest: dict[int, int] = {}

    def take(self, row: np.void, tail: bytes | None) -> None:
        """Judge a row, accepted or refused."""
        sequence, service = int(row["sequence"]), int(row["service"])
        register = self.register
        accepted = row["result"] == OK

        def add(text: str) -> None:
            self.findings.add("bills", sequence, text)

        if not register.know_counters:
            add(f"it is not known to rules {register.version}")
        if any(row[name] for name in EMPTY) or int(row["flags"]) & ~REFUSED_FLAGS:
            add("it says something where none of its kind does")
        if wrong := broken(tail or b"", additions=know_renewals(register.version)):
            add(f"its record {wrong}" + ("" if accepted else ", and has no row"))
        wanted, other = self._answer(row, service)
        if not accepted and (row["result"], row["total"]) != (wanted, other):
            name = Result(int(row["result"])).name
            text = f"{name}, and there was no cause for that"
            self.findings.add("refusals", sequence, text)
        elif accepted:
            if wanted != Result.OK:
                add(f"it should be {wanted.name}")
            self._newest[service] = sequence
            self._renew(row, tail or b"")

    def _renew(self, row: np.void, tail: bytes) -> None:
        """Note what an accepted file does to what was fetched before it."""
        service, register = int(row["service"]), self.register
        register.files.some.add(service)
        if tail[:1] != bytes([ADDITION]):
            register.files.renewed[service] = row["timestamp"]

    def _answer(self, row: np.void, service: int) -> tuple[Result, int]:
        """What a row must be told, and the row in the way."""
        register = self.register
        if not 1 <= service <= len(register.codes):
            return Result.SERVICE_UNKNOWN, 0
        record = register.services[service]
        if record["biller"] != row["participant"]:
            return Result.SERVICE_UNKNOWN, 0
        if record["price_rule"] != PriceRule.BILL:
            return Result.RULE_FIXED, 0
        again = record["duplicate_rule"] != DuplicateRule.ONCE
        if know_renewals(register.version) and (
            again or record["amount_rule"] == AmountRule.EXACT_AND_BELOW
        ):
            return Result.RULE_FIXED, 0
        newest = self._newest.get(service, 0)
        if row["resolves"] != newest:
            return Result.ALREADY_FOLLOWED, newest
        return Result.OK, 0


def broken(tail: bytes, *, additions: bool) -> str:
    """What is wrong with a record by itself; empty if nothing is."""
    if len(tail) < BILLS_RECORD.itemsize:
        return "is too short"
    record = np.frombuffer(tail, BILLS_RECORD, 1)[0]
    if any(bytes(record["reserved_0"])) or any(bytes(record["reserved_1"])):
        return "has bytes that say nothing"
    form, count, amount = (int(record[name]) for name in ("form", "count", "amount"))
    if form not in (FULL, DELTA, WITHDRAWAL) + (ADDITION,) * additions:
        return "is of no form"
    if count > COUNT_MAX or (not count and form != FULL):
        return "has more lines than there may be, or none"
    without = not count or form == WITHDRAWAL
    fits = amount == 0 if without else amount <= AMOUNT_MAX
    return "" if fits else "has a sum that its lines cannot have"
