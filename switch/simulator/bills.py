"""What a simulated biller says is due: a function of the service and the bill.

Pure; may use the sample and `references`. Amounts are log-normal by the service's own
figures, whole rupees, and within its bounds.
"""

import math
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from statistics import NormalDist

from switch.calendar import NS_IN_S, ist_date
from switch.codes import KeyRule
from switch.money import PAISE_IN_RUPEE
from switch.references import REFERENCE_MAX, split_period
from switch.sample import Service, load_sample

VALID_S = 15 * 86_400
"""A bill can be paid for so long after it was fetched."""
DUE_S = 10 * 86_400
UNKNOWN = "NONE"
"""A reference that begins like this is not known to any simulated biller."""
_MEDIAN, _P95 = 50_000, 200_000
"""Paise, where the service is not the sample's."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill as it stands."""

    id: str
    """What a payment of it carries as its reference."""
    amount_due: int
    """Paise."""
    due_time_ns: int
    valid_until_ns: int


@cache
def _services() -> dict[str, Service]:
    return {one.code: one for one in load_sample().services}


def bill_of(service: str, reference: str, time_ns: int) -> Bill | None:
    """The bill of a reference at `time_ns`; None if there is none.

    Where bills are known by consumer and period, a reference without a period gets
    that of the month.
    """
    known = _services().get(service)
    bill = reference
    by_period = known is not None and known.key_rule is KeyRule.REFERENCE_PERIOD
    if by_period and not split_period(reference)[1]:
        bill = f"{reference}/{ist_date(time_ns):%Y-%m}"
    if reference.startswith(UNKNOWN) or len(bill) > REFERENCE_MAX:
        return None
    return Bill(
        bill,
        _amount(known, f"{service} {bill}"),
        time_ns + DUE_S * NS_IN_S,
        time_ns + VALID_S * NS_IN_S,
    )


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
