"""What the network's centres pay on one working day: a plan, made from a seed.

May use the sample's records, `calendar`, `references` and `codes`. The same date, count
and seed give the same plan (with one NumPy). All of it is synthetic; the shape follows
the tables. Drawing is the one place where an amount is ever a float: it is whole paise
before anyone pays it.
"""

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch.calendar import NS_IN_S, day_start_ns
from switch.codes import AmountRule, KeyRule
from switch.money import PAISE_IN_RUPEE
from switch.references import with_check_digit
from switch.sample import load_sample
from switch.sample.records import Biller, Network, Service

PAYMENTS_IN_YEAR = 2_989_000
"""The network's own figure for the financial year 2024-25."""
WORKING_DAYS_IN_MONTH = 25
"""So that a day of March has about 16,000 payments."""
PAYMENTS_MAX = 1_000_000
"""Payments of one plan; the numbers in references tell so many apart."""
PAISE_PERMILLE = 50
"""Of 1,000 amounts, so many are not whole rupees."""
TAIL_OF_P95 = 10
"""Where a service has no maximum, no amount is more than so many times its p95."""

_HALF_HOUR_NS = 1_800 * NS_IN_S
_SATURDAY = 5

PLAN = np.dtype(
    [
        ("time_ns", np.uint64),  # UTC
        ("amount", np.uint64),  # paise
        ("amount_due", np.uint64),  # paise; 0 where the service does not ask for it
        ("reference", "S32"),
        ("operator", np.uint32),
        ("centre", np.uint16),  # place in Network.centres
        ("service", np.uint16),  # place in Network.services
    ]
)
"""One payment of a plan."""

Plan = npt.NDArray[np.void]
Numbers = npt.NDArray[np.int64]


def payments_count(date: dt.date, network: Network | None = None) -> int:
    """How many payments a working day has; 0 on a Sunday, when no centre is open."""
    network = network or load_sample()
    factor = network.month_factors[date.month]
    weekday = PAYMENTS_IN_YEAR / 12 * factor / WORKING_DAYS_IN_MONTH
    return round(weekday * len(_open_centres(network, date)) / len(network.centres))


def plan_day(
    date: dt.date,
    *,
    payments: int | None = None,
    seed: int = 0,
    network: Network | None = None,
) -> Plan:
    """The payments of a day (dtype PLAN) in the order of their times.

    `payments` is as many as the date has by itself if None. Every open centre and
    every service occurs, as far as there are payments enough for it. Raises
    ValueError for a day when no centre is open and for more than PAYMENTS_MAX.
    """
    network = network or load_sample()
    centres = _open_centres(network, date)
    if not len(centres):
        raise ValueError(f"no centre is open on {date}, a {date:%A}")
    if payments is None:
        payments = payments_count(date, network)
    if not 0 <= payments <= PAYMENTS_MAX:
        raise ValueError(f"a plan has 0 to {PAYMENTS_MAX} payments, not {payments}")
    rng = np.random.default_rng([seed, date.toordinal()])
    posts = np.array([one.operators for one in network.centres])
    shares = np.array([one.share for one in network.services])

    plan = np.zeros(payments, PLAN)
    plan["time_ns"] = _times(rng, network, date, payments)
    plan["centre"] = _spread(rng, centres, posts[centres], payments)
    every_service = np.arange(len(network.services))
    plan["service"] = _spread(rng, every_service, shares, payments)
    plan["operator"] = rng.integers(1, posts[plan["centre"]], endpoint=True)
    plan["amount"] = _amounts(rng, network, plan["service"])
    is_exact = np.array(
        [one.amount_rule is AmountRule.EXACT for one in network.services]
    )
    plan["amount_due"] = np.where(is_exact[plan["service"]], plan["amount"], 0)
    plan["reference"] = _references(rng, network, date, plan["service"])
    return plan


def spent_by_centre(plan: Plan, centres_count: int) -> npt.NDArray[np.uint64]:
    """Paise that a plan takes from each centre's wallet, by place in the network."""
    spent = np.zeros(centres_count, np.uint64)
    np.add.at(spent, plan["centre"], plan["amount"])
    return spent


def _open_centres(network: Network, date: dt.date) -> Numbers:
    """Places of the centres that are open: some on Saturdays, none on Sundays."""
    weekday = date.weekday()
    is_open = [
        weekday < _SATURDAY or (weekday == _SATURDAY and one.is_open_saturday)
        for one in network.centres
    ]
    return np.flatnonzero(is_open).astype(np.int64)


def _spread(
    rng: np.random.Generator,
    items: Numbers,
    weights: npt.NDArray[np.generic],
    count: int,
) -> Numbers:
    """`count` of `items`: each once if there is room, the rest by weight, shuffled."""
    once = rng.permutation(items)[:count]
    shares = weights / weights.sum()
    rest = rng.choice(items, count - len(once), p=shares)
    return rng.permutation(np.concatenate([once, rest]))


def _times(
    rng: np.random.Generator, network: Network, date: dt.date, count: int
) -> npt.NDArray[np.uint64]:
    """Times by the half-hour profile, ascending."""
    starts = np.array([one.start_s for one in network.half_hours]) * NS_IN_S
    shares = np.array([one.share for one in network.half_hours])
    times = rng.choice(starts, count, p=shares / shares.sum())
    times += rng.integers(0, _HALF_HOUR_NS, count) + day_start_ns(date)
    return np.sort(times).astype(np.uint64)


def _amounts(
    rng: np.random.Generator, network: Network, services: npt.NDArray[np.uint16]
) -> npt.NDArray[np.uint64]:
    """Log-normal amounts within each service's bounds, mostly in whole rupees."""
    table = network.services
    mu = np.array([one.mu for one in table])[services]
    sigma = np.array([one.sigma for one in table])[services]
    least = np.array([max(one.amount_min, PAISE_IN_RUPEE) for one in table])
    most = np.array([one.amount_max or TAIL_OF_P95 * one.p95_paise for one in table])
    drawn = np.exp(mu + sigma * rng.standard_normal(len(services)))
    amounts = np.rint(drawn / PAISE_IN_RUPEE).astype(np.int64) * PAISE_IN_RUPEE
    paise = rng.integers(1, PAISE_IN_RUPEE, len(services))
    # A fixed fee has no spread, and no odd paise either.
    is_odd = (rng.integers(0, 1_000, len(services)) < PAISE_PERMILLE) & (sigma > 0)
    amounts += np.where(is_odd, paise, 0)
    return np.clip(amounts, least[services], most[services]).astype(np.uint64)


# --- references ------------------------------------------------------------------


class _Form(NamedTuple):
    """How a biller's reference is written, canonical and without its check digit."""

    digits: int
    """Of the number that it is made from."""
    write: Callable[[int, dt.date], str]


def _dated(prefix: str, digits: int) -> _Form:
    """A document's number: a letter or two, the date, a number."""
    return _Form(digits, lambda n, day: f"{prefix}{day:%y%m%d}{n:0{digits}d}")


def _plain(prefix: str, digits: int) -> _Form:
    """A consumer's number."""
    return _Form(digits, lambda n, _: f"{prefix}{n:0{digits}d}")


_FORMS: dict[str, _Form] = {
    "9 digits": _plain("", 9),
    "11 digits": _plain("", 11),
    "12-digit assessee no": _plain("", 12),
    # Its zeros in front are ignored.
    "assessee no": _Form(10, lambda n, _: str(n)),
    "licence id": _plain("L", 8),
    "premises no": _plain("PR", 8),
    "certificate no": _plain("CE", 8),
    "flat id": _plain("F", 7),
    # No registering office has the number 00.
    "registration no": _plain("WB00", 7),
    "GP + holding no": _Form(9, lambda n, _: f"GP{n // 100_000:04d}/{n % 100_000:05d}"),
    "ULB + ward + holding no": _Form(
        10,
        lambda n, _: f"U{n // 10**7:03d}/W{n // 10**5 % 100:02d}/{n % 10**5:05d}",
    ),
    "application no": _dated("A", 8),
    "case no": _dated("C", 6),
    "enrolment no": _dated("E", 8),
    "challan no": _dated("CH", 7),
    "PNR": _dated("P", 6),
    "booking id": _dated("B", 6),
    "ARN": _dated("", 8),
    "14-digit query no + year": _Form(
        6, lambda n, day: f"{day:%Y%m%d}{n:06d}/{day:%Y}"
    ),
    "18-digit GRN": _Form(10, lambda n, day: f"{day:%Y%m%d}{n:010d}"),
}


def _references(
    rng: np.random.Generator,
    network: Network,
    date: dt.date,
    services: npt.NDArray[np.uint16],
) -> npt.NDArray[np.bytes_]:
    """One reference for each payment, no two of a plan the same for one biller.

    Each is canonical, as its service's form has it.
    """
    billers = {one.code: one for one in network.billers}
    # Multiplying by a number prime to ten and adding another is one-to-one on the
    # numbers of k digits, so that references look drawn and never meet.
    factor = 10 * int(rng.integers(10**7, 10**8)) + 7
    offset = int(rng.integers(10**12))
    texts = []
    for at, place in enumerate(services.tolist()):
        service = network.services[place]
        number = factor * at + offset
        texts.append(_reference(service, billers[service.biller], number, date))
    return np.array(texts, "S32")


def _reference(service: Service, biller: Biller, number: int, date: dt.date) -> str:
    kind = biller.references
    form = _FORMS[kind.name]
    text = form.write(number % 10**form.digits, date)
    text = with_check_digit(kind.check_digit, text)
    if service.key_rule is KeyRule.REFERENCE_PERIOD:
        return f"{text}/{date:%Y-%m}"
    if service.key_rule is KeyRule.BILL_ID and not kind.names_bill:
        return f"{text}/B{date:%y%m%d}"
    return text
