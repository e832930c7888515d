"""AdminService: how a record of the register is noted, and how such are listed."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from server import arguments
from server.node import Node
from server.page_tokens import PagedRequest, make_token, read_token
from server.services.proposals import do
from switch.codes import Kind
from switch.ledger.templates import Templates, template
from switch.register.identity import Identity
from switch.v1 import results_pb2


class Indexed(Protocol):
    """A record as the register knows it."""

    @property
    def index(self) -> int:
        """By which it is listed, from 1."""


Record = TypeVar("Record", bound=Indexed)


async def note(
    node: Node, row_id: bytes, tail: bytes, caller: Identity
) -> results_pb2.Outcome:
    """Commit a row of the register, and have it taken in before it is answered."""
    move: Templates = template(
        Kind.REGISTER, row_id=row_id, sender=caller.index, tail=tail
    )
    outcome = await do(node, move)
    await node.read(node.register.refresh)
    return outcome


def page_of(
    node: Node,
    request: PagedRequest,
    caller: Identity,
    after: Callable[[int, int], list[Record]],
) -> tuple[list[Record], str]:
    """A page of records by index, and the token of the next.

    `after` gives as many as it is asked for behind an index.
    """
    size = arguments.page_size(request.page_size, node.config)
    found = after(read_token(request, caller), size + 1)
    last = found[size - 1].index if len(found) > size else 0
    return found[:size], make_token(request, caller, last)
