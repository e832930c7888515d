"""Goal: who has a complaint's number and its receipt's code is told whether it is open,
answered or overdue and since when, and never a word of it; whoever lacks either learns
nothing, not even whether there is such a complaint.

Method: a server's node in the test's own process, whose clock goes over the time for an
answer; what is right, wrong and missing is asked, and answers are compared to the byte.
A classifier is given the times of wrong codes and of missing numbers.
"""

import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from server.budgets import cost_of
from server.services import complaint_times
from server.services import public as module
from server.services.public import PublicService
from switch.calendar import ist_date
from switch.codes import Role
from switch.ids import new_id
from switch.ledger import complaints
from switch.receipt_numbers import format_code, plain_complaint
from switch.register.identity import Identity
from switch.v1 import complaints_pb2
from switch.v1 import public_pb2 as pb
from tests.server.harness import RUPEE
from tests.server.inside import FailedError, Inside, inside
from tests.server.test_public import (
    LEAK_S,
    PACE_S,
    PAIRS,
    PUBLIC,
    RIGHT_MAX,
    answer,
    pay,
    receipt_of,
    refund,
)

HOUR_NS = 3_600 * 10**9
UNKNOWN = pb.CheckComplaintResponse()
NOTE, TEXT = "receipt 17 was given", "credited on the 3rd"
OPEN = pb.PUBLIC_COMPLAINT_STATE_OPEN
ANSWERED = pb.PUBLIC_COMPLAINT_STATE_ANSWERED
OVERDUE = pb.PUBLIC_COMPLAINT_STATE_OVERDUE
_BY = {
    complaints_pb2.COMPLAINT_STEP_ASKED: "treasury/treasury",
    complaints_pb2.COMPLAINT_STEP_ANSWERED: "biller/land",
    complaints_pb2.COMPLAINT_STEP_CLOSED: "treasury/treasury",
}


async def raised(one: Inside, payment_id: bytes, by: str = "centre/centre-a") -> Any:
    request = complaints_pb2.RaiseComplaintRequest(
        id=new_id(),
        payment_id=payment_id,
        operator=1,
        reason=complaints_pb2.COMPLAINT_REASON_NOT_CREDITED,
        note=NOTE,
    )
    body = await one.call("RaiseComplaint", request, by=by)
    reply = complaints_pb2.RaiseComplaintResponse.FromString(body)
    assert reply.outcome.result == 1
    return reply.complaint


async def step(one: Inside, number: str, what: Any) -> None:
    request = complaints_pb2.AnswerComplaintRequest(
        id=new_id(), number=number, step=what, text=TEXT
    )
    body = await one.call("AnswerComplaint", request, by=_BY[what])
    reply = complaints_pb2.AnswerComplaintResponse.FromString(body)
    assert reply.outcome.result == 1


async def check(one: Inside, number: str, code: str) -> pb.CheckComplaintResponse:
    request = pb.CheckComplaintRequest(number=number, code=code)
    body = await one.call("CheckComplaint", request, by=PUBLIC)
    for text in (NOTE, TEXT, "land", "centre-a"):
        assert text.encode() not in body
    return pb.CheckComplaintResponse.FromString(body)


def day(time_ns: int) -> str:
    return ist_date(time_ns).isoformat()


async def test_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE_S", 0.001)
    # Ahead of the wall clock, so that the ledger's own decides what is late.
    clock = np.array([time.time_ns() + 48 * HOUR_NS, 5 * 10**9, 1], np.uint64)

    async def turn(hours: int) -> None:
        clock[:2] += np.uint64(hours * HOUR_NS)
        await pay(one)

    async with inside(tmp_path, clock) as one:
        paid = await pay(one)
        _, code = await receipt_of(one, paid)
        first = await raised(one, paid.id)
        due_ns = first.time_ns + complaint_times.ANSWER_HOURS * HOUR_NS
        assert first.answer_due_ns == due_ns
        told = pb.CheckComplaintResponse(
            known=True, state=OPEN, raised_day=day(first.time_ns), due_day=day(due_ns)
        )
        assert await check(one, first.number, code) == told
        # As people type both.
        spelt = f" {first.number[:4].lower()}-{first.number[4:9]} {first.number[9:]}"
        assert await check(one, spelt, format_code(code).upper()) == told
        await turn(71)
        assert await check(one, first.number, code) == told
        await turn(2)
        told.state = OVERDUE
        assert await check(one, first.number, code) == told
        # Asked, it is still without an answer; a late answer is one.
        await step(one, first.number, complaints_pb2.COMPLAINT_STEP_ASKED)
        assert await check(one, first.number, code) == told
        await turn(30)
        await step(one, first.number, complaints_pb2.COMPLAINT_STEP_ANSWERED)
        answered = day(one.ledger.timestamp)
        assert answered > told.due_day
        told.state, told.due_day, told.answered_day = ANSWERED, "", answered
        assert await check(one, first.number, code) == told
        # Closed later, it was answered on that day; asked once more, it is open.
        await turn(48)
        await step(one, first.number, complaints_pb2.COMPLAINT_STEP_CLOSED)
        assert await check(one, first.number, code) == told
        second = await raised(one, paid.id)
        for what in (2, 1):
            await step(one, second.number, what)
        assert (await check(one, second.number, code)).state == OPEN
        await step(one, second.number, complaints_pb2.COMPLAINT_STEP_CLOSED)
        found = await check(one, second.number, code)
        assert (found.state, found.answered_day) == (ANSWERED, day(second.time_ns))
        # Closed by the treasury, which is the answer, with no word of the biller.
        third = await raised(one, paid.id)
        await turn(24)
        await step(one, third.number, complaints_pb2.COMPLAINT_STEP_CLOSED)
        found = await check(one, third.number, code)
        assert (found.state, found.answered_day) == (
            ANSWERED,
            day(one.ledger.timestamp),
        )
        assert await check(one, first.number, code) == told


async def test_wrong_and_missing_are_one_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PACE_S", 0.001)
    async with inside(tmp_path) as one:
        paid, other = await pay(one), await pay(one, "ONCE")
        receipt, code = await receipt_of(one, paid)
        _, others_code = await receipt_of(one, other)
        number = (await raised(one, paid.id)).number
        others = (await raised(one, other.id)).number
        assert (await check(one, number, code)).known
        await refund(one, paid, RUPEE)
        _, refunds_code = await receipt_of(one, paid, 1)
        assert (await check(one, number, code)).known
        # Held it has no receipt; what the code would be is no key.
        held = await pay(one, "CONFIRM")
        waits = (await raised(one, held.id)).number
        key = one.node.receipt_key
        letters = "AAA" if number[9:] != "AAA" else "BBB"
        for asked, by in (
            (number, others_code),
            (others, code),
            (number, refunds_code),
            (number, f"{int(code, 16) ^ 1:012x}"),
            (number, ""),
            (number, code[:-1]),
            (number[:9] + letters, code),
            (f"C00000000{number[9:]}", code),
            (f"C99999999{number[9:]}", code),
            (receipt, code),
            (waits, key.code(held.sequence)),
            (waits, key.code(0)),
            ("C99999999AAA", key.code(0)),
            ("C99999999AAA", "0" * 12),
            ("", ""),
            ("C\u202e00000001AAA", "=1+1"),
        ):
            found = await check(one, asked, by)
            assert found.SerializeToString() == b"", (asked, by)
        await answer(one, held, confirmed=True)
        assert (await check(one, waits, (await receipt_of(one, held))[1])).known
        for field in ("number", "code"):
            wrong = pb.CheckComplaintRequest(**{field: "0" * 33})
            with pytest.raises(FailedError) as caught:
                await one.call("CheckComplaint", wrong, by=PUBLIC)
            assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_numbers_as_they_are_typed() -> None:
    for text in ("C00000042KQX", " c0000-0042 kqx", "C০০০০০০৪২KQX", "C00000042–KQX\n"):
        assert plain_complaint(text) == "C00000042KQX", text
    for text in (
        *("", "C", "C0000042KQX", "C000000042KQX", "T00000042KQX", "C00000042KQ"),
        *("C00000042KQ1", "C00000042KQXX", "C٠٠٠٠٠٠٤٢KQX", "C00000042ΚQX", " " * 33),
        *("C00000042K\0X", "C00000042KQX\u202e"),
    ):
        assert plain_complaint(text) is None, text


# --- times ---------------------------------------------------------------------------


async def told_apart(one: Inside, service: PublicService, numbers: list[str]) -> float:
    """The share of pairs of which a classifier says rightly which number is missing."""
    known = one.node.register.find_participant("public")
    assert known is not None
    caller = Identity(Role.PUBLIC, "public", known.index)
    instance = one.ledger.instance

    async def timed(number: str) -> float:
        request = pb.CheckComplaintRequest(number=number, code="0" * 12)
        begun = time.perf_counter()
        assert await service.CheckComplaint(request, caller) == UNKNOWN
        return time.perf_counter() - begun

    slower = []
    for at in range(PAIRS):
        there = numbers[at % len(numbers)]
        # Its letters are right: nothing but that it is not there is wrong with it.
        missing = complaints.number_text(instance, 900_000 + at)
        if at % 2:
            slower.append(await timed(there) > await timed(missing))
        else:
            slower.append(not await timed(missing) >= await timed(there))
    learnt, judged = slower[::2], slower[1::2]
    guess = sum(learnt) * 2 > len(learnt)
    return sum(one is guess for one in judged) / len(judged)


async def test_times_tell_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PACE_S", PACE_S)
    plain, leaks = complaints.completing_row, [False]

    def find(*asked: Any) -> Any:
        if leaks[0]:
            time.sleep(LEAK_S)
        return plain(*asked)

    monkeypatch.setattr(complaints, "completing_row", find)
    async with inside(tmp_path) as one:
        service = PublicService(one.node)
        numbers = [(await raised(one, (await pay(one)).id)).number for _ in range(8)]
        for leaks[0] in (False, True):
            shares = [await told_apart(one, service, numbers)]
            while shares[-1] > RIGHT_MAX and len(shares) < 3:
                shares.append(await told_apart(one, service, numbers))
            assert shares[-1] <= RIGHT_MAX, shares

        async def wait_not(*_: float) -> None:
            pass

        monkeypatch.setattr(module, "wait_for_pace", wait_not)
        assert await told_apart(one, service, numbers) > RIGHT_MAX


def test_a_guess_costs_what_one_of_a_receipt_costs() -> None:
    service = "/payswitch.v1.PublicService/"
    assert cost_of(service + "CheckComplaint") == cost_of(service + "CheckReceipt")
    assert cost_of(service + "CheckComplaint")[1] > 0
