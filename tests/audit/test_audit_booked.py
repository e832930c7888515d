"""Goal: what a bank has booked is booked once and where it belongs: nothing is kept
from a centre that asked for it, nothing credited that did not come.

Method: twins, as in `test_audit_people`: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switch.codes import Kind, Result
from tests.audit.bank_story import (
    MATCHED,
    MIRROR,
    OTHER_CENTRE,
    OTHER_MIRROR,
    OTHER_TRANSIT,
    OTHER_WAITING,
    OTHER_WALLET,
    RECENT,
    REVERSAL,
    TRANSIT,
    WAITING,
    BankDesk,
    Forgery,
    Tell,
    bank_account,
    came,
    ends,
    found_by_its_words,
    went,
)
from tests.audit.journal_writer import Row
from tests.audit.people_story import (
    CLAIM,
    DAY,
    FLOAT,
    SETTLEMENT,
    THIRD,
    UPDATE,
    WALLET,
    register,
    top_up,
)
from tests.signing import Line

R = Result
KEPT = "and its wallet has not got it"
OTHER = "names is no open request of its amount"
UNMET = "and it was not matched to that"
ALIEN = "names is no release of its amount"
SIDES = "its other account is not that of what it says"
UTR = b"UTR000000001"
NEXT = b"UTR000000002"


# --- what a request meets -------------------------------------------------------------


def met(desk: BankDesk, line: Line, *, meets: bool) -> Row:
    """A line that is told and booked, matched or not."""
    asked = desk.tells([line])
    return desk.meets(asked) if meets else desk.books(asked)


def kept(desk: BankDesk, forged: bool) -> None:
    met(desk, came(500, UTR, desk.asks(500)), meets=not forged)


def other_amount(desk: BankDesk, forged: bool) -> None:
    met(desk, came(501, UTR, desk.asks(500)), meets=forged)


def twice(desk: BankDesk, forged: bool) -> None:
    asked = desk.asks(500)
    met(desk, came(500, UTR, asked), meets=True)
    met(desk, came(500, NEXT, asked), meets=forged)


def kept_behind(desk: BankDesk, forged: bool) -> None:
    """One that did not fit leaves the request open."""
    asked = desk.asks(500)
    met(desk, came(499, UTR, asked), meets=False)
    met(desk, came(500, NEXT, asked), meets=not forged)


def old(desk: BankDesk, forged: bool) -> None:
    asked = desk.asks(500)
    told = desk.tells([came(500, UTR, asked)])
    desk.now = asked.timestamp + 30 * DAY
    if forged:
        desk.meets(told)
    else:
        desk.books(told)


def not_old(desk: BankDesk, forged: bool) -> None:
    """A nanosecond earlier it is not too old."""
    asked = desk.asks(500)
    told = desk.tells([came(500, UTR, asked)])
    desk.now = asked.timestamp + 30 * DAY - 1
    if forged:
        desk.books(told)
    else:
        desk.meets(told)


def other_wallet(desk: BankDesk, forged: bool) -> None:
    told = desk.tells([came(500, UTR, desk.asks(500))])
    desk.meets(told, credit=OTHER_WALLET if forged else WALLET)


def of_the_other(desk: BankDesk, forged: bool) -> None:
    """Of two centres' requests of one amount each meets its own."""
    desk.asks(500)
    other = desk.asks(500, participant=OTHER_CENTRE, credit=OTHER_WALLET)
    told = desk.tells([came(500, UTR, other)])
    desk.meets(told, credit=WALLET if forged else OTHER_WALLET)


def no_request(desk: BankDesk, forged: bool) -> None:
    """What was refused was never asked for; nor is any other row a request."""
    asked = desk.asks(500, credit=OTHER_WALLET, result=R.ACCOUNT_UNKNOWN)
    met(desk, came(500, UTR, asked), meets=forged)


def to_come(desk: BankDesk, forged: bool) -> None:
    """A request that comes behind the line is not what that was for."""
    told = desk.tells([came(500, UTR, len(desk.rows) + 3)])
    (desk.meets if forged else desk.books)(told)
    desk.asks(500)


def to_come_before_it(desk: BankDesk, forged: bool) -> None:
    """Nor is one that comes between the bank's word and the line."""
    told = desk.tells([came(500, UTR, len(desk.rows) + 2)])
    desk.asks(500)
    (desk.meets if forged else desk.books)(told)


def asked_before(desk: BankDesk, forged: bool) -> None:
    """The row just before the bank's word is early enough."""
    told = desk.tells([came(500, UTR, desk.asks(500))])
    (desk.books if forged else desk.meets)(told)


def named_none(desk: BankDesk, forged: bool) -> None:
    """Nothing is guessed: an open request of that amount is not enough."""
    desk.asks(500)
    met(desk, came(500), meets=forged)


def reversed_(desk: BankDesk, forged: bool) -> None:
    line = came(500, UTR, desk.asks(500))
    line = Line(line.kind, 500, line.resolves, MIRROR, 0, UTR, b"", REVERSAL)
    flags = REVERSAL | CLAIM
    told = desk.tells([line])
    if forged:
        desk.meets(told, flags=flags | MATCHED)
    else:
        desk.books(told, flags=flags)


def credited(desk: BankDesk, forged: bool) -> None:
    """Two people have credited it by hand, under the bank's reference."""
    asked = desk.asks(500)
    desk.done(top_up(500, UTR))
    met(desk, came(500, UTR, asked), meets=forged)


def credited_later(desk: BankDesk, forged: bool) -> None:
    """What they credit behind it keeps nothing from the centre."""
    asked = desk.asks(500)
    met(desk, came(500, UTR, asked), meets=not forged)
    desk.done(top_up(500, NEXT))


def closed(desk: BankDesk, forged: bool) -> None:
    asked = desk.asks(500)
    desk.done(Line(Kind.CLOSE, debit=WALLET, reference=b"gone"))
    met(desk, came(500, UTR, asked), meets=forged)


def frozen(desk: BankDesk, forged: bool) -> None:
    """A frozen wallet is credited all the same."""
    asked = desk.asks(500)
    desk.stop()
    met(desk, came(500, UTR, asked), meets=not forged)


MATCHES: dict[str, Forgery] = {
    "kept from its centre": ("banks", KEPT, kept),
    "another amount": ("banks", OTHER, other_amount),
    "a second time": ("banks", "was met before", twice),
    "kept, behind another": ("banks", KEPT, kept_behind),
    "too old": ("banks", OTHER, old),
    "kept as too old": ("banks", KEPT, not_old),
    "another wallet": ("banks", "credits another wallet", other_wallet),
    "another centre's": ("banks", "credits another wallet", of_the_other),
    "what was refused": ("banks", OTHER, no_request),
    "what comes behind it": ("banks", OTHER, to_come),
    "what comes behind its proposal": ("banks", OTHER, to_come_before_it),
    "kept, just before that": ("banks", KEPT, asked_before),
    "what it does not name": ("banks", "it matches, and names nothing", named_none),
    "what is taken back": ("banks", "takes a line back", reversed_),
    "what was credited": ("banks", OTHER, credited),
    "kept, credited later": ("banks", KEPT, credited_later),
    "a closed wallet": ("accounts", "frozen or closed", closed),
    "for a closed wallet": ("banks", OTHER, closed),
    "kept from a frozen one": ("banks", KEPT, frozen),
}


# --- what a release meets -------------------------------------------------------------


def paid(amount: int) -> Tell:
    """A payout, and a line of this amount to the debit; forged where it fits not."""

    def tell(desk: BankDesk, forged: bool) -> None:
        line = went(amount, about=desk.pays(500))
        met(desk, line, meets=forged != (amount == 500))

    return tell


def paid_twice(desk: BankDesk, forged: bool) -> None:
    about = desk.pays(500)
    met(desk, went(500, about=about), meets=True)
    met(desk, went(500, b"OUT000000002", about), meets=forged)


def returned(desk: BankDesk, forged: bool) -> None:
    """What is returned to its remitter is released, too."""
    item = desk.told(came(500))
    about = desk.done(ends(item, WAITING, TRANSIT))
    met(desk, went(500, about=about), meets=not forged)


def no_release(desk: BankDesk, forged: bool) -> None:
    """What ends a debit is no release: nothing waits for another line of it."""
    item = desk.told(went(500))
    desk.fills(SETTLEMENT, 500)
    about = desk.done(ends(item, SETTLEMENT, TRANSIT))
    met(desk, went(500, b"OUT000000002", about), meets=forged)


def other_release(desk: BankDesk, forged: bool) -> None:
    """Nor one of another bank account."""
    desk.fills(SETTLEMENT, 500)
    line = Line(Kind.TRANSFER, 500, 0, SETTLEMENT, OTHER_TRANSIT, b"payout")
    met(desk, went(500, about=desk.done(line)), meets=forged)


def paid_back(desk: BankDesk, forged: bool) -> None:
    about = desk.pays(500).sequence
    line = Line(Kind.BOOKED, 500, about, 0, MIRROR, b"OUT000000001", b"", REVERSAL)
    flags = REVERSAL | CLAIM
    told = desk.tells([line])
    if forged:
        desk.meets(told, flags=flags | MATCHED)
    else:
        desk.books(told, flags=flags)


def paid_later(desk: BankDesk, forged: bool) -> None:
    """What is released behind the bank's word is not what that was of."""
    desk.fills(SETTLEMENT, 500)
    payout = Line(Kind.TRANSFER, 500, 0, SETTLEMENT, TRANSIT, b"payout")
    asked = desk.propose([payout])
    desk.approve(asked)
    told = desk.tells([went(500, about=len(desk.rows) + 2)])
    desk.do(asked)
    (desk.meets if forged else desk.books)(told)


RELEASES: dict[str, Forgery] = {
    "not met": ("banks", UNMET, paid(500)),
    "another amount": ("banks", ALIEN, paid(499)),
    "a second time": ("banks", "was met before", paid_twice),
    "a return not met": ("banks", UNMET, returned),
    "what ends a debit": ("banks", ALIEN, no_release),
    "another bank's": ("banks", ALIEN, other_release),
    "what is taken back": ("banks", "takes a line back", paid_back),
    "what was released later": ("banks", ALIEN, paid_later),
}


# --- a row of its own -----------------------------------------------------------------


def again(line: Line, other: Line) -> Tell:
    """One line told twice, and another one."""

    def tell(desk: BankDesk, forged: bool) -> None:
        desk.told(line)
        desk.books(desk.tells([line if forged else other]))

    return tell


def row(line: Line | None = None, **wrong: Any) -> Tell:
    """The row of a line, and in its place another one."""

    def tell(desk: BankDesk, forged: bool) -> None:
        told = desk.tells([line or came(500)])
        desk.books(told, **(wrong if forged else {}))

    return tell


def asleep(desk: BankDesk, forged: bool) -> None:
    told = desk.tells([came(500)])
    if not forged:
        desk.books(told)
    desk.done(register(bank_account(active=0)), debit=1, flags=UPDATE)
    if forged:
        desk.books(told)


def unregistered(desk: BankDesk, forged: bool) -> None:
    """An account of kind bank is not enough."""
    opened = [
        Line(Kind.OPEN, tail=bytes([1, 0, 0, 0, 64 + at, 0, 6 + at]) + bytes(25))
        for at in range(3)
    ]
    asked = desk.propose(opened)
    desk.approve(asked)
    for at in range(3):
        desk.do(asked, at, debit=13 + at)
    line = Line(Kind.BOOKED, 500, debit=13, reference=UTR)
    told = desk.tells([line if forged else came(500)])
    desk.do(told, credit=14 if forged else WAITING, flags=CLAIM | RECENT)


def written(**wrong: Any) -> Tell:
    """What the bank has written of a line, and something else."""

    def tell(desk: BankDesk, forged: bool) -> None:
        line = Line(Kind.BOOKED, 500, 0, MIRROR, 0, UTR, b'{"payer":"ALPHA"}')
        told = desk.tells([came(400, NEXT), line])
        desk.books(told, 0)
        desk.books(told, 1, **(wrong if forged else {}))

    return tell


def unwritten(desk: BankDesk, forged: bool) -> None:
    told = desk.tells([came(500)])
    desk.books(told, tail=b"{}" if forged else None)


def shaped(*wrong: Line) -> Tell:
    """Lines that a bank cannot have booked."""

    def tell(desk: BankDesk, forged: bool) -> None:
        desk.tells(wrong if forged else [came(500)])

    return tell


def differs(amount: int = 501, line: Line | None = None, **wrong: object) -> Tell:
    """A bank contradicts itself; or it does not."""

    def tell(desk: BankDesk, forged: bool) -> None:
        first = desk.told(came(500))
        other = line if line and forged else came(amount if forged else 501)
        told = desk.tells([other])
        said: dict[str, Any] = {"flags": other.flags, "credit": other.credit}
        said |= {"debit": other.debit, "result": R.BOOKED_DIFFERS}
        said |= {"total": first.sequence, **(wrong if forged else {})}
        desk.books(told, **said)

    return tell


def differs_alone(desk: BankDesk, forged: bool) -> None:
    """A line that nobody has told contradicts nothing."""
    first = desk.told(came(500))
    told = desk.tells([came(501)])
    said = {"credit": 0, "flags": 0, "total": first.sequence}
    one = desk.books(told, result=R.BOOKED_DIFFERS, **said)
    if forged:
        one.id = bytes(15) + b"\7"


def differs_asleep(desk: BankDesk, forged: bool) -> None:
    first = desk.told(came(500))
    told = desk.tells([came(501)])
    said = {"credit": 0, "flags": 0, "total": first.sequence}
    record = register(bank_account(active=0))
    if forged:
        desk.done(record, debit=1, flags=UPDATE)
    desk.books(told, result=R.BOOKED_DIFFERS, **said)


def bounded(more: Callable[[int, bytes], Line], *, back: int) -> Tell:
    """A bank says that it has, or lacks, as much as may be; and a paisa more, even if
    that is taken back at once.
    """

    def tell(desk: BankDesk, forged: bool) -> None:
        each, less = 10**17, came if more is went else went
        lines = [more(each, b"MUCH%08d" % at) for at in range(10)]
        rest = [more(1, b"MORE00000001")] if forged else []
        rest += [less(back, b"LESS00000001")] if back else []
        for part in (lines, rest) if rest else (lines,):
            desk.three(asked := desk.propose(part, flags=THIRD))
            for at in range(len(part)):
                desk.books(asked, at)

    return tell


BACK = Line(Kind.BOOKED, 500, 0, MIRROR, 0, UTR, b"", REVERSAL)
MUCH = "behind it its bank account has 1000000000000000001 paise"
CONTENT = "is not what proposal"
SHAPE = "has not the shape of a row"
WRITTEN = "what its bank has written is not what"
CONTRADICTS = "BOOKED_DIFFERS"
ROWS: dict[str, Forgery] = {
    "more than may be": ("banks", MUCH, bounded(came, back=0)),
    "less than may be": (
        "banks",
        "has -1000000000000000001 paise",
        bounded(went, back=0),
    ),
    "more for a moment": ("banks", MUCH, bounded(came, back=5)),
    "told twice": ("banks", "its line was booked by", again(came(500), went(500, UTR))),
    "told twice, not back": ("banks", "was booked by", again(came(500), BACK)),
    "told twice, of a debit": ("banks", "was booked by", again(went(5), came(5))),
    "another's suspense": ("banks", SIDES, row(credit=OTHER_WAITING)),
    "a wallet": ("banks", SIDES, row(credit=WALLET)),
    "another's transit": ("banks", SIDES, row(went(500), debit=OTHER_TRANSIT)),
    "from suspense": ("accounts", "kinds of accounts", row(went(500), debit=WAITING)),
    "to the transit": ("accounts", "kinds of accounts", row(credit=TRANSIT)),
    "to the float": ("accounts", "kinds of accounts", row(credit=FLOAT)),
    "no claim": ("banks", "does not claim its line", row(flags=0)),
    "an account asleep": ("banks", "is not active", asleep),
    "no bank account": ("banks", "is of no bank account", unregistered),
    "another amount": ("lines", CONTENT, row(amount=501)),
    "another reference": ("lines", CONTENT, row(reference=NEXT)),
    "another mirror": ("lines", CONTENT, row(debit=OTHER_MIRROR, credit=OTHER_WAITING)),
    "another side": ("lines", CONTENT, row(debit=TRANSIT, credit=MIRROR)),
    "another one named": ("lines", CONTENT, row(resolves=1)),
    "taken back": ("lines", CONTENT, row(flags=CLAIM | REVERSAL)),
    "no line": ("lines", "nobody has proposed it", row(total=0)),
    "something else written": ("lines", WRITTEN, written(tail=b'{"payer":"BETA"}')),
    "nothing written": ("lines", WRITTEN, written(tail=None)),
    "more written": ("lines", WRITTEN, unwritten),
    "too much written": ("tails", "is nothing, or too long", written(tail=bytes(1025))),
    "nothing, written": ("tails", "is nothing, or too long", written(tail=b"")),
    "both accounts": ("lines", SHAPE, shaped(Line(24, 5, 0, 6, 7, UTR))),
    "no account": ("lines", SHAPE, shaped(Line(24, 5, 0, 0, 0, UTR))),
    "a match": ("lines", SHAPE, shaped(Line(24, 5, 9, 6, 0, UTR, b"", MATCHED))),
    "a long word": ("lines", SHAPE, shaped(Line(24, 5, 0, 6, 0, UTR, bytes(1025)))),
    "no contradiction": ("refusals", CONTRADICTS, differs(500)),
    "of another line": ("refusals", CONTRADICTS, differs(line=came(501, NEXT))),
    "of another side": ("refusals", CONTRADICTS, differs(line=went(501, UTR))),
    "what was taken back": ("refusals", CONTRADICTS, differs(line=BACK, amount=501)),
    "of nothing": ("refusals", CONTRADICTS, differs(total=0)),
    "of an account asleep": ("refusals", "that is active", differs_asleep),
    "both filled in": ("refusals", "that is active", differs(credit=WAITING)),
    "by nobody": ("lines", "nobody has proposed it", differs_alone),
    "refused otherwise": (
        "refusals",
        "has a row only if that contradicts",
        differs(result=R.ACCOUNT_KIND_WRONG),
    ),
    "told already": (
        "fields",
        "is not one that leaves a row",
        differs(result=R.ALREADY_BOOKED),
    ),
}

FORGERIES = {
    f"{what}: {name}": forgery
    for what, forgeries in (
        ("request", MATCHES),
        ("release", RELEASES),
        ("row", ROWS),
    )
    for name, forgery in forgeries.items()
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


def test_many_lines_are_judged_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that several lines name are not parted."""
    monkeypatch.setattr("switch.audit.booked.TOGETHER", 3)
    # What was kept was judged without that.
    monkeypatch.setattr("tests.audit.again._kept", {})
    desk = BankDesk()
    for at in range(4):
        asked = desk.asks(500 + at)
        for number in range(4):
            line = came(500 + at, b"UTR00000%d%03d" % (at, number), asked)
            met(desk, line, meets=number == 0)
    assert desk.found(tmp_path / "right") == {}
    desk.rows[-1].flags |= MATCHED
    desk.rows[-1].credit = WALLET
    assert "was met before" in desk.found(tmp_path / "wrong")["banks"][0]
