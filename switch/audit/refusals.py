"""Refused rows: the cause that each one names must have been there.

Judged where the rows before it show it exactly: the register and the states of accounts
as they stood, prices, funds and counters of a day row by row, and the row in the way
that a refusal names. Not judged is what no row holds: what was due where no price rule
says it, items of a service without a tariff, and how a basket stood at its second
payment and later ones. Memory: 128 bytes for each refusal that speaks of a row.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from switch.audit.accounts import ANY_BALANCE
from switch.audit.beneficiaries import may_owe, says_owed
from switch.audit.findings import Findings
from switch.audit.items import ENDING_RESULTS
from switch.audit.kinds import BY_ONE, MONEY, POSTED, RESOLVING, SPENDING, Move
from switch.audit.layout import (
    ACCOUNT_RECORD,
    PARTICIPANT_RECORD,
    PAYOUT_RULES,
    SETTLED_RULES,
    U64,
    Index,
    Mask,
    Rows,
    ist_days,
    pick,
)
from switch.audit.openings import may_move
from switch.audit.payments import MISSPELLED
from switch.audit.prices import Priced, check_parts, misspelled, misstated
from switch.audit.references import without_period
from switch.audit.register import CHECKED, Register
from switch.audit.services import (
    broken_rules,
    broken_tariff,
    joins_series,
    read_service,
)
from switch.audit.spans import Resolutions, Span
from switch.codes import (
    HEAD_MASK,
    HEAD_SHIFT,
    AccountKind,
    AccountState,
    AmountRule,
    KeyRule,
    Kind,
    PriceRule,
    Record,
    Result,
    Role,
)

R = Result
DOUBTFUL: Final = {
    Kind.PROPOSE: (R.HOLD_NOT_FOUND, R.EXCEEDS_HOLD, R.CASE_CLOSED),
    Kind.TRANSFER: (
        *(R.CASE_NOT_FOUND, R.CASE_CLOSED),
        *(R.NET_DIFFERS, R.ACCOUNT_KIND_WRONG),
    ),
}
"""Refusals that the rows of one hold show, judged by `doubts`. What a refused proposal
asked for is in no row, so that CASE_NOT_FOUND of one is not among them."""
TABLES_LEAST: Final = 4_000
"""No table is full below this, whatever its bound is."""
HALF: Final = np.uint64(1 << 63)

SERVICE_RESULTS: Final = (
    *range(R.SERVICE_UNKNOWN, R.PERIOD_MISSING + 1),
    *(R.REFERENCE_WRONG, R.ITEM_UNKNOWN, R.FEE_CHANGED, R.AMOUNT_STEP_WRONG),
)
PAYMENT_RESULTS: Final = (
    *SERVICE_RESULTS,
    *range(R.DEBIT_CLOSED, R.BASKET_FAILED + 1),
    R.PAYMENT_AMOUNT_EXCEEDED,
)
MAY_BE_SENT: Final = (
    *(R.SERVICE_INACTIVE, R.HEAD_UNKNOWN, R.BASKET_FAILED),
    R.REFERENCE_WRONG,
)
"""Results of payments whose reference may have no canonical form: asked before it, or
of another payment, or just that."""
PAYOUT_RESULTS: Final = R.BENEFICIARY_WRONG, R.BENEFICIARY_WAITS, R.EXCEEDS_SETTLED
"""What a payout is told of to whom it goes, and how much may."""
STATES: Final = {
    R.DEBIT_CLOSED: ("debit", AccountState.CLOSED),
    R.DEBIT_FROZEN: ("debit", AccountState.FROZEN),
    R.CREDIT_CLOSED: ("credit", AccountState.CLOSED),
    R.CREDIT_FROZEN: ("credit", AccountState.FROZEN),
}
PAIRED: Final = {
    Kind.TOP_UP: (AccountKind.FLOAT, AccountKind.WALLET),
    Kind.SETTLE: (AccountKind.BILLER, AccountKind.SETTLEMENT),
}
SPEAKING: Final = (
    *(R.UTR_ALREADY_CREDITED, R.EXCEEDS_HOLD),
    *(R.PAYMENT_NOT_FOUND, R.EXCEEDS_PAYMENT),
    *(R.WINDOW_NOT_FOUND, R.ALREADY_SETTLED, R.NET_DIFFERS),
    *(R.CASE_NOT_FOUND, R.CASE_CLOSED),
    *(R.PROPOSAL_NOT_FOUND, R.SAME_PERSON, R.ALREADY_APPROVED),
    *(R.HOLD_NOT_FOUND, R.PROPOSAL_WITHDRAWN, R.PROPOSAL_EXPIRED),
    *(R.BOOKED_DIFFERS, R.ALREADY_DONE),
)
"""Results that other rows prove or disprove, read again at the end."""


class Changes:
    """What rows add to their accounts, to be summed up to a row between them."""

    def __init__(self) -> None:
        """No change."""
        self._accounts: list[Index] = []
        self._at: list[U64] = []
        self._amounts: list[U64] = []

    def add(self, accounts: Index, at: U64, amounts: U64) -> None:
        """Changes by the rows `at`; what takes away is negated, modulo 2^64."""
        self._accounts.append(accounts)
        self._at.append(at)
        self._amounts.append(amounts)

    def before(self, account: Index, at: U64) -> U64:
        """For each account the sum of its changes before the row `at`, modulo 2^64."""
        names = np.concatenate((*self._accounts, account))
        order = np.lexsort((np.concatenate((*self._at, at)), names))
        none = np.zeros(len(account), dtype=np.uint64)
        changes = np.concatenate((*self._amounts, none))[order]
        names = names[order]
        first = np.empty(len(names), dtype=np.bool_)
        first[:1] = True
        np.not_equal(names[1:], names[:-1], out=first[1:])
        running = np.cumsum(changes, dtype=np.uint64)
        running -= (running - changes)[first][np.cumsum(first) - 1]
        back = np.empty(len(order), dtype=np.uint64)
        back[order] = running
        return back[len(order) - len(account) :]


class Refusals:
    """Judges refused rows as they pass; keeps those that speak of others."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """`register` and its accounts are shared with the accepted rows."""
        self.register = register
        self.accounts = register.accounts
        self.findings = findings
        self.speaking: list[Rows] = []
        # Of those, what the rows of one hold show.
        self.doubtful: list[Rows] = []
        # And what open items show.
        self.endings: list[Rows] = []

    def _add(self, rows: Rows, wrong: Mask) -> None:
        for row in rows[wrong]:
            name = Result(int(row["result"])).name
            text = f"{name}, and there was no cause for that"
            self.findings.add("refusals", int(row["sequence"]), text)

    def span(
        self, rows: Rows, span: Span | None, found: Resolutions | None, moved: int
    ) -> None:
        """Judge refused money rows between those of a span that is not applied yet.

        `moved` is the sum of all that money rows ever said.
        """
        results = rows["result"]
        self._keep(rows)
        for result in np.unique(results).tolist():
            mine = pick(rows, results == result)
            if result in STATES:
                side, state = STATES[Result(result)]
                self._add(mine, self._in_state(mine[side], state))
            else:
                self._add(mine, self._of_accounts(mine, result, moved, span))
            if result == R.INSUFFICIENT_FUNDS:
                self._funds(mine, span, found)
            elif result in (R.DAY_COUNT_EXCEEDED, R.DAY_AMOUNT_EXCEEDED):
                self._days(mine, span, found, result)

    def _owes_nothing(self, rows: Rows) -> Mask:
        """Transfers that say that their wallet owes, and are none that may."""
        owes_nothing: Mask = says_owed(rows) & ~may_owe(rows, self.accounts)
        return owes_nothing & self.register.know_payouts

    def _payouts(self, rows: Rows) -> Mask:
        """Payouts that name a row of the register."""
        since = self.register.rules_since(PAYOUT_RULES)
        payouts = self.register.beneficiaries.payouts(rows, since)
        named: Mask = payouts & (rows["resolves"] != 0)
        return named

    def _paid(self, rows: Rows) -> Mask:
        """Judge transfers by whether they may be owed, and payouts by to whom they go;
        which rows no other row has to be read for.
        """
        results, alien = rows["result"], self._owes_nothing(rows)
        self._add(rows, alien & (results != R.ACCOUNT_KIND_WRONG))
        paying = np.isin(results, PAYOUT_RESULTS)
        named = self._payouts(rows) & ~alien
        self._add(rows, named & np.isin(results, ENDING_RESULTS))
        for row in rows[paying & ~alien]:
            payout = self.register.beneficiaries.payouts(row.reshape(1), 0)[0]
            told = self.register.paid(row) if payout else (R.OK, 0)
            if not self.register.know_payouts:
                told = R.OK, 0
            exceeds = row["result"] == R.EXCEEDS_SETTLED
            if exceeds and payout and row["resolves"] and told == (R.OK, 0):
                # How much there was is judged when all rows have passed.
                told = (
                    (R.EXCEEDS_SETTLED if self.register.has(SETTLED_RULES) else R.OK),
                    0,
                )
            if told != (row["result"], row["total"]):
                self._add(row.reshape(1), np.ones(1, np.bool_))
        return alien | named | paying

    def _keep(self, rows: Rows) -> None:
        """Keep those that speak of other rows."""
        done = self._paid(rows)
        moves = (rows["kind"] == Kind.TRANSFER) & (rows["resolves"] != 0) & ~done
        ends = moves & (self.accounts.moves(rows) == Move.ENDING)
        if not self.register.know_recalls:
            ends &= ~self.accounts.recalls(rows)
        deeds = moves & ~ends & ~np.isin(self.accounts.moves(rows), BY_ONE)
        deeds |= (rows["kind"] == Kind.REFUND) | (rows["kind"] == Kind.CASE_CLOSE)
        text = "what two people want is refused without a row, and stays to be done"
        self.findings.add_rows("refusals", rows["sequence"][deeds], text)
        told = (rows["kind"] == Kind.BOOKED) & (rows["result"] != R.BOOKED_DIFFERS)
        text = "what a bank has booked has a row only if that contradicts another"
        self.findings.add_rows("refusals", rows["sequence"][told], text)
        if (ends := ends & np.isin(rows["result"], ENDING_RESULTS)).any():
            endings = pick(rows, ends)
            # What is opened later was no account when it was named.
            for side in ("debit", "credit"):
                endings[side][~self._known(endings[side])] = 0
            self.endings.append(endings)
        rows = pick(rows, ~(deeds | told | ends | done))
        doubtful = doubtful_of(rows)
        if doubtful.any():
            self.doubtful.append(pick(rows, doubtful))
        speaks = np.isin(rows["result"], SPEAKING) & ~doubtful
        if speaks.any():
            self.speaking.append(pick(rows, speaks))

    def priced(self, priced: Priced) -> None:
        """Judge refused payments by their services and what they say of their price."""
        rows = priced.rows
        results = rows["result"]
        alien = (results <= R.ALREADY_APPROVED) & ~np.isin(results, PAYMENT_RESULTS)
        self._add(rows, alien)
        check_parts(priced, self.findings)
        wrong = misspelled(priced)
        form = self._has_form(priced, wrong)
        # The row keeps the canonical reference, if there is one.
        bad = wrong & (form | ~np.isin(results, MAY_BE_SENT))
        bad &= results != R.REFERENCE_WRONG
        bad |= misstated(priced, ~form)
        self.findings.add_rows("services", rows["sequence"][bad], MISSPELLED)
        known = (rows["service"] >= 1) & (rows["service"] <= len(self.register.codes))
        for result in np.intersect1d(results, SERVICE_RESULTS).tolist():
            if result == R.SERVICE_UNKNOWN:
                fits = known
            elif result == R.REFERENCE_WRONG:
                fits = form | ~known
            else:
                fits = self._fits(priced, result) | ~known
            self._add(rows, fits & (results == result))

    def _fits(self, priced: Priced, result: int) -> Mask:
        """Payments that their service would have taken as far as this check goes."""
        rows, amount = priced.rows, priced.rows["amount"]
        fits: Mask
        if result == R.SERVICE_INACTIVE:
            fits = priced.said("active") != 0
        elif result == R.HEAD_UNKNOWN:
            head = (rows["flags"] & np.uint16(HEAD_MASK)) >> np.uint16(HEAD_SHIFT)
            fits = head < priced.said("heads_count")
        elif result == R.AMOUNT_BELOW_MINIMUM:
            fits = amount >= priced.said("amount_min")
        elif result == R.AMOUNT_ABOVE_MAXIMUM:
            most = priced.said("amount_max")
            fits = (most == 0) | (amount <= most)
        elif result == R.PERIOD_MISSING:
            fits = priced.said("key_rule") != KeyRule.REFERENCE_PERIOD
            fits |= ~without_period(rows)
        else:
            fits = self._price_fits(priced, result)
        return fits

    @staticmethod
    def _price_fits(priced: Priced, result: int) -> Mask:
        """The same of results that speak of a price."""
        fits: Mask
        if result == R.AMOUNT_NOT_EXACT:
            free = np.isin(
                priced.said("amount_rule"), (AmountRule.MIN_MAX, AmountRule.ANY)
            )
            fits = free & (priced.price == PriceRule.STATED)
            fits |= np.isin(priced.price, (PriceRule.TARIFF, PriceRule.OPEN))
            fits |= priced.bill & priced.met()
        elif result == R.ITEM_UNKNOWN:
            fits = priced.tariff & priced.fees()[0]
        elif result == R.FEE_CHANGED:
            has, right = priced.fees()
            fits = (priced.price != PriceRule.TARIFF) | ~has | right
        else:
            fits = (priced.price != PriceRule.OPEN) | priced.stepped()
        return fits

    def _has_form(self, priced: Priced, wrong: Mask) -> Mask:
        """Payments whose reference has a canonical form, be it another one; that of a
        quotation always has.
        """
        form: Mask = ~wrong | priced.quoted
        for at in np.flatnonzero(~form).tolist():
            form[at] = self.register.spellings.canonical(priced.rows[at]) is not None
        return form

    def _known(self, numbers: npt.NDArray[np.uint32]) -> Mask:
        """Which are accounts, so far."""
        known: Mask = (numbers >= 1) & (numbers <= self.accounts.count)
        return known

    def _in_state(self, numbers: npt.NDArray[np.uint32], state: AccountState) -> Mask:
        """Accounts that are not in the state that they were refused for."""
        known = self._known(numbers)
        places = np.where(known, numbers, 0).astype(np.intp)
        known &= self.accounts["state"][places] != state
        return known

    def _of_accounts(
        self, rows: Rows, result: int, moved: int, span: Span | None
    ) -> Mask:
        """Rows whose accounts, basket or amount would have passed this check."""
        kind, basket = rows["kind"], rows["basket"] != 0
        debit, credit = rows["debit"], rows["credit"]
        both = self._known(debit) & self._known(credit)
        wrong: Mask = np.zeros(len(rows), dtype=np.bool_)
        if result == R.ACCOUNT_UNKNOWN:
            wrong = both
        elif result == R.ACCOUNT_KIND_WRONG:
            kinds = self.accounts["kind"]
            own = both & (kind == Kind.TRANSFER) & (rows["resolves"] == 0)
            wrong = (kind == Kind.TRANSFER) & (rows["resolves"] == 0) & ~both
            wrong[own] = may_move(self.register, pick(rows, own), span)
            wrong &= ~self._owes_nothing(rows)
            for mine, (left, right) in PAIRED.items():
                at = np.flatnonzero((kind == mine) & both)
                fits = kinds[debit[at]] == left
                wrong[at] = fits & (kinds[credit[at]] == right)
        elif result == R.ACCOUNTS_MUST_DIFFER:
            wrong = debit != credit
        elif result == R.PAYMENT_AMOUNT_EXCEEDED:
            most = self.accounts["payment_max"][np.where(both, debit, 0)]
            wrong = both & (rows["amount"] <= most)
        elif result == R.BASKET_FAILED:
            wrong = ~basket
        elif result == R.OVERFLOWS:
            # While all that ever moved fits in 64 bits, no total can pass them.
            room = 2**64 - 1 - moved
            if room >= 0:
                wrong = ~basket & (rows["amount"] <= np.uint64(room))
        return wrong

    def _funds(self, rows: Rows, span: Span | None, found: Resolutions | None) -> None:
        """Those that had the money: what was there, with the rows before them."""
        rows = pick(rows, (rows["basket"] == 0) & self._known(rows["debit"]))
        probe = rows["debit"].astype(np.intp)
        accounts = self.accounts
        free = accounts["credits_posted"] - accounts["debits_posted"]
        free = (free - accounts["debits_pending"])[probe]
        if span is not None:
            some = np.zeros(accounts.size, dtype=np.bool_)
            some[probe] = True
            zero, changes = np.uint64(0), Changes()
            out = (MONEY & ~RESOLVING)[span.kind] & some[span.debit]
            changes.add(span.debit[out], span.sequence[out], zero - span.amount[out])
            into = POSTED[span.kind] & some[span.credit]
            changes.add(span.credit[into], span.sequence[into], span.amount[into])
            if found is not None:
                back = some[found.debit]
                at = span.sequence[found.at[back]]
                changes.add(found.debit[back], at, found.released[back])
            free += changes.before(probe, rows["sequence"])
        enough = (free < HALF) & (free >= rows["amount"])
        # Nothing that opens a bank account, comes back or is owed needs to be there.
        enough |= ANY_BALANCE[accounts["kind"][probe]]
        enough |= may_owe(rows, accounts) & says_owed(rows)
        self._add(rows, enough)

    def _days(
        self, rows: Rows, span: Span | None, found: Resolutions | None, result: int
    ) -> None:
        """Those that their wallet's limit of the day would have let through."""
        rows = pick(rows, (rows["basket"] == 0) & self._known(rows["debit"]))
        count = result == R.DAY_COUNT_EXCEEDED
        name = "day_count" if count else "day_amount"
        probe, accounts = rows["debit"].astype(np.intp), self.accounts
        days = ist_days(rows["timestamp"])
        used = np.where(accounts["day"][probe] == days, accounts[name][probe], 0)
        used = used.astype(np.uint64)
        for day in np.unique(days).tolist():
            if span is None:
                break
            here = days == day
            changes = self._day(span, found, day, count)
            used[here] += changes.before(probe[here], rows["sequence"][here])
        used += np.uint64(1) if count else rows["amount"]
        self._add(rows, used <= accounts[f"{name}_max"][probe])

    @staticmethod
    def _day(span: Span, found: Resolutions | None, day: int, count: bool) -> Changes:
        """What a span's payments of one day, and their releases, add to a counter."""
        changes, today = Changes(), ist_days(span.time) == day
        paid = np.flatnonzero(SPENDING[span.kind] & today)
        one = np.ones(len(paid), dtype=np.uint64)
        amount = one if count else span.amount[paid]
        changes.add(span.debit[paid], span.sequence[paid], amount)
        if found is not None:
            back = today[found.at] & (ist_days(found.holds["timestamp"]) == day)
            gone = (~found.post[back]).astype(np.uint64)
            amount = np.uint64(0) - (gone if count else found.released[back])
            changes.add(found.debit[back], span.sequence[found.at[back]], amount)
        return changes

    def single(self, row: np.void, tail: bytes | None) -> None:
        """Judge one refused row that would have moved no money, at its place."""
        result, debit = int(row["result"]), int(row["debit"])
        if row["kind"] == Kind.REGISTER and tail and tail[0] in CHECKED:
            self._checked(row, tail)
            return
        self._keep(np.array([row]))
        if result in SPEAKING:
            return
        register, accounts = self.register, self.accounts
        known, index = 1 <= debit <= accounts.count, debit
        if not known:
            index = 0
        kind = int(row["kind"])
        owes = accounts["credits_posted"][index] != accounts["debits_posted"][index]
        for name in ("carried", "period_debits", "period_credits"):
            owes |= accounts[name][index] != 0
        tables = accounts.count, len(register.participants), len(register.codes)
        owner = owner_of(kind, tail or b"")
        service = read_service(tail or b"") if kind == Kind.REGISTER else None
        if service is not None:
            self._service(row, service, tail or b"")
        wrong = {
            R.ACCOUNT_UNKNOWN: known and kind != Kind.REGISTER,
            R.ACCOUNT_KIND_WRONG: accounts["kind"][index] == AccountKind.WALLET,
            R.DEBIT_CLOSED: known and accounts["state"][index] != AccountState.CLOSED,
            R.CASES_OPEN: known and not accounts["cases_count"][index],
            R.HOLDS_OPEN: known and not accounts["holds_count"][index],
            R.BALANCE_NOT_ZERO: known and not owes,
            R.ACCOUNT_EXISTS: kind == Kind.OPEN and owner not in register.owned,
            R.PARTICIPANT_UNKNOWN: 1 <= owner[0] <= len(register.participants),
            R.TABLE_FULL: max(tables) < TABLES_LEAST,
            R.LAST_TREASURIES: not self._takes_last(tail or b""),
        }
        if result in list(Result) and wrong.get(Result(result)):
            self._add(np.array([row]), np.ones(1, dtype=np.bool_))

    def _checked(self, row: np.void, tail: bytes) -> None:
        """Judge a refused row of the register about which the rows before it show all;
        a statement has none.
        """
        check, wrong, wanted = self.register.asked(row, tail)
        if not wrong and tail[0] == Record.STATEMENT:
            wrong = "is a statement's"
        if wrong:
            text = f"its record {wrong}, and has no row"
            self.findings.add(check, int(row["sequence"]), text)
        elif int(row["result"]) != wanted:
            self._add(np.array([row]), np.ones(1, dtype=np.bool_))

    def _takes_last(self, tail: bytes) -> bool:
        """Whether a refused record of a participant would take one of the last two."""
        if len(tail) < PARTICIPANT_RECORD.itemsize or tail[0] != Record.PARTICIPANT:
            return False
        record = np.frombuffer(tail, dtype=PARTICIPANT_RECORD, count=1)[0]
        register = self.register
        index = register.participants.get(bytes(record["code"]), 0)
        stays = record["role"] == Role.TREASURY and record["active"] == 1
        return register.certificates.takes_last(index, tail) or (
            not stays and register.persons.takes_all_of(index)
        )

    def _service(self, row: np.void, record: np.void, tail: bytes) -> None:
        """Judge a refused service: its record's shape, and what it was refused for."""
        register, sequence = self.register, int(row["sequence"])
        broken = broken_rules(record)
        broken += ["tariff"] if broken_tariff(record, tail) else []
        for name in broken:
            text = f"its record's {name} is not one, and has no row"
            self.findings.add("services", sequence, text)
        own = register.codes.get(bytes(record["code"]), 0)
        caused: dict[int, bool] = {
            R.ACCOUNT_UNKNOWN: bool(register.alien_heads(record)),
            R.RELEASE_NOT_PROMISED: not register.promised(record),
            R.SERVICE_UNKNOWN: not joins_series(record, register.services, own),
            R.RULE_FIXED: any(register.fixed_problems(record)),
        }
        if not caused.get(int(row["result"]), True):
            self._add(np.array([row]), np.ones(1, dtype=np.bool_))


def doubtful_of(rows: Rows) -> Mask:
    """Which refused rows the rows of one hold can prove or disprove."""
    mine: Mask = np.zeros(len(rows), dtype=np.bool_)
    for kind, results in DOUBTFUL.items():
        mine |= (rows["kind"] == kind) & np.isin(rows["result"], results)
    # A transfer that names nothing is the treasury's own.
    mine &= rows["resolves"] != 0
    return mine


def owner_of(kind: int, tail: bytes) -> tuple[int, int]:
    """Participant and purpose of the account, or 0 of the service, that was wanted."""
    if kind == Kind.OPEN and len(tail) >= ACCOUNT_RECORD.itemsize:
        account = np.frombuffer(tail, dtype=ACCOUNT_RECORD, count=1)[0]
        return int(account["participant"]), int(account["purpose"])
    service = read_service(tail)
    return (0, 0) if service is None else (int(service["biller"]), 0)
