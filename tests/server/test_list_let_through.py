"""Goal: an empty list of a day gives nothing back until two people let just this list
through, and then no more than they saw.

Method: a real server on a ledger with people; the list is sent as the shipped client
does. One payment is worth more than a list may lack.
"""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch.calendar import ist_date
from switch.client import make_payment
from switch.client.calls import CallError
from switch.codes import AmountRule, DuplicateRule, Kind, Mode, Policy, PriceRule, Role
from switch.register.tails import participant_tail
from switch.signed import Row
from switch.simulator.day_list import list_messages, send_day_list
from switch.specs import ParticipantSpec, ServiceSpec, Specs
from switch.v1 import billers_pb2, network_pb2, types_pb2
from switch.v1 import people_pb2 as pb
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    Council,
    balance,
    centres,
    name_of,
    sitting,
    top_up,
)
from tests.server.harness import RUPEE, until

LAKH = 100_000 * RUPEE
WORTH = 11 * LAKH
CONFIRMED_S = 1


def payable() -> Specs:
    biller = ParticipantSpec(id="power", role=Role.BILLER, heads=("0801-01",))
    service = ServiceSpec(
        code="KEPT",
        biller="power",
        heads=("0801-01",),
        amount_rule=AmountRule.ANY,
        mode=Mode.CONFIRMED,
        deadline_s=CONFIRMED_S,
        deadline_policy=Policy.KEEP,
        duplicate_rule=DuplicateRule.NONE,
        price_rule=PriceRule.STATED,
    )
    return Specs((*centres().participants, biller), (service,))


def pay(council: Council, amount: int, reference: str) -> None:
    """A payment that its biller hears about, and says nothing of."""
    payment = make_payment("KEPT", amount, reference, centre=CENTRES[0])
    outcome = council.client("harness", Role.HARNESS).pay(payment)
    assert name_of(outcome) == "OK"
    feed = council.client("power", Role.BILLER).feed()
    assert outcome.sequence in {one.sequence for one in feed}


def sent(council: Council) -> dict[str, Any]:
    """What the switch says of a list of today without lines."""
    credentials = council.authority.leaf(Role.BILLER, "power")
    messages = list_messages(ist_date(time.time_ns()), [])
    addresses = [council.server.address]
    return asyncio.run(send_day_list(messages, addresses, credentials, 0))


def final(council: Council) -> dict[str, Any]:
    """The same once nobody may credit any of it any more."""
    until(lambda: "too_early" not in sent(council))
    return sent(council)


def let(council: Council, text: str) -> int:
    """A proposal that lets a list through."""
    network = pb.NetworkWish(
        participants=[network_pb2.Participant(id="power", day_list=text)],
        participant_fields=[network_pb2.FieldNames(names=["day_list"])],
    )
    return council.proposed(ALPHA, pb.PrepareRequest(network=network, reason="list"))


def held(council: Council) -> int:
    wallet = council.client(CENTRES[0], Role.CENTRE).wallet(CENTRES[0]).wallet
    return int(wallet.balance - wallet.available)


def test_two_people_let_a_list_through(tmp_path: Path) -> None:
    with sitting(tmp_path, "--set", "signatures_per_s=1000") as council:
        council.load(payable())
        council.done(top_up(40 * LAKH))
        pay(council, WORTH, "BILL-1")
        told = final(council)
        lacks = told["lacks"]
        assert list(told) == ["lacks"]
        assert (lacks["count"], lacks["amount"]) == (1, WORTH)
        assert len(lacks["numbers"]) == 1
        assert held(council) == WORTH

        # One person alone does not.
        proposal = let(council, lacks["let_through"])
        [line] = council.client().proposal(proposal).lines
        assert lacks["let_through"] in line.text
        assert sent(council)["lacks"] == lacks

        # It may lack what they saw, and no more.
        pay(council, RUPEE, "BILL-2")
        until(lambda: sent(council)["lacks"]["count"] == 2)
        more = sent(council)["lacks"]
        assert more["amount"] == WORTH + RUPEE
        assert name_of(council.approve(BETA, proposal)) == "OK"
        assert council.do(proposal) == ["OK"]
        assert sent(council)["lacks"] == more
        assert held(council) == WORTH + RUPEE
        proposal = let(council, more["let_through"])
        assert name_of(council.approve(BETA, proposal)) == "OK"
        assert council.do(proposal) == ["OK"]
        assert sent(council)["rejected"] == 2
        assert (held(council), balance(council)) == (0, 40 * LAKH)


def test_an_amount_that_is_disputed_is_left(tmp_path: Path) -> None:
    with sitting(tmp_path, "--set", "signatures_per_s=1000") as council:
        council.load(payable())
        council.done(top_up(LAKH))
        for at in range(2):
            pay(council, RUPEE, f"BILL-{at}")
        biller = council.client("power", Role.BILLER)
        entry = max(
            (one for one in biller.feed() if one.kind == types_pb2.ENTRY_KIND_HOLD),
            key=lambda one: one.sequence,
        )
        said = billers_pb2.Answer(
            number=entry.sequence,
            id=entry.id,
            kind=billers_pb2.ANSWER_KIND_CONFIRMED,
            amount=RUPEE + 1,
            biller_reference="B",
        )
        biller.acknowledge([said])
        until(lambda: held(council) == RUPEE or "rejected" in sent(council))
        told = final(council)
        assert told == {"disputed": 1, "disputed_numbers": [entry.sequence]}
        assert held(council) == RUPEE


def test_a_stop_ends_what_was_let_through(tmp_path: Path) -> None:
    """It is one person's; and who starts the biller again has not seen the list."""
    with sitting(tmp_path, "--set", "signatures_per_s=1000") as council:
        council.load(payable())
        council.done(top_up(40 * LAKH))
        pay(council, WORTH, "BILL-1")
        told = final(council)
        proposal = let(council, told["lacks"]["let_through"])
        assert name_of(council.approve(BETA, proposal)) == "OK"
        assert council.do(proposal) == ["OK"]
        client = council.client()
        wish = pb.StopWish(participant="power")
        stop = client.prepare(pb.PrepareRequest(stop=wish, reason=""))
        assert stop.row is not None
        assert name_of(client.submit(stop.row, council.signer(ALPHA))) == "OK"
        network = pb.NetworkWish(
            participants=[network_pb2.Participant(id="power", active=True)],
            participant_fields=[network_pb2.FieldNames(names=["active"])],
        )
        request = pb.PrepareRequest(network=network, reason="again")
        proposal = council.proposed(ALPHA, request)
        [line] = client.proposal(proposal).lines
        assert f'{told["lacks"]["let_through"]}" → none' in line.text
        assert name_of(council.approve(BETA, proposal)) == "OK"
        assert council.do(proposal) == ["OK"]
        assert sent(council) == told
        assert held(council) == WORTH


def test_who_stops_a_biller_lets_nothing_through(tmp_path: Path) -> None:
    """A stop is one person's."""
    with sitting(tmp_path, "--set", "signatures_per_s=1000") as council:
        council.load(payable())
        council.done(top_up(40 * LAKH))
        pay(council, WORTH, "BILL-1")
        told = final(council)
        [spec] = [one for one in payable().participants if one.id == "power"]
        text = told["lacks"]["let_through"]
        stopped = replace(spec, active=False, day_list=text)
        row = Row(Kind.REGISTER, tail=participant_tail(stopped))
        with pytest.raises(CallError, match="must be what the register has of it"):
            council.client(ALPHA[0]).submit(row, council.signer(ALPHA))
        assert sent(council) == told
        assert held(council) == WORTH
