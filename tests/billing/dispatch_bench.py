"""A ledger, its dispatcher and one biller, with a clock that the test moves."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from switch._core import Ledger, Request, Rows
from switch.billing.biller import Biller
from switch.billing.dispatch import Dispatcher
from switch.codes import (
    AmountRule,
    DuplicateRule,
    Kind,
    Link,
    Mode,
    Policy,
    Result,
    Role,
)
from switch.config import Config, load_config
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.templates import Templates, template
from switch.margin_rows import margin_tail
from switch.register.load import load_network
from switch.register.register import PURPOSE_FLOAT, Register, Service
from switch.specs import ParticipantSpec, ServiceSpec
from switch.v1 import billers_pb2 as pb
from switch.v1 import payments_pb2

HEAD = "WB:0990-00-900-001-01"
SECOND = 10**9
START_NS = 1_773_628_200 * SECOND
"""2026-03-16, 08:00 IST."""
MAP_SIZE = 1 << 30
DEADLINE_S = 6 * 3_600
_CONFIRMED = pb.ANSWER_KIND_CONFIRMED

PARTICIPANTS = (
    ParticipantSpec(id="treasury", role=Role.TREASURY),
    ParticipantSpec(id="second", role=Role.TREASURY),
    *(
        ParticipantSpec(
            id=name, role=Role.BILLER, heads=(HEAD,), never_credits_late=True
        )
        for name in ("water", "gas")
    ),
    *(
        ParticipantSpec(id=f"bsk-{n}", role=Role.CENTRE, may_state_dues=True)
        for n in range(1, 6)
    ),
)
CENTRES = [one.id for one in PARTICIPANTS if one.role is Role.CENTRE]


def service(code: str, biller: str, deadline_s: int, policy: Policy) -> ServiceSpec:
    return ServiceSpec(
        code=code,
        biller=biller,
        heads=(HEAD,),
        amount_rule=AmountRule.ANY,
        mode=Mode.CONFIRMED,
        duplicate_rule=DuplicateRule.NONE,
        deadline_s=deadline_s,
        deadline_policy=policy,
    )


SERVICES = (
    service("WATER", "water", DEADLINE_S, Policy.RELEASE),
    service("GAS", "gas", DEADLINE_S, Policy.RELEASE),
    service("LONG", "water", 30 * 86_400, Policy.RELEASE),
    service("KEPT", "water", 60, Policy.KEEP),
)


class FakeConnection:
    """What was sent: messages with questions, and ends."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_ready = True
        self.sent: list[list[pb.Question]] = []
        self.ended: list[pb.Ended] = []

    def send(self, body: bytes) -> None:
        message = pb.ConnectResponse.FromString(body)
        self.ended += message.ended
        if message.questions:
            self.sent.append(list(message.questions))

    def take(self) -> list[pb.Question]:
        """All questions since the last time."""
        found = [one for message in self.sent for one in message]
        self.sent.clear()
        return found


class Bench:
    """Time passes only when the test says so."""

    def __init__(self, path: Path, **settings: Any) -> None:
        self.path = path
        self.config = configured(settings)
        self.now = 1_000.0
        self.later: list[tuple[float, Callable[[], None]]] = []
        """What the dispatcher wants to be called for: seconds from then, and what."""
        self.ledger = Ledger(str(path), map_size=MAP_SIZE)
        self.register = Register(self.ledger)
        load_network(self.register, self.commit, PARTICIPANTS, SERVICES)
        self.treasury = self.index("treasury")
        self.second = self.index("second")
        self.centre = self.index("bsk-1")
        bank = self.register.treasury_account(PURPOSE_FLOAT).index
        by = self.treasury
        for name in CENTRES:
            wallet = self.wallet(name)
            self.do(moves.top_up(new_id(), bank, wallet, 10**12, name, sender=by))
        self.start()

    def start(self) -> None:
        """The dispatcher as a new server has it, once the committer has started."""
        tail = margin_tail(self.config.margins)
        newest = self.ledger.link(0, Link.MARGIN)
        if not newest or self.ledger.tail(newest) != tail:
            self.do(template(Kind.REGISTER, row_id=new_id(), tail=tail))
        self.register.refresh()
        self.dispatch = Dispatcher(
            self.config,
            self.ledger,
            self.register,
            clock=lambda: self.now,
            wall_ns=self.wall_ns,
            call_later=lambda *item: self.later.append(item),
        )

    def restart(self, **settings: Any) -> None:
        """Close the ledger and open it again, with these settings if there are any."""
        if settings:
            self.config = configured(settings)
        self.ledger.close()
        self.ledger = Ledger(str(self.path), map_size=MAP_SIZE)
        self.register = Register(self.ledger)
        self.start()

    def wall_ns(self) -> int:
        return START_NS + int((self.now - 1_000) * SECOND)

    def index(self, name: str) -> int:
        found = self.register.find_participant(name)
        assert found is not None
        return found.index

    def wallet(self, name: str) -> int:
        found = self.register.find_wallet(name)
        assert found is not None
        return found.index

    def service(self, code: str) -> Service:
        found = self.register.find_service(code)
        assert found is not None
        return found

    def commit(self, request: Request) -> bytes | Rows:
        return self.ledger.commit([request], self.wall_ns())[0]

    def do(self, move: Templates) -> int:
        """Commit a move that must be done; its sequence."""
        reply = self.commit(move.request())
        assert not isinstance(reply, bytes)
        assert reply["result"][0] == Result.OK, Result(int(reply["result"][0]))
        return int(reply["sequence"][0])

    def connect(self, name: str = "water") -> tuple[Biller, FakeConnection]:
        connection = FakeConnection(self.dispatch.connection_number())
        return self.dispatch.attach(self.index(name), connection), connection

    def pay(
        self,
        count: int = 1,
        code: str = "WATER",
        basket: int = 0,
        centre: str = CENTRES[0],
    ) -> list[int]:
        """Held payments, or baskets of so many; sequences of all holds."""
        outcomes = self.try_to_pay(count, code, basket, centre)
        assert {one.state for one in outcomes} == {payments_pb2.PAYMENT_STATE_HELD}
        self.dispatch.look()
        return [one.sequence for one in outcomes]

    def try_to_pay(
        self, count: int, code: str, basket: int = 0, centre: str = CENTRES[0]
    ) -> list[payments_pb2.PaymentOutcome]:
        """The outcomes, whatever they are; the dispatcher has not looked yet."""
        bills = [
            payments_pb2.Payment(
                id=new_id(), service=code, amount=100, reference="R", operator=1
            )
            for _ in range(count * (basket or 1))
        ]
        parts = [bills[at : at + basket] for at in range(0, len(bills), basket or 1)]
        request = payments_pb2.CreatePaymentsRequest(
            payments=[] if basket else bills,
            baskets=[payments_pb2.Basket(payments=part) for part in parts if basket],
        )
        body = request.SerializeToString()
        sender = self.index(centre)
        reply = self.commit(Request.payments(body, sender, sender))
        assert isinstance(reply, bytes)
        return list(payments_pb2.CreatePaymentsResponse.FromString(reply).outcomes)

    def answer(
        self,
        biller: Biller,
        questions: list[pb.Question],
        kind: pb.AnswerKind.ValueType = pb.ANSWER_KIND_CONFIRMED,
        reason: str = "",
        more: int = 0,
    ) -> int:
        """Answer and commit; how many were wrong.

        What is confirmed was credited with so much `more` than was asked for.
        """
        answers = [
            pb.Answer(
                number=one.number,
                id=one.id,
                kind=kind,
                reason=reason,
                sent_ns=one.sent_ns if kind == pb.ANSWER_KIND_NOT_SEEN else 0,
                amount=asked_for(one) + more if kind == _CONFIRMED else 0,
            )
            for one in questions
        ]
        body = pb.ConnectRequest(answers=answers).SerializeToString()
        taken = self.dispatch.take(biller, body)
        wrong = taken.wrong
        for request in taken.requests:
            reply = self.commit(request)
            assert not isinstance(reply, bytes)
            wrong += biller.note(reply)
        self.dispatch.look()
        return wrong

    def cancel(self) -> int:
        """Commit what is to be given back; how many holds that were."""
        requests = self.dispatch.cancels()
        for request in requests:
            reply = self.commit(request)
            assert not isinstance(reply, bytes)
            assert set(reply["result"].tolist()) == {Result.OK}
        self.dispatch.look()
        return sum(request.rows_count for request in requests)

    def questions(self, numbers: list[int]) -> list[pb.Question]:
        """What was asked about these holds, none of them in a basket."""
        rows = [self.ledger.row(one) for one in numbers]
        return [
            pb.Question(
                number=row.sequence,
                id=row.id,
                amount=row.amount,
            )
            for row in rows
        ]

    def expire(self) -> None:
        """A group without requests: what is due expires."""
        self.ledger.commit([], self.wall_ns())
        self.dispatch.look()

    def pass_s(self, seconds: float, step_s: float = 0.0) -> None:
        """Let time pass, with a tick every `step_s` seconds."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + (step_s or seconds), end)
            self.dispatch.tick()


def configured(settings: Mapping[str, Any]) -> Config:
    """Settings of all billers; with a point in front, those of one."""
    return load_config(
        **{
            f"billers{name}" if name.startswith(".") else f"biller.{name}": value
            for name, value in settings.items()
        }
    )


def asked_for(question: pb.Question) -> int:
    """Paise of the payment, or of all payments of the basket."""
    return sum(one.amount for one in question.basket or (question,))


def benches(path: Path, **settings: Any) -> Iterator[Bench]:
    """For fixtures: a bench that is closed at the end."""
    bench = Bench(path, **settings)
    yield bench
    bench.ledger.close()
