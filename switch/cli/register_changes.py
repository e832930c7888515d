"""What a proposal changes of the register and of limits, as a person is shown it.

Over the wire only. What will be is read from the bytes that are signed; what there is
now is the switch's word, as are the names of accounts.
"""

import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

from switch.calendar import format_ist
from switch.codes import (
    AmountRule,
    CheckDigit,
    DuplicateRule,
    KeyRule,
    Letters,
    Mode,
    Policy,
    PriceRule,
)
from switch.console.output import Screen
from switch.console.words import Language
from switch.errors import SwitchError
from switch.said import Change, Said, paise_of, say_changes
from switch.signed import Line, read_line
from switch.specs import enum_text
from switch.v1 import people_pb2 as pb
from switch.v1 import proposals_pb2

_CODES: Final[Mapping[str, type[IntEnum]]] = {
    "amount rule": AmountRule,
    "mode": Mode,
    "duplicate rule": DuplicateRule,
    "key rule": KeyRule,
    "deadline policy": Policy,
    "price rule": PriceRule,
    "letters": Letters,
    "check digit": CheckDigit,
}
"""Facts of a service that are numbers of a code, which a person knows by its word."""


def changes_of(message: pb.ProposedLine, line: Line) -> tuple[Change, ...] | None:
    """What a line changes, old and new; None of what is new or done.

    Raises SwitchError if the switch tells of something else than the line is about.
    """
    if not message.replaced:
        return None
    try:
        return say_changes(line, read_line(message.replaced))
    except (ValueError, LookupError, struct.error):
        text = "the switch has shown another record than a line replaces"
        raise SwitchError(text) from None


def record_texts(
    message: pb.ProposedLine, line: Line, said: Said, language: Language
) -> list[str]:
    """What a line says beside its amount and accounts, and before that what it changes.

    All that it says is there in any case: a switch that tells a wrong old record hides
    nothing of what is signed.
    """
    facts = [
        f"{name} {value_text(name, value, language)}" for name, value in said.facts
    ]
    changes = changes_of(message, line)
    if changes is None:
        return facts
    told = ", ".join(change_texts(changes, language))
    all_facts = ", ".join(facts)
    return [f"{language.word('changes').upper()} {told}; {all_facts}"]


def change_texts(changes: tuple[Change, ...], language: Language) -> list[str]:
    """Each as one text: its name, old and new."""
    found = [
        f"{change.name} {value_text(change.name, change.before, language)} → "
        f"{value_text(change.name, change.after, language)}"
        for change in changes
    ]
    return found or [language.word("changes nothing")]


def value_text(name: str, value: str, language: Language) -> str:
    """One value as a person reads it."""
    if not value:
        return language.word("not set")
    if name in _CODES and value.isdecimal():
        return code_text(name, int(value))
    paise = paise_of(name, value)
    return value if paise is None else language.amount(paise)


def code_text(name: str, number: int) -> str:
    """A code's word; of one that is not known here its number."""
    known = {int(code): enum_text(code) for code in _CODES[name]}
    return known.get(number, str(number))


def changes_as_json(changes: tuple[Change, ...] | None) -> list[dict[str, str]] | None:
    """The same for machines; None of what is new or done."""
    return None if changes is None else [change._asdict() for change in changes]


def widening_facts(
    proposal: proposals_pb2.Proposal, language: Language
) -> list[tuple[str, str]]:
    """Of a proposal by which more may approve that, and from when on it may be done."""
    facts = [("recovery", language.word("yes"))] if proposal.recovery else []
    if proposal.ended_by_sequence:
        facts += [("ended by", str(proposal.ended_by_sequence))]
    if not proposal.widens:
        return facts
    facts += [("widens", language.word("yes"))]
    if proposal.recovery and proposal.do_until_ns:
        facts += [("do until", format_ist(proposal.do_until_ns))]
    if proposal.waits_until_ns:
        return [*facts, ("waits until", format_ist(proposal.waits_until_ns))]
    if proposal.third_needed:
        return [*facts, ("third", language.word("widens by three"))]
    return facts


def show_listed_changes(
    proposals: Sequence[proposals_pb2.Proposal], screen: Screen
) -> None:
    """What the listed proposals change, a line for each, under their table."""
    for proposal in proposals:
        for name, text in widening_facts(proposal, screen.language):
            name_text = screen.language.word(name)
            screen.line(f"  {proposal.proposed.sequence}: {name_text}: {text}")
    listed = [one for one in proposals if one.changes]
    if not listed:
        return
    screen.line(screen.language.word("what they change"))
    for proposal in listed:
        for text in proposal.changes:
            screen.line(f"  {proposal.proposed.sequence}: {text}")
        more = proposal.lines_count - proposal.lines_done - len(proposal.changes)
        if more > 0:
            number = str(proposal.proposed.sequence)
            screen.command("proposal", number)
