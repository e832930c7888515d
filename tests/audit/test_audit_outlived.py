"""Goal: a bill that was fetched before a file which does more than add, and paid behind
it, is found; so is a service whose amount rule changes though it has files.

Method: twins that differ in just that; the same rows by the rules of before, which did
not ask it, without a finding.
"""

import struct
from pathlib import Path

import pytest

from switch.audit import audit
from switch.codes import RULES_VERSION, BillsForm, Kind, Record, RowFlag
from tests.audit import price_story as p
from tests.audit.journal_story import MINUTE, A, Story
from tests.audit.price_story import ABOVE, BELOW, DUE
from tests.audit.told_story import going_on, written

OLDER = "its quotation is older than a file of its service's bills"
RULE = "it changes amount_rule, and claims are made by it"
PARTS = "it should be RULE_FIXED"
BEFORE = 14
SERVICE, BILLER = 6, 5


def begun(rules: int = 0) -> Story:
    """A service of bills; in a ledger that says by which rules it runs, or not."""
    s = going_on()
    if rules:
        s.forget_claims()
        rules_row(s, rules)
    p.bill_service(s)
    return s


def rules_row(s: Story, rules: int, flags: int = 0) -> None:
    """From here on these rules run."""
    said = struct.pack("<B3xI", Record.RULES, rules)
    s.add(Kind.REGISTER, debit=1, flags=flags, tail=said)


def put_in(s: Story, form: BillsForm, after: int = 0) -> int:
    """A file of bills; its row."""
    amount = 0 if form is BillsForm.WITHDRAWAL else 900
    tail = struct.pack("<B3xIQ32s16x", form, 3, amount, b"\x11" * 32)
    said = {"service": SERVICE, "participant": BILLER, "resolves": after}
    return s.add(Kind.BILLS, tail=tail, **said).sequence


def found(s: Story, path: Path) -> list[str]:
    """What an audit finds of the bills."""
    s.commit()
    return [one.text for one in audit(written(path, s.groups)).findings.kept]


@pytest.mark.parametrize("form", BillsForm)
def test_a_bill_is_paid_that_was_fetched_before_a_file(
    tmp_path: Path, form: BillsForm
) -> None:
    for name, age, rules in (
        *(("old", MINUTE, 0), ("new", 0, 0)),
        ("before", MINUTE, BEFORE),
    ):
        s = begun(rules)
        first = put_in(s, BillsForm.FULL)
        s.now += 2 * MINUTE
        if rules == 0 or form is not BillsForm.ADDITION:
            put_in(s, form, first)
        p.quoted(s, A, SERVICE, DUE, "BILL-90", fetched=s.now - age)
        wrong = name == "old" and form is not BillsForm.ADDITION
        assert found(s, tmp_path / name) == [OLDER] * wrong


@pytest.mark.parametrize("form", BillsForm)
def test_it_is_older_to_the_nanosecond(tmp_path: Path, form: BillsForm) -> None:
    for later in (-1, 0, 1):
        s = begun()
        first = put_in(s, BillsForm.ADDITION)
        at = s.rows[put_in(s, form, first) - 1].timestamp
        p.quoted(s, A, SERVICE, DUE, "BILL-90", fetched=at + later)
        wrong = later < 1 and form is not BillsForm.ADDITION
        assert found(s, tmp_path / str(later)) == [OLDER] * wrong


@pytest.mark.parametrize("form", [BillsForm.FULL, BillsForm.DELTA])
def test_a_file_of_earlier_rules_counts_as_one_that_replaces(
    tmp_path: Path, form: BillsForm
) -> None:
    for age in (MINUTE, 0):
        s = begun(BEFORE)
        first = put_in(s, BillsForm.FULL)
        s.now += 2 * MINUTE
        put_in(s, form, first)
        rules_row(s, RULES_VERSION, int(RowFlag.UPDATE))
        p.quoted(s, A, SERVICE, DUE, "BILL-90", fetched=s.now - age)
        assert found(s, tmp_path / str(age)) == [OLDER] * bool(age)


def test_an_addition_is_none_of_earlier_rules(tmp_path: Path) -> None:
    for rules in (BEFORE, RULES_VERSION):
        s = begun(rules)
        put_in(s, BillsForm.ADDITION)
        wrong = ["its record is of no form"] if rules == BEFORE else []
        assert found(s, tmp_path / str(rules)) == wrong


def test_a_file_of_no_service_is_found_and_ends_nothing(tmp_path: Path) -> None:
    for number in (0, SERVICE + 50, 65_535):
        s = begun()
        tail = struct.pack("<B3xIQ32s16x", BillsForm.FULL, 3, 900, b"\x11" * 32)
        s.add(Kind.BILLS, tail=tail, service=number, participant=BILLER)
        s.now += 2 * MINUTE
        p.quoted(s, A, SERVICE, DUE, "BILL-90", fetched=s.now - 3 * MINUTE)
        assert found(s, tmp_path / str(number)) == ["it should be SERVICE_UNKNOWN"]


@pytest.mark.parametrize("rules", [0, BEFORE])
@pytest.mark.parametrize("some", [False, True])
def test_an_amount_rule_changes(tmp_path: Path, rules: int, some: bool) -> None:
    s = begun(rules)
    if some:
        put_in(s, BillsForm.FULL)
    p.bill_service(s, amount_rule=ABOVE, flags=int(RowFlag.UPDATE))
    wrong = some and not rules
    assert found(s, tmp_path / "ledger") == [RULE] * wrong


@pytest.mark.parametrize("rules", [0, BEFORE])
def test_what_is_paid_in_parts_has_a_file(tmp_path: Path, rules: int) -> None:
    s = begun(rules)
    p.bill_service(s, amount_rule=BELOW, flags=int(RowFlag.UPDATE))
    put_in(s, BillsForm.FULL)
    assert found(s, tmp_path / "ledger") == [PARTS] * (not rules)
