"""The network that the benchmarks pay through, made straight in a ledger.

3,561 centres with a wallet each, 97 services of 40 billers, each with an amount
rule and a bill that is paid once; wallets are topped up with more than they can spend.
A harness pays for all centres. It may state what is due, which no sender of a real
network may: so payments need no quotation of their bill, unless it is this that is
measured.
"""

import time

import numpy as np
import numpy.typing as npt

from switch import _core as core
from switch.codes import (
    AccountKind,
    AmountRule,
    DuplicateRule,
    KeyRule,
    Kind,
    Letters,
    Mode,
    PriceRule,
    Record,
    Role,
    RowFlag,
)

CENTRES = 3561
BILLERS = 40
SERVICES = 97
FIRST_CENTRE = 3 + BILLERS
"""Participant index of centre 0, after the treasury, the harness and the billers."""
FIRST_SERVICE = 1
"""Index of service 0."""
TOP_UP = 10**15
"""Paise in each wallet, if there are not too many: more than any benchmark spends."""
FLOAT_MAX = 10**19
"""Paise in all of them: a total is 64 bits."""

Rows = npt.NDArray[np.void]


def text(value: bytes, size: int) -> npt.NDArray[np.uint8]:
    """A code or reference as the ledger keeps it, padded with zeros."""
    return np.frombuffer(value.ljust(size, b"\0"), np.uint8)


def rows_of(kind: Kind, first_id: int, count: int) -> Rows:
    """Row templates with ids of their own."""
    rows = np.zeros(count, core.ROW)
    rows["kind"] = kind
    numbers = np.arange(first_id, first_id + count, dtype=">u8")
    rows["id"][:, 8:] = numbers.view(np.uint8).reshape(count, 8)
    return rows


def top_up_of(centres: int) -> int:
    """Paise in each of so many wallets."""
    return min(TOP_UP, FLOAT_MAX // centres)


class Builder:
    """Commits requests and hands out ids."""

    def __init__(self, ledger: core.Ledger) -> None:
        self.ledger = ledger
        self.next_id = 1

    def commit(self, rows: Rows, tails: list[bytes]) -> Rows:
        """Commit templates, all of which must succeed."""
        rows["flags"] = int(RowFlag.TAIL) if tails else 0
        request = core.Request.rows(rows, tails)
        outcomes = self.ledger.commit([request], time.time_ns())[0]
        assert isinstance(outcomes, np.ndarray)
        assert (outcomes["result"] == 1).all(), outcomes["result"]
        return outcomes

    def make(self, kind: Kind, tails: list[bytes]) -> npt.NDArray[np.uint32]:
        """Register or open; give the indices."""
        rows = rows_of(kind, self.next_id, len(tails))
        self.next_id += len(tails)
        return self.commit(rows, tails)["index"].astype(np.uint32)


def participant(code: str, role: Role) -> bytes:
    """A participant's record; a harness is believed about what its bills come to."""
    record = np.zeros((), core.PARTICIPANT_RECORD)
    record["may_state_dues"] = role is Role.HARNESS
    record["record"] = Record.PARTICIPANT
    record["role"] = role
    record["active"] = 1
    record["may_state_dues"] = role is Role.HARNESS
    record["code"] = text(code.encode(), 32)
    return record.tobytes()


def account(owner: int, purpose: int, kind: AccountKind) -> bytes:
    """An account's record."""
    record = np.zeros((), core.ACCOUNT_RECORD)
    record["participant"] = owner
    record["purpose"] = purpose
    record["kind"] = kind
    return record.tobytes()


def service(number: int, biller: int, head: int, price_rule: PriceRule) -> bytes:
    """A service's record: each bill once; what its bill says, or from 1 rupee on."""
    is_billed = price_rule is PriceRule.BILL
    record = np.zeros((), core.SERVICE_RECORD)
    record["record"] = Record.SERVICE
    record["price_rule"] = price_rule
    record["amount_rule"] = AmountRule.EXACT if is_billed else AmountRule.MIN_MAX
    record["amount_min"] = 100
    record["amount_max"] = 10**9
    record["mode"] = Mode.DIRECT
    record["duplicate_rule"] = DuplicateRule.ONCE
    record["key_rule"] = KeyRule.BILL_ID
    record["active"] = 1
    record["heads_count"] = 1
    record["letters"] = Letters.AS_THEY_ARE
    record["code"] = text(f"S{number:04}".encode(), 16)
    record["biller"] = biller
    record["heads"][0] = head
    return record.tobytes()


def make_network(
    ledger: core.Ledger,
    centres: int = CENTRES,
    price_rule: PriceRule = PriceRule.STATED,
) -> tuple[int, int]:
    """Fill an empty ledger; give the harness's index and the first wallet's.

    Wallets, billers and services have consecutive indices. `price_rule`: of all
    services, STATED or BILL.
    """
    builder = Builder(ledger)
    people = [
        participant("treasury", Role.TREASURY),
        participant("harness", Role.HARNESS),
    ]
    people += [participant(f"biller-{i}", Role.BILLER) for i in range(BILLERS)]
    treasury, harness, *billers = builder.make(Kind.REGISTER, people).tolist()
    first_centre = 0
    for start in range(0, centres, core.GROUP_MAX):
        names = [
            participant(f"bsk-{i:05}", Role.CENTRE)
            for i in range(start, min(start + core.GROUP_MAX, centres))
        ]
        made = builder.make(Kind.REGISTER, names)
        first_centre = first_centre or int(made[0])
    assert first_centre == FIRST_CENTRE
    kinds = (AccountKind.FLOAT, AccountKind.SUSPENSE, AccountKind.SETTLEMENT)
    own = [account(treasury, purpose, kind) for purpose, kind in enumerate(kinds)]
    own += [account(biller, 0, AccountKind.BILLER) for biller in billers]
    float_, _, _, *heads = builder.make(Kind.OPEN, own).tolist()
    first_wallet = 0
    for start in range(0, centres, core.GROUP_MAX):
        stop = min(start + core.GROUP_MAX, centres)
        tails = [
            account(first_centre + i, 0, AccountKind.WALLET) for i in range(start, stop)
        ]
        wallets = builder.make(Kind.OPEN, tails)
        first_wallet = first_wallet or int(wallets[0])
        rows = rows_of(Kind.TOP_UP, builder.next_id, stop - start)
        builder.next_id += stop - start
        rows["debit"] = float_
        rows["credit"] = wallets
        rows["amount"] = top_up_of(centres)
        utrs = b"".join((b"UTR%08d" % i).ljust(32, b"\0") for i in range(start, stop))
        rows["reference"] = np.frombuffer(utrs, np.uint8).reshape(-1, 32)
        builder.commit(rows, [])
    tails = [
        service(number, billers[number % BILLERS], heads[number % BILLERS], price_rule)
        for number in range(SERVICES)
    ]
    assert builder.make(Kind.REGISTER, tails)[0] == FIRST_SERVICE
    return harness, first_wallet


def payment_rows(
    rng: np.random.Generator,
    first: int,
    count: int,
    ids: str,
    harness: int,
    wallets: npt.NDArray[np.uint32],
) -> Rows:
    """`count` payments, each with an id and a bill of its own, and with what is due.

    `ids`: "ordered" (time-ordered, as UUIDv7) or "random". Wallets uniform, services by
    a Zipf choice as the network's own.
    """
    rows = np.zeros(count, core.ROW)
    rows["kind"] = Kind.PAY
    rows["participant"] = harness
    numbers = np.arange(first, first + count, dtype=np.uint64)
    low = rng.integers(1, 2**63, count, dtype=np.uint64)
    high = (
        numbers << np.uint64(16)
        if ids == "ordered"
        else rng.integers(0, 2**63, count, dtype=np.uint64)
    )
    identities = np.empty((count, 2), ">u8")
    identities[:, 0] = high
    identities[:, 1] = low
    rows["id"] = identities.view(np.uint8).reshape(count, 16)
    rows["amount"] = rng.integers(100, 200_000, count, dtype=np.uint64)
    # Where the amount due stands in a row template; asked for with bills only.
    rows["total"] = rows["amount"]
    rows["debit"] = wallets[rng.integers(0, len(wallets), count)]
    weights = 1.0 / np.arange(1, SERVICES + 1)
    rows["service"] = FIRST_SERVICE + rng.choice(
        SERVICES, count, p=weights / weights.sum()
    )
    # The bill: fifteen digits, all different.
    digits = numbers.copy()
    for place in range(15):
        rows["reference"][:, 14 - place] = 48 + (digits % np.uint64(10)).astype(
            np.uint8
        )
        digits //= np.uint64(10)
    rows["operator_"] = 1 + numbers % np.uint64(2)
    return rows
