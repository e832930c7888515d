"""Goal: no centre alone holds so much that a biller is closed to the others.

Method: a small market driven by hand, with a bound for the open holds of a wallet. Core
and model answer each request and row; what matters is stated here as well.
"""

from dataclasses import replace

import pytest

from switch.codes import Field, Kind, Result
from tests.core.market import CONFIRMED, DEADLINE_S, OPEN, Market
from tests.records import Outcome, Payment, Row

MOST = 20


@pytest.fixture
def market(market: Market) -> Market:
    market.service(b"HELD", **OPEN, **CONFIRMED)
    market.service(b"PAID", **OPEN)
    market.service(b"MORE", biller=1, **OPEN, **CONFIRMED)
    market.pair.limit_holds(MOST)
    return market


def payments(market: Market, count: int, service: int = 1) -> list[Payment]:
    return [payment(market, service) for _ in range(count)]


def payment(market: Market, service: int = 1) -> Payment:
    return market.plain(service, b"R", 100)


def results(outcomes: list[Outcome]) -> list[int]:
    return [one.result for one in outcomes]


def is_turned_away(outcome: Outcome) -> bool:
    return outcome == Outcome(Result.BILLER_BUSY, field=Field.DEBIT)


def test_one_wallet_is_turned_away_alone(market: Market) -> None:
    rows = len(market.model.rows)
    # Also within one message, and whichever biller the holds are for.
    held = market.send(*payments(market, MOST - 1), *payments(market, 1, 3))
    assert results(held) == [Result.OK] * MOST
    late = payments(market, 3)
    before = market.pair.ledger.holds_turned_away
    assert all(map(is_turned_away, market.send(*late)))
    assert market.pair.ledger.holds_turned_away == before + 3
    assert len(market.model.rows) == rows + MOST
    # What is not held needs no room, and other centres have theirs.
    assert market.one(market.plain(2, b"R", 100)).result == Result.OK
    assert results(market.send(*payments(market, MOST), centre=1)) == [Result.OK] * MOST
    # Its id stayed free, and what ends makes room for one.
    market.answer(held[0])
    assert market.one(late[0]).result == Result.OK
    assert is_turned_away(market.one(late[1]))
    market.answer(held[1], confirmed=False)
    assert market.one(late[1]).result == Result.OK
    market.wait(DEADLINE_S + 1)
    assert market.one(late[2]).result == Result.OK


def test_what_is_known_has_its_answer(market: Market) -> None:
    sent = payments(market, MOST)
    held = market.send(*sent)
    again = market.send(*sent)
    assert [one.sequence for one in again] == [one.sequence for one in held]
    assert market.one(replace(sent[0], amount=200)).result == Result.ID_REUSED


def test_a_basket_has_room_for_all_or_none(market: Market) -> None:
    market.send(*payments(market, MOST - 3))
    basket = payments(market, 4)
    assert all(map(is_turned_away, market.basket(*basket)))
    # They are not left out one by one: three would have had room.
    assert results(market.basket(*payments(market, 3))) == [Result.OK] * 3
    assert all(map(is_turned_away, market.basket(*payments(market, 2))))
    # Direct ones are not held.
    assert results(market.basket(*payments(market, 16, 2))) == [Result.OK] * 16


def test_one_biller_is_closed_alone(market: Market) -> None:
    """Exactly, also within one message; what ends makes room."""
    biller, _ = market.billers[0]
    market.pair.limit_holds(0)
    market.pair.limit_biller(biller, MOST)
    before = market.pair.ledger.billers_turned_away
    held = market.send(*payments(market, MOST - 1))
    late = payments(market, 3)
    told = market.send(*late)
    assert results(told) == [Result.OK, Result.BILLER_BUSY, Result.BILLER_BUSY]
    assert not told[1].field
    assert market.pair.ledger.billers_turned_away == before + 2
    assert results(market.basket(*payments(market, 2))) == [Result.BILLER_BUSY] * 2
    # Another's payments, and those that nobody has to confirm.
    assert market.one(payment(market, 3)).result == Result.OK
    assert market.one(market.plain(2, b"R", 100)).result == Result.OK
    # A known id has its answer, and what ends makes room for one.
    assert market.one(late[0]).sequence == told[0].sequence
    market.answer(held[0])
    assert market.one(late[1]).result == Result.OK
    market.answer(held[1], confirmed=False)
    assert market.one(late[2]).result == Result.OK
    assert market.one(payment(market)).result == Result.BILLER_BUSY


def test_what_waits_for_a_biller_is_known_when_the_ledger_is_opened(
    market: Market,
) -> None:
    biller, _ = market.billers[0]
    held = market.send(*payments(market, MOST))
    for without_index in (False, True):
        market.pair.reopen(without_index=without_index)
        market.pair.limit_biller(biller, MOST)
        assert market.one(payment(market)).result == Result.BILLER_BUSY
    market.answer(held[0])
    assert market.one(payment(market)).result == Result.OK
    assert market.one(payment(market)).result == Result.BILLER_BUSY
    market.wait(DEADLINE_S + 1)
    assert results(market.send(*payments(market, MOST))) == [Result.OK] * MOST
    with pytest.raises(LookupError):
        market.pair.ledger.limit_biller(0, 1)


def test_a_full_queue_is_told_first(market: Market) -> None:
    market.send(*payments(market, MOST))
    biller, _ = market.billers[0]
    market.pair.turn_away(biller, busy=True)
    assert market.one(payment(market)) == Outcome(Result.BILLER_BUSY)
    assert is_turned_away(market.one(payment(market, 3)))


def test_who_writes_rows_is_trusted_and_nothing_is_kept(market: Market) -> None:
    held = market.send(*payments(market, MOST))
    hold = Row(Kind.HOLD, id=market.id(), amount=100, debit=market.net.wallets[0])
    hold.service, hold.reference, hold.deadline = 1, b"T", DEADLINE_S
    hold.participant = market.net.centres[0]
    assert market.pair.one(hold, market.tick()).result == Result.OK
    market.pair.limit_holds(0)
    assert market.one(payment(market)).result == Result.OK
    market.pair.limit_holds(MOST)
    assert is_turned_away(market.one(payment(market)))
    # As it is for every opening to be told what was told before.
    market.reopen()
    assert market.one(payment(market)).result == Result.OK
    market.pair.limit_holds(MOST)
    assert is_turned_away(market.one(payment(market)))
    assert market.answer(held[0]).result == Result.OK
