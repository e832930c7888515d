"""Goal: what was released to a bank comes back once, whole, to where it came from, and
only while no line of the bank's has met it. Whatever else stands there is found.

Method: twins, as in `test_audit_people`: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right. Then who was refused
where no people say what is done, and older rules.
"""

from pathlib import Path
from typing import Any

import pytest

from switch.codes import AccountKind, Kind, Result
from tests.audit.again import audit
from tests.audit.bank_story import (
    MATCHED,
    OTHER_TRANSIT,
    TRANSIT,
    WAITING,
    came,
    ends,
    went,
)
from tests.audit.journal_story import FLOAT as FLOATED
from tests.audit.journal_story import MIRROR as BANK
from tests.audit.journal_story import RECENT, X0, A
from tests.audit.journal_story import SETTLEMENT as FIXED
from tests.audit.journal_story import SUSPENSE as ASIDE
from tests.audit.journal_story import TRANSIT as WAY
from tests.audit.journal_story import WAITING as WAIT
from tests.audit.journal_writer import Row
from tests.audit.payout_story import (
    OWED,
    Forgery,
    PayoutDesk,
    Tell,
    found_by_its_words,
)
from tests.audit.people_story import (
    CLAIM,
    DAY,
    FLOAT,
    HEAD,
    ONE,
    SETTLEMENT,
    SUSPENSE,
    WALLET,
    rules_record,
)
from tests.audit.told_story import going_on, written
from tests.records import AccountRecord
from tests.signing import Line

R = Result
NEXT = b"OUT000000002"
ELSEWHERE = 13
"""Another settlement account, opened where it is needed."""


def back(
    release: Row | int,
    to: int = SETTLEMENT,
    amount: int = 500,
    from_: int = TRANSIT,
    flags: int = 0,
) -> Line:
    """A transfer that recalls a release."""
    number = release.sequence if isinstance(release, Row) else release
    named = (number, from_, to, b"refused by its bank", b"", flags)
    return Line(Kind.TRANSFER, amount, *named)


def returned(desk: PayoutDesk, amount: int = 500) -> Row:
    """A release with which something goes back to its remitter."""
    item = desk.told(came(amount, b"UTR00000000%d" % (len(desk.rows) % 10)))
    return desk.done(ends(item, WAITING, TRANSIT))


def beside(desk: PayoutDesk) -> None:
    """So much stands beside a story that forgeries move nothing below zero."""
    desk.pays(600)
    for account in (WALLET, SUSPENSE, SETTLEMENT):
        desk.fills(account, 600)
    opened = AccountRecord(ONE, 40, AccountKind.SETTLEMENT).pack()
    desk.done(Line(Kind.OPEN, tail=opened), debit=ELSEWHERE)


def recalls(**wrong: Any) -> Tell:
    """A payout is recalled; or what else is done of it."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        beside(desk)
        desk.done(back(desk.pays(500), **(wrong if forged else {})))

    return tell


def recalls_return(**wrong: Any) -> Tell:
    """The same of a return to its remitter."""

    def tell(desk: PayoutDesk, forged: bool) -> None:
        beside(desk)
        desk.done(back(returned(desk), **(wrong if forged else {"to": SUSPENSE})))

    return tell


def recalled_twice(desk: PayoutDesk, forged: bool) -> None:
    first, second = desk.pays(500), desk.pays(500)
    desk.done(back(first))
    desk.done(back(first if forged else second))


def recalled_and_booked(desk: PayoutDesk, forged: bool) -> None:
    """What the bank pays all the same waits for people."""
    release = desk.pays(500)
    desk.done(back(release))
    told = desk.tells([went(500, about=release)])
    desk.books(told, flags=CLAIM | (MATCHED if forged else 0))


def booked_and_recalled(desk: PayoutDesk, forged: bool) -> None:
    first, second = desk.pays(500), desk.pays(500)
    desk.meets(desk.tells([went(500, about=first)]))
    desk.done(back(first if forged else second))


def not_booked(desk: PayoutDesk, forged: bool) -> None:
    """A recall of another one keeps nobody's line from it."""
    first, second = desk.pays(500), desk.pays(500)
    desk.done(back(first))
    told = desk.tells([went(500, about=second)])
    desk.books(told, flags=CLAIM | (0 if forged else MATCHED))


def not_booked_first(desk: PayoutDesk, forged: bool) -> None:
    """Nor does one that comes later."""
    first, second = desk.pays(500), desk.pays(500)
    told = desk.tells([went(500, about=first)])
    desk.books(told, flags=CLAIM | (0 if forged else MATCHED))
    desk.done(back(first if forged else second))


def recalls_ending(desk: PayoutDesk, forged: bool) -> None:
    """What ends a debit has released nothing, though it goes the same way."""
    beside(desk)
    release = desk.pays(500)
    ending = desk.done(ends(desk.told(went(500)), SETTLEMENT, TRANSIT))
    desk.done(back(ending if forged else release))


def recalls_item(desk: PayoutDesk, forged: bool) -> None:
    beside(desk)
    release, item = desk.pays(500), desk.told(went(500))
    desk.done(back(item if forged else release))


def recalls_beneficiary(desk: PayoutDesk, forged: bool) -> None:
    """It is the payout that is recalled, and not to whom it went."""
    one = desk.benefits()
    desk.now += DAY
    release = desk.pays_out(one)
    desk.done(back(one if forged else release))


def recalls_later(desk: PayoutDesk, forged: bool) -> None:
    """Nor what is released behind it."""
    beside(desk)
    release = desk.pays(500)
    desk.done(back(len(desk.rows) + 6 if forged else release))
    desk.done(Line(Kind.TRANSFER, 500, 0, SETTLEMENT, TRANSIT, b"payout"))


def recalls_nothing(desk: PayoutDesk, forged: bool) -> None:
    beside(desk)
    desk.done(back(0 if forged else desk.pays(500)))


def recalled_by_one(desk: PayoutDesk, forged: bool) -> None:
    asked = desk.propose([back(desk.pays(500))])
    desk.approve(asked)
    desk.do(asked, total=0 if forged else asked.sequence)


def recalled_unapproved(desk: PayoutDesk, forged: bool) -> None:
    asked = desk.propose([back(desk.pays(500))])
    if not forged:
        desk.approve(asked)
    desk.do(asked)


def recalled_otherwise(desk: PayoutDesk, forged: bool) -> None:
    """Not what two people want."""
    asked = desk.propose([back(desk.pays(500))])
    desk.approve(asked)
    other = desk.pays(500)
    desk.do(asked, **({"resolves": other.sequence} if forged else {}))


def recalls_in_case(desk: PayoutDesk, forged: bool) -> None:
    asked = desk.propose([back(desk.pays(500))])
    desk.approve(asked)
    desk.do(asked, flags=0x40 if forged else 0)


BESIDE = "it recalls a release of other accounts"
NO_RELEASE = "what it recalls is no release"
KINDS_WRONG = "between kinds of accounts that it may not"
AMOUNT = "it recalls another amount than was released"
BEFORE = "the release that it recalls was booked or recalled before"
FORGERIES: dict[str, Forgery] = {
    "twice": ("banks", BEFORE, recalled_twice),
    "what was booked": ("banks", BEFORE, booked_and_recalled),
    "and then booked": (
        "banks",
        "what its line names was recalled",
        recalled_and_booked,
    ),
    "and another not booked": ("banks", "and it was not matched to that", not_booked),
    "and before not booked": ("banks", "was not matched to that", not_booked_first),
    "less": ("banks", AMOUNT, recalls(amount=499)),
    "more": ("banks", AMOUNT, recalls(amount=501)),
    "less of a return": ("banks", AMOUNT, recalls_return(to=SUSPENSE, amount=499)),
    "a payout aside": ("banks", BESIDE, recalls(to=SUSPENSE)),
    "to another settlement": ("banks", BESIDE, recalls(to=ELSEWHERE)),
    "from another's transit": ("banks", BESIDE, recalls(from_=OTHER_TRANSIT)),
    "a return as a payout": ("banks", BESIDE, recalls_return(to=SETTLEMENT)),
    "to a wallet": ("accounts", KINDS_WRONG, recalls(to=WALLET)),
    "to a biller": ("accounts", KINDS_WRONG, recalls(to=HEAD)),
    "to the float": ("accounts", KINDS_WRONG, recalls(to=FLOAT)),
    "a return to its item": ("accounts", KINDS_WRONG, recalls_return(to=WAITING)),
    "to another's transit": ("accounts", KINDS_WRONG, recalls(to=OTHER_TRANSIT)),
    "what ends a debit": ("banks", NO_RELEASE, recalls_ending),
    "a booked line": ("banks", NO_RELEASE, recalls_item),
    "a beneficiary": ("banks", NO_RELEASE, recalls_beneficiary),
    "what is to come": ("banks", NO_RELEASE, recalls_later),
    "nothing": ("accounts", "recalls nothing", recalls_nothing),
    "what it leaves": ("banks", "paise, and what is open", recalled_twice),
    "by one": ("lines", "nobody has proposed it", recalled_by_one),
    "unapproved": ("lines", "was not approved by as many", recalled_unapproved),
    "what nobody wants": ("lines", "it is not what proposal", recalled_otherwise),
    "as a correction": ("banks", "it corrects a payment", recalls_in_case),
    "as a debt": ("payouts", "and ends nothing that a bank took", recalls(flags=OWED)),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


def test_what_is_right(tmp_path: Path) -> None:
    desk = PayoutDesk()
    beside(desk)
    first, second, third = desk.pays(500), returned(desk), desk.pays(500)
    desk.done(back(first), back(second, SUSPENSE))
    # Its bank pays it all the same, which a centre makes up for.
    item = desk.books(desk.tells([went(500, about=first)]))
    desk.done(ends(item, WALLET, TRANSIT))
    desk.meets(desk.tells([went(500, NEXT, third)]))
    again = desk.pays(500)
    desk.done(back(again))
    assert desk.found(tmp_path) == {}


def test_what_a_bank_has_taken_is_not_in_the_way(tmp_path: Path) -> None:
    desk = PayoutDesk()
    release = desk.pays(500)
    desk.told(went(200, NEXT))
    desk.done(back(release))
    assert desk.found(tmp_path) == {}


# --- who was refused, where no people say what is done --------------------------------


class Told:
    """A story, and behind it a payout that is out, one that a bank has booked, one that
    was recalled; an item of the bank's, and the return of another one.
    """

    def __init__(self) -> None:
        s = self.story = going_on()
        self._moves(9_000, FLOATED, FIXED)
        releases = [self._moves(at, FIXED, WAY) for at in (501, 502, 503)]
        self.out, booked, recalled = (row.sequence for row in releases)
        said: dict[str, Any] = {"debit": WAY, "credit": BANK, "amount": 502}
        said |= {"flags": CLAIM | MATCHED, "resolves": booked}
        self.met = s.add(Kind.BOOKED, reference=b"OUT000000009", **said).sequence
        self.back = self._moves(503, WAY, FIXED, recalled).sequence
        self.booked, self.recalled = booked, recalled
        said = {"debit": BANK, "credit": WAIT, "amount": 504, "flags": CLAIM | RECENT}
        item = s.add(Kind.BOOKED, reference=b"UTR000000009", **said).sequence
        self.returned = self._moves(504, WAIT, WAY, item).sequence
        said = {"debit": WAY, "credit": BANK, "amount": 1, "flags": CLAIM}
        self.item = s.add(Kind.BOOKED, reference=b"OUT000000008", **said).sequence

    def _moves(self, amount: int, from_: int, to: int, named: int = 0) -> Row:
        between: dict[str, Any] = {"debit": from_, "credit": to, "resolves": named}
        return self.story.add(Kind.TRANSFER, amount=amount, reference=b"so", **between)

    def found(self, path: Path, **fields: Any) -> list[str]:
        """What is wrong with one more row."""
        self.story.add(Kind.TRANSFER, **fields)
        self.story.commit()
        report = audit(written(path, self.story.groups, index=False))
        return [str(one) for one in report.findings.kept]


TOLD = Told()
OUT: dict[str, Any] = {"debit": WAY, "credit": FIXED, "amount": 501}
OUT |= {"resolves": TOLD.out, "reference": b"back"}
RETURNED = {**OUT, "credit": ASIDE, "amount": 504, "resolves": TOLD.returned}
BOOKED = {**OUT, "amount": 502, "resolves": TOLD.booked}
RECALLED = {**OUT, "amount": 503, "resolves": TOLD.recalled}
REFUSED: dict[str, tuple[Result, dict[str, Any], dict[str, Any]]] = {
    "no release": (R.CASE_NOT_FOUND, {**OUT, "resolves": 3}, OUT),
    "an item": (R.CASE_NOT_FOUND, {**OUT, "resolves": TOLD.item}, RETURNED),
    "a recall": (R.CASE_NOT_FOUND, {**OUT, "resolves": TOLD.back}, OUT),
    "other accounts": (R.ACCOUNT_KIND_WRONG, {**OUT, "credit": ASIDE}, OUT),
    "no account": (R.ACCOUNT_KIND_WRONG, {**OUT, "credit": 2**32 - 1}, OUT),
    "a biller": (R.ACCOUNT_KIND_WRONG, {**OUT, "credit": X0}, RETURNED),
    "a return as a payout": (R.ACCOUNT_KIND_WRONG, {**RETURNED, "credit": FIXED}, OUT),
    "its own account": (R.CASE_NOT_FOUND, {**OUT, "credit": WAY}, OUT),
    "a debt": (R.ACCOUNT_KIND_WRONG, {**OUT, "flags": OWED}, OUT),
    "nothing named": (
        R.ACCOUNT_KIND_WRONG,
        {**OUT, "resolves": 0},
        {**OUT, "resolves": 0, "debit": A, "credit": ASIDE},
    ),
    "another amount": (R.NET_DIFFERS, {**OUT, "amount": 500}, OUT),
    "what was booked": (
        R.CASE_CLOSED,
        {**BOOKED, "total": TOLD.met},
        {**BOOKED, "total": TOLD.back},
    ),
    "what was recalled": (
        R.CASE_CLOSED,
        {**RECALLED, "total": TOLD.back},
        {**RECALLED, "total": 0},
    ),
    "what is out": (
        R.CASE_CLOSED,
        {**RECALLED, "total": TOLD.back},
        {**OUT, "total": TOLD.back},
    ),
    "what it has met otherwise": (
        R.NET_DIFFERS,
        {**BOOKED, "amount": 501},
        {**BOOKED, "total": TOLD.met},
    ),
    "what is there": (
        R.INSUFFICIENT_FUNDS,
        {"debit": A, "credit": ASIDE, "amount": 10**12, "reference": b"back"},
        OUT,
    ),
    "of no wallet": (
        R.UTR_ALREADY_CREDITED,
        {**RETURNED, "credit": X0, "result": R.ACCOUNT_KIND_WRONG},
        RETURNED,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_who_was_refused_had_a_cause(tmp_path: Path, name: str) -> None:
    result, *both = REFUSED[name]
    found = [
        Told().found(tmp_path / str(at), **{"result": result, **fields})
        for at, fields in enumerate(both)
    ]
    assert found[0] == []
    assert len(found[1]) == 1, found[1]
    assert ": refusals: " in found[1][0]


def test_what_a_refused_recall_names_was_booked_first(tmp_path: Path) -> None:
    """The line that is in the way stands before it."""
    told = Told()
    later = len(told.story.rows) + 2
    told.story.add(Kind.TRANSFER, result=R.CASE_CLOSED, total=later, **OUT)
    said = {"debit": WAY, "credit": BANK, "amount": 501, "resolves": TOLD.out}
    flags = CLAIM | MATCHED
    told.story.add(Kind.BOOKED, reference=b"OUT000000007", flags=flags, **said)
    found = told.found(tmp_path, result=R.NET_DIFFERS, **{**OUT, "amount": 500})
    assert "in the way comes after it" in found[0]
    assert "refusals: CASE_CLOSED" in found[1]
    assert len(found) == 2


# --- by older rules -------------------------------------------------------------------


@pytest.mark.parametrize("rules", [9, 10])
def test_older_rules_know_no_recalls(tmp_path: Path, rules: int) -> None:
    desk = PayoutDesk(rules=rules)
    release = desk.pays(500)
    assert desk.found(tmp_path / "right") == {}
    desk.done(back(release))
    found = desk.found(tmp_path / "wrong")
    assert "recalls nothing" in found["accounts"][0]


def test_from_their_row_on_they_do(tmp_path: Path) -> None:
    """What was released before comes back, too."""
    desk = PayoutDesk(rules=10)
    release = desk.pays(500)
    desk.rules(11)
    desk.done(back(release))
    assert desk.found(tmp_path) == {}


@pytest.mark.parametrize("rules", [10, 11])
def test_by_older_rules_nobody_was_refused_so(tmp_path: Path, rules: int) -> None:
    """What two people might have wanted had no row."""
    s = going_on()
    said: dict[str, Any] = {"id": bytes(16), "participant": 0, "debit": 1}
    s.add(Kind.REGISTER, tail=rules_record(rules), **said)
    s.add(Kind.TRANSFER, **{**OUT, "resolves": 3, "result": R.CASE_NOT_FOUND})
    s.commit()
    report = audit(written(tmp_path, s.groups, index=False))
    found = [str(one) for one in report.findings.kept if one.check == "refusals"]
    assert len(found) == (rules == 10), found
    assert all("is refused without a row" in one for one in found)
