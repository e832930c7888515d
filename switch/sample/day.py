"""What the network's centres pay on one working day: a plan, made from a seed.

May use the sample's records, `calendar`, `references`, `tariffs` and `codes`. The same
date, count and seed give the same plan (with one NumPy). All of it is synthetic; the
shape follows the tables. Drawing is the one place where an amount is ever a float: it
is whole paise before anyone pays it.
"""

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch.calendar import NS_IN_S, day_number, day_start_ns
from switch.codes import PriceRule
from switch.money import PAISE_IN_RUPEE
from switch.references import with_check_digit
from switch.sample import load_sample
from switch.sample.records import Biller, Network
from switch.tariffs import PAYMENT_ITEMS_MAX, fees_on

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
COPIES_MAX = 5
"""A payment is for up to so many."""
COPIES = "COPY"
ALWAYS = frozenset({"APPLY", "FEE", COPIES})
"""Items that are in every payment of their services."""
MORE_PERCENT = 30
"""Of 100 payments by tariff, so many are for the other items too, if there are any."""
DAY_STRIDE = 20_000
"""References of one day are so many apart from the next one's: more than it needs."""

_HALF_HOUR_NS = 1_800 * NS_IN_S
_SATURDAY = 5

PLAN = np.dtype(
    [
        ("time_ns", np.uint64),  # UTC
        (
            "amount",
            np.uint64,
        ),  # paise; of a bill what one may expect, as it says itself
        ("reference", "S32"),  # canonical, as the citizen's service has it
        ("operator", np.uint32),
        ("centre", np.uint16),  # place in Network.centres
        ("service", np.uint16),  # place in Network.services
        # What is paid for, by tariff; zeros behind them.
        ("items", [("code", "S8"), ("count", np.uint32)], PAYMENT_ITEMS_MAX),
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
    _choose_items(rng, network, date, plan)
    plan["reference"] = _references(seed, network, date, plan["service"])
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
    amounts = np.clip(amounts, least[services], most[services])
    steps = np.array([one.amount_step or 1 for one in table])[services]
    whole: npt.NDArray[np.uint64] = (amounts // steps * steps).astype(np.uint64)
    return whole


def _choose_items(
    rng: np.random.Generator, network: Network, date: dt.date, plan: Plan
) -> None:
    """What the payments by tariff are for, and what that comes to.

    The fees are those of the day; no line of the sample begins after it, so that they
    are the same whenever the plan is paid.
    """
    day = day_number(day_start_ns(date))
    more = rng.integers(0, 100, len(plan)) < MORE_PERCENT
    counts = rng.integers(1, COPIES_MAX, len(plan), endpoint=True)
    fees_of = [
        list(fees_on(one.tariff, day).values())
        if one.price_rule is PriceRule.TARIFF
        else []
        for one in network.services
    ]
    for at, place in enumerate(plan["service"].tolist()):
        fees = fees_of[place]
        amount = 0
        chosen = [fee for fee in fees if fee.code in ALWAYS or more[at]]
        for item, fee in enumerate(chosen[:PAYMENT_ITEMS_MAX]):
            count = int(counts[at]) if fee.code == COPIES else 1
            plan["items"][at, item] = fee.code.encode(), count
            amount += fee.amount * count
        if fees:
            plan["amount"][at] = amount


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
    seed: int, network: Network, date: dt.date, services: npt.NDArray[np.uint16]
) -> npt.NDArray[np.bytes_]:
    """One reference for each payment, no two of a plan the same for one biller, nor of
    two days as long as its numbers last.

    Each is canonical, as its service's form has it.
    """
    billers = {one.code: one for one in network.billers}
    # Multiplying by a number prime to ten and adding another is one-to-one on the
    # numbers of k digits, so that references look drawn and never meet.
    rng = np.random.default_rng(seed)
    factor = 10 * int(rng.integers(10**7, 10**8)) + 7
    offset = int(rng.integers(10**12))
    first = date.toordinal() * DAY_STRIDE
    texts = []
    for at, place in enumerate(services.tolist(), first):
        service = network.services[place]
        number = factor * at + offset
        texts.append(_reference(billers[service.biller], number, date))
    return np.array(texts, "S32")


def _reference(biller: Biller, number: int, date: dt.date) -> str:
    kind = biller.references
    form = _FORMS[kind.name]
    text = form.write(number % 10**form.digits, date)
    return with_check_digit(kind.check_digit, text)
