"""Goal: the security log has every act, and of those who are turned away a line for
each cause, participant, address and minute, within its bounds of memory and disk; and
no payment ever waits for it.

Method: the log alone with a clock that the test moves and a disk that refuses; then a
real server, whose log is read from its files, also with a disk that has no room (strace
lets the kernel say so) and with a directory that cannot be one.
"""

import os
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from server import security_log
from server.security_log import (
    ACTS_MAX,
    ADDRESSES_MAX,
    KEYS_MAX,
    OTHERS,
    SEARCHES_MAX,
    TEXT_MAX,
    Cause,
    address_of,
    fields_of,
)
from server.status import NotFoundError
from server.transport import Call
from switch.codes import Role
from switch.errors import ConfigError
from switch.ids import new_id
from switch.register.rights import ACTS
from switch.v1 import admin_pb2, counter_pb2, payments_pb2
from switch.v1 import results_pb2 as results
from tests.server.harness import (
    CALL_S,
    Peers,
    ServerProcess,
    failing,
    load,
    network,
    payment,
    running,
)
from tests.server.inside import FakeCall
from tests.server.kept_log import Full, Kept, read_lines

EXIT_CONFIG = 78


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "log")


# --- the log alone -------------------------------------------------------------------


def test_a_minute_of_one_cause_participant_and_address_is_a_line(kept: Kept) -> None:
    for _ in range(3):
        kept.log.note(Cause.DENIED, "centre/a", "10.0.0.1")
    kept.log.note(Cause.DENIED, "centre/a", "10.0.0.2")
    kept.log.note(Cause.OVER_BUDGET, "centre/a", "10.0.0.1", 5)
    kept.log.write()
    assert kept.lines() == []  # the minute is not over
    kept.pass_minute()
    kept.log.note(Cause.DENIED, "centre/a", "10.0.0.1")
    kept.pass_minute()
    said = [(one["cause"], one["address"], one["count"]) for one in kept.lines()]
    assert said == [
        ("denied", "10.0.0.1", 3),
        ("denied", "10.0.0.2", 1),
        ("over_budget", "10.0.0.1", 5),
        ("denied", "10.0.0.1", 1),
    ]
    times = [one["time"] for one in kept.lines()]
    assert times == [*["2026-11-26T12:00:00.000Z"] * 3, "2026-11-26T12:01:00.000Z"]
    assert kept.log.counts == {Cause.DENIED: 5, Cause.OVER_BUDGET: 5}


def test_a_minute_tells_so_many_apart_and_loses_no_count(kept: Kept) -> None:
    for at in range(3 * ADDRESSES_MAX):
        kept.log.note(Cause.UNKNOWN, "", f"10.0.0.{at}")
    for at in range(2 * KEYS_MAX):
        kept.log.note(Cause.DENIED, f"centre/c{at}", "10.0.0.1")
    assert len(kept.log._notes) <= KEYS_MAX + len(Cause)
    kept.pass_minute()
    lines = kept.lines()
    assert len(lines) <= KEYS_MAX + len(Cause)
    for cause, total in (
        (Cause.UNKNOWN, 3 * ADDRESSES_MAX),
        (Cause.DENIED, 2 * KEYS_MAX),
    ):
        assert sum(one["count"] for one in lines if one["cause"] == cause) == total
    unknown = [one["address"] for one in lines if one["cause"] == Cause.UNKNOWN]
    assert unknown == [f"10.0.0.{at}" for at in range(ADDRESSES_MAX)] + [OTHERS]
    # The next minute begins anew.
    kept.log.note(Cause.UNKNOWN, "", "10.0.0.40")
    kept.pass_minute()
    assert kept.lines()[-1]["address"] == "10.0.0.40"


def test_searches_of_centres_are_lines_of_a_minute(kept: Kept) -> None:
    """Of each kind of key, with what was found, beside who was turned away."""
    for found in (1, 0, 3):
        kept.log.searched("centre/a", "10.0.0.1", "receipt", found)
    kept.log.searched("centre/a", "10.0.0.1", "filter", 20)
    kept.log.searched("centre/b", "10.0.0.1", "receipt", 1)
    kept.log.note(Cause.DENIED, "centre/a", "10.0.0.1")
    kept.log.write()
    assert kept.lines() == []
    kept.pass_minute()
    told = [one for one in kept.lines() if one["event"] == "searched"]
    assert [
        (one["participant"], one["key"], one["count"], one["found"]) for one in told
    ] == [
        ("centre/a", "receipt", 3, 4),
        ("centre/a", "filter", 1, 20),
        ("centre/b", "receipt", 1, 1),
    ]
    kept.pass_minute()
    assert len(kept.lines()) == 4
    assert kept.log.counts == {Cause.DENIED: 1}


def test_searches_are_bounded_and_none_is_lost(kept: Kept) -> None:
    """Those who search much push nobody out who was turned away."""
    kept.log.note(Cause.DENIED, "centre/a", "10.0.0.1")
    for at in range(SEARCHES_MAX + 100):
        kept.log.searched(f"centre/c{at}", "10.0.0.1", "id", 1)
    assert len(kept.log._searches) == SEARCHES_MAX + 1
    kept.pass_minute()
    told = [one for one in kept.lines() if one["event"] == "searched"]
    assert sum(one["count"] for one in told) == SEARCHES_MAX + 100
    assert told[-1]["participant"] == OTHERS
    assert [one["cause"] for one in kept.lines() if "cause" in one] == ["denied"]


def test_a_full_day_has_acts_and_sums(tmp_path: Path) -> None:
    kept = Kept(tmp_path, most=64 << 10)
    minutes = 0
    while kept.log._size < 60 << 10:
        minutes += 1
        for at in range(100):
            kept.log.note(Cause.DENIED, f"centre/c{at}", "10.0.0.1")
        kept.pass_minute()
        kept.log.act("act", method="TopUp")
        kept.log.write()
        assert minutes < 100, "the bound is never met"
    for _ in range(3):
        for at in range(100):
            kept.log.note(Cause.DENIED, f"centre/c{at}", "10.0.0.1")
        kept.log.act("act", method="TopUp")
        kept.pass_minute()
    act, last = kept.lines()[-2:]
    assert (act["event"], last["participant"], last["count"]) == ("act", OTHERS, 100)
    lines = kept.lines()
    assert sum(one.get("count", 0) for one in lines) == 100 * (minutes + 3)
    assert sum(one["event"] == "act" for one in lines) == minutes + 3


def test_a_day_is_a_file_and_a_year_is_kept(tmp_path: Path) -> None:
    kept = Kept(tmp_path, days=2)
    (tmp_path / "notes.txt").write_text("not ours")
    (tmp_path / "security-2020-01-01.jsonl").write_text("{}\n")
    for _ in range(4):
        kept.log.act("act", method="TopUp")
        kept.log.write()
        kept.now += timedelta(days=1).total_seconds()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "notes.txt",
        "security-2026-11-28.jsonl",
        "security-2026-11-29.jsonl",
    ]


def test_only_its_owner_reads_it(kept: Kept) -> None:
    kept.log.act("act", method="TopUp")
    kept.log.write()
    [file] = kept.path.iterdir()
    assert kept.path.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_line_that_was_cut_off_is_taken_away(kept: Kept) -> None:
    kept.log.act("act", method="TopUp")
    kept.log.write()
    [file] = kept.path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"time": "2026')  # as power goes
    again = Kept(kept.path)
    again.log.act("act", method="Settle")
    again.log.write()
    assert [one["method"] for one in again.lines()] == ["TopUp", "Settle"]


def test_acts_wait_for_room_and_notes_do_not(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Full(monkeypatch, 50)
    kept.log.act("act", method="TopUp")
    kept.log.note(Cause.DENIED, "centre/a", "10.0.0.1")
    kept.pass_minute()
    assert "No space" in kept.log.failing
    assert kept.log.lost_count == 1
    assert kept.lines() == [], "a part of a line stayed"
    kept.log.act("act", method="Settle")
    disk.room = 1 << 20
    kept.pass_minute()
    assert [one["method"] for one in kept.lines()] == ["TopUp", "Settle"]
    assert not kept.log.failing


def test_no_act_is_written_twice(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for the acts, and none for the notes behind them."""
    disk = Full(monkeypatch, 75)
    kept.log.act("act", method="TopUp")
    kept.log.note(Cause.DENIED, "centre/a", "10.0.0.1")
    kept.pass_minute()
    assert kept.log.failing
    disk.room = 1 << 20
    kept.pass_minute()
    assert [one["event"] for one in kept.lines()] == ["act"]


def test_so_many_acts_wait_and_no_more(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Full(monkeypatch, 0)
    for at in range(ACTS_MAX + 10):
        kept.log.act("act", number=at)
    kept.log.write()
    assert kept.log.lost_count == 10
    disk.room = 1 << 30
    kept.log.write()
    numbers = [one["number"] for one in kept.lines()]
    assert numbers == list(range(10, ACTS_MAX + 10))


def test_who_notes_never_waits_for_the_disk(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk hangs in the middle of a write until the test lets it go."""
    hangs, go_on = threading.Event(), threading.Event()
    write = os.write

    def hang(file: int, data: Any) -> int:
        hangs.set()
        assert go_on.wait(60)
        return write(file, data)

    monkeypatch.setattr(os, "write", hang)
    kept.log.start()
    kept.log.act("act", method="TopUp")
    assert hangs.wait(60)
    for _ in range(1_000):
        kept.log.note(Cause.DENIED, "centre/a", "10.0.0.1")
    kept.log.act("act", method="Settle")
    kept.log.stop(0.01)  # nor does the end of the server
    go_on.set()
    kept.log.stop(60)
    lines = kept.lines()
    assert [one.get("method", one.get("count")) for one in lines] == [
        "TopUp",
        "Settle",
        1_000,
    ]


def test_a_clock_that_goes_back_ends_no_minute_late(kept: Kept) -> None:
    kept.log.note(Cause.DENIED, "centre/a", "10.0.0.1")
    kept.now -= 3 * 86_400
    assert kept.log._left_s() <= 60


def test_what_a_request_says_is_cut() -> None:
    request = admin_pb2.FreezeWalletRequest(
        id=b"\x01" * 16, centre="a", reason="x" * 500
    )
    said = security_log._plain(fields_of(request))
    assert said["id"] == "01" * 16
    assert len(said["reason"]) == TEXT_MAX
    assert fields_of(network()) == {"participants_count": 19, "services_count": 10}


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.1.2.3:4567", "10.1.2.3"),
        ("ipv6:[::1]:4567", "::1"),
        ("ipv6:%5B2001:db8::1%5D:4567", "2001:db8::1"),
        ("10.1.2.3:4567", "10.1.2.3"),
        ("[::1]:4567", "::1"),
        ("unix:", "unix"),
    ],
)
def test_addresses_without_ports(peer: str, address: str) -> None:
    assert address_of(peer) == address


def test_writing_calls_of_the_treasury_are_acts() -> None:
    acts = {name.rpartition("/")[2] for name in ACTS}
    assert {"LoadNetwork", "TopUp", "Approve", "RotateQuotationKey"} <= acts
    assert {"SetBudget", "CancelPayment", "HandOut"} <= acts
    assert not {one for one in acts if one.startswith(("List", "Get"))}
    assert not {"CreatePayment", "SignShift"} & acts


# --- a server ------------------------------------------------------------------------


def of_server(server: ServerProcess) -> list[dict[str, Any]]:
    return read_lines(server.directory / "ledger" / "security")


def wait_for_line(server: ServerProcess, **wanted: Any) -> dict[str, Any]:
    """The first line that says this; the writer is another thread."""
    until = time.monotonic() + 60
    while True:
        for line in of_server(server):
            if wanted.items() <= line.items():
                return line
        assert time.monotonic() < until, f"{wanted} is not in {of_server(server)}"
        time.sleep(0.02)


def test_an_act_says_who_and_what(server: ServerProcess, peers: Peers) -> None:
    move_id = new_id()
    request = admin_pb2.FreezeWalletRequest(
        id=move_id, centre="centre-d", reason="order 7"
    )
    outcome = peers.treasury.admin.FreezeWallet(request, timeout=CALL_S).outcome
    line = wait_for_line(server, method="FreezeWallet")
    assert line["participant"] == "treasury/treasury"
    assert line["address"] == "127.0.0.1"
    assert line["request"] == {
        "id": move_id.hex(),
        "centre": "centre-d",
        "reason": "order 7",
    }
    assert line["outcome"]["result"] == "RESULT_OK"
    assert line["outcome"]["sequence"] == outcome.sequence


def test_an_act_that_fails_is_there_too(server: ServerProcess, peers: Peers) -> None:
    request = admin_pb2.CloseWalletRequest(id=new_id(), centre="nobody")
    with failing(grpc.StatusCode.NOT_FOUND):
        peers.treasury.admin.CloseWallet(request, timeout=CALL_S)
    line = wait_for_line(server, method="CloseWallet")
    assert line["outcome"] == {"status": "NOT_FOUND"}


def test_an_act_of_a_centre_is_one_that_did_something(
    server: ServerProcess, peers: Peers
) -> None:
    centre = peers.centre()
    for _ in range(20):
        with failing(grpc.StatusCode.NOT_FOUND):
            request = counter_pb2.CancelPaymentRequest(id=new_id())
            centre.counter.CancelPayment(request, timeout=CALL_S)
    held = payment("CONFIRM")
    centre.pay(held)
    request = counter_pb2.CancelPaymentRequest(id=held.id)
    for repeat in (False, True):
        reply = centre.counter.CancelPayment(request, timeout=CALL_S)
        assert reply.repeat is repeat
    peers.treasury.top_up("centre-a", 100)
    wait_for_line(server, method="TopUp")
    said = [one for one in of_server(server) if one.get("method") == "CancelPayment"]
    assert [one["request"]["id"] for one in said] == [held.id.hex()]


def test_who_is_turned_away_is_there_when_the_server_has_stopped(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as server:
        peers = Peers(server)
        load(peers)
        for _ in range(3):
            with failing(grpc.StatusCode.PERMISSION_DENIED):
                peers.centre().admin.TopUp(admin_pb2.TopUpRequest(), timeout=CALL_S)
        with failing(grpc.StatusCode.UNAUTHENTICATED):
            peers.get(Role.CENTRE, "asleep").pay(payment())
        missing = payments_pb2.GetPaymentRequest(id=new_id())
        with failing(grpc.StatusCode.NOT_FOUND):
            peers.centre().payments.GetPayment(missing, timeout=CALL_S)
        peers.close()
    lines = of_server(server)
    assert [one["event"] for one in lines if one["event"] in ("start", "stop")] == [
        "start",
        "stop",
    ]
    away = {
        (one["cause"], one["participant"]): one["count"]
        for one in lines
        if one["event"] == "turned_away"
    }
    assert away[("denied", "centre/centre-a")] == 3
    assert away[("unknown", "")] == 1
    assert away[("not_found", "centre/centre-a")] == 1
    # What is refused by right is no act.
    assert not [
        one
        for one in lines
        if one["event"] == "act" and one["participant"] != "treasury/treasury"
    ]


def test_a_full_disk_stops_no_payment(tmp_path: Path) -> None:
    """Every write to the log's file of today, or tomorrow, finds no room."""
    log = tmp_path / "log"
    log.mkdir(mode=0o700)
    today = datetime.now(UTC).date()
    paths: list[str] = []
    for day in (today, today + timedelta(days=1)):
        file = log / f"security-{day}.jsonl"
        file.touch(mode=0o600)
        paths += ["-P", str(file)]
    prefix = ["strace", "-f", "-o", str(tmp_path / "trace"), *paths]
    prefix += ["-e", "inject=write:error=ENOSPC"]
    with running(tmp_path, "--security-log", str(log), prefix=prefix) as server:
        peers = Peers(server)
        load(peers)
        assert peers.centre().pay(payment()).result == results.RESULT_OK
        assert peers.treasury.top_up("centre-a", 100).result == results.RESULT_OK
        peers.close()
    assert "ALARM: the security log is not written: [Errno 28]" in server.log()
    assert read_lines(log) == []


def test_a_directory_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server = ServerProcess(tmp_path, "--security-log", str(tmp_path / "file"))
    assert server.wait() == EXIT_CONFIG
    assert re.search("cannot start: the security log cannot be kept", server.log())
    assert "Traceback" not in server.log()


def test_start_tells_a_full_disk_from_a_wrong_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError):
        Kept(tmp_path / "file").log.start()
    kept = Kept(tmp_path / "log")

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    kept.log.start()
    kept.log.stop(60)
    assert "No space" in kept.log.failing


# --- when it is noted ----------------------------------------------------------------


async def test_an_answer_comes_before_what_is_noted_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever measures how long a refusal takes must not measure the log."""
    order: list[str] = []
    call = FakeCall("centre/centre-a", [])
    finish = call.finish

    def finishing(*args: Any) -> None:
        order.append("answered")
        finish(*args)

    monkeypatch.setattr(call, "finish", finishing)
    monkeypatch.setattr(call, "_note", lambda *_: order.append("noted"))

    async def refuse(_: Call) -> None:
        raise NotFoundError("it is another's, or not there")

    await call.run(refuse)
    assert order == ["answered", "noted"]
