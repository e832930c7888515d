"""Goal: the day is the same for a seed, differs by its number, and proves itself.

Method: the script is compared with itself and with the sample; the proofs are shown a
day that is right and days with one thing wrong; then a small day runs, twice on one
ledger, as the command that a person types.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from switch.calendar import financial_year
from switch.client import make_payment
from switch.codes import AmountRule, Result
from switch.day_proof import (
    Books,
    paid_by_biller,
    prove_billers,
    prove_feed,
    prove_money,
    prove_repeats,
    prove_results,
    prove_wallets,
    tallies,
)
from switch.day_replay import Replayed, Sent, is_repeat
from switch.day_script import (
    DAYS_MAX,
    LOST_PERMILLE,
    Script,
    Step,
    day_of_utr,
    march_day,
    write_script,
)
from switch.day_server import ServerError, ServerProcess, choose_port
from switch.sample import load_sample
from switch.v1 import admin_pb2, payments_pb2, results_pb2, types_pb2

SMALL = 400


@pytest.fixture(scope="module")
def script() -> Script:
    return write_script(1)


# --- the script ----------------------------------------------------------------------


def test_a_script_is_the_same_for_its_number_and_seed(script: Script) -> None:
    assert write_script(1) == script
    assert write_script(1, seed=1) != script


def test_a_march_day_has_its_volume(script: Script) -> None:
    good = [step for step in script.steps if step.expected is Result.OK]
    assert 15_500 < len(good) < 16_500
    assert len({step.centre for step in good}) == len(load_sample().centres)
    assert len({step.service for step in good}) == len(load_sample().services)
    assert [step.time_ns for step in script.steps] == sorted(
        step.time_ns for step in script.steps
    )


def test_slips_are_of_every_kind_and_few(script: Script) -> None:
    slips = [step for step in script.steps if step.expected is not Result.OK]
    assert len(slips) == (len(script.steps) - len(slips)) // 100
    assert {step.expected for step in slips} == {
        Result.SERVICE_UNKNOWN,
        Result.AMOUNT_BELOW_MINIMUM,
        Result.AMOUNT_NOT_EXACT,
        Result.PERIOD_MISSING,
        Result.BILL_ALREADY_CLAIMED,
        Result.PAID_RECENTLY,
        Result.INSUFFICIENT_FUNDS,
    }


def test_a_bill_is_paid_again_only_after_it_was_paid(script: Script) -> None:
    paid = {
        (step.service, step.reference): step.half_hour
        for step in script.steps
        if step.expected is Result.OK
    }
    for step in script.steps:
        if step.expected in (Result.BILL_ALREADY_CLAIMED, Result.PAID_RECENTLY):
            assert paid[step.service, step.reference] < step.half_hour


def test_exact_services_pay_what_is_due(script: Script) -> None:
    rules = {one.code: one.amount_rule for one in load_sample().services}
    for step in script.steps:
        if step.expected is Result.OK and rules[step.service] is AmountRule.EXACT:
            assert step.amount == step.amount_due


def test_about_two_in_a_hundred_replies_are_lost(script: Script) -> None:
    lost = sum(1 for step in script.steps if step.is_lost)
    wanted = len(script.steps) * LOST_PERMILLE / 1000
    assert wanted * 0.7 < lost < wanted * 1.3


def test_top_ups_are_enough_and_whole_thousands(script: Script) -> None:
    spent: Counter[str] = Counter()
    for step in script.steps:
        if step.expected is Result.OK:
            spent[step.centre] += step.amount
    assert set(script.top_ups) == {one.id for one in load_sample().centres}
    for centre, amount in script.top_ups.items():
        assert amount > spent[centre]
        assert amount % 100_000 == 0


def test_another_day_shares_no_reference(script: Script) -> None:
    other = write_script(2)
    assert other.date > script.date
    keys = [
        {(step.service, step.reference) for step in one.steps}
        for one in (script, other)
    ]
    assert not keys[0] & keys[1]


def test_days_are_the_working_days_of_march() -> None:
    days = [march_day(number) for number in range(1, 60)]
    assert days == sorted(set(days))
    assert all(day.month == 3 and day.weekday() < 5 for day in days)


def test_a_utr_tells_its_day(script: Script) -> None:
    utr = write_script(4_321, payments=10).utr("bsk-03561")
    assert len(utr) <= 32
    assert day_of_utr(utr) == 4_321
    for other in ("", "UTR12345", "DAY1/x", "DAYabcde/x", "DAY12345"):
        assert day_of_utr(other) == 0


def test_a_day_has_bounds() -> None:
    with pytest.raises(ValueError, match=f"{DAYS_MAX}"):
        write_script(DAYS_MAX + 1)


def test_financial_years_do_not_split_a_day(script: Script) -> None:
    years = {financial_year(step.time_ns) for step in script.steps}
    assert years == {2025}


# --- the proofs ----------------------------------------------------------------------


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
        one = Sent(step, payment, outcome)
        if step.is_lost:
            one.lost = payments_pb2.PaymentOutcome()
            one.lost.CopyFrom(outcome)
            outcome.repeat = True
        sent.append(one)
    return Replayed(sent)


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
def day(small: Script) -> Replayed:
    return replayed_of(small)


@pytest.fixture
def after(small: Script, day: Replayed) -> list[tuple[str, str, int]]:
    wallets = Counter(small.top_ups)
    for one in day.sent:
        if one.step.expected is Result.OK:
            wallets[one.step.centre] -= one.step.amount
    balances = [("WALLET", owner, amount) for owner, amount in wallets.items()]
    balances += [
        ("BILLER", owner, amount) for owner, amount in paid_by_biller(day).items()
    ]
    return [*balances, ("FLOAT", "treasury", -sum(small.top_ups.values()))]


def test_a_right_day_proves_right(
    small: Script, day: Replayed, after: list[tuple[str, str, int]]
) -> None:
    before, now = books_of([], 0), books_of(after, 9)
    proofs = [
        prove_results(day),
        prove_repeats(day),
        prove_money(before, now, sum(small.top_ups.values())),
        prove_wallets(before, now, small, day),
        prove_billers(before, now, day),
    ]
    assert all(proof.ok for proof in proofs), proofs
    assert sum(one.payments for one in tallies(day.sent).values()) == SMALL


def test_one_wrong_result_is_seen(day: Replayed) -> None:
    assert day.sent[7].outcome is not None
    day.sent[7].outcome.result = results_pb2.RESULT_DEBIT_CLOSED
    proof = prove_results(day)
    assert not proof.ok
    assert "1 differ" in proof.detail


@pytest.mark.parametrize("change", ["sequence", "receipt", "repeat"])
def test_one_wrong_repeat_is_seen(day: Replayed, change: str) -> None:
    one = next(one for one in day.sent if one.lost is not None)
    assert is_repeat(one)
    assert one.outcome is not None
    setattr(one.outcome, change, 0)
    if change == "receipt":
        one.outcome.receipt = 5
    assert not is_repeat(one)
    assert not prove_repeats(day).ok


def test_one_paisa_too_many_is_seen(
    small: Script, day: Replayed, after: list[tuple[str, str, int]]
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
    assert not prove_wallets(before, now, small, day).ok
    assert not prove_billers(before, now, day).ok


def test_a_feed_that_lacks_or_repeats_an_entry_is_seen(day: Replayed) -> None:
    biller = paid_by_biller(day).most_common(1)[0][0]
    network = load_sample()
    code = next(one.code for one in network.billers if one.id == biller)
    services = {one.code for one in network.services if one.biller == code}
    entries = [
        types_pb2.Entry(
            sequence=one.outcome.sequence,
            id=one.payment.id,
            amount=one.step.amount,
            reference=one.step.reference,
        )
        for one in day.sent
        if one.outcome is not None
        and one.step.expected is Result.OK
        and one.step.service in services
    ]
    assert prove_feed(biller, day, entries).ok
    assert not prove_feed(biller, day, entries[:-1]).ok
    assert not prove_feed(biller, day, [*entries, entries[-1]]).ok
    assert not prove_feed(biller, day, entries[::-1]).ok


def test_a_lost_step_keeps_its_expectation(small: Script) -> None:
    step: Step = small.steps[0]
    assert replace(step, is_lost=True).expected is step.expected


# --- the server process ---------------------------------------------------------------


def test_a_taken_port_is_left_alone() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert choose_port(taken.getsockname()[1]) == 0


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("in the way")
    with pytest.raises(ServerError, match="exit code"):
        ServerProcess(tmp_path, 0)


# --- the whole command ---------------------------------------------------------------


def run_day(data: Path, *words: str) -> tuple[int, dict[str, object], str]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "switch", "day", "--once", "--data", str(data)),
            *("--port", "0", "--centres-with-own-certificate", "50", *words),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout, done.stderr
    last = done.stdout.rstrip("\n").rpartition("\n")[2]
    return done.returncode, json.loads(last), done.stdout + done.stderr


@pytest.mark.slow
def test_two_days_on_one_ledger_prove_right(tmp_path: Path) -> None:
    pytest.importorskip("switch._core")
    code, first, text = run_day(tmp_path, "--payments", "2000")
    assert code == 0, text
    assert first["audit"] == "ok"
    assert first["payments"] == 2000
    assert first["refused"] == 20
    assert first["centres"] == 3561
    assert first["services"] == 97
    assert first["centres_with_own_certificate"] == 50
    assert isinstance(first["repeats"], int)
    assert first["repeats"] > 20
    assert "₹" in text
    code, second, text = run_day(tmp_path, "--payments", "2000", "--json")
    assert code == 0, text
    assert second["day"] == 2
    assert second["audit"] == "ok"
    assert "₹" not in text
    assert isinstance(second["sequence"], int)
    assert isinstance(first["sequence"], int)
    assert second["sequence"] > first["sequence"]
