"""What a caller is told, beside the status, of what the front thread refuses itself.

Of a call that has not come as far as its handler nothing was done; of any other it is
not known. A caller sends again what asks for a pause, and nothing else.
"""

from typing import Final

from google.rpc import status_pb2

from server._front import REASONS, STATUSES, Front
from server.status import info, pack, retry

_REASONS: Final = {
    "COMPRESSED": "COMPRESSED",
    "TIMEOUT_MALFORMED": "MALFORMED",
    "METADATA_MALFORMED": "MALFORMED",
    "METADATA_TOO_LARGE": "METADATA_TOO_LARGE",
    "MESSAGE_TOO_LARGE": "MESSAGE_TOO_LARGE",
    "STREAM_MESSAGE_TOO_LARGE": "MESSAGE_TOO_LARGE",
    "MESSAGE_COMPRESSED": "MALFORMED",
    "FRAMING": "MALFORMED",
    "SECOND_MESSAGE": "MALFORMED",
    "NO_MESSAGE": "MALFORMED",
    "DEADLINE": "LATE",
    "BODY_LATE": "LATE",
    "OVER_CALLS": "OVER_BUDGET",
    "OVER_BUDGET": "OVER_BUDGET",
    "SERVER_FULL": "OVERLOAD",
    "SHED": "OVERLOAD",
    "OVER_PAYMENTS": "OVER_BUDGET",
    "OVER_READS": "OVER_BUDGET",
    "OVER_FETCHES": "OVER_BUDGET",
    "OVER_FEEDS": "OVER_BUDGET",
    "OVER_WATCHES": "OVER_BUDGET",
}
"""The reason of the ErrorInfo for each of the front's."""
_BUDGETS: Final = {
    "OVER_CALLS": "calls",
    "OVER_BUDGET": "bytes",
    "OVER_PAYMENTS": "payments_per_s",
    "OVER_READS": "reads_per_s",
    "OVER_FETCHES": "fetches_per_s",
    "OVER_FEEDS": "feeds",
    "OVER_WATCHES": "watches",
}
"""Which of a participant's budgets is meant, as the register names them."""
_PAUSES: Final = frozenset({"OVER_BUDGET", "OVERLOAD"})
_RATES: Final = frozenset({"OVER_PAYMENTS", "OVER_READS", "OVER_FETCHES"})
"""Of these the front adds the pause, which it knows."""


def set_details(front: Front) -> None:
    """Give a front that is not started what it tells."""
    for name, number in REASONS.items():
        code, text = STATUSES[number]
        for given in (False, True):
            outcome = "unknown" if given else "not_done"
            budget = {"budget": _BUDGETS[name]} if name in _BUDGETS else {}
            details = [pack(info(_REASONS[name], outcome=outcome, **budget))]
            if _REASONS[name] in _PAUSES and name not in _RATES:
                details.append(pack(retry()))
            status = status_pb2.Status(code=code, message=text, details=details)
            front.set_details(number, given, status.SerializeToString())
