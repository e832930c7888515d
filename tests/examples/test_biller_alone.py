"""Goal: the example of a biller says again what was not heard, and dials with growing
waits, whatever a switch does.

Method: a switch that a test plays, over mutual TLS: it asks, hears, and hangs up.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc

from switch.codes import Role
from switch.v1 import billers_pb2 as pb
from tests.examples.played import playing
from tests.examples.programs import BILLER, Program, load_bills
from tests.server.harness import until

S_NS = 1_000_000_000
Requests = Iterator[pb.ConnectRequest]
Play = Callable[[Requests], Iterator[pb.ConnectResponse]]


class PlayedSwitch:
    """Each connection is the next play; then it hangs up."""

    def __init__(self, *plays: Play) -> None:
        self.plays = iter(plays)
        self.times: list[float] = []

    def connect(
        self, requests: Requests, context: grpc.ServicerContext
    ) -> Iterator[pb.ConnectResponse]:
        self.times.append(time.monotonic())
        play = next(self.plays, None)
        if play is not None:
            yield from play(requests)
        context.abort(grpc.StatusCode.UNAVAILABLE, "hangs up")

    def services(self) -> "dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]":
        connect = grpc.stream_stream_rpc_method_handler(
            self.connect,
            pb.ConnectRequest.FromString,
            pb.ConnectResponse.SerializeToString,
        )
        return {"BillerService": {"Connect": connect}}


@contextmanager
def running(played: PlayedSwitch, directory: Path) -> Iterator[None]:
    """The biller of the examples, with its bills, at such a switch."""
    book = directory / "book.db"
    load_bills(book)
    with playing(directory, Role.BILLER, BILLER, played.services()) as switch:
        arguments = (str(book), BILLER, *switch)
        biller = Program("biller.py", *arguments, log=directory / "log")
        try:
            yield
        finally:
            biller.end()


def confirm(number: int, reference: str, amount: int) -> pb.Question:
    now_ns = time.time_ns()
    return pb.Question(
        number=number,
        kind=pb.QUESTION_KIND_CONFIRM,
        id=number.to_bytes(16, "big"),
        service="WATER-01",
        reference=reference,
        amount=amount,
        time_ns=now_ns,
        sent_ns=now_ns,
        credit_until_ns=now_ns + 60 * S_NS,
        credit_within_ms=60_000,
    )


def test_what_was_not_heard_is_said_again(tmp_path: Path) -> None:
    heard: list[list[pb.Answer]] = []

    def listen(requests: Requests, count: int) -> list[pb.Answer]:
        answers: list[pb.Answer] = []
        while len(answers) < count:
            answers += next(requests).answers
        heard.append(answers)
        return answers

    def ask(requests: Requests) -> Iterator[pb.ConnectResponse]:
        questions = [
            confirm(7, "200000001/2026-11", 41_250),
            confirm(8, "200000002/2026-11", 1),
        ]
        yield pb.ConnectResponse(questions=questions)
        listen(requests, 2)

    def take_one(requests: Requests) -> Iterator[pb.ConnectResponse]:
        listen(requests, 2)
        yield pb.ConnectResponse(acknowledged=[7])
        time.sleep(0.5)

    def take_other(requests: Requests) -> Iterator[pb.ConnectResponse]:
        listen(requests, 1)
        yield pb.ConnectResponse(acknowledged=[8])
        time.sleep(0.5)

    last: list[pb.ConnectRequest] = []

    def hear_nothing(requests: Requests) -> Iterator[pb.ConnectResponse]:
        last.append(next(requests))
        yield from ()

    played = PlayedSwitch(ask, take_one, take_other, hear_nothing)
    with running(played, tmp_path):
        until(lambda: last, 30)
    first = {one.number: one for one in heard[0]}
    assert first[7].kind == pb.ANSWER_KIND_CONFIRMED
    assert first[7].amount == 41_250
    assert first[8].kind == pb.ANSWER_KIND_REJECTED
    assert {one.number: one for one in heard[1]} == first
    assert heard[2] == [first[8]]
    assert not last[0].answers
    # Each message says what time it is there.
    assert abs(last[0].clock_ns - time.time_ns()) < 60 * S_NS


def test_the_waits_before_dialling_grow(tmp_path: Path) -> None:
    begun = []
    for number in range(3):
        played, directory = PlayedSwitch(), tmp_path / str(number)
        directory.mkdir()
        with running(played, directory):
            until(lambda played=played: len(played.times) >= 4)
        gaps = [b - a for a, b in pairwise(played.times[:4])]
        # Half a second, then twice as long each time; each spread by half.
        for gap, wait_s in zip(gaps, (0.5, 1.0, 2.0), strict=True):
            assert wait_s / 2 <= gap
        begun.append(gaps[0])
        if gaps[0] < 2.0:
            return
    # A machine that stands still adds to one, and not to all.
    raise AssertionError(begun)
