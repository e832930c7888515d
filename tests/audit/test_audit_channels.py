"""Goal: a bank's connection speaks of its own bank account alone, and what rules of
before have let it say of others is known for what it is.

Method: twins, as in `test_audit_statements`: the same rows once right, without a
finding, and once with one thing forged, every check of the bytes right.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from switch.codes import RULES_VERSION, Kind, Result
from tests.audit.bank_story import (
    CHANNEL,
    EVIDENCE,
    OTHER_MIRROR,
    BankDesk,
    Forgery,
    came,
    connection,
    found_by_its_words,
    stated,
)
from tests.audit.people_story import DAY, UPDATE, register, rules_record
from tests.audit.test_audit_statements import STOPPED, proposes
from tests.signing import Line

R = Result
THEIRS = Line(Kind.BOOKED, 500, 0, OTHER_MIRROR, 0, b"UTR000000009")
OTHERS = "of a bank account that is not its own"


def moved(desk: BankDesk, forged: bool) -> None:
    """One that is of another bank account since says nothing of the first."""
    desk.done(register(connection(bank=2 if forged else 1)), debit=6, flags=UPDATE)
    desk.tells([came(500)])


def of_no_account(desk: BankDesk, forged: bool) -> None:
    desk.done(register(connection(bank=0 if forged else 1)), debit=6, flags=UPDATE)
    desk.tells([came(500)])


def of_none(desk: BankDesk, forged: bool) -> None:
    """No bank account of the register has such a number."""
    desk.done(register(connection(bank=3 if forged else 2)), debit=6, flags=UPDATE)


def theirs(desk: BankDesk, forged: bool) -> None:
    """A line of the other bank account, by its own connection or by the first."""
    if forged:
        desk.propose([THEIRS], CHANNEL, flags=EVIDENCE)
    else:
        desk.tells([THEIRS])


def refused_others(desk: BankDesk, forged: bool) -> None:
    """What is refused was of its own account, too."""
    desk.now += DAY
    for _ in range(256):
        desk.tells([came(1)])
    line = replace(came(1), debit=OTHER_MIRROR) if forged else came(1)
    desk.propose([line], CHANNEL, flags=0, total=0, result=R.DAY_COUNT_EXCEEDED)
    row = desk.rows[-1]
    row.total, row.tail = 512, (row.tail or b"")[:-64]
    desk.sign(row)
    row.total = 0


FORGERIES: dict[str, Forgery] = {
    "another's line": ("people", OTHERS, theirs),
    "another's among its own": ("people", OTHERS, proposes(came(500), THEIRS)),
    "another's statement": (
        "people",
        OTHERS,
        proposes(came(500), stated([came(500)], bank=2)),
    ),
    "of another account now": ("people", OTHERS, moved),
    "of no account": ("people", OTHERS, of_no_account),
    "of one that is none": ("people", "ACCOUNT_UNKNOWN", of_none),
    "another's, refused": ("people", OTHERS, refused_others),
}


@pytest.mark.parametrize("forged", [False, True])
def test_what_was_said_by_older_rules(tmp_path: Path, forged: bool) -> None:
    """They knew no connection's own bank account; of one that has none nothing is done
    by those that do.
    """
    desk = BankDesk(rules=13)
    asked = desk.tells([came(500), replace(THEIRS, amount=600)])
    desk.books(asked, 0)
    if not forged:
        desk.books(asked, 1)
    desk.record(rules_record(RULES_VERSION), 1, participant=0, flags=UPDATE)
    if forged:
        desk.books(asked, 1)
    found = desk.found(tmp_path)
    assert [*found] == (["lines"] if forged else [])
    assert not forged or STOPPED in found["lines"][0]


@pytest.mark.parametrize("forged", [False, True])
def test_older_rules_know_no_account_of_a_connection(
    tmp_path: Path, forged: bool
) -> None:
    desk = BankDesk(rules=13)
    record = connection(bank=1 if forged else 0)
    desk.done(register(record), debit=6, flags=UPDATE)
    found = desk.found(tmp_path)
    assert bool(found) == forged
    assert not forged or any("of no channel" in one for one in found["people"])


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)
