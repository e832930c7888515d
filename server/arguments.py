"""What requests name, found: participants, wallets, heads, pages.

Each function raises ArgumentError with the field's name for what cannot be used,
NotFoundError for what is not there, ForbiddenError for what is not the caller's.
"""

import base64
import binascii
import struct

from server.status import ArgumentError, NotFoundError
from switch._core import Ledger
from switch.codes import Role
from switch.config import Config
from switch.register.identity import ForbiddenError, Identity
from switch.register.register import Account, Participant, Register

# Version, account, sequence that the page is below.
_TOKEN = struct.Struct("<BIQ")
_TOKEN_VERSION = 1


def participant(register: Register, code: str, field: str) -> Participant:
    """The participant with this id."""
    found = register.find_participant(code)
    if found is None:
        raise NotFoundError(f"{field}: there is no participant {code!r}")
    return found


def centre_wallet(register: Register, centre: str, field: str = "centre") -> Account:
    """The wallet of the centre with this participant id."""
    if not centre:
        raise ArgumentError(field, "must name a centre")
    found = register.find_wallet(centre)
    if found is None:
        raise NotFoundError(f"{field}: there is no centre {centre!r} with a wallet")
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
        raise NotFoundError(f"biller: {code!r} is no biller")
    return found


def biller_head(register: Register, code: str, head: str) -> Account:
    """The account of a biller's head."""
    found = register.find_head(code, head)
    if found is None:
        raise NotFoundError(f"head: there is no biller {code!r} with head {head!r}")
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


def make_token(account: int, before: int) -> str:
    """The token of the page below sequence `before`; empty if there is none."""
    if not before:
        return ""
    token = _TOKEN.pack(_TOKEN_VERSION, account, before)
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def read_token(token: str, account: int) -> int:
    """The sequence in a token of this account; 0 for the empty token."""
    if not token:
        return 0
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        version, owner, before = _TOKEN.unpack(packed)
    except (binascii.Error, struct.error, ValueError):
        version, owner, before = 0, 0, 0
    if version != _TOKEN_VERSION or owner != account or not before:
        raise ArgumentError("page_token", "is not a token of this list")
    return int(before)
