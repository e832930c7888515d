"""A network in messages as specs, or as records that say some of their fields."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from server import network_convert
from server.status import ArgumentError
from switch.register.merge import ParticipantRecord, ServiceRecord
from switch.specs import PartialRecord, ParticipantSpec, ServiceSpec
from switch.v1 import network_pb2

NAMES_MAX: Final = 64
"""Fields that one record says."""

Message = TypeVar("Message", network_pb2.Participant, network_pb2.Service)
Spec = TypeVar("Spec", ParticipantSpec, ServiceSpec)


class NetworkMessage(Protocol):
    """What has a network in it: a request to load one, or a wish for one."""

    @property
    def participants(self) -> Sequence[network_pb2.Participant]:
        """Of whom."""

    @property
    def services(self) -> Sequence[network_pb2.Service]:
        """Of what."""

    @property
    def participant_fields(self) -> Sequence[network_pb2.FieldNames]:
        """What each participant says; none: everything."""

    @property
    def service_fields(self) -> Sequence[network_pb2.FieldNames]:
        """What each service says; none: everything."""


class Network(NamedTuple):
    """A network as a call gives it."""

    participants: list[ParticipantRecord]
    services: list[ServiceRecord]


def read_network(message: NetworkMessage, prefix: str = "") -> Network:
    """The records of a message. Raises ArgumentError, which names the field."""
    return Network(
        _records(
            message.participants,
            message.participant_fields,
            (f"{prefix}participants", f"{prefix}participant_fields"),
            ParticipantSpec,
            network_convert.participant_values,
        ),
        _records(
            message.services,
            message.service_fields,
            (f"{prefix}services", f"{prefix}service_fields"),
            ServiceSpec,
            network_convert.service_values,
        ),
    )


def _records(
    messages: Sequence[Message],
    masks: Sequence[network_pb2.FieldNames],
    places: tuple[str, str],
    kind: type[Spec],
    read: Callable[[Message, Iterable[str]], dict[str, Any]],
) -> list[Any]:
    place, mask_place = places
    if masks and len(masks) != len(messages):
        text = f"must be {len(messages)}, one for each of {place}, or none"
        raise ArgumentError(mask_place, text)
    known = [entry.name for entry in dataclasses.fields(kind)]
    key = known[0]
    found: list[Any] = []
    for at, message in enumerate(messages):
        names = known
        if masks:
            names = _names(masks[at].names, known, f"{mask_place}[{at}].names")
        try:
            values = read(message, {key: None, **dict.fromkeys(names)})
        except network_convert.UnknownCodeError as error:
            raise ArgumentError(f"{place}[{at}].{error.field}", str(error)) from error
        record = PartialRecord(values[key], values)
        found.append(record if masks else kind(**values))
    return found


def _names(names: Sequence[str], known: list[str], place: str) -> list[str]:
    if len(names) > NAMES_MAX:
        raise ArgumentError(place, f"must be at most {NAMES_MAX}")
    for at, name in enumerate(names):
        if name not in known:
            raise ArgumentError(f"{place}[{at}]", "must be the name of a field")
        if name in names[:at]:
            raise ArgumentError(f"{place}[{at}]", "is there twice")
    return list(names)
