"""Goal: a counter sees which bills there are, pays one, and knows what to do next.

Method: commands run in the process against a scripted switch: what they show, what they
send, and that nothing which needs a person is sent by itself.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from switch.cli.entry import main
from switch.codes import Result
from switch.console.output import Exit
from switch.console.result_words import RESULTS
from switch.console.tokens import format_token
from switch.console.words import ERRORS, WORDS
from switch.ids import format_id
from switch.v1 import counter_pb2, network_pb2, payments_pb2, results_pb2
from tests.client.scripted import INTERNAL, Fault, Scripted, serving

CENTRE, SERVICE, REFERENCE = "bsk-00001", "BSK0199", "123456789"
QUOTATIONS = [bytes([1, at]) * 72 for at in range(2)]
HANDLE = b"\xfb" + bytes(range(23))
MARCH_NS = 1_773_639_123_000_000_000
PAY = ("bill", "pay", CENTRE, SERVICE, "950", REFERENCE)

Run = Callable[..., int]


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Scripted]:
    with serving(tmp_path) as (script, _, address, _):
        script.counter.bills[REFERENCE] = bills()
        # For `run`, which adds them to each command.
        script.where = ["--tls", str(tmp_path), "--address", address]
        yield script


@pytest.fixture
def run(script: Scripted) -> Run:
    return lambda *words: main([*words, *script.where])


def bill(
    bill_id: str, amount_due: int, state: counter_pb2.BillState.ValueType
) -> counter_pb2.Bill:
    return counter_pb2.Bill(
        id=bill_id,
        service=SERVICE,
        reference=REFERENCE,
        amount_due=amount_due,
        amount_rule=network_pb2.AMOUNT_RULE_EXACT_AND_BELOW,
        valid_until_ns=MARCH_NS,
        state=state,
    )


def bills() -> list[counter_pb2.Bill]:
    """One that can be paid, to its second head, between two that cannot."""
    due = bill("B-2", 95_000, counter_pb2.BILL_STATE_DUE)
    due.period, due.due_time_ns = "2026-03", MARCH_NS
    due.head, due.quotation = 1, QUOTATIONS[0]
    return [
        bill("B-1", 10_000, counter_pb2.BILL_STATE_PAID),
        due,
        bill("B-3", 5_000, counter_pb2.BILL_STATE_IN_PROGRESS),
    ]


def refusal(result: Result, **fields: object) -> payments_pb2.PaymentOutcome:
    number = cast("results_pb2.Result.ValueType", int(result))
    return payments_pb2.PaymentOutcome(result=number, **fields)  # type: ignore[arg-type]


# --- fetching ------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "bn"])
def test_a_table_says_which_can_be_paid(
    run: Run, capsys: pytest.CaptureFixture[str], language: str
) -> None:
    at = ["en", "bn"].index(language)
    assert run("bill", "fetch", CENTRE, SERVICE, REFERENCE, "--lang", language) == 0
    said = capsys.readouterr().out
    for text in ("B-1", "B-2", "2026-03", "exact-and-below", "2026-03-16"):
        assert text in said
    assert "₹950.00" in said
    for state in ("due", "in progress", "paid"):
        assert WORDS[f"bill {state}"][at] in " ".join(said.split())
    # The next command, whole.
    assert f"payswitch {' '.join(PAY)} --bill 2" in said.replace("950.00", "950")


def test_nothing_can_be_paid(
    run: Run, script: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    script.counter.bills[REFERENCE] = bills()[::2]
    assert run("bill", "fetch", CENTRE, SERVICE, REFERENCE) == Exit.DONE
    said = capsys.readouterr().out
    assert WORDS["bill paid"][0] in said
    assert "--bill" not in said


def test_for_machines(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bill", "fetch", CENTRE, SERVICE, REFERENCE, "--json") == Exit.DONE
    (one,) = json.loads(capsys.readouterr().out)["fetched"]
    assert one["reference"] == REFERENCE
    assert [bill["state"] for bill in one["bills"]] == ["paid", "due", "in_progress"]
    quotations = [bill["quotation"] for bill in one["bills"]]
    assert quotations == ["", format_token(QUOTATIONS[0]), ""]


def test_several_references_at_once(
    run: Run, script: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("bill", "fetch", CENTRE, SERVICE, REFERENCE, "none")
    assert run(*words) == Exit.REFUSED
    said = capsys.readouterr().out
    assert "B-2" in said
    assert f"none: {ERRORS['BILL_NOT_FOUND'][0]}" in said
    assert run(*words, "--json") == Exit.REFUSED
    fetched = json.loads(capsys.readouterr().out)["fetched"]
    assert [one["error"] for one in fetched] == ["", "BILL_NOT_FOUND"]
    assert script.counter.fetched == [REFERENCE, "none"] * 2


# --- paying --------------------------------------------------------------------------


def test_one_of_them_is_paid_by_its_number(
    run: Run, script: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*PAY, "--bill", "2") == Exit.DONE
    (paid,) = script.counter.paid
    assert (paid.quotation, paid.head) == (QUOTATIONS[0], 1)
    assert (paid.reference, paid.amount, paid.amount_due) == (REFERENCE, 95_000, 0)
    said = capsys.readouterr().out
    assert "B-2" in said
    assert "completed" in said


def test_one_that_cannot_be_paid_is_not(
    run: Run, script: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*PAY, "--bill", "1") == Exit.REFUSED
    assert WORDS["bill paid"][0] in capsys.readouterr().out
    assert run(*PAY, "--bill", "3", "--json") == Exit.REFUSED
    assert json.loads(capsys.readouterr().out)["state"] == "in_progress"
    assert run(*PAY, "--bill", "4") == Exit.USAGE
    assert "1 to 3" in capsys.readouterr().err
    assert script.counter.paid == []


def test_a_quotation_as_text(run: Run, script: Scripted) -> None:
    text = format_token(QUOTATIONS[1])
    assert run(*PAY, "--quotation", text, "--head", "1") == Exit.DONE
    assert run("pay", *PAY[2:], "--quotation", text) == Exit.DONE
    assert script.counter.fetched == []
    (paid,) = script.counter.paid
    assert (paid.quotation, paid.head) == (QUOTATIONS[1], 1)


def test_items_of_a_tariff(run: Run, script: Scripted) -> None:
    words = ("bill", "pay", CENTRE, "CERT-1", "70", "A-7", "--item", "COPY:3")
    assert run(*words, "--item", "URGENT") == Exit.DONE
    (paid,) = script.counter.paid
    assert [(one.code, one.count) for one in paid.items] == [("COPY", 3), ("URGENT", 1)]


@pytest.mark.parametrize(
    "words",
    [
        (*PAY, "--bill", "0"),
        (*PAY, "--bill", "x"),
        (*PAY, "--quotation", "A"),
        (*PAY, "--bill", "1", "--quotation", "AAAA"),
        (*PAY, "--item", "COPY:0"),
        (*PAY, "--item", "COPY:10000"),
        (*PAY, "--item", ":1"),
        (*PAY, "--in-addition-to", "no handle"),
    ],
)
def test_what_cannot_be_meant(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == Exit.USAGE


def test_a_lost_reply_is_asked_for_without_a_quotation(
    run: Run, script: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    script.faults.append(Fault(INTERNAL, is_done=True))
    # The fault is for the payment; fetching has no such moment.
    assert run(*PAY, "--bill", "2") == Exit.UNKNOWN
    (payment_id,) = script.sequences
    again = capsys.readouterr().err
    assert f"--bill 2 --tls {script.where[1]}" in again
    assert f"--id {format_id(payment_id)}" in again
    # What it was has been paid: nobody can fetch it any more.
    script.counter.bills[REFERENCE][1].state = counter_pb2.BILL_STATE_PAID
    words = (*PAY, "--bill", "2", "--id", format_id(payment_id), "--json")
    assert run(*words) == Exit.DONE
    answer = json.loads(capsys.readouterr().out)
    assert answer["repeat"]
    assert script.counter.paid[-1].quotation == b""
    assert len(script.counter.fetched) == 1


def test_an_attempt_that_never_arrived_is_made(run: Run, script: Scripted) -> None:
    payment_id = bytes(range(1, 17))
    assert run(*PAY, "--bill", "2", "--id", format_id(payment_id)) == Exit.DONE
    (paid,) = script.counter.paid
    assert (paid.id, paid.quotation) == (payment_id, QUOTATIONS[0])


# --- what a person does next ---------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "bn"])
@pytest.mark.parametrize(
    "result",
    [Result.QUOTATION_NEEDED, Result.QUOTATION_WRONG, Result.QUOTATION_EXPIRED],
)
def test_a_quotation_that_is_not_taken(
    run: Run,
    script: Scripted,
    capsys: pytest.CaptureFixture[str],
    result: Result,
    language: str,
) -> None:
    at = ["en", "bn"].index(language)
    script.counter.refusals.append(refusal(result))
    words = ("--quotation", format_token(QUOTATIONS[0]), "--lang", language)
    assert run(*PAY, *words) == Exit.REFUSED
    said = capsys.readouterr().out
    assert RESULTS[result][at] in " ".join(said.split())
    assert WORDS["fetch it"][at] in said
    assert f"payswitch bill fetch {CENTRE} {SERVICE} {REFERENCE}" in said
    # One that has expired is fetched once, and this bill is another one by now: it is
    # for a person to look at it again.
    expired = result is Result.QUOTATION_EXPIRED
    assert script.counter.fetched == [REFERENCE] * expired
    assert len(script.counter.paid) == 1


def test_a_handle_is_shown_and_never_sent_back_by_itself(
    run: Run, script: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("bill", "pay", CENTRE, "FREE-1", "10", "R-1")
    recently = refusal(Result.PAID_RECENTLY, sequence=7, additional_to=HANDLE)
    script.counter.refusals.append(recently)
    assert run(*words) == Exit.REFUSED
    said = capsys.readouterr().out
    assert RESULTS[Result.PAID_RECENTLY][0] in said
    assert WORDS["in addition"][0] in said
    (shown,) = (line.strip() for line in said.splitlines() if "--in-add" in line)
    assert shown == f"--in-addition-to={format_token(HANDLE)}"
    (paid,) = script.counter.paid
    assert paid.additional_to == b""
    # A person has asked, and types what is shown.
    assert run(*words, shown) == Exit.DONE
    assert script.counter.paid[1].additional_to == HANDLE
    assert script.counter.paid[1].id != paid.id


def test_a_handle_for_machines(
    run: Run, script: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    recently = refusal(Result.PAID_RECENTLY, sequence=7, additional_to=HANDLE)
    script.counter.refusals.append(recently)
    assert run(*PAY, "--json") == Exit.REFUSED
    answer = json.loads(capsys.readouterr().out)
    assert answer["additional_to"] == format_token(HANDLE)
    assert len(script.counter.paid) == 1


def test_every_new_word_is_there_in_both_languages() -> None:
    for english, bengali in ERRORS.values():
        assert english
        assert any("ঀ" <= letter <= "৿" for letter in bengali)
    for result in (
        *(Result.QUOTATION_NEEDED, Result.QUOTATION_WRONG, Result.QUOTATION_EXPIRED),
        *(Result.ADDITION_WRONG, Result.INVALID_ITEMS, Result.ITEM_UNKNOWN),
        *(Result.FEE_CHANGED, Result.AMOUNT_STEP_WRONG, Result.PAID_RECENTLY),
    ):
        assert result in RESULTS
