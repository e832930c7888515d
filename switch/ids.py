"""Ids of 16 bytes that a client chooses: UUIDv7, ascending within a process.

May use nothing of the product. The ledger takes any 16 bytes that are not all zero;
ids that ascend merely keep its index cheap.
"""

import os
import threading
import time
import uuid

ID_SIZE = 16
"""Bytes of an id."""

_COUNTER_BITS = 74
_COUNTER_END = 1 << _COUNTER_BITS
_STEP_MASK = (1 << 32) - 1


class IdMaker:
    """Makes UUIDv7 ids; each is greater than the one before.

    The 74 bits beside the time and the version are random for the first id of a
    millisecond and grow by a random step within it, so that two processes do not
    meet and an id does not give away the next. Any thread may call it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._time_ms = 0
        self._counter = 0

    def make(self) -> bytes:
        """A new id of `ID_SIZE` bytes."""
        noise = int.from_bytes(os.urandom(10), "big")
        now_ms = time.time_ns() // 1_000_000
        with self._lock:
            if now_ms > self._time_ms:
                self._time_ms = now_ms
                self._counter = noise >> (80 - _COUNTER_BITS)
            else:
                # Also when the clock went back: ids never do.
                self._counter += 1 + (noise & _STEP_MASK)
                if self._counter >= _COUNTER_END:
                    self._time_ms += 1
                    self._counter = noise >> (80 - _COUNTER_BITS)
            return _pack(self._time_ms, self._counter)


def _pack(time_ms: int, counter: int) -> bytes:
    value = time_ms << 80 | 7 << 76 | (counter >> 62) << 64
    value |= 0b10 << 62 | counter & ((1 << 62) - 1)
    return value.to_bytes(ID_SIZE, "big")


_maker = IdMaker()


def _restart() -> None:
    """A forked child must not go on from its parent's counter."""
    global _maker
    _maker = IdMaker()


os.register_at_fork(after_in_child=_restart)


def new_id() -> bytes:
    """A new id of 16 bytes, greater than every earlier one of this process."""
    return _maker.make()


def format_id(raw: bytes) -> str:
    """The id as people read it, in the usual form of a UUID.

    Raises ValueError if it has not 16 bytes.
    """
    return str(uuid.UUID(bytes=raw))


def parse_id(text: str) -> bytes:
    """The 16 bytes of an id, from 32 hexadecimal digits or the form of a UUID.

    Raises ValueError for anything else.
    """
    digits = text
    if len(text) == 36 and all(text[at] == "-" for at in (8, 13, 18, 23)):
        digits = text.replace("-", "")
    if len(digits) != 2 * ID_SIZE or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f"not an id: {text[:64]!r} (32 hexadecimal digits are)")
    return bytes.fromhex(digits)


def id_time_ms(raw: bytes) -> int:
    """Milliseconds since 1970-01-01 UTC that a UUIDv7 was made at.

    Raises ValueError if it is not a UUIDv7; then the id says nothing about time.
    """
    if len(raw) != ID_SIZE or raw[6] >> 4 != 7 or raw[8] >> 6 != 0b10:
        raise ValueError("not a UUIDv7")
    return int.from_bytes(raw[:6], "big")
