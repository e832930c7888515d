"""What a node serves while another one leads: what only reads, and says how old it is.

Whole services, so that each one's health is the truth. What a follower has may be
behind: so it never refuses anything itself, neither as not there nor as not allowed; it
says NOT_LEADER, and the leader says why. Money is never decided here.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from google.rpc import code_pb2

from server.node import Node
from server.status import ArgumentError, code_of
from server.transport import Behaviour, Call, Look
from switch.errors import NotLeaderError, SwitchError

READS: Final = frozenset(
    f"payswitch.v1.{name}"
    for name in ("WalletService", "ExplainService", "TotalsService", "FilesService")
)
"""The services of which every method only reads, and says nothing of what billers are
asked or of what would be paid."""
AS_OF_SEQUENCE: Final = b"as-of-sequence"
AS_OF_AGE_MS: Final = b"as-of-age-ms"
"""In the trailing metadata of what a follower answers."""
LEADER_ONLY: Final = b"leader"
"""In `min-sequence`: no follower may answer."""
WAIT_S: Final = 1.0
"""How long a call waits for the entry that it must have seen."""
_SEQUENCE_DIGITS: Final = 20

_MAY_BE_BEHIND: Final = frozenset(
    {
        code_pb2.INVALID_ARGUMENT,
        code_pb2.NOT_FOUND,
        code_pb2.FAILED_PRECONDITION,
        code_pb2.OUT_OF_RANGE,
        code_pb2.PERMISSION_DENIED,
        code_pb2.UNAUTHENTICATED,
    }
)
"""What the leader may say otherwise, of what has not come here yet."""


class Standing(Protocol):
    """What is known of who leads."""

    def age_ms(self) -> int | None:
        """How old what is here may be; None: too old to be told."""

    def refusal(self, why: str = "") -> NotLeaderError:
        """What a call is told that only the leader can answer."""


def follower_behaviours(
    node: Node,
    standing: Standing,
    behaviours: Mapping[str, Behaviour],
    others: Iterable[str],
    *,
    reads: bool,
) -> dict[str, Behaviour]:
    """What methods do while another node leads, by their full names.

    `behaviours` are those of a leader; `others` the names of methods that have none.
    """
    found = {
        name: _read(node, standing, behaviour)
        if reads and name.split("/")[1] in READS
        else _refuse(standing)
        for name, behaviour in behaviours.items()
    }
    return found | {name: _refuse(standing) for name in others}


def _refuse(standing: Standing) -> Behaviour:
    async def behaviour(_: Call) -> None:
        raise standing.refusal()

    return behaviour


def _read(node: Node, standing: Standing, behaviour: Behaviour) -> Behaviour:
    async def read(call: Call) -> bytes | None:
        if call.session is not None:
            raise standing.refusal("sessions are open at the leader alone")
        await _wait(node, standing, _wanted(call))
        age_ms = standing.age_ms()
        if age_ms is None:
            raise standing.refusal("this node is too far behind")
        call.trailers = (
            (AS_OF_SEQUENCE, str(node.ledger.sequence).encode()),
            (AS_OF_AGE_MS, str(age_ms).encode()),
        )
        try:
            if isinstance(behaviour, Look):
                reply = await node.look(behaviour.do, call)
                return reply if isinstance(reply, bytes) else _made(reply)
            return await behaviour(call)
        except SwitchError as error:
            if code_of(error) in _MAY_BE_BEHIND:
                raise standing.refusal(f"here it is: {error}") from error
            raise

    return read


def _made(reply: Callable[[], bytes]) -> bytes:
    return reply()


def _wanted(call: Call) -> int | None:
    """The entry that the answer must have seen; None: the leader alone may answer."""
    said = call.min_sequence
    if said is None:
        return 0
    if said == LEADER_ONLY:
        return None
    if not said.isdigit() or len(said) > _SEQUENCE_DIGITS:
        raise ArgumentError("metadata.min_sequence", "must be a number, or `leader`")
    return int(said)


async def _wait(node: Node, standing: Standing, wanted: int | None) -> None:
    """Until the entry is here. Raises NotLeaderError if that takes too long."""
    if wanted is None:
        raise standing.refusal("the call wants the leader's answer")
    until_s = node.loop.time() + WAIT_S
    while True:
        group = node.group
        if node.ledger.sequence >= wanted:
            return
        left_s = until_s - node.loop.time()
        if left_s <= 0:
            raise standing.refusal(f"entry {wanted} has not come here in time")
        await node.wait_group(group, left_s)
