"""AdminService.RotateQuotationKey: what seals quotations is followed by a new key."""

import logging

from server import progress
from server.node import Node
from server.status import PreconditionError
from switch.errors import ConfigError
from switch.ledger.quotation_keys import NumberError
from switch.register.identity import Identity
from switch.v1 import admin_pb2 as pb

log = logging.getLogger("server")


async def rotate_quotation_key(
    node: Node, request: pb.RotateQuotationKeyRequest, caller: Identity
) -> pb.RotateQuotationKeyResponse:
    """Make the key, durably, and use it."""
    if node.config.cluster.is_set:
        raise PreconditionError(
            "CLUSTER_KEYS",
            "all nodes have the same keys: put a file with both on each, first where "
            "no payments are taken, and start them again (docs/cluster.md)",
        )
    current = request.current_number
    try:
        number, repeat = await node.read(node.quotation_keys.rotate, current)
    except NumberError as error:
        raise PreconditionError("KEY_NUMBER", str(error)) from error
    except ConfigError as error:
        raise PreconditionError("KEY_FILE", str(error)) from error
    progress.current().has_committed = True
    if not repeat:
        log.warning(
            "quotations are sealed with key %d from here on, by %s",
            number,
            caller.participant,
        )
    return pb.RotateQuotationKeyResponse(number=number, repeat=repeat)
