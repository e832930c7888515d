"""What was given back, or asked for, since a match: a part of `payswitch breaks`.

Over the wire. A break knows the refunds of the scrolls that were at hand. What has come
since then is in no file yet, and would be given back once more; nor does a decided file
know which of its lines were proposed before.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from switch.client import Client, Point
from switch.console.output import enum_word
from switch.errors import SwitchError, UsageError
from switch.matching.breaks import Break
from switch.matching.decisions import Act
from switch.money import format_amount
from switch.v1 import proposals_pb2, types_pb2


def refunds_since(
    client: Client, acts: Iterable[Act], breaks: Mapping[str, Break], again: int
) -> dict[int, str]:
    """By its line why a refund is not proposed. Raises what the client raises."""
    wanted = {breaks[one.number].entry: one for one in acts if one.decision == "refund"}
    if not wanted:
        return {}
    found: dict[int, str] = {}
    oldest: dict[tuple[str, str], int] = defaultdict(lambda: 2**63)
    for entry, act in wanted.items():
        one = breaks[act.number]
        of = (one.biller, one.head) if one.head else ("", "")
        oldest[of] = min(oldest[of], entry)
    for (biller, head), first in oldest.items():
        for refund in client.movements(
            biller,
            head,
            kind=types_pb2.ENTRY_KIND_REFUND,
            after=Point(sequence=first),
        ):
            act_of = wanted.get(refund.resolves)
            if act_of is None:
                continue
            known = breaks[act_of.number].linked
            if refund.sequence not in {sequence for sequence, _ in known}:
                found[act_of.line] = (
                    f"entry {refund.sequence} has given {format_amount(refund.amount)} "
                    "of it back since this match: match again"
                )
    for page in client.proposal_pages():
        for proposal in page.proposals:
            asked = proposal.proposed
            act_of = wanted.get(asked.resolves)
            if (
                act_of is not None
                and asked.proposal_kind == types_pb2.PROPOSAL_KIND_REFUND
                and proposal.state == proposals_pb2.PROPOSAL_STATE_OPEN
                and asked.id != act_of.id(again)
            ):
                found[act_of.line] = (
                    f"entry {asked.sequence} asks for {format_amount(asked.amount)} "
                    "of it already: have it approved or withdrawn"
                )
    return found


IDS_MAX = 1_000_000
"""Ids of earlier proposals that are looked for."""
_GONE = (
    proposals_pb2.PROPOSAL_STATE_WITHDRAWN,
    proposals_pb2.PROPOSAL_STATE_EXPIRED,
)


def asked_before(client: Client, acts: Sequence[Act], again: int) -> dict[int, str]:
    """By its line why it is not proposed once more: a proposal of the same break waits,
    is approved or done. What was refused has left none.

    Raises SwitchError, and what the client raises.
    """
    if len(acts) * again > IDS_MAX:
        raise UsageError("too many lines: give --again those that are meant alone")
    before = {one.id(earlier): one for one in acts for earlier in range(again)}
    found: dict[int, str] = {}
    for page in client.proposal_pages(all=True):
        for one in page.proposals:
            act = before.get(one.proposed.id)
            if act is not None and one.state not in _GONE:
                state = enum_word(proposals_pb2.ProposalState.DESCRIPTOR, one.state)
                entry = one.proposed.sequence
                found[act.line] = f"entry {entry} was proposed for it and is {state}"
        if page.damaged_sequences:
            raise SwitchError("the list of proposals is damaged at the switch")
    return found
