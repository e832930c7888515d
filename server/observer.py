"""What is noted of each call when it has its answer: figures, and the security log.

`ended` is called for every call, once, by whatever answers it; it costs less than a
microsecond where nobody was turned away.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from google.protobuf.message import Message
from google.rpc import code_pb2

from server.exposition import Family, counter, histogram
from server.security_log import Cause, SecurityLog, address_of, fields_of
from server.status import NotFoundError, code_of
from switch.codes import Role
from switch.errors import BillerBusyError, CentreBusyError, OverloadError
from switch.register.identity import ForbiddenError, Identity, IdentityError
from switch.register.rights import MATRIX
from switch.v1 import results_pb2

SECONDS: Final = (
    *(0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032),
    *(0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 5.0, 10.0, 30.0),
)
"""Bounds of the histogram of how long calls take."""
NOBODY: Final = 0
"""Stands for the role of a caller that is not known."""
SEARCH_KEYS: Final = ("receipt", "id", "reference", "biller_reference")
"""Fields of a search for payments by which it may be made; without one it walks."""

_STATUSES = len(code_pb2.Code.keys())
_ROLES = max(Role) + 1
_STEPS = len(SECONDS) + 1
# The first class that fits decides, so that a class stands before its bases.
_CAUSES: tuple[tuple[type[Exception], Cause | None], ...] = (
    (IdentityError, Cause.UNKNOWN),
    (ForbiddenError, Cause.DENIED),
    (NotFoundError, Cause.NOT_FOUND),
    (CentreBusyError, Cause.OVER_BUDGET),
    # What a biller does not take is nothing that its callers did.
    (BillerBusyError, None),
    (OverloadError, Cause.OVER_BUDGET),
)


HotCalls = list[tuple[dict[tuple[int, int], int], list[int], float]]
"""Of each hot method how many calls by role and status, their times, and in all."""


class Peer(Protocol):
    """The part of a call's context that is asked for."""

    def peer(self) -> str:
        """Where the call came from: `ipv4:HOST:PORT`, `ipv6:[HOST]:PORT`."""


class Calls:
    """How many calls there were, and how long they took: counters in arrays.

    Written by one thread, read by any.
    """

    def __init__(self, methods: Sequence[str] = tuple(MATRIX)) -> None:
        """`methods` are full names; a call's number is its place among them."""
        self.methods = tuple(methods)
        self.numbers = {name: number for number, name in enumerate(self.methods)}
        self._counts = array("Q", bytes(8 * len(methods) * _ROLES * _STATUSES))
        self._steps = array("Q", bytes(8 * len(methods) * _STEPS))
        self._sums = array("d", bytes(8 * len(methods)))
        self._hot: Sequence[str] = ()
        self._hot_source: Callable[[], HotCalls] = list

    def count(self, method: int, role: int, status: int, seconds: float) -> None:
        """One more, which took so long."""
        self._counts[(method * _ROLES + role) * _STATUSES + status] += 1
        self._steps[method * _STEPS + bisect_left(SECONDS, seconds)] += 1
        self._sums[method] += seconds

    def add_hot(self, methods: Sequence[str], source: Callable[[], HotCalls]) -> None:
        """Methods that C counts; `source` gives what it has, in their order."""
        self._hot, self._hot_source = methods, source

    def families(self) -> list[Family]:
        """What was counted, by both; of what never happened nothing."""
        counted: Counter[tuple[int, int, int]] = Counter()
        for place, count in enumerate(self._counts):
            if count:
                rest, status = divmod(place, _STATUSES)
                counted[*divmod(rest, _ROLES), status] = count
        steps = [
            self._steps[first : first + _STEPS].tolist()
            for first in range(0, len(self._steps), _STEPS)
        ]
        sums = self._sums.tolist()
        for name, hot in zip(self._hot, self._hot_source(), strict=False):
            counts, times, spent = hot
            method = self.numbers[name]
            for (role, status), count in counts.items():
                counted[method, role, status] += count
            own = steps[method]
            steps[method] = [sum(both) for both in zip(own, times, strict=False)]
            sums[method] += spent
        calls = counter("calls_total", "Calls that have their answer.")
        for (method, role, status), count in counted.items():
            calls.add(
                count,
                method=self._label(method),
                role=Role(role).name.lower() if role else "nobody",
                status=code_pb2.Code.Name(status),
            )
        took = histogram(
            "call_seconds", "From a call's arrival to its answer, streams to their end."
        )
        for method, of_method in enumerate(steps):
            if any(of_method):
                label = self._label(method)
                took.add_histogram(SECONDS, of_method, sums[method], method=label)
        return [calls, took]

    def _label(self, method: int) -> str:
        """`AdminService/TopUp`."""
        return self.methods[method].rpartition(".")[2]


class Observer:
    """What a server notes of its calls."""

    def __init__(self, security: SecurityLog) -> None:
        """Notes into `security`, which need not be started."""
        self.security = security
        self.calls = Calls()

    def ended(
        self,
        method: int,
        caller: Identity | None,
        seconds: float,
        error: BaseException | None,
        context: Peer,
    ) -> None:
        """A call has its answer, and has taken so long. Not before: nobody's answer
        waits for what is noted of it.

        `method` is its number in `calls`; `caller` is None if nobody is known, `error`
        if it was answered.
        """
        role = NOBODY if caller is None else caller.role
        if error is None:
            self.calls.count(method, role, 0, seconds)
            return
        self.calls.count(method, role, code_of(error), seconds)
        cause = cause_of(error)
        if cause is not None:
            self.security.note(cause, _name(caller), address_of(context.peer()))

    def acted(
        self,
        method: str,
        caller: Identity,
        request: Message,
        response: Message | None,
        error: BaseException | None,
        context: Peer,
    ) -> None:
        """Somebody has asked for an act, one of ACTS, and has been answered.

        One of a centre is an act if it did something: else it costs nothing, and there
        would be as many lines as it likes.
        """
        is_counters = caller.role in (Role.CENTRE, Role.HARNESS)
        if is_counters and (response is None or not _has_done(response)):
            return
        outcome: dict[str, object] = {}
        if error is not None:
            outcome["status"] = code_pb2.Code.Name(code_of(error))
        elif response is not None:
            outcome = fields_of(getattr(response, "outcome", response))
        what: dict[str, Any] = {
            "method": method.rpartition("/")[2],
            "participant": _name(caller),
            "address": address_of(context.peer()),
            "request": fields_of(request),
            "outcome": outcome,
        }
        if caller.role is Role.TREASURY:
            self.security.act("act", **what)
        else:
            self.security.others_act(what.pop("participant"), "act", **what)

    def searched(
        self, caller: Identity, request: Any, response: Any, context: Peer
    ) -> None:
        """Somebody has searched for payments, and so many were found.

        By what kind of key, and never by which: that is what a search is after.
        """
        key = next((one for one in SEARCH_KEYS if getattr(request, one)), "filter")
        address, found = address_of(context.peer()), len(response.payments)
        name = _name(caller)
        if caller.role is Role.CENTRE:
            self.security.searched(name, address, key, found)
        else:
            # Whoever may look into all wallets answers for each look.
            self.security.others_act(
                name, "search", address=address, key=key, found=found
            )


def _has_done(response: Any) -> bool:
    """Whether a counter's act has made a row, as its answer says."""
    outcome = getattr(response, "outcome", response)
    result = getattr(outcome, "result", results_pb2.RESULT_OK)
    return bool(result == results_pb2.RESULT_OK and not outcome.repeat)


def cause_of(error: BaseException) -> Cause | None:
    """Why an error turned somebody away; None if that is no matter of theirs."""
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return cause
    return None


def _name(caller: Identity | None) -> str:
    if caller is None:
        return ""
    return f"{caller.role.name.lower()}/{caller.participant}"
