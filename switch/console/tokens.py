"""Opaque bytes as people copy them: URL-safe base64 without padding.

May use nothing of the product. For quotations and for the handles that come with
PAID_RECENTLY, which only the switch reads.
"""

import base64
import binascii
import re

_TEXT = re.compile(r"[A-Za-z0-9_-]+")


def format_token(token: bytes) -> str:
    """The bytes as text that needs no quotes in a shell or a URL."""
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode("ascii")


def parse_token(text: str) -> bytes:
    """The bytes of a text that `format_token` gave. Raises ValueError for another."""
    try:
        if not _TEXT.fullmatch(text):
            raise ValueError
        token = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raise ValueError(f"not whole, or not copied right: {text[:64]!r}") from None
    if format_token(token) != text:
        # The bits behind the last byte: a letter that was lost or changed.
        raise ValueError(f"not whole, or not copied right: {text[:64]!r}")
    return token
