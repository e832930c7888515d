"""Goal: whatever a March day brings, all its proofs hold.

Method: `payswitch day --once` with as many seeds in turn as are asked for, each on a
fresh directory. Its last line is read; a day that ends otherwise than with all proofs
is kept, and its directory is named.

    python -m tests.torture.days --seed 7 --days 30
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DAYS = 30
"""If no number is asked for."""
DAY_MAX_S = 600.0
"""A day that takes longer has failed."""


def run(seed: int, directory: Path) -> str:
    """A day; empty if all proofs hold, else what was said instead."""
    command = [sys.executable, "-m", "switch", "day", "--once", "--json"]
    command += ["--port", "0", "--seed", str(seed), "--data", str(directory)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=DAY_MAX_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {DAY_MAX_S:.0f} s"
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return done.stderr.strip()[-500:] or "it said nothing"
    if done.returncode == 0 and found["proofs_ok"]:
        return ""
    return json.dumps(found)[:2_000]


def main() -> int:
    """Run them; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first")
    parser.add_argument("--days", type=int, default=DAYS)
    given = parser.parse_args()
    failed, longest = [], 0.0
    for seed in range(given.seed, given.seed + given.days):
        directory = Path(tempfile.mkdtemp(prefix="day-"))
        begun = time.monotonic()
        wrong = run(seed, directory)
        seconds = time.monotonic() - begun
        longest = max(longest, seconds)
        if wrong:
            failed.append(seed)
            print(f"day {seed}: FAILED, kept in {directory}: {wrong}", flush=True)
            continue
        shutil.rmtree(directory)
        print(f"day {seed}: all proofs hold; {seconds:.0f} s", flush=True)
    print(
        json.dumps(
            {
                "days": given.days,
                "failed": failed,
                "first_seed": given.seed,
                "longest_s": round(longest, 1),
            }
        )
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
