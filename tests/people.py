"""Rows by which two people have something done: it is proposed, approved and done.

Stated a second time from docs/data-model.md, as row templates for core and model, and
as the product's own moves for tests of what stands above them.
"""

import hashlib

import numpy as np

from switch._core import Ledger, Rows, entries_of
from switch.codes import PROPOSE_ADVANCE, Kind, Result
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.templates import Templates
from tests.records import KINDS_WITHOUT_ID, Row

MAKER, CHECKER = 1, 2


def done_id(proposal_id: bytes) -> bytes:
    """The id of what a proposal with this id leads to."""
    return hashlib.blake2b(b"refund" + proposal_id, digest_size=32).digest()[:16]


def refund(
    payment: int,
    amount: int,
    at: int,
    id_: bytes,
    *,
    maker: int = MAKER,
    checker: int = CHECKER,
) -> list[Row]:
    """A refund of a payment by its sequence, with the two rows before it.

    `at` is the sequence that the first of them, the proposal, will have; `id_` its id.
    """
    proposal = Row(Kind.PROPOSE, id=id_, amount=amount, resolves=payment)
    proposal.reference, proposal.total = b"asked for", Kind.REFUND
    proposal.participant = maker
    approval = Row(Kind.APPROVE, id=id_[::-1], resolves=at, participant=checker)
    return [proposal, approval, done(proposal, at, checker=checker)]


def done(
    proposal: Row,
    at: int,
    *,
    checker: int,
    debit: int = 0,
    credit: int = 0,
    resolves: int = 0,
) -> Row:
    """The row that the proposal at sequence `at` asks for.

    A transfer has the accounts that are given; all else finds its own. A void or verify
    may be of another hold of the basket.
    """
    advance = proposal.total == PROPOSE_ADVANCE
    kind = Kind.TRANSFER if advance else Kind(proposal.total)
    row = Row(kind, resolves=resolves or proposal.resolves, checker=checker, total=at)
    if kind not in KINDS_WITHOUT_ID:
        row.id, row.participant = done_id(proposal.id), proposal.participant
    if kind not in (Kind.VOID, Kind.VERIFY, Kind.CASE_CLOSE):
        row.amount = proposal.amount
    if kind in (Kind.TRANSFER, Kind.CASE_CLOSE):
        row.reference = proposal.reference
    row.debit, row.credit = debit, credit
    return row


def refund_moves(
    ledger: Ledger, payment: int, amount: int, *, maker: int = MAKER
) -> Templates:
    """The same as moves, for the group that is committed next and has nothing else."""
    at = ledger.sequence + 1
    checker = maker + 1
    proposal = moves.propose_refund(
        new_id(), payment, amount, "asked for", sender=maker
    )
    rows = proposal.rows.copy()
    rows["sequence"] = at
    [asked] = entries_of(rows)
    return moves.join(
        [
            proposal,
            moves.approve(new_id(), at, sender=checker),
            moves.approved_refund(asked, checker=checker),
        ]
    )


def outcome_of(reply: Rows) -> Rows:
    """Of rows of which each needs the one before: the first refusal, or the last."""
    refused = np.flatnonzero(reply["result"] != Result.OK)
    return reply[int(refused[0]) if len(refused) else -1]  # type: ignore[no-any-return]
