"""The keys that seal quotations, in a file beside the ledger.

    quotation.keys      payswitch quotation keys 1
                        8 <64 hexadecimal digits>       seals and is accepted
                        7 <64 hexadecimal digits>       is accepted; may be missing
                        check <32 hexadecimal digits>

The check is the BLAKE2b-128 of the lines before. The file is its owner's alone (0600),
never in a copy, and replaced as a whole. Without it there are new keys, and what was
sealed before is wrong: bills are fetched again. So a file that is there is never
replaced by itself, whatever is wrong with it.
"""

import hashlib
import logging
import re
import secrets
import threading
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path
from typing import Final

from switch._core import Ledger
from switch.errors import ConfigError
from switch.ledger.secret_files import check_of, read_secret, write_secret
from switch.ledger.shapes import KEYS

log = logging.getLogger("ledger")

NAME, PARTIAL = KEYS
"""The file, and what is being written; left behind, that was never in use."""
KEYS_MAX: Final = 2
SECRET_SIZE: Final = 32
SEAL_SIZE: Final = 16
NUMBER_MAX: Final = 255
"""Then they begin at 1 again: a number tells the two keys that are accepted apart."""

_HEAD: Final = "payswitch quotation keys 1"
_SHAPE: Final = re.compile(
    rb"payswitch quotation keys 1\n"
    rb"((?:[1-9][0-9]{0,2} [0-9a-f]{64}\n){1,2})"
    rb"check ([0-9a-f]{32})\n"
)
_NEW_ONES: Final = (
    "or delete it: the next start makes new keys, and bills that were fetched have to "
    "be fetched again. Nothing was changed"
)


@dataclass(frozen=True, slots=True)
class Key:
    """One key. The secret is in no text."""

    number: int
    secret: bytes = field(repr=False)


Keys = tuple[Key, ...]
"""The newest first; one or two."""


class NumberError(LookupError):
    """The key that is to be followed is not the newest."""


class KeyRing:
    """The keys of one open ledger, as long as this process has it."""

    def __init__(self, ledger: Ledger) -> None:
        """Read the keys, or make the first; give them to the ledger.

        Raises ConfigError if the file cannot be used, SpaceError if there is no room.
        """
        self._ledger = ledger
        self._directory = Path(ledger.path)
        self._lock = threading.Lock()
        self._keys = read_keys(self._directory)
        if not self._keys:
            log.info("%s is not there: a first key is made", self._directory / NAME)
            self._keys = (Key(1, secrets.token_bytes(SECRET_SIZE)),)
            write_keys(self._directory, self._keys)
        self._give()

    @property
    def number(self) -> int:
        """Of the key that seals."""
        return self._keys[0].number

    def rotate(self, current: int) -> tuple[int, bool]:
        """Follow the key `current` by a new one; keep it, and no older one.

        The new number, and whether that was done before. Durable when this returns.
        Blocks; any thread. Raises NumberError, ConfigError, SpaceError, OSError.
        """
        with self._lock:
            newest, *older = self._keys
            if any(key.number == current for key in older):
                return newest.number, True
            if newest.number != current:
                raise NumberError(f"the newest key has the number {newest.number}")
            fresh = Key(current % NUMBER_MAX + 1, secrets.token_bytes(SECRET_SIZE))
            write_keys(self._directory, (fresh, newest))
            self._keys = (fresh, newest)
            self._give()
            return fresh.number, False

    def seal(self, message: bytes) -> bytes:
        """Seal what is no quotation: 16 bytes, by the newest key."""
        return self._sealed(self._keys[0], message)

    def is_sealed(self, message: bytes, seal: bytes) -> bool:
        """Whether one of the keys has sealed just this."""
        found = [compare_digest(self._sealed(key, message), seal) for key in self._keys]
        return any(found)

    def _sealed(self, key: Key, message: bytes) -> bytes:
        # Of its own kind: what the core seals has another person.
        return hashlib.blake2b(
            message,
            digest_size=SEAL_SIZE,
            key=key.secret,
            salt=self._ledger.instance,
            person=b"payswitch sealed",
        ).digest()

    def _give(self) -> None:
        self._ledger.set_quotation_keys(
            [(key.number, key.secret) for key in self._keys]
        )


def read_keys(directory: Path) -> Keys:
    """The keys of a ledger; none if there is no file. Raises ConfigError."""
    data = read_secret(directory, NAME, _NEW_ONES)
    return () if data is None else _parse(directory / NAME, data)


def _parse(path: Path, data: bytes) -> Keys:
    whole = _SHAPE.fullmatch(data)
    keys = []
    if whole and check_of(data[: whole.end(1)]).encode() == whole[2]:
        for line in whole[1].decode().splitlines():
            number, secret = line.split()
            keys.append(Key(int(number), bytes.fromhex(secret)))
    numbers = {key.number for key in keys}
    if not keys or len(numbers) < len(keys) or max(numbers) > NUMBER_MAX:
        raise ConfigError(
            f"{path} is damaged, or no file of quotation keys, or one of a newer "
            f"version: put the right one in its place, {_NEW_ONES}"
        )
    return tuple(keys)


def write_keys(directory: Path, keys: Keys) -> None:
    """Put these keys in the place of what is there, durable when this returns.

    Raises ConfigError if no file is there, but something else; SpaceError, OSError.
    """
    assert 0 < len(keys) <= KEYS_MAX
    lines = [_HEAD, *(f"{key.number} {key.secret.hex()}" for key in keys)]
    text = "".join(f"{line}\n" for line in lines)
    text += f"check {check_of(text.encode())}\n"
    write_secret(directory, NAME, PARTIAL, text.encode())
