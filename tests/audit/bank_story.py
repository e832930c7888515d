"""Ledgers with people and a bank account, row by row: each row is right unless a test
changes it.

A connection of the bank, CHANNEL, tells what it has booked; what CSV files say two
people approve, and three whatever is of a bank account. Then people end what nothing
explains.
"""

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from switch.codes import (
    RULES_VERSION,
    AccountKind,
    Kind,
    PersonRole,
    Record,
    Result,
    Role,
    RowFlag,
    Source,
)
from tests.audit.journal_writer import INSTANCE, Row
from tests.audit.people_story import (
    CENTRE,
    CLAIM,
    FIRST,
    ONE,
    SECOND,
    SETTLEMENT,
    THIRD,
    WALLET,
    Desk,
    Who,
    keyed,
    register,
    top_up,
)
from tests.audit.test_audit_certificates import person as participant
from tests.records import AccountRecord
from tests.signing import Line

CHANNEL: Who = (ONE, 15)
"""The sixth person, a bank's connection."""
OTHER_CHANNEL: Who = (ONE, 16)
"""That of the second bank account."""
CHANNEL_RULES = 14
"""The first rules by which each is of one bank account."""
MIRROR, WAITING, TRANSIT = range(6, 9)
OTHER_MIRROR, OTHER_WAITING, OTHER_TRANSIT = range(9, 12)
"""Of the second bank account."""
OTHER_CENTRE, OTHER_WALLET = 5, 12
REVERSAL, MATCHED = int(RowFlag.REVERSAL), int(RowFlag.MATCHED)
RECENT = int(RowFlag.RECENT)
EVIDENCE = int(RowFlag.EVIDENCE)
PURPOSE, OTHER_PURPOSE = 16, 32
CODE, OTHER_CODE = b"000111222333", b"IN77BANK0000000042"
DAY_ONE = 20_000
"""A day of the bank's."""
Tell = Callable[["BankDesk", bool], object]
"""Rows that go on from a ledger that has begun, right or forged."""
Forgery = tuple[str, str, Tell]
"""The check that finds it, by what words, and how it is told."""
KINDS = (AccountKind.BANK, AccountKind.BANK_SUSPENSE, AccountKind.BANK_TRANSIT)


def bank_account(
    code: bytes = CODE,
    purpose: int = PURPOSE,
    active: int = 1,
    owner: int = ONE,
) -> bytes:
    """The record of a bank account."""
    return struct.pack(
        "<BB2xIH6x40s", Record.BANK_ACCOUNT, active, owner, purpose, code
    )


def connection(who: Who = CHANNEL, active: int = 1, bank: int = 1) -> bytes:
    """The record of a bank's connection."""
    return replace(keyed(who, PersonRole.CHANNEL, active), bank=bank).pack()


def statement_record(
    lines_count: int,
    opening: int,
    closing: int,
    *,
    bank: int = 1,
    number: int = 1,
    days: tuple[int, int] = (DAY_ONE, DAY_ONE),
    source: int = Source.CAMT,
) -> bytes:
    """The record of a statement."""
    name = hashlib.blake2b(b"STATEMENT", digest_size=32).digest()[:8]
    fixed = (Record.STATEMENT, source, bank, number, *days, lines_count)
    return struct.pack("<BB2xIIIIIqq8s", *fixed, opening, closing, name)


def came(amount: int, utr: bytes = b"UTR000000001", about: Row | int = 0) -> Line:
    """A line to the credit of the bank account, which names a request."""
    number = about.sequence if isinstance(about, Row) else about
    return Line(Kind.BOOKED, amount, number, debit=MIRROR, reference=utr)


def went(amount: int, utr: bytes = b"OUT000000001", about: Row | int = 0) -> Line:
    """A line to its debit, which names a release."""
    number = about.sequence if isinstance(about, Row) else about
    return Line(Kind.BOOKED, amount, number, credit=MIRROR, reference=utr)


def ends(item: Row, debit: int, credit: int, amount: int | None = None) -> Line:
    """A transfer that ends what a bank has booked."""
    amount = item.amount if amount is None else amount
    return Line(Kind.TRANSFER, amount, item.sequence, debit, credit, b"found")


def stated(lines: Sequence[Line], opening: int = 0, **said: Any) -> Line:
    """The statement behind some lines."""
    moved = sum(one.amount if one.debit else -one.amount for one in lines)
    fields: dict[str, Any] = {"closing": opening + moved, **said}
    fields.setdefault("lines_count", len(lines))
    return register(statement_record(opening=opening, **fields))


def number_of(request: Row) -> bytes:
    """What a payer writes on a transfer."""
    hashed = hashlib.blake2b(
        b"request" + INSTANCE + struct.pack("<Q", request.sequence), digest_size=32
    ).digest()
    bits = int.from_bytes(hashed[:2], "big") >> 1
    letters = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    end = bytes(letters[bits >> shift & 31] for shift in (10, 5, 0))
    return b"T%012d" % request.sequence + end


class BankDesk(Desk):
    """A ledger with people and two bank accounts, as they make it."""

    def __init__(self, *, rules: int = RULES_VERSION) -> None:
        super().__init__(rules=rules)
        self.other = 0
        self.done(
            register(participant(OTHER_CENTRE, Role.CENTRE)), third=False, debit=5
        )
        opened = [
            Line(Kind.OPEN, tail=AccountRecord(ONE, first + at, kind).pack())
            for first in (PURPOSE, OTHER_PURPOSE)
            for at, kind in enumerate(KINDS)
        ]
        wallet = AccountRecord(OTHER_CENTRE, 0, AccountKind.WALLET)
        opened.append(Line(Kind.OPEN, tail=wallet.pack()))
        asked = self.propose(opened)
        self.approve(asked)
        for at in range(len(opened)):
            self.do(asked, at, debit=6 + at)
        self.done(register(bank_account()), debit=1)
        self.done(register(bank_account(OTHER_CODE, OTHER_PURPOSE)), debit=2)
        self.has_accounts = rules >= CHANNEL_RULES
        bank = 1 if self.has_accounts else 0
        self.done(register(connection(bank=bank)), debit=6)
        self.has_other = False

    def asks(self, amount: int, **fields: object) -> Row:
        """A request of the centre for its wallet."""
        said: dict[str, object] = {"participant": CENTRE, "credit": WALLET}
        return self.add(Kind.REQUEST, amount=amount, **{**said, **fields})

    def tells(self, lines: Sequence[Line], **fields: object) -> Row:
        """A proposal of the bank's connection; that of the second bank account is
        registered when it has something to say.
        """
        who = CHANNEL
        if self.has_accounts and all(map(is_other_s, lines)):
            who = OTHER_CHANNEL
            if not self.has_other:
                self.done(register(connection(who, bank=2)), debit=7)
            self.has_other = True
        return self.propose(lines, who, **{"flags": EVIDENCE, **fields})

    def books(self, asked: Row, at: int = 0, **fields: Any) -> Row:
        """The row of a booked line: unmatched, if nothing else is said."""
        line = self.lines[asked.sequence][at]
        other = {
            MIRROR: (WAITING, TRANSIT),
            OTHER_MIRROR: (OTHER_WAITING, OTHER_TRANSIT),
        }
        said: dict[str, object] = {"flags": line.flags | CLAIM | self.claims(line)}
        if line.debit:
            said["credit"] = other[line.debit][0]
        else:
            said["debit"] = other[line.credit][1]
        return self.do(asked, at, **{**said, **fields})

    def meets(self, asked: Row, at: int = 0, **fields: Any) -> Row:
        """The row of one that meets what its line names."""
        line = self.lines[asked.sequence][at]
        flags = {"flags": CLAIM | MATCHED | self.claims(line)}
        if line.debit:
            return self.books(asked, at, **{"credit": WALLET, **flags, **fields})
        return self.books(asked, at, **{**flags, **fields})

    def claims(self, line: Line) -> int:
        """The flag of a line whose reference it claims as a UTR, or 0."""
        if not line.debit or line.flags & REVERSAL:
            return 0
        taken = {
            written(row.reference)
            for row in self.rows
            if row.result == Result.OK
            and (
                row.kind == Kind.TOP_UP
                or (row.kind == Kind.BOOKED and row.flags & RECENT)
            )
        }
        return 0 if written(line.reference) in taken else RECENT

    def told(self, *lines: Line, **fields: object) -> Row:
        """Lines that the connection tells and that are booked, unmatched; the first."""
        asked = self.tells(lines)
        rows = [self.books(asked, at, **fields) for at in range(len(lines))]
        return rows[0]

    def states(self, lines: Sequence[Line], **said: Any) -> Row:
        """A statement of some lines, all booked; its own row."""
        whole = [*lines, stated(lines, **said)]
        asked = self.tells(whole)
        for at in range(len(lines)):
            self.books(asked, at)
        return self.closes(asked)

    def closes(self, asked: Row, **fields: object) -> Row:
        """The row of a proposal's last line, a statement."""
        before = [row for row in self.rows if is_statement(row)]
        flags = int(RowFlag.UPDATE) if before else 0
        at = len(self.lines[asked.sequence]) - 1
        return self.do(asked, at, **{"debit": 1, "flags": flags, **fields})

    def pays(self, amount: int) -> Row:
        """A payout to the bank, of money that the settlement account has."""
        self.fills(SETTLEMENT, amount)
        line = Line(Kind.TRANSFER, amount, 0, SETTLEMENT, TRANSIT, b"payout")
        return self.done(line)

    def fills(self, account: int, amount: int) -> Row:
        """Money for an account, from the float."""
        if account == WALLET:
            self.other += 1
            return self.done(top_up(amount, b"FILL%d" % self.other))
        return self.done(Line(Kind.TRANSFER, amount, 0, 1, account, b"lent"))

    def three(self, asked: Row) -> Row:
        """What needs three, approved."""
        assert asked.flags & THIRD
        self.approve(asked, SECOND)
        return self.approve(asked, FIRST)


def is_other_s(line: Line) -> bool:
    """Whether a line is what is said of the second bank account."""
    if line.kind == Kind.BOOKED:
        return OTHER_MIRROR in (line.debit, line.credit)
    return line.tail[:1] == bytes([Record.STATEMENT]) and line.tail[4] == 2


def written(reference: bytes) -> bytes:
    """A reference as a bank writes it."""
    return reference.replace(b" ", b"").upper()


def is_statement(row: Row) -> bool:
    """Whether a row is an accepted statement."""
    tail = row.tail or b""
    return row.kind == Kind.REGISTER and tail[:1] == bytes([Record.STATEMENT])


def found_by_its_words(path: Path, check: str, text: str, tell: Tell) -> None:
    """A story is without a finding, and its forged twin has this one."""
    right, wrong = BankDesk(), BankDesk()
    tell(right, False)
    tell(wrong, True)
    assert right.found(path / "right") == {}
    found = wrong.found(path / "wrong")
    assert any(text in one for one in found.get(check, [])), found
