"""What a generator asks of banks: requests for money, what a bank has booked, by people
and by a bank's connection, its statements, what ends open items, and bank accounts.

Part of tests/core/generator.py, which see.
"""

from dataclasses import replace

from switch.codes import (
    AMOUNT_MAX,
    PROPOSE_LINES,
    AccountKind,
    AccountState,
    Kind,
    PersonRole,
    Source,
)
from tests import signing
from tests.core.staff import Staff
from tests.flags import RowFlag
from tests.model_banks import Bank
from tests.model_people import PROPOSAL_LIFE_NS
from tests.model_persons import Who
from tests.model_rules import OF_BANKS
from tests.model_signed import CHANNEL_AMOUNT_MAX
from tests.model_state import ist_day
from tests.office import line_of
from tests.records import (
    AccountRecord,
    BankAccountRecord,
    ParticipantRecord,
    Row,
    StatementRecord,
)
from tests.signing import Line, PersonRecord

CLOSED = AccountState.CLOSED
BANKS_MOST = 24
"""Bank accounts of one ledger, as each is looked for among all."""
REQUESTS_AT_ONCE = 70
"""More than a wallet may have in a day."""
TELLS_AT_ONCE = (0, 1, 2, 5, 20)
ROOM = 2**64 - 1
FORTUNE = 10**15
"""More than there is."""
FORETOLD = 50_000
"""What many requests are of, so that a line can name one that is to be."""
FORETOLD_LINES = 120
PAYOUTS = 3
"""So many are wanted then."""
RIGHT_OF_CHANNELS, RIGHT_OF_PEOPLE = 28, 14
"""The greater, the more of their statements follow the last."""
NEW_BANK = 5_000
"""From which purpose on accounts of new ones are opened."""


class Teller(Staff):
    """Draws what banks say and what is asked of them."""

    # --- which ------------------------------------------------------------------------

    def bank(self) -> Bank:
        """A bank account, most often one that is much used."""
        banks = list(self.model.banks.values())
        return self.rng.choice(banks if self.chance(6) else banks[:2])

    def of_bank(self, bank: Bank, place: int = 0) -> int:
        """One of its three accounts: the mirror, suspense or transit."""
        return self.model.account_of[bank.participant, bank.purpose + place]

    def number(self) -> bytes:
        """A bank's reference that is new."""
        number = b"N%012d" % self.rng.randrange(10**12)
        return number if self.chance(4) else number[:4] + b" " + number[4:]

    def said(self) -> bytes:
        """A reference by which money has come, sometimes as another would type it."""
        rng = self.rng
        name = rng.choice(("booked", "top-up"))
        one = self.model.accepted(self.last_of(name, 200 if self.chance(2) else 20))
        if self.chance(3) and self.model.matched:
            matched = list(self.model.matched.values())[-40:]
            one = self.model.accepted(rng.choice(matched))
        if one is None or one.kind not in (Kind.BOOKED, Kind.TOP_UP):
            return self.number()
        typed = one.reference
        if self.chance(3):
            typed = typed.replace(b" ", b"")
        if self.chance(4):
            typed = rng.choice((typed.lower(), typed.upper(), typed.swapcase()))
        if self.chance(4) and len(typed) in range(2, 32):
            at = rng.randrange(1, len(typed))
            typed = typed[:at] + b" " + typed[at:]
        if self.chance(20):
            typed = typed.replace(b" ", b"-")
        return typed

    def top_up(self) -> list[Row]:
        rows = super().top_up()
        if self.chance(4):
            rows[0].reference = self.said()
        return rows

    def waits(self, name: str, done: dict[int, int]) -> Row | None:
        """A row of the last of which something is still to come, if there is one."""
        self.look()
        most = 400 if self.chance(3) else 30
        found = [at for at in self.rare[name][-most:] if at not in done]
        return self.model.rows[self.rng.choice(found) - 1] if found else None

    # --- requests ---------------------------------------------------------------------

    def request(self) -> list[Row]:
        """Money is asked for a wallet; seldom for another's, or again and again."""
        rng, accounts = self.rng, self.model.accounts
        row = Row(Kind.REQUEST, id=rng.randbytes(16), credit=self.wallet())
        row.amount = rng.choice((FORETOLD, rng.randrange(1, 90_000)))
        if self.chance(9):
            row.credit = self.any_account()
        if self.chance(12):
            closed = [i for i, a in enumerate(accounts) if a.state == CLOSED]
            row.credit = rng.choice(closed or [row.credit])
        if row.credit < len(accounts):
            row.participant = accounts[row.credit].participant
        if self.chance(12):
            row.participant = rng.choice(self.centres)
        if self.chance(40):
            row.debit = row.credit
        row.operator_ = rng.randrange(3)
        if self.chance(20):
            row.resolves = self.last_of("request")
        if self.chance(60):
            ids = (rng.randbytes(16) for _ in range(REQUESTS_AT_ONCE))
            return [replace(row, id=id_) for id_ in ids]
        return [row]

    # --- booked lines -----------------------------------------------------------------

    def booked(self) -> list[Row]:
        """What a bank has booked, or says that it has."""
        row = self.booked_at(self.bank())
        if self.chance(12):
            other = self.rng.choice((self.any_account(), 10**6))
            row.debit, row.credit = (other, 0) if row.debit else (0, other)
        if self.chance(60):
            row.debit, row.credit = self.rng.choice(((0, 0), (1, 2)))
        if self.chance(10):
            # Twice in one request, perhaps as another amount.
            again = replace(row, id=self.rng.randbytes(16))
            again.amount += 1 if self.chance(2) else 0
            return [row, again]
        return [row]

    def booked_at(self, bank: Bank) -> Row:
        """A line of one account's."""
        rng, mirror = self.rng, self.of_bank(bank)
        row = self.by_treasury(Kind.BOOKED, amount=rng.randrange(1, 90_000))
        row.reference = self.number()
        draw = rng.randrange(12)
        if draw < 5:
            row.debit = mirror
            self.name_request(row)
        elif draw < 7:
            row.credit = mirror
            self.name_release(row)
        elif draw < 10:
            self.book_again(row, bank)
        else:
            row.debit = mirror
            if self.chance(2):
                row.debit, row.credit = 0, mirror
            if not self.chance(3):
                row.reference = self.said()
        if self.chance(12):
            row.flags = RowFlag.REVERSAL
        if self.chance(3):
            row.tail = b'{"text": "%d"}' % row.resolves
            if self.chance(20):
                row.tail = b"t" * rng.choice((1_024, 1_025))
        return row

    def name_request(self, row: Row) -> None:
        """The line is of money that was asked for, or almost."""
        rng, model = self.rng, self.model
        asked = self.waits("request", {} if self.chance(6) else model.matched)
        if self.chance(6):
            old = [
                at
                for at in self.rare["request"][-2_000:]
                if model.accounts[model.rows[at - 1].credit].state == CLOSED
            ]
            asked = model.rows[rng.choice(old) - 1] if old else asked
        if asked is None:
            row.resolves = self.last_of("proposal")
            return
        row.resolves, row.amount = asked.sequence, asked.amount
        if self.chance(10):
            row.amount += rng.choice((1, 99))
        if self.chance(4):
            row.reference = self.said()
        if self.chance(20):
            row.resolves = rng.choice((0, 1, self.past((Kind.PAY, Kind.BOOKED))))

    def name_release(self, row: Row) -> None:
        """The line is of money that was released, or almost."""
        model = self.model
        one = self.waits("release", {} if self.chance(6) else model.matched)
        if one is None:
            return
        row.resolves, row.amount = one.sequence, one.amount
        owner = model.accounts[one.credit]
        if not self.chance(8):
            mirror = owner.participant, owner.purpose - 2
            row.credit = model.account_of.get(mirror, row.credit)
        if self.chance(10):
            row.amount += 1

    def book_again(self, row: Row, bank: Bank) -> None:
        """A line that was booked before, with its amount or another, or taken back."""
        old = self.model.accepted(self.last_of("booked", 200))
        row.debit = self.of_bank(bank)
        if old is None or old.kind != Kind.BOOKED:
            return
        mirrors = OF_BANKS[0]
        of_credit = self.model.accounts[old.debit].kind == mirrors
        row.debit, row.credit = (old.debit, 0) if of_credit else (0, old.credit)
        row.reference, row.amount = old.reference, old.amount
        draw = self.rng.randrange(6)
        if draw < 2:
            row.amount += 1
        elif draw < 4:
            row.debit, row.credit = row.credit, row.debit
            row.flags = RowFlag.REVERSAL

    def great_booked(self) -> list[Row]:
        """So much that it does not fit."""
        row = self.by_treasury(Kind.BOOKED, amount=AMOUNT_MAX)
        row.debit, row.reference = self.net.great_bank, self.number()
        account = self.model.accounts[row.debit]
        if self.chance(4):
            row.amount = min(max(ROOM - account.debits_posted, 1), AMOUNT_MAX)
        return [row]

    # --- transfers --------------------------------------------------------------------

    def ending(self) -> list[Row]:
        """What was booked is explained; or something else is asked for so."""
        rng, model = self.rng, self.model
        row = self.by_treasury(Kind.TRANSFER, amount=rng.randrange(1, 9_000))
        item = self.waits("item", {} if self.chance(5) else model.ended)
        if self.chance(2):
            item = self.came_by_hand() if self.chance(2) else self.went()
        if item is None:
            return []
        row.resolves, row.amount = item.sequence, item.amount
        others = (self.wallet(), self.net.settlement, self.net.suspense)
        other = rng.choice((*others, self.wallet()))
        if model.accounts[item.credit].kind == AccountKind.BANK_SUSPENSE:
            row.debit, row.credit = item.credit, other
            if self.chance(3):
                bank = model.bank_with(item.debit)
                row.credit = self.of_bank(bank, 2) if bank else other
        else:
            row.debit, row.credit = other, item.debit
        draw = rng.randrange(14)
        if draw == 0:
            row.amount += 1
        elif draw == 1:
            row.debit = self.any_account()
        elif draw == 2:
            row.credit = self.any_account()
        elif draw == 3:
            row.resolves = self.last_of("booked", 200)
        elif draw == 4:
            row.resolves = rng.choice((0, 1, self.last_of("request")))
        elif draw == 5:
            row.debit, row.credit = row.credit, row.debit
        elif draw == 6:
            row.credit = self.of_bank(self.bank(), 2)
        if self.chance(8):
            # Of two that end the same, the second finds it ended.
            return [row, replace(row, id=rng.randbytes(16))]
        return [row]

    def items(self, from_: AccountKind) -> list[Row]:
        """The last open items of money that has come, or gone."""
        model = self.model
        last = self.rare["item"][-300:]
        ended = {} if self.chance(5) else model.ended
        left = [model.rows[at - 1] for at in last if at not in ended]
        return [row for row in left if model.accounts[row.debit].kind == from_]

    def came_by_hand(self) -> Row | None:
        """An open item of money that has come and that another row has claimed."""
        own = RowFlag.RECENT | RowFlag.REVERSAL
        found = [row for row in self.items(AccountKind.BANK) if not row.flags & own]
        return self.rng.choice(found) if found else None

    def went(self) -> Row | None:
        """An open item of money that has gone."""
        found = self.items(AccountKind.BANK_TRANSIT)
        return self.rng.choice(found) if found else None

    def payout(self) -> list[Row]:
        """Money leaves for a bank: it is released; or by a way that is none."""
        row = self.by_treasury(Kind.TRANSFER, amount=self.rng.randrange(1, 9_000))
        row.debit = self.net.settlement
        row.credit = self.of_bank(self.bank(), 2)
        if self.chance(5):
            place = self.rng.randrange(3)
            row.debit = self.rng.choice(
                (self.net.float_, self.net.suspense, self.of_bank(self.bank(), place))
            )
        if self.chance(8):
            row.credit = self.of_bank(self.bank(), self.rng.randrange(2))
        if self.chance(12):
            row.amount = FORTUNE
        funds = replace(row, id=self.rng.randbytes(16), debit=self.net.float_)
        funds.credit, funds.amount = self.net.settlement, 50_000
        return [funds, row] if self.chance(4) else [row]

    # --- bank accounts ----------------------------------------------------------------

    def bank_account(self) -> list[Row]:
        """One is switched on or off, or a new one comes, or what cannot be."""
        rng, model = self.rng, self.model
        numbers = list(model.banks)
        number = rng.choice(numbers)
        bank = model.banks[number]
        record = BankAccountRecord(bank.participant, bank.purpose, number)
        record.active = 0 if self.chance(6) else 1
        draw = rng.randrange(8)
        if draw == 0:
            record.participant = rng.choice((9_999, self.net.harness))
        elif draw == 1:
            other = self.bank()
            record.participant, record.purpose = other.participant, other.purpose
        elif draw == 2:
            record.purpose = rng.choice((16, 17, 64_000, bank.purpose + 1))
            record.account = b"NONE%d" % rng.randrange(9)
        elif draw == 3:
            record.account = b"TWICE"
        elif draw < 6 and len(numbers) < BANKS_MOST:
            return self.new_bank_account()
        row = self.by_treasury(Kind.REGISTER)
        row.reference, row.tail = b"", record.pack() + b"{}"
        return [row]

    def new_bank_account(self) -> list[Row]:
        """Its accounts are opened and it is registered, sometimes after some use."""
        place = self.rng.randrange(2 * BANKS_MOST)
        owner, purpose = self.net.treasury, NEW_BANK + 4 * place
        rows = []
        for number, kind in enumerate(OF_BANKS):
            row = self.by_treasury(Kind.OPEN)
            kind = AccountKind.SUSPENSE if self.chance(40) else kind
            row.reference = b""
            row.tail = AccountRecord(owner, purpose + number, kind).pack()
            rows.append(row)
        if self.chance(3):
            return rows  # and perhaps it is registered another time
        transit = self.model.account_of.get((owner, purpose + 2))
        if transit:
            rows = [self.by_treasury(Kind.TRANSFER, self.net.settlement, transit, 1)]
            known = self.model.beneficiaries.values()
            # The oldest: it has waited most likely.
            rows[0].resolves = min((b.sequence for b in known if b.active), default=0)
            rows = rows if self.chance(2) else []
        row = self.by_treasury(Kind.REGISTER)
        record = BankAccountRecord(owner, purpose, b"NEW%d" % place)
        row.reference, row.tail = b"", record.pack()
        return [*rows, row]

    # --- what a connection says, and statements ---------------------------------------

    def tell(self) -> list[Row]:
        """Lines that a bank has booked, mostly with their statement, as a proposal."""
        rng = self.rng
        if self.has_window:
            return []
        by_channel = rng.randrange(5) < 3
        able = self.is_channel if by_channel else self.model.may_propose
        others = any(map(self.is_other, self.model.persons))
        if by_channel and self.chance(2) and others:
            able = self.is_other
        who = self.one_of(able)
        bank = self.bank()
        if by_channel and not self.chance(12):
            bank = self.own_bank(who) or bank
        if not by_channel and not self.chance(3):
            # People say their own in peace, of those of which banks say little.
            bank = rng.choice(list(self.model.banks.values()))
        count = rng.choice(TELLS_AT_ONCE)
        lines = [line_of(self.booked_at(bank)) for _ in range(count)]
        mirror = self.of_bank(bank)
        if not self.chance(6):
            # Of one account only: names of releases may have led to another.
            lines = [line for line in lines if mirror in (line.debit, line.credit)]
        if lines and self.chance(10):
            lines[0] = replace(lines[0], debit=self.any_account() or 1, credit=0)
        if self.chance(8):
            # Just so much as a connection may say, or one more.
            left = CHANNEL_AMOUNT_MAX - sum(line.amount for line in lines)
            left = max(left + rng.randrange(2), 1)  # a line of before may be so great
            between = (mirror, 0) if self.chance(2) else (0, mirror)
            lines.append(Line(Kind.BOOKED, left, 0, *between, self.number()))
        right = RIGHT_OF_CHANNELS if by_channel else RIGHT_OF_PEOPLE
        if not lines or not self.chance(3):
            lines.append(self.statement(bank, lines, right))
        if not by_channel and self.chance(6):
            lines = [self.statement(bank, [], 4)]
        if self.chance(20):
            lines.insert(0, Line(Kind.TOP_UP, 5, 0, self.net.float_, 1, b"UTR"))
        soon = self.payouts_soon() if self.chance(2 if self.tells_much else 3) else []
        if soon and not self.is_other(who):
            lines = self.foretold(bank, soon[0].credit, soon[0].amount)
            who = self.teller_of(soon[0].credit, who)
        elif self.chance(6):
            lines = self.foretold(bank, 0, FORETOLD)[: FORETOLD_LINES // 3]
        row = self.by_treasury(Kind.PROPOSE)
        row.participant, row.operator_ = who
        row = signing.proposal_of_lines(
            row.id, lines, participant=row.participant, operator=row.operator_
        )
        row.amount = min(row.amount, ROOM)
        return [row, *soon]

    def foretold(self, bank: Bank, transit: int, amount: int) -> list[Line]:
        """Lines of all of this amount that is soon asked for, or released to there."""
        between = (self.of_bank(bank), 0)
        if transit:
            one = self.model.accounts[transit]
            mirror = self.model.account_of.get((one.participant, one.purpose - 2), 0)
            between = (0, mirror)
        first = len(self.model.rows) + 1
        return [
            Line(Kind.BOOKED, amount, at, *between, self.number())
            for at in range(first, first + FORETOLD_LINES)
        ]

    def payouts_soon(self) -> list[Row]:
        """Payouts that are approved and not done, if there are; more are wanted."""
        payouts = [row for _ in range(PAYOUTS) for row in self.payout()]
        self.wanted[:0] = map(line_of, payouts)
        model = self.model
        self.look()
        for at in self.rare["proposal"][:-200:-1]:
            asked = model.rows[at - 1]
            approval = model.approval_of(asked)
            if asked.total != PROPOSE_LINES or approval is None:
                continue
            if self.now - approval.timestamp >= PROPOSAL_LIFE_NS:
                break
            left = self.payouts_of(asked, self.checker_of(asked))
            if left:
                return left
        other = self.undecided()
        if other is None or other.total != PROPOSE_LINES:
            return []
        row = self.by_treasury(Kind.APPROVE)
        row.resolves = other.sequence
        row.reference = signing.hash_of(other, model.instance)
        left = self.payouts_of(other, row.participant)
        return [*left[:1], row, *left] if left else []

    def payouts_of(self, asked: Row, checker: int) -> list[Row]:
        """What such a proposal would release, as far as that is not done."""
        return [
            row
            for row in signing.line_rows(asked, asked.sequence, checker=checker)
            if row.kind == Kind.TRANSFER
            and self.model.is_payout(row)
            and row.debit == self.net.settlement
            and not self.model.find(row.participant, row.id)
        ]

    def statement(self, bank: Bank, lines: list[Line], right: int) -> Line:
        """The statement of these, which most often follows the last; the greater
        `right`, the more often.
        """
        rng = self.rng
        last = self.model.statements.get(bank.index)
        day = ist_day(self.now)
        record = StatementRecord(bank.index, rng.randrange(2), 0, day, len(lines))
        if last is not None:
            last_day, number = last.place
            record.opening = last.closing
            record.last_day, record.number = max(day, last_day), number + 1
        record.first_day = record.last_day - rng.randrange(3)
        moved = sum(line.amount if line.debit else -line.amount for line in lines)
        draw = rng.randrange(right)
        if right == RIGHT_OF_PEOPLE and self.chance(2):
            draw = rng.choice((0, 0, 3, 3, 6, 6, 6, 6, 6, 6, 8, 8, 8, 10, 10, 10))
        if draw == 0:
            record.opening += 1
        elif draw in (6, 7, 9, 11):
            record.last_day = day + rng.choice((1, 1, 1, 1, 1, 2, 30))
        elif draw in (8, 10) and last is not None:
            record.last_day, record.number = last_day, max(0, number - 1)
            record.first_day = 1
        elif draw == 1 and last is not None:
            record.number = last.place[1]
            record.last_day = last.place[0]
        elif draw in (2, 12, 13) and last is not None:
            record.last_day = max(1, last_day - rng.randrange(1, 4))
            record.first_day = record.last_day
        elif draw == 3:
            record.bank = rng.choice((1, 2, 999, 999))
        elif draw == 4:
            record.source = Source.CSV
        record.closing = record.opening + moved + (0 if draw != 5 else 1)
        return Line(Kind.REGISTER, tail=record.pack() + b"{}")

    def do_told(self) -> list[Row]:
        """What a connection has said is done, mostly all of it and in its order."""
        self.look()
        found = [self.model.rows[at - 1] for at in self.rare["told"][-12:]]
        if not self.chance(8):
            found = [row for row in found if self.can_be_done(row)]
        if not found:
            return self.tell()
        asked = self.rng.choice(found)
        checker = 0 if not self.chance(20) else self.net.treasury
        rows = self.deeds(asked, checker)
        if self.chance(4):
            del rows[self.rng.randrange(len(rows))]
        return rows

    def can_be_done(self, asked: Row) -> bool:
        """Whether it is new, and neither taken back nor done to its last line."""
        late = self.now - asked.timestamp >= PROPOSAL_LIFE_NS
        if late or asked.sequence in self.model.resolved:
            return False
        return not self.is_done(asked)

    def renew(self) -> list[Row]:
        """A connection is stopped, or told of again, while much of it is not done."""
        model = self.model
        if not model.participants[self.net.great_treasury].active:
            off = self.participant_off(self.net.great_treasury)
            return self.hire(replace(off, active=1))
        found = [
            who for who, one in model.persons.items() if one.role == PersonRole.CHANNEL
        ]
        if not any(map(self.is_other, found)) or self.chance(6):
            who = self.net.great_treasury, self.rng.randrange(9, 12)
            key = signing.public_key(self.rng.randrange(1, 33))
            more = PersonRecord(*who, key, PersonRole.CHANNEL, bank=self.a_bank())
            return self.hire(more)
        others = [who for who in found if who[0] != self.net.treasury]
        who = self.rng.choice(others if others and self.chance(2) else found)
        record: PersonRecord | ParticipantRecord
        key, bank = model.persons[who].key, model.persons[who].bank
        bank = self.a_bank() if self.chance(8) or not bank else bank
        record = PersonRecord(*who, key, PersonRole.CHANNEL, bank=bank)
        if self.chance(4):
            record.role, record.bank = PersonRole.SUPPORT, 0
        if self.chance(2):
            return self.hire(record)
        alone = who[0] != self.net.treasury
        if not self.chance(3) if alone else self.chance(6):
            record = self.participant_off(who[0])
        else:
            # Who stops somebody changes nothing else.
            own = model.persons[who].bank
            record = PersonRecord(*who, key, PersonRole.CHANNEL, bank=own)
        record = replace(record, active=0)
        row = self.by_treasury(Kind.REGISTER)
        row.reference, row.tail = b"", record.pack()
        again = replace(record, active=1)
        self.wanted.append(Line(Kind.REGISTER, tail=again.pack()))
        return [row, *self.left_of(who)]

    def left_of(self, who: Who) -> list[Row]:
        """What a connection has said and is not done, of the last."""
        self.look()
        for at in self.rare["told"][:-60:-1]:
            asked = self.model.rows[at - 1]
            by = asked.participant, asked.operator_
            if by == who and not self.is_done(asked):
                return self.deeds(asked, 0)
        return []

    def is_done(self, asked: Row) -> bool:
        """Whether the last line of a proposal has been done."""
        last = len(signing.lines_of(asked.tail or b"")) - 1
        id_ = signing.line_id(asked.id, last)
        return self.model.find(asked.participant, id_) != 0

    def of_told(self) -> list[Row]:
        """Somebody approves what a connection has said, or takes it back."""
        asked = self.model.accepted(self.last_of("told", 4))
        if asked is None or asked.kind != Kind.PROPOSE or asked.total != PROPOSE_LINES:
            return []
        row = self.by_treasury(Kind.WITHDRAW if self.chance(3) else Kind.APPROVE)
        row.resolves = asked.sequence
        if row.kind == Kind.APPROVE:
            row.reference = signing.hash_of(asked, self.model.instance)
        return [row]
