"""A ledger with people, asked by hand: who signs, proposes, approves, and does it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from switch._core import Ledger
from switch.codes import AccountKind, Kind, PersonRole, Result, Role, RowFlag
from tests.core.network import NOW
from tests.core.pair import read_outcome, rows_request
from tests.records import AccountRecord, Outcome, ParticipantRecord, Row
from tests.signing import (
    Line,
    PersonRecord,
    approval,
    line_id,
    lines_of,
    proposal_of_lines,
    public_key,
    signed,
)

OK = Result.OK
SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
APPROVER_WAIT_NS = 7 * DAY_NS
OPTIONS: dict[str, Any] = {"map_size": 1 << 30, "reserve_size": 0, "threads": False}


@dataclass(frozen=True)
class Person:
    """Who acts for a participant; its key of tests is `key`."""

    participant: int
    number: int
    key: int
    role: int = PersonRole.CHECKER
    bank: int = 0
    """Of a channel: the index of its bank account."""

    def record(self, *, active: int = 1, key: int = 0) -> bytes:
        """As it is registered."""
        known = public_key(key or self.key)
        return PersonRecord(
            self.participant, self.number, known, self.role, active, self.bank
        ).pack()


ALPHA, BETA = Person(1, 7, 1), Person(2, 7, 2)
"""The first two, each of a treasury of its own."""
GAMMA = Person(1, 8, 3)
MAKER = Person(2, 9, 4, PersonRole.MAKER)
SUPPORT = Person(2, 10, 5, PersonRole.SUPPORT)
AUDITOR = Person(3, 11, 6, PersonRole.AUDITOR)
EVERYBODY = (GAMMA, MAKER, SUPPORT, AUDITOR)
TREASURIES = (1, 2, 3)
CENTRE, BILLER = 4, 5
CODES = (b"treasury-a", b"treasury-b", b"treasury-c", b"centre", b"biller")
ROLES = (Role.TREASURY, Role.TREASURY, Role.TREASURY, Role.CENTRE, Role.BILLER)
FLOAT, SUSPENSE, SETTLEMENT, WALLET, HEAD = 1, 2, 3, 4, 5
ACCOUNTS = (
    (1, 0, AccountKind.FLOAT),
    (1, 1, AccountKind.SUSPENSE),
    (1, 2, AccountKind.SETTLEMENT),
    (CENTRE, 0, AccountKind.WALLET),
    (BILLER, 0, AccountKind.BILLER),
)


def participant(index: int, *, active: int = 1, **other: int) -> bytes:
    """The record of one of CODES, perhaps with something else about it."""
    role = other.pop("role", ROLES[index - 1])
    return ParticipantRecord(CODES[index - 1], role, active=active, **other).pack()


def register(tail: bytes) -> Line:
    """A line of the register."""
    return Line(Kind.REGISTER, tail=tail)


def top_up(amount: int, utr: bytes, wallet: int = WALLET) -> Line:
    """A line that fills a wallet."""
    return Line(Kind.TOP_UP, amount, debit=FLOAT, credit=wallet, reference=utr)


@dataclass
class Asked:
    """A proposal, as it was sent, and the row that it became."""

    row: Row
    sequence: int
    who: Person

    @cached_property
    def lines(self) -> list[Line]:
        """Read once, however many there are."""
        return lines_of(self.row.tail or b"")


class Council:
    """A ledger with two persons, three treasuries, a centre and a biller."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self.options = {**OPTIONS, "index_step_rows": 16, **options}
        self.ledger = Ledger(str(path), **self.options)
        self.numbers = itertools.count(1)
        self.now = NOW

    def begin(self, *people: Person, firsts: int = 3) -> "Council":
        """Participants, the first two or three, the accounts, and then others."""
        for index in range(1, len(CODES) + 1):
            assert self.ask(Kind.REGISTER, tail=participant(index)).index == index
        # A third who approves needs nobody's word where the first two do not.
        checkers = [one for one in people if one.role == PersonRole.CHECKER]
        thirds = checkers[: firsts - 2]
        for person in (ALPHA, BETA, *thirds):
            assert self.ask(Kind.REGISTER, tail=person.record()).result == OK
        people = tuple(one for one in people if one not in thirds)
        records = [AccountRecord(*each).pack() for each in ACCOUNTS]
        told = self.do(*(Line(Kind.OPEN, tail=record) for record in records))
        assert [each.index for each in told] == [1, 2, 3, 4, 5]
        if people:
            third = thirds[0] if thirds else GAMMA
            self.do(*(register(person.record()) for person in people), third=third)
        return self

    def close(self) -> None:
        """End the ledger."""
        self.ledger.close()

    def reopen(self) -> None:
        """Close it, with whatever the index has, and open it."""
        self.ledger.close()
        self.ledger = Ledger(str(self.path), create=False, **self.options)

    def catch_up(self) -> None:
        """The index has every whole step."""
        while self.ledger.index_step():
            pass

    def id(self) -> bytes:
        """One that nobody has."""
        return b"asked" + next(self.numbers).to_bytes(11, "big")

    # --- one row or several ----------------------------------------------------------

    def commit(self, *rows: Row, ns: int = SECOND_NS) -> list[Outcome]:
        """Rows as one request; their answers."""
        self.now += ns
        told: Any = self.ledger.commit([rows_request(rows)], self.now)[0]
        return [read_outcome(one.tobytes()) for one in told]

    def ask(self, kind: int, *, who: Person | None = None, **given: Any) -> Outcome:
        """One row, signed if somebody is named for it."""
        return self.commit(self.row(kind, who=who, **given))[0]

    def row(self, kind: int, *, who: Person | None = None, **given: Any) -> Row:
        """One row, as `ask` sends it."""
        given.setdefault("participant", who.participant if who else 1)
        if who:
            given.setdefault("operator_", who.number)
        row = Row(kind, **{"id": self.id(), **given})
        return self.sign(row, who) if who else row

    def sign(self, row: Row, who: Person) -> Row:
        """Signed by this person's key."""
        return signed(row, who.key, self.ledger.instance)

    # --- proposals -------------------------------------------------------------------

    def proposal(self, who: Person, lines: Sequence[Line], **given: Any) -> Row:
        """A proposal of lines, signed."""
        row = proposal_of_lines(
            given.pop("id_", None) or self.id(),
            lines,
            participant=who.participant,
            operator=who.number,
        )
        for name, value in given.items():
            setattr(row, name, value)
        return self.sign(row, who)

    def propose(self, who: Person, *lines: Line, **given: Any) -> Asked:
        """The same, accepted."""
        row = self.proposal(who, lines, **given)
        [told] = self.commit(row)
        assert told.result == OK, told
        return Asked(row, told.sequence, who)

    def approval(self, who: Person, asked: Asked, **given: Any) -> Row:
        """The approval of a proposal, or of a stop, signed."""
        row = approval(
            given.pop("id_", None) or self.id(),
            asked.row,
            asked.sequence,
            self.ledger.instance,
            participant=who.participant,
            operator=who.number,
        )
        for name, value in given.items():
            setattr(row, name, value)
        return self.sign(row, who)

    def approve(self, who: Person, asked: Asked, **given: Any) -> Outcome:
        """The same, sent."""
        return self.commit(self.approval(who, asked, **given))[0]

    def withdraw(self, who: Person, asked: Asked, **given: Any) -> Outcome:
        """Take a proposal back."""
        given = {"reference": b"not wanted", "resolves": asked.sequence, **given}
        return self.ask(Kind.WITHDRAW, who=who, **given)

    def line(self, asked: Asked, number: int, checker: Person) -> Row:
        """The row of one of its lines."""
        line = asked.lines[number]
        return Row(
            line.kind,
            id=line_id(asked.row.id, number),
            amount=line.amount,
            resolves=line.resolves,
            reference=line.reference,
            debit=line.debit,
            credit=line.credit,
            operator_=asked.row.operator_,
            checker=checker.participant,
            participant=asked.row.participant,
            flags=line.flags,
            total=asked.sequence,
            tail=line.tail or None,
        )

    def lines(self, asked: Asked, count: int, checker: Person) -> list[Outcome]:
        """All of its lines, in one request."""
        return self.commit(
            *(self.line(asked, number, checker) for number in range(count))
        )

    def have_approved(
        self, asked: Asked, checker: Person = BETA, third: Person = GAMMA
    ) -> Person:
        """A proposal is approved, by two if it must be; whose word was the last."""
        assert self.approve(checker, asked).result == OK
        if RowFlag.THIRD not in self.ledger.row(asked.sequence).flags:
            return checker
        assert self.approve(third, asked).result == OK
        return third

    def do(
        self,
        *lines: Line,
        maker: Person = ALPHA,
        checker: Person = BETA,
        third: Person = GAMMA,
    ) -> list[Outcome]:
        """Proposed, approved and done, after a week if that must be."""
        asked = self.propose(maker, *lines)
        last = self.have_approved(asked, checker, third)
        told = self.lines(asked, len(lines), last)
        if any(each.result == Result.APPROVER_WAITS for each in told):
            self.now += APPROVER_WAIT_NS
            told = self.lines(asked, len(lines), last)
        assert all(each.result == OK for each in told), told[:3]
        return told

    # --- what is there ---------------------------------------------------------------

    def balance(self, account: int) -> int:
        """Credits posted less debits."""
        image, _ = self.ledger.account(account)
        return int(image["credits_posted"]) - int(image["debits_posted"])


def no_row(council: Council, told: Outcome, result: int) -> None:
    """Such an answer, and nothing kept of it."""
    assert (told.result, told.sequence) == (result, 0)


def approved(council: Council, *lines: Line, maker: Person = ALPHA) -> Asked:
    """A proposal that another person has approved."""
    asked = council.propose(maker, *lines)
    assert council.approve(BETA, asked).result == OK
    return asked


def freeze(council: Council, who: Person, account: int = WALLET) -> Asked:
    """One person freezes an account at once."""
    row = council.row(Kind.FREEZE, who=who, debit=account, reference=b"lost")
    [told] = council.commit(row)
    assert told.result == OK
    return Asked(row, told.sequence, who)


def switched_off(council: Council, who: Person, tail: bytes) -> Asked:
    """One person switches off what the record is of."""
    row = council.row(Kind.REGISTER, who=who, tail=tail)
    [told] = council.commit(row)
    assert told.result == OK, told
    return Asked(row, told.sequence, who)
