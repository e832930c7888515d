"""Goal: what is measured of totals is the work that it says.

Method: the benchmark in small; what its year's rows come to is counted once more.
"""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import totals
from benchmarks.totals_rows import LAG, Year
from switch._core import Ledger
from switch.codes import Kind
from switch.register.register import Register

ROWS = 15_000


class Small(Year):
    """The last one that was made."""

    made: "Small"

    def __init__(
        self, ledger: Ledger, register: Register, rows: int, days: int
    ) -> None:
        super().__init__(ledger, register, rows, days)
        Small.made = self


def test_a_year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "Year", Small)
    options = Namespace(rows=ROWS, days=40, asks=1)
    found = totals.measure_year(options, tmp_path)
    rows = Small.made.rows(1, ROWS)
    kinds = rows["kind"]
    final = np.isin(kinds, [int(Kind.PAY), int(Kind.POST)])
    assert found["payments"] == int(final.sum())
    # What ends a hold is of that hold, and is its only end.
    ends = rows[np.isin(kinds, [int(Kind.POST), int(Kind.VOID)])]
    holds = rows[ends["resolves"].astype(np.int64) - 1]
    assert (holds["kind"] == Kind.HOLD).all()
    assert (ends["sequence"] - ends["resolves"] == LAG).all()
    for name in ("debit", "credit", "service"):
        assert (holds[name] == ends[name]).all()
    assert len(ends) > ROWS // 4


def test_a_ledger(tmp_path: Path) -> None:
    found = totals.measure_ledger(Namespace(ledger_rows=15_000), tmp_path)
    assert found["explained_entries"] == 15_000
    assert found["explain_pages"] == 1
