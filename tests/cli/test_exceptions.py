"""Goal: the command line lists what people must see to, and two people put it right.

Method: commands as processes against a real server whose biller is asked and says
nothing, with services that wait for it for a second.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from switch.cli import main
from switch.cli.exceptions import KINDS, OWNERS, PROPOSALS
from switch.client import Client
from switch.codes import Result, Role
from switch.console.exception_words import EXCEPTION_WORDS
from switch.console.output import Exit
from switch.console.result_words import RESULTS
from switch.ids import new_id
from switch.specs import TREASURY
from switch.v1 import payments_pb2
from tests.cli.test_cli import answer
from tests.client.live import CENTRE, CHECKER, FREE, LAPSES, WAITS, Live, running
from tests.server.harness import Peer, until
from tests.server.scripted_biller import ScriptedBiller, confirm, silent

SECOND = ("--as", f"treasury/{CHECKER}")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("exceptions") / "data") as live:
        for words in (
            ("network", "load", str(live.network)),
            ("top-up", CENTRE, "1,000", "--utr", "UTR-1"),
        ):
            done(live, *words)
        yield live


@pytest.fixture(scope="module")
def power(live: Live) -> Iterator[ScriptedBiller]:
    peer = Peer(live.server.address, live.authority.leaf(Role.BILLER, "power"))
    with closing(peer), ScriptedBiller(peer, silent) as biller:
        yield biller


def done(live: Live, *words: str) -> str:
    """What a command says that must be done."""
    ended = live.command(*words)
    assert ended.returncode == Exit.DONE, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def office(live: Live) -> Iterator[Client]:
    """What is not a command's to say."""
    with live.client(Role.TREASURY, TREASURY) as client:
        yield client


def kinds(office: Client) -> list[int]:
    return [one.kind for one in office.exceptions()]


def held(live: Live, office: Client, service: str, reference: str) -> int:
    """The entry of a payment that its deadline has left in question."""
    bill = payments_pb2.Payment(
        id=new_id(), service=service, amount=750, reference=reference, operator=1
    )
    with live.client(Role.CENTRE, CENTRE) as centre:
        entry = centre.pay(bill).sequence
    until(lambda: entry in [one.payment.sequence for one in office.exceptions()])
    return entry


def entry_of(live: Live, *words: str) -> str:
    """The entry that a command has made."""
    return str(answer(live.command(*words, "--json"))["sequence"])


def deed(live: Live, proposal: str) -> dict[str, Any]:
    """The one thing that is done once a second person has approved it."""
    reply = json.loads(done(live, "approve", proposal, *SECOND, "--json"))
    [one] = reply["done"]
    found: dict[str, Any] = one
    return found


def test_every_kind_has_words() -> None:
    wanted = {
        *(f"kind {name}" for name in KINDS),
        *(f"turn {name}" for name in OWNERS),
        *(f"propose {name}".replace("close", "close_case") for name in PROPOSALS),
    }
    assert wanted <= set(EXCEPTION_WORDS)
    for english, bengali in EXCEPTION_WORDS.values():
        assert english.isascii()
        assert any("ঀ" <= letter <= "৿" for letter in bengali)


def test_a_refund_is_asked_for_by_one_and_approved_by_another(
    live: Live, office: Client
) -> None:
    paid = entry_of(live, "pay", CENTRE, FREE, "20", "refund")
    proposal = entry_of(live, "propose", "refund", paid, "5.50", "credited twice")
    listed = done(live, "exceptions")
    assert "proposal: refund" in listed
    assert "₹5.50" in listed
    assert "প্রস্তাব: ফেরত" in done(live, "exceptions", "--lang", "bn")
    own = live.command("approve", proposal)
    assert own.returncode == Exit.REFUSED
    assert "SAME_PERSON" in own.stdout
    assert deed(live, proposal)["result"] == "ok"
    assert kinds(office) == []
    assert "Nothing is open." in done(live, "exceptions")
    # What is left, as nothing else is said.
    second = entry_of(live, "propose", "refund", paid, "the rest of it")
    [one] = office.exceptions()
    assert one.amount == 1_450
    assert "withdrawn" in done(live, "withdraw", second, "not the rest")
    late = live.command("approve", second, *SECOND, "--lang", "bn")
    assert late.returncode == Exit.REFUSED
    assert RESULTS[Result.PROPOSAL_WITHDRAWN][1] in late.stdout
    none = live.command("propose", "close", paid, "no case of mine")
    assert none.returncode == Exit.REFUSED
    assert "CASE_NOT_FOUND" in none.stdout


def test_what_is_kept_is_listed_lent_on_and_given_back(
    live: Live, office: Client, power: ScriptedBiller, tmp_path: Path
) -> None:
    entry = held(live, office, WAITS, "kept")
    # It is in no scroll and was not given back: the close of a day says so.
    words = ("--files", str(tmp_path), "--day", "2026-01-01", "--json")
    closed = live.command("close-day", *words)
    [waits] = json.loads(closed.stdout.splitlines()[-1])["waits"]
    assert waits.startswith("payments that are kept: 1, ₹7.50, the oldest since 20")
    first, last = [
        json.loads(line)
        for line in done(
            live, "exceptions", "--json", "--kind", "kept", "--owner", "biller"
        ).splitlines()
    ]
    assert (first["kind"], first["amount"], first["overdue"]) == ("kept", 750, False)
    assert first["payment"]["sequence"] == entry
    [total] = last["totals"]
    assert (total["kind"], total["count"], total["amount"]) == ("kept", 1, 750)
    table = done(live, "exceptions", "--biller", "power", "--centre", CENTRE)
    for text in ("kept", CENTRE, "power", "₹7.50", str(first["sequence"])):
        assert text in table
    assert CENTRE not in done(live, "exceptions", "--overdue")
    done(live, "fund-suspense", "100", "order 7")
    asked = entry_of(live, "propose", "advance", str(entry), "order 8")
    lent = deed(live, asked)["sequence"]
    void = entry_of(live, "propose", "void", str(first["sequence"]), "letter 12")
    history = done(live, "exceptions", "--history")
    for text in ("deadline_passed", "propose advance", "treasury", "order 8"):
        assert text in history
    waits = done(live, "proposals", "--open")
    for text in (void, "give back", "letter 12", "treasury", "waits"):
        assert text in waits
    # A time has figures, too, so that a number is looked for where it is one.
    lines = done(live, "proposals", "--open", "--json").splitlines()
    assert [json.loads(one)["proposed"]["sequence"] for one in lines] == [int(void)]
    both = [
        json.loads(line)
        for line in done(live, "proposals", "--all", "--json").splitlines()
    ]
    states = {one["proposed"]["sequence"]: one["state"] for one in both}
    assert states[int(asked)] == "done"
    assert states[int(void)] == "open"
    text = done(live, "proposals", "--all")
    for part in (CHECKER, "order 8", str(lent)):
        assert part in text
    assert f"treasury + {CHECKER}" in done(live, "statement", CENTRE, "--limit", "1")
    assert "Done" in done(live, "approve", void, *SECOND)
    [left] = office.exceptions()
    assert (left.kind, left.sequence) == (KINDS["advance"], lent)
    done(live, "recover", str(lent), "given back")
    twice = live.command("recover", str(lent), "given back")
    assert twice.returncode == Exit.REFUSED
    assert "CASE_CLOSED" in twice.stdout
    assert kinds(office) == []


def test_what_was_given_back_is_verified_or_paid_after_all(
    live: Live, office: Client, power: ScriptedBiller
) -> None:
    first = held(live, office, LAPSES, "lapsed")
    verify = entry_of(live, "propose", "verify", str(first), "statement 11/2026")
    done(live, "approve", verify, *SECOND)
    assert kinds(office) == []
    second = held(live, office, LAPSES, "late")
    late = confirm(next(one for one in power.questions if one.number == second))
    late.amount = 750
    power.send(late)
    until(lambda: kinds(office) == [KINDS["late_confirmation"]])
    [one] = office.exceptions()
    assert one.reported_amount == 750
    correction = entry_of(
        live, "propose", "correction", str(one.sequence), "statement 11/2026"
    )
    done(live, "approve", correction, *SECOND)
    assert kinds(office) == []
    # It is done, and said to be done, whoever approves it once more.
    again = done(live, "approve", correction, *SECOND)
    assert "This answer was given before" in again


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("propose", "refund", "1", "250"), "is 250 the amount or the reason?"),
        (("propose", "refund", "1", "a" * 33), "1 to 32 plain characters"),
        (("propose", "void", "1", "দলিল"), "1 to 32 plain characters"),
        (("propose", "void", "1", "5", "x"), "unrecognized arguments: x"),
        (("propose", "gift", "1", "x"), "invalid choice"),
        (("exceptions", "--kind", "late"), "invalid choice"),
    ],
)
def test_what_cannot_be_said(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], text: str
) -> None:
    try:
        code = main(words)
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == Exit.USAGE
    assert text in capsys.readouterr().err


def test_billers_have_what_they_have_not_said(
    live: Live, office: Client, power: ScriptedBiller
) -> None:
    entry = held(live, office, WAITS, "said later")
    until(lambda: [one.kept for one in office.billers()] == [1])
    assert "যাচাই" in done(live, "billers", "--lang", "bn")
    wrong = live.command("exceptions", "--biller", CENTRE)
    assert wrong.returncode == Exit.USAGE
    assert "is no biller" in wrong.stderr
    void = entry_of(live, "propose", "void", str(entry), "letter 13/2026")
    done(live, "approve", void, *SECOND)
