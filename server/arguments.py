"""What requests name, found: participants, wallets, heads, pages.

Each function raises ArgumentError with the field's path for what cannot be used,
NotFoundError for what is not there, ForbiddenError for a name that is not the caller's
own: that one is looked up by nobody, so that it tells nothing of who there is.
"""

from server.status import ArgumentError, NotFoundError
from switch._core import Ledger
from switch.codes import Role
from switch.config import Config
from switch.errors import shown
from switch.register.identity import ForbiddenError, Identity
from switch.register.register import Account, Participant, Register


def participant(register: Register, code: str, field: str) -> Participant:
    """The participant with this id."""
    found = register.find_participant(code)
    if found is None:
        raise NotFoundError(f"{field}: there is no participant {shown(code)}")
    return found


def centre_wallet(register: Register, centre: str, field: str = "centre") -> Account:
    """The wallet of the centre with this participant id."""
    if not centre:
        raise ArgumentError(field, "must name a centre")
    found = register.find_wallet(centre)
    if found is None:
        text = f"{field}: there is no centre {shown(centre)} with a wallet"
        raise NotFoundError(text)
    return found


def own_wallet(register: Register, caller: Identity, centre: str) -> Account:
    """The wallet that a caller asks for: a centre its own, others any."""
    if caller.role is Role.CENTRE:
        if centre not in ("", caller.participant):
            raise ForbiddenError("a centre may ask for its own wallet only")
        centre = caller.participant
    return centre_wallet(register, centre)


def biller(register: Register, caller: Identity, code: str) -> Participant:
    """The biller that a caller asks for: a biller itself, others any."""
    if caller.role is Role.BILLER:
        if code not in ("", caller.participant):
            raise ForbiddenError("a biller may ask for its own payments only")
        code = caller.participant
    if not code:
        raise ArgumentError("biller", "must name a biller")
    found = participant(register, code, "biller")
    if found.spec.role is not Role.BILLER:
        raise NotFoundError(f"biller: {shown(code)} is no biller")
    return found


def biller_head(register: Register, code: str, head: str) -> Account:
    """The account of a biller's head."""
    found = register.find_head(code, head)
    if found is None:
        text = f"head: there is no biller {shown(code)} with head {shown(head)}"
        raise NotFoundError(text)
    return found


def durable_sequence(ledger: Ledger, sequence: int, field: str) -> int:
    """A sequence that is durable; 0 and later ones are not."""
    if not 0 < sequence <= ledger.sequence:
        raise NotFoundError(f"{field}: there is no durable entry {sequence}")
    return sequence


def page_size(size: int, config: Config) -> int:
    """How many entries a page has: 0 is the default, more than the most is the most."""
    if size < 0:
        raise ArgumentError("page_size", "must not be negative")
    return min(size or config.page_size_default, config.page_size_max)
