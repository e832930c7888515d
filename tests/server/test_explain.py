"""Goal: each figure of an account, a window and a day is explained by entries that can
be listed, at any past entry or time, and to those alone whose it is.

Method: a story of a wallet, heads, suspense, a window and its settlement, told by hand;
asked for in pages, by entry and by time. That the figures are what any rows make them
is tests/ledger/test_explained.py.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import grpc
import pytest

from server.budgets import cost_of
from switch.calendar import ist_date
from switch.codes import Role
from switch.ids import new_id
from switch.ledger import explained
from switch.v1 import admin_pb2, types_pb2, wallets_pb2
from switch.v1 import explain_pb2 as pb
from switch.v1 import results_pb2 as results
from tests import forked
from tests.server.harness import (
    CALL_S,
    RUPEE,
    TOPPED_UP,
    Peer,
    Peers,
    ServerProcess,
    failing,
    payment,
)

PAY, HOLD = types_pb2.ENTRY_KIND_PAY, types_pb2.ENTRY_KIND_HOLD
REFUND, TOP_UP = types_pb2.ENTRY_KIND_REFUND, types_pb2.ENTRY_KIND_TOP_UP
TRANSFER, SETTLE = types_pb2.ENTRY_KIND_TRANSFER, types_pb2.ENTRY_KIND_SETTLE
OUT, IN = pb.SIDE_DEBIT, pb.SIDE_CREDIT
DENIED = grpc.StatusCode.PERMISSION_DENIED
NOT_FOUND = grpc.StatusCode.NOT_FOUND
WRONG = grpc.StatusCode.INVALID_ARGUMENT


class Story(NamedTuple):
    """Sequences of what was done."""

    topped_up: int
    paid: list[int]
    refunded: int
    held: int
    lent: int
    window: int
    settled: int
    late: int
    """A payment after the window."""


@pytest.fixture(scope="module")
def story(peers: Peers) -> Story:
    centre, treasury = peers.centre(), peers.treasury
    topped_up = treasury.top_up("centre-a", 5 * RUPEE).sequence
    paid = [
        centre.pay(payment("ANY", amount=amount * RUPEE)).sequence
        for amount in (1, 2, 3)
    ]
    assert centre.pay(payment(amount=10**17)).result != results.RESULT_OK
    refunded = peers.refund(paid[2], RUPEE).sequence
    held = centre.pay(payment("CONFIRM", amount=7 * RUPEE)).sequence
    request = admin_pb2.FundSuspenseRequest(
        id=new_id(), amount=9 * RUPEE, reason="for advances"
    )
    lent = treasury.admin.FundSuspense(request, timeout=CALL_S).outcome.sequence
    closing = admin_pb2.CloseWindowRequest()
    window = treasury.admin.CloseWindow(closing, timeout=CALL_S).outcome.sequence
    settling = admin_pb2.SettleRequest(
        id=new_id(), window=window, biller="land", head="0029-01", amount=5 * RUPEE
    )
    settled = treasury.admin.Settle(settling, timeout=CALL_S).outcome
    assert settled.result == results.RESULT_OK
    late = centre.pay(payment("ANY", amount=4 * RUPEE)).sequence
    return Story(topped_up, paid, refunded, held, lent, window, settled.sequence, late)


def account(peer: Peer, *name: str, **fields: Any) -> pb.ExplainAccountResponse:
    """One page; the name is owner and head."""
    names: dict[str, Any] = dict(zip(("participant", "head"), name, strict=False))
    request = pb.ExplainAccountRequest(**names, **fields)
    return peer.explain.ExplainAccount(request, timeout=CALL_S)


def moved(found: Any) -> dict[tuple[int, int], tuple[int, ...]]:
    """Kind and side → how many, and paise posted, reserved, released."""
    return {
        (one.kind, one.side): (one.count, one.posted, one.reserved, one.released)
        for one in found.movements
    }


def in_pages(peer: Peer, size: int, **fields: Any) -> dict[Any, tuple[int, ...]]:
    """The movements of all pages of a caller's own account, added up."""
    sums: dict[Any, tuple[int, ...]] = {}
    request = pb.ExplainAccountRequest(page_size=size, **fields)
    while True:
        page = peer.explain.ExplainAccount(request, timeout=CALL_S)
        for key, values in moved(page).items():
            pairs = zip(sums.get(key, (0,) * 4), values, strict=True)
            sums[key] = tuple(a + b for a, b in pairs)
        # What is not of the page's own entries is on the first alone.
        assert bool(page.open_holds) == (not request.page_token)
        request.page_token = page.next_page_token
        if not request.page_token:
            return sums


def rows(peer: Peer, *name: str, **fields: Any) -> list[int]:
    """The sequences on all pages."""
    names: dict[str, Any] = dict(zip(("participant", "head"), name, strict=False))
    request = pb.ListMovementsRequest(**names, **fields)
    found: list[int] = []
    while True:
        page = peer.explain.ListMovements(request, timeout=CALL_S)
        found += [one.sequence for one in page.entries]
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def time_of(peers: Peers, sequence: int) -> int:
    [entry] = peers.auditor.explain.ListMovements(
        pb.ListMovementsRequest(after_sequence=sequence - 1, sequence=sequence),
        timeout=CALL_S,
    ).entries
    return entry.time_ns


# --- an account ----------------------------------------------------------------------


def test_a_wallet(peers: Peers, story: Story) -> None:
    found = account(peers.centre())
    assert (found.participant, found.head) == ("centre-a", "")
    assert found.kind == admin_pb2.ACCOUNT_KIND_WALLET
    assert moved(found) == {
        (PAY, OUT): (4, 10 * RUPEE, 0, 0),
        (HOLD, OUT): (1, 0, 7 * RUPEE, 0),
        (REFUND, IN): (1, RUPEE, 0, 0),
        (TOP_UP, IN): (2, TOPPED_UP + 5 * RUPEE, 0, 0),
    }
    assert found.opening == pb.Totals()
    assert found.closing == pb.Totals(
        debits_pending=7 * RUPEE,
        debits_posted=10 * RUPEE,
        credits_posted=TOPPED_UP + 6 * RUPEE,
    )
    assert [one.sequence for one in found.open_holds] == [story.held]
    assert not found.open_holds_cut
    assert not found.HasField("settlement")
    for size in (1, 3, 8, 9):
        assert in_pages(peers.centre(), size) == moved(found)
    for reader in (peers.treasury, peers.auditor, peers.harness):
        assert moved(account(reader, "centre-a")) == moved(found)


def test_between_two_entries_and_two_times(peers: Peers, story: Story) -> None:
    first, last = story.paid[0], story.held - 1
    by_entry = account(peers.centre(), after_sequence=first, sequence=last)
    assert moved(by_entry) == {
        (PAY, OUT): (2, 5 * RUPEE, 0, 0),
        (REFUND, IN): (1, RUPEE, 0, 0),
    }
    assert by_entry.opening.debits_posted == RUPEE
    assert by_entry.closing.debits_posted == 6 * RUPEE
    assert not by_entry.open_holds
    # At the very nanosecond of an entry it counts, and right before it does not.
    by_time = account(
        peers.centre(),
        after_time_ns=time_of(peers, first),
        time_ns=time_of(peers, story.held) - 1,
    )
    assert by_time == by_entry
    before = account(peers.centre(), time_ns=time_of(peers, first) - 1)
    assert (PAY, OUT) not in moved(before)
    since = account(peers.centre(), after_time_ns=1)
    assert moved(since) == moved(account(peers.centre()))


def test_the_holds_of_then(peers: Peers, story: Story) -> None:
    open_then = {"kind": HOLD, "open_only": True}
    assert rows(peers.centre(), **open_then) == [story.held]
    assert rows(peers.centre(), sequence=story.held - 1, **open_then) == []
    power = account(peers.biller(), head="0801-02")
    assert [one.sequence for one in power.open_holds] == [story.held]
    assert power.closing.credits_pending == 7 * RUPEE


def test_a_head_and_its_settlement(peers: Peers, story: Story) -> None:
    found = account(peers.biller("land"), "land", "0029-01")
    assert moved(found) == {
        (PAY, IN): (4, 10 * RUPEE, 0, 0),
        (REFUND, OUT): (1, RUPEE, 0, 0),
        (SETTLE, OUT): (1, 5 * RUPEE, 0, 0),
    }
    assert found.settlement == pb.Settlement(
        window=story.window,
        payable=5 * RUPEE,
        settled_sequence=story.settled,
        credits=4 * RUPEE,
    )
    at_window = account(peers.auditor, "land", "0029-01", sequence=story.window)
    assert at_window.settlement == pb.Settlement(window=story.window, payable=5 * RUPEE)
    before = account(peers.auditor, "land", "0029-01", sequence=story.window - 1)
    assert before.settlement == pb.Settlement(debits=RUPEE, credits=6 * RUPEE)


def test_the_treasury_s_accounts(peers: Peers, story: Story) -> None:
    for name in (("", "float"), ("treasury", "float")):
        found = account(peers.auditor, *name)
        assert (found.participant, found.head) == ("treasury", "float")
        assert found.kind == admin_pb2.ACCOUNT_KIND_FLOAT
        assert moved(found)[TRANSFER, OUT] == (1, 9 * RUPEE, 0, 0)
    suspense = account(peers.treasury, "", "suspense")
    assert moved(suspense) == {(TRANSFER, IN): (1, 9 * RUPEE, 0, 0)}
    settlement = account(peers.treasury, "", "settlement")
    assert moved(settlement) == {(SETTLE, IN): (1, 5 * RUPEE, 0, 0)}
    assert rows(peers.treasury, "", "suspense") == [story.lent]


def test_the_rows_behind_a_figure(peers: Peers, story: Story) -> None:
    paid = [story.late, *reversed(story.paid)]
    for size in (1, 3, 0):
        assert rows(peers.centre(), kind=PAY, side=OUT, page_size=size) == paid
    assert rows(peers.centre(), kind=PAY, side=IN) == []
    assert rows(peers.centre(), side=IN)[:2] == [story.refunded, story.topped_up]
    assert rows(peers.centre(), kind=REFUND) == [story.refunded]
    spanned = rows(
        peers.centre(), after_sequence=story.paid[0], sequence=story.refunded
    )
    assert spanned == [story.refunded, *reversed(story.paid[1:])]
    # Of the whole ledger, which is for offices.
    assert set(rows(peers.auditor, kind=PAY)) >= set(paid)
    assert rows(peers.treasury, kind=SETTLE) == [story.settled]


def test_the_chain(peers: Peers, story: Story) -> None:
    chain = account(peers.auditor, "", "float", sequence=story.window).chain
    assert chain.sequence == story.window
    assert 0 < chain.first_sequence <= story.window
    assert story.window < chain.first_sequence + chain.entries_count
    assert chain.chunk > 1
    again = account(peers.centre(), sequence=story.window).chain
    assert again == chain


# --- a window and a day --------------------------------------------------------------


def test_a_window(peers: Peers, story: Story) -> None:
    request = pb.ExplainWindowRequest(window=story.window)
    found = peers.auditor.explain.ExplainWindow(request, timeout=CALL_S)
    assert found.window.sequence == story.window
    assert found.window.kind == types_pb2.ENTRY_KIND_WINDOW
    assert found.after_sequence == 0
    [line] = found.lines
    assert line.line == admin_pb2.WindowLine(
        biller="land",
        head="0029-01",
        debits=RUPEE,
        credits=6 * RUPEE,
        payable=5 * RUPEE,
    )
    assert line.settled_sequence == story.settled
    assert line.settled_time_ns == time_of(peers, story.settled)
    sums = (found.lines_count, found.debits, found.credits, found.carried)
    assert sums == (1, RUPEE, 6 * RUPEE, 0)
    assert (found.payable, found.settled) == (5 * RUPEE, 5 * RUPEE)
    assert found.chain.sequence == story.window
    # What the line counts is what the account explains between both windows.
    both = account(
        peers.auditor,
        *("land", "0029-01"),
        after_sequence=found.after_sequence,
        sequence=story.window,
    )
    counted = moved(both)
    assert counted[PAY, IN][1] == line.line.credits
    assert counted[REFUND, OUT][1] == line.line.debits
    for wrong in (story.late, 10**9, 0):
        with failing(NOT_FOUND):
            request = pb.ExplainWindowRequest(window=wrong)
            peers.auditor.explain.ExplainWindow(request, timeout=CALL_S)


def test_a_day(peers: Peers, story: Story) -> None:
    # The story may lie across midnight: then its days add up to it.
    times = (time_of(peers, one) for one in (story.topped_up, story.late))
    request = pb.ExplainDayRequest()
    found = pb.ExplainDayResponse()
    days: dict[Any, tuple[int, ...]] = {}
    for date in sorted({ist_date(one).isoformat() for one in times}):
        request.day = date
        found = peers.auditor.explain.ExplainDay(request, timeout=CALL_S)
        for key, counted in moved(found).items():
            before = days.get(key, (0, 0, 0, 0))
            days[key] = tuple(map(sum, zip(before, counted, strict=True)))
    assert days[SETTLE, pb.SIDE_UNSPECIFIED] == (1, 5 * RUPEE, 0, 0)
    assert days[PAY, pb.SIDE_UNSPECIFIED] == (4, 10 * RUPEE, 0, 0)
    assert found.as_of_sequence == found.chain.sequence >= story.late
    request.page_size = 10
    sums: dict[Any, int] = {}
    while True:
        page = peers.auditor.explain.ExplainDay(request, timeout=CALL_S)
        for key, (count, *_) in moved(page).items():
            sums[key] = sums.get(key, 0) + count
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert sums == {key: count for key, (count, *_) in moved(found).items()}
    request.day = "2199-01-01"
    later = peers.auditor.explain.ExplainDay(request, timeout=CALL_S)
    assert later.after_sequence == later.as_of_sequence
    assert not later.movements
    request.day = "1999-01-01"
    with failing(NOT_FOUND):
        peers.auditor.explain.ExplainDay(request, timeout=CALL_S)
    for wrong in ("", "yesterday", "2026-02-30", "1969-12-31"):
        request.day = wrong
        with failing(WRONG) as failures:
            peers.auditor.explain.ExplainDay(request, timeout=CALL_S)
        assert failures[0].fields == ["day"]


# --- what is asked wrongly, and by whom ----------------------------------------------


@pytest.mark.parametrize(
    ("name", "fields", "field"),
    [
        (("", ""), {}, "participant"),
        (("", "0029-01"), {}, "participant"),
        (("centre-a",), {"sequence": 3, "time_ns": 3}, "time_ns"),
        (("centre-a",), {"after_sequence": 3, "after_time_ns": 3}, "after_time_ns"),
        (("centre-a",), {"page_token": "x"}, "page_token"),
        (("centre-a",), {"page_size": -1}, "page_size"),
    ],
)
def test_what_cannot_be_asked(
    peers: Peers,
    story: Story,
    name: tuple[str, ...],
    fields: dict[str, Any],
    field: str,
) -> None:
    with failing(WRONG) as failures:
        account(peers.auditor, *name, **fields)
    assert failures[0].fields == [field]


def test_a_span_that_ends_before_it_begins(peers: Peers, story: Story) -> None:
    with failing(WRONG) as failures:
        account(peers.centre(), after_sequence=story.late, sequence=story.held)
    assert failures[0].fields == ["after_sequence"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (("nobody",), {}),
        (("centre-a", "0029-01"), {}),
        (("power", ""), {}),
        (("power", "0029-01"), {}),
        (("auditor", ""), {}),
        (("checker", "float"), {}),
        (("centre-a",), {"sequence": 1}),
        (("centre-a",), {"sequence": 1 << 60}),
        (("centre-a",), {"after_sequence": 1 << 60}),
        (("centre-a",), {"time_ns": 1}),
    ],
)
def test_what_is_not_there(
    peers: Peers, story: Story, name: tuple[str, ...], fields: dict[str, Any]
) -> None:
    with failing(NOT_FOUND):
        account(peers.auditor, *name, **fields)


def test_lists_that_make_no_sense(peers: Peers, story: Story) -> None:
    for fields, field in (
        ({"open_only": True, "kind": PAY}, "open_only"),
        ({"kind": 99}, "kind"),
        ({"side": 9}, "side"),
    ):
        with failing(WRONG) as failures:
            rows(peers.centre(), **fields)
        assert failures[0].fields == [field]
    with failing(WRONG) as failures:
        rows(peers.auditor, side=IN)
    assert failures[0].fields == ["participant"]


def test_others_accounts(peers: Peers, story: Story) -> None:
    """Foreign and missing are one, whatever else is asked with them."""
    for peer, names in (
        (peers.centre(), ("centre-b", "nobody", "power", "treasury")),
        (peers.biller(), ("land", "nobody", "centre-a", "treasury")),
    ):
        for name in names:
            for fields in ({}, {"sequence": 1 << 60}, {"page_token": "x"}):
                with failing(DENIED) as failures:
                    account(peer, name, **fields)
                assert name not in failures[0].text
                with failing(DENIED):
                    rows(peer, name, **fields)
    # Its own name alone opens nothing else to a centre.
    for head in ("float", "settlement", "0029-01"):
        with failing(NOT_FOUND):
            account(peers.centre(), "", head)
        with failing(NOT_FOUND):
            account(peers.biller(), "", head)
    with failing(WRONG):
        rows(peers.harness)


def test_pages_of_another_question(peers: Peers, story: Story) -> None:
    request = pb.ListMovementsRequest(page_size=1)
    token = (
        peers.centre().explain.ListMovements(request, timeout=CALL_S).next_page_token
    )
    request.page_token = token
    assert peers.centre().explain.ListMovements(request, timeout=CALL_S).entries
    request.kind = PAY
    with failing(WRONG):
        peers.centre().explain.ListMovements(request, timeout=CALL_S)
    request.kind = types_pb2.ENTRY_KIND_UNSPECIFIED
    with failing(WRONG):
        peers.centre("centre-b").explain.ListMovements(request, timeout=CALL_S)


# --- balances, statements and accounts of then ---------------------------------------


def test_a_wallet_at_a_time(peers: Peers, story: Story) -> None:
    def get(**fields: Any) -> wallets_pb2.GetWalletResponse:
        request = wallets_pb2.GetWalletRequest(**fields)
        return peers.centre().wallets.GetWallet(request, timeout=CALL_S)

    for sequence in (*story.paid, story.refunded, story.held, story.late):
        at = time_of(peers, sequence)
        assert get(time_ns=at) == get(sequence=sequence)
        assert get(time_ns=at - 1) == get(sequence=sequence - 1)
    newest = get(time_ns=2**63)
    assert newest.as_of_sequence >= story.late
    assert newest.wallet.balance == get().wallet.balance
    with failing(NOT_FOUND):
        get(time_ns=1)
    with failing(WRONG) as failures:
        get(sequence=story.late, time_ns=1)
    assert failures[0].fields == ["time_ns"]


@pytest.mark.parametrize("size", [2, 100])
def test_a_statement_of_then(peers: Peers, story: Story, size: int) -> None:
    def lines(**fields: Any) -> Iterator[wallets_pb2.StatementLine]:
        request = wallets_pb2.ListStatementRequest(page_size=size, **fields)
        while True:
            page = peers.centre().wallets.ListStatement(request, timeout=CALL_S)
            if fields:
                assert page.as_of_sequence == story.refunded
            yield from page.lines
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    whole = [one for one in lines() if one.entry.sequence <= story.refunded]
    assert whole[0].entry.sequence == story.refunded
    assert list(lines(sequence=story.refunded)) == whole
    assert list(lines(time_ns=time_of(peers, story.refunded))) == whole


def test_accounts_of_then(peers: Peers, story: Story) -> None:
    def listed(**fields: Any) -> tuple[dict[tuple[str, str], Any], int]:
        request = admin_pb2.ListAccountsRequest(**fields)
        found: list[admin_pb2.Account] = []
        for page in peers.auditor.admin.ListAccounts(request, timeout=CALL_S):
            found += page.accounts
        assert [one.index for one in found] == list(range(1, len(found) + 1))
        return {(one.participant, one.head): one for one in found}, page.as_of_sequence

    for sequence in (story.topped_up, story.held, story.settled):
        accounts, as_of = listed(sequence=sequence)
        assert as_of == sequence
        assert listed(time_ns=time_of(peers, sequence)) == (accounts, as_of)
        for name, one in accounts.items():
            closing = account(peers.auditor, *name, sequence=sequence).closing
            for total in pb.Totals.DESCRIPTOR.fields_by_name:
                assert getattr(one, total) == getattr(closing, total)
            assert one.state == wallets_pb2.ACCOUNT_STATE_UNSPECIFIED
            assert not one.holds_count
        posted = sum(
            one.credits_posted - one.debits_posted for one in accounts.values()
        )
        assert posted == 0
    # An account that was opened later is not there.
    opened = account(peers.auditor, "centre-q")
    few, _ = listed(sequence=story.topped_up)
    assert len(few) >= opened.index
    first, _ = listed(sequence=1)
    assert not first
    with failing(NOT_FOUND):
        listed(time_ns=1)
    with failing(NOT_FOUND):
        listed(sequence=1 << 60)


def test_the_bounds_are_those_of_the_contract() -> None:
    """The comments in explain.proto name them."""
    bounds = explained.ACCOUNT_ROWS_MAX, explained.LIST_ROWS_MAX
    assert bounds == (16_384, 65_536)
    assert explained.LEDGER_ROWS_MAX == 1_048_576


def test_an_explanation_costs_what_a_list_costs() -> None:
    methods = pb.DESCRIPTOR.services_by_name["ExplainService"].methods
    costs = {cost_of(f"/payswitch.v1.ExplainService/{one.name}") for one in methods}
    assert costs == {cost_of("/payswitch.v1.WalletService/ListStatement")}


def test_the_auditor_explains_the_same(
    peers: Peers, server: ServerProcess, story: Story
) -> None:
    files = peers.authority.leaf(Role.AUDITOR, "auditor")
    words = [
        *("--live", server.address, "--ca", str(files.authority)),
        *("--cert", str(files.certificate), "--key", str(files.key), "--json"),
    ]
    done = forked.run("switch.audit", server.directory / "ledger", *words)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr
    assert json.loads(done.stdout)["checks"]["live"] == 0
