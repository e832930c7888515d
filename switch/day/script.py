"""What is sent on the replayed day: the sample's plan, its slips, its lost replies,
and what goes wrong at the billers.

Pure: the same number and seed give the same script. May use the sample, the simulated
billers' bills, `calendar`, `references` and `codes`. Each step says what the switch
must answer, so that a replay proves something.
"""

import datetime as dt
import random
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import count, islice

from switch.calendar import NS_IN_S, day_start_ns
from switch.codes import AmountRule, DuplicateRule, Ignored, KeyRule, Letters, Result
from switch.money import PAISE_IN_RUPEE
from switch.references import Form, is_reference, split_period
from switch.sample import Network, Service, load_sample
from switch.sample.day import plan_day
from switch.simulator.bills import bill_of

FIRST_DATE = dt.date(2026, 3, 2)
"""The working day that the first replay on a ledger is; each later one is the next."""
DAYS_MAX = 5000
"""Days on one ledger; more would be of a year that a record cannot hold."""
MARCH = 3
SLIP_PERMILLE = 10
"""Of 1,000 payments, so many slips of the counter are sent beside them."""
SPELT_PERMILLE = 100
"""Of 1,000 citizens, so many write their reference in another way than the biller."""
LOST_PERMILLE = 20
"""Of 1,000 replies, so many are thrown away and asked for again."""
TOP_UP_UNIT = 1000 * PAISE_IN_RUPEE
"""Wallets are topped up in whole thousands of rupees."""
TOO_MUCH = 10**15
"""Paise that no wallet of the replay holds."""
TROUBLES = """\
# biller      when      what            how long  by how much
dlrs          at 12:00  die             60m
nbstc         at 15:00  die             60m
cesc                    slow                      +10s
sbstc         at 13:00  answer twice    60m
gpms          at 13:00  answer wrongly  60m
holdtax       at 14:00  forget          30m
benfish       at 11:00  answer late     3h        +45m
"""
"""A hard day. One large biller is gone for an hour; so is one of bookings, which wait
for half an hour only: their holds expire. One is slower than usual by ten seconds; one
confirms bookings after they have expired."""

_SATURDAY = 5
_HALF_HOUR_S = 1800


@dataclass(frozen=True, slots=True)
class Step:
    """One payment as a centre sends it, and what must come of it."""

    half_hour: int
    """Which part of the day, from 0."""
    time_ns: int
    """Of the day that is replayed, nanoseconds UTC."""
    centre: str
    service: str
    amount: int
    amount_due: int
    reference: str
    """As the citizen has written it."""
    bill: str
    """The same in the form in which its service knows it."""
    operator: int
    expected: Result = Result.OK
    is_lost: bool = False
    """Its first reply is thrown away and it is sent again."""
    is_again: bool = False
    """The bill was paid before: refused unless that payment was given back."""


@dataclass(frozen=True, slots=True)
class Script:
    """A whole day."""

    number: int
    """Counts the days replayed on one ledger, from 1."""
    date: dt.date
    steps: tuple[Step, ...]
    """In the order of their times."""
    top_ups: dict[str, int]
    """Centre → paise, enough for its day; every centre has some."""

    def utr(self, centre: str) -> str:
        """The bank's reference of a centre's top-up."""
        return f"DAY{self.number:05d}/{centre}"


def day_of_utr(utr: str) -> int:
    """The number of the day whose top-up this is, 0 if it is another's."""
    head, slash, _ = utr.partition("/")
    digits = head.removeprefix("DAY")
    return int(digits) if slash and len(digits) == 5 and digits.isdecimal() else 0


def march_day(number: int) -> dt.date:
    """The `number`th working day of March, counted over the years from FIRST_DATE."""
    return next(islice(_march_days(), number - 1, None))


def _march_days() -> Iterator[dt.date]:
    for year in count(FIRST_DATE.year):
        day = FIRST_DATE.replace(year=year, day=1)
        while day.month == MARCH:
            if day.weekday() < _SATURDAY:
                yield day
            day += dt.timedelta(days=1)


def write_script(number: int, *, payments: int | None = None, seed: int = 0) -> Script:
    """The script of a ledger's `number`th day.

    `payments` is as many as such a day has if None; slips come on top of them.
    Raises ValueError for a day after DAYS_MAX and for a number of payments that a
    plan cannot have.
    """
    if not 1 <= number <= DAYS_MAX:
        raise ValueError(f"a ledger has days 1 to {DAYS_MAX}, not {number}")
    network = load_sample()
    date = march_day(number)
    rng = random.Random(f"{seed}/{number}")
    planned = list(_planned(network, date, payments, seed, rng))
    slips = list(_slips(network, planned, rng))
    steps = sorted([*planned, *slips], key=lambda step: step.time_ns)
    steps = [
        replace(step, is_lost=True) if rng.randrange(1000) < LOST_PERMILLE else step
        for step in steps
    ]
    spent = dict.fromkeys((centre.id for centre in network.centres), 0)
    for step in (*planned, *(slip for slip in slips if slip.is_again)):
        spent[step.centre] += step.amount
    top_ups = {
        centre: (amount // TOP_UP_UNIT + 1) * TOP_UP_UNIT
        for centre, amount in spent.items()
    }
    return Script(number, date, tuple(steps), top_ups)


def _planned(
    network: Network,
    date: dt.date,
    payments: int | None,
    seed: int,
    rng: random.Random,
) -> Iterator[Step]:
    starts = [part.start_s for part in network.half_hours]
    midnight = day_start_ns(date)
    centres = [centre.id for centre in network.centres]
    services = [service.code for service in network.services]
    exact = {
        one.code for one in network.services if one.amount_rule is AmountRule.EXACT
    }
    for row in plan_day(date, payments=payments, seed=seed, network=network).tolist():
        time_ns, amount, amount_due, reference, operator, centre, service = row
        second = (time_ns - midnight) // NS_IN_S
        reference = reference.decode("ascii")
        if services[service] in exact:
            # What the citizen owes is for the biller to say.
            bill = bill_of(services[service], reference, time_ns)
            assert bill is not None
            assert bill.id == reference
            amount = amount_due = bill.amount_due
        yield Step(
            half_hour=(second - starts[0]) // _HALF_HOUR_S,
            time_ns=time_ns,
            centre=centres[centre],
            service=services[service],
            amount=amount,
            amount_due=amount_due,
            reference=(
                spell(network.services[service].form, reference, rng)
                if rng.randrange(1000) < SPELT_PERMILLE
                else reference
            ),
            bill=reference,
            operator=operator,
        )


# --- spellings ------------------------------------------------------------------------

_SIGNS = {Ignored.SPACE: " ", Ignored.HYPHEN: "-"}
_GROUP = 3
"""Characters that people write together."""


def spell(form: Form, reference: str, rng: random.Random) -> str:
    """A canonical reference as somebody else writes it."""
    body, period = split_period(reference) if form.has_period else (reference, "")
    ways = []
    for part, sign in _SIGNS.items():
        if part in form.ignored:
            ways.append(sign.join(_groups(body)))
    if form.letters is Letters.UPPER and body != body.lower():
        ways.append(body.lower())
    if Ignored.ZEROS in form.ignored:
        ways.append(f"00{body}")
    fitting = [way + period for way in ways if is_reference(way + period)]
    return rng.choice(fitting) if fitting else reference


def _groups(text: str) -> list[str]:
    return [text[at : at + _GROUP] for at in range(0, len(text), _GROUP)]


# --- slips of the counter -------------------------------------------------------------


def _pay_again(step: Step, service: Service) -> Step:
    """Another counter takes the same bill half an hour later, spelt in another way."""
    is_once = service.duplicate_rule is DuplicateRule.ONCE
    return replace(
        step,
        reference=spell(service.form, step.bill, random.Random(step.bill)),
        half_hour=step.half_hour + 1,
        time_ns=step.time_ns + _HALF_HOUR_S * NS_IN_S,
        is_again=True,
        expected=Result.BILL_ALREADY_CLAIMED if is_once else Result.PAID_RECENTLY,
    )


def _pay_one_rupee_more(step: Step, service: Service) -> Step:
    return replace(
        step,
        amount=step.amount + PAISE_IN_RUPEE,
        expected=Result.AMOUNT_NOT_EXACT,
    )


def _pay_too_little(step: Step, service: Service) -> Step:
    return replace(
        step, amount=service.amount_min - 1, expected=Result.AMOUNT_BELOW_MINIMUM
    )


def _forget_period(step: Step, service: Service) -> Step:
    consumer, _ = split_period(step.reference)
    return replace(
        step, reference=consumer, bill=consumer, expected=Result.PERIOD_MISSING
    )


def _leave_out_a_digit(step: Step, service: Service) -> Step:
    body, period = (
        split_period(step.bill) if service.form.has_period else (step.bill, "")
    )
    wrong = body[:-1] + period
    return replace(step, reference=wrong, bill=wrong, expected=Result.REFERENCE_WRONG)


def _type_too_many_zeros(step: Step, service: Service) -> Step:
    return replace(step, amount=TOO_MUCH, expected=Result.INSUFFICIENT_FUNDS)


def _mistype_service(step: Step, service: Service) -> Step:
    return replace(step, service="BSK9999", expected=Result.SERVICE_UNKNOWN)


Slip = Callable[[Step, Service], Step]
_SLIPS: Sequence[tuple[Slip, Callable[[Service], bool]]] = (
    (_pay_again, lambda service: service.duplicate_rule is not DuplicateRule.NONE),
    (
        _pay_one_rupee_more,
        lambda service: (
            service.amount_rule is AmountRule.EXACT and not service.amount_max
        ),
    ),
    (_pay_too_little, lambda service: service.amount_min > 1),
    (
        _forget_period,
        lambda service: service.key_rule is KeyRule.REFERENCE_PERIOD,
    ),
    (_leave_out_a_digit, lambda service: bool(service.pattern)),
    (
        _type_too_many_zeros,
        lambda service: (
            service.amount_rule is AmountRule.ANY and not service.amount_max
        ),
    ),
    (_mistype_service, lambda service: True),
)
"""What can go wrong at a counter, and the services where it can."""


def _slips(
    network: Network, planned: Sequence[Step], rng: random.Random
) -> Iterator[Step]:
    """Refused payments beside the planned ones, each kind as often as the others."""
    services = {service.code: service for service in network.services}
    last = len(network.half_hours) - 1
    wanted = len(planned) * SLIP_PERMILLE // 1000
    for at in range(wanted):
        slip, fits = _SLIPS[at % len(_SLIPS)]
        codes = {code for code, service in services.items() if fits(service)}
        step = _choose(planned, codes, last, rng)
        if step is None:
            continue
        if slip is _pay_again:
            # The citizen has gone to another centre.
            step = replace(step, centre=rng.choice(network.centres).id, operator=1)
        yield slip(step, services[step.service])


def _choose(
    planned: Sequence[Step], codes: AbstractSet[str], last: int, rng: random.Random
) -> Step | None:
    """A payment of one of these services, not of the last half hour; None if none."""
    start = rng.randrange(len(planned))
    for at in range(len(planned)):
        step = planned[(start + at) % len(planned)]
        if step.half_hour < last and step.service in codes:
            return step
    return None
