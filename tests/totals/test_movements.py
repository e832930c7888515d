"""Goal: an explanation that uses the totals says just what counting each row says.

Method: of random rows, all accounts and spans, in pages of every size, with parts that
end anywhere; with totals that are behind, or do not answer.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from switch.errors import OverloadError
from switch.ledger import explained
from switch.ledger.explained import Movement
from switch.totals import movements
from switch.totals.cube import Cube
from tests.totals.told import Told, telling


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    with telling() as found:
        yield found


@pytest.fixture
def cube(told: Told, tmp_path: Any) -> Iterator[Cube]:
    made = Cube(told.pair.ledger, tmp_path, step_rows=40, part_rows=40)
    yield made
    made.close()


def in_pages(
    told: Told, cube: Cube, account: int, span: tuple[int, int], limit: int
) -> tuple[list[Movement], int]:
    """All pages, added up; and how many there were."""
    found: list[Movement] = []
    before, pages = 0, 0
    ledger = told.pair.ledger
    while True:
        page, before = (
            movements.count_account(ledger, cube, account, span, before, limit)
            if account
            else movements.count_ledger(ledger, cube, span, before, limit)
        )
        found += page
        pages += 1
        if not before:
            return explained.added(found), pages


def plain(told: Told, account: int, span: tuple[int, int]) -> list[Movement]:
    ledger, most = told.pair.ledger, explained.ACCOUNT_ROWS_MAX
    found, following = (
        explained.count_account(ledger, account, span, 0, most)
        if account
        else explained.count_ledger(ledger, span, 0, most)
    )
    assert not following
    return found


@pytest.mark.parametrize("behind", [0, 700], ids=["all", "behind"])
def test_what_is_told_is_the_same(
    told: Told, cube: Cube, behind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube._open()
    cube._read_on(told.last - behind)
    rng = random.Random(4)
    fewer = 0
    monkeypatch.setattr(movements, "FEW_ROWS", 3)
    # 0 is the whole ledger.
    for account in (*range(1, len(told.pair.model.accounts)), *[0] * 5):
        spans = [
            sorted(rng.sample(range(told.last + 1), 2)) for _ in range(1 + (not behind))
        ]
        for after, last in [(0, told.last), *spans]:
            expected = plain(told, account, (after, last))
            limit = rng.choice((1, 2, 7, 30)) if account else 200
            found, pages = in_pages(told, cube, account, (after, last), limit)
            assert found == expected
            fewer += pages < sum(one.rows for one in expected) // limit
    assert fewer > 30


def test_without_totals_rows_are_counted(
    told: Told, cube: Cube, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Cube) -> None:
        raise OverloadError("away")

    monkeypatch.setattr(Cube, "peek", away)
    account = told.network.wallets[0]
    span = (0, told.last)
    expected = plain(told, account, span)
    found, pages = in_pages(told, cube, account, span, 5)
    assert found == expected
    assert pages >= sum(one.rows for one in expected) // 5
