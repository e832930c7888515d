"""Goal: a wallet says since which row it is low, one row for each crossing, whatever
moves it and however the ledger was opened.

Method: limits of each form are set; then rows of every kind that changes a wallet are
asked at random, and each image is compared with what its rows say, read one by one;
again after the ledger is opened from an index that lags, and without one.
"""

import random
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch._core import ACCOUNT, LIMIT_RECORD
from switch.codes import NO_AMOUNT_LIMIT, NO_COUNT_LIMIT, AccountKind, Kind, Result
from tests.core.scheduled import (
    BILLER,
    CENTRE,
    DEADLINE_S,
    FLOAT,
    HEAD,
    SECOND,
    TREASURY,
    WALLET,
    Scheduled,
)
from tests.records import AccountRecord, Row

OK = Result.OK
CEILING = 10**18


def limit(
    low: int | None = None, payment: int | None = None, *, more: bytes = b""
) -> bytes:
    """The record of a limit, of the form that says this."""
    form = 2 if low is not None else 1 if payment is not None else 0
    tail = struct.pack("<QIB3x", NO_AMOUNT_LIMIT, NO_COUNT_LIMIT, form)
    if form:
        tail += struct.pack("<Q", NO_AMOUNT_LIMIT if payment is None else payment)
    if form == 2:
        tail += struct.pack("<Q", low)
    return tail + more


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Scheduled]:
    """A ledger with a wallet and a service that holds."""
    made = Scheduled(tmp_path / "ledger")
    yield made
    made.close()


def low(house: Scheduled, account: int = WALLET) -> tuple[int, int]:
    """low_balance and low_since."""
    image, _ = house.ledger.account(account)
    return int(image["low_balance"]), int(image["low_since"])


def fill(house: Scheduled, amount: int, wallet: int = WALLET) -> Row:
    """A top-up."""
    utr = b"UTR%d" % next(house.numbers)
    return house.row(
        Kind.TOP_UP, amount=amount, debit=FLOAT, credit=wallet, reference=utr
    )


def set_limit(house: Scheduled, tail: bytes, wallet: int = WALLET) -> Row:
    """A limit row."""
    return house.row(Kind.LIMIT, debit=wallet, tail=tail)


def done(house: Scheduled, *rows: Row, now: int = 0) -> int:
    """Ask them; the sequence of the last one."""
    told = house.commit(*rows, now=now)
    assert [each.result for each in told] == [OK] * len(rows), told
    return told[-1].sequence


# --- the record -----------------------------------------------------------------------


def test_the_fields_have_their_places() -> None:
    assert ACCOUNT.itemsize == 184
    places = {name: ACCOUNT.fields[name][1] for name in ("low_balance", "low_since")}  # type: ignore[index]
    assert places == {"low_balance": 152, "low_since": 160}
    assert LIMIT_RECORD.itemsize == 32
    assert LIMIT_RECORD.fields["low_balance"][1] == 24  # type: ignore[index]


@pytest.mark.parametrize(
    "tail",
    [
        limit(5)[:31],
        limit(CEILING + 1),
        limit((1 << 64) - 1),
        # A form that there is not, and bytes that are kept.
        limit(5)[:12] + b"\3" + limit(5)[13:],
        limit(5)[:13] + b"\1" + limit(5)[14:],
        limit(None, 5)[:23],
        limit()[:15],
    ],
)
def test_a_limit_that_is_wrong(house: Scheduled, tail: bytes) -> None:
    [told] = house.commit(set_limit(house, tail))
    assert told.result == Result.INVALID_RECORD
    assert low(house) == (0, 0)


@pytest.mark.parametrize("more", [b"", b'{"why": "busy"}'])
@pytest.mark.parametrize("most", [1, 5, CEILING])
def test_all_that_a_limit_says(house: Scheduled, most: int, more: bytes) -> None:
    row = done(house, set_limit(house, limit(most, 77, more=more)))
    image, _ = house.ledger.account(WALLET)
    assert image["payment_max"] == 77
    # Nothing is in it, and that is less.
    assert low(house) == (most, row)


@pytest.mark.parametrize("tail", [limit(0), limit(None, 5), limit()])
def test_what_a_form_does_not_say_is_none(house: Scheduled, tail: bytes) -> None:
    """Of an earlier form also where there was one; and 0 is none."""
    done(house, set_limit(house, limit(10)))
    assert low(house)[1]
    done(house, set_limit(house, tail))
    assert low(house) == (0, 0)
    image, _ = house.ledger.account(WALLET)
    assert image["payment_max"] == (5 if tail == limit(None, 5) else NO_AMOUNT_LIMIT)


def test_a_limit_says_no_low_balance_behind_its_form(house: Scheduled) -> None:
    """What stands behind a record of an earlier form is text."""
    done(house, set_limit(house, limit(None, 5, more=struct.pack("<Q", 50))))
    assert low(house) == (0, 0)


def test_no_wallet_has_one_at_opening(house: Scheduled) -> None:
    for account in range(1, HEAD + 3):
        assert low(house, account) == (0, 0)
    [told] = house.commit(set_limit(house, limit(5), wallet=HEAD))
    assert told.result == Result.ACCOUNT_KIND_WRONG


# --- one crossing ---------------------------------------------------------------------


def test_one_crossing_keeps_its_row(house: Scheduled) -> None:
    done(house, fill(house, 100))
    done(house, set_limit(house, limit(60)))
    assert low(house) == (60, 0)
    done(house, house.move(40, WALLET, HEAD))
    assert low(house) == (60, 0), "60 is not less than 60"
    first = done(house, house.move(1, WALLET, HEAD))
    assert low(house) == (60, first)
    done(house, house.move(10, WALLET, HEAD))
    done(house, fill(house, 10))
    done(house, house.row(Kind.FREEZE, debit=WALLET, reference=b"lost"))
    done(house, set_limit(house, limit(70)))
    assert low(house) == (70, first), "it has been low all the time"
    done(house, fill(house, 11))
    done(house, set_limit(house, limit(60)))
    assert low(house) == (60, 0)
    second = done(house, set_limit(house, limit(71)))
    assert low(house) == (71, second)
    done(house, fill(house, 1))
    assert low(house) == (71, 0)


def test_what_is_held_is_not_available(house: Scheduled) -> None:
    """A hold makes it low, and its end another row."""
    done(house, fill(house, 100))
    done(house, set_limit(house, limit(60)))
    held = done(house, house.hold(41))
    assert low(house) == (60, held)
    house.commit(now=house.now + DEADLINE_S * SECOND)
    assert low(house) == (60, 0)
    again = done(house, house.hold(50))
    done(house, house.row(Kind.POST, id=bytes(16), resolves=again, amount=10))
    assert low(house) == (60, 0)
    assert house.ledger.account(WALLET)[0]["credits_posted"] == 100


def test_refused_rows_and_others_say_nothing(house: Scheduled) -> None:
    done(house, fill(house, 100), set_limit(house, limit(100)))
    house.commit(house.move(1_000, WALLET, HEAD), house.hold(2_000))
    assert low(house) == (100, 0)
    since = done(house, house.move(1, WALLET, HEAD))
    done(house, house.row(Kind.REQUEST, credit=WALLET, amount=5, participant=CENTRE))
    done(house, house.window(0))
    assert low(house) == (100, since)


def test_two_rows_of_one_group(house: Scheduled) -> None:
    done(house, fill(house, 100), set_limit(house, limit(100)))
    done(house, house.move(5, WALLET, HEAD), fill(house, 5))
    assert low(house) == (100, 0)
    last = done(house, house.move(5, WALLET, HEAD), fill(house, 5), house.hold(1))
    assert low(house) == (100, last)


# --- any rows -------------------------------------------------------------------------


class Book:
    """Wallets as their rows make them, by what the page says of a low balance."""

    def __init__(self) -> None:
        self.read_to = 0
        self.available: Counter[int] = Counter()
        self.balance: Counter[int] = Counter()
        self.since: Counter[int] = Counter()

    def read(self, house: Scheduled) -> None:
        """The rows that are new."""
        for row in house.rows(self.read_to + 1):
            self.read_to = int(row["sequence"])
            if row["result"] != OK:
                continue
            kind, amount = int(row["kind"]), int(row["amount"])
            debit, credit = int(row["debit"]), int(row["credit"])
            changed = {debit, credit}
            if kind in (Kind.TOP_UP, Kind.TRANSFER):
                self.available[debit] -= amount
                self.available[credit] += amount
            elif kind == Kind.HOLD:
                self.available[debit] -= amount
            elif kind in (Kind.POST, Kind.VOID, Kind.EXPIRE):
                held = int(house.ledger.rows(int(row["resolves"]), 1)["amount"][0])
                self.available[debit] += held
                if kind == Kind.POST:
                    self.available[debit] -= amount
                    self.available[credit] += amount
            elif kind == Kind.LIMIT:
                tail = house.ledger.tail(int(row["sequence"]))
                says = tail[12] == 2
                self.balance[debit] = (
                    struct.unpack_from("<Q", tail, 24)[0] if says else 0
                )
                changed = {debit}
            elif kind in (Kind.FREEZE, Kind.OPEN):
                changed = {debit}
            else:
                continue
            for account in changed:
                if self.available[account] >= self.balance[account]:
                    self.since[account] = 0
                elif not self.since[account]:
                    self.since[account] = int(row["sequence"])


def compare(house: Scheduled, wallets: list[int], book: Book) -> list[int]:
    """Each image of a wallet is what the rows say; which are low, by low_since."""
    book.read(house)
    images, _ = house.ledger.accounts()
    for wallet in wallets:
        image = images[wallet]
        spent = int(image["debits_posted"]) + int(image["debits_pending"])
        assert int(image["credits_posted"]) - spent == book.available[wallet]
        assert int(image["low_balance"]) == book.balance[wallet]
        assert int(image["low_since"]) == book.since[wallet], wallet
    since = images["low_since"]
    there = np.flatnonzero(since)
    return [int(each) for each in there[np.argsort(since[there])]]


@pytest.mark.parametrize("seed", range(5))
def test_any_rows(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    # So few segments a step that most images of the index lag.
    house = Scheduled(
        tmp_path / "ledger", index_step_rows=16, index_segments_least=1,
    )  # fmt: skip
    wallets = [WALLET]
    for purpose in range(1, 6):
        house.open(CENTRE, purpose, AccountKind.WALLET)
        # Between the wallets so many others that they are in several segments.
        wallets.append(len(house.ledger.accounts()[0]) - 1)
        if purpose % 2:
            opened = [
                house.row(
                    Kind.OPEN,
                    tail=AccountRecord(BILLER, number, AccountKind.BILLER).pack(),
                )
                for number in range(1_000 * purpose, 1_000 * purpose + 500)
            ]
            done(house, *opened)
    book, seen = Book(), Counter[str]()
    for _ in range(160):
        rows: list[Any] = []
        for _ in range(rng.choice((1, 1, 2, 6))):
            wallet = rng.choice(wallets)
            what = rng.choice(
                ("fill", "spend", "spend", "limit", "hold", "end", "freeze")
            )
            if what == "fill":
                rows.append(fill(house, rng.randrange(1, 90), wallet))
            elif what == "spend":
                rows.append(house.move(rng.randrange(1, 60), wallet, HEAD))
            elif what == "limit":
                tail = rng.choice((limit(rng.randrange(150)), limit(40), limit(0)))
                if rng.random() < 0.2:
                    tail = rng.choice((limit(), limit(None, 10**6)))
                rows.append(set_limit(house, tail, wallet))
            elif what == "hold":
                row = house.hold(rng.randrange(1, 60))
                rows.append(row)
            elif what == "end" and house.ledger.holds_count:
                hold = int(rng.choice(house.ledger.holds().tolist()))
                kind = rng.choice((Kind.POST, Kind.VOID))
                amount = rng.choice((1, 10)) if kind == Kind.POST else 0
                row = house.row(kind, id=bytes(16), resolves=hold, amount=amount)
                row.participant = TREASURY
                rows.append(row)
            else:
                row = house.row(Kind.FREEZE, debit=wallet, reference=b"for a moment")
                back = house.row(Kind.FREEZE, debit=wallet, reference=b"and back")
                back.flags = 0x0010
                rows += [row, back]
        if rows:
            house.commit(*rows, now=house.now + rng.choice((1, 600, 1_900)) * SECOND)
        seen["low"] += len(compare(house, wallets, book))
        if rng.random() < 0.12:
            house.reopen(without_index=rng.random() < 0.3)
            seen["opened"] += 1
            compare(house, wallets, book)
        elif rng.random() < 0.3:
            house.ledger.index_step()
    assert seen["low"] > 100
    assert seen["opened"] > 5
    house.close()
