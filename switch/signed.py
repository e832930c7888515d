"""What a person signs: a row's hash, and the lines of a proposal.

Who signs computes it from what it has shown and never takes a hash from a switch; so it
stands here, for both sides, over bytes alone. docs/data-model.md says what each is. May
use `codes`, `ids` and `bank_rows`.
"""

import datetime as dt
import hashlib
import json
import re
import struct
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from switch.bank_rows import (
    BANK_ACCOUNT_SIZE,
    STATEMENT_SIZE,
    read_bank_account,
    read_booked,
    read_statement,
)
from switch.codes import (
    NO_AMOUNT_LIMIT,
    NO_COUNT_LIMIT,
    AccountKind,
    Budget,
    Kind,
    PersonRole,
    Record,
    Role,
    RowFlag,
    Trait,
    kinds_with,
)
from switch.ids import ID_SIZE

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
_PERSON: Final = struct.Struct("<BBBxII4x32s")
PERSON_SIZE: Final = _PERSON.size
"""Bytes of a person's record."""
_THRESHOLDS: Final = struct.Struct("<B7xQQQ")
_SERVICE: Final = struct.Struct("<x7B16sQQIII32x5BxH4xQ24x64s")
_SERVICE_SIZE: Final = 256
_SERVICE_FIELDS: Final = (
    *("amount rule", "mode", "duplicate rule", "key rule", "deadline policy"),
    *("active", "heads", "code", "least", "most", "duplicate hours", "deadline s"),
    *("biller no", "price rule", "letters", "ignored", "check digit", "fees"),
    *("series no", "steps of", "pattern"),
)
_FEE: Final = struct.Struct("<8sQI4x")
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
    is_register = row.kind is Kind.REGISTER
    if len(row_id) != ID_SIZE or len(ledger.instance) != ID_SIZE:
        raise ValueError(f"an id has {ID_SIZE} bytes")
    try:
        body = _ROW.pack(
            row_id,
            *(0, 0, row.amount, row.resolves),
            b"" if is_register else _padded(row.reference),
            0 if is_register else row.debit,
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
    participant: int, number: int, role: PersonRole, key: bytes, *, active: bool = True
) -> bytes:
    """The record of a person, as it stands in a `register` row's tail."""
    values = (int(role), int(active), participant, number, key)
    return _PERSON.pack(int(Record.PERSON), *values)


def thresholds_tail(single: int, batch: int, day: int) -> bytes:
    """The record of the thresholds, likewise; paise."""
    return _THRESHOLDS.pack(int(Record.THRESHOLDS), single, batch, day)


class PersonRecord(NamedTuple):
    """A person, as the record has it."""

    role: PersonRole
    active: bool
    participant: int
    number: int
    key: bytes


def read_person(tail: bytes) -> PersonRecord:
    """A person out of a tail."""
    _, role, active, participant, number, key = _PERSON.unpack_from(tail)
    return PersonRecord(PersonRole(role), bool(active), participant, number, key)


def read_thresholds(tail: bytes) -> tuple[int, int, int]:
    """`single`, `batch`, `day` out of a tail, paise."""
    _, single, batch, day = _THRESHOLDS.unpack_from(tail)
    return single, batch, day


def speaks_of(tail: bytes) -> int:
    """The participant index that a record in a tail speaks of, 0 for none by index."""
    of_one = Record.PINS, Record.BUDGET, Record.PERSON, Record.BANK_ACCOUNT
    if _record(tail) not in of_one:
        return 0
    return int.from_bytes(tail[4:8], "little")


def _record(tail: bytes) -> Record | None:
    try:
        return Record(tail[0])
    except (IndexError, ValueError):
        return None


# --- what they say -------------------------------------------------------------------


class Said(NamedTuple):
    """What a line says beside its amount and its accounts, read from its own bytes."""

    what: str
    """A word: `top up`, `recover`, `unfreeze`, `person` …"""
    facts: tuple[tuple[str, str], ...] = ()
    """Name and value, in order; a value may be an amount in paise, then it is a
    number."""


def say(line: Line, debit: str = "", credit: str = "") -> Said:
    """What a line, or a stop, is about. Transfers are told apart by what their accounts
    are called.
    """
    kind, tail = line.kind, line.tail
    if kind is Kind.FREEZE:
        return Said("unfreeze" if line.flags & RowFlag.UNFREEZE else "freeze")
    if kind is Kind.TRANSFER:
        what = _transfer(line.resolves, debit, credit)
        return Said(what, _of_row(line.resolves))
    if kind is Kind.SETTLE:
        return Said("settle", (("window", str(line.resolves)),))
    if kind is Kind.BOOKED:
        side = "credit" if line.debit else "debit"
        if line.flags & RowFlag.REVERSAL:
            side = "credit taken back" if line.credit else "debit taken back"
        return Said(side, _of_row(line.resolves) + _say_booked(tail))
    if kind is Kind.OPEN:
        participant, purpose, account = struct.unpack_from("<IHB", tail)
        facts: dict[str, Any] = {"participant no": participant, "purpose": purpose}
        facts["kind"] = AccountKind(account).name.lower()
        return Said("open", _with_texts(facts, tail[32:]))
    if kind is Kind.LIMIT:
        day, count, form = struct.unpack_from("<QIB", tail)
        one = struct.unpack_from("<Q", tail, 16)[0] if form else NO_AMOUNT_LIMIT
        facts = {
            "a day": "none" if day == NO_AMOUNT_LIMIT else day,
            "payments a day": "none" if count == NO_COUNT_LIMIT else count,
            "a payment": "none" if one == NO_AMOUNT_LIMIT else one,
        }
        return Said("limit", _facts(facts))
    if kind is Kind.REGISTER:
        return _say_record(tail)
    return Said(kind.name.lower().replace("_", " "))


BANK_PREFIX: Final = "bank/"
"""How the names of a bank's three accounts begin, as no participant's id can."""
BANK_SUSPENSE: Final = " suspense"
BANK_TRANSIT: Final = " transit"
"""How the names of two of them end."""


def _transfer(resolves: int, debit: str, credit: str) -> str:
    """What a transfer is, by its accounts."""
    released = credit.startswith(BANK_PREFIX) and credit.endswith(BANK_TRANSIT)
    if debit.startswith(BANK_PREFIX):
        return "return" if released else "end credit"
    if released:
        return "explain debit" if resolves else "payout"
    return "recover" if resolves else "fund suspense"


def _say_booked(tail: bytes) -> tuple[tuple[str, str], ...]:
    """What a bank wrote; all of it quoted but for what has a form."""
    one = read_booked(tail)
    facts: dict[str, Any] = {}
    if one.booked:
        is_day = _DAY.fullmatch(one.booked)
        facts["booked"] = one.booked if is_day else _quoted(one.booked)
    if one.kind:
        is_word = one.kind.isascii() and one.kind.isalpha()
        facts["kind"] = one.kind if is_word else _quoted(one.kind)
    if one.charges:
        facts["charges"] = one.charges
    if one.texts:
        facts["texts"] = " ".join(map(_quoted, one.texts))
    if one.is_cut:
        facts["cut"] = "yes"
    return _facts(facts)


_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _say_record(tail: bytes) -> Said:
    record = _record(tail)
    facts: dict[str, Any]
    if record is Record.PARTICIPANT:
        _, role, active, code, states, never = struct.unpack_from("<BBB5x32sBB", tail)
        facts = {"id": _text(code), "role": Role(role).name.lower()}
        facts |= {"active": _yes(active)}
        facts |= {"may state dues": _yes(states)} if states else {}
        facts |= {"never credits late": _yes(never)} if never else {}
        return Said("participant", _with_texts(facts, tail[64:]))
    if record is Record.SERVICE:
        return _say_service(tail)
    if record is Record.PINS:
        keys = [tail[8 + 32 * at : 40 + 32 * at].hex() for at in range(tail[1])]
        return Said("pins", _facts({"keys": ", ".join(keys) or "any"}))
    if record is Record.BUDGET:
        value = struct.unpack_from("<Q", tail, 8)[0]
        return Said("budget", _facts({Budget(tail[1]).name.lower(): value}))
    if record is Record.PERSON:
        one = read_person(tail)
        facts = {"number": one.number, "role": one.role.name.lower()}
        facts |= {"active": _yes(one.active), "key": one.key.hex()}
        return Said("person", _facts(facts))
    if record is Record.THRESHOLDS:
        names = ("single", "batch", "day")
        pairs = zip(names, read_thresholds(tail), strict=True)
        return Said("thresholds", _facts(dict(pairs)))
    if record is Record.BANK_ACCOUNT:
        bank = read_bank_account(tail)
        facts = {"account": bank.account, "active": _yes(bank.active)}
        facts |= {"purpose": bank.purpose}
        return Said("bank account", _with_texts(facts, tail[BANK_ACCOUNT_SIZE:]))
    if record is Record.STATEMENT:
        return _say_statement(tail)
    return Said("register")


def _say_statement(tail: bytes) -> Said:
    one = read_statement(tail)
    first, last = (
        (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()
        for day in (one.first_day, one.last_day)
    )
    facts: dict[str, Any] = {"bank no": one.bank, "source": one.source.name.lower()}
    facts |= {"number": one.number} if one.number else {}
    facts |= {"days": first if first == last else f"{first} to {last}"}
    facts |= {"lines": one.lines_count, "opening": one.opening, "closing": one.closing}
    return Said("statement", _with_texts(facts, tail[STATEMENT_SIZE:]))


def _say_service(tail: bytes) -> Said:
    """All of a service's record that is not zero: where money goes, what it costs."""
    one = dict(zip(_SERVICE_FIELDS, _SERVICE.unpack_from(tail), strict=True))
    heads = struct.unpack_from("<8I", tail, 52)[: one["heads"]]
    facts: dict[str, Any] = {
        "code": _text(one["code"]),
        "active": _yes(one["active"]),
        "biller no": one["biller no"],
        "accounts": " ".join(map(str, heads)),
    }
    for name in _SERVICE_FIELDS:
        if name not in (*facts, "heads", "fees", "pattern") and one[name]:
            facts[name] = one[name]
    if pattern := _text(one["pattern"]):
        facts["pattern"] = pattern
    end = _SERVICE_SIZE + one["fees"] * _FEE.size
    fees = [
        f"{_text(code)} {fee} paise from day {day}"
        for code, fee, day in _FEE.iter_unpack(tail[_SERVICE_SIZE:end])
    ]
    if fees:
        facts["fees"] = "; ".join(fees)
    return Said("service", _with_texts(facts, tail[end:]))


AMOUNTS: Final = frozenset(
    {"a day", "a payment", "single", "batch", "day", "least", "most", "steps of"}
    | {"charges", "opening", "closing"}
)
"""Facts whose number is paise."""


def paise_of(name: str, value: str) -> int | None:
    """The amount that a fact is, if it is one."""
    is_amount = name in AMOUNTS and value.removeprefix("-").isdecimal()
    return int(value) if is_amount else None


def _of_row(resolves: int) -> tuple[tuple[str, str], ...]:
    return (("entry", str(resolves)),) if resolves else ()


def _facts(values: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in values.items())


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("ascii", "replace")


def _yes(flag: int) -> str:
    return "yes" if flag else "no"


def read_texts(data: bytes) -> dict[str, str]:
    """The texts for people behind a record: an object of texts, each name once.

    Raises ValueError if they are anything else.
    """
    if not data:
        return {}
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("texts are no such depths") from None
    if not isinstance(found, dict):
        raise ValueError("texts have names")
    for text in (*found, *found.values()):
        if not isinstance(text, str):
            raise ValueError("a text is a text")
        # Half a surrogate is none that could be sent.
        text.encode("utf-8")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a text has its name alone")
    return found


def _with_texts(facts: dict[str, Any], data: bytes) -> tuple[tuple[str, str], ...]:
    """Facts of a record, and the texts behind it, quoted: whoever wrote them is not to
    pass them off as facts.
    """
    try:
        texts = read_texts(data)
    except ValueError:
        texts = {"text": data.decode("utf-8", "replace")}
    found = dict(facts)
    for text, value in texts.items():
        name = text if text.isidentifier() and text.isascii() else _quoted(text)
        while name in found:
            name = f"text {name}"
        found[name] = _quoted(value)
    return _facts(found)


def _quoted(text: str) -> str:
    """A text in quotes, with nothing in it that a terminal would act on."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(
        one if one.isprintable() or one in _JOINERS else ascii(one)[1:-1]
        for one in quoted
    )


_JOINERS: Final = "\u200c\u200d"
"""Bengali is written with them."""
