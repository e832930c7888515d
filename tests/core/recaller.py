"""What a generator asks of what comes back from a bank: releases are recalled, rightly
and not, and lines name what was.

All of that is drawn in a walk of its own behind the other, with chances of its own:
what the first one draws stays what it was. Part of tests/core/generator.py, which see.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from switch.codes import (
    AMOUNT_MAX,
    BOOKED_TAIL_MAX,
    PROPOSE_LINES,
    AccountKind,
    Kind,
)
from tests import signing
from tests.core.payer import Payer
from tests.core.staff import KEYS
from tests.model import Ask, Rows
from tests.model_persons import Who
from tests.model_signed import lines_of
from tests.model_state import DAY_S, SECOND_NS
from tests.office import line_of
from tests.records import Row
from tests.signing import Line, PersonRecord

TRANSIT = AccountKind.BANK_TRANSIT
CHECKERS = 4
SIZES = (1, 2, 5, 20, 40)
BEFORE_NS = 40 * DAY_S * SECOND_NS
"""The second walk begins so long behind the first: whoever is paid has waited."""


class Recaller(Payer):
    """Draws what comes back."""

    recalls = False
    """Whether this is the walk that does."""
    asked = Row(Kind.PROPOSE)
    """Where people are, what they are asked for now."""
    sent: list[Any]

    def rows(self, size: int) -> Rows:
        """Row templates of the kinds that are drawn."""
        raise NotImplementedError

    def begin_recalls(self, seed: int) -> None:
        """From here on nothing else is drawn."""
        self.rng = random.Random(seed)
        self.recalls = True
        self.now += BEFORE_NS
        kinds: tuple[tuple[Callable[[], list[Row]], int], ...] = (
            (self.recall, 30),
            (self.booked_back, 8),
            (self.sent_back, 8),
            (self.payout, 12),
            (self.ending, 4),
        )
        self.kinds = [kind for kind, times in kinds for _ in range(times)]

    def group_of_recalls(self) -> tuple[list[Ask], int]:
        """The next group's request, and its time."""
        self.now += self.rng.randrange(3_600 * SECOND_NS)
        self.has_window = False
        size = self.rng.choice(SIZES)
        alone = not self.model.persons or self.chance(12)
        rows = [] if alone else self.agreed(size)
        if not rows:
            return [self.rows(size)], self.now
        self.sent.extend(rows)
        return [Rows([row.copy() for row in rows])], self.now

    def agreed(self, size: int) -> list[Row]:
        """What people want in turn: some lines, one approval or two, the rows."""
        model = self.model
        sequence = model.find(self.asked.participant, self.asked.id)
        asked, self.asked = model.accepted(sequence), Row(Kind.PROPOSE)
        if asked is None or asked.kind != Kind.PROPOSE or asked.total != PROPOSE_LINES:
            return self.proposed(size)
        approval = model.approval_of(asked)
        if approval is not None:
            self.wait_for(asked, approval)
            rows = signing.line_rows(asked, sequence, checker=approval.participant)
            return [*rows, *self.rng.sample(rows, len(rows) // 4)]
        who = self.able(model.may_approve, asked, model.link_of(asked) or asked)
        if who is None:
            return self.proposed(size)
        self.asked = asked
        row = signing.approval(
            *(self.rng.randbytes(16), asked, sequence, model.instance),
            participant=who[0],
            operator=who[1],
        )
        return [self.by_its_key(row)]

    def wait_for(self, asked: Row, approval: Row) -> None:
        """Most often what two people let approve waits as long as it must."""
        tails = [
            line.tail
            for line in lines_of(asked.tail or b"")
            if line.kind == Kind.REGISTER
        ]
        if any(map(self.model.widens, tails)) and not self.chance(4):
            until = approval.timestamp + self.model.wait_days * DAY_S * SECOND_NS
            self.now = max(self.now, until)

    def proposed(self, size: int) -> list[Row]:
        """A proposal of so many lines; or of a checker more, so that three are there
        who can approve what one of them wants.
        """
        who = self.able(self.model.may_propose)
        if who is None:
            return []
        lines: list[Line] = []
        if len(self.model.approvers()) < CHECKERS:
            key = signing.public_key(self.rng.randrange(1, 33))
            more = PersonRecord(who[0], self.rng.randrange(50, 99), key)
            lines.append(Line(Kind.REGISTER, tail=more.pack()))
        while not lines or (len(lines) < size and self.go_on(lines)):
            lines += self.drawn_lines()
        self.asked = self.by_its_key(
            signing.proposal_of_lines(
                *(self.rng.randbytes(16), lines), participant=who[0], operator=who[1]
            )
        )
        return [self.asked]

    def go_on(self, lines: list[Line]) -> bool:
        """Whether more may be wanted together with these."""
        return lines[0].kind != Kind.REGISTER

    def drawn_lines(self) -> list[Line]:
        """What is wanted next."""
        lines = []
        for row in self.rng.choice(self.kinds)():
            row.flags = row.flags if row.resolves or row.debit == 0 else 0
            row.tail = (row.tail or b"")[:BOOKED_TAIL_MAX]
            row.amount = min(row.amount, AMOUNT_MAX // 100)
            lines.append(line_of(row))
        return lines

    def able(self, may: Callable[[Who], bool], *but: Row) -> Who | None:
        """A person who may, whose key is at hand, and who made none of these rows."""
        made = {(row.participant, row.operator_) for row in but}
        persons = self.model.persons.items()
        found = [who for who, one in persons if may(who) and one.key in KEYS]
        left = [who for who in found if who not in made]
        return self.rng.choice(left) if left else None

    def by_its_key(self, row: Row) -> Row:
        """The row with the signature of whom it names."""
        key = self.model.persons[row.participant, row.operator_].key
        return signing.signed(row, KEYS[key], self.model.instance)

    # --- in the first walk ------------------------------------------------------------

    def is_alone(self, row: Row) -> bool:
        return super().is_alone(row) and (self.recalls or not self.model.is_recall(row))

    def kept_apart(self, row: Row) -> Row:
        """The first walk has no recall; what would look like one was drawn for another
        thing, and is told the same of another account.
        """
        from_, to = self.model.kinds_of(row)
        apart = self.recalls or self.model.persons or not row.resolves
        if row.kind == Kind.TRANSFER and not apart and from_ == TRANSIT != to:
            row.debit = self.net.float_
        return row

    # --- in the second ----------------------------------------------------------------

    def recall(self) -> list[Row]:
        """What was released comes back; or something else is asked for so."""
        rng, model = self.rng, self.model
        one = self.waits("release", {} if self.chance(3) else model.matched)
        gone = self.met_by(Kind.BOOKED) if self.chance(8) else []
        if gone:
            one = model.rows[rng.choice(gone).resolves - 1]
        if one is None:
            return []
        row = self.by_treasury(Kind.TRANSFER, one.credit, one.debit, one.amount)
        row.resolves = one.sequence
        if model.accounts[one.debit].kind == AccountKind.BANK_SUSPENSE:
            row.credit = self.net.suspense
        draw = rng.randrange(24)
        if draw == 0:
            row.amount += rng.choice((1, 99))
        elif draw == 1:
            row.amount = max(1, row.amount - 1)
        elif draw == 2:
            row.debit = self.of_bank(self.bank(), rng.choice((2, 2, 1, 0)))
        elif draw == 3:
            row.credit = self.any_account()
        elif draw == 4:
            others = (self.net.settlement, self.net.suspense, self.net.great_settlement)
            row.credit = rng.choice((*others, one.credit))
        elif draw == 5:
            row.resolves = self.last_of("item", 200)
        elif draw == 6:
            row.resolves = rng.choice((0, 1, self.last_of("beneficiary")))
        elif draw == 7:
            row.resolves = self.last_of("moved")
        elif draw == 8:
            row.resolves = one.resolves
        self.mislead(row)
        if self.chance(6):
            # Of two of the same, the second finds it done.
            return [row, replace(row, id=rng.randbytes(16))]
        return [row]

    def met_by(self, kind: Kind) -> list[Row]:
        """The last rows of this kind by which a release has left, or come back."""
        rows = self.model.rows
        last = [rows[at - 1] for at in list(self.model.matched.values())[-600:]]
        ours = [row for row in last if row.kind == kind]
        return [row for row in ours if self.model.kinds_of(row)[0] == TRANSIT][-60:]

    def booked_back(self) -> list[Row]:
        """A bank pays, or takes back, what was recalled."""
        rng, model = self.rng, self.model
        back = self.met_by(Kind.TRANSFER)
        if not back:
            return self.booked()
        row = self.booked_at(self.bank())
        one = rng.choice(back)
        owner = model.accounts[one.debit]
        row.resolves, row.amount = one.resolves, one.amount
        row.debit = row.flags = 0
        row.credit = model.account_of[owner.participant, owner.purpose - 2]
        row.reference = self.number()
        if self.chance(8):
            row.resolves = one.sequence
        elif self.chance(8):
            row.amount += 1
        return [row]

    def sent_back(self) -> list[Row]:
        """Money comes, and goes back to its remitter."""
        came = self.items(AccountKind.BANK)
        item = self.rng.choice(came) if came else None
        bank = self.model.bank_with(item.debit) if item else None
        if item is None or bank is None:
            return self.booked()
        row = self.by_treasury(Kind.TRANSFER, item.credit, amount=item.amount)
        row.credit, row.resolves = self.of_bank(bank, 2), item.sequence
        return [row]
