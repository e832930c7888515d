"""Goal: a damaged row costs the payment that needs it, and nobody else anything.

Method: some hundred rows are made, most of them in the index, and one bit of chosen
ones is flipped in the journal's file. The ledger is opened again, and every kind of
request that has to read such a row is sent, alone and among others. It must have
DATA_DAMAGED, again and again, without a row; what is sent beside it must have the
model's answers; and what is due must end, but for the holds that cannot be read, whose
money stays held.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from switch._core import Queue, Request
from switch.codes import DuplicateRule, Kind, Result, RowFlag
from switch.errors import CorruptionError
from tests import people
from tests.core import wire
from tests.core.network import NOW, top_up
from tests.core.pair import pack_row, to_request
from tests.core.quoting import Bill, payment_of, quote
from tests.core.test_corruption import flip, items
from tests.core.ward import AMOUNT, LATER, SECOND_NS, Ward, read_reply
from tests.damage import damage_row
from tests.model import Answers, Ask, Rows
from tests.records import Outcome, Payment, Row, Said

IDS, CLAIMS, LINKS = range(3)
FILTERS = 0x80000000
NEW_IDS = 100
"""Blocks of a run from here on are no pages."""
ROW_FLAGS = 108
"""Where a row's flags lie, little-endian."""
BLOCK_PAGES, BLOCK_HEAD = 18, 40
"""Pages of a block, and where the first of them begins."""


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """One of them."""
    made = Ward(tmp_path / "ledger")
    yield made
    made.pair.close()


# --- a payment sent again -------------------------------------------------------------


@pytest.mark.parametrize("bit", range(8 * ROW_FLAGS, 8 * ROW_FLAGS + 16))
def test_damage_before_a_note_costs_a_repeat_at_most(ward: Ward, bit: int) -> None:
    """The flags of the rows before say where an item lies: it is found, or damaged."""
    rows = [ward.pay(note=note) for note in (b"one", b"two", b"three")]
    rows += [ward.pay(), ward.pay(note=b"five")]
    sequences = ward.do(*rows)
    ward.fill()
    ward.pair.close()
    for damaged in (1, 3):
        row = ward.pair.model.rows[sequences[damaged] - 1]
        damage_row(ward.pair.path, pack_row(row), bit)
    ward.pair.reopen()
    moved = bit - 8 * ROW_FLAGS == int(RowFlag.TAIL).bit_length() - 1
    for at, row in enumerate(rows):
        # One says too little and one too much: behind both the way is right again.
        if at in (1, 3) or (at == 2 and moved):
            ward.refuses(Rows([row]))
            continue
        [[outcome]] = ward.send(Rows([row]))
        assert (outcome.result, outcome.sequence) == (Result.OK, sequences[at])
        row.tail = row.tail[::-1] if row.tail else None
        [[outcome]] = ward.send(Rows([row]))
        assert outcome.result == Result.ID_REUSED


def test_a_retry_costs_that_payment_only(ward: Ward) -> None:
    paid = ward.payment()
    [[done]] = ward.pair.commit([ward.message(paid)], NOW)
    ward.fill()
    ward.damage(done.sequence)
    ward.refuses(ward.message(paid))
    assert ward.pair.ledger.info()["damaged_row"] == done.sequence
    # Other content under its id cannot be told from the same.
    ward.refuses(ward.message(Payment(id=paid.id, amount=AMOUNT + 1, reference=b"X")))
    ward.goes_on()


def test_others_of_the_message_and_of_the_group_have_their_answers(ward: Ward) -> None:
    paid = ward.payment()
    [[done]] = ward.pair.commit([ward.message(paid)], NOW)
    ward.fill()
    ward.damage(done.sequence)
    good = [ward.payment() for _ in range(6)]
    expected = ward.pair.model.commit(
        [ward.message(*good[:2]), ward.message(*good[2:4]), ward.message(*good[4:])],
        LATER,
    )
    groups = ward.send(
        ward.message(*good[:2]),
        ward.message(good[2], paid, good[3]),
        ward.message(paid, *good[4:]),
    )
    for outcomes in groups[1:]:
        [damaged] = [one for one in outcomes if one.result != Result.OK]
        assert damaged == Outcome(Result.DATA_DAMAGED)
        outcomes.remove(damaged)
    assert groups == expected
    ward.pair.compare_rows(expected[0][0].sequence)
    ward.pair.compare_all()
    ward.pair.reopen()
    ward.pair.compare_all()


def test_a_queue_goes_on(ward: Ward) -> None:
    """What streams are made of: each tag has its answers in order."""
    paid = ward.payment()
    [[done]] = ward.pair.commit([ward.message(paid)], NOW)
    ward.fill()
    ward.pair.options["threads"] = True
    ward.damage(done.sequence)
    queue = Queue(ward.pair.ledger, clock=np.array([LATER, LATER, 0], np.uint64))
    queue.start(lambda: None)
    asks = [ward.message(ward.payment(), paid), ward.message(ward.payment())]
    results = []
    for ask in (*asks, *asks):
        reply = queue.commit(to_request(ask))
        results.append([one.result for one in read_reply(reply)])
    assert results == [[Result.OK, Result.DATA_DAMAGED], [Result.OK]] * 2
    assert queue.stop(10)
    assert not ward.pair.ledger.dead


def test_a_basket_has_it_whole(ward: Ward) -> None:
    paid = ward.payment()
    [[done]] = ward.pair.commit([ward.message(paid)], NOW)
    ward.fill()
    ward.damage(done.sequence)
    basket = (ward.payment(), paid, ward.payment())
    ward.refuses(ward.message(basket=basket))
    # None of its ids was taken.
    ward.pair.commit([ward.message(basket=(basket[0], basket[2]))], LATER)
    ward.goes_on()


def test_a_basket_whose_claim_leads_to_damage_is_refused_whole(ward: Ward) -> None:
    """The reason of one would name a row that cannot be read."""
    first = ward.pay(DuplicateRule.ONCE)
    [taken] = ward.do(first)
    ward.fill()
    ward.damage(taken)
    rows = [ward.pay(DuplicateRule.ONCE) for _ in range(3)]
    for index, row in enumerate(rows):
        row.basket = 3 << 8 | index
    rows[2].reference = first.reference
    ward.refuses(Rows(rows))
    ward.goes_on()


# --- everything else that reads a row -------------------------------------------------


Case = Callable[[Ward], tuple[int, Callable[[], Ask]]]
CASES: dict[str, Case] = {}


def case(make: Case) -> Case:
    """A row to be damaged, and what is asked once it is."""
    CASES[make.__name__] = make
    return make


@case
def same_note(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    paid = ward.pay(note=b"for the dog")
    [sequence] = ward.do(paid)
    return sequence, lambda: Rows([paid])


@case
def bill_claimed(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    first, second = ward.pay(DuplicateRule.ONCE), ward.pay(DuplicateRule.ONCE)
    [sequence] = ward.do(first)
    second.reference = first.reference
    return sequence, lambda: Rows([second])


@case
def refused_before(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    first, second = ward.pay(DuplicateRule.ONCE), ward.pay(DuplicateRule.ONCE)
    [sequence] = ward.do(first)
    second.reference = first.reference
    assert ward.pair.one(second, NOW).result == Result.BILL_ALREADY_CLAIMED
    return sequence, lambda: Rows([second])


@case
def paid_recently(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    first, second = ward.pay(DuplicateRule.WITHIN), ward.pay(DuplicateRule.WITHIN)
    [sequence] = ward.do(first)
    second.reference = first.reference
    return sequence, lambda: Rows([second])


def quoted(ward: Ward, id_: bytes) -> Payment:
    """A payment of a bill of one citizen's, fetched after all that is there."""
    model = ward.pair.model
    bill = Bill(model.service_of[b"BILL-01"], b"K", AMOUNT, id_)
    told = quote(model, bill, ward.net.centres[0], model.timestamp + 1)
    return payment_of(model, told, ward.id())


def sent(ward: Ward, payment: Payment) -> int:
    """The row of a payment that is done."""
    [[outcome]] = ward.pair.commit([ward.message(payment)], NOW)
    assert outcome.result == Result.OK
    return outcome.sequence


@case
def bill_of_the_same_reference(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    """What has become of the payment before decides."""
    sequence = sent(ward, quoted(ward, b"B1"))
    second = quoted(ward, b"B2")
    return sequence, lambda: ward.message(second)


@case
def bill_of_a_reference_that_was_rejected(
    ward: Ward,
) -> tuple[int, Callable[[], Ask]]:
    held = sent(ward, quoted(ward, b"B1"))
    [sequence] = ward.do(Row(Kind.VOID, resolves=held))
    second = quoted(ward, b"B2")
    return sequence, lambda: ward.message(second)


@case
def bill_that_was_released(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    """When it was decides whether a quotation is older."""
    held = sent(ward, quoted(ward, b"B1"))
    [sequence] = ward.do(Row(Kind.VOID, resolves=held))
    second = quoted(ward, b"B1")
    return sequence, lambda: ward.message(second)


@case
def addition(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    """The payment that a handle names must be one of the same reference."""
    payment = replace(ward.payment(), service=b"OPEN-2", reference=b"METER")
    first, second = (replace(payment, id=ward.id()) for _ in range(2))
    sequence = sent(ward, first)
    [[refused]] = ward.pair.commit([ward.message(second)], NOW)
    more = replace(payment, id=ward.id(), additional_to=refused.handle)
    return sequence, lambda: ward.message(more)


@case
def utr_credited(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    first = top_up(ward.net, ward.net.wallets[1], 5, b"UTR-SAME")
    second = top_up(ward.net, ward.net.wallets[2], 5, b"UTR-OTHER")
    [sequence] = ward.do(first)
    second.reference = first.reference
    return sequence, lambda: Rows([second])


def of_treasury(ward: Ward, kind: Kind, resolves: int, **more: int) -> Row:
    """A move of the treasury about another row."""
    row = Row(kind, id=ward.id(), resolves=resolves, participant=ward.net.treasury)
    for name, value in more.items():
        setattr(row, name, value)
    return row


def approved_refund(ward: Ward, payment: int, amount: int) -> Row:
    """A refund that two people want; it is not done yet."""
    at = ward.pair.ledger.sequence + 1
    id_ = at.to_bytes(16, "big")
    proposal, approval, row = people.refund(payment, amount, at, id_)
    ward.do(proposal, approval)
    return row


@case
def refund(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    [sequence] = ward.do(ward.pay())
    row = approved_refund(ward, sequence, AMOUNT)
    return sequence, lambda: Rows([row])


@case
def refund_of_a_damaged_hold(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    """The claim that the last refund releases was taken by the hold."""
    hold = ward.hold()
    [sequence] = ward.do(hold)
    [posted] = ward.do(Row(Kind.POST, resolves=sequence, amount=AMOUNT))
    row = approved_refund(ward, posted, AMOUNT)
    return sequence, lambda: Rows([row])


@case
def second_refund(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    [paid] = ward.do(ward.pay())
    [sequence] = ward.do(approved_refund(ward, paid, 1))
    row = approved_refund(ward, paid, 1)
    return sequence, lambda: Rows([row])


@case
def post(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    [sequence] = ward.do(ward.hold())
    return sequence, lambda: Rows([Row(Kind.POST, resolves=sequence, amount=AMOUNT)])


@case
def void(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    [sequence] = ward.do(ward.hold())
    return sequence, lambda: Rows([Row(Kind.VOID, resolves=sequence)])


@case
def post_of_the_posted(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    [held] = ward.do(ward.hold())
    [sequence] = ward.do(Row(Kind.POST, resolves=held, amount=AMOUNT))
    return sequence, lambda: Rows([Row(Kind.POST, resolves=held, amount=AMOUNT)])


@case
def hold_that_was_posted(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    """Its sender asks where it stands."""
    hold = ward.hold()
    [held] = ward.do(hold)
    [sequence] = ward.do(Row(Kind.POST, resolves=held, amount=AMOUNT))
    return sequence, lambda: Rows([hold])


@case
def biller_answers(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    hold = ward.hold()
    [sequence] = ward.do(hold)
    biller = ward.net.services[hold.service - 1].biller
    said = Said(sequence, hold.id, amount=AMOUNT)
    return sequence, lambda: Answers([said], biller)


@case
def proposal(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    [sequence] = ward.do(ward.pay())
    row = of_treasury(ward, Kind.PROPOSE, sequence, amount=1, total=Kind.REFUND)
    row.reference = b"WHY"
    return sequence, lambda: Rows([row])


@case
def approval(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    [paid] = ward.do(ward.pay())
    asked = of_treasury(ward, Kind.PROPOSE, paid, amount=1, total=Kind.REFUND)
    asked.reference = b"WHY"
    [sequence] = ward.do(asked)
    row = of_treasury(ward, Kind.APPROVE, sequence, operator_=2)
    # What stands behind it is not done either.
    behind = of_treasury(ward, Kind.REFUND, paid, amount=1)
    return sequence, lambda: Rows([row, behind])


@case
def window_again(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    [sequence] = ward.do(Row(Kind.WINDOW, participant=ward.net.treasury))
    return sequence, lambda: Rows([Row(Kind.WINDOW, participant=ward.net.treasury)])


@case
def settlement(ward: Ward) -> tuple[int, Callable[[], Ask]]:
    ward.do(ward.pay())
    [sequence] = ward.do(Row(Kind.WINDOW, participant=ward.net.treasury))
    account, amount = next(iter(ward.pair.model.windows[sequence].items()))
    row = of_treasury(ward, Kind.SETTLE, sequence, debit=account, amount=amount)
    row.credit = ward.net.settlement
    return sequence, lambda: Rows([row])


@pytest.mark.parametrize("name", sorted(CASES))
def test_damage_costs_the_request_that_meets_it(ward: Ward, name: str) -> None:
    sequence, ask = CASES[name](ward)
    ward.fill()
    ward.damage(sequence)
    asked = ask()
    if name == "approval":
        # What stands behind it has no approval, and its own proposal is damaged.
        [outcomes] = ward.send(asked)
        assert outcomes[0] == Outcome(Result.DATA_DAMAGED)
        assert outcomes[1].sequence == 0
        assert outcomes[1].result in {Result.DATA_DAMAGED, Result.NOT_APPROVED}
    else:
        # Before the holds are due.
        ward.refuses(asked, NOW)
    ward.goes_on()


# --- what is due ----------------------------------------------------------------------


def check_due(ward: Ward, damaged: set[int], aside: set[int]) -> None:
    """All that is due ends, save what is set aside; that happens once an opening."""
    pair, ledger = ward.pair, ward.pair.ledger
    ward.damage(*damaged)
    ledger = pair.ledger
    due = [hold for hold in pair.model.due if hold[1] in aside]
    for hold in due:
        pair.model.due.remove(hold)
    expected = len(pair.model.rows)
    pair.commit([], LATER)
    assert len(pair.model.rows) > expected
    assert ledger.holds_aside().tolist() == sorted(aside)
    assert set(ledger.holds().tolist()) >= aside
    assert ledger.info()["holds_set_aside"] == len(aside)
    # They are not asked about again.
    assert ledger.expiry() == 0
    pair.commit([], LATER + SECOND_NS)
    assert ledger.info()["holds_set_aside"] == len(aside)
    # Their money stays held, as it does in the model, which has not ended them.
    pair.compare_accounts()
    for again in (LATER + 2 * SECOND_NS, LATER + 3 * SECOND_NS):
        pair.reopen()
        assert pair.ledger.holds_aside().tolist() == []
        pair.commit([], again)
        assert pair.ledger.holds_aside().tolist() == sorted(aside)
    pair.compare_accounts()
    pair.one(ward.pay(), LATER + 4 * SECOND_NS)


def test_expiry_passes_over_a_damaged_hold(ward: Ward) -> None:
    sequences = ward.do(*(ward.hold() for _ in range(5)))
    ward.fill()
    check_due(ward, {sequences[0], sequences[3]}, {sequences[0], sequences[3]})


def test_expiry_passes_over_a_damaged_hold_that_is_kept(ward: Ward) -> None:
    sequences = ward.do(*(ward.hold(ward.keeping) for _ in range(3)))
    ward.fill()
    check_due(ward, {sequences[1]}, {sequences[1]})
    assert ward.pair.model.kept


@pytest.mark.parametrize("damaged", [0, 1, 3])
def test_a_basket_that_cannot_be_read_is_set_aside_whole(
    ward: Ward, damaged: int
) -> None:
    before, *basket = ward.do(ward.hold(), *ward.basket(4))
    others = ward.do(*ward.basket(3))
    assert {before, *others}.isdisjoint(basket)
    ward.fill()
    check_due(ward, {basket[damaged]}, set(basket))


def test_a_basket_of_which_some_are_resolved(ward: Ward) -> None:
    """A row that nothing depends on any more holds nobody up."""
    basket = ward.do(*ward.basket(4))
    ward.do(Row(Kind.VOID, resolves=basket[1]), ward.hold())
    ward.fill()
    check_due(ward, {basket[1]}, set())


def test_only_damage_is_due(ward: Ward) -> None:
    """Nothing is committed then, and the loop that waits for what is due can rest."""
    [sequence] = ward.do(ward.hold())
    ward.fill()
    ward.damage(sequence)
    ledger = ward.pair.ledger
    assert ledger.expiry()
    before = ledger.sequence
    ledger.commit([], LATER)
    assert (ledger.expiry(), ledger.sequence) == (0, before)
    assert ledger.holds_count == 1


# --- reading --------------------------------------------------------------------------


def test_what_is_whole_can_be_gathered(ward: Ward) -> None:
    sequences = ward.do(*(ward.hold() for _ in range(6)))
    ward.fill()
    ward.damage(sequences[2], sequences[4])
    ledger = ward.pair.ledger
    holds = ledger.holds()
    with pytest.raises(CorruptionError):
        ledger.gather(holds)
    rows, damaged = ledger.gather_whole(holds)
    assert damaged.tolist() == [sequences[2], sequences[4]]
    assert sorted([*rows["sequence"].tolist(), *damaged.tolist()]) == holds.tolist()
    rows, damaged = ledger.gather_whole(holds[:0])
    assert not len(rows)
    assert not len(damaged)


def test_requests_of_rows_and_messages_agree(ward: Ward) -> None:
    """The result is on the wire as it is in the core."""
    paid = ward.payment()
    [[done]] = ward.pair.commit([ward.message(paid)], NOW)
    ward.fill()
    ward.damage(done.sequence)
    body = wire.encode_request([paid])
    centre = ward.net.centres[0]
    [reply] = ward.pair.ledger.commit([Request.payments(body, centre, centre)], LATER)
    expected = wire.encode_reply([paid.id], [Outcome(Result.DATA_DAMAGED)])
    assert reply == expected


# --- the index ------------------------------------------------------------------------


def damage_runs(ward: Ward, map_number: int) -> None:
    """Flip a bit in every page of one map's runs, of what its keys begin with."""
    ward.pair.close()
    for key, value in items(ward.pair.path, "index", "runs"):
        if key[0] == map_number and int.from_bytes(key[9:], "big") < FILTERS:
            ends = struct.unpack_from(f"<{BLOCK_PAGES}H", value)
            first = BLOCK_HEAD
            for end in filter(None, ends):
                flip(ward.pair.path, "index", value[first : 8 * end], 8 * 9)
                first = 8 * end
            assert first == len(value)
    ward.pair.reopen()
    ward.pair.compare_accounts()


def test_damaged_ids_in_the_index(ward: Ward) -> None:
    """A new id is refused only where a filter takes it for one of a damaged page."""
    paid = ward.payment()
    ward.pair.commit([ward.message(paid)], NOW)
    ward.fill()
    damage_runs(ward, IDS)
    ward.refuses(ward.message(paid))
    served = 0
    for ask in [ward.message(ward.payment()) for _ in range(NEW_IDS)]:
        [outcomes] = ward.send(ask)
        if outcomes == [Outcome(Result.DATA_DAMAGED)]:
            continue
        assert [outcomes] == ward.pair.model.commit([ask], LATER)
        served += 1
    assert served >= NEW_IDS * 9 // 10
    ward.pair.compare_all([ward.pair.ledger.sequence])


def test_damaged_claims_in_the_index(ward: Ward) -> None:
    """What releases a claim cannot be done, what has none can; so with an expiry, as
    that releases none.
    """
    first = ward.pay(DuplicateRule.ONCE)
    ward.do(first)
    second = ward.pay(DuplicateRule.ONCE)
    second.reference = first.reference
    free = ward.hold(ward.free)
    claiming = ward.hold()
    holds = ward.do(claiming, free)
    ward.fill()
    damage_runs(ward, CLAIMS)
    ward.refuses(Rows([second]), NOW)
    ward.pair.commit([], LATER)
    assert ward.pair.ledger.holds().tolist() == []
    biller = ward.net.services[free.service - 1].biller
    no_credit = [
        Answers([Said(sequence, hold.id, confirmed=False)], biller)
        for sequence, hold in zip(holds, (claiming, free), strict=True)
    ]
    ward.refuses(no_credit[0])
    [[verified]] = ward.pair.commit(no_credit[1:], LATER)
    assert verified.result == Result.OK
    assert ward.pair.ledger.unverified().tolist() == holds[:1]
    ward.pair.compare_all()


def test_damaged_links_in_the_index(ward: Ward) -> None:
    hold = ward.hold()
    [held] = ward.do(hold)
    ward.do(Row(Kind.POST, resolves=held, amount=AMOUNT))
    ward.fill()
    damage_runs(ward, LINKS)
    ward.refuses(Rows([hold]), NOW)
    ward.refuses(Rows([Row(Kind.VOID, resolves=held)]), NOW)
    ward.goes_on()
