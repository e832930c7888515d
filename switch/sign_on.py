"""What an operator signs to sign on: for those who sign, and those who verify."""

import hashlib
import struct
from typing import Final

PREFIX: Final = b"payswitch sign-o"
"""16 bytes, so that it is nothing else that somebody signs."""
NONCE_SIZE: Final = 144
CERTIFICATE_SIZE: Final = 16
_CENTRE_SIZE: Final = 32


def signed_bytes(
    instance: bytes,
    epoch: int,
    nonce: bytes,
    centre: str,
    operator: int,
    certificate: bytes,
) -> bytes:
    """The 32 bytes that are signed: the BLAKE2b-256 of all of it, in this order.

    `instance` and `certificate` have 16 bytes, `nonce` 144; the centre's id is ASCII,
    with zeros up to 32 bytes, the epoch 8 and the operator 4 bytes, little-endian.
    """
    name = centre.encode("ascii").ljust(_CENTRE_SIZE, b"\0")
    parts = (
        PREFIX,
        instance,
        struct.pack("<Q", epoch),
        nonce,
        name,
        struct.pack("<I", operator),
        certificate,
    )
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()
