"""A ledger with one centre and confirmed services, and a counter's moves on it.

Payments go in as messages, a biller's word as answers, and time passes by a second with
each move, so that tests read like what happens at a counter.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from switch._core import QUOTATION, Ledger, Request, Rows
from switch.codes import (
    AmountRule,
    DuplicateRule,
    KeyRule,
    Kind,
    Link,
    Mode,
    Policy,
    PriceRule,
    Result,
    Role,
    Tender,
)
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.statements import find_payment
from switch.ledger.templates import Templates, put_bytes
from switch.payment_states import Standing
from switch.register.load import (
    PURPOSE_FLOAT,
    ParticipantSpec,
    Register,
    ServiceSpec,
    committing,
    load_network,
)
from switch.tariffs import Fee
from switch.v1 import payments_pb2 as pb
from switch.v1 import types_pb2 as types
from tests.people import outcome_of, refund_moves

HEAD = "WB:0028-00-107-001-03"
START_NS = 1_773_500_000 * 10**9
SECOND_NS = 10**9
DEADLINE_S = 600
MONEY = 10**9

PARTICIPANTS = [
    ParticipantSpec(id="clerk", role=Role.TREASURY),
    ParticipantSpec(id="second", role=Role.TREASURY),
    ParticipantSpec(
        id="bsk-1",
        role=Role.CENTRE,
        code="BAN/1",
        name_en="First",
        name_bn="প্রথম",
        # So that services without a price rule take any amount of it.
        may_state_dues=True,
    ),
    ParticipantSpec(
        id="power",
        role=Role.BILLER,
        heads=(HEAD,),
        name_en="Power",
        name_bn="বিদ্যুৎ",
        never_credits_late=True,
    ),
]


def service(code: str, **changes: object) -> ServiceSpec:
    """A confirmed service of `power`, whose bills are paid once."""
    values: dict[str, object] = {
        "deadline_policy": Policy.RELEASE,
        "code": code,
        "biller": "power",
        "heads": (HEAD,),
        "amount_rule": AmountRule.ANY,
        "mode": Mode.CONFIRMED,
        "duplicate_rule": DuplicateRule.ONCE,
        "key_rule": KeyRule.BILL_ID,
        "deadline_s": DEADLINE_S,
        "name_en": f"Service {code}",
        "name_bn": "পরিষেবা",
        "department_en": "A department",
    }
    return ServiceSpec(**values | changes)  # type: ignore[arg-type]


def fee(code: str, amount: int, valid_from: str, name: str = "") -> Fee:
    """A line of a tariff."""
    return Fee(
        code=code,
        amount=amount,
        valid_from=valid_from,
        name_en=name,
        name_bn="দফা" if name else "",
    )


TARIFF = (
    fee("COPY", 900, "2020-04-01", "Old copy"),
    fee("COPY", 1_000, "2025-04-01", "Copy"),
    fee("COPY", 5_000, "2099-04-01", "Copy to come"),
    fee("URGENT", 2_500, "2025-04-01"),
)
SERVICES = [
    service("FREES"),
    service("KEEPS", deadline_policy=Policy.KEEP),
    service("DIRECT", mode=Mode.DIRECT, deadline_s=0),
    service("BILLED", price_rule=PriceRule.BILL, amount_rule=AmountRule.EXACT),
    service(
        "MONTHLY",
        price_rule=PriceRule.BILL,
        amount_rule=AmountRule.EXACT_AND_BELOW,
        key_rule=KeyRule.REFERENCE_PERIOD,
    ),
    service(
        "COPIES",
        price_rule=PriceRule.TARIFF,
        amount_rule=AmountRule.EXACT,
        key_rule=KeyRule.REFERENCE,
        mode=Mode.DIRECT,
        deadline_s=0,
        tariff=TARIFF,
    ),
]


_DECISIONS: dict[Kind, tuple[Callable[..., Templates], Callable[..., Templates]]] = {
    Kind.POST: (
        lambda row_id, hold, amount, **who: moves.propose_post(
            row_id, hold.sequence, amount, "seen", **who
        ),
        lambda proposal, _, **who: moves.approved_post(proposal, **who),
    ),
    Kind.VOID: (
        lambda row_id, hold, _, **who: moves.propose_void(row_id, hold, "seen", **who),
        moves.approved_void,
    ),
    Kind.VERIFY: (
        lambda row_id, hold, _, **who: moves.propose_verify(
            row_id, hold, "seen", **who
        ),
        moves.approved_verify,
    ),
    Kind.TRANSFER: (
        lambda row_id, hold, amount, **who: moves.propose_correction(
            row_id, hold, amount, "seen", **who
        ),
        moves.approved_correction,
    ),
}
"""What two people do about a hold: how it is asked for, and done."""


class Counter:
    """The ledger, its clock, and what a counter, a biller and an office do."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(
            str(path), map_size=1 << 30, reserve_size=0, index_step_rows=1024
        )
        self.ledger.set_quotation_keys([(1, bytes(range(32)))])
        self.register = Register(self.ledger)
        self.load(SERVICES)
        self.now = max(START_NS, self.ledger.timestamp)
        centre = self.register.find_participant("bsk-1")
        biller = self.register.find_participant("power")
        office = self.register.find_participant("clerk")
        wallet = self.register.find_wallet("bsk-1")
        assert centre
        assert biller
        assert office
        assert wallet
        self.centre, self.biller, self.office = centre.index, biller.index, office.index
        self.wallet = wallet.index
        # As `refund_moves` has it.
        self.second = self.office + 1
        assert self.register.participant(self.second).spec.id == "second"
        source = self.register.treasury_account(PURPOSE_FLOAT).index
        self.do(
            moves.top_up(
                new_id(), source, self.wallet, MONEY, "UTR", sender=self.office
            )
        )

    def load(self, services: list[ServiceSpec]) -> None:
        """Bring the register to these services."""
        load_network(
            self.register, committing(self.ledger), PARTICIPANTS, services, sender=0
        )

    def do(self, move: Templates) -> Rows:
        """One treasury move, a second later; its OUTCOME."""
        return self._one(move.request())

    def _one(self, request: Request) -> Rows:
        self.now += SECOND_NS
        [reply] = self.ledger.commit([request], self.now)
        return outcome_of(cast("Rows", reply))

    def pay(
        self,
        payment_id: bytes,
        reference: str,
        amount: int = 100,
        *,
        service: str = "FREES",
        operator: int = 1,
        tender: Tender = Tender.CASH,
        note: str = "",
        quotation: bytes = b"",
        items: Sequence[tuple[str, int]] = (),
    ) -> pb.PaymentOutcome:
        """A payment message of one payment."""
        payment = pb.Payment(
            id=payment_id,
            service=service,
            amount=amount,
            reference=reference,
            operator=operator,
            tender=cast("types.Tender.ValueType", int(tender)),
            note=note,
            quotation=quotation,
            items=[types.TariffItem(code=code, count=count) for code, count in items],
        )
        body = pb.CreatePaymentRequest(payment=payment).SerializeToString()
        self.now += SECOND_NS
        request = Request.payments(body, self.centre, self.centre)
        [reply] = self.ledger.commit([request], self.now)
        assert isinstance(reply, bytes)
        return pb.CreatePaymentResponse.FromString(reply).outcome

    def fetched(
        self,
        code: str,
        reference: str,
        amount_due: int,
        *,
        bill: str = "",
        period: int = 0,
        due_time_ns: int = 0,
    ) -> bytes:
        """The quotation of a bill, as its biller would say now."""
        found = self.register.find_service(code)
        assert found
        quotation = np.zeros(1, QUOTATION)
        for name, text in (("reference", reference), ("bill", bill)):
            put_bytes(quotation, name, text.encode())
        values = {
            "centre": self.centre,
            "service": found.index,
            "series": found.index,
            "amount_rule": int(found.spec.amount_rule),
            "amount_due": amount_due,
            "period": period,
            "fetched": self.now,
            "due_time": due_time_ns,
        }
        for name, value in values.items():
            quotation[name] = value
        return self.ledger.seal_quotation(quotation)

    def paid(self, amount: int = 100, **fields: object) -> int:
        """A payment of a fresh bill that is accepted; its sequence."""
        outcome = self.pay(new_id(), new_id().hex(), amount, **fields)  # type: ignore[arg-type]
        assert Result(outcome.result) is Result.OK
        return outcome.sequence

    def answer(
        self, held: int, *, confirm: bool, text: str = "", amount: int = 0
    ) -> Rows:
        """The biller's word on a hold, of its `amount` or another; its OUTCOME."""
        row = self.ledger.row(held)
        amount = amount or row.amount
        row_id = row.id
        return self.answer_id(held, row_id, confirm=confirm, text=text, amount=amount)

    def answer_id(
        self, held: int, row_id: bytes, *, confirm: bool, amount: int, text: str = ""
    ) -> Rows:
        """The biller's word on whatever has this sequence and id."""
        if confirm:
            answers = moves.confirmed(held, row_id, amount, text)
        else:
            answers = moves.rejected(held, row_id, text)
        return self._one(Request.answers(answers, self.biller))

    def refund(self, final: int, amount: int) -> Rows:
        """Give back of a payment; its OUTCOME."""
        return self.do(refund_moves(self.ledger, final, amount, maker=self.office))

    def decide(self, kind: Kind, held: int, amount: int) -> Rows:
        """What two people do about a hold: post, void, verify, or a transfer to the
        biller; its OUTCOME.
        """
        hold = self.ledger.row(held)._replace(amount=amount)
        ask, done = _DECISIONS[kind]
        asked = self.do(ask(new_id(), hold, amount, sender=self.office))
        if asked["result"] != Result.OK:
            return asked
        proposal = self.ledger.row(int(asked["sequence"]))
        approval = moves.approve(new_id(), int(asked["sequence"]), sender=self.second)
        deed = done(proposal, hold, checker=self.second)
        return self.do(moves.join([approval, deed]))

    def settle(self, held: int) -> Rows:
        """Two people close the case of another amount than was paid; its OUTCOME."""
        case = self.ledger.link(held, Link.AMOUNT_DIFFERS)
        asked = self.do(moves.propose_close(new_id(), case, "seen", sender=self.office))
        assert asked["result"] == Result.OK
        proposal = self.ledger.row(int(asked["sequence"]))
        approval = moves.approve(new_id(), int(asked["sequence"]), sender=self.second)
        deed = moves.approved_close(proposal, checker=self.second)
        return self.do(moves.join([approval, deed]))

    def wait(self, seconds: int) -> None:
        """Time passes; what is due is done."""
        self.now += seconds * SECOND_NS
        self.ledger.commit([], self.now)

    def standing(self, payment_id: bytes) -> Standing:
        """Where a payment stands in the ledger."""
        found = find_payment(self.ledger, self.centre, payment_id)
        return Standing.NONE if found is None else found.standing

    def rows_of(self, first: int, payment_id: bytes, held: int) -> Rows:
        """The rows from `first` on that are the payment, or what became of it."""
        rows = self.ledger.rows(first, 1024)
        ids = rows["id"].tobytes()
        mine = [ids[at * 16 : at * 16 + 16] == payment_id for at in range(len(rows))]
        final, _ = self.ledger.resolution(held) if held else (0, 0)
        case = self.ledger.link(held, Link.AMOUNT_DIFFERS) if held else 0
        about = [one for one in (held, final, case) if one]
        speaks = np.isin(rows["resolves"], about)
        accepted = rows["result"] == Result.OK
        accepted &= ~np.isin(rows["kind"], (Kind.PROPOSE, Kind.APPROVE))
        found: Rows = rows[(np.array(mine, np.bool_) | speaks) & accepted]
        return found
