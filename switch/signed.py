"""What a person signs: a row's hash, and the lines of a proposal.

Who signs computes it from what it has shown and never takes a hash from a switch; so it
stands here, for both sides, over bytes alone. docs/data-model.md says what each is;
what lines say for people is in `said`. May use `codes` and `ids`.
"""

import hashlib
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from switch.codes import Kind, PersonRole, Record, RowFlag
from switch.ids import ID_SIZE
from switch.traits import Trait, kinds_with

LINES_MAX: Final = 8_000
"""Lines of one proposal."""
LINES_SIZE_MAX: Final = 2_600_000
"""Bytes of the tail item of one proposal, its signature among them."""
SIGNATURE_SIZE: Final = 64
KEY_SIZE: Final = 32
ROW_SIZE: Final = 128

_PREFIX: Final = b"payswitch signed"
_ROW: Final = struct.Struct("<16sQQQQ32sIIIIIIHBBHHQII")
_FIELDS: Final = (
    *("id", "sequence", "timestamp", "amount", "resolves", "reference", "debit"),
    *("credit", "receipt", "operator", "checker", "participant", "service", "kind"),
    *("result", "flags", "basket", "total", "deadline", "check"),
)
_LINE: Final = struct.Struct("<BBHIQQII32s")
_HEAD: Final = struct.Struct("<II")
_PERSON: Final = struct.Struct("<BBBxIII32s")
PERSON_SIZE: Final = _PERSON.size
"""Bytes of a person's record."""
_THRESHOLDS: Final = struct.Struct("<BB2xIQQQ")
_RECORDED: Final = frozenset(kinds_with(Trait.RECORD))


class Row(NamedTuple):
    """A row as it is asked for, and signed; what is not here is zero."""

    kind: Kind
    total: int = 0
    """Of a propose what it asks for."""
    resolves: int = 0
    amount: int = 0
    """Paise."""
    reference: bytes = b""
    debit: int = 0
    credit: int = 0
    is_unfreeze: bool = False
    tail: bytes = b""
    """Its tail item without the signature."""


class Ledger(NamedTuple):
    """Which ledger it is signed for."""

    instance: bytes
    epoch: int = 0


def hash_of(
    row: Row, row_id: bytes, participant: int, number: int, ledger: Ledger
) -> bytes:
    """The 32 bytes that the person `number` of a participant's index signs.

    Raises ValueError if a field does not fit.
    """
    # Of these two the reference is the ledger's own: the hash of their item.
    is_digest = row.kind in (Kind.REGISTER, Kind.WINDOW)
    if len(row_id) != ID_SIZE or len(ledger.instance) != ID_SIZE:
        raise ValueError(f"an id has {ID_SIZE} bytes")
    try:
        body = _ROW.pack(
            row_id,
            *(0, 0, row.amount, row.resolves),
            b"" if is_digest else _padded(row.reference),
            0 if is_digest else row.debit,
            row.credit,
            *(0, number, 0, participant, 0, int(row.kind), 0),
            int(RowFlag.UNFREEZE) if row.is_unfreeze else 0,
            0,
            row.total if row.kind is Kind.PROPOSE else 0,
            *(0, 0),
        )
        signed_for = ledger.instance + ledger.epoch.to_bytes(8, "little")
    except (struct.error, OverflowError) as error:
        raise ValueError(f"no row can be that: {error}") from None
    return hashlib.blake2b(
        _PREFIX + signed_for + body + row.tail, digest_size=32
    ).digest()


class Stored(NamedTuple):
    """A row out of the ledger, as it was asked for, and by whom."""

    row: Row
    id: bytes
    sequence: int
    time_ns: int
    participant: int
    number: int

    def hash(self, ledger: Ledger) -> bytes:
        """What was signed of it."""
        return hash_of(self.row, self.id, self.participant, self.number, ledger)


def read_row(data: bytes, tail: bytes) -> Stored:
    """The 128 bytes of a row, and its tail item without the signature.

    Raises ValueError.
    """
    if len(data) != ROW_SIZE:
        raise ValueError(f"a row has {ROW_SIZE} bytes, not {len(data)}")
    found = dict(zip(_FIELDS, _ROW.unpack(data), strict=True))
    kind = Kind(found["kind"])
    row = Row(
        kind,
        found["total"] if kind is Kind.PROPOSE else 0,
        found["resolves"],
        found["amount"],
        found["reference"],
        found["debit"],
        found["credit"],
        bool(found["flags"] & RowFlag.UNFREEZE),
        tail,
    )
    names = ("id", "sequence", "timestamp", "participant", "operator")
    return Stored(row, *(found[name] for name in names))


def _padded(reference: bytes) -> bytes:
    if len(reference) > 32:
        raise ValueError("a reference has at most 32 bytes")
    return reference.ljust(32, b"\0")


# --- lines ---------------------------------------------------------------------------


class Line(NamedTuple):
    """One row that a proposal asks for."""

    kind: Kind
    flags: int = 0
    amount: int = 0
    """Paise."""
    resolves: int = 0
    debit: int = 0
    credit: int = 0
    reference: bytes = b""
    """Zeros where the row has the hash of its tail item."""
    tail: bytes = b""

    def pack(self) -> bytes:
        """Its bytes: 64, its tail, zeros up to a multiple of 8. Raises ValueError."""
        try:
            head = _LINE.pack(
                int(self.kind),
                0,
                self.flags,
                len(self.tail),
                *(self.amount, self.resolves, self.debit, self.credit),
                b"" if self.kind in _RECORDED else _padded(self.reference),
            )
        except struct.error as error:
            raise ValueError(f"no line can be that: {error}") from None
        return head + self.tail + bytes(-len(self.tail) % 8)

    @property
    def text(self) -> str:
        """Its reference: a reason, or the bank's."""
        return self.reference.rstrip(b"\0").decode("ascii", "replace")


def pack_lines(lines: Iterable[bytes]) -> bytes:
    """The tail item of a proposal, without its signature, of packed lines."""
    listed = list(lines)
    return _HEAD.pack(len(listed), 0) + b"".join(listed)


def count_lines(tail: bytes) -> int:
    """How many a proposal has, by its tail item. Raises ValueError."""
    if len(tail) < _HEAD.size:
        raise ValueError("these are no lines")
    count: int = _HEAD.unpack_from(tail)[0]
    return count


def split_lines(tail: bytes) -> list[bytes]:
    """The packed lines of a proposal, of its tail item without the signature.

    Raises ValueError if they are not just that.
    """
    found = []
    at = _HEAD.size
    for _ in range(count_lines(tail)):
        if at + _LINE.size > len(tail):
            raise ValueError("the lines are cut off")
        size = _LINE.unpack_from(tail, at)[3]
        end = at + _LINE.size + size + -size % 8
        found.append(tail[at:end])
        at = end
    if at != len(tail):
        raise ValueError("the lines are not as long as they say")
    return found


def first_line(tail: bytes) -> bytes:
    """The first packed line of a proposal, of its tail item, whatever is behind it.

    Raises ValueError if there is none.
    """
    if not count_lines(tail) or _HEAD.size + _LINE.size > len(tail):
        raise ValueError("there is no line")
    size = _LINE.unpack_from(tail, _HEAD.size)[3]
    end = _HEAD.size + _LINE.size + size + -size % 8
    if end > len(tail):
        raise ValueError("the line is cut off")
    return tail[_HEAD.size : end]


def read_line(data: bytes) -> Line:
    """One line, of its bytes. Raises ValueError if they are not just a line."""
    if len(data) < _LINE.size:
        raise ValueError("a line is cut off")
    kind, zero, flags, size, amount, resolves, debit, credit, reference = (
        _LINE.unpack_from(data)
    )
    tail = data[_LINE.size : _LINE.size + size]
    line = Line(
        Kind(kind), flags, amount, resolves, debit, credit, reference, bytes(tail)
    )
    if zero or line.pack() != data:
        raise ValueError("a line is not as it must be")
    return line


def amount_of(lines: Iterable[bytes]) -> int:
    """The sum of the amounts of packed lines, paise."""
    return sum(read_line(one).amount for one in lines)


def line_id(proposal_id: bytes, number: int) -> bytes:
    """The id of the row of a proposal's line, from 0."""
    body = hashlib.blake2b(b"line" + proposal_id, digest_size=32).digest()
    return body[: ID_SIZE - 4] + number.to_bytes(4, "little")


# --- records -------------------------------------------------------------------------


def person_tail(
    participant: int,
    number: int,
    role: PersonRole,
    key: bytes,
    *,
    active: bool = True,
    bank: int = 0,
) -> bytes:
    """The record of a person, as it stands in a `register` row's tail. `bank` is the
    index of a channel's bank account, 0 for none.
    """
    values = (int(role), int(active), participant, number, bank, key)
    return _PERSON.pack(int(Record.PERSON), *values)


class ThresholdsRecord(NamedTuple):
    """From where on a third person is needed, as the record has it; paise."""

    single: int
    batch: int
    day: int
    wait_s: int = 0
    """From a beneficiary's newest row to a payout; 0: what the rules say."""
    wait_days: int = 0
    """From the approval of what lets more people approve, by two, until it is done;
    0: what the rules say.
    """


def thresholds_tail(one: ThresholdsRecord) -> bytes:
    """The record of the thresholds, likewise. Raises ValueError."""
    try:
        return _THRESHOLDS.pack(
            int(Record.THRESHOLDS),
            one.wait_days,
            one.wait_s,
            one.single,
            one.batch,
            one.day,
        )
    except struct.error as error:
        raise ValueError(f"no thresholds can be that: {error}") from None


class PersonRecord(NamedTuple):
    """A person, as the record has it."""

    role: PersonRole
    active: bool
    participant: int
    number: int
    key: bytes
    bank: int = 0
    """Of a channel: the index of its bank account; 0: none."""


def read_person(tail: bytes) -> PersonRecord:
    """A person out of a tail."""
    _, role, active, participant, number, bank, key = _PERSON.unpack_from(tail)
    return PersonRecord(PersonRole(role), bool(active), participant, number, key, bank)


def read_thresholds(tail: bytes) -> ThresholdsRecord:
    """The thresholds out of a tail."""
    _, days, wait_s, single, batch, day = _THRESHOLDS.unpack_from(tail)
    return ThresholdsRecord(single, batch, day, wait_s, days)


def speaks_of(tail: bytes) -> int:
    """The participant index that a record in a tail speaks of, 0 for none by index."""
    of_one = Record.PINS, Record.BUDGET, Record.PERSON, Record.BANK_ACCOUNT
    if record_of(tail) not in (*of_one, Record.REVOCATION, Record.OPERATOR):
        return 0
    return int.from_bytes(tail[4:8], "little")


def record_of(tail: bytes) -> Record | None:
    """Of what a record is; None of what is not known here."""
    try:
        return Record(tail[0])
    except (IndexError, ValueError):
        return None
