"""What each kind of row is: one table, and what the checks ask of it.

Written from docs/data-model.md a second time, on purpose: nothing here is derived from
the core's own table, and no rule follows from the order of the numbers.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from switch.audit.layout import CLAIM, PARTIAL, PRICE_FLAGS, RECENT, Mask
from switch.codes import PROPOSE_ADVANCE, CaseType, Kind, Role


class Money(Enum):
    """What a row does with money."""

    NONE = 0
    MOVES = 1
    HOLDS = 2
    POSTS = 3
    RELEASES = 4


class Move(IntEnum):
    """What a transfer that names a row is, by what it must be proposed as."""

    RECOVERY = 0
    """Takes back an advance, which it names."""
    CORRECTION = int(Kind.TRANSFER)
    """Pays the hold that it names after all."""
    ADVANCE = PROPOSE_ADVANCE
    """Lends a wallet what the hold that it names keeps."""
    UNDOING = int(Kind.REFUND)
    """Takes back what a correction of the hold that it names has paid. Never proposed
    as that.
    """
    ENDING = int(Kind.BOOKED)
    """Ends what a bank has booked and nothing had explained, pays out to what it names,
    or recalls a release. Never proposed as that.
    """


BY_ONE: Final = (Move.RECOVERY, Move.UNDOING)
"""Nobody else needs to want these in a ledger without people."""


class Reference(Enum):
    """What stands in a row's reference."""

    OWN = 1
    """What its sender says: a bill, a bank reference, a reason."""
    COPIED = 2
    """That of the row it speaks of."""
    DIGEST = 3
    """The BLAKE2b-256 of its tail item."""
    NONE = 4
    HASH = 5
    """The hash of what it approves, or nothing: `people` knows which."""


class Need(Enum):
    """Whether something must stand behind a row."""

    NEVER = 0
    MAY = 1
    MUST = 2


SWITCH: Final = 1 << 0
"""Who sends what the switch does by itself: participant 0."""
CENTRE: Final = 1 << Role.CENTRE
BILLER: Final = 1 << Role.BILLER
TREASURY: Final = 1 << Role.TREASURY
AUDITOR: Final = 1 << Role.AUDITOR
HARNESS: Final = 1 << Role.HARNESS
ANYBODY: Final = 0x1FF
"""The row names the sender of the hold it speaks of, who is judged there."""


@dataclass(frozen=True)
class Traits:
    """One kind of row. `senders` is a set of bits: SWITCH, or 1 << role."""

    senders: int
    reference: Reference
    money: Money = Money.NONE
    has_id: bool = True
    numbered: bool = False
    """An accepted one has the wallet's next receipt number."""
    period: bool = False
    """Counts in the period totals of a biller's account."""
    amount: bool = False
    """Says an amount. All that move money do, and so does what asks for it."""
    total: bool = False
    """Says something in `total` when it is accepted."""
    evidence: Need = Need.NEVER
    """A biller's answer, or a bank's word: `ROW_EVIDENCE`."""
    approval: Need = Need.NEVER
    """A proposal of the same content, approved by another person of the treasury."""
    line: bool = False
    """In a ledger with people an accepted one is a line of a proposal, which it says in
    `total`, or one person stops something.
    """


OWN, COPIED, DIGEST = Reference.OWN, Reference.COPIED, Reference.DIGEST

TRAITS: Final[dict[Kind, Traits]] = {
    Kind.PAY: Traits(
        CENTRE | HARNESS,
        OWN,
        Money.MOVES,
        numbered=True,
        period=True,
        amount=True,
    ),
    Kind.HOLD: Traits(CENTRE | HARNESS, OWN, Money.HOLDS, amount=True),
    Kind.POST: Traits(
        ANYBODY,
        COPIED,
        Money.POSTS,
        has_id=False,
        numbered=True,
        period=True,
        amount=True,
        total=True,
        evidence=Need.MAY,
        approval=Need.MAY,
    ),
    # A biller has rejected it, it was cancelled before its deadline, or two people have
    # released what was kept.
    Kind.VOID: Traits(
        ANYBODY,
        COPIED,
        Money.RELEASES,
        has_id=False,
        amount=True,
        total=True,
        evidence=Need.MAY,
        approval=Need.MAY,
    ),
    Kind.EXPIRE: Traits(ANYBODY, COPIED, Money.RELEASES, has_id=False, amount=True),
    Kind.REFUND: Traits(
        TREASURY,
        COPIED,
        Money.MOVES,
        period=True,
        amount=True,
        total=True,
        approval=Need.MUST,
    ),
    Kind.TOP_UP: Traits(TREASURY, OWN, Money.MOVES, amount=True, total=True, line=True),
    # One that names a hold corrects or advances it and needs two people; recoveries of
    # advances, undoings of corrections and the treasury's own moves need one.
    Kind.TRANSFER: Traits(
        TREASURY,
        OWN,
        Money.MOVES,
        period=True,
        amount=True,
        total=True,
        approval=Need.MAY,
        line=True,
    ),
    Kind.WINDOW: Traits(SWITCH | TREASURY, DIGEST, has_id=False),
    Kind.SETTLE: Traits(
        TREASURY, Reference.NONE, Money.MOVES, amount=True, total=True, line=True
    ),
    # The first load of a ledger has no sender that is registered.
    Kind.OPEN: Traits(SWITCH | TREASURY, DIGEST, total=True, line=True),
    Kind.LIMIT: Traits(SWITCH | TREASURY, DIGEST, total=True, line=True),
    Kind.FREEZE: Traits(TREASURY, OWN, total=True, line=True),
    Kind.CLOSE: Traits(TREASURY, OWN, total=True, line=True),
    Kind.REGISTER: Traits(SWITCH | TREASURY, DIGEST, total=True, line=True),
    # What it says of money goes by its type.
    Kind.CASE: Traits(ANYBODY, COPIED, has_id=False, total=True, evidence=Need.MAY),
    Kind.CASE_CLOSE: Traits(TREASURY, OWN, total=True, approval=Need.MUST),
    # With `ROW_EVIDENCE` a bank's connection says what the bank has booked.
    Kind.PROPOSE: Traits(TREASURY, OWN, amount=True, total=True, evidence=Need.MAY),
    # Of a shift by its centre, of all else by the treasury: `cases` tells them apart.
    Kind.APPROVE: Traits(TREASURY | CENTRE | HARNESS, Reference.HASH, total=True),
    Kind.SHIFT: Traits(CENTRE | HARNESS, DIGEST),
    # A biller has said that it has no credit of it, or two people have found that.
    Kind.VERIFY: Traits(
        ANYBODY,
        COPIED,
        has_id=False,
        total=True,
        evidence=Need.MAY,
        approval=Need.MAY,
    ),
    Kind.WITHDRAW: Traits(TREASURY, OWN),
    # Whoever has a wallet: that it is its own is judged in `requests`.
    Kind.REQUEST: Traits(ANYBODY, Reference.NONE, amount=True),
    Kind.BOOKED: Traits(TREASURY, OWN, Money.MOVES, amount=True, total=True, line=True),
    # Whose payment it is, and who may take which step, is judged in `complaints`.
    Kind.COMPLAINT: Traits(CENTRE, Reference.NONE, total=True),
    Kind.REPLY: Traits(TREASURY | BILLER, Reference.NONE, total=True),
    Kind.BILLS: Traits(BILLER, DIGEST),
    # Whose wallet has what is handed out is judged in `handouts`.
    Kind.HANDED_OUT: Traits(CENTRE, Reference.NONE, amount=True),
    # Whose operator it was is judged in `signed_off`.
    Kind.SIGNED_OFF: Traits(CENTRE, Reference.NONE),
}
if set(TRAITS) != set(Kind):
    raise ImportError("a kind of row has no traits")


def table_of(*kinds: int) -> Mask:
    """Codes as a table over the byte: looked up faster than searched for, in a few rows
    as in many.
    """
    table = np.zeros(256, dtype=np.bool_)
    table[[int(kind) for kind in kinds]] = True
    return table


def _where(name: str, *values: object) -> Mask:
    """The kinds with one of some values of a trait, as a table over the byte."""
    return table_of(*(k for k, t in TRAITS.items() if getattr(t, name) in values))


KNOWN: Final = table_of(*TRAITS)
MADE: Final = _where("has_id", False)
"""Rows that the switch makes, or that are found by what they resolve: without an id."""
MONEY: Final = KNOWN & ~_where("money", Money.NONE)
RESOLVING: Final = _where("money", Money.POSTS, Money.RELEASES)
RELEASING: Final = _where("money", Money.RELEASES)
POSTED: Final = _where("money", Money.MOVES, Money.POSTS)
PERIOD: Final = _where("period", True)
NUMBERED: Final = _where("numbered", True)
AMOUNTS: Final = _where("amount", True)
TOTALLED: Final = _where("total", True)
ANSWERED: Final = _where("evidence", Need.MAY, Need.MUST)
OWN_REFERENCE: Final = _where("reference", Reference.OWN)
NO_REFERENCE: Final = _where("reference", Reference.NONE)
DIGESTED: Final = _where("reference", Reference.DIGEST)
LINE: Final = _where("line", True)
PEOPLE: Final = table_of(
    *(Kind.CASE, Kind.CASE_CLOSE, Kind.PROPOSE, Kind.APPROVE, Kind.SHIFT),
    *(Kind.VERIFY, Kind.WITHDRAW),
)
"""What needs people; the other rows without money are the register's."""
COMPLAINING: Final = table_of(Kind.COMPLAINT, Kind.REPLY)
KEEPING: Final = table_of(Kind.HOLD, Kind.CASE, Kind.POST, Kind.VOID)
"""A hold whose deadline keeps it, a case that keeps one, and what ends a kept one."""
OF_RECOVERY: Final = table_of(Kind.PROPOSE, Kind.APPROVE, Kind.REGISTER)
"""Where the same bit says that it is of a recovery, which is judged with people."""
RELEASING_CLAIMS: Final = table_of(
    *(Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.REFUND, Kind.VERIFY, Kind.TRANSFER)
)
"""What may release a claim; expiries never do, which is judged where claims are."""
SAYS_AMOUNT: Final = (CaseType.LATE_CONFIRMATION, CaseType.AMOUNT_DIFFERS)
"""Types of cases that say what a biller has credited."""
KEEPS: Final = (CaseType.DEADLINE_PASSED, CaseType.AMOUNT_DIFFERS)
"""Types of cases that keep a hold which is open."""
CASES: Final = (
    *(CaseType.LATE_CONFIRMATION, CaseType.LATE_REJECTION, CaseType.DEADLINE_PASSED),
    CaseType.AMOUNT_DIFFERS,
)
"""Types that a case's row may have."""
SPENDS: Final = (Kind.PAY, Kind.HOLD)
SPENDING: Final = table_of(*SPENDS)
"""What a citizen's payment is: of a service, from a wallet."""


def _senders() -> npt.NDArray[np.uint16]:
    table = np.zeros(256, dtype=np.uint16)
    for kind, traits in TRAITS.items():
        table[kind] = traits.senders
    return table


def _claimed() -> npt.NDArray[np.uint16]:
    table = np.zeros(256, dtype=np.uint16)
    ending = Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.VERIFY, Kind.REFUND
    for kind in (*SPENDS, *ending):
        table[kind] = PRICE_FLAGS
    table[Kind.TOP_UP], table[Kind.BOOKED] = CLAIM, CLAIM | RECENT
    table[Kind.TRANSFER] = CLAIM | PARTIAL
    return table


MARKED: Final = table_of(
    *(Kind.CASE, Kind.TRANSFER, Kind.REGISTER, Kind.PROPOSE, Kind.BOOKED)
)
"""Whose flags have the bit of `ROW_CASE`, `UPDATE`, `THIRD` and `MATCHED`."""
CLAIMED: Final = _claimed()
"""Which flags of claims and dues a kind of row may have."""
SENDERS: Final = _senders()
SAYS: Final = table_of(Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW, Kind.REGISTER)
"""What may be of a recovery."""
