"""Goal: what is decided becomes just the acts that there are, each line for itself.

Method: a file of breaks is decided by hand, and spoilt as spreadsheets and people do.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from switch.matching.breaks import DECIDED, Break, Type, read_breaks, write_breaks
from switch.matching.cells import ListError
from switch.matching.decisions import Act, Left, outcome_line, read_decided
from tests.matching.books import DAY, Entry, matched, told, write_scrolls

LESS = Entry(100, 50_000)
MISSING = Entry(101, 30_000)
STRANGER = Entry(900, 20_000)
MORE = Entry(102, 10_000)


@pytest.fixture(scope="module")
def breaks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Break]:
    folder = tmp_path_factory.mktemp("scrolls")
    write_scrolls(folder, [[LESS, MISSING, MORE]])
    lines = [told(LESS, amount=45_000), told(STRANGER), told(MORE, amount=10_001)]
    found, _ = matched(folder, lines)
    assert len(found.breaks) == 4
    return {one.number: one for one in found.breaks}


def numbered(breaks: dict[str, Break], kind: Type, entry: int = 0) -> str:
    (number,) = (
        one.number
        for one in breaks.values()
        if one.type is kind and entry in (0, one.entry)
    )
    return number


def decided(breaks: dict[str, Break], *lines: str) -> list[Act | Left]:
    text = (
        ",".join(("number", *DECIDED)) + "\n" + "".join(f"{line}\n" for line in lines)
    )
    return list(read_decided(text.encode(), "decided.csv", breaks))


def test_a_refund_is_of_what_is_too_much_here(breaks: dict[str, Break]) -> None:
    less = numbered(breaks, Type.AMOUNT, 100)
    missing = numbered(breaks, Type.MISSING_THERE)
    first, second, third = decided(
        breaks,
        f"{less},refund,,,letter 7",
        f"{missing},Refund,101,100.00,",
        f"{numbered(breaks, Type.MISSING_HERE)},correction,77,,",
    )
    assert first == Act(2, less, "refund", 100, 5_000, "letter 7")
    assert second == Act(3, missing, "refund", 101, 10_000, missing)
    assert isinstance(third, Act)
    assert (third.about, third.amount) == (77, 0)


@pytest.mark.parametrize(
    ("kind", "entry", "line", "what"),
    [
        (Type.AMOUNT, 100, "refund,,50.01,x", "more than what is too much here: 50.00"),
        (Type.AMOUNT, 102, "refund,,,x", "more is there than here"),
        (Type.MISSING_HERE, 0, "refund,5,,x", "missing_here is not refunded"),
        (Type.MISSING_THERE, 0, "refund,5,,x", "about another payment"),
        (Type.MISSING_THERE, 0, "correction,5,,x", "has no such decision"),
        (Type.MISSING_HERE, 0, "correction,,,x", "about which entry"),
        (Type.MISSING_HERE, 0, "post,five,,x", "about is no entry"),
        (Type.MISSING_THERE, 0, "refund,,-5,x", "not an amount"),
        (Type.MISSING_THERE, 0, "refund,,3E+2,x", "not an amount"),
        (Type.MISSING_THERE, 0, "refund,,," + "x" * 33, "32 plain characters"),
        (Type.MISSING_THERE, 0, "refund,,,টাকা", "32 plain characters"),
        (Type.MISSING_THERE, 0, "write off,,,x", "no such decision"),
        (Type.MISSING_THERE, 0, "void,5,,x", "no such decision"),
        (Type.MISSING_THERE, 0, "refund,,,x,y", "more or fewer cells"),
        (Type.MISSING_THERE, 0, 'refund,,,"x', "is no CSV"),
    ],
)
def test_what_cannot_be_is_told_and_holds_nothing_up(
    kind: Type, entry: int, line: str, what: str, breaks: dict[str, Break]
) -> None:
    right = f"{numbered(breaks, Type.AMOUNT, 100)},close,5,,x"
    if (kind, entry) == (Type.AMOUNT, 100):
        right = f"{numbered(breaks, Type.MISSING_HERE)},close,5,,x"
    wrong, other = decided(breaks, f"{numbered(breaks, kind, entry)},{line}", right)
    assert isinstance(wrong, Left)
    assert wrong.outcome == "wrong"
    assert what in wrong.text
    assert isinstance(other, Act)
    # What is written of it starts no formula either.
    assert outcome_line(wrong).startswith("2,")


def test_a_payment_is_given_back_by_one_line(breaks: dict[str, Break]) -> None:
    """Whatever somebody has made of the file of the match."""
    number = numbered(breaks, Type.MISSING_THERE)
    twin = "B20261127-AAAAAAAAAAAAAAAA"
    found = decided(
        breaks | {twin: replace(breaks[number], number=twin)},
        f"{number},refund,,,",
        f"{twin},refund,,,",
    )
    assert isinstance(found[0], Act)
    assert isinstance(found[1], Left)
    assert "by another line" in found[1].text


def test_numbers(breaks: dict[str, Break]) -> None:
    missing = numbered(breaks, Type.MISSING_THERE)
    lines = decided(
        breaks,
        f"{missing},refund,,,x",
        f"{missing},refund,,,x",
        f"{missing[:-1]}Q,refund,,,x",
        "B1,refund,,,x",
        f"{missing},,,,",
        f"{missing},wait,,,",
        "X77,verify,,,list 9",
        "X78,verify,77,,list 9",
        "X79,refund,,,x",
    )
    words = [one.outcome if isinstance(one, Left) else "act" for one in lines]
    assert words == [
        *("act", "wrong", "wrong", "wrong", "nothing", "nothing"),
        *("act", "wrong", "wrong"),
    ]
    assert lines[6] == Act(8, "X77", "verify", 77, 0, "list 9")


def test_a_spreadsheet_has_been_at_it(breaks: dict[str, Break]) -> None:
    missing = numbered(breaks, Type.MISSING_THERE)
    header = ";".join(("Decided by", *DECIDED, "number"))
    text = f"\ufeff{header}\r\n;refund;;;'=x;{missing.lower()}\r\n;;;;;\r\n"
    (act,) = read_decided(text.encode(), "decided.csv", breaks)
    assert isinstance(act, Act)
    assert (act.number, act.reason) == (missing, "=x")
    for bad in (b"", b"number,decision\n", text.encode("utf-16")):
        with pytest.raises(ListError, match=r"decided\.csv"):
            list(read_decided(bad, "decided.csv", breaks))


def test_the_file_to_decide_in_is_the_one_that_is_read(
    breaks: dict[str, Break],
) -> None:
    written = write_breaks(breaks.values(), DAY, to_decide=True)
    lines = list(read_decided(written, "decided.csv", breaks))
    assert [one.number for one in lines] == sorted(breaks)
    assert all(isinstance(one, Left) and one.outcome == "nothing" for one in lines)
    # With its four empty columns it is still a file of breaks.
    assert len(read_breaks(written, "breaks.csv")) == len(breaks)


def test_ids_follow_from_the_break_alone(breaks: dict[str, Break]) -> None:
    missing = numbered(breaks, Type.MISSING_THERE)
    (first,) = decided(breaks, f"{missing},refund,,,x")
    (other,) = decided(breaks, f"{missing},refund,,100.00,y")
    (third,) = decided(breaks, "X77,verify,,,x")
    assert isinstance(first, Act)
    assert isinstance(other, Act)
    assert isinstance(third, Act)
    assert first.id(0) == other.id(0)
    assert len({first.id(0), first.id(1), third.id(0)}) == 3


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("open", "opened"), "is no line of breaks"),
        (("missing_there", "missing_it"), "is no line of breaks"),
        (("300.00", "300"), "is no line of breaks"),
        (("2026-11-27", "27-11-2026"), "is no line of breaks"),
        (("number", "numbers"), "the column 'number' is not there"),
        (("\r\n", ",\r\n"), "more or fewer cells"),
        (("B20261127-", "C20261127-"), "is no line of breaks"),
    ],
)
def test_a_file_of_breaks_that_was_changed(
    change: tuple[str, str], what: str, breaks: dict[str, Break], tmp_path: Path
) -> None:
    written = write_breaks(breaks.values(), DAY).decode()
    if what.startswith("more"):
        header, rest = written.split("\r\n", 1)
        spoilt = f"{header}\r\n{rest.replace(*change)}"
    else:
        spoilt = written.replace(*change)
    assert spoilt != written
    with pytest.raises(ListError, match=what):
        read_breaks(spoilt.encode(), "breaks.csv")
    twice = written + written.split("\r\n", 1)[1]
    with pytest.raises(ListError, match="there twice"):
        read_breaks(twice.encode(), "breaks.csv")
