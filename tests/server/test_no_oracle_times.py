"""Goal: how long a refusal takes does not tell another's payment from none.

Method: 2,000 pairs of questions, one about a payment of another centre and one about
none, in the process itself, where a fraction of a microsecond can be seen; of each
question the shortest of a few times, so that what else the machine does falls out. What
a network adds at the very least is added to each time. A classifier learns on one half
of the pairs which of the two takes longer, and is judged on the other. A leak is what
three runs with payments of their own all show; one of 2 µs, planted, must be one.
"""

import base64
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.page_tokens import make_token, read_token
from server.services.counter import CounterService
from server.services.payments import PaymentService, find_payment
from server.services.receipts import get_receipt as get_receipt_of
from server.status import ArgumentError, NotFoundError
from switch._core import Request
from switch.codes import Role
from switch.ids import new_id
from switch.register.identity import Identity
from switch.v1 import counter_pb2 as pb
from switch.v1 import payments_pb2
from tests.server.harness import payment, until
from tests.server.inside import Inside, inside

pytestmark = pytest.mark.alone

PAIRS = 2_000
REPEATS = 7
"""Of one question, of which the shortest time counts."""
NETWORK_NS = 8_000
"""Between no network and this much is added to every time."""
RIGHT_MAX = 0.55
RUNS = 3
LEAK_NS = 2_000
STEP_ROWS = 1_024

Ask = Callable[[bytes], None]


def shortest(ask: Ask, about: bytes) -> int:
    """Nanoseconds until it was refused."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter_ns()
        try:
            ask(about)
        except NotFoundError:
            times.append(time.perf_counter_ns() - begun)
    assert len(times) == REPEATS
    return min(times)


def rightly_told(ask: Ask, foreign: list[bytes], missing: list[bytes]) -> float:
    """The share of pairs of which a classifier says rightly which is which."""
    chance = np.random.default_rng()
    differences = np.zeros(len(foreign))
    for at, (one, other) in enumerate(zip(foreign, missing, strict=True)):
        # Neither is always the first.
        if chance.integers(2):
            difference = shortest(ask, one) - shortest(ask, other)
        else:
            difference = -shortest(ask, other) + shortest(ask, one)
        differences[at] = difference
    differences += chance.uniform(0, NETWORK_NS, len(foreign))
    differences -= chance.uniform(0, NETWORK_NS, len(foreign))
    chance.shuffle(differences)
    learnt, judged = np.split(differences > 0, 2)
    return float((judged == (learnt.mean() > 0.5)).mean())


async def foreign_payments(
    one: Inside, operators: Iterable[int] = (1,) * PAIRS
) -> list[bytes]:
    """Ids of payments that a harness has made for another centre, by operators."""
    bills = [payment(centre="centre-b", operator=each) for each in operators]
    body = payments_pb2.CreatePaymentsRequest(payments=bills).SerializeToString()
    sender = one.node.register.find_participant("harness")
    assert sender is not None
    await one.node.commit(Request.payments(body, sender.index, 0))
    return [bill.id for bill in bills]


def caller(one: Inside) -> Identity:
    known = one.node.register.find_participant("centre-a")
    assert known is not None
    return Identity(Role.CENTRE, "centre-a", known.index)


async def leaks(one: Inside, ask: Ask) -> list[float]:
    """The shares of up to RUNS runs, up to the first that shows nothing."""
    shares: list[float] = []
    while len(shares) < RUNS and (not shares or shares[-1] > RIGHT_MAX):
        foreign = await foreign_payments(one)
        missing = [new_id() for _ in foreign]
        shares.append(rightly_told(ask, foreign, missing))
    return shares


def questions(one: Inside, by: Identity) -> dict[str, Ask]:
    """What each call that looks for a payment does before it has found it."""
    node = one.node
    payments = PaymentService(one.node)

    def get_payment(about: bytes) -> None:
        request = payments_pb2.GetPaymentRequest(id=about, sender="harness")
        wanted = payments.GetPayment(request, by)
        [row] = node.ledger.find_entries([wanted.key])
        wanted.then(row)

    def get_receipt(about: bytes) -> None:
        request = pb.GetReceiptRequest(id=about, sender="harness")
        get_receipt_of(node, request, by, lambda _: None)

    return {
        "find": lambda about: find_payment(node, about, "harness", by) and None,
        # WatchPayment looks by it, too.
        "GetPayment": get_payment,
        "GetReceipt": get_receipt,
    }


@pytest.mark.parametrize(
    ("question", "indexed"),
    [("find", False), ("find", True), ("GetPayment", False), ("GetReceipt", True)],
)
async def test_payments(tmp_path: Path, question: str, indexed: bool) -> None:
    options: dict[str, Any] = {"index_step_rows": STEP_ROWS} if indexed else {}
    async with inside(tmp_path, **options) as one:
        if indexed:
            await foreign_payments(one)
            until(lambda: one.ledger.index_sequence >= STEP_ROWS)
        shares = await leaks(one, questions(one, caller(one))[question])
        print("right:", shares)
        assert shares[-1] <= RIGHT_MAX, shares


async def test_a_leak_of_2_us_is_seen(tmp_path: Path) -> None:
    async with inside(tmp_path) as one:
        node, by = one.node, caller(one)
        sender = node.register.find_participant("harness")
        assert sender is not None

        def ask(about: bytes) -> None:
            end = time.perf_counter_ns() + LEAK_NS
            # As if one of the two had to be read for longer.
            if one.ledger.find(sender.index, about):
                while time.perf_counter_ns() < end:
                    pass
            find_payment(node, about, "harness", by)

        shares = await leaks(one, ask)
        print("right:", shares)
        assert len(shares) == RUNS
        assert shares[-1] > RIGHT_MAX, shares


def test_page_tokens() -> None:
    """One that was sealed for another, and one that was never sealed."""
    by = Identity(Role.CENTRE, "centre-a", 7)
    other = Identity(Role.CENTRE, "centre-b", 8)
    sealed: dict[bytes, str] = {}

    def ask(about: bytes) -> None:
        request = payments_pb2.ListPaymentsRequest(page_token=sealed[about])
        try:
            read_token(request, by)
        except ArgumentError as error:
            raise NotFoundError from error

    shares: list[float] = []
    while len(shares) < RUNS and (not shares or shares[-1] > RIGHT_MAX):
        foreign, missing = ([new_id() for _ in range(PAIRS)] for _ in range(2))
        for at, about in enumerate(foreign):
            asked = payments_pb2.ListPaymentsRequest()
            sealed[about] = make_token(asked, other, at + 1)
        for about in missing:
            sealed[about] = base64.urlsafe_b64encode(secrets.token_bytes(24)).decode()
        shares.append(rightly_told(ask, foreign, missing))
    print("right:", shares)
    assert shares[-1] <= RIGHT_MAX, shares


async def test_shifts(tmp_path: Path) -> None:
    async with inside(tmp_path) as one:
        counter = CounterService(one.node)
        wallet = one.node.register.find_wallet("centre-a")
        assert wallet is not None
        shares: list[float] = []
        first = 1
        while len(shares) < RUNS and (not shares or shares[-1] > RIGHT_MAX):
            foreign = []
            operators = range(first, first + PAIRS // 10)
            first = operators.stop
            # A shift has something in it.
            await foreign_payments(one, operators)
            for operator in operators:
                request = pb.CloseShiftRequest(
                    id=new_id(), centre="centre-b", operator=operator
                )
                body = await one.call("CloseShift", request, by="harness/harness")
                closed = pb.CloseShiftResponse.FromString(body)
                foreign.append(closed.shift.sequence)
            foreign *= 10
            newest = one.ledger.sequence
            asked = [at.to_bytes(8) for at in foreign]
            missing = [(newest + 1 + at).to_bytes(8) for at in range(len(asked))]

            def ask(about: bytes) -> None:
                counter._check_shift(int.from_bytes(about), wallet.index)

            shares.append(rightly_told(ask, asked, missing))
        print("right:", shares)
        assert shares[-1] <= RIGHT_MAX, shares
