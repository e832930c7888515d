"""The specs of a network as messages, and what a message says of references.

May use `catalogue`, `specs`, `references` and the generated messages.
"""

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from switch.catalogue import Words
from switch.codes import CheckDigit, Ignored, Letters
from switch.references import NOTHING, Form
from switch.specs import ParticipantSpec, ServiceSpec, Specs
from switch.v1 import network_pb2

# On the wire they are counted, in a spec they are bits.
_IGNORED = {
    network_pb2.IGNORED_SPACE: Ignored.SPACE,
    network_pb2.IGNORED_HYPHEN: Ignored.HYPHEN,
    network_pb2.IGNORED_SLASH: Ignored.SLASH,
    network_pb2.IGNORED_POINT: Ignored.POINT,
    network_pb2.IGNORED_ZEROS: Ignored.ZEROS,
}


def messages_of(
    specs: Specs,
) -> tuple[list[network_pb2.Participant], list[network_pb2.Service]]:
    """Specs as they go over the wire: the fields have the same names and numbers.

    Only a set of bits is a list of numbers there, and what has fields of its own one of
    messages.
    """
    return (
        [network_pb2.Participant(**_values(one)) for one in specs.participants],
        [network_pb2.Service(**_values(one)) for one in specs.services],
    )


def _values(spec: ParticipantSpec | ServiceSpec) -> dict[str, Any]:
    values = {entry.name: getattr(spec, entry.name) for entry in fields(spec)}
    if isinstance(spec, ServiceSpec):
        values["ignored"] = [
            number for number, one in _IGNORED.items() if one in spec.ignored
        ]
        values["tariff"] = [network_pb2.Fee(**asdict(fee)) for fee in spec.tariff]
        values["fields"] = [network_pb2.FormField(**asdict(one)) for one in spec.fields]
        values["documents"] = _words(spec.documents)
    else:
        values["free_services"] = [
            network_pb2.FreeService(
                **{**asdict(one), "documents": _words(one.documents)}
            )
            for one in spec.free_services
        ]
    return {name: value for name, value in values.items() if value is not None}


def _words(documents: Iterable[Words]) -> list[network_pb2.Words]:
    return [network_pb2.Words(en=one.en, bn=one.bn) for one in documents]


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
