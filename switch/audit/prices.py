"""What a payment costs: by the tariff, by its bill, or within bounds.

The register says who is believed. A tariff's fees are those of the row's IST day; what
a bill came to stands in the row's part, as its quotation or its sender stated it; of an
open amount the register has least, most and step. Refused rows have their parts as well
and are held to the same shape: what has another leaves no row.
"""

from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.layout import (
    ITEM_COUNT_MAX,
    NOTE_MAX,
    PART_SIZE,
    PAYMENT_ITEMS_MAX,
    PERIOD_MAX,
    STATED,
    TOKEN_LIFE_NS,
    U64,
    Index,
    Mask,
    Rows,
    ist_days,
    pick,
)
from switch.audit.parts import NO_ITEM, Parts
from switch.audit.references import bad_references, periods_of, with_periods
from switch.audit.register import Register
from switch.audit.services import OF_DUES, know_renewals, well_formed
from switch.codes import (
    AMOUNT_MAX,
    AmountRule,
    DuplicateRule,
    KeyRule,
    PriceRule,
    TailForm,
)

FORMS: Final = np.zeros(256, dtype=np.uint8)
"""By price rule: the form of its rows' parts, 0 for none."""
FORMS[PriceRule.BILL] = TailForm.BILL
FORMS[PriceRule.TARIFF] = TailForm.TARIFF
FORM_AT: Final = PART_SIZE - 1
STATABLE: Final = (PriceRule.STATED, PriceRule.BILL)
"""Price rules by which a sender may say what is due."""
OVER: Final = np.uint64(2 * AMOUNT_MAX)
"""What stands for a sum that no row can have; four of them fit in 64 bits."""


class Priced:
    """Payments with their services' records and their parts, as far as they are right.

    `bill` and `tariff` say which rows have a part of that form.
    """

    def __init__(self, register: Register, rows: Rows, parts: Parts) -> None:
        """Of any payments: those of no known service have no price rule."""
        self.register = register
        self.rows = rows
        self.parts = parts
        known = rows["service"] <= len(register.codes)
        self.service: Index = np.where(known, rows["service"], 0).astype(np.intp)
        self.price = register.services["price_rule"][self.service]
        self.wants = FORMS[self.price]
        self.whole: Mask = (parts.sizes >= PART_SIZE) | (self.wants == 0)
        self.whole &= (self.wants == 0) | (parts.raw[:, FORM_AT] == self.wants)
        self.bill: Mask = (self.wants == TailForm.BILL) & self.whole
        self.tariff: Mask = (self.wants == TailForm.TARIFF) & self.whole
        self.any_bill, self.any_tariff = bool(self.bill.any()), bool(self.tariff.any())
        self.stated: Mask = (rows["flags"] & np.uint16(STATED)) != 0
        self.quoted: Mask = self.bill.copy()
        if self.any_bill:
            self.quoted &= parts.bill["fetched"] != 0

    def said(self, name: str) -> U64:
        """A field of the records of the rows' services, whatever its size."""
        field: U64 = self.register.services[name][self.service]
        return field

    def fetched(self) -> U64:
        """When the quotations were fetched; 0 for none."""
        if not self.any_bill:
            return np.zeros(len(self.rows), dtype=np.uint64)
        fetched: U64 = np.where(self.quoted, self.parts.bill["fetched"], np.uint64(0))
        return fetched

    def citizens(self) -> U64:
        """The citizens' references: of bills those in their parts, else the rows'."""
        reference: U64 = self.rows["reference"].copy()
        if self.any_bill:
            reference[self.bill] = self.parts.bill["reference"][self.bill]
        return reference

    def met(self) -> Mask:
        """Whether the amount is what the bill's rule makes of what is due."""
        amount, bill = self.rows["amount"], self.parts.bill
        due, rule = bill["amount_due"], bill["amount_rule"]
        fits = (rule == AmountRule.EXACT) & (amount == due)
        fits |= (rule == AmountRule.EXACT_AND_ABOVE) & (amount >= due)
        fits |= (rule == AmountRule.EXACT_AND_BELOW) & (amount <= due)
        met: Mask = ~self.bill | (fits & (due != 0))
        return met

    def fees(self) -> tuple[Mask, Mask]:
        """Whether all items have a fee on their row's day, and if so that is paid."""
        has = np.ones(len(self.rows), dtype=np.bool_)
        right = has.copy()
        at = np.flatnonzero(self.tariff)
        if len(at):
            has[at], total = self._sums(at)
            right[at] = total == self.rows["amount"][at]
        return has, right

    def _sums(self, at: Index) -> tuple[Mask, U64]:
        """The same of rows by a tariff, with the sum of the fees that there are."""
        parts = self.parts[at].tariff
        codes, counts = parts["items"]["code"], parts["items"]["count"]
        named = np.arange(PAYMENT_ITEMS_MAX) < parts["items_count"][:, None]
        days = ist_days(self.rows["timestamp"][at])
        fees = np.zeros(codes.shape, dtype=np.uint64)
        service = self.service[at]
        for one in np.unique(service).tolist():
            mine = np.flatnonzero(service == one)
            known, day, own = fees[mine], days[mine, None], codes[mine]
            # In the order of their first day: the last that has come counts.
            for item in self.register.tariffs[one]:
                valid = (own == item["code"]) & (day >= item["valid_from"])
                known[valid] = item["fee"]
            fees[mine] = known
        has: Mask = ((fees != 0) | ~named).all(axis=1) & named.any(axis=1)
        times = np.where(named, counts, np.uint32(0)).astype(np.uint64)
        times = np.minimum(times, np.uint64(ITEM_COUNT_MAX))
        most = np.uint64(AMOUNT_MAX) // np.maximum(times, np.uint64(1))
        sums = np.where(fees > most, OVER, np.minimum(fees, most) * times)
        total: U64 = np.where(times == 0, np.uint64(0), sums).sum(axis=1)
        return has, total

    def stepped(self) -> Mask:
        """Whether the amount is a multiple of its service's step, if there is one."""
        step = self.said("amount_step")
        whole = self.rows["amount"] % np.maximum(step, np.uint64(1)) == 0
        stepped: Mask = whole | (step == 0)
        return stepped


def check_prices(priced: Priced, findings: Findings) -> None:
    """Accepted payments, which their price rule must have let through."""
    sequence = priced.rows["sequence"]
    if priced.any_bill:
        text = "its amount is not what its rule makes of the amount due"
        findings.add_rows("prices", sequence[~priced.met()], text)
    if priced.any_tariff:
        has, right = priced.fees()
        text = "an item of it has no fee on its day, or it names none"
        findings.add_rows("prices", sequence[~has], text)
        text = "its amount is not the sum of its items' fees on its day"
        findings.add_rows("prices", sequence[has & ~right], text)
    bad = ~priced.stepped()
    if bad.any():
        text = "its amount is not a multiple of its service's step"
        findings.add_rows("prices", sequence[bad], text)


def check_parts(priced: Priced, findings: Findings) -> None:
    """What payments say of their price, refused ones too: form, sender, times."""
    rows, parts, register = priced.rows, priced.parts, priced.register
    sequence = rows["sequence"]
    note = parts.sizes - np.where(priced.wants != 0, PART_SIZE, 0)
    noted = (parts.sizes != NO_ITEM) & priced.whole
    known = priced.service != 0
    open_ = (priced.price == PriceRule.OPEN) & (
        priced.said("duplicate_rule") == DuplicateRule.WITHIN
    )
    open_ |= ~known
    wrong = {
        "its tail does not begin with what its price rule asks for": ~priced.whole,
        "its note is empty, or too long": noted
        & ((note > NOTE_MAX) | ((note == 0) & (priced.wants == 0))),
        "it says that its sender stated what is due, and others know it": (
            priced.stated & ~np.isin(priced.price, STATABLE)
        ),
        "it does not say that its sender stated what is due": known
        & (priced.price == PriceRule.STATED)
        & ~priced.stated,
        "it is in addition to another, and its service has nothing in the way": (
            (rows["resolves"] != 0) & ~open_
        ),
    }
    for text, bad in wrong.items():
        if bad.any():
            findings.add_rows("prices", sequence[bad], text)
    if priced.any_bill:
        _bills(priced, np.flatnonzero(priced.bill), findings)
    if priced.any_tariff:
        bad = ~_items_right(priced.parts[priced.tariff].tariff)
        text = "its items are not ones: how many, codes, counts, one twice"
        findings.add_rows("prices", sequence[priced.tariff][bad], text)
    liars = (
        priced.stated
        & ~register.parties.may_state[register.parties.places(rows["participant"])]
    )
    if liars.any():
        text = "its sender may not state what is due"
        findings.add_rows("prices", sequence[liars], text)


def _bills(priced: Priced, at: Index, findings: Findings) -> None:
    """Parts of bills: of a quotation, or as their sender stated them."""
    rows, bill = pick(priced.rows, at), priced.parts[at].bill
    stated, quoted = priced.stated[at], priced.quoted[at]
    due, fetched, time = bill["amount_due"], bill["fetched"], rows["timestamp"]
    periodic = priced.said("key_rule")[at] == KeyRule.REFERENCE_PERIOD
    rule = bill["amount_rule"]
    ruled = np.where(
        quoted, np.isin(rule, OF_DUES), rule == priced.said("amount_rule")[at]
    )
    # Which period a stated one has is judged with its reference.
    dated = np.where(quoted, (bill["period"] != 0) | ~periodic, bill["due_day"] == 0)
    wrong = {
        "it has a quotation and a statement of what is due, or neither": (
            stated == quoted
        ),
        "its amount due is none, or beyond the bound": quoted
        & ((due == 0) | (due > AMOUNT_MAX)),
        "it was made before its quotation was fetched": fetched > time,
        "its quotation was too old": quoted
        & (fetched <= time)
        & (time - fetched >= np.uint64(TOKEN_LIFE_NS)),
        "its quotation is older than a file of its service's bills": quoted
        & know_renewals(priced.register.version)
        & (fetched <= priced.register.files.renewed[priced.service[at]]),
        "its amount rule is none of a bill, or not its service's": ~ruled,
        "its period or due day is none": ~dated | (bill["period"] > PERIOD_MAX),
    }
    for text, bad in wrong.items():
        if bad.any():
            findings.add_rows("prices", rows["sequence"][bad], text)


def _items_right(parts: Rows) -> Mask:
    """Which parts by a tariff have items, as far as they name any, and only those."""
    count = parts["items_count"]
    codes, counts = parts["items"]["code"], parts["items"]["count"]
    named = np.arange(PAYMENT_ITEMS_MAX) < count[:, None]
    good = (count <= PAYMENT_ITEMS_MAX) & ~parts["reserved"].any(axis=1)
    once = well_formed(codes) & (counts >= 1) & (counts <= ITEM_COUNT_MAX)
    good &= np.where(named, once, (codes == 0) & (counts == 0)).all(axis=1)
    for one in range(PAYMENT_ITEMS_MAX):
        for two in range(one):
            good &= (codes[:, one] != codes[:, two]) | ~named[:, one]
    right: Mask = good
    return right


def misspelled(priced: Priced) -> Mask:
    """Payments whose reference is not canonical, or not that of their quotation."""
    register, rows = priced.register, priced.rows
    if not priced.quoted.any():
        return register.spellings.wrong(rows)
    wrong = np.zeros(len(rows), dtype=np.bool_)
    other = np.flatnonzero(~priced.quoted)
    wrong[other] = register.spellings.wrong(pick(rows, other))
    at = np.flatnonzero(priced.quoted)
    mine, bill = pick(rows, at), priced.parts[at].bill
    citizens = mine.copy()
    citizens["reference"] = bill["reference"]
    bad = register.citizens.wrong(citizens)
    bad |= bad_references(bill["reference"])
    key = priced.said("key_rule")[at]
    bad |= (key == KeyRule.BILL_ID) & register.bills.wrong(mine)
    expected = bill["reference"].copy()
    periodic = np.flatnonzero(key == KeyRule.REFERENCE_PERIOD)
    if len(periodic):
        fits, expected[periodic] = with_periods(
            bill["reference"][periodic], bill["period"][periodic]
        )
        bad[periodic] |= ~fits
    differs = (mine["reference"] != expected).any(axis=1)
    wrong[at] = bad | (differs & (key != KeyRule.BILL_ID))
    return wrong


def misstated(priced: Priced, formless: Mask) -> Mask:
    """Payments without a quotation whose part has another reference or period.

    The citizen's reference is the row's without its period, where bills are of one. Of
    `formless` rows, which have no canonical reference, both may be as they were sent.
    """
    wrong = np.zeros(len(priced.rows), dtype=np.bool_)
    at = np.flatnonzero(priced.bill & ~priced.quoted)
    if not len(at):
        return wrong
    rows, bill, sent = pick(priced.rows, at), priced.parts[at].bill, formless[at]
    periodic = priced.said("key_rule")[at] == KeyRule.REFERENCE_PERIOD
    expected, period = rows["reference"].copy(), np.zeros(len(at), dtype=np.uint32)
    some = np.flatnonzero(periodic)
    expected[some], period[some] = periods_of(pick(rows, some))
    differs = (bill["reference"] != expected).any(axis=1)
    differs &= ~sent | (bill["reference"] != rows["reference"]).any(axis=1)
    differs |= (bill["period"] != period) & ~(sent & (bill["period"] == 0))
    wrong[at] = differs
    return wrong
