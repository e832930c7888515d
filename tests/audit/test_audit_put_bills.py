"""Goal: each file of bills that was put in is of its own biller's service, stands
behind the one before, and says nothing that no file has.

Method: twins, told by one function each: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right.
"""

from pathlib import Path
from typing import Any

import pytest

from switch.codes import AMOUNT_MAX, Kind, Result
from tests.audit.counter_story import (
    BILLS,
    BILLS_OTHER,
    DELTA,
    FULL,
    OPEN,
    OTHER,
    WITHDRAWAL,
    CounterDesk,
    Forgery,
    Tell,
    bills,
    found_by_its_words,
)
from tests.audit.people_story import (
    BILLER,
    HEAD,
    ONE,
)

R = Result
NONE = "it says something where none of its kind does"


def puts_in(*, right: dict[str, Any] | None = None, **wrong: Any) -> Tell:
    """A file behind another one, right and otherwise."""

    def tell(desk: CounterDesk, forged: bool) -> None:
        first = desk.put_in()
        desk.put_in(first, **(wrong if forged else right or {}))

    return tell


def says(wrong: bytes, right: bytes = bills()) -> Tell:
    """What its record says."""
    return puts_in(right={"tail": right}, tail=wrong)


def two_services(desk: CounterDesk, forged: bool) -> None:
    """Each service has its own turn, and each biller its services."""
    first = desk.put_in()
    said = {"service": BILLS_OTHER, "participant": OTHER}
    desk.put_in(first if forged else 0, **said)


def behind_refused(desk: CounterDesk, forged: bool) -> None:
    """What was refused is not behind which the next one stands."""
    first = desk.put_in()
    said = {"result": R.ALREADY_FOLLOWED, "total": first.sequence}
    second = desk.put_in(0, **said)
    desk.put_in(second if forged else first)


def other_digest(desk: CounterDesk, forged: bool) -> None:
    row = desk.put_in()
    row.reference = b"\x22" * 32 if forged else b""


def other_tail(desk: CounterDesk, forged: bool) -> None:
    desk.put_in(tail=None if forged else bills())


TWICE = "it should be ALREADY_FOLLOWED"
UNKNOWN = "it should be SERVICE_UNKNOWN"
FORGERIES: dict[str, Forgery] = {
    "out of its turn": ("bills", TWICE, puts_in(resolves=0)),
    "behind what is none": ("bills", TWICE, puts_in(resolves=1)),
    "behind another's": ("bills", TWICE, two_services),
    "behind a refused one": ("bills", TWICE, behind_refused),
    "of another's service": ("bills", UNKNOWN, puts_in(service=BILLS_OTHER)),
    "of no service": ("bills", UNKNOWN, puts_in(service=99)),
    "of none": ("bills", UNKNOWN, puts_in(service=0)),
    "of no bills": ("bills", "it should be RULE_FIXED", puts_in(service=OPEN)),
    "an account": ("bills", NONE, puts_in(debit=HEAD)),
    "a flag": ("bills", NONE, puts_in(flags=0x20)),
    "an amount": ("fields", "its amount is none", puts_in(amount=5)),
    "a total": ("fields", "it says nothing there", puts_in(total=5)),
    "another digest": ("tails", "not the digest of its item", other_digest),
    "no form": ("bills", "is of no form", says(bills(form=0))),
    "a form that is none": ("bills", "is of no form", says(bills(form=5))),
    "too many": ("bills", "or none", says(bills(2**20 + 1), bills(2**20))),
    "a delta of none": (
        *("bills", "or none"),
        says(bills(0, 0, DELTA), bills(0, 0, FULL)),
    ),
    "a withdrawal of none": (
        *("bills", "or none"),
        says(bills(0, 0, WITHDRAWAL), bills(1, 0, WITHDRAWAL)),
    ),
    "a withdrawal of money": (
        *("bills", "a sum that its lines cannot have"),
        says(bills(1, 1, WITHDRAWAL), bills(1, 1, DELTA)),
    ),
    "money of none": (
        *("bills", "a sum that its lines cannot have"),
        says(bills(0, 1), bills(0, 0)),
    ),
    "too much": (
        *("bills", "a sum that its lines cannot have"),
        says(bills(1, AMOUNT_MAX + 1), bills(1, AMOUNT_MAX)),
    ),
    "more than is said": (
        *("bills", "bytes that say nothing"),
        says(bills(zero=bytes(15) + b"\1")),
    ),
    "something between": (
        *("bills", "bytes that say nothing"),
        says(bills()[:1] + b"\1" + bills()[2:]),
    ),
    "cut off": ("bills", "is too short", says(bills()[:63], bills()[:64])),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


def test_who_is_no_biller_puts_nothing_in(tmp_path: Path) -> None:
    """Nor does it without saying what."""
    desk = CounterDesk()
    desk.put_in(participant=ONE)
    found = desk.found(tmp_path / "another")
    assert set(found) == {"senders", "bills"}
    desk = CounterDesk()
    desk.put_in(tail=None)
    found = desk.found(tmp_path / "nothing")
    assert set(found) == {"tails", "bills"}


def test_files_of_two_billers(tmp_path: Path) -> None:
    for people in (False, True):
        desk = CounterDesk(people=people)
        first = desk.put_in()
        said = {"service": BILLS_OTHER, "participant": OTHER}
        there = desk.put_in(0, tail=bills(0, 0), **said)
        second = desk.put_in(first, tail=bills(2, 20, DELTA))
        desk.put_in(second, tail=bills(1, 0, WITHDRAWAL), operator_=3)
        desk.put_in(there, **said)
        assert desk.found(tmp_path / str(people)) == {}


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (R.ALREADY_FOLLOWED, R.SERVICE_UNKNOWN, {"resolves": 0, "total": -1}),
        (R.SERVICE_UNKNOWN, R.ALREADY_FOLLOWED, {"service": 99}),
        (R.SERVICE_UNKNOWN, R.RULE_FIXED, {"participant": OTHER}),
        (R.RULE_FIXED, R.SERVICE_UNKNOWN, {"service": OPEN}),
        (R.ALREADY_FOLLOWED, R.RULE_FIXED, {"service": BILLS_OTHER, "participant": 6}),
    ],
)
def test_a_refusal_has_its_cause(
    tmp_path: Path, right: Result, wrong: Result, said: dict[str, int]
) -> None:
    for result in (right, wrong):
        desk = CounterDesk()
        first = desk.put_in()
        fields: dict[str, Any] = dict(said)
        if said.get("total"):
            fields["total"] = first.sequence
        desk.put_in(first.sequence, **{"result": result, **fields})
        found = desk.found(tmp_path / result.name)
        assert list(found) == ([] if result == right else ["refusals"])


def test_and_names_the_row_in_the_way(tmp_path: Path) -> None:
    """A shape that no file has leaves no row at all."""
    desk = CounterDesk()
    first = desk.put_in()
    second = desk.put_in(first)
    said = {"result": R.ALREADY_FOLLOWED, "total": first.sequence}
    desk.put_in(first, **said)
    assert list(desk.found(tmp_path / "another")) == ["refusals"]
    desk.rows[-1].total = second.sequence
    assert desk.found(tmp_path / "right") == {}
    desk.rows[-1].tail = bills(form=0)
    found = desk.found(tmp_path / "shape")
    assert "is of no form, and has no row" in found["bills"][0]
    assert desk.rows[-1].kind == Kind.BILLS
    assert desk.rows[-1].participant == BILLER
    assert desk.rows[-1].service == BILLS
