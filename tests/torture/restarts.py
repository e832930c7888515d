"""Two thousand sessions of one ledger, beside a ledger that was never ended.

The same as `tests/core/test_restarts.py` for 15,259 steps of the index, as many as a
thousand million rows have with the usual size of a step, on a build whose pages, blocks
and pieces are as much smaller (`make small`), so that everything that is done in pieces
is. At each quarter the two are compared. One line for each comparison, JSON last; 1 if
something was wrong. The seed is named.
"""

import argparse
import json
import os
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.core.sessions import (
    ENDS,
    LEVEL_RUNS_MOST,
    MAPS,
    STEP_ROWS,
    Broken,
    Unbroken,
    WrongError,
    compare,
)

STEPS = 15_259
STEPS_MOST = 20
"""Steps of one session; about a third of it on average, so that there are 2,000."""
COMPARISONS = 4
SMALL = Path(__file__).resolve().parents[2] / "build" / "small" / "lib"


def on_small_build() -> None:
    """Begin again on the build with small pages, if there is one and none is named."""
    if SMALL.is_dir() and not os.environ.get("SWITCH_TEST_LIB"):
        os.environ["SWITCH_TEST_LIB"] = str(SMALL)
        command = [sys.executable, "-m", "tests.torture.restarts", *sys.argv[1:]]
        os.execv(sys.executable, command)


def lengths(given: int | None) -> Callable[[random.Random], int]:
    """How many steps each session has."""
    if given is not None:
        return lambda _: given
    return lambda rng: min(rng.randrange(STEPS_MOST + 1) for _ in range(2))


def run(seed: int, given: Any, found: dict[str, Any]) -> None:
    """All sessions, with what was found so far in `found`."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        unbroken = Unbroken(folder / "unbroken", seed)
        rng = random.Random(seed)
        broken = Broken(folder / "broken", unbroken, rng, given.runs_most, given.end)
        for part in range(1, given.comparisons + 1):
            unbroken.grow(given.steps * STEP_ROWS * part // given.comparisons)
            found["runs_levels"] = {name: unbroken.info()[name] for name in MAPS}
            try:
                broken.run(lengths(given.session))
                found |= compare(unbroken, broken, folder)
            finally:
                found["sessions"] = broken.sessions
                found["ended"] = dict(broken.ended)
                found["seconds"] = round(time.monotonic() - begun)
            one, other = found["opening_s"]
            print(
                f"restarts, seed {seed}: {found['rows']:,} rows, "
                f"{broken.sessions:,} sessions, {found['runs']} runs of a map, opening "
                f"{1000 * one:.1f} ms unbroken, {1000 * other:.1f} ms after restarts",
                flush=True,
            )
        unbroken.close()


def main() -> int:
    """Run, telling how far it is; 1 if something was wrong."""
    on_small_build()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="random if not given")
    parser.add_argument("--steps", type=int, default=STEPS, help="index steps in all")
    parser.add_argument("--session", type=int, help="steps of each session, not random")
    parser.add_argument("--end", nargs="*", choices=ENDS, default=ENDS)
    parser.add_argument(
        "--comparisons",
        type=int,
        default=COMPARISONS,
        help="as many, the last at the end",
    )
    parser.add_argument(
        "--runs-most", type=int, default=LEVEL_RUNS_MOST, help="bound of each level"
    )
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    parser.add_argument("--folder", default=memory, help="where the ledgers are made")
    given = parser.parse_args()
    seed = secrets.randbits(32) if given.seed is None else given.seed
    build = Path(os.environ.get("SWITCH_TEST_LIB", "")).parent.name or "usual"
    found: dict[str, Any] = {"test": "restarts", "ok": True, "seed": seed}
    found |= {"build": build, "steps": given.steps}
    try:
        run(seed, given, found)
    except WrongError as error:
        found |= {"ok": False, "wrong": str(error)[:2_000]}
        print(f"restarts, seed {seed}: {error}", file=sys.stderr)
    print(json.dumps(found))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
