"""Goal: a third person is needed for the money that moves, whatever a proposal states.

Method: by hand: kept payments, alone and in a basket, whose posts and voids state one
paisa; each threshold at its bound and one paisa above it, out of the index too.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import Kind, Mode, Policy, Result, RowFlag
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    CENTRE,
    GAMMA,
    HEAD,
    MAKER,
    OK,
    SECOND_NS,
    WALLET,
    Asked,
    Council,
    no_row,
    register,
    top_up,
)
from tests.records import Row, ServiceRecord
from tests.signing import ThresholdsRecord

HELD = 500
"""Paise of each kept payment."""
MOST = 10**15
DEADLINE_S = 3_600


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    made = Council(tmp_path / "ledger").begin(GAMMA, MAKER)
    records = [
        ServiceRecord(
            code,
            BILLER,
            (HEAD,),
            mode=Mode.CONFIRMED,
            deadline_policy=policy,
            deadline_s=DEADLINE_S,
        )
        for code, policy in ((b"WATER", Policy.KEEP), (b"LIGHT", Policy.RELEASE))
    ]
    made.do(top_up(100_000, b"UTR"), *(register(each.pack()) for each in records))
    yield made
    made.close()


def kept(council: Council, count: int = 1) -> list[int]:
    """Payments of HELD each, in one basket if there are several, that were kept."""
    holds = past_deadline(council, count, service=1)
    image, _ = council.ledger.account(WALLET)
    assert int(image["kept_count"]) >= count
    return holds


def past_deadline(council: Council, count: int, *, service: int) -> list[int]:
    """Such payments, of a service, whose deadline has passed."""
    rows = [
        council.row(
            Kind.HOLD,
            participant=CENTRE,
            amount=HELD,
            total=HELD,
            debit=WALLET,
            service=service,
            reference=b"BILL-%d" % index,
            basket=count << 8 | index if count > 1 else 0,
            deadline=DEADLINE_S,
        )
        for index in range(count)
    ]
    outcomes = council.commit(*rows)
    assert {outcome.result for outcome in outcomes} == {OK}, outcomes
    holds = [outcome.sequence for outcome in outcomes]
    council.now += DEADLINE_S * SECOND_NS
    council.ledger.commit([], council.now)
    return holds


def thresholds(council: Council, single: int, batch: int, day: int) -> None:
    council.do(register(ThresholdsRecord(single, batch, day).pack()))


def propose(council: Council, kind: int, hold: int, amount: int = 1) -> Asked:
    """What is to become of a kept payment, as the maker states it."""
    row = council.row(
        Kind.PROPOSE,
        who=MAKER,
        total=kind,
        resolves=hold,
        amount=amount,
        reference=b"not known",
    )
    [outcome] = council.commit(row)
    assert outcome.result == OK
    return Asked(row, outcome.sequence, MAKER)


def needs_third(council: Council, asked: Asked) -> bool:
    return bool(council.ledger.row(asked.sequence).flags & RowFlag.THIRD)


@pytest.mark.parametrize("kind", [Kind.POST, Kind.VOID])
@pytest.mark.parametrize("bound", ["single", "batch", "day"])
@pytest.mark.parametrize("count", [1, 3])
def test_what_moves_is_judged(
    council: Council, kind: Kind, bound: str, count: int
) -> None:
    hold, *_ = kept(council, count)
    # A post ends its own hold alone, a void all of the basket.
    stake = HELD * count if kind == Kind.VOID else HELD
    most = {"single": MOST, "batch": MOST, "day": MOST}
    thresholds(council, **{**most, bound: stake})
    if bound == "day":
        council.now += 86_400 * SECOND_NS
    assert not needs_third(council, propose(council, kind, hold))
    council.catch_up()
    council.reopen()
    if bound == "day":
        # One paisa more on that day, whatever it is of.
        assert needs_third(council, council.propose(MAKER, top_up(1, b"MORE")))
        return
    changed = council.propose(
        ALPHA, register(ThresholdsRecord(**{**most, bound: stake - 1}).pack())
    )
    last = council.have_approved(changed)
    assert council.lines(changed, 1, last)[0].result == OK
    assert needs_third(council, propose(council, kind, hold))


def test_each_of_a_basket_weighs_as_much(council: Council) -> None:
    holds = kept(council, 3)
    thresholds(council, 3 * HELD - 1, MOST, MOST)
    for hold in holds:
        assert needs_third(council, propose(council, Kind.VOID, hold))
        assert not needs_third(council, propose(council, Kind.POST, hold))


@pytest.mark.parametrize("count", [1, 3])
def test_a_verify_weighs_what_it_has_handed_out(council: Council, count: int) -> None:
    """It states what it likes, and the cash of all of its basket may go out by it."""
    for hold in past_deadline(council, count, service=2):
        assert (
            council.ledger.row(council.ledger.resolution(hold)[0]).kind == Kind.EXPIRE
        )
        asked = propose(council, Kind.VERIFY, hold)
        assert not needs_third(council, asked)
    thresholds(council, HELD * count, MOST, MOST)
    assert not needs_third(council, propose(council, Kind.VERIFY, hold))
    lower = ThresholdsRecord(HELD * count - 1, MOST, MOST)
    changed = council.propose(ALPHA, register(lower.pack()))
    last = council.have_approved(changed)
    assert council.lines(changed, 1, last)[0].result == OK
    assert needs_third(council, propose(council, Kind.VERIFY, hold))


def test_a_post_of_one_paisa_waits_for_the_third(council: Council) -> None:
    """The rest would go back to the wallet by two people's word."""
    [hold] = kept(council)
    thresholds(council, HELD - 1, MOST, MOST)
    asked = propose(council, Kind.POST, hold)
    assert council.approve(BETA, asked).result == OK
    post = Row(
        Kind.POST,
        amount=1,
        resolves=hold,
        participant=ALPHA.participant,
        checker=BETA.participant,
        total=asked.sequence,
    )
    no_row(council, council.commit(post)[0], Result.NOT_APPROVED)
    assert council.approve(ALPHA, asked).result == OK
    post.checker = ALPHA.participant
    assert council.commit(post)[0].result == OK
    image, _ = council.ledger.account(WALLET)
    assert int(image["debits_pending"]) == 0


def test_what_moves_nothing_else_is_judged_by_its_amount(council: Council) -> None:
    """A refund moves what it states, and no more."""
    [hold] = kept(council)
    thresholds(council, MOST, MOST, MOST)
    whole = propose(council, Kind.POST, hold, HELD)
    assert council.approve(BETA, whole).result == OK
    post = Row(
        Kind.POST,
        amount=HELD,
        resolves=hold,
        participant=ALPHA.participant,
        checker=BETA.participant,
        total=whole.sequence,
    )
    [paid] = council.commit(post)
    assert paid.result == OK
    changed = council.propose(ALPHA, register(ThresholdsRecord(100, MOST, MOST).pack()))
    last = council.have_approved(changed)
    assert council.lines(changed, 1, last)[0].result == OK
    for amount, third in ((100, False), (101, True)):
        asked = propose(council, Kind.REFUND, paid.sequence, amount)
        assert needs_third(council, asked) is third
