"""AdminService: budgets of one participant, in the register.

A budget holds from the moment that the register has taken it in, as all that is in it.
"""

import logging

from server import arguments, convert
from server.node import Node
from server.services.noted import note, page_of
from server.status import ArgumentError
from switch.codes import BUDGET_BOUNDS, Budget
from switch.register.budgets import budget_tail
from switch.register.identity import Identity
from switch.v1 import budgets_pb2 as pb
from switch.v1 import results_pb2

log = logging.getLogger("server")


async def set_budget(
    node: Node, request: pb.SetBudgetRequest, caller: Identity
) -> pb.SetBudgetResponse:
    """Set what a participant may use, or leave that to the settings again."""
    whose = arguments.participant(node.register, request.participant, "participant")
    number, value = int(request.budget), request.value
    if number not in list(Budget):
        raise ArgumentError("budget", "must be a budget")
    budget = Budget(number)
    least, most = BUDGET_BOUNDS[budget]
    if value and not least <= value <= most:
        raise ArgumentError("value", f"must be {least} to {most}, or 0")
    tail = budget_tail(whose.index, budget, value)
    outcome = await note(node, request.id, tail, caller)
    if outcome.result == results_pb2.RESULT_OK:
        text = "the budget %s of %s is set by %s: %d"
        log.warning(text, budget.name, whose.spec.id, caller.participant, value)
    return pb.SetBudgetResponse(outcome=outcome)


def list_budgets(
    node: Node, request: pb.ListBudgetsRequest, caller: Identity
) -> pb.ListBudgetsResponse:
    """A page of the budgets that are set."""
    register = node.register
    found, token = page_of(node, request, caller, register.overrides_after)
    return pb.ListBudgetsResponse(
        budgets=[convert.budget(one, register) for one in found],
        next_page_token=token,
        as_of_sequence=node.ledger.sequence,
    )
