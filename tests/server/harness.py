"""A real server process and real clients for the tests: sockets, TLS, certificates.

The clients are the generated stubs and nothing more, so that what the server says is
seen as it is.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from switch.authority.development import DevAuthority
from switch.codes import (
    AmountRule,
    DuplicateRule,
    KeyRule,
    Letters,
    Mode,
    Policy,
    PriceRule,
    Role,
)
from switch.credentials import Credentials
from switch.ids import new_id
from switch.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    banks_pb2_grpc,
    billers_pb2_grpc,
    counter_pb2_grpc,
    explain_pb2_grpc,
    files_pb2_grpc,
    network_pb2,
    payments_pb2,
    payments_pb2_grpc,
    results_pb2,
    types_pb2,
    wallets_pb2_grpc,
)
from tests import forked

ROOT = Path(__file__).parents[2]
START_S = 60.0
STOP_S = 60.0
CALL_S = 20.0
RESERVE = 16 << 20
"""Twice what a group may need. Each server writes up to two of them as zeros, while its
tests commit: of the usual size 128 MiB for each ledger.
"""

RUPEE = 100
PATH = re.compile(r"[a-z][a-z0-9_]*(\[\d+\])?(\.[a-z][a-z0-9_]*(\[\d+\])?)*")
"""Of a field in a message, such as `payments[3].reference`."""
CENTRES = ("centre-a", "centre-b", "centre-c", "centre-d")
PLAIN = ("centre-p", "centre-q")
"""Not believed about what is due: they fetch their bills, as real centres do."""
TOPPED_UP = 1_000_000 * RUPEE


class ServerProcess:
    """`python -m server` in a directory; `address` once it is ready."""

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        listen: str = "127.0.0.1:0",
        prefix: Sequence[str] = (),
        root: Path = ROOT,
        dev: bool = True,
        fresh: bool = False,
    ) -> None:
        """Start it; `prefix` goes before the command, `root` has the packages. It is
        started from nothing if it has one of them, or is to be `fresh`.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.log_path = directory / "server.log"
        words = [
            "--data",
            str(directory / "ledger"),
            "--listen",
            listen,
            "--tls",
            str(directory / "tls"),
            *(["--dev"] if dev else []),
            *("--set", f"map_size={8 << 30}"),
            *("--set", f"reserve_size={RESERVE}"),
            *("--metrics", "127.0.0.1:0"),
            *arguments,
        ]
        self._log: IO[bytes] = self.log_path.open("ab")
        self.process: subprocess.Popen[bytes] | forked.Process
        if fresh or prefix or root != ROOT:
            command = [*prefix, sys.executable, "-m", "server", *words]
            self.process = subprocess.Popen(
                command, cwd=root, stdout=subprocess.PIPE, stderr=self._log
            )
        else:
            log = self._log.fileno()
            self.process = forked.Process("server", words, cwd=root, stderr=log)

    def wait_ready(self) -> dict[str, Any]:
        """The ready line; fails with the log if it does not come."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the server ended: {self.log()}"
        ready: dict[str, Any] = json.loads(line)
        self.address: str = ready["address"]
        self.metrics: str = ready["metrics"]
        self.pid: int = ready["pid"]
        return ready

    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        if self.process.poll() is None:
            # Not to the process that was started: that may be a tracer.
            os.kill(getattr(self, "pid", self.process.pid), number)
        return self.wait()

    def wait(self, timeout_s: float = STOP_S) -> int:
        """Wait for its end; the exit code."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._log.close()
            if self.process.stdout is not None:
                self.process.stdout.close()
        return code


@contextmanager
def running(
    directory: Path, *arguments: str, **options: Any
) -> Iterator[ServerProcess]:
    """A server that is ready, stopped at the end; it must then exit with 0."""
    server = ServerProcess(directory, *arguments, **options)
    try:
        server.wait_ready()
        yield server
    finally:
        ended = server.process.poll() is not None
        code = server.stop()
    assert ended or code == 0, server.log()


class Peer:
    """One client with one certificate: a channel and the stubs."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        """Connects with the first call."""
        certificate, key, authority = credentials.read()
        self.channel = grpc.secure_channel(
            address,
            grpc.ssl_channel_credentials(authority, key, certificate),
            options=[("grpc.use_local_subchannel_pool", 1)],
        )
        self.payments = payments_pb2_grpc.PaymentServiceStub(self.channel)
        self.wallets = wallets_pb2_grpc.WalletServiceStub(self.channel)
        self.billers = billers_pb2_grpc.BillerServiceStub(self.channel)
        self.admin = admin_pb2_grpc.AdminServiceStub(self.channel)
        self.explain = explain_pb2_grpc.ExplainServiceStub(self.channel)
        self.files = files_pb2_grpc.FilesServiceStub(self.channel)
        self.counter = counter_pb2_grpc.CounterServiceStub(self.channel)
        self.banks = banks_pb2_grpc.BankServiceStub(self.channel)

    def close(self) -> None:
        """Close the channel."""
        self.channel.close()

    def raw(self, method: str, body: bytes, timeout_s: float = CALL_S) -> bytes:
        """A unary call with bytes as they are."""
        call: Any = self.channel.unary_unary(method)
        reply: bytes = call(body, timeout=timeout_s)
        return reply

    # --- what most tests do --------------------------------------------------------

    def pay(self, payment: payments_pb2.Payment) -> payments_pb2.PaymentOutcome:
        """Pay one bill."""
        request = payments_pb2.CreatePaymentRequest(payment=payment)
        return self.payments.CreatePayment(request, timeout=CALL_S).outcome

    def pay_all(
        self, payments: Iterable[payments_pb2.Payment]
    ) -> list[payments_pb2.PaymentOutcome]:
        """Pay bills in one message."""
        request = payments_pb2.CreatePaymentsRequest(payments=payments)
        return list(self.payments.CreatePayments(request, timeout=CALL_S).outcomes)

    def top_up(self, centre: str, amount: int, utr: str = "") -> results_pb2.Outcome:
        """Credit a wallet."""
        request = admin_pb2.TopUpRequest(
            id=new_id(), centre=centre, amount=amount, utr=utr or new_id().hex()
        )
        return self.admin.TopUp(request, timeout=CALL_S).outcome


def refund(
    maker: Peer, checker: Peer, payment_sequence: int, amount: int
) -> results_pb2.Outcome:
    """Propose a refund and approve it; the refund's own outcome."""
    proposal = admin_pb2.ProposeRequest(
        id=new_id(),
        kind=types_pb2.PROPOSAL_KIND_REFUND,
        sequence=payment_sequence,
        amount=amount,
        reason="a test",
    )
    proposed = maker.admin.Propose(proposal, timeout=CALL_S).outcome
    assert proposed.result == 1
    request = admin_pb2.ApproveRequest(id=new_id(), proposal_sequence=proposed.sequence)
    reply = checker.admin.Approve(request, timeout=CALL_S)
    assert reply.outcome.result == 1
    [done] = reply.done
    return done


class Peers:
    """Peers by role and participant, of one server and its authority."""

    def __init__(self, server: ServerProcess) -> None:
        """The certificates come from the authority that the server made."""
        self.server = server
        self.authority = DevAuthority(server.directory / "tls")
        self._peers: dict[tuple[Role, str], Peer] = {}

    def get(self, role: Role, participant: str) -> Peer:
        """The peer with this identity."""
        key = (role, participant)
        if key not in self._peers:
            credentials = self.authority.leaf(role, participant)
            self._peers[key] = Peer(self.server.address, credentials)
        return self._peers[key]

    def centre(self, name: str = "centre-a") -> Peer:
        """A centre."""
        return self.get(Role.CENTRE, name)

    @property
    def treasury(self) -> Peer:
        """The treasury."""
        return self.get(Role.TREASURY, "treasury")

    @property
    def checker(self) -> Peer:
        """Somebody else of the treasury, who approves."""
        return self.get(Role.TREASURY, "checker")

    def refund(self, payment_sequence: int, amount: int) -> results_pb2.Outcome:
        """Propose a refund and approve it; the refund's own outcome."""
        return refund(self.treasury, self.checker, payment_sequence, amount)

    @property
    def harness(self) -> Peer:
        """A sender that names the centre, and may state what is due."""
        return self.get(Role.HARNESS, "harness")

    @property
    def aggregator(self) -> Peer:
        """Another one, that may not state what is due."""
        return self.get(Role.HARNESS, "aggregator")

    @property
    def auditor(self) -> Peer:
        """A reader of everything."""
        return self.get(Role.AUDITOR, "auditor")

    @property
    def pmu(self) -> Peer:
        """A reader of figures."""
        return self.get(Role.PMU, "pmu")

    @property
    def support(self) -> Peer:
        """A reader of payments, who is shown no references."""
        return self.get(Role.SUPPORT, "support")

    def biller(self, name: str = "power") -> Peer:
        """A biller."""
        return self.get(Role.BILLER, name)

    def close(self) -> None:
        """Close every channel."""
        for peer in self._peers.values():
            peer.close()


# --- a small network -----------------------------------------------------------------


def network() -> admin_pb2.LoadNetworkRequest:
    """Six centres, four billers, one service of each kind; offices."""
    participants = [
        _participant("treasury", Role.TREASURY),
        _participant("checker", Role.TREASURY),
        _participant("auditor", Role.AUDITOR),
        _participant("harness", Role.HARNESS, may_state_dues=True),
        _participant("aggregator", Role.HARNESS),
        _participant("asleep", Role.CENTRE, active=False),
        _biller("power", "0801-01", "0801-02"),
        _biller("land", "0029-01"),
        _biller("water", "0215-01"),
        _biller("gas", "0217-01"),
        *[_centre(name) for name in (*CENTRES, *PLAIN)],
        _participant("pmu", Role.PMU),
        _participant("support", Role.SUPPORT),
        _participant("public", Role.PUBLIC),
    ]
    services = [
        _service("ANY", "land", ["0029-01"]),
        _service("ONCE", "power", ["0801-01"], duplicate_rule=DuplicateRule.ONCE),
        _service(
            "EXACT",
            "power",
            ["0801-01"],
            amount_rule=AmountRule.EXACT,
            price_rule=PriceRule.BILL,
            duplicate_rule=DuplicateRule.ONCE,
        ),
        _service("HEADS", "power", ["0801-01", "0801-02"]),
        _service("CONFIRM", "power", ["0801-02"], mode=Mode.CONFIRMED),
        _service("WATER", "water", ["0215-01"], mode=Mode.CONFIRMED),
        _service(
            "SUPPLY",
            "water",
            ["0215-01"],
            amount_rule=AmountRule.EXACT,
            price_rule=PriceRule.BILL,
            duplicate_rule=DuplicateRule.ONCE,
            mode=Mode.CONFIRMED,
        ),
        _service("GAS", "gas", ["0217-01"], mode=Mode.CONFIRMED),
        _service("BRIEF", "power", ["0801-02"], mode=Mode.CONFIRMED, deadline_s=2),
        _service(
            "KEPT",
            "power",
            ["0801-02"],
            mode=Mode.CONFIRMED,
            deadline_s=1,
            deadline_policy=Policy.KEEP,
            duplicate_rule=DuplicateRule.ONCE,
        ),
    ]
    return admin_pb2.LoadNetworkRequest(participants=participants, services=services)


def _participant(name: str, role: Role, **fields: Any) -> network_pb2.Participant:
    values: dict[str, Any] = {"active": True, "name_en": name.title(), **fields}
    return network_pb2.Participant(id=name, role=int(role), **values)  # type: ignore[arg-type]


def _biller(name: str, *heads: str) -> network_pb2.Participant:
    """One that never credits late, so that its services can release."""
    return _participant(name, Role.BILLER, heads=heads, never_credits_late=True)


def _centre(name: str) -> network_pb2.Participant:
    may = name not in PLAIN
    return _participant(name, Role.CENTRE, code=f"BAN/{name}", may_state_dues=may)


def _service(
    code: str,
    biller: str,
    heads: list[str],
    *,
    amount_rule: AmountRule = AmountRule.ANY,
    price_rule: PriceRule = PriceRule.STATED,
    mode: Mode = Mode.DIRECT,
    duplicate_rule: DuplicateRule = DuplicateRule.NONE,
    deadline_s: int = 3_600,
    deadline_policy: Policy = Policy.RELEASE,
) -> network_pb2.Service:
    once = duplicate_rule is DuplicateRule.ONCE
    values: dict[str, Any] = {
        "amount_rule": int(amount_rule),
        "price_rule": int(price_rule),
        "mode": int(mode),
        "duplicate_rule": int(duplicate_rule),
        "key_rule": int(KeyRule.BILL_ID) if once else 0,
        "deadline_s": deadline_s if mode is Mode.CONFIRMED else 0,
        "deadline_policy": int(deadline_policy),
        "letters": int(Letters.AS_THEY_ARE),
    }
    return network_pb2.Service(
        code=code, biller=biller, heads=heads, name_en=code, active=True, **values
    )


def load(peers: Peers, amount: int = TOPPED_UP) -> None:
    """Load the network and top up every centre's wallet."""
    peers.treasury.admin.LoadNetwork(network(), timeout=CALL_S)
    for name in (*CENTRES, *PLAIN):
        outcome = peers.treasury.top_up(name, amount)
        assert outcome.result == 1


_references = iter(range(1, 1 << 62))


def payment(service: str = "ANY", amount: int = 5 * RUPEE, **fields: Any) -> Any:
    """A payment with a fresh id and a fresh reference."""
    values: dict[str, Any] = {
        "id": new_id(),
        "reference": f"BILL-{next(_references)}",
        "operator": 1,
        **fields,
    }
    return payments_pb2.Payment(service=service, amount=amount, **values)


# --- errors ------------------------------------------------------------------------


class Failure:
    """What an RPC error says."""

    def __init__(self, error: grpc.RpcError) -> None:
        """Takes the details out of a call's error."""
        assert isinstance(error, grpc.Call)
        self.code: grpc.StatusCode = error.code()
        self.text: str = error.details()
        self.reason: str = ""
        self.outcome: str = ""
        self.field: str = ""
        self.fields: list[str] = []
        self.violations: list[str] = []
        self.retry_ms: int = 0
        self.budget: str = ""
        self.leader: str = ""
        status: status_pb2.Status | None = rpc_status.from_call(error)
        for detail in status.details if status else ():
            info = error_details_pb2.ErrorInfo()
            bad = error_details_pb2.BadRequest()
            retry = error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                assert info.domain == "payswitch"
                self.reason = info.reason
                self.outcome = info.metadata.get("outcome", "")
                self.field = info.metadata.get("field", "")
                self.budget = info.metadata.get("budget", "")
                self.leader = info.metadata.get("leader", "")
            elif detail.Unpack(bad):
                self.fields = [one.field for one in bad.field_violations]
                # A violation that names no field helps nobody.
                assert all(map(PATH.fullmatch, self.fields)), self.fields
                self.violations = [one.description for one in bad.field_violations]
            elif detail.Unpack(retry):
                self.retry_ms = retry.retry_delay.ToMilliseconds()


@contextmanager
def failing(code: grpc.StatusCode) -> Iterator[list[Failure]]:
    """The block must end with an RPC error of this code; its details are listed."""
    failures: list[Failure] = []
    try:
        yield failures
    except grpc.RpcError as error:
        failures.append(Failure(error))
    assert failures, "the call did not fail"
    assert failures[0].code == code, f"{failures[0].code}: {failures[0].text}"


def until(check: Any, timeout_s: float = 60.0) -> None:
    """Wait until `check()` is true."""
    end = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def figure(server: ServerProcess, name: str) -> float:
    """A figure without labels, as the server tells it."""
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as page:
        found = re.findall(
            rf"^payswitch_{name} (\S+)$", page.read().decode(), re.MULTILINE
        )
    return float(found[0]) if found else -1.0
