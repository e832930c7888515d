"""Goal: the day is the same for a seed, differs by its number, and proves itself.

Method: the script is compared with itself and with the sample; then a small day runs,
twice on one ledger, as the command that a person types.
"""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from switch.bank.lines import canonical_reference
from switch.calendar import financial_year
from switch.cli import public
from switch.codes import AmountRule, KeyRule, PriceRule, Result
from switch.config import Config
from switch.day import pages as pages_module
from switch.day.bank import ACCOUNT
from switch.day.pages import COUNTER_PORT, PUBLIC_PORT, Pages
from switch.day.replay import (
    forged,
)
from switch.day.script import (
    ADVANCE,
    COUNTER_MONEY,
    DAYS_MAX,
    FIRST_DATE,
    LOST_PERMILLE,
    SPELT_PERMILLE,
    TROUBLES,
    Script,
    day_of_utr,
    march_day,
    transfer_utr,
    write_script,
)
from switch.day.server import ServerError, ServerProcess, choose_port
from switch.day.slips import SLIP_PERMILLE
from switch.day.speed import SPEED_MAX, Pace
from switch.day.step import Step, Token
from switch.errors import UsageError
from switch.references import WrongReferenceError, canonical
from switch.sample import load_sample
from switch.simulator.bank import SimulatedBank
from switch.simulator.bills import dues_of
from switch.simulator.script import Trouble, parse_script
from switch.specs import spec_problems
from switch.web.counter import arguments as counter_arguments


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
    most = (len(script.steps) - len(slips)) * SLIP_PERMILLE // 1000
    assert most * 0.8 < len(slips) <= most
    assert {step.expected for step in slips} == {
        Result.SERVICE_UNKNOWN,
        Result.AMOUNT_ABOVE_MAXIMUM,
        Result.AMOUNT_BELOW_MINIMUM,
        Result.AMOUNT_NOT_EXACT,
        Result.AMOUNT_STEP_WRONG,
        Result.BILL_ALREADY_CLAIMED,
        Result.FEE_CHANGED,
        Result.INSUFFICIENT_FUNDS,
        Result.ITEM_UNKNOWN,
        Result.PAID_RECENTLY,
        Result.QUOTATION_NEEDED,
        Result.QUOTATION_WRONG,
        Result.REFERENCE_WRONG,
    }


def test_tokens_that_are_none_are_presented(script: Script) -> None:
    services = {one.code: one for one in load_sample().services}
    planned = {
        step.key: step
        for step in script.steps
        if step.expected is Result.OK
        and step.token is Token.OWN
        and not step.paid_before
    }
    tried = Counter(step.token for step in script.steps)
    for step in script.steps:
        known = services.get(step.service)
        is_bill = known is not None and known.price_rule is PriceRule.BILL
        if not is_bill:
            assert (step.token, step.due) == (Token.NONE, 0)
        elif step.token is Token.NONE:
            assert step.expected is Result.QUOTATION_NEEDED
        elif step.token is not Token.OWN:
            # There is one to be had by then.
            first = planned[step.key]
            assert first.time_ns < step.time_ns
            assert (first.centre == step.centre) == (step.token is not Token.OTHERS)
            assert step.expected is not Result.OK
            assert Result.OK not in step.others
    assert min(tried[one] for one in Token) > 10


def test_a_token_is_forged_in_its_amount_alone() -> None:
    token = bytes(range(144))
    other = forged(token, 1)
    assert len(other) == len(token)
    assert (other[:80], other[88:]) == (token[:80], token[88:])
    assert int.from_bytes(other[80:88], "little") == 1


def test_citizens_spell_their_references(script: Script) -> None:
    services = {one.code: one for one in load_sample().services}
    other = 0
    for step in script.steps:
        service = services.get(step.service)
        if service is None:
            continue
        if step.expected is Result.REFERENCE_WRONG:
            with pytest.raises(WrongReferenceError):
                canonical(service.form, step.reference)
            continue
        assert canonical(service.form, step.reference) == step.bill
        other += step.reference != step.bill
    wanted = len(script.steps) * SPELT_PERMILLE / 1000
    assert wanted * 0.7 < other < wanted * 1.5
    # Who pays again has written it in another way.
    again = [step for step in script.steps if step.is_again and not step.confirms]
    assert sum(step.reference != step.bill for step in again) > len(again) / 2


def test_a_bill_is_paid_again_only_after_it_was_paid(script: Script) -> None:
    paid = {
        step.key: step.half_hour
        for step in script.steps
        if step.expected is Result.OK and not step.paid_before
    }
    for step in script.steps:
        if step.expected in (Result.BILL_ALREADY_CLAIMED, Result.PAID_RECENTLY):
            assert paid[step.key] < step.half_hour


def test_bills_are_paid_as_their_billers_have_them(script: Script) -> None:
    services = {one.code: one for one in load_sample().services}
    paid: Counter[tuple[str, str, int]] = Counter()
    rules = set()
    for step in script.steps:
        if step.expected is not Result.OK or step.token is not Token.OWN:
            continue
        service = services[step.service]
        assert step.due in dues_of(step.service, step.bill)
        assert step.amount >= max(service.amount_min, 100)
        if step.amount > step.due:
            assert step.amount == step.due + ADVANCE
        rules.add(
            (service.amount_rule, (step.amount > step.due) - (step.amount < step.due))
        )
        paid[step.key] += step.amount
        assert step.amount in step.may_be_due or step.amount != step.due
    for (code, _, due), amount in paid.items():
        if services[code].amount_rule is not AmountRule.EXACT_AND_ABOVE:
            assert amount == due
    assert rules == {
        (AmountRule.EXACT, 0),
        (AmountRule.EXACT_AND_ABOVE, 0),
        (AmountRule.EXACT_AND_ABOVE, 1),
        (AmountRule.EXACT_AND_BELOW, 0),
        (AmountRule.EXACT_AND_BELOW, -1),
    }
    # Several bills of one reference are paid by one citizen.
    references = Counter((code, bill) for code, bill, _ in paid)
    assert sum(count > 1 for count in references.values()) > 50


def test_electricity_is_paid_by_month(script: Script) -> None:
    services = {one.code: one for one in load_sample().services}
    assert services["BSK0199"].key_rule is KeyRule.REFERENCE_PERIOD
    bills = [step for step in script.steps if step.service == "BSK0199"]
    assert len(bills) > len(script.steps) / 2
    assert sum(step.token is Token.OWN for step in bills) > len(bills) * 0.98


def test_about_two_in_a_hundred_replies_are_lost(script: Script) -> None:
    lost = sum(1 for step in script.steps if step.is_lost)
    wanted = len(script.steps) * LOST_PERMILLE / 1000
    assert wanted * 0.7 < lost < wanted * 1.3


def test_top_ups_are_enough_and_whole_thousands(script: Script) -> None:
    spent: Counter[str] = Counter()
    for step in script.steps:
        if step.may_be_done:
            spent[step.centre] += step.amount
    assert set(script.top_ups) == {one.id for one in load_sample().centres}
    for centre, amount in script.top_ups.items():
        assert amount > spent[centre]
        assert amount % 100_000 == 0


def test_another_day_shares_no_reference(script: Script) -> None:
    other = write_script(2)
    assert other.date > script.date
    keys = [
        {(step.service, step.bill) for step in one.steps} for one in (script, other)
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
    transfer = transfer_utr(4_321, 17)
    assert canonical_reference(transfer) == transfer
    assert day_of_utr(transfer) == 4_321
    for other in (
        *("", "UTR12345", "DAY1/x", "DAYabcde/x", "DAY12345"),
        *("DAY123450000001", "DAY12345000000012", "payout cesc"),
    ):
        assert day_of_utr(other) == 0


def test_a_day_has_bounds() -> None:
    with pytest.raises(ValueError, match=f"{DAYS_MAX}"):
        write_script(DAYS_MAX + 1)


def test_financial_years_do_not_split_a_day(script: Script) -> None:
    years = {financial_year(step.time_ns) for step in script.steps}
    assert years == {2025}


def test_a_lost_step_keeps_its_expectation(script: Script) -> None:
    step: Step = script.steps[0]
    assert replace(step, is_lost=True).expected is step.expected


def test_troubles_are_of_billers_that_there_are() -> None:
    billers = {one.id for one in load_sample().billers}
    lines = parse_script(TROUBLES).lines
    assert {one.biller for one in lines} <= billers
    # Every trouble that there is.
    assert {one.trouble for one in lines} == set(Trouble) - {Trouble.DECLINE}


@pytest.mark.parametrize("speed", [1.0, 600.0, SPEED_MAX])
def test_a_pace_keeps_every_setting_within_its_bounds(speed: float) -> None:
    pace = Pace(speed)
    Config().replace(**pace.settings())
    specs = pace.specs()
    assert spec_problems(specs.participants, specs.services) == []
    assert all(one.deadline_s >= 1 for one in specs.services)
    assert pace.longest_deadline_s() == max(one.deadline_s for one in specs.services)


def test_nobody_of_the_day_may_state_dues() -> None:
    specs = Pace(600.0).specs()
    assert not any(one.may_state_dues for one in specs.participants)
    assert all(one.price_rule is not PriceRule.STATED for one in specs.services)


def test_what_is_asked_after_the_deadline_thins_out() -> None:
    pace = Pace(600.0)
    # A second apart at first, then a sixth of the time that has passed.
    assert pace.late_questions_max(0) == 2
    assert pace.late_questions_max(5.5) == 7
    minute, hour = pace.late_questions_max(60), pace.late_questions_max(3600)
    assert 15 < minute < 30
    assert hour < 60


def test_a_pace_has_bounds() -> None:
    for speed in (0.0, 0.5, SPEED_MAX + 1):
        with pytest.raises(UsageError):
            Pace(speed)


# --- the server process ---------------------------------------------------------------


def test_a_taken_port_is_left_alone() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert choose_port(taken.getsockname()[1]) == 0


@pytest.mark.parametrize("name", ["counter", "public"])
def test_a_page_whose_port_is_taken_is_elsewhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken before anybody looks, or between the look and the page's start."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(pages_module, f"{name.upper()}_PORT", port)
        for chosen in (0, port):
            monkeypatch.setattr(pages_module, "choose_port", lambda _, one=chosen: one)
            pages = Pages(tmp_path, "127.0.0.1:1", tmp_path / "tls", "bsk-00001")
            try:
                start = getattr(pages, f"_start_{name}")
                address = start(pages._commands[name])
                assert f":{port}/" not in f"{address}/"
            finally:
                pages.stop()


def test_the_public_check_is_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Papers of the days before name its address."""
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        free = found.getsockname()[1]
    monkeypatch.setattr(pages_module, "PUBLIC_PORT", free)
    for _ in range(2):
        pages = Pages(tmp_path, "127.0.0.1:1", tmp_path / "tls", "bsk-00001")
        try:
            address = pages._start_public(pages._commands["public"])
            assert address == f"http://127.0.0.1:{free}"
        finally:
            pages.stop()


def test_pages_have_the_ports_of_their_commands() -> None:
    assert counter_arguments.PORT == COUNTER_PORT
    assert public.LISTEN == ("127.0.0.1", PUBLIC_PORT)


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
    last = done.stdout.rstrip("\n").rpartition("\n")[2]
    assert last.startswith("{"), done.stdout + done.stderr
    return done.returncode, json.loads(last), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.alone(beside=1)  # what waits for seconds here is hours there
def test_two_days_on_one_ledger_prove_right(tmp_path: Path) -> None:
    pytest.importorskip("switch._core")
    words = ("--payments", "2000", "--speed", "3600")
    is_free = bool(choose_port(COUNTER_PORT))
    is_public_free = bool(choose_port(PUBLIC_PORT))
    code, first, text = run_day(tmp_path, *words)
    assert code == 0, text
    # It keeps nobody waiting for a server that is the day's alone, and ends there.
    assert "pay nothing yourself before it has ended" in text
    assert "serving" not in text
    assert first["audit"] == "ok"
    assert accounted(first) == len(write_script(1, payments=2_000).steps)
    # How many give up, because a biller is away, is the machine's affair: most do not.
    # Second bills, rests and those who pay once more come on top; so does whoever pays
    # a bill again whose money was given back.
    assert 1000 < number(first["completed"]) < number(first["payments"]) <= 2060
    assert number(first["refused"]) > number(first["refused_for_quotations"]) > 0
    assert number(first["fetched"]) > 1600
    assert number(first["reversed"]) > 0
    assert first["open"] == 0
    assert first["centres"] == 3561
    assert first["services"] == 97
    assert first["billers"] == 40
    assert first["centres_with_own_certificate"] == 50
    assert number(first["repeats"]) > 20
    assert "₹" in text
    # Both pages were there and answered, and are gone with the day.
    pages = first["pages"]
    assert isinstance(pages, dict)
    assert sorted(pages) == ["counter", "public"]
    assert not (tmp_path / "pages.json").exists()
    # The counter can be tried at once: where its page says, and with money.
    assert number(first["counter_available_paise"]) >= COUNTER_MONEY
    if is_free:
        begin = f"http://127.0.0.1:{COUNTER_PORT}/operator?secret="
        assert str(pages["counter"]).startswith(begin)
    if is_public_free:
        assert pages["public"] == f"http://127.0.0.1:{PUBLIC_PORT}"
    bank = the_bank_goes_on_alone(tmp_path)
    code, second, text = run_day(tmp_path, *words, "--json")
    assert code == 0, text
    assert second["day"] == 2
    assert second["audit"] == "ok"
    assert "₹" not in text
    for summary in (first, second):
        closed = summary["close_day"]
        assert isinstance(closed, dict)
        assert (closed["ok"], closed["in_the_way"]) == (True, [])
        assert (closed["new"], closed["closed"]) == (0, 0), "it was closed before"
        assert closed["instructions"] >= 1
        assert closed["totals"]["gross_paise"] >= summary["amount_paise"]
        done = summary["bank"]
        assert isinstance(done, dict)
        # Four of those who asked have made mistakes, one of them by paying twice.
        assert (done["requested"], done["by_evidence"]) == (50, 47)
        assert done["mistakes"] == {
            **dict.fromkeys(("amount", "typo", "numberless", "twice", "stranger"), 1)
        }
        assert done["without_certificate"] == 3561 - 50
        assert (done["given_to_wallets"], done["returned"]) == (3561 - 47, 2)
        assert done["statements"] == 2
        assert done["paid_out_paise"] == summary["amount_paise"]
        assert done["bank_has_paise"] == done["ledger_has_paise"] > 0
        arranged = summary["arranged"]
        assert isinstance(arranged, dict)
        assert arranged["beneficiaries"] == 40
        assert 0 <= arranged["low"] <= 100
    # What it booked alone is told; that belongs to no day, and all is there.
    there = SimulatedBank(ACCOUNT, FIRST_DATE, path=tmp_path / "bank" / "book.jsonl")
    assert there.untold == []
    assert len(there.sheets) == len(bank.sheets) + 2 + 2
    returned = [one for one in there.movements if one.party == "NOBODY AT NIGHT"]
    assert [one.change for one in returned] == [77_700, -77_700]
    assert number(second["sequence"]) > number(first["sequence"])


def the_bank_goes_on_alone(data: Path) -> SimulatedBank:
    """A statement that nobody has sent, and what is in none: a day was cut short."""
    bank = SimulatedBank(ACCOUNT, FIRST_DATE, path=data / "bank" / "book.jsonl")
    bank.receive(55_500, "AT NIGHT", transfer_utr(1, 99_000_001), "bsk-00001")
    bank.receive(77_700, "AT NIGHT", transfer_utr(1, 99_000_002), "NOBODY AT NIGHT")
    bank.close()
    bank.receive(100, "AFTER IT", transfer_utr(1, 99_000_003), "bsk-00001")
    return bank


def accounted(summary: dict[str, object]) -> int:
    """Steps of the script that were sent, told there is nothing to pay, or given up.

    Who is told of a payment before, and confirms, sends two more: one of them is done.
    """
    told = summary["told"]
    assert isinstance(told, dict)
    ends = ("payments", "refused", "given_up")
    sent = sum(number(summary[name]) for name in ends) - 2 * number(
        summary["additional"]
    )
    return sent + sum(told.values())


def number(value: object) -> int:
    assert isinstance(value, int)
    return value
