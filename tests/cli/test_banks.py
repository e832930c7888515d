"""Goal: money in, day by day, from a shell: a centre asks, the bank's files come in by
its channel's key, the wallet is credited, and what nobody explains two people explain;
the same files again change nothing, and what does not follow is signed by nobody.

Method: commands as processes of their own, against a real server of a ledger with
people; the bank is PyPI's mock-bank, and where it says nothing wrong, files of the
second writer.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.console.output import Exit
from tests.bank.mock import IBAN, Bank, mock_bank
from tests.bank.writer import ACCOUNT, OTHER_UTR, SHORT_UTR, UTR, Detail, Entry, Sheet
from tests.cli.office import CENTRES, PEOPLE, Office, balance, begun

REFERENCE = ("--reference", "EndToEndId")
"""Where mock-bank writes what stands for the bank's reference."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with begun(tmp_path_factory.mktemp("office") / "banks") as found:
        keys = json.loads((found.directory / "keys.json").read_text())
        for number, name in ((IBAN, "mock"), (ACCOUNT, "written")):
            words = ("propose", "bank-account", number, "--name", name)
            entry = found.proposed(*words)
            shown = found.ask("proposal", entry).stdout
            assert "bank_transit" in shown
            assert number in shown.replace("\n", "")
            found.agreed(entry)
        # Each has a channel of its own.
        for who, number in (("channel", IBAN), ("other", ACCOUNT)):
            at, place = PEOPLE[who]
            person = "person", at, str(place), "channel", "--public", keys[who]
            found.agreed(found.proposed("propose", *person, "--bank-account", number))
        yield found


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    with mock_bank() as made:
        yield made


def lines(done: "subprocess.CompletedProcess[str]") -> list[Any]:
    """What a command says to machines, line by line."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def put(
    office: Office, *files: Path, by: str = "channel", more: tuple[str, ...] = ()
) -> list[Any]:
    """Propose what files say; what became of it."""
    words = ("propose", "statement", *map(str, files), *more, "--json")
    done = office.ask(*words, by=by)
    assert done.returncode == Exit.DONE, (done.stdout, done.stderr)
    return lines(done)


def files_of(bank: Bank, directory: Path, kind: str) -> list[Path]:
    """All files of a kind that the bank has sent so far."""
    found = []
    for at, data in enumerate(bank.files(kind)):
        found.append(directory / f"{kind}-{at}.xml")
        found[-1].write_bytes(data)
    return found


def stands(office: Office, number: str) -> Any:
    """A bank account as `payswitch bank` tells it."""
    found = office.said("bank", "--account", number)
    [one] = [one for one in found["accounts"] if one["number"] == number]
    return one | {"items": found["items"]}


def newest(office: Office) -> int:
    return int(office.said("ledger")["sequence"])


# --- the whole way -------------------------------------------------------------------


def test_from_the_request_to_the_wallet(
    office: Office, bank: Bank, tmp_path: Path
) -> None:
    asked = office.ask("request-top-up", CENTRES[0], "1,500.00")
    assert asked.returncode == Exit.DONE, asked.stderr
    assert "Write this number on the transfer" in asked.stdout
    [one] = lines(office.ask("top-ups", CENTRES[0], "--json"))
    number = one["number"]
    assert number in asked.stdout
    listed = office.ask("top-ups", "--open")
    assert number in listed.stdout
    assert "has not come" in listed.stdout
    before = balance(office)

    # The bank's message about the credit comes first, its statement the day after.
    bank.credit(150_000, UTR, f"NEFT {number.lower()} CENTRE 1")
    bank.credit(250, OTHER_UTR, "cash, nobody knows whose")
    bank.go_on(1)
    advices = files_of(bank, tmp_path, "camt.054")
    statements = files_of(bank, tmp_path, "camt.053")
    [first] = put(office, advices[0], more=REFERENCE)
    assert (first["advice"], first["booked"]) == (True, first["lines_count"])
    told = put(office, *advices[1:], *statements, more=REFERENCE)
    assert balance(office) == before + 150_000
    assert sum(one["already"] for one in [first, *told]) == 1
    assert [one["refused"] for one in told] == [0] * len(told)
    [paid] = lines(office.ask("top-ups", CENTRES[0], "--json"))
    assert paid["state"] == "paid"
    assert paid["booked_sequence"]
    account = stands(office, IBAN)
    assert (account["before"], account["balance"]) == (10_000, 150_250)
    assert account["statement"]["closing"] == 160_250
    assert (account["unlisted"], account["suspense"]) == (0, 250)

    # The same files again: nothing at all.
    sequence = newest(office)
    again = put(office, *advices, *statements, more=REFERENCE)
    assert newest(office) == sequence
    assert all(one.get("repeat", True) for one in again)

    # Two people look at what nobody explains.
    shown = office.ask("bank")
    assert "cash, nobody knows whose" in shown.stdout
    assert "came in" in shown.stdout
    [item] = account["items"]
    wish = ("propose", "ending", "credit-wallet", str(item["sequence"]), CENTRES[1])
    before = balance(office, CENTRES[1])
    entry = office.proposed(*wish, "--reason", "letter 17")
    shown = office.ask("proposal", entry)
    assert "what came in is given to" in shown.stdout
    assert "letter 17" in shown.stdout
    office.agreed(entry)
    assert balance(office, CENTRES[1]) == before + 250
    assert "Nothing waits to be explained." in office.ask("bank").stdout


def test_the_next_day_follows(office: Office, bank: Bank, tmp_path: Path) -> None:
    bank.credit(999, SHORT_UTR, "more")
    bank.go_on(2)
    told = put(office, *files_of(bank, tmp_path, "camt.053"), more=REFERENCE)
    assert [one["refused"] for one in told] == [0] * len(told)
    account = stands(office, IBAN)
    assert account["statement"]["closing"] == 161_249
    assert account["unlisted"] == 0


# --- by hand, and what does not follow ------------------------------------------------


def sheet(tmp_path: Path, number: int, opening: str, *entries: Entry) -> Path:
    """A statement of the written bank for one day."""
    paise = round(float(opening) * 100)
    for one in entries:
        paise += round(float(one.amount) * 100) * (1 if one.side == "CRDT" else -1)
    day = f"2026-11-{number:02d}"
    made = Sheet(
        entries,
        opening,
        f"{paise / 100:.2f}",
        name=f"S-{number}",
        number=number,
        first=f"{day}T00:00:00+05:30",
        last=f"{day}T23:59:59+05:30",
    )
    file = tmp_path / f"{number}.xml"
    file.write_bytes(made.xml())
    return file


def credit(amount: str, reference: str, note: str = "") -> Entry:
    return Entry(amount, details=(Detail(amount, reference, remittance=note),))


def test_people_say_what_a_bank_says(office: Office, tmp_path: Path) -> None:
    file = sheet(
        tmp_path,
        1,
        "100.00",
        credit("50.00", "HAND00000001"),
        Entry("2.00", "DBIT", details=(Detail("2.00", "HAND00000002"),)),
    )
    shown = office.ask("propose", "statement", str(file), by="alpha")
    assert shown.returncode == Exit.DONE, shown.stderr
    for text in ("100.00", "50.00 (1)", "2.00 (1)", "148.00", "payswitch approve"):
        assert text in shown.stdout, text
    [entry] = [
        line.split()[2]
        for line in shown.stdout.splitlines()
        if line.strip().startswith("payswitch approve")
    ]
    whole = office.ask("proposal", entry)
    for text in ("booked: money came in", "booked: money went out", "HAND00000001"):
        assert text in whole.stdout, text
    office.agreed(entry)
    account = stands(office, ACCOUNT)
    assert (account["before"], account["balance"]) == (10_000, 4_800)
    kinds = {one["kind"]: one for one in account["items"]}
    assert set(kinds) == {"credit", "debit"}
    # One goes back, the other was the settlement's.
    words = ("propose", "ending", "return", str(kinds["credit"]["sequence"]))
    office.agreed(office.proposed(*words))
    debit = str(kinds["debit"]["sequence"])
    refused = office.ask("propose", "ending", "return", debit, by="alpha")
    assert refused.returncode == Exit.USAGE
    assert "cannot be of a debit" in refused.stderr
    account = stands(office, ACCOUNT)
    [release] = [one for one in account["items"] if one["kind"] == "release"]
    assert release["number"].startswith("R")
    # What the bank has booked with the release's number ends it.
    paid = Entry(
        "50.00",
        "DBIT",
        details=(Detail("50.00", "HAND00000003", remittance=release["number"]),),
    )
    [told] = put(office, sheet(tmp_path, 2, "148.00", paid), by="other")
    assert told["naming"] == 1
    assert [one["kind"] for one in stands(office, ACCOUNT)["items"]] == ["debit"]


def test_what_does_not_follow_is_not_signed(office: Office, tmp_path: Path) -> None:
    sequence = newest(office)
    for file, code, what in (
        (sheet(tmp_path, 4, "99.00", credit("1.00", "GAPS00000001")), 1, "is missing"),
        (tmp_path / "no.xml", 1, "not believed"),
    ):
        done = office.ask("propose", "statement", str(file), by="other")
        assert done.returncode == code, done.stdout
        assert what in done.stderr
    # Findings of the files together.
    twice = sheet(tmp_path, 5, "98.00", credit("1.00", "GAPS00000002"))
    other = sheet(tmp_path, 6, "99.50", credit("1.00", "GAPS00000003"))
    done = office.ask("propose", "statement", str(twice), str(other), by="other")
    assert done.returncode == Exit.FINDINGS
    assert "gap" in done.stdout
    unknown = Sheet((credit("1.00", "GAPS00000004"),), "0.00", "1.00", account="9")
    (tmp_path / "9.xml").write_bytes(unknown.xml())
    done = office.ask("propose", "statement", str(tmp_path / "9.xml"), by="other")
    assert done.returncode == Exit.REFUSED
    assert "not registered" in done.stderr
    assert newest(office) == sequence


def test_a_channel_signs_no_table(office: Office, tmp_path: Path) -> None:
    """A CSV cannot say that it is whole; two people may say it."""
    columns = {
        "account": ACCOUNT,
        "date": "Date",
        "date_format": "%d/%m/%Y",
        "credit": "In",
        "debit": "Out",
        "balance": "Balance",
        "reference": "Ref",
    }
    (tmp_path / "map.json").write_text(json.dumps(columns))
    file = tmp_path / "day.csv"
    file.write_text("Date,Ref,In,Out,Balance\n03/11/2026,CSVS00000001,7.00,,105.00\n")
    words = ("propose", "statement", str(file), "--map", str(tmp_path / "map.json"))
    done = office.ask(*words, by="other")
    assert done.returncode == Exit.REFUSED
    assert "NOT_SIGNED" in done.stdout
    office.agreed(office.proposed(*words))
    account = stands(office, ACCOUNT)
    assert account["statement"]["source"] == "csv"
    assert account["statement"]["closing"] == 10_500


def test_a_bank_that_contradicts_itself_is_shown(
    office: Office, tmp_path: Path
) -> None:
    file = tmp_path / "advice.xml"
    made = Sheet((credit("8.00", "CSVS00000001"),), advice=True, name="A-1")
    file.write_bytes(made.but(first="2026-11-03T00:00:00+05:30").xml())
    done = office.ask("propose", "statement", str(file), by="other")
    assert done.returncode == Exit.REFUSED
    assert "BOOKED_DIFFERS" in done.stdout
    shown = office.ask("bank", "--account", ACCOUNT)
    assert "contradicts" in shown.stdout
    assert "two amounts" in shown.stdout.replace("\n", " ")


def test_a_payout_is_released_and_booked(office: Office) -> None:
    done = office.ask("propose", "ending", "payout", "5", by="alpha")
    assert done.returncode == Exit.USAGE
    assert "must name one" in done.stderr
    words = ("propose", "ending", "payout", "5", "--account", ACCOUNT)
    entry = office.proposed(*words)
    assert "released, to be paid out" in office.ask("proposal", entry).stdout
    office.said("approve", entry, by="beta")
    refused = office.ask("do", entry)
    assert refused.returncode == Exit.REFUSED
    assert "INSUFFICIENT_FUNDS" in refused.stdout


def test_accounts_of_banks_are_named(office: Office) -> None:
    shown = office.ask("accounts", "--kind", "bank_transit")
    assert f"bank/{ACCOUNT} transit" in shown.stdout.replace("\n", "")
    for part in ("", " suspense", " transit"):
        explained = office.ask("explain", f"bank/{ACCOUNT}{part}", "--rows", "all")
        assert explained.returncode == Exit.DONE, explained.stderr
    assert office.ask("explain", "bank/nowhere").returncode == Exit.REFUSED


def test_words_in_bengali(office: Office) -> None:
    shown = office.ask("bank", "--lang", "bn")
    assert "ব্যাঙ্ক হিসাব" in shown.stdout
    assert "top-ups" not in office.ask("top-ups", "--open", "--lang", "bn").stdout
    done = office.ask("top-ups")
    assert done.returncode == Exit.USAGE
    assert "--open" in done.stderr
