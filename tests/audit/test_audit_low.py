"""Goal: since when a wallet is low is known of each row, and no limit says more than
it may.

Method: rows of chance, many in a group and between two rows without money, over two
wallets with low balances; the images of the tests' own writer, which applies them one
by one, against the auditor's. Then twins, and an index that says otherwise.
"""

import random
import struct
from pathlib import Path

import numpy as np
import pytest

from switch.audit.books import Books
from switch.audit.findings import Findings
from switch.audit.layout import ROW
from switch.audit.stakes import Stakes
from switch.codes import Kind
from tests.audit.again import audit
from tests.audit.journal_story import SUSPENSE, WORD, A, B, Story
from tests.audit.journal_writer import INSTANCE, Row, write_index, write_journal
from tests.audit.payout_story import (
    Forgery,
    PayoutDesk,
    Tell,
    found_by_its_words,
    limit,
)
from tests.audit.people_story import WALLET
from tests.audit.told_story import going_on, images_at
from tests.signing import Line


def wandering(seed: int, count: int, *, owes: bool = False) -> Story:
    """Payments, holds and what ends them, around the bounds of two wallets; what they
    owe is taken from them as no rule has it.
    """
    s, rng = going_on(), random.Random(seed)
    accounts, holds = s.images.accounts, list[Row]()
    for wallet in (A, B):
        s.add(Kind.LIMIT, debit=wallet, tail=limit(500_000))
    for number in range(count):
        wallet = rng.choice((A, A, B))
        a = accounts[wallet]
        free = a["credits_posted"] - a["debits_posted"] - a["debits_pending"]
        what = rng.choice(("pay", "pay", "hold", "end", "top", "top", "limit", "end"))
        if owes and rng.random() < 0.05:
            sides = {"debit": wallet, "credit": SUSPENSE, "reference": b"taken"}
            s.add(Kind.TRANSFER, amount=max(free, 0) + rng.randrange(1, 400), **sides)
        elif what == "limit":
            form = rng.choice((0, 1, 2, 2, 2, 2))
            low = rng.choice((1, free - 300, free, free, free + 1, free + 300, 10**18))
            s.add(Kind.LIMIT, debit=wallet, tail=limit(max(low, 0), form))
        elif what == "top" or free < 200:
            s.top_up(wallet, rng.randrange(1, 700), f"W{number}")
        elif what == "pay":
            s.pay(wallet, 1, rng.randrange(100, 200), f"W{number}")
        elif what == "hold":
            holds.append(s.hold(wallet, rng.randrange(100, 200), f"W{number}"))
        elif holds:
            hold = holds.pop(rng.randrange(len(holds)))
            kind = rng.choice((Kind.POST, Kind.VOID))
            s.resolve(kind, hold, word=WORD)
        if rng.random() < 0.05 and s.group:
            s.commit()
    if s.group:
        s.commit()
    return s


@pytest.mark.parametrize("seed", range(8))
def test_since_when_a_wallet_is_low(tmp_path: Path, seed: int) -> None:
    s = wandering(seed, 400)
    write_journal(tmp_path, s.groups)
    last = s.groups[-1][-1].sequence
    write_index(tmp_path, images_at(s.groups, last), last)
    report = audit(tmp_path)
    assert [str(one) for one in report.findings.kept] == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("huge", [False, True])
def test_at_each_row_of_a_span(seed: int, *, huge: bool) -> None:
    """Spans that end anywhere, and sums beyond what signed numbers hold."""
    s = wandering(seed, 300, owes=True)
    rows = [row for group in s.groups for row in group]
    rng = random.Random(seed)
    stakes = Stakes(lambda sequences: np.zeros(len(sequences), ROW))
    books = Books(Findings(), INSTANCE + bytes(8), stakes, whole=False)
    if huge:
        books.moved = 1 << 62
    at, since = 0, set[int]()
    while at < len(rows):
        end = min(at + rng.randrange(1, 40), len(rows))
        part = rows[at:end]
        data = b"".join(row.pack() for row in part)
        tails = {
            place: row.tail for place, row in enumerate(part) if row.tail is not None
        }
        books.apply(np.frombuffer(data, ROW).copy(), 0, tails)
        at = end
        images = images_at(s.groups, rows[at - 1].sequence)
        told = [a.get("low_since", 0) for a in images.accounts]
        assert books.accounts["low_since"][: len(told)].tolist() == told
        since.update(told)
    assert len(since) > 3


def limits(record: bytes) -> Tell:
    """A wallet's limit, and in its place another record."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        right = limit(10**18)
        line = Line(Kind.LIMIT, 0, 0, WALLET, tail=record if forged else right)
        desk.done(line)

    return tell


LINE = "the record of its line 0"
FORGERIES: dict[str, Forgery] = {
    "beyond the bound": ("lines", f"{LINE} has a low", limits(limit(10**18 + 1))),
    "in its row": (
        *("accounts", "the limit's record has a low balance beyond"),
        limits(limit(10**18 + 1)),
    ),
    "cut off": ("lines", f"{LINE} has not the form", limits(limit(5)[:31])),
    "a form of nothing": ("lines", f"{LINE} has not the form", limits(limit(5, 3))),
    "bytes of nothing": (
        *("lines", f"{LINE} has bytes that say nothing"),
        limits(limit(5)[:13] + b"\1" + limit(5)[14:]),
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


def early(desk: PayoutDesk, forged: bool) -> None:
    desk.done(Line(Kind.LIMIT, 0, 0, WALLET, tail=limit(5, 2 if forged else 1)))


def test_older_rules_know_no_low_balance(tmp_path: Path) -> None:
    said = "has a form not known to rules 9"
    found_by_its_words(tmp_path / "line", "lines", said, early, rules=9)
    found_by_its_words(tmp_path / "row", "accounts", said, early, rules=9)


@pytest.mark.parametrize("name", ["low_balance", "low_since"])
def test_an_index_that_says_otherwise_is_found(tmp_path: Path, name: str) -> None:
    s = wandering(3, 50)
    s.add(Kind.LIMIT, debit=A, tail=limit(10**18))
    s.commit()
    write_journal(tmp_path, s.groups)
    last = s.groups[-1][-1].sequence
    images = images_at(s.groups, last)
    assert images.accounts[A]["low_since"]
    images.accounts[A][name] += 1
    write_index(tmp_path, images, last)
    (found,) = audit(tmp_path).findings.kept
    assert found.check == "index"
    assert f"account {A}: {name} is" in found.text


def test_the_record_is_as_the_page_has_it() -> None:
    assert struct.unpack("<QIB3xQQ", limit(7))[-1] == 7
