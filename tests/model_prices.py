"""The oracle's prices: who is believed about an amount, and what a payment records.

Part of tests/model.py, which see.
"""

from switch.codes import AmountRule, DuplicateRule, KeyRule, PriceRule, Result
from tests.flags import RowFlag
from tests.model_claims import Claims
from tests.model_quotations import (
    Quotation,
    handle_is_right,
    handle_sequence,
    make_handle,
    open_token,
)
from tests.model_references import LENGTH_MAX, PERIOD
from tests.model_state import PAYS, Service, ist_day
from tests.records import PAYMENT_TAIL_SIZE, BillTail, Outcome, Row, tariff_tail

IN_THE_WAY = frozenset((Result.BILL_ALREADY_CLAIMED, Result.PAID_RECENTLY))
STATED = frozenset((PriceRule.STATED, PriceRule.BILL))
"""Without a quotation their sender states what is due, if it may."""
DUE_DAY_MAX = 2**16 - 1
# Whole numbers: to combine members of a flag takes ten times as long, and each row is
# named several times.
AS_SENT = ~int(RowFlag.STATED | RowFlag.TAIL)
AS_STATED = int(RowFlag.STATED)


def period_of(text: bytes) -> int:
    """A month as a number, from `/YYYY-MM`."""
    return int(text[1:5]) * 12 + int(text[6:8]) - 1


def period_text(period: int) -> bytes:
    """`/YYYY-MM`, from a month as a number."""
    return b"/%04d-%02d" % (period // 12, period % 12 + 1)


def row_reference(quoted: Quotation, service: Service) -> bytes:
    """What the row of a quoted bill has as its reference."""
    if service.key_rule == KeyRule.BILL_ID:
        return quoted.bill
    if service.key_rule == KeyRule.REFERENCE_PERIOD:
        return quoted.reference + period_text(quoted.period)
    return quoted.reference


class Prices(Claims):
    """What a payment is of, by its service and what it brings with it."""

    # --- naming -----------------------------------------------------------------------

    def name_payment(self, row: Row) -> None:
        """What a payment's service and head stand for, as far as known: the account to
        credit, the reference, and the fixed part of its tail.
        """
        row.credit = 0
        if not row.sent:
            row.sent, row.note = row.reference, row.tail
        row.reference = row.cited = row.sent
        row.tail, row.misspelled, row.fetched = row.note, False, 0
        row.flags &= AS_SENT
        if row.handle:
            row.resolves = handle_sequence(row.handle)
        service = self.service_at(row.service)
        if service is None:
            row.service = 0
            return
        if row.head < len(service.heads):
            row.credit = service.heads[row.head]
        if row.quotation and service.price_rule == PriceRule.BILL:
            self.name_quoted(row, service)
        else:
            self.name_stated(row, service)
        if service.price_rule == PriceRule.TARIFF:
            row.tail = tariff_tail(row.items) + (row.note or b"")

    def name_stated(self, row: Row, service: Service) -> None:
        """By the reference alone."""
        reference = service.canonical(row.sent)
        row.misspelled = reference is None
        row.reference = row.cited = row.sent if reference is None else reference
        if service.price_rule in STATED:
            row.flags |= AS_STATED
        if service.price_rule != PriceRule.BILL:
            return
        period = 0
        if service.key_rule == KeyRule.REFERENCE_PERIOD:
            found = PERIOD.fullmatch(row.reference)
            if found:
                row.cited, period = found[1], period_of(found[2])
        fixed = BillTail(row.cited, row.total, period=period)
        fixed.amount_rule = service.amount_rule
        row.tail = fixed.pack() + (row.note or b"")

    def name_quoted(self, row: Row, service: Service) -> None:
        """By its quotation; nothing of it has been believed unless that is right."""
        quoted = open_token(row.quotation, self.keys, self.instance)
        if quoted is None:
            return
        row.cited, row.fetched = quoted.reference, quoted.fetched
        row.reference = row_reference(quoted, service)
        due_day = ist_day(quoted.due_time) if quoted.due_time else 0
        fixed = BillTail(
            quoted.reference,
            quoted.amount_due,
            quoted.fetched,
            quoted.period,
            due_day if due_day <= DUE_DAY_MAX else 0,
            quoted.amount_rule,
        )
        row.tail = fixed.pack() + (row.note or b"")
        row.total = quoted.amount_due

    # --- what leaves no row -----------------------------------------------------------

    def believe(self, row: Row, ahead: int = 0) -> int:
        """Whether to believe what a new payment brings with it, or why not.

        `ahead` rows of its basket come before it.
        """
        service = self.service_at(row.service)
        if service is None:
            return Result.OK
        at = self.clock() + ahead
        if service.price_rule in STATED and not row.quotation:
            if not self.may_state_dues(row.participant):
                return Result.QUOTATION_NEEDED
        elif row.quotation:
            quoted = open_token(row.quotation, self.keys, self.instance)
            if quoted is None or not self.is_of(quoted, row, service):
                return Result.QUOTATION_WRONG
            if not quoted.fetched <= at < quoted.valid_until:
                return Result.QUOTATION_EXPIRED
            if self.renewed.get(row.service, 0) >= quoted.fetched:
                return Result.QUOTATION_EXPIRED
            if self.is_superseded(row, service, at):
                return Result.QUOTATION_EXPIRED
        return self.believe_addition(row, service)

    def may_state_dues(self, sender: int) -> bool:
        """Whether somebody is believed about what a bill comes to."""
        known = sender < len(self.participants)
        return known and bool(self.participants[sender].may_state_dues)

    def is_of(self, quoted: Quotation, row: Row, service: Service) -> bool:
        """Whether a quotation is of this payment."""
        if service.key_rule == KeyRule.BILL_ID and not quoted.bill:
            return False
        if service.key_rule == KeyRule.REFERENCE_PERIOD and not quoted.period:
            return False
        return (
            service.price_rule == PriceRule.BILL
            and quoted.centre == row.centre
            and quoted.service == row.service
            and quoted.series == (service.series or row.service)
            and quoted.head == row.head
            and quoted.reference == service.canonical(row.sent, whole=True)
            and len(row.reference) <= LENGTH_MAX
        )

    def believe_addition(self, row: Row, service: Service) -> int:
        """Whether it names a payment of its reference, of which its centre was told."""
        if not row.handle and not row.resolves:
            return Result.OK
        asked = (service.price_rule, service.duplicate_rule)
        fits = asked == (PriceRule.OPEN, DuplicateRule.WITHIN)
        told = not row.hot or handle_is_right(
            row.handle, row.centre, self.keys, self.instance
        )
        if not fits or not told or not 0 < row.resolves <= len(self.rows):
            return Result.ADDITION_WRONG
        first = self.rows[row.resolves - 1]
        paid = first.kind in PAYS and first.result == Result.OK
        same = (first.service, first.reference) == (row.service, row.reference)
        return Result.OK if paid and same else Result.ADDITION_WRONG

    def tell_of_other(self, outcome: Outcome, row: Row) -> None:
        """What is said of the payment in the way: of an open amount its handle; and who
        it is to those only who have it in their own books.
        """
        if outcome.result not in IN_THE_WAY or not outcome.other:
            return
        other = self.rows[outcome.other - 1]
        own = other.participant == row.participant or other.debit == row.debit
        outcome.foreign = 0 if own else 1
        opened = self.services[row.service - 1].price_rule == PriceRule.OPEN
        if outcome.result == Result.PAID_RECENTLY and opened and self.keys:
            centre = self.accounts[row.debit].participant
            outcome.handle = make_handle(
                other.sequence, centre, self.keys[0][1], self.instance
            )

    # --- prices -----------------------------------------------------------------------

    def check_price(self, row: Row, service: Service) -> int:
        """The service's bounds, and what its price rule says of the amount."""
        if row.amount < service.amount_min:
            return Result.AMOUNT_BELOW_MINIMUM
        if service.amount_max and row.amount > service.amount_max:
            return Result.AMOUNT_ABOVE_MAXIMUM
        if service.amount_step and row.amount % service.amount_step:
            return Result.AMOUNT_STEP_WRONG
        if not self.meets_due(row, service):
            return Result.AMOUNT_NOT_EXACT
        return self.check_items(row, service)

    def amount_rule(self, row: Row, service: Service) -> AmountRule:
        """By which a payment is compared with what is due."""
        if service.price_rule == PriceRule.BILL and row.tail:
            return AmountRule(row.tail[PAYMENT_TAIL_SIZE - 2])
        return AmountRule(service.amount_rule)

    def is_in_parts(self, row: Row, service: Service) -> bool:
        """Whether a bill may be paid in parts, one after the other."""
        rule = self.amount_rule(row, service)
        bill = service.price_rule == PriceRule.BILL
        return bill and rule == AmountRule.EXACT_AND_BELOW

    def meets_due(self, row: Row, service: Service) -> bool:
        """Whether the amount is what its rule makes of the amount due."""
        if service.price_rule in (PriceRule.TARIFF, PriceRule.OPEN):
            return True
        amount, due = row.amount, row.total
        met = {
            AmountRule.EXACT: due and amount == due,
            AmountRule.EXACT_AND_ABOVE: due and amount >= due,
            AmountRule.EXACT_AND_BELOW: due and amount <= due,
        }
        return bool(met.get(self.amount_rule(row, service), True))

    def check_items(self, row: Row, service: Service) -> int:
        """What is named has a fee today, and the fees come to the amount."""
        if service.price_rule != PriceRule.TARIFF:
            return Result.ITEM_UNKNOWN if row.items else Result.OK
        today = ist_day(self.clock())
        fees = {
            item.code: item.fee
            for item in sorted(service.items, key=lambda item: item.valid_from)
            if item.valid_from <= today
        }
        if not row.items or any(code not in fees for code, _ in row.items):
            return Result.ITEM_UNKNOWN
        total = sum(fees[code] * count for code, count in row.items)
        return Result.OK if total == row.amount else Result.FEE_CHANGED

    # --- the id again -----------------------------------------------------------------

    def same_reference(self, row: Row, first: Row) -> bool:
        """Whether a payment names the reference of the row that has its id."""
        service = self.service_at(first.service)
        if service is None:
            return row.sent == first.reference
        whole = service.price_rule == PriceRule.BILL and not (
            first.flags & RowFlag.STATED
        )
        known = (first.tail or b"")[:32].rstrip(b"\0") if whole else first.reference
        return known in (row.sent, service.canonical(row.sent, whole=whole))

    def same_note(self, row: Row, first: Row) -> bool:
        """Whether it has the note of that row."""
        return (row.note or b"") == (first.tail or b"")[self.fixed_size(first) :]

    def same_items(self, row: Row, first: Row) -> bool:
        """Whether it names the items of that row, if such has any."""
        service = self.service_at(first.service)
        if service is None or service.price_rule != PriceRule.TARIFF:
            return True
        return tariff_tail(row.items) == (first.tail or b"")[:PAYMENT_TAIL_SIZE]

    def fixed_size(self, first: Row) -> int:
        """Bytes before the note in the tail of a payment's row."""
        service = self.service_at(first.service)
        fixed = service and service.price_rule in (PriceRule.TARIFF, PriceRule.BILL)
        return PAYMENT_TAIL_SIZE if fixed else 0
