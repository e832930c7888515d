"""The oracle's rules of cases: what keeps a hold beyond its deadline, and what says
that people have to put something right.

Part of tests/model.py, which see.
"""

from switch.codes import CaseType, Kind
from tests.flags import RowFlag
from tests.model_register import Register
from tests.model_state import NEVER
from tests.records import Row

KEEPING = frozenset((CaseType.DEADLINE_PASSED, CaseType.AMOUNT_DIFFERS))
"""Cases that keep a hold which is open and was not kept before."""


class Cases(Register):
    """The rules of case rows, and of who makes them."""

    def raise_case(
        self,
        hold: Row,
        about: CaseType,
        *,
        amount: int = 0,
        flags: int = 0,
        tail: bytes | None = None,
    ) -> Row:
        """Write a case about a hold."""
        row = Row(
            Kind.CASE,
            resolves=hold.sequence,
            total=about,
            amount=amount,
            debit=hold.debit,
            credit=hold.credit,
            service=hold.service,
            participant=hold.participant,
            operator_=hold.operator_,
            reference=hold.reference,
            flags=flags,
            tail=tail,
        )
        is_open = self.end_of(hold) is None
        if about in KEEPING and is_open and hold.sequence not in self.kept:
            row.flags |= RowFlag.KEEP
            self.keep_hold(hold)
        late = about == CaseType.LATE_CONFIRMATION
        if late and hold.sequence not in self.unverified:
            row.flags |= RowFlag.CASE
            self.count_doubt(row, 1)
        self.append(row)
        self.mark(row)
        self.cases[hold.sequence, about] = row.sequence
        return row

    def keep_hold(self, hold: Row) -> None:
        """From here on it is due no more."""
        self.due.remove((self.due_of(hold), hold.sequence))
        self.kept.add(hold.sequence)
        self.due.append((NEVER, hold.sequence))
        self.due.sort()
        self.count_kept(hold, 1)

    def end_hold(self, hold: Row) -> None:
        """Its deadline has come."""
        if hold.flags & RowFlag.KEEP:
            self.raise_case(hold, CaseType.DEADLINE_PASSED)
        else:
            self.do_expire(Row(Kind.EXPIRE, resolves=hold.sequence))

    def join_deadlines(self, rows: list[Row]) -> None:
        """A basket ends as a whole: first deadline, and kept if one of them is kept."""
        holds = [row for row in rows if row.kind == Kind.HOLD]
        services = [self.services[row.service - 1] for row in holds if row.service]
        for row in holds:
            row.deadline = min(one.deadline for one in holds)
            row.keeps = any(map(self.keeps, services))
