"""Goal: an index step has room for all that its rows can add to it.

Method: steps of which every row is the payment of a bill by its quotation, which takes
two claims: that of the bill and that of its citizen's reference. On the core with
asserts a list that is too short ends the process. What is in the index then, and in
memory, is looked up: each bill, sent again under another id, meets its own payment,
before and after an opening.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from switch._core import QUOTATION, SERVICE_RECORD, Ledger, Request
from switch.codes import (
    AccountKind,
    AmountRule,
    DuplicateRule,
    KeyRule,
    Kind,
    PriceRule,
    Result,
    Role,
)
from switch.v1 import payments_pb2 as pb
from tests.core.network import NOW, Network, top_up
from tests.core.pair import rows_request
from tests.records import ServiceRecord

STEP_ROWS = 64
SECRET = bytes(range(32))
STEPS = 12
"""Enough for a merge of eight runs."""
OPTIONS: dict[str, Any] = {
    "threads": False,
    "reserve_size": 0,
    "map_size": 1 << 30,
    "index_step_rows": STEP_ROWS,
}


def make_bills_network() -> Network:
    """A centre, and a service by bill."""
    net = Network()
    net.treasury = net.participant(b"treasury", Role.TREASURY)
    net.float_ = net.account(net.treasury, 0, AccountKind.FLOAT)
    net.harness = net.participant(b"harness", Role.HARNESS)
    biller = net.participant(b"biller", Role.BILLER)
    head = net.account(biller, 0, AccountKind.BILLER)
    centre, wallet = net.centre(b"centre")
    net.centres.append(centre)
    record = ServiceRecord(
        b"S",
        biller,
        (head,),
        amount_rule=AmountRule.EXACT,
        duplicate_rule=DuplicateRule.ONCE,
        key_rule=KeyRule.BILL_ID,
    )
    by_bill = np.frombuffer(record.pack(), SERVICE_RECORD).copy()
    by_bill["price_rule"] = PriceRule.BILL
    net.add(Kind.REGISTER, by_bill.tobytes())
    net.rows.append(top_up(net, wallet, 10**9, b"UTR"))
    return net


def quotation_of(ledger: Ledger, net: Network, number: int) -> bytes:
    quotation = np.zeros(1, QUOTATION)
    quotation["amount_rule"] = AmountRule.EXACT
    quotation["centre"] = net.centres[0]
    quotation["service"] = quotation["series"] = 1
    quotation["reference"] = padded(b"R%06d" % number)
    quotation["bill"] = padded(b"B%06d" % number)
    quotation["amount_due"] = 100 + number
    quotation["fetched"] = NOW
    return ledger.seal_quotation(quotation)


def padded(text: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(text.ljust(32, b"\0"), np.uint8)


def pay(
    ledger: Ledger, net: Network, bills: range, first_id: int, each: int = STEP_ROWS
) -> set[int]:
    """Pay bills, so many at a time; the results that came."""
    results = set()
    for start in range(0, len(bills), each):
        body = pb.CreatePaymentsRequest(
            payments=[
                pb.Payment(
                    id=(first_id + number).to_bytes(16, "big"),
                    service="S",
                    amount=100 + number,
                    reference=f"R{number:06}",
                    centre="centre",
                    quotation=quotation_of(ledger, net, number),
                )
                for number in bills[start : start + each]
            ]
        ).SerializeToString()
        [reply] = ledger.commit([Request.payments(body, net.harness, 0)], NOW)
        assert isinstance(reply, bytes)
        outcomes = pb.CreatePaymentsResponse.FromString(reply).outcomes
        assert len(outcomes) == len(bills[start : start + each])
        results |= {int(one.result) for one in outcomes}
    return results


def commit_network(ledger: Ledger, net: Network) -> None:
    for row in net.rows:
        [outcomes] = ledger.commit([rows_request([row])], NOW)
        assert not isinstance(outcomes, bytes)
        assert outcomes["result"].tolist() == [Result.OK]


def test_steps_of_nothing_but_bills(tmp_path: Path) -> None:
    path, bills = str(tmp_path / "ledger"), range(STEP_ROWS * STEPS)
    net = make_bills_network()
    with Ledger(path, **OPTIONS) as ledger:
        ledger.set_quotation_keys([(1, SECRET)])
        commit_network(ledger, net)
        assert pay(ledger, net, bills, 1 << 40) == {Result.OK}
        while ledger.index_step():
            pass
        assert ledger.sequence - ledger.index_sequence < STEP_ROWS
        again = pay(ledger, net, bills, 1 << 41)
        assert again == {Result.BILL_ALREADY_CLAIMED}
    with Ledger(path, create=False, **OPTIONS) as ledger:
        ledger.set_quotation_keys([(1, SECRET)])
        again = pay(ledger, net, bills, 1 << 42)
        assert again == {Result.BILL_ALREADY_CLAIMED}
