"""Limits of wallets, and since which row one has had less than its limit says.

Every row that changes a wallet says anew whether it is low, and the first that finds
it so is kept. Here for many rows at a time: a wallet that no row can have brought over
its bound, from either side, is not looked at row by row.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from switch.audit.accounts import I64, Accounts
from switch.audit.kinds import MONEY, POSTED, RESOLVING
from switch.audit.layout import (
    LIMIT_RECORD,
    LIMIT_SIZES,
    PAYOUT_RULES,
    U64,
    Index,
    Mask,
)
from switch.audit.spans import Resolutions, Span
from switch.codes import NO_AMOUNT_LIMIT

LOWERING: Final = MONEY & ~RESOLVING
LOW_FORM: Final = 2
"""Of a limit: the form that has a low balance."""
LOW_MAX: Final = 10**18
"""Paise: no wallet is low from a greater balance down."""
BOUND: Final = 1 << 62
"""While all that ever moved is less, signed sums of it are exact."""
Sums = npt.NDArray[np.object_] | I64
"""What is available, or changes it: below zero, too."""


def note_low(
    accounts: Accounts, span: Span, found: Resolutions | None, moved: int
) -> None:
    """Apply a span whose totals are applied; `moved` is the sum of all that moved."""
    watched = accounts["low_balance"] != 0
    if not watched.any():
        return
    index = np.arange(len(span.rows))
    out, into = index[span.where(LOWERING)], index[span.where(POSTED)]
    out = out[watched[span.debit[out]]]
    into = into[watched[span.credit[into]]]
    names, at = [span.debit[out], span.credit[into]], [out, into]
    gains = [np.zeros(len(out), np.uint64), span.amount[into]]
    losses = [span.amount[out], np.zeros(len(into), np.uint64)]
    if found is not None:
        back = watched[found.debit]
        names.append(found.debit[back])
        at.append(found.at[back])
        gains.append(found.released[back])
        losses.append(np.zeros(int(back.sum()), np.uint64))
    account, position = np.concatenate(names), np.concatenate(at)
    if not len(account):
        return
    gain, loss = (_exact(np.concatenate(one), moved) for one in (gains, losses))
    unsure = _unsure(accounts, account, gain, loss, moved)[account]
    if unsure.any():
        change = (gain - loss)[unsure]
        _follow(accounts, account[unsure], position[unsure], change, span, moved)


def take_limit(accounts: Accounts, wallet: int, tail: bytes, sequence: int) -> None:
    """Apply the record of a limit of one wallet, by the row `sequence`."""
    record, form = _read(tail)
    if form >= len(LIMIT_SIZES):
        return
    accounts["day_amount_max"][wallet] = record["day_amount_max"]
    accounts["day_count_max"][wallet] = record["day_count_max"]
    payment_max = record["payment_max"] if form else NO_AMOUNT_LIMIT
    accounts["payment_max"][wallet] = payment_max
    bound = int(record["low_balance"]) if form >= LOW_FORM else 0
    accounts["low_balance"][wallet] = bound
    accounts["changed"][wallet] = sequence
    if max(0, _available(accounts, np.array([wallet]), BOUND)[0]) >= bound:
        accounts["low_since"][wallet] = 0
    elif not accounts["low_since"][wallet]:
        accounts["low_since"][wallet] = sequence


def broken(tail: bytes, rules: int) -> str:
    """What is wrong with a limit's record by itself, under these rules (0: not known);
    empty if nothing is.
    """
    record, form = _read(tail)
    if form >= len(LIMIT_SIZES) or len(tail) < LIMIT_SIZES[form]:
        return "has not the form it says"
    if form >= LOW_FORM and 0 < rules < PAYOUT_RULES:
        return f"has a form not known to rules {rules}"
    if form >= LOW_FORM and record["low_balance"] > LOW_MAX:
        return "has a low balance beyond the bound"
    return "has bytes that say nothing" if any(bytes(record["reserved"])) else ""


def _read(tail: bytes) -> tuple[np.void, int]:
    """A record, with zeros for what it lacks, and its form."""
    whole = tail.ljust(LIMIT_RECORD.itemsize, b"\0")
    record = np.frombuffer(whole, dtype=LIMIT_RECORD, count=1)[0]
    return record, int(record["form"])


def _exact(values: U64, moved: int) -> Sums:
    """Values as signed numbers, of Python's own where others may not hold them."""
    if moved < BOUND:
        return values.astype(np.int64)
    exact: Sums = values.astype(object)
    return exact


def _available(accounts: Accounts, some: Index, moved: int) -> Sums:
    """What accounts have, and may be below zero."""
    have, spent, held = (
        _exact(accounts[name][some], moved)
        for name in ("credits_posted", "debits_posted", "debits_pending")
    )
    available: Sums = have - spent - held
    return available


def _bounds(accounts: Accounts, some: Index, moved: int) -> Sums:
    bounds = accounts["low_balance"][some]
    # No wallet has as much, so that a bound beyond that is as good.
    return _exact(np.minimum(bounds, np.uint64(BOUND)), moved)


def _unsure(
    accounts: Accounts, account: Index, gain: Sums, loss: Sums, moved: int
) -> Mask:
    """The accounts whose sums do not show whether they were low all the time, or never.

    Before a row an account had no less than it has at the end without all that came,
    and no more than with all that went.
    """
    sums = np.zeros((2, accounts.size), dtype=gain.dtype)
    np.add.at(sums[0], account, gain)
    np.add.at(sums[1], account, loss)
    some = np.unique(account)
    end, bound = _available(accounts, some, moved), _bounds(accounts, some, moved)
    since = accounts["low_since"][some] != 0
    never = ~since & (end - sums[0][some] >= bound).astype(np.bool_)
    always = since & (end + sums[1][some] < bound).astype(np.bool_)
    unsure: Mask = np.zeros(accounts.size, dtype=np.bool_)
    unsure[some[~(never | always)]] = True
    return unsure


def _follow(
    accounts: Accounts,
    account: Index,
    position: Index,
    change: Sums,
    span: Span,
    moved: int,
) -> None:
    """Changes of accounts by rows at some positions, one after the other."""
    order = np.lexsort((position, account))
    account, position, change = account[order], position[order], change[order]
    starts = np.flatnonzero(np.append(True, account[1:] != account[:-1]))
    ends = np.append(starts[1:], len(account)) - 1
    group = np.repeat(np.arange(len(starts)), ends - starts + 1)
    some = account[starts]
    running = np.cumsum(change)
    # From what there is at the end all that comes behind a row is taken away.
    there = running + (_available(accounts, some, moved) - running[ends])[group]
    low = (there < _bounds(accounts, account, moved)).astype(np.bool_)
    index = np.arange(len(account))
    last = np.maximum.reduceat(np.where(low, -1, index), starts)
    since = accounts["low_since"][some]
    first = np.where(last < 0, starts, last + 1)
    became = span.sequence[position[np.minimum(first, ends)]]
    stays = (last < 0) & (since != 0)
    since = np.where(first > ends, np.uint64(0), np.where(stays, since, became))
    accounts["low_since"][some] = since
