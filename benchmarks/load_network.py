"""The network that a load pays through over gRPC, and its books afterwards."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.messages import centre_code, service_code
from benchmarks.network import BILLERS, CENTRES, SERVICES, TOP_UP
from switch import calendar
from switch.client import Client
from switch.v1 import admin_pb2 as pb
from switch.v1 import network_pb2

SETTINGS = {
    "centre_holds_max": 1 << 20,
    **{
        f"budget.harness.{name}": 1_000_000
        for name in ("reads_per_s", "reads_at_once", "fetches_per_s", "fetches_at_once")
    },
    "budget.harness.payments_per_s": 10_000_000,
    "budget.harness.payments_at_once": 10_000_000,
}
"""Of the server: one wallet has most of the bills, and may hold them; the harness pays,
and asks, for all."""
INDEX_STEP_ROWS = 131_072
INDEX_WAIT_S = 60.0
SENDERS = 16
"""Top-ups and wallet reads under way at a time."""
ACCEPTED_MIN = 0.99
DEADLINE_S = 600
"""Of a bill that its biller must confirm."""
ALL = [centre_code(number) for number in range(CENTRES)]
"""The centres, unless a load has others, or only the first of these."""
BILLS_APART = 10**12
"""Bills of one run on a server: the next begins so many later."""

Figures = dict[str, object]
Pay = Callable[[float, int], Figures]
"""Pays at a rate (0: a closed loop); the number is of the run on this server."""


class LoadError(Exception):
    """The work was not done, so that there is no figure."""


def participants(centres: Sequence[str]) -> list[network_pb2.Participant]:
    """Offices, billers and centres. The harness is believed about its bills."""
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
    ]
    for number in range(BILLERS):
        biller = network_pb2.Participant(
            role=network_pb2.ROLE_BILLER, active=True, heads=[head(number)]
        )
        biller.id = f"biller-{number}"
        people.append(biller)
    people += [
        network_pb2.Participant(id=code, role=network_pb2.ROLE_CENTRE, active=True)
        for code in centres
    ]
    return people


def head(number: int) -> str:
    """A biller's only head of account."""
    return f"test:{number:04}"


def services(
    mode: network_pb2.ServiceMode.ValueType, *, quoted: bool = False
) -> list[network_pb2.Service]:
    """Services whose bills are paid once: by an amount rule, or `quoted`."""
    rule = network_pb2.AMOUNT_RULE_EXACT if quoted else network_pb2.AMOUNT_RULE_MIN_MAX
    price_rule = (
        network_pb2.PRICE_RULE_BILL if quoted else network_pb2.PRICE_RULE_UNSPECIFIED
    )
    is_confirmed = mode == network_pb2.SERVICE_MODE_CONFIRMED
    return [
        network_pb2.Service(
            code=service_code(number),
            biller=f"biller-{number % BILLERS}",
            heads=[head(number % BILLERS)],
            price_rule=price_rule,
            amount_rule=rule,
            amount_min=100,
            amount_max=10**9,
            mode=mode,
            deadline_s=DEADLINE_S if is_confirmed else 0,
            duplicate_rule=network_pb2.DUPLICATE_RULE_ONCE,
            key_rule=network_pb2.KEY_RULE_BILL_ID,
            active=True,
        )
        for number in range(SERVICES)
    ]


def load_network(
    treasury: Client,
    mode: network_pb2.ServiceMode.ValueType,
    *,
    quoted: bool = False,
    centres: Sequence[str] = ALL,
) -> None:
    """Register everybody and fill the wallets with more than they can spend."""
    treasury.load_network(participants(centres), services(mode, quoted=quoted))

    def credit(number: int) -> None:
        outcome = treasury.top_up(centres[number], TOP_UP, f"UTR{number:08}")
        if outcome.result != 1:
            raise LoadError(f"a top-up was refused with result {outcome.result}")

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(credit, range(len(centres))))


def wait_index(treasury: Client) -> float:
    """Seconds until the index is within one step of the journal."""
    start = time.monotonic()
    while time.monotonic() < start + INDEX_WAIT_S:
        ledger = treasury.ledger()
        if ledger.sequence - ledger.index_sequence <= INDEX_STEP_ROWS:
            return time.monotonic() - start
        time.sleep(0.005)
    raise LoadError(f"the index did not catch up within {INDEX_WAIT_S:.0f} s")


def first_bill(number: int) -> int:
    """Where the bills of a run on this server begin."""
    return 1 + number * BILLS_APART


@dataclass(frozen=True, slots=True)
class Work:
    """What the clients saw of all runs on a server."""

    payments: int
    accepted: int
    amount: int
    """Paise of the accepted ones."""
    entries: int
    """That the ledger must have of it."""
    day: str
    """When it began, IST."""


def work_of(runs: Sequence[Figures], day: str, entries_each: int) -> Work:
    """What the figures of all runs say; taken out of them.

    `entries_each`: of an accepted payment.
    """
    payments, accepted, amount = (
        sum(int(str(figures.pop(name))) for figures in runs)
        for name in ("all_payments", "all_accepted", "all_amount_paise")
    )
    entries = payments + (entries_each - 1) * accepted
    return Work(payments, accepted, amount, entries, day)


def check_books(
    treasury: Client, base: int, work: Work, centres: Sequence[str] = ALL
) -> None:
    """Hold what the clients saw against what the ledger has. Raises LoadError."""
    payments, accepted, amount = work.payments, work.accepted, work.amount
    if not payments or accepted < ACCEPTED_MIN * payments:
        raise LoadError(f"{accepted} of {payments} payments were accepted")
    accounts, sequence = treasury.accounts()
    if sequence != base + work.entries:
        raise LoadError(f"{payments} payments made {sequence - base} entries")
    if any(one.debits_pending or one.credits_pending for one in accounts):
        raise LoadError("money is held still")
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
        wallets = [reply.wallet for reply in pool.map(treasury.wallet, centres)]
    if sum(one.receipt for one in wallets) != accepted:
        raise LoadError("receipts are missing")
    if any(one.balance + one.day_amount > TOP_UP for one in wallets):
        raise LoadError("a wallet has more than it was given")
    # The counters of yesterday are gone if midnight has passed meanwhile.
    if work.day == today() and sum(one.day_count for one in wallets) != accepted:
        raise LoadError("daily counters do not agree with what was paid")


def today() -> str:
    """The IST date."""
    return calendar.ist_date(time.time_ns()).isoformat()
