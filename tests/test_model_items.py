"""Goal: what the oracle says of what banks have booked is what the data model says.

Method: a treasury with two bank accounts and one bank's connection, told row by row;
each answer is worked out by hand from docs/data-model.md.
"""

from dataclasses import replace

import pytest

from switch.codes import (
    Kind,
    Link,
    PersonRole,
    Result,
    Role,
    RowFlag,
    Source,
)
from tests.banking import (
    BANK,
    CHANNEL,
    ITEMS,
    MINE,
    NO_ROW,
    OK,
    OTHER,
    OTHER_ITEMS,
    OTHER_TRANSIT,
    SETTLEMENT,
    TODAY,
    TRANSIT,
    Desk,
    credit,
    debit,
    move,
    statement,
)
from tests.model import Model
from tests.model_state import IST_S, SECOND_NS
from tests.records import ParticipantRecord
from tests.signing import Line, ThresholdsRecord, line_rows
from tests.test_model_people import (
    ALPHA,
    BETA,
    BRANCH,
    DAY_NS,
    DELTA,
    FLOAT,
    GAMMA,
    LIFE_NS,
    NOON,
    SUSPENSE,
    WALLET,
    freeze,
    is_third,
    last,
    of_record,
    top_up,
)

IST_NS = IST_S * SECOND_NS


@pytest.fixture
def desk() -> Desk:
    model = Model()
    told = Desk(model, model.commit, NOON)
    told.open()
    return told


# --- items and their endings ----------------------------------------------------------


def test_how_a_credit_ends(desk: Desk) -> None:
    item = desk.booked(credit(700)).sequence
    late = desk.booked(credit(700, b"N2")).sequence
    wrong = (
        (move(700, ITEMS, WALLET, 99_999), Result.CASE_NOT_FOUND),
        (move(700, ITEMS, WALLET, 1), Result.CASE_NOT_FOUND),
        (move(700, ITEMS, BANK, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, ITEMS, FLOAT, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, ITEMS, OTHER_TRANSIT, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, ITEMS, 99, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, ITEMS, 0, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, OTHER_ITEMS, WALLET, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, SETTLEMENT, TRANSIT, item), Result.ACCOUNT_KIND_WRONG),
        (move(701, ITEMS, WALLET, item), Result.NET_DIFFERS),
        (move(700, ITEMS, WALLET), Result.ACCOUNT_KIND_WRONG),
        (move(700, ITEMS, ITEMS), Result.ACCOUNTS_MUST_DIFFER),
        # What is neither an ending nor a recovery two people cannot want so.
        (move(700, SUSPENSE, ITEMS, item), Result.NOT_APPROVED),
        (move(700, BANK, WALLET, item), Result.NOT_APPROVED),
    )
    for line, result in wrong:
        assert desk.wanted(line) == [result], line
        assert last(desk).kind == Kind.APPROVE
    assert desk.wanted(move(700, ITEMS, WALLET, item)) == [OK]
    ended = last(desk)
    assert ended.total == ended.sequence - 2
    assert desk.model.link(item, Link.ENDING) == ended.sequence
    assert not ended.flags & RowFlag.CASE
    assert desk.model.accounts[WALLET].cases_count == 0
    asked = desk.propose(ALPHA, move(700, ITEMS, SUSPENSE, item))
    desk.approve(asked, BETA)
    [told] = desk.tell(*desk.line_rows(asked))
    assert (told.result, told.other) == (Result.CASE_CLOSED, ended.sequence)
    assert desk.wanted(move(700, ITEMS, SETTLEMENT, late)) == [OK]
    assert desk.balances() == (-1_400, 0, 0)
    # Nobody else's word ends it: a transfer with R is a line.
    row = desk.row(Kind.TRANSFER, ALPHA, amount=1, debit=ITEMS, credit=WALLET)
    row.resolves, row.reference = late, b"why"
    assert desk.result(row) == Result.NOT_APPROVED


def test_no_wallet_gets_what_it_has_by_hand(desk: Desk) -> None:
    desk.lines(top_up(5, b"Neft 1"))
    by_hand = last(desk).sequence
    first = desk.booked(credit(700, b"SAME"))
    there = replace(credit(700, b"SAME"), debit=OTHER)
    assert desk.told(there) == [OK]
    second = last(desk)
    assert second.flags == RowFlag.CLAIM
    assert first.flags & RowFlag.RECENT
    item = desk.booked(credit(700, b"NEFT1")).sequence
    back = desk.booked(credit(700, b"NEFT1", flags=RowFlag.REVERSAL)).sequence
    asked = desk.propose(ALPHA, move(700, ITEMS, WALLET, item))
    desk.approve(asked, BETA)
    [told] = desk.tell(*desk.line_rows(asked))
    assert (told.result, told.other) == (Result.UTR_ALREADY_CREDITED, by_hand)
    assert desk.wanted(move(699, ITEMS, WALLET, item)) == [Result.NET_DIFFERS]
    # It goes anywhere else; then it is ended, which is asked before.
    assert desk.wanted(move(700, ITEMS, SUSPENSE, item)) == [OK]
    assert desk.wanted(move(700, ITEMS, WALLET, item)) == [Result.CASE_CLOSED]
    # What is taken back, or was booked before by a bank, or by nobody, has its wallet.
    assert desk.wanted(move(700, ITEMS, WALLET, back)) == [OK]
    assert desk.wanted(move(700, OTHER_ITEMS, WALLET, second.sequence)) == [OK]
    assert desk.wanted(move(700, ITEMS, WALLET, first.sequence)) == [OK]
    # A debit is none of this.
    taken = desk.booked(debit(700, b"NEFT1")).sequence
    assert desk.wanted(move(700, WALLET, TRANSIT, taken)) == [OK]


def test_how_a_debit_ends(desk: Desk) -> None:
    desk.lines(top_up(700, b"UTR"))
    taken = desk.booked(debit(700, b"UTR", flags=RowFlag.REVERSAL))
    assert (taken.debit, taken.credit) == (TRANSIT, BANK)
    item = taken.sequence
    wrong = (
        (move(700, WALLET, OTHER_TRANSIT, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, FLOAT, TRANSIT, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, ITEMS, TRANSIT, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, BANK, TRANSIT, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, 99, TRANSIT, item), Result.ACCOUNT_KIND_WRONG),
        (move(700, WALLET, TRANSIT, item + 1), Result.CASE_NOT_FOUND),
        (move(699, WALLET, TRANSIT, item), Result.NET_DIFFERS),
        (move(700, WALLET, TRANSIT), Result.ACCOUNT_KIND_WRONG),
        (move(700, SETTLEMENT, TRANSIT, item), Result.INSUFFICIENT_FUNDS),
        (move(700, WALLET, SUSPENSE, item), Result.CASE_NOT_FOUND),
    )
    for line, result in wrong:
        assert desk.wanted(line) == [result], line
    assert desk.balances() == (700, 0, -700)
    assert desk.wanted(move(700, WALLET, TRANSIT, item)) == [OK]
    assert desk.balances() == (700, 0, 0)
    # It was no release: what names it is not matched.
    made = desk.booked(debit(700, b"N2", last(desk).sequence))
    assert not made.flags & RowFlag.MATCHED
    assert desk.wanted(move(700, SUSPENSE, TRANSIT, made.sequence)) == [
        Result.INSUFFICIENT_FUNDS
    ]


def test_what_was_matched_is_no_item(desk: Desk) -> None:
    asked = desk.asks(700)
    made = desk.booked(credit(700, named=asked)).sequence
    assert desk.wanted(move(700, ITEMS, WALLET, made)) == [Result.CASE_NOT_FOUND]
    item = desk.booked(credit(700, b"N2")).sequence
    desk.lines(move(700, WALLET, SUSPENSE))
    desk.wanted(Line(Kind.CLOSE, debit=WALLET, reference=b"why"))
    assert desk.wanted(move(700, ITEMS, WALLET, item)) == [Result.CREDIT_CLOSED]
    assert desk.wanted(move(700, ITEMS, SUSPENSE, item)) == [OK]


def test_all_in_one_request(desk: Desk) -> None:
    """What comes first is there for what comes next."""
    ends = len(desk.model.rows) + 1
    request = ends + 2
    told, item = request + 1, request + 3
    move_twice = (
        move(700, ITEMS, TRANSIT, item),
        move(700, ITEMS, SUSPENSE, item),
    )
    assert desk.propose(GAMMA, *move_twice) == ends
    assert desk.approve(ends, BETA).sequence == request - 1
    lines = (credit(700, named=request), credit(700, b"N2", request), credit(9, b"N2"))
    asked = desk.proposal(CHANNEL, *lines)
    done = line_rows(asked, told, checker=0)
    results = desk.results(desk.request(700), asked, *done, *desk.line_rows(ends))
    booked = [OK, OK, Result.BOOKED_DIFFERS]
    assert results == [OK, OK, *booked, OK, Result.CASE_CLOSED]
    release = desk.model.rows[item + 1]
    assert (release.kind, release.resolves) == (Kind.TRANSFER, item)
    assert desk.balances() == (-1_400, 0, 700)
    assert desk.model.accounts[WALLET].balance == 700


# --- releases -------------------------------------------------------------------------


def test_a_payout_is_booked(desk: Desk) -> None:
    assert desk.wanted(move(700, SETTLEMENT, TRANSIT)) == [Result.INSUFFICIENT_FUNDS]
    desk.lines(move(5_000, FLOAT, SETTLEMENT))
    assert desk.wanted(move(700, SETTLEMENT, TRANSIT)) == [OK]
    release = last(desk).sequence
    assert desk.balances() == (0, 0, 700)
    other = replace(debit(700, b"N0", release), credit=OTHER)
    assert not desk.booked(other).flags & RowFlag.MATCHED
    assert not desk.booked(debit(701, b"N1", release)).flags & RowFlag.MATCHED
    back = debit(700, b"N2", release, flags=RowFlag.REVERSAL)
    assert not desk.booked(back).flags & RowFlag.MATCHED
    assert not desk.booked(credit(700, b"N3", release)).flags & RowFlag.MATCHED
    made = desk.booked(debit(700, b"N4", release))
    assert made.flags == RowFlag.CLAIM | RowFlag.MATCHED
    assert (made.debit, made.credit) == (TRANSIT, BANK)
    assert desk.model.link(release, Link.MATCHED) == made.sequence
    assert not desk.booked(debit(700, b"N5", release)).flags & RowFlag.MATCHED
    assert desk.wanted(move(700, SETTLEMENT, TRANSIT, made.sequence)) == [
        Result.CASE_NOT_FOUND
    ]
    for from_, to in ((BANK, TRANSIT), (SUSPENSE, TRANSIT), (SETTLEMENT, ITEMS)):
        assert desk.wanted(move(1, from_, to)) == [Result.ACCOUNT_KIND_WRONG]
    assert desk.wanted(move(1, TRANSIT, SETTLEMENT)) == [Result.ACCOUNT_KIND_WRONG]


def test_a_return_is_booked(desk: Desk) -> None:
    item = desk.booked(credit(700)).sequence
    assert desk.wanted(move(700, ITEMS, TRANSIT, item)) == [OK]
    release = last(desk).sequence
    assert desk.balances() == (-700, 0, 700)
    made = desk.booked(debit(700, named=release))
    assert made.flags & RowFlag.MATCHED
    assert desk.balances() == (0, 0, 0)
    # A payout that ends something is none.
    desk.lines(move(5_000, FLOAT, SETTLEMENT))
    item = desk.booked(debit(300, b"N2")).sequence
    assert desk.wanted(move(300, SETTLEMENT, TRANSIT, item)) == [OK]
    made = desk.booked(debit(300, b"N3", last(desk).sequence))
    assert not made.flags & RowFlag.MATCHED


# --- statements -----------------------------------------------------------------------


def test_statements_follow_each_other(desk: Desk) -> None:
    first = statement(credit(700), debit(200))
    assert desk.told(*first) == [OK] * 3
    made = last(desk)
    assert (made.debit, made.flags & RowFlag.UPDATE) == (1, 0)
    assert desk.balances()[0] == -500
    # Again it overlaps; what it lists is there already.
    again = [Result.ALREADY_BOOKED, Result.ALREADY_BOOKED, Result.STATEMENT_GAP]
    assert desk.told(*first) == again
    gaps = (
        {"opening": 499, "number": 2}, {"opening": 500, "number": 0},
        {"opening": 500, "number": 9, "first_day": 1, "last_day": TODAY - 1},
    )  # fmt: skip
    for gap in gaps:
        asked = desk.propose(CHANNEL, *statement(**gap))
        [told] = desk.tell(*desk.line_rows(asked, 0))
        assert (told.result, told.sequence) == (Result.STATEMENT_GAP, NO_ROW)
        assert told.other == made.sequence
    assert desk.told(*statement(opening=500, number=1)) == [OK]  # a part of the same
    assert last(desk).flags & RowFlag.UPDATE
    assert desk.told(*statement(opening=500, number=2)) == [OK]
    later = statement(debit(900, b"N9"), opening=500, number=0, last_day=TODAY + 1)
    assert desk.told(*later) == [OK, OK]
    assert desk.told(*statement(opening=-400, last_day=TODAY + 1)) == [OK]
    assert desk.told(*statement(opening=5, bank=2)) == [OK]
    assert (last(desk).debit, last(desk).flags & RowFlag.UPDATE) == (2, 0)


def test_people_put_right_what_days_were_said(desk: Desk) -> None:
    later = statement(credit(700), number=5, last_day=TODAY + 1)
    assert desk.told(*later) == [OK, OK]
    made = last(desk).sequence
    earlier = statement(opening=700, number=9)
    lower = statement(opening=700, number=4, last_day=TODAY + 1)
    for lines in (earlier, lower):
        asked = desk.propose(CHANNEL, *lines)
        [told] = desk.tell(*desk.line_rows(asked, 0))
        assert (told.result, told.other) == (Result.STATEMENT_GAP, made)
    # Of people's only the balance is asked, whatever program has written it.
    wrong = statement(credit(1, b"N2"), opening=701, number=4)
    assert desk.wanted(*wrong) == [OK, Result.STATEMENT_GAP]
    assert desk.wanted(*lower) == [OK]
    right = statement(opening=700, number=3, source=Source.CSV, first_day=1, last_day=2)
    assert desk.wanted(*right) == [OK]
    # Now the connection's must follow that.
    lower = statement(opening=700, number=2, first_day=1, last_day=2)
    assert desk.told(*lower) == [Result.STATEMENT_GAP]
    assert desk.told(*earlier) == [OK]


def test_two_people_say_where_an_account_stands(desk: Desk) -> None:
    assert desk.told(*statement(credit(700))) == [OK, OK]
    assert desk.told(*statement(opening=500, number=2)) == [Result.STATEMENT_GAP]
    assert desk.wanted(*statement(credit(1, b"N2"), opening=500)) == [
        OK,
        Result.STATEMENT_GAP,
    ]
    far = statement(opening=500, last_day=TODAY + 2)
    assert desk.wanted(*far) == [Result.STATEMENT_GAP]
    assert desk.wanted(*statement(opening=500)) == [OK]
    assert last(desk).flags & RowFlag.UPDATE
    assert desk.told(*statement(opening=700, number=2)) == [Result.STATEMENT_GAP]
    assert desk.told(*statement(opening=500, number=2)) == [OK]


def test_no_day_to_come_is_said(desk: Desk) -> None:
    far = statement(credit(700), last_day=TODAY + 2)
    asked = desk.propose(CHANNEL, *far)
    line, whole = desk.line_rows(asked, 0)
    told = desk.tell(line, whole)[1]
    assert (told.result, told.sequence) == (Result.STATEMENT_GAP, NO_ROW)
    assert told.other == 0  # there is none yet
    assert desk.wanted(*far) == [Result.ALREADY_BOOKED, Result.STATEMENT_GAP]
    # At the next IST midnight it is of tomorrow.
    midnight = (TODAY + 1) * DAY_NS - IST_NS
    desk.now = midnight - SECOND_NS - 1
    assert desk.result(whole) == Result.STATEMENT_GAP
    assert desk.result(whole) == OK
    assert desk.model.rows[-1].timestamp == midnight - 1 + SECOND_NS
    made = last(desk).sequence
    far = statement(opening=700, last_day=TODAY + 3)
    [told] = desk.tell(*desk.line_rows(desk.propose(CHANNEL, *far), 0))
    assert (told.result, told.other) == (Result.STATEMENT_GAP, made)


def test_behind_a_statement_all_is_booked(desk: Desk) -> None:
    asked = desk.propose(CHANNEL, *statement(credit(700), credit(5, b"N2")))
    one, two, whole = desk.line_rows(asked, 0)
    assert desk.results(one, whole) == [OK, Result.NOT_BOOKED]
    assert last(desk).kind == Kind.BOOKED
    assert desk.results(two, whole) == [OK, OK]
    # By whichever proposal; but of just this amount.
    desk.told(credit(9, b"N3"))
    told = desk.told(*statement(credit(9, b"N3"), opening=705, number=2))
    assert told == [Result.ALREADY_BOOKED, OK]
    told = desk.told(*statement(credit(8, b"N3"), opening=714, number=3))
    assert told == [Result.BOOKED_DIFFERS, Result.NOT_BOOKED]


def test_whose_statement_it_is(desk: Desk) -> None:
    lines = statement(credit(5), bank=2)
    assert desk.told(*lines) == [OK, Result.ACCOUNT_KIND_WRONG]
    assert desk.told(*statement(bank=3)) == [Result.ACCOUNT_UNKNOWN]
    row = desk.row(Kind.REGISTER, CHANNEL, tail=statement()[0].tail)
    assert desk.result(row) == Result.NOT_APPROVED
    assert desk.result(desk.signed(row)) == Result.NOT_APPROVED


def test_shapes_of_statements(desk: Desk) -> None:
    one, two = credit(700), debit(200)
    good = statement(one, two)
    right = (
        good, [one, two], statement(), statement(one, first_day=0),
        statement(opening=10**18), statement(opening=-(10**18)),
        statement(replace(one, tail=b"{" * 1_024)), statement(bank=77),
        statement(number=2**32 - 1), statement(last_day=65_535),
    )  # fmt: skip
    for lines in right:
        assert desk.propose(ALPHA, *lines), lines
    other = replace(one, debit=OTHER)
    wrong = (
        [good[2], one, two], [*good, one], statement(one, two, lines_count=1),
        statement(one, two, lines_count=3), statement(one, two, closing=501),
        statement(one, other), statement(one, move(5, BANK, WALLET)), [*good, good[2]],
        [top_up(0), *statement()], statement(one, top_up(5, b"x"), closing=700),
        statement(opening=10**18 + 1), statement(opening=-(10**18) - 1),
        statement(replace(one, tail=b"{" * 1_025)), statement(bank=0),
        statement(last_day=0, first_day=0), statement(last_day=TODAY - 1),
        statement(last_day=65_536), statement(source=0), statement(source=3),
        statement(lines_count=8_000),
        [replace(one, flags=1)], [replace(one, reference=b"")],
        [replace(one, credit=WALLET)], [replace(one, debit=0)],
        [replace(one, amount=0)], [replace(good[2], tail=good[2].tail[:47])],
    )  # fmt: skip
    for lines in wrong:
        proposal = desk.proposal(ALPHA, *lines)
        assert desk.result(proposal) == Result.INVALID_RECORD, lines


def test_shapes_of_bank_accounts(desk: Desk) -> None:
    whole = MINE.pack()
    assert len(whole) == 56
    right = (
        MINE, replace(MINE, account=b"A" * 34), replace(MINE, participant=99),
        replace(MINE, purpose=65_533),
    )  # fmt: skip
    for record in right:
        assert desk.propose(GAMMA, of_record(record.pack() + b"{}"))
    wrong = (
        whole[:55], b"\x0b\2" + whole[2:], whole[:2] + b"\1" + whole[3:],
        whole[:10] + b"\1" + whole[11:], whole[:15] + b"\1" + whole[16:],
        replace(MINE, participant=0).pack(), replace(MINE, purpose=15).pack(),
        replace(MINE, purpose=65_534).pack(), replace(MINE, account=b"").pack(),
        replace(MINE, account=b"a").pack(), replace(MINE, account=b"A 1").pack(),
        replace(MINE, account=b"A" * 35).pack(),
        replace(MINE, account=b"A\0B").pack(),
    )  # fmt: skip
    for tail in wrong:
        proposal = desk.proposal(GAMMA, of_record(tail))
        assert desk.result(proposal) == Result.INVALID_RECORD, tail


# --- the connection of a bank ---------------------------------------------------------


def test_what_a_channel_may_sign(desk: Desk) -> None:
    by_hand = statement(credit(5), source=Source.CSV)
    wrong = (
        [top_up(5)], [credit(5), top_up(5)], by_hand, [of_record(MINE.pack())],
        [credit(5), of_record(MINE.pack())], [move(5, FLOAT, SUSPENSE)],
        [freeze(WALLET)], [credit(5), replace(credit(5, b"N9"), debit=OTHER)],
        statement(bank=2), [replace(debit(5), credit=OTHER)],
    )  # fmt: skip
    for lines in wrong:
        proposal = desk.proposal(CHANNEL, *lines)
        assert desk.result(proposal) == Result.NOT_SIGNED
        assert desk.propose(GAMMA, *lines)
    for row in (
        desk.row(Kind.FREEZE, CHANNEL, debit=WALLET, reference=b"why"),
        desk.row(Kind.WITHDRAW, CHANNEL, resolves=last(desk).sequence, reference=b"x"),
        desk.row(Kind.PROPOSE, CHANNEL, amount=1, total=Kind.REFUND, reference=b"x"),
        desk.approval(last(desk).sequence, CHANNEL),
    ):
        assert desk.result(desk.signed(row)) == Result.NOT_SIGNED
    # So much in all, and no more.
    most = 10**15
    for lines in ([credit(most + 1)], [credit(most), debit(1)]):
        assert desk.result(desk.proposal(CHANNEL, *lines)) == Result.NOT_SIGNED
        assert desk.propose(GAMMA, *lines)
    assert desk.told(credit(most - 1, b"A"), debit(1, b"B")) == [OK, OK]
    assert desk.told(*statement(credit(5))) == [OK, OK]
    asked = desk.model.rows[-3]
    flags = RowFlag.TAIL | RowFlag.EVIDENCE
    assert (asked.flags, asked.kind) == (flags, Kind.PROPOSE)


def test_a_channel_without_a_bank_account_says_nothing(desk: Desk) -> None:
    early = desk.propose(CHANNEL, credit(5))
    person = desk.person(CHANNEL, 5, role=PersonRole.CHANNEL)
    assert desk.by_three(of_record(person.pack())) == [OK]
    assert desk.result(desk.proposal(CHANNEL, credit(6))) == Result.NOT_SIGNED
    assert desk.results(*desk.line_rows(early, 0)) == [Result.NOT_APPROVED]
    none = replace(person, bank=3)
    assert desk.by_three(of_record(none.pack())) == [Result.ACCOUNT_UNKNOWN]
    # Another's lines are its own from then on.
    theirs = replace(person, bank=2)
    assert desk.by_three(of_record(theirs.pack())) == [OK]
    assert desk.result(desk.proposal(CHANNEL, credit(6))) == Result.NOT_SIGNED
    asked = desk.propose(CHANNEL, replace(credit(6), debit=OTHER))
    assert desk.results(*desk.line_rows(asked, 0)) == [OK]
    for role in set(PersonRole) - {PersonRole.CHANNEL}:
        wrong = of_record(replace(theirs, role=role).pack())
        assert desk.result(desk.proposal(GAMMA, wrong)) == Result.INVALID_RECORD


def test_nobody_approves_what_a_channel_says(desk: Desk) -> None:
    desk.lines(of_record(ThresholdsRecord(0, 0, 0).pack()))
    asked = desk.propose(CHANNEL, credit(700))
    assert not desk.model.rows[asked - 1].flags & RowFlag.THIRD
    assert desk.approve(asked, BETA).result == Result.PROPOSAL_NOT_FOUND
    [row] = desk.line_rows(asked, 0)
    assert desk.result(replace(row, checker=BRANCH)) == Result.NOT_APPROVED
    assert desk.result(replace(row, tail=b"{}")) == Result.NOT_APPROVED
    assert desk.result(replace(row, reference=b"N2")) == Result.NOT_APPROVED
    assert desk.result(row) == OK
    # Until it is done it can be taken back, and it is done for a month.
    asked = desk.propose(CHANNEL, credit(700, b"N2"), credit(8, b"N3"))
    one, two = desk.line_rows(asked, 0)
    assert desk.result(one) == OK
    gone = desk.row(Kind.WITHDRAW, GAMMA, resolves=asked, reference=b"why")
    assert desk.result(desk.signed(gone)) == OK
    assert desk.result(two) == Result.NOT_APPROVED
    asked = desk.propose(CHANNEL, credit(700, b"N4"), credit(8, b"N5"))
    one, two = desk.line_rows(asked, 0)
    desk.now = desk.model.rows[asked - 1].timestamp + LIFE_NS - 10**9 - 1
    assert desk.result(one) == OK
    assert desk.result(two) == Result.NOT_APPROVED


def test_people_tell_what_a_bank_has_booked(desk: Desk) -> None:
    lines = statement(credit(700, tail=b"{}"), source=Source.CSV)
    asked = desk.propose(GAMMA, *lines)
    assert not desk.model.rows[asked - 1].flags & RowFlag.EVIDENCE
    assert desk.results(*desk.line_rows(asked, 0)) == [Result.NOT_APPROVED] * 2
    desk.approve(asked, BETA)
    one, two = desk.line_rows(asked)
    assert desk.result(replace(one, tail=None)) == Result.NOT_APPROVED
    assert desk.result(replace(one, reference=b"N2")) == Result.NOT_APPROVED
    assert desk.results(one, two) == [OK, OK]
    assert last(desk).checker == BRANCH
    # A reversal is the line's, not of a freeze.
    desk.lines(freeze(BANK))
    back = credit(700, flags=RowFlag.REVERSAL)
    early = desk.propose(GAMMA, back)
    desk.lines(freeze(BANK))
    desk.approve(early, BETA)
    assert desk.results(*desk.line_rows(early)) == [OK]


def test_a_channel_that_is_off_says_nothing(desk: Desk) -> None:
    early = desk.propose(CHANNEL, credit(5))
    off = desk.person(CHANNEL, 5, role=PersonRole.CHANNEL, active=0, bank=1)
    row = desk.row(Kind.REGISTER, GAMMA, tail=off.pack())
    assert desk.result(desk.signed(row)) == OK
    assert desk.result(desk.proposal(CHANNEL, credit(6))) == Result.NOT_SIGNED
    # Nor what it has said before.
    lines = desk.line_rows(early, 0)
    assert desk.results(*lines) == [Result.NOT_APPROVED]
    # Nor when it is started again, but for what it says from then on.
    on = replace(off, active=1)
    again = desk.propose(GAMMA, of_record(on.pack()))
    between = desk.propose(ALPHA, credit(7, b"N7"))
    for checker in (ALPHA, BETA):
        desk.approve(again, checker)
    assert desk.results(*desk.line_rows(again)) == [OK]
    assert desk.results(*desk.line_rows(early, 0)) == [Result.NOT_APPROVED]
    assert desk.told(credit(6, b"N6")) == [OK]
    # Who is no connection needs approvals, and nothing else.
    desk.approve(between, BETA)
    assert desk.results(*desk.line_rows(between)) == [OK]


def test_a_channel_that_was_changed_says_nothing_that_it_said_before(
    desk: Desk,
) -> None:
    early = desk.propose(CHANNEL, credit(5))
    same = desk.person(CHANNEL, 5, role=PersonRole.CHANNEL, bank=1)
    assert desk.by_three(of_record(same.pack())) == [OK]
    assert desk.results(*desk.line_rows(early, 0)) == [Result.NOT_APPROVED]
    early = desk.propose(CHANNEL, credit(5))
    maker = desk.person(CHANNEL, 5, role=PersonRole.MAKER)
    assert desk.by_three(of_record(maker.pack())) == [OK]
    assert desk.results(*desk.line_rows(early, 0)) == [Result.NOT_APPROVED]
    # What is refused changes nobody.
    assert desk.by_three(of_record(same.pack())) == [OK]
    early = desk.propose(CHANNEL, credit(5))
    taken = desk.person(CHANNEL, 1, role=PersonRole.CHANNEL, bank=1)
    assert desk.by_three(of_record(taken.pack())) == [Result.SAME_PERSON]
    assert desk.results(*desk.line_rows(early, 0)) == [OK]


def test_a_channel_of_a_stopped_participant_says_nothing(desk: Desk) -> None:
    third = ParticipantRecord(b"third", Role.TREASURY)
    desk.lines(of_record(third.pack()))
    whose = last(desk).debit
    theirs = whose, 1
    record = desk.person(theirs, 6, role=PersonRole.CHANNEL, bank=1)
    assert desk.by_three(of_record(record.pack())) == [OK]
    asked = desk.propose(theirs, credit(5))
    row = desk.row(Kind.REGISTER, ALPHA, tail=replace(third, active=0).pack())
    assert desk.result(desk.signed(row)) == OK
    lines = desk.line_rows(asked, 0)
    assert desk.results(*lines) == [Result.NOT_APPROVED]
    # What it said before is not done when the participant is back, only what it says
    # from then on, of the same account.
    desk.lines(of_record(third.pack()))
    assert desk.results(*lines) == [Result.NOT_APPROVED]
    again = desk.propose(theirs, credit(5))
    assert desk.results(*desk.line_rows(again, 0)) == [OK]
    # One that is the treasury's no more can do nothing.
    asked = desk.propose(theirs, credit(6, b"N2"))
    desk.lines(of_record(replace(third, role=Role.CENTRE).pack()))
    assert desk.results(*desk.line_rows(asked, 0)) == [Result.NOT_APPROVED]


def test_three_want_a_bank_account_while_three_may(desk: Desk) -> None:
    assert is_third(desk, of_record(MINE.pack()))
    assert is_third(desk, credit(5), of_record(MINE.pack()))
    assert not is_third(desk, credit(5))
    one = desk.model.persons[DELTA]
    off = desk.person(DELTA, 4, role=one.role, active=0)
    row = desk.row(Kind.REGISTER, ALPHA, tail=off.pack())
    assert desk.result(desk.signed(row)) == OK
    assert not is_third(desk, of_record(MINE.pack()))
