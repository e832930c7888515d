"""A network's file as records that say some of their fields, and one field of its own.

May use the words. What a record leaves out stays as the ledger has it, so whether a
network can be is for the switch to say; this says what no record can be.
"""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from enum import IntEnum
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin

from switch.specs import (
    NetworkError,
    PartialRecord,
    ParticipantSpec,
    ServiceSpec,
    Specs,
    read_json,
    read_network_file,
    read_values,
)

Kind = type[ParticipantSpec] | type[ServiceSpec]

KEYS: dict[Kind, str] = {ParticipantSpec: "id", ServiceSpec: "code"}
"""The field by which a record is found."""
_STAY = frozenset({"heads"})
"""Fields of a participant that nothing clears."""


class PartialNetwork(NamedTuple):
    """What a file says of participants and services."""

    participants: tuple[PartialRecord, ...] = ()
    services: tuple[PartialRecord, ...] = ()


def read_records(text: str, *, replace: bool = False) -> PartialNetwork:
    """What a file says; with `replace` what it leaves out is said to be empty.

    Raises NetworkError if it is no network's file, or names a record twice.
    """
    data = read_network_file(text)
    found = PartialNetwork(
        tuple(_records(ParticipantSpec, data, "participants")),
        tuple(_records(ServiceSpec, data, "services")),
    )
    return cleared(found) if replace else found


def _records(kind: Kind, data: dict[str, Any], place: str) -> Iterator[PartialRecord]:
    items = data.get(place, [])
    if not isinstance(items, list):
        raise NetworkError(f"{place} must be a list")
    key = KEYS[kind]
    seen: set[str] = set()
    for at, item in enumerate(items):
        values = read_values(kind, item, f"{place}[{at}]")
        if key not in values:
            raise NetworkError(f"{place}[{at}] lacks {key}")
        if values[key] in seen:
            raise NetworkError(f"{place}[{at}].{key} is there twice")
        seen.add(values[key])
        yield PartialRecord(values[key], values)


def cleared(network: PartialNetwork) -> PartialNetwork:
    """The same, with every field that it leaves out as a new record has it."""
    return PartialNetwork(
        tuple(_cleared(ParticipantSpec, record) for record in network.participants),
        tuple(_cleared(ServiceSpec, record) for record in network.services),
    )


def _cleared(kind: Kind, record: PartialRecord) -> PartialRecord:
    values = {
        entry.name: entry.default
        for entry in fields(kind)
        if entry.default is not MISSING
        and not (kind is ParticipantSpec and entry.name in _STAY)
    }
    return PartialRecord(record.key, values | dict(record.values))


def records_of(specs: Specs) -> PartialNetwork:
    """Specs as a file of them says it: a field that is as a new record has it is not
    named.
    """
    return PartialNetwork(
        tuple(_record(ParticipantSpec, spec) for spec in specs.participants),
        tuple(_record(ServiceSpec, spec) for spec in specs.services),
    )


def _record(kind: Kind, spec: ParticipantSpec | ServiceSpec) -> PartialRecord:
    values = {
        entry.name: getattr(spec, entry.name)
        for entry in fields(kind)
        if getattr(spec, entry.name) != entry.default
    }
    return PartialRecord(values[KEYS[kind]], values)


def parse_field(kind: Kind, text: str) -> tuple[str, Any]:
    """`FIELD=VALUE` as typed. Texts and words are typed as they are, all else as JSON.

    Raises NetworkError.
    """
    name, equals, value = text.partition("=")
    types = {entry.name: entry.type for entry in fields(kind)}
    types.pop(KEYS[kind])
    if not equals or name not in types:
        wrong = f"{text[:64]!r} is no FIELD=VALUE"
        raise NetworkError(f"{wrong}: a field is one of {', '.join(types)}")
    try:
        parsed = value if _is_word(types[name]) else read_json(value)
    except NetworkError as error:
        typed = "type it as a file has it: amounts are whole paise, such as 5000000"
        raise NetworkError(f"{name}: {value[:64]!r} is {error}; {typed}") from error
    return name, read_values(kind, {name: parsed}, "the record")[name]


def _is_word(kind: Any) -> bool:
    """Whether a field's value is a text or a code, which a person types as it is."""
    if get_origin(kind) is UnionType:
        kind = get_args(kind)[0]
    return isinstance(kind, type) and issubclass(kind, str | IntEnum)
