"""What a biller must be told, by the rows that a ledger has by now.

A ledger that has refused something no longer has the rows of its plan, and what a
biller says again may rightly make a row: the case that it has made before was closed
since, or its hold has ended. The model says what is right; here its rows, and what they
say of holds, follow those of the ledger instead of requests. Its accounts stay as they
are: nothing that is told here depends on money.

Used by tests/core/trial.py.
"""

from switch._core import Ledger
from switch.codes import CaseType, Kind, Result
from tests.flags import RowFlag
from tests.model import Model
from tests.model_answers import BillersAnswers
from tests.records import ROW_BYTES, ROW_FIELDS, Outcome, Row, Said

READ_MAX = 65_536
"""Rows of one read."""
ENDS = (Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.REFUND, Kind.CASE_CLOSE)
"""Rows that are the newest end of what they resolve."""


class Witness(BillersAnswers):
    """A model that hears answers and changes by the ledger's rows only."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        vars(self).update(vars(model))
        # What rows change; the model's own stay as they were.
        self.rows = list(model.rows)
        self.resolved = dict(model.resolved)
        self.refunded = dict(model.refunded)
        self.verified = dict(model.verified)
        self.corrected = dict(model.corrected)
        self.cases = dict(model.cases)

    def follow(self, ledger: Ledger, count: int) -> None:
        """Take in the ledger's rows until there are so many."""
        while (have := len(self.rows)) < count:
            rows = ledger.rows(have + 1, min(count - have, READ_MAX))
            for row in rows:
                body = row.tobytes()[: ROW_BYTES.size]
                values = ROW_BYTES.unpack(body)
                self.take(Row(**dict(zip(ROW_FIELDS, values, strict=True))))

    def take(self, row: Row) -> None:
        """What a row says of a hold, its end and its cases."""
        self.rows.append(row)
        if row.result != Result.OK:
            return
        if row.kind in ENDS:
            self.resolved[row.resolves] = row.sequence
        if row.kind == Kind.REFUND:
            self.refunded[row.resolves] = row.total
        elif row.kind == Kind.VERIFY:
            self.verified[row.resolves] = row.sequence
        elif row.kind == Kind.CASE:
            self.cases[row.resolves, row.total] = row.sequence
        elif row.kind == Kind.TRANSFER and row.flags & RowFlag.CASE:
            self.corrected[row.resolves] = row.sequence

    # --- the rows that an answer makes come from the ledger ---------------------------

    def believe_answer(self, kind: Kind, said: Said, hold: Row) -> Outcome:
        """The next row; nothing is changed by it yet."""
        return Outcome(Result.OK, sequence=len(self.rows) + 1)

    def raise_case(
        self,
        hold: Row,
        about: CaseType,
        *,
        amount: int = 0,
        flags: int = 0,
        tail: bytes | None = None,
    ) -> Row:
        """Likewise."""
        return Row(
            Kind.CASE,
            debit=hold.debit,
            sequence=len(self.rows) + 1,
            result=Result.OK,
        )
