"""Goal: who has too little in a wallet is told once, by name and moment: the treasury
of all, a centre of its own; what rises and falls again is another event.

Method: a real server; wallets are paid out of and topped up, and a poller that keeps
nothing but the last `as_of_sequence` is compared with what was done.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from switch.client.calls import CallError
from switch.codes import NO_AMOUNT_LIMIT, NO_COUNT_LIMIT, Role
from switch.specs import Specs
from switch.v1 import people_pb2 as pb
from switch.v1 import wallets_pb2
from tests.server.council import CENTRES, Council, payable, sitting, top_up
from tests.server.harness import RUPEE, figure, until
from tests.server.test_owed import pay

A, B = CENTRES[:2]
LOW = 100 * RUPEE


def limit(centre: str, low: int, **more: int) -> pb.Wish:
    return pb.Wish(limit=pb.LimitWish(centre=centre, low_balance=low, **more))


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000", "--set", "metrics.cases_s=1")
    with sitting(tmp_path_factory.mktemp("low"), *arguments) as found:
        found.load(payable())
        found.done(top_up(200 * RUPEE, A))
        yield found


def test_a_network_says_what_is_low(council: Council) -> None:
    specs = payable()
    low = [replace(one, low_balance=9) for one in specs.participants if one.id == B]
    assert council.load(Specs(tuple(low), ())) == 1
    assert council.client().wallet(B).wallet.low_balance == 9
    assert council.load(Specs(tuple(low), ())) == 0
    assert council.load(specs) == 1


def test_nobody_is_low_who_need_have_nothing(council: Council) -> None:
    assert council.client().low_balances()[0] == []
    wallet = council.client().wallet(B).wallet
    assert (wallet.low_balance, wallet.low_since_sequence) == (0, 0)


def test_each_crossing_is_told_once(council: Council) -> None:
    client = council.client()
    told: list[tuple[str, int]] = []
    asked = 0

    def poll() -> list[tuple[str, int]]:
        nonlocal asked
        found, asked = client.low_balances(after_sequence=asked)
        new = [(one.centre, one.low_since_sequence) for one in found]
        told.extend(new)
        return new

    council.done(limit(A, LOW), limit(B, LOW))
    # The empty one is low at once, by the limit's own entry.
    [(centre, since)] = poll()
    assert centre == B
    entry = client.wallet(B).wallet
    assert (entry.low_since_sequence, entry.low_balance) == (since, LOW)
    assert poll() == []

    assert pay(council, 99 * RUPEE, "LOW-1") == "OK"
    assert poll() == []
    assert pay(council, 2 * RUPEE, "LOW-2") == "OK"
    [(centre, since)] = poll()
    assert centre == A
    assert pay(council, 5 * RUPEE, "LOW-3") == "OK"
    assert poll() == []
    found, _ = client.low_balances()
    assert [one.centre for one in found] == [B, A]
    assert found[1].low_since_sequence == since
    assert (found[1].available, found[1].low_balance) == (94 * RUPEE, LOW)
    [paid] = [one for one in client.payments(A) if one.sequence == since]
    assert found[1].low_since_ns == paid.time_ns
    until(lambda: figure(council.server, "wallets_low") == 2)

    council.done(top_up(6 * RUPEE, A))
    assert client.wallet(A).wallet.low_since_sequence == 0
    assert [one.centre for one in client.low_balances()[0]] == [B]
    assert poll() == []
    assert pay(council, RUPEE, "LOW-4") == "OK"
    [(centre, again)] = poll()
    assert centre == A
    assert again > since
    assert len(set(told)) == len(told) == 3


def test_what_a_limit_leaves_out_stays(council: Council) -> None:
    centre, names = CENTRES[3], ("payment_max", "day_count_max", "low_balance")
    no_amount, no_count = NO_AMOUNT_LIMIT, NO_COUNT_LIMIT

    def limits() -> list[int]:
        wallet = council.client().wallet(centre).wallet
        return [getattr(wallet, name) for name in names]

    council.done(limit(centre, 7, payment_max=500))
    assert limits() == [500, no_count, 7]
    council.done(pb.Wish(limit=pb.LimitWish(centre=centre, day_count_max=9)))
    assert limits() == [500, 9, 7]
    council.done(limit(centre, 0, payment_max=0))
    assert limits() == [no_amount, 9, 0]
    council.done(pb.Wish(limit=pb.LimitWish(centre=centre, day_count_max=0)))
    assert limits() == [no_amount, no_count, 0]
    client = council.client()
    for nothing in (
        pb.Wish(limit=pb.LimitWish(centre=centre)),
        limit(centre, 0, day_count_max=no_count, payment_max=no_amount),
    ):
        told = client.prepare(pb.PrepareRequest(wishes=[nothing], reason="none"))
        assert (len(told.lines), told.already_count) == (0, 1)
    twice = [limit(centre, 3), limit(centre, 4)]
    with pytest.raises(CallError, match="of this one it does already"):
        client.prepare(pb.PrepareRequest(wishes=twice, reason="twice"))


def test_a_centre_sees_its_own_alone(council: Council) -> None:
    own = council.client(A, Role.CENTRE)
    found, _ = own.low_balances()
    assert [one.centre for one in found] == [A]
    assert own.low_balances(A) == own.low_balances()
    assert own.low_balances(after_sequence=found[0].low_since_sequence)[0] == []
    with pytest.raises(CallError, match="own wallet"):
        own.low_balances(B)
    for office in (council.client(), council.client("auditor", Role.AUDITOR)):
        assert [one.centre for one in office.low_balances(B)[0]] == [B]
    with pytest.raises(CallError, match="may not call"):
        council.client("harness", Role.HARNESS).low_balances()


def test_page_by_page(council: Council) -> None:
    council.done(*(limit(centre, LOW) for centre in CENTRES[2:]))
    whole, _ = council.client().low_balances()
    assert len(whole) == len(CENTRES)
    request = wallets_pb2.ListLowBalancesRequest(page_size=2)
    found: list[wallets_pb2.LowBalance] = []
    while True:
        page = council.client()._wallets.ListLowBalances(request)
        assert len(page.wallets) <= 2
        found += page.wallets
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert found == whole


def test_what_a_limit_says_is_kept_and_ended(council: Council, tmp_path: Path) -> None:
    client = council.client()
    council.done(limit(B, LOW, payment_max=7))
    wallet = client.wallet(B).wallet
    assert (wallet.low_balance, wallet.payment_max) == (LOW, 7)
    made = client.prepare(
        pb.PrepareRequest(wishes=[limit(B, LOW, payment_max=7)], reason="again")
    )
    assert (made.row, made.already_count) == (None, 1)
    # What is left out has none.
    council.done(limit(B, 0, payment_max=7))
    wallet = client.wallet(B).wallet
    assert (wallet.low_balance, wallet.low_since_sequence) == (0, 0)
    assert B not in {one.centre for one in client.low_balances()[0]}
    with pytest.raises(CallError, match="at most"):
        client.prepare(
            pb.PrepareRequest(wishes=[limit(B, 10**18 + 1)], reason="too much")
        )
    low = client.low_balances()
    council.restart()
    assert council.client().low_balances()[0] == low[0]
