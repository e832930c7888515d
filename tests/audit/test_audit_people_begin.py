"""Goal: people begin a ledger as the page says and not otherwise; before them, and by
older rules, nobody has any.

Method: journals of the tests' own that have just begun.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from switch.codes import RULES_VERSION, Kind, PersonRole, Result, Role
from tests.audit.people_story import (
    CHECKER,
    FIRST,
    ONE,
    SECOND,
    THRESHOLDS,
    Desk,
    keyed,
    register,
    top_up,
)
from tests.audit.test_audit_certificates import person as participant

FIRSTS: dict[str, tuple[str, Callable[[Desk], object]]] = {
    "no checker": (
        "it should be RULE_FIXED",
        lambda d: d.record(keyed(FIRST, PersonRole.MAKER).pack(), 1),
    ),
    "not active": (
        "it should be RULE_FIXED",
        lambda d: d.record(keyed(FIRST, active=0).pack(), 1),
    ),
    "a key of nothing": (
        "names nobody, or no key",
        lambda d: d.record(keyed(FIRST).pack()[:16] + bytes(32), 1),
    ),
    "a role that is none": (
        "is of no role",
        lambda d: d.record(keyed(FIRST, 7).pack(), 1),
    ),
    "too short": ("is too short", lambda d: d.record(keyed(FIRST).pack()[:47], 1)),
    "bytes that say something": (
        "has bytes that say nothing",
        lambda d: d.record(
            keyed(FIRST).pack()[:3] + b"\1" + keyed(FIRST).pack()[4:], 1
        ),
    ),
    "a place": (
        "it is number 1, the row says 2",
        lambda d: d.record(keyed(FIRST).pack(), 2),
    ),
    "lines": (
        "it proposes lines in a ledger without people",
        lambda d: d.propose([top_up(500)], FIRST),
    ),
    "thresholds that are none": (
        "has bytes that say nothing",
        lambda d: d.record(THRESHOLDS.pack()[:2] + b"\1" + THRESHOLDS.pack()[3:], 1),
    ),
}


@pytest.mark.parametrize("name", FIRSTS)
def test_nobody_begins_otherwise(tmp_path: Path, name: str) -> None:
    text, tell = FIRSTS[name]
    desk = Desk(people=False)
    tell(desk)
    found = desk.found(tmp_path)
    assert list(found) == ["people"]
    assert text in found["people"][0]


def test_the_third_comes_right_behind(tmp_path: Path) -> None:
    """Behind anything else one of the two does not register a third alone."""
    for name in ("behind", "later", "older", "maker"):
        rules = 17 if name == "older" else RULES_VERSION
        desk = Desk(rules=rules, people=False)
        desk.record(keyed(FIRST).pack(), 1)
        desk.record(keyed(SECOND).pack(), 2)
        assert desk.found(tmp_path / f"two-{name}") == {}
        if name == "later":
            desk.propose([register(keyed(CHECKER).pack())], FIRST)
        role = PersonRole.MAKER if name == "maker" else PersonRole.CHECKER
        desk.record(keyed(CHECKER, role).pack(), 3)
        found = desk.found(tmp_path / f"three-{name}")
        assert set(found) == (set() if name == "behind" else {"lines"})
        if found:
            assert "nobody has proposed it" in found["lines"][0]


def test_people_come_before_accounts(tmp_path: Path) -> None:
    desk = Desk(people=False)
    account = desk.add(Kind.OPEN, participant=ONE, debit=1)
    account.tail = ONE.to_bytes(4, "little") + bytes((0, 0, 3)) + bytes(25)
    assert desk.found(tmp_path / "before") == {}
    desk.record(keyed(FIRST).pack(), 1)
    found = desk.found(tmp_path / "after")
    assert "it should be RULE_FIXED" in found["people"][0]


def test_older_rules_know_no_people(tmp_path: Path) -> None:
    for rules in (7, RULES_VERSION):
        for record in (keyed(FIRST), THRESHOLDS):
            desk = Desk(rules=rules, people=False)
            desk.record(record.pack(), 1)
            found = desk.found(tmp_path / f"{rules}-{record.pack()[0]}")
            assert list(found) == ([] if rules == RULES_VERSION else ["people"])


@pytest.mark.parametrize("role", [Role.PMU, Role.SUPPORT])
def test_who_only_reads_came_with_rules_11(tmp_path: Path, role: Role) -> None:
    """Before them such a record was a wrong shape, by itself and in a line."""
    for rules in (10, 11):
        alone = Desk(rules=rules, people=False)
        alone.record(participant(5, role), 5)
        found = alone.found(tmp_path / f"alone-{rules}")
        wrong = "its record's role is not one"
        assert [wrong in one for one in found.get("services", [])] == [True] * (
            rules < 11
        )
        desk = Desk(rules=rules)
        desk.done(register(participant(5, role)), debit=5)
        found = desk.found(tmp_path / f"line-{rules}")
        assert set(found) == ({"lines", "services"} if rules < 11 else set())
        assert rules == 11 or any("wrong role" in one for one in found["lines"])


def test_nor_did_approvals_name_hashes(tmp_path: Path) -> None:
    """By rules before 8 a reference was a wrong shape, and so is no row."""
    for rules in (7, RULES_VERSION):
        desk = Desk(rules=rules, people=False)
        said = {"resolves": 3, "result": Result.PROPOSAL_NOT_FOUND}
        desk.add(Kind.APPROVE, participant=ONE, reference=b"\1" * 32, **said)
        found = desk.found(tmp_path / str(rules))
        assert list(found) == ([] if rules == RULES_VERSION else ["people"])


def test_who_is_nobody_is_refused_only_what_moves_something(tmp_path: Path) -> None:
    """A proposal of nothing is one of lines, or has no row."""
    for amount in (0, 5):
        desk = Desk(people=False)
        said = {"resolves": 0, "result": Result.PAYMENT_NOT_FOUND, "amount": amount}
        desk.add(Kind.PROPOSE, participant=ONE, reference=b"too much", **said)
        found = desk.found(tmp_path / str(amount))
        assert list(found) == ([] if amount else ["people"])
