"""Goal: what the treasury does in a ledger with people is what they have approved, and
that once, in time, and with as many as it needs; whatever else is done is found.

Method: twins, as in `test_audit_people`; then a ledger without people, and
what has proposals of another kind.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from switch.audit.approvals import deed_id
from switch.codes import AccountKind, Budget, Kind, Record, Result, Role
from tests.audit.journal_story import STATED, service_record
from tests.audit.journal_writer import Row
from tests.audit.people_story import (
    BILLER,
    CENTRE,
    CHECKER,
    DAY,
    FIRST,
    FLOAT,
    HEAD,
    MAKER,
    ONE,
    SECOND,
    SUSPENSE,
    THIRD,
    THRESHOLDS,
    TWO,
    UNFREEZE,
    UPDATE,
    WALLET,
    Desk,
    keyed,
    numbers,
    of_people,
    register,
    top_up,
)
from tests.audit.test_audit_certificates import person as participant
from tests.audit.test_audit_people import Forgery, Tell
from tests.records import AccountRecord, LimitRecord, ParticipantRecord, budget, pins
from tests.signing import Line, ThresholdsRecord, lines_item

R = Result
ALONE = "nobody has proposed it"
OTHER = "it is not what proposal"
SHAPE = "has not the shape of a row"
THAW = Line(Kind.FREEZE, debit=WALLET, reference=b"cleared", flags=UNFREEZE)


def alone(line: Line, **fields: object) -> Tell:
    """One person does what two would have to want, and names nothing."""

    def tell(desk: Desk, forged: bool) -> None:
        third = of_people(line)
        asked = desk.propose([line], flags=THIRD if third else 0)
        for who in (SECOND, FIRST)[: 1 + third]:
            desk.approve(asked, who)
        desk.do(asked, 0, **({**fields, "total": 0} if forged else fields))

    return tell


def other(line: Line | None = None, **fields: object) -> Tell:
    """The row of a line differs from it in something."""

    def tell(desk: Desk, forged: bool) -> None:
        asked = desk.propose([line or top_up(500)])
        desk.approve(asked)
        desk.do(asked, 0, **(fields if forged else {}))

    return tell


def unapproved(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    if not forged:
        desk.approve(asked)
    desk.do(asked, checker=TWO)


def approved_behind(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    if forged:
        desk.do(asked, checker=TWO)
    desk.approve(asked)
    if not forged:
        desk.do(asked)


def third_skipped(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(1_001)], flags=THIRD)
    desk.approve(asked)
    if not forged:
        desk.approve(asked, CHECKER)
    desk.do(asked)


def first_named(desk: Desk, forged: bool) -> None:
    """The approver that a row names is the last that was needed."""
    asked = desk.propose([top_up(1_001)], flags=THIRD)
    desk.approve(asked)
    desk.approve(asked, FIRST)
    desk.do(asked, checker=TWO if forged else ONE)


def forged_approval(desk: Desk, forged: bool) -> None:
    """What stands on an approval that nobody has signed has none."""
    asked = desk.propose([top_up(500)])
    desk.approve(asked, key=99 if forged else None)
    desk.do(asked)


def forged_proposal(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)], key=99 if forged else None)
    desk.approve(asked)
    desk.do(asked)


def withdrawn(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    if forged:
        said = {"resolves": asked.sequence, "reference": b"mistaken"}
        desk.signed(Kind.WITHDRAW, FIRST, **said)
    else:
        desk.approve(asked)
    desk.do(asked, checker=TWO)


def late(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    approval = desk.approve(asked)
    desk.now = approval.timestamp + 30 * DAY - (not forged)
    desk.do(asked)


def twice(desk: Desk, forged: bool) -> None:
    asked = desk.propose([Line(Kind.TRANSFER, 500, 0, FLOAT, SUSPENSE, b"lent")])
    desk.approve(asked)
    for _ in range(1 + forged):
        desk.do(asked)


def twice_otherwise(desk: Desk, forged: bool) -> None:
    """Under another id a line is none."""
    asked = desk.propose([Line(Kind.TRANSFER, 500, 0, FLOAT, SUSPENSE, b"lent")])
    desk.approve(asked)
    desk.do(asked)
    if forged:
        desk.do(asked, id=bytes(15) + b"\1")


def beyond(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    desk.approve(asked)
    row = desk.do(asked)
    row.id = row.id[:12] + numbers(1 if forged else 0)


def exchanged(desk: Desk, forged: bool) -> None:
    """The second line under the id of the first."""
    asked = desk.propose([top_up(500), top_up(600, b"UTR-2")])
    desk.approve(asked)
    rows = [desk.do(asked, 0), desk.do(asked, 1)]
    if forged:
        rows[0].id, rows[1].id = rows[1].id, rows[0].id


def of_another(desk: Desk, forged: bool) -> None:
    """A row names another proposal, which was approved."""
    asked = desk.propose([top_up(500)])
    mine = desk.propose([top_up(900)])
    desk.approve(asked)
    desk.do(mine if forged else asked, total=asked.sequence, checker=TWO)


def of_no_lines(desk: Desk, forged: bool) -> None:
    """A row names what is no proposal of lines."""
    asked = desk.propose([top_up(500)])
    approval = desk.approve(asked)
    desk.do(asked, total=(approval if forged else asked).sequence)


def undoes_stop(desk: Desk, forged: bool) -> None:
    """What was proposed before a stop does not undo it."""
    active = register(participant(CENTRE, Role.CENTRE))
    early = desk.propose([active])
    desk.approve(early)
    desk.off(participant(CENTRE, Role.CENTRE, 0), CENTRE)
    asked = desk.propose([active])
    desk.approve(asked)
    desk.do(early if forged else asked, debit=CENTRE, flags=UPDATE)


def undoes_person(desk: Desk, forged: bool) -> None:
    """Nor does it make a person of one who was switched off."""
    early = desk.propose([register(keyed(CHECKER).pack())], flags=THIRD)
    for who in (SECOND, FIRST):
        desk.approve(early, who)
    desk.off(keyed(CHECKER, active=0).pack(), 3)
    asked = desk.propose([register(keyed(CHECKER).pack())])
    desk.approve(asked)
    desk.now += 7 * DAY
    desk.do(early if forged else asked, debit=3, flags=UPDATE)


def undoes_freeze(desk: Desk, forged: bool) -> None:
    """Nor does it thaw what was frozen since."""
    early = desk.propose([THAW])
    desk.approve(early)
    desk.stop()
    asked = desk.propose([THAW])
    desk.approve(asked)
    desk.do(early if forged else asked)


def undoes_thresholds(desk: Desk, forged: bool) -> None:
    """Nor do thresholds come back that others have replaced since."""
    higher, lower = ThresholdsRecord(2_000, 5_000, 9_000), THRESHOLDS
    asked = [
        desk.propose([register(one.pack())], flags=THIRD) for one in (higher, lower)
    ]
    for one in asked:
        desk.approve(one)
        desk.approve(one, CHECKER)
    desk.do(asked[1] if forged else asked[0], debit=1, flags=UPDATE)
    if forged:
        desk.do(asked[0], debit=1, flags=UPDATE)


def speaks_twice(desk: Desk, forged: bool) -> None:
    """One proposal speaks of each once."""
    lines = [
        register(participant(5, Role.TREASURY)),
        register(participant(5 if forged else 6, Role.TREASURY)),
    ]
    asked = desk.propose(lines)
    desk.approve(asked)
    desk.do(asked, debit=5)
    flags = UPDATE if forged else 0
    desk.do(asked, 1, debit=5 if forged else 6, flags=flags)


def stops_by_line(desk: Desk, forged: bool) -> None:
    """A stop that is a line needs no signature; one that names nobody's needs one."""
    asked = desk.propose([Line(Kind.FREEZE, debit=WALLET, reference=b"suspected")])
    desk.approve(asked)
    desk.do(asked, 0, **({"total": 0} if forged else {}))


def self_made(desk: Desk, forged: bool) -> None:
    """A second person, made by the first alone."""
    line = register(keyed((ONE, 13)).pack())
    asked = desk.propose([line], FIRST, flags=THIRD)
    for who in (SECOND, FIRST if forged else CHECKER):
        desk.approve(asked, who)
    desk.do(asked, debit=6)


def shaped(*wrong: Line, **fields: object) -> Tell:
    """A proposal whose lines have not the shape of rows."""

    def tell(desk: Desk, forged: bool) -> None:
        lines = wrong if forged else [top_up(500)]
        desk.propose(lines, MAKER, **(fields if forged else {}))

    return tell


def item(change: Callable[[bytes], bytes]) -> Tell:
    """Its item is not whole."""

    def tell(desk: Desk, forged: bool) -> None:
        lines = [register(THRESHOLDS.pack() + b"{}"), top_up(500)]
        tail = lines_item(lines)
        desk.propose(lines, tail=change(tail) if forged else tail, flags=THIRD)

    return tell


TREASURY = register(participant(5, Role.TREASURY))
LINES: dict[str, Forgery] = {
    "a top-up": ("lines", ALONE, alone(top_up(500))),
    "a transfer": (
        "lines",
        ALONE,
        alone(Line(Kind.TRANSFER, 500, 0, FLOAT, SUSPENSE, b"lent")),
    ),
    "an account": (
        "lines",
        ALONE,
        alone(
            Line(Kind.OPEN, tail=AccountRecord(BILLER, 1, AccountKind.BILLER).pack()),
            debit=6,
        ),
    ),
    "a limit": (
        "lines",
        ALONE,
        alone(Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(5, 5).pack())),
    ),
    "an unfreezing": ("lines", ALONE, alone(THAW)),
    "a closing": (
        "lines",
        ALONE,
        alone(Line(Kind.CLOSE, debit=HEAD, reference=b"gone")),
    ),
    "a participant": ("lines", ALONE, alone(TREASURY, debit=5)),
    "a person": ("lines", ALONE, alone(register(keyed((TWO, 29)).pack()), debit=6)),
    "thresholds": (
        "lines",
        ALONE,
        alone(register(budget(CENTRE, Budget.CALLS, 9)), debit=1),
    ),
    "pins": ("lines", ALONE, alone(register(pins(CENTRE, b"\2" * 32)), debit=1)),
    "not approved": ("lines", "was not approved by as many", unapproved),
    "approved behind it": ("lines", "was approved after it", approved_behind),
    "the third skipped": ("lines", "was not approved by as many", third_skipped),
    "the first of two named": ("lines", "it names another as who", first_named),
    "on a forged approval": ("lines", "was not approved by as many", forged_approval),
    "on a forged proposal": ("lines", ALONE, forged_proposal),
    "withdrawn": ("lines", "was not approved by as many", withdrawn),
    "after 30 days": ("lines", "was approved 30 days or more before it", late),
    "twice": ("lines", "was done before", twice),
    "twice, by another id": ("lines", "is that of no line", twice_otherwise),
    "beyond the last line": ("lines", "is that of no line", beyond),
    "under another's id": ("lines", OTHER, exchanged),
    "another proposal's line": ("lines", "is that of no line", of_another),
    "what is no proposal": ("lines", ALONE, of_no_lines),
    "another amount": ("lines", OTHER, other(amount=501)),
    "another wallet": ("lines", OTHER, other(credit=HEAD)),
    "another reference": ("lines", OTHER, other(reference=b"UTR-2")),
    "another row spoken of": ("lines", OTHER, other(resolves=1)),
    "another operator": ("lines", OTHER, other(operator_=11)),
    "another participant": ("lines", OTHER, other(participant=TWO)),
    "another approver": ("lines", "it names another as who", other(checker=ONE)),
    "a basket": ("lines", OTHER, other(basket=0x0200)),
    "a service": ("lines", OTHER, other(service=1)),
    "frozen, not unfrozen": ("lines", OTHER, other(THAW, flags=0)),
    "another limit": (
        "lines",
        OTHER,
        other(
            Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(5, 5).pack()),
            tail=LimitRecord(6, 5).pack(),
        ),
    ),
    "another limit's wallet": (
        "lines",
        OTHER,
        other(Line(Kind.CLOSE, debit=HEAD, reference=b"gone"), debit=WALLET),
    ),
    "a stop undone": ("lines", "a newer row speaks of the same", undoes_stop),
    "a person made again": ("lines", "a newer row speaks of the same", undoes_person),
    "a freeze undone": ("lines", "a newer row speaks of the same", undoes_freeze),
    "old thresholds": ("lines", "a newer row speaks of the same", undoes_thresholds),
    "one spoken of twice": ("lines", "a newer row speaks of the same", speaks_twice),
    "a stop that names nothing": ("people", "nobody has signed it", stops_by_line),
    "a second person": ("lines", "was not approved by as many", self_made),
    "other amounts in sum": ("lines", "come to 500", shaped(top_up(500), amount=499)),
    "it names a row": ("lines", "it has lines", shaped(top_up(500), resolves=3)),
    "no lines": ("lines", "its lines are not whole", shaped(amount=5)),
    "too many lines": (
        "lines",
        "its lines are not whole",
        shaped(*[Line(Kind.CLOSE, debit=HEAD, reference=b"gone")] * 8_001),
    ),
    "a payment": ("lines", SHAPE, shaped(Line(Kind.PAY, 5, reference=b"A"))),
    "a refund": ("lines", SHAPE, shaped(Line(Kind.REFUND, 5))),
    "no money": ("lines", SHAPE, shaped(Line(Kind.TOP_UP, 0, reference=b"A"))),
    "money that moves none": (
        "lines",
        SHAPE,
        shaped(Line(Kind.CLOSE, 5, debit=HEAD, reference=b"A")),
    ),
    "flags": ("lines", SHAPE, shaped(Line(Kind.TOP_UP, 5, reference=b"A", flags=2))),
    "no reason": ("lines", SHAPE, shaped(Line(Kind.CLOSE, debit=HEAD))),
    "a digest": (
        "lines",
        SHAPE,
        shaped(Line(Kind.REGISTER, reference=b"A", tail=THRESHOLDS.pack())),
    ),
    "a tail": ("lines", SHAPE, shaped(Line(Kind.TOP_UP, 5, reference=b"A", tail=b"A"))),
    "no record": ("lines", "no account's", shaped(Line(Kind.OPEN))),
    "a record of nothing": ("lines", "has not the form", shaped(Line(Kind.LIMIT))),
    "a revocation": (
        "lines",
        "is none that a line may have",
        shaped(register(bytes([Record.REVOCATION]) + bytes(63))),
    ),
    "a person's record": (
        "lines",
        "is of no role",
        shaped(register(keyed((TWO, 29), 9).pack())),
    ),
    "a participant's record": (
        "lines",
        "has a wrong active",
        shaped(register(participant(5, Role.TREASURY, 2)), flags=0),
    ),
    "cut off": ("lines", "its lines are not whole", item(lambda tail: tail[:-1])),
    "more behind them": ("lines", "are not whole", item(lambda tail: tail + bytes(8))),
    "a word that says nothing": (
        "lines",
        "are not whole",
        item(lambda tail: tail[:4] + b"\1" + tail[5:]),
    ),
    "a gap": (
        "lines",
        "are not whole",
        item(lambda tail: tail[: 8 + 64 + 39] + b"\1" + tail[8 + 64 + 40 :]),
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = LINES[name]
    right, wrong = Desk(), Desk()
    tell(right, False)
    tell(wrong, True)
    assert right.found(tmp_path / "right") == {}
    found = wrong.found(tmp_path / "wrong")
    assert any(text in one for one in found.get(check, [])), found


def test_without_people_nothing_is_a_line(tmp_path: Path) -> None:
    desk = Desk(people=False)
    row = desk.add(Kind.OPEN, participant=ONE, debit=1)
    row.tail = AccountRecord(ONE, 0, AccountKind.FLOAT).pack()
    row = desk.add(Kind.OPEN, participant=ONE, debit=2)
    row.tail = AccountRecord(CENTRE, 0, AccountKind.WALLET).pack()
    said = {"debit": 1, "credit": 2, "amount": 500, "reference": b"UTR-1"}
    row = desk.add(Kind.TOP_UP, participant=ONE, flags=2, **said)
    assert desk.found(tmp_path / "right") == {}
    row.total = 3
    found = desk.found(tmp_path / "wrong")
    assert list(found) == ["lines"]
    assert "it names a proposal of nobody" in found["lines"][0]


def paying(desk: Desk) -> Row:
    """A payment that can be refunded."""
    may_state = ParticipantRecord(b"person-%d" % CENTRE, Role.CENTRE)
    desk.done(register(may_state.pack()), debit=CENTRE, flags=UPDATE)
    desk.done(register(service_record(1, 1, 1, BILLER, [HEAD], {})), debit=1)
    asked = desk.propose([top_up(5_000)], flags=THIRD)
    desk.approve(asked)
    desk.approve(asked, CHECKER)
    desk.do(asked)
    said = {"debit": WALLET, "credit": HEAD, "amount": 4_000, "service": 1}
    said |= {"participant": CENTRE, "operator_": 5, "receipt": 1, "flags": STATED}
    return desk.add(Kind.PAY, reference=b"BILL-1", **said)


@pytest.mark.parametrize("forged", [False, True])
def test_a_refund_may_need_three(tmp_path: Path, forged: bool) -> None:
    desk = Desk()
    payment = paying(desk)
    said = {"resolves": payment.sequence, "amount": 2_000, "tail": None}
    asked = desk.propose([], MAKER, total=int(Kind.REFUND), flags=THIRD, **said)
    desk.approve(asked)
    if not forged:
        desk.approve(asked, CHECKER)
    desk.add(
        Kind.REFUND,
        id=deed_id(asked.id),
        resolves=payment.sequence,
        amount=2_000,
        debit=HEAD,
        credit=WALLET,
        reference=payment.reference,
        service=1,
        participant=ONE,
        checker=TWO,
        total=2_000,
        flags=STATED,
    )
    found = desk.found(tmp_path)
    assert list(found) == (["approvals"] if forged else [])


def test_a_correction_is_no_line(tmp_path: Path) -> None:
    """It has a proposal of its own, of total 8."""
    desk = Desk()
    payment = paying(desk)
    line = Line(Kind.TRANSFER, 500, payment.sequence, WALLET, HEAD, b"credited")
    asked = desk.propose([line])
    desk.approve(asked)
    desk.do(asked)
    assert "approvals" in desk.found(tmp_path)
