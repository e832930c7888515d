"""Goal: a file has one name, and nothing else is taken for one: least of all a path.

Method: names of every kind there and back; others by hand, and by changing one
character of a good one.
"""

import pytest

from switch.file_names import FORMS, FileKind, FileName, parse_name

GOOD = (
    FileName(FileKind.SCROLL, 2026, 1, "power", 1),
    FileName(FileKind.SCROLL, 2026, 12_345, "a-b-1", 12, "json"),
    FileName(FileKind.MEMORANDUM, 1999, 9_999, "x", 65_535),
    FileName(FileKind.ACCOUNT_STATEMENT, 2026, 7, "power", 2, "xml"),
    FileName(FileKind.INSTRUCTION, 2026, 7, "33445566", 2, "xml"),
    FileName(FileKind.MONTHLY, 2026, 11, "power"),
    FileName(FileKind.MONTHLY, 2026, 1, "-a-", 0, "json"),
)


@pytest.mark.parametrize("name", GOOD, ids=lambda one: one.text)
def test_there_and_back(name: FileName) -> None:
    assert parse_name(name.text) == name
    assert name.text.startswith(name.number)


def test_what_names_say() -> None:
    assert GOOD[0].text == "S2026-27-0001-power-1.csv"
    assert GOOD[1].text == "S2026-27-12345-a-b-1-12.json"
    assert GOOD[2].text == "M1999-00-9999-x-65535.csv"
    assert GOOD[5].text == "B2026-11-power.csv"
    assert GOOD[0].as_kind(FileKind.MEMORANDUM).number == "M2026-27-0001-power-1"
    assert set(FORMS) == set(FileKind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S2026-27-0001-power-1",
        "S2026-27-0001-power-1.xml",
        "C2026-27-0001-power-1.csv",
        "S2026-28-0001-power-1.csv",
        "S2026-27-1-power-1.csv",
        "S2026-27-00001-power-1.csv",
        "S2026-27-0001-power-0.csv",
        "S2026-27-0001-power-01.csv",
        "S2026-27-0001--1.csv\n",
        "S2026-27-0001-../../x-1.csv",
        "../S2026-27-0001-power-1.csv",
        "S2026-27-0001-pow er-1.csv",
        "S2026-27-0001-পাওয়ার-1.csv",
        "S২০২৬-27-0001-power-1.csv",
        "S2026-27-0001-" + "p" * 35 + "-1.csv",
        "B2026-13-power.csv",
        "B2026-1-power.csv",
        "X2026-27-0001-power-1.csv",
        "s2026-27-0001-power-1.csv",
        "S2026-27-0001-power-1.csv\0",
        "S" * 200,
    ],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match="not a file's name"):
        parse_name(text)
