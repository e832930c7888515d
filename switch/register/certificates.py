"""What the register says of certificates: which are revoked, and which keys are pinned.

A certificate is known by who issued it and by its serial number, and is one
participant's: a revocation that names another participant does not reach it, so that
nobody of the treasury can be put out under a false name. Pins are the keys that a
participant's certificates may have; none are any.

May use the core's records and `templates`. What is in a certificate itself is read by
`credentials`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from switch._core import CONFIRMATION_RECORD, PINS_RECORD, REVOCATION_RECORD
from switch.codes import Record
from switch.ledger.templates import people_json, put_bytes
from switch.said import read_texts

AUTHORITY_SIZE: Final = 32
"""Bytes by which an authority is known."""
PIN_SIZE: Final = 32
"""Bytes by which a key is known."""
PINS_MAX: Final = 2
"""Keys of one participant: the one in use, and the one that follows it."""
SERIAL_MAX: Final = 20
"""Bytes of a serial number (RFC 5280)."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A certificate that is no longer accepted."""

    index: int
    sequence: int
    time_ns: int
    participant: int
    """Participant index of whom it is of; those below likewise."""
    authority: bytes
    serial: int
    reason: str
    revoked_by: int
    revoker: int = 0
    """Number of the person who has signed it, 0 where nobody has."""
    confirmed_by: int = 0
    """0 until a second person has stood by it."""
    confirmer: int = 0
    """As `revoker`."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """The keys that a participant's certificates may have, as they were said last."""

    index: int
    sequence: int
    time_ns: int
    participant: int
    """Participant index of whom they are of; `pinned_by` likewise."""
    keys: tuple[bytes, ...]
    """None: any."""
    pinned_by: int


# --- the tails of `register` rows -------------------------------------------------


def revocation_tail(
    participant: int, authority: bytes, serial: int, reason: str
) -> bytes:
    """The record of a revocation; why stands behind it."""
    number = serial.to_bytes((serial.bit_length() + 7) // 8)
    record = np.zeros(1, REVOCATION_RECORD)
    record["record"] = int(Record.REVOCATION)
    record["participant"] = participant
    record["serial_size"] = len(number)
    put_bytes(record, "authority", authority)
    put_bytes(record, "serial", number)
    return record.tobytes() + people_json({"reason": reason})


def confirmation_tail(revocation: int) -> bytes:
    """The record of a second person's word, on the revocation with this index."""
    record = np.zeros(1, CONFIRMATION_RECORD)
    record["record"] = int(Record.CONFIRMATION)
    record["revocation"] = revocation
    return record.tobytes()


def pins_tail(participant: int, pins: Sequence[bytes]) -> bytes:
    """The record of a participant's pins."""
    record = np.zeros(1, PINS_RECORD)
    record["record"] = int(Record.PINS)
    record["participant"] = participant
    record["count"] = len(pins)
    put_bytes(record, "pins", b"".join(pins))
    return record.tobytes()


def read_revocation(
    tail: bytes, index: int, sequence: int, time_ns: int, sender: tuple[int, int]
) -> Revocation:
    """A revocation out of its row and tail without the signature, as if nobody had
    confirmed it. `sender` is its participant's index, and the person's number.
    """
    record = np.frombuffer(tail, REVOCATION_RECORD, 1)[0]
    size = int(record["serial_size"])
    texts = _texts(tail[REVOCATION_RECORD.itemsize :])
    return Revocation(
        index,
        sequence,
        time_ns,
        int(record["participant"]),
        record["authority"].tobytes(),
        int.from_bytes(record["serial"].tobytes()[:size]),
        texts.get("reason", ""),
        *sender,
    )


def _texts(data: bytes) -> dict[str, str]:
    try:
        return read_texts(data)
    except ValueError:
        # The ledger takes any bytes here, if they are signed.
        return {}


def read_confirmation(tail: bytes) -> int:
    """The index of the revocation that is confirmed."""
    return int(np.frombuffer(tail, CONFIRMATION_RECORD, 1)[0]["revocation"])


def read_pins(
    tail: bytes, index: int, sequence: int, time_ns: int, sender: int
) -> Pinned:
    """Pins out of their row and tail."""
    record = np.frombuffer(tail, PINS_RECORD, 1)[0]
    packed, count = record["pins"].tobytes(), int(record["count"])
    keys = [packed[PIN_SIZE * at : PIN_SIZE * (at + 1)] for at in range(count)]
    whose = int(record["participant"])
    return Pinned(index, sequence, time_ns, whose, tuple(keys), sender)
