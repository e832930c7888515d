"""The key that the codes of receipts are made with, in a file beside the ledger.

    receipt.key     payswitch receipt key 1
                    <64 hexadecimal digits>
                    check <32 hexadecimal digits>

Like `quotation.keys` it is its owner's alone (0600), in no copy, and never replaced by
itself. Unlike these it stays: with another one, every receipt that was printed before
has a code that is wrong. So whoever runs the switch keeps a copy of it apart from the
ledger's, and puts it back beside a ledger that was restored (docs/receipts.md).
"""

import hashlib
import hmac
import logging
import re
import secrets
from pathlib import Path
from typing import Final

from switch._core import Ledger
from switch.errors import ConfigError
from switch.ledger.secret_files import check_of, read_secret, write_secret
from switch.ledger.shapes import RECEIPT_KEY

log = logging.getLogger("ledger")

NAME, PARTIAL = RECEIPT_KEY
"""The file, and what is being written; left behind, that was never in use."""
SECRET_SIZE: Final = 32
CODE_BITS: Final = 48
"""Of a receipt's code: who has to ask for each guess finds none."""

_DOMAIN: Final = b"payswitch receipt"[:16]
_SHAPE: Final = re.compile(
    rb"(payswitch receipt key 1\n([0-9a-f]{64})\n)check ([0-9a-f]{32})\n"
)
_REST: Final = (
    "or put your copy of it in its place. Only if there is none delete it: the next "
    "start makes another, and receipts that were printed before cannot be checked any "
    "more. Nothing was changed"
)


class ReceiptKey:
    """The key of one open ledger. Its secret is in no text."""

    def __init__(self, ledger: Ledger) -> None:
        """Read the key, or make it.

        Raises ConfigError if the file cannot be used, SpaceError if there is no room.
        """
        directory = Path(ledger.path)
        secret = read_key(directory)
        if secret is None:
            secret = secrets.token_bytes(SECRET_SIZE)
            write_key(directory, secret)
            if ledger.sequence:
                log.warning(
                    "%s is not there: another one is made. If this ledger had one, put "
                    "your copy in its place, or what was printed cannot be checked",
                    directory / NAME,
                )
        self._secret = secret
        self._instance = bytes(ledger.instance)

    def code(self, sequence: int) -> str:
        """Of the receipt of a row: 12 hexadecimal digits, the same for ever."""
        text = _DOMAIN + self._instance + sequence.to_bytes(8, "little")
        made = hashlib.blake2b(text, digest_size=32, key=self._secret)
        return made.digest()[: CODE_BITS // 8].hex()

    def matches(self, sequence: int, code: str) -> bool:
        """Whether it is the code of the row's receipt; each wrong one takes as long."""
        return hmac.compare_digest(self.code(sequence).encode(), code.encode())


def read_key(directory: Path) -> bytes | None:
    """The key of a ledger; None if there is no file. Raises ConfigError."""
    data = read_secret(directory, NAME, _REST)
    return None if data is None else _parse(directory / NAME, data)


def write_key(directory: Path, secret: bytes) -> None:
    """Put this key in the place of what is there, durable when this returns.

    Raises ConfigError if no file is there, but something else; SpaceError, OSError.
    """
    text = f"payswitch receipt key 1\n{secret.hex()}\n"
    text += f"check {check_of(text.encode())}\n"
    write_secret(directory, NAME, PARTIAL, text.encode())


def _parse(path: Path, data: bytes) -> bytes:
    whole = _SHAPE.fullmatch(data)
    if not whole or check_of(whole[1]).encode() != whole[3]:
        raise ConfigError(
            f"{path} is damaged, or no receipt key, or one of a newer version: put it "
            f"right, {_REST}"
        )
    return bytes.fromhex(whole[2].decode())
