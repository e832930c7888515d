"""Goal: the command line says of a payment in doubt what is known, and what to do; and
prints papers as forms.

Method: commands as processes against a real server whose biller says nothing, with
services that wait for it for a second.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from switch.codes import Result
from switch.console.output import Exit
from switch.console.result_words import RESULTS
from switch.console.words import STATES, WORDS
from switch.payment_states import PaymentState
from tests.cli.test_cli import answer
from tests.client.live import CENTRE, FREE, LAPSES, WAITS, Live, running
from tests.server.harness import until


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("doubts") / "data") as live:
        for words in (
            ("network", "load", str(live.network)),
            ("top-up", CENTRE, "1,000", "--utr", "UTR-1"),
        ):
            done = live.command(*words)
            assert done.returncode == Exit.DONE, done.stderr
        with live.biller():
            yield live


def test_a_payment_in_doubt_and_its_acknowledgement(live: Live, tmp_path: Path) -> None:
    waits = live.command("pay", CENTRE, WAITS, "7.50", "kept")
    assert waits.returncode == Exit.UNKNOWN, waits.stderr
    assert WORDS["paper"][0] in waits.stdout
    [command] = [one for one in waits.stdout.splitlines() if "acknowledgement" in one]
    words = command.split()[1:]
    asked = words[1:]
    until_state(live, asked, PaymentState.KEPT)
    balance = live.command("balance", CENTRE).stdout
    assert f"{WORDS['kept'][0]}" in balance
    assert "₹7.50 (1)" in balance
    english = live.command(*words)
    assert english.returncode == Exit.DONE, english.stderr
    assert "THIS IS NO RECEIPT" in english.stdout
    value = answer(live.command(*words, "--json"))
    assert value["state"] == "kept"
    past = live.command("balance", CENTRE, "--at", str(value["entry"])).stdout
    assert "₹7.50" in past
    assert WORDS["kept"][0] not in past
    assert f"Acknowledgement: {CENTRE}/A/{value['entry']}" in english.stdout
    bengali = live.command(*words, "--lang", "bn").stdout
    assert "এটি রসিদ নয়।" in bengali
    # On a roll it is told as loudly.
    done = live.command(*words, "--printer", str(tmp_path / "roll"))
    assert done.returncode == Exit.DONE, done.stderr
    roll = (tmp_path / "roll").read_bytes()
    assert b"\nNOT CONFIRMED YET\n" in roll
    assert b"THIS IS NO RECEIPT" in roll
    # Sent again it is still not known.
    same = live.command(
        "pay", CENTRE, WAITS, "7.50", "kept", "--id", asked[0], "--lang", "bn"
    )
    assert same.returncode == Exit.UNKNOWN
    assert STATES[PaymentState.KEPT][1] in " ".join(same.stdout.split())


def test_a_payment_whose_money_is_back_too_early(live: Live) -> None:
    lapses = live.command("pay", CENTRE, LAPSES, "7.50", "lapsed", "--json")
    assert lapses.returncode == Exit.UNKNOWN, lapses.stderr
    asked = (str(answer(lapses)["id"]), "--sender", CENTRE)
    until_state(live, asked, PaymentState.UNVERIFIED)
    status = live.command("status", *asked, "--lang", "bn")
    assert STATES[PaymentState.UNVERIFIED][1] in " ".join(status.stdout.split())
    assert live.command("receipt", *asked).returncode != Exit.DONE
    taken = live.command("pay", CENTRE, LAPSES, "7.50", "lapsed")
    assert taken.returncode == Exit.REFUSED
    assert RESULTS[Result.BILL_ALREADY_CLAIMED][0] in taken.stdout


# --- forms ---------------------------------------------------------------------------


def test_a_receipt_is_printed_on_a5_and_on_a_roll(live: Live, tmp_path: Path) -> None:
    paid = answer(live.command("pay", CENTRE, FREE, "7.50", "printed", "--json"))
    words = ("receipt", str(paid["id"]), "--sender", CENTRE)
    pdf, roll = tmp_path / "a.pdf", tmp_path / "roll"
    forms = ("--pdf", str(pdf), "--printer", str(roll))
    base = ("--check-base", "https://check.example")
    done = live.command(*words, *forms, *base, "--lang", "bn")
    assert done.returncode == Exit.DONE, done.stderr
    number = answer(live.command(*words, "--json"))["receipt"]
    assert done.stdout.split("\n")[:2] == [f"{number} → {pdf}", f"{number} → {roll}"]
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert roll.read_bytes().startswith(b"\x1b@\x1bR\x00\x1bt\x00\x1dv0\x00")
    done = live.command(*words, "--printer", str(roll), "--reprint", "--json")
    told = answer(done)
    assert (told["number"], told["to"]) == (number, [str(roll)])
    assert re.fullmatch("[0-9a-f]{12}", str(told["code"]))
    text = roll.read_bytes().decode("latin-1")
    assert "\nREPRINT\n" in text
    assert "\nTotal: Rs.7.50\n" in text
    # What is wrong is one line, and nothing was printed.
    for wrong, code, said in (
        (("--printer", "127.0.0.1:1"), Exit.CONFIG, "nothing was printed"),
        (("--pdf", str(tmp_path / "no" / "a.pdf")), Exit.CONFIG, "No such file"),
        (("--pdf", str(pdf), "--check-base", "x"), Exit.USAGE, "--check-base"),
        (("--refund", "1"), Exit.USAGE, "0 refunds"),
        (("--refund", str(2**32)), Exit.USAGE, "--refund"),
    ):
        done = live.command(*words, *wrong)
        assert (done.returncode, done.stdout) == (code, ""), wrong
        assert said in done.stderr
        assert len(done.stderr.splitlines()) <= 2


def until_state(live: Live, asked: Sequence[str], state: PaymentState) -> None:
    """Wait until a payment stands so."""

    def stands() -> bool:
        status = answer(live.command("status", *asked, "--json"))
        return status["state"] == state.name.lower()

    until(stands)
