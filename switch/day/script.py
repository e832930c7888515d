"""What is sent on the replayed day: the sample's plan, its slips, its lost replies,
and what goes wrong at the billers.

Pure: the same number and seed give the same script. May use the sample, the simulated
billers' bills, `calendar`, `slips` and `codes`. Each step says what the switch must
answer, so that a replay proves something.
"""

import datetime as dt
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, islice

from switch.calendar import NS_IN_S, day_start_ns
from switch.codes import AmountRule, PriceRule
from switch.day.slips import slips_of, spell
from switch.day.step import HALF_HOUR_S, Step, Token
from switch.money import PAISE_IN_RUPEE
from switch.sample import Network, Service, load_sample
from switch.sample.day import plan_day
from switch.simulator.bills import dues_of

FIRST_DATE = dt.date(2026, 3, 2)
"""The working day that the first replay on a ledger is; each later one is the next."""
DAYS_MAX = 5000
"""Days on one ledger; more would be of a year that a record cannot hold."""
MARCH = 3
SPELT_PERMILLE = 100
"""Of 1,000 citizens, so many write their reference in another way than the biller."""
LOST_PERMILLE = 20
"""Of 1,000 replies, so many are thrown away and asked for again."""
BOTH_PERCENT = 10
"""Of 100 citizens with several bills, so many pay the one before the newest as well."""
PARTS_PERCENT = 50
"""Of 100 bills that may be paid in parts, so many are paid in two."""
ADVANCE_PERCENT = 30
"""Of 100 bills of which more may be paid, so many are paid with an advance."""
ADVANCE = 100 * PAISE_IN_RUPEE
TOP_UP_UNIT = 1000 * PAISE_IN_RUPEE
"""Wallets are topped up in whole thousands of rupees."""
COUNTER_MONEY = 25 * TOP_UP_UNIT
"""What the centre whose counter is opened has left for those who try the page."""
TROUBLES = """\
# biller      when      what            how long  by how much
dlrs          at 12:00  die             60m
nbstc         at 15:00  die             60m
sarathi       at 14:00  silent          15m
sarathi       at 14:15  forget          15m
sarathi       at 14:30  die
cesc                    slow                      +10s
sbstc         at 13:00  answer twice    60m
gpms          at 13:00  answer wrongly  60m
grips         at 13:00  answer amounts  30m       -1
holdtax       at 10:30  forget          30m
benfish       at 11:00  answer late     3h        +45m
wbtdcl        at 11:00  credit late     5h        +90m
wbfdc         at 11:00  credit late     5h        +90m
"""
"""A hard day. One large biller is gone for an hour; so is one of bookings, which wait
for half an hour only and are given back. One falls silent, loses questions and then
goes for good: its payments are kept until its list of the day. One is slower than usual
by ten seconds; one says other amounts; three confirm bookings after they have been
given back, two of them against their promise."""

_SATURDAY = 5
_UTR = re.compile(r"DAY([0-9]{5})(?:/|[0-9]{8}$)")


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
        return utr_of(self.number, centre)


def with_money(script: Script, centre: str) -> Script:
    """The same day, with COUNTER_MONEY more in a centre's top-up."""
    more = script.top_ups[centre] + COUNTER_MONEY
    return replace(script, top_ups={**script.top_ups, centre: more})


def utr_of(day: int, centre: str) -> str:
    """What people write on a centre's top-up."""
    return f"DAY{day:05d}/{centre}"


def transfer_utr(day: int, serial: int) -> str:
    """The bank's reference of a day's transfer: 16 capitals and digits."""
    return f"DAY{day:05d}{serial:08d}"


def day_of_utr(utr: str) -> int:
    """The number of the day whose top-up this is, 0 if it is another's."""
    found = _UTR.match(utr)
    return int(found[1]) if found else 0


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

    `payments` is as many as such a day has if None; second bills, rests and slips come
    on top of them. Raises ValueError for a day after DAYS_MAX and for a number of
    payments that a plan cannot have.
    """
    if not 1 <= number <= DAYS_MAX:
        raise ValueError(f"a ledger has days 1 to {DAYS_MAX}, not {number}")
    network = load_sample()
    date = march_day(number)
    rng = random.Random(f"{seed}/{number}")
    planned = list(_planned(network, date, payments, seed, rng))
    slips = list(slips_of(network, planned, rng))
    steps = sorted([*planned, *slips], key=lambda step: step.time_ns)
    steps = [
        replace(step, is_lost=True) if rng.randrange(1000) < LOST_PERMILLE else step
        for step in steps
    ]
    spent = dict.fromkeys((centre.id for centre in network.centres), 0)
    for step in (*planned, *(slip for slip in slips if slip.may_be_done)):
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
    last = len(starts) - 1
    plan = plan_day(date, payments=payments, seed=seed, network=network)
    for row in plan.tolist():
        time_ns, amount, written, operator, centre, place, items = row
        service = network.services[place]
        reference = written.decode("ascii")
        step = Step(
            half_hour=((time_ns - midnight) // NS_IN_S - starts[0]) // HALF_HOUR_S,
            time_ns=time_ns,
            centre=network.centres[centre].id,
            service=service.code,
            amount=amount,
            reference=(
                spell(service.form, reference, rng)
                if rng.randrange(1000) < SPELT_PERMILLE
                else reference
            ),
            bill=reference,
            operator=operator,
            items=tuple((code.decode(), count) for code, count in items if count),
        )
        if service.price_rule is PriceRule.BILL:
            yield from _of_bills(step, service, last, rng)
        else:
            yield step


def _of_bills(
    step: Step, service: Service, last: int, rng: random.Random
) -> Iterator[Step]:
    """A citizen's payments of bills: what is owed is for the biller to say."""
    first, *older = dues_of(step.service, step.bill)
    step = replace(step, amount=first, due=first, token=Token.OWN)
    chance = rng.randrange(100)
    if service.amount_rule is AmountRule.EXACT_AND_ABOVE and chance < ADVANCE_PERCENT:
        step = replace(step, amount=first + ADVANCE)
    part = first // 2 // PAISE_IN_RUPEE * PAISE_IN_RUPEE
    in_parts = service.amount_rule is AmountRule.EXACT_AND_BELOW
    if in_parts and chance < PARTS_PERCENT and part and step.half_hour < last:
        yield replace(step, amount=part)
        # The rest half an hour later, as another bill of the same id.
        yield replace(step.later(), amount=first - part, paid_before=part)
        return
    yield step
    if older and not in_parts and chance < BOTH_PERCENT:
        yield replace(step, amount=older[0], due=older[0])
