"""Goal: from a terminal a payment is found, listed, cancelled and complained about, and
what there is to pay is told, in both languages and as JSON.

Method: the commands against a server with a small network, each in a process of its
own; what they print beside what the client is told. Files of bills are read without
one.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch.calendar import format_financial_year, ist_date
from switch.cli.put_bills import read_bills
from switch.client import make_payment
from switch.client.bill_files import file_of, line_of
from switch.client.messages import messages_of
from switch.codes import KeyRule, Role
from switch.console.output import Exit
from switch.errors import UsageError
from switch.ids import format_id
from switch.specs import Specs
from switch.v1 import billers_pb2, payments_pb2
from tests.client.live import (
    BILLED,
    CENTRE,
    CHECKER,
    NUMBERED,
    OTHER,
    SPECS,
    WAITS,
    Live,
    running,
)

SLOW = "SLOW-1"
FILED = "FILED-1"
"""Its bills are known by their ids."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    pytest.importorskip("switch._core")
    waits = next(one for one in SPECS.services if one.code == WAITS)
    slow = replace(
        waits, code=SLOW, deadline_s=3_600, called_en=("slowly",), called_bn=("ধীরে",)
    )
    billed = next(one for one in SPECS.services if one.code == BILLED)
    filed = replace(billed, code=FILED, key_rule=KeyRule.BILL_ID)
    specs = Specs(SPECS.participants, (*SPECS.services, slow, filed))
    with running(tmp_path_factory.mktemp("cli") / "data") as one:
        with one.client(Role.TREASURY, "treasury") as treasury:
            treasury.load_network(*messages_of(specs))
            treasury.top_up(CENTRE, 10_000_000, "UTR-1")
        yield one


@pytest.fixture(scope="module")
def paid(live: Live) -> list[payments_pb2.PaymentOutcome]:
    with live.client(Role.CENTRE, CENTRE) as client:
        return [
            client.pay(make_payment(NUMBERED, 100 * (1 + at), "123456789", operator=1))
            for at in range(4)
        ]


def told(done: "subprocess.CompletedProcess[str]") -> Any:
    assert done.returncode in (Exit.DONE, Exit.REFUSED), done.stderr
    return json.loads(done.stdout)


def ids(done: "subprocess.CompletedProcess[str]") -> list[str]:
    return [one["id"] for one in told(done)["payments"]]


def test_payments_and_their_filters(
    live: Live, paid: list[payments_pb2.PaymentOutcome]
) -> None:
    newest_first = [format_id(one.id) for one in reversed(paid)]
    assert ids(live.command("payments", CENTRE, "--json")) == newest_first
    today = ist_date(paid[0].time_ns).isoformat()
    words = ("--from", today, "--to", today, "--least", "2", "--most", "3", "--json")
    assert ids(live.command("payments", CENTRE, *words)) == newest_first[1:3]
    shown = live.command("payments", CENTRE, "--limit", "1")
    assert shown.returncode == Exit.DONE
    assert "123456789" in shown.stdout.replace("\n", "")
    none = live.command("payments", OTHER)
    assert none.returncode == Exit.REFUSED
    wrong = live.command("payments", CENTRE, "--refused")
    assert wrong.returncode == Exit.USAGE
    assert "from_time_ns" in wrong.stderr


def test_search(live: Live, paid: list[payments_pb2.PaymentOutcome]) -> None:
    one = paid[2]
    year = format_financial_year(one.receipt_year)
    wanted = [format_id(one.id)]
    for words in (
        ("--receipt", f"{CENTRE}/{year}/{one.receipt:06d}"),
        ("--receipt", f"{year}/{one.receipt}", "--centre", CENTRE),
        ("--payment", wanted[0], "--sender", CENTRE),
        ("--reference", "123 456-789", "--most", "3", "--least", "3"),
    ):
        assert ids(live.command("search", *words, "--json")) == wanted, words
    for limit, is_cut in ((1, True), (1_000, False)):
        listed = live.command("payments", CENTRE, "--json", "--limit", str(limit))
        assert json.loads(listed.stdout)["more"] is is_cut
    missing = live.command("search", "--receipt", f"{OTHER}/{year}/000001")
    assert missing.returncode == Exit.REFUSED


def test_a_list_that_is_cut_says_so(
    live: Live, paid: list[payments_pb2.PaymentOutcome]
) -> None:
    assert len(paid) > 1
    # The other says it in its JSON.
    for name, hows in (("payments", [()]), ("statement", [(), ("--json",)])):
        for how in hows:
            cut = live.command(name, CENTRE, "--limit", "1", *how)
            assert "--limit 0 shows it all" in cut.stderr
        assert "--limit 0" not in live.command(name, CENTRE, "--limit", "0").stderr
    # As many as were asked for, and not a word if that is all.
    whole = live.command("statement", CENTRE, "--limit", "0", "--json").stdout
    count = len(whole.splitlines())
    for limit, is_cut in ((count - 1, True), (count, False), (count + 1, False)):
        some = live.command("statement", CENTRE, "--limit", str(limit), "--json")
        assert some.stdout.splitlines() == whole.splitlines()[:limit]
        assert ("--limit 0" in some.stderr) is is_cut
    none = live.command("complaint", "list", "--overdue")
    assert none.returncode == Exit.DONE, none.stderr
    assert none.stdout == "There is no such complaint.\n"


def test_billers_that_nobody_knows_end_with_an_error(live: Live) -> None:
    """Of the sample network, which this switch has not."""
    words = ("biller", "wbsedcl", "--seconds", "2", "--json")
    done = live.command(*words)
    assert done.returncode == Exit.REFUSED, done.stderr
    assert "has let none of them in" in done.stderr
    assert json.loads(done.stdout)["ended_unauthenticated"] > 0


def test_the_catalogue(live: Live) -> None:
    whole = told(live.command("catalogue", "--json"))
    codes = [one["code"] for one in whole["services"]]
    assert codes == sorted([*(one.code for one in SPECS.services), SLOW, FILED])
    kept = live.command("catalogue", "--if-version", whole["version"], "--json")
    assert told(kept)["unchanged"] is True
    shown = live.command("catalogue", "--lang", "bn")
    assert shown.returncode == Exit.DONE, shown.stderr
    assert "ধীরে" in shown.stdout


def test_cancel(live: Live) -> None:
    with live.client(Role.CENTRE, CENTRE) as client:
        held = client.pay(make_payment(SLOW, 500, "SLOW-REFERENCE", operator=1))
    assert held.state == payments_pb2.PAYMENT_STATE_HELD
    who = ("--as", f"centre/{CENTRE}")
    words = ("cancel", format_id(held.id), *who, "--operator", "6", "--json")
    assert told(live.command(*words))["state"] == "reversed"
    assert told(live.command(*words))["repeat"] is True
    shown = live.command("status", format_id(held.id), *who).stdout
    [line] = [one for one in shown.splitlines() if f"{CENTRE} / 6" in one]
    assert line.startswith("Cancelled by")
    # The treasury is no centre.
    assert live.command("cancel", format_id(held.id)).returncode == Exit.USAGE


def test_a_complaint(live: Live, paid: list[payments_pb2.PaymentOutcome]) -> None:
    payment = format_id(paid[0].id)
    words = ("complaint", "raise", CENTRE, payment, "wrong-bill", "--note", "ward 7")
    number = told(live.command(*words, "--json"))["complaint"]["number"]
    again = live.command(*words)
    assert again.returncode == Exit.REFUSED
    assert "COMPLAINT_OPEN" in again.stdout
    assert number in again.stdout
    asked = live.command("complaint", "answer", number, "ask", "please look")
    assert asked.returncode == Exit.DONE, asked.stderr
    shown = told(live.command("complaint", "show", number.lower(), "--json"))
    assert (shown["state"], shown["note"]) == ("asked", "ward 7")
    listed = told(live.command("complaint", "list", "--centre", CENTRE, "--json"))
    assert [one["number"] for one in listed["complaints"]] == [number]
    table = live.command("complaint", "list")
    assert "wrong bill" in table.stdout


def test_a_refund_is_handed_out(
    live: Live, paid: list[payments_pb2.PaymentOutcome]
) -> None:
    entry = str(paid[3].sequence)
    asked = told(live.command("propose", "refund", entry, "1.50", "twice", "--json"))
    proposal = str(asked["sequence"])
    checker = ("--as", f"treasury/{CHECKER}")
    told(live.command("approve", proposal, *checker, "--json"))
    [waits] = told(live.command("handouts", CENTRE, "--json"))["handouts"]
    assert (waits["amount"], waits["kind"]) == (150, "refund")
    table = live.command("handouts", CENTRE)
    assert "1.50" in table.stdout
    bengali = live.command("handouts", CENTRE, "--lang", "bn").stdout
    assert "মাধ্যম" in bengali
    assert "নগদ" in bengali
    words = ("hand-out", CENTRE, str(waits["sequence"]))
    wrong = live.command(*words, "1.49", "--operator", "2")
    assert wrong.returncode == Exit.REFUSED
    assert "NET_DIFFERS" in wrong.stdout
    done = live.command(*words, "1.50", "--operator", "2")
    assert done.returncode == Exit.DONE, done.stderr
    assert "Handed out" in done.stdout
    again = live.command(*words, "1.50", "--operator", "2", "--lang", "bn")
    assert again.returncode == Exit.REFUSED
    assert "ALREADY_HANDED_OUT" in again.stdout
    assert told(live.command("handouts", CENTRE, "--json"))["handouts"] == []
    assert live.command("handouts", CENTRE).stdout == "No refund waits here.\n"


# --- files of bills --------------------------------------------------------------


def test_a_file_of_bills_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bills.csv"
    path.write_text(
        "amount,reference,id,period,due,valid_until,head,supersedes\n"
        '"1,250.50",123456789,B-1,2026-11,2026-11-30,,2,B-0|B-00\n'
        "7,987654321,,,,,,\n"
    )
    first, second = read_bills(path)
    assert (first.amount_due, first.reference, first.id) == (
        125_050,
        "123456789",
        "B-1",
    )
    assert (first.period, first.head) == ("2026-11", 2)
    assert list(first.supersedes) == ["B-0", "B-00"]
    assert first.due_time_ns == 1_796_063_399_999_999_999
    assert (second.amount_due, second.id, second.head) == (700, "", 0)
    file = file_of(billers_pb2.BILL_FILE_KIND_FULL, "S", 3, [first, second])
    assert (file.count, file.amount, file.number) == (2, 125_750, 3)
    assert line_of(second) == b"987654321\t\t\t700\t0\t0\t0\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column reference"),
        ("reference\n1\n", "no column amount"),
        ("reference,amount,colour\n", "line 1"),
        ("reference,amount,amount\n", "line 1"),
        ("reference,amount\n1\n", "line 2: has 1 cells"),
        ("reference,amount\n1,2\n1,x\n", "line 3"),
        ("reference,amount\n1,-5\n", "line 2"),
        ("reference,amount,head\n1,5,9999\n", "line 2: head"),
        ("reference,amount,due\n1,5,soon\n", "line 2"),
        (f"reference,amount\n{'x' * 10_240},5\n", "line 2: a cell is too long"),
        ('reference,amount\n"1,5\n', "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bills.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        list(read_bills(path))


def test_only_a_biller_puts_bills_in(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "bills.csv"
    path.write_text("reference,amount,period\n123456789,5,2026-11\n")
    words = ("put-bills", str(path), "--service", "BILL-1", "--number", "1")
    assert live.command(*words).returncode == Exit.USAGE
    done = live.command(*words, "--as", "biller/power", "--json")
    assert told(done)["bills_count"] == 1


def test_one_bill_in_two_lines_is_said_with_both(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "bills.csv"
    begin = "reference,amount,id\n1,5,A-1\n2,5,A-2\n"
    words = ("put-bills", str(path), "--service", FILED, "--as", "biller/power")
    path.write_text(begin + "3,5,A-3\n4,5,A-2\n")
    refused = live.command(*words, "--number", "1")
    assert refused.returncode == Exit.USAGE
    assert "line 5: is there twice: line 3 is of the same id 'A-2'" in refused.stderr
    path.write_text(begin)
    assert told(live.command(*words, "--number", "1", "--json"))["bills_count"] == 2
    path.write_text("reference,amount,id\n5,5,A-5\n6,5,A-1\n")
    refused = live.command(*words, "--number", "2", "--kind", "delta")
    assert refused.returncode == Exit.USAGE
    assert "line 3, id: is that of the bill of reference '1'" in refused.stderr
    assert "withdraw that one first" in refused.stderr
    path.write_text("reference,amount,id\n1,0,A-1\n")
    wrong = live.command(*words, "--number", "2", "--kind", "delta")
    assert "line 2, amount_due" in wrong.stderr
