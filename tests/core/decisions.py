"""What a generator asks of those who decide: what billers say of payments, and what two
people want where nobody has said enough.

Part of tests/core/generator.py, which see.
"""

from dataclasses import replace

from switch.codes import PROPOSE_ADVANCE, CaseType, Kind
from tests import people
from tests.core.drawing import FEW, HOLDS, Drawing
from tests.core.mutation import vary_row
from tests.model import Answers
from tests.model_doubts import first_of_basket
from tests.records import Row, Said, ShiftRecord

KEEPING = (Kind.POST, Kind.VOID, PROPOSE_ADVANCE)
"""What is proposed of a hold that is kept."""


class Decisions(Drawing):
    """Draws ends of holds, answers about them, proposals and what comes of these."""

    # --- what comes after a payment ---------------------------------------------------

    def post(self) -> list[Row]:
        row = Row(Kind.POST, resolves=self.open_hold())
        hold = self.model.hold_of(row)
        held = hold.amount if hold else 1_000
        row.amount = self.rng.choice((held, held, held, max(1, held // 2), held + 1))
        return [row]

    def void(self) -> list[Row]:
        """Called off, by somebody or by nobody."""
        row = Row(Kind.VOID, resolves=self.open_hold())
        hold = self.model.hold_of(row)
        if hold:
            row.operator_ = self.who_cancels(hold)
        return [row]

    def who_cancels(self, hold: Row) -> int:
        """An operator's number, or 0; where no centre signs on any does."""
        return hold.sequence % 3

    def verify(self) -> list[Row]:
        """Nobody is asked whether it is so: most often it is refused."""
        return [Row(Kind.VERIFY, resolves=self.doubtful())]

    def doubtful(self) -> int:
        """Sequence of a hold of which there is something to say."""
        return self.last_of(self.rng.choice(HOLDS), FEW)

    def answers(self, size: int) -> Answers:
        """What a biller says of holds, most of them its own and open or in doubt."""
        model, rng = self.model, self.rng
        said: list[Said] = []
        biller = rng.choice(self.net.billers)
        for _ in range(size):
            draw = rng.randrange(10)
            if draw < 4:
                number = self.open_hold()
            else:
                number = self.doubtful() if draw < 9 else self.past((Kind.HOLD,))
            hold = model.hold_of(Row(Kind.POST, resolves=number))
            if hold and (not said or not self.chance(8)):
                biller = model.services[hold.service - 1].biller
                said = [each for each in said if self.biller_of(each) == biller]
            id_ = hold.id if hold and not self.chance(15) else rng.randbytes(16)
            text = rng.choice((b"", b"CREDITED/1", b"r" * 32))
            answer = Said(number, id_, not self.chance(3), text, self.credited(hold))
            said.append(answer)
        return Answers(said, biller)

    def biller_of(self, said: Said) -> int:
        """Whose hold is spoken of, or 0."""
        hold = self.model.hold_of(Row(Kind.POST, resolves=said.number))
        return self.model.services[hold.service - 1].biller if hold else 0

    def credited(self, hold: Row | None) -> int:
        """What a biller says that it has credited, most often what it was asked."""
        if hold is None or self.chance(40):
            return self.rng.choice((0, 0, 1, 1_000, 2**64 - 1))
        asked = self.model.question_sum(hold)
        end = self.model.end_of(hold)
        posted = end.amount if end is not None else hold.amount
        if posted != hold.amount and self.chance(2):
            return posted
        if not self.chance(5):
            return asked
        return self.rng.choice((hold.amount, asked + 1, asked - 1, posted // 2))

    # --- proposals --------------------------------------------------------------------

    def propose(self) -> list[Row]:
        draw = self.rng.randrange(12)
        if draw < 5:
            row = self.propose_refund()
        elif draw < 9:
            row = self.propose_of_hold()
        else:
            row = self.propose_closing()
        if self.chance(30):
            row.total = self.rng.choice((0, 2, 5, 263, 265, *KEEPING))
        if draw < 5 or not self.chance(2):
            return [row]
        # Of two that want the same, the second finds it done.
        return [row, replace(row, id=self.rng.randbytes(16))]

    def propose_refund(self) -> Row:
        row = self.by_treasury(Kind.PROPOSE, amount=self.rng.randrange(1, 2_000))
        row.resolves, row.total = self.past((Kind.PAY, Kind.POST)), Kind.REFUND
        if self.chance(3):
            said = self.last_of(self.rng.choice(("late rejection", "differs")))
            row.resolves = self.model.resolved.get(said, row.resolves)
        payment = self.model.payment_of(row)
        if payment is not None and self.chance(2):
            left = payment.amount - self.model.refunded.get(row.resolves, 0)
            row.amount = max(1, self.rng.choice((payment.amount, left, left + 1)))
        return row

    def propose_of_hold(self) -> Row:
        """Of one that is kept, unverified or confirmed late, what fits it; or not."""
        model, rng = self.model, self.rng
        row = self.by_treasury(Kind.PROPOSE)
        row.resolves = self.last_of("late", 6) if self.chance(2) else self.doubtful()
        if self.chance(3) and model.kept:
            row.resolves = rng.choice(sorted(model.kept)[-6:])
        in_parts = self.rare["late in parts"][-6:]
        if self.chance(6) and in_parts:
            row.resolves = rng.choice(in_parts)
        # Of what was advanced already the second one finds it done.
        twice = [one for one in model.advanced if one in model.kept]
        again = bool(twice) and self.chance(4)
        if again:
            row.resolves = rng.choice(twice[-6:])
        hold = model.hold_of(row)
        late = hold is not None and model.late_case(hold) > 0
        if hold is not None and hold.sequence in model.kept:
            row.total = PROPOSE_ADVANCE if again else rng.choice(KEEPING)
        else:
            row.total = Kind.TRANSFER if late and self.chance(2) else Kind.VERIFY
        if self.chance(5):
            row.total = rng.choice((*KEEPING, Kind.TRANSFER, Kind.VERIFY))
        if self.chance(20):
            row.resolves = self.past((Kind.PAY, Kind.POST))
        held = hold.amount if hold is not None else 1_000
        row.amount = rng.choice((held, held, max(1, held // 2), held + 1))
        return row

    def propose_closing(self) -> Row:
        row = self.by_treasury(Kind.PROPOSE, amount=1)
        row.total = Kind.CASE_CLOSE
        row.resolves = self.last_of("case" if self.chance(4) else "closable")
        return row

    def decided(self) -> Row | None:
        """A proposal, mostly a new one; sometimes one that is old."""
        most = 2_000 if self.chance(6) else 20
        asked = self.model.accepted(self.last_of("proposal", most))
        return asked if asked is not None and asked.kind == Kind.PROPOSE else None

    def approve(self) -> list[Row]:
        """An approval, of a proposal most often with what it asks for behind it."""
        row = self.by_treasury(Kind.APPROVE)
        row.reference = b""
        asked = None if self.chance(4) else self.decided()
        if asked is None:
            name = self.rng.choice(("proposal", "shift", "shift"))
            row.resolves = self.last_of(name)
            return [row]
        row.resolves = asked.sequence
        if self.chance(3):
            return [row]
        deeds = self.deeds(asked, row.participant)
        if self.chance(12):
            row.id = bytes(16)
        return [row, *deeds]

    def withdraw(self) -> list[Row]:
        """A proposal is taken back, or something that is none or is decided."""
        row = self.by_treasury(Kind.WITHDRAW)
        asked = self.decided()
        if self.chance(2):
            # One that is approved, of which all, some or nothing is done.
            asked = self.model.accepted(self.last_of("proposal", 12))
        row.resolves = asked.sequence if asked else self.last_of("shift")
        return [row]

    # --- deeds ------------------------------------------------------------------------

    def deeds(self, asked: Row, checker: int) -> list[Row]:
        """What a proposal asks for: of a basket, of each of its holds."""
        row = people.done(asked, asked.sequence, checker=checker)
        hold = self.model.hold_of(row)
        if row.kind == Kind.TRANSFER and hold is not None:
            row.debit, row.credit = hold.debit, hold.credit
            if asked.total == PROPOSE_ADVANCE:
                row.debit, row.credit = self.net.suspense, hold.debit
        if row.kind in (Kind.VOID, Kind.VERIFY) and hold is not None:
            first, size = first_of_basket(hold), hold.basket >> 8 or 1
            holds = range(first, first + size)
            return [
                people.done(asked, asked.sequence, checker=checker, resolves=each)
                for each in holds
            ]
        return [row]

    def checker_of(self, asked: Row) -> int:
        """Who has approved it: always the same."""
        return self.net.treasury

    def deed(self) -> list[Row]:
        """What an approved proposal asks for, now and then something else."""
        asked = self.decided()
        if asked is None:
            return self.propose()
        if asked.sequence not in self.model.resolved:
            return self.approve()
        deeds = self.deeds(asked, self.checker_of(asked))
        if self.chance(3):
            deeds[0] = vary_row(self.rng, deeds[0])
        return deeds

    def case_close(self) -> list[Row]:
        """One that nobody has proposed; or one that was, otherwise than it was."""
        row = self.by_treasury(Kind.CASE_CLOSE)
        row.resolves, row.total = self.last_of("case"), self.last_of("proposal")
        if self.chance(12):
            row.credit = 1
        return [row]

    def recover(self) -> list[Row]:
        """What was advanced is given back, most often just that."""
        rng = self.rng
        row = self.by_treasury(Kind.TRANSFER, amount=1_000)
        row.resolves = self.last_of("moved")
        if not self.chance(4) and self.model.advanced:
            row.resolves = rng.choice(list(self.model.advanced.values())[-60:])
        advance = self.model.accepted(row.resolves)
        row.debit, row.credit = self.wallet(), self.net.suspense
        if advance is not None and not self.chance(6):
            row.debit, row.credit = advance.credit, advance.debit
            row.amount = max(1, advance.amount - (1 if self.chance(6) else 0))
        return [row]

    def undo(self) -> list[Row]:
        """What was paid after all is taken back, most often of what is rejected."""
        rng, model = self.rng, self.model
        row = self.by_treasury(Kind.TRANSFER, amount=1_000)
        row.resolves = self.last_of("moved")
        row.debit, row.credit = self.net.heads[0][0], self.wallet()
        corrected = list(model.corrected)[-60:]
        rejected = [
            hold
            for hold in corrected
            if model.open_case(model.rows[hold - 1], CaseType.LATE_REJECTION)
        ]
        if corrected and not self.chance(5):
            row.resolves = rng.choice(rejected or corrected)
            if self.chance(4):
                row.resolves = rng.choice(corrected)
        hold = model.accepted(row.resolves)
        if hold is not None and hold.kind == Kind.HOLD and not self.chance(6):
            row.debit, row.credit = hold.credit, hold.debit
            paid = model.correction_of(hold)
            row.amount = hold.amount if paid is None else paid.amount
            row.amount = max(1, row.amount - (1 if self.chance(6) else 0))
        return [row]

    def shift(self) -> list[Row]:
        row = self.by_treasury(Kind.SHIFT, debit=self.wallet())
        row.reference, row.participant = b"", self.centres[0]
        if self.chance(8):
            row.debit = self.any_account()
        if self.chance(2):
            row.resolves = self.last_of("shift")
            before = self.model.accepted(row.resolves)
            if before is not None and not self.chance(4):
                row.debit, row.operator_ = before.debit, before.operator_
        expected, counted = self.rng.choices((0, 500, 9_000), k=2)
        difference = 1 if counted == expected else 2 if counted < expected else 3
        record = ShiftRecord(row.operator_, expected, counted, difference)
        if self.chance(20):
            record.difference = self.rng.randrange(5)
        row.tail = record.pack() + b"{}"
        return [row]
