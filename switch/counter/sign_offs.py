"""Signing off: the row that says that a session is over, and by which id it is found.

May use `codes` and `ledger.templates`.
"""

import hashlib
from typing import Final

from switch.codes import Kind
from switch.ids import ID_SIZE
from switch.ledger.templates import Templates, template

HASHED_SIZE: Final = 128
"""Bytes of a session's token, from its beginning, that the id is made of."""
_PERSON: Final = b"signed off"


def sign_off_id(token: bytes) -> bytes:
    """The id of the row that ends a session, 16 bytes: once its centre has a row with
    it, whatever that is, the session is over for good.
    """
    hashed = hashlib.blake2b(token[:HASHED_SIZE], digest_size=ID_SIZE, person=_PERSON)
    return hashed.digest()


def sign_off(row_id: bytes, wallet: int, operator: int, *, sender: int) -> Templates:
    """End the session with this id of an operator of the sender, at its wallet.

    Raises OverflowError if a number does not fit.
    """
    return template(
        Kind.SIGNED_OFF, row_id=row_id, sender=sender, operator=operator, debit=wallet
    )
