"""A seeded walk of a bank, its centres and the treasury's people, over a ledger of the
core: `python -m tests.audit.bank_walk DIR SEED STEPS people|nobody`.

Much of what is asked for is wrong, and what comes of it the core decides; then it says
how often what was done, one word and number on each line.
"""

import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from switch._core import Ledger
from switch.codes import AccountKind, Kind, PersonRole, Result, Role, RowFlag
from tests import signing
from tests.audit.bank_story import (
    CODE,
    DAY_ONE,
    KINDS,
    OTHER_CODE,
    OTHER_PURPOSE,
    PURPOSE,
    REVERSAL,
    bank_account,
    stated,
)
from tests.audit.test_audit_certificates import person as participant
from tests.core.pair import rows_request
from tests.records import RULES_RECORD, AccountRecord, Row
from tests.signing import Line, PersonRecord, ThresholdsRecord, public_key

NOW = 1_790_000_000 * 10**9
SECOND_NS, DAY_NS = 10**9, 24 * 3600 * 10**9
IST_NS = 19_800 * SECOND_NS
ONE, TWO, CENTRE, OTHER, BILLER, THIRD = range(1, 7)
FLOAT, SUSPENSE, SETTLEMENT, WALLET, OTHER_WALLET, HEAD = range(1, 7)
MIRRORS = {7: (8, 9), 10: (11, 12)}
"""Of each mirror the two accounts behind it; the first is that of bank account 1."""
MIRROR = 7
"""That of the bank's connection."""
ACCOUNTS = 13
AMOUNTS = (100, 200, 300)
UTRS = [b"UTR%09d" % at for at in range(120)]
MAKER, FIRST, SECOND, CHECKER, CHANNEL = (
    *((ONE, 12), (ONE, 11), (TWO, 22)),
    *((TWO, 23), (ONE, 15)),
)
Who = tuple[int, int]


def register(record: bytes) -> Line:
    return Line(Kind.REGISTER, tail=record)


class Walk:
    """Asks for this and that, with or without people."""

    def __init__(self, path: Path, seed: int, *, people: bool) -> None:
        self.rng = random.Random(seed)
        self.ledger = Ledger(
            str(path), map_size=1 << 30, reserve_size=0, index_step_rows=64
        )
        self.people = people
        self.now = NOW
        self.number = 0
        self.counts: Counter[str] = Counter()
        self.balances = {1: 0, 2: 0}
        self.booked: list[int] = []
        self.asked: list[int] = [0]
        self.day = DAY_ONE
        self.proposals: list[Row] = []
        self.begun = False
        self._begin()
        self.begun = True

    def _id(self) -> bytes:
        self.number += 1
        return b"walk" + self.number.to_bytes(12, "big")

    def commit(self, *rows: Row) -> list[tuple[int, int]]:
        """Sequence and result of each row."""
        self.now += self.rng.randrange(1, 30) * SECOND_NS
        reply: Any = self.ledger.commit([rows_request(rows)], self.now)[0]
        told = [(int(one["sequence"]), int(one["result"])) for one in reply]
        for row, (_, result) in zip(rows, told, strict=True):
            self.counts[f"{Kind(row.kind).name}-{Result(result).name}"] += 1
        return told

    def signed(self, row: Row) -> Row:
        return signing.signed(row, row.operator_, self.ledger.instance)

    # --- lines ------------------------------------------------------------------------

    def propose(self, who: Who, lines: Sequence[Line]) -> tuple[Row, int]:
        """The proposal of some lines, and where it stands; 0 if it has no row."""
        row = signing.proposal_of_lines(
            self._id(), lines, participant=who[0], operator=who[1]
        )
        row = self.signed(row)
        return row, self.commit(row)[0][0]

    def approve(self, row: Row, sequence: int) -> int:
        """As many approvals as it needs; the participant of the last."""
        three = int(self.ledger.rows(sequence, 1)[0]["flags"]) & RowFlag.THIRD
        first = CHECKER if row.operator_ == FIRST[1] else FIRST
        whom = (SECOND, first) if three else (SECOND,)
        for who in whom:
            said = signing.approval(
                *(self._id(), row, sequence, self.ledger.instance),
                participant=who[0],
                operator=who[1],
            )
            self.commit(self.signed(said))
        return whom[-1][0]

    def do(self, *lines: Line, who: Who = MAKER) -> list[tuple[int, int]]:
        """Lines are done as this ledger has them done, each by its own request."""
        if not self.people:
            rows = [
                Row(
                    line.kind,
                    id=self._id(),
                    participant=ONE,
                    amount=line.amount,
                    resolves=line.resolves,
                    debit=line.debit,
                    credit=line.credit,
                    reference=line.reference,
                    flags=line.flags,
                    tail=line.tail or None,
                )
                for line in lines
            ]
            return [self.commit(row)[0] for row in rows]
        row, sequence = self.propose(who, lines)
        if not sequence:
            return []
        checker = 0 if who == CHANNEL else self.approve(row, sequence)
        self.proposals.append(row)
        rows = signing.line_rows(row, sequence, checker=checker)
        self._meanwhile()
        if self.rng.random() < 0.1:
            rows.reverse()
        if who == CHANNEL and self.rng.random() < 0.1:
            self._withdraw(sequence)
        if self.begun and self.rng.random() < 0.02:
            self.now += 30 * DAY_NS
        return [self.commit(each)[0] for each in rows]

    def _meanwhile(self) -> None:
        """Something between a proposal and its rows, now and then."""
        what = self.rng.random()
        if not self.begun:
            return
        if what < 0.08:
            self.request()
        elif what < 0.1:
            self.channel()

    def _withdraw(self, sequence: int) -> None:
        row = Row(Kind.WITHDRAW, id=self._id(), resolves=sequence, reference=b"wrong")
        row.participant, row.operator_ = MAKER
        self.commit(self.signed(row))

    # --- the beginning ----------------------------------------------------------------

    def _record(self, record: bytes, who: Who = (ONE, 0)) -> Row:
        row = Row(Kind.REGISTER, id=self._id(), tail=record)
        row.participant, row.operator_ = who
        return row

    def _begin(self) -> None:
        roles = Role.TREASURY, Role.TREASURY, Role.CENTRE, Role.CENTRE, Role.BILLER
        records = [participant(at, role) for at, role in enumerate(roles, 1)]
        first = self._record(RULES_RECORD)
        first.participant = 0
        rows = [self._record(one) for one in records]
        rows[0].participant = 0
        self.commit(first)
        for row in rows:
            row.participant = 0
            self.commit(row)
        if self.people:
            for who in (FIRST, SECOND, CHECKER):
                self.commit(self._record(_person(who, PersonRole.CHECKER), who))
            self.do(register(_person(MAKER, PersonRole.MAKER)), who=FIRST)
            self.do(register(ThresholdsRecord(10**6, 10**7, 10**9).pack()))
        for owner, purpose, kind in (
            *((ONE, at, AccountKind(3 + at)) for at in range(3)),
            *((CENTRE, 0, AccountKind.WALLET), (OTHER, 0, AccountKind.WALLET)),
            (BILLER, 0, AccountKind.BILLER),
            *((ONE, PURPOSE + at, kind) for at, kind in enumerate(KINDS)),
            *((ONE, OTHER_PURPOSE + at, kind) for at, kind in enumerate(KINDS)),
        ):
            record = AccountRecord(owner, purpose, kind)
            self.do(Line(Kind.OPEN, tail=record.pack()))
        self.do(register(bank_account()))
        self.do(register(bank_account(OTHER_CODE, OTHER_PURPOSE)))
        if self.people:
            self.do(register(_person(CHANNEL, PersonRole.CHANNEL, bank=1)))

    # --- steps ------------------------------------------------------------------------

    def step(self) -> None:
        """One thing of many."""
        steps: tuple[tuple[int, Callable[[], None]], ...] = (
            (20, self.request),
            (30, self.book),
            (8, self.top_up),
            (20, self.end),
            (8, self.pay),
            (6, self.move),
            (6, self.state),
            (2, self.switch),
            (2, self.freeze),
            (1, self.channel),
            (1, self.close),
        )
        weights = [weight for weight, _ in steps]
        self.rng.choices([one for _, one in steps], weights)[0]()

    def request(self) -> None:
        rng = self.rng
        row = Row(Kind.REQUEST, id=self._id(), amount=rng.choice(AMOUNTS))
        row.participant = rng.choice((CENTRE, CENTRE, OTHER, OTHER, ONE))
        row.credit = {CENTRE: WALLET, OTHER: OTHER_WALLET, ONE: FLOAT}[row.participant]
        if rng.random() < 0.1:
            row.credit = rng.randrange(ACCOUNTS + 2)
        sequence, result = self.commit(row)[0]
        if result == Result.OK:
            self.asked.append(sequence)

    def _line(self) -> Line:
        """Something that a bank has booked, perhaps for the second time."""
        rng = self.rng
        mirror = rng.choice((7, 7, 7, 10))
        sides = [mirror, 0]
        if rng.random() < 0.02:
            sides = [rng.randrange(ACCOUNTS + 1), 0]
        if rng.random() < 0.4:
            sides.reverse()
        about = rng.choice((*self.asked[-6:], 0))
        amount = rng.choice(AMOUNTS)
        if rng.random() < 0.05:
            # What is still to come by then, or comes before the line's row.
            about = self.ledger.sequence + rng.randrange(1, 6)
        elif about and rng.random() < 0.6:
            amount = int(self.ledger.rows(about, 1)[0]["amount"])
        return Line(
            Kind.BOOKED,
            amount,
            about,
            debit=sides[0],
            credit=sides[1],
            reference=self._utr(),
            tail=b'{"payer":"ALPHA"}' if rng.random() < 0.3 else b"",
            flags=REVERSAL if rng.random() < 0.1 else 0,
        )

    def _utr(self) -> bytes:
        """A reference, as its bank writes it most often."""
        utr, how = self.rng.choice(UTRS), self.rng.random()
        if how < 0.1:
            return utr.lower()
        return utr[:4] + b" " + utr[4:] if how < 0.2 else utr

    def _book(self, lines: Sequence[Line], who: Who) -> None:
        for sequence, result in self.do(*lines, who=who):
            if not sequence or result != Result.OK:
                continue
            row = self.ledger.rows(sequence, 1)[0]
            if row["kind"] != Kind.BOOKED:
                continue
            matched = int(row["flags"]) & RowFlag.MATCHED
            side = "in" if int(row["debit"]) in MIRRORS else "out"
            self.counts[f"{'matched' if matched else 'item'}-{side}"] += 1
            if not matched:
                self.booked.append(sequence)

    def book(self) -> None:
        lines = [self._line() for _ in range(self.rng.randrange(1, 4))]
        who = self.rng.choice((CHANNEL, CHANNEL, MAKER))
        if who == CHANNEL and self.rng.random() < 0.95:
            # Of its own bank account; what else it says is refused.
            own = [line for line in lines if MIRROR in (line.debit, line.credit)]
            lines = own or lines
        self._book(lines, who)

    def top_up(self) -> None:
        rng = self.rng
        wallet = rng.choice((WALLET, OTHER_WALLET))
        utr, amount = self._utr(), rng.choice(AMOUNTS)
        self.do(Line(Kind.TOP_UP, amount, 0, FLOAT, wallet, utr, b"", 0))
        self.do(Line(Kind.TRANSFER, 300, 0, FLOAT, SETTLEMENT, b"lent"))
        self.do(Line(Kind.TRANSFER, 300, 0, FLOAT, SUSPENSE, b"lent"))

    def end(self) -> None:
        rng = self.rng
        if not self.booked:
            return
        number = rng.choice(self.booked[-8:])
        item = self.ledger.rows(number, 1)[0]
        amount = int(item["amount"])
        places = [WALLET, OTHER_WALLET, SETTLEMENT, SUSPENSE]
        if int(item["debit"]) in MIRRORS:
            transit = MIRRORS[int(item["debit"])][1]
            places.append(transit)
            sides = [int(item["credit"]), rng.choice(places)]
        else:
            sides = [rng.choice(places), int(item["debit"])]
        if rng.random() < 0.1:
            amount += 1
        if rng.random() < 0.15:
            sides[rng.randrange(2)] = rng.randrange(1, ACCOUNTS)
        line = Line(Kind.TRANSFER, amount, number, sides[0], sides[1], b"found")
        for sequence, result in self.do(line):
            if result == Result.OK and sequence:
                self.counts["ended"] += 1
                if sides[1] in (9, 12):
                    self.asked.append(sequence)

    def pay(self) -> None:
        rng = self.rng
        sides = SETTLEMENT, rng.choice((9, 9, 12))
        line = Line(
            Kind.TRANSFER, rng.choice(AMOUNTS), 0, sides[0], sides[1], b"payout"
        )
        for sequence, result in self.do(line):
            if result == Result.OK and sequence:
                self.counts["released"] += 1
                self.asked.append(sequence)

    def move(self) -> None:
        """Between any two accounts, most often as nothing may."""
        rng = self.rng
        sides = [rng.randrange(1, ACCOUNTS) for _ in range(2)]
        self.do(
            Line(Kind.TRANSFER, rng.choice(AMOUNTS), 0, sides[0], sides[1], b"moved")
        )

    def state(self) -> None:
        """A statement of lines, some of them told before."""
        rng = self.rng
        bank = rng.choice((1, 1, 2))
        mirror = 7 if bank == 1 else 10
        lines = [
            line
            for line in (self._line() for _ in range(rng.randrange(5)))
            if mirror in (line.debit, line.credit)
        ]
        opening = self.balances[bank] + (rng.random() < 0.1)
        self.day += rng.choice((0, 0, 1))
        last = self.day - (rng.random() < 0.1)
        if rng.random() < 0.05:
            last = (self.now + IST_NS) // DAY_NS + rng.choice((1, 2, 2, 2))
        said = stated(lines, opening, bank=bank, days=(DAY_ONE, last), number=0)
        if rng.random() < 0.05:
            said = stated(lines, opening, bank=bank, lines_count=7)
        who = CHANNEL if bank == 1 and rng.random() < 0.7 else MAKER
        told = self.do(*lines, said, who=who)
        for sequence, result in told:
            row = self.ledger.rows(sequence, 1)[0] if sequence else None
            if row is None or result != Result.OK or row["kind"] != Kind.REGISTER:
                continue
            self.counts["stated"] += 1
            moved = sum(one.amount if one.debit else -one.amount for one in lines)
            self.balances[bank] = opening + moved
        for sequence, result in told:
            if sequence and result == Result.OK:
                row = self.ledger.rows(sequence, 1)[0]
                unmatched = not int(row["flags"]) & RowFlag.MATCHED
                if row["kind"] == Kind.BOOKED and unmatched:
                    self.booked.append(sequence)

    def switch(self) -> None:
        """Bank accounts, on and off, some that are none."""
        rng = self.rng
        code, purpose = rng.choice(((CODE, PURPOSE), (OTHER_CODE, OTHER_PURPOSE)))
        if rng.random() < 0.2:
            purpose = rng.choice((PURPOSE, OTHER_PURPOSE, 50))
        if rng.random() < 0.1:
            code = b"NEW42"
        owner = 9 if rng.random() < 0.05 else ONE
        active = rng.random() < 0.8
        self.do(register(bank_account(code, purpose, int(active), owner)))
        if not active and rng.random() < 0.8:
            self.do(register(bank_account(code, purpose)))

    def channel(self) -> None:
        """The bank's connection is stopped and goes on, or is said again."""
        if self.people:
            if self.rng.random() < 0.7:
                self.do(register(_person(CHANNEL, PersonRole.CHANNEL, 0, bank=1)))
            self.do(register(_person(CHANNEL, PersonRole.CHANNEL, bank=1)))

    def freeze(self) -> None:
        rng = self.rng
        account = rng.randrange(1, ACCOUNTS)
        thaw = Line(Kind.FREEZE, 0, 0, account, 0, b"cleared", b"", RowFlag.UNFREEZE)
        self.do(Line(Kind.FREEZE, 0, 0, account, 0, b"suspected"))
        if rng.random() < 0.7:
            self.do(thaw)

    def close(self) -> None:
        """The second wallet, if it is empty."""
        account = self.rng.choice((OTHER_WALLET, 8, 9))
        self.do(Line(Kind.CLOSE, 0, 0, account, 0, b"gone"))


def _person(who: Who, role: int, active: int = 1, bank: int = 0) -> bytes:
    return PersonRecord(*who, public_key(who[1]), role, active, bank).pack()


def main(path: str, seed: str, steps: str, who: str) -> None:
    """Walk, and say what came of it."""
    walk = Walk(Path(path), int(seed), people=who == "people")
    for _ in range(int(steps)):
        walk.step()
    while walk.ledger.index_step():
        pass
    walk.ledger.close()
    for name, count in sorted(walk.counts.items()):
        sys.stdout.write(f"{name} {count}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
