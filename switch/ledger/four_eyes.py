"""What two people must want, as row templates: proposed, approved, and done.

May use `templates`, `entries` and `codes`; `moves` gives all of it. A proposal names
the payment that is refunded, the case that is closed, or the hold; `sender` and
`operator` are who asks. What is done then names its proposal, and has its id from it,
so that it is done once however often it is sent; the ledger does it only behind the
approval. `checker` is the participant that approved.
"""

import hashlib

from switch.codes import PROPOSE_ADVANCE, Kind
from switch.entries import Entry
from switch.ids import ID_SIZE
from switch.ledger.templates import Templates, join, template

# --- proposals ----------------------------------------------------------------------


def propose_refund(
    row_id: bytes,
    payment: int,
    amount: int,
    reason: str,
    *,
    sender: int,
    operator: int = 0,
) -> Templates:
    """Ask for a refund of an accepted pay or post, by its sequence. Nothing moves."""
    return _propose(row_id, Kind.REFUND, payment, amount, reason, sender, operator)


def propose_post(
    row_id: bytes,
    hold: int,
    amount: int,
    reason: str,
    *,
    sender: int,
    operator: int = 0,
) -> Templates:
    """Ask to make a kept hold final, by its sequence, with the held amount or less."""
    return _propose(row_id, Kind.POST, hold, amount, reason, sender, operator)


def propose_void(
    row_id: bytes, hold: Entry, reason: str, *, sender: int, operator: int = 0
) -> Templates:
    """Ask to release a kept hold, and with it its basket."""
    held, amount = hold.sequence, hold.amount
    return _propose(row_id, Kind.VOID, held, amount, reason, sender, operator)


def propose_verify(
    row_id: bytes, hold: Entry, reason: str, *, sender: int, operator: int = 0
) -> Templates:
    """Ask to say of a hold that was given back, and of its basket, that the
    biller has no credit of it.
    """
    held, amount = hold.sequence, hold.amount
    return _propose(row_id, Kind.VERIFY, held, amount, reason, sender, operator)


def propose_correction(
    row_id: bytes,
    hold: Entry,
    amount: int,
    reason: str,
    *,
    sender: int,
    operator: int = 0,
) -> Templates:
    """Ask to pay after all, of a hold, what its biller has credited late."""
    held = hold.sequence
    return _propose(row_id, Kind.TRANSFER, held, amount, reason, sender, operator)


def propose_advance(
    row_id: bytes,
    hold: Entry,
    amount: int,
    reason: str,
    *,
    sender: int,
    operator: int = 0,
) -> Templates:
    """Ask to pay a wallet ahead of the end of its kept hold."""
    held = hold.sequence
    return _propose(row_id, PROPOSE_ADVANCE, held, amount, reason, sender, operator)


def propose_close(
    row_id: bytes, case: int, reason: str, *, sender: int, operator: int = 0
) -> Templates:
    """Ask to close a case that nothing else ends, by its sequence."""
    return _propose(row_id, Kind.CASE_CLOSE, case, 1, reason, sender, operator)


def _propose(
    row_id: bytes,
    total: int,
    resolves: int,
    amount: int,
    reason: str,
    sender: int,
    operator: int,
) -> Templates:
    return template(
        Kind.PROPOSE,
        row_id=row_id,
        sender=sender,
        operator=operator,
        resolves=resolves,
        amount=amount,
        reference=reason,
        total=total,
    )


def approve(row_id: bytes, asked: int, *, sender: int, operator: int = 0) -> Templates:
    """Approve a proposal or sign a shift off, by its sequence. Another person than the
    one who asked: (sender, operator) must differ.
    """
    return template(
        Kind.APPROVE,
        row_id=row_id,
        sender=sender,
        operator=operator,
        resolves=asked,
    )


def withdraw(
    row_id: bytes, asked: int, reason: str, *, sender: int, operator: int = 0
) -> Templates:
    """Take a proposal out of the way, by its sequence, that is not done."""
    return template(
        Kind.WITHDRAW,
        row_id=row_id,
        sender=sender,
        operator=operator,
        resolves=asked,
        reference=reason,
    )


# --- what is done then --------------------------------------------------------------


def refund_id(proposal_id: bytes) -> bytes:
    """The id of what a proposal with this id leads to, if that has an id."""
    return hashlib.blake2b(b"refund" + proposal_id, digest_size=32).digest()[:ID_SIZE]


def approved_refund(proposal: Entry, *, checker: int) -> Templates:
    """The refund that an accepted proposal asks for."""
    return template(
        Kind.REFUND,
        row_id=refund_id(proposal.id),
        sender=proposal.participant,
        checker=checker,
        resolves=proposal.resolves,
        amount=proposal.amount,
        total=proposal.sequence,
    )


def approved_post(proposal: Entry, *, checker: int) -> Templates:
    """The post of a kept hold that an accepted proposal asks for."""
    held, amount = proposal.resolves, proposal.amount
    return _wanted(template(Kind.POST, resolves=held, amount=amount), proposal, checker)


def approved_void(proposal: Entry, hold: Entry, *, checker: int) -> Templates:
    """The voids of a kept hold, and of all its basket, that an accepted proposal asks
    for.
    """
    made = [template(Kind.VOID, resolves=held) for held in _basket(hold)]
    return _wanted(join(made), proposal, checker)


def approved_verify(proposal: Entry, hold: Entry, *, checker: int) -> Templates:
    """The verifies of a hold, and of all its basket, that an accepted proposal asks
    for. Of one that is not in question nothing comes.
    """
    made = [template(Kind.VERIFY, resolves=held) for held in _basket(hold)]
    return _wanted(join(made), proposal, checker)


def approved_correction(proposal: Entry, hold: Entry, *, checker: int) -> Templates:
    """The transfer that an accepted proposal about a hold asks for: from the wallet
    that was given its money back to the biller.
    """
    return _transfer(proposal, hold.debit, hold.credit, checker)


def approved_advance(
    proposal: Entry, hold: Entry, suspense: int, *, checker: int
) -> Templates:
    """The transfer that an accepted proposal about a kept hold asks for: from the
    suspense account to the wallet.
    """
    return _transfer(proposal, suspense, hold.debit, checker)


def approved_close(proposal: Entry, *, checker: int) -> Templates:
    """The end of the case that an accepted proposal asks for."""
    made = template(
        Kind.CASE_CLOSE,
        row_id=refund_id(proposal.id),
        sender=proposal.participant,
        resolves=proposal.resolves,
        reference=proposal.reference_text,
    )
    return _wanted(made, proposal, checker)


def _transfer(proposal: Entry, debit: int, credit: int, checker: int) -> Templates:
    made = template(
        Kind.TRANSFER,
        row_id=refund_id(proposal.id),
        sender=proposal.participant,
        debit=debit,
        credit=credit,
        amount=proposal.amount,
        resolves=proposal.resolves,
        reference=proposal.reference_text,
    )
    return _wanted(made, proposal, checker)


def _wanted(made: Templates, proposal: Entry, checker: int) -> Templates:
    made.rows["checker"] = checker
    made.rows["total"] = proposal.sequence
    return made


def _basket(hold: Entry) -> range:
    """The sequences of a hold and those of its basket."""
    return range(hold.basket_lead, hold.basket_lead + max(hold.basket_size, 1))
