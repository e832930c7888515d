"""The treasury's moves as row templates, one small function for each.

May use `templates` and `codes`. Accounts are account indices, `sender` and `checker`
participant indices, amounts paise; every move but `post`, `void` and `window` has an
id of 16 bytes that its sender chose. What is wrong with a value is for the ledger to
say. Each returns one row, `cancels` many; `join` makes one request of several. A
biller's word is no row: `confirmed` and `rejected` make records for `Request.answers`.
"""

import hashlib

import numpy as np
import numpy.typing as npt

from switch._core import ANSWER, Rows
from switch.codes import (
    HEAD_MASK,
    HEAD_SHIFT,
    TENDER_SHIFT,
    Answered,
    CaseType,
    Kind,
    RowFlag,
    Tender,
)
from switch.ids import ID_SIZE
from switch.ledger.baskets import place_of, size_of
from switch.ledger.templates import (
    Templates,
    join,
    put_bytes,
    set_limit,
    template,
)

__all__ = [
    "approve",
    "approved_correction",
    "approved_refund",
    "approved_release",
    "close",
    "close_case",
    "confirmed",
    "freeze",
    "hold",
    "join",
    "pay",
    "post",
    "propose_correction",
    "propose_refund",
    "refund_id",
    "rejected",
    "set_limit",
    "settle",
    "top_up",
    "transfer",
    "void",
    "window",
]


def top_up(
    row_id: bytes,
    float_account: int,
    wallet: int,
    amount: int,
    utr: str,
    *,
    sender: int,
    checker: int = 0,
) -> Templates:
    """Credit a wallet for money that reached the bank, once for each UTR."""
    return template(
        Kind.TOP_UP,
        row_id=row_id,
        sender=sender,
        checker=checker,
        debit=float_account,
        credit=wallet,
        amount=amount,
        reference=utr,
    )


def transfer(
    row_id: bytes,
    debit: int,
    credit: int,
    amount: int,
    reason: str,
    *,
    sender: int,
    checker: int = 0,
) -> Templates:
    """Move money between two accounts: the treasury's own moves and corrections."""
    return template(
        Kind.TRANSFER,
        row_id=row_id,
        sender=sender,
        checker=checker,
        debit=debit,
        credit=credit,
        amount=amount,
        reference=reason,
    )


def freeze(
    row_id: bytes,
    account: int,
    reason: str,
    *,
    sender: int,
    checker: int = 0,
    unfreeze: bool = False,
) -> Templates:
    """Freeze an account, or end its freeze."""
    return template(
        Kind.FREEZE,
        row_id=row_id,
        sender=sender,
        checker=checker,
        debit=account,
        reference=reason,
        flags=RowFlag.UNFREEZE if unfreeze else 0,
    )


def close(
    row_id: bytes, account: int, reason: str, *, sender: int, checker: int = 0
) -> Templates:
    """Close an account for ever, once nothing can move it any more."""
    return template(
        Kind.CLOSE,
        row_id=row_id,
        sender=sender,
        checker=checker,
        debit=account,
        reference=reason,
    )


def window(previous_window: int, *, sender: int = 0) -> Templates:
    """Close the settlement window after `previous_window` (0: the first one)."""
    return template(Kind.WINDOW, sender=sender, resolves=previous_window)


def settle(
    row_id: bytes,
    closed_window: int,
    biller_account: int,
    settlement_account: int,
    amount: int,
    *,
    sender: int,
    checker: int = 0,
) -> Templates:
    """Move a window's exact payable amount of a biller account, once."""
    return template(
        Kind.SETTLE,
        row_id=row_id,
        sender=sender,
        checker=checker,
        debit=biller_account,
        credit=settlement_account,
        resolves=closed_window,
        amount=amount,
    )


def post(held: int, amount: int, *, sender: int = 0) -> Templates:
    """Make a hold final, by its sequence, with the held amount or less."""
    return template(Kind.POST, sender=sender, resolves=held, amount=amount)


def void(held: int, *, sender: int = 0) -> Templates:
    """Release a hold, by its sequence."""
    return template(Kind.VOID, sender=sender, resolves=held)


def cancels(held: npt.NDArray[np.uint64]) -> Templates:
    """Release these holds, which nobody was asked about."""
    rows = np.repeat(void(0).rows, len(held))
    rows["resolves"] = held
    return Templates(rows)


def _bits(head: int, tender: Tender) -> int:
    if not 0 <= head <= HEAD_MASK >> HEAD_SHIFT:
        raise ValueError(f"a row has no head {head}")
    return head << HEAD_SHIFT | tender << TENDER_SHIFT


def pay(
    row_id: bytes,
    wallet: int,
    service: int,
    amount: int,
    reference: str,
    *,
    sender: int,
    operator: int = 1,
    head: int = 0,
    tender: Tender = Tender.CASH,
    amount_due: int = 0,
    note: str = "",
) -> Templates:
    """Pay a bill at once. `head` is an index within the service's heads.

    Raises ValueError if `head` is not 0 to 7.
    """
    return template(
        Kind.PAY,
        row_id=row_id,
        sender=sender,
        debit=wallet,
        service=service,
        amount=amount,
        reference=reference,
        operator=operator,
        flags=_bits(head, tender),
        total=amount_due,
        tail=note.encode() if note else None,
    )


def hold(
    row_id: bytes,
    wallet: int,
    service: int,
    amount: int,
    reference: str,
    deadline_s: int,
    *,
    sender: int,
    operator: int = 1,
    head: int = 0,
    tender: Tender = Tender.CASH,
    amount_due: int = 0,
    note: str = "",
) -> Templates:
    """Reserve money for a bill until it is posted, voided or `deadline_s` passes.

    Raises ValueError if `head` is not 0 to 7.
    """
    return template(
        Kind.HOLD,
        row_id=row_id,
        sender=sender,
        debit=wallet,
        service=service,
        amount=amount,
        reference=reference,
        operator=operator,
        flags=_bits(head, tender),
        deadline_s=deadline_s,
        total=amount_due,
        tail=note.encode() if note else None,
    )


# --- what needs two people, or people at all ----------------------------------------


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
    return template(
        Kind.PROPOSE,
        row_id=row_id,
        sender=sender,
        operator=operator,
        resolves=payment,
        amount=amount,
        reference=reason,
        total=Kind.REFUND,
    )


def propose_correction(
    row_id: bytes,
    case: Rows,
    amount: int,
    reason: str,
    *,
    sender: int,
    operator: int = 0,
) -> Templates:
    """Ask for what puts a case right, by its row: to pay after all what a biller has
    credited late, or to release a hold that its deadline kept. Nothing moves.
    """
    late = case["total"] == CaseType.LATE_CONFIRMATION
    return template(
        Kind.PROPOSE,
        row_id=row_id,
        sender=sender,
        operator=operator,
        resolves=int(case["sequence"]),
        amount=amount,
        reference=reason,
        total=Kind.TRANSFER if late else Kind.VOID,
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


def refund_id(proposal_id: bytes) -> bytes:
    """The id of the refund or correction that a proposal with this id leads to."""
    return hashlib.blake2b(b"refund" + proposal_id, digest_size=32).digest()[:ID_SIZE]


def approved_refund(proposal: Rows, *, checker: int) -> Templates:
    """The refund that an accepted propose row asks for, approved by `checker`.

    The ledger does it only behind the approval.
    """
    return template(
        Kind.REFUND,
        row_id=refund_id(proposal["id"].tobytes()),
        sender=int(proposal["participant"]),
        checker=checker,
        resolves=int(proposal["resolves"]),
        amount=int(proposal["amount"]),
        total=int(proposal["sequence"]),
    )


def approved_correction(proposal: Rows, case: Rows, *, checker: int) -> Templates:
    """The transfer that an accepted propose row about a case (its row) asks for,
    approved by `checker`: from the wallet that was given its money back to the biller.

    The ledger does it only behind the approval.
    """
    made = transfer(
        refund_id(proposal["id"].tobytes()),
        int(case["debit"]),
        int(case["credit"]),
        int(proposal["amount"]),
        proposal["reference"].tobytes().rstrip(b"\0").decode("ascii"),
        sender=int(proposal["participant"]),
        checker=checker,
    )
    made.rows["resolves"] = proposal["resolves"]
    made.rows["total"] = proposal["sequence"]
    return made


def approved_release(proposal: Rows, hold: Rows, *, checker: int) -> Templates:
    """The voids of a kept hold (its row) and of all its basket that an accepted propose
    row asks for, approved by `checker`.

    The ledger does them only behind the approval.
    """
    lead = int(hold["sequence"]) - place_of(hold)
    made = join([void(lead + member) for member in range(size_of(hold))])
    made.rows["checker"] = checker
    made.rows["total"] = proposal["sequence"]
    return made


def close_case(
    row_id: bytes,
    case: int,
    reason: str,
    *,
    sender: int,
    operator: int = 0,
    correction: int = 0,
) -> Templates:
    """Close a case, by its sequence, with the row that put it right, or 0."""
    return template(
        Kind.CASE_CLOSE,
        row_id=row_id,
        sender=sender,
        operator=operator,
        resolves=case,
        reference=reason,
        total=correction,
    )


# --- a biller's word ------------------------------------------------------------------


def confirmed(held: int, payment_id: bytes, reference: str = "") -> Rows:
    """A biller has credited a hold, by its sequence and id; one ANSWER record.

    Raises ValueError if the reference has more than 32 bytes.
    """
    return _answer(held, payment_id, Answered.CONFIRMED, "biller_reference", reference)


def rejected(held: int, payment_id: bytes, reason: str = "") -> Rows:
    """A biller will not credit a hold; one ANSWER record. Raises as `confirmed`."""
    return _answer(held, payment_id, Answered.REJECTED, "reason", reason)


def _answer(held: int, row_id: bytes, kind: Answered, field: str, text: str) -> Rows:
    answer = np.zeros(1, ANSWER)
    answer["number"] = held
    answer["kind"] = kind
    put_bytes(answer, "id", row_id)
    put_bytes(answer, field, text.encode())
    answer[f"{field}_size"] = len(text.encode())
    return answer
