"""Goal: what a bank account began with is booked once, before all else, by a float.

Method: twins, as in `test_audit_people`: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right. Then older rules.
"""

from pathlib import Path

import pytest

from switch.codes import Kind
from tests.audit.bank_story import (
    CODE,
    MIRROR,
    OTHER_MIRROR,
    WAITING,
    bank_account,
    came,
)
from tests.audit.payout_story import Forgery, PayoutDesk, found_by_its_words
from tests.audit.people_story import FLOAT, SETTLEMENT, UPDATE, register
from tests.audit.test_audit_banks import NEW_CODE, NEW_PURPOSE, opened
from tests.signing import Line


def opens(amount: int = 700, debit: int = MIRROR, credit: int = FLOAT) -> Line:
    return Line(Kind.TRANSFER, amount, 0, debit, credit, b"opening")


def opened_late(desk: PayoutDesk, forged: bool) -> None:
    if not forged:
        desk.done(opens())
    desk.told(came(100))
    if forged:
        desk.done(opens())


def opened_twice(desk: PayoutDesk, forged: bool) -> None:
    desk.done(opens())
    desk.done(opens(debit=MIRROR if forged else OTHER_MIRROR))


def opened_twice_at_once(desk: PayoutDesk, forged: bool) -> None:
    """Of one proposal, row behind row."""
    other = MIRROR if forged else OTHER_MIRROR
    desk.done(opens(), opens(600, FLOAT, other))


def opened_back(desk: PayoutDesk, forged: bool) -> None:
    """What was opened and taken back has moved."""
    desk.done(opens())
    if forged:
        desk.done(opens(700, FLOAT, MIRROR))


def of_nobody(desk: PayoutDesk, forged: bool) -> None:
    """What the register does not know is no bank account yet."""
    opened(desk)
    if not forged:
        desk.done(register(bank_account(NEW_CODE, NEW_PURPOSE)), debit=3)
    desk.done(opens(debit=13))


def behind(desk: PayoutDesk, forged: bool) -> None:
    """One that moved as nothing in the register can be one no more."""
    opened(desk)
    record = register(bank_account(NEW_CODE, NEW_PURPOSE))
    if not forged:
        desk.done(record, debit=3)
    desk.done(opens(debit=13))
    if forged:
        desk.done(record, debit=3)


def not_from_float(desk: PayoutDesk, forged: bool) -> None:
    desk.fills(SETTLEMENT, 700)
    desk.done(opens(debit=SETTLEMENT if forged else FLOAT, credit=MIRROR))


def naming(desk: PayoutDesk, forged: bool) -> None:
    line = opens()
    row = desk.done(line)
    if forged:
        row.resolves = 3


def suspense_opened(desk: PayoutDesk, forged: bool) -> None:
    """What nothing explains is never opened."""
    desk.done(opens(debit=FLOAT, credit=WAITING if forged else MIRROR))


OPENS = "opens no bank account"
PAIR = "kinds of accounts that it may not"
FORGERIES: dict[str, Forgery] = {
    "behind a line": ("accounts", OPENS, opened_late),
    "twice": ("accounts", OPENS, opened_twice),
    "twice at once": ("accounts", OPENS, opened_twice_at_once),
    "and back": ("accounts", OPENS, opened_back),
    "of no bank account": ("accounts", OPENS, of_nobody),
    "of none yet": ("banks", "it should be BALANCE_NOT_ZERO", behind),
    "from elsewhere": ("accounts", PAIR, not_from_float),
    "that names a row": ("accounts", OPENS, naming),
    "of another account": ("accounts", PAIR, suspense_opened),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


@pytest.mark.parametrize("sides", [(MIRROR, FLOAT), (FLOAT, MIRROR)])
def test_a_bank_account_opens_once(tmp_path: Path, sides: tuple[int, int]) -> None:
    """With what it has, or lacks; then its statements go on from there."""
    desk = PayoutDesk()
    desk.done(opens(700, *sides))
    lines = [came(500)]
    desk.states(lines, opening=700 if sides[0] == MIRROR else -700)
    assert desk.found(tmp_path) == {}


def test_one_that_is_off_may_be_opened(tmp_path: Path) -> None:
    desk = PayoutDesk()
    desk.done(register(bank_account(CODE, active=0)), debit=1, flags=UPDATE)
    desk.done(opens())
    assert desk.found(tmp_path) == {}


def early_opening(desk: PayoutDesk, forged: bool) -> None:
    if forged:
        desk.done(opens())


def test_older_rules_know_no_opening(tmp_path: Path) -> None:
    found_by_its_words(tmp_path, "accounts", OPENS, early_opening, rules=9)


def test_from_their_row_on_one_opens(tmp_path: Path) -> None:
    desk = PayoutDesk(rules=9)
    desk.rules(10)
    desk.done(opens(debit=OTHER_MIRROR))
    assert desk.found(tmp_path) == {}
