"""All long tests, one after the other, from one seed: `make torture ARGS="--seed 7"`.

Kills under load and on a hard day, 1.6 million requests beside the model, 100,000
bills, 30 days, an installation from nothing, answers after changes in any order,
100,000 steps between which what people decided may change, row templates of any shape,
damaged files, old pages, restarts, messages, a million frames against the front door,
100,000 histories of three switches on one log, a follower that is asked for 100,000
ids, two servers on a log of three databases. Each begins with a line of what it does
and how long it takes, tells how far it is in its own words, and ends with a line that
has its figure; at the end there is one line of JSON. 1 if any of them failed; the
others are run all the same.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MINUTES = {
    "kill": 2,
    "hard_day": 1,
    "model": 15,
    "bills": 10,
    "days": 30,
    "answers": 1,
    "changes": 4,
    "shapes": 7,
    "damage": 10,
    "full": 1,
    "old_pages": 20,
    "restarts": 5,
    "fuzz": 5,
    "front": 2,
    "install": 4,
    "histories": 45,
    "follower": 5,
    "log": 1,
}
"""About how long each takes if the machine has nothing else to do."""
TESTS = tuple(MINUTES)
FRAMES = 1_000_000
HISTORIES = 100_000
"""Of three switches on one log."""
BILLS = 12_500
"""Of each of the eight walks over bills."""
CHANCES = 20
"""Times as much of each test by chance as `make test` has (`tests/longer.py`)."""
BY_CHANCE = {
    "model": ("tests/core/test_model_random.py",),
    "install": ("tests/test_build.py",),
    "answers": ("tests/core/test_answers_stay.py",),
    "changes": (
        "tests/core/test_changes.py",
        "tests/core/test_changes_bills.py",
        "tests/billing/test_changes_lists.py",
        "tests/matching/test_changes_recalls.py",
    ),
    "shapes": ("tests/core/test_wild_rows.py", "tests/core/test_segments.py"),
    "damage": (
        "tests/core/test_row_checks.py",
        "tests/ledger/test_pages.py",
        "tests/ledger/test_opening_damage.py",
        "tests/audit/test_audit_damage.py",
    ),
    "follower": ("tests/cluster/test_follower.py",),
    "full": ("tests/core/test_full_complaints.py",),
    "log": ("tests/test_benchmarks_cluster.py",),
}


def command(test: str, seed: int, given: Any) -> list[str]:
    """What runs a test."""
    if test == "front":
        return ["build/front/fuzz", str(given.frames), str(seed)]
    return [sys.executable, *_module(test, seed, given)]


def _module(test: str, seed: int, given: Any) -> list[str]:
    if test in ("kill", "hard_day"):
        return ["-m", "pytest", "-q", f"tests/torture/test_{test}.py"]
    if test == "bills":
        walk = "tests/core/test_bills_once.py"
        return ["-m", "pytest", "-q", "-o", "timeout=3600", walk]
    if test in BY_CHANCE:
        return ["-m", "pytest", "-q", "-o", "timeout=3600", *BY_CHANCE[test]]
    if test == "days":
        more = ["--days", str(given.days)] if given.days else []
        return ["-m", "tests.torture.days", "--seed", str(seed % 10**6), *more]
    if test == "fuzz":
        inputs = ["--inputs", str(given.inputs)] if given.inputs else []
        return ["-m", "tests.torture.fuzz_wire", "--seed", str(seed), *inputs]
    if test == "histories":
        more = ["--histories", str(given.histories)]
        return ["-m", "tests.torture.simulation", "--seed", str(seed), *more]
    more = ["--sample", str(given.sample)] if given.sample else []
    if test == "restarts":
        more = ["--steps", str(given.steps)] if given.steps else []
    return ["-m", f"tests.torture.{test}", "--seed", str(seed), *more]


def run(test: str, seed: int, given: Any) -> dict[str, Any]:
    """One test, its words passed on, its last line kept."""
    begun = time.monotonic()
    last = ""
    clock = time.strftime("%H:%M")
    print(f"{test} begins at {clock}, about {MINUTES[test]} minutes", flush=True)
    environment = {**os.environ, "SWITCH_TEST_SEED": str(seed), "PYTHONUNBUFFERED": "1"}
    environment.setdefault("PAYSWITCH_BILLS", str(BILLS))
    environment.setdefault("PAYSWITCH_TIMES", str(CHANCES))
    with subprocess.Popen(
        command(test, seed, given),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            last = line.strip() or last
            if not line.startswith("{"):
                print(f"  {line.rstrip()}", flush=True)
    found: dict[str, Any] = json.loads(last) if last.startswith("{") else {}
    found |= {"test": test, "ok": child.returncode == 0, "seed": seed}
    found |= {"seconds": round(time.monotonic() - begun), "figure": figure(found, last)}
    print(
        f"{test}, seed {seed}: {'ok' if found['ok'] else 'FAILED'}, {found['figure']}; "
        f"{found['seconds']:,} s",
        flush=True,
    )
    return found


def figure(found: dict[str, Any], last: str) -> str:
    """How much a test did."""
    if "places" in found:
        wrong = sum(found[each] for each in ("wrong", "signal", "hang", "shut"))
        return f"{found['places']:,} places, {found['cases']:,} cases, {wrong} wrong"
    if "sessions" in found:
        return f"{found['sessions']:,} sessions of {found.get('rows', 0):,} rows"
    if "histories" in found:
        return f"{found['histories']:,} histories, {found['per_s']}/s"
    if "first_seed" in found:
        failed = found["failed"]
        return f"{found['days']} days of up to {found['longest_s']} s, failed: {failed}"
    return last


def main() -> int:
    """Run them; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="random if not given")
    parser.add_argument("--only", nargs="*", choices=TESTS, default=TESTS)
    parser.add_argument("--sample", type=int, help="cases of each ledger of old_pages")
    parser.add_argument("--steps", type=int, help="index steps of restarts")
    parser.add_argument("--days", type=int, help="days of days")
    parser.add_argument("--inputs", type=int, help="messages of fuzz")
    parser.add_argument("--histories", type=int, default=HISTORIES)
    parser.add_argument("--frames", type=int, default=FRAMES, help="of front")
    given = parser.parse_args()
    seed = secrets.randbits(31) if given.seed is None else given.seed
    found = [run(test, seed, given) for test in given.only]
    ok = all(one["ok"] for one in found)
    print(
        json.dumps({"torture": "ok" if ok else "failed", "seed": seed, "tests": found})
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
