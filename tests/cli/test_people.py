"""Goal: a treasury of people begins a ledger, proposes, approves, does and stops from a
shell, each person with a key in a file; what is not as announced is not proposed.

Method: each command as a process of its own, from an empty directory on, against a real
server that is no development server.
"""

import hashlib
import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.calendar import format_ist
from switch.codes import Role
from switch.console.output import Exit
from switch.person_keys import make_key, read_key
from switch.specs import ParticipantSpec, Specs, specs_to_json
from tests.cli.office import CENTRES, Office, balance, begun
from tests.server.harness import ServerProcess


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with begun(tmp_path_factory.mktemp("office") / "people") as found:
        yield found


def test_a_key_signs_nothing_that_nobody_has_seen(office: Office) -> None:
    top_up = ("propose", "top-up", CENTRES[0], "1", "--utr", "UTR-UNSEEN")
    waiting = office.proposed(*top_up[:3], "2", "--utr", "UTR-WAITS")
    before = office.said("ledger")["sequence"]
    for words, by in ((top_up, "alpha"), (("approve", waiting), "beta")):
        for more in ((), ("--json",)):
            refused = office.ask(*words, *more, by=by, unseen=True)
            assert refused.returncode == Exit.USAGE
            assert "--yes" in refused.stderr
    assert office.said("ledger")["sequence"] == before


def test_two_people_top_up_a_wallet(office: Office) -> None:
    before = balance(office)
    top_up = ("propose", "top-up", CENTRES[0], "1,234.50", "--utr", "UTR-1")
    shown = office.ask(*top_up, by="alpha")
    assert shown.returncode == Exit.DONE, shown.stderr
    assert "1,234.50" in shown.stdout
    assert "treasury float" in shown.stdout
    [entry] = [
        line.split()[2]
        for line in shown.stdout.splitlines()
        if line.strip().startswith("payswitch approve")
    ]
    alone = office.ask("approve", entry, by="alpha")
    assert alone.returncode == Exit.REFUSED
    assert "SAME_PERSON" in alone.stdout
    early = office.ask("do", entry)
    assert early.returncode == Exit.REFUSED
    assert "NOT_APPROVED" in early.stdout
    approved = office.ask("approve", entry, by="beta")
    assert approved.returncode == Exit.DONE, approved.stderr
    assert f"payswitch do {entry}" in approved.stdout
    # Both have seen the same hash.
    digest = office.said("proposal", entry)["hash"]
    assert digest in approved.stdout.replace("\n", "").replace(" ", "")
    assert office.ask("do", entry).returncode == Exit.DONE
    assert balance(office) == before + 123_450
    again = office.said("do", entry)
    assert (again["lines_done"], again["done_now"]) == (1, 0)
    whole = office.said("proposal", entry)
    assert whole["proposal"]["state"] == "done"
    [line] = whole["lines"]
    assert (line["what"], line["amount"], line["credit"], line["reference"]) == (
        "top up",
        123_450,
        CENTRES[0],
        "UTR-1",
    )
    listed = office.ask("proposals", "--all").stdout
    assert "checker/1" in listed
    assert "1 / 1" in listed


def test_a_certificate_alone_is_told_what_to_do(office: Office) -> None:
    """Whoever has the treasury's certificate, and no key."""
    for words, result in (
        (("top-up", CENTRES[0], "10", "--utr", "UTR-2"), "NOT_APPROVED"),
        (("fund-suspense", "10", "aside"), "NOT_APPROVED"),
        (("set-budget", CENTRES[0], "calls", "7"), "NOT_APPROVED"),
        (("withdraw", "6", "not mine"), "NOT_SIGNED"),
    ):
        done = office.ask(*words)
        assert done.returncode == Exit.REFUSED, (words, done.stdout, done.stderr)
        assert result in done.stdout
        assert "payswitch propose" in done.stdout
    # The rules' row, and one of the register, are neither proposal nor stop.
    for entry in ("1", "2"):
        done = office.ask("do", entry)
        assert done.returncode == Exit.REFUSED
        assert "`payswitch proposals`" in done.stderr
    done = office.ask("network", "load", str(office.directory / "other.json"))
    assert done.returncode == Exit.CONFIG
    other = Specs((ParticipantSpec(id="new", role=Role.CENTRE),), ())
    (office.directory / "other.json").write_text(specs_to_json(other))
    done = office.ask("network", "load", str(office.directory / "other.json"))
    assert done.returncode == Exit.USAGE
    hint = "payswitch network propose FILE --person NUMBER --key KEY-FILE"
    assert hint in done.stderr


def test_another_key_is_not_the_persons(office: Office, tmp_path: Path) -> None:
    make_key(tmp_path / "thief.key")
    where = ("--address", office.address, "--tls", str(office.tls))
    done = office.run(
        *("propose", "top-up", CENTRES[0], "10", "--utr", "UTR-3", *where),
        *("--person", "1", "--key", str(tmp_path / "thief.key"), "--yes"),
    )
    assert done.returncode == Exit.USAGE
    assert "not the key of person 1" in done.stderr


def test_a_batch_is_what_was_announced(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_text(
        "what,centre,amount,utr,reason\n"
        f"top-up,{CENTRES[0]},100.00,UTR-10,\n"
        f'top-up,{CENTRES[1]},"2,500.50",UTR-11,\n'
        "fund-suspense,,5,,advances\n"
    )
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    control = {"--count": "3", "--total": "2605.50", "--hash": digest}

    def batch(**changes: str) -> "subprocess.CompletedProcess[str]":
        said = {**control, **{f"--{name}": value for name, value in changes.items()}}
        words = [word for pair in said.items() for word in pair]
        return office.ask("batch", str(file), *words, "--json", by="alpha")

    for name, value in (("count", "2"), ("total", "2605.51"), ("hash", "0" * 64)):
        done = batch(**{name: value})
        assert done.returncode == Exit.USAGE, done.stdout
        assert "is not what was announced" in done.stderr
    done = batch()
    assert done.returncode == Exit.DONE, done.stderr
    made = json.loads(done.stdout)
    assert (made["lines_count"], made["amount"]) == (3, 260_550)
    before = balance(office, CENTRES[1])
    office.agreed(str(made["sequence"]))
    assert balance(office, CENTRES[1]) == before + 250_050


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("what,centre\nrefund,centre-1\n", "'refund' is none of"),
        ("what,place\n", "the columns of a batch"),
        ("what,centre,amount,utr\ntop-up,centre-1,1.5,U\n", "line 2: amount"),
        ("what,centre,amount,utr\ntop-up,centre-1,1,\n", "utr is empty"),
        ("what,centre,amount\ntop-up,centre-1,1\n", "needs utr"),
        ("what,centre,amount,utr,reason\ntop-up,c,1,U,r\n", "takes no reason"),
        ("what,centre,amount,utr\n", "1 to 8000 lines"),
    ],
)
def test_what_is_no_batch_is_said(
    office: Office, tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(text)
    words = ("--count", "1", "--total", "1", "--hash", "0" * 64)
    done = office.ask("batch", str(file), *words, by="alpha")
    assert done.returncode == Exit.USAGE
    assert why in done.stderr


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A ledger that was begun with three people."""
    with begun(tmp_path_factory.mktemp("trio") / "people", three=True) as found:
        yield found


def test_two_people_let_a_third_approve_only_later(office: Office) -> None:
    """It is shown that it waits, and since whoever may propose takes it back."""
    assert office.said("people")["approvers_count"] == 2
    assert "7 days" in office.ask("people").stdout
    key = json.loads((office.directory / "keys.json").read_text())["gamma"]
    who = ("propose", "person", "checker", "2", "checker", "--public", key)
    entry = office.proposed(*who)
    approved = office.ask("approve", entry, by="beta")
    assert approved.returncode == Exit.DONE
    stands = office.said("proposal", entry)["proposal"]
    assert stands["widens"]
    waits_ns = int(stands["waits_until_ns"])
    assert waits_ns - int(stands["answer"]["time_ns"]) == 7 * 86_400 * 10**9
    until = format_ist(waits_ns)
    for words in (("proposal", entry), ("proposals",)):
        assert until in office.ask(*words).stdout
    assert until in approved.stdout
    early = office.ask("do", entry)
    assert early.returncode == Exit.REFUSED
    assert "APPROVER_WAITS" in early.stdout
    assert office.said("people")["approvers_count"] == 2
    office.said("withdraw", entry, "not wanted", by="alpha")
    gone = office.ask("do", entry)
    assert gone.returncode == Exit.REFUSED
    assert "NOT_APPROVED" in gone.stdout
    assert until not in office.ask("proposals").stdout


def test_a_third_person_is_needed_and_loses_a_key(trio: Office) -> None:
    """As the treasury does it: say what needs her, and register her other key."""
    office = trio
    key = json.loads((office.directory / "keys.json").read_text())["gamma"]
    limits = ("propose", "thresholds", "1000", "5000", "1,00,00,000")
    office.agreed(office.proposed(*limits))
    people = office.said("people")
    above = {"single": 100_000, "batch": 500_000, "day": 10**9}
    # Of the wait nobody has said anything: a day.
    waits = {"wait_s": 0, "approver_wait_days": 0}
    assert people["thresholds"] == {**above, **waits}
    assert people["wait_s"] == 86_400
    assert [one["key"] for one in people["people"]][2] == key
    top_up = ("propose", "top-up", CENTRES[2], "1000.01", "--utr", "UTR-20")
    entry = office.proposed(*top_up)
    first = office.ask("approve", entry, by="beta")
    assert first.returncode == Exit.DONE
    assert "third person" in first.stdout
    assert office.ask("do", entry).returncode == Exit.REFUSED
    assert office.said("approve", entry, by="gamma")["third_waits"] is False
    assert office.said("do", entry)["lines_done"] == 1
    shown = office.ask("proposal", entry).stdout
    assert "checker/1, checker/2" in shown
    assert "needed" in shown
    # She loses her key: the others stop her, and register another for her.
    done = office.ask("stop", "person", "checker", "2", by="alpha")
    assert done.returncode == Exit.DONE, done.stdout
    assert "stand by it" in done.stdout
    office.run("person-key", str(office.directory / "new.key"))
    public = read_key(office.directory / "new.key", bytes).public.hex()
    stopped = office.ask(
        *("propose", "top-up", CENTRES[2], "1", "--utr", "UTR-21"), by="gamma"
    )
    assert stopped.returncode == Exit.REFUSED
    assert "NOT_SIGNED" in stopped.stdout
    who = ("propose", "person", "checker", "2", "checker", "--public", public)
    entry = office.proposed(*who)
    office.said("approve", entry, by="beta")
    assert "APPROVER_WAITS" in office.ask("do", entry).stdout


def test_a_stop_holds_at_once(office: Office) -> None:
    done = office.ask("stop", "wallet", CENTRES[1], "strange payments", by="beta")
    assert done.returncode == Exit.DONE, done.stdout
    [entry] = [
        line.split()[2]
        for line in done.stdout.splitlines()
        if line.strip().startswith("payswitch approve")
    ]
    wallet = office.said("balance", CENTRES[1])["wallet"]
    assert wallet["state"] == "frozen"
    listed = office.ask("stops").stdout
    assert CENTRES[1] in listed
    assert "strange payments" in listed
    assert office.ask("approve", entry, by="beta").returncode == Exit.REFUSED
    assert office.ask("approve", entry, by="alpha").returncode == Exit.DONE
    office.agreed(office.proposed("propose", "unfreeze", CENTRES[1], "looked into"))
    assert office.said("balance", CENTRES[1])["wallet"]["state"] == "open"


def test_a_proposal_is_withdrawn(office: Office) -> None:
    entry = office.proposed(
        "propose", "top-up", CENTRES[0], "10", "--utr", "UTR-30", by="beta"
    )
    own = office.ask("approve", entry, by="beta")
    assert own.returncode == Exit.REFUSED
    assert "SAME_PERSON" in own.stdout
    withdrawn = office.ask("withdraw", entry, "a slip", by="alpha")
    assert withdrawn.returncode == Exit.DONE
    assert "withdrawn" in withdrawn.stdout
    assert "Done" not in withdrawn.stdout
    refused = office.ask("approve", entry, by="alpha")
    assert refused.returncode == Exit.REFUSED
    assert "PROPOSAL_WITHDRAWN" in refused.stdout


def test_what_two_people_want_about_a_payment_is_signed_too(office: Office) -> None:
    """A proposal about an entry that was never held: it is asked for by its person."""
    done = office.ask("propose", "void", "1", "no such hold", by="alpha")
    assert done.returncode == Exit.REFUSED
    assert "was never held" in done.stderr


def test_keys_are_their_persons_alone(tmp_path: Path) -> None:
    office = Office(tmp_path / "keys")
    file = tmp_path / "a.key"
    done = office.run("person-key", str(file))
    assert done.returncode == Exit.DONE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = file.read_bytes()
    again = office.run("person-key", str(file))
    assert again.returncode == Exit.CONFIG
    assert "is kept" in again.stderr
    assert file.read_bytes() == kept
    assert read_key(file, bytes).public.hex() in done.stdout.replace("\n", "")
    file.chmod(0o640)
    with pytest.raises(Exception, match="open to others"):
        read_key(file, bytes)


def test_a_key_has_a_passphrase_if_one_is_wanted(tmp_path: Path) -> None:
    office = Office(tmp_path / "keys")
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_text("correct horse\n")
    wrong.write_text("battery staple\n")
    file = tmp_path / "a.key"
    done = office.run("person-key", str(file), "--passphrase-file", str(secret))
    assert done.returncode == Exit.DONE, done.stderr
    assert b"ENCRYPTED" in file.read_bytes()
    assert read_key(file, lambda: b"correct horse").public.hex() in done.stdout
    with pytest.raises(Exception, match="not the passphrase"):
        read_key(file, lambda: b"battery staple")


TWO = ("--two-people",)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "name three people"),
        (("--two-people", "--person", "treasury/1:" + "11" * 32), "name two people"),
        (
            (
                *("--two-people", "--person", "x/1:" + "11" * 32),
                *("--person", "x/2:" + "12" * 32),
            ),
            "--treasury",
        ),
        (
            (*TWO, "--person", "treasury/1:11", "--person", "treasury/2:22"),
            "public key",
        ),
        (
            (
                *TWO,
                "--person",
                "treasury/1:" + "11" * 32,
                "--person",
                "treasury/2:" + "11" * 32,
            ),
            "a key of their own",
        ),
        (
            (*TWO, "--person", "treasury:11", "--person", "treasury/2:22"),
            "PARTICIPANT/NUMBER",
        ),
    ],
)
def test_a_ledger_begins_with_people(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    office = Office(tmp_path / "begin")
    done = office.run("init", "--data", str(tmp_path / "ledger"), *words)
    assert done.returncode == Exit.USAGE
    assert why in done.stderr


def test_what_two_people_cost_is_said(tmp_path: Path) -> None:
    office = Office(tmp_path / "begin")
    words = ["init", "--data", str(tmp_path / "ledger")]
    for number in (1, 2):
        words += ["--person", f"treasury/{number}:{number}{number}" + "11" * 31]
    done = office.run(*words, "--two-people")
    assert done.returncode == Exit.DONE, done.stderr
    assert "a week" in done.stderr
    assert "nobody can approve" in done.stderr


def test_a_ledger_without_people_is_served_only_if_that_is_meant(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path / "served")
    words = ["--data", str(tmp_path / "ledger"), "--tls", str(office.tls)]
    words += ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
    done = office.run("serve", *words)
    assert done.returncode == Exit.CONFIG
    assert "--without-people" in done.stderr
    assert "payswitch init" in done.stderr
    server = ServerProcess(
        tmp_path, "--without-people", "--tls", str(office.tls), dev=False
    )
    server.wait_ready()
    assert server.stop() == 0


def test_the_words_are_there_in_bengali(office: Office) -> None:
    shown = office.ask("people", "--lang", "bn").stdout
    assert "ভূমিকা" in shown
    entry = office.proposed("propose", "top-up", CENTRES[0], "10", "--utr", "UTR-40")
    shown = office.ask("proposal", entry, "--lang", "bn").stdout
    assert "টপ-আপ" in shown
    assert "₹10.00" in shown
