"""What lines of a proposal, and stops, say for people: read from the bytes alone.

Who signs is shown this, and a switch's word is needed only for what accounts are
called, and for whom the entry that a payout names is of. docs/data-model.md says what
each record is. May use `signed`, `bank_rows`, `operator_rows`, `schedule_rows`, `specs`
and `codes`.
"""

import json
import re
import struct
from typing import Any, Final, NamedTuple

from switch.bank_rows import (
    BANK_ACCOUNT_SIZE,
    BENEFICIARY_SIZE,
    STATEMENT_SIZE,
    read_bank_account,
    read_beneficiary,
    read_booked,
    read_statement,
)
from switch.calendar import day_date
from switch.codes import (
    APPROVER_WAIT_DAYS,
    BENEFICIARY_WAIT_S,
    NO_AMOUNT_LIMIT,
    NO_COUNT_LIMIT,
    AccountKind,
    Budget,
    Kind,
    Record,
    Role,
    RowFlag,
)
from switch.operator_rows import read_operator
from switch.schedule_rows import (
    holiday_text,
    minute_text,
    read_schedule,
    weekdays_text,
)
from switch.signed import Line, read_person, read_thresholds, record_of
from switch.specs import TREASURY

_SERVICE: Final = struct.Struct("<x7B16sQQIII32x5BxH4xQ24x64s")
_SERVICE_SIZE: Final = 256
_SERVICE_FIELDS: Final = (
    *("amount rule", "mode", "duplicate rule", "key rule", "deadline policy"),
    *("active", "heads", "code", "least", "most", "duplicate hours", "deadline s"),
    *("biller no", "price rule", "letters", "ignored", "check digit", "fees"),
    *("series no", "steps of", "pattern"),
)
_FEE: Final = struct.Struct("<8sQI4x")


class Said(NamedTuple):
    """What a line says beside its amount and its accounts, read from its own bytes."""

    what: str
    """A word: `top up`, `recover`, `unfreeze`, `person` …"""
    facts: tuple[tuple[str, str], ...] = ()
    """Name and value, in order; a value may be an amount in paise, then it is a
    number."""


def say(line: Line, debit: str = "", credit: str = "", to: str = "") -> Said:
    """What a line, or a stop, is about. Transfers are told apart by what their accounts
    are called; `to` is to whom a payout goes, by the entry that it names.
    """
    kind, tail = line.kind, line.tail
    facts: dict[str, Any]
    if kind is Kind.FREEZE:
        return Said("unfreeze" if line.flags & RowFlag.UNFREEZE else "freeze")
    if kind is Kind.TRANSFER:
        what = _transfer(line.resolves, debit, credit, is_payout=bool(to))
        facts = {"to": to} if to else {}
        facts |= {"owed": "yes"} if line.flags & RowFlag.OWED else {}
        return Said(what, _of_row(line.resolves) + _facts(facts))
    if kind is Kind.SETTLE:
        return Said("settle", (("window", str(line.resolves)),))
    if kind is Kind.BOOKED:
        side = "credit" if line.debit else "debit"
        if line.flags & RowFlag.REVERSAL:
            side = "credit taken back" if line.credit else "debit taken back"
        return Said(side, _of_row(line.resolves) + _say_booked(tail))
    if kind is Kind.OPEN:
        participant, purpose, account = struct.unpack_from("<IHB", tail)
        facts = {"participant no": participant, "purpose": purpose}
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
        if low := struct.unpack_from("<Q", tail, 24)[0] if form > 1 else 0:
            facts["low balance"] = low
        return Said("limit", _facts(facts))
    if kind is Kind.REGISTER:
        return _say_record(tail)
    return Said(kind.name.lower().replace("_", " "))


BANK_PREFIX: Final = "bank/"
"""How the names of a bank's three accounts begin, as no participant's id can."""
BANK_SUSPENSE: Final = " suspense"
BANK_TRANSIT: Final = " transit"
"""How the names of two of them end."""


FLOAT_NAME: Final = f"{TREASURY} float"
"""What the float is called; no biller has the treasury's name."""


class Change(NamedTuple):
    """One fact that a line changes; empty where there is none."""

    name: str
    before: str
    after: str


def say_changes(line: Line, replaced: Line) -> tuple[Change, ...]:
    """What a line changes of what it replaces, fact by fact.

    Raises ValueError if they are not of the same kind, and about the same thing.
    """
    new, old = say(line), say(replaced)
    now, before = dict(new.facts), dict(old.facts)
    is_same = (line.kind, new.what, line.debit) == (
        replaced.kind,
        old.what,
        replaced.debit,
    )
    named = NAMED_BY.get(new.what, ())
    if not is_same or any(now.get(name) != before.get(name) for name in named):
        raise ValueError("what a line replaces is of the same thing")
    names = (*now, *(name for name in before if name not in now))
    found = (Change(one, before.get(one, ""), now.get(one, "")) for one in names)
    return tuple(one for one in found if one.before != one.after)


NAMED_BY: Final = {
    "participant": ("id",),
    "service": ("code",),
    "person": ("number",),
    "operator": ("number",),
    "bank account": ("account",),
    "beneficiary": ("account no",),
}
"""The facts by which a record is found."""


def _transfer(resolves: int, debit: str, credit: str, *, is_payout: bool) -> str:
    """What a transfer is, by its accounts."""
    released = credit.startswith(BANK_PREFIX) and credit.endswith(BANK_TRANSIT)
    if debit.startswith(BANK_PREFIX) and debit.endswith(BANK_TRANSIT):
        return "recall"
    is_aside = debit == FLOAT_NAME and credit == f"{TREASURY}{BANK_SUSPENSE}"
    if not resolves and not is_aside and FLOAT_NAME in (debit, credit):
        return "opening"
    if debit.startswith(BANK_PREFIX):
        return "return" if released else "end credit"
    if released:
        return "explain debit" if resolves and not is_payout else "payout"
    # A wallet is called by its centre alone; all other accounts have a word more.
    if resolves and " " not in credit:
        return "undo correction"
    return "recover" if resolves else "fund suspense"


def payee_text(biller: str, head: str, number: str, ifsc: str) -> str:
    """To whom a payout goes; empty if nobody is named."""
    if not number:
        return ""
    # A head is any text: it is not to pass for a number and a bank.
    named = head if _HEAD.fullmatch(head) else quoted(head)
    return f"{biller} {named}, {number} at {ifsc}"


_HEAD: Final = re.compile(r"[!-+\--~]*")


def _say_booked(tail: bytes) -> tuple[tuple[str, str], ...]:
    """What a bank wrote; all of it quoted but for what has a form."""
    one = read_booked(tail)
    facts: dict[str, Any] = {}
    if one.booked:
        facts["booked"] = booked_day(one.booked)
    if one.kind:
        is_word = one.kind.isascii() and one.kind.isalpha()
        facts["kind"] = one.kind if is_word else quoted(one.kind)
    if one.charges:
        facts["charges"] = one.charges
    if one.texts:
        facts["texts"] = " ".join(map(quoted, one.texts))
    if one.is_cut:
        facts["cut"] = "yes"
    return _facts(facts)


def booked_day(text: str) -> str:
    """The day on which a bank has booked, quoted unless it has the form of one."""
    return text if _DAY.fullmatch(text) else quoted(text)


_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _say_record(tail: bytes) -> Said:
    record = record_of(tail)
    facts: dict[str, Any]
    if record is Record.PARTICIPANT:
        _, role, active, code, states, never, signs_on, hours = struct.unpack_from(
            "<BBB5x32sBBBxH", tail
        )
        facts = {"id": _text(code), "role": Role(role).name.lower()}
        facts |= {"active": _yes(active)}
        facts |= {"may state dues": _yes(states)} if states else {}
        facts |= {"never credits late": _yes(never)} if never else {}
        facts |= {"signs on": _yes(signs_on)} if signs_on else {}
        facts |= {"answer hours": hours} if hours else {}
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
        facts |= {"bank no": one.bank} if one.bank else {}
        facts |= {"active": _yes(one.active), "key": one.key.hex()}
        return Said("person", _facts(facts))
    if record is Record.OPERATOR:
        sits = read_operator(tail)
        facts = {"number": sits.number, "active": _yes(sits.active)}
        facts |= {"key": sits.key.hex()}
        return Said("operator", _facts(facts))
    if record is Record.THRESHOLDS:
        above = read_thresholds(tail)
        facts = {"single": above.single, "batch": above.batch, "day": above.day}
        # 0 is a time, too, and may be a shorter one than holds.
        facts |= {"wait s": above.wait_s or BENEFICIARY_WAIT_S}
        facts |= {"approver days": above.wait_days or APPROVER_WAIT_DAYS}
        return Said("thresholds", _facts(facts))
    if record is Record.BANK_ACCOUNT:
        bank = read_bank_account(tail)
        facts = {"account": bank.account, "active": _yes(bank.active)}
        facts |= {"purpose": bank.purpose}
        return Said("bank account", _with_texts(facts, tail[BANK_ACCOUNT_SIZE:]))
    if record is Record.STATEMENT:
        return _say_statement(tail)
    if record is Record.BENEFICIARY:
        to = read_beneficiary(tail)
        facts = {"account no": to.account, "number": to.number, "ifsc": to.ifsc}
        facts |= {"active": _yes(to.active)}
        return Said("beneficiary", _with_texts(facts, tail[BENEFICIARY_SIZE:]))
    if record is Record.SCHEDULE:
        return _say_schedule(tail)
    if record is Record.REVOCATION:
        facts = {"authority": tail[8:40].hex(), "serial": tail[40 : 40 + tail[1]].hex()}
        return Said("revocation", _with_texts(facts, tail[64:]))
    if record is Record.CONFIRMATION:
        facts = {"number": struct.unpack_from("<I", tail, 4)[0]}
        return Said("confirmation", _facts(facts))
    return Said("register")


def _say_schedule(tail: bytes) -> Said:
    """When windows close; of holidays each, as each moves a settlement."""
    one = read_schedule(tail)
    facts: dict[str, Any] = {
        "cut offs": " ".join(map(minute_text, one.cutoffs)) or "none",
        "days": weekdays_text(one.weekdays) or "none",
        "holidays": " ".join(map(holiday_text, one.holidays)) or "none",
    }
    return Said("schedule", _facts(facts))


def _say_statement(tail: bytes) -> Said:
    one = read_statement(tail)
    first, last = (day_date(day).isoformat() for day in (one.first_day, one.last_day))
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
    | {"charges", "opening", "closing", "low balance"}
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
        name = text if text.isidentifier() and text.isascii() else quoted(text)
        while name in found:
            name = f"text {name}"
        found[name] = quoted(value)
    return _facts(found)


def quoted(text: str) -> str:
    """A text in quotes, with nothing in it that a terminal would act on."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(
        one if one.isprintable() or one in _JOINERS else ascii(one)[1:-1]
        for one in quoted
    )


_JOINERS: Final = "\u200c\u200d"
"""Bengali is written with them."""
