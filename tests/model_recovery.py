"""The oracle's rules of recovery: what two people of an auditor may do if the treasury
cannot act, and when.

Part of tests/model.py, which see. Written from docs/data-model.md.
"""

from switch.codes import PROPOSE_LINES, Kind, PersonRole, Record, Result, Role
from tests import signing
from tests.flags import RowFlag
from tests.model_people import People
from tests.model_persons import who_of
from tests.model_state import DAY_S, SECOND_NS
from tests.records import Row

RECOVERY_WAIT_NS = 30 * DAY_S * SECOND_NS
RECOVERY_LIFE_NS = 60 * DAY_S * SECOND_NS
SAYS = (Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW)
ACTIVE_AT, PARTICIPANT_SIZE = 2, 64


class Recovery(People):
    """What recoverers sign, and what becomes of it."""

    # --- what they say ----------------------------------------------------------------

    def is_about_recoverers(self, tail: bytes) -> bool:
        """Whether a record is of a recoverer, or of an auditor who has one: nobody
        alone stops these.
        """
        if tail[0] == Record.PERSON:
            return self.is_recoverer(who_of(tail))
        if tail[0] != Record.PARTICIPANT:
            return False
        index = self.participant_of.get(tail[8:40].rstrip(b"\0"), 0)
        auditor = self.participants[index].role == Role.AUDITOR
        return auditor and bool(self.recoverers_of(index))

    def recovery_of(self, row: Row) -> bool:
        """Whether a row is about an accepted recovery."""
        asked = self.accepted(row.resolves)
        proposed = asked is not None and asked.kind == Kind.PROPOSE
        return asked is not None and proposed and bool(asked.flags & RowFlag.RECOVERY)

    def is_recovery_approved(self, row: Row) -> bool:
        """Whether somebody wants to approve a recovery."""
        return row.kind == Kind.APPROVE and self.recovery_of(row)

    def may_recover(self, row: Row) -> bool:
        """Whether who can recover signs what is of a recovery."""
        if not self.can_recover((row.participant, row.operator_)):
            return False
        if row.kind != Kind.PROPOSE:
            return row.kind in SAYS and self.recovery_of(row)
        if row.total != PROPOSE_LINES:
            return False
        lines = signing.lines_of(row.tail or b"")
        return all(
            line.kind == Kind.REGISTER and self.makes_people(line.tail)
            for line in lines
        )

    def makes_people(self, tail: bytes) -> bool:
        """Whether a record makes somebody who may approve, or switches on for whom."""
        if tail[0] == Record.PERSON:
            index = who_of(tail)[0]
            checker = tail[1] == PersonRole.CHECKER and tail[2] == 1
            if index >= len(self.participants):
                return False
            return checker and self.participants[index].role == Role.TREASURY
        if tail[0] != Record.PARTICIPANT:
            return False
        index = self.participant_of.get(tail[8:40].rstrip(b"\0"), 0)
        known = self.participants[index]
        if not index or known.role != Role.TREASURY or known.active:
            return False
        before = self.rows[known.sequence - 1].tail or b""
        on = before[:ACTIVE_AT] + b"\1" + before[ACTIVE_AT + 1 : PARTICIPANT_SIZE]
        return tail[:PARTICIPANT_SIZE] == on

    # --- when it is done --------------------------------------------------------------

    def life_of(self, asked: Row) -> int:
        if asked.flags & RowFlag.RECOVERY:
            return RECOVERY_LIFE_NS
        return super().life_of(asked)

    def all_can_say(self, asked: Row, *approvals: Row) -> bool:
        if not asked.flags & RowFlag.RECOVERY:
            return super().all_can_say(asked, *approvals)
        said = (asked, *approvals)
        return all(self.can_recover((row.participant, row.operator_)) for row in said)

    def has_treasury_acted(self, asked: Row) -> bool:
        """Whether it has approved something that is newer than a recovery."""
        return any(
            row.kind == Kind.APPROVE
            and row.result == Result.OK
            and row.resolves > asked.sequence
            and not row.flags & RowFlag.RECOVERY
            and self.rows[row.resolves - 1].kind != Kind.SHIFT
            for row in self.rows[asked.sequence :]
        )

    def is_recovery_due(self, asked: Row) -> Result:
        """What comes of a line of a recovery that was approved, and still is."""
        if self.has_treasury_acted(asked):
            return Result.NOT_APPROVED
        approval = self.approval_of(asked)
        assert approval is not None
        early = self.clock() - approval.timestamp < RECOVERY_WAIT_NS
        return Result.APPROVER_WAITS if early else Result.OK

    # --- rows -------------------------------------------------------------------------

    def do_approve(self, row: Row) -> None:
        if self.recovery_of(row):
            row.flags |= RowFlag.RECOVERY
        super().do_approve(row)
