"""Goal: what is no recovery, or is done as none may be, is found.

Method: rows by hand, of a treasury of three and an auditor with two recoverers; each
forgery has an honest twin that differs in one thing. Rules before 19 know no recoverer.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switch.codes import Kind, PersonRole, Role, RowFlag
from tests.audit.journal_writer import Row
from tests.audit.people_story import (
    CENTRE,
    CHECKER,
    DAY,
    FIRST,
    MAKER,
    ONE,
    SECOND,
    SUSPENSE,
    THIRD,
    TWO,
    UPDATE,
    Desk,
    Who,
    keyed,
    register,
)
from tests.audit.test_audit_certificates import person as participant
from tests.signing import Line

AUDIT, OFF = 5, 6
HERE, THERE = (AUDIT, 51), (AUDIT, 52)
"""The two recoverers."""
NEW = (ONE, 61)
PLACE_NEW = 8
"""Of the next person who is registered."""
RECOVERY = int(RowFlag.RECOVERY)
RECOVERER = PersonRole.RECOVERER
MAY_NOT = "who signed it may not do that"
ELSE = "proposes something else"
FLAG = "say whether it is of a recovery"
NOBODY = "nobody has proposed it"

Forgery = Callable[["Recovering", bool], None]


class Recovering(Desk):
    """Its auditor has two recoverers; one of the treasury's participants is off."""

    roles = (*Desk.roles, Role.AUDITOR, Role.TREASURY)
    recoverers: tuple[Who, ...] = (HERE, THERE)

    def begin(self) -> None:
        super().begin()
        self.off(participant(OFF, Role.TREASURY, 0), OFF)

    def recover(self, *lines: Line, who: Who = HERE, **fields: object) -> Row:
        """What a recoverer proposes."""
        lines = lines or (register(keyed(NEW).pack()),)
        return self.propose(lines, who, **{"flags": RECOVERY, **fields})

    def agree(self, asked: Row, who: Who = THERE, **fields: object) -> Row:
        """The other's word for it."""
        return self.approve(asked, who, **{"flags": RECOVERY, **fields})

    def begun(self, *lines: Line) -> Row:
        """A recovery that both want."""
        asked = self.recover(*lines)
        self.agree(asked)
        return asked

    def wait(self, asked: Row, ns: int) -> None:
        """The next row is made so long after its approval."""
        self.now = self.approvals[asked.sequence][-1].timestamp + ns

    def made(self, asked: Row, number: int = 0, **fields: object) -> Row:
        """The row of a line of a recovery, as it may be done."""
        said = {"debit": PLACE_NEW, "flags": RECOVERY, **fields}
        return self.do(asked, number, **said)

    def acts(self) -> None:
        """Two of the treasury want something, which nobody does."""
        self.approve(self.propose([thaw()]))


def thaw() -> Line:
    return Line(
        Kind.FREEZE, debit=SUSPENSE, reference=b"found", flags=int(RowFlag.UNFREEZE)
    )


def waited(ns: int, forged_ns: int) -> Forgery:
    """Done so long after its approval."""

    def tell(desk: Recovering, forged: bool) -> None:
        asked = desk.begun()
        desk.wait(asked, forged_ns if forged else ns)
        desk.made(asked)

    return tell


def acted(desk: Recovering, forged: bool) -> None:
    """The treasury approves something that is newer, or what was there."""
    old = desk.propose([thaw()])
    asked = desk.begun()
    if forged:
        desk.acts()
    else:
        desk.approve(old)
    desk.wait(asked, 30 * DAY)
    desk.made(asked)


def acted_before_approval(desk: Recovering, forged: bool) -> None:
    """It has, between the recovery's proposal and its approval, or before both."""
    if not forged:
        desk.acts()
    asked = desk.recover()
    if forged:
        desk.acts()
    desk.agree(asked)
    desk.wait(asked, 30 * DAY)
    desk.made(asked)


def approved_by(who: Who) -> Forgery:
    def tell(desk: Recovering, forged: bool) -> None:
        asked = desk.recover()
        desk.agree(asked, who if forged else THERE)
        desk.wait(asked, 30 * DAY)
        desk.made(asked)

    return tell


def approves_another(desk: Recovering, forged: bool) -> None:
    """A recoverer approves what the treasury wants."""
    desk.approve(desk.propose([thaw()]), HERE if forged else SECOND)


def proposes(line: Line) -> Forgery:
    """A recoverer wants it, or the treasury does."""

    def tell(desk: Recovering, forged: bool) -> None:
        if forged:
            desk.recover(line)
            return
        of = line.kind == Kind.REGISTER and line.tail[0] == 9
        desk.propose([line], flags=THIRD if of else 0)

    return tell


def switches_on(other: bytes) -> Forgery:
    """A participant that is off, or another change of one."""

    def tell(desk: Recovering, forged: bool) -> None:
        on = participant(OFF, Role.TREASURY)
        asked = desk.begun(register(other if forged else on))
        desk.wait(asked, 30 * DAY)
        desk.made(asked, debit=OFF, flags=RECOVERY | UPDATE)

    return tell


def flagged(where: str, of: bool) -> Forgery:
    """One of three rows says wrongly whether it is `of` a recovery."""

    def tell(desk: Recovering, forged: bool) -> None:
        says: dict[str, Any] = {one: {} for one in ("propose", "approve", "row")}
        if forged:
            says[where] = {"flags": 0 if of else RECOVERY}
        if of:
            asked = desk.recover(**says["propose"])
            desk.agree(asked, **says["approve"])
            desk.wait(asked, 30 * DAY)
            desk.made(asked, **says["row"])
        else:
            line = register(participant(7, Role.CENTRE))
            asked = desk.propose([line], **says["propose"])
            desk.approve(asked, **says["approve"])
            desk.do(asked, debit=7, **says["row"])

    return tell


def withdraws(desk: Recovering, forged: bool) -> None:
    """A recoverer takes a recovery back, or something else."""
    asked = desk.propose([thaw()]) if forged else desk.begun()
    desk.signed(Kind.WITHDRAW, HERE, resolves=asked.sequence, reference=b"why")


def treasury_withdraws(desk: Recovering, forged: bool) -> None:
    """Who may propose withdraws it; who is for nothing of that does not."""
    asked = desk.begun()
    who = (ONE, 14) if forged else MAKER
    desk.signed(Kind.WITHDRAW, who, resolves=asked.sequence, reference=b"why")


def withdrawn(desk: Recovering, forged: bool) -> None:
    asked = desk.begun()
    if forged:
        desk.signed(Kind.WITHDRAW, HERE, resolves=asked.sequence, reference=b"why")
    desk.wait(asked, 30 * DAY)
    desk.made(asked)


def stops(desk: Recovering, forged: bool) -> None:
    desk.stop(HERE if forged else MAKER)


def stopped(desk: Recovering, forged: bool) -> None:
    """One person stops a recoverer, or a checker."""
    if forged:
        desk.off(keyed(THERE, RECOVERER, 0).pack(), 5)
    else:
        desk.off(keyed(CHECKER, active=0).pack(), 3)


def auditor_stopped(desk: Recovering, forged: bool) -> None:
    """One person stops an auditor, with recoverers or without."""
    if not forged:
        desk.done(register(participant(7, Role.AUDITOR)), debit=7)
        desk.off(participant(7, Role.AUDITOR, 0), 7)
    else:
        desk.off(participant(AUDIT, Role.AUDITOR, 0), AUDIT)


def changed_by(record: bytes, debit: int) -> Forgery:
    """By three, or by two of them."""

    def tell(desk: Recovering, forged: bool) -> None:
        line = register(record)
        desk.done(line, third=not forged, debit=debit, flags=UPDATE)

    return tell


def changed_too_soon(desk: Recovering, forged: bool) -> None:
    """By two of two, on the nanosecond of the wait."""
    desk.off(keyed(CHECKER, active=0).pack(), 3, FIRST)
    asked = desk.propose([register(keyed(THERE, RECOVERER, 0).pack())])
    approval = desk.approve(asked)
    desk.now = approval.timestamp + 7 * DAY - forged
    desk.do(asked, debit=5, flags=UPDATE)


def auditor_back(desk: Recovering, forged: bool) -> None:
    """A recoverer more since an auditor was to be started again."""
    off, on = (participant(AUDIT, Role.AUDITOR, active) for active in (0, 1))
    desk.done(register(off), third=True, debit=AUDIT, flags=UPDATE)
    asked = desk.propose([register(on)], flags=THIRD)
    for who in (SECOND, FIRST):
        desk.approve(asked, who)
    if forged:
        line = register(keyed((AUDIT, 53), RECOVERER).pack())
        desk.done(line, third=True, debit=PLACE_NEW)
    desk.do(asked, debit=AUDIT, flags=UPDATE)


def of_whom(desk: Recovering, forged: bool) -> None:
    """A recoverer is of an auditor."""
    who = (TWO if forged else AUDIT, 53)
    line = register(keyed(who, RECOVERER).pack())
    desk.done(line, third=True, debit=PLACE_NEW)


def another_one(debit: int, record: bytes) -> Forgery:
    """A recoverer, or the auditor, is stopped by what was approved before."""

    def tell(desk: Recovering, forged: bool) -> None:
        wanted = desk.propose([register(record)], flags=THIRD)
        for who in (SECOND, FIRST):
            desk.approve(wanted, who)
        asked = desk.begun()
        if forged:
            desk.do(wanted, debit=debit, flags=UPDATE)
        desk.wait(asked, 30 * DAY)
        desk.made(asked)

    return tell


def needs_third(desk: Recovering, forged: bool) -> None:
    desk.recover(flags=RECOVERY | (THIRD if forged else 0))


def stopped_since(desk: Recovering, forged: bool) -> None:
    """Whom it makes was stopped behind it."""
    asked = desk.begun(register(keyed(CHECKER).pack()))
    if forged:
        desk.off(keyed(CHECKER, active=0).pack(), 3)
    desk.wait(asked, 30 * DAY)
    desk.made(asked, debit=3, flags=RECOVERY | UPDATE)


def approved_late(desk: Recovering, forged: bool) -> None:
    asked = desk.recover()
    desk.now = asked.timestamp + 30 * DAY - (not forged)
    desk.agree(asked)


def not_approved(desk: Recovering, forged: bool) -> None:
    asked = desk.recover()
    if not forged:
        desk.agree(asked)
    desk.now = asked.timestamp + 31 * DAY
    desk.made(asked, checker=AUDIT)


ROLES = {
    "a maker": keyed(NEW, PersonRole.MAKER),
    "who is off": keyed(NEW, active=0),
    "a centre's": keyed((CENTRE, 61)),
}
FORGED: dict[str, tuple[str, str, Forgery]] = {
    "too soon": ("lines", "less than 30 days", waited(30 * DAY, 30 * DAY - 1)),
    "too late": ("lines", "60 days or more", waited(60 * DAY - 1, 60 * DAY)),
    "the treasury has acted": ("lines", "has acted since", acted),
    "it had acted before": ("lines", "has acted since", acted_before_approval),
    "approved by a checker": ("people", MAY_NOT, approved_by(FIRST)),
    "approved by who proposed": ("lines", "was not approved", approved_by(HERE)),
    "approves another": ("people", MAY_NOT, approves_another),
    **{
        f"makes {name}": ("people", ELSE, proposes(register(record.pack())))
        for name, record in ROLES.items()
    },
    "a line of money": ("people", ELSE, proposes(thaw())),
    "a participant off": (
        *("people", ELSE),
        switches_on(participant(OFF, Role.TREASURY, 0)),
    ),
    "an auditor on": ("people", ELSE, switches_on(participant(OFF, Role.AUDITOR))),
    "one that is on": ("people", ELSE, switches_on(participant(TWO, Role.TREASURY))),
    **{
        f"{where}, {of}": ("people", FLAG, flagged(where, of))
        for where in ("propose", "approve", "row")
        for of in (True, False)
    },
    "withdraws another": ("people", MAY_NOT, withdraws),
    "withdrawn by nobody": ("people", MAY_NOT, treasury_withdraws),
    "withdrawn": ("lines", "was withdrawn before it", withdrawn),
    "a recoverer stops": ("people", MAY_NOT, stops),
    "a recoverer stopped": ("lines", NOBODY, stopped),
    "an auditor stopped": ("lines", NOBODY, auditor_stopped),
    "a recoverer by two": (
        *("people", "a third person is needed"),
        changed_by(keyed(THERE, RECOVERER, 0).pack(), 5),
    ),
    "an auditor by two": (
        *("people", "a third person is needed"),
        changed_by(participant(AUDIT, Role.AUDITOR, 0), AUDIT),
    ),
    "a recoverer too soon": ("lines", "has not waited", changed_too_soon),
    "an auditor back": ("lines", "a newer row speaks", auditor_back),
    "of the treasury": ("people", "it should be RULE_FIXED", of_whom),
    "a recoverer is off": (
        *("lines", "could not act any more"),
        another_one(5, keyed(THERE, RECOVERER, 0).pack()),
    ),
    "the auditor is off": (
        *("lines", "could not act any more"),
        another_one(AUDIT, participant(AUDIT, Role.AUDITOR, 0)),
    ),
    "a third": ("people", "a third person is needed", needs_third),
    "stopped since": ("lines", "a newer row speaks", stopped_since),
    "approved late": ("approvals", "30 days or more", approved_late),
    "not approved": ("lines", "was not approved", not_approved),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGED[name]
    right, wrong = Recovering(), Recovering()
    tell(right, False)
    assert right.found(tmp_path / "right") == {}
    tell(wrong, True)
    found = wrong.found(tmp_path / "wrong")
    assert any(text in one for one in found.get(check, [])), found


# --- how a ledger begins --------------------------------------------------------------


class Beginning(Recovering):
    """Its recoverers come as a test wants them."""

    recoverers = ()

    def begin(self) -> None:
        pass


def begun(*people: tuple[Who, int], apart: bool = False) -> Beginning:
    desk = Beginning()
    for place, (who, role) in enumerate(people, 4):
        if apart:
            desk.propose([thaw()], FIRST)
        desk.record(keyed(who, role).pack(), place)
    return desk


def test_two_come_right_behind(tmp_path: Path) -> None:
    desk = begun((HERE, RECOVERER), (THERE, RECOVERER))
    assert desk.found(tmp_path) == {}


@pytest.mark.parametrize(
    "desk",
    [
        begun((HERE, RECOVERER), (THERE, RECOVERER), ((AUDIT, 53), RECOVERER)),
        begun((HERE, RECOVERER), (THERE, RECOVERER), apart=True),
        begun((HERE, PersonRole.AUDITOR)),
        begun(((TWO, 53), RECOVERER)),
        begun((HERE, RECOVERER), (HERE, RECOVERER)),
        begun((HERE, RECOVERER), (NEW, PersonRole.CHECKER)),
    ],
    ids=["three", "apart", "an auditor's", "no auditor's", "again", "a checker"],
)
def test_no_other_begins(tmp_path: Path, desk: Beginning) -> None:
    assert any(NOBODY in one for one in desk.found(tmp_path)["lines"])


def test_rules_before_know_no_recoverer(tmp_path: Path) -> None:
    found = Recovering(rules=18).found(tmp_path)
    assert any("is of no role" in one for one in found["people"])
