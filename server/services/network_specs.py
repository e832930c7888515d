"""A network in messages as specs, for the calls that take one."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from server import network_convert
from server.status import ArgumentError
from switch.specs import ParticipantSpec, ServiceSpec
from switch.v1 import network_pb2

Message = TypeVar("Message", network_pb2.Participant, network_pb2.Service)
Spec = TypeVar("Spec", ParticipantSpec, ServiceSpec)


def specs_of(
    make: Callable[[Message], Spec], messages: Iterable[Message], field: str
) -> list[Spec]:
    """Messages as specs. Raises ArgumentError, which names the field."""
    specs = []
    for at, message in enumerate(messages):
        try:
            specs.append(make(message))
        except network_convert.UnknownCodeError as error:
            raise ArgumentError(f"{field}[{at}].{error.field}", str(error)) from error
    return specs
