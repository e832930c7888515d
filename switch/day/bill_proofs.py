"""Proves of a replayed day what concerns bills and tokens, from the outside.

May use what was sent, its fates, the simulated billers' bills and `proof`. Knows
nothing of how the switch works.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from switch.codes import AmountRule, PriceRule, Result
from switch.day.fates import Fates, State
from switch.day.proof import Proof
from switch.day.replay import Replayed, Told
from switch.day.sending import result_of
from switch.day.slips import QUOTATIONS
from switch.day.step import Token
from switch.sample import Service, load_sample
from switch.simulator.bills import bill_key
from switch.simulator.books import Credit

LEAST = 100
"""Paise; nothing in the sample costs less."""
_REFUSED = frozenset({*QUOTATIONS, Result.BILL_ALREADY_CLAIMED, Result.PAID_RECENTLY})


def _services() -> Mapping[str, Service]:
    return {one.code: one for one in load_sample().services}


def _is_bill(services: Mapping[str, Service], code: str) -> bool:
    return code in services and services[code].price_rule is PriceRule.BILL


def prove_fetches(replayed: Replayed) -> Proof:
    """Who has a bill to pay was shown it, as its biller has it; what was not sent
    had nothing to pay, or its citizen gave up.
    """
    fetched = [one for one in replayed.sent if one.bill_due is not None]
    wrong = [one for one in fetched if one.bill_due not in one.step.may_be_due]
    # Only what was paid before has nothing left to pay.
    missing = [
        step
        for step, _ in replayed.told
        if step.expected is Result.OK and not step.is_again
    ]
    told = Counter(told for _, told in replayed.told)
    detail = (
        f"{replayed.fetches} asked, {len(fetched)} paid, "
        f"{replayed.turned_away} times told to try later, "
        f"{len(replayed.unsent)} given up; "
        + ", ".join(f"{told[one]} {one.value}" for one in Told)
    )
    if wrong or missing:
        step = wrong[0].step if wrong else missing[0]
        detail += (
            f"; {len(wrong)} differ, {len(missing)} are not there, the first "
            f"{step.service} {step.reference}"
        )
    return Proof(
        "every fetched bill is the biller's own", not wrong and not missing, detail
    )


def prove_tokens(replayed: Replayed) -> Proof:
    """Whoever came with an old token, another's, a forged one or none was refused."""
    tried: Counter[Token] = Counter()
    wrong = []
    services = _services()
    for one in replayed.sent:
        if one.step.token is Token.OWN or not _is_bill(services, one.step.service):
            continue
        tried[one.step.token] += 1
        if result_of(one) not in _REFUSED:
            wrong.append(one)
    refused = Counter(
        result_of(one) for one in replayed.sent if result_of(one) in QUOTATIONS
    )
    detail = ", ".join(f"{tried[one]} {one.value}" for one in Token if tried[one])
    for result in sorted(refused):
        detail += f"; {refused[result]} {result.name}"
    return Proof("nobody pays by a token that is not theirs", not wrong, detail)


def prove_paid_once(
    replayed: Replayed, fates: Fates, credits: Mapping[bytes, Credit]
) -> Proof:
    """No bill is paid twice, under whatever id, spelling or amount, nor more of it
    than it comes to; and none is credited twice.
    """
    services = _services()
    due: dict[tuple[str, str], int] = {}
    paid: dict[tuple[str, str], list[int]] = defaultdict(list)
    credited: Counter[tuple[str, str]] = Counter()
    for one in replayed.sent:
        fate = fates.get(one.payment.id)
        code = one.step.service
        if fate is None or not _is_bill(services, code):
            continue
        key = code, bill_key(code, fate.hold.reference)
        due[key] = one.step.due
        if fate.state is State.COMPLETED:
            paid[key].append(fate.hold.amount)
        if one.payment.id in credits:
            credited[key] += 1
    wrong = [
        key
        for key, amounts in paid.items()
        if not _is_right(services[key[0]], amounts, due[key])
        or credited[key] > len(amounts)
    ]
    detail = f"{len(paid)} bills, {sum(map(len, paid.values()))} payments"
    if wrong:
        detail = f"{len(wrong)} differ, the first {' '.join(wrong[0])}"
    return Proof("every bill is paid once", not wrong, detail)


def _is_right(service: Service, amounts: list[int], due: int) -> bool:
    if service.amount_rule is AmountRule.EXACT_AND_BELOW:
        return sum(amounts) <= due
    above = service.amount_rule is AmountRule.EXACT_AND_ABOVE
    return len(amounts) == 1 and (amounts[0] == due or (above and amounts[0] > due))


def prove_prices(replayed: Replayed, fates: Fates) -> Proof:
    """Nobody stated what a bill comes to, and nothing was paid for less than it costs.

    The amounts are the steps', the prices the sample's and the billers'.
    """
    stated = [fate.hold.sequence for fate in fates.values() if fate.hold.stated]
    tiny = [fate.hold.sequence for fate in fates.values() if fate.hold.amount < LEAST]
    accepted = sum(result_of(one) is Result.OK for one in replayed.sent)
    detail = f"{accepted} payments, the least {_least(fates)} paise"
    if stated or tiny:
        detail = f"{len(stated)} stated, {len(tiny)} below {LEAST} paise"
    return Proof("prices are the register's or the billers'", not stated + tiny, detail)


def _least(fates: Fates) -> int:
    return min((fate.hold.amount for fate in fates.values()), default=0)
