"""Goal: a wallet's payments that fit a filter are all found, once each, in their order,
whatever the size of a page; and no page looks at more than it says.

Method: a ledger in which everything happens to a wallet, some of it refused; filters
drawn at random beside the same asked of every row by hand. Blocks and bounds are made
so small that pages end for each reason.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch._core import Ledger
from switch.codes import Kind, Result
from switch.entries import Entry
from switch.ledger import filtered, moves
from switch.ledger.filtered import Filter, list_filtered
from switch.ledger.statements import Payment, payment_of
from switch.payment_states import PaymentState
from tests.ledger.test_statements import MAP_SIZE, Story, live

STATES = [
    *(PaymentState.NONE, PaymentState.COMPLETED, PaymentState.REFUNDED),
    *(PaymentState.HELD, PaymentState.UNKNOWN, PaymentState.REVERSED),
    *(PaymentState.EXPIRED, PaymentState.UNVERIFIED, PaymentState.REFUSED),
]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    directory: Path = tmp_path_factory.mktemp("filtered")
    with Ledger(str(directory), map_size=MAP_SIZE, reserve_size=0) as ledger:
        one = Story(ledger)
        for _ in range(3):
            live(one)
            refuse(one, 10**9)
            one.hold(77)
        yield one


def refuse(story: Story, amount: int) -> None:
    """More than the wallet has."""
    move = moves.pay(
        random.randbytes(16), story.wallet, 1, amount, "R", sender=story.centre
    )
    story.do(move, Result.INSUFFICIENT_FUNDS)


def every(story: Story) -> list[Payment]:
    """Every payment of the wallet, newest first, row by row."""
    ledger = story.ledger
    found = []
    for sequence in range(ledger.sequence, 0, -1):
        entry: Entry = ledger.row(sequence)
        if entry.kind in (Kind.PAY, Kind.HOLD) and entry.debit == story.wallet:
            payment = payment_of(ledger, entry)
            assert payment is not None
            found.append(payment)
    return found


def by_hand(one: Payment, wanted: Filter) -> bool:
    entry = one.entry
    held = (PaymentState.HELD, PaymentState.UNKNOWN)
    state = PaymentState.HELD if wanted.state in held else wanted.state
    if entry.result != Result.OK and not (
        wanted.with_refused or state is PaymentState.REFUSED
    ):
        return False
    return (
        (state is PaymentState.NONE or one.state is state)
        and entry.timestamp >= wanted.from_ns
        and (not wanted.to_ns or entry.timestamp < wanted.to_ns)
        and entry.amount >= wanted.amount_min
        and (not wanted.amount_max or entry.amount <= wanted.amount_max)
        and wanted.service in (0, entry.service)
        and wanted.operator in (0, entry.operator)
    )


def pages(story: Story, wanted: Filter, size: int) -> tuple[list[int], int]:
    """Sequences of all pages, and how many pages were empty."""
    found: list[int] = []
    empty = before = 0
    for _ in range(10_000):
        page = list_filtered(story.ledger, story.wallet, wanted, before, size)
        assert len(page.payments) <= size
        empty += not page.payments
        found += [one.entry.sequence for one in page.payments]
        assert not before or page.following < before
        before = page.following
        if not before:
            return found, empty
    raise AssertionError("no page is the last")


def drawn(chance: random.Random, story: Story) -> Filter:
    first = story.ledger.row(1).timestamp
    last = story.ledger.timestamp

    def sometimes(value: int) -> int:
        return value if chance.random() < 0.4 else 0

    least = sometimes(chance.choice([10, 20, 1_000, 2_000, 3_000]))
    start = sometimes(chance.randint(first, last))
    return Filter(
        state=chance.choice(STATES),
        from_ns=start,
        to_ns=sometimes(chance.randint(max(start, first) + 1, last + 10**9)),
        amount_min=least,
        amount_max=sometimes(max(least, chance.choice([20, 1_000, 5_000, 10**9]))),
        service=sometimes(chance.choice([1, 2])),
        operator=sometimes(1),
        with_refused=chance.random() < 0.3,
    )


@pytest.mark.parametrize("bounds", ["as they are", "small"])
def test_what_fits_is_found(
    story: Story, bounds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bounds == "small":
        for name, value in (
            ("LOOKED_MAX", 4),
            ("REFUSED_LOOKED_MAX", 6),
            ("STATES_MAX", 2),
            ("BLOCK", 2),
            ("REFUSED_BLOCK", 3),
        ):
            monkeypatch.setattr(filtered, name, value)
    chance = random.Random(14)
    everything = every(story)
    some = empty = 0
    for _ in range(150):
        wanted = drawn(chance, story)
        expected = [one.entry.sequence for one in everything if by_hand(one, wanted)]
        assert all(wanted.fits(one) == by_hand(one, wanted) for one in everything)
        found, without = pages(story, wanted, chance.choice([1, 2, 3, 1_000]))
        assert found == expected, wanted
        some += bool(expected)
        empty += without
    assert some > 30
    if bounds == "small":
        assert empty > 100, "no page ends for what it has looked at"


def test_a_page_looks_at_no_more(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a filter that nothing passes."""
    monkeypatch.setattr(filtered, "BLOCK", 2)
    monkeypatch.setattr(filtered, "LOOKED_MAX", 4)
    rows: list[int] = []
    gather = Ledger.gather

    class Counting:
        """The ledger, counting."""

        def __getattr__(self, name: str) -> object:
            return getattr(story.ledger, name)

        def gather(self, sequences: object) -> object:
            rows.append(len(sequences))  # type: ignore[arg-type]
            return gather(story.ledger, sequences)  # type: ignore[arg-type]

    wanted = Filter(amount_min=10**17)
    page = list_filtered(Counting(), story.wallet, wanted, 0, 1)  # type: ignore[arg-type]
    assert (page.payments, page.following > 0) == ([], True)
    assert sum(rows) <= 4 + 2


def test_the_bounds_are_those_of_the_contract() -> None:
    text = Path("proto/switch/v1/payments.proto").read_text()
    words = " ".join(text.replace("//", " ").split())
    assert (
        f"at most {filtered.LOOKED_MAX:,} entries of the wallet are looked at, "
        f"with refusals {filtered.REFUSED_LOOKED_MAX:,} of the ledger, "
        f"and of {filtered.STATES_MAX:,} payments how they stand"
    ) in words
