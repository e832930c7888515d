"""The treasury's moves as row templates, one small function for each.

May use `templates` and `codes`. Accounts are account indices, `sender` and `checker`
participant indices, amounts paise; every move but `post`, `void` and `window` has an
id of 16 bytes that its sender chose. What is wrong with a value is for the ledger to
say. Each returns one row; `join` makes one request of several.
"""

from switch.codes import (
    HEAD_MASK,
    HEAD_SHIFT,
    TENDER_SHIFT,
    Kind,
    RowFlag,
    Tender,
)
from switch.templates import Templates, join, set_limit, template

__all__ = [
    "close",
    "freeze",
    "hold",
    "join",
    "pay",
    "post",
    "refund",
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


def refund(
    row_id: bytes, payment: int, amount: int, *, sender: int, checker: int = 0
) -> Templates:
    """Give back a posted payment, by its sequence, wholly or in part."""
    return template(
        Kind.REFUND,
        row_id=row_id,
        sender=sender,
        checker=checker,
        resolves=payment,
        amount=amount,
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
    """Close an account for ever. Needs a zero balance and no open hold."""
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
        amount_due=amount_due,
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
        amount_due=amount_due,
        tail=note.encode() if note else None,
    )
