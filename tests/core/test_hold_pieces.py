"""Goal: the open holds are written in turn, and opening has all of them to the row.

Method: more open holds than a step writes whole, in steps that open and end holds of a
few pieces or of all. The index's own table says which pieces a step has written;
without threads closing writes nothing, so that each opening finds what a killed process
leaves. Values that are whole but older, or of another place, are put in with everything
else made right.
"""

import random
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from switch._core import GROUP_MAX, Ledger
from switch.audit import audit
from switch.codes import Kind, Result
from switch.errors import IndexDamagedError
from tests.audit.journal_writer import change_index
from tests.core.generator import BEFORE_THE_CORE
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import rows_request
from tests.core.test_concurrency import ask, transfers
from tests.core.test_segments import STEPS_MAX, share_of, tables
from tests.records import Row

STEP_ROWS = 1_024
PIECES = 64
WHOLE = 65_536
"""So many open holds are written whole."""
LEAST = PIECES // STEPS_MAX
DEADLINE_S = 30 * 86_400
OPTIONS: dict[str, Any] = {
    "threads": False,
    "index_step_rows": STEP_ROWS,
    "map_size": 1 << 30,
    "reserve_size": 0,
}


class Holder:
    """A ledger whose great wallet holds, and what should be open in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.network: Network = make_network()
        self.ledger = Ledger(str(path), **OPTIONS)
        self.ledger.commit([rows_request(self.network.rows)], NOW)
        funds = top_up(self.network, self.network.great_wallet, 10**12, b"UTR-GREAT")
        funds.debit = self.network.great_float
        self.commit([funds])
        self.open: set[int] = set()
        self.number = 1 << 90

    def hold(self) -> Row:
        """One more hold."""
        self.number += 1
        return Row(
            Kind.HOLD,
            id=self.number.to_bytes(16, "big"),
            amount=1,
            reference=b"%d" % self.number,
            debit=self.network.great_wallet,
            service=self.network.great_service,
            participant=self.network.harness,
            deadline=DEADLINE_S,
        )

    def void(self, hold: int) -> Row:
        """The end of a hold."""
        return Row(Kind.VOID, resolves=hold)

    def idle(self, count: int) -> list[Row]:
        """Rows that change no hold."""
        self.number += count
        return transfers(self.network, self.number - count + 1, count)

    def commit(self, rows: list[Row]) -> set[int]:
        """One group, all of which must succeed; the pieces that it has changed."""
        outcomes = ask(self.ledger, rows)
        assert set(outcomes["result"].tolist()) == {Result.OK}
        changed = set()
        for row, outcome in zip(rows, outcomes, strict=True):
            if row.kind == Kind.HOLD:
                self.open.add(int(outcome["sequence"]))
                changed.add(int(outcome["sequence"]) % PIECES)
            elif row.kind == Kind.VOID:
                self.open.remove(row.resolves)
                changed.add(row.resolves % PIECES)
        return changed

    def fill(self, count: int) -> None:
        """So many holds, and the rest of a step."""
        for first in range(0, count, GROUP_MAX):
            self.commit([self.hold() for _ in range(min(GROUP_MAX, count - first))])
        self.commit(self.idle(STEP_ROWS - self.ledger.sequence % STEP_ROWS))
        while self.ledger.index_step():
            pass

    def reopen(self, audited: bool = False) -> None:
        """Close and open: the list is what it was. Between them the files are audited,
        each piece where it stands.
        """
        self.ledger.close()
        if audited:
            checks = audit(self.path).checks
            found = {name for name, count in checks.items() if count}
            assert found <= BEFORE_THE_CORE
        self.ledger = Ledger(str(self.path), create=False, **OPTIONS)
        assert self.ledger.holds().tolist() == sorted(self.open)

    def stand(self) -> tuple[int, int, list[int]]:
        """The index's step, how many it is behind, and the step of each piece."""
        meta = tables(self.path, "meta")[b"index"]
        as_of = int.from_bytes(meta[24:32], "little")
        behind = int.from_bytes(meta[384:388], "little")
        stored = tables(self.path, "holds")
        steps = [0] * PIECES
        for key, value in stored.items():
            steps[int.from_bytes(key, "big")] = (
                int.from_bytes(value[8:16], "little") // STEP_ROWS
            )
        listed = struct.unpack(f"<{2 * PIECES}I", meta[-8 * PIECES :])[::2]
        assert list(listed) == steps
        return as_of // STEP_ROWS, behind, steps


def drawn(rng: random.Random, turn: int, holder: Holder) -> list[Row]:
    """A step's rows: at some turns any piece changes, at the others a few do."""
    wanted = range(PIECES) if turn % 12 < 4 else rng.sample(range(PIECES), 1 + turn % 3)
    of_pieces = [hold for hold in holder.open if hold % PIECES in wanted]
    rows = holder.idle(STEP_ROWS)
    first = holder.ledger.sequence + 1
    for place in rng.sample(range(STEP_ROWS), 200):
        if (first + place) % PIECES in wanted and rng.random() < 0.6:
            rows[place] = holder.hold()
    for place in rng.sample(range(STEP_ROWS), rng.choice((1, 20, 90))):
        if rows[place].kind == Kind.TRANSFER:
            hold = of_pieces.pop(rng.randrange(len(of_pieces)))
            rows[place] = holder.void(hold)
    return rows


def test_each_piece_is_written_within_its_term(tmp_path: Path) -> None:
    """Each turn is one step; what it writes is bounded, and so is what waits."""
    holder = Holder(tmp_path / "ledger")
    holder.fill(WHOLE + 4_000)
    for _ in range(STEPS_MAX):  # until nothing waits
        holder.commit(holder.idle(STEP_ROWS))
        assert holder.ledger.index_step()
    assert holder.stand()[1] == 0
    since: dict[int, int] = {}  # step in which a piece that waits changed first
    rng = random.Random(1)
    most = 0
    for turn in range(40):
        changed = holder.commit(drawn(rng, turn, holder))
        assert holder.ledger.index_step()
        step, behind, pieces = holder.stand()
        for number in changed:
            since.setdefault(number, step)
        written = [n for n, other in enumerate(pieces) if other == step]
        waiting = sorted(since.values())
        assert len(holder.open) > WHOLE
        assert len(written) == share_of(waiting, step, LEAST)
        # Those that have waited longest.
        assert sorted(since[n] for n in written) == waiting[: len(written)]
        for number in written:
            del since[number]
        assert behind == step + 1 - min(since.values(), default=step + 1)
        assert behind < STEPS_MAX
        most = max(most, behind)
        if turn % 10 == 3:
            holder.reopen()
    assert most >= STEPS_MAX - 2
    holder.commit(drawn(rng, 0, holder))
    assert holder.ledger.index_step()
    assert holder.stand()[1] > 0
    holder.reopen(audited=True)
    # With as few as are written whole, what waits waits no more.
    ends = rng.sample(sorted(holder.open), len(holder.open) - WHOLE)
    for first in range(0, len(ends), GROUP_MAX):
        holder.commit([holder.void(hold) for hold in ends[first : first + GROUP_MAX]])
    holder.fill(0)
    assert holder.stand()[1] == 0
    holder.reopen(audited=True)
    holder.ledger.close()


@pytest.mark.parametrize(
    ("table", "what"),
    [
        *(("segments", what) for what in ("older", "missing")),
        *(("holds", what) for what in ("older", "another's", "missing")),
    ],
)
def test_a_piece_that_is_not_the_one_listed_is_refused(
    tmp_path: Path, table: str, what: str
) -> None:
    """Whole and right in itself, and of this very ledger: but older, or elsewhere."""
    holder = Holder(tmp_path / "ledger")
    holder.fill(500)
    holder.ledger.close()
    old = tables(holder.path, table)
    holder.ledger = Ledger(str(holder.path), create=False, **OPTIONS)
    holder.fill(500)
    holder.reopen()
    holder.ledger.close()
    first, *others = sorted(tables(holder.path, table))
    value = {
        "older": old[first],
        "another's": tables(holder.path, table)[others[0]] if others else b"",
        "missing": None,
    }[what]
    copy = Path(shutil.copytree(holder.path, tmp_path / "copy"))
    change_index(copy, table, first, lambda _: value)
    with pytest.raises(IndexDamagedError):
        Ledger(str(copy), create=False, **OPTIONS)
    # What was put in, and not how, was refused.
    change_index(holder.path, table, first, lambda same: same)
    holder.ledger = Ledger(str(holder.path), create=False, **OPTIONS)
    holder.reopen()
    holder.ledger.close()
