"""Goal: a simulated biller that goes wrong about amounts, times or its own word does so
as docs/simulator.md says, and its list of a day is complete and stays true.

Method: desks without a network, given questions and told of payments' ends; then a
whole `payswitch biller` is ended, and sends its list to a server of the test's.
"""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from switch.authority.development import DevAuthority
from switch.calendar import NS_IN_S, ist_date
from switch.codes import Role
from switch.ids import new_id
from switch.simulator.books import (
    REFUSED,
    TAKEN_BACK,
    Books,
    Credit,
    read_billers,
    read_credits,
)
from switch.simulator.day_list import LINES_MAX, day_list, send_day_list
from switch.simulator.desk import REVERSED, Desk
from switch.v1 import billers_pb2 as pb
from switch.v1 import payments_pb2
from tests.simulator.desks import (
    CONFIRM,
    CONFIRMED,
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
from tests.simulator.test_simulator import WAIT_S, ended, start

UNVERIFIED = payments_pb2.PAYMENT_STATE_UNVERIFIED
COMPLETED = payments_pb2.PAYMENT_STATE_COMPLETED
DAY_NS = 86_400 * NS_IN_S


def question_of(last: int, second: int = 0) -> pb.Question:
    """A question about a payment whose id ends with these bytes, the last first."""
    return question(id_=new_id()[:-2] + bytes((second, last)))


def tell(
    desk: Desk, one: pb.Question, state: payments_pb2.PaymentState.ValueType
) -> None:
    """The switch says where a payment stands."""
    end = pb.Ended(number=one.number, state=state)
    desk.take(pb.ConnectResponse(ended=[end]).SerializeToString())


def asked_again(desk: Desk, one: pb.Question) -> pb.Answer:
    """What is said of a payment when its status is asked for."""
    status = pb.Question()
    status.CopyFrom(one)
    status.kind = STATUS
    [answer] = ask(desk, status)
    return answer


# --- amounts --------------------------------------------------------------------------


@pytest.mark.parametrize("paise", [-1, 250])
def test_other_amounts_are_said_and_of_every_other_payment_credited(paise: int) -> None:
    books = Books()
    wrong = make_desk(script=f"* answer amounts {paise:+}", books=books)
    only_said, credited_so = question_of(0, 1), question_of(0, 2)
    answers = ask(wrong, only_said, credited_so)
    for one, answer in zip((only_said, credited_so), answers, strict=True):
        assert (answer.kind, answer.amount) == (CONFIRMED, one.amount + paise)
        assert asked_again(wrong, one).amount == one.amount + paise
    assert books.find("cesc", only_said.id) == only_said.amount
    assert books.find("cesc", credited_so.id) == credited_so.amount + paise
    # When the trouble is over the books are said.
    desk = make_desk(books=books)
    assert asked_again(desk, only_said).amount == only_said.amount
    assert asked_again(desk, credited_so).amount == credited_so.amount + paise


def test_another_amount_of_a_basket_is_of_its_sum() -> None:
    for second in (1, 2):
        parts = [question_of(0, second), *(question() for _ in range(2))]
        first = question(id_=parts[0].id)
        first.basket.extend(parts)
        books = Books()
        [answer] = ask(make_desk(script="* answer amounts -1", books=books), first)
        whole = sum(one.amount for one in parts)
        assert answer.amount == whole - 1
        assert books.totals("cesc").amount == whole - (second == 2)


# --- late -----------------------------------------------------------------------------


def late_desk(script: str, books: Books) -> Desk:
    """At noon, 1,000 times faster than life: 100 s of its day are 0.1 s."""
    return make_desk(script=script, books=books, speed=1000.0)


def test_a_biller_that_credits_late_does_not_know_until_then() -> None:
    books = Books()
    desk = late_desk("* credit late +200s", books)
    one = question_of(1)
    one.credit_until_ns = time.time_ns() + NS_IN_S // 10
    assert ask(desk, one, one) == []
    assert asked_again(desk, one).kind == UNKNOWN
    assert books.find("cesc", one.id) is None
    [answer] = hear(desk, 0.3)
    # It had promised otherwise.
    assert time.time_ns() > one.credit_until_ns
    assert (answer.kind, answer.amount) == (CONFIRMED, one.amount)
    assert books.find("cesc", one.id) == one.amount
    assert books.totals("cesc").payments == 1


@pytest.mark.parametrize("script", ["* credit late +50s", "* answer late +50s"])
def test_of_what_was_given_back_every_other_late_credit_is_taken_back(
    script: str,
) -> None:
    for last, state, is_kept in (
        (0, UNVERIFIED, False),
        (1, UNVERIFIED, True),
        (0, COMPLETED, True),
    ):
        books = Books()
        desk = late_desk(script, books)
        one = question_of(last)
        parts = [question(id_=one.id), question()]
        one.basket.extend(parts)
        assert ask(desk, one, wait_s=0) == []
        tell(desk, one, state)
        [confirmed] = hear(desk, 0.07)
        assert confirmed.kind == CONFIRMED
        reversed_ = hear(desk, 0.2)
        if is_kept:
            assert reversed_ == []
            assert asked_again(desk, one).kind == CONFIRMED
            assert books.totals("cesc").payments == 2
            continue
        assert [(a.kind, a.reason) for a in reversed_] == [(REJECTED, REVERSED)]
        assert asked_again(desk, one).reason == REVERSED
        assert books.totals("cesc").payments == books.totals("cesc").amount == 0
        # And never again.
        assert ask(desk, one)[0].kind == REJECTED


def test_status_questions_after_the_deadline_are_counted_by_themselves() -> None:
    desk = make_desk()
    one = question(STATUS)
    one.deadline_ns = time.time_ns() + 60 * NS_IN_S
    late = pb.Question()
    late.CopyFrom(one)
    late.deadline_ns = time.time_ns() - 1
    ask(desk, one, *[late] * 3, one)
    assert desk.status_of_payment_most == 2
    assert desk.status_after_deadline_most == 3
    assert desk.status_of_minute_most == 5


# --- the record -----------------------------------------------------------------------


def test_a_record_knows_what_was_taken_back_and_until_when_it_is_closed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "credits"
    now_ns = time.time_ns()
    kept, back = new_id(), new_id()
    with Books(file) as books:
        for id_ in (kept, back):
            books.write("cesc", Credit(id_, 1, "S", "R", 7, now_ns))
        books.write("cesc", Credit(back, TAKEN_BACK, "S", "R", 7, now_ns))
        books.close("cesc", now_ns)
    with Books(file) as books:
        assert books.find("cesc", kept) == books.totals("cesc").amount == 1
        assert books.find("cesc", back) == TAKEN_BACK
        assert books.paid("cesc", "S", "R") == 1
        assert books.find("cesc", new_id(), now_ns) == REFUSED
        assert books.find("cesc", new_id(), now_ns - DAY_NS) == REFUSED
        # A later one, and another biller's.
        assert books.find("cesc", new_id(), now_ns + 1) is None
        assert books.find("dlrs", new_id(), now_ns) is None
    assert read_credits(file) == {kept: Credit(kept, 1, "S", "R", 7, now_ns)}
    line = file.read_text().splitlines()[2]
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(ValueError, match="twice"):
        read_credits(file)


def test_what_is_not_credited_when_the_books_close_is_refused_for_ever() -> None:
    books = Books()
    desk = make_desk(books=books)
    before, after = question(), question()
    ask(desk, before)
    books.close("cesc", time.time_ns())
    answers = {one.id: one.kind for one in ask(desk, after, before)}
    assert answers == {before.id: CONFIRMED, after.id: REJECTED}
    assert asked_again(desk, after).kind == REJECTED
    never_asked = question()
    never_asked.time_ns = after.time_ns
    assert asked_again(desk, never_asked).kind == REJECTED
    assert asked_again(desk, question()).kind == NOT_SEEN


# --- the list of a day ----------------------------------------------------------------


def test_a_list_has_every_payment_of_its_day_once_and_baskets_in_one_line(
    tmp_path: Path,
) -> None:
    now_ns = time.time_ns()
    single, other = question(), question()
    other.time_ns -= DAY_NS
    parts = [question() for _ in range(3)]
    basket = question(id_=parts[0].id)
    basket.basket.extend(parts)
    with Books(tmp_path / "credits") as books:
        ask(make_desk(books=books), single, basket, other)
        books.flush()
    credits = read_billers(tmp_path / "credits")["cesc"]
    assert len(credits) == 5
    head, lines = day_list(credits, ist_date(now_ns))
    whole = sum(one.amount for one in parts)
    assert (head.list.day, head.list.count) == (f"{ist_date(now_ns)}", 2)
    assert head.list.amount == single.amount + whole
    assert [
        (one.number, one.id, one.kind, one.amount, one.biller_reference)
        for one in lines.credited
    ] == [
        (single.number, single.id, CONFIRMED, single.amount, single.id.hex()),
        (basket.number, parts[0].id, CONFIRMED, whole, parts[0].id.hex()),
    ]


def test_a_long_list_is_sent_in_parts() -> None:
    now_ns = time.time_ns()
    credits = {
        number.to_bytes(16, "big"): Credit(
            number.to_bytes(16, "big"), number, "S", "R", number, now_ns
        )
        for number in range(1, 2 * LINES_MAX + 2)
    }
    head, *parts = day_list(credits, ist_date(now_ns))
    assert [len(one.credited) for one in parts] == [LINES_MAX, LINES_MAX, 1]
    numbers = Counter(one.number for part in parts for one in part.credited)
    assert max(numbers.values()) == 1
    assert len(numbers) == head.list.count == len(credits)
    assert head.list.amount == sum(range(1, 2 * LINES_MAX + 2))
    [empty] = day_list({}, ist_date(now_ns))
    assert (empty.list.count, empty.list.amount) == (0, 0)


class Switch:
    """Takes lists; a few times they come too early."""

    def __init__(self, early: int = 0) -> None:
        self.early = early
        self.lists: list[tuple[pb.DayList, list[pb.Answer]]] = []
        self.asked: asyncio.Queue[list[pb.Question]] = asyncio.Queue()
        self.heard = asyncio.Event()
        """All that was asked is answered."""
        self._open = 0

    async def take(
        self, requests: AsyncIterator[pb.SendDayListRequest], context: Any
    ) -> pb.SendDayListResponse:
        messages = [one async for one in requests]
        lines = [line for one in messages for line in one.credited]
        self.lists.append((messages[0].list, lines))
        early, self.early = self.early, max(0, self.early - 1)
        return pb.SendDayListResponse(confirmed=len(lines), rejected=1, too_early=early)

    async def connect(
        self, requests: AsyncIterator[pb.ConnectRequest], context: Any
    ) -> AsyncIterator[pb.ConnectResponse]:
        async def listen() -> None:
            async for one in requests:
                self._open -= len(one.answers)
                if one.answers and not self._open:
                    self.heard.set()

        task = asyncio.ensure_future(listen())
        try:
            while True:
                questions = await self.asked.get()
                self._open += len(questions)
                yield pb.ConnectResponse(questions=questions)
        finally:
            task.cancel()


async def serve(authority: DevAuthority, switch: Switch) -> tuple[Any, str]:
    certificate, key, ca = authority.server().read()
    server = grpc.aio.server()
    handlers: Any = {
        "SendDayList": grpc.stream_unary_rpc_method_handler(
            switch.take,
            pb.SendDayListRequest.FromString,
            pb.SendDayListResponse.SerializeToString,
        ),
        "Connect": grpc.stream_stream_rpc_method_handler(
            switch.connect,
            pb.ConnectRequest.FromString,
            pb.ConnectResponse.SerializeToString,
        ),
    }
    service = "payswitch.v1.BillerService"
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, handlers),)
    )
    credentials = grpc.ssl_server_credentials(
        [(key, certificate)], ca, require_client_auth=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    return server, f"127.0.0.1:{port}"


async def test_a_list_is_sent_again_while_it_comes_too_early(tmp_path: Path) -> None:
    authority = DevAuthority(tmp_path)
    caller = authority.leaf(Role.BILLER, "cesc")
    messages = day_list({}, ist_date(time.time_ns()))
    for early, patience_s, sent, said in ((2, 20, 3, 0), (2, 0, 1, 2)):
        switch = Switch(early)
        server, address = await serve(authority, switch)
        try:
            answer = await send_day_list(messages, [address], caller, patience_s)
        finally:
            await server.stop(None)
        assert len(switch.lists) == sent
        assert answer.get("too_early", 0) == said
        # Of all times that it was sent.
        assert answer["rejected"] == sent
        assert answer.get("confirmed", 0) == 0
    # Nobody is there any more.
    answer = await send_day_list(messages, [address], caller, 0)
    assert answer["error"] == "unavailable"


async def test_a_simulator_that_is_ended_sends_the_list_of_its_day(
    tmp_path: Path,
) -> None:
    authority = DevAuthority(tmp_path)
    authority.leaf(Role.BILLER, "cesc")
    switch = Switch()
    server, address = await serve(authority, switch)
    state = tmp_path / "credits"
    words = ("--at-once", "--state", str(state), "--day-list", "10")
    process = start(tmp_path, address, *words)
    questions = [question() for _ in range(20)]
    try:
        await switch.asked.put(questions)
        await asyncio.wait_for(switch.heard.wait(), WAIT_S)
        summary = await ended(process)
    finally:
        process.kill()
        process.communicate()
        await server.stop(None)
    [(head, lines)] = switch.lists
    assert {(one.id, one.amount) for one in lines} == {
        (one.id, one.amount) for one in questions
    }
    assert (head.day, head.count) == (f"{ist_date(time.time_ns())}", 20)
    assert summary["lists"] == {head.day: {"cesc": {"confirmed": 20, "rejected": 1}}}
    # What was paid before it and is asked about afterwards is refused.
    with Books(state) as books:
        late = question(CONFIRM, age_s=60)
        assert ask(make_desk(books=books), late)[0].kind == REJECTED


def test_a_list_needs_a_record(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "switch", "biller", "cesc"),
            *("--tls", str(tmp_path), "--day-list", "1"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "--state" in done.stderr
