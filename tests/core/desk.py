"""A ledger with two confirmed services of one biller, and a clock."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from switch._core import (
    Ledger,
    Request,
    Rows,
    parse_answers,
)
from switch.codes import (
    DuplicateRule,
    Mode,
    Policy,
)
from switch.v1 import billers_pb2
from switch.v1 import payments_pb2 as pb
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import rows_request
from tests.core.wire import encode_request
from tests.records import Payment, ServiceRecord

CONFIRM, STATUS = 2, 3
CONFIRMED, REJECTED = 1, 2
DEADLINE_S = 600
SECOND_NS = 10**9


class Desk:
    """A ledger with two confirmed services of one biller, and a clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.net: Network = make_network()
        self.biller = self.net.billers[0]
        for code, policy in ((b"LIGHT", Policy.RELEASE), (b"WATER", Policy.KEEP)):
            self.net.service(
                ServiceRecord(
                    code,
                    self.biller,
                    tuple(self.net.heads[0]),
                    mode=Mode.CONFIRMED,
                    duplicate_rule=DuplicateRule.ONCE,
                    key_rule=1,
                    deadline_s=DEADLINE_S,
                    deadline_policy=policy,
                )
            )
        self.ledger = self.open()
        self.now = NOW
        self.number = 0
        self.ask(rows_request(self.net.rows))
        wallet = self.net.wallets[0]
        self.ask(rows_request([top_up(self.net, wallet, 10_000_000, b"UTR 1")]))

    def open(self) -> Ledger:
        """The ledger, in steps that are often whole."""
        return Ledger(
            str(self.path), threads=False, reserve_size=0, index_step_rows=16,
            map_size=1 << 30,
        )  # fmt: skip

    def reopen(self) -> None:
        """Close, and open from index and journal."""
        while self.ledger.index_step():
            pass
        self.ledger.close()
        self.ledger = self.open()

    def ask(self, *requests: Request) -> list[bytes | Rows]:
        """One group, a second later."""
        self.now += SECOND_NS
        return self.ledger.commit(list(requests), self.now)

    def payment(self, service: bytes = b"LIGHT", **fields: int) -> Payment:
        """A bill nobody has paid."""
        self.number += 1
        return Payment(
            id=self.number.to_bytes(16, "big"),
            service=service,
            amount=fields.get("amount", 5_000),
            reference=b"BILL %d" % self.number,
            operator=3,
        )

    def pay(self, *payments: Payment) -> list[pb.PaymentOutcome]:
        """The payments one by one, as their centre sends them."""
        return self.send(encode_request(payments))

    def pay_basket(self, *payments: Payment) -> list[pb.PaymentOutcome]:
        """All or none."""
        return self.send(encode_request([], [payments]))

    def send(self, body: bytes) -> list[pb.PaymentOutcome]:
        """A message of the first centre's."""
        centre = self.net.centres[0]
        [reply] = self.ask(Request.payments(body, centre, centre))
        assert isinstance(reply, bytes)
        return list(pb.CreatePaymentsResponse.FromString(reply).outcomes)

    def answer(self, *answers: Rows, biller: int = 0) -> Rows:
        """What the biller says, as one request; its outcomes."""
        request = Request.answers(np.concatenate(answers), biller or self.biller)
        [outcomes] = self.ask(request)
        assert not isinstance(outcomes, bytes)
        return outcomes

    def asked(self, sequence: int) -> int:
        """The amount that the biller was asked about: of a hold, or of its basket."""
        hold = self.ledger.row(sequence)
        rows = self.ledger.rows(hold.basket_lead, max(hold.basket_size, 1))
        return int(rows["amount"].sum())

    def says(
        self, sequence: int, kind: int = CONFIRMED, text: str = "", amount: int = -1
    ) -> Rows:
        """An answer about a hold, by way of the wire; with the amount that was asked
        about, of a basket the sum, unless another one is given.
        """
        if amount < 0:
            amount = self.asked(sequence)
        message = billers_pb2.Answer(
            number=sequence,
            id=self.ledger.row(sequence).id,
            kind=billers_pb2.AnswerKind.Name(kind),  # type: ignore[arg-type]
            amount=amount if kind == CONFIRMED else 0,
            biller_reference=text if kind == CONFIRMED else "not this",
            reason=text if kind == REJECTED else "not this",
        )
        body = billers_pb2.ConnectRequest(answers=[message]).SerializeToString()
        return parse_answers(body)


def numbers(*sequences: int) -> npt.NDArray[np.uint64]:
    """Sequences as an array."""
    return np.array(sequences, np.uint64)
