"""Goal: what the treasury arranges is arranged from a shell: to whom money is paid out,
when windows close, what accounts begin with, who is low, whose certificate is revoked;
people read it in words, machines as JSON.

Method: each command as a process of its own against a real server with people.
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.authority.development import DevAuthority
from switch.calendar import format_ist
from switch.client import Client
from switch.codes import Role
from switch.console.output import Exit
from switch.credentials import presented_by
from switch.person_keys import read_key
from switch.specs import ParticipantSpec, Specs, specs_to_json
from tests.cli.office import CENTRES, Office, begun

HEAD = "power/0801-01"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with begun(tmp_path_factory.mktemp("office") / "treasury") as found:
        biller = ParticipantSpec(id="power", role=Role.BILLER, heads=("0801-01",))
        file = found.directory / "power.json"
        file.write_text(specs_to_json(Specs((biller,), ())))
        for _ in range(2):
            found.agreed(found.proposed("network", "propose", str(file)))
        found.agreed(found.proposed("propose", "bank-account", "0123456789"))
        yield found


def refused(office: Office, *words: str, by: str = "alpha") -> str:
    """What a command that cannot be says."""
    done = office.ask(*words, by=by)
    assert done.returncode == Exit.USAGE, (words, done.stdout, done.stderr)
    return done.stderr.replace("\n", " ")


def shown(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == Exit.DONE, (done.stdout, done.stderr)
    return done.stdout


# --- openings ------------------------------------------------------------------------


def openings(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(["participant,head,amount", *lines, ""]))
    return file


def test_openings_are_what_was_announced(office: Office, tmp_path: Path) -> None:
    books = openings(
        tmp_path / "books.csv",
        f"{CENTRES[0]},,1000.50",
        'power,0801-01,"1,00,000"',
        "treasury,settlement,2000",
        ",bank/0123456789,103000.50",
    )
    before = office.said("ledger")["sequence"]
    propose = ("propose", "openings", str(books))
    for count, total, why in (
        ("3", "206001", "its count is 4, not 3"),
        ("4", "206001.01", "its total is 206001.00, not 206001.01"),
    ):
        said = refused(office, *propose, "--count", count, "--total", total)
        assert why in said
        assert "nothing was proposed" in said
    for lines, why in (
        ([f"{CENTRES[1]},,7", f"{CENTRES[1]},,8"], "line 3: the account of line 2"),
        ([f"{CENTRES[1]},,7", "nobody,,8"], "line 3: nobody: there is no participant"),
        (["power,0801-01,1.5"], "line 2: not an amount"),
        ([f"{CENTRES[1]},,0"], "line 2: an account with nothing"),
        ([f"{CENTRES[1]},,-5"], "line 2: centre-2: must not be negative"),
        ([f"{CENTRES[1]},7"], "line 2: has not 3 columns"),
        ([",settlement,7", "treasury,settlement,8"], "line 3: treasury settlement"),
        ([",float,7"], "line 2: float: is what the others are opened from"),
        ([], "1 to 8000 lines, not 0"),
    ):
        wrong = openings(tmp_path / "wrong.csv", *lines)
        count = str(len(lines))
        amounts = {"0": "0", "1": "7", "2": "15"}
        total = amounts[count] if "-5" not in str(lines) else "-5"
        if "float" in str(lines):
            total = "7"
        said = refused(
            office,
            *("propose", "openings", str(wrong), "--count", count, f"--total={total}"),
        )
        assert why in said, said
        assert "nothing was proposed" in said
    (tmp_path / "columns.csv").write_text("centre,amount\n")
    said = refused(
        office,
        "propose",
        "openings",
        str(tmp_path / "columns.csv"),
        *("--count", "1", "--total", "1"),
    )
    assert "participant,head,amount" in said
    assert office.said("ledger")["sequence"] == before

    right = (*propose, "--count", "4", "--total", "2,06,001.00")
    entry = office.proposed(*right)
    # The same file again is the same proposal.
    again = office.said(*right, by="alpha")
    assert (str(again["sequence"]), again["repeat"]) == (entry, True)
    whole = office.said("proposal", entry)
    assert {one["what"] for one in whole["lines"]} == {"opening"}
    office.agreed(entry)
    balance = office.said("balance", CENTRES[0])["wallet"]
    assert balance["balance"] == 100_050
    [account] = office.said("bank")["accounts"]
    assert (account["balance"], account.get("before", 0)) == (10_300_050, 0)
    said = refused(office, *right, "--again")
    assert "line 2: centre-1: has moved already" in said


# --- beneficiaries -------------------------------------------------------------------


def wait_until(time_ns: int) -> None:
    """Until the wall clock, which is the server's too, is behind that."""
    while (left_ns := time_ns - time.time_ns()) >= 0:
        time.sleep(left_ns / 1e9 + 0.001)


def test_to_whom_money_is_paid_out(office: Office) -> None:
    assert "propose beneficiary" in shown(office.ask("beneficiaries"))
    propose = ("propose", "beneficiary", HEAD)
    assert "not an IFSC" in refused(office, *propose, "--ifsc", "SBIN1234567")
    assert "not a biller's account" in refused(
        office, "propose", "beneficiary", "power"
    )
    assert "capitals and digits" in refused(office, *propose, "--ifsc", "SBIN0001234")
    entry = office.proposed(
        *propose, "--number", "3344 5566", "--ifsc", "sbin0001234", "--name", "Board"
    )
    approver = shown(office.ask("proposal", entry))
    for text in ("33445566", "SBIN0001234", "power 0801-01"):
        assert text in approver.replace("\n", "")
    office.agreed(entry)
    one = office.said("beneficiaries")
    assert (one["biller"], one["head"], one["number"]) == (
        "power",
        "0801-01",
        "33445566",
    )
    table = shown(office.ask("beneficiaries")).replace("\n", "")
    assert "SBIN0001234" in table
    assert "not yet" in table
    payout = ("propose", "ending", "payout", "5", "--to", HEAD)
    said = refused(office, *payout)
    assert f"may be used from {format_ist(one['usable_from_ns'])}" in said
    bengali = shown(office.ask("beneficiaries", "--lang", "bn"))
    assert "যখন থেকে" in bengali

    office.agreed(
        office.proposed("propose", "thresholds", *("1,00,00,000",) * 3, "--wait", "1s")
    )
    assert office.said("people")["wait_s"] == 1
    assert "1s" in shown(office.ask("people"))
    assert "not a span of time" in office.ask(
        *("propose", "thresholds", "1", "1", "1", "--wait", "1w"), by="alpha"
    ).stderr.replace("\n", " ")
    # From the change of the beneficiary on, and not from that of the span.
    wait_until(office.said("beneficiaries")["usable_from_ns"])
    # What the old books had in settlement is given to whose it is, and settled.
    early = office.proposed(*payout)
    office.said("approve", early, by="beta")
    done = office.ask("do", early)
    assert (done.returncode, "EXCEEDS_SETTLED" in done.stdout) == (Exit.REFUSED, True)
    account = ("power", "0801-01")
    amount = "1,02,000"
    office.agreed(office.proposed("propose", "give", *account, "2000", "old books"))
    with Client(
        office.address, DevAuthority(office.tls).leaf(Role.TREASURY, "treasury")
    ) as treasury:
        alpha = treasury.signer(
            "treasury", 1, read_key(office.directory / "alpha.key", bytes)
        )
        last = treasury.ledger().last_window
        window = treasury.close_window(last, alpha).outcome.sequence
    office.agreed(office.proposed("propose", "settle", str(window), *account, amount))
    office.said("do", early)
    entry = office.proposed(*payout)
    whole = office.said("proposal", entry)
    [line] = whole["lines"]
    assert line["what"] == "payout"
    assert line["facts"]["to"] == "power 0801-01, 33445566 at SBIN0001234"
    assert "33445566" in shown(office.ask("proposal", entry)).replace("\n", "")
    office.agreed(entry)
    # What is proposed now names it; it changes before that is done.
    late = office.proposed(*payout)
    office.agreed(office.proposed(*propose, "--off"))
    office.said("approve", late, by="beta")
    done = office.ask("do", late)
    assert done.returncode == Exit.REFUSED
    assert "BENEFICIARY_WRONG" in done.stdout
    assert office.said("beneficiaries").get("active", False) is False


# --- the schedule --------------------------------------------------------------------


def test_when_windows_close(office: Office, tmp_path: Path) -> None:
    assert "propose schedule" in shown(office.ask("schedule"))
    holidays = tmp_path / "holidays.txt"
    holidays.write_text("# of 2027\n2027-01-26 Republic Day\n\n2027-08-15\n")
    propose = ("propose", "schedule", "--cut-off", "20:00", "--days", "mon-sat")
    for words, why in (
        (("--holidays", "2027-02-30"), "cannot read|not a date|day is out of range"),
        (("--holidays", str(tmp_path / "nothing")), "cannot read"),
        (("--cut-off", "25:00"), "not a time of the day"),
        (("--days", "sat-mon"), "monday to sunday"),
    ):
        done = office.ask(*propose, *words, by="alpha")
        assert done.returncode in (Exit.USAGE, Exit.CONFIG), done.stdout
        assert any(one in done.stderr for one in why.split("|")), done.stderr
    entry = office.proposed(*propose, "--cut-off", "12:30", "--holidays", str(holidays))
    approver = shown(office.ask("proposal", entry)).replace("\n", "")
    assert "12:30 20:00" in approver
    office.agreed(entry)
    said = office.said("schedule", "--limit", "100")
    assert said["schedule"]["minutes"] == [750, 1_200]
    assert said["schedule"]["weekdays"] == [1, 2, 3, 4, 5, 6]
    assert said["schedule"]["holidays"] == ["2027-01-26", "2027-08-15"]
    assert len(said["cutoffs"]) == 100
    table = shown(office.ask("schedule"))
    for text in ("mon-sat", "12:30", "2027-08-15"):
        assert text in table
    assert "বন্ধের সময়" in shown(office.ask("schedule", "--lang", "bn"))
    assert office.ask("windows").returncode == Exit.DONE


# --- what wallets have ---------------------------------------------------------------


def test_who_is_low(office: Office) -> None:
    entry = office.proposed("propose", "limit", CENTRES[2], "--low", "1,000")
    office.agreed(entry)
    found = office.said("accounts", "--low")["wallets"]
    [one] = [one for one in found if one["centre"] == CENTRES[2]]
    assert (one["low_balance"], one["lacking"]) == (100_000, 100_000)
    table = shown(office.ask("accounts", "--low"))
    assert CENTRES[2] in table
    assert "1,000.00" in table
    balance = shown(office.ask("balance", CENTRES[2]))
    assert "Should have" in balance
    assert "Low since" in balance
    assert office.said("accounts", "--owed")["accounts"] == []
    assert office.ask("accounts", "--low", "--owed").returncode == Exit.USAGE


# --- certificates --------------------------------------------------------------------


def test_a_person_revokes_and_another_confirms(office: Office) -> None:
    file = DevAuthority(office.tls).leaf(Role.CENTRE, CENTRES[1]).certificate
    alone = office.ask("revoke", CENTRES[1], str(file), "stolen")
    assert alone.returncode == Exit.REFUSED
    assert "NOT_SIGNED" in alone.stdout
    assert f"payswitch revoke {CENTRES[1]}" in alone.stdout
    half = office.ask("revoke", CENTRES[1], str(file), "stolen", "--person", "1")
    assert half.returncode == Exit.USAGE
    done = shown(office.ask("revoke", CENTRES[1], str(file), "stolen", by="alpha"))
    hint = "payswitch confirm-revocation 1 --as treasury/YOUR-ID --person YOUR-NUMBER"
    assert hint in done
    # Where the switch is stands there once.
    assert done.count("--address") == done.count("--tls") == 1
    again = office.ask("revoke", CENTRES[1], str(file), "stolen", by="beta")
    assert again.returncode == Exit.USAGE
    assert "number 1" in again.stderr
    same = office.ask("confirm-revocation", "1", by="alpha")
    assert same.returncode == Exit.REFUSED
    assert "SAME_PERSON" in same.stdout
    confirmed = shown(office.ask("confirm-revocation", "1", by="beta"))
    # The row that is signed has the number alone.
    assert CENTRES[1] in confirmed
    assert "stolen" in confirmed
    [one] = office.said("revocations")["revocations"]
    assert (one["participant"], one["reason"]) == (CENTRES[1], "stolen")
    assert (one["revoker"]["operator"], one["confirmer"]["operator"]) == (1, 1)
    table = shown(office.ask("revocations")).replace("\n", "")
    assert "treasury/1" in table
    assert f"{presented_by(file).serial:x}" in table
    # Nobody has to stand by it as by a stop.
    assert "treasury/1" not in office.ask("stops").stdout
