"""What is counted for a wallet: a day's payments, and receipts of a financial year."""

import numpy as np

from switch.audit.accounts import I64, Accounts
from switch.audit.findings import Findings
from switch.audit.layout import U64, Index, financial_years, ist_days
from switch.audit.spans import Resolutions, Span
from switch.codes import Kind


def count_days(
    accounts: Accounts,
    span: Span,
    spending: "Index | slice",
    found: Resolutions | None,
    findings: Findings | None,
) -> None:
    """Apply the day counters of a span; with `findings` the limits are judged too."""
    days = ist_days(span.time)
    for day in days[:1].tolist() if days[0] == days[-1] else np.unique(days).tolist():
        index = np.arange(len(days))[spending]
        if days[0] != days[-1]:
            index = index[days[index] == day]
        account, amount = span.debit[index], span.amount[index]
        stale = account[accounts["day"][account] != day]
        accounts["day"][stale] = day
        accounts["day_amount"][stale] = 0
        accounts["day_count"][stale] = 0
        before = accounts["day_amount"][account], accounts["day_count"][account]
        np.add.at(accounts["day_amount"], account, amount)
        np.add.at(accounts["day_count"], account, np.uint32(1))
        back = None
        if found is not None:
            now = np.flatnonzero(days[found.at] == day)
            held_day = ist_days(found.holds["timestamp"][now])
            back = now[accounts["day"][found.debit[now]] == held_day]
        if findings is not None and len(index):
            _limits(accounts, span, day, index, before, found, findings)
        if found is not None and back is not None:
            account = found.debit[back]
            gone = account[~found.post[back]]
            np.subtract.at(accounts["day_amount"], account, found.released[back])
            np.subtract.at(accounts["day_count"], gone, np.uint32(1))


def _limits(
    accounts: Accounts,
    span: Span,
    day: int,
    index: Index,
    before: tuple[U64, U64],
    found: Resolutions | None,
    findings: Findings,
) -> None:
    """Judge limits: by the day's sums first, row by row only where they do not do.

    The counters hold the span's payments already and not yet what it released.
    """
    account = span.debit[index]
    over = index[span.amount[index] > accounts["payment_max"][account]]
    text = "it is more than its wallet may pay in one payment"
    findings.add_rows("limits", np.sort(span.sequence[over]), text)
    past = accounts["day_amount"][account] > accounts["day_amount_max"][account]
    past |= accounts["day_count"][account] > accounts["day_count_max"][account]
    if not past.any():
        return
    some = np.zeros(accounts.size, dtype=np.bool_)
    some[account[past]] = True
    mine = some[account]
    at, amount = index[mine], span.amount[index[mine]]
    count = np.ones(len(at), dtype=np.uint64)
    start_amount, start_count = before[0][mine], before[1][mine].astype(np.uint64)
    if found is not None:
        back = some[found.debit] & (ist_days(found.holds["timestamp"]) == day)
        gone = (~found.post[back]).astype(np.uint64)
        at = np.concatenate((at, found.at[back]))
        zero = np.uint64(0)
        amount = np.concatenate((amount, zero - found.released[back]))
        count = np.concatenate((count, zero - gone))
        nothing = np.zeros(len(gone), dtype=np.uint64)
        start_amount = np.concatenate((start_amount, nothing))
        start_count = np.concatenate((start_count, nothing))
    names = span.debit[at]
    order = np.lexsort((at, names))
    at, names = at[order], names[order]
    first = np.empty(len(at), dtype=np.bool_)
    first[0] = True
    np.not_equal(names[1:], names[:-1], out=first[1:])
    group = np.cumsum(first) - 1
    wrong = np.zeros(len(at), dtype=np.bool_)
    for change, start, field in (
        (amount[order], start_amount[order], "day_amount_max"),
        (count[order], start_count[order], "day_count_max"),
    ):
        # Unsigned sums wrap on the way; the differences within one wallet are right.
        running = np.cumsum(change, dtype=np.uint64)
        opening = np.maximum.reduceat(start, np.flatnonzero(first))
        running += (opening - (running - change)[first])[group]
        wrong |= running > accounts[field][names]
    wrong &= (span.kind[at] == Kind.PAY) | (span.kind[at] == Kind.HOLD)
    text = "its wallet is past its limits of the day after it"
    findings.add_rows("limits", np.sort(span.sequence[at[wrong]]), text)


def number_receipts(
    accounts: Accounts, span: Span, numbered: "Index | slice", findings: Findings | None
) -> None:
    """Apply the receipts of a span; with `findings` every number is judged."""
    index = np.arange(len(span.rows))[numbered]
    receipts = span.rows["receipt"]
    if findings is not None and len(index) < len(span.rows):
        other = receipts != 0
        other[index] = False
        if other.any():
            text = "it has a receipt number and is no payment made"
            findings.add_rows("receipts", span.sequence[other], text)
    if not len(index):
        return
    days = ist_days(span.time[index])
    if days[0] == days[-1]:
        _number(accounts, span, index, int(financial_years(days[:1])[0]), findings)
        return
    unique, inverse = np.unique(days, return_inverse=True)
    years = financial_years(unique)[inverse]
    for year in np.unique(years).tolist():
        _number(accounts, span, index[years == year], year, findings)


def _number(
    accounts: Accounts, span: Span, index: Index, year: int, findings: Findings | None
) -> None:
    """Apply and judge the receipts of one financial year."""
    account, receipt = span.debit[index], span.rows["receipt"][index]
    stale = account[accounts["year"][account] != year]
    accounts["year"][stale] = year
    accounts["receipt"][stale] = 0
    if findings is not None:
        before = accounts["receipt"][account].astype(np.int64)
        if not _gapless(account, receipt.astype(np.int64) - before, accounts.size):
            order = np.argsort(account, kind="stable")
            names = account[order]
            start = np.searchsorted(names, names)
            expected = before[order] + np.arange(len(names)) - start + 1
            for at in np.flatnonzero(receipt[order] != expected).tolist():
                row = order[at]
                text = f"wallet {names[at]}: receipt {receipt[row]}, not {expected[at]}"
                findings.add("receipts", int(span.sequence[index[row]]), text)
    # Later numbers are judged from the last one given, so one gap is one finding.
    accounts["receipt"][account] = receipt


def _gapless(account: Index, number: I64, size: int) -> bool:
    """Whether each account's numbers are 1, 2, 3, ... in order, without sorting."""
    if size > 4 * len(account):
        _, account = np.unique(account, return_inverse=True)
        size = len(account)
    counts = np.bincount(account, minlength=size)
    if ((number < 1) | (number > counts[account])).any():
        return False
    ends = np.cumsum(counts)
    slot = (ends - counts)[account] + number - 1
    filled = np.zeros(len(account), dtype=np.int64)
    filled[slot] = np.arange(1, len(account) + 1)
    first = np.zeros(len(account) + 1, dtype=np.bool_)
    first[ends] = True
    rising = filled[1:] > filled[:-1]
    return bool(filled.all() and (rising | first[1:-1]).all())
