"""A desk where people and a biller speak of payments that are in question."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from switch._core import Rows
from switch.codes import AccountState, Result
from switch.entries import Entry
from switch.ledger import moves
from switch.ledger.templates import Templates, join
from switch.payment_states import PaymentState
from switch.v1 import payments_pb2 as pb
from tests.core.desk import CONFIRMED, DEADLINE_S, REJECTED, SECOND_NS, Desk
from tests.records import Payment

KEPT = b"WATER"
"""The service whose holds are kept; those of the other one expire."""
AMOUNT = 5_000


class Told(NamedTuple):
    """What of an outcome matters here."""

    result: Result
    sequence: int = 0
    other: int = 0
    repeat: int = 0


class CaseDesk(Desk):
    """One with people: the treasury proposes, the first centre approves."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.ids: Iterator[bytes] = (
            number.to_bytes(16, "big") for number in itertools.count(1 << 100)
        )
        self.treasury, self.checker = self.net.treasury, self.net.centres[0]
        self.wallet, self.head = self.net.wallets[0], self.net.heads[0][0]

    # --- asking -----------------------------------------------------------------------

    def do(self, *templates: Templates) -> list[Told]:
        """Rows as one request."""
        [outcomes] = self.ask(join(templates).request())
        assert not isinstance(outcomes, bytes)
        return told(outcomes)

    def one(self, template: Templates) -> Told:
        """The answer to one row."""
        [answer] = self.do(template)
        return answer

    def proposed(self, template: Templates, *, approved: bool = True) -> Entry:
        """An accepted proposal, approved by another person; its entry."""
        made = self.one(template)
        assert made.result is Result.OK
        if approved:
            assert self.approve(made.sequence).result is Result.OK
        return self.ledger.row(made.sequence)

    def approve(self, proposal: int) -> Told:
        """The other person's word."""
        return self.one(moves.approve(next(self.ids), proposal, sender=self.checker))

    def confirm(self, held: int, amount: int = -1, text: str = "") -> Told:
        """The biller has credited it."""
        [answer] = told(self.answer(self.says(held, CONFIRMED, text, amount)))
        return answer

    def reject(self, held: int, text: str = "") -> Told:
        """The biller has not."""
        [answer] = told(self.answer(self.says(held, REJECTED, text)))
        return answer

    # --- payments ---------------------------------------------------------------------

    def hold(self, service: bytes = b"LIGHT", reference: bytes = b"") -> int:
        """A payment that is held."""
        payment = self.payment(service)
        payment.reference = reference or payment.reference
        [outcome] = self.pay(payment)
        assert int(outcome.result) == Result.OK
        return outcome.sequence

    def pass_deadline(self) -> None:
        """What is due expires, or is kept."""
        self.now += DEADLINE_S * SECOND_NS
        self.ask()

    def expired(self, reference: bytes = b"") -> int:
        """One that was given back at its deadline."""
        held = self.hold(reference=reference)
        self.pass_deadline()
        return held

    def kept(self) -> int:
        """One that was kept at its deadline."""
        held = self.hold(KEPT)
        self.pass_deadline()
        return held

    def voided(self, reference: bytes = b"") -> int:
        """One that was called off before its deadline."""
        held = self.hold(reference=reference)
        assert self.one(moves.void(held)).result is Result.OK
        return held

    def again(self, held: int) -> pb.PaymentOutcome:
        """The same payment, sent again."""
        row = self.ledger.row(held)
        [outcome] = self.pay(
            Payment(
                id=row.id,
                service=KEPT if row.service == self.service(KEPT) else b"LIGHT",
                amount=row.amount,
                reference=row.reference.rstrip(b"\0"),
                operator=row.operator,
            )
        )
        assert outcome.repeat
        return outcome

    def state(self, held: int) -> PaymentState:
        """Where a payment stands, as its counter is told."""
        return PaymentState(self.again(held).state)

    def service(self, code: bytes) -> int:
        """The index of a service."""
        return self.ledger.find_service(code.decode())

    def pay_bill_of(self, held: int) -> Told:
        """Another payment of the bill that a hold was for."""
        payment = self.payment()
        payment.reference = self.ledger.row(held).reference.rstrip(b"\0")
        [one] = self.pay(payment)
        return Told(Result(int(one.result)), one.sequence, one.other_sequence)

    # --- what is there ----------------------------------------------------------------

    def cases(self, account: int = 0) -> int:
        """Payments of an account that are in question, and advances not recovered."""
        image, _ = self.ledger.account(account or self.wallet)
        return int(image["cases_count"])

    def kept_of(self, account: int = 0) -> tuple[int, int]:
        """How many holds of an account are kept, and their paise."""
        image, _ = self.ledger.account(account or self.wallet)
        return int(image["kept_count"]), int(image["kept_amount"])

    def balance(self, account: int = 0) -> int:
        """Paise posted to an account, less those from it."""
        image, _ = self.ledger.account(account or self.wallet)
        return int(image["credits_posted"]) - int(image["debits_posted"])

    def is_open(self, account: int) -> bool:
        """Whether an account is."""
        return bool(self.ledger.account(account)[0]["state"] == AccountState.OPEN)

    def last(self) -> Entry:
        """The last entry."""
        return self.ledger.row(self.ledger.sequence)

    def rebuild(self) -> None:
        """Open the ledger from its journal alone."""
        self.ledger.close()
        for path in (self.path / "index").iterdir():
            path.unlink()
        self.ledger = self.open()


def told(outcomes: Rows) -> list[Told]:
    """Outcomes in short."""
    return [
        Told(
            Result(int(one["result"])),
            int(one["sequence"]),
            int(one["other"]),
            int(one["repeat"]),
        )
        for one in outcomes
    ]
