"""Goal: what one participant has refused does not fill the disk, and costs nobody else.

Method: a small market driven by hand and at random, with a bound for the refusals of a
role. Core and model answer each request and row; what matters is stated here as well.
"""

import random

import pytest

from switch.codes import Result, Role
from tests.core.market import FUNDS, OPEN, SECOND_NS, Market
from tests.core.network import top_up
from tests.records import Outcome, Payment

AT_ONCE = 20
PER_S = 2
LEAST = 100


@pytest.fixture
def market(market: Market) -> Market:
    market.service(b"PAID", **OPEN)
    market.pair.limit_refusals(Role.CENTRE, PER_S, AT_ONCE)
    return market


def refused(market: Market, count: int = 1) -> list[Payment]:
    """Payments of less than the service takes."""
    return [market.plain(1, b"R", LEAST - 1) for _ in range(count)]


def good(market: Market) -> Payment:
    return market.plain(1, b"R", LEAST)


def results(outcomes: list[Outcome]) -> list[int]:
    return [one.result for one in outcomes]


TOO_LOW = Result.AMOUNT_BELOW_MINIMUM
SPENT = Outcome(Result.TOO_MANY_REFUSALS)


def test_beyond_the_bound_nothing_is_recorded(market: Market) -> None:
    first = len(market.model.rows)
    sent = refused(market, AT_ONCE + 5)
    told = market.send(*sent)
    assert results(told[:AT_ONCE]) == [TOO_LOW] * AT_ONCE
    assert told[AT_ONCE:] == [SPENT] * 5
    assert len(market.model.rows) == first + AT_ONCE
    assert market.pair.ledger.refusals_turned_away == 5
    # Beside them, and in the very message, what can be paid is.
    mixed = market.send(*refused(market, 4), good(market), *refused(market))
    assert mixed[4].result == Result.OK
    assert mixed[-1] == SPENT
    # Other centres have theirs.
    assert results(market.send(*refused(market, 3), centre=1)) == [TOO_LOW] * 3


def test_what_is_known_has_its_answer(market: Market) -> None:
    sent = refused(market, AT_ONCE)
    told = market.send(*sent)
    assert market.send(*refused(market, 3))[-1] == SPENT
    again = market.send(*sent)
    assert [one.sequence for one in again] == [one.sequence for one in told]


def test_its_id_stays_free_and_time_gives_room(market: Market) -> None:
    market.send(*refused(market, AT_ONCE))
    [late] = refused(market)
    # As much as a second brings has been used by the time of the next message.
    market.send(*refused(market, PER_S))
    assert market.send(*refused(market, PER_S), late)[-1] == SPENT
    assert market.one(late).result == TOO_LOW
    again = market.one(late)
    assert again.repeat
    # All of it is back after its time, and not more than that.
    market.tick(60 * SECOND_NS)
    told = results(market.send(*refused(market, AT_ONCE + 1)))
    assert told == [TOO_LOW] * AT_ONCE + [Result.TOO_MANY_REFUSALS]


def test_a_basket_has_room_for_all_or_none(market: Market) -> None:
    market.send(*refused(market, AT_ONCE - 1))
    rows = len(market.model.rows)
    # By its time two more have room, which makes three.
    basket = [*refused(market), *(good(market) for _ in range(3))]
    assert market.basket(*basket) == [SPENT] * 4
    assert len(market.model.rows) == rows
    # Nothing of it was taken: the wallet has all its money, and the ids are free.
    assert market.model.accounts[market.net.wallets[0]].balance == FUNDS
    market.tick(SECOND_NS)
    told = results(market.basket(*basket))
    assert told == [TOO_LOW, *[Result.BASKET_FAILED] * 3]
    assert results(market.basket(*(good(market) for _ in range(4)))) == [Result.OK] * 4


def test_moves_of_a_treasury_have_a_bound_as_well(market: Market) -> None:
    market.pair.limit_refusals(Role.TREASURY, 1, 16)
    rows = len(market.model.rows)
    for _ in range(40):
        move = top_up(market.net, market.net.float_, 5, b"UTR")
        move.id = market.id()
        answer = market.pair.one(move, market.tick(SECOND_NS // 10))
        assert answer.result in (Result.ACCOUNT_KIND_WRONG, SPENT.result)
    # The first sixteen, and one a second.
    assert len(market.model.rows) == rows + 16 + 3
    move = top_up(market.net, market.net.wallets[0], 5, b"UTR-NEW")
    move.id = market.id()
    assert market.pair.one(move, market.tick()).result == Result.OK


def test_no_bound_is_kept_over_an_opening(market: Market) -> None:
    market.send(*refused(market, AT_ONCE))
    market.reopen()
    assert results(market.send(*refused(market, 50))) == [TOO_LOW] * 50
    market.pair.limit_refusals(Role.CENTRE, PER_S, AT_ONCE)
    told = results(market.send(*refused(market, 50)))
    assert told.count(TOO_LOW) == AT_ONCE
    market.pair.limit_refusals(Role.CENTRE, 0, 0)
    assert results(market.send(*refused(market, 50))) == [TOO_LOW] * 50


def test_bounds_that_cannot_be_are_refused(market: Market) -> None:
    ledger = market.pair.ledger
    for role, per_second, at_once in ((1, 1, 15), (1, 1_000_001, 16)):
        with pytest.raises(ValueError, match="refusals"):
            ledger.limit_refusals(role, per_second, at_once)
    for role in (0, max(Role) + 1):
        with pytest.raises(LookupError):
            ledger.limit_refusals(role, 1, 16)


@pytest.mark.parametrize("seed", range(4))
def test_at_random_the_core_does_as_the_model(market: Market, seed: int) -> None:
    """Refused, good, repeated and joined payments of three centres in uneven time."""
    rng = random.Random(seed)
    market.pair.limit_refusals(Role.CENTRE, 1, 16)
    sent: list[tuple[int, Payment]] = []
    turned_away = 0
    for _ in range(150):
        centre = rng.randrange(3)
        made = [
            rng.choice((good(market), *refused(market, 2)))
            for _ in range(rng.randint(2, 16))
        ]
        sent += [(centre, one) for one in made]
        again = [one for owner, one in rng.sample(sent, 2) if owner == centre]
        if rng.random() < 0.3:
            told = market.basket(*made, centre=centre)
        else:
            told = market.send(*made, *again, centre=centre)
        turned_away += results(told).count(Result.TOO_MANY_REFUSALS)
        market.tick(rng.choice((1, SECOND_NS // 3, 2 * SECOND_NS)))
    assert market.pair.ledger.refusals_turned_away == turned_away > 50
