"""Goal: what people change of a network is just what they were shown, old and new; one
change does not undo another; and an operator of a file signs on by PIN.

Method: a real server on a ledger with people, files and commands in this process, and
two that change one record at a time.
"""

import json
import re
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from switch.cli import people
from switch.cli.register_changes import record_texts
from switch.client.calls import CallError
from switch.client.messages import partial_messages
from switch.client.network_file import PartialNetwork
from switch.codes import Role
from switch.console.output import Exit, Screen
from switch.console.words import Language
from switch.errors import SwitchError
from switch.ids import new_id
from switch.said import say
from switch.signed import read_line
from switch.specs import PartialRecord, specs_to_json
from switch.v1 import people_pb2 as pb
from switch.web.counter import pins
from switch.web.counter.pins import PinStore
from tests.cli.at_council import Shell
from tests.server.council import ALPHA, BETA, CENTRES, FIRST, SECOND, Council, sitting
from tests.whole_network import BILLED, CENTRE, WHOLE

PIN = "482915"


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("network"), *arguments) as found:
        yield found


@pytest.fixture
def shell(council: Council, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(council, capsys)


def signed(council: Council, *words: str, by: tuple[str, int] = ALPHA) -> list[str]:
    """The words of a command that this person signs."""
    key = str(council.key_file(by))
    who = ["--as", f"treasury/{by[0]}", "--person", str(by[1]), "--key", key]
    return [*words, *who, "--yes"]


def proposed(council: Council, shell: Shell, *words: str) -> str:
    """Propose by a command; the entry, or nothing if there is nothing to do."""
    [said] = shell.said(*signed(council, *words))
    return str(said.get("sequence") or "")


def agreed(council: Council, shell: Shell, entry: str) -> None:
    shell.said(*signed(council, "approve", entry, by=BETA))
    shell.said("do", entry)


def through(council: Council, shell: Shell, file: Path, *words: str) -> list[list[Any]]:
    """Propose, approve and do a file to its end; what each phase said."""
    phases = []
    while entry := proposed(council, shell, "network", "propose", str(file), *words):
        [shown] = shell.said("proposal", entry)
        phases.append([line["what"] for line in shown["lines"]])
        agreed(council, shell, entry)
    return phases


def written(path: Path, *participants: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"format": 1, "participants": participants}))
    return path


def test_a_whole_file_goes_through_two_people(
    council: Council, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "whole.json"
    file.write_text(specs_to_json(WHOLE))
    assert through(council, shell, file) == [
        ["participant"] * 5,
        ["open"] * 3,
        ["limit"],
        ["operator"] * 2,
        ["service"] * 3,
        ["service"],
    ]
    [shown] = shell.said("network", "show", CENTRE)
    [spec] = [each for each in WHOLE.participants if each.id == CENTRE]
    assert shown["services"] == []
    assert shown["participants"][0]["operators"][0] == {
        "number": 1,
        "key": spec.operators[0].key,
    }
    # By the names that `set` takes, in each language.
    for language in ("en", "bn"):
        lines = shell.run(
            "network", "show", CENTRE, "--lang", language
        ).out.splitlines()
        names = [line.split("  ")[0] for line in lines if line[:1] != " "]
        assert names == [*shown["participants"][0]]
        assert "low_balance" in names
    assert shell.run("network", "show", "nobody").code == Exit.REFUSED


def test_an_operator_of_a_file_signs_on_by_pin(
    council: Council, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "MEMORY_KIB", 64)
    monkeypatch.setattr(pins, "ITERATIONS", 1)
    centre = CENTRES[0]
    store = PinStore(tmp_path / "operators", centre)
    operator = {"number": 3, "key": store.enrol(3, PIN).hex()}
    record = {"id": centre, "signs_on": True, "operators": [operator]}
    file = written(tmp_path / "signs.json", record)
    # The key first: at no moment is there nobody who could sign on.
    assert through(council, shell, file) == [["operator"], ["participant"]]
    client = council.client(centre, Role.CENTRE)
    session = client.sign_on(centre, 3, store.open(3, PIN))
    assert session.session
    other = PinStore(tmp_path / "others", centre)
    other.enrol(3, PIN)
    with pytest.raises(CallError, match="nobody can sign on with this"):
        client.sign_on(centre, 3, other.open(3, PIN))
    # And the other way round: nobody signs on first, then the operators go.
    record = {"id": centre, "signs_on": False, "operators": []}
    file = written(tmp_path / "signs.json", record)
    assert through(council, shell, file) == [["participant"], ["operator"]]


def test_nobody_is_locked_out(council: Council, shell: Shell, tmp_path: Path) -> None:
    file = written(tmp_path / "locked.json", {"id": CENTRES[4], "signs_on": True})
    done = shell.run(*signed(council, "network", "propose", str(file)))
    assert done.code == Exit.USAGE
    assert "has no active operator" in done.err


def test_one_field_is_set_and_shown_old_and_new(council: Council, shell: Shell) -> None:
    centre = CENTRES[1]
    fields = ["name_en=Kendra [red]5[/] → 6", "payment_max=500"]
    words = ["network", "set", centre, *fields]
    done = shell.run(*signed(council, *words))
    assert "propose what is left" in done.out
    assert f"payswitch network set {centre} 'name_en=Kendra" in done.out
    [entry] = re.findall(r"^Entry +(\d+)", done.out, re.MULTILINE)
    [shown] = shell.said("proposal", entry)
    [line] = shown["lines"]
    assert line["changes"] == [
        {"name": "name_en", "before": "", "after": '"Kendra [red]5[/] → 6"'}
    ]
    text = shell.run("proposal", entry).out
    assert 'name_en none → "Kendra [red]5[/] → 6"' in " ".join(text.split())
    listed = [one for one in shell.said("proposals") if str(_entry(one)) == entry]
    assert listed[0]["changes"] == [
        f'participant {centre}: name_en: none → "Kendra [red]5[/] → 6"'
    ]
    text = " ".join(shell.run("proposals").out.split())
    assert f"{entry}: participant {centre}: name_en: none → " in text
    [told] = council.client().proposal(int(entry)).lines
    assert told.text.endswith('changes: name_en: none → "Kendra [red]5[/] → 6"')
    agreed(council, shell, entry)
    # What is done replaces nothing any more.
    [line] = shell.said("proposal", entry)[0]["lines"]
    assert line["changes"] is None
    # Limits are the next phase, and are told in rupees.
    entry = proposed(council, shell, *words)
    text = " ".join(shell.run("proposal", entry).out.split())
    assert "a payment none → ₹5.00" in text
    agreed(council, shell, entry)
    assert proposed(council, shell, *words) == ""


@pytest.mark.parametrize("lines", [0, 2])
def test_the_bar_of_what_is_done_ends_full(
    monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    """Also of a proposal without lines, which is one thing."""
    totals: list[int] = []
    steps: list[int] = []

    @contextmanager
    def progress(_: Screen, total: int, text: str) -> Iterator[Any]:
        totals.append(total)
        yield SimpleNamespace(advance=steps.append)

    def do_lines(_: int, *, lines_max: int, progress: Any) -> list[Any]:
        for done in range(lines and 1, lines + 1):
            progress(pb.DoLinesResponse(lines_count=lines, lines_done=done))
        return []

    proposal = SimpleNamespace(proposal=SimpleNamespace(lines_count=lines))
    client = SimpleNamespace(
        proposal=lambda _: SimpleNamespace(answer=proposal), do_lines=do_lines
    )
    monkeypatch.setattr(people, "open_office", lambda _: nullcontext(client))
    monkeypatch.setattr(Screen, "progress", progress)
    screen = Screen(as_json=True, language=Language.ENGLISH)
    people.do(Namespace(entry=1, lines_max=0), screen)
    assert sum(steps) == totals[0] == max(lines, 1)


def _entry(listed: Any) -> int:
    return int(listed["proposed"]["sequence"])


def test_a_field_that_cannot_be_is_said(council: Council, shell: Shell) -> None:
    for words, text in (
        ((CENTRES[1], "nme_en=x"), "a field is one of"),
        ((CENTRES[1], "name_en"), "is no FIELD=VALUE"),
        ((CENTRES[1], "id=other"), "a field is one of"),
        ((CENTRES[1], "payment_max=many"), "payment_max: 'many' is not JSON"),
        ((CENTRES[1], "payment_max=5lakh"), "amounts are whole paise"),
        ((CENTRES[1], "payment_max=true"), "must be of type int"),
        ((CENTRES[1], 'operators=[{"number": 1, "number": 2}]'), "twice"),
        ((CENTRES[1], "name_en=a", "name_en=b"), "is there twice"),
        ((CENTRES[1], "heads=[]", "answer_hours=1"), "answer_hours"),
        ((BILLED, "pattern=9"), "cannot change"),
        ((BILLED, "mode=slow"), "must be one of"),
    ):
        done = shell.run(*signed(council, "network", "set", *words))
        assert (done.code, text in done.err) == (Exit.USAGE, True), (words, done)


def partial(key: str, **values: Any) -> pb.PrepareRequest:
    """A wish for some fields of a centre."""
    record = PartialRecord(key, {"id": key, **values})
    wish = partial_messages(PartialNetwork(participants=(record,)))._asdict()
    return pb.PrepareRequest(network=pb.NetworkWish(**wish), reason="a test")


def test_two_changes_of_one_record_are_both_there(council: Council) -> None:
    """What is prepared after another's change is done has that change in it."""
    centre = CENTRES[2]
    one = council.proposed(ALPHA, partial(centre, name_en="One"))
    council.approve(BETA, one)
    assert council.do(one) == ["OK"]
    two = council.proposed(ALPHA, partial(centre, district="D"))
    council.approve(BETA, two)
    assert council.do(two) == ["OK"]
    [known] = council.client().network_record(centre).participants
    assert (known.name_en, known.district) == ("One", "D")


def test_a_change_since_the_proposal_is_not_undone(
    council: Council, shell: Shell
) -> None:
    centre = CENTRES[2]
    old = council.proposed(ALPHA, partial(centre, name_en="Old"))
    new = council.proposed(ALPHA, partial(centre, name_bn="New"))
    for entry in (old, new):
        council.approve(BETA, entry)
    assert council.do(new) == ["OK"]
    [outcome] = council.client().do_lines(old)
    by = council.client().network_record(centre)
    assert (
        outcome.changed_sequence
        == council.client().proposal(new).lines[0].done_sequence
    )
    done = shell.run("do", str(old))
    assert done.code == Exit.REFUSED
    assert f"Changed by entry: {outcome.changed_sequence}" in " ".join(done.out.split())
    assert by.participants[0].name_bn == "New"
    assert by.participants[0].name_en != "Old"


def test_a_change_since_it_was_prepared_is_not_undone(council: Council) -> None:
    """Between what was shown and what is signed somebody else changes it."""
    centre = CENTRES[3]
    client = council.client(FIRST)
    for make in (
        partial(centre, name_en="Mine"),
        partial(centre, payment_max=900),
        pb.PrepareRequest(
            wishes=[pb.Wish(limit=pb.LimitWish(centre=centre, payment_max=800))],
            reason="a limit",
        ),
    ):
        made = client.prepare(make)
        assert made.row is not None
        assert made.as_of
        changed = "name_en" in str(make)
        other = (
            partial(centre, name_bn="Other")
            if changed
            else partial(centre, payment_max=700 + len(str(make)))
        )
        entry = council.proposed(ALPHA, other)
        council.approve(BETA, entry)
        assert council.do(entry) == ["OK"]
        with pytest.raises(CallError, match="propose it anew") as refused:
            client.submit(made.row, council.signer(ALPHA), as_of=made.as_of)
        assert refused.value.reason == "RECORD_CHANGED"


def test_what_is_recorded_is_answered_whatever_changed_since(council: Council) -> None:
    centre = CENTRES[4]
    client = council.client(FIRST)
    made = client.prepare(partial(centre, name_en="Mine"))
    assert made.row is not None
    row_id = new_id()
    signer = council.signer(ALPHA)
    first = client.submit(made.row, signer, move_id=row_id, as_of=made.as_of)
    entry = council.proposed(ALPHA, partial(centre, name_bn="Other"))
    council.approve(BETA, entry)
    assert council.do(entry) == ["OK"]
    again = client.submit(made.row, signer, move_id=row_id, as_of=made.as_of)
    assert (again.sequence, again.repeat) == (first.sequence, True)


def test_an_older_client_says_all_fields(council: Council) -> None:
    """Without the names of fields a record is what it was before there were any."""
    centre = CENTRES[2]
    wish = partial(centre, name_en="Whole", role=Role.CENTRE, active=True)
    wish.network.ClearField("participant_fields")
    wish.network.ClearField("service_fields")
    entry = council.proposed(ALPHA, wish)
    [line] = council.client().proposal(entry).lines
    assert 'district: "D" → none' in line.text
    client = council.client(SECOND)
    client.withdraw_signed(entry, "a test", council.signer(BETA))


def test_masks_that_cannot_be(council: Council) -> None:
    client = council.client(FIRST)
    good = partial(CENTRES[2], name_en="x")
    for names, text in (
        (["nme"], "must be the name of a field"),
        (["name_en", "name_en"], "is there twice"),
        (["name_en"] * 65, "must be at most 64"),
        (["operators.key"], "must be the name of a field"),
        (["role"], "stands for nothing"),
    ):
        bad = pb.PrepareRequest()
        bad.CopyFrom(good)
        bad.network.participant_fields[0].names[:] = names
        with pytest.raises(CallError, match=text):
            client.prepare(bad)
    for count in (0, 2):
        bad = pb.PrepareRequest()
        bad.CopyFrom(good)
        del bad.network.participant_fields[:]
        for _ in range(count):
            bad.network.participant_fields.add()
        if count:
            with pytest.raises(CallError, match="one for each"):
                client.prepare(bad)
    # Heads are never said to be fewer, or others.
    biller = partial("waterworks", heads=("WB:0990-00-900-001-02",))
    with pytest.raises(CallError, match="heads stay"):
        client.prepare(biller)
    unknown = partial("nowhere", name_en="x")
    with pytest.raises(CallError, match="not in the register yet"):
        client.prepare(unknown)


def test_a_lying_switch_hides_nothing_of_what_is_signed(council: Council) -> None:
    """Whatever is told of the old record: all of the new one is shown."""
    entry = council.proposed(ALPHA, partial(CENTRES[2], name_en="Hidden"))
    [told] = council.client().proposal(entry).lines
    line = read_line(told.line)
    said = say(line)
    honest = record_texts(told, line, said, Language.ENGLISH)
    assert honest[0].startswith("CHANGES name_en")
    told.replaced = told.line
    lied = record_texts(told, line, said, Language.ENGLISH)
    assert "CHANGES nothing" in lied[0]
    told.ClearField("replaced")
    new = record_texts(told, line, said, Language.ENGLISH)
    for shown in (honest, lied, new):
        assert 'name_en "Hidden"' in ", ".join(shown)
    # Of another record it is no old one at all.
    [other] = council.client().prepare(partial(CENTRES[1], name_en="x")).lines
    for wrong in (other.replaced, told.line[:-8], b"x"):
        told.replaced = wrong
        with pytest.raises(SwitchError, match="another record"):
            record_texts(told, line, said, Language.ENGLISH)


def test_words_are_no_facts(council: Council) -> None:
    """A text that looks like a change is quoted, and cannot be taken for one."""
    text = 'x", active: yes → no'
    entry = council.proposed(ALPHA, partial(CENTRES[2], name_en=text))
    [line] = council.client().proposal(entry).lines
    assert line.text.endswith(f"→ {json.dumps(text, ensure_ascii=False)}")
