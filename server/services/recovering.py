"""What an auditor may ask of PeopleService: recoveries, and nothing else.

Whether a recovery is one the ledger says, of each row that a recoverer has signed. Here
an auditor is turned away from what no recovery is, before anything is made or verified.
May use the register and the words.
"""

from typing import Final

from server.node import Node
from server.status import ArgumentError
from switch.codes import Kind, PersonRole, Role, RowFlag
from switch.entries import Entry
from switch.register.approvers import has_recoverer
from switch.register.identity import ForbiddenError, Identity
from switch.v1 import people_pb2 as pb

RECOVERY_SIZE_MAX: Final = 65_536
"""Bytes of the lines of one recovery: some 500 people. A treasury's proposals may be
forty times as long; a recoverer need not be able to fill the journal so fast.
"""
_SAID = frozenset({Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW})


def _is_recoverers(node: Node, caller: Identity) -> bool:
    """Whether a caller is an auditor who has recoverers.

    Raises ForbiddenError for an auditor who has none.
    """
    if caller.role is not Role.AUDITOR:
        return False
    if not has_recoverer(node.register, caller.index):
        raise ForbiddenError("an auditor without recoverers may not call this")
    return True


def allow_wishes(node: Node, request: pb.PrepareRequest, caller: Identity) -> None:
    """Raise ForbiddenError if an auditor wants something else than a recovery.

    The register has been refreshed.
    """
    if not _is_recoverers(node, caller):
        return
    others = [request.HasField(name) for name in ("network", "payment", "stop")]
    makes_people = [_makes_people(node, wish) for wish in request.wishes]
    if any(others) or not all(makes_people):
        text = "a recovery makes people of the treasury who may approve, and no more"
        raise ForbiddenError(text)


def _makes_people(node: Node, wish: pb.Wish) -> bool:
    what = wish.WhichOneof("what")
    if what == "person":
        person = wish.person
        approves = int(person.role) == PersonRole.CHECKER and person.active
        return approves and _is_treasury(node, person.participant)
    is_on = what == "participant" and wish.participant.active
    return is_on and _is_treasury(node, wish.participant.participant)


def _is_treasury(node: Node, name: str) -> bool:
    """Whether a participant is of the treasury; of one that is not there so is said
    where its name is read.
    """
    known = node.register.find_participant(name)
    return known is None or known.spec.role is Role.TREASURY


def allow_signed(node: Node, request: pb.SubmitRequest, caller: Identity) -> None:
    """Raise ForbiddenError if an auditor sends what no recoverer signs, and
    ArgumentError if it is longer than any recovery need be.
    """
    if not _is_recoverers(node, caller):
        return
    if int(request.kind) not in _SAID:
        text = "a recoverer signs a proposal, an approval and a withdrawal alone"
        raise ForbiddenError(text)
    if len(request.tail) > RECOVERY_SIZE_MAX:
        text = f"of a recovery must be at most {RECOVERY_SIZE_MAX:,} bytes"
        raise ArgumentError("tail", text)


def allow_deed(node: Node, proposal: Entry, caller: Identity) -> None:
    """Raise ForbiddenError if an auditor does what is no recovery."""
    if _is_recoverers(node, caller) and RowFlag.RECOVERY not in proposal.flags:
        raise ForbiddenError("an auditor does recoveries, and no other proposal")
