"""AdminService.ListNetwork: the register, page by page, or one record of it.

Participants come first, then services, each by its index: a token counts both.
"""

from collections.abc import Iterator
from typing import Final

from server import arguments, network_convert
from server.node import Node
from server.page_tokens import make_token, read_token
from server.status import NotFoundError
from switch._core import Rows
from switch.codes import Record
from switch.errors import shown
from switch.register.identity import Identity
from switch.register.merge import describe_one
from switch.register.register import Participant
from switch.v1 import admin_pb2 as pb
from switch.v1 import network_pb2

PAGE_BYTES: Final = 1 << 20
"""Of the records of one page, but for its first."""
_SERVICES: Final = 1 << 32
"""What a token adds to the index of a service; no participant has such an index."""


def list_network(
    node: Node, request: pb.ListNetworkRequest, caller: Identity
) -> pb.ListNetworkResponse:
    """A page of the register. Blocks."""
    response = pb.ListNetworkResponse(as_of_sequence=node.ledger.sequence)
    node.register.refresh()
    if request.participant or request.service:
        _add_named(node, request, response)
        return response
    size = arguments.page_size(request.page_size, node.config)
    after = read_token(request, caller)
    response.next_page_token = make_token(
        request, caller, _add_page(node, response, size, after)
    )
    return response


def _add_named(
    node: Node, request: pb.ListNetworkRequest, response: pb.ListNetworkResponse
) -> None:
    """The records that a request names. Raises NotFoundError if none is there."""
    register = node.register
    participant = register.find_participant(request.participant)
    service = register.find_service(request.service)
    if participant:
        images, _ = node.ledger.accounts()
        spec = describe_one(register, participant, images)
        response.participants.append(network_convert.participant(spec))
    if service:
        response.services.append(network_convert.service(service))
    if not participant and not service:
        named = request.participant or request.service
        text = f"there is no participant and no service {shown(named)}"
        raise NotFoundError(f"participant: {text}")


def _add_page(
    node: Node, response: pb.ListNetworkResponse, size: int, after: int
) -> int:
    """Up to `size` records behind what a token says; where the next page goes on."""
    images, _ = node.ledger.accounts()
    size_bytes = 0
    messages = _messages_after(node, images, after, size + 1)
    for count, (at, message) in enumerate(messages):
        size_bytes += message.ByteSize()
        if count and (count == size or size_bytes > PAGE_BYTES):
            return after
        if isinstance(message, network_pb2.Participant):
            response.participants.append(message)
        else:
            response.services.append(message)
        after = at
    return 0


def _messages_after(
    node: Node, images: Rows, after: int, count: int
) -> Iterator[tuple[int, network_pb2.Participant | network_pb2.Service]]:
    """Records behind what a token says, in order, each with the token that says it."""
    for known in _participants_after(node, after):
        spec = describe_one(node.register, known, images)
        yield known.index, network_convert.participant(spec)
    for service in node.register.services_after(max(after - _SERVICES, 0), count):
        yield _SERVICES + service.index, network_convert.service(service)


def _participants_after(node: Node, after: int) -> Iterator[Participant]:
    count = len(node.ledger.records(Record.PARTICIPANT))
    for index in range(after + 1, count):
        try:
            yield node.register.participant(index)
        except LookupError:
            # Registered since the register was read: the next page may have it.
            return
