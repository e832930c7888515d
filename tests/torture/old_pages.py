"""Every 4 KiB place of a ledger's files put back to what it was, one at a time.

The same as `tests/core/test_old_pages.py` with all that was left out there: each of the
last three contents of every place of both files, for several sizes of the index's
steps, with and without a reserve. One line for each ledger, a line for each case that
went wrong, a line of JSON at the end; 1 if there was a wrong one. Each ledger names its
seed.
"""

import argparse
import json
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.core.aged import make_plan, tell
from tests.core.trial import BAD, GOOD, all_cases, try_all

LEDGERS = (
    # Rows of a step, rows in all, bytes of reserve, whether each piece of a step is a
    # transaction. Runs of two levels and more.
    (16, 2_500, 0, False),
    (16, 2_000, 64 << 10, False),
    (16, 2_000, 0, True),
    (64, 5_000, 0, False),
    (64, 4_700, 64 << 10, False),
    (256, 6_000, 0, False),
)
PLACES_LEAST = 2_000
"""With an older content, in all ledgers, or nothing was proved."""
TOLD_EACH = 250
"""Cases after which it says how far it is."""
TOLD_MAX = 20
"""Wrong cases of a ledger that are told one by one."""


def walk(seed: int, ledger: tuple[int, int, int, bool], given: Any) -> dict[str, Any]:
    """One ledger: its places and what came of them."""
    step_rows, rows, reserve_size, in_pieces = ledger
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        story = tell(
            folder / "story", seed, rows, step_rows, reserve_size, in_pieces=in_pieces
        )
        plan = make_plan(story, folder / "plan")
        cases = all_cases(story)
        random.Random(seed).shuffle(cases)
        if given.once:
            once = {(case.file, case.page): case for case in cases}
            cases = list(once.values())
        if given.sample:
            cases = cases[: given.sample]
        made = f"a ledger of {plan.begin:,} rows, {len(cases):,} cases to try"
        print(f"steps of {step_rows} rows: {made}", flush=True)
        outcomes: Counter[str] = Counter()
        for case, outcome, why in try_all(story, plan, cases, folder, given.jobs):
            outcomes[outcome] += 1
            if outcomes.total() % TOLD_EACH == 0:
                print(f"  {outcomes.total():,} of {len(cases):,} cases", flush=True)
            if outcome in BAD and sum(outcomes[each] for each in BAD) <= TOLD_MAX:
                print(f"  {case}: {outcome}: {why[:300]}", flush=True)
    found: dict[str, Any] = {
        "seed": seed,
        "step_rows": step_rows,
        "rows": plan.begin,
        "reserve_size": reserve_size,
        "in_pieces": in_pieces,
        "places": len({(case.file, case.page) for case in cases}),
        "cases": outcomes.total(),
        **{each: outcomes[each] for each in (*GOOD, *BAD)},
        "seconds": round(time.monotonic() - begun),
    }
    told = ", ".join(f"{outcomes[each]:,} {each}" for each in (*GOOD, *BAD))
    print(
        f"old pages, steps of {step_rows} rows{' in pieces' * in_pieces}, "
        f"reserve {reserve_size:,}, seed {seed}: "
        f"{found['places']:,} places, {outcomes.total():,} cases: {told}; "
        f"{found['seconds']} s",
        flush=True,
    )
    return found


def main() -> int:
    """Walk, telling how far it is; 1 if something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="random if not given")
    parser.add_argument(
        "--steps", type=int, nargs="*", help="only steps of these sizes"
    )
    parser.add_argument("--rounds", type=int, default=1, help="seeds in all")
    parser.add_argument("--sample", type=int, help="cases of each ledger, not all")
    parser.add_argument(
        "--once", action="store_true", help="one older content of each place, not all"
    )
    parser.add_argument("--jobs", type=int, default=2, help="copies at the same time")
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    parser.add_argument("--folder", default=memory, help="where the copies are made")
    given = parser.parse_args()
    seed = secrets.randbits(32) if given.seed is None else given.seed
    found = [
        walk(seed + number, ledger, given)
        for number in range(given.rounds)
        for ledger in LEDGERS
        if not given.steps or ledger[0] in given.steps
    ]
    totals = {
        name: sum(one[name] for one in found)
        for name in ("places", "cases", *GOOD, *BAD, "seconds")
    }
    is_whole = not (given.steps or given.sample)
    few = is_whole and totals["places"] < PLACES_LEAST * given.rounds
    ok = not few and not sum(totals[each] for each in BAD)
    print(json.dumps({"test": "old_pages", "ok": ok, **totals, "ledgers": found}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
