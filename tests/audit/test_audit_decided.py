"""Goal: what is done behind a withdrawal, by the word of people who could not act any
more, too late, or behind a newer limit is found, each by its own words.

Method: twins, as in `test_audit_people`: the same rows once right and once with one
thing forged, of lines and of a refund; then the same by rules that did not ask for it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switch.audit.approvals import deed_id
from switch.codes import Kind, PersonRole, Result, Role
from tests.audit.counter_story import HARNESS, SEAT, CounterDesk
from tests.audit.journal_story import STATED
from tests.audit.journal_writer import Row
from tests.audit.people_story import (
    CHECKER,
    DAY,
    FIRST,
    HEAD,
    MAKER,
    ONE,
    SECOND,
    THIRD,
    TWO,
    UPDATE,
    WALLET,
    Desk,
    Who,
    keyed,
    register,
    rules_record,
    top_up,
)
from tests.audit.test_audit_certificates import person as participant
from tests.audit.test_audit_lines import paying
from tests.audit.test_audit_people import Forgery
from tests.records import LimitRecord
from tests.signing import Line, secret_key

CANNOT = "who proposed or approved it could not act any more"
BEHIND = "was withdrawn before it"
NEWER = "a newer row speaks of the same"
BEFORE = 13
"""The last rules that asked for nothing of this when it was done."""


def withdraw(desk: Desk, asked: Row, who: Who = FIRST, **fields: object) -> Row:
    said = {"resolves": asked.sequence, "reference": b"mistaken"}
    return desk.signed(Kind.WITHDRAW, who, **{**said, **fields})


def two_lines(desk: Desk, who: Who = MAKER) -> Row:
    """Approved, and nothing of it done."""
    asked = desk.propose([top_up(500), top_up(600, b"UTR-2")], who)
    desk.approve(asked)
    return asked


# --- lines ---------------------------------------------------------------------------


def done_behind_it(desk: Desk, forged: bool) -> None:
    asked = two_lines(desk)
    desk.do(asked)
    withdraw(desk, asked)
    if forged:
        desk.do(asked, 1)


def withdraws_done(desk: Desk, forged: bool) -> None:
    asked = two_lines(desk)
    desk.do(asked)
    if forged:
        desk.do(asked, 1)
    withdraw(desk, asked)


def withdraws_twice(desk: Desk, forged: bool) -> None:
    asked = two_lines(desk)
    withdraw(desk, asked)
    if forged:
        withdraw(desk, asked, SECOND)


def approved_behind_it(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    if not forged:
        desk.approve(asked)
    withdraw(desk, asked)
    if forged:
        desk.approve(asked)


def between(change: Callable[[Desk], object], who: Who = MAKER) -> Callable[..., None]:
    """Something changes before the last line of a proposal is done, or behind it."""

    def tell(desk: Desk, forged: bool) -> None:
        asked = two_lines(desk, who)
        desk.do(asked)
        if forged:
            change(desk)
        desk.do(asked, 1)
        if not forged:
            change(desk)

    return tell


def proposer_off(desk: Desk) -> None:
    desk.off(keyed(MAKER, PersonRole.MAKER, 0).pack(), 4, FIRST)


def approver_off(desk: Desk) -> None:
    desk.off(keyed(SECOND, active=0).pack(), 2, FIRST)


def approver_demoted(desk: Desk) -> None:
    record = register(keyed(SECOND, PersonRole.MAKER).pack())
    asked = desk.propose([record], flags=THIRD)
    desk.approve(asked, CHECKER)
    desk.approve(asked, FIRST)
    desk.do(asked, debit=2, flags=UPDATE)


def proposer_demoted(desk: Desk) -> None:
    record = register(keyed(MAKER, PersonRole.SUPPORT).pack())
    desk.done(record, debit=4, flags=UPDATE)


def first_approver_off(desk: Desk, forged: bool) -> None:
    """Of two that were needed the first counts as well."""
    asked = desk.propose([top_up(1_001)], flags=THIRD)
    desk.approve(asked, CHECKER)
    desk.approve(asked, FIRST)
    if forged:
        desk.off(keyed(CHECKER, active=0).pack(), 3, FIRST)
    desk.do(asked)
    if not forged:
        desk.off(keyed(CHECKER, active=0).pack(), 3, FIRST)


def participant_off(desk: Desk, forged: bool) -> None:
    """Nor acts anybody whose participant is off, until that is started again."""
    third = (5, 31)
    desk.done(register(participant(5, Role.TREASURY)), debit=5)
    desk.done(register(keyed(third).pack()), debit=6)
    asked = desk.propose([top_up(500), top_up(600, b"UTR-2")])
    desk.approve(asked, third)
    desk.do(asked)
    desk.off(participant(5, Role.TREASURY, 0), 5)
    if not forged:
        record = register(participant(5, Role.TREASURY))
        desk.done(record, third=True, debit=5, flags=UPDATE)
    desk.do(asked, 1)


def another_key(desk: Desk, forged: bool) -> None:
    """Another key takes nothing away; to be switched off does, whatever the key."""
    asked = two_lines(desk)
    record = keyed(MAKER, PersonRole.MAKER)
    record.key = secret_key(55).public_key().public_bytes_raw()
    desk.done(register(record.pack()), debit=4, flags=UPDATE)
    if forged:
        record.active = 0
        desk.off(record.pack(), 4, FIRST)
    desk.do(asked)


def back_again(desk: Desk, forged: bool) -> None:
    asked = two_lines(desk)
    proposer_off(desk)
    if not forged:
        record = register(keyed(MAKER, PersonRole.MAKER).pack())
        again = desk.propose([record], FIRST, flags=THIRD)
        desk.approve(again, SECOND)
        desk.approve(again, CHECKER)
        desk.do(again, debit=4, flags=UPDATE)
    desk.do(asked)


def older_limit(desk: Desk, forged: bool) -> None:
    first, second = (
        Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(amount, 5).pack())
        for amount in (100, 200)
    )
    one = desk.propose([first])
    desk.approve(one)
    desk.done(second)
    if forged:
        desk.do(one)
    else:
        desk.done(first)


# --- a refund ------------------------------------------------------------------------


def refund(desk: Desk, asked: Row, payment: Row) -> Row:
    """What a proposal of a refund asks for, of 900 paise."""
    return desk.add(
        Kind.REFUND,
        id=deed_id(asked.id),
        resolves=payment.sequence,
        amount=900,
        debit=HEAD,
        credit=WALLET,
        reference=payment.reference,
        service=1,
        participant=ONE,
        checker=TWO,
        total=900,
        flags=STATED,
    )


def wanted(desk: Desk) -> tuple[Row, Row]:
    """A refund that is approved, and the payment."""
    payment = paying(desk)
    said = {"resolves": payment.sequence, "amount": 900, "tail": None}
    asked = desk.propose([], MAKER, total=int(Kind.REFUND), **said)
    desk.approve(asked)
    return asked, payment


def refunds_behind_it(desk: Desk, forged: bool) -> None:
    asked, payment = wanted(desk)
    withdraw(desk, asked)
    if forged:
        refund(desk, asked, payment)


def withdraws_refund(desk: Desk, forged: bool) -> None:
    asked, payment = wanted(desk)
    if forged:
        refund(desk, asked, payment)
    withdraw(desk, asked)


def refunds_late(desk: Desk, forged: bool) -> None:
    asked, payment = wanted(desk)
    desk.now = desk.rows[-1].timestamp + 30 * DAY - (not forged)
    refund(desk, asked, payment)


def refunds_for(change: Callable[[Desk], object]) -> Callable[..., None]:
    """Before or behind it somebody who wanted it can act no more."""

    def tell(desk: Desk, forged: bool) -> None:
        asked, payment = wanted(desk)
        if forged:
            change(desk)
        refund(desk, asked, payment)
        if not forged:
            change(desk)

    return tell


# --- what was refused ----------------------------------------------------------------


def refused_as_done(desk: Desk, forged: bool) -> None:
    asked = two_lines(desk)
    desk.do(asked)
    last = desk.do(asked, 1) if not forged else desk.rows[-1]
    withdraw(desk, asked, result=Result.ALREADY_DONE, total=last.sequence)


def refused_by_another_row(desk: Desk, forged: bool) -> None:
    asked = two_lines(desk)
    first, last = desk.do(asked), desk.do(asked, 1)
    named = first if forged else last
    withdraw(desk, asked, result=Result.ALREADY_DONE, total=named.sequence)


def refused_as_approved(desk: Desk, forged: bool) -> None:
    asked = two_lines(desk)
    said: dict[str, Any] = {
        "result": Result.ALREADY_APPROVED,
        "total": desk.rows[-1].sequence,
    }
    if forged:
        withdraw(desk, asked, **said)
    else:
        desk.approve(asked, CHECKER, **said)


def approved_as_done(desk: Desk, forged: bool) -> None:
    asked = two_lines(desk)
    last = [desk.do(asked, number) for number in (0, 1)][-1]
    said: dict[str, Any] = {"result": Result.ALREADY_DONE, "total": last.sequence}
    if forged:
        desk.approve(asked, CHECKER, **said)
    else:
        withdraw(desk, asked, **said)


NO_CAUSE = "and the rows before it show no cause"
DECIDED: dict[str, Forgery] = {
    "done behind its withdrawal": ("lines", BEHIND, done_behind_it),
    "withdrawn behind the deed": ("approvals", "which was done", withdraws_done),
    "withdrawn twice": ("approvals", "it withdraws what sequence", withdraws_twice),
    "approved behind it": (
        "approvals",
        "it approves what sequence",
        approved_behind_it,
    ),
    "proposer off": ("lines", CANNOT, between(proposer_off)),
    "approver off": ("lines", CANNOT, between(approver_off)),
    "approver demoted": ("lines", CANNOT, between(approver_demoted)),
    "proposer demoted": ("lines", CANNOT, between(proposer_demoted)),
    "first of two off": ("lines", CANNOT, first_approver_off),
    "participant off": ("lines", CANNOT, participant_off),
    "another key": ("lines", CANNOT, another_key),
    "not back": ("lines", CANNOT, back_again),
    "an older limit": ("lines", NEWER, older_limit),
    "refunded behind it": ("approvals", BEHIND, refunds_behind_it),
    "a refund withdrawn": ("approvals", "which was done", withdraws_refund),
    "refunded late": ("approvals", "30 days or more before it", refunds_late),
    "refunded for nobody": ("approvals", CANNOT, refunds_for(proposer_off)),
    "refunded, not approved": ("approvals", CANNOT, refunds_for(approver_off)),
    "half is done": ("refusals", f"ALREADY_DONE, {NO_CAUSE}", refused_as_done),
    "not the newest": ("refusals", f"ALREADY_DONE, {NO_CAUSE}", refused_by_another_row),
    "approved is no cause": (
        "refusals",
        f"ALREADY_APPROVED, {NO_CAUSE}",
        refused_as_approved,
    ),
    "done is no answer": ("fields", "what only withdrawals are", approved_as_done),
}


@pytest.mark.parametrize("name", DECIDED)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = DECIDED[name]
    right, wrong = Desk(), Desk()
    tell(right, False)
    tell(wrong, True)
    assert right.found(tmp_path / "right") == {}
    found = wrong.found(tmp_path / "wrong")
    assert any(text in one for one in found.get(check, [])), found


NOT_ASKED = (
    *("proposer off", "approver off", "approver demoted", "proposer demoted"),
    *("first of two off", "participant off", "another key", "not back"),
    *("an older limit", "refunded late"),
    *("refunded for nobody", "refunded, not approved"),
)


@pytest.mark.parametrize("name", NOT_ASKED)
def test_earlier_rules_did_not_ask(tmp_path: Path, name: str) -> None:
    tell = DECIDED[name][2]
    before = Desk(rules=BEFORE)
    tell(before, True)
    assert before.found(tmp_path / "before") == {}


@pytest.mark.parametrize("rules", [BEFORE, BEFORE + 1])
def test_by_earlier_rules_what_is_approved_stays(tmp_path: Path, rules: int) -> None:
    desk = Desk(rules=rules)
    asked = two_lines(desk)
    withdraw(desk, asked)
    found = desk.found(tmp_path / "accepted")
    assert list(found) == (["approvals"] if rules == BEFORE else [])
    desk = Desk(rules=rules)
    asked = two_lines(desk)
    said: dict[str, Any] = {
        "result": Result.ALREADY_APPROVED,
        "total": desk.rows[-1].sequence,
    }
    withdraw(desk, asked, **said)
    found = desk.found(tmp_path / "refused")
    assert list(found) == ([] if rules == BEFORE else ["refusals"])


def test_limits_of_earlier_rules_are_older(tmp_path: Path) -> None:
    """A proposal that is older than such a limit is done by the rules of today."""
    desk = Desk(rules=BEFORE)
    first, second = (
        Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(amount, 5).pack())
        for amount in (100, 200)
    )
    one, other = (desk.propose([first]) for _ in range(2))
    desk.approve(one)
    desk.approve(other)
    desk.done(second)
    desk.record(rules_record(BEFORE + 1), 1, participant=0, flags=UPDATE)
    desk.do(one)
    assert desk.found(tmp_path / "first") == {}
    desk.do(other)
    assert list(desk.found(tmp_path / "second")) == ["lines"]


def test_what_is_withdrawn_or_too_old_is_not_open(tmp_path: Path) -> None:
    """The list of what is approved and not done has what can be done."""
    from switch.audit import audit
    from switch.audit.exceptions import What

    counts = []
    for name, end in (
        ("open", lambda desk, asked: None),
        ("withdrawn", withdraw),
        ("late", lambda desk, asked: setattr(desk, "now", desk.now + 30 * DAY)),
    ):
        desk = Desk()
        asked, _ = wanted(desk)
        end(desk, asked)
        desk.propose([top_up(1, b"LATER")], FIRST)
        assert desk.found(tmp_path / name) == {}
        exceptions = audit(tmp_path / name).exceptions
        assert exceptions is not None
        counts.append(exceptions.open[What.APPROVED].count)
    assert counts == [1, 0, 0]


@pytest.mark.parametrize("rules", [BEFORE, BEFORE + 1])
def test_by_earlier_rules_a_harness_acts_where_operators_sign_on(
    tmp_path: Path, rules: int
) -> None:
    desk = CounterDesk(rules=rules)
    if rules == BEFORE:
        desk.seat(SEAT)
        desk.signs_on()
    desk.pay(participant=HARNESS)
    desk.shift(participant=HARNESS)
    found = desk.found(tmp_path / "ledger")
    assert list(found) == ([] if rules == BEFORE else ["people"])
