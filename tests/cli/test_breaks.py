"""Goal: a break goes its whole way by commands: found, decided, proposed, approved, and
closed by the entries of the next scroll; each line for itself, and nobody alone.

Method: a real server; its own scrolls are matched with a list that is wrong, what is
decided is uploaded as a spreadsheet would leave it, and the day after is matched.
"""

import csv
import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from switch.authority.development import DevAuthority
from switch.calendar import ist_date
from switch.canonical_csv import csv_line
from switch.cli import main
from switch.client import Client
from switch.codes import Role
from switch.console.matching_words import MATCHING_WORDS
from switch.console.output import Exit
from switch.ids import format_id, new_id
from switch.matching.breaks import Break, Type, number_of, write_breaks
from switch.matching.decisions import OUTCOME_COLUMNS, proposal_id
from switch.specs import TREASURY, ParticipantSpec, Specs, specs_to_json
from switch.v1 import payments_pb2
from tests.cli.office import CENTRES, balance, begun
from tests.client.live import (
    CENTRE,
    CHECKER,
    FREE,
    HEAD,
    LAPSES,
    SPECS,
    WAITS,
    Live,
    running,
)
from tests.server.harness import Peer, until
from tests.server.scripted_biller import ScriptedBiller, silent

SECOND = ("--as", f"treasury/{CHECKER}")
MAP = {
    "by": "number",
    "key": "Number",
    "date": "Date",
    "date_format": "%Y-%m-%d",
    "amount": "Amount",
}
DAY_MAP = MAP | {"by": "id", "key": "Id", "number": "Number"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("breaks") / "data") as live:
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


@pytest.fixture(scope="module")
def office(live: Live) -> Iterator[Client]:
    with live.client(Role.TREASURY, TREASURY) as client:
        yield client


def done(live: Live, *words: str, code: Exit = Exit.DONE) -> str:
    ended = live.command(*words)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout


def matched(
    capsys: pytest.CaptureFixture[str], *words: str, code: Exit = Exit.DONE
) -> str:
    """What `match` says; it asks no switch."""
    assert main(words) == code
    return capsys.readouterr().out


def pay(live: Live, service: str, amount: int) -> tuple[int, bytes]:
    bill = payments_pb2.Payment(
        id=new_id(),
        service=service,
        amount=amount,
        reference=f"ref {amount}",
        operator=1,
    )
    with live.client(Role.CENTRE, CENTRE) as centre:
        return centre.pay(bill).sequence, bill.id


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def last(text: str) -> Any:
    return json.loads(text.splitlines()[-1])


def close_window(office: Client, before: int) -> int:
    return office.close_window(before).outcome.sequence


def test_the_way_of_breaks(
    live: Live,
    office: Client,
    power: ScriptedBiller,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    right, missing, less = (pay(live, FREE, one)[0] for one in (1_000, 2_000, 3_000))
    kept, _ = pay(live, WAITS, 4_000)
    lapsed, _ = pay(live, LAPSES, 5_000)
    until(lambda: len(list(office.exceptions())) == 2)
    undecided = tmp_path / "undecided.json"
    undecided.write_text(done(live, "exceptions", "--json", "--biller", "power"))
    window = close_window(office, 0)
    scrolls = tmp_path / "scrolls"
    done(live, "scrolls", "--write", str(scrolls))
    today = str(ist_date(time.time_ns()))
    lines = [(right, "10.00"), (less, "25.00"), (kept, "40.00")]
    text = "Number,Date,Amount\n"
    text += "".join(f"{number},{today},{amount}\n" for number, amount in lines)
    (tmp_path / "list.csv").write_text(text)
    (tmp_path / "map.json").write_text(json.dumps(MAP))
    match = [
        *("match", "--scrolls", str(scrolls), "--biller", "power", "--day", today),
        *("--list", str(tmp_path / "list.csv"), "--map", str(tmp_path / "map.json")),
        *("--out", str(tmp_path), "--undecided", str(undecided), "--json"),
    ]
    code = Exit.FINDINGS
    told = (*match, "--count", "3", "--total", "75")
    report = last(matched(capsys, *told, code=code))
    assert report["breaks"]["types"] == {
        "amount": 1,
        "missing_here": 1,
        "missing_there": 1,
    }
    assert report["evidence"] == {"listed": 1, "not_listed": 1}
    name = f"breaks-power-{today.replace('-', '')}.csv"
    breaks = tmp_path / name
    by_type = {row["type"]: row for row in rows(breaks)}
    assert by_type.pop("matched")["list"] == "list.csv"
    assert by_type["missing_there"]["payment"] == str(missing)
    assert by_type["amount"]["payment"] == str(less)
    entries = {one.payment.sequence: one.sequence for one in office.exceptions()}
    assert int(by_type["missing_here"]["undecided"]) == entries[kept]
    # Decided: as a spreadsheet leaves it, one line spoilt.
    decide = tmp_path / "decide.csv"
    done(live, "breaks", "download", str(breaks), str(decide))
    assert live.command("breaks", "download", str(breaks), str(decide)).returncode == 2
    wanted = {"missing_there": "refund", "amount": "refund", "missing_here": "post"}
    header = "number;decision;about;amount;reason"
    spoilt = [
        f"{one['number']};{wanted[one['type']]};;;letter 9" for one in by_type.values()
    ]
    spoilt.append("B20261127-AAAAAAAAAAAAAAAA;refund;;;")
    spoilt.append('"B2026;;;')
    decide.write_text("\ufeff" + "\r\n".join([header, *spoilt]), encoding="utf-8")
    upload = ("breaks", "upload", str(decide), "--of", str(breaks))
    plan = done(live, *upload, "--dry-run", "--json", code=Exit.REFUSED)
    assert last(plan)["outcomes"] == {"would_propose": 3, "wrong": 2}
    assert sum(len(page.proposals) for page in office.proposal_pages()) == 0
    proposed = done(live, *upload, "--json", code=Exit.REFUSED)
    assert last(proposed)["outcomes"] == {"proposed": 3, "wrong": 2}
    # The same file once more proposes nothing more.
    again = done(live, *upload, "--json", code=Exit.REFUSED)
    assert last(again)["outcomes"] == {"proposed": 3, "wrong": 2}
    assert sum(len(page.proposals) for page in office.proposal_pages()) == 3
    # Decided otherwise for one: that line alone is refused.
    decide.write_text(
        decide.read_text().replace("refund;;;letter", "refund;;1.00;letter")
    )
    other = done(live, *upload, "--json", code=Exit.REFUSED)
    assert last(other)["outcomes"] == {"proposed": 1, "refused": 2, "wrong": 2}
    outcomes = tmp_path / "decide.outcomes.csv"
    decide.write_text(
        decide.read_text().replace("refund;;1.00;letter", "refund;;;letter")
    )
    done(live, *upload, "--json", code=Exit.REFUSED)
    # Nobody approves his own; and whoever looks sees all that he approves.
    unseen = live.command("breaks", "approve", str(outcomes))
    assert (unseen.returncode, "--of FILE" in unseen.stderr) == (Exit.USAGE, True)
    of = ("--of", str(breaks))
    shown = live.command("breaks", "approve", str(outcomes), *of)
    assert shown.returncode == Exit.REFUSED
    assert f"{by_type['missing_there']['receipt']}, ref 2000, ₹20.00" in shown.stdout
    own = done(
        live, "breaks", "approve", str(outcomes), *of, "--json", code=Exit.REFUSED
    )
    assert last(own)["outcomes"] == {"refused": 3}
    approve = ("breaks", "approve", str(outcomes), *of, *SECOND, "--json")
    assert last(done(live, *approve))["outcomes"] == {"approved": 3}
    gone = done(live, *approve, code=Exit.REFUSED)
    assert last(gone)["outcomes"] == {"not_open": 3}
    # What the complete list lacks is evidence about the lapsed one.
    evidence = tmp_path / name.replace("breaks", "evidence")
    (row,) = rows(evidence)
    assert (row["decision"], row["about"]) == ("verify", str(entries[lapsed]))
    done(live, "breaks", "upload", str(evidence))
    waiting = last(done(live, "proposals", "--json"))
    assert waiting["payment"]["reference"] == "ref 5000"
    # Once more, and nothing of it is proposed a second time before that is withdrawn.
    more = done(
        live, *("breaks", "upload", str(evidence)), "--again", "1", code=Exit.REFUSED
    )
    assert "Refused" in more
    evident = str(evidence.with_suffix(".outcomes.csv"))
    [row] = rows(Path(evident))
    assert "was proposed for it and is open" in row["text"]
    [waits] = [one for page in office.proposal_pages() for one in page.proposals]
    done(live, "withdraw", str(waits.proposed.sequence), "again")
    done(live, "breaks", "upload", str(evidence), "--again", "1")
    done(live, "breaks", "approve", evident, *SECOND)
    done(live, *("breaks", "upload", str(evidence)), "--again", "2", code=Exit.REFUSED)
    assert list(office.exceptions()) == []
    # The next scroll has the linked entries, and nothing is open any more.
    close_window(office, window)
    done(live, "scrolls", "--write", str(scrolls))
    ended = last(matched(capsys, *match, "--open", str(breaks)))
    assert ended["breaks"] == {"open": 0, "closed": 3, "types": {}}
    assert "Nothing differs." in done(live, "breaks", "list", str(breaks))
    text = matched(capsys, *match[:-1], "--open", str(breaks), "--lang", "bn")
    assert "গরমিল" in text


def test_a_biller_sends_the_same_list_itself(
    live: Live, office: Client, power: ScriptedBiller, tmp_path: Path
) -> None:
    """The existing way of evidence: listed is confirmed, not listed rejected."""
    listed, listed_id = pay(live, WAITS, 6_000)
    pay(live, LAPSES, 7_000)
    until(lambda: len(list(office.exceptions())) == 2)
    today = str(ist_date(time.time_ns()))
    (tmp_path / "map.json").write_text(json.dumps(DAY_MAP))
    text = f"Id,Number,Date,Amount\n{format_id(listed_id)},{listed},{today},60.00\n"
    (tmp_path / "list.csv").write_text(text)
    send = [
        *("day-list", str(tmp_path / "list.csv"), "--map", str(tmp_path / "map.json")),
        *("--day", today, "--as", "biller/power", "--wait", "20", "--json"),
    ]
    said = live.command(*send)
    reply = json.loads(said.stdout)
    # What was confirmed before on this day is missing in it, which is told.
    assert (reply["confirmed"], reply["rejected"]) == (1, 1), reply
    assert said.returncode in (Exit.DONE, Exit.FINDINGS)
    assert [one.kind for one in office.exceptions() if one.kind in (3, 4)] == []
    # That list is its word of the one, and not of what people have completed.
    words = tmp_path / "words.jsonl"
    to = ("--to", str(office.ledger().sequence))
    told = json.loads(done(live, "acknowledged", "power", str(words), *to, "--json"))
    assert told["words"] == {"biller": 1, "nobody": 3, "people": 1}
    assert json.loads(words.read_text().splitlines()[-1])["word"] == "biller"
    done(live, *send, "--total", "60.01", code=Exit.REFUSED)
    done(live, *send[:-4], "--as", "treasury/treasury", code=Exit.USAGE)


def test_every_type_has_words() -> None:
    assert {f"break {one}" for one in Type} <= MATCHING_WORDS.keys()
    for english, bengali in MATCHING_WORDS.values():
        assert english.isascii()
        assert any("ঀ" <= letter <= "৿" for letter in bengali)


def test_people_sign_what_they_decide(tmp_path: Path) -> None:
    """In a ledger with people each proposal has its maker's signature and another's
    approval; what is approved is what the ledger says, and payments alone.
    """
    with begun(tmp_path / "office") as office:
        specs = Specs(
            (ParticipantSpec(id="power", role=Role.BILLER, heads=(HEAD,)),),
            tuple(one for one in SPECS.services if one.code == FREE),
        )
        network = tmp_path / "power.json"
        network.write_text(specs_to_json(specs))
        for _ in range(6):
            made = office.said("network", "propose", str(network), by="alpha")
            if not made["lines_count"]:
                break
            office.agreed(str(made["sequence"]))
        top_up = ("propose", "top-up", CENTRES[0], "100", "--utr", "UTR-1")
        office.agreed(office.proposed(*top_up))
        bill = payments_pb2.Payment(
            id=new_id(), service=FREE, amount=3_000, reference="x", operator=1
        )
        caller = DevAuthority(office.tls).leaf(Role.CENTRE, CENTRES[0])
        with Client(office.address, caller) as centre:
            paid = centre.pay(bill).sequence
        day = ist_date(time.time_ns())
        missing = Break(
            number=number_of(day, "entry", "power", paid),
            type=Type.MISSING_THERE,
            biller="power",
            day=day,
            since=day,
            by="number",
            key=str(paid),
            entry=paid,
            payment=paid,
            amount_here=3_000,
        )
        (tmp_path / "breaks.csv").write_bytes(write_breaks([missing], day))
        decided = tmp_path / "decided.csv"
        decided.write_text(
            "number,decision,about,amount,reason\n"
            f"{missing.number},refund,,10.00,letter 9\nX999999,verify,,,list\n"
        )
        upload = (
            "breaks",
            "upload",
            str(decided),
            "--of",
            str(tmp_path / "breaks.csv"),
        )
        # Somebody else has seen it, too, and asks for it by hand.
        by_hand = office.proposed("propose", "refund", str(paid), "1", "by hand")
        sent = office.ask(*upload, "--json", by="alpha")
        assert f"entry {by_hand} asks for" in sent.stdout
        assert last(sent.stdout)["outcomes"] == {"refused": 2}
        office.said("withdraw", by_hand, "twice", by="alpha")
        unseen = office.ask(*upload, by="alpha", unseen=True)
        assert unseen.returncode == Exit.USAGE
        assert "nobody to ask" in unseen.stderr
        sent = office.ask(*upload, "--json", by="alpha")
        assert sent.returncode == Exit.REFUSED, sent.stderr
        assert last(sent.stdout)["outcomes"] == {"proposed": 1, "refused": 1}
        again = last(office.ask(*upload, "--json", by="alpha").stdout)
        assert again["outcomes"] == {"proposed": 1, "refused": 1}
        # Somebody adds a proposal of another kind to the file: no file approves that.
        other = office.proposed("propose", "top-up", CENTRES[0], "99", "--utr", "U-2")
        outcomes = tmp_path / "decided.outcomes.csv"
        first = rows(outcomes)[0]
        with outcomes.open("a", encoding="utf-8") as file:
            file.write(csv_line((first | {"entry": other}).values()))
        of = ("--of", str(tmp_path / "breaks.csv"))
        approve = ("breaks", "approve", str(outcomes), *of, "--json")
        own = office.ask(*approve, by="alpha")
        assert last(own.stdout)["outcomes"] == {"not_open": 1, "refused": 1}
        by_hand = office.proposed("propose", "refund", str(paid), "1", "by hand")
        twice = office.ask(*approve, by="beta")
        assert last(twice.stdout)["outcomes"] == {"refused": 1, "not_open": 1}
        assert f"entry {by_hand} asks for a refund" in twice.stdout
        office.said("withdraw", by_hand, "twice", by="alpha")
        done_by = office.ask(*approve, by="beta")
        assert last(done_by.stdout)["outcomes"] == {"approved": 1, "not_open": 1}
        assert balance(office) == 10_000 - 3_000 + 1_000
        # It is given back: of the same match nothing is any more, as often as one asks.
        for words in ((), ("--again", "1")):
            more = office.ask(*upload, *words, "--json", by="alpha")
            assert "of it back since this match" in more.stdout
            assert last(more.stdout)["outcomes"] == {"refused": 2}
        # Of two that were proposed before, the second is not approved after the first.
        first_of, other_of, second_of = (
            office.proposed(
                *("propose", "refund", str(paid), "2", number, "--id"),
                format_id(proposal_id(number, 7)),
            )
            for number in ("one", "other", missing.number)
        )
        # No file of outcomes gives a proposal out for another than it was made for.
        outcomes.write_text(
            csv_line(OUTCOME_COLUMNS) + csv_line((first | {"entry": other_of}).values())
        )
        wrong = office.ask(*approve, by="beta")
        assert f"{other_of} was not proposed for {missing.number}" in wrong.stdout
        office.said("withdraw", other_of, "wrong", by="alpha")
        outcomes.write_text(
            csv_line(OUTCOME_COLUMNS)
            + csv_line((first | {"entry": second_of}).values())
        )
        office.agreed(first_of)
        since = office.ask(*approve, by="beta")
        assert last(since.stdout)["outcomes"] == {"refused": 1}
        assert "has given of it back since" in since.stdout
        assert balance(office) == 10_000 - 3_000 + 1_200
