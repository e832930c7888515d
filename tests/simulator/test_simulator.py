"""Goal: a simulated biller says the same of a payment whenever it is asked, credits no
payment twice, and goes wrong exactly as its script says.

Method: desks are asked without a network and with a clock of the test's own; then a
small server of the test's asks a whole `payswitch biller` over mutual TLS, kills it in
the middle and asks its successor.
"""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.errors import ConfigError
from switch.ids import new_id
from switch.sample import load_sample
from switch.simulator.behaviour import (
    AT_ONCE,
    Fate,
    Habits,
    decide,
    habits_of,
    sample_habits,
)
from switch.simulator.books import REFUSED, Books, Credit, read_credits
from switch.simulator.connection import Line
from switch.simulator.desk import PENDING, Clock, Desk
from switch.simulator.script import DAY_S, Timeline, Trouble, parse_script
from switch.v1 import billers_pb2 as pb
from tests.simulator.desks import (
    ALWAYS,
    CONFIRM,
    CONFIRMED,
    NOON_S,
    NOT_SEEN,
    REJECTED,
    STATUS,
    UNKNOWN,
    ask,
    hear,
    make_desk,
    question,
    time,
)

WAIT_S = 60

# --- decisions ------------------------------------------------------------------------


def test_decisions_have_the_shares_and_times_of_the_table() -> None:
    habits = sample_habits()["dlrs"]
    biller = next(one for one in load_sample().billers if one.id == "dlrs")
    assert habits == habits_of(biller)
    ids = [number.to_bytes(16, "big") for number in range(40_000)]
    found = [decide(habits, 7, id_) for id_ in ids]
    assert found == [decide(habits, 7, id_) for id_ in ids]
    assert found != [decide(habits, 8, id_) for id_ in ids]
    shares = {fate: sum(one.fate is fate for one in found) / len(ids) for fate in Fate}
    assert shares[Fate.DECLINED] == pytest.approx(0.030, rel=0.1)
    assert shares[Fate.LATE] == pytest.approx(0.026 * 0.55, rel=0.2)
    assert shares[Fate.LOST] == pytest.approx(0.026 * 0.45, rel=0.2)
    times = sorted(one.response_s for one in found)
    assert times[len(times) // 2] == pytest.approx(2.2, rel=0.05)
    assert times[len(times) * 99 // 100] == pytest.approx(25.0, rel=0.15)


@pytest.mark.parametrize("fate", Fate)
def test_what_is_asked_again_is_answered_the_same(fate: Fate) -> None:
    books = Books()
    desk = make_desk(ALWAYS[fate], books=books)
    first = question()
    amount = books.find("cesc", first.id)
    answers = ask(desk, first)
    kinds = {
        Fate.CREDITED: [CONFIRMED],
        Fate.DECLINED: [REJECTED],
        Fate.LATE: [],
        Fate.LOST: [],
    }[fate]
    assert amount is None
    assert [one.kind for one in answers] == kinds
    assert ask(desk, first) == answers
    # A status question soon after, and one when the biller must know.
    soon = ask(desk, question(STATUS, first.id))[0]
    late = ask(desk, question(STATUS, first.id, age_s=1000))[0]
    final = REJECTED if fate in (Fate.DECLINED, Fate.LOST) else CONFIRMED
    if not kinds:
        assert (soon.kind, soon.reason) == (UNKNOWN, PENDING)
    else:
        assert soon.kind == final
    assert late.kind == final
    credited = books.totals("cesc").payments
    assert credited == int(final == CONFIRMED)
    assert books.find("cesc", first.id) == (first.amount if credited else REFUSED)


def test_a_payment_never_heard_of_was_not_seen() -> None:
    status = question(STATUS)
    status.sent_ns = time.time_ns()
    [answer] = ask(make_desk(ALWAYS[Fate.CREDITED]), status)
    assert (answer.kind, answer.sent_ns) == (NOT_SEEN, status.sent_ns)


@pytest.mark.parametrize("habits", [AT_ONCE, ALWAYS[Fate.CREDITED], ALWAYS[Fate.LATE]])
def test_nothing_is_credited_after_its_last_moment(habits: Habits) -> None:
    books = Books()
    desk = make_desk(habits, books=books)
    early, late = question(), question()
    early.credit_until_ns = time.time_ns() + 10**12
    late.credit_until_ns = time.time_ns() - 1
    answers = ask(desk, early, late)
    assert [one.kind for one in answers if one.id == late.id] == [REJECTED]
    assert books.find("cesc", early.id) == early.amount
    # And never, however often it is asked, and as if there were time.
    late.credit_until_ns = early.credit_until_ns
    assert [one.kind for one in ask(desk, late)] == [REJECTED]
    assert books.find("cesc", late.id) == REFUSED


def test_a_basket_is_credited_whole() -> None:
    books = Books()
    parts = [question() for _ in range(3)]
    first = question(id_=parts[0].id)
    first.basket.extend(parts)
    answers = ask(make_desk(books=books), first)
    assert [(one.number, one.id) for one in answers] == [(first.number, parts[0].id)]
    totals = books.totals("cesc")
    assert (totals.payments, totals.amount) == (3, sum(one.amount for one in parts))
    assert [one.amount for one in answers] == [totals.amount]


@pytest.mark.parametrize("habits", [AT_ONCE, ALWAYS[Fate.CREDITED]])
def test_a_confirmation_has_the_amount_in_the_books(habits: Habits) -> None:
    desk = make_desk(habits)
    one, other = question(), question(STATUS)
    said = {answer.id: answer for answer in ask(desk, one, other)}
    assert said[one.id].amount == one.amount
    assert said[other.id].amount == 0
    # Not what the question says, when it is asked again.
    again = pb.Question()
    again.CopyFrom(one)
    again.amount += 1
    for kind in (CONFIRM, STATUS):
        again.kind = kind
        assert ask(desk, again)[0].amount == one.amount


def test_answers_are_short_enough_for_the_protocol() -> None:
    for fate in (Fate.CREDITED, Fate.DECLINED):
        [answer] = ask(make_desk(ALWAYS[fate]), question())
        assert len(answer.biller_reference) <= 32
        assert len(answer.reason) <= 32


def test_a_bill_paid_by_two_payments_is_counted() -> None:
    books = Books()
    desk = make_desk(books=books)
    first = question()
    second = pb.Question()
    second.CopyFrom(first)
    second.id = new_id()
    ask(desk, first, second, first)
    assert books.totals("cesc").bills_paid_again == 1


def test_status_questions_are_counted_by_payment_and_minute() -> None:
    desk = make_desk()
    id_ = new_id()
    ask(desk, *(question(STATUS, id_) for _ in range(3)), question(STATUS))
    assert desk.status_of_payment_most == 3
    assert desk.status_of_minute_most == 4


# --- troubles -------------------------------------------------------------------------


def test_a_script_is_read() -> None:
    script = parse_script(
        "# a hard day\n"
        "cesc at 11:00 die 60m\n"
        "dlrs slow +10s   # all day\n"
        "* at 12:00:30 answer twice 30m\n"
        "\n"
        "cesc answer late 2h +500ms\n"
        "cesc answer amounts 1h -20\n"
        "dlrs credit late +45m\n"
    )
    troubles = [
        (one.biller, one.trouble, one.begin_s, one.end_s, one.delay_s + one.paise)
        for one in script.lines
    ]
    assert troubles == [
        ("cesc", Trouble.DIE, 39_600, 43_200, 0),
        ("dlrs", Trouble.SLOW, 0, DAY_S, 10),
        ("*", Trouble.TWICE, 43_230, 45_030, 0),
        ("cesc", Trouble.LATE, 0, 7_200, 0.5),
        ("cesc", Trouble.AMOUNTS, 0, 3_600, -20),
        ("dlrs", Trouble.CREDIT_LATE, 0, DAY_S, 2_700),
    ]
    assert script.find(Trouble.DIE, "cesc", 39_599) is None
    assert script.find(Trouble.DIE, "cesc", 39_600) is script.lines[0]
    assert script.find(Trouble.DIE, "dlrs", 39_600) is None
    assert script.find(Trouble.TWICE, "dlrs", 43_230) is script.lines[2]


@pytest.mark.parametrize(
    "line",
    [
        "cesc",
        "cesc dance",
        "cesc at 25:00 die",
        "cesc at die",
        "cesc slow",
        "cesc die +10s",
        "cesc die 1m 2m",
        "cesc answer",
        "cesc die 10",
        "cesc answer amounts 1h",
        "cesc answer amounts +0",
        "cesc answer amounts -1 -2",
        "cesc die 1h -1",
        "cesc credit late 1h",
    ],
)
def test_a_wrong_line_is_named(line: str) -> None:
    with pytest.raises(ConfigError, match="line 2"):
        parse_script(f"\n{line}")


def test_a_dead_biller_has_no_connection_and_forgets_what_it_was_about_to_say() -> None:
    desk = make_desk(script="cesc at 11:00 die 2h")
    assert desk.is_dead
    ask(desk, question(), wait_s=0)
    desk.drop()
    assert desk.next_s() is None
    assert not make_desk(script="cesc at 13:00 die 2h").is_dead


def test_answers_come_twice_wrongly_or_not_at_all() -> None:
    one = question()
    first, second = ask(make_desk(script="* answer twice"), one)
    assert first == second
    wrong, right = ask(make_desk(script="* answer wrongly"), one)
    assert wrong.number == right.number == one.number
    assert wrong.id != right.id == one.id
    books = Books()
    assert ask(make_desk(script="* silent", books=books), one) == []
    assert books.totals("cesc").payments == 1


def test_a_biller_that_forgets_has_never_heard_of_the_payment() -> None:
    books = Books()
    forgetful = make_desk(script="* forget", books=books)
    one = question()
    assert ask(forgetful, one) == []
    assert ask(forgetful, question(STATUS, one.id))[0].kind == NOT_SEEN
    assert books.totals("cesc").payments == 0
    assert ask(make_desk(books=books), one)[0].kind == CONFIRMED


def test_a_biller_that_declines_goes_on_declining_what_it_declined() -> None:
    books = Books()
    one, other = question(), question()
    assert ask(make_desk(books=books), other)[0].kind == CONFIRMED
    declining = make_desk(script="* decline", books=books)
    assert [a.kind for a in ask(declining, one, other)] == [REJECTED, CONFIRMED]
    assert ask(make_desk(books=books), one)[0].kind == REJECTED


def test_a_slow_biller_is_slower_by_so_much() -> None:
    # Answers come 1,000 times faster than in life.
    desk = make_desk(script="* slow +300s")
    assert ask(desk, question(), wait_s=0.1) == []
    assert desk.next_s() == pytest.approx(0.3, rel=0.05)
    assert len(hear(desk, 0.5)) == 1


def test_a_late_biller_does_not_know_until_it_says_so_by_itself() -> None:
    desk = make_desk(script="* answer late +200s", speed=1000.0)
    one = question()
    answers = ask(desk, one, question(STATUS, one.id))
    assert [(a.kind, a.reason) for a in answers] == [(UNKNOWN, PENDING)]
    [answer] = hear(desk, 0.5)
    assert (answer.number, answer.kind) == (one.number, CONFIRMED)
    assert ask(desk, question(STATUS, one.id))[0].kind == CONFIRMED


def test_an_answer_that_could_not_be_sent_is_sent_again() -> None:
    desk = make_desk()
    desk.take(pb.ConnectResponse(questions=[question()]).SerializeToString())
    message = desk.answers()
    assert message
    desk.give_back(message)
    assert desk.next_s() == 0.0
    assert desk.answers() == message


# --- the record -----------------------------------------------------------------------


def test_what_is_not_acknowledged_is_said_again() -> None:
    for habits in (AT_ONCE, ALWAYS[Fate.CREDITED]):
        desk = make_desk(habits)
        taken, lost = question(), question()
        answers = {one.number: one for one in ask(desk, taken, lost, question(STATUS))}
        told = pb.ConnectResponse(acknowledged=[taken.number])
        desk.take(told.SerializeToString())
        # The connection broke, and again after it was said once more.
        for _ in range(2):
            desk.say_again()
            assert hear(desk) == [answers[lost.number]]
        told = pb.ConnectResponse(acknowledged=[lost.number])
        desk.take(told.SerializeToString())
        desk.say_again()
        assert hear(desk) == []


def test_a_record_is_gone_on_with_where_it_was_cut(tmp_path: Path) -> None:
    file = tmp_path / "credits"
    ids = [new_id() for _ in range(3)]
    with Books(file) as books:
        for id_ in ids[:2]:
            books.write("cesc", Credit(id_, 500, "S", id_.hex()[:9]))
        books.write("cesc", Credit(ids[2], REFUSED, "S", "R"))
        books.flush()
    with file.open("ab") as out:
        out.write(b"cesc\t00ff")
    with Books(file) as books:
        assert books.resumed == 3
        assert books.totals("cesc").amount == 1000
        assert books.find("cesc", ids[2]) == REFUSED
        books.write("cesc", Credit(new_id(), 7, "S", "R"))
    found = read_credits(file)
    assert len(found) == 3
    assert {ids[0], ids[1]} < set(found)
    file.write_text(file.read_text() * 2)
    with pytest.raises(ValueError, match="twice"):
        read_credits(file)
    (tmp_path / "other").write_text("not a record\n")
    with pytest.raises(ConfigError, match="no record"):
        Books(tmp_path / "other")


# --- over the wire --------------------------------------------------------------------


class Switch:
    """Asks whoever dials in, and keeps what it hears."""

    def __init__(self) -> None:
        self.to_ask: asyncio.Queue[list[pb.Question]] = asyncio.Queue()
        self.heard: list[pb.Answer] = []
        self.peers: list[set[bytes]] = []

    async def connect(
        self,
        requests: AsyncIterator[bytes],
        context: grpc.aio.ServicerContext[bytes, bytes],
    ) -> AsyncIterator[bytes]:
        names = context.auth_context()["x509_subject_alternative_name"]
        self.peers.append(set(names))

        async def listen() -> None:
            async for body in requests:
                self.heard += pb.ConnectRequest.FromString(body).answers

        task = asyncio.ensure_future(listen())
        try:
            while True:
                questions = await self.to_ask.get()
                yield pb.ConnectResponse(questions=questions).SerializeToString()
        finally:
            task.cancel()

    async def until_peers(self, count: int) -> None:
        for _ in range(6_000):
            if len(self.peers) >= count:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{len(self.peers)} of {count} connections")

    async def until(self, count: int) -> list[pb.Answer]:
        for _ in range(6_000):
            if len(self.heard) >= count:
                return self.heard
            await asyncio.sleep(0.01)
        raise AssertionError(f"{len(self.heard)} of {count} answers")


def start(tls: Path, address: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "switch", "biller", "cesc", "--json"),
            *("--address", address, "--tls", str(tls), *words),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def ended(process: subprocess.Popen[str]) -> dict[str, object]:
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.to_thread(process.communicate, None, WAIT_S)
    assert process.returncode == 0, err
    summary: dict[str, object] = json.loads(out.splitlines()[-1])
    return summary


def many(count: int) -> Iterable[pb.Question]:
    return (question() for _ in range(count))


async def serve(
    authority: DevAuthority, connect: Callable[..., AsyncIterator[bytes]]
) -> tuple["grpc.aio.Server", str]:
    """A switch that has no other method, and its address."""
    certificate, key, ca = authority.server().read()
    server = grpc.aio.server()
    handler: Any = grpc.stream_stream_rpc_method_handler(connect)
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "payswitch.v1.BillerService", {"Connect": handler}
            ),
        )
    )
    credentials = grpc.ssl_server_credentials(
        [(key, certificate)], ca, require_client_auth=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    return server, f"127.0.0.1:{port}"


async def test_a_connection_that_ends_while_it_speaks_is_made_again(
    tmp_path: Path,
) -> None:
    authority = DevAuthority(tmp_path)
    dice = random.Random(1)

    async def hang_up(
        requests: AsyncIterator[bytes],
        context: grpc.aio.ServicerContext[bytes, bytes],
    ) -> AsyncIterator[bytes]:
        async for _ in requests:
            if dice.random() < 0.3:
                return
            yield b""

    class Talker(Desk):
        def answers(self) -> bytes:
            return bytes(2_000)

    server, address = await serve(authority, hang_up)
    desk = Talker(
        "cesc", AT_ONCE, Books(), clock=Clock(NOON_S, time.time()), timeline=Timeline()
    )
    line = Line(desk, address, authority.leaf(Role.BILLER, "cesc"))
    lives = [asyncio.create_task(line.run(asyncio.Event())) for _ in range(8)]
    try:
        while desk.counts["connections"] < 50:
            ended, _ = await asyncio.wait(lives, timeout=0.01)
            assert not ended, ended.pop().exception()
    finally:
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        await server.stop(None)


async def test_a_killed_simulator_goes_on_where_it_was(tmp_path: Path) -> None:
    authority = DevAuthority(tmp_path)
    authority.leaf(Role.BILLER, "cesc")
    switch = Switch()
    server, address = await serve(authority, switch.connect)
    words = ("--at-once", "--state", str(tmp_path / "credits"))
    process = start(tmp_path, address, *words)
    try:
        before = list(many(500))
        await switch.to_ask.put(before)
        await switch.until(500)
        process.kill()
        await asyncio.to_thread(process.communicate)
        process = start(tmp_path, address, *words)
        await switch.until_peers(2)
        # The first connection's handler may take one message with it.
        after = list(many(300))
        await switch.to_ask.put([])
        await switch.to_ask.put([*before, *after])
        await switch.until(1300)
        summary = await ended(process)
    finally:
        process.kill()
        process.communicate()
        await server.stop(None)
    assert switch.peers == [{b"spiffe://payswitch.test/biller/cesc"}] * 2
    assert {one.kind for one in switch.heard} == {CONFIRMED}
    assert {one.id for one in switch.heard} == {one.id for one in [*before, *after]}
    assert summary["credited"] == 800
    assert summary["resumed"] == 500
    assert len(read_credits(tmp_path / "credits")) == 800


def test_a_timeline_of_nothing_is_no_trouble() -> None:
    assert Timeline().find(Trouble.DIE, "cesc", 0) is None
