"""Goal: each move becomes the row that the ledger expects, and the ledger does it.

Method: the rows field by field; then all moves once through a ledger of its own.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from switch._core import (
    LIMIT_RECORD,
    OUTCOME,
    ROW,
    SHIFT_RECORD,
    Ledger,
    Request,
    entries_of,
)
from switch.codes import (
    NO_AMOUNT_LIMIT,
    NO_COUNT_LIMIT,
    PROPOSE_ADVANCE,
    AccountState,
    AmountRule,
    Answered,
    Difference,
    DuplicateRule,
    Kind,
    Link,
    Mode,
    Result,
    Role,
    RowFlag,
    Tender,
)
from switch.counter import shift_rows
from switch.entries import Entry
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.templates import Templates, derived_id, get_bytes
from switch.register.load import (
    PURPOSE_FLOAT,
    PURPOSE_SETTLEMENT,
    PURPOSE_SUSPENSE,
    ParticipantSpec,
    Register,
    ServiceSpec,
    committing,
    load_network,
)
from tests.people import outcome_of, refund_moves

HEAD = "WB:0990-00-900-001-01"
MAP_SIZE = 1 << 30
ID = bytes(range(16))


def field(move: Templates, name: str) -> int:
    return int(move.rows[name][0])


def reference(move: Templates) -> bytes:
    return get_bytes(move.rows.tobytes(), ROW, "reference")


# --- the rows ---------------------------------------------------------------------


def test_a_top_up() -> None:
    move = moves.top_up(ID, 3, 7, 5_000, "UTR1", sender=2, checker=9)
    assert move.rows.shape == (1,)
    assert move.tails == ()
    assert move.rows["id"].tobytes() == ID
    assert field(move, "kind") == Kind.TOP_UP
    assert (field(move, "debit"), field(move, "credit")) == (3, 7)
    assert (field(move, "participant"), field(move, "checker")) == (2, 9)
    assert field(move, "amount") == 5_000
    assert reference(move) == b"UTR1"


def test_what_names_another_row() -> None:
    window = moves.window(44)
    assert (field(window, "kind"), field(window, "resolves")) == (Kind.WINDOW, 44)
    settle = moves.settle(ID, 44, 5, 6, 100, sender=2)
    assert (field(settle, "debit"), field(settle, "credit")) == (5, 6)
    assert (field(settle, "kind"), field(settle, "resolves")) == (Kind.SETTLE, 44)
    post = moves.post(44, 100)
    assert (field(post, "kind"), field(post, "amount")) == (Kind.POST, 100)
    void = moves.void(44)
    assert (field(void, "kind"), field(void, "resolves")) == (Kind.VOID, 44)
    for row in (window, post, void):
        assert row.rows["id"].tobytes() == bytes(16)


def test_what_two_people_do() -> None:
    ask = moves.propose_refund(ID, 44, 100, "paid twice", sender=2, operator=5)
    assert (field(ask, "kind"), field(ask, "resolves")) == (Kind.PROPOSE, 44)
    assert (field(ask, "total"), reference(ask)) == (Kind.REFUND, b"paid twice")
    assert (field(ask, "amount"), field(ask, "operator_")) == (100, 5)
    yes = moves.approve(ID, 45, sender=3, operator=6)
    assert (field(yes, "kind"), field(yes, "resolves")) == (Kind.APPROVE, 45)
    assert (field(yes, "participant"), field(yes, "operator_")) == (3, 6)
    done = moves.approved_refund(entries_of(ask.rows)[0], checker=3)
    assert done.rows["id"].tobytes() == moves.refund_id(ID)
    assert (field(done, "kind"), field(done, "amount")) == (Kind.REFUND, 100)
    assert (field(done, "participant"), field(done, "checker")) == (2, 3)
    digest = hashlib.blake2b(b"refund" + ID, digest_size=32).digest()
    assert moves.refund_id(ID) == digest[:16]


def a_hold(**values: int) -> Entry:
    """A hold as the ledger has it: the second of a basket of three."""
    row = np.zeros(1, ROW)
    row["kind"] = Kind.HOLD
    row["basket"] = 3 << 8 | 1
    for name, value in (("sequence", 44), ("amount", 100), *values.items()):
        row[name] = value
    row["debit"], row["credit"] = 7, 8
    return entries_of(row)[0]


def test_what_is_proposed_about_a_hold() -> None:
    hold = a_hold()
    asked = [
        (moves.propose_post(ID, 44, 90, "seen", sender=2), Kind.POST, 90),
        (moves.propose_void(ID, hold, "seen", sender=2), Kind.VOID, 100),
        (moves.propose_verify(ID, hold, "seen", sender=2), Kind.VERIFY, 100),
        (moves.propose_correction(ID, hold, 90, "seen", sender=2), Kind.TRANSFER, 90),
        (moves.propose_advance(ID, hold, 90, "seen", sender=2), PROPOSE_ADVANCE, 90),
        (moves.propose_close(ID, 44, "seen", sender=2), Kind.CASE_CLOSE, 1),
    ]
    for move, total, amount in asked:
        assert (field(move, "kind"), field(move, "total")) == (Kind.PROPOSE, total)
        assert (field(move, "resolves"), field(move, "amount")) == (44, amount)
        assert (field(move, "participant"), reference(move)) == (2, b"seen")
    never_mind = moves.withdraw(ID, 45, "no", sender=2, operator=5)
    assert (field(never_mind, "kind"), field(never_mind, "resolves")) == (
        Kind.WITHDRAW,
        45,
    )
    assert (field(never_mind, "operator_"), reference(never_mind)) == (5, b"no")


def test_what_is_done_about_a_hold() -> None:
    hold = a_hold()
    proposed = moves.propose_post(ID, 44, 90, "seen", sender=2).rows.copy()
    proposed["sequence"] = 46
    [asked] = entries_of(proposed)
    done = {
        Kind.POST: moves.approved_post(asked, checker=3),
        Kind.VOID: moves.approved_void(asked, hold, checker=3),
        Kind.VERIFY: moves.approved_verify(asked, hold, checker=3),
        Kind.CASE_CLOSE: moves.approved_close(asked, checker=3),
        Kind.TRANSFER: moves.approved_correction(asked, hold, checker=3),
    }
    advance = moves.approved_advance(asked, hold, 9, checker=3)
    for kind, move in (*done.items(), (Kind.TRANSFER, advance)):
        assert set(move.rows["kind"].tolist()) == {kind}
        assert set(move.rows["total"].tolist()) == {46}
        assert set(move.rows["checker"].tolist()) == {3}
    # What has no id is done to the whole basket.
    for kind in (Kind.VOID, Kind.VERIFY):
        assert done[kind].rows["resolves"].tolist() == [43, 44, 45]
        assert not done[kind].rows["id"].tobytes().strip(b"\0")
    for move, sides in ((done[Kind.TRANSFER], (7, 8)), (advance, (9, 7))):
        assert (field(move, "debit"), field(move, "credit")) == sides
        assert (field(move, "amount"), field(move, "resolves")) == (90, 44)
        assert move.rows["id"].tobytes() == moves.refund_id(ID)
        assert (field(move, "participant"), reference(move)) == (2, b"seen")
    lent = a_hold(sequence=50, amount=90)
    back = moves.recover(ID, lent, "paid back", sender=2)
    assert (field(back, "debit"), field(back, "credit")) == (8, 7)
    assert (field(back, "amount"), field(back, "resolves")) == (90, 50)


def test_a_shift_is_counted() -> None:
    counted = shift_rows.Shift(7, 3, 900, 1, 100, 700, 650, 2)
    shift = shift_rows.shift(ID, 5, 4, counted, sender=3, previous=40)
    assert (field(shift, "kind"), field(shift, "resolves")) == (Kind.SHIFT, 40)
    assert (field(shift, "debit"), field(shift, "operator_")) == (5, 4)
    [record] = np.frombuffer(shift.tails[0], SHIFT_RECORD, count=1)
    assert record.tolist()[:10] == (7, 900, 100, 700, 650, 3, 1, 2, 4, Difference.SHORT)
    assert counted._replace(cash_counted=700).difference is Difference.NONE
    assert counted._replace(cash_counted=701).difference is Difference.OVER


def test_a_billers_word() -> None:
    [yes] = moves.confirmed(44, ID, 100, "CREDITED/1")
    assert (yes["number"], yes["kind"]) == (44, Answered.CONFIRMED)
    assert yes["amount"] == 100
    assert yes["id"].tobytes() == ID
    text = yes["biller_reference"].tobytes()[: yes["biller_reference_size"]]
    assert text == b"CREDITED/1"
    [no] = moves.rejected(45, ID, "E-7")
    assert (no["number"], no["kind"], no["reason_size"]) == (45, Answered.REJECTED, 3)
    with pytest.raises(ValueError, match="reason takes 32 bytes"):
        moves.rejected(45, ID, "x" * 33)


def test_freezes_and_closes() -> None:
    freeze = moves.freeze(ID, 5, "why", sender=2)
    assert (field(freeze, "kind"), field(freeze, "flags")) == (Kind.FREEZE, 0)
    unfreeze = moves.freeze(ID, 5, "why", sender=2, unfreeze=True)
    assert field(unfreeze, "flags") == RowFlag.UNFREEZE
    close = moves.close(ID, 5, "why", sender=2)
    assert (field(close, "kind"), field(close, "debit")) == (Kind.CLOSE, 5)
    move = moves.transfer(ID, 5, 6, 1, "why", sender=2)
    assert (field(move, "kind"), reference(move)) == (Kind.TRANSFER, b"why")


def test_a_limit_and_none() -> None:
    move = moves.set_limit(5, 100, 0, row_id=ID)
    # Without a limit of one payment a record of the first form, as it always was.
    record = np.frombuffer(move.tails[0].ljust(32, b"\0"), LIMIT_RECORD)[0]
    assert (len(move.tails[0]), record["form"]) == (16, 0)
    assert field(move, "flags") == RowFlag.TAIL
    assert record["day_amount_max"] == 100
    assert record["day_count_max"] == NO_COUNT_LIMIT
    move = moves.set_limit(5, 0, 1, 9, row_id=ID)
    record = np.frombuffer(move.tails[0].ljust(32, b"\0"), LIMIT_RECORD)
    assert len(move.tails[0]) == 24
    assert (record[0]["form"], record[0]["payment_max"]) == (1, 9)
    assert record[0]["day_amount_max"] == NO_AMOUNT_LIMIT


def test_a_payment_and_a_hold() -> None:
    pay = moves.pay(
        ID, 5, 1, 100, "BILL", sender=2, head=3, tender=Tender.CARD, amount_due=100,
        note="two copies", operator=4,
    )  # fmt: skip
    assert field(pay, "flags") == 3 << 9 | 2 << 12 | RowFlag.TAIL
    assert pay.tails == (b"two copies",)
    assert (field(pay, "operator_"), field(pay, "total")) == (4, 100)
    hold = moves.hold(ID, 5, 1, 100, "BILL", 60, sender=2)
    assert (field(hold, "kind"), field(hold, "deadline")) == (Kind.HOLD, 60)
    assert hold.tails == ()
    with pytest.raises(ValueError, match="no head 8"):
        moves.pay(ID, 5, 1, 100, "BILL", sender=2, head=8)


@pytest.mark.parametrize("text", ["", "r" * 33, "a\0", "\u0995" * 11])
def test_a_reference_that_no_row_holds_is_left_out(text: str) -> None:
    assert reference(moves.close(ID, 5, text, sender=2)) == b""


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(OverflowError):
        moves.top_up(ID, 3, 7, 2**64, "UTR1", sender=2)
    with pytest.raises(OverflowError):
        moves.top_up(ID, 2**32, 7, 1, "UTR1", sender=2)


def test_several_moves_are_one_request() -> None:
    both = moves.join(
        [moves.set_limit(5, 1, 1, row_id=ID), moves.close(ID, 5, "x", sender=2)]
    )
    assert both.rows.shape == (2,)
    assert len(both.tails) == 1
    assert both.request().rows_count == 2


def test_derived_ids_keep_parts_apart() -> None:
    assert derived_id(1, b"ab") == derived_id(1, b"ab")
    assert derived_id(b"a", b"b") != derived_id(b"ab", b"")
    assert len(derived_id(0)) == 16


# --- through a ledger -------------------------------------------------------------


class Bench:
    """A ledger with a centre, a biller and two services."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.register = Register(ledger)
        self.commit = committing(ledger)
        load_network(self.register, self.commit, PARTICIPANTS, SERVICES)
        treasury_index = self.index("treasury")
        self.sender = treasury_index
        self.float = self.account(treasury_index, PURPOSE_FLOAT)
        self.settlement = self.account(treasury_index, PURPOSE_SETTLEMENT)
        self.suspense = self.account(treasury_index, PURPOSE_SUSPENSE)
        self.centre = self.index("bsk-1")
        self.wallet = self.account(self.centre, 0)
        self.biller = self.account(self.index("water"), 0)

    def index(self, name: str) -> int:
        found = self.register.find_participant(name)
        assert found is not None
        return found.index

    def account(self, participant: int, purpose: int) -> int:
        found = self.register.find_account(participant, purpose)
        assert found is not None
        return found.index

    def do(self, move: Templates) -> tuple[Result, int]:
        reply = self.commit(move.request())
        assert not isinstance(reply, bytes)
        assert reply.dtype == OUTCOME
        outcome = outcome_of(reply)
        return Result(int(outcome["result"])), int(outcome["sequence"])

    def decide(self, ask: Templates, done: Callable[..., Templates]) -> int:
        """What one proposes, another approves; sequence of what is done then."""
        result, asked = self.do(ask)
        assert result is Result.OK
        yes = moves.approve(new_id(), asked, sender=self.sender + 1)
        assert self.do(yes)[0] is Result.OK
        result, sequence = self.do(
            done(self.ledger.row(asked), checker=self.sender + 1)
        )
        assert result is Result.OK
        return sequence

    def balance(self, account: int) -> int:
        image, _ = self.ledger.account(account)
        return int(image["credits_posted"]) - int(image["debits_posted"])


PARTICIPANTS = (
    ParticipantSpec(id="water", role=Role.BILLER, heads=(HEAD,)),
    ParticipantSpec(id="bsk-1", role=Role.CENTRE, may_state_dues=True),
)
SERVICES = tuple(
    ServiceSpec(
        code=code,
        biller="water",
        heads=(HEAD,),
        amount_rule=AmountRule.ANY,
        mode=mode,
        duplicate_rule=DuplicateRule.NONE,
        deadline_s=60,
    )
    for code, mode in (("DIRECT", Mode.DIRECT), ("HELD", Mode.CONFIRMED))
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Ledger(str(tmp_path), map_size=MAP_SIZE, reserve_size=0) as ledger:
        yield Bench(ledger)


def test_money_goes_round(bench: Bench) -> None:
    top_up = moves.top_up(
        new_id(), bench.float, bench.wallet, 10_000, "UTR1", sender=bench.sender
    )
    assert bench.do(top_up)[0] is Result.OK
    pay = moves.pay(new_id(), bench.wallet, 1, 4_000, "BILL-1", sender=bench.centre)
    result, paid = bench.do(pay)
    assert result is Result.OK
    refund = refund_moves(bench.ledger, paid, 1_000, maker=bench.sender)
    assert bench.do(refund)[0] is Result.OK
    assert bench.balance(bench.wallet) == 7_000

    result, window = bench.do(moves.window(0))
    assert result is Result.OK
    settle = moves.settle(
        new_id(), window, bench.biller, bench.settlement, 3_000, sender=bench.sender
    )
    assert bench.do(settle)[0] is Result.OK
    assert bench.balance(bench.biller) == 0
    assert bench.balance(bench.settlement) == 3_000
    back = moves.transfer(
        new_id(), bench.settlement, bench.float, 3_000, "PAID-OUT", sender=bench.sender
    )
    assert bench.do(back)[0] is Result.OK
    accounts, _ = bench.ledger.accounts()
    assert accounts["debits_posted"].sum() == accounts["credits_posted"].sum()


def test_holds_end_once(bench: Bench) -> None:
    top_up = moves.top_up(
        new_id(), bench.float, bench.wallet, 10_000, "UTR1", sender=bench.sender
    )
    assert bench.do(top_up)[0] is Result.OK
    held = [
        bench.do(
            moves.hold(
                new_id(), bench.wallet, 2, 2_000, f"BILL-{at}", 60, sender=bench.centre
            )
        )
        for at in range(2)
    ]
    assert [result for result, _ in held] == [Result.OK, Result.OK]
    assert bench.do(moves.post(held[0][1], 1_500))[0] is Result.OK
    assert bench.do(moves.void(held[1][1]))[0] is Result.OK
    assert bench.do(moves.void(held[0][1]))[0] is Result.ALREADY_POSTED
    assert bench.balance(bench.wallet) == 8_500


def test_a_refund_needs_two_people(bench: Bench) -> None:
    top_up = moves.top_up(
        new_id(), bench.float, bench.wallet, 10_000, "UTR1", sender=bench.sender
    )
    assert bench.do(top_up)[0] is Result.OK
    pay = moves.pay(new_id(), bench.wallet, 1, 4_000, "BILL-1", sender=bench.centre)
    paid = bench.do(pay)[1]
    ask = moves.propose_refund(new_id(), paid, 900, "twice", sender=bench.sender)
    result, asked = bench.do(ask)
    assert result is Result.OK
    proposal = bench.ledger.row(asked)

    def both(sender: int) -> list[Result]:
        rows = moves.join(
            [
                moves.approve(new_id(), asked, sender=sender),
                moves.approved_refund(proposal, checker=sender),
            ]
        )
        reply = bench.commit(rows.request())
        assert not isinstance(reply, bytes)
        return [Result(int(outcome["result"])) for outcome in reply]

    assert both(bench.sender) == [Result.SAME_PERSON, Result.NOT_APPROVED]
    assert bench.balance(bench.wallet) == 6_000
    other = bench.sender + 1
    assert both(other) == [Result.OK] * 2
    # Approved twice is approved once, and the refund has its answer.
    assert both(other) == [Result.ALREADY_APPROVED, Result.OK]
    assert bench.balance(bench.wallet) == 6_900


def test_a_biller_ends_a_hold(bench: Bench) -> None:
    top_up = moves.top_up(
        new_id(), bench.float, bench.wallet, 10_000, "UTR1", sender=bench.sender
    )
    assert bench.do(top_up)[0] is Result.OK
    row_id = new_id()
    hold = moves.hold(row_id, bench.wallet, 2, 2_000, "BILL-1", 60, sender=bench.centre)
    held = bench.do(hold)[1]
    biller = bench.index("water")
    reply = bench.commit(Request.answers(moves.confirmed(held, row_id, 2_000), biller))
    assert not isinstance(reply, bytes)
    assert reply["result"][0] == Result.OK
    late = Request.answers(moves.rejected(held, row_id), biller)
    reply = bench.commit(late)
    assert not isinstance(reply, bytes)
    assert reply["result"][0] == Result.ALREADY_POSTED
    case = int(reply["sequence"][0])
    ask = moves.propose_close(new_id(), case, "its error", sender=bench.sender)
    close = bench.decide(ask, moves.approved_close)
    assert bench.ledger.resolution(case)[0] == close
    again = moves.propose_close(new_id(), case, "twice", sender=bench.sender)
    assert bench.do(again)[0] is Result.CASE_CLOSED


def test_a_kept_hold_is_paid_ahead_and_ended(bench: Bench) -> None:
    for account, utr in ((bench.wallet, "UTR1"), (bench.suspense, "UTR2")):
        put = moves.top_up if account == bench.wallet else moves.transfer
        given = put(new_id(), bench.float, account, 10_000, utr, sender=bench.sender)
        assert bench.do(given)[0] is Result.OK
    held = bench.do(
        moves.hold(new_id(), bench.wallet, 2, 2_000, "BILL-1", 60, sender=bench.centre)
    )[1]
    bench.ledger.commit([], bench.ledger.timestamp + 61 * 10**9)
    assert bench.ledger.kept().tolist() == [held]
    row = bench.ledger.row(held)
    ask = moves.propose_advance(new_id(), row, 1_500, "needs it", sender=bench.sender)
    lent = bench.decide(
        ask,
        lambda proposal, **who: moves.approved_advance(
            proposal, row, bench.suspense, **who
        ),
    )
    assert bench.ledger.link(held, Link.ADVANCE) == lent
    assert bench.balance(bench.wallet) == 11_500
    # Somebody thought better of it.
    ask = moves.propose_post(new_id(), held, 2_000, "seen", sender=bench.sender)
    asked = bench.do(ask)[1]
    never = moves.withdraw(new_id(), asked, "not so", sender=bench.sender)
    assert bench.do(never)[0] is Result.OK
    yes = moves.approve(new_id(), asked, sender=bench.sender + 1)
    assert bench.do(yes)[0] is Result.PROPOSAL_WITHDRAWN
    ask = moves.propose_void(new_id(), row, "never had it", sender=bench.sender)
    bench.decide(ask, lambda proposal, **who: moves.approved_void(proposal, row, **who))
    assert bench.ledger.kept_count == bench.ledger.holds_count == 0
    back = moves.recover(
        new_id(), bench.ledger.row(lent), "is back", sender=bench.sender
    )
    assert bench.do(back)[0] is Result.OK
    assert bench.balance(bench.wallet) == bench.balance(bench.suspense) == 10_000


def test_a_wallet_is_limited_frozen_and_closed(bench: Bench) -> None:
    wallet, sender = bench.wallet, bench.sender
    limit = moves.set_limit(wallet, 500, 1, row_id=new_id(), sender=sender)
    assert bench.do(limit)[0] is Result.OK
    image, _ = bench.ledger.account(wallet)
    assert int(image["day_amount_max"]) == 500
    assert int(image["day_count_max"]) == 1
    freeze = moves.freeze(new_id(), wallet, "LOST KEY", sender=sender)
    assert bench.do(freeze)[0] is Result.OK
    pay = moves.pay(new_id(), wallet, 1, 100, "BILL-1", sender=bench.centre)
    assert bench.do(pay)[0] is Result.DEBIT_FROZEN
    thaw = moves.freeze(new_id(), wallet, "NEW KEY", sender=sender, unfreeze=True)
    assert bench.do(thaw)[0] is Result.OK
    close = moves.close(new_id(), wallet, "MOVED", sender=sender)
    assert bench.do(close)[0] is Result.OK
    image, _ = bench.ledger.account(wallet)
    assert image["state"] == AccountState.CLOSED


def test_shapes_are_the_ledgers_to_judge(bench: Bench) -> None:
    for row_id, utr, expected in (
        (b"short", "UTR1", Result.INVALID_ID),
        (new_id(), "U" * 33, Result.INVALID_REFERENCE),
        (new_id(), "\u0995", Result.INVALID_REFERENCE),
    ):
        move = moves.top_up(
            row_id, bench.float, bench.wallet, 1, utr, sender=bench.sender
        )
        assert bench.do(move)[0] is expected
