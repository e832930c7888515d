"""Goal: a wallet's balance and statement are what its entries make them.

Method: a known history of one wallet, read in pages and at past sequences, and
compared with sums made here.
"""

import grpc
import pytest

from switch.v1 import results_pb2 as results
from switch.v1 import types_pb2 as types
from switch.v1 import wallets_pb2 as pb
from tests.server.harness import (
    CALL_S,
    RUPEE,
    TOPPED_UP,
    Peer,
    Peers,
    failing,
    payment,
)


def get(peer: Peer, centre: str = "", sequence: int = 0) -> pb.GetWalletResponse:
    request = pb.GetWalletRequest(centre=centre, sequence=sequence)
    return peer.wallets.GetWallet(request, timeout=CALL_S)


def statement(peer: Peer, size: int, centre: str = "") -> list[pb.StatementLine]:
    lines: list[pb.StatementLine] = []
    token = ""
    while True:
        request = pb.ListStatementRequest(
            centre=centre, page_size=size, page_token=token
        )
        page = peer.wallets.ListStatement(request, timeout=CALL_S)
        lines += page.lines
        token = page.next_page_token
        if not token:
            return lines
        assert len(page.lines) == size


@pytest.fixture(scope="module")
def history(peers: Peers) -> list[tuple[int, int]]:
    """(sequence, change) of centre-a, oldest first; the top-up before is not in it."""
    centre = peers.centre()
    changes = []
    for amount in range(1, 31):
        outcome = centre.pay(payment(amount=amount * RUPEE))
        changes.append((outcome.sequence, -amount * RUPEE))
    assert centre.pay(payment(amount=10**17)).result != results.RESULT_OK
    topped = peers.treasury.top_up("centre-a", 77 * RUPEE)
    assert topped.result == results.RESULT_OK
    changes.append((topped.sequence, 77 * RUPEE))
    return changes


def test_the_wallet_now(peers: Peers, history: list[tuple[int, int]]) -> None:
    wallet = get(peers.centre()).wallet
    balance = TOPPED_UP + sum(change for _, change in history)
    assert (wallet.centre, wallet.balance, wallet.pending) == ("centre-a", balance, 0)
    assert wallet.available == balance
    assert wallet.state == pb.ACCOUNT_STATE_OPEN
    assert wallet.day_count == 30
    assert wallet.day_amount == sum(range(1, 31)) * RUPEE
    assert wallet.receipt == 30
    assert len(wallet.day) == len("2026-03-16")
    for reader in (peers.treasury, peers.auditor, peers.harness):
        assert get(reader, "centre-a").wallet == wallet


def test_the_wallet_at_a_past_sequence(
    peers: Peers, history: list[tuple[int, int]]
) -> None:
    balance = TOPPED_UP
    for sequence, change in history:
        balance += change
        response = get(peers.centre(), sequence=sequence)
        assert response.as_of_sequence == sequence
        assert response.wallet.balance == balance
        assert response.wallet.available == balance


def test_a_sequence_that_is_not_there(peers: Peers) -> None:
    newest = get(peers.centre()).as_of_sequence
    with failing(grpc.StatusCode.NOT_FOUND):
        get(peers.centre(), sequence=newest + 1_000)
    with failing(grpc.StatusCode.NOT_FOUND):
        get(peers.centre(), sequence=1)


@pytest.mark.parametrize("size", [1, 7, 31, 1_000])
def test_statement_pages(
    peers: Peers, history: list[tuple[int, int]], size: int
) -> None:
    lines = statement(peers.centre(), size)
    assert [(one.entry.sequence, one.change) for one in lines[: len(history)]] == [
        *reversed(history)
    ]
    balance = 0
    for line in reversed(lines):
        balance += line.change
        assert line.balance == balance
        assert line.pending == 0
    assert balance == get(peers.centre()).wallet.balance
    assert lines[-1].entry.kind == types.ENTRY_KIND_TOP_UP
    assert lines == statement(peers.auditor, size, "centre-a")


def test_refunds_stand_in_the_statement(peers: Peers) -> None:
    centre = peers.centre("centre-b")
    paid = centre.pay(payment(amount=50 * RUPEE))
    peers.refund(paid.sequence, 20 * RUPEE)
    refund, payment_line, top_up = statement(centre, 10)
    assert refund.entry.kind == types.ENTRY_KIND_REFUND
    assert refund.entry.resolves == paid.sequence
    assert (refund.change, refund.balance) == (20 * RUPEE, TOPPED_UP - 30 * RUPEE)
    assert (payment_line.change, payment_line.balance) == (
        -50 * RUPEE,
        TOPPED_UP - 50 * RUPEE,
    )
    assert (top_up.change, top_up.balance) == (TOPPED_UP, TOPPED_UP)


def test_tokens_are_of_one_list(peers: Peers, history: list[tuple[int, int]]) -> None:
    def page(peer: Peer, token: str, size: int = 5) -> pb.ListStatementResponse:
        request = pb.ListStatementRequest(page_size=size, page_token=token)
        return peer.wallets.ListStatement(request, timeout=CALL_S)

    token = page(peers.centre(), "").next_page_token
    assert page(peers.centre(), token) == page(peers.centre(), token)
    for wrong in ("x", token[:-2], "!" + token, token + "AAAA"):
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            page(peers.centre(), wrong)
        assert failures[0].fields == ["page_token"]
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        page(peers.centre("centre-b"), token)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        page(peers.centre(), "", -1)


def test_a_foreign_wallet(peers: Peers) -> None:
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        get(peers.centre(), "centre-b")
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        statement(peers.centre(), 10, "centre-b")
    with failing(grpc.StatusCode.NOT_FOUND):
        get(peers.auditor, "nobody")
    with failing(grpc.StatusCode.NOT_FOUND):
        get(peers.auditor, "power")
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        get(peers.auditor)
