"""What goes wrong at the counters of the replayed day, and what is tried there.

Pure. May use the sample, the simulated billers' bills, `references` and `codes`. Each
slip is a payment that the switch must refuse, and says how.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from switch.codes import AmountRule, DuplicateRule, PriceRule, Result
from switch.day.step import Step, Token
from switch.money import PAISE_IN_RUPEE
from switch.references import Form
from switch.sample import Network, Service
from switch.sample.day import ALWAYS
from switch.simulator.bills import spellings

SLIP_PERMILLE = 20
"""Of 1,000 payments, so many slips of the counter are sent beside them."""
TOO_MUCH = 10**15
"""Paise that no wallet of the replay holds."""
NO_ITEM = "NOSUCH"

QUOTATIONS = frozenset(
    {Result.QUOTATION_NEEDED, Result.QUOTATION_WRONG, Result.QUOTATION_EXPIRED}
)
"""Answers about a quotation; none leaves an entry."""
_PAID = frozenset({Result.BILL_ALREADY_CLAIMED, Result.PAID_RECENTLY})


def spell(form: Form, reference: str, rng: random.Random) -> str:
    """A canonical reference as somebody else writes it."""
    ways = spellings(form, reference)
    return rng.choice(ways) if ways else reference


def _paid_before(service: Service) -> Result:
    """How a second payment is refused while the first stands."""
    once = service.duplicate_rule is DuplicateRule.ONCE
    return Result.BILL_ALREADY_CLAIMED if once else Result.PAID_RECENTLY


def _is_bill(service: Service) -> bool:
    return service.price_rule is PriceRule.BILL


def _is_open(service: Service) -> bool:
    return service.price_rule is PriceRule.OPEN


def _in_parts(service: Service) -> bool:
    return service.amount_rule is AmountRule.EXACT_AND_BELOW


# --- what is paid already ---------------------------------------------------------


def _pay_again(step: Step, service: Service) -> Step:
    """Another counter takes the same bill half an hour later, spelt in another way."""
    # A bill may be another one by then, or be paid while it is fetched.
    of_bill = {*_PAID, Result.QUOTATION_EXPIRED}
    return replace(
        step.later(),
        reference=spell(service.form, step.bill, random.Random(step.bill)),
        is_again=True,
        expected=_paid_before(service),
        others=frozenset(of_bill if _is_bill(service) else ()),
    )


def _present_an_old_token(step: Step, service: Service) -> Step:
    """The counter pays half an hour later by what it fetched then."""
    return replace(
        step.later(),
        token=Token.OLD,
        expected=_paid_before(service),
        # If the money was given back meanwhile, or a part is posted.
        others=frozenset({Result.QUOTATION_EXPIRED}),
    )


def _pay_another_amount(step: Step, service: Service) -> Step:
    """The citizen deposits once more, half an hour later."""
    return replace(
        step.later(),
        amount=service.amount_min,
        is_again=True,
        expected=Result.PAID_RECENTLY,
    )


def _pay_once_more(step: Step, service: Service) -> Step:
    """The same, and means it."""
    return replace(_pay_another_amount(step, service), confirms=True)


# --- tokens that are none ---------------------------------------------------------


def _present_anothers_token(step: Step, service: Service) -> Step:
    return replace(step.later(), token=Token.OTHERS, expected=Result.QUOTATION_WRONG)


def _forge_a_token(step: Step, service: Service) -> Step:
    """A paisa instead of the bill, and the token says so."""
    return replace(
        step.later(), token=Token.FORGED, amount=1, expected=Result.QUOTATION_WRONG
    )


def _leave_out_the_token(step: Step, service: Service) -> Step:
    return replace(
        step.just_before(), token=Token.NONE, expected=Result.QUOTATION_NEEDED
    )


# --- wrong amounts and items ------------------------------------------------------


def _pay_one_rupee_more(step: Step, service: Service) -> Step:
    return replace(
        step.just_before(),
        amount=step.amount + PAISE_IN_RUPEE,
        expected=Result.AMOUNT_NOT_EXACT,
    )


def _pay_a_paisa(step: Step, service: Service) -> Step:
    exact = not _in_parts(service)
    result = Result.AMOUNT_NOT_EXACT if exact else Result.AMOUNT_BELOW_MINIMUM
    return replace(step.just_before(), amount=1, expected=result)


def _pay_too_little(step: Step, service: Service) -> Step:
    return replace(
        step, amount=service.amount_min - 1, expected=Result.AMOUNT_BELOW_MINIMUM
    )


def _pay_too_much(step: Step, service: Service) -> Step:
    return replace(
        step,
        amount=service.amount_max + service.amount_step,
        expected=Result.AMOUNT_ABOVE_MAXIMUM,
    )


def _pay_beside_the_step(step: Step, service: Service) -> Step:
    return replace(
        step, amount=service.amount_min + 1, expected=Result.AMOUNT_STEP_WRONG
    )


def _type_too_many_zeros(step: Step, service: Service) -> Step:
    return replace(
        step.just_before(), amount=TOO_MUCH, expected=Result.INSUFFICIENT_FUNDS
    )


def _take_the_old_fee(step: Step, service: Service) -> Step:
    """The counter goes by the tariff that it printed years ago."""
    lines: dict[str, list[int]] = {}
    for fee in service.tariff:
        lines.setdefault(fee.code, []).append(fee.amount)
    amount = sum(lines[code][0] * count for code, count in step.items)
    return replace(step, amount=amount, expected=Result.FEE_CHANGED)


def _had_other_fees(service: Service) -> bool:
    """Whether an item that is in every payment has cost something else before."""
    codes = [fee.code for fee in service.tariff]
    return any(codes.count(code) > 1 for code in ALWAYS)


def _ask_for_no_item(step: Step, service: Service) -> Step:
    return replace(step, items=((NO_ITEM, 1),), expected=Result.ITEM_UNKNOWN)


# --- mistyped ---------------------------------------------------------------------


def _leave_out_a_digit(step: Step, service: Service) -> Step:
    wrong = step.bill[:-1]
    return replace(step, reference=wrong, bill=wrong, expected=Result.REFERENCE_WRONG)


def _mistype_service(step: Step, service: Service) -> Step:
    return replace(
        step,
        service="BSK9999",
        token=Token.NONE,
        due=0,
        items=(),
        expected=Result.SERVICE_UNKNOWN,
    )


Slip = Callable[[Step, Service], Step]
_SLIPS: Sequence[tuple[Slip, Callable[[Service], bool]]] = (
    (_pay_again, lambda service: not _in_parts(service)),
    (_present_an_old_token, lambda one: _is_bill(one) and not _in_parts(one)),
    # Their claims are free once a part is paid: only the token's age is in the way.
    (_present_an_old_token, _in_parts),
    (_present_anothers_token, _is_bill),
    (_forge_a_token, _is_bill),
    (_leave_out_the_token, _is_bill),
    (
        _pay_one_rupee_more,
        lambda one: _is_bill(one) and one.amount_rule is AmountRule.EXACT,
    ),
    (_pay_a_paisa, _is_bill),
    (_take_the_old_fee, _had_other_fees),
    (_ask_for_no_item, lambda one: one.price_rule is PriceRule.TARIFF),
    (_pay_another_amount, _is_open),
    (_pay_once_more, _is_open),
    (_pay_too_little, _is_open),
    (_pay_too_much, _is_open),
    (_pay_beside_the_step, lambda one: one.amount_step > 1),
    (_leave_out_a_digit, lambda one: bool(one.pattern) and not _is_bill(one)),
    (
        _type_too_many_zeros,
        lambda one: one.amount_rule is AmountRule.EXACT_AND_ABOVE,
    ),
    (_mistype_service, lambda _: True),
)
"""What can go wrong at a counter, and the services where it can."""
_ELSEWHERE = (_pay_again, _present_anothers_token)
"""Where the citizen, or the token, has gone to another centre."""


def slips_of(
    network: Network, planned: Sequence[Step], rng: random.Random
) -> Iterator[Step]:
    """Refused payments beside the planned ones, each kind as often as the others."""
    services = {service.code: service for service in network.services}
    last = len(network.half_hours) - 1
    wanted = len(planned) * SLIP_PERMILLE // 1000
    used: set[tuple[str, str, int]] = set()
    for at in range(wanted):
        slip, fits = _SLIPS[at % len(_SLIPS)]
        codes = {code for code, service in services.items() if fits(service)}
        step = _choose(planned, codes, last, used, rng)
        if step is None:
            continue
        # Two that pay the same once more would be in each other's way.
        used.add(step.key)
        if slip in _ELSEWHERE:
            others = [one.id for one in network.centres if one.id != step.centre]
            step = replace(step, centre=rng.choice(others), operator=1)
        yield slip(step, services[step.service])


def _choose(
    planned: Sequence[Step],
    codes: AbstractSet[str],
    last: int,
    used: AbstractSet[tuple[str, str, int]],
    rng: random.Random,
) -> Step | None:
    """A payment of one of these services that is in no slip yet, nor of the last half
    hour; None if there is none.
    """
    start = rng.randrange(len(planned))
    for at in range(len(planned)):
        step = planned[(start + at) % len(planned)]
        is_first = step.half_hour < last and not step.paid_before
        if is_first and step.service in codes and step.key not in used:
            return step
    return None
