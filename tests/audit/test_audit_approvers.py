"""Goal: what lets more people approve, and too few wanted or too soon, is found.

Method: rows by hand; each forgery has an honest twin that differs in one thing. By
rules before 18 the forgeries are right.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from switch.codes import PersonRole, Role
from tests.audit.people_story import (
    CHECKER,
    DAY,
    FIRST,
    MAKER,
    ONE,
    THIRD,
    TWO,
    UPDATE,
    Desk,
    keyed,
    register,
)
from tests.audit.test_audit_certificates import person as participant
from tests.signing import Line, ThresholdsRecord

Forgery = Callable[[Desk, bool], None]
NEW, OUTSIDER = (TWO, 40), (5, 41)
ANNEXE = 5
SOON = "has not waited"
TOO_FEW = "two have wanted proposal"
MOST = (10**15, 10**15, 10**15)


def checker_off(desk: Desk) -> None:
    """Two may approve from here on."""
    desk.off(keyed(CHECKER, active=0).pack(), 3, FIRST)


def annexe(desk: Desk) -> None:
    """A participant that is off, with a checker."""
    desk.done(register(participant(ANNEXE, Role.TREASURY)), debit=ANNEXE)
    desk.off(participant(ANNEXE, Role.TREASURY, 0), ANNEXE)
    desk.done(register(keyed(OUTSIDER).pack()), debit=6)


def too_soon(line: Line, **fields: int) -> Forgery:
    """What widens, by two, on the nanosecond of the wait."""

    def tell(desk: Desk, forged: bool) -> None:
        checker_off(desk)
        asked = desk.propose([line])
        approval = desk.approve(asked)
        desk.now = approval.timestamp + 7 * DAY - forged
        desk.do(asked, **fields)

    return tell


def participant_too_soon(desk: Desk, forged: bool) -> None:
    annexe(desk)
    line = register(participant(ANNEXE, Role.TREASURY))
    too_soon(line, debit=ANNEXE, flags=UPDATE)(desk, forged)


def three_by_now(desk: Desk, forged: bool) -> None:
    """Two wanted a new one while two could; the third is back before it is done."""
    checker_off(desk)
    back = desk.propose([register(keyed(CHECKER).pack())])
    asked = desk.propose([register(keyed(NEW).pack())])
    desk.approve(back)
    desk.approve(asked)
    desk.now += 7 * DAY
    if forged:
        desk.do(back, debit=3, flags=UPDATE)
    desk.do(asked, debit=6)


def participant_by_two(desk: Desk, forged: bool) -> None:
    """A participant with a checker is started again: a third must want it."""
    annexe(desk)
    line = register(participant(ANNEXE, Role.TREASURY))
    desk.done(line, third=not forged, debit=ANNEXE, flags=UPDATE)


def people_since(desk: Desk, forged: bool) -> None:
    """A checker more since it was proposed: nobody knew whom it lets approve."""
    annexe(desk)
    checker_off(desk)
    asked = desk.propose([register(participant(ANNEXE, Role.TREASURY))])
    desk.approve(asked)
    if forged:
        other = desk.propose([register(keyed((ANNEXE, 42)).pack())])
        desk.approve(other)
        desk.do(other, debit=7)
    desk.now += 7 * DAY
    desk.do(asked, debit=ANNEXE, flags=UPDATE)


def wait_of_thresholds(desk: Desk, forged: bool) -> None:
    """Thresholds say three weeks."""
    record = ThresholdsRecord(*MOST, wait_days=21).pack()
    desk.done(register(record), third=True, debit=1, flags=UPDATE)
    checker_off(desk)
    asked = desk.propose([register(keyed(NEW).pack())])
    desk.approve(asked)
    desk.now += (20 if forged else 21) * DAY
    desk.do(asked, debit=6)


def too_long(desk: Desk, forged: bool) -> None:
    record = ThresholdsRecord(*MOST, wait_days=22 if forged else 21).pack()
    desk.done(register(record), third=True, debit=1, flags=UPDATE)


def rekeyed() -> Line:
    record = keyed(FIRST)
    record.key = keyed((ONE, 77)).key
    return register(record.pack())


APPROVERS: dict[str, tuple[str, str, Forgery]] = {
    "a new one": ("lines", SOON, too_soon(register(keyed(NEW).pack()), debit=6)),
    "one who is back": (
        "lines",
        SOON,
        too_soon(register(keyed(CHECKER).pack()), debit=3, flags=UPDATE),
    ),
    "a maker who checks": (
        "lines",
        SOON,
        too_soon(
            register(keyed(MAKER, PersonRole.CHECKER).pack()), debit=4, flags=UPDATE
        ),
    ),
    "another key": ("lines", SOON, too_soon(rekeyed(), debit=1, flags=UPDATE)),
    "a participant": ("lines", SOON, participant_too_soon),
    "as thresholds say": ("lines", SOON, wait_of_thresholds),
    "three by now": ("lines", TOO_FEW, three_by_now),
    "a participant by two": ("people", "a third person is needed", participant_by_two),
    "people since": ("lines", "a newer row speaks", people_since),
    "too long": ("people", "a longer wait", too_long),
}


@pytest.mark.parametrize("name", APPROVERS)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = APPROVERS[name]
    right, wrong = Desk(), Desk()
    tell(right, False)
    assert right.found(tmp_path / "right") == {}
    tell(wrong, True)
    found = wrong.found(tmp_path / "wrong")
    assert any(text in one for one in found.get(check, [])), found


WITHOUT_WAIT = [
    one for one in APPROVERS if one not in ("as thresholds say", "too long")
]


@pytest.mark.parametrize("name", WITHOUT_WAIT)
def test_rules_before_do_not_ask(tmp_path: Path, name: str) -> None:
    desk = Desk(rules=17)
    APPROVERS[name][2](desk, True)
    assert desk.found(tmp_path) == {}


def test_a_wait_is_not_known_to_rules_before(tmp_path: Path) -> None:
    desk = Desk(rules=17)
    wait_of_thresholds(desk, False)
    assert "say nothing" in str(desk.found(tmp_path))


def test_three_want_it_at_once(tmp_path: Path) -> None:
    desk = Desk()
    asked = desk.propose([register(keyed(NEW).pack())], flags=THIRD)
    for who in (FIRST, CHECKER):
        desk.approve(asked, who)
    desk.do(asked, debit=6)
    assert desk.found(tmp_path) == {}
