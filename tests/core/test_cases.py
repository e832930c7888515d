"""Goal: a deadline ends a hold as a whole; people put right what nothing else can.

Method: payments of confirmed services through messages, a clock that the test moves,
answers that come late; outcomes and rows are stated here.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from switch._core import (
    GROUP_MAX,
)
from switch.codes import (
    CaseType,
    Kind,
    Result,
    RowFlag,
)
from tests import people
from tests.core.desk import (
    CONFIRMED,
    DEADLINE_S,
    REJECTED,
    SECOND_NS,
    Desk,
)
from tests.core.pair import rows_request
from tests.records import ZERO_ID, Row


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """One of them."""
    made = Desk(tmp_path / "ledger")
    yield made
    made.ledger.close()


def add_service(desk: Desk, code: bytes, deadline_s: int) -> None:
    """One more confirmed service of the biller, with another deadline."""
    record = desk.net.services[-2]
    record.code, record.deadline_s = code, deadline_s
    desk.ask(rows_request([Row(Kind.REGISTER, id=code * 4, tail=record.pack())]))


def test_a_basket_expires_as_a_whole(desk: Desk) -> None:
    add_service(desk, b"SLOW", 2 * DEADLINE_S)
    held = desk.pay_basket(desk.payment(b"SLOW"), desk.payment(), desk.payment(b"SLOW"))
    one, two, three = (outcome.sequence for outcome in held)
    assert desk.ledger.rows(one, 3)["deadline"].tolist() == [DEADLINE_S] * 3
    # When the first of them is due, to the nanosecond, the others are not yet.
    due = desk.ledger.expiry()
    assert due == desk.ledger.row(one).timestamp + DEADLINE_S * SECOND_NS
    desk.ledger.commit([], due)
    assert desk.ledger.holds().tolist() == []
    ends = desk.ledger.rows(three + 1, 10)
    assert ends["kind"].tolist() == [Kind.EXPIRE] * 3
    assert ends["resolves"].tolist() == [one, two, three]
    desk.now = due
    late = desk.answer(*(desk.says(sequence) for sequence in (one, two, three)))
    assert late["result"].tolist() == [Result.ALREADY_EXPIRED] * 3


def test_a_basket_is_kept_as_a_whole(desk: Desk) -> None:
    held = [
        one.sequence for one in desk.pay_basket(desk.payment(), desk.payment(b"WATER"))
    ]
    assert (desk.ledger.rows(held[0], 2)["flags"] & RowFlag.KEEP).all()
    desk.now += DEADLINE_S * SECOND_NS
    desk.ask()
    assert desk.ledger.holds().tolist() == held
    assert desk.ledger.rows(held[1] + 1, 10)["kind"].tolist() == [Kind.CASE] * 2
    answered = desk.answer(*(desk.says(sequence) for sequence in held))
    assert answered["result"].tolist() == [Result.OK] * 2


def test_a_group_without_room_expires_no_part_of_a_basket(desk: Desk) -> None:
    held = [one.sequence for one in desk.pay_basket(desk.payment(), desk.payment())]
    desk.now += DEADLINE_S * SECOND_NS
    # Rows of a wrong shape take room and leave no trace.
    for room, left in ((1, held), (2, [])):
        rows = [Row(Kind.CLOSE, reference=b"x")] * (GROUP_MAX - room)
        desk.ask(rows_request(rows))
        assert desk.ledger.holds().tolist() == left


def test_late_answers_become_cases_once(desk: Desk) -> None:
    one, two = (o.sequence for o in desk.pay(desk.payment(), desk.payment()))
    posted = int(desk.answer(desk.says(two))["sequence"][0])
    desk.now += DEADLINE_S * SECOND_NS
    desk.ask()
    expired = desk.ledger.resolution(one)[0]
    late = desk.says(one, CONFIRMED, "LATE"), desk.says(two, REJECTED, "NO")
    outcomes = desk.answer(*late)
    assert outcomes["result"].tolist() == [
        Result.ALREADY_EXPIRED,
        Result.ALREADY_POSTED,
    ]
    assert outcomes["other"].tolist() == [expired, posted]
    assert outcomes["repeat"].tolist() == [0, 0]
    cases = desk.ledger.gather(outcomes["sequence"])
    assert cases["kind"].tolist() == [Kind.CASE] * 2
    assert cases["total"].tolist() == [
        CaseType.LATE_CONFIRMATION,
        CaseType.LATE_REJECTION,
    ]
    assert cases["resolves"].tolist() == [one, two]
    assert cases["amount"].tolist() == [5_000, 0]
    assert desk.ledger.tail(int(cases["sequence"][0])) == b"LATE"
    before = desk.ledger.sequence
    desk.reopen()
    again = desk.answer(*late)
    assert again["sequence"].tolist() == outcomes["sequence"].tolist()
    assert again["repeat"].tolist() == [1, 1]
    assert desk.ledger.sequence == before
    # A rejection of what has expired says that it has been right to give it back.
    for repeat in (0, 1):
        taken_back = desk.answer(desk.says(one, REJECTED))
        assert taken_back["result"][0] == Result.OK
        assert taken_back["repeat"][0] == repeat
        verified = desk.ledger.row(int(taken_back["sequence"][0]))
        assert verified.kind == Kind.VERIFY
        assert verified.sequence == before + 1


def test_a_kept_hold_outlives_its_deadline_with_a_case(desk: Desk) -> None:
    first, second = (
        outcome.sequence
        for outcome in desk.pay(desk.payment(b"WATER"), desk.payment(b"WATER"))
    )
    due = desk.ledger.expiry()
    assert due == desk.ledger.row(first).timestamp + DEADLINE_S * SECOND_NS
    desk.now += DEADLINE_S * SECOND_NS
    before = desk.ledger.sequence
    desk.ask()
    cases = desk.ledger.rows(before + 1, 10)
    assert cases["kind"].tolist() == [Kind.CASE] * 2
    assert cases["total"].tolist() == [CaseType.DEADLINE_PASSED] * 2
    assert cases["resolves"].tolist() == [first, second]
    for _ in range(2):
        assert desk.ledger.holds().tolist() == [first, second]
        assert desk.ledger.expiry() == 0
        desk.now += DEADLINE_S * SECOND_NS
        desk.ask()
        assert desk.ledger.sequence == before + 2
        desk.reopen()
    assert desk.answer(desk.says(first))["result"][0] == Result.OK
    assert desk.ledger.holds().tolist() == [second]


def test_a_late_confirmation_is_corrected_once(desk: Desk) -> None:
    treasury, ids = desk.net.treasury, iter(range(1 << 100, 1 << 101))
    wallet = desk.net.wallets[0]

    def ask(*rows: Row) -> list[tuple[int, int, int]]:
        for row in rows:
            if row.id == ZERO_ID:
                row.id = next(ids).to_bytes(16, "big")
        [outcomes] = desk.ask(rows_request(rows))
        assert not isinstance(outcomes, bytes)
        names = "result", "sequence", "other"
        return list(zip(*(outcomes[name].tolist() for name in names), strict=True))

    def propose(hold: int, amount: int = 5_000) -> tuple[int, int, int]:
        [outcome] = ask(
            Row(
                Kind.PROPOSE, amount=amount, resolves=hold, reference=b"credited",
                participant=treasury, total=Kind.TRANSFER,
            )
        )  # fmt: skip
        return outcome

    def correct(hold: int, asked: int = 0, **fields: int) -> list[tuple[int, int, int]]:
        row = desk.ledger.row(hold)
        transfer = Row(
            Kind.TRANSFER, amount=5_000, resolves=hold, reference=b"credited",
            debit=row.debit, credit=row.credit, participant=treasury,
        )  # fmt: skip
        for name, value in fields.items():
            setattr(transfer, name, value)
        asked = asked or propose(hold)[1]
        approval = Row(Kind.APPROVE, resolves=asked)
        approval.participant = transfer.checker = desk.net.centres[0]
        transfer.id = people.done_id(desk.ledger.row(asked).id)
        transfer.total = asked
        return ask(approval, transfer)

    held = [one.sequence for one in desk.pay(desk.payment(), desk.payment())]
    desk.now += DEADLINE_S * SECOND_NS
    one, two = held
    desk.ask()
    assert propose(one)[0] == Result.CASE_NOT_FOUND
    late = desk.answer(*(desk.says(each) for each in held))
    for nothing in (int(late["sequence"][0]), 0, 10**6):
        assert propose(nothing)[0] == Result.HOLD_NOT_FOUND
    assert propose(one, 5_001)[0] == Result.EXCEEDS_HOLD
    for fields in (
        {"amount": 4_999},
        {"resolves": two},
        {"debit": desk.net.float_},
        {"credit": wallet},
    ):
        assert correct(one, **fields)[1][0] == Result.NOT_APPROVED
    before = desk.ledger.balance_at(wallet, desk.ledger.sequence)
    approved, done = correct(one)
    assert (approved[0], done[0]) == (Result.OK, Result.OK)
    after = desk.ledger.balance_at(wallet, desk.ledger.sequence)
    assert after[1] == before[1] + 5_000
    assert propose(one)[0] == Result.CASE_NOT_FOUND
    # Of two that want the same the second finds it done, and leaves no row.
    asked = [propose(two)[1] for _ in range(2)]
    _, (_, second, _) = correct(two, asked[0])
    after = desk.ledger.balance_at(wallet, desk.ledger.sequence)
    for _ in range(2):
        assert correct(two, asked[1])[1] == (Result.CASE_CLOSED, 0, second)
        desk.reopen()
    assert desk.ledger.balance_at(wallet, desk.ledger.sequence) == after


def test_a_kept_basket_is_released_by_two_people(desk: Desk) -> None:
    treasury, centre = desk.net.treasury, desk.net.centres[0]

    def ask(*rows: Row) -> list[int]:
        [outcomes] = desk.ask(rows_request(rows))
        assert not isinstance(outcomes, bytes)
        return outcomes["result"].tolist()  # type: ignore[no-any-return]

    held = [
        one.sequence
        for one in desk.pay_basket(desk.payment(b"WATER"), desk.payment(b"WATER"))
    ]
    desk.now += DEADLINE_S * SECOND_NS
    desk.ask()
    proposal = Row(
        Kind.PROPOSE, id=b"p" * 16, amount=5_000, resolves=held[1],
        reference=b"no word", participant=treasury, total=Kind.VOID,
    )  # fmt: skip
    wrongs: tuple[tuple[str, int, Result], ...] = (
        ("resolves", held[1] + 1, Result.HOLD_NOT_FOUND),
        ("total", Kind.TRANSFER, Result.CASE_NOT_FOUND),
        ("amount", 5_001, Result.EXCEEDS_HOLD),
    )
    for name, value, refused in wrongs:
        wrong = replace(proposal, id=name.encode().ljust(16, b"-"))
        setattr(wrong, name, value)
        assert ask(wrong) == [refused]
    assert ask(proposal) == [Result.OK]
    asked = desk.ledger.sequence
    voids = [Row(Kind.VOID, resolves=one, checker=centre, total=asked) for one in held]
    alone = Row(Kind.APPROVE, id=b"a" * 16, resolves=asked, participant=treasury)
    assert ask(alone, *voids) == [Result.SAME_PERSON, *[Result.NOT_APPROVED] * 2]
    assert desk.ledger.holds().tolist() == held
    other = Row(Kind.APPROVE, id=b"b" * 16, resolves=asked, participant=centre)
    approved = desk.ledger.sequence + 1
    for _ in range(2):
        assert ask(other, *voids) == [Result.OK] * 3
        assert desk.ledger.holds().tolist() == []
    ends = desk.ledger.rows(approved, 10)
    assert ends["kind"].tolist() == [Kind.APPROVE, Kind.VOID, Kind.VOID]
    assert ends["checker"].tolist() == [0, centre, centre]
    # What the biller says now is a late confirmation.
    late = desk.answer(*(desk.says(one) for one in held))
    assert late["result"].tolist() == [Result.ALREADY_VOIDED] * 2
