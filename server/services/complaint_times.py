"""By when a complaint is to be answered, and whether that is over.

May use the node. The one place that says what *overdue* means: lists, a complaint's
page and the public check follow it.
"""

import time
from typing import Final

from server.node import Node
from switch.ledger.complaints import Complaint, ComplaintState

ANSWER_HOURS: Final = 72
"""Within which an answer is due where the biller's record says no other."""
NS_IN_HOUR: Final = 3_600 * 10**9
_OPEN: Final = (ComplaintState.RAISED, ComplaintState.ASKED)


def biller_of(node: Node, complaint: Complaint) -> int:
    """The participant that its payment credits."""
    payment = node.ledger.row(complaint.raised.resolves)
    return node.register.account(payment.credit).participant


def due_ns(node: Node, complaint: Complaint) -> int:
    """By when it is to be answered."""
    biller = node.register.participant(biller_of(node, complaint))
    hours = biller.spec.answer_hours or ANSWER_HOURS
    return complaint.raised.timestamp + hours * NS_IN_HOUR


def is_overdue(node: Node, complaint: Complaint) -> bool:
    """Whether nobody has answered, or the treasury has asked again, and time is over.

    By the clock, not by the last entry: a complaint is late on a quiet night, too.
    """
    if complaint.state not in _OPEN:
        return False
    return due_ns(node, complaint) < max(time.time_ns(), node.ledger.timestamp)
