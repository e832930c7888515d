"""Goal: money goes out from a shell, without a hand between the treasury and its bank:
two people release it, the window closes, its instruction is written into a folder, the
bank takes it and answers, pays and tells so; afterwards nothing is on its way but what
the bank has refused, and that is recalled.

Method: commands as processes of their own against a real server with people; the bank
is PyPI's mock-bank.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.client import Client
from switch.codes import Role
from switch.console.output import Exit
from switch.credentials import Credentials
from switch.specs import ParticipantSpec, Specs, specs_to_json
from tests.bank.mock import IBAN, Bank, mock_bank
from tests.bank.status_writer import Report, Told
from tests.cli.office import Office, begun
from tests.cli.test_banks import REFERENCE, files_of, lines, put, stands

CLOSED = "GB29NWBK60161331926819"
HEADS = {"0801-01": "SBIN0001234", "0801-02": "CLSD0000001"}


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    with mock_bank() as made:
        made.open("CLOSED", CLOSED, "closed-account")
        yield made


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, bank: Bank) -> Iterator[Office]:
    with begun(tmp_path_factory.mktemp("office") / "paying") as found:
        biller = ParticipantSpec(id="power", role=Role.BILLER, heads=(*HEADS,))
        file = found.directory / "power.json"
        file.write_text(specs_to_json(Specs((biller,), ())))
        for _ in range(2):
            found.agreed(found.proposed("network", "propose", str(file)))
        key = json.loads((found.directory / "keys.json").read_text())["channel"]
        who = ("propose", "person", "checker", "9", "channel", "--public", key)
        found.agreed(found.proposed(*who))
        found.agreed(found.proposed("propose", "bank-account", IBAN))
        books = found.directory / "books.csv"
        books.write_text("participant,head,amount\n,settlement,5000\n")
        words = ("propose", "openings", str(books), "--count", "1", "--total", "5000")
        found.agreed(found.proposed(*words))
        amounts = ("1000000", "1000000", "1000000")
        found.agreed(found.proposed("propose", "thresholds", *amounts, "--wait", "1"))
        numbers = dict(zip(HEADS, ("33445566", CLOSED), strict=True))
        for head, ifsc in HEADS.items():
            said = ("--number", numbers[head], "--ifsc", ifsc, "--name", "বিদ্যুৎ পর্ষদ")
            whose = ("propose", "beneficiary", f"power/{head}")
            found.agreed(found.proposed(*whose, *said))
        time.sleep(1)
        yield found


def close_window(office: Office) -> int:
    """There is no command for it."""
    files = [office.tls / name for name in ("treasury-treasury.pem", "ca.pem")]
    credentials = Credentials(files[0], files[0].with_suffix(".key"), files[1])
    with Client(office.address, credentials) as client:
        return client.close_window(client.ledger().last_window).outcome.sequence


def pay_out(office: Office, amount: str, head: str) -> None:
    words = ("propose", "ending", "payout", amount, "--to", f"power/{head}")
    office.agreed(office.proposed(*words))


def status(office: Office, *files: Path, exit_code: Exit) -> tuple[list[Any], Any]:
    """What the switch makes of answers: payments, and all together."""
    done = office.ask("payment-status", *map(str, files), "--json")
    assert done.returncode == exit_code, (done.stdout, done.stderr)
    *rows, last = lines(done)
    return [row["payment"] for row in rows], last["payment_status"]


def test_from_the_release_to_the_statement(
    office: Office, bank: Bank, tmp_path: Path
) -> None:
    pay_out(office, "1,234.56", "0801-01")
    pay_out(office, "65.44", "0801-02")
    pay_out(office, "0.01", "0801-01")
    window = close_window(office)

    folder = tmp_path / "files"
    write = ("scrolls", "--window", str(window), "--kind", "instruction")
    done = office.ask(*write, "--write", str(folder), "--json")
    assert done.returncode == Exit.DONE, (done.stdout, done.stderr)
    [made] = folder.glob("P*.xml")
    beside = json.loads(made.with_suffix(".json").read_text())
    assert (beside["payments"], beside["amount"]) == (3, "1300.01")
    assert beside["left_out"] == []
    again = lines(office.ask(*write, "--write", str(folder), "--json"))
    assert [one["written"] for one in again] == [False, False]

    # Whom a bank is to pay is no biller's to read.
    words = ("scrolls", made.name, "--write", str(tmp_path), "--as", "biller/power")
    assert office.ask(*words).returncode == Exit.REFUSED

    assert bank.pay(made.read_bytes())["status"] == "PART"
    [answer] = bank.answers(beside["message"])
    answered = tmp_path / "answer.xml"
    answered.write_bytes(answer)
    found, sums = status(office, answered, exit_code=Exit.FINDINGS)
    assert [one["verdict"] for one in found] == ["accepted", "rejected", "accepted"]
    assert {one["booked"] for one in found} == {False}
    assert sums["accepted"] == {"count": 2, "amount_paise": 123_457}
    assert found[1]["reasons"][0]["code"] == "AC04"
    shown = office.ask("payment-status", str(answered))
    assert shown.returncode == Exit.FINDINGS
    assert "stays in transit" in shown.stdout

    bank.go_on(1)
    advices = files_of(bank, tmp_path, "camt.054")
    statements = files_of(bank, tmp_path, "camt.053")
    put(office, *advices, more=REFERENCE)
    assert stands(office, IBAN)["transit"] == 6_544
    put(office, *statements, more=REFERENCE)
    account = stands(office, IBAN)
    assert (account["transit"], account["unlisted"]) == (6_544, 0)
    [open_] = account["items"]
    assert open_["number"] == found[1]["release"]
    now, _ = status(office, answered, exit_code=Exit.FINDINGS)
    assert [one["booked"] for one in now] == [True, False, True]
    # Two people take it back, and nothing is on its way.
    recall = ("propose", "ending", "recall", str(found[1]["entry"]))
    office.agreed(office.proposed(*recall))
    assert stands(office, IBAN)["transit"] == 0
    last, _ = status(office, answered, exit_code=Exit.DONE)
    assert [one["recalled"] for one in last] == [False, True, False]


def test_answers_to_nobody_s_instruction(office: Office, tmp_path: Path) -> None:
    files = []
    for at, name in enumerate(
        ("SOMEBODY", "P2026-27-0001-01-1-ABC", "P2031-32-0009-01-1-ABC")
    ):
        files.append(tmp_path / f"{at}.xml")
        files[-1].write_bytes(Report((Told(),), instruction=name, name=f"B-{at}").xml())
    found, sums = status(office, *files, exit_code=Exit.FINDINGS)
    assert [one["verdict"] for one in found] == ["unknown"] * 3
    assert sums["unknown"] == {"count": 3, "amount_paise": 0}
