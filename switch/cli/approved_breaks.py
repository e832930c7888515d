"""What whoever approves decided breaks is shown: a part of `payswitch breaks approve`.

What a proposal asks for and is about is the ledger's; what kind of break it was made
for is said by the file of the match, which whoever approves has of the match and not of
whoever has decided.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from switch.cli.abouts import about_text, amount_text
from switch.cli.commands import who
from switch.cli.match_files import bytes_of
from switch.console.output import Screen, enum_word
from switch.errors import UsageError
from switch.matching.breaks import FILE_MAX, Break, read_breaks
from switch.matching.decisions import AGAIN_MAX, proposal_id
from switch.v1 import proposals_pb2, types_pb2

Rows = Iterable[tuple[str, int]]
"""Number of the break, or of an undecided payment, and the entry of its proposal."""
Listed = Mapping[int, proposals_pb2.Proposal]

_REFUND: Final = types_pb2.PROPOSAL_KIND_REFUND


def breaks_of(path: Path | None, rows: Rows) -> dict[str, Break]:
    """The breaks of the match by their numbers. Raises UsageError if rows are about
    breaks and nobody says of which match; ListError.
    """
    if path is not None:
        found = read_breaks(bytes_of(path, FILE_MAX), str(path))
        return {one.number: one for one in found}
    if any(number.startswith("B") for number, _ in rows):
        raise UsageError(
            "--of FILE: of the match whose breaks they are; nobody approves what "
            "differs without seeing what it was"
        )
    return {}


def wrong_with(
    number: str, one: proposals_pb2.Proposal, breaks: Mapping[str, Break]
) -> str:
    """Why a proposal is not approved for a break of this number; empty if it is.

    A proposal's id is made of the number that it was made for, so that no line of a
    file of outcomes can give it out for another.
    """
    said = one.proposed
    ids = (proposal_id(number, again) for again in range(AGAIN_MAX + 1))
    if said.id not in ids:
        return f"entry {said.sequence} was not proposed for {number}"
    if number.startswith("X"):
        return ""
    known = breaks.get(number)
    if known is None:
        return "is no break of the file of the match"
    if said.proposal_kind == _REFUND and said.resolves != known.entry:
        return f"entry {said.sequence} is about another payment than the break"
    return ""


def show_proposals(
    rows: Rows, wanted: Listed, breaks: Mapping[str, Break], screen: Screen
) -> None:
    """What they say by the ledger's own entries, not by the file of outcomes."""
    word, amount = screen.language.word, screen.language.amount
    shown = [(number, wanted[entry]) for number, entry in rows if entry in wanted]
    screen.table(
        (
            *("break", "type", "here", "there", "entry", "what", "about", "amount"),
            *("reason", "proposed by"),
        ),
        [
            (
                number,
                *_of_break(breaks.get(number), screen),
                str(one.proposed.sequence),
                word(f"propose {kind_of(one)}"),
                about_text(one, screen.language),
                amount_text(
                    one.proposed.proposal_kind, one.proposed.amount, screen.language
                ),
                one.proposed.reference,
                who(one.proposed),
            )
            for number, one in shown
        ],
        right=("here", "there"),
        whole=True,
    )
    total = sum(one.proposed.amount for _, one in shown)
    screen.facts(
        [("lines", screen.language.count(len(shown))), ("amount", amount(total))]
    )


def _of_break(one: Break | None, screen: Screen) -> tuple[str, str, str]:
    """Its type, and what it comes to on both sides; of an undecided payment nothing."""
    if one is None:
        return "", "", ""
    word, amount = screen.language.word, screen.language.amount
    here, there = (
        amount(paise) if paise else "" for paise in (one.amount_here, one.amount_there)
    )
    return word(f"break {one.type}"), here, there


def kind_of(one: proposals_pb2.Proposal) -> str:
    """What it asks for, in one word."""
    return enum_word(types_pb2.ProposalKind.DESCRIPTOR, one.proposed.proposal_kind)
