"""Goal: people end what only they can end, two of them, by what they see, and in time.

Method: cases of what nothing else ends, proposals that are withdrawn, doubled or too
old, and a biller that takes its promise back; results and rows are stated here.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from switch._core import Ledger
from switch.codes import (
    PROPOSAL_LIFE_NS,
    CaseType,
    Kind,
    Link,
    Mode,
    Policy,
    Result,
    RowFlag,
)
from switch.errors import FormatError
from switch.ledger import moves
from tests.core.case_desk import AMOUNT, KEPT, CaseDesk, Told
from tests.core.desk import DEADLINE_S, SECOND_NS
from tests.core.pair import rows_request
from tests.records import ParticipantRecord, Row, ServiceRecord


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CaseDesk]:
    """One of them."""
    made = CaseDesk(tmp_path / "ledger")
    yield made
    made.ledger.close()


def ask_to_close(desk: CaseDesk, case: int) -> Told:
    """Somebody proposes it."""
    return desk.one(
        moves.propose_close(next(desk.ids), case, "seen", sender=desk.treasury)
    )


def closing(desk: CaseDesk, proposal: int) -> Told:
    """It is done, if it may be."""
    row = desk.ledger.row(proposal)
    return desk.one(moves.approved_close(row, checker=desk.checker))


def refund(desk: CaseDesk, payment: int, amount: int) -> int:
    """Give some of it back; the row that does."""
    proposal = desk.proposed(
        moves.propose_refund(
            next(desk.ids), payment, amount, "asked", sender=desk.treasury
        )
    )
    done = desk.one(moves.approved_refund(proposal, checker=desk.checker))
    assert done.result is Result.OK
    return done.sequence


def test_a_late_rejection_is_closed_by_two_people(desk: CaseDesk) -> None:
    held = desk.hold()
    posted = desk.confirm(held).sequence
    rejected = desk.reject(held)
    assert rejected == Told(Result.ALREADY_POSTED, desk.ledger.sequence, posted)
    assert desk.reject(held) == rejected._replace(repeat=1)
    case = rejected.sequence
    # It counts nowhere: what can be refunded keeps its accounts open anyway.
    assert desk.cases() == desk.cases(desk.head) == 0
    asked, second = ask_to_close(desk, case).sequence, ask_to_close(desk, case).sequence
    assert closing(desk, asked) == Told(Result.NOT_APPROVED)
    desk.approve(asked)
    desk.approve(second)
    for name, value in (("resolves", case - 1), ("checker", desk.treasury)):
        wrong = moves.approved_close(desk.ledger.row(asked), checker=desk.checker)
        wrong.rows[name] = value
        assert desk.one(wrong) == Told(Result.NOT_APPROVED)
    done = closing(desk, asked)
    assert done == Told(Result.OK, desk.ledger.sequence)
    row = desk.last()
    assert row.kind == Kind.CASE_CLOSE
    assert row.total == asked
    assert (row.debit, row.credit) == (desk.wallet, desk.head)
    for reopen in (desk.reopen, desk.rebuild):
        assert closing(desk, asked) == done._replace(repeat=1)
        # What is approved of it besides leaves no row.
        assert closing(desk, second) == Told(Result.CASE_CLOSED, other=done.sequence)
        assert ask_to_close(desk, case)[::2] == (Result.CASE_CLOSED, done.sequence)
        reopen()
    # That is no word of the biller's: it says so again, and it is another case.
    again = desk.reject(held)
    assert (again.result, again.repeat) == (Result.ALREADY_POSTED, 0)
    assert again.sequence == desk.ledger.sequence


def test_a_late_rejection_ends_with_the_whole_refund(desk: CaseDesk) -> None:
    held = desk.hold()
    posted = desk.confirm(held).sequence
    case = desk.reject(held).sequence
    refund(desk, posted, AMOUNT - 1)
    asked = ask_to_close(desk, case).sequence
    desk.approve(asked)
    assert desk.reject(held).repeat == 1
    last = refund(desk, posted, 1)
    assert closing(desk, asked) == Told(Result.CASE_CLOSED, other=last)
    assert ask_to_close(desk, case)[::2] == (Result.CASE_CLOSED, last)
    # Both say the same by now: nothing was kept by the biller.
    before = desk.ledger.sequence
    assert desk.reject(held) == Told(Result.ALREADY_POSTED, other=posted)
    assert desk.ledger.sequence == before
    # If it has credited it after all, it has no money for that.
    assert desk.confirm(held) == Told(Result.AMOUNT_DIFFERS, before + 1, posted)


def test_cases_that_end_by_themselves_are_not_closed(desk: CaseDesk) -> None:
    expired, kept = desk.expired(), desk.kept()
    late, deadline = (
        desk.confirm(expired).sequence,
        desk.ledger.link(kept, Link.DEADLINE_PASSED),
    )
    differs = desk.confirm(kept, 1).sequence
    kinds = desk.ledger.gather(np_sequences(late, deadline, differs))["total"]
    assert kinds.tolist() == [
        CaseType.LATE_CONFIRMATION,
        CaseType.DEADLINE_PASSED,
        CaseType.AMOUNT_DIFFERS,
    ]
    for one in (late, deadline, differs, kept, 0, 10**6):
        assert ask_to_close(desk, one).result is Result.CASE_NOT_FOUND
    posted = desk.confirm(kept)
    assert ask_to_close(desk, differs)[::2] == (Result.CASE_CLOSED, posted.sequence)
    voided = desk.hold()
    over = desk.confirm(voided, 1).sequence
    desk.reject(voided)
    assert ask_to_close(desk, over).result is Result.CASE_NOT_FOUND


def np_sequences(*sequences: int) -> npt.NDArray[np.uint64]:
    """For `gather`."""
    return np.array(sequences, np.uint64)


def test_a_proposal_is_withdrawn(desk: CaseDesk) -> None:
    held = desk.hold()
    posted = desk.confirm(held).sequence

    def ask() -> int:
        made = moves.propose_refund(
            next(desk.ids), posted, 100, "asked", sender=desk.treasury
        )
        return desk.one(made).sequence

    def withdraw(which: int) -> Told:
        return desk.one(
            moves.withdraw(next(desk.ids), which, "not that", sender=desk.treasury)
        )

    asked, kept = ask(), ask()
    for nothing in (0, posted, 10**6):
        assert withdraw(nothing).result is Result.PROPOSAL_NOT_FOUND
    done = withdraw(asked)
    assert done.result is Result.OK
    row = desk.last()
    assert row.kind == Kind.WITHDRAW
    assert not row.debit
    assert not row.amount
    for reopen in (desk.reopen, desk.rebuild):
        assert withdraw(asked)[::2] == (Result.PROPOSAL_WITHDRAWN, done.sequence)
        assert desk.approve(asked)[::2] == (Result.PROPOSAL_WITHDRAWN, done.sequence)
        # Its link is a withdrawal's, and lets nothing happen.
        refund_ = moves.approved_refund(desk.ledger.row(asked), checker=desk.treasury)
        assert desk.one(refund_) == Told(Result.NOT_APPROVED)
        reopen()
    approved = desk.approve(kept)
    assert desk.approve(kept)[::2] == (Result.ALREADY_APPROVED, approved.sequence)
    # Approved it can be withdrawn as well, until it is done.
    other = ask()
    desk.approve(other)
    assert withdraw(other).result is Result.OK
    refund_ = moves.approved_refund(desk.ledger.row(other), checker=desk.checker)
    assert desk.one(refund_) == Told(Result.NOT_APPROVED)
    refund_ = moves.approved_refund(desk.ledger.row(kept), checker=desk.checker)
    given = desk.one(refund_)
    assert given.result is Result.OK
    assert withdraw(kept)[::2] == (Result.ALREADY_DONE, given.sequence)


@pytest.mark.parametrize("late_ns", [-1, 0])
def test_a_proposal_is_approved_within_a_month(desk: CaseDesk, late_ns: int) -> None:
    posted = desk.confirm(desk.hold()).sequence
    asked = desk.one(
        moves.propose_refund(next(desk.ids), posted, 9, "x", sender=desk.treasury)
    ).sequence
    end = desk.ledger.row(asked).timestamp + PROPOSAL_LIFE_NS
    desk.now = end + late_ns - SECOND_NS
    answer = desk.approve(asked)
    assert answer == Told(
        Result.PROPOSAL_EXPIRED if late_ns == 0 else Result.OK, desk.ledger.sequence
    )
    # A person's own is that first, and one that is too old may be taken out of the way.
    own = moves.approve(next(desk.ids), asked, sender=desk.treasury)
    assert desk.one(own).result is Result.SAME_PERSON
    if late_ns == 0:
        withdrawn = moves.withdraw(next(desk.ids), asked, "old", sender=desk.treasury)
        assert desk.one(withdrawn).result is Result.OK
        assert desk.approve(asked).result is Result.PROPOSAL_WITHDRAWN


def test_what_can_be_proposed(desk: CaseDesk) -> None:
    wanted = {3, 4, 6, 8, 17, 21, 264}
    for total in (*range(30), 256, 259, 263, 264, 265, 520, 2**32 + 8, 2**64 - 1):
        row = Row(Kind.PROPOSE, id=b"p" * 16, amount=1, resolves=1, total=total)
        row.reference = b"x"
        [outcomes] = desk.ask(rows_request([row]))
        assert not isinstance(outcomes, bytes)
        is_known = outcomes["result"][0] != Result.INVALID_KIND
        assert is_known == (total in wanted), total
        if is_known:
            assert outcomes["result"][0] != Result.OK


# --- a biller's promise -------------------------------------------------------------


def promise(desk: CaseDesk, promised: int) -> None:
    """The biller gives its word, or takes it back."""
    record = ParticipantRecord(b"biller-0", 2, never_credits_late=promised)
    row = Row(Kind.REGISTER, id=next(desk.ids), tail=record.pack())
    [outcomes] = desk.ask(rows_request([row]))
    assert not isinstance(outcomes, bytes)
    assert outcomes["result"][0] == Result.OK


def register(desk: CaseDesk, record: ServiceRecord) -> int:
    row = Row(Kind.REGISTER, id=next(desk.ids), tail=record.pack())
    [outcomes] = desk.ask(rows_request([row]))
    assert not isinstance(outcomes, bytes)
    return int(outcomes["result"][0])


def test_release_needs_a_promise(desk: CaseDesk) -> None:
    light = next(one for one in desk.net.services if one.code == b"LIGHT")
    new = replace(light, code=b"NEW")
    assert register(desk, light) == Result.OK
    promise(desk, 0)
    for service in (light, new):
        assert register(desk, service) == Result.RELEASE_NOT_PROMISED
        kept = replace(service, deadline_policy=Policy.KEEP)
        assert register(desk, kept) == Result.OK
    # Where nobody confirms nothing is ever given back.
    direct = replace(new, code=b"DIRECT", mode=Mode.DIRECT)
    assert register(desk, direct) == Result.OK
    # It is asked after the heads, and before the series.
    wrong = replace(light, code=b"ANOTHER", heads=(desk.wallet,))
    assert register(desk, wrong) == Result.ACCOUNT_UNKNOWN
    wrong = replace(light, code=b"ANOTHER", series=60_000)
    assert register(desk, wrong) == Result.RELEASE_NOT_PROMISED
    promise(desk, 1)
    assert register(desk, wrong) == Result.SERVICE_UNKNOWN
    assert register(desk, new) == Result.OK
    record = ParticipantRecord(b"biller-0", 2, never_credits_late=2)
    row = Row(Kind.REGISTER, id=next(desk.ids), tail=record.pack())
    [outcomes] = desk.ask(rows_request([row]))
    assert not isinstance(outcomes, bytes)
    assert outcomes["result"][0] == Result.INVALID_RECORD


def test_a_promise_that_is_taken_back(desk: CaseDesk) -> None:
    """What is held from then on is kept; what was held before is released."""
    before = desk.hold()
    promise(desk, 0)
    after = desk.hold()
    mixed = [one.sequence for one in desk.pay_basket(desk.payment(), desk.payment())]
    flags = desk.ledger.gather(np_sequences(before, after, *mixed))["flags"]
    assert [bool(one & RowFlag.KEEP) for one in flags] == [False, True, True, True]
    desk.rebuild()
    again = desk.hold()
    assert desk.ledger.row(again).flags & RowFlag.KEEP
    promise(desk, 1)
    given = desk.hold()
    assert not desk.ledger.row(given).flags & RowFlag.KEEP
    [one, two] = desk.pay_basket(desk.payment(), desk.payment(KEPT))
    assert desk.ledger.row(one.sequence).flags & RowFlag.KEEP
    desk.now += DEADLINE_S * SECOND_NS
    desk.ask()
    kept = [after, *mixed, again, one.sequence, two.sequence]
    assert desk.ledger.kept().tolist() == kept
    assert desk.ledger.unverified().tolist() == [before, given]


def test_a_ledger_of_before_is_not_opened(tmp_path: Path) -> None:
    """Its images and its rows say less: the format is asked before anything is read."""
    path = tmp_path / "ledger"
    Ledger(str(path), threads=False, reserve_size=0, map_size=1 << 30).close()
    data = path / "journal" / "data.mdb"
    raw = data.read_bytes()
    now, before = b"CHK1" + bytes([5, 0]), b"CHK1" + bytes([4, 0])
    assert raw.count(now) > 0
    data.write_bytes(raw.replace(now, before))
    with pytest.raises(FormatError):
        Ledger(str(path), threads=False, reserve_size=0, map_size=1 << 30)
