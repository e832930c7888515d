"""Goal: a bill is kept only as long as it is true, and its amount rule holds.

Method: the cache against its bound and against time; every amount rule at the amounts
around what is due, compared with what the ledger itself decides.
"""

from pathlib import Path
from typing import Any, cast

import pytest

from switch._core import Ledger, Rows
from switch.billing.bills import VALID_S, Bill, BillCache, check_amount, names_bill
from switch.codes import (
    AmountRule,
    DuplicateRule,
    Ignored,
    KeyRule,
    Letters,
    Mode,
    Result,
    Role,
)
from switch.ids import new_id
from switch.ledger import moves
from switch.register.load import (
    PURPOSE_FLOAT,
    ParticipantSpec,
    Register,
    ServiceSpec,
    committing,
    load_network,
)

NOW_NS = 1_773_500_000 * 10**9
DUE = 1_000


def bill(**changes: Any) -> Bill:
    values: dict[str, Any] = {
        "id": "B-1",
        "service": "S",
        "reference": "1234",
        "amount_due": DUE,
        "due_time_ns": 0,
        "valid_until_ns": NOW_NS + 10,
    }
    return Bill(**values | changes)


def service(rule: AmountRule, **changes: Any) -> ServiceSpec:
    values: dict[str, Any] = {
        "code": f"S{rule.value}",
        "biller": "power",
        "heads": ("H:1",),
        "amount_rule": rule,
        "mode": Mode.DIRECT,
        "duplicate_rule": DuplicateRule.NONE,
    }
    return ServiceSpec(**values | changes)


POWER = service(AmountRule.ANY)
LAND = service(AmountRule.ANY, biller="land", code="LAND")
SPELT: dict[str, Any] = {
    "letters": Letters.UPPER,
    "ignored": Ignored.SPACE | Ignored.HYPHEN,
    "pattern": "X{2,8}",
}


def test_a_bill_is_known_until_it_is_no_longer_valid() -> None:
    cache = BillCache()
    cache.put(POWER, bill(), NOW_NS)
    assert cache.get(POWER, "B-1", NOW_NS + 9) == bill()
    assert cache.get(LAND, "B-1", NOW_NS) is None
    assert cache.get(POWER, "B-1", NOW_NS + 10) is None
    assert len(cache) == 0


def test_what_another_service_is_fetched_for_replaces_nothing() -> None:
    cache = BillCache()
    tax = service(AmountRule.EXACT, code="TAX")
    water = service(AmountRule.EXACT, code="WATER")
    late = service(AmountRule.EXACT, code="LATE", series="TAX")
    kept = [
        cache.put(spec, bill(service=spec.code, amount_due=due), NOW_NS)
        for due, spec in enumerate((tax, water, late), DUE)
    ]
    assert [cache.get(spec, "B-1", NOW_NS) for spec in (tax, water, late)] == kept


def test_a_biller_that_sets_no_end_has_one_set() -> None:
    cache = BillCache()
    kept = cache.put(POWER, bill(valid_until_ns=0), NOW_NS)
    end_ns = NOW_NS + VALID_S * 10**9
    assert kept.valid_until_ns == end_ns
    assert cache.get(POWER, "B-1", end_ns - 1) == kept
    assert cache.get(POWER, "B-1", end_ns) is None


def test_a_bill_that_is_fetched_again_replaces_the_first() -> None:
    cache = BillCache()
    cache.put(POWER, bill(), NOW_NS)
    cache.put(POWER, bill(amount_due=5), NOW_NS)
    found = cache.get(POWER, "B-1", NOW_NS)
    assert found is not None
    assert found.amount_due == 5
    assert len(cache) == 1


def test_the_cache_is_bounded_and_forgets_what_was_not_used() -> None:
    cache = BillCache(bills_max=3)
    for name in ("a", "b", "c"):
        cache.put(POWER, bill(id=name), NOW_NS)
    assert cache.get(POWER, "a", NOW_NS)
    cache.put(POWER, bill(id="d"), NOW_NS)
    assert len(cache) == 3
    assert [one for one in "abcd" if cache.get(POWER, one, NOW_NS)] == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("key_rule", "reference", "is_it"),
    [
        (KeyRule.BILL_ID, "B-1", True),
        (KeyRule.BILL_ID, "1234", False),
        (KeyRule.REFERENCE_PERIOD, "1234/2026-03", True),
        (KeyRule.REFERENCE_PERIOD, "12345/2026-03", False),
        # A consumer whose reference has a slash is another one.
        (KeyRule.REFERENCE_PERIOD, "1234/5/2026-03", False),
        (KeyRule.REFERENCE_PERIOD, "B-1", True),
        (None, "1234", True),
        (None, "B-1", True),
        (None, "other", False),
    ],
)
def test_the_reference_that_a_bill_is_paid_with(
    key_rule: KeyRule | None, reference: str, is_it: bool
) -> None:
    spec = service(AmountRule.ANY, key_rule=key_rule)
    assert names_bill(spec, bill(), reference) is is_it


@pytest.mark.parametrize(
    ("key_rule", "reference", "is_it"),
    [
        (KeyRule.BILL_ID, "b 1", True),
        (KeyRule.BILL_ID, "B2", False),
        (KeyRule.REFERENCE_PERIOD, "12-34/2026-03", True),
        (KeyRule.REFERENCE_PERIOD, "12-35/2026-03", False),
        (None, "1-234", True),
        (None, "b1", True),
        # What has no form of the service is compared as it is.
        (None, "b/1", False),
    ],
)
def test_spellings_name_the_same_bill(
    key_rule: KeyRule | None, reference: str, is_it: bool
) -> None:
    spec = service(AmountRule.ANY, key_rule=key_rule, **SPELT)
    assert names_bill(spec, bill(id="b-1", reference="12 34"), reference) is is_it
    cache = BillCache()
    kept = cache.put(spec, bill(id="b-1"), NOW_NS)
    assert cache.get(spec, "B 1", NOW_NS) == kept
    assert cache.get(spec, "B 2", NOW_NS) is None


@pytest.mark.parametrize(
    "known",
    [
        bill(id="1234/2026-03"),
        bill(id="1234/2026-03", reference="1234/2026-03"),
        bill(id="B-1", reference="1234/2026-03"),
    ],
)
def test_a_bill_of_a_month_is_not_paid_as_another_months(known: Bill) -> None:
    spec = service(AmountRule.EXACT, key_rule=KeyRule.REFERENCE_PERIOD)
    assert names_bill(spec, known, "1234/2026-03")
    for other in ("1234/2026-04", "1234/2026-03/2026-04", "B-1", "1234"):
        assert not names_bill(spec, known, other)


def test_the_rules_are_the_ledgers_own(tmp_path: Path) -> None:
    bounds = {"amount_min": DUE - 2, "amount_max": DUE + 2}
    specs = [service(rule, **bounds) for rule in AmountRule]
    specs += [service(rule, code=f"T{rule.value}") for rule in AmountRule]
    with Ledger(str(tmp_path), map_size=1 << 30, reserve_size=0) as ledger:
        register = Register(ledger)
        participants = [
            ParticipantSpec(id="bsk-1", role=Role.CENTRE),
            ParticipantSpec(id="power", role=Role.BILLER, heads=("H:1",)),
        ]
        load_network(register, committing(ledger), participants, specs)
        centre = register.find_participant("bsk-1")
        wallet = register.find_wallet("bsk-1")
        assert centre
        assert wallet
        source = register.treasury_account(PURPOSE_FLOAT).index
        money = moves.top_up(
            new_id(), source, wallet.index, 10**9, "UTR", sender=centre.index
        )
        ledger.commit([money.request()], NOW_NS)
        seen = set()
        for spec in specs:
            known = register.find_service(spec.code)
            assert known
            for due in (0, DUE):
                for amount in range(DUE - 4, DUE + 5):
                    move = moves.pay(
                        new_id(),
                        wallet.index,
                        known.index,
                        amount,
                        "R",
                        sender=centre.index,
                        amount_due=due,
                    )
                    [reply] = ledger.commit([move.request()], NOW_NS)
                    decided = Result(int(cast("Rows", reply)[0]["result"]))
                    assert check_amount(spec, amount, due) is decided
                    seen.add(decided)
        assert len(seen) == 4
