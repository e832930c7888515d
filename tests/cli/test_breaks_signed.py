"""Goal: nobody signs in bulk what was not shown: not the first person a row that a
switch has made otherwise, nor the second a proposal that is another than its list said.

Method: a client that lies, beside one that does not; no server.
"""

import csv
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from switch.cli import breaks
from switch.client.people import Prepared
from switch.codes import Kind
from switch.console.output import Exit, Screen
from switch.console.words import Language
from switch.errors import SwitchError
from switch.matching.decisions import OUTCOME_COLUMNS, proposal_id
from switch.signed import Row
from switch.v1 import proposals_pb2, results_pb2, types_pb2

REFUND = types_pb2.PROPOSAL_KIND_REFUND
ABOUT, POSTED = 70, 71


class Liar:
    """A client of a switch that answers as it is told."""

    def __init__(self, made: dict[int, Row], stored: Row | None = None) -> None:
        self.made = made
        self.stored = stored
        self.signed: list[Row] = []
        self.approved: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def prepare(self, request: Any) -> Prepared:
        if request.payment.sequence not in self.made:
            raise SwitchError("there is no such payment")
        return Prepared(self.made[request.payment.sequence], (), 0, 0)

    def submit(self, row: Row, _: object, *, move_id: bytes) -> Any:
        assert len(move_id) == 16
        self.signed.append(row)
        return results_pb2.Outcome(result=results_pb2.RESULT_OK, sequence=90)

    def proposal(self, _: int) -> Any:
        answer = Namespace(
            proposal=proposals_pb2.Proposal(state=proposals_pb2.PROPOSAL_STATE_DONE)
        )
        return Namespace(stored=Namespace(row=self.stored), answer=answer)

    def approve_signed(self, shown: Any, _: object, *, move_id: bytes) -> Any:
        assert len(move_id) == 16
        self.approved.append(shown.stored.row)
        return results_pb2.Outcome(result=results_pb2.RESULT_OK, sequence=91)

    def do_lines(self, _: int) -> list[Any]:
        return []

    def movements(self, *_: object, **__: object) -> Iterator[types_pb2.Entry]:
        """Nothing was given back since."""
        return iter(())

    def proposal_pages(self) -> list[Any]:
        proposed = types_pb2.Entry(
            sequence=80,
            proposal_kind=REFUND,
            resolves=POSTED,
            amount=500,
            reference="letter 9",
            id=proposal_id(f"X{ABOUT}", 0),
        )
        one = proposals_pb2.Proposal(proposed=proposed)
        return [Namespace(proposals=[one])]


def row(about: int = POSTED, amount: int = 500, reason: bytes = b"letter 9") -> Row:
    return Row(Kind.PROPOSE, REFUND, about, amount, reason)


class Spoken:
    """Asks nobody: what stood on the screen when the question came is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, client: Liar) -> None:
        self.client = client
        self.tables: list[list[tuple[str, ...]]] = []
        self.asked = 0
        monkeypatch.setattr(breaks, "open_office", lambda _: client)
        monkeypatch.setattr(breaks, "signer_of", lambda *_: object())
        monkeypatch.setattr(breaks, "agreed", self.agree)
        keep = self.tables.append
        monkeypatch.setattr(Screen, "table", lambda _, head, rows, **__: keep(rows))

    def agree(self, *_: object) -> bool:
        assert not self.client.signed
        assert not self.client.approved
        self.asked += 1
        return True


def arguments(file: Path, **more: Any) -> Namespace:
    return Namespace(
        file=file, of=None, dry_run=False, outcomes=None, again=0, number=7,
        key=Path("x"), identity=("treasury", "a"), **more,
    )  # fmt: skip


def screen() -> Screen:
    return Screen(as_json=False, language=Language.ENGLISH)


def test_a_row_is_shown_as_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = tmp_path / "decided.csv"
    decided.write_text(
        "number,decision,about,amount,reason\n"
        f"X{ABOUT},post,,,letter 9\nX72,verify,,,list\n"
    )
    client = Liar({ABOUT: row(about=99, amount=700)})
    spoken = Spoken(monkeypatch, client)
    assert breaks.upload(arguments(decided), screen()) is Exit.REFUSED
    # Another payment, and another sum: both stand there, with what was decided about.
    [[told]] = spoken.tables
    assert told[2] == f"99 ({ABOUT})"
    assert "7.00" in told[3]
    assert (spoken.asked, client.signed) == (1, [client.made[ABOUT]])
    with (tmp_path / "decided.outcomes.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [one["outcome"] for one in lines] == ["proposed", "refused"]
    assert "no such payment" in lines[1]["text"]


@pytest.mark.parametrize(
    "stored",
    [
        row(),
        row(about=99),
        row(amount=501),
        row(reason=b"letter 8"),
        Row(Kind.PROPOSE, Kind.VOID, POSTED, 500, b"letter 9"),
        Row(Kind.FREEZE, REFUND, POSTED, 500, b"letter 9"),
    ],
)
def test_what_is_approved_is_what_was_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: Row
) -> None:
    outcomes = tmp_path / "outcomes.csv"
    cells = ["1", f"X{ABOUT}", "refund", str(ABOUT), "", "", "proposed", "80", ""]
    outcomes.write_text(",".join(OUTCOME_COLUMNS) + "\n" + ",".join(cells) + "\n")
    client = Liar({}, stored)
    spoken = Spoken(monkeypatch, client)
    is_right = stored == row()
    code = breaks.approve(arguments(outcomes), screen())
    assert code is (Exit.DONE if is_right else Exit.REFUSED)
    assert client.approved == ([stored] if is_right else [])
    assert spoken.asked == 1
