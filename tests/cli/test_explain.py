"""Goal: a person reads from a shell how an account, a window and a day came to their
figures, lists the entries behind each, and asks for balances of then.

Method: commands as processes against a real server, with a story that was told by hand;
what the client adds up from pages, by a stub that gives wrong ones.
"""

import argparse
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from switch.calendar import ist_date
from switch.cli.commands import to_point
from switch.cli.explain import _to_rows, to_name
from switch.client import NOW, Client, Point
from switch.client.explain import ExplainCalls
from switch.codes import Role
from switch.console.explain_words import EXPLAIN_WORDS
from switch.console.output import Exit
from switch.errors import WireError
from switch.specs import TREASURY
from switch.v1 import explain_pb2 as pb
from switch.v1 import types_pb2
from tests.client.live import CENTRE, FREE, HEAD, WAITS, Live, running
from tests.server.harness import Peer
from tests.server.scripted_biller import ScriptedBiller, silent

PAY = types_pb2.ENTRY_KIND_PAY


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("explain") / "data") as live:
        done(live, "network", "load", str(live.network))
        done(live, "top-up", CENTRE, "1,000", "--utr", "UTR-1")
        yield live


@pytest.fixture(scope="module")
def office(live: Live) -> Iterator[Client]:
    with live.client(Role.TREASURY, TREASURY) as client:
        yield client


@pytest.fixture(scope="module")
def window(live: Live, office: Client) -> int:
    """A window with a payment in it, and one behind it."""
    done(live, "pay", CENTRE, FREE, "10", "REF-1")
    closed = office.close_window(0).outcome.sequence
    done(live, "pay", CENTRE, FREE, "20", "REF-2")
    return closed


def done(live: Live, *words: str) -> str:
    """What a command says that must be done."""
    ended = live.command(*words)
    assert ended.returncode == Exit.DONE, ended.stdout + ended.stderr
    return ended.stdout


def answer(ended: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """The one JSON object of a command's output."""
    value: dict[str, Any] = json.loads(ended.stdout)
    return value


def movements(found: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {
        f"{one['kind']} {one['side']}": (one["count"], one["posted"])
        for one in found["movements"]
    }


def test_a_wallet_and_what_is_behind_it(live: Live, window: int) -> None:
    text = done(live, "explain", CENTRE)
    for part in ("paid (out)", "topped up (in)", "₹30.00", "₹1,000.00", "₹970.00"):
        assert part in text
    found = answer(live.command("explain", CENTRE, "--json"))
    assert movements(found) == {
        "pay debit": (2, 3_000),
        "top_up credit": (1, 100_000),
    }
    assert found["closing"]["credits_posted"] == 100_000
    assert f"{found['chain']['check']:08x}" in text
    lines = done(live, "explain", CENTRE, "--rows", "pay", "--json").splitlines()
    assert [json.loads(one)["reference"] for one in lines] == ["REF-2", "REF-1"]
    assert "REF-2" in done(live, "explain", CENTRE, "--rows", "pay-out")
    one = done(live, "explain", CENTRE, "--rows", "all", "--limit", "1", "--json")
    assert json.loads(one)["reference"] == "REF-2"
    assert not done(live, "explain", CENTRE, "--rows", "open", "--json")
    at_window = answer(live.command("explain", CENTRE, "--at", str(window), "--json"))
    assert movements(at_window)["pay debit"] == (1, 1_000)
    since = answer(live.command("explain", CENTRE, "--from", str(window), "--json"))
    assert movements(since) == {"pay debit": (1, 2_000)}


def test_a_head_shows_its_settlement(live: Live, window: int) -> None:
    text = done(live, "explain", f"power/{HEAD}")
    for part in ("Since the window", "+₹20.00", "Payable", "₹10.00", "none"):
        assert part in text
    assert "₹1,000.00" in done(live, "explain", "float")
    own = live.command("explain", f"power/{HEAD}", "--as", "biller/power", "--json")
    assert answer(own)["settlement"]["window"] == window
    foreign = live.command("explain", "water/W:1", "--as", "biller/power")
    assert foreign.returncode == Exit.USAGE


def test_a_window_and_a_day(live: Live, window: int) -> None:
    text = done(live, "explain", "window", str(window))
    for part in ("power", HEAD, "₹10.00"):
        assert part in text
    [line] = answer(live.command("explain", "window", str(window), "--json"))["lines"]
    assert line["line"]["payable"] == 1_000
    assert not line["settled_sequence"]
    lines_of_wallet = done(live, "explain", CENTRE, "--rows", "all", "--json")
    entries = [json.loads(one) for one in lines_of_wallet.splitlines()]
    # The story may lie across midnight: then its days add up to it.
    times = {int(entries[-1]["time_ns"]), int(entries[0]["time_ns"])}
    dates = sorted({ist_date(one).isoformat() for one in times})
    days = [answer(live.command("explain", "day", one, "--json")) for one in dates]
    paid = [movements(day).get("pay unspecified", (0, 0)) for day in days]
    assert tuple(map(sum, zip(*paid, strict=True))) == (2, 3_000)
    assert days[0]["opening"] == {}
    assert days[-1]["closing"] == {
        "float": -100_000,
        "suspense": 0,
        "settlement": 0,
        "biller": 3_000,
        "wallet": 97_000,
    }
    assert "₹970.00" in done(live, "explain", "day", dates[-1])
    rows = 0
    for date, (count, posted) in zip(dates, paid, strict=True):
        own = answer(live.command("explain", "day", date, CENTRE, "--json"))
        assert movements(own).get("pay debit", (0, 0)) == (count, posted)
        listed = done(live, "explain", "day", date, "--rows", "pay", "--json")
        rows += len(listed.splitlines())
    assert rows == 2


def test_open_holds_are_shown_and_listed(live: Live, window: int) -> None:
    peer = Peer(live.server.address, live.authority.leaf(Role.BILLER, "power"))
    # A biller that is not there is given nothing; one that says nothing is waited for.
    with closing(peer), ScriptedBiller(peer, silent):
        paid = live.command("pay", CENTRE, WAITS, "7", "HELD-1", "--json")
        held = answer(paid)
        text = done(live, "explain", CENTRE)
        assert "HELD-1" in text
        assert "₹7.00" in text
        line = done(live, "explain", CENTRE, "--rows", "open", "--json")
    assert json.loads(line)["sequence"] == held["sequence"]


def test_balances_of_then(live: Live, window: int) -> None:
    at = ("--at", str(window), "--json")
    assert answer(live.command("balance", CENTRE, *at))["wallet"]["balance"] == 99_000
    lines = done(live, "statement", CENTRE, *at).splitlines()
    assert [json.loads(one)["balance"] for one in lines] == [99_000, 100_000]
    found = answer(live.command("accounts", "--kind", "wallet", *at))
    assert found["as_of_sequence"] == window
    first = found["accounts"][0]
    assert (first["participant"], first["credits_posted"]) == (CENTRE, 100_000)
    assert "₹990.00" in done(live, "accounts", "--at", str(window))
    tomorrow = "2199-12-31"
    assert done(live, "balance", CENTRE, "--at", tomorrow)
    before = live.command("balance", CENTRE, "--at", "1999-12-31")
    assert before.returncode == Exit.REFUSED


@pytest.mark.parametrize(
    "words",
    [
        ("window",),
        ("window", "x"),
        ("window", "1", "2"),
        ("day",),
        ("day", "yesterday"),
        ("day", "2026-11-28", "--at", "3"),
        ("float", "suspense"),
        ("float", "--rows", "king"),
        ("float", "--at", "never"),
        ("float", "--limit", "x"),
    ],
)
def test_what_cannot_be_asked(live: Live, words: tuple[str, ...]) -> None:
    ended = live.command("explain", *words)
    assert ended.returncode == Exit.USAGE, ended.stdout
    assert "Traceback" not in ended.stderr


def test_names_points_and_kinds() -> None:
    assert to_name("bsk-1") == ("bsk-1", "")
    assert to_name("power/0029-00/1") == ("power", "0029-00/1")
    assert to_name("float") == ("", "float")
    # A centre that is called so.
    assert to_name("window/") == ("window", "")
    assert to_point("17") == Point(sequence=17)
    assert to_point("1970-01-01T00:00:01Z") == Point(time_ns=10**9)
    for wrong in ("0", "-1", "tomorrow", "1" * 20):
        with pytest.raises(ValueError, match="entry's number"):
            to_point(wrong)
    assert _to_rows("open") == (types_pb2.ENTRY_KIND_HOLD, 0, True)
    assert _to_rows("transfer-in") == (types_pb2.ENTRY_KIND_TRANSFER, 2, False)
    assert _to_rows("all") == (0, 0, False)
    for wrong in ("", "pay-", "pay-up", "unspecified", "all-in"):
        with pytest.raises(argparse.ArgumentTypeError):
            _to_rows(wrong)


def test_every_movement_has_words() -> None:
    kinds = ("pay", "hold", "post", "void", "expire", "refund", "top_up", "transfer")
    for kind in (*kinds, "settle"):
        assert f"moved {kind}" in EXPLAIN_WORDS


# --- what the client adds up ---------------------------------------------------------


class Stub(ExplainCalls):
    """Gives two pages instead of a server."""

    def __init__(self, second: int) -> None:
        self.pages = [
            pb.ExplainAccountResponse(
                opening=pb.Totals(debits_posted=1),
                closing=pb.Totals(debits_posted=8),
                movements=[self.paid(1, 3)],
                next_page_token="more",
            ),
            pb.ExplainAccountResponse(movements=[self.paid(2, second)]),
        ]
        self._explain = self  # type: ignore[assignment]
        self._caller = self  # type: ignore[assignment]
        self.ExplainAccount = None

    @staticmethod
    def paid(count: int, posted: int) -> pb.Movement:
        return pb.Movement(kind=PAY, side=pb.SIDE_DEBIT, count=count, posted=posted)

    def read(self, _: None, request: Any) -> pb.ExplainAccountResponse:
        assert request.page_token == ("more" if len(self.pages) == 1 else "")
        return self.pages.pop(0)


def test_pages_are_added_and_held_against_the_totals() -> None:
    found = Stub(second=4).explain_account("bsk-1", at=NOW)
    assert list(found.movements) == [Stub.paid(3, 7)]
    assert not found.next_page_token
    with pytest.raises(WireError, match="debits_posted 1 to 9, and it has 8"):
        Stub(second=5).explain_account("bsk-1")
