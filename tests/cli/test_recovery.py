"""Goal: an auditor's two people recover a treasury from a shell, and see until when; a
ledger is begun with them or it is said what that costs.

Method: each command as a process of its own, against a real server. What waits for
thirty days is done in tests/server/test_recovery.py.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.calendar import format_ist
from switch.console.output import Exit
from tests.cli.office import AUDITOR, CENTRES, Office, begun

DAY_NS = 86_400 * 10**9


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    directory = tmp_path_factory.mktemp("office") / "people"
    with begun(directory, three=True, recoverers=True) as found:
        yield found


def key_of(office: Office, name: str) -> str:
    keys: dict[str, str] = json.loads((office.directory / "keys.json").read_text())
    return keys[name]


def test_two_people_of_an_auditor_recover(office: Office) -> None:
    assert office.said("people")["recoverers_count"] == 2
    who = ("propose", "person", "treasury", "7", "checker")
    entry = office.proposed(*who, "--public", key_of(office, "other"), by="recoverer")
    alone = office.ask("approve", entry, by="recoverer")
    assert "SAME_PERSON" in alone.stdout
    treasury = office.ask("approve", entry, by="beta")
    assert "NOT_SIGNED" in treasury.stdout
    approved = office.ask("approve", entry, by="recoverer-2")
    assert approved.returncode == Exit.DONE, approved.stderr
    stands = office.said("proposal", entry)["proposal"]
    assert stands["recovery"]
    for name, days in (("waits_until_ns", 30), ("do_until_ns", 60)):
        until_ns = int(stands[name])
        assert until_ns - int(stands["answer"]["time_ns"]) == days * DAY_NS
        until = format_ist(until_ns)
        assert until in approved.stdout
        for words in (("proposal", entry), ("proposals",)):
            assert until in office.ask(*words).stdout
    early = office.ask("do", entry)
    assert early.returncode == Exit.REFUSED
    assert "APPROVER_WAITS" in early.stdout
    # The treasury decides something: it is over, and both say by what.
    top_up = ("propose", "top-up", CENTRES[0], "1", "--utr", "UTR-1")
    office.agreed(office.proposed(*top_up))
    stands = office.said("proposal", entry)["proposal"]
    assert stands["state"] == "ended"
    shown = office.ask("proposal", entry).stdout
    assert "ended: the treasury acts" in shown
    assert str(stands["ended_by_sequence"]) in shown
    assert entry not in office.ask("proposals").stdout
    late = office.ask("do", entry)
    assert late.returncode == Exit.REFUSED
    assert "NOT_APPROVED" in late.stdout


def test_a_recoverer_proposes_nothing_else(office: Office) -> None:
    for words in (
        ("propose", "top-up", CENTRES[0], "1", "--utr", "UTR-2"),
        ("propose", "person", "treasury", "1", "checker", "--inactive"),
        ("propose", "person", AUDITOR, "3", "recoverer", "--public", "1" * 64),
        ("stop", "wallet", CENTRES[0], "why"),
    ):
        done = office.ask(*words, by="recoverer")
        assert done.returncode not in (Exit.DONE, Exit.UNKNOWN), (words, done.stdout)
        assert "a recovery makes people of the treasury" in done.stderr, words


PERSON = "treasury/1:{0}", "treasury/2:{1}", "treasury/3:{2}"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--auditor", AUDITOR], "name two recoverers"),
        (["--recoverer", AUDITOR + "/1:{3}"], "name two recoverers"),
        (
            ["--recoverer", AUDITOR + "/1:{3}", "--recoverer", AUDITOR + "/2:{4}"],
            "name two recoverers",
        ),
        (
            [
                *("--auditor", AUDITOR, "--recoverer", AUDITOR + "/1:{3}"),
                *("--recoverer", AUDITOR + "/2:{3}"),
            ],
            "a number and a key of their own",
        ),
        (
            [
                *("--auditor", AUDITOR, "--recoverer", AUDITOR + "/1:{3}"),
                *("--recoverer", AUDITOR + "/1:{4}"),
            ],
            "a number and a key of their own",
        ),
        (
            [
                *("--auditor", AUDITOR, "--recoverer", AUDITOR + "/1:{3}"),
                *("--recoverer", AUDITOR + "/2:{0}"),
            ],
            "a number and a key of their own",
        ),
        (
            [
                *("--auditor", AUDITOR, "--recoverer", AUDITOR + "/1:{3}"),
                *("--recoverer", "treasury/9:{4}"),
            ],
            "name treasury with --auditor",
        ),
        (
            [
                *("--auditor", "treasury", "--recoverer", "treasury/8:{3}"),
                *("--recoverer", "treasury/9:{4}"),
            ],
            "cannot be of the treasury and an auditor",
        ),
        (
            [
                *("--auditor", AUDITOR, "--recoverer", AUDITOR + ":{3}"),
                *("--recoverer", AUDITOR + "/2:{4}"),
            ],
            "write PARTICIPANT/NUMBER:KEY",
        ),
    ],
)
def test_who_recovers_is_named_whole_or_not_at_all(
    office: Office, tmp_path: Path, words: list[str], why: str
) -> None:
    names = ("alpha", "beta", "gamma", "recoverer", "recoverer-2")
    keys = [key_of(office, name) for name in names]
    command = ["init", "--data", str(tmp_path / "ledger")]
    for one in PERSON:
        command += ["--person", one]
    done = office.run(*(one.format(*keys) for one in (*command, *words)))
    assert done.returncode == Exit.USAGE, done.stderr
    assert why in done.stderr
