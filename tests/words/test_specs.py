"""Goal: a network that cannot be is refused by field, and a file says what was meant.

Method: one good network, and one change at a time that must be noticed.
"""

import dataclasses
import json
from typing import Any

import pytest

from switch.codes import (
    AmountRule,
    CheckDigit,
    DuplicateRule,
    Ignored,
    KeyRule,
    Letters,
    Mode,
    Policy,
    Role,
)
from switch.specs import (
    NetworkError,
    ParticipantSpec,
    ServiceSpec,
    Specs,
    check_specs,
    spec_problems,
    specs_from_json,
    specs_to_json,
)

BILLER = ParticipantSpec(
    id="water",
    role=Role.BILLER,
    name_bn="জল\u200dসরবরাহ",
    heads=("WB:1", "WB:2"),
    never_credits_late=True,
)
CENTRE = ParticipantSpec(
    id="bsk-1", role=Role.CENTRE, code="A/B/1", day_amount_max=500, day_count_max=5
)
SERVICE = ServiceSpec(
    code="WATER-01",
    biller="water",
    heads=("WB:2", "WB:1"),
    amount_rule=AmountRule.EXACT_AND_ABOVE,
    mode=Mode.CONFIRMED,
    duplicate_rule=DuplicateRule.ONCE,
    key_rule=KeyRule.REFERENCE_PERIOD,
    amount_min=1,
    amount_max=10**18,
    deadline_s=60,
    deadline_policy=Policy.RELEASE,
    active=False,
    letters=Letters.UPPER,
    ignored=Ignored.SPACE | Ignored.ZEROS,
    check_digit=CheckDigit.LUHN,
    pattern="W9{8}",
    series="WATER-00",
)
SPECS = Specs((BILLER, CENTRE), (SERVICE,))


def test_a_name_twice_in_one_object_is_no_file() -> None:
    """Of two values the last would count, and nobody would know."""
    for text in (
        '{"format": 1, "format": 1}',
        '{"format": 1, "participants": [{"id": "a", "role": "centre", "id": "b"}]}',
    ):
        with pytest.raises(NetworkError, match="twice"):
            specs_from_json(text)


def test_a_sound_network() -> None:
    assert spec_problems(*SPECS) == []
    assert specs_from_json(specs_to_json(SPECS)) == SPECS
    assert specs_from_json(specs_to_json(Specs())) == Specs()


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("id", {"id": ""}),
        ("id", {"id": "Water"}),
        ("id", {"id": "w" * 33}),
        ("role", {"id": "treasury"}),
        ("name_en", {"name_en": "n" * 257}),
        ("name_en", {"name_en": "a\nb"}),
        ("name_bn", {"name_bn": "\ud800"}),
        ("heads", {"heads": ("",)}),
        ("heads", {"heads": ("WB 1",)}),
        ("heads", {"heads": ("WB:1", "WB:1")}),
        ("heads", {"heads": ("h" * 65,)}),
        ("heads", {"role": Role.AUDITOR}),
        ("never_credits_late", {"role": Role.CENTRE}),
        ("heads", {"heads": tuple(f"WB:{number}" for number in range(1_025))}),
        ("day_amount_max", {"day_amount_max": 1}),
        ("day_amount_max", {"day_amount_max": -1}),
        ("day_count_max", {"day_count_max": 2**32}),
        ("payment_max", {"payment_max": 1}),
        ("payment_max", {"payment_max": 2**64 - 1}),
    ],
)
def test_participants_that_cannot_be(field: str, change: dict[str, Any]) -> None:
    spec = dataclasses.replace(BILLER, **change)
    found = [problem.field for problem in spec_problems([CENTRE, spec], [])]
    assert f"participants[1].{field}" in found
    with pytest.raises(NetworkError, match=field):
        check_specs([spec], [])


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("code", {"code": "water"}),
        ("code", {"code": "W" * 17}),
        ("biller", {"biller": "?"}),
        ("heads", {"heads": ()}),
        ("heads", {"heads": tuple(f"WB:{number}" for number in range(9))}),
        ("amount_min", {"amount_min": -1}),
        ("amount_max", {"amount_min": 10, "amount_max": 9}),
        ("amount_max", {"amount_max": 10**18 + 1}),
        ("duplicate_hours", {"duplicate_hours": 1}),
        (
            "duplicate_hours",
            {"duplicate_rule": DuplicateRule.WITHIN, "key_rule": None},
        ),
        ("key_rule", {"key_rule": None}),
        ("key_rule", {"duplicate_rule": DuplicateRule.NONE}),
        ("deadline_s", {"deadline_s": 0}),
        ("deadline_s", {"deadline_s": 2_678_401}),
        ("series", {"series": "water"}),
        ("series", {"series": "WATER-01"}),
        ("pattern", {"pattern": "w9{8}"}),
        ("pattern", {"pattern": "9{2,1}"}),
        ("check_digit", {"pattern": "A{8}"}),
    ],
)
def test_services_that_cannot_be(field: str, change: dict[str, Any]) -> None:
    spec = dataclasses.replace(SERVICE, **change)
    found = [problem.field for problem in spec_problems([], [spec])]
    assert f"services[0].{field}" in found


def test_nothing_is_there_twice() -> None:
    found = spec_problems([BILLER, BILLER], [SERVICE, SERVICE])
    assert [problem.field for problem in found] == [
        "participants[1].id",
        "services[1].code",
    ]


def change_file(change: dict[str, Any]) -> str:
    data = json.loads(specs_to_json(SPECS))
    for path, value in change.items():
        *parents, name = path.split(".")
        target = data
        for parent in parents:
            target = target[int(parent) if parent.isdigit() else parent]
        if value is None:
            del target[name]
        else:
            target[name] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format"),
        ({"extra": 1}, "no extra"),
        ({"services": {}}, "services must be a list"),
        ({"services.0.code": None}, r"services\[0\] lacks code"),
        ({"services.0.colour": "red"}, "no field 'colour'"),
        ({"services.0.mode": "slow"}, "one of direct, confirmed"),
        ({"services.0.mode": 2}, "one of direct, confirmed"),
        ({"services.0.heads": "WB:1"}, "list of texts"),
        ({"services.0.heads": [1]}, "list of texts"),
        ({"services.0.amount_min": 1.0}, "of type int"),
        ({"services.0.amount_min": True}, "of type int"),
        ({"services.0.active": 1}, "of type bool"),
        (
            {"services.0.ignored": "space"},
            "a list of space, hyphen, slash, point, zeros",
        ),
        ({"services.0.ignored": ["comma"]}, "a list of space"),
        ({"services.0.letters": "small"}, "one of as-they-are, upper, lower"),
        ({"services.0.check_digit": "mod11"}, "one of none, luhn, verhoeff"),
        ({"services.0.pattern": "9{"}, "pattern has a count at 2"),
        ({"participants.0.name_en": 1}, "of type str"),
        ({"participants.0.id": "W"}, r"participants\[0\].id must be"),
    ],
)
def test_files_that_are_not_networks(change: dict[str, Any], said: str) -> None:
    with pytest.raises(NetworkError, match=said):
        specs_from_json(change_file(change))


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '"x"', "[" * 100_000])
def test_texts_that_are_not_networks(text: str) -> None:
    with pytest.raises(NetworkError, match="not"):
        specs_from_json(text)
