"""Goal: a refusal that people had, or that they are the reason of, has its cause.

Method: as in `test_audit_refusals`: the clean story goes on with one refused row, once
with its cause before it and once without.
"""

from pathlib import Path

import pytest

from switch.codes import CaseType, Kind, Result, Role
from tests.audit.doubt_story import told
from tests.audit.journal_story import (
    FLOAT,
    HOUR,
    MINUTE,
    SECOND,
    SUSPENSE,
    WORD,
    X0,
    A,
    B,
    Story,
)
from tests.audit.journal_writer import Row
from tests.audit.test_audit_forgeries import found_in
from tests.audit.test_audit_refusals import (
    UPDATE,
    R,
    Tell,
    after,
    close,
    refused,
    registered,
)


def proposed(result: Result, about: bytes, amount: int = 500) -> Tell:
    """A refused proposal about a row that is known by its reference."""

    def tell(s: Story) -> None:
        s.add(
            Kind.PROPOSE,
            resolves=next(r.sequence for r in s.rows if r.reference == about),
            amount=amount,
            reference=b"x",
            result=result,
        )

    return tell


def lent(s: Story) -> Row:
    """An advance of a kept hold."""
    s.add(Kind.TRANSFER, debit=FLOAT, credit=SUSPENSE, amount=2_500, reference=b"lent")
    hold = next(row for row in s.rows if row.reference == b"KEPT-2")
    return s.advanced_by_two(hold)


def recovery(result: Result, *, again: bool = False, **f: object) -> Tell:
    """A refused recovery of an advance, perhaps behind one that was not."""

    def tell(s: Story) -> None:
        advance = lent(s)
        first = s.recover(advance) if again else None
        row = s.recover(advance, result=result, **f)
        row.total = first.sequence if first else 0

    return tell


def closing_again(result: Result, *, closed: bool) -> Tell:
    """A refused proposal to close a case."""

    def tell(s: Story) -> None:
        hold = s.hold(A, 900, "HOLD-91")
        s.resolve(Kind.POST, hold, word=WORD)
        case = s.case(hold, CaseType.LATE_REJECTION)
        total = s.closed_by_two(case).sequence if closed else 0
        row = s.asked(Kind.CASE_CLOSE, case, 1, b"x")
        row.result, row.total = result, total

    return tell


def withdrawn(kind: Kind, result: Result, *, first: bool = True, **f: object) -> Tell:
    """Refused because of a withdraw before it, or not."""

    def tell(s: Story) -> None:
        paid = s.pay(A, 1, 3_000, "BILL-90")
        asked = s.asked(Kind.REFUND, paid, 500, b"paid twice")
        total = 0
        if first:
            row = s.add(Kind.WITHDRAW, resolves=asked.sequence, reference=b"x")
            total = row.sequence
        reference = b"x" if kind == Kind.WITHDRAW else b""
        fields = {"resolves": asked.sequence, "total": total, "result": result, **f}
        s.add(kind, participant=SECOND, reference=reference, **fields)

    return tell


def aged(days: int) -> Tell:
    """An approval that is refused so many days after the proposal."""

    def tell(s: Story) -> None:
        paid = s.pay(A, 1, 3_000, "BILL-90")
        asked = s.asked(Kind.REFUND, paid, 500, b"paid twice")
        s.commit()
        s.now = asked.timestamp + days * 24 * HOUR
        s.approve(asked).result = R.PROPOSAL_EXPIRED

    return tell


def blocked(s: Story, end: str, *, late: bool = True, other: int = 0) -> None:
    """Refused as claimed by one that was given back, and perhaps credited late."""
    hold = s.hold(A, 900, "BILL-90", deadline=60)
    s.commit()
    if end == "expired":
        s.now = hold.timestamp + MINUTE
        s.resolve(Kind.EXPIRE, hold)
    else:
        s.resolve(Kind.VOID, hold, word=WORD)
    if end == "verified":
        s.case(hold, CaseType.LATE_CONFIRMATION)
        s.verified_by_two(hold)
    if late:
        s.case(hold, CaseType.LATE_CONFIRMATION)
    if end == "corrected":
        s.corrected_by_two(hold)
    refused(s, R.BILL_ALREADY_CLAIMED, total=other or hold.sequence)


def approval(result: Result, sender: int, *, asked: bool = True, by: int = 0) -> Tell:
    def tell(s: Story) -> None:
        paid = s.pay(A, 1, 3_000, "BILL-90")
        proposal = s.asked(Kind.REFUND, paid, 500, b"paid twice")
        first = s.approve(proposal).sequence if by else 0
        s.add(
            Kind.APPROVE,
            resolves=proposal.sequence if asked else paid.sequence,
            participant=sender,
            total=first,
            result=result,
        )

    return tell


PAIRS: dict[str, tuple[Tell, Tell]] = {
    "PAYMENT_NOT_FOUND": (
        proposed(R.PAYMENT_NOT_FOUND, b"UTR-A1"),
        proposed(R.PAYMENT_NOT_FOUND, b"BILL-1"),
    ),
    "HOLD_NOT_FOUND": (
        proposed(R.HOLD_NOT_FOUND, b"BILL-1"),
        proposed(R.HOLD_NOT_FOUND, b"KEPT-2"),
    ),
    "EXCEEDS_HOLD": (
        proposed(R.EXCEEDS_HOLD, b"KEPT-2", 2_501),
        proposed(R.EXCEEDS_HOLD, b"KEPT-2", 2_500),
    ),
    "CASE_CLOSED of a proposal": (
        closing_again(R.CASE_CLOSED, closed=True),
        closing_again(R.CASE_CLOSED, closed=False),
    ),
    "CASE_NOT_FOUND": (
        recovery(R.CASE_NOT_FOUND, resolves=7),
        recovery(R.CASE_NOT_FOUND),
    ),
    "CASE_CLOSED": (
        recovery(R.CASE_CLOSED, again=True),
        recovery(R.CASE_CLOSED),
    ),
    "NET_DIFFERS of a recovery": (
        recovery(R.NET_DIFFERS, amount=2_499),
        recovery(R.NET_DIFFERS, amount=2_500),
    ),
    "ACCOUNT_KIND_WRONG of a recovery": (
        recovery(R.ACCOUNT_KIND_WRONG, debit=B),
        recovery(R.ACCOUNT_KIND_WRONG, debit=A),
    ),
    "PROPOSAL_WITHDRAWN": (
        withdrawn(Kind.APPROVE, R.PROPOSAL_WITHDRAWN),
        withdrawn(Kind.APPROVE, R.PROPOSAL_WITHDRAWN, first=False),
    ),
    "PROPOSAL_WITHDRAWN of a withdraw": (
        withdrawn(Kind.WITHDRAW, R.PROPOSAL_WITHDRAWN),
        withdrawn(Kind.WITHDRAW, R.PROPOSAL_WITHDRAWN, total=7),
    ),
    "ALREADY_APPROVED for a withdraw": (
        approval(R.ALREADY_APPROVED, 7, by=7),
        withdrawn(Kind.APPROVE, R.ALREADY_APPROVED),
    ),
    "PROPOSAL_EXPIRED": (aged(30), aged(29)),
    "RELEASE_NOT_PROMISED": (
        after(
            lambda s: s.participant(
                5, Role.BILLER, b"biller-y", promises=0, flags=UPDATE
            ),
            registered(R.RELEASE_NOT_PROMISED, mode=2, number=9),
        ),
        registered(R.RELEASE_NOT_PROMISED, mode=2, number=9),
    ),
    "RELEASE_NOT_PROMISED of a direct service": (
        after(
            lambda s: s.participant(
                5, Role.BILLER, b"biller-y", promises=0, flags=UPDATE
            ),
            registered(R.RELEASE_NOT_PROMISED, mode=2, number=9),
        ),
        after(
            lambda s: s.participant(
                5, Role.BILLER, b"biller-y", promises=0, flags=UPDATE
            ),
            registered(R.RELEASE_NOT_PROMISED, mode=1, number=9),
        ),
    ),
    "BILL_ALREADY_CLAIMED by what expired": (
        lambda s: blocked(s, "expired", late=False),
        lambda s: blocked(s, "voided", late=False),
    ),
    "BILL_ALREADY_CLAIMED by what was credited late": (
        lambda s: blocked(s, "voided"),
        lambda s: blocked(s, "voided", other=7),
    ),
    "BILL_ALREADY_CLAIMED by what was credited late again": (
        lambda s: blocked(s, "verified"),
        lambda s: blocked(s, "verified", late=False),
    ),
    "BILL_ALREADY_CLAIMED by what was corrected": (
        lambda s: blocked(s, "corrected"),
        lambda s: blocked(s, "verified", late=False),
    ),
    "PROPOSAL_NOT_FOUND": (
        approval(R.PROPOSAL_NOT_FOUND, 7, asked=False),
        approval(R.PROPOSAL_NOT_FOUND, 7),
    ),
    "PROPOSAL_NOT_FOUND of a withdraw": (
        withdrawn(Kind.WITHDRAW, R.PROPOSAL_NOT_FOUND, first=False, resolves=7),
        withdrawn(Kind.WITHDRAW, R.PROPOSAL_NOT_FOUND, first=False),
    ),
    "SAME_PERSON": (approval(R.SAME_PERSON, 1), approval(R.SAME_PERSON, 7)),
    "ALREADY_APPROVED": (
        approval(R.ALREADY_APPROVED, 7, by=7),
        approval(R.ALREADY_APPROVED, 7),
    ),
    "CASES_OPEN": (
        after(lambda s: blocked(s, "voided"), close(A, R.CASES_OPEN)),
        close(A, R.CASES_OPEN),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_refusal_has_its_cause(tmp_path: Path, name: str) -> None:
    right, forged = PAIRS[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {"refusals"}


@pytest.mark.parametrize("kind", [Kind.REFUND, Kind.TRANSFER, Kind.CASE_CLOSE])
def test_what_two_people_want_is_refused_without_a_row(
    tmp_path: Path, kind: Kind
) -> None:
    """So that it can be done as soon as it can."""

    def tell(s: Story) -> None:
        row = s.pay(A, 1, 3_000, "BILL-90")
        amount = 0 if kind == Kind.CASE_CLOSE else 500
        reference = b"" if kind == Kind.REFUND else b"x"
        s.add(
            kind,
            # The other way round a transfer would undo a correction.
            debit=A if kind == Kind.TRANSFER else X0,
            credit=X0 if kind == Kind.TRANSFER else A,
            amount=amount,
            resolves=row.sequence,
            reference=reference,
            result=R.INSUFFICIENT_FUNDS,
        )

    text = "what two people want is refused without a row, and stays to be done"
    assert ("refusals", text) in told(tmp_path, tell)
