"""Goal: what the oracle says of payouts, of what wallets owe and of openings is what
the data model says.

Method: the treasury of tests/banking.py with a biller more, told row by row; each
answer is worked out by hand from docs/data-model.md.
"""

from dataclasses import replace
from functools import partial

import pytest

from switch.codes import AccountKind, Field, Kind, Link, Result, Role, RowFlag
from tests.banking import (
    BANK,
    CHANNEL,
    ITEMS,
    OK,
    OTHER,
    OTHER_TRANSIT,
    SETTLEMENT,
    THEIRS,
    TRANSIT,
    Desk,
    credit,
    debit,
    move,
    statement,
)
from tests.model import Model
from tests.payout_records import BeneficiaryRecord
from tests.records import (
    AccountRecord,
    LimitRecord,
    Outcome,
    ParticipantRecord,
    Row,
)
from tests.signing import Line, ThresholdsRecord
from tests.test_model_people import (
    ALPHA,
    BETA,
    BRANCH,
    DAY_NS,
    FLOAT,
    MAIN,
    NOON,
    SUSPENSE,
    WALLET,
    last,
    of_record,
    top_up,
)

BILLER = 4
HEAD, OTHER_HEAD = 11, 12
SECOND_NS = 10**9
WORD_MAX = 2**64 - 1
NOT_APPROVED = Result.NOT_APPROVED
EXCEEDS = Result.EXCEEDS_SETTLED
WRONG, WAITS = Result.BENEFICIARY_WRONG, Result.BENEFICIARY_WAITS
KIND_WRONG = Result.ACCOUNT_KIND_WRONG
MINE = BeneficiaryRecord(HEAD)


@pytest.fixture
def bare() -> Desk:
    """Nothing is there yet."""
    model = Model()
    return Desk(model, model.commit, NOON)


@pytest.fixture
def desk(bare: Desk) -> Desk:
    return begin(bare)


def begin(bare: Desk) -> Desk:
    """All that the stories below begin with."""
    bare.open()
    bare.lines(of_record(ParticipantRecord(b"biller", Role.BILLER).pack()))
    bare.lines(
        of_record(AccountRecord(BILLER, 0, AccountKind.BILLER).pack(), Kind.OPEN),
        of_record(AccountRecord(BILLER, 1, AccountKind.BILLER).pack(), Kind.OPEN),
        move(6_000, FLOAT, SETTLEMENT),
        move(2_000, FLOAT, HEAD),
        move(2_000, FLOAT, OTHER_HEAD),
    )
    window = Row(Kind.WINDOW, participant=1, resolves=bare.model.last_window)
    assert bare.result(window) == Result.NOT_SIGNED
    window.operator_ = ALPHA[1]
    assert bare.result(bare.signed(window)) == OK
    closed = bare.model.last_window
    settle = partial(Line, Kind.SETTLE, 2_000, closed, credit=SETTLEMENT)
    bare.lines(settle(debit=HEAD), settle(debit=OTHER_HEAD))
    return bare


def ask(desk: Desk, line: Line) -> tuple[Outcome, Row]:
    """What is answered to a line that two people want, and the last row."""
    asked = desk.propose(ALPHA, line)
    assert desk.approve(asked, BETA).result == OK
    [told] = desk.tell(*desk.line_rows(asked))
    return told, last(desk)


def pay_out(desk: Desk, named: int, *, amount: int = 5) -> tuple[int, int]:
    """What becomes of a payout that speaks of a row."""
    told, row = ask(desk, move(amount, SETTLEMENT, TRANSIT, named))
    assert (told.result == OK) == (row.kind == Kind.TRANSFER)
    return told.result, told.other


def say(desk: Desk, record: BeneficiaryRecord) -> int:
    """The row of a beneficiary, which three must want."""
    assert desk.by_three(of_record(record.pack())) == [OK]
    return last(desk).sequence


# --- beneficiaries --------------------------------------------------------------------


def test_who_is_paid_out(desk: Desk) -> None:
    person = desk.model.persons[ALPHA].sequence
    assert pay_out(desk, 0) == (OK, 0)
    assert desk.model.link(0, Link.PAYOUT) == 0
    assert pay_out(desk, person) == (WRONG, 0)
    first = say(desk, MINE)
    assert (last(desk).debit, last(desk).flags) == (1, RowFlag.TAIL)
    assert pay_out(desk, 0) == (WRONG, 0)
    assert pay_out(desk, person) == (WRONG, 0)
    assert pay_out(desk, first) == (WAITS, first)
    desk.now = desk.model.rows[first - 1].timestamp + DAY_NS - 3 * SECOND_NS - 1
    assert pay_out(desk, first) == (WAITS, first)
    desk.now = desk.model.rows[first - 1].timestamp + DAY_NS - 3 * SECOND_NS
    assert pay_out(desk, first) == (OK, 0)
    assert desk.model.link(first, Link.PAYOUT) == last(desk).sequence
    assert pay_out(desk, first, amount=6) == (OK, 0)
    assert desk.model.link(first, Link.PAYOUT) == last(desk).sequence
    assert desk.model.link(first, Link.ENDING) == 0


def test_it_is_at_most_what_was_settled_and_not_paid_out(desk: Desk) -> None:
    first, other = say(desk, MINE), say(desk, replace(MINE, account=OTHER_HEAD))
    desk.now += DAY_NS
    assert pay_out(desk, first, amount=2_001) == (EXCEEDS, 0)
    assert pay_out(desk, first, amount=1_500) == (OK, 0)
    release = last(desk).sequence
    assert pay_out(desk, first, amount=501) == (EXCEEDS, 0)
    assert pay_out(desk, other, amount=2_000) == (OK, 0)
    assert desk.wanted(move(1_500, TRANSIT, SETTLEMENT, release)) == [OK]
    assert pay_out(desk, first, amount=2_001) == (EXCEEDS, 0)
    # Its bank has paid all the same, and less than that.
    item = desk.booked(debit(600, named=release)).sequence
    assert desk.wanted(move(600, SETTLEMENT, TRANSIT, item)) == [OK]
    assert pay_out(desk, first, amount=1_401) == (EXCEEDS, 0)
    # What a line says that names no payout before it counts for nobody.
    for number, named in enumerate((0, first, 10**6, item)):
        line = debit(1, b"N%d" % number, named)
        item = desk.booked(line).sequence
        assert desk.wanted(move(1, SETTLEMENT, TRANSIT, item)) == [OK]
    assert pay_out(desk, first, amount=1_400) == (OK, 0)
    assert pay_out(desk, first, amount=1) == (EXCEEDS, 0)


def test_who_is_another_beneficiary_by_now_waits_again(desk: Desk) -> None:
    first = say(desk, MINE)
    other = say(desk, replace(MINE, account=OTHER_HEAD))
    assert (last(desk).debit, last(desk).flags) == (2, RowFlag.TAIL)
    desk.now += DAY_NS
    assert pay_out(desk, first) == (OK, 0)
    second = say(desk, replace(MINE, number=b"X1", ifsc=b"HDFC0ZZZZZ9"))
    assert (last(desk).debit, last(desk).flags) == (1, RowFlag.TAIL | RowFlag.UPDATE)
    assert pay_out(desk, first) == (WRONG, second)
    assert pay_out(desk, second) == (WAITS, second)
    assert pay_out(desk, other) == (OK, 0)
    desk.now += DAY_NS
    assert pay_out(desk, second) == (OK, 0)
    third = say(desk, replace(MINE, active=0))
    desk.now += DAY_NS
    assert pay_out(desk, second) == (WRONG, third)
    assert pay_out(desk, third) == (WRONG, third)


def test_nobody_proposes_to_pay_one_who_is_to_come(desk: Desk) -> None:
    named = len(desk.model.rows) + 6
    early = desk.propose(ALPHA, move(5, SETTLEMENT, TRANSIT, named))
    desk.approve(early, BETA)
    assert say(desk, MINE) == named
    desk.now += DAY_NS
    [told] = desk.tell(*desk.line_rows(early))
    assert (told.result, told.other, told.sequence) == (WRONG, named, 0)
    assert pay_out(desk, named) == (OK, 0)


def test_thresholds_say_how_long_it_waits(desk: Desk) -> None:
    first = say(desk, MINE)
    made = desk.model.rows[first - 1].timestamp
    bounds = (WORD_MAX, WORD_MAX, WORD_MAX)
    desk.lines(of_record(ThresholdsRecord(*bounds, wait_s=60).pack()))
    assert pay_out(desk, first) == (WAITS, first)
    desk.now = made + 60 * SECOND_NS - 3 * SECOND_NS
    assert pay_out(desk, first) == (OK, 0)
    assert desk.by_three(of_record(ThresholdsRecord(*bounds).pack())) == [OK]
    assert pay_out(desk, first) == (WAITS, first)
    too_long = ThresholdsRecord(*bounds, wait_s=31 * 86_400 + 1).pack()
    proposal = desk.proposal(ALPHA, of_record(too_long))
    assert desk.result(proposal) == Result.INVALID_RECORD
    month = ThresholdsRecord(*bounds, wait_s=31 * 86_400).pack()
    assert desk.by_three(of_record(month)) == [OK]
    desk.now = made + 31 * DAY_NS - 3 * SECOND_NS - 1
    assert pay_out(desk, first) == (WAITS, first)
    assert pay_out(desk, first) == (OK, 0)


def test_what_beneficiaries_must_be(desk: Desk) -> None:
    def result(record: BeneficiaryRecord) -> int:
        asked = desk.proposal(ALPHA, of_record(record.pack()))
        [told] = desk.tell(asked)
        if told.result != OK:
            return told.result
        assert last(desk).flags & RowFlag.THIRD
        desk.approve(told.sequence, BETA)
        desk.approve(told.sequence, (BRANCH, 2))
        return desk.results(*desk.line_rows(told.sequence))[0]

    invalid = Result.INVALID_RECORD
    assert result(replace(MINE, account=0)) == invalid
    assert result(replace(MINE, account=99)) == Result.ACCOUNT_UNKNOWN
    assert result(replace(MINE, account=WALLET)) == KIND_WRONG
    assert result(replace(MINE, active=2)) == invalid
    for number in (b"", b"a1", b"A 1", b"A" * 35, b"A\0B"):
        assert result(replace(MINE, number=number)) == invalid
    for ifsc in (b"", b"BANK1000001", b"BANK000001", b"bANK0000001", b"BANK00000011"):
        assert result(replace(MINE, ifsc=ifsc)) == invalid
    for at in (2, 3):
        tail = bytearray(MINE.pack())
        tail[at] = 1
        proposal = desk.proposal(ALPHA, of_record(bytes(tail)))
        assert desk.result(proposal) == invalid
    proposal = desk.proposal(ALPHA, of_record(MINE.pack()[:-1]))
    assert desk.result(proposal) == invalid
    assert result(replace(MINE, number=b"A" * 34)) == OK
    # One that was proposed before another came does not undo it.
    early = desk.propose(ALPHA, of_record(MINE.pack()))
    say(desk, replace(MINE, number=b"B1"))
    desk.approve(early, BETA)
    desk.approve(early, (BRANCH, 2))
    assert desk.results(*desk.line_rows(early)) == [NOT_APPROVED]
    # No person changes one alone, nor puts one out.
    off = desk.row(Kind.REGISTER, ALPHA, tail=replace(MINE, active=0).pack())
    assert desk.result(desk.signed(off)) == NOT_APPROVED


def test_a_payout_comes_back_whatever_it_speaks_of(desk: Desk) -> None:
    first = say(desk, MINE)
    desk.now += DAY_NS
    assert pay_out(desk, first, amount=700) == (OK, 0)
    released = last(desk).sequence
    made = desk.booked(debit(700, named=released))
    assert (made.debit, bool(made.flags & RowFlag.MATCHED)) == (TRANSIT, True)
    assert desk.balances()[2] == 0
    # From the same account to the same what ends a debit is no payout.
    item = desk.booked(debit(9, b"N2")).sequence
    assert pay_out(desk, item, amount=9) == (OK, 0)
    assert desk.model.link(item, Link.ENDING) == last(desk).sequence
    ended = last(desk).sequence
    assert not desk.booked(debit(9, b"N3", named=ended)).flags & RowFlag.MATCHED
    assert pay_out(desk, 10**6) == (Result.CASE_NOT_FOUND, 0)


# --- what is owed ---------------------------------------------------------------------


def owed(amount: int, item: int, from_: int = WALLET, to: int = TRANSIT) -> Line:
    """What ends a debit whatever the wallet has."""
    return replace(move(amount, from_, to, item), flags=int(RowFlag.OWED))


def test_a_wallet_owes_what_a_bank_has_taken_back(desk: Desk) -> None:
    desk.lines(top_up(600))
    taken = desk.booked(debit(1_000, flags=RowFlag.REVERSAL)).sequence
    told, _ = ask(desk, move(1_000, WALLET, TRANSIT, taken))
    assert told.result == Result.INSUFFICIENT_FUNDS
    told, row = ask(desk, owed(1_000, taken))
    assert (told.result, told.balance, row.flags) == (OK, 0, RowFlag.OWED)
    wallet = desk.model.accounts[WALLET]
    assert (wallet.balance, wallet.available) == (-400, 0)
    assert wallet.totals == (0, 1_000, 0, 600)
    # Nothing is paid from it, and it does not close, until all is made up for.
    assert desk.wanted(move(1, WALLET, SUSPENSE)) == [Result.INSUFFICIENT_FUNDS]
    close = Line(Kind.CLOSE, debit=WALLET, reference=b"why")
    assert desk.wanted(close) == [Result.BALANCE_NOT_ZERO]
    told, _ = ask(desk, top_up(399, b"U2"))
    assert (told.result, told.balance) == (OK, 0)
    assert desk.wanted(move(1, WALLET, SUSPENSE)) == [Result.INSUFFICIENT_FUNDS]
    told, _ = ask(desk, top_up(3, b"U3"))
    assert (told.balance, wallet.available) == (2, 2)
    assert desk.wanted(move(2, WALLET, SUSPENSE), close) == [OK, OK]


def test_only_an_ending_from_a_wallet_may_say_so(desk: Desk) -> None:
    came = desk.booked(credit(5)).sequence
    went = desk.booked(debit(5)).sequence
    for line in (
        owed(5, came, ITEMS, WALLET),
        owed(5, went, SETTLEMENT), owed(5, went, SUSPENSE),
        owed(5, desk.model.persons[ALPHA].sequence, SETTLEMENT), owed(5, went, FLOAT),
    ):  # fmt: skip
        told, _ = ask(desk, line)
        assert (told.result, told.sequence) == (KIND_WRONG, 0)
    # From a wallet all else is asked as ever.
    assert desk.wanted(owed(6, went)) == [Result.NET_DIFFERS]
    assert desk.wanted(owed(5, came)) == [KIND_WRONG]
    assert desk.wanted(owed(5, 10**6)) == [Result.CASE_NOT_FOUND]
    assert desk.wanted(owed(5, went, to=OTHER_TRANSIT)) == [KIND_WRONG]
    # Without R it is no line, and what would be a correction is a line's, too.
    proposal = desk.proposal(ALPHA, owed(5, 0, FLOAT, WALLET))
    assert desk.result(proposal) == Result.INVALID_RECORD
    row = desk.row(
        Kind.TRANSFER, ALPHA, amount=5, resolves=went, debit=WALLET, credit=HEAD,
        reference=b"why", flags=int(RowFlag.OWED),
    )  # fmt: skip
    for flags in (RowFlag.OWED, 0):
        [told] = desk.tell(replace(row, flags=int(flags), id=desk.id()))
        assert (told.result, told.sequence) == (NOT_APPROVED, 0)
    told, _ = ask(desk, owed(5, went, to=HEAD))
    assert (told.result, told.sequence) == (KIND_WRONG, 0)
    assert desk.wanted(owed(5, went)) == [OK]


def test_what_says_so_where_nobody_is(bare: Desk) -> None:
    desk = bare
    desk.treasury(b"main")
    desk.tell(
        *(
            desk.row(Kind.OPEN, (MAIN, 0), tail=AccountRecord(MAIN, *one).pack())
            for one in ((0, AccountKind.FLOAT), (1, AccountKind.SUSPENSE))
        )
    )
    row = desk.row(
        Kind.TRANSFER, (MAIN, 0), amount=5, debit=1, credit=2, reference=b"why",
        flags=int(RowFlag.OWED),
    )  # fmt: skip
    for resolves in (0, 1):
        [told] = desk.tell(replace(row, resolves=resolves, id=desk.id()))
        assert (told.result, told.sequence) == (KIND_WRONG, last(desk).sequence)
        assert (last(desk).flags, last(desk).total) == (RowFlag.OWED, 0)
    again = replace(row, id=last(desk).id, resolves=1, flags=0)
    [told] = desk.tell(again)
    assert (told.result, told.field) == (Result.ID_REUSED, Field.KIND)
    # What is another person's to want is still asked without it.
    [told] = desk.tell(replace(again, id=desk.id()))
    assert (told.result, told.sequence) == (NOT_APPROVED, 0)
    assert desk.result(replace(again, id=desk.id(), resolves=0)) == OK


def test_limits_of_a_wallet_that_owes(desk: Desk) -> None:
    went = desk.booked(debit(50)).sequence
    record = LimitRecord(low_balance=1)
    desk.lines(Line(Kind.LIMIT, debit=WALLET, tail=record.pack()))
    low = last(desk).sequence
    assert desk.model.accounts[WALLET].low_since == low
    assert desk.wanted(owed(50, went)) == [OK]
    assert desk.model.accounts[WALLET].low_since == low


# --- openings -------------------------------------------------------------------------


def test_how_bank_accounts_open(desk: Desk) -> None:
    assert desk.wanted(move(700, BANK, FLOAT), move(1, BANK, FLOAT)) == [
        OK,
        KIND_WRONG,
    ]
    assert desk.balances() == (-700, 0, 0)
    assert desk.wanted(move(1, FLOAT, BANK)) == [KIND_WRONG]
    # The other is overdrawn; it may be inactive by then.
    off = of_record(replace(THEIRS, active=0).pack())
    assert desk.by_three(off) == [OK]
    assert desk.wanted(move(90, FLOAT, OTHER)) == [OK]
    assert desk.model.accounts[OTHER].balance == 90
    assert desk.model.accounts[FLOAT].balance == 700 - 90 - 10_000
    # What a bank says goes on from there.
    told = statement(credit(5), opening=700)
    assert desk.told(*told) == [OK, OK]


def test_what_opens_no_bank_account(desk: Desk) -> None:
    for line in (
        move(5, BANK, SETTLEMENT), move(5, WALLET, BANK), move(5, BANK, OTHER),
        move(5, ITEMS, FLOAT), move(5, FLOAT, ITEMS), move(5, TRANSIT, FLOAT),
        move(5, FLOAT, TRANSIT),
    ):  # fmt: skip
        assert desk.wanted(line) == [KIND_WRONG]
    # One that is not registered could not be any more.
    tail = AccountRecord(MAIN, 48, AccountKind.BANK).pack()
    desk.lines(of_record(tail, Kind.OPEN))
    mirror = last(desk).debit
    assert desk.wanted(move(5, mirror, FLOAT)) == [KIND_WRONG]
    # A bank that has said something has begun.
    assert desk.told(credit(5), debit(5)) == [OK, OK]
    assert desk.model.accounts[BANK].balance == 0
    assert desk.wanted(move(5, BANK, FLOAT)) == [KIND_WRONG]
    # No connection says what there was.
    row = desk.proposal(CHANNEL, move(5, OTHER, FLOAT))
    assert desk.result(row) == Result.NOT_SIGNED
