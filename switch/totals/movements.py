"""How accounts came to what they hold, without looking at most of their rows.

May use `cube` and `ledger`. What lies between the ends of a span is taken from the
totals; only what is left at its ends is counted row by row.
"""

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
from switch.totals.sums import Sums

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
    found, following = explained.count_account(ledger, account, span, before, limit)
    if not following:
        return found, 0
    after, last = span[0], min(span[1], before - 1 if before else span[1])
    try:
        with cube.peek() as snapshot:
            parts = snapshot.spans(after, last)
            if not parts:
                return found, following
            begin, end = parts[0].first - 1, snapshot.end(parts[-1])
            if following > end or following <= begin:
                # What was counted has not come there, or has passed it.
                return found, following
            kind = AccountKind(int(ledger.account(account)[0]["kind"]))
            between = _movements(snapshot, account, kind, parts)
    except (OverloadError, SpaceError):
        return found, following
    ends, following = explained.count_account(ledger, account, (end, last), 0, limit)
    if following:
        return ends, following
    left = limit - sum(one.rows for one in ends)
    ends += between
    if begin > after and left > 0:
        more, following = explained.count_account(
            ledger, account, (after, begin), 0, left
        )
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
