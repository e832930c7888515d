"""Goal: the command line says what happened, to people, machines and shells.

Method: arguments and words are tested in the process; then each command runs as a
process of its own against a real server, and its output and exit code are read.
"""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from switch.authority.development import DevAuthority
from switch.cli import main
from switch.cli.commands import credentials_of, to_identity
from switch.client.messages import messages_of
from switch.codes import Result, Role
from switch.console.output import Exit, plain
from switch.console.result_words import RESULTS
from switch.console.words import STATES, WORDS, Language, language_of
from switch.errors import ConfigError
from switch.ids import format_id, new_id
from switch.payment_states import PaymentState
from switch.register.rights import BOOTSTRAP, MATRIX
from switch.sample import load_sample, sample_specs
from switch.specs import TREASURY
from switch.v1 import payments_pb2, results_pb2, types_pb2
from tests.client.live import (
    BILLED,
    CENTRE,
    CHECKER,
    COPIES,
    FREE,
    NUMBERED,
    Live,
    running,
)
from tests.client.scripted import INTERNAL, UNAVAILABLE, Fault, serving
from tests.damage import damage_row

# --- words and values ---------------------------------------------------------------


def test_every_word_is_there_in_both_languages() -> None:
    words = [*WORDS.values(), *RESULTS.values(), *STATES.values()]
    for english, bengali in words:
        assert english
        assert any("ঀ" <= letter <= "৿" for letter in bengali)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, Language.ENGLISH),
        ({"LANG": "bn_IN.UTF-8"}, Language.BENGALI),
        ({"LANG": "bn_IN.UTF-8", "LC_ALL": "C"}, Language.ENGLISH),
    ],
)
def test_the_language_is_that_of_the_environment(
    environment: dict[str, str], language: Language
) -> None:
    assert language_of(environment) is language


def test_amounts_have_the_language_s_digits() -> None:
    assert Language.ENGLISH.amount(123_456_789) == "₹12,34,567.89"
    assert Language.BENGALI.amount(123_456_789) == "₹12,34,567.89"


def test_every_result_has_words() -> None:
    for result in Result:
        assert Language.ENGLISH.result(result)
    # What a person may meet has more than its plain name.
    assert {one for one in Result if one >= Result.AMOUNT_DIFFERS} <= set(RESULTS)


def test_every_state_has_words() -> None:
    assert set(STATES) == set(PaymentState)
    for english, bengali in STATES.values():
        assert english.isascii()
        assert not re.search("[A-Za-z]", bengali)
    assert Language.BENGALI.state(PaymentState.COMPLETED) == "সম্পন্ন"


def test_a_message_as_plain_values() -> None:
    payment_id = new_id()
    outcome = payments_pb2.PaymentOutcome(
        id=payment_id,
        result=results_pb2.RESULT_BILL_ALREADY_CLAIMED,
        sequence=2**60,
    )
    value = plain(outcome)
    assert value["id"] == format_id(payment_id)
    assert value["result"] == "bill_already_claimed"
    assert value["sequence"] == 2**60
    assert value["repeat"] is False
    assert value["other_id"] == ""


@pytest.mark.parametrize("text", ["", "treasury", "treasury/", "king/one", "/x"])
def test_an_identity_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not an identity"):
        to_identity(text)


def test_the_sample_network_goes_over_the_wire() -> None:
    participants, services = messages_of(sample_specs())
    sample = load_sample()
    assert len(services) == len(sample.services)
    assert len(participants) == len(sample.centres) + len(sample.billers) + 10


def test_certificates_come_from_the_directory_or_its_authority(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--tls"):
        credentials_of(tmp_path, Role.CENTRE, CENTRE)
    DevAuthority(tmp_path)
    made = credentials_of(tmp_path, Role.CENTRE, CENTRE)
    # A deployment hands out certificates without the authority's key.
    (tmp_path / "ca.key").unlink()
    assert credentials_of(tmp_path, Role.CENTRE, CENTRE) == made
    with pytest.raises(ConfigError, match="treasury"):
        credentials_of(tmp_path, Role.TREASURY, "treasury")


# --- exit codes without a switch -----------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nothing"],
        ["pay", CENTRE, FREE, "1.5", "ref"],
        ["pay", CENTRE, FREE, "-1", "ref"],
        ["balance", CENTRE, "--at", "x"],
        ["status", "123"],
        ["bill", "pay", CENTRE, BILLED, "1.5", "ref"],
        ["bill", "pay", CENTRE, BILLED, "1.50", "ref", "--wait", "31"],
        ["bill", "watch", "123"],
        ["receipt", "123"],
        ["acknowledgement", "123"],
        ["shift", "close", CENTRE, "x", "0"],
        ["shift"],
        ["balance", CENTRE, "--unknown"],
        ["balance", CENTRE, "--as", "king/one"],
    ],
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == Exit.USAGE
    assert "usage: payswitch" in capsys.readouterr().err


def test_no_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balance", CENTRE, "--tls", str(tmp_path)]) == Exit.CONFIG
    assert "--tls" in capsys.readouterr().err


def test_no_switch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    DevAuthority(tmp_path)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        words = ["services", "--tls", str(tmp_path), "--address", address]
        assert main(words) == Exit.UNKNOWN
    assert "payswitch serve" in capsys.readouterr().err


def test_an_unknown_outcome_says_how_to_ask_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path) as (script, _, address, _):
        words = ["pay", CENTRE, FREE, "12.50", "ref 1"]
        words += ["--tls", str(tmp_path), "--address", address]
        script.faults.append(Fault(INTERNAL, is_done=True))
        assert main(words) == Exit.UNKNOWN
        told = capsys.readouterr().err
        (payment_id,) = script.sequences
        assert f"--id {format_id(payment_id)}" in told
        assert "'ref 1'" in told
        assert WORDS["unknown"][0] in told
        assert main([*words, "--id", format_id(payment_id), "--json"]) == Exit.DONE
        answer = json.loads(capsys.readouterr().out)
        assert answer["repeat"] is True


def test_a_lost_reply_is_not_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path) as (script, _, address, _):
        script.faults.append(Fault(UNAVAILABLE, is_done=True))
        words = ["pay", CENTRE, FREE, "1", "r", "--lang", "bn"]
        words += ["--tls", str(tmp_path), "--address", address]
        assert main(words) == Exit.DONE
    assert WORDS["repeat"][1] in capsys.readouterr().out


# --- against a real server ---------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    pytest.importorskip("switch._core")
    with running(tmp_path_factory.mktemp("cli") / "data") as live:
        done = live.command("network", "load", str(live.network))
        assert done.returncode == Exit.DONE, done.stderr
        done = live.command("top-up", CENTRE, "1,00,000", "--utr", "UTR-1")
        assert done.returncode == Exit.DONE, done.stderr
        assert "₹1,00,000.00" in done.stdout
        yield live


def answer(done: "subprocess.CompletedProcess[str]") -> dict[str, object]:
    """The one JSON object of a command's output."""
    value: dict[str, object] = json.loads(done.stdout)
    return value


def test_loading_again(live: Live) -> None:
    done = live.command("network", "load", str(live.network), "--json")
    assert done.returncode == Exit.DONE
    assert answer(done)["added_count"] == 0


def test_a_network_that_cannot_be(live: Live, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"format": 1, "participants": [{"id": "X"}]}')
    done = live.command("network", "load", str(bad))
    assert done.returncode == Exit.USAGE
    assert "participants[0]" in done.stderr


def test_pay_look_and_refuse(live: Live) -> None:
    paid = live.command("pay", CENTRE, FREE, "1,234.50", "one", "--json")
    assert paid.returncode == Exit.DONE, paid.stderr
    outcome = answer(paid)
    assert outcome["result"] == "ok"
    again = live.command("pay", CENTRE, FREE, "1234.50", "one")
    assert again.returncode == Exit.REFUSED
    assert "PAID_RECENTLY" in again.stdout
    assert str(outcome["id"]) in again.stdout
    # Its receipt's number is printed as it is searched for.
    words = ("pay", CENTRE, FREE, "1,234.50", "one", "--id", str(outcome["id"]))
    printed = live.command(*words).stdout
    [number] = re.findall(rf"^Receipt +({CENTRE}/\S+)$", printed, re.MULTILINE)
    found = live.command("search", "--receipt", number, "--json")
    payments = json.loads(found.stdout)["payments"]
    assert [one["id"] for one in payments] == [outcome["id"]]
    same = live.command(
        *("pay", CENTRE, FREE, "1234.50", "one", "--id", str(outcome["id"]))
    )
    assert same.returncode == Exit.DONE
    assert WORDS["repeat"][0] in same.stdout

    status = live.command("status", str(outcome["id"]), "--sender", CENTRE)
    assert status.returncode == Exit.DONE, status.stderr
    assert "completed" in status.stdout
    assert "₹1,234.50" in status.stdout
    own = live.command("status", str(outcome["id"]), "--as", f"centre/{CENTRE}")
    assert own.returncode == Exit.DONE, own.stderr

    before = live.command(
        *("balance", CENTRE, "--json", "--at", str(int(str(outcome["sequence"])) - 1))
    )
    now = live.command("balance", CENTRE, "--lang", "bn")
    assert now.returncode == before.returncode == Exit.DONE
    wallet = answer(before)["wallet"]
    assert isinstance(wallet, dict)
    assert wallet["balance"] == 10_000_000
    assert "₹98,765.50" in now.stdout


def test_a_wrong_amount_is_refused_in_words(live: Live) -> None:
    words = ("pay", CENTRE, BILLED, "10", "5/2026-03", "--due", "11", "--lang", "bn")
    done = live.command(*words, "--as", "harness/harness")
    assert done.returncode == Exit.REFUSED
    assert RESULTS[Result.AMOUNT_NOT_EXACT][1] in done.stdout


def test_a_payment_that_is_not_there(live: Live) -> None:
    done = live.command("status", format_id(new_id()), "--sender", CENTRE)
    assert done.returncode == Exit.REFUSED
    assert "no payment" in done.stderr
    assert live.command("status", format_id(new_id())).returncode == Exit.USAGE


def test_a_top_up_counts_once(live: Live) -> None:
    done = live.command("top-up", CENTRE, "5", "--utr", "UTR-1")
    assert done.returncode == Exit.REFUSED
    assert "UTR_ALREADY_CREDITED" in done.stdout


def test_who_may_not_is_told_so(live: Live) -> None:
    words = ["top-up", CENTRE, "5", "--utr", "UTR-9", "--as", f"centre/{CENTRE}"]
    done = live.command(*words)
    assert done.returncode == Exit.USAGE
    assert "--as" in done.stderr


def test_statement_and_feed(live: Live) -> None:
    live.command("pay", CENTRE, FREE, "2", "feed-1")
    live.command("pay", CENTRE, FREE, "3", "feed-2")
    statement = live.command("statement", CENTRE, "--limit", "2", "--json")
    assert statement.returncode == Exit.DONE, statement.stderr
    lines = [json.loads(line) for line in statement.stdout.splitlines()]
    assert [line["change"] for line in lines] == [-300, -200]
    assert "feed-2" in live.command("statement", CENTRE).stdout
    feed = live.command("feed", "power", "--json")
    entries = [json.loads(line) for line in feed.stdout.splitlines()]
    assert [one["reference"] for one in entries][-2:] == ["feed-1", "feed-2"]
    cursor = str(entries[-2]["sequence"])
    rest = live.command("feed", "power", "--from", cursor, "--as", "biller/power")
    assert rest.returncode == Exit.DONE, rest.stderr
    assert "feed-2" in rest.stdout
    assert "feed-1" not in rest.stdout


def test_accounts_services_and_ledger(live: Live) -> None:
    totals = live.command("accounts")
    assert totals.returncode == Exit.DONE, totals.stderr
    assert "wallet" in totals.stdout
    wallets = answer(live.command("accounts", "--kind", "wallet", "--json"))
    assert isinstance(wallets["accounts"], list)
    assert len(wallets["accounts"]) == 2
    services = live.command("services", "--lang", "bn")
    assert services.returncode == Exit.DONE
    assert "একটি ফি" in services.stdout
    assert "9 digits, such as 123456789, spaces and - ignored" in services.stdout
    assert "₹1.00 – ₹1,00,00,000.00" in services.stdout
    assert "বিল, exact" in services.stdout
    assert "COPY ₹10.00, URGENT ₹25.00" in services.stdout
    ledger = answer(live.command("ledger", "--json"))
    assert ledger["accounts_count"] == 7


def test_the_audit_is_another_process(live: Live, tmp_path: Path) -> None:
    done = live.command("audit", str(live.server.ledger), "--json", where=False)
    assert done.returncode == Exit.DONE, done.stdout + done.stderr
    assert answer(done)["audit"] == "ok"
    missing = live.command("audit", str(tmp_path / "none"), where=False)
    assert missing.returncode in (Exit.USAGE, Exit.UNKNOWN)


def test_rights_are_those_that_are_served(live: Live) -> None:
    told = answer(live.command("rights", "--json", where=False))
    assert told["rights"] == {
        method: [role.name.lower() for role in sorted(roles)]
        for method, roles in MATRIX.items()
    }
    assert told["bootstrap"] == BOOTSTRAP
    text = live.command("rights", where=False).stdout.splitlines()
    rows = [line.split("│")[1:-1] for line in text if line.startswith("│")]
    assert len(rows) == len(MATRIX)
    name = BOOTSTRAP.removeprefix("/payswitch.v1.")
    [roles] = [cells[1] for cells in rows if cells[0].strip() == name]
    assert roles.strip() == "treasury"


def test_the_version_is_that_of_the_package() -> None:
    command = [sys.executable, "-m", "switch", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"payswitch {version('payswitch')}\n"


def test_serve_is_the_server() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "switch", "serve", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "--listen" in done.stdout


# --- the counter ---------------------------------------------------------------------


def test_a_receipt_is_printed_in_both_languages(live: Live) -> None:
    paid = answer(live.command("pay", CENTRE, FREE, "7.50", "paper", "--json"))
    words = ("receipt", str(paid["id"]), "--sender", CENTRE)
    english = live.command(*words)
    assert english.returncode == Exit.DONE, english.stderr
    assert "Total: ₹7.50" in english.stdout
    bengali = live.command(*words, "--lang", "bn")
    assert "মোট: ₹৭.৫০" in bengali.stdout
    value = answer(live.command(*words, "--json"))
    assert value["text"] == {"en": english.stdout, "bn": bengali.stdout}
    # An office has reprints alone, a centre one original: test_reprints.py.
    own = live.command(
        *("receipt", str(paid["id"]), "--as", f"centre/{CENTRE}", "--reprint")
    )
    assert own.stdout == english.stdout


def test_a_payment_that_is_final_is_watched_once(live: Live) -> None:
    paid = answer(live.command("pay", CENTRE, FREE, "7.50", "watched", "--json"))
    done = live.command("bill", "watch", str(paid["id"]), "--sender", CENTRE)
    assert done.returncode == Exit.DONE, done.stderr
    assert done.stdout.strip().endswith("completed")
    assert live.command("bill", "watch", str(paid["id"])).returncode == Exit.USAGE


def test_a_bill_without_its_biller(live: Live) -> None:
    fetched = live.command("bill", "fetch", CENTRE, BILLED, "123")
    assert fetched.returncode == Exit.UNKNOWN
    assert "UNAVAILABLE" in fetched.stderr
    paid = live.command("bill", "pay", CENTRE, FREE, "10", "without", "--lang", "bn")
    assert paid.returncode == Exit.DONE, paid.stderr
    assert "সম্পন্ন" in paid.stdout


def test_a_bill_is_fetched_and_paid_by_its_number(live: Live) -> None:
    with live.desk(10_000, 72_600):
        fetched = live.command("bill", "fetch", CENTRE, BILLED, "901")
        assert fetched.returncode == Exit.DONE, fetched.stderr
        for text in ("2026-01", "₹100.00", "2026-02", "₹726.00", "2026-11-18"):
            assert text in fetched.stdout
        words = ("bill", "pay", CENTRE, BILLED, "726", "901", "--bill", "2")
        paid = answer(live.command(*words, "--operator", "7", "--json"))
        assert paid["result"] == "ok"
        again = live.command(*words)
        assert again.returncode == Exit.REFUSED
        assert WORDS["bill paid"][0] in again.stdout
        # The same attempt once more is no second one.
        same = live.command(*words, "--id", str(paid["id"]), "--operator", "7")
        assert same.returncode == Exit.DONE, same.stdout
        assert WORDS["repeat"][0] in same.stdout
    status = live.command("status", str(paid["id"]), "--sender", CENTRE).stdout
    for text in ("901", "901/2026-02", "2026-02", "₹726.00", "2026-11-18"):
        assert text in status
    receipt = live.command("receipt", str(paid["id"]), "--sender", CENTRE).stdout
    for line in ("Reference: 901", "Period: 2026-02", "Amount due: ₹726.00"):
        assert line in receipt.splitlines()


def test_a_quotation_as_text_pays_one_bill(live: Live) -> None:
    with live.desk(10_000):
        found = answer(
            live.command("bill", "fetch", CENTRE, BILLED, "902", "903", "--json")
        )
        assert isinstance(found["fetched"], list)
        first, second = (one["bills"][0]["quotation"] for one in found["fetched"])
        words = ("bill", "pay", CENTRE, BILLED, "100", "902", "--quotation")
        wrong = live.command(*words, second)
        assert wrong.returncode == Exit.REFUSED
        assert RESULTS[Result.QUOTATION_WRONG][0] in wrong.stdout
        assert f"bill fetch {CENTRE} {BILLED} 902" in wrong.stdout
        assert live.command(*words, first).returncode == Exit.DONE


def test_one_more_payment_is_for_a_person_to_ask_for(live: Live) -> None:
    words = ("pay", CENTRE, FREE, "11", "more")
    assert live.command(*words).returncode == Exit.DONE
    refused = live.command(*words)
    assert refused.returncode == Exit.REFUSED
    assert RESULTS[Result.PAID_RECENTLY][0] in refused.stdout
    (option,) = (
        line.strip() for line in refused.stdout.splitlines() if "--in-add" in line
    )
    more = live.command(*words, option, "--json")
    assert more.returncode == Exit.DONE, more.stdout
    status = live.command("status", str(answer(more)["id"]), "--sender", CENTRE)
    assert WORDS["additional to"][0] in status.stdout
    # A handle that was changed on the way is nobody's.
    bent = option[:-1] + ("A" if option[-1] != "A" else "Q")
    wrong = live.command(*words, bent)
    assert wrong.returncode == Exit.REFUSED
    assert RESULTS[Result.ADDITION_WRONG][0] in wrong.stdout


def test_items_are_paid_by_their_tariff(live: Live) -> None:
    words = ("pay", CENTRE, COPIES, "55", "DEED-9", "--item", "COPY:3")
    missing = live.command(*words)
    assert missing.returncode == Exit.REFUSED
    assert RESULTS[Result.FEE_CHANGED][0] in missing.stdout
    paid = answer(live.command(*words, "--item", "URGENT", "--json"))
    assert paid["result"] == "ok"
    receipt = live.command("receipt", str(paid["id"]), "--sender", CENTRE).stdout
    assert "COPY\n  3 × ₹10.00 = ₹30.00\nUrgent (URGENT)\n" in receipt


def test_a_wrong_reference_is_told_with_an_example(live: Live) -> None:
    fetched = live.command("bill", "fetch", CENTRE, BILLED, "12-34")
    assert fetched.returncode == Exit.USAGE
    assert "9{1,9}" in fetched.stderr
    wrong = live.command("pay", CENTRE, NUMBERED, "10", "12-34")
    assert wrong.returncode == Exit.REFUSED
    assert RESULTS[Result.REFERENCE_WRONG][0] in wrong.stdout
    spelt = live.command("pay", CENTRE, NUMBERED, "10", "123 456-789", "--json")
    paid = answer(spelt)
    assert paid["result"] == "ok"
    status = answer(
        live.command("status", str(paid["id"]), "--sender", CENTRE, "--json")
    )
    assert isinstance(status["entry"], dict)
    assert status["entry"]["reference"] == "123456789"


def test_only_what_is_recorded_is_said_to_be(live: Live) -> None:
    said = WORDS["not recorded"][0]
    needed = live.command("bill", "pay", CENTRE, BILLED, "10", "123")
    assert needed.returncode == Exit.REFUSED
    assert RESULTS[Result.QUOTATION_NEEDED][0] in needed.stdout
    assert said in needed.stdout
    low = live.command("bill", "pay", CENTRE, NUMBERED, "0.50", "123456789")
    assert low.returncode == Exit.REFUSED
    assert RESULTS[Result.AMOUNT_BELOW_MINIMUM][0] in low.stdout
    assert said not in low.stdout


def test_a_shift_is_closed_by_one_and_signed_by_another(live: Live) -> None:
    live.command("pay", CENTRE, FREE, "3.25", "shift", "--operator", "8")
    closed = live.command("shift", "close", CENTRE, "8", "3.00")
    assert closed.returncode == Exit.DONE, closed.stderr
    assert "short ₹0.25" in closed.stdout
    empty = live.command("shift", "close", CENTRE, "8", "0.00")
    assert (empty.returncode, "taken nothing" in empty.stderr) == (Exit.USAGE, True)
    live.command("pay", CENTRE, FREE, "1.00", "again", "--operator", "8")
    again = live.command("shift", "close", CENTRE, "8", "1.00", "--json")
    shift = answer(again)["shift"]
    assert isinstance(shift, dict)
    assert (shift["payments_count"], shift["difference"]) == (1, "none")
    entry = str(shift["sequence"])
    same = live.command("shift", "sign", CENTRE, "8", entry)
    assert same.returncode == Exit.REFUSED
    assert "SAME_PERSON" in same.stdout
    signed = live.command("shift", "sign", CENTRE, "9", entry, "--lang", "bn")
    assert signed.returncode == Exit.DONE, signed.stderr
    assert WORDS["signed"][1] in signed.stdout


def test_a_damaged_proposal_is_named_among_the_exceptions(live: Live) -> None:
    paid = answer(live.command("pay", CENTRE, FREE, "20", "damaged", "--json"))
    with live.client(Role.TREASURY, TREASURY) as treasury:
        move_id = new_id()
        asked = treasury.propose(
            types_pb2.PROPOSAL_KIND_REFUND,
            int(str(paid["sequence"])),
            "why",
            100,
            move_id=move_id,
        )
        # Read before it was damaged: after that nobody knows what it was.
        assert asked.sequence in [one.sequence for one in treasury.exceptions()]
        start = move_id + asked.sequence.to_bytes(8, "little")
        damage_row(live.server.ledger, start)
        listed = live.command("exceptions")
        assert listed.returncode == Exit.DONE, listed.stderr
        assert f"damaged at the switch, and open: {asked.sequence}" in listed.stderr
        # Undone, for the tests that follow.
        damage_row(live.server.ledger, start)
        with live.client(Role.TREASURY, CHECKER) as checker:
            assert checker.approve(asked.sequence).outcome.sequence
        assert not live.command("exceptions").stderr


def test_a_clock_that_is_believed_is_not_accepted(live: Live) -> None:
    asked = live.command("accept-clock", "the battery was empty")
    assert asked.returncode == Exit.USAGE
    assert "there is nothing to accept" in asked.stderr
    barred = live.command("accept-clock", "x", "--as", f"centre/{CENTRE}")
    assert barred.returncode == Exit.USAGE
    assert "choose who you are" in barred.stderr


def test_the_key_of_quotations_is_followed_once(live: Live) -> None:
    told = answer(live.command("ledger", "--json"))
    assert told["quotation_key_number"] == 1
    done = live.command("rotate-quotation-key", "1")
    assert done.returncode == Exit.DONE, done.stderr
    assert done.stdout.split()[-1] == "2"
    again = live.command("rotate-quotation-key", "1", "--lang", "bn")
    assert again.returncode == Exit.DONE
    assert "দ্বিতীয়বার কিছু হয়নি" in again.stdout
    done = live.command("rotate-quotation-key", "2", "--json")
    assert answer(done) == {"number": 3, "repeat": False}
    wrong = live.command("rotate-quotation-key", "1")
    assert wrong.returncode == Exit.USAGE
    assert "the newest key has the number 3" in wrong.stderr


def test_billers_without_confirmed_services_are_not_listed(live: Live) -> None:
    paid = live.command("pay", CENTRE, FREE, "20", "no question", "--json")
    assert paid.returncode == Exit.DONE, paid.stderr
    listed = live.command("billers", "--json")
    assert listed.returncode == Exit.DONE, listed.stderr
    found = answer(listed)["billers"]
    assert isinstance(found, list)
    # It is listed once it has dialled in, as `power` may have by now.
    assert "water" not in [one["biller"] for one in found]
    table = live.command("billers", "--lang", "bn")
    assert WORDS["connections"][1] in table.stdout
