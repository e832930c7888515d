"""What each kind of row is: the core's table of kinds, for Python.

`core/row/kinds.pxi` has the same; a test holds the two together.
"""

from collections.abc import Mapping
from enum import IntFlag
from typing import Final

from switch.codes import Kind


class Trait(IntFlag):
    """What a kind of row is; `TRAITS` has the kinds."""

    ID = 0x00001
    """Has its sender's id; others are found by what they resolve."""
    ASKED = 0x00002
    """May be asked for; others only the switch makes."""
    PAYMENT = 0x00004
    """A citizen's: of a service, from a wallet, may be in a basket."""
    MONEY = 0x00008
    """Moves money: belongs to the history of its two accounts."""
    POSTED = 0x00010
    """Moves posted totals, whatever it does to pending ones."""
    FINAL = 0x00020
    """Completes a payment: has a receipt, may be refunded."""
    DEBIT = 0x00040
    """Changes the image of its debit."""
    CREDIT = 0x00080
    """Changes the image of its credit too."""
    RESOLVES = 0x00100
    """Ends a hold."""
    CLAIM = 0x00200
    """May take a claim."""
    LINK = 0x00400
    """The row that it resolves gets a link to it, of low 0."""
    REFERENCE = 0x00800
    """The reference is its sender's."""
    RECORD = 0x01000
    """Its tail opens with a fixed record, the reference is its hash."""
    AMOUNT = 0x02000
    """Must be asked for with an amount, others with 0."""
    TOTAL = 0x04000
    """Its sender says `total`."""
    SPEAKS = 0x08000
    """Speaks of a row: must be asked for without accounts."""
    FILLED = 0x10000
    """The ledger fills in its accounts."""
    INDEX = 0x20000
    """Gives an account, participant, service or complaint its index."""
    PROPOSED = 0x40000
    """May be proposed; what is proposed is done only if approved."""
    APPROVED = 0x80000
    """May be approved by another person."""
    LINE = 0x100000
    """May be a line of a proposal."""


_ASKED = Trait.ID | Trait.ASKED
_MONEY = Trait.MONEY | Trait.DEBIT | Trait.CREDIT
_PAYMENT = (
    _ASKED | _MONEY | Trait.PAYMENT | Trait.CLAIM | Trait.REFERENCE | Trait.AMOUNT
)
_MOVE = _ASKED | _MONEY | Trait.POSTED | Trait.AMOUNT
_SAID = _ASKED | Trait.SPEAKS
_LINE = _ASKED | Trait.LINE

TRAITS: Final[Mapping[Kind, Trait]] = {
    Kind.PAY: _PAYMENT | Trait.POSTED | Trait.FINAL,
    Kind.HOLD: _PAYMENT,
    Kind.POST: _MONEY
    | Trait.ASKED
    | Trait.POSTED
    | Trait.FINAL
    | Trait.RESOLVES
    | Trait.LINK
    | Trait.AMOUNT
    | Trait.PROPOSED,
    Kind.VOID: _MONEY | Trait.ASKED | Trait.RESOLVES | Trait.LINK | Trait.PROPOSED,
    Kind.EXPIRE: _MONEY | Trait.RESOLVES | Trait.LINK,
    Kind.REFUND: _MOVE | Trait.LINK | Trait.FILLED | Trait.PROPOSED,
    Kind.TOP_UP: _MOVE | Trait.CLAIM | Trait.REFERENCE | Trait.LINE,
    Kind.TRANSFER: _MOVE | Trait.REFERENCE | Trait.PROPOSED | Trait.LINE,
    Kind.WINDOW: Trait.ASKED | Trait.LINK,
    Kind.SETTLE: _MOVE | Trait.LINE,
    Kind.OPEN: _LINE | Trait.DEBIT | Trait.RECORD | Trait.FILLED | Trait.INDEX,
    Kind.LIMIT: _LINE | Trait.DEBIT | Trait.RECORD,
    Kind.FREEZE: _LINE | Trait.DEBIT | Trait.REFERENCE,
    Kind.CLOSE: _LINE | Trait.DEBIT | Trait.REFERENCE,
    Kind.REGISTER: _LINE | Trait.RECORD | Trait.FILLED | Trait.INDEX,
    Kind.CASE: Trait.DEBIT | Trait.CREDIT,
    Kind.CASE_CLOSE: _SAID
    | Trait.DEBIT
    | Trait.CREDIT
    | Trait.LINK
    | Trait.REFERENCE
    | Trait.FILLED
    | Trait.PROPOSED,
    Kind.PROPOSE: _SAID | Trait.REFERENCE | Trait.AMOUNT | Trait.TOTAL | Trait.APPROVED,
    Kind.APPROVE: _SAID | Trait.LINK,
    Kind.SHIFT: _ASKED | Trait.RECORD | Trait.APPROVED,
    Kind.VERIFY: Trait.ASKED | Trait.DEBIT | Trait.CREDIT | Trait.PROPOSED,
    Kind.WITHDRAW: _SAID | Trait.LINK | Trait.REFERENCE,
    Kind.REQUEST: _ASKED | Trait.AMOUNT,
    Kind.BOOKED: _MOVE | Trait.CLAIM | Trait.REFERENCE | Trait.FILLED | Trait.LINE,
    Kind.COMPLAINT: _SAID | Trait.TOTAL | Trait.FILLED | Trait.INDEX,
    Kind.REPLY: _SAID | Trait.TOTAL | Trait.FILLED | Trait.LINK,
    Kind.BILLS: _SAID | Trait.RECORD,
    Kind.HANDED_OUT: _ASKED | Trait.AMOUNT,
    Kind.SIGNED_OFF: _ASKED,
}
"""The core's table of kinds, for Python; nothing follows from the order of numbers."""


def kinds_with(trait: Trait) -> tuple[Kind, ...]:
    """The kinds that have a trait."""
    return tuple(kind for kind, traits in TRAITS.items() if trait in traits)
