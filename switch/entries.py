"""One entry of the ledger: a journal row on its own, unpacked and with names.

A row lies in the core and in columns, as 128 bytes; what the core gives out alone is an
`Entry`. The core makes them, `Ledger.row` of one row and `entries_of` of many. Uses
`codes`.
"""

from typing import NamedTuple

from switch.codes import Kind, Result, RowFlag


class Entry(NamedTuple):
    """What one row says; never changed.

    Field for field as `Row` in `core/layout.pxd` declares it, with what is packed there
    taken apart. Amounts are paise, sequences begin at 1, and 0 is none.
    """

    id: bytes
    """16 bytes, chosen by its sender; zeros on the switch's own rows."""
    sequence: int
    timestamp: int
    """Nanoseconds UTC."""
    amount: int
    """Paise."""
    resolves: int
    """Sequence of the row that it ends, or speaks of, or 0."""
    reference: bytes
    """32 bytes: printable ASCII with zeros behind it, or the hash of a tail."""
    debit: int
    """Account index, or the account or record spoken of."""
    credit: int
    """Account index, or 0."""
    receipt: int
    """Number within the wallet's financial year, or 0."""
    operator: int
    """The operator's number at the centre, or 0."""
    checker: int
    """Participant index of who approved, or 0."""
    participant: int
    """Participant index of who sent it; 0 is the switch."""
    service: int
    """Service index, or 0."""
    kind: Kind
    result: Result
    flags: RowFlag
    """Without head and tender."""
    head: int
    """Place of the head of account among its service's, from 0."""
    tender: int
    """Of a payment, and of what became of it, a `Tender`; of others what their sender
    put there.
    """
    basket_size: int
    """Payments of its basket, 0 outside one."""
    basket_index: int
    """Place in its basket, from 0; of a row that ends a hold the hold's."""
    total: int
    """By kind: paise refunded so far, type of a case, what a proposal asks for, the
    proposal of what is done; refused, the sequence of the row in the way."""
    deadline: int
    """Seconds after `timestamp` until which a hold waits, or 0."""
    check: int
    """CRC-32C of the row's other 124 bytes."""

    @property
    def reference_text(self) -> str:
        """The reference without its padding; of one that is no hash."""
        return self.reference.rstrip(b"\0").decode("ascii")

    @property
    def basket_lead(self) -> int:
        """Of a payment, the sequence of the first of its basket, or its own outside."""
        return self.sequence - self.basket_index
