"""Goal: statements of banks follow each other, add up, and list nothing that is not
booked; a bank's connection tells what its bank has booked, and nothing else.

Method: twins, as in `test_audit_people`: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right. Then a day with a bank.
"""

from pathlib import Path
from typing import Any

import pytest

from switch.codes import Kind, PersonRole, Result, Role, Source
from tests.audit.bank_story import (
    CHANNEL,
    DAY_ONE,
    EVIDENCE,
    OTHER_WALLET,
    TRANSIT,
    WAITING,
    BankDesk,
    Forgery,
    Tell,
    came,
    connection,
    ends,
    found_by_its_words,
    is_statement,
    number_of,
    stated,
    went,
)
from tests.audit.people_story import (
    DAY,
    MAKER,
    SECOND,
    START,
    SUSPENSE,
    TWO,
    UPDATE,
    keyed,
    register,
    top_up,
)
from tests.audit.test_audit_certificates import person as participant
from tests.signing import Line, PersonRecord, public_key

R = Result
THREE = 6
"""A third participant of the treasury."""


# --- statements -----------------------------------------------------------------------


def second(**said: object) -> Tell:
    """A second statement, which follows the first if nothing else is said."""

    def tell(desk: BankDesk, forged: bool) -> None:
        desk.states([came(500), went(200)])
        fields = {"opening": 300, "number": 2, **(said if forged else {})}
        desk.states([came(50, b"UTR000000009")], **fields)

    return tell


def in_pieces(desk: BankDesk, forged: bool) -> None:
    """What has too many lines for one proposal is told in several of its name."""
    desk.states([came(500), went(200)])
    opening = 0 if forged else 300
    desk.states([came(50, b"UTR000000009")], opening=opening)


def follows_other(desk: BankDesk, forged: bool) -> None:
    """Each bank account has a row of its own; a later day begins with 1 again."""
    desk.states([came(500)], number=7)
    bank = 1 if forged else 2
    line = came(50, b"UTR000000009")
    if not forged:
        line = Line(Kind.BOOKED, 50, debit=9, reference=b"UTR000000009")
    asked = desk.tells([line, stated([line], bank=bank, number=7)])
    desk.books(asked)
    desk.closes(asked, debit=bank, flags=UPDATE if forged else 0)
    days = (DAY_ONE + 1, DAY_ONE + 1)
    desk.states([], opening=500, days=days)


def by_people(**wrong: object) -> Tell:
    """What people have made of a file follows by its balance, whatever its day is."""

    def tell(desk: BankDesk, forged: bool) -> None:
        days = (DAY_ONE + 9, DAY_ONE + 9)
        desk.states([came(500)], days=days, number=9)
        lines = [came(50, b"UTR000000009")]
        fields: dict[str, Any] = {"opening": 500, **(wrong if forged else {})}
        said = stated(lines, **fields)
        asked = desk.propose([*lines, said])
        desk.approve(asked)
        desk.books(asked)
        desk.closes(asked)

    return tell


def stands(*, people: bool, lines: int = 0) -> Tell:
    """Two people say where an account stands, and the chain goes on from there; a
    bank's connection does not, nor do they with lines.
    """

    def tell(desk: BankDesk, forged: bool) -> None:
        desk.states([came(500)])
        some = [came(5, b"UTR00000000%d" % at) for at in range(lines * forged)]
        whole = [*some, stated(some, 9_000, number=2)]
        if people or not forged:
            asked = desk.propose(whole)
            desk.approve(asked)
        else:
            asked = desk.tells(whole)
        for at in range(len(some)):
            desk.books(asked, at)
        desk.closes(asked)
        closing = 9_000 + 5 * len(some)
        desk.states([came(50, b"UTR000000009")], opening=closing, number=2)

    return tell


def to_come(*, people: bool) -> Tell:
    """A day behind tomorrow, where a bank's clock may be ahead of ours."""

    def tell(desk: BankDesk, forged: bool) -> None:
        desk.now = (TODAY * DAY - IST) + 20 * 3600 * 10**9
        last = TODAY + 1 + forged
        lines = [came(500)]
        whole = [*lines, stated(lines, days=(DAY_ONE, last))]
        if people:
            asked = desk.propose(whole)
            desk.approve(asked)
        else:
            asked = desk.tells(whole)
        desk.books(asked)
        desk.closes(asked)

    return tell


def tomorrow_began(desk: BankDesk, forged: bool) -> None:
    """It is the day of the row, in India, and not that of its proposal."""
    midnight = (TODAY + 1) * DAY - IST
    desk.now = midnight - 10**9
    lines = [came(500)]
    asked = desk.tells([*lines, stated(lines, days=(DAY_ONE, TODAY + 2))])
    desk.books(asked)
    desk.now = midnight - forged
    desk.closes(asked)


def not_booked(desk: BankDesk, forged: bool) -> None:
    lines = [came(500), went(200)]
    asked = desk.tells([*lines, stated(lines)])
    desk.books(asked, 0)
    if not forged:
        desk.books(asked, 1)
    desk.closes(asked)


def booked_later(desk: BankDesk, forged: bool) -> None:
    lines = [came(500), went(200)]
    asked = desk.tells([*lines, stated(lines)])
    desk.books(asked, 0)
    if forged:
        desk.closes(asked)
    desk.books(asked, 1)
    if not forged:
        desk.closes(asked)


def told_before(desk: BankDesk, forged: bool) -> None:
    """By an advice, of the same amount."""
    desk.told(came(400 if forged else 500))
    lines = [came(500), went(200)]
    asked = desk.tells([*lines, stated(lines)])
    desk.books(asked, 1)
    desk.closes(asked)


def other_side(desk: BankDesk, forged: bool) -> None:
    """A line to the credit is none to the debit, whatever its reference."""
    desk.told(went(500, b"UTR000000001") if forged else came(500))
    lines = [came(500)]
    desk.closes(desk.tells([*lines, stated(lines)]))


def of_other_bank(desk: BankDesk, forged: bool) -> None:
    lines = [came(500)]
    asked = desk.tells([*lines, stated(lines, bank=2 if forged else 1)])
    desk.books(asked)
    desk.closes(asked, debit=2 if forged else 1)


def unplaced(**wrong: object) -> Tell:
    """The row of a statement, and one that says something else."""

    def tell(desk: BankDesk, forged: bool) -> None:
        lines = [came(500)]
        asked = desk.tells([*lines, stated(lines)])
        desk.books(asked)
        desk.closes(asked, **(wrong if forged else {}))

    return tell


def shaped(wrong: list[Line]) -> Tell:
    """A proposal with a statement that is none."""

    def tell(desk: BankDesk, forged: bool) -> None:
        right = [came(500), went(200), stated([came(500), went(200)])]
        desk.tells(wrong if forged else right)

    return tell


def by_csv(desk: BankDesk, forged: bool) -> None:
    """What two people make of a file is as good."""
    lines = [came(500)]
    whole = [*lines, stated(lines, source=Source.CSV)]
    asked = desk.propose(whole)
    if not forged:
        desk.approve(asked)
    desk.books(asked, checker=TWO)
    desk.closes(asked, checker=TWO)


TODAY = (START + DAY // 4) // DAY + 1
IST = 19_800 * 10**9
"""Before that a day of India's begins, ns."""
BOTH = [came(500), went(200)]
FAR = Line(Kind.BOOKED, 500, debit=9, reference=b"UTR000000001")
STATEMENTS: dict[str, Forgery] = {
    "a gap": ("banks", "it opens with 301", second(opening=301)),
    "a piece again": ("banks", "it opens with 0", in_pieces),
    "an earlier number": ("banks", "are before those of", second(number=0)),
    "an earlier day": (
        "banks",
        "are before those of",
        second(days=(DAY_ONE - 1, DAY_ONE - 1)),
    ),
    "a gap of a connection's": ("banks", "it opens with 9000", stands(people=False)),
    "a gap with lines": ("banks", "it opens with 9000", stands(people=True, lines=1)),
    "a gap by people": ("banks", "it opens with 501", by_people(opening=501)),
    "a day to come": ("banks", "is still to come", to_come(people=False)),
    "a day to come by people": ("banks", "is still to come", to_come(people=True)),
    "a day to come by then": ("banks", "is still to come", tomorrow_began),
    "behind another bank's": ("banks", "it opens with 0", follows_other),
    "a line that is not booked": ("banks", "1 of its lines were not", not_booked),
    "one booked behind it": ("banks", "1 of its lines were not", booked_later),
    "one of another amount": ("banks", "1 of its lines were not", told_before),
    "one of the other side": ("banks", "1 of its lines were not", other_side),
    "lines of another": ("banks", "are of another bank account", of_other_bank),
    "no proposal": ("banks", "is a line of a proposal", unplaced(total=0)),
    "an update of nothing": ("banks", "it is number 1", unplaced(flags=UPDATE)),
    "another's place": ("banks", "it is number 1", unplaced(debit=2)),
    "by one": ("lines", "was not approved by as many", by_csv),
    "another sum": (
        "lines",
        "does not come to its lines, 300 paise",
        shaped([*BOTH, stated(BOTH, closing=301)]),
    ),
    "fewer lines": (
        "lines",
        "has not as many lines as it says",
        shaped([*BOTH, stated(BOTH, lines_count=1)]),
    ),
    "lines behind it": (
        "lines",
        "is not the last",
        shaped([came(500), stated([came(500)]), went(200)]),
    ),
    "several accounts": (
        "lines",
        "is of several accounts",
        shaped([came(500), FAR, stated([came(500), FAR])]),
    ),
    "no source": ("lines", "or of no source", shaped([*BOTH, stated(BOTH, source=3)])),
    "no day": (
        "lines",
        "has days that are none",
        shaped([*BOTH, stated(BOTH, days=(0, 0))]),
    ),
    "days turned round": (
        "lines",
        "has days that are none",
        shaped([*BOTH, stated(BOTH, days=(DAY_ONE, DAY_ONE - 1))]),
    ),
    "a balance too large": (
        "lines",
        "has a balance beyond the bound",
        shaped([*BOTH, stated(BOTH, opening=10**18)]),
    ),
}


# --- a bank's connection --------------------------------------------------------------


def proposes(*lines: Line, **fields: object) -> Tell:
    """What a connection proposes, and in its place something else."""

    def tell(desk: BankDesk, forged: bool) -> None:
        if forged:
            desk.tells(lines or [came(500)], **fields)
        else:
            desk.tells([came(500)])

    return tell


def proposes_much(desk: BankDesk, forged: bool) -> None:
    """As much as may be at once, or a paisa more."""
    asked = desk.tells([came(10**15 - 1), went(1 + forged)])
    desk.books(asked)


def refused_much(desk: BankDesk, forged: bool) -> None:
    desk.now += DAY
    for _ in range(256):
        desk.tells([came(1)])
    line = came(10**15 + forged)
    desk.tells([line], flags=0, total=0, result=R.DAY_COUNT_EXCEEDED, key=None)
    row = desk.rows[-1]
    row.total, row.tail = 512, (row.tail or b"")[:-64]
    desk.sign(row)
    row.total = 0


def as_maker(desk: BankDesk, forged: bool) -> None:
    """Nobody else's word needs no approval."""
    asked = desk.propose([came(500)], MAKER, flags=EVIDENCE if forged else 0)
    if not forged:
        desk.approve(asked)
    desk.books(asked, checker=0 if forged else TWO)


def resigned(desk: BankDesk, forged: bool) -> None:
    asked = desk.tells([came(500)], key=99 if forged else None)
    desk.books(asked)


def gone(desk: BankDesk, forged: bool) -> None:
    """A connection that is switched off tells nothing."""
    record = connection(active=0)
    if forged:
        desk.off(record, 6)
    desk.tells([came(500)])
    if not forged:
        desk.off(record, 6)


def approved(desk: BankDesk, forged: bool) -> None:
    asked = desk.tells([came(500)])
    desk.approve(asked, result=R.OK if forged else R.PROPOSAL_NOT_FOUND)


def withdrawn(desk: BankDesk, forged: bool) -> None:
    asked = desk.tells([came(500), came(600, b"UTR000000002")])
    desk.books(asked, 0)
    said = {"resolves": asked.sequence, "reference": b"another bank's"}
    desk.signed(Kind.WITHDRAW, MAKER, **said)
    if forged:
        desk.books(asked, 1)


def late(desk: BankDesk, forged: bool) -> None:
    asked = desk.tells([came(500)])
    desk.now = asked.timestamp + 30 * DAY - (not forged)
    desk.books(asked)


def changed(desk: BankDesk, forged: bool) -> None:
    """One that has another key since says again what it wants to say."""
    asked = desk.tells([came(500)])
    if not forged:
        desk.books(asked)
    record = PersonRecord(*CHANNEL, public_key(77), PersonRole.CHANNEL, bank=1)
    desk.done(register(record.pack()), debit=6, flags=UPDATE)
    if forged:
        desk.books(asked)


def said_again(desk: BankDesk, forged: bool) -> None:
    """What it says behind the change is done."""
    early = desk.tells([came(500)])
    desk.done(register(connection()), debit=6, flags=UPDATE)
    asked = desk.tells([came(500)])
    desk.books(early if forged else asked)


def stopped(desk: BankDesk, forged: bool) -> None:
    """One that is switched off does nothing of what it has said before."""
    asked = desk.tells([came(500)])
    if not forged:
        desk.books(asked)
    desk.off(connection(active=0), 6)
    if forged:
        desk.books(asked)


def on_again(desk: BankDesk, forged: bool) -> None:
    """Nor when it is switched on again."""
    early = desk.tells([came(500)])
    desk.off(connection(active=0), 6)
    desk.done(register(connection()), debit=6, flags=UPDATE)
    asked = desk.tells([came(500)])
    desk.books(early if forged else asked)


def stopped_before_statement(desk: BankDesk, forged: bool) -> None:
    lines = [came(500)]
    asked = desk.tells([*lines, stated(lines)])
    desk.books(asked)
    if not forged:
        desk.closes(asked)
    desk.off(connection(active=0), 6)
    if forged:
        desk.closes(asked)


def stopped_before_refusal(desk: BankDesk, forged: bool) -> None:
    """What it contradicts then is nobody's word either."""
    first = desk.told(came(500))
    asked = desk.tells([came(501)])
    said = {"credit": 0, "flags": 0, "total": first.sequence}
    if not forged:
        desk.books(asked, result=R.BOOKED_DIFFERS, **said)
    desk.off(connection(active=0), 6)
    if forged:
        desk.books(asked, result=R.BOOKED_DIFFERS, **said)


def owner_stopped(desk: BankDesk, forged: bool) -> None:
    """While its participant takes no part, nor behind that."""
    who, record = (THREE, 33), participant(THREE, Role.TREASURY)
    desk.done(register(record), debit=THREE)
    desk.done(register(connection(who)), debit=7)
    asked = desk.propose([came(500), came(400, b"UTR000000002")], who, flags=EVIDENCE)
    if not forged:
        desk.books(asked)
    desk.off(participant(THREE, Role.TREASURY, active=0), THREE)
    if forged:
        desk.books(asked)


def owner_changed(desk: BankDesk, forged: bool) -> None:
    """Whoever changes its participant stops what it has said."""
    who, record = (THREE, 33), participant(THREE, Role.TREASURY)
    desk.done(register(record), debit=THREE)
    desk.done(register(connection(who)), debit=7)
    early = desk.propose([came(500)], who, flags=EVIDENCE)
    desk.done(register(record), debit=THREE, flags=UPDATE)
    asked = desk.propose([came(500)], who, flags=EVIDENCE)
    desk.books(early if forged else asked)


def others_changed(desk: BankDesk, forged: bool) -> None:
    """What is said of others is nothing to it."""
    asked = desk.tells([came(500)])
    desk.off(keyed(MAKER, PersonRole.MAKER, 0).pack(), 4)
    desk.books(asked, checker=TWO if forged else 0)


def names_checker(desk: BankDesk, forged: bool) -> None:
    desk.books(desk.tells([came(500)]), checker=TWO if forged else 0)


def channel_approves(desk: BankDesk, forged: bool) -> None:
    desk.approve(desk.propose([top_up(500)]), CHANNEL if forged else SECOND)


def channel_stops(desk: BankDesk, forged: bool) -> None:
    desk.stop(CHANNEL if forged else MAKER)


def channel_withdraws(desk: BankDesk, forged: bool) -> None:
    asked = desk.tells([came(500)])
    said = {"resolves": asked.sequence, "reference": b"mistaken"}
    desk.signed(Kind.WITHDRAW, CHANNEL if forged else MAKER, **said)


def refused_alien(desk: BankDesk, forged: bool) -> None:
    """What is refused was signed, and could be."""
    desk.now += DAY
    for _ in range(256):
        desk.tells([came(1)])
    line = top_up(500) if forged else came(1)
    desk.tells([line], flags=0, total=0, result=R.DAY_COUNT_EXCEEDED, key=None)
    row = desk.rows[-1]
    row.total, row.tail = 512, (row.tail or b"")[:-64]
    desk.sign(row)
    row.total = 0


STOPPED = "was stopped, or changed, before it"
MORE = "proposes more than its bank has booked"
SAYS = "whether a bank's connection has signed it"
CHANNELS: dict[str, Forgery] = {
    "a top-up": ("people", MORE, proposes(top_up(500))),
    "a top-up among others": ("people", MORE, proposes(came(500), top_up(500))),
    "what a file says": (
        "people",
        MORE,
        proposes(came(500), stated([came(500)], source=Source.CSV)),
    ),
    "a refund": (
        "people",
        MORE,
        proposes(came(500), total=int(Kind.REFUND), resolves=3, tail=None),
    ),
    "in nobody's name": ("people", SAYS, proposes(flags=0)),
    "with a third": ("people", "a third person is needed", proposes(flags=0x140)),
    "a maker's word": ("people", SAYS, as_maker),
    "done on a maker's": ("lines", "was not approved by as many", as_maker),
    "another key": ("people", "its signature is not", resigned),
    "done on another key's": ("lines", "nobody has proposed it", resigned),
    "switched off": ("people", "could not act then", gone),
    "approved": ("approvals", "which nobody approves", approved),
    "done though withdrawn": ("lines", "was withdrawn before it", withdrawn),
    "done after 30 days": ("lines", "was made 30 days or more before it", late),
    "one that was changed": ("lines", STOPPED, changed),
    "said before a change": ("lines", STOPPED, said_again),
    "one that was stopped": ("lines", STOPPED, stopped),
    "one that is on again": ("lines", STOPPED, on_again),
    "a statement behind it": ("lines", STOPPED, stopped_before_statement),
    "a refusal behind it": ("lines", STOPPED, stopped_before_refusal),
    "its owner stopped": ("lines", STOPPED, owner_stopped),
    "its owner changed": ("lines", STOPPED, owner_changed),
    "others changed": ("lines", "names another as who approved it", others_changed),
    "an approver": ("lines", "names another as who approved it", names_checker),
    "an approval": ("people", "may not do that", channel_approves),
    "a stop": ("people", "may not do that", channel_stops),
    "a withdrawal": ("people", "may not do that", channel_withdraws),
    "too much": ("people", "more money than it may", proposes_much),
    "too much, refused": ("people", "more money than it may", refused_much),
    "more, refused": ("people", MORE, refused_alien),
}

FORGERIES = {
    f"{what}: {name}": forgery
    for what, forgeries in (
        ("statement", STATEMENTS),
        ("connection", CHANNELS),
    )
    for name, forgery in forgeries.items()
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


def test_a_day_with_a_bank_passes(tmp_path: Path) -> None:
    """Advice, statement, requests, endings, releases, what contradicts itself."""
    desk = BankDesk()
    asked = desk.asks(700)
    assert len(number_of(asked)) == 16
    advice = desk.tells([came(700, b"UTR000000001", asked), came(30, b"UTR000000002")])
    met = desk.meets(advice, 0)
    item = desk.books(advice, 1)
    desk.done(ends(item, WAITING, OTHER_WALLET))
    paid = desk.pays(400)
    lines = [
        came(700, b"UTR000000001", asked),
        came(30, b"UTR000000002"),
        went(400, b"OUT000000001", paid),
        went(20, b"charges 1/1"),
    ]
    told = desk.tells([*lines, stated(lines)])
    desk.meets(told, 2)
    charge = desk.books(told, 3)
    desk.closes(told)
    desk.fills(SUSPENSE, 20)
    desk.done(ends(charge, SUSPENSE, TRANSIT))
    again = desk.tells([came(701, b"UTR000000001")])
    refused = desk.books(again, flags=0, credit=0, result=R.BOOKED_DIFFERS, total=0)
    refused.total = met.sequence
    desk.states([], opening=310, number=2)
    assert desk.found(tmp_path) == {}
    assert sum(is_statement(row) for row in desk.rows) == 2
