"""An office that does all by commands: keys, certificates, a ledger and its server."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.console.output import Exit
from switch.specs import ParticipantSpec, Specs, specs_to_json
from tests import forked
from tests.server.harness import ServerProcess

COMMAND_S = 60.0
CENTRES = ("centre-1", "centre-2", "centre-3")


class Office:
    """A directory with keys, certificates and a ledger, and its server."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.tls = directory / "tls"
        authority = DevAuthority(self.tls)
        authority.server()
        for name in ("treasury", "checker"):
            authority.leaf(Role.TREASURY, name)
        authority.leaf(Role.AUDITOR, AUDITOR)
        self.address = ""

    def run(self, *words: str, entry: str = "") -> "subprocess.CompletedProcess[str]":
        """A command, with where the switch is if it asks one."""
        return forked.run(
            "switch",
            *words,
            entry=entry,
            timeout_s=COMMAND_S,
            env={**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
        )

    def ask(
        self, *words: str, by: str = "", unseen: bool = False
    ) -> "subprocess.CompletedProcess[str]":
        """A command that asks the switch, as a person if one is named: `alpha`. Without
        a terminal one must say that what is shown is signed.
        """
        where = ["--address", self.address, "--tls", str(self.tls)]
        if by:
            participant, number = PEOPLE[by]
            role = "auditor" if participant == AUDITOR else "treasury"
            where += ["--as", f"{role}/{participant}", "--person", str(number)]
            where += ["--key", str(self.directory / f"{by}.key")]
            where += [] if unseen else ["--yes"]
        return self.run(*words, *where)

    def said(self, *words: str, by: str = "") -> Any:
        """What a command answers to machines; it must have been done."""
        done = self.ask(*words, "--json", by=by)
        assert done.returncode == Exit.DONE, (words, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def proposed(self, *words: str, by: str = "alpha") -> str:
        """Propose; the entry."""
        return str(self.said(*words, by=by)["sequence"])

    def agreed(self, entry: str, by: str = "beta") -> None:
        """Approve and do."""
        self.said("approve", entry, by=by)
        self.said("do", entry)


AUDITOR = "audit-office"
PEOPLE = {
    "alpha": ("treasury", 1),
    "beta": ("checker", 1),
    "gamma": ("checker", 2),
    "channel": ("checker", 9),
    "other": ("checker", 10),
    "recoverer": (AUDITOR, 1),
    "recoverer-2": (AUDITOR, 2),
}


@contextmanager
def begun(
    directory: Path, *, three: bool = False, recoverers: bool = False
) -> Iterator[Office]:
    """One that was begun by commands alone, over a few centres; with an auditor's two
    recoverers, or without.
    """
    found = Office(directory)
    keys = {}
    for name in PEOPLE:
        done = found.run("person-key", str(found.directory / f"{name}.key"), "--json")
        assert done.returncode == Exit.DONE, done.stderr
        keys[name] = json.loads(done.stdout)["public_key"]
    found.directory.joinpath("keys.json").write_text(json.dumps(keys))
    words = ["init", "--data", str(found.directory / "ledger"), "--treasury", "checker"]
    words += [] if three else ["--two-people"]
    for name in ("alpha", "beta", "gamma")[: 3 if three else 2]:
        participant, number = PEOPLE[name]
        words += ["--person", f"{participant}/{number}:{keys[name]}"]
    if recoverers:
        words += ["--auditor", AUDITOR]
        for name in ("recoverer", "recoverer-2"):
            participant, number = PEOPLE[name]
            words += ["--recoverer", f"{participant}/{number}:{keys[name]}"]
    done = found.run(*words)
    assert done.returncode == Exit.DONE, done.stderr
    assert ("nobody recovers" in done.stderr) == (not recoverers)
    again = found.run(*words)
    assert again.returncode == Exit.USAGE
    assert "is in use" in again.stderr
    participants = [ParticipantSpec(id=name, role=Role.CENTRE) for name in CENTRES]
    network = found.directory / "network.json"
    network.write_text(specs_to_json(Specs(tuple(participants), ())))
    server = ServerProcess(found.directory, "--set", "signatures_per_s=1000", dev=False)
    server.wait_ready()
    found.address = server.address
    try:
        for _ in range(10):
            made = found.said("network", "propose", str(network), by="alpha")
            if not made["lines_count"]:
                break
            found.agreed(str(made["sequence"]))
        yield found
    finally:
        assert server.stop() == 0, server.log()


def balance(office: Office, centre: str = CENTRES[0]) -> int:
    """What a wallet holds."""
    return int(office.said("balance", centre)["wallet"]["balance"])
