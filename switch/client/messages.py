"""The specs of a network as messages.

May use `specs` and the generated messages.
"""

from dataclasses import fields
from typing import Any

from switch.specs import ParticipantSpec, ServiceSpec, Specs
from switch.v1 import admin_pb2


def messages_of(
    specs: Specs,
) -> tuple[list[admin_pb2.Participant], list[admin_pb2.Service]]:
    """Specs as they go over the wire: the fields have the same names and numbers."""
    return (
        [admin_pb2.Participant(**_values(one)) for one in specs.participants],
        [admin_pb2.Service(**_values(one)) for one in specs.services],
    )


def _values(spec: ParticipantSpec | ServiceSpec) -> dict[str, Any]:
    values = {entry.name: getattr(spec, entry.name) for entry in fields(spec)}
    return {name: value for name, value in values.items() if value is not None}
