"""A receipt out of the ledger: the payment's rows, with the names of that time.

May use the core, `register`, `statements` and `receipts`. Names change in the register;
a receipt keeps those that were registered when its payment was accepted, which older
`register` rows still say.
"""

from bisect import bisect_right

import numpy as np

from switch._core import Ledger, Rows
from switch.codes import (
    TENDER_MASK,
    TENDER_SHIFT,
    Kind,
    Record,
    Result,
    RowFlag,
    Tender,
)
from switch.counter.receipts import Receipt
from switch.ledger.follower import Follower
from switch.ledger.statements import Payment
from switch.register.register import Register, record_texts


class PastNames:
    """The register's texts as they were at a sequence. Any thread may ask.

    What has not been replaced since is known at once. The first question about what
    has, follows the journal from its beginning for `register` rows, once; later ones go
    on from there.
    """

    def __init__(self, register: Register) -> None:
        """Nothing is read before it is needed."""
        self._register = register
        self._follower = Follower(register.ledger, self._take)
        # Sequences of the register rows of each (record, index), ascending.
        self._rows: dict[tuple[int, int], list[int]] = {}

    def texts(self, record: Record, index: int, sequence: int) -> dict[str, str]:
        """Texts of participant or service `index` as registered at `sequence`.

        Raises LookupError if it was not registered then, CorruptionError, and
        OverloadError while another call reads the journal for the first time.
        """
        ledger = self._register.ledger
        current = self._current(record, index)
        if current > sequence:
            self._follower.read_on()
            known = self._rows.get((int(record), index), [])
            at = bisect_right(known, sequence)
            if not at:
                raise LookupError(f"{record.name} {index} is younger than {sequence}")
            current = known[at - 1]
        return record_texts(ledger.tail(current), record)

    def _current(self, record: Record, index: int) -> int:
        is_service = record is Record.SERVICE
        find = self._register.service if is_service else self._register.participant
        try:
            return find(index).sequence
        except LookupError:
            self._register.refresh()
            return find(index).sequence

    def _take(self, rows: Rows) -> None:
        wanted = (rows["kind"] == Kind.REGISTER) & (rows["result"] == Result.OK)
        for row in rows[np.flatnonzero(wanted)]:
            at = int(row["sequence"])
            tail = self._register.ledger.tail(at)
            self._rows.setdefault((tail[0], int(row["debit"])), []).append(at)


def make_receipt(payment: Payment, register: Register, names: PastNames) -> Receipt:
    """The receipt of a completed payment.

    Raises ValueError if the payment has none, LookupError, CorruptionError.
    """
    ledger = register.ledger
    row = payment.row
    final = row if payment.resolution is None else payment.resolution
    if not final["receipt"]:
        raise ValueError("the payment has no receipt")
    sequence = int(row["sequence"])
    centre = register.account(int(row["debit"])).participant
    credited = register.account(int(row["credit"]))
    service_index = int(row["service"])
    of_centre = names.texts(Record.PARTICIPANT, centre, sequence)
    of_service = names.texts(Record.SERVICE, service_index, sequence)
    of_biller = names.texts(Record.PARTICIPANT, credited.participant, sequence)
    is_confirmed = payment.resolution is not None
    return Receipt(
        number=int(final["receipt"]),
        centre=register.participant(centre).spec.id,
        centre_code=of_centre.get("code", ""),
        centre_en=of_centre.get("name_en", ""),
        centre_bn=of_centre.get("name_bn", ""),
        service=register.service(service_index).spec.code,
        service_en=of_service.get("name_en", ""),
        service_bn=of_service.get("name_bn", ""),
        department_en=of_service.get("department_en", ""),
        department_bn=of_service.get("department_bn", ""),
        biller=register.participant(credited.participant).spec.id,
        biller_en=of_biller.get("name_en", ""),
        biller_bn=of_biller.get("name_bn", ""),
        head=credited.head,
        reference=row["reference"].tobytes().rstrip(b"\0").decode("ascii"),
        biller_reference=_tail_text(ledger, final) if is_confirmed else "",
        note=_tail_text(ledger, row),
        amount=int(final["amount"]),
        tender=Tender((int(row["flags"]) & TENDER_MASK) >> TENDER_SHIFT),
        operator=int(row["operator_"]),
        id=row["id"].tobytes(),
        sequence=int(final["sequence"]),
        accepted_ns=int(row["timestamp"]),
        completed_ns=int(final["timestamp"]),
    )


def _tail_text(ledger: Ledger, row: Rows) -> str:
    if not int(row["flags"]) & RowFlag.TAIL:
        return ""
    return ledger.tail(int(row["sequence"])).decode("utf-8")
