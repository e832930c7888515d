"""Transfers that name nothing: the treasury's own moves, and what a bank account had.

What a bank has is moved by what it has told alone, but for once: a network that comes
from elsewhere begins with what was there, booked against a float before all else.
"""

from typing import Final

import numpy as np

from switch.audit.accounts import TOTALS
from switch.audit.banks import BANK_KINDS
from switch.audit.kinds import table_of
from switch.audit.layout import Mask, Rows
from switch.audit.register import Register
from switch.audit.spans import Span
from switch.codes import AccountKind, Kind

OF_BANKS: Final = table_of(*BANK_KINDS)


def may_move(register: Register, rows: Rows, span: Span | None) -> Mask:
    """Which rows, transfers of accounts that there are, may be if they name nothing, as
    their accounts' kinds go; between those of a span that is not applied yet.
    """
    kinds = register.accounts["kind"]
    debit, credit = kinds[rows["debit"]], kinds[rows["credit"]]
    of_banks = OF_BANKS[debit] | OF_BANKS[credit]
    pays = (debit == AccountKind.SETTLEMENT) & (credit == AccountKind.BANK_TRANSIT)
    may: Mask = ~of_banks | pays
    if register.know_payouts:
        bank, other = AccountKind.BANK, AccountKind.FLOAT
        opens = (debit == bank) & (credit == other)
        opens |= (debit == other) & (credit == bank)
        for place in np.flatnonzero(opens).tolist():
            may[place] = _opens(register, rows[place], span)
    return may


def _opens(register: Register, row: np.void, span: Span | None) -> bool:
    """Whether a move between a float and an account of kind bank opens that: a bank
    account of the register has it, and nothing has moved it before the row.
    """
    accounts = register.accounts
    mirror = int(row["debit"])
    if accounts["kind"][mirror] != AccountKind.BANK:
        mirror = int(row["credit"])
    if not register.banks.of_mirrors(np.array([mirror]))[0]:
        return False
    if any(accounts[name][mirror] for name in TOTALS):
        return False
    if span is None:
        return True
    before = (span.debit == mirror) | (span.credit == mirror)
    before &= (span.sequence < row["sequence"]) & (span.kind != Kind.HOLD)
    return not before.any()
