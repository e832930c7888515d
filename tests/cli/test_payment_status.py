"""Goal: a person sees which payouts a bank has refused, and a machine what it can act
on; a file that is not believed is shown by nobody.

Method: the command on answers by hand, beside the instruction that they answer.
"""

import json
from pathlib import Path

import pytest

from switch.cli import main
from tests.bank.status_writer import FIRST, SECOND, Report, Told, instruction, reason

NO = reason("AC04", "closed\u202e")
PART = Report((Told(FIRST), Told(SECOND, "RJCT", NO)), status="PART")


@pytest.fixture
def ours(tmp_path: Path) -> list[str]:
    path = tmp_path / "pain.xml"
    path.write_bytes(instruction())
    return ["--instruction", str(path)]


def write(folder: Path, *reports: Report) -> list[str]:
    paths = [folder / f"answer-{at}.xml" for at in range(len(reports))]
    for path, report in zip(paths, reports, strict=True):
        path.write_bytes(report.xml())
    return [str(path) for path in paths]


def test_what_is_refused_comes_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ours: list[str]
) -> None:
    files = write(tmp_path, PART)
    assert main(["payment-status", *files, *ours, "--limit", "1"]) == 4
    out, err = capsys.readouterr()
    assert SECOND in out
    assert FIRST not in out
    assert "AC04 closed" in out
    assert "\u202e" not in out
    assert "accepted: 1, ₹12.00" in out
    assert "not decided: 1, ₹7.00" in out
    assert "propose ending recall 2\n" in out
    assert "2 more" in err


def test_for_machines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ours: list[str]
) -> None:
    files = write(tmp_path, PART)
    assert main(["payment-status", *files, *ours, *ours, "--json"]) == 4
    *rows, last = map(json.loads, capsys.readouterr().out.splitlines())
    found = {row["payment"]["release"]: row["payment"] for row in rows}
    assert found[SECOND]["verdict"] == "rejected"
    assert found[SECOND]["amount_paise"] == 1
    assert (found[SECOND]["entry"], found[SECOND]["recalled"]) == (2, False)
    assert found[SECOND]["reasons"] == [{"code": "AC04", "text": "closed"}]
    assert last["payment_status"]["accepted"] == {"count": 1, "amount_paise": 1_200}
    assert last["payment_status"]["contradicts"] == {"count": 0, "amount_paise": 0}
    [report] = last["reports"]
    assert (report["report"], report["status"]) == ("B-1", "PART")


def test_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ours: list[str]
) -> None:
    files = write(tmp_path, Report((), with_batch=False, status="ACCP"))
    assert main(["payment-status", *files, *ours]) == 0
    assert "recall" not in capsys.readouterr().out


def test_one_bad_file_and_nothing_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ours: list[str]
) -> None:
    files = write(tmp_path, PART, Report((Told(), Told())))
    assert main(["payment-status", *files, *ours]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "is there twice" in err
    other = tmp_path / "other.xml"
    other.write_bytes(instruction().replace(b"12.00", b"13.00").replace(b"19.", b"20."))
    again = ["--instruction", str(other)]
    assert main(["payment-status", files[0], *ours, *again]) == 1
    assert "two instructions have this name" in capsys.readouterr().err
