"""Goal: what came in with one reference of a bank is credited once, by hand or by the
bank's line, in whichever order and however it is typed.

Method: twins, as in `test_audit_people`: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right. Then older rules, and
references beside a plain reading.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch.audit.utrs import canonical
from switch.codes import Kind, Result
from tests.audit.again import audit
from tests.audit.bank_story import (
    MATCHED,
    MIRROR,
    OTHER_MIRROR,
    OTHER_WALLET,
    RECENT,
    REVERSAL,
    WAITING,
    BankDesk,
    Forgery,
    Tell,
    came,
    ends,
    found_by_its_words,
    went,
    written,
)
from tests.audit.journal_story import FLOAT
from tests.audit.journal_story import MIRROR as BANK
from tests.audit.journal_story import A as WALLET
from tests.audit.people_story import CLAIM, SETTLEMENT, UPDATE, Desk, top_up
from tests.audit.people_story import WALLET as CENTRES
from tests.audit.told_story import going_on
from tests.audit.told_story import written as stored
from tests.records import RULES_RECORD
from tests.signing import Line

R = Result
UTR = b"UTR000000001"
NEXT = b"UTR000000002"
TYPED = b"utr 0000 00001"
BACK = Line(Kind.BOOKED, 500, 0, MIRROR, 0, UTR, b"", REVERSAL)
ELSEWHERE = Line(Kind.BOOKED, 500, 0, OTHER_MIRROR, 0, UTR)


# --- by hand and by a line ------------------------------------------------------------


def by_hand_behind(line: Line, utr: bytes = UTR) -> Tell:
    """Two people credit what a bank has booked, and something else."""

    def tell(desk: BankDesk, forged: bool) -> None:
        desk.told(line)
        desk.done(top_up(500, utr if forged else NEXT))

    return tell


def by_hand_behind_a_match(desk: BankDesk, forged: bool) -> None:
    desk.meets(desk.tells([came(500, UTR, desk.asks(500))]))
    desk.done(top_up(500, UTR if forged else NEXT))


def by_hand_twice(first: bytes, again: bytes) -> Tell:
    def tell(desk: BankDesk, forged: bool) -> None:
        desk.done(top_up(500, first))
        desk.done(top_up(500, again if forged else NEXT))

    return tell


def by_hand_before(utr: bytes) -> Tell:
    """A line that names a request; what is typed like it was credited by hand."""

    def tell(desk: BankDesk, forged: bool) -> None:
        asked = desk.asks(500)
        desk.done(top_up(500, utr))
        told = desk.tells([came(500, UTR, asked)])
        (desk.meets if forged else desk.books)(told)

    return tell


def met_elsewhere(desk: BankDesk, forged: bool) -> None:
    """One reference is matched once, in whichever bank account."""
    asked, other = desk.asks(500), desk.asks(500)
    desk.meets(desk.tells([came(500, UTR, asked)]))
    line = Line(Kind.BOOKED, 500, other.sequence, OTHER_MIRROR, 0, UTR)
    (desk.meets if forged else desk.books)(desk.tells([line]))


def not_met_elsewhere(desk: BankDesk, forged: bool) -> None:
    """Nor behind one that was booked, and met nothing."""
    other = desk.asks(500)
    desk.told(ELSEWHERE)
    told = desk.tells([came(500, UTR, other)])
    (desk.meets if forged else desk.books)(told)


def freed_by_none(line: Line) -> Tell:
    """What claims no reference keeps nothing from a centre."""

    def tell(desk: BankDesk, forged: bool) -> None:
        asked = desk.asks(500)
        desk.told(line)
        told = desk.tells([came(500, UTR, asked)])
        (desk.books if forged else desk.meets)(told)

    return tell


def ended_by_hand(to: int, *, line: Line | None = None, utr: bytes = TYPED) -> Tell:
    """What two people had credited by hand is given to a wallet once more; right is
    what they had not.
    """

    def tell(desk: BankDesk, forged: bool) -> None:
        desk.done(top_up(500, utr if forged else NEXT))
        item = desk.told(line or came(500))
        desk.done(ends(item, WAITING, to))

    return tell


# --- the claim ------------------------------------------------------------------------


def flagged(flags: int, line: Line, *before: Line) -> Tell:
    """A line behind others, and with other flags than it should have."""

    def tell(desk: BankDesk, forged: bool) -> None:
        if before:
            desk.told(*before)
        said: dict[str, Any] = {"flags": flags} if forged else {}
        desk.books(desk.tells([line]), **said)

    return tell


CREDITED = "its bank reference was credited by sequence"
OTHER = "names is no open request of its amount"
KEPT = "and its wallet has not got it"
HAND = "people have credited by hand what it credits"
UNCLAIMED = "does not claim its reference as a UTR"
TAKEN = "it claims a UTR that sequence"
NOTHING = "and says nothing that came in"
BOTH = CLAIM | RECENT
FORGERIES: dict[str, Forgery] = {
    "by hand behind a line": ("utrs", CREDITED, by_hand_behind(came(500))),
    "so, typed": ("utrs", CREDITED, by_hand_behind(came(500), TYPED)),
    "so, of another bank": ("utrs", CREDITED, by_hand_behind(ELSEWHERE)),
    "by hand behind a match": ("utrs", CREDITED, by_hand_behind_a_match),
    "by hand twice": ("utrs", CREDITED, by_hand_twice(UTR, UTR)),
    "by hand in small letters": ("utrs", CREDITED, by_hand_twice(UTR, UTR.lower())),
    "by hand with spaces": ("utrs", CREDITED, by_hand_twice(TYPED, UTR)),
    "met behind a hand": ("banks", OTHER, by_hand_before(UTR)),
    "met behind a typing hand": ("banks", OTHER, by_hand_before(TYPED)),
    "met in two banks": ("banks", OTHER, met_elsewhere),
    "met behind another bank's": ("banks", OTHER, not_met_elsewhere),
    "kept behind one taken back": ("banks", KEPT, freed_by_none(BACK)),
    "kept behind a debit": ("banks", KEPT, freed_by_none(went(500, UTR))),
    "ended behind a hand": ("banks", HAND, ended_by_hand(CENTRES)),
    "ended for another": ("banks", HAND, ended_by_hand(OTHER_WALLET, utr=UTR)),
    "no claim": ("banks", UNCLAIMED, flagged(CLAIM, came(500))),
    "no claim before another": (
        "banks",
        UNCLAIMED,
        flagged(CLAIM, came(500), went(500, UTR), BACK),
    ),
    "a second claim": ("banks", TAKEN, flagged(BOTH, came(500), ELSEWHERE)),
    "a debit's": ("banks", NOTHING, flagged(BOTH, went(500))),
    "one's taken back": ("banks", NOTHING, flagged(BOTH | REVERSAL, BACK)),
}


@pytest.mark.parametrize("name", ["settlement", "back", "line"])
def test_what_a_hand_has_credited_may_end_elsewhere(tmp_path: Path, name: str) -> None:
    """It is no wallet's, takes a line back, or a line had claimed the reference."""
    desk = BankDesk()
    if name == "settlement":
        ended_by_hand(SETTLEMENT)(desk, True)
    elif name == "back":
        ended_by_hand(CENTRES, line=BACK)(desk, True)
    else:
        desk.told(ELSEWHERE)
        desk.done(ends(desk.told(came(500)), WAITING, CENTRES))
    assert desk.found(tmp_path) == {}


@pytest.mark.parametrize("hand", [True, False])
def test_who_may_not_end_it_was_told_so(tmp_path: Path, hand: bool) -> None:
    """Where no people say what is done; the row in the way is the top-up."""
    s = going_on()
    top = s.top_up(WALLET, 500, "utr 00000099")
    reference = b"UTR00000099" if hand else b"UTR00000098"
    claim = 0 if hand else RECENT
    fields: dict[str, Any] = {"amount": 500, "reference": reference}
    fields |= {"debit": BANK, "credit": BANK + 1, "flags": CLAIM | claim}
    item = s.add(Kind.BOOKED, **fields)
    fields = {"amount": 500, "reference": b"found", "resolves": item.sequence}
    fields |= {"debit": BANK + 1, "credit": WALLET, "total": top.sequence}
    s.add(Kind.TRANSFER, result=R.UTR_ALREADY_CREDITED, **fields)
    s.commit()
    report = audit(stored(tmp_path, s.groups, index=False))
    assert [one.check for one in report.findings.kept] == ["refusals"] * (not hand)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


def test_the_first_of_several_claims(tmp_path: Path) -> None:
    """Of three lines with one reference that is the first, whatever they say."""
    desk = BankDesk()
    lines = [came(500), ELSEWHERE, came(600, b"utr000000001")]
    first, *others = [desk.books(desk.tells([line])) for line in lines]
    assert [first.flags, *(row.flags for row in others)] == [BOTH, CLAIM, CLAIM]
    assert desk.found(tmp_path / "right") == {}
    first.flags, others[0].flags = CLAIM, BOTH
    found = desk.found(tmp_path / "wrong")["banks"]
    assert [UNCLAIMED in one or TAKEN in one for one in found] == [True, True]


# --- rules of their time --------------------------------------------------------------


def test_older_top_ups_are_judged_as_they_were_typed(tmp_path: Path) -> None:
    found = []
    for rules in (8, 9):
        desk = Desk(rules=rules)
        desk.done(top_up(500, UTR))
        desk.done(top_up(500, TYPED))
        found.append(desk.found(tmp_path / str(rules)))
    assert found[0] == {}
    assert CREDITED in found[1]["utrs"][0]
    desk = Desk(rules=8)
    for _ in range(2):
        desk.done(top_up(500, TYPED))
    assert CREDITED in desk.found(tmp_path / "again")["utrs"][0]


@pytest.mark.parametrize("again", [UTR.lower(), TYPED, b"UTR 000000001"])
def test_newer_top_ups_are_judged_beside_older_ones(
    tmp_path: Path, again: bytes
) -> None:
    desk = Desk(rules=8)
    desk.done(top_up(500, UTR))
    desk.record(RULES_RECORD[:4] + b"\t\0\0\0", 1, participant=0, flags=UPDATE)
    desk.done(top_up(500, NEXT))
    assert desk.found(tmp_path / "right") == {}
    desk.done(top_up(500, again))
    assert CREDITED in desk.found(tmp_path / "wrong")["utrs"][0]


REFUSED: dict[str, tuple[bytes, bytes, bool]] = {
    "as it was booked": (b"UTR000000002", b"UTR000000004", True),
    "typed": (b"utr 000000002", b"utr 00000002", True),
    "as it was matched": (b"utr000000001", b"UTR0000000010", True),
    "as it was typed by hand": (b"utr-a1", b"utr-b1", False),
}
"""References of refused top-ups, right and wrong, and whether a line was before it."""


@pytest.mark.parametrize("name", REFUSED)
def test_who_was_refused_had_a_cause(tmp_path: Path, name: str) -> None:
    *references, booked = REFUSED[name]
    found = []
    for at, reference in enumerate(references):
        s = going_on()
        kind = Kind.BOOKED if booked else Kind.TOP_UP
        (first,) = (
            row
            for row in s.rows
            if row.kind == kind
            and row.result == R.OK
            and row.reference == written(references[0])
        )
        fields = {"amount": 500, "reference": reference, "total": first.sequence}
        fields |= {"debit": FLOAT, "credit": WALLET, "result": R.UTR_ALREADY_CREDITED}
        s.add(Kind.TOP_UP, **fields)
        s.commit()
        report = audit(stored(tmp_path / str(at), s.groups, index=False))
        found.append([str(one) for one in report.findings.kept])
    assert found[0] == []
    assert "UTR_ALREADY_CREDITED" in found[1][0]


def test_a_line_that_claimed_nothing_is_in_nobodys_way(tmp_path: Path) -> None:
    """A debit of that reference."""
    s = going_on()
    (line,) = (row for row in s.rows if row.reference == b"OUT000000001")
    fields = {"amount": 500, "reference": line.reference, "total": line.sequence}
    fields |= {"debit": FLOAT, "credit": WALLET, "result": R.UTR_ALREADY_CREDITED}
    s.add(Kind.TOP_UP, **fields)
    s.commit()
    report = audit(stored(tmp_path, s.groups, index=False))
    assert [one.check for one in report.findings.kept] == ["refusals"]


# --- what is written, and what is meant -----------------------------------------------


def test_references_are_closed_up_and_in_capitals() -> None:
    rng = random.Random(5)
    alphabet = b"  azAZ09-/`{@["
    texts = [
        bytes(rng.choice(alphabet) for _ in range(rng.randrange(33)))
        for _ in range(3_000)
    ]
    words = np.frombuffer(b"".join(one.ljust(32, b"\0") for one in texts), np.uint64)
    found = canonical(words.reshape(-1, 4))
    wanted = [written(one).ljust(32, b"\0") for one in texts]
    assert [one.tobytes() for one in found] == wanted


def test_a_match_says_that_it_claims(tmp_path: Path) -> None:
    """What is credited to a wallet is credited under its reference."""
    desk = BankDesk()
    told = desk.tells([came(500, UTR, desk.asks(500))])
    desk.meets(told, flags=CLAIM | MATCHED)
    assert UNCLAIMED in desk.found(tmp_path)["banks"][0]
