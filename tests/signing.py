"""What people sign, and with what: keys of tests, hashes, records of people, lines of a
proposal, written down a second time from docs/data-model.md.

May use `cryptography` for Ed25519 itself, `switch.codes`, and nothing of the core. The
keys are everybody's: each follows from its number.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from switch.codes import PROPOSE_LINES, Kind, PersonRole, Record
from tests.flags import RowFlag
from tests.records import Row

SIGNATURE_SIZE = 64
NO_SIGNATURE = bytes(SIGNATURE_SIZE)

# --- keys -----------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def secret_key(number: int) -> Ed25519PrivateKey:
    """The key of tests with this number."""
    seed = hashlib.blake2b(b"key of tests %d" % number, digest_size=32).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


@lru_cache(maxsize=4096)
def public_key(number: int) -> bytes:
    """Its public half, 32 bytes."""
    return secret_key(number).public_key().public_bytes_raw()


@lru_cache(maxsize=65536)
def is_right(key: bytes, hash_: bytes, signature: bytes) -> bool:
    """Whether a signature of the hash is by this public key."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, hash_)
    except (InvalidSignature, ValueError):
        return False
    return True


# --- the hash of a row, and its signature ---------------------------------------------


def row_hash(row: Row, instance: bytes, item: bytes = b"", epoch: int = 0) -> bytes:
    """What is signed of a row: `item` is its tail item without the signature."""
    registers = row.kind in (Kind.REGISTER, Kind.WINDOW)
    asked = Row(
        row.kind,
        id=row.id,
        amount=row.amount,
        resolves=row.resolves,
        reference=b"" if registers else row.reference,
        debit=0 if registers else row.debit,
        credit=row.credit,
        operator_=row.operator_,
        participant=row.participant,
        flags=row.flags & RowFlag.UNFREEZE,
        total=row.total if row.kind == Kind.PROPOSE else 0,
    )
    head = b"payswitch signed" + instance + struct.pack("<Q", epoch)
    bytes_ = head + asked.pack() + bytes(4) + item
    return hashlib.blake2b(bytes_, digest_size=32).digest()


def hash_of(row: Row, instance: bytes) -> bytes:
    """The hash of a row that has its signature: what an approval of it names."""
    return row_hash(row, instance, (row.tail or b"")[:-SIGNATURE_SIZE])


def signature(row: Row, key: int, instance: bytes) -> bytes:
    """Of a row that has none yet, by the key of tests with this number."""
    return secret_key(key).sign(row_hash(row, instance, row.tail or b""))


def signed(row: Row, key: int, instance: bytes) -> Row:
    """The row with a signature behind its tail item, if there is one."""
    row = row.copy()
    row.tail = (row.tail or b"") + signature(row, key, instance)
    return row


# --- records --------------------------------------------------------------------------


@dataclass(slots=True)
class PersonRecord:
    """Who acts for a participant, and the public key that proves it."""

    participant: int
    number: int
    key: bytes
    role: int = PersonRole.CHECKER
    active: int = 1
    bank: int = 0

    def pack(self) -> bytes:
        """48 bytes."""
        fixed = (Record.PERSON, self.role, self.active, self.participant, self.number)
        return struct.pack("<BBBxIII32s", *fixed, self.bank, self.key)


@dataclass(slots=True)
class OperatorRecord:
    """Who sits at a centre's counter, and the public key that proves it."""

    participant: int
    number: int
    key: bytes
    active: int = 1

    def pack(self) -> bytes:
        """48 bytes."""
        fixed = (Record.OPERATOR, self.active, self.participant, self.number)
        return struct.pack("<BBHII4x32s", *fixed[:2], 0, *fixed[2:], self.key)


@dataclass(slots=True)
class ThresholdsRecord:
    """Paise from where on a third person is needed."""

    single: int
    batch: int
    day: int
    wait_s: int = 0
    """How long a beneficiary waits; 0: as long as by default."""
    wait_days: int = 0
    """How long who may approve by two people's word waits; likewise."""

    def pack(self) -> bytes:
        """32 bytes."""
        fixed = (self.wait_s, self.single, self.batch, self.day)
        return struct.pack("<BB2xIQQQ", Record.THRESHOLDS, self.wait_days, *fixed)


# --- a proposal of lines --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the treasury, as a proposal asks for it."""

    kind: int
    amount: int = 0
    resolves: int = 0
    debit: int = 0
    credit: int = 0
    reference: bytes = b""
    tail: bytes = b""
    flags: int = 0

    def pack(self) -> bytes:
        """64 bytes, its tail, and zeros up to a multiple of 8."""
        head = struct.pack(
            "<BxHIQQII32s",
            self.kind,
            self.flags,
            len(self.tail),
            self.amount,
            self.resolves,
            self.debit,
            self.credit,
            self.reference,
        )
        return head + self.tail + bytes(-len(self.tail) % 8)


def lines_item(lines: Sequence[Line]) -> bytes:
    """The tail item of a proposal of lines, but for the signature."""
    head = struct.pack("<II", len(lines), 0)
    return head + b"".join(line.pack() for line in lines)


def lines_of(item: bytes) -> list[Line]:
    """The lines of such a tail item, which must be right; a signature may follow."""
    (count,) = struct.unpack_from("<I", item)
    lines, at = [], 8
    for _ in range(count):
        kind, flags, size, amount, resolves, debit, credit, reference = (
            struct.unpack_from("<BxHIQQII32s", item, at)
        )
        tail = item[at + 64 : at + 64 + size]
        reference = reference.rstrip(b"\0")
        line = Line(kind, amount, resolves, debit, credit, reference, tail, flags)
        lines.append(line)
        at += 64 + size + -size % 8
    return lines


def line_id(proposal_id: bytes, number: int) -> bytes:
    """The id of the row of a proposal's line with this number, from 0."""
    hashed = hashlib.blake2b(b"line" + proposal_id, digest_size=32).digest()
    return hashed[:12] + struct.pack("<I", number)


def proposal_of_lines(
    id_: bytes,
    lines: Sequence[Line],
    *,
    participant: int,
    operator: int,
    reference: bytes = b"asked for",
) -> Row:
    """The proposal of these, not signed."""
    return Row(
        Kind.PROPOSE,
        id=id_,
        amount=sum(line.amount for line in lines),
        reference=reference,
        participant=participant,
        operator_=operator,
        total=PROPOSE_LINES,
        tail=lines_item(lines),
    )


def line_rows(proposal: Row, at: int, *, checker: int) -> list[Row]:
    """The rows of all lines of the proposal at sequence `at`, as they are asked for."""
    return [
        Row(
            line.kind,
            id=line_id(proposal.id, number),
            amount=line.amount,
            resolves=line.resolves,
            reference=line.reference,
            debit=line.debit,
            credit=line.credit,
            operator_=proposal.operator_,
            checker=checker,
            participant=proposal.participant,
            flags=line.flags,
            total=at,
            tail=line.tail or None,
        )
        for number, line in enumerate(lines_of(proposal.tail or b""))
    ]


def line_row(proposal: Row, at: int, number: int, *, checker: int) -> Row:
    """The row of one of them."""
    return line_rows(proposal, at, checker=checker)[number]


def approval(
    id_: bytes, asked: Row, at: int, instance: bytes, *, participant: int, operator: int
) -> Row:
    """The approval of what stands at sequence `at`, not signed."""
    shift = asked.kind == Kind.SHIFT
    return Row(
        Kind.APPROVE,
        id=id_,
        resolves=at,
        reference=b"" if shift else hash_of(asked, instance),
        participant=participant,
        operator_=operator,
    )
