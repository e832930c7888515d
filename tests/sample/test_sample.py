"""Goal: the sample adds up to its tables, and a day's plan is one the switch can pay.

Method: every sum of the tables against what was made of them; a March day checked row
by row against the services' rules.
"""

import collections
import datetime as dt
import re

import numpy as np
import pytest

from switch.calendar import day_start_ns, ist_date
from switch.codes import (
    AmountRule,
    CheckDigit,
    DuplicateRule,
    Ignored,
    KeyRule,
    Letters,
    Mode,
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
    for name in ("heads", "kinds", "references"):
        assert {row["provenance"] for row in read_table(name)} == {"synthetic"}


def test_rules_follow_the_amount_rule() -> None:
    for service in NETWORK.services:
        if service.amount_rule is AmountRule.EXACT:
            assert service.duplicate_rule is DuplicateRule.ONCE
            assert service.key_rule is not None
        else:
            assert service.duplicate_rule is DuplicateRule.WITHIN
            assert (service.duplicate_hours, service.key_rule) == (24, None)
        if service.kind == "utility_bill":
            assert service.mode is Mode.CONFIRMED
            assert service.key_rule in (KeyRule.REFERENCE_PERIOD, None)
        if service.kind.endswith("_fee"):
            assert service.mode is Mode.DIRECT
            assert service.key_rule is KeyRule.BILL_ID


def test_the_specs_are_sound_and_survive_a_file() -> None:
    specs = sample_specs()
    check_specs(*specs)
    roles = collections.Counter(one.role for one in specs.participants)
    assert roles[Role.CENTRE] == 3_561
    assert roles[Role.BILLER] == 40
    assert roles[Role.AUDITOR] == roles[Role.HARNESS] == 1
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
        is_exact = service.amount_rule is AmountRule.EXACT
        assert row["amount_due"] == (amount if is_exact else 0)
        if service.median_paise == service.p95_paise:
            assert amount == service.median_paise
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


def test_references_are_bill_keys() -> None:
    plan = plan_day(MARCH)
    keys = set()
    for row in plan:
        service = NETWORK.services[row["service"]]
        reference = row["reference"].decode("ascii")
        assert 1 <= len(reference) <= 32
        assert reference.isprintable()
        if service.key_rule is KeyRule.REFERENCE_PERIOD:
            assert reference.endswith("/2026-03")
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
