"""What the network should be, as plain data: participants and services.

May use `catalogue`, `codes`, `errors`, `operator_rows`, `references` and `tariffs`;
knows neither the ledger nor the wire, so that a client can read a file of it without.
`register.load` brings a ledger to this state, the server makes the same specs from
messages, the sample from its tables.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from enum import IntEnum, IntFlag
from types import UnionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

from switch.catalogue import (
    FormField,
    FreeService,
    Words,
    counter_problems,
    free_problems,
    has_hidden,
)
from switch.codes import (
    AMOUNT_MAX,
    NO_AMOUNT_LIMIT,
    NO_COUNT_LIMIT,
    AmountRule,
    CheckDigit,
    DuplicateRule,
    Ignored,
    KeyRule,
    Letters,
    Mode,
    Policy,
    PriceRule,
    Role,
)
from switch.errors import SwitchError
from switch.operator_rows import OperatorSpec, operator_problems
from switch.references import NOTHING, Form, form_problems
from switch.tariffs import ITEMS_MAX, Fee, fee_problems, in_order

FORMAT = 1
"""The version that a file of specs names."""
TEXT_MAX = 256
"""Characters of a name or a code of the outside world."""
HEAD_MAX = 64
"""Characters of a head of account with its scheme tag."""
BILLER_HEADS_MAX = 1_024
"""Heads of one biller."""
SERVICE_HEADS_MAX = 8
"""Heads that one service can pay."""
HOURS_MAX = 8_784
"""Hours of the `within` rule: a leap year."""
DEADLINE_MAX_S = 2_678_400
"""Seconds that a confirmed payment may stay open: 31 days."""
OPEN_LEAST = 100
"""Paise; where the citizen says the amount, the least is no less."""
TREASURY = "treasury"
"""Participant id of the one treasury that owns float, suspense and settlement."""

DAY_LIST = re.compile(
    r"\d{4}-\d\d-\d\d [0-9a-f]{64} [1-9]\d{0,6} [1-9]\d{0,18}", re.ASCII
)
"""A list of a day that is let through: day, hash, payments and paise that it lacks."""

_ID = re.compile(r"[a-z0-9-]{1,32}")
_SERVICE_CODE = re.compile(r"[A-Z0-9-]{1,16}")
_SENDERS = frozenset({Role.CENTRE, Role.HARNESS})
_HEAD = re.compile(rf"[\x21-\x7E]{{1,{HEAD_MAX}}}")


class Problem(NamedTuple):
    """What is wrong with one field of the input."""

    field: str
    """Such as `services[3].heads`."""
    text: str


class NetworkError(SwitchError):
    """The network as given cannot be, or cannot follow from what is there."""

    def __init__(self, text: str, problems: Sequence[Problem] = ()) -> None:
        """`problems` are those of its fields, where there are such."""
        super().__init__(text)
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantSpec:
    """Someone with an identity: a centre, a biller, an office."""

    id: str
    """`[a-z0-9-]{1,32}`, permanent; the last part of the certificate's SPIFFE id."""
    role: Role
    """Permanent as well: the accounts hang on it."""
    active: bool = True
    name_en: str = ""
    name_bn: str = ""
    code: str = ""
    """The centre's code in the network, opaque."""
    district: str = ""
    host_kind: str = ""
    heads: tuple[str, ...] = ()
    """A biller's heads of account with scheme tags; one account each, for ever."""
    day_amount_max: int = 0
    """Paise that the centre's wallet may spend in an IST day; 0 is no limit."""
    day_count_max: int = 0
    """Payments of the centre's wallet in an IST day; 0 is no limit."""
    payment_max: int = 0
    """Paise that the centre's wallet may spend in one payment; 0 is no limit."""
    low_balance: int = 0
    """Paise; with less available the centre's wallet is low. 0 is none."""
    may_state_dues: bool = False
    """It is believed about what a bill comes to, with no quotation: for load tests."""
    never_credits_late: bool = False
    """A biller's word that it credits nothing after the last moment."""
    free_services: tuple[FreeService, ...] = ()
    """What a biller's department gives and nobody pays for."""
    signs_on: bool = False
    """Of a centre: what its counter does names an operator of it that is active."""
    answer_hours: int = 0
    """In which a biller answers a complaint; 0 is 72."""
    day_list: str = ""
    """Of a biller: a list of a day that two people let through, as it was told."""
    operators: tuple[OperatorSpec, ...] = ()
    """Who sits at a centre's counter; those that are left out stay as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """One thing that can be paid."""

    code: str
    """`[A-Z0-9-]{1,16}`, permanent."""
    biller: str
    """Participant id of the biller."""
    heads: tuple[str, ...]
    """Which of the biller's heads it can pay, the default first."""
    amount_rule: AmountRule
    mode: Mode
    duplicate_rule: DuplicateRule
    active: bool = True
    name_en: str = ""
    name_bn: str = ""
    department_en: str = ""
    department_bn: str = ""
    amount_min: int = 0
    """Paise."""
    amount_max: int = 0
    """Paise; 0 is no maximum."""
    duplicate_hours: int = 0
    """With the rule `within`; of bills with `once`, for how long another bill of a
    reference that was paid is refused if it was fetched afterwards."""
    key_rule: KeyRule | None = None
    """With the rule `once`: what the reference is."""
    deadline_s: int = 0
    """Seconds that a confirmed payment may stay unresolved."""
    deadline_policy: Policy = Policy.KEEP
    """Money is released only of a biller that never credits late."""
    letters: Letters = Letters.AS_THEY_ARE
    """What becomes of a reference's letters."""
    ignored: Ignored = NOTHING
    """What is left out of a reference, wherever it stands."""
    check_digit: CheckDigit = CheckDigit.NONE
    pattern: str = ""
    """What a reference must be (`references.parse_pattern`); empty: anything."""
    series: str = ""
    """Code of the service whose bills these are as well; empty: its own."""
    price_rule: PriceRule = PriceRule.STATED
    """Who is believed about an amount."""
    amount_step: int = 0
    """Paise; amounts that a citizen says are multiples of it, 0 for none."""
    tariff: tuple[Fee, ...] = ()
    """By code and day, in whatever order it was given."""
    called_en: tuple[str, ...] = ()
    """What people call it, beside its name."""
    called_bn: tuple[str, ...] = ()
    fields: tuple[FormField, ...] = ()
    """What its form asks for beside the reference."""
    documents: tuple[Words, ...] = ()
    """What the citizen brings."""

    def __post_init__(self) -> None:
        """One tariff is one spec."""
        object.__setattr__(self, "tariff", in_order(self.tariff))

    @property
    def form(self) -> Form:
        """How its references are written."""
        return Form(
            letters=self.letters,
            ignored=self.ignored,
            check_digit=self.check_digit,
            pattern=self.pattern,
            has_period=self.key_rule is KeyRule.REFERENCE_PERIOD,
        )


FORM = ("key_rule", "letters", "ignored", "check_digit", "pattern")
"""Fields of a service that make the one form of a reference; a series has one."""
FOR_EVER = ("biller", "duplicate_rule", "price_rule", "series", *FORM)
"""Fields of a service that make bills of its payments, and never change."""

Line = (
    ParticipantSpec | ServiceSpec | Fee | FormField | FreeService | OperatorSpec | Words
)
T = TypeVar("T", bound=Line)


def spec_problems(
    participants: Sequence[ParticipantSpec], services: Sequence[ServiceSpec]
) -> list[Problem]:
    """All that is wrong with the specs by themselves; empty if nothing is.

    Whether a service's biller and heads exist is for `register.load` to say: they may
    be in the ledger already.
    """
    problems: list[Problem] = []
    for at, participant in enumerate(participants):
        for name, text in _participant_problems(participant):
            problems.append(Problem(f"participants[{at}].{name}", text))
    for at, service in enumerate(services):
        for name, text in _service_problems(service):
            problems.append(Problem(f"services[{at}].{name}", text))
    ids = _repeats([one.id for one in participants])
    codes = _repeats([one.code for one in services])
    twice = [f"participants[{at}].id" for at in ids]
    twice += [f"services[{at}].code" for at in codes]
    return problems + [Problem(field, "is there twice") for field in twice]


def check_specs(
    participants: Sequence[ParticipantSpec], services: Sequence[ServiceSpec]
) -> None:
    """Raise NetworkError with the first problems if there are any."""
    problems = spec_problems(participants, services)
    if problems:
        first = "; ".join(f"{field} {text}" for field, text in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise NetworkError(first + more, problems)


def _repeats(keys: Sequence[str]) -> Iterator[int]:
    seen: set[str] = set()
    for at, key in enumerate(keys):
        if key in seen:
            yield at
        seen.add(key)


def _texts(
    spec: ParticipantSpec | ServiceSpec | Fee, names: Iterable[str], prefix: str = ""
) -> Iterator[Problem]:
    text = f"must be at most {TEXT_MAX} characters, no controls, nothing hidden"
    for name in names:
        value: str = getattr(spec, name)
        if len(value) > TEXT_MAX or has_hidden(value):
            yield Problem(prefix + name, text)


def _heads(heads: Sequence[str]) -> Iterator[Problem]:
    if not all(_HEAD.fullmatch(head) for head in heads):
        text = f"must each be 1 to {HEAD_MAX} printable ASCII characters"
        yield Problem("heads", f"{text} without spaces")
    if len(set(heads)) != len(heads):
        yield Problem("heads", "must all differ")


def _participant_problems(spec: ParticipantSpec) -> Iterator[Problem]:
    if not _ID.fullmatch(spec.id):
        yield Problem("id", "must be 1 to 32 of a-z, 0-9 and -")
    if spec.id == TREASURY and spec.role is not Role.TREASURY:
        yield Problem("role", f"of {TREASURY} must be treasury")
    yield from _texts(spec, ("name_en", "name_bn", "code", "district", "host_kind"))
    yield from _heads(spec.heads)
    if spec.heads and spec.role is not Role.BILLER:
        yield Problem("heads", "are for billers only")
    if len(spec.heads) > BILLER_HEADS_MAX:
        yield Problem("heads", f"must be at most {BILLER_HEADS_MAX}")
    if not 0 <= spec.day_amount_max < NO_AMOUNT_LIMIT:
        yield Problem("day_amount_max", "must be 0 or less than 2^64 - 1 paise")
    if not 0 <= spec.day_count_max < NO_COUNT_LIMIT:
        yield Problem("day_count_max", "must be 0 or less than 2^32 - 1")
    if not 0 <= spec.payment_max < NO_AMOUNT_LIMIT:
        yield Problem("payment_max", "must be 0 or less than 2^64 - 1 paise")
    if spec.may_state_dues and spec.role not in _SENDERS:
        yield Problem("may_state_dues", "is for centres and harnesses only")
    if spec.never_credits_late and spec.role is not Role.BILLER:
        yield Problem("never_credits_late", "is for billers only")
    if not 0 <= spec.low_balance <= AMOUNT_MAX:
        yield Problem("low_balance", "must be 0 to 10^18 paise")
    if spec.free_services and spec.role is not Role.BILLER:
        yield Problem("free_services", "are for billers only")
    yield from (Problem(*told) for told in free_problems(spec.free_services))
    if spec.role is not Role.CENTRE and (spec.signs_on or spec.operators):
        yield Problem("signs_on", "and operators are for centres only")
    if not 0 <= spec.answer_hours <= HOURS_MAX:
        yield Problem("answer_hours", f"must be at most {HOURS_MAX}")
    elif spec.answer_hours and spec.role is not Role.BILLER:
        yield Problem("answer_hours", "are for billers only")
    if spec.day_list and spec.role is not Role.BILLER:
        yield Problem("day_list", "is for billers only")
    elif spec.day_list and not DAY_LIST.fullmatch(spec.day_list):
        yield Problem("day_list", "must be DATE HASH PAYMENTS PAISE, as it was told")
    yield from (Problem(*told) for told in operator_problems(spec.operators))
    if spec.role is not Role.CENTRE and spec.low_balance:
        yield Problem("low_balance", "is for centres only")
    if spec.role is not Role.CENTRE and spec.payment_max:
        yield Problem("payment_max", "is for centres only")
    if spec.role is not Role.CENTRE and (spec.day_amount_max or spec.day_count_max):
        yield Problem("day_amount_max", "and day_count_max are for centres only")


def _service_problems(spec: ServiceSpec) -> Iterator[Problem]:
    if not _SERVICE_CODE.fullmatch(spec.code):
        yield Problem("code", "must be 1 to 16 of A-Z, 0-9 and -")
    if not _ID.fullmatch(spec.biller):
        yield Problem("biller", "must be a participant id")
    yield from _texts(spec, ("name_en", "name_bn", "department_en", "department_bn"))
    yield from _heads(spec.heads)
    if not 1 <= len(spec.heads) <= SERVICE_HEADS_MAX:
        yield Problem("heads", f"must be 1 to {SERVICE_HEADS_MAX}")
    if not 0 <= spec.amount_min <= AMOUNT_MAX:
        yield Problem("amount_min", "must be 0 to 10^18 paise")
    if not 0 <= spec.amount_max <= AMOUNT_MAX:
        yield Problem("amount_max", "must be 0 to 10^18 paise")
    elif 0 < spec.amount_max < spec.amount_min:
        yield Problem("amount_max", "must not be below amount_min")
    yield from _price_problems(spec)
    if not 0 <= spec.deadline_s <= DEADLINE_MAX_S:
        yield Problem("deadline_s", f"must be at most {DEADLINE_MAX_S}")
    elif spec.mode is Mode.CONFIRMED and spec.deadline_s == 0:
        yield Problem("deadline_s", "must be given for a confirmed service")
    if spec.series and not _SERVICE_CODE.fullmatch(spec.series):
        yield Problem("series", "must be a service's code, or empty")
    elif spec.series == spec.code:
        yield Problem("series", "must be another service's, or empty for its own")
    for name, text in form_problems(spec.form):
        yield Problem(name, text)
    texts = spec.called_en, spec.called_bn, spec.fields, spec.documents
    yield from (Problem(*told) for told in counter_problems(*texts))


@dataclass(frozen=True, slots=True)
class _Price:
    """What a price rule asks of the other rules ("Prices" in docs/data-model.md)."""

    amount_rules: frozenset[AmountRule]
    key_rules: frozenset[KeyRule]
    """With the rule `once`; others have none."""
    may_repeat: bool
    """The rule `none` may be its duplicate rule."""
    once_has_hours: bool


_BILL_KEYS = frozenset({KeyRule.BILL_ID, KeyRule.REFERENCE_PERIOD})
_REFERENCE = frozenset({KeyRule.REFERENCE})
_OF_BILLS = frozenset(
    {AmountRule.EXACT, AmountRule.EXACT_AND_ABOVE, AmountRule.EXACT_AND_BELOW}
)
_PRICES = {
    PriceRule.STATED: _Price(frozenset(AmountRule), _BILL_KEYS, True, False),
    PriceRule.TARIFF: _Price(frozenset({AmountRule.EXACT}), _REFERENCE, False, False),
    PriceRule.BILL: _Price(_OF_BILLS, _BILL_KEYS, False, True),
    PriceRule.OPEN: _Price(frozenset({AmountRule.MIN_MAX}), _REFERENCE, True, False),
}


def _price_problems(spec: ServiceSpec) -> Iterator[Problem]:
    price = _PRICES[spec.price_rule]
    rule = enum_text(spec.price_rule)
    if spec.amount_rule not in price.amount_rules:
        names = ", ".join(map(enum_text, sorted(price.amount_rules)))
        yield Problem("amount_rule", f"must be {names} with the price rule {rule}")
    if spec.duplicate_rule is DuplicateRule.NONE and not price.may_repeat:
        text = f"must be once or within with the price rule {rule}"
        yield Problem("duplicate_rule", text)
    yield from _hours_problems(spec, price)
    once = spec.duplicate_rule is DuplicateRule.ONCE
    if once != (spec.key_rule is not None):
        yield Problem("key_rule", "belongs to the rule once, and to no other")
    elif spec.key_rule is not None and spec.key_rule not in price.key_rules:
        names = " or ".join(map(enum_text, sorted(price.key_rules)))
        yield Problem("key_rule", f"must be {names} with the price rule {rule}")
    if spec.price_rule is PriceRule.OPEN:
        if spec.amount_min < OPEN_LEAST:
            yield Problem(
                "amount_min", f"must be at least {OPEN_LEAST} where it is open"
            )
        if not spec.amount_max:
            yield Problem("amount_max", "must be given where the amount is open")
        if not 0 <= spec.amount_step <= AMOUNT_MAX:
            yield Problem("amount_step", "must be 0 to 10^18 paise")
    elif spec.amount_step:
        yield Problem("amount_step", "belongs to the price rule open, and to no other")
    yield from _tariff_problems(spec)


def is_in_parts(spec: ServiceSpec) -> bool:
    """Whether bills of a direct service would be paid in parts."""
    is_bill = spec.mode is Mode.DIRECT and spec.price_rule is PriceRule.BILL
    return is_bill and spec.amount_rule is AmountRule.EXACT_AND_BELOW


def _hours_problems(spec: ServiceSpec, price: _Price) -> Iterator[Problem]:
    within = spec.duplicate_rule is DuplicateRule.WITHIN
    once = spec.duplicate_rule is DuplicateRule.ONCE
    hours = spec.duplicate_hours
    if within != bool(hours) and not (once and price.once_has_hours):
        yield Problem("duplicate_hours", "belong to the rule within, and to no other")
    if not 0 <= hours <= HOURS_MAX:
        yield Problem("duplicate_hours", f"must be at most {HOURS_MAX}")


def _tariff_problems(spec: ServiceSpec) -> Iterator[Problem]:
    if spec.price_rule is not PriceRule.TARIFF:
        if spec.tariff:
            text = "belongs to the price rule tariff, and to no other"
            yield Problem("tariff", text)
        return
    if not 1 <= len(spec.tariff) <= ITEMS_MAX:
        yield Problem("tariff", f"must have 1 to {ITEMS_MAX} lines")
    if spec.amount_min or spec.amount_max:
        yield Problem("amount_min", "and amount_max must be 0 where a tariff says it")
    for at, name, text in fee_problems(spec.tariff):
        yield Problem(f"tariff[{at}].{name}", text)
    for at, fee in enumerate(spec.tariff):
        yield from _texts(fee, ("name_en", "name_bn"), f"tariff[{at}].")


# --- as a file -----------------------------------------------------------------


class PartialRecord(NamedTuple):
    """Some fields of a participant or a service; all others stay as they are."""

    key: str
    """Its id, or its code."""
    values: Mapping[str, Any]
    """By field, the key among them; each of its field's own type."""


class Specs(NamedTuple):
    """A network, or a part of one."""

    participants: tuple[ParticipantSpec, ...] = ()
    services: tuple[ServiceSpec, ...] = ()


def specs_to_json(specs: Specs) -> str:
    """The specs as a file: one line for each, fields that say nothing left out."""
    lines = {
        "participants": [_to_line(one) for one in specs.participants],
        "services": [_to_line(one) for one in specs.services],
    }
    parts = [f'{{"format": {FORMAT}']
    for name, items in lines.items():
        body = ",\n".join(f"  {item}" for item in items)
        parts.append(f'"{name}": [\n{body}\n]' if items else f'"{name}": []')
    return ",\n".join(parts) + "}\n"


def specs_from_json(text: str) -> Specs:
    """Read what `specs_to_json` writes.

    Raises NetworkError if it is not JSON, has a field that does not exist, lacks
    one that must be there, or has a value that `check_specs` refuses.
    """
    data = read_network_file(text)
    specs = Specs(
        tuple(_all(ParticipantSpec, data.get("participants", []), "participants")),
        tuple(_all(ServiceSpec, data.get("services", []), "services")),
    )
    check_specs(*specs)
    return specs


def read_network_file(text: str) -> dict[str, Any]:
    """The lists of a file, not yet looked into. Raises NetworkError."""
    data = read_json(text)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise NetworkError(
            f'not a network: it must be an object with "format": {FORMAT}'
        )
    unknown = sorted(set(data) - {"format", "participants", "services"})
    if unknown:
        raise NetworkError(f"a network has no {', '.join(unknown)}")
    return data


def read_json(text: str) -> Any:
    """A JSON value in which no object has a name twice. Raises NetworkError."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"not JSON: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len({*names}) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has {twice!r} twice")
    return dict(pairs)


def enum_text(value: IntEnum) -> str:
    """How a file and a person write a code: `min-max`, `exact-and-above`."""
    return value.name.lower().replace("_", "-")


def set_texts(value: IntFlag) -> list[str]:
    """How a file and a person write a set: `["space", "zeros"]`."""
    names = [(one.name or "").lower().replace("_", "-") for one in type(value)]
    return [name for name, one in zip(names, type(value), strict=True) if one in value]


def _to_line(spec: ParticipantSpec | ServiceSpec) -> str:
    return json.dumps(as_file(spec), ensure_ascii=False)


def as_file(value: Any) -> Any:
    """A value as JSON has it in a file; what is as a new record has it is left out."""
    if isinstance(value, Line):
        items = [(one, getattr(value, one.name)) for one in fields(value)]
        return {one.name: as_file(item) for one, item in items if item != one.default}
    if isinstance(value, IntFlag):
        return set_texts(value)
    if isinstance(value, tuple):
        return [as_file(one) for one in value]
    return enum_text(value) if isinstance(value, IntEnum) else value


def _all(cls: type[T], items: object, place: str) -> Iterator[T]:
    if not isinstance(items, list):
        raise NetworkError(f"{place} must be a list")
    for at, item in enumerate(items):
        yield _from_item(cls, item, f"{place}[{at}]")


def _from_item(cls: type[T], item: object, place: str) -> T:
    values = read_values(cls, item, place)
    for entry in fields(cls):
        if entry.default is MISSING and entry.name not in values:
            raise NetworkError(f"{place} lacks {entry.name}")
    return cls(**values)


def read_values(cls: Any, item: object, place: str) -> dict[str, Any]:
    """The fields of a spec that an object names, each of its type. NetworkError."""
    if not isinstance(item, dict):
        raise NetworkError(f"{place} must be an object")
    types = {entry.name: entry.type for entry in fields(cls)}
    for name in item:
        if name not in types:
            raise NetworkError(f"{place} has no field {name!r}")
    return {
        name: _value(types[name], value, f"{place}.{name}")
        for name, value in item.items()
    }


def _value(kind: Any, value: object, place: str) -> Any:
    """A JSON value as one of a field's own type. Raises NetworkError."""
    if get_origin(kind) is UnionType:
        # A field that may be without: a file leaves it out then.
        kind = get_args(kind)[0]
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        if item is not str:
            return tuple(_all(item, value, place))
        if isinstance(value, list) and all(isinstance(text, str) for text in value):
            return tuple(value)
        raise NetworkError(f"{place} must be a list of texts")
    if issubclass(kind, IntFlag):
        return _set(kind, value, place)
    if issubclass(kind, IntEnum):
        names = {enum_text(code): code for code in kind}
        if not isinstance(value, str) or value not in names:
            raise NetworkError(f"{place} must be one of {', '.join(names)}")
        return names[value]
    if type(value) is not kind:
        raise NetworkError(f"{place} must be of type {kind.__name__}")
    return value


def _set(kind: type[IntFlag], value: object, place: str) -> IntFlag:
    flags = {set_texts(flag)[0]: flag for flag in kind}
    if not isinstance(value, list) or not {*map(str, value)} <= {*flags}:
        raise NetworkError(f"{place} must be a list of {', '.join(flags)}")
    result = kind(0)
    for name in value:
        result |= flags[str(name)]
    return result
