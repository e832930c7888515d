"""Goal: the cash of a refund, and of what was given back after its citizen had gone, is
handed out once, by the centre whose wallet has it; no money moves by that.

Method: by hand, on a ledger whose index has small steps, each refusal in its order; a
second try is refused after the ledger was opened again, with its index and without, and
by a follower of its chunks.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from switch._core import FOLLOW_CHUNKS_MAX, Ledger
from switch.codes import Kind, Link, Result, RowFlag, Tender
from switch.counter import handouts
from switch.ledger import four_eyes
from switch.ledger.templates import template
from tests.core.case_desk import AMOUNT, CaseDesk, Told
from tests.core.chunks import MemoryLog, read_chunks

OK, NOT_FOUND = Result.OK, Result.PAYMENT_NOT_FOUND
PART = 2_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CaseDesk]:
    """A desk whose first centre has a wallet."""
    made = CaseDesk(tmp_path / "ledger")
    yield made
    made.ledger.close()


def hand_out(desk: CaseDesk, back: int, **given: Any) -> Told:
    """The cash of a row, by the first centre unless another is named."""
    fields = {"amount": AMOUNT, "debit": desk.wallet, "sender": desk.checker, **given}
    fields.setdefault("row_id", next(desk.ids))
    return desk.one(template(Kind.HANDED_OUT, resolves=back, **fields))


def refunded(desk: CaseDesk, amount: int = AMOUNT, held: int = 0) -> int:
    """The sequence of a refund."""
    if not held:
        held = desk.hold()
        desk.confirm(held)
    final = desk.ledger.resolution(held)[0]
    asked = desk.proposed(
        four_eyes.propose_refund(
            next(desk.ids), final, amount, "twice", sender=desk.treasury
        )
    )
    told = desk.one(four_eyes.approved_refund(asked, checker=desk.checker))
    assert told.result is OK, told
    return told.sequence


def expired(desk: CaseDesk) -> int:
    """The end of a payment that is unverified."""
    return desk.ledger.resolution(desk.expired())[0]


def rejected_late(desk: CaseDesk) -> int:
    """The end of a payment that was kept, and that its biller has rejected then."""
    return desk.reject(desk.kept()).sequence


def voided_by_two(desk: CaseDesk) -> int:
    """The same, as two people wanted it."""
    hold = desk.ledger.row(desk.kept())
    asked = desk.proposed(
        four_eyes.propose_void(next(desk.ids), hold, "none", sender=desk.treasury)
    )
    told = desk.one(four_eyes.approved_void(asked, hold, checker=desk.checker))
    return told.sequence


def posted_in_part(desk: CaseDesk, held: int) -> int:
    """The end of a kept payment, of which two people wanted a part paid."""
    asked = desk.proposed(
        four_eyes.propose_post(
            next(desk.ids), held, PART, "a part", sender=desk.treasury
        )
    )
    return desk.one(four_eyes.approved_post(asked, checker=desk.checker)).sequence


BACKS: dict[str, Callable[[CaseDesk], int]] = {
    "a refund": refunded,
    "an expiry": expired,
    "a late rejection": rejected_late,
    "two people": voided_by_two,
}


@pytest.mark.parametrize("name", BACKS)
def test_cash_is_handed_out_once(desk: CaseDesk, name: str) -> None:
    back = BACKS[name](desk)
    before = desk.balance()
    told = hand_out(desk, back, operator=7)
    assert told == Told(OK, told.sequence)
    row = desk.ledger.row(told.sequence)
    assert (row.resolves, row.amount, row.debit, row.credit) == (
        *(back, AMOUNT, desk.wallet),
        0,
    )
    assert (row.participant, row.operator, row.total) == (desk.checker, 7, 0)
    assert row.reference == bytes(32)
    assert desk.balance() == before
    image, _ = desk.ledger.account(desk.wallet)
    assert image["changed"] < told.sequence
    assert told.sequence not in desk.ledger.account_rows(desk.wallet, 0, 100)
    for go_on in (desk.reopen, desk.rebuild, desk.reopen):
        again = hand_out(desk, back, operator=8)
        assert again.result is Result.ALREADY_HANDED_OUT
        assert again.other == told.sequence
        assert desk.ledger.link(back, Link.HANDED_OUT) == told.sequence
        go_on()


def test_a_follower_that_leads_refuses_the_second(
    desk: CaseDesk, tmp_path: Path
) -> None:
    back = refunded(desk)
    told = hand_out(desk, back)
    chunks = read_chunks(desk.path)
    before = desk.ledger
    options: dict[str, Any] = {"map_size": 1 << 30, "reserve_size": 0}
    with Ledger(
        str(tmp_path / "far"), instance=before.instance, threads=False, **options
    ) as far:
        for at in range(0, len(chunks), FOLLOW_CHUNKS_MAX):
            far.follow(chunks[at : at + FOLLOW_CHUNKS_MAX])
        assert far.link(back, Link.HANDED_OUT) == told.sequence
        far.replicate(MemoryLog(), 1)
        desk.ledger = far
        try:
            again = hand_out(desk, back, operator=8)
        finally:
            desk.ledger = before
        assert again.result is Result.ALREADY_HANDED_OUT
        assert again.other == told.sequence


def test_what_is_left_of_a_part(desk: CaseDesk) -> None:
    """Two people had a part of it paid: the rest is the citizen's."""
    held = desk.kept()
    post = posted_in_part(desk, held)
    assert hand_out(desk, post, amount=PART).result is Result.NET_DIFFERS
    assert hand_out(desk, post, amount=AMOUNT - PART).result is OK
    # And what was paid of it may be refunded, and handed out by another row.
    refund = refunded(desk, PART, held)
    assert hand_out(desk, refund, amount=PART).result is OK


def test_each_refund_by_itself(desk: CaseDesk) -> None:
    held = desk.hold()
    desk.confirm(held)
    parts = [refunded(desk, amount, held) for amount in (PART, AMOUNT - PART)]
    assert hand_out(desk, parts[1]).result is Result.NET_DIFFERS
    assert hand_out(desk, parts[1], amount=AMOUNT - PART).result is OK
    assert hand_out(desk, parts[0], amount=PART).result is OK
    told = hand_out(desk, parts[0], amount=PART)
    assert told.result is Result.ALREADY_HANDED_OUT


def test_what_gave_nothing_back(desk: CaseDesk) -> None:
    held = desk.hold()
    for wrong in (0, 1, held, desk.ledger.sequence + 1, 2**40, 2**63):
        assert hand_out(desk, wrong).result is NOT_FOUND
    desk.confirm(held)
    post = desk.ledger.resolution(held)[0]
    assert hand_out(desk, post).result is NOT_FOUND
    # While its citizen waits there is no second row.
    voided = desk.ledger.resolution(desk.voided())[0]
    assert hand_out(desk, voided).result is NOT_FOUND
    rejected = desk.hold()
    desk.reject(rejected)
    assert hand_out(desk, desk.ledger.resolution(rejected)[0]).result is NOT_FOUND
    kept = desk.kept()
    assert hand_out(desk, kept).result is NOT_FOUND
    case = desk.ledger.link(kept, Link.DEADLINE_PASSED)
    assert hand_out(desk, case).result is NOT_FOUND
    out = hand_out(desk, refunded(desk)).sequence
    assert hand_out(desk, out).result is NOT_FOUND


def test_whose_wallet_it_is(desk: CaseDesk) -> None:
    back = refunded(desk)
    other, wallet = desk.net.centres[1], desk.net.wallets[1]
    for sender in (other, desk.treasury, desk.biller, 0, 99_999):
        told = hand_out(desk, back, sender=sender)
        assert told.result is Result.ACCOUNT_UNKNOWN
    told = hand_out(desk, back, sender=other, debit=wallet)
    assert told.result is NOT_FOUND
    for none in (0, 2**32 - 1):
        assert hand_out(desk, back, debit=none).result is Result.ACCOUNT_UNKNOWN
    told = hand_out(desk, back, sender=desk.biller, debit=desk.head)
    assert told.result is Result.ACCOUNT_KIND_WRONG
    for amount in (1, AMOUNT - 1, AMOUNT + 1, 10**18):
        assert hand_out(desk, back, amount=amount).result is Result.NET_DIFFERS
    assert hand_out(desk, back).result is OK


def test_what_its_biller_has_after_all(desk: CaseDesk) -> None:
    """Who has heard that it is credited hands out nothing; a verify ends that."""
    held = desk.expired()
    back = desk.ledger.resolution(held)[0]
    case = desk.confirm(held).sequence
    told = hand_out(desk, back)
    assert (told.result, told.other) == (Result.CASES_OPEN, case)
    hold = desk.ledger.row(held)
    asked = desk.proposed(
        four_eyes.propose_verify(next(desk.ids), hold, "no", sender=desk.treasury)
    )
    desk.one(four_eyes.approved_verify(asked, hold, checker=desk.checker))
    assert hand_out(desk, back).result is OK


def test_what_was_paid_after_all(desk: CaseDesk) -> None:
    held = desk.expired()
    back = desk.ledger.resolution(held)[0]
    desk.confirm(held)
    hold = desk.ledger.row(held)
    asked = desk.proposed(
        four_eyes.propose_correction(
            next(desk.ids), hold, AMOUNT, "late", sender=desk.treasury
        )
    )
    made = desk.one(four_eyes.approved_correction(asked, hold, checker=desk.checker))
    told = hand_out(desk, back)
    assert (told.result, told.other) == (Result.CASES_OPEN, made.sequence)


def test_what_is_left_of_what_was_paid_after_all(desk: CaseDesk) -> None:
    """Its biller has credited a part, which the wallet has paid: the rest is cash."""
    held = desk.expired()
    back = desk.ledger.resolution(held)[0]
    desk.confirm(held, PART)
    hold = desk.ledger.row(held)
    asked = desk.proposed(
        four_eyes.propose_correction(
            next(desk.ids), hold, PART, "late", sender=desk.treasury
        )
    )
    assert hand_out(desk, back, amount=AMOUNT - PART).result is Result.NET_DIFFERS
    assert hand_out(desk, back).result is Result.CASES_OPEN
    made = desk.one(four_eyes.approved_correction(asked, hold, checker=desk.checker))
    assert made.result is OK
    desk.reopen()
    for amount in (AMOUNT, PART):
        assert hand_out(desk, back, amount=amount).result is Result.NET_DIFFERS
    found = handouts.handout_of(desk.ledger, desk.ledger.row(back))
    assert found is not None
    assert (found.amount, found.is_disputed) == (AMOUNT - PART, False)
    told = hand_out(desk, back, amount=AMOUNT - PART)
    assert told.result is OK
    desk.rebuild()
    again = hand_out(desk, back, amount=AMOUNT - PART)
    assert (again.result, again.other) == (Result.ALREADY_HANDED_OUT, told.sequence)


SHAPES: list[tuple[dict[str, Any], Result]] = [
    ({"row_id": bytes(16)}, Result.INVALID_ID),
    ({"amount": 0}, Result.INVALID_AMOUNT),
    ({"amount": 10**18 + 1}, Result.INVALID_AMOUNT),
    ({"reference": "cash"}, Result.INVALID_REFERENCE),
    ({"tail": b"cash"}, Result.INVALID_NOTE),
    ({"deadline_s": 1}, Result.INVALID_DEADLINE),
    ({"credit": 1}, Result.INVALID_ACCOUNT),
    ({"credit": 1, "tail": b"x"}, Result.INVALID_NOTE),
]


@pytest.mark.parametrize(("given", "result"), SHAPES, ids=range(len(SHAPES)))
def test_a_wrong_shape(desk: CaseDesk, given: dict[str, Any], result: Result) -> None:
    back = refunded(desk)
    before = desk.ledger.sequence
    assert hand_out(desk, back, **given).result is result
    assert desk.ledger.sequence == before


def test_the_same_again_and_another(desk: CaseDesk) -> None:
    back, other = refunded(desk), refunded(desk)
    row_id = next(desk.ids)
    told = hand_out(desk, back, row_id=row_id, operator=3)
    assert hand_out(desk, back, row_id=row_id, operator=3) == told._replace(repeat=1)
    for given in ({"operator": 4}, {"amount": 1}, {"debit": 0}):
        said = {"operator": 3, **given}
        answer = hand_out(desk, back, row_id=row_id, **said)
        assert answer.result is Result.ID_REUSED
    answer = hand_out(desk, other, row_id=row_id, operator=3)
    assert answer.result is Result.ID_REUSED


def test_it_says_how_its_citizen_had_paid(desk: CaseDesk) -> None:
    """And nothing else of what is asked with it."""
    payment = desk.payment()
    payment.tender = Tender.CARD
    [paid] = desk.pay(payment)
    desk.confirm(paid.sequence)
    back = refunded(desk, AMOUNT, paid.sequence)
    told = hand_out(desk, back, flags=int(RowFlag.UNFREEZE) | Tender.UPI << 12)
    row = desk.ledger.row(told.sequence)
    assert (row.tender, int(row.flags)) == (Tender.CARD, 0)
