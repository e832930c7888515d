"""Goal: the two people of the day decide every kind of exception by the billers'
statements, each with a proposal of one and an approval of the other, and stop.

Method: a treasury of the test's own keeps a list, and takes what they decide off it.
"""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from switch.client import Client
from switch.codes import Result
from switch.day.office import ROUNDS_MAX, Office
from switch.errors import WireError
from switch.ids import new_id
from switch.simulator.books import Credit
from switch.v1 import admin_pb2, exceptions_pb2, results_pb2, types_pb2

POST, VOID = types_pb2.PROPOSAL_KIND_POST, types_pb2.PROPOSAL_KIND_VOID
CORRECTION = types_pb2.PROPOSAL_KIND_CORRECTION
VERIFY = types_pb2.PROPOSAL_KIND_VERIFY
HELD, CREDITED = 5_000, 4_999

Proposed = tuple[types_pb2.ProposalKind.ValueType, int, int]


def outcome(sequence: int, result: Result = Result.OK) -> results_pb2.Outcome:
    return results_pb2.Outcome(
        result=results_pb2.Result.ValueType(result.value), sequence=sequence
    )


class Treasury:
    """The switch, for both people."""

    def __init__(self, kind: str = "KEPT") -> None:
        payment = types_pb2.Entry(sequence=7, id=new_id(), amount=HELD)
        number = exceptions_pb2.ExceptionKind.Value(f"EXCEPTION_KIND_{kind}")
        self.listed = [
            exceptions_pb2.Exception(kind=number, sequence=9, payment=payment)
        ]
        self.asked = 0
        self.proposed: list[Proposed] = []
        self.refused: dict[str, Result] = {}
        self.ends = True

    def exceptions(self) -> Iterator[exceptions_pb2.Exception]:
        self.asked += 1
        return iter(list(self.listed))

    def propose(
        self,
        kind: types_pb2.ProposalKind.ValueType,
        sequence: int,
        reason: str,
        amount: int = 0,
    ) -> results_pb2.Outcome:
        assert 1 <= len(reason) <= 32
        self.proposed.append((kind, sequence, amount))
        return outcome(50, self.refused.get("proposal", Result.OK))

    def approve(self, proposal_sequence: int) -> admin_pb2.ApproveResponse:
        assert proposal_sequence == 50
        if self.ends:
            self.listed.clear()
        return admin_pb2.ApproveResponse(
            outcome=outcome(51, self.refused.get("approval", Result.OK)),
            done=[outcome(52, self.refused.get("deed", Result.OK))],
        )


class Person:
    """One of two: what the other may do is not for this one."""

    def __init__(self, treasury: Treasury, *names: str) -> None:
        for name in names:
            setattr(self, name, getattr(treasury, name))


def office_of(treasury: Treasury) -> Office:
    maker = Person(treasury, "exceptions", "propose")
    checker = Person(treasury, "approve")
    return Office(cast("Client", maker), cast("Client", checker), "STATEMENTS/1")


def statements(treasury: Treasury) -> dict[bytes, Credit]:
    id_ = treasury.listed[0].payment.id
    return {id_: Credit(id_, CREDITED, "S", "R", 7)}


@pytest.mark.parametrize(
    ("kind", "credited", "not_credited"),
    [
        ("KEPT", (POST, 9, CREDITED), (VOID, 9, 0)),
        ("AMOUNT_DIFFERS", (POST, 9, CREDITED), (VOID, 9, 0)),
        ("OVERDUE", (POST, 9, CREDITED), (VOID, 9, 0)),
        ("LATE_CONFIRMATION", (CORRECTION, 9, CREDITED), (VERIFY, 9, 0)),
        ("UNVERIFIED", None, (VERIFY, 9, 0)),
        ("LATE_REJECTION", None, None),
        ("DAMAGED", None, None),
    ],
)
def test_what_is_decided_follows_from_the_statements(
    kind: str, credited: Proposed | None, not_credited: Proposed | None
) -> None:
    for is_credited, wanted in ((True, credited), (False, not_credited)):
        treasury = Treasury(kind)
        office = office_of(treasury)
        office.decide(statements(treasury) if is_credited else {})
        assert treasury.proposed == ([wanted] if wanted else [])
        assert office.decided == ({kind.lower(): 1} if wanted else {})


def test_they_go_through_the_list_until_there_is_nothing_or_often_enough() -> None:
    treasury = Treasury()
    office_of(treasury).decide({})
    assert treasury.asked == 2
    treasury = Treasury()
    treasury.ends = False
    office_of(treasury).decide({})
    assert treasury.asked == ROUNDS_MAX


@pytest.mark.parametrize("what", ["proposal", "approval", "deed"])
def test_a_refused_decision_is_an_error(what: str) -> None:
    treasury = Treasury()
    treasury.refused[what] = Result.NOT_APPROVED
    with pytest.raises(WireError, match="NOT_APPROVED"):
        office_of(treasury).decide({})


def test_what_ends_while_they_decide_is_looked_at_again() -> None:
    """A biller may answer between the list and the proposal."""
    treasury = Treasury("AMOUNT_DIFFERS")
    treasury.refused["proposal"] = Result.CASE_NOT_FOUND
    # It stays in the list: that is no race.
    with pytest.raises(WireError, match="CASE_NOT_FOUND"):
        office_of(treasury).decide({})
    assert len(treasury.proposed) == ROUNDS_MAX

    class Gone(Treasury):
        def propose(self, *args: Any) -> results_pb2.Outcome:
            self.listed.clear()
            return super().propose(*args)

    treasury = Gone("AMOUNT_DIFFERS")
    treasury.refused["proposal"] = Result.CASE_NOT_FOUND
    office = office_of(treasury)
    office.decide({})
    assert (treasury.asked, office.decided) == (2, {})


def test_what_was_completed_before_is_closed_by_the_statement() -> None:
    """A post cannot be of it, and without a credit nothing is closed."""

    class Completed(Treasury):
        def propose(
            self,
            kind: types_pb2.ProposalKind.ValueType,
            sequence: int,
            reason: str,
            amount: int = 0,
        ) -> results_pb2.Outcome:
            super().propose(kind, sequence, reason, amount)
            closes = kind == types_pb2.PROPOSAL_KIND_CLOSE_CASE
            return outcome(50, Result.OK if closes else Result.CASE_NOT_FOUND)

    treasury = Completed("AMOUNT_DIFFERS")
    office = office_of(treasury)
    office.decide(statements(treasury))
    close = (types_pb2.PROPOSAL_KIND_CLOSE_CASE, 9, 0)
    assert treasury.proposed == [(POST, 9, CREDITED), close]
    assert office.decided == {"amount_differs": 1}
    with pytest.raises(WireError, match="CASE_NOT_FOUND"):
        office_of(Completed("AMOUNT_DIFFERS")).decide({})
