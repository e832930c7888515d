"""Goal: every method of the client does over the wire what it says.

Method: one real server with mutual TLS on a fresh ledger, and a client for each role
that asks it; the answers are compared with what was sent.
"""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from switch.client import CallError, Client, balance_of, make_payment
from switch.client.messages import messages_of
from switch.codes import Budget, Field, Result, Role
from switch.ids import new_id
from switch.specs import TREASURY
from switch.v1 import (
    budgets_pb2,
    counter_pb2,
    payments_pb2,
    results_pb2,
    types_pb2,
)
from tests.client.live import (
    BILLED,
    CENTRE,
    CHECKER,
    COPIES,
    FREE,
    HEAD,
    OTHER,
    SPECS,
    Live,
    running,
)

pytest.importorskip("switch._core")
FUNDS = 10_000_000


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("client") / "data") as live:
        with live.client(Role.TREASURY, TREASURY) as treasury:
            treasury.load_network(*messages_of(SPECS))
            for centre in (CENTRE, OTHER):
                treasury.top_up(centre, FUNDS, f"UTR-{centre}")
        yield live


@pytest.fixture(scope="module")
def treasury(live: Live) -> Iterator[Client]:
    with live.client(Role.TREASURY, TREASURY) as client:
        yield client


@pytest.fixture(scope="module")
def centre(live: Live) -> Iterator[Client]:
    with live.client(Role.CENTRE, CENTRE) as client:
        yield client


@pytest.fixture(scope="module")
def harness(live: Live) -> Iterator[Client]:
    with live.client(Role.HARNESS, "harness") as client:
        yield client


def fee(reference: str, amount: int = 100, centre: str = "") -> payments_pb2.Payment:
    return make_payment(FREE, amount, reference, centre=centre)


REFUND = types_pb2.PROPOSAL_KIND_REFUND
CLOSE = types_pb2.PROPOSAL_KIND_CLOSE_CASE


def result(outcome: payments_pb2.PaymentOutcome | results_pb2.Outcome) -> Result:
    return Result(outcome.result)


def test_loading_again_changes_nothing(treasury: Client) -> None:
    participants, services = messages_of(SPECS)
    reply = treasury.load_network(participants, services)
    assert (reply.added_count, reply.replaced_count) == (0, 0)
    assert reply.unchanged_count == len(participants) + len(services)
    codes = {one.code for one in treasury.services()}
    assert codes == {one.code for one in SPECS.services}


def test_a_payment_is_done_once(centre: Client) -> None:
    before = centre.wallet().wallet
    payment = fee("once")
    first, second = centre.pay(payment), centre.pay(payment)
    assert result(first) is result(second) is Result.OK
    assert (first.repeat, second.repeat) == (False, True)
    assert first.sequence == second.sequence
    assert first.receipt == second.receipt > 0
    after = centre.wallet().wallet
    assert before.balance - after.balance == payment.amount
    payment.amount += 1
    third = centre.pay(payment)
    assert result(third) is Result.ID_REUSED
    assert third.differing_field == Field.AMOUNT.value


def test_a_bill_is_paid_once_by_whoever(harness: Client) -> None:
    payment = make_payment(BILLED, 500, "77/2026-03", centre=CENTRE, amount_due=500)
    again = make_payment(BILLED, 500, "77/2026-03", centre=OTHER, amount_due=500)
    first, second = harness.pay_batch([payment, again])
    assert result(first) is Result.OK
    assert result(second) is Result.BILL_ALREADY_CLAIMED
    assert second.other_id == payment.id
    assert second.other_sequence == first.sequence


def test_a_refusal_stays_the_answer(harness: Client) -> None:
    payment = make_payment(BILLED, 501, "78/2026-03", centre=CENTRE, amount_due=500)
    assert result(harness.pay(payment)) is Result.AMOUNT_NOT_EXACT
    again = harness.pay(payment)
    assert result(again) is Result.AMOUNT_NOT_EXACT
    assert again.repeat


def test_a_bill_is_fetched_and_paid_with_its_quotation(
    live: Live, centre: Client
) -> None:
    with live.desk(12_300, 45_600):
        first, second = centre.fetch_bill(BILLED, "801")
        assert (first.period, second.period) == ("2026-01", "2026-02")
        payment = make_payment(
            BILLED, second.amount_due, "801", quotation=second.quotation, note="two"
        )
        outcome = centre.pay_bill(payment)
        assert result(outcome) is Result.OK
        (fetched,) = centre.fetch_bills(BILLED, ["801"])
        states = [one.state for one in fetched.bills]
        assert states == [counter_pb2.BILL_STATE_DUE, counter_pb2.BILL_STATE_PAID]
    # Its biller is gone, and so may be the quotation: known is known.
    payment.ClearField("quotation")
    assert centre.pay_bill(payment).repeat
    # Without one it is no payment of the other bill.
    needed = centre.pay_bill(make_payment(BILLED, first.amount_due, "801"))
    assert result(needed) is Result.QUOTATION_NEEDED
    assert needed.sequence == 0
    entry = centre.get_payment(payment.id).entry
    assert (entry.reference, entry.citizen_reference) == ("801/2026-02", "801")
    assert (entry.amount_due, entry.period) == (45_600, "2026-02")
    assert (entry.due_date, entry.stated, entry.note) == ("2026-11-18", False, "two")


def test_what_is_due_is_stated_by_who_may(centre: Client, harness: Client) -> None:
    payment = make_payment(BILLED, 500, "802/2026-03", centre=CENTRE, amount_due=500)
    assert result(harness.pay(payment)) is Result.OK
    entry = next(centre.payments())
    assert (entry.reference, entry.citizen_reference) == ("802/2026-03", "802")
    assert (entry.period, entry.due_date, entry.stated) == ("2026-03", "", True)
    refused = make_payment(BILLED, 500, "803/2026-03", amount_due=500)
    assert result(centre.pay(refused)) is Result.QUOTATION_NEEDED


def test_items_of_a_tariff(centre: Client) -> None:
    items = [("URGENT", 1), ("COPY", 3)]
    payment = make_payment(COPIES, 5_500, "DEED-1", items=items, note="n")
    assert result(centre.pay(payment)) is Result.OK
    entry = centre.get_payment(payment.id).entry
    assert [(one.code, one.count) for one in entry.items] == items
    assert (entry.note, entry.citizen_reference, entry.amount_due) == ("n", "", 0)
    changed = make_payment(COPIES, 5_501, "DEED-2", items=items)
    assert result(centre.pay(changed)) is Result.FEE_CHANGED
    missing = make_payment(COPIES, 5_500, "DEED-3")
    assert result(centre.pay(missing)) is Result.ITEM_UNKNOWN


def test_one_more_payment_takes_the_handle_of_the_first(centre: Client) -> None:
    first = fee("twice")
    assert result(centre.pay(first)) is Result.OK
    refused = centre.pay(fee("twice", 101))
    assert result(refused) is Result.PAID_RECENTLY
    again = make_payment(FREE, 102, "twice", additional_to=refused.additional_to)
    outcome = centre.pay(again)
    assert result(outcome) is Result.OK
    entry = centre.get_payment(again.id).entry
    assert entry.resolves == refused.other_sequence != 0
    # A handle counts once.
    third = make_payment(FREE, 103, "twice", additional_to=refused.additional_to)
    assert result(centre.pay(third)) is Result.PAID_RECENTLY


def test_a_basket_is_all_or_none(centre: Client) -> None:
    before = centre.wallet().wallet.balance
    good, bad = fee("basket-1"), fee("basket-2", amount=FUNDS * 2)
    outcomes = centre.pay_basket([good, bad])
    assert [result(one) for one in outcomes] == [
        Result.BASKET_FAILED,
        Result.INSUFFICIENT_FUNDS,
    ]
    assert centre.wallet().wallet.balance == before
    outcomes = centre.pay_basket([fee("basket-1"), fee("basket-2")])
    assert [result(one) for one in outcomes] == [Result.OK, Result.OK]


def test_a_stream_answers_in_order(harness: Client) -> None:
    sent = [fee(f"stream-{at}", centre=CENTRE) for at in range(300)]
    outcomes = []
    with harness.open_stream(outstanding_max=100) as stream:
        for at in range(0, len(sent), 20):
            outcomes += stream.send(sent[at : at + 20])
        outcomes += stream.finish()
    assert [one.id for one in outcomes] == [one.id for one in sent]
    assert all(result(one) is Result.OK for one in outcomes)
    sequences = [one.sequence for one in outcomes]
    assert sequences == sorted(sequences)


def test_a_payment_is_found_by_its_id(centre: Client, treasury: Client) -> None:
    payment = fee("found")
    outcome = centre.pay(payment)
    for reply in (
        centre.get_payment(payment.id),
        treasury.get_payment(payment.id, CENTRE),
    ):
        assert reply.state == payments_pb2.PAYMENT_STATE_COMPLETED
        assert reply.entry.sequence == outcome.sequence
        assert reply.entry.reference == "found"
        assert reply.entry.biller == "power"
        assert reply.entry.head == HEAD
    with pytest.raises(CallError) as caught:
        centre.get_payment(new_id())
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_a_wallet_as_it_was(centre: Client) -> None:
    first = centre.pay(fee("then"))
    centre.pay(fee("now"))
    assert centre.wallet(sequence=first.sequence).wallet.balance == first.wallet_balance


def test_a_statement_adds_up(treasury: Client) -> None:
    lines = list(treasury.statement(CENTRE))
    assert lines[-1].entry.kind == types_pb2.ENTRY_KIND_TOP_UP
    assert lines[-1].change == FUNDS
    balance = 0
    for line in reversed(lines):
        balance += line.change
        assert line.balance == balance
    payments = [one.sequence for one in treasury.payments(CENTRE)]
    assert payments == sorted(payments, reverse=True)


def test_a_feed_is_complete_and_resumes(live: Live, treasury: Client) -> None:
    with live.client(Role.BILLER, "power") as biller:
        everything = [one.sequence for one in biller.feed()]
        middle = everything[len(everything) // 2]
        rest = [one.sequence for one in biller.feed(cursor=middle)]
    assert rest == [one for one in everything if one > middle]
    assert [one.sequence for one in treasury.feed("power")] == everything


def test_a_feed_follows(live: Live, centre: Client) -> None:
    with live.client(Role.BILLER, "power") as biller:
        *_, last = biller.feed()
        following = biller.feed(cursor=last.sequence, follow=True)
        outcome = centre.pay(fee("followed"))
        assert next(following).sequence == outcome.sequence
        following.close()


def test_a_top_up_counts_once_for_its_utr(treasury: Client) -> None:
    move_id = new_id()
    first = treasury.top_up(OTHER, 700, "UTR-2", move_id=move_id)
    again = treasury.top_up(OTHER, 700, "UTR-2", move_id=move_id)
    other = treasury.top_up(OTHER, 700, "UTR-2")
    assert result(first) is result(again) is Result.OK
    assert again.repeat
    assert result(other) is Result.UTR_ALREADY_CREDITED


def test_freeze_and_limit(live: Live, treasury: Client) -> None:
    with live.client(Role.CENTRE, OTHER) as other:
        treasury.freeze_wallet(OTHER, "lost key")
        assert result(other.pay(fee("frozen"))) is Result.DEBIT_FROZEN
        treasury.freeze_wallet(OTHER, "key found", unfreeze=True)
        treasury.set_limit(OTHER, day_count_max=1)
        refused = treasury.close_wallet(OTHER, "not empty")
        assert result(refused) is Result.BALANCE_NOT_ZERO
        assert result(other.pay(fee("limit-1"))) is Result.OK
        assert result(other.pay(fee("limit-2"))) is Result.DAY_COUNT_EXCEEDED
        treasury.set_limit(OTHER)


def test_refund_window_and_settlement(
    live: Live, centre: Client, treasury: Client
) -> None:
    paid = centre.pay(fee("refunded", amount=1000))
    with live.client(Role.TREASURY, CHECKER) as checker:
        for amount, wanted in ((400, Result.OK), (601, Result.EXCEEDS_PAYMENT)):
            proposal = treasury.propose(REFUND, paid.sequence, "asked for", amount)
            assert result(proposal) is Result.OK
            assert proposal.sequence in [one.sequence for one in checker.exceptions()]
            refused = treasury.approve(proposal.sequence)
            assert result(refused.outcome) is Result.SAME_PERSON
            approved = checker.approve(proposal.sequence)
            assert result(approved.outcome) is Result.OK
            assert [result(one) for one in approved.done] == [wanted]
    assert list(treasury.exceptions()) == []
    missing = treasury.propose(CLOSE, paid.sequence, "no case")
    assert result(missing) is Result.CASE_NOT_FOUND
    previous = treasury.ledger().last_window
    window = treasury.close_window(previous)
    assert treasury.close_window(previous).outcome.repeat
    (line,) = window.lines
    assert (line.biller, line.head) == ("power", HEAD)
    assert line.payable == line.credits - line.debits
    sequence = window.outcome.sequence
    wrong = treasury.settle(sequence, "power", HEAD, line.payable - 1)
    assert result(wrong) is Result.NET_DIFFERS
    assert result(treasury.settle(sequence, "power", HEAD, line.payable)) is Result.OK


def test_a_clock_that_is_believed_is_not_accepted(treasury: Client) -> None:
    with pytest.raises(CallError) as caught:
        treasury.accept_clock("a test")
    assert caught.value.reason == "CLOCK_TRUSTED"
    assert caught.value.outcome == "not_done"


def test_the_key_of_quotations_is_followed_once(treasury: Client) -> None:
    current = treasury.ledger().quotation_key_number
    assert not treasury.rotate_quotation_key(current).repeat
    again = treasury.rotate_quotation_key(current)
    assert (again.number, again.repeat) == (current + 1, True)
    with pytest.raises(CallError) as caught:
        treasury.rotate_quotation_key(current + 2)
    assert (caught.value.reason, caught.value.outcome) == ("KEY_NUMBER", "not_done")


def test_accounts_balance(treasury: Client) -> None:
    accounts, sequence = treasury.accounts()
    assert sum(balance_of(one) for one in accounts) == 0
    assert [one.index for one in accounts] == list(range(1, len(accounts) + 1))
    ledger = treasury.ledger()
    assert (ledger.sequence, ledger.accounts_count) == (sequence, len(accounts))


def test_a_centre_may_not_do_the_treasurys_work(centre: Client) -> None:
    with pytest.raises(CallError) as caught:
        centre.top_up(CENTRE, 1, "MINE")
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED


def test_a_restart_changes_no_answer(tmp_path: Path) -> None:
    payment = fee("restart")
    with running(tmp_path) as live:
        with live.client(Role.TREASURY, TREASURY) as treasury:
            treasury.load_network(*messages_of(SPECS))
            treasury.top_up(CENTRE, FUNDS, "UTR")
        with live.client(Role.CENTRE, CENTRE) as centre:
            first = centre.pay(payment)
    with running(tmp_path) as live, live.client(Role.CENTRE, CENTRE) as centre:
        second = centre.pay(payment)
    assert second.repeat
    assert (first.sequence, first.receipt) == (second.sequence, second.receipt)


def test_certificates(live: Live, treasury: Client) -> None:
    authority, serial = b"\x11" * 32, b"\x07"
    first = treasury.revoke_certificate("water", authority, serial, "lost")
    again = treasury.revoke_certificate("water", authority, serial, "lost")
    assert (again.revocation, again.outcome.repeat) == (first.revocation, True)
    [one] = treasury.revocations(unconfirmed_only=True)
    assert (one.number, one.participant) == (first.revocation, "water")
    same = treasury.confirm_revocation(one.number)
    assert result(same) is Result.SAME_PERSON
    with live.client(Role.TREASURY, CHECKER) as checker:
        assert result(checker.confirm_revocation(one.number)) is Result.OK
    assert not list(treasury.revocations(unconfirmed_only=True))
    assert result(treasury.pin_keys("water", [authority])) is Result.OK
    [mine] = treasury.pins()
    assert (mine.participant, list(mine.pins)) == ("water", [authority])
    assert result(treasury.pin_keys("water", [])) is Result.OK
    assert not list(treasury.pins())


def test_budgets(treasury: Client) -> None:
    assert result(treasury.set_budget("water", Budget.FEEDS, 7)) is Result.OK
    [mine] = treasury.budgets()
    assert (mine.participant, mine.value) == ("water", 7)
    assert mine.budget == budgets_pb2.BUDGET_FEEDS
    assert result(treasury.set_budget("water", Budget.FEEDS, 0)) is Result.OK
    assert not list(treasury.budgets())
