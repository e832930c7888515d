"""Goal: a person sees what a bank's files say, and a machine what it can act on.

Method: the command on files by hand, right and wrong.
"""

import json
import os
from pathlib import Path

import pytest

from switch.cli import main
from tests.bank.test_sequence import MONDAY, TUESDAY, WEDNESDAY
from tests.bank.test_tabular import FILE, MAP
from tests.bank.writer import UTR, Detail, Entry, Sheet


def write(folder: Path, *sheets: Sheet) -> list[str]:
    paths = [folder / f"day-{at}.xml" for at in range(len(sheets))]
    for path, sheet in zip(paths, sheets, strict=True):
        path.write_bytes(sheet.xml())
    return [str(path) for path in paths]


def test_a_row_of_days_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path, MONDAY, TUESDAY)
    assert main(["bank-statement", *files]) == 0
    out = capsys.readouterr().out
    assert UTR in out
    assert "credit: ₹1,550.00" in out
    assert "₹1,650.00" in out


def test_what_is_wrong_is_said_and_is_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path, MONDAY, WEDNESDAY)
    assert main(["bank-statement", *files]) == 4
    assert (
        "gap, 0123456789: S-2026-333 begins with ₹1,650.00" in capsys.readouterr().out
    )


def test_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write(tmp_path, MONDAY, MONDAY)
    assert main(["bank-statement", *files, "--json"]) == 4
    *rows, last = map(json.loads, capsys.readouterr().out.splitlines())
    lines = [row["line"] for row in rows if "line" in row]
    assert [(line["reference"], line["amount"]) for line in lines] == [(UTR, 150_000)]
    assert [row["finding"]["what"] for row in rows if "finding" in row] == ["repeated"]
    assert [one["closing"] for one in last["statements"]] == [160_000, 160_000]


def test_one_bad_file_and_nothing_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path, MONDAY, TUESDAY.but(closing="1.00"))
    assert main(["bank-statement", *files]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "not believed" in shown.err
    assert "does not add up" in shown.err
    assert main(["bank-statement", str(tmp_path / "none.xml")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert main(["bank-statement", str(tmp_path)]) == 1


def test_a_csv_by_its_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "map.json").write_text(json.dumps(MAP))
    (tmp_path / "file.csv").write_text(FILE)
    command = ["bank-statement", str(tmp_path / "file.csv"), "--map"]
    assert main([*command, str(tmp_path / "map.json")]) == 0
    assert "-₹26,449.90" in capsys.readouterr().out
    assert main([*command, str(tmp_path / "file.csv")]) == 1
    assert "is no map" in capsys.readouterr().err


def test_texts_of_others_do_not_move_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = Entry(details=(Detail(remittance="[bold]x[/bold]&#x202E;&#x200B;"),))
    assert main(["bank-statement", *write(tmp_path, Sheet((spoilt,)))]) == 0
    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out
    assert "\u202e" not in out


def test_a_files_name_is_a_text_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, wrong = (
        Path(os.fsdecode(bytes(tmp_path) + name))
        for name in (b"/\xff.xml", b"/\x1b[2J")
    )
    right.write_bytes(MONDAY.xml())
    wrong.write_bytes(b"")
    assert main(["bank-statement", str(right), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["statements"]
    assert main(["bank-statement", str(wrong)]) == 1
    assert "\x1b" not in capsys.readouterr().err


def test_accounts_are_not_added_up_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path, MONDAY, MONDAY.but(account="777"))
    assert main(["bank-statement", *files]) == 0
    out = capsys.readouterr().out
    assert "0123456789, credit: ₹1,500.00" in out
    assert "777, credit: ₹1,500.00" in out


def test_of_very_much_a_part_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [MONDAY.but(name=f"S-{at}", number=None) for at in range(5)]
    files = write(tmp_path, *many)
    assert main(["bank-statement", *files, "--limit", "1"]) == 4
    shown = capsys.readouterr()
    assert shown.out.count("is told by") + shown.out.count("begins with") == 1
    assert "7 more findings" in shown.err
    assert main(["bank-statement", *files, "--limit", "0"]) == 4
    assert "more findings" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ["--limit", "-1"],
        ["--reference", "UTR"],
        ["--reference", "../TxId"],
        ["--reference", "EndToEndId", "--map", "map.json"],
    ],
)
def test_what_cannot_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    # A field that no bank has would leave each line without a reference.
    with pytest.raises(SystemExit, match="2"):
        main(["bank-statement", *write(tmp_path, MONDAY), *wrong])
    assert capsys.readouterr().out == ""
