"""What banks have booked and nothing had explained: open items, and what ends them.

And what was released to a bank and neither booked nor recalled yet, and to whom it was
paid out. So what the accounts behind each bank account hold is known a second time,
from the rows of each item. Memory: 128 bytes for each transfer that names an item, some
more for each recall; a sum for each of these accounts.
"""

from collections import Counter
from typing import Final

import numpy as np

from switch.audit.accounts import exact_sum
from switch.audit.beneficiaries import WRONG as WRONGLY_PAID
from switch.audit.findings import Findings
from switch.audit.kinds import Move
from switch.audit.layout import (
    CASE,
    MATCHED,
    OK,
    PAYOUT_RULES,
    RECALL_RULES,
    RECENT,
    REVERSAL,
    ROW,
    U64,
    Index,
    Mask,
    Rows,
    pick,
)
from switch.audit.reader import Journal
from switch.audit.register import Register
from switch.audit.timelines import NEVER, NOWHERE, find
from switch.audit.utrs import Utrs
from switch.codes import AccountKind, Kind, Result

R = Result
ENDS: Final = (AccountKind.WALLET, AccountKind.SETTLEMENT, AccountKind.SUSPENSE)
"""Where what came from, or went to, is found to belong."""
ENDING_RESULTS: Final = (
    *(R.CASE_NOT_FOUND, R.ACCOUNT_KIND_WRONG, R.NET_DIFFERS, R.CASE_CLOSED),
    R.UTR_ALREADY_CREDITED,
)
"""What a transfer that names an item is told of that."""
WRONG: Final = {
    R.CASE_NOT_FOUND: "what it ends is no open item: nothing that a bank has booked",
    R.ACCOUNT_KIND_WRONG: "it ends an item of other accounts",
    R.NET_DIFFERS: "it ends another amount than was booked",
    R.CASE_CLOSED: "the item that it ends was ended before",
    R.UTR_ALREADY_CREDITED: "people have credited by hand what it credits to a wallet",
}
"""What is wrong with an accepted one that should have been told that."""
RECALLS_WRONG: Final = {
    R.CASE_NOT_FOUND: "what it recalls is no release",
    R.ACCOUNT_KIND_WRONG: "it recalls a release of other accounts",
    R.NET_DIFFERS: "it recalls another amount than was released",
    R.CASE_CLOSED: "the release that it recalls was booked or recalled before",
}
"""The same of one that recalls a release."""


class Items:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """Nothing seen yet. `register` and its accounts are shared."""
        self.register = register
        self.accounts = register.accounts
        self.banks = register.banks
        self.findings = findings
        self._open: Counter[int] = Counter()
        self._released: Counter[int] = Counter()
        self._endings: list[Rows] = []
        self.recalls: dict[int, int] = {}
        """By release: the first accepted transfer that recalls it."""
        self.met: dict[int, int] = {}
        """By release, if something recalls it or wants to: the first booked row that
        meets it; filled in before `finish`."""

    def booked(self, others: Index, rows: Rows, incoming: Mask) -> None:
        """Take booked rows, with the account of each that is no mirror."""
        matched = (rows["flags"] & np.uint16(MATCHED)) != 0
        _add(self._open, others[~matched], rows["amount"][~matched])
        gone = matched & ~incoming
        _add(self._released, others[gone], rows["amount"][gone], -1)

    def moved(self, rows: Rows) -> None:
        """Take accepted transfers of which an account is one of a bank's."""
        releases, payouts = self.is_release(rows), self.payouts(rows)
        credit = rows["credit"].astype(np.intp)
        _add(self._released, credit[releases], rows["amount"][releases])
        for row in rows[payouts]:
            told, _ = self.register.paid(row)
            if told != R.OK:
                sequence = int(row["sequence"])
                self.findings.add("payouts", sequence, WRONGLY_PAID[told])
        ends = (rows["resolves"] != 0) & ~payouts
        ends &= self.accounts.moves(rows) == Move.ENDING
        if ends.any():
            self._endings.append(pick(rows, ends))
        recalls = pick(rows, ends & self.accounts.recalls(rows))
        for row in recalls:
            self.recalls.setdefault(int(row["resolves"]), int(row["sequence"]))
        corrects = ends & ((rows["flags"] & np.uint16(CASE)) != 0)
        text = "its flags say that it corrects a payment, and it names a bank's item"
        self.findings.add_rows("banks", rows["sequence"][corrects], text)

    def payouts(self, rows: Rows) -> Mask:
        """Which rows pay out, by what they name and the rules of their time."""
        since = self.register.rules_since(PAYOUT_RULES)
        return self.register.beneficiaries.payouts(rows, since)

    def is_release(self, rows: Rows) -> Mask:
        """Which rows, of accounts that there are, release money to a bank."""
        kinds = self.accounts["kind"]
        known = np.maximum(rows["debit"], rows["credit"]) <= self.accounts.count
        debit, credit = (
            kinds[np.where(known, rows[n], 0)] for n in ("debit", "credit")
        )
        returns = debit == AccountKind.BANK_SUSPENSE
        returns &= credit == AccountKind.BANK_TRANSIT
        returns &= rows["kind"] == Kind.TRANSFER
        releases: Mask = returns | self.payouts(rows)
        return releases

    def named(self, refused: list[Rows]) -> U64:
        """The rows that something recalls, or was `refused` to; ascending."""
        more = [rows["resolves"][self.accounts.recalls(rows)] for rows in refused]
        recalled = np.array(sorted(self.recalls), np.uint64)
        return np.unique(np.concatenate([recalled, *more]))

    def recalled(self, about: U64, before: U64) -> Mask:
        """Which rows were recalled before others."""
        recalls = np.array(sorted(self.recalls.items()), np.uint64).reshape(-1, 2)
        at = find(about, recalls[:, 0])
        since = np.full(len(about), NEVER)
        since[at != NOWHERE] = recalls[at[at != NOWHERE], 1]
        mask: Mask = since < before
        return mask

    def finish(self, journal: Journal, utrs: Utrs, refused: list[Rows]) -> None:
        """Judge what ended items, and who was `refused`; then what is left of them.
        `utrs` are finished.
        """
        rows = np.concatenate([np.empty(0, ROW), *self._endings, *refused])
        self._endings.clear()
        rows = pick(rows, np.argsort(rows["sequence"]))
        items = journal.rows_at(rows["resolves"])
        gone = items["sequence"] >= rows["sequence"]
        gone |= np.maximum(items["debit"], items["credit"]) > self.accounts.count
        items[gone | (items["result"] != OK)] = np.zeros((), ROW)
        recalls = self.accounts.recalls(rows)
        recalls &= rows["sequence"] >= self.register.rules_since(RECALL_RULES)
        self._recall(pick(rows, recalls), pick(items, recalls))
        rows, items = pick(rows, ~recalls), pick(items, ~recalls)
        ended: dict[int, int] = {}
        by_hand = utrs.claimers(journal, items)
        by_hand = np.where(by_hand["kind"] == Kind.TOP_UP, by_hand["sequence"], 0)
        for row, item, hand in zip(rows, items, by_hand.tolist(), strict=True):
            told, other = self._told(row, item, ended)
            if told == R.OK and hand and self._again(row, item):
                told, other = R.UTR_ALREADY_CREDITED, hand
            if self._is_right(row, told, other, WRONG):
                ended[int(row["resolves"])] = int(row["sequence"])
                side = "credit" if self._incoming(item) else "debit"
                self._open[int(item[side])] -= int(row["amount"])
        self._balances()

    def _recall(self, rows: Rows, releases: Rows) -> None:
        """Judge what recalls, or was to, what was released to a bank."""
        payouts, known = self.payouts(releases), self.is_release(releases)
        done: dict[int, int] = {}
        for row, release, payout, is_one in zip(
            *(rows, releases, payouts.tolist(), known.tolist()), strict=True
        ):
            told, other = self._told_of(row, release, payout=payout), 0
            if not is_one:
                told = R.CASE_NOT_FOUND
            if told == R.OK:
                number, sequence = int(row["resolves"]), int(row["sequence"])
                met = self.met.get(number, sequence)
                other = met if met < sequence else done.get(number, 0)
                told = R.CASE_CLOSED if other else R.OK
            if self._is_right(row, told, other, RECALLS_WRONG):
                done[int(row["resolves"])] = int(row["sequence"])
                self._released[int(row["debit"])] -= int(row["amount"])

    def _told_of(self, row: np.void, release: np.void, *, payout: bool) -> Result:
        """What a recall should be told of its accounts and its amount."""
        to = int(row["credit"])
        if payout:
            fits = to == release["debit"]
        else:
            fits = self.accounts["kind"][to] == AccountKind.SUSPENSE
        if not fits or row["debit"] != release["credit"]:
            return R.ACCOUNT_KIND_WRONG
        return R.OK if row["amount"] == release["amount"] else R.NET_DIFFERS

    def _is_right(
        self, row: np.void, told: Result, other: int, wrong: dict[Result, str]
    ) -> bool:
        """Whether a row was accepted and should be; what it says of that is judged."""
        sequence = int(row["sequence"])
        if row["result"] != OK:
            if told != row["result"] or other != row["total"]:
                name = R(int(row["result"])).name
                text = f"{name}, and the rows before it show no cause"
                self.findings.add("refusals", sequence, text)
            return False
        if told != R.OK:
            self.findings.add("banks", sequence, wrong[told])
        return told == R.OK

    def _incoming(self, item: np.void) -> bool:
        """Whether a booked row says what came in."""
        return bool(self.accounts["kind"][int(item["debit"])] == AccountKind.BANK)

    def _told(
        self, row: np.void, item: np.void, ended: dict[int, int]
    ) -> tuple[Result, int]:
        """What a transfer should be told that names an item: and the row in the way."""
        if item["kind"] != Kind.BOOKED or int(item["flags"]) & MATCHED:
            return R.CASE_NOT_FOUND, 0
        kinds = self.accounts["kind"]
        if self._incoming(item):
            number = self.banks.of_mirrors(item["debit"].reshape(1).astype(np.intp))[0]
            own = self.banks.table[number, 2]
            to = int(row["credit"])
            fits = row["debit"] == item["credit"]
            fits &= kinds[to] in ENDS or (number > 0 and to == own)
        else:
            fits = row["credit"] == item["debit"]
            fits &= kinds[int(row["debit"])] in ENDS
        if not fits:
            return R.ACCOUNT_KIND_WRONG, 0
        if row["amount"] != item["amount"]:
            return R.NET_DIFFERS, 0
        other = ended.get(int(row["resolves"]), 0)
        return (R.CASE_CLOSED if other else R.OK), other

    def _again(self, row: np.void, item: np.void) -> bool:
        """Whether an ending gives a wallet what came in with a reference that the item
        has not claimed.
        """
        to_wallet = self.accounts["kind"][int(row["credit"])] == AccountKind.WALLET
        claims = int(item["flags"]) & (RECENT | REVERSAL)
        return bool(self._incoming(item) and to_wallet and not claims)

    def _balances(self) -> None:
        """What the accounts hold is what is open, and on its way."""
        accounts = self.accounts
        for kind, sign in (
            (AccountKind.BANK_SUSPENSE, 1),
            (AccountKind.BANK_TRANSIT, -1),
        ):
            for account in np.flatnonzero(accounts["kind"] == kind).tolist():
                balance = int(accounts["credits_posted"][account])
                balance -= int(accounts["debits_posted"][account])
                said = sign * self._open[account] + self._released[account]
                if balance != said:
                    text = f"account {account} holds {balance} paise, and what is open"
                    sequence = int(accounts["changed"][account])
                    self.findings.add("banks", sequence, f"{text} comes to {said}")


def _add(sums: Counter[int], accounts: Index, amounts: U64, sign: int = 1) -> None:
    """Add amounts to the sums of their accounts."""
    for account in np.unique(accounts).tolist():
        sums[account] += sign * exact_sum(amounts[accounts == account])
