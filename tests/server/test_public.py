"""Goal: who has a receipt's number and code is told that it is real, and whoever lacks
either learns nothing, not even whether there is such a number.

Method: a server's node in the test's own process, with payments of every fate; what is
right, wrong and missing is asked, and answers are compared to the byte. A classifier is
given the times of wrong codes and of missing numbers, and must not tell them apart;
with the pace taken away and a delay planted it does.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import pytest

from server.services import public as module
from server.services.public import RECOVERIES_SHOWN, PublicService
from switch._core import Request
from switch.calendar import day_start_ns, ist_date
from switch.codes import Role
from switch.ids import new_id
from switch.ledger import receipts
from switch.ledger.people_matters import Recovery
from switch.ledger.receipts import SCAN_MAX, find_receipt
from switch.receipt_numbers import format_code, parse_number, plain_code
from switch.register.identity import Identity
from switch.register.rights import MATRIX
from switch.v1 import (
    admin_pb2,
    billers_pb2,
    counter_pb2,
    network_pb2,
    payments_pb2,
    types_pb2,
)
from switch.v1 import public_pb2 as pb
from tests.server.harness import RUPEE, network, payment
from tests.server.inside import FailedError, Inside, inside

PUBLIC = "public/public"
NOT_REAL = pb.CheckReceiptResponse()
NUMBERS = 90
PAIRS = 80
RIGHT_MAX = 0.7
"""Of as few pairs chance alone says so once in a thousand times."""
PACE_S = 0.008
LEAK_S = 0.001


@asynccontextmanager
async def ready(path: Path) -> AsyncIterator[Inside]:
    """A node whose services have departments."""
    async with inside(path) as one:
        services = list(network().services)
        for service in services:
            service.department_en, service.department_bn = "Land & Water", "ভূমি"
        request = admin_pb2.LoadNetworkRequest(services=services)
        await one.call("LoadNetwork", request, by="treasury/treasury")
        yield one


async def pay(one: Inside, service: str = "ANY", **fields: Any) -> Any:
    request = payments_pb2.CreatePaymentRequest(payment=payment(service, **fields))
    body = await one.call("CreatePayment", request, by="centre/centre-a")
    return payments_pb2.CreatePaymentResponse.FromString(body).outcome


async def receipt_of(one: Inside, outcome: Any, refund: int = 0) -> tuple[str, str]:
    request = counter_pb2.GetReceiptRequest(id=outcome.id, refund=refund)
    body = await one.call("GetReceipt", request, by="centre/centre-a")
    reply = counter_pb2.GetReceiptResponse.FromString(body)
    return reply.number, reply.code


async def check(one: Inside, number: str, code: str) -> pb.CheckReceiptResponse:
    request = pb.CheckReceiptRequest(number=number, code=code)
    body = await one.call("CheckReceipt", request, by=PUBLIC)
    return pb.CheckReceiptResponse.FromString(body)


async def answer(one: Inside, outcome: Any, *, confirmed: bool) -> None:
    kind = (
        billers_pb2.ANSWER_KIND_CONFIRMED
        if confirmed
        else billers_pb2.ANSWER_KIND_REJECTED
    )
    said = billers_pb2.Answer(
        number=outcome.sequence,
        id=outcome.id,
        kind=kind,
        biller_reference="B-1" if confirmed else "",
        reason="" if confirmed else "E42",
        amount=5 * RUPEE if confirmed else 0,
    )
    request = billers_pb2.AcknowledgeRequest(answers=[said])
    await one.call("Acknowledge", request, by="biller/power")


async def refund(one: Inside, outcome: Any, amount: int) -> None:
    proposal = admin_pb2.ProposeRequest(
        id=new_id(),
        kind=types_pb2.PROPOSAL_KIND_REFUND,
        sequence=outcome.sequence,
        amount=amount,
        reason="a test",
    )
    body = await one.call("Propose", proposal, by="treasury/treasury")
    asked = admin_pb2.ProposeResponse.FromString(body).outcome
    request = admin_pb2.ApproveRequest(id=new_id(), proposal_sequence=asked.sequence)
    body = await one.call("Approve", request, by="treasury/checker")
    assert admin_pb2.ApproveResponse.FromString(body).outcome.result == 1


async def test_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE_S", 0.001)
    async with ready(tmp_path) as one:
        paid = await pay(one)
        number, code = await receipt_of(one, paid)
        real = pb.CheckReceiptResponse(
            real=True,
            amount=5 * RUPEE,
            day=ist_date(time.time_ns()).isoformat(),
            department_en="Land & Water",
            department_bn="ভূমি",
        )
        assert await check(one, number, code) == real
        # As people type it.
        assert await check(one, f" {number.upper()} ", format_code(code)) == real
        # Its department is the one that stands on the paper.
        moved = network_pb2.Service()
        moved.CopyFrom(next(one_ for one_ in network().services if one_.code == "ANY"))
        moved.department_en = "Others"
        request = admin_pb2.LoadNetworkRequest(services=[moved])
        await one.call("LoadNetwork", request, by="treasury/treasury")
        assert await check(one, number, code) == real

        # Wrong and missing are one answer, of no byte.
        centre, year, serial = number.split("/")
        other = await receipt_of(one, await pay(one, "ONCE"))
        wrong = f"{int(code, 16) ^ 1:012x}"
        for of, by in (
            (number, wrong),
            (number, other[1]),
            (other[0], code),
            (number, ""),
            (number, code[:-1]),
            (f"{centre}/{year}/{int(serial) + 9:06d}", code),
            (f"{centre}/2025-26/{serial}", code),
            (f"centre-b/{year}/{serial}", code),
            (f"nowhere/{year}/{serial}", code),
            (f"treasury/{year}/{serial}", code),
            (f"{number}/R1", code),
            ("", ""),
            ("bill\u202eno/2026-27/000001", "=1+1"),
        ):
            found = await check(one, of, by)
            assert found.SerializeToString() == b"", (of, by)
        for field in ("number", "code"):
            with pytest.raises(FailedError) as caught:
                await one.call(
                    "CheckReceipt",
                    pb.CheckReceiptRequest(**{field: "0" * 10_000}),
                    by=PUBLIC,
                )
            assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT

        # Given back, in part and again: the paper is real, and so is each refund's own.
        await refund(one, paid, 2 * RUPEE)
        real.refunded = True
        assert await check(one, number, code) == real
        await refund(one, paid, 1 * RUPEE)
        for which, amount in ((1, 2 * RUPEE), (2, 1 * RUPEE)):
            of_refund = await receipt_of(one, paid, which)
            assert of_refund[0] == f"{number}/R{which}"
            real.amount = amount
            assert await check(one, *of_refund) == real
            assert await check(one, of_refund[0], code) == NOT_REAL
            assert await check(one, number, of_refund[1]) == NOT_REAL

        # Held, it has no receipt; confirmed, it has; reversed, it never will.
        held, reversed_ = await pay(one, "CONFIRM"), await pay(one, "CONFIRM")
        await answer(one, reversed_, confirmed=False)
        following = f"{centre}/{year}/{int(other[0][-6:]) + 1:06d}"
        key = one.node.receipt_key
        for outcome in (held, reversed_):
            assert await check(one, following, key.code(outcome.sequence)) == NOT_REAL
        await answer(one, held, confirmed=True)
        confirmed = await receipt_of(one, held)
        assert confirmed[0] == following
        found = await check(one, *confirmed)
        assert (found.real, found.amount, found.refunded) == (True, 5 * RUPEE, False)


async def test_every_number_is_found(tmp_path: Path) -> None:
    """Between others' rows, and holds and top-ups of its own, many and few."""
    async with inside(tmp_path) as one:
        bills = []
        for at in range(NUMBERS):
            # Holds have no receipt.
            bills += [
                payment("CONFIRM", centre="centre-a") for _ in range(at % 40 and at % 3)
            ]
            if at % 7 == 0:
                bills.append(payment("ANY", centre="centre-a"))
            bills.append(payment("ANY", centre="centre-b"))
        bills += [payment("CONFIRM", centre="centre-a") for _ in range(SCAN_MAX // 2)]
        sender = one.node.register.find_participant("harness")
        assert sender is not None
        body = payments_pb2.CreatePaymentsRequest(payments=bills).SerializeToString()
        reply = await one.node.commit(Request.payments(body, sender.index, 0))
        assert isinstance(reply, bytes)
        outcomes = payments_pb2.CreatePaymentsResponse.FromString(reply).outcomes
        expected: dict[tuple[str, int, int], int] = {}
        for bill, outcome in zip(bills, outcomes, strict=True):
            if outcome.receipt:
                key = (bill.centre, outcome.receipt_year, outcome.receipt)
                expected[key] = outcome.sequence
        years = {year for _, year, _ in expected}
        for centre in ("centre-a", "centre-b", "centre-c"):
            wallet = one.node.register.find_wallet(centre)
            assert wallet is not None
            for year in range(min(years) - 1, max(years) + 2):
                for number in range(NUMBERS + 3):
                    found = find_receipt(one.ledger, wallet.index, year, number)
                    assert found == expected.get((centre, year, number), 0)


def test_numbers_and_codes() -> None:
    for text in ("bsk-00001/2026-27/000123", "a/1999-00/1234567", "a/2099-00/000001"):
        assert parse_number(text) is not None
        assert parse_number(text).text == text  # type: ignore[union-attr]
    read = parse_number(" BSK-00001/২০২৬-২৭/০০০১২৩/r12\n")
    assert read == ("bsk-00001", 2026, 123, 12)
    # Zeros may be left out; what is printed stays.
    for text in ("a/2026-27/9", "a/2026-27/09", "A/২০২৬-২৭/৯", " a/2026-27/000009 "):
        read = parse_number(text)
        assert read == ("a", 2026, 9, 0)
        assert read.text == "a/2026-27/000009"
    assert parse_number("a/2026-27/9/r1") == ("a", 2026, 9, 1)
    assert parse_number("2026-27/9", "a") == ("a", 2026, 9, 0)
    assert parse_number("b/2026-27/9", "a") == ("b", 2026, 9, 0)
    assert parse_number("2026-27/2026-27/9") == ("2026-27", 2026, 9, 0)
    for text in (
        *("", "a", "a/2026-27", "a/2026-28/000001", "a/2026-27/", "2026-27/000001"),
        *("a/2026-27/0000001", "a/2026-27/000000", "a/2026-27/0", "a/2026-27//1"),
        *("a/2026-27/9999999999", "a/2026-27/4294967296", "/2026-27/1"),
        *("a/2026-27/000001/R0", "a/2026-27/000001/R01", "a/2026-27/000001/X1"),
        *("../2026-27/000001", "a b/2026-27/000001", "a/٢٠٢٦-27/000001"),
        *("a/2026-27/000001\0", "a\r\n/2026-27/000001", " " * 65),
    ):
        assert parse_number(text) is None, text
    for text in (
        "7f3a09bc12de",
        " 7F3A-09BC-12DE ",
        "7f3a 09bc 12de",
        "7f3a–09bc–12de",
    ):
        assert plain_code(text) == "7f3a09bc12de"
    assert plain_code("১২৩৪৫৬৭৮৯০১২") == "123456789012"
    for text in (
        "",
        "7f3a09bc12d",
        "7f3a09bc12def",
        "7g3a09bc12de",
        " " * 33,
        "=" * 12,
    ):
        assert plain_code(text) is None, text


def test_the_role_has_four_calls() -> None:
    mine = {name for name, roles in MATRIX.items() if Role.PUBLIC in roles}
    service = "/payswitch.v1.PublicService/"
    assert mine == {
        service + name
        for name in (
            *("CheckReceipt", "CheckComplaint", "ReadPublicTotals"),
            "ListRecoveries",
        )
    }
    assert all(MATRIX[name] == {Role.PUBLIC} for name in mine)


async def test_many_recoveries_hide_none_that_is_approved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approved ones come first, the oldest first, and all are counted."""
    first_ns, second_ns = (day_start_ns(date(2026, 5, day)) for day in (1, 2))
    open_ = [Recovery(at, first_ns) for at in range(1, 40)]
    approved = [Recovery(at, first_ns, second_ns) for at in (90, 80)]
    async with inside(tmp_path) as one:
        there = [*open_, *approved]
        monkeypatch.setattr(one.node.exceptions, "recoveries", lambda _: list(there))
        request = pb.ListRecoveriesRequest()
        body = await one.call("ListRecoveries", request, by="public/public")
    told = pb.ListRecoveriesResponse.FromString(body)
    assert (told.count, len(told.recoveries)) == (41, RECOVERIES_SHOWN)
    days = [(each.proposed_day, each.approved_day) for each in told.recoveries]
    assert days[:2] == [("2026-05-01", "2026-05-02")] * 2
    assert days[2:] == [("2026-05-01", "")] * 18
    first = told.recoveries[0]
    assert (first.from_day, first.until_day) == ("2026-06-01", "2026-07-01")
    assert told.recoveries[2].from_day == ""


# --- times ---------------------------------------------------------------------------


async def told_apart(one: Inside, service: PublicService) -> float:
    """The share of pairs of which a classifier says rightly which number is missing."""
    paid = [await pay(one) for _ in range(8)]
    numbers = [(await receipt_of(one, outcome))[0] for outcome in paid]
    known = one.node.register.find_participant("public")
    assert known is not None
    caller = Identity(Role.PUBLIC, "public", known.index)

    async def timed(number: str) -> float:
        request = pb.CheckReceiptRequest(number=number, code="0" * 12)
        begun = time.perf_counter()
        assert await service.CheckReceipt(request, caller) == NOT_REAL
        return time.perf_counter() - begun

    slower = []
    for at in range(PAIRS):
        there = numbers[at % len(numbers)]
        missing = f"{there[:-6]}{900_000 + at:06d}"
        # Neither is always the first.
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
    plain, leaks = receipts.find_receipt, [False]

    def find(*asked: Any) -> int:
        found = plain(*asked)
        if found and leaks[0]:
            time.sleep(LEAK_S)
        return found

    monkeypatch.setattr(receipts, "find_receipt", find)
    async with ready(tmp_path) as one:
        service = PublicService(one.node)
        for leaks[0] in (False, True):
            # Even what takes long shows nothing, and without a pace it does.
            shares = [await told_apart(one, service)]
            while shares[-1] > RIGHT_MAX and len(shares) < 3:
                shares.append(await told_apart(one, service))
            assert shares[-1] <= RIGHT_MAX, shares

        async def wait_not(*_: float) -> None:
            pass

        monkeypatch.setattr(module, "wait_for_pace", wait_not)
        assert await told_apart(one, service) > RIGHT_MAX
