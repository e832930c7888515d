"""Goal: what the oracle says of banks is what the data model says.

Method: a treasury with two bank accounts and one bank's connection, told row by row;
each answer is worked out by hand from docs/data-model.md.
"""

from dataclasses import replace

import pytest

from switch.codes import (
    AccountKind,
    AccountState,
    Field,
    Kind,
    Link,
    Result,
    Role,
    RowFlag,
)
from tests.banking import (
    ACCOUNTS,
    BANK,
    CHANNEL,
    ITEMS,
    MINE,
    NO_ROW,
    OK,
    OTHER,
    OTHER_ITEMS,
    SETTLEMENT,
    TRANSIT,
    Desk,
    credit,
    debit,
    move,
    statement,
)
from tests.model import Model
from tests.records import (
    AccountRecord,
    BankAccountRecord,
    ParticipantRecord,
    Row,
)
from tests.signing import Line
from tests.test_model_people import (
    ALPHA,
    BETA,
    BRANCH,
    DAY_NS,
    FLOAT,
    GAMMA,
    LIFE_NS,
    MAIN,
    NOON,
    SUSPENSE,
    WALLET,
    Treasury,
    freeze,
    last,
    of_record,
    top_up,
)


@pytest.fixture
def bare() -> Treasury:
    """Nothing is there yet."""
    model = Model()
    return Desk(model, model.commit, NOON)


@pytest.fixture
def desk(bare: Desk) -> Desk:
    bare.open()
    return bare


# --- bank accounts --------------------------------------------------------------------


def test_how_bank_accounts_begin(desk: Desk) -> None:
    mine, theirs = desk.model.rows[-4:-2]
    assert (mine.debit, theirs.debit) == (1, 2)
    assert not (mine.flags | theirs.flags) & RowFlag.UPDATE
    off = replace(MINE, active=0)
    assert desk.wanted(of_record(off.pack())) == [Result.NOT_APPROVED]  # a third must
    assert desk.by_three(of_record(off.pack())) == [OK]
    assert (last(desk).debit, bool(last(desk).flags & RowFlag.UPDATE)) == (1, True)
    assert desk.told(credit(5)) == [Result.ACCOUNT_KIND_WRONG]
    assert desk.by_three(of_record(MINE.pack())) == [OK]
    assert desk.told(credit(5)) == [OK]


def test_what_bank_accounts_must_be(desk: Desk) -> None:
    def result(record: BankAccountRecord) -> int:
        count = len(desk.model.rows)
        [told] = desk.by_three(of_record(record.pack()))
        assert (told == OK) == (len(desk.model.rows) == count + 4)
        return told

    new = BankAccountRecord(MAIN, 32, b"NEW")
    assert result(replace(new, participant=9)) == Result.PARTICIPANT_UNKNOWN
    assert result(new) == Result.ACCOUNT_UNKNOWN
    bank, items, transit = (
        AccountKind.BANK,
        AccountKind.BANK_SUSPENSE,
        AccountKind.BANK_TRANSIT,
    )
    desk.lines(*(
        of_record(AccountRecord(MAIN, purpose, kind).pack(), Kind.OPEN)
        for purpose, kind in (
            (32, bank), (33, items), (34, AccountKind.SUSPENSE),
            (48, bank), (49, items),
            (64, bank), (65, items), (66, transit), (67, bank),
        )
    ))  # fmt: skip
    assert result(new) == Result.ACCOUNT_UNKNOWN
    assert result(replace(new, purpose=48)) == Result.ACCOUNT_UNKNOWN
    assert result(replace(new, purpose=65)) == Result.ACCOUNT_UNKNOWN
    assert result(replace(new, purpose=16)) == Result.RULE_FIXED
    assert result(replace(MINE, purpose=64)) == Result.RULE_FIXED
    moved = replace(MINE, participant=BRANCH, purpose=65_533)
    assert result(moved) == Result.RULE_FIXED
    assert result(replace(new, purpose=64, active=0)) == OK
    assert last(desk).debit == 3


def test_what_is_frozen_is_there_all_the_same(desk: Desk) -> None:
    desk.lines(freeze(BANK), freeze(ITEMS), freeze(TRANSIT))
    assert desk.by_three(of_record(replace(MINE, active=0).pack())) == [OK]
    assert desk.by_three(of_record(MINE.pack())) == [OK]
    assert desk.told(credit(5), debit(5)) == [OK, OK]
    item = last(desk).sequence - 1
    assert desk.wanted(move(5, ITEMS, TRANSIT, item)) == [OK]


def test_two_records_of_a_bank_account(desk: Desk) -> None:
    # What was proposed before another was done does not undo it.
    off = replace(MINE, active=0)
    early = desk.propose(GAMMA, of_record(MINE.pack()))
    assert desk.by_three(of_record(off.pack())) == [OK]
    desk.approve(early, ALPHA)
    desk.approve(early, BETA)
    assert desk.results(*desk.line_rows(early)) == [Result.NOT_APPROVED]
    # One person does not switch it off.
    row = desk.row(Kind.REGISTER, ALPHA, tail=off.pack())
    assert desk.result(desk.signed(row)) == Result.NOT_APPROVED


def test_an_account_that_was_used_is_no_banks(bare: Desk) -> None:
    """In a ledger without people, where all is asked for without proposals."""
    desk = bare
    desk.treasury(b"main")
    opened = [(MAIN, *one[1:]) for one in ACCOUNTS[:4]]
    for record in opened:
        row = desk.row(Kind.OPEN, (MAIN, 0), tail=AccountRecord(*record).pack())
        assert desk.result(row) == OK
    settlement, bank, items, transit = range(1, 5)
    paid = desk.row(
        Kind.TRANSFER, (MAIN, 0), amount=5, debit=settlement, credit=transit,
        reference=b"why",
    )  # fmt: skip
    assert desk.result(paid) == Result.INSUFFICIENT_FUNDS
    float_ = AccountRecord(MAIN, 0, AccountKind.FLOAT).pack()
    desk.tell(desk.row(Kind.OPEN, (MAIN, 0), tail=float_))
    for to, result in (
        (bank, Result.ACCOUNT_KIND_WRONG),
        (transit, Result.ACCOUNT_KIND_WRONG),
        (items, Result.ACCOUNT_KIND_WRONG),
        (settlement, OK),
    ):
        row = replace(paid, id=desk.id(), debit=5, credit=to)
        assert desk.result(row) == result
    assert desk.result(replace(paid, id=desk.id(), debit=bank)) == (
        Result.ACCOUNT_KIND_WRONG
    )
    assert desk.result(replace(paid, id=desk.id())) == OK
    mine = desk.row(Kind.REGISTER, (MAIN, 0), tail=MINE.pack())
    [told] = desk.tell(mine)
    assert told.result == Result.BALANCE_NOT_ZERO
    assert told.sequence == last(desk).sequence
    assert last(desk).debit == 0


def test_banks_without_people(bare: Desk) -> None:
    desk = bare
    desk.treasury(b"main")
    code = ParticipantRecord(b"centre", Role.CENTRE)
    desk.tell(desk.row(Kind.REGISTER, (MAIN, 0), tail=code.pack()))
    wallet = (2, 0, AccountKind.WALLET)
    for record in (wallet, *ACCOUNTS[:4]):
        row = desk.row(Kind.OPEN, (MAIN, 0), tail=AccountRecord(*record).pack())
        assert desk.result(row) == OK
    bank, items = 3, 4
    line = desk.row(
        Kind.BOOKED, (MAIN, 0), amount=5, debit=bank, reference=b"NEFT00000001"
    )
    count = len(desk.model.rows)
    assert desk.result(line) == Result.ACCOUNT_KIND_WRONG
    assert len(desk.model.rows) == count
    assert desk.result(desk.row(Kind.REGISTER, (MAIN, 0), tail=MINE.pack())) == OK
    assert desk.result(line) == OK
    made = last(desk)
    assert (made.debit, made.credit, made.total) == (bank, items, 0)
    [told] = desk.tell(replace(line, id=desk.id()))
    assert (told.result, told.sequence) == (Result.ALREADY_BOOKED, 0)
    assert told.other == made.sequence
    [told] = desk.tell(replace(line, id=desk.id(), amount=6))
    assert (told.result, told.sequence) == (Result.BOOKED_DIFFERS, count + 3)
    assert (last(desk).total, last(desk).credit) == (made.sequence, 0)
    ends = desk.row(
        Kind.TRANSFER, (MAIN, 0), amount=5, debit=items, credit=1, reference=b"why",
        resolves=made.sequence,
    )  # fmt: skip
    [told] = desk.tell(replace(ends, amount=4, id=desk.id()))
    assert (told.result, told.sequence) == (Result.NET_DIFFERS, count + 4)
    assert desk.result(ends) == OK
    [told] = desk.tell(replace(ends, id=desk.id()))
    assert (told.result, told.other) == (Result.CASE_CLOSED, count + 5)
    row = desk.row(Kind.REGISTER, (MAIN, 0), tail=statement()[0].tail)
    assert desk.result(row) == Result.NOT_APPROVED
    # What was asked for before the line itself is old enough, if nobody proposes.
    count = len(desk.model.rows)
    asks = desk.row(Kind.REQUEST, (2, 0), amount=5, credit=1)
    named = replace(line, id=desk.id(), reference=b"N2", resolves=count + 1)
    later = replace(line, id=desk.id(), reference=b"N3", resolves=count + 5)
    own = replace(line, id=desk.id(), reference=b"N4", resolves=count + 3)
    assert desk.results(asks, named, own, later) == [OK] * 4
    assert [row.credit for row in desk.model.rows[-3:]] == [1, items, items]


# --- requests -------------------------------------------------------------------------


def test_who_asks_for_money(desk: Desk) -> None:
    def result(row: Row) -> int:
        return desk.result(replace(row, id=desk.id()))

    row = desk.request(700)
    assert desk.result(row) == OK
    assert desk.model.accounts[WALLET].balance == 0
    [told] = desk.tell(row)
    assert (told.result, told.repeat) == (OK, 1)
    [told] = desk.tell(replace(row, credit=BANK))
    assert (told.result, told.field) == (Result.ID_REUSED, Field.CREDIT)
    assert result(replace(row, credit=99)) == Result.ACCOUNT_UNKNOWN
    assert result(replace(row, participant=BRANCH)) == Result.ACCOUNT_UNKNOWN
    assert last(desk).kind == Kind.REQUEST
    assert result(replace(row, participant=MAIN, credit=FLOAT)) == (
        Result.ACCOUNT_KIND_WRONG
    )
    assert result(replace(row, debit=1)) == Result.INVALID_ACCOUNT
    assert result(replace(row, amount=0)) == Result.INVALID_AMOUNT
    assert result(replace(row, reference=b"x")) == Result.INVALID_REFERENCE
    assert result(replace(row, deadline=1)) == Result.INVALID_DEADLINE
    assert desk.model.accounts[WALLET].changed == desk.model.accounts[WALLET].opened
    close = Line(Kind.CLOSE, debit=WALLET, reference=b"why")
    desk.lines(close)
    assert result(row) == Result.CREDIT_CLOSED


def test_requests_of_a_day(desk: Desk) -> None:
    rows = [desk.request(700) for _ in range(64)]
    assert desk.results(*rows) == [OK] * 64
    more = desk.request(700)
    assert desk.result(more) == Result.DAY_COUNT_EXCEEDED
    assert last(desk).result == Result.DAY_COUNT_EXCEEDED
    desk.now += DAY_NS
    assert desk.result(more) == Result.DAY_COUNT_EXCEEDED  # the same one
    assert desk.result(desk.request(700)) == OK


# --- booked lines ---------------------------------------------------------------------


def test_money_comes_that_was_asked_for(desk: Desk) -> None:
    asked = desk.asks(700)
    made = desk.booked(credit(700, named=asked, tail=b'{"text": "T"}'))
    assert (made.debit, made.credit, made.resolves) == (BANK, WALLET, asked)
    flags = RowFlag.TAIL | RowFlag.CLAIM | RowFlag.RECENT | RowFlag.MATCHED
    assert (made.flags, made.checker) == (flags, 0)
    assert made.total == desk.model.rows[-2].sequence
    assert desk.model.accounts[WALLET].balance == 700
    assert desk.balances() == (-700, 0, 0)
    assert desk.model.link(asked, Link.MATCHED) == made.sequence
    histories = [desk.model.account_rows(at, 0, 9) for at in (BANK, WALLET, ITEMS)]
    assert histories == [[made.sequence], [made.sequence], []]
    # The second is not what was asked for any more.
    made = desk.booked(credit(700, b"NEFT00000002", asked))
    flags = RowFlag.CLAIM | RowFlag.RECENT
    assert (made.credit, made.resolves, made.flags) == (ITEMS, asked, flags)
    assert desk.balances() == (-1_400, 700, 0)


def test_money_that_is_not_matched(desk: Desk) -> None:
    def matches(line: Line, result: int = OK) -> bool:
        assert desk.told(line) == [result]
        return last(desk).credit == WALLET

    one = desk.asks(700)
    numbers = (b"N%d" % number for number in range(99))
    assert not matches(credit(701, next(numbers), one))
    assert not matches(credit(700, next(numbers)))
    assert not matches(credit(700, next(numbers), one - 1))
    assert not matches(credit(700, next(numbers), 10**6))
    reversal = credit(700, next(numbers), one, flags=RowFlag.REVERSAL)
    assert not matches(reversal)
    assert not matches(debit(700, next(numbers), one))
    assert last(desk).debit == TRANSIT
    desk.lines(top_up(5, b"UTR"))
    assert not matches(credit(700, b"UTR", one))
    desk.now = desk.model.rows[one - 1].timestamp + LIFE_NS - 2 * 10**9 - 1
    assert matches(credit(700, next(numbers), one))
    # A request that is as old as a month is open no more.
    two = desk.asks(700)
    desk.now = desk.model.rows[two - 1].timestamp + LIFE_NS - 2 * 10**9
    assert not matches(credit(700, next(numbers), two))
    three = desk.asks(800)
    desk.lines(move(desk.model.accounts[WALLET].balance, WALLET, SUSPENSE))
    assert desk.wanted(Line(Kind.CLOSE, debit=WALLET, reference=b"why")) == [OK]
    assert desk.model.accounts[WALLET].state == AccountState.CLOSED
    assert not matches(credit(800, next(numbers), three))


def test_a_refused_request_is_no_request(desk: Desk) -> None:
    row = desk.request(700, credit=99)
    assert desk.result(row) == Result.ACCOUNT_UNKNOWN
    made = desk.booked(credit(700, named=last(desk).sequence))
    assert made.credit == ITEMS


def test_a_frozen_wallet_has_its_money(desk: Desk) -> None:
    asked = desk.asks(700)
    desk.lines(freeze(WALLET))
    assert desk.booked(credit(700, named=asked)).credit == WALLET


def test_a_reference_of_a_bank_is_credited_once(desk: Desk) -> None:
    """By whom it is said, at which bank account, however it is typed."""
    one, two = desk.asks(700), desk.asks(700)
    desk.lines(top_up(5, b"sbin 1"))
    by_hand = last(desk)
    assert by_hand.flags & RowFlag.CLAIM
    made = desk.booked(credit(700, b"SBIN1", one))
    assert (made.credit, made.flags) == (ITEMS, RowFlag.CLAIM)
    assert desk.model.link(one, Link.MATCHED) == 0
    made = desk.booked(credit(700, b"Neft 0001", one))
    flags = RowFlag.CLAIM | RowFlag.RECENT
    assert (made.credit, made.flags) == (WALLET, flags | RowFlag.MATCHED)
    assert made.reference == b"Neft 0001"
    # At the other bank account it is another line, but the same money.
    there = replace(credit(700, b"NEFT0001", two), debit=OTHER)
    assert desk.told(there) == [OK]
    assert (last(desk).credit, last(desk).flags) == (OTHER_ITEMS, RowFlag.CLAIM)
    again = desk.booked(credit(700, b"neft0001", two))
    assert (again.credit, again.flags) == (ITEMS, RowFlag.CLAIM)
    for typed in (b"NEFT0001", b"neft0001", b"N E  F T 0 0 0 1", b"N eft0001"):
        asked = desk.propose(ALPHA, top_up(5, typed))
        desk.approve(asked, BETA)
        [told] = desk.tell(*desk.line_rows(asked))
        assert told.result == Result.UTR_ALREADY_CREDITED
        assert (told.other, told.sequence) == (made.sequence, NO_ROW)
    # Only spaces and case are nothing; the row has what was typed.
    for typed in (b"NEFT-0001", b"NEFT.0001", b"NEFT0001A", b"0NEFT0001", b"NEFT001"):
        desk.lines(top_up(5, typed))
        assert last(desk).reference == typed


def test_what_is_not_matched_has_its_reference_too(desk: Desk) -> None:
    made = desk.booked(credit(700))
    assert (made.credit, made.flags) == (ITEMS, RowFlag.CLAIM | RowFlag.RECENT)
    asked = desk.propose(ALPHA, top_up(5, b"neft00000001"))
    desk.approve(asked, BETA)
    [told] = desk.tell(*desk.line_rows(asked))
    assert (told.result, told.other) == (Result.UTR_ALREADY_CREDITED, made.sequence)
    # Ended or taken back, it keeps it.
    assert desk.wanted(move(700, ITEMS, WALLET, made.sequence)) == [OK]
    back = desk.booked(debit(700, flags=RowFlag.REVERSAL))
    assert desk.wanted(move(700, WALLET, TRANSIT, back.sequence)) == [OK]
    assert desk.wanted(top_up(5, b"NEFT00000001")) == [Result.UTR_ALREADY_CREDITED]


def test_what_takes_no_reference(desk: Desk) -> None:
    asked = desk.asks(700)
    for line in (
        credit(700, flags=RowFlag.REVERSAL), debit(700),
        debit(700, flags=RowFlag.REVERSAL),
    ):  # fmt: skip
        assert desk.booked(line).flags & ~RowFlag.REVERSAL == RowFlag.CLAIM
    assert desk.told(replace(credit(5), debit=99)) == [Result.ACCOUNT_UNKNOWN]
    made = desk.booked(credit(700, named=asked))
    assert made.credit == WALLET
    assert desk.told(credit(701)) == [Result.BOOKED_DIFFERS]
    # What was refused has taken none.
    desk.lines(freeze(WALLET))
    assert desk.wanted(replace(top_up(5, b"U"), credit=99)) == [Result.ACCOUNT_UNKNOWN]
    assert desk.booked(credit(5, b"U")).flags & RowFlag.RECENT


def test_nobody_signs_for_who_asks_tomorrow(desk: Desk) -> None:
    asks = len(desk.model.rows) + 2
    lines = (
        credit(700, named=asks),
        credit(700, b"N2", asks),
        credit(5, b"N3", asks - 1),
    )
    asked = desk.propose(CHANNEL, *lines)
    assert (asked, desk.asks(700)) == (asks - 1, asks)
    one, two, own = desk.line_rows(asked, 0)
    assert desk.results(one, own) == [OK, OK]
    made = desk.model.rows[-2]
    assert (made.credit, made.resolves) == (ITEMS, asks)
    assert made.flags == RowFlag.CLAIM | RowFlag.RECENT
    # Said after the request it is matched, by a new line.
    assert desk.told(credit(700, b"N2", asks)) == [OK]
    assert last(desk).credit == WALLET
    assert desk.result(two) == Result.ALREADY_BOOKED
    # By people: it is asked of the proposal, not of when it is approved or done.
    asks = len(desk.model.rows) + 2
    asked = desk.propose(GAMMA, credit(800, b"N4", asks))
    assert desk.asks(800) == asks
    desk.approve(asked, BETA)
    assert desk.results(*desk.line_rows(asked)) == [OK]
    assert last(desk).credit == ITEMS
    # Just before the proposal it is old enough.
    asked = desk.propose(GAMMA, credit(800, b"N5", asks))
    desk.approve(asked, BETA)
    assert desk.results(*desk.line_rows(asked)) == [OK]
    assert last(desk).credit == WALLET


def test_nor_for_what_is_released_tomorrow(desk: Desk) -> None:
    desk.lines(move(5_000, FLOAT, SETTLEMENT))
    release = len(desk.model.rows) + 4
    asked = desk.propose(CHANNEL, debit(700, named=release))
    assert desk.wanted(move(700, SETTLEMENT, TRANSIT)) == [OK]
    assert last(desk).sequence == release
    assert desk.results(*desk.line_rows(asked, 0)) == [OK]
    assert (last(desk).resolves, last(desk).flags) == (release, RowFlag.CLAIM)
    made = desk.booked(debit(700, b"N2", release))
    assert made.flags == RowFlag.CLAIM | RowFlag.MATCHED


def test_which_lines_are_the_same(desk: Desk) -> None:
    first = desk.booked(credit(700))
    count = len(desk.model.rows)
    asked = desk.propose(CHANNEL, credit(700))
    [told] = desk.tell(*desk.line_rows(asked, 0))
    assert (told.result, told.sequence) == (Result.ALREADY_BOOKED, NO_ROW)
    assert told.other == first.sequence
    asked = desk.propose(CHANNEL, credit(701, tail=b"{}"))
    [row] = desk.line_rows(asked, 0)
    [told] = desk.tell(row)
    assert (told.result, told.sequence) == (Result.BOOKED_DIFFERS, count + 3)
    assert (told.other, told.other_id) == (first.sequence, first.id)
    made = last(desk)
    assert (made.total, made.debit, made.credit) == (first.sequence, BANK, 0)
    assert (made.flags, made.tail) == (RowFlag.TAIL, b"{}")
    [told] = desk.tell(row)
    assert (told.result, told.repeat) == (Result.BOOKED_DIFFERS, 1)
    # Another side, a reversal and another bank's are other lines.
    other = replace(credit(700), debit=OTHER)
    lines = [
        credit(700, flags=RowFlag.REVERSAL), debit(700),
        debit(700, flags=RowFlag.REVERSAL), other,
    ]  # fmt: skip
    assert desk.told(*lines) == [OK] * 4
    accounts = [(row.debit, row.credit) for row in desk.model.rows[-4:]]
    between = [(BANK, ITEMS), (TRANSIT, BANK), (TRANSIT, BANK), (OTHER, OTHER_ITEMS)]
    assert accounts == between
    assert desk.told(*lines) == [Result.ALREADY_BOOKED] * 4
    assert desk.balances() == (0, 1_400, -1_400)


def test_what_may_be_booked(desk: Desk) -> None:
    wrong = (
        (replace(credit(5), debit=99), Result.ACCOUNT_UNKNOWN),
        (replace(credit(5), debit=ITEMS), Result.ACCOUNT_KIND_WRONG),
        (replace(debit(5), credit=TRANSIT), Result.ACCOUNT_KIND_WRONG),
        (replace(credit(5), debit=WALLET), Result.ACCOUNT_KIND_WRONG),
    )
    for line, result in wrong:
        assert desk.told(line) == [result]
        assert last(desk).kind == Kind.APPROVE  # and nothing behind it
    # Sent again it is compared without its accounts.
    made = desk.booked(credit(5))
    [row] = desk.line_rows(made.total, 0)
    [told] = desk.tell(replace(row, debit=0, credit=OTHER))
    assert (told.result, told.repeat) == (OK, 1)
    [told] = desk.tell(replace(row, flags=RowFlag.REVERSAL))
    assert (told.result, told.field) == (Result.ID_REUSED, Field.KIND)
    [told] = desk.tell(replace(row, resolves=1))
    assert (told.result, told.field) == (Result.ID_REUSED, Field.RESOLVES)


def test_a_bank_account_overflows(desk: Desk) -> None:
    """So much and no more stands on a bank account, on either side of nothing."""
    most = 10**18
    assert desk.wanted(credit(most - 1, b"C")) == [OK]
    assert desk.wanted(credit(2, b"D")) == [Result.OVERFLOWS]
    assert last(desk).kind == Kind.APPROVE
    assert desk.wanted(credit(1, b"D")) == [OK]
    assert desk.wanted(credit(1, b"E")) == [Result.OVERFLOWS]
    assert desk.wanted(debit(most, b"E")) == [OK]
    assert desk.wanted(debit(most, b"F")) == [OK]
    assert desk.wanted(debit(1, b"G")) == [Result.OVERFLOWS]
    assert desk.wanted(replace(credit(most, b"H"), debit=OTHER)) == [OK]
    # Nor do the sums of all that came and went leave their 64 bits.
    for number in range(16):
        assert desk.wanted(credit(most, b"C%d" % number)) == [OK]
        assert desk.wanted(debit(most, b"D%d" % number)) == [OK]
    assert desk.wanted(credit(most, b"I")) == [OK]
    room = 2**64 - 1 - 18 * most
    for line in credit(room, b"J"), debit(room, b"J"):
        more = replace(line, amount=room + 1)
        assert desk.wanted(more) == [Result.OVERFLOWS]
        assert desk.wanted(line) == [OK]
        assert desk.wanted(replace(line, amount=1, reference=b"K")) == [
            Result.OVERFLOWS
        ]
