"""What requests name, found: participants, wallets, heads, pages.

Each function raises ArgumentError with the field's path for what cannot be used,
NotFoundError for what is not there, ForbiddenError for a name that is not the caller's
own: that one is looked up by nobody, so that it tells nothing of who there is.
"""

from typing import Final

from server.status import ArgumentError, NotFoundError
from switch._core import Ledger
from switch.codes import AccountKind, Role
from switch.config import Config
from switch.errors import shown
from switch.ids import ID_SIZE
from switch.ledger.totals import last_at
from switch.register.identity import ForbiddenError, Identity
from switch.register.register import (
    PURPOSE_FLOAT,
    PURPOSE_SETTLEMENT,
    PURPOSE_SUSPENSE,
    PURPOSE_WALLET,
    Account,
    Participant,
    Register,
)
from switch.said import BANK_PREFIX
from switch.specs import TREASURY

TREASURY_HEADS: Final = {
    "float": PURPOSE_FLOAT,
    "suspense": PURPOSE_SUSPENSE,
    "settlement": PURPOSE_SETTLEMENT,
}
"""What the treasury's accounts are called where billers' have heads."""


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


def own_name(caller: Identity, name: str, field: str) -> str:
    """The caller's own participant id, whether it was given or not."""
    if name not in ("", caller.participant):
        raise ForbiddenError(f"{field}: only your own")
    return caller.participant


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


def named_account(
    register: Register, caller: Identity, participant_id: str, head: str
) -> Account:
    """The account with this owner and head: a centre its wallet, a biller its own.

    "float", "suspense", "settlement" and a bank's three ("bank/0123", and behind it
    " suspense" or " transit") need no owner.
    """
    if caller.role in (Role.CENTRE, Role.BILLER):
        if participant_id not in ("", caller.participant):
            raise ForbiddenError("others' accounts are not yours to ask for")
        return account_named(register, caller.participant, head)
    return office_account(register, participant_id, head)


def office_account(register: Register, participant_id: str, head: str) -> Account:
    """The same for an office, which may name any."""
    if not participant_id and head in TREASURY_HEADS:
        participant_id = TREASURY
    elif not participant_id and (banks := register.banks.find_head(head)):
        participant_id = register.participant(banks[0]).spec.id
    if not participant_id and head.startswith(BANK_PREFIX):
        raise NotFoundError(f"head: there is no account {shown(head)}")
    if not participant_id:
        raise ArgumentError("participant", "must name whose account it is")
    return account_named(register, participant_id, head)


def account_named(register: Register, participant_id: str, head: str) -> Account:
    """The account with this owner and head."""
    owner = participant(register, participant_id, "participant")
    found: Account | None = None
    if owner.spec.role is Role.BILLER:
        found = register.find_head(participant_id, head)
    elif owner.spec.role is Role.CENTRE and not head:
        found = register.find_account(owner.index, PURPOSE_WALLET)
    elif owner.spec.role is Role.TREASURY and head in TREASURY_HEADS:
        found = register.find_account(owner.index, TREASURY_HEADS[head])
    elif owner.spec.role is Role.TREASURY and (banks := register.banks.find_head(head)):
        whose, purpose = banks
        if whose == owner.index:
            found = register.find_account(whose, purpose)
    if found is None:
        text = f"{shown(participant_id)} has no account {shown(head)}"
        raise NotFoundError(f"head: {text}")
    return found


_NAMED_BY_PURPOSE: Final = {
    AccountKind.FLOAT: "float",
    AccountKind.SUSPENSE: "suspense",
    AccountKind.SETTLEMENT: "settlement",
}


def account_head(register: Register, account: Account) -> str:
    """The head that an account is named by; a wallet has none."""
    if account.kind in (AccountKind.WALLET, AccountKind.BILLER):
        return account.head
    name = _NAMED_BY_PURPOSE.get(account.kind)
    return name or register.banks.head_of(account.participant, account.purpose)


def point(ledger: Ledger, sequence: int, time_ns: int, prefix: str = "") -> int:
    """The entry right after which something is asked for, by its sequence or as the
    last one at or before a time; 0 if neither is given.
    """
    fields = f"{prefix}sequence", f"{prefix}time_ns"
    if sequence and time_ns:
        raise ArgumentError(fields[1], "must not be given beside a sequence")
    if sequence:
        return durable_sequence(ledger, sequence, fields[0])
    if not time_ns:
        return 0
    found = last_at(ledger, time_ns)
    if not found:
        raise NotFoundError(f"{fields[1]}: the ledger has no entry as old as that")
    return found


def is_known(ledger: Ledger, caller: Identity, row_id: bytes) -> bool:
    """Whether a row of the caller has this id: it is sent again. Reads."""
    return len(row_id) == ID_SIZE and ledger.find(caller.index, row_id) != 0


def durable_sequence(ledger: Ledger, sequence: int, field: str) -> int:
    """A sequence that is durable; 0 and later ones are not."""
    if not 0 < sequence <= ledger.sequence:
        raise NotFoundError(f"{field}: there is no durable entry {sequence}")
    return sequence


def page_size(size: int, config: Config) -> int:
    """How many entries a page has: 0 is the default, more than the most is the most."""
    return counted_size(size or config.page_size_default, config.page_size_max)


def counted_size(size: int, most: int) -> int:
    """How many entries a page is made of: 0, and more than the most, is the most."""
    if size < 0:
        raise ArgumentError("page_size", "must not be negative")
    return min(size or most, most)
