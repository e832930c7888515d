"""How accounts came to what they hold: movements counted and summed, and their rows.

May use the core, `totals` and words. Reads durable rows only; everything is a function
of the journal up to a stated sequence. Of one account the rows are found by the index;
of the whole ledger they are read one after the other. Every call looks at so many rows
and says where to go on.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import WINDOW_LINE, Ledger, Rows, entries_of
from switch.codes import Kind, Result
from switch.entries import Entry
from switch.signed import SIGNATURE_SIZE
from switch.traits import Trait, kinds_with

ACCOUNT_ROWS_MAX: Final = 16_384
"""Rows of an account that one call counts: some 20 ms, so that who asks as fast as its
budget of reads lets it takes less than half a core."""
LIST_ROWS_MAX: Final = 65_536
"""Rows of an account that one page of a list looks through."""
LEDGER_ROWS_MAX: Final = 1 << 20
"""Rows of the whole ledger that one call counts or looks through."""
STEP_ROWS: Final = 8_192
"""Rows looked at together: 1 MiB, which stays in the processor's cache."""

U64 = npt.NDArray[np.uint64]
Span = tuple[int, int]
"""Rows behind the first sequence and up to the second, a durable one."""


class Side(IntEnum):
    """On which side of an account a movement stands; the numbers are the wire's."""

    NONE = 0
    """Of the whole ledger, where every row has both."""
    DEBIT = 1
    CREDIT = 2


def _table(kinds: Iterable[Kind]) -> npt.NDArray[np.bool_]:
    return np.isin(np.arange(256), [int(kind) for kind in kinds])


_IS_MONEY = _table(kinds_with(Trait.MONEY))
_IS_POSTED = _table(kinds_with(Trait.POSTED))
_ENDS_HOLD = _table(kinds_with(Trait.RESOLVES))


class Movement(NamedTuple):
    """All rows of one kind on one side, in paise."""

    kind: Kind
    side: Side
    rows: int
    posted: int
    reserved: int
    released: int


class Settlement(NamedTuple):
    """How a biller's account stands with settlement; see the protocol."""

    window: int
    payable: int
    settled: int
    carried: int
    debits: int
    credits: int


def count_account(
    ledger: Ledger, account: int, span: Span, before: int, limit: int
) -> tuple[list[Movement], int]:
    """The movements of an account's rows behind the first sequence of `span`, up to its
    last and, unless it is 0, below `before`: of up to `limit`, from the newest back.

    Also returns the `before` of the next call, 0 if these were all.
    """
    found: list[Movement] = []
    for looked in range(0, limit, STEP_ROWS):
        count = min(STEP_ROWS, limit - looked)
        rows, before = _account_step(ledger, account, span, before, count)
        found += _counted(ledger, rows, _sides(rows, account))
        if not before:
            break
    return added(found), before


def list_account(
    ledger: Ledger,
    account: int,
    wanted: tuple[int, int],
    span: Span,
    before: int,
    limit: int,
) -> tuple[list[Entry], int]:
    """Up to `limit` rows of an account, newest first; of `wanted` kind and side, where
    these are not 0.

    `span`, `before` and the second value as `count_account`; the rows looked through
    are LIST_ROWS_MAX at most.
    """
    kind, side = wanted
    found: list[Entry] = []
    for _ in range(0, LIST_ROWS_MAX, STEP_ROWS):
        rows, following = _account_step(ledger, account, span, before, STEP_ROWS)
        chosen = np.ones(len(rows), np.bool_)
        if kind:
            chosen &= rows["kind"] == kind
        if side:
            chosen &= _sides(rows, account) == side
        picked = rows[chosen]
        room = limit - len(found)
        found += entries_of(picked[:room])
        if len(picked) > room:
            return found, found[-1].sequence
        before = following
        if not before or len(found) == limit:
            break
    return found, before


def open_holds(
    ledger: Ledger, account: int, span: Span, before: int, limit: int
) -> tuple[list[Entry], int]:
    """As `list_account`: the account's holds that were open after the last row of
    `span`.
    """
    last = span[1]
    # From the newest on, all are found once they come to what is reserved.
    left = -1
    if not before:
        debits, _, credits_, _ = ledger.balance_at(account, last)
        left = debits + credits_
    found: list[Entry] = []
    for _ in range(0, LIST_ROWS_MAX, STEP_ROWS):
        if left == 0:
            return found, 0
        rows, following = _account_step(ledger, account, span, before, STEP_ROWS)
        for entry in entries_of(rows[rows["kind"] == Kind.HOLD]):
            ended_by, _ = ledger.resolution(entry.sequence)
            if 0 < ended_by <= last:
                continue
            if len(found) == limit:
                return found, found[-1].sequence
            found.append(entry)
            left -= entry.amount
        before = following
        if not before:
            break
    return found, 0 if left == 0 else before


def _account_step(
    ledger: Ledger, account: int, span: Span, before: int, count: int
) -> tuple[Rows, int]:
    """Up to `count` rows of an account, newest first; where to go on, or 0."""
    after, last = span
    before = min(before or last + 1, last + 1)
    sequences = ledger.account_rows(account, before, count)
    has_more = len(sequences) == count
    if len(sequences) and int(sequences[-1]) <= after:
        # They descend.
        sequences = sequences[sequences > after]
        has_more = False
    rows = ledger.gather(sequences)
    return rows, int(sequences[-1]) if has_more else 0


def _sides(rows: Rows, account: int) -> npt.NDArray[np.int64]:
    return np.where(rows["debit"] == account, int(Side.DEBIT), int(Side.CREDIT))


# --- the whole ledger ----------------------------------------------------------------


def count_ledger(
    ledger: Ledger, span: Span, before: int, limit: int
) -> tuple[list[Movement], int]:
    """As `count_account`, of all accepted rows; up to `limit` rows are looked at."""
    after, last = span
    found: list[Movement] = []
    end = min(before or last + 1, last + 1) - 1
    least = max(after, end - limit)
    while end > least:
        first = max(least, end - STEP_ROWS) + 1
        rows = _moved(ledger.rows(first, end + 1 - first))
        found += _counted(ledger, rows, np.full(len(rows), int(Side.NONE)))
        end = first - 1
    return added(found), end + 1 if end > after else 0


def list_ledger(
    ledger: Ledger, kind: int, span: Span, before: int, limit: int
) -> tuple[list[Entry], int]:
    """As `list_account`, of all accepted rows; LEDGER_ROWS_MAX are looked through."""
    after, last = span
    found: list[Entry] = []
    end = min(before or last + 1, last + 1) - 1
    least = max(after, end - LEDGER_ROWS_MAX)
    while end > least:
        first = max(least, end - STEP_ROWS) + 1
        rows = _moved(ledger.rows(first, end + 1 - first))
        if kind:
            rows = rows[rows["kind"] == kind]
        rows = rows[::-1]
        room = limit - len(found)
        found += entries_of(np.ascontiguousarray(rows[:room]))
        if len(rows) > room:
            return found, found[-1].sequence
        end = first - 1
        if len(found) == limit:
            break
    return found, end + 1 if end > after else 0


def _moved(rows: Rows) -> Rows:
    moved: Rows = rows[(rows["result"] == Result.OK) & _IS_MONEY[rows["kind"]]]
    return moved


# --- counting ------------------------------------------------------------------------


def _counted(
    ledger: Ledger, rows: Rows, sides: npt.NDArray[np.int64]
) -> list[Movement]:
    """What accepted money rows come to, by kind and side. Sums are exact: no account's
    totals exceed 64 bits, and no more than a step's rows are added here.
    """
    kinds = rows["kind"].astype(np.int64)
    held = np.zeros(len(rows), np.uint64)
    ends = _ENDS_HOLD[kinds]
    if ends.any():
        held[ends] = ledger.gather(rows["resolves"][ends])["amount"]
    found = []
    codes = kinds * len(Side) + sides
    for code in np.unique(codes).tolist():
        kind, side = Kind(code // len(Side)), Side(code % len(Side))
        these = codes == code
        amount = _exact_sum(rows["amount"][these])
        found.append(
            Movement(
                kind,
                side,
                int(these.sum()),
                amount if _IS_POSTED[kind] else 0,
                amount if kind == Kind.HOLD else 0,
                _exact_sum(held[these]),
            )
        )
    return found


_LOW: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)


def _exact_sum(amounts: U64) -> int:
    """The sum of up to 2^32 numbers, whatever it comes to."""
    low, high = (amounts & _LOW).sum(), (amounts >> _HALF).sum()
    return int(low) + (int(high) << 32)


def added(movements: Iterable[Movement]) -> list[Movement]:
    """The movements of several spans as those of one, by kind and side."""
    sums: dict[tuple[Kind, Side], Movement] = {}
    for one in movements:
        key = one.kind, one.side
        if key in sums:
            pairs = zip(sums[key][2:], one[2:], strict=True)
            one = Movement(*key, *(a + b for a, b in pairs))
        sums[key] = one
    return [sums[key] for key in sorted(sums)]


# --- windows -------------------------------------------------------------------------


def last_window(ledger: Ledger, sequence: int) -> int:
    """The last window that was closed at or before a durable row, 0 for none.

    Windows are a few a day, and each names the one before.
    """
    window = ledger.last_window
    while window > sequence:
        window = ledger.row(window).resolves
    return window


def window_lines(ledger: Ledger, window: int) -> Rows:
    """The lines of a closed window. If a person has closed it, the signature stands
    behind them; its size tells it.
    """
    item = ledger.tail(window)
    if len(item) % WINDOW_LINE.itemsize:
        item = item[:-SIGNATURE_SIZE]
    return np.frombuffer(item, WINDOW_LINE)


def settlement_of(
    ledger: Ledger, account: int, settlement: int, sequence: int
) -> Settlement:
    """How a biller's account stood with settlement after a durable row.

    `settlement` is the account that windows are settled to.
    """
    window = last_window(ledger, sequence)
    payable = carried = settled = 0
    opening = (0, 0, 0, 0)
    if window:
        lines = window_lines(ledger, window)
        lines = lines[lines["account"] == account]
        if len(lines):
            debits, credits_, owed, payable = (
                int(lines[name][0])
                for name in ("debits", "credits", "carried", "payable")
            )
            carried = max(0, debits + owed - credits_)
        found = ledger.settled(window, account)
        settled = found if found <= sequence else 0
        opening = ledger.balance_at(account, window)
    closing = ledger.balance_at(account, sequence)
    return Settlement(
        window=window,
        payable=payable,
        settled=settled,
        carried=carried,
        debits=closing[1]
        - opening[1]
        - _settled_between(ledger, account, settlement, window, sequence),
        credits=closing[3] - opening[3],
    )


def _settled_between(
    ledger: Ledger, account: int, settlement: int, after: int, last: int
) -> int:
    """Paise that were settled of an account. The settlement's own account has no more
    rows than windows have lines.
    """
    paise, before = 0, 0
    while True:
        rows, before = _account_step(
            ledger, settlement, (after, last), before, STEP_ROWS
        )
        these = (rows["kind"] == Kind.SETTLE) & (rows["debit"] == account)
        paise += _exact_sum(rows["amount"][these])
        if not before:
            return paise
