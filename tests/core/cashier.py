"""A ledger with people and two bank accounts, asked by hand: what banks say in it."""

import hashlib
import shutil
import struct
from pathlib import Path
from typing import Any

from switch.codes import AccountKind, Kind, PersonRole, Record, Result, RowFlag
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    CENTRE,
    HEAD,
    OK,
    SETTLEMENT,
    WALLET,
    Asked,
    Council,
    Person,
    participant,
)
from tests.records import AccountRecord, Outcome
from tests.signing import Line

BANK, BANK_SUSPENSE, TRANSIT = 6, 7, 8
OTHER, OTHER_SUSPENSE, OTHER_TRANSIT = 9, 10, 11
ACCOUNTS = (
    (1, 16, AccountKind.BANK),
    (1, 17, AccountKind.BANK_SUSPENSE),
    (1, 18, AccountKind.BANK_TRANSIT),
    (2, 40, AccountKind.BANK),
    (2, 41, AccountKind.BANK_SUSPENSE),
    (2, 42, AccountKind.BANK_TRANSIT),
)
NUMBER, OTHER_NUMBER = b"000123456789", b"SB77"
CHANNEL = Person(1, 20, 20, PersonRole.CHANNEL, bank=1)
NOBODY = Person(0, 0, 0)
"""Who approves what a channel proposes."""
MATCHED, REVERSAL, CLAIM = RowFlag.MATCHED, RowFlag.REVERSAL, RowFlag.CLAIM
CAMT, CSV = 1, 2
RESTS = ("goes on", "is indexed", "is opened", "is indexed and opened", "is made anew")


def bank_account(
    account: bytes, participant: int, purpose: int, *, active: int = 1
) -> bytes:
    """The record of a bank account."""
    values = (Record.BANK_ACCOUNT, active, participant, purpose, account)
    return struct.pack("<BBxxIH6x40s", *values)


def beneficiary(
    account: int,
    number: bytes = b"987654321",
    ifsc: bytes = b"BANK0AB1234",
    *,
    active: int = 1,
) -> bytes:
    """The record of a beneficiary, of a biller account."""
    values = (Record.BENEFICIARY, active, account, number, ifsc)
    return struct.pack("<BBxxI40s16s", *values)


def thresholds(most: int = 10**15, *, wait_s: int = 0) -> bytes:
    """The record of thresholds that say how long a beneficiary waits."""
    return struct.pack("<B3xIQQQ", Record.THRESHOLDS, wait_s, most, most, most)


def statement(
    opening: int,
    closing: int,
    count: int,
    *,
    bank: int = 1,
    day: int = 20_000,
    number: int = 0,
    first_day: int = 0,
    source: int = CAMT,
) -> Line:
    """A line that says what one statement of a bank account says."""
    name = hashlib.blake2b(b"a statement", digest_size=32).digest()[:8]
    days = (first_day or day, day)
    values = (Record.STATEMENT, source, bank, number, *days, count, opening, closing)
    return Line(Kind.REGISTER, tail=struct.pack("<BBxxIIIIIqq8s", *values, name))


def credit(
    amount: int,
    reference: bytes,
    resolves: int = 0,
    *,
    flags: int = 0,
    account: int = BANK,
    tail: bytes = b"",
) -> Line:
    """A line that a bank has booked to an account's credit."""
    return Line(Kind.BOOKED, amount, resolves, account, 0, reference, tail, int(flags))


def debit(
    amount: int,
    reference: bytes,
    resolves: int = 0,
    *,
    flags: int = 0,
    account: int = BANK,
) -> Line:
    """The same to its debit."""
    return Line(Kind.BOOKED, amount, resolves, 0, account, reference, b"", int(flags))


def ending(item: int, amount: int, from_: int, to: int) -> Line:
    """A transfer that ends an open item, or another with R."""
    return Line(Kind.TRANSFER, amount, item, from_, to, b"what it was")


def transfer(amount: int, from_: int, to: int) -> Line:
    """A transfer that speaks of nothing."""
    return ending(0, amount, from_, to)


class Cashier(Council):
    """A council with two bank accounts and a bank's channel."""

    bank_number = NUMBER
    """Of the first one, at its bank."""

    def begin(self, *people: Person, firsts: int = 3) -> "Cashier":
        super().begin(*people, firsts=firsts)
        self.open(*ACCOUNTS)
        records = (
            bank_account(self.bank_number, 1, 16),
            bank_account(OTHER_NUMBER, 2, 40),
        )
        told = self.do(*(Line(Kind.REGISTER, tail=record) for record in records))
        assert [each.index for each in told] == [1, 2]
        self.do(Line(Kind.REGISTER, tail=CHANNEL.record()))
        return self

    def open(self, *accounts: tuple[int, int, int]) -> None:
        """Accounts, as people want them."""
        tails = [AccountRecord(*each).pack() for each in accounts]
        self.do(*(Line(Kind.OPEN, tail=tail) for tail in tails))

    def rebuild(self) -> None:
        """Open it again with nothing but the journal."""
        self.ledger.close()
        shutil.rmtree(Path(self.path) / "index")
        self.reopen()

    def rest(self, how: str) -> None:
        """What happens between what waits and what comes: one of RESTS."""
        if "index" in how:
            self.catch_up()
        if "open" in how:
            self.reopen()
        if "anew" in how:
            self.rebuild()

    def tell(self, *lines: Line, ns: int = 10**9) -> list[Outcome]:
        """What becomes of lines that two people want, one request after the other."""
        asked = self.propose(*self.makers(), *lines)
        assert self.approve(BETA, asked).result == OK
        rows = [self.line(asked, number, BETA) for number in range(len(lines))]
        return [self.commit(row, ns=ns)[0] for row in rows]

    def makers(self) -> tuple[Person]:
        return (Person(1, 7, 1),)

    def settle(self, amount: int, head: int = HEAD, from_: int = WALLET) -> Outcome:
        """So much is given to a biller account, and settled."""
        assert self.told(transfer(amount, from_, head)).result == OK
        window = self.ask(
            Kind.WINDOW, who=ALPHA, id=bytes(16), resolves=self.ledger.last_window
        )
        assert window.result == OK, window
        line = Line(Kind.SETTLE, amount, window.sequence, head, SETTLEMENT, bytes(32))
        told = self.told(line)
        assert told.result == OK, told
        return told

    def told(self, line: Line, ns: int = 10**9) -> Outcome:
        """The same of one."""
        [one] = self.tell(line, ns=ns)
        return one

    def book(self, line: Line) -> Any:
        """The accepted row of a line that a bank has booked."""
        outcome = self.told(line)
        assert outcome.result == OK, outcome
        return self.ledger.row(outcome.sequence)

    def say(self, *lines: Line) -> Asked:
        """What the channel proposes."""
        return self.propose(CHANNEL, *lines)

    def done(self, asked: Asked, *numbers: int) -> list[Result]:
        """What becomes of some lines of the channel's, in one request."""
        rows = [self.line(asked, number, NOBODY) for number in numbers]
        return [Result(each.result) for each in self.commit(*rows)]

    def request(self, amount: int, wallet: int = WALLET, **given: Any) -> Outcome:
        """A centre asks for money for its wallet."""
        given = {"participant": CENTRE, "credit": wallet, "amount": amount, **given}
        return self.ask(Kind.REQUEST, **given)

    def requested(self, amount: int) -> int:
        """The sequence of a request."""
        told = self.request(amount)
        assert told.result == OK, told
        return told.sequence

    def state(self) -> list[tuple[int, ...]]:
        """All that accounts hold, and the register's rows."""
        images, _ = self.ledger.accounts()
        rows = [tuple(image.tolist()) for image in images]
        kinds = [Record.BANK_ACCOUNT, Record.STATEMENT, Record.PERSON]
        kinds += [Record.BENEFICIARY, Record.THRESHOLDS]
        rows += [tuple(self.ledger.records(kind).tolist()) for kind in kinds]
        return rows


def ended(made: Cashier) -> None:
    """End a test: what there is stays when opened, and made anew of the journal."""
    before = made.state()
    made.catch_up()
    made.reopen()
    assert made.state() == before
    made.rebuild()
    assert made.state() == before
    made.close()


def without_people(directory: Path) -> Council:
    """A ledger without people, with the accounts of a council and one bank's."""
    made = Council(directory)
    for index in range(1, 6):
        assert made.ask(Kind.REGISTER, tail=participant(index)).index == index
    accounts = [
        (1, 0, AccountKind.FLOAT),
        (1, 1, AccountKind.SUSPENSE),
        (1, 2, AccountKind.SETTLEMENT),
        (CENTRE, 0, AccountKind.WALLET),
        (BILLER, 0, AccountKind.BILLER),
        *ACCOUNTS[:3],
    ]
    for each in accounts:
        assert made.ask(Kind.OPEN, tail=AccountRecord(*each).pack()).result == OK
    return made
