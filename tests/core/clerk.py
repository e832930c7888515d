"""What a generator asks at counters: who sits there, who signs on, payments and shifts
by whom they may be and by whom not, complaints and their replies, cash that is
handed out; of files of bills see tests/core/filer.py.

All of that is drawn in a third walk behind the two others, with chances of its own:
what those draw stays what it was. Part of tests/core/generator.py, which see.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from switch.codes import (
    AMOUNT_MAX,
    NO_AMOUNT_LIMIT,
    NO_COUNT_LIMIT,
    AccountState,
    Kind,
    PersonRole,
    Role,
)
from tests import signing
from tests.core.filer import Filer
from tests.model import Ask, Payments, Rows
from tests.model_counters import ANSWERED
from tests.model_state import PAYS, SECOND_NS
from tests.office import line_of
from tests.records import ParticipantRecord, Payment, Row
from tests.signing import Line, OperatorRecord, PersonRecord

AMOUNT_LEAST = 60_000
COUNTERS = 6
"""Centres of which this walk is."""
OPERATORS_EACH = 5
KEYS_FROM, KEYS_TO = 100, 150
"""Keys of operators; fewer would be another's too often."""
FEW_OPERATORS = 8
SIZES = (1, 5, 10, 20)
HOURS_NS = 2 * 3_600 * SECOND_NS
PART = 8
HOURS = (0, 0, 1, 72, 8_784, 8_785)
NOTES = (None, None, b"n" * 64, "টাকা".encode(), b"it is not there", b"x")
WRONG_NOTES = (b"n" * 65, b"\xff\xfe")


class Clerk(Filer):
    """Draws what happens at counters."""

    counters = False
    """Whether this is the walk that does."""
    amiss: list[int]
    """Payments that were complained of, the newest last."""

    pay: Callable[[], list[Row]]
    hold: Callable[[], list[Row]]
    basket: Callable[[], list[Row]]
    repeat: Callable[[], list[Row]]

    def payments(self, size: int) -> Payments:
        """A message of a centre, or of a harness."""
        raise NotImplementedError

    def begin_counters(self, seed: int) -> None:
        """From here on nothing else is drawn."""
        self.rng = random.Random(seed)
        self.counters = True
        self.sent, self.wanted, self.amiss = [], [], []
        self.asked = Row(Kind.PROPOSE)
        self.choose_counters()
        of_people = (
            (self.known_person, 2),
            (self.stop, 1),
        )
        kinds: tuple[tuple[Callable[[], list[Row]], int], ...] = (
            (self.operator, 12),
            (self.sign_on, 8),
            (self.desk, 2),
            (self.top_up, 2),
            (self.pay, 8),
            (self.hold, 6),
            (self.pay_again, 4),
            (self.dismiss, 4),
            (self.basket, 2),
            (self.post, 4),
            (self.void, 1),
            (self.shift, 6),
            (self.sign_off, 10),
            (self.complaint, 12),
            (self.reply, 26),
            (self.put_bills, 10),
            *(() if self.model.persons else ((self.amount_rule, 4),)),
            (self.hand_out, 10),
            (self.leave, 5),
            *(of_people if self.model.persons else ()),
            (self.repeat, 10),
        )
        self.kinds = [kind for kind, times in kinds for _ in range(times)]
        self.kinds_of_lines = [
            *[self.operator] * 4,
            *[self.sign_on] * 2,
            *(self.top_up, self.amount_rule),
        ]

    def choose_counters(self) -> None:
        """Those at which one can still pay, if there are so many."""
        accounts, participants = self.model.accounts, self.model.participants

        def is_worse(at: int) -> tuple[bool, ...]:
            wallet = accounts[self.wallets[at]]
            return (
                wallet.state != AccountState.OPEN,
                not participants[self.centres[at]].active,
                wallet.day_count_max != NO_COUNT_LIMIT,
                wallet.day_amount_max != NO_AMOUNT_LIMIT,
                wallet.payment_max < AMOUNT_LEAST,
            )

        best = sorted(range(len(self.wallets)), key=is_worse)[:COUNTERS]
        self.wallets = [self.wallets[at] for at in best]
        self.codes = [self.codes[at] for at in best]
        self.centres = [self.centres[at] for at in best]

    def group_of_counters(self) -> tuple[list[Ask], int]:
        """The next group's requests, and its time."""
        self.now += self.rng.randrange(200 * SECOND_NS)
        self.has_window = False
        size = self.rng.choice(SIZES)
        self.now += HOURS_NS if self.chance(12) else 0
        few = len(self.model.operators) < FEW_OPERATORS
        if self.model.persons and self.chance(2 if few else 3):
            rows = self.agreed(size)
            self.sent.extend(rows)
            if rows:
                return [Rows([row.copy() for row in rows])], self.now
        asks: list[Ask] = []
        while size > 0:
            part = min(size, PART)
            if self.chance(4):
                asks.append(self.of_session(self.payments(part)))
            elif self.chance(5):
                asks.append(self.of_session(self.of_files(part)))
            else:
                asks.append(self.rows(part))
            size -= part
        return asks, self.now

    def of_session(self, ask: Payments) -> Payments:
        """A message; of a centre itself it is most often known who is there."""
        rng = self.rng
        if not ask.centre or self.chance(3):
            return ask
        ask.signed_on = 0
        if not self.chance(6):
            ask.signed_on = self.number_of_operator(ask.centre)
        for payment in [
            *ask.payments,
            *(each for all_ in ask.baskets for each in all_),
        ]:
            if not self.chance(4):
                payment.operator = rng.choice((0, ask.signed_on))
        return ask

    # --- who sits there ---------------------------------------------------------------

    def who_cancels(self, hold: Row) -> int:
        """One of the wallet's centre, most often, or nobody."""
        if not self.counters or self.chance(4):
            return super().who_cancels(hold)
        return self.number_of_operator(self.model.accounts[hold.debit].participant)

    def number_of_operator(self, centre: int) -> int:
        """One of that centre's, most often; or one who is not."""
        if not self.counters:
            return super().number_of_operator(centre)
        operators = self.model.operators
        draw = self.rng.randrange(12)
        own = [number for whose, number in operators if whose == centre]
        active = [each for each in own if operators[centre, each].active]
        if draw < 7 and active:
            return self.rng.choice(active)
        off = [each for each in own if each not in active]
        if draw < 9 and off:
            return self.rng.choice(off)
        elsewhere = [number for _, number in operators if number not in own]
        if draw < 10 and elsewhere:
            return self.rng.choice(elsewhere)
        return self.rng.choice((0, 99, self.rng.randrange(1, OPERATORS_EACH)))

    def asked_again(self, sender: int, bound: int) -> Payment | None:
        """Somebody else at the counter asks for what was asked for before."""
        if not self.counters or not self.chance(6):
            return None
        sent = [each for each in self.sent[-400:] if isinstance(each, tuple)]
        ours: list[Payment] = [one for one, *whose in sent if whose == [sender, bound]]
        if not ours:
            return None
        payment = replace(self.rng.choice(ours))
        centre = self.model.participant_of.get(payment.centre, bound)
        payment.operator = self.number_of_operator(centre)
        return payment

    def pay_again(self) -> list[Row]:
        """The same with rows."""
        rows = [each for each in self.sent[-400:] if isinstance(each, Row)]
        paid = [each for each in rows if each.kind in PAYS and not each.basket]
        if not paid:
            return []
        row = self.rng.choice(paid).copy()
        row.operator_ = self.number_of_operator(self.owner(row.debit))
        return [row]

    def operator(self) -> list[Row]:
        """Somebody more at a counter, or no more; another key; or what cannot be."""
        rng, model = self.rng, self.model
        # One number more at each centre than at the one before.
        at = rng.randrange(len(self.centres))
        who = self.centres[at], rng.randrange(1 + at % 3, OPERATORS_EACH + at % 3)
        known = model.operators.get(who)
        key = signing.public_key(rng.randrange(KEYS_FROM, KEYS_TO))
        if known is not None and not self.chance(4):
            key = known.key
        record = OperatorRecord(*who, key, active=0 if self.chance(4) else 1)
        draw = rng.randrange(16)
        if draw == 0:
            others = (*self.net.billers, self.net.treasury, 9_999)
            record.participant = rng.choice(others)
        elif draw == 1:
            persons = [one.key for one in model.persons.values()]
            operators = [one.key for one in model.operators.values()]
            record.key = rng.choice(persons or operators or [key])
        row = self.by_treasury(Kind.REGISTER)
        row.reference, row.tail = b"", record.pack()
        if draw == 2:
            at = rng.choice((1, 2, 3, 4, 8, 12, 15))
            wrong = 2 if at == 1 else 0 if at in (4, 8) else 1
            row.tail = row.tail[:at] + bytes([wrong]) + row.tail[at + 1 :]
        elif draw == 3:
            row.tail = replace(record, key=bytes(32)).pack()
        elif draw == 4:
            row.tail = row.tail[: rng.randrange(1, 48)]
        elif draw < 8:
            row.tail += b'{"name": "ALPHA"}'
        return [row]

    def dismiss(self) -> list[Row]:
        """Somebody is at a counter no more."""
        operators = self.model.operators.items()
        active = [(who, one) for who, one in operators if one.active]
        if not active:
            return []
        who, one = self.rng.choice(active)
        row = self.by_treasury(Kind.REGISTER)
        row.reference = b""
        row.tail = OperatorRecord(*who, one.key, active=0).pack()
        return [row]

    def known_person(self) -> list[Row]:
        """Who is to be a person has the key of an operator."""
        keys = [one.key for one in self.model.operators.values()]
        if not keys:
            return []
        who = self.net.treasury, self.rng.randrange(60, 70)
        record = PersonRecord(*who, self.rng.choice(keys), PersonRole.MAKER)
        self.wanted.append(Line(Kind.REGISTER, tail=record.pack()))
        return []

    def sign_on(self) -> list[Row]:
        """A centre begins to know its operators, or ends that; or what cannot be."""
        rng = self.rng
        record = self.record_of(rng.choice(self.centres))
        record.role = Role.CENTRE
        record.signs_on = 0 if self.chance(5) else 1
        record.answer_hours = rng.choice(HOURS)
        record.active = 0 if self.chance(12) else 1
        draw = rng.randrange(16)
        if draw == 0:
            record.role = rng.choice((*Role, 9))
            record.signs_on = rng.choice((1, 2))
        elif draw == 1:
            record = self.record_of(rng.choice(self.net.billers))
            record.answer_hours = rng.choice(HOURS)
            record.signs_on = 1 if self.chance(3) else 0
        elif draw == 2:
            code, role = b"new-%d" % rng.randrange(9), rng.choice(list(Role))
            record = ParticipantRecord(code, role, may_state_dues=0)
        elif draw == 4:
            # Until it is one again.
            record.role, record.signs_on = rng.choice((Role.SUPPORT, Role.PUBLIC)), 0
        row = self.by_treasury(Kind.REGISTER)
        row.reference, row.tail = b"", record.pack()
        if draw == 3:
            at = rng.choice((3, 43, 46, 63))
            row.tail = row.tail[:at] + b"\1" + row.tail[at + 1 :]
        return [row]

    def record_of(self, index: int) -> ParticipantRecord:
        """Somebody as the register knows it."""
        record = self.participant_off(index)
        one = self.model.participants[index]
        record.active, record.may_state_dues = 1, one.may_state_dues
        return record

    def desk(self) -> list[Row]:
        """One of the treasury comes, or is switched off."""
        record = ParticipantRecord(b"desk-%d" % self.rng.randrange(4), Role.TREASURY)
        record.active = self.rng.randrange(2)
        record.may_state_dues = record.never_credits_late = 0
        row = self.by_treasury(Kind.REGISTER)
        row.reference, row.tail = b"", record.pack()
        return [row]

    def go_on(self, lines: list[Line]) -> bool:
        return self.counters or super().go_on(lines)

    def drawn_lines(self) -> list[Line]:
        if not self.counters:
            return super().drawn_lines()
        if self.wanted:
            lines = [self.wanted.pop(0)]
        else:
            rows = self.rng.choice(self.kinds_of_lines)()
            lines = [line_of(row) for row in rows if self.model.shape(row) == 0]
        # Of two of one proposal the second finds that something newer came.
        return lines * 2 if self.chance(6) else lines

    # --- shifts -----------------------------------------------------------------------

    def owner(self, account: int) -> int:
        """Whose an account is, 0 if it is not there."""
        known = self.model.account(account)
        return known.participant if known is not None else 0

    def shift(self) -> list[Row]:
        """Of somebody who is known, or is not."""
        rows = super().shift()
        for row in rows:
            if self.counters and (not row.resolves or self.chance(6)):
                row.operator_ = self.number_of_operator(self.owner(row.debit))
                if not self.chance(5):
                    row.participant = self.owner(row.debit)
                whose = row.operator_.to_bytes(4, "little")
                tail = row.tail or b""
                row.tail = tail[:52] + whose + tail[56:]
        return rows

    def sign_off(self) -> list[Row]:
        """Somebody else stands by a shift, or somebody who may not."""
        row = Row(Kind.APPROVE, id=self.rng.randbytes(16))
        row.resolves = self.last_of("shift", 8)
        shift = self.model.accepted(row.resolves)
        centre = self.owner(shift.debit) if shift is not None else 0
        row.participant = self.rng.choice((centre or 1, centre or 1, self.centres[0]))
        row.operator_ = self.number_of_operator(centre)
        return [row]

    def leave(self) -> list[Row]:
        """An operator signs off at a wallet of their centre, or somebody else does."""
        rng = self.rng
        row = Row(Kind.SIGNED_OFF, id=rng.randbytes(16), debit=self.wallet())
        row.participant = self.owner(row.debit)
        row.operator_ = self.number_of_operator(row.participant)
        draw = rng.randrange(16)
        if draw == 0:
            row.debit = self.wallet()
        elif draw == 1:
            row.debit = rng.choice((0, 2**31))
        elif draw == 2:
            row.participant = rng.choice((*self.centres, self.net.harness, 0, 9_999))
        elif draw == 3:
            row.debit = rng.choice(self.net.heads[0])
            row.participant = self.owner(row.debit)
        elif draw == 4:
            row.resolves = self.past((Kind.PAY, Kind.SHIFT))
        return [self.spoilt(row, 7)]

    # --- complaints -------------------------------------------------------------------

    def complaint(self) -> list[Row]:
        """Of a payment, by whose it was; or of something else, or by another."""
        rng, model = self.rng, self.model
        row = Row(Kind.COMPLAINT, id=rng.randbytes(16))
        row.resolves = self.past((Kind.PAY, Kind.HOLD))
        draw = rng.randrange(16)
        if draw < 6 and self.amiss:
            row.resolves = rng.choice(self.amiss[-10:])
        elif draw == 6:
            row.resolves = self.past((Kind.POST, Kind.REFUND, Kind.COMPLAINT))
        elif draw == 7:
            row.resolves = rng.choice((0, 1, len(model.rows) + 1))
        payment = model.accepted(row.resolves)
        paid = payment is not None and payment.kind in (Kind.PAY, Kind.HOLD)
        row.participant = self.centres[0]
        if payment is not None and paid:
            row.participant = self.owner(payment.debit)
            self.amiss.append(payment.sequence)
        if draw == 8:
            others = (*self.centres, *self.net.billers, self.net.harness, 0, 9_999)
            row.participant = rng.choice(others)
        row.operator_ = self.number_of_operator(row.participant)
        row.total = rng.randrange(1, 7)
        row.tail = rng.choice(NOTES)
        return [self.spoilt(row, 7)]

    def spoilt(self, row: Row, most: int) -> Row:
        """The row, now and then of a wrong shape."""
        draw = self.rng.randrange(90)
        if draw == 0:
            row.total = self.rng.choice((0, most, 2**40))
        elif draw == 1:
            row.tail = self.rng.choice(WRONG_NOTES)
        elif draw == 2:
            row.amount = 1
        elif draw == 3:
            row.debit = 1
        elif draw == 4:
            row.credit = 1
        elif draw == 5:
            row.reference = b"because"
        elif draw == 6:
            row.deadline, row.debit = 1, self.rng.randrange(2)
        elif draw == 7:
            row.id = bytes(16)
        elif draw == 8:
            row.service, row.checker = 3, 4
        return row

    def hand_out(self) -> list[Row]:
        """The cash of what gave it back, by whose wallet has it, or something else."""
        rng, model = self.rng, self.model
        row = Row(Kind.HANDED_OUT, id=rng.randbytes(16))
        row.resolves = self.what_gave_back()
        back = model.accepted(row.resolves)
        row.debit, row.amount = self.wallet(), AMOUNT_LEAST
        if back is not None:
            refund = back.kind == Kind.REFUND
            row.debit = back.credit if refund else back.debit
            row.amount = model.given_back_by(back) or back.amount or AMOUNT_LEAST
        row.participant = self.owner(row.debit)
        draw = rng.randrange(40)
        if draw == 0:
            row.amount += 1
        elif draw == 1:
            row.debit = self.wallet()
            row.participant = self.owner(row.debit)
        elif draw == 2:
            row.participant = rng.choice((*self.centres, self.net.harness, 0, 9_999))
        elif draw == 3:
            row.debit = rng.choice((0, 2**31, *self.net.heads[0]))
            row.participant = self.owner(row.debit)
        row.operator_ = self.number_of_operator(self.owner(row.debit))
        return [self.spoilt_out(row)]

    def what_gave_back(self) -> int:
        """A row that gave money back, handed out or spoken of late; or another one."""
        draw = self.rng.randrange(12)
        if draw == 0:
            return self.past((Kind.POST, Kind.HANDED_OUT, Kind.VERIFY, Kind.HOLD))
        if draw < 4:
            names = "late", "corrected", "kept", "in part"
            hold = self.model.accepted(self.last_of(self.rng.choice(names)))
            end = self.model.end_of(hold) if hold is not None else None
            return end.sequence if end is not None else 0
        if draw == 4 and self.model.handed_out:
            return self.rng.choice(list(self.model.handed_out))
        return self.past((Kind.REFUND, Kind.EXPIRE))

    def spoilt_out(self, row: Row) -> Row:
        """The row, now and then of a wrong shape."""
        draw = self.rng.randrange(120)
        if draw == 0:
            row.amount = 0
        elif draw == 1:
            row.credit = 1
        elif draw == 2:
            row.reference = b"cash"
        elif draw == 3:
            row.tail = b"cash"
        elif draw == 4:
            row.deadline, row.credit = 1, self.rng.randrange(2)
        elif draw == 5:
            row.id = bytes(16)
        elif draw == 6:
            row.amount = AMOUNT_MAX + 1
        return row

    def reply(self) -> list[Row]:
        """The next step of a complaint's life, or one that is not; by whose it is."""
        rng, model = self.rng, self.model
        row = Row(
            Kind.REPLY, id=rng.randbytes(16), total=rng.choice((1, 1, 1, 2, 2, 2, 3))
        )
        row.resolves = self.last_of("complaint", 5)
        draw = rng.randrange(20)
        if draw == 0:
            row.resolves = self.past((Kind.REPLY, Kind.HOLD, Kind.PAY))
        raised = model.accepted(row.resolves)
        payment = None
        if raised is not None and raised.kind == Kind.COMPLAINT:
            payment = model.rows[raised.resolves - 1]
        treasuries = sorted(model.treasuries)
        able = [at for at in treasuries if model.participants[at].active]
        off = [at for at in treasuries if at not in able]
        biller = self.owner(payment.credit) if payment is not None else 0
        row.participant = biller
        if row.total != ANSWERED:
            row.participant = rng.choice(able or treasuries)
        if self.chance(2):
            wrong = (
                *((self.centres, off, able, self.net.billers)),
                (biller, biller, 0, 9_999),
            )
            row.participant = rng.choice(rng.choice(wrong) or (biller,))
        row.operator_ = rng.randrange(3)
        row.tail = rng.choice(NOTES)
        return [self.spoilt(row, 4)]
