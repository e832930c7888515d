"""What people sign, as row templates: signed rows, and the rows of a proposal's lines.

May use `templates`, `entries`, `codes` and `signed`. The ledger does a line only if its
row is just what was proposed and approved; so it is made of the proposal's own bytes.
"""

from collections.abc import Sequence

from switch.codes import Kind, RowFlag
from switch.entries import Entry
from switch.ledger.templates import Templates, get_bytes, put_bytes, template
from switch.signed import SIGNATURE_SIZE, Line, Row, line_id, read_line, split_lines


def signed_row(
    row: Row, row_id: bytes, signature: bytes, *, sender: int, number: int
) -> Templates:
    """A row that the person `number` of the participant `sender` has signed.

    Raises OverflowError if a number does not fit in its field.
    """
    made = template(
        row.kind,
        row_id=row_id,
        sender=sender,
        amount=row.amount,
        resolves=row.resolves,
        debit=row.debit,
        operator=number,
        total=row.total,
        tail=row.tail + signature,
    )
    put_bytes(made.rows, "reference", row.reference)
    return made


def signed_part(tail: bytes) -> bytes:
    """The tail item of a signed row without its signature."""
    return tail[:-SIGNATURE_SIZE]


def lines_of(tail: bytes) -> list[bytes]:
    """The packed lines of a proposal, of its row's tail item."""
    return split_lines(signed_part(tail))


def line_row(proposal: Entry, number: int, line: bytes, *, checker: int) -> Templates:
    """The row that a line of an accepted proposal asks for, from 0.

    `checker` is the participant of the last approval that it needed.
    """
    one = read_line(line)
    made = template(
        one.kind,
        row_id=line_id(proposal.id, number),
        sender=proposal.participant,
        operator=proposal.operator,
        checker=checker,
        total=proposal.sequence,
        flags=one.flags,
        amount=one.amount,
        resolves=one.resolves,
        debit=one.debit,
        credit=one.credit,
        tail=one.tail or None,
    )
    put_bytes(made.rows, "reference", one.reference)
    return made


def line_of(part: Templates) -> bytes:
    """The line that asks for one row, as a template of it says; its id is another."""
    [row] = part.rows
    kind = Kind(int(row["kind"]))
    line = Line(
        kind,
        int(row["flags"]) & int(RowFlag.UNFREEZE),
        int(row["amount"]),
        int(row["resolves"]),
        int(row["debit"]),
        int(row["credit"]),
        get_bytes(row.tobytes(), part.rows.dtype, "reference"),
        part.tails[0] if part.tails else b"",
    )
    return line.pack()


def sizes(lines: Sequence[bytes]) -> int:
    """Bytes that lines take in a tail item, with its head and the signature."""
    return 8 + sum(map(len, lines)) + SIGNATURE_SIZE
