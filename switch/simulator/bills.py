"""What a simulated biller says is due: the bills of a reference.

Pure; may use the sample and `references`. How many bills a reference has, what they
come to and how the biller writes them follow from the service and the reference alone,
so that they are the same in every process; months and due dates follow from the time.
Amounts are log-normal by the service's own figures, whole rupees, and within its
bounds. What is paid, and which bills were issued again, the desk knows.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from statistics import NormalDist

from switch.calendar import NS_IN_S, ist_date
from switch.codes import AmountRule, Ignored, KeyRule, Letters, PriceRule
from switch.money import PAISE_IN_RUPEE
from switch.references import REFERENCE_MAX, Form, is_reference
from switch.sample import Service, load_sample

VALID_S = 12 * 3600
"""Where a biller says so, a bill can be paid for so long after it was fetched."""
DUE_S = 10 * 86_400
MONTH_S = 30 * 86_400
"""Between the due dates of a reference's bills."""
BILLS_MAX = 3
"""Bills of one reference."""
ISSUES_MAX = 16
"""Times that one bill is issued again: as many as a bill may supersede."""
UNKNOWN = "NONE"
"""A reference that begins like this is not known to any simulated biller."""
TWO_BILLS_PERCENT, THREE_BILLS_PERCENT = 20, 10
"""Of 100 consumers, so many have two and three bills."""
REISSUED_PERMILLE = 60
"""Of 1,000 references, those of so many are issued again whenever they are fetched;
half of them say which bills they supersede."""
BEHIND_PERCENT = 25
"""Of 100 references, so many are listed still after they were paid."""
_MEDIAN, _P95 = 50_000, 200_000
"""Paise, where the service is not the sample's."""
_NORMAL = NormalDist()
_ISSUE = re.compile(r"R[0-9]{1,2}\Z")
_GROUP = 3
"""Characters that people write together."""
_SIGNS = {Ignored.SPACE: " ", Ignored.HYPHEN: "-"}


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill as its biller has it, whatever is paid of it."""

    id: str
    """Canonical; empty where bills are not known by one."""
    period: str
    """`YYYY-MM`; empty likewise."""
    reference: str
    """The consumer's, canonical."""
    amount_due: int
    """Paise."""
    due_time_ns: int
    valid_until_ns: int
    """0 where the biller says nothing."""
    supersedes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What a payment of it carries as its reference."""
        if self.id:
            return self.id
        return f"{self.reference}/{self.period}" if self.period else self.reference


@cache
def _services() -> dict[str, Service]:
    return {one.code: one for one in load_sample().services}


@cache
def _names_bill() -> frozenset[str]:
    """Services whose citizens bring the id of a bill."""
    network = load_sample()
    billers = {one.code for one in network.billers if one.references.names_bill}
    return frozenset(one.code for one in network.services if one.biller in billers)


def bills_of(service: str, reference: str, time_ns: int) -> tuple[Bill, ...]:
    """The bills of a canonical reference as first issued, the newest first.

    Empty for a reference that is not known.
    """
    if reference.startswith(UNKNOWN):
        return ()
    known = _services().get(service)
    amounts: list[int] = []
    bills = []
    for at in range(_count(service, known, reference)):
        # Each of another amount, so that who pays one can tell which.
        amount = _amount(known, f"{service} {reference} {at}")
        while amount in amounts:
            amount += PAISE_IN_RUPEE
        amounts.append(amount)
        bill = Bill(
            id=_id(service, known, reference, at),
            period=_period(known, time_ns, at),
            reference=reference,
            amount_due=amount,
            due_time_ns=time_ns + (DUE_S - at * MONTH_S) * NS_IN_S,
            valid_until_ns=time_ns + VALID_S * NS_IN_S if amount % 200 else 0,
        )
        if len(bill.key) <= REFERENCE_MAX:
            bills.append(bill)
    return tuple(bills)


def dues_of(service: str, reference: str) -> tuple[int, ...]:
    """What the bills of a reference come to, the newest first, in paise."""
    return tuple(bill.amount_due for bill in bills_of(service, reference, 0))


def _draw(text: str, parts: int) -> int:
    """A number below `parts` that follows from the text."""
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % parts


def _count(service: str, known: Service | None, reference: str) -> int:
    if known is None or known.key_rule is None or service in _names_bill():
        return 1
    drawn = _draw(f"bills {service} {reference}", 100)
    if drawn < THREE_BILLS_PERCENT:
        return BILLS_MAX
    return 2 if drawn < THREE_BILLS_PERCENT + TWO_BILLS_PERCENT else 1


def _id(service: str, known: Service | None, reference: str, at: int) -> str:
    if known is not None and known.key_rule is not KeyRule.BILL_ID:
        return ""
    if known is None or service in _names_bill():
        return reference
    return f"B{_draw(f'id {service} {reference} {at}', 10**10):010d}"


def _period(known: Service | None, time_ns: int, at: int) -> str:
    if known is not None and known.key_rule is not KeyRule.REFERENCE_PERIOD:
        return ""
    date = ist_date(time_ns)
    month = date.year * 12 + date.month - 1 - at
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def _amount(service: Service | None, text: str) -> int:
    digest = blake2b(text.encode(), digest_size=8).digest()
    deviation = _NORMAL.inv_cdf((int.from_bytes(digest[:4], "big") + 0.5) / (1 << 32))
    if service is None:
        least, most = PAISE_IN_RUPEE, 10 * _P95
        drawn = _MEDIAN * math.exp(0.8 * deviation)
    else:
        least = max(service.amount_min, PAISE_IN_RUPEE)
        most = service.amount_max or 10 * service.p95_paise
        drawn = math.exp(service.mu + service.sigma * deviation)
    rupees = round(drawn / PAISE_IN_RUPEE)
    return max(least, min(most, rupees * PAISE_IN_RUPEE))


# --- bills that are issued again --------------------------------------------------


def is_reissued(service: str, reference: str) -> bool:
    """Whether the bills of a reference have another id each time they are fetched.

    One that is paid in parts keeps its id: under another its rest would be another
    bill of a reference that has just been paid.
    """
    known = _services().get(service)
    return (
        known is not None
        and known.key_rule is KeyRule.BILL_ID
        and not may_be_paid_in_parts(service)
        and _draw(f"again {service} {reference}", 1000) < REISSUED_PERMILLE
    )


def is_behind(service: str, reference: str) -> bool:
    """Whether its bills are listed still after they were paid."""
    return _draw(f"behind {service} {reference}", 100) < BEHIND_PERCENT


def issue(bill: Bill, service: str, number: int) -> Bill:
    """A bill as issued again for the `number`th time; 0 is the first issue."""
    number = min(number, ISSUES_MAX)
    if not number or len(f"{bill.id}R{number}") > REFERENCE_MAX:
        return bill
    earlier = (bill.id, *(f"{bill.id}R{one}" for one in range(1, number)))
    is_said = _draw(f"supersedes {service} {bill.reference}", 2) == 0
    return replace(
        bill, id=f"{bill.id}R{number}", supersedes=earlier if is_said else ()
    )


def bill_key(service: str, reference: str) -> str:
    """What tells bills of a service apart: a payment's reference, less its issue."""
    known = _services().get(service)
    if known is None or known.key_rule is not KeyRule.BILL_ID:
        return reference
    return _ISSUE.sub("", reference)


def may_be_paid_in_parts(service: str) -> bool:
    """Whether several payments of one bill of a service are right."""
    known = _services().get(service)
    return known is not None and (
        known.price_rule is PriceRule.OPEN
        or known.amount_rule is AmountRule.EXACT_AND_BELOW
    )


# --- spellings --------------------------------------------------------------------


def spellings(form: Form, text: str) -> list[str]:
    """Other ways to write a canonical reference, or a bill's id, of this form."""
    ways = []
    for part, sign in _SIGNS.items():
        if part in form.ignored:
            ways.append(sign.join(_groups(text)))
    if form.letters is Letters.UPPER and text != text.lower():
        ways.append(text.lower())
    if Ignored.ZEROS in form.ignored:
        ways.append(f"00{text}")
    return [way for way in ways if is_reference(way)]


def _groups(text: str) -> Iterator[str]:
    return (text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def spelt(service: str, text: str) -> str:
    """A reference or an id as its biller writes it."""
    known = _services().get(service)
    ways = [text] + (spellings(known.form, text) if known else [])
    return ways[_draw(f"spelling {text}", len(ways))]
