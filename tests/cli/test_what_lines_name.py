"""Goal: who approves a bank's lines is told which of them name an entry that their
texts do not: a maker puts beside the texts whose money it is.

Method: lines made by hand, shown as a command shows them.
"""

import json

import pytest

from switch.bank_numbers import Letter, make_number
from switch.bank_rows import BookedTexts, booked_tail
from switch.cli.banks import _twins
from switch.cli.signing import lines_as_json, names_what_it_says, show_lines
from switch.codes import Kind
from switch.console.output import Screen
from switch.console.words import Language
from switch.signed import Ledger, Line
from switch.v1 import banks_pb2 as pb2
from switch.v1 import people_pb2 as pb

LEDGER = Ledger(bytes(range(16)), 0)
OURS = make_number(Letter.REQUEST, LEDGER.instance, 4_711)
OTHERS = make_number(Letter.REQUEST, LEDGER.instance, 4_712)


def booked(resolves: int, *texts: str) -> Line:
    tail = booked_tail(BookedTexts("2026-11-27", "transfer", 0, texts))
    reference = b"NAME00000001".ljust(32, b"\0")
    return Line(Kind.BOOKED, 0, 100, resolves, 5, 0, reference, tail)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (booked(0, OURS), None),
        (Line(Kind.TOP_UP, 0, 100, 0, 5, 6, b"x"), None),
        (booked(4_711, f"NEFT {OURS.lower()}"), True),
        (booked(4_711), False),
        (booked(4_711, OTHERS), False),
        (booked(4_711, OURS, OTHERS), False),
        (booked(4_711, f"{OURS}9"), False),
    ],
)
def test_what_a_line_names(line: Line, expected: bool | None) -> None:
    assert names_what_it_says(line, LEDGER) is expected
    # A number is right in one ledger alone.
    elsewhere = names_what_it_says(line, Ledger(bytes(16), 0))
    assert elsewhere is (None if expected is None else False)


def test_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [booked(4_711, OURS), booked(4_711, OTHERS), booked(0, OTHERS)]
    shown = [pb.ProposedLine(line=one.pack(), debit="bank/1") for one in lines]
    show_lines(shown, LEDGER, Screen(as_json=False, language=Language("en")))
    text = capsys.readouterr().out
    assert "ask why: 1" in text
    assert text.count("NOT IN ITS") == 1
    found = [one["names_what_it_says"] for one in lines_as_json(shown, LEDGER)]
    assert found == [True, False, None]


def test_items_of_one_reference() -> None:
    """What came in and was taken back is seen as one matter; a release's reason is
    none of the bank's.
    """
    credit, debit = pb2.BANK_ITEM_KIND_CREDIT, pb2.BANK_ITEM_KIND_DEBIT
    items = [
        pb2.BankItem(kind=kind, sequence=at, account=account, reference=reference)
        for at, (kind, account, reference) in enumerate(
            [
                (credit, "1", "SAME00000001"),
                (debit, "1", "SAME00000001"),
                (credit, "2", "SAME00000001"),
                (pb2.BANK_ITEM_KIND_RELEASE, "1", "SAME00000001"),
                (credit, "1", ""),
                (credit, "1", ""),
            ]
        )
    ]
    assert [_twins(one, items) for one in items] == [[1], [0], [], [], [], []]


def test_machines_are_told_nothing_that_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A bank's texts are a thief's, if its channel's key is: escaped, and the same."""
    said = {"texts": ["\x1b[2J\x9b2J\u202e\u2066a", "বাংলা ক\u200dষ\u200c", "\U000e0041"]}
    Screen(as_json=True, language=Language("en")).value(said)
    text = capsys.readouterr().out
    assert json.loads(text) == said
    shown = text.rstrip("\n").replace("\u200d", "").replace("\u200c", "")
    assert shown.isprintable()
    assert "বাংলা" in text
