"""The examples as processes of their own, beside a real server over mutual TLS.

They run as the page of the examples says, on its own network file and its own bills.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from switch.client.messages import messages_of
from switch.codes import Role
from switch.ids import new_id
from switch.specs import specs_from_json
from switch.v1 import admin_pb2, counter_pb2, network_pb2, payments_pb2
from tests.server.harness import CALL_S, ROOT, Peers, ServerProcess, until
from tests.stopped import stop

EXAMPLES = ROOT / "docs" / "examples"
CENTRE, OTHER = "bsk-00001", "bsk-00002"
BILLER = "waterworks"
WALLET = 10_000_00
BRIEF_S = 6
"""Deadline of the service BRIEF: half of it is the last moment to credit."""
# Runs the biller until it has answers to hand over, and dies in that moment.
DYING = """
import os, queue, runpy, signal, sys

class Outbox(queue.SimpleQueue):
    def put(self, answers, *rest):
        if answers and any(one.number < 1 << 63 for one in answers):
            os.kill(os.getpid(), signal.SIGKILL)
        super().put(answers, *rest)

queue.SimpleQueue = Outbox
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Program:
    """One example that runs."""

    def __init__(
        self,
        name: str,
        *arguments: str,
        log: Path,
        prefix: Sequence[str] = (),
        dying: bool = False,
    ) -> None:
        wrapper = ["-c", DYING] if dying else []
        self.log_path = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, *wrapper, str(EXAMPLES / name), *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def freeze(self) -> None:
        """It does nothing until it is thawed; what is sent to it waits."""
        stop(self.process.pid)

    def thaw(self) -> None:
        """It goes on."""
        self.signal(signal.SIGCONT)

    def type(self, line: str) -> None:
        """What its operator types."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def wait(self, timeout_s: float = 60.0) -> int:
        """Its exit code."""
        return self.process.wait(timeout_s)

    def log(self) -> str:
        """What it has printed so far."""
        return self.log_path.read_text()

    def end(self) -> None:
        """Whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


class Syncs:
    """Counts how often a program has had the disk written, under strace."""

    def __init__(self, directory: Path) -> None:
        self._trace = directory / "syncs"
        # -D: the program is the child that is waited for and killed.
        tracer = ("strace", "-D", "-f", "-qq", "-e", "trace=fsync,fdatasync")
        self.prefix = (*tracer, "-o", str(self._trace))

    def count(self) -> int:
        return self._trace.read_text().count("sync(")


def load_bills(book: Path, bills: Path = EXAMPLES / "bills.csv") -> None:
    """Put bills into a biller's book, by the biller itself."""
    log = book.with_suffix(".log")
    program = Program("biller.py", str(book), BILLER, "--load", str(bills), log=log)
    try:
        assert program.wait() == 0, program.log()
    finally:
        program.end()


class World:
    """A server that knows the example's network, and the programs beside it."""

    def __init__(
        self, server: ServerProcess, directory: Path, settings: Sequence[str]
    ) -> None:
        self.directory = directory
        self.settings = settings
        self.programs: list[Program] = []
        self.serves: list[Program] = []
        """Those of them that are billers who serve."""
        self.book = directory / "book.db"
        self.server = server

    def begin(self, book: Path) -> None:
        """Load the network and take this book, which has the bills."""
        self._meet(self.server)
        register(self.peers)
        self.peers.authority.leaf(Role.BILLER, BILLER)
        self.peers.authority.leaf(Role.CENTRE, CENTRE)
        self.book.write_bytes(book.read_bytes())

    def _meet(self, server: ServerProcess) -> None:
        self.server = server
        server.wait_ready()
        self.peers = Peers(server)

    def restart(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """The server dies, and another one begins at its address."""
        self.peers.close()
        address = self.server.address
        self.server.stop(signal.SIGKILL)
        directory = self.server.directory
        self._meet(ServerProcess(directory, *self.settings, listen=address))
        meanwhile()

    @property
    def tls(self) -> Path:
        """Where the certificates are."""
        return self.server.directory / "tls"

    # --- programs ------------------------------------------------------------------

    def biller(self, *arguments: str, **options: Any) -> Program:
        """The biller; it serves if nothing else is asked."""
        return self._run("biller.py", str(self.book), BILLER, *arguments, **options)

    def counter(self, *arguments: str, **options: Any) -> Program:
        """The counter."""
        folder = str(self.directory / "open")
        return self._run("counter.py", CENTRE, "--open", folder, *arguments, **options)

    def _run(self, name: str, *arguments: str, **options: Any) -> Program:
        log = self.directory / f"{len(self.programs)}-{name}.log"
        switch = ("--switch", self.server.address, "--tls", str(self.tls))
        program = Program(name, *switch, *arguments, log=log, **options)
        self.programs.append(program)
        return program

    def serving(self, **options: Any) -> Program:
        """The biller, connected; one that has died is no longer counted by then."""
        others = sum(one.process.poll() is None for one in self.serves)
        until(lambda: self.connections() == others)
        program = self.biller(**options)
        self.serves.append(program)
        until(lambda: self.connections() > others)
        return program

    def end(self) -> None:
        """End all programs, channels, and the server."""
        for program in self.programs:
            program.end()
        if hasattr(self, "peers"):
            self.peers.close()
        assert self.server.stop() == 0, self.server.log()

    # --- what the switch says --------------------------------------------------------

    def state_of_biller(self) -> admin_pb2.BillerState:
        """As an operator sees it."""
        reply = self.peers.treasury.admin.ListBillers(
            admin_pb2.ListBillersRequest(), timeout=CALL_S
        )
        [state] = [one for one in reply.billers if one.biller == BILLER]
        return state

    def connections(self) -> int:
        """Of the biller."""
        return self.state_of_biller().connections

    def fetch(
        self, reference: str, service: str = "WATER-01", centre: str = CENTRE
    ) -> list[counter_pb2.Bill]:
        """What a reference owes."""
        request = counter_pb2.FetchBillRequest(service=service, reference=reference)
        reply = self.peers.centre(centre).counter.FetchBill(request, timeout=CALL_S)
        return list(reply.bills)

    def pay(
        self,
        bill: counter_pb2.Bill,
        wait_ms: int = 1,
        centre: str = CENTRE,
        id_: bytes = b"",
    ) -> payments_pb2.PaymentOutcome:
        """Pay a bill; the outcome, which is good."""
        payment = make_payment(bill, id_)
        request = counter_pb2.PayBillRequest(payment=payment, wait_ms=wait_ms)
        counter = self.peers.centre(centre).counter
        outcome = counter.PayBill(request, timeout=CALL_S).outcome
        assert outcome.result == 1, outcome
        return outcome

    def payments(self) -> list[Any]:
        """All payments of the centre, the newest first."""
        reply = self.peers.centre(CENTRE).payments.ListPayments(
            payments_pb2.ListPaymentsRequest(), timeout=CALL_S
        )
        return list(reply.payments)

    def state(self, payment_id: bytes) -> int:
        """Where a payment stands."""
        request = payments_pb2.GetPaymentRequest(id=payment_id)
        reply = self.peers.centre(CENTRE).payments.GetPayment(request, timeout=CALL_S)
        return reply.state

    def wait_for(self, payment_id: bytes, state: int, timeout_s: float = 30.0) -> None:
        """Until a payment stands so."""
        until(lambda: self.state(payment_id) == state, timeout_s)

    # --- what the department's books say ---------------------------------------------

    def rows(self, query: str, *values: object) -> list[Any]:
        """Of the biller's book."""
        with sqlite3.connect(self.book, timeout=20) as book:
            found = book.execute(query, values).fetchall()
        book.close()
        return found

    def decided(self) -> list[Any]:
        """Id, whether credited, paise and text of all payments, in order."""
        return self.rows(
            "SELECT id, credited, amount, text FROM payments ORDER BY number"
        )


def make_payment(bill: counter_pb2.Bill, id_: bytes = b"") -> payments_pb2.Payment:
    """A payment of a bill, as it was fetched."""
    return payments_pb2.Payment(
        id=id_ or new_id(),
        service=bill.service,
        amount=bill.amount_due,
        reference=bill.reference,
        operator=1,
        quotation=bill.quotation,
    )


def register(peers: Peers) -> None:
    """The network of the examples; centres with money, and a service that ends soon."""
    specs = specs_from_json((EXAMPLES / "network.json").read_text())
    participants, services = messages_of(specs)
    network = admin_pb2.LoadNetworkRequest(participants=participants, services=services)
    peers.treasury.admin.LoadNetwork(network, timeout=CALL_S)
    brief = network_pb2.Service(
        code="BRIEF",
        biller=BILLER,
        heads=["WB:0990-00-900-001-01"],
        name_en="Water, at once",
        active=True,
        amount_rule=network_pb2.AMOUNT_RULE_EXACT,
        price_rule=network_pb2.PRICE_RULE_BILL,
        mode=network_pb2.SERVICE_MODE_CONFIRMED,
        duplicate_rule=network_pb2.DUPLICATE_RULE_ONCE,
        key_rule=network_pb2.KEY_RULE_BILL_ID,
        deadline_s=BRIEF_S,
        deadline_policy=network_pb2.DEADLINE_POLICY_KEEP,
    )
    roles = {
        CENTRE: network_pb2.ROLE_CENTRE,
        OTHER: network_pb2.ROLE_CENTRE,
        "checker": network_pb2.ROLE_TREASURY,
    }
    participants = [
        network_pb2.Participant(id=name, role=role, active=True, name_en=name)
        for name, role in roles.items()
    ]
    request = admin_pb2.LoadNetworkRequest(participants=participants, services=[brief])
    peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
    for name in (CENTRE, OTHER):
        assert peers.treasury.top_up(name, WALLET).result == 1
