"""Goal: bank accounts of the register and what centres ask for are as the page says, in
their order and within their bounds, and by three; whatever else stands there is found.

Method: twins, as in `test_audit_people`: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right. Then older rules.
"""

from pathlib import Path

import pytest

from switch.codes import AccountKind, Kind, Result, Role
from tests.audit.bank_story import (
    CHANNEL,
    CODE,
    OTHER_CENTRE,
    OTHER_WALLET,
    BankDesk,
    Forgery,
    Tell,
    bank_account,
    found_by_its_words,
)
from tests.audit.people_story import (
    BILLER,
    CENTRE,
    CHECKER,
    DAY,
    FIRST,
    FLOAT,
    ONE,
    SETTLEMENT,
    THIRD,
    TWO,
    UPDATE,
    WALLET,
    Desk,
    keyed,
    register,
)
from tests.audit.test_audit_certificates import person as participant
from tests.records import AccountRecord
from tests.signing import Line

R = Result
NEW_CODE, NEW_PURPOSE = b"NEW42", 64


# --- the register ---------------------------------------------------------------------


def opened(desk: BankDesk, kinds: tuple[int, ...] = (6, 7, 8), first: int = 13) -> None:
    """Three accounts for one more bank account."""
    lines = [
        Line(Kind.OPEN, tail=AccountRecord(ONE, NEW_PURPOSE + at, kind).pack())
        for at, kind in enumerate(kinds)
    ]
    asked = desk.propose(lines)
    desk.approve(asked)
    for at in range(len(lines)):
        desk.do(asked, at, debit=first + at)


def registers(wrong: bytes, debit: int = 3, flags: int = 0) -> Tell:
    """One more bank account, and in its place another record."""

    def tell(desk: BankDesk, forged: bool) -> None:
        opened(desk)
        if forged:
            desk.done(register(wrong), debit=debit, flags=flags)
        else:
            desk.done(register(bank_account(NEW_CODE, NEW_PURPOSE)), debit=3)

    return tell


def wrong_kind(desk: BankDesk, forged: bool) -> None:
    opened(desk, (6, 8, 7) if forged else (6, 7, 8))
    desk.done(register(bank_account(NEW_CODE, NEW_PURPOSE)), debit=3)


def has_moved(desk: BankDesk, forged: bool) -> None:
    """What was paid to it before belongs to nothing that a bank has told."""
    opened(desk)
    record = register(bank_account(NEW_CODE, NEW_PURPOSE))
    if not forged:
        desk.done(record, debit=3)
    desk.fills(SETTLEMENT, 100)
    desk.done(Line(Kind.TRANSFER, 100, 0, SETTLEMENT, 15, b"payout"))
    if forged:
        desk.done(record, debit=3)


def by_two(desk: BankDesk, forged: bool) -> None:
    """Two of three make a bank account that nobody else has looked at."""
    opened(desk)
    line = register(bank_account(NEW_CODE, NEW_PURPOSE))
    asked = desk.propose([line], flags=0 if forged else THIRD)
    desk.approve(asked)
    if not forged:
        desk.approve(asked, FIRST)
    desk.do(asked, debit=3)


def person_by_two(desk: BankDesk, forged: bool) -> None:
    """Or a third of their own, with whom they are three."""
    asked = desk.propose(
        [register(keyed((TWO, 29)).pack())], flags=0 if forged else THIRD
    )
    desk.approve(asked)
    if not forged:
        desk.approve(asked, FIRST)
    desk.do(asked, debit=7)


def third_of_two(desk: BankDesk, forged: bool) -> None:
    """Where only two may approve no third is needed."""
    desk.off(keyed(CHECKER, active=0).pack(), 3)
    asked = desk.propose(
        [register(bank_account(active=0))], flags=THIRD if forged else 0
    )
    desk.approve(asked)
    if forged:
        desk.approve(asked, FIRST)
    desk.do(asked, debit=1, flags=UPDATE)


def switched_on(desk: BankDesk, forged: bool) -> None:
    """What was proposed before it was switched off does not undo that."""
    early = desk.propose([register(bank_account())], flags=THIRD)
    desk.three(early)
    desk.done(register(bank_account(active=0)), debit=1, flags=UPDATE)
    asked = desk.propose([register(bank_account())], flags=THIRD)
    desk.three(asked)
    desk.do(early if forged else asked, debit=1, flags=UPDATE)


REGISTER: dict[str, Forgery] = {
    "of nobody": (
        "banks",
        "should be PARTICIPANT_UNKNOWN",
        registers(bank_account(NEW_CODE, NEW_PURPOSE, owner=9)),
    ),
    "no accounts": (
        "banks",
        "should be ACCOUNT_UNKNOWN",
        registers(bank_account(NEW_CODE, NEW_PURPOSE + 1)),
    ),
    "accounts of other kinds": ("banks", "should be ACCOUNT_UNKNOWN", wrong_kind),
    "another's accounts": (
        "banks",
        "should be RULE_FIXED",
        registers(bank_account(NEW_CODE)),
    ),
    "accounts exchanged": (
        "banks",
        "should be RULE_FIXED",
        registers(bank_account(CODE, NEW_PURPOSE), 1, UPDATE),
    ),
    "what has moved": ("banks", "should be BALANCE_NOT_ZERO", has_moved),
    "another place": (
        "banks",
        "it is number 3",
        registers(bank_account(NEW_CODE, NEW_PURPOSE), 4),
    ),
    "no update": ("banks", "it is number 1", registers(bank_account(active=0), 1)),
    "a small number": (
        "lines",
        "has a number or a purpose that is none",
        registers(bank_account(b"new42", NEW_PURPOSE)),
    ),
    "a low purpose": (
        "lines",
        "has a number or a purpose that is none",
        registers(bank_account(NEW_CODE, 15)),
    ),
    "neither active nor not": (
        "banks",
        "is neither active nor not",
        registers(bank_account(NEW_CODE, NEW_PURPOSE, 2)),
    ),
    "bytes behind the purpose": (
        "banks",
        "has bytes that say nothing",
        registers(
            bank_account(NEW_CODE, NEW_PURPOSE)[:12]
            + b"\1"
            + bank_account(NEW_CODE, NEW_PURPOSE)[13:]
        ),
    ),
    "by two": ("people", "whether a third person is needed", by_two),
    "a person by two": ("people", "whether a third person is needed", person_by_two),
    "by three of two": ("people", "whether a third person is needed", third_of_two),
    "a stop undone": ("lines", "a newer row speaks of the same", switched_on),
}


# --- requests -------------------------------------------------------------------------


def asks(**wrong: object) -> Tell:
    """A request, and in its place another one."""

    def tell(desk: BankDesk, forged: bool) -> None:
        desk.asks(500, **(wrong if forged else {}))

    return tell


def asks_closed(desk: BankDesk, forged: bool) -> None:
    desk.done(Line(Kind.CLOSE, debit=WALLET, reference=b"gone"))
    other = {"participant": OTHER_CENTRE, "credit": OTHER_WALLET}
    desk.asks(500, **({} if forged else other))


def asks_often(desk: BankDesk, forged: bool) -> None:
    desk.now += DAY
    for _ in range(64 + forged):
        desk.asks(1)
    desk.asks(1, participant=OTHER_CENTRE, credit=OTHER_WALLET)
    desk.now += DAY
    desk.asks(1)


def refused_often(desk: BankDesk, forged: bool) -> None:
    """The 64th is not the one too many."""
    desk.now += DAY
    for _ in range(64 - forged):
        desk.asks(1)
    desk.asks(1, result=R.DAY_COUNT_EXCEEDED)


def asks_harness(desk: BankDesk, forged: bool) -> None:
    """Whoever has a wallet asks for it, and for no other."""
    desk.done(register(participant(6, Role.HARNESS)), debit=6)
    tail = AccountRecord(6, 0, AccountKind.WALLET).pack()
    desk.done(Line(Kind.OPEN, tail=tail), debit=13)
    desk.asks(500, participant=6, credit=WALLET if forged else 13)


def asks_nothing(desk: BankDesk, forged: bool) -> None:
    desk.asks(0 if forged else 1)


REQUESTS: dict[str, Forgery] = {
    "for another's wallet": (
        "banks",
        "should be ACCOUNT_UNKNOWN",
        asks(credit=OTHER_WALLET),
    ),
    "for no account": ("banks", "should be ACCOUNT_UNKNOWN", asks(credit=99)),
    "by nobody": ("senders", "no role", asks(participant=9)),
    "by the switch": ("banks", "should be ACCOUNT_UNKNOWN", asks(participant=0)),
    "for no wallet of a harness": ("banks", "ACCOUNT_UNKNOWN", asks_harness),
    "by a biller": ("banks", "ACCOUNT_UNKNOWN", asks(participant=BILLER)),
    "for what is no wallet": (
        "banks",
        "should be ACCOUNT_KIND_WRONG",
        asks(participant=ONE, credit=FLOAT),
    ),
    "for a closed wallet": ("banks", "should be CREDIT_CLOSED", asks_closed),
    "from an account": ("banks", "names an account that pays", asks(debit=FLOAT)),
    "too often": ("banks", "should be DAY_COUNT_EXCEEDED", asks_often),
    "refused too early": ("refusals", "DAY_COUNT_EXCEEDED", refused_often),
    "refused for nothing": (
        "refusals",
        "CREDIT_CLOSED",
        asks(result=R.CREDIT_CLOSED),
    ),
    "a reference": ("fields", "its reference is not one", asks(reference=b"T1")),
    "no amount": ("fields", "its amount is none", asks_nothing),
}

FORGERIES = {
    f"{what}: {name}": forgery
    for what, forgeries in (
        ("register", REGISTER),
        ("request", REQUESTS),
    )
    for name, forgery in forgeries.items()
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


@pytest.mark.parametrize("what", ["a channel", "an account", "a request", "a record"])
def test_older_rules_know_no_banks(tmp_path: Path, what: str) -> None:
    desk = Desk(rules=8)
    if what == "a channel":
        desk.done(register(keyed(CHANNEL, 5).pack()), third=False, debit=6)
    elif what == "an account":
        tail = AccountRecord(ONE, 16, AccountKind.BANK).pack()
        desk.done(Line(Kind.OPEN, tail=tail), debit=6)
    elif what == "a request":
        desk.add(Kind.REQUEST, participant=CENTRE, credit=WALLET, amount=500)
    else:
        desk.done(register(bank_account()), third=False, debit=1)
    found = desk.found(tmp_path)
    assert found


def test_older_rules_ask_two_for_people(tmp_path: Path) -> None:
    desk = Desk(rules=8)
    line = register(keyed((TWO, 29)).pack())
    desk.done(line, third=False, debit=6)
    assert desk.found(tmp_path) == {}
