"""What a window must list: biller accounts and what was posted since the one before."""

from collections.abc import Iterator

import numpy as np

from switch.audit.accounts import Accounts
from switch.audit.layout import SIGNATURE_SIZE, WINDOW_LINE, Rows
from switch.codes import AccountKind


def window_lines(accounts: Accounts) -> Rows:
    """The lines that a window closed now must have."""
    some = accounts["period_debits"] | accounts["period_credits"] | accounts["carried"]
    index = np.flatnonzero((some != 0) & (accounts["kind"] == AccountKind.BILLER))
    lines = np.zeros(len(index), dtype=WINDOW_LINE)
    lines["account"] = index
    lines["debits"] = accounts["period_debits"][index]
    lines["credits"] = accounts["period_credits"][index]
    lines["carried"] = accounts["carried"][index]
    owed = lines["debits"] + lines["carried"]
    lines["payable"] = np.where(
        lines["credits"] > owed, lines["credits"] - owed, np.uint64(0)
    )
    return lines


def lines_stated(tail: bytes, *, signed: bool) -> Rows | None:
    """The lines in a window's item, None if one is cut off. Behind those of a window
    that a person has closed stands the signature.
    """
    lines = tail[:-SIGNATURE_SIZE] if signed else tail
    whole = len(lines) % WINDOW_LINE.itemsize == 0
    return np.frombuffer(lines, WINDOW_LINE) if whole else None


def is_empty(accounts: Accounts, lines: Rows, window: np.uint64) -> bool:
    """Whether a window with these lines has nothing in it, payouts neither: no
    settlement account has changed since the window before.
    """
    paid = accounts["kind"] == AccountKind.SETTLEMENT
    return not len(lines) and not (paid & (accounts["changed"] > window)).any()


def differences(stated: Rows, lines: Rows) -> Iterator[str]:
    """What is wrong with the lines that a window states."""
    if stated.tobytes() == lines.tobytes():
        return
    listed = {int(line["account"]): line for line in stated}
    if stated["account"].tolist() != sorted(listed):
        yield "its lines are not in the order of accounts"
    for line in lines:
        account = int(line["account"])
        other = listed.pop(account, None)
        if other is None:
            yield f"account {account} has no line"
        elif other != line:
            names = [n for n in WINDOW_LINE.names or () if other[n] != line[n]]
            text = ", ".join(f"{n} {other[n]}, not {line[n]}" for n in names)
            yield f"account {account}: {text}"
    for account in listed:
        yield f"account {account} should have no line"
