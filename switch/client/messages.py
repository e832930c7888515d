"""The specs of a network as messages, and what a message says of references.

May use `catalogue`, `operator_rows`, `specs`, `references`, `tariffs` and the generated
messages.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import reduce
from operator import or_
from types import UnionType
from typing import Any, Final, NamedTuple, get_args, get_origin

from switch.catalogue import FormField, FreeService, Words
from switch.client.network_file import PartialNetwork
from switch.codes import CheckDigit, Ignored, Letters, Policy
from switch.operator_rows import OperatorSpec
from switch.references import NOTHING, Form
from switch.specs import ParticipantSpec, ServiceSpec, Specs
from switch.tariffs import Fee
from switch.v1 import network_pb2

# On the wire they are counted, in a spec they are bits.
_IGNORED = {
    network_pb2.IGNORED_SPACE: Ignored.SPACE,
    network_pb2.IGNORED_HYPHEN: Ignored.HYPHEN,
    network_pb2.IGNORED_SLASH: Ignored.SLASH,
    network_pb2.IGNORED_POINT: Ignored.POINT,
    network_pb2.IGNORED_ZEROS: Ignored.ZEROS,
}


class NetworkMessages(NamedTuple):
    """A network as messages, and which of its fields each record says."""

    participants: list[network_pb2.Participant]
    services: list[network_pb2.Service]
    participant_fields: list[network_pb2.FieldNames]
    service_fields: list[network_pb2.FieldNames]


def partial_messages(network: PartialNetwork) -> NetworkMessages:
    """Records that say some of their fields, for LoadNetwork and Prepare."""
    return NetworkMessages(
        [_participant(one.values) for one in network.participants],
        [_service(one.values) for one in network.services],
        [network_pb2.FieldNames(names=one.values) for one in network.participants],
        [network_pb2.FieldNames(names=one.values) for one in network.services],
    )


def messages_of(
    specs: Specs,
) -> tuple[list[network_pb2.Participant], list[network_pb2.Service]]:
    """Specs as they go over the wire: the fields have the same names and numbers.

    Only a set of bits is a list of numbers there, and what has fields of its own one of
    messages.
    """
    return (
        [_participant(_values(spec)) for spec in specs.participants],
        [_service(_values(spec)) for spec in specs.services],
    )


def _participant(values: Mapping[str, Any]) -> network_pb2.Participant:
    return network_pb2.Participant(**_converted(values))


def _service(values: Mapping[str, Any]) -> network_pb2.Service:
    return network_pb2.Service(**_converted(values))


def _values(spec: ParticipantSpec | ServiceSpec) -> dict[str, Any]:
    return {entry.name: getattr(spec, entry.name) for entry in fields(spec)}


def _converted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a spec's fields as a message takes them."""
    found = {name: _convert(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not None}


def _convert(value: Any) -> Any:
    if isinstance(value, Ignored):
        return [number for number, bit in _IGNORED.items() if bit in value]
    if isinstance(value, tuple):
        return [_convert(item) for item in value]
    if isinstance(value, OperatorSpec):
        # A message has the bytes that a file spells.
        key = bytes.fromhex(value.key)
        return network_pb2.Operator(number=value.number, key=key, active=value.active)
    if type(value) in _MESSAGES:
        made = {entry.name: getattr(value, entry.name) for entry in fields(value)}
        return _MESSAGES[type(value)](**_converted(made))
    return value


_MESSAGES: Final[Mapping[type, Any]] = {
    Fee: network_pb2.Fee,
    FormField: network_pb2.FormField,
    FreeService: network_pb2.FreeService,
    Words: network_pb2.Words,
}
"""What has fields of its own, and the message that has them, too."""


# --- the other way -------------------------------------------------------------------


def specs_of(
    participants: Iterable[network_pb2.Participant],
    services: Iterable[network_pb2.Service],
) -> Specs:
    """The register as a switch has told it, as specs.

    Raises ValueError for what this version does not know.
    """
    return Specs(
        tuple(_spec(ParticipantSpec, message) for message in participants),
        tuple(_spec(ServiceSpec, message) for message in services),
    )


def _spec(kind: Any, message: Any) -> Any:
    return kind(
        **{
            entry.name: _from_wire(entry.type, getattr(message, entry.name), entry.name)
            for entry in fields(kind)
        }
    )


def _from_wire(kind: Any, value: Any, name: str) -> Any:
    """A message's value as one of a spec's field."""
    if get_origin(kind) is UnionType:
        kind = get_args(kind)[0]
        if not value:
            return None
    if get_origin(kind) is tuple:
        [item, *_] = get_args(kind)
        return tuple(_from_wire(item, one, name) for one in value)
    if kind is Ignored:
        unknown = {*value} - {*_IGNORED}
        if unknown:
            raise ValueError(f"{name}: {min(unknown)} is not known here")
        return reduce(or_, (_IGNORED[number] for number in value), NOTHING)
    if is_dataclass(kind):
        return _spec(kind, value)
    if kind is str and isinstance(value, bytes):
        return value.hex()
    if issubclass(kind, IntEnum):
        return kind(value or _UNSPECIFIED.get(kind, 0))
    return value


_UNSPECIFIED: Final[Mapping[Any, IntEnum]] = {
    Policy: Policy.KEEP,
    Letters: Letters.AS_THEY_ARE,
}
"""What 0 stands for on the wire, where no code is 0."""


def form_of(service: network_pb2.Service) -> Form:
    """How the references of a service are written, for those who send them.

    Raises ValueError for what this version does not know.
    """
    ignored = NOTHING
    for number in service.ignored:
        ignored |= _IGNORED.get(number, NOTHING)
    if not {*service.ignored} <= {*_IGNORED}:
        raise ValueError(f"service {service.code} ignores what is not known here")
    return Form(
        letters=Letters(service.letters or Letters.AS_THEY_ARE),
        ignored=ignored,
        check_digit=CheckDigit(service.check_digit),
        pattern=service.pattern,
        has_period=service.key_rule == network_pb2.KEY_RULE_REFERENCE_PERIOD,
    )
