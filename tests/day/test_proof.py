"""Goal: the day's proofs pass on a right day and fail on a day with one thing wrong.

Method: a day is made up as it should come back, with every end that a payment can have;
then one thing in it is changed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from switch.client import make_payment
from switch.codes import Result
from switch.day.bill_proofs import (
    prove_fetches,
    prove_paid_once,
    prove_prices,
    prove_tokens,
)
from switch.day.doubts import (
    Look,
    prove_credits_have_money,
    prove_money_has_credits,
    prove_nothing_listed,
)
from switch.day.fates import Fate, State, count_states
from switch.day.proof import (
    Books,
    paid_by_biller,
    prove_billers,
    prove_budget,
    prove_fates,
    prove_feed,
    prove_lists,
    prove_money,
    prove_receipts,
    prove_repeats,
    prove_results,
    prove_wallets,
    tallies,
)
from switch.day.replay import Replayed, Told
from switch.day.script import Script, write_script
from switch.day.sending import Sent, is_repeat
from switch.day.speed import STATUS_CALLS_MAX, STATUS_PER_MINUTE_MAX
from switch.day.step import Step, Token
from switch.sample import load_sample
from switch.simulator.bills import bills_of
from switch.simulator.books import Credit
from switch.v1 import (
    admin_pb2,
    exceptions_pb2,
    payments_pb2,
    results_pb2,
    types_pb2,
)

SMALL = 400
POST, VOID = types_pb2.ENTRY_KIND_POST, types_pb2.ENTRY_KIND_VOID
EXPIRE = types_pb2.ENTRY_KIND_EXPIRE

Day = tuple[Replayed, dict[bytes, Fate]]


def replayed_of(script: Script) -> Replayed:
    """A day on which everything came as it must."""
    sent = []
    for at, step in enumerate(script.steps):
        payment = make_payment(step.service, step.amount, step.reference)
        outcome = payments_pb2.PaymentOutcome(
            id=payment.id,
            result=results_pb2.Result.ValueType(step.expected.value),
            sequence=at + 1,
        )
        one = Sent(step, payment, outcome, row_reference=row_reference(step))
        if step.token is Token.OWN:
            one.bill_due = step.due - step.paid_before
        if step.is_lost:
            one.lost = payments_pb2.PaymentOutcome()
            one.lost.CopyFrom(outcome)
            outcome.repeat = True
        sent.append(one)
    return Replayed(sent)


def row_reference(step: Step) -> str:
    """What the entry of a step has as its reference."""
    for bill in bills_of(step.service, step.bill, step.time_ns):
        if bill.amount_due == step.due:
            return bill.key
    return step.bill


def fates_of(replayed: Replayed) -> dict[bytes, Fate]:
    """Every eighth payment is declined, every ninth expires, the others are paid."""
    network = load_sample()
    ids = {one.code: one.id for one in network.billers}
    billers = {one.code: ids[one.biller] for one in network.services}
    receipts: Counter[str] = Counter()
    fates: dict[bytes, Fate] = {}
    for at, one in enumerate(replayed.sent):
        if one.step.expected is not Result.OK:
            continue
        assert one.outcome is not None
        hold = types_pb2.Entry(
            sequence=one.outcome.sequence,
            kind=types_pb2.ENTRY_KIND_HOLD,
            id=one.payment.id,
            amount=one.step.amount,
            reference=one.row_reference,
            centre=one.step.centre,
            biller=billers[one.step.service],
        )
        end = types_pb2.Entry(
            sequence=100_000 + at,
            kind=VOID if at % 8 == 0 else EXPIRE if at % 9 == 0 else POST,
            amount=hold.amount,
            resolves=hold.sequence,
            reference=hold.reference,
        )
        if end.kind == POST:
            receipts[hold.centre] += 1
            end.receipt = receipts[hold.centre]
        verified = 200_000 + at if end.kind == EXPIRE else 0
        fates[hold.id] = Fate(hold, end, verified=verified)
    return fates


def books_of(balances: Sequence[tuple[str, str, int]], sequence: int) -> Books:
    """Accounts of (kind, owner, paise)."""
    accounts = []
    for at, (kind, owner, amount) in enumerate(balances):
        number = admin_pb2.AccountKind.Value(f"ACCOUNT_KIND_{kind}")
        account = admin_pb2.Account(index=at + 1, kind=number, participant=owner)
        if amount < 0:
            account.debits_posted = -amount
        else:
            account.credits_posted = amount
        accounts.append(account)
    return Books(accounts, sequence)


@pytest.fixture
def small() -> Script:
    return write_script(1, payments=SMALL)


@pytest.fixture
def day(small: Script) -> Day:
    replayed = replayed_of(small)
    return replayed, fates_of(replayed)


@pytest.fixture
def after(small: Script, day: Day) -> list[tuple[str, str, int]]:
    wallets = Counter(small.top_ups)
    for fate in day[1].values():
        if fate.state is State.COMPLETED:
            wallets[fate.hold.centre] -= fate.paid
    balances = [("WALLET", owner, amount) for owner, amount in wallets.items()]
    balances += [
        ("BILLER", owner, amount) for owner, amount in paid_by_biller(day[1]).items()
    ]
    return [*balances, ("FLOAT", "treasury", -sum(small.top_ups.values()))]


def booked(day: Day) -> dict[bytes, Credit]:
    """What billers' books have."""
    return {
        id_: Credit(id_, fate.paid, "", fate.hold.reference, fate.hold.sequence)
        for id_, fate in day[1].items()
        if fate.paid
    }


def seen_of(day: Day, listed: Sequence[exceptions_pb2.Exception] = ()) -> Look:
    """What is seen of a day with this list."""
    return Look(0, booked(day), listed, day[1], booked(day))


def test_a_right_day_proves_right(
    small: Script, day: Day, after: list[tuple[str, str, int]]
) -> None:
    before, now = books_of([], 0), books_of(after, 9)
    replayed, fates = day
    proofs = [
        prove_results(replayed, fates),
        prove_repeats(replayed),
        prove_fetches(replayed),
        prove_tokens(replayed),
        prove_paid_once(replayed, fates, booked(day)),
        prove_prices(replayed, fates),
        prove_fates(replayed, fates),
        prove_money(before, now, sum(small.top_ups.values())),
        prove_wallets(before, now, small.top_ups, fates),
        prove_billers(before, now, fates),
        prove_receipts(fates, 1),
        prove_credits_have_money(seen_of(day), "at the end"),
        prove_money_has_credits(seen_of(day), "at the end"),
        prove_nothing_listed(seen_of(day), {}),
    ]
    assert all(proof.ok for proof in proofs), proofs
    states = count_states(fates)
    assert SMALL <= states.total() <= SMALL * 1.1
    assert min(states[one] for one in State if one is not State.OPEN) > 10
    found = tallies(replayed.sent, fates).values()
    assert sum(one.states.total() for one in found) == states.total()


def test_one_wrong_result_is_seen(day: Day) -> None:
    assert day[0].sent[7].outcome is not None
    day[0].sent[7].outcome.result = results_pb2.RESULT_DEBIT_CLOSED
    proof = prove_results(*day)
    assert not proof.ok
    assert "1 differ" in proof.detail


@pytest.mark.parametrize(
    ("end", "verified", "may"),
    [
        ((POST, 150_000), 0, False),
        ((VOID, 150_000), 0, True),
        ((VOID, 300_000), 0, False),
        # That its money is back is not enough: the biller may have credited it.
        ((EXPIRE, 150_000), 0, False),
        ((EXPIRE, 150_000), 160_000, True),
        ((EXPIRE, 150_000), 300_000, False),
        (None, 0, False),
    ],
)
def test_a_bill_is_paid_again_only_once_its_money_is_back_and_it_is_not_credited(
    day: Day,
    end: tuple[types_pb2.EntryKind.ValueType, int] | None,
    verified: int,
    may: bool,
) -> None:
    replayed, fates = day
    again = next(one for one in replayed.sent if one.step.is_again)
    first = next(
        one
        for one in replayed.sent
        if one is not again
        and one.step.key == again.step.key
        and one.step.expected is Result.OK
    )
    assert again.outcome is not None
    assert first.outcome is not None
    again.outcome.result = results_pb2.RESULT_OK
    hold = types_pb2.Entry(
        sequence=200_000, kind=types_pb2.ENTRY_KIND_HOLD, id=again.payment.id
    )
    fates[again.payment.id] = Fate(hold)
    fate = fates[first.payment.id]
    fate.resolution = types_pb2.Entry(kind=end[0], sequence=end[1]) if end else None
    fate.verified = verified
    assert prove_results(replayed, fates).ok == may
    # What people corrected is paid.
    fate.correction = types_pb2.Entry(sequence=170_000)
    assert not prove_results(replayed, fates).ok


def test_an_expiry_that_is_not_verified_is_seen(day: Day) -> None:
    fate = next(one for one in day[1].values() if one.state is State.EXPIRED)
    fate.verified = 0
    proof = prove_fates(*day)
    assert not proof.ok
    assert "1 of them unverified" in proof.detail


@pytest.mark.parametrize("change", ["sequence", "time_ns", "repeat"])
def test_one_wrong_repeat_is_seen(day: Day, change: str) -> None:
    one = next(one for one in day[0].sent if one.lost is not None)
    assert is_repeat(one)
    assert one.outcome is not None
    setattr(one.outcome, change, 0)
    if change == "time_ns":
        one.outcome.time_ns = 5
    assert not is_repeat(one)
    assert not prove_repeats(day[0]).ok


def test_a_receipt_that_came_with_the_biller_is_no_other_answer(day: Day) -> None:
    one = next(one for one in day[0].sent if one.lost is not None)
    assert one.outcome is not None
    one.outcome.receipt = 5
    assert is_repeat(one)


def test_a_fetched_bill_with_another_amount_is_seen(day: Day) -> None:
    one = next(one for one in day[0].sent if one.bill_due is not None)
    assert one.bill_due is not None
    one.bill_due += 1
    assert not prove_fetches(day[0]).ok


def test_a_bill_that_is_not_there_is_seen_unless_it_was_paid_before(day: Day) -> None:
    again = next(one.step for one in day[0].sent if one.step.is_again)
    day[0].told.append((again, Told.PAID))
    assert prove_fetches(day[0]).ok
    first = next(one.step for one in day[0].sent if one.step.token is Token.OWN)
    day[0].told.append((first, Told.NOTHING_DUE))
    assert not prove_fetches(day[0]).ok


@pytest.mark.parametrize("token", [Token.NONE, Token.OLD, Token.OTHERS, Token.FORGED])
def test_whoever_gets_through_with_a_token_that_is_none_is_seen(
    day: Day, token: Token
) -> None:
    one = next(one for one in day[0].sent if one.step.token is token and one.step.due)
    assert one.outcome is not None
    assert prove_tokens(day[0]).ok
    one.outcome.result = results_pb2.RESULT_OK
    assert not prove_tokens(day[0]).ok


def paid_bills(day: Day) -> list[Sent]:
    """What paid an exact bill."""
    return [
        one
        for one in day[0].sent
        if one.step.due == one.step.amount
        and one.payment.id in day[1]
        and day[1][one.payment.id].state is State.COMPLETED
    ]


@pytest.mark.parametrize("change", ["twice", "again", "more", "credited"])
def test_a_bill_that_is_paid_twice_is_seen(day: Day, change: str) -> None:
    replayed, fates = day
    first, second = [one for one in paid_bills(day) if one.step.service == "BSK0354"][
        :2
    ]
    hold = fates[second.payment.id].hold
    credits = booked(day)
    if change == "more":
        hold.amount += 1
    elif change == "credited":
        # Its money is back, and nobody knows of it.
        other = next(f for f in fates.values() if f.state is State.EXPIRED)
        other.hold.reference = second.row_reference
        one = next(o for o in replayed.sent if o.payment.id == other.hold.id)
        replayed.sent.remove(one)
        step = second.step
        replayed.sent.append(Sent(step, one.payment, row_reference=one.row_reference))
        credits[other.hold.id] = Credit(
            other.hold.id, 1, step.service, second.row_reference
        )
    else:
        hold.reference = fates[first.payment.id].hold.reference
        hold.reference += "R2" if change == "again" else ""
    assert not prove_paid_once(replayed, fates, credits).ok


def test_what_is_stated_or_costs_a_paisa_is_seen(day: Day) -> None:
    fate = next(iter(day[1].values()))
    fate.hold.stated = True
    assert not prove_prices(*day).ok
    fate.hold.stated = False
    assert prove_prices(*day).ok
    fate.hold.amount = 1
    assert not prove_prices(*day).ok


def test_a_payment_without_an_end_or_without_a_sender_is_seen(day: Day) -> None:
    replayed, fates = day
    fate = next(iter(fates.values()))
    kept, fate.resolution = fate.resolution, None
    assert not prove_fates(replayed, fates).ok
    assert prove_fates(replayed, fates, open_max=1).ok
    fate.resolution = kept
    fates[bytes(16)] = fate
    assert not prove_fates(replayed, fates).ok


@pytest.mark.parametrize("receipt", [0, 1, 99])
def test_a_receipt_that_is_missing_or_double_is_seen(day: Day, receipt: int) -> None:
    one, other = [f for f in day[1].values() if f.state is State.COMPLETED][:2]
    other.hold.centre = one.hold.centre
    assert other.resolution is not None
    other.resolution.receipt = 2
    assert prove_receipts(day[1], 1).ok
    other.resolution.receipt = receipt
    assert not prove_receipts(day[1], 1).ok


def test_one_paisa_too_many_is_seen(
    small: Script, day: Day, after: list[tuple[str, str, int]]
) -> None:
    topped_up = sum(small.top_ups.values())
    for at, (kind, owner, amount) in enumerate(after):
        if kind == "FLOAT" or at % 997:
            continue
        changed = [*after[:at], (kind, owner, amount + 1), *after[at + 1 :]]
        before, now = books_of([], 0), books_of(changed, 9)
        assert not prove_money(before, now, topped_up).ok
    before, now = books_of([], 0), books_of(after, 9)
    assert not prove_money(before, now, topped_up + 1).ok
    wallet, biller = after[0], next(one for one in after if one[0] == "BILLER")
    moved = [
        (
            kind,
            owner,
            amount + ((kind, owner) == wallet[:2]) - ((kind, owner) == biller[:2]),
        )
        for kind, owner, amount in after
    ]
    now = books_of(moved, 9)
    # The sum is right; only whose money it is differs.
    assert prove_money(before, now, topped_up).ok
    assert not prove_wallets(before, now, small.top_ups, day[1]).ok
    assert not prove_billers(before, now, day[1]).ok


def exception(fate: Fate, kind: str) -> exceptions_pb2.Exception:
    """An exception about a payment."""
    number = exceptions_pb2.ExceptionKind.Value(f"EXCEPTION_KIND_{kind}")
    return exceptions_pb2.Exception(kind=number, payment=fate.hold)


@pytest.mark.parametrize("state", [State.EXPIRED, State.REVERSED])
def test_a_credit_without_its_money_is_seen_unless_it_is_listed(
    day: Day, state: State
) -> None:
    fate = next(f for f in day[1].values() if f.state is state)
    other = next(f for f in day[1].values() if f.state is state and f is not fate)
    credit = Credit(fate.hold.id, fate.hold.amount, "", "", fate.hold.sequence)
    right = seen_of(day)
    wrong = replace(
        right,
        before={**right.before, fate.hold.id: credit},
        after={**right.after, fate.hold.id: credit},
    )
    assert prove_money_has_credits(wrong, "now").ok
    assert not prove_credits_have_money(wrong, "now").ok
    for one, ok in ((fate, True), (other, False)):
        listed = replace(wrong, listed=[exception(one, "LATE_CONFIRMATION")])
        assert prove_credits_have_money(listed, "now").ok == ok
    # What was taken back or credited meanwhile is neither here nor there.
    for name in ("before", "after"):
        assert prove_credits_have_money(
            replace(wrong, **{name: getattr(right, name)}), "now"
        ).ok
    # A credit of a payment that the switch does not know, and of an earlier day's.
    unknown = {b"?" * 16: Credit(b"?" * 16, 5, "", "", 7)}
    wrong = replace(right, before=unknown, after=unknown)
    assert not prove_credits_have_money(wrong, "now").ok
    assert prove_credits_have_money(replace(wrong, cursor=7), "now").ok


def test_a_credit_of_another_amount_is_seen_unless_it_is_listed(day: Day) -> None:
    fate = next(f for f in day[1].values() if f.state is State.COMPLETED)
    for change in (-1, 1):
        right = seen_of(day)
        books = dict(right.before)
        credit = books[fate.hold.id]
        books[fate.hold.id] = credit._replace(amount=credit.amount + change)
        wrong = replace(right, before=books, after=books)
        for prove in (prove_credits_have_money, prove_money_has_credits):
            assert not prove(wrong, "now").ok
            listed = replace(wrong, listed=[exception(fate, "AMOUNT_DIFFERS")])
            assert prove(listed, "now").ok
        # As long as it is held, what is not more than that is there.
        resolution, fate.resolution = fate.resolution, None
        assert prove_credits_have_money(wrong, "now").ok == (change < 0)
        assert prove_money_has_credits(wrong, "now").ok
        fate.resolution = resolution


def test_money_without_a_credit_is_seen_unless_it_is_listed(day: Day) -> None:
    fate = next(f for f in day[1].values() if f.state is State.COMPLETED)
    right = seen_of(day)
    books = {id_: one for id_, one in right.before.items() if id_ != fate.hold.id}
    wrong = replace(right, before=books, after=books)
    assert prove_credits_have_money(wrong, "now").ok
    assert not prove_money_has_credits(wrong, "now").ok
    listed = replace(wrong, listed=[exception(fate, "LATE_REJECTION")])
    assert prove_money_has_credits(listed, "now").ok
    # It was credited, or taken back, while this was looked at.
    assert prove_money_has_credits(replace(wrong, after=right.after), "now").ok
    assert prove_money_has_credits(replace(wrong, before=right.before), "now").ok


def test_a_correction_pays_what_was_given_back(day: Day) -> None:
    replayed, fates = day
    fate = next(f for f in fates.values() if f.state is State.EXPIRED)
    assert (fate.paid, fate.payment) == (0, None)
    fate.correction = types_pb2.Entry(sequence=900_000, amount=fate.hold.amount - 1)
    assert (fate.state, fate.paid) == (State.COMPLETED, fate.hold.amount - 1)
    assert fate.payment is fate.correction
    assert [one.sequence for one in fate.later][1:] == [900_000]
    assert prove_credits_have_money(seen_of(day), "now").ok
    assert prove_money_has_credits(seen_of(day), "now").ok
    found = tallies(replayed.sent, fates).values()
    assert sum(one.amount for one in found) == sum(one.paid for one in fates.values())


def test_what_is_left_in_the_list_is_seen(day: Day) -> None:
    fate = next(iter(day[1].values()))
    proof = prove_nothing_listed(seen_of(day, [exception(fate, "KEPT")]), {"kept": 2})
    assert not proof.ok
    assert "kept" in proof.detail
    proof = prove_nothing_listed(seen_of(day), {"kept": 2})
    assert proof.ok
    assert "2 kept" in proof.detail


def test_one_status_question_too_many_is_seen() -> None:
    right = {
        "status_of_payment_most": STATUS_CALLS_MAX + 1,
        "status_after_deadline_most": 7,
        "status_of_minute_most": STATUS_PER_MINUTE_MAX,
    }
    assert prove_budget({"cesc": right}, 7).ok
    for name in right:
        wrong = {**right, name: right[name] + 1}
        assert not prove_budget({"dlrs": right, "cesc": wrong}, 7).ok


@pytest.mark.parametrize(
    "said",
    [
        {"error": "unavailable"},
        {"unknown": 1},
        {"damaged": 1},
        {"too_early": 1},
        {"missing": 1, "missing_numbers": [7]},
    ],
)
def test_a_list_that_is_not_taken_is_seen(said: dict[str, object]) -> None:
    right = {"already": 5, "late": 1, "late_numbers": [7], "rejected": 2}
    lists = {"2026-03-02": {"cesc": right, "dlrs": {}}}
    proof = prove_lists(lists)
    assert proof.ok
    assert "5 already" in proof.detail
    assert not prove_lists({"2026-03-02": {"cesc": right, "dlrs": said}}).ok
    assert not prove_lists({}).ok


def test_a_feed_that_lacks_or_repeats_an_entry_is_seen(day: Day) -> None:
    replayed, fates = day
    biller = paid_by_biller(fates).most_common(1)[0][0]
    entries = [one.hold for one in fates.values() if one.hold.biller == biller]
    entries += [
        later
        for one in fates.values()
        if one.hold.biller == biller
        for later in one.later
    ]
    entries.sort(key=lambda entry: entry.sequence)
    assert prove_feed(biller, replayed, fates, entries).ok
    assert not prove_feed(biller, replayed, fates, entries[:-1]).ok
    assert not prove_feed(biller, replayed, fates, [*entries, entries[-1]]).ok
    assert not prove_feed(biller, replayed, fates, entries[::-1]).ok
