"""Fetched bills: what is due, kept for a while, and what may be paid of it.

May use `codes`, `references` and `specs`. A bill is no record: it is what the biller
said a moment ago. It is forgotten when it ceases to be valid, when many others were
fetched since, and when the server stops; the counter then fetches it again.
"""

from collections import OrderedDict
from typing import NamedTuple

from switch.codes import AmountRule, KeyRule, Result
from switch.references import WrongReferenceError, canonical, split_period
from switch.specs import ServiceSpec

BILLS_MAX = 65_536
"""Bills that are kept; the one that was used longest ago goes first."""
VALID_S = 3_600
"""Seconds a bill is kept if its biller does not say how long it is valid."""

BILL_RULES = frozenset(
    {AmountRule.EXACT, AmountRule.EXACT_AND_ABOVE, AmountRule.EXACT_AND_BELOW}
)
"""Amount rules that need to know what is due."""

_NS_IN_S = 1_000_000_000


class Bill(NamedTuple):
    """A bill as the biller said that it stands. Paise and nanoseconds UTC."""

    id: str
    """The biller's id of the bill, or the reference if it gives none."""
    service: str
    """Code."""
    reference: str
    """What it was fetched by."""
    amount_due: int
    due_time_ns: int
    valid_until_ns: int
    """0 as fetched if the biller does not say; with VALID_S once it is kept."""


class BillCache:
    """Bills by service and id, as the service spells it. Belongs to one thread."""

    def __init__(self, bills_max: int = BILLS_MAX) -> None:
        """Holds at most `bills_max` bills."""
        self._bills_max = bills_max
        self._bills: OrderedDict[tuple[str, str], Bill] = OrderedDict()

    def __len__(self) -> int:
        return len(self._bills)

    def put(self, spec: ServiceSpec, bill: Bill, now_ns: int) -> Bill:
        """Keep a bill of this service as fetched last; returns it as it is kept."""
        key = spec.code, spelled(spec, bill.id)
        if not bill.valid_until_ns:
            bill = bill._replace(valid_until_ns=now_ns + VALID_S * _NS_IN_S)
        self._bills[key] = bill
        self._bills.move_to_end(key)
        if len(self._bills) > self._bills_max:
            self._bills.popitem(last=False)
        return bill

    def get(self, spec: ServiceSpec, bill_id: str, now_ns: int) -> Bill | None:
        """The bill of this service, if it is known and valid still."""
        key = spec.code, spelled(spec, bill_id)
        bill = self._bills.get(key)
        if bill is None:
            return None
        if bill.valid_until_ns <= now_ns:
            del self._bills[key]
            return None
        self._bills.move_to_end(key)
        return bill


def names_bill(spec: ServiceSpec, bill: Bill, reference: str) -> bool:
    """Whether a payment with this reference is one of this bill.

    Where bills are known by their id it is that; where they are known by consumer and
    period it is the id or reference that has the period, or the consumer's reference
    with any period if neither does; otherwise it is either. Spellings make no
    difference.
    """
    reference, bill_id = spelled(spec, reference), spelled(spec, bill.id)
    fetched_by = spelled(spec, bill.reference)
    if spec.key_rule is KeyRule.BILL_ID:
        return reference == bill_id
    if spec.key_rule is KeyRule.REFERENCE_PERIOD:
        for named in (bill_id, fetched_by):
            if split_period(named)[1]:
                return reference == named
        consumer, period = split_period(reference)
        return reference == bill_id or bool(period and consumer == fetched_by)
    return reference in (bill_id, fetched_by)


def spelled(spec: ServiceSpec, text: str) -> str:
    """A reference or a bill's id in the service's one form; as it is if it has none."""
    try:
        return canonical(spec.form, text)
    except WrongReferenceError:
        return text


def check_amount(spec: ServiceSpec, amount: int, amount_due: int) -> Result:
    """OK, or why the service does not take `amount` where `amount_due` is due.

    In the ledger's own order; `amount_due` is 0 where no bill is named.
    """
    if amount < spec.amount_min:
        return Result.AMOUNT_BELOW_MINIMUM
    if 0 < spec.amount_max < amount:
        return Result.AMOUNT_ABOVE_MAXIMUM
    rule = spec.amount_rule
    if rule in BILL_RULES and (
        not amount_due
        or (rule is AmountRule.EXACT and amount != amount_due)
        or (rule is AmountRule.EXACT_AND_ABOVE and amount < amount_due)
        or (rule is AmountRule.EXACT_AND_BELOW and amount > amount_due)
    ):
        return Result.AMOUNT_NOT_EXACT
    return Result.OK
