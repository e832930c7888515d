"""Goal: a network's file says who sits at a centre's counter, whether the centre signs
on, and in which time a biller answers; a load brings the register there, and takes
nothing away.

Method: small networks into a ledger of its own, read back by name and as a file; what
cannot be is said of its field.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch._core import Ledger
from switch.codes import Kind, Role
from switch.operator_rows import (
    OperatorRecord,
    OperatorSpec,
    operator_tail,
    read_operator,
)
from switch.register.load import (
    NetworkError,
    ParticipantSpec,
    Register,
    Specs,
    committing,
    describe,
    load_network,
    network_requests,
    spec_problems,
    specs_from_json,
    specs_to_json,
)
from switch.register.operators import find_operator, operators_of
from switch.said import say
from switch.signed import Line, speaks_of
from tests.signing import public_key

KEYS = [public_key(number).hex() for number in range(1, 9)]
ALPHA = OperatorSpec(number=1, key=KEYS[0])
BETA = OperatorSpec(number=2, key=KEYS[1], active=False)
CENTRE = ParticipantSpec(
    id="bsk-1", role=Role.CENTRE, signs_on=True, operators=(ALPHA, BETA)
)
BILLER = ParticipantSpec(id="water", role=Role.BILLER, heads=("H",), answer_hours=24)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty one."""
    with Ledger(
        str(tmp_path / "ledger"), threads=False, reserve_size=0, map_size=1 << 30
    ) as made:
        yield made


def load(ledger: Ledger, *participants: ParticipantSpec) -> tuple[int, int, int]:
    return load_network(Register(ledger), committing(ledger), participants, ())


def test_operators_are_loaded_changed_and_never_taken_away(ledger: Ledger) -> None:
    assert load(ledger, CENTRE, BILLER) == (2, 0, 0)
    before = ledger.sequence
    assert load(ledger, CENTRE, BILLER) == (0, 0, 2)
    assert ledger.sequence == before
    register = Register(ledger)
    centre = register.find_participant("bsk-1")
    assert centre is not None
    assert [one.spec for one in operators_of(ledger, centre.index)] == [ALPHA, BETA]
    # Another key for the one; the other is left out, and stays.
    changed = dataclasses.replace(ALPHA, key=KEYS[2])
    more = OperatorSpec(number=9, key=KEYS[0])
    spec = dataclasses.replace(CENTRE, operators=(changed, more))
    assert load(ledger, spec) == (0, 1, 0)
    found = [one.spec for one in operators_of(ledger, centre.index)]
    assert found == [changed, BETA, more]
    # Back again is a row of its own, and a load that broke off is the same one.
    assert load(ledger, dataclasses.replace(CENTRE, operators=(BETA,))) == (0, 0, 1)
    back = OperatorSpec(number=9, key=KEYS[0], active=False)
    again = OperatorSpec(number=9, key=KEYS[0])
    for one in (back, again, back):
        assert load(ledger, dataclasses.replace(CENTRE, operators=(one,)))[1] == 1
        known = find_operator(ledger, centre.index, 9)
        assert known is not None
        assert known.spec == one


def test_the_register_reads_back_as_a_file(ledger: Ledger) -> None:
    load(ledger, CENTRE, BILLER)
    described = describe(Register(ledger))
    assert {CENTRE, BILLER} <= {*described.participants}
    assert specs_from_json(specs_to_json(described)) == described
    text = specs_to_json(Specs((CENTRE,)))
    assert '"signs_on": true' in text
    assert f'{{"number": 2, "key": "{KEYS[1]}", "active": false}}' in text


def test_who_is_in_the_way_is_said(ledger: Ledger) -> None:
    load(ledger, CENTRE)
    other = dataclasses.replace(
        CENTRE, id="bsk-2", operators=(OperatorSpec(number=1, key=KEYS[0]),)
    )
    with pytest.raises(NetworkError, match="SAME_PERSON"):
        load(ledger, other)


WRONG = [
    ({"operators": (OperatorSpec(number=0, key=KEYS[0]),)}, "operators[0].number"),
    ({"operators": (OperatorSpec(number=2**32, key=KEYS[0]),)}, "operators[0].number"),
    ({"operators": (ALPHA, ALPHA)}, "operators[1].number"),
    ({"operators": (OperatorSpec(number=1, key="0" * 64),)}, "operators[0].key"),
    ({"operators": (OperatorSpec(number=1, key=KEYS[0].upper()),)}, "operators[0].key"),
    ({"operators": (OperatorSpec(number=1, key=KEYS[0][:-2]),)}, "operators[0].key"),
    (
        {
            "operators": tuple(
                OperatorSpec(number=n, key=KEYS[0]) for n in range(1, 258)
            )
        },
        "operators",
    ),
    ({"answer_hours": 5}, "answer_hours"),
    ({"role": Role.BILLER, "operators": ()}, "signs_on"),
    ({"role": Role.BILLER, "signs_on": False}, "signs_on"),
    (
        {
            "role": Role.BILLER,
            "signs_on": False,
            "operators": (),
            "answer_hours": 8_785,
        },
        "answer_hours",
    ),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_be(change: dict[str, object], field: str) -> None:
    spec = dataclasses.replace(CENTRE, **change)  # type: ignore[arg-type]
    problems = [one.field for one in spec_problems([spec], [])]
    assert problems == [f"participants[0].{field}"]


def test_a_file_with_something_else_in_it() -> None:
    for wrong in ('{"number": "1", "key": "a"}', '{"number": 1}', '{"name": "A"}', "3"):
        with pytest.raises(NetworkError, match="operators"):
            specs_from_json(
                '{"format": 1, "participants": [{"id": "a", "role": "centre", '
                f'"operators": [{wrong}]}}]}}'
            )


def test_what_an_approver_is_shown(ledger: Ledger) -> None:
    one = OperatorRecord(True, 7, 3, bytes.fromhex(KEYS[0]))
    tail = operator_tail(one)
    assert read_operator(tail) == one
    assert speaks_of(tail) == 7
    said = say(Line(Kind.REGISTER, tail=tail))
    assert said.what == "operator"
    assert said.facts == (("number", "3"), ("active", "yes"), ("key", KEYS[0]))
    [first, *_] = network_requests(Register(ledger), [CENTRE, BILLER], [])
    assert first.rows_count == 3
    for value in (one._replace(key=b""), one._replace(number=2**32)):
        with pytest.raises(ValueError, match=r"key|operator"):
            operator_tail(value)
