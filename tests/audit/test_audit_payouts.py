"""Goal: money is paid out where people have said, and had the time to see that others
have; a wallet owes only what a bank took back. Whatever else stands there is found.

Method: twins, as in `test_audit_people`: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right. Then older rules.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch.codes import AccountKind, Kind, Role
from tests.audit.bank_story import (
    TRANSIT,
    WAITING,
    came,
    ends,
    went,
)
from tests.audit.journal_writer import Row
from tests.audit.payout_story import (
    HOUR,
    OWED,
    Forgery,
    PayoutDesk,
    Tell,
    beneficiary,
    found_by_its_words,
    thresholds,
)
from tests.audit.people_story import (
    BILLER,
    CHECKER,
    DAY,
    FIRST,
    HEAD,
    ONE,
    SETTLEMENT,
    SUSPENSE,
    THIRD,
    UPDATE,
    WALLET,
    keyed,
    register,
)
from tests.audit.test_audit_certificates import person as participant
from tests.records import AccountRecord
from tests.signing import Line

# --- what a wallet owes ---------------------------------------------------------------


def flagged(line: Line, flags: int) -> Line:
    return replace(line, flags=flags)


def not_owed(desk: PayoutDesk, forged: bool) -> None:
    desk.owes(desk.taken(), flags=0 if forged else OWED)


def owes_more(desk: PayoutDesk, forged: bool) -> None:
    """Whoever owes has nothing to pay with."""
    first, second = desk.taken(), desk.taken(400, b"OUT000000002")
    desk.owes(first)
    desk.owes(second, flags=0 if forged else OWED)


def owes_in_part(desk: PayoutDesk, forged: bool) -> None:
    """What came in since makes up first for what was owed."""
    desk.owes(desk.taken())
    desk.fills(WALLET, 300 if forged else 600)
    desk.done(Line(Kind.TRANSFER, 100, 0, WALLET, SUSPENSE, b"moved"))


def owed_by_nobody(desk: PayoutDesk, forged: bool) -> None:
    """The row says so, and nobody who approved it."""
    item = desk.taken()
    desk.fills(WALLET, 500)
    desk.done(ends(item, WALLET, TRANSIT), flags=OWED if forged else 0)


def owed_unsaid(desk: PayoutDesk, forged: bool) -> None:
    """They said so, and the row does not."""
    item = desk.taken()
    desk.fills(WALLET, 500)
    line = flagged(ends(item, WALLET, TRANSIT), OWED)
    desk.done(line, flags=0 if forged else OWED)


def owes_credit(desk: PayoutDesk, forged: bool) -> None:
    line = ends(desk.told(came(500)), WAITING, WALLET)
    desk.done(flagged(line, OWED if forged else 0))


def owes_moved(desk: PayoutDesk, forged: bool) -> None:
    desk.fills(WALLET, 500)
    line = Line(Kind.TRANSFER, 500, 0, WALLET, SUSPENSE, b"moved")
    desk.done(flagged(line, OWED if forged else 0))


def owes_settlement(desk: PayoutDesk, forged: bool) -> None:
    item = desk.taken()
    desk.fills(SETTLEMENT, 500)
    desk.done(flagged(ends(item, SETTLEMENT, TRANSIT), OWED if forged else 0))


def owes_nothing_taken(desk: PayoutDesk, forged: bool) -> None:
    """What it names was not taken by the bank."""
    item, came_in = desk.taken(), desk.told(came(500))
    line = ends(came_in if forged else item, WALLET, TRANSIT)
    desk.done(flagged(line, OWED))


def owes_twice(desk: PayoutDesk, forged: bool) -> None:
    first, second = desk.taken(), desk.taken(500, b"OUT000000002")
    desk.owes(first)
    desk.owes(first if forged else second)


def closed_owing(desk: PayoutDesk, forged: bool) -> None:
    desk.owes(desk.taken())
    if not forged:
        desk.fills(WALLET, 500)
    desk.done(Line(Kind.CLOSE, 0, 0, WALLET, 0, b"gone"))


ALIEN = "ends nothing that a bank took back"
OTHER_LINE = "it is not what proposal"
OWING: dict[str, Forgery] = {
    "what nobody owes": ("below_zero", "is below zero", not_owed),
    "more than it owes": ("below_zero", "is below zero", owes_more),
    "more than came since": ("below_zero", "is below zero", owes_in_part),
    "what was not approved": ("lines", OTHER_LINE, owed_by_nobody),
    "what was approved": ("lines", OTHER_LINE, owed_unsaid),
    "of a credit": ("payouts", ALIEN, owes_credit),
    "of a move": ("payouts", ALIEN, owes_moved),
    "in a move's line": ("lines", "its line 0 has not the shape", owes_moved),
    "of a settlement account": ("payouts", ALIEN, owes_settlement),
    "of nothing taken": ("banks", "it ends an item of other", owes_nothing_taken),
    "twice": ("banks", "was ended before", owes_twice),
    "closed": ("accounts", "the balance of account", closed_owing),
}


# --- to whom is paid ------------------------------------------------------------------


def aged(desk: PayoutDesk, record: bytes | None = None, **fields: Any) -> Row:
    """A beneficiary that all have seen for a day."""
    row = desk.benefits(record, **fields)
    desk.now += DAY
    return row


def names_nobody(desk: PayoutDesk, forged: bool) -> None:
    one = aged(desk)
    desk.pays_out(0 if forged else one)


def names_none_yet(desk: PayoutDesk, forged: bool) -> None:
    """Before the first one a payout names nothing."""
    desk.pays_out(2 if forged else 0)


def names_other_row(desk: PayoutDesk, forged: bool) -> None:
    one = aged(desk)
    desk.pays_out(2 if forged else one)


def names_top_up(desk: PayoutDesk, forged: bool) -> None:
    """What is no row of the register is ended, or not at all."""
    one, other = aged(desk), desk.fills(WALLET, 100)
    desk.pays_out(other if forged else one)


def old(desk: PayoutDesk, forged: bool) -> None:
    before = aged(desk)
    now = aged(desk, beneficiary(number=b"NEW1"), flags=UPDATE)
    desk.pays_out(before if forged else now)


def inactive(desk: PayoutDesk, forged: bool) -> None:
    aged(desk)
    off = aged(desk, beneficiary(active=0), flags=UPDATE)
    on = aged(desk, flags=UPDATE) if not forged else off
    desk.pays_out(on)


def of_the_other(desk: PayoutDesk, forged: bool) -> None:
    """The newest about its own account, whatever came since of another."""
    line = Line(Kind.OPEN, tail=AccountRecord(BILLER, 1, AccountKind.BILLER).pack())
    desk.done(line, debit=13)
    aged(desk)
    one = aged(desk, beneficiary(number=b"NEW1"), flags=UPDATE)
    two = aged(desk, beneficiary(13), debit=2)
    desk.pays_out(one)
    desk.pays_out(two, head=13)
    off = aged(desk, beneficiary(13, 0), debit=2, flags=UPDATE)
    desk.pays_out(off if forged else one, head=13 if forged else HEAD)


def waited(seconds: int, *, wait: int | None = None, before: int = 1) -> Tell:
    """A payout just in time, and a nanosecond earlier."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        if wait is not None:
            desk.waits(wait)
        one = desk.benefits()
        desk.settles(500)
        line = Line(Kind.TRANSFER, 500, one.sequence, SETTLEMENT, TRANSIT, b"payout")
        asked = desk.propose([line])
        desk.approve(asked)
        desk.now = one.timestamp + seconds * 10**9 - (before if forged else 0)
        desk.do(asked)

    return tell


def changed_since(desk: PayoutDesk, forged: bool) -> None:
    """A change waits anew, even one to what it was."""
    aged(desk)
    one = desk.benefits(flags=UPDATE)
    desk.now += HOUR if forged else DAY
    desk.pays_out(one)


def waits_longer_since(desk: PayoutDesk, forged: bool) -> None:
    """The thresholds of its own time say how long it waits."""
    one = aged(desk)
    desk.waits(3 * 86_400)
    desk.now += DAY if forged else 2 * DAY
    desk.pays_out(one)


def to_come(desk: PayoutDesk, forged: bool) -> None:
    """Nobody who approves sees to whom a row pays that is not there yet."""
    desk.settles(500)
    one = None if forged else desk.benefits()
    # Behind two rows of the payout's come a proposal, two approvals, and it.
    named = one.sequence if one else desk.rows[-1].sequence + 6
    line = Line(Kind.TRANSFER, 500, named, SETTLEMENT, TRANSIT, b"payout")
    asked = desk.propose([line])
    desk.approve(asked)
    assert (one or desk.benefits()).sequence == named
    desk.now += DAY
    desk.do(asked)


def unmatched(desk: PayoutDesk, forged: bool) -> None:
    """What its bank books of it is met as what was released."""
    paid = desk.pays_out(aged(desk))
    asked = desk.tells([went(500, about=paid)])
    (desk.books if forged else desk.meets)(asked)


def matched_other(desk: PayoutDesk, forged: bool) -> None:
    paid = desk.pays_out(aged(desk))
    asked = desk.tells([went(501 if forged else 500, about=paid)])
    desk.meets(asked)


def still_ends(desk: PayoutDesk, forged: bool) -> None:
    """What a bank took is ended by a settlement account as ever, once."""
    aged(desk)
    item = desk.taken()
    desk.fills(SETTLEMENT, 1_000)
    for _ in range(1 + forged):
        desk.done(ends(item, SETTLEMENT, TRANSIT))


UNNAMED = "does not name the newest row, an active one, of a beneficiary"
YOUNG = "too short a time before it"
PAYING: dict[str, Forgery] = {
    "nobody": ("payouts", UNNAMED, names_nobody),
    "a row before there is one": ("payouts", UNNAMED, names_none_yet),
    "another row of the register": ("payouts", UNNAMED, names_other_row),
    "a top-up": ("banks", "is no open item", names_top_up),
    "an old one": ("payouts", UNNAMED, old),
    "one that is off": ("payouts", UNNAMED, inactive),
    "another that is off": ("payouts", UNNAMED, of_the_other),
    "one to come": ("payouts", UNNAMED, to_come),
    "a young one": ("payouts", YOUNG, waited(86_400)),
    "one of an hour": ("payouts", YOUNG, waited(3_600, wait=3_600)),
    "one of a second": ("payouts", YOUNG, waited(1, wait=1)),
    "one of three days": ("payouts", YOUNG, waited(3 * 86_400, wait=3 * 86_400)),
    "one that never waits": ("payouts", YOUNG, waited(86_400, wait=0)),
    "one that was changed": ("payouts", YOUNG, changed_since),
    "one that waits longer since": ("payouts", YOUNG, waits_longer_since),
    "a release that was met": ("banks", "it was not matched to that", unmatched),
    "a release of another sum": ("banks", "no release of its amount", matched_other),
    "an item twice": ("banks", "was ended before", still_ends),
}


# --- who says that --------------------------------------------------------------------


def by_two(desk: PayoutDesk, forged: bool) -> None:
    """Two of three say where all that is settled goes."""
    asked = desk.propose([register(beneficiary())], flags=0 if forged else THIRD)
    desk.approve(asked)
    if not forged:
        desk.approve(asked, FIRST)
    desk.do(asked, debit=1)


def approved_by_two(desk: PayoutDesk, forged: bool) -> None:
    asked = desk.propose([register(beneficiary())], flags=THIRD)
    desk.approve(asked)
    if not forged:
        desk.approve(asked, FIRST)
    desk.do(asked, debit=1)


def off_by_one(desk: PayoutDesk, forged: bool) -> None:
    """Nor is one switched off by one person's word."""
    desk.benefits()
    off = beneficiary(active=0)
    if forged:
        desk.off(off, 1)
    else:
        desk.benefits(off, flags=UPDATE)


def behind_newer(desk: PayoutDesk, forged: bool) -> None:
    """What was said before a change does not undo it."""
    asked = desk.propose([register(beneficiary(number=b"OLD1"))], flags=THIRD)
    desk.approve(asked)
    desk.approve(asked, FIRST)
    desk.benefits()
    if not forged:
        asked = desk.propose([register(beneficiary(number=b"OLD1"))], flags=THIRD)
        desk.approve(asked)
        desk.approve(asked, FIRST)
    desk.do(asked, debit=1, flags=UPDATE)


def registers(wrong: bytes, **fields: Any) -> Tell:
    """A beneficiary, and in its place another record or row."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        if forged:
            desk.benefits(wrong, **fields)
        else:
            desk.benefits()

    return tell


def again(**fields: Any) -> Tell:
    """A second row about one, and another place or flag."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        desk.benefits()
        desk.benefits(**{"flags": UPDATE, **(fields if forged else {})})

    return tell


def spoilt(at: int, value: int = 1) -> bytes:
    record = bytearray(beneficiary())
    record[at] = value
    return bytes(record)


def waits(seconds: int) -> Tell:
    """Thresholds with so long a wait, and the longest that there is."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        desk.waits(seconds if forged else 31 * 86_400)

    return tell


def bad_thresholds(desk: PayoutDesk, forged: bool) -> None:
    record = bytearray(thresholds(60))
    record[2] = 1 if forged else 0
    desk.done(register(bytes(record)), third=True, debit=1, flags=UPDATE)


LINE = "the record of its line 0"
BRANCH = f"{LINE} names no branch of a bank"
NUMBERED = f"{LINE} has a number that no account at a bank has"
SAYING: dict[str, Forgery] = {
    "by two": ("people", "a third person is needed", by_two),
    "approved by two": ("lines", "was not approved by as many", approved_by_two),
    "off by one": ("lines", "nobody has proposed it", off_by_one),
    "behind a newer one": ("lines", "a newer row speaks of the same", behind_newer),
    "of a wallet": (
        *("payouts", "it should be ACCOUNT_KIND_WRONG"),
        registers(beneficiary(WALLET)),
    ),
    "of no account": (
        *("payouts", "it should be ACCOUNT_UNKNOWN"),
        registers(beneficiary(99)),
    ),
    "of account 0": ("lines", f"{LINE} is of no account", registers(beneficiary(0))),
    "neither active nor not": ("lines", LINE, registers(beneficiary(active=2))),
    "no number": ("lines", NUMBERED, registers(beneficiary(number=b""))),
    "a small number": ("lines", NUMBERED, registers(beneficiary(number=b"a1"))),
    "a long number": ("lines", NUMBERED, registers(beneficiary(number=b"1" * 35))),
    "a broken number": ("lines", NUMBERED, registers(beneficiary(number=b"1\0002"))),
    "no branch": ("lines", BRANCH, registers(beneficiary(ifsc=b""))),
    "a short branch": ("lines", BRANCH, registers(beneficiary(ifsc=b"BANK000004"))),
    "a branch without 0": (
        "lines",
        BRANCH,
        registers(beneficiary(ifsc=b"BANK1000042")),
    ),
    "a branch in figures": (
        "lines",
        BRANCH,
        registers(beneficiary(ifsc=b"BAN10000042")),
    ),
    "bytes of nothing": ("lines", f"{LINE} has bytes that", registers(spoilt(3))),
    "too short": ("lines", f"{LINE} is too short", registers(beneficiary()[:63])),
    "whose row is so": ("payouts", "its record is too", registers(beneficiary()[:63])),
    "number 2": ("payouts", "it is number 1", registers(beneficiary(), debit=2)),
    "an update of none": ("payouts", "it is", registers(beneficiary(), flags=UPDATE)),
    "a second one of it": ("payouts", "it is number 1", again(debit=2)),
    "no update": ("payouts", "it is number 1", again(flags=0)),
    "a longer wait": ("people", "a longer wait", waits(31 * 86_400 + 1)),
    "so, in its line": ("lines", "a longer wait", waits(2**32 - 1)),
    "bytes in thresholds": ("people", "bytes that say nothing", bad_thresholds),
}


FORGERIES = {
    f"{what}: {name}": forgery
    for what, forgeries in (("owes", OWING), ("pays", PAYING), ("says", SAYING))
    for name, forgery in forgeries.items()
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


# --- what is right --------------------------------------------------------------------


def test_a_wallet_that_owes_is_made_up_for(tmp_path: Path) -> None:
    desk = PayoutDesk()
    desk.fills(WALLET, 100)
    desk.owes(desk.taken())
    desk.fills(WALLET, 400)
    desk.done(ends(desk.told(came(100)), WAITING, WALLET))
    desk.done(Line(Kind.TRANSFER, 100, 0, WALLET, SUSPENSE, b"moved"))
    desk.done(Line(Kind.CLOSE, 0, 0, WALLET, 0, b"gone"))
    assert desk.found(tmp_path) == {}


def test_a_wallet_may_be_said_to_owe_what_it_has(tmp_path: Path) -> None:
    desk = PayoutDesk()
    desk.fills(WALLET, 600)
    desk.owes(desk.taken())
    assert desk.found(tmp_path) == {}


def test_two_of_two_say_to_whom_is_paid(tmp_path: Path) -> None:
    desk = PayoutDesk()
    desk.off(keyed(CHECKER, active=0).pack(), 3)
    asked = desk.propose([register(beneficiary())])
    desk.approve(asked)
    desk.do(asked, debit=1)
    desk.now += DAY
    desk.pays_out(desk.rows[-1])
    assert desk.found(tmp_path) == {}


# --- by older rules -------------------------------------------------------------------


def early_payout(desk: PayoutDesk, forged: bool) -> None:
    desk.pays_out(2 if forged else 0)


def early_beneficiary(desk: PayoutDesk, forged: bool) -> None:
    if forged:
        desk.benefits()


def early_owed(desk: PayoutDesk, forged: bool) -> None:
    item = desk.taken()
    desk.fills(WALLET, 500)
    desk.owes(item, flags=OWED if forged else 0)


def early_debt(desk: PayoutDesk, forged: bool) -> None:
    item = desk.taken()
    if not forged:
        desk.fills(WALLET, 500)
    desk.owes(item, flags=OWED if forged else 0)


def early_wait(desk: PayoutDesk, forged: bool) -> None:
    desk.waits(60 if forged else 0)


EARLY: dict[str, Forgery] = {
    "a payout that names a row": ("banks", "is no open item", early_payout),
    "a beneficiary": ("payouts", "is not known to rules 9", early_beneficiary),
    "in a line": ("lines", "is not known to rules 9", early_beneficiary),
    "what is owed": ("payouts", "the rules of its time know no such", early_owed),
    "a debt": ("below_zero", "is below zero", early_debt),
    "a line of it": ("lines", "its line 0 has not the shape", early_owed),
    "a wait": ("people", "has bytes that say nothing", early_wait),
}


@pytest.mark.parametrize("name", EARLY)
def test_older_rules_know_nothing_of_it(tmp_path: Path, name: str) -> None:
    check, text, tell = EARLY[name]
    found_by_its_words(tmp_path, check, text, tell, rules=9)


def test_from_their_row_on_it_is_judged(tmp_path: Path) -> None:
    """What was done before the rules stays right, and what comes behind is new."""
    desk = PayoutDesk(rules=9)
    desk.pays_out(0)
    item = desk.taken()
    desk.rules(10)
    desk.owes(item)
    one = aged(desk)
    desk.pays_out(one)
    assert desk.found(tmp_path / "right") == {}
    desk.pays_out(0)
    assert UNNAMED in desk.found(tmp_path / "wrong")["payouts"][0]


@pytest.mark.parametrize("rules", [9, 10])
def test_what_a_connection_said_before_its_participant_changed(
    tmp_path: Path, rules: int
) -> None:
    """By rules 9 only what was said of itself counted."""
    desk = PayoutDesk(rules=9)
    asked = desk.tells([came(500)])
    line = register(participant(ONE, Role.TREASURY))
    desk.done(line, third=False, debit=ONE, flags=UPDATE)
    if rules == 10:
        desk.rules(10)
    desk.books(asked)
    found = desk.found(tmp_path)
    assert bool(found) == (rules == 10)
    assert all(
        "or its participant, was stopped" in one for one in found.get("lines", ())
    )
