"""Goal: statements, states and feeds are right for everything that money can do.

Method: one wallet goes through payments, holds that are posted, released and expire,
refunds and top-ups; each line is compared with the ledger's own balance at that row.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from switch._core import Ledger, Rows
from switch.codes import AmountRule, DuplicateRule, Kind, Mode, Policy, Result, Role
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.feed import Page, read_feed, sorted_accounts
from switch.ledger.filtered import Filter, list_filtered
from switch.ledger.statements import (
    PaymentState,
    find_payment,
    statement,
)
from switch.ledger.templates import Templates
from switch.register.load import (
    PURPOSE_FLOAT,
    ParticipantSpec,
    Register,
    ServiceSpec,
    committing,
    load_network,
)
from tests.people import outcome_of, refund_moves

HEADS = ("H:1", "H:2")
START_NS = 1_773_500_000 * 10**9
MAP_SIZE = 1 << 30


class Story:
    """A ledger with one centre, and the ids and sequences of what it did."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.register = Register(ledger)
        self.now = START_NS
        participants = [
            ParticipantSpec(id="bsk-1", role=Role.CENTRE, may_state_dues=True),
            ParticipantSpec(
                id="power", role=Role.BILLER, heads=HEADS, never_credits_late=True
            ),
        ]
        rules = (AmountRule.ANY, Mode.DIRECT, DuplicateRule.NONE)
        services = [
            ServiceSpec(
                code=f"S{at}",
                biller="power",
                heads=(head,),
                amount_rule=rules[0],
                mode=rules[1],
                duplicate_rule=rules[2],
                deadline_policy=Policy.RELEASE,
            )
            for at, head in enumerate(HEADS, 1)
        ]
        load_network(self.register, committing(ledger), participants, services)
        self.now = ledger.timestamp
        centre = self.register.find_participant("bsk-1")
        wallet = self.register.find_wallet("bsk-1")
        assert centre is not None
        assert wallet is not None
        self.centre = centre.index
        self.wallet = wallet.index
        self.do(
            moves.top_up(
                new_id(),
                self.register.treasury_account(PURPOSE_FLOAT).index,
                self.wallet,
                100_000,
                "UTR-1",
                sender=1,
            )
        )

    def do(self, move: Templates, result: Result = Result.OK) -> int:
        self.now += 10**9
        [reply] = self.ledger.commit([move.request()], self.now)
        outcome = outcome_of(cast("Rows", reply))
        assert outcome["result"] == result
        return int(outcome["sequence"])

    def pay(self, amount: int, service: int = 1) -> tuple[bytes, int]:
        id_ = new_id()
        move = moves.pay(id_, self.wallet, service, amount, "R", sender=self.centre)
        return id_, self.do(move)

    def hold(self, amount: int, deadline_s: int = 3_600) -> tuple[bytes, int]:
        id_ = new_id()
        move = moves.hold(
            id_, self.wallet, 1, amount, "R", deadline_s, sender=self.centre
        )
        return id_, self.do(move)

    def refund(self, payment: int, amount: int) -> int:
        return self.do(refund_moves(self.ledger, payment, amount))

    def state(self, id_: bytes) -> PaymentState:
        found = find_payment(self.ledger, self.centre, id_)
        assert found is not None
        return found.state


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with Ledger(str(tmp_path), map_size=MAP_SIZE, reserve_size=0) as ledger:
        yield Story(ledger)


def live(story: Story) -> None:
    """Everything that can happen to a wallet."""
    story.pay(1_000)
    _, paid = story.pay(2_000, 2)
    _, one = story.hold(3_000)
    _, two = story.hold(4_000)
    _, three = story.hold(5_000, deadline_s=60)
    story.do(moves.post(one, 2_500))
    story.pay(10)
    story.do(moves.void(two))
    story.refund(paid, 700)
    story.now += 61 * 10**9
    story.ledger.commit([], story.now)
    assert story.ledger.resolution(three)[0]
    story.refund(paid, 1_300)
    story.pay(20)


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_each_line_is_the_ledgers_own_balance(story: Story, size: int) -> None:
    live(story)
    lines = []
    before = 0
    while True:
        page, before = statement(story.ledger, story.wallet, before, size)
        assert len(page) <= size
        lines += page
        if not before:
            break
    assert len(lines) == 13
    for line in lines:
        sequence = line.entry.sequence
        pending, debits, _, credited = story.ledger.balance_at(story.wallet, sequence)
        assert (line.balance, line.pending) == (credited - debits, pending)
    changes = [line.change for line in reversed(lines)]
    assert changes == [
        100_000, -1_000, -2_000, 0, 0, 0, -2_500, -10, 0, 700, 0, 1_300, -20
    ]  # fmt: skip
    assert lines[0].pending == 0


def test_an_account_without_entries(story: Story) -> None:
    power = story.register.find_head("power", "H:2")
    assert power is not None
    assert statement(story.ledger, power.index, 0, 10) == ([], 0)
    assert list_filtered(story.ledger, power.index, Filter(), 0, 10) == ([], 0)


def test_states(story: Story) -> None:
    paid_id, paid = story.pay(100)
    assert story.state(paid_id) is PaymentState.COMPLETED
    story.refund(paid, 1)
    assert story.state(paid_id) is PaymentState.REFUNDED
    posted_id, posted = story.hold(100)
    assert story.state(posted_id) is PaymentState.HELD
    post = story.do(moves.post(posted, 60))
    found = find_payment(story.ledger, story.centre, posted_id)
    assert found is not None
    assert found.state is PaymentState.COMPLETED
    assert found.resolution is not None
    assert found.resolution.sequence == post
    story.refund(post, 5)
    found = find_payment(story.ledger, story.centre, posted_id)
    assert found is not None
    assert (found.state, found.refunded) == (PaymentState.REFUNDED, 5)
    voided_id, voided = story.hold(100)
    story.do(moves.void(voided))
    assert story.state(voided_id) is PaymentState.REVERSED
    expired_id, _ = story.hold(100, deadline_s=1)
    story.now += 2 * 10**9
    story.ledger.commit([], story.now)
    assert story.state(expired_id) is PaymentState.UNVERIFIED
    refused_id = new_id()
    move = moves.pay(refused_id, story.wallet, 1, 10**15, "R", sender=story.centre)
    story.do(move, Result.INSUFFICIENT_FUNDS)
    assert story.state(refused_id) is PaymentState.REFUSED


def test_other_ids_are_no_payments(story: Story) -> None:
    _, paid = story.pay(100)
    refund_id = story.ledger.row(story.refund(paid, 1)).id
    assert find_payment(story.ledger, 1, refund_id) is None
    assert find_payment(story.ledger, story.centre, new_id()) is None


def test_several_entries_are_found_at_once(story: Story) -> None:
    ledger, own = story.ledger, story.wallet
    paid_id, paid = story.pay(100)
    refund = story.refund(paid, 1)
    held_id, held = story.hold(100)
    asked: list[tuple[int, bytes, int | None]] = [
        (story.centre, one, own) for one in (new_id(), held_id, paid_id)
    ]
    strange = (story.centre, paid_id, own + 1)
    found = ledger.find_entries([*asked, strange, (story.centre, paid_id, None)])
    missing, later, first, others, same = found
    assert missing is None
    assert later == (ledger.row(held), 0, 0)
    assert first == same == (ledger.row(paid), refund, 1)
    assert others is None
    assert ledger.find_entries([]) == []
    assert ledger.find_entries(64 * asked[:1]) == [None] * 64
    with pytest.raises(ValueError, match="at most 64"):
        ledger.find_entries(65 * asked[:1])
    with pytest.raises(ValueError, match="16 bytes"):
        ledger.find_entries([asked[0], (story.centre, b"short", None)])


@pytest.mark.parametrize("size", [1, 2, 3, 1_000])
def test_payments_of_a_wallet(story: Story, size: int) -> None:
    live(story)
    found = []
    before = 0
    while True:
        page, before = list_filtered(story.ledger, story.wallet, Filter(), before, size)
        found += [one.entry.sequence for one in page]
        if not before:
            break
        assert len(page) == size
    rows = story.ledger.rows(1, 1_000)
    wanted = [
        int(row["sequence"])
        for row in rows
        if row["kind"] in (Kind.PAY, Kind.HOLD) and row["result"] == Result.OK
    ]
    assert found == wanted[::-1]


@pytest.mark.parametrize("page_max", [1, 2, 1_000])
def test_a_feed_has_every_entry_of_its_accounts(story: Story, page_max: int) -> None:
    live(story)
    head = story.register.find_head("power", "H:1")
    assert head is not None
    rows = story.ledger.rows(1, 1_000)
    wanted = [
        int(row["sequence"])
        for row in rows
        if row["kind"] in range(Kind.PAY, Kind.REFUND + 1)
        and row["result"] == Result.OK
        and head.index in (row["debit"], row["credit"])
    ]
    seen: list[int] = []
    cursor = 0
    pages: list[Page] = []
    accounts = sorted_accounts([head.index])
    while step := read_feed(story.ledger, accounts, cursor, page_max):
        pages += step
        cursor = step[-1].cursor
    for page in pages:
        assert len(page.events) <= page_max
        seen += page.events["sequence"].tolist()
    assert seen == wanted
    assert cursor == story.ledger.sequence
    # Every cursor that was given continues exactly after its page.
    for at, page in enumerate(pages):
        rest = [
            int(one) for later in pages[at + 1 :] for one in later.events["sequence"]
        ]
        again: list[int] = []
        cursor = page.cursor
        while step := read_feed(story.ledger, accounts, cursor, page_max):
            again += [int(one) for p in step for one in p.events["sequence"]]
            cursor = step[-1].cursor
        assert again == rest
    assert read_feed(story.ledger, sorted_accounts([]), 0, 10)[-1].cursor == cursor
