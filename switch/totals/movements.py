"""How accounts came to what they hold, without looking at most of their rows.

May use `cube` and `ledger`. What lies between the ends of a span is taken from the
totals; only what is left at its ends is counted row by row.
"""

from collections.abc import Callable
from typing import Final

from switch._core import Ledger
from switch.codes import AccountKind, Kind
from switch.errors import OverloadError, SpaceError
from switch.ledger import explained
from switch.ledger.explained import Movement, Side, Span
from switch.totals.cube import Cube
from switch.totals.figures import (
    ACCOUNT_SHIFT,
    FIGURE_MASK,
    HEAD_SHIFT,
    KIND_SHIFT,
    SIDE_BITS,
    WALLET_SHIFT,
    Cut,
    Figure,
)
from switch.totals.snapshot import Snapshot
from switch.totals.store import PartKey
from switch.totals.sums import Sums, added

FEW_ROWS: Final = 1_024
"""Rows that are counted before the totals are asked: most accounts have no more."""

Page = tuple[list[Movement], int]
"""Movements, and the `before` of the next page, 0 if there is none."""

_POSTED, _RESERVED, _RELEASED = range(3)
# Of each figure its kind, which sum of a movement its paise are, and whether its rows
# are counted: those of a post are by its other figure.
_SUMS = {
    Figure.PAID: (Kind.PAY, _POSTED, True),
    Figure.HELD: (Kind.HOLD, _RESERVED, True),
    Figure.POSTED: (Kind.POST, _POSTED, True),
    Figure.RELEASED_BY_POST: (Kind.POST, _RELEASED, False),
    Figure.VOIDED: (Kind.VOID, _RELEASED, True),
    Figure.EXPIRED: (Kind.EXPIRE, _RELEASED, True),
    Figure.REFUNDED: (Kind.REFUND, _POSTED, True),
}


def count_account(
    ledger: Ledger, cube: Cube, account: int, span: Span, before: int, limit: int
) -> tuple[list[Movement], int]:
    """As `explained.count_account`; what the totals have counts as no row of `limit`.

    Where they do not answer all is counted row by row.
    """

    def by_rows(span: Span, before: int, limit: int) -> Page:
        return explained.count_account(ledger, account, span, before, limit)

    def of_parts(snapshot: Snapshot, parts: list[PartKey]) -> list[Movement]:
        kind = AccountKind(int(ledger.account(account)[0]["kind"]))
        return _movements(snapshot, account, kind, parts)

    return _count(cube, by_rows, of_parts, span, before, limit)


def count_ledger(
    ledger: Ledger, cube: Cube, span: Span, before: int, limit: int
) -> tuple[list[Movement], int]:
    """As `explained.count_ledger`, likewise."""

    def by_rows(span: Span, before: int, limit: int) -> Page:
        return explained.count_ledger(ledger, span, before, limit)

    return _count(cube, by_rows, _of_all, span, before, limit)


def _count(
    cube: Cube,
    by_rows: Callable[[Span, int, int], Page],
    of_parts: Callable[[Snapshot, list[PartKey]], list[Movement]],
    span: Span,
    before: int,
    limit: int,
) -> Page:
    """What is left of a span, from `before` down: parts, and rows at its ends."""
    after, last = span[0], min(span[1], before - 1 if before else span[1])
    found, following = by_rows(span, before, min(limit, FEW_ROWS))
    if not following:
        return found, 0
    try:
        with cube.peek() as snapshot:
            parts = snapshot.spans(after, last)
            between = of_parts(snapshot, parts)
            end = snapshot.end(parts[-1]) if parts else after
    except (OverloadError, SpaceError):
        parts, between, end = [], [], after
    if not parts:
        return by_rows(span, before, limit)
    begin = parts[0].first - 1
    ends, following = by_rows((end, last), 0, limit)
    if following:
        return ends, following
    left = limit - sum(one.rows for one in ends)
    ends += between
    if begin > after and left > 0:
        more, following = by_rows((after, begin), 0, left)
        ends += more
    elif begin > after:
        following = begin + 1
    return explained.added(ends), following


def _movements(
    snapshot: Snapshot, account: int, kind: AccountKind, parts: list[PartKey]
) -> list[Movement]:
    """What the rows of parts are to an account."""
    found = []
    for key in parts:
        first = account << ACCOUNT_SHIFT
        sums = snapshot.of_part(key, first, first + (1 << ACCOUNT_SHIFT))
        found += _of_others(sums)
        if kind is AccountKind.BILLER:
            first = account << HEAD_SHIFT
            of_heads = key._replace(cut=Cut.SERVICES)
            sums = snapshot.of_part(of_heads, first, first + (1 << HEAD_SHIFT))
            found += _of_cells(sums, is_wallet=False)
        elif kind is AccountKind.WALLET:
            first = account << WALLET_SHIFT
            of_wallets = key._replace(cut=Cut.CENTRES)
            sums = snapshot.of_part(of_wallets, first, first + (1 << WALLET_SHIFT))
            found += _of_cells(sums, is_wallet=True)
    return explained.added(found)


def _of_all(snapshot: Snapshot, parts: list[PartKey]) -> list[Movement]:
    """What the rows of parts are to the whole ledger, where none has a side."""
    found = []
    for key in parts:
        for of in (key, key._replace(cut=Cut.SERVICES)):
            sums = snapshot.of_part(of, 0, 1 << 63)
            if of.cut is Cut.SERVICES:
                found += _of_cells(added([sums], FIGURE_MASK), is_wallet=False)
            else:
                # Each row is there once for each side.
                moved = added([sums], (1 << ACCOUNT_SHIFT) - 1)
                found += [one for one in _of_others(moved) if one.side is Side.DEBIT]
    return explained.added(one._replace(side=Side.NONE) for one in found)


def _of_others(sums: Sums) -> list[Movement]:
    """What was neither paid nor given back."""
    columns = zip(sums.keys.tolist(), sums.counts.tolist(), sums.paise(), strict=True)
    return [
        Movement(
            Kind(key >> KIND_SHIFT & 0xFF),
            Side(key & (1 << SIDE_BITS) - 1),
            count,
            paise,
            0,
            0,
        )
        for key, count, paise in columns
    ]


def _of_cells(sums: Sums, *, is_wallet: bool) -> list[Movement]:
    """What was paid, held and given back: out of a wallet, or to a head."""
    side = Side.DEBIT if is_wallet else Side.CREDIT
    other = Side.CREDIT if is_wallet else Side.DEBIT
    found = []
    columns = zip(sums.keys.tolist(), sums.counts.tolist(), sums.paise(), strict=True)
    for key, count, paise in columns:
        figure = Figure(key & FIGURE_MASK)
        if figure not in _SUMS:
            continue
        kind, which, counts = _SUMS[figure]
        on = other if kind is Kind.REFUND else side
        sums_of = [0, 0, 0]
        sums_of[which] = paise
        found.append(Movement(kind, on, count if counts else 0, *sums_of))
    return found
