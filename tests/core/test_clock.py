"""Goal: time is what the committer says, and never goes back.

Method: commits at times of our choosing; every row's timestamp is stated.
"""

from switch.codes import Kind, Result
from tests.core.network import NOW, Network, top_up
from tests.core.pair import Pair
from tests.model import Rows
from tests.records import LimitRecord, Row

SECOND_NS = 10**9
MIDNIGHT = 1_774_031_400 * SECOND_NS  # 21 March 2026, 00:00 IST


def credit(net: Network, number: int) -> Row:
    return top_up(net, net.wallets[0], 100, b"CLOCK %d" % number)


def test_rows_are_later_than_the_row_before(pair: Pair, network: Network) -> None:
    last = pair.ledger.timestamp
    later = last + SECOND_NS
    for number, (now, expected) in enumerate(
        (
            (later, later),
            (later, later + 1),
            (later - 5, later + 2),
            (0, later + 3),
            (later + 3, later + 4),
            (later + 9, later + 9),
        )
    ):
        outcome = pair.one(credit(network, number), now)
        assert outcome.timestamp == expected == pair.ledger.timestamp


def test_rows_of_a_group_are_a_nanosecond_apart(pair: Pair, network: Network) -> None:
    now = NOW + SECOND_NS
    rows = [credit(network, number) for number in range(5)]
    outcomes = pair.commit([Rows(rows[:2]), Rows(rows[2:])], now)
    times = [outcome.timestamp for reply in outcomes for outcome in reply]
    assert times == [now + number for number in range(5)]


def test_a_clock_that_went_back_is_not_seen(pair: Pair, network: Network) -> None:
    pair.one(credit(network, 1), NOW + 3_600 * SECOND_NS)
    pair.reopen()
    outcome = pair.one(credit(network, 2), NOW)
    assert outcome.timestamp == NOW + 3_600 * SECOND_NS + 1
    pair.compare_all()


def test_a_hold_expires_at_its_second_and_not_before(
    pair: Pair, network: Network
) -> None:
    hold = Row(
        Kind.HOLD,
        id=b"h" * 16,
        amount=100,
        reference=b"BILL",
        debit=network.wallets[0],
        service=network.great_service,
        participant=network.harness,
        deadline=60,
    )
    held = pair.one(hold, NOW + SECOND_NS)
    due = held.timestamp + 60 * SECOND_NS
    assert pair.ledger.expiry() == due
    pair.commit([], due - 1)
    assert pair.ledger.holds_count == 1
    pair.commit([], due)
    assert pair.ledger.holds_count == 0
    assert pair.ledger.expiry() == 0
    expiry = pair.model.rows[-1]
    assert (expiry.kind, expiry.timestamp) == (Kind.EXPIRE, due)
    late = pair.one(Row(Kind.POST, resolves=held.sequence, amount=100), due)
    assert late.result == Result.ALREADY_EXPIRED


def test_an_empty_group_writes_nothing(pair: Pair) -> None:
    sequence, timestamp = pair.ledger.sequence, pair.ledger.timestamp
    assert pair.ledger.commit([], NOW + SECOND_NS) == []
    assert (pair.ledger.sequence, pair.ledger.timestamp) == (sequence, timestamp)


def test_a_basket_over_midnight_counts_each_payment_on_its_day(
    pair: Pair, network: Network
) -> None:
    wallet = network.wallets[0]
    limit = Row(Kind.LIMIT, id=b"l" * 16, debit=wallet)
    limit.tail = LimitRecord(day_count_max=1).pack()
    pair.one(limit, NOW)
    rows = [
        Row(
            Kind.PAY,
            id=bytes([place + 1]) * 16,
            amount=100,
            reference=b"BILL %d" % place,
            debit=wallet,
            service=network.great_service,
            participant=network.harness,
            basket=0x0200 | place,
        )
        for place in range(2)
    ]
    # The first is paid in the last nanosecond of a day, the second in the next day.
    outcomes = pair.commit([Rows(rows)], MIDNIGHT - 1)[0]
    assert [outcome.result for outcome in outcomes] == [Result.OK, Result.OK]
