"""Goal: money goes out from a shell, without a hand between the treasury and its bank:
two people release it, the window closes, its instruction is written into a folder, the
bank takes it and answers, pays and tells so; afterwards nothing is on its way but what
the bank has refused, and that is recalled.

Method: commands against a real server with people; the bank is PyPI's mock-bank.
"""

import datetime as dt
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.authority.development import DevAuthority
from switch.calendar import IST
from switch.client.calls import CallError
from switch.client.files import RECALLED
from switch.codes import PersonRole, Role
from switch.console.output import Exit
from switch.specs import ParticipantSpec, Specs
from switch.v1 import banks_pb2
from switch.v1 import people_pb2 as pb
from tests.bank.mock import IBAN, Bank, mock_bank
from tests.bank.status_writer import Report, Told
from tests.cli.at_council import Shell
from tests.cli.test_banks import REFERENCE, files_of
from tests.server.banking import bank_account, ending
from tests.server.council import (
    CHANNEL,
    LAKH,
    Council,
    centres,
    person,
    sitting,
)
from tests.server.test_beneficiaries import (
    HEADS,
    beneficiary,
    opened,
    payout,
    settled,
    thresholds,
)

CLOSED = "GB29NWBK60161331926819"


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    # What a bank says of a day to come is refused: its clock is that of everybody.
    today = f"{dt.datetime.now(IST):%Y-%m-%d}T00:30"
    with mock_bank(today, every_day=True) as made:
        made.open("CLOSED", CLOSED, "closed-account")
        yield made


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("paying"), *arguments) as one:
        biller = ParticipantSpec(id="power", role=Role.BILLER, heads=HEADS)
        one.load(Specs((*centres().participants, biller), ()))
        one.done(bank_account(IBAN))
        role = int(PersonRole.CHANNEL)
        one.done(person(CHANNEL, one, role=role, bank_account=IBAN))
        one.done(opened("settlement", LAKH), thresholds(1))
        for head in HEADS:
            settled(one, LAKH // len(HEADS), head)
        one.done(
            beneficiary(HEADS[0], name="বিদ্যুৎ পর্ষদ"),
            beneficiary(HEADS[1], number=CLOSED, ifsc="CLSD0000001"),
        )
        time.sleep(1)
        yield one


@pytest.fixture
def shell(council: Council, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(council, capsys)


def pay_out(council: Council, paise: int, head: str) -> None:
    wish: pb.Wish = payout(paise, biller="power", head=head)
    council.done(wish)


def account_of(council: Council) -> banks_pb2.BankAccount:
    found = council.client().bank_accounts().find(IBAN)
    assert found is not None
    return found


def status(shell: Shell, *files: Path, code: Exit) -> tuple[list[Any], Any]:
    """What the switch makes of answers: payments, and all together."""
    *rows, last = shell.said("payment-status", *map(str, files), code=code)
    return [row["payment"] for row in rows], last["payment_status"]


def test_from_the_release_to_the_statement(
    council: Council, bank: Bank, shell: Shell, tmp_path: Path
) -> None:
    for paise, head in ((123_456, HEADS[0]), (6_544, HEADS[1]), (1, HEADS[0])):
        pay_out(council, paise, head)
    client = council.client()
    window = council.close_window().outcome.sequence

    folder = tmp_path / "files"
    write = ("scrolls", "--window", str(window), "--kind", "instruction")
    shell.said(*write, "--write", str(folder))
    [made] = folder.glob("P*.xml")
    beside = json.loads(made.with_suffix(".json").read_text())
    assert (beside["payments"], beside["amount"]) == (3, "1300.01")
    assert beside["left_out"] == []
    again = shell.said(*write, "--write", str(folder))
    assert [one["written"] for one in again] == [False, False]
    # Whom a bank is to pay is no biller's to read.
    DevAuthority(council.directory / "tls").leaf(Role.BILLER, "power")
    words = ("scrolls", made.name, "--write", str(tmp_path), "--as", "biller/power")
    assert shell.run(*words).code == Exit.REFUSED

    assert bank.pay(made.read_bytes())["status"] == "PART"
    [answer] = bank.answers(beside["message"])
    answered = tmp_path / "answer.xml"
    answered.write_bytes(answer)
    found, sums = status(shell, answered, code=Exit.FINDINGS)
    assert [one["verdict"] for one in found] == ["accepted", "rejected", "accepted"]
    assert {one["booked"] for one in found} == {False}
    assert sums["accepted"] == {"count": 2, "amount_paise": 123_457}
    assert found[1]["reasons"][0]["code"] == "AC04"
    recall = ("propose", "ending", "recall", str(found[1]["entry"]))
    shown = shell.run("payment-status", str(answered))
    assert shown.code == Exit.FINDINGS
    assert " ".join(recall) in shown.out

    bank.go_on(1)
    put = ("propose", "statement", *REFERENCE)
    shell.by_channel(*put, *map(str, files_of(bank, tmp_path, "camt.054")))
    assert account_of(council).transit == 6_544
    shell.by_channel(*put, *map(str, files_of(bank, tmp_path, "camt.053")))
    account = account_of(council)
    assert (account.transit, account.unlisted) == (6_544, 0)
    [item] = client.bank_items(IBAN)
    assert (item.number, item.sequence) == (found[1]["release"], found[1]["entry"])
    now, _ = status(shell, answered, code=Exit.FINDINGS)
    assert [one["booked"] for one in now] == [True, False, True]

    # Two people take it back, and nothing is on its way.
    council.done(ending(item.sequence, recall=True))
    assert account_of(council).transit == 0
    last, _ = status(shell, answered, code=Exit.DONE)
    assert [one["recalled"] for one in last] == [False, True, False]

    # By the file as it is the bank would pay what is in settlement again.
    elsewhere = tmp_path / "elsewhere"
    held = shell.run(*write, "--write", str(elsewhere))
    assert held.code == Exit.REFUSED
    assert f"payouts that were recalled: {item.sequence}" in held.err
    assert [one.name for one in elsewhere.iterdir()] == [f"{made.stem}.json"]
    there = shell.run(*write, "--write", str(folder))
    assert (there.code, "no bank is to pay" in there.err) == (Exit.REFUSED, True)
    files = tmp_path / "closed"
    close = ("close-day", "--files", str(files))
    [told] = shell.said(*close, code=Exit.FINDINGS)
    [why] = told["in_the_way"]
    assert made.name in why
    assert "was not written" in why
    assert list(files.glob("*/P*.xml")) == []
    month = str(next(files.glob("*/P*.json")).parent)
    known = shell.run(
        "scrolls", made.name, "--write", month, "--although-recalled", "--parquet"
    )
    assert (known.code, "no bank is to pay" in known.err) == (Exit.DONE, True)
    [same] = files.glob("*/P*.xml")
    assert same.read_bytes() == made.read_bytes()
    [told] = shell.said(*close)
    assert [one.split(": ")[0] for one in told["waits"]] == ["the bank's word"]
    with pytest.raises(CallError, match="recalled") as failure:
        client.file_size(made.name)
    assert failure.value.reason == RECALLED


def test_answers_to_nobody_s_instruction(shell: Shell, tmp_path: Path) -> None:
    files = []
    names = ("SOMEBODY", "P2026-27-0001-01-1-ABC", "P2031-32-0009-01-1-ABC")
    for at, name in enumerate(names):
        files.append(tmp_path / f"{at}.xml")
        files[-1].write_bytes(Report((Told(),), instruction=name, name=f"B-{at}").xml())
    found, sums = status(shell, *files, code=Exit.FINDINGS)
    assert [one["verdict"] for one in found] == ["unknown"] * 3
    assert sums["unknown"] == {"count": 3, "amount_paise": 0}
