"""A bank account of a council, and what its bank says of it: statements and advices of
lines, signed by its channel or by people.
"""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from switch.bank.booking import Bank, Piece, book, book_advice
from switch.bank.lines import BankLine, Side, Statement
from switch.client.banks import booking_id, booking_row
from switch.codes import PersonRole, Source
from switch.v1 import banks_pb2 as pb
from switch.v1 import people_pb2
from switch.v1 import results_pb2 as results
from tests.server.council import CHANNEL, Council, Name, name_of, person

NUMBER = "0123456789"
DAY = dt.date(2026, 11, 27)


def line(
    amount: int, reference: str, *texts: str, side: Side = Side.CREDIT, **more: object
) -> BankLine:
    """A line of the account."""
    return BankLine(NUMBER, side, amount, DAY, reference, texts=texts, **more)  # type: ignore[arg-type]


def bank_account(number: str = NUMBER, **changes: object) -> people_pb2.Wish:
    """A wish for a bank account."""
    values: dict[str, object] = {"number": number, "active": True, **changes}
    return people_pb2.Wish(bank_account=people_pb2.BankAccountWish(**values))  # type: ignore[arg-type]


def ending(item: int, reason: str = "a test", **what: object) -> people_pb2.Wish:
    """A wish for what becomes of an item."""
    made = people_pb2.EndingWish(item=item, reason=reason, **what)  # type: ignore[arg-type]
    return people_pb2.Wish(ending=made)


class Told(NamedTuple):
    """What became of a proposal of what a bank says."""

    proposal: int
    is_repeat: bool
    results: list[str]


class Banking:
    """The bank's side of a council."""

    def __init__(self, council: Council, number: str = NUMBER) -> None:
        """Registers the account, and its channel if it has none: the first account's
        is CHANNEL.
        """
        self.council = council
        self.number = number
        council.done(bank_account(number))
        people = council.client().people().people
        known = {one.bank_account: one for one in people}
        self.channel = CHANNEL
        """Who speaks for the bank."""
        if number in known:
            self.channel = CHANNEL[0], known[number].number
        else:
            if CHANNEL in {(one.participant, one.number) for one in people}:
                self.channel = CHANNEL[0], 100 + len(people)
            council.know(self.channel)
            role = int(PersonRole.CHANNEL)
            wish = person(self.channel, council, role=role, bank_account=number)
            council.done(wish)
        self._numbered = 0

    @property
    def account(self) -> pb.BankAccount:
        """As it stands."""
        found = self.council.client().bank_accounts().find(self.number)
        assert found is not None
        return found

    @property
    def bank(self) -> Bank:
        """As lines name it."""
        banks = self.council.client().bank_accounts()
        found = banks.find(self.number)
        assert found is not None
        return Bank(found.index, found.account, banks.instance)

    def items(self) -> list[pb.BankItem]:
        """What is open of it, newest first."""
        return list(self.council.client().bank_items(self.number))

    def statement(self, lines: Iterable[BankLine], **changes: object) -> Statement:
        """The next statement, which begins where the last one ended."""
        self._numbered += 1
        opening = self.account.statement.closing
        listed = tuple(lines)
        values: dict[str, object] = {
            "opening": opening,
            "closing": opening + sum(one.change for one in listed),
            "number": self._numbered,
            "first_day": DAY,
            "last_day": DAY,
            **changes,
        }
        return Statement(self.number, f"S-{self._numbered}", listed, **values)  # type: ignore[arg-type]

    def advice(self, *lines: BankLine) -> list[Piece]:
        """An advice's proposals."""
        one = Statement(self.number, "A", lines, is_advice=True)
        return book_advice(one, self.bank)

    def book(self, statement: Statement, by: Name | None = None) -> list[Told]:
        """Have a statement proposed, and done if it is the channel's."""
        pieces = book(statement, self.bank, Source.CAMT)
        return [self.put(piece, by) for piece in pieces]

    def put(self, piece: Piece, by: Name | None = None) -> Told:
        """Have a piece proposed, and done if it is the channel's."""
        by = by or self.channel
        client, signer = self.council.client(by[0]), self.council.signer(by)
        row = booking_row(piece.lines, "statement")
        outcome = client.submit(row, signer, move_id=booking_id(row, signer))
        assert outcome.result == results.RESULT_OK, name_of(outcome)
        is_done = by == self.channel
        found = self.council.do(outcome.sequence) if is_done else []
        return Told(outcome.sequence, outcome.repeat, found)
