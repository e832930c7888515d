"""Who sent a row: its role, its wallet, whether its centre takes part at all, and who
was at the counter of one that signs on.

A server knows its callers by their certificates; the journal names them. So a row that
came by another way than through the rights of the one who is named in it is seen here.
Accepted rows only: a refused one has moved nothing. But who is no operator leaves no
row, so that refused ones are looked at for that. Which person of its sender made a
row, and whether that one has signed it, is judged in `people`.
"""

from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.kinds import AUDITOR, CENTRE, SAYS, SENDERS, SPENDING, TREASURY
from switch.audit.layout import COUNTERS_OWN_RULES, U64, Rows
from switch.audit.people import People
from switch.audit.register import Register
from switch.audit.spans import Span
from switch.codes import AccountKind, Kind

ROLE: Final = "its sender has no role that may send it"
WALLET: Final = "its sender is a centre, and the wallet is another's"
INACTIVE: Final = "its wallet is of a centre that is not active"
CANCELLED: Final = "it says that somebody cancelled who is no operator of its centre"
UNNEEDED: Final = "nobody had to approve it, and it names a proposal or who approved it"
NUMBER_MAX: Final = 2**32 - 1
STRANGER: Final = "its centre signs on, and another has asked for it"
NOBODY: Final = "its centre signs on, and it names no active operator of that"


def check_senders(register: Register, span: Span, findings: Findings) -> None:
    """The rows of a span come from those who may send them."""
    sender = register.parties.places(span.rows["participant"])
    bits = register.parties.roles[sender]
    bad = (SENDERS[span.kind] & bits) == 0
    if bad.any():
        findings.add_rows("senders", span.sequence[bad], ROLE)
    spending = span.where(SPENDING)
    sequence: U64 = span.sequence[spending]
    if not len(sequence):
        return
    owner = register.parties.places(
        register.accounts["participant"][span.debit[spending]]
    )
    foreign = (bits[spending] == CENTRE) & (sender[spending] != owner)
    if foreign.any():
        findings.add_rows("senders", sequence[foreign], WALLET)
    asleep = ~register.parties.active[owner]
    if asleep.any():
        findings.add_rows("senders", sequence[asleep], INACTIVE)


def check_sender(
    register: Register, people: People, row: np.void, findings: Findings
) -> None:
    """The same for one row that moves no money. What is of a recovery is an auditor's,
    and the treasury withdraws it.
    """
    bits = int(register.parties.roles[register.parties.place(int(row["participant"]))])
    may = int(SENDERS[int(row["kind"])])
    if SAYS[int(row["kind"])] and people.recoveries.has(row):
        may = AUDITOR | (TREASURY if row["kind"] == Kind.WITHDRAW else 0)
    if not may & bits:
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


def check_operators(register: Register, rows: Rows, findings: Findings) -> None:
    """Payments, accepted or not, of wallets of centres that sign on are asked for by
    these, and name operators of theirs.
    """
    if not register.parties.signing:
        return
    accounts, debit = register.accounts, rows["debit"]
    # Account 0 is the switch's, which signs nothing.
    wallet = np.where(debit <= accounts.count, debit, 0).astype(np.intp)
    owner = accounts["participant"][wallet]
    signs = register.parties.signs_on[register.parties.places(owner)]
    if not signs.any():
        return
    wrong = signs & ~register.operators.sit(owner, rows["operator_"])
    if wrong.any():
        findings.add_rows("people", rows["sequence"][wrong], NOBODY)
    wrong = signs & (rows["participant"] != owner)
    if wrong.any() and register.has(COUNTERS_OWN_RULES):
        findings.add_rows("people", rows["sequence"][wrong], STRANGER)


def check_cancels(register: Register, rows: Rows, findings: Findings) -> None:
    """Voids that need nobody say in `total` which operator has wished them, 0 if the
    switch gave the money back itself; of a centre that signs on it is one that is
    registered there, active still or not. By rules of before they say nothing.
    """
    said = rows["total"]
    known = register.know_cancels
    unneeded = rows["checker"] != 0 if known else said != 0
    if unneeded.any():
        findings.add_rows("approvals", rows["sequence"][unneeded], UNNEEDED)
    rows = rows[said != 0]
    if not known or not len(rows):
        return
    owner = register.accounts["participant"][rows["debit"]]
    signs = register.parties.signs_on[register.parties.places(owner)]
    who = zip(owner.tolist(), rows["total"].tolist(), strict=True)
    wrong = signs & np.array([one not in register.operators.places for one in who])
    wrong |= rows["total"] > NUMBER_MAX
    if wrong.any():
        findings.add_rows("people", rows["sequence"][wrong], CANCELLED)


def check_operator(
    register: Register, people: People, row: np.void, findings: Findings
) -> None:
    """The same of a shift, the approval of one, a complaint, or cash handed out."""
    if not register.parties.signing:
        return
    kind, centre = int(row["kind"]), 0
    if kind == Kind.COMPLAINT:
        centre = int(row["participant"])
    elif kind in (Kind.SHIFT, Kind.APPROVE, Kind.HANDED_OUT):
        wallet = int(row["debit"])
        if kind == Kind.APPROVE:
            wallet = people.wallet_of(int(row["resolves"]))
        accounts = register.accounts
        if wallet <= accounts.count and accounts["kind"][wallet] == AccountKind.WALLET:
            centre = int(accounts["participant"][wallet])
    if register.parties.signs_on[register.parties.place(centre)]:
        one = np.array([centre], np.uint32), np.array([row["operator_"]], np.uint32)
        if not register.operators.sit(*one)[0]:
            findings.add("people", int(row["sequence"]), NOBODY)
        if register.has(COUNTERS_OWN_RULES) and centre != row["participant"]:
            findings.add("people", int(row["sequence"]), STRANGER)
