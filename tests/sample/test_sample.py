"""Goal: the sample adds up to its tables, and a day's plan is one the switch can pay.

Method: every sum of the tables against what was made of them; a March day checked row
by row against the services' rules.
"""

import collections
import datetime as dt
import re

import numpy as np
import pytest

from switch.calendar import day_number, day_start_ns, ist_date
from switch.codes import (
    AmountRule,
    CheckDigit,
    DuplicateRule,
    Ignored,
    KeyRule,
    Letters,
    Mode,
    Policy,
    PriceRule,
    Role,
)
from switch.references import WrongReferenceError, canonical, find_example
from switch.sample import District, HostKind, load_sample, sample_specs
from switch.sample.day import (
    PAYMENTS_MAX,
    payments_count,
    plan_day,
    spent_by_centre,
)
from switch.sample.tables import read_network, read_table
from switch.specs import check_specs, specs_from_json, specs_to_json
from switch.tariffs import PAYMENT_ITEMS_MAX, sum_of

MARCH = dt.date(2026, 3, 16)
NETWORK = load_sample()


# --- the tables -------------------------------------------------------------------


def test_the_size_of_the_network() -> None:
    assert len(NETWORK.districts) == 23
    assert len(NETWORK.host_kinds) == 17
    assert len(NETWORK.centres) == 3_561
    assert len(NETWORK.services) == 97
    assert len(NETWORK.billers) == 40
    assert {one.biller for one in NETWORK.services} == {
        one.code for one in NETWORK.billers
    }


def test_the_network_is_the_same_every_time() -> None:
    assert read_network() == NETWORK


@pytest.mark.parametrize("district", NETWORK.districts, ids=lambda one: one.code)
def test_a_district_adds_up(district: District) -> None:
    centres = [one for one in NETWORK.centres if one.district == district.code]
    assert len(centres) == district.centres
    assert sum(one.is_urban for one in centres) == district.urban
    assert sum(not one.is_urban for one in centres) == district.rural
    assert sum(one.is_open_saturday for one in centres) == district.saturday_open
    assert sum(one.operators for one in centres) == district.operators


@pytest.mark.parametrize("kind", NETWORK.host_kinds, ids=lambda one: one.code)
def test_a_host_kind_adds_up(kind: HostKind) -> None:
    centres = [one for one in NETWORK.centres if one.host_kind == kind.code]
    assert len(centres) == kind.centres
    assert sum(one.is_open_saturday for one in centres) == kind.saturday_open


def test_centres_of_each_district_and_host_kind() -> None:
    found = collections.Counter(
        (one.district, one.host_kind) for one in NETWORK.centres
    )
    for row in read_table("centres_by_host"):
        for kind in NETWORK.host_kinds:
            expected = int(row[kind.code])
            assert found[row["district_code3"], kind.code] == expected


def test_ids_and_codes_of_centres() -> None:
    ids = [one.id for one in NETWORK.centres]
    assert ids == [f"bsk-{number:05d}" for number in range(1, 3_562)]
    codes = [one.code for one in NETWORK.centres]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[A-Z0-9]{3}/[A-Z]/[RU]/\d{5}", code) for code in codes)
    wrong = [one for one in NETWORK.centres if one.code[:3] != one.district]
    assert len(wrong) > 200, "whoever reads a code's letters must notice"
    for names in (
        [one.name_en for one in NETWORK.centres],
        [one.name_bn for one in NETWORK.centres],
    ):
        assert len(set(names)) == len(names)


def test_shares_add_up() -> None:
    assert sum(one.share for one in NETWORK.services) == pytest.approx(1, abs=1e-6)
    assert sum(one.share for one in NETWORK.half_hours) == pytest.approx(1, abs=1e-9)
    assert sum(NETWORK.month_factors.values()) == pytest.approx(12, abs=1e-6)
    assert sorted(NETWORK.month_factors) == list(range(1, 13))


def test_heads_are_invented_and_different() -> None:
    heads = [one.head for one in NETWORK.billers]
    assert len(set(heads)) == 40
    # 14 digits as 4-2-3-3-2; no receipt head begins with 0990.
    assert all(re.fullmatch(r"WB:0990-\d\d-\d{3}-\d{3}-\d\d", head) for head in heads)
    for name in ("heads", "kinds", "references", "tariffs"):
        assert {row["provenance"] for row in read_table(name)} == {"synthetic"}


# --- prices -----------------------------------------------------------------------

TARIFF_KINDS = {"certificate_fee", "licence_fee", "transport_fee", "exam_fee"}


def test_every_service_has_a_price_rule() -> None:
    rules = collections.Counter(one.price_rule for one in NETWORK.services)
    assert set(rules) == {PriceRule.TARIFF, PriceRule.BILL, PriceRule.OPEN}
    for service in NETWORK.services:
        if service.kind in TARIFF_KINDS:
            assert service.price_rule is PriceRule.TARIFF
        elif service.kind == "deposit":
            assert service.price_rule is PriceRule.OPEN
        else:
            assert service.price_rule is PriceRule.BILL
    # Electricity is more than half of all there is.
    assert NETWORK.services[0].code == "BSK0199"
    assert NETWORK.services[0].price_rule is PriceRule.BILL


def test_nothing_can_be_paid_for_a_paisa() -> None:
    for service in NETWORK.services:
        if service.price_rule is PriceRule.TARIFF:
            assert min(one.amount for one in service.tariff) >= 100
            # Whatever is asked for, there is a fee for it, and always was.
            first = min(one.day for one in service.tariff)
            assert first <= day_number(day_start_ns(MARCH))
        elif service.price_rule is PriceRule.OPEN:
            assert service.amount_min >= 100
            assert service.amount_max > service.amount_min
            assert service.amount_step >= 100
        elif service.amount_rule is AmountRule.EXACT_AND_BELOW:
            assert service.amount_min >= 100
        else:
            # What the biller says, or more.
            assert service.amount_rule in (
                AmountRule.EXACT,
                AmountRule.EXACT_AND_ABOVE,
            )


def test_bills_are_confirmed_by_billers_that_dial_in() -> None:
    bills = [one for one in NETWORK.services if one.price_rule is PriceRule.BILL]
    for service in bills:
        assert service.mode is Mode.CONFIRMED
        assert service.deadline_s > 0
        once = service.duplicate_rule is DuplicateRule.ONCE
        assert once == (service.key_rule is not None)
        # Another bill of a reference that was paid waits, but for another month.
        has_hours = service.key_rule is not KeyRule.REFERENCE_PERIOD
        assert service.duplicate_hours == (24 if has_hours else 0)
    keys = collections.Counter(one.key_rule for one in bills)
    assert keys[KeyRule.BILL_ID] > keys[None] > keys[KeyRule.REFERENCE_PERIOD] > 0
    rules = {one.amount_rule for one in bills}
    assert rules == {
        AmountRule.EXACT,
        AmountRule.EXACT_AND_ABOVE,
        AmountRule.EXACT_AND_BELOW,
    }


def test_only_bookings_are_released_by_billers_that_promise() -> None:
    promised = {one.code for one in NETWORK.billers if one.never_credits_late}
    assert promised == {"SBSTC", "NBSTC", "WBTDCL", "WBFDC", "BENFISH"}
    for service in NETWORK.services:
        releases = service.deadline_policy is Policy.RELEASE
        assert releases == (service.kind == "booking")
        assert not releases or service.biller in promised
    specs = sample_specs()
    ids = {one.id for one in specs.participants if one.never_credits_late}
    assert ids == {one.lower() for one in promised}
    assert sum(one.deadline_policy is Policy.RELEASE for one in specs.services) == 5


def test_other_services_are_claimed_by_application_or_within_hours() -> None:
    names_bill = {one.code: one.references.names_bill for one in NETWORK.billers}
    for service in NETWORK.services:
        if service.price_rule is PriceRule.BILL:
            continue
        assert service.mode is Mode.DIRECT
        is_once = names_bill[service.biller] and bool(service.tariff)
        if is_once:
            assert service.key_rule is KeyRule.REFERENCE
            assert service.duplicate_rule is DuplicateRule.ONCE
            assert service.duplicate_hours == 0
        else:
            # A consumer pays more than once in a lifetime.
            assert service.key_rule is None
            assert service.duplicate_rule is DuplicateRule.WITHIN
            assert service.duplicate_hours == 24


def test_tariffs_are_synthetic_and_of_services_that_have_one() -> None:
    rows = read_table("tariffs")
    assert {row["provenance"] for row in rows} == {"synthetic"}
    assert all(row["name_en"] and row["name_bn"] for row in rows)
    lines = sum(len(one.tariff) for one in NETWORK.services)
    assert lines == len(rows)
    items = [{fee.code for fee in one.tariff} for one in NETWORK.services]
    assert max(map(len, items)) >= 3
    assert sum(len(one) > 1 for one in items) > 30
    # A fee that was another one before.
    assert any(
        len(one.tariff) > len({f.code for f in one.tariff}) for one in NETWORK.services
    )


def test_nobody_may_state_dues() -> None:
    assert not any(one.may_state_dues for one in sample_specs().participants)


def test_the_specs_are_sound_and_survive_a_file() -> None:
    specs = sample_specs()
    check_specs(*specs)
    roles = collections.Counter(one.role for one in specs.participants)
    assert roles[Role.CENTRE] == 3_561
    # And three departments that nobody pays.
    assert roles[Role.BILLER] == 43
    assert roles[Role.AUDITOR] == roles[Role.HARNESS] == 1
    assert roles[Role.PMU] == roles[Role.SUPPORT] == roles[Role.PUBLIC] == 1
    # One asks, the other approves.
    assert roles[Role.TREASURY] == 2
    assert len(specs.services) == 97
    assert specs_from_json(specs_to_json(specs)) == specs


def test_free_services_have_no_way_to_a_wallet() -> None:
    assert NETWORK.free_services
    paid = {one.code for one in sample_specs().services}
    for service in NETWORK.free_services:
        assert service.code not in paid
        assert not hasattr(service, "biller")
    given = [one for one in sample_specs().participants if one.free_services]
    assert not any(one.heads for one in given)
    told = [one.code for department in given for one in department.free_services]
    assert sorted(told) == sorted(one.code for one in NETWORK.free_services)


def test_counters_are_told_of_services_in_both_languages() -> None:
    services = {one.code: one for one in NETWORK.services}
    assert all(one.documents for one in services.values())
    for name in ("called", "fields"):
        for row in read_table(name):
            assert row["service"] in services, f"{name}.csv is of no service"
    texts = [
        text
        for one in services.values()
        for text in (*one.called_bn, *(each.bn for each in one.documents))
    ]
    assert len(texts) > 100
    assert all(any("\u0980" <= char <= "\u09ff" for char in text) for text in texts)
    # Counters of most payments find their service by what people say.
    found = sum(one.share for one in services.values() if one.called_bn)
    assert found > 0.95


# --- the day ----------------------------------------------------------------------


def test_how_many_payments_a_day_has() -> None:
    assert 15_500 <= payments_count(MARCH) <= 16_500
    assert payments_count(dt.date(2026, 10, 5)) < payments_count(MARCH)
    assert payments_count(dt.date(2026, 3, 15)) == 0, "a Sunday"
    assert 0 < payments_count(dt.date(2026, 3, 14)) < 5_000, "a Saturday"


def test_a_plan_follows_from_its_seed() -> None:
    assert np.array_equal(plan_day(MARCH, seed=1), plan_day(MARCH, seed=1))
    assert not np.array_equal(plan_day(MARCH, seed=1), plan_day(MARCH, seed=2))


def test_every_centre_and_service_occurs() -> None:
    plan = plan_day(MARCH)
    assert len(plan) == payments_count(MARCH)
    assert set(plan["centre"].tolist()) == set(range(3_561))
    assert set(plan["service"].tolist()) == set(range(97))


def test_times_are_within_the_working_day() -> None:
    plan = plan_day(MARCH)
    times = plan["time_ns"].astype(np.int64)
    assert np.all(np.diff(times) >= 0)
    assert {ist_date(int(times[at])) for at in (0, -1)} == {MARCH}
    seconds = (times - day_start_ns(MARCH)) // 10**9
    assert seconds.min() >= 10 * 3600
    assert seconds.max() < 17.5 * 3600
    counts = np.bincount((seconds - 36_000) // 1_800, minlength=15) / len(plan)
    shares = [one.share for one in NETWORK.half_hours]
    assert counts == pytest.approx(shares, abs=0.01)


def test_amounts_are_what_the_services_take() -> None:
    plan = plan_day(MARCH)
    for row in plan:
        service = NETWORK.services[row["service"]]
        amount = int(row["amount"])
        assert amount >= max(100, service.amount_min)
        assert not service.amount_max or amount <= service.amount_max
        assert not service.amount_step or amount % service.amount_step == 0
        items = {item["code"].decode(): int(item["count"]) for item in row["items"]}
        del items[""]
        assert bool(items) == bool(service.tariff)
        if items:
            assert len(items) <= PAYMENT_ITEMS_MAX
            # The same today and on the day.
            for date in (MARCH, dt.date(2030, 1, 1)):
                day = day_number(day_start_ns(date))
                assert sum_of(service.tariff, items, day) == amount
    assert max(len(row["items"].nonzero()[0]) for row in plan) > 1
    whole = np.mean(plan["amount"] % 100 == 0)
    assert 0.9 < whole < 1


def test_amounts_have_the_tables_median_and_mean() -> None:
    plan = plan_day(MARCH, payments=300_000)
    electricity = plan["amount"][plan["service"] == 0]
    assert NETWORK.services[0].code == "BSK0199"
    assert np.median(electricity) == pytest.approx(95_000, rel=0.02)
    assert np.percentile(electricity, 95) == pytest.approx(380_000, rel=0.03)
    assert len(electricity) / len(plan) == pytest.approx(0.5626, abs=0.005)
    # Over all services a payment is about 1,645 rupees.
    assert plan["amount"].mean() == pytest.approx(164_500, rel=0.06)


def test_references_are_there_once() -> None:
    plan = plan_day(MARCH)
    keys = set()
    for row in plan:
        service = NETWORK.services[row["service"]]
        reference = row["reference"].decode("ascii")
        assert 1 <= len(reference) <= 32
        assert reference.isprintable()
        keys.add((service.biller, reference))
    assert len(keys) == len(plan), "no bill is there twice"
    electricity = plan["reference"][plan["service"] == 0]
    assert all(re.fullmatch(rb"\d{9}", one) for one in electricity)


@pytest.mark.parametrize("date", [MARCH, dt.date(2027, 10, 1)])
def test_references_are_those_of_their_services(date: dt.date) -> None:
    for row in plan_day(date):
        service = NETWORK.services[row["service"]]
        reference = row["reference"].decode("ascii")
        assert canonical(service.form, reference) == reference
    # One digit too few is none, wherever a pattern says how many there are.
    for service in NETWORK.services:
        example = find_example(service.form)
        assert example is not None
        if service.pattern.endswith("{1,10}/B9{6}"):
            continue
        with pytest.raises(WrongReferenceError):
            canonical(service.form, example[:-1])


def test_check_digits_and_what_is_ignored_occur() -> None:
    checks = {one.check_digit for one in NETWORK.services}
    assert checks == set(CheckDigit)
    for kind in Ignored:
        if kind is not Ignored.POINT:
            assert any(kind in one.ignored for one in NETWORK.services)
    assert {one.letters for one in NETWORK.services} == {
        Letters.AS_THEY_ARE,
        Letters.UPPER,
    }
    electricity = NETWORK.services[0].form
    assert canonical(electricity, "123 456-789") == "123456789"


def test_two_days_share_no_bill() -> None:
    first, second = plan_day(MARCH), plan_day(MARCH + dt.timedelta(days=1))
    once = [
        at for at, one in enumerate(NETWORK.services) if one.key_rule is KeyRule.BILL_ID
    ]
    bills = [set(plan["reference"][np.isin(plan["service"], once)]) for plan in
             (first, second)]  # fmt: skip
    assert not bills[0] & bills[1]


def test_operators_are_those_of_the_centre() -> None:
    plan = plan_day(MARCH)
    posts = np.array([one.operators for one in NETWORK.centres])
    assert plan["operator"].min() == 1
    assert np.all(plan["operator"] <= posts[plan["centre"]])


def test_saturdays_sundays_and_bounds() -> None:
    saturday = plan_day(dt.date(2026, 3, 14))
    centres = set(saturday["centre"].tolist())
    assert all(NETWORK.centres[one].is_open_saturday for one in centres)
    assert len(centres) == 667
    with pytest.raises(ValueError, match="no centre is open"):
        plan_day(dt.date(2026, 3, 15))
    with pytest.raises(ValueError, match="a plan has"):
        plan_day(MARCH, payments=PAYMENTS_MAX + 1)
    assert len(plan_day(MARCH, payments=0)) == 0
    assert len(plan_day(MARCH, payments=50)) == 50


def test_what_centres_need() -> None:
    plan = plan_day(MARCH)
    spent = spent_by_centre(plan, 3_561)
    assert int(spent.sum()) == int(plan["amount"].sum())
    assert spent.min() > 0
