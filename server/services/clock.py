"""AdminService.AcceptClock: a person stands by the wall clock after a leap."""

import json
import logging

from server import convert, progress
from server.node import Node
from server.status import ArgumentError, PreconditionError
from switch._core import Request, Rows
from switch.codes import Kind, Record
from switch.ids import ID_SIZE
from switch.ledger.committer import CLOCK_LEAP_MAX_NS, clock_row, clock_template
from switch.ledger.templates import REFERENCE_SIZE
from switch.register.identity import Identity
from switch.v1 import admin_pb2 as pb
from switch.v1 import results_pb2

log = logging.getLogger("server")


async def accept_clock(
    node: Node, request: pb.AcceptClockRequest, caller: Identity
) -> pb.AcceptClockResponse:
    """Record that the clock is right, and take groups again."""
    if len(request.id) != ID_SIZE:
        raise ArgumentError("id", f"must be {ID_SIZE} bytes")
    reason = request.reason
    if not 0 < len(reason) <= REFERENCE_SIZE or not (
        reason.isascii() and reason.isprintable()
    ):
        raise ArgumentError(
            "reason", f"must be 1 to {REFERENCE_SIZE} printable ASCII characters"
        )
    again = await node.read(_sent_before, node, request, caller)
    if again is not None:
        # Whether it is the same the ledger says, as for every id.
        reply = await node.commit(again)
        assert not isinstance(reply, bytes)
    else:
        reply = await node.read(_accept, node, request, caller)
        progress.current().has_committed = True
    response = pb.AcceptClockResponse(outcome=convert.outcome(reply[0]))
    if response.outcome.result == results_pb2.RESULT_OK:
        said = await node.read(_said, node, response.outcome.sequence)
        response.ahead_ns = int(said["ahead_ns"])
    return response


# --- in a reading thread -------------------------------------------------------------


def _sent_before(
    node: Node, request: pb.AcceptClockRequest, caller: Identity
) -> Request | None:
    """What was sent under this id, with the reason that is given now."""
    sequence = node.ledger.find(caller.index, request.id)
    if not sequence:
        return None
    said: dict[str, int | str] = {}
    entry = node.ledger.row(sequence)
    if entry.kind == Kind.REGISTER and node.ledger.tail(sequence)[0] == Record.CLOCK:
        said = _said(node, sequence)
    said["reason"] = request.reason
    return clock_template(said, row_id=request.id, sender=caller.index).request()


def _accept(node: Node, request: pb.AcceptClockRequest, caller: Identity) -> Rows:
    state = node.committer.clock_state()
    if state.ahead_ns <= CLOCK_LEAP_MAX_NS:
        raise PreconditionError(
            "CLOCK_TRUSTED", "the wall clock is believed: there is nothing to accept"
        )
    row = clock_row(
        state,
        "operator",
        reason=request.reason,
        row_id=request.id,
        sender=caller.index,
    )
    reply = node.committer.accept_clock(row, state)
    log.warning(
        "the clock is accepted, %d s ahead, by %s: %s",
        state.ahead_ns // 10**9,
        caller.participant,
        request.reason,
    )
    return reply


def _said(node: Node, sequence: int) -> dict[str, int | str]:
    found: dict[str, int | str] = json.loads(node.ledger.tail(sequence)[1:])
    return found
