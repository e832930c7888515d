"""Goal: what a request costs does not grow with what lies beside the rows that it asks
about: a repeat, a look-up and an opening find a row and what belongs to it at once.

Method: the build with asserts counts what loops meet one after another (rows, items);
a full group is asked for again, and its count is compared with the requests'. Any
build compares what is found. Times are compared by hand: docs/figures.md.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch import _core as core
from switch.codes import Kind, Result, RowFlag, Step
from tests.core.full import Full

NEAR = 32
"""Rows that may be hopped over on the way to one."""
COUNT = core.GROUP_MAX
RNG = np.random.default_rng(11)

counted = pytest.mark.skipif(not core.ASSERTS, reason="only the assert build counts")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Full]:
    made = Full(tmp_path / "ledger")
    yield made
    made.ledger.close()


def noted(full: Full, count: int = COUNT) -> core.Rows:
    """Payments of a rupee, each with a note: see `tails`."""
    rows = full.rows(Kind.PAY, count, full.net.centres[0])
    rows["debit"] = full.net.wallets[0]
    rows["service"] = full.service
    rows["amount"] = rows["total"] = 100
    rows["reference"][:, 0] = ord("R")
    rows["flags"] = int(RowFlag.TAIL)
    return rows


def tails(rows: core.Rows) -> list[bytes]:
    """The note of each row says its id; they are of any length."""
    ids = [each.tobytes() for each in rows["id"]]
    return [id_.hex().encode()[-8 - id_[15] % 9 :] for id_ in ids]


def pay(full: Full, rows: core.Rows) -> core.Rows:
    """What became of all; each is accepted, now or before."""
    outcomes = full.commit(rows, tails(rows))
    assert set(outcomes["result"].tolist()) == {Result.OK}
    return outcomes


def walked_by_repeats(full: Full, rows: core.Rows) -> int:
    """The same in another order: nothing is recorded."""
    before = full.ledger.sequence
    walked = core.test_walked()
    pay(full, rows[RNG.permutation(len(rows))])
    assert full.ledger.sequence == before
    return core.test_walked() - walked


# --- payments that are sent again -----------------------------------------------------


@counted
def test_repeats_of_a_full_group(full: Full) -> None:
    rows = noted(full)
    pay(full, rows)
    assert COUNT <= walked_by_repeats(full, rows) < NEAR * COUNT
    full.reopen()
    assert walked_by_repeats(full, rows) < NEAR * COUNT


@counted
def test_repeats_of_several_groups_in_turn(full: Full) -> None:
    groups = [noted(full) for _ in range(6)]
    for rows in groups:
        pay(full, rows)
    mixed = np.concatenate([rows[::6] for rows in groups])[:COUNT]
    assert walked_by_repeats(full, mixed) < NEAR * COUNT + 6 * COUNT
    # Where they are is known from then on.
    assert walked_by_repeats(full, mixed) < NEAR * COUNT


@counted
def test_repeats_within_a_group(full: Full) -> None:
    rows = noted(full, COUNT // 2)
    walked = core.test_walked()
    pay(full, np.concatenate([rows, rows[::-1]]))
    assert core.test_walked() - walked < NEAR * COUNT // 2


@counted
def test_repeats_without_notes_walk_nowhere(full: Full) -> None:
    rows = noted(full)
    rows["flags"] = 0
    full.commit(rows)
    walked = core.test_walked()
    full.commit(rows)
    assert core.test_walked() == walked


def test_a_note_is_compared_with_its_own_row_alone(full: Full) -> None:
    rows = noted(full, 300)
    pay(full, rows)
    changed = tails(rows)
    changed[7], changed[280] = changed[280], changed[7] + b"."
    for _ in range(2):
        results = full.commit(rows, changed)["result"]
        other = np.flatnonzero(results == Result.ID_REUSED).tolist()
        assert other == [7, 280]
        full.reopen()


# --- reading tails --------------------------------------------------------------------


@pytest.mark.parametrize("order", ["up", "down", "any"])
def test_tails_in_any_order(full: Full, order: str) -> None:
    rows = noted(full)
    rows["flags"][::3] = 0
    given = [tail for n, tail in enumerate(tails(rows)) if n % 3]
    sequences = full.commit(rows, given)["sequence"].astype(np.uint64)
    wanted = np.arange(COUNT)
    wanted = {"up": wanted, "down": wanted[::-1], "any": RNG.permutation(COUNT)}[order]
    wanted = np.concatenate([wanted[:-5], wanted[:5]])
    walked = core.test_walked()
    found = full.ledger.tails(sequences[wanted])
    assert core.test_walked() - walked <= NEAR * COUNT
    whole = tails(rows)
    assert found == [whole[n] if n % 3 else b"" for n in wanted]


# --- opening --------------------------------------------------------------------------


@counted
def test_an_opening_with_complaints_that_were_replied_to(tmp_path: Path) -> None:
    """Those of a full group, replied to in another order."""
    full = Full(tmp_path / "ledger", threads=False, index_step_rows=1_024)
    told = full.complain(full.pay(COUNT))
    assert set(told["result"].tolist()) == {Result.OK}
    replies = full.rows(Kind.REPLY, COUNT, full.net.treasury)
    replies["resolves"] = told["sequence"][RNG.permutation(COUNT)]
    replies["total"] = Step.ASKED
    assert set(full.commit(replies)["result"].tolist()) == {Result.OK}
    while full.ledger.index_step():
        pass
    walked = core.test_walked()
    full.reopen()
    # Walks that begin within a chunk hop to there, once each.
    assert core.test_walked() - walked < 2 * COUNT
    closed = full.rows(Kind.REPLY, 1, full.net.treasury)
    closed["resolves"] = told["sequence"][5]
    closed["total"] = Step.CLOSED
    assert full.commit(closed)["result"].tolist() == [Result.OK]
    full.ledger.close()
