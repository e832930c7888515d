"""A ledger with two of the treasury, a biller that says what a test says, and a clock
that the test moves: what people put right comes about and ends here.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Request, Rows
from switch.codes import AmountRule, DuplicateRule, Kind, Mode, Policy, Result, Role
from switch.entries import Entry
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.templates import Templates, template
from switch.register.load import load_network
from switch.register.register import PURPOSE_FLOAT, PURPOSE_SUSPENSE, Register
from switch.specs import ParticipantSpec, ServiceSpec
from switch.v1 import payments_pb2

DAY_S = 86_400
SECOND = 10**9
START_NS = 1_773_628_200 * SECOND
"""2026-03-16, 08:00 IST."""
MAP_SIZE = 1 << 30
DEADLINE_S = 3_600
AMOUNT = 500
FUNDS = 10**9

PARTICIPANTS = (
    ParticipantSpec(id="treasury", role=Role.TREASURY),
    ParticipantSpec(id="second", role=Role.TREASURY),
    ParticipantSpec(
        id="water", role=Role.BILLER, heads=("W:1",), never_credits_late=True
    ),
    ParticipantSpec(
        id="gas", role=Role.BILLER, heads=("G:1",), never_credits_late=True
    ),
    *(
        ParticipantSpec(id=f"bsk-{n}", role=Role.CENTRE, may_state_dues=True)
        for n in (1, 2)
    ),
)


def _service(
    code: str, biller: str, head: str, policy: Policy, deadline_s: int = DEADLINE_S
) -> ServiceSpec:
    return ServiceSpec(
        code=code,
        biller=biller,
        heads=(head,),
        amount_rule=AmountRule.ANY,
        mode=Mode.CONFIRMED,
        duplicate_rule=DuplicateRule.NONE,
        deadline_s=deadline_s,
        deadline_policy=policy,
    )


SERVICES = (
    _service("KEEPS", "water", "W:1", Policy.KEEP),
    _service("LAPSES", "water", "W:1", Policy.RELEASE),
    _service("LONG", "water", "W:1", Policy.KEEP, 30 * DAY_S),
    _service("GAS", "gas", "G:1", Policy.KEEP),
    ServiceSpec(
        code="NOW",
        biller="gas",
        heads=("G:1",),
        amount_rule=AmountRule.ANY,
        mode=Mode.DIRECT,
        duplicate_rule=DuplicateRule.NONE,
    ),
)


class Office:
    """Time passes only when the test says so."""

    def __init__(self, path: Path, start_ns: int = START_NS) -> None:
        self.path = path
        self.now_ns = start_ns
        self.ledger = Ledger(str(path), map_size=MAP_SIZE)
        self.register = Register(self.ledger)
        load_network(self.register, self.commit, PARTICIPANTS, SERVICES)
        self.treasury, self.second = self.index("treasury"), self.index("second")
        self.suspense = self.register.treasury_account(PURPOSE_SUSPENSE).index
        self.float = self.register.treasury_account(PURPOSE_FLOAT).index
        for name in ("bsk-1", "bsk-2"):
            self.top_up(name, FUNDS)

    def index(self, name: str) -> int:
        found = self.register.find_participant(name)
        assert found is not None
        return found.index

    def wallet(self, name: str = "bsk-1") -> int:
        found = self.register.find_wallet(name)
        assert found is not None
        return found.index

    def head(self, biller: str, head: str) -> int:
        found = self.register.find_head(biller, head)
        assert found is not None
        return found.index

    # --- requests ----------------------------------------------------------------

    def commit(self, request: Request) -> bytes | Rows:
        return self.ledger.commit([request], self.now_ns)[0]

    def attempt(self, move: Templates) -> Rows:
        """The outcomes, whatever they are."""
        reply = self.commit(move.request())
        assert not isinstance(reply, bytes)
        return reply

    def do(self, move: Templates) -> int:
        """Commit a move that must be done; the sequence of its last row."""
        reply = self.attempt(move)
        assert set(reply["result"].tolist()) == {Result.OK}, reply
        return int(reply["sequence"][-1])

    def top_up(self, centre: str, amount: int) -> int:
        by = self.treasury
        utr = new_id().hex()
        return self.do(
            moves.top_up(
                new_id(), self.float, self.wallet(centre), amount, utr, sender=by
            )
        )

    def pay(
        self, code: str = "KEEPS", count: int = 1, centre: str = "bsk-1"
    ) -> list[int]:
        """Held payments; more than one are a basket. Their sequences."""
        bills = [
            payments_pb2.Payment(
                id=new_id(), service=code, amount=AMOUNT, reference="R", operator=1
            )
            for _ in range(count)
        ]
        request = payments_pb2.CreatePaymentsRequest()
        if count > 1:
            request.baskets.add(payments=bills)
        else:
            request.payments.extend(bills)
        sender = self.index(centre)
        body = request.SerializeToString()
        reply = self.commit(Request.payments(body, sender, sender))
        assert isinstance(reply, bytes)
        outcomes = payments_pb2.CreatePaymentsResponse.FromString(reply).outcomes
        assert {one.result for one in outcomes} == {int(Result.OK)}
        return [one.sequence for one in outcomes]

    def pass_s(self, seconds: float) -> None:
        """Let time pass, and a group expire what is due."""
        self.now_ns += int(seconds * SECOND)
        self.ledger.commit([], self.now_ns)

    # --- the biller's word -------------------------------------------------------

    def confirm(self, hold: int, amount: int = AMOUNT, biller: str = "water") -> Rows:
        """The answer that so much was credited; its outcome."""
        return self._say(moves.confirmed(hold, self._id(hold), amount, "C-1"), biller)

    def reject(self, hold: int, biller: str = "water") -> Rows:
        """The answer that nothing was credited; its outcome."""
        return self._say(moves.rejected(hold, self._id(hold), "NO"), biller)

    def _id(self, hold: int) -> bytes:
        row_id: bytes = self.ledger.row(hold).id
        return row_id

    def _say(self, answers: Rows, biller: str) -> Rows:
        reply = self.commit(Request.answers(answers, self.index(biller)))
        assert not isinstance(reply, bytes)
        outcome: Rows = reply[0]
        return outcome

    # --- two people --------------------------------------------------------------

    def propose(self, kind: int, about: int, amount: int = AMOUNT) -> int:
        """A proposal of the treasury; its sequence."""
        asked = template(
            Kind.PROPOSE,
            row_id=new_id(),
            sender=self.treasury,
            resolves=about,
            amount=amount,
            reference="why",
            total=kind,
        )
        return self.do(asked)

    def approve(self, proposal: int, deed: Templates | None = None) -> int:
        """The other one's approval, with the deed; the sequence of the last row."""
        parts = [moves.approve(new_id(), proposal, sender=self.second)]
        return self.do(moves.join(parts + ([deed] if deed else [])))

    def row(self, sequence: int) -> Entry:
        return self.ledger.row(sequence)

    def cases(self, hold: int) -> npt.NDArray[np.uint64]:
        """Sequences of all cases about a hold."""
        rows = self.ledger.rows(1, 65_536)
        found: npt.NDArray[np.uint64] = rows["sequence"][
            (rows["kind"] == Kind.CASE) & (rows["resolves"] == hold)
        ]
        return found


def offices(path: Path) -> Iterator[Office]:
    """For fixtures: an office that is closed at the end."""
    office = Office(path)
    yield office
    office.ledger.close()
