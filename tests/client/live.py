"""A real server on a fresh ledger with a small network, and clients of it."""

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import (
    AmountRule,
    DuplicateRule,
    Ignored,
    KeyRule,
    Mode,
    Policy,
    PriceRule,
    Role,
)
from switch.day.server import ServerProcess
from switch.specs import TREASURY, ParticipantSpec, ServiceSpec, Specs, specs_to_json
from switch.tariffs import Fee
from switch.v1 import billers_pb2
from tests import forked
from tests.server.harness import Peer
from tests.server.scripted_biller import Script, ScriptedBiller, owes, silent

HEAD = "WB:0028-00-107-001-03"
CHECKER = "checker"
CENTRE = "bsk-00001"
OTHER = "bsk-00002"
FREE = "FREE-1"
"""Takes any amount from a rupee on, once a day for the same reference."""
BILLED = "BILL-1"
"""Takes the bill's amount, once for each month's bill."""
NUMBERED = "NUMBER-1"
"""Takes a rupee and more, however often; its references have nine digits."""
COPIES = "COPY-1"
"""Takes what its tariff says, once for each reference."""
WAITS = "WAIT-1"
"""Any amount; its biller is waited for for a second, then the money is kept."""
LAPSES = "LAPSE-1"
"""The same, and the money goes back."""

CRORE = 10**9


def _service(code: str, price_rule: PriceRule, **changes: Any) -> ServiceSpec:
    """A direct service of `power`; the amount is the citizen's, bounds are wide."""
    values: dict[str, Any] = {
        "biller": "power",
        "heads": (HEAD,),
        "price_rule": price_rule,
        "amount_rule": AmountRule.EXACT,
        "mode": Mode.DIRECT,
        "duplicate_rule": DuplicateRule.ONCE,
        **changes,
    }
    if price_rule is PriceRule.OPEN:
        open_rule = {"amount_rule": AmountRule.MIN_MAX, "amount_min": 100}
        values |= {**open_rule, "amount_max": CRORE}
    return ServiceSpec(code=code, **values)


SPECS = Specs(
    (
        ParticipantSpec(id=TREASURY, role=Role.TREASURY),
        ParticipantSpec(id=CHECKER, role=Role.TREASURY),
        ParticipantSpec(id="harness", role=Role.HARNESS, may_state_dues=True),
        ParticipantSpec(id="auditor", role=Role.AUDITOR),
        ParticipantSpec(
            id="power", role=Role.BILLER, heads=(HEAD,), never_credits_late=True
        ),
        ParticipantSpec(id="water", role=Role.BILLER, heads=("W:1",)),
        ParticipantSpec(id=CENTRE, role=Role.CENTRE, name_en="First"),
        ParticipantSpec(id=OTHER, role=Role.CENTRE, name_en="Second"),
    ),
    (
        _service(
            FREE,
            PriceRule.OPEN,
            duplicate_rule=DuplicateRule.WITHIN,
            duplicate_hours=24,
            name_en="A fee",
            name_bn="একটি ফি",
        ),
        _service(
            BILLED,
            PriceRule.BILL,
            key_rule=KeyRule.REFERENCE_PERIOD,
            name_en="Electricity",
            pattern="9{1,9}",
        ),
        _service(
            NUMBERED,
            PriceRule.OPEN,
            duplicate_rule=DuplicateRule.NONE,
            name_en="Advance",
            ignored=Ignored.SPACE | Ignored.HYPHEN,
            pattern="9{9}",
        ),
        _service(
            COPIES,
            PriceRule.TARIFF,
            key_rule=KeyRule.REFERENCE,
            name_en="Copies",
            tariff=(
                Fee(code="COPY", amount=1_000, valid_from="2025-04-01"),
                Fee(code="COPY", amount=9_999, valid_from="2099-04-01"),
                Fee(
                    code="URGENT",
                    amount=2_500,
                    valid_from="2025-04-01",
                    name_en="Urgent",
                    name_bn="জরুরি",
                ),
            ),
        ),
        *(
            _service(
                code,
                PriceRule.OPEN,
                mode=Mode.CONFIRMED,
                key_rule=KeyRule.REFERENCE,
                deadline_s=1,
                deadline_policy=policy,
                name_en="Slow",
            )
            for code, policy in ((WAITS, Policy.KEEP), (LAPSES, Policy.RELEASE))
        ),
    ),
)
DUE_NS = 1_795_000_000 * 10**9
"""When the bills of `Live.desk` are due: 2026-11-18."""


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

    @contextmanager
    def desk(self, *dues: int) -> Iterator[ScriptedBiller]:
        """`power` dials in; each reference has bills of so many paise, by months."""

        def answer(question: billers_pb2.Question) -> list[billers_pb2.Answer]:
            bills = [
                billers_pb2.DueBill(
                    period=f"2026-{at:02d}", amount_due=due, due_time_ns=DUE_NS
                )
                for at, due in enumerate(dues, start=1)
            ]
            return [owes(question, *bills)]

        with self.biller(answer) as desk:
            yield desk

    @contextmanager
    def biller(self, script: Script = silent) -> Iterator[ScriptedBiller]:
        """`power` dials in, and answers by the script."""
        peer = Peer(self.server.address, self.authority.leaf(Role.BILLER, "power"))
        with closing(peer), ScriptedBiller(peer, script) as biller:
            yield biller

    def command(
        self, *words: str, where: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `payswitch` in a process of its own against this server."""
        if where:
            words += "--address", self.server.address, "--tls", str(self.server.tls)
        env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        return forked.run("switch", *words, env=env, timeout_s=60)


@contextmanager
def running(data: Path) -> Iterator[Live]:
    """Start a server under `data`; stop it afterwards and expect a clean end."""
    network = data / "network.json"
    network.parent.mkdir(parents=True, exist_ok=True)
    network.write_text(specs_to_json(SPECS), encoding="utf-8")
    with ServerProcess(data, 0) as server:
        yield Live(server, DevAuthority(server.tls), network)
        assert server.stop() == 0
