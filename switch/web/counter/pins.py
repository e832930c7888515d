"""Operators' keys on the counter's disk, each under its operator's PIN.

The key (Ed25519) is sealed with a key that argon2id makes of the PIN, so that neither
PIN nor hash of one is anywhere, and what is stolen with the disk has to be guessed at
the price of argon2id each time. Wrong PINs lock for a moment; a guess is counted on
the disk before it is tried, so that neither a kill nor a restart gives another one.
Guesses of a browser in which the operator has signed on are counted apart: whoever
guesses elsewhere keeps nobody out.
"""

import fcntl
import hmac
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from switch.errors import ConfigError, SwitchError
from switch.operator_rows import NUMBER_MAX
from switch.web.counter.till import make_folder, write_whole

PIN = re.compile(r"[0-9]{6,12}")
FREE = 3
"""Wrong PINs before the first lock."""
LOCK_FIRST_S, LOCK_MAX_S = 30, 120
"""Locks double from the first to the last: some 700 guesses a day, of a million."""
TELL_EACH = 10
"""Of so many wrong PINs in a row the switch is told."""
MEMORY_KIB, ITERATIONS, LANES = 64 << 10, 3, 1
"""Of argon2id: about a fifth of a second on a counter's computer."""
_FORM = 1
_SALT_SIZE = 16
_NONCE_SIZE = 12
_MARKS = "browsers"
"""With what marks are made of browsers in which operators have signed on."""


class WrongPinError(SwitchError):
    """The PIN, or the operator's number, is wrong; `count`: so many in a row."""

    def __init__(self, text: str, count: int = 0) -> None:
        super().__init__(text)
        self.count = count


class LockedError(SwitchError):
    """Too many wrong PINs; `wait_s` says how long."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"locked for {wait_s} s")
        self.wait_s = wait_s


class PinStore:
    """The keys of one centre's operators. Any thread and process may ask it."""

    def __init__(
        self, folder: Path, centre: str, now: Callable[[], float] = time.time
    ) -> None:
        """`now` is the wall clock: locks outlive the process."""
        self._folder = folder
        self._centre = centre
        self._now = now
        self._mutex = threading.Lock()
        make_folder(folder)

    def operators(self) -> list[int]:
        """Who has a key here."""
        found = [path.stem for path in self._folder.glob("*.key")]
        return sorted(int(one) for one in found if one.isdecimal())

    def enrol(self, operator: int, pin: str) -> bytes:
        """Make an operator's key, in place of an earlier one; its public half, which
        the register is to have. Raises ValueError for what is no PIN.
        """
        if not PIN.fullmatch(pin) or len(set(pin)) < 3:
            raise ValueError("a PIN has 6 to 12 digits, three different ones at least")
        if not 1 <= operator <= NUMBER_MAX:
            raise ValueError(f"an operator's number is 1 to {NUMBER_MAX}")
        key = Ed25519PrivateKey.generate()
        with self._alone():
            self._seal(operator, pin, key)
        return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def open(self, operator: int, pin: str, mark: str = "") -> Ed25519PrivateKey:
        """An operator's key. `mark` is what the browser brings of it, if anything.
        Raises WrongPinError, LockedError, ConfigError.
        """
        with self._alone():
            is_known = hmac.compare_digest(self._mark(operator), mark.encode())
            return self._open(operator, pin, "known_" if is_known else "")

    def mark(self, operator: int) -> str:
        """What a browser keeps in which this operator has signed on."""
        with self._alone():
            return self._mark(operator).decode()

    def _mark(self, operator: int) -> bytes:
        path = self._folder / _MARKS
        if not path.exists():
            write_whole(path, os.urandom(32))
        text = self._bound(operator)
        return hmac.digest(path.read_bytes(), text, "sha256").hex().encode()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else reads or writes a key: a guess that is counted writes it
        anew, and must not bring back one that was enrolled over meanwhile.
        """
        with self._mutex:
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)

    def _open(self, operator: int, pin: str, where: str) -> Ed25519PrivateKey:
        path = self._path(operator)
        if not path.exists():
            raise WrongPinError("no such operator")
        values = _read(path)
        counted, at = f"{where}wrong", f"{where}at"
        wrong, at_s = int(values.get(counted, 0)), int(values.get(at, 0))
        wait_s = self._wait_s(wrong, at_s)
        if wait_s:
            raise LockedError(wait_s)
        # Counted before it is tried: whoever ends the process has used it up.
        wrong += 1
        self._write(operator, {**values, counted: wrong, at: int(self._now())})
        if not PIN.fullmatch(pin):
            raise WrongPinError("not a PIN", wrong)
        secret = _derive(pin, bytes.fromhex(values["salt"]), values)
        try:
            raw = ChaCha20Poly1305(secret).decrypt(
                bytes.fromhex(values["nonce"]),
                bytes.fromhex(values["sealed"]),
                self._bound(operator),
            )
        except InvalidTag:
            raise WrongPinError("wrong PIN", wrong) from None
        self._write(operator, {**values, counted: 0, at: 0})
        return Ed25519PrivateKey.from_private_bytes(raw)

    def _wait_s(self, wrong: int, at_s: int) -> int:
        """Seconds until another PIN is tried."""
        if wrong < FREE:
            return 0
        lock_s = min(LOCK_MAX_S, LOCK_FIRST_S << min(wrong - FREE, 20))
        # A clock that was set back opens no earlier, and no later than the lock's end.
        left_s = at_s + lock_s - int(self._now())
        return max(0, min(lock_s, left_s))

    def _seal(self, operator: int, pin: str, key: Ed25519PrivateKey) -> None:
        salt, nonce = os.urandom(_SALT_SIZE), os.urandom(_NONCE_SIZE)
        costs = {"memory_kib": MEMORY_KIB, "iterations": ITERATIONS, "lanes": LANES}
        secret = _derive(pin, salt, costs)
        raw = key.private_bytes_raw()
        sealed = ChaCha20Poly1305(secret).encrypt(nonce, raw, self._bound(operator))
        self._write(
            operator,
            {
                "form": _FORM,
                **costs,
                "salt": salt.hex(),
                "nonce": nonce.hex(),
                "sealed": sealed.hex(),
                "wrong": 0,
                "at": 0,
            },
        )

    def _bound(self, operator: int) -> bytes:
        """What a sealed key is of: another's file in its place does not open."""
        return f"payswitch operator {self._centre}/{operator}".encode()

    def _path(self, operator: int) -> Path:
        return self._folder / f"{operator}.key"

    def _write(self, operator: int, values: dict[str, Any]) -> None:
        write_whole(self._path(operator), json.dumps(values).encode())


def _derive(pin: str, salt: bytes, costs: dict[str, Any]) -> bytes:
    return Argon2id(
        salt=salt,
        length=32,
        iterations=costs["iterations"],
        lanes=costs["lanes"],
        memory_cost=costs["memory_kib"],
    ).derive(pin.encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_bytes())
        if values["form"] != _FORM or values["memory_kib"] > MEMORY_KIB * 16:
            raise ValueError("of another form")
        int(values["wrong"]), int(values["at"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return values
