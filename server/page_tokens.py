"""Page tokens: where a list goes on, sealed for who asked and for what was asked.

A token is a position and a seal over it, over the caller and over the request without
its page. Whoever holds another's, or one of another list, holds nothing; so does who
makes one up. The key is this process's alone: a list that a restart cuts off is begun
anew.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import secrets
import struct
from typing import Any, Final

from server.status import ArgumentError
from switch.register.identity import Identity

_KEY: Final = secrets.token_bytes(32)
_PERSON: Final = b"page token"
_POSITION: Final = struct.Struct("<Q")
_SEAL_SIZE: Final = 16
TOKEN_SIZE: Final = 32
"""Characters of a token: 24 bytes in base64."""

PagedRequest = Any
"""A request with `page_size` and `page_token`; generated classes share no base."""


def make_token(request: PagedRequest, caller: Identity, position: int) -> str:
    """The token of the page at `position` of what was asked; empty if that is 0."""
    if not position:
        return ""
    packed = _POSITION.pack(position)
    sealed = packed + _seal(request, caller, packed)
    return base64.urlsafe_b64encode(sealed).decode("ascii")


def read_token(request: PagedRequest, caller: Identity) -> int:
    """The position in the request's token; 0 if it has none.

    Raises ArgumentError, the same for whatever is wrong with it.
    """
    token: str = request.page_token
    if not token:
        return 0
    sealed = b""
    if len(token) == TOKEN_SIZE and token.isascii():
        with contextlib.suppress(binascii.Error):
            sealed = base64.b64decode(token, b"-_", validate=True)
    packed, seal = sealed[: _POSITION.size], sealed[_POSITION.size :]
    if not hmac.compare_digest(seal, _seal(request, caller, packed)):
        raise ArgumentError("page_token", "is not a token of this list")
    position: int = _POSITION.unpack(packed)[0]
    return position


def _seal(request: PagedRequest, caller: Identity, packed: bytes) -> bytes:
    """Over everything that the token is bound to."""
    question = type(request)()
    question.CopyFrom(request)
    question.ClearField("page_token")
    question.ClearField("page_size")
    hashed = hashlib.blake2b(key=_KEY, digest_size=_SEAL_SIZE, person=_PERSON)
    # Fixed sizes first: no two questions come to the same bytes.
    name: str = request.DESCRIPTOR.full_name
    hashed.update(struct.pack("<8sIH", packed, caller.index, len(name)))
    hashed.update(name.encode("ascii"))
    hashed.update(question.SerializeToString(deterministic=True))
    return hashed.digest()
