"""How the lines of a proposal stand: by which entry each is done, and what the first of
those that are not would change.
"""

from typing import Final

from server.node import Node
from server.services.line_words import proposed_lines
from server.services.replaced import changes_text
from switch.codes import Kind, Result, RowFlag
from switch.entries import Entry
from switch.ledger.lines import lines_of
from switch.register.approvers import widens
from switch.said import NAMED_BY, say
from switch.signed import line_id, read_line

CHANGES_MAX: Final = 4
"""Lines of the register and of limits that a list of proposals tells of each."""
CHANGE_SIZE: Final = 400
"""Characters of one of them."""
_CHANGING: Final = frozenset({Kind.REGISTER, Kind.LIMIT})


def line_done(node: Node, proposal: Entry, number: int, packed: bytes) -> int:
    """The row by which a line is done, or 0. What a bank has said before is done by
    whatever said it first.
    """
    ledger = node.ledger
    sequence = ledger.find(proposal.participant, line_id(proposal.id, number))
    if sequence:
        row = ledger.row(sequence)
        # An id may have been used up by something else, and a contradiction is a row.
        if row.total == proposal.sequence and row.result == Result.OK:
            return sequence
    if packed[0] != Kind.BOOKED:
        return 0
    line = read_line(packed)
    found = ledger.find_booked(
        line.debit or line.credit,
        bool(line.credit),
        bool(line.flags & RowFlag.REVERSAL),
        line.reference.rstrip(b"\0"),
    )
    return found if found and ledger.row(found).amount == line.amount else 0


def first_changes(node: Node, proposal: Entry) -> list[str]:
    """What the first lines of a proposal of lines that are not done change.

    Raises CorruptionError.
    """
    found: list[str] = []
    for number, packed in enumerate(lines_of(node.ledger.tail(proposal.sequence))):
        if packed[0] not in _CHANGING or line_done(node, proposal, number, packed):
            continue
        text = _change_text(node, packed)
        is_cut = len(text) > CHANGE_SIZE
        found.append(text[: CHANGE_SIZE - 1] + "…" if is_cut else text)
        if len(found) == CHANGES_MAX:
            break
    return found


def widens_still(node: Node, proposal: Entry, tail: bytes) -> bool:
    """Whether a line of a proposal that is not done lets more people approve, or
    sooner, as the register is now.
    """
    return any(
        packed[0] == Kind.REGISTER
        and widens(node.register, packed)
        and not line_done(node, proposal, number, packed)
        for number, packed in enumerate(lines_of(tail))
    )


def _change_text(node: Node, packed: bytes) -> str:
    """What is new, or what of what changes."""
    line = read_line(packed)
    [message] = proposed_lines(node, [packed])
    if not message.replaced:
        return f"new {message.text}"
    said = say(line)
    keys = [value for name, value in said.facts if name in NAMED_BY.get(said.what, ())]
    named = " ".join(filter(None, [message.debit or message.participant, *keys]))
    return f"{said.what} {named}: {changes_text(line, message.replaced)}"
