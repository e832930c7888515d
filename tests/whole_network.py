"""A network that says every field there is, so that each is tried in every test of it.

A field of a spec that no record here says fails `assert_whole`.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from switch.catalogue import FormField, FreeService, Words
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
from switch.operator_rows import OperatorSpec
from switch.specs import ParticipantSpec, ServiceSpec, Specs
from switch.tariffs import Fee
from tests.signing import public_key

KEYS = [public_key(number).hex() for number in range(21, 29)]
CENTRE, BILLER, HARNESS = "bsk-00048", "waterworks", "load-tests"
BILLED, FEES, ARREARS, OPEN = "WATER-01", "COPIES", "WATER-02", "GIFTS"

PARTICIPANTS = (
    ParticipantSpec(id="treasury", role=Role.TREASURY, name_en="Treasury"),
    ParticipantSpec(
        id=BILLER,
        role=Role.BILLER,
        name_en="Water works",
        name_bn="জল\u200dসরবরাহ",
        heads=("WB:0990-00-900-001-01", "WB:0990-00-900-001-02"),
        never_credits_late=True,
        answer_hours=24,
        day_list="2026-11-30 " + "5a" * 32 + " 101 7",
        free_services=(
            FreeService(
                code="TAP",
                name_en="A new tap",
                name_bn="নতুন কল",
                where_en="Block office",
                where_bn="ব্লক অফিস",
                documents=(Words(en="Deed", bn="দলিল"), Words(en="Photo")),
            ),
        ),
    ),
    ParticipantSpec(
        id=CENTRE,
        role=Role.CENTRE,
        name_en='Kendra "48" → new',
        name_bn="কেন্দ্র ৪৮",
        code="BAN/H/R/00048",
        district="BAN",
        host_kind="H",
        day_amount_max=90_000_00,
        day_count_max=500,
        payment_max=40_000_00,
        low_balance=5_000_00,
        signs_on=True,
        operators=(
            OperatorSpec(number=1, key=KEYS[0]),
            OperatorSpec(number=7, key=KEYS[1], active=False),
        ),
    ),
    ParticipantSpec(id="auditor", role=Role.AUDITOR),
    ParticipantSpec(id="pmu", role=Role.PMU),
    ParticipantSpec(id=HARNESS, role=Role.HARNESS, may_state_dues=True, active=False),
)


def _service(code: str, **values: Any) -> ServiceSpec:
    return ServiceSpec(
        **{
            "code": code,
            "biller": BILLER,
            "heads": ("WB:0990-00-900-001-01",),
            "amount_rule": AmountRule.EXACT_AND_ABOVE,
            "mode": Mode.DIRECT,
            "duplicate_rule": DuplicateRule.ONCE,
            **values,
        }
    )


_FORM: dict[str, Any] = {
    "key_rule": KeyRule.REFERENCE_PERIOD,
    "letters": Letters.UPPER,
    "ignored": Ignored.SPACE | Ignored.ZEROS,
    "check_digit": CheckDigit.LUHN,
    "pattern": "W9{8}",
    "price_rule": PriceRule.BILL,
}
SERVICES = (
    _service(
        BILLED,
        heads=("WB:0990-00-900-001-02", "WB:0990-00-900-001-01"),
        mode=Mode.CONFIRMED,
        deadline_s=3_600,
        deadline_policy=Policy.RELEASE,
        duplicate_hours=12,
        amount_min=100,
        amount_max=10**9,
        name_en="Water",
        name_bn="জল",
        department_en="Water department",
        department_bn="জল বিভাগ",
        called_en=("tap bill", "water tax"),
        called_bn=("জলকর",),
        fields=(
            FormField(
                name="ward",
                label_en="Ward",
                label_bn="ওয়ার্ড",
                pattern="9{1,2}",
                example="12",
            ),
        ),
        documents=(Words(en="Last bill", bn="আগের বিল"),),
        **_FORM,
    ),
    _service(
        FEES,
        price_rule=PriceRule.TARIFF,
        amount_rule=AmountRule.EXACT,
        key_rule=KeyRule.REFERENCE,
        active=False,
        tariff=(
            Fee(
                code="PAGE",
                amount=200,
                valid_from="2025-04-01",
                name_en="Page",
                name_bn="পাতা",
            ),
        ),
    ),
    _service(ARREARS, series=BILLED, **_FORM),
    _service(
        OPEN,
        price_rule=PriceRule.OPEN,
        amount_rule=AmountRule.MIN_MAX,
        duplicate_rule=DuplicateRule.NONE,
        amount_min=100,
        amount_max=10**6,
        amount_step=100,
    ),
)
WHOLE = Specs(PARTICIPANTS, SERVICES)


def assert_whole() -> None:
    """Every field of every spec, and of what is in them, says something somewhere."""
    said: dict[type, set[str]] = {}
    for spec in (*PARTICIPANTS, *SERVICES):
        for kind, name in _said(spec):
            said.setdefault(kind, set()).add(name)
    for kind, names in said.items():
        missing = {entry.name for entry in dataclasses.fields(kind)} - names
        assert not missing, f"no record says {missing} of a {kind.__name__}"
    kinds = {ParticipantSpec, ServiceSpec, Fee, FormField, FreeService, Words}
    assert {*said} == kinds | {OperatorSpec}


def _said(value: Any) -> Iterator[tuple[type, str]]:
    for entry in dataclasses.fields(value):
        item = getattr(value, entry.name)
        if item != entry.default:
            yield type(value), entry.name
        for one in item if isinstance(item, tuple) else ():
            if dataclasses.is_dataclass(one):
                yield from _said(one)


CHANGED: dict[type, dict[str, tuple[str, Any]]] = {
    ParticipantSpec: {
        "active": (CENTRE, False),
        "name_en": (CENTRE, ""),
        "name_bn": (BILLER, "জল"),
        "code": (CENTRE, "BAN/H/R/00049"),
        "district": (CENTRE, "PUR"),
        "host_kind": (CENTRE, ""),
        "heads": (BILLER, (*PARTICIPANTS[1].heads, "WB:0990-00-900-001-03")),
        "day_amount_max": (CENTRE, 0),
        "day_count_max": (CENTRE, 9),
        "payment_max": (CENTRE, 0),
        "low_balance": (CENTRE, 0),
        "may_state_dues": (HARNESS, False),
        "never_credits_late": (BILLER, False),
        "free_services": (BILLER, ()),
        "signs_on": (CENTRE, False),
        "answer_hours": (BILLER, 48),
        "day_list": (BILLER, ""),
        "operators": (CENTRE, (OperatorSpec(number=9, key=KEYS[5]),)),
    },
    ServiceSpec: {
        "heads": (ARREARS, PARTICIPANTS[1].heads),
        "amount_rule": (BILLED, AmountRule.EXACT),
        "mode": (BILLED, Mode.DIRECT),
        "active": (FEES, True),
        "name_en": (BILLED, "Water charges"),
        "name_bn": (BILLED, ""),
        "department_en": (BILLED, "Another"),
        "department_bn": (BILLED, ""),
        "amount_min": (BILLED, 0),
        "amount_max": (BILLED, 0),
        "duplicate_hours": (BILLED, 0),
        "deadline_s": (BILLED, 60),
        "deadline_policy": (BILLED, Policy.KEEP),
        "amount_step": (OPEN, 0),
        "tariff": (FEES, (Fee(code="PAGE", amount=300, valid_from="2026-04-01"),)),
        "called_en": (BILLED, ()),
        "called_bn": (BILLED, ("জলের বিল",)),
        "fields": (BILLED, ()),
        "documents": (BILLED, ()),
    },
}
"""Of each field that may change the record of which it does, and another value."""
FOR_EVER: dict[type, set[str]] = {
    ParticipantSpec: {"id", "role"},
    ServiceSpec: {
        *("code", "biller", "duplicate_rule", "key_rule", "letters", "ignored"),
        *("check_digit", "pattern", "series", "price_rule"),
    },
}
"""Fields that never change."""


def changes() -> Iterable[tuple[type, str]]:
    """Every field that may change, out of the specs."""
    for kind in (ParticipantSpec, ServiceSpec):
        for entry in dataclasses.fields(kind):
            if entry.name not in FOR_EVER[kind]:
                yield kind, entry.name
