"""The people of a ledger that has some: they register, sign, propose and approve.

For tests of the model alone, and of core and model side by side: `commit` is that of
either. Keys, hashes and lines are those of tests/signing.py.
"""

from collections.abc import Callable, Sequence

from switch.codes import Kind, PersonRole, Record
from tests import signing
from tests.flags import RowFlag
from tests.model import Ask, Model, Rows
from tests.model_register import WITH_RECORD
from tests.records import KINDS_WITHOUT_ID, Outcome, Row
from tests.signing import Line, PersonRecord

SECOND_NS = 10**9
BANK_ACCOUNT = bytes([Record.BANK_ACCOUNT])
LINES_AT_ONCE = 200
"""Of a proposal when a network is built."""

Who = tuple[int, int]
Commit = Callable[[Sequence[Ask], int], list[list[Outcome]]]


def line_of(row: Row) -> Line:
    """The line that asks for what a row asks for."""
    return Line(
        row.kind,
        amount=row.amount,
        resolves=row.resolves,
        debit=row.debit,
        credit=row.credit,
        reference=b"" if row.kind in WITH_RECORD else row.reference,
        tail=row.tail or b"",
        flags=row.flags & RowFlag.UNFREEZE,  # or what a transfer or line has there
    )


class Office:
    """Who there is, with which keys; what they do is done a second after the other."""

    def __init__(self, model: Model, commit: Commit, now: int) -> None:
        self.model = model
        self.commit = commit
        self.now = now
        self.number = 0
        self.keys: dict[Who, int] = {}
        """The number of each person's key."""

    def id(self) -> bytes:
        """One that was not there before."""
        self.number += 1
        return b"office" + self.number.to_bytes(10, "big")

    def row(self, kind: Kind, who: Who, **fields: int | bytes) -> Row:
        """A row of this person's, not signed."""
        row = Row(kind, participant=who[0], operator_=who[1])
        if kind not in KINDS_WITHOUT_ID:
            row.id = self.id()
        for name, value in fields.items():
            setattr(row, name, value)
        return row

    def signed(self, row: Row) -> Row:
        """The same with the signature of the person that it names."""
        key = self.keys[row.participant, row.operator_]
        return signing.signed(row, key, self.model.instance)

    def tell(self, *rows: Row) -> list[Outcome]:
        """One request in a group of its own."""
        self.now += SECOND_NS
        return self.commit([Rows(list(rows))], self.now)[0]

    # --- people -----------------------------------------------------------------------

    def person(self, who: Who, key: int, **fields: int) -> PersonRecord:
        """The record of a person with this key, from now on known by it."""
        self.keys[who] = key
        record = PersonRecord(*who, signing.public_key(key))
        for name, value in fields.items():
            setattr(record, name, value)
        return record

    begin_with = (1, 1), (1, 2)
    """The first two, both of the first participant."""

    def begin(self, *people: Who, keys: Sequence[int] = (1, 2, 3)) -> list[Outcome]:
        """The first two, or three, each by nobody's word."""
        rows = []
        for key, who in zip(keys, people, strict=False):
            record = self.person(who, key, role=PersonRole.CHECKER)
            rows.append(self.row(Kind.REGISTER, who, tail=record.pack()))
        return self.tell(*rows)

    # --- proposals --------------------------------------------------------------------

    def proposal(self, who: Who, *lines: Line) -> Row:
        """What asks for these, signed."""
        row = signing.proposal_of_lines(
            self.id(), lines, participant=who[0], operator=who[1]
        )
        return self.signed(row)

    def propose(self, who: Who, *lines: Line) -> int:
        """The sequence of a proposal of these, or 0 if it has no row."""
        return self.tell(self.proposal(who, *lines))[0].sequence

    def approval(self, sequence: int, who: Who) -> Row:
        """This person's word for what stands there, signed if it must be."""
        asked = self.model.rows[sequence - 1]
        row = signing.approval(
            self.id(), asked, sequence, self.model.instance,
            participant=who[0], operator=who[1],
        )  # fmt: skip
        return row if asked.kind == Kind.SHIFT else self.signed(row)

    def approve(self, sequence: int, who: Who) -> Outcome:
        """What comes of it."""
        return self.tell(self.approval(sequence, who))[0]

    def withdraw(self, sequence: int, who: Who) -> int:
        """What comes of taking a proposal back."""
        row = self.row(Kind.WITHDRAW, who, resolves=sequence, reference=b"why")
        [told] = self.tell(self.signed(row))
        return told.result

    def line_rows(self, sequence: int, checker: int | None = None) -> list[Row]:
        """The rows of all lines of a proposal, as its last approval makes them."""
        asked = self.model.rows[sequence - 1]
        if checker is None:
            link = self.model.resolved.get(sequence, sequence)
            checker = self.model.rows[link - 1].participant
        return signing.line_rows(asked, sequence, checker=checker)

    def have_done(self, maker: Who, checkers: Sequence[Who], *rows: Row) -> list[Row]:
        """Rows are proposed, approved and done; those that were made."""
        asked = self.propose(maker, *map(line_of, rows))
        for checker in checkers:
            self.approve(asked, checker)
        outcomes = self.tell(*self.line_rows(asked))
        assert all(each.sequence for each in outcomes), outcomes
        return [self.model.rows[each.sequence - 1] for each in outcomes]

    def have_built(self, rows: Sequence[Row], first: int = 1) -> None:
        """A whole network: `first` rows before the people, all others wanted by three,
        and two makers, as of what is proposed by one both others can approve; and a
        bank's connection.
        """
        self.tell(*rows[:first])
        one, other = self.begin_with
        third = one[0], 6
        self.begin(one, other, third, keys=(1, 2, 6))
        makers = [
            self.person((one[0], 3), 3, role=PersonRole.MAKER),
            self.person((one[0], 4), 4, role=PersonRole.MAKER),
        ]
        has_banks = any((row.tail or b"")[:1] == BANK_ACCOUNT for row in rows)
        channel = self.person((one[0], 5), 5, role=PersonRole.CHANNEL)
        channel.bank = 1 if has_banks else 0
        people = *makers, channel
        records = [self.row(Kind.REGISTER, one, tail=each.pack()) for each in people]
        # The connection is of a bank account that is there.
        everything = [*records[:-1], *rows[first:], records[-1]]
        for at in range(0, len(everything), LINES_AT_ONCE):
            part = everything[at : at + LINES_AT_ONCE]
            assert len(self.have_done(one, [other, third], *part)) == len(part)
