"""Where a payment stands now: what the ledger knows, and what the dispatcher does."""

from server.node import Node
from switch.ledger import statements
from switch.payment_states import Standing


def standing_now(node: Node, found: statements.Payment) -> Standing:
    """Where a payment stands; in the event loop's thread.

    The ledger knows that it is held; who asks the biller knows how that goes.
    """
    is_held = found.standing is Standing.HELD
    if is_held and node.dispatch.is_unknown(found.entry):
        return Standing.UNKNOWN
    return found.standing
