"""What register rows say of operators: the record, and what a network's file says.

For both sides of the wire, over bytes alone; docs/data-model.md ("Operators") says what
each is. May use `codes`.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from switch.codes import Record

KEY_SIZE: Final = 32
OPERATORS_MAX: Final = 256
"""Of one centre, in a file; the ledger has 65,535 in all."""
NUMBER_MAX: Final = 2**32 - 1

_RECORD: Final = struct.Struct("<BBxxII4x32s")
_KEY: Final = re.compile("[0-9a-f]{64}")
RECORD_SIZE: Final = _RECORD.size


class OperatorRecord(NamedTuple):
    """An operator, as the record has it."""

    active: bool
    participant: int
    """Participant index of the centre."""
    number: int
    key: bytes
    """Ed25519, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSpec:
    """An operator of a centre, in a file of a network."""

    number: int
    """1 to 2^32 - 1; as `operator` of what it does."""
    key: str
    """The public key, 64 hexadecimal digits in lower case."""
    active: bool = True


def operator_tail(one: OperatorRecord) -> bytes:
    """The record, as it stands in a `register` row's tail. Raises ValueError."""
    if len(one.key) != KEY_SIZE:
        raise ValueError(f"a key has {KEY_SIZE} bytes")
    try:
        return _RECORD.pack(
            int(Record.OPERATOR), int(one.active), one.participant, one.number, one.key
        )
    except struct.error as error:
        raise ValueError(f"no operator can be that: {error}") from None


def read_operator(tail: bytes) -> OperatorRecord:
    """An operator out of a tail."""
    _, active, participant, number, key = _RECORD.unpack_from(tail)
    return OperatorRecord(bool(active), participant, number, key)


def operator_problems(specs: Sequence[OperatorSpec]) -> Iterator[tuple[str, str]]:
    """What is wrong with the operators of one centre: the field, and why."""
    if len(specs) > OPERATORS_MAX:
        yield "operators", f"must be at most {OPERATORS_MAX}"
    numbers: set[int] = set()
    for at, one in enumerate(specs):
        if not 0 < one.number <= NUMBER_MAX:
            yield f"operators[{at}].number", "must be 1 to 2^32 - 1"
        elif one.number in numbers:
            yield f"operators[{at}].number", "is there twice"
        if not _KEY.fullmatch(one.key) or one.key == "0" * 64:
            text = "must be an Ed25519 public key, 64 hexadecimal digits"
            yield f"operators[{at}].key", text
        numbers.add(one.number)
