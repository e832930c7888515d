"""Goal: what people must see to is listed from the journal alone, while it is open,
with whose turn it is and by when.

Method: a real ledger and a clock that the test moves. Each list is compared with what
the test did, by a reader that follows and by one that begins anew.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch._core import Rows
from switch.codes import PROPOSE_ADVANCE, Kind, Result
from switch.errors import OverloadError
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.exceptions import (
    Exceptions,
    Items,
    Owner,
    Wanted,
    are_overdue,
    decide_until_ns,
    owners,
)
from switch.ledger.follower import Follower
from switch.ledger.histories import Histories
from switch.ledger.open_matters import ExceptionKind as E
from tests.damage import damage_row
from tests.ledger.office import AMOUNT, DAY_S, DEADLINE_S, Office, offices

ALL = Wanted()
PAST_S = DEADLINE_S + 1
MIDNIGHT_S = 16 * 3_600
"""From the office's start to the end of its IST day."""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield from offices(tmp_path)


class Reader:
    """Two readers of one ledger, which must say the same."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.following = Exceptions(office.ledger)

    def items(self, wanted: Wanted = ALL) -> Items:
        office = self.office
        found, as_of, _ = self.following.find(wanted, office.now_ns)
        anew = Exceptions(office.ledger).find(wanted, office.now_ns).items
        assert as_of == office.ledger.sequence
        assert found.tolist() == anew.tolist()
        assert (np.diff(found["sequence"].astype(np.int64)) > 0).all()
        return found

    def listed(self, wanted: Wanted = ALL) -> list[tuple[E, int, int]]:
        """Kind, sequence and payment of each."""
        return [
            (E(int(one["kind"])), int(one["sequence"]), int(one["payment"]))
            for one in self.items(wanted)
        ]

    def owner(self, sequence: int) -> Owner:
        items = self.items()
        [at] = np.flatnonzero(items["sequence"] == sequence)
        return Owner(int(owners(items, self.office.now_ns)[at]))


@pytest.fixture
def reader(office: Office) -> Reader:
    found = Reader(office)
    assert found.listed() == []
    return found


# --- what is listed, until when ---


def test_a_kept_payment_until_it_ends(office: Office, reader: Reader) -> None:
    confirmed, rejected, decided = (office.pay()[0] for _ in range(3))
    assert reader.listed() == []
    office.pass_s(PAST_S)
    cases = {
        hold: int(office.cases(hold)[0]) for hold in (confirmed, rejected, decided)
    }
    assert reader.listed() == [(E.KEPT, cases[hold], hold) for hold in cases]
    item = reader.items()[0]
    assert (item["amount"], item["reported"]) == (AMOUNT, 0)
    assert item["since"] == office.row(cases[confirmed]).timestamp
    assert item["paid"] == office.row(confirmed).timestamp
    assert (item["debit"], item["credit"]) == (
        office.wallet(),
        office.head("water", "W:1"),
    )
    assert office.confirm(confirmed)["result"] == Result.OK
    assert reader.listed() == [
        (E.KEPT, cases[hold], hold) for hold in (rejected, decided)
    ]
    assert office.reject(rejected)["result"] == Result.OK
    assert reader.listed() == [(E.KEPT, cases[decided], decided)]
    asked = office.propose(Kind.VOID, decided)
    deed = moves.approved_void(
        office.row(asked), office.row(decided), checker=office.second
    )
    assert (E.PROPOSAL, asked, decided) in reader.listed()
    office.approve(asked, deed)
    assert reader.listed() == []


def test_who_cancels_ends_no_proposal(office: Office, reader: Reader) -> None:
    """The number of an operator may be that of anything else."""
    kept = office.pay()[0]
    office.pass_s(PAST_S)
    asked = office.propose(Kind.VOID, kept)
    held = office.pay()[0]
    office.do(moves.cancels(np.array([held], np.uint64), asked))
    ended = office.row(office.ledger.resolution(held)[0])
    assert (ended.total, ended.checker) == (asked, 0)
    assert (E.PROPOSAL, asked, kept) in reader.listed()


def test_an_unverified_payment_until_it_is_verified(
    office: Office, reader: Reader
) -> None:
    by_biller, by_people = office.pay("LAPSES")[0], office.pay("LAPSES")[0]
    office.pass_s(PAST_S)
    expiry = {
        hold: office.ledger.resolution(hold)[0] for hold in (by_biller, by_people)
    }
    assert reader.listed() == [
        (E.UNVERIFIED, expiry[by_biller], by_biller),
        (E.UNVERIFIED, expiry[by_people], by_people),
    ]
    assert office.reject(by_biller)["result"] == Result.OK
    assert reader.listed() == [(E.UNVERIFIED, expiry[by_people], by_people)]
    asked = office.propose(Kind.VERIFY, by_people)
    hold = office.row(by_people)
    office.approve(
        asked, moves.approved_verify(office.row(asked), hold, checker=office.second)
    )
    assert reader.listed() == []


def test_a_late_confirmation_until_it_is_corrected_or_taken_back(
    office: Office, reader: Reader
) -> None:
    corrected, taken_back = office.pay("LAPSES")[0], office.pay("LAPSES")[0]
    office.pass_s(PAST_S)
    for hold in (corrected, taken_back):
        assert office.confirm(hold)["result"] == Result.ALREADY_EXPIRED
    one, two = (int(office.cases(hold)[0]) for hold in (corrected, taken_back))
    # Once: what is in question of an unverified payment is the credit now.
    assert reader.listed() == [
        (E.LATE_CONFIRMATION, one, corrected),
        (E.LATE_CONFIRMATION, two, taken_back),
    ]
    assert reader.items()["reported"].tolist() == [AMOUNT, AMOUNT]
    asked = office.propose(Kind.TRANSFER, corrected)
    office.approve(
        asked,
        moves.approved_correction(
            office.row(asked), office.row(corrected), checker=office.second
        ),
    )
    assert reader.listed() == [(E.LATE_CONFIRMATION, two, taken_back)]
    assert office.reject(taken_back)["result"] == Result.OK
    assert reader.listed() == []
    # The biller says once more that it has credited it: a newer case.
    office.confirm(taken_back)
    assert len(office.cases(taken_back)) == 2
    again = int(office.cases(taken_back)[1])
    assert reader.listed() == [(E.LATE_CONFIRMATION, again, taken_back)]


def test_a_late_rejection_until_all_is_refunded_or_it_is_closed(
    office: Office, reader: Reader
) -> None:
    refunded, closed = office.pay()[0], office.pay()[0]
    for hold in (refunded, closed):
        office.confirm(hold)
        assert office.reject(hold)["result"] == Result.ALREADY_POSTED
    one, two = (int(office.cases(hold)[0]) for hold in (refunded, closed))
    post, _ = office.ledger.resolution(refunded)
    both = [(E.LATE_REJECTION, one, refunded), (E.LATE_REJECTION, two, closed)]
    assert reader.listed() == both
    for amount, left in ((AMOUNT - 1, both), (1, both[1:])):
        asked = office.propose(Kind.REFUND, post, amount)
        office.approve(
            asked, moves.approved_refund(office.row(asked), checker=office.second)
        )
        assert reader.listed() == left
    asked = office.propose(Kind.CASE_CLOSE, two, 1)
    # It is about the payment as well.
    assert (E.PROPOSAL, asked, closed) in reader.listed()
    office.approve(
        asked, moves.approved_close(office.row(asked), checker=office.second)
    )
    assert reader.listed() == []
    # A rejection that is said again is a new case.
    office.reject(closed)
    again = int(office.cases(closed)[1])
    assert reader.listed() == [(E.LATE_REJECTION, again, closed)]


def test_an_amount_that_differs_until_its_hold_ends_or_it_is_closed(
    office: Office, reader: Reader
) -> None:
    held, posted, due = office.pay()[0], office.pay()[0], office.pay()[0]
    office.confirm(posted)
    for hold in (held, posted):
        assert office.confirm(hold, AMOUNT - 1)["result"] == Result.AMOUNT_DIFFERS
    one, two = (int(office.cases(hold)[0]) for hold in (held, posted))
    both = [(E.AMOUNT_DIFFERS, one, held), (E.AMOUNT_DIFFERS, two, posted)]
    assert reader.listed() == both
    items = reader.items()
    assert items["reported"].tolist() == [AMOUNT - 1] * 2
    assert items["amount"].tolist() == [AMOUNT] * 2
    office.pass_s(PAST_S)
    kept = (E.KEPT, int(office.cases(due)[0]), due)
    assert reader.listed() == [*both, kept]
    # Of a kept one, what differs says more than that it is kept.
    assert office.confirm(due, 1)["result"] == Result.AMOUNT_DIFFERS
    differs = (E.AMOUNT_DIFFERS, int(office.cases(due)[1]), due)
    assert reader.listed() == [*both, differs]
    asked = office.propose(Kind.POST, held, AMOUNT - 1)
    office.approve(asked, moves.approved_post(office.row(asked), checker=office.second))
    assert reader.listed() == [both[1], differs]
    assert office.confirm(due)["result"] == Result.OK
    assert reader.listed() == [both[1]]
    asked = office.propose(Kind.CASE_CLOSE, two, 1)
    office.approve(
        asked, moves.approved_close(office.row(asked), checker=office.second)
    )
    assert reader.listed() == []


def test_a_case_of_an_open_hold_is_over_with_it_also_for_a_late_reader(
    office: Office,
) -> None:
    held = office.pay()[0]
    office.confirm(held, AMOUNT + 1)
    office.confirm(held)
    # Nobody has looked before the hold ended.
    assert Reader(office).listed() == []


def test_an_advance_until_it_is_recovered(office: Office, reader: Reader) -> None:
    hold = office.pay()[0]
    office.pass_s(PAST_S)
    by = office.treasury
    office.do(
        moves.transfer(
            new_id(), office.float, office.suspense, 10_000, "fund", sender=by
        )
    )
    kept = (E.KEPT, int(office.cases(hold)[0]), hold)
    asked = office.propose(PROPOSE_ADVANCE, hold, AMOUNT - 100)
    advance = office.approve(
        asked,
        moves.approved_advance(
            office.row(asked), office.row(hold), office.suspense, checker=office.second
        ),
    )
    assert reader.listed() == [kept, (E.ADVANCE, advance, hold)]
    item = reader.items()[1]
    assert (item["amount"], item["asks"], item["proposal"]) == (
        AMOUNT - 100,
        PROPOSE_ADVANCE,
        asked,
    )
    # It is owed back whatever becomes of the payment.
    office.confirm(hold)
    assert reader.listed() == [(E.ADVANCE, advance, hold)]
    office.do(moves.recover(new_id(), office.row(advance), "paid", sender=by))
    assert reader.listed() == []


# --- proposals ---


def test_a_proposal_until_it_is_approved_withdrawn_or_too_old(
    office: Office, reader: Reader
) -> None:
    hold = office.pay()[0]
    office.confirm(hold)
    post, _ = office.ledger.resolution(hold)
    first, second, third = (
        office.propose(Kind.REFUND, post, amount) for amount in (1, 2, 3)
    )
    wanted = [(E.PROPOSAL, one, hold) for one in (first, second, third)]
    assert reader.listed() == wanted
    items = reader.items()
    assert items["amount"].tolist() == [1, 2, 3]
    assert set(items["asks"].tolist()) == {int(Kind.REFUND)}
    office.approve(
        second, moves.approved_refund(office.row(second), checker=office.second)
    )
    assert reader.listed() == [wanted[0], wanted[2]]
    office.do(moves.withdraw(new_id(), first, "not so", sender=office.second))
    assert reader.listed() == [wanted[2]]
    # What was refused opens and closes nothing.
    own = moves.approve(new_id(), third, sender=office.treasury)
    assert office.attempt(own)["result"].tolist() == [Result.SAME_PERSON]
    none = moves.propose_refund(new_id(), hold, 1, "why", sender=office.treasury)
    assert office.attempt(none)["result"].tolist() == [Result.PAYMENT_NOT_FOUND]
    assert reader.listed() == [wanted[2]]
    made_ns = office.row(third).timestamp
    office.now_ns = made_ns + 30 * DAY_S * 10**9 - 1
    assert reader.listed() == [wanted[2]]
    office.now_ns += 1
    assert reader.listed() == []
    late = moves.approve(new_id(), third, sender=office.second)
    assert office.attempt(late)["result"].tolist() == [Result.PROPOSAL_EXPIRED]


def test_what_is_approved_is_owed_until_it_is_done(
    office: Office, reader: Reader
) -> None:
    refunded, voided, verified = (
        office.pay()[0],
        office.pay()[0],
        office.pay("LAPSES")[0],
    )
    office.confirm(refunded)
    post, _ = office.ledger.resolution(refunded)
    office.pass_s(PAST_S)
    proposals = [
        office.propose(Kind.REFUND, post, 1),
        office.propose(Kind.VOID, voided),
        office.propose(Kind.VERIFY, verified),
    ]
    approvals = [office.approve(one) for one in proposals]
    owed = [one for one in reader.listed() if one[0] is E.OWED]
    holds = (refunded, voided, verified)
    assert owed == [
        (E.OWED, one, hold) for one, hold in zip(approvals, holds, strict=True)
    ]
    items = reader.items(Wanted(kinds=frozenset({E.OWED})))
    assert items["proposal"].tolist() == proposals
    by = {"checker": office.second}
    asked = [office.row(one) for one in proposals]
    office.do(moves.approved_refund(asked[0], **by))
    office.do(moves.approved_void(asked[1], office.row(voided), **by))
    office.do(moves.approved_verify(asked[2], office.row(verified), **by))
    assert reader.listed() == []


def test_what_can_be_done_no_more_is_not_owed(office: Office, reader: Reader) -> None:
    kept, other, late, paid = (
        office.pay()[0],
        office.pay()[0],
        office.pay("LAPSES")[0],
        office.pay()[0],
    )
    office.confirm(paid)
    office.reject(paid)
    case = int(office.cases(paid)[0])
    post, _ = office.ledger.resolution(paid)
    office.pass_s(PAST_S)
    office.confirm(late)
    for asks, about in (
        (Kind.POST, kept),
        (PROPOSE_ADVANCE, other),
        (Kind.TRANSFER, late),
        (Kind.VERIFY, late),
        (Kind.REFUND, post),
        (Kind.CASE_CLOSE, case),
    ):
        office.approve(office.propose(asks, about, AMOUNT))
    assert [kind for kind, _, _ in reader.listed()].count(E.OWED) == 6
    for hold in (kept, other):
        office.confirm(hold)
    office.reject(late)
    asked = office.propose(Kind.REFUND, post)
    office.approve(
        asked, moves.approved_refund(office.row(asked), checker=office.second)
    )
    assert reader.listed() == []


# --- time ---


def test_open_payments_are_overdue_after_the_next_day(
    office: Office, reader: Reader
) -> None:
    old, _, _ = office.pay("LONG")[0], office.pay("LAPSES"), office.pay()
    office.pass_s(MIDNIGHT_S - 1)
    young = office.pay("LONG")[0]
    office.pass_s(1)
    younger = office.pay("LONG")[0]
    office.pass_s(DAY_S - 1)
    assert [kind for kind, _, _ in reader.listed()] == [E.UNVERIFIED, E.KEPT]
    office.pass_s(1)
    # What is kept or unverified is listed as that.
    assert [one for one in reader.listed() if one[0] is E.OVERDUE] == [
        (E.OVERDUE, old, old),
        (E.OVERDUE, young, young),
    ]
    office.confirm(old)
    office.pass_s(DAY_S)
    assert [one for one in reader.listed() if one[0] is E.OVERDUE] == [
        (E.OVERDUE, young, young),
        (E.OVERDUE, younger, younger),
    ]


def test_whose_turn_it_is(office: Office, reader: Reader) -> None:
    kept, lapsed, late, posted = (
        office.pay()[0],
        office.pay("LAPSES")[0],
        office.pay("LAPSES")[0],
        office.pay()[0],
    )
    voided = office.pay()[0]
    office.reject(voided)
    office.confirm(voided)
    office.confirm(posted)
    office.reject(posted)
    office.pass_s(PAST_S)
    office.confirm(late)
    [case_kept], [case_late], [case_voided], [case_posted] = (
        office.cases(hold).tolist() for hold in (kept, late, voided, posted)
    )
    expiry, _ = office.ledger.resolution(lapsed)
    asked = office.propose(Kind.VOID, kept)

    def turns() -> list[Owner]:
        named = (case_kept, expiry, case_late, case_voided, case_posted, asked)
        return [reader.owner(one) for one in named]

    biller, treasury = Owner.BILLER, Owner.TREASURY
    assert turns() == [biller, biller, biller, treasury, treasury, treasury]
    office.pass_s(MIDNIGHT_S + DAY_S - PAST_S - 1)
    assert turns() == [biller, biller, biller, treasury, treasury, treasury]
    assert not are_overdue(reader.items(), office.now_ns).any()
    office.pass_s(1)
    assert turns() == [treasury, treasury, biller, treasury, treasury, treasury]
    assert are_overdue(reader.items(), office.now_ns).all()
    # T+5 ends five days after the payment's own.
    office.pass_s(4 * DAY_S - 1)
    end_ns = decide_until_ns(office.row(late).timestamp)
    assert office.now_ns + 10**9 == end_ns
    assert reader.owner(case_late) is biller
    office.pass_s(1)
    assert turns() == [treasury] * 6


# --- what is asked for ---


def test_filters(office: Office, reader: Reader) -> None:
    first, second = office.pay()[0], office.pay("GAS", centre="bsk-2")[0]
    third = office.pay("LAPSES", centre="bsk-2")[0]
    office.pass_s(PAST_S)
    asked = office.propose(Kind.VOID, second)

    def payments(**fields: object) -> list[int]:
        return [one for _, _, one in reader.listed(Wanted(**fields))]  # type: ignore[arg-type]

    assert payments(kinds=frozenset({E.KEPT})) == [first, second]
    assert payments(kinds=frozenset({E.UNVERIFIED, E.PROPOSAL})) == [third, second]
    assert payments(debits=frozenset({office.wallet("bsk-2")})) == [
        second,
        third,
        second,
    ]
    gas = frozenset({office.head("gas", "G:1")})
    assert payments(credits=gas) == [second, second]
    assert payments(credits=gas, owner=Owner.BILLER) == [second]
    assert payments(owner=Owner.OPERATIONS) == []
    assert payments(overdue_only=True) == []
    office.pass_s(2 * DAY_S)
    assert payments(overdue_only=True, credits=gas) == [second, second]
    assert payments(owner=Owner.BILLER) == []
    assert asked in reader.items(Wanted(credits=gas))["sequence"]


# --- damage ---


def test_what_is_damaged_is_named_and_the_rest_goes_on(
    office: Office, tmp_path: Path
) -> None:
    whole, damaged = office.pay()[0], office.pay()[0]
    office.pass_s(PAST_S)
    row, case = office.row(damaged), int(office.cases(whole)[0])
    damage_row(tmp_path, row.id + damaged.to_bytes(8, "little"))
    reader = Reader(office)
    assert reader.listed() == [(E.DAMAGED, damaged, 0), (E.KEPT, case, whole)]
    assert reader.owner(damaged) is Owner.OPERATIONS
    assert reader.following.damaged().tolist() == [damaged]
    later = Exceptions(office.ledger)
    later.note_damaged(np.array([damaged], np.uint64))
    assert later.damaged().tolist() == [damaged]
    # Of what is over nobody speaks.
    later.note_damaged(np.array([1], np.uint64))
    assert later.damaged().tolist() == [damaged]


# --- histories ---


def test_a_history_has_all_that_speaks_of_a_payment(
    office: Office, reader: Reader
) -> None:
    hold, other = office.pay()[0], office.pay()[0]
    office.pass_s(PAST_S)
    [case], [others_case] = office.cases(hold).tolist(), office.cases(other).tolist()
    withdrawn = office.propose(Kind.VOID, hold)
    withdrawal = office.do(
        moves.withdraw(new_id(), withdrawn, "no", sender=office.treasury)
    )
    asked = office.propose(Kind.POST, hold)
    post = office.approve(
        asked, moves.approved_post(office.row(asked), checker=office.second)
    )
    approval = post - 1
    office.reject(hold)
    rejection = int(office.cases(hold)[1])
    refund_asked = office.propose(Kind.REFUND, post, 10)
    refund = office.approve(
        refund_asked,
        moves.approved_refund(office.row(refund_asked), checker=office.second),
    )
    close = office.propose(Kind.CASE_CLOSE, rejection, 1)
    reader.items()
    assert reader.following.histories([hold, other]) == {
        hold: [
            *(hold, case, withdrawn, withdrawal, asked, approval, post, rejection),
            *(refund_asked, refund - 1, refund, close),
        ],
        other: [other, others_case],
    }


def test_histories_forget_the_oldest(office: Office) -> None:
    histories = Histories(office.ledger, rows_max=4)
    for sequence in range(10, 16):
        histories.note(2, sequence)
    assert histories.of([2]) == {2: [2, 12, 13, 14, 15]}


# --- who reads ---


def test_who_waits_for_the_first_reading_comes_again(office: Office) -> None:
    begun, ended = threading.Event(), threading.Event()
    taken: list[int] = []

    def take(rows: Rows) -> None:
        taken.extend(rows["sequence"].tolist())
        begun.set()
        ended.wait(10)

    follower = Follower(office.ledger, take)
    thread = threading.Thread(target=follower.read_on)
    thread.start()
    begun.wait(10)
    with pytest.raises(OverloadError):
        follower.read_on()
    ended.set()
    thread.join()
    assert follower.read_on() == office.ledger.sequence
    assert taken == list(range(1, office.ledger.sequence + 1))
