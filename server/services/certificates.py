"""AdminService: certificates that are revoked, who stands by it, and pinned keys.

Each is a row of the register, and holds from the moment that the register has taken it
in: the door asks it of every connection again.
"""

import logging
from itertools import islice

from server import arguments, convert
from server.node import Node
from server.services.noted import note, page_of
from server.status import ArgumentError
from switch.register.certificates import (
    AUTHORITY_SIZE,
    PIN_SIZE,
    PINS_MAX,
    SERIAL_MAX,
    Revocation,
    confirmation_tail,
    pins_tail,
    revocation_tail,
)
from switch.register.identity import Identity
from switch.register.register import Register
from switch.v1 import certificates_pb2 as pb
from switch.v1 import people_pb2, results_pb2

log = logging.getLogger("server")

REASON_MAX = 200
"""Characters of why a certificate is revoked."""


async def revoke(
    node: Node, request: pb.RevokeCertificateRequest, caller: Identity
) -> pb.RevokeCertificateResponse:
    """Revoke a certificate, at once, by one person's word."""
    tail, known = check_revocation(node.register, request)
    if known is not None and not await node.read(
        arguments.is_known, node.ledger, caller, request.id
    ):
        return pb.RevokeCertificateResponse(
            outcome=_first(known), revocation=known.index
        )
    outcome = await note(node, request.id, tail, caller)
    _, known = check_revocation(node.register, request)
    if outcome.result != results_pb2.RESULT_OK or known is None:
        return pb.RevokeCertificateResponse(outcome=outcome)
    text = "a certificate of %s is revoked by %s"
    log.warning(text, request.participant, caller.participant)
    return pb.RevokeCertificateResponse(outcome=outcome, revocation=known.index)


def check_revocation(
    register: Register,
    wanted: pb.RevokeCertificateRequest | people_pb2.RevocationWish,
) -> tuple[bytes, Revocation | None]:
    """The record of a revocation that is wanted, and what there is of it already.

    Raises ArgumentError for a field that cannot be used.
    """
    whose = arguments.participant(register, wanted.participant, "participant")
    if len(wanted.authority) != AUTHORITY_SIZE or not any(wanted.authority):
        raise ArgumentError("authority", f"must be {AUTHORITY_SIZE} bytes")
    if not 1 <= len(wanted.serial) <= SERIAL_MAX or not wanted.serial[0]:
        text = f"must be 1 to {SERIAL_MAX} bytes, the first not zero"
        raise ArgumentError("serial", text)
    check_why(wanted.reason)
    serial = int.from_bytes(wanted.serial)
    tail = revocation_tail(whose.index, wanted.authority, serial, wanted.reason)
    return tail, register.find_revocation(whose.index, wanted.authority, serial)


def check_why(reason: str) -> None:
    """Raise ArgumentError unless it is a reason for a revocation."""
    is_plain = reason.isascii() and reason.isprintable()
    if not 1 <= len(reason) <= REASON_MAX or not is_plain:
        text = f"must be 1 to {REASON_MAX} printable ASCII characters"
        raise ArgumentError("reason", text)


async def confirm(
    node: Node, request: pb.ConfirmRevocationRequest, caller: Identity
) -> pb.ConfirmRevocationResponse:
    """Stand by a revocation."""
    if not request.revocation:
        raise ArgumentError("revocation", "must be the number of a revocation")
    tail = confirmation_tail(request.revocation)
    outcome = await note(node, request.id, tail, caller)
    return pb.ConfirmRevocationResponse(outcome=outcome)


async def pin(
    node: Node, request: pb.PinKeysRequest, caller: Identity
) -> pb.PinKeysResponse:
    """Set the keys of a participant."""
    whose = arguments.participant(node.register, request.participant, "participant")
    if len(request.pins) > PINS_MAX:
        raise ArgumentError("pins", f"must be at most {PINS_MAX}")
    for at, key in enumerate(request.pins):
        if len(key) != PIN_SIZE or not any(key) or key in request.pins[:at]:
            raise ArgumentError(f"pins[{at}]", f"must be {PIN_SIZE} bytes of its own")
    tail = pins_tail(whose.index, request.pins)
    outcome = await note(node, request.id, tail, caller)
    if outcome.result == results_pb2.RESULT_OK:
        text = "the keys of %s are pinned by %s: %d"
        log.warning(text, whose.spec.id, caller.participant, len(request.pins))
    return pb.PinKeysResponse(outcome=outcome)


def list_revocations(
    node: Node, request: pb.ListRevocationsRequest, caller: Identity
) -> pb.ListRevocationsResponse:
    """A page of what was revoked."""
    register = node.register

    def after(index: int, count: int) -> list[Revocation]:
        wanted = (
            one
            for one in register.revocations()[index:]
            if not (request.unconfirmed_only and one.confirmed_by)
        )
        return list(islice(wanted, count))

    found, token = page_of(node, request, caller, after)
    return pb.ListRevocationsResponse(
        revocations=[convert.revocation(one, register) for one in found],
        next_page_token=token,
        as_of_sequence=node.ledger.sequence,
    )


def list_pins(
    node: Node, request: pb.ListPinsRequest, caller: Identity
) -> pb.ListPinsResponse:
    """A page of the keys that are pinned."""
    register = node.register
    found, token = page_of(node, request, caller, register.pins_after)
    return pb.ListPinsResponse(
        pins=[convert.pins(one, register) for one in found],
        next_page_token=token,
        as_of_sequence=node.ledger.sequence,
    )


def _first(known: Revocation) -> results_pb2.Outcome:
    """The outcome of who revoked it first."""
    return results_pb2.Outcome(
        result=results_pb2.RESULT_OK,
        sequence=known.sequence,
        time_ns=known.time_ns,
        repeat=True,
    )
