"""A real server on a fresh ledger with a small network, and clients of it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import AmountRule, DuplicateRule, Ignored, KeyRule, Mode, Role
from switch.day.server import ServerProcess
from switch.specs import TREASURY, ParticipantSpec, ServiceSpec, Specs, specs_to_json

HEAD = "WB:0028-00-107-001-03"
CHECKER = "checker"
CENTRE = "bsk-00001"
OTHER = "bsk-00002"
FREE = "FREE-1"
"""Takes any amount, once a day for the same reference."""
BILLED = "BILL-1"
"""Takes the bill's amount, once for each month's bill."""
NUMBERED = "NUMBER-1"
"""Takes a rupee and more; its references have nine digits."""

SPECS = Specs(
    (
        ParticipantSpec(id=TREASURY, role=Role.TREASURY),
        ParticipantSpec(id=CHECKER, role=Role.TREASURY),
        ParticipantSpec(id="harness", role=Role.HARNESS),
        ParticipantSpec(id="auditor", role=Role.AUDITOR),
        ParticipantSpec(id="power", role=Role.BILLER, heads=(HEAD,)),
        ParticipantSpec(id=CENTRE, role=Role.CENTRE, name_en="First"),
        ParticipantSpec(id=OTHER, role=Role.CENTRE, name_en="Second"),
    ),
    (
        ServiceSpec(
            code=FREE,
            biller="power",
            heads=(HEAD,),
            amount_rule=AmountRule.ANY,
            mode=Mode.DIRECT,
            duplicate_rule=DuplicateRule.WITHIN,
            duplicate_hours=24,
            name_en="A fee",
            name_bn="একটি ফি",
        ),
        ServiceSpec(
            code=BILLED,
            biller="power",
            heads=(HEAD,),
            amount_rule=AmountRule.EXACT,
            mode=Mode.DIRECT,
            duplicate_rule=DuplicateRule.ONCE,
            key_rule=KeyRule.REFERENCE_PERIOD,
            name_en="Electricity",
        ),
        ServiceSpec(
            code=NUMBERED,
            biller="power",
            heads=(HEAD,),
            amount_rule=AmountRule.MIN_MAX,
            amount_min=100,
            mode=Mode.DIRECT,
            duplicate_rule=DuplicateRule.NONE,
            name_en="Advance",
            ignored=Ignored.SPACE | Ignored.HYPHEN,
            pattern="9{9}",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Live:
    """A server that runs, and where its things are."""

    server: ServerProcess
    authority: DevAuthority
    network: Path
    """The small network as a file."""

    def client(self, role: Role, participant: str) -> Client:
        """A client; the caller closes it."""
        return Client(self.server.address, self.authority.leaf(role, participant))

    def command(
        self, *words: str, where: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `payswitch` in a process of its own against this server."""
        command = [sys.executable, "-m", "switch", *words]
        if where:
            command += ["--address", self.server.address, "--tls"]
            command += [str(self.server.tls)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )


@contextmanager
def running(data: Path) -> Iterator[Live]:
    """Start a server under `data`; stop it afterwards and expect a clean end."""
    network = data / "network.json"
    network.parent.mkdir(parents=True, exist_ok=True)
    network.write_text(specs_to_json(SPECS), encoding="utf-8")
    with ServerProcess(data, 0) as server:
        yield Live(server, DevAuthority(server.tls), network)
        assert server.stop() == 0
