"""Goal: a bill that was fetched before a file which does more than add, and paid behind
it, is found; so is a service whose amount rule changes though it has files.

Method: twins that differ in just that; the same rows by the rules of before, which did
not ask it, without a finding.
"""

import struct
from pathlib import Path

import pytest

from switch.audit import audit
from switch.codes import BillsForm, Kind, Record, RowFlag
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
        said = struct.pack("<B3xI", Record.RULES, rules)
        s.add(Kind.REGISTER, debit=1, tail=said)
    p.bill_service(s)
    return s


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
