"""Goal: a ledger that is ended and started again and again stays the ledger, and the
index, that it would be if it had never been ended.

Method: the same rows for a ledger that stays open, judged by the model, and for one
that lives in sessions of zero to twenty index steps, each ended by closing, by leaving
between two commits, or by a kill at any moment. Answers, repeats, runs of each level
and the time that opening takes are compared, and runs have a bound at each step. This
is the short form; `python -m tests.torture.restarts` is the long one.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import memory
from tests.core.sessions import (
    STEP_ROWS,
    Broken,
    Session,
    Unbroken,
    compare,
    in_child,
    live,
)

SEED = 7
STEPS = 540
"""Of 512 is a run of the third level."""
LENGTHS: dict[str, Callable[[random.Random], int]] = {
    "any": lambda rng: min(rng.randrange(21), rng.randrange(21)),
    "four steps": lambda _: 4,
    "twenty steps": lambda _: 20,
}
SESSIONS_LEAST = {"any": 60, "four steps": 120, "twenty steps": 24}

pytestmark = [pytest.mark.slow, pytest.mark.forks]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with memory.folder() as path:
        yield path


@pytest.fixture(scope="module")
def unbroken(folder: Path) -> Iterator[Unbroken]:
    ledger = Unbroken(folder / "unbroken", SEED)
    ledger.grow(STEPS * STEP_ROWS)
    yield ledger
    ledger.close()


@pytest.mark.parametrize("lengths", LENGTHS)
def test_restarts_change_nothing(
    unbroken: Unbroken, folder: Path, lengths: str
) -> None:
    broken = Broken(folder / lengths, unbroken, random.Random(lengths))
    broken.run(LENGTHS[lengths])
    assert broken.sessions >= SESSIONS_LEAST[lengths]
    assert min(broken.ended[end] for end in ("close", "exit", "killed")) > 0
    compare(unbroken, broken, folder)


# --- the harness itself ---------------------------------------------------------------


def test_ends_of_children_are_told_apart() -> None:
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def be_late() -> None:
        time.sleep(60)

    def go_wrong() -> None:
        raise ValueError("so")

    assert in_child(lambda: [1, 2]) == ("value", [1, 2])
    assert in_child(die) == ("died", "SIGKILL")
    assert in_child(go_wrong) == ("wrong", "ValueError: so")
    assert in_child(be_late, 0.1) == ("hang", None)


def test_a_lost_row_would_be_seen(unbroken: Unbroken, folder: Path) -> None:
    """A session that begins where no group ended is wrong."""
    ends = [end + 1 for end in unbroken.ends]
    session = Session(1, "close", 0.0, threads=False, seed=1)
    broken = Broken(folder / "lost", unbroken, random.Random(1))
    work = partial(live, broken.path, unbroken.groups, ends, session)
    ended, said = in_child(work)
    assert ended == "value"
    assert said > 0
    ended, said = in_child(work)
    assert ended == "wrong"
    assert "no group ended" in said
