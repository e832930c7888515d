"""Goal: what a bank has booked and nobody explains waits, whole, until people end it
once, where it may belong; nothing else moves the accounts behind a bank account.

Method: twins, as in `test_audit_people`: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right.
"""

from pathlib import Path

import pytest

from switch.codes import AccountKind, Kind, Result
from tests.audit.again import audit
from tests.audit.bank_story import (
    MIRROR,
    OTHER_MIRROR,
    OTHER_TRANSIT,
    OTHER_WAITING,
    OTHER_WALLET,
    TRANSIT,
    WAITING,
    BankDesk,
    Forgery,
    Tell,
    bank_account,
    came,
    ends,
    found_by_its_words,
    statement_record,
    went,
)
from tests.audit.journal_story import SETTLEMENT as FIXED
from tests.audit.journal_story import TRANSIT as WAY
from tests.audit.journal_story import WAITING as WAIT
from tests.audit.journal_story import X0, A, B
from tests.audit.people_story import (
    FLOAT,
    HEAD,
    SETTLEMENT,
    SUSPENSE,
    WALLET,
)
from tests.audit.told_story import going_on, story, written
from tests.signing import Line

R = Result
UTR = b"UTR000000001"
NEXT = b"UTR000000002"


# --- what moves these accounts --------------------------------------------------------


def moves(debit: int, credit: int, kind: int = Kind.TRANSFER) -> Tell:
    """Money that stands behind a bank account, and a row that takes it."""

    def tell(desk: BankDesk, forged: bool) -> None:
        desk.told(came(500), went(400))
        for account in (WALLET, SUSPENSE, SETTLEMENT):
            desk.fills(account, 300)
        line = Line(kind, 300, 0, debit, credit, b"found")
        right = Line(Kind.TRANSFER, 300, 0, SETTLEMENT, TRANSIT, b"payout")
        desk.done(line if forged else right)

    return tell


NAMES_NOTHING = "it ends nothing, pays out nothing"
KINDS_WRONG = "between kinds of accounts that it may not"
MOVES: dict[str, Forgery] = {
    "out of the suspense": ("accounts", NAMES_NOTHING, moves(WAITING, WALLET)),
    "back to the float": ("accounts", KINDS_WRONG, moves(WAITING, FLOAT)),
    "to a biller": ("accounts", KINDS_WRONG, moves(WAITING, HEAD)),
    "to the mirror": ("accounts", KINDS_WRONG, moves(SETTLEMENT, MIRROR)),
    "from the mirror": ("accounts", KINDS_WRONG, moves(MIRROR, SETTLEMENT)),
    "to the suspense": ("accounts", KINDS_WRONG, moves(SUSPENSE, WAITING)),
    "from the transit": ("accounts", KINDS_WRONG, moves(TRANSIT, WALLET)),
    "a wallet's payout": ("accounts", NAMES_NOTHING, moves(WALLET, TRANSIT)),
    "the suspense's payout": ("accounts", NAMES_NOTHING, moves(SUSPENSE, TRANSIT)),
    "a return of nothing": ("accounts", NAMES_NOTHING, moves(WAITING, TRANSIT)),
    "a top-up": ("accounts", KINDS_WRONG, moves(MIRROR, WALLET, Kind.TOP_UP)),
}


# --- endings --------------------------------------------------------------------------


def ends_credit(
    *, debit: int = WAITING, credit: int = WALLET, amount: int = 500
) -> Tell:
    """A credit of 500 that is found to be a wallet's; or what else is done of it."""

    def tell(desk: BankDesk, forged: bool) -> None:
        item = desk.told(came(500), came(300, NEXT))
        told = desk.tells([Line(Kind.BOOKED, 600, 0, OTHER_MIRROR, 0, b"OTHER1234567")])
        desk.books(told)
        right = ends(item, WAITING, WALLET)
        desk.done(ends(item, debit, credit, amount) if forged else right)

    return tell


def ends_debit(
    *, debit: int = WALLET, credit: int = TRANSIT, amount: int = 500
) -> Tell:
    """A debit of 500 with which a top-up was taken back; or what else is done."""

    def tell(desk: BankDesk, forged: bool) -> None:
        item = desk.told(went(500))
        for account in (WALLET, SUSPENSE, SETTLEMENT):
            desk.fills(account, 600)
        right = ends(item, WALLET, TRANSIT)
        desk.done(ends(item, debit, credit, amount) if forged else right)

    return tell


def ended_twice(desk: BankDesk, forged: bool) -> None:
    item = desk.told(came(500), came(500, NEXT))
    other = item if forged else next(one for one in desk.rows if one.reference == NEXT)
    desk.done(ends(item, WAITING, WALLET))
    desk.done(ends(other, WAITING, OTHER_WALLET))


def ends_match(desk: BankDesk, forged: bool) -> None:
    """What was matched waits for nobody."""
    asked = desk.asks(500)
    told = desk.tells([came(500, UTR, asked), came(500, NEXT)])
    matched, item = desk.meets(told, 0), desk.books(told, 1)
    desk.done(ends(matched if forged else item, WAITING, OTHER_WALLET))


def ends_nothing(desk: BankDesk, forged: bool) -> None:
    """Nor does what is no booked row, or was refused."""
    item = desk.told(came(500))
    line = ends(item, WAITING, WALLET)
    other = Line(line.kind, 500, item.sequence - 1, WAITING, WALLET, b"found")
    desk.done(other if forged else line)


def ends_later(desk: BankDesk, forged: bool) -> None:
    """Nor what comes behind it."""
    item = desk.told(came(500))
    about = len(desk.rows) + 6 if forged else item.sequence
    desk.done(Line(Kind.TRANSFER, 500, about, WAITING, WALLET, b"found"))
    desk.told(came(500, NEXT))


def ends_in_case(desk: BankDesk, forged: bool) -> None:
    item = desk.told(came(500))
    asked = desk.propose([ends(item, WAITING, WALLET)])
    desk.approve(asked)
    desk.do(asked, flags=0x40 if forged else 0)


def ends_alone(desk: BankDesk, forged: bool) -> None:
    item = desk.told(came(500))
    asked = desk.propose([ends(item, WAITING, WALLET)])
    desk.approve(asked)
    desk.do(asked, total=0 if forged else asked.sequence)


BESIDE = "it ends an item of other accounts"
ENDINGS: dict[str, Forgery] = {
    "another amount": (
        "banks",
        "another amount than was booked",
        ends_credit(amount=300),
    ),
    "less of a debit": ("banks", "another amount than was", ends_debit(amount=499)),
    "another's suspense": ("banks", BESIDE, ends_credit(debit=OTHER_WAITING)),
    "another's transit": ("banks", BESIDE, ends_credit(credit=OTHER_TRANSIT)),
    "a biller": ("banks", BESIDE, ends_credit(credit=HEAD)),
    "the float": ("banks", BESIDE, ends_credit(credit=FLOAT)),
    "a debit elsewhere": ("banks", BESIDE, ends_debit(credit=OTHER_TRANSIT)),
    "a debit by the float": ("accounts", KINDS_WRONG, ends_debit(debit=FLOAT)),
    "twice": ("banks", "was ended before", ended_twice),
    "what was matched": ("banks", "is no open item", ends_match),
    "what is none": ("banks", "is no open item", ends_nothing),
    "what comes behind it": ("banks", "is no open item", ends_later),
    "as a correction": ("banks", "it corrects a payment", ends_in_case),
    "by one": ("lines", "nobody has proposed it", ends_alone),
    "more than there is": ("below_zero", "is below zero", ends_credit(amount=900)),
    "what it leaves": ("banks", "paise, and what is open", ends_credit(amount=300)),
}

FORGERIES = {
    f"{what}: {name}": forgery
    for what, forgeries in (
        ("account", MOVES),
        ("ending", ENDINGS),
    )
    for name, forgery in forgeries.items()
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


@pytest.mark.parametrize("side", ["debit", "credit"])
def test_an_item_of_no_account_stops_nothing(tmp_path: Path, side: str) -> None:
    desk = BankDesk()
    item = desk.told(came(500))
    desk.done(ends(item, WAITING, WALLET))
    setattr(item, side, 2**32 - 1)
    found = desk.found(tmp_path)
    assert any("is no open item" in text for text in found["banks"])
    assert "it names an account that was not open" in found["accounts"][0]


@pytest.mark.parametrize("to", [WALLET, SETTLEMENT, SUSPENSE, TRANSIT])
def test_a_credit_may_end_there(tmp_path: Path, to: int) -> None:
    desk = BankDesk()
    desk.done(ends(desk.told(came(500)), WAITING, to))
    assert desk.found(tmp_path) == {}


@pytest.mark.parametrize("by", [WALLET, SETTLEMENT, SUSPENSE])
def test_a_debit_may_end_by_that(tmp_path: Path, by: int) -> None:
    desk = BankDesk()
    item = desk.told(went(500))
    desk.fills(by, 500)
    desk.done(ends(item, by, TRANSIT))
    assert desk.found(tmp_path) == {}


# --- who was refused, where no people say what is done --------------------------------


def named(reference: bytes, kind: Kind = Kind.BOOKED) -> int:
    """The sequence of a row of the story without people."""
    rows = [row for row in story().rows if row.reference == reference]
    return next(row.sequence for row in rows if row.kind == kind)


def refused(
    result: Result, right: dict[str, object], wrong: dict[str, object]
) -> tuple[Result, dict[str, object], dict[str, object]]:
    """A refused transfer that had its cause, and one that had none."""
    item: dict[str, object] = {
        "debit": WAIT,
        "credit": B,
        "amount": 3,
        "reference": b"found",
        "resolves": named(b"UTR000000000"),
        "result": result,
    }
    return result, {**item, **right}, {**item, **wrong}


ENDED, CHARGE = named(b"UTR000000002"), named(b"charges of May")
BY = next(row.sequence for row in story().rows if row.resolves == ENDED)
REFUSED = {
    "no item": refused(R.CASE_NOT_FOUND, {"resolves": 3}, {}),
    "a matched one": refused(
        R.CASE_NOT_FOUND, {"resolves": named(b"UTR000000001"), "amount": 70_000}, {}
    ),
    "other accounts": refused(R.ACCOUNT_KIND_WRONG, {"credit": X0}, {}),
    "no account": refused(R.ACCOUNT_KIND_WRONG, {"credit": 2**32 - 1}, {}),
    "no account pays": refused(
        R.ACCOUNT_KIND_WRONG,
        {"debit": 99, "credit": WAY, "resolves": CHARGE, "amount": 20},
        {},
    ),
    "another amount": refused(R.NET_DIFFERS, {"amount": 4}, {}),
    "ended": refused(
        R.CASE_CLOSED,
        {"resolves": ENDED, "amount": 70_000, "total": BY},
        {"resolves": ENDED, "amount": 70_000, "total": BY - 1},
    ),
    "ended, and open": refused(
        R.CASE_CLOSED, {"resolves": ENDED, "amount": 70_000, "total": BY}, {"total": BY}
    ),
    "nothing named": refused(
        R.ACCOUNT_KIND_WRONG,
        {"resolves": 0},
        {"resolves": 0, "debit": B, "credit": A},
    ),
    "a payout": refused(
        R.ACCOUNT_KIND_WRONG,
        {"resolves": 0, "debit": B, "credit": WAY},
        {"resolves": 0, "debit": FIXED, "credit": WAY},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_who_was_refused_had_a_cause(tmp_path: Path, name: str) -> None:
    result, *said = REFUSED[name]
    found = []
    for at, fields in enumerate(said):
        s = going_on()
        s.add(Kind.TRANSFER, **fields)
        s.commit()
        report = audit(written(tmp_path / str(at), s.groups, index=False))
        found.append([str(one) for one in report.findings.kept])
    assert found[0] == []
    assert len(found[1]) == 1
    assert f"refusals: {result.name}" in found[1][0]


def test_what_is_opened_later_was_no_account(tmp_path: Path) -> None:
    s = going_on()
    fields = refused(R.ACCOUNT_KIND_WRONG, {"credit": WAY + 1}, {})[1]
    s.add(Kind.TRANSFER, **fields)
    s.open(WAY + 1, 6, 1, AccountKind.WALLET)
    s.commit()
    report = audit(written(tmp_path / "right", s.groups, index=False))
    assert report.findings.kept == []
    s.add(Kind.TRANSFER, **fields)
    s.commit()
    report = audit(written(tmp_path / "wrong", s.groups, index=False))
    assert [one.check for one in report.findings.kept] == ["refusals"]


RECORD = bank_account(b"0123456789", 16)
RECORDS = {
    "no accounts": (R.ACCOUNT_UNKNOWN, bank_account(b"NEW1", 64), RECORD),
    "other accounts": (R.RULE_FIXED, bank_account(b"NEW1", 16), RECORD),
    "nobody": (R.PARTICIPANT_UNKNOWN, bank_account(b"NEW1", 16, owner=99), RECORD),
    "a statement": (
        R.ACCOUNT_UNKNOWN,
        bank_account(b"NEW1", 64),
        statement_record(0, 0, 0, bank=9),
    ),
    "what is none": (R.ACCOUNT_UNKNOWN, bank_account(b"NEW1", 64), bank_account(b"n")),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_was_refused_for_a_cause(tmp_path: Path, name: str) -> None:
    result, *records = RECORDS[name]
    found = []
    for at, record in enumerate(records):
        s = going_on()
        s.add(Kind.REGISTER, tail=record, result=result)
        s.commit()
        report = audit(written(tmp_path / str(at), s.groups, index=False))
        found.append([one.check for one in report.findings.kept])
    assert found[0] == []
    assert found[1] in (["refusals"], ["banks"])


def test_without_people_no_statement_is_done(tmp_path: Path) -> None:
    s = going_on()
    s.add(Kind.REGISTER, debit=1, tail=statement_record(0, 0, 0))
    s.commit()
    report = audit(written(tmp_path, s.groups, index=False))
    assert [one.check for one in report.findings.kept] == ["banks"]
