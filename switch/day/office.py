"""The two people of the treasury on a replayed day: they decide what is left.

One proposes, the other approves. Their evidence are the billers' statements, which here
are the simulated billers' own records. May use the client and `doubts`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from switch.client import Client
from switch.codes import Result
from switch.day.council import Council
from switch.day.doubts import Exception_, kind_name
from switch.errors import WireError
from switch.simulator.books import Credit
from switch.v1 import exceptions_pb2, results_pb2, types_pb2

ROUNDS_MAX = 3
"""Times that they go through the list: what one decision leads to is in the next."""
_POST = types_pb2.PROPOSAL_KIND_POST
_VOID = types_pb2.PROPOSAL_KIND_VOID
_CORRECTION = types_pb2.PROPOSAL_KIND_CORRECTION
_VERIFY = types_pb2.PROPOSAL_KIND_VERIFY
_CLOSE_CASE = types_pb2.PROPOSAL_KIND_CLOSE_CASE
_KEPT = (
    exceptions_pb2.EXCEPTION_KIND_KEPT,
    exceptions_pb2.EXCEPTION_KIND_AMOUNT_DIFFERS,
    exceptions_pb2.EXCEPTION_KIND_OVERDUE,
)
_ENDED = (Result.CASE_NOT_FOUND.value, Result.CASE_CLOSED.value)
"""What is said of a proposal about something that is over."""
_LATE = exceptions_pb2.EXCEPTION_KIND_LATE_CONFIRMATION
_UNVERIFIED = exceptions_pb2.EXCEPTION_KIND_UNVERIFIED


class Office:
    """Two people of one treasury. The clients stay the caller's."""

    def __init__(
        self,
        maker: Client,
        checker: Client,
        document: str,
        council: Council | None = None,
    ) -> None:
        """`document` is what they name as evidence, 1 to 32 printable characters.

        In a ledger with people the `council` signs.
        """
        self._council = council
        self._maker = maker
        self._checker = checker
        self._document = document
        self.decided: Counter[str] = Counter()
        """What they have decided, by kind."""

    def decide(self, statements: Mapping[bytes, Credit]) -> None:
        """Go through the list until nothing is left that they can decide.

        `statements` say what every payment was credited with. Raises WireError if a
        decision is refused.
        """
        for left in reversed(range(ROUNDS_MAX)):
            if not sum(
                self._decide(one, statements, is_last=left == 0)
                for one in self._maker.exceptions()
            ):
                return

    def _decide(
        self, one: Exception_, statements: Mapping[bytes, Credit], *, is_last: bool
    ) -> bool:
        credit = statements.get(one.payment.id)
        kind = _choose(one.kind, is_credited=credit is not None)
        if kind is None:
            return False
        amount = credit.amount if credit and kind in (_POST, _CORRECTION) else 0
        proposed = self._propose(kind, one.sequence, amount)
        if kind == _POST and proposed.result == Result.CASE_NOT_FOUND.value:
            # It is not held: what was paid before was credited with another amount.
            # The statement is the evidence, and the case is closed by it. Where it
            # knows of no credit at all there is nothing to close it by.
            kind = _CLOSE_CASE
            proposed = self._propose(kind, one.sequence, 0)
        if proposed.result in _ENDED and not is_last:
            # Its biller has ended it since it was listed: the next list says so.
            return True
        _check(proposed.result, one, "proposal")
        approved, deeds = self._approve(proposed.sequence)
        _check(approved, one, "approval")
        for done in deeds:
            _check(done.result, one, types_pb2.ProposalKind.Name(kind))
        self.decided[kind_name(one.kind)] += 1
        return True

    def _propose(
        self, kind: types_pb2.ProposalKind.ValueType, sequence: int, amount: int
    ) -> results_pb2.Outcome:
        if self._council is not None:
            return self._council.decide(kind, sequence, self._document, amount)
        return self._maker.propose(kind, sequence, self._document, amount)

    def _approve(self, proposal: int) -> tuple[int, Sequence[results_pb2.Outcome]]:
        """What the approval and the deeds came to."""
        if self._council is not None:
            return self._council.approve(proposal)
        reply = self._checker.approve(proposal)
        return reply.outcome.result, reply.done


def _choose(
    kind: exceptions_pb2.ExceptionKind.ValueType, *, is_credited: bool
) -> types_pb2.ProposalKind.ValueType | None:
    """What puts an exception right; None for what is not theirs to decide."""
    if kind in _KEPT:
        return _POST if is_credited else _VOID
    if kind == _LATE:
        return _CORRECTION if is_credited else _VERIFY
    if kind == _UNVERIFIED and not is_credited:
        return _VERIFY
    return None


def _check(result: int, one: Exception_, what: str) -> None:
    if result != Result.OK.value:
        raise WireError(
            f"the {what} about entry {one.sequence}, {kind_name(one.kind)}, "
            f"was refused: {Result(result).name}"
        )
