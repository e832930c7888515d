"""Goal: in a ledger with people nobody revokes a certificate, or stands by that, whose
key has not signed it; and another person does, of whichever participant.

Method: twins, as in `test_audit_people`: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right. Then older rules.
"""

from pathlib import Path
from typing import Any

import pytest

from switch.codes import Kind, Result
from tests.audit.bank_story import CHANNEL
from tests.audit.journal_writer import Row
from tests.audit.payout_story import (
    Forgery,
    PayoutDesk,
    Tell,
    found_by_its_words,
)
from tests.audit.people_story import (
    CENTRE,
    CHECKER,
    FIRST,
    MAKER,
    ONE,
    SECOND,
    SUPPORT,
    TWO,
    Who,
    hash_of,
    keyed,
)
from tests.records import confirmation, revocation
from tests.signing import secret_key

R = Result
AUTHORITY = b"\x11" * 32


def of(whose: int, serial: int = 7) -> bytes:
    return revocation(whose, AUTHORITY, bytes([serial]))


def says(desk: PayoutDesk, record: bytes, who: Who, debit: int = 1, **f: Any) -> Row:
    """A row about a revocation, signed by a person."""
    fields = {"debit": debit, "tail": record, **f}
    return desk.signed(Kind.REGISTER, who, **fields)


def revokes(who: Who, **fields: Any) -> Tell:
    """A maker's revocation, and somebody else's in its place."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        said = fields if forged else {}
        says(desk, of(CENTRE), who if forged else MAKER, **said)

    return tell


def confirms(who: Who, **fields: Any) -> Tell:
    """The same of a checker's confirmation."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        says(desk, of(CENTRE), MAKER)
        said = fields if forged else {}
        says(desk, confirmation(1), who if forged else SECOND, **said)

    return tell


def unsigned(desk: PayoutDesk, forged: bool) -> None:
    """A stolen certificate of a treasury shuts out whom it likes."""
    if forged:
        desk.record(of(CENTRE), 1, operator_=12)
    else:
        says(desk, of(CENTRE), MAKER)


def confirms_unsigned(desk: PayoutDesk, forged: bool) -> None:
    says(desk, of(CENTRE), MAKER)
    if forged:
        desk.record(confirmation(1), 1, participant=TWO, operator_=22)
    else:
        says(desk, confirmation(1), SECOND)


def of_another(desk: PayoutDesk, forged: bool) -> None:
    """A signature of one certificate's revocation for another's."""
    row = says(desk, of(CENTRE), MAKER)
    if forged:
        row.tail = of(CENTRE, 8) + (row.tail or b"")[-64:]


def again(desk: PayoutDesk, forged: bool) -> None:
    """Or of another row of the same content."""
    first = says(desk, of(CENTRE), MAKER)
    second = says(desk, of(CENTRE), MAKER, 2)
    if forged:
        second.tail = first.tail


def of_a_freeze(desk: PayoutDesk, forged: bool) -> None:
    """What was signed is another kind of row."""
    row = says(desk, of(CENTRE), MAKER)
    if forged:
        other = Row(Kind.FREEZE, **{n: getattr(row, n) for n in ("id", "participant")})
        other.operator_ = row.operator_
        made = secret_key(12).sign(hash_of(other, of(CENTRE)))
        row.tail = of(CENTRE) + made


def gone(desk: PayoutDesk, forged: bool) -> None:
    """Who is switched off has a key still."""
    desk.off(keyed(CHECKER, active=0).pack(), 3)
    says(desk, of(CENTRE), CHECKER if forged else MAKER)


def stands_by_itself(desk: PayoutDesk, forged: bool) -> None:
    """Who has revoked it does not stand by it as well."""
    says(desk, of(CENTRE), FIRST)
    says(desk, confirmation(1), FIRST if forged else SECOND)


def by_a_colleague(desk: PayoutDesk, forged: bool) -> None:
    """Another person of the same participant is another."""
    says(desk, of(CENTRE), MAKER)
    says(desk, confirmation(1), MAKER if forged else FIRST)


def refused_unsigned(desk: PayoutDesk, forged: bool) -> None:
    """What was refused was signed, too."""
    row = says(desk, of(9), MAKER, 0, result=R.PARTICIPANT_UNKNOWN)
    if forged:
        row.tail = of(9)


def refused_colleague(desk: PayoutDesk, forged: bool) -> None:
    """Nobody is taken for the same person for its participant."""
    says(desk, of(CENTRE), FIRST)
    who = SECOND if forged else FIRST
    says(desk, confirmation(1), who, 0, result=R.SAME_PERSON)


def approved(desk: PayoutDesk, forged: bool) -> None:
    """It is no stop: another stands by it with a row of its own."""
    row = says(desk, of(CENTRE), MAKER)
    if forged:
        desk.approve(row)
    else:
        says(desk, confirmation(1), SECOND)


NOBODY, WHO = "nobody has signed it", "who signed it may not do that"
OTHER = "its signature is not its person's"
FORGERIES: dict[str, Forgery] = {
    "unsigned": ("people", OTHER, unsigned),
    "confirmed unsigned": ("people", NOBODY, confirms_unsigned),
    "by support": ("people", WHO, revokes(SUPPORT)),
    "by a stranger": ("people", "is not registered", revokes((ONE, 77))),
    "by a number of another": ("people", "is not registered", revokes((TWO, 12))),
    "by another key": ("people", OTHER, revokes(MAKER, key=99)),
    "of another certificate": ("people", OTHER, of_another),
    "of another row": ("people", OTHER, again),
    "of a freeze": ("people", OTHER, of_a_freeze),
    "by one who is off": ("people", "could not act then", gone),
    "confirmed by a maker": ("people", WHO, confirms((ONE, 12))),
    "confirmed by support": ("people", WHO, confirms(SUPPORT)),
    "confirmed by a bank": ("people", WHO, confirms(CHANNEL)),
    "confirmed by another key": ("people", OTHER, confirms(SECOND, key=99)),
    "confirmed by itself": (
        *("certificates", "it should be SAME_PERSON"),
        stands_by_itself,
    ),
    "confirmed by its maker": ("people", WHO, by_a_colleague),
    "refused unsigned": ("people", "its signature is not", refused_unsigned),
    "refused another": ("refusals", "SAME_PERSON, and there was", refused_colleague),
    "approved": ("cases", "no proposal, no shift and no stop", approved),
    "another number": ("certificates", "it is number 1", revokes(MAKER, debit=2)),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


@pytest.mark.parametrize("who", [MAKER, FIRST, SECOND])
def test_who_may_revoke_does(tmp_path: Path, who: Who) -> None:
    desk = PayoutDesk()
    says(desk, of(CENTRE) + b"{}", who)
    other = SECOND if who != SECOND else CHECKER
    says(desk, confirmation(1) + b"{}", other)
    assert desk.found(tmp_path) == {}


def test_older_rules_let_certificates_do_it(tmp_path: Path) -> None:
    """And then another participant had to stand by it, whoever it was."""
    desk = PayoutDesk(rules=9)
    desk.record(of(CENTRE), 1, operator_=12)
    desk.record(of(CENTRE, 8), 2, operator_=12)
    desk.record(of(CENTRE, 9), 3, operator_=12)
    desk.record(confirmation(1), 1, participant=TWO, operator_=12)
    desk.rules(10)
    says(desk, confirmation(2), FIRST, 2)
    assert desk.found(tmp_path / "right") == {}
    says(desk, confirmation(3), SECOND, 3)
    assert desk.found(tmp_path / "still") == {}
    early = PayoutDesk(rules=9)
    early.record(of(CENTRE), 1, operator_=12)
    early.record(confirmation(1), 1, operator_=11)
    found = early.found(tmp_path / "wrong")
    assert "it should be SAME_PERSON" in found["certificates"][0]
