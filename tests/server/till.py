"""What the tests do at a counter: one centre's calls, and services with bills."""

from collections.abc import Iterable, Iterator
from typing import Any

from switch.codes import AmountRule, DuplicateRule, KeyRule, Mode, Policy, PriceRule
from switch.ids import new_id
from switch.v1 import admin_pb2, billers_pb2, network_pb2, results_pb2, wallets_pb2
from switch.v1 import counter_pb2 as pb
from switch.v1 import payments_pb2 as payments
from tests.server.harness import CALL_S, Peer, Peers, payment
from tests.server.scripted_biller import Script, confirm

DUE = 10_000
"""Paise of every bill of a scripted biller."""
SETTINGS = {
    "biller.answer_timeout_ms": 300,
    "biller.status_first_ms": 200,
    "biller.status_interval_max_ms": 400,
    "biller.fetch_timeout_ms": 2_000,
    "biller.health_failures_min": 1_000_000,
    "biller.absent_ms": 600_000,
}
"""Short times, and a biller that is asked whatever it does."""


def settings(**changes: int) -> list[str]:
    """Arguments of the server."""
    values = SETTINGS | {name.replace("__", "."): one for name, one in changes.items()}
    return [part for one in values.items() for part in ("--set", f"{one[0]}={one[1]}")]


def service(code: str, rule: AmountRule, **changes: Any) -> network_pb2.Service:
    values: dict[str, Any] = {
        "biller": "power",
        "heads": ["0801-01"],
        "amount_rule": int(rule),
        "mode": int(Mode.CONFIRMED),
        "duplicate_rule": int(DuplicateRule.ONCE),
        "key_rule": int(KeyRule.BILL_ID),
        "deadline_s": 3_600,
        "deadline_policy": int(Policy.RELEASE),
        "active": True,
        "name_en": f"{code} bills",
        "name_bn": "বিদ্যুৎ বিল",
        **changes,
    }
    return network_pb2.Service(code=code, **values)


BILL: dict[str, Any] = {"price_rule": int(PriceRule.BILL)}
NO_KEY = {"duplicate_rule": int(DuplicateRule.NONE), "key_rule": 0}
DIRECT = {"mode": int(Mode.DIRECT), "deadline_s": 0}

WITHIN = {
    "duplicate_rule": int(DuplicateRule.WITHIN),
    "duplicate_hours": 24,
    "key_rule": 0,
}
HEADS = ["0801-01", "0801-02"]
LAND = ["0029-01"]

SPELT: dict[str, Any] = {
    "ignored": [network_pb2.IGNORED_SPACE, network_pb2.IGNORED_HYPHEN],
    "letters": network_pb2.LETTERS_UPPER,
    "pattern": "AAX{2,24}",
}
"""References that people write in several ways."""

SERVICES = [
    service("BILL", AmountRule.EXACT, **BILL),
    service("SPELT", AmountRule.EXACT, **BILL, **SPELT),
    service("ARREARS", AmountRule.EXACT, **BILL, **SPELT, series="SPELT"),
    service("OTHERS", AmountRule.EXACT, **BILL, **SPELT),
    service("ABOVE", AmountRule.EXACT_AND_ABOVE, **BILL),
    service("BELOW", AmountRule.EXACT_AND_BELOW, **BILL),
    service("MONTH", AmountRule.EXACT, **BILL, key_rule=int(KeyRule.REFERENCE_PERIOD)),
    service("REISSUED", AmountRule.EXACT, **BILL, duplicate_hours=24, heads=HEADS),
    service("LOOSE", AmountRule.EXACT, **BILL, **WITHIN),
    service("TAX", AmountRule.EXACT, **BILL, **DIRECT, biller="land", heads=LAND),
    service("RANGE", AmountRule.MIN_MAX, amount_min=500, amount_max=20_000),
    service("SOON", AmountRule.ANY, deadline_s=1),
    service("FLEETING", AmountRule.EXACT, **BILL, deadline_s=1),
    service("STAYS", AmountRule.ANY, deadline_s=1, deadline_policy=int(Policy.KEEP)),
    service("AGAIN", AmountRule.ANY, **NO_KEY, **DIRECT),
    service("HOURS", AmountRule.ANY, **DIRECT, **WITHIN),
]


def load_services(peers: Peers) -> None:
    """Add the services above to the network."""
    request = admin_pb2.LoadNetworkRequest(services=SERVICES)
    peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)


def cashier(script: Script) -> Script:
    """`script` for payments; a bill is of DUE paise for every reference."""

    def answer(question: billers_pb2.Question) -> Iterable[billers_pb2.Answer]:
        if question.kind == billers_pb2.QUESTION_KIND_FETCH_BILL:
            return (confirm(question),)
        return script(question)

    return answer


class Till:
    """One operator's calls."""

    def __init__(self, peer: Peer, operator: int = 1, centre: str = "") -> None:
        self.peer = peer
        self.operator = operator
        self.centre = centre

    def fetch_all(self, service: str, reference: str) -> list[pb.Bill]:
        """What a reference owes."""
        request = pb.FetchBillRequest(
            service=service, reference=reference, centre=self.centre
        )
        return list(self.peer.counter.FetchBill(request, timeout=CALL_S).bills)

    def fetch(self, service: str, reference: str) -> pb.Bill:
        """The one bill of a reference."""
        [found] = self.fetch_all(service, reference)
        return found

    def fetch_many(self, service: str, *references: str) -> list[pb.FetchedBills]:
        """What references owe."""
        request = pb.FetchBillsRequest(
            service=service, references=references, centre=self.centre
        )
        return list(self.peer.counter.FetchBills(request, timeout=CALL_S).fetched)

    def due(self, found: pb.Bill, **fields: Any) -> payments.Payment:
        """A payment of a bill that was fetched."""
        values: dict[str, Any] = {
            "amount": found.amount_due,
            "reference": found.reference,
            "head": found.head,
            "quotation": found.quotation,
            "operator": self.operator,
            "centre": self.centre,
            **fields,
        }
        due: payments.Payment = payment(found.service, **values)
        return due

    def bill(self, service: str) -> payments.Payment:
        """A payment of a new bill, fetched now."""
        return self.due(self.fetch(service, new_id().hex()[-12:]))

    def pay(
        self, due: payments.Payment, wait_ms: int = 10_000
    ) -> payments.PaymentOutcome:
        """Pay and wait for the biller."""
        request = pb.PayBillRequest(payment=due, wait_ms=wait_ms)
        return self.peer.counter.PayBill(request, timeout=CALL_S).outcome

    def receipt(
        self, payment_id: bytes, language: int = pb.LANGUAGE_UNSPECIFIED
    ) -> pb.GetReceiptResponse:
        """The receipt of a payment."""
        request = pb.GetReceiptRequest(id=payment_id, language=language)  # type: ignore[arg-type]
        return self.peer.counter.GetReceipt(request, timeout=CALL_S)

    def acknowledgement(
        self, payment_id: bytes, language: int = pb.LANGUAGE_UNSPECIFIED
    ) -> pb.GetAcknowledgementResponse:
        """The acknowledgement of a payment."""
        request = pb.GetAcknowledgementRequest(id=payment_id, language=language)  # type: ignore[arg-type]
        return self.peer.counter.GetAcknowledgement(request, timeout=CALL_S)

    def get(self, payment_id: bytes) -> payments.GetPaymentResponse:
        """Where a payment stands."""
        request = payments.GetPaymentRequest(id=payment_id)
        return self.peer.payments.GetPayment(request, timeout=CALL_S)

    def watch(self, payment_id: bytes) -> Iterator[payments.GetPaymentResponse]:
        """A payment's states until it is final."""
        request = payments.WatchPaymentRequest(id=payment_id)
        for reply in self.peer.payments.WatchPayment(request, timeout=CALL_S):
            yield reply.payment

    def close(self, cash_counted: int, shift_id: bytes = b"") -> pb.CloseShiftResponse:
        """Close the operator's shift."""
        request = pb.CloseShiftRequest(
            id=shift_id or new_id(),
            centre=self.centre,
            operator=self.operator,
            cash_counted=cash_counted,
        )
        return self.peer.counter.CloseShift(request, timeout=CALL_S)

    def close_one(self) -> int:
        """The sequence of a shift with one payment in it."""
        paid = self.pay(payment(operator=self.operator, centre=self.centre))
        assert paid.result == results_pb2.RESULT_OK
        return self.close(0).shift.sequence

    def sign(self, shift: int, sign_id: bytes = b"") -> results_pb2.Outcome:
        """Sign a shift off."""
        request = pb.SignShiftRequest(
            id=sign_id or new_id(),
            centre=self.centre,
            operator=self.operator,
            shift_sequence=shift,
        )
        return self.peer.counter.SignShift(request, timeout=CALL_S).outcome

    @property
    def wallet(self) -> wallets_pb2.Wallet:
        """The centre's wallet."""
        return self.wallet_at(0)

    def wallet_at(self, sequence: int) -> wallets_pb2.Wallet:
        """The same at a past sequence."""
        request = wallets_pb2.GetWalletRequest(centre=self.centre, sequence=sequence)
        return self.peer.wallets.GetWallet(request, timeout=CALL_S).wallet
