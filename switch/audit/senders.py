"""Who sent a row: its role, its wallet, and whether its centre takes part at all.

A server knows its callers by their certificates; the journal names them. So a row that
came by another way than through the rights of the one who is named in it is seen here.
Accepted rows only: a refused one has moved nothing. Which person of its sender made a
row, and whether that one has signed it, is judged in `people`.
"""

from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.kinds import CENTRE, SENDERS, SPENDING
from switch.audit.layout import U64
from switch.audit.register import Register
from switch.audit.spans import Span
from switch.codes import Kind

ROLE: Final = "its sender has no role that may send it"
WALLET: Final = "its sender is a centre, and the wallet is another's"
INACTIVE: Final = "its wallet is of a centre that is not active"


def check_senders(register: Register, span: Span, findings: Findings) -> None:
    """The rows of a span come from those who may send them."""
    sender = register.places(span.rows["participant"])
    bits = register.roles[sender]
    bad = (SENDERS[span.kind] & bits) == 0
    if bad.any():
        findings.add_rows("senders", span.sequence[bad], ROLE)
    spending = span.where(SPENDING)
    sequence: U64 = span.sequence[spending]
    if not len(sequence):
        return
    owner = register.places(register.accounts["participant"][span.debit[spending]])
    foreign = (bits[spending] == CENTRE) & (sender[spending] != owner)
    if foreign.any():
        findings.add_rows("senders", sequence[foreign], WALLET)
    asleep = ~register.active[owner]
    if asleep.any():
        findings.add_rows("senders", sequence[asleep], INACTIVE)


def check_sender(register: Register, row: np.void, findings: Findings) -> None:
    """The same for one row that moves no money."""
    bits = int(register.roles[register.place(int(row["participant"]))])
    if not int(SENDERS[int(row["kind"])]) & bits:
        findings.add("senders", int(row["sequence"]), ROLE)
        return
    wallet = int(row["debit"])
    if (
        row["kind"] == Kind.SHIFT
        and bits == CENTRE
        and (
            1 <= wallet <= register.accounts.count
            and register.accounts["participant"][wallet] != row["participant"]
        )
    ):
        findings.add("senders", int(row["sequence"]), WALLET)
