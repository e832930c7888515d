"""Goal: the journal says by which rules each row was decided.

Method: the row is asked for as the committer asks for it; it is read again from the
index and from the journal. A journal written by hand names rules that are yet to come.
"""

import struct
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.audit import audit
from switch.codes import RULES_VERSION, Kind, Record, Result
from switch.errors import FormatError
from tests.audit.journal_writer import Row as Written
from tests.audit.journal_writer import write_journal
from tests.core.counter import bills_record
from tests.core.network import NOW
from tests.core.pair import Pair
from tests.model import Rows
from tests.records import RULES_RECORD, Row

LITTLE_MAP = 1 << 30


def rules(tail: bytes, number: int = 1) -> Row:
    """A rules row as it is asked for."""
    return Row(Kind.REGISTER, id=number.to_bytes(16, "big"), tail=tail)


def test_the_ledger_knows_by_which_rules_it_runs(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "ledger", threads=False, index_step_rows=16)
    assert pair.ledger.rules_version == 0
    assert pair.one(rules(RULES_RECORD + b'{"before": 0}'), NOW).result == Result.OK
    for number in range(2, 40):
        assert pair.ledger.rules_version == RULES_VERSION
        outcome = pair.one(rules(RULES_RECORD, number), NOW)
        assert (outcome.result, outcome.index) == (Result.OK, 1)
        pair.ledger.index_step()
        if number % 7 == 0:
            pair.reopen(without_index=number % 2 == 0)
    assert pair.ledger.index_sequence >= 32
    pair.reopen()
    assert pair.ledger.rules_version == RULES_VERSION
    pair.close()
    assert audit(pair.path).ok


@pytest.mark.parametrize(
    "tail",
    [
        RULES_RECORD[:7],
        RULES_RECORD[:1] + b"\1" + RULES_RECORD[2:],
        struct.pack("<B3xI", Record.RULES, 0),
        struct.pack("<B3xI", Record.RULES, RULES_VERSION + 1),
    ],
)
def test_no_other_rules_begin(empty: Pair, tail: bytes) -> None:
    [[outcome]] = empty.commit([Rows([rules(tail)])], NOW)
    assert outcome.result == Result.INVALID_RECORD
    assert (empty.ledger.sequence, empty.ledger.rules_version) == (0, 0)


def test_rules_that_are_not_known_are_not_run(tmp_path: Path) -> None:
    later = struct.pack("<B3xI", Record.RULES, RULES_VERSION + 1)
    row = Written(
        Kind.REGISTER, id=b"r" * 16, sequence=1, timestamp=NOW, debit=1, tail=later
    )
    write_journal(tmp_path, [[row]])
    with pytest.raises(FormatError, match=f"rules {RULES_VERSION + 1} run this ledger"):
        Ledger(str(tmp_path), create=False, map_size=LITTLE_MAP, reserve_size=0)
    found = audit(tmp_path)
    assert not found.ok
    assert "are not known to this auditor" in str(found.findings)


@pytest.mark.parametrize("before", [14, RULES_VERSION - 1])
def test_a_ledger_of_rules_before_goes_on(tmp_path: Path, before: int) -> None:
    """Files of bills that came by these are the newest of their service still."""
    said = struct.pack("<B3xI", Record.RULES, before)
    rows = [
        Written(Kind.REGISTER, id=b"r" * 16, debit=1, tail=said),
        *(
            Written(Kind.BILLS, id=bytes([form]) * 16, service=1, tail=record)
            for form in (1, 2, 3)
            for record in [bills_record(form, 3, 0)]
        ),
    ]
    for number, row in enumerate(rows, 1):
        row.sequence, row.timestamp = number, NOW + number
    write_journal(tmp_path, [rows])
    options: dict[str, Any] = {"map_size": LITTLE_MAP, "reserve_size": 0}
    ledger = Ledger(str(tmp_path), create=False, **options)
    assert ledger.rules_version == before
    assert ledger.bills(1) == 4
    ledger.close()
