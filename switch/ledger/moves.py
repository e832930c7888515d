"""The treasury's moves as row templates, one small function for each.

May use `templates` and `codes`. Accounts are account indices, `sender` and `checker`
participant indices, amounts paise; every move but `post`, `void` and `window` has an
id of 16 bytes that its sender chose. What is wrong with a value is for the ledger to
say. Each returns one row, `cancels` many; `join` makes one request of several. What
needs two people is written in `four_eyes` and given here too. A biller's word is no
row: `confirmed` and `rejected` make records for `Request.answers`.
"""

import numpy as np
import numpy.typing as npt

from switch._core import ANSWER, Rows
from switch.codes import (
    HEAD_MASK,
    HEAD_SHIFT,
    TENDER_SHIFT,
    Answered,
    Kind,
    RowFlag,
    Tender,
)
from switch.entries import Entry
from switch.ledger.four_eyes import (
    approve,
    approved_advance,
    approved_close,
    approved_correction,
    approved_post,
    approved_refund,
    approved_verify,
    approved_void,
    propose_advance,
    propose_close,
    propose_correction,
    propose_post,
    propose_refund,
    propose_verify,
    propose_void,
    refund_id,
    withdraw,
)
from switch.ledger.templates import (
    Templates,
    join,
    put_bytes,
    set_limit,
    template,
)

__all__ = [
    "approve",
    "approved_advance",
    "approved_close",
    "approved_correction",
    "approved_post",
    "approved_refund",
    "approved_verify",
    "approved_void",
    "cancels",
    "close",
    "confirmed",
    "ending",
    "freeze",
    "hold",
    "join",
    "pay",
    "payout",
    "post",
    "propose_advance",
    "propose_close",
    "propose_correction",
    "propose_post",
    "propose_refund",
    "propose_verify",
    "propose_void",
    "recover",
    "refund_id",
    "rejected",
    "request_top_up",
    "set_limit",
    "settle",
    "top_up",
    "transfer",
    "verify",
    "void",
    "window",
    "withdraw",
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


def ending(
    row_id: bytes,
    item: Entry,
    debit: int,
    credit: int,
    reason: str,
    *,
    sender: int,
    owed: bool = False,
) -> Templates:
    """Say what a line that a bank has booked was: all of it, from where it is, or to
    where it was missed; or take a release back. `owed`: although the wallet that has
    paid it has not enough.
    """
    made = transfer(row_id, debit, credit, item.amount, reason, sender=sender)
    made.rows["resolves"] = item.sequence
    made.rows["flags"] |= int(RowFlag.OWED) if owed else 0
    return made


def payout(
    row_id: bytes,
    settlement: int,
    transit: int,
    amount: int,
    beneficiary: int,
    reason: str,
    *,
    sender: int,
) -> Templates:
    """Release money for a bank to pay out; to a beneficiary by the sequence of the
    newest row about it, 0 where there are none.
    """
    made = transfer(row_id, settlement, transit, amount, reason, sender=sender)
    made.rows["resolves"] = beneficiary
    return made


def request_top_up(
    row_id: bytes, wallet: int, amount: int, *, sender: int, operator: int = 0
) -> Templates:
    """Ask for money for a wallet; nothing moves."""
    return template(
        Kind.REQUEST,
        row_id=row_id,
        sender=sender,
        credit=wallet,
        amount=amount,
        operator=operator,
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


def window(
    previous_window: int, *, sender: int = 0, person: int = 0, signature: bytes = b""
) -> Templates:
    """Close the settlement window after `previous_window` (0: the first one). In a
    ledger with people a person of the sender signs it.
    """
    return template(
        Kind.WINDOW,
        sender=sender,
        resolves=previous_window,
        operator=person,
        tail=signature or None,
    )


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
    """Make a hold final, by its sequence, with the held amount or less.

    One that is kept: `approved_post`.
    """
    return template(Kind.POST, sender=sender, resolves=held, amount=amount)


def void(held: int, *, sender: int = 0) -> Templates:
    """Release a hold, by its sequence. One that is kept: `approved_void`."""
    return template(Kind.VOID, sender=sender, resolves=held)


def verify(held: int, *, sender: int = 0) -> Templates:
    """Say of a hold that was given back, by its sequence, that its biller has no credit
    of it. Two people must want it: `approved_verify`.
    """
    return template(Kind.VERIFY, sender=sender, resolves=held)


def recover(
    row_id: bytes,
    paid: Entry,
    reason: str,
    *,
    sender: int,
    checker: int = 0,
) -> Templates:
    """Take an advance back from the wallet that had it, or a correction from the biller
    that rejects it: all of it, once.
    """
    made = transfer(
        row_id,
        paid.credit,
        paid.debit,
        paid.amount,
        reason,
        sender=sender,
        checker=checker,
    )
    # An undoing names the payment that was corrected.
    corrects = RowFlag.CASE in paid.flags
    made.rows["resolves"] = paid.resolves if corrects else paid.sequence
    return made


def cancels(
    held: npt.NDArray[np.uint64], operators: npt.NDArray[np.uint32] | int = 0
) -> Templates:
    """Release these holds, which nobody was asked about.

    `operators`: who of their centre has wished it, of each; 0: the switch itself does.
    """
    rows = np.repeat(void(0).rows, len(held))
    rows["resolves"] = held
    rows["operator_"] = operators
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


# --- a biller's word ------------------------------------------------------------------


def confirmed(held: int, payment_id: bytes, amount: int, reference: str = "") -> Rows:
    """A biller has credited a hold, by its sequence and id, with `amount`; of a hold in
    a basket that of all its payments. One ANSWER record.

    Raises ValueError if the reference has more than 32 bytes.
    """
    kind = Answered.CONFIRMED
    return _answer(held, payment_id, kind, amount, "biller_reference", reference)


def rejected(held: int, payment_id: bytes, reason: str = "") -> Rows:
    """A biller has not credited a hold, and will not; one ANSWER record. Raises as
    `confirmed`.
    """
    return _answer(held, payment_id, Answered.REJECTED, 0, "reason", reason)


def _answer(
    held: int, row_id: bytes, kind: Answered, amount: int, field: str, text: str
) -> Rows:
    answer = np.zeros(1, ANSWER)
    answer["number"] = held
    answer["kind"] = kind
    answer["amount"] = amount
    put_bytes(answer, "id", row_id)
    put_bytes(answer, field, text.encode())
    answer[f"{field}_size"] = len(text.encode())
    return answer
