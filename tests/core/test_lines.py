"""Goal: what the treasury does in a ledger with people is just what one person has
proposed and another approved; once, in whatever requests it comes.

Method: proposals of lines by hand: their shape, and each way in which a row may differ
from its line.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import (
    AMOUNT_MAX,
    PROPOSAL_LIFE_NS,
    PROPOSE_LINES,
    AccountKind,
    Field,
    Kind,
    Record,
    Result,
    RowFlag,
)
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    CENTRE,
    FLOAT,
    GAMMA,
    HEAD,
    MAKER,
    OK,
    SETTLEMENT,
    SUSPENSE,
    WALLET,
    Asked,
    Council,
    Person,
    approved,
    no_row,
    participant,
    register,
    top_up,
)
from tests.records import (
    AccountRecord,
    LimitRecord,
    Row,
    ServiceRecord,
    budget,
    margin,
    pins,
    revocation,
)
from tests.signing import Line, ThresholdsRecord

NOT_SIGNED, NOT_APPROVED = Result.NOT_SIGNED, Result.NOT_APPROVED
INVALID_RECORD = Result.INVALID_RECORD
LINES_MAX = 8_000
ITEM_MAX = 2_600_000
IST_NS = 19_800 * 10**9


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    made = Council(tmp_path / "ledger").begin(GAMMA, MAKER)
    yield made
    made.close()


# --- what may be proposed ------------------------------------------------------------

EVERY = [
    Line(Kind.OPEN, tail=AccountRecord(3, 9, AccountKind.SUSPENSE).pack() + b"{}"),
    register(participant(3, may_state_dues=0) + b'{"name":"c"}'),
    register(ServiceRecord(b"WATER", BILLER, (HEAD,)).pack()),
    register(pins(CENTRE, b"p" * 32)),
    register(budget(CENTRE, 8, 99)),
    register(Person(3, 5, 50).record()),
    register(ThresholdsRecord(10**12, 10**13, 10**14).pack()),
    top_up(1_000, b"UTR 1"),
    Line(Kind.TRANSFER, 400, debit=WALLET, credit=SUSPENSE, reference=b"a mistake"),
    Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(1_000, 10).pack()),
    Line(Kind.FREEZE, debit=SUSPENSE, reference=b"lost"),
    Line(Kind.FREEZE, debit=WALLET, reference=b"found", flags=RowFlag.UNFREEZE),
    Line(Kind.CLOSE, debit=HEAD, reference=b"gone"),
]


def test_every_kind_of_line_is_done(council: Council) -> None:
    asked = council.propose(MAKER, *EVERY)
    row = council.ledger.row(asked.sequence)
    assert (row.total, row.amount) == (PROPOSE_LINES, 1_400)
    # One of them is of a person, and three may approve.
    assert row.flags == RowFlag.TAIL | RowFlag.THIRD
    for number in range(len(EVERY)):
        no_row(council, council.commit(council.line(asked, number, ALPHA))[0], 23)
    assert council.have_approved(asked, GAMMA, ALPHA) == ALPHA
    before = council.ledger.sequence
    told = council.lines(asked, len(EVERY), ALPHA)
    assert [each.result for each in told] == [OK] * len(EVERY)
    for number, sequence in enumerate(range(before + 1, before + 1 + len(EVERY))):
        done = council.ledger.row(sequence)
        assert (done.total, done.checker) == (asked.sequence, ALPHA.participant)
        assert (done.participant, done.operator) == (2, MAKER.number)
        assert done.kind == EVERY[number].kind
    assert council.balance(WALLET) == 600
    assert council.ledger.thresholds() == (10**12, 10**13, 10**14)
    # Sent again they are known; in another order, too.
    again = council.commit(
        *(council.line(asked, n, ALPHA) for n in reversed(range(len(EVERY))))
    )
    assert [each.repeat for each in again] == [1] * len(EVERY)
    assert [each.sequence for each in again] == [each.sequence for each in told][::-1]


def test_what_settles_a_window(council: Council) -> None:
    council.do(
        top_up(900, b"UTR"),
        Line(Kind.TRANSFER, 300, debit=WALLET, credit=HEAD, reference=b"late bill"),
    )
    told = council.ask(Kind.WINDOW, who=ALPHA, id=bytes(16))
    line = Line(Kind.SETTLE, 300, told.sequence, HEAD, SETTLEMENT)
    # Without a proposal, with one of another amount, with its own.
    row = council.row(
        Kind.SETTLE, amount=300, resolves=told.sequence, debit=HEAD, credit=SETTLEMENT
    )
    no_row(council, council.commit(row)[0], NOT_APPROVED)
    assert council.do(line)[0].result == OK


FORMS = {
    "nothing": b"",
    "no line": struct.pack("<II", 0, 0) + bytes(64),
    "a count that is too high": struct.pack("<II", 2, 0),
    "a count that is too low": struct.pack("<II", 0, 0),
    "beyond all bounds": struct.pack("<II", 2**32 - 1, 0),
    "reserved": struct.pack("<II", 1, 1),
}
ONE = top_up(5, b"UTR").pack()


@pytest.mark.parametrize("name", FORMS)
def test_an_item_that_is_no_list(council: Council, name: str) -> None:
    item = FORMS[name]
    if 0 < len(item) <= 8:
        item += ONE + bytes(64)
    row = council.row(
        Kind.PROPOSE,
        who=None,
        amount=5,
        reference=b"x",
        total=PROPOSE_LINES,
        operator_=ALPHA.number,
        tail=item or None,
    )
    no_row(council, council.commit(row)[0], INVALID_RECORD)


@pytest.mark.parametrize("size", [1, 7, 8, 63, 64, 71, 72, 73, 135, 199, 207, 209, 216])
def test_an_item_that_is_cut_or_too_long(council: Council, size: int) -> None:
    item = (struct.pack("<II", 2, 0) + 2 * ONE + bytes(80))[:size]
    row = council.row(
        Kind.PROPOSE,
        amount=10,
        reference=b"x",
        total=PROPOSE_LINES,
        operator_=ALPHA.number,
        tail=item,
    )
    no_row(council, council.commit(row)[0], INVALID_RECORD)


WRONG_LINES: list[Line | bytes] = [
    Line(Kind.PAY, 5, debit=WALLET, credit=HEAD, reference=b"x"),
    Line(Kind.REFUND, 5),
    Line(Kind.PROPOSE, 5, reference=b"x"),
    Line(Kind.SHIFT, tail=bytes(64)),
    Line(Kind.WINDOW),
    Line(0),
    Line(255),
    top_up(0, b"UTR"),
    top_up(AMOUNT_MAX + 1, b"UTR"),
    top_up(5, b""),
    top_up(5, b" UTR"),
    top_up(5, b"UTR\n"),
    Line(Kind.TOP_UP, 5, debit=FLOAT, credit=WALLET, reference=b"U", tail=b"x"),
    Line(Kind.TOP_UP, 5, debit=FLOAT, credit=WALLET, reference=b"U", flags=0x10),
    Line(Kind.FREEZE, debit=WALLET, reference=b"lost", flags=0x01),
    Line(Kind.FREEZE, debit=WALLET, reference=b"lost", flags=0x30),
    Line(Kind.FREEZE, 1, debit=WALLET, reference=b"lost"),
    Line(Kind.FREEZE, debit=WALLET),
    Line(Kind.CLOSE, debit=WALLET, reference=b"lost", flags=0x10),
    Line(Kind.SETTLE, 5, 1, HEAD, SETTLEMENT, b"x"),
    Line(Kind.SETTLE, 0, 1, HEAD, SETTLEMENT),
    Line(Kind.LIMIT, debit=WALLET),
    Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(1, 1).pack()[:15]),
    Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(1, 1).pack(), reference=b"x"),
    Line(Kind.OPEN, tail=AccountRecord(1, 1, 9).pack()),
    Line(Kind.OPEN),
    Line(Kind.REGISTER),
    register(participant(3)[:63]),
    register(bytes([Record.CLOCK]) + b"{}"),
    register(bytes([Record.RULES, 0, 0, 0, 8, 0, 0, 0])),
    register(margin(60_000)),
    register(revocation(3, b"a" * 32, b"7")),
    register(bytes([Record.CONFIRMATION, 0, 0, 0, 1, 0, 0, 0])),
    register(bytes([11]) + bytes(80)),
    register(bytes([15]) + bytes(80)),
    register(participant(3) + b" " * (65_537 - 64)),
    top_up(5, b"UTR").pack()[:1] + b"\1" + top_up(5, b"UTR").pack()[2:],
    register(participant(3) + b"x").pack()[:-1] + b"\1",
]


@pytest.mark.parametrize("line", WRONG_LINES, ids=range(len(WRONG_LINES)))
def test_a_line_without_the_shape_of_its_row(
    council: Council, line: Line | bytes
) -> None:
    packed = line if isinstance(line, bytes) else line.pack()
    for before, behind in ((b"", b""), (ONE, b""), (b"", ONE)):
        count = 1 + bool(before) + bool(behind)
        item = struct.pack("<II", count, 0) + before + packed + behind
        amount = 5 * (count - 1) + struct.unpack_from("<Q", packed, 8)[0]
        row = council.row(
            Kind.PROPOSE,
            who=ALPHA,
            amount=amount,
            reference=b"x",
            total=PROPOSE_LINES,
            tail=item,
        )
        told = council.commit(row)[0]
        no_row(council, told, 3 if amount > AMOUNT_MAX else INVALID_RECORD)


def test_a_proposal_says_the_sum_of_its_lines(council: Council) -> None:
    lines = [top_up(5, b"UTR1"), top_up(6, b"UTR2")]
    for amount in (0, 5, 6, 10, 12):
        row = council.proposal(ALPHA, lines, amount=amount)
        no_row(council, council.commit(row)[0], INVALID_RECORD)
    row = council.proposal(ALPHA, lines, resolves=1)
    no_row(council, council.commit(row)[0], INVALID_RECORD)
    # A sum that is beyond 64 bits, or beyond an amount.
    for count in (2, 19):
        lines = [top_up(AMOUNT_MAX, b"UTR%d" % n) for n in range(count)]
        total = count * AMOUNT_MAX % 2**64
        row = council.proposal(ALPHA, lines, amount=total)
        told = council.commit(row)[0]
        assert told.result in (Result.INVALID_AMOUNT, INVALID_RECORD)
        assert told.sequence == 0
    # Nothing is 0 paise, and one line may be all.
    council.propose(ALPHA, Line(Kind.FREEZE, debit=WALLET, reference=b"lost"))
    council.propose(ALPHA, top_up(AMOUNT_MAX, b"ALL"))


def test_no_lines_without_people(tmp_path: Path) -> None:
    council = Council(tmp_path / "ledger")
    council.ask(Kind.REGISTER, tail=participant(1))
    row = council.proposal(ALPHA, [top_up(5, b"UTR")])
    no_row(council, council.commit(row)[0], NOT_SIGNED)
    row = council.proposal(ALPHA, [top_up(5, b"UTR")], amount=4)
    no_row(council, council.commit(row)[0], INVALID_RECORD)
    assert council.ask(Kind.OPEN, tail=AccountRecord(1, 0, 3).pack()).result == OK
    council.close()


# --- the row of a line ---------------------------------------------------------------


def test_a_row_is_its_line_and_no_other(council: Council) -> None:
    lines = [
        top_up(5, b"UTR1"),
        Line(Kind.FREEZE, debit=WALLET, reference=b"lost", flags=RowFlag.UNFREEZE),
        Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(1_000, 10).pack() + b"{}"),
        Line(Kind.OPEN, tail=AccountRecord(3, 9, AccountKind.SUSPENSE).pack()),
    ]
    asked = approved(council, *lines)
    other = approved(council, *lines)
    changes: list[tuple[int, str, object]] = [
        (0, "amount", 6),
        (0, "resolves", 1),
        (0, "debit", SUSPENSE),
        (0, "credit", SUSPENSE),
        (0, "reference", b"UTR2"),
        (0, "operator_", GAMMA.number),
        (0, "participant", 2),
        (0, "checker", 1),
        (0, "checker", 0),
        (0, "service", 1),
        (0, "flags", RowFlag.UNFREEZE),
        (0, "flags", 0x1000),
        (0, "flags", 0x0200),
        (0, "total", other.sequence),
        (0, "total", asked.sequence - 1),
        (0, "total", asked.sequence + 1),
        (0, "total", 2**64 - 1),
        (0, "total", 0),
        (0, "tail", b"x"),
        (0, "id", council.line(asked, 1, BETA).id),
        (0, "id", council.line(asked, 0, BETA).id[:12] + b"\4\0\0\0"),
        (0, "id", council.line(asked, 0, BETA).id[:12] + b"\xff\xff\xff\xff"),
        (0, "id", council.line(other, 0, BETA).id),
        (0, "kind", Kind.TRANSFER),
        (1, "flags", 0),
        (2, "tail", LimitRecord(1_001, 10).pack() + b"{}"),
        (2, "tail", LimitRecord(1_000, 10).pack() + b"{ }"),
        (2, "tail", LimitRecord(1_000, 10).pack()),
        (3, "debit", 1),
        (3, "credit", 1),
    ]
    for number, name, value in changes:
        row = council.line(asked, number, BETA)
        setattr(row, name, value)
        # One that would be a stop says by `total` that it is the row of a line.
        no_row(council, council.commit(row)[0], NOT_APPROVED)
    told = council.lines(asked, 4, BETA)
    assert [each.result for each in told] == [OK] * 4
    # The id is taken now.
    row = council.line(asked, 0, BETA)
    row.amount = 6
    [told_again] = council.commit(row)
    assert (told_again.result, told_again.field) == (Result.ID_REUSED, Field.AMOUNT)


def test_what_a_line_meets_leaves_no_row(council: Council) -> None:
    asked = approved(
        council,
        Line(Kind.TRANSFER, 400, debit=WALLET, credit=SUSPENSE, reference=b"back"),
        top_up(400, b"UTR"),
        top_up(1, b"UTR"),
    )
    told = council.lines(asked, 3, BETA)
    assert [each.result for each in told] == [
        Result.INSUFFICIENT_FUNDS,
        OK,
        Result.UTR_ALREADY_CREDITED,
    ]
    assert [each.sequence > 0 for each in told] == [False, True, False]
    assert told[2].other == told[1].sequence
    told = council.lines(asked, 2, BETA)
    assert [(each.result, each.repeat) for each in told] == [(OK, 0), (OK, 1)]


def test_a_line_may_be_done_for_thirty_days(council: Council) -> None:
    asked = approved(council, top_up(5, b"UTR1"), top_up(6, b"UTR2"))
    council.now = council.ledger.row(council.ledger.sequence).timestamp
    [done] = council.commit(council.line(asked, 0, BETA), ns=PROPOSAL_LIFE_NS - 1)
    assert done.result == OK
    told = council.commit(council.line(asked, 1, BETA), ns=1)
    no_row(council, told[0], NOT_APPROVED)
    # What was done has its answer for ever.
    assert council.commit(council.line(asked, 0, BETA))[0].repeat == 1


def test_what_is_withdrawn_is_not_done(council: Council) -> None:
    asked = council.propose(ALPHA, top_up(5, b"UTR"))
    assert council.withdraw(ALPHA, asked).result == OK
    no_row(council, council.commit(council.line(asked, 0, BETA))[0], NOT_APPROVED)


def test_approval_and_lines_in_one_request(council: Council) -> None:
    row = council.proposal(ALPHA, [top_up(5, b"UTR1"), top_up(6, b"UTR2")])
    asked = Asked(row, council.ledger.sequence + 1, ALPHA)
    approval = council.approval(BETA, asked)
    lines = [council.line(asked, number, BETA) for number in (1, 0)]
    told = council.commit(lines[0], row, lines[1], approval, *lines)
    assert [each.result for each in told] == [
        NOT_APPROVED,
        OK,
        NOT_APPROVED,
        OK,
        OK,
        OK,
    ]


def test_a_line_is_no_other_proposals(council: Council) -> None:
    """Ids follow from the proposal's, and the same id of two persons is two."""
    id_ = council.id()
    one = council.propose(ALPHA, top_up(5, b"UTR1"), id_=id_)
    two = council.propose(MAKER, top_up(5, b"UTR1"), id_=id_)
    assert council.line(one, 0, BETA).id == council.line(two, 0, BETA).id
    assert council.approve(BETA, one).result == OK
    row = council.line(one, 0, BETA)
    row.participant, row.operator_ = MAKER.participant, MAKER.number
    no_row(council, council.commit(row)[0], NOT_APPROVED)
    no_row(council, council.commit(council.line(two, 0, BETA))[0], NOT_APPROVED)
    assert council.commit(council.line(one, 0, BETA))[0].result == OK


def test_transfers_that_put_payments_right_are_no_lines(council: Council) -> None:
    """A recovery alone may be one; a correction and an advance have their own."""
    council.do(top_up(50, b"UTR"))
    for debit, credit in ((WALLET, HEAD), (SUSPENSE, WALLET), (WALLET, SETTLEMENT)):
        line = Line(Kind.TRANSFER, 5, 1, debit, credit, b"x")
        asked = approved(council, line)
        no_row(council, council.commit(council.line(asked, 0, BETA))[0], NOT_APPROVED)
    asked = approved(council, Line(Kind.TRANSFER, 5, 1, WALLET, SUSPENSE, b"x"))
    told = council.commit(council.line(asked, 0, BETA))[0]
    no_row(council, told, Result.CASE_NOT_FOUND)
    row = council.row(
        Kind.TRANSFER,
        amount=5,
        resolves=1,
        debit=WALLET,
        credit=SUSPENSE,
        reference=b"x",
    )
    no_row(council, council.commit(row)[0], NOT_APPROVED)


def test_a_stop_is_not_undone_by_what_was_proposed_before(council: Council) -> None:
    asked = council.propose(
        ALPHA,
        register(participant(CENTRE)),
        register(MAKER.record()),
        register(participant(BILLER, may_state_dues=0)),
        register(participant(BILLER)),
    )
    last = council.have_approved(asked)
    for tail in (participant(CENTRE, active=0), MAKER.record(active=0)):
        assert council.ask(Kind.REGISTER, who=ALPHA, tail=tail).result == OK
    told = council.lines(asked, 4, last)
    # One proposal speaks of each once.
    assert [each.result for each in told] == [
        NOT_APPROVED,
        NOT_APPROVED,
        OK,
        NOT_APPROVED,
    ]
    council.do(register(participant(CENTRE)), register(MAKER.record()))


def test_a_freeze_is_not_ended_by_what_was_proposed_before(council: Council) -> None:
    thaw = Line(Kind.FREEZE, debit=WALLET, reference=b"cleared", flags=RowFlag.UNFREEZE)
    frozen = {"debit": WALLET, "reference": b"suspected"}
    early = approved(council, thaw)
    assert council.ask(Kind.FREEZE, who=ALPHA, **frozen).result == OK
    asked = approved(council, thaw)
    no_row(council, council.lines(early, 1, BETA)[0], NOT_APPROVED)
    assert council.lines(asked, 1, BETA)[0].result == OK
    # Of another account's freeze nothing is asked, nor of one that ended one.
    late = approved(council, thaw)
    other = {**frozen, "debit": SUSPENSE}
    assert council.ask(Kind.FREEZE, who=ALPHA, **other).result == OK
    assert council.lines(late, 1, BETA)[0].result == OK


def test_thresholds_that_are_old_do_not_come_back(council: Council) -> None:
    high = register(ThresholdsRecord(AMOUNT_MAX, AMOUNT_MAX, AMOUNT_MAX).pack())
    early = approved(council, high)
    council.do(register(ThresholdsRecord(100, 250, 600).pack()))
    no_row(council, council.lines(early, 1, BETA)[0], NOT_APPROVED)


def test_the_treasury_does_nothing_without_people(council: Council) -> None:
    tails = {
        Kind.OPEN: AccountRecord(3, 9, AccountKind.SUSPENSE).pack(),
        Kind.LIMIT: LimitRecord(1_000, 10).pack(),
    }
    for line in EVERY:
        if line.kind == Kind.FREEZE and not line.flags:
            continue
        row = Row(
            line.kind,
            id=council.id(),
            amount=line.amount,
            reference=line.reference,
            debit=line.debit,
            credit=line.credit,
            flags=line.flags,
            participant=1,
            operator_=ALPHA.number,
            tail=line.tail or tails.get(Kind(line.kind)),
        )
        no_row(council, council.commit(row)[0], NOT_APPROVED)
        told = council.commit(council.sign(row, ALPHA))[0]
        no_row(council, told, NOT_APPROVED)
