"""The two switches of a stand, each with a ledger, a supervisor and a port."""

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import Role
from switch.programs import program
from switch.v1 import network_pb2
from tools.cluster.processes import Process, began, kill, send
from tools.cluster.settings import DATABASE, LOG_ROLE, OWNER, SWITCHES
from tools.cluster.stand import Stand, StandError

NUMBERS = SWITCHES
READY_S = 60.0
STOP_S = 30.0
SEEN_S = 3
"""How old the word of a node may be that counts as there."""
KEYS = ("quotation.keys", "receipt.key")
CENTRES = [f"bsk-{number:05}" for number in range(1, 9)]
SERVICE = "ANY"
TOP_UP = 10**13
# One address sends all: the budgets of a harness are not what is tried here.
SETTINGS = {"budget.harness.payments_per_s": 10_000_000}
APART = {"index_step_rows": 4_096, "index_lag_max": 16_384}
"""A disk without room is felt once the index lags so far: soon, for a drill."""


class Switches:
    """Both, over one log."""

    def __init__(self, stand: Stand) -> None:
        """They are not started."""
        self.stand = stand
        self.folder = stand.plan.folder
        self.authority = DevAuthority(self.folder / "switch-tls")
        self.authority.server(*stand.plan.hosts())
        self.processes = [Process(self.folder, f"switch{one}") for one in NUMBERS]

    def directory(self, number: int) -> Path:
        """The folder of one of them."""
        return self.folder / f"switch{number}"

    def ledger(self, number: int) -> Path:
        """Its ledger."""
        return self.directory(number) / "ledger"

    def address(self, number: int) -> str:
        """Where clients reach it."""
        plan = self.stand.plan
        return f"{plan.front_host(number)}:{plan.ports.switches[number - 1]}"

    def make(self) -> None:
        """A log with an empty ledger, and the keys of all nodes."""
        for number in NUMBERS:
            self.ledger(number).mkdir(parents=True, mode=0o700, exist_ok=True)
            (self.directory(number) / "payswitch.toml").write_text(
                "[cluster]\n"
                f'dsn = "{self.stand.plan.dsn(LOG_ROLE)}"\n'
                f'node = "switch{number}"\n'
                f'address = "{self.address(number)}"\n'
            )
        self.payswitch(
            "cluster",
            "init",
            *("--dsn", self.stand.plan.dsn(OWNER), "--new", str(self.ledger(1))),
        )
        for name in KEYS:
            shutil.copy2(self.ledger(1) / name, self.ledger(2) / name)

    def payswitch(self, *words: str) -> dict[str, Any]:
        """One command with `--json`; what it says. Raises StandError."""
        done = subprocess.run(
            program("switch", *words, "--json"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StandError(f"payswitch {' '.join(words)}: {done.stdout}{done.stderr}")
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def start(self, number: int) -> None:
        """Start one with its supervisor; it is not waited for."""
        self._ready(number).unlink(missing_ok=True)
        host = self.stand.plan.front_host(number)
        chosen = SETTINGS | (APART if self.stand.plan.apart else {})
        settings = [f"--set={name}={value}" for name, value in chosen.items()]
        command = program(
            "server",
            *("--config", str(self.directory(number) / "payswitch.toml")),
            *("--data", str(self.ledger(number))),
            *("--tls", str(self.authority.directory), "--dev"),
            *("--listen", self.address(number), "--metrics", f"{host}:0"),
            *("--ready-file", str(self._ready(number))),
            *settings,
        )
        self.processes[number - 1].start(
            self.stand.plan.inside(
                f"switch{number}",
                [sys.executable, "-m", "tools.cluster.supervised", *command],
            ),
            ours=True,
        )

    def up(self) -> None:
        """Start those that do not run, and wait until one leads."""
        for number, process in zip(NUMBERS, self.processes, strict=True):
            if not process.pid:
                self.start(number)
        self.stand.wait(lambda: all(map(self.pid, NUMBERS)), "two switches", READY_S)
        self.stand.wait(self.leader, "a leading switch", READY_S)

    def down(self) -> None:
        """End both."""
        for number in NUMBERS:
            # One that was stopped hears nothing.
            send(self.pid(number) or self.processes[number - 1].pid, signal.SIGCONT)
            self.processes[number - 1].stop(STOP_S)

    def _ready(self, number: int) -> Path:
        return self.directory(number) / "ready.json"

    def pid(self, number: int) -> int:
        """The process that serves; 0 while there is none."""
        try:
            pid = int(json.loads(self._ready(number).read_text())["pid"])
        except (OSError, ValueError, KeyError):
            return 0
        return pid if began(pid) else 0

    def figure(self, number: int, name: str) -> float:
        """A figure without labels that one of them tells; -1 if it does not."""
        try:
            where = json.loads(self._ready(number).read_text())["metrics"]
            with urllib.request.urlopen(f"http://{where}/metrics", None, 5.0) as page:
                lines = page.read().decode().splitlines()
        except (OSError, ValueError, KeyError):
            return -1.0
        key = f"payswitch_{name} "
        found = [line.removeprefix(key) for line in lines if line.startswith(key)]
        return float(found[0]) if found else -1.0

    def status(self) -> dict[str, Any]:
        """As `payswitch cluster status` says. Raises StandError."""
        dsn = self.stand.plan.dsn(LOG_ROLE)
        return self.payswitch("cluster", "status", "--dsn", dsn)

    def _ask(self, question: str) -> str:
        """Rows of the log's database, as switches sign on; empty without an answer."""
        try:
            return self.stand.sql(question, role=LOG_ROLE, database=DATABASE)
        except StandError:
            return ""

    def leader(self) -> int:
        """Which leads, as the log says; 0 for none."""
        name = self._ask("SELECT leader FROM payswitch.head")
        return int(name.removeprefix("switch") or "0")

    def lag(self) -> int:
        """Entries that the node which is furthest behind lacks, by its last word."""
        question = (
            "SELECT max(h.sequence - n.sequence) FROM payswitch.nodes AS n, "
            "payswitch.head AS h"
        )
        return int(self._ask(question) or "0")

    def kill(self, number: int) -> None:
        """End one at once; its supervisor starts it again."""
        kill([self.pid(number)])

    @contextmanager
    def stopped(self, number: int) -> Iterator[None]:
        """Stop one for a while."""
        pid = self.pid(number)
        send(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            send(pid, signal.SIGCONT)

    def client(
        self, role: Role, who: str, numbers: Sequence[int] = NUMBERS, **options: Any
    ) -> Client:
        """A client of these, or of one alone; `options` are `Client`'s."""
        return Client(
            [self.address(number) for number in numbers],
            self.authority.leaf(role, who),
            **options,
        )

    def load_network(self) -> None:
        """Eight centres, a biller and a service that anybody may pay for."""
        people = [
            network_pb2.Participant(
                id="treasury", role=network_pb2.ROLE_TREASURY, active=True
            ),
            network_pb2.Participant(
                id="harness",
                role=network_pb2.ROLE_HARNESS,
                active=True,
                may_state_dues=True,
            ),
            network_pb2.Participant(
                id="biller-1", role=network_pb2.ROLE_BILLER, active=True, heads=["t:1"]
            ),
        ]
        people += [
            network_pb2.Participant(id=one, role=network_pb2.ROLE_CENTRE, active=True)
            for one in CENTRES
        ]
        service = network_pb2.Service(
            code=SERVICE,
            biller="biller-1",
            heads=["t:1"],
            amount_rule=network_pb2.AMOUNT_RULE_MIN_MAX,
            amount_min=100,
            amount_max=10**9,
            mode=network_pb2.SERVICE_MODE_DIRECT,
            duplicate_rule=network_pb2.DUPLICATE_RULE_ONCE,
            key_rule=network_pb2.KEY_RULE_BILL_ID,
            active=True,
        )
        with self.client(Role.TREASURY, "treasury") as treasury:
            treasury.load_network(people, [service])
            for number, centre in enumerate(CENTRES):
                treasury.top_up(centre, TOP_UP, f"UTR{number:08}")

    def audit(self, number: int) -> dict[str, Any]:
        """What the auditor says of a ledger; `audit` is `ok` if it found nothing."""
        done = subprocess.run(
            program("switch.audit", str(self.ledger(number)), "--json"),
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            return {"audit": "failed", "said": done.stderr}

    def wait_level(self, behind: int = 0, timeout_s: float = READY_S) -> float:
        """Wait until both have what the log has, but so many entries.

        What nodes say of themselves is a second old: under load they are behind.
        """
        question = (
            "SELECT count(*) FROM payswitch.nodes AS n, payswitch.head AS h "
            f"WHERE h.sequence - n.sequence <= {behind} "
            f"AND n.seen > clock_timestamp() - interval '{SEEN_S} s'"
        )

        def level() -> bool:
            return all(map(self.pid, NUMBERS)) and self._ask(question) == str(
                len(NUMBERS)
            )

        return self.stand.wait(level, "both switches at the log's head", timeout_s)
