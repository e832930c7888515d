"""What accepted money rows do to the accounts, many rows at a time.

The rows of a span come in order and no row without money stands between them. Every
rule is judged as if they were applied one after the other; where sums over the whole
span already prove a rule, the single rows are not looked at.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from switch.audit.accounts import (
    ANY_BALANCE,
    TOTALS,
    Accounts,
    below_zero,
    exact_sum,
)
from switch.audit.beneficiaries import check_owed, may_owe, says_owed
from switch.audit.booked import Booked
from switch.audit.cases import Cases
from switch.audit.claims import Claims
from switch.audit.complaints import Complaints
from switch.audit.daily import count_days, number_receipts
from switch.audit.deadlines import Deadlines
from switch.audit.findings import Findings
from switch.audit.handouts import Handouts
from switch.audit.holds import Holds, due_times
from switch.audit.kinds import (
    LINE,
    MONEY,
    NUMBERED,
    PEOPLE,
    PERIOD,
    POSTED,
    RESOLVING,
    SPENDING,
    Move,
)
from switch.audit.layout import (
    CLAIM,
    COPIED_FLAGS,
    EVIDENCE,
    KEEP,
    OK,
    PARTIAL,
    RELEASE,
    U64,
    UNDOES,
    Index,
    Mask,
    Rows,
    pick,
)
from switch.audit.limits import note_low
from switch.audit.openings import may_move
from switch.audit.parts import Parts
from switch.audit.payments import check_services
from switch.audit.people import People
from switch.audit.prices import Priced
from switch.audit.put_bills import PutBills
from switch.audit.refusals import Refusals
from switch.audit.register import Register
from switch.audit.senders import (
    check_cancels,
    check_operator,
    check_operators,
    check_sender,
    check_senders,
)
from switch.audit.settled import Settled
from switch.audit.signed_off import SignedOff
from switch.audit.spans import Resolutions, Span
from switch.audit.stakes import Stakes
from switch.codes import AccountKind, AccountState, Kind

OF_HOLDS: Final = CLAIM | PARTIAL | RELEASE | UNDOES
"""Flags of transfers that name a hold, beside what corrections say."""
COPIED: Final = ("debit", "credit", "service", "participant", "operator_", "basket")
"""Fields that post, void and expire copy from the hold, beside the reference."""


def _pairs() -> Mask:
    """Which kinds of accounts a kind of row may debit and credit."""
    wallet, biller, bank, settlement = (
        AccountKind.WALLET,
        AccountKind.BILLER,
        AccountKind.FLOAT,
        AccountKind.SETTLEMENT,
    )
    mirror, waiting, transit = (
        *(AccountKind.BANK, AccountKind.BANK_SUSPENSE),
        AccountKind.BANK_TRANSIT,
    )
    table = np.zeros((256, 16, 16), dtype=np.bool_)
    for kind in (Kind.PAY, Kind.HOLD, Kind.POST, Kind.VOID, Kind.EXPIRE):
        table[kind, wallet, biller] = True
    table[Kind.REFUND, biller, wallet] = True
    table[Kind.TOP_UP, bank, wallet] = True
    table[Kind.SETTLE, biller, settlement] = True
    table[Kind.TRANSFER, 1:6, 1:6] = True
    # Of these, what names nothing, what opens a bank account, what ends an item and
    # what recalls a release are told apart below.
    table[Kind.TRANSFER, mirror, bank] = table[Kind.TRANSFER, bank, mirror] = True
    for own in (wallet, settlement, AccountKind.SUSPENSE):
        table[Kind.TRANSFER, waiting, own] = table[Kind.TRANSFER, own, transit] = True
    table[Kind.TRANSFER, waiting, transit] = True
    for own in (settlement, AccountKind.SUSPENSE):
        table[Kind.TRANSFER, transit, own] = True
    table[Kind.BOOKED, mirror, [wallet, waiting]] = True
    table[Kind.BOOKED, transit, mirror] = True
    return table.reshape(-1)


PAIRS: Final = _pairs()


class Books:
    """The accounts, the open holds and the register, row by row of the journal."""

    def __init__(
        self, findings: Findings, ledger: bytes, stakes: Stakes, *, whole: bool
    ) -> None:
        """`ledger`: instance and epoch. Not `whole`: only totals, balances, holds and
        windows are judged.
        """
        self.findings = findings
        self.accounts = Accounts()
        self.register = Register(self.accounts, findings)
        self.claims = Claims(self.register, findings) if whole else None
        self.holds = Holds()
        self.refusals = Refusals(self.register, findings)
        self.deadlines = Deadlines(findings)
        self.people = People(self.register, findings, ledger, stakes)
        self.cases = Cases(
            *(self.register, self.holds, self.deadlines, self.people), findings
        )
        self.booked = Booked(self.register, findings)
        self.settled = Settled(self.register, findings)
        self.complaints = Complaints(self.register, findings)
        self.handouts = Handouts(self.register, findings)
        put_bills = PutBills(self.register, findings)
        self._apart: dict[int, Callable[[np.void, bytes | None], None]] = {
            Kind.REQUEST: lambda row, _: self.booked.requests.take(row),
            Kind.COMPLAINT: self.complaints.take,
            Kind.REPLY: self.complaints.take,
            Kind.BILLS: put_bills.take,
            Kind.HANDED_OUT: self.handouts.take,
            Kind.SIGNED_OFF: SignedOff(self.register, findings).take,
        }
        """Who judges what is refused as well as what is accepted."""
        self.moved = 0

    def apply(self, rows: Rows, first: int, tails: dict[int, bytes]) -> None:
        """Apply rows in order; `first` is the index of the first one for `tails`."""
        others = np.flatnonzero(~MONEY[rows["kind"]])
        parts = Parts.of(rows, first, tails)
        start = 0
        for at in others.tolist():
            if at > start:
                self._span(rows[start:at], parts[start:at])
            self._single(rows[at], tails.get(first + at))
            start = at + 1
        if start < len(rows):
            self._span(rows[start:], parts[start:])

    def _single(self, row: np.void, tail: bytes | None) -> None:
        """Apply a row that moves no money."""
        kind, accepted = int(row["kind"]), bool(row["result"] == OK)
        if self.claims:
            self.people.single(row, tail)
            check_operator(self.register, self.people, row, self.findings)
            if accepted:
                check_sender(self.register, self.people, row, self.findings)
        if apart := self._apart.get(kind):
            if accepted or self.claims:
                apart(row, tail)
        elif accepted:
            part = self.cases if PEOPLE[kind] else self.register
            part.apply(row, tail)
            if kind in (Kind.CASE, Kind.VERIFY):
                self.handouts.hear(row)
        elif self.claims:
            self.refusals.single(row, tail)

    def _span(self, rows: Rows, parts: Parts) -> None:
        """Apply money rows, accepted and refused."""
        accepted = rows["result"] == OK
        refused = None
        if not accepted.all():
            if self.claims:
                refused = self._refused(pick(rows, ~accepted), parts[~accepted])
                self.people.refused(refused)
                self.settled.refused(refused)
                told = refused["kind"] == Kind.BOOKED
                if told.any():
                    self.booked.refused(pick(refused, told))
            rows, parts = pick(rows, accepted), parts[accepted]
        if len(rows):
            self._money(Span(rows, parts), refused)
        elif refused is not None:
            self.refusals.span(refused, None, None, self.moved)

    def _refused(self, rows: Rows, parts: Parts) -> Rows:
        """Judge refused payments by their own services; gives the rows back."""
        paying = SPENDING[rows["kind"]]
        if self.claims and paying.any():
            priced = Priced(self.register, pick(rows, paying), parts[paying])
            check_operators(self.register, priced.rows, self.findings)
            self.refusals.priced(priced)
            self.claims.refused(priced)
        return rows

    def _money(self, span: Span, refused: Rows | None) -> None:
        """Apply a span, and judge what was refused between its rows."""
        span = self._known(span)
        if not len(span.rows):
            return
        self._kinds(span)
        if self.register.restricted:
            self._states(span)
        resolutions = self._resolve(span)
        self._below_zero(span, resolutions)
        if refused is not None:
            self.refusals.span(refused, span, resolutions, self.moved)
        self._totals(span, resolutions)
        note_low(self.accounts, span, resolutions, self.moved)
        self._periods(span)
        if span.kinds[[Kind.SETTLE, Kind.TRANSFER, Kind.BOOKED]].any():
            self.settled.take(span.rows)
        spending = span.where(SPENDING)
        checked = self.findings if self.claims else None
        count_days(self.accounts, span, spending, resolutions, checked)
        number_receipts(self.accounts, span, span.where(NUMBERED), checked)
        if span.kinds[Kind.SETTLE]:
            for row in span.rows[span.kind == Kind.SETTLE]:
                self.register.settle(row)
        if self.claims:
            check_senders(self.register, span, self.findings)
            paid = self._priced(span, spending)
            check_operators(self.register, paid.rows, self.findings)
            check_services(paid, self.findings)
            self.claims.paid(paid)
            self.claims.span(span.rows, resolutions)
            if span.kinds[LINE].any():
                self.people.moved(pick(span.rows, LINE[span.kind]), self.accounts)
            if span.kinds[Kind.BOOKED]:
                self.booked.take(pick(span.rows, span.kind == Kind.BOOKED))
            if span.kinds[Kind.REFUND]:
                refunds = pick(span.rows, span.kind == Kind.REFUND)
                self.cases.approvals.needed(refunds)

    def _known(self, span: Span) -> Span:
        """The span without rows that name accounts that are not open yet."""
        count = self.accounts.count
        low = min(int(span.debit.min()), int(span.credit.min()))
        if low >= 1 and max(int(span.debit.max()), int(span.credit.max())) <= count:
            return span
        good = (span.debit >= 1) & (span.debit <= count)
        good &= (span.credit >= 1) & (span.credit <= count)
        text = "it names an account that was not open"
        self.findings.add_rows("accounts", span.sequence[~good], text)
        return span.only(good)

    def _priced(self, span: Span, spending: "Index | slice") -> Priced:
        """The payments of a span."""
        rows = span.rows if isinstance(spending, slice) else pick(span.rows, spending)
        return Priced(self.register, rows, span.parts[spending])

    def _kinds(self, span: Span) -> None:
        """Each kind of row moves money between its kinds of accounts."""
        kind = self.accounts["kind"]
        pair = span.kind.astype(np.intp) * 256
        pair += kind[span.debit] * np.uint8(16) + kind[span.credit]
        bad = ~PAIRS[pair]
        if bad.any():
            text = "it moves money between kinds of accounts that it may not"
            self.findings.add_rows("accounts", span.sequence[bad], text)
        if span.kinds[Kind.TRANSFER]:
            self._transfers(pick(span.rows, span.kind == Kind.TRANSFER), span)
            bad = span.debit == span.credit
            text = "it moves money from an account to itself"
            self.findings.add_rows("accounts", span.sequence[bad], text)
        bad = span.amount == 0
        if bad.any():
            bad &= POSTED[span.kind] | (span.kind == Kind.HOLD)
            text = "it moves no money"
            self.findings.add_rows("accounts", span.sequence[bad], text)

    def _transfers(self, rows: Rows, span: Span) -> None:
        """What transfers do by what they name, and to accounts of banks."""
        kinds = self.accounts["kind"]
        debit, credit = kinds[rows["debit"]], kinds[rows["credit"]]
        names = rows["resolves"] != 0
        # What pays out to a beneficiary is among these.
        ends = names & (self.accounts.moves(rows) == Move.ENDING)
        bad = names & ((debit == AccountKind.BANK) | (credit == AccountKind.BANK))
        if not self.register.know_recalls:
            bad |= names & (debit == AccountKind.BANK_TRANSIT)
        bad |= ~names & ~may_move(self.register, rows, span)
        if bad.any():
            text = (
                "it moves what a bank has booked, or has on its way: it ends nothing, "
                "pays out nothing, recalls nothing and opens no bank account"
            )
            self.findings.add_rows("accounts", rows["sequence"][bad], text)
        bad = (rows["flags"] & np.uint16(OF_HOLDS)) != 0
        bad &= ~names | ends
        if bad.any():
            text = "its flags speak of a correction or of a claim, and it names no hold"
            self.findings.add_rows("cases", rows["sequence"][bad], text)
        known = self.register.know_payouts
        check_owed(rows, self.accounts, known=known, to=self.findings)
        if (names & ~ends).any():
            rights = pick(rows, names & ~ends)
            self.cases.moved(rights)
            moves = self.accounts.moves(rights)
            for row in rights[np.isin(moves, (Move.CORRECTION, Move.UNDOING))]:
                self.handouts.hear(row)
        of_banks = ends | (credit == AccountKind.BANK_TRANSIT)
        if self.claims and of_banks.any():
            self.booked.items.moved(pick(rows, of_banks))

    def _states(self, span: Span) -> None:
        """Closed accounts and frozen ones take part only where they may."""
        state = self.accounts["state"]
        debit, credit = state[span.debit], state[span.credit]
        spending = SPENDING[span.kind]
        closed = int(AccountState.CLOSED)
        bad = spending & ((debit != AccountState.OPEN) | (credit != AccountState.OPEN))
        bad |= ((span.kind == Kind.REFUND) | (span.kind == Kind.TOP_UP)) & (
            credit == closed
        )
        either = (debit == closed) | (credit == closed)
        bad |= (span.kind == Kind.TRANSFER) & either
        if self.register.rules:
            # Since rules are written down, nothing moves a closed account.
            bad |= either
        text = "one of its accounts is frozen or closed"
        self.findings.add_rows("accounts", span.sequence[bad], text)

    def _resolve(self, span: Span) -> Resolutions | None:
        """Take the span's holds in and find what its rows resolve."""
        if span.kinds[Kind.HOLD]:
            self.holds.add(pick(span.rows, span.kind == Kind.HOLD))
        at = span.where(RESOLVING)
        if isinstance(at, slice):
            at = np.arange(len(span.rows))
        if not len(at):
            return None
        about = span.rows["resolves"][at]
        place, good, kept = self.holds.resolve(about, span.sequence[at])
        for position in at[~good].tolist():
            row = span.rows[position]
            text = f"{row['resolves']} is no open hold: resolved before, or never made"
            self.findings.add("holds", int(row["sequence"]), text)
        at = at[good]
        found = Resolutions(span, at, pick(self.holds.rows, place[good]), kept[good])
        self.holds.unverified.update(found.holds["sequence"][found.expired].tolist())
        self._compare_holds(span, found)
        if self.claims:
            rows = pick(span.rows, at)
            self.cases.resolved(found.holds, rows)
            cancelled = self.cases.approvals.ended(found, rows)
            if len(cancelled):
                check_cancels(self.register, cancelled, self.findings)
            # One that is kept is due no more: a case has ended that.
            self.deadlines.ended(
                pick(found.holds, ~found.kept), pick(rows, ~found.kept)
            )
        return found

    def _compare_holds(self, span: Span, found: Resolutions) -> None:
        """A resolution says what its hold said, and comes when it may."""
        rows, holds = pick(span.rows, found.at), found.holds
        sequence, amount = rows["sequence"], rows["amount"]
        differs = (rows["reference"] != holds["reference"]).any(axis=1)
        for name in COPIED:
            differs |= rows[name] != holds[name]
        differs |= ((rows["flags"] ^ holds["flags"]) & np.uint16(COPIED_FLAGS)) != 0
        post = found.post
        wrong = post & ((amount > holds["amount"]) | (amount == 0))
        released = ~post & (amount != holds["amount"])
        early = found.expired & (rows["timestamp"] < due_times(holds))
        keeps = (holds["flags"] & np.uint16(KEEP)) != 0
        kept = found.expired & (keeps | found.kept)
        says_kept = (rows["flags"] & np.uint16(KEEP)) != 0
        unsaid = ~found.expired & (says_kept != found.kept)
        evidence = (rows["flags"] & np.uint16(EVIDENCE)) != 0
        part = post & evidence & (amount != holds["amount"])
        for text, mask in (
            ("it differs from the hold it resolves", differs),
            ("it posts nothing or more than was held", wrong),
            ("it releases another amount than was held", released),
            ("it expires a hold that was not due", early),
            ("it expires a hold that is kept", kept),
            ("its flags do not say whether its hold was kept", unsaid),
            ("a biller's answer made it, and it posts less than was held", part),
        ):
            if mask.any():
                self.findings.add_rows("holds", sequence[mask], text)
        # Of a kept one two people may say it, which is judged with the approvals.
        alone = post & ~evidence & ~found.kept
        if self.claims and alone.any():
            text = "it posts a hold, and no biller's answer made it"
            self.findings.add_rows("evidence", sequence[alone], text)

    def _below_zero(self, span: Span, found: Resolutions | None) -> None:
        """No account that may not is below zero after any row of the span."""
        accounts, kind = self.accounts, self.accounts["kind"]
        lowering = span.where(MONEY & ~RESOLVING)
        account, amount = span.debit[lowering], span.amount[lowering]
        self.moved += exact_sum(span.amount)
        losses = np.zeros(accounts.size, dtype=np.uint64)
        np.add.at(losses, account, amount)
        # While three times all that ever moved fits in 64 bits, so does this sum.
        if 4 * self.moved < 2**64:
            losses += accounts["debits_posted"]
            losses += accounts["debits_pending"]
            short = losses > accounts["credits_posted"]
        else:
            short = losses != 0
        short &= ~ANY_BALANCE[kind]
        if not short.any():
            return
        index = np.arange(len(span.rows))
        out = index[lowering][short[account]]
        posted = index[span.where(POSTED)]
        into = posted[short[span.credit[posted]]]
        debit, credit, amount = span.debit, span.credit, span.amount
        parts = [
            (debit[out], out, np.zeros(len(out), np.uint64), amount[out]),
            (credit[into], into, amount[into], np.zeros(len(into), np.uint64)),
        ]
        if found is not None:
            back = short[found.debit]
            gain = found.released[back]
            zeros = np.zeros(len(gain), np.uint64)
            parts.append((found.debit[back], found.at[back], gain, zeros))
        names, at, gains, losses = (np.concatenate(c) for c in zip(*parts, strict=True))
        refund = (span.kind[at] == Kind.REFUND) & (kind[names] == AccountKind.BILLER)
        strict = (losses != 0) & ~refund
        if span.kinds[Kind.TRANSFER]:
            back = self.accounts.moves(span.rows) == Move.UNDOING
            back &= (span.kind == Kind.TRANSFER) & (span.rows["resolves"] != 0)
            strict &= ~back[at]
        if self.register.know_payouts and span.kinds[Kind.TRANSFER]:
            owes = says_owed(span.rows) & may_owe(span.rows, accounts)
            strict &= ~owes[at]
        wrong = below_zero(names, at, gains, losses, strict, accounts)
        for position in np.sort(wrong).tolist():
            text = f"account {span.debit[position]} is below zero after it"
            self.findings.add("below_zero", int(span.sequence[position]), text)

    def _totals(self, span: Span, found: Resolutions | None) -> None:
        """Add the span to the four totals, `holds_count` and `changed`."""
        accounts = self.accounts
        posted = span.where(POSTED)
        debit, credit = span.debit[posted], span.credit[posted]
        amount = span.amount[posted]
        if 4 * self.moved >= 2**64:
            self._overflows(span, debit, credit, amount)
        np.add.at(accounts["debits_posted"], debit, amount)
        np.add.at(accounts["credits_posted"], credit, amount)
        paid = span.where(NUMBERED)
        for side in (span.debit, span.credit):
            np.add.at(accounts["refundable"], side[paid], span.amount[paid])
            if span.kinds[Kind.REFUND]:
                back = np.flatnonzero(span.kind == Kind.REFUND)
                np.subtract.at(accounts["refundable"], side[back], span.amount[back])
        one = np.uint32(1)
        if span.kinds[Kind.HOLD]:
            held = np.flatnonzero(span.kind == Kind.HOLD)
            debit, credit = span.debit[held], span.credit[held]
            amount = span.amount[held]
            np.add.at(accounts["debits_pending"], debit, amount)
            np.add.at(accounts["credits_pending"], credit, amount)
            np.add.at(accounts["holds_count"], debit, one)
            np.add.at(accounts["holds_count"], credit, one)
        if found is not None:
            np.subtract.at(accounts["debits_pending"], found.debit, found.held)
            np.subtract.at(accounts["credits_pending"], found.credit, found.held)
            np.subtract.at(accounts["holds_count"], found.debit, one)
            np.subtract.at(accounts["holds_count"], found.credit, one)
            for side in (found.debit, found.credit):
                np.add.at(accounts["cases_count"], side[found.expired], one)
                np.subtract.at(accounts["kept_count"], side[found.kept], one)
                np.subtract.at(
                    accounts["kept_amount"], side[found.kept], found.held[found.kept]
                )
        # Of several assignments to one element the last stands, and rows ascend.
        accounts["changed"][span.credit] = span.sequence
        before = accounts["changed"][span.debit]
        accounts["changed"][span.debit] = span.sequence
        np.maximum.at(accounts["changed"], span.debit, before)

    def _overflows(self, span: Span, debit: Index, credit: Index, amount: U64) -> None:
        """Find totals that would pass 64 bits: sums in halves, on huge amounts only."""
        for name, index in (("debits_posted", debit), ("credits_posted", credit)):
            total = self.accounts[name].astype(object)
            np.add.at(total, index, amount.astype(object))
            for account in np.flatnonzero(total >= 2**64).tolist():
                text = f"{name} of account {account} does not fit in 64 bits"
                self.findings.add("totals", int(span.sequence[-1]), text)

    def _periods(self, span: Span) -> None:
        """Add to the period totals of biller accounts."""
        accounts, kind = self.accounts, self.accounts["kind"]
        where = span.where(PERIOD)
        amount = span.amount[where]
        sides = (("period_debits", span.debit), ("period_credits", span.credit))
        for name, side in sides:
            account = side[where]
            biller = kind[account] == AccountKind.BILLER
            if biller.all():
                np.add.at(accounts[name], account, amount)
            elif biller.any():
                np.add.at(accounts[name], account[biller], amount[biller])

    def check_balance(self, sequence: int) -> None:
        """Debits equal credits, pending and posted, over all accounts."""
        for debits, credits in (TOTALS[0::2], TOTALS[1::2]):
            left = exact_sum(self.accounts[debits])
            right = exact_sum(self.accounts[credits])
            if left != right:
                text = f"{debits} sum to {left}, {credits} to {right}"
                self.findings.add("totals", sequence, text)
