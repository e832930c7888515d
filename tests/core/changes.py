"""A walk in which something changes between what is prepared and what is done.

At each step people have something approved, or a person, participant, service, limit,
threshold, bank, beneficiary or the clock changes, or something is settled or comes
back, or something that waits is tried. What must come
of it is told by a book of the walk's own, written from docs/decided.md: it keeps who
can act, what is newest and how old approvals are, and asks neither core nor model.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from switch.codes import (
    PROPOSAL_LIFE_NS,
    AccountKind,
    Kind,
    Mode,
    PersonRole,
    Policy,
    Result,
    Role,
    RowFlag,
)
from tests.core.cashier import (
    BANK,
    CHANNEL,
    NOBODY,
    OTHER,
    Cashier,
    beneficiary,
    credit,
    transfer,
)
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    FLOAT,
    GAMMA,
    HEAD,
    SETTLEMENT,
    SUSPENSE,
    WALLET,
    Asked,
    Person,
    participant,
    register,
    switched_off,
    top_up,
)
from tests.core.counter import operator_record
from tests.core.payees import Payees
from tests.core.test_decided import deed
from tests.core.test_stakes import HELD, kept
from tests.model_state import ist_day
from tests.records import (
    AccountRecord,
    LimitRecord,
    ParticipantRecord,
    Row,
    ServiceRecord,
)
from tests.signing import Line, ThresholdsRecord

OK, NOT_APPROVED = Result.OK, Result.NOT_APPROVED
ADVANCE = 264
THIRD_TREASURY = 3
LIFE_DAYS = 30
HOUR_NS, DAY_NS = 3_600 * 10**9, 86_400 * 10**9
FIXED = (ALPHA, BETA, GAMMA)
"""They change nothing about themselves, so that the walk goes on."""
MAKER, CHECKER = PersonRole.MAKER, PersonRole.CHECKER
CHANGING = (
    Person(2, 9, 4, MAKER),
    Person(2, 12, 12, CHECKER),
    Person(THIRD_TREASURY, 30, 30, CHECKER),
    Person(THIRD_TREASURY, 31, 31, MAKER),
)
FREE_KEYS = 100
"""From this key of tests on they are nobody's."""
NEVER_MORE = 10**15
WAITING_MOST = 40
"""What waits at a time; the oldest is given up then."""


class WrongError(AssertionError):
    """Something came of a step that its rules do not say."""


@dataclass
class Wanted:
    """Something that was prepared and waits to be done."""

    what: str
    rows: list[Row]
    asked: Asked | None = None
    """The proposal, if it has one."""
    checkers: list[Person] = field(default_factory=list)
    approved_ns: int = 0
    about: tuple[int, ...] = ()
    """The heads that it names, the holds of its basket, or whose money it is."""
    done: int = 0
    """Of its rows."""
    is_withdrawn: bool = False


class Walk:
    """One ledger, and the book of what may be done."""

    def __init__(self, path: Path, seed: int) -> None:
        self.rng = Random(seed)
        self.office = Cashier(path / "ledger").begin(*CHANGING, GAMMA)
        self.met: Counter[tuple[str, str]] = Counter()
        """What was tried, and what came of it."""
        self.wrong = ""
        self.waiting: list[Wanted] = []
        self.numbers = iter(range(1, 1 << 40))
        # The book.
        self.people = {
            (one.participant, one.number): one for one in (*FIXED, *CHANGING)
        }
        self.on = dict.fromkeys(self.people, True)
        self.treasury_is_on = True
        self.thresholds: ThresholdsRecord | None = None
        self.proposed: Counter[tuple[int, int, int]] = Counter()
        """Paise that a person's proposals of a day move."""
        self.newest = {"limit": 0, "service": 0, "heads": 0, "channel": 0}
        """The last row about each."""
        self.bank = 1
        """Of the channel."""
        self.signs_on = False
        self._furnish()

    # --- what there is ----------------------------------------------------------------

    def _furnish(self) -> None:
        office = self.office
        self._have(
            register(ParticipantRecord(b"other-centre").pack()),
            register(ParticipantRecord(b"harness", Role.HARNESS).pack()),
        )
        self.other_centre, self.harness = 6, 7
        wallet = AccountRecord(self.other_centre, 0, AccountKind.WALLET).pack()
        heads = [
            Line(Kind.OPEN, tail=AccountRecord(BILLER, at, AccountKind.BILLER).pack())
            for at in (1, 2, 3, 4, 5)
        ]
        told = self._have(Line(Kind.OPEN, tail=wallet), *heads)
        self.other_wallet = told[0]
        self.heads: tuple[int, ...] = (HEAD,)
        self.more_heads = told[1:4]
        self.payees = Payees(told[4:])
        self.service_is_on = True
        services = [self._service(b"WATER"), self._service(b"BINS", keeps=False)]
        self.trash, self.many = 3, 4
        self._have(*map(register, services))
        self._have(register(self._service(b"TRASH")), register(self._of_heads()))
        funds = 10**12
        self._have(
            top_up(funds, b"UTR-1"),
            top_up(funds, b"UTR-2", self.other_wallet),
            Line(
                Kind.TRANSFER, funds, debit=FLOAT, credit=SUSPENSE, reference=b"aside"
            ),
            register(operator_record(self.other_centre, 5, 50)),
            transfer(funds, FLOAT, SETTLEMENT),
        )
        for account in self.payees.accounts:
            self._benefits(account)
        office.catch_up()

    def _service(self, code: bytes, *, keeps: bool = True, on: bool = True) -> bytes:
        policy = Policy.KEEP if keeps else Policy.RELEASE
        return ServiceRecord(
            code, BILLER, (HEAD,), mode=Mode.CONFIRMED, deadline_policy=policy,
            deadline_s=3_600, active=int(on),
        ).pack()  # fmt: skip

    def _of_heads(self, heads: tuple[int, ...] = ()) -> bytes:
        found = heads or self.heads
        return ServiceRecord(
            b"MANY", BILLER, found, mode=Mode.CONFIRMED, deadline_s=3_600
        ).pack()

    def _have(self, *lines: Line) -> list[int]:
        """Have lines done by those who stay; the numbers that their rows give."""
        maker, checker, third = self.rng.sample(FIXED, 3)
        self._count(maker, sum(line.amount for line in lines))
        told = self.office.do(*lines, maker=maker, checker=checker, third=third)
        self.last = told[-1].sequence
        return [one.index for one in told]

    # --- the book ---------------------------------------------------------------------

    def _can(self, who: Person, *, approve: bool) -> bool:
        known = self.people[who.participant, who.number]
        able = self.on[who.participant, who.number]
        if who.participant == THIRD_TREASURY:
            able = able and self.treasury_is_on
        roles = (CHECKER,) if approve else (CHECKER, MAKER)
        return able and known.role in roles

    def _count(self, who: Person, stake: int) -> int:
        """The sum of what that person has proposed on the day, with this."""
        day = ist_day(self.office.now + 10**9)
        self.proposed[who.participant, who.number, day] += stake
        return self.proposed[who.participant, who.number, day]

    def _needs_third(self, who: Person, stake: int, largest: int) -> bool:
        day, most = self._count(who, stake), self.thresholds
        return most is not None and (
            largest > most.single or stake > most.batch or day > most.day
        )

    def _expected(self, one: Wanted) -> Result:
        """What the rules say of the next row of something that waits."""
        now = self.office.now + 10**9
        if one.what == "payment":
            row = one.rows[0]
            alien = row.participant != self.other_centre
            return Result.OPERATOR_UNKNOWN if self.signs_on and alien else OK
        assert one.asked is not None
        if one.is_withdrawn or now - one.approved_ns >= PROPOSAL_LIFE_NS:
            return NOT_APPROVED
        if one.what == "told":
            is_newer = one.asked.sequence < self.newest["channel"]
            return NOT_APPROVED if is_newer else OK
        if not self._can(one.asked.who, approve=False):
            return NOT_APPROVED
        if not all(self._can(who, approve=True) for who in one.checkers):
            return NOT_APPROVED
        if self.newest.get(one.what, 0) > one.asked.sequence:
            return NOT_APPROVED
        if one.what == "heads" and one.about[: len(self.heads)] != self.heads:
            return Result.RULE_FIXED
        if one.what == "payout":
            return self.payees.expected(one.about[0], one.rows[0], now)
        return OK

    def _is(self, what: str, found: int, expected: int) -> None:
        names = Result(found).name, Result(expected).name
        self.met[what, names[0]] += 1
        if found != expected:
            raise WrongError(f"{what}: {names[0]}, and the rules say {names[1]}")

    # --- what is prepared -------------------------------------------------------------

    def prepare(self) -> None:
        """Something is proposed and approved, or said by a bank, or to be paid."""
        kinds = (*DEEDS, *LINES, "told", "payment")
        what = self.rng.choice(kinds)
        if what == "payment":
            self._keep(Wanted(what, [self._payment()]))
        elif what == "told":
            self._tell()
        elif what in LINES:
            # The same money may be wanted twice.
            for _ in range(1 + (what == "payout")):
                self._line(what)
        else:
            self._deed(what)

    def _keep(self, one: Wanted) -> None:
        self.waiting.append(one)
        del self.waiting[:-WAITING_MOST]

    def _payment(self) -> Row:
        sender = self.rng.choice((self.harness, self.other_centre))
        return self.office.row(
            Kind.HOLD, participant=sender, amount=5, total=5, debit=self.other_wallet,
            service=2, reference=b"PAY", deadline=3_600, operator_=5,
        )  # fmt: skip

    def _tell(self) -> None:
        """The channel says that its bank, or another, has booked something."""
        bank = self.rng.choice((1, 2))
        account = BANK if bank == 1 else OTHER
        line = credit(7, b"IN-%d" % next(self.numbers), account=account)
        channel = replace(CHANNEL, bank=self.bank)
        row = self.office.proposal(channel, [line])
        [told] = self.office.commit(row)
        self._is("channel", told.result, OK if bank == self.bank else Result.NOT_SIGNED)
        if told.result == OK:
            asked = Asked(row, told.sequence, channel)
            one = Wanted("told", [self.office.line(asked, 0, NOBODY)], asked)
            one.approved_ns = self.office.ledger.row(told.sequence).timestamp
            self._keep(one)

    def _maker(self) -> Person:
        found = [who for who in self.people.values() if self._can(who, approve=False)]
        return self.rng.choice(found)

    def _line(self, what: str) -> None:
        number, heads = next(self.numbers), self.heads
        if what == "limit":
            tail = LimitRecord(10**9 + number, 10**6).pack()
            line = Line(Kind.LIMIT, debit=self.other_wallet, tail=tail)
        elif what == "service":
            line = register(self._service(b"TRASH", on=bool(number % 2)))
        elif what == "heads":
            # As they are, one more, one less, or in another order.
            drawn = [*heads, *self.more_heads]
            self.rng.shuffle(drawn)
            longer = (*heads, *self.rng.sample(self.more_heads, 1))
            heads = self.rng.choice((longer, longer, heads[:-1], tuple(drawn)))
            heads = heads[:8] or self.heads
            line = register(self._of_heads(heads))
        elif what == "payout":
            heads = (self.rng.choice(self.payees.accounts),)
            if not self.payees.room(heads[0]):
                self._settles(heads[0])
            line = self.payees.payout(heads[0], self.rng)
        else:
            line = top_up(self.rng.choice((100, 400, 800)), b"T-%d" % number)
        maker = self._maker()
        row = self.office.proposal(maker, [line])
        amount = line.amount
        self._approve(what, row, maker, amount, amount, heads)

    def _deed(self, what: str) -> None:
        """A refund, an advance, a post or a void of a kept payment or a basket."""
        count = self.rng.choice((1, 1, 2, 3)) if what in ("post", "void") else 1
        holds = kept(self.office, count)
        hold = self.rng.choice(holds)
        about, amount = hold, self.rng.choice((1, HELD - 1, HELD))
        if what == "refund":
            about = self._posted(hold)
        stake = {"post": HELD, "void": HELD * count}.get(what, amount)
        maker = self._maker()
        row = self.office.row(
            Kind.PROPOSE, who=maker, total=DEEDS[what], resolves=about, amount=amount,
            reference=b"as asked",
        )  # fmt: skip
        self._approve(what, row, maker, stake, stake, holds)

    def _posted(self, hold: int) -> int:
        maker, *checkers = self.rng.sample(FIXED, 3)
        row = self.office.row(
            Kind.PROPOSE, who=maker, total=Kind.POST, resolves=hold, amount=HELD,
            reference=b"as asked",
        )  # fmt: skip
        [told] = self.office.commit(row)
        asked = Asked(row, told.sequence, maker)
        self._count(maker, HELD)
        last = self.office.have_approved(asked, *checkers)
        [told] = self.office.commit(deed(self.office, asked, last))
        assert told.result == OK, told
        return told.sequence

    def _approve(
        self,
        what: str,
        row: Row,
        maker: Person,
        stake: int,
        largest: int,
        about: Sequence[int] = (),
    ) -> None:
        """Send a proposal, and have as many approve it as it needs by the book."""
        office = self.office
        [told] = office.commit(row)
        if told.result != OK:
            raise WrongError(f"{what}: its proposal is {Result(told.result).name}")
        # The row has its time by now.
        office.now -= 10**9
        third = self._needs_third(maker, stake, largest)
        office.now += 10**9
        flags = office.ledger.row(told.sequence).flags
        self.met[what, "THIRD" if third else "TWO"] += 1
        if third != bool(flags & RowFlag.THIRD):
            said = "three" if third else "two"
            raise WrongError(f"{what} of {stake}: the rules say {said}")
        asked = Asked(row, told.sequence, maker)
        found = [
            who
            for who in self.people.values()
            if self._can(who, approve=True)
            and (who.participant, who.number) != (maker.participant, maker.number)
        ]
        checkers = self.rng.sample(found, 2 if third else 1)
        for who in checkers:
            told = office.approve(who, asked)
            if told.result != OK:
                raise WrongError(f"{what}: its approval is {Result(told.result).name}")
        rows = self._rows(what, asked, checkers[-1], about)
        approved_ns = office.ledger.row(told.sequence).timestamp
        self._keep(Wanted(what, rows, asked, checkers, approved_ns, tuple(about)))

    def _rows(
        self, what: str, asked: Asked, last: Person, about: Sequence[int]
    ) -> list[Row]:
        office = self.office
        if what in LINES:
            return [office.line(asked, 0, last)]
        if what == "advance":
            return [deed(office, asked, last, debit=SUSPENSE, credit=WALLET)]
        if what == "void":
            return [deed(office, asked, last, resolves=hold) for hold in about]
        return [deed(office, asked, last)]

    # --- what changes -----------------------------------------------------------------

    def change(self) -> None:
        """One thing changes."""
        self.rng.choice(self._changes())()

    def _changes(self) -> tuple[Callable[[], None], ...]:
        return (
            *(self._person, self._person, self._role, self._key, self._participant),
            *(self._limit, self._service_changes, self._heads_grow, self._threshold),
            *(self._channel, self._centre, self._time, self._withdraw, self._restart),
            *(self._benefits, self._settles, self._recall),
        )

    def _person(self) -> None:
        """One is switched off by one person's word, or is back."""
        who = self.people[self._whose()]
        at = who.participant, who.number
        if self.on[at] and self._can_be_named(who):
            by = ALPHA if who.participant != ALPHA.participant else BETA
            switched_off(self.office, by, who.record(active=0))
            self.on[at] = False
        elif not self.on[at]:
            self._have(register(who.record()))
            self.on[at] = True

    def _can_be_named(self, who: Person) -> bool:
        """A stop says nothing of who cannot act."""
        return who.participant != THIRD_TREASURY or self.treasury_is_on

    def _whose(self) -> tuple[int, int]:
        one = self.rng.choice(CHANGING)
        return one.participant, one.number

    def _role(self) -> None:
        at = self._whose()
        role = self.rng.choice((MAKER, CHECKER, PersonRole.SUPPORT))
        self.people[at] = replace(self.people[at], role=role)
        self._have(register(self.people[at].record(active=int(self.on[at]))))

    def _key(self) -> None:
        at = self._whose()
        key = FREE_KEYS + next(self.numbers)
        self.people[at] = replace(self.people[at], key=key)
        self._have(register(self.people[at].record(active=int(self.on[at]))))

    def _participant(self) -> None:
        self.treasury_is_on = not self.treasury_is_on
        tail = participant(THIRD_TREASURY, active=int(self.treasury_is_on))
        if self.treasury_is_on:
            self._have(register(tail))
        else:
            switched_off(self.office, ALPHA, tail)

    def _limit(self) -> None:
        tail = LimitRecord(10**9 + next(self.numbers), 10**6).pack()
        self._have(Line(Kind.LIMIT, debit=self.other_wallet, tail=tail))
        self.newest["limit"] = self.last

    def _service_changes(self) -> None:
        self.service_is_on = not self.service_is_on
        self._have(register(self._service(b"TRASH", on=self.service_is_on)))
        self.newest["service"] = self.last

    def _heads_grow(self) -> None:
        more = [one for one in self.more_heads if one not in self.heads]
        if more:
            self.heads = (*self.heads, self.rng.choice(more))
        self._have(register(self._of_heads()))
        self.newest["heads"] = self.last

    def _threshold(self) -> None:
        draw = self.rng.choice
        record = ThresholdsRecord(
            draw((1, HELD - 1, HELD, NEVER_MORE)),
            draw((HELD, 2 * HELD, NEVER_MORE)),
            draw((5 * HELD, NEVER_MORE)),
        )
        self._have(register(record.pack()))
        self.thresholds = record

    def _channel(self) -> None:
        """It goes to the other bank."""
        self.bank = 3 - self.bank
        self._have(register(replace(CHANNEL, bank=self.bank).record()))
        self.newest["channel"] = self.last

    def _benefits(self, account: int = 0) -> None:
        """A biller has its money elsewhere from now on."""
        account = account or self.rng.choice(self.payees.accounts)
        self._have(register(beneficiary(account, b"%d" % next(self.numbers))))
        since = self.office.ledger.row(self.last).timestamp
        self.payees.newest[account] = self.last, since

    def _settles(self, account: int = 0) -> None:
        account = account or self.rng.choice(self.payees.accounts)
        amount = self.rng.choice((100, 500, 900))
        self._have(transfer(amount, WALLET, account))
        before = self.office.ledger.last_window
        window = self.office.ask(Kind.WINDOW, who=ALPHA, id=bytes(16), resolves=before)
        names = window.sequence, account, SETTLEMENT
        self._have(Line(Kind.SETTLE, amount, *names, bytes(32)))
        self.payees.settled[account] += amount

    def _recall(self) -> None:
        if self.payees.released:
            self._have(self.payees.recall(self.rng))

    def _centre(self) -> None:
        """Its operators sign on, or do not any more."""
        self.signs_on = not self.signs_on
        record = ParticipantRecord(b"other-centre", signs_on=int(self.signs_on))
        self._have(register(record.pack()))

    def _time(self) -> None:
        self.office.now += self.rng.choice((HOUR_NS, DAY_NS, 10 * DAY_NS, 29 * DAY_NS))
        self.office.ledger.commit([], self.office.now)

    def _withdraw(self) -> None:
        found = [one for one in self.waiting if one.asked]
        if not found:
            return
        one = self.rng.choice(found)
        assert one.asked is not None
        expected = Result.ALREADY_DONE if one.done == len(one.rows) else OK
        if one.is_withdrawn:
            expected = Result.PROPOSAL_WITHDRAWN
        told = self.office.withdraw(ALPHA, one.asked)
        self._is("withdraw", told.result, expected)
        one.is_withdrawn = one.is_withdrawn or told.result == OK

    def _restart(self) -> None:
        if self.rng.random() < 0.5:
            self.office.catch_up()
        self.office.reopen()

    # --- what is done -----------------------------------------------------------------

    def do(self) -> None:
        """The next row of something that waits is tried."""
        found = [one for one in self.waiting if one.done < len(one.rows)]
        if not found:
            return
        one = self.rng.choice(found)
        expected, before = self._expected(one), self.office.ledger.sequence
        [told] = self.office.commit(one.rows[one.done])
        self._is(one.what, told.result, expected)
        if told.result != OK:
            if self.office.ledger.sequence != before or told.sequence:
                raise WrongError(f"{one.what}: what was refused has left a row")
            return
        one.done += 1
        if one.what in self.newest:
            self.newest[one.what] = told.sequence
        if one.what == "heads":
            self.heads = one.about
        if one.what == "payout":
            self.payees.done(one.about[0], one.rows[0], told.sequence)

    def steps(self, count: int) -> None:
        """So many steps. Raises WrongError, which is noted, too."""
        for at in range(count):
            try:
                self._step()
            except WrongError as error:
                self.wrong = f"step {at}, {error}"
                raise

    def _step(self) -> None:
        draw = self.rng.random()
        if draw < 0.35 or not self.waiting:
            self.prepare()
        elif draw < 0.55:
            self.change()
        else:
            self.do()


DEEDS = {
    "refund": Kind.REFUND,
    "advance": ADVANCE,
    "post": Kind.POST,
    "void": Kind.VOID,
}
"""What is proposed without lines, and its total."""
LINES = ("top_up", "limit", "service", "heads", "payout")
