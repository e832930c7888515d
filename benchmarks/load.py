"""What: payments through gRPC with mutual TLS, durable, index caught up, books checked.

    python -m benchmarks.load --mode batch --seconds 10 --json

Starts `python -m server` on a fresh directory, loads 3,561 centres and 97 services,
and pays from another process with a harness's certificate:

    unary    CreatePayment, one payment a call
    batch    CreatePayments, 8,190 payments a call
    stream   StreamPayments, one payment a message, answers coalesced by the server

Every payment has a distinct id and a distinct bill, and passes a service's amount rule,
a claim, the centre's daily counters and a receipt. A payment counts when its durable
answer has come. Counted in the time: the wait for the index at the end. Not counted:
starting, loading the network, the warm-up, checking the books.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.messages import centre_code, service_code
from benchmarks.network import BILLERS, CENTRES, SERVICES, TOP_UP
from switch import calendar
from switch.client import Client
from switch.codes import Role
from switch.day_server import ServerProcess
from switch.errors import SwitchError
from switch.identity import DevAuthority
from switch.v1 import admin_pb2 as pb

SECONDS_MAX = 3600
LOG_LINES = 40
"""Of the server's log, shown when there is no figure."""
READY_S = 30.0
START_S = 60.0
"""What the client process may take beside warm-up, measurement and the last answers."""
INDEX_STEP_ROWS = 65_536
INDEX_WAIT_S = 60.0
SENDERS = 16
"""Top-ups and wallet reads under way at a time."""
ACCEPTED_MIN = 0.99

# Connections, messages (of a stream: payments) without an answer on each, and payments
# a message.
DEFAULTS = {"unary": (4, 100, 1), "batch": (2, 2, 8190), "stream": (4, 500, 1)}


class LoadError(Exception):
    """The work was not done, so that there is no figure."""


def participants() -> list[pb.Participant]:
    """Offices, billers and centres."""
    people = [
        pb.Participant(id="treasury", role=pb.ROLE_TREASURY, active=True),
        pb.Participant(id="harness", role=pb.ROLE_HARNESS, active=True),
    ]
    for number in range(BILLERS):
        biller = pb.Participant(role=pb.ROLE_BILLER, active=True, heads=[head(number)])
        biller.id = f"biller-{number}"
        people.append(biller)
    people += [
        pb.Participant(id=centre_code(number), role=pb.ROLE_CENTRE, active=True)
        for number in range(CENTRES)
    ]
    return people


def head(number: int) -> str:
    """A biller's only head of account."""
    return f"test:{number:04}"


def services() -> list[pb.Service]:
    """Services with an amount rule, whose bills are paid once."""
    return [
        pb.Service(
            code=service_code(number),
            biller=f"biller-{number % BILLERS}",
            heads=[head(number % BILLERS)],
            amount_rule=pb.AMOUNT_RULE_MIN_MAX,
            amount_min=100,
            amount_max=10**9,
            mode=pb.SERVICE_MODE_DIRECT,
            duplicate_rule=pb.DUPLICATE_RULE_ONCE,
            key_rule=pb.KEY_RULE_BILL_ID,
            active=True,
        )
        for number in range(SERVICES)
    ]


def load_network(treasury: Client) -> None:
    """Register everybody and fill the wallets with more than they can spend."""
    treasury.load_network(participants(), services())

    def credit(number: int) -> None:
        outcome = treasury.top_up(centre_code(number), TOP_UP, f"UTR{number:08}")
        if outcome.result != 1:
            raise LoadError(f"a top-up was refused with result {outcome.result}")

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(credit, range(CENTRES)))


def pay(options: argparse.Namespace, server: ServerProcess) -> dict[str, object]:
    """Run the client's process; give its figures. Raises LoadError."""
    command = [sys.executable, "-m", "benchmarks.client_process"]
    command += ["--address", server.address, "--tls", str(server.tls)]
    command += ["--server-pid", str(server.pid), "--warm-up", str(options.warm_up)]
    for name in ("mode", "seconds", "connections", "outstanding", "payload", "ids"):
        command += [f"--{name}", str(getattr(options, name))]
    limit_s = options.warm_up + options.seconds + START_S
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"the client did not end within {limit_s:.0f} s") from error
    if done.returncode != 0:
        raise LoadError(f"the client ended with exit code {done.returncode}")
    figures: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return figures


def wait_index(treasury: Client) -> float:
    """Seconds until the index is within one step of the journal."""
    start = time.monotonic()
    while time.monotonic() < start + INDEX_WAIT_S:
        ledger = treasury.ledger()
        if ledger.sequence - ledger.index_sequence <= INDEX_STEP_ROWS:
            return time.monotonic() - start
        time.sleep(0.005)
    raise LoadError(f"the index did not catch up within {INDEX_WAIT_S:.0f} s")


def check_books(
    treasury: Client, base: int, payments: int, accepted: int, amount: int, day: str
) -> None:
    """Hold what the client saw against what the ledger has. Raises LoadError."""
    if not payments or accepted < ACCEPTED_MIN * payments:
        raise LoadError(f"{accepted} of {payments} payments were accepted")
    accounts, sequence = treasury.accounts()
    if sequence != base + payments:
        raise LoadError(f"{payments} payments made {sequence - base} entries")
    spent = sum(
        one.debits_posted for one in accounts if one.kind == pb.ACCOUNT_KIND_WALLET
    )
    got = sum(
        one.credits_posted for one in accounts if one.kind == pb.ACCOUNT_KIND_BILLER
    )
    if not spent == got == amount:
        raise LoadError(f"wallets spent {spent}, billers got {got}, sent was {amount}")
    debits = sum(one.debits_posted for one in accounts)
    if debits != sum(one.credits_posted for one in accounts):
        raise LoadError("debits and credits differ")
    with ThreadPoolExecutor(SENDERS) as pool:
        codes = [centre_code(number) for number in range(CENTRES)]
        wallets = [reply.wallet for reply in pool.map(treasury.wallet, codes)]
    if sum(one.receipt for one in wallets) != accepted:
        raise LoadError("receipts are missing")
    if any(one.balance + one.day_amount > TOP_UP for one in wallets):
        raise LoadError("a wallet has more than it was given")
    # The counters of yesterday are gone if midnight has passed meanwhile.
    if day == today() and sum(one.day_count for one in wallets) != accepted:
        raise LoadError("daily counters do not agree with what was paid")


def today() -> str:
    """The IST date."""
    return calendar.ist_date(time.time_ns()).isoformat()


def measure(options: argparse.Namespace, directory: Path) -> dict[str, object]:
    """One run on a fresh ledger. Raises LoadError."""
    with ServerProcess(directory, 0) as server:
        authority = DevAuthority(server.tls)
        authority.leaf(Role.HARNESS, "harness")
        credentials = authority.leaf(Role.TREASURY, "treasury")
        with Client(server.address, credentials) as treasury:
            treasury.wait_ready(READY_S)
            load_network(treasury)
            base = treasury.ledger().sequence
            day = today()
            figures = pay(options, server)
            index_wait_s = wait_index(treasury)
            payments = int(str(figures.pop("all_payments")))
            accepted = int(str(figures.pop("all_accepted")))
            amount = int(str(figures.pop("all_amount_paise")))
            check_books(treasury, base, payments, accepted, amount, day)
    measured = int(str(figures["payments"]))
    seconds = float(str(figures["seconds"])) + index_wait_s
    return {
        "mode": options.mode,
        "payments_per_s": round(measured / seconds),
        **figures,
        "index_wait_s": round(index_wait_s, 3),
        "connections": options.connections,
        "outstanding": options.outstanding,
        "payload": options.payload,
        "ids": options.ids,
        "machine": machine(),
    }


def log_tail(directory: Path) -> str:
    """The end of the server's log, which goes with the directory."""
    log = directory / "server.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-LOG_LINES:])


def parse() -> argparse.Namespace:
    """The command line, with the mode's defaults filled in."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", choices=sorted(DEFAULTS), default="batch")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before")
    parser.add_argument("--connections", type=int)
    parser.add_argument(
        "--outstanding",
        type=int,
        help="messages without an answer on each connection; payments for a stream",
    )
    parser.add_argument("--payload", type=int, help="payments in a message")
    parser.add_argument("--ids", choices=("ordered", "random"), default="random")
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if not 0 < options.seconds <= SECONDS_MAX or not 0 <= options.warm_up <= 60:
        parser.error(f"--seconds is at most {SECONDS_MAX}, --warm-up at most 60")
    names = ("connections", "outstanding", "payload")
    for name, default in zip(names, DEFAULTS[options.mode], strict=True):
        if getattr(options, name) is None:
            setattr(options, name, default)
        if getattr(options, name) < 1:
            parser.error(f"--{name} is at least 1")
    if options.payload > 8190 or (options.mode == "unary" and options.payload != 1):
        parser.error("--payload is 1 to 8190; a unary call pays 1")
    if options.mode == "stream" and options.outstanding < options.payload:
        parser.error("--outstanding is at least one message")
    return options


def main() -> int:
    """Run once; 1 if the work was not done."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = tempfile.mkdtemp(prefix="load-bench-", dir=options.directory)
    try:
        result = measure(options, Path(directory))
    except (LoadError, SwitchError) as error:
        print(f"no figure: {error}\n{log_tail(Path(directory))}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(directory)
    if not options.json:
        for name, value in result.items():
            print(f"{name:28}{value}", file=sys.stderr)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
