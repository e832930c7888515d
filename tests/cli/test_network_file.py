"""Goal: every field that a network's file may have goes through the commands into the
ledger and back, alone and with all others; what a file does not name stays.

Method: a network that says every field there is, generated cases for each field of the
specs, real servers, and the commands in this process: a file is loaded, proposed,
exported, loaded into an empty ledger and exported again.
"""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from switch.authority.development import DevAuthority
from switch.cli import main
from switch.client import Client
from switch.client.messages import partial_messages, specs_of
from switch.client.network_file import read_records
from switch.codes import Role
from switch.console.output import Exit
from switch.operator_rows import OperatorSpec
from switch.specs import (
    ParticipantSpec,
    ServiceSpec,
    Specs,
    as_file,
    specs_from_json,
    specs_to_json,
)
from switch.v1 import admin_pb2
from tests.cli.at_council import Said
from tests.server.harness import ServerProcess
from tests.whole_network import (
    BILLER,
    CENTRE,
    CHANGED,
    KEYS,
    PARTICIPANTS,
    SERVICES,
    WHOLE,
    assert_whole,
    changes,
)


class Alone:
    """A server of a ledger without people, and commands that ask it."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capsys = capsys
        self.server = ServerProcess(directory)
        self.server.wait_ready()
        authority = DevAuthority(directory / "tls")
        leaf = authority.leaf(Role.AUDITOR, "auditor")
        self.auditor = Client(self.server.address, leaf)
        leaf = authority.leaf(Role.TREASURY, "treasury")
        self.treasury = Client(self.server.address, leaf)

    def run(self, *words: str) -> Said:
        where = ["--address", self.server.address]
        where += ["--tls", str(self.directory / "tls")]
        self._capsys.readouterr()
        code = main([*words, *where])
        return Said(code, *self._capsys.readouterr())

    def load(self, file: Path, *words: str) -> dict[str, Any]:
        done = self.run("network", "load", str(file), "--json", *words)
        assert done.code == Exit.DONE, done
        return dict(done.lines[0])

    def change(self, file: Path) -> admin_pb2.LoadNetworkResponse:
        """The same, without a command."""
        messages = partial_messages(read_records(file.read_text(encoding="utf-8")))
        return self.treasury.load_network(*messages)

    def export(self, *words: str) -> str:
        done = self.run("network", "export", *words)
        assert done.code == Exit.DONE, done
        return done.out

    def specs(self) -> Specs:
        reply = self.auditor.network()
        return in_order(specs_of(reply.participants, reply.services))


@contextmanager
def alone(directory: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Alone]:
    directory.mkdir()
    found = Alone(directory, capsys)
    try:
        yield found
    finally:
        found.auditor.close()
        found.treasury.close()
        assert found.server.stop() == 0, found.server.log()


def written(path: Path, specs: Specs) -> Path:
    path.write_text(specs_to_json(specs), encoding="utf-8")
    return path


def in_order(specs: Specs) -> Specs:
    return Specs(
        tuple(sorted(specs.participants, key=lambda each: each.id)),
        tuple(sorted(specs.services, key=lambda each: each.code)),
    )


def test_every_field_has_its_case() -> None:
    assert_whole()
    for kind, cases in CHANGED.items():
        assert {*cases} == {name for of, name in changes() if of is kind}


def test_every_field_goes_in_and_out_and_in_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "whole.json", WHOLE)
    with alone(tmp_path / "one", capsys) as one:
        assert one.load(file)["added_count"] == len(PARTICIPANTS) + len(SERVICES)
        first = one.export()
        assert specs_from_json(first) == in_order(WHOLE)
        assert one.load(file)["unchanged_count"] == len(PARTICIPANTS) + len(SERVICES)
        done = one.run("network", "export", str(tmp_path / "exported.json"))
        assert done.code == Exit.DONE
        assert (tmp_path / "exported.json").read_text() == first
        for told in (str(len(PARTICIPANTS)), str(len(SERVICES)), "exported.json"):
            assert told in done.err
        assert one.export("-") == first
        file = tmp_path / "for-machines.json"
        done = one.run("network", "export", str(file), "--json")
        assert json.loads(done.out) == {
            "participants": len(PARTICIPANTS),
            "services": len(SERVICES),
            "file": str(file),
        }
        # What is there is not overwritten.
        done = one.run("network", "export", str(tmp_path / "exported.json"))
        assert done.code == Exit.CONFIG
        assert "is there already" in done.err
        # Who is told no keys has a file that says nothing of operators.
        done = one.run("network", "export", "--as", "pmu/pmu")
        assert done.code == Exit.DONE
        assert "says nothing of operators" in " ".join(done.err.split())
        (tmp_path / "pmu.json").write_text(done.out)
        assert '"operators"' not in done.out
        assert one.load(tmp_path / "pmu.json")["replaced_count"] == 0
        assert one.export() == first
    with alone(tmp_path / "two", capsys) as two:
        two.load(tmp_path / "exported.json")
        assert two.export() == first


def test_each_field_changes_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of the specs' fields, by a file that names it and nothing else."""
    with alone(tmp_path / "data", capsys) as one:
        one.load(written(tmp_path / "whole.json", WHOLE))
        for kind, field in changes():
            key, value = CHANGED[kind][field]
            place, name = _place(kind)
            before = one.specs()
            record = {name: key, field: as_file(value)}
            file = tmp_path / "field.json"
            file.write_text(json.dumps({"format": 1, place: [record]}))
            assert one.change(file).replaced_count == 1, field
            after = one.specs()
            if field == "operators":
                value = _switched_off(before, value)
            wanted = _with(before, kind, key, {field: value})
            assert after == wanted, field
            assert one.change(file).unchanged_count == 1, field
            if field not in _STAYING:
                [known] = [each for each in _of(before, kind) if _key(each) == key]
                record[field] = as_file(getattr(known, field))
                file.write_text(json.dumps({"format": 1, place: [record]}))
                one.change(file)
                assert one.specs() == before, field


_STAYING = {"heads", "operators"}
"""Fields of which nothing goes."""


def _of(specs: Specs, kind: type) -> tuple[Any, ...]:
    return specs.participants if kind is ParticipantSpec else specs.services


def _key(spec: ParticipantSpec | ServiceSpec) -> str:
    return spec.id if isinstance(spec, ParticipantSpec) else spec.code


def _place(kind: type) -> tuple[str, str]:
    return ("participants", "id") if kind is ParticipantSpec else ("services", "code")


def _switched_off(before: Specs, given: tuple[OperatorSpec, ...]) -> Any:
    """Those that a whole list leaves out stay, and are not active."""
    [known] = [each for each in before.participants if each.id == CENTRE]
    numbers = {operator.number for operator in given}
    left_out = (
        dataclasses.replace(operator, active=False)
        for operator in known.operators
        if operator.number not in numbers
    )
    return tuple(sorted((*given, *left_out), key=lambda each: each.number))


def _with(specs: Specs, kind: type, key: str, values: dict[str, Any]) -> Specs:
    def changed(spec: Any) -> Any:
        is_it = _key(spec) == key and type(spec) is kind
        return dataclasses.replace(spec, **values) if is_it else spec

    return Specs(
        tuple(map(changed, specs.participants)), tuple(map(changed, specs.services))
    )


def test_what_a_file_leaves_out_stays_or_is_cleared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with alone(tmp_path / "data", capsys) as one:
        one.load(written(tmp_path / "whole.json", WHOLE))
        before = one.specs()
        file = tmp_path / "one.json"
        record = {"id": CENTRE, "name_en": "Another"}
        file.write_text(json.dumps({"format": 1, "participants": [record]}))
        one.load(file)
        assert one.specs() == _with(
            before, ParticipantSpec, CENTRE, {"name_en": "Another"}
        )
        # What a record is never without is not cleared.
        one.load(file, "--replace")
        [centre] = [each for each in one.specs().participants if each.id == CENTRE]
        assert centre == ParticipantSpec(
            id=CENTRE,
            role=Role.CENTRE,
            name_en="Another",
            # Nobody is ever taken out of the register.
            operators=tuple(
                OperatorSpec(number=number, key=key, active=False)
                for number, key in ((1, KEYS[0]), (7, KEYS[1]))
            ),
        )
        # Heads stay even so.
        biller_record = {"id": BILLER, "never_credits_late": True}
        file.write_text(json.dumps({"format": 1, "participants": [biller_record]}))
        one.load(file, "--replace")
        [biller] = [each for each in one.specs().participants if each.id == BILLER]
        assert biller.heads == PARTICIPANTS[1].heads
        assert biller.name_en == ""
